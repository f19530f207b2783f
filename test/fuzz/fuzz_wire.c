/* Any bytes as a request: the checker, the views and both JSON writers stay within them, and what passes the
 * check goes through JSON without loss. */
#include <stdlib.h>

#include "proto/json.h"
#include "proto/otlp.h"
#include "proto/utf8.h"
#include "test/unit/proto/growing.h"

#define REQUIRE(condition)                                                                                   \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            abort();                                                                                         \
    } while (0)

static volatile unsigned touched;

/* Reads every byte of a view. */
static void touch(struct clew__wire wire) {
    unsigned sum = 0;
    for (; wire.at < wire.end; wire.at++)
        sum += *wire.at;
    touched += sum;
}

static void walk_attributes(struct clew__wire wire, uint32_t field) {
    struct clew__wire member;
    while (clew__next_member(&wire, field, &member)) {
        struct clew__writer text = growing_writer();
        struct clew__keyvalue keyvalue;
        struct clew__wire rest = member, value = {NULL, NULL};
        clew__read_keyvalue(member, &keyvalue);
        touch(keyvalue.key);
        touch(keyvalue.value.bytes);
        while (clew__next_member(&rest, CLEW__KEYVALUE_VALUE, &value)) {
        }
        clew__json_write_plain(&text, value.at, (size_t)(value.end - value.at));
        REQUIRE(text.size > 0 && clew__utf8_valid((const char *)text.data, text.size));
        growing_free(&text);
    }
}

static void walk_span(struct clew__wire span) {
    struct clew__span_fields fields;
    struct clew__wire members = span, member;
    uint32_t events = 0, links = 0;
    clew__read_span(span, &fields);
    touch(fields.name);
    touch(fields.trace_state);
    touch(fields.status_message);
    walk_attributes(span, CLEW__SPAN_ATTRIBUTES);
    for (; clew__next_member(&members, CLEW__SPAN_EVENTS, &member); events++)
        walk_attributes(member, CLEW__EVENT_ATTRIBUTES);
    members = span;
    for (; clew__next_member(&members, CLEW__SPAN_LINKS, &member); links++)
        walk_attributes(member, CLEW__LINK_ATTRIBUTES);
    REQUIRE(events == fields.events && links == fields.links);
}

static void walk_traces(struct clew__wire traces) {
    struct clew__wire group, scope, span;
    while (clew__next_member(&traces, CLEW__TRACES_RESOURCE_SPANS, &group)) {
        while (clew__next_member(&group, CLEW__RESOURCE_SPANS_SCOPE_SPANS, &scope)) {
            while (clew__next_member(&scope, CLEW__SCOPE_SPANS_SPANS, &span))
                walk_span(span);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct clew__writer first = growing_writer(), wire = growing_writer(), second = growing_writer();
    struct clew__wire_fault fault;
    struct clew__wire message;
    int64_t rejected;
    clew__wire_check_traces(data, size, NULL, &fault);
    REQUIRE(fault.offset <= size);
    walk_traces(clew__wire_of(data, size));
    clew__json_write_traces(&first, data, size);
    REQUIRE(clew__utf8_valid((const char *)first.data, first.size));
    clew__read_export_response(data, size, &rejected, &message);
    touch(message);

    /* What was malformed is left out, so that the text can be read in any case. */
    struct clew__json_fault json_fault = {0, NULL};
    size_t taken = clew__json_read_traces(&wire, (const char *)first.data, first.size, &json_fault);
    REQUIRE(taken == first.size);
    REQUIRE(clew__wire_check_traces(wire.data, wire.size, NULL, &fault) == CLEW__WIRE_OK);
    clew__json_write_traces(&second, wire.data, wire.size);
    REQUIRE(second.size == first.size && memcmp(second.data, first.data, first.size) == 0);

    growing_free(&first);
    growing_free(&wire);
    growing_free(&second);
    return 0;
}
