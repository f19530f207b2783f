/* The rules by which spans of one trace become calls between services. One thread at a time.
 *
 * A span that looks IN (SERVER, CONSUMER) is called: by the OUT span (CLIENT, PRODUCER) above it; else by
 * those that its links name, in any trace; else by the service above it; else by the peer that it names; a
 * root by the user. An OUT span that nobody paired with calls the services of its other children; else the
 * database, the provider of models or the peer that it names. Other spans whose nearest ancestor belongs to
 * another service are called by that one. */
#include "sdk/analysis/map.h"

#include <clew/extend.h>

#include <stdlib.h>
#include <string.h>

/* Where calls of a span are counted: an edge, an open row (ROW + its index), or nowhere. */
#define NOWHERE UINT32_MAX
#define ROW (UINT32_C(1) << 31)

struct clew__map_spot {
    uint32_t out, in; /* what the span calls, first; by which it is called */
    bool has_pair;    /* of an OUT span: by parent */
};

/* A child in another service. */
struct clew__map_loose {
    uint32_t parent, child;
    clew__text service;
};

/* What a link within the trace leads to. */
struct clew__map_target {
    uint64_t span_id;
};

struct pairing {
    struct clew_service_map *map;
    const struct clew_trace *trace;
    const clew_critical_path *path; /* may be NULL */
    const struct clew__place *places;
    struct clew__map_spot *spots;
    uint64_t order;     /* of open rows of this trace */
    uint32_t first_row; /* of these */
};

void clew__map_scratch_fini(struct clew__map_scratch *scratch) {
    clew__places_fini(&scratch->places);
    clew_memory_release(scratch->spots);
    clew_memory_release(scratch->loose);
    clew_memory_release(scratch->targets);
    *scratch = (struct clew__map_scratch){0};
}

static const struct clew__record *record_of(const struct pairing *pairing, uint32_t node) {
    return pairing->trace->nodes[node].record;
}

static clew__text service_name(struct pairing *pairing, uint32_t node) {
    return clew__map_service(pairing->map, pairing->trace, record_of(pairing, node)->service);
}

static struct clew__call_side side_of(const struct pairing *pairing, uint32_t node, bool is_measured) {
    const struct clew__node *at = &pairing->trace->nodes[node];
    return (struct clew__call_side){.start = at->start,
                                    .end = at->end,
                                    .weight = at->record->weight,
                                    .is_there = true,
                                    .failed = clew__record_has_failed(at->record),
                                    .is_open = (at->record->flags & CLEW__RECORD_OPEN) != 0,
                                    .is_measured = is_measured};
}

static void count_side(struct pairing *pairing, uint32_t node, bool is_edge) {
    clew_map_side *side = clew__map_side_of(pairing->map, (enum clew__side)pairing->places[node].side);
    if (is_edge)
        side->one_sided++;
    else
        side->unpaired++;
}

/* ---- open rows ---- */

static struct clew__open *open_row(struct pairing *pairing, enum clew__open_kind kind, uint32_t node,
                                   uint32_t ordinal) {
    struct clew__open *row = clew__open_add(pairing->map);
    if (!row)
        return NULL;
    const struct clew__node *at = &pairing->trace->nodes[node];
    memcpy(row->trace_id, pairing->trace->id, sizeof row->trace_id);
    row->order = pairing->order;
    row->kind = (uint8_t)kind;
    row->node = node;
    row->ordinal = ordinal;
    row->span_id = at->record->id;
    row->start = at->start;
    row->end = at->end;
    row->weight = at->record->weight;
    row->failed = clew__record_has_failed(at->record);
    row->is_open = (at->record->flags & CLEW__RECORD_OPEN) != 0;
    row->name = service_name(pairing, node);
    return row;
}

static uint32_t spot_of_row(const struct pairing *pairing, const struct clew__open *row) {
    return row ? ROW + (uint32_t)(row - pairing->map->open.rows) : NOWHERE;
}

/* ---- one side alone ---- */

struct verdict {
    clew__text name;     /* of the other end */
    clew_edge_type type; /* CLEW_EDGE_TYPE_COUNT: no edge */
};

