/* A service map for people, programs, Graphviz and browsers. Pure, into a writer. */
#ifndef CLEW_REPORT_MAP_H
#define CLEW_REPORT_MAP_H

#include "collector-bridge/report/style.h"

#include <clew/analysis/map.h>

/* Tables of calls and of services, at most `limit` rows each (0: all). */
void clew__report_map(struct clew__writer *out, const struct clew__style *style,
                      struct clew__palette *palette, const clew_map_report *map, uint32_t limit);
/* One line of JSON. */
void clew__report_map_json(struct clew__writer *out, const clew_map_report *map);
/* A graph for Graphviz. */
void clew__report_map_dot(struct clew__writer *out, const clew_map_report *map);
/* A picture of its own. False when memory ran out. */
bool clew__report_map_svg(struct clew__writer *out, const clew_map_report *map);

/* The latency of an edge as it is shown: the client's, where that was measured. */
const clew_sketch *clew__edge_latency(const clew_map_edge *edge);

#endif
