/* Any bytes as `Retry-After`, at any time that a clock shows: a wait within the bounds, or nothing touched.
 */
#include "collector-bridge/wire/retry.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds) {
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint64_t untouched = UINT64_MAX - 1;
    uint64_t wait = untouched, told;
    uint32_t minutes = 0; /* since 1970: eight thousand years */
    int64_t now;
    struct clew__slice value;
    if (size < sizeof minutes)
        return 0;
    memcpy(&minutes, data, sizeof minutes);
    now = (int64_t)minutes * 60;
    value = clew__slice_of((const char *)data + sizeof minutes, size - sizeof minutes);
    if (!clew__retry_after(value, now, &wait)) {
        check(wait == untouched);
        return 0;
    }
    check(wait <= CLEW__RETRY_AFTER_MAX_NANO);
    told = clew__retry_told_nano(wait, (uint64_t)now);
    check(told >= wait && told >= CLEW__RETRY_AFTER_MIN_NANO);
    check(told <= CLEW__RETRY_AFTER_MAX_NANO + CLEW__RETRY_AFTER_MAX_NANO / 5);
    return 0;
}
