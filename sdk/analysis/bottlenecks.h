/* What is behind clew_bottlenecks. */
#ifndef CLEW_ANALYSIS_BOTTLENECKS_MODEL_H
#define CLEW_ANALYSIS_BOTTLENECKS_MODEL_H

#include "sdk/analysis/exemplars.h"
#include "sdk/containers/table.h"
#include "sdk/measure/histogram.h"

#include <clew/analysis/bottlenecks.h>

/* The call of an operation that came first, and the time of its own on the path. */
struct clew__first_call {
    uint64_t start, own;
};

/* What an operation did, wherever it was called from. */
struct clew__operation_sum {
    clew__text service, operation;
    uint32_t kind; /* the key ends here */
    uint32_t padding;
    uint64_t seen, seen_on_path; /* the last trace that was counted */
    uint64_t traces, on_path;
    uint64_t count;
    uint64_t max;                  /* of those on the path, the longest */
    uint64_t longest;              /* time of its own on the path */
    struct clew__first_call first; /* of those on the path */
    bool has_first;
    struct clew__histogram own;       /* time of its own on the path, of those on it */
    struct clew__histogram lead;      /* from its start to its first child's, of those on the path */
    uint64_t lead_duration;           /* of those that have a lead */
    uint64_t off_count, off_duration; /* waited for by those on the path, but never the last */
    struct clew__exemplars exemplars; /* of those on the path, the longest */
};

/* A pattern of one trace, somewhere. */
struct clew__case {
    uint32_t kind;
    clew__text caller_service, caller_operation;
    clew__text service, operation; /* the key ends here */
    uint32_t padding;
    uint64_t seen;
    uint64_t traces;
    uint64_t groups; /* times that it occurred */
    uint64_t calls;  /* in all of them */
    uint64_t time;   /* of those calls on the path */
    uint64_t saving;
    uint64_t against; /* times that it could have occurred, and did not */
    struct clew__exemplars exemplars;
};

struct clew_bottlenecks {
    struct clew__texts *texts;
    uint32_t text_count; /* of ids */
    uint32_t limit;      /* of operations */
    uint32_t min_share_ppm;
    uint64_t min_saving;
    struct clew__table operations, cases;
    uint64_t traces, total, dropped, overflow;
};

/* Rows; CLEW__TABLE_NONE when memory runs out, or, then with `*is_full`, when there is no room. */
uint32_t clew__bottlenecks_operation(clew_bottlenecks *bottlenecks, clew_text service, clew_text operation,
                                     uint32_t kind, bool *is_full);
uint32_t clew__bottlenecks_case(clew_bottlenecks *bottlenecks, clew_bottleneck_kind kind,
                                const clew_text texts[4], bool *is_full);

static inline struct clew__operation_sum *clew__operation_at(const clew_bottlenecks *bottlenecks,
                                                             uint32_t row) {
    return (struct clew__operation_sum *)clew__table_at(&bottlenecks->operations, row);
}

static inline struct clew__case *clew__case_at(const clew_bottlenecks *bottlenecks, uint32_t row) {
    return (struct clew__case *)clew__table_at(&bottlenecks->cases, row);
}

static inline void clew__first_call_take(struct clew__operation_sum *sum,
                                         const struct clew__first_call *call) {
    if (sum->has_first &&
        (call->start > sum->first.start || (call->start == sum->first.start && call->own <= sum->first.own)))
        return;
    sum->first = *call;
    sum->has_first = true;
}

/* The sentence of a finding, its numbers being there. Returns its size. */
#define CLEW__SENTENCE_SIZE 640u
size_t clew__bottleneck_say(const clew_bottleneck *finding, char out[CLEW__SENTENCE_SIZE]);

#endif
