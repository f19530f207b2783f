/* Bottlenecks: of each pattern traces that show it, and traces that nearly do. */
#include "sdk/measure/histogram.h"
#include "test/support.h"
#include "test/unit/analysis/analysed.h"
#include "test/unit/analysis/scarce.h"

#include <limits.h>

#define SPANS_MAX 64

/* A trace in the making. */
struct draft {
    struct build_span spans[SPANS_MAX];
    char ids[SPANS_MAX][4];
    size_t count;
    char trace[20];
};

static struct draft *draft_begin(struct draft *draft, uint64_t number) {
    memset(draft, 0, sizeof *draft);
    snprintf(draft->trace, sizeof draft->trace, "%llx", (unsigned long long)number + 1);
    return draft;
}

/* Times in milliseconds from the start of the trace, which are 10 seconds apart. */
static struct build_span *put(struct draft *draft, int parent, double from, double to, const char *service,
                              const char *operation, clew_span_kind kind) {
    size_t at = draft->count++;
    struct build_span *span = &draft->spans[at];
    uint64_t base = strtoull(draft->trace, NULL, 16) * 10000 * MS;
    cr_assert_lt(at, SPANS_MAX);
    snprintf(draft->ids[at], sizeof draft->ids[at], "%zx", at + 1);
    *span = (struct build_span){.id = draft->ids[at],
                                .parent = parent < 0 ? NULL : draft->ids[parent],
                                .trace = draft->trace,
                                .start = base + (uint64_t)(from * (double)MS),
                                .end = base + (uint64_t)(to * (double)MS),
                                .service = service,
                                .operation = operation,
                                .kind = kind};
    return span;
}

static void add_draft(clew_bottlenecks *bottlenecks, const struct draft *draft) {
    struct analysed analysed = analyse(draft->spans, draft->count);
    cr_assert_eq(clew_bottlenecks_add(bottlenecks, analysed.built.trace, analysed.path), 0);
    analysed_free(&analysed);
}

/* Whether any finding is of that kind, and then the first. */
static bool find(const clew_bottlenecks_view *view, clew_bottleneck_kind kind, clew_bottleneck *out) {
    memset(out, 0, sizeof *out);
    for (uint32_t i = 0; i < view->finding_count; i++) {
        if (view->findings[i].kind != kind)
            continue;
        *out = view->findings[i];
        return true;
    }
    return false;
}

static uint64_t evidence(const clew_bottleneck *found, const char *name) {
    for (uint32_t i = 0; i < found->evidence_count; i++) {
        if (strcmp(found->evidence[i].name, name) == 0)
            return found->evidence[i].value;
    }
    cr_assert_fail("there is no %s", name);
    return 0;
}

/* What the traces of one kind give: `make` adds as many as it wants. */
static clew_bottlenecks_view *look(void (*make)(clew_bottlenecks *bottlenecks, int variant), int variant) {
    clew_bottlenecks *bottlenecks = clew_bottlenecks_new(NULL);
    clew_bottlenecks_view *view;
    make(bottlenecks, variant);
    view = clew_bottlenecks_view_new(bottlenecks);
    cr_assert_not_null(view);
    clew_bottlenecks_free(bottlenecks);
    return view;
}

static void expect_silence(void (*make)(clew_bottlenecks *bottlenecks, int variant), int variant) {
    clew_bottlenecks_view *view = look(make, variant);
    for (uint32_t i = 0; i < view->finding_count; i++)
        cr_expect_fail("%d: " TEXT_FORMAT, variant, TEXT_OF(view->findings[i].text));
    clew_bottlenecks_view_free(view);
}

static void expect_text(const clew_bottleneck *found, const char *text) {
    cr_expect(text_is(found->text, text), TEXT_FORMAT, TEXT_OF(found->text));
}

/* One call again and again: so many, in series or at once. */
enum { LOOP_FULL, LOOP_SHORT, LOOP_AT_ONCE, LOOP_QUICK, LOOP_MODELS };

