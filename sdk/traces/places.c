/* Owns the places of a trace's spans. One thread at a time. */
#include "sdk/traces/places.h"

#include <clew/extend.h>

static bool reserve(struct clew__places *places, uint32_t count) {
    if (count <= places->capacity)
        return true;
    clew__places_fini(places);
    places->at = clew_memory_allocate(count * sizeof *places->at);
    places->order = clew_memory_allocate(count * sizeof *places->order);
    if (!places->at || !places->order) {
        clew__places_fini(places);
        return false;
    }
    places->capacity = count;
    return true;
}

void clew__places_fini(struct clew__places *places) {
    clew_memory_release(places->at);
    clew_memory_release(places->order);
    *places = (struct clew__places){0};
}

enum clew__side clew__side_of(const struct clew__record *record) {
    if (!record)
        return CLEW__SIDE_NONE;
    switch (record->kind) {
    case CLEW_CLIENT:
    case CLEW_PRODUCER:
        return CLEW__SIDE_OUT;
    case CLEW_SERVER:
    case CLEW_CONSUMER:
        return CLEW__SIDE_IN;
    case 0:
        return record->service && (record->peer || record->provider) ? CLEW__SIDE_OUT : CLEW__SIDE_NONE;
    default:
        return CLEW__SIDE_NONE;
    }
}

/* Where the climb from a span ends; those above it are placed. */
static uint32_t anchor_of(const struct clew__places *places, const struct clew_trace *trace, uint32_t node,
                          uint32_t above) {
    clew__text service = clew__service_of(trace, node);
    if (places->at[node].side != CLEW__SIDE_NONE)
        return node;
    if (above == CLEW_NO_SPAN)
        return service ? node : CLEW_NO_SPAN;
    clew__text above_service = clew__service_of(trace, above);
    if (service && above_service && service != above_service)
        return node;
    return places->at[above].anchor;
}

static bool is_entry(const struct clew__places *places, const struct clew_trace *trace, uint32_t node) {
    const struct clew__record *record = trace->nodes[node].record;
    uint32_t parent = trace->nodes[node].parent;
    const struct clew__place *place = &places->at[node];
    if (!record)
        return false;
    if (parent == CLEW_NO_SPAN || !trace->nodes[parent].record)
        return true;
    if ((record->flags & CLEW__RECORD_REMOTE_KNOWN) && (record->flags & CLEW__RECORD_REMOTE))
        return true;
    if (record->service &&
        (place->named == CLEW_NO_SPAN || clew__service_of(trace, place->named) != record->service))
        return true;
    uint32_t caller = clew__places_caller(places, trace, node);
    return place->side == CLEW__SIDE_IN && caller != CLEW_NO_SPAN &&
           places->at[caller].side == CLEW__SIDE_OUT;
}

static void place_node(struct clew__places *places, const struct clew_trace *trace, uint32_t node) {
    struct clew__place *place = &places->at[node];
    uint32_t parent = trace->nodes[node].parent;
    uint32_t above = parent == CLEW_NO_SPAN ? CLEW_NO_SPAN : places->at[parent].kinded;
    place->side = (uint8_t)clew__side_of(trace->nodes[node].record);
    if (parent == CLEW_NO_SPAN)
        place->named = CLEW_NO_SPAN;
    else
        place->named = clew__service_of(trace, parent) ? parent : places->at[parent].named;
    place->kinded = place->side != CLEW__SIDE_NONE || clew__service_of(trace, node) ? node : above;
    place->anchor = anchor_of(places, trace, node, above);
    place->is_entry = is_entry(places, trace, node);
}

bool clew__places_make(struct clew__places *places, const struct clew_trace *trace) {
    uint32_t placed = 0;
    if (!reserve(places, trace->node_count))
        return false;
    for (uint32_t i = 0; i < trace->root_count; i++)
        places->order[placed++] = trace->roots[i];
    for (uint32_t i = 0; i < placed; i++) {
        const struct clew__node *node = &trace->nodes[places->order[i]];
        place_node(places, trace, places->order[i]);
        for (uint32_t child = 0; child < node->child_count; child++)
            places->order[placed++] = trace->children[node->first_child + child];
    }
    return true;
}
