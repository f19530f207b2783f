/* Baselines and what is found between two of them. */
#include "sdk/analysis/baseline.h"
#include "test/support.h"
#include "test/unit/analysis/analysed.h"
#include "test/unit/analysis/explained.h"
#include "test/unit/analysis/scarce.h"

#include <clew/extend.h>
#include <errno.h>

/* ---- simulated traffic: a shop that asks its stock, which asks a database ---- */

struct traffic {
    double database;      /* the database's time, times this */
    double gap;           /* the way to the stock, likewise */
    double failing;       /* share of answers of the stock that fail */
    double cached;        /* share of requests that do not ask the stock */
    uint32_t selects;     /* calls of the database in a request */
    double bursts;        /* share of requests with ten more of them */
    bool has_audit;       /* a call that is not there otherwise */
    bool has_stock_audit; /* the same, of requests that ask the stock alone */
    uint64_t start;
};

static const struct traffic usual = {.database = 1, .gap = 1, .selects = 1};

/* Around `middle`, a third more or less, with a tail. */
static uint64_t around(struct random *random, double middle) {
    return (uint64_t)(middle * exp(0.3 * random_normal(random)));
}

struct request {
    struct build_span spans[16];
    uint32_t count;
    uint64_t now;
};

static struct build_span *add_span(struct request *request, const char *parent, const char *service,
                                   const char *operation, clew_span_kind kind) {
    static const char *const ids[] = {"1", "2", "3", "4", "5", "6", "7", "8",
                                      "9", "a", "b", "c", "d", "e", "f", "10"};
    struct build_span *span = &request->spans[request->count];
    *span = (struct build_span){.id = ids[request->count],
                                .parent = parent,
                                .start = request->now,
                                .service = service,
                                .operation = operation,
                                .kind = kind};
    request->count++;
    return span;
}

static void ask_stock(struct request *request, struct random *random, const struct traffic *traffic) {
    struct build_span *client = add_span(request, "1", "shop", "GET", CLEW_CLIENT);
    request->now += around(random, 2e6 * traffic->gap);
    struct build_span *server = add_span(request, client->id, "stock", "GET /stock", CLEW_SERVER);
    request->now += around(random, 5e6);
    uint32_t selects = traffic->selects + (random_unit(random) < traffic->bursts ? 10 : 0);
    for (uint32_t i = 0; i < selects; i++) {
        struct build_span *select = add_span(request, server->id, "stock", "SELECT", CLEW_INTERNAL);
        request->now += around(random, 20e6 * traffic->database);
        select->end = request->now;
    }
    if (random_unit(random) < traffic->failing)
        server->status = CLEW_STATUS_ERROR;
    server->end = request->now;
    request->now += around(random, 2e6 * traffic->gap);
    client->end = request->now;
}

static void add_request(clew_baseline *baseline, struct random *random, const struct traffic *traffic,
                        uint64_t number) {
    struct request request = {.now = traffic->start + number * 1000 * MS};
    struct build_span *root = add_span(&request, NULL, "shop", "POST /order", CLEW_SERVER);
    request.now += around(random, 10e6);
    bool asks = random_unit(random) >= traffic->cached;
    if (asks)
        ask_stock(&request, random, traffic);
    if (traffic->has_audit || (asks && traffic->has_stock_audit)) {
        struct build_span *audit = add_span(&request, "1", "shop", "audit", CLEW_INTERNAL);
        request.now += around(random, 15e6);
        audit->end = request.now;
    }
    root->end = request.now;
    struct analysed analysed = analyse(request.spans, request.count);
    cr_assert_eq(clew_baseline_add(baseline, analysed.built.trace, analysed.path), CLEW_OK);
    analysed_free(&analysed);
}

static clew_baseline *simulate(uint64_t seed, uint32_t count, const struct traffic *traffic) {
    struct random random = {seed};
    clew_baseline *baseline = clew_baseline_new(NULL);
    for (uint32_t i = 0; i < count; i++)
        add_request(baseline, &random, traffic, i);
    return baseline;
}

static clew_comparison *compare(const clew_baseline *before, const clew_baseline *after) {
    clew_comparison *comparison = clew_comparison_new(before, after, NULL);
    cr_assert_not_null(comparison);
    return comparison;
}

/* Of 500 requests of the usual traffic and 500 of another. */
static clew_comparison *compare_with(const struct traffic *traffic) {
    clew_baseline *before = simulate(1, 500, &usual), *after = simulate(2, 500, traffic);
    clew_comparison *comparison = compare(before, after);
    clew_baseline_free(before);
    clew_baseline_free(after);
    return comparison;
}

static const clew_comparison_row *find_row(const clew_comparison *comparison, clew_comparison_kind kind,
                                           const char *operation) {
    for (uint32_t i = 0; i < comparison->row_count; i++) {
        if (comparison->rows[i].kind == kind && text_is(comparison->rows[i].operation, operation))
            return &comparison->rows[i];
    }
    return NULL;
}

/* Verdicts of rows other than those of calling contexts. */
static clew_verdict verdict_on(const clew_comparison *comparison, clew_comparison_kind kind,
                               const char *operation) {
    const clew_comparison_row *row = find_row(comparison, kind, operation);
    return row ? row->verdict : CLEW_VERDICT_SAME;
}

Test(baseline, names_the_operation_that_took_a_fifth_more_first) {
    struct traffic slower = usual;
    slower.database = 1.2;
    clew_comparison *comparison = compare_with(&slower);
    check_explanations(comparison);
    cr_assert_eq(comparison->explanation_count, 1);
    const clew_contribution *first = &comparison->explanations[0].contributions[0];
    cr_expect_eq(first->kind, CLEW_COMPARISON_NODE);
    cr_expect(text_is(first->service, "stock"));
    cr_expect(text_is(first->operation, "SELECT"));
    cr_expect_geq(first->nano, (int64_t)(2 * MS));
    cr_expect_eq(comparison->rows[0].kind, CLEW_COMPARISON_ROOT);
    cr_expect_eq(comparison->rows[0].verdict, CLEW_VERDICT_REGRESSION);
    cr_expect_eq(comparison->rows[1].kind, CLEW_COMPARISON_NODE);
    cr_expect(text_is(comparison->rows[1].operation, "SELECT"));
    cr_expect_eq(comparison->rows[1].verdict, CLEW_VERDICT_REGRESSION);
    cr_expect_eq(verdict_on(comparison, CLEW_COMPARISON_NODE, "GET /stock"), CLEW_VERDICT_SAME);
    cr_expect_eq(verdict_on(comparison, CLEW_COMPARISON_EDGE_SERVER, "GET /stock"), CLEW_VERDICT_REGRESSION);
    clew_comparison_free(comparison);
    CLEW_NO_LEAKS();
}

