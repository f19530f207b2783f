/* Laying out forests. Pure; any thread. */
#include "sdk/analysis/arrange.h"

#include <clew/extend.h>

#include <stdlib.h>

static int compare(const void *first, const void *second) {
    const struct clew__sibling *a = (const struct clew__sibling *)first;
    const struct clew__sibling *b = (const struct clew__sibling *)second;
    if (a->parent != b->parent)
        return a->parent < b->parent ? -1 : 1;
    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    return (a->item > b->item) - (a->item < b->item);
}

/* Where the children of each item begin in the sorted siblings; of none behind them all. */
static void find_children(const struct clew__sibling *siblings, uint32_t count, uint32_t item_count,
                          uint32_t *first_child) {
    for (uint32_t i = 0; i < item_count; i++)
        first_child[i] = count;
    for (uint32_t i = count; i-- > 0;) {
        if (siblings[i].parent != CLEW_NO_SPAN)
            first_child[siblings[i].parent] = i;
    }
}

static void find_ends(struct clew__laid *places, uint32_t count) {
    for (uint32_t i = count; i-- > 0;) {
        struct clew__laid *place = &places[i];
        if (place->end == 0)
            place->end = i + 1;
        if (place->parent != CLEW_NO_SPAN && places[place->parent].end == 0)
            places[place->parent].end = place->end;
    }
}

struct clew__laid *clew__arrange(struct clew__arena *arena, struct clew__sibling *siblings, uint32_t count,
                                 uint32_t item_count) {
    struct clew__laid *places = (struct clew__laid *)clew__arena_take(arena, count, sizeof *places);
    uint32_t *first_child =
        (uint32_t *)clew_memory_allocate(((size_t)item_count + count + 1) * sizeof *first_child);
    uint32_t *open = first_child ? first_child + item_count : NULL; /* where the siblings go on, by depth */
    uint32_t depth = 0, placed = 0, parent = CLEW_NO_SPAN, next = 0;
    if (!places || !first_child) {
        clew_memory_release(first_child);
        return NULL;
    }
    if (count > 0)
        qsort(siblings, count, sizeof *siblings, compare);
    find_children(siblings, count, item_count, first_child);
    while (next < count && siblings[next].parent != CLEW_NO_SPAN)
        next++;
    for (;;) {
        const struct clew__sibling *sibling = next < count ? &siblings[next] : NULL;
        uint32_t parent_item = parent == CLEW_NO_SPAN ? CLEW_NO_SPAN : places[parent].item;
        if (sibling && sibling->parent == parent_item && placed < count) {
            places[placed] = (struct clew__laid){.item = sibling->item, .parent = parent, .depth = depth};
            open[depth++] = next + 1;
            parent = placed++;
            next = first_child[sibling->item];
            continue;
        }
        if (depth == 0)
            break;
        next = open[--depth];
        parent = places[parent].parent;
    }
    find_ends(places, placed);
    clew_memory_release(first_child);
    return places;
}

/* Links between spans, read once. */
struct link {
    uint32_t parent, first_child, next_sibling;
};

static void walk(const struct link *links, uint32_t count, uint32_t at, uint32_t *order, uint32_t *ordered) {
    while (at < count && *ordered < count) {
        order[(*ordered)++] = at;
        if (links[at].first_child != CLEW_NO_SPAN) {
            at = links[at].first_child;
            continue;
        }
        while (at < count && links[at].next_sibling == CLEW_NO_SPAN)
            at = links[at].parent;
        at = at < count ? links[at].next_sibling : CLEW_NO_SPAN;
    }
}

uint32_t *clew__trace_order(const clew_trace *trace, uint32_t *count) {
    uint32_t spans = clew_trace_span_count(trace);
    uint32_t *order = (uint32_t *)clew_memory_allocate(((size_t)spans + 1) * sizeof *order);
    struct link *links = (struct link *)clew_memory_allocate(((size_t)spans + 1) * sizeof *links);
    *count = 0;
    if (!order || !links) {
        clew_memory_release(order);
        clew_memory_release(links);
        return NULL;
    }
    for (uint32_t i = 0; i < spans; i++) {
        clew_trace_span span;
        clew_trace_span_at(trace, i, &span);
        links[i] = (struct link){span.parent, span.first_child, span.next_sibling};
    }
    walk(links, spans, clew_trace_first_root(trace), order, count);
    clew_memory_release(links);
    return order;
}
