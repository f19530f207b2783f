/* Statistics over sketches, held against pairs counted one by one, samples drawn one by one, and
 * scipy 1.17.1. */
#include "sdk/measure/sketch_index.h"
#include "sdk/measure/statistics.h"

#include "test/support.h"
#include "test/unit/analysis/random.h"
#include "test/unit/analysis/scarce.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CASE_MAX 60
#define SAMPLE_MAX 400

/* Steps on a ladder whose rungs lie in buckets of their own. */
static uint64_t rung(int step) {
    return (uint64_t)(1000 * pow(1.1, step));
}

static bool near(double got, double expected, double relative) {
    return fabs(got - expected) <= relative * fabs(expected) + 1e-12;
}

static uint64_t lognormal(struct random *random, double mean, double deviation) {
    return (uint64_t)exp(mean + deviation * random_normal(random));
}

/* A sketch, and what it can know: of every value its bucket's middle. */
struct sample {
    struct clew__sketch sketch;
    uint64_t values[SAMPLE_MAX];
    size_t count;
};

static void fill(struct sample *sample, size_t count, double mean, double deviation, struct random *random) {
    sample->sketch = (struct clew__sketch){0};
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(clew_sketch_add(&sample->sketch, lognormal(random, mean, deviation), 1), CLEW_OK);
    sample->count = 0;
    for (size_t i = 0; i < sample->sketch.used; i++) {
        struct clew__sketch_cell cell = clew__sketch_cell_at(&sample->sketch, i);
        for (uint64_t k = 0; k < cell.weight / CLEW_SKETCH_WEIGHT_ONE; k++)
            sample->values[sample->count++] = clew__sketch_cell_middle(&sample->sketch, &cell);
    }
    cr_assert_eq(sample->count, count);
}

