/* Owns the rows of comparisons: tests, their false discovery rate, verdicts. One thread at a time. */
#include "sdk/analysis/compare.h"

#include "sdk/containers/sort.h"
#include "sdk/measure/statistics.h"

#include <clew/extend.h>

#include <math.h>

/* Of the bootstrap: the same for every row, so that a row depends on nothing but itself. */
#define SEED UINT64_C(1)

/* Of a row: slower, failing, calling. */
enum { TESTS = 3 };

/* A row while it is judged. */
struct judged {
    clew_comparison_row row;
    uint32_t at;                            /* in `all` */
    double exposure_before, exposure_after; /* what calls are counted by */
};

struct judging {
    struct clew__comparing *comparing;
    struct judged *judged;
    uint32_t count;
};

/* Values of both sides, with the zeros of requests that have none. */
struct values {
    struct clew__sketch before, after;
};

static const clew_estimate no_estimate = {NAN, NAN, NAN};

static clew_estimate estimate_of(struct clew__interval interval) {
    return (clew_estimate){interval.estimate, interval.low, interval.high};
}

/* ---- values ---- */

static bool make_side(const struct clew__row *row, bool is_of_request, uint64_t requests,
                      struct clew__sketch *out) {
    clew__sketch_init(out);
    if (row && clew_sketch_merge(out, &row->values) != CLEW_OK)
        return false;
    uint64_t zeros = is_of_request && requests > out->observations ? requests - out->observations : 0;
    return clew_sketch_add(out, 0, zeros) == CLEW_OK;
}

static void free_values(struct values *values) {
    clew__sketch_fini(&values->before);
    clew__sketch_fini(&values->after);
}

static bool make_values(const struct clew__comparing *comparing, const struct judged *judged,
                        struct values *out) {
    bool is_of_request = clew__is_of_request(judged->row.kind);
    clew__sketch_init(&out->after);
    if (make_side(clew__row_before(comparing, judged->at), is_of_request, judged->row.before.requests,
                  &out->before) &&
        make_side(clew__row_after(comparing, judged->at), is_of_request, judged->row.after.requests,
                  &out->after))
        return true;
    free_values(out);
    return false;
}

static void fill_side(clew_comparison_side *side, const struct clew__row *row,
                      const struct clew__sketch *values) {
    side->values = values->observations;
    if (row && row->key.kind != CLEW_COMPARISON_EDGE_GAP) {
        side->calls = row->calls;
        side->errors = row->errors;
    }
    (void)(clew_sketch_quantile(values, 0.5, &side->p50) && clew_sketch_quantile(values, 0.95, &side->p95) &&
           clew_sketch_quantile(values, 0.99, &side->p99));
    if (row && side->values > 0)
        side->mean = (double)row->nano / (double)side->values;
}

/* ---- tests ---- */

static void test_slower(const struct judging *judging, struct judged *judged, const struct values *values) {
    uint64_t least = judging->comparing->options.least_count;
    struct clew__rank_test test;
    if (judged->row.before.values < least || judged->row.after.values < least ||
        (values->before.max == 0 && values->after.max == 0) ||
        !clew__rank_test(&values->before, &values->after, &test))
        return;
    judged->row.slower.p = test.p;
    judged->row.z = test.z;
    judged->row.delta = test.cliff;
}

static void test_failing(const struct judging *judging, struct judged *judged) {
    const clew_comparison_side *before = &judged->row.before, *after = &judged->row.after;
    uint64_t least = judging->comparing->options.least_count;
    if (before->calls > 0)
        judged->row.errors_before = estimate_of(clew__proportion(before->errors, before->calls, CLEW__Z_99));
    if (after->calls > 0)
        judged->row.errors_after = estimate_of(clew__proportion(after->errors, after->calls, CLEW__Z_99));
    if (before->calls == 0 || after->calls == 0)
        return;
    judged->row.error_shift = estimate_of(
        clew__proportion_difference(before->errors, before->calls, after->errors, after->calls, CLEW__Z_99));
    if (before->calls < least || after->calls < least || (before->errors == 0 && after->errors == 0))
        return;
    judged->row.failing.p = clew__proportion_test(before->errors, before->calls, after->errors, after->calls);
}

