/* How long exports took, by how they ended: a small table an exporter. One thread at a time records; any
 * thread reads. */
#ifndef CLEW_PIPELINE_DURATION_H
#define CLEW_PIPELINE_DURATION_H

#include <clew/pipeline.h>

#include <stdatomic.h>

/* Why an export, or some of its spans, did not succeed. */
enum clew__export_error {
    CLEW__EXPORT_NO_ERROR = 0,
    CLEW__EXPORT_REJECTED,
    CLEW__EXPORT_NO_ANSWER,
    CLEW__EXPORT_FAILURES, /* first of CLEW_FAILURES: by clew_export_failure */
    CLEW__EXPORT_ERRORS = CLEW__EXPORT_FAILURES + CLEW_FAILURES,
};

/* As the attribute error.type says it; of no error NULL. */
const char *clew__export_error_text(enum clew__export_error error);

struct clew__duration {
    int32_t status; /* as in clew_export_report */
    enum clew__export_error error;
    _Atomic uint64_t count, sum_nano, min_nano, max_nano;
};

/* So many ways to end are told apart; all others share the last row, with no status and `_OTHER`. */
#define CLEW__DURATIONS_MAX 16u

struct clew__durations {
    atomic_uint used;
    struct clew__duration rows[CLEW__DURATIONS_MAX];
};

void clew__durations_record(struct clew__durations *durations, clew_export_outcome outcome,
                            const clew_export_report *report, uint64_t nano);
/* In the child of a fork. */
void clew__durations_reset(struct clew__durations *durations);

#endif
