/* Owns the open rows of service maps: spans that links from other traces may lead to, and links that lead to
 * spans that have not been seen. One thread at a time.
 *
 * Rows are settled together and in an order of their own, so that what comes out is the same for any order in
 * which they came. Where there are too many, the traces with the largest hashes are settled first: which ones
 * stay then does not depend on the order either, as whoever goes early would have gone in the end. */
#include "sdk/analysis/map.h"

#include <clew/extend.h>

#include <stdlib.h>
#include <string.h>

#define FIRST_ROWS 64u

struct clew__open *clew__open_add(struct clew_service_map *map) {
    struct clew__open_rows *open = &map->open;
    if (open->count == open->capacity) {
        uint32_t capacity = open->capacity ? open->capacity + open->capacity / 2 : FIRST_ROWS;
        struct clew__open *grown = clew_memory_reallocate(open->rows, capacity * sizeof *grown);
        if (!grown) {
            clew__map_lose(map);
            return NULL;
        }
        open->rows = grown;
        open->capacity = capacity;
    }
    open->rows[open->count] = (struct clew__open){.type = CLEW_EDGE_TYPE_COUNT};
    return &open->rows[open->count++];
}

/* ---- order ---- */

static int compare_numbers(uint64_t a, uint64_t b) {
    return (a > b) - (a < b);
}

/* By trace, within it by kind and place. */
static int compare_rows(const void *left, const void *right) {
    const struct clew__open *a = left, *b = right;
    int order = compare_numbers(a->order, b->order);
    if (order == 0)
        order = memcmp(a->trace_id, b->trace_id, sizeof a->trace_id);
    if (order == 0)
        order = compare_numbers(a->kind, b->kind);
    if (order == 0)
        order = compare_numbers(a->node, b->node);
    return order ? order : compare_numbers(a->ordinal, b->ordinal);
}

/* By id, for links to find them; of several with one id the first in its trace. */
static int compare_targets(const void *left, const void *right) {
    const struct clew__open *a = *(const struct clew__open *const *)left;
    const struct clew__open *b = *(const struct clew__open *const *)right;
    int order = memcmp(a->trace_id, b->trace_id, sizeof a->trace_id);
    if (order == 0)
        order = compare_numbers(a->span_id, b->span_id);
    if (order == 0)
        order = compare_numbers(a->node, b->node);
    return order;
}

static bool is_same_trace(const struct clew__open *a, const struct clew__open *b) {
    return memcmp(a->trace_id, b->trace_id, sizeof a->trace_id) == 0;
}

static bool is_same_span(const struct clew__open *a, const struct clew__open *b) {
    return a->kind == b->kind && a->node == b->node && is_same_trace(a, b);
}

/* ---- settling ---- */

struct settling {
    struct clew_service_map *map;
    struct clew__open *rows;
    uint32_t count;
    const struct clew__open **targets; /* the first rows of OUT spans, ordered by id */
    uint32_t target_count;
    uint32_t *edges; /* of each row: the first edge that a link gave its span, or CLEW__NO_EDGE */
    bool *is_linked; /* of each row */
    bool within_traces;
};

static bool settling_init(struct settling *settling) {
    size_t count = settling->count ? settling->count : 1;
    settling->targets = clew_memory_allocate(count * sizeof(const struct clew__open *));
    settling->edges = clew_memory_allocate(count * sizeof *settling->edges);
    settling->is_linked = clew_memory_allocate(count * sizeof *settling->is_linked);
    if (!settling->targets || !settling->edges || !settling->is_linked)
        return false;
    for (uint32_t i = 0; i < settling->count; i++) {
        const struct clew__open *row = &settling->rows[i];
        settling->edges[i] = CLEW__NO_EDGE;
        settling->is_linked[i] = false;
        if (row->kind == CLEW__OPEN_OUT && row->ordinal == 0)
            settling->targets[settling->target_count++] = row;
    }
    qsort(settling->targets, settling->target_count, sizeof(const struct clew__open *), compare_targets);
    return true;
}

static void settling_fini(struct settling *settling) {
    clew_memory_release(settling->targets);
    clew_memory_release(settling->edges);
    clew_memory_release(settling->is_linked);
}

