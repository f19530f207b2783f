/* The books of one batch. Pure but for its argument; one thread at a time. */
#include "collector-bridge/export/fates.h"

#include <stdio.h>
#include <string.h>

void clew__fates_begin(struct clew__fates *fates, uint64_t spans) {
    *fates = (struct clew__fates){.left = spans, .status = -1};
}

static uint64_t take(struct clew__fates *fates, uint64_t spans) {
    uint64_t taken = spans < fates->left ? spans : fates->left;
    fates->left -= taken;
    return taken;
}

uint64_t clew__fates_accept(struct clew__fates *fates, uint64_t spans) {
    fates->any_accepted = true;
    return take(fates, spans);
}

void clew__fates_fail(struct clew__fates *fates, uint64_t spans, clew_export_failure failure,
                      const char *reason) {
    fates->failed[failure] += take(fates, spans);
    clew__fates_say(fates, reason);
}

void clew__fates_unknown(struct clew__fates *fates, uint64_t spans, const char *reason) {
    fates->unknown += take(fates, spans);
    clew__fates_say(fates, reason);
}

void clew__fates_reject(struct clew__fates *fates, uint64_t spans) {
    fates->rejected += spans;
}

void clew__fates_say(struct clew__fates *fates, const char *reason) {
    snprintf(fates->verdict, sizeof fates->verdict, "%s", reason);
}

clew_export_outcome clew__fates_report(const struct clew__fates *fates, clew_export_report *report) {
    uint64_t failed = 0;
    for (int i = 0; i < CLEW_FAILURES; i++) {
        failed += fates->failed[i];
        if (fates->failed[i] > fates->failed[report->failure])
            report->failure = (clew_export_failure)i;
    }
    report->rejected = fates->rejected;
    report->failed = failed;
    report->unknown = fates->unknown;
    report->status = fates->status;
    memcpy(report->reason, fates->verdict, sizeof report->reason);
    if (fates->any_accepted || (failed && fates->unknown))
        return CLEW_EXPORT_DELIVERED;
    return fates->unknown ? CLEW_EXPORT_UNKNOWN : CLEW_EXPORT_FAILED;
}
