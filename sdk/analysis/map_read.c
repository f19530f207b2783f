/* Makes what a reader of a service map sees. One thread at a time. */
#include "sdk/analysis/map.h"

#include <clew/extend.h>

#include <stdlib.h>
#include <string.h>

static uint64_t rounded(uint64_t weighted) {
    return weighted / CLEW__WEIGHT_ONE + (weighted % CLEW__WEIGHT_ONE >= CLEW__WEIGHT_ONE / 2);
}

static uint64_t rounded_time(clew__wide_number weighted) {
    clew__wide_number whole = weighted / CLEW__WEIGHT_ONE;
    whole += weighted % CLEW__WEIGHT_ONE >= CLEW__WEIGHT_ONE / 2;
    return whole > UINT64_MAX ? UINT64_MAX : (uint64_t)whole;
}

static const clew_sketch *measured(const struct clew__sketch *sketch) {
    return sketch->observations ? sketch : NULL;
}

/* ---- edges ---- */

static int compare_edges(const void *left, const void *right) {
    const clew_map_edge *a = left, *b = right;
    int order = clew__text_compare(a->client, b->client);
    if (order == 0)
        order = clew__text_compare(a->server, b->server);
    return order ? order : (int)a->type - (int)b->type;
}

static clew_map_edge tell_edge(const struct clew_service_map *map, const struct clew__map_edge *edge) {
    uint64_t all = map->totals.path_traces;
    clew_map_edge out = {
        .client = clew__names_get(&map->names, edge->client),
        .server = clew__names_get(&map->names, edge->server),
        .type = (clew_edge_type)edge->type,
        .broker = clew__names_get(&map->names, edge->broker),
        .calls = rounded(edge->calls),
        .errors = rounded(edge->errors),
        .client_errors = rounded(edge->client_errors),
        .server_errors = rounded(edge->server_errors),
        .client_only_errors = rounded(edge->client_only_errors),
        .indirect = rounded(edge->indirect),
        .skewed = rounded(edge->skewed),
        .critical_gap_nano = rounded_time(edge->gap_time),
        /* Edges that were joined in `(other)` count a trace more than once. */
        .path_traces = edge->path_traces < all ? edge->path_traces : all,
        .client_latency = measured(&edge->client_latency),
        .server_latency = measured(&edge->server_latency),
        .gap = measured(&edge->gap),
        .lag = measured(&edge->lag),
        .slowest = edge->slowest,
        .slowest_failed = edge->slowest_failed,
        .seen_calls = edge->seen_calls,
    };
    out.path_share = all ? (double)out.path_traces / (double)all : 0;
    return out;
}

static bool tell_edges(const struct clew_service_map *map, clew_map_report *report) {
    uint32_t count = map->edge_keys.count;
    clew_map_edge *edges = clew_memory_allocate((count ? count : 1) * sizeof *edges);
    if (!edges)
        return false;
    for (uint32_t i = 0; i < count; i++)
        edges[i] = tell_edge(map, &map->edges[i]);
    if (count > 1)
        qsort(edges, count, sizeof *edges, compare_edges);
    report->edges = edges;
    report->edge_count = count;
    return true;
}

/* ---- nodes ---- */

static int compare_nodes(const void *left, const void *right) {
    return clew__text_compare(((const clew_map_node *)left)->service,
                              ((const clew_map_node *)right)->service);
}

/* What is known of a node by its edges alone. */
struct by_edges {
    bool is_there;
    uint64_t seen_calls, calls, errors;
};

static void collect_by_edges(const struct clew_service_map *map, struct by_edges *nodes) {
    for (uint32_t i = 0; i < map->edge_keys.count; i++) {
        const struct clew__map_edge *edge = &map->edges[i];
        struct by_edges *server = &nodes[edge->server];
        nodes[edge->client].is_there = server->is_there = true;
        server->seen_calls += edge->seen_calls;
        server->calls = clew__saturated_sum(server->calls, edge->calls);
        server->errors = clew__saturated_sum(server->errors, edge->errors);
    }
}

