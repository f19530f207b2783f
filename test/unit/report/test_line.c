/* Lines, sentences and tables, also of texts that want to break out. */
#include "collector-bridge/report/json.h"
#include "collector-bridge/report/line.h"
#include "collector-bridge/report/remarks.h"
#include "collector-bridge/report/svg.h"
#include "collector-bridge/report/table.h"
#include "test/unit/report/written.h"

#include <stdio.h>

#define EVIL CLEW__TEXT_OF("\x1b[2J\n|`\"<b>&\\N\xe2\x80\xae")

static const struct clew__style plain = {.columns = 0}, narrow = {.columns = 20},
                                markdown = {.is_markdown = true}, coloured = {.colours = true};

Test(line, text_is_printable_and_fits) {
    struct clew__writer out = clew__buffer_plain();
    struct clew__line line = clew__line_begin(&out, &narrow);
    clew__line_put(&line, CLEW__RED, "name: ");
    clew__line_text(&line, NULL, EVIL);
    clew__line_end(&line);
    cr_assert_eq(line.used, 20);
    expect_written(&out, "name: \\x1b[2J\\n|`\"<…\n");
    CLEW_NO_LEAKS();
}

Test(line, colours_end_where_the_text_does) {
    struct clew__writer out = clew__buffer_plain();
    struct clew__line line = clew__line_begin(&out, &coloured);
    clew__line_put(&line, CLEW__RED, "red");
    clew__line_put(&line, NULL, "plain");
    clew__line_end(&line);
    expect_written(&out, "\x1b[31mred\x1b[0mplain\n");
}

static void expect_markdown(const char *name, bool in_table, const char *expected) {
    struct clew__writer out = clew__buffer_plain();
    clew__markdown_name(&out, clew__text_of(name), in_table);
    expect_written(&out, expected);
}

Test(line, names_in_markdown_cannot_leave_their_code_span) {
    expect_markdown("GET /cart", false, "`GET /cart`");
    expect_markdown("a`b``c", false, "```a`b``c```");
    expect_markdown("`", false, "`` ` ``");
    expect_markdown("a|b", false, "`a|b`");
    expect_markdown("a|b\n<script>", true, "`a\\|b\\n<script>`");
    expect_markdown("", true, "");
    CLEW_NO_LEAKS();
}

Test(line, sentence_breaks_between_words) {
    struct clew__writer out = clew__buffer_plain();
    struct clew__sentence sentence = clew__sentence_begin(&narrow);
    clew__say_operation(&sentence, CLEW__TEXT_OF("shop"), CLEW__TEXT_OF("GET /cart"));
    clew__say(&sentence, " took ");
    clew__say_duration(&sentence, 12 * MS);
    clew__say(&sentence, ", ");
    clew__say_share(&sentence, 1, 3);
    clew__say(&sentence, " of it waiting.");
    clew__sentence_end(&sentence, &out, NULL, 2);
    expect_written(&out, "shop: GET /cart took\n  12.0ms, 33% of it\n  waiting.\n");
    CLEW_NO_LEAKS();
}

Test(line, sentence_makes_names_printable) {
    struct clew__writer out = clew__buffer_plain();
    struct clew__sentence sentence = clew__sentence_begin(&plain);
    clew__say_name(&sentence, EVIL);
    clew__sentence_end(&sentence, &out, NULL, 0);
    expect_written(&out, "\\x1b[2J\\n|`\"<b>&\\N\\u{202e}\n");
}

static const struct clew__column columns[] = {
    {.title = "name", .is_flexible = true},
    {.title = "time", .is_right = true},
    {.title = "", .is_text_only = true},
    {.title = "note"},
};

static struct clew__table table_of(void) {
    struct clew__table table = clew__table_begin(columns, COUNT(columns));
    clew__table_name(&table, NULL, CLEW__TEXT_OF("a rather long name|"));
    clew__table_duration(&table, NULL, 1230000);
    clew__table_bar(&table, NULL, 1, 2, 4);
    clew__table_put(&table, NULL, "");
    clew__table_name(&table, CLEW__RED, CLEW__TEXT_OF("b\n"));
    clew__table_share(&table, NULL, 1, 3);
    clew__table_bar(&table, NULL, 1, 1000, 4);
    clew__table_put(&table, NULL, "slow");
    return table;
}

