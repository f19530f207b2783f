/* Looking at a profile: the sums of a window's buckets as one tree. Reads the profile alone. */
#include "sdk/analysis/profile.h"

#include "sdk/analysis/arrange.h"
#include "sdk/base/struct_size.h"
#include "sdk/containers/names.h"
#include "sdk/containers/saturate.h"

#include <clew/extend.h>

#include <stdlib.h>

#define PERCENTILE_END 100000u

/* How much of a bucket is in the window: `part` of `whole`. */
struct share {
    uint64_t part, whole;
};

/* A context's numbers in the window. */
struct column {
    uint64_t count, errors, roots, on_path, duration, self, critical_self, max, offset, weight;
    struct clew__exemplars exemplars;
    bool is_there;
};

struct frame_column {
    uint64_t roots, on_path;
};

struct viewing {
    const clew_profile *profile;
    struct clew__view *view;
    struct clew__arena arena; /* what is needed meanwhile */
    clew_profile_window window;
    bool *has_root;      /* of a context: its root is looked at */
    uint32_t *ranks;     /* of a frame, in order of kind and name */
    clew_text *services; /* of a frame: copied for the view */
    clew_text *operations;
    clew_text *callers;
    struct clew__laid *places; /* contexts in an order of their names */
    uint32_t *sums;            /* of a context, its sum in the bucket at hand */
    struct column *columns;    /* of a context */
    struct frame_column *frame_columns;
    struct share shares[CLEW__LATENCY_BUCKETS];
    uint64_t *critical; /* of a context, itself and below */
    uint64_t *gaps;
};

/* The part of a value, rounded down. */
static uint64_t part_of(uint64_t value, const struct share *share) {
    clew__wide_number product = (clew__wide_number)value * share->part;
    return share->part == share->whole ? value : (uint64_t)(product / share->whole);
}

/* Never nothing of something: a request that is there in part is there. */
static uint64_t part_up(uint64_t value, const struct share *share) {
    clew__wide_number product = (clew__wide_number)value * share->part + share->whole - 1;
    return share->part == share->whole ? value : (uint64_t)(product / share->whole);
}

/* Which roots, and of each bucket how much. */

static bool is_looked_at(const struct viewing *viewing, uint32_t context) {
    const clew_profile *profile = viewing->profile;
    const struct clew__frame *frame = clew__frame_at(profile, clew__context_at(profile, context)->frame);
    if (!viewing->window.has_root)
        return true;
    if (frame->kind != CLEW_FRAME_SPAN ||
        !clew__text_equals(viewing->window.service, clew__texts_get(profile->texts, frame->service)))
        return false;
    return viewing->window.operation.size == 0 ||
           clew__text_equals(viewing->window.operation, clew__texts_get(profile->texts, frame->operation));
}

static void choose_roots(struct viewing *viewing) {
    for (uint32_t i = 0; i < viewing->profile->contexts.count; i++) {
        const struct clew__context *context = clew__context_at(viewing->profile, i);
        viewing->has_root[i] =
            context->parent == CLEW__TABLE_NONE ? is_looked_at(viewing, i) : viewing->has_root[context->root];
    }
}

/* Requests are ranked from the fastest bucket to the slowest, each CLEW__REQUEST long. */
static void choose_buckets(struct viewing *viewing) {
    uint64_t roots[CLEW__LATENCY_BUCKETS] = {0}, total = 0, begin = 0, low, high;
    for (uint32_t i = 0; i < viewing->profile->sums.count; i++) {
        const struct clew__sum *sum = clew__sum_at(viewing->profile, i);
        if (clew__context_at(viewing->profile, sum->context)->parent != CLEW__TABLE_NONE ||
            !viewing->has_root[sum->context])
            continue;
        clew__saturated_add(&roots[sum->bucket], sum->roots);
        clew__saturated_add(&total, sum->roots);
    }
    low = clew__saturated_product(total, viewing->window.from);
    high = clew__saturated_product(total, viewing->window.to);
    for (uint32_t i = 0; i < CLEW__LATENCY_BUCKETS; i++) {
        uint64_t length = clew__saturated_product(roots[i], CLEW__REQUEST);
        uint64_t end = clew__saturated_sum(begin, length);
        uint64_t first = low > begin ? low : begin, last = high < end ? high : end;
        viewing->shares[i] = (struct share){first < last ? last - first : 0, length};
        clew__saturated_add(&viewing->view->weight, viewing->shares[i].part);
        if (viewing->shares[i].part > 0)
            clew__saturated_add(&viewing->view->shown.roots, part_up(roots[i], &viewing->shares[i]));
        begin = end;
    }
}

