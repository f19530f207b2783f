/* The times between spans of one trace, as they came: enough of a histogram to say how long the quiet times
 * within a trace are. One thread at a time. */
#ifndef CLEW_TRACES_ARRIVALS_H
#define CLEW_TRACES_ARRIVALS_H

#include <stdint.h>

/* Those of histogram.h: four to each doubling. */
#define CLEW__ARRIVAL_BUCKETS 256

struct clew__arrivals {
    uint32_t counts[CLEW__ARRIVAL_BUCKETS];
    uint32_t total;
};

/* Earlier ones count for less and less. */
void clew__arrivals_add(struct clew__arrivals *arrivals, uint64_t nano);
/* The 99th percentile, to the upper border of its bucket; 0 before there is any. */
uint64_t clew__arrivals_p99(const struct clew__arrivals *arrivals);

#endif