static void make_loop(clew_bottlenecks *bottlenecks, int variant) {
    struct draft draft;
    int calls = variant == LOOP_SHORT ? 4 : 10;
    double each = variant == LOOP_QUICK ? 0.05 : 5;
    draft_begin(&draft, 1);
    put(&draft, -1, 0, 100, "shop", "GET /cart", CLEW_SERVER);
    for (int i = 0; i < calls; i++) {
        double from = variant == LOOP_AT_ONCE ? 10 + i : 10 + 6 * i;
        struct build_span *span = put(&draft, 0, from, from + each, "shop", "SELECT item", CLEW_CLIENT);
        if (variant == LOOP_MODELS)
            span->attributes[0][0] = "gen_ai.provider.name", span->attributes[0][1] = "anthropic";
    }
    add_draft(bottlenecks, &draft);
}

Test(bottlenecks, see_a_call_that_is_made_again_and_again) {
    clew_bottlenecks_view *view = look(make_loop, LOOP_FULL);
    clew_bottleneck found;
    cr_assert_eq(view->finding_count, 1);
    cr_assert(find(view, CLEW_BOTTLENECK_N_PLUS_ONE, &found));
    cr_expect_eq(found.saving, 45 * MS);
    cr_expect_eq(found.saving_a_trace, 45 * MS);
    cr_expect_eq(found.saving_ppm, 450000);
    cr_expect_eq(evidence(&found, "callsEach"), 10);
    cr_expect_eq(evidence(&found, "criticalNano"), 50 * MS);
    cr_expect(text_is(found.operation, "SELECT item"));
    cr_expect(text_is(found.caller_operation, "GET /cart"));
    cr_assert_eq(found.exemplar_count, 1);
    cr_expect(text_is(found.exemplars[0].trace_id, "00000000000000000000000000000002"));
    expect_text(&found, "shop GET /cart calls shop SELECT item 10 times in a row; asking once for all of it "
                        "would save 45.0ms of each such trace (45% of all).");
    clew_bottlenecks_view_free(view);
    CLEW_NO_LEAKS();
}

Test(bottlenecks, do_not_see_a_loop_in_few_calls_or_quick_ones_or_those_at_once_or_turns_of_an_agent) {
    expect_silence(make_loop, LOOP_SHORT);
    expect_silence(make_loop, LOOP_AT_ONCE);
    expect_silence(make_loop, LOOP_QUICK);
    expect_silence(make_loop, LOOP_MODELS);
    CLEW_NO_LEAKS();
}

enum { FAN_SERIAL, FAN_TWO, FAN_WORK_BETWEEN, FAN_ONCE_PARALLEL };

static void make_fan(clew_bottlenecks *bottlenecks, int variant) {
    static const char *const services[] = {"stock", "price", "user"};
    for (uint64_t number = 0; number < 5; number++) {
        struct draft draft;
        draft_begin(&draft, number);
        put(&draft, -1, 0, 100, "shop", "GET /", CLEW_SERVER);
        for (int i = 0; i < (variant == FAN_TWO ? 2 : 3); i++) {
            double from = variant == FAN_WORK_BETWEEN ? 5 + 30 * i : 5 + 20 * i;
            int client;
            if (variant == FAN_ONCE_PARALLEL && number == 3)
                from = 5 + i;
            client = (int)draft.count;
            put(&draft, 0, from, from + 19, "shop", services[i], CLEW_CLIENT);
            put(&draft, client, from, from + 19, services[i], "get", CLEW_SERVER);
        }
        add_draft(bottlenecks, &draft);
    }
}

Test(bottlenecks, see_calls_in_series_that_are_never_made_at_once) {
    clew_bottlenecks_view *view = look(make_fan, FAN_SERIAL);
    clew_bottleneck found;
    cr_assert_eq(view->finding_count, 1);
    cr_assert(find(view, CLEW_BOTTLENECK_SERIAL_FAN_OUT, &found));
    cr_expect_eq(found.traces, 5);
    cr_expect_eq(found.saving_a_trace, 38 * MS);
    cr_expect(text_is(found.operation, "GET /"));
    expect_text(&found, "shop GET / makes 3 calls one after another, never two at once; making them at once, "
                        "if none needs another's answer, would save 38.0ms of each such trace (38% of all).");
    clew_bottlenecks_view_free(view);
    expect_silence(make_fan, FAN_TWO);
    expect_silence(make_fan, FAN_WORK_BETWEEN);
    expect_silence(make_fan, FAN_ONCE_PARALLEL);
    CLEW_NO_LEAKS();
}

