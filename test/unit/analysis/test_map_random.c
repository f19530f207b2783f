/* The service map on random traces: against a simple model, in any order, divided in any way. */
#include "test/support.h"
#include "test/unit/analysis/map_model.h"

#include <stdio.h>
#include <stdlib.h>

#define FLEETS 2500 /* of four traces each */
#define TRACES 4
#define SPANS 12

static bool is_text(clew_text text, const char *wanted) {
    return text.size == strlen(wanted) && memcmp(text.data, wanted, text.size) == 0;
}

static void add(clew_service_map *map, const struct clew_trace *trace) {
    clew_critical_path *path = clew_critical_path_new(trace, NULL);
    cr_assert_not_null(path);
    cr_assert_eq(clew_service_map_add(map, trace, path), CLEW_OK);
    clew_critical_path_free(path);
}

static clew_service_map *map_of(const struct traces *traces, const uint32_t *order, uint32_t open_limit) {
    clew_service_map_options options = {.struct_size = sizeof options, .open_limit = open_limit};
    clew_service_map *map = clew_service_map_new(&options);
    cr_assert_not_null(map);
    for (size_t i = 0; i < traces->count; i++)
        add(map, traces->traces[order ? order[i] : i].trace);
    return map;
}

static const clew_map_report *read_map(clew_service_map *map) {
    const clew_map_report *report = clew_service_map_read(map);
    cr_assert_not_null(report);
    return report;
}

/* ---- against the model ---- */

static void expect_samples(const clew_sketch *sketch, struct model_samples wanted, const char *what,
                           uint64_t seed) {
    cr_assert_eq(sketch != NULL, wanted.count > 0, "%s, seed %llu", what, (unsigned long long)seed);
    cr_assert_eq(clew_sketch_count(sketch), wanted.count, "%s, seed %llu", what, (unsigned long long)seed);
    cr_assert_eq(clew_sketch_sum(sketch), wanted.sum, "%s, seed %llu", what, (unsigned long long)seed);
}

static const clew_map_edge *find_edge(const clew_map_report *report, const struct model_edge *wanted) {
    for (size_t i = 0; i < report->edge_count; i++)
        if (is_text(report->edges[i].client, wanted->client) &&
            is_text(report->edges[i].server, wanted->server) && report->edges[i].type == wanted->type)
            return &report->edges[i];
    return NULL;
}

static void expect_edge(const clew_map_report *report, const struct model_edge *wanted, uint64_t seed) {
    const clew_map_edge *edge = find_edge(report, wanted);
    cr_assert_not_null(edge, "seed %llu: no %s > %s %s", (unsigned long long)seed, wanted->client,
                       wanted->server, clew_edge_type_name(wanted->type));
#define SAME(member)                                                                                         \
    cr_assert_eq(edge->member, wanted->member, "seed %llu: %s > %s %s: " #member " %llu, not %llu",          \
                 (unsigned long long)seed, wanted->client, wanted->server,                                   \
                 clew_edge_type_name(wanted->type), (unsigned long long)edge->member,                        \
                 (unsigned long long)wanted->member)
    SAME(calls);
    SAME(errors);
    SAME(client_errors);
    SAME(server_errors);
    SAME(client_only_errors);
    SAME(indirect);
    SAME(skewed);
#undef SAME
    expect_samples(edge->gap, wanted->gap, "gap", seed);
    expect_samples(edge->lag, wanted->lag, "lag", seed);
}

/* One sample for each client's and each server's span, on whichever edge. */
static void expect_service(const clew_map_report *report, const struct model_side *wanted, uint64_t seed) {
    struct model_samples client = {0}, server = {0};
    for (size_t i = 0; i < report->edge_count; i++) {
        const clew_map_edge *edge = &report->edges[i];
        if (is_text(edge->client, wanted->service)) {
            client.count += clew_sketch_count(edge->client_latency);
            client.sum += clew_sketch_sum(edge->client_latency);
        }
        if (is_text(edge->server, wanted->service)) {
            server.count += clew_sketch_count(edge->server_latency);
            server.sum += clew_sketch_sum(edge->server_latency);
        }
    }
    cr_assert_eq(client.count, wanted->client.count, "seed %llu", (unsigned long long)seed);
    cr_assert_eq(client.sum, wanted->client.sum, "seed %llu", (unsigned long long)seed);
    cr_assert_eq(server.count, wanted->server.count, "seed %llu", (unsigned long long)seed);
    cr_assert_eq(server.sum, wanted->server.sum, "seed %llu", (unsigned long long)seed);
    for (size_t i = 0; i < report->node_count; i++)
        if (is_text(report->nodes[i].service, wanted->service)) {
            cr_assert_eq(report->nodes[i].calls, wanted->calls, "seed %llu", (unsigned long long)seed);
            cr_assert_eq(report->nodes[i].errors, wanted->errors, "seed %llu", (unsigned long long)seed);
        }
}

