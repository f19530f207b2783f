/* Requests that several tests of this folder read. */
#ifndef CLEW_TEST_UNIT_PROTO_REQUESTS_H
#define CLEW_TEST_UNIT_PROTO_REQUESTS_H

#include "proto/otlp.h"
#include "test/unit/proto/growing.h"

#define REQUEST_TRACE_ID "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\xff"
#define REQUEST_SPAN_ID "\x10\x11\x12\x13\x14\x15\x16\x17"
#define REQUEST_PARENT_ID "\x20\x21\x22\x23\x24\x25\x26\x27"

static inline void write_text(struct clew__writer *writer, uint32_t field, const char *text) {
    clew__write_bytes(writer, field, text, strlen(text));
}

/* key = string value, as member `field`. */
static inline void write_attribute(struct clew__writer *writer, uint32_t field, const char *key,
                                   const char *value) {
    size_t keyvalue = clew__write_begin(writer, field), any;
    write_text(writer, CLEW__KEYVALUE_KEY, key);
    any = clew__write_begin(writer, CLEW__KEYVALUE_VALUE);
    write_text(writer, CLEW__ANY_STRING, value);
    clew__write_end(writer, any);
    clew__write_end(writer, keyvalue);
}

/* A span with every member set, in the order of the field numbers. */
static inline void write_full_span(struct clew__writer *writer) {
    size_t begun;
    clew__write_bytes(writer, CLEW__SPAN_TRACE_ID, REQUEST_TRACE_ID, 16);
    clew__write_bytes(writer, CLEW__SPAN_SPAN_ID, REQUEST_SPAN_ID, 8);
    write_text(writer, CLEW__SPAN_TRACE_STATE, "ot=th:8");
    clew__write_bytes(writer, CLEW__SPAN_PARENT_SPAN_ID, REQUEST_PARENT_ID, 8);
    write_text(writer, CLEW__SPAN_NAME, "GET /");
    clew__write_varint(writer, CLEW__SPAN_KIND, 2);
    clew__write_fixed64(writer, CLEW__SPAN_START, 1544712660000000001u);
    clew__write_fixed64(writer, CLEW__SPAN_END, UINT64_MAX);
    write_attribute(writer, CLEW__SPAN_ATTRIBUTES, "http.method", "GET");
    write_attribute(writer, CLEW__SPAN_ATTRIBUTES, "empty", "");
    clew__write_varint(writer, CLEW__SPAN_DROPPED_ATTRIBUTES, 3);
    begun = clew__write_begin(writer, CLEW__SPAN_EVENTS);
    clew__write_fixed64(writer, CLEW__EVENT_TIME, 5);
    write_text(writer, CLEW__EVENT_NAME, "exception");
    write_attribute(writer, CLEW__EVENT_ATTRIBUTES, "exception.type", "E");
    clew__write_varint(writer, CLEW__EVENT_DROPPED_ATTRIBUTES, 6);
    clew__write_end(writer, begun);
    clew__write_varint(writer, CLEW__SPAN_DROPPED_EVENTS, 4);
    begun = clew__write_begin(writer, CLEW__SPAN_LINKS);
    clew__write_bytes(writer, CLEW__LINK_TRACE_ID, REQUEST_TRACE_ID, 16);
    clew__write_bytes(writer, CLEW__LINK_SPAN_ID, REQUEST_PARENT_ID, 8);
    write_text(writer, CLEW__LINK_TRACE_STATE, "a=b");
    write_attribute(writer, CLEW__LINK_ATTRIBUTES, "k", "v");
    clew__write_varint(writer, CLEW__LINK_DROPPED_ATTRIBUTES, 8);
    clew__write_fixed32(writer, CLEW__LINK_FLAGS, 0x301);
    clew__write_end(writer, begun);
    clew__write_varint(writer, CLEW__SPAN_DROPPED_LINKS, UINT32_MAX);
    begun = clew__write_begin(writer, CLEW__SPAN_STATUS);
    write_text(writer, CLEW__STATUS_MESSAGE, "boom");
    clew__write_varint(writer, CLEW__STATUS_CODE, 2);
    clew__write_end(writer, begun);
    clew__write_fixed32(writer, CLEW__SPAN_FLAGS, 0x101);
}