/* Whatever chance does, out of 300 requests. */
Test(baseline, names_it_first_nearly_always) {
    uint32_t named = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct traffic slower = usual;
        slower.database = 1.2;
        clew_baseline *before = simulate(2 * seed, 300, &usual);
        clew_baseline *after = simulate(2 * seed + 1, 300, &slower);
        clew_comparison *comparison = compare(before, after);
        const clew_contribution *first = &comparison->explanations[0].contributions[0];
        named += first->kind == CLEW_COMPARISON_NODE && text_is(first->operation, "SELECT") &&
                 verdict_on(comparison, CLEW_COMPARISON_NODE, "SELECT") == CLEW_VERDICT_REGRESSION;
        clew_comparison_free(comparison);
        clew_baseline_free(before);
        clew_baseline_free(after);
    }
    cr_expect_geq(named, 19, "%u", named);
}

Test(baseline, tells_the_way_between_two_services_from_what_they_do) {
    struct traffic slower = usual;
    slower.gap = 3;
    clew_comparison *comparison = compare_with(&slower);
    const clew_contribution *first = &comparison->explanations[0].contributions[0];
    cr_expect_eq(first->kind, CLEW_COMPARISON_EDGE_GAP);
    cr_expect(text_is(first->client, "shop"));
    cr_expect(text_is(first->service, "stock"));
    cr_expect_eq(verdict_on(comparison, CLEW_COMPARISON_EDGE_GAP, "GET /stock"), CLEW_VERDICT_REGRESSION);
    cr_expect_eq(verdict_on(comparison, CLEW_COMPARISON_EDGE_CLIENT, "GET /stock"), CLEW_VERDICT_REGRESSION);
    cr_expect_eq(verdict_on(comparison, CLEW_COMPARISON_EDGE_SERVER, "GET /stock"), CLEW_VERDICT_SAME);
    cr_expect_eq(verdict_on(comparison, CLEW_COMPARISON_NODE, "SELECT"), CLEW_VERDICT_SAME);
    clew_comparison_free(comparison);
}

Test(baseline, calls_it_an_improvement_when_it_got_faster) {
    struct traffic faster = usual;
    faster.database = 0.5;
    clew_comparison *comparison = compare_with(&faster);
    cr_expect_eq(verdict_on(comparison, CLEW_COMPARISON_NODE, "SELECT"), CLEW_VERDICT_IMPROVEMENT);
    cr_expect_eq(verdict_on(comparison, CLEW_COMPARISON_ROOT, "POST /order"), CLEW_VERDICT_IMPROVEMENT);
    cr_expect_eq(comparison->verdicts & 1u << CLEW_VERDICT_REGRESSION, 0);
    cr_expect_lt(comparison->explanations[0].nano, 0);
    clew_comparison_free(comparison);
}

Test(baseline, tells_errors_from_slowness) {
    struct traffic failing = usual;
    failing.failing = 0.1;
    clew_comparison *comparison = compare_with(&failing);
    const clew_comparison_row *row = find_row(comparison, CLEW_COMPARISON_EDGE_SERVER, "GET /stock");
    cr_assert_not_null(row);
    cr_expect_eq(row->verdict, CLEW_VERDICT_ERRORS);
    cr_expect_eq(row->verdicts, 1u << CLEW_VERDICT_ERRORS);
    cr_expect_float_eq(row->error_shift.value, 0.1, 0.05);
    cr_expect(row->error_shift.low > 0 && row->error_shift.high < 0.2);
    cr_expect_eq(verdict_on(comparison, CLEW_COMPARISON_ROOT, "POST /order"), CLEW_VERDICT_SAME);
    clew_comparison_free(comparison);
}

Test(baseline, sees_that_something_is_called_more_often) {
    struct traffic more = usual;
    more.selects = 3;
    clew_comparison *comparison = compare_with(&more);
    const clew_comparison_row *row = find_row(comparison, CLEW_COMPARISON_NODE, "SELECT");
    cr_assert_not_null(row);
    cr_expect(row->verdicts & 1u << CLEW_VERDICT_TRAFFIC);
    cr_expect_float_eq(row->call_ratio.value, 3, 1e-9);
    /* How often is no matter of the shape. */
    cr_expect_eq(comparison->explanations[0].shapes_common, 1);
    cr_expect_eq(verdict_on(comparison, CLEW_COMPARISON_NODE, "GET /stock"), CLEW_VERDICT_SAME);
    clew_comparison_free(comparison);
}

/* The shape is new, too: the new call, not the mix of shapes, is what explains the shift. */
Test(baseline, names_what_is_new_and_what_it_costs) {
    struct traffic audited = usual;
    audited.has_audit = true;
    clew_comparison *comparison = compare_with(&audited);
    check_explanations(comparison);
    const clew_comparison_row *row = find_row(comparison, CLEW_COMPARISON_NODE, "audit");
    cr_assert_not_null(row);
    cr_expect_neq(row->verdicts & 1u << CLEW_VERDICT_NEW, 0);
    const clew_contribution *first = &comparison->explanations[0].contributions[0];
    cr_expect_eq(first->kind, CLEW_COMPARISON_NODE);
    cr_expect(text_is(first->operation, "audit"));
    cr_expect_float_eq((double)first->nano, 15.7e6, 1e6);
    cr_expect_eq(comparison->explanations[0].shapes_common, 0);
    clew_comparison_free(comparison);

    clew_baseline *before = simulate(1, 100, &audited), *after = simulate(2, 100, &usual);
    comparison = compare(before, after);
    row = find_row(comparison, CLEW_COMPARISON_NODE, "audit");
    cr_assert_not_null(row);
    cr_expect_neq(row->verdicts & 1u << CLEW_VERDICT_GONE, 0);
    clew_comparison_free(comparison);
    clew_baseline_free(before);
    clew_baseline_free(after);
}

