#include "collector-bridge/wire/retry.h"

#include "test/support.h"

#define SECOND UINT64_C(1000000000)
#define NOW INT64_C(784111777) /* Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110 */

static bool parse_at(const char *text, int64_t now, uint64_t *wait) {
    return clew__retry_after(clew__slice_text(text), now, wait);
}

static uint64_t wait_of(const char *text, int64_t now) {
    uint64_t wait = UINT64_MAX;
    cr_assert(parse_at(text, now, &wait), "%s", text);
    return wait;
}

static bool refused(const char *text) {
    uint64_t wait = 17;
    bool read = parse_at(text, NOW, &wait);
    cr_assert(read || wait == 17, "%s", text);
    return !read;
}

Test(retry, only_four_statuses_are_worth_another_attempt) {
    for (long status = -1; status < 1000; status++)
        cr_assert_eq(clew__retry_status(status),
                     status == 429 || status == 502 || status == 503 || status == 504);
}

Test(retry, backoff_starts_at_one_second_and_grows_by_half_up_to_five) {
    const uint64_t middle = UINT64_C(1) << 63;
    const double expected[] = {1, 1.5, 2.25, 3.375, 5, 5, 5};
    for (unsigned i = 0; i < 7; i++)
        cr_assert_float_eq((double)clew__retry_backoff_nano(i, middle) / 1e9, expected[i], 1e-6, "%u", i);
    cr_assert_float_eq((double)clew__retry_backoff_nano(4000000000u, middle) / 1e9, 5, 1e-6);
}

Test(retry, backoff_is_spread_from_four_fifths_to_six_fifths) {
    cr_assert_eq(clew__retry_backoff_nano(0, 0), 8 * SECOND / 10);
    cr_assert_float_eq((double)clew__retry_backoff_nano(0, UINT64_MAX) / 1e9, 1.2, 1e-6);
    cr_assert_leq(clew__retry_backoff_nano(0, UINT64_MAX), 12 * SECOND / 10);
    cr_assert_leq(clew__retry_backoff_nano(9, UINT64_MAX), 6 * SECOND);
    cr_assert_neq(clew__retry_backoff_nano(0, UINT64_C(1) << 60),
                  clew__retry_backoff_nano(0, UINT64_C(1) << 61));
}

Test(retry, told_wait_is_never_shorter_than_told) {
    for (unsigned i = 0; i < 64; i++) {
        uint64_t wait = clew__retry_told_nano(10 * SECOND, (UINT64_C(1) << i) * 3);
        cr_assert_geq(wait, 10 * SECOND);
        cr_assert_leq(wait, 12 * SECOND);
    }
}

Test(retry, told_wait_has_a_floor_and_a_ceiling) {
    cr_assert_eq(clew__retry_told_nano(0, 0), SECOND / 10);
    cr_assert_eq(clew__retry_told_nano(300 * SECOND, UINT64_MAX), 300 * SECOND);
    cr_assert_eq(clew__retry_told_nano(UINT64_MAX, UINT64_MAX), 300 * SECOND);
}

Test(retry, waits_grow_from_what_the_receiver_asked_for_when_that_is_longer) {
    const uint64_t middle = UINT64_C(1) << 63;
    struct clew__retry retry = {0};
    uint64_t backoff = clew__retry_next_nano(&retry, false, 0, middle);
    cr_assert_float_eq((double)backoff / 1e9, 1, 1e-6);
    uint64_t told = clew__retry_next_nano(&retry, true, 8 * SECOND, middle);
    uint64_t grown = clew__retry_next_nano(&retry, false, 0, middle);
    uint64_t more = clew__retry_next_nano(&retry, false, 0, middle);
    cr_assert(told >= 8 * SECOND && grown >= 12 * SECOND && more >= 18 * SECOND);
    told = clew__retry_next_nano(&retry, true, SECOND, middle);
    cr_assert_leq(told, 12 * SECOND / 10);
    backoff = clew__retry_next_nano(&retry, false, 0, middle);
    cr_assert_float_eq((double)backoff / 1e9, 5, 1e-6);
}

Test(retry, growing_waits_stay_below_the_longest_that_may_be_asked_for) {
    struct clew__retry retry = {0};
    clew__retry_next_nano(&retry, true, UINT64_MAX, UINT64_MAX);
    for (int i = 0; i < 1000; i++) {
        uint64_t wait = clew__retry_next_nano(&retry, false, 0, UINT64_MAX);
        cr_assert_leq(wait, 300 * SECOND);
    }
}

