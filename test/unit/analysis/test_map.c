/* The service map: each rule by an example, limits, and memory that runs out. */
#include "test/failing.h"
#include "test/support.h"
#include "test/unit/analysis/map_model.h"

#include <stdio.h>
#include <stdlib.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static clew_service_map *map_of(const struct build_span *spans, size_t count) {
    struct traces traces = traces_of(spans, count, NULL);
    clew_service_map *map = clew_service_map_new(NULL);
    cr_assert_not_null(map);
    for (size_t i = 0; i < traces.count; i++)
        cr_assert_eq(clew_service_map_add(map, traces.traces[i].trace, NULL), CLEW_OK);
    traces_free(&traces);
    return map;
}
#define MAP(spans) map_of(spans, COUNT(spans))

static bool is_text(clew_text text, const char *wanted) {
    return text.size == strlen(wanted) && memcmp(text.data, wanted, text.size) == 0;
}

static const clew_map_edge *find_edge(const clew_map_report *report, const char *client, const char *server,
                                      clew_edge_type type) {
    for (size_t i = 0; i < report->edge_count; i++) {
        const clew_map_edge *edge = &report->edges[i];
        if (is_text(edge->client, client) && is_text(edge->server, server) && edge->type == type)
            return edge;
    }
    return NULL;
}

static const clew_map_node *find_node(const clew_map_report *report, const char *service) {
    for (size_t i = 0; i < report->node_count; i++)
        if (is_text(report->nodes[i].service, service))
            return &report->nodes[i];
    return NULL;
}

/* Whether a sketch has just this one sample; 0: it is absent. */
static bool is_sample(const clew_sketch *sketch, uint64_t nano) {
    uint64_t min = 0, max = 0;
    if (nano == 0)
        return sketch == NULL;
    return sketch && clew_sketch_observations(sketch) == 1 && clew_sketch_min(sketch, &min) &&
           clew_sketch_max(sketch, &max) && min == nano && max == nano;
}

/* ---- what the vectors leave open ---- */

static const clew_map_edge *edge_of(clew_service_map *map, const char *client, const char *server,
                                    clew_edge_type type) {
    const clew_map_edge *edge = find_edge(clew_service_map_read(map), client, server, type);
    cr_assert_not_null(edge, "no edge %s > %s %s", client, server, clew_edge_type_name(type));
    return edge;
}

static void add_table(clew_service_map *map, const struct build_span *spans, size_t count) {
    struct traces traces = traces_of(spans, count, NULL);
    for (size_t i = 0; i < traces.count; i++)
        cr_assert_eq(clew_service_map_add(map, traces.traces[i].trace, NULL), CLEW_OK);
    traces_free(&traces);
}

Test(map, a_link_that_comes_later_beats_the_virtual_node) {
    const struct build_span producer[] = {
        {.trace = "1",
         .id = "a",
         .end = 5,
         .kind = CLEW_PRODUCER,
         .service = "shop",
         .attributes = {{"messaging.destination.name", "orders"}}},
    };
    const struct build_span consumer[] = {
        {.trace = "2",
         .id = "b",
         .start = 9,
         .end = 12,
         .kind = CLEW_CONSUMER,
         .service = "mail",
         .links = {{.trace = "1", .id = "a"}}},
    };
    clew_service_map *map = clew_service_map_new(NULL);
    add_table(map, producer, 1);
    edge_of(map, "shop", "orders", CLEW_EDGE_VIRTUAL_NODE);
    add_table(map, consumer, 1);
    const clew_map_edge *edge = edge_of(map, "shop", "mail", CLEW_EDGE_MESSAGING);
    cr_assert_eq(clew_service_map_read(map)->edge_count, 1);
    cr_assert(is_text(edge->broker, "orders"));
    cr_assert(is_sample(edge->client_latency, 5));
    cr_assert(is_sample(edge->server_latency, 3));
    cr_assert(is_sample(edge->lag, 4));
    clew_service_map_free(map);
    CLEW_NO_LEAKS();
}

