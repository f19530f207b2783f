/* Any text as OTLP/JSON: what is read passes the check of the wire format and is the same when it is written
 * and read again; what is not leaves the writer as it was. */
#include <stdlib.h>

#include "proto/json.h"
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
    struct clew__writer wire = growing_writer(), text = growing_writer(), again = growing_writer(),
                        text_again = growing_writer();
    const struct clew__json_listener listener = {hear, &size};
    struct clew__json_fault fault = {0, NULL};
    struct clew__wire_fault wire_fault;
    size_t taken;
    clew__write_raw(&wire, "\x0A", 2); /* an empty ResourceSpans in front stays */
    taken = clew__json_read_traces(&wire, (const char *)data, size, &fault);
    REQUIRE(taken <= size && fault.offset <= size);
    if (taken == 0) {
        REQUIRE(fault.reason && wire.size == 2);
    } else {
        REQUIRE(!fault.reason);
        REQUIRE(clew__wire_check_traces(wire.data, wire.size, NULL, &wire_fault) == CLEW__WIRE_OK);
        clew__json_write_traces(&text, wire.data, wire.size);
        REQUIRE(clew__json_read_traces(&again, (const char *)text.data, text.size, &fault) == text.size);
        clew__json_write_traces(&text_again, again.data, again.size);
        REQUIRE(text.size == text_again.size && memcmp(text.data, text_again.data, text.size) == 0);
    }
    /* Who listens gets what is well-formed of it. */
    wire.size = 0;
    taken = clew__json_read_resource_spans(&wire, (const char *)data, size, &fault, &listener);
    REQUIRE(taken <= size && (taken > 0 || size == 0));
    REQUIRE(clew__wire_check_traces(wire.data, wire.size, NULL, NULL) == CLEW__WIRE_OK);
    growing_free(&wire);
    growing_free(&text);
    growing_free(&again);
    growing_free(&text_again);
    return 0;
}
