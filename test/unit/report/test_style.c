/* When there are colours and bars. */
#include "collector-bridge/report/style.h"
#include "test/support.h"

static struct clew__style style_of(bool is_terminal, const char *no_color, const char *force,
                                   const char *term) {
    const struct clew__surroundings surroundings = {is_terminal, 100, no_color, force, term};
    return clew__style_of(&surroundings);
}

Test(style, terminal_has_colours_and_its_width) {
    struct clew__style style = style_of(true, NULL, NULL, "xterm");
    cr_assert(style.colours);
    cr_assert_eq(style.columns, 100);
}

Test(style, file_has_neither) {
    struct clew__style style = style_of(false, NULL, NULL, "xterm");
    cr_assert_not(style.colours);
    cr_assert_eq(style.columns, 0);
}

Test(style, no_color_leaves_the_bar) {
    struct clew__style style = style_of(true, "1", "1", "xterm");
    cr_assert_not(style.colours);
    cr_assert_eq(style.columns, 100);
}

Test(style, empty_no_color_counts_as_unset) {
    cr_assert(style_of(true, "", NULL, "xterm").colours);
}

Test(style, clicolor_force_colours_files) {
    struct clew__style style = style_of(false, NULL, "1", NULL);
    cr_assert(style.colours);
    cr_assert_eq(style.columns, 0);
}

Test(style, clicolor_force_of_zero_forces_nothing) {
    cr_assert_not(style_of(false, NULL, "0", NULL).colours);
}

Test(style, dumb_terminal_has_no_colours) {
    cr_assert_not(style_of(true, NULL, NULL, "dumb").colours);
}

Test(style, services_keep_their_colours) {
    struct clew__palette palette = {.count = 0};
    const char *a = clew__palette_mark(&palette, (clew_text){"a", 1});
    const char *b = clew__palette_mark(&palette, (clew_text){"b", 1});
    cr_assert_str_neq(a, b);
    cr_assert_eq(clew__palette_mark(&palette, (clew_text){"a", 1}), a);
    cr_assert_null(clew__palette_mark(NULL, (clew_text){"a", 1}));
}