/* Names. */

struct ranked {
    const clew_profile *profile;
    uint32_t frame;
};

static int compare_frames(const void *first, const void *second) {
    const struct ranked *x = (const struct ranked *)first, *y = (const struct ranked *)second;
    const struct clew__texts *texts = x->profile->texts;
    const struct clew__frame *a = clew__frame_at(x->profile, x->frame);
    const struct clew__frame *b = clew__frame_at(y->profile, y->frame);
    int by = (a->kind > b->kind) - (a->kind < b->kind);
    by = by ? by : clew__texts_compare(texts, a->service, b->service);
    by = by ? by : clew__texts_compare(texts, a->operation, b->operation);
    by = by ? by : (a->span_kind > b->span_kind) - (a->span_kind < b->span_kind);
    return by ? by : clew__texts_compare(texts, a->caller, b->caller);
}

static bool rank_frames(struct viewing *viewing) {
    uint32_t count = viewing->profile->frames.count;
    struct ranked *ranked = (struct ranked *)clew__arena_take(&viewing->arena, count, sizeof *ranked);
    if (!ranked)
        return false;
    for (uint32_t i = 0; i < count; i++)
        ranked[i] = (struct ranked){viewing->profile, i};
    if (count > 0)
        qsort(ranked, count, sizeof *ranked, compare_frames);
    for (uint32_t i = 0; i < count; i++)
        viewing->ranks[ranked[i].frame] = i;
    return true;
}

static bool copy_texts(struct viewing *viewing) {
    const clew_profile *profile = viewing->profile;
    struct clew__arena *arena = &viewing->view->arena;
    for (uint32_t i = 0; i < profile->frames.count; i++) {
        const struct clew__frame *frame = clew__frame_at(profile, i);
        viewing->services[i] = clew__arena_text(arena, clew__texts_get(profile->texts, frame->service));
        viewing->operations[i] = clew__arena_text(arena, clew__texts_get(profile->texts, frame->operation));
        viewing->callers[i] = clew__arena_text(arena, clew__texts_get(profile->texts, frame->caller));
        if (!viewing->services[i].data || !viewing->operations[i].data || !viewing->callers[i].data)
            return false;
    }
    return true;
}

/* Lays out the contexts that are `is_there` (or all): by `critical`, the most first, then by name; without it
 * by name alone. */
static struct clew__laid *lay_out(struct viewing *viewing, const uint64_t *critical, uint32_t *placed) {
    uint32_t count = viewing->profile->contexts.count;
    struct clew__sibling *siblings =
        (struct clew__sibling *)clew__arena_take(&viewing->arena, count, sizeof *siblings);
    *placed = 0;
    if (!siblings)
        return NULL;
    for (uint32_t i = 0; i < count; i++) {
        const struct clew__context *context = clew__context_at(viewing->profile, i);
        if (critical && !viewing->columns[i].is_there)
            continue;
        siblings[(*placed)++] = (struct clew__sibling){
            .key = critical ? UINT64_MAX - critical[i] : 0,
            .rank = viewing->ranks[context->frame],
            .item = i,
            .parent = context->parent == CLEW__TABLE_NONE ? CLEW_NO_SPAN : context->parent};
    }
    return clew__arrange(&viewing->arena, siblings, *placed, count);
}

/* Sums. */

/* Of a bucket that the window cuts, what lies on the path is divided such that the parts of all contexts make
 * the part of their sum: each gets the growth of the rounded sum. */