/* Squared distances of the requests' calls from their mean. */
static double squares_of(const struct clew__row *row, uint64_t requests) {
    double calls = row ? (double)row->calls : 0;
    double squares = row ? (double)row->squares - calls * calls / (double)requests : 0;
    return squares > 0 ? squares : 0;
}

/* How much more the calls of requests vary than those of a Poisson process do: so many count as one. */
static double dispersion_of(const struct clew__row *before, uint64_t requests_before,
                            const struct clew__row *after, uint64_t requests_after) {
    double calls = (double)clew__calls_of(before) + (double)clew__calls_of(after);
    double ratio = (squares_of(before, requests_before) + squares_of(after, requests_after)) / calls;
    return ratio > 1 ? ratio : 1;
}

static uint64_t clusters_of(uint64_t calls, double dispersion) {
    double clusters = (double)calls / dispersion + 0.5;
    return clusters < (double)UINT64_MAX ? (uint64_t)clusters : UINT64_MAX;
}

static void test_calling(const struct judging *judging, struct judged *judged) {
    const struct clew__row *before = clew__row_before(judging->comparing, judged->at);
    const struct clew__row *after = clew__row_after(judging->comparing, judged->at);
    uint64_t calls_before = judged->row.before.calls, calls_after = judged->row.after.calls;
    double dispersion = 1;
    if ((calls_before == 0 && calls_after == 0) || judged->exposure_before <= 0 ||
        judged->exposure_after <= 0)
        return;
    if (judged->row.kind != CLEW_COMPARISON_ROOT)
        dispersion = dispersion_of(before, judged->row.before.requests, after, judged->row.after.requests);
    struct clew__rate_test test =
        clew__rate_test(clusters_of(calls_before, dispersion), judged->exposure_before,
                        clusters_of(calls_after, dispersion), judged->exposure_after, CLEW__Z_99);
    judged->row.call_ratio = estimate_of(test.ratio);
    judged->row.call_ratio.value =
        ((double)calls_after / judged->exposure_after) / ((double)calls_before / judged->exposure_before);
    judged->row.calling.p = test.p;
}

/* ---- the rows ---- */

static bool is_judged(const struct clew__comparing *comparing, uint32_t at) {
    const struct clew__row_key *key = &clew__row_at(comparing->all, at)->key;
    const struct clew__row *before = clew__row_before(comparing, at), *after = clew__row_after(comparing, at);
    if (key->kind == CLEW_COMPARISON_ROOT)
        return clew__calls_of(before) > 0 || clew__calls_of(after) > 0;
    if (key->kind == CLEW_COMPARISON_OTHER)
        return false;
    if (clew__calls_of(clew__row_before(comparing, key->root)) == 0 ||
        clew__calls_of(clew__row_after(comparing, key->root)) == 0)
        return false;
    return (before && (before->calls > 0 || before->nano > 0)) ||
           (after && (after->calls > 0 || after->nano > 0));
}

static uint64_t requests_of(const clew_comparison_side *root, uint64_t least) {
    return root->requests >= least ? root->requests : 0;
}

static void begin_row(const struct judging *judging, struct judged *judged, uint32_t at) {
    const struct clew__comparing *comparing = judging->comparing;
    const struct clew__row_key *key = &clew__row_at(comparing->all, at)->key;
    struct clew__row_texts texts = clew__row_texts_of(comparing->all, at);
    uint32_t root = key->kind == CLEW_COMPARISON_ROOT ? at : key->root;
    clew_comparison_row *row = &judged->row;
    uint64_t least = comparing->options.least_count;
    *judged = (struct judged){.at = at};
    row->kind = texts.kind;
    row->service = texts.a;
    row->operation = texts.b;
    row->client = texts.client;
    if (row->kind == CLEW_COMPARISON_ROOT && key->c == CLEW__ROOT_OTHER)
        row->service = (clew_text){CLEW_COMPARISON_OTHERS, sizeof CLEW_COMPARISON_OTHERS - 1};
    row->root = root;
    row->context = CLEW_NO_SPAN;
    row->before.requests = clew__calls_of(clew__row_before(comparing, root));
    row->after.requests = clew__calls_of(clew__row_after(comparing, root));
    row->slower = row->failing = row->calling = (clew_significance){NAN, NAN};
    row->z = row->delta = NAN;
    row->shift = row->p50_shift = row->p95_shift = row->p99_shift = no_estimate;
    row->errors_before = row->errors_after = row->error_shift = row->call_ratio = no_estimate;
    if (row->kind != CLEW_COMPARISON_ROOT) {
        judged->exposure_before = (double)requests_of(&row->before, least);
        judged->exposure_after = (double)requests_of(&row->after, least);
    } else if (comparing->before->requests >= least && comparing->after->requests >= least) {
        judged->exposure_before = (double)(comparing->before->end - comparing->before->start) / 1e9;
        judged->exposure_after = (double)(comparing->after->end - comparing->after->start) / 1e9;
    }
}

