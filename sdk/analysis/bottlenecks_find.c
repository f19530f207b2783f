/* Which patterns are worth saying, and what each would save. Reads the sums alone.
 *
 * Each rule states how often and how much at least: what is below stays unsaid. What shows in one trace
 * (loops, series, gaps, retries) needs no more than one; what is a statement about a distribution needs
 * STATISTICS_MIN calls. */
#include "sdk/analysis/bottlenecks.h"

#include "sdk/containers/names.h"

#include <clew/extend.h>

#include <stdlib.h>
#include <string.h>

#define MILLION 1000000u
#define PERCENT 10000u /* parts of a million */

/* Calls that a statement about a distribution rests on, at least. */
#define STATISTICS_MIN 20u
#define TAIL_MIN 100u /* for a 99th percentile */

#define GAP_SHARE_PPM (40u * PERCENT)         /* of the calls: between their two sides */
#define RETRY_ATTEMPTS_MIN 3u                 /* in all */
#define LEAD_SHARE_PPM (30u * PERCENT)        /* of the operation: before its first child */
#define LEAD_FACTOR 4u                        /* the 90th percentile of that by its 10th: else it is work */
#define COLD_FACTOR 10u                       /* the first call by the median */
#define COLD_SAVINGS 10u                      /* and it is slower by so many times the least saving */
#define TAIL_FACTOR 10u                       /* p99 by p50 */
#define OVER_FETCH_SHARE_PPM (50u * PERCENT)  /* of all requests' time: work that is never waited for */
#define OVER_FETCH_ON_PATH_PPM (5u * PERCENT) /* of traces with it: where it is on the path after all */
#define DOMINANT_SHARE_PPM (60u * PERCENT)    /* of all requests' time */
#define DOMINANT_OPERATIONS 5u                /* among so many at least */

struct view {
    clew_bottlenecks_view shown; /* first */
    struct clew__arena arena;
};

struct finding {
    const clew_bottlenecks *bottlenecks;
    struct view *view;
    clew_bottleneck *findings;
    bool has_failed;
};

static uint64_t share_ppm(uint64_t part, uint64_t whole) {
    if (whole == 0)
        return 0;
    clew__wide_number share = (clew__wide_number)part * MILLION / whole;
    return share > UINT64_MAX ? UINT64_MAX : (uint64_t)share;
}

static uint64_t divide(uint64_t sum, uint64_t count) {
    return count ? sum / count : 0;
}

static clew_text copy(struct finding *finding, clew__text text) {
    clew_text copied =
        clew__arena_text(&finding->view->arena, clew__texts_get(finding->bottlenecks->texts, text));
    finding->has_failed |= copied.data == NULL;
    return copied;
}

static void prove(clew_bottleneck *found, const char *name, uint64_t value) {
    found->evidence[found->evidence_count++] = (clew_evidence){name, value};
}

/* What has a number enough to be said. */
static bool is_worth(const struct finding *finding, uint64_t saving, uint64_t traces) {
    return traces > 0 &&
           share_ppm(saving, finding->bottlenecks->total) >= finding->bottlenecks->min_share_ppm &&
           saving / traces >= finding->bottlenecks->min_saving;
}

static clew_bottleneck *begin(struct finding *finding, clew_bottleneck_kind kind, uint64_t traces,
                              uint64_t saving) {
    clew_bottleneck *found = &finding->findings[finding->view->shown.finding_count++];
    *found = (clew_bottleneck){.kind = kind,
                               .traces = traces,
                               .saving = saving,
                               .saving_a_trace = divide(saving, traces),
                               .saving_ppm = share_ppm(saving, finding->bottlenecks->total)};
    return found;
}

static void end(struct finding *finding, clew_bottleneck *found, const struct clew__exemplars *exemplars) {
    char text[CLEW__SENTENCE_SIZE];
    size_t size = clew__bottleneck_say(found, text);
    found->text = clew__arena_text(&finding->view->arena, (clew_text){text, size});
    finding->has_failed |= found->text.data == NULL ||
                           !clew__exemplar_show(exemplars, finding->bottlenecks->texts, &finding->view->arena,
                                                found->exemplars, &found->exemplar_count);
}

/* Patterns of single traces. */

static bool is_case(const struct finding *finding, const struct clew__case *row) {
    if (!is_worth(finding, row->saving, row->traces))
        return false;
    switch ((clew_bottleneck_kind)row->kind) {
    case CLEW_BOTTLENECK_SERIAL_FAN_OUT:
        return row->against == 0;
    case CLEW_BOTTLENECK_SLOW_EDGE:
        return share_ppm(row->saving, row->time) >= GAP_SHARE_PPM;
    case CLEW_BOTTLENECK_RETRY_STORM:
        return row->calls >= RETRY_ATTEMPTS_MIN;
    default:
        return true;
    }
}

