/* What one trace adds to a service map: to its nodes, and by its critical path to what its spans' calls were
 * counted for. One thread at a time. */
#include "sdk/analysis/map_pairing.h"

#include <clew/extend.h>

#include <string.h>

/* ---- nodes ---- */

static void count_node(struct clew__pairing *pairing, uint32_t index) {
    const struct clew__record *record = clew__pairing_record(pairing, index);
    struct clew_service_map *map = pairing->map;
    if (!record)
        return;
    clew__text name = clew__pairing_service(pairing, index);
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
static void put_path_off(struct clew__pairing *pairing, uint32_t number) {
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

static void stamp_spot(struct clew__pairing *pairing, uint32_t spot) {
    struct clew_service_map *map = pairing->map;
    if (spot == CLEW__SPOT_NOWHERE)
        return;
    if (spot >= CLEW__SPOT_ROW) {
        map->open.rows[spot - CLEW__SPOT_ROW].on_path = true;
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

static void add_gap(struct clew__pairing *pairing, const clew_path_segment *segment) {
    uint32_t spot = CLEW__SPOT_NOWHERE;
    uint64_t nano = segment->end_unix_nano - segment->start_unix_nano;
    if (segment->callee < pairing->trace->node_count)
        spot = pairing->spots[segment->callee].in;
    if (spot == CLEW__SPOT_NOWHERE)
        spot = pairing->spots[segment->span].out;
    clew__wide_number weighted =
        (clew__wide_number)nano * clew__pairing_record(pairing, segment->span)->weight;
    stamp_spot(pairing, spot);
    if (spot != CLEW__SPOT_NOWHERE && spot >= CLEW__SPOT_ROW) {
        struct clew__open *row = &pairing->map->open.rows[spot - CLEW__SPOT_ROW];
        row->gap_time = clew__wide_sum(row->gap_time, weighted);
        return;
    }
    clew__map_add_gap(pairing->map, spot == CLEW__SPOT_NOWHERE ? CLEW__NO_EDGE : spot, weighted);
}

static void take_path(struct clew__pairing *pairing) {
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
        else if (segment->kind == CLEW_SEGMENT_EDGE_GAP && clew__pairing_record(pairing, segment->span))
            add_gap(pairing, segment);
    }
}

/* For the edges that rows make alone: whether this trace already counts there. */
static void mark_counted(struct clew__pairing *pairing) {
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
    if (count <= scratch->spot_capacity)
        return true;
    clew_memory_release(scratch->spots);
    scratch->spots = clew_memory_allocate(count * sizeof *scratch->spots);
    scratch->spot_capacity = scratch->spots ? count : 0;
    return scratch->spots != NULL;
}

void clew__map_scratch_fini(struct clew__map_scratch *scratch) {
    clew__places_fini(&scratch->places);
    clew_memory_release(scratch->spots);
    clew_memory_release(scratch->loose);
    clew_memory_release(scratch->targets);
    *scratch = (struct clew__map_scratch){0};
}

void clew__map_add_trace(struct clew_service_map *map, const struct clew_trace *trace,
                         const clew_critical_path *path) {
    struct clew__map_scratch *scratch = &map->scratch;
    if (!reserve(scratch, trace->node_count) || !clew__places_make(&scratch->places, trace)) {
        clew__map_lose(map);
        return;
    }
    struct clew__pairing pairing = {.map = map,
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
        count_node(&pairing, i);
    clew__pair_spans(&pairing);
    if (path) {
        take_path(&pairing);
        mark_counted(&pairing);
    }
}
