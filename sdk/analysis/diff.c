/* Aligning two profiles, by calling contexts. Reads them alone. */
#include "sdk/analysis/diff.h"

#include "sdk/base/memory.h"

#include <string.h>

/* A diff with the memory of its results. */
struct diff {
    clew_diff shown; /* first */
    struct clew__arena arena;
    struct clew__texts *texts;
};

const char *clew_diff_status_name(clew_diff_status status) {
    static const char *const names[] = {"same", "added", "removed", "moved"};
    return (unsigned)status < sizeof names / sizeof *names ? names[status] : "";
}

/* Contexts of both sides become items; those with the same frames from the root down become the same. */
static bool align(struct clew__diffing *diffing, struct clew__texts *texts, const struct clew__view *view,
                  size_t side) {
    uint32_t *items = (uint32_t *)clew__arena_take(&diffing->scratch, view->shown.node_count, sizeof *items);
    if (!items)
        return false;
    for (uint32_t i = 0; i < view->shown.node_count; i++) {
        const clew_profile_node *node = &view->shown.nodes[i];
        struct clew__frame frame = {clew__texts_add(texts, node->service.data, node->service.size),
                                    clew__texts_add(texts, node->operation.data, node->operation.size), 0,
                                    (uint16_t)node->kind, (uint16_t)node->span_kind};
        struct clew__aligned key = {.parent = CLEW__TABLE_NONE};
        if (frame.service == CLEW__TEXT_FAILED || frame.operation == CLEW__TEXT_FAILED)
            return false;
        if (node->parent != CLEW_NO_SPAN)
            key.parent = items[node->parent];
        key.frame = clew__table_add(&diffing->frames, &frame);
        if (key.frame == CLEW__TABLE_NONE)
            return false;
        items[i] = clew__table_add(&diffing->items, &key);
        if (items[i] == CLEW__TABLE_NONE)
            return false;
        *(uint32_t *)((char *)clew__aligned_at(diffing, items[i]) + side) = i + 1;
    }
    return true;
}

static bool lay_out(struct clew__diffing *diffing) {
    uint32_t count = diffing->items.count;
    struct clew__sibling *siblings =
        (struct clew__sibling *)clew__arena_take(&diffing->scratch, count, sizeof *siblings);
    if (!siblings)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        const struct clew__aligned *item = clew__aligned_at(diffing, i);
        const clew_profile_node *node = item->after ? clew__side_node(diffing->after, item->after)
                                                    : clew__side_node(diffing->before, item->before);
        siblings[i] = (struct clew__sibling){.key = node->offset, .item = i, .parent = item->parent};
    }
    diffing->places = clew__arrange(&diffing->scratch, siblings, count, count);
    return diffing->places != NULL;
}

static bool show_side(struct clew__arena *arena, const clew_profile_node *node, uint64_t weight,
                      clew_diff_side *out) {
    if (!node)
        return true;
    *out = (clew_diff_side){.count = node->count,
                            .errors = node->errors,
                            .duration = clew__each(node->duration, weight),
                            .self = clew__each(node->self, weight),
                            .critical_self = clew__each(node->critical_self, weight),
                            .critical = clew__each(node->critical, weight),
                            .edge_gap = clew__each(node->edge_gap, weight),
                            .exemplar_count = node->exemplar_count};
    return clew__exemplar_copy(arena, out->exemplars, node->exemplars, node->exemplar_count);
}

static clew_diff_status status_of(const struct clew__aligned *item) {
    if (item->is_moved || item->counterpart)
        return CLEW_DIFF_MOVED;
    if (item->before && item->after)
        return CLEW_DIFF_SAME;
    return item->after ? CLEW_DIFF_ADDED : CLEW_DIFF_REMOVED;
}

static bool show_node(struct clew__diffing *diffing, struct diff *diff, const struct clew__laid *place,
                      const uint32_t *positions, clew_diff_node *node) {
    const struct clew__aligned *item = clew__aligned_at(diffing, place->item);
    const struct clew__frame *frame =
        (const struct clew__frame *)clew__table_at(&diffing->frames, item->frame);
    *node =
        (clew_diff_node){.status = status_of(item),
                         .kind = (clew_frame_kind)frame->kind,
                         .span_kind = (clew_span_kind)frame->span_kind,
                         .service = clew__texts_get(diff->texts, frame->service),
                         .operation = clew__texts_get(diff->texts, frame->operation),
                         .parent = place->parent,
                         .end = place->end,
                         .depth = place->depth,
                         .counterpart = item->counterpart ? positions[item->counterpart - 1] : CLEW_NO_SPAN};
    return show_side(&diff->arena, clew__side_node(diffing->before, item->before), diffing->weight_before,
                     &node->before) &&
           show_side(&diff->arena, clew__side_node(diffing->after, item->after), diffing->weight_after,
                     &node->after);
}

