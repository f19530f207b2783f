/* What the tests of both directions of JSON share. */
#ifndef CLEW_TEST_UNIT_PROTO_JSON_TEXT_H
#define CLEW_TEST_UNIT_PROTO_JSON_TEXT_H

#include <stdio.h>

#include "proto/json.h"
#include "test/support.h"
#include "test/unit/proto/requests.h"

/* What write_full_request() is in JSON. */
#define FULL_JSON                                                                                            \
    "{\"resourceSpans\":[{\"schemaUrl\":\"https://schema/resource\","                                        \
    "\"resource\":{\"droppedAttributesCount\":1,"                                                            \
    "\"attributes\":[{\"key\":\"service.name\",\"value\":{\"stringValue\":\"shop\"}}]},"                     \
    "\"scopeSpans\":[{\"schemaUrl\":\"https://schema/scope\","                                               \
    "\"scope\":{\"name\":\"lib\",\"version\":\"1.2\",\"droppedAttributesCount\":2,"                          \
    "\"attributes\":[{\"key\":\"s\",\"value\":{\"stringValue\":\"a\"}}]},"                                   \
    "\"spans\":[{\"traceId\":\"000102030405060708090a0b0c0d0eff\",\"spanId\":\"1011121314151617\","          \
    "\"traceState\":\"ot=th:8\",\"parentSpanId\":\"2021222324252627\",\"name\":\"GET /\",\"kind\":2,"        \
    "\"startTimeUnixNano\":\"1544712660000000001\",\"endTimeUnixNano\":\"18446744073709551615\","            \
    "\"droppedAttributesCount\":3,\"droppedEventsCount\":4,\"droppedLinksCount\":4294967295,\"flags\":257,"  \
    "\"attributes\":[{\"key\":\"http.method\",\"value\":{\"stringValue\":\"GET\"}},"                         \
    "{\"key\":\"empty\",\"value\":{\"stringValue\":\"\"}}],"                                                 \
    "\"events\":[{\"timeUnixNano\":\"5\",\"name\":\"exception\",\"droppedAttributesCount\":6,"               \
    "\"attributes\":[{\"key\":\"exception.type\",\"value\":{\"stringValue\":\"E\"}}]}],"                     \
    "\"links\":[{\"traceId\":\"000102030405060708090a0b0c0d0eff\",\"spanId\":\"2021222324252627\","          \
    "\"traceState\":\"a=b\",\"droppedAttributesCount\":8,\"flags\":769,"                                     \
    "\"attributes\":[{\"key\":\"k\",\"value\":{\"stringValue\":\"v\"}}]}],"                                  \
    "\"status\":{\"message\":\"boom\",\"code\":2}}]}]}]}"

/* The text of a request, terminated; to be freed. */
static inline char *json_of(const struct clew__writer *request) {
    struct clew__writer text = growing_writer();
    clew__json_write_traces(&text, request->data, request->size);
    cr_assert_not(text.failed);
    clew__write_raw(&text, "", 1);
    return (char *)text.data;
}

#define BEFORE_SPAN "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{"
#define AFTER_SPAN "}]}]}]}"
#define BEFORE_VALUE BEFORE_SPAN "\"attributes\":[{\"key\":\"k\",\"value\":"
#define AFTER_VALUE "}]" AFTER_SPAN

/* What stands between two texts that the text must begin and end with. */
static inline void assert_between(const char *text, const char *before, const char *expected,
                                  const char *after) {
    size_t size = strlen(text), head = strlen(before), tail = strlen(after);
    cr_assert_geq(size, head + tail);
    cr_assert_eq(strncmp(text, before, head), 0, "%s", text);
    cr_assert_str_eq(text + size - tail, after);
    cr_assert(size - head - tail == strlen(expected) && strncmp(text + head, expected, strlen(expected)) == 0,
              "%s instead of %s", text, expected);
}

static inline void assert_value_json(const void *any, size_t size, const char *expected) {
    struct clew__writer request = growing_writer();
    char *text;
    write_request_of_value(&request, any, size);
    text = json_of(&request);
    assert_between(text, BEFORE_VALUE, expected, AFTER_VALUE);
    free(text);
    growing_free(&request);
}

static inline struct clew__writer read_json(const char *text) {
    struct clew__writer wire = growing_writer();
    struct clew__json_fault fault = {0, "none"};
    size_t size = strlen(text);
    char *copy = (char *)exact_copy(text, size);
    size_t taken = clew__json_read_traces(&wire, copy, size, &fault);
    cr_assert_eq(taken, size, "%s at %zu of %s", fault.reason, fault.offset, text);
    cr_assert_eq(clew__wire_check_traces(wire.data, wire.size, NULL, NULL), CLEW__WIRE_OK);
    free(copy);
    return wire;
}

#endif