static int by_value(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/* ---- ranks ---- */

static const struct rank_case {
    int before[CASE_MAX];
    size_t before_count;
    int after[CASE_MAX];
    size_t after_count;
    double z, p, cliff;
} rank_cases[] = {
    {{0, 0, 1, 2, 3, 4, 5, 5, 7, 7, 8, 9},
     12,
     {2, 3, 5, 5, 5, 8, 8, 10, 11},
     9,
     1.43443827637312,
     0.151447231302414,
     0.37037037037037},
    {{0,  0,  1,  4,  8,  8,  8,  10, 10, 10, 10, 11, 11, 12, 12,
      13, 13, 13, 17, 18, 19, 20, 23, 24, 24, 26, 28, 34, 39, 39},
     30,
     {3,  3,  4,  4,  5,  6,  7,  7,  12, 14, 14, 14, 19, 19, 22, 22, 22, 23,
      24, 24, 25, 25, 26, 27, 28, 29, 31, 33, 33, 33, 38, 40, 40, 41, 41},
     35,
     2.11348030707055,
     0.0345596788033659,
     0.305714285714286},
    {{5, 5, 5, 5, 5, 5, 5, 5, 5, 5}, 10, {5, 5, 5, 5, 5, 5, 5, 5, 5, 5}, 10, 0, 1, 0},
    {{4, 4, 5, 7, 8}, 5, {30, 32, 34, 35, 37, 39}, 6, 2.74485820678272, 0.00605370476071837, 1},
};

static void fill_rungs(struct clew__sketch *sketch, const int *steps, size_t count, uint64_t weight) {
    *sketch = (struct clew__sketch){0};
    for (size_t i = 0; i < count; i++)
        clew_sketch_add_weighted(sketch, rung(steps[i]), weight);
}

static void expect_rank_test(const struct rank_case *expected, uint64_t weight) {
    struct clew__sketch before, after;
    struct clew__rank_test got;
    fill_rungs(&before, expected->before, expected->before_count, CLEW_SKETCH_WEIGHT_ONE);
    fill_rungs(&after, expected->after, expected->after_count, weight);
    cr_assert(clew__rank_test(&before, &after, &got));
    cr_assert(near(got.z, expected->z, 1e-12) && near(got.p, expected->p, 1e-12) &&
                  near(got.cliff, expected->cliff, 1e-12),
              "%.15g %.15g %.15g", got.z, got.p, got.cliff);
    cr_assert(clew__rank_test(&after, &before, &got));
    cr_assert(near(got.z, -expected->z, 1e-12) && near(got.cliff, -expected->cliff, 1e-12));
    clew__sketch_fini(&before);
    clew__sketch_fini(&after);
}

Test(statistics, rank_test_is_that_of_the_references) {
    for (size_t i = 0; i < sizeof rank_cases / sizeof *rank_cases; i++)
        expect_rank_test(&rank_cases[i], CLEW_SKETCH_WEIGHT_ONE);
    CLEW_NO_LEAKS();
}

Test(statistics, weights_do_not_make_a_sample_larger) {
    for (size_t i = 0; i < sizeof rank_cases / sizeof *rank_cases; i++)
        expect_rank_test(&rank_cases[i], 7 * CLEW_SKETCH_WEIGHT_ONE + 4321);
    CLEW_NO_LEAKS();
}

Test(statistics, rank_test_counts_every_pair) {
    struct random random = {1};
    struct sample before, after;
    for (int round = 0; round < 100; round++) {
        struct clew__rank_test got;
        double wins = 0, losses = 0;
        fill(&before, 1 + random_below(&random, 200), 14, 0.5, &random);
        fill(&after, 1 + random_below(&random, 200), 14 + random_unit(&random), 0.8, &random);
        for (size_t i = 0; i < before.count; i++)
            for (size_t j = 0; j < after.count; j++) {
                uint16_t first = clew__sketch_index(before.values[i]),
                         second = clew__sketch_index(after.values[j]);
                wins += second > first;
                losses += second < first;
            }
        cr_assert(clew__rank_test(&before.sketch, &after.sketch, &got));
        cr_assert(near(got.cliff, (wins - losses) / (double)(before.count * after.count), 1e-9));
        clew__sketch_fini(&before.sketch);
        clew__sketch_fini(&after.sketch);
    }
    CLEW_NO_LEAKS();
}

/* Were it sensitive to more than chance, or to less, more or fewer of equal pairs would pass. */
Test(statistics, rank_test_keeps_its_level) {
    struct random random = {2};
    struct sample before, after;
    int below = 0;
    for (int round = 0; round < 2000; round++) {
        struct clew__rank_test got;
        fill(&before, 100, 14, 0.5, &random);
        fill(&after, 100, 14, 0.5, &random);
        cr_assert(clew__rank_test(&before.sketch, &after.sketch, &got));
        below += got.p < 0.05;
        clew__sketch_fini(&before.sketch);
        clew__sketch_fini(&after.sketch);
    }
    cr_assert(below > 60 && below < 140, "%d of 2000", below);
    CLEW_NO_LEAKS();
}

Test(statistics, nothing_is_said_about_empty_sketches) {
    struct clew__sketch empty = {0}, some = {0};
    struct clew__rank_test test;
    struct clew__interval shift;
    clew_sketch_add(&some, 5, 1);
    cr_assert_not(clew__rank_test(&empty, &some, &test));
    cr_assert_not(clew__rank_test(&some, NULL, &test));
    cr_assert_eq(clew__shift(&some, &empty, CLEW__Z_95, &shift), CLEW_EINVAL);
    cr_assert_eq(clew__quantile_shift(NULL, &some, 0.5, CLEW__Z_95, 1, &shift), CLEW_EINVAL);
    cr_assert_eq(clew__quantile_shift(&some, &some, (double)NAN, CLEW__Z_95, 1, &shift), CLEW_EINVAL);
    clew__sketch_fini(&some);
    CLEW_NO_LEAKS();
}

Test(statistics, one_value_each_is_enough_to_survive) {
    struct clew__sketch before = {0}, after = {0};
    struct clew__rank_test test;
    struct clew__interval shift;
    clew_sketch_add(&before, 1000, 1);
    clew_sketch_add(&after, UINT64_MAX, 1);
    cr_assert(clew__rank_test(&before, &after, &test) && isfinite(test.z) && test.cliff > 0.99);
    cr_assert_eq(clew__shift(&before, &after, CLEW__Z_95, &shift), CLEW_OK);
    cr_assert(shift.low <= shift.estimate && shift.estimate <= shift.high && shift.estimate > 9e18);
    cr_assert_eq(clew__quantile_shift(&after, &before, 0.99, CLEW__Z_95, 1, &shift), CLEW_OK);
    cr_assert(shift.low <= shift.estimate && shift.estimate <= shift.high && shift.estimate < -9e18);
    clew__sketch_fini(&before);
    clew__sketch_fini(&after);
    CLEW_NO_LEAKS();
}

/* ---- shifts ---- */

Test(statistics, shift_is_the_median_of_all_differences) {
    static double differences[SAMPLE_MAX * SAMPLE_MAX];
    struct random random = {3};
    struct sample before, after;
    for (int round = 0; round < 100; round++) {
        struct clew__interval got;
        size_t pairs = 0;
        fill(&before, 1 + random_below(&random, 150), 14, 0.5, &random);
        fill(&after, 1 + random_below(&random, 150), 13.5 + random_unit(&random), 0.8, &random);
        for (size_t i = 0; i < before.count; i++)
            for (size_t j = 0; j < after.count; j++)
                differences[pairs++] = (double)after.values[j] - (double)before.values[i];
        qsort(differences, pairs, sizeof *differences, by_value);
        double m = (double)before.count, n = (double)after.count;
        double outer = floor(m * n / 2 - CLEW__Z_95 * sqrt(m * n * (m + n + 1) / 12));
        size_t low = outer < 1 ? 0 : (size_t)outer - 1;
        cr_assert_eq(clew__shift(&before.sketch, &after.sketch, CLEW__Z_95, &got), CLEW_OK);
        cr_assert(near(got.estimate, (differences[(pairs - 1) / 2] + differences[pairs / 2]) / 2, 1e-15));
        cr_assert(near(got.low, differences[low], 1e-15));
        cr_assert(near(got.high, differences[pairs - 1 - low], 1e-15));
        clew__sketch_fini(&before.sketch);
        clew__sketch_fini(&after.sketch);
    }
    CLEW_NO_LEAKS();
}

Test(statistics, shift_interval_covers_the_truth_as_often_as_it_says) {
    struct random random = {4};
    struct sample before, after;
    int covered = 0;
    for (int round = 0; round < 1000; round++) {
        struct clew__interval got;
        before.sketch = after.sketch = (struct clew__sketch){0};
        for (int i = 0; i < 60; i++) {
            clew_sketch_add(&before.sketch, (uint64_t)(5e6 + 1e6 * random_normal(&random)), 1);
            clew_sketch_add(&after.sketch, (uint64_t)(5.4e6 + 1e6 * random_normal(&random)), 1);
        }
        cr_assert_eq(clew__shift(&before.sketch, &after.sketch, CLEW__Z_95, &got), CLEW_OK);
        covered += got.low <= 4e5 && got.high >= 4e5;
        clew__sketch_fini(&before.sketch);
        clew__sketch_fini(&after.sketch);
    }
    cr_assert(covered > 925 && covered < 975, "%d of 1000", covered);
    CLEW_NO_LEAKS();
}

/* ---- quantiles ---- */

/* Samples of the values themselves, drawn one by one. */
static double resampled(const struct sample *sample, double quantile, struct random *random) {
    double drawn[SAMPLE_MAX];
    for (size_t i = 0; i < sample->count; i++)
        drawn[i] = (double)sample->values[random_below(random, sample->count)];
    qsort(drawn, sample->count, sizeof *drawn, by_value);
    return drawn[(size_t)ceil(quantile * (double)sample->count) - 1];
}

static void expect_bootstrap(const struct sample *before, const struct sample *after, double quantile,
                             struct random *random) {
    enum { REPEATS = 4000 };
    static double shifts[REPEATS];
    struct clew__interval got;
    for (int i = 0; i < REPEATS; i++) {
        double first = resampled(before, quantile, random);
        shifts[i] = resampled(after, quantile, random) - first;
    }
    qsort(shifts, REPEATS, sizeof *shifts, by_value);
    cr_assert_eq(clew__quantile_shift(&before->sketch, &after->sketch, quantile, CLEW__Z_95, 42, &got),
                 CLEW_OK);
    /* Both are random: the ends lie where the other's would within a tail of 1.3 to 4.5 %. */
    cr_assert(got.low >= shifts[REPEATS * 13 / 1000] && got.low <= shifts[REPEATS * 45 / 1000], "%f: %f",
              quantile, got.low);
    cr_assert(got.high <= shifts[REPEATS - 1 - REPEATS * 13 / 1000] &&
                  got.high >= shifts[REPEATS - 1 - REPEATS * 45 / 1000],
              "%f: %f", quantile, got.high);
    cr_assert(got.low <= got.estimate && got.estimate <= got.high);
}

Test(statistics, quantile_interval_is_that_of_samples_drawn_one_by_one) {
    struct random random = {5};
    struct sample before, after;
    fill(&before, 200, 14, 0.6, &random);
    fill(&after, 300, 14.2, 0.8, &random);
    expect_bootstrap(&before, &after, 0.5, &random);
    expect_bootstrap(&before, &after, 0.9, &random);
    expect_bootstrap(&before, &after, 0.1, &random);
    expect_bootstrap(&before, &after, 0.99, &random);
    clew__sketch_fini(&before.sketch);
    clew__sketch_fini(&after.sketch);
    CLEW_NO_LEAKS();
}

Test(statistics, a_seed_decides_the_quantile_interval) {
    struct random random = {6};
    struct sample before, after;
    struct clew__interval first, again, other;
    fill(&before, 300, 14, 0.6, &random);
    fill(&after, 300, 14.2, 0.8, &random);
    clew__quantile_shift(&before.sketch, &after.sketch, 0.95, CLEW__Z_95, 1, &first);
    clew__quantile_shift(&before.sketch, &after.sketch, 0.95, CLEW__Z_95, 1, &again);
    clew__quantile_shift(&before.sketch, &after.sketch, 0.95, CLEW__Z_95, 2, &other);
    cr_assert_eq(memcmp(&first, &again, sizeof first), 0);
    cr_assert_neq(memcmp(&first, &other, sizeof first), 0);
    clew__sketch_fini(&before.sketch);
    clew__sketch_fini(&after.sketch);
    CLEW_NO_LEAKS();
}

/* ---- no memory ---- */

Test(statistics, failed_allocations_are_survived, .init = make_memory_scarce) {
    struct clew__sketch before = {0}, after = {0};
    struct clew__interval shift;
    double p = 0.5, q;
    allocations_left = 10;
    clew_sketch_add(&before, 5, 1);
    clew_sketch_add(&after, 6, 1);
    for (int permitted = 0; permitted < 2; permitted++) {
        allocations_left = permitted;
        cr_assert_eq(clew__shift(&before, &after, CLEW__Z_95, &shift), CLEW_ENOMEM);
        allocations_left = permitted;
        cr_assert_eq(clew__quantile_shift(&before, &after, 0.5, CLEW__Z_95, 1, &shift), CLEW_ENOMEM);
    }
    allocations_left = 0;
    cr_assert_not(clew__false_discovery(&p, &q, 1));
    clew__sketch_fini(&before);
    clew__sketch_fini(&after);
    CLEW_NO_LEAKS();
}
