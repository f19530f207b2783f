/* The other side of a call. Owns nothing. */
#include "sdk/analysis/callee.h"

#include "sdk/analysis/places.h"

static bool is_other_service(const struct clew__record *record, const struct clew__record *caller) {
    return record && record->service && caller->service && record->service != caller->service;
}

/* The span after this one and all below it, within the root's; CLEW_NO_SPAN at the end. */
static uint32_t next_beside(const struct clew_trace *trace, uint32_t span, uint32_t root) {
    while (span != root) {
        if (trace->nodes[span].next_sibling != CLEW_NO_SPAN)
            return trace->nodes[span].next_sibling;
        span = trace->nodes[span].parent;
    }
    return CLEW_NO_SPAN;
}

static uint32_t first_child(const struct clew_trace *trace, uint32_t span) {
    const struct clew__node *node = &trace->nodes[span];
    return node->child_count ? trace->children[node->first_child] : CLEW_NO_SPAN;
}

/* Looks below the caller, through what has no kind and is of its own service: nothing is below two callers.
 */
static uint32_t find_callee(struct clew__relations *relations, uint32_t caller) {
    const struct clew_trace *trace = relations->trace;
    const struct clew__record *record = trace->nodes[caller].record;
    uint32_t found = CLEW_NO_SPAN;
    uint32_t at = first_child(trace, caller);
    while (at != CLEW_NO_SPAN) {
        const struct clew__record *below = trace->nodes[at].record;
        relations->steps++;
        if (clew__side_of(below) == CLEW__SIDE_IN)
            return at;
        if (is_other_service(below, record)) {
            if (found == CLEW_NO_SPAN)
                found = at;
        } else if (clew__side_of(below) != CLEW__SIDE_OUT && trace->nodes[at].child_count) {
            at = first_child(trace, at);
            continue;
        }
        at = next_beside(trace, at, caller);
    }
    return found;
}

clew_segment_kind clew__segment_kind_of(struct clew__relations *relations, uint32_t span, uint32_t *callee) {
    const struct clew_trace *trace = relations->trace;
    const struct clew__node *node = &trace->nodes[span];
    *callee = CLEW_NO_SPAN;
    if (!node->record)
        return CLEW_SEGMENT_MISSING;
    if (clew__side_of(node->record) == CLEW__SIDE_OUT) {
        *callee = find_callee(relations, span);
        bool is_named = node->record->peer || node->record->provider;
        return *callee != CLEW_NO_SPAN || is_named ? CLEW_SEGMENT_EDGE_GAP : CLEW_SEGMENT_SELF;
    }
    uint32_t child = first_child(trace, span);
    if (node->child_count != 1 || relations->of[child].relation != CLEW_RELATION_BLOCKING ||
        !is_other_service(trace->nodes[child].record, node->record))
        return CLEW_SEGMENT_SELF;
    *callee = child;
    return CLEW_SEGMENT_EDGE_GAP;
}

clew_text clew_path_callee(const clew_trace *trace, const clew_path_segment *segment) {
    const clew_text none = {"", 0};
    if (!trace || !segment || segment->kind != CLEW_SEGMENT_EDGE_GAP || segment->span >= trace->node_count)
        return none;
    const struct clew__record *record = trace->nodes[segment->span].record;
    const struct clew__record *callee =
        segment->callee < trace->node_count ? trace->nodes[segment->callee].record : NULL;
    if (callee && callee->service)
        return clew__texts_get(trace->texts, callee->service);
    if (!record)
        return none;
    bool is_model = record->provider && !(record->flags & CLEW__RECORD_DATABASE);
    return clew__texts_get(trace->texts, is_model || !record->peer ? record->provider : record->peer);
}
