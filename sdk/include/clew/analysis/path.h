/* The critical path: which operations a request really waited for.
 *
 * For each root of a trace the path is a list of segments that are disjoint and cover the root's time
 * exactly: at every moment one span is the one that the root waits for. Integer nanoseconds throughout; n log
 * n time, n memory, no recursion.
 *
 * Whom a span waits for. First what is known: a span for which it has recorded waits (events `clew.wait`) it
 * waited for exactly then and at no other time, be it a child or any other span of the trace (whose segments
 * may then lie outside the target's own parent). Windows are cut to both spans; where they overlap, the one
 * that ends later counts; a ring of spans that wait for each other is cut where it closes. The path within a
 * window is that of the target cut to the window.
 *
 * Then what the trace says: children that an attribute or reference (FOLLOWS_FROM) calls asynchronous, and
 * consumers of a producer, are not waited for.
 *
 * Then what is likely: every other child is waited for, cut to its parent's time. A child without recorded
 * waits beside others that have some is judged like this between the windows: a record tells something, none
 * tells nothing. A child that outlives its parent is the matter of `overflow`, unless it is the server of a
 * client (which gave up). Below a phantom every child counts as waited for. */
#ifndef CLEW_ANALYSIS_PATH_H
#define CLEW_ANALYSIS_PATH_H

#include <clew/analysis/trace.h>

CLEW_BEGIN_DECLS

/** What a child is that ends after its parent, where nothing else tells whether the parent waited. */
typedef enum clew_overflow {
    CLEW_OVERFLOW_CLIP = 0, /**< the parent waited for it as long as it could; the path says `assumed` */
    CLEW_OVERFLOW_EXCLUDE,  /**< the parent did not wait */
} clew_overflow;

/** What a path is for. */
typedef enum clew_path_scope {
    CLEW_SCOPE_ROOT = 0, /**< each root: why did its caller wait so long */
    CLEW_SCOPE_TRACE,    /**< the whole trace, asynchronous work included: why did all of it take this long.
                            Waits for every root, asynchronous child, and what of a child lies outside its
                            parent's time; not for the last where that multiplies beyond all measure */
} clew_path_scope;

/** Options; all zero is the default. */
typedef struct clew_path_options {
    uint32_t struct_size; /**< sizeof, or 0 for the members of the first release */
    /** Children may overlap by so much and still count as one after the other: nanoseconds, and parts of a
     * million of the parent's duration (10000 is one per cent). The larger of the two. */
    uint64_t eps_nano;
    uint32_t eps_ppm; /**< at most 1 000 000 */
    clew_overflow overflow;
    clew_path_scope scope;
} clew_path_options;

typedef enum clew_segment_kind {
    CLEW_SEGMENT_SELF = 0, /**< the span's own work */
    CLEW_SEGMENT_EDGE_GAP, /**< between a call's two sides: network, queues; belongs to the edge to the
                              callee. Segments of a client or producer (or of a span whose kind was not said
                              and that has a service and names a peer) whose other side is known: a server or
                              consumer below it, with at most spans of no kind (INTERNAL, or not said) and of
                              its own service between; else a child in another service; else a peer that its
                              attributes name. And those of any other span whose only child is in another
                              service and waited for. A client of whom nothing is known but itself has `self`
                              segments */
    CLEW_SEGMENT_MISSING,  /**< a span that is not there (a phantom) */
} clew_segment_kind;

/** Half open: [start, end). Never empty. */
typedef struct clew_path_segment {
    uint64_t start_unix_nano, end_unix_nano;
    uint32_t span;   /**< index in the trace; with CLEW_SCOPE_TRACE CLEW_NO_SPAN where none is waited for */
    uint32_t callee; /**< of an edge gap: the span on the other side, CLEW_NO_SPAN where only a peer's name is
                        known (clew_path_callee); of others CLEW_NO_SPAN */
    clew_segment_kind kind;
    bool assumed; /**< rests on a child that outlived its parent: whether the parent waited is not known */
} clew_path_segment;

/** The path of one root, in order of time. */
typedef struct clew_path_root {
    uint32_t span;          /**< CLEW_NO_SPAN for the whole trace (CLEW_SCOPE_TRACE) */
    uint32_t first_segment; /**< in `segments` */
    uint32_t segment_count;
    uint64_t start_unix_nano, end_unix_nano;
} clew_path_root;

