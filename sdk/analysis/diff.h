/* What is behind clew_diff: two views with their nodes aligned. */
#ifndef CLEW_ANALYSIS_DIFF_MODEL_H
#define CLEW_ANALYSIS_DIFF_MODEL_H

#include "sdk/analysis/arrange.h"
#include "sdk/analysis/profile.h"

#include <clew/analysis/diff.h>

/* A calling context that is in one view or in both. */
struct clew__aligned {
    uint32_t parent;        /* item, or CLEW__TABLE_NONE */
    uint32_t frame;         /* the key ends here */
    uint32_t before, after; /* node + 1; 0: it is not there */
    uint32_t counterpart;   /* item + 1 */
    bool is_moved;
};

struct clew__diffing {
    const struct clew__view *before, *after;
    bool is_traces;                       /* one trace each, measured as a whole */
    uint64_t weight_before, weight_after; /* requests, in parts */
    struct clew__table frames, items;
    struct clew__arena scratch;
    struct clew__laid *places; /* of items */
};

static inline struct clew__aligned *clew__aligned_at(const struct clew__diffing *diffing, uint32_t item) {
    return (struct clew__aligned *)clew__table_at(&diffing->items, item);
}

/* NULL when it is not there. */
static inline const clew_profile_node *clew__side_node(const struct clew__view *view,
                                                       uint32_t node_plus_one) {
    return node_plus_one ? &view->shown.nodes[node_plus_one - 1] : NULL;
}

/* Says which items moved: among their siblings, or below another parent. False when memory runs out. */
bool clew__diff_moves(struct clew__diffing *diffing);

/* The parts of the difference, into the diff, with memory of the arena. False when memory runs out. */
bool clew__diff_causes(struct clew__diffing *diffing, struct clew__arena *arena, clew_diff *diff);

#endif