Test(table, cells_are_aligned) {
    struct clew__writer out = clew__buffer_plain();
    struct clew__table table = table_of();
    clew__table_end(&table, &out, &plain);
    expect_written(&out, "name                   time      note\n"
                         "a rather long name|  1.23ms  ██\n"
                         "b\\n                   33.3%  ▏   slow\n");
    CLEW_NO_LEAKS();
}

Test(table, flexible_columns_make_room) {
    static const struct clew__style style = {.columns = 30}, narrower = {.columns = 26};
    static const struct clew__column two[] = {{.title = "name", .is_flexible = true}, {.title = "note"}};
    struct clew__writer out = clew__buffer_plain();
    for (int i = 0; i < 2; i++) {
        struct clew__table table = clew__table_begin(two, 2);
        clew__table_name(&table, NULL, CLEW__TEXT_OF("a name of twenty-seven chars"));
        clew__table_put(&table, NULL, "slow");
        clew__table_end(&table, &out, i ? &narrower : &style);
    }
    expect_written(&out, "name                      note\n"
                         "a name of twenty-seven …  slow\n"
                         "name                  note\n"
                         "a name of twenty-se…  slow\n");
    CLEW_NO_LEAKS();
}

Test(table, bars_go_first_and_then_minor_columns) {
    static const struct clew__column four[] = {{.title = "name", .is_flexible = true},
                                               {.title = "b", .is_minor = true},
                                               {.title = "", .is_text_only = true},
                                               {.title = "c", .is_minor = true}};
    const unsigned widths[] = {38, 32, 26, 12};
    struct clew__writer out = clew__buffer_plain();
    for (size_t i = 0; i < COUNT(widths); i++) {
        const struct clew__style style = {.columns = widths[i]};
        struct clew__table table = clew__table_begin(four, 4);
        clew__table_name(&table, NULL, CLEW__TEXT_OF("a name of twenty chars"));
        clew__table_put(&table, NULL, "bbbb");
        clew__table_bar(&table, NULL, 1, 1, 4);
        clew__table_put(&table, NULL, "cccc");
        clew__table_end(&table, &out, &style);
    }
    expect_written(&out, "name                  b           c\n"
                         "a name of twenty ch…  bbbb  ████  cccc\n"
                         "name                  b     c\n"
                         "a name of twenty ch…  bbbb  cccc\n"
                         "name                  b\n"
                         "a name of twenty ch…  bbbb\n"
                         "name\n"
                         "a name of t…\n");
    CLEW_NO_LEAKS();
}

Test(table, columns_without_content_are_left_out) {
    static const struct clew__column three[] = {{.title = "a"}, {.title = "b"}, {.title = "c"}};
    struct clew__writer out = clew__buffer_plain();
    struct clew__table table = clew__table_begin(three, 3);
    clew__table_put(&table, NULL, "1");
    clew__table_put(&table, NULL, "");
    clew__table_put(&table, NULL, "");
    clew__table_put(&table, NULL, "2");
    clew__table_put(&table, NULL, "");
    clew__table_put(&table, NULL, "");
    clew__table_end(&table, &out, &plain);
    table = clew__table_begin(three, 3);
    clew__table_put(&table, NULL, "1");
    clew__table_put(&table, NULL, "");
    clew__table_put(&table, NULL, "3");
    clew__table_end(&table, &out, &markdown);
    expect_written(&out, "a\n1\n2\n| a | c |\n| --- | --- |\n| 1 | 3 |\n");
    CLEW_NO_LEAKS();
}

Test(table, markdown_has_neither_bars_nor_colours) {
    struct clew__writer out = clew__buffer_plain();
    struct clew__table table = table_of();
    clew__table_end(&table, &out, &markdown);
    expect_written(&out, "| name | time | note |\n"
                         "| --- | --: | --- |\n"
                         "| `a rather long name\\|` | 1.23ms |  |\n"
                         "| `b\\n` | 33.3% | slow |\n");
}

