/* Cutting an ExportTraceServiceRequest into several: each piece has the next spans in their order, within
 * their own resources and scopes, and all that stands beside them (schema URLs, fields that we do not know).
 *
 * Pure: bytes in, sizes and bytes out; no allocation of its own, no recursion. Going through a whole request
 * takes time linear in its size, however many pieces it makes: a cursor remembers where it is. Members that
 * lie between two spans of one scope, between two scopes of one resource or between two resources are no way
 * that any writer has, and are refused. Any thread. */
#ifndef CLEW_WIRE_SPLIT_H
#define CLEW_WIRE_SPLIT_H

#include <clew/common.h>

#include "proto/wire.h"

/* A message with a run of repeated members: what stands before the run, what is left of it, what follows. */
struct clew__split_level {
    struct clew__wire head, rest, tail;
};

/* The place before a span. Plain data: a copy is a place to come back to. */
struct clew__split {
    struct clew__split_level traces, resource, scope;
};

struct clew__split_piece {
    struct clew__split from;
    size_t spans;
    size_t size; /* of the request that holds them */
};

/* The place before the first span. CLEW_EFORMAT when the request is none. The bytes outlive the split. */
int clew__split_begin(struct clew__split *split, const void *request, size_t size);

/* Moves past the next spans that make a request of at most `limit` bytes and are no more than `spans_max`, at
 * least one. CLEW_ELIMIT: `piece->spans` spans are passed over, each of them too large by itself.
 * CLEW_ESHUTDOWN: there is none left. CLEW_EFORMAT: malformed from here on. */
int clew__split_next(struct clew__split *split, size_t limit, size_t spans_max,
                     struct clew__split_piece *piece);

/* Appends the request of a piece that clew__split_next() found CLEW_OK: `piece->size` bytes. `writer->failed`
 * tells that room ran out. */
void clew__split_write(const struct clew__split_piece *piece, struct clew__writer *writer);

#endif
