/* Baselines: what many traces looked like, in little memory, to be kept in a file; and the comparison of two
 * of them: what got slower, what fails more, what is called more often, and where the time of a request went.
 *
 *      clew_baseline_add(baseline, trace, path);          // of each complete trace, in any order
 *      clew_comparison *found = clew_comparison_new(yesterday, baseline, NULL);
 *
 * Requests are roots: the paths of a clew_critical_path. They are compared by the root's service and
 * operation. Each counts once, whatever it stands for after sampling. Sums are whole nanoseconds and exact.
 * The same traces make the same baseline in whatever order they came and however they were divided among
 * baselines that were merged, as long as no limit is reached; beyond a limit the sums stay exact. One thread
 * at a time; what takes a baseline const may run on several at once. No global state. */
#ifndef CLEW_ANALYSIS_BASELINE_H
#define CLEW_ANALYSIS_BASELINE_H

#include <clew/analysis/path.h>

CLEW_BEGIN_DECLS

typedef struct clew_baseline clew_baseline;

/** Options; of every member 0 is the default. */
typedef struct clew_baseline_options {
    uint32_t struct_size;
    /** What is told apart of all requests together: roots, nodes, edges, calling contexts; 20 000, at most
     * 10 000 000. What comes beyond counts as one, `(other)`, for each root. */
    uint32_t key_limit;
    /** Shapes of requests: sets of calling contexts; 4096. What comes beyond counts as one for each root; so
     * does what comes once 32 times `key_limit` times are kept, one for each node or edge of each shape. */
    uint32_t shape_limit;
} clew_baseline_options;

/** NULL options: the defaults. NULL when memory runs out. */
CLEW_API CLEW_NODISCARD clew_baseline *clew_baseline_new(const clew_baseline_options *options);
/** NULL is allowed. */
CLEW_API void clew_baseline_free(clew_baseline *baseline);

/** Adds a trace; `path` is its critical path. n log n. CLEW_EINVAL when the path is not of this trace;
 * CLEW_ENOMEM when memory runs out: then the trace is not in it (`dropped`), or all its sums are and some of
 * its values miss in distributions (`lost`); CLEW_ELIMIT, and it is not added (`dropped`), when there would
 * be more than 2^31 requests, or 2^62 ns of them together. */
CLEW_API int clew_baseline_add(clew_baseline *baseline, const clew_trace *trace,
                               const clew_critical_path *path);
/** Adds all that is in `from`. CLEW_EINVAL: it is the same. CLEW_ENOMEM and CLEW_ELIMIT: nothing was added,
 * or with CLEW_ENOMEM some values miss in distributions (`lost`). */
CLEW_API int clew_baseline_merge(clew_baseline *into, const clew_baseline *from);

typedef struct clew_baseline_stats {
    uint64_t traces;
    uint64_t requests;
    uint64_t dropped;    /**< traces that were not added */
    uint64_t lost;       /**< values that miss in distributions, for want of memory */
    uint64_t overflowed; /**< how often something went into `(other)`, or is in no row, beyond the limit */
    uint64_t start_unix_nano, end_unix_nano; /**< of all requests; both 0 without any */
    uint32_t keys, shapes;
} clew_baseline_stats;

CLEW_API clew_baseline_stats clew_baseline_get_stats(const clew_baseline *baseline);

/** The baseline as bytes, for a file. Equal baselines give equal bytes. The caller releases them with
 * clew_memory_release() of <clew/extend.h>; NULL when memory runs out. */
CLEW_API CLEW_NODISCARD uint8_t *clew_baseline_encode(const clew_baseline *baseline, size_t *size);
/** Whether bytes begin as those of an encoded baseline do. */
CLEW_API bool clew_baseline_is_encoded(const void *data, size_t size);
/** A baseline, with the default limits, from such bytes. CLEW_EFORMAT when they are malformed, of another
 * version, or contradict themselves; CLEW_ENOMEM. Takes memory in proportion to `size`. */
CLEW_API int clew_baseline_decode(const void *data, size_t size, clew_baseline **out);

/* ---- comparing ---- */

/** What a row of a comparison is about. */
#define CLEW_COMPARISON_KINDS(X)                                                                             \
    X(CLEW_COMPARISON_ROOT, "root")        /* durations of requests */                                       \
    X(CLEW_COMPARISON_NODE, "node")        /* of a request: time in this operation itself, on its path */    \
    X(CLEW_COMPARISON_EDGE_GAP, "edgeGap") /* of a request: time between the two sides of a call */          \
    X(CLEW_COMPARISON_EDGE_CLIENT, "edgeClient") /* durations of calls as the client has them */             \
    X(CLEW_COMPARISON_EDGE_SERVER, "edgeServer") /* and as the server has them */                            \
    X(CLEW_COMPARISON_CONTEXT, "context")        /* as node and gaps below it, in one calling context */     \
    X(CLEW_COMPARISON_MISSING, "missing")        /* of a request: time of spans that are not there */        \
    X(CLEW_COMPARISON_IDLE, "idle")              /* of a trace (CLEW_SCOPE_TRACE): time when nothing ran */  \
    X(CLEW_COMPARISON_OTHER, "other")            /* beyond the limit */                                      \
    X(CLEW_COMPARISON_MIX, "mix")                /* of explanations: shapes became more or less frequent */

