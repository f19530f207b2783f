/* Adding a trace to a baseline. One thread at a time.
 *
 * First everything gets its place, which may fail and changes no number; then it is counted, which cannot
 * fail but for single values of distributions. */
#include "sdk/analysis/baseline.h"

#include "sdk/analysis/arena.h"
#include "sdk/analysis/arrange.h"
#include "sdk/analysis/callee.h"
#include "sdk/analysis/keys.h"
#include "sdk/analysis/sort.h"

#include <clew/analysis/errors.h>
#include <clew/extend.h>

/* What one span or segment adds to one row of one request. */
struct entry {
    uint32_t row;
    uint32_t calls, errors;
    bool is_part; /* of the request's time */
    uint64_t value;
};

struct adding {
    struct clew_baseline *baseline;
    const clew_trace *trace;
    const clew_critical_path *path;
    struct clew__arena arena;
    uint32_t *order; /* spans, parents first */
    uint32_t ordered;
    uint32_t *request_of; /* of a span, or CLEW_NO_SPAN */
    uint32_t *contexts;   /* of a span: its row */
    uint64_t *chains;     /* of a span: a hash of its names and of those above it */
    uint32_t *roots;      /* of a request: its row */
    uint32_t *shapes;
    struct entry *entries;
    struct clew__sort_key *keys; /* of entries by request and row; then as many to spare */
    uint32_t *sums;              /* of a group's first key */
    uint32_t entry_count, entry_capacity;
};

/* ---- hashes that are the same everywhere ---- */

/* FNV-1a (Fowler, Noll, Vo). */
#define HASH_START UINT64_C(0xcbf29ce484222325)
#define HASH_PRIME UINT64_C(0x100000001b3)

static uint64_t hash_text(uint64_t hash, clew_text text) {
    for (size_t i = 0; i < text.size; i++)
        hash = (hash ^ (uint8_t)text.data[i]) * HASH_PRIME;
    return clew__mix(hash ^ text.size);
}

static uint64_t hash_chain(uint64_t above, const clew_trace_span *span) {
    return hash_text(hash_text(clew__mix(above + HASH_START), span->service), span->operation);
}

/* ---- requests ---- */

static bool is_whole(const struct adding *adding) {
    return adding->path->root_count == 1 && adding->path->roots[0].span == CLEW_NO_SPAN;
}

static void find_requests(struct adding *adding) {
    const clew_critical_path *path = adding->path;
    for (uint32_t i = 0; i < path->span_count; i++)
        adding->request_of[i] = is_whole(adding) ? 0 : CLEW_NO_SPAN;
    for (uint32_t i = 0; i < path->root_count; i++) {
        if (path->roots[i].span < path->span_count)
            adding->request_of[path->roots[i].span] = i;
    }
    for (uint32_t i = 0; i < adding->ordered; i++) {
        uint32_t at = adding->order[i];
        clew_trace_span span;
        clew_trace_span_at(adding->trace, at, &span);
        if (adding->request_of[at] == CLEW_NO_SPAN && span.parent < path->span_count)
            adding->request_of[at] = adding->request_of[span.parent];
        adding->chains[at] =
            hash_chain(span.parent < path->span_count ? adding->chains[span.parent] : 0, &span);
    }
}

/* The set of contexts, in whatever order and however often they occur. */
static bool place_shapes(struct adding *adding) {
    struct clew__sort_key *keys = adding->keys;
    uint32_t count = 0;
    for (uint32_t i = 0; i < adding->path->span_count; i++) {
        if (adding->request_of[i] != CLEW_NO_SPAN)
            keys[count++] =
                (struct clew__sort_key){.first = adding->request_of[i], .second = adding->chains[i]};
    }
    clew__sort_keys(keys, keys + adding->entry_capacity, count, NULL, NULL);
    for (uint32_t request = 0, at = 0; request < adding->path->root_count; request++) {
        uint64_t hash = HASH_START, before = 0;
        for (; at < count && keys[at].first == request; before = keys[at++].second) {
            if (keys[at].second != before)
                hash = clew__mix(hash ^ keys[at].second);
        }
        if (!clew__baseline_place_shape(adding->baseline, adding->roots[request], hash ? hash : 1,
                                        &adding->shapes[request]))
            return false;
    }
    return true;
}

