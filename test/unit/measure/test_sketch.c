/* Sketches: exact counts and sums, quantiles within their bound, merging that is exact. */
#include "sdk/measure/sketch.h"
#include "sdk/measure/sketch_index.h"

#include "test/support.h"
#include "test/unit/analysis/random.h"
#include "test/unit/analysis/scarce.h"

#include <clew/extend.h>

#include <stdlib.h>
#include <string.h>

#define QUANTILE_ERROR 0.011

static int compare(const void *a, const void *b) {
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static clew_sketch *sketch_of(const uint64_t *values, size_t count) {
    clew_sketch *sketch = clew_sketch_new();
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(clew_sketch_add(sketch, values[i], 1), CLEW_OK);
    return sketch;
}

static bool same(const clew_sketch *a, const clew_sketch *b) {
    size_t a_size, b_size;
    uint8_t *a_bytes = clew_sketch_encode(a, &a_size), *b_bytes = clew_sketch_encode(b, &b_size);
    bool result = a_size == b_size && memcmp(a_bytes, b_bytes, a_size) == 0;
    clew_memory_release(a_bytes);
    clew_memory_release(b_bytes);
    return result;
}

static uint64_t quantile(const clew_sketch *sketch, double share) {
    uint64_t value = 0;
    cr_assert(clew_sketch_quantile(sketch, share, &value));
    return value;
}

/* ---- indices ---- */

Test(sketch_index, bounds_are_those_of_the_exponential_histogram) {
    for (int index = 1; index <= CLEW__SKETCH_INDEX_LAST; index++) {
        int bucket = index - CLEW__SKETCH_INDEX_BIAS;
        uint64_t high = clew__sketch_index_high((uint16_t)index);
        long double upper = exp2l((long double)(bucket + 1) / 32);
        /* The largest whole number that is not above the upper bound; where a long double has no digits to
         * spare, about. */
        long double difference = floorl(upper) - (long double)high;
        cr_assert(fabsl(difference) <= (index < 40 * 32 ? 0 : 1 + upper * 1e-18L), "index %d", index);
    }
}

Test(sketch_index, every_value_lies_within_its_bucket) {
    struct random random = {1};
    for (int i = 0; i < 1000000; i++) {
        uint64_t value = random_next(&random) >> random_below(&random, 64);
        uint16_t index = clew__sketch_index(value);
        cr_assert(value >= clew__sketch_index_low(index) && value <= clew__sketch_index_high(index),
                  "%llu in %u", (unsigned long long)value, index);
    }
}

Test(sketch_index, neighbours_of_each_bound_part) {
    for (uint16_t index = 1; index < CLEW__SKETCH_INDEX_LAST; index++) {
        uint64_t high = clew__sketch_index_high(index);
        if (clew__sketch_index_low(index) > high)
            continue;
        cr_assert_eq(clew__sketch_index(high), index);
        cr_assert_gt(clew__sketch_index(high + 1), index);
    }
    cr_assert_eq(clew__sketch_index(0), 0);
    cr_assert_eq(clew__sketch_index(1), 1);
    cr_assert_eq(clew__sketch_index(UINT64_MAX), CLEW__SKETCH_INDEX_LAST);
}

/* ---- what was not measured ---- */

static void expect_no_answers(const clew_sketch *sketch) {
    uint64_t number = 77;
    double real = 77;
    cr_assert_not(clew_sketch_min(sketch, &number));
    cr_assert_not(clew_sketch_max(sketch, &number));
    cr_assert_not(clew_sketch_quantile(sketch, 0.5, &number));
    cr_assert_not(clew_sketch_mean(sketch, &real));
    cr_assert_not(clew_sketch_share(sketch, 5, &real));
    cr_assert(number == 77 && real > 76.5 && real < 77.5);
    cr_assert_eq(clew_sketch_observations(sketch), 0);
    cr_assert_eq(clew_sketch_count(sketch), 0);
    cr_assert_eq(clew_sketch_sum(sketch), 0);
}

Test(sketch, empty_one_answers_nothing_but_counts) {
    struct clew__sketch zeroed;
    memset(&zeroed, 0, sizeof zeroed);
    expect_no_answers(&zeroed);
    expect_no_answers(NULL);
    cr_assert_eq(clew_sketch_add(&zeroed, 5, 0), CLEW_OK);
    cr_assert_eq(clew_sketch_add_weighted(&zeroed, 5, 0), CLEW_OK);
    cr_assert_eq(clew_sketch_merge(&zeroed, NULL), CLEW_OK);
    expect_no_answers(&zeroed);
    cr_assert_eq(clew__sketch_memory(&zeroed), 0);
}

Test(sketch, invalid_arguments_are_refused) {
    clew_sketch *sketch = sketch_of((uint64_t[]){3}, 1);
    uint64_t number = 77;
    cr_assert_eq(clew_sketch_add(NULL, 1, 1), CLEW_EINVAL);
    cr_assert_eq(clew_sketch_merge(NULL, sketch), CLEW_EINVAL);
    cr_assert_not(clew_sketch_quantile(sketch, (double)NAN, &number));
    cr_assert_eq(number, 77);
    cr_assert_eq(clew_sketch_decode(NULL, 3, &sketch), CLEW_EINVAL);
    clew_sketch_free(sketch);
    clew_sketch_free(NULL);
    CLEW_NO_LEAKS();
}

/* ---- counts, sums, bounds ---- */

Test(sketch, zeros_are_counted_apart) {
    clew_sketch *sketch = sketch_of((uint64_t[]){0, 0, 0, 1000}, 4);
    cr_assert_eq(quantile(sketch, 0.75), 0);
    cr_assert_eq(quantile(sketch, 0.76), 991); /* the middle of the bucket from 981 to 1001 */
    clew_sketch_free(sketch);
    CLEW_NO_LEAKS();
}

Test(sketch, count_sum_and_bounds_are_exact) {
    struct random random = {2};
    struct clew__sketch sketch = {0};
    uint64_t count = 0, sum = 0, min = UINT64_MAX, max = 0, number;
    double mean;
    for (int i = 0; i < 10000; i++) {
        uint64_t value = random_next(&random) >> (20 + random_below(&random, 44)),
                 times = random_below(&random, 5);
        clew_sketch_add(&sketch, value, times);
        if (times == 0)
            continue;
        count += times;
        sum += times * value;
        min = value < min ? value : min;
        max = value > max ? value : max;
    }
    cr_assert_eq(clew_sketch_count(&sketch), count);
    cr_assert_eq(clew_sketch_observations(&sketch), count);
    cr_assert_eq(clew_sketch_weight(&sketch), count * CLEW_SKETCH_WEIGHT_ONE);
    cr_assert_eq(clew_sketch_sum(&sketch), sum);
    cr_assert(clew_sketch_min(&sketch, &number) && number == min);
    cr_assert(clew_sketch_max(&sketch, &number) && number == max);
    cr_assert(clew_sketch_mean(&sketch, &mean));
    cr_assert_float_eq(mean, (double)sum / (double)count, mean * 1e-12);
    clew__sketch_fini(&sketch);
    CLEW_NO_LEAKS();
}

Test(sketch, fractional_weights_are_exact) {
    struct clew__sketch sketch = {0};
    uint64_t third = 10 * CLEW_SKETCH_WEIGHT_ONE / 3; /* a ratio of 0.3 */
    for (int i = 0; i < 3000; i++)
        cr_assert_eq(clew_sketch_add_weighted(&sketch, 1000, third), CLEW_OK);
    cr_assert_eq(clew_sketch_observations(&sketch), 3000);
    cr_assert_eq(clew_sketch_weight(&sketch), 3000 * third);
    cr_assert_eq(clew_sketch_count(&sketch), 10000);
    cr_assert_eq(clew_sketch_sum(&sketch), (3000 * third * 1000 + 32768) / 65536);
    clew__sketch_fini(&sketch);
    CLEW_NO_LEAKS();
}

Test(sketch, weight_moves_quantiles) {
    struct clew__sketch sketch = {0};
    clew_sketch_add(&sketch, 1000, 10);
    clew_sketch_add_weighted(&sketch, 50000, 20 * CLEW_SKETCH_WEIGHT_ONE + 1);
    cr_assert_eq(quantile(&sketch, 0.3), 1000);
    cr_assert_gt(quantile(&sketch, 0.4), 49000);
    clew__sketch_fini(&sketch);
    CLEW_NO_LEAKS();
}

Test(sketch, counts_beyond_four_bytes_are_kept) {
    struct clew__sketch sketch = {0};
    for (int i = 0; i < 4; i++)
        clew_sketch_add(&sketch, 100, UINT32_MAX);
    clew_sketch_add(&sketch, 7, UINT64_C(1) << 40);
    cr_assert_eq(clew_sketch_count(&sketch), 4 * (uint64_t)UINT32_MAX + (UINT64_C(1) << 40));
    cr_assert_eq(quantile(&sketch, 0.9), 7);
    clew__sketch_fini(&sketch);
    CLEW_NO_LEAKS();
}

Test(sketch, nothing_wraps_around) {
    struct clew__sketch sketch = {0}, other = {0};
    uint64_t number;
    for (int i = 0; i < 3; i++)
        clew_sketch_add(&sketch, UINT64_MAX, UINT64_MAX / 2);
    cr_assert_eq(clew_sketch_observations(&sketch), UINT64_MAX);
    cr_assert_eq(clew_sketch_weight(&sketch), UINT64_MAX);
    cr_assert_eq(clew_sketch_sum(&sketch), UINT64_MAX);
    clew_sketch_add(&other, 1, 1);
    clew_sketch_merge(&sketch, &other);
    clew_sketch_merge(&sketch, &sketch);
    cr_assert_eq(clew_sketch_weight(&sketch), UINT64_MAX);
    cr_assert(clew_sketch_quantile(&sketch, 0.5, &number) && number >= UINT64_MAX / 100 * 98);
    clew__sketch_fini(&sketch);
    clew__sketch_fini(&other);
    CLEW_NO_LEAKS();
}

Test(sketch, few_buckets_take_little_memory) {
    struct clew__sketch sketch = {0};
    for (uint64_t i = 0; i < 100; i++)
        clew_sketch_add(&sketch, 1000000, 1);
    cr_assert_leq(clew__sketch_memory(&sketch), 24);
    clew__sketch_fini(&sketch);
    CLEW_NO_LEAKS();
}

/* ---- quantiles ---- */

enum distribution { UNIFORM, LOGNORMAL, EXPONENTIAL, PARETO, BIMODAL, SMALL, CONSTANT, DISTRIBUTIONS };

static uint64_t draw(enum distribution distribution, struct random *random) {
    switch (distribution) {
    case UNIFORM:
        return 1000 + random_below(random, 1000000);
    case LOGNORMAL:
        return (uint64_t)exp(14 + 1.5 * random_normal(random));
    case EXPONENTIAL:
        return (uint64_t)(-log(random_unit(random)) * 5e6);
    case PARETO:
        return (uint64_t)(1e5 * pow(random_unit(random), -1 / 1.1));
    case BIMODAL:
        return random_below(random, 10) ? 2000000 + random_below(random, 1000)
                                        : 900000000 + random_below(random, 99999);
    case SMALL:
        return random_below(random, 60);
    default:
        return 123456789;
    }
}

static uint64_t *draw_many(enum distribution distribution, size_t count, struct random *random) {
    uint64_t *values = malloc(count * sizeof *values);
    for (size_t i = 0; i < count; i++)
        values[i] = draw(distribution, random);
    return values;
}

/* The least value that the share does not exceed. */
static uint64_t exact_quantile(const uint64_t *sorted, size_t count, double share) {
    double rank = ceil(share * (double)count);
    return sorted[rank < 1 ? 0 : (size_t)rank - 1];
}

static const double shares[] = {0, 0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1};

Test(sketch, quantiles_keep_their_bound_on_every_distribution) {
    struct random random = {3};
    for (int distribution = 0; distribution < DISTRIBUTIONS; distribution++) {
        for (size_t count = 1; count <= 30000; count = count * 3 + 1) {
            uint64_t *values = draw_many((enum distribution)distribution, count, &random);
            clew_sketch *sketch = sketch_of(values, count);
            qsort(values, count, sizeof *values, compare);
            for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
                double exact = (double)exact_quantile(values, count, shares[i]);
                uint64_t found = quantile(sketch, shares[i]);
                cr_assert_leq(fabs((double)found - exact), exact * QUANTILE_ERROR + 0.5, "%d %zu %f: %f",
                              distribution, count, shares[i], exact);
                cr_assert(found >= values[0] && found <= values[count - 1]);
            }
            cr_assert_eq(quantile(sketch, 0), values[0]);
            cr_assert_eq(quantile(sketch, 1), values[count - 1]);
            clew_sketch_free(sketch);
            free(values);
        }
    }
    CLEW_NO_LEAKS();
}

