/* What if spans took another time: against a square model, and what must hold of every answer. */
#include "test/support.h"
#include "test/unit/path/path_tables.h"

#include <stdio.h>
#include <stdlib.h>

#define TRACES 4000
#define SPANS 14
#define ROOTS (TABLE_ROOM + 4)
#define SHIFT UINT64_C(5000)

/* ---- the model: every sibling is asked about every other ---- */

struct model {
    const clew_trace *trace;
    const clew_critical_path *path; /* for the relations */
    double factors[ROOTS];
    uint64_t extra[ROOTS]; /* what a span takes longer at its end */
};

struct interval {
    uint64_t start, end;
};

static struct interval clipped(const clew_trace *trace, uint32_t span, struct interval within) {
    clew_trace_span at;
    clew_trace_span_at(trace, span, &at);
    return (struct interval){at.start_unix_nano > within.start ? at.start_unix_nano : within.start,
                             at.end_unix_nano < within.end ? at.end_unix_nano : within.end};
}

static uint64_t model_duration(const struct model *model, uint32_t span, struct interval interval) {
    uint64_t finish[ROOTS] = {0}, longest = 0, last_end = interval.start;
    struct interval children[ROOTS];
    uint32_t spans[ROOTS], count = 0;
    double factor = model->factors[span];
    clew_trace_span at;
    clew_trace_span_at(model->trace, span, &at);
    /* In order of start: who ended before a child started comes before it. */
    for (uint32_t child = at.first_child; child != CLEW_NO_SPAN; child = at.next_sibling) {
        struct interval one = clipped(model->trace, child, interval);
        clew_trace_span_at(model->trace, child, &at);
        if (one.start >= one.end || model->path->spans[child].relation != CLEW_RELATION_BLOCKING)
            continue;
        spans[count] = child;
        children[count++] = one;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint64_t before = interval.start, ended = 0;
        for (uint32_t k = 0; k < count; k++) {
            if (children[k].end > children[i].start)
                continue;
            before = children[k].end > before ? children[k].end : before;
            ended = finish[k] > ended ? finish[k] : ended;
        }
        finish[i] = ended + (uint64_t)((double)(children[i].start - before) * factor + 0.5) +
                    model_duration(model, spans[i], children[i]);
        longest = finish[i] > longest ? finish[i] : longest;
        last_end = children[i].end > last_end ? children[i].end : last_end;
    }
    return longest + (uint64_t)((double)(interval.end - last_end) * factor + 0.5) + model->extra[span];
}

static void model_start(struct model *model, const clew_trace *trace, const clew_critical_path *path) {
    *model = (struct model){.trace = trace, .path = path};
    for (uint32_t i = 0; i < ROOTS; i++)
        model->factors[i] = 1;
}

static uint64_t model_root(const struct model *model, uint32_t root) {
    clew_trace_span at;
    clew_trace_span_at(model->trace, root, &at);
    return model_duration(model, root, (struct interval){at.start_unix_nano, at.end_unix_nano});
}

static uint64_t model_roots(const struct model *model) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < model->path->root_count; i++)
        sum += model_root(model, model->path->roots[i].span);
    return sum;
}

/* ---- tables in which every span has an operation of its own ---- */

static clew_text text_of(const char *text) {
    return (clew_text){text ? text : "", text ? strlen(text) : 0};
}

static void name_operations(struct table *table) {
    for (size_t i = 0; i < table->count; i++)
        table->spans[i].operation = table->ids[i];
}

static clew_change change_of(const struct build_span *span, double factor) {
    return (clew_change){text_of(span->service), text_of(span->operation), factor};
}

static clew_critical_path *path_of(const clew_trace *trace, const clew_path_options *options) {
    clew_critical_path *path = clew_critical_path_new(trace, options);
    cr_assert_not_null(path);
    return path;
}

static void retime(const clew_trace *trace, const clew_path_options *options, const clew_change *changes,
                   size_t count, uint64_t *out) {
    cr_assert(clew_what_if(trace, options, changes, count, out));
}

