/* Text from strangers on its way to a terminal. */
#include "collector-bridge/report/printable.h"
#include "test/support.h"

#include <string.h>

static void expect(const char *text, size_t columns, const char *expected, size_t width) {
    char out[CLEW__PRINTABLE_SIZE];
    size_t used = clew__printable(text, strlen(text), columns, out);
    cr_assert_str_eq(out, expected);
    cr_assert_eq(used, width, "%zu columns for %s", used, expected);
}

Test(printable, plain_text_stays) {
    expect("GET /cart", 80, "GET /cart", 9);
}

Test(printable, escape_sequences_become_visible) {
    expect("\x1b[31mred\x07", 80, "\\x1b[31mred\\x07", 15);
}

Test(printable, line_ends_become_visible) {
    expect("a\nb\tc\r", 80, "a\\nb\\tc\\r", 9);
}

Test(printable, eight_bit_controls_become_visible) {
    expect("\xc2\x9b"
           "31m",
           80, "\\x9b31m", 7);
}

Test(printable, overrides_of_direction_become_visible) {
    expect("a\xe2\x80\xae"
           "b",
           80, "a\\u{202e}b", 10);
}

Test(printable, invalid_utf8_is_replaced) {
    expect("a\xff\xc0\x80z", 80, "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz", 5);
}

Test(printable, surrogates_and_overlong_forms_are_replaced) {
    char out[CLEW__PRINTABLE_SIZE];
    clew__printable("\xed\xa0\x80\xe0\x80\x9b", 6, 80, out);
    cr_assert_null(strstr(out, "\x9b"));
    cr_assert_null(strstr(out, "\xed\xa0"));
}

Test(printable, text_that_is_cut_off_inside_a_character_is_replaced) {
    expect("a\xe2\x82", 80, "a\xef\xbf\xbd\xef\xbf\xbd", 3);
}

Test(printable, wide_characters_count_twice_and_marks_not_at_all) {
    expect("\xe6\x97\xa5\xe6\x9c\xac", 80, "\xe6\x97\xa5\xe6\x9c\xac", 4);
    expect("e\xcc\x81", 80, "e\xcc\x81", 1);
}

Test(printable, text_that_fits_exactly_is_whole) {
    expect("12345", 5, "12345", 5);
}

Test(printable, text_that_does_not_fit_ends_in_an_ellipsis) {
    expect("123456", 5, "1234\xe2\x80\xa6", 5);
}

Test(printable, wide_character_is_not_cut_in_half) {
    expect("\xe6\x97\xa5\xe6\x9c\xac\xe6\x97\xa5", 4, "\xe6\x97\xa5\xe2\x80\xa6", 3);
}

Test(printable, no_columns_show_nothing) {
    expect("abc", 0, "", 0);
}

Test(printable, endless_marks_do_not_overflow) {
    char text[2 * CLEW__PRINTABLE_SIZE + 1], out[CLEW__PRINTABLE_SIZE];
    for (size_t i = 0; i < sizeof text - 1; i += 2)
        memcpy(text + i, "\xcc\x81", 2);
    clew__printable(text, sizeof text - 1, 1000, out);
    cr_assert_lt(strlen(out), sizeof out);
}
