#include "test/unit/proto/foreign.h"
#include "test/unit/proto/json_text.h"

Test(json_read, full_request_becomes_the_same_text_again) {
    struct clew__writer wire = read_json(FULL_JSON);
    char *text = json_of(&wire);
    cr_assert_str_eq(text, FULL_JSON);
    free(text);
    growing_free(&wire);
    CLEW_NO_LEAKS();
}

/* What is read, written again: from what people send to what we send. */
static const struct {
    const char *text, *again;
} spans[] = {
    {"", ""},
    {"\"traceId\":\"0102030405060708090A0B0C0D0E0FaF\"", "\"traceId\":\"0102030405060708090a0b0c0d0e0faf\""},
    {"\"traceId\":\"\",\"spanId\":\"\",\"parentSpanId\":\"\"", ""},
    {"\"parentSpanId\":null,\"name\":null,\"attributes\":null,\"status\":null", ""},
    {"\"kind\":0,\"name\":\"\",\"flags\":0,\"startTimeUnixNano\":\"0\"", ""},
    {"\"kind\":\"SPAN_KIND_CLIENT\"", "\"kind\":3"},
    {"\"kind\":\"5\"", "\"kind\":5"},
    {"\"kind\":-2147483648", "\"kind\":-2147483648"},
    {"\"status\":{\"code\":\"STATUS_CODE_ERROR\"}", "\"status\":{\"code\":2}"},
    {"\"status\":{}", "\"status\":{}"},
    {"\"startTimeUnixNano\":18446744073709551615", "\"startTimeUnixNano\":\"18446744073709551615\""},
    {"\"startTimeUnixNano\":1.5e3,\"endTimeUnixNano\":\"1E2\"",
     "\"startTimeUnixNano\":\"1500\",\"endTimeUnixNano\":\"100\""},
    {"\"flags\":\"769\",\"droppedLinksCount\":\"4294967295\"",
     "\"droppedLinksCount\":4294967295,\"flags\":769"},
    {"\"span_id\":\"0102030405060708\",\"trace_state\":\"x\"", ""},
    {"\"a\":{\"b\":[1,-2.5e+7,{\"c\":[]},{},\"\\u0041\",null,true,false]},\"name\":\"n\"", "\"name\":\"n\""},
    {"\"namenamenamenamenamenamenamenamenamenamename\":1,\"name\":\"n\"", "\"name\":\"n\""},
    {"\"n\\u0061me\":\"n\"", "\"name\":\"n\""},
    {" \t\r\n\"name\" : \"n\" , \"kind\" : 1 ", "\"name\":\"n\",\"kind\":1"},
    {"\"name\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"name\":\"\\\"\\\\/\\b\\f\\n\\r\\t\""},
    {"\"name\":\"\\u00e9\\u20AC\\ud83d\\ude00\"", "\"name\":\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\""},
    {"\"name\":\"\\ud83d\"", "\"name\":\"\xEF\xBF\xBD\""},
    {"\"name\":\"\\ude00x\"", "\"name\":\"\xEF\xBF\xBDx\""},
    {"\"name\":\"\\ud83d\\ud83d\\ude00\"", "\"name\":\"\xEF\xBF\xBD\xF0\x9F\x98\x80\""},
    {"\"name\":\"\\ud83d\\n\"", "\"name\":\"\xEF\xBF\xBD\\n\""},
    {"\"name\":\"a\xFFz\"", "\"name\":\"a\xEF\xBF\xBDz\""},
    {"\"links\":[{\"traceId\":\"\",\"spanId\":\"\"},null,{}]", "\"links\":[{},{}]"},
    {"\"attributes\":[],\"events\":[ ]", ""},
    {"\"attributes\":[{\"value\":{\"intValue\":1},\"key\":\"k\"}]",
     "\"attributes\":[{\"key\":\"k\",\"value\":{\"intValue\":\"1\"}}]"},
    {"\"attributes\":[{\"key\":\"k\",\"value\":null}]", "\"attributes\":[{\"key\":\"k\"}]"},
};

static void assert_becomes(const char *text, const char *again) {
    struct clew__writer wire = read_json(text);
    char *written = json_of(&wire);
    cr_assert_str_eq(written, again);
    free(written);
    growing_free(&wire);
}