/* 0.07 times 100 is more than 7 in floating point, 0.29 times 100 less than 29. */
Test(sketch, quantiles_of_whole_ranks_are_those_ranks) {
    struct clew__sketch sketch = {0};
    for (uint64_t i = 1; i <= 100; i++)
        clew_sketch_add(&sketch, clew__sketch_index_high((uint16_t)(i + 500)), 1);
    for (int i = 2; i < 100; i++)
        cr_assert_eq(clew__sketch_index(quantile(&sketch, i / 100.0)), i + 500, "%d", i);
    clew__sketch_fini(&sketch);
    CLEW_NO_LEAKS();
}

Test(sketch, quantiles_never_fall) {
    struct random random = {4};
    uint64_t *values = draw_many(PARETO, 5000, &random), before = 0;
    clew_sketch *sketch = sketch_of(values, 5000);
    for (int i = -10; i <= 1010; i++) {
        uint64_t found = quantile(sketch, i / 1000.0);
        cr_assert_geq(found, before);
        before = found;
    }
    clew_sketch_free(sketch);
    free(values);
    CLEW_NO_LEAKS();
}

Test(sketch, share_is_that_of_the_values_within_a_bucket) {
    struct random random = {5};
    for (int distribution = 0; distribution < DISTRIBUTIONS; distribution++) {
        uint64_t *values = draw_many((enum distribution)distribution, 2000, &random);
        clew_sketch *sketch = sketch_of(values, 2000);
        qsort(values, 2000, sizeof *values, compare);
        for (size_t i = 0; i < 2000; i += 37) {
            uint16_t index = clew__sketch_index(values[i]);
            size_t below = 0, up_to = 0;
            double share = -1;
            for (size_t j = 0; j < 2000; j++) {
                below += values[j] < clew__sketch_index_low(index);
                up_to += values[j] <= clew__sketch_index_high(index);
            }
            cr_assert(clew_sketch_share(sketch, values[i], &share));
            cr_assert(share >= (double)below / 2000 - 1e-12 && share <= (double)up_to / 2000 + 1e-12);
        }
        double at_end = -1, before = -1;
        cr_assert(clew_sketch_share(sketch, values[1999], &at_end) && at_end >= 1);
        if (values[0] > 0)
            cr_assert(clew_sketch_share(sketch, values[0] - 1, &before) && before <= 0 && before >= 0);
        clew_sketch_free(sketch);
        free(values);
    }
    CLEW_NO_LEAKS();
}

