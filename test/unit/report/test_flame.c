/* Flame graphs and folded stacks: widths, titles, and names that would break out. */
#include "collector-bridge/report/flame.h"
#include "sdk/base/buffer.h"
#include "test/support.h"
#include "test/unit/analysis/analysed.h"

#include <ctype.h>

#define TITLE ((clew_text){"a <title>", 9})

static char *text_of(struct clew__writer *writer) {
    char *text = calloc(writer->size + 1, 1);
    cr_assert_not_null(text);
    memcpy(text, writer->data, writer->size);
    clew__buffer_fini(writer);
    return text;
}

static clew_profile_view *view_of(const struct build_span *spans, size_t count) {
    struct analysed analysed = analyse(spans, count);
    clew_profile *profile = clew_profile_new(NULL);
    clew_profile_view *view;
    cr_assert_eq(clew_profile_add(profile, analysed.built.trace, analysed.path), 0);
    view = clew_profile_view_new(profile, NULL);
    clew_profile_free(profile);
    analysed_free(&analysed);
    return view;
}

static char *flame_of(const clew_profile_view *view) {
    struct clew__writer writer = clew__buffer_plain();
    cr_assert(clew__report_flame_svg(&writer, view, TITLE));
    return text_of(&writer);
}

static char *folded_of(const clew_profile_view *view) {
    struct clew__writer writer = clew__buffer_plain();
    clew__report_folded(&writer, view);
    return text_of(&writer);
}

static const struct build_span spans[] = {
    {.id = "1", .start = 0, .end = 100 * MS, .service = "shop", .operation = "GET /", .kind = CLEW_SERVER},
    {.id = "2",
     .parent = "1",
     .start = 10 * MS,
     .end = 60 * MS,
     .service = "shop",
     .operation = "POST",
     .kind = CLEW_CLIENT},
    {.id = "3",
     .parent = "2",
     .start = 20 * MS,
     .end = 50 * MS,
     .service = "stock",
     .operation = "take",
     .kind = CLEW_SERVER},
};

#define HOSTILE "</title><script>alert(1)</script>]]>&amp;\"'\x01\x1b[31m\xff\xfe;x\n y"
static const struct build_span hostile[] = {
    {.id = "1", .start = 0, .end = 100 * MS, .service = HOSTILE, .operation = HOSTILE},
    {.id = "2", .parent = "1", .start = 10 * MS, .end = 60 * MS, .service = HOSTILE, .operation = "x"},
};

/* Passes over a quoted value or a tag; no `<` may stand in either. */
static const char *pass_tag(const char *at, char *name) {
    size_t size = 0;
    while (*at && (isalnum((unsigned char)*at) || *at == '/') && size < 31)
        name[size++] = *at++;
    name[size] = '\0';
    for (char quote = 0; *at; at++) {
        cr_assert_neq(*at, '<', "in a tag: %.40s", at);
        if (quote ? *at == quote : (*at == '"' || *at == '\''))
            quote = quote ? 0 : *at;
        else if (!quote && *at == '>')
            break;
    }
    cr_assert_eq(*at, '>');
    return at;
}

/* Tags match, text has neither `<` nor a bare `&` nor control characters, and nothing outside is named. */
static void expect_well_formed(const char *svg) {
    char open[64][32];
    size_t depth = 0, scripts = 0;
    for (const char *at = svg; *at; at++) {
        char name[32];
        cr_assert((unsigned char)*at >= 0x20 || *at == '\n', "a control character: %.40s", at);
        if (*at == '&')
            cr_assert(strspn(at + 1, "abcdefghijklmnopqrstuvwxyz#0123456789") > 0 &&
                      strchr(at, ';') < at + 8);
        if (*at != '<')
            continue;
        if (strncmp(at, "<![CDATA[", 9) == 0) {
            at = strstr(at, "]]>") + 2;
            continue;
        }
        at = pass_tag(at + 1, name);
        scripts += strcmp(name, "script") == 0;
        if (name[0] == '/') {
            cr_assert_gt(depth, 0);
            cr_assert_str_eq(open[--depth], name + 1);
        } else if (at[-1] != '/') {
            strcpy(open[depth++], name);
        }
    }
    cr_assert_eq(depth, 0);
    cr_assert_eq(scripts, 1);
    cr_assert_null(strstr(svg, "href"));
    cr_assert_null(strstr(svg, "url("));
    cr_assert_null(strstr(svg, "src="));
}

Test(flame, boxes_are_as_wide_as_their_time_on_the_path) {
    clew_profile_view *view = view_of(spans, COUNT(spans));
    char *svg = flame_of(view);
    expect_well_formed(svg);
    cr_expect_not_null(strstr(svg, "a &lt;title&gt;"));
    cr_expect_not_null(strstr(svg, "1 request of 100ms on average"));
    cr_expect_not_null(strstr(svg, "<title>shop GET /\n100ms of each request (100%), itself 50.0ms\n"
                                   "on 100% of paths, count 1</title>"
                                   "<rect x=\"10.00\" y=\"64\" width=\"1180.00\""));
    cr_expect_not_null(strstr(svg, "<title>stock take\n30.0ms of each request (30.0%)"));
    cr_expect_not_null(strstr(svg, "<rect x=\"10.00\" y=\"100\" width=\"354.00\""));
    cr_expect_not_null(strstr(svg, "<title>to stock take, between its two sides\n20.0ms"));
    free(svg);
    clew_profile_view_free(view);
    CLEW_NO_LEAKS();
}

