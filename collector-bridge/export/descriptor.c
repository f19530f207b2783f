/* Descriptors that are identified before they are closed. Owns the list of what was left behind; any thread.
 */
#include "collector-bridge/export/descriptor.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

/* A fork's child leaves at most five pieces of each transport. */
#define LEFT_BEHIND_MAX 128

struct clew__descriptor clew__descriptor_of(int fd) {
    struct clew__descriptor descriptor = {.fd = fd};
    struct stat info;
    if (fd >= 0 && fstat(fd, &info) == 0) {
        descriptor.device = info.st_dev;
        descriptor.inode = info.st_ino;
    }
    return descriptor;
}

bool clew__descriptor_is_ours(const struct clew__descriptor *descriptor) {
    struct stat info;
    return descriptor->fd >= 0 && fstat(descriptor->fd, &info) == 0 && info.st_dev == descriptor->device &&
           info.st_ino == descriptor->inode;
}

void clew__descriptor_close(struct clew__descriptor *descriptor) {
    int saved = errno;
    if (clew__descriptor_is_ours(descriptor))
        close(descriptor->fd);
    descriptor->fd = -1;
    errno = saved;
}

void clew__leave_behind(void *memory) {
    static void *_Atomic left_behind[LEFT_BEHIND_MAX];
    static atomic_size_t next;
    if (!memory)
        return;
    size_t at = atomic_fetch_add(&next, 1);
    if (at < LEFT_BEHIND_MAX)
        atomic_store(&left_behind[at], memory);
}
