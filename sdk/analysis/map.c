/* Owns service maps: names, nodes, edges, and how they add up. One thread at a time each. */
#include "sdk/analysis/map.h"

#include "sdk/base/struct_size.h"

#include <clew/extend.h>

#include <string.h>

#define DEFAULT_NODES 4096u
#define DEFAULT_EDGES 16384u
#define DEFAULT_OPEN 131072u
#define LIMIT_MAX (1u << 26) /* so that twice as many can be counted, and half again */
#define RESERVED_NAMES 3u
#define FIRST_ROWS 16u

const char *clew_edge_type_name(clew_edge_type type) {
    static const char *const names[] = {
#define EDGE_TYPE_NAME(name, text) text,
        CLEW_EDGE_TYPES(EDGE_TYPE_NAME)
#undef EDGE_TYPE_NAME
    };
    return (unsigned)type < CLEW_EDGE_TYPE_COUNT ? names[type] : "";
}

/* ---- life ---- */

static clew__text reserve_name(struct clew_service_map *map, const char *text) {
    return clew__names_add(&map->names, (clew_text){text, strlen(text)}, RESERVED_NAMES);
}

static bool init_names(struct clew_service_map *map) {
    if (!clew__names_init(&map->names))
        return false;
    map->user = reserve_name(map, CLEW_MAP_USER);
    map->no_service = reserve_name(map, CLEW_MAP_NO_SERVICE);
    map->other = reserve_name(map, CLEW_MAP_OTHER);
    return map->user < CLEW__NAME_LIMIT && map->no_service < CLEW__NAME_LIMIT &&
           map->other < CLEW__NAME_LIMIT;
}

static uint32_t limit_of(uint32_t wanted, uint32_t standard) {
    if (wanted == 0)
        return standard;
    return wanted < LIMIT_MAX ? wanted : LIMIT_MAX;
}

clew_service_map *clew_service_map_new(const clew_service_map_options *options) {
    clew_service_map_options used = {0};
    if (options)
        clew__options_copy(&used, sizeof used, options, sizeof used);
    struct clew_service_map *map = clew_memory_allocate(sizeof *map);
    if (!map)
        return NULL;
    *map = (struct clew_service_map){
        .node_limit = limit_of(used.node_limit, DEFAULT_NODES),
        .edge_limit = limit_of(used.edge_limit, DEFAULT_EDGES),
        .open_limit = limit_of(used.open_limit, DEFAULT_OPEN),
        .open.ceiling = UINT64_MAX,
        .totals.start = UINT64_MAX,
    };
    if (init_names(map))
        return map;
    clew_service_map_free(map);
    return NULL;
}

void clew_service_map_free(clew_service_map *map) {
    if (!map)
        return;
    clew__map_changed(map);
    for (uint32_t i = 0; i < map->edge_keys.count; i++) {
        clew__sketch_fini(&map->edges[i].client_latency);
        clew__sketch_fini(&map->edges[i].server_latency);
        clew__sketch_fini(&map->edges[i].gap);
        clew__sketch_fini(&map->edges[i].lag);
    }
    clew_memory_release(map->edges);
    clew__keys_fini(&map->edge_keys);
    clew_memory_release(map->nodes);
    clew__names_fini(&map->names);
    clew_memory_release(map->open.rows);
    clew__map_scratch_fini(&map->scratch);
    clew_memory_release(map);
}

void clew__map_changed(struct clew_service_map *map) {
    clew_service_map_free(map->view);
    map->view = NULL;
    clew_memory_release((void *)(uintptr_t)map->report.nodes);
    clew_memory_release((void *)(uintptr_t)map->report.edges);
    map->report = (clew_map_report){0};
}

void clew__map_lose(struct clew_service_map *map) {
    map->totals.lost++;
}

/* ---- names and nodes ---- */

