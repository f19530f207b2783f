/* The profile: one tree of calling contexts, and of each context what it did in each bucket of latency. One
 * thread at a time. */
#include "sdk/analysis/profile.h"

#include "sdk/analysis/arrange.h"
#include "sdk/base/memory.h"
#include "sdk/base/struct_size.h"
#include "sdk/containers/saturate.h"

#include <clew/analysis/errors.h>

#define NODE_LIMIT 10000u
#define NODE_LIMIT_MAX 10000000u
#define SUMS_A_NODE 8u

const char *clew_frame_kind_name(clew_frame_kind kind) {
    static const char *const names[] = {"span", "edgeGap", "missing", "trace", "other"};
    return (unsigned)kind < sizeof names / sizeof *names ? names[kind] : "";
}

uint32_t clew__latency_bucket(uint64_t duration) {
    __extension__ typedef unsigned __int128 wide;
    uint32_t power;
    if (duration == 0)
        return 0;
    power = 63u - (uint32_t)__builtin_clzll(duration);
    if (duration == UINT64_C(1) << power)
        return 2 * power + 1;
    return 2 * power + ((wide)duration * duration > (wide)1 << (2 * power + 1) ? 3 : 2);
}

clew_profile *clew_profile_new(const clew_profile_options *options) {
    clew_profile_options given = {.struct_size = sizeof given};
    clew_profile *profile = (clew_profile *)clew_memory_allocate(sizeof *profile);
    if (options)
        clew__options_copy(&given, sizeof given, options, sizeof given);
    if (!profile)
        return NULL;
    memset(profile, 0, sizeof *profile);
    profile->texts = clew__texts_new();
    if (!profile->texts) {
        clew_memory_release(profile);
        return NULL;
    }
    profile->node_limit = given.node_limit ? given.node_limit : NODE_LIMIT;
    if (profile->node_limit > NODE_LIMIT_MAX)
        profile->node_limit = NODE_LIMIT_MAX;
    profile->sum_limit = profile->node_limit * SUMS_A_NODE;
    clew__table_init(&profile->frames, sizeof(struct clew__frame), sizeof(struct clew__frame));
    clew__table_init(&profile->contexts, sizeof(struct clew__context), offsetof(struct clew__context, root));
    clew__table_init(&profile->sums, sizeof(struct clew__sum), offsetof(struct clew__sum, seen));
    clew__table_init(&profile->frame_sums, sizeof(struct clew__frame_sum),
                     offsetof(struct clew__frame_sum, padding));
    return profile;
}

void clew_profile_free(clew_profile *profile) {
    if (!profile)
        return;
    clew__texts_free(profile->texts);
    clew__table_fini(&profile->frames);
    clew__table_fini(&profile->contexts);
    clew__table_fini(&profile->sums);
    clew__table_fini(&profile->frame_sums);
    clew_memory_release(profile);
}

clew_profile_stats clew_profile_get_stats(const clew_profile *profile) {
    return (clew_profile_stats){.traces = profile->traces,
                                .roots = profile->roots,
                                .dropped = profile->dropped,
                                .overflow = profile->overflow,
                                .nodes = profile->contexts.count,
                                .sums = profile->sums.count};
}

/* Finding and making places. */

/* Missing texts are added, unless `is_full`. */
static clew__text text_of(clew_profile *profile, clew_text text, bool is_full) {
    return is_full ? clew__texts_find(profile->texts, text.data, text.size)
                   : clew__texts_add(profile->texts, text.data, text.size);
}

static uint32_t make_context(clew_profile *profile, uint32_t parent, uint32_t frame) {
    const struct clew__context key = {parent, frame, 0};
    uint32_t count = profile->contexts.count;
    uint32_t context = clew__table_add(&profile->contexts, &key);
    if (context == count)
        clew__context_at(profile, context)->root =
            parent == CLEW__TABLE_NONE ? context : clew__context_at(profile, parent)->root;
    return context;
}

