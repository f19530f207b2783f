/* Trees as they are shown. */
#include "collector-bridge/cli/draw.h"
#include "test/unit/cli/spans.h"

#define A "00000000000000a1"
#define B "b234567812345678"
#define C "c345678912345678"
#define D "d456789012345678"
#define ALONE(span) TRACES(SERVICE("s", span))
#define PLAIN ((struct clew__draw_style){false, 0})

static void expect_drawing(const char *text, struct clew__draw_style style, const char *expected) {
    struct clew__tree tree = spans_tree(text);
    char *drawing;
    size_t size;
    FILE *out = open_memstream(&drawing, &size);
    clew__draw(out, &tree, style);
    fclose(out);
    cr_assert_str_eq(drawing, expected, "got:\n%s\nexpected:\n%s", drawing, expected);
    free(drawing);
    clew__tree_fini(&tree);
    CLEW_NO_LEAKS();
}

#define CART SPAN(A, "", "GET /cart", "000000000", "312000000", ",\"kind\":2")
#define LOAD SPAN(B, A, "load cart", "010000000", "041200000", ",\"kind\":1")
#define DECLINED ",\"kind\":3,\"status\":{\"code\":2,\"message\":\"declined\"}"
#define CHARGE SPAN(C, A, "charge", "100000000", "298000000", DECLINED)
#define LINK_TO(trace, id) "{\"traceId\":\"" trace "\",\"spanId\":\"" id "\"}"
#define LINKS ",\"links\":[" LINK_TO(TRACE_A, B) "," LINK_TO(TRACE_B, B) "]"
#define AUDIT SPAN(D, C, "audit", "150000000", "150001230", LINKS)
#define FAILED ",\"status\":{\"code\":2}"

static const char shop[] = TRACES(SERVICE("shop", CART "," LOAD) "," SERVICE("bank", CHARGE "," AUDIT));

Test(draw, small_trace_as_plain_text) {
    expect_drawing(shop, PLAIN,
                   "trace " TRACE_A "  4 spans, 2 services, 312ms, 1 error\n"
                   "shop: GET /cart [server]    312ms\n"
                   "├─ shop: load cart         31.2ms\n"
                   "└─ bank: charge [client]    198ms  error: declined\n"
                   "   └─ bank: audit          1.23µs  → 2 links\n"
                   "         → b234567 shop: load cart\n"
                   "         → b234567 of trace bbbbbbb\n");
}

Test(draw, small_trace_on_a_terminal) {
    expect_drawing(shop, (struct clew__draw_style){false, 80},
                   "trace " TRACE_A "  4 spans, 2 services, 312ms, 1 error\n"
                   "shop: GET /cart [server]    312ms  ████████████████████\n"
                   "├─ shop: load cart         31.2ms  ██▋\n"
                   "└─ bank: charge [client]    198ms        █████████████  error: declined\n"
                   "   └─ bank: audit          1.23µs           ▌  → 2 links\n"
                   "         → b234567 shop: load cart\n"
                   "         → b234567 of trace bbbbbbb\n");
}

Test(draw, colours_mark_services_and_errors) {
    expect_drawing(ALONE(SPAN(A, "", "a", "1", "2", FAILED)), (struct clew__draw_style){true, 0},
                   "\x1b[1mtrace \x1b[0m\x1b[1m" TRACE_A
                   "\x1b[0m  1 span, 1 service, 1ns\x1b[31m, 1 error\x1b[0m\n"
                   "\x1b[36ms\x1b[0m: a      1ns  \x1b[31merror\x1b[0m\n");
}

#define FIRST SPAN_IN(TRACE_A, A, "", "a", "1", "2", "")
#define SECOND SPAN_IN(TRACE_B, A, "", "b", "3", "4", "")

Test(draw, traces_are_set_apart_by_an_empty_line) {
    expect_drawing(TRACES(SERVICE("s", FIRST "," SECOND)), PLAIN,
                   "trace " TRACE_A "  1 span, 1 service, 1ns\n"
                   "s: a      1ns\n"
                   "\n"
                   "trace " TRACE_B "  1 span, 1 service, 1ns\n"
                   "s: b      1ns\n");
}

Test(draw, orphan_says_which_parent_is_missing) {
    expect_drawing(ALONE(SPAN(A, B, "a", "1", "2", "")), PLAIN,
                   "trace " TRACE_A "  1 span, 1 service, 1ns\n"
                   "s: a      1ns  parent b234567 is missing\n");
}

#define RING_A SPAN(A, B, "a", "1", "2", "")
#define RING_B SPAN(B, A, "b", "2", "3", "")

Test(draw, cycle_is_drawn_once) {
    expect_drawing(TRACES(SERVICE("s", RING_A "," RING_B)), PLAIN,
                   "trace " TRACE_A "  2 spans, 1 service, 2ns\n"
                   "s: a         1ns  parent b234567 closes a cycle\n"
                   "└─ s: b      1ns\n");
}

#define IDS "\"traceId\":\"" TRACE_A "\",\"spanId\":\"" A "\""
#define OPEN "{" IDS ",\"name\":\"a\",\"startTimeUnixNano\":\"5\"}"

Test(draw, span_without_end_is_open) {
    expect_drawing(ALONE(OPEN), PLAIN,
                   "trace " TRACE_A "  1 span, 1 service, 0ns\n"
                   "s: a     open\n");
}