static void expect_side(const clew_map_side *side, const clew_map_side *wanted, uint64_t seed) {
    cr_assert_eq(side->spans, wanted->spans, "seed %llu", (unsigned long long)seed);
    cr_assert_eq(side->paired, wanted->paired, "seed %llu", (unsigned long long)seed);
    cr_assert_eq(side->one_sided, wanted->one_sided, "seed %llu", (unsigned long long)seed);
    cr_assert_eq(side->unpaired, wanted->unpaired, "seed %llu", (unsigned long long)seed);
    cr_assert_eq(side->spans, side->paired + side->one_sided + side->unpaired);
}

static void expect_model(const clew_map_report *report, const struct model *model, uint64_t seed) {
    for (size_t i = 0; i < model->edge_count; i++)
        expect_edge(report, &model->edges[i], seed);
    cr_assert_eq(report->edge_count, model->edge_count, "seed %llu", (unsigned long long)seed);
    for (size_t i = 0; i < model->service_count; i++)
        expect_service(report, &model->services[i], seed);
    expect_side(&report->in, &model->in, seed);
    expect_side(&report->out, &model->out, seed);
    cr_assert_eq(report->unpaired_in, model->unpaired_in, "seed %llu", (unsigned long long)seed);
    cr_assert_eq(report->unpaired_out, model->unpaired_out, "seed %llu", (unsigned long long)seed);
}

Test(map_random, says_what_a_simple_model_says, .timeout = 600) {
    static struct model model;
    for (uint64_t seed = 0; seed < FLEETS; seed++) {
        struct random random = {seed};
        struct fleet fleet = fleet_new(&random, TRACES, SPANS);
        struct traces traces = traces_of(fleet.spans, fleet.count, NULL);
        clew_service_map *map = map_of(&traces, NULL, 0);
        model_of(&model, &fleet);
        expect_model(read_map(map), &model, seed);
        clew_service_map_free(map);
        traces_free(&traces);
        fleet_free(&fleet);
    }
    CLEW_NO_LEAKS();
}

/* ---- order, division ---- */

static char *print_and_free(clew_service_map *map) {
    char *text = map_print(read_map(map));
    clew_service_map_free(map);
    return text;
}

static void expect_same(char *text, const char *wanted, uint64_t seed, const char *what) {
    cr_assert_str_eq(text, wanted, "%s, seed %llu", what, (unsigned long long)seed);
    free(text);
}

static void try_order(const struct fleet *fleet, uint32_t open_limit, const char *wanted, uint64_t seed) {
    struct random random = {~seed};
    uint32_t *order = build_shuffle(&random, fleet->count);
    struct traces traces = traces_of(fleet->spans, fleet->count, order);
    expect_same(print_and_free(map_of(&traces, NULL, open_limit)), wanted, seed, "another order");
    traces_free(&traces);
    free(order);
}

static void try_division(const struct traces *traces, uint32_t open_limit, const char *wanted,
                         uint64_t seed) {
    struct random random = {~seed};
    clew_service_map_options options = {.struct_size = sizeof options, .open_limit = open_limit};
    clew_service_map *parts[3];
    for (size_t i = 0; i < 3; i++)
        parts[i] = clew_service_map_new(&options);
    for (size_t i = 0; i < traces->count; i++) {
        clew_service_map *part = parts[random_below(&random, 3)];
        add(part, traces->traces[i].trace);
        if (random_below(&random, 3) == 0)
            read_map(part);
    }
    cr_assert_eq(clew_service_map_merge(parts[1], parts[2]), CLEW_OK);
    cr_assert_eq(clew_service_map_merge(parts[0], parts[1]), CLEW_OK);
    for (size_t i = 1; i < 3; i++)
        clew_service_map_free(parts[i]);
    expect_same(print_and_free(parts[0]), wanted, seed, "divided and merged");
}

static void try_everything(uint32_t open_limit) {
    for (uint64_t seed = 0; seed < FLEETS; seed++) {
        struct random random = {seed + 1000000};
        struct fleet fleet = fleet_new(&random, TRACES, SPANS);
        struct traces traces = traces_of(fleet.spans, fleet.count, NULL);
        char *wanted = print_and_free(map_of(&traces, NULL, open_limit));
        try_order(&fleet, open_limit, wanted, seed);
        try_division(&traces, open_limit, wanted, seed);
        free(wanted);
        traces_free(&traces);
        fleet_free(&fleet);
    }
}