typedef enum clew_comparison_kind {
#define CLEW_COMPARISON_KIND_VALUE(name, text) name,
    CLEW_COMPARISON_KINDS(CLEW_COMPARISON_KIND_VALUE)
#undef CLEW_COMPARISON_KIND_VALUE
        CLEW_COMPARISON_KIND_COUNT
} clew_comparison_kind;

/** "root" and so on; static. */
CLEW_API const char *clew_comparison_kind_name(clew_comparison_kind kind);

/** What changed, the gravest first. */
#define CLEW_VERDICTS(X)                                                                                     \
    X(CLEW_VERDICT_ERRORS, "errors")           /* fails more often */                                        \
    X(CLEW_VERDICT_REGRESSION, "regression")   /* slower */                                                  \
    X(CLEW_VERDICT_NEW, "new")                 /* was not there before */                                    \
    X(CLEW_VERDICT_GONE, "gone")               /* is not there any more */                                   \
    X(CLEW_VERDICT_TRAFFIC, "traffic")         /* is called more, or less, often */                          \
    X(CLEW_VERDICT_IMPROVEMENT, "improvement") /* faster, or fails less often */                             \
    X(CLEW_VERDICT_SAME, "same")               /* nothing that can be told from chance and matters */        \
    X(CLEW_VERDICT_UNKNOWN, "unknown")         /* too few values to tell */

typedef enum clew_verdict {
#define CLEW_VERDICT_VALUE(name, text) name,
    CLEW_VERDICTS(CLEW_VERDICT_VALUE)
#undef CLEW_VERDICT_VALUE
        CLEW_VERDICT_COUNT
} clew_verdict;

/** "errors" and so on; static. */
CLEW_API const char *clew_verdict_name(clew_verdict verdict);

/** What has to be so for a change to be told. Of every member 0 is the default, and below 0 is no
 * bound. */
typedef struct clew_comparison_options {
    uint32_t struct_size;
    uint32_t least_count;     /**< values on each side; 30 */
    double false_discovery;   /**< q, over all tests of the comparison, is below; 0.01 */
    double least_delta;       /**< Cliff's delta either way; 0.15 */
    double least_shift_share; /**< the shift, of the median before; 0.05 */
    /** The same in nanoseconds, 1 000 000; both must be reached. The shift is Hodges and Lehmann's; of what
     * some requests have none of, that of the mean if it is larger. */
    int64_t least_shift_nano;
    double least_error_share; /**< the difference of shares of errors; 0.005 */
    double least_call_share;  /**< calls more or less, of those before; 0.25 */
    bool has_all;             /**< rows of what did not change, too; else of roots alone */
} clew_comparison_options;

/** A number and the interval, of 99 % confidence, that it is in. All NAN where it cannot be told. */
typedef struct clew_estimate {
    double value, low, high;
} clew_estimate;

/** A test: how likely chance alone makes such a difference; and the false discovery rate at which it would be
 * told. Both NAN where there was nothing to test. */
typedef struct clew_significance {
    double p, q;
} clew_significance;

/** What was seen in one of the two windows. */
typedef struct clew_comparison_side {
    uint64_t requests;      /**< of the root */
    uint64_t values;        /**< that the quantiles are of; of a request's time, requests without any are 0 */
    uint64_t calls;         /**< spans of it; of the root requests; of time between two sides none */
    uint64_t errors;        /**< of those */
    uint64_t p50, p95, p99; /**< nanoseconds; 0 without values */
    double mean;
} clew_comparison_side;

/** In `contexts`: an operation and what calls it. */
typedef struct clew_comparison_context {
    clew_text service, operation; /**< both empty: a span that is not there */
    uint32_t parent;              /**< index, a lower one; CLEW_NO_SPAN for a root */
} clew_comparison_context;

/** The service of a root that stands for all beyond the limit. */
#define CLEW_COMPARISON_OTHERS "(other)"