static bool test_row(struct judging *judging, uint32_t at) {
    struct judged *judged = &judging->judged[judging->count];
    struct values values;
    begin_row(judging, judged, at);
    if (!make_values(judging->comparing, judged, &values))
        return false;
    fill_side(&judged->row.before, clew__row_before(judging->comparing, at), &values.before);
    fill_side(&judged->row.after, clew__row_after(judging->comparing, at), &values.after);
    test_slower(judging, judged, &values);
    test_failing(judging, judged);
    test_calling(judging, judged);
    free_values(&values);
    judging->count++;
    return true;
}

/* The tests of all rows in a row. */
static clew_significance *test_at(const struct judging *judging, size_t number) {
    clew_comparison_row *row = &judging->judged[number / TESTS].row;
    clew_significance *tests[TESTS] = {&row->slower, &row->failing, &row->calling};
    return tests[number % TESTS];
}

/* Over all tests of all rows. */
static bool find_false_discovery(struct judging *judging) {
    size_t most = (size_t)judging->count * TESTS, count = 0;
    double *p = (double *)clew_memory_allocate((2 * most + 1) * sizeof *p), *q = p ? p + most : NULL;
    if (!p)
        return false;
    for (size_t i = 0; i < most; i++) {
        if (!isnan(test_at(judging, i)->p))
            p[count++] = test_at(judging, i)->p;
    }
    bool is_done = count == 0 || clew__false_discovery(p, q, count);
    judging->comparing->comparison.tests = (uint32_t)count;
    for (size_t i = most; is_done && i-- > 0;) {
        if (!isnan(test_at(judging, i)->p))
            test_at(judging, i)->q = q[--count];
    }
    clew_memory_release(p);
    return is_done;
}

/* ---- verdicts ---- */

static void give(clew_comparison_row *row, clew_verdict verdict) {
    row->verdicts |= 1u << verdict;
}

static bool is_discovery(const struct judging *judging, clew_significance test) {
    return test.q < judging->comparing->options.false_discovery;
}

static bool is_clearly_moved(const struct judging *judging, const clew_comparison_row *row) {
    return is_discovery(judging, row->slower) && fabs(row->delta) >= judging->comparing->options.least_delta;
}

static bool has_zeros(const struct values *values) {
    return values->before.min == 0 || values->after.min == 0;
}

/* What many requests do not have at all may have a median of differences of 0: then it is the mean that
 * says how much the change matters. */
static double effect_of(const clew_comparison_row *row, const struct values *values) {
    double mean = row->after.mean - row->before.mean;
    bool is_same_way = mean > 0 ? row->delta > 0 : row->delta < 0;
    if (clew__is_of_request(row->kind) && has_zeros(values) && is_same_way &&
        fabs(mean) > fabs(row->shift.value))
        return mean;
    return row->shift.value;
}

static void judge_slower(const struct judging *judging, clew_comparison_row *row,
                         const struct values *values) {
    const clew_comparison_options *options = &judging->comparing->options;
    double effect = effect_of(row, values);
    double least =
        fmax(options->least_shift_share * (double)row->before.p50, (double)options->least_shift_nano);
    if (!is_clearly_moved(judging, row) || fabs(effect) < least)
        return;
    if (row->delta > 0 && effect > 0)
        give(row, CLEW_VERDICT_REGRESSION);
    if (row->delta < 0 && effect < 0)
        give(row, CLEW_VERDICT_IMPROVEMENT);
}