Test(map, a_server_has_no_peer_but_who_calls_it) {
    const struct build_span spans[] = {
        {.id = "a",
         .end = 5,
         .kind = CLEW_SERVER,
         .service = "shop",
         .attributes = {{"server.address", "shop.example"},
                        {"rpc.service", "Shop"},
                        {"network.peer.address", "10.0.0.9"}}},
    };
    clew_service_map *map = MAP(spans);
    edge_of(map, CLEW_MAP_USER, "shop", CLEW_EDGE_VIRTUAL_NODE);
    clew_service_map_free(map);
    CLEW_NO_LEAKS();
}

Test(map, a_call_waits_for_its_server_and_for_the_way) {
    const struct build_span spans[] = {
        {.id = "a", .end = 100, .kind = CLEW_CLIENT, .service = "shop"},
        {.id = "b", .parent = "a", .start = 20, .end = 80, .kind = CLEW_SERVER, .service = "stock"},
    };
    struct traces traces = traces_of(spans, COUNT(spans), NULL);
    clew_critical_path *path = clew_critical_path_new(traces.traces[0].trace, NULL);
    clew_service_map *map = clew_service_map_new(NULL);
    cr_assert_eq(clew_service_map_add(map, traces.traces[0].trace, path), CLEW_OK);
    const clew_map_edge *edge = edge_of(map, "shop", "stock", CLEW_EDGE_RPC);
    const clew_map_node *server = find_node(clew_service_map_read(map), "stock");
    cr_assert(is_sample(edge->gap, 40));
    cr_assert_eq(edge->critical_gap_nano, 40);
    cr_assert_eq(edge->path_traces, 1);
    cr_assert_float_eq(edge->path_share, 1, 0);
    cr_assert_eq(server->critical_nano, 60);
    cr_assert_eq(server->self_nano, 60);
    cr_assert_eq(server->calls, 1);
    cr_assert_eq(find_node(clew_service_map_read(map), "shop")->critical_nano, 0);
    clew_service_map_free(map);
    clew_critical_path_free(path);
    traces_free(&traces);
    CLEW_NO_LEAKS();
}

Test(map, the_way_to_a_server_below_other_spans_belongs_to_the_call) {
    const struct build_span spans[] = {
        {.id = "a",
         .end = 100,
         .kind = CLEW_CLIENT,
         .service = "shop",
         .attributes = {{"peer.service", "stock"}}},
        {.id = "b", .parent = "a", .start = 10, .end = 90, .service = "shop"},
        {.id = "c", .parent = "b", .start = 20, .end = 80, .kind = CLEW_SERVER, .service = "stock"},
    };
    struct traces traces = traces_of(spans, COUNT(spans), NULL);
    clew_critical_path *path = clew_critical_path_new(traces.traces[0].trace, NULL);
    clew_service_map *map = clew_service_map_new(NULL);
    cr_assert_eq(clew_service_map_add(map, traces.traces[0].trace, path), CLEW_OK);
    const clew_map_edge *edge = edge_of(map, "shop", "stock", CLEW_EDGE_RPC);
    cr_assert_eq(edge->indirect, 1);
    cr_assert_geq(edge->critical_gap_nano, 20);
    cr_assert_eq(clew_service_map_read(map)->unattributed_gap_nano, 0);
    clew_service_map_free(map);
    clew_critical_path_free(path);
    traces_free(&traces);
    CLEW_NO_LEAKS();
}

