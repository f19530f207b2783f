/* Which bucket a value is in, by whole numbers alone. Pure; any thread.
 *
 * Index 0 holds zero, index n > 0 is bucket n - 2 of an exponential histogram of scale 5: the values in
 * (2^((n-2)/32), 2^((n-1)/32)]. */
#ifndef CLEW_MEASURE_SKETCH_INDEX_H
#define CLEW_MEASURE_SKETCH_INDEX_H

#include <stdint.h>

#define CLEW__SKETCH_SCALE 5
#define CLEW__SKETCH_INDEX_BIAS 2
#define CLEW__SKETCH_INDEX_LAST (64 * 32 - 1 + CLEW__SKETCH_INDEX_BIAS) /* that of UINT64_MAX */

uint16_t clew__sketch_index(uint64_t value);
/* The least and the largest whole number of a bucket; of small buckets that have none, low is high + 1. */
uint64_t clew__sketch_index_low(uint16_t index);
uint64_t clew__sketch_index_high(uint16_t index);

#endif