static void find_case(struct finding *finding, const struct clew__case *row) {
    clew_bottleneck *found;
    if (!is_case(finding, row))
        return;
    found = begin(finding, (clew_bottleneck_kind)row->kind, row->traces, row->saving);
    found->caller_service = copy(finding, row->caller_service);
    found->caller_operation = copy(finding, row->caller_operation);
    found->service = copy(finding, row->service);
    found->operation = copy(finding, row->operation);
    prove(found, "calls", row->calls);
    prove(found, "callsEach", divide(row->calls, row->groups));
    prove(found, "groups", row->groups);
    prove(found, "criticalNano", row->time);
    prove(found, "sharePpm", share_ppm(row->saving, row->time));
    end(finding, found, &row->exemplars);
}

/* Statements about operations. */

static clew_bottleneck *begin_operation(struct finding *finding, clew_bottleneck_kind kind,
                                        const struct clew__operation_sum *sum, uint64_t traces,
                                        uint64_t saving) {
    clew_bottleneck *found = begin(finding, kind, traces, saving);
    found->service = copy(finding, sum->service);
    found->operation = copy(finding, sum->operation);
    return found;
}

static void find_queue(struct finding *finding, const struct clew__operation_sum *sum) {
    uint64_t usual = clew__histogram_quantile(&sum->lead, 10 * PERCENT);
    uint64_t often = clew__histogram_quantile(&sum->lead, 90 * PERCENT);
    uint64_t saving = clew__histogram_excess(&sum->lead, usual);
    clew_bottleneck *found;
    if (sum->lead.count < STATISTICS_MIN || often / LEAD_FACTOR < usual ||
        share_ppm(saving, sum->lead_duration) < LEAD_SHARE_PPM || !is_worth(finding, saving, sum->on_path))
        return;
    found = begin_operation(finding, CLEW_BOTTLENECK_QUEUE_WAIT, sum, sum->on_path, saving);
    prove(found, "calls", sum->lead.count);
    prove(found, "usualNano", usual);
    prove(found, "p90Nano", often);
    prove(found, "sharePpm", share_ppm(saving, sum->lead_duration));
    end(finding, found, &sum->exemplars);
}

/* One call is a small share of many: the bound is on what it lost alone. */
static void find_cold_start(struct finding *finding, const struct clew__operation_sum *sum) {
    uint64_t median = clew__histogram_quantile(&sum->own, 50 * PERCENT), excess;
    clew_bottleneck *found;
    if (sum->own.count < STATISTICS_MIN || !sum->has_first || sum->first.own < sum->longest ||
        sum->first.own / COLD_FACTOR < median)
        return;
    excess = sum->first.own - median;
    if (excess / COLD_SAVINGS < finding->bottlenecks->min_saving)
        return;
    found = begin_operation(finding, CLEW_BOTTLENECK_COLD_START, sum, 1, excess);
    prove(found, "calls", sum->own.count);
    prove(found, "firstNano", sum->first.own);
    prove(found, "medianNano", median);
    end(finding, found, &sum->exemplars);
}

static void find_over_fetch(struct finding *finding, const struct clew__operation_sum *sum) {
    clew_bottleneck *found;
    if (sum->traces < STATISTICS_MIN || share_ppm(sum->on_path, sum->traces) > OVER_FETCH_ON_PATH_PPM ||
        share_ppm(sum->off_duration, finding->bottlenecks->total) < OVER_FETCH_SHARE_PPM ||
        !is_worth(finding, sum->off_duration, sum->traces))
        return;
    found = begin_operation(finding, CLEW_BOTTLENECK_OVER_FETCH, sum, sum->traces, sum->off_duration);
    prove(found, "calls", sum->off_count);
    prove(found, "onPathPpm", share_ppm(sum->on_path, sum->traces));
    prove(found, "offPathNano", sum->off_duration);
    end(finding, found, &sum->exemplars);
}

/* True when there is such a split: what is called a long tail then is its slow side. */
static bool find_split(struct finding *finding, const struct clew__operation_sum *sum) {
    struct clew__split split;
    clew_bottleneck *found;
    uint64_t saving;
    if (sum->own.count < 2 * STATISTICS_MIN || !clew__histogram_split(&sum->own, &split))
        return false;
    saving = clew__saturated_product(split.slow_count, split.slow_mean - split.fast_mean);
    if (!is_worth(finding, saving, sum->on_path))
        return false;
    found = begin_operation(finding, CLEW_BOTTLENECK_CACHE_SPLIT, sum, sum->on_path, saving);
    prove(found, "calls", sum->own.count);
    prove(found, "slowSharePpm", share_ppm(split.slow_count, sum->own.count));
    prove(found, "fastNano", split.fast_mean);
    prove(found, "slowNano", split.slow_mean);
    end(finding, found, &sum->exemplars);
    return true;
}

