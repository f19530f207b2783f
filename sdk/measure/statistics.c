/* Owns the comparison of two sketches: ranks, shifts, quantiles. Pure but for what it allocates; any thread.
 */
#include "sdk/measure/statistics.h"

#include "sdk/containers/keys.h"

#include <clew/extend.h>

#include <math.h>
#include <stdlib.h>

#define BOOTSTRAPS 1000u

/* ---- ranks ---- */

/* How many observations one unit of weight is worth. */
static double observations_of_unit(const clew_sketch *sketch) {
    return (double)sketch->observations / (double)sketch->weight;
}

static double observations_at(const clew_sketch *sketch, size_t position) {
    return (double)clew__sketch_cell_at(sketch, position).weight * observations_of_unit(sketch);
}

static bool is_empty(const clew_sketch *sketch) {
    return !sketch || sketch->observations == 0;
}

struct rank_sums {
    double wins; /* pairs in which `after` is larger, ties half */
    double ties; /* sum of t^3 - t over the buckets */
};

static struct rank_sums sum_ranks(const clew_sketch *before, const clew_sketch *after) {
    const uint16_t *in_before = clew__sketch_indices(before), *in_after = clew__sketch_indices(after);
    struct rank_sums sums = {0};
    double below = 0;
    for (size_t i = 0, j = 0; i < before->used || j < after->used;) {
        bool first = j == after->used || (i < before->used && in_before[i] <= in_after[j]);
        bool second = i == before->used || (j < after->used && in_after[j] <= in_before[i]);
        double of_before = first ? observations_at(before, i) : 0;
        double of_after = second ? observations_at(after, j) : 0;
        double tied = of_before + of_after;
        sums.wins += of_after * (below + of_before / 2);
        sums.ties += tied > 1 ? tied * (tied * tied - 1) : 0;
        below += of_before;
        i += first;
        j += second;
    }
    return sums;
}

bool clew__rank_test(const clew_sketch *before, const clew_sketch *after, struct clew__rank_test *out) {
    if (is_empty(before) || is_empty(after))
        return false;
    struct rank_sums sums = sum_ranks(before, after);
    double m = (double)before->observations, n = (double)after->observations, all = m + n;
    double variance = m * n / 12 * (all + 1 - sums.ties / (all * (all - 1)));
    out->z = variance > 0 ? (sums.wins - m * n / 2) / sqrt(variance) : 0;
    out->p = erfc(fabs(out->z) / sqrt(2));
    out->cliff = 2 * sums.wins / (m * n) - 1;
    return true;
}

/* ---- cells as numbers ---- */

/* The middles of a sketch's cells, rising, and how many observations each stands for. */
struct points {
    double *weights;
    int64_t *values;
    size_t count;
    double total;
};

static int64_t to_signed(uint64_t value) {
    return value > INT64_MAX ? INT64_MAX : (int64_t)value;
}

static bool make_points(const clew_sketch *sketch, struct points *out) {
    out->count = sketch->used;
    out->total = 0;
    out->weights = clew_memory_allocate(out->count * (sizeof *out->weights + sizeof *out->values));
    if (!out->weights)
        return false;
    out->values = (int64_t *)(void *)(out->weights + out->count);
    for (size_t i = 0; i < out->count; i++) {
        struct clew__sketch_cell cell = clew__sketch_cell_at(sketch, i);
        out->values[i] = to_signed(clew__sketch_cell_middle(sketch, &cell));
        out->weights[i] = observations_at(sketch, i);
        out->total += out->weights[i];
    }
    return true;
}

static void free_points(struct points *points) {
    clew_memory_release(points->weights);
}

static int make_both(const clew_sketch *before, const clew_sketch *after, struct points both[2]) {
    if (is_empty(before) || is_empty(after))
        return CLEW_EINVAL;
    if (!make_points(before, &both[0]))
        return CLEW_ENOMEM;
    if (make_points(after, &both[1]))
        return CLEW_OK;
    free_points(&both[0]);
    return CLEW_ENOMEM;
}

/* ---- Hodges-Lehmann ---- */

/* How many pairs differ by no more than this. */
static double pairs_up_to(const struct points *before, const struct points *after, int64_t difference) {
    double pairs = 0, reached = 0;
    size_t j = 0;
    for (size_t i = 0; i < before->count; i++) {
        /* Values are not negative, so the left side cannot overflow. */
        while (j < after->count && after->values[j] - before->values[i] <= difference)
            reached += after->weights[j++];
        pairs += before->weights[i] * reached;
    }
    return pairs;
}