/* ---- merging ---- */

static void fill(struct clew__sketch *sketch, struct random *random) {
    uint64_t values = random_below(random, 60);
    bool fractional = random_below(random, 4) == 0;
    for (uint64_t i = 0; i < values; i++) {
        uint64_t value = random_next(random) >> random_below(random, 65 - 1);
        if (fractional)
            clew_sketch_add_weighted(sketch, value, 1 + random_below(random, 1000000));
        else
            clew_sketch_add(sketch, value, random_below(random, 8) ? 1 : UINT32_MAX / 3 * 2);
    }
}

Test(sketch, merging_is_associative_and_commutative) {
    struct random random = {6};
    for (int round = 0; round < 2000; round++) {
        struct clew__sketch a = {0}, b = {0}, c = {0}, left = {0}, right = {0}, b_and_c = {0};
        fill(&a, &random);
        fill(&b, &random);
        fill(&c, &random);
        clew_sketch_merge(&left, &a);
        clew_sketch_merge(&left, &b);
        clew_sketch_merge(&left, &c);
        clew_sketch_merge(&b_and_c, &c);
        clew_sketch_merge(&b_and_c, &b);
        clew_sketch_merge(&right, &b_and_c);
        clew_sketch_merge(&right, &a);
        cr_assert(same(&left, &right), "round %d", round);
        clew__sketch_fini(&a);
        clew__sketch_fini(&b);
        clew__sketch_fini(&c);
        clew__sketch_fini(&left);
        clew__sketch_fini(&right);
        clew__sketch_fini(&b_and_c);
    }
    CLEW_NO_LEAKS();
}

