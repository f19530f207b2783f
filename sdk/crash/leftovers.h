/* What dead processes left in the directory for crash files, and how a stream sends it, a request at a time.
 * Found where the program starts; after that the worker's own. */
#ifndef CLEW_CRASH_LEFTOVERS_H
#define CLEW_CRASH_LEFTOVERS_H

#include <clew/common.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct clew__leftovers;

/* Locks the files of dead processes, at most the newest CLEW__LEFTOVERS_MAX: older ones are removed, with a
 * word. What cannot be recovered here is left alone, with a word, and does not count. NULL when there are
 * none. */
#define CLEW__LEFTOVERS_MAX 16
struct clew__leftovers *clew__leftovers_find(const char *directory);

/* The next request, valid until the next call; false when there is none now. `*wake` is then lowered to when
 * there may be one again. */
bool clew__leftovers_next(struct clew__leftovers *leftovers, uint64_t now, clew_bytes *request, size_t *spans,
                          uint64_t *wake);

/* That request has its fate; or it was not delivered, and comes again after a pause. */
void clew__leftovers_concluded(struct clew__leftovers *leftovers, size_t spans, bool has_fate);

/* What has no fate stays for the next start. */
void clew__leftovers_free(struct clew__leftovers *leftovers);
/* In the child of a fork: they are the parent's. Allocates nothing. */
void clew__leftovers_forget(struct clew__leftovers *leftovers);

#endif
