/* Crash files by name: a directory of our own, files that are locked as long as their owner lives. Cold path.
 * Any thread. */
#ifndef CLEW_CRASH_CRASH_FILE_H
#define CLEW_CRASH_CRASH_FILE_H

#include "sdk/base/descriptor.h"

#include <stddef.h>
#include <stdint.h>

#define CLEW__CRASH_NAME_SIZE 80

/* The directory; -1, with the reason logged, when it cannot be opened, belongs to somebody else, or others
 * may write into it. The first makes it when it is missing (0700). */
int clew__crash_directory_make(const char *path);
int clew__crash_directory_open(const char *path);

/* Whether one may write up to there: beyond the limit of file sizes the kernel would send a signal. */
bool clew__crash_may_write(uint64_t end);

/* A new file of that size, locked and with its room on the disk allocated, so that no later write can fail;
 * -1 with errno. */
int clew__crash_create(int directory, const char *label, uint64_t bytes, char name[CLEW__CRASH_NAME_SIZE]);

/* Whether a name in the directory is one of a crash file. */
bool clew__crash_is_name(const char *name);

enum clew__crash_open {
    CLEW__CRASH_DEAD,   /* opened and locked: nobody else recovers it */
    CLEW__CRASH_ALIVE,  /* its owner lives, or another one recovers it */
    CLEW__CRASH_FAILED, /* errno says why */
};

/* Opens what a dead process left. `directory` may be AT_FDCWD. `*file` is set when it is dead; `*pid` when it
 * is not, 0 if unknown. */
enum clew__crash_open clew__crash_open(int directory, const char *name, struct clew__descriptor *file,
                                       uint32_t *pid);

/* Takes the name away if it is still that of the file, whose descriptor somebody may have closed. */
void clew__crash_remove(int directory, const char *name, const struct clew__descriptor *file);

#endif