Test(draw, span_that_ends_before_its_start_takes_no_time) {
    expect_drawing(ALONE(SPAN(A, "", "a", "2", "1", "")), (struct clew__draw_style){false, 40},
                   "trace " TRACE_A " …\n"
                   "s: a      0ns  ▏\n");
}

#define EVIL_STATUS ",\"status\":{\"code\":2,\"message\":\"\\u001b[0m\\u009b\"}"
#define EVIL SPAN(A, "", "\\u001b[2J\\nfake", "1", "2", EVIL_STATUS)

Test(draw, escape_sequences_of_strangers_never_come_through) {
    expect_drawing(TRACES(SERVICE("\\u001b]0;x\\u0007", EVIL)), PLAIN,
                   "trace " TRACE_A "  1 span, 1 service, 1ns, 1 error\n"
                   "\\x1b]0;x\\x07: \\x1b[2J\\nfake      1ns  error: \\x1b[0m\\x9b\n");
}

#define BROKEN ",\"status\":{\"code\":2,\"message\":\"broken again\"}"
#define LONG SPAN(A, "", "a name that is far too long for it", "1", "2", BROKEN)

Test(draw, lines_fit_the_terminal) {
    expect_drawing(TRACES(SERVICE("service", LONG)), (struct clew__draw_style){false, 40},
                   "trace " TRACE_A " …\n"
                   "service: a name th…      1ns  ██████████\n"
                   "   error: broken again\n");
}

/* Columns of the longest line: every byte that is no continuation of a character is one. */
static size_t longest_line(const char *text) {
    size_t most = 0, columns = 0;
    for (; *text; text++) {
        if (*text == '\n')
            columns = 0;
        else if (((unsigned char)*text & 0xC0) != 0x80 && ++columns > most)
            most = columns;
    }
    return most;
}

static struct clew__tree chain(unsigned count) {
    struct clew__tree tree = {0};
    for (unsigned i = 0; i < count; i++) {
        char text[512], *complaints;
        int size = snprintf(text, sizeof text,
                            "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"traceId\":\"" TRACE_A
                            "\",\"spanId\":\"%016x\",\"parentSpanId\":\"%016x\",\"name\":\"step\","
                            "\"startTimeUnixNano\":\"%u\",\"endTimeUnixNano\":\"5000\"}]}]}]}",
                            i + 2, i + 1, i + 1);
        cr_assert(spans_read(&tree, text, (size_t)size, &complaints), "%s", complaints);
        free(complaints);
    }
    cr_assert(clew__tree_build(&tree));
    return tree;
}

Test(draw, deep_chain_stays_within_the_terminal) {
    struct clew__tree tree = chain(300);
    char *drawing;
    size_t size;
    FILE *out = open_memstream(&drawing, &size);
    clew__draw(out, &tree, (struct clew__draw_style){false, 80});
    fclose(out);
    cr_assert_leq(longest_line(drawing), 80);
    cr_assert_not_null(strstr(drawing, "level 299"));
    free(drawing);
    clew__tree_fini(&tree);
    CLEW_NO_LEAKS();
}

static void expect_duration(uint64_t nanoseconds, const char *expected) {
    char text[CLEW__DURATION_SIZE];
    clew__draw_duration(nanoseconds, text);
    cr_assert_str_eq(text, expected);
}

Test(draw, durations_have_three_digits) {
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

Test(draw, durations_round_into_the_next_unit) {
    expect_duration(9994, "9.99µs");
    expect_duration(9996, "10.0µs");
    expect_duration(99960, "100µs");
    expect_duration(999499, "999µs");
    expect_duration(999500, "1.00ms");
    expect_duration(UINT64_MAX, "5124096h");
}

static struct clew__draw_style style_of(bool is_terminal, const char *no_color, const char *force,
                                        const char *term) {
    const struct clew__draw_surroundings surroundings = {is_terminal, 100, no_color, force, term};
    return clew__draw_style_of(&surroundings);
}

Test(draw, terminal_has_colours_and_its_width) {
    struct clew__draw_style style = style_of(true, NULL, NULL, "xterm");
    cr_assert(style.colours);
    cr_assert_eq(style.columns, 100);
}

Test(draw, file_has_neither) {
    struct clew__draw_style style = style_of(false, NULL, NULL, "xterm");
    cr_assert_not(style.colours);
    cr_assert_eq(style.columns, 0);
}

Test(draw, no_color_leaves_the_bar) {
    struct clew__draw_style style = style_of(true, "1", "1", "xterm");
    cr_assert_not(style.colours);
    cr_assert_eq(style.columns, 100);
}

Test(draw, empty_no_color_counts_as_unset) {
    cr_assert(style_of(true, "", NULL, "xterm").colours);
}

Test(draw, clicolor_force_colours_files) {
    struct clew__draw_style style = style_of(false, NULL, "1", NULL);
    cr_assert(style.colours);
    cr_assert_eq(style.columns, 0);
}

Test(draw, clicolor_force_of_zero_forces_nothing) {
    cr_assert_not(style_of(false, NULL, "0", NULL).colours);
}

Test(draw, dumb_terminal_has_no_colours) {
    cr_assert_not(style_of(true, NULL, NULL, "dumb").colours);
}
