/* Traces as they are drawn. */
#include "collector-bridge/report/tree.h"
#include "test/unit/report/written.h"

#include <clew/extend.h>
#include <stdio.h>
#include <stdlib.h>

static const struct clew__style plain = {.columns = 0};

/* The drawing, to be released with clew_memory_release(). */
static char *draw(const struct build_span *spans, size_t count, const struct clew__style *style) {
    struct subject subject = subject_of(spans, count);
    struct clew__writer out = clew__buffer_plain();
    struct clew__palette palette = {.count = 0};
    clew__report_tree(&out, style, &palette, subject.built.trace, subject.path);
    clew__write_raw(&out, "", 1);
    cr_assert_not(out.failed);
    subject_free(&subject);
    return (char *)clew__buffer_take(&out);
}

static void expect_drawing(const struct build_span *spans, size_t count, const struct clew__style *style,
                           const char *expected) {
    char *drawing = draw(spans, count, style);
    cr_assert_str_eq(drawing, expected, "got:\n%s\nexpected:\n%s", drawing, expected);
    clew_memory_release(drawing);
    CLEW_NO_LEAKS();
}

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define T UINT64_C(1700000000000000000)

/* 0 to 312 ms; load 10 to 41.2, charge 100 to 298, audit 150 to 150.00123. On the path: all but audit's own
 * time are what lies open; audit is, too, as its parent waits for it. */
static const struct build_span shop[] = {
    {.trace = TRACE,
     .id = "a1",
     .start = T,
     .end = T + 312 * MS,
     .service = "shop",
     .operation = "GET /cart",
     .kind = CLEW_SERVER},
    {.trace = TRACE,
     .id = "b2",
     .parent = "a1",
     .start = T + 10 * MS,
     .end = T + 41200000,
     .service = "shop",
     .operation = "load cart",
     .kind = CLEW_INTERNAL},
    {.trace = TRACE,
     .id = "c3",
     .parent = "a1",
     .start = T + 100 * MS,
     .end = T + 298 * MS,
     .service = "bank",
     .operation = "charge",
     .kind = CLEW_CLIENT,
     .status = CLEW_STATUS_ERROR,
     .status_message = "declined"},
    {.trace = TRACE,
     .id = "d4",
     .parent = "c3",
     .start = T + 150 * MS,
     .end = T + 150001230,
     .service = "bank",
     .operation = "audit",
     .links = {{.id = "b2"}, {.trace = "2", .id = "b2"}}},
    {.trace = TRACE,
     .id = "e5",
     .parent = "a1",
     .start = T + 20 * MS,
     .end = T + 30 * MS,
     .service = "shop",
     .operation = "beside"},
};

Test(tree, small_trace_as_plain_text) {
    expect_drawing(shop, COUNT(shop), &plain,
                   "trace " TRACE "  312ms  5 spans  1 error\n"
                   "                              start     time     self\n"
                   "● shop: GET /cart [server]      0ns    312ms   82.8ms\n"
                   "● ├─ shop: load cart         10.0ms   31.2ms   31.2ms\n"
                   "  ├─ shop: beside            20.0ms   10.0ms   10.0ms\n"
                   "● └─ bank: charge [client]    100ms    198ms    198ms  error: declined\n"
                   "●    └─ bank: audit           150ms   1.23µs   1.23µs  → 2 links\n"
                   "           → 00000b2 shop: load cart\n"
                   "           → 00000b2 of trace 0000002\n");
}

Test(tree, small_trace_on_a_terminal) {
    static const struct clew__style style = {.columns = 80};
    expect_drawing(shop, COUNT(shop), &style,
                   "trace " TRACE "  312ms  5 spans  1 error\n"
                   "                               time\n"
                   "● shop: GET /cart [server]    312ms  ████████████████████\n"
                   "● ├─ shop: load cart         31.2ms  ██▋\n"
                   "  ├─ shop: beside            10.0ms   ▉\n"
                   "● └─ bank: charge [client]    198ms        █████████████  error: declined\n"
                   "●    └─ bank: audit          1.23µs           ▌  → 2 links\n"
                   "           → 00000b2 shop: load cart\n"
                   "           → 00000b2 of trace 0000002\n");
}