enum { EDGE_SLOW, EDGE_SMALL };

static void make_edge(clew_bottlenecks *bottlenecks, int variant) {
    double gap = variant == EDGE_SLOW ? 20 : 5;
    struct draft draft;
    draft_begin(&draft, 1);
    put(&draft, -1, 0, 100, "shop", "GET /", CLEW_SERVER);
    put(&draft, 0, 10, 60, "shop", "POST", CLEW_CLIENT);
    put(&draft, 1, 10 + gap, 60 - gap, "stock", "take", CLEW_SERVER);
    add_draft(bottlenecks, &draft);
}

Test(bottlenecks, see_an_edge_where_time_is_lost_between_its_sides) {
    clew_bottlenecks_view *view = look(make_edge, EDGE_SLOW);
    clew_bottleneck found;
    cr_assert_eq(view->finding_count, 1);
    cr_assert(find(view, CLEW_BOTTLENECK_SLOW_EDGE, &found));
    cr_expect_eq(found.saving, 40 * MS);
    cr_expect_eq(evidence(&found, "sharePpm"), 800000);
    cr_expect(text_is(found.service, "stock"));
    cr_expect(text_is(found.caller_service, "shop"));
    clew_bottlenecks_view_free(view);
    expect_silence(make_edge, EDGE_SMALL);
    CLEW_NO_LEAKS();
}

enum { RETRY_STORM, RETRY_ONCE };

static void make_retries(clew_bottlenecks *bottlenecks, int variant) {
    int attempts = variant == RETRY_STORM ? 4 : 2;
    struct draft draft;
    draft_begin(&draft, 1);
    put(&draft, -1, 0, 100, "shop", "GET /", CLEW_SERVER);
    for (int i = 0; i < attempts; i++)
        put(&draft, 0, 10 + 20 * i, 25 + 20 * i, "shop", "pay", CLEW_CLIENT)->status =
            i + 1 < attempts ? CLEW_STATUS_ERROR : CLEW_STATUS_UNSET;
    add_draft(bottlenecks, &draft);
}

Test(bottlenecks, see_time_that_is_lost_in_attempts_that_fail) {
    clew_bottlenecks_view *view = look(make_retries, RETRY_STORM);
    clew_bottleneck found;
    cr_assert_eq(view->finding_count, 1);
    cr_assert(find(view, CLEW_BOTTLENECK_RETRY_STORM, &found));
    cr_expect_eq(found.saving, 45 * MS);
    cr_expect_eq(evidence(&found, "calls"), 4);
    clew_bottlenecks_view_free(view);
    expect_silence(make_retries, RETRY_ONCE);
    CLEW_NO_LEAKS();
}

/* Statements about distributions: traces of one request with one call in it. */

static void make_request(clew_bottlenecks *bottlenecks, uint64_t number, double wait, double call) {
    struct draft draft;
    draft_begin(&draft, number);
    put(&draft, -1, 0, wait + call + 2, "shop", "GET /", CLEW_SERVER);
    put(&draft, 0, wait, wait + call, "shop", "take", CLEW_INTERNAL);
    add_draft(bottlenecks, &draft);
}

enum { QUEUE_SOMETIMES, QUEUE_ALWAYS, QUEUE_FEW, QUEUE_VARIED };

static void make_queue(clew_bottlenecks *bottlenecks, int variant) {
    for (uint64_t i = 0; i < (variant == QUEUE_FEW ? 15 : 40); i++) {
        double wait = variant != QUEUE_ALWAYS && i % 3 ? 0.5 : 20 + (double)(i % 7) / 8;
        if (variant == QUEUE_VARIED)
            wait = 10 + (double)(i % 20);
        make_request(bottlenecks, i, wait, 5);
    }
}