static struct verdict judge_in(struct pairing *pairing, uint32_t node) {
    const struct clew__record *record = record_of(pairing, node);
    uint32_t parent = pairing->trace->nodes[node].parent;
    uint32_t caller = parent == CLEW_NO_SPAN ? CLEW_NO_SPAN : pairing->places[parent].anchor;
    if (caller != CLEW_NO_SPAN && record_of(pairing, caller)->service)
        return (struct verdict){service_name(pairing, caller), CLEW_EDGE_INFERRED};
    if (record->peer)
        return (struct verdict){clew__map_virtual(pairing->map, pairing->trace, record->peer),
                                CLEW_EDGE_VIRTUAL_NODE};
    bool is_orphan = pairing->trace->nodes[node].repairs & 1u << CLEW_REPAIR_MISSING_PARENT;
    if (parent == CLEW_NO_SPAN && !is_orphan)
        return (struct verdict){pairing->map->user, CLEW_EDGE_VIRTUAL_NODE};
    return (struct verdict){0, CLEW_EDGE_TYPE_COUNT};
}

static struct verdict judge_out(struct pairing *pairing, uint32_t node) {
    const struct clew__record *record = record_of(pairing, node);
    bool is_model = (record->flags & CLEW__RECORD_GENAI) && record->provider;
    bool is_database = (record->flags & CLEW__RECORD_DATABASE) && record->peer;
    clew__text name = is_model && !is_database ? record->provider : record->peer;
    if (!name)
        return (struct verdict){0, CLEW_EDGE_TYPE_COUNT};
    return (struct verdict){clew__map_virtual(pairing->map, pairing->trace, name),
                            is_database ? CLEW_EDGE_DATABASE
                            : is_model  ? CLEW_EDGE_GENAI
                                        : CLEW_EDGE_VIRTUAL_NODE};
}

static void count_unpaired(struct pairing *pairing, uint32_t node, uint64_t *sum) {
    *sum = clew__saturated_sum(*sum, record_of(pairing, node)->weight);
    count_side(pairing, node, false);
}

static void count_in_alone(struct pairing *pairing, uint32_t node) {
    struct verdict verdict = judge_in(pairing, node);
    if (verdict.type == CLEW_EDGE_TYPE_COUNT) {
        count_unpaired(pairing, node, &pairing->map->totals.unpaired_in);
        return;
    }
    struct clew__call call = {.client = verdict.name,
                              .server = service_name(pairing, node),
                              .type = verdict.type,
                              .in = side_of(pairing, node, true)};
    pairing->spots[node].in = clew__map_count_call(pairing->map, &call);
    count_side(pairing, node, true);
}

static void count_out_alone(struct pairing *pairing, uint32_t node) {
    struct verdict verdict = judge_out(pairing, node);
    if (verdict.type == CLEW_EDGE_TYPE_COUNT) {
        count_unpaired(pairing, node, &pairing->map->totals.unpaired_out);
        return;
    }
    struct clew__call call = {.client = service_name(pairing, node),
                              .server = verdict.name,
                              .type = verdict.type,
                              .out = side_of(pairing, node, true)};
    pairing->spots[node].out = clew__map_count_call(pairing->map, &call);
    count_side(pairing, node, true);
}

/* ---- spans that are called ---- */

static bool is_messaging_pair(const struct clew__record *out, const struct clew__record *in) {
    return out->kind == CLEW_PRODUCER || in->kind == CLEW_CONSUMER;
}

static void count_pair(struct pairing *pairing, uint32_t out, uint32_t in) {
    const struct clew__record *client = record_of(pairing, out), *server = record_of(pairing, in);
    bool is_messaging = is_messaging_pair(client, server), is_first = !pairing->spots[out].has_pair;
    struct clew__call call = {
        .client = service_name(pairing, out),
        .server = service_name(pairing, in),
        .type = is_messaging ? CLEW_EDGE_MESSAGING : CLEW_EDGE_RPC,
        .is_indirect = pairing->trace->nodes[in].parent != out,
        .out = side_of(pairing, out, is_first),
        .in = side_of(pairing, in, true),
    };
    if (is_messaging && client->peer)
        call.broker = clew__map_virtual(pairing->map, pairing->trace, client->peer);
    uint32_t edge = clew__map_count_call(pairing->map, &call);
    if (is_first)
        pairing->spots[out].out = edge;
    pairing->spots[out].has_pair = true;
    pairing->spots[in].in = edge;
    pairing->map->totals.in.paired++;
}