static void add_bucket(struct viewing *viewing, const struct share *share) {
    uint64_t before = 0;
    for (uint32_t i = 0; i < viewing->profile->contexts.count; i++) {
        uint32_t context = viewing->places[i].item;
        struct column *column = &viewing->columns[context];
        const struct clew__sum *sum;
        uint64_t after;
        if (viewing->sums[context] == CLEW__TABLE_NONE)
            continue;
        sum = clew__sum_at(viewing->profile, viewing->sums[context]);
        after = clew__saturated_sum(before, sum->critical_self);
        clew__saturated_add(&column->critical_self, part_of(after, share) - part_of(before, share));
        before = after;
        clew__saturated_add(&column->count, part_up(sum->count, share));
        clew__saturated_add(&column->errors, part_up(sum->errors, share));
        clew__saturated_add(&column->roots, part_up(sum->roots, share));
        clew__saturated_add(&column->on_path, part_up(sum->on_path, share));
        clew__saturated_add(&column->duration, part_of(sum->duration, share));
        clew__saturated_add(&column->self, part_of(sum->self, share));
        clew__saturated_add(&column->offset, part_of(sum->offset, share));
        clew__saturated_add(&column->weight,
                            part_of(clew__saturated_product(sum->roots, CLEW__REQUEST), share));
        if (sum->max > column->max)
            column->max = sum->max;
        clew__exemplar_merge(&column->exemplars, viewing->profile->texts, NULL, &sum->exemplars,
                             viewing->profile->texts);
        column->is_there = true;
    }
    clew__saturated_add(&viewing->view->shown.total, part_of(before, share));
}

static void add_buckets(struct viewing *viewing) {
    const clew_profile *profile = viewing->profile;
    for (uint32_t bucket = 0; bucket < CLEW__LATENCY_BUCKETS; bucket++) {
        const struct share *share = &viewing->shares[bucket];
        if (share->part == 0)
            continue;
        memset(viewing->sums, 0xFF, profile->contexts.count * sizeof *viewing->sums);
        for (uint32_t i = 0; i < profile->sums.count; i++) {
            const struct clew__sum *sum = clew__sum_at(profile, i);
            if (sum->bucket == bucket && viewing->has_root[sum->context])
                viewing->sums[sum->context] = i;
        }
        add_bucket(viewing, share);
    }
    for (uint32_t i = 0; i < profile->frame_sums.count; i++) {
        const struct clew__frame_sum *sum = clew__frame_sum_at(profile, i);
        const struct share *share = &viewing->shares[sum->bucket];
        if (share->part == 0 || !viewing->has_root[sum->root])
            continue;
        clew__saturated_add(&viewing->frame_columns[sum->frame].roots, part_up(sum->roots, share));
        clew__saturated_add(&viewing->frame_columns[sum->frame].on_path, part_up(sum->on_path, share));
    }
}

/* Children come after their parents. */
static void add_below(struct viewing *viewing) {
    for (uint32_t i = viewing->profile->contexts.count; i-- > 0;) {
        const struct clew__context *context = clew__context_at(viewing->profile, i);
        clew__saturated_add(&viewing->critical[i], viewing->columns[i].critical_self);
        if (context->parent == CLEW__TABLE_NONE)
            continue;
        clew__saturated_add(&viewing->critical[context->parent], viewing->critical[i]);
        if (clew__frame_at(viewing->profile, context->frame)->kind == CLEW_FRAME_EDGE_GAP)
            clew__saturated_add(&viewing->gaps[context->parent], viewing->columns[i].critical_self);
        viewing->columns[context->parent].is_there |= viewing->columns[i].is_there;
    }
}

/* Results. */

