/* Typed environment variables: what is accepted, and what is said about the rest. */
#include "sdk/base/environment.h"

#include "test/support.h"
#include "test/unit/config/captured_log.h"

#include <clew/extend.h>

#include <criterion/parameterized.h>
#include <locale.h>
#include <stdlib.h>

#define NAME "CLEW_TEST_VALUE"
#define GENERAL "CLEW_TEST_GENERAL"

static const struct clew__env_number hundred = {1, 100, 42, NULL};

static void setup(void) {
    unsetenv(NAME);
    unsetenv(GENERAL);
    capture_log();
}

TestSuite(environment, .init = setup);

/* ---- texts ---- */

Test(environment, text_of_an_unset_variable_is_empty) {
    cr_assert_eq(clew__env_text(NAME).size, 0);
}

Test(environment, text_is_trimmed_of_ascii_white_space) {
    setenv(NAME, "\t\r\n a b \v\f ", 1);
    cr_assert(clew__slice_equals(clew__env_text(NAME), "a b"));
}

Test(environment, shown_value_has_no_control_characters) {
    char shown[CLEW__ENV_SHOWN_SIZE];
    cr_assert_str_eq(clew__env_show(clew__slice_text("a\x1b[31m\nb\x7f"), shown), "a[31mb");
}

Test(environment, shown_value_is_cut_after_64_bytes) {
    char shown[CLEW__ENV_SHOWN_SIZE], text[200], expected[80];
    memset(text, 'x', sizeof text);
    memset(expected, 'x', 64);
    memcpy(expected + 64, "...", 4);
    cr_assert_str_eq(clew__env_show(clew__slice_of(text, sizeof text), shown), expected);
    expected[64] = '\0';
    cr_assert_str_eq(clew__env_show(clew__slice_of(text, 64), shown), expected);
}

Test(environment, shown_value_is_not_cut_inside_a_character) {
    char shown[CLEW__ENV_SHOWN_SIZE], text[66], expected[80];
    memset(text, 'x', sizeof text);
    memcpy(text + 63, "\xe2\x82\xac", 3);
    memset(expected, 'x', 63);
    memcpy(expected + 63, "...", 4);
    cr_assert_str_eq(clew__env_show(clew__slice_of(text, sizeof text), shown), expected);
}

/* ---- booleans ---- */

struct bool_case {
    char value[24];
    bool expected, said;
};