static bool add_target(struct clew__map_scratch *scratch, uint64_t span_id) {
    if (scratch->target_count == scratch->target_capacity) {
        uint32_t capacity = scratch->target_capacity ? scratch->target_capacity * 2 : 16;
        struct clew__map_target *grown = clew_memory_reallocate(scratch->targets, capacity * sizeof *grown);
        if (!grown)
            return false;
        scratch->targets = grown;
        scratch->target_capacity = capacity;
    }
    scratch->targets[scratch->target_count++].span_id = span_id;
    return true;
}

static void open_links(struct pairing *pairing, uint32_t node) {
    const struct clew__record *record = record_of(pairing, node);
    const struct clew__span_link *links = pairing->trace->source->links + record->first_link;
    struct verdict verdict = judge_in(pairing, node);
    for (uint32_t i = 0; i < record->link_count; i++) {
        struct clew__open *row = open_row(pairing, CLEW__OPEN_IN, node, i);
        if (!row)
            continue;
        memcpy(row->target_trace, links[i].trace_id, sizeof row->target_trace);
        row->target_id = links[i].span_id;
        row->other = verdict.name;
        row->type = (uint8_t)verdict.type;
        if (i == 0)
            pairing->spots[node].in = spot_of_row(pairing, row);
        if (memcmp(links[i].trace_id, pairing->trace->id, sizeof links[i].trace_id) == 0 &&
            !add_target(&pairing->map->scratch, links[i].span_id))
            clew__map_lose(pairing->map);
    }
}

static void take_in(struct pairing *pairing, uint32_t node) {
    uint32_t caller = clew__places_caller(&pairing->map->scratch.places, pairing->trace, node);
    pairing->map->totals.in.spans++;
    if (caller != CLEW_NO_SPAN && pairing->places[caller].side == CLEW__SIDE_OUT)
        count_pair(pairing, caller, node);
    else if (record_of(pairing, node)->link_count > 0)
        open_links(pairing, node);
    else
        count_in_alone(pairing, node);
}

/* ---- spans below another service that do not look IN ---- */

static bool add_loose(struct clew__map_scratch *scratch, const struct clew__map_loose *loose) {
    if (scratch->loose_count == scratch->loose_capacity) {
        uint32_t capacity = scratch->loose_capacity ? scratch->loose_capacity * 2 : 16;
        struct clew__map_loose *grown = clew_memory_reallocate(scratch->loose, capacity * sizeof *grown);
        if (!grown)
            return false;
        scratch->loose = grown;
        scratch->loose_capacity = capacity;
    }
    scratch->loose[scratch->loose_count++] = *loose;
    return true;
}

static void take_foreign(struct pairing *pairing, uint32_t node, uint32_t above) {
    bool is_out = pairing->places[node].side == CLEW__SIDE_OUT;
    if (pairing->places[above].side == CLEW__SIDE_OUT) {
        struct clew__map_loose loose = {above, node, record_of(pairing, node)->service};
        if (!add_loose(&pairing->map->scratch, &loose))
            clew__map_lose(pairing->map);
        return;
    }
    struct clew__call call = {.client = service_name(pairing, above),
                              .server = service_name(pairing, node),
                              .type = is_out ? CLEW_EDGE_INFERRED : CLEW_EDGE_UNKNOWN,
                              .in = side_of(pairing, node, !is_out)};
    pairing->spots[node].in = clew__map_count_call(pairing->map, &call);
}

static void take_called(struct pairing *pairing, uint32_t node) {
    const struct clew__record *record = record_of(pairing, node);
    const struct clew__place *place = &pairing->places[node];
    if (!record)
        return;
    if (place->side == CLEW__SIDE_IN)
        take_in(pairing, node);
    else if (record->service && place->named != CLEW_NO_SPAN &&
             record_of(pairing, place->named)->service != record->service)
        take_foreign(pairing, node, place->named);
}

/* ---- spans that call ---- */

static int compare_by_service(const void *left, const void *right) {
    const struct clew__map_loose *a = left, *b = right;
    if (a->parent != b->parent)
        return a->parent < b->parent ? -1 : 1;
    if (a->service != b->service)
        return a->service < b->service ? -1 : 1;
    return (a->child > b->child) - (a->child < b->child);
}

