/* What a service map is made of. One thread at a time.
 *
 * Names, nodes and edges sum up what is settled. What another trace may still change (links) waits as open
 * rows, and is settled for each reading in a copy; so neither the order of traces nor that of readings
 * matters. Counts are in units of 1 / CLEW__WEIGHT_ONE, so that they are exact. */
#ifndef CLEW_ANALYSIS_MAP_INTERNAL_H
#define CLEW_ANALYSIS_MAP_INTERNAL_H

#include "sdk/containers/keys.h"
#include "sdk/containers/names.h"
#include "sdk/containers/saturate.h"
#include "sdk/measure/sketch.h"
#include "sdk/traces/places.h"

#include <clew/analysis/map.h>

#define CLEW__NO_EDGE UINT32_MAX

struct clew__map_node {
    uint64_t spans;         /* not weighted; 0: virtual, unless a merge brought some */
    uint64_t seen_calls;    /* not weighted */
    uint64_t calls, errors; /* weighted */
    clew__wide_number self, critical;
    uint64_t path_traces;
    uint64_t stamp; /* the trace that was last counted in path_traces */
};

struct clew__map_edge {
    clew__text client, server, broker;
    uint32_t type;
    uint64_t seen_calls; /* not weighted */
    uint64_t calls, errors, client_errors, server_errors, client_only_errors, indirect, skewed; /* weighted */
    clew__wide_number gap_time;
    uint64_t path_traces;
    uint64_t stamp;
    struct clew__sketch client_latency, server_latency, gap, lag;
    clew_map_example slowest, slowest_failed;
};

/* One side of a call, as far as there is a span of it. */
struct clew__call_side {
    uint64_t start, end;
    uint64_t weight;
    bool is_there, failed;
    bool is_open;            /* its end is not known */
    bool is_measured;        /* its duration is to be added to the edge: the first of its calls */
    const uint8_t *trace_id; /* NULL: its text is no number */
};

struct clew__call {
    clew__text client, server, broker;
    clew_edge_type type;
    bool is_indirect;
    struct clew__call_side out, in;
};

/* What open rows are. */
enum clew__open_kind {
    CLEW__OPEN_OUT,  /* a span that links may lead to; further rows of it for further edges (`ordinal`) */
    CLEW__OPEN_IN,   /* a link of a span; a row for each */
    CLEW__OPEN_PATH, /* an edge of messaging that is settled and on the path of the trace: what is settled
                        later must not count the trace again */
};

struct clew__open {
    clew__wide_number gap_time; /* of critical paths, weighted; of the first row */
    uint64_t order;             /* a hash of the trace id: the largest are settled first */
    uint8_t trace_id[16];
    uint64_t span_id;
    uint32_t node, ordinal;
    uint8_t target_trace[16]; /* of a link */
    uint64_t target_id;
    uint64_t start, end, weight;
    clew__text name;   /* the span's service */
    clew__text other;  /* the other end of the edge that it makes alone; of a path: the server */
    clew__text broker; /* what a producer names */
    uint8_t kind;      /* enum clew__open_kind */
    uint8_t type;      /* of the edge that it makes alone; CLEW_EDGE_TYPE_COUNT: none */
    bool failed, is_open;
    bool has_text_id; /* the trace's id is no number */
    bool is_near;     /* only links of its own trace may lead to it */
    bool is_paired;   /* an OUT span that has a pair by parent: no edge alone, its latency is measured */
    bool on_path;     /* of the critical path */
    bool is_counted;  /* …and for the edge that it makes alone, the trace already counts */
};

struct clew__open_rows {
    struct clew__open *rows;
    uint32_t count, capacity;
    uint64_t
        ceiling; /* the least order of those that were settled early: what is not below it must be, too */
};

/* What is worked with while a trace is added: by node. In map_pairing.h and map_pair.c. */
struct clew__map_scratch {
    struct clew__places places;
    struct clew__map_spot *spots;
    struct clew__map_loose *loose; /* children of OUT spans in other services, without a side of their own */
    struct clew__map_target *targets; /* of links within the trace */
    uint32_t spot_capacity, loose_count, loose_capacity, target_count, target_capacity;
};

