/* Our bytes read by protobuf-c, and its bytes read by our views. */
#include "proto/otlp.h"

#include "opentelemetry/proto/collector/trace/v1/trace_service.pb-c.h"
#include "test/support.h"
#include "test/unit/proto/requests.h"

typedef Opentelemetry__Proto__Common__V1__AnyValue OracleAny;
typedef Opentelemetry__Proto__Common__V1__KeyValue OracleKeyValue;
typedef Opentelemetry__Proto__Trace__V1__Span OracleSpan;
typedef Opentelemetry__Proto__Trace__V1__TracesData OracleTraces;

static bool wire_is(struct clew__wire wire, const void *bytes, size_t size) {
    return wire.at && (size_t)(wire.end - wire.at) == size && memcmp(wire.at, bytes, size) == 0;
}

static bool text_is(struct clew__wire wire, const char *text) {
    return wire_is(wire, text, strlen(text));
}

static bool id_is(const ProtobufCBinaryData *id, const char *bytes, size_t size) {
    return id->len == size && memcmp(id->data, bytes, size) == 0;
}

static void assert_attribute(const OracleKeyValue *attribute, const char *key, const char *value) {
    cr_assert_str_eq(attribute->key, key);
    cr_assert_eq(attribute->value->value_case,
                 OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_STRING_VALUE);
    cr_assert_str_eq(attribute->value->string_value, value);
}

static void assert_full_span(const OracleSpan *span) {
    cr_assert(id_is(&span->trace_id, REQUEST_TRACE_ID, 16));
    cr_assert(id_is(&span->span_id, REQUEST_SPAN_ID, 8));
    cr_assert(id_is(&span->parent_span_id, REQUEST_PARENT_ID, 8));
    cr_assert_str_eq(span->trace_state, "ot=th:8");
    cr_assert_str_eq(span->name, "GET /");
    cr_assert_eq(span->kind, OPENTELEMETRY__PROTO__TRACE__V1__SPAN__SPAN_KIND__SPAN_KIND_SERVER);
    cr_assert_eq(span->start_time_unix_nano, 1544712660000000001u);
    cr_assert_eq(span->end_time_unix_nano, UINT64_MAX);
    cr_assert_eq(span->n_attributes, 2);
    assert_attribute(span->attributes[0], "http.method", "GET");
    assert_attribute(span->attributes[1], "empty", "");
    cr_assert_eq(span->dropped_attributes_count, 3);
    cr_assert_eq(span->n_events, 1);
    cr_assert_eq(span->events[0]->time_unix_nano, 5);
    cr_assert_str_eq(span->events[0]->name, "exception");
    cr_assert_eq(span->events[0]->n_attributes, 1);
    assert_attribute(span->events[0]->attributes[0], "exception.type", "E");
    cr_assert_eq(span->events[0]->dropped_attributes_count, 6);
    cr_assert_eq(span->dropped_events_count, 4);
    cr_assert_eq(span->n_links, 1);
    cr_assert(id_is(&span->links[0]->trace_id, REQUEST_TRACE_ID, 16));
    cr_assert(id_is(&span->links[0]->span_id, REQUEST_PARENT_ID, 8));
    cr_assert_str_eq(span->links[0]->trace_state, "a=b");
    assert_attribute(span->links[0]->attributes[0], "k", "v");
    cr_assert_eq(span->links[0]->dropped_attributes_count, 8);
    cr_assert_eq(span->links[0]->flags, 0x301);
    cr_assert_eq(span->dropped_links_count, UINT32_MAX);
    cr_assert_str_eq(span->status->message, "boom");
    cr_assert_eq(span->status->code, OPENTELEMETRY__PROTO__TRACE__V1__STATUS__STATUS_CODE__STATUS_CODE_ERROR);
    cr_assert_eq(span->flags, 0x101);
}