Test(json_read, span_is_read_as_others_write_it) {
    for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++) {
        char text[512], again[512];
        snprintf(text, sizeof text, "%s%s%s", BEFORE_SPAN, spans[i].text, AFTER_SPAN);
        snprintf(again, sizeof again, "%s%s%s", BEFORE_SPAN, spans[i].again, AFTER_SPAN);
        assert_becomes(text, again);
    }
    CLEW_NO_LEAKS();
}

static const struct {
    const char *text, *again;
} read_values[] = {
    {"{}", "{}"},
    {"{\"stringValue\":\"\"}", "{\"stringValue\":\"\"}"},
    {"{\"boolValue\":false}", "{\"boolValue\":false}"},
    {"{\"intValue\":0}", "{\"intValue\":\"0\"}"},
    {"{\"intValue\":\"-9223372036854775808\"}", "{\"intValue\":\"-9223372036854775808\"}"},
    {"{\"intValue\":9223372036854775807}", "{\"intValue\":\"9223372036854775807\"}"},
    {"{\"doubleValue\":\"1.5\"}", "{\"doubleValue\":1.5}"},
    {"{\"doubleValue\":\"NaN\"}", "{\"doubleValue\":\"NaN\"}"},
    {"{\"doubleValue\":\"Infinity\"}", "{\"doubleValue\":\"Infinity\"}"},
    {"{\"doubleValue\":\"-Infinity\"}", "{\"doubleValue\":\"-Infinity\"}"},
    {"{\"doubleValue\":3}", "{\"doubleValue\":3}"},
    {"{\"bytesValue\":\"\"}", "{\"bytesValue\":\"\"}"},
    {"{\"bytesValue\":\"-_8\"}", "{\"bytesValue\":\"+/8=\"}"},
    {"{\"bytesValue\":\"\\/w==\"}", "{\"bytesValue\":\"/w==\"}"},
    {"{\"bytesValue\":\"YWJjZA\"}", "{\"bytesValue\":\"YWJjZA==\"}"},
    {"{\"arrayValue\":{}}", "{\"arrayValue\":{}}"},
    {"{\"arrayValue\":{\"values\":[]}}", "{\"arrayValue\":{}}"},
    {"{\"arrayValue\":{\"values\":[null,{}]}}", "{\"arrayValue\":{\"values\":[{},{}]}}"},
    {"{\"arrayValue\":null}", "{}"},
    {"{\"stringValue\":\"a\",\"intValue\":\"1\"}", "{\"intValue\":\"1\"}"},
    {"{\"kvlistValue\":{\"values\":[{\"key\":\"\",\"value\":{}}]}}",
     "{\"kvlistValue\":{\"values\":[{\"value\":{}}]}}"},
};

Test(json_read, value_is_read_as_others_write_it) {
    for (size_t i = 0; i < sizeof read_values / sizeof read_values[0]; i++) {
        char text[512], again[512];
        snprintf(text, sizeof text, "%s%s%s", BEFORE_VALUE, read_values[i].text, AFTER_VALUE);
        snprintf(again, sizeof again, "%s%s%s", BEFORE_VALUE, read_values[i].again, AFTER_VALUE);
        assert_becomes(text, again);
    }
    CLEW_NO_LEAKS();
}

Test(json_read, every_member_of_resource_and_scope_is_read_in_any_order) {
    assert_becomes(
        "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{}],\"scope\":{\"version\":\"1\",\"name\":\"n\"}}],"
        "\"resource\":{\"entityRefs\":[{\"descriptionKeys\":[\"\",\"d\"],\"idKeys\":[\"i\",null],\"type\":"
        "\"t\"}]},"
        "\"schemaUrl\":\"u\"},{}]}",
        "{\"resourceSpans\":[{\"schemaUrl\":\"u\",\"resource\":{\"entityRefs\":[{\"type\":\"t\","
        "\"idKeys\":[\"i\"],\"descriptionKeys\":[\"\",\"d\"]}]},\"scopeSpans\":[{\"scope\":{\"name\":\"n\","
        "\"version\":\"1\"},\"spans\":[{}]}]},{}]}");
    CLEW_NO_LEAKS();
}

