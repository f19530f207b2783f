/* The sweep: from a root's end to its start, who it waited for. Owns the workspace; one thread at a time.
 *
 * Each frame is a span within the time that the frame above waits for it. Its pieces (what it may wait for
 * itself) are taken latest end first: what ends by the time reached is what the span waited for, and the time
 * goes back to its start; in between it was the span's own. */
#include "sdk/path/path.h"

#include "sdk/containers/grow.h"
#include "sdk/path/callee.h"
#include "sdk/path/pieces.h"

#include <string.h>

/* An overlap of at most one part of so many of the parent counts as near. */
#define NEAR_PARTS 100

struct clew__path_frame {
    uint64_t start; /* of the time to be shared out */
    uint64_t reached;
    uint64_t eps, near;
    uint32_t span;
    uint32_t first, next, end; /* in the pieces */
    uint32_t mark;             /* CLEW__PIECE_… of all above too */
};

/* What a span's segments are, once it has one; and whether it has a frame. */
struct clew__path_place {
    uint32_t callee;
    uint8_t kind;
    bool is_known, is_open;
};

static bool is_over_limit(const struct clew__path_workspace *workspace) {
    return workspace->relations.steps > clew__relations_limit(&workspace->relations);
}

static clew_path_segment segment_of(struct clew__path_workspace *workspace, uint32_t span, uint32_t mark) {
    clew_path_segment segment = {.span = span,
                                 .callee = CLEW_NO_SPAN,
                                 .kind = CLEW_SEGMENT_SELF,
                                 .assumed = (mark & CLEW__PIECE_ASSUMED) != 0};
    if (span == CLEW_NO_SPAN)
        return segment;
    struct clew__path_place *place = &workspace->places[span];
    if (!place->is_known) {
        place->kind = (uint8_t)clew__segment_kind_of(&workspace->relations, span, &place->callee);
        place->is_known = true;
    }
    segment.kind = place->kind;
    segment.callee = place->callee;
    return segment;
}

static void count_segment(struct clew__path_workspace *workspace, const clew_path_segment *segment,
                          uint64_t length, uint32_t mark) {
    clew_path_confidence *confidence = &workspace->path.confidence;
    confidence->total += length;
    confidence->assumed += segment->assumed ? length : 0;
    confidence->recorded += mark & CLEW__PIECE_RECORDED ? length : 0;
    confidence->missing += segment->kind == CLEW_SEGMENT_MISSING ? length : 0;
    if (segment->span == CLEW_NO_SPAN)
        return;
    const struct clew__node *node = &workspace->relations.trace->nodes[segment->span];
    confidence->skew += node->skew ? length : 0;
    confidence->provisional += node->record && node->record->flags & CLEW__RECORD_OPEN ? length : 0;
    clew_path_span *of = &workspace->spans[segment->span];
    of->critical_self += length;
    of->edge_gap += segment->kind == CLEW_SEGMENT_EDGE_GAP ? length : 0;
}

/* Latest first, as the sweep goes. */
static bool emit(struct clew__path_workspace *workspace, uint32_t first, uint32_t span, uint32_t mark,
                 uint64_t start, uint64_t end) {
    uint32_t count = workspace->path.segment_count;
    clew_path_segment segment = segment_of(workspace, span, mark);
    segment.start_unix_nano = start;
    segment.end_unix_nano = end;
    count_segment(workspace, &segment, end - start, mark);
    clew_path_segment *last = count > first ? &workspace->segments[count - 1] : NULL;
    if (last && last->span == span && last->assumed == segment.assumed && last->start_unix_nano == end) {
        last->start_unix_nano = start;
        return true;
    }
    if (count == workspace->segment_capacity &&
        !clew__array_reserve(&workspace->segments, &workspace->segment_capacity, (uint64_t)count + 1,
                             sizeof *workspace->segments))
        return false;
    workspace->segments[count] = segment;
    workspace->path.segment_count = count + 1;
    return true;
}

/* Children come in order of start; from the back they mostly are in the sweep's order. */
static bool gather(struct clew__path_workspace *workspace, struct clew__path_frame *frame, uint64_t end) {
    struct clew__pieces *pieces = &workspace->pieces;
    struct clew__relations *relations = &workspace->relations;
    if (!clew__relations_pieces(relations, frame->span, frame->start, end, pieces))
        return false;
    uint32_t count = pieces->count - frame->first;
    if (count > workspace->spare_capacity &&
        !clew__array_reserve(&workspace->spare, &workspace->spare_capacity, count, sizeof *workspace->spare))
        return false;
    frame->end = pieces->count;
    if (count < 2)
        return true;
    struct clew__piece *first = &pieces->items[frame->first];
    for (uint32_t low = 0, high = count - 1; low < high; low++, high--) {
        struct clew__piece swapped = first[low];
        first[low] = first[high];
        first[high] = swapped;
    }
    workspace->path.steps +=
        clew__pieces_sort(relations->trace, first, workspace->spare, count, clew__piece_ends_later);
    return true;
}

