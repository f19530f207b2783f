/* Text for people. */
#include "sdk/exporters/print.h"

#include "sdk/base/buffer.h"
#include "test/support.h"

#include <string.h>

static const char *taken(struct clew__writer *writer) {
    static char text[128];
    clew__write_raw(writer, "", 1);
    cr_assert_leq(writer->size, sizeof text);
    memcpy(text, writer->data, writer->size);
    clew__buffer_fini(writer);
    return text;
}

static const char *duration(uint64_t from, uint64_t to) {
    struct clew__writer writer = clew__buffer_plain();
    clew__print_duration(&writer, from, to);
    return taken(&writer);
}

static const char *time_of(uint64_t seconds) {
    struct clew__writer writer = clew__buffer_plain();
    clew__print_time(&writer, seconds * UINT64_C(1000000000));
    return taken(&writer);
}

Test(print, durations_have_three_digits) {
    cr_expect_str_eq(duration(0, 0), "0ns");
    cr_expect_str_eq(duration(5, 955), "950ns");
    cr_expect_str_eq(duration(0, 999), "999ns");
    cr_expect_str_eq(duration(0, 1000), "1.00us");
    cr_expect_str_eq(duration(0, 1234), "1.23us");
    cr_expect_str_eq(duration(0, 45600), "45.6us");
    cr_expect_str_eq(duration(0, 789000), "789us");
    cr_expect_str_eq(duration(0, 12345678), "12.3ms");
    cr_expect_str_eq(duration(0, UINT64_C(1005000000)), "1.01s");
    cr_expect_str_eq(duration(0, UINT64_C(59900000000)), "59.9s");
}

Test(print, durations_round_up_into_the_next_unit) {
    cr_expect_str_eq(duration(0, 9999), "10.0us");
    cr_expect_str_eq(duration(0, 99960), "100us");
    cr_expect_str_eq(duration(0, 999600), "1.00ms");
    cr_expect_str_eq(duration(0, 999999999), "1.00s");
}

Test(print, long_durations_have_two_units) {
    cr_expect_str_eq(duration(0, UINT64_C(60000000000)), "1m00s");
    cr_expect_str_eq(duration(0, UINT64_C(125000000000)), "2m05s");
    cr_expect_str_eq(duration(0, UINT64_C(11220000000000)), "3h07m");
    cr_expect_str_eq(duration(0, UINT64_MAX), "5124095h34m");
}

Test(print, a_duration_backwards_is_negative) {
    cr_expect_str_eq(duration(1500000, 0), "-1.50ms");
}

Test(print, times_are_those_of_the_calendar) {
    cr_expect_str_eq(time_of(0), "1970-01-01T00:00:00.000000000Z");
    cr_expect_str_eq(time_of(951782399), "2000-02-28T23:59:59.000000000Z");
    cr_expect_str_eq(time_of(951782400), "2000-02-29T00:00:00.000000000Z");
    cr_expect_str_eq(time_of(951868800), "2000-03-01T00:00:00.000000000Z");
    cr_expect_str_eq(time_of(1709164800), "2024-02-29T00:00:00.000000000Z");
    cr_expect_str_eq(time_of(1735689599), "2024-12-31T23:59:59.000000000Z");
    cr_expect_str_eq(time_of(4107542400), "2100-03-01T00:00:00.000000000Z");
    cr_expect_str_eq(time_of(18446744073), "2554-07-21T23:34:33.000000000Z");
}