Test(json_read, lines_are_read_one_after_another) {
    static const char text[] = "{\"resourceSpans\":[{}]}\n\n{}\r\n{\"resourceSpans\":[{},{}]} x";
    struct clew__writer wire = growing_writer();
    struct clew__json_fault fault;
    size_t at = 0, taken, lines = 0;
    while ((taken = clew__json_read_traces(&wire, text + at, sizeof text - 1 - at, &fault)) > 0) {
        at += taken;
        lines++;
    }
    cr_assert_eq(lines, 3);
    cr_assert_eq(at, sizeof text - 3, "the object ends at its bracket");
    cr_assert_eq(fault.offset, 1);
    cr_assert_eq(wire.size, 6, "what went before stays");
    growing_free(&wire);
    CLEW_NO_LEAKS();
}

/* The offset is that of the text between, or of the whole when nothing stands around it. */
static const struct {
    const char *text;
    size_t offset;
    const char *reason;
} faults[] = {
    {"\"name\":5", 7, "a string is wanted"},
    {"\"name\":{}", 7, "a string is wanted"},
    {"\"name\" \"n\"", 7, "a colon is wanted"},
    {"name:5", 0, "a string is wanted"},
    {"\"name\":\"a\"\"b\"", 10, "a comma or a closing bracket is wanted"},
    {"\"name\":\"a\",", 11, "a string is wanted"},
    {"\"name\":\"\\x\"", 8, "a bad escape"},
    {"\"name\":\"\\u12G4\"", 8, "a bad escape"},
    {"\"name\":\"a\nb\"", 9, "a control character in a string"},
    {"\"kind\":\"CLIENT\"", 7, "not an integer, or out of range"},
    {"\"kind\":\"STATUS_CODE_OK\"", 7, "not an integer, or out of range"},
    {"\"kind\":2147483648", 7, "not an integer, or out of range"},
    {"\"kind\":1.5", 7, "not an integer, or out of range"},
    {"\"kind\":true", 7, "a value is wanted"},
    {"\"kind\":01", 7, "a value is wanted"},
    {"\"kind\":+1", 7, "a value is wanted"},
    {"\"kind\":1.", 7, "a value is wanted"},
    {"\"kind\":1e", 7, "a value is wanted"},
    {"\"kind\":\"\"", 7, "not an integer, or out of range"},
    {"\"kind\":\" 1\"", 7, "not an integer, or out of range"},
    {"\"flags\":-1", 8, "not an integer, or out of range"},
    {"\"flags\":4294967296", 8, "not an integer, or out of range"},
    {"\"startTimeUnixNano\":-1", 20, "not an integer, or out of range"},
    {"\"startTimeUnixNano\":\"18446744073709551616\"", 20, "not an integer, or out of range"},
    {"\"startTimeUnixNano\":1e20", 20, "not an integer, or out of range"},
    {"\"traceId\":\"01\"", 10, "an id has the wrong length"},
    {"\"traceId\":\"0102030405060708090a0b0c0d0e0f1011\"", 10, "an id has the wrong length"},
    {"\"spanId\":\"AAECAwQFBgc=\"", 9, "an id has the wrong length"},
    {"\"spanId\":\"010203040506070g\"", 9, "an id is not hexadecimal"},
    {"\"attributes\":{}", 13, "a list is wanted"},
    {"\"attributes\":[1]", 14, "an object is wanted"},
    {"\"attributes\":[{},]", 17, "an object is wanted"},
    {"\"attributes\":[{}{}]", 16, "a comma or a closing bracket is wanted"},
    {"\"attributes\":[{}}", 16, "a comma or a closing bracket is wanted"},
    {"\"status\":[]", 9, "an object is wanted"},
    {"\"status\":nul", 9, "an object is wanted"},
    {"\"x\":[1,]", 7, "a value is wanted"},
    {"\"x\":{\"y\"}", 8, "a colon is wanted"},
    {"\"x\":{1:2}", 5, "a string is wanted"},
    {"\"x\":[1}", 6, "a comma or a closing bracket is wanted"},
    {"\"x\":tru", 4, "a value is wanted"},
    {"\"attributes\":[{\"value\":{\"boolValue\":1}}]", 36, "true or false is wanted"},
    {"\"attributes\":[{\"value\":{\"boolValue\":\"true\"}}]", 36, "true or false is wanted"},
    {"\"attributes\":[{\"value\":{\"doubleValue\":\"nan\"}}]", 38, "not a number"},
    {"\"attributes\":[{\"value\":{\"doubleValue\":\"0x10\"}}]", 38, "not a number"},
    {"\"attributes\":[{\"value\":{\"doubleValue\":1e999}}]", 38, "a number out of range"},
    {"\"attributes\":[{\"value\":{\"intValue\":9223372036854775808}}]", 35,
     "not an integer, or out of range"},
    {"\"attributes\":[{\"value\":{\"bytesValue\":[1]}}]", 37, "a string is wanted"},
    {"\"attributes\":[{\"value\":{\"bytesValue\":\"AA\\q\"}}]", 40, "a bad escape"},
    {"\"attributes\":[{\"value\":{\"bytesValue\":\"A\"}}]", 37, "bad base64"},
    {"\"attributes\":[{\"value\":{\"bytesValue\":\"AA=\"}}]", 37, "bad base64"},
    {"\"attributes\":[{\"value\":{\"bytesValue\":\"AA==AA\"}}]", 37, "bad base64"},
    {"\"attributes\":[{\"value\":{\"bytesValue\":\"A A=\"}}]", 37, "bad base64"},
    {"\"attributes\":[{\"value\":{\"bytesValue\":\"====\"}}]", 37, "bad base64"},
};