Test(bottlenecks, see_an_operation_that_often_begins_late) {
    clew_bottlenecks_view *view = look(make_queue, QUEUE_SOMETIMES);
    clew_bottleneck found;
    cr_assert(find(view, CLEW_BOTTLENECK_QUEUE_WAIT, &found));
    cr_expect(text_is(found.operation, "GET /"));
    cr_expect_eq(evidence(&found, "usualNano"), MS / 2);
    cr_expect_gt(evidence(&found, "p90Nano"), 19 * MS);
    clew_bottlenecks_view_free(view);
    expect_silence(make_queue, QUEUE_ALWAYS);
    expect_silence(make_queue, QUEUE_VARIED);
    view = look(make_queue, QUEUE_FEW);
    cr_expect_not(find(view, CLEW_BOTTLENECK_QUEUE_WAIT, &found));
    clew_bottlenecks_view_free(view);
    CLEW_NO_LEAKS();
}

enum { COLD_FIRST, COLD_SECOND, COLD_MILD, COLD_CHEAP };

static void make_cold(clew_bottlenecks *bottlenecks, int variant) {
    for (uint64_t i = 40; i-- > 0;) {
        bool is_slow = i == (variant == COLD_SECOND ? 1 : 0);
        if (variant == COLD_CHEAP)
            make_request(bottlenecks, i, 0, is_slow ? 9 : 0.5);
        else
            make_request(bottlenecks, i, 0, is_slow ? (variant == COLD_MILD ? 30 : 200) : 5);
    }
}

Test(bottlenecks, see_that_the_first_call_is_slow_in_whatever_order_traces_come) {
    clew_bottlenecks_view *view = look(make_cold, COLD_FIRST);
    clew_bottleneck found;
    cr_assert(find(view, CLEW_BOTTLENECK_COLD_START, &found));
    cr_expect(text_is(found.operation, "take"));
    cr_expect_eq(found.saving, 195 * MS);
    expect_text(&found, "The first call of shop take took 200ms, the others 5.00ms; warming up before the "
                        "first request would save it 195ms.");
    clew_bottlenecks_view_free(view);
    expect_silence(make_cold, COLD_SECOND);
    expect_silence(make_cold, COLD_MILD);
    expect_silence(make_cold, COLD_CHEAP);
    CLEW_NO_LEAKS();
}

enum { SPLIT_CACHE, SPLIT_NEAR, SPLIT_SLOPE, SPLIT_RARE };

static void make_split(clew_bottlenecks *bottlenecks, int variant) {
    for (uint64_t i = 0; i < 100; i++) {
        double call = i % 4 ? 1 + (double)(i % 10) / 20 : 20 + (double)(i % 10);
        if (variant == SPLIT_NEAR)
            call = i % 4 ? 10 + (double)(i % 10) / 2 : 20 + (double)(i % 10);
        else if (variant == SPLIT_SLOPE)
            call = 1 + (double)i / 4;
        else if (variant == SPLIT_RARE)
            call = i % 50 ? 2 : 12;
        make_request(bottlenecks, i, 0, call);
    }
}

Test(bottlenecks, see_an_operation_of_two_speeds) {
    clew_bottlenecks_view *view = look(make_split, SPLIT_CACHE);
    clew_bottleneck found;
    cr_assert(find(view, CLEW_BOTTLENECK_CACHE_SPLIT, &found));
    cr_expect_eq(evidence(&found, "slowSharePpm"), 250000);
    cr_expect_lt(evidence(&found, "fastNano"), 2 * MS);
    cr_expect_gt(evidence(&found, "slowNano"), 20 * MS);
    cr_expect_not(find(view, CLEW_BOTTLENECK_LONG_TAIL, &found), "it is said once");
    clew_bottlenecks_view_free(view);
    expect_silence(make_split, SPLIT_NEAR);
    expect_silence(make_split, SPLIT_SLOPE);
    expect_silence(make_split, SPLIT_RARE);
    CLEW_NO_LEAKS();
}

enum { TAIL_LONG, TAIL_FEW, TAIL_USUAL, TAIL_MILD };

