/* Bringing profiles together. One thread at a time. */
#include "sdk/analysis/profile.h"

#include "sdk/containers/saturate.h"

#include <clew/extend.h>

/* Where what is in the one goes in the other. */
struct merging {
    clew_profile *into;
    const clew_profile *from;
    uint32_t *contexts;       /* of a context in `from`, for the bucket at hand */
    uint32_t *sums;           /* of a context in `from`: its sum in the bucket at hand, or CLEW__TABLE_NONE */
    struct clew__spot *spots; /* of a sum in `from` */
};

static struct clew__frame_texts texts_of(const clew_profile *profile, uint32_t frame_index) {
    const struct clew__frame *frame = clew__frame_at(profile, frame_index);
    return (struct clew__frame_texts){.service = clew__texts_get(profile->texts, frame->service),
                                      .operation = clew__texts_get(profile->texts, frame->operation),
                                      .caller = clew__texts_get(profile->texts, frame->caller),
                                      .kind = (clew_frame_kind)frame->kind,
                                      .span_kind = (clew_span_kind)frame->span_kind};
}

/* Contexts come after their parents, so that going through them in order finds the parent's place known. */
static bool place_bucket(struct merging *merging, uint32_t bucket) {
    const clew_profile *from = merging->from;
    for (uint32_t i = 0; i < from->contexts.count; i++) {
        const struct clew__context *context = clew__context_at(from, i);
        const struct clew__sum key = {.context = i, .bucket = bucket};
        uint32_t sum = clew__table_find(&from->sums, &key);
        struct clew__frame_texts texts = texts_of(from, context->frame);
        uint32_t parent =
            context->parent == CLEW__TABLE_NONE ? CLEW__TABLE_NONE : merging->contexts[context->parent];
        if (sum == CLEW__TABLE_NONE)
            continue;
        if (!clew__profile_place(merging->into, parent, &texts, bucket, &merging->spots[sum]))
            return false;
        merging->contexts[i] = merging->spots[sum].context;
    }
    return true;
}

static bool place_all(struct merging *merging) {
    bool has[CLEW__LATENCY_BUCKETS] = {false};
    for (uint32_t i = 0; i < merging->from->sums.count; i++)
        has[clew__sum_at(merging->from, i)->bucket] = true;
    for (uint32_t bucket = 0; bucket < CLEW__LATENCY_BUCKETS; bucket++) {
        if (has[bucket] && !place_bucket(merging, bucket))
            return false;
    }
    return true;
}

/* What has come together with its parent in `(other)` is in the same requests. */
static bool is_of_parent(const struct merging *merging, uint32_t sum_index) {
    const struct clew__sum *sum = clew__sum_at(merging->from, sum_index);
    const struct clew__context *context = clew__context_at(merging->from, sum->context);
    const struct clew__sum key = {.context = context->parent, .bucket = sum->bucket};
    uint32_t parent =
        context->parent == CLEW__TABLE_NONE ? CLEW__TABLE_NONE : clew__table_find(&merging->from->sums, &key);
    return parent != CLEW__TABLE_NONE && merging->spots[parent].sum == merging->spots[sum_index].sum;
}

/* Spans that had a context of their own, and have none any more. */
static bool is_overflow(const struct merging *merging, uint32_t sum_index) {
    uint32_t context = clew__sum_at(merging->from, sum_index)->context;
    uint16_t kind = clew__frame_at(merging->from, clew__context_at(merging->from, context)->frame)->kind;
    return (kind == CLEW_FRAME_SPAN || kind == CLEW_FRAME_MISSING) &&
           clew__is_other(merging->into, merging->spots[sum_index].context);
}

static void add_sum(struct merging *merging, uint32_t index) {
    const struct clew__sum *from = clew__sum_at(merging->from, index);
    struct clew__sum *into = clew__sum_at(merging->into, merging->spots[index].sum);
    clew__saturated_add(&into->count, from->count);
    clew__saturated_add(&into->errors, from->errors);
    clew__saturated_add(&into->duration, from->duration);
    clew__saturated_add(&into->self, from->self);
    clew__saturated_add(&into->critical_self, from->critical_self);
    clew__saturated_add(&into->offset, from->offset);
    if (from->max > into->max)
        into->max = from->max;
    if (!is_of_parent(merging, index)) {
        clew__saturated_add(&into->roots, from->roots);
        clew__saturated_add(&into->on_path, from->on_path);
    }
    if (is_overflow(merging, index)) {
        clew__saturated_add(&merging->into->overflow, from->count);
        return; /* examples of anything are none */
    }
    clew__exemplar_merge(&into->exemplars, merging->into->texts, &merging->into->text_count, &from->exemplars,
                         merging->from->texts);
}