static uint64_t critical_of(const clew_critical_path *path, uint32_t root, uint32_t span) {
    uint64_t sum = 0;
    for (uint32_t k = 0; k < path->roots[root].segment_count; k++) {
        const clew_path_segment *segment = &path->segments[path->roots[root].first_segment + k];
        sum += segment->span == span ? segment->end_unix_nano - segment->start_unix_nano : 0;
    }
    return sum;
}

static clew_path_options random_options(struct random *random) {
    return (clew_path_options){.overflow = (clew_overflow)random_below(random, 2),
                               .scope = (clew_path_scope)(random_below(random, 3) == 0)};
}

static void expect_properties(const struct table *table, const struct built *built,
                              const clew_path_options *options, struct random *random, int round) {
    clew_critical_path *path = path_of(built->trace, options);
    uint64_t same[ROOTS], gone[ROOTS], doubled[ROOTS], less[ROOTS], more[ROOTS];
    retime(built->trace, options, NULL, 0, same);
    for (size_t i = 0; i < table->count; i++) {
        uint32_t span = build_find(built->trace, table->spans[i].id);
        double factor = (double)random_below(random, 300) / 100;
        const clew_change none[] = {change_of(&table->spans[i], 0)},
                          twice[] = {change_of(&table->spans[i], 2)},
                          one[] = {change_of(&table->spans[i], factor)},
                          larger[] = {change_of(&table->spans[i], factor * 1.3 + 0.1)};
        retime(built->trace, options, none, 1, gone);
        retime(built->trace, options, twice, 1, doubled);
        retime(built->trace, options, one, 1, less);
        retime(built->trace, options, larger, 1, more);
        for (uint32_t k = 0; k < path->root_count; k++) {
            uint64_t duration = path->roots[k].end_unix_nano - path->roots[k].start_unix_nano;
            uint64_t critical = critical_of(path, k, span);
            cr_assert_eq(same[k], duration, "round %d: not the same without a change", round);
            cr_assert_leq(duration - gone[k], critical, "round %d: saves more than is critical", round);
            cr_assert_leq(gone[k], duration, "round %d: takes longer without", round);
            cr_assert_geq(doubled[k] - duration, critical, "round %d: grows less than is critical", round);
            cr_assert_leq(less[k], more[k], "round %d: not monotone", round);
        }
    }
    clew_critical_path_free(path);
}

Test(whatif, nothing_saves_more_or_costs_less_than_its_critical_time, .timeout = 600) {
    struct random random = {1};
    for (int round = 0; round < TRACES; round++) {
        struct table table;
        table_random(&random, &table, 1 + random_below(&random, SPANS), (uint32_t)random_below(&random, 8));
        name_operations(&table);
        clew_path_options options = random_options(&random);
        struct built built = table_build(&table);
        expect_properties(&table, &built, &options, &random, round);
        build_free(&built);
    }
    CLEW_NO_LEAKS();
}

Test(whatif, every_answer_is_the_models, .timeout = 600) {
    struct random random = {2};
    for (int round = 0; round < TRACES; round++) {
        struct table table;
        struct model model;
        clew_change changes[TABLE_ROOM];
        uint64_t out[ROOTS];
        table_random(&random, &table, 1 + random_below(&random, SPANS), TABLE_ASYNC | TABLE_ORPHANS);
        name_operations(&table);
        clew_path_options options = {.overflow = (clew_overflow)random_below(&random, 2)};
        struct built built = table_build(&table);
        clew_critical_path *path = path_of(built.trace, &options);
        model_start(&model, built.trace, path);
        for (size_t i = 0; i < table.count; i++) {
            changes[i] = change_of(&table.spans[i], (double)random_below(&random, 40) / 10);
            model.factors[build_find(built.trace, table.spans[i].id)] = changes[i].factor;
        }
        retime(built.trace, &options, changes, table.count, out);
        for (uint32_t i = 0; i < path->root_count; i++)
            cr_assert_eq(out[i], model_root(&model, path->roots[i].span), "round %d", round);
        clew_critical_path_free(path);
        build_free(&built);
    }
    CLEW_NO_LEAKS();
}