static void make_tail(clew_bottlenecks *bottlenecks, int variant) {
    for (uint64_t i = 0; i < (variant == TAIL_FEW ? 90 : 200); i++) {
        double call = 5 + (double)(i % 10) / 10;
        if (i % 50 == 7)
            call = variant == TAIL_USUAL ? 20 : 300;
        if (variant == TAIL_MILD && i % 25 == 7) /* costs enough, but is not ten times the median */
            call = 45;
        else if (variant == TAIL_MILD)
            call = 5;
        make_request(bottlenecks, i, 0, call);
    }
}

Test(bottlenecks, see_a_long_tail) {
    clew_bottlenecks_view *view = look(make_tail, TAIL_LONG);
    clew_bottleneck found;
    cr_assert_eq(view->finding_count, 1);
    cr_assert(find(view, CLEW_BOTTLENECK_LONG_TAIL, &found));
    cr_expect_gt(evidence(&found, "p99Nano"), 290 * MS);
    cr_expect_lt(evidence(&found, "p50Nano"), 7 * MS);
    cr_expect_gt(found.saving, 1100 * MS);
    cr_expect_lt(found.saving, 1200 * MS);
    clew_bottlenecks_view_free(view);
    expect_silence(make_tail, TAIL_FEW);
    expect_silence(make_tail, TAIL_USUAL);
    expect_silence(make_tail, TAIL_MILD);
    CLEW_NO_LEAKS();
}

enum { ASIDE_MUCH, ASIDE_LITTLE, ASIDE_SHARDS };

static void make_aside(clew_bottlenecks *bottlenecks, int variant) {
    for (uint64_t i = 0; i < 30; i++) {
        struct draft draft;
        draft_begin(&draft, i);
        put(&draft, -1, 0, 100, "shop", "GET /", CLEW_SERVER);
        put(&draft, 0, 5, 98, "stock", "slow", CLEW_INTERNAL);
        if (variant == ASIDE_SHARDS) {
            for (int j = 0; j < 8; j++)
                put(&draft, 0, 5, 90 + (j == (int)(i % 8) ? 9 : 0), "shard", "find", CLEW_INTERNAL);
        } else {
            put(&draft, 0, 5, variant == ASIDE_MUCH ? 75 : 25, "hints", "guess", CLEW_INTERNAL);
        }
        add_draft(bottlenecks, &draft);
    }
}

Test(bottlenecks, see_work_that_nobody_waits_for) {
    clew_bottlenecks_view *view = look(make_aside, ASIDE_MUCH);
    clew_bottleneck found;
    cr_assert_eq(view->finding_count, 1);
    cr_assert(find(view, CLEW_BOTTLENECK_OVER_FETCH, &found));
    cr_expect(text_is(found.operation, "guess"));
    cr_expect_eq(found.saving_a_trace, 70 * MS);
    clew_bottlenecks_view_free(view);
    expect_silence(make_aside, ASIDE_LITTLE);
    view = look(make_aside, ASIDE_SHARDS);
    if (find(view, CLEW_BOTTLENECK_OVER_FETCH, &found))
        cr_expect(text_is(found.operation, "slow"), "each shard is waited for now and then");
    clew_bottlenecks_view_free(view);
    CLEW_NO_LEAKS();
}

enum { DOMINANT_ONE, DOMINANT_NONE, DOMINANT_ALONE };

static void make_dominant(clew_bottlenecks *bottlenecks, int variant) {
    static const char *const operations[] = {"a", "b", "c", "d"};
    for (uint64_t i = 0; i < 25; i++) {
        struct draft draft;
        draft_begin(&draft, i);
        put(&draft, -1, 0, 100, "shop", "GET /", CLEW_SERVER);
        for (int j = 0; j < (variant == DOMINANT_ALONE ? 1 : 4); j++) {
            double from = j ? 60 + 10 * j : 2, to = j ? from + 8 : variant == DOMINANT_NONE ? 40 : 68;
            if (variant == DOMINANT_NONE && j == 1)
                from = 41;
            put(&draft, 0, from, to, "x", operations[j], CLEW_INTERNAL);
        }
        add_draft(bottlenecks, &draft);
    }
}

