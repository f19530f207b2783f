/* What could not be delivered, on disk: within a quota, oldest first, across restarts. A directory holds one
 * database for each process that stores; what a process that is gone has left behind is adopted.
 *
 * All of it waits for the disk: one thread of its own, and nobody else but where it says so. No failure is
 * final: what the disk does not take is counted, and tried again with the next batches. */
#ifndef CLEW_STORE_SPOOL_H
#define CLEW_STORE_SPOOL_H

#include "collector-bridge/store/spool_file.h"

#include <clew/diagnostics.h>

struct clew__spool;

/* Looks at nothing yet. NULL: no memory. */
struct clew__spool *clew__spool_new(const char *directory, uint64_t quota);
/* Closes the files; those in which something waits stay for whoever comes next. */
void clew__spool_close(struct clew__spool *spool);
/* Gives back the memory, when the files are closed. Does not wait for the disk. */
void clew__spool_free(struct clew__spool *spool);
/* In the child of a fork: forgets the parent's files without a word to SQLite, and begins anew. `quiet`
 * false: the parent's thread may have been at work in it, so its memory is left alone, too. Allocates
 * nothing. */
void clew__spool_forget(struct clew__spool *spool, bool quiet);

/* Stores batches in one transaction: on stable storage when it returns. Says of each item whether it was.
 * Times are clew_monotonic_nano(). */
void clew__spool_store(struct clew__spool *spool, struct clew__spool_item *items, size_t count, uint64_t now);

/* Looks for what others have left behind, when it is time. Returns when to call again. */
uint64_t clew__spool_tend(struct clew__spool *spool, uint64_t now);

/* The oldest batch of all files, marked on disk as tried; false: there is none, or it cannot be read now.
 * `record->tried`: an earlier try may have arrived. It stays the caller's to free; one at a time, until one
 * of the two below. */
bool clew__spool_take(struct clew__spool *spool, struct clew__spool_record *record);

enum clew__spool_fate { CLEW__SPOOL_DELIVERED, CLEW__SPOOL_REFUSED };
/* It is done with. `rejected` of its spans were refused out of a request that was taken. */
void clew__spool_settle(struct clew__spool *spool, enum clew__spool_fate fate, uint64_t rejected);
/* It stays the oldest one. */
void clew__spool_keep(struct clew__spool *spool, bool may_have_arrived);

uint64_t clew__spool_waiting(const struct clew__spool *spool);
/* The books; `bytes` by a look at the directory. */
void clew__spool_books(struct clew__spool *spool, clew_spool_stats *out);

#endif