/* Not by service: numbers of texts depend on the order of arrival. */
static int compare_by_child(const void *left, const void *right) {
    const struct clew__map_loose *a = left, *b = right;
    if (a->parent != b->parent)
        return a->parent < b->parent ? -1 : 1;
    return (a->child > b->child) - (a->child < b->child);
}

/* Leaves the first child of each service, in order of parent, then child. */
static void arrange_loose(struct clew__map_scratch *scratch) {
    uint32_t kept = 0;
    if (scratch->loose_count < 2)
        return;
    qsort(scratch->loose, scratch->loose_count, sizeof *scratch->loose, compare_by_service);
    for (uint32_t i = 0; i < scratch->loose_count; i++) {
        const struct clew__map_loose *at = &scratch->loose[i];
        if (kept == 0 || scratch->loose[kept - 1].parent != at->parent ||
            scratch->loose[kept - 1].service != at->service)
            scratch->loose[kept++] = *at;
    }
    scratch->loose_count = kept;
    qsort(scratch->loose, kept, sizeof *scratch->loose, compare_by_child);
}

static int compare_targets(const void *left, const void *right) {
    const struct clew__map_target *a = left, *b = right;
    return (a->span_id > b->span_id) - (a->span_id < b->span_id);
}

/* Whether links of other traces may lead to an OUT span: to those of messaging only. To remember every call
 * of a database for ever would cost too much. */
static bool is_far_target(const struct clew__record *record) {
    return record->kind == CLEW_PRODUCER || (record->flags & CLEW__RECORD_MESSAGING);
}

/* Whether a link of the trace does. */
static bool is_near_target(const struct pairing *pairing, const struct clew__record *record) {
    const struct clew__map_scratch *scratch = &pairing->map->scratch;
    struct clew__map_target wanted = {record->id};
    return scratch->target_count > 0 &&
           bsearch(&wanted, scratch->targets, scratch->target_count, sizeof wanted, compare_targets) != NULL;
}

/* The run of loose children of an OUT span. */
struct loose_run {
    const struct clew__map_loose *at;
    uint32_t count;
};

static void open_out(struct pairing *pairing, uint32_t node, struct loose_run loose) {
    const struct clew__record *record = record_of(pairing, node);
    struct clew__map_spot *spot = &pairing->spots[node];
    struct verdict verdict = {0, CLEW_EDGE_TYPE_COUNT};
    if (!spot->has_pair && loose.count == 0)
        verdict = judge_out(pairing, node);
    uint32_t rows = spot->has_pair || loose.count == 0 ? 1 : loose.count;
    for (uint32_t i = 0; i < rows; i++) {
        struct clew__open *row = open_row(pairing, CLEW__OPEN_OUT, node, i);
        if (!row)
            continue;
        if (!spot->has_pair && loose.count > 0) {
            verdict = (struct verdict){service_name(pairing, loose.at[i].child), CLEW_EDGE_INFERRED};
            pairing->spots[loose.at[i].child].in = spot_of_row(pairing, row);
        }
        row->is_near = !is_far_target(record);
        row->is_paired = spot->has_pair;
        row->other = verdict.name;
        row->type = (uint8_t)verdict.type;
        if (record->peer)
            row->broker = clew__map_virtual(pairing->map, pairing->trace, record->peer);
        if (i == 0 && !spot->has_pair)
            spot->out = spot_of_row(pairing, row);
    }
}

static void infer_edges(struct pairing *pairing, uint32_t node, struct loose_run loose) {
    for (uint32_t i = 0; i < loose.count; i++) {
        uint32_t child = loose.at[i].child;
        struct clew__call call = {.client = service_name(pairing, node),
                                  .server = service_name(pairing, child),
                                  .type = CLEW_EDGE_INFERRED,
                                  .out = side_of(pairing, node, i == 0)};
        uint32_t edge = clew__map_count_call(pairing->map, &call);
        if (i == 0)
            pairing->spots[node].out = edge;
        pairing->spots[child].in = edge;
    }
    count_side(pairing, node, true);
}