Test(otlp_oracle, full_request_reads_back_member_by_member) {
    struct clew__writer request = growing_writer();
    OracleTraces *traces;
    write_full_request(&request);
    traces = opentelemetry__proto__trace__v1__traces_data__unpack(NULL, request.size, request.data);
    cr_assert_not_null(traces);
    cr_assert_eq(traces->n_resource_spans, 1);
    cr_assert_str_eq(traces->resource_spans[0]->schema_url, "https://schema/resource");
    assert_attribute(traces->resource_spans[0]->resource->attributes[0], "service.name", "shop");
    cr_assert_eq(traces->resource_spans[0]->resource->dropped_attributes_count, 1);
    cr_assert_eq(traces->resource_spans[0]->n_scope_spans, 1);
    cr_assert_str_eq(traces->resource_spans[0]->scope_spans[0]->schema_url, "https://schema/scope");
    cr_assert_str_eq(traces->resource_spans[0]->scope_spans[0]->scope->name, "lib");
    cr_assert_str_eq(traces->resource_spans[0]->scope_spans[0]->scope->version, "1.2");
    assert_attribute(traces->resource_spans[0]->scope_spans[0]->scope->attributes[0], "s", "a");
    cr_assert_eq(traces->resource_spans[0]->scope_spans[0]->scope->dropped_attributes_count, 2);
    cr_assert_eq(traces->resource_spans[0]->scope_spans[0]->n_spans, 1);
    assert_full_span(traces->resource_spans[0]->scope_spans[0]->spans[0]);
    opentelemetry__proto__trace__v1__traces_data__free_unpacked(traces, NULL);
    growing_free(&request);
    CLEW_NO_LEAKS();
}

Test(otlp_oracle, what_it_read_it_packs_into_the_same_bytes) {
    struct clew__writer span = growing_writer();
    OracleSpan *unpacked;
    uint8_t *packed;
    write_full_span(&span);
    unpacked = opentelemetry__proto__trace__v1__span__unpack(NULL, span.size, span.data);
    cr_assert_not_null(unpacked);
    cr_assert_eq(unpacked->base.n_unknown_fields, 0);
    packed = malloc(span.size);
    cr_assert_eq(opentelemetry__proto__trace__v1__span__get_packed_size(unpacked), span.size);
    cr_assert_eq(opentelemetry__proto__trace__v1__span__pack(unpacked, packed), span.size);
    cr_assert_arr_eq(packed, span.data, span.size);
    free(packed);
    opentelemetry__proto__trace__v1__span__free_unpacked(unpacked, NULL);
    growing_free(&span);
    CLEW_NO_LEAKS();
}

Test(otlp_oracle, span_that_it_packs_is_what_we_write) {
    struct clew__writer ours = growing_writer();
    OracleSpan span = OPENTELEMETRY__PROTO__TRACE__V1__SPAN__INIT;
    OracleKeyValue attribute = OPENTELEMETRY__PROTO__COMMON__V1__KEY_VALUE__INIT,
                   *attributes[1] = {&attribute};
    OracleAny any = OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__INIT;
    char key[] = "k", name[] = "n";
    uint8_t packed[256];
    size_t size, begun, value;
    any.value_case = OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_INT_VALUE;
    any.int_value = INT64_MIN;
    attribute.key = key;
    attribute.value = &any;
    span.trace_id = (ProtobufCBinaryData){16, (uint8_t *)(uintptr_t)REQUEST_TRACE_ID};
    span.span_id = (ProtobufCBinaryData){8, (uint8_t *)(uintptr_t)REQUEST_SPAN_ID};
    span.name = name;
    span.start_time_unix_nano = 1;
    span.end_time_unix_nano = 2;
    span.n_attributes = 1;
    span.attributes = attributes;
    span.flags = 0x300;
    cr_assert_leq(opentelemetry__proto__trace__v1__span__get_packed_size(&span), sizeof packed);
    size = opentelemetry__proto__trace__v1__span__pack(&span, packed);

    clew__write_bytes(&ours, CLEW__SPAN_TRACE_ID, REQUEST_TRACE_ID, 16);
    clew__write_bytes(&ours, CLEW__SPAN_SPAN_ID, REQUEST_SPAN_ID, 8);
    write_text(&ours, CLEW__SPAN_NAME, "n");
    clew__write_fixed64(&ours, CLEW__SPAN_START, 1);
    clew__write_fixed64(&ours, CLEW__SPAN_END, 2);
    begun = clew__write_begin(&ours, CLEW__SPAN_ATTRIBUTES);
    write_text(&ours, CLEW__KEYVALUE_KEY, "k");
    value = clew__write_begin(&ours, CLEW__KEYVALUE_VALUE);
    clew__write_varint(&ours, CLEW__ANY_INT, (uint64_t)INT64_MIN);
    clew__write_end(&ours, value);
    clew__write_end(&ours, begun);
    clew__write_fixed32(&ours, CLEW__SPAN_FLAGS, 0x300);
    cr_assert_eq(ours.size, size);
    cr_assert_arr_eq(ours.data, packed, size);
    growing_free(&ours);
    CLEW_NO_LEAKS();
}