static void judge_failing(const struct judging *judging, clew_comparison_row *row) {
    if (!is_discovery(judging, row->failing) ||
        fabs(row->error_shift.value) < judging->comparing->options.least_error_share)
        return;
    give(row, row->error_shift.value > 0 ? CLEW_VERDICT_ERRORS : CLEW_VERDICT_IMPROVEMENT);
}

/* What went into `(other)` on one side is not known to be missing there. */
static bool has_other(const struct clew__comparing *comparing, const struct clew_baseline *side, uint32_t at,
                      const uint32_t *in_side) {
    const struct clew__row_key *key = &clew__row_at(comparing->all, at)->key;
    struct clew__row_key other = {.kind = CLEW_COMPARISON_ROOT, .c = CLEW__ROOT_OTHER};
    if (key->kind != CLEW_COMPARISON_ROOT)
        other = (struct clew__row_key){.root = in_side[key->root], .kind = CLEW_COMPARISON_OTHER};
    return clew__table_find(&side->rows, &other) != CLEW__NO_ROW;
}

static void judge_calling(const struct judging *judging, struct judged *judged) {
    const struct clew__comparing *comparing = judging->comparing;
    clew_comparison_row *row = &judged->row;
    if (!is_discovery(judging, row->calling) ||
        fabs(row->call_ratio.value - 1) < comparing->options.least_call_share)
        return;
    if (row->before.calls > 0 && row->after.calls > 0)
        give(row, CLEW_VERDICT_TRAFFIC);
    else if (row->before.calls == 0 &&
             !has_other(comparing, comparing->before, judged->at, comparing->in_before))
        give(row, CLEW_VERDICT_NEW);
    else if (row->after.calls == 0 &&
             !has_other(comparing, comparing->after, judged->at, comparing->in_after))
        give(row, CLEW_VERDICT_GONE);
}

static bool measure_shifts(clew_comparison_row *row, const struct values *values) {
    static const double quantiles[] = {0.5, 0.95, 0.99};
    clew_estimate *shifts[] = {&row->p50_shift, &row->p95_shift, &row->p99_shift};
    struct clew__interval interval;
    if (clew__shift(&values->before, &values->after, CLEW__Z_99, &interval) != CLEW_OK)
        return false;
    row->shift = estimate_of(interval);
    for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++) {
        if (clew__quantile_shift(&values->before, &values->after, quantiles[i], CLEW__Z_99, SEED,
                                 &interval) != CLEW_OK)
            return false;
        *shifts[i] = estimate_of(interval);
    }
    return true;
}

static void conclude(clew_comparison_row *row) {
    bool is_tested = !isnan(row->slower.p) || !isnan(row->failing.p) || !isnan(row->calling.p);
    if (row->verdicts == 0)
        give(row, is_tested ? CLEW_VERDICT_SAME : CLEW_VERDICT_UNKNOWN);
    row->verdict = (clew_verdict)__builtin_ctz(row->verdicts);
}

static bool judge_row(const struct judging *judging, struct judged *judged) {
    clew_comparison_row *row = &judged->row;
    judge_failing(judging, row);
    judge_calling(judging, judged);
    bool is_wanted = row->kind == CLEW_COMPARISON_ROOT || row->verdicts != 0 ||
                     judging->comparing->options.has_all || is_clearly_moved(judging, row);
    if (is_wanted && !isnan(row->slower.p)) {
        struct values values;
        if (!make_values(judging->comparing, judged, &values))
            return false;
        bool is_done = measure_shifts(row, &values);
        judge_slower(judging, row, &values);
        free_values(&values);
        if (!is_done)
            return false;
    }
    conclude(row);
    return true;
}

/* ---- the report ---- */

static bool is_reported(const struct judging *judging, const clew_comparison_row *row) {
    return judging->comparing->options.has_all || row->kind == CLEW_COMPARISON_ROOT ||
           row->verdict < CLEW_VERDICT_SAME;
}

static uint64_t size_of(const clew_comparison_row *row) {
    double size = fabs(row->after.mean - row->before.mean);
    return size < (double)INT64_MAX ? (uint64_t)size : INT64_MAX;
}