Test(sketch, merged_parts_are_the_whole) {
    struct random random = {7};
    for (int round = 0; round < 200; round++) {
        struct clew__sketch parts[4] = {{0}}, whole = {0}, merged = {0};
        for (int i = 0; i < 500; i++) {
            uint64_t value = draw((enum distribution)random_below(&random, DISTRIBUTIONS), &random);
            clew_sketch_add(&whole, value, 1);
            clew_sketch_add(&parts[random_below(&random, 4)], value, 1);
        }
        for (int i = 3; i >= 0; i--)
            clew_sketch_merge(&merged, &parts[i]);
        cr_assert(same(&whole, &merged));
        for (int i = 0; i < 4; i++)
            clew__sketch_fini(&parts[i]);
        clew__sketch_fini(&whole);
        clew__sketch_fini(&merged);
    }
    CLEW_NO_LEAKS();
}

Test(sketch, merging_with_itself_doubles) {
    struct clew__sketch sketch = {0}, twice = {0};
    for (uint64_t i = 1; i < 100; i++) {
        clew_sketch_add(&sketch, i * i * i, (uint64_t)UINT32_MAX / 50 * i);
        clew_sketch_add(&twice, i * i * i, (uint64_t)UINT32_MAX / 50 * i * 2);
    }
    clew_sketch_merge(&sketch, &sketch);
    cr_assert(same(&sketch, &twice));
    clew__sketch_fini(&sketch);
    clew__sketch_fini(&twice);
    CLEW_NO_LEAKS();
}

