/* The service map: who calls whom, how often, with which errors, how long it took on either side and on the
 * way, and what of it was waited for.
 *
 *      clew_service_map *map = clew_service_map_new(NULL);
 *      clew_service_map_add(map, trace, path);           // each complete trace once, in any order
 *      const clew_map_report *report = clew_service_map_read(map);
 *
 * The same traces give the same map in whatever order they came and however they were divided among maps that
 * were merged. One thread at a time. No global state. */
#ifndef CLEW_ANALYSIS_MAP_H
#define CLEW_ANALYSIS_MAP_H

#include <clew/analysis/path.h>
#include <clew/analysis/sketch.h>
#include <clew/analysis/trace.h>

CLEW_BEGIN_DECLS

typedef struct clew_service_map clew_service_map;

/** What an edge is known from, and its name in reports, in whose order they stand. */
#define CLEW_EDGE_TYPES(X)                                                                                   \
    X(CLEW_EDGE_DATABASE, "database")         /* a client's span that names a database */                    \
    X(CLEW_EDGE_GENAI, "genai")               /* a client's span that names a provider of models */          \
    X(CLEW_EDGE_INFERRED, "inferred")         /* one side's span, the other side by its place in the tree */ \
    X(CLEW_EDGE_MESSAGING, "messaging")       /* a producer's and a consumer's span, by parent or by link */ \
    X(CLEW_EDGE_RPC, "rpc")                   /* a client's and a server's span */                           \
    X(CLEW_EDGE_UNKNOWN, "unknown")           /* spans of no kind (or INTERNAL); the service changes */      \
    X(CLEW_EDGE_VIRTUAL_NODE, "virtual_node") /* one side named the other, which left no span */

typedef enum clew_edge_type {
#define CLEW_EDGE_TYPE_VALUE(name, text) name,
    CLEW_EDGE_TYPES(CLEW_EDGE_TYPE_VALUE)
#undef CLEW_EDGE_TYPE_VALUE
        CLEW_EDGE_TYPE_COUNT
} clew_edge_type;

/** "rpc" and so on; static. */
CLEW_API const char *clew_edge_type_name(clew_edge_type type);

/** The node that calls services from outside; of services whose spans have no `service.name`; and of what is
 * beyond a limit. */
#define CLEW_MAP_USER "user"
#define CLEW_MAP_NO_SERVICE "unknown_service"
#define CLEW_MAP_OTHER "(other)"

/** Options; of every member 0 is the default. */
typedef struct clew_service_map_options {
    uint32_t struct_size;
    /** Services and virtual nodes; 4096, of which virtual nodes may take half. What comes beyond counts for
     * the node `(other)`, so that sums stay exact; which names came first is then what decides. */
    uint32_t node_limit;
    uint32_t edge_limit; /**< 16 384; beyond it counts for an edge to `(other)` */
    /** Spans that may still be paired by a link from, or to, another trace: producers, and consumers with
     * links, one for each link; 131 072. They are held until the map is freed. Beyond it, whole traces are
     * settled with what is known of them, chosen by a hash of their id. */
    uint32_t open_limit;
} clew_service_map_options;

/** A service, or what edges lead to or come from. Counts are of calls as weighted by sampling, rounded; sums
 * of time are weighted, too. */
typedef struct clew_map_node {
    clew_text service;
    bool is_virtual;    /**< no span of it was seen: databases, `user`… Its calls are those of its edges */
    uint64_t spans;     /**< seen; not weighted */
    uint64_t calls;     /**< spans by which the service is entered: from outside, from other services */
    uint64_t errors;    /**< of these calls */
    uint64_t self_nano; /**< own work of all its spans; 0 without paths */
    uint64_t critical_nano; /**< on critical paths, edge gaps apart */
    uint64_t path_traces;   /**< traces (not weighted) with one of its spans on their critical path */
    uint64_t seen_calls;    /**< not weighted: what statistics may be built on */
} clew_map_node;

/** A call to look at: its trace, and how long the client's span took (the server's where there is no other).
 */
typedef struct clew_map_example {
    bool is_there; /**< ended, and of a trace whose id is a number */
    uint8_t trace_id[16];
    uint64_t duration;
} clew_map_example;

/** Calls from one service to another. A side that was not measured has no sketch (NULL). One sample for each
 * client's span, one for each server's, whatever the number of calls between them. */