static bool report_rows(struct judging *judging) {
    struct clew__comparing *comparing = judging->comparing;
    clew_comparison_row *rows;
    uint32_t count = 0;
    struct clew__sort_key *keys =
        (struct clew__sort_key *)clew_memory_allocate(2 * ((size_t)judging->count + 1) * sizeof *keys);
    if (!keys)
        return false;
    for (uint32_t i = 0; i < judging->count; i++) {
        const clew_comparison_row *row = &judging->judged[i].row;
        comparing->comparison.verdicts |= row->verdicts;
        if (is_reported(judging, row))
            keys[count++] = (struct clew__sort_key){(uint64_t)row->verdict << 32 | row->kind,
                                                    UINT64_MAX - size_of(row), i};
    }
    /* Rows are in the order of their names; those that are alike stay in it. */
    clew__sort_keys(keys, keys + judging->count + 1, count, NULL, NULL);
    rows = (clew_comparison_row *)clew__arena_take(&comparing->arena, count, sizeof *rows);
    for (uint32_t i = 0; rows && i < count; i++) {
        rows[i] = judging->judged[keys[i].index].row;
        comparing->reported[judging->judged[keys[i].index].at] = i;
    }
    for (uint32_t i = 0; rows && i < count; i++)
        rows[i].root = comparing->reported[rows[i].root];
    clew_memory_release(keys);
    comparing->comparison.rows = rows;
    comparing->comparison.row_count = count;
    return rows != NULL;
}

/* Those of reported rows and what is above them, in the order of rows: parents come first. */
static bool report_contexts(struct clew__comparing *comparing) {
    const struct clew_baseline *all = comparing->all;
    uint32_t count = 0, rows = all->rows.count;
    uint32_t *index = (uint32_t *)clew__arena_take(&comparing->arena, rows, sizeof *index);
    clew_comparison_row *out = (clew_comparison_row *)(uintptr_t)comparing->comparison.rows;
    if (!index)
        return false;
    for (uint32_t i = rows; i-- > 0;) {
        uint32_t at = comparing->order.rows[i];
        const struct clew__row_key *key = &clew__row_at(all, at)->key;
        bool is_needed = index[at] != 0 || comparing->reported[at] != CLEW__NO_ROW;
        if (key->kind != CLEW_COMPARISON_CONTEXT || !is_needed)
            continue;
        index[at] = 1;
        count++;
        if (key->c != CLEW__NO_ROW)
            index[key->c] = 1;
    }
    clew_comparison_context *contexts =
        (clew_comparison_context *)clew__arena_take(&comparing->arena, count, sizeof *contexts);
    if (!contexts)
        return false;
    comparing->comparison.contexts = contexts;
    for (uint32_t i = 0; i < rows; i++) {
        uint32_t at = comparing->order.rows[i], number = comparing->comparison.context_count;
        const struct clew__row_key *key = &clew__row_at(all, at)->key;
        if (key->kind != CLEW_COMPARISON_CONTEXT || index[at] == 0)
            continue;
        index[at] = number;
        contexts[number] =
            (clew_comparison_context){.service = clew__names_get(&all->names, key->a),
                                      .operation = clew__names_get(&all->names, key->b),
                                      .parent = key->c == CLEW__NO_ROW ? CLEW_NO_SPAN : index[key->c]};
        comparing->comparison.context_count++;
        if (comparing->reported[at] != CLEW__NO_ROW)
            out[comparing->reported[at]].context = number;
    }
    return true;
}

bool clew__compare_rows(struct clew__comparing *comparing) {
    struct judging judging = {.comparing = comparing};
    uint32_t rows = comparing->all->rows.count;
    judging.judged = (struct judged *)clew_memory_allocate(((size_t)rows + 1) * sizeof *judging.judged);
    bool is_done = judging.judged != NULL;
    for (uint32_t i = 0; is_done && i < rows; i++) {
        if (is_judged(comparing, comparing->order.rows[i]))
            is_done = test_row(&judging, comparing->order.rows[i]);
    }
    is_done = is_done && find_false_discovery(&judging);
    for (uint32_t i = 0; is_done && i < judging.count; i++)
        is_done = judge_row(&judging, &judging.judged[i]);
    is_done = is_done && report_rows(&judging) && report_contexts(comparing);
    comparing->comparison.keys = judging.count;
    clew_memory_release(judging.judged);
    return is_done;
}
