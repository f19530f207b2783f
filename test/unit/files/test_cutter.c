/* Cutting JSON into pieces, fed at once and byte by byte. */
#include "collector-bridge/files/cutter.h"
#include "test/support.h"
#include "test/unit/proto/growing.h"

#include <stdio.h>

#define PIECE_MAX 200

/* What is cut from a text that comes in parts of `step` bytes: `R(…)`, `J(…)` and `Z(…)` for the pieces, and
 * `!offset:line reason` for the faults; one a line. To be freed. */
static char *cut_in_steps(const char *text, size_t size, size_t step) {
    char *out;
    size_t unused, begin = 0, end = 0;
    FILE *file = open_memstream(&out, &unused);
    struct clew__cutter cutter;
    clew__cutter_init(&cutter, PIECE_MAX, 0);
    for (;;) {
        struct clew__cut cut;
        uint8_t *copy = exact_copy(text + begin, end - begin);
        enum clew__cut_result result =
            clew__cutter_next(&cutter, (char *)copy, end - begin, end == size, &cut);
        if (result == CLEW__CUT_PIECE)
            fprintf(file, "%c(%.*s)\n", " RJZ"[cut.kind], (int)cut.size, (char *)copy + cut.begin);
        if (result == CLEW__CUT_PIECE)
            cr_assert_eq(memcmp(text + cut.offset, copy + cut.begin, cut.size), 0);
        if (result == CLEW__CUT_FAULT)
            fprintf(file, "!%d:%d %s\n", (int)cut.offset, (int)cut.line, cut.reason);
        free(copy);
        if (result == CLEW__CUT_END)
            break;
        if (result != CLEW__CUT_MORE)
            continue;
        cr_assert_lt(end, size, "more is wanted behind the end");
        size_t done = clew__cutter_done(&cutter);
        clew__cutter_drop(&cutter, done);
        begin += done;
        end = end + step < size ? end + step : size;
    }
    fclose(file);
    return out;
}

/* The same however it comes. */
static void assert_cut(const char *text, const char *expected) {
    static const size_t steps[] = {1, 2, 3, 7, 16, 64, 1000000};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        char *got = cut_in_steps(text, strlen(text), steps[i]);
        cr_assert_str_eq(got, expected, "in steps of %zu: %s\ninstead of %s", steps[i], got, expected);
        free(got);
    }
}

#define RS "{\"resource\":{},\"scopeSpans\":[{\"spans\":[{\"name\":\"a]}\\\"[{\"}]}]}"
#define JAEGER "{\"traceID\":\"1\",\"spans\":[{\"spanID\":\"2\",\"tags\":[]}],\"processes\":{}}"
#define ZIPKIN "{\"traceId\":\"1\",\"id\":\"2\",\"tags\":{\"data\":\"[{\"}}"

Test(cutter, elements_of_resource_spans_are_pieces) {
    assert_cut("{\"resourceSpans\":[" RS "," RS "]}", "R(" RS ")\nR(" RS ")\n");
    assert_cut("{ \"a\" : {\"resourceSpans\":[{}]}, \"resourceSpans\" : [ {} ] }", "R({})\n");
    CLEW_NO_LEAKS();
}

Test(cutter, objects_follow_one_another_with_line_ends_or_without) {
    assert_cut("{\"resourceSpans\":[" RS
               "]}\n{\"resourceSpans\":[{}]}\r\n\n {\"resourceSpans\":[]}{\"resourceSpans\":[{ }]}",
               "R(" RS ")\nR({})\nR({ })\n");
    CLEW_NO_LEAKS();
}

Test(cutter, traces_of_jaeger_are_pieces_alone_and_in_data_and_in_lists) {
    assert_cut(JAEGER, "J(" JAEGER ")\n");
    assert_cut("[" JAEGER ",\n" JAEGER "]", "J(" JAEGER ")\nJ(" JAEGER ")\n");
    assert_cut("{\"data\":[" JAEGER "," JAEGER "],\"total\":0,\"errors\":null}",
               "J(" JAEGER ")\nJ(" JAEGER ")\n");
    assert_cut("{\"data\":" JAEGER "}", "J(" JAEGER ")\n");
    assert_cut("{\"_comment\":\"x\",\"spans\":[],\"data\":[]}",
               "J({\"_comment\":\"x\",\"spans\":[],\"data\":[]})\n");
    assert_cut("{\"spanID\":\"1\"}\n{\"spanID\":\"2\"}", "J({\"spanID\":\"1\"})\nJ({\"spanID\":\"2\"})\n");
    CLEW_NO_LEAKS();
}

Test(cutter, spans_of_zipkin_are_pieces_alone_and_in_lists_of_lists) {
    assert_cut("[" ZIPKIN "," ZIPKIN "]", "Z(" ZIPKIN ")\nZ(" ZIPKIN ")\n");
    assert_cut("[[" ZIPKIN "],[],[" ZIPKIN "]]", "Z(" ZIPKIN ")\nZ(" ZIPKIN ")\n");
    assert_cut(ZIPKIN "\n" ZIPKIN "\n", "Z(" ZIPKIN ")\nZ(" ZIPKIN ")\n");
    CLEW_NO_LEAKS();
}