static clew__text name_or_other(struct clew_service_map *map, clew__text name, uint32_t before,
                                bool is_virtual) {
    if (name == CLEW__NAME_LIMIT)
        return map->other;
    if (name == CLEW__NAME_NONE)
        clew__map_lose(map);
    else if (is_virtual && map->names.count > before)
        map->virtual_names++;
    return name;
}

static uint32_t name_limit(const struct clew_service_map *map, bool is_virtual) {
    if (is_virtual && map->virtual_names >= map->node_limit / 2)
        return 0;
    return map->node_limit + RESERVED_NAMES;
}

clew__text clew__map_name(struct clew_service_map *map, clew_text text, bool is_virtual) {
    uint32_t before = map->names.count;
    if (text.size == 0)
        return map->no_service;
    return name_or_other(map, clew__names_add(&map->names, text, name_limit(map, is_virtual)), before,
                         is_virtual);
}

static clew__text name_of(struct clew_service_map *map, const struct clew_trace *trace, clew__text text,
                          bool is_virtual) {
    uint32_t before = map->names.count;
    if (text == 0)
        return map->no_service;
    return name_or_other(map, clew__names_of(&map->names, trace->texts, text, name_limit(map, is_virtual)),
                         before, is_virtual);
}

clew__text clew__map_service(struct clew_service_map *map, const struct clew_trace *trace, clew__text text) {
    return name_of(map, trace, text, false);
}

clew__text clew__map_virtual(struct clew_service_map *map, const struct clew_trace *trace, clew__text text) {
    return name_of(map, trace, text, true);
}

struct clew__map_node *clew__map_node(struct clew_service_map *map, clew__text name) {
    if (name < map->node_capacity)
        return &map->nodes[name];
    uint32_t capacity = map->node_capacity ? map->node_capacity * 2 : FIRST_ROWS;
    while (capacity <= name)
        capacity *= 2;
    struct clew__map_node *grown = clew_memory_reallocate(map->nodes, capacity * sizeof *grown);
    if (!grown)
        return NULL;
    memset(grown + map->node_capacity, 0, (capacity - map->node_capacity) * sizeof *grown);
    map->nodes = grown;
    map->node_capacity = capacity;
    return &map->nodes[name];
}

/* ---- edges ---- */

static uint32_t new_edge(struct clew_service_map *map, struct clew__key key) {
    if (map->edge_keys.count == map->edge_capacity) {
        uint32_t capacity = map->edge_capacity ? map->edge_capacity * 2 : FIRST_ROWS;
        struct clew__map_edge *grown = clew_memory_reallocate(map->edges, capacity * sizeof *grown);
        if (!grown)
            return CLEW__NO_EDGE;
        map->edges = grown;
        map->edge_capacity = capacity;
    }
    uint32_t number = clew__keys_add(&map->edge_keys, key);
    if (number == CLEW__NO_KEY)
        return CLEW__NO_EDGE;
    map->edges[number] = (struct clew__map_edge){.client = key.a, .server = key.b, .type = key.c};
    return number;
}

uint32_t clew__map_edge(struct clew_service_map *map, clew__text client, clew__text server,
                        clew_edge_type type) {
    struct clew__key key = {client, server, (uint32_t)type};
    if (client == CLEW__NAME_NONE || server == CLEW__NAME_NONE)
        return CLEW__NO_EDGE; /* counted when the name was lost */
    uint32_t number = clew__keys_find(&map->edge_keys, key);
    if (number != CLEW__NO_KEY)
        return number;
    /* First all that a client calls is one, and when even that is too much, all clients are. */
    if (map->edge_keys.count >= map->edge_limit) {
        key.b = map->other;
        number = clew__keys_find(&map->edge_keys, key);
        if (number == CLEW__NO_KEY && map->edge_keys.count >= map->edge_limit + map->edge_limit / 2) {
            key.a = map->other;
            number = clew__keys_find(&map->edge_keys, key);
        }
    }
    if (number == CLEW__NO_KEY)
        number = new_edge(map, key);
    if (number == CLEW__NO_EDGE)
        clew__map_lose(map);
    return number;
}

