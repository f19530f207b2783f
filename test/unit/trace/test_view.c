/* Views over spans, and cursors over requests. */
#include <clew/view.h>

#include "sdk/trace/view.h"
#include "test/support.h"
#include "test/unit/exporters/request.h"

#include <math.h>
#include <string.h>

static struct clew__writer bytes;
static clew_span_view rich;

static void write_rich(void) {
    clew_batch_cursor cursor;
    bytes = clew__buffer_plain();
    test_write_rich_request(&bytes);
    cursor = clew_request_begin((clew_bytes){bytes.data, bytes.size});
    cr_assert(clew_batch_next(&cursor, &rich));
}

static void free_rich(void) {
    clew__buffer_fini(&bytes);
    CLEW_NO_LEAKS();
}

TestSuite(view, .init = write_rich, .fini = free_rich);

static bool is_text(clew_text text, const char *expected) {
    return text.size == strlen(expected) && memcmp(text.data, expected, text.size) == 0;
}

static bool is_data(clew_value_view value, const char *expected) {
    return is_text((clew_text){(const char *)value.data.data, value.data.size}, expected);
}

Test(view, reads_identity_and_times) {
    clew_span_data span = clew_span_view_data(&rich);
    cr_expect_eq(span.trace_id[0], 0xAF);
    cr_expect_eq(span.trace_id[15], 1);
    cr_expect_eq(span.span_id[0], 0xB7);
    cr_expect_eq(span.parent_span_id[0], 0xC1);
    cr_expect(is_text(span.tracestate, "congo=t61"));
    cr_expect(is_text(span.name, "charge card"));
    cr_expect_eq(span.kind, CLEW_CLIENT);
    cr_expect_eq(span.flags, 0x301);
    cr_expect_eq(span.start_unix_nano, UINT64_C(1795252265123456789));
    cr_expect_eq(span.end_unix_nano - span.start_unix_nano, 12345678);
}

Test(view, reads_status_counts_and_drops) {
    clew_span_data span = clew_span_view_data(&rich);
    cr_expect_eq(span.status, CLEW_STATUS_ERROR);
    cr_expect(is_text(span.status_description, "no reply in 5 s"));
    cr_expect_eq(span.attribute_count, 7);
    cr_expect_eq(span.event_count, 1);
    cr_expect_eq(span.link_count, 1);
    cr_expect_eq(span.dropped_attributes, 1);
    cr_expect_eq(span.dropped_events, 2);
    cr_expect_eq(span.dropped_links, 3);
}

Test(view, finds_what_stands_behind_the_spans) {
    cr_expect(is_text(clew_span_view_service(&rich), "shop"));
    cr_expect(is_text(clew_span_view_scope_name(&rich), "payments"));
    cr_expect(is_text(clew_span_view_scope_version(&rich), "1.2.0"));
    cr_expect(is_text(rich.scope_schema_url, "https://scope"));
    cr_expect(is_text(rich.resource_schema_url, "https://resource"));
}

Test(view, walks_attributes_in_order) {
    static const char *const keys[] = {"text", "count", "ratio", "flag", "blob", "map", "nothing"};
    clew_iterator attributes = clew_span_view_attributes(&rich);
    clew_attribute_view attribute;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        cr_assert(clew_next_attribute(&attributes, &attribute));
        cr_expect(is_text(attribute.key, keys[i]));
    }
    cr_expect(!clew_next_attribute(&attributes, &attribute));
    cr_expect(!clew_next_attribute(&attributes, &attribute));
}

Test(view, decodes_every_type_of_value) {
    clew_value_view value;
    cr_assert(clew_span_view_attribute(&rich, "text", &value));
    cr_expect(value.type == CLEW_TYPE_STRING && is_data(value, "two\nlines"));
    cr_assert(clew_span_view_attribute(&rich, "count", &value));
    cr_expect(value.type == CLEW_TYPE_INT && value.integer == -42);
    cr_assert(clew_span_view_attribute(&rich, "ratio", &value));
    cr_expect(value.type == CLEW_TYPE_DOUBLE && value.real == 0.25);
    cr_assert(clew_span_view_attribute(&rich, "flag", &value));
    cr_expect(value.type == CLEW_TYPE_BOOL && !value.boolean);
    cr_assert(clew_span_view_attribute(&rich, "blob", &value));
    cr_expect(value.type == CLEW_TYPE_BYTES && is_data(value, "\xDE\xAD\xBE\xEF"));
    cr_assert(clew_span_view_attribute(&rich, "nothing", &value));
    cr_expect(value.type == CLEW_TYPE_EMPTY);
}

