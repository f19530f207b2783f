/* Builds OTLP requests with the wire writer. */
#include "test/unit/exporters/request.h"

#include "sdk/base/value.h"

#include <string.h>

#define RICH_START UINT64_C(1795252265123456789)

void test_write_id(struct clew__writer *writer, uint32_t field, uint8_t first, size_t size, uint32_t number) {
    uint8_t id[16] = {first};
    for (size_t i = 0; i < 4; i++)
        id[size - 1 - i] = (uint8_t)(number >> (8 * i));
    clew__write_bytes(writer, field, id, size);
}

void test_write_attribute(struct clew__writer *writer, uint32_t field, const char *key, clew_value value) {
    clew__write_attribute(writer, field, key, strlen(key), &value, NULL);
}

static void write_text(struct clew__writer *writer, uint32_t field, const char *text) {
    clew__write_bytes(writer, field, text, strlen(text));
}

static void write_status(struct clew__writer *writer, clew_status status, const char *description) {
    size_t begun = clew__write_begin(writer, CLEW__SPAN_STATUS);
    if (description)
        write_text(writer, CLEW__STATUS_MESSAGE, description);
    clew__write_varint(writer, CLEW__STATUS_CODE, (uint64_t)status);
    clew__write_end(writer, begun);
}

static void write_members(struct clew__writer *writer, const struct test_span *span) {
    test_write_id(writer, CLEW__SPAN_TRACE_ID, span->trace, 16, 1);
    test_write_id(writer, CLEW__SPAN_SPAN_ID, 0, 8, span->id);
    if (span->parent)
        test_write_id(writer, CLEW__SPAN_PARENT_SPAN_ID, 0, 8, span->parent);
    write_text(writer, CLEW__SPAN_NAME, span->name);
    clew__write_varint(writer, CLEW__SPAN_KIND, span->kind ? span->kind : CLEW_INTERNAL);
    clew__write_fixed64(writer, CLEW__SPAN_START, span->start);
    clew__write_fixed64(writer, CLEW__SPAN_END, span->start + 1);
    if (span->status)
        write_status(writer, span->status, span->description);
    if (span->error_type)
        test_write_attribute(writer, CLEW__SPAN_ATTRIBUTES, "error.type",
                             clew_value_string(span->error_type));
    for (unsigned i = 0; i < span->links; i++) {
        size_t begun = clew__write_begin(writer, CLEW__SPAN_LINKS);
        test_write_id(writer, CLEW__LINK_TRACE_ID, 9, 16, 1);
        test_write_id(writer, CLEW__LINK_SPAN_ID, 0, 8, 1);
        clew__write_end(writer, begun);
    }
}

void test_write_span(struct clew__writer *writer, const struct test_span *span) {
    size_t begun = clew__write_begin(writer, CLEW__SCOPE_SPANS_SPANS);
    write_members(writer, span);
    clew__write_end(writer, begun);
}

static void write_resource(struct clew__writer *writer) {
    size_t begun = clew__write_begin(writer, CLEW__RESOURCE_SPANS_RESOURCE);
    test_write_attribute(writer, CLEW__RESOURCE_ATTRIBUTES, "service.name", clew_value_string("shop"));
    clew__write_end(writer, begun);
}

static void write_scope(struct clew__writer *writer) {
    size_t begun = clew__write_begin(writer, CLEW__SCOPE_SPANS_SCOPE);
    write_text(writer, CLEW__SCOPE_NAME, "payments");
    write_text(writer, CLEW__SCOPE_VERSION, "1.2.0");
    clew__write_end(writer, begun);
}

void test_write_request(struct clew__writer *writer, const struct test_span *spans, size_t count) {
    size_t resource_spans = clew__write_begin(writer, CLEW__TRACES_RESOURCE_SPANS);
    size_t scope_spans;
    write_resource(writer);
    scope_spans = clew__write_begin(writer, CLEW__RESOURCE_SPANS_SCOPE_SPANS);
    write_scope(writer);
    for (size_t i = 0; i < count; i++)
        test_write_span(writer, &spans[i]);
    clew__write_end(writer, scope_spans);
    clew__write_end(writer, resource_spans);
}

struct clew_batch test_batch(const struct clew__writer *writer, size_t count) {
    struct clew_batch batch = {{writer->data, writer->size}, count};
    return batch;
}

clew_export_outcome test_export(const clew_exporter *exporter, const struct test_span *spans, size_t count,
                                clew_export_report *report) {
    struct clew__writer writer = clew__buffer_plain();
    clew_export_outcome outcome;
    struct clew_batch batch;

    memset(report, 0, sizeof *report);
    test_write_request(&writer, spans, count);
    batch = test_batch(&writer, count);
    outcome = exporter->export_batch(exporter->self, &batch, 30000, report);
    clew__buffer_fini(&writer);
    return outcome;
}

/* ---- the rich span ---- */