/* `(other)` below the parent; `(other)` is its own. */
static uint32_t other_below(clew_profile *profile, uint32_t parent) {
    static const struct clew__frame other = {.kind = CLEW_FRAME_OTHER};
    uint32_t frame;
    if (clew__is_other(profile, parent))
        return parent;
    frame = clew__table_add(&profile->frames, &other);
    return frame == CLEW__TABLE_NONE ? CLEW__TABLE_NONE : make_context(profile, parent, frame);
}

/* False when memory runs out. */
static bool find_context(clew_profile *profile, uint32_t parent, const struct clew__frame_texts *texts,
                         uint32_t *out) {
    bool is_within_other = clew__is_other(profile, parent) || texts->kind == CLEW_FRAME_OTHER;
    bool is_full = profile->contexts.count >= profile->node_limit || is_within_other;
    struct clew__frame frame = {
        text_of(profile, texts->service, is_full), text_of(profile, texts->operation, is_full),
        text_of(profile, texts->caller, is_full), (uint16_t)texts->kind, (uint16_t)texts->span_kind};
    bool has_texts = frame.service != CLEW__TEXT_FAILED && frame.operation != CLEW__TEXT_FAILED &&
                     frame.caller != CLEW__TEXT_FAILED;
    struct clew__context key = {parent, CLEW__TABLE_NONE, 0};
    if (!is_full && !has_texts)
        return false;
    if (is_within_other) {
        *out = other_below(profile, parent);
        return *out != CLEW__TABLE_NONE;
    }
    if (has_texts)
        key.frame =
            is_full ? clew__table_find(&profile->frames, &frame) : clew__table_add(&profile->frames, &frame);
    if (key.frame == CLEW__TABLE_NONE && !is_full)
        return false;
    *out = CLEW__TABLE_NONE;
    if (key.frame != CLEW__TABLE_NONE)
        *out =
            is_full ? clew__table_find(&profile->contexts, &key) : make_context(profile, parent, key.frame);
    if (*out == CLEW__TABLE_NONE && is_full)
        *out = other_below(profile, parent);
    return *out != CLEW__TABLE_NONE;
}

/* `*full`: there is no such sum, and no room for one. */
static uint32_t find_sum(clew_profile *profile, uint32_t context, uint32_t bucket, bool *full) {
    const struct clew__sum key = {.context = context, .bucket = bucket};
    uint32_t sum = clew__table_find(&profile->sums, &key);
    *full = sum == CLEW__TABLE_NONE && profile->sums.count >= profile->sum_limit &&
            !clew__is_other(profile, context);
    return sum != CLEW__TABLE_NONE || *full ? sum : clew__table_add(&profile->sums, &key);
}

bool clew__profile_place(clew_profile *profile, uint32_t parent, const struct clew__frame_texts *texts,
                         uint32_t bucket, struct clew__spot *out) {
    struct clew__frame_sum key = {.bucket = bucket};
    const struct clew__context *context;
    bool full;
    if (!find_context(profile, parent, texts, &out->context))
        return false;
    out->sum = find_sum(profile, out->context, bucket, &full);
    if (full) {
        out->context = other_below(profile, parent);
        if (out->context == CLEW__TABLE_NONE)
            return false;
        out->sum = find_sum(profile, out->context, bucket, &full);
    }
    if (out->sum == CLEW__TABLE_NONE)
        return false;
    context = clew__context_at(profile, out->context);
    key.frame = context->frame;
    key.root = context->root;
    out->frame_sum = clew__table_add(&profile->frame_sums, &key);
    return out->frame_sum != CLEW__TABLE_NONE;
}

/* Adding a trace: first every span and every segment gets its place, which may fail and changes no number;
 * then they are counted, which cannot fail. */

