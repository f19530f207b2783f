/* What is told of many traces: statistics, health, errors, bottlenecks, profiles, differences, comparisons.
 * The results are made up, so that every number is known. */
#include "collector-bridge/report/bottlenecks.h"
#include "collector-bridge/report/comparison.h"
#include "collector-bridge/report/diff.h"
#include "collector-bridge/report/errors.h"
#include "collector-bridge/report/operations.h"
#include "collector-bridge/report/profile.h"
#include "test/unit/report/written.h"

#include <math.h>

#define TEXT(literal)                                                                                        \
    { (literal), sizeof(literal) - 1 }

static const struct clew__style plain = {.columns = 0}, markdown = {.is_markdown = true};

static const clew_exemplar example = {
    .trace_id = TEXT("4bf92f3577b34da6a3ce929d0e0e4736"), .span_id = TEXT("00f067aa0ba902b7"), .duration = 5};

/* ---- errors ---- */

static const clew_error_type types[] = {
    {.service = TEXT("bank"),
     .operation = TEXT("charge"),
     .type = TEXT("timeout"),
     .message = TEXT("after # ms"),
     .count = 3,
     .handled = 1,
     .roots_failed = 2,
     .critical_lost = 40 * MS,
     .exemplar_count = 1,
     .exemplars = {{.trace_id = TEXT("4bf92f3577b34da6a3ce929d0e0e4736")}}},
    {.is_other = true, .count = 1},
};
static const clew_retry_sum retries[] = {{.service = TEXT("shop"),
                                          .operation = TEXT("POST"),
                                          .groups = 1,
                                          .succeeded = 1,
                                          .attempts = 3,
                                          .wasted_critical = 20 * MS,
                                          .waited = 5 * MS}};
static const clew_errors_view some_errors = {.types = types,
                                             .type_count = 2,
                                             .retries = retries,
                                             .retry_count = 1,
                                             .traces = 10,
                                             .roots = 10,
                                             .roots_failed = 2,
                                             .failed = 7,
                                             .origins = 4,
                                             .critical_lost = 40 * MS,
                                             .critical_total = 100 * MS};

Test(errors_report, says_where_errors_begin_and_what_they_cost) {
    struct clew__writer out = clew__buffer_plain();
    clew__report_errors(&out, &plain, NULL, &some_errors, 0);
    expect_written(
        &out,
        "2 of 10 requests failed (20%) because of bank: charge; 40% of the time of all requests went into "
        "what failed.\n"
        "\n"
        "Where they begin\n"
        "requests failed  errors  handled  time lost  service  operation  type     message     example\n"
        "              2       3        1     40.0ms  bank     charge     timeout  after # ms  4bf92f3\n"
        "              0       1        0        0ns  (other)\n"
        "\n"
        "Retries\n"
        "retries  attempts  succeeded  time wasted  waited  service  operation\n"
        "      1         3          1       20.0ms  5.00ms  shop     POST\n");
    CLEW_NO_LEAKS();
}

Test(errors_report, says_what_was_handled) {
    static const clew_error_type handled[] = {
        {.service = TEXT("bank"), .operation = TEXT("charge"), .count = 3, .handled = 3},
        {.service = TEXT("post"), .operation = TEXT("mail"), .count = 1, .handled = 1}};
    static const clew_errors_view view = {
        .types = handled, .type_count = 2, .traces = 1, .roots = 1, .failed = 5, .origins = 4};
    struct clew__writer out = clew__buffer_plain();
    clew__report_errors(&out, &plain, NULL, &view, 1);
    expect_written(&out, "No request failed; 4 errors were handled, 3 of them in bank: charge.\n"
                         "\n"
                         "Where they begin\n"
                         "requests failed  errors  handled  time lost  service  operation\n"
                         "              0       3        3        0ns  bank     charge\n"
                         "and 1 more (--limit 0 shows all).\n");
    CLEW_NO_LEAKS();
}

Test(errors_report, says_that_there_are_none) {
    static const clew_errors_view none = {.traces = 1};
    struct clew__writer out = clew__buffer_plain();
    clew__report_errors(&out, &plain, NULL, &none, 0);
    expect_written(&out, "No errors in 1 trace.\n");
}