static void take_out(struct pairing *pairing, uint32_t node, struct loose_run loose) {
    clew_map_side *side = &pairing->map->totals.out;
    side->spans++;
    const struct clew__record *record = record_of(pairing, node);
    if (is_far_target(record) || is_near_target(pairing, record))
        open_out(pairing, node, loose);
    else if (pairing->spots[node].has_pair)
        side->paired++;
    else if (loose.count > 0)
        infer_edges(pairing, node, loose);
    else
        count_out_alone(pairing, node);
}

static void take_callers(struct pairing *pairing) {
    struct clew__map_scratch *scratch = &pairing->map->scratch;
    struct loose_run loose = {scratch->loose, 0};
    arrange_loose(scratch);
    if (scratch->target_count > 1)
        qsort(scratch->targets, scratch->target_count, sizeof *scratch->targets, compare_targets);
    const struct clew__map_loose *end = scratch->loose + scratch->loose_count;
    for (uint32_t node = 0; node < pairing->trace->node_count; node++) {
        loose.at += loose.count;
        loose.count = 0;
        while (loose.at + loose.count < end && loose.at[loose.count].parent == node)
            loose.count++;
        if (pairing->places[node].side == CLEW__SIDE_OUT)
            take_out(pairing, node, loose);
    }
}

/* ---- nodes ---- */

static void count_node(struct pairing *pairing, uint32_t index) {
    const struct clew__record *record = record_of(pairing, index);
    struct clew_service_map *map = pairing->map;
    if (!record)
        return;
    clew__text name = service_name(pairing, index);
    struct clew__map_node *node = name == CLEW__NAME_NONE ? NULL : clew__map_node(map, name);
    map->totals.spans++;
    if (pairing->trace->nodes[index].start < map->totals.start)
        map->totals.start = pairing->trace->nodes[index].start;
    if (pairing->trace->nodes[index].end > map->totals.end)
        map->totals.end = pairing->trace->nodes[index].end;
    if (!node) {
        clew__map_lose(map);
        return;
    }
    node->spans++;
    if (pairing->places[index].is_entry) {
        node->seen_calls++;
        node->calls = clew__saturated_sum(node->calls, record->weight);
        if (clew__record_has_failed(record))
            node->errors = clew__saturated_sum(node->errors, record->weight);
    }
    if (!pairing->path)
        return;
    const clew_path_span *times = &pairing->path->spans[index];
    uint64_t critical = times->critical_self - times->edge_gap;
    node->self = clew__wide_sum(node->self, (clew__wide_number)times->self * record->weight);
    node->critical = clew__wide_sum(node->critical, (clew__wide_number)critical * record->weight);
    if (critical > 0 && node->stamp != map->stamp) {
        node->stamp = map->stamp;
        node->path_traces++;
    }
}

/* ---- the path ---- */

/* An edge of messaging may get calls from open rows of this trace later: then the trace must not count twice.
 */
static void put_path_off(struct pairing *pairing, uint32_t number) {
    struct clew_service_map *map = pairing->map;
    struct clew__open *row = clew__open_add(map);
    if (!row)
        return;
    const struct clew__map_edge *edge = &map->edges[number];
    memcpy(row->trace_id, pairing->trace->id, sizeof row->trace_id);
    row->order = pairing->order;
    row->kind = CLEW__OPEN_PATH;
    row->name = edge->client;
    row->other = edge->server;
    row->type = (uint8_t)edge->type;
}

static void stamp_spot(struct pairing *pairing, uint32_t spot) {
    struct clew_service_map *map = pairing->map;
    if (spot == NOWHERE)
        return;
    if (spot >= ROW) {
        map->open.rows[spot - ROW].on_path = true;
        return;
    }
    struct clew__map_edge *edge = &map->edges[spot];
    if (edge->stamp == map->stamp)
        return;
    if (edge->type != CLEW_EDGE_MESSAGING || map->open.count == pairing->first_row) {
        clew__map_stamp_edge(map, spot);
        return;
    }
    edge->stamp = map->stamp;
    put_path_off(pairing, spot);
}