static void write_rich_attributes(struct clew__writer *writer) {
    static const uint8_t bytes[] = {0xDE, 0xAD, 0xBE, 0xEF};
    clew_value numbers[2] = {clew_value_int(1), clew_value_double(2.5)};
    clew_attribute inner[2] = {{"a\"b", clew_value_bool(true)}, {"list", clew_value_array(numbers, 2)}};

    test_write_attribute(writer, CLEW__SPAN_ATTRIBUTES, "text", clew_value_string("two\nlines"));
    test_write_attribute(writer, CLEW__SPAN_ATTRIBUTES, "count", clew_value_int(-42));
    test_write_attribute(writer, CLEW__SPAN_ATTRIBUTES, "ratio", clew_value_double(0.25));
    test_write_attribute(writer, CLEW__SPAN_ATTRIBUTES, "flag", clew_value_bool(false));
    test_write_attribute(writer, CLEW__SPAN_ATTRIBUTES, "blob", clew_value_bytes(bytes, sizeof bytes));
    test_write_attribute(writer, CLEW__SPAN_ATTRIBUTES, "map", clew_value_map(inner, 2));
    test_write_attribute(writer, CLEW__SPAN_ATTRIBUTES, "nothing", clew_value_empty());
}

static void write_rich_event(struct clew__writer *writer) {
    size_t begun = clew__write_begin(writer, CLEW__SPAN_EVENTS);
    clew__write_fixed64(writer, CLEW__EVENT_TIME, RICH_START + 4500000);
    write_text(writer, CLEW__EVENT_NAME, "cache miss");
    test_write_attribute(writer, CLEW__EVENT_ATTRIBUTES, "cache.key", clew_value_string("user:1"));
    clew__write_varint(writer, CLEW__EVENT_DROPPED_ATTRIBUTES, 7);
    clew__write_end(writer, begun);
}

static void write_rich_link(struct clew__writer *writer) {
    size_t begun = clew__write_begin(writer, CLEW__SPAN_LINKS);
    test_write_id(writer, CLEW__LINK_TRACE_ID, 0x4b, 16, 2);
    test_write_id(writer, CLEW__LINK_SPAN_ID, 0x4c, 8, 3);
    write_text(writer, CLEW__LINK_TRACE_STATE, "far=away");
    test_write_attribute(writer, CLEW__LINK_ATTRIBUTES, "reason", clew_value_string("retry"));
    clew__write_varint(writer, CLEW__LINK_DROPPED_ATTRIBUTES, 8);
    clew__write_fixed32(writer, CLEW__LINK_FLAGS, 0x301);
    clew__write_end(writer, begun);
}

void test_write_rich_span(struct clew__writer *writer) {
    test_write_id(writer, CLEW__SPAN_TRACE_ID, 0xAF, 16, 1);
    test_write_id(writer, CLEW__SPAN_SPAN_ID, 0xB7, 8, 2);
    write_text(writer, CLEW__SPAN_TRACE_STATE, "congo=t61");
    test_write_id(writer, CLEW__SPAN_PARENT_SPAN_ID, 0xC1, 8, 3);
    write_text(writer, CLEW__SPAN_NAME, "charge card");
    clew__write_varint(writer, CLEW__SPAN_KIND, CLEW_CLIENT);
    clew__write_fixed64(writer, CLEW__SPAN_START, RICH_START);
    clew__write_fixed64(writer, CLEW__SPAN_END, RICH_START + 12345678);
    write_rich_attributes(writer);
    clew__write_varint(writer, CLEW__SPAN_DROPPED_ATTRIBUTES, 1);
    write_rich_event(writer);
    clew__write_varint(writer, CLEW__SPAN_DROPPED_EVENTS, 2);
    write_rich_link(writer);
    clew__write_varint(writer, CLEW__SPAN_DROPPED_LINKS, 3);
    write_status(writer, CLEW_STATUS_ERROR, "no reply in 5 s");
    clew__write_fixed32(writer, CLEW__SPAN_FLAGS, 0x301);
}

/* What spans share stands behind them here: protobuf does not care about the order. */
void test_write_rich_request(struct clew__writer *writer) {
    size_t resource_spans = clew__write_begin(writer, CLEW__TRACES_RESOURCE_SPANS);
    size_t scope_spans = clew__write_begin(writer, CLEW__RESOURCE_SPANS_SCOPE_SPANS);
    size_t span = clew__write_begin(writer, CLEW__SCOPE_SPANS_SPANS);
    test_write_rich_span(writer);
    clew__write_end(writer, span);
    write_text(writer, CLEW__SCOPE_SPANS_SCHEMA_URL, "https://scope");
    write_scope(writer);
    clew__write_end(writer, scope_spans);
    write_text(writer, CLEW__RESOURCE_SPANS_SCHEMA_URL, "https://resource");
    write_resource(writer);
    clew__write_end(writer, resource_spans);
}