static bool show_node(struct viewing *viewing, const struct clew__laid *place, clew_profile_node *node) {
    const struct clew__context *context = clew__context_at(viewing->profile, place->item);
    const struct clew__frame *frame = clew__frame_at(viewing->profile, context->frame);
    const struct column *column = &viewing->columns[place->item];
    *node = (clew_profile_node){.kind = (clew_frame_kind)frame->kind,
                                .span_kind = (clew_span_kind)frame->span_kind,
                                .service = viewing->services[context->frame],
                                .operation = viewing->operations[context->frame],
                                .parent = place->parent,
                                .end = place->end,
                                .depth = place->depth,
                                .count = column->count,
                                .errors = column->errors,
                                .roots = column->roots,
                                .on_path = column->on_path,
                                .duration = column->duration,
                                .self = column->self,
                                .critical_self = column->critical_self,
                                .critical = viewing->critical[place->item],
                                .edge_gap = viewing->gaps[place->item],
                                .max = column->max,
                                .offset = column->count ? column->offset / column->count : 0};
    return clew__exemplar_show(&column->exemplars, viewing->profile->texts, &viewing->view->arena,
                               node->exemplars, &node->exemplar_count);
}

static bool show_nodes(struct viewing *viewing) {
    clew_profile_view *shown = &viewing->view->shown;
    struct clew__laid *places = lay_out(viewing, viewing->critical, &shown->node_count);
    clew_profile_node *nodes =
        (clew_profile_node *)clew__arena_take(&viewing->view->arena, shown->node_count, sizeof *nodes);
    viewing->view->root_weights =
        (uint64_t *)clew__arena_take(&viewing->view->arena, shown->node_count, sizeof(uint64_t));
    if (!places || !nodes || !viewing->view->root_weights)
        return false;
    for (uint32_t i = 0; i < shown->node_count; i++) {
        if (!show_node(viewing, &places[i], &nodes[i]))
            return false;
        if (nodes[i].parent == CLEW_NO_SPAN)
            viewing->view->root_weights[i] = viewing->columns[places[i].item].weight;
    }
    shown->nodes = nodes;
    return true;
}

/* A frame in the making, with what orders it. */
struct frame_total {
    clew_profile_frame shown;
    struct clew__exemplars exemplars;
    uint32_t rank;
    bool is_there;
};

static int compare_totals(const void *first, const void *second) {
    const struct frame_total *a = (const struct frame_total *)first;
    const struct frame_total *b = (const struct frame_total *)second;
    if (a->is_there != b->is_there)
        return a->is_there ? -1 : 1;
    if (a->shown.critical_self != b->shown.critical_self)
        return a->shown.critical_self > b->shown.critical_self ? -1 : 1;
    return (a->rank > b->rank) - (a->rank < b->rank);
}

static void sum_frames(struct viewing *viewing, struct frame_total *totals) {
    const clew_profile *profile = viewing->profile;
    for (uint32_t i = 0; i < profile->frames.count; i++) {
        const struct clew__frame *frame = clew__frame_at(profile, i);
        totals[i].rank = viewing->ranks[i];
        totals[i].shown = (clew_profile_frame){.kind = (clew_frame_kind)frame->kind,
                                               .span_kind = (clew_span_kind)frame->span_kind,
                                               .service = viewing->services[i],
                                               .operation = viewing->operations[i],
                                               .caller = viewing->callers[i],
                                               .roots = viewing->frame_columns[i].roots,
                                               .on_path = viewing->frame_columns[i].on_path};
    }
    for (uint32_t i = 0; i < profile->contexts.count; i++) {
        const struct column *column = &viewing->columns[i];
        struct frame_total *total = &totals[clew__context_at(profile, i)->frame];
        if (!column->is_there)
            continue;
        total->is_there = true;
        clew__saturated_add(&total->shown.count, column->count);
        clew__saturated_add(&total->shown.errors, column->errors);
        clew__saturated_add(&total->shown.duration, column->duration);
        clew__saturated_add(&total->shown.critical_self, column->critical_self);
        if (column->max > total->shown.max)
            total->shown.max = column->max;
        clew__exemplar_merge(&total->exemplars, profile->texts, NULL, &column->exemplars, profile->texts);
    }
}