Test(cutter, answers_of_jaegers_api_are_envelopes) {
    assert_cut("{\"result\":{\"resourceSpans\":[{}]}}\n{\"result\":{\"resourceSpans\":[{},{}]}}",
               "R({})\nR({})\nR({})\n");
    CLEW_NO_LEAKS();
}

Test(cutter, other_objects_are_passed_over) {
    assert_cut("{\"resourceMetrics\":[{\"id\":{}}]}\n{}\n[]\n{\"a\":[{\"traceId\":1}]}", "");
    assert_cut("[null,[null],{\"x\":1}]", "");
    assert_cut("{\"resourceSpans\":null,\"data\":null}", "");
    CLEW_NO_LEAKS();
}

Test(cutter, wrong_types_are_faults_that_lose_nothing_else) {
    assert_cut("{\"resourceSpans\":7}\n{\"resourceSpans\":[{}]}", "!17:1 a list is wanted\nR({})\n");
    assert_cut(
        "{\"resourceSpans\":[7,{},\"x\",[1],{}]}",
        "!18:1 an object is wanted\nR({})\n!23:1 an object is wanted\n!27:1 an object is wanted\nR({})\n");
    assert_cut("[1,{\"id\":2}]", "!1:1 an object is wanted\nZ({\"id\":2})\n");
    CLEW_NO_LEAKS();
}

Test(cutter, damage_is_found_where_it_is) {
    assert_cut("{\"a\" 1}", "!5:1 a colon is wanted\n");
    assert_cut("{\"a\":1 \"b\":2}", "!7:1 a comma or a closing bracket is wanted\n");
    assert_cut("{\"a\":1]", "!6:1 a comma or a closing bracket is wanted\n");
    assert_cut("{\"a\":}", "!5:1 a value is wanted\n");
    assert_cut("{a:1}", "!1:1 a string is wanted\n");
    assert_cut("\n\n{\"a\":\"\x01\"}", "!8:3 a control character in a string\n");
    assert_cut("hello", "!0:1 an object or a list is wanted\n");
    assert_cut("{\"a\":\"x", "!7:1 the text ends early\n");
    assert_cut("{\"a\":\"\\", "!7:1 the text ends early\n");
    assert_cut("{\"a\":tru", "!8:1 the text ends early\n");
    assert_cut("[{},\n", "!5:2 the text ends early\n");
    CLEW_NO_LEAKS();
}

Test(cutter, next_line_is_read_after_damage) {
    assert_cut("{!\n{\"resourceSpans\":[{}]}\n{\"a\":\"\n{\"resourceSpans\":[{}]}\n",
               "!1:1 a string is wanted\nR({})\n!32:3 a control character in a string\nR({})\n");
    CLEW_NO_LEAKS();
}

Test(cutter, record_that_is_cut_off_does_not_swallow_the_next) {
    assert_cut("{\"resourceSpans\":[{\"a\":1},\n{\"resourceSpans\":[{}]}",
               "R({\"a\":1})\n!27:2 a record within another, which is cut off\nR({})\n");
    CLEW_NO_LEAKS();
}

Test(cutter, next_piece_is_read_after_damage_within_a_line) {
    /* The string without its quote ends behind the next bracket. */
    assert_cut("{\"resourceSpans\":[" RS ",{\"resource\":{\"a:1}}," RS "," RS "]}",
               "R(" RS ")\n!102:1 a colon is wanted\nR(" RS ")\n");
    assert_cut("{\"data\":[" JAEGER ",{\"traceID\":\"1\",\"spans\":[{\"traceID\":\"1\",\"x\":}]}," JAEGER
               "]}",
               "J(" JAEGER ")\n!118:1 a value is wanted\nJ(" JAEGER ")\n");
    assert_cut("[" ZIPKIN ",{\"traceId\":!}," ZIPKIN "]",
               "Z(" ZIPKIN ")\n!58:1 a value is wanted\nZ(" ZIPKIN ")\n");
    CLEW_NO_LEAKS();
}

Test(cutter, list_with_a_line_for_each_goes_on_after_damage) {
    assert_cut("{\"data\":[\n" JAEGER ",\n{\"traceID\":!},\n" JAEGER ",\n" JAEGER "\n]}\n",
               "J(" JAEGER ")\n!88:3 a value is wanted\nJ(" JAEGER ")\nJ(" JAEGER ")\n");
    CLEW_NO_LEAKS();
}

Test(cutter, indented_list_goes_on_after_damage) {
    assert_cut(
        "{\n  \"data\": [\n    {\n      \"traceID\": \"1\",\n      \"spans\": [ ! ]\n    },\n    {\n"
        "      \"traceID\": \"2\",\n      \"spans\": [\n      ]\n    }\n  ]\n}\n",
        "!59:5 a value is wanted\nJ({\n      \"traceID\": \"2\",\n      \"spans\": [\n      ]\n    })\n");
    CLEW_NO_LEAKS();
}

