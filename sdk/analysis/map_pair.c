/* The rules by which spans of one trace become calls between services. One thread at a time.
 *
 * A span that looks IN (SERVER, CONSUMER) is called: by the OUT span (CLIENT, PRODUCER) above it; else by
 * those that its links name, in any trace; else by the service above it; else by the peer that it names; a
 * root by the user. An OUT span that nobody paired with calls the services of its other children; else the
 * database, the provider of models or the peer that it names. Other spans whose nearest ancestor belongs to
 * another service are called by that one. */
#include "sdk/analysis/map_pairing.h"

#include <clew/extend.h>

#include <stdlib.h>
#include <string.h>

/* A child in another service. */
struct clew__map_loose {
    uint32_t parent, child;
    uint32_t first; /* child of the parent in that service: whose call it belongs to */
    clew__text service;
};

/* What a link within the trace leads to. */
struct clew__map_target {
    uint64_t span_id;
};

static struct clew__call_side side_of(const struct clew__pairing *pairing, uint32_t node, bool is_measured) {
    const struct clew__node *at = &pairing->trace->nodes[node];
    return (struct clew__call_side){.start = at->start,
                                    .end = at->end,
                                    .weight = at->record->weight,
                                    .is_there = true,
                                    .failed = clew__record_has_failed(at->record),
                                    .is_open = (at->record->flags & CLEW__RECORD_OPEN) != 0,
                                    .is_measured = is_measured,
                                    .trace_id = pairing->trace->id_text ? NULL : pairing->trace->id};
}

static void count_side(struct clew__pairing *pairing, uint32_t node, bool is_edge) {
    clew_map_side *side = clew__map_side_of(pairing->map, (enum clew__side)pairing->places[node].side);
    if (is_edge)
        side->one_sided++;
    else
        side->unpaired++;
}

/* ---- open rows ---- */

static struct clew__open *open_row(struct clew__pairing *pairing, enum clew__open_kind kind, uint32_t node,
                                   uint32_t ordinal) {
    struct clew__open *row = clew__open_add(pairing->map);
    if (!row)
        return NULL;
    const struct clew__node *at = &pairing->trace->nodes[node];
    memcpy(row->trace_id, pairing->trace->id, sizeof row->trace_id);
    row->has_text_id = pairing->trace->id_text != 0;
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
    row->name = clew__pairing_service(pairing, node);
    return row;
}

static uint32_t spot_of_row(const struct clew__pairing *pairing, const struct clew__open *row) {
    return row ? CLEW__SPOT_ROW + (uint32_t)(row - pairing->map->open.rows) : CLEW__SPOT_NOWHERE;
}

/* ---- one side alone ---- */

struct verdict {
    clew__text name;     /* of the other end */
    clew_edge_type type; /* CLEW_EDGE_TYPE_COUNT: no edge */
};

static struct verdict judge_in(struct clew__pairing *pairing, uint32_t node) {
    const struct clew__record *record = clew__pairing_record(pairing, node);
    uint32_t parent = pairing->trace->nodes[node].parent;
    uint32_t caller = parent == CLEW_NO_SPAN ? CLEW_NO_SPAN : pairing->places[parent].anchor;
    if (caller != CLEW_NO_SPAN && clew__pairing_record(pairing, caller)->service)
        return (struct verdict){clew__pairing_service(pairing, caller), CLEW_EDGE_INFERRED};
    if (record->peer)
        return (struct verdict){clew__map_virtual(pairing->map, pairing->trace, record->peer),
                                CLEW_EDGE_VIRTUAL_NODE};
    bool is_orphan = pairing->trace->nodes[node].repairs & 1u << CLEW_REPAIR_MISSING_PARENT;
    if (parent == CLEW_NO_SPAN && !is_orphan)
        return (struct verdict){pairing->map->user, CLEW_EDGE_VIRTUAL_NODE};
    return (struct verdict){0, CLEW_EDGE_TYPE_COUNT};
}

