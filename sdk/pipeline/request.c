/* Builds requests: lengths first, then one copy of every span. Called by the worker, and by simple pipelines
 * on the thread that ends a span. */
#include "sdk/pipeline/request.h"

#include "proto/otlp.h"
#include "sdk/base/buffer.h"
#include "sdk/base/memory.h"

#include <stdlib.h>

struct entry {
    const struct clew__scope *scope;
    const uint8_t *bytes;
    uint32_t size;
    uint32_t order;
};

static size_t block_size(size_t request_size) {
    return sizeof(struct clew__outgoing) + request_size;
}

void clew__outgoing_unref(struct clew__outgoing *outgoing) {
    if (!outgoing || atomic_fetch_sub_explicit(&outgoing->references, 1, memory_order_acq_rel) != 1)
        return;
    clew_budget_give(outgoing->charged);
    clew__block_free(outgoing, block_size(outgoing->batch.request.size));
}

/* Memory for a request; over the budget when `must`. */
static struct clew__outgoing *outgoing_new(size_t size, size_t count, bool must) {
    size_t charge = block_size(size);
    struct clew__outgoing *outgoing;
    bool charged = clew_budget_take(charge);
    if (!charged && !must)
        return NULL;
    outgoing = clew__block_new(charge);
    if (!outgoing) {
        if (charged)
            clew_budget_give(charge);
        return NULL;
    }
    outgoing->charged = charged ? charge : 0;
    atomic_init(&outgoing->references, 1);
    outgoing->batch.request.data = outgoing->data;
    outgoing->batch.request.size = size;
    outgoing->batch.count = count;
    return outgoing;
}

static size_t member_size(size_t content) {
    return 1 + clew__varint_size(content) + content;
}

static int by_scope_then_order(const void *left, const void *right) {
    const struct entry *a = left, *b = right;
    if (a->scope != b->scope)
        return (uintptr_t)a->scope < (uintptr_t)b->scope ? -1 : 1;
    return a->order < b->order ? -1 : 1;
}

/* The content size of the ScopeSpans that starts at `first`; `*past` is the first entry of another scope. */
static size_t group_size(const struct entry *entries, size_t count, size_t first, size_t *past) {
    const struct clew__scope *scope = entries[first].scope;
    size_t size = scope->head_size + scope->tail_size;
    for (*past = first; *past < count && entries[*past].scope == scope; ++*past)
        size += entries[*past].size;
    return size;
}

static struct clew__outgoing *build(clew_bytes resource, const struct entry *entries, size_t count,
                                    bool must) {
    size_t content = resource.size, past;
    struct clew__outgoing *outgoing;
    uint8_t *at;
    for (size_t i = 0; i < count; i = past)
        content += member_size(group_size(entries, count, i, &past));
    outgoing = outgoing_new(member_size(content), count, must);
    if (!outgoing)
        return NULL;
    at = clew__put_tag(outgoing->data, CLEW__TRACES_RESOURCE_SPANS, CLEW__WIRE_BYTES);
    at = clew__put_varint(at, content);
    if (resource.size)
        memcpy(at, resource.data, resource.size);
    at += resource.size;
    for (size_t i = 0; i < count; i = past) {
        const struct clew__scope *scope = entries[i].scope;
        size_t size = group_size(entries, count, i, &past);
        at = clew__put_tag(at, CLEW__RESOURCE_SPANS_SCOPE_SPANS, CLEW__WIRE_BYTES);
        at = clew__put_varint(at, size);
        if (scope->head_size)
            memcpy(at, scope->head, scope->head_size);
        at += scope->head_size;
        for (size_t k = i; k < past; k++) {
            memcpy(at, entries[k].bytes, entries[k].size);
            at += entries[k].size;
        }
        if (scope->tail_size)
            memcpy(at, scope->tail, scope->tail_size);
        at += scope->tail_size;
    }
    return outgoing;
}

/* The first `limit` records of the chunks, in order. */
static size_t list_entries(const struct clew__chunk *chunks, size_t limit, struct entry *entries) {
    size_t count = 0;
    for (const struct clew__chunk *chunk = chunks; chunk && count < limit; chunk = chunk->next)
        for (uint32_t offset = chunk->begin; offset < chunk->end && count < limit; count++) {
            struct clew__record record;
            entries[count].bytes = clew__chunk_record(chunk, offset, &record, &offset);
            entries[count].scope = record.scope;
            entries[count].size = record.size;
            entries[count].order = (uint32_t)count;
        }
    return count;
}

static void consume(struct clew__chunk *chunks, size_t count) {
    for (struct clew__chunk *chunk = chunks; chunk && count > 0; chunk = chunk->next)
        while (chunk->begin < chunk->end && count > 0) {
            struct clew__record record;
            clew__chunk_record(chunk, chunk->begin, &record, &chunk->begin);
            chunk->spans--;
            count--;
        }
}

struct clew__outgoing *clew__request_build(struct clew__origin *origin, struct clew__chunk *chunks,
                                           size_t limit) {
    struct entry *entries;
    struct clew__outgoing *outgoing = NULL;
    size_t count = 0;
    for (const struct clew__chunk *chunk = chunks; chunk && count < limit; chunk = chunk->next)
        count += chunk->spans;
    count = count < limit ? count : limit;
    entries = clew_memory_allocate(count * sizeof *entries);
    if (!entries)
        return NULL;
    while (!outgoing && count > 0) {
        bool one_scope = true;
        size_t listed = list_entries(chunks, count, entries);
        if (listed == 0)
            break;
        for (size_t i = 1; i < listed; i++)
            one_scope &= entries[i].scope == entries[0].scope;
        if (!one_scope)
            qsort(entries, listed, sizeof *entries, by_scope_then_order);
        outgoing = build(clew__origin_bytes(origin), entries, listed, listed == 1);
        count = listed / 2;
    }
    if (outgoing)
        consume(chunks, outgoing->batch.count);
    clew_memory_release(entries);
    return outgoing;
}

struct clew__outgoing *clew__request_of_span(struct clew__origin *origin, const struct clew__scope *scope,
                                             const void *span, size_t span_size) {
    clew_bytes resource = clew__origin_bytes(origin);
    size_t scope_size = scope->head_size + scope->tail_size + member_size(span_size);
    size_t content = resource.size + member_size(scope_size);
    struct clew__outgoing *outgoing = outgoing_new(member_size(content), 1, false);
    uint8_t *at;
    if (!outgoing)
        return NULL;
    at = clew__put_tag(outgoing->data, CLEW__TRACES_RESOURCE_SPANS, CLEW__WIRE_BYTES);
    at = clew__put_varint(at, content);
    if (resource.size)
        memcpy(at, resource.data, resource.size);
    at = clew__put_tag(at + resource.size, CLEW__RESOURCE_SPANS_SCOPE_SPANS, CLEW__WIRE_BYTES);
    at = clew__put_varint(at, scope_size);
    if (scope->head_size)
        memcpy(at, scope->head, scope->head_size);
    at = clew__put_tag(at + scope->head_size, CLEW__SCOPE_SPANS_SPANS, CLEW__WIRE_BYTES);
    at = clew__put_varint(at, span_size);
    memcpy(at, span, span_size);
    if (scope->tail_size)
        memcpy(at + span_size, scope->tail, scope->tail_size);
    return outgoing;
}

struct clew__outgoing *clew__request_copy(clew_bytes request, size_t count) {
    struct clew__outgoing *outgoing = outgoing_new(request.size, count, false);
    if (outgoing)
        memcpy(outgoing->data, request.data, request.size);
    return outgoing;
}
