/* Owns the statistics of counts: proportions, rates, many tests at once. Pure but for what it allocates; any
 * thread. */
#include "sdk/measure/statistics.h"

#include <clew/extend.h>

#include <math.h>
#include <stdlib.h>

/* Above so many in all, exact tests give way to the normal approximation, which differs in no digit that
 * matters. */
#define EXACT_MAX UINT64_C(1000000)
/* Probabilities that differ by rounding alone count as equal (as R's fisher.test has it). */
#define EQUAL_ENOUGH (1 + 1e-7)
/* Terms so much smaller than what they are added to change nothing. */
#define NEGLIGIBLE 1e-18

static double tails_of(double z) {
    return erfc(fabs(z) / sqrt(2));
}

/* ---- intervals ---- */

struct clew__interval clew__proportion(uint64_t hits, uint64_t count, double z) {
    struct clew__interval out = {NAN, 0, 1};
    if (count == 0)
        return out;
    double n = (double)count, p = (double)hits / n, square = z * z;
    double center = (p + square / (2 * n)) / (1 + square / n);
    double reach = z / (1 + square / n) * sqrt(p * (1 - p) / n + square / (4 * n * n));
    out.estimate = p;
    out.low = hits == 0 ? 0 : center - reach;
    out.high = hits == count ? 1 : center + reach;
    return out;
}

struct clew__interval clew__proportion_difference(uint64_t hits_before, uint64_t count_before,
                                                  uint64_t hits_after, uint64_t count_after, double z) {
    struct clew__interval before = clew__proportion(hits_before, count_before, z);
    struct clew__interval after = clew__proportion(hits_after, count_after, z);
    struct clew__interval out = {NAN, -1, 1};
    if (count_before == 0 || count_after == 0)
        return out;
    out.estimate = after.estimate - before.estimate;
    out.low = out.estimate - hypot(after.estimate - after.low, before.high - before.estimate);
    out.high = out.estimate + hypot(after.high - after.estimate, before.estimate - before.low);
    return out;
}

/* ---- exact tests ---- */

/* A distribution over the whole numbers from `least` to `most`, by the ratio of neighbours. */
struct distribution {
    double least, most, mode;
    double a, b, c; /* what `ratio` needs */
    /* The probability of k + 1 to that of k. */
    double (*ratio)(const struct distribution *distribution, double k);
};

/* From the mode to `k`, where the mode has weight one. */
static double weight_of(const struct distribution *of, double k) {
    double weight = 1;
    for (double at = of->mode; at < k && weight > 0; at++)
        weight *= of->ratio(of, at);
    for (double at = of->mode; at > k && weight > 0; at--)
        weight /= of->ratio(of, at - 1);
    return weight;
}

/* The probability of all that is no likelier than `k`. */
static double two_sided(const struct distribution *of, double k) {
    double limit = weight_of(of, k) * EQUAL_ENOUGH, least = limit < 1 ? limit * NEGLIGIBLE : NEGLIGIBLE;
    double all = 1, unlikely = limit >= 1 ? 1 : 0, weight = 1;
    for (double at = of->mode; at < of->most && weight > least; at++) {
        weight *= of->ratio(of, at);
        all += weight;
        unlikely += weight <= limit ? weight : 0;
    }
    weight = 1;
    for (double at = of->mode; at > of->least && weight > least; at--) {
        weight /= of->ratio(of, at - 1);
        all += weight;
        unlikely += weight <= limit ? weight : 0;
    }
    return fmin(1, unlikely / all);
}

static double clamp(double value, double low, double high) {
    return fmin(high, fmax(low, value));
}

/* Of `a` draws from `c`, of which `b` are hits. */
static double hypergeometric_ratio(const struct distribution *of, double k) {
    return (of->b - k) * (of->a - k) / ((k + 1) * (of->c - of->b - of->a + k + 1));
}

static double pooled_test(double hits_before, double before, double hits_after, double after) {
    double pooled = (hits_before + hits_after) / (before + after);
    double deviation = sqrt(pooled * (1 - pooled) * (1 / before + 1 / after));
    return deviation > 0 ? tails_of((hits_after / after - hits_before / before) / deviation) : 1;
}

double clew__proportion_test(uint64_t hits_before, uint64_t count_before, uint64_t hits_after,
                             uint64_t count_after) {
    double before = (double)count_before, after = (double)count_after;
    double hits = (double)hits_before + (double)hits_after;
    if (count_before == 0 || count_after == 0)
        return 1;
    if (before + after > (double)EXACT_MAX)
        return pooled_test((double)hits_before, before, (double)hits_after, after);
    struct distribution of = {.a = after, .b = hits, .c = before + after, .ratio = hypergeometric_ratio};
    of.least = fmax(0, hits - before);
    of.most = fmin(after, hits);
    of.mode = clamp(floor((after + 1) * (hits + 1) / (before + after + 2)), of.least, of.most);
    return two_sided(&of, (double)hits_after);
}

/* Of `a` draws that hit with odds `b`. */
static double binomial_ratio(const struct distribution *of, double k) {
    return (of->a - k) / (k + 1) * of->b;
}

static double share_test(double hits, double count, double share) {
    if (count > (double)EXACT_MAX)
        return tails_of((hits - count * share) / sqrt(count * share * (1 - share)));
    struct distribution of = {.most = count, .a = count, .b = share / (1 - share), .ratio = binomial_ratio};
    of.mode = clamp(floor((count + 1) * share), 0, count);
    return two_sided(&of, hits);
}

/* Given how many there are in all, how many of them are in the second window is binomial. */
struct clew__rate_test clew__rate_test(uint64_t count_before, double time_before, uint64_t count_after,
                                       double time_after, double z) {
    struct clew__rate_test out = {{NAN, 0, INFINITY}, 1};
    uint64_t all;
    if (__builtin_add_overflow(count_before, count_after, &all)) {
        count_before /= 2;
        count_after /= 2;
        all = count_before + count_after;
    }
    double share = time_after / (time_before + time_after), odds = time_before / time_after;
    if (all == 0)
        return out;
    struct clew__interval after = clew__proportion(count_after, all, z);
    out.ratio.estimate = odds * (double)count_after / (double)count_before;
    out.ratio.low = odds * after.low / (1 - after.low);
    out.ratio.high = count_before == 0 ? INFINITY : odds * after.high / (1 - after.high);
    out.p = share_test((double)count_after, (double)all, share);
    return out;
}

/* ---- many tests ---- */

struct ranked {
    double p;
    size_t place;
};

static int by_p(const void *a, const void *b) {
    const struct ranked *left = a, *right = b;
    return (left->p > right->p) - (left->p < right->p);
}

bool clew__false_discovery(const double *p, double *q, size_t count) {
    double least = 1;
    if (count == 0)
        return true;
    struct ranked *ranked = clew_memory_allocate(count * sizeof *ranked);
    if (!ranked)
        return false;
    for (size_t i = 0; i < count; i++)
        ranked[i] = (struct ranked){p[i], i};
    qsort(ranked, count, sizeof *ranked, by_p);
    for (size_t i = count; i > 0; i--) {
        least = fmin(least, ranked[i - 1].p * (double)count / (double)i);
        q[ranked[i - 1].place] = least;
    }
    clew_memory_release(ranked);
    return true;
}
