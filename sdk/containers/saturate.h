/* Sums of whole numbers that stay at the largest number instead of wrapping around: still associative and
 * commutative. Pure; any thread. */
#ifndef CLEW_CONTAINERS_SATURATE_H
#define CLEW_CONTAINERS_SATURATE_H

#include <stdint.h>

__extension__ typedef unsigned __int128 clew__wide_number;

static inline uint64_t clew__saturated_sum(uint64_t a, uint64_t b) {
    uint64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static inline void clew__saturated_add(uint64_t *sum, uint64_t value) {
    *sum = clew__saturated_sum(*sum, value);
}

static inline uint64_t clew__saturated_product(uint64_t a, uint64_t b) {
    uint64_t product;
    return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

static inline clew__wide_number clew__wide_sum(clew__wide_number a, clew__wide_number b) {
    clew__wide_number sum;
    return __builtin_add_overflow(a, b, &sum) ? ~(clew__wide_number)0 : sum;
}

#endif
