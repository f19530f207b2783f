/* The table of how long exports took. */
#include "sdk/pipeline/duration.h"

#include "test/support.h"

static struct clew__durations durations;

static void record(clew_export_outcome outcome, int32_t status, uint64_t nano) {
    clew_export_report report = {.status = status};
    clew__durations_record(&durations, outcome, &report, nano);
}

Test(duration, one_row_for_each_way_to_end) {
    record(CLEW_EXPORT_DELIVERED, 200, 5);
    record(CLEW_EXPORT_DELIVERED, 200, 3);
    record(CLEW_EXPORT_DELIVERED, 200, 7);
    record(CLEW_EXPORT_FAILED, 503, 1);
    cr_assert_eq(durations.used, 2);
    cr_assert_eq(durations.rows[0].count, 3);
    cr_assert_eq(durations.rows[0].sum_nano, 15);
    cr_assert_eq(durations.rows[0].min_nano, 3);
    cr_assert_eq(durations.rows[0].max_nano, 7);
    cr_assert_eq(durations.rows[1].count, 1);
}

Test(duration, parts_of_a_delivered_batch_that_failed_are_its_error) {
    static const struct {
        clew_export_report report;
        enum clew__export_error error;
    } cases[] = {
        {{.status = 200}, CLEW__EXPORT_NO_ERROR},
        {{.status = 200, .rejected = 1}, CLEW__EXPORT_REJECTED},
        {{.status = 200, .rejected = 1, .unknown = 1}, CLEW__EXPORT_NO_ANSWER},
        {{.status = 200, .rejected = 1, .unknown = 1, .failed = 1, .failure = CLEW_FAILURE_TOO_LARGE},
         CLEW__EXPORT_FAILURES + CLEW_FAILURE_TOO_LARGE},
        {{.status = 200, .failed = 1, .failure = (clew_export_failure)99}, CLEW__EXPORT_FAILURES},
        {{.status = 200, .spooled = 1}, CLEW__EXPORT_NO_ERROR},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        clew__durations_reset(&durations);
        clew__durations_record(&durations, CLEW_EXPORT_DELIVERED, &cases[i].report, 1);
        cr_assert_eq(durations.rows[0].error, cases[i].error, "%zu", i);
    }
}

Test(duration, more_ways_than_there_are_rows_share_the_last) {
    for (int status = 0; status < 100; status++)
        record(CLEW_EXPORT_FAILED, 400 + status, 1);
    cr_assert_eq(durations.used, CLEW__DURATIONS_MAX);
    struct clew__duration *last = &durations.rows[CLEW__DURATIONS_MAX - 1];
    cr_assert_eq(last->count, 100 - (CLEW__DURATIONS_MAX - 1));
    cr_assert_eq(last->status, -1);
    cr_assert_str_eq(clew__export_error_text(last->error), "_OTHER");
    record(CLEW_EXPORT_FAILED, 400, 9);
    cr_assert_eq(durations.rows[0].count, 2);
}

Test(duration, reset_forgets_all) {
    record(CLEW_EXPORT_DELIVERED, 200, 5);
    clew__durations_reset(&durations);
    cr_assert_eq(durations.used, 0);
    record(CLEW_EXPORT_DELIVERED, 201, 2);
    cr_assert_eq(durations.rows[0].count, 1);
    cr_assert_eq(durations.rows[0].sum_nano, 2);
    cr_assert_eq(durations.rows[0].min_nano, 2);
    cr_assert_eq(durations.rows[0].max_nano, 2);
}
