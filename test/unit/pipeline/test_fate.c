/* What exporters say, as fates. */
#include "sdk/pipeline/fate.h"

#include "test/support.h"

#include <string.h>

static uint64_t fates[CLEW__FATES];

static uint64_t sum(void) {
    uint64_t all = 0;
    for (int i = 0; i < CLEW__FATES; i++)
        all += fates[i];
    return all;
}

Test(fate, delivered_spans_are_exported) {
    clew_export_report report = {.status = 200};
    clew__fates_of_report(CLEW_EXPORT_DELIVERED, &report, 7, fates);
    cr_assert_eq(fates[CLEW__FATE_EXPORTED], 7);
    cr_assert_eq(sum(), 7);
}

Test(fate, counts_of_a_partial_success_are_taken_out) {
    clew_export_report report = {
        .rejected = 1, .failed = 2, .unknown = 3, .spooled = 4, .failure = CLEW_FAILURE_TOO_LARGE};
    clew__fates_of_report(CLEW_EXPORT_DELIVERED, &report, 20, fates);
    cr_assert_eq(fates[CLEW__FATE_REJECTED], 1);
    cr_assert_eq(fates[CLEW__FATE_FAILED + CLEW_FAILURE_TOO_LARGE], 2);
    cr_assert_eq(fates[CLEW__FATE_UNKNOWN], 3);
    cr_assert_eq(fates[CLEW__FATE_SPOOLED], 4);
    cr_assert_eq(fates[CLEW__FATE_EXPORTED], 10);
    cr_assert_eq(sum(), 20);
}

Test(fate, counts_beyond_the_batch_are_cut) {
    clew_export_report report = {.rejected = 4, .failed = UINT64_MAX, .unknown = UINT64_MAX, .spooled = 1};
    clew__fates_of_report(CLEW_EXPORT_DELIVERED, &report, 5, fates);
    cr_assert_eq(fates[CLEW__FATE_REJECTED], 4);
    cr_assert_eq(fates[CLEW__FATE_FAILED + CLEW_FAILURE_OTHER], 1);
    cr_assert_eq(sum(), 5);
}

Test(fate, of_a_failed_batch_is_its_reason_whatever_is_counted) {
    clew_export_report report = {.rejected = 4, .spooled = 3, .failure = CLEW_FAILURE_REFUSED};
    clew__fates_of_report(CLEW_EXPORT_FAILED, &report, 5, fates);
    cr_assert_eq(fates[CLEW__FATE_FAILED + CLEW_FAILURE_REFUSED], 5);
    cr_assert_eq(sum(), 5);
}

Test(fate, of_an_unknown_reason_is_other) {
    clew_export_report report = {.failure = (clew_export_failure)99};
    clew__fates_of_report(CLEW_EXPORT_FAILED, &report, 5, fates);
    cr_assert_eq(fates[CLEW__FATE_FAILED + CLEW_FAILURE_OTHER], 5);
}

Test(fate, of_an_unknown_outcome_is_unknown) {
    clew_export_report report = {.failure = CLEW_FAILURE_OTHER};
    clew__fates_of_report(CLEW_EXPORT_PENDING, &report, 5, fates);
    cr_assert_eq(fates[CLEW__FATE_UNKNOWN], 5);
    clew__fates_of_report(CLEW_EXPORT_UNKNOWN, &report, 6, fates);
    cr_assert_eq(fates[CLEW__FATE_UNKNOWN], 6);
    cr_assert_eq(sum(), 6);
}

Test(fate, failures_are_summed_in_the_books) {
    clew_pipeline_stats stats = {.dropped_memory = 1};
    memset(fates, 0, sizeof fates);
    fates[CLEW__FATE_FAILED + CLEW_FAILURE_MEMORY] = 2;
    fates[CLEW__FATE_FAILED + CLEW_FAILURE_CANCELLED] = 3;
    fates[CLEW__FATE_DROPPED_MEMORY] = 4;
    clew__fates_to_stats(fates, &stats);
    cr_assert_eq(stats.failed, 5);
    cr_assert_eq(stats.failed_by[CLEW_FAILURE_CANCELLED], 3);
    cr_assert_eq(stats.dropped_memory, 5);
}