typedef struct clew_map_edge {
    clew_text client, server;
    clew_edge_type type;
    clew_text broker; /**< messaging: where the producer sent to; the first by bytes where they differ */
    uint64_t calls;   /**< weighted, rounded; pairs: a client's span with three servers' is three calls */
    uint64_t errors;  /**< calls of which either side has failed (clew_trace_span_has_failed()) */
    uint64_t client_errors, server_errors;
    uint64_t client_only_errors; /**< of pairs: the server had answered well: network, timeout, cancel */
    uint64_t indirect;           /**< spans without a kind stood between the pair */
    uint64_t skewed;             /**< pairs whose gap or lag would be negative, and has no sample */
    uint64_t critical_gap_nano;  /**< on critical paths, between the two sides */
    uint64_t path_traces;        /**< traces (not weighted) that have the edge on their critical path */
    double path_share;           /**< of all traces that came with a path; 0 when none did */
    const clew_sketch *client_latency, *server_latency;
    const clew_sketch *gap; /**< rpc: client less server */
    const clew_sketch *lag; /**< messaging: from the producer's end to the consumer's start */
    clew_map_example slowest, slowest_failed; /**< of all calls; of those that either side calls failed. Of
                                                 equals the one with the smallest trace id */
    uint64_t seen_calls;                      /**< not weighted: what statistics may be built on */
} clew_map_edge;

/** What became of the spans of one direction; not weighted. spans = paired + one_sided + unpaired. */
typedef struct clew_map_side {
    uint64_t spans;
    uint64_t paired;    /**< with a span of the other side */
    uint64_t one_sided; /**< made an edge alone: virtual nodes, databases, half edges… */
    uint64_t unpaired;  /**< made none */
} clew_map_side;

typedef struct clew_map_report {
    const clew_map_node *nodes; /**< by service, bytewise */
    size_t node_count;
    const clew_map_edge *edges; /**< by client, server, type */
    size_t edge_count;
    uint64_t unpaired_in, unpaired_out; /**< weighted, rounded */
    clew_map_side in;                   /**< SERVER, CONSUMER */
    clew_map_side out;                  /**< CLIENT, PRODUCER, and spans without a kind that name a peer */
    uint64_t traces, path_traces;       /**< added; with a path */
    uint64_t spans;                     /**< added, not weighted; without phantoms */
    uint64_t indirect, skewed;          /**< calls, over all edges */
    uint64_t start_unix_nano, end_unix_nano; /**< of all spans; both 0 without any */
    uint64_t missing_nano;                   /**< on critical paths, of spans that are not there */
    uint64_t unattributed_gap_nano; /**< edge gaps on critical paths of calls that belong to no edge */
    uint64_t open;                  /**< spans and links that another trace may still resolve */
    uint64_t settled_early;         /**< …which were settled because of `open_limit` */
    uint64_t overflowed;            /**< calls counted for `(other)` */
    uint64_t lost;                  /**< what could not be added because memory ran out */
} clew_map_report;

/** NULL options: the defaults. NULL when memory runs out. */
CLEW_API CLEW_NODISCARD clew_service_map *clew_service_map_new(const clew_service_map_options *options);
/** NULL is allowed. */
CLEW_API void clew_service_map_free(clew_service_map *map);

/** Adds a trace and its critical path; `path` may be NULL. Add each trace once, when it is complete and no
 * late spans are expected: when it leaves the buffer (`on_leave`), or at the end. A span pairs by its parent
 * within its trace, or by links with producers (and clients with messaging attributes) of any trace; with
 * other clients only of its own trace. Keeps nothing of the arguments. CLEW_ENOMEM when memory ran out in the
 * midst: some of it is missing, and counted (`lost`). */
CLEW_API int clew_service_map_add(clew_service_map *map, const clew_trace *trace,
                                  const clew_critical_path *path);
/** Adds all that was added to `from`, of other traces; as if those had been added here. CLEW_ENOMEM as above.
 */
CLEW_API int clew_service_map_merge(clew_service_map *into, const clew_service_map *from);
/** The map so far. Valid until the map is next changed or freed. NULL when memory runs out. */
CLEW_API const clew_map_report *clew_service_map_read(clew_service_map *map);

CLEW_END_DECLS

#endif