Test(map, a_span_that_has_not_ended_has_no_latency) {
    const struct build_span spans[] = {
        {.id = "a", .start = 1, .end = 0, .kind = CLEW_CLIENT, .service = "shop"},
        {.id = "b", .parent = "a", .start = 20, .end = 80, .kind = CLEW_SERVER, .service = "stock"},
    };
    clew_service_map *map = MAP(spans);
    const clew_map_edge *edge = edge_of(map, "shop", "stock", CLEW_EDGE_RPC);
    cr_assert_eq(edge->calls, 1);
    cr_assert(is_sample(edge->client_latency, 0));
    cr_assert(is_sample(edge->gap, 0));
    cr_assert(is_sample(edge->server_latency, 60));
    clew_service_map_free(map);
    CLEW_NO_LEAKS();
}

/* th:4 keeps three of four: each stands for four thirds. */
static bool is_example(const clew_map_example *example, uint8_t trace, uint64_t duration) {
    return example->is_there && example->trace_id[15] == trace && example->duration == duration;
}

Test(map, an_edge_names_its_slowest_call_and_the_slowest_that_failed) {
    static const char *const callee[] = {"peer.service", "till"};
    const struct build_span spans[] = {
        {.trace = "3",
         .id = "1",
         .start = 10,
         .end = 90,
         .kind = CLEW_CLIENT,
         .service = "shop",
         .attributes = {{callee[0], callee[1]}}},
        {.trace = "2",
         .id = "2",
         .start = 10,
         .end = 90,
         .kind = CLEW_CLIENT,
         .service = "shop",
         .attributes = {{callee[0], callee[1]}}},
        {.trace = "4",
         .id = "3",
         .start = 10,
         .end = 40,
         .kind = CLEW_CLIENT,
         .service = "shop",
         .attributes = {{callee[0], callee[1]}},
         .status = CLEW_STATUS_ERROR},
        {.trace = "5",
         .id = "4",
         .start = 10,
         .end = 30,
         .kind = CLEW_CLIENT,
         .service = "shop",
         .attributes = {{callee[0], callee[1]}},
         .status = CLEW_STATUS_ERROR},
        {.trace = "run-1",
         .id = "5",
         .start = 10,
         .end = 500,
         .kind = CLEW_CLIENT,
         .service = "shop",
         .attributes = {{callee[0], callee[1]}}},
    };
    clew_service_map *map = MAP(spans);
    const clew_map_edge *edge = edge_of(map, "shop", "till", CLEW_EDGE_VIRTUAL_NODE);
    cr_expect(is_example(&edge->slowest, 2, 80), "of equals the smallest id, of ids that are numbers");
    cr_expect(is_example(&edge->slowest_failed, 4, 30));
    clew_service_map_free(map);
    CLEW_NO_LEAKS();
}

Test(map, rounds_only_what_it_tells) {
    clew_service_map *map = clew_service_map_new(NULL);
    for (int i = 0; i < 3; i++) {
        char trace[2] = {(char)('1' + i), 0};
        const struct build_span spans[] = {
            {.trace = trace,
             .id = "a",
             .end = 9,
             .kind = CLEW_SERVER,
             .service = "shop",
             .tracestate = "ot=th:4",
             .status = CLEW_STATUS_ERROR},
        };
        add_table(map, spans, 1);
    }
    const clew_map_edge *edge = edge_of(map, CLEW_MAP_USER, "shop", CLEW_EDGE_VIRTUAL_NODE);
    cr_assert_eq(edge->calls, 4);
    cr_assert_eq(edge->errors, 4);
    cr_assert_eq(edge->server_errors, 4);
    cr_assert_eq(edge->seen_calls, 3);
    clew_service_map_free(map);
    CLEW_NO_LEAKS();
}

