/* Correcting the times of a trace. Owns nothing. One thread at a time. */
#include "sdk/traces/skew.h"

#include "sdk/containers/sort.h"
#include "sdk/traces/offsets.h"

#include <clew/extend.h>

#include <string.h>

/* ---- moving spans ---- */

/* How a span is to be moved from its recorded times; its parent has been moved. */
struct mover {
    clew__wide_offset (*delta_of)(struct mover *mover, const struct clew_trace *trace, uint32_t span);
    struct clew__offsets *offsets;
    struct clew__skew_refused *refused;
    uint64_t max;
};

static uint64_t recorded_start(const struct clew__node *node) {
    return node->start - (uint64_t)node->skew;
}

static uint64_t recorded_end(const struct clew__node *node) {
    return node->end - (uint64_t)node->skew;
}

/* The span above, or NULL: of a root, and below a phantom. */
static const struct clew__node *parent_of(const struct clew_trace *trace, const struct clew__node *node) {
    if (node->parent == CLEW_NO_SPAN || !trace->nodes[node->parent].record)
        return NULL;
    return &trace->nodes[node->parent];
}

static bool is_possible(const struct clew__node *node, clew__wide_offset delta) {
    return delta >= -INT64_MAX && delta <= INT64_MAX &&
           (clew__wide_offset)recorded_start(node) + delta >= 0 &&
           (clew__wide_offset)recorded_end(node) + delta <= UINT64_MAX;
}

static bool move_span(struct mover *mover, struct clew_trace *trace, uint32_t index) {
    struct clew__node *node = &trace->nodes[index];
    const struct clew__node *parent = parent_of(trace, node);
    uint64_t start = recorded_start(node), end = recorded_end(node);
    clew__wide_offset delta;
    /* Its start is the parent's, by the parent's clock. */
    if (parent && node->repairs & 1u << CLEW_REPAIR_NO_START)
        delta = parent->skew;
    else
        delta = mover->delta_of(mover, trace, index);
    int64_t skew = is_possible(node, delta) ? (int64_t)delta : 0;
    if (skew == node->skew)
        return false;
    node->start = start + (uint64_t)skew;
    node->end = end + (uint64_t)skew;
    node->skew = skew;
    return true;
}

/* The span after this one, parents before children. */
static uint32_t next_span(const struct clew_trace *trace, uint32_t span) {
    if (trace->nodes[span].child_count > 0)
        return trace->children[trace->nodes[span].first_child];
    while (span != CLEW_NO_SPAN && trace->nodes[span].next_sibling == CLEW_NO_SPAN)
        span = trace->nodes[span].parent;
    return span == CLEW_NO_SPAN ? CLEW_NO_SPAN : trace->nodes[span].next_sibling;
}

/* A phantom takes the time of its children. */
static void stretch_phantom(struct clew_trace *trace, struct clew__node *phantom) {
    phantom->start = UINT64_MAX;
    phantom->end = 0;
    for (uint32_t i = 0; i < phantom->child_count; i++) {
        const struct clew__node *child = &trace->nodes[trace->children[phantom->first_child + i]];
        phantom->start = child->start < phantom->start ? child->start : phantom->start;
        phantom->end = child->end > phantom->end ? child->end : phantom->end;
    }
}

static bool move_all(struct mover *mover, struct clew_trace *trace) {
    size_t count = trace->node_count;
    struct clew__sort_key *keys =
        (struct clew__sort_key *)clew_memory_allocate((2 * count + 1) * sizeof *keys);
    bool is_changed = false;
    if (!keys)
        return false;
    for (uint32_t i = clew_trace_first_root(trace); i != CLEW_NO_SPAN; i = next_span(trace, i))
        if (trace->nodes[i].record)
            is_changed |= move_span(mover, trace, i);
    if (is_changed) {
        trace->skew_corrected = 0;
        for (uint32_t i = 0; i < count; i++) {
            if (!trace->nodes[i].record)
                stretch_phantom(trace, &trace->nodes[i]);
            trace->skew_corrected += trace->nodes[i].skew != 0;
        }
        clew__trace_reorder(trace, keys);
    }
    clew_memory_release(keys);
    return true;
}

static clew__wide_offset delta_none(struct mover *mover, const struct clew_trace *trace, uint32_t span) {
    (void)mover;
    (void)trace;
    (void)span;
    return 0;
}

bool clew__skew_undo(struct clew_trace *trace) {
    struct mover mover = {.delta_of = delta_none};
    return trace->skew_corrected == 0 || move_all(&mover, trace);
}

/* ---- by what was learned ---- */

/* One more than the host's number, by the number of its text in the trace: a host is looked up once. */
#define HOST_SLOTS 64u