Test(view, does_not_find_an_absent_attribute) {
    clew_value_view value;
    cr_expect(!clew_span_view_attribute(&rich, "coun", &value));
    cr_expect(!clew_span_view_resource_attribute(&rich, "count", &value));
}

Test(view, walks_nested_values) {
    clew_value_view map, number;
    clew_attribute_view member;
    clew_iterator members, numbers;
    cr_assert(clew_span_view_attribute(&rich, "map", &map));
    members = clew_value_members(&map);
    cr_assert(clew_next_attribute(&members, &member));
    cr_expect(is_text(member.key, "a\"b") && member.value.boolean);
    cr_assert(clew_next_attribute(&members, &member));
    numbers = clew_value_members(&member.value);
    cr_assert(clew_next_value(&numbers, &number));
    cr_expect_eq(number.integer, 1);
    cr_assert(clew_next_value(&numbers, &number));
    cr_expect_float_eq(number.real, 2.5, 0);
    cr_expect(!clew_next_value(&numbers, &number));
}

Test(view, a_scalar_has_no_members) {
    clew_value_view text, member;
    clew_iterator members;
    cr_assert(clew_span_view_attribute(&rich, "text", &text));
    members = clew_value_members(&text);
    cr_expect(!clew_next_value(&members, &member));
}

Test(view, reads_events) {
    clew_iterator events = clew_span_view_events(&rich), attributes;
    clew_attribute_view attribute;
    clew_event_view event;
    cr_assert(clew_next_event(&events, &event));
    cr_expect(is_text(event.name, "cache miss"));
    cr_expect_eq(event.time_unix_nano, UINT64_C(1795252265127956789));
    cr_expect_eq(event.dropped_attributes, 7);
    attributes = clew_event_view_attributes(&event);
    cr_assert(clew_next_attribute(&attributes, &attribute));
    cr_expect(is_text(attribute.key, "cache.key") && is_data(attribute.value, "user:1"));
    cr_expect(!clew_next_event(&events, &event));
}

Test(view, reads_links) {
    clew_iterator links = clew_span_view_links(&rich), attributes;
    clew_attribute_view attribute;
    clew_link_view link;
    cr_assert(clew_next_link(&links, &link));
    cr_expect(link.trace_id[0] == 0x4b && link.trace_id[15] == 2);
    cr_expect(link.span_id[0] == 0x4c && link.span_id[7] == 3);
    cr_expect(is_text(link.tracestate, "far=away"));
    cr_expect_eq(link.flags, 0x301);
    cr_expect_eq(link.dropped_attributes, 8);
    attributes = clew_link_view_attributes(&link);
    cr_assert(clew_next_attribute(&attributes, &attribute));
    cr_expect(is_text(attribute.key, "reason") && is_data(attribute.value, "retry"));
}

Test(view, an_empty_view_reads_as_absent) {
    clew_span_view none = {0};
    clew_span_data span = clew_span_view_data(&none);
    clew_iterator events = clew_span_view_events(&none);
    clew_event_view event;
    cr_expect_eq(span.name.size, 0);
    cr_expect_not_null(span.name.data);
    cr_expect(!clew_next_event(&events, &event));
    cr_expect_eq(clew_span_view_service(&none).size, 0);
    cr_expect_eq(clew_span_view_data(NULL).start_unix_nano, 0);
}

Test(view, numbers_beyond_the_enumerations_read_as_absent) {
    struct clew__writer odd = clew__buffer_plain();
    clew_span_view view = {0};
    size_t status;
    clew__write_varint(&odd, CLEW__SPAN_KIND, 6);
    status = clew__write_begin(&odd, CLEW__SPAN_STATUS);
    clew__write_varint(&odd, CLEW__STATUS_CODE, 3);
    clew__write_end(&odd, status);
    view.span = (clew_bytes){odd.data, odd.size};
    cr_expect_eq((int)clew_span_view_data(&view).kind, 0);
    cr_expect_eq(clew_span_view_data(&view).status, CLEW_STATUS_UNSET);
    clew__buffer_fini(&odd);
}