Test(bottlenecks, see_one_operation_that_is_most_of_the_path) {
    clew_bottlenecks_view *view = look(make_dominant, DOMINANT_ONE);
    clew_bottleneck found;
    cr_assert(find(view, CLEW_BOTTLENECK_SINGLE_DOMINANT, &found));
    cr_expect(text_is(found.operation, "a"));
    cr_expect_eq(found.saving_a_trace, 33 * MS);
    clew_bottlenecks_view_free(view);
    view = look(make_dominant, DOMINANT_NONE);
    cr_expect_not(find(view, CLEW_BOTTLENECK_SINGLE_DOMINANT, &found));
    clew_bottlenecks_view_free(view);
    view = look(make_dominant, DOMINANT_ALONE);
    cr_expect_not(find(view, CLEW_BOTTLENECK_SINGLE_DOMINANT, &found));
    clew_bottlenecks_view_free(view);
    CLEW_NO_LEAKS();
}

/* Services that do their share, with some spread. */
static void make_healthy(clew_bottlenecks *bottlenecks, int variant) {
    struct random random = {(uint64_t)variant};
    for (uint64_t i = 0; i < 300; i++) {
        double at = 1 + random_unit(&random), length;
        struct draft draft;
        draft_begin(&draft, i);
        put(&draft, -1, 0, 0, "shop", "GET /", CLEW_SERVER);
        for (int j = 0; j < 3; j++) {
            static const char *const services[] = {"stock", "price", "user"};
            int client = (int)draft.count;
            length = 8 + 4 * random_unit(&random);
            put(&draft, 0, at, at + length, "shop", services[j], CLEW_CLIENT);
            put(&draft, client, at + 1, at + length - 1, services[j], "get", CLEW_SERVER);
            put(&draft, client + 1, at + 2, at + length / 2, services[j], "SELECT", CLEW_CLIENT);
            at += j == 1 ? length + 4 + random_unit(&random) : length / 2;
        }
        draft.spans[0].end = draft.spans[0].start + (uint64_t)((at + 12) * (double)MS);
        add_draft(bottlenecks, &draft);
    }
}

Test(bottlenecks, are_silent_about_healthy_traces) {
    for (int seed = 1; seed <= 20; seed++)
        expect_silence(make_healthy, seed);
    CLEW_NO_LEAKS();
}

static char *print_findings(const clew_bottlenecks_view *view) {
    char *data = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&data, &size);
    fprintf(file, "%llu %llu\n", (unsigned long long)view->traces, (unsigned long long)view->total);
    for (uint32_t i = 0; i < view->finding_count; i++) {
        const clew_bottleneck *found = &view->findings[i];
        fprintf(file, "%s %llu %llu " TEXT_FORMAT, clew_bottleneck_kind_name(found->kind),
                (unsigned long long)found->traces, (unsigned long long)found->saving, TEXT_OF(found->text));
        for (uint32_t j = 0; j < found->evidence_count; j++)
            fprintf(file, " %s=%llu", found->evidence[j].name, (unsigned long long)found->evidence[j].value);
        print_exemplars(file, found->exemplars, found->exemplar_count);
    }
    fclose(file);
    return data;
}

/* With every bound on what is worth saying taken away. */
static clew_bottlenecks *talkative(void) {
    clew_bottlenecks_options options = {
        .struct_size = sizeof options, .min_share_ppm = 1, .min_saving_nano = 1};
    return clew_bottlenecks_new(&options);
}