Test(tree, colours_mark_services_errors_and_the_path) {
    static const struct clew__style style = {.colours = true};
    static const struct build_span span[] = {{.trace = TRACE,
                                              .id = "a",
                                              .start = T,
                                              .end = T + 1,
                                              .service = "s",
                                              .operation = "o",
                                              .status = CLEW_STATUS_ERROR}};
    char *drawing = draw(span, 1, &style);
    cr_assert(strstr(drawing, "\x1b[1mtrace \x1b[0m"));
    cr_assert(strstr(drawing, "\x1b[31m  1 error\x1b[0m"));
    cr_assert(strstr(drawing, "\x1b[1m● \x1b[0m\x1b[36ms\x1b[0m: \x1b[1mo\x1b[0m"));
    cr_assert(strstr(drawing, "\x1b[31merror\x1b[0m\n"));
    clew_memory_release(drawing);
    CLEW_NO_LEAKS();
}

Test(tree, repairs_are_named) {
    static const struct build_span spans[] = {
        {.trace = TRACE,
         .id = "a",
         .parent = "b2345678",
         .start = T,
         .end = T + 4,
         .service = "s",
         .operation = "orphan"},
        {.trace = TRACE, .id = "c", .parent = "a", .start = T + 2, .end = T + 1, .operation = "back"},
    };
    expect_drawing(spans, COUNT(spans), &plain,
                   "trace " TRACE "  4ns  2 spans\n"
                   "                      start     time     self\n"
                   "● s: orphan             0ns      4ns      4ns  its parent is missing\n"
                   "  └─ unknown: back      2ns      0ns      0ns  ended before its start\n"
                   "Repaired: 1 span that ended before its start, 1 span whose parent is missing.\n");
}

Test(tree, cycle_is_drawn_once) {
    static const struct build_span spans[] = {
        {.trace = TRACE,
         .id = "a",
         .parent = "b",
         .start = T,
         .end = T + 2,
         .service = "s",
         .operation = "a"},
        {.trace = TRACE,
         .id = "b",
         .parent = "a",
         .start = T + 1,
         .end = T + 2,
         .service = "s",
         .operation = "b"},
    };
    expect_drawing(spans, COUNT(spans), &plain,
                   "trace " TRACE "  2ns  2 spans\n"
                   "             start     time     self\n"
                   "● s: a         0ns      2ns      1ns  its parent closes a cycle\n"
                   "● └─ s: b      1ns      1ns      1ns\n"
                   "Repaired: 1 cycle of parents cut.\n");
}

Test(tree, missing_parent_of_several_is_drawn_once) {
    static const struct build_span spans[] = {
        {.trace = TRACE,
         .id = "a",
         .parent = "span-1",
         .start = T,
         .end = T + 4,
         .service = "s",
         .operation = "one"},
        {.trace = TRACE,
         .id = "b",
         .parent = "span-1",
         .start = T + 4,
         .end = T + 6,
         .service = "s",
         .operation = "two"},
    };
    char *drawing = draw(spans, COUNT(spans), &plain);
    cr_assert(strstr(drawing, " is missing)"), "%s", drawing);
    cr_assert(strstr(drawing, "● ├─ s: one"), "%s", drawing);
    cr_assert(strstr(drawing, "● └─ s: two"), "%s", drawing);
    clew_memory_release(drawing);
    CLEW_NO_LEAKS();
}

Test(tree, escape_sequences_of_strangers_never_come_through) {
    static const struct build_span span[] = {{.trace = TRACE,
                                              .id = "a",
                                              .start = T,
                                              .end = T + 1,
                                              .service = "\x1b]0;x\x07",
                                              .operation = "\x1b[2J\nfake",
                                              .status = CLEW_STATUS_ERROR,
                                              .status_message = "\x1b[0m\xc2\x9b"}};
    expect_drawing(span, 1, &plain,
                   "trace " TRACE "  1ns  1 span  1 error\n"
                   "                                 start     time     self\n"
                   "● \\x1b]0;x\\x07: \\x1b[2J\\nfake      0ns      1ns      1ns  error: \\x1b[0m\\x9b\n");
}

Test(tree, lines_fit_the_terminal) {
    static const struct clew__style style = {.columns = 40};
    static const struct build_span span[] = {{.trace = TRACE,
                                              .id = "a",
                                              .start = T,
                                              .end = T + 1,
                                              .service = "service",
                                              .operation = "a name that is far too long for it",
                                              .status = CLEW_STATUS_ERROR,
                                              .status_message = "broken again"}};
    expect_drawing(span, 1, &style,
                   "trace " TRACE " …\n"
                   "                        time\n"
                   "● service: a name …      1ns  ██████████\n"
                   "     error: broken again\n");
}