/* ---- export ---- */

/* By the definition of OpenTelemetry's histogram alone: the middle of the bucket that holds the rank. */
static double exported_quantile(const clew_sketch_histogram *histogram, double share) {
    double rank = fmax(1, ceil(share * (double)histogram->count)), seen = (double)histogram->zero_count;
    double base = exp2(exp2(-histogram->scale));
    if (seen >= rank)
        return 0;
    for (uint32_t i = 0; i < histogram->bucket_count; i++) {
        seen += (double)histogram->bucket_counts[i];
        if (seen >= rank)
            return pow(base, histogram->offset + (int)i) * 2 * base / (base + 1);
    }
    cr_assert_fail("the counts are fewer than the count");
    return NAN;
}

Test(sketch, exported_histogram_keeps_the_bound_of_its_scale) {
    struct random random = {8};
    const uint32_t limits[] = {2, 3, 10, 40, 160};
    for (int distribution = 0; distribution < DISTRIBUTIONS; distribution++) {
        uint64_t *values = draw_many((enum distribution)distribution, 3000, &random);
        clew_sketch *sketch = sketch_of(values, 3000);
        qsort(values, 3000, sizeof *values, compare);
        for (size_t limit = 0; limit < sizeof limits / sizeof *limits; limit++) {
            clew_sketch_histogram histogram;
            clew_sketch_export(sketch, limits[limit], &histogram);
            double base = exp2(exp2(-histogram.scale)), bound = (base - 1) / (base + 1) + 1e-9;
            cr_assert(histogram.bucket_count <= limits[limit] && histogram.scale <= CLEW__SKETCH_SCALE);
            for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
                double exact = (double)exact_quantile(values, 3000, shares[i]);
                cr_assert_leq(fabs(exported_quantile(&histogram, shares[i]) - exact), exact * bound);
            }
        }
        clew_sketch_free(sketch);
        free(values);
    }
    CLEW_NO_LEAKS();
}