Test(map, nodes_are_in_order_and_tell_services_from_what_left_no_span) {
    const struct build_span spans[] = {
        {.id = "a", .end = 100, .kind = CLEW_SERVER, .service = "shop", .status = CLEW_STATUS_ERROR},
        {.id = "b", .parent = "a", .end = 50, .service = "shop"},
        {.id = "c",
         .parent = "b",
         .end = 50,
         .kind = CLEW_CLIENT,
         .service = "shop",
         .status = CLEW_STATUS_ERROR,
         .attributes = {{"db.system", "redis"}}},
    };
    clew_service_map *map = MAP(spans);
    const clew_map_report *report = clew_service_map_read(map);
    cr_assert_eq(report->node_count, 3);
    cr_assert(is_text(report->nodes[0].service, "redis"));
    cr_assert(report->nodes[0].is_virtual && report->nodes[0].calls == 1 && report->nodes[0].errors == 1);
    cr_assert(is_text(report->nodes[1].service, "shop"));
    cr_assert(!report->nodes[1].is_virtual && report->nodes[1].calls == 1 && report->nodes[1].spans == 3);
    cr_assert(is_text(report->nodes[2].service, CLEW_MAP_USER));
    cr_assert(report->nodes[2].is_virtual && report->nodes[2].calls == 0);
    clew_service_map_free(map);
    CLEW_NO_LEAKS();
}

/* ---- traces that have an edge on their path count once for it ---- */

static clew_service_map *map_with_paths(const struct build_span *spans, size_t count) {
    struct traces traces = traces_of(spans, count, NULL);
    clew_service_map *map = clew_service_map_new(NULL);
    for (size_t i = 0; i < traces.count; i++) {
        clew_critical_path *path = clew_critical_path_new(traces.traces[i].trace, NULL);
        cr_assert_eq(clew_service_map_add(map, traces.traces[i].trace, path), CLEW_OK);
        clew_critical_path_free(path);
    }
    traces_free(&traces);
    return map;
}

Test(map, a_trace_counts_once_for_an_edge_that_clients_and_producers_make_alone) {
    const struct build_span spans[] = {
        {.id = "a", .end = 100, .service = "shop"},
        {.id = "b",
         .parent = "a",
         .end = 40,
         .kind = CLEW_CLIENT,
         .service = "shop",
         .attributes = {{"peer.service", "broker"}}},
        {.id = "c",
         .parent = "a",
         .start = 50,
         .end = 70,
         .kind = CLEW_PRODUCER,
         .service = "shop",
         .attributes = {{"peer.service", "broker"}}},
        {.id = "d",
         .parent = "a",
         .start = 80,
         .end = 90,
         .kind = CLEW_PRODUCER,
         .service = "shop",
         .attributes = {{"peer.service", "broker"}}},
        {.trace = "2", .id = "9", .end = 10, .service = "shop"},
        {.trace = "3", .id = "9", .end = 10, .service = "shop"},
    };
    clew_service_map *map = map_with_paths(spans, COUNT(spans));
    const clew_map_edge *edge = edge_of(map, "shop", "broker", CLEW_EDGE_VIRTUAL_NODE);
    cr_assert_eq(edge->calls, 3);
    cr_assert_eq(edge->critical_gap_nano, 70);
    cr_assert_eq(edge->path_traces, 1);
    clew_service_map_free(map);
    CLEW_NO_LEAKS();
}

Test(map, a_trace_counts_once_for_an_edge_that_parents_and_links_make) {
    const struct build_span spans[] = {
        {.trace = "1", .id = "a", .end = 100, .service = "shop"},
        {.trace = "1", .id = "b", .parent = "a", .end = 40, .kind = CLEW_PRODUCER, .service = "shop"},
        {.trace = "1",
         .id = "c",
         .parent = "b",
         .start = 20,
         .end = 140,
         .kind = CLEW_CONSUMER,
         .service = "mail"},
        {.trace = "1",
         .id = "d",
         .parent = "a",
         .start = 50,
         .end = 70,
         .kind = CLEW_PRODUCER,
         .service = "shop",
         .attributes = {{"messaging.destination.name", "mails"}}},
        {.trace = "2",
         .id = "e",
         .start = 200,
         .end = 210,
         .kind = CLEW_CONSUMER,
         .service = "mail",
         .links = {{.trace = "1", .id = "d"}}},
    };
    clew_service_map *map = map_with_paths(spans, COUNT(spans));
    const clew_map_edge *edge = edge_of(map, "shop", "mail", CLEW_EDGE_MESSAGING);
    cr_assert_eq(edge->calls, 2);
    cr_assert_eq(edge->critical_gap_nano, 60);
    cr_assert_eq(edge->path_traces, 1);
    cr_assert_float_eq(edge->path_share, 0.5, 0);
    clew_service_map_free(map);
    CLEW_NO_LEAKS();
}