static void find_tail(struct finding *finding, const struct clew__operation_sum *sum) {
    uint64_t median = clew__histogram_quantile(&sum->own, 50 * PERCENT);
    uint64_t p95 = clew__histogram_quantile(&sum->own, 95 * PERCENT);
    uint64_t p99 = clew__histogram_quantile(&sum->own, 99 * PERCENT);
    uint64_t saving = clew__histogram_excess(&sum->own, p95);
    clew_bottleneck *found;
    if (sum->own.count < TAIL_MIN || median == 0 || p99 / TAIL_FACTOR < median ||
        !is_worth(finding, saving, sum->on_path))
        return;
    found = begin_operation(finding, CLEW_BOTTLENECK_LONG_TAIL, sum, sum->on_path, saving);
    prove(found, "calls", sum->own.count);
    prove(found, "p50Nano", median);
    prove(found, "p95Nano", p95);
    prove(found, "p99Nano", p99);
    end(finding, found, &sum->exemplars);
}

/* Half of its time: what making it twice as fast would bring. */
static void find_dominant(struct finding *finding, const struct clew__operation_sum *sum) {
    clew_bottleneck *found;
    if (finding->bottlenecks->operations.count < DOMINANT_OPERATIONS || sum->on_path < STATISTICS_MIN ||
        share_ppm(sum->own.sum, finding->bottlenecks->total) < DOMINANT_SHARE_PPM ||
        !is_worth(finding, sum->own.sum / 2, sum->on_path))
        return;
    found = begin_operation(finding, CLEW_BOTTLENECK_SINGLE_DOMINANT, sum, sum->on_path, sum->own.sum / 2);
    prove(found, "calls", sum->own.count);
    prove(found, "criticalNano", sum->own.sum);
    prove(found, "sharePpm", share_ppm(sum->own.sum, finding->bottlenecks->total));
    end(finding, found, &sum->exemplars);
}

static void find_all(struct finding *finding) {
    for (uint32_t i = 0; i < finding->bottlenecks->cases.count; i++)
        find_case(finding, clew__case_at(finding->bottlenecks, i));
    for (uint32_t i = 0; i < finding->bottlenecks->operations.count; i++) {
        const struct clew__operation_sum *sum = clew__operation_at(finding->bottlenecks, i);
        find_queue(finding, sum);
        find_cold_start(finding, sum);
        find_over_fetch(finding, sum);
        if (!find_split(finding, sum))
            find_tail(finding, sum);
        find_dominant(finding, sum);
    }
}

static int compare_findings(const void *first, const void *second) {
    const clew_bottleneck *a = (const clew_bottleneck *)first, *b = (const clew_bottleneck *)second;
    int by = (a->saving < b->saving) - (a->saving > b->saving);
    by = by ? by : (int)a->kind - (int)b->kind;
    by = by ? by : clew__text_compare(a->service, b->service);
    by = by ? by : clew__text_compare(a->operation, b->operation);
    by = by ? by : clew__text_compare(a->caller_service, b->caller_service);
    by = by ? by : clew__text_compare(a->caller_operation, b->caller_operation);
    return by ? by : clew__text_compare(a->text, b->text);
}

/* Rules for an operation, of which a split and a tail exclude each other. */
#define FINDINGS_AN_OPERATION 5u

clew_bottlenecks_view *clew_bottlenecks_view_new(const clew_bottlenecks *bottlenecks) {
    struct finding finding = {.bottlenecks = bottlenecks};
    struct clew__arena scratch = {NULL, 0, 0};
    size_t capacity =
        bottlenecks->cases.count + (size_t)bottlenecks->operations.count * FINDINGS_AN_OPERATION;
    clew_bottleneck *kept;
    bool done = false;
    finding.view = (struct view *)clew_memory_allocate(sizeof *finding.view);
    if (!finding.view)
        return NULL;
    *finding.view = (struct view){.shown = {.traces = bottlenecks->traces,
                                            .total = bottlenecks->total,
                                            .dropped = bottlenecks->dropped,
                                            .overflow = bottlenecks->overflow}};
    finding.findings = (clew_bottleneck *)clew__arena_take(&scratch, capacity, sizeof *finding.findings);
    if (finding.findings) {
        find_all(&finding);
        kept = (clew_bottleneck *)clew__arena_take(&finding.view->arena, finding.view->shown.finding_count,
                                                   sizeof *kept);
        done = kept && !finding.has_failed;
        if (done && finding.view->shown.finding_count > 0) {
            memcpy(kept, finding.findings, finding.view->shown.finding_count * sizeof *kept);
            qsort(kept, finding.view->shown.finding_count, sizeof *kept, compare_findings);
        }
        finding.view->shown.findings = kept;
    }
    clew__arena_fini(&scratch);
    if (done)
        return &finding.view->shown;
    clew_bottlenecks_view_free(&finding.view->shown);
    return NULL;
}

void clew_bottlenecks_view_free(clew_bottlenecks_view *view) {
    struct view *own = (struct view *)view;
    if (!view)
        return;
    clew__arena_fini(&own->arena);
    clew_memory_release(own);
}
