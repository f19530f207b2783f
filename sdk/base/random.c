/* Seeds generators. No state. */
#include "sdk/base/random.h"

#include "sdk/base/clock.h"
#include "sdk/base/lock.h"

#include <errno.h>
#include <stddef.h>
#include <sys/random.h>
#include <unistd.h>

/* splitmix64: spreads a few bits of a poor seed over a whole state. */
static uint64_t spread(uint64_t *seed) {
    uint64_t z = (*seed += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void clew__random_seed(uint64_t state[4]) {
    int saved = errno, cancel = clew__cancel_forbid();
    size_t size = 4 * sizeof state[0];
    if (getrandom(state, size, GRND_NONBLOCK) != (ssize_t)size ||
        (state[0] | state[1] | state[2] | state[3]) == 0) {
        /* No kernel generator (an early boot, a sandbox): time, process and address tell threads apart. */
        uint64_t seed = clew__unix_nano() ^ (clew__monotonic_nano() << 20) ^ ((uint64_t)getpid() << 44) ^
                        (uint64_t)(uintptr_t)state;
        for (int i = 0; i < 4; i++)
            state[i] = spread(&seed) | (i == 0);
    }
    clew__cancel_allow(cancel);
    errno = saved;
}
