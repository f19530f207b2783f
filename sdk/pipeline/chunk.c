/* No state. */
#include "sdk/pipeline/chunk.h"

#include "proto/otlp.h"
#include "sdk/base/memory.h"

/* A body's block holds, in front of the span's bytes: the chunk, a record, a tag of one byte and a length. */
_Static_assert(sizeof(struct clew__chunk) + CLEW__RECORD_SIZE + 1 + 5 <= CLEW__BODY_HEADROOM,
               "a body leaves room to become a chunk");

struct clew__chunk *clew__chunk_new(uint32_t capacity) {
    size_t size = sizeof(struct clew__chunk) + capacity;
    struct clew__chunk *chunk = clew__charged_new(size);
    if (!chunk)
        return NULL;
    memset(chunk, 0, sizeof *chunk);
    chunk->block_size = (uint32_t)size;
    chunk->capacity = capacity;
    return chunk;
}

void clew__chunk_free(struct clew__chunk *chunk) {
    if (chunk)
        clew__charged_free(chunk, chunk->block_size);
}

size_t clew__chunk_need(size_t span_size) {
    return CLEW__RECORD_SIZE + 1 + clew__varint_size(span_size) + span_size;
}

static uint8_t *put_record(uint8_t *at, const struct clew__scope *scope, size_t span_size) {
    uint32_t size = (uint32_t)(1 + clew__varint_size(span_size) + span_size);
    memcpy(at, &scope, sizeof scope);
    memcpy(at + sizeof scope, &size, sizeof size);
    at = clew__put_tag(at + CLEW__RECORD_SIZE, CLEW__SCOPE_SPANS_SPANS, CLEW__WIRE_BYTES);
    return clew__put_varint(at, span_size);
}

void clew__chunk_append(struct clew__chunk *chunk, const struct clew__scope *scope, const void *span,
                        size_t span_size) {
    uint8_t *at = put_record(chunk->data + chunk->end, scope, span_size);
    memcpy(at, span, span_size);
    chunk->end = (uint32_t)(at + span_size - chunk->data);
    chunk->spans++;
    chunk->credits--;
}

const uint8_t *clew__chunk_record(const struct clew__chunk *chunk, uint32_t offset,
                                  struct clew__record *record, uint32_t *next) {
    const uint8_t *at = chunk->data + offset;
    memcpy(&record->scope, at, sizeof record->scope);
    memcpy(&record->size, at + sizeof record->scope, sizeof record->size);
    *next = offset + CLEW__RECORD_SIZE + record->size;
    return at + CLEW__RECORD_SIZE;
}

struct clew__chunk *clew__chunk_from_body(void *block, uint32_t block_size, const struct clew__scope *scope,
                                          size_t span_size) {
    struct clew__chunk *chunk = block;
    size_t record = clew__chunk_need(span_size) - span_size;
    memset(chunk, 0, sizeof *chunk);
    chunk->block_size = block_size;
    chunk->capacity = block_size - (uint32_t)sizeof *chunk;
    chunk->begin = (uint32_t)(CLEW__BODY_HEADROOM - sizeof *chunk - record);
    chunk->end = (uint32_t)(CLEW__BODY_HEADROOM - sizeof *chunk + span_size);
    chunk->spans = 1;
    put_record(chunk->data + chunk->begin, scope, span_size);
    return chunk;
}