static bool show_frames(struct viewing *viewing) {
    clew_profile_view *shown = &viewing->view->shown;
    uint32_t count = viewing->profile->frames.count;
    struct frame_total *totals =
        (struct frame_total *)clew__arena_take(&viewing->arena, count, sizeof *totals);
    clew_profile_frame *frames =
        (clew_profile_frame *)clew__arena_take(&viewing->view->arena, count, sizeof *frames);
    if (!totals || !frames)
        return false;
    sum_frames(viewing, totals);
    if (count > 0)
        qsort(totals, count, sizeof *totals, compare_totals);
    for (uint32_t i = 0; i < count && totals[i].is_there; i++) {
        frames[i] = totals[i].shown;
        if (!clew__exemplar_show(&totals[i].exemplars, viewing->profile->texts, &viewing->view->arena,
                                 frames[i].exemplars, &frames[i].exemplar_count))
            return false;
        shown->frame_count++;
    }
    shown->frames = frames;
    return true;
}

static bool begin_viewing(struct viewing *viewing) {
    uint32_t frames = viewing->profile->frames.count, contexts = viewing->profile->contexts.count, placed;
    struct clew__arena *arena = &viewing->arena;
    viewing->has_root = (bool *)clew__arena_take(arena, contexts, sizeof(bool));
    viewing->ranks = (uint32_t *)clew__arena_take(arena, frames, sizeof(uint32_t));
    viewing->services = (clew_text *)clew__arena_take(arena, frames, sizeof(clew_text));
    viewing->operations = (clew_text *)clew__arena_take(arena, frames, sizeof(clew_text));
    viewing->callers = (clew_text *)clew__arena_take(arena, frames, sizeof(clew_text));
    viewing->sums = (uint32_t *)clew__arena_take(arena, contexts, sizeof(uint32_t));
    viewing->columns = (struct column *)clew__arena_take(arena, contexts, sizeof(struct column));
    viewing->frame_columns =
        (struct frame_column *)clew__arena_take(arena, frames, sizeof(struct frame_column));
    viewing->critical = (uint64_t *)clew__arena_take(arena, contexts, sizeof(uint64_t));
    viewing->gaps = (uint64_t *)clew__arena_take(arena, contexts, sizeof(uint64_t));
    if (!viewing->has_root || !viewing->ranks || !viewing->services || !viewing->operations ||
        !viewing->callers || !viewing->sums || !viewing->columns || !viewing->frame_columns ||
        !viewing->critical || !viewing->gaps || !rank_frames(viewing) || !copy_texts(viewing))
        return false;
    viewing->places = lay_out(viewing, NULL, &placed);
    return viewing->places != NULL;
}

clew_profile_view *clew_profile_view_new(const clew_profile *profile, const clew_profile_window *window) {
    struct viewing viewing = {.profile = profile, .window = {.struct_size = sizeof viewing.window}};
    bool done = false;
    if (window)
        clew__options_copy(&viewing.window, sizeof viewing.window, window, sizeof viewing.window);
    if (viewing.window.to == 0 || viewing.window.to > PERCENTILE_END)
        viewing.window.to = PERCENTILE_END;
    viewing.view = (struct clew__view *)clew_memory_allocate(sizeof *viewing.view);
    if (!viewing.view)
        return NULL;
    memset(viewing.view, 0, sizeof *viewing.view);
    if (begin_viewing(&viewing)) {
        choose_roots(&viewing);
        choose_buckets(&viewing);
        add_buckets(&viewing);
        add_below(&viewing);
        viewing.view->shown.mean = clew__each(viewing.view->shown.total, viewing.view->weight);
        done = show_nodes(&viewing) && show_frames(&viewing);
    }
    clew__arena_fini(&viewing.arena);
    if (done)
        return &viewing.view->shown;
    clew_profile_view_free(&viewing.view->shown);
    return NULL;
}

void clew_profile_view_free(clew_profile_view *view) {
    struct clew__view *own = (struct clew__view *)view;
    if (!view)
        return;
    clew__arena_fini(&own->arena);
    clew_memory_release(own);
}