static struct verdict judge_out(struct clew__pairing *pairing, uint32_t node) {
    const struct clew__record *record = clew__pairing_record(pairing, node);
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

static void count_unpaired(struct clew__pairing *pairing, uint32_t node, uint64_t *sum) {
    *sum = clew__saturated_sum(*sum, clew__pairing_record(pairing, node)->weight);
    count_side(pairing, node, false);
}

static void count_in_alone(struct clew__pairing *pairing, uint32_t node) {
    struct verdict verdict = judge_in(pairing, node);
    if (verdict.type == CLEW_EDGE_TYPE_COUNT) {
        count_unpaired(pairing, node, &pairing->map->totals.unpaired_in);
        return;
    }
    struct clew__call call = {.client = verdict.name,
                              .server = clew__pairing_service(pairing, node),
                              .type = verdict.type,
                              .in = side_of(pairing, node, true)};
    pairing->spots[node].in = clew__map_count_call(pairing->map, &call);
    count_side(pairing, node, true);
}

static void count_out_alone(struct clew__pairing *pairing, uint32_t node) {
    struct verdict verdict = judge_out(pairing, node);
    if (verdict.type == CLEW_EDGE_TYPE_COUNT) {
        count_unpaired(pairing, node, &pairing->map->totals.unpaired_out);
        return;
    }
    struct clew__call call = {.client = clew__pairing_service(pairing, node),
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

static void count_pair(struct clew__pairing *pairing, uint32_t out, uint32_t in) {
    const struct clew__record *client = clew__pairing_record(pairing, out),
                              *server = clew__pairing_record(pairing, in);
    bool is_messaging = is_messaging_pair(client, server), is_first = !pairing->spots[out].has_pair;
    struct clew__call call = {
        .client = clew__pairing_service(pairing, out),
        .server = clew__pairing_service(pairing, in),
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

static void open_links(struct clew__pairing *pairing, uint32_t node) {
    const struct clew__record *record = clew__pairing_record(pairing, node);
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

static void take_in(struct clew__pairing *pairing, uint32_t node) {
    uint32_t caller = clew__places_caller(&pairing->map->scratch.places, pairing->trace, node);
    pairing->map->totals.in.spans++;
    if (caller != CLEW_NO_SPAN && pairing->places[caller].side == CLEW__SIDE_OUT)
        count_pair(pairing, caller, node);
    else if (clew__pairing_record(pairing, node)->link_count > 0)
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

static void take_foreign(struct clew__pairing *pairing, uint32_t node, uint32_t above) {
    bool is_out = pairing->places[node].side == CLEW__SIDE_OUT;
    if (pairing->places[above].side == CLEW__SIDE_OUT) {
        struct clew__map_loose loose = {above, node, node, clew__pairing_record(pairing, node)->service};
        if (!add_loose(&pairing->map->scratch, &loose))
            clew__map_lose(pairing->map);
        return;
    }
    struct clew__call call = {.client = clew__pairing_service(pairing, above),
                              .server = clew__pairing_service(pairing, node),
                              .type = is_out ? CLEW_EDGE_INFERRED : CLEW_EDGE_UNKNOWN,
                              .in = side_of(pairing, node, !is_out)};
    pairing->spots[node].in = clew__map_count_call(pairing->map, &call);
}

static void take_called(struct clew__pairing *pairing, uint32_t node) {
    const struct clew__record *record = clew__pairing_record(pairing, node);
    const struct clew__place *place = &pairing->places[node];
    if (!record)
        return;
    if (place->side == CLEW__SIDE_IN)
        take_in(pairing, node);
    else if (record->service && place->named != CLEW_NO_SPAN &&
             clew__pairing_record(pairing, place->named)->service != record->service)
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

/* In order of parent, then child; each with the first of its service. */
static void arrange_loose(struct clew__map_scratch *scratch) {
    struct clew__map_loose *loose = scratch->loose;
    if (scratch->loose_count < 2)
        return;
    qsort(loose, scratch->loose_count, sizeof *loose, compare_by_service);
    for (uint32_t i = 1; i < scratch->loose_count; i++)
        if (loose[i].parent == loose[i - 1].parent && loose[i].service == loose[i - 1].service)
            loose[i].first = loose[i - 1].first;
    qsort(loose, scratch->loose_count, sizeof *loose, compare_by_child);
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
static bool is_near_target(const struct clew__pairing *pairing, const struct clew__record *record) {
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

/* Further children of a service belong to the call of the first. */
static void share_spots(struct clew__pairing *pairing, struct loose_run loose) {
    for (uint32_t i = 0; i < loose.count; i++)
        pairing->spots[loose.at[i].child].in = pairing->spots[loose.at[i].first].in;
}

static struct clew__open *open_caller(struct clew__pairing *pairing, uint32_t node, uint32_t ordinal,
                                      struct verdict verdict) {
    const struct clew__record *record = clew__pairing_record(pairing, node);
    struct clew__map_spot *spot = &pairing->spots[node];
    struct clew__open *row = open_row(pairing, CLEW__OPEN_OUT, node, ordinal);
    if (!row)
        return NULL;
    row->is_near = !is_far_target(record);
    row->is_paired = spot->has_pair;
    row->other = verdict.name;
    row->type = (uint8_t)verdict.type;
    if (record->peer)
        row->broker = clew__map_virtual(pairing->map, pairing->trace, record->peer);
    if (ordinal == 0 && !spot->has_pair)
        spot->out = spot_of_row(pairing, row);
    return row;
}

static void open_out(struct clew__pairing *pairing, uint32_t node, struct loose_run loose) {
    const struct verdict none = {0, CLEW_EDGE_TYPE_COUNT};
    uint32_t ordinal = 0;
    if (pairing->spots[node].has_pair || loose.count == 0) {
        open_caller(pairing, node, 0, pairing->spots[node].has_pair ? none : judge_out(pairing, node));
        return;
    }
    for (uint32_t i = 0; i < loose.count; i++) {
        uint32_t child = loose.at[i].child;
        if (child != loose.at[i].first)
            continue;
        struct verdict verdict = {clew__pairing_service(pairing, child), CLEW_EDGE_INFERRED};
        pairing->spots[child].in = spot_of_row(pairing, open_caller(pairing, node, ordinal++, verdict));
    }
    share_spots(pairing, loose);
}

static void infer_edges(struct clew__pairing *pairing, uint32_t node, struct loose_run loose) {
    for (uint32_t i = 0; i < loose.count; i++) {
        uint32_t child = loose.at[i].child;
        if (child != loose.at[i].first)
            continue;
        struct clew__call call = {.client = clew__pairing_service(pairing, node),
                                  .server = clew__pairing_service(pairing, child),
                                  .type = CLEW_EDGE_INFERRED,
                                  .out = side_of(pairing, node, i == 0)};
        uint32_t edge = clew__map_count_call(pairing->map, &call);
        if (i == 0)
            pairing->spots[node].out = edge;
        pairing->spots[child].in = edge;
    }
    share_spots(pairing, loose);
    count_side(pairing, node, true);
}

static void take_out(struct clew__pairing *pairing, uint32_t node, struct loose_run loose) {
    clew_map_side *side = &pairing->map->totals.out;
    side->spans++;
    const struct clew__record *record = clew__pairing_record(pairing, node);
    if (is_far_target(record) || is_near_target(pairing, record))
        open_out(pairing, node, loose);
    else if (pairing->spots[node].has_pair)
        side->paired++;
    else if (loose.count > 0)
        infer_edges(pairing, node, loose);
    else
        count_out_alone(pairing, node);
}

static void take_callers(struct clew__pairing *pairing) {
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

void clew__pair_spans(struct clew__pairing *pairing) {
    struct clew__map_scratch *scratch = &pairing->map->scratch;
    scratch->loose_count = scratch->target_count = 0;
    for (uint32_t i = 0; i < pairing->trace->node_count; i++)
        pairing->spots[i] = (struct clew__map_spot){.out = CLEW__SPOT_NOWHERE, .in = CLEW__SPOT_NOWHERE};
    for (uint32_t i = 0; i < pairing->trace->node_count; i++)
        take_called(pairing, i);
    take_callers(pairing);
}
