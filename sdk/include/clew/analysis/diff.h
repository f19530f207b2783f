/* Two traces, or two sets of traces, side by side: what is in one and not in the other, and where the
 * difference of their durations comes from. */
#ifndef CLEW_ANALYSIS_DIFF_H
#define CLEW_ANALYSIS_DIFF_H

#include <clew/analysis/profile.h>

CLEW_BEGIN_DECLS

typedef enum clew_diff_status {
    CLEW_DIFF_SAME = 0, /**< in both, in the same place */
    CLEW_DIFF_ADDED,    /**< in the second alone */
    CLEW_DIFF_REMOVED,  /**< in the first alone */
    CLEW_DIFF_MOVED,    /**< in both, but in another order among its siblings (of which there are no more than
                           1000) or below another parent */
} clew_diff_status;

/** "same", "added", "removed", "moved"; static. */
CLEW_API const char *clew_diff_status_name(clew_diff_status status);

/** One side of a node. */
typedef struct clew_diff_side {
    uint64_t count, errors;  /**< of all requests together */
    uint64_t duration, self; /**< nanoseconds of one request (for two traces: of the trace), rounded down */
    uint64_t critical_self, critical, edge_gap;
    uint32_t exemplar_count;
    clew_exemplar exemplars[CLEW_EXEMPLAR_MAX];
} clew_diff_side;

typedef struct clew_diff_node {
    clew_diff_status status;
    clew_frame_kind kind;
    clew_span_kind span_kind;
    clew_text service, operation;
    uint32_t parent; /**< index; CLEW_NO_SPAN for a root */
    uint32_t end;    /**< the index behind its subtree */
    uint32_t depth;
    uint32_t counterpart; /**< of one that moved below another parent: the node on the other side; else
                             CLEW_NO_SPAN */
    clew_diff_side before, after;
} clew_diff_node;

/** A part of the difference. */
typedef struct clew_diff_cause {
    /** A node whose time of its own on the path changed; or the root for whose share among the requests
     * (`is_mix`) it is. */
    uint32_t node;
    bool is_mix;
    int64_t delta; /**< nanoseconds of one request; positive: the second is slower */
} clew_diff_cause;

typedef struct clew_diff {
    const clew_diff_node *nodes; /**< every parent before its children, siblings in order of their starts */
    uint32_t node_count;
    /** The largest first (by size, whatever the sign); those of nothing are left out. They sum exactly to
     * `delta`. */
    const clew_diff_cause *causes;
    uint32_t cause_count;
    uint64_t before,
        after;     /**< nanoseconds of one request (for two traces: of all its roots), rounded down */
    int64_t delta; /**< after - before */
    uint64_t roots_before, roots_after;
} clew_diff;

/** What changed from one set to another: two profiles, or two windows of one (what is slower in p99?). Both
 * are measured by the request. The result keeps nothing of the two. NULL when memory runs out. */
CLEW_API CLEW_NODISCARD clew_diff *clew_diff_new(const clew_profile_view *before,
                                                 const clew_profile_view *after);
/** What changed from one trace to another. NULL, too, when a path is not of its trace. */
CLEW_API CLEW_NODISCARD clew_diff *clew_diff_traces(const clew_trace *before,
                                                    const clew_critical_path *path_before,
                                                    const clew_trace *after,
                                                    const clew_critical_path *path_after);
/** NULL is allowed. */
CLEW_API void clew_diff_free(clew_diff *diff);

CLEW_END_DECLS

#endif