/* `before`, a string of `size` letters, `after`. */
static char *long_text(const char *before, size_t size, const char *after) {
    char *text = malloc(strlen(before) + size + strlen(after) + 1);
    char *at = text + strlen(strcpy(text, before));
    memset(at, 'x', size);
    strcpy(at + size, after);
    return text;
}

Test(cutter, piece_over_the_limit_is_a_fault_at_its_beginning) {
    char *fits = long_text("{\"resourceSpans\":[{\"a\":\"", PIECE_MAX - 8, "\"}]}");
    char *fits_not = long_text("{\"resourceSpans\":[{},\n{\"a\":\"", PIECE_MAX - 7, "\"},{}]}");
    char *trace = long_text("{\"traceID\":\"", 2 * PIECE_MAX, "\"}\n{\"traceID\":\"1\"}");
    char *got = cut_in_steps(fits, strlen(fits), 10);
    cr_assert_eq(strlen(got), PIECE_MAX + 4, "%s", got);
    free(got);
    assert_cut(fits_not, "R({})\n!22:2 " CLEW__CUT_TOO_LONG "\nR({})\n");
    assert_cut(trace, "!0:1 " CLEW__CUT_TOO_LONG "\nJ({\"traceID\":\"1\"})\n");
    free(fits);
    free(fits_not);
    free(trace);
    CLEW_NO_LEAKS();
}

/* What there is of the piece that the end of the text cuts off. */
static size_t size_cut_off(const char *text) {
    struct clew__cutter cutter;
    struct clew__cut cut;
    clew__cutter_init(&cutter, PIECE_MAX, 0);
    cr_assert_eq(clew__cutter_next(&cutter, text, strlen(text), true, &cut), CLEW__CUT_FAULT);
    cr_assert_eq(cut.kind, cut.size > 0 ? CLEW__PIECE_JAEGER : CLEW__PIECE_NONE);
    return cut.size;
}

Test(cutter, of_a_piece_over_the_limit_that_is_cut_off_there_is_nothing) {
    char *fits = long_text("{\"traceID\":\"", PIECE_MAX - 12, "");
    char *fits_not = long_text("{\"traceID\":\"", PIECE_MAX - 11, "");
    cr_assert_eq(size_cut_off(fits), PIECE_MAX);
    cr_assert_eq(size_cut_off(fits_not), 0);
    free(fits);
    free(fits_not);
    CLEW_NO_LEAKS();
}

Test(cutter, other_members_may_be_of_any_length) {
    char *other = long_text("{\"other\":\"", 3 * PIECE_MAX, "\",\"data\":[{\"spanID\":\"1\"}]}");
    char *name = long_text("{\"", 3 * PIECE_MAX, "\":1,\"data\":[{\"spanID\":\"1\"}]}");
    char *nothing = long_text("{\"other\":\"", 3 * PIECE_MAX, "\"}");
    assert_cut(other, "J({\"spanID\":\"1\"})\n");
    assert_cut(name, "J({\"spanID\":\"1\"})\n");
    assert_cut(nothing, "");
    free(other);
    free(name);
    free(nothing);
    CLEW_NO_LEAKS();
}

/* Never more than the piece at hand and what one call gave is kept. */
Test(cutter, what_is_kept_is_bounded) {
    struct clew__cutter cutter;
    struct clew__cut cut;
    char *text = long_text("{\"traceID\":\"", 100 * PIECE_MAX, "\"}");
    size_t begin = 0, end = 0, size = strlen(text);
    clew__cutter_init(&cutter, PIECE_MAX, 0);
    while (clew__cutter_next(&cutter, text + begin, end - begin, end == size, &cut) != CLEW__CUT_END) {
        size_t done = clew__cutter_done(&cutter);
        clew__cutter_drop(&cutter, done);
        begin += done;
        cr_assert_leq(end - begin, PIECE_MAX + 10);
        end = end + 10 < size ? end + 10 : size;
    }
    free(text);
    CLEW_NO_LEAKS();
}

Test(cutter, brackets_may_be_nested_to_a_depth_and_no_deeper) {
    for (size_t levels = CLEW__JSON_DEPTH_MAX - 1; levels <= CLEW__JSON_DEPTH_MAX; levels++) {
        char *text = malloc(2 * levels + 64), *at = text + strlen(strcpy(text, "{\"x\":")), *got;
        memset(at, '[', levels);
        memset(at + levels, ']', levels);
        strcpy(at + 2 * levels, "}\n{\"spanID\":1}");
        got = cut_in_steps(text, strlen(text), 1000);
        cr_assert_str_eq(got, levels < CLEW__JSON_DEPTH_MAX ? "J({\"spanID\":1})\n"
                                                            : "!4100:1 nested too deep\nJ({\"spanID\":1})\n");
        free(got);
        free(text);
    }
    CLEW_NO_LEAKS();
}
