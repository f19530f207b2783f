/* The directory of a spool, which several processes share: who owns which file in it, and how much is there.
 * A database `spool-ID.db` belongs to whoever holds the lock on `spool-ID.lock`; the kernel gives the lock
 * back when its holder is gone, whatever way it went. Any thread; no state of its own. */
#ifndef CLEW_STORE_DIRECTORY_H
#define CLEW_STORE_DIRECTORY_H

#include "sdk/base/descriptor.h"

#include <clew/common.h>

/* "spool-" and 16 hexadecimal digits. */
#define CLEW__SPOOL_NAME_SIZE 23
/* What of damaged files is kept for a look at it. */
#define CLEW__SPOOL_CORRUPT_KEPT 2u

/* The path, resolved, of the directory, which is made (mode 0700) when it is missing; to be released. Fails
 * with CLEW_EIO, and the reason in words, when it is a symbolic link, belongs to somebody else, or others may
 * write to it. */
int clew__spool_directory(const char *path, char **resolved, char *reason, size_t reason_size);

/* DIRECTORY/NAME SUFFIX; NULL: no memory. */
char *clew__spool_path(const char *directory, const char *name, const char *suffix);

/* Makes up a name of which nobody has heard and takes its lock. 0, CLEW_ENOMEM, or CLEW_EIO with errno. */
int clew__spool_lock_new(const char *directory, char name[CLEW__SPOOL_NAME_SIZE],
                         struct clew__descriptor *lock);
/* Takes the lock of a name whose owner is gone; false: he is not, or it cannot be taken. */
bool clew__spool_lock_take(const char *directory, const char *name, struct clew__descriptor *lock);
/* Gives it back, and removes its file. Does nothing on a descriptor that is not ours any more. */
void clew__spool_lock_drop(const char *directory, const char *name, struct clew__descriptor *lock);

/* Names that are not worth another look. */
struct clew__spool_names {
    char at[16][CLEW__SPOOL_NAME_SIZE];
    unsigned count; /* of all that were ever put in; the latest are kept */
};
void clew__spool_names_add(struct clew__spool_names *names, const char *name);

/* Takes the lock of the oldest database that nobody owns, but for those in `except`; false: there is none.
 * What has no database any more is swept up on the way. */
bool clew__spool_find_orphan(const char *directory, const struct clew__spool_names *except,
                             char name[CLEW__SPOOL_NAME_SIZE], struct clew__descriptor *lock);

/* The bytes of all files of the spool. */
uint64_t clew__spool_usage(const char *directory);

/* Renames a database that cannot be read, and removes what is left of it and of earlier ones beyond
 * `CLEW__SPOOL_CORRUPT_KEPT`. */
void clew__spool_set_aside(const char *directory, const char *name);
/* Removes what was set aside. */
void clew__spool_forget_corrupt(const char *directory);
/* Removes a database and what SQLite keeps beside it. */
void clew__spool_remove(const char *directory, const char *name);

/* The inode of a database, 0 when it is not there or no regular file of ours. */
ino_t clew__spool_inode(const char *directory, const char *name);

#endif
