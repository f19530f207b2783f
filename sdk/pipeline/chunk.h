/* Chunks: what sealed spans travel in from the threads that end them to the worker. A chunk belongs to
 * whoever took it: one thread while it fills, the stream's queue, the worker. Charged to the memory budget as
 * long as it exists. */
#ifndef CLEW_PIPELINE_CHUNK_H
#define CLEW_PIPELINE_CHUNK_H

#include "sdk/crash/records.h"
#include "sdk/resource/origin.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct clew__crash;

struct clew__chunk {
    struct clew__chunk *next;
    struct clew__records *records; /* behind the chunk, or in a crash file */
    struct clew__crash *crash;     /* whose pages they are; NULL: the chunk's own */
    uint32_t block_size;           /* of the whole allocation, as charged; or of the pages */
    uint32_t begin;                /* the first record not yet read, from the start of the records' data */
    uint32_t end;
    uint32_t capacity;
    uint32_t spans;   /* from begin to end */
    uint32_t credits; /* spans that may still be added */
    uint32_t epoch;   /* of the stream, in which it was pushed */
    bool is_kept;     /* some of what was read was not delivered: the crash file keeps the whole */
};

/* What threads fill; chunks of these sizes are kept and used again. In a crash file, whole pages. */
#define CLEW__CHUNK_LARGE ((16u << 10) - (uint32_t)sizeof(struct clew__records))
#define CLEW__CHUNK_SMALL ((4u << 10) - (uint32_t)sizeof(struct clew__records))

/* What an ordinary chunk takes beside its records. */
#define CLEW__CHUNK_OVERHEAD (sizeof(struct clew__chunk) + sizeof(struct clew__records))

/* A chunk with room for `capacity` bytes of records, out of the crash file where there is one; NULL when
 * that, the budget or memory is used up. */
struct clew__chunk *clew__chunk_new(struct clew__crash *crash, uint32_t capacity);
/* The `block_size` that it will have. */
uint64_t clew__chunk_block_size(struct clew__crash *crash, uint32_t capacity);
/* Its spans have their fates. */
void clew__chunk_free(struct clew__chunk *chunk);
/* They were not delivered: at an exit without a shutdown a crash file keeps them. */
void clew__chunk_lose(struct clew__chunk *chunk);
/* Those that are read have their fates; or were not delivered, like those of clew__chunk_lose(). */
void clew__chunk_settle(struct clew__chunk *chunk);
void clew__chunk_lose_read(struct clew__chunk *chunk);
/* When nothing is exported any more. */
void clew__chunk_free_spares(void);

void clew__chunk_before_fork(void);
void clew__chunk_after_fork_in_parent(void);
void clew__chunk_after_fork_in_child(void);

/* Bytes that a span of `size` takes in a chunk. */
size_t clew__chunk_need(size_t span_size);
/* Appends; the caller has checked room and credits. */
void clew__chunk_append(struct clew__chunk *chunk, const struct clew__scope *scope, const void *span,
                        size_t span_size);

/* The record at an offset, and where the next one is. */
const uint8_t *clew__chunk_record(const struct clew__chunk *chunk, uint32_t offset,
                                  struct clew__record *record, uint32_t *next);

/* A body that has grown becomes a chunk of its own, uncopied: blocks of spans start with room for this. */
#define CLEW__BODY_HEADROOM 88u
/* `block` is an allocation of `block_size`, charged; the span's bytes start at CLEW__BODY_HEADROOM. */
struct clew__chunk *clew__chunk_from_body(void *block, uint32_t block_size, const struct clew__scope *scope,
                                          size_t span_size);

#endif