/* Every prefix and every flipped byte: the sanitizers are the judges. */
static void read_everything(clew_bytes request) {
    clew_batch_cursor cursor = clew_request_begin(request);
    clew_attribute_view attribute;
    clew_span_view view;
    char text[16];
    while (clew_batch_next(&cursor, &view)) {
        clew_iterator attributes = clew_span_view_attributes(&view);
        clew_iterator events = clew_span_view_events(&view);
        clew_iterator links = clew_span_view_links(&view);
        clew_event_view event;
        clew_link_view link;
        clew_span_view_data(&view);
        while (clew_next_attribute(&attributes, &attribute))
            clew_value_view_text(&attribute.value, text, sizeof text);
        while (clew_next_event(&events, &event))
            continue;
        while (clew_next_link(&links, &link))
            continue;
    }
}

Test(view, truncated_bytes_are_read_safely) {
    for (size_t size = 0; size < bytes.size; size++) {
        uint8_t *part = malloc(size + 1); /* of the exact size: reading beyond it is seen */
        memcpy(part, bytes.data, size);
        part = realloc(part, size ? size : 1);
        read_everything((clew_bytes){part, size});
        free(part);
    }
}

Test(view, damaged_bytes_are_read_safely) {
    for (size_t i = 0; i < bytes.size; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            bytes.data[i] ^= (uint8_t)(1u << bit);
            read_everything((clew_bytes){bytes.data, bytes.size});
            bytes.data[i] ^= (uint8_t)(1u << bit);
        }
    }
}

/* ---- cursors ---- */

Test(view, cursor_walks_all_scopes_of_all_resources) {
    static const struct test_span first[] = {{.name = "a", .id = 1}, {.name = "b", .id = 2}};
    struct clew__writer request = clew__buffer_plain();
    clew_batch_cursor cursor;
    clew_span_view view;
    char names[8] = "";
    test_write_request(&request, first, 2);
    test_write_request(&request, NULL, 0);
    test_write_rich_request(&request);
    struct clew_batch batch = test_batch(&request, 3);
    for (cursor = clew_batch_begin(&batch); clew_batch_next(&cursor, &view);)
        strncat(names, clew_span_view_data(&view).name.data, 1);
    cr_expect_str_eq(names, "abc");
    cr_expect(is_text(view.resource_schema_url, "https://resource"));
    cr_expect_eq(clew_batch_count(&batch), 3);
    cr_expect_eq(clew_batch_request(&batch).size, request.size);
    clew__buffer_fini(&request);
}

Test(view, cursor_does_not_carry_a_schema_over_to_the_next_resource) {
    static const struct test_span second = {.name = "b", .id = 2};
    clew_batch_cursor cursor;
    clew_span_view view;
    test_write_request(&bytes, &second, 1);
    cursor = clew_request_begin((clew_bytes){bytes.data, bytes.size});
    cr_assert(clew_batch_next(&cursor, &view));
    cr_assert(clew_batch_next(&cursor, &view));
    cr_expect_eq(view.resource_schema_url.size, 0);
    cr_expect_eq(view.scope_schema_url.size, 0);
}

/* ---- values as text ---- */

static const char *text_of(clew_value given) {
    static char text[256];
    struct clew__writer span = clew__buffer_plain();
    clew_span_view view = {0};
    clew_value_view value;
    size_t size;
    test_write_attribute(&span, CLEW__SPAN_ATTRIBUTES, "k", given);
    view.span = (clew_bytes){span.data, span.size};
    cr_assert(clew_span_view_attribute(&view, "k", &value));
    size = clew_value_view_text(&value, text, sizeof text);
    cr_expect_eq(size, strlen(text));
    cr_expect_eq(clew_value_view_text(&value, NULL, 0), size);
    clew__buffer_fini(&span);
    return text;
}

