/* Blocks of records in a mapped file, which outlives the process: what of a stream has no fate yet is there.
 * Opt-in. One a provider, for one of its streams.
 *
 * Only the records are in the file (crash_layout.h); what whoever fills a block knows of it is in the block's
 * shell, which is ordinary memory. In the child of a fork the mapping is the child's own empty memory at the
 * same place, and the first block that is wanted opens a file of the child's. */
#ifndef CLEW_CRASH_CRASH_H
#define CLEW_CRASH_CRASH_H

#include "sdk/crash/records.h"
#include "sdk/resource/origin.h"

struct clew__crash;

/* Opens a file in the directory, named after the service, and charges its size to the memory budget; NULL,
 * with the reason logged. The origin is that of all spans that will come. Never freed: its stream may be
 * looking. */
struct clew__crash *clew__crash_new(const char *directory, uint64_t bytes, struct clew__origin *origin);

/* The least size of a file. */
#define CLEW__CRASH_BYTES_LEAST (UINT64_C(256) << 10)

/* Whether blocks come from the file; false when a forked child could not open one. Any thread. */
bool clew__crash_ready(struct clew__crash *crash);

/* Made with the file, one a page; of a block, that of its first page. */
struct clew__crash_shell {
    uint64_t room[7];
};

struct clew__crash_block {
    struct clew__crash_shell *shell;
    struct clew__records *records;
    uint32_t size; /* whole pages */
};

/* A block with room for `capacity` bytes of records; false when the file is full. Allocates nothing. Any
 * thread. */
bool clew__crash_take(struct clew__crash *crash, uint32_t capacity, struct clew__crash_block *out);

/* The size that it will have. */
uint64_t clew__crash_block_size(uint32_t capacity);

/* Gives a block of that size back; with `keep` what is in it stays for the next start. Any thread. */
void clew__crash_give(struct clew__crash *crash, const struct clew__crash_shell *shell, uint32_t size,
                      bool keep);

/* Writes down where spans come from, once a scope and file. Cheap when it is known. */
void clew__crash_note_slowly(struct clew__crash *crash, const struct clew__scope *scope);
uint32_t clew__crash_generation(const struct clew__crash *crash);
static inline void clew__crash_note(struct clew__crash *crash, const struct clew__scope *scope) {
    if (atomic_load_explicit(&scope->noted, memory_order_relaxed) != clew__crash_generation(crash))
        clew__crash_note_slowly(crash, scope);
}

/* No blocks any more. With the last of them the file goes, unless something was kept. */
void clew__crash_retire(struct clew__crash *crash);

/* The process exits without a shutdown: what has no fate then is kept. Any thread. */
void clew__crash_keep_undelivered(void);
bool clew__crash_keeps_undelivered(void);

void clew__crash_before_fork(void);
void clew__crash_after_fork_in_parent(void);
void clew__crash_after_fork_in_child(void);

#endif
