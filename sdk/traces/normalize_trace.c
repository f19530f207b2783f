/* From repaired records to a trace: nodes in order, phantoms, children, roots. Owns nothing but the trace
 * that it returns; one thread a call. */
#include "sdk/base/memory.h"
#include "sdk/traces/normalize.h"

/* Orphans that name the same parent, from one of them on. */
static uint32_t family_end(const struct clew__normalizing *work, uint32_t from) {
    uint32_t to = from + 1;
    while (to < work->orphan_count && work->orphans[to].first == work->orphans[from].first)
        to++;
    return to;
}

static void count_phantoms(struct clew__normalizing *work) {
    clew__sort_keys(work->orphans, work->spare, work->orphan_count, NULL, NULL);
    for (uint32_t from = 0, to; from < work->orphan_count; from = to) {
        to = family_end(work, from);
        work->phantom_count += to - from > 1;
    }
}

static void sort_drafts(struct clew__normalizing *work) {
    uint32_t live = 0;
    for (uint32_t i = 0; i < work->count; i++) {
        const struct clew__draft *draft = &work->drafts[i];
        if (!draft->is_out)
            work->keys[live++] = (struct clew__sort_key){draft->start, UINT64_MAX - draft->end, i};
    }
    work->live = live;
    clew__sort_keys(work->keys, work->spare, live, clew__compare_drafts, work);
    for (uint32_t i = 0; i < live; i++)
        work->drafts[work->keys[i].index].node = i;
}

static size_t bytes_of(size_t nodes) {
    return sizeof(struct clew_trace) + nodes * (sizeof(struct clew__node) + sizeof(uint32_t));
}

/* Of two orphans there is at most one phantom. */
size_t clew__trace_bytes_max(uint32_t records) {
    return bytes_of((size_t)records + records / 2);
}

static struct clew_trace *new_trace(const struct clew__normalizing *work) {
    uint32_t nodes = work->live + work->phantom_count;
    struct clew_trace *trace = (struct clew_trace *)clew_memory_allocate(bytes_of(nodes));
    if (!trace)
        return NULL;
    *trace = (struct clew_trace){.texts = work->texts,
                                 .source = work->source,
                                 .id_text = work->source->trace_id_text,
                                 .node_count = nodes,
                                 .phantom_count = work->phantom_count,
                                 .has_open = work->has_open};
    memcpy(trace->id, work->source->trace_id, sizeof trace->id);
    memcpy(trace->repairs, work->repairs, sizeof trace->repairs);
    trace->nodes = (struct clew__node *)(trace + 1);
    trace->children = (uint32_t *)(trace->nodes + nodes); /* and the roots behind them */
    return trace;
}

static void fill_spans(const struct clew__normalizing *work, struct clew_trace *trace) {
    for (uint32_t i = 0; i < work->live; i++) {
        uint32_t index = work->keys[i].index;
        const struct clew__draft *draft = &work->drafts[index];
        trace->nodes[i] = (struct clew__node){
            .record = &work->records[index],
            .start = draft->start,
            .end = draft->end,
            .parent = draft->parent == CLEW_NO_SPAN ? CLEW_NO_SPAN : work->drafts[draft->parent].node,
            .next_sibling = CLEW_NO_SPAN,
            .suffix = draft->suffix,
            .repairs = draft->repairs,
        };
    }
}

/* A phantom takes the time from its first child's start to its last child's end. */
static struct clew__node phantom_of(const struct clew__normalizing *work, const struct clew_trace *trace,
                                    uint32_t from, uint32_t to) {
    struct clew__node phantom = {
        .start = UINT64_MAX,
        .parent = CLEW_NO_SPAN,
        .next_sibling = CLEW_NO_SPAN,
        .phantom_id = work->orphans[from].first,
    };
    for (uint32_t i = from; i < to; i++) {
        const struct clew__node *child = &trace->nodes[work->drafts[work->orphans[i].index].node];
        phantom.start = child->start < phantom.start ? child->start : phantom.start;
        phantom.end = child->end > phantom.end ? child->end : phantom.end;
    }
    return phantom;
}

static int compare_phantoms(const void *user, uint32_t a, uint32_t b) {
    const struct clew__normalizing *work = (const struct clew__normalizing *)user;
    return CLEW__ORDER(work->orphans[a].first, work->orphans[b].first);
}

