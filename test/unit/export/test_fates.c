/* The books of one batch. */
#include "collector-bridge/export/fates.h"
#include "test/support.h"

static struct clew__fates fates;
static clew_export_report report;

static clew_export_outcome outcome(void) {
    report = (clew_export_report){.status = -1};
    return clew__fates_report(&fates, &report);
}

Test(fates, no_span_gets_two) {
    clew__fates_begin(&fates, 5);
    cr_assert_eq(clew__fates_accept(&fates, 3), 3);
    clew__fates_fail(&fates, 9, CLEW_FAILURE_REFUSED, "no");
    clew__fates_unknown(&fates, 9, "gone");
    cr_assert_eq(outcome(), CLEW_EXPORT_DELIVERED);
    cr_assert_eq(report.failed, 2);
    cr_assert_eq(report.unknown, 0);
    cr_assert_str_eq(report.reason, "gone");
}

Test(fates, the_failure_of_most_spans_is_reported) {
    clew__fates_begin(&fates, 6);
    clew__fates_fail(&fates, 1, CLEW_FAILURE_REFUSED, "no");
    clew__fates_fail(&fates, 5, CLEW_FAILURE_UNREACHABLE, "away");
    cr_assert_eq(outcome(), CLEW_EXPORT_FAILED);
    cr_assert_eq(report.failure, CLEW_FAILURE_UNREACHABLE);
    cr_assert_eq(report.failed, 6);
}

Test(fates, all_unknown_is_unknown_and_together_with_failed_ones_counted) {
    clew__fates_begin(&fates, 6);
    clew__fates_unknown(&fates, 6, "lost");
    cr_assert_eq(outcome(), CLEW_EXPORT_UNKNOWN);
    clew__fates_begin(&fates, 6);
    clew__fates_unknown(&fates, 4, "lost");
    clew__fates_fail(&fates, 2, CLEW_FAILURE_CANCELLED, "late");
    cr_assert_eq(outcome(), CLEW_EXPORT_DELIVERED);
    cr_assert_eq(report.unknown, 4);
    cr_assert_eq(report.failed, 2);
}

Test(fates, what_was_rejected_was_accepted_before) {
    clew__fates_begin(&fates, 6);
    clew__fates_accept(&fates, 6);
    clew__fates_reject(&fates, 2);
    cr_assert_eq(outcome(), CLEW_EXPORT_DELIVERED);
    cr_assert_eq(report.rejected, 2);
    cr_assert_eq(report.status, -1);
}