static void assert_fault(const char *text, size_t size, size_t offset, const char *reason) {
    char *copy = (char *)exact_copy(text, size);
    struct clew__writer wire = growing_writer();
    struct clew__json_fault fault = {12345, NULL};
    clew__write_raw(&wire, "x", 1);
    cr_assert_eq(clew__json_read_traces(&wire, copy, size, &fault), 0, "%s", text);
    cr_assert_str_eq(fault.reason, reason, "%s, not %s: %s", fault.reason, reason, text);
    cr_assert_eq(fault.offset, offset, "at %zu, not %zu: %s", fault.offset, offset, text);
    cr_assert_eq(wire.size, 1, "nothing is appended");
    growing_free(&wire);
    free(copy);
}

Test(json_read, text_is_refused_with_reason_and_offset) {
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        char text[512];
        int size = snprintf(text, sizeof text, "%s%s%s", BEFORE_SPAN, faults[i].text, AFTER_SPAN);
        assert_fault(text, (size_t)size, sizeof BEFORE_SPAN - 1 + faults[i].offset, faults[i].reason);
    }
    assert_fault("", 0, 0, "the text ends early");
    assert_fault(" \n", 2, 2, "the text ends early");
    assert_fault("[]", 2, 0, "an object is wanted");
    assert_fault("{\0}", 3, 1, "a string is wanted");
    CLEW_NO_LEAKS();
}

Test(json_read, text_cut_at_any_byte_ends_early) {
    static const char text[] = BEFORE_VALUE "{\"kvlistValue\":{\"values\":[{\"key\":\"\\ud83d\\ude00\","
                                            "\"value\":{\"doubleValue\":-1.5e3}}]}}" AFTER_VALUE;
    for (size_t size = 0; size < sizeof text - 1; size++) {
        char *copy = (char *)exact_copy(text, size);
        struct clew__writer wire = growing_writer();
        struct clew__json_fault fault;
        cr_assert_eq(clew__json_read_traces(&wire, copy, size, &fault), 0, "cut at %zu", size);
        cr_assert_leq(fault.offset, size);
        cr_assert_eq(wire.size, 0);
        growing_free(&wire);
        free(copy);
    }
    CLEW_NO_LEAKS();
}

static char *repeat(const char *head, const char *unit, size_t times, const char *tail) {
    size_t size = strlen(unit) * times + strlen(head) + strlen(tail) + 1, at;
    char *text = malloc(size);
    at = (size_t)snprintf(text, size, "%s", head);
    for (size_t i = 0; i < times; i++, at += strlen(unit))
        memcpy(text + at, unit, strlen(unit));
    memcpy(text + at, tail, strlen(tail) + 1);
    return text;
}

static bool reads(const char *text) {
    struct clew__writer wire = growing_writer();
    struct clew__json_fault fault;
    bool taken = clew__json_read_traces(&wire, text, strlen(text), &fault) > 0;
    cr_assert(taken || strcmp(fault.reason, "nested too deep") == 0, "%s", fault.reason);
    growing_free(&wire);
    return taken;
}

