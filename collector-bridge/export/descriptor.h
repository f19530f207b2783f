/* Descriptors in a process that is not ours alone: the host program may close one behind our back and get the
 * same number for a file of its own, which must then be left alone. And what a fork's child leaves behind. */
#ifndef CLEW_EXPORT_DESCRIPTOR_H
#define CLEW_EXPORT_DESCRIPTOR_H

#include <stdbool.h>
#include <sys/types.h>

/* A descriptor with what identifies its file. */
struct clew__descriptor {
    int fd; /* -1: none */
    dev_t device;
    ino_t inode;
};

/* Takes over a descriptor; -1 is none. */
struct clew__descriptor clew__descriptor_of(int fd);
/* Whether it still is the file that it was. False for none. */
bool clew__descriptor_is_ours(const struct clew__descriptor *descriptor);
/* Closes it when it is ours; there is none from then on. Preserves errno. */
void clew__descriptor_close(struct clew__descriptor *descriptor);

/* Keeps memory reachable that nobody will free, so that leak checkers need not report it; only so many
 * pieces, beyond them they may. NULL does nothing. Any thread. */
void clew__leave_behind(void *memory);

#endif