/* What stands around one span: resource, scope and their schemas. */
static inline void write_full_request(struct clew__writer *writer) {
    size_t group = clew__write_begin(writer, CLEW__TRACES_RESOURCE_SPANS), scope_spans, begun;
    begun = clew__write_begin(writer, CLEW__RESOURCE_SPANS_RESOURCE);
    write_attribute(writer, CLEW__RESOURCE_ATTRIBUTES, "service.name", "shop");
    clew__write_varint(writer, CLEW__RESOURCE_DROPPED_ATTRIBUTES, 1);
    clew__write_end(writer, begun);
    scope_spans = clew__write_begin(writer, CLEW__RESOURCE_SPANS_SCOPE_SPANS);
    begun = clew__write_begin(writer, CLEW__SCOPE_SPANS_SCOPE);
    write_text(writer, CLEW__SCOPE_NAME, "lib");
    write_text(writer, CLEW__SCOPE_VERSION, "1.2");
    write_attribute(writer, CLEW__SCOPE_ATTRIBUTES, "s", "a");
    clew__write_varint(writer, CLEW__SCOPE_DROPPED_ATTRIBUTES, 2);
    clew__write_end(writer, begun);
    begun = clew__write_begin(writer, CLEW__SCOPE_SPANS_SPANS);
    write_full_span(writer);
    clew__write_end(writer, begun);
    write_text(writer, CLEW__SCOPE_SPANS_SCHEMA_URL, "https://schema/scope");
    clew__write_end(writer, scope_spans);
    write_text(writer, CLEW__RESOURCE_SPANS_SCHEMA_URL, "https://schema/resource");
    clew__write_end(writer, group);
}

/* A span of those bytes, in a request. */
static inline void write_request_of_span(struct clew__writer *writer, const void *span, size_t size) {
    size_t group = clew__write_begin(writer, CLEW__TRACES_RESOURCE_SPANS);
    size_t scope_spans = clew__write_begin(writer, CLEW__RESOURCE_SPANS_SCOPE_SPANS);
    clew__write_bytes(writer, CLEW__SCOPE_SPANS_SPANS, span, size);
    clew__write_end(writer, scope_spans);
    clew__write_end(writer, group);
}

/* A request with one attribute whose value is that AnyValue. */
static inline void write_request_of_value(struct clew__writer *writer, const void *any, size_t size) {
    struct clew__writer span = growing_writer();
    size_t begun = clew__write_begin(&span, CLEW__SPAN_ATTRIBUTES);
    write_text(&span, CLEW__KEYVALUE_KEY, "k");
    clew__write_bytes(&span, CLEW__KEYVALUE_VALUE, any, size);
    clew__write_end(&span, begun);
    write_request_of_span(writer, span.data, span.size);
    growing_free(&span);
}

/* An AnyValue of `levels` arrays within one another, written from its end so that no level is moved. To be
 * freed;
 * `*data` is where it starts. */
static inline uint8_t *nested_arrays(size_t levels, const uint8_t **data, size_t *size) {
    size_t room = levels * 12 + 1, at = room;
    uint8_t *memory = malloc(room);
    if (!memory)
        abort();
    for (size_t level = 0; level < levels; level++) {
        uint8_t head[12], *end;
        if (level > 0) { /* the array below is the value of an element of this one */
            end = clew__put_varint(clew__put_tag(head, CLEW__LIST_VALUES, CLEW__WIRE_BYTES), room - at);
            at -= (size_t)(end - head);
            memcpy(memory + at, head, (size_t)(end - head));
        }
        end = clew__put_varint(clew__put_tag(head, CLEW__ANY_ARRAY, CLEW__WIRE_BYTES), room - at);
        at -= (size_t)(end - head);
        memcpy(memory + at, head, (size_t)(end - head));
    }
    *data = memory + at;
    *size = room - at;
    return memory;
}

/* More arrays side by side than may lie within one another. */
static inline void write_request_of_siblings(struct clew__writer *writer) {
    struct clew__writer any = growing_writer();
    size_t array = clew__write_begin(&any, CLEW__ANY_ARRAY);
    for (int i = 0; i < 200; i++)
        clew__write_bytes(&any, CLEW__LIST_VALUES, i % 2 ? "\x2A\x00" : "\x32\x00", 2);
    clew__write_end(&any, array);
    write_request_of_value(writer, any.data, any.size);
    growing_free(&any);
}

#endif
