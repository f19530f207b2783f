/* Owns the spare chunks, of the two sizes that threads fill, under a lock: threads that record allocate none
 * once the pipeline is warm. Any thread. */
#include "sdk/pipeline/chunk.h"

#include "proto/otlp.h"
#include "sdk/base/lock.h"
#include "sdk/base/memory.h"
#include "sdk/crash/crash.h"

/* Of the memory budget, the part that spare chunks may keep. */
#define SPARE_SHARE 64u

static struct clew__lock lock = CLEW__LOCK_INIT;
static struct clew__chunk *spare[2]; /* large, small */
static uint64_t spare_bytes;
static bool locked_for_fork;

/* A body's block holds, in front of the span's bytes: the chunk, a record, a tag of one byte and a length. */
_Static_assert(CLEW__CHUNK_OVERHEAD + CLEW__RECORD_SIZE + 1 + 5 <= CLEW__BODY_HEADROOM,
               "a body leaves room to become a chunk");
/* A chunk in a crash file is that block's shell. */
_Static_assert(sizeof(struct clew__chunk) <= sizeof(struct clew__crash_shell) &&
                   _Alignof(struct clew__chunk) <= _Alignof(struct clew__crash_shell),
               "a shell holds a chunk");

static struct clew__chunk **spares_of(size_t block_size) {
    if (block_size == CLEW__CHUNK_OVERHEAD + CLEW__CHUNK_LARGE)
        return &spare[0];
    return block_size == CLEW__CHUNK_OVERHEAD + CLEW__CHUNK_SMALL ? &spare[1] : NULL;
}

static struct clew__chunk *take_spare(size_t size) {
    struct clew__chunk **spares = spares_of(size), *chunk;
    if (!spares)
        return NULL;
    clew__lock_acquire(&lock);
    chunk = *spares;
    if (chunk) {
        *spares = chunk->next;
        spare_bytes -= size;
    }
    clew__lock_release(&lock);
    return chunk;
}

static bool keep_spare(struct clew__chunk *chunk) {
    struct clew__chunk **spares = spares_of(chunk->block_size);
    bool kept;
    if (!spares)
        return false;
    clew__lock_acquire(&lock);
    kept = spare_bytes + chunk->block_size <= clew__budget_limit() / SPARE_SHARE;
    if (kept) {
        chunk->next = *spares;
        *spares = chunk;
        spare_bytes += chunk->block_size;
    }
    clew__lock_release(&lock);
    return kept;
}

void clew__chunk_free_spares(void) {
    for (int i = 0; i < 2; i++) {
        struct clew__chunk *chunk, *next;
        clew__lock_acquire(&lock);
        chunk = spare[i];
        spare[i] = NULL;
        clew__lock_release(&lock);
        for (; chunk; chunk = next) {
            uint32_t size = chunk->block_size;
            next = chunk->next;
            clew__lock_acquire(&lock);
            spare_bytes -= size;
            clew__lock_release(&lock);
            clew_charged_release(chunk, size);
        }
    }
}

void clew__chunk_before_fork(void) {
    locked_for_fork = clew__lock_acquire_bounded(&lock);
    clew__crash_before_fork();
}

void clew__chunk_after_fork_in_parent(void) {
    clew__crash_after_fork_in_parent();
    if (locked_for_fork)
        clew__lock_release(&lock);
}

/* The crash file first: what is freed from here on is not the parent's. */
void clew__chunk_after_fork_in_child(void) {
    clew__crash_after_fork_in_child();
    if (!locked_for_fork) {
        spare[0] = spare[1] = NULL; /* somebody was at it */
        spare_bytes = 0;
    }
    clew__lock_release(&lock);
}

static void begin_records(struct clew__chunk *chunk) {
    chunk->records = (struct clew__records *)(void *)(chunk + 1);
    atomic_store_explicit(&chunk->records->begin, 0, memory_order_relaxed);
    atomic_store_explicit(&chunk->records->end, 0, memory_order_relaxed);
}

