/* A descriptor that local exporters write to, without harm to the host: no signal, bounded waiting, errors as
 * numbers. One thread at a time each. */
#ifndef CLEW_EXPORTERS_OUTPUT_H
#define CLEW_EXPORTERS_OUTPUT_H

#include "sdk/base/descriptor.h"

#include <stddef.h>
#include <stdint.h>

struct clew__output {
    struct clew__descriptor file;
    bool owned;    /* ours alone: it does not block, and is closed by fini */
    bool mid_line; /* what was written last stopped within a line */
    bool stalled;  /* the last write ran out of time: the next one does not wait at all */
};

/* Somebody else's descriptor, which stays as it is. */
struct clew__output clew__output_borrowed(int descriptor);

/* Opens a file for appending; it is created when missing (0600). 0 or the number of the error. */
int clew__output_open(struct clew__output *output, const char *path);

/* False: it was our own, and the host has closed it. Whatever has its number now is not to be touched. */
bool clew__output_is_there(const struct clew__output *output);

/* Writes all of `data`: in one write(2) where the descriptor takes it. Waits at most `timeout_ms` (0: no
 * limit), and never long: a receiver that does not read costs 100 ms once. 0 or the number of the error:
 * EBADF when it is not there any more. `errno` is preserved. */
int clew__output_write(struct clew__output *output, const void *data, size_t size, uint32_t timeout_ms);

/* Gives the calling process a file description of its own, so that locks and offsets are not shared with the
 * one that it was forked from. Does not allocate. Best effort. */
void clew__output_unshare(struct clew__output *output);

void clew__output_fini(struct clew__output *output);

/* The text of an error number; any thread. */
const char *clew__output_error_text(int error, char *buffer, size_t capacity);

#endif