Test(baseline, tells_a_change_of_what_is_asked_from_one_of_how_long_it_takes) {
    struct traffic cold = usual, warm = usual;
    cold.cached = 0.2;
    warm.cached = 0.6;
    clew_baseline *before = simulate(1, 1000, &cold), *after = simulate(2, 1000, &warm);
    clew_comparison *comparison = compare(before, after);
    check_explanations(comparison);
    const clew_explanation *explanation = &comparison->explanations[0];
    cr_expect_eq(explanation->shapes_common, 2);
    cr_expect_eq(explanation->contributions[0].kind, CLEW_COMPARISON_MIX);
    cr_expect_float_eq((double)explanation->contributions[0].nano, (double)explanation->nano, 2e6);
    clew_comparison_free(comparison);
    clew_baseline_free(before);
    clew_baseline_free(after);
}

/* A shape that took the place of another is compared with that, not with what all requests do. */
Test(baseline, compares_new_shapes_with_those_that_are_gone) {
    struct traffic half = usual, audited = usual;
    half.cached = audited.cached = 0.5;
    audited.has_stock_audit = true;
    clew_baseline *before = simulate(1, 2000, &half), *after = simulate(2, 2000, &audited);
    clew_comparison *comparison = compare(before, after);
    const clew_explanation *explanation = &comparison->explanations[0];
    check_explanations(comparison);
    cr_expect_eq(explanation->shapes_common, 1);
    cr_expect(text_is(explanation->contributions[0].operation, "audit"));
    for (uint32_t i = 1; i < explanation->contribution_count; i++)
        cr_expect_lt(llabs(explanation->contributions[i].nano), (int64_t)MS, "%u", i);
    clew_comparison_free(comparison);
    clew_baseline_free(before);
    clew_baseline_free(after);
}

/* What takes as long as ever, but in more requests: a request without it has none of it. */
static clew_comparison *compare_traffic(const struct traffic *first, const struct traffic *second,
                                        uint32_t count) {
    clew_baseline *before = simulate(1, count, first), *after = simulate(2, count, second);
    clew_comparison *comparison = compare(before, after);
    clew_baseline_free(before);
    clew_baseline_free(after);
    return comparison;
}

/* More than half of the requests ask nobody, so that the median of all differences is nothing. */
Test(baseline, judges_what_few_requests_have_by_its_mean) {
    struct traffic first = usual, second = usual;
    first.cached = second.cached = 0.58;
    second.database = 3;
    clew_comparison *comparison = compare_traffic(&first, &second, 500);
    cr_expect_eq(verdict_on(comparison, CLEW_COMPARISON_NODE, "SELECT"), CLEW_VERDICT_REGRESSION);
    clew_comparison_free(comparison);
}

Test(baseline, leaves_small_changes_of_calls_and_errors_unsaid) {
    struct traffic first = usual, second = usual;
    first.selects = 8;
    second.selects = 9;
    second.failing = 0.003;
    clew_comparison_options every = {.struct_size = sizeof every, .least_error_share = -1, .has_all = false};
    every.least_call_share = -1;
    clew_baseline *before = simulate(1, 5000, &first), *after = simulate(2, 5000, &second);
    clew_comparison *comparison = compare(before, after), *all = clew_comparison_new(before, after, &every);
    uint32_t few = 1u << CLEW_VERDICT_TRAFFIC | 1u << CLEW_VERDICT_ERRORS;
    cr_expect_eq(comparison->verdicts & few, 0);
    cr_expect_eq(all->verdicts & few, few, "they are sure, but small");
    clew_comparison_free(comparison);
    clew_comparison_free(all);
    clew_baseline_free(before);
    clew_baseline_free(after);
}

Test(baseline, counts_requests_without_something_as_none_of_it) {
    struct traffic warm = usual, cold = usual;
    warm.cached = 0.7;
    cold.cached = 0.2;
    clew_baseline *before = simulate(1, 500, &warm), *after = simulate(2, 500, &cold);
    clew_comparison *comparison = compare(before, after);
    const clew_comparison_row *row = find_row(comparison, CLEW_COMPARISON_NODE, "SELECT");
    cr_assert_not_null(row);
    cr_expect_neq(row->verdicts & 1u << CLEW_VERDICT_REGRESSION, 0);
    cr_expect_eq(row->before.values, 500);
    cr_expect_eq(row->before.p50, 0);
    cr_expect_float_eq(row->delta, 0.5, 0.1);
    cr_expect_eq(verdict_on(comparison, CLEW_COMPARISON_EDGE_SERVER, "GET /stock"), CLEW_VERDICT_TRAFFIC);
    clew_comparison_free(comparison);
    clew_baseline_free(before);
    clew_baseline_free(after);
}

Test(baseline, says_from_where_a_context_is_called) {
    struct traffic slower = usual;
    slower.database = 1.5;
    clew_comparison *comparison = compare_with(&slower);
    /* Innermost first. */
    const clew_comparison_row *row = find_row(comparison, CLEW_COMPARISON_CONTEXT, "SELECT");
    static const char *const expected[] = {"SELECT", "GET /stock", "GET", "POST /order"};
    cr_assert_not_null(row);
    uint32_t at = row->context;
    for (size_t i = 0; i < COUNT(expected); i++) {
        cr_assert_lt(at, comparison->context_count);
        cr_expect(text_is(comparison->contexts[at].operation, expected[i]));
        cr_expect(comparison->contexts[at].parent < at || comparison->contexts[at].parent == CLEW_NO_SPAN);
        at = comparison->contexts[at].parent;
    }
    cr_expect_eq(at, CLEW_NO_SPAN);
    clew_comparison_free(comparison);
}

/* A hundred times two windows of the same traffic: at a rate of one in a hundred, and with shifts that must
 * matter besides, hardly one may be told. */