/* The least difference that so many pairs do not exceed. */
static int64_t difference_at(const struct points *before, const struct points *after, double pairs) {
    int64_t low = after->values[0] - before->values[before->count - 1];
    int64_t high = after->values[after->count - 1] - before->values[0];
    while (low < high) {
        int64_t middle = low + (int64_t)(((uint64_t)high - (uint64_t)low) / 2);
        if (pairs_up_to(before, after, middle) >= pairs)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

int clew__shift(const clew_sketch *before, const clew_sketch *after, double z, struct clew__interval *out) {
    struct points both[2];
    int result = make_both(before, after, both);
    if (result != CLEW_OK)
        return result;
    double pairs = both[0].total * both[1].total;
    double reach = z * sqrt(pairs * (both[0].total + both[1].total + 1) / 12);
    double outer = fmax(1, floor(pairs / 2 - reach));
    double first = (double)difference_at(&both[0], &both[1], pairs / 2);
    double second = (double)difference_at(&both[0], &both[1], nextafter(pairs / 2, INFINITY));
    out->estimate = (first + second) / 2;
    out->low = (double)difference_at(&both[0], &both[1], outer);
    out->high = (double)difference_at(&both[0], &both[1], pairs + 1 - outer);
    free_points(&both[0]);
    free_points(&both[1]);
    return CLEW_OK;
}

/* ---- the bootstrap of a quantile ---- */

/* splitmix64: every seed is as good as another. */
static uint64_t next_random(uint64_t *state) {
    return clew__mix(*state += UINT64_C(0x9e3779b97f4a7c15));
}

/* Between 0 and 1, both excluded. */
static double next_unit(uint64_t *state) {
    return ((double)(next_random(state) >> 11) + 0.5) * 0x1p-53;
}

static double next_normal(uint64_t *state) {
    double radius = sqrt(-2 * log(next_unit(state)));
    return radius * cos(2 * M_PI * next_unit(state));
}

/* A gamma variate of shape 1 or more (Marsaglia and Tsang, 2000). Of 100 rounds five reach the second. */
static double next_gamma(double shape, uint64_t *state) {
    double d = shape - 1.0 / 3, c = 1 / sqrt(9 * d);
    for (;;) {
        double normal = next_normal(state), v = 1 + c * normal;
        if (v <= 0)
            continue;
        v = v * v * v;
        if (log(next_unit(state)) < normal * normal / 2 + d - d * v + d * log(v))
            return d * v;
    }
}

/* The r-th smallest of n draws is where the r-th smallest of n uniform numbers points to, which is a beta
 * variate: one draw instead of n. */
static int64_t resampled_quantile(const struct points *points, double n, double quantile, uint64_t *state) {
    double rank = fmin(n, fmax(1, ceil(quantile * n)));
    double below = next_gamma(rank, state), above = next_gamma(n - rank + 1, state);
    double target = below / (below + above) * points->total, seen = 0;
    size_t i = 0;
    while (i + 1 < points->count && (seen += points->weights[i]) < target)
        i++;
    return points->values[i];
}

static int by_value(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static void bootstrap(const struct points both[2], const double sizes[2], double quantile, double z,
                      uint64_t seed, struct clew__interval *out) {
    double shifts[BOOTSTRAPS], tail = erfc(z / sqrt(2)) / 2;
    for (size_t i = 0; i < BOOTSTRAPS; i++) {
        int64_t before = resampled_quantile(&both[0], sizes[0], quantile, &seed);
        shifts[i] = (double)(resampled_quantile(&both[1], sizes[1], quantile, &seed) - before);
    }
    qsort(shifts, BOOTSTRAPS, sizeof *shifts, by_value);
    size_t outer = (size_t)(tail * (BOOTSTRAPS - 1));
    out->low = fmin(out->estimate, shifts[outer]);
    out->high = fmax(out->estimate, shifts[BOOTSTRAPS - 1 - outer]);
}

int clew__quantile_shift(const clew_sketch *before, const clew_sketch *after, double quantile, double z,
                         uint64_t seed, struct clew__interval *out) {
    struct points both[2];
    uint64_t first, second;
    int result = make_both(before, after, both);
    if (result != CLEW_OK)
        return result;
    const double sizes[2] = {(double)before->observations, (double)after->observations};
    if (clew_sketch_quantile(before, quantile, &first) && clew_sketch_quantile(after, quantile, &second)) {
        out->estimate = (double)(to_signed(second) - to_signed(first));
        bootstrap(both, sizes, quantile, z, seed, out);
    } else {
        result = CLEW_EINVAL;
    }
    free_points(&both[0]);
    free_points(&both[1]);
    return result;
}
