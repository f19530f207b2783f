/* Bottlenecks: patterns that cost requests time and that somebody can do something about, with what it would
 * save.
 *
 * Careful: what happens seldom or costs little is left unsaid, so that healthy traces give no finding. Each
 * trace counts once, whatever it stands for after sampling: shares are of what was kept. */
#ifndef CLEW_ANALYSIS_BOTTLENECKS_H
#define CLEW_ANALYSIS_BOTTLENECKS_H

#include <clew/analysis/exemplar.h>
#include <clew/analysis/path.h>

CLEW_BEGIN_DECLS

typedef struct clew_bottlenecks clew_bottlenecks;

/** What there is to find, and its name in reports. */
#define CLEW_BOTTLENECKS(X)                                                                                  \
    X(CLEW_BOTTLENECK_N_PLUS_ONE, "nPlusOne")            /* one call again and again, in series */           \
    X(CLEW_BOTTLENECK_SERIAL_FAN_OUT, "serialFanOut")    /* calls in series that could be at once */         \
    X(CLEW_BOTTLENECK_SLOW_EDGE, "slowEdge")             /* time between the two sides of a call */          \
    X(CLEW_BOTTLENECK_QUEUE_WAIT, "queueWait")           /* an operation begins late */                      \
    X(CLEW_BOTTLENECK_COLD_START, "coldStart")           /* the first calls are much slower */               \
    X(CLEW_BOTTLENECK_RETRY_STORM, "retryStorm")         /* time lost in attempts that fail */               \
    X(CLEW_BOTTLENECK_OVER_FETCH, "overFetch")           /* most work is waited for by nobody */             \
    X(CLEW_BOTTLENECK_LONG_TAIL, "longTail")             /* p99 far above p50 */                             \
    X(CLEW_BOTTLENECK_CACHE_SPLIT, "cacheSplit")         /* two speeds, nothing between: hit and miss */     \
    X(CLEW_BOTTLENECK_SINGLE_DOMINANT, "singleDominant") /* one operation is most of the path */

typedef enum clew_bottleneck_kind {
#define CLEW_BOTTLENECK_VALUE(name, text) name,
    CLEW_BOTTLENECKS(CLEW_BOTTLENECK_VALUE)
#undef CLEW_BOTTLENECK_VALUE
        CLEW_BOTTLENECK_KIND_COUNT
} clew_bottleneck_kind;

/** "nPlusOne" and so on; static. */
CLEW_API const char *clew_bottleneck_kind_name(clew_bottleneck_kind kind);

/** Options; of every member 0 is the default. */
typedef struct clew_bottlenecks_options {
    uint32_t struct_size;
    uint32_t operation_limit; /**< operations, and edges, that are told apart; 4096 */
    uint32_t min_share_ppm;   /**< of all requests' time that a finding saves at least; 20 000 (2 %) */
    uint64_t min_saving_nano; /**< of one request that it is in; 1 ms */
} clew_bottlenecks_options;

/** NULL options: the defaults. NULL when memory runs out. */
CLEW_API CLEW_NODISCARD clew_bottlenecks *clew_bottlenecks_new(const clew_bottlenecks_options *options);
/** NULL is allowed. */
CLEW_API void clew_bottlenecks_free(clew_bottlenecks *bottlenecks);
/** As clew_profile_add(): all of a trace or nothing of it. */
CLEW_API int clew_bottlenecks_add(clew_bottlenecks *bottlenecks, const clew_trace *trace,
                                  const clew_critical_path *path);
CLEW_API int clew_bottlenecks_merge(clew_bottlenecks *into, const clew_bottlenecks *from);

/** A number that a finding rests on. */
typedef struct clew_evidence {
    const char *name; /**< in lowerCamelCase; ends in Nano for nanoseconds, in Ppm for parts of a million;
                         static */
    uint64_t value;
} clew_evidence;

#define CLEW_EVIDENCE_MAX 6

typedef struct clew_bottleneck {
    clew_bottleneck_kind kind;
    clew_text service, operation;               /**< what it is about: who is called, or who waits */
    clew_text caller_service, caller_operation; /**< where it is called from; may be empty */
    clew_text text;                             /**< the finding: one English sentence */
    uint64_t traces;                            /**< that show it */
    uint64_t saving;                            /**< nanoseconds of all traces together */
    uint64_t saving_a_trace;                    /**< of a trace that shows it, on average */
    uint64_t saving_ppm;                        /**< of the time of all traces' paths */
    uint32_t evidence_count;
    clew_evidence evidence[CLEW_EVIDENCE_MAX];
    uint32_t exemplar_count;
    clew_exemplar exemplars[CLEW_EXEMPLAR_MAX];
} clew_bottleneck;

typedef struct clew_bottlenecks_view {
    const clew_bottleneck *findings; /**< by saving, the most first */
    uint32_t finding_count;
    uint64_t traces;
    uint64_t total;    /**< nanoseconds of all paths */
    uint64_t dropped;  /**< traces that memory did not suffice for */
    uint64_t overflow; /**< spans beyond the limit of operations: not looked at */
} clew_bottlenecks_view;

/** NULL when memory runs out. */
CLEW_API CLEW_NODISCARD clew_bottlenecks_view *clew_bottlenecks_view_new(const clew_bottlenecks *bottlenecks);
CLEW_API void clew_bottlenecks_view_free(clew_bottlenecks_view *view);

CLEW_END_DECLS

#endif
