#include "collector-bridge/wire/answer_json.h"

#include "test/support.h"

#include <stdio.h>

static char answer[4096];
static int64_t rejected;
static struct clew__slice message;

static const char *response(const char *text) {
    snprintf(answer, sizeof answer, "%s", text);
    return clew__answer_json_response(answer, strlen(answer), &rejected, &message);
}

static bool status_is(const char *text, const char *expected) {
    snprintf(answer, sizeof answer, "%s", text);
    return clew__slice_equals(clew__answer_json_status_message(answer, strlen(answer)), expected);
}

Test(answer_json, success_is_an_empty_object_or_nothing) {
    cr_assert_null(response("{}"));
    cr_assert_null(response(""));
    cr_assert_null(response(" { \"partialSuccess\" : { } } "));
    cr_assert_null(response("{\"partialSuccess\":null}"));
    cr_assert_eq(rejected, 0);
    cr_assert_eq(message.size, 0);
}

Test(answer_json, partial_success_is_read) {
    cr_assert_null(response("{\"partialSuccess\":{\"rejectedSpans\":\"3\",\"errorMessage\":\"too long\"}}"));
    cr_assert_eq(rejected, 3);
    cr_assert(clew__slice_equals(message, "too long"));
    cr_assert_null(response("{\"partialSuccess\":{\"rejectedSpans\":4}}"));
    cr_assert_eq(rejected, 4);
    cr_assert_null(response("{\"partialSuccess\":{\"rejectedDataPoints\":\"5\"}}"));
    cr_assert_eq(rejected, 5);
}

Test(answer_json, unknown_members_are_passed_over) {
    cr_assert_null(response("{\"x\":[1,{\"rejectedSpans\":\"9\"}],\"partialSuccess\":{\"y\":{},"
                            "\"rejectedSpans\":\"2\",\"z\":\"\\u00e9\"},\"errorMessage\":\"no\"}"));
    cr_assert_eq(rejected, 2);
    cr_assert_eq(message.size, 0);
}

Test(answer_json, escapes_are_undone_in_place) {
    cr_assert_null(
        response("{\"partialSuccess\":{\"errorMessage\":\"a\\n\\\"b\\\" \\u00e9 \\ud83d\\ude00\"}}"));
    cr_assert(clew__slice_equals(message, "a\n\"b\" \xc3\xa9 \xf0\x9f\x98\x80"));
}

Test(answer_json, numbers_beyond_64_bits_stay_at_their_end) {
    cr_assert_null(response("{\"partialSuccess\":{\"rejectedSpans\":9223372036854775807}}"));
    cr_assert_eq(rejected, INT64_MAX);
    cr_assert_null(response("{\"partialSuccess\":{\"rejectedSpans\":99999999999999999999999}}"));
    cr_assert_eq(rejected, INT64_MAX);
    cr_assert_null(response("{\"partialSuccess\":{\"rejectedSpans\":-99999999999999999999999}}"));
    cr_assert_lt(rejected, 0);
}

Test(answer_json, malformed_answers_are_told_apart) {
    static const char *const bad[] = {"<html>",
                                      "[]",
                                      "{",
                                      "{\"partialSuccess\"",
                                      "{\"partialSuccess\":}",
                                      "{\"partialSuccess\":{\"rejectedSpans\":\"x\"}}",
                                      "{\"partialSuccess\":{\"rejectedSpans\":\"\"}}",
                                      "{\"partialSuccess\":{\"rejectedSpans\":1.5}}",
                                      "{\"partialSuccess\":{\"errorMessage\":7}}",
                                      "{\"partialSuccess\":{\"errorMessage\":\"a",
                                      "{\"partialSuccess\":[]}",
                                      "{\"a\":1,}",
                                      "{\"a\":1 \"b\":2}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_not_null(response(bad[i]), "%s", bad[i]);
}

Test(answer_json, depth_is_bounded) {
    size_t size = 0;
    for (const char *head = "{\"x\":"; *head; head++)
        answer[size++] = *head;
    memset(answer + size, '[', 1000);
    cr_assert_not_null(clew__answer_json_response(answer, size + 1000, &rejected, &message));
}

Test(answer_json, message_of_a_status_is_found) {
    cr_assert(
        status_is("{\"code\":3,\"message\":\"bad span\",\"details\":[{\"message\":\"inner\"}]}", "bad span"));
    cr_assert(status_is("{\"code\":3}", ""));
    cr_assert(status_is("{\"message\":null}", ""));
    cr_assert(status_is("<html>", ""));
    cr_assert(status_is("{\"message\":\"cut", ""));
    cr_assert(status_is("", ""));
}