static bool place_roots(struct adding *adding) {
    for (uint32_t i = 0; i < adding->path->root_count; i++) {
        struct clew__row_texts texts = {.kind = CLEW_COMPARISON_ROOT, .number = CLEW__ROOT_TRACE};
        clew_trace_span span;
        if (clew_trace_span_at(adding->trace, adding->path->roots[i].span, &span)) {
            texts.number = span.is_phantom ? CLEW__ROOT_MISSING : CLEW__ROOT_SPAN;
            texts.a = span.service;
            texts.b = span.operation;
        }
        if (!clew__baseline_place(adding->baseline, 0, &texts, &adding->roots[i]))
            return false;
    }
    return true;
}

/* ---- entries ---- */

/* Room is there: entries were counted before. */
static bool enter(struct adding *adding, uint32_t request, const struct clew__row_texts *texts,
                  struct entry entry, uint32_t *row) {
    uint32_t index = adding->entry_count;
    if (!clew__baseline_place(adding->baseline, adding->roots[request], texts, &entry.row))
        return false;
    adding->entries[index] = entry;
    adding->keys[index] =
        (struct clew__sort_key){.first = (uint64_t)request << 32 | entry.row, .index = index};
    adding->entry_count++;
    if (row)
        *row = entry.row;
    return true;
}

/* The other side of a call and what was asked of it. */
static struct clew__row_texts edge_texts(const struct adding *adding, clew_comparison_kind kind,
                                         uint32_t caller, uint32_t callee) {
    const clew_path_segment segment = {.span = caller, .callee = callee, .kind = CLEW_SEGMENT_EDGE_GAP};
    struct clew__row_texts texts = {.kind = kind, .a = clew_path_callee(adding->trace, &segment)};
    clew_trace_span span;
    clew_trace_span_at(adding->trace, caller, &span);
    texts.client = span.service;
    texts.b = span.operation;
    if (clew_trace_span_at(adding->trace, callee, &span))
        texts.b = span.operation;
    return texts;
}

static bool enter_call(struct adding *adding, uint32_t request, clew_comparison_kind kind, uint32_t caller,
                       uint32_t callee) {
    struct clew__row_texts texts = edge_texts(adding, kind, caller, callee);
    uint32_t measured = kind == CLEW_COMPARISON_EDGE_CLIENT ? caller : callee;
    struct entry entry = {.calls = 1, .value = adding->path->spans[measured].duration};
    clew_trace_span span;
    clew_trace_span_at(adding->trace, measured, &span);
    entry.errors = clew_trace_span_has_failed(&span);
    return enter(adding, request, &texts, entry, NULL);
}

/* Of a caller that is no client the duration is not that of the call. */
static bool enter_calls(struct adding *adding, uint32_t request, uint32_t at, clew_span_kind kind) {
    uint32_t callee;
    bool is_client = kind != CLEW_SERVER && kind != CLEW_CONSUMER && kind != CLEW_INTERNAL;
    if (clew__segment_kind_of(&adding->baseline->relations, at, &callee) != CLEW_SEGMENT_EDGE_GAP)
        return true;
    if (is_client && !enter_call(adding, request, CLEW_COMPARISON_EDGE_CLIENT, at, callee))
        return false;
    return callee == CLEW_NO_SPAN || enter_call(adding, request, CLEW_COMPARISON_EDGE_SERVER, at, callee);
}

static bool enter_span(struct adding *adding, uint32_t at) {
    uint32_t request = adding->request_of[at];
    struct clew__row_texts texts = {.kind = CLEW_COMPARISON_CONTEXT, .number = CLEW__NO_ROW};
    struct entry entry = {.calls = 1};
    clew_trace_span span;
    adding->contexts[at] = CLEW__NO_ROW;
    if (request == CLEW_NO_SPAN)
        return true;
    clew_trace_span_at(adding->trace, at, &span);
    entry.errors = clew_trace_span_has_failed(&span);
    texts.a = span.service;
    texts.b = span.operation;
    if (span.parent < adding->path->span_count)
        texts.number = adding->contexts[span.parent];
    if (!enter(adding, request, &texts, entry, &adding->contexts[at]))
        return false;
    if (span.is_phantom)
        return true;
    texts.kind = CLEW_COMPARISON_NODE;
    texts.number = 0;
    return enter(adding, request, &texts, entry, NULL) && enter_calls(adding, request, at, span.kind);
}

static struct clew__row_texts segment_texts(const struct adding *adding, const clew_path_segment *segment) {
    struct clew__row_texts texts = {.kind = CLEW_COMPARISON_IDLE};
    clew_trace_span span;
    if (!clew_trace_span_at(adding->trace, segment->span, &span))
        return texts;
    if (segment->kind == CLEW_SEGMENT_EDGE_GAP)
        return edge_texts(adding, CLEW_COMPARISON_EDGE_GAP, segment->span, segment->callee);
    texts.kind = segment->kind == CLEW_SEGMENT_MISSING ? CLEW_COMPARISON_MISSING : CLEW_COMPARISON_NODE;
    texts.a = span.service;
    texts.b = span.operation;
    return texts;
}