static void measure(struct clew_service_map *map, struct clew__sketch *sketch, uint64_t nano,
                    uint64_t weight) {
    if (clew_sketch_add_weighted(sketch, nano, weight) != CLEW_OK)
        clew__map_lose(map);
}

/* The way between the two sides of a pair: to the server and back, or from the producer to the consumer. */
static void measure_between(struct clew_service_map *map, struct clew__map_edge *edge,
                            const struct clew__call *call, uint64_t weight) {
    const struct clew__call_side *out = &call->out, *in = &call->in;
    bool is_lag = call->type == CLEW_EDGE_MESSAGING;
    if (!out->is_there || !in->is_there || out->is_open || (in->is_open && !is_lag))
        return;
    uint64_t longer = is_lag ? in->start : out->end - out->start;
    uint64_t shorter = is_lag ? out->end : in->end - in->start;
    if (longer < shorter)
        edge->skewed = clew__saturated_sum(edge->skewed, weight);
    else
        measure(map, is_lag ? &edge->lag : &edge->gap, longer - shorter, weight);
}

static void count_errors(struct clew__map_edge *edge, const struct clew__call *call, uint64_t weight) {
    bool client = call->out.is_there && call->out.failed, server = call->in.is_there && call->in.failed;
    if (client)
        edge->client_errors = clew__saturated_sum(edge->client_errors, weight);
    if (server)
        edge->server_errors = clew__saturated_sum(edge->server_errors, weight);
    if (client || server)
        edge->errors = clew__saturated_sum(edge->errors, weight);
    if (client && !server && call->in.is_there)
        edge->client_only_errors = clew__saturated_sum(edge->client_only_errors, weight);
}

/* The slower one stays; of equals the one with the smaller id, so that the order of calls does not matter. */
static void keep_example(clew_map_example *kept, const clew_map_example *found) {
    if (!found->is_there)
        return;
    if (kept->is_there && (kept->duration > found->duration ||
                           (kept->duration == found->duration &&
                            memcmp(kept->trace_id, found->trace_id, sizeof kept->trace_id) <= 0)))
        return;
    *kept = *found;
}

static void keep_examples(struct clew__map_edge *edge, const struct clew__call *call) {
    const struct clew__call_side *side = call->out.is_there ? &call->out : &call->in;
    if (side->is_open || !side->trace_id)
        return;
    clew_map_example found = {.is_there = true, .duration = side->end - side->start};
    memcpy(found.trace_id, side->trace_id, sizeof found.trace_id);
    keep_example(&edge->slowest, &found);
    if ((call->out.is_there && call->out.failed) || (call->in.is_there && call->in.failed))
        keep_example(&edge->slowest_failed, &found);
}

static void name_broker(struct clew_service_map *map, struct clew__map_edge *edge, clew__text broker) {
    if (broker == 0 || broker >= CLEW__NAME_LIMIT || broker == edge->broker)
        return;
    if (edge->broker == 0 || clew__names_compare(&map->names, broker, edge->broker) < 0)
        edge->broker = broker;
}

uint32_t clew__map_count_call(struct clew_service_map *map, const struct clew__call *call) {
    uint32_t number = clew__map_edge(map, call->client, call->server, call->type);
    if (number == CLEW__NO_EDGE)
        return number;
    struct clew__map_edge *edge = &map->edges[number];
    const struct clew__call_side *out = &call->out, *in = &call->in;
    /* Both sides were kept: so rarely as the one that is kept more rarely. */
    uint64_t weight = out->is_there ? out->weight : 0;
    if (in->is_there && in->weight > weight)
        weight = in->weight;
    edge->seen_calls++;
    edge->calls = clew__saturated_sum(edge->calls, weight);
    if (call->is_indirect)
        edge->indirect = clew__saturated_sum(edge->indirect, weight);
    if (edge->client == map->other || edge->server == map->other)
        map->totals.overflowed = clew__saturated_sum(map->totals.overflowed, weight);
    count_errors(edge, call, weight);
    keep_examples(edge, call);
    name_broker(map, edge, call->broker);
    if (out->is_there && out->is_measured && !out->is_open)
        measure(map, &edge->client_latency, out->end - out->start, out->weight);
    if (in->is_there && in->is_measured && !in->is_open)
        measure(map, &edge->server_latency, in->end - in->start, in->weight);
    measure_between(map, edge, call, weight);
    return number;
}