static bool open_frame(struct clew__path_workspace *workspace, uint32_t span, uint64_t start, uint64_t end,
                       uint32_t mark) {
    const struct clew__relations *relations = &workspace->relations;
    uint64_t duration = relations->end - relations->start;
    if (span != CLEW_NO_SPAN) {
        const struct clew__node *node = &relations->trace->nodes[span];
        duration = node->end - node->start;
        workspace->spans[span].critical += end - start;
        workspace->places[span].is_open = true;
    }
    struct clew__path_frame frame = {.start = start,
                                     .reached = end,
                                     .eps = clew__relations_eps(relations, span),
                                     .near = duration / NEAR_PARTS,
                                     .span = span,
                                     .first = workspace->pieces.count,
                                     .next = workspace->pieces.count,
                                     .mark = mark};
    if (!gather(workspace, &frame, end))
        return false;
    if (workspace->frame_count == workspace->frame_capacity &&
        !clew__array_reserve(&workspace->frames, &workspace->frame_capacity,
                             (uint64_t)workspace->frame_count + 1, sizeof *workspace->frames))
        return false;
    workspace->frames[workspace->frame_count++] = frame;
    return true;
}

/* The next piece that the frame's span waited for; NULL: no more. */
static const struct clew__piece *next_piece(struct clew__path_workspace *workspace,
                                            struct clew__path_frame *frame) {
    while (frame->next < frame->end) {
        const struct clew__piece *piece = &workspace->pieces.items[frame->next++];
        workspace->path.steps++;
        if (piece->start >= frame->reached || workspace->places[piece->span].is_open)
            continue;
        if (piece->end <= frame->reached || piece->end - frame->reached <= frame->eps)
            return piece;
        if (piece->end - frame->reached <= frame->near)
            workspace->path.confidence.near_overlaps++;
    }
    return NULL;
}

static bool close_frame(struct clew__path_workspace *workspace, uint32_t first_segment) {
    const struct clew__path_frame *frame = &workspace->frames[--workspace->frame_count];
    workspace->pieces.count = frame->first;
    if (frame->span != CLEW_NO_SPAN)
        workspace->places[frame->span].is_open = false;
    return frame->reached <= frame->start ||
           emit(workspace, first_segment, frame->span, frame->mark, frame->start, frame->reached);
}

static bool step(struct clew__path_workspace *workspace, uint32_t first_segment) {
    struct clew__path_frame *frame = &workspace->frames[workspace->frame_count - 1];
    const struct clew__piece *found = next_piece(workspace, frame);
    if (!found)
        return close_frame(workspace, first_segment);
    struct clew__piece piece = *found;
    if (piece.end > frame->reached)
        piece.end = frame->reached;
    if (piece.end < frame->reached &&
        !emit(workspace, first_segment, frame->span, frame->mark, piece.end, frame->reached))
        return false;
    frame->reached = piece.start;
    return open_frame(workspace, piece.span, piece.start, piece.end, frame->mark | piece.mark);
}

static void reverse_segments(clew_path_segment *segments, uint32_t count) {
    for (uint32_t low = 0, high = count; low + 1 < high; low++) {
        clew_path_segment swapped = segments[low];
        segments[low] = segments[--high];
        segments[high] = swapped;
    }
}

static bool sweep(struct clew__path_workspace *workspace, uint32_t span, uint64_t start, uint64_t end) {
    clew_critical_path *path = &workspace->path;
    uint32_t first = path->segment_count;
    if (start < end && !open_frame(workspace, span, start, end, 0))
        return false;
    while (workspace->frame_count && !is_over_limit(workspace))
        if (!step(workspace, first))
            return false;
    reverse_segments(&workspace->segments[first], path->segment_count - first);
    workspace->roots[path->root_count++] =
        (clew_path_root){span, first, path->segment_count - first, start, end};
    return true;
}

static uint64_t self_of(const struct clew_trace *trace, const struct clew__node *node) {
    uint64_t covered = 0, reached = node->start;
    for (uint32_t i = 0; i < node->child_count; i++) {
        const struct clew__node *child = &trace->nodes[trace->children[node->first_child + i]];
        uint64_t start = child->start > reached ? child->start : reached;
        uint64_t end = child->end < node->end ? child->end : node->end;
        if (end <= start)
            continue;
        covered += end - start;
        reached = end;
    }
    return node->end - node->start - covered;
}

static void fill_spans(struct clew__path_workspace *workspace) {
    const struct clew_trace *trace = workspace->relations.trace;
    for (uint32_t i = 0; i < trace->node_count; i++) {
        const struct clew__node *node = &trace->nodes[i];
        const struct clew__relation *relation = &workspace->relations.of[i];
        workspace->spans[i] = (clew_path_span){.duration = node->end - node->start,
                                               .self = self_of(trace, node),
                                               .relation = (clew_relation)relation->relation,
                                               .assumed = relation->is_assumed,
                                               .recorded = relation->is_recorded};
    }
    workspace->path.steps += 2 * (uint64_t)trace->node_count;
}

