/* The other side of a call. Owns nothing. */
#include "sdk/path/callee.h"

#include "sdk/traces/places.h"

static bool is_other_service(const struct clew__record *record, const struct clew__record *caller) {
    return record && record->service && caller->service && record->service != caller->service;
}

/* A walk through what is below a caller. */
struct walk {
    const struct clew_trace *trace;
    uint32_t caller, at;
    uint32_t namer; /* of a caller without a service: the span above `at` that has one; CLEW_NO_SPAN */
};

/* To the span after this one and all below it; CLEW_NO_SPAN at the end. */
static void go_beside(struct walk *walk) {
    for (uint32_t span = walk->at; span != walk->caller; span = walk->trace->nodes[span].parent) {
        walk->namer = span == walk->namer ? CLEW_NO_SPAN : walk->namer;
        walk->at = walk->trace->nodes[span].next_sibling;
        if (walk->at != CLEW_NO_SPAN)
            return;
    }
    walk->at = CLEW_NO_SPAN;
}

static uint32_t first_child(const struct clew_trace *trace, uint32_t span) {
    const struct clew__node *node = &trace->nodes[span];
    return node->child_count ? trace->children[node->first_child] : CLEW_NO_SPAN;
}

static void go_below(struct walk *walk) {
    const struct clew_trace *trace = walk->trace;
    bool is_named = trace->nodes[walk->caller].record->service || walk->namer != CLEW_NO_SPAN;
    if (!is_named && trace->nodes[walk->at].record->service)
        walk->namer = walk->at;
    walk->at = first_child(trace, walk->at);
}

/* Looks below the caller, through what has no kind and is of one service: nothing is below two callers. */
static uint32_t find_callee(struct clew__relations *relations, uint32_t caller) {
    const struct clew_trace *trace = relations->trace;
    const struct clew__record *record = trace->nodes[caller].record;
    struct walk walk = {trace, caller, first_child(trace, caller), CLEW_NO_SPAN};
    uint32_t found = CLEW_NO_SPAN;
    while (walk.at != CLEW_NO_SPAN) {
        const struct clew__record *below = trace->nodes[walk.at].record;
        const struct clew__record *named =
            walk.namer == CLEW_NO_SPAN ? record : trace->nodes[walk.namer].record;
        bool is_other = is_other_service(below, named);
        relations->steps++;
        if (clew__side_of(below) == CLEW__SIDE_IN)
            return walk.at;
        if (is_other && named == record && found == CLEW_NO_SPAN)
            found = walk.at;
        if (!is_other && clew__side_of(below) != CLEW__SIDE_OUT && trace->nodes[walk.at].child_count)
            go_below(&walk);
        else
            go_beside(&walk);
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