void clew__map_stamp_edge(struct clew_service_map *map, uint32_t edge) {
    if (edge == CLEW__NO_EDGE || map->edges[edge].stamp == map->stamp)
        return;
    map->edges[edge].stamp = map->stamp;
    map->edges[edge].path_traces++;
}

void clew__map_add_gap(struct clew_service_map *map, uint32_t edge, clew__wide_number weighted) {
    clew__wide_number *sum = edge == CLEW__NO_EDGE ? &map->totals.unattributed : &map->edges[edge].gap_time;
    *sum = clew__wide_sum(*sum, weighted);
}

/* ---- adding ---- */

int clew_service_map_add(clew_service_map *map, const clew_trace *trace, const clew_critical_path *path) {
    if (!map || !trace || (path && path->span_count != trace->node_count))
        return CLEW_EINVAL;
    uint64_t lost = map->totals.lost;
    clew__map_changed(map);
    clew__map_add_trace(map, trace, path);
    clew__open_prune(map);
    return map->totals.lost == lost ? CLEW_OK : CLEW_ENOMEM;
}

/* ---- merging ---- */

static void add_sides(clew_map_side *into, const clew_map_side *from) {
    into->spans += from->spans;
    into->paired += from->paired;
    into->one_sided += from->one_sided;
    into->unpaired += from->unpaired;
}

static void merge_totals(struct clew__map_totals *into, const struct clew__map_totals *from) {
    into->unpaired_in = clew__saturated_sum(into->unpaired_in, from->unpaired_in);
    into->unpaired_out = clew__saturated_sum(into->unpaired_out, from->unpaired_out);
    add_sides(&into->in, &from->in);
    add_sides(&into->out, &from->out);
    into->traces += from->traces;
    into->path_traces += from->path_traces;
    into->spans += from->spans;
    into->start = from->start < into->start ? from->start : into->start;
    into->end = from->end > into->end ? from->end : into->end;
    into->missing = clew__wide_sum(into->missing, from->missing);
    into->unattributed = clew__wide_sum(into->unattributed, from->unattributed);
    into->settled_early += from->settled_early;
    into->overflowed = clew__saturated_sum(into->overflowed, from->overflowed);
    into->lost += from->lost;
}

static void merge_node(struct clew_service_map *into, clew__text name, const struct clew__map_node *from) {
    struct clew__map_node *node = name == CLEW__NAME_NONE ? NULL : clew__map_node(into, name);
    if (!node) {
        if (from->spans)
            clew__map_lose(into);
        return;
    }
    node->spans += from->spans;
    node->seen_calls += from->seen_calls;
    node->calls = clew__saturated_sum(node->calls, from->calls);
    node->errors = clew__saturated_sum(node->errors, from->errors);
    node->self = clew__wide_sum(node->self, from->self);
    node->critical = clew__wide_sum(node->critical, from->critical);
    node->path_traces += from->path_traces;
}

static void merge_sketch(struct clew_service_map *into, struct clew__sketch *sketch,
                         const struct clew__sketch *from) {
    if (clew_sketch_merge(sketch, from) != CLEW_OK)
        clew__map_lose(into);
}

