/* Any text as a trace of Jaeger: what is read passes the check of the wire format; what is not
 * leaves the writer as it was. */
#include <stdlib.h>

#include "proto/jaeger_json.h"
#include "test/unit/proto/growing.h"

#define REQUIRE(condition)                                                                                   \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            abort();                                                                                         \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void hear(void *user, const struct clew__json_fault *fault) {
    const size_t *size = (const size_t *)user;
    REQUIRE(fault->reason && fault->offset <= *size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct clew__writer wire = growing_writer(), scratch = growing_writer();
    const struct clew__json_listener listener = {hear, &size};
    struct clew__json_fault fault = {0, NULL};
    size_t taken;
    clew__write_raw(&wire, "\x0A", 2); /* an empty ResourceSpans in front stays */
    taken = clew__jaeger_json_read(&wire, &scratch, (const char *)data, size, &fault, NULL);
    REQUIRE(taken <= size && fault.offset <= size);
    if (taken == 0)
        REQUIRE(fault.reason && wire.size == 2);
    else
        REQUIRE(!fault.reason && clew__wire_check_traces(wire.data, wire.size, NULL, NULL) == CLEW__WIRE_OK);
    /* Who listens gets what is well-formed of it. */
    wire.size = 0;
    taken = clew__jaeger_json_read(&wire, &scratch, (const char *)data, size, &fault, &listener);
    REQUIRE(taken <= size && (taken > 0 || size == 0));
    REQUIRE(clew__wire_check_traces(wire.data, wire.size, NULL, NULL) == CLEW__WIRE_OK);
    growing_free(&wire);
    growing_free(&scratch);
    return 0;
}