Test(view, scalars_have_the_text_of_the_specification) {
    cr_expect_str_eq(text_of(clew_value_string("as \"it\" is")), "as \"it\" is");
    cr_expect_str_eq(text_of(clew_value_empty()), "");
    cr_expect_str_eq(text_of(clew_value_bool(true)), "true");
    cr_expect_str_eq(text_of(clew_value_bool(false)), "false");
    cr_expect_str_eq(text_of(clew_value_int(INT64_MIN)), "-9223372036854775808");
    cr_expect_str_eq(text_of(clew_value_double(0.5)), "0.5");
    cr_expect_str_eq(text_of(clew_value_double((double)NAN)), "NaN");
    cr_expect_str_eq(text_of(clew_value_double((double)INFINITY)), "Infinity");
    cr_expect_str_eq(text_of(clew_value_double((double)-INFINITY)), "-Infinity");
}

Test(view, bytes_are_base64) {
    cr_expect_str_eq(text_of(clew_value_bytes("", 0)), "");
    cr_expect_str_eq(text_of(clew_value_bytes("f", 1)), "Zg==");
    cr_expect_str_eq(text_of(clew_value_bytes("fo", 2)), "Zm8=");
    cr_expect_str_eq(text_of(clew_value_bytes("foo", 3)), "Zm9v");
    cr_expect_str_eq(text_of(clew_value_bytes("\xFB\xFF\xFE", 3)), "+//+");
}

Test(view, arrays_and_maps_are_json) {
    clew_value inner[6] = {clew_value_string("a\"\\\n\x01\x7F\xC2\x9B"),
                           clew_value_double((double)NAN),
                           clew_value_bytes("f", 1),
                           clew_value_empty(),
                           clew_value_int(3),
                           clew_value_double(-1.5)};
    clew_attribute map[2] = {{"list", clew_value_array(inner, 6)}, {"none", clew_value_map(NULL, 0)}};
    cr_expect_str_eq(
        text_of(clew_value_map(map, 2)),
        "{\"list\":[\"a\\\"\\\\\\n\\u0001\\u007f\\u009b\",\"NaN\",\"Zg==\",null,3,-1.5],\"none\":{}}");
    cr_expect_str_eq(text_of(clew_value_array(NULL, 0)), "[]");
}

Test(view, nested_beyond_the_limit_becomes_null) {
    struct clew__writer span = clew__buffer_plain();
    clew_value_view value = {.type = CLEW_TYPE_ARRAY};
    struct clew__wire member, wire;
    char text[256];
    /* Innermost first: each level wraps what stands in the buffer. */
    for (int i = 0; i < 100; i++) {
        struct clew__writer outer = clew__buffer_plain();
        size_t array = clew__write_begin(&outer, CLEW__ANY_ARRAY);
        if (i)
            clew__write_bytes(&outer, CLEW__LIST_VALUES, span.data, span.size);
        clew__write_end(&outer, array);
        clew__buffer_fini(&span);
        span = outer;
    }
    wire = clew__wire_of(span.data, span.size);
    cr_assert(clew__next_member(&wire, CLEW__ANY_ARRAY, &member));
    value.data = clew__bytes_of_wire(member);
    clew_value_view_text(&value, text, sizeof text);
    cr_expect_eq(strspn(text, "["), 64);
    cr_expect_eq(strncmp(text + 64, "null]", 5), 0);
    cr_expect_eq(strlen(text), 64 + 4 + 64);
    clew__buffer_fini(&span);
}

Test(view, text_is_cut_at_a_character) {
    clew_value_view value = {.type = CLEW_TYPE_STRING,
                             .data = {"ab\xE2\x82\xAC"
                                      "c",
                                      6}};
    char text[8];
    memset(text, 'x', sizeof text);
    cr_expect_eq(clew_value_view_text(&value, text, 5), 6);
    cr_expect_str_eq(text, "ab");
    cr_expect_eq(clew_value_view_text(&value, text, 6), 6);
    cr_expect_str_eq(text, "ab\xE2\x82\xAC");
    cr_expect_eq(clew_value_view_text(&value, text, 7), 6);
    cr_expect_str_eq(text, "ab\xE2\x82\xAC"
                           "c");
    cr_expect_eq(clew_value_view_text(&value, text, 1), 6);
    cr_expect_str_eq(text, "");
}