struct adding {
    clew_profile *profile;
    const clew_trace *trace;
    const clew_critical_path *path;
    uint32_t *order; /* spans, parents first */
    uint32_t ordered;
    uint32_t *root_of;           /* of a span: the path's root that it is below, or CLEW_NO_SPAN */
    uint32_t *buckets;           /* of a root */
    struct clew__spot *spans;    /* of a span */
    struct clew__spot *segments; /* of a segment */
    struct clew__spot whole;     /* of the trace as a whole (CLEW_SCOPE_TRACE) */
    uint64_t first_request;
};

static bool is_whole(const struct adding *adding) {
    return adding->path->root_count == 1 && adding->path->roots[0].span == CLEW_NO_SPAN;
}

static struct clew__frame_texts frame_of(const clew_trace_span *span) {
    struct clew__frame_texts texts = {.kind = CLEW_FRAME_MISSING};
    if (span->is_phantom)
        return texts;
    texts.kind = CLEW_FRAME_SPAN;
    texts.service = span->service;
    texts.operation = span->operation;
    texts.span_kind = span->kind;
    return texts;
}

static void find_roots(struct adding *adding) {
    const clew_critical_path *path = adding->path;
    for (uint32_t i = 0; i < path->span_count; i++)
        adding->root_of[i] = is_whole(adding) ? 0 : CLEW_NO_SPAN;
    for (uint32_t i = 0; i < path->root_count; i++) {
        const clew_path_root *root = &path->roots[i];
        adding->buckets[i] = clew__latency_bucket(root->end_unix_nano - root->start_unix_nano);
        if (root->span < path->span_count)
            adding->root_of[root->span] = i;
    }
    for (uint32_t i = 0; i < adding->ordered; i++) {
        clew_trace_span span;
        clew_trace_span_at(adding->trace, adding->order[i], &span);
        if (adding->root_of[adding->order[i]] == CLEW_NO_SPAN && span.parent < path->span_count)
            adding->root_of[adding->order[i]] = adding->root_of[span.parent];
    }
}

static bool place_spans(struct adding *adding) {
    static const struct clew__frame_texts whole = {.kind = CLEW_FRAME_TRACE};
    uint32_t top = CLEW__TABLE_NONE;
    if (is_whole(adding)) {
        if (!clew__profile_place(adding->profile, CLEW__TABLE_NONE, &whole, adding->buckets[0],
                                 &adding->whole))
            return false;
        top = adding->whole.context;
    }
    for (uint32_t i = 0; i < adding->ordered; i++) {
        uint32_t at = adding->order[i], root = adding->root_of[at];
        struct clew__frame_texts texts;
        clew_trace_span span;
        if (root == CLEW_NO_SPAN)
            continue;
        clew_trace_span_at(adding->trace, at, &span);
        texts = frame_of(&span);
        if (!clew__profile_place(adding->profile,
                                 span.parent == CLEW_NO_SPAN ? top : adding->spans[span.parent].context,
                                 &texts, adding->buckets[root], &adding->spans[at]))
            return false;
    }
    return true;
}

static bool is_gap(const clew_path_segment *segment) {
    return segment->kind == CLEW_SEGMENT_EDGE_GAP && segment->span != CLEW_NO_SPAN;
}

/* By a recorded wait a root may wait for a span that is not below it: it stands directly below the root. */
static bool is_foreign(const struct adding *adding, const clew_path_segment *segment, uint32_t root) {
    return segment->span != CLEW_NO_SPAN && adding->root_of[segment->span] != root;
}

static uint32_t parent_of_gap(const struct adding *adding, const clew_path_segment *segment, uint32_t root) {
    uint32_t caller = is_foreign(adding, segment, root) ? adding->path->roots[root].span : segment->span;
    return adding->spans[caller].context;
}