/** What the paths say of one span; nanoseconds. A span that by recorded waits is on the paths of several
 * roots counts for each. */
typedef struct clew_path_span {
    uint64_t duration;
    uint64_t self;          /**< the duration without the union of all its children's, clipped to it */
    uint64_t critical_self; /**< sum of its segments, edge gaps included */
    uint64_t critical;      /**< of its segments and those of whom it waited for, on all levels */
    uint64_t edge_gap;      /**< sum of those of its segments that are edge gaps */
    clew_relation relation; /**< to its parent, under the options */
    bool assumed;           /**< blocking only by assumption */
    bool recorded;          /**< blocking by recorded waits of its parent */
} clew_path_span;

/** How far a result can be trusted: nanoseconds of all paths together. */
typedef struct clew_path_confidence {
    uint64_t total;
    uint64_t assumed;     /**< under a child that outlived its parent */
    uint64_t recorded;    /**< within recorded waits */
    uint64_t missing;     /**< of spans that are not there */
    uint64_t skew;        /**< of spans whose clock was corrected */
    uint64_t provisional; /**< of spans that have not ended */
    /** Children left off the path whose overlap with what followed is at most one per cent of the parent. */
    uint32_t near_overlaps;
    /** Recorded waits that tell nothing: the target is not in the trace, or is the span itself, or ran at
     * another time; or windows within windows multiply beyond all measure (then all, and the trace is judged
     * without). */
    uint32_t unused_waits;
} clew_path_confidence;

typedef struct clew_critical_path {
    const clew_path_root *roots; /**< in order of start, then id */
    uint32_t root_count;
    const clew_path_segment *segments;
    uint32_t segment_count;
    const clew_path_span *spans; /**< as many as the trace has */
    uint32_t span_count;
    uint64_t async_tail; /**< how long the trace went on after its last root had ended */
    clew_path_confidence confidence;
    uint64_t steps; /**< comparisons and visits that it took: what bounds on growth are asserted with */
} clew_critical_path;

/** The critical paths of a trace. NULL options: the defaults. Keeps nothing of the trace. NULL when memory
 * runs out. */
CLEW_API clew_critical_path *clew_critical_path_new(const clew_trace *trace,
                                                    const clew_path_options *options);
/** NULL is allowed. */
CLEW_API void clew_critical_path_free(clew_critical_path *path);

/** The service on the other side of an edge gap: of the callee's span, else the peer that the attributes of
 * the segment's span name; may be empty. Empty for other segments. Belongs to the trace. */
CLEW_API clew_text clew_path_callee(const clew_trace *trace, const clew_path_segment *segment);

/* What if: keeps who waited for whom, the order (b began when a had ended: so it will), and the spans' own
 * time between and after their children; asks how long all would take. Order is strict here: `eps` does not
 * count. With eps 0 removing a span's own time never saves more than its critical time, and doubling it never
 * costs less. */

/** Drag and slack of a span; nanoseconds. Of a span that is waited for in several windows: the largest drag
 * and the smallest slack of one of them. */
typedef struct clew_leverage {
    uint64_t drag;  /**< how much sooner its root would end if the span's own time were nothing */
    uint64_t slack; /**< how much longer the span could take and its root end as it did; 0 on the path;
                       UINT64_MAX: any (nobody waits for it: asynchronous, empty, or outside its parent) */
} clew_leverage;

/** Drag and slack of every span of the trace, into `out`, which has as many as the trace has spans. Takes n
 * log n steps. False when memory runs out. */
CLEW_API bool clew_leverage_of(const clew_trace *trace, const clew_path_options *options, clew_leverage *out);

/** A change to try: the own time of every span of this service and operation times `factor` (0 removes it, 2
 * doubles it; below 0 or no number: as it is); an empty operation: of the whole service. Of several that name
 * a span all count. */
typedef struct clew_change {
    clew_text service, operation;
    double factor;
} clew_change;

/** How long each root would take after the changes: into `out`, which has as many as the path has roots, in
 * their order. Keeps who waited for whom, and the gaps between. Unchanged (no changes) gives the durations as
 * they are. False when memory runs out. */
CLEW_API bool clew_what_if(const clew_trace *trace, const clew_path_options *options,
                           const clew_change *changes, size_t change_count, uint64_t *out);

CLEW_END_DECLS

#endif
