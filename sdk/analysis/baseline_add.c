/* Adding a trace to a baseline. One thread at a time.
 *
 * First everything gets its place, which may fail and changes no number; then it is counted, which cannot
 * fail but for single values of distributions. */
#include "sdk/analysis/baseline.h"

#include "sdk/analysis/arrange.h"
#include "sdk/containers/arena.h"
#include "sdk/containers/grow.h"
#include "sdk/containers/keys.h"
#include "sdk/containers/sort.h"
#include "sdk/path/callee.h"

#include <clew/analysis/errors.h>
#include <clew/extend.h>

/* What a span adds to one row of one request. */
struct entry {
    uint32_t request, row;
    uint64_t value;
    bool is_call, is_error;
    bool is_part; /* of the request's time */
};

/* Of a span on the path of its own request. */
struct own {
    uint64_t self, gap;
    uint32_t callee; /* of the gap */
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
    struct own *own;      /* of a span */
    uint32_t *roots;      /* of a request: its row */
    uint32_t *shapes;
    struct entry *entries;
    uint32_t entry_count, entry_capacity;
    struct clew__sort_key *keys; /* of entries by request and row; then as many to spare */
    uint32_t *sums;              /* of a group's first key */
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
    clew__sort_keys(keys, keys + adding->entry_count, count, NULL, NULL);
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

static bool enter_row(struct adding *adding, const struct entry *entry) {
    if (!clew__array_reserve(&adding->entries, &adding->entry_capacity, (uint64_t)adding->entry_count + 1,
                             sizeof *adding->entries))
        return false;
    adding->entries[adding->entry_count++] = *entry;
    return true;
}

static bool enter(struct adding *adding, const struct clew__row_texts *texts, struct entry *entry) {
    return clew__baseline_place(adding->baseline, adding->roots[entry->request], texts, &entry->row) &&
           enter_row(adding, entry);
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
    struct entry entry = {
        .request = request, .is_call = true, .value = adding->path->spans[measured].duration};
    clew_trace_span span;
    clew_trace_span_at(adding->trace, measured, &span);
    entry.is_error = clew_trace_span_has_failed(&span);
    return enter(adding, &texts, &entry);
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

static bool enter_part(struct adding *adding, uint32_t request, const struct clew__row_texts *texts,
                       uint64_t nano) {
    struct entry entry = {.request = request, .is_part = true, .value = nano};
    return nano == 0 || enter(adding, texts, &entry);
}

static bool enter_node(struct adding *adding, uint32_t at, const clew_trace_span *span) {
    const struct own *own = &adding->own[at];
    uint32_t request = adding->request_of[at];
    struct clew__row_texts texts = {.kind = CLEW_COMPARISON_NODE, .a = span->service, .b = span->operation};
    struct entry entry = {.request = request, .is_part = true, .is_call = true, .value = own->self};
    entry.is_error = clew_trace_span_has_failed(span);
    if (!enter(adding, &texts, &entry))
        return false;
    if (own->gap > 0) {
        texts = edge_texts(adding, CLEW_COMPARISON_EDGE_GAP, at, own->callee);
        if (!enter_part(adding, request, &texts, own->gap))
            return false;
    }
    return enter_calls(adding, request, at, span->kind);
}

static bool enter_span(struct adding *adding, uint32_t at) {
    static const struct clew__row_texts missing = {.kind = CLEW_COMPARISON_MISSING};
    const struct own *own = &adding->own[at];
    struct clew__row_texts texts = {.kind = CLEW_COMPARISON_CONTEXT, .number = CLEW__NO_ROW};
    struct entry entry = {.request = adding->request_of[at], .is_call = true, .value = own->self + own->gap};
    clew_trace_span span;
    adding->contexts[at] = CLEW__NO_ROW;
    if (entry.request == CLEW_NO_SPAN)
        return true;
    clew_trace_span_at(adding->trace, at, &span);
    entry.is_error = clew_trace_span_has_failed(&span);
    texts.a = span.service;
    texts.b = span.operation;
    if (span.parent < adding->path->span_count)
        texts.number = adding->contexts[span.parent];
    if (!enter(adding, &texts, &entry))
        return false;
    adding->contexts[at] = entry.row;
    return span.is_phantom ? enter_part(adding, entry.request, &missing, own->self)
                           : enter_node(adding, at, &span);
}

/* A recorded wait brings segments of spans of another request, which have no context in this one; and there
 * are times when nothing runs. */
static bool enter_foreign(struct adding *adding, uint32_t request, const clew_path_segment *segment) {
    struct clew__row_texts texts = {.kind = CLEW_COMPARISON_IDLE};
    clew_trace_span span;
    if (segment->kind == CLEW_SEGMENT_MISSING) {
        texts.kind = CLEW_COMPARISON_MISSING;
    } else if (segment->kind == CLEW_SEGMENT_EDGE_GAP) {
        texts = edge_texts(adding, CLEW_COMPARISON_EDGE_GAP, segment->span, segment->callee);
    } else if (clew_trace_span_at(adding->trace, segment->span, &span)) {
        texts =
            (struct clew__row_texts){.kind = CLEW_COMPARISON_NODE, .a = span.service, .b = span.operation};
    }
    return enter_part(adding, request, &texts, segment->end_unix_nano - segment->start_unix_nano);
}

static void take_own(struct own *own, const clew_path_segment *segment) {
    uint64_t nano = segment->end_unix_nano - segment->start_unix_nano;
    if (segment->kind != CLEW_SEGMENT_EDGE_GAP) {
        own->self += nano;
        return;
    }
    own->gap += nano;
    own->callee = segment->callee;
}

static bool enter_segment(struct adding *adding, uint32_t request, const clew_path_segment *segment) {
    if (segment->span >= adding->path->span_count || adding->request_of[segment->span] != request)
        return enter_foreign(adding, request, segment);
    take_own(&adding->own[segment->span], segment);
    return true;
}

static bool enter_all(struct adding *adding) {
    for (uint32_t i = 0; i < adding->path->root_count; i++) {
        const clew_path_root *root = &adding->path->roots[i];
        for (uint32_t j = 0; j < root->segment_count; j++) {
            if (!enter_segment(adding, i, &adding->path->segments[root->first_segment + j]))
                return false;
        }
    }
    for (uint32_t i = 0; i < adding->ordered; i++) {
        if (!enter_span(adding, adding->order[i]))
            return false;
    }
    return true;
}

/* Every span of a request has an entry, so there is room for the spans, too. */
static bool make_keys(struct adding *adding) {
    size_t count = adding->entry_count;
    adding->keys = (struct clew__sort_key *)clew_memory_allocate((2 * count + 1) * sizeof *adding->keys);
    adding->sums = (uint32_t *)clew_memory_allocate((count + 1) * sizeof *adding->sums);
    return adding->keys && adding->sums;
}

static void sort_entries(struct adding *adding) {
    for (uint32_t i = 0; i < adding->entry_count; i++) {
        const struct entry *entry = &adding->entries[i];
        adding->keys[i] =
            (struct clew__sort_key){.first = (uint64_t)entry->request << 32 | entry->row, .index = i};
    }
    clew__sort_keys(adding->keys, adding->keys + adding->entry_count, adding->entry_count, NULL, NULL);
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

static void keep_value(struct clew_baseline *baseline, struct clew__row *row, uint64_t value) {
    if (clew_sketch_add(&row->values, value, 1) != CLEW_OK)
        clew__saturated_add(&baseline->lost, 1);
}

static void count_group(struct adding *adding, uint32_t begin, uint32_t end) {
    struct clew_baseline *baseline = adding->baseline;
    struct clew__row *row = clew__row_at(baseline, adding->entries[adding->keys[begin].index].row);
    bool is_of_request = clew__is_of_request((clew_comparison_kind)row->key.kind);
    uint64_t calls = 0, nano = 0;
    if (adding->sums[begin] != CLEW__TABLE_NONE)
        clew__shape_sum_at(baseline, adding->sums[begin])->nano += part_of(adding, begin, end);
    if (row->key.kind == CLEW_COMPARISON_OTHER) {
        clew__saturated_add(&baseline->overflowed, 1);
        return;
    }
    for (uint32_t i = begin; i < end; i++) {
        const struct entry *entry = &adding->entries[adding->keys[i].index];
        calls += entry->is_call;
        nano += entry->value;
        clew__saturated_add(&row->errors, entry->is_error);
        if (!is_of_request)
            keep_value(baseline, row, entry->value);
    }
    clew__saturated_add(&row->calls, calls);
    clew__saturated_add(&row->squares, calls * calls);
    clew__saturated_add(&row->nano, nano);
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
        clew__saturated_add(&row->errors, clew_trace_span_has_failed(&span));
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

static bool begin_adding(struct adding *adding) {
    struct clew__arena *arena = &adding->arena;
    size_t spans = adding->path->span_count, requests = adding->path->root_count;
    adding->order = clew__trace_order(adding->trace, &adding->ordered);
    adding->request_of = (uint32_t *)clew__arena_take(arena, spans, sizeof *adding->request_of);
    adding->contexts = (uint32_t *)clew__arena_take(arena, spans, sizeof *adding->contexts);
    adding->chains = (uint64_t *)clew__arena_take(arena, spans, sizeof *adding->chains);
    adding->own = (struct own *)clew__arena_take(arena, spans, sizeof *adding->own);
    adding->roots = (uint32_t *)clew__arena_take(arena, requests, sizeof *adding->roots);
    adding->shapes = (uint32_t *)clew__arena_take(arena, requests, sizeof *adding->shapes);
    return adding->order && adding->request_of && adding->contexts && adding->chains && adding->own &&
           adding->roots && adding->shapes &&
           clew__relations_find(&adding->baseline->relations, adding->trace, NULL, false);
}

static bool place_all(struct adding *adding) {
    find_requests(adding);
    if (!place_roots(adding) || !enter_all(adding) || !make_keys(adding) || !place_shapes(adding))
        return false;
    sort_entries(adding);
    return place_sums(adding);
}

static void end_adding(struct adding *adding) {
    clew_memory_release(adding->order);
    clew_memory_release(adding->entries);
    clew_memory_release(adding->keys);
    clew_memory_release(adding->sums);
    clew__arena_fini(&adding->arena);
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
    clew__saturated_add(&baseline->dropped, baseline->traces == traces);
    end_adding(&adding);
    return result;
}