Test(bottlenecks, of_random_traces_are_the_same_in_any_order, .timeout = 600) {
    struct random random = {21};
    clew_bottlenecks *all = talkative(), *parts[3], *merged = talkative();
    clew_bottlenecks_view *view, *other;
    char *first, *second;
    for (int i = 0; i < 3; i++)
        parts[i] = talkative();
    for (int i = 0; i < 10000; i++) {
        struct analysed analysed = analyse_random(&random, 1 + random_below(&random, 14), i % 3 == 0);
        cr_assert_eq(clew_bottlenecks_add(all, analysed.built.trace, analysed.path), 0);
        cr_assert_eq(
            clew_bottlenecks_add(parts[random_below(&random, 3)], analysed.built.trace, analysed.path), 0);
        analysed_free(&analysed);
    }
    for (int i = 2; i >= 0; i--) {
        cr_assert_eq(clew_bottlenecks_merge(merged, parts[i]), 0);
        clew_bottlenecks_free(parts[i]);
    }
    view = clew_bottlenecks_view_new(all);
    other = clew_bottlenecks_view_new(merged);
    first = print_findings(view);
    second = print_findings(other);
    cr_expect_str_eq(first, second);
    cr_expect_gt(view->finding_count, 3);
    free(first);
    free(second);
    clew_bottlenecks_view_free(view);
    clew_bottlenecks_view_free(other);
    clew_bottlenecks_free(all);
    clew_bottlenecks_free(merged);
    CLEW_NO_LEAKS();
}

Test(bottlenecks, beyond_the_limit_of_operations_are_not_looked_at_but_counted) {
    clew_bottlenecks_options options = {.struct_size = sizeof options, .operation_limit = 1};
    clew_bottlenecks *bottlenecks = clew_bottlenecks_new(&options);
    clew_bottlenecks_view *view;
    make_loop(bottlenecks, LOOP_FULL);
    view = clew_bottlenecks_view_new(bottlenecks);
    cr_expect_eq(view->overflow, 10);
    cr_expect_eq(view->finding_count, 0);
    cr_expect_eq(view->total, 100 * MS);
    clew_bottlenecks_view_free(view);
    clew_bottlenecks_free(bottlenecks);
    CLEW_NO_LEAKS();
}

Test(bottlenecks, survive_that_memory_runs_out, .init = make_memory_scarce) {
    struct random random = {8};
    struct analysed analysed;
    bool done = false;
    allocations_left = INT_MAX;
    analysed = analyse_random(&random, 40, false);
    for (int allowed = 0; !done; allowed++) {
        clew_bottlenecks *bottlenecks, *merged;
        clew_bottlenecks_view *view = NULL;
        allocations_left = allowed;
        bottlenecks = talkative();
        merged = bottlenecks ? talkative() : NULL;
        if (merged) {
            int added = clew_bottlenecks_add(bottlenecks, analysed.built.trace, analysed.path);
            int joined = clew_bottlenecks_merge(merged, bottlenecks);
            view = clew_bottlenecks_view_new(merged);
            cr_expect(!view || joined != 0 || view->traces == (added == 0));
            cr_expect(!view || joined == 0 || view->traces == 0);
        }
        done = allocations_left >= 0 && view;
        clew_bottlenecks_view_free(view);
        allocations_left = INT_MAX;
        clew_bottlenecks_free(bottlenecks);
        clew_bottlenecks_free(merged);
    }
    analysed_free(&analysed);
    CLEW_NO_LEAKS();
}

Test(histogram, quantiles_are_means_of_buckets_a_quarter_of_a_doubling_wide) {
    static struct clew__histogram histogram;
    for (uint64_t i = 1; i <= 1000; i++)
        clew__histogram_add(&histogram, i * 1000);
    cr_expect_eq(histogram.count, 1000);
    cr_expect_eq(histogram.sum, 500500000);
    for (uint32_t ppm = 100000; ppm <= 1000000; ppm += 100000) {
        double ratio = (double)clew__histogram_quantile(&histogram, ppm) / ppm;
        cr_expect(ratio > 0.8 && ratio < 1.25, "%u: %g", ppm, ratio);
    }
    cr_expect_eq(clew__histogram_excess(&histogram, 0), histogram.sum);
    cr_expect_eq(clew__histogram_excess(&histogram, 1000000), 0);
    clew__histogram_add(&histogram, UINT64_MAX);
    cr_expect_eq(histogram.sum, UINT64_MAX);
    cr_expect_eq(clew__histogram_quantile(&histogram, 1000000), UINT64_MAX);
}
