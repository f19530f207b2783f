/* Errors: where they come from, how far they get, what they cost.
 *
 * A span has failed when its status is ERROR, or unset with an HTTP status of 500 and above (of a client, and
 * of what has no kind and may be one: 400 and above). Children whose parents do not wait for them
 * (asynchronous ones) pass no error on.
 *
 * Over many traces each counts once, whatever it stands for after sampling: counts are of what was kept. */
#ifndef CLEW_ANALYSIS_ERRORS_H
#define CLEW_ANALYSIS_ERRORS_H

#include <clew/analysis/exemplar.h>
#include <clew/analysis/path.h>

CLEW_BEGIN_DECLS

/** Whether a span has failed. */
CLEW_API bool clew_trace_span_has_failed(const clew_trace_span *span);

typedef enum clew_error_role {
    CLEW_ERROR_NONE = 0,
    CLEW_ERROR_ORIGIN,     /**< failed, and none of its children has: here it began */
    CLEW_ERROR_PROPAGATED, /**< failed, and so has a child */
    CLEW_ERROR_HANDLED,    /**< did not fail though a child has: here it ends */
} clew_error_role;

/** "none", "origin", "propagated", "handled"; static. */
CLEW_API const char *clew_error_role_name(clew_error_role role);

/** What errors have to do with one span. */
typedef struct clew_span_error {
    clew_error_role role;
    uint32_t reaches; /**< of one that failed: the highest span that an unbroken chain of errors leads to */
    uint32_t origin;  /**< of one that failed: the first to fail of those below it, by end, then depth; itself
                         for an origin */
    bool reaches_root; /**< `reaches` is a root, or only a missing span is above it */
    bool is_top;       /**< failed, and nothing above it has */
    bool is_edge;      /**< a caller's own error, while its server, which is in the trace, is well: time-out,
                          cancellation, network */
    uint32_t retry;    /**< the group of attempts that it belongs to, or UINT32_MAX */
} clew_span_error;

/** Attempts at one thing, one after another, until it worked or was given up: siblings of one service,
 * operation and detail that do not overlap, all but the last of which failed. */
typedef struct clew_retry {
    uint32_t parent;
    uint32_t first_span, last_span;
    uint32_t attempts;
    bool has_succeeded;       /**< the last attempt */
    uint64_t wasted_critical; /**< of attempts other than the last, on the path */
    uint64_t waited;          /**< between attempts */
} clew_retry;

typedef struct clew_trace_errors {
    const clew_span_error *spans; /**< as many as the trace has */
    uint32_t span_count;
    const clew_retry *retries; /**< by their first span */
    uint32_t retry_count;
    uint32_t failed, origins, propagated, handled;
    uint32_t roots, roots_failed;
    uint64_t critical_lost; /**< time on the path in and below the highest spans that failed */
} clew_trace_errors;

/** The errors of one trace. n log n, no recursion. NULL when memory runs out, or the path is not of this
 * trace. */
CLEW_API CLEW_NODISCARD clew_trace_errors *clew_trace_errors_new(const clew_trace *trace,
                                                                 const clew_critical_path *path);
/** NULL is allowed. */
CLEW_API void clew_trace_errors_free(clew_trace_errors *errors);

/* Over many traces. */

typedef struct clew_errors clew_errors;

typedef struct clew_errors_options {
    uint32_t struct_size;
    uint32_t type_limit; /**< types of errors told apart; 0: 10 000. What comes beyond counts as one. */
} clew_errors_options;

/** NULL options: the defaults. NULL when memory runs out. */
CLEW_API CLEW_NODISCARD clew_errors *clew_errors_new(const clew_errors_options *options);
/** NULL is allowed. */
CLEW_API void clew_errors_free(clew_errors *errors);
/** As clew_profile_add(): all of a trace or nothing of it. */
CLEW_API int clew_errors_add(clew_errors *errors, const clew_trace *trace, const clew_critical_path *path);
CLEW_API int clew_errors_merge(clew_errors *into, const clew_errors *from);

/** Errors that began in one operation with the same type and message. */
typedef struct clew_error_type {
    bool is_other;                /**< all beyond the limit; the texts are empty */
    clew_text service, operation; /**< of the origin */
    clew_text type;               /**< `error.type` or `exception.type`; may be empty */
    clew_text message;            /**< with numbers and ids as `#`; may be empty */
    uint64_t count;               /**< spans where it began */
    uint64_t edges;               /**< of them errors of a client alone: time-out, cancellation, network */
    uint64_t propagated;          /**< spans above it that failed with it */
    uint64_t handled;             /**< of `count`: that a span above did not pass on */
    uint64_t traces;              /**< that have it */
    uint64_t roots_failed;        /**< requests that failed with it */
    uint64_t critical_lost;       /**< nanoseconds on the path in and below what failed with it */
    uint64_t first_unix_nano, last_unix_nano;
    uint32_t exemplar_count;
    clew_exemplar exemplars[CLEW_EXEMPLAR_MAX];
} clew_error_type;

/** Retries of one operation. */
typedef struct clew_retry_sum {
    bool is_other;
    clew_text service, operation;
    uint64_t groups;
    uint64_t succeeded; /**< of them, in the end */
    uint64_t attempts;
    uint64_t wasted_critical;
    uint64_t waited;
    uint64_t traces;
    uint32_t exemplar_count;
    clew_exemplar exemplars[CLEW_EXEMPLAR_MAX];
} clew_retry_sum;

/** All together. Texts are valid as long as the view. */
typedef struct clew_errors_view {
    const clew_error_type *types; /**< by failed requests, then lost time, then count: the most first */
    uint32_t type_count;
    const clew_retry_sum *retries; /**< by wasted time, then attempts */
    uint32_t retry_count;
    uint64_t traces, traces_with_errors;
    uint64_t roots, roots_failed;
    uint64_t spans, failed, origins, propagated, handled;
    uint64_t critical_lost;
    uint64_t critical_total; /**< nanoseconds of all paths */
    uint64_t dropped;        /**< traces that memory did not suffice for */
} clew_errors_view;

/** NULL when memory runs out. */
CLEW_API CLEW_NODISCARD clew_errors_view *clew_errors_view_new(const clew_errors *errors);
CLEW_API void clew_errors_view_free(clew_errors_view *view);

CLEW_END_DECLS

#endif
