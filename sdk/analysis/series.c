/* Owns the rows of the table of operations: what is counted of one operation or service. One thread at a
 * time. */
#include "sdk/analysis/operations.h"

#include <clew/extend.h>

#include <string.h>

/* ---- spans to look at ---- */

static uint64_t rank_of(const struct clew__pick *pick, uint32_t suffix) {
    uint64_t halves[2];
    memcpy(halves, pick->trace_id, sizeof halves);
    return clew__mix(halves[0] ^ clew__mix(halves[1] ^ clew__mix(pick->span_id + suffix)));
}

/* One of them, without its texts. */
static struct clew__pick pick_of(const struct clew__series_span *span) {
    struct clew__pick pick = {
        .start = span->start, .nano = span->end - span->start, .span_id = span->record->id, .is_there = true};
    memcpy(pick.trace_id, span->trace->id, sizeof pick.trace_id);
    pick.rank = rank_of(&pick, span->trace->nodes[span->node].suffix);
    return pick;
}

/* Of two that are alike in all else. */
static bool has_smaller_id(const struct clew__pick *a, const struct clew__pick *b) {
    int order = memcmp(a->trace_id, b->trace_id, sizeof a->trace_id);
    if (order != 0)
        return order < 0;
    return a->span_id != b->span_id ? a->span_id < b->span_id : a->rank < b->rank;
}

static bool is_slower(const struct clew__pick *a, const struct clew__pick *b) {
    if (!b->is_there || a->nano != b->nano)
        return !b->is_there || a->nano > b->nano;
    return has_smaller_id(a, b);
}

static bool ranks_before(const struct clew__pick *a, const struct clew__pick *b) {
    if (!b->is_there || a->rank != b->rank)
        return !b->is_there || a->rank < b->rank;
    return has_smaller_id(a, b);
}

/* Where the ids are to be had from: a span, or the texts of another pick. */
struct id_source {
    const struct clew__series_span *span;
    const char *texts;
};

static size_t texts_size(const char *texts) {
    size_t first = strlen(texts) + 1;
    return first + strlen(texts + first) + 1;
}

static bool copy_texts(struct clew__pick *pick, const char *texts, size_t size) {
    pick->texts = clew_memory_allocate(size);
    if (pick->texts)
        memcpy(pick->texts, texts, size);
    return pick->texts != NULL;
}

static bool take_texts(struct clew__pick *pick, struct id_source source) {
    char texts[2 * CLEW_ID_TEXT_SIZE];
    const struct clew__series_span *span = source.span;
    pick->texts = NULL;
    if (source.texts)
        return copy_texts(pick, source.texts, texts_size(source.texts));
    if (!span || (!span->trace->id_text && !span->record->id_text && !span->trace->nodes[span->node].suffix))
        return true;
    size_t size = clew_trace_id_text(span->trace, texts) + 1;
    size += clew_trace_span_id_text(span->trace, span->node, texts + size) + 1;
    return copy_texts(pick, texts, size);
}

static bool replace_pick(struct clew__pick *at, struct clew__pick pick, struct id_source source) {
    if (!take_texts(&pick, source))
        return false;
    clew_memory_release(at->texts);
    *at = pick;
    return true;
}

static bool take_sample(struct clew__series *row, struct clew__pick pick, struct id_source source) {
    struct clew__pick *last = &row->samples[CLEW__SERIES_SAMPLES - 1];
    if (!ranks_before(&pick, last))
        return true;
    if (!replace_pick(last, pick, source))
        return false;
    for (; last > row->samples && ranks_before(last, last - 1); last--) {
        struct clew__pick before = last[-1];
        last[-1] = *last;
        *last = before;
    }
    return true;
}

static bool take_slowest(struct clew__pick *at, const struct clew__pick *pick, struct id_source source) {
    return !is_slower(pick, at) || replace_pick(at, *pick, source);
}

/* ---- errors ---- */

static bool grow_error_types(struct clew__series *row) {
    uint32_t capacity = row->error_type_capacity ? row->error_type_capacity * 2 : 2;
    struct clew__error_type *grown = clew_memory_reallocate(row->error_types, capacity * sizeof *grown);
    if (!grown)
        return false;
    row->error_types = grown;
    row->error_type_capacity = capacity;
    return true;
}

static uint32_t find_error_type(const struct clew__series *row, clew__text type) {
    uint32_t at = 0;
    while (at < row->error_type_count && row->error_types[at].type != type)
        at++;
    return at;
}

