#include <locale.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test/unit/proto/json_text.h"

Test(json_write, full_request_has_every_member) {
    struct clew__writer request = growing_writer();
    char *text;
    write_full_request(&request);
    text = json_of(&request);
    cr_assert_str_eq(text, FULL_JSON);
    free(text);
    growing_free(&request);
    CLEW_NO_LEAKS();
}

Test(json_write, nothing_is_an_empty_object) {
    struct clew__writer request = {0};
    char *text = json_of(&request);
    cr_assert_str_eq(text, "{}");
    free(text);
    CLEW_NO_LEAKS();
}

struct vector {
    const char *bytes;
    size_t size;
    const char *json;
};
#define BYTES(text) text, sizeof(text) - 1

static const struct vector values[] = {
    {BYTES(""), "{}"},
    {BYTES("\x0A\x00"), "{\"stringValue\":\"\"}"},
    {BYTES("\x10\x00"), "{\"boolValue\":false}"},
    {BYTES("\x10\x01"), "{\"boolValue\":true}"},
    {BYTES("\x18\x00"), "{\"intValue\":\"0\"}"},
    {BYTES("\x18\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F"), "{\"intValue\":\"9223372036854775807\"}"},
    {BYTES("\x18\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"), "{\"intValue\":\"-9223372036854775808\"}"},
    {BYTES("\x21\0\0\0\0\0\0\0\0"), "{\"doubleValue\":0}"},
    {BYTES("\x21\0\0\0\0\0\0\0\x80"), "{\"doubleValue\":-0}"},
    {BYTES("\x21\0\0\0\0\0\0\xF8\x7F"), "{\"doubleValue\":\"NaN\"}"},
    {BYTES("\x21\0\0\0\0\0\0\xF0\x7F"), "{\"doubleValue\":\"Infinity\"}"},
    {BYTES("\x21\0\0\0\0\0\0\xF0\xFF"), "{\"doubleValue\":\"-Infinity\"}"},
    {BYTES("\x21\x9A\x99\x99\x99\x99\x99\xB9\x3F"), "{\"doubleValue\":0.1}"},
    {BYTES("\x2A\x00"), "{\"arrayValue\":{}}"},
    {BYTES("\x32\x00"), "{\"kvlistValue\":{}}"},
    {BYTES("\x2A\x06\x0A\x00\x0A\x02\x18\x05"), "{\"arrayValue\":{\"values\":[{},{\"intValue\":\"5\"}]}}"},
    {BYTES("\x32\x09\x0A\x07\x0A\x01x\x12\x02\x10\x01"),
     "{\"kvlistValue\":{\"values\":[{\"key\":\"x\",\"value\":{\"boolValue\":true}}]}}"},
    {BYTES("\x3A\x00"), "{\"bytesValue\":\"\"}"},
    {BYTES("\x3A\x01\x00"), "{\"bytesValue\":\"AA==\"}"},
    {BYTES("\x3A\x02\xFB\xEF"), "{\"bytesValue\":\"++8=\"}"},
    {BYTES("\x3A\x03\xFF\xFF\xFF"), "{\"bytesValue\":\"////\"}"},
    {BYTES("\x3A\x04"
           "abcd"),
     "{\"bytesValue\":\"YWJjZA==\"}"},
};

Test(json_write, value_is_the_member_that_is_set_even_when_zero) {
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        assert_value_json(values[i].bytes, values[i].size, values[i].json);
    CLEW_NO_LEAKS();
}

Test(json_write, last_member_of_a_oneof_counts) {
    assert_value_json(BYTES("\x0A\x01x\x18\x00"), "{\"intValue\":\"0\"}");
    assert_value_json(BYTES("\x18\x07\x2A\x00"), "{\"arrayValue\":{}}");
    assert_value_json(BYTES("\x2A\x00\x18\x07"), "{\"intValue\":\"7\"}");
    CLEW_NO_LEAKS();
}

static void assert_string_json(const char *string, size_t size, const char *expected) {
    struct clew__writer any = growing_writer();
    char text[256];
    clew__write_bytes(&any, CLEW__ANY_STRING, string, size);
    snprintf(text, sizeof text, "{\"stringValue\":\"%s\"}", expected);
    assert_value_json(any.data, any.size, text);
    growing_free(&any);
}