static bool place_gap(struct adding *adding, uint32_t index, uint32_t root) {
    const clew_path_segment *segment = &adding->path->segments[index];
    struct clew__frame_texts texts = {.kind = CLEW_FRAME_EDGE_GAP};
    clew_trace_span caller, callee;
    clew_trace_span_at(adding->trace, segment->span, &caller);
    clew_trace_span_at(adding->trace, segment->callee, &callee);
    texts.service = callee.service;
    texts.operation = callee.operation;
    texts.span_kind = callee.kind;
    texts.caller = caller.service;
    return clew__profile_place(adding->profile, parent_of_gap(adding, segment, root), &texts,
                               adding->buckets[root], &adding->segments[index]);
}

static bool place_foreign(struct adding *adding, uint32_t index, uint32_t root) {
    struct clew__frame_texts texts;
    clew_trace_span span;
    clew_trace_span_at(adding->trace, adding->path->segments[index].span, &span);
    texts = frame_of(&span);
    return clew__profile_place(adding->profile, adding->spans[adding->path->roots[root].span].context, &texts,
                               adding->buckets[root], &adding->segments[index]);
}

static bool place_segment(struct adding *adding, uint32_t index, uint32_t root) {
    const clew_path_segment *segment = &adding->path->segments[index];
    if (is_gap(segment))
        return place_gap(adding, index, root);
    if (is_foreign(adding, segment, root))
        return place_foreign(adding, index, root);
    adding->segments[index] = segment->span == CLEW_NO_SPAN ? adding->whole : adding->spans[segment->span];
    return true;
}

static bool place_segments(struct adding *adding) {
    for (uint32_t i = 0; i < adding->path->root_count; i++) {
        const clew_path_root *root = &adding->path->roots[i];
        for (uint32_t j = 0; j < root->segment_count; j++) {
            if (!place_segment(adding, root->first_segment + j, i))
                return false;
        }
    }
    return true;
}

static void see(uint64_t *seen, uint64_t *count, uint64_t request) {
    if (*seen == request)
        return;
    *seen = request;
    clew__saturated_add(count, 1);
}

static void take_longest(uint64_t *max, uint64_t value) {
    if (value > *max)
        *max = value;
}

static void count_span(struct adding *adding, uint32_t at, struct clew__exemplar_source *source) {
    clew_profile *profile = adding->profile;
    const struct clew__spot *spot = &adding->spans[at];
    struct clew__sum *sum = clew__sum_at(profile, spot->sum);
    struct clew__frame_sum *frame_sum = clew__frame_sum_at(profile, spot->frame_sum);
    const clew_path_span *timing = &adding->path->spans[at];
    uint64_t request = adding->first_request + adding->root_of[at];
    clew_trace_span span, parent;
    clew_trace_span_at(adding->trace, at, &span);
    clew__saturated_add(&sum->count, 1);
    clew__saturated_add(&sum->errors, clew_trace_span_has_failed(&span));
    clew__saturated_add(&sum->duration, timing->duration);
    clew__saturated_add(&sum->self, timing->self);
    take_longest(&sum->max, timing->duration);
    if (clew_trace_span_at(adding->trace, span.parent, &parent) &&
        span.start_unix_nano > parent.start_unix_nano)
        clew__saturated_add(&sum->offset, span.start_unix_nano - parent.start_unix_nano);
    see(&sum->seen, &sum->roots, request);
    see(&frame_sum->seen, &frame_sum->roots, request);
    if (timing->critical > 0)
        see(&sum->seen_on_path, &sum->on_path, request);
    if (clew__is_other(profile, spot->context))
        clew__saturated_add(&profile->overflow, 1);
    else
        clew__exemplar_offer(&sum->exemplars, source, at, span.start_unix_nano, timing->duration);
}

