/* Owns nothing. Both ends of a pipe in one descriptor: a pipe, unlike an eventfd, has an inode to be known
 * by, and one that is its own reader raises no SIGPIPE. Where /proc is missing it is an eventfd. Any thread.
 */
#include "sdk/base/bell.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/eventfd.h>

#define PATH_SIZE 32 /* "/proc/self/fd/" and a number */
#define RING_TRIES 2 /* a signal may interrupt one */
#define HEARD_AT_ONCE 512

static int open_both_ends(void) {
    char path[PATH_SIZE];
    int ends[2], both;
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return -1;
    snprintf(path, sizeof path, "/proc/self/fd/%d", ends[0]);
    both = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    close(ends[0]);
    close(ends[1]);
    return both;
}

struct clew__descriptor clew__bell_new(void) {
    int saved = errno, fd = open_both_ends();
    if (fd < 0)
        fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    errno = saved;
    return clew__descriptor_of(fd);
}

bool clew__bell_ring(const struct clew__descriptor *bell) {
    const uint64_t one = 1; /* eight bytes, as an eventfd wants them */
    int saved = errno;
    bool rings = false;
    for (int tries = 0; !rings && tries < RING_TRIES && clew__descriptor_is_ours(bell); tries++)
        rings = write(bell->fd, &one, sizeof one) > 0 || errno == EAGAIN; /* full: it rings already */
    errno = saved;
    return rings;
}

void clew__bell_hear(const struct clew__descriptor *bell) {
    uint8_t ignored[HEARD_AT_ONCE];
    int saved = errno;
    while (clew__descriptor_is_ours(bell) && read(bell->fd, ignored, sizeof ignored) == sizeof ignored)
        ;
    errno = saved;
}