Test(json_write, string_is_escaped_and_repaired) {
    assert_string_json(BYTES("\"\\/"), "\\\"\\\\/");
    assert_string_json(BYTES("\b\t\n\f\r"), "\\b\\t\\n\\f\\r");
    assert_string_json(BYTES("a\0b\x01\x0B\x1F\x7F"), "a\\u0000b\\u0001\\u000b\\u001f\\u007f");
    assert_string_json(BYTES("\xC2\x80\xC2\x9F\xC2\xA0"), "\\u0080\\u009f\xC2\xA0");
    assert_string_json(BYTES("\xE2\x80\xA7\xE2\x80\xA8\xE2\x80\xA9\xE2\x80\xAA"),
                       "\xE2\x80\xA7\\u2028\\u2029\xE2\x80\xAA");
    assert_string_json(BYTES("\xC3\xA9\xF0\x9F\x98\x80"), "\xC3\xA9\xF0\x9F\x98\x80");
    assert_string_json(BYTES("a\xFF"
                             "b\xE2\x80"),
                       "a\xEF\xBF\xBD"
                       "b\xEF\xBF\xBD");
    assert_string_json(BYTES("\xED\xA0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
    CLEW_NO_LEAKS();
}

static void double_bytes(double value, uint8_t any[9]) {
    uint64_t bits;
    memcpy(&bits, &value, 8);
    clew__put_fixed64(clew__put_tag(any, CLEW__ANY_DOUBLE, CLEW__WIRE_I64), bits);
}

static double read_back(const uint8_t any[9]) {
    struct clew__writer request = growing_writer(), wire;
    struct clew__any read;
    double value;
    char *text;
    write_request_of_value(&request, any, 9);
    text = json_of(&request);
    wire = read_json(text);
    cr_assert_eq(wire.size, request.size);
    clew__read_any(clew__wire_of(wire.data + wire.size - 9, 9), &read);
    memcpy(&value, &read.number, 8);
    free(text);
    growing_free(&request);
    growing_free(&wire);
    return value;
}

Test(json_double, reads_back_as_the_same_number) {
    static const double numbers[] = {0.1,
                                     1.0 / 3,
                                     1e21,
                                     1e22,
                                     123456789012345678.0,
                                     5e-324,
                                     2.2250738585072014e-308,
                                     1.7976931348623157e308,
                                     -1e-7,
                                     9007199254740993.0,
                                     0.30000000000000004,
                                     100};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        uint8_t any[9];
        double value;
        double_bytes(numbers[i], any);
        value = read_back(any);
        cr_assert_eq(memcmp(&value, &numbers[i], 8), 0, "%.17g", numbers[i]);
    }
    CLEW_NO_LEAKS();
}

/* A locale of glibc whose decimal point is a comma: the machine that runs this may have none. */
static bool set_comma_locale(void) {
    static const struct {
        uint32_t magic, items, offsets[6];
        char point[2], separator, grouping;
        uint32_t wide_point, wide_separator;
        char codeset[16];
    } numeric = {0x20031115 ^ LC_NUMERIC, 6, {32, 34, 35, 36, 40, 44}, ",", 0, 0, ',', 0, "ANSI_X3.4-1968"};
    char folder[] = "/tmp/clew-locale-XXXXXX", locale[64], path[80];
    bool set;
    FILE *file;
    if (!mkdtemp(folder))
        return false;
    snprintf(locale, sizeof locale, "%s/comma", folder);
    snprintf(path, sizeof path, "%s/LC_NUMERIC", locale);
    mkdir(locale, 0700);
    file = fopen(path, "wb");
    if (file) {
        fwrite(&numeric, sizeof numeric, 1, file);
        fclose(file);
    }
    setenv("LOCPATH", folder, 1);
    set = setlocale(LC_NUMERIC, "comma") != NULL;
    unlink(path);
    rmdir(locale);
    rmdir(folder);
    return set;
}

Test(json_double, decimal_point_is_a_point_in_every_locale) {
    char probe[8];
    uint8_t any[9];
    if (!set_comma_locale())
        cr_skip_test("this C library takes no locale from a folder");
    snprintf(probe, sizeof probe, "%.1f", 0.5);
    cr_assert_str_eq(probe, "0,5", "the locale counts");
    double_bytes(-2.5e-7, any);
    assert_value_json(any, 9, "{\"doubleValue\":-2.5e-07}");
    cr_assert_eq(read_back(any), -2.5e-7);
    setlocale(LC_NUMERIC, "C");
}

Test(json_write, zero_scalars_and_empty_ids_are_left_out) {
    struct clew__writer span = growing_writer(), request = growing_writer();
    char *text;
    clew__write_bytes(&span, CLEW__SPAN_PARENT_SPAN_ID, NULL, 0);
    clew__write_bytes(&span, CLEW__SPAN_NAME, NULL, 0);
    clew__write_bytes(&span, CLEW__SPAN_SPAN_ID, "short", 5);
    clew__write_varint(&span, CLEW__SPAN_KIND, 0);
    clew__write_fixed64(&span, CLEW__SPAN_START, 0);
    clew__write_fixed32(&span, CLEW__SPAN_FLAGS, 0);
    clew__write_varint(&span, CLEW__SPAN_DROPPED_EVENTS, 0);
    write_request_of_span(&request, span.data, span.size);
    text = json_of(&request);
    cr_assert_str_eq(text, BEFORE_SPAN AFTER_SPAN);
    free(text);
    growing_free(&span);
    growing_free(&request);
    CLEW_NO_LEAKS();
}

/* A span's setters append as they are called. */
Test(json_write, lists_that_are_mixed_on_the_wire_are_sorted_apart) {
    struct clew__writer span = growing_writer(), request = growing_writer();
    size_t begun;
    char *text;
    write_attribute(&span, CLEW__SPAN_ATTRIBUTES, "a", "1");
    begun = clew__write_begin(&span, CLEW__SPAN_EVENTS);
    write_text(&span, CLEW__EVENT_NAME, "e");
    clew__write_end(&span, begun);
    write_attribute(&span, CLEW__SPAN_ATTRIBUTES, "b", "2");
    write_text(&span, CLEW__SPAN_NAME, "first");
    clew__write_varint(&span, 1000, 5); /* unknown */
    write_text(&span, CLEW__SPAN_NAME, "n");
    write_request_of_span(&request, span.data, span.size);
    text = json_of(&request);
    assert_between(text, BEFORE_SPAN,
                   "\"name\":\"n\",\"attributes\":[{\"key\":\"a\",\"value\":{\"stringValue\":\"1\"}},"
                   "{\"key\":\"b\",\"value\":{\"stringValue\":\"2\"}}],\"events\":[{\"name\":\"e\"}]",
                   AFTER_SPAN);
    free(text);
    growing_free(&span);
    growing_free(&request);
    CLEW_NO_LEAKS();
}

Test(json_write, hundred_thousand_arrays_end_at_the_limit) {
    struct clew__writer request = growing_writer();
    const uint8_t *any;
    size_t size, levels = 0;
    uint8_t *memory = nested_arrays(100000, &any, &size);
    char *text;
    write_request_of_value(&request, any, size);
    text = json_of(&request);
    for (const char *at = text; (at = strstr(at, "arrayValue")); at++)
        levels++;
    cr_assert_eq(levels, 64);
    cr_assert_not_null(strstr(text, "{\"arrayValue\":{\"values\":[{}]}}"));
    free(text);
    free(memory);
    growing_free(&request);
    CLEW_NO_LEAKS();
}

Test(json_write, room_that_runs_out_stops_it) {
    struct clew__writer request = growing_writer();
    write_full_request(&request);
    for (size_t room = 0; room < sizeof FULL_JSON; room++) {
        uint8_t *memory = malloc(room ? room : 1);
        struct clew__writer text = {.data = memory, .capacity = room};
        clew__json_write_traces(&text, request.data, request.size);
        cr_assert_eq(text.failed, room < sizeof FULL_JSON - 1);
        cr_assert_eq(memcmp(memory, FULL_JSON, text.size), 0);
        free(memory);
    }
    growing_free(&request);
    CLEW_NO_LEAKS();
}

static const struct vector plain_values[] = {
    {BYTES(""), "null"},
    {BYTES("\x0A\x03"
           "a\"b"),
     "\"a\\\"b\""},
    {BYTES("\x10\x01"), "true"},
    {BYTES("\x18\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"), "-1"},
    {BYTES("\x21\0\0\0\0\0\0\xF8\x3F"), "1.5"},
    {BYTES("\x21\0\0\0\0\0\0\xF8\x7F"), "\"NaN\""},
    {BYTES("\x3A\x01\xFF"), "\"/w==\""},
    {BYTES("\x2A\x00"), "[]"},
    {BYTES("\x32\x00"), "{}"},
    {BYTES("\x2A\x0A\x0A\x00\x0A\x02\x2A\x00\x0A\x02\x18\x05"), "[null,[],5]"},
    {BYTES("\x32\x0D\x0A\x06\x0A\x00\x12\x02\x10\x00\x0A\x03\x0A\x01x"), "{\"\":false,\"x\":null}"},
    {BYTES("\x32\x0D\x0A\x0B\x0A\x01m\x12\x06\x2A\x04\x0A\x02\x32\x00"), "{\"m\":[{}]}"},
};

Test(json_plain, value_is_json_inside_text) {
    for (size_t i = 0; i < sizeof plain_values / sizeof plain_values[0]; i++) {
        struct clew__writer text = growing_writer();
        uint8_t *copy = exact_copy(plain_values[i].bytes, plain_values[i].size);
        clew__json_write_plain(&text, copy, plain_values[i].size);
        clew__write_raw(&text, "", 1);
        cr_assert_str_eq((char *)text.data, plain_values[i].json);
        free(copy);
        growing_free(&text);
    }
    CLEW_NO_LEAKS();
}

Test(json_plain, hundred_thousand_arrays_end_at_the_limit) {
    struct clew__writer text = growing_writer();
    const uint8_t *any;
    size_t size;
    uint8_t *memory = nested_arrays(100000, &any, &size);
    clew__json_write_plain(&text, any, size);
    cr_assert_eq(text.size, 64 + 4 + 64);
    cr_assert_arr_eq(text.data + 63, "[null]", 6);
    free(memory);
    growing_free(&text);
    CLEW_NO_LEAKS();
}

static void write_double(struct clew__writer *writer, uint32_t field, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    clew__write_fixed64(writer, field, bits);
}

/* A sum of 0 and a histogram of 0.5 twice: what is zero but says something must not be left out. */
static void write_metrics(struct clew__writer *writer) {
    static const uint8_t counts[8] = {2};
    size_t resource = clew__write_begin(writer, CLEW__METRICS_RESOURCE_METRICS);
    size_t scope = clew__write_begin(writer, CLEW__RESOURCE_METRICS_SCOPE_METRICS);
    size_t metric = clew__write_begin(writer, CLEW__SCOPE_METRICS_METRICS);
    clew__write_bytes(writer, CLEW__METRIC_NAME, "a", 1);
    size_t data = clew__write_begin(writer, CLEW__METRIC_SUM);
    size_t point = clew__write_begin(writer, CLEW__SUM_POINTS);
    clew__write_fixed64(writer, CLEW__NUMBER_AS_INT, 0);
    clew__write_end(writer, point);
    point = clew__write_begin(writer, CLEW__SUM_POINTS);
    clew__write_fixed64(writer, CLEW__NUMBER_AS_INT, (uint64_t)-7);
    clew__write_end(writer, point);
    clew__write_varint(writer, CLEW__SUM_TEMPORALITY, CLEW__TEMPORALITY_CUMULATIVE);
    clew__write_varint(writer, CLEW__SUM_IS_MONOTONIC, 1);
    clew__write_end(writer, data);
    clew__write_end(writer, metric);
    metric = clew__write_begin(writer, CLEW__SCOPE_METRICS_METRICS);
    data = clew__write_begin(writer, CLEW__METRIC_HISTOGRAM);
    point = clew__write_begin(writer, CLEW__HISTOGRAM_POINTS);
    clew__write_fixed64(writer, CLEW__BUCKETS_COUNT, 2);
    write_double(writer, CLEW__BUCKETS_SUM, 1.0);
    clew__write_bytes(writer, CLEW__BUCKETS_COUNTS, counts, sizeof counts);
    write_double(writer, CLEW__BUCKETS_MIN, 0.0);
    write_double(writer, CLEW__BUCKETS_MAX, 0.5);
    clew__write_end(writer, point);
    clew__write_end(writer, data);
    clew__write_end(writer, metric);
    clew__write_end(writer, scope);
    clew__write_end(writer, resource);
}

Test(json_write, metrics_keep_zeros_that_say_something) {
    struct clew__writer request = growing_writer(), text = growing_writer();
    write_metrics(&request);
    clew__json_write_metrics(&text, request.data, request.size);
    clew__write_raw(&text, "", 1);
    cr_assert_str_eq((char *)text.data,
                     "{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":["
                     "{\"name\":\"a\",\"sum\":{\"aggregationTemporality\":2,\"isMonotonic\":true,"
                     "\"dataPoints\":[{\"asInt\":\"0\"},{\"asInt\":\"-7\"}]}},"
                     "{\"histogram\":{\"dataPoints\":[{\"count\":\"2\",\"sum\":1,\"bucketCounts\":[\"2\"],"
                     "\"min\":0,\"max\":0.5}]}}]}]}]}");
    growing_free(&request);
    growing_free(&text);
    CLEW_NO_LEAKS();
}
