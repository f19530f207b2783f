/* Any bytes as a crash file: what comes out is well-formed, bounded, and as many spans as it says; what is
 * confirmed does not come again. The input is the table and the pages behind a header that is right, or, by
 * its first byte, the whole file. */
#include "sdk/crash/crash_layout.h"
#include "sdk/crash/recover.h"

#include <clew/pipeline.h>

#include "proto/wire.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define REQUIRE(condition)                                                                                   \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            abort();                                                                                         \
    } while (0)

enum { PAGES = 16, FIRST_PAGE = 2, SPANS = 7, BYTES = 3000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t put(uint8_t *file, size_t at, const uint8_t **data, size_t *size, size_t room) {
    size_t count = *size < room ? *size : room;
    memcpy(file + at, *data, count);
    *data += count;
    *size -= count;
    return at + count;
}

/* Small inputs reach far: eight words of the table, then 64 bytes of each page, then the rest. */
static void make_file(uint8_t *file, const uint8_t *data, size_t size) {
    const struct clew__crash_header header = {CLEW__CRASH_MAGIC,
                                              CLEW__CRASH_VERSION,
                                              CLEW__CRASH_BYTE_ORDER,
                                              CLEW__CRASH_PAGE,
                                              PAGES,
                                              FIRST_PAGE,
                                              1,
                                              1};
    memcpy(file, &header, sizeof header);
    put(file, CLEW__CRASH_PAGE, &data, &size, PAGES * sizeof(uint32_t));
    for (size_t page = FIRST_PAGE; page < PAGES; page++) {
        size_t at = put(file, page * CLEW__CRASH_PAGE, &data, &size, 256);
        if (page + 1 == PAGES)
            put(file, at, &data, &size, PAGES * CLEW__CRASH_PAGE - at);
    }
}

static size_t recover_all(int descriptor, bool confirm) {
    struct clew__recovery *recovery = NULL;
    size_t total = 0, spans;
    clew_bytes request;
    bool failed;
    if (clew__recovery_open(descriptor, &recovery) != CLEW__RECOVERY_OK)
        return 0;
    while (clew__recovery_next(recovery, BYTES, SPANS, &request, &spans, &failed)) {
        clew_batch_cursor cursor = clew_request_begin(request);
        clew_span_view span;
        size_t seen = 0;
        REQUIRE(clew__wire_check_traces(request.data, request.size, NULL, NULL) == CLEW__WIRE_OK);
        while (clew_batch_next(&cursor, &span))
            seen++;
        REQUIRE(seen == spans && spans > 0 && spans <= SPANS);
        REQUIRE(request.size <= BYTES || spans == 1);
        if (confirm)
            REQUIRE(clew__recovery_confirm(recovery));
        total += spans;
    }
    clew__recovery_free(recovery);
    return total;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static uint8_t file[PAGES * CLEW__CRASH_PAGE];
    static int descriptor = -1;
    size_t file_size = sizeof file, found;
    if (size == 0)
        return 0;
    if (descriptor < 0)
        descriptor = memfd_create("fuzz", 0);
    memset(file, 0, sizeof file);
    if (data[0] & 1) {
        file_size = size - 1 < sizeof file ? size - 1 : sizeof file;
        memcpy(file, data + 1, file_size);
    } else {
        make_file(file, data + 1, size - 1);
    }
    REQUIRE(ftruncate(descriptor, 0) == 0);
    REQUIRE(pwrite(descriptor, file, file_size, 0) == (ssize_t)file_size);
    found = recover_all(descriptor, false);
    REQUIRE(recover_all(descriptor, true) == found);
    REQUIRE(recover_all(descriptor, true) == 0);
    return 0;
}