ParameterizedTestParameters(environment, boolean) {
    static struct bool_case cases[] = {
        {"true", true, false},   {"TRUE", true, false},   {"True", true, false},  {" true ", true, false},
        {"false", false, false}, {"FALSE", false, false}, {"", false, false},     {"   ", false, false},
        {"1", false, true},      {"yes", false, true},    {"on", false, true},    {"0", false, true},
        {"truex", false, true},  {"tru", false, true},    {"t rue", false, true},
    };
    return cr_make_param_array(struct bool_case, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct bool_case *given, environment, boolean) {
    setenv(NAME, given->value, 1);
    cr_assert_eq(clew__env_bool(NAME), given->expected, "\"%s\"", given->value);
    cr_assert_eq(captured.lines, given->said, "\"%s\"", given->value);
    cr_assert(!given->said || captured_one_warning(NAME, given->value, "using false"));
}

/* ---- numbers ---- */

struct number_case {
    char value[40];
    uint64_t expected;
    char said[40]; /* "" for nothing */
};

ParameterizedTestParameters(environment, number) {
    static struct number_case cases[] = {
        {"5", 5, ""},
        {" 5 ", 5, ""},
        {"1", 1, ""},
        {"100", 100, ""},
        {"0100", 100, ""},
        {"", 42, ""},
        {" \t", 42, ""},
        {"0", 42, "not between 1 and 100"},
        {"-0", 42, "not between 1 and 100"},
        {"101", 42, "not between 1 and 100"},
        {"-1", 42, "not between 1 and 100"},
        {"99999999999999999999", 42, "not between 1 and 100"},
        {"18446744073709551621", 42, "not between 1 and 100"}, /* 2^64 + 5 */
        {"-99999999999999999999", 42, "not between 1 and 100"},
        {"1e9", 42, "not a whole number"},
        {"abc", 42, "not a whole number"},
        {"5ms", 42, "not a whole number"},
        {"5.0", 42, "not a whole number"},
        {"0x10", 42, "not a whole number"},
        {"+5", 42, "not a whole number"},
        {"--5", 42, "not a whole number"},
        {"-", 42, "not a whole number"},
        {"5 6", 42, "not a whole number"},
        {"NaN", 42, "not a whole number"},
        {"\xd9\xa5", 42, "not a whole number"}, /* a digit elsewhere */
    };
    return cr_make_param_array(struct number_case, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct number_case *given, environment, number) {
    setenv(NAME, given->value, 1);
    cr_assert_eq(clew__env_uint(NAME, NULL, &hundred), given->expected, "\"%s\"", given->value);
    if (given->said[0]) {
        cr_assert(captured_one_warning(NAME "=\"", given->value, "using 42"), "%s", captured.all);
        cr_assert(strstr(captured.last, given->said), "%s", captured.last);
    } else {
        cr_assert_eq(captured.lines, 0, "%s", captured.all);
    }
}

Test(environment, number_takes_the_largest_of_64_bits) {
    const struct clew__env_number any = {0, UINT64_MAX, 7, NULL};
    setenv(NAME, "18446744073709551615", 1);
    cr_assert_eq(clew__env_uint(NAME, NULL, &any), UINT64_MAX);
    setenv(NAME, "18446744073709551616", 1);
    cr_assert_eq(clew__env_uint(NAME, NULL, &any), 7);
}

Test(environment, specific_number_wins_over_the_general_one) {
    setenv(NAME, "5", 1);
    setenv(GENERAL, "abc", 1);
    cr_assert_eq(clew__env_uint(NAME, GENERAL, &hundred), 5);
    cr_assert_eq(captured.lines, 0);
}

Test(environment, general_number_stands_in_for_an_unset_one) {
    setenv(NAME, "", 1);
    setenv(GENERAL, "6", 1);
    cr_assert_eq(clew__env_uint(NAME, GENERAL, &hundred), 6);
    cr_assert_eq(captured.lines, 0);
}

Test(environment, general_number_stands_in_for_a_wrong_one_and_is_named) {
    setenv(NAME, "-1", 1);
    setenv(GENERAL, "6", 1);
    cr_assert_eq(clew__env_uint(NAME, GENERAL, &hundred), 6);
    cr_assert(captured_one_warning(NAME "=\"-1\"", NULL, "using " GENERAL "=6"), "%s", captured.all);
}

Test(environment, two_wrong_numbers_are_both_named) {
    setenv(NAME, "-1", 1);
    setenv(GENERAL, "abc", 1);
    cr_assert_eq(clew__env_uint(NAME, GENERAL, &hundred), 42);
    cr_assert_eq(captured.lines, 2);
    cr_assert(strstr(captured.all, NAME "=\"-1\" is not between 1 and 100; using 42"), "%s", captured.all);
    cr_assert(strstr(captured.all, GENERAL "=\"abc\" is not a whole number; using 42"), "%s", captured.all);
}

Test(environment, standard_has_a_name_of_its_own_in_messages) {
    const struct clew__env_number number = {0, 10, UINT32_MAX, "no limit"};
    setenv(NAME, "11", 1);
    cr_assert_eq(clew__env_uint(NAME, NULL, &number), UINT32_MAX);
    cr_assert(captured_one_warning(NAME, "\"11\"", "using no limit"), "%s", captured.all);
}

Test(environment, long_wrong_value_is_cut_in_the_message) {
    char value[1000];
    memset(value, 'y', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    setenv(NAME, value, 1);
    clew__env_uint(NAME, NULL, &hundred);
    cr_assert_eq(captured.lines, 1);
    cr_assert_lt(strlen(captured.last), 200);
    cr_assert(strstr(captured.last, "using 42"));
}

/* ---- ratios ---- */

struct ratio_case {
    char value[72];
    double expected; /* negative: wrong */
};

ParameterizedTestParameters(environment, ratio) {
    static struct ratio_case cases[] = {
        {"0", 0},
        {"1", 1},
        {"0.25", 0.25},
        {" .5 ", 0.5},
        {"1e-4", 1e-4},
        {"1.0", 1},
        {"1.0001", -1},
        {"-0.1", -1},
        {"0,5", -1},
        {"abc", -1},
        {"nan", -1},
        {"inf", -1},
        {"0x1p-1", -1},
        {"0.5x", -1},
        {"1e999", -1},
        {".", -1},
        {"1e", -1},
        {"--1", -1},
        {"50%", -1},
        {"0.5 0.5", -1},
        {"0.0000000000000000000000000000000000000000000000000000000000000001",
         -1}, /* longer than anybody needs */
    };
    return cr_make_param_array(struct ratio_case, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct ratio_case *given, environment, ratio) {
    double ratio = 99;
    setenv(NAME, given->value, 1);
    cr_assert_eq(clew__env_ratio(NAME, "1.0", &ratio), given->expected >= 0, "\"%s\"", given->value);
    if (given->expected >= 0) {
        cr_assert_eq(ratio, given->expected);
        cr_assert_eq(captured.lines, 0);
    } else {
        cr_assert_eq(ratio, 99, "a wrong value changes nothing");
        cr_assert(captured_one_warning(NAME, NULL, "using 1.0"), "%s", captured.all);
    }
}

Test(environment, ratio_is_read_alike_where_the_decimal_point_is_a_comma) {
    double ratio = 0;
    if (!setlocale(LC_NUMERIC, "de_DE.UTF-8") && !setlocale(LC_NUMERIC, "fr_FR.UTF-8"))
        cr_skip_test("no locale with a decimal comma is installed");
    setenv(NAME, "0.5", 1);
    cr_assert(clew__env_ratio(NAME, "1.0", &ratio));
    cr_assert_eq(ratio, 0.5);
}

Test(environment, unset_ratio_is_nothing_to_talk_about) {
    double ratio;
    cr_assert_not(clew__env_ratio(NAME, "1.0", &ratio));
    cr_assert_eq(captured.lines, 0);
}

/* ---- enumerations and lists ---- */

static const struct clew__env_choice colours[] = {
    {"red", 1}, {"green", 2}, {"blue", 3}, {"infrared", CLEW__ENV_UNSUPPORTED}};

static int read_colour(const char *value) {
    setenv(NAME, value, 1);
    return clew__env_enum(NAME, colours, 4, 2, "green");
}

Test(environment, enumeration_is_read_in_any_case) {
    cr_assert_eq(read_colour(" BLue "), 3);
    cr_assert_eq(captured.lines, 0);
}

Test(environment, empty_enumeration_is_the_standard) {
    cr_assert_eq(read_colour(""), 2);
    cr_assert_eq(captured.lines, 0);
}

Test(environment, unknown_enumeration_is_the_standard_and_shown_as_it_was_written) {
    cr_assert_eq(read_colour("PuRple"), 2);
    cr_assert(captured_one_warning(NAME "=\"PuRple\"", "unknown", "using green"), "%s", captured.all);
}

Test(environment, unsupported_enumeration_is_said_to_be_so) {
    cr_assert_eq(read_colour("infrared"), 2);
    cr_assert(captured_one_warning(NAME "=\"infrared\"", "not supported", "using green"), "%s", captured.all);
}

static size_t read_colours(const char *text, int out[4]) {
    return clew__env_list("colours", clew__slice_text(text), colours, 4, out, "green");
}

Test(environment, list_keeps_order_and_drops_duplicates) {
    int out[4];
    cr_assert_eq(read_colours(" blue, RED ,blue,red,", out), 2);
    cr_assert(out[0] == 3 && out[1] == 1);
    cr_assert_eq(captured.lines, 0);
}

Test(environment, list_goes_on_behind_wrong_names_and_says_them_in_one_line) {
    int out[4];
    cr_assert_eq(read_colours("purple,infrared,red", out), 1);
    cr_assert_eq(out[0], 1);
    cr_assert(
        captured_one_warning("colours", "\"purple\" is unknown, \"infrared\" is not supported", "ignored"),
        "%s", captured.all);
}

Test(environment, list_of_wrong_names_says_what_is_used_instead) {
    int out[4];
    cr_assert_eq(read_colours("purple", out), 0);
    cr_assert(captured_one_warning("colours", "\"purple\"", "using green"), "%s", captured.all);
}

Test(environment, list_of_nothing_is_empty) {
    int out[4];
    cr_assert_eq(read_colours(" , ,,", out), 0);
    cr_assert_eq(captured.lines, 0);
}

Test(environment, list_of_very_many_wrong_names_is_said_in_bounded_room) {
    char text[4000] = "";
    int out[4];
    for (int i = 0; i < 300; i++)
        strcat(text, "purple-haze,");
    cr_assert_eq(read_colours(text, out), 0);
    cr_assert_eq(captured.lines, 1);
    cr_assert(strstr(captured.last, "using green"));
}