Test(json, values_are_in_the_dialect_of_otlp) {
    struct clew__writer out = clew__buffer_plain();
    struct clew__report_json json = {.out = &out};
    clew__json_open(&json, NULL, '{');
    clew__json_add_text(&json, "text", CLEW__TEXT_OF("\x1b\"\\\n\xff"));
    clew__json_add_uint64(&json, "big", UINT64_MAX);
    clew__json_add_int64(&json, "signed", INT64_MIN);
    clew__json_add_uint32(&json, "small", 7);
    clew__json_open(&json, "list", '[');
    clew__json_add_word(&json, NULL, "one");
    clew__json_add_bool(&json, NULL, true);
    clew__json_close(&json, ']');
    clew__json_open(&json, "empty", '{');
    clew__json_close(&json, '}');
    clew__json_add_double(&json, "share", 0.25);
    clew__json_close(&json, '}');
    clew__json_end(&json);
    expect_written(&out, "{\"text\":\"\\u001b\\\"\\\\\\n\xEF\xBF\xBD\",\"big\":\"18446744073709551615\","
                         "\"signed\":\"-9223372036854775808\",\"small\":7,\"list\":[\"one\",true],"
                         "\"empty\":{},\"share\":0.25}\n");
    CLEW_NO_LEAKS();
}

Test(json, what_was_not_measured_is_absent) {
    struct clew__writer out = clew__buffer_plain();
    struct clew__report_json json = {.out = &out};
    clew_sketch *sketch = clew_sketch_new();
    cr_assert_eq(clew_sketch_add(sketch, 1000, 3), CLEW_OK);
    clew__json_open(&json, NULL, '{');
    clew__json_add_sketch(&json, "none", NULL);
    clew__json_add_sketch(&json, "some", sketch);
    clew__json_close(&json, '}');
    expect_written(&out, "{\"some\":{\"count\":\"3\",\"p50Nano\":\"1000\",\"p95Nano\":\"1000\","
                         "\"p99Nano\":\"1000\",\"maxNano\":\"1000\"}}");
    clew_sketch_free(sketch);
    CLEW_NO_LEAKS();
}

static void expect_short(const char *id, const char *expected) {
    char text[CLEW_ID_TEXT_SIZE];
    snprintf(text, sizeof text, "%s", id);
    clew__short_id(text);
    cr_assert_str_eq(text, expected);
}

Test(ids, are_shown_by_their_first_digits) {
    expect_short("4bf92f3577b34da6a3ce929d0e0e4736", "4bf92f3");
    expect_short("00f067aa0ba902b7", "00f067a");
    expect_short("00000000000000007011aea0ba902b70", "7011aea");
    expect_short("00000000000000000000000000000abc", "0000abc");
    expect_short("00f067aa0ba902b7#srv", "00f067a#srv");
    expect_short("span-1", "span-1");
}

Test(ids, that_are_shown_are_accepted) {
    static const char *const ids[] = {"4bf92f3577b34da6a3ce929d0e0e4736", "00000000000000007011aea0ba902b70",
                                      "00000000000000000000000000000abc", "span-1"};
    for (size_t i = 0; i < COUNT(ids); i++) {
        char text[CLEW_ID_TEXT_SIZE];
        snprintf(text, sizeof text, "%s", ids[i]);
        clew__short_id(text);
        cr_assert(clew__id_begins_with(ids[i], text), "%s", text);
        cr_assert(clew__id_begins_with(ids[i], ids[i]));
    }
    cr_assert(clew__id_begins_with(ids[0], "4BF9"));
    cr_assert_not(clew__id_begins_with(ids[0], "bf9"));
    cr_assert_not(clew__id_begins_with(ids[1], "7012"));
    cr_assert_not(clew__id_begins_with(ids[3], "pan"));
}

Test(svg, text_stays_text) {
    struct clew__writer out = clew__buffer_plain();
    clew__svg_text(&out, CLEW__TEXT_OF("<b a='\"'>&\x1b"), 100);
    expect_written(&out, "&lt;b a=&#39;&quot;&#39;&gt;&amp;\\x1b");
}