Test(json_read, hundred_thousand_levels_are_refused) {
    char *arrays = repeat(BEFORE_VALUE, "{\"arrayValue\":{\"values\":[", 100000, "");
    char *maps = repeat(BEFORE_VALUE, "{\"kvlistValue\":{\"values\":[{\"value\":", 100000, "");
    char *unknown = repeat("{\"x\":", "[", 100000, "");
    cr_assert_not(reads(arrays));
    cr_assert_not(reads(maps));
    cr_assert_not(reads(unknown));
    free(arrays);
    free(maps);
    free(unknown);
    CLEW_NO_LEAKS();
}

Test(json_read, unknown_members_may_be_4096_levels_deep) {
    for (size_t levels = 4095; levels <= 4097; levels++) {
        char *closing = repeat("", "}", levels, "}");
        char *text = repeat("{\"x\":", "{\"y\":", levels - 1, "{");
        char *whole = repeat(text, "", 0, closing);
        cr_assert_eq(reads(whole), levels <= 4096, "%zu levels", levels);
        free(whole);
        free(text);
        free(closing);
    }
    CLEW_NO_LEAKS();
}

Test(json_read, values_side_by_side_are_not_deep) {
    struct clew__writer request = growing_writer(), wire;
    char *text;
    write_request_of_siblings(&request);
    text = json_of(&request);
    wire = read_json(text);
    cr_assert_eq(wire.size, request.size);
    cr_assert_eq(memcmp(wire.data, request.data, wire.size), 0);
    free(text);
    growing_free(&request);
    growing_free(&wire);
    CLEW_NO_LEAKS();
}

/* What the checker of the wire format lets pass can be written and read again. */
Test(json_read, values_may_be_64_levels_deep) {
    for (size_t levels = 63; levels <= 65; levels++) {
        char *closing = repeat("}}", "]}}", levels - 1, AFTER_VALUE);
        char *text = repeat(BEFORE_VALUE, "{\"arrayValue\":{\"values\":[", levels - 1, "{\"arrayValue\":{");
        char *whole = repeat(text, "", 0, closing);
        cr_assert_eq(reads(whole), levels <= 64, "%zu levels", levels);
        free(whole);
        free(text);
        free(closing);
    }
    CLEW_NO_LEAKS();
}

Test(json_read, room_that_runs_out_is_a_fault) {
    struct clew__writer full = read_json(FULL_JSON);
    for (size_t room = 0; room < full.size; room += 7) {
        uint8_t *memory = malloc(room ? room : 1);
        struct clew__writer wire = {.data = memory, .capacity = room};
        struct clew__json_fault fault;
        cr_assert_eq(clew__json_read_traces(&wire, FULL_JSON, sizeof FULL_JSON - 1, &fault), 0);
        cr_assert(wire.failed);
        cr_assert_eq(wire.size, 0);
        cr_assert_str_eq(fault.reason, "there is no room for the message");
        free(memory);
    }
    growing_free(&full);
    CLEW_NO_LEAKS();
}

Test(json_read, number_of_too_many_digits_is_refused) {
    char *text = repeat("{\"resourceSpans\":[{\"resource\":{\"droppedAttributesCount\":0.", "0", 600, "}}]}");
    struct clew__writer wire = growing_writer();
    struct clew__json_fault fault;
    cr_assert_eq(clew__json_read_traces(&wire, text, strlen(text), &fault), 0);
    cr_assert_str_eq(fault.reason, "a number has too many digits");
    growing_free(&wire);
    free(text);
    CLEW_NO_LEAKS();
}

/* ---- one element of resourceSpans ---- */

static size_t read_element(struct clew__writer *writer, struct clew__writer *scratch, const char *text,
                           size_t size, struct clew__json_fault *fault) {
    (void)scratch;
    return clew__json_read_resource_spans(writer, text, size, fault, NULL);
}

#define READ read_element
#define ELEMENT(span) "{\"scopeSpans\":[{\"spans\":[{" span "}]}]}"

Test(json_read, element_of_resource_spans_is_a_message_of_its_own) {
    char *json = foreign_to_json(read_element, "{\"schemaUrl\":\"x\"}");
    cr_assert_str_eq(json, "{\"resourceSpans\":[{\"schemaUrl\":\"x\"}]}");
    free(json);
    foreign_fails(read_element, "{\"scopeSpans\":[7]}", 15, "an object is wanted");
    CLEW_NO_LEAKS();
}