/* A producer whose children are in two services, and a client that calls one of these, too. */
Test(map, a_trace_counts_once_for_an_edge_that_is_inferred_twice) {
    const struct build_span spans[] = {
        {.trace = "1", .id = "a", .end = 300, .service = "shop"},
        {.trace = "1", .id = "b", .parent = "a", .end = 100, .kind = CLEW_PRODUCER, .service = "shop"},
        {.trace = "1", .id = "c", .parent = "b", .start = 10, .end = 30, .service = "mail"},
        {.trace = "1", .id = "d", .parent = "b", .start = 50, .end = 80, .service = "bill"},
        {.trace = "1",
         .id = "e",
         .parent = "a",
         .start = 120,
         .end = 200,
         .kind = CLEW_CLIENT,
         .service = "shop"},
        {.trace = "1", .id = "f", .parent = "e", .start = 130, .end = 190, .service = "bill"},
        {.trace = "2", .id = "9", .end = 10, .service = "shop"},
    };
    clew_service_map *map = map_with_paths(spans, COUNT(spans));
    cr_assert_eq(edge_of(map, "shop", "mail", CLEW_EDGE_INFERRED)->path_traces, 1);
    const clew_map_edge *edge = edge_of(map, "shop", "bill", CLEW_EDGE_INFERRED);
    cr_assert_eq(edge->calls, 2);
    cr_assert_eq(edge->path_traces, 1);
    cr_assert(is_sample(edge->client_latency, 80));
    clew_service_map_free(map);
    clew_service_map *alone = map_with_paths(spans, 4); /* without the client */
    cr_assert_eq(edge_of(alone, "shop", "bill", CLEW_EDGE_INFERRED)->path_traces, 1);
    clew_service_map_free(alone);
    CLEW_NO_LEAKS();
}

/* Of two children in one service, which make one call, the second is what is waited for, all the time. */
Test(map, an_inferred_edge_is_on_the_path_by_any_of_its_spans) {
    struct build_span spans[] = {
        {.id = "a", .start = 100, .end = 200, .kind = CLEW_CLIENT, .service = "shop"},
        {.id = "b", .parent = "a", .start = 90, .end = 150, .service = "bill"},
        {.id = "c", .parent = "a", .start = 100, .end = 200, .service = "bill"},
    };
    clew_service_map *map = map_with_paths(spans, COUNT(spans));
    const clew_map_edge *edge = edge_of(map, "shop", "bill", CLEW_EDGE_INFERRED);
    cr_assert_eq(edge->calls, 1);
    cr_assert_eq(edge->critical_gap_nano, 0);
    cr_assert_eq(edge->path_traces, 1);
    clew_service_map_free(map);
    spans[0].kind = CLEW_PRODUCER;
    clew_service_map *open = map_with_paths(spans, COUNT(spans));
    edge = edge_of(open, "shop", "bill", CLEW_EDGE_INFERRED);
    cr_assert_eq(edge->calls, 1);
    cr_assert_eq(edge->path_traces, 1);
    clew_service_map_free(open);
    CLEW_NO_LEAKS();
}

/* ---- limits ---- */

static uint64_t sum_calls(const clew_map_report *report) {
    uint64_t calls = 0;
    for (size_t i = 0; i < report->edge_count; i++)
        calls += report->edges[i].calls;
    return calls;
}

