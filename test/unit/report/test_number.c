/* Numbers in three digits. */
#include "collector-bridge/report/number.h"
#include "test/support.h"

static void expect_duration(uint64_t nanoseconds, const char *expected) {
    char text[CLEW__NUMBER_SIZE];
    clew__duration_text(nanoseconds, text);
    cr_assert_str_eq(text, expected);
}

Test(number, durations_have_three_digits) {
    expect_duration(0, "0ns");
    expect_duration(999, "999ns");
    expect_duration(1000, "1.00µs");
    expect_duration(12345, "12.3µs");
    expect_duration(123456, "123µs");
    expect_duration(1230000, "1.23ms");
    expect_duration(12300000000, "12.3s");
    expect_duration(UINT64_C(1000000000000), "16.7min");
    expect_duration(UINT64_C(10000000000000), "167min");
    expect_duration(UINT64_C(100000000000000), "27.8h");
}

Test(number, durations_round_into_the_next_unit) {
    expect_duration(9994, "9.99µs");
    expect_duration(9996, "10.0µs");
    expect_duration(99960, "100µs");
    expect_duration(999499, "999µs");
    expect_duration(999500, "1.00ms");
    expect_duration(UINT64_MAX, "5124096h");
}

Test(number, durations_tell_their_columns) {
    char text[CLEW__NUMBER_SIZE];
    cr_assert_eq(clew__duration_text(1000, text), 6);
    cr_assert_eq(clew__duration_text(999, text), 5);
    cr_assert_eq(clew__duration_text(UINT64_MAX, text), 8);
}

static void expect_change(int64_t nanoseconds, const char *expected) {
    char text[CLEW__NUMBER_SIZE];
    clew__change_text(nanoseconds, text);
    cr_assert_str_eq(text, expected);
}

Test(number, changes_have_a_sign) {
    expect_change(0, "0ns");
    expect_change(1230000, "+1.23ms");
    expect_change(-1230000, "-1.23ms");
    expect_change(INT64_MIN, "-2562048h");
}

static void expect_share(uint64_t part, uint64_t whole, const char *expected) {
    char text[CLEW__NUMBER_SIZE];
    clew__share_text(part, whole, text);
    cr_assert_str_eq(text, expected);
}

Test(number, shares_have_three_digits) {
    expect_share(1, 1, "100%");
    expect_share(612, 1000, "61.2%");
    expect_share(531, 10000, "5.31%");
    expect_share(1, 1000, "0.10%");
    expect_share(0, 1000, "0%");
    expect_share(1, 1000000, "<0.01%");
    expect_share(0, 0, "");
}

static void expect_count(uint64_t count, const char *expected) {
    char text[CLEW__NUMBER_SIZE];
    clew__count_text(count, text);
    cr_assert_str_eq(text, expected);
}

Test(number, ratios_are_whole_or_have_three_digits) {
    static const struct {
        uint64_t count, pieces;
        const char *text;
    } cases[] = {{6, 2, "3"}, {3, 2, "1.50"},          {1, 3, "0.33"},
                 {0, 7, "0"}, {1500, 7, "214"},        {7000000, 7, "1.00M"},
                 {1, 0, ""},  {9000007, 9000, "1000"}, {2999, 300, "10.0"}};
    char text[CLEW__NUMBER_SIZE];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        clew__ratio_text(cases[i].count, cases[i].pieces, text);
        cr_assert_str_eq(text, cases[i].text, "%s, not %s", text, cases[i].text);
    }
}

Test(number, large_counts_have_a_unit) {
    expect_count(99999, "99999");
    expect_count(123456, "123k");
    expect_count(1234567, "1.23M");
    expect_count(UINT64_MAX, "18.4E");
}

static void expect_rate(double per_second, const char *expected) {
    char text[CLEW__NUMBER_SIZE];
    clew__rate_text(per_second, text);
    cr_assert_str_eq(text, expected);
}

Test(number, small_rates_are_of_a_longer_time) {
    expect_rate(12.34, "12.3/s");
    expect_rate(0.1, "6.00/min");
    expect_rate(0.001, "3.60/h");
    expect_rate(0, "");
}