static void merge_edge(struct clew_service_map *into, const struct clew__map_edge *from,
                       const clew__text *names) {
    uint32_t number =
        clew__map_edge(into, names[from->client], names[from->server], (clew_edge_type)from->type);
    if (number == CLEW__NO_EDGE)
        return;
    struct clew__map_edge *edge = &into->edges[number];
    bool is_other = edge->client == into->other || edge->server == into->other;
    edge->seen_calls += from->seen_calls;
    edge->calls = clew__saturated_sum(edge->calls, from->calls);
    edge->errors = clew__saturated_sum(edge->errors, from->errors);
    edge->client_errors = clew__saturated_sum(edge->client_errors, from->client_errors);
    edge->server_errors = clew__saturated_sum(edge->server_errors, from->server_errors);
    edge->client_only_errors = clew__saturated_sum(edge->client_only_errors, from->client_only_errors);
    edge->indirect = clew__saturated_sum(edge->indirect, from->indirect);
    edge->skewed = clew__saturated_sum(edge->skewed, from->skewed);
    edge->gap_time = clew__wide_sum(edge->gap_time, from->gap_time);
    edge->path_traces += from->path_traces;
    keep_example(&edge->slowest, &from->slowest);
    keep_example(&edge->slowest_failed, &from->slowest_failed);
    if (from->broker)
        name_broker(into, edge, names[from->broker]);
    if (is_other && names[from->client] != into->other && names[from->server] != into->other)
        into->totals.overflowed = clew__saturated_sum(into->totals.overflowed, from->calls);
    merge_sketch(into, &edge->client_latency, &from->client_latency);
    merge_sketch(into, &edge->server_latency, &from->server_latency);
    merge_sketch(into, &edge->gap, &from->gap);
    merge_sketch(into, &edge->lag, &from->lag);
}

/* Names that memory had no room for stay what they are. */
static clew__text translated(const clew__text *names, clew__text name) {
    return name < CLEW__NAME_LIMIT ? names[name] : name;
}

static void merge_rows(struct clew_service_map *into, const struct clew_service_map *from,
                       const clew__text *names) {
    if (from->open.ceiling < into->open.ceiling)
        into->open.ceiling = from->open.ceiling;
    for (uint32_t i = 0; i < from->open.count; i++) {
        struct clew__open *row = clew__open_add(into);
        if (!row)
            return;
        *row = from->open.rows[i];
        row->name = translated(names, row->name);
        row->other = translated(names, row->other);
        row->broker = translated(names, row->broker);
    }
}

/* What names of `from` are in `into`, by their numbers there. */
static clew__text *translate(struct clew_service_map *into, const struct clew_service_map *from) {
    uint32_t count = clew__texts_count(from->names.texts);
    clew__text *names = clew_memory_allocate((size_t)(count + 1) * sizeof *names);
    if (!names)
        return NULL;
    names[0] = 0;
    for (clew__text name = 1; name < count; name++) {
        bool is_virtual = name >= from->node_capacity || from->nodes[name].spans == 0;
        names[name] = clew__map_name(into, clew__names_get(&from->names, name), is_virtual);
    }
    return names;
}

void clew__map_merge(struct clew_service_map *into, const struct clew_service_map *from) {
    clew__text *names = translate(into, from);
    if (!names) {
        clew__map_lose(into);
        return;
    }
    uint32_t named = clew__texts_count(from->names.texts);
    for (uint32_t i = 1; i < from->node_capacity && i < named; i++)
        merge_node(into, names[i], &from->nodes[i]);
    for (uint32_t i = 0; i < from->edge_keys.count; i++)
        merge_edge(into, &from->edges[i], names);
    merge_rows(into, from, names);
    merge_totals(&into->totals, &from->totals);
    clew_memory_release(names);
}

int clew_service_map_merge(clew_service_map *into, const clew_service_map *from) {
    if (!into || !from || into == from)
        return CLEW_EINVAL;
    uint64_t lost = into->totals.lost + from->totals.lost;
    clew__map_changed(into);
    clew__map_merge(into, from);
    clew__open_prune(into);
    return into->totals.lost == lost ? CLEW_OK : CLEW_ENOMEM;
}
