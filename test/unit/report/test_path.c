/* Critical paths as they are told. */
#include "collector-bridge/report/beside.h"
#include "collector-bridge/report/path.h"
#include "test/unit/report/written.h"

#include <stdio.h>

static const struct clew__style plain = {.columns = 0}, markdown = {.is_markdown = true};

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define T UINT64_C(1700000000000000000)

/* The checkout waits: 10 ms itself, 20 ms on the way to bank, 60 ms in bank, 10 ms on the way back, then a
 * span that outlives it by 50 ms is assumed to be waited for, in the last 10 ms. */
static const struct build_span checkout[] = {
    {.trace = TRACE,
     .id = "a",
     .start = T,
     .end = T + 110 * MS,
     .service = "shop",
     .operation = "checkout",
     .kind = CLEW_SERVER},
    {.trace = TRACE,
     .id = "b",
     .parent = "a",
     .start = T + 10 * MS,
     .end = T + 100 * MS,
     .service = "shop",
     .operation = "POST",
     .kind = CLEW_CLIENT},
    {.trace = TRACE,
     .id = "c",
     .parent = "b",
     .start = T + 30 * MS,
     .end = T + 90 * MS,
     .service = "bank",
     .operation = "charge",
     .kind = CLEW_SERVER},
    {.trace = TRACE,
     .id = "d",
     .parent = "a",
     .start = T + 100 * MS,
     .end = T + 160 * MS,
     .service = "shop",
     .operation = "mail"},
};

static void expect_report(const struct build_span *spans, size_t count, const struct clew__style *style,
                          const char *expected) {
    struct subject subject = subject_of(spans, count);
    struct clew__writer out = clew__buffer_plain();
    struct clew__palette palette = {.count = 0};
    cr_assert(clew__report_path(&out, style, &palette, subject.built.trace, subject.path));
    subject_free(&subject);
    expect_written(&out, expected);
    CLEW_NO_LEAKS();
}

Test(path_report, says_what_was_waited_for) {
    expect_report(
        checkout, COUNT(checkout), &plain,
        "4bf92f3  shop: checkout took 110ms; 55% of it in bank: charge (60.0ms), 27% between shop and bank "
        "(30.0ms), 9% in its own work (10.0ms).\n"
        " start    time  share  service      operation\n"
        "   0ns  10.0ms  9.09%  shop         checkout\n"
        "10.0ms  20.0ms  18.2%  shop → bank  POST       on the way\n"
        "30.0ms  60.0ms  54.5%  bank         charge\n"
        "90.0ms  10.0ms  9.09%  shop → bank  POST       on the way\n"
        " 100ms  10.0ms  9.09%  shop         mail       assumed\n"
        "9% of the path is assumed: calls outlived their callers, which may not have waited (--overflow "
        "exclude).\n"
        "The trace went on for 50.0ms after that (--scope trace explains all of it).\n");
}

Test(path_report, says_the_same_in_markdown) {
    expect_report(checkout, 1, &markdown,
                  "`4bf92f3`  `shop`: `checkout` took 110ms; all of it in its own work.\n"
                  "\n"
                  "| start | time | share | service | operation |\n"
                  "| --: | --: | --: | --- | --- |\n"
                  "| 0ns | 110ms | 100% | `shop` | `checkout` |\n"
                  "\n");
}

Test(path_report, is_json_of_one_line) {
    struct subject subject = subject_of(checkout, 3);
    struct clew__writer out = clew__buffer_plain();
    clew__report_path_json(&out, subject.built.trace, subject.path);
    subject_free(&subject);
#define SEGMENT(id, service, operation, start, end, kind)                                                    \
    "{\"spanId\":\"000000000000000" id "\",\"service\":\"" service "\",\"operation\":\"" operation           \
    "\",\"startUnixNano\":\"170000000" start "\",\"endUnixNano\":\"170000000" end "\"," kind                 \
    "\"assumed\":false}"
#define SELF "\"kind\":\"self\","
#define GAP "\"kind\":\"edgeGap\",\"callee\":\"bank\","
    expect_written(
        &out,
        "{\"traceId\":\"" TRACE "\",\"paths\":[{\"rootSpanId\":\"000000000000000a\",\"durationNano\":"
        "\"110000000\",\"segments\":[" SEGMENT(
            "a", "shop", "checkout", "0000000000", "0010000000",
            SELF) "," SEGMENT("b", "shop", "POST", "0010000000", "0030000000",
                              GAP) "," SEGMENT("c", "bank", "charge", "0030000000", "0090000000",
                                               SELF) "," SEGMENT("b", "shop", "POST", "0090000000",
                                                                 "0100000000",
                                                                 GAP) "," SEGMENT("a", "shop", "checkout",
                                                                                  "0100000000", "0110000000",
                                                                                  SELF) "]}],"
                                                                                        "\"asyncTailNano\":"
                                                                                        "\"0\",\"repairs\":{}"
                                                                                        ",\"skewCorrectedSpan"
                                                                                        "s\":0}\n");
    CLEW_NO_LEAKS();
}

