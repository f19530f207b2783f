/* Statistics over sketches and counts: whether two windows differ, by how much, and how sure that is.
 *
 * `before` is the baseline, `after` what is compared with it: positive numbers say that `after` has the
 * larger values. Values in one bucket of a sketch count as equal. A sketch's observations are the size of the
 * sample; weights say how they are spread. `z` is how many standard deviations an interval reaches to both
 * sides. Pure; any thread. */
#ifndef CLEW_MEASURE_STATISTICS_H
#define CLEW_MEASURE_STATISTICS_H

#include "sdk/measure/sketch.h"

/* The standard normal distribution's, for two-sided confidence of 95 and 99 %. */
#define CLEW__Z_95 1.959963984540054
#define CLEW__Z_99 2.5758293035489004

struct clew__interval {
    double estimate, low, high;
};

/* ---- durations ---- */

struct clew__rank_test {
    double z, p;  /* Mann-Whitney with tie correction, two-sided, by the normal approximation */
    double cliff; /* Cliff's delta: how much likelier `after` is the larger than the smaller, -1 to 1 */
};
/* false when one of them is empty. */
bool clew__rank_test(const clew_sketch *before, const clew_sketch *after, struct clew__rank_test *out);

/* The Hodges-Lehmann shift in nanoseconds: the median of all differences between a value of each, and its
 * interval. Some hundred passes over the buckets. CLEW_EINVAL when one is empty, CLEW_ENOMEM. */
int clew__shift(const clew_sketch *before, const clew_sketch *after, double z, struct clew__interval *out);

/* The shift of a quantile in nanoseconds, its interval by a thousand bootstrap samples of each, which the
 * seed decides. Errors as above. */
int clew__quantile_shift(const clew_sketch *before, const clew_sketch *after, double quantile, double z,
                         uint64_t seed, struct clew__interval *out);

/* ---- proportions and rates ---- */

/* Wilson's score interval of a proportion. Of nothing: the estimate is not a number, the interval everything.
 */
struct clew__interval clew__proportion(uint64_t hits, uint64_t count, double z);
/* Newcombe's hybrid score interval of the difference of two proportions. */
struct clew__interval clew__proportion_difference(uint64_t hits_before, uint64_t count_before,
                                                  uint64_t hits_after, uint64_t count_after, double z);
/* Whether two proportions differ: the two-sided p of Fisher's exact test; above a million in all that of the
 * normal approximation. */
double clew__proportion_test(uint64_t hits_before, uint64_t count_before, uint64_t hits_after,
                             uint64_t count_after);

struct clew__rate_test {
    struct clew__interval ratio; /* of the rate after to the rate before; may be infinite */
    double p; /* two-sided, exact given the sum of both counts; above a million approximate */
};
/* Compares counts of Poisson processes over times in any one unit, above zero. */
struct clew__rate_test clew__rate_test(uint64_t count_before, double time_before, uint64_t count_after,
                                       double time_after, double z);

/* ---- many tests at once ---- */

/* Benjamini-Hochberg: from p values the least false discovery rates at which each is one. Each `q` gets that
 * of the `p` in its place. false when memory runs out. */
bool clew__false_discovery(const double *p, double *q, size_t count);

#endif