Test(json_read, ids_in_files_may_be_short) {
    HAS(ELEMENT("\"traceId\":\"A1\",\"spanId\":\"b2\",\"parentSpanId\":\"3\""),
        "\"traceId\":\"000000000000000000000000000000a1\"", "\"spanId\":\"00000000000000b2\"",
        "\"parentSpanId\":\"0000000000000003\"", "!clew.");
    CLEW_NO_LEAKS();
}

Test(json_read, span_in_a_file_needs_ids) {
    const size_t span = strlen("{\"scopeSpans\":[{\"spans\":[");
    foreign_fails(READ, ELEMENT("\"traceId\":\"\",\"spanId\":\"1\""), span, "a span without an id");
    foreign_fails(READ, ELEMENT("\"traceId\":\"1\",\"spanId\":null"), span, "a span without an id");
    foreign_fails(READ, ELEMENT("\"traceId\":\"1\",\"spanId\":\"0\""), span, "a span without an id");
    foreign_fails(READ, ELEMENT("\"name\":\"x\""), span, "a span without an id");
    CLEW_NO_LEAKS();
}

/* ---- faults that are told, and what is read all the same ---- */

static size_t read_listening(struct clew__writer *writer, struct clew__writer *scratch, const char *text,
                             size_t size, struct clew__json_fault *fault,
                             const struct clew__json_listener *listener) {
    (void)scratch;
    return clew__json_read_resource_spans(writer, text, size, fault, listener);
}

#define IDS(span) "\"traceId\":\"0000000000000000000000000000000a\",\"spanId\":\"000000000000000" span "\""
#define READS(spans) "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[" spans "]}]}]}"

Test(json_read, span_with_a_fault_is_left_out_and_the_others_are_read) {
    foreign_gets_over(read_listening,
                      ELEMENT("\"traceId\":\"a\",\"spanId\":\"1\",\"events\":[{\"timeUnixNano\":\"x\","
                              "\"name\":\"e\"}],\"name\":\"lost\"},{" IDS("2") "},{\"kind\":[]},{" IDS("3")),
                      READS("{" IDS("2") "},{" IDS("3") "}"),
                      "79: not an integer, or out of range; 194: a value is wanted; ");
    CLEW_NO_LEAKS();
}

Test(json_read, spans_before_the_end_of_what_is_cut_off_are_read) {
    foreign_gets_over(read_listening,
                      "{\"scopeSpans\":[{\"spans\":[{" IDS("2") "},{" IDS("3") ",\"name\":\"x",
                      READS("{" IDS("2") "}"), "183: the text ends early; ");
    foreign_gets_over(read_listening, "{\"scopeSpans\":[{\"spans\":[{" IDS("2") "}", READS("{" IDS("2") "}"),
                      "99: the text ends early; ");
    CLEW_NO_LEAKS();
}

Test(json_read, element_that_is_no_object_is_told_and_nothing) {
    foreign_gets_over(read_listening, "[7]", "{}", "0: an object is wanted; ");
    CLEW_NO_LEAKS();
}

Test(json_read, value_with_a_fault_outside_of_spans_is_taken_back) {
    foreign_gets_over(
        read_listening,
        "{\"scopeSpans\":[{\"spans\":[{" IDS("2") "}]}],\"resource\":{\"attributes\":["
                                                  "{\"key\":\"k\",\"value\":{\"bytesValue\":\"AAAA*\"}}]}}",
        "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"k\",\"value\":{}}]},"
        "\"scopeSpans\":[{\"spans\":[{" IDS("2") "}]}]}]}",
        "162: bad base64; ");
    CLEW_NO_LEAKS();
}

Test(json_read, ids_in_files_that_are_not_hexadecimal_are_hashed_and_kept) {
    HAS(ELEMENT("\"traceId\":\"trace-1\",\"spanId\":\"AAECAwQFBgc=\",\"parentSpanId\":\"span-1\","
                "\"links\":[{\"traceId\":\"t\",\"spanId\":\"s\"}]"),
        "{\"key\":\"clew.trace_id\",\"value\":{\"stringValue\":\"trace-1\"}}",
        "{\"key\":\"clew.span_id\",\"value\":{\"stringValue\":\"AAECAwQFBgc=\"}}", "!span-1",
        "\"parentSpanId\"");
    CLEW_NO_LEAKS();
}