/* By halving: how much longer a span may take while all roots take as long. */
static uint64_t model_slack(struct model *model, uint32_t span, uint64_t limit) {
    uint64_t low = 0, high = limit, all = model_roots(model);
    while (low < high) {
        uint64_t middle = high - (high - low) / 2;
        model->extra[span] = middle;
        if (model_roots(model) == all)
            low = middle;
        else
            high = middle - 1;
    }
    model->extra[span] = 0;
    return low;
}

Test(whatif, drag_and_slack_are_what_trying_each_span_finds, .timeout = 600) {
    struct random random = {3};
    for (int round = 0; round < TRACES; round++) {
        struct table table;
        struct model model;
        clew_leverage leverage[ROOTS];
        table_random(&random, &table, 1 + random_below(&random, SPANS), TABLE_ASYNC | TABLE_ORPHANS);
        clew_path_options options = {.overflow = (clew_overflow)random_below(&random, 2)};
        struct built built = table_build(&table);
        clew_critical_path *path = path_of(built.trace, &options);
        model_start(&model, built.trace, path);
        cr_assert(clew_leverage_of(built.trace, &options, leverage));
        uint64_t all = model_roots(&model);
        for (uint32_t i = 0; i < path->span_count; i++) {
            uint64_t slack = model_slack(&model, i, SHIFT);
            model.factors[i] = 0;
            cr_assert_eq(leverage[i].drag, all - model_roots(&model), "round %d, span %u: drag", round, i);
            model.factors[i] = 1;
            cr_assert_eq(leverage[i].slack, slack == SHIFT ? UINT64_MAX : slack, "round %d, span %u: slack",
                         round, i);
            cr_assert(path->spans[i].critical == 0 || leverage[i].slack == 0);
        }
        clew_critical_path_free(path);
        build_free(&built);
    }
    CLEW_NO_LEAKS();
}

Test(whatif, with_recorded_waits_drag_is_never_more_than_trying_finds, .timeout = 600) {
    struct random random = {4};
    for (int round = 0; round < TRACES; round++) {
        struct table table;
        clew_leverage leverage[ROOTS];
        uint64_t out[ROOTS];
        table_random(&random, &table, 1 + random_below(&random, SPANS), TABLE_WAITS | TABLE_ASYNC);
        name_operations(&table);
        clew_path_options options = random_options(&random);
        struct built built = table_build(&table);
        clew_critical_path *path = path_of(built.trace, &options);
        cr_assert(clew_leverage_of(built.trace, &options, leverage));
        for (size_t i = 0; i < table.count; i++) {
            const clew_change none[] = {change_of(&table.spans[i], 0)};
            uint32_t span = build_find(built.trace, table.spans[i].id);
            uint64_t duration = path->roots[0].end_unix_nano - path->roots[0].start_unix_nano;
            retime(built.trace, &options, none, 1, out);
            cr_assert_leq(leverage[span].drag, duration - out[0], "round %d", round);
            cr_assert(path->spans[span].critical == 0 || leverage[span].slack == 0, "round %d", round);
        }
        clew_critical_path_free(path);
        build_free(&built);
    }
    CLEW_NO_LEAKS();
}

/* ---- one trace to read ---- */

static const struct build_span fan[] = {
    {.id = "1", .start = 1000, .end = 1100, .service = "front", .operation = "GET /"},
    {.id = "2", .parent = "1", .start = 1010, .end = 1050, .service = "cart", .operation = "load"},
    {.id = "3", .parent = "1", .start = 1010, .end = 1070, .service = "search", .operation = "find"},
    {.id = "4", .parent = "1", .start = 1080, .end = 1090, .service = "cart", .operation = "store"},
};

Test(whatif, drag_of_the_longest_branch_ends_where_the_next_takes_over) {
    struct built built = build_trace(fan, 4, NULL);
    clew_leverage out[4];
    cr_assert(clew_leverage_of(built.trace, NULL, out));
    cr_expect_eq(out[build_find(built.trace, "3")].drag, 20);
    cr_expect_eq(out[build_find(built.trace, "2")].drag, 0);
    cr_expect_eq(out[build_find(built.trace, "2")].slack, 20);
    cr_expect_eq(out[build_find(built.trace, "4")].drag, 10);
    cr_expect_eq(out[build_find(built.trace, "1")].drag, 30);
    cr_expect_eq(out[build_find(built.trace, "1")].slack, 0);
    build_free(&built);
    CLEW_NO_LEAKS();
}