/* A recorded wait brings segments of spans of another request: those have no context in this one. */
static bool enter_segment(struct adding *adding, uint32_t request, const clew_path_segment *segment) {
    struct clew__row_texts texts = segment_texts(adding, segment);
    struct entry entry = {.is_part = true, .value = segment->end_unix_nano - segment->start_unix_nano};
    if (!enter(adding, request, &texts, entry, NULL))
        return false;
    if (segment->span >= adding->path->span_count || adding->request_of[segment->span] != request)
        return true;
    entry.is_part = false;
    entry.row = adding->contexts[segment->span];
    adding->entries[adding->entry_count] = entry;
    adding->keys[adding->entry_count] =
        (struct clew__sort_key){.first = (uint64_t)request << 32 | entry.row, .index = adding->entry_count};
    adding->entry_count++;
    return true;
}

static bool enter_all(struct adding *adding) {
    for (uint32_t i = 0; i < adding->ordered; i++) {
        if (!enter_span(adding, adding->order[i]))
            return false;
    }
    for (uint32_t i = 0; i < adding->path->root_count; i++) {
        const clew_path_root *root = &adding->path->roots[i];
        for (uint32_t j = 0; j < root->segment_count; j++) {
            if (!enter_segment(adding, i, &adding->path->segments[root->first_segment + j]))
                return false;
        }
    }
    return true;
}

/* ---- groups: entries of one request and row ---- */

static uint32_t group_end(const struct adding *adding, uint32_t begin) {
    uint32_t end = begin;
    while (end < adding->entry_count && adding->keys[end].first == adding->keys[begin].first)
        end++;
    return end;
}

static uint64_t part_of(const struct adding *adding, uint32_t begin, uint32_t end) {
    uint64_t nano = 0;
    for (uint32_t i = begin; i < end; i++) {
        const struct entry *entry = &adding->entries[adding->keys[i].index];
        nano += entry->is_part ? entry->value : 0;
    }
    return nano;
}

static bool place_sums(struct adding *adding) {
    for (uint32_t begin = 0, end; begin < adding->entry_count; begin = end) {
        uint64_t first = adding->keys[begin].first;
        end = group_end(adding, begin);
        adding->sums[begin] = CLEW__TABLE_NONE;
        if (part_of(adding, begin, end) == 0)
            continue;
        const struct clew__shape_sum key = {.shape = adding->shapes[first >> 32],
                                            .row = (uint32_t)(first & UINT32_MAX)};
        adding->sums[begin] = clew__table_add(&adding->baseline->sums, &key);
        if (adding->sums[begin] == CLEW__TABLE_NONE)
            return false;
    }
    return true;
}

static void count(uint64_t *sum, uint64_t value) {
    *sum = clew__saturated_sum(*sum, value);
}

static void keep_value(struct clew_baseline *baseline, struct clew__row *row, uint64_t value) {
    if (clew_sketch_add(&row->values, value, 1) != CLEW_OK)
        count(&baseline->lost, 1);
}

static void count_group(struct adding *adding, uint32_t begin, uint32_t end) {
    struct clew_baseline *baseline = adding->baseline;
    struct clew__row *row = clew__row_at(baseline, adding->entries[adding->keys[begin].index].row);
    bool is_of_request = clew__is_of_request((clew_comparison_kind)row->key.kind);
    uint64_t calls = 0, nano = 0;
    if (adding->sums[begin] != CLEW__TABLE_NONE)
        clew__shape_sum_at(baseline, adding->sums[begin])->nano += part_of(adding, begin, end);
    if (row->key.kind == CLEW_COMPARISON_OTHER) {
        count(&baseline->overflowed, 1);
        return;
    }
    for (uint32_t i = begin; i < end; i++) {
        const struct entry *entry = &adding->entries[adding->keys[i].index];
        calls += entry->calls;
        nano += entry->value;
        count(&row->errors, entry->errors);
        if (!is_of_request)
            keep_value(baseline, row, entry->value);
    }
    count(&row->calls, calls);
    count(&row->squares, calls * calls);
    count(&row->nano, nano);
    if (is_of_request && nano > 0)
        keep_value(baseline, row, nano);
}

