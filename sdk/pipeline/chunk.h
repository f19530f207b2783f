/* Chunks: what sealed spans travel in from the threads that end them to the worker. A chunk belongs to
 * whoever took it: one thread while it fills, the stream's queue, the worker. Charged to the memory budget as
 * long as it exists. */
#ifndef CLEW_PIPELINE_CHUNK_H
#define CLEW_PIPELINE_CHUNK_H

#include "sdk/pipeline/scope.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In front of each span's bytes, unaligned. The bytes are the member `spans` of a ScopeSpans, tag and length
 * included. */
struct clew__record {
    const struct clew__scope *scope;
    uint32_t size;
};
#define CLEW__RECORD_SIZE 12u

struct clew__chunk {
    struct clew__chunk *next;
    uint32_t block_size; /* of the whole allocation, as charged */
    uint32_t begin;      /* the first record not yet read, from `data` */
    uint32_t end;
    uint32_t capacity;
    uint32_t spans;                    /* from begin to end */
    uint32_t credits;                  /* spans that may still be added */
    uint32_t epoch;                    /* of the stream, in which it was pushed */
    _Alignas(uint64_t) uint8_t data[]; /* right behind: sizes count from sizeof */
};
_Static_assert(sizeof(struct clew__chunk) == offsetof(struct clew__chunk, data), "no padding before data");

/* What threads fill; chunks of these sizes are kept and used again. */
#define CLEW__CHUNK_LARGE (16u << 10)
#define CLEW__CHUNK_SMALL (4u << 10)

/* A chunk with room for `capacity` bytes of records; NULL when the budget or memory is used up. */
struct clew__chunk *clew__chunk_new(uint32_t capacity);
void clew__chunk_free(struct clew__chunk *chunk);
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
#define CLEW__BODY_HEADROOM 64u
/* `block` is an allocation of `block_size`, charged; the span's bytes start at CLEW__BODY_HEADROOM. */
struct clew__chunk *clew__chunk_from_body(void *block, uint32_t block_size, const struct clew__scope *scope,
                                          size_t span_size);

#endif