struct host_mover {
    struct mover mover;
    clew__wide_offset *references; /* by component: the offset of the host that the others are corrected to */
    bool *has_reference;
    struct {
        clew__text text, host;
    } slots[HOST_SLOTS];
};

/* Where the host's clock is; NULL: not known. */
static const struct clew__host_offset *host_of(struct host_mover *hosts, const struct clew_trace *trace,
                                               const struct clew__node *node) {
    const struct clew__offsets *offsets = hosts->mover.offsets;
    if (!node->record || !node->record->host)
        return NULL;
    clew__text text = node->record->host;
    if (hosts->slots[text % HOST_SLOTS].text != text) {
        clew_text name = clew__texts_get(trace->texts, text);
        hosts->slots[text % HOST_SLOTS].text = text;
        hosts->slots[text % HOST_SLOTS].host = clew__texts_find(offsets->hosts, name.data, name.size);
    }
    clew__text host = hosts->slots[text % HOST_SLOTS].host;
    if (host >= offsets->host_count || offsets->solution[host].component == CLEW__NO_KEY)
        return NULL;
    return &offsets->solution[host];
}

static clew__wide_offset delta_of_host(struct mover *mover, const struct clew_trace *trace, uint32_t span) {
    struct host_mover *hosts = (struct host_mover *)(void *)mover;
    const struct clew__host_offset *host = host_of(hosts, trace, &trace->nodes[span]);
    return host ? host->offset - hosts->references[host->component] : 0;
}

/* Of each set of hosts that are connected, the reference is that of the trace's first root, by recorded time,
 * or else of its first span. */
static void find_references(struct host_mover *hosts, const struct clew_trace *trace, bool of_roots) {
    for (uint32_t i = 0; i < trace->node_count; i++) {
        const struct clew__node *node = &trace->nodes[i];
        if (of_roots && parent_of(trace, node))
            continue;
        const struct clew__host_offset *host = host_of(hosts, trace, node);
        if (!host || hosts->has_reference[host->component])
            continue;
        hosts->has_reference[host->component] = true;
        hosts->references[host->component] = host->offset;
    }
}

bool clew__offsets_apply(struct clew__offsets *offsets, struct clew_trace *trace) {
    struct host_mover hosts = {.mover = {.delta_of = delta_of_host, .offsets = offsets}};
    if (trace->node_count == 0)
        return true;
    /* The first in order began first, by recorded time. */
    if (!clew__offsets_solve(offsets, recorded_start(&trace->nodes[0]) / CLEW__OFFSETS_WINDOW))
        return false;
    if (offsets->is_flat)
        return clew__skew_undo(trace);
    size_t size = offsets->component_count * (sizeof *hosts.references + sizeof *hosts.has_reference);
    hosts.references = (clew__wide_offset *)clew_memory_allocate(size);
    if (!hosts.references)
        return false;
    memset(hosts.references, 0, size);
    hosts.has_reference = (bool *)(void *)(hosts.references + offsets->component_count);
    find_references(&hosts, trace, true);
    find_references(&hosts, trace, false);
    bool is_done = move_all(&hosts.mover, trace);
    clew_memory_release(hosts.references);
    return is_done;
}

/* ---- within one trace ---- */

/* From the recorded times to where the parent can have waited for it. */
static clew__wide_offset delta_into(const struct clew__node *parent, const struct clew__node *child) {
    uint64_t start = recorded_start(child), end = recorded_end(child);
    uint64_t outer = parent->end - parent->start, inner = end - start;
    if (inner > outer)
        return start < parent->start ? (clew__wide_offset)parent->start - start : 0;
    if (start >= parent->start && end <= parent->end)
        return 0;
    return (clew__wide_offset)parent->start + (outer - inner) / 2 - start;
}

static clew__wide_offset delta_within(struct mover *mover, const struct clew_trace *trace, uint32_t span) {
    const struct clew__node *node = &trace->nodes[span], *parent = parent_of(trace, node);
    if (!parent)
        return 0;
    if (node->record->host && node->record->host == parent->record->host)
        return parent->skew;
    clew__wide_offset delta = delta_into(parent, node);
    clew__wide_offset size = delta < 0 ? -delta : delta;
    if (size <= mover->max && is_possible(node, delta))
        return delta;
    if (mover->refused && mover->refused->count++ == 0) {
        mover->refused->span = span;
        mover->refused->delta = is_possible(node, delta) ? (int64_t)delta : 0;
    }
    return 0;
}

bool clew__skew_within(struct clew_trace *trace, uint64_t max, struct clew__skew_refused *refused) {
    struct mover mover = {.delta_of = delta_within, .refused = refused, .max = max};
    if (refused)
        *refused = (struct clew__skew_refused){.span = CLEW_NO_SPAN};
    return move_all(&mover, trace);
}