static void count_segment(struct adding *adding, uint32_t at, uint32_t root,
                          struct clew__exemplar_source *source) {
    const clew_path_segment *segment = &adding->path->segments[at];
    const struct clew__spot *spot = &adding->segments[at];
    struct clew__sum *sum = clew__sum_at(adding->profile, spot->sum);
    struct clew__frame_sum *frame_sum = clew__frame_sum_at(adding->profile, spot->frame_sum);
    uint64_t length = segment->end_unix_nano - segment->start_unix_nano;
    uint64_t request = adding->first_request + root;
    clew__saturated_add(&sum->critical_self, length);
    see(&frame_sum->seen_on_path, &frame_sum->on_path, request);
    if (!is_gap(segment) && !is_foreign(adding, segment, root))
        return;
    see(&sum->seen, &sum->roots, request);
    see(&sum->seen_on_path, &sum->on_path, request);
    see(&frame_sum->seen, &frame_sum->roots, request);
    clew__exemplar_offer(&sum->exemplars, source, segment->span, segment->start_unix_nano, length);
    if (!is_gap(segment))
        return; /* the span is counted where it is */
    clew__saturated_add(&sum->count, 1);
    clew__saturated_add(&sum->duration, length);
    take_longest(&sum->max, length);
}

static void count_whole(struct adding *adding) {
    const clew_path_root *root = &adding->path->roots[0];
    struct clew__sum *sum = clew__sum_at(adding->profile, adding->whole.sum);
    struct clew__frame_sum *frame_sum = clew__frame_sum_at(adding->profile, adding->whole.frame_sum);
    uint64_t length = root->end_unix_nano - root->start_unix_nano;
    clew__saturated_add(&sum->count, 1);
    clew__saturated_add(&sum->duration, length);
    take_longest(&sum->max, length);
    see(&sum->seen, &sum->roots, adding->first_request);
    see(&frame_sum->seen, &frame_sum->roots, adding->first_request);
    if (length > 0)
        see(&sum->seen_on_path, &sum->on_path, adding->first_request);
}

static void count_trace(struct adding *adding) {
    clew_profile *profile = adding->profile;
    struct clew__exemplar_source source;
    clew__exemplar_begin(&source, profile->texts, &profile->text_count, adding->trace);
    adding->first_request = profile->roots + 1; /* 0 has been seen by none */
    if (is_whole(adding))
        count_whole(adding);
    /* Request by request: spans are in the order of their roots. */
    for (uint32_t i = 0, at = 0; i < adding->path->root_count; i++) {
        const clew_path_root *root = &adding->path->roots[i];
        for (; at < adding->ordered && adding->root_of[adding->order[at]] == i; at++)
            count_span(adding, adding->order[at], &source);
        for (uint32_t j = 0; j < root->segment_count; j++)
            count_segment(adding, root->first_segment + j, i, &source);
    }
    profile->traces++;
    profile->roots += adding->path->root_count;
}

static bool begin_adding(struct adding *adding, struct clew__arena *arena) {
    size_t spans = adding->path->span_count;
    adding->order = clew__trace_order(adding->trace, &adding->ordered);
    adding->root_of = (uint32_t *)clew__arena_take(arena, spans, sizeof *adding->root_of);
    adding->buckets = (uint32_t *)clew__arena_take(arena, adding->path->root_count, sizeof *adding->buckets);
    adding->spans = (struct clew__spot *)clew__arena_take(arena, spans, sizeof *adding->spans);
    adding->segments =
        (struct clew__spot *)clew__arena_take(arena, adding->path->segment_count, sizeof *adding->segments);
    return adding->order && adding->root_of && adding->buckets && adding->spans && adding->segments;
}

int clew_profile_add(clew_profile *profile, const clew_trace *trace, const clew_critical_path *path) {
    struct adding adding = {.profile = profile, .trace = trace, .path = path};
    struct clew__arena arena = {NULL, 0, 0};
    int result = CLEW_ENOMEM;
    if (path->span_count != clew_trace_span_count(trace))
        return CLEW_EINVAL;
    if (begin_adding(&adding, &arena)) {
        find_roots(&adding);
        if (place_spans(&adding) && place_segments(&adding)) {
            count_trace(&adding);
            result = 0;
        }
    }
    if (result != 0)
        profile->dropped++;
    clew_memory_release(adding.order);
    clew__arena_fini(&arena);
    return result;
}
