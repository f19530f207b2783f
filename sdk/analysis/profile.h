/* What is behind clew_profile and its views. */
#ifndef CLEW_ANALYSIS_PROFILE_MODEL_H
#define CLEW_ANALYSIS_PROFILE_MODEL_H

#include "sdk/analysis/exemplars.h"
#include "sdk/containers/saturate.h"
#include "sdk/containers/table.h"

#include <clew/analysis/profile.h>

/* Who spends time. The key of a table: no padding. */
struct clew__frame {
    clew__text service, operation, caller;
    uint16_t kind, span_kind;
};

/* A frame where it was called from. */
struct clew__context {
    uint32_t parent; /* CLEW__TABLE_NONE for a root */
    uint32_t frame;
    uint32_t root; /* not of the key */
};

/* What a context did in requests of one bucket of latency. */
struct clew__sum {
    uint32_t context, bucket;
    uint64_t seen, seen_on_path; /* the last request that was counted below */
    uint64_t count, errors, roots, on_path;
    uint64_t duration, self, critical_self, max, offset;
    struct clew__exemplars exemplars;
};

/* In how many requests of one root and bucket a frame is, wherever it was called from. */
struct clew__frame_sum {
    uint32_t frame, root, bucket;
    uint32_t padding; /* not of the key */
    uint64_t seen, seen_on_path;
    uint64_t roots, on_path;
};

struct clew_profile {
    struct clew__texts *texts;
    uint32_t text_count; /* of ids */
    uint32_t node_limit, sum_limit;
    struct clew__table frames, contexts, sums, frame_sums;
    uint64_t traces, roots, dropped, overflow;
};

/* Where something is counted. */
struct clew__spot {
    uint32_t context, sum, frame_sum;
};

/* Two buckets to a doubling (scale 1 of OpenTelemetry's exponential histogram); 0 is for no duration. */
uint32_t clew__latency_bucket(uint64_t duration);
#define CLEW__LATENCY_BUCKETS 130u

/* What to count under `parent` (a context, or CLEW__TABLE_NONE), in a bucket: the frame of these texts, which
 * are added; or `(other)` where there is no room. False when memory runs out. */
struct clew__frame_texts {
    clew_text service, operation, caller;
    clew_frame_kind kind;
    clew_span_kind span_kind;
};
bool clew__profile_place(clew_profile *profile, uint32_t parent, const struct clew__frame_texts *texts,
                         uint32_t bucket, struct clew__spot *out);

static inline struct clew__frame *clew__frame_at(const clew_profile *profile, uint32_t index) {
    return (struct clew__frame *)clew__table_at(&profile->frames, index);
}

static inline struct clew__context *clew__context_at(const clew_profile *profile, uint32_t index) {
    return (struct clew__context *)clew__table_at(&profile->contexts, index);
}

static inline struct clew__sum *clew__sum_at(const clew_profile *profile, uint32_t index) {
    return (struct clew__sum *)clew__table_at(&profile->sums, index);
}

static inline struct clew__frame_sum *clew__frame_sum_at(const clew_profile *profile, uint32_t index) {
    return (struct clew__frame_sum *)clew__table_at(&profile->frame_sums, index);
}

/* Whether it is `(other)`; that of no context is not. */
static inline bool clew__is_other(const clew_profile *profile, uint32_t context) {
    return context != CLEW__TABLE_NONE &&
           clew__frame_at(profile, clew__context_at(profile, context)->frame)->kind == CLEW_FRAME_OTHER;
}

/* Requests are counted in parts, since a window may cut a bucket. */
#define CLEW__REQUEST 100000u

/* What one request has of a sum; rounded down. */
static inline uint64_t clew__each(uint64_t sum, uint64_t weight) {
    clew__wide_number parts = (clew__wide_number)sum * CLEW__REQUEST;
    if (weight == 0)
        return 0;
    parts /= weight;
    return parts > UINT64_MAX ? UINT64_MAX : (uint64_t)parts;
}

/* A view with what is not shown. */
struct clew__view {
    clew_profile_view shown; /* first */
    struct clew__arena arena;
    uint64_t weight;        /* requests in the window, in parts */
    uint64_t *root_weights; /* of each node: of a root the requests that it stands for, in parts */
};

#endif
