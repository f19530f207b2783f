/* Bytes that do not compress, the same in every run. */
#ifndef CLEW_TEST_UNIT_EXPORT_RANDOM_H
#define CLEW_TEST_UNIT_EXPORT_RANDOM_H

#include <stddef.h>
#include <stdint.h>

static inline void fill_random(uint8_t *out, size_t size) {
    uint64_t state = 88172645463325252u;
    for (size_t i = 0; i < size; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out[i] = (uint8_t)(state >> 32);
    }
}

#endif
