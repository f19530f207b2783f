/* A trace while it is added to a service map: between its spans and where their calls are counted. One thread
 * at a time. */
#ifndef CLEW_ANALYSIS_MAP_PAIRING_H
#define CLEW_ANALYSIS_MAP_PAIRING_H

#include "sdk/analysis/map.h"

/* Where calls of a span are counted: an edge, an open row (ROW + its index), or nowhere. */
#define CLEW__SPOT_NOWHERE UINT32_MAX
#define CLEW__SPOT_ROW (UINT32_C(1) << 31)

struct clew__map_spot {
    uint32_t out, in; /* what the span calls, first; by which it is called */
    bool has_pair;    /* of an OUT span: by parent */
};

struct clew__pairing {
    struct clew_service_map *map;
    const struct clew_trace *trace;
    const clew_critical_path *path; /* may be NULL */
    const struct clew__place *places;
    struct clew__map_spot *spots;
    uint64_t order;     /* of open rows of this trace */
    uint32_t first_row; /* of these */
};

static inline const struct clew__record *clew__pairing_record(const struct clew__pairing *pairing,
                                                              uint32_t node) {
    return pairing->trace->nodes[node].record;
}

static inline clew__text clew__pairing_service(struct clew__pairing *pairing, uint32_t node) {
    return clew__map_service(pairing->map, pairing->trace, clew__pairing_record(pairing, node)->service);
}

/* Counts the calls of the trace, and finds the spots of its spans. In map_pair.c. */
void clew__pair_spans(struct clew__pairing *pairing);

#endif