Test(retry, seconds_are_read) {
    cr_assert_eq(wait_of("0", NOW), 0);
    cr_assert_eq(wait_of("7", NOW), 7 * SECOND);
    cr_assert_eq(wait_of(" \t120 ", NOW), 120 * SECOND);
    cr_assert_eq(wait_of("0000000000000000000000000000005", NOW), 5 * SECOND);
}

Test(retry, seconds_are_capped_without_overflow) {
    cr_assert_eq(wait_of("301", NOW), 300 * SECOND);
    cr_assert_eq(wait_of("2147483648", NOW), 300 * SECOND);
    cr_assert_eq(wait_of("18446744073709551617", NOW), 300 * SECOND);
    cr_assert_eq(wait_of("99999999999999999999999999999999999999999", NOW), 300 * SECOND);
}

Test(retry, dates_of_all_three_forms_are_read) {
    cr_assert_eq(wait_of("Sun, 06 Nov 1994 08:49:37 GMT", NOW - 42), 42 * SECOND);
    cr_assert_eq(wait_of("Sunday, 06-Nov-94 08:49:37 GMT", NOW - 42), 42 * SECOND);
    cr_assert_eq(wait_of("Sun Nov  6 08:49:37 1994", NOW - 42), 42 * SECOND);
    cr_assert_eq(wait_of("Sun Nov 16 08:49:37 1994", NOW - 42), 300 * SECOND);
}

Test(retry, dates_follow_the_calendar) {
    cr_assert_eq(wait_of("Thu, 01 Jan 1970 00:00:09 GMT", 0), 9 * SECOND);
    cr_assert_eq(wait_of("Tue, 29 Feb 2028 00:00:00 GMT", INT64_C(1835395200) - 5), 5 * SECOND);
    cr_assert_eq(wait_of("Wed, 01 Mar 2028 00:00:00 GMT", INT64_C(1835481600) - 5), 5 * SECOND);
    cr_assert_eq(wait_of("Tue, 19 Jan 2038 03:14:08 GMT", INT64_C(2147483647)), SECOND);
    cr_assert_eq(wait_of("Fri, 31 Dec 9999 23:59:59 GMT", NOW), 300 * SECOND);
}

Test(retry, two_digit_years_are_of_the_nearest_century) {
    cr_assert_eq(wait_of("Friday, 01-Jan-27 00:00:07 GMT", INT64_C(1798761600)), 7 * SECOND);
    cr_assert_eq(wait_of("Friday, 01-Jan-94 00:00:07 GMT", INT64_C(1798761600)), 0); /* 1994, not 2094 */
}

Test(retry, past_date_is_no_wait) {
    cr_assert_eq(wait_of("Sun, 06 Nov 1994 08:49:37 GMT", NOW), 0);
    cr_assert_eq(wait_of("Sun, 06 Nov 1994 08:49:37 GMT", NOW + 1000000), 0);
}

Test(retry, malformed_values_are_refused) {
    const char *const bad[] = {"",
                               " ",
                               "-1",
                               "+5",
                               "5s",
                               "5.0",
                               "1e3",
                               "0x10",
                               "5 5",
                               "soon",
                               "Sun, 06 Nov 1994 08:49:37",
                               "Sun, 06 Nov 1994 08:49:37 UTC",
                               "Sun, 06 Nov 1994 08:49:37 GMT+1",
                               "Sun, 6 Nov 1994 08:49:37 GMT",
                               "Sun, 06 Nox 1994 08:49:37 GMT",
                               "Sun, 00 Nov 1994 08:49:37 GMT",
                               "Sun, 32 Nov 1994 08:49:37 GMT",
                               "Sun, 06 Nov 1994 24:49:37 GMT",
                               "Sun, 06 Nov 1994 08:60:37 GMT",
                               "Sun, 06 Nov 1994 08:49:61 GMT",
                               "Sun, 06 Nov 19944 08:49:37 GMT",
                               "Sun, 06 Nov -994 08:49:37 GMT",
                               "Su, 06 Nov 1994 08:49:37 GMT",
                               "Sun Nov  6 08:49:37",
                               "Sunday, 06-Nov-1994 08:49:37 GMT"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert(refused(bad[i]), "%s", bad[i]);
}

Test(retry, every_prefix_of_a_date_is_refused_without_reading_beyond_it) {
    const char date[] = "Sun, 06 Nov 1994 08:49:37 GMT";
    for (size_t size = 0; size < sizeof date - 1; size++) {
        uint64_t wait;
        char *exact = malloc(size ? size : 1); /* so that a read beyond the end is seen */
        memcpy(exact, date, size);
        cr_assert_not(clew__retry_after(clew__slice_of(exact, size), NOW, &wait));
        free(exact);
    }
    CLEW_NO_LEAKS();
}
