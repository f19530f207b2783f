/* Forests laid out depth first, without recursion. Pure; any thread. */
#ifndef CLEW_ANALYSIS_ARRANGE_H
#define CLEW_ANALYSIS_ARRANGE_H

#include "sdk/containers/arena.h"

#include <clew/analysis/trace.h>

/* An item of a forest. Siblings stand in order of key, then rank. */
struct clew__sibling {
    uint64_t key;
    uint32_t rank;
    uint32_t item;
    uint32_t parent; /* item, or CLEW_NO_SPAN */
};

/* By position. */
struct clew__laid {
    uint32_t item;
    uint32_t parent; /* position, or CLEW_NO_SPAN */
    uint32_t end;    /* position behind the subtree */
    uint32_t depth;
};

/* Sorts `siblings` and lays the forest out: as many places, from the arena; parents come before their
 * children. Items are below `item_count`. NULL when memory runs out. */
struct clew__laid *clew__arrange(struct clew__arena *arena, struct clew__sibling *siblings, uint32_t count,
                                 uint32_t item_count);

/* The spans of a trace, parents before their children, in memory that the caller releases; `*count` of them.
 * NULL when memory runs out. */
uint32_t *clew__trace_order(const clew_trace *trace, uint32_t *count);

#endif