Test(otlp_oracle, values_that_it_packs_are_read_by_the_view) {
    OracleAny any = OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__INIT;
    uint8_t packed[64];
    struct clew__any read;
    char text[] = "abc";
    double number = -2.5;
    size_t size;

    any.value_case = OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_STRING_VALUE;
    any.string_value = text;
    size = opentelemetry__proto__common__v1__any_value__pack(&any, packed);
    clew__read_any(clew__wire_of(packed, size), &read);
    cr_assert(read.kind == CLEW__ANY_STRING && text_is(read.bytes, "abc"));

    any.value_case = OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_BOOL_VALUE;
    any.bool_value = 1;
    size = opentelemetry__proto__common__v1__any_value__pack(&any, packed);
    clew__read_any(clew__wire_of(packed, size), &read);
    cr_assert(read.kind == CLEW__ANY_BOOL && read.number == 1);

    any.value_case = OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_INT_VALUE;
    any.int_value = -7;
    size = opentelemetry__proto__common__v1__any_value__pack(&any, packed);
    clew__read_any(clew__wire_of(packed, size), &read);
    cr_assert(read.kind == CLEW__ANY_INT && (int64_t)read.number == -7);

    any.value_case = OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_DOUBLE_VALUE;
    any.double_value = number;
    size = opentelemetry__proto__common__v1__any_value__pack(&any, packed);
    clew__read_any(clew__wire_of(packed, size), &read);
    cr_assert(read.kind == CLEW__ANY_DOUBLE && memcmp(&read.number, &number, 8) == 0);

    any.value_case = OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_BYTES_VALUE;
    any.bytes_value = (ProtobufCBinaryData){3, (uint8_t *)text};
    size = opentelemetry__proto__common__v1__any_value__pack(&any, packed);
    clew__read_any(clew__wire_of(packed, size), &read);
    cr_assert(read.kind == CLEW__ANY_BYTES && text_is(read.bytes, "abc"));

    any.value_case = OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE__NOT_SET;
    size = opentelemetry__proto__common__v1__any_value__pack(&any, packed);
    clew__read_any(clew__wire_of(packed, size), &read);
    cr_assert_eq(read.kind, 0);
}

Test(otlp_oracle, response_that_it_packs_is_read) {
    Opentelemetry__Proto__Collector__Trace__V1__ExportTraceServiceResponse response =
        OPENTELEMETRY__PROTO__COLLECTOR__TRACE__V1__EXPORT_TRACE_SERVICE_RESPONSE__INIT;
    Opentelemetry__Proto__Collector__Trace__V1__ExportTracePartialSuccess partial =
        OPENTELEMETRY__PROTO__COLLECTOR__TRACE__V1__EXPORT_TRACE_PARTIAL_SUCCESS__INIT;
    char why[] = "quota";
    uint8_t packed[64];
    size_t size;
    int64_t rejected = -1;
    struct clew__wire message;
    partial.rejected_spans = 1234567;
    partial.error_message = why;
    response.partial_success = &partial;
    size = opentelemetry__proto__collector__trace__v1__export_trace_service_response__pack(&response, packed);
    cr_assert_eq(clew__read_export_response(packed, size, &rejected, &message), CLEW__WIRE_OK);
    cr_assert_eq(rejected, 1234567);
    cr_assert(text_is(message, "quota"));
}