Test(path_report, many_short_steps_become_one) {
    enum { CALLS = 500 };
    struct build_span spans[CALLS + 2] = {{.trace = TRACE,
                                           .id = "1",
                                           .start = T,
                                           .end = T + 1000 * MS,
                                           .service = "shop",
                                           .operation = "list"}};
    char ids[CALLS + 2][8];
    for (unsigned i = 1; i <= CALLS; i++) {
        snprintf(ids[i], sizeof ids[i], "%x", i + 1);
        spans[i] = (struct build_span){.trace = TRACE,
                                       .id = ids[i],
                                       .parent = "1",
                                       .start = T + i * MS,
                                       .end = T + i * MS + MS / 2,
                                       .service = "db",
                                       .operation = "get"};
    }
    spans[CALLS + 1] = (struct build_span){.trace = TRACE,
                                           .id = "ffff",
                                           .parent = "1",
                                           .start = T + 600 * MS,
                                           .end = T + 1000 * MS,
                                           .service = "page",
                                           .operation = "render"};
    expect_report(spans, CALLS + 2, &plain,
                  "4bf92f3  shop: list took 1.00s; 40% of it in page: render (400ms), 35% in its own work "
                  "(350ms), 25% in db: get (250ms).\n"
                  "share   time  steps  service  operation\n"
                  "40.0%  400ms      1  page     render\n"
                  "35.0%  350ms    501  shop     list\n"
                  "25.0%  250ms    500  db       get\n"
                  "\n"
                  "start    time  share  service  operation\n"
                  "  0ns   501ms  50.1%  shop     list       50% of 1000 short steps\n"
                  "501ms  99.5ms  9.95%  shop     list\n"
                  "600ms   400ms  40.0%  page     render\n");
}

Test(path_report, short_steps_between_long_ones_are_left_out_and_counted) {
    enum { CALLS = 7 };
    struct build_span spans[CALLS + 1] = {{.trace = TRACE,
                                           .id = "a",
                                           .start = T,
                                           .end = T + CALLS * (10 * MS + 1000),
                                           .service = "s",
                                           .operation = "all"}};
    static const char *const ids[] = {"1", "2", "3", "4", "5", "6", "7"};
    for (unsigned i = 0; i < CALLS; i++)
        spans[i + 1] = (struct build_span){.trace = TRACE,
                                           .id = ids[i],
                                           .parent = "a",
                                           .start = T + i * (10 * MS + 1000),
                                           .end = T + i * (10 * MS + 1000) + 10 * MS,
                                           .service = "s",
                                           .operation = i % 2 ? "odd" : "even"};
    expect_report(spans, COUNT(spans), &plain,
                  "4bf92f3  s: all took 70.0ms; 57% of it in s: even (40.0ms), 43% in s: odd (30.0ms).\n"
                  " start    time  share  service  operation\n"
                  "   0ns  10.0ms  14.3%  s        even\n"
                  "10.0ms  10.0ms  14.3%  s        odd\n"
                  "20.0ms  10.0ms  14.3%  s        even\n"
                  "30.0ms  10.0ms  14.3%  s        odd\n"
                  "40.0ms  10.0ms  14.3%  s        even\n"
                  "50.0ms  10.0ms  14.3%  s        odd\n"
                  "60.0ms  10.0ms  14.3%  s        even\n"
                  "and 7 short steps, less than 1% in all (--json has them).\n");
}

Test(path_report, repairs_and_missing_spans_are_told) {
    static const struct build_span spans[] = {
        {.trace = TRACE,
         .id = "a",
         .parent = "77",
         .start = T,
         .end = T + 40,
         .service = "s",
         .operation = "one"},
        {.trace = TRACE,
         .id = "b",
         .parent = "77",
         .start = T + 60,
         .end = T + 100,
         .service = "s",
         .operation = "two"},
    };
    expect_report(
        spans, COUNT(spans), &plain,
        "4bf92f3  a request whose first span is missing took 100ns; 40% of it in s: one (40ns), 40% "
        "in s: two (40ns), 20% in spans that are missing (20ns).\n"
        "start  time  share  service    operation\n"
        "  0ns  40ns  40.0%  s          one\n"
        " 40ns  20ns  20.0%  (missing)\n"
        " 60ns  40ns  40.0%  s          two\n"
        "20% of the path is in spans that are missing.\n"
        "Repaired: 2 spans whose parents are missing.\n");
}

