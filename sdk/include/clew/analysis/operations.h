/* Rate, errors and durations: of each operation of each service, and of each service by the calls that enter
 * it. Of edges they are in the service map (<clew/analysis/map.h>).
 *
 * The same traces give the same report in whatever order they came and however they were divided among tables
 * that were merged, as long as no limit is reached; beyond a limit the totals stay exact. One thread at a
 * time. No global state. */
#ifndef CLEW_ANALYSIS_OPERATIONS_H
#define CLEW_ANALYSIS_OPERATIONS_H

#include <clew/analysis/exemplar.h>
#include <clew/analysis/path.h>
#include <clew/analysis/sketch.h>
#include <clew/analysis/trace.h>

CLEW_BEGIN_DECLS

typedef struct clew_operations clew_operations;

/** The operation, service or error type of what is beyond a limit. */
#define CLEW_OPERATION_OTHER "(other)"

/** Options; of every member 0 is the default. */
typedef struct clew_operations_options {
    uint32_t struct_size;
    uint32_t service_limit;    /**< services; 1000 */
    uint32_t operation_limit;  /**< operations of one service; 1000 */
    uint32_t series_limit;     /**< operations of all services; 10 000 */
    uint32_t error_type_limit; /**< error types of one operation; 16 */
} clew_operations_options;

typedef struct clew_error_count {
    clew_text type; /**< `error.type` or the exception's; empty: not said; `(other)`: beyond the limit */
    uint64_t errors;
} clew_error_count;

/** Classes of HTTP status codes: 1 for 1xx to 5 for 5xx; 0: no code, or another. */
#define CLEW_HTTP_CLASSES 6

/** What was seen of an operation, or of a service. Counts are weighted by sampling and rounded; sums of time
 * are weighted, too. Errors are spans that have failed (clew_trace_span_has_failed()). Of a service, calls,
 * errors, durations, error types, HTTP classes and exemplars are those of the spans by which it is entered;
 * self and critical time are of all its spans. */
typedef struct clew_operation {
    clew_text service;   /**< empty: spans without `service.name` */
    clew_text operation; /**< empty in rows of services */
    clew_span_kind kind; /**< 0 in rows of services */
    uint64_t spans;      /**< not weighted */
    uint64_t calls;
    uint64_t errors;
    uint64_t entry_calls;        /**< calls by which the service is entered: a root, a parent elsewhere */
    uint64_t entry_errors;       /**< of these */
    double rate_per_second;      /**< calls over the time seen; 0 when that has no length */
    const clew_sketch *duration; /**< NULL: none */
    uint64_t self_nano;          /**< own work; 0 without paths */
    uint64_t critical_nano;      /**< on critical paths, with the operation's edge gaps */
    double self_share, critical_share; /**< of those of all operations */
    uint64_t path_traces;              /**< traces (not weighted) that have it on their critical path */
    uint64_t http_classes[CLEW_HTTP_CLASSES];
    const clew_error_count *error_types; /**< the most first, then by type */
    size_t error_type_count;
    /* Spans to look at; their texts are empty when there is none. */
    clew_exemplar slow;    /**< the longest */
    clew_exemplar error;   /**< the longest that failed */
    clew_exemplar typical; /**< of a random few the one nearest to the median */
} clew_operation;

typedef struct clew_operations_report {
    const clew_operation *operations; /**< by service, operation, kind */
    size_t operation_count;
    const clew_operation *services; /**< by service */
    size_t service_count;
    clew_operation total;                    /**< of all operations; its service and operation are empty */
    uint64_t traces, path_traces;            /**< added; with a path */
    uint64_t start_unix_nano, end_unix_nano; /**< of all spans */
    uint64_t overflowed;                     /**< spans counted for `(other)`; not weighted */
    uint64_t lost; /**< spans that are missing because memory ran out; not weighted */
} clew_operations_report;

/** NULL options: the defaults. NULL when memory runs out. */
CLEW_API CLEW_NODISCARD clew_operations *clew_operations_new(const clew_operations_options *options);
/** NULL is allowed. */
CLEW_API void clew_operations_free(clew_operations *operations);

/** Adds a trace and its critical path; `path` may be NULL. Each trace once. Keeps nothing of the arguments.
 * CLEW_ENOMEM when memory ran out in the midst: some spans are missing, and counted (`lost`). */
CLEW_API int clew_operations_add(clew_operations *operations, const clew_trace *trace,
                                 const clew_critical_path *path);
/** Adds all that was added to `from`. CLEW_ENOMEM as above. */
CLEW_API int clew_operations_merge(clew_operations *into, const clew_operations *from);
/** The table so far. Valid until it is next changed or freed. NULL when memory runs out. */
CLEW_API const clew_operations_report *clew_operations_read(clew_operations *operations);

CLEW_END_DECLS

#endif
