/* The other side of a call: to whom time between the two sides belongs. Pure; any thread. */
#ifndef CLEW_PATH_CALLEE_H
#define CLEW_PATH_CALLEE_H

#include "sdk/path/relation.h"

/* What segments of a span are, under the relations, and for an edge gap whose: a span, or CLEW_NO_SPAN where
 * only the name of a peer is known. Over all spans of a trace it takes n steps. */
clew_segment_kind clew__segment_kind_of(struct clew__relations *relations, uint32_t span, uint32_t *callee);

#endif