/* The durations of a trace's spans, most often few: everything that holds of a sketch. */
static void expect_all(const uint64_t *values, size_t count, size_t split) {
    clew_sketch *whole = sketch_of(values, count), *one = sketch_of(values, split);
    clew_sketch *two = sketch_of(values + split, count - split), *swapped = clew_sketch_new();
    uint64_t *sorted = malloc(count * sizeof *sorted), sum = 0, min = 0, max = 0;
    clew_sketch_histogram histogram;
    memcpy(sorted, values, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, compare);
    for (size_t i = 0; i < count; i++)
        sum += values[i];
    cr_assert_eq(clew_sketch_count(whole), count);
    cr_assert_eq(clew_sketch_sum(whole), sum);
    cr_assert(clew_sketch_min(whole, &min) && min == sorted[0]);
    cr_assert(clew_sketch_max(whole, &max) && max == sorted[count - 1]);
    cr_assert_eq(clew_sketch_merge(swapped, two), CLEW_OK);
    cr_assert_eq(clew_sketch_merge(swapped, one), CLEW_OK);
    cr_assert_eq(clew_sketch_merge(one, two), CLEW_OK);
    cr_assert(same(one, whole) && same(swapped, whole));
    clew_sketch_export(whole, 4 + (uint32_t)split % 157, &histogram);
    double base = exp2(exp2(-histogram.scale)), bound = (base - 1) / (base + 1) + 1e-9;
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        double exact = (double)exact_quantile(sorted, count, shares[i]);
        cr_assert_leq(fabs((double)quantile(whole, shares[i]) - exact), exact * QUANTILE_ERROR + 0.5);
        cr_assert_leq(fabs(exported_quantile(&histogram, shares[i]) - exact), exact * bound);
    }
    free(sorted);
    clew_sketch_free(whole);
    clew_sketch_free(one);
    clew_sketch_free(two);
    clew_sketch_free(swapped);
}

Test(sketch, everything_holds_of_ten_thousand_random_ones, .timeout = 600) {
    struct random random = {26};
    for (int round = 0; round < 10000; round++) {
        uint64_t values[60];
        size_t count = 1 + (size_t)random_below(&random, sizeof values / sizeof *values);
        enum distribution distribution = (enum distribution)random_below(&random, DISTRIBUTIONS);
        bool is_mixed = random_below(&random, 3) == 0;
        for (size_t i = 0; i < count; i++)
            values[i] = draw(
                is_mixed ? (enum distribution)random_below(&random, DISTRIBUTIONS) : distribution, &random);
        expect_all(values, count, (size_t)random_below(&random, count + 1));
    }
    CLEW_NO_LEAKS();
}

Test(sketch, export_halves_no_more_than_it_must) {
    struct clew__sketch sketch = {0};
    clew_sketch_histogram histogram;
    clew_sketch_add(&sketch, 1 << 10, 1);
    clew_sketch_add(&sketch, (1 << 15) + 1, 2); /* five doublings and one bucket on: 161 at scale 5 */
    clew_sketch_export(&sketch, 161, &histogram);
    cr_assert_eq(histogram.scale, 4);
    cr_assert_eq(histogram.offset, 10 * 16 - 1);
    cr_assert_eq(histogram.bucket_counts[0], 1);
    cr_assert_eq(histogram.bucket_counts[histogram.bucket_count - 1], 2);
    clew__sketch_fini(&sketch);

    clew_sketch_add(&sketch, 1 << 10, 1);
    clew_sketch_add(&sketch, 1 << 15, 1);
    clew_sketch_export(&sketch, 160, &histogram);
    cr_assert_eq(histogram.scale, 4, "161 buckets, both ends counted");
    clew__sketch_fini(&sketch);

    clew_sketch_add(&sketch, (1 << 10) + 1, 1);
    clew_sketch_add(&sketch, 1 << 15, 1);
    clew_sketch_export(&sketch, 0, &histogram);
    cr_assert_leq(histogram.bucket_count, 2);
    clew_sketch_export(&sketch, 160, &histogram);
    cr_assert(histogram.scale == 5 && histogram.bucket_count == 160 && histogram.offset == 320);
    clew__sketch_fini(&sketch);
    CLEW_NO_LEAKS();
}

Test(sketch, export_reaches_from_one_nanosecond_to_the_last) {
    struct clew__sketch sketch = {0};
    clew_sketch_histogram histogram;
    const uint64_t values[] = {0, 1, 2, 5, 1000, UINT64_MAX};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        clew_sketch_add(&sketch, values[i], 1);
    for (uint32_t limit = 2; limit <= 160; limit++) {
        uint64_t sum = 0;
        clew_sketch_export(&sketch, limit, &histogram);
        for (uint32_t i = 0; i < histogram.bucket_count; i++)
            sum += histogram.bucket_counts[i];
        cr_assert(histogram.bucket_count <= limit && sum == 5 && histogram.zero_count == 1 &&
                  histogram.count == 6);
        cr_assert_eq(histogram.offset, -1);
    }
    clew__sketch_fini(&sketch);
    CLEW_NO_LEAKS();
}