/* Those of frames go where one of their contexts went. */
static void add_frame_sums(struct merging *merging) {
    for (uint32_t i = 0; i < merging->from->sums.count; i++) {
        const struct clew__sum *sum = clew__sum_at(merging->from, i);
        const struct clew__context *context = clew__context_at(merging->from, sum->context);
        const struct clew__frame_sum key = {
            .frame = context->frame, .root = context->root, .bucket = sum->bucket};
        uint32_t at = clew__table_find(&merging->from->frame_sums, &key);
        struct clew__frame_sum *into = clew__frame_sum_at(merging->into, merging->spots[i].frame_sum);
        if (at == CLEW__TABLE_NONE || merging->sums[at] != CLEW__TABLE_NONE)
            continue;
        merging->sums[at] = i;
        clew__saturated_add(&into->roots, clew__frame_sum_at(merging->from, at)->roots);
        clew__saturated_add(&into->on_path, clew__frame_sum_at(merging->from, at)->on_path);
    }
}

static void cap(uint64_t *value, uint64_t most) {
    if (*value > most)
        *value = most;
}

/* What came together in `(other)` may have been in the same requests: it is in no more than what is above. */
static void cap_others(clew_profile *profile) {
    for (uint32_t i = 0; i < profile->sums.count; i++) {
        struct clew__sum *sum = clew__sum_at(profile, i);
        uint32_t parent = clew__context_at(profile, sum->context)->parent;
        const struct clew__sum key = {.context = parent, .bucket = sum->bucket};
        if (parent == CLEW__TABLE_NONE || !clew__is_other(profile, sum->context))
            continue;
        uint32_t above = clew__table_find(&profile->sums, &key);
        cap(&sum->roots, clew__sum_at(profile, above)->roots);
        cap(&sum->on_path, clew__sum_at(profile, above)->on_path);
    }
    for (uint32_t i = 0; i < profile->frame_sums.count; i++) {
        struct clew__frame_sum *sum = clew__frame_sum_at(profile, i);
        const struct clew__sum key = {.context = sum->root, .bucket = sum->bucket};
        if (clew__frame_at(profile, sum->frame)->kind != CLEW_FRAME_OTHER)
            continue;
        uint32_t root = clew__table_find(&profile->sums, &key);
        cap(&sum->roots, clew__sum_at(profile, root)->roots);
        cap(&sum->on_path, clew__sum_at(profile, root)->roots);
    }
}

int clew_profile_merge(clew_profile *into, const clew_profile *from) {
    struct merging merging = {.into = into, .from = from};
    struct clew__arena arena = {NULL, 0, 0};
    int result = CLEW_ENOMEM;
    merging.contexts = (uint32_t *)clew__arena_take(&arena, from->contexts.count, sizeof *merging.contexts);
    merging.sums = (uint32_t *)clew__arena_take(&arena, from->frame_sums.count, sizeof *merging.sums);
    merging.spots = (struct clew__spot *)clew__arena_take(&arena, from->sums.count, sizeof *merging.spots);
    if (merging.contexts && merging.sums && merging.spots && place_all(&merging)) {
        memset(merging.sums, 0xFF, from->frame_sums.count * sizeof *merging.sums);
        for (uint32_t i = 0; i < from->sums.count; i++)
            add_sum(&merging, i);
        add_frame_sums(&merging);
        cap_others(into);
        clew__saturated_add(&into->traces, from->traces);
        clew__saturated_add(&into->roots, from->roots);
        clew__saturated_add(&into->dropped, from->dropped);
        clew__saturated_add(&into->overflow, from->overflow);
        result = 0;
    }
    clew__arena_fini(&arena);
    return result;
}