Test(errors_report, is_json) {
    struct clew__writer out = clew__buffer_plain();
    clew__report_errors_json(&out, &(clew_errors_view){.types = types, .type_count = 1, .traces = 1});
    expect_written(
        &out,
        "{\"traces\":\"1\",\"tracesWithErrors\":\"0\",\"requests\":\"0\",\"requestsFailed\":\"0\",\"spans\":"
        "\"0\",\"failed\":\"0\",\"origins\":\"0\",\"propagated\":\"0\",\"handled\":\"0\","
        "\"criticalLostNano\":"
        "\"0\",\"criticalTotalNano\":\"0\",\"types\":[{\"other\":false,\"service\":\"bank\",\"operation\":"
        "\"charge\",\"type\":\"timeout\",\"message\":\"after # ms\",\"count\":\"3\",\"edges\":\"0\","
        "\"propagated\":\"0\",\"handled\":\"1\",\"traces\":\"0\",\"requestsFailed\":\"2\","
        "\"criticalLostNano\":\"40000000\",\"firstUnixNano\":\"0\",\"lastUnixNano\":\"0\",\"exemplars\":[{"
        "\"traceId\":\"4bf92f3577b34da6a3ce929d0e0e4736\",\"spanId\":\"\",\"startUnixNano\":\"0\","
        "\"durationNano\":\"0\"}]}],\"retries\":[]}\n");
}

/* ---- bottlenecks ---- */

Test(bottlenecks_report, numbers_findings_and_shows_examples) {
    const clew_bottleneck findings[] = {
        {.text = TEXT("Do `this` *less*."), .traces = 3, .exemplar_count = 1, .exemplars = {example}}};
    const clew_bottlenecks_view view = {.findings = findings, .finding_count = 1, .traces = 4};
    struct clew__writer out = clew__buffer_plain();
    clew__report_bottlenecks(&out, &plain, &view, 0);
    clew__report_bottlenecks(&out, &markdown, &view, 0);
    expect_written(&out, "1. Do `this` *less*.\n"
                         "   In 3 of 4 traces. See 4bf92f3.\n"
                         "1. Do \\`this\\` \\*less\\*.\n"
                         "   In 3 of 4 traces. See `4bf92f3`.\n");
    CLEW_NO_LEAKS();
}

/* ---- statistics and health ---- */

Test(operations_report, has_the_most_critical_first) {
    static const clew_operation rows[] = {
        {.service = TEXT("bank"),
         .operation = TEXT("charge"),
         .calls = 10,
         .self_nano = 5 * MS,
         .critical_nano = 5 * MS},
        {.service = TEXT("shop"),
         .operation = TEXT("buy"),
         .calls = 10,
         .errors = 1,
         .self_nano = 20 * MS,
         .critical_nano = 15 * MS},
    };
    const clew_operations_report report = {.operations = rows,
                                           .operation_count = 2,
                                           .services = rows,
                                           .service_count = 1,
                                           .total = {.spans = 20, .critical_nano = 20 * MS},
                                           .traces = 10,
                                           .end_unix_nano = 5000 * MS};
    struct clew__writer out = clew__buffer_plain();
    cr_assert(clew__report_operations(&out, &plain, NULL, &report, 1));
    expect_written(&out, "10 traces, 20 spans, 5.00s from first to last.\n"
                         "\n"
                         "Services\n"
                         "service  calls    rate    self  critical  share\n"
                         "bank        10  2.00/s  5.00ms    5.00ms  25.0%\n"
                         "\n"
                         "Operations\n"
                         "service  operation  calls    rate     errors    self  critical  share\n"
                         "shop     buy           10  2.00/s  1 (10.0%)  20.0ms    15.0ms  75.0%\n"
                         "and 1 more (--limit 0 shows all).\n");
    CLEW_NO_LEAKS();
}

Test(health_report, tells_first_where_it_begins) {
    static const clew_health_item items[] = {
        {.service = TEXT("shop"),
         .observed = CLEW_HEALTH_CRIT,
         .finding_count = 1,
         .findings =
             {{.reason = CLEW_HEALTH_ERRORS, .state = CLEW_HEALTH_CRIT, .value = 0.25, .limit = 0.05}}},
        {.service = TEXT("bank"),
         .client = TEXT("shop"),
         .is_edge = true,
         .is_root_cause = true,
         .observed = CLEW_HEALTH_WARN,
         .finding_count = 1,
         .findings = {{.reason = CLEW_HEALTH_LATENCY, .state = CLEW_HEALTH_WARN, .value = 0.1}}},
        {.service = TEXT("fine"), .observed = CLEW_HEALTH_OK},
    };
    const clew_health_report report = {.items = items, .item_count = 3};
    struct clew__writer out = clew__buffer_plain();
    clew__report_health(&out, &plain, &report);
    expect_written(&out,
                   "\nNot well\n"
                   "warn  shop → bank: 10.0% of its calls are slower than they may be. Nothing that it calls "
                   "is ill: it begins here.\n"
                   "crit  shop: 25.0% of its calls fail (surely more than 5.00%).\n");
    CLEW_NO_LEAKS();
}

Test(health_report, is_silent_when_all_is_well) {
    static const clew_health_item items[] = {{.service = TEXT("fine"), .observed = CLEW_HEALTH_OK}};
    const clew_health_report report = {.items = items, .item_count = 1};
    struct clew__writer out = clew__buffer_plain();
    clew__report_health(&out, &plain, &report);
    expect_written(&out, "");
}

