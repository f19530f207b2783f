/* No state. */
#include "sdk/pipeline/fate.h"

#include <string.h>

static enum clew__fate failed_for(const clew_export_report *report) {
    unsigned failure = (unsigned)report->failure;
    return (enum clew__fate)(CLEW__FATE_FAILED + (failure < CLEW_FAILURES ? failure : CLEW_FAILURE_OTHER));
}

void clew__fates_of_report(clew_export_outcome outcome, const clew_export_report *report, uint64_t spans,
                           uint64_t fates[CLEW__FATES]) {
    const struct {
        enum clew__fate fate;
        uint64_t count;
    } counted[] = {
        {CLEW__FATE_REJECTED, report->rejected},
        {failed_for(report), report->failed},
        {CLEW__FATE_UNKNOWN, report->unknown},
        {CLEW__FATE_SPOOLED, report->spooled},
    };
    memset(fates, 0, CLEW__FATES * sizeof *fates);
    if (outcome == CLEW_EXPORT_FAILED) {
        fates[failed_for(report)] = spans;
        return;
    }
    if (outcome != CLEW_EXPORT_DELIVERED) {
        fates[CLEW__FATE_UNKNOWN] = spans;
        return;
    }
    for (size_t i = 0; i < sizeof counted / sizeof counted[0]; i++) {
        uint64_t taken = counted[i].count < spans ? counted[i].count : spans;
        fates[counted[i].fate] += taken;
        spans -= taken;
    }
    fates[CLEW__FATE_EXPORTED] = spans;
}

void clew__fates_to_stats(const uint64_t fates[CLEW__FATES], clew_pipeline_stats *out) {
    out->exported = fates[CLEW__FATE_EXPORTED];
    out->rejected = fates[CLEW__FATE_REJECTED];
    out->unknown = fates[CLEW__FATE_UNKNOWN];
    out->spooled = fates[CLEW__FATE_SPOOLED];
    out->failed = 0;
    for (int i = 0; i < CLEW_FAILURES; i++) {
        out->failed_by[i] = fates[CLEW__FATE_FAILED + i];
        out->failed += out->failed_by[i];
    }
    out->dropped_queue_full += fates[CLEW__FATE_DROPPED_QUEUE_FULL];
    out->dropped_memory += fates[CLEW__FATE_DROPPED_MEMORY];
    out->dropped_shutdown += fates[CLEW__FATE_DROPPED_SHUTDOWN];
}