Test(sketch, exported_counts_of_fractional_weights_make_the_count) {
    struct random random = {9};
    for (int round = 0; round < 300; round++) {
        struct clew__sketch sketch = {0};
        clew_sketch_histogram histogram;
        for (int i = 0; i < 100; i++)
            clew_sketch_add_weighted(&sketch, random_next(&random) >> random_below(&random, 64),
                                     random_below(&random, 200000));
        clew_sketch_export(&sketch, 160, &histogram);
        uint64_t sum = histogram.zero_count;
        for (uint32_t i = 0; i < histogram.bucket_count; i++)
            sum += histogram.bucket_counts[i];
        cr_assert(sum == histogram.count && sum == clew_sketch_count(&sketch));
        clew__sketch_fini(&sketch);
    }
    CLEW_NO_LEAKS();
}

Test(sketch, empty_one_exports_an_empty_histogram) {
    clew_sketch_histogram histogram;
    memset(&histogram, 0xa5, sizeof histogram);
    clew_sketch_export(NULL, 160, &histogram);
    cr_assert(histogram.count == 0 && histogram.zero_count == 0 && histogram.bucket_count == 0);
}

/* ---- bytes ---- */

Test(sketch, bytes_give_the_same_sketch) {
    struct random random = {10};
    for (int round = 0; round < 2000; round++) {
        struct clew__sketch sketch = {0};
        clew_sketch *decoded = NULL;
        size_t size;
        fill(&sketch, &random);
        uint8_t *bytes = clew_sketch_encode(&sketch, &size);
        cr_assert_eq(clew_sketch_decode(bytes, size, &decoded), CLEW_OK, "round %d", round);
        cr_assert(same(&sketch, decoded));
        cr_assert_eq(clew_sketch_observations(decoded), clew_sketch_observations(&sketch));
        cr_assert_eq(clew_sketch_weight(decoded), clew_sketch_weight(&sketch));
        cr_assert_eq(clew_sketch_sum(decoded), clew_sketch_sum(&sketch));
        clew_sketch_free(decoded);
        clew_memory_release(bytes);
        clew__sketch_fini(&sketch);
    }
    CLEW_NO_LEAKS();
}

Test(sketch, bytes_are_few) {
    struct random random = {11};
    uint64_t *values = draw_many(LOGNORMAL, 1000, &random);
    clew_sketch *sketch = sketch_of(values, 1000);
    size_t size;
    clew_memory_release(clew_sketch_encode(sketch, &size));
    cr_assert_leq(size, 2u * sketch->used + 40);
    clew_sketch_free(sketch);
    free(values);
    CLEW_NO_LEAKS();
}

Test(sketch, truncated_bytes_are_refused_or_a_sketch_without_the_rest) {
    clew_sketch *sketch = sketch_of((uint64_t[]){1, 20, 300, 4000, 50000, 600000}, 6), *decoded;
    size_t size;
    uint8_t *bytes = clew_sketch_encode(sketch, &size);
    for (size_t cut = 0; cut < size; cut++) {
        uint8_t *copy = malloc(cut + 1);
        memcpy(copy, bytes, cut);
        decoded = NULL;
        cr_assert_eq(clew_sketch_decode(copy, cut, &decoded), cut == 2 ? CLEW_OK : CLEW_EFORMAT, "cut at %zu",
                     cut);
        clew_sketch_free(decoded);
        free(copy);
    }
    clew_sketch_free(sketch);
    clew_memory_release(bytes);
    CLEW_NO_LEAKS();
}

/* One sketch of the values 1000 and 2000, and what a liar makes of it. */
struct claim {
    uint64_t scale, fractional, observations, sum, min, max, cell_count;
    uint32_t gap;
};

static int decode_claim(struct claim claim) {
    uint8_t room[256];
    struct clew__writer writer = {.data = room, .capacity = sizeof room};
    clew_sketch *decoded = NULL;
    clew__write_varint(&writer, 1, claim.scale);
    clew__write_varint(&writer, 2, claim.fractional);
    clew__write_varint(&writer, 3, claim.observations);
    clew__write_varint(&writer, 4, claim.sum);
    clew__write_varint(&writer, 6, claim.min);
    clew__write_varint(&writer, 7, claim.max);
    size_t begun = clew__write_begin(&writer, 8);
    clew__write_varint(&writer, clew__sketch_index(1000) + 1u, claim.cell_count);
    clew__write_varint(&writer, claim.gap, 1);
    clew__write_end(&writer, begun);
    int result = clew_sketch_decode(room, writer.size, &decoded);
    clew_sketch_free(decoded);
    return result;
}

