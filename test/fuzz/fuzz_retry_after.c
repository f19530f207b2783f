/* Any bytes as `Retry-After`, at any time: a wait within the bounds, or nothing touched. */
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
    int64_t now = 0;
    struct clew__slice value;
    if (size < sizeof now)
        return 0;
    memcpy(&now, data, sizeof now);
    value.data = (const char *)data + sizeof now;
    value.size = size - sizeof now;
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
