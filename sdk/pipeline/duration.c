/* No state but the tables of others. */
#include "sdk/pipeline/duration.h"

#define NO_STATUS (-1)

const char *clew__export_error_text(enum clew__export_error error) {
    static const char *const texts[CLEW__EXPORT_ERRORS] = {
        [CLEW__EXPORT_REJECTED] = "rejected",
        [CLEW__EXPORT_NO_ANSWER] = "no_answer",
        [CLEW__EXPORT_FAILURES + CLEW_FAILURE_OTHER] = "_OTHER",
        [CLEW__EXPORT_FAILURES + CLEW_FAILURE_REFUSED] = "refused",
        [CLEW__EXPORT_FAILURES + CLEW_FAILURE_UNREACHABLE] = "unreachable",
        [CLEW__EXPORT_FAILURES + CLEW_FAILURE_TOO_LARGE] = "too_large",
        [CLEW__EXPORT_FAILURES + CLEW_FAILURE_MEMORY] = "memory",
        [CLEW__EXPORT_FAILURES + CLEW_FAILURE_CANCELLED] = "cancelled",
    };
    return texts[error];
}

static enum clew__export_error failure_of(const clew_export_report *report) {
    unsigned failure = (unsigned)report->failure;
    return CLEW__EXPORT_FAILURES + (failure < CLEW_FAILURES ? failure : (unsigned)CLEW_FAILURE_OTHER);
}

/* Of a batch that went in parts the gravest. */
static enum clew__export_error error_of(clew_export_outcome outcome, const clew_export_report *report) {
    if (outcome == CLEW_EXPORT_UNKNOWN)
        return CLEW__EXPORT_NO_ANSWER;
    if (outcome != CLEW_EXPORT_DELIVERED || report->failed)
        return failure_of(report);
    if (report->unknown)
        return CLEW__EXPORT_NO_ANSWER;
    return report->rejected ? CLEW__EXPORT_REJECTED : CLEW__EXPORT_NO_ERROR;
}

static struct clew__duration *row_of(struct clew__durations *durations, int32_t status,
                                     enum clew__export_error error) {
    unsigned used = atomic_load_explicit(&durations->used, memory_order_relaxed);
    struct clew__duration *row = durations->rows;
    for (; row < durations->rows + used; row++)
        if (row->status == status && row->error == error)
            return row;
    if (used == CLEW__DURATIONS_MAX)
        return &durations->rows[CLEW__DURATIONS_MAX - 1];
    if (used == CLEW__DURATIONS_MAX - 1) {
        status = NO_STATUS;
        error = CLEW__EXPORT_FAILURES + CLEW_FAILURE_OTHER;
    }
    row->status = status;
    row->error = error;
    atomic_store_explicit(&row->min_nano, UINT64_MAX, memory_order_relaxed);
    atomic_store_explicit(&durations->used, used + 1, memory_order_release);
    return row;
}

static void add(_Atomic uint64_t *sum, uint64_t amount) {
    atomic_store_explicit(sum, atomic_load_explicit(sum, memory_order_relaxed) + amount,
                          memory_order_relaxed);
}

void clew__durations_record(struct clew__durations *durations, clew_export_outcome outcome,
                            const clew_export_report *report, uint64_t nano) {
    struct clew__duration *row = row_of(durations, report->status, error_of(outcome, report));
    add(&row->sum_nano, nano);
    if (nano < atomic_load_explicit(&row->min_nano, memory_order_relaxed))
        atomic_store_explicit(&row->min_nano, nano, memory_order_relaxed);
    if (nano > atomic_load_explicit(&row->max_nano, memory_order_relaxed))
        atomic_store_explicit(&row->max_nano, nano, memory_order_relaxed);
    add(&row->count, 1);
}

void clew__durations_reset(struct clew__durations *durations) {
    for (unsigned i = 0; i < CLEW__DURATIONS_MAX; i++) {
        struct clew__duration *row = &durations->rows[i];
        atomic_store(&row->count, 0);
        atomic_store(&row->sum_nano, 0);
        atomic_store(&row->max_nano, 0);
    }
    atomic_store(&durations->used, 0);
}
