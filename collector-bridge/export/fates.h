/* What becomes of the spans of one batch: each gets one fate, and the report says how many got which. Owns
 * nothing; one thread at a time. */
#ifndef CLEW_EXPORT_FATES_H
#define CLEW_EXPORT_FATES_H

#include <clew/pipeline.h>

#define CLEW__REASON_SIZE sizeof(((clew_export_report *)0)->reason)

struct clew__fates {
    uint64_t left; /* spans without a fate yet */
    uint64_t rejected, unknown;
    uint64_t failed[CLEW_FAILURES];
    bool any_accepted;               /* the receiver took at least one piece */
    int32_t status;                  /* of the last answer; -1: none */
    char verdict[CLEW__REASON_SIZE]; /* why spans failed, or what the receiver said when it took them */
};

void clew__fates_begin(struct clew__fates *fates, uint64_t spans);

/* Each gives a fate to so many spans, as far as there are any left. The last reason is what the report says.
 */
uint64_t clew__fates_accept(struct clew__fates *fates, uint64_t spans); /* returns how many */
void clew__fates_fail(struct clew__fates *fates, uint64_t spans, clew_export_failure failure,
                      const char *reason);
void clew__fates_unknown(struct clew__fates *fates, uint64_t spans, const char *reason);

/* So many of those that were accepted were refused after all. */
void clew__fates_reject(struct clew__fates *fates, uint64_t spans);
void clew__fates_say(struct clew__fates *fates, const char *reason);

/* When none is left. */
clew_export_outcome clew__fates_report(const struct clew__fates *fates, clew_export_report *report);

#endif
