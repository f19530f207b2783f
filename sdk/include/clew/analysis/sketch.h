/* Sketches of durations: how many, their sum, and every quantile to 1.1 %, in little memory; they merge
 * exactly. */
#ifndef CLEW_ANALYSIS_SKETCH_H
#define CLEW_ANALYSIS_SKETCH_H

#include <clew/common.h>

CLEW_BEGIN_DECLS

/** A base-2 exponential histogram (specification: Metrics Data Model, ExponentialHistogram) of scale 5: 32
 * buckets for each doubling, of which only those in use take memory. Values are whole nanoseconds.
 *
 * A value counts with a weight: what it stands for after sampling, its adjusted count, in units of 1/65536.
 * Counts, weights, sum, least and largest value are exact. So merging is exact too: the same values give the
 * same sketch, however they were divided and in whichever order they were merged. Sums beyond 2^112 ns and
 * weights beyond 2^48 stay at that; nothing wraps around.
 *
 * One thread at a time; functions that take it const may run on several at once. NULL counts as an empty
 * sketch. */
typedef struct clew__sketch clew_sketch;

/** The weight of one value of which nothing was sampled away. */
#define CLEW_SKETCH_WEIGHT_ONE UINT64_C(65536)

/** An empty sketch; NULL when memory runs out. */
CLEW_API CLEW_NODISCARD clew_sketch *clew_sketch_new(void);
CLEW_API void clew_sketch_free(clew_sketch *sketch);

/** Adds a value so many times; 0 times adds nothing. Some ten nanoseconds. CLEW_ENOMEM, and nothing is added,
 * when the value needs a new bucket and memory runs out. */
CLEW_API int clew_sketch_add(clew_sketch *sketch, uint64_t nano, uint64_t count);
/** Adds a value once, with a weight in 1/65536; weight 0 adds nothing. */
CLEW_API int clew_sketch_add_weighted(clew_sketch *sketch, uint64_t nano, uint64_t weight);
/** Adds all that is in `from`. CLEW_ENOMEM, and nothing is added, when memory runs out. */
CLEW_API int clew_sketch_merge(clew_sketch *into, const clew_sketch *from);

/** How many values were added, not weighted: what statistics may be built on. */
CLEW_API uint64_t clew_sketch_observations(const clew_sketch *sketch);
/** The sum of weights, as a whole number (rounded), and exactly, in 1/65536. */
CLEW_API uint64_t clew_sketch_count(const clew_sketch *sketch);
CLEW_API uint64_t clew_sketch_weight(const clew_sketch *sketch);
/** The weighted sum of the values in nanoseconds, rounded; UINT64_MAX when it is larger (584 years). */
CLEW_API uint64_t clew_sketch_sum(const clew_sketch *sketch);

/* These answer false, and leave `out` as it was, when the sketch is empty: what was not measured is no zero.
 */

CLEW_API bool clew_sketch_min(const clew_sketch *sketch, uint64_t *out);
CLEW_API bool clew_sketch_max(const clew_sketch *sketch, uint64_t *out);
CLEW_API bool clew_sketch_mean(const clew_sketch *sketch, double *out);
/** The least value that at least the share `quantile` of the weight does not exceed, to 1.1 % and rounded to
 * a whole nanosecond; from the least value (0) to the largest (1), which are exact. Outside of [0, 1]:
 * clamped; not a number: false. */
CLEW_API bool clew_sketch_quantile(const clew_sketch *sketch, double quantile, uint64_t *out);
/** The share of the weight, 0 to 1, whose values are `nano` or less; interpolated within a bucket. */
CLEW_API bool clew_sketch_share(const clew_sketch *sketch, uint64_t nano, double *out);

/** The most buckets of an exported histogram: OpenTelemetry's default. */
#define CLEW_SKETCH_HISTOGRAM_BUCKETS 160

/** A data point of OpenTelemetry's exponential histogram, in nanoseconds. Bucket i counts the values in
 * (base^(offset+i), base^(offset+i+1)], base = 2^(2^-scale). */
typedef struct clew_sketch_histogram {
    int32_t scale;
    int32_t offset;
    uint64_t count; /**< zero_count and all buckets together */
    uint64_t zero_count;
    uint32_t bucket_count;
    uint64_t bucket_counts[CLEW_SKETCH_HISTOGRAM_BUCKETS];
} clew_sketch_histogram;

/** Exports with the finest scale, 5 at most, that needs no more than `max_buckets` buckets (2 to 160; others
 * are clamped). Scales are halved by adding neighbours up, so counts stay exact; fractional weights are
 * rounded such that all together make clew_sketch_count(). */
CLEW_API void clew_sketch_export(const clew_sketch *sketch, uint32_t max_buckets, clew_sketch_histogram *out);

/** The sketch as bytes, some two for each bucket in use. Equal sketches give equal bytes. The caller releases
 * them with clew_memory_release() of <clew/extend.h>; NULL when memory runs out. */
CLEW_API CLEW_NODISCARD uint8_t *clew_sketch_encode(const clew_sketch *sketch, size_t *size);
/** A sketch from such bytes. CLEW_EFORMAT when they are malformed or contradict themselves, CLEW_ENOMEM. */
CLEW_API int clew_sketch_decode(const void *data, size_t size, clew_sketch **out);

CLEW_END_DECLS

#endif