static bool count_error_type(struct clew__series *row, clew__text type, uint64_t errors, uint32_t limit,
                             clew__text other) {
    if (errors == 0)
        return true;
    uint32_t at = find_error_type(row, type);
    if (at == row->error_type_count && at >= limit) {
        type = other;
        at = find_error_type(row, type);
    }
    if (at == row->error_type_count) {
        if (at == row->error_type_capacity && !grow_error_types(row))
            return false;
        row->error_types[row->error_type_count++] = (struct clew__error_type){.type = type};
    }
    row->error_types[at].errors = clew__saturated_sum(row->error_types[at].errors, errors);
    return true;
}

/* ---- counting ---- */

static bool count_failure(struct clew__series *row, const struct clew__series_span *span,
                          const struct clew__pick *pick, uint32_t limit, clew__text other) {
    uint64_t weight = span->record->weight;
    clew__saturated_add(&row->errors, weight);
    if (span->is_entry)
        clew__saturated_add(&row->entry_errors, weight);
    bool counted = count_error_type(row, span->error_type, weight, limit, other);
    return take_slowest(&row->error, pick, (struct id_source){.span = span}) && counted;
}

bool clew__series_count(struct clew__series *row, const struct clew__series_span *span,
                        uint32_t error_type_limit, clew__text other) {
    const struct clew__record *record = span->record;
    uint32_t http_class = record->http_status / 100;
    struct id_source source = {.span = span};
    struct clew__pick pick = pick_of(span);
    bool is_counted = true;
    row->spans++;
    clew__saturated_add(&row->calls, record->weight);
    if (span->is_entry)
        clew__saturated_add(&row->entry_calls, record->weight);
    clew__saturated_add(&row->http_classes[http_class < CLEW_HTTP_CLASSES ? http_class : 0], record->weight);
    if (clew__record_has_failed(record))
        is_counted = count_failure(row, span, &pick, error_type_limit, other);
    if (record->flags & CLEW__RECORD_OPEN)
        return is_counted;
    if (clew_sketch_add_weighted(&row->duration, pick.nano, record->weight) != CLEW_OK)
        is_counted = false;
    return take_slowest(&row->slow, &pick, source) && take_sample(row, pick, source) && is_counted;
}

/* ---- merging ---- */

static bool merge_pick(struct clew__pick *into, const struct clew__pick *from) {
    return !from->is_there || take_slowest(into, from, (struct id_source){.texts = from->texts});
}

static bool merge_samples(struct clew__series *into, const struct clew__series *from) {
    bool merged = true;
    for (uint32_t i = 0; i < CLEW__SERIES_SAMPLES && from->samples[i].is_there; i++)
        merged = take_sample(into, from->samples[i], (struct id_source){.texts = from->samples[i].texts}) &&
                 merged;
    return merged;
}

bool clew__series_merge(struct clew__series *into, const struct clew__series *from,
                        const clew__text *error_types, uint32_t error_type_limit, clew__text other) {
    bool merged = true;
    into->spans += from->spans;
    into->path_traces += from->path_traces;
    clew__saturated_add(&into->calls, from->calls);
    clew__saturated_add(&into->errors, from->errors);
    clew__saturated_add(&into->entry_calls, from->entry_calls);
    clew__saturated_add(&into->entry_errors, from->entry_errors);
    for (uint32_t i = 0; i < CLEW_HTTP_CLASSES; i++)
        clew__saturated_add(&into->http_classes[i], from->http_classes[i]);
    into->self = clew__wide_sum(into->self, from->self);
    into->critical = clew__wide_sum(into->critical, from->critical);
    for (uint32_t i = 0; i < from->error_type_count; i++)
        merged = count_error_type(into, error_types[from->error_types[i].type], from->error_types[i].errors,
                                  error_type_limit, other) &&
                 merged;
    if (clew_sketch_merge(&into->duration, &from->duration) != CLEW_OK)
        merged = false;
    merged = merge_pick(&into->slow, &from->slow) && merged;
    merged = merge_pick(&into->error, &from->error) && merged;
    return merge_samples(into, from) && merged;
}

void clew__series_fini(struct clew__series *row) {
    clew__sketch_fini(&row->duration);
    clew_memory_release(row->error_types);
    clew_memory_release(row->slow.texts);
    clew_memory_release(row->error.texts);
    for (uint32_t i = 0; i < CLEW__SERIES_SAMPLES; i++)
        clew_memory_release(row->samples[i].texts);
}