static clew_map_node tell_node(const struct clew_service_map *map, clew__text name,
                               const struct clew__map_node *node, const struct by_edges *by_edges) {
    uint64_t all = map->totals.path_traces;
    bool is_virtual = !node || node->spans == 0;
    clew_map_node out = {.service = clew__names_get(&map->names, name), .is_virtual = is_virtual};
    out.seen_calls = is_virtual ? by_edges->seen_calls : node->seen_calls;
    out.calls = rounded(is_virtual ? by_edges->calls : node->calls);
    out.errors = rounded(is_virtual ? by_edges->errors : node->errors);
    if (is_virtual)
        return out;
    out.spans = node->spans;
    out.self_nano = rounded_time(node->self);
    out.critical_nano = rounded_time(node->critical);
    out.path_traces = node->path_traces < all ? node->path_traces : all;
    return out;
}

static bool tell_nodes(const struct clew_service_map *map, clew_map_report *report) {
    uint32_t names = clew__texts_count(map->names.texts), count = 0;
    struct by_edges *by_edges = clew_memory_allocate((names + 1) * sizeof *by_edges);
    clew_map_node *nodes = clew_memory_allocate((names + 1) * sizeof *nodes);
    if (!by_edges || !nodes) {
        clew_memory_release(by_edges);
        clew_memory_release(nodes);
        return false;
    }
    memset(by_edges, 0, (names + 1) * sizeof *by_edges);
    collect_by_edges(map, by_edges);
    for (clew__text name = 1; name < names; name++) {
        const struct clew__map_node *node = name < map->node_capacity ? &map->nodes[name] : NULL;
        if (by_edges[name].is_there || (node && node->spans))
            nodes[count++] = tell_node(map, name, node, &by_edges[name]);
    }
    clew_memory_release(by_edges);
    if (count > 1)
        qsort(nodes, count, sizeof *nodes, compare_nodes);
    report->nodes = nodes;
    report->node_count = count;
    return true;
}

/* ---- the whole ---- */

static void tell_totals(const struct clew_service_map *map, clew_map_report *report) {
    const struct clew__map_totals *totals = &map->totals;
    uint64_t indirect = 0, skewed = 0;
    for (uint32_t i = 0; i < map->edge_keys.count; i++) {
        indirect = clew__saturated_sum(indirect, map->edges[i].indirect);
        skewed = clew__saturated_sum(skewed, map->edges[i].skewed);
    }
    report->unpaired_in = rounded(totals->unpaired_in);
    report->unpaired_out = rounded(totals->unpaired_out);
    report->in = totals->in;
    report->out = totals->out;
    report->traces = totals->traces;
    report->path_traces = totals->path_traces;
    report->spans = totals->spans;
    report->indirect = rounded(indirect);
    report->skewed = rounded(skewed);
    report->start_unix_nano = totals->start <= totals->end ? totals->start : 0;
    report->end_unix_nano = totals->end;
    report->missing_nano = rounded_time(totals->missing);
    report->unattributed_gap_nano = rounded_time(totals->unattributed);
    report->settled_early = totals->settled_early;
    report->overflowed = rounded(totals->overflowed);
    report->lost = totals->lost;
}

/* A copy of the map in which all is settled. */
static struct clew_service_map *settled_copy(const struct clew_service_map *map) {
    clew_service_map_options options = {.struct_size = sizeof options,
                                        .node_limit = map->node_limit,
                                        .edge_limit = map->edge_limit,
                                        .open_limit = map->open_limit};
    struct clew_service_map *view = clew_service_map_new(&options);
    if (!view)
        return NULL;
    clew__map_merge(view, map);
    clew__open_settle(view, view->open.rows, view->open.count, false);
    view->open.count = 0;
    if (view->totals.lost == map->totals.lost)
        return view;
    clew_service_map_free(view);
    return NULL;
}

const clew_map_report *clew_service_map_read(clew_service_map *map) {
    if (!map)
        return NULL;
    if (map->report.nodes)
        return &map->report;
    clew__map_changed(map);
    clew__open_trim(map);
    if (map->open.count > 0 && !(map->view = settled_copy(map)))
        return NULL;
    const struct clew_service_map *source = map->view ? map->view : map;
    tell_totals(source, &map->report);
    map->report.open = map->open.count;
    if (tell_edges(source, &map->report) && tell_nodes(source, &map->report))
        return &map->report;
    clew__map_changed(map);
    return NULL;
}