static void count_request(struct adding *adding, uint32_t request) {
    struct clew_baseline *baseline = adding->baseline;
    const clew_path_root *root = &adding->path->roots[request];
    struct clew__row *row = clew__row_at(baseline, adding->roots[request]);
    struct clew__shape *shape = clew__shape_at(baseline, adding->shapes[request]);
    uint64_t duration = root->end_unix_nano - root->start_unix_nano;
    clew_trace_span span;
    if (clew_trace_span_at(adding->trace, root->span, &span))
        count(&row->errors, clew_trace_span_has_failed(&span));
    row->calls++;
    row->nano += duration;
    keep_value(baseline, row, duration);
    shape->requests++;
    shape->nano += duration;
    if (baseline->requests == 0 || root->start_unix_nano < baseline->start)
        baseline->start = root->start_unix_nano;
    if (baseline->requests == 0 || root->end_unix_nano > baseline->end)
        baseline->end = root->end_unix_nano;
    baseline->requests++;
    baseline->nano += duration;
}

static void count_trace(struct adding *adding) {
    for (uint32_t begin = 0, end; begin < adding->entry_count; begin = end) {
        end = group_end(adding, begin);
        count_group(adding, begin, end);
    }
    for (uint32_t i = 0; i < adding->path->root_count; i++)
        count_request(adding, i);
    adding->baseline->traces++;
}

/* ---- the whole ---- */

static bool fits(const struct clew_baseline *baseline, const clew_critical_path *path) {
    uint64_t nano = baseline->nano;
    for (uint32_t i = 0; i < path->root_count; i++)
        nano = clew__saturated_sum(nano, path->roots[i].end_unix_nano - path->roots[i].start_unix_nano);
    return nano <= CLEW__BASELINE_NANO_MAX &&
           baseline->requests + path->root_count <= CLEW__BASELINE_REQUESTS_MAX;
}

/* A span is in four rows at most, a segment in two. */
static bool begin_adding(struct adding *adding) {
    enum { ROWS_OF_SPAN = 4, ROWS_OF_SEGMENT = 2 };
    struct clew__arena *arena = &adding->arena;
    size_t spans = adding->path->span_count, requests = adding->path->root_count;
    uint64_t entries = spans * ROWS_OF_SPAN + (uint64_t)adding->path->segment_count * ROWS_OF_SEGMENT;
    if (entries > UINT32_MAX / 2)
        return false;
    adding->entry_capacity = (uint32_t)entries;
    adding->order = clew__trace_order(adding->trace, &adding->ordered);
    adding->request_of = (uint32_t *)clew__arena_take(arena, spans, sizeof *adding->request_of);
    adding->contexts = (uint32_t *)clew__arena_take(arena, spans, sizeof *adding->contexts);
    adding->chains = (uint64_t *)clew__arena_take(arena, spans, sizeof *adding->chains);
    adding->roots = (uint32_t *)clew__arena_take(arena, requests, sizeof *adding->roots);
    adding->shapes = (uint32_t *)clew__arena_take(arena, requests, sizeof *adding->shapes);
    adding->entries = (struct entry *)clew__arena_take(arena, entries, sizeof *adding->entries);
    adding->keys = (struct clew__sort_key *)clew__arena_take(arena, entries * 2, sizeof *adding->keys);
    adding->sums = (uint32_t *)clew__arena_take(arena, entries, sizeof *adding->sums);
    return adding->order && adding->request_of && adding->contexts && adding->chains && adding->roots &&
           adding->shapes && adding->entries && adding->keys && adding->sums &&
           clew__relations_find(&adding->baseline->relations, adding->trace, NULL, false);
}

static bool place_all(struct adding *adding) {
    find_requests(adding);
    if (!place_roots(adding) || !place_shapes(adding) || !enter_all(adding))
        return false;
    clew__sort_keys(adding->keys, adding->keys + adding->entry_capacity, adding->entry_count, NULL, NULL);
    return place_sums(adding);
}

int clew_baseline_add(clew_baseline *baseline, const clew_trace *trace, const clew_critical_path *path) {
    struct adding adding = {.baseline = baseline, .trace = trace, .path = path};
    uint64_t lost = baseline->lost, traces = baseline->traces;
    int result = CLEW_ENOMEM;
    if (path->span_count != clew_trace_span_count(trace))
        return CLEW_EINVAL;
    if (!fits(baseline, path)) {
        result = CLEW_ELIMIT;
    } else if (begin_adding(&adding) && place_all(&adding)) {
        count_trace(&adding);
        result = baseline->lost == lost ? CLEW_OK : CLEW_ENOMEM;
    }
    count(&baseline->dropped, baseline->traces == traces);
    clew_memory_release(adding.order);
    clew__arena_fini(&adding.arena);
    return result;
}
