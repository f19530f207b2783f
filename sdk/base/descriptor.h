/* Descriptors in a process that is not ours alone: the host program may close one behind our back and get the
 * same number for a file of its own, which must then be neither written to nor closed. So a descriptor is
 * kept with what identifies its file. An eventfd has no inode of its own and cannot be told from others. Any
 * thread. */
#ifndef CLEW_BASE_DESCRIPTOR_H
#define CLEW_BASE_DESCRIPTOR_H

#include <errno.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

struct clew__descriptor {
    int fd; /* -1: none */
    dev_t device;
    ino_t inode;
};

/* Takes over a descriptor; -1 is none. */
static inline struct clew__descriptor clew__descriptor_of(int fd) {
    struct clew__descriptor descriptor = {.fd = fd};
    struct stat info;
    if (fd >= 0 && fstat(fd, &info) == 0) {
        descriptor.device = info.st_dev;
        descriptor.inode = info.st_ino;
    }
    return descriptor;
}

/* Whether it still is the file that it was. False for none. */
static inline bool clew__descriptor_is_ours(const struct clew__descriptor *descriptor) {
    struct stat info;
    return descriptor->fd >= 0 && fstat(descriptor->fd, &info) == 0 && info.st_dev == descriptor->device &&
           info.st_ino == descriptor->inode;
}

/* Closes it when it is ours; there is none from then on. Preserves errno. */
static inline void clew__descriptor_close(struct clew__descriptor *descriptor) {
    int saved = errno, fd = clew__descriptor_is_ours(descriptor) ? descriptor->fd : -1;
    /* In this order, so that the child of a fork in between does not close what has the number by then. */
    descriptor->fd = -1;
    if (fd >= 0)
        close(fd);
    errno = saved;
}

#endif
