/* Numbers that are the same in each run. */
#ifndef CLEW_TEST_ANALYSIS_RANDOM_H
#define CLEW_TEST_ANALYSIS_RANDOM_H

#include <math.h>
#include <stdint.h>

struct random {
    uint64_t state;
};

/* splitmix64 */
static inline uint64_t random_next(struct random *random) {
    uint64_t z = (random->state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline uint64_t random_below(struct random *random, uint64_t limit) {
    return random_next(random) % limit;
}

/* In (0, 1). */
static inline double random_unit(struct random *random) {
    return ((double)(random_next(random) >> 11) + 0.5) / 9007199254740992.0;
}

static inline double random_normal(struct random *random) {
    double radius = sqrt(-2 * log(random_unit(random)));
    return radius * cos(6.283185307179586 * random_unit(random));
}

#endif