static void add_gap(struct pairing *pairing, const clew_path_segment *segment) {
    uint32_t spot = NOWHERE;
    uint64_t nano = segment->end_unix_nano - segment->start_unix_nano;
    if (segment->callee < pairing->trace->node_count)
        spot = pairing->spots[segment->callee].in;
    if (spot == NOWHERE)
        spot = pairing->spots[segment->span].out;
    clew__wide_number weighted = (clew__wide_number)nano * record_of(pairing, segment->span)->weight;
    stamp_spot(pairing, spot);
    if (spot != NOWHERE && spot >= ROW) {
        struct clew__open *row = &pairing->map->open.rows[spot - ROW];
        row->gap_time = clew__wide_sum(row->gap_time, weighted);
        return;
    }
    clew__map_add_gap(pairing->map, spot == NOWHERE ? CLEW__NO_EDGE : spot, weighted);
}

static void take_path(struct pairing *pairing) {
    const clew_critical_path *path = pairing->path;
    struct clew__map_totals *totals = &pairing->map->totals;
    for (uint32_t i = 0; i < path->span_count; i++)
        if (path->spans[i].critical > 0)
            stamp_spot(pairing, pairing->spots[i].in);
    for (uint32_t i = 0; i < path->segment_count; i++) {
        const clew_path_segment *segment = &path->segments[i];
        if (segment->span >= pairing->trace->node_count)
            continue;
        if (segment->kind == CLEW_SEGMENT_MISSING)
            totals->missing = clew__wide_sum(
                totals->missing,
                (clew__wide_number)(segment->end_unix_nano - segment->start_unix_nano) * CLEW__WEIGHT_ONE);
        else if (segment->kind == CLEW_SEGMENT_EDGE_GAP && record_of(pairing, segment->span))
            add_gap(pairing, segment);
    }
}

/* For the edges that rows make alone: whether this trace already counts there. */
static void mark_counted(struct pairing *pairing) {
    struct clew_service_map *map = pairing->map;
    for (uint32_t i = pairing->first_row; i < map->open.count; i++) {
        struct clew__open *row = &map->open.rows[i];
        if (!row->on_path || row->type == CLEW_EDGE_TYPE_COUNT || row->kind == CLEW__OPEN_PATH)
            continue;
        bool is_in = row->kind == CLEW__OPEN_IN;
        struct clew__key key = {is_in ? row->other : row->name, is_in ? row->name : row->other, row->type};
        uint32_t edge = clew__keys_find(&map->edge_keys, key);
        row->is_counted = edge != CLEW__NO_KEY && map->edges[edge].stamp == map->stamp;
    }
}

/* ---- all of it ---- */

static uint64_t order_of(const uint8_t trace_id[16]) {
    uint64_t halves[2];
    memcpy(halves, trace_id, sizeof halves);
    return clew__mix(halves[0] ^ clew__mix(halves[1] + 1)) >> 1; /* below any ceiling */
}

static bool reserve(struct clew__map_scratch *scratch, uint32_t count) {
    scratch->loose_count = scratch->target_count = 0;
    if (count <= scratch->spot_capacity)
        return true;
    clew_memory_release(scratch->spots);
    scratch->spots = clew_memory_allocate(count * sizeof *scratch->spots);
    scratch->spot_capacity = scratch->spots ? count : 0;
    return scratch->spots != NULL;
}

void clew__map_add_trace(struct clew_service_map *map, const struct clew_trace *trace,
                         const clew_critical_path *path) {
    struct clew__map_scratch *scratch = &map->scratch;
    if (!reserve(scratch, trace->node_count) || !clew__places_make(&scratch->places, trace)) {
        clew__map_lose(map);
        return;
    }
    struct pairing pairing = {.map = map,
                              .trace = trace,
                              .path = path,
                              .places = scratch->places.at,
                              .spots = scratch->spots,
                              .order = order_of(trace->id),
                              .first_row = map->open.count};
    map->stamp++;
    map->totals.traces++;
    map->totals.path_traces += path != NULL;
    for (uint32_t i = 0; i < trace->node_count; i++)
        pairing.spots[i] = (struct clew__map_spot){.out = NOWHERE, .in = NOWHERE};
    for (uint32_t i = 0; i < trace->node_count; i++)
        count_node(&pairing, i);
    for (uint32_t i = 0; i < trace->node_count; i++)
        take_called(&pairing, i);
    take_callers(&pairing);
    if (path) {
        take_path(&pairing);
        mark_counted(&pairing);
    }
}