static uint64_t async_tail(const struct clew__relations *relations) {
    const struct clew_trace *trace = relations->trace;
    uint64_t end = 0;
    for (uint32_t i = 0; i < trace->root_count; i++)
        if (trace->nodes[trace->roots[i]].end > end)
            end = trace->nodes[trace->roots[i]].end;
    return relations->end - end;
}

/* False when memory ran out. Over the limit what it found is not whole. */
static bool find_path(struct clew__path_workspace *workspace, const struct clew_trace *trace,
                      const clew_path_options *options, bool in_full) {
    struct clew__relations *relations = &workspace->relations;
    workspace->pieces.count = workspace->frame_count = 0;
    workspace->path = (clew_critical_path){0};
    uint32_t count = trace->node_count, roots = trace->root_count ? trace->root_count : 1;
    if (!clew__relations_find(relations, trace, options, in_full) ||
        !clew__array_reserve(&workspace->spans, &workspace->span_capacity, count, sizeof *workspace->spans) ||
        !clew__array_reserve(&workspace->places, &workspace->place_capacity, count,
                             sizeof *workspace->places) ||
        !clew__array_reserve(&workspace->roots, &workspace->root_capacity, roots, sizeof *workspace->roots) ||
        !clew__array_reserve(&workspace->segments, &workspace->segment_capacity, count,
                             sizeof *workspace->segments))
        return false;
    fill_spans(workspace);
    if (!count)
        return true;
    memset(workspace->places, 0, count * sizeof *workspace->places);
    if (relations->options.scope == CLEW_SCOPE_TRACE)
        return sweep(workspace, CLEW_NO_SPAN, relations->start, relations->end);
    for (uint32_t i = 0; i < trace->root_count; i++) {
        const struct clew__node *root = &trace->nodes[trace->roots[i]];
        if (!sweep(workspace, trace->roots[i], root->start, root->end))
            return false;
    }
    return true;
}

const clew_critical_path *clew__path_compute(struct clew__path_workspace *workspace, const clew_trace *trace,
                                             const clew_path_options *options) {
    clew_critical_path *path = &workspace->path;
    uint64_t in_vain = 0;
    if (!find_path(workspace, trace, options, true))
        return NULL;
    if (is_over_limit(workspace)) {
        in_vain = path->steps + workspace->relations.steps;
        if (!find_path(workspace, trace, options, false))
            return NULL;
    }
    path->roots = workspace->roots;
    path->segments = workspace->segments;
    path->spans = workspace->spans;
    path->span_count = trace->node_count;
    path->async_tail = trace->node_count ? async_tail(&workspace->relations) : 0;
    path->confidence.unused_waits = workspace->relations.unused_waits;
    path->steps += workspace->relations.steps + in_vain;
    return path;
}

void clew__path_workspace_fini(struct clew__path_workspace *workspace) {
    clew__relations_fini(&workspace->relations);
    clew_memory_release(workspace->pieces.items);
    clew_memory_release(workspace->spare);
    clew_memory_release(workspace->frames);
    clew_memory_release(workspace->places);
    clew_memory_release(workspace->spans);
    clew_memory_release(workspace->segments);
    clew_memory_release(workspace->roots);
    *workspace = (struct clew__path_workspace){0};
}

/* The result and its arrays in one block. */
static clew_critical_path *copy_path(const clew_critical_path *path) {
    size_t roots = path->root_count * sizeof *path->roots;
    size_t segments = path->segment_count * sizeof *path->segments;
    size_t spans = path->span_count * sizeof *path->spans;
    clew_critical_path *copy = clew_memory_allocate(sizeof *copy + roots + segments + spans);
    if (!copy)
        return NULL;
    char *at = (char *)(copy + 1);
    *copy = *path;
    if (roots)
        memcpy(at, path->roots, roots);
    copy->roots = (const clew_path_root *)(const void *)at;
    at += roots;
    if (segments)
        memcpy(at, path->segments, segments);
    copy->segments = (const clew_path_segment *)(const void *)at;
    at += segments;
    if (spans)
        memcpy(at, path->spans, spans);
    copy->spans = (const clew_path_span *)(const void *)at;
    return copy;
}

clew_critical_path *clew_critical_path_new(const clew_trace *trace, const clew_path_options *options) {
    if (!trace)
        return NULL;
    struct clew__path_workspace workspace = {0};
    const clew_critical_path *path = clew__path_compute(&workspace, trace, options);
    clew_critical_path *copy = path ? copy_path(path) : NULL;
    clew__path_workspace_fini(&workspace);
    return copy;
}

void clew_critical_path_free(clew_critical_path *path) {
    clew_memory_release(path);
}