/* ---- profiles ---- */

Test(profile_report, sums_frames_and_draws_contexts) {
    static const clew_profile_frame frames[] = {
        {.service = TEXT("bank"),
         .operation = TEXT("charge"),
         .count = 2,
         .on_path = 2,
         .critical_self = 60 * MS,
         .max = 40 * MS},
        {.kind = CLEW_FRAME_EDGE_GAP,
         .service = TEXT("bank"),
         .caller = TEXT("shop"),
         .count = 4,
         .on_path = 1,
         .critical_self = 40 * MS,
         .max = 40 * MS},
        {.service = TEXT("shop"), .operation = TEXT("beside")},
    };
    static const clew_profile_node nodes[] = {
        {.service = TEXT("shop"),
         .operation = TEXT("buy"),
         .parent = CLEW_NO_SPAN,
         .end = 4,
         .critical = 100 * MS},
        {.service = TEXT("bank"),
         .operation = TEXT("charge"),
         .end = 2,
         .depth = 1,
         .errors = 1,
         .critical = 60 * MS,
         .critical_self = 60 * MS},
        {.kind = CLEW_FRAME_EDGE_GAP,
         .service = TEXT("bank"),
         .end = 3,
         .depth = 1,
         .critical = 40 * MS,
         .critical_self = 40 * MS},
        {.service = TEXT("shop"), .operation = TEXT("beside"), .end = 4, .depth = 1},
    };
    const clew_profile_view view = {.nodes = nodes,
                                    .node_count = 4,
                                    .frames = frames,
                                    .frame_count = 3,
                                    .roots = 2,
                                    .total = 100 * MS,
                                    .mean = 50 * MS};
    struct clew__writer out = clew__buffer_plain();
    clew__report_profile(&out, &plain, NULL, &view, 0);
    expect_written(
        &out, "2 requests took 50.0ms on average; 60% of it in bank: charge, 40% between shop and bank.\n"
              "share  average  seen in  service      operation   slowest\n"
              "60.0%   30.0ms     100%  bank         charge       40.0ms\n"
              "40.0%   20.0ms    50.0%  shop → bank  on the way   40.0ms\n"
              "\n"
              "Calling contexts\n"
              "  total     self\n"
              "   100%       0%  shop: buy\n"
              "  60.0%    60.0%    bank: charge  1 error\n"
              "  40.0%    40.0%    → bank\n"
              "1 context with less than 1% is left out (--json has all).\n");
    CLEW_NO_LEAKS();
}

/* ---- differences ---- */

Test(diff_report, says_what_explains_the_difference) {
    static const clew_diff_node nodes[] = {
        {.service = TEXT("shop"),
         .operation = TEXT("buy"),
         .parent = CLEW_NO_SPAN,
         .end = 3,
         .counterpart = CLEW_NO_SPAN,
         .before = {.count = 2, .critical = 20 * MS},
         .after = {.count = 4, .critical = 50 * MS}},
        {.service = TEXT("bank"),
         .operation = TEXT("charge"),
         .end = 2,
         .depth = 1,
         .counterpart = CLEW_NO_SPAN,
         .before = {.count = 2, .critical_self = 10 * MS},
         .after = {.count = 4, .critical_self = 35 * MS}},
        {.status = CLEW_DIFF_ADDED,
         .service = TEXT("audit"),
         .operation = TEXT("log"),
         .end = 3,
         .depth = 1,
         .counterpart = CLEW_NO_SPAN,
         .after = {.count = 3, .critical_self = 5 * MS, .duration = 5 * MS}},
    };
    static const clew_diff_cause causes[] = {{.node = 1, .delta = 25 * (int64_t)MS},
                                             {.node = 2, .delta = 5 * (int64_t)MS}};
    const clew_diff diff = {.nodes = nodes,
                            .node_count = 3,
                            .causes = causes,
                            .cause_count = 2,
                            .before = 20 * MS,
                            .after = 50 * MS,
                            .delta = 30 * (int64_t)MS,
                            .roots_before = 2,
                            .roots_after = 2};
    struct clew__writer out = clew__buffer_plain();
    clew__report_diff(&out, &plain, NULL, &diff, 0);
    expect_written(
        &out,
        "A request takes 50.0ms, 30.0ms more than the 20.0ms before: +25.0ms in bank: charge, +5.00ms in "
        "audit: log.\n"
        "\n"
        "What explains it\n"
        " change  before   after  calls before  calls after  service  operation\n"
        "+25.0ms  10.0ms  35.0ms             1            2  bank     charge\n"
        "+5.00ms     0ns  5.00ms             0         1.50  audit    log        added\n"
        "\n"
        "New, gone, moved\n"
        "       calls    time  service  operation\n"
        "added      3  5.00ms  audit    log\n");
    CLEW_NO_LEAKS();
}

