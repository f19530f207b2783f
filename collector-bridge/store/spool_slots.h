/* The files of one spool, as its own two files see them: spool_slots.c opens and gives them up, spool.c
 * stores and drains. One thread at a time. */
#ifndef CLEW_STORE_SPOOL_SLOTS_H
#define CLEW_STORE_SPOOL_SLOTS_H

#include "collector-bridge/store/directory.h"
#include "collector-bridge/store/spool.h"

/* Files that are open at once beside one's own; the rest waits its turn. */
#define CLEW__SLOTS_DRAINED 16
#define CLEW__SLOT_OWN CLEW__SLOTS_DRAINED
#define CLEW__SLOTS (CLEW__SLOTS_DRAINED + 1)

struct clew__slot {
    bool open;
    char name[CLEW__SPOOL_NAME_SIZE];
    struct clew__descriptor lock;
    struct clew__spool_file file;
    ino_t inode;
    int64_t done;     /* batches up to this one are settled and still to be removed */
    int64_t fresh;    /* marked as tried on disk, and known not to have arrived */
    unsigned unread;  /* how often in a row its oldest batch could not be read */
    bool passed_over; /* for the others, until the next time */
};

struct clew__spool {
    char *given, *path; /* as it was named; resolved, or NULL when it was not usable yet */
    uint64_t quota;
    struct clew__slot slots[CLEW__SLOTS]; /* the last is the one that is written to */
    struct clew__slot *current;           /* of the batch that was taken */
    struct clew__spool_record taken;
    uint64_t settled;
    struct clew__spool_names unreadable;
    uint64_t retry_nano, backoff_nano; /* of a disk that takes nothing */
    uint64_t tend_nano;
    clew_spool_stats books;
};

/* Lets go of it; the file stays. */
void clew__slot_close(struct clew__spool *spool, struct clew__slot *slot);
void clew__slot_remove(struct clew__spool *spool, struct clew__slot *slot);
/* It is of no more use; what was in it is lost, and its bytes are kept for a look. */
void clew__slot_set_aside(struct clew__spool *spool, struct clew__slot *slot);
/* What an error of its file means: a damaged one is not written to any more. */
void clew__slot_failed(struct clew__spool *spool, struct clew__slot *slot, int error);
/* Somebody has removed the file under our hands: what was in it is gone. */
bool clew__slot_is_gone(struct clew__spool *spool, struct clew__slot *slot);

/* One that is not in use, beside one's own; NULL: none. */
struct clew__slot *clew__slots_free(struct clew__spool *spool);
/* One's own file is not written to any more, and is drained like others. */
void clew__slots_retire_own(struct clew__spool *spool);
int clew__slots_begin_own(struct clew__spool *spool);
/* Gives up the files whose descriptors the host has closed. First of all whenever files are to be touched. */
void clew__slots_leave_lost(struct clew__spool *spool);
/* False: there is no usable directory now, which is logged. */
bool clew__slots_find_directory(struct clew__spool *spool);

#endif
