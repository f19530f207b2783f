/* Proportions, rates and many tests at once, held against scipy 1.17.1, published examples, and sums over
 * everything that could have happened. */
#include "sdk/measure/statistics.h"

#include "test/support.h"
#include "test/unit/analysis/random.h"

#include <math.h>

static bool near(double got, double expected, double relative) {
    return fabs(got - expected) <= relative * fabs(expected) + 1e-15;
}

/* ---- intervals ---- */

Test(proportions, interval_is_that_of_the_references) {
    static const struct {
        uint64_t hits, count;
        double low, high;
    } cases[] = {{0, 10, 0, 0.277532799863},
                 {1, 10, 0.0178762130951, 0.404150026795},
                 {5, 10, 0.236593090513, 0.763406909487},
                 {10, 10, 0.722467200137, 1},
                 {15, 148, 0.0623863995307, 0.160487241723},
                 {3, 100000, 1.02027585445e-05, 8.82080492518e-05},
                 {1, 1, 0.206549314377, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct clew__interval got = clew__proportion(cases[i].hits, cases[i].count, CLEW__Z_95);
        cr_assert(near(got.low, cases[i].low, 1e-10) && near(got.high, cases[i].high, 1e-10), "%.12g %.12g",
                  got.low, got.high);
        cr_assert(near(got.estimate, (double)cases[i].hits / (double)cases[i].count, 1e-15));
    }
}

Test(proportions, of_nothing_nothing_is_known) {
    struct clew__interval got = clew__proportion(0, 0, CLEW__Z_95);
    cr_assert(isnan(got.estimate) && got.low <= 0 && got.high >= 1);
    got = clew__proportion_difference(0, 0, 3, 4, CLEW__Z_95);
    cr_assert(isnan(got.estimate) && got.low <= -1 && got.high >= 1);
    cr_assert(near(clew__proportion_test(0, 0, 3, 4), 1, 0));
}

/* Newcombe, Interval estimation for the difference between independent proportions (1998), table II,
 * method 10. */
Test(proportions, difference_is_that_of_the_published_examples) {
    static const struct {
        uint64_t hits_before, before, hits_after, after;
        double low, high;
    } cases[] = {{48, 80, 56, 70, 0.0524, 0.3339}, {3, 10, 9, 10, 0.1705, 0.8090},
                 {2, 7, 6, 7, 0.0582, 0.8062},     {0, 29, 5, 56, -0.0381, 0.1926},
                 {0, 20, 0, 10, -0.1611, 0.2775},  {0, 10, 10, 10, 0.6075, 1.0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct clew__interval got = clew__proportion_difference(
            cases[i].hits_before, cases[i].before, cases[i].hits_after, cases[i].after, CLEW__Z_95);
        cr_assert(fabs(got.low - cases[i].low) < 6e-5 && fabs(got.high - cases[i].high) < 6e-5, "%zu: %f %f",
                  i, got.low, got.high);
    }
}

/* ---- tests of counts ---- */

Test(proportions, test_is_that_of_the_references) {
    static const struct {
        uint64_t hits_before, before, hits_after, after;
        double p;
    } cases[] = {{1, 10, 8, 12, 0.0114993365767},
                 {0, 5, 5, 5, 0.00793650793651},
                 {3, 100, 9, 110, 0.139927442974},
                 {10, 1000, 10, 1000, 1},
                 {0, 300, 6, 280, 0.0123091492761},
                 {50, 60, 12, 70, 1.35618404919e-14},
                 {2, 50000, 17, 60000, 0.0019556977847},
                 {0, 10, 0, 10, 1},
                 {7, 7, 7, 7, 1},
                 {1000, 300000, 1200, 310000, 0.000495119558156}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double got =
            clew__proportion_test(cases[i].hits_before, cases[i].before, cases[i].hits_after, cases[i].after);
        cr_assert(near(got, cases[i].p, 1e-9), "%zu: %.12g", i, got);
        got =
            clew__proportion_test(cases[i].hits_after, cases[i].after, cases[i].hits_before, cases[i].before);
        cr_assert(near(got, cases[i].p, 1e-9), "%zu, the other way round: %.12g", i, got);
    }
}

static double choose(double n, double k) {
    return exp(lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1));
}

Test(proportions, test_sums_all_tables_that_are_no_likelier) {
    struct random random = {1};
    for (int round = 0; round < 3000; round++) {
        uint64_t before = 1 + random_below(&random, 40), after = 1 + random_below(&random, 40);
        uint64_t hits_before = random_below(&random, before + 1),
                 hits_after = random_below(&random, after + 1);
        double hits = (double)(hits_before + hits_after), p = 0;
        double seen = choose((double)before, (double)hits_before) * choose((double)after, (double)hits_after);
        for (uint64_t k = 0; k <= after && (double)k <= hits; k++)
            if (hits - (double)k <= (double)before) {
                double table = choose((double)before, hits - (double)k) * choose((double)after, (double)k);
                p += table <= seen * (1 + 1e-7) ? table : 0;
            }
        p /= choose((double)(before + after), hits);
        cr_assert(near(clew__proportion_test(hits_before, before, hits_after, after), p, 1e-9));
    }
}

Test(proportions, exact_and_approximate_test_agree_where_they_meet) {
    double exact = clew__proportion_test(20000, 500000, 20600, 500000);
    double approximate = clew__proportion_test(20000, 500000, 20600, 500001);
    cr_assert(near(approximate, exact, 0.03), "%g %g", exact, approximate);
}

Test(proportions, far_tails_end) {
    double p = clew__proportion_test(0, 400000, 500000, 500000);
    cr_assert(p >= 0 && p < 1e-300);
    p = clew__proportion_test(0, UINT64_MAX / 2, UINT64_MAX / 2, UINT64_MAX / 2);
    cr_assert(p >= 0 && p < 1e-300);
}

/* ---- rates ---- */

Test(rates, test_is_that_of_the_references) {
    static const struct {
        uint64_t before;
        double time_before;
        uint64_t after;
        double time_after, p;
    } cases[] = {{10, 1, 20, 1, 0.0987371467054},
                 {100, 60, 130, 60, 0.0556135777814},
                 {3, 10, 0, 5, 0.555555555556},
                 {0, 10, 4, 10, 0.125},
                 {1000, 3600, 1100, 3500, 0.00486360186904},
                 {50, 1, 50, 1, 1},
                 {5, 2, 5, 1, 0.317177259564}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct clew__rate_test got = clew__rate_test(cases[i].before, cases[i].time_before, cases[i].after,
                                                     cases[i].time_after, CLEW__Z_95);
        cr_assert(near(got.p, cases[i].p, 1e-9), "%zu: %.12g", i, got.p);
        cr_assert(got.ratio.low <= got.ratio.estimate && got.ratio.estimate <= got.ratio.high, "%zu", i);
    }
}

Test(rates, of_counts_at_the_end_of_their_range_are_alike) {
    struct clew__rate_test test = clew__rate_test(UINT64_MAX, 1, UINT64_MAX, 1, CLEW__Z_99);
    cr_expect_gt(test.p, 0.99);
    cr_expect(near(test.ratio.estimate, 1, 1e-9));
    cr_expect(test.ratio.low <= 1 && test.ratio.high >= 1);
}

Test(rates, ratio_is_that_of_the_rates) {
    struct clew__rate_test got = clew__rate_test(300, 30, 100, 20, CLEW__Z_95);
    cr_assert(near(got.ratio.estimate, 0.5, 1e-12));
    cr_assert(got.ratio.low > 0.39 && got.ratio.low < 0.41 && got.ratio.high > 0.62 && got.ratio.high < 0.64,
              "%f %f", got.ratio.low, got.ratio.high);
    got = clew__rate_test(0, 1, 5, 1, CLEW__Z_95);
    cr_assert(isinf(got.ratio.estimate) && isinf(got.ratio.high) && got.ratio.low > 1);
    got = clew__rate_test(0, 1, 0, 1, CLEW__Z_95);
    cr_assert(isnan(got.ratio.estimate) && got.ratio.low <= 0 && isinf(got.ratio.high) && got.p >= 1);
}

/* ---- many tests ---- */

Test(false_discovery, rates_are_those_of_the_references) {
    const double p[] = {0.01, 0.04, 0.03, 0.005, 0.5, 0.02, 0.9, 0.04, 0.0001};
    const double expected[] = {
        0.03, 0.0514285714285714, 0.0514285714285714, 0.0225, 0.5625, 0.045, 0.9, 0.0514285714285714, 0.0009};
    double q[9];
    cr_assert(clew__false_discovery(p, q, 9));
    for (int i = 0; i < 9; i++)
        cr_assert(near(q[i], expected[i], 1e-12), "%d: %.15g", i, q[i]);
    cr_assert(clew__false_discovery(NULL, NULL, 0));
    CLEW_NO_LEAKS();
}