Test(baseline, is_silent_about_two_windows_of_the_same_traffic) {
    struct traffic same = {
        .database = 1, .gap = 1, .selects = 1, .bursts = 0.1, .failing = 0.05, .cached = 0.3};
    uint32_t loud = 0, significant = 0;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        clew_baseline *before = simulate(2 * seed, 100, &same), *after = simulate(2 * seed + 1, 100, &same);
        clew_comparison_options any = {.struct_size = sizeof any,
                                       .least_delta = -1,
                                       .least_shift_share = -1,
                                       .least_shift_nano = -1,
                                       .least_error_share = -1,
                                       .least_call_share = -1};
        clew_comparison *comparison = compare(before, after);
        clew_comparison *all = clew_comparison_new(before, after, &any);
        loud += (comparison->verdicts & ((1u << CLEW_VERDICT_SAME) - 1)) != 0;
        significant += (all->verdicts & ((1u << CLEW_VERDICT_SAME) - 1)) != 0;
        clew_comparison_free(comparison);
        clew_comparison_free(all);
        clew_baseline_free(before);
        clew_baseline_free(after);
    }
    cr_expect_leq(loud, 2, "%u", loud);
    cr_expect_leq(significant, 4, "%u", significant);
}

Test(baseline, tells_whatever_is_there_without_bounds) {
    clew_comparison_options none = {.struct_size = sizeof none,
                                    .false_discovery = -1,
                                    .least_delta = -1,
                                    .least_shift_share = -1,
                                    .least_shift_nano = -1};
    clew_baseline *before = simulate(1, 100, &usual), *after = simulate(2, 100, &usual);
    clew_comparison *comparison = clew_comparison_new(before, after, &none);
    cr_expect_neq(comparison->verdicts & (1u << CLEW_VERDICT_REGRESSION | 1u << CLEW_VERDICT_IMPROVEMENT), 0);
    clew_comparison_free(comparison);
    clew_baseline_free(before);
    clew_baseline_free(after);
}

Test(baseline, does_not_judge_too_few) {
    struct traffic slower = usual;
    slower.database = 10;
    clew_baseline *before = simulate(1, 29, &usual), *after = simulate(2, 100, &slower);
    clew_comparison *comparison = compare(before, after);
    cr_expect_eq(comparison->tests, 0);
    cr_expect_eq(comparison->row_count, 1);
    cr_expect_eq(comparison->rows[0].verdict, CLEW_VERDICT_UNKNOWN);
    check_explanations(comparison);
    clew_comparison_free(comparison);
    clew_baseline_free(before);
    clew_baseline_free(after);
}

Test(baseline, lists_what_did_not_change_when_asked) {
    clew_comparison_options all = {.struct_size = sizeof all, .has_all = true};
    clew_baseline *before = simulate(1, 100, &usual), *after = simulate(2, 100, &usual);
    clew_comparison *comparison = clew_comparison_new(before, after, &all);
    const clew_comparison_row *row = find_row(comparison, CLEW_COMPARISON_NODE, "SELECT");
    cr_assert_not_null(row);
    cr_expect_eq(comparison->row_count, comparison->keys);
    cr_expect_eq(row->before.values, 100);
    cr_expect(row->before.p50 <= row->before.p95 && row->before.p95 <= row->before.p99);
    cr_expect(row->shift.low <= row->shift.value && row->shift.value <= row->shift.high);
    cr_expect(row->p99_shift.low <= row->p99_shift.value && row->p99_shift.value <= row->p99_shift.high);
    clew_comparison_free(comparison);
    clew_baseline_free(before);
    clew_baseline_free(after);
}

/* ---- random traces ---- */

#define SETS 100
#define TRACES_OF_SET 50

struct set {
    struct analysed traces[TRACES_OF_SET];
    clew_baseline *baseline;
};

static void make_set(struct set *set, struct random *random, bool is_hostile) {
    set->baseline = clew_baseline_new(NULL);
    for (uint32_t i = 0; i < TRACES_OF_SET;) {
        set->traces[i] = analyse_random(random, 1 + random_below(random, 30), is_hostile);
        int result = clew_baseline_add(set->baseline, set->traces[i].built.trace, set->traces[i].path);
        if (result == CLEW_OK)
            i++;
        else /* requests that last for decades: their sum has a limit */
            analysed_free(&set->traces[i]);
        cr_assert(result == CLEW_OK || (is_hostile && result == CLEW_ELIMIT), "%d", result);
    }
}

static void free_set(struct set *set) {
    for (uint32_t i = 0; i < TRACES_OF_SET; i++)
        analysed_free(&set->traces[i]);
    clew_baseline_free(set->baseline);
}

static bool is_same(clew_text a, clew_text b) {
    return clew__text_compare(a, b) == 0;
}

/* What a contribution of a node is of, counted anew: its time on the paths of the root's requests. */
static uint64_t count_node(const struct set *set, const clew_comparison_row *root,
                           const clew_contribution *node, uint64_t *requests) {
    uint64_t nano = 0;
    *requests = 0;
    for (uint32_t i = 0; i < TRACES_OF_SET; i++) {
        const clew_critical_path *path = set->traces[i].path;
        const clew_trace *trace = set->traces[i].built.trace;
        for (uint32_t j = 0; j < path->root_count; j++) {
            clew_trace_span span;
            clew_trace_span_at(trace, path->roots[j].span, &span);
            if (span.is_phantom || !is_same(span.service, root->service) ||
                !is_same(span.operation, root->operation))
                continue;
            ++*requests;
            for (uint32_t k = 0; k < path->roots[j].segment_count; k++) {
                const clew_path_segment *segment = &path->segments[path->roots[j].first_segment + k];
                clew_trace_span_at(trace, segment->span, &span);
                if (segment->kind == CLEW_SEGMENT_SELF && is_same(span.service, node->service) &&
                    is_same(span.operation, node->operation))
                    nano += segment->end_unix_nano - segment->start_unix_nano;
            }
        }
    }
    return nano;
}