Test(path_report, waits_that_a_program_recorded_are_told) {
    static const struct build_span spans[] = {
        {.trace = TRACE,
         .id = "a",
         .start = T,
         .end = T + 100 * MS,
         .service = "s",
         .operation = "one",
         .waits = {{.target = "b", .start = T + 60 * MS, .duration = 30 * MS}}},
        {.trace = TRACE,
         .id = "b",
         .parent = "a",
         .start = T,
         .end = T + 90 * MS,
         .service = "s",
         .operation = "two"},
    };
    expect_report(spans, COUNT(spans), &plain,
                  "4bf92f3  s: one took 100ms; 70% of it in its own work (70.0ms), 30% in s: two (30.0ms).\n"
                  " start    time  share  service  operation\n"
                  "   0ns  60.0ms  60.0%  s        one\n"
                  "60.0ms  30.0ms  30.0%  s        two\n"
                  "90.0ms  10.0ms  10.0%  s        one\n"
                  "30% of the path is known from waits that the program recorded.\n");
}

Test(path_report, corrected_times_are_told) {
    struct built built = build_trace(checkout, COUNT(checkout) - 1, NULL);
    struct clew__writer out = clew__buffer_plain();
    struct clew__palette palette = {.count = 0};
    built.trace->nodes[build_find(built.trace, "c")].skew = -5;
    built.trace->skew_corrected = 1;
    clew_critical_path *path = clew_critical_path_new(built.trace, NULL);
    cr_assert(clew__report_path(&out, &plain, &palette, built.trace, path));
    clew_critical_path_free(path);
    build_free(&built);
    clew__write_raw(&out, "", 1);
    cr_expect(strstr((const char *)out.data, "\n1 span had its times corrected"));
    cr_expect(strstr((const char *)out.data, "\n55% of the path is in spans whose times were corrected.\n"),
              "got:\n%s", (const char *)out.data);
    clew__buffer_fini(&out);
    CLEW_NO_LEAKS();
}

Test(path_report, what_sends_no_spans_may_have_worked) {
    static const struct build_span spans[] = {
        {.trace = TRACE, .id = "a", .start = T, .end = T + 100 * MS, .service = "shop", .operation = "buy"},
        {.trace = TRACE,
         .id = "b",
         .parent = "a",
         .start = T + 10 * MS,
         .end = T + 90 * MS,
         .service = "shop",
         .operation = "SELECT",
         .kind = CLEW_CLIENT,
         .attributes = {{"peer.service", "stock"}}},
    };
    expect_report(
        spans, COUNT(spans), &plain,
        "4bf92f3  shop: buy took 100ms; 80% of it waiting for stock (80.0ms), 20% in its own work (20.0ms).\n"
        " start    time  share  service       operation\n"
        "   0ns  10.0ms  10.0%  shop          buy\n"
        "10.0ms  80.0ms  80.0%  shop → stock  SELECT     there, or on the way\n"
        "90.0ms  10.0ms  10.0%  shop          buy\n");
}

/* ---- what ran beside ---- */

static void expect_beside(uint64_t begin, uint64_t end, const char *expected) {
    const struct build_span spans[] = {
        {.trace = TRACE, .id = "a", .start = T, .end = T + 110 * MS, .service = "shop", .operation = "buy"},
        {.trace = TRACE,
         .id = "b",
         .parent = "a",
         .start = T + 10 * MS,
         .end = T + 100 * MS,
         .service = "shop",
         .operation = "pay"},
        {.trace = TRACE,
         .id = "c",
         .parent = "a",
         .start = T + begin * MS,
         .end = T + end * MS,
         .service = "mail",
         .operation = "send"},
    };
    struct subject subject = subject_of(spans, COUNT(spans));
    struct clew__writer out = clew__buffer_plain();
    cr_assert(clew__report_beside(&out, &plain, subject.built.trace, subject.path, NULL));
    subject_free(&subject);
    expect_written(&out, expected);
    CLEW_NO_LEAKS();
}

Test(path_report, says_that_the_largest_part_would_save_little) {
    expect_beside(10, 95,
                  "Without shop: pay it would still take 105ms: mail: send took 85.0ms at the same time.\n");
}

Test(path_report, is_silent_where_the_largest_part_would_save_most) {
    expect_beside(10, 40, ""); /* short beside it */
    expect_beside(0, 10, "");  /* before it */
}