/* The row of the span that a link leads to; CLEW_NO_SPAN when it is not there. */
static uint32_t find_target(const struct settling *settling, const struct clew__open *link) {
    uint32_t left = 0, right = settling->target_count;
    bool is_far = memcmp(link->target_trace, link->trace_id, sizeof link->trace_id) != 0;
    if (settling->within_traces && is_far)
        return CLEW_NO_SPAN;
    while (left < right) {
        uint32_t middle = left + (right - left) / 2;
        const struct clew__open *at = settling->targets[middle];
        int order = memcmp(at->trace_id, link->target_trace, sizeof at->trace_id);
        if (order == 0)
            order = compare_numbers(at->span_id, link->target_id);
        if (order < 0)
            left = middle + 1;
        else
            right = middle;
    }
    if (left == settling->target_count)
        return CLEW_NO_SPAN;
    const struct clew__open *found = settling->targets[left];
    if (found->span_id != link->target_id || (found->is_near && is_far) ||
        memcmp(found->trace_id, link->target_trace, sizeof found->trace_id) != 0)
        return CLEW_NO_SPAN;
    return (uint32_t)(found - settling->rows);
}

static struct clew__call_side side_of(const struct clew__open *row, bool is_measured) {
    return (struct clew__call_side){.start = row->start,
                                    .end = row->end,
                                    .weight = row->weight,
                                    .is_there = true,
                                    .failed = row->failed,
                                    .is_open = row->is_open,
                                    .is_measured = is_measured,
                                    .trace_id = row->has_text_id ? NULL : row->trace_id};
}

static void count_pair(struct settling *settling, uint32_t in, uint32_t first_in, uint32_t out) {
    const struct clew__open *producer = &settling->rows[out], *consumer = &settling->rows[in];
    struct clew__call call = {
        .client = producer->name,
        .server = consumer->name,
        .broker = producer->broker,
        .type = CLEW_EDGE_MESSAGING,
        .out = side_of(producer, !producer->is_paired && !settling->is_linked[out]),
        .in = side_of(consumer, !settling->is_linked[first_in]),
    };
    uint32_t edge = clew__map_count_call(settling->map, &call);
    if (!settling->is_linked[out])
        settling->edges[out] = edge;
    if (!settling->is_linked[first_in])
        settling->edges[first_in] = edge;
    settling->is_linked[out] = settling->is_linked[first_in] = true;
}

/* Rows of one span lie side by side. */
static void resolve_links(struct settling *settling) {
    uint32_t first = 0;
    for (uint32_t i = 0; i < settling->count; i++) {
        if (!is_same_span(&settling->rows[first], &settling->rows[i]))
            first = i;
        if (settling->rows[i].kind != CLEW__OPEN_IN)
            continue;
        uint32_t out = find_target(settling, &settling->rows[i]);
        if (out != CLEW_NO_SPAN)
            count_pair(settling, i, first, out);
    }
}

/* The edge that a span makes without a span of the other side. */
static uint32_t count_alone(struct clew_service_map *map, const struct clew__open *row) {
    struct clew__call call = {.type = (clew_edge_type)row->type};
    bool is_in = row->kind == CLEW__OPEN_IN;
    call.client = is_in ? row->other : row->name;
    call.server = is_in ? row->name : row->other;
    *(is_in ? &call.in : &call.out) = side_of(row, row->ordinal == 0);
    return clew__map_count_call(map, &call);
}

static void count_unpaired(struct clew_service_map *map, const struct clew__open *row) {
    uint64_t *sum = row->kind == CLEW__OPEN_IN ? &map->totals.unpaired_in : &map->totals.unpaired_out;
    *sum = clew__saturated_sum(*sum, row->weight);
}

static bool makes_edge(const struct clew__open *row) {
    return row->type != CLEW_EDGE_TYPE_COUNT;
}

