/* Owns the wake-up descriptor: both ends of a pipe in one, because a pipe, unlike an eventfd, has an inode of
 * its own to be known by, and a pipe that is its own reader never raises SIGPIPE. Where /proc is missing it
 * is an eventfd, which can be told from all but other descriptors without an inode. */
#include "sdk/pipeline/wake.h"

#include "sdk/base/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_MAX_OWN 32 /* "/proc/self/fd/" and a number */
#define HEARD_AT_ONCE 64

static atomic_bool signalled;
static atomic_int descriptor = -1;
static _Atomic uint64_t device, inode; /* of the descriptor */

static int open_pipe(void) {
    char path[PATH_MAX_OWN];
    int ends[2], both;
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return -1;
    snprintf(path, sizeof path, "/proc/self/fd/%d", ends[0]);
    both = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    close(ends[0]);
    close(ends[1]);
    return both;
}

static bool is_ours(int fd) {
    struct stat info;
    return fstat(fd, &info) == 0 && info.st_ino == atomic_load(&inode) && info.st_dev == atomic_load(&device);
}

int clew__wake_make(void) {
    int fd = atomic_load(&descriptor);
    struct stat info;
    if (fd >= 0 && is_ours(fd))
        return 0;
    atomic_store(&descriptor, -1);
    fd = open_pipe();
    if (fd < 0)
        fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0 || fstat(fd, &info) != 0)
        return errno;
    atomic_store(&inode, info.st_ino);
    atomic_store(&device, info.st_dev);
    atomic_store(&descriptor, fd);
    return 0;
}

int clew__wake_descriptor(void) {
    return atomic_load(&descriptor);
}

/* A second try for one that a signal interrupted. */
static bool ring(int fd) {
    uint64_t one = 1; /* eight bytes, as an eventfd wants them */
    return write(fd, &one, sizeof one) > 0 || (errno == EINTR && write(fd, &one, sizeof one) > 0);
}

bool clew__wake_send(void) {
    int saved = errno, fd, cancel;
    bool is_lost = false;
    if (atomic_exchange(&signalled, true))
        return true;
    cancel = clew__cancel_forbid();
    fd = atomic_load(&descriptor);
    if (fd >= 0)
        is_lost = !is_ours(fd);
    if (fd < 0 || is_lost || !ring(fd))
        atomic_store(&signalled, false); /* nobody to hear it yet: who begins to drive looks first */
    clew__cancel_allow(cancel);
    errno = saved;
    return !is_lost;
}

void clew__wake_hear(void) {
    uint8_t ignored[HEARD_AT_ONCE];
    int fd = atomic_load(&descriptor);
    if (fd >= 0 && is_ours(fd) && read(fd, ignored, sizeof ignored) < 0)
        ignored[0] = 0; /* nothing was there */
    /* An exchange, to see what those did who relied on an earlier wake. */
    atomic_exchange(&signalled, false);
}

void clew__wake_forked(void) {
    int fd = atomic_exchange(&descriptor, -1);
    atomic_store(&signalled, false);
    if (fd >= 0 && is_ours(fd))
        close(fd);
}
