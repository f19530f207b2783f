/* Any bytes as a file of traces: what is handed on is well-formed, and if nothing is complained of it was
 * read to its end. */
#include <stdlib.h>

#include "collector-bridge/files/input.h"
#include "proto/wire.h"

#define REQUIRE(condition)                                                                                   \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            abort();                                                                                         \
    } while (0)

#define SMALL 100

static bool take(void *user, const void *traces, size_t size) {
    (void)user;
    REQUIRE(size > 0 && clew__wire_check_traces(traces, size, NULL, NULL) == CLEW__WIRE_OK);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Large elements are handed on in pieces of that size. */
static void read_in(size_t piece, const uint8_t *data, size_t size) {
    struct clew__input_limits limits = clew__input_limits_default();
    const struct clew__input_sink sink = {take, NULL};
    char *said;
    size_t said_size;
    FILE *errors = open_memstream(&said, &said_size);
    FILE *stream = size ? fmemopen((void *)(uintptr_t)data, size, "rb") : fopen("/dev/null", "rb");
    bool sound;
    REQUIRE(errors && stream);
    limits.piece = piece;
    sound = clew__input_read_within(&limits, stream, "fuzz", &sink, errors);
    fclose(stream);
    fclose(errors);
    REQUIRE(sound == (said_size == 0));
    free(said);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    read_in(SIZE_MAX, data, size);
    read_in(SMALL, data, size);
    return 0;
}