Test(map_random, is_the_same_in_any_order_and_however_it_was_divided, .timeout = 600) {
    try_everything(0);
    CLEW_NO_LEAKS();
}

Test(map_random, is_the_same_in_any_order_when_some_had_to_be_settled_early, .timeout = 600) {
    try_everything(3);
    CLEW_NO_LEAKS();
}

/* ---- what always holds ---- */

/* No span of these traces takes no time: a sample of 0 would have been made up. */
static void expect_no_zeros(const clew_sketch *sketch) {
    uint64_t least;
    cr_assert(!sketch || (clew_sketch_min(sketch, &least) && least > 0));
}

/* Calls by pairs come from pairs only: each IN span of a pair is one call, or one a link. */
static uint64_t pair_calls(const clew_map_report *report) {
    uint64_t calls = 0;
    for (size_t i = 0; i < report->edge_count; i++)
        if (report->edges[i].type == CLEW_EDGE_RPC || report->edges[i].type == CLEW_EDGE_MESSAGING)
            calls += report->edges[i].calls;
    return calls;
}

/* Where the time of all paths went: to services, to edges, to what is missing. */
static uint64_t told_time(const clew_map_report *report) {
    uint64_t sum = report->missing_nano + report->unattributed_gap_nano;
    for (size_t i = 0; i < report->node_count; i++)
        sum += report->nodes[i].critical_nano;
    for (size_t i = 0; i < report->edge_count; i++)
        sum += report->edges[i].critical_gap_nano;
    return sum;
}

static uint64_t path_time(const struct traces *traces) {
    uint64_t sum = 0;
    for (size_t i = 0; i < traces->count; i++) {
        clew_critical_path *path = clew_critical_path_new(traces->traces[i].trace, NULL);
        for (uint32_t root = 0; root < path->root_count; root++)
            sum += path->roots[root].end_unix_nano - path->roots[root].start_unix_nano;
        clew_critical_path_free(path);
    }
    return sum;
}

static void expect_invariants(const clew_map_report *report, const struct traces *traces,
                              const struct model *model) {
    cr_assert_eq(pair_calls(report), model->paired_calls);
    cr_assert_eq(told_time(report), path_time(traces));
    cr_assert_eq(report->path_traces, traces->count);
    for (size_t i = 0; i < report->edge_count; i++) {
        const clew_map_edge *edge = &report->edges[i];
        expect_no_zeros(edge->client_latency);
        expect_no_zeros(edge->server_latency);
        cr_assert(edge->calls > 0 && edge->errors <= edge->calls);
        cr_assert(edge->path_traces <= report->path_traces);
        cr_assert(i == 0 || strncmp(edge[-1].client.data, edge->client.data, 1) <= 0);
    }
}

Test(map_random, accounts_for_every_pair_and_every_nanosecond_of_the_paths, .timeout = 600) {
    static struct model model;
    for (uint64_t seed = 0; seed < FLEETS; seed++) {
        struct random random = {seed + 2000000};
        struct fleet fleet = fleet_new(&random, TRACES, SPANS);
        for (size_t i = 0; i < fleet.count; i++) {
            fleet.spans[i].tracestate = NULL;
            fleet.spans[i].end++;
        }
        struct traces traces = traces_of(fleet.spans, fleet.count, NULL);
        clew_service_map *map = map_of(&traces, NULL, 0);
        model_of(&model, &fleet);
        expect_invariants(read_map(map), &traces, &model);
        clew_service_map_free(map);
        traces_free(&traces);
        fleet_free(&fleet);
    }
    CLEW_NO_LEAKS();
}

Test(map_random, survives_hostile_traces, .timeout = 600) {
    for (uint64_t seed = 0; seed < 4 * FLEETS; seed++) {
        struct random random = {seed};
        struct build_random hostile = build_random(&random, 16, true);
        struct traces traces = traces_of(hostile.spans, hostile.count, NULL);
        clew_service_map *map = map_of(&traces, NULL, 0);
        const clew_map_report *report = read_map(map);
        cr_assert_eq(report->in.spans, report->in.paired + report->in.one_sided + report->in.unpaired);
        cr_assert_eq(report->out.spans, report->out.paired + report->out.one_sided + report->out.unpaired);
        char *wanted = map_print(report);
        uint32_t *order = build_shuffle(&random, hostile.count);
        struct traces shuffled = traces_of(hostile.spans, hostile.count, order);
        expect_same(print_and_free(map_of(&shuffled, NULL, 0)), wanted, seed, "another order");
        free(order);
        free(wanted);
        clew_service_map_free(map);
        traces_free(&traces);
        traces_free(&shuffled);
        build_random_free(&hostile);
    }
    CLEW_NO_LEAKS();
}