/* In order of start, longest, id, behind the spans. The index of a key is the first orphan's. */
static void fill_phantoms(const struct clew__normalizing *work, struct clew_trace *trace) {
    struct clew__sort_key *keys = work->keys;
    uint32_t count = 0;
    for (uint32_t from = 0, to; from < work->orphan_count; from = to) {
        to = family_end(work, from);
        if (to - from > 1) {
            struct clew__node phantom = phantom_of(work, trace, from, to);
            keys[count++] = (struct clew__sort_key){phantom.start, UINT64_MAX - phantom.end, from};
        }
    }
    clew__sort_keys(keys, work->spare, count, compare_phantoms, work);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t from = keys[i].index, to = family_end(work, from);
        trace->nodes[work->live + i] = phantom_of(work, trace, from, to);
        for (; from < to; from++)
            trace->nodes[work->drafts[work->orphans[from].index].node].parent = work->live + i;
    }
}

static int compare_nodes(const void *user, uint32_t a, uint32_t b) {
    return clew__node_compare_ids((const struct clew_trace *)user, a, b);
}

static void sort_roots(struct clew_trace *trace, struct clew__sort_key *keys, struct clew__sort_key *spare) {
    uint32_t count = trace->root_count;
    for (uint32_t i = 0; i < count; i++)
        keys[i] = (struct clew__sort_key){trace->nodes[trace->roots[i]].start, 0, trace->roots[i]};
    clew__sort_keys(keys, spare, count, compare_nodes, trace);
    for (uint32_t i = 0; i < count; i++) {
        trace->roots[i] = keys[i].index;
        trace->nodes[keys[i].index].next_sibling = i + 1 < count ? keys[i + 1].index : CLEW_NO_SPAN;
    }
}

/* Spans are in order already, and phantoms are nobody's children: so children are as they come. */
static void gather_children(struct clew_trace *trace, struct clew__sort_key *keys,
                            struct clew__sort_key *spare) {
    struct clew__node *nodes = trace->nodes;
    uint32_t at = 0;
    for (uint32_t i = 0; i < trace->node_count; i++) {
        if (nodes[i].parent != CLEW_NO_SPAN)
            nodes[nodes[i].parent].child_count++;
        else
            trace->root_count++;
    }
    for (uint32_t i = 0; i < trace->node_count; i++) {
        nodes[i].first_child = at;
        at += nodes[i].child_count;
        nodes[i].child_count = 0;
    }
    trace->roots = trace->children + at;
    trace->root_count = 0;
    for (uint32_t i = 0; i < trace->node_count; i++) {
        struct clew__node *parent = nodes[i].parent == CLEW_NO_SPAN ? NULL : &nodes[nodes[i].parent];
        if (!parent) {
            trace->roots[trace->root_count++] = i;
            continue;
        }
        if (parent->child_count > 0)
            nodes[trace->children[parent->first_child + parent->child_count - 1]].next_sibling = i;
        trace->children[parent->first_child + parent->child_count++] = i;
    }
    sort_roots(trace, keys, spare);
}

struct clew_trace *clew__normalized_trace(struct clew__normalizing *work) {
    struct clew_trace *trace;
    if (work->orphan_count > 1)
        count_phantoms(work);
    sort_drafts(work);
    trace = new_trace(work);
    if (!trace)
        return NULL;
    fill_spans(work, trace);
    if (work->phantom_count > 0)
        fill_phantoms(work, trace);
    gather_children(trace, work->keys, work->spare);
    return trace;
}

void clew__trace_free(struct clew_trace *trace) {
    clew_memory_release(trace);
}

static void sort_children(struct clew_trace *trace, const struct clew__node *parent,
                          struct clew__sort_key *keys, struct clew__sort_key *spare) {
    uint32_t *children = trace->children + parent->first_child;
    uint32_t count = parent->child_count;
    for (uint32_t i = 0; i < count; i++) {
        const struct clew__node *child = &trace->nodes[children[i]];
        keys[i] = (struct clew__sort_key){child->start, UINT64_MAX - child->end, children[i]};
    }
    clew__sort_keys(keys, spare, count, compare_nodes, trace);
    for (uint32_t i = 0; i < count; i++) {
        children[i] = keys[i].index;
        trace->nodes[children[i]].next_sibling = i + 1 < count ? keys[i + 1].index : CLEW_NO_SPAN;
    }
}

void clew__trace_reorder(struct clew_trace *trace, struct clew__sort_key *keys) {
    struct clew__sort_key *spare = keys + trace->node_count;
    for (uint32_t i = 0; i < trace->node_count; i++) {
        if (trace->nodes[i].child_count > 1)
            sort_children(trace, &trace->nodes[i], keys, spare);
    }
    sort_roots(trace, keys, spare);
}