/* When no shape has enough requests, a part is nothing but the difference of the means. */
static uint32_t check_nodes(const struct set *before, const struct set *after) {
    clew_comparison_options options = {.struct_size = sizeof options, .least_count = UINT32_MAX};
    clew_comparison *comparison = clew_comparison_new(before->baseline, after->baseline, &options);
    uint32_t checked = 0;
    for (uint32_t i = 0; i < comparison->explanation_count; i++) {
        const clew_explanation *explanation = &comparison->explanations[i];
        const clew_comparison_row *root = &comparison->rows[explanation->root];
        /* The root of phantoms has no names either. */
        for (uint32_t j = 0; root->service.size && j < explanation->contribution_count; j++) {
            const clew_contribution *node = &explanation->contributions[j];
            uint64_t requests_before, requests_after;
            if (node->kind != CLEW_COMPARISON_NODE)
                continue;
            uint64_t nano_before = count_node(before, root, node, &requests_before);
            uint64_t nano_after = count_node(after, root, node, &requests_after);
            cr_assert_eq(requests_before, explanation->requests_before);
            cr_assert(exact_of(node->exact) ==
                      (wide)nano_after * requests_before - (wide)nano_before * requests_after);
            checked++;
        }
    }
    clew_comparison_free(comparison);
    return checked;
}

/* The times of a shape's rows make its time, those of shapes their root's. */
static void check_consistent(const clew_baseline *baseline) {
    uint64_t *nano = calloc(baseline->shapes.count + baseline->rows.count + 1, 2 * sizeof *nano);
    uint64_t *of_root = nano + baseline->shapes.count, *requests = of_root + baseline->rows.count;
    for (uint32_t i = 0; i < baseline->sums.count; i++)
        nano[clew__shape_sum_at(baseline, i)->shape] += clew__shape_sum_at(baseline, i)->nano;
    for (uint32_t i = 0; i < baseline->shapes.count; i++) {
        const struct clew__shape *shape = clew__shape_at(baseline, i);
        cr_assert_eq(nano[i], shape->nano);
        of_root[shape->root] += shape->nano;
        requests[shape->root] += shape->requests;
    }
    for (uint32_t i = 0; i < baseline->rows.count; i++) {
        const struct clew__row *row = clew__row_at(baseline, i);
        bool is_root = row->key.kind == CLEW_COMPARISON_ROOT;
        cr_assert_eq(of_root[i], is_root ? row->nano : 0);
        cr_assert_eq(requests[i], is_root ? row->calls : 0);
    }
    free(nano);
}

/* 10 000 traces. */
Test(baseline, explains_every_shift_exactly) {
    uint32_t explained = 0, checked = 0;
    for (uint32_t i = 0; i < SETS; i++) {
        struct random random = {i};
        struct set before, after;
        make_set(&before, &random, i % 2);
        make_set(&after, &random, i % 2);
        for (uint32_t least = 1; least <= 10; least += 3) {
            clew_comparison_options options = {.struct_size = sizeof options, .least_count = least};
            clew_comparison *comparison = clew_comparison_new(before.baseline, after.baseline, &options);
            cr_assert_not_null(comparison);
            check_explanations(comparison);
            explained += comparison->explanation_count;
            clew_comparison_free(comparison);
        }
        checked += check_nodes(&before, &after);
        check_consistent(before.baseline);
        free_set(&before);
        free_set(&after);
    }
    cr_assert_gt(explained, SETS);
    cr_assert_gt(checked, SETS);
    CLEW_NO_LEAKS();
}

/* ---- as bytes ---- */

struct bytes {
    uint8_t *data;
    size_t size;
};

static struct bytes encode(const clew_baseline *baseline) {
    struct bytes bytes;
    bytes.data = clew_baseline_encode(baseline, &bytes.size);
    cr_assert_not_null(bytes.data);
    return bytes;
}

static void expect_same(const clew_baseline *a, const clew_baseline *b) {
    struct bytes of_a = encode(a), of_b = encode(b);
    cr_assert_eq(of_a.size, of_b.size);
    cr_assert_arr_eq(of_a.data, of_b.data, of_a.size);
    clew_memory_release(of_a.data);
    clew_memory_release(of_b.data);
}

Test(baseline, is_the_same_in_any_order_and_however_it_was_divided) {
    for (uint32_t seed = 0; seed < 20; seed++) {
        struct random random = {seed};
        struct set set;
        clew_baseline *other = clew_baseline_new(NULL), *whole = clew_baseline_new(NULL), *parts[3];
        make_set(&set, &random, seed % 2);
        for (uint32_t i = 0; i < COUNT(parts); i++)
            parts[i] = clew_baseline_new(NULL);
        uint32_t *order = build_shuffle(&random, TRACES_OF_SET);
        for (uint32_t i = 0; i < TRACES_OF_SET; i++) {
            struct analysed *trace = &set.traces[order[i]];
            cr_assert_eq(clew_baseline_add(whole, set.traces[i].built.trace, set.traces[i].path), CLEW_OK);
            cr_assert_eq(clew_baseline_add(parts[random_below(&random, COUNT(parts))], trace->built.trace,
                                           trace->path),
                         CLEW_OK);
        }
        free(order);
        for (uint32_t i = 0; i < COUNT(parts); i++) {
            cr_assert_eq(clew_baseline_merge(other, parts[i]), CLEW_OK);
            clew_baseline_free(parts[i]);
        }
        expect_same(whole, other);
        clew_baseline_free(whole);
        clew_baseline_free(other);
        free_set(&set);
    }
    CLEW_NO_LEAKS();
}

Test(baseline, comes_back_from_its_bytes) {
    for (uint32_t seed = 0; seed < 20; seed++) {
        struct random random = {seed};
        struct set set;
        clew_baseline *again = NULL;
        make_set(&set, &random, seed % 2);
        struct bytes bytes = encode(set.baseline);
        cr_expect(clew_baseline_is_encoded(bytes.data, bytes.size));
        cr_assert_eq(clew_baseline_decode(bytes.data, bytes.size, &again), CLEW_OK);
        expect_same(set.baseline, again);
        clew_baseline_stats stats = clew_baseline_get_stats(set.baseline);
        clew_baseline_stats stats_again = clew_baseline_get_stats(again);
        cr_expect_eq(memcmp(&stats, &stats_again, sizeof stats), 0);
        clew_memory_release(bytes.data);
        clew_baseline_free(again);
        free_set(&set);
    }
    clew_baseline *empty = clew_baseline_new(NULL), *again = NULL;
    struct bytes bytes = encode(empty);
    cr_assert_eq(clew_baseline_decode(bytes.data, bytes.size, &again), CLEW_OK);
    cr_expect_eq(clew_baseline_get_stats(again).requests, 0);
    clew_memory_release(bytes.data);
    clew_baseline_free(again);
    clew_baseline_free(empty);
    CLEW_NO_LEAKS();
}

