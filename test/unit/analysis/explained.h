/* What holds of every explanation, for the tests of comparisons. */
#ifndef CLEW_TEST_ANALYSIS_EXPLAINED_H
#define CLEW_TEST_ANALYSIS_EXPLAINED_H

#include <clew/analysis/baseline.h>
#include <criterion/criterion.h>
#include <stdlib.h>

__extension__ typedef __int128 wide;
__extension__ typedef unsigned __int128 unsigned_wide;

static inline wide exact_of(clew_exact_nano exact) {
    return (wide)((unsigned_wide)(uint64_t)exact.high << 64 | exact.low);
}

/* In any unit the parts sum to the whole, none is a unit off, and the whole is not half a unit off. */
static inline void check_rounding(const clew_explanation *explanation, uint64_t unit) {
    int64_t total, sum = 0;
    int64_t *parts = (int64_t *)calloc(explanation->contribution_count + 1, sizeof *parts);
    wide size = (wide)explanation->denominator * unit;
    cr_assert_eq(clew_explanation_round(explanation, unit, &total, parts), CLEW_OK);
    for (uint32_t i = 0; i < explanation->contribution_count; i++) {
        wide off = exact_of(explanation->contributions[i].exact) - (wide)parts[i] * size;
        cr_assert(off > -size && off < size);
        sum += parts[i];
    }
    cr_assert_eq(sum, total);
    wide off = exact_of(explanation->exact) - (wide)total * size;
    cr_assert(2 * off >= -size && 2 * off <= size);
    free(parts);
}

static inline void check_explanation(const clew_comparison *comparison, const clew_explanation *explanation) {
    wide exact = 0, before = 0;
    int64_t nano = 0;
    const clew_comparison_row *root = &comparison->rows[explanation->root];
    cr_assert_eq(root->kind, CLEW_COMPARISON_ROOT);
    cr_assert_eq(explanation->requests_before, root->before.requests);
    cr_assert_eq(explanation->denominator, explanation->requests_before * explanation->requests_after);
    cr_assert(exact_of(explanation->exact) ==
              (wide)explanation->sum_after * explanation->requests_before -
                  (wide)explanation->sum_before * explanation->requests_after);
    for (uint32_t i = 0; i < explanation->contribution_count; i++) {
        wide part = exact_of(explanation->contributions[i].exact);
        wide size = part < 0 ? -part : part;
        cr_assert(size > 0 && (i == 0 || size <= before));
        before = size;
        exact += part;
        nano += explanation->contributions[i].nano;
    }
    cr_assert(exact == exact_of(explanation->exact));
    cr_assert_eq(nano, explanation->nano);
    check_rounding(explanation, 1);
    check_rounding(explanation, 1000);
    check_rounding(explanation, 100000);
}

static inline void check_explanations(const clew_comparison *comparison) {
    for (uint32_t i = 0; i < comparison->explanation_count; i++)
        check_explanation(comparison, &comparison->explanations[i]);
}

#endif