static bool show(struct clew__diffing *diffing, struct diff *diff) {
    uint32_t count = diffing->items.count;
    clew_diff_node *nodes = (clew_diff_node *)clew__arena_take(&diff->arena, count, sizeof *nodes);
    uint32_t *positions = (uint32_t *)clew__arena_take(&diffing->scratch, count, sizeof *positions);
    if (!nodes || !positions)
        return false;
    for (uint32_t i = 0; i < count; i++)
        positions[diffing->places[i].item] = i;
    for (uint32_t i = 0; i < count; i++) {
        if (!show_node(diffing, diff, &diffing->places[i], positions, &nodes[i]))
            return false;
    }
    diff->shown.nodes = nodes;
    diff->shown.node_count = count;
    diff->shown.roots_before = diffing->before->shown.roots;
    diff->shown.roots_after = diffing->after->shown.roots;
    diff->shown.before = clew__each(diffing->before->shown.total, diffing->weight_before);
    diff->shown.after = clew__each(diffing->after->shown.total, diffing->weight_after);
    diff->shown.delta = (int64_t)(diff->shown.after - diff->shown.before);
    return true;
}

static clew_diff *compare(const clew_profile_view *before, const clew_profile_view *after, bool is_traces) {
    struct clew__diffing diffing = {.before = (const struct clew__view *)before,
                                    .after = (const struct clew__view *)after,
                                    .is_traces = is_traces};
    struct diff *diff = (struct diff *)clew_memory_allocate(sizeof *diff);
    bool done;
    if (!diff)
        return NULL;
    *diff = (struct diff){.texts = clew__texts_new()};
    diffing.weight_before = is_traces ? CLEW__REQUEST : diffing.before->weight;
    diffing.weight_after = is_traces ? CLEW__REQUEST : diffing.after->weight;
    clew__table_init(&diffing.frames, sizeof(struct clew__frame), sizeof(struct clew__frame));
    clew__table_init(&diffing.items, sizeof(struct clew__aligned), offsetof(struct clew__aligned, before));
    done = diff->texts &&
           align(&diffing, diff->texts, diffing.before, offsetof(struct clew__aligned, before)) &&
           align(&diffing, diff->texts, diffing.after, offsetof(struct clew__aligned, after)) &&
           lay_out(&diffing) && clew__diff_moves(&diffing) && show(&diffing, diff) &&
           clew__diff_causes(&diffing, &diff->arena, &diff->shown);
    clew__table_fini(&diffing.frames);
    clew__table_fini(&diffing.items);
    clew__arena_fini(&diffing.scratch);
    if (done)
        return &diff->shown;
    clew_diff_free(&diff->shown);
    return NULL;
}

clew_diff *clew_diff_new(const clew_profile_view *before, const clew_profile_view *after) {
    return compare(before, after, false);
}

/* The view of one trace, whole. */
static clew_profile_view *view_of(const clew_trace *trace, const clew_critical_path *path) {
    uint64_t nodes = (uint64_t)path->span_count + path->segment_count + 1;
    clew_profile_options options = {.struct_size = sizeof options,
                                    .node_limit = nodes > UINT32_MAX ? UINT32_MAX : (uint32_t)nodes};
    clew_profile *profile = clew_profile_new(&options);
    clew_profile_view *view = NULL;
    if (profile && clew_profile_add(profile, trace, path) == 0)
        view = clew_profile_view_new(profile, NULL);
    clew_profile_free(profile);
    return view;
}

clew_diff *clew_diff_traces(const clew_trace *before, const clew_critical_path *path_before,
                            const clew_trace *after, const clew_critical_path *path_after) {
    clew_profile_view *first = view_of(before, path_before), *second = view_of(after, path_after);
    clew_diff *diff = first && second ? compare(first, second, true) : NULL;
    clew_profile_view_free(first);
    clew_profile_view_free(second);
    return diff;
}

void clew_diff_free(clew_diff *diff) {
    struct diff *own = (struct diff *)diff;
    if (!diff)
        return;
    clew__arena_fini(&own->arena);
    clew__texts_free(own->texts);
    clew_memory_release(own);
}
