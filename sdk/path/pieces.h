/* Putting pieces of spans in order. Pure; one thread at a time. */
#ifndef CLEW_PATH_PIECES_H
#define CLEW_PATH_PIECES_H

#include "sdk/path/relation.h"

/* Whether a stands before b. */
typedef bool clew__piece_order(const struct clew_trace *trace, const struct clew__piece *a,
                               const struct clew__piece *b);

/* Latest end, then longest, then id: the order of the sweep. */
clew__piece_order clew__piece_ends_later;
/* Earliest start, then longest, then id. */
clew__piece_order clew__piece_starts_earlier;

/* Sorts. Runs that are in order already cost a comparison a piece. `spare` is room for as many. Returns the
 * number of comparisons. */
uint64_t clew__pieces_sort(const struct clew_trace *trace, struct clew__piece *pieces,
                           struct clew__piece *spare, uint32_t count, clew__piece_order *order);

#endif