/* What became of a span; its first row. */
static void settle_span(struct settling *settling, uint32_t at) {
    const struct clew__open *row = &settling->rows[at];
    bool is_linked = settling->is_linked[at];
    clew_map_side *side =
        clew__map_side_of(settling->map, row->kind == CLEW__OPEN_IN ? CLEW__SIDE_IN : CLEW__SIDE_OUT);
    if (row->is_paired || is_linked)
        side->paired++;
    else if (makes_edge(row))
        side->one_sided++;
    else
        side->unpaired++;
    if (row->is_paired)
        return;
    uint32_t edge = settling->edges[at];
    bool is_stamped = row->on_path && (row->kind == CLEW__OPEN_OUT || row->gap_time > 0);
    if (!is_linked && makes_edge(row)) {
        edge = count_alone(settling->map, row);
        is_stamped = row->on_path && !row->is_counted;
    } else if (!is_linked) {
        count_unpaired(settling->map, row);
    }
    if (row->gap_time > 0)
        clew__map_add_gap(settling->map, edge, row->gap_time);
    if (is_stamped)
        clew__map_stamp_edge(settling->map, edge);
}

/* A further edge that an OUT span makes alone. */
static void settle_further(struct settling *settling, uint32_t at) {
    const struct clew__open *row = &settling->rows[at];
    uint32_t edge = count_alone(settling->map, row);
    if (row->gap_time > 0)
        clew__map_add_gap(settling->map, edge, row->gap_time);
    if (row->on_path && !row->is_counted)
        clew__map_stamp_edge(settling->map, edge);
}

static void settle_path(struct settling *settling, const struct clew__open *row) {
    clew__map_stamp_edge(settling->map,
                         clew__map_edge(settling->map, row->name, row->other, (clew_edge_type)row->type));
}

static void settle_rows(struct settling *settling) {
    uint32_t first = 0;
    for (uint32_t i = 0; i < settling->count; i++) {
        const struct clew__open *row = &settling->rows[i];
        if (i == 0 || !is_same_trace(row, row - 1))
            settling->map->stamp++;
        if (i == 0 || !is_same_span(row, &settling->rows[first]))
            first = i;
        if (row->kind == CLEW__OPEN_PATH)
            settle_path(settling, row);
        else if (i == first)
            settle_span(settling, i);
        else if (row->kind == CLEW__OPEN_OUT && !settling->is_linked[first])
            settle_further(settling, i);
    }
}

void clew__open_settle(struct clew_service_map *map, struct clew__open *rows, uint32_t count,
                       bool within_traces) {
    struct settling settling = {.map = map, .rows = rows, .count = count, .within_traces = within_traces};
    if (count > 1)
        qsort(rows, count, sizeof *rows, compare_rows);
    if (settling_init(&settling)) {
        resolve_links(&settling);
        settle_rows(&settling);
    } else {
        map->totals.lost += count;
    }
    settling_fini(&settling);
}

/* ---- the limit ---- */

/* How many of the ordered rows stay: those of whole traces, and of none beyond one that had to go. */
static uint32_t count_kept(const struct clew__open_rows *open, uint32_t limit) {
    uint32_t kept = open->count < limit ? open->count : limit;
    while (kept > 0 && kept < open->count && open->rows[kept - 1].order == open->rows[kept].order)
        kept--;
    while (kept > 0 && open->rows[kept - 1].order >= open->ceiling)
        kept--;
    return kept;
}

/* Twice as many as may wait are let in before room is made, so that it costs little. Readings make room, too
 * (clew__open_trim). */
void clew__open_prune(struct clew_service_map *map) {
    if (map->open.count / 2 >= map->open_limit)
        clew__open_trim(map);
}

void clew__open_trim(struct clew_service_map *map) {
    struct clew__open_rows *open = &map->open;
    if (open->count <= map->open_limit && open->ceiling == UINT64_MAX)
        return;
    if (open->count > 1)
        qsort(open->rows, open->count, sizeof *open->rows, compare_rows);
    uint32_t kept = count_kept(open, map->open_limit), settled = open->count - kept;
    if (settled == 0)
        return;
    open->ceiling = open->rows[kept].order < open->ceiling ? open->rows[kept].order : open->ceiling;
    clew__open_settle(map, open->rows + kept, settled, true);
    map->totals.settled_early += settled;
    open->count = kept;
}