Test(tree, markdown_is_a_block_of_code) {
    static const struct clew__style style = {.is_markdown = true};
    static const struct build_span span[] = {
        {.trace = TRACE, .id = "a", .start = T, .end = T + 1, .service = "```", .operation = "```"}};
    expect_drawing(span, 1, &style,
                   "```text\n"
                   "trace " TRACE "  1ns  1 span\n"
                   "              start     time     self\n"
                   "● ```: ```      0ns      1ns      1ns\n"
                   "```\n");
}

/* Spans below one another, or side by side. The ids are numbers. */
static struct build_span *many(size_t count, bool is_deep, char (*ids)[20]) {
    struct build_span *spans = calloc(count, sizeof *spans);
    cr_assert_not_null(spans);
    for (size_t i = 0; i < count; i++) {
        snprintf(ids[i], sizeof ids[i], "%zx", i + 1);
        spans[i] = (struct build_span){.trace = TRACE,
                                       .id = ids[i],
                                       .start = T + i,
                                       .end = T + 2 * count - i,
                                       .service = "s",
                                       .operation = "step"};
        if (i)
            spans[i].parent = ids[is_deep ? i - 1 : 0];
        if (i && !is_deep)
            spans[i].end = T + i + 1;
    }
    return spans;
}

static void expect_all_drawn(size_t count, bool is_deep, size_t columns, const char *has) {
    const struct clew__style style = {.columns = (unsigned)columns};
    char(*ids)[20] = calloc(count, sizeof *ids);
    struct build_span *spans = many(count, is_deep, ids);
    char *drawing = draw(spans, count, &style);
    size_t lines = 0;
    for (const char *at = drawing; *at; at++)
        lines += *at == '\n';
    cr_assert_eq(lines, count + 2);
    cr_assert_leq(longest_line(drawing), columns);
    cr_assert_not_null(strstr(drawing, has));
    clew_memory_release(drawing);
    free(spans);
    free(ids);
    CLEW_NO_LEAKS();
}

Test(tree, deep_chain_stays_within_the_terminal) {
    expect_all_drawn(20000, true, 80, "level 19999");
}

Test(tree, many_siblings_are_all_drawn) {
    expect_all_drawn(20000, false, 60, "└─ s: step");
}

Test(tree, json_has_every_span) {
    static const struct build_span spans[] = {
        {.trace = TRACE,
         .id = "a",
         .start = 10,
         .end = 20,
         .service = "s",
         .operation = "o\"",
         .kind = CLEW_SERVER},
        {.trace = TRACE,
         .id = "b",
         .parent = "a",
         .start = 12,
         .end = 15,
         .service = "s",
         .operation = "p",
         .status = CLEW_STATUS_ERROR,
         .status_message = "bad",
         .links = {{.trace = "1", .id = "a"}}},
    };
    struct subject subject = subject_of(spans, COUNT(spans));
    struct clew__writer out = clew__buffer_plain();
    cr_assert(clew__report_tree_json(&out, subject.built.trace, subject.path, NULL));
    subject_free(&subject);
    expect_written(
        &out,
        "{\"traceId\":\"" TRACE "\",\"startUnixNano\":\"10\",\"endUnixNano\":\"20\",\"spans\":["
        "{\"spanId\":\"000000000000000a\",\"service\":\"s\",\"operation\":\"o\\\"\",\"kind\":2,"
        "\"startUnixNano\":\"10\",\"endUnixNano\":\"20\",\"selfNano\":\"7\",\"criticalNano\":\"10\","
        "\"criticalSelfNano\":\"7\",\"dragNano\":\"7\",\"slackNano\":\"0\",\"relation\":\"root\",\"failed\":"
        "false},"
        "{\"spanId\":\"000000000000000b\",\"parentSpanId\":\"000000000000000a\",\"service\":\"s\","
        "\"operation\":\"p\",\"kind\":0,\"startUnixNano\":\"12\",\"endUnixNano\":\"15\",\"selfNano\":\"3\","
        "\"criticalNano\":\"3\",\"criticalSelfNano\":\"3\",\"dragNano\":\"3\",\"slackNano\":\"0\","
        "\"relation\":\"blocking\",\"failed\":true,"
        "\"errorMessage\":\"bad\",\"links\":[{\"traceId\":\"00000000000000000000000000000001\","
        "\"spanId\":\"000000000000000a\"}]}],\"repairs\":{},\"skewCorrectedSpans\":0,"
        "\"confidence\":{\"totalNano\":\"10\",\"assumedNano\":\"0\",\"recordedNano\":\"0\",\"missingNano\":"
        "\"0\","
        "\"skewNano\":\"0\",\"provisionalNano\":\"0\",\"nearOverlaps\":0,\"unusedWaits\":0}}\n");
    CLEW_NO_LEAKS();
}
