/* Random numbers for ids: xoshiro256++ (Blackman and Vigna, 2019), one state a thread, seeded by the kernel;
 * a state of zeros means not seeded, so a forked child only clears it. Not for secrets. */
#ifndef CLEW_BASE_RANDOM_H
#define CLEW_BASE_RANDOM_H

#include <stdint.h>
#include <string.h>

void clew__random_seed(uint64_t state[4]); /* preserves errno */

static inline uint64_t clew__random_rotate(uint64_t value, int bits) {
    return (value << bits) | (value >> (64 - bits));
}

static inline uint64_t clew__random_next(uint64_t state[4]) {
    uint64_t result, shifted;
    if (__builtin_expect((state[0] | state[1] | state[2] | state[3]) == 0, 0))
        clew__random_seed(state);
    result = clew__random_rotate(state[0] + state[3], 23) + state[0];
    shifted = state[1] << 17;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= shifted;
    state[3] = clew__random_rotate(state[3], 45);
    return result;
}

/* Never zero. */
static inline uint64_t clew__random_id(uint64_t state[4]) {
    uint64_t id;
    do
        id = clew__random_next(state);
    while (__builtin_expect(id == 0, 0));
    return id;
}

#endif
