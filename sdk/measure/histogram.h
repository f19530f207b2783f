/* Counts and sums of durations in buckets, four to a doubling: a fixed size, so that adding cannot fail.
 * Pure; one thread at a time. */
#ifndef CLEW_MEASURE_HISTOGRAM_H
#define CLEW_MEASURE_HISTOGRAM_H

#include "sdk/containers/saturate.h"

#include <stdbool.h>

#define CLEW__HISTOGRAM_BUCKETS 256u

struct clew__histogram {
    uint64_t count, sum;
    uint32_t counts[CLEW__HISTOGRAM_BUCKETS];
    uint64_t sums[CLEW__HISTOGRAM_BUCKETS];
};

/* Of a value, in any array of so many buckets. */
static inline uint32_t clew__histogram_bucket_of(uint64_t value) {
    if (value < 4)
        return (uint32_t)value;
    uint32_t power = 63u - (uint32_t)__builtin_clzll(value);
    return 4 * (power - 1) + ((uint32_t)(value >> (power - 2)) & 3u);
}

void clew__histogram_add(struct clew__histogram *histogram, uint64_t value);
void clew__histogram_merge(struct clew__histogram *into, const struct clew__histogram *from);

/* The bucket in which so many parts of a million of the values are, from the least up. */
uint32_t clew__histogram_bucket(const struct clew__histogram *histogram, uint32_t ppm);
/* The mean of the values of that bucket; 0 when it is empty. */
uint64_t clew__histogram_quantile(const struct clew__histogram *histogram, uint32_t ppm);
/* What would be saved if no value exceeded the limit; buckets across it count by their means. */
uint64_t clew__histogram_excess(const struct clew__histogram *histogram, uint64_t limit);

/* Two groups of values with nothing, or next to nothing, between. */
struct clew__split {
    uint64_t fast_count, slow_count;
    uint64_t fast_mean, slow_mean;
};
/* False when there are no two such groups: each a tenth of the values at least, the slow ones three times as
 * slow or more, with a hundredth between at most. */
bool clew__histogram_split(const struct clew__histogram *histogram, struct clew__split *out);

#endif