Test(map, a_million_names_stay_within_the_limits, .timeout = 300) {
    enum { ALL = 1000000, PART = 1000 };
    const clew_service_map_options options = {
        .struct_size = sizeof options, .node_limit = 100, .edge_limit = 150};
    clew_service_map *map = clew_service_map_new(&options);
    static struct build_span spans[PART];
    static char names[PART][3][24];
    for (int done = 0; done < ALL; done += PART) {
        for (int i = 0; i < PART; i++) {
            snprintf(names[i][0], sizeof names[i][0], "%x", i + 1);
            snprintf(names[i][1], sizeof names[i][1], "service %d", (done + i) / 2);
            snprintf(names[i][2], sizeof names[i][2], "peer %d", done + i);
            spans[i] = (struct build_span){.id = names[i][0], .start = 1, .end = 3, .kind = CLEW_CLIENT};
            spans[i].service = names[i][1];
            spans[i].attributes[0][0] = "peer.service";
            spans[i].attributes[0][1] = names[i][2];
        }
        add_table(map, spans, PART);
    }
    const clew_map_report *report = clew_service_map_read(map);
    cr_assert_leq(report->node_count, 100 + 3);
    cr_assert_leq(report->edge_count, 150 + 75 + 1);
    cr_assert_eq(sum_calls(report), ALL);
    cr_assert_gt(report->overflowed, ALL - 1000);
    cr_assert_eq(report->out.one_sided, ALL);
    clew_service_map_free(map);
    CLEW_NO_LEAKS();
}

Test(map, refuses_what_makes_no_sense) {
    clew_service_map *map = clew_service_map_new(NULL);
    cr_assert_eq(clew_service_map_add(map, NULL, NULL), CLEW_EINVAL);
    cr_assert_eq(clew_service_map_merge(map, map), CLEW_EINVAL);
    cr_assert_eq(clew_service_map_merge(map, NULL), CLEW_EINVAL);
    cr_assert_null(clew_service_map_read(NULL));
    cr_assert_eq(clew_service_map_read(map)->edge_count, 0);
    cr_assert_str_eq(clew_edge_type_name((clew_edge_type)99), "");
    clew_service_map_free(map);
    clew_service_map_free(NULL);
    CLEW_NO_LEAKS();
}

/* ---- memory that runs out ---- */

/* Whatever is lost is counted; what is there can be read. */
static void build_without_memory(const struct traces *traces) {
    const clew_service_map_options options = {.struct_size = sizeof options, .open_limit = 4};
    clew_service_map *map = clew_service_map_new(&options), *other = clew_service_map_new(NULL);
    bool is_whole = map && other;
    for (size_t i = 0; map && other && i < traces->count; i++)
        if (clew_service_map_add(i % 2 ? map : other, traces->traces[i].trace, NULL) != CLEW_OK)
            is_whole = false;
    if (map && other && clew_service_map_merge(map, other) != CLEW_OK)
        is_whole = false;
    const clew_map_report *report = clew_service_map_read(map);
    cr_assert(report || has_failed);
    bool has_been_lost = failing_end();
    report = clew_service_map_read(map);
    if (map && other) {
        cr_assert_not_null(report);
        cr_assert(is_whole == (report->lost == 0), "lost %llu", (unsigned long long)report->lost);
        cr_assert(has_been_lost || is_whole);
    }
    clew_service_map_free(map);
    clew_service_map_free(other);
}

Test(map, survives_every_allocation_that_fails, .timeout = 300) {
    cr_assert_eq(failing_install(), 0);
    struct random random = {7};
    struct fleet fleet = fleet_new(&random, 8, 40);
    struct traces traces = traces_of(fleet.spans, fleet.count, NULL);
    int allocation = 0;
    do {
        failing_begin(allocation++);
        build_without_memory(&traces);
    } while (has_failed);
    cr_assert_gt(allocation, 50);
    traces_free(&traces);
    fleet_free(&fleet);
    CLEW_NO_LEAKS();
}