Test(otlp_views, span_has_every_member) {
    struct clew__writer span = growing_writer();
    struct clew__span_fields fields;
    write_full_span(&span);
    clew__read_span(clew__wire_of(span.data, span.size), &fields);
    cr_assert_arr_eq(fields.trace_id, REQUEST_TRACE_ID, 16);
    cr_assert_arr_eq(fields.span_id, REQUEST_SPAN_ID, 8);
    cr_assert_arr_eq(fields.parent_span_id, REQUEST_PARENT_ID, 8);
    cr_assert(text_is(fields.trace_state, "ot=th:8") && text_is(fields.name, "GET /"));
    cr_assert(text_is(fields.status_message, "boom") && fields.status_code == 2);
    cr_assert(fields.start_unix_nano == 1544712660000000001u && fields.end_unix_nano == UINT64_MAX);
    cr_assert(fields.kind == 2 && fields.flags == 0x101);
    cr_assert(fields.dropped_attributes == 3 && fields.dropped_events == 4);
    cr_assert_eq(fields.dropped_links, UINT32_MAX);
    cr_assert(fields.attributes == 2 && fields.events == 1 && fields.links == 1);
    growing_free(&span);
    CLEW_NO_LEAKS();
}

Test(otlp_views, span_of_nothing_is_zero) {
    struct clew__span_fields fields, zero;
    memset(&zero, 0, sizeof zero);
    memset(&fields, 0xAA, sizeof fields);
    clew__read_span(clew__wire_of(NULL, 0), &fields);
    cr_assert_eq(memcmp(&fields, &zero, sizeof zero), 0);
}

Test(otlp_views, last_of_a_repeated_member_counts) {
    static const uint8_t span[] = {0x2A, 1,   'a', 0x7A, 4, 0x12, 0, 0x18, 1, 0x2A,
                                   2,    'b', 'c', 0x7A, 0, 0x30, 3, 0x30, 5};
    struct clew__span_fields fields;
    clew__read_span(clew__wire_of(span, sizeof span), &fields);
    cr_assert(text_is(fields.name, "bc"));
    cr_assert_eq(fields.kind, 5);
    cr_assert_eq(fields.status_code, 0, "the second status has none");
    cr_assert_null(fields.status_message.at);
}

Test(otlp_views, span_ends_where_it_is_malformed) {
    static const uint8_t span[] = {0x30, 3, 0x17, 0x30, 5};
    struct clew__span_fields fields;
    clew__read_span(clew__wire_of(span, sizeof span), &fields);
    cr_assert_eq(fields.kind, 3);
}

Test(otlp_views, member_of_another_wire_type_is_passed_over) {
    static const uint8_t span[] = {0x32, 1, 9, 0x28, 7, 0x30, 4};
    struct clew__span_fields fields;
    clew__read_span(clew__wire_of(span, sizeof span), &fields);
    cr_assert_null(fields.name.at);
    cr_assert_eq(fields.kind, 4);
}

Test(otlp_views, id_of_a_wrong_length_is_no_id) {
    static const uint8_t span[] = {0x12, 7, 1, 2, 3, 4, 5, 6, 7, 0x22, 2, 1, 2};
    static const uint8_t zero[8] = {0};
    struct clew__span_fields fields;
    clew__read_span(clew__wire_of(span, sizeof span), &fields);
    cr_assert_arr_eq(fields.span_id, zero, 8);
    cr_assert_arr_eq(fields.parent_span_id, zero, 8);
}