static int decode_again(const clew_baseline *baseline) {
    clew_baseline *again = NULL;
    struct bytes bytes = encode(baseline);
    int result = clew_baseline_decode(bytes.data, bytes.size, &again);
    clew_memory_release(bytes.data);
    clew_baseline_free(again);
    return result;
}

static struct clew__row *row_of_kind(clew_baseline *baseline, clew_comparison_kind kind, uint32_t depth,
                                     uint32_t *at) {
    for (*at = 0; *at < baseline->rows.count; ++*at) {
        struct clew__row *row = clew__row_at(baseline, *at);
        if (row->key.kind == (uint32_t)kind && row->depth == depth)
            return row;
    }
    cr_assert_fail("no such row");
    return NULL;
}

Test(baseline, refuses_values_that_count_more_than_once) {
    clew_baseline *baseline = simulate(1, 20, &usual);
    uint32_t at;
    struct clew__sketch *values = &row_of_kind(baseline, CLEW_COMPARISON_NODE, 0, &at)->values;
    cr_assert_eq(decode_again(baseline), CLEW_OK);
    clew__sketch_fini(values);
    cr_assert_eq(clew_sketch_add_weighted(values, 1000, 2 * CLEW_SKETCH_WEIGHT_ONE), CLEW_OK);
    cr_expect_eq(decode_again(baseline), CLEW_EFORMAT);
    clew_baseline_free(baseline);
    CLEW_NO_LEAKS();
}

Test(baseline, refuses_a_context_below_that_of_another_request) {
    static const struct build_span spans[] = {
        {.id = "1", .start = 100, .end = 200, .service = "a", .operation = "other"},
    };
    clew_baseline *baseline = simulate(1, 1, &usual);
    struct analysed analysed = analyse(spans, 1);
    uint32_t at;
    cr_assert_eq(clew_baseline_add(baseline, analysed.built.trace, analysed.path), CLEW_OK);
    cr_assert_eq(decode_again(baseline), CLEW_OK);
    struct clew__row *deep = row_of_kind(baseline, CLEW_COMPARISON_CONTEXT, 1, &at);
    for (uint32_t root = baseline->rows.count; root-- > 0;) {
        if (clew__row_at(baseline, root)->key.kind == CLEW_COMPARISON_ROOT && root != deep->key.root) {
            deep->key.root = root;
            break;
        }
    }
    cr_expect_eq(decode_again(baseline), CLEW_EFORMAT);
    analysed_free(&analysed);
    clew_baseline_free(baseline);
    CLEW_NO_LEAKS();
}

Test(baseline, refuses_bytes_that_are_cut_or_contradict_themselves) {
    clew_baseline *baseline = simulate(1, 20, &usual), *again;
    struct bytes bytes = encode(baseline);
    uint32_t accepted = 0;
    for (size_t size = 0; size < bytes.size; size++) {
        int result = clew_baseline_decode(bytes.data, size, &again);
        cr_assert_eq(result, CLEW_EFORMAT, "%zu", size);
    }
    for (size_t at = 0; at < bytes.size; at++) {
        uint8_t kept = bytes.data[at];
        for (uint32_t bit = 0; bit < 8; bit++) {
            bytes.data[at] = (uint8_t)(kept ^ 1u << bit);
            int result = clew_baseline_decode(bytes.data, bytes.size, &again);
            cr_assert(result == CLEW_OK || result == CLEW_EFORMAT);
            if (result != CLEW_OK)
                continue;
            accepted++;
            check_consistent(again);
            clew_comparison *comparison = compare(baseline, again);
            check_explanations(comparison);
            clew_comparison_free(comparison);
            clew_baseline_free(again);
        }
        bytes.data[at] = kept;
    }
    /* Names, hashes, counters that stand alone: what says something about something else is refused. */
    cr_expect_lt(accepted, 8 * bytes.size / 2);
    cr_expect_eq(clew_baseline_decode(NULL, 0, &again), CLEW_EFORMAT);
    cr_expect_eq(clew_baseline_decode("{}", 2, &again), CLEW_EFORMAT);
    cr_expect_not(clew_baseline_is_encoded("{}", 2));
    clew_memory_release(bytes.data);
    clew_baseline_free(baseline);
    CLEW_NO_LEAKS();
}

/* ---- limits ---- */

Test(baseline, keeps_sums_exact_beyond_its_limits) {
    static const clew_baseline_options tight[] = {
        {.struct_size = sizeof *tight, .key_limit = 1, .shape_limit = 1},
        {.struct_size = sizeof *tight, .key_limit = 12, .shape_limit = 3},
        {.struct_size = sizeof *tight, .key_limit = 60, .shape_limit = 10},
    };
    for (uint32_t i = 0; i < COUNT(tight); i++) {
        struct random random = {i};
        struct set before, after;
        make_set(&before, &random, true);
        make_set(&after, &random, true);
        clew_baseline *small = clew_baseline_new(&tight[i]), *merged = clew_baseline_new(&tight[i]), *again;
        for (uint32_t j = 0; j < TRACES_OF_SET; j++)
            cr_assert_eq(clew_baseline_add(small, before.traces[j].built.trace, before.traces[j].path),
                         CLEW_OK);
        cr_assert_eq(clew_baseline_merge(merged, small), CLEW_OK);
        cr_assert_eq(clew_baseline_merge(merged, after.baseline), CLEW_OK);
        clew_baseline_stats stats = clew_baseline_get_stats(small);
        cr_expect_gt(stats.overflowed, 0);
        cr_expect_eq(stats.requests, clew_baseline_get_stats(before.baseline).requests);
        cr_expect_leq(stats.keys, 2 * tight[i].key_limit + 2);
        struct bytes bytes = encode(merged);
        cr_assert_eq(clew_baseline_decode(bytes.data, bytes.size, &again), CLEW_OK);
        clew_comparison *comparison = compare(small, again);
        cr_expect_gt(comparison->explanation_count, 0);
        check_explanations(comparison);
        bool has_others = false;
        for (uint32_t j = 0; j < comparison->row_count; j++)
            has_others = has_others || text_is(comparison->rows[j].service, CLEW_COMPARISON_OTHERS);
        cr_expect(has_others);
        clew_comparison_free(comparison);
        clew_memory_release(bytes.data);
        clew_baseline_free(small);
        clew_baseline_free(merged);
        clew_baseline_free(again);
        free_set(&before);
        free_set(&after);
    }
    CLEW_NO_LEAKS();
}

