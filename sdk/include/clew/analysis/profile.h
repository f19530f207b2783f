/* The critical-path profile: what requests wait for, summed over any number of traces as a tree of calling
 * contexts, and for any window of latencies: what makes the slow ones slow.
 *
 * Roots (the paths of a clew_critical_path) are the requests. For each operation of a root and each bucket of
 * latency (two to a doubling) there is one tree, so that no trace needs to be kept. Sums are whole
 * nanoseconds, exact up to 584 years, where they stay. Which order traces come in never matters, as long as
 * no limit is reached. One thread at a time; what takes it const may run on several at once.
 *
 * Each trace counts once, whatever it stands for after sampling (`weight` of a clew_trace_span): so sums stay
 * whole and exact. Where one threshold was for all traces, shares, means and percentiles are those of all
 * requests; where slow or failed ones were kept more often, they are those of what was kept. */
#ifndef CLEW_ANALYSIS_PROFILE_H
#define CLEW_ANALYSIS_PROFILE_H

#include <clew/analysis/exemplar.h>
#include <clew/analysis/path.h>

CLEW_BEGIN_DECLS

typedef struct clew_profile clew_profile;

typedef enum clew_frame_kind {
    CLEW_FRAME_SPAN = 0, /**< spans of one service, operation and kind */
    CLEW_FRAME_EDGE_GAP, /**< between the two sides of a call: below the caller, and names the callee */
    CLEW_FRAME_MISSING,  /**< spans that are not there (phantoms); no service, no operation */
    CLEW_FRAME_TRACE,    /**< the whole trace, root of paths of CLEW_SCOPE_TRACE; no service, no operation */
    CLEW_FRAME_OTHER,    /**< what came after the limit of nodes was reached; no service, no operation */
} clew_frame_kind;

/** "span", "edgeGap", "missing", "trace", "other"; static. */
CLEW_API const char *clew_frame_kind_name(clew_frame_kind kind);

/** Options; of every member 0 is the default. */
typedef struct clew_profile_options {
    uint32_t struct_size;
    /** Calling contexts, and operations, that are told apart; 10 000. What comes beyond becomes `(other)`
     * below the same parent. Eight times as many sums of a context in a bucket of latency. */
    uint32_t node_limit;
} clew_profile_options;

/** NULL options: the defaults. NULL when memory runs out. */
CLEW_API CLEW_NODISCARD clew_profile *clew_profile_new(const clew_profile_options *options);
/** NULL is allowed. */
CLEW_API void clew_profile_free(clew_profile *profile);

/** Adds a trace; `path` is its critical path. n log n. CLEW_EINVAL when the path is not of this trace;
 * CLEW_ENOMEM, and nothing is added, when memory runs out. */
CLEW_API int clew_profile_add(clew_profile *profile, const clew_trace *trace, const clew_critical_path *path);
/** Adds all that is in `from`. Of `(other)` it may say too many `roots` and `on_path` then, but no more than
 * of its parent. CLEW_ENOMEM, and nothing is added, when memory runs out. */
CLEW_API int clew_profile_merge(clew_profile *into, const clew_profile *from);

typedef struct clew_profile_stats {
    uint64_t traces;
    uint64_t roots;
    uint64_t dropped;  /**< traces that memory did not suffice for */
    uint64_t overflow; /**< spans that went into `(other)` */
    uint32_t nodes;    /**< calling contexts */
    uint32_t sums;     /**< of contexts and buckets */
} clew_profile_stats;

CLEW_API clew_profile_stats clew_profile_get_stats(const clew_profile *profile);

/** Which roots to look at. All zero: all of them. */
typedef struct clew_profile_window {
    uint32_t struct_size;
    bool has_root;                /**< only roots of this service and operation */
    clew_text service, operation; /**< an empty operation: of the whole service */
    /** From this percentile of latency to that one, in thousandths of a per cent (99 900: p99.9); `to` 0 is
     * 100 000. Roots are ranked by buckets; of a bucket that the window cuts, its share counts. */
    uint32_t from, to;
} clew_profile_window;

/** A node of the tree. */
typedef struct clew_profile_node {
    clew_frame_kind kind;
    clew_span_kind span_kind;
    clew_text service, operation; /**< of an edge gap: of the callee */
    uint32_t parent;              /**< index; CLEW_NO_SPAN for a root */
    uint32_t end;                 /**< the index behind its subtree; children are from its own index + 1 */
    uint32_t depth;               /**< 0 for a root */
    uint64_t count;               /**< spans; of an edge gap: segments; 0 of spans that the root waited for by
                                     a recorded wait though they are below another, which stand below it for
                                     their critical time alone */
    uint64_t errors;              /**< of those */
    uint64_t roots;               /**< requests that it is in */
    uint64_t on_path;             /**< requests on whose path it is: it or what is below it */
    uint64_t duration;            /**< sum, of spans on the path or off */
    uint64_t self;                /**< of that not covered by children */
    uint64_t critical_self;       /**< on the path, in itself; its edge gaps are nodes of their own */
    uint64_t critical;            /**< on the path, in itself and all below it: of a root its duration */
    uint64_t edge_gap;            /**< of that in edge gaps directly below it */
    uint64_t max;                 /**< the longest */
    uint64_t offset;              /**< mean time from its parent's start to its own */
    uint32_t exemplar_count;
    clew_exemplar exemplars[CLEW_EXEMPLAR_MAX];
} clew_profile_node;

/** All nodes of one frame together, wherever they are called from. */
typedef struct clew_profile_frame {
    clew_frame_kind kind;
    clew_span_kind span_kind;
    clew_text service, operation;
    clew_text caller; /**< of an edge gap: the service that calls; else empty */
    uint64_t count;
    uint64_t errors;
    uint64_t roots;    /**< requests that it is in */
    uint64_t on_path;  /**< requests that have time of its own on their path */
    uint64_t duration; /**< sum; nested ones count each */
    uint64_t critical_self;
    uint64_t max;
    uint32_t exemplar_count;
    clew_exemplar exemplars[CLEW_EXEMPLAR_MAX];
} clew_profile_frame;

/** What a window shows. All of it is valid as long as the view, which keeps nothing of the profile. */
typedef struct clew_profile_view {
    /** Every parent before its children, the roots' operations at the top; siblings by critical time, the
     * most first, then by name. The critical_self of all sum to `total` exactly. */
    const clew_profile_node *nodes;
    uint32_t node_count;
    const clew_profile_frame *frames; /**< by critical_self, the most first, then by name */
    uint32_t frame_count;
    uint64_t roots; /**< requests, those that a bound of the window cuts included */
    uint64_t total; /**< nanoseconds of all their paths */
    uint64_t mean;  /**< nanoseconds of one request, rounded down */
} clew_profile_view;

/** NULL window: everything. NULL when memory runs out. */
CLEW_API CLEW_NODISCARD clew_profile_view *clew_profile_view_new(const clew_profile *profile,
                                                                 const clew_profile_window *window);
/** NULL is allowed. */
CLEW_API void clew_profile_view_free(clew_profile_view *view);

CLEW_END_DECLS

#endif