/* Sums that need no more than adding. */
struct clew__map_totals {
    uint64_t unpaired_in, unpaired_out; /* weighted */
    clew_map_side in, out;
    uint64_t traces, path_traces, spans;
    uint64_t start, end; /* start > end: nothing was seen */
    clew__wide_number missing, unattributed;
    uint64_t settled_early, overflowed, lost;
};

struct clew_service_map {
    uint32_t node_limit, edge_limit, open_limit;
    struct clew__names names;
    clew__text user, no_service, other; /* names that are always there */
    struct clew__map_node *nodes;       /* by name */
    uint32_t node_capacity;
    uint32_t virtual_names; /* that came with no span */
    struct clew__keys edge_keys;
    struct clew__map_edge *edges; /* by number of key */
    uint32_t edge_capacity;
    struct clew__open_rows open;
    uint64_t stamp; /* the trace that is being added, or settled; counts up */
    struct clew__map_totals totals;
    struct clew__map_scratch scratch;
    struct clew_service_map *view; /* the last reading's copy, in which open rows are settled; NULL: none */
    clew_map_report report;
};

/* ---- map.c: adding up ---- */

/* What a text of a trace is called in the map; the names above for what has none, and beyond the limit.
 * CLEW__NAME_NONE: no memory. */
clew__text clew__map_service(struct clew_service_map *map, const struct clew_trace *trace, clew__text text);
clew__text clew__map_virtual(struct clew_service_map *map, const struct clew_trace *trace, clew__text text);
/* Any text. */
clew__text clew__map_name(struct clew_service_map *map, clew_text text, bool is_virtual);
/* The node of a name, or NULL: no memory. Valid until the next one is asked for. */
struct clew__map_node *clew__map_node(struct clew_service_map *map, clew__text name);
/* The edge's number; CLEW__NO_EDGE when memory runs out, which is counted. */
uint32_t clew__map_edge(struct clew_service_map *map, clew__text client, clew__text server,
                        clew_edge_type type);
/* Counts a call. Its edge, or CLEW__NO_EDGE. */
uint32_t clew__map_count_call(struct clew_service_map *map, const struct clew__call *call);
/* The current trace has the edge on its path. */
void clew__map_stamp_edge(struct clew_service_map *map, uint32_t edge);
/* Time of critical paths between the sides. Of no edge: counted as such. */
void clew__map_add_gap(struct clew_service_map *map, uint32_t edge, clew__wide_number weighted);
void clew__map_lose(struct clew_service_map *map);
void clew__map_merge(struct clew_service_map *into, const struct clew_service_map *from);
/* Forgets the last reading. */
void clew__map_changed(struct clew_service_map *map);

static inline clew_map_side *clew__map_side_of(struct clew_service_map *map, enum clew__side side) {
    return side == CLEW__SIDE_IN ? &map->totals.in : &map->totals.out;
}

/* ---- map_trace.c: one trace ---- */

void clew__map_add_trace(struct clew_service_map *map, const struct clew_trace *trace,
                         const clew_critical_path *path);
void clew__map_scratch_fini(struct clew__map_scratch *scratch);

/* ---- map_open.c: what waits for other traces ---- */

/* A new row, to be filled; NULL when memory runs out, which is counted. */
struct clew__open *clew__open_add(struct clew_service_map *map);
/* Settles whole traces until no more rows wait than may: when there are far too many; and for a reading. */
void clew__open_prune(struct clew_service_map *map);
void clew__open_trim(struct clew_service_map *map);
/* Settles rows, all at once: into the map, which may be another one than where they wait. `within` a trace:
 * links to others do not resolve. */
void clew__open_settle(struct clew_service_map *map, struct clew__open *rows, uint32_t count,
                       bool within_traces);

#endif