/* Requests of ever other sets of the same twelve operations, each with time of its own. */
static void add_subset(clew_baseline *baseline, uint32_t subset) {
    static const char *const operations[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "a", "b"};
    struct build_span spans[COUNT(operations) + 1] = {
        {.id = "f0", .start = 1000, .end = 3000, .service = "a", .operation = "root"}};
    size_t count = 1;
    for (uint32_t i = 0; i < COUNT(operations); i++) {
        if (subset >> i & 1)
            spans[count++] = (struct build_span){.id = operations[i][0] == '0' ? "f1" : operations[i],
                                                 .parent = "f0",
                                                 .start = 1000 + 100 * i,
                                                 .end = 1090 + 100 * i,
                                                 .service = "a",
                                                 .operation = operations[i]};
    }
    struct analysed analysed = analyse(spans, count);
    cr_assert_eq(clew_baseline_add(baseline, analysed.built.trace, analysed.path), CLEW_OK);
    analysed_free(&analysed);
}

Test(baseline, keeps_no_more_times_than_its_limits_allow) {
    clew_baseline_options options = {.struct_size = sizeof options, .key_limit = 50};
    clew_baseline *baseline = clew_baseline_new(&options), *other = clew_baseline_new(&options);
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t subset = 0; subset < 2000; subset++) {
            add_subset(baseline, subset);
            add_subset(other, 4095 - subset);
        }
    }
    cr_expect_lt(baseline->sums.count, 50 * 32 + 2 * 13);
    cr_assert_eq(clew_baseline_merge(other, baseline), CLEW_OK);
    cr_expect_lt(other->sums.count, 50 * 32 + 3 * 13);
    cr_expect_eq(clew_baseline_get_stats(other).requests, 8000);
    clew_comparison *comparison = compare(baseline, other);
    check_explanations(comparison);
    cr_assert_eq(comparison->explanation_count, 1);
    cr_expect_eq(comparison->explanations[0].shapes_common, 0, "all beyond the limit are no one shape");
    clew_comparison_free(comparison);
    clew_baseline_free(baseline);
    clew_baseline_free(other);
    CLEW_NO_LEAKS();
}

/* What one side put into `(other)` is not new when the other side has it. */
Test(baseline, calls_nothing_new_that_may_have_been_beyond_a_limit) {
    clew_baseline_options tight = {.struct_size = sizeof tight, .key_limit = 4};
    clew_baseline *before = clew_baseline_new(&tight), *after = simulate(2, 100, &usual);
    struct random random = {1};
    for (uint32_t i = 0; i < 100; i++)
        add_request(before, &random, &usual, i);
    clew_comparison *comparison = compare(before, after);
    cr_expect_eq(comparison->verdicts & (1u << CLEW_VERDICT_NEW | 1u << CLEW_VERDICT_GONE), 0);
    check_explanations(comparison);
    clew_comparison_free(comparison);
    clew_baseline_free(before);
    clew_baseline_free(after);
}

/* The time of whole traces: what waits for nobody, and when nothing ran. */
Test(baseline, takes_whole_traces) {
    static const struct build_span spans[] = {
        {.id = "1", .start = 100 * MS, .end = 110 * MS, .service = "a", .operation = "send"},
        {.id = "2", .parent = "1", .start = 130 * MS, .end = 150 * MS, .service = "b", .operation = "take"},
    };
    static const clew_path_options whole = {.struct_size = sizeof whole, .scope = CLEW_SCOPE_TRACE};
    struct build_span slower[] = {spans[0], spans[1]};
    struct build_span *const both[] = {(struct build_span *)(uintptr_t)spans, slower};
    clew_baseline *baselines[2];
    slower[1].start = 135 * MS;
    slower[1].end = 157 * MS;
    for (size_t i = 0; i < 2; i++) {
        struct built built = build_trace(both[i], COUNT(spans), NULL);
        clew_critical_path *path = clew_critical_path_new(built.trace, &whole);
        baselines[i] = clew_baseline_new(NULL);
        cr_assert_eq(clew_baseline_add(baselines[i], built.trace, path), CLEW_OK);
        clew_critical_path_free(path);
        build_free(&built);
    }
    clew_comparison *comparison = compare(baselines[0], baselines[1]);
    check_explanations(comparison);
    cr_assert_eq(comparison->explanation_count, 1);
    const clew_explanation *explanation = &comparison->explanations[0];
    cr_expect_eq(comparison->rows[0].service.size, 0);
    cr_expect_eq(explanation->nano, (int64_t)(7 * MS));
    cr_assert_eq(explanation->contribution_count, 2);
    cr_expect_eq(explanation->contributions[0].kind, CLEW_COMPARISON_IDLE);
    cr_expect_eq(explanation->contributions[0].nano, (int64_t)(5 * MS));
    cr_expect(text_is(explanation->contributions[1].operation, "take"));
    clew_comparison_free(comparison);
    clew_baseline_free(baselines[0]);
    clew_baseline_free(baselines[1]);
}