/* ---- comparisons ---- */

Test(comparison_report, parts_sum_to_the_whole_as_they_are_printed) {
    static const clew_comparison_row rows[] = {
        {.verdict = CLEW_VERDICT_REGRESSION,
         .service = TEXT("shop"),
         .operation = TEXT("buy"),
         .context = CLEW_NO_SPAN,
         .before = {.calls = 100, .p50 = 10 * MS, .p95 = 20 * MS},
         .after = {.calls = 100, .errors = 2, .p50 = 15 * MS, .p95 = 30 * MS},
         .shift = {5e6, 4e6, 6e6}}};
    /* 14.0746 ms, of thirds that round: with one request on each side every nanosecond is exact. */
    static const clew_contribution parts[] = {
        {.kind = CLEW_COMPARISON_NODE,
         .service = TEXT("bank"),
         .operation = TEXT("charge"),
         .nano = 9384999,
         .exact = {0, 9384999}},
        {.kind = CLEW_COMPARISON_EDGE_GAP,
         .service = TEXT("bank"),
         .client = TEXT("shop"),
         .nano = 2344999,
         .exact = {0, 2344999}},
        {.kind = CLEW_COMPARISON_MIX, .nano = 2344602, .exact = {0, 2344602}},
    };
    static const clew_explanation explanation = {.nano = 14074600,
                                                 .exact = {0, 14074600},
                                                 .denominator = 1,
                                                 .contributions = parts,
                                                 .contribution_count = 3};
    const clew_comparison comparison = {.rows = rows,
                                        .row_count = 1,
                                        .explanations = &explanation,
                                        .explanation_count = 1,
                                        .keys = 7,
                                        .before = {.requests = 100},
                                        .after = {.requests = 100}};
    struct clew__writer out = clew__buffer_plain();
    cr_assert(clew__report_comparison(&out, &plain, NULL, &comparison, 0));
    expect_written(
        &out, "shop: buy takes 14.1ms more: +9.38ms in bank: charge, +2.34ms between shop and bank, +2.34ms "
              "because other kinds of requests came.\n"
              "100 requests then, 100 now: 1 of 7 things compared got worse.\n"
              "\n"
              "            of       service  operation     p50     now     p95     now    shift        99% "
              "interval        now\n"
              "regression  request  shop     buy        10.0ms  15.0ms  20.0ms  30.0ms  +5.00ms  +4.00ms to "
              "+6.00ms  2 (2.00%)\n"
              "\n"
              "On average shop: buy takes 14.07ms more; that is the sum of:\n"
              "   part  of              service      operation\n"
              "+9.39ms  itself          bank         charge\n"
              "+2.34ms  on the way      shop → bank\n"
              "+2.34ms  other requests  (none)\n");
    CLEW_NO_LEAKS();
}

Test(comparison_report, what_cannot_be_told_is_absent_in_json) {
    static const clew_comparison_row row = {.verdict = CLEW_VERDICT_UNKNOWN,
                                            .verdicts = 1u << CLEW_VERDICT_UNKNOWN,
                                            .context = CLEW_NO_SPAN,
                                            .before = {.mean = NAN},
                                            .after = {.mean = NAN},
                                            .delta = NAN,
                                            .slower = {NAN, NAN},
                                            .shift = {NAN, NAN, NAN},
                                            .p50_shift = {NAN, NAN, NAN},
                                            .p95_shift = {NAN, NAN, NAN},
                                            .p99_shift = {NAN, NAN, NAN},
                                            .failing = {NAN, NAN},
                                            .error_shift = {NAN, NAN, NAN},
                                            .calling = {NAN, NAN},
                                            .call_ratio = {NAN, NAN, NAN}};
    const clew_comparison comparison = {.rows = &row, .row_count = 1};
    struct clew__writer out = clew__buffer_plain();
    clew__report_comparison_json(&out, &comparison);
    expect_written(
        &out,
        "{\"requestsBefore\":\"0\",\"requestsAfter\":\"0\",\"rows\":[{\"verdict\":\"unknown\",\"verdicts\":"
        "[\"unknown\"],\"root\":0,\"kind\":\"root\",\"service\":\"\",\"operation\":\"\",\"before\":{"
        "\"requests\":\"0\",\"values\":\"0\",\"calls\":\"0\",\"errors\":\"0\",\"p50Nano\":\"0\","
        "\"p95Nano\":\"0\",\"p99Nano\":\"0\"},\"after\":{\"requests\":\"0\",\"values\":\"0\",\"calls\":"
        "\"0\",\"errors\":\"0\",\"p50Nano\":\"0\",\"p95Nano\":\"0\",\"p99Nano\":\"0\"}}],\"contexts\":[],"
        "\"explanations\":[]}\n");
    CLEW_NO_LEAKS();
}
