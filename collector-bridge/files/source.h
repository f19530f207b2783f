/* The bytes of a file, expanded: what is compressed with gzip or zstd, which the first bytes show, is
 * expanded as it is read. Memory does not depend on the content: 32 KiB for a window of gzip, at most 128 MiB
 * for one of zstd, and what asks for more is refused. One thread. */
#ifndef CLEW_FILES_SOURCE_H
#define CLEW_FILES_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct clew__source;

/* Reads from a stream that stays the caller's. NULL when memory ran out. */
struct clew__source *clew__source_new(FILE *stream);
void clew__source_free(struct clew__source *source);

/* Up to `room` bytes; fewer only at the end, 0 behind it. Ends early with a fault. */
size_t clew__source_read(struct clew__source *source, void *out, size_t room);
/* What went wrong, or NULL; static text. */
const char *clew__source_fault(const struct clew__source *source);
/* How many bytes of the file itself were read. */
uint64_t clew__source_taken(const struct clew__source *source);

#endif
