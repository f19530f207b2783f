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

/* The state in variables of their own: an array would travel through vector registers, and wait for itself.
 */
struct clew__random {
    uint64_t a, b, c, d;
};

static inline struct clew__random clew__random_load(uint64_t state[4]) {
    struct clew__random r;
    if (__builtin_expect((state[0] | state[1] | state[2] | state[3]) == 0, 0))
        clew__random_seed(state);
    r.a = state[0];
    r.b = state[1];
    r.c = state[2];
    r.d = state[3];
    return r;
}

static inline void clew__random_store(uint64_t state[4], const struct clew__random *r) {
    state[0] = r->a;
    state[1] = r->b;
    state[2] = r->c;
    state[3] = r->d;
}

/* The next id; never zero. */
static inline uint64_t clew__random_next(struct clew__random *r) {
    uint64_t result, shifted;
    do {
        result = clew__random_rotate(r->a + r->d, 23) + r->a;
        shifted = r->b << 17;
        r->c ^= r->a;
        r->d ^= r->b;
        r->b ^= r->c;
        r->a ^= r->d;
        r->c ^= shifted;
        r->d = clew__random_rotate(r->d, 45);
    } while (__builtin_expect(result == 0, 0));
    return result;
}

#endif
