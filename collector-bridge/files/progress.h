/* How far a long file is read, as one line of a terminal that is written again and again. One thread. */
#ifndef CLEW_FILES_PROGRESS_H
#define CLEW_FILES_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct clew__progress {
    FILE *out; /* NULL: nothing is shown */
    const char *name;
    uint64_t total;       /* bytes of the file; 0: unknown */
    uint64_t begun, told; /* in ns */
    bool shown;
};

/* Times are of any clock that does not go back. Shows something only on a terminal; `descriptor` is that of
 * the file, or -1. */
void clew__progress_begin(struct clew__progress *progress, FILE *out, const char *name, int descriptor,
                          uint64_t now);
/* After each part: `done` bytes of the file are read, at that time. */
void clew__progress_tell(struct clew__progress *progress, uint64_t done, uint64_t now);
/* Takes the line away, so that something else can be written; it comes again with what follows. */
void clew__progress_clear(struct clew__progress *progress);

/* `file: 345 MB of 1.02 GB, 34 %`, or without a total `file: 345 MB`; at most `size` bytes with the end. */
void clew__progress_text(char *out, size_t size, const char *name, uint64_t done, uint64_t total);

#endif
