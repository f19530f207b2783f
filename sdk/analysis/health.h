/* What health is judged by. */
#ifndef CLEW_ANALYSIS_HEALTH_INTERNAL_H
#define CLEW_ANALYSIS_HEALTH_INTERNAL_H

#include <clew/analysis/health.h>

/* What is known of an item in an interval; of the report's texts and sketches. */
struct clew__health_evidence {
    uint64_t seen_calls; /* not weighted */
    uint64_t calls, errors;
    uint64_t longer_seen, longer_calls, longer_errors; /* of the longer window; 0: there is none */
    const clew_sketch *latency;                        /* NULL: none */
    uint64_t objective_nano;                           /* 0: none */
    clew_health_state verdict;                         /* UNKNOWN: none */
    double poor_share; /* of the data: missing, unpaired, skewed; the worst of them */
    bool has_stopped;  /* there were calls before, and there are none now */
};

/* Fills rates, findings and `observed` of an item. Pure. In health_judge.c. */
void clew__health_judge_item(clew_health_item *item, const struct clew__health_evidence *evidence,
                             const clew_health_options *options);

#endif