static uint64_t fan_with(const clew_trace *trace, const char *service, const char *operation, double factor) {
    const clew_change change = {text_of(service), text_of(operation), factor};
    uint64_t out = 0;
    cr_assert(clew_what_if(trace, NULL, &change, 1, &out));
    return out;
}

Test(whatif, changes_name_a_service_or_one_of_its_operations) {
    struct built built = build_trace(fan, 4, NULL);
    cr_expect_eq(fan_with(built.trace, "cart", "", 0), 90);
    cr_expect_eq(fan_with(built.trace, "cart", "", 2), 100 + 10 + 20);
    cr_expect_eq(fan_with(built.trace, "cart", "load", 2), 100 + 20);
    cr_expect_eq(fan_with(built.trace, "cart", "lo", 2), 100);
    cr_expect_eq(fan_with(built.trace, "front", "GET /", 0.5), 100 - 15);
    cr_expect_eq(fan_with(built.trace, "", "", 5), 100);
    build_free(&built);
    CLEW_NO_LEAKS();
}

Test(whatif, a_factor_that_is_no_sense_changes_nothing_and_a_huge_one_saturates) {
    struct built built = build_trace(fan, 4, NULL);
    cr_expect_eq(fan_with(built.trace, "front", "", -1), 100);
    cr_expect_eq(fan_with(built.trace, "front", "", NAN), 100);
    cr_expect_eq(fan_with(built.trace, "front", "", INFINITY), UINT64_MAX);
    cr_expect_eq(fan_with(built.trace, "front", "", 1e300), UINT64_MAX);
    build_free(&built);
    CLEW_NO_LEAKS();
}

Test(whatif, of_several_changes_to_a_span_all_count) {
    struct built built = build_trace(fan, 4, NULL);
    const clew_change changes[] = {{{"search", 6}, {"", 0}, 3}, {{"search", 6}, {"find", 4}, 0.5}};
    uint64_t out = 0;
    cr_assert(clew_what_if(built.trace, NULL, changes, 2, &out));
    cr_expect_eq(out, 130);
    build_free(&built);
    CLEW_NO_LEAKS();
}

Test(whatif, no_own_time_stays_none_whatever_the_factor) {
    const struct build_span spans[] = {
        {.id = "1", .start = 1000, .end = 1100, .service = "front"},
        {.id = "2", .parent = "1", .start = 1000, .end = 1100, .service = "cart"},
    };
    struct built built = build_trace(spans, 2, NULL);
    cr_expect_eq(fan_with(built.trace, "front", "", INFINITY), 100);
    build_free(&built);
    CLEW_NO_LEAKS();
}

Test(whatif, of_a_span_with_several_windows_the_largest_drag_and_the_smallest_slack_count) {
    const struct build_span spans[] = {
        {.id = "1", .start = 1000, .end = 1100, .waits = {{"2", 1010, 40}, {"2", 1060, 5}, {"2", 1070, 20}}},
        {.id = "2", .parent = "1", .start = 1005, .end = 1090},
        {.id = "3", .parent = "1", .start = 1091, .end = 1095},
    };
    struct built built = build_trace(spans, 3, NULL);
    clew_leverage out[3];
    cr_assert(clew_leverage_of(built.trace, NULL, out));
    cr_expect_eq(out[build_find(built.trace, "2")].drag, 40);
    cr_expect_eq(out[build_find(built.trace, "2")].slack, 0);
    build_free(&built);
    CLEW_NO_LEAKS();
}

Test(whatif, nothing_is_asked_of_nothing) {
    uint64_t out;
    clew_leverage leverage;
    struct built built = build_trace(fan, 1, NULL);
    cr_expect_not(clew_what_if(NULL, NULL, NULL, 0, &out));
    cr_expect_not(clew_what_if(built.trace, NULL, NULL, 1, &out));
    cr_expect_not(clew_leverage_of(NULL, NULL, &leverage));
    cr_expect_not(clew_leverage_of(built.trace, NULL, NULL));
    build_free(&built);
}