typedef struct clew_comparison_row {
    clew_comparison_kind kind;
    clew_verdict verdict;         /**< the gravest of… */
    uint32_t verdicts;            /**< …bits: 1 << CLEW_VERDICT_… */
    uint32_t root;                /**< index of the root's row; its own for a root */
    clew_text service, operation; /**< of an edge: whom it calls; of a root both empty: whole traces,
 or a span that is not there; CLEW_COMPARISON_OTHERS: all beyond the limit */
    clew_text client;             /**< of an edge: the service that calls */
    uint32_t context;             /**< of a context: index in `contexts`; else CLEW_NO_SPAN */
    clew_comparison_side before, after;

    clew_significance slower; /**< Mann-Whitney, either way */
    double z, delta;          /**< its z; Cliff's delta: above 0, `after` is slower */
    /** Nanoseconds. `shift` is Hodges and Lehmann's: the median of all differences. Computed for roots, for
     * what has a verdict on it, and with `has_all`, where there are enough values; else NAN. */
    clew_estimate shift, p50_shift, p95_shift, p99_shift;

    clew_significance failing;     /**< Fisher's exact test */
    clew_estimate errors_before,   /**< share of calls; Wilson's interval */
        errors_after, error_shift; /**< and the difference; Newcombe's */
    clew_significance calling;     /**< Poisson, with the variance that the requests showed */
    clew_estimate call_ratio;      /**< after to before, of the calls of a request, or of the requests
     of a second between the first's start and the last's end; infinite when there were none before */
} clew_comparison_row;

/** A fraction of nanoseconds: (high * 2^64 + low) / denominator, whose numerator is a number in two's
 * complement of 128 bits. */
typedef struct clew_exact_nano {
    int64_t high;
    uint64_t low;
} clew_exact_nano;

/** A part of why the mean request takes longer, or less. */
typedef struct clew_contribution {
    clew_comparison_kind kind;    /**< a node, an edge's gap, missing, idle, other; mix */
    clew_text service, operation; /**< as in rows; empty for a mix */
    clew_text client;
    int64_t nano;          /**< rounded such that all together make the explanation's */
    clew_exact_nano exact; /**< in the explanation's denominator */
} clew_contribution;

/** Why the mean of a root's requests changed. Requests of one shape (set of calling contexts) are compared
 * with each other, and so are, as one, those of shapes that less than `least_count` requests of either side
 * have. What a node or edge takes more on the paths of a shape counts as often as that occurs after; what is
 * left is that shapes became more or less frequent: the mix. (What nodes take is rounded to a whole part of
 * the denominator, and the mix is what makes the sum exact.) */
typedef struct clew_explanation {
    uint32_t root; /**< index of the root's row */
    uint64_t requests_before, requests_after;
    uint64_t sum_before, sum_after; /**< nanoseconds of all requests */
    uint32_t shapes_before, shapes_after, shapes_common;
    int64_t nano;          /**< mean after less mean before, rounded */
    clew_exact_nano exact; /**< exactly: sum_after * requests_before - sum_before * requests_after */
    uint64_t denominator;  /**< requests_before * requests_after */
    /** By size whatever the sign, the largest first, then by kind and name; none that are nothing. Their
     * `exact` sum to the explanation's `exact`, and their `nano` to its `nano`. */
    const clew_contribution *contributions;
    uint32_t contribution_count;
} clew_explanation;

typedef struct clew_comparison {
    /** By verdict, the gravest first, then by kind, then by how much the mean changed, the most first, then
     * by name. Below roots there
     * is none of `(other)`. */
    const clew_comparison_row *rows;
    uint32_t row_count;
    const clew_comparison_context *contexts;
    uint32_t context_count;
    /** Of every root that both windows have, in the order of its row. */
    const clew_explanation *explanations;
    uint32_t explanation_count;
    uint32_t verdicts; /**< bits of all rows together */
    uint32_t keys;     /**< that were compared, rows or not */
    uint32_t tests;    /**< that the false discovery rate is over */
    clew_baseline_stats before, after;
} clew_comparison;

/** Compares two windows. Roots are compared if both have them, and what is below them too; a root that only
 * one has is a row of its own. NULL options: the defaults. The result keeps nothing of the two. NULL when
 * memory runs out. Some two milliseconds for each row with a shift. */
CLEW_API CLEW_NODISCARD clew_comparison *clew_comparison_new(const clew_baseline *before,
                                                             const clew_baseline *after,
                                                             const clew_comparison_options *options);
/** NULL is allowed. */
CLEW_API void clew_comparison_free(clew_comparison *comparison);

/** The contributions in whole units of so many nanoseconds, for printing: into `out`, which has as many as
 * the explanation has; `*total` is the shift. By largest remainder, so that they sum to `*total` exactly, and
 * each is less than a unit from what it is. CLEW_EINVAL for a unit of 0, CLEW_ENOMEM. */
CLEW_API int clew_explanation_round(const clew_explanation *explanation, uint64_t unit_nano, int64_t *total,
                                    int64_t *out);

CLEW_END_DECLS

#endif