/* Recorded waits bring spans of one request into another's path. */
Test(baseline, charges_a_wait_for_another_request_to_the_one_that_waits) {
    static const struct build_span spans[] = {
        {.id = "1",
         .start = 100,
         .end = 200,
         .service = "a",
         .operation = "reader",
         .waits = {{.target = "3", .start = 120, .duration = 50}}},
        {.id = "2", .start = 90, .end = 300, .service = "b", .operation = "writer"},
        {.id = "3", .parent = "2", .start = 95, .end = 180, .service = "b", .operation = "write"},
    };
    struct analysed analysed = analyse(spans, COUNT(spans));
    clew_baseline *before = clew_baseline_new(NULL), *after = clew_baseline_new(NULL), *again;
    cr_assert_eq(clew_baseline_add(before, analysed.built.trace, analysed.path), CLEW_OK);
    analysed_free(&analysed);
    analysed = analyse(spans, 1);
    cr_assert_eq(clew_baseline_add(after, analysed.built.trace, analysed.path), CLEW_OK);
    struct bytes bytes = encode(before);
    cr_assert_eq(clew_baseline_decode(bytes.data, bytes.size, &again), CLEW_OK);
    clew_comparison *comparison = compare(again, after);
    check_explanations(comparison);
    cr_assert_eq(comparison->explanation_count, 1);
    cr_assert_eq(comparison->explanations[0].contribution_count, 2);
    cr_expect_eq(llabs(comparison->explanations[0].contributions[0].nano), 50);
    cr_expect_eq(llabs(comparison->explanations[0].contributions[1].nano), 50);
    clew_comparison_free(comparison);
    clew_memory_release(bytes.data);
    clew_baseline_free(before);
    clew_baseline_free(after);
    clew_baseline_free(again);
    analysed_free(&analysed);
}

Test(baseline, refuses_requests_of_more_than_a_century) {
    static const struct build_span long_ago[] = {{.id = "1", .start = 1, .end = UINT64_MAX, .service = "a"}};
    struct analysed analysed = analyse(long_ago, 1);
    clew_baseline *baseline = clew_baseline_new(NULL);
    cr_expect_eq(clew_baseline_add(baseline, analysed.built.trace, analysed.path), CLEW_ELIMIT);
    cr_expect_eq(clew_baseline_get_stats(baseline).dropped, 1);
    cr_expect_eq(clew_baseline_get_stats(baseline).requests, 0);
    cr_expect_eq(clew_baseline_merge(baseline, baseline), CLEW_EINVAL);
    clew_baseline_free(baseline);
    analysed_free(&analysed);
}

/* No recursion: every span is a context of its own below the one before. */
Test(baseline, takes_a_trace_of_any_depth) {
    enum { DEPTH = 15000 };
    struct build_span *spans = calloc(DEPTH, sizeof *spans);
    char(*ids)[12] = calloc(DEPTH, sizeof *ids);
    clew_baseline_options options = {.struct_size = sizeof options, .key_limit = 2 * DEPTH};
    clew_baseline *baseline = clew_baseline_new(&options), *again;
    for (uint32_t i = 0; i < DEPTH; i++) {
        snprintf(ids[i], sizeof ids[i], "%x", i + 1);
        spans[i] = (struct build_span){.id = ids[i],
                                       .parent = i ? ids[i - 1] : NULL,
                                       .start = i,
                                       .end = UINT64_C(3) * DEPTH - i,
                                       .service = "a",
                                       .operation = "b"};
    }
    struct analysed analysed = analyse(spans, DEPTH);
    cr_assert_eq(clew_baseline_add(baseline, analysed.built.trace, analysed.path), CLEW_OK);
    cr_expect_eq(clew_baseline_get_stats(baseline).keys, DEPTH + 2);
    struct bytes bytes = encode(baseline);
    cr_assert_eq(clew_baseline_decode(bytes.data, bytes.size, &again), CLEW_OK);
    clew_comparison *comparison = compare(baseline, again);
    check_explanations(comparison);
    cr_expect_eq(comparison->explanations[0].contribution_count, 0);
    clew_comparison_free(comparison);
    clew_memory_release(bytes.data);
    clew_baseline_free(baseline);
    clew_baseline_free(again);
    analysed_free(&analysed);
    free(spans);
    free(ids);
    CLEW_NO_LEAKS();
}

Test(baseline, leaves_errno_alone) {
    struct traffic slower = usual;
    slower.database = 100; /* so sure that its p is no number any more: ERANGE */
    clew_baseline *before = simulate(1, 1500, &usual), *after = simulate(2, 1500, &slower);
    errno = E2BIG;
    clew_comparison *comparison = compare(before, after);
    cr_expect_eq(errno, E2BIG);
    clew_comparison_free(comparison);
    clew_baseline_free(before);
    clew_baseline_free(after);
}

/* ---- no memory ---- */

/* Adds, merges, writes, reads and compares with so many allocations; returns whether all went well. What
 * sums there are stay consistent: the bytes can be read. */
static bool work_with(int allocations, const struct set *set) {
    clew_baseline *baseline = clew_baseline_new(NULL), *other = clew_baseline_new(NULL), *again = NULL;
    clew_comparison *comparison = NULL;
    struct bytes bytes = {NULL, 0};
    bool is_done = false;
    allocations_left = allocations;
    for (uint32_t i = 0; i < 4; i++)
        clew_baseline_add(baseline, set->traces[i].built.trace, set->traces[i].path);
    int merged = clew_baseline_merge(other, baseline);
    bytes.data = clew_baseline_encode(other, &bytes.size);
    if (bytes.data && clew_baseline_decode(bytes.data, bytes.size, &again) == CLEW_OK) {
        comparison = clew_comparison_new(baseline, again, NULL);
        is_done = comparison && merged == CLEW_OK;
    }
    clew_comparison_free(comparison);
    clew_memory_release(bytes.data);
    clew_baseline_free(again);
    allocations_left = INT32_MAX;
    bytes = encode(other);
    cr_assert_eq(clew_baseline_decode(bytes.data, bytes.size, &again), CLEW_OK);
    clew_memory_release(bytes.data);
    comparison = compare(baseline, again);
    check_explanations(comparison);
    clew_comparison_free(comparison);
    clew_baseline_free(again);
    clew_baseline_free(baseline);
    clew_baseline_free(other);
    return is_done;
}

Test(baseline, survives_that_memory_runs_out_anywhere, .init = make_memory_scarce) {
    struct random random = {7};
    struct set set;
    int allocations = 0;
    allocations_left = INT32_MAX;
    make_set(&set, &random, false);
    while (!work_with(allocations, &set))
        allocations++;
    cr_expect_gt(allocations, 100);
    free_set(&set);
    CLEW_NO_LEAKS();
}
