/* Crash files by name: a directory of our own, files that are locked as long as their owner lives. Cold path.
 * Any thread. */
#ifndef CLEW_PIPELINE_CRASH_FILE_H
#define CLEW_PIPELINE_CRASH_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLEW__CRASH_NAME_SIZE 80

/* The directory, made when missing (0700); -1, with the reason logged, when it cannot be opened, belongs to
 * somebody else, or others may write into it. */
int clew__crash_directory(const char *path);

/* A new file of that size, locked and with its room on the disk allocated, so that no later write can fail;
 * -1 with the reason logged. */
int clew__crash_create(int directory, const char *label, uint64_t bytes, char name[CLEW__CRASH_NAME_SIZE]);

/* Whether a name in the directory is one of a crash file. */
bool clew__crash_is_name(const char *name);

enum clew__crash_open {
    CLEW__CRASH_DEAD,   /* opened and locked: nobody else recovers it */
    CLEW__CRASH_ALIVE,  /* its owner lives, or another one recovers it */
    CLEW__CRASH_FAILED, /* errno says why */
};

/* Opens what a dead process left. `directory` may be AT_FDCWD. `*descriptor` is set when it is dead; `*pid`
 * when it is not, 0 if unknown. */
enum clew__crash_open clew__crash_open(int directory, const char *name, int *descriptor, uint32_t *pid);

/* Takes the name away if it is still the file's. */
void clew__crash_remove(int directory, const char *name, int descriptor);

#endif
