/* What becomes of spans once they are in a pipeline. Pure. */
#ifndef CLEW_PIPELINE_FATE_H
#define CLEW_PIPELINE_FATE_H

#include <clew/pipeline.h>

/* The failures follow one another by clew_export_failure. */
enum clew__fate {
    CLEW__FATE_EXPORTED = 0,
    CLEW__FATE_REJECTED,
    CLEW__FATE_UNKNOWN,
    CLEW__FATE_SPOOLED,
    CLEW__FATE_DROPPED_QUEUE_FULL,
    CLEW__FATE_DROPPED_MEMORY,
    CLEW__FATE_DROPPED_SHUTDOWN,
    CLEW__FATE_FAILED,
    CLEW__FATES = CLEW__FATE_FAILED + CLEW_FAILURES,
};

/* What an exporter says of a batch as fates of its spans, whose sum is `spans` whatever it says: counts that
 * are too large are cut. */
void clew__fates_of_report(clew_export_outcome outcome, const clew_export_report *report, uint64_t spans,
                           uint64_t fates[CLEW__FATES]);

/* Into the books: exported, rejected, unknown, spooled, failed and why; the drops are added. */
void clew__fates_to_stats(const uint64_t fates[CLEW__FATES], clew_pipeline_stats *out);

#endif