Test(otlp_views, empty_text_differs_from_no_text) {
    static const uint8_t span[] = {0x2A, 0};
    struct clew__span_fields fields;
    clew__read_span(clew__wire_of(span, sizeof span), &fields);
    cr_assert(fields.name.at && fields.name.at == fields.name.end);
    cr_assert_null(fields.trace_state.at);
}

Test(otlp_views, keyvalue_gives_key_and_value) {
    static const uint8_t keyvalue[] = {0x12, 2, 0x10, 5, 0x0A, 1, 'k'};
    struct clew__keyvalue read;
    clew__read_keyvalue(clew__wire_of(keyvalue, sizeof keyvalue), &read);
    cr_assert(text_is(read.key, "k"));
    cr_assert(read.value.kind == CLEW__ANY_BOOL && read.value.number == 1,
              "true is 1, however it is written");
}

Test(otlp_views, value_of_profiles_alone_is_empty) {
    static const uint8_t any[] = {0x40, 5};
    struct clew__any read;
    clew__read_any(clew__wire_of(any, sizeof any), &read);
    cr_assert_eq(read.kind, 0);
}

Test(otlp_views, next_member_walks_one_field_in_order) {
    static const uint8_t bytes[] = {0x0A, 1, 'a', 0x12, 1, 'x', 0x08, 1, 0x0A, 0, 0x0A, 1, 'b', 0x0A, 9};
    struct clew__wire wire = clew__wire_of(bytes, sizeof bytes), member;
    cr_assert(clew__next_member(&wire, 1, &member) && text_is(member, "a"));
    cr_assert(clew__next_member(&wire, 1, &member) && text_is(member, ""));
    cr_assert(clew__next_member(&wire, 1, &member) && text_is(member, "b"));
    cr_assert_not(clew__next_member(&wire, 1, &member), "the last one is cut");
    cr_assert_not(clew__next_member(&wire, 1, &member));
}

static const struct {
    const char *bytes;
    size_t size;
    enum clew__wire_error error;
    int64_t rejected;
} responses[] = {
    {"", 0, CLEW__WIRE_OK, 0},
    {"\x0A\x00", 2, CLEW__WIRE_OK, 0},
    {"\x0A\x02\x08\x05", 4, CLEW__WIRE_OK, 5},
    {"\x12\x01x\x0A\x02\x08\x05\x18\x01", 9, CLEW__WIRE_OK, 5},
    {"\x0A\x02\x08\x05\x0A\x02\x08\x06", 8, CLEW__WIRE_OK, 6},
    {"\x0A\x02\x08", 3, CLEW__WIRE_TRUNCATED, 0},
    {"\x0A\x01\x08", 3, CLEW__WIRE_TRUNCATED, 0},
    {"\x08\x01", 2, CLEW__WIRE_WRONG_TYPE, 0},
    {"\x0A\x02\x0A\x00", 4, CLEW__WIRE_WRONG_TYPE, 0},
    {"\x0A\x02\x10\x00", 4, CLEW__WIRE_WRONG_TYPE, 0},
    {"\x0A\x05\x08\x05\x12\x01\xFF", 7, CLEW__WIRE_BAD_UTF8, 5},
    {"\x13\x14", 2, CLEW__WIRE_BAD_TYPE, 0},
    {"<html>", 6, CLEW__WIRE_BAD_TYPE, 0},
};

Test(otlp_views, export_response_tells_what_is_malformed) {
    for (size_t i = 0; i < sizeof responses / sizeof responses[0]; i++) {
        uint8_t *copy = exact_copy(responses[i].bytes, responses[i].size);
        int64_t rejected = -1;
        struct clew__wire message = {copy, copy};
        cr_assert_eq(clew__read_export_response(copy, responses[i].size, &rejected, &message),
                     responses[i].error, "response %zu", i);
        cr_assert_eq(rejected, responses[i].rejected, "response %zu", i);
        cr_assert_null(message.at);
        free(copy);
    }
    CLEW_NO_LEAKS();
}
