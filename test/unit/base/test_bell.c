/* Descriptors that are known again, and the bell. */
#include "sdk/base/bell.h"
#include "test/support.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

static bool rings(const struct clew__descriptor *bell) {
    struct pollfd polled = {bell->fd, POLLIN, 0};
    return poll(&polled, 1, 0) == 1;
}

/* As a host does that closes it and gets its number for a file of its own: the other end of that file. */
static int take_over(const struct clew__descriptor *descriptor) {
    int ends[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    cr_assert_eq(dup2(ends[0], descriptor->fd), descriptor->fd);
    close(ends[0]);
    return ends[1];
}

Test(bell, rings_until_it_is_heard) {
    struct clew__descriptor bell = clew__bell_new();
    cr_assert_geq(bell.fd, 0);
    cr_assert_eq(fcntl(bell.fd, F_GETFD), FD_CLOEXEC);
    cr_assert_not(rings(&bell));
    for (int i = 0; i < 1000; i++)
        cr_assert(clew__bell_ring(&bell));
    cr_assert(rings(&bell));
    clew__bell_hear(&bell);
    cr_assert_not(rings(&bell));
    clew__descriptor_close(&bell);
}

Test(bell, that_is_full_does_not_block) {
    struct clew__descriptor bell = clew__bell_new();
    errno = 77;
    for (int i = 0; i < 100000; i++)
        cr_assert(clew__bell_ring(&bell));
    clew__bell_hear(&bell);
    cr_assert_not(rings(&bell));
    cr_assert_eq(errno, 77);
    clew__descriptor_close(&bell);
}

Test(bell, whose_number_is_somebody_elses_is_left_alone) {
    struct clew__descriptor bell = clew__bell_new();
    int end = take_over(&bell), number = bell.fd;
    char byte = 'x';
    cr_assert_eq(write(end, &byte, 1), 1);
    cr_assert_not(clew__bell_ring(&bell));
    clew__bell_hear(&bell);
    clew__descriptor_close(&bell);
    cr_assert_eq(bell.fd, -1);
    cr_assert_not(clew__bell_ring(&bell));
    cr_assert_eq(read(number, &byte, 1), 1, "it was heard or closed");
    cr_assert_eq(read(end, &byte, 1), -1, "it was rung");
}

Test(descriptor, none_is_not_ours) {
    struct clew__descriptor none = clew__descriptor_of(-1);
    cr_assert_not(clew__descriptor_is_ours(&none));
    clew__descriptor_close(&none);
}