Test(flame, names_stay_names) {
    clew_profile_view *view = view_of(hostile, COUNT(hostile));
    char *svg = flame_of(view);
    expect_well_formed(svg);
    cr_expect_null(strstr(svg, "alert(1)</script>"));
    cr_expect_not_null(strstr(svg, "&lt;/title&gt;"));
    free(svg);
    clew_profile_view_free(view);
    CLEW_NO_LEAKS();
}

Test(flame, what_is_too_narrow_is_counted_and_not_drawn) {
    static const struct build_span thin[] = {
        {.id = "1", .start = 0, .end = 100 * MS, .service = "a", .operation = "wide"},
        {.id = "2",
         .parent = "1",
         .start = 10 * MS,
         .end = 10 * MS + 1000,
         .service = "a",
         .operation = "narrow"},
    };
    clew_profile_view *view = view_of(thin, COUNT(thin));
    char *svg = flame_of(view);
    cr_expect_null(strstr(svg, "narrow"));
    cr_expect_not_null(strstr(svg, "1 box is too small to be drawn"));
    free(svg);
    clew_profile_view_free(view);
    CLEW_NO_LEAKS();
}

Test(flame, of_nothing_is_an_empty_picture) {
    clew_profile *profile = clew_profile_new(NULL);
    clew_profile_view *view = clew_profile_view_new(profile, NULL);
    char *svg = flame_of(view);
    expect_well_formed(svg);
    free(svg);
    clew_profile_view_free(view);
    clew_profile_free(profile);
    CLEW_NO_LEAKS();
}

Test(flame, of_a_difference_is_red_where_it_is_slower_and_blue_where_it_is_faster) {
    struct build_span slower[COUNT(spans)];
    struct analysed first, second;
    struct clew__writer writer = clew__buffer_plain();
    clew_diff *diff;
    char *svg;
    memcpy(slower, spans, sizeof slower);
    slower[0].end = 140 * MS;
    slower[1].end = 50 * MS;
    slower[2].end = 40 * MS;
    first = analyse(spans, COUNT(spans));
    second = analyse(slower, COUNT(slower));
    diff = clew_diff_traces(first.built.trace, first.path, second.built.trace, second.path);
    cr_assert(clew__report_flame_diff_svg(&writer, diff, TITLE));
    svg = text_of(&writer);
    expect_well_formed(svg);
    cr_expect_not_null(strstr(svg, "100ms before, 140ms after: +40.0ms; widths are time after"));
    cr_expect_not_null(strstr(svg, "100ms before, 140ms after: +40.0ms\nsame</title>"));
    cr_expect_not_null(strstr(svg, "fill=\"#f0c6c6\""), "40 of 140 ms more: pale red");
    cr_expect_not_null(strstr(svg, "30.0ms before, 20.0ms after: -10.0ms"));
    cr_expect_not_null(strstr(svg, "fill=\"#bebef0\""), "10 of 30 ms less: pale blue");
    free(svg);
    clew_diff_free(diff);
    analysed_free(&first);
    analysed_free(&second);
    CLEW_NO_LEAKS();
}

Test(folded, stacks_sum_to_the_total) {
    clew_profile_view *view = view_of(spans, COUNT(spans));
    char *text = folded_of(view);
    cr_expect_str_eq(text, "shop GET / 50000000\n"
                           "shop GET /;shop POST;stock take 30000000\n"
                           "shop GET /;shop POST;to stock take 20000000\n");
    free(text);
    clew_profile_view_free(view);
    CLEW_NO_LEAKS();
}

Test(folded, names_end_no_frame_and_no_line) {
    clew_profile_view *view = view_of(hostile, COUNT(hostile));
    char *text = folded_of(view);
    size_t lines = 0, frames = 0;
    for (const char *at = text; *at; at++) {
        lines += *at == '\n';
        frames += *at == ';';
    }
    cr_expect_eq(lines, 2);
    cr_expect_eq(frames, 1);
    free(text);
    clew_profile_view_free(view);
    CLEW_NO_LEAKS();
}

/* A chain: the whole of it is in the stack of the deepest that is shown. */
Test(folded, stacks_have_an_end) {
    enum { DEPTH = 1000 };
    static struct build_span chain[DEPTH];
    static char ids[DEPTH][8];
    clew_profile_view *view;
    unsigned long long total = 0;
    char *text, *svg;
    for (size_t i = 0; i < DEPTH; i++) {
        snprintf(ids[i], sizeof ids[i], "%zx", i + 1);
        chain[i] = (struct build_span){.id = ids[i],
                                       .parent = i ? ids[i - 1] : NULL,
                                       .start = 1000 + i,
                                       .end = 101000,
                                       .service = "a",
                                       .operation = ids[i]};
    }
    view = view_of(chain, DEPTH);
    text = folded_of(view);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        size_t frames = 1;
        for (const char *at = line; *at; at++)
            frames += *at == ';';
        cr_assert_leq(frames, CLEW__FOLDED_DEPTH + 1);
        total += strtoull(strrchr(line, ' ') + 1, NULL, 10);
    }
    cr_expect_eq(total, 100000);
    svg = flame_of(view);
    expect_well_formed(svg);
    cr_expect_not_null(strstr(svg, "800 boxes are too small to be drawn"));
    free(svg);
    free(text);
    clew_profile_view_free(view);
    CLEW_NO_LEAKS();
}
