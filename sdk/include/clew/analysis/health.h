/* Health: of each service and each edge of a service map whether it is well, and why not.
 *
 *      clew_health *health = clew_health_new(NULL);
 *      const clew_health_input input = {.struct_size = sizeof input, .map = report};
 *      const clew_health_report *report = clew_health_judge(health, &input);     // once an interval
 *
 * Judges only what it has evidence for: proportions by the lower bound of their interval (Wilson, 95 %), and
 * nothing of few calls. One thread at a time. No global state. */
#ifndef CLEW_ANALYSIS_HEALTH_H
#define CLEW_ANALYSIS_HEALTH_H

#include <clew/analysis/map.h>
#include <clew/analysis/operations.h>

CLEW_BEGIN_DECLS

typedef struct clew_health clew_health;

/** In order: the worse, the larger. */
#define CLEW_HEALTH_STATES(X)                                                                                \
    X(CLEW_HEALTH_UNKNOWN, "unknown")                                                                        \
    X(CLEW_HEALTH_OK, "ok")                                                                                  \
    X(CLEW_HEALTH_WARN, "warn")                                                                              \
    X(CLEW_HEALTH_CRIT, "crit")

typedef enum clew_health_state {
#define CLEW_HEALTH_STATE_VALUE(name, text) name,
    CLEW_HEALTH_STATES(CLEW_HEALTH_STATE_VALUE)
#undef CLEW_HEALTH_STATE_VALUE
        CLEW_HEALTH_STATE_COUNT
} clew_health_state;

/** "unknown" and so on; static. */
CLEW_API const char *clew_health_state_name(clew_health_state state);

/** Why a state is what it is, and its name in reports. */
#define CLEW_HEALTH_REASONS(X)                                                                               \
    X(CLEW_HEALTH_FEW_CALLS, "fewCalls")       /* too few for a judgement: unknown */                        \
    X(CLEW_HEALTH_DATA_QUALITY, "dataQuality") /* too much is missing or skewed: unknown */                  \
    X(CLEW_HEALTH_ERRORS, "errors")            /* surely more calls fail than may */                         \
    X(CLEW_HEALTH_LATENCY, "latency")          /* surely more calls are slower than may be */                \
    X(CLEW_HEALTH_BURN_RATE, "burnRate")       /* the budget of errors goes too fast, in both windows */     \
    X(CLEW_HEALTH_NO_TRAFFIC, "noTraffic")     /* calls have stopped coming */                               \
    X(CLEW_HEALTH_REGRESSION, "regression")    /* as a comparison with a baseline says */

typedef enum clew_health_reason {
#define CLEW_HEALTH_REASON_VALUE(name, text) name,
    CLEW_HEALTH_REASONS(CLEW_HEALTH_REASON_VALUE)
#undef CLEW_HEALTH_REASON_VALUE
        CLEW_HEALTH_REASON_COUNT
} clew_health_reason;

/** "fewCalls" and so on; static. */
CLEW_API const char *clew_health_reason_name(clew_health_reason reason);

/** Options; of every member 0 is the default. Shares are from 0 to 1. */
typedef struct clew_health_options {
    uint32_t struct_size;
    uint32_t calls_min;          /**< below it nothing is said; 20. Not weighted */
    double error_warn;           /**< share of calls that fail; 0.01 */
    double error_crit;           /**< 0.05 */
    double slow_warn;            /**< share of calls above their objective; 0.01 */
    double slow_crit;            /**< 0.05 */
    double availability;         /**< the objective for burn rates, as 0.999; 0: none, no burn rates */
    double burn_warn, burn_crit; /**< budgets a window; 6 and 14.4 (Site Reliability Workbook, chapter 5) */
    double quality_warn;   /**< share of spans that are orphans or unpaired, and of pairs that are skewed,
                                above which nothing is said; 0.2 */
    double critical_share; /**< what takes less of the critical paths counts one state better for the whole,
                                unless the user calls it; 0.05 */
    uint32_t intervals_worse, intervals_better; /**< a state is told when it lasted so long; 2 and 3 */
} clew_health_options;

/** How fast calls should be. */
typedef struct clew_health_objective {
    clew_text service; /**< of an edge: the server */
    clew_text client;  /**< empty: of the service itself */
    uint64_t latency_nano;
} clew_health_objective;

/** What somebody else found of a service or edge. */
typedef struct clew_health_verdict {
    clew_text service;
    clew_text client; /**< empty: of the service itself */
    clew_health_state state;
} clew_health_verdict;

/** What is judged; of an interval. Only `map` must be there. */
typedef struct clew_health_input {
    uint32_t struct_size;
    const clew_map_report *map;
    const clew_map_report *previous;          /**< of the interval before: to see traffic stop */
    const clew_map_report *longer;            /**< of a longer window that ends with this one: burn rates */
    const clew_operations_report *operations; /**< for the latency of services */
    const clew_health_objective *objectives;
    size_t objective_count;
    const clew_health_verdict *verdicts;
    size_t verdict_count;
    uint64_t orphans; /**< spans whose parent is missing (clew_trace_repairs()) */
    uint64_t dropped; /**< spans that were lost on the way: of a trace buffer, of a recorder */
} clew_health_input;

/** One piece of evidence. */
typedef struct clew_health_finding {
    clew_health_reason reason;
    clew_health_state state; /**< what it alone would say */
    double value;            /**< a share, a burn rate, or calls */
    double limit;            /**< that was crossed */
} clew_health_finding;

/** A service (a node of the map, `user` apart) or an edge. */
typedef struct clew_health_item {
    clew_text service;   /**< of an edge: the server */
    clew_text client;    /**< empty: the service itself */
    clew_edge_type type; /**< of edges */
    bool is_edge;
    bool is_virtual;            /**< a node without spans of its own */
    bool is_root_cause;         /**< not well, and nothing that it calls is not well */
    clew_health_state state;    /**< with patience: worse after `intervals_worse`, better after… */
    clew_health_state observed; /**< in this interval */
    uint64_t calls, errors;
    double error_rate, error_rate_low, error_rate_high;     /**< 0, 0, 1 without calls */
    double critical_share;                                  /**< of the critical paths; 0 without paths */
    clew_health_finding findings[CLEW_HEALTH_REASON_COUNT]; /**< of this interval, the worst first */
    size_t finding_count;
} clew_health_item;

typedef struct clew_health_report {
    clew_health_state state;       /**< of the whole */
    const clew_health_item *items; /**< the worst first, then by critical share, service, client, type */
    size_t item_count;
} clew_health_report;

/** NULL options: the defaults. NULL when memory runs out. */
CLEW_API CLEW_NODISCARD clew_health *clew_health_new(const clew_health_options *options);
/** NULL is allowed. */
CLEW_API void clew_health_free(clew_health *health);
/** Judges an interval, in the light of those before. The report is valid until the next one, and no longer
 * than the reports that the input points to. NULL when memory runs out, or for input without a map. */
CLEW_API const clew_health_report *clew_health_judge(clew_health *health, const clew_health_input *input);

CLEW_END_DECLS

#endif