static struct clew__chunk *take_protected(struct clew__crash *crash, uint32_t capacity) {
    struct clew__crash_block block;
    struct clew__chunk *chunk;
    if (!clew__crash_take(crash, capacity, &block))
        return NULL;
    chunk = (struct clew__chunk *)block.shell;
    memset(chunk, 0, sizeof *chunk);
    chunk->crash = crash;
    chunk->records = block.records;
    chunk->block_size = block.size;
    chunk->capacity = block.size - (uint32_t)sizeof *block.records;
    return chunk;
}

static void give_protected(struct clew__chunk *chunk, bool keep) {
    clew__crash_give(chunk->crash, (const struct clew__crash_shell *)chunk, chunk->block_size, keep);
}

struct clew__chunk *clew__chunk_new(struct clew__crash *crash, uint32_t capacity) {
    size_t size = CLEW__CHUNK_OVERHEAD + capacity;
    struct clew__chunk *chunk;
    if (crash && clew__crash_ready(crash))
        return take_protected(crash, capacity);
    chunk = take_spare(size);
    if (!chunk)
        chunk = clew_charged_allocate(size);
    if (!chunk)
        return NULL;
    memset(chunk, 0, sizeof *chunk);
    chunk->block_size = (uint32_t)size;
    chunk->capacity = capacity;
    begin_records(chunk);
    return chunk;
}

uint64_t clew__chunk_block_size(struct clew__crash *crash, uint32_t capacity) {
    if (crash && clew__crash_ready(crash))
        return clew__crash_block_size(capacity);
    return CLEW__CHUNK_OVERHEAD + (uint64_t)capacity;
}

void clew__chunk_free(struct clew__chunk *chunk) {
    if (chunk && chunk->crash)
        give_protected(chunk, chunk->is_kept);
    else if (chunk && !keep_spare(chunk))
        clew_charged_release(chunk, chunk->block_size);
}

void clew__chunk_lose(struct clew__chunk *chunk) {
    if (chunk->crash)
        give_protected(chunk, chunk->is_kept || clew__crash_keeps_undelivered());
    else
        clew__chunk_free(chunk);
}

/* Delivered or not, what stands behind something that is kept is kept with it: there is one mark. */
void clew__chunk_settle(struct clew__chunk *chunk) {
    if (!chunk->is_kept)
        atomic_store_explicit(&chunk->records->begin, chunk->begin, memory_order_release);
}

void clew__chunk_lose_read(struct clew__chunk *chunk) {
    if (chunk->begin != atomic_load_explicit(&chunk->records->begin, memory_order_relaxed))
        chunk->is_kept = clew__crash_keeps_undelivered();
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
    struct clew__records *records = chunk->records;
    uint8_t *at = put_record(records->data + chunk->end, scope, span_size);
    if (__builtin_expect(chunk->crash != NULL, 0))
        clew__crash_note(chunk->crash, scope);
    memcpy(at, span, span_size);
    chunk->end = (uint32_t)(at + span_size - records->data);
    atomic_store_explicit(&records->end, chunk->end, memory_order_release);
    chunk->spans++;
    chunk->credits--;
}

const uint8_t *clew__chunk_record(const struct clew__chunk *chunk, uint32_t offset,
                                  struct clew__record *record, uint32_t *next) {
    const uint8_t *at = chunk->records->data + offset;
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
    begin_records(chunk);
    chunk->capacity = block_size - (uint32_t)CLEW__CHUNK_OVERHEAD;
    chunk->begin = (uint32_t)(CLEW__BODY_HEADROOM - CLEW__CHUNK_OVERHEAD - record);
    chunk->end = (uint32_t)(CLEW__BODY_HEADROOM - CLEW__CHUNK_OVERHEAD + span_size);
    chunk->spans = 1;
    put_record(chunk->records->data + chunk->begin, scope, span_size);
    return chunk;
}