Test(sketch, bytes_that_contradict_themselves_are_refused) {
    const struct claim truth = {.scale = 5,
                                .observations = 2,
                                .sum = 3000 * CLEW_SKETCH_WEIGHT_ONE,
                                .min = 1000,
                                .max = 2000,
                                .cell_count = 1,
                                .gap = 32};
    struct claim lie = truth;
    cr_assert_eq(decode_claim(truth), CLEW_OK);
    lie = truth, lie.scale = 4;
    cr_assert_eq(decode_claim(lie), CLEW_EFORMAT, "another scale");
    lie = truth, lie.fractional = 2;
    cr_assert_eq(decode_claim(lie), CLEW_EFORMAT, "an unknown kind of count");
    lie = truth, lie.observations = 1;
    cr_assert_eq(decode_claim(lie), CLEW_EFORMAT, "fewer values than cells");
    lie = truth, lie.observations = UINT64_MAX;
    cr_assert_eq(decode_claim(lie), CLEW_EFORMAT, "more values than weight");
    lie = truth, lie.sum = 2900 * CLEW_SKETCH_WEIGHT_ONE;
    cr_assert_eq(decode_claim(lie), CLEW_EFORMAT, "a sum below the cells");
    lie = truth, lie.sum = 3100 * CLEW_SKETCH_WEIGHT_ONE;
    cr_assert_eq(decode_claim(lie), CLEW_EFORMAT, "a sum above the cells");
    lie = truth, lie.min = 900;
    cr_assert_eq(decode_claim(lie), CLEW_EFORMAT, "a least value outside of the first cell");
    lie = truth, lie.max = 2100;
    cr_assert_eq(decode_claim(lie), CLEW_EFORMAT, "a largest value outside of the last cell");
    lie = truth, lie.cell_count = 0;
    cr_assert_eq(decode_claim(lie), CLEW_EFORMAT, "an empty cell");
    lie = truth, lie.gap = 3000;
    cr_assert_eq(decode_claim(lie), CLEW_EFORMAT, "a cell beyond the last");
    CLEW_NO_LEAKS();
}

/* ---- no memory ---- */

Test(sketch, without_memory_nothing_changes, .init = make_memory_scarce) {
    struct clew__sketch sketch = {0}, other = {0}, before;
    allocations_left = 1000;
    for (uint64_t i = 1; sketch.used < sketch.capacity || i < 3; i++)
        clew_sketch_add(&sketch, i * 1000, 1);
    for (uint64_t i = 1; i < 30; i++)
        clew_sketch_add(&other, i * 1000000, 1);
    before = sketch;
    allocations_left = 0;
    cr_assert_eq(clew_sketch_add(&sketch, UINT64_C(1) << 50, 1), CLEW_ENOMEM);
    cr_assert_eq(clew_sketch_add_weighted(&sketch, 1000, 3), CLEW_ENOMEM);
    cr_assert_eq(clew_sketch_merge(&sketch, &other), CLEW_ENOMEM);
    cr_assert_eq(memcmp(&sketch, &before, sizeof sketch), 0);
    cr_assert_eq(clew_sketch_add(&sketch, 1000, 1), CLEW_OK, "a bucket that is there needs no memory");
    cr_assert_null(clew_sketch_new());
    size_t size = 1;
    cr_assert_null(clew_sketch_encode(&other, &size));
    cr_assert_eq(size, 0);
    clew__sketch_fini(&sketch);
    clew__sketch_fini(&other);
    CLEW_NO_LEAKS();
}

Test(sketch, decoding_survives_every_failed_allocation, .init = make_memory_scarce) {
    allocations_left = 100;
    clew_sketch *sketch = sketch_of((uint64_t[]){1, 20, 300}, 3), *decoded = NULL;
    size_t size;
    uint8_t *bytes = clew_sketch_encode(sketch, &size);
    for (int permitted = 0; permitted < 2; permitted++) {
        allocations_left = permitted;
        cr_assert_eq(clew_sketch_decode(bytes, size, &decoded), CLEW_ENOMEM);
        cr_assert_null(decoded);
    }
    clew_sketch_free(sketch);
    clew_memory_release(bytes);
    CLEW_NO_LEAKS();
}
