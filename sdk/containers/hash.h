/* A hash with a key: bytes that strangers choose cannot be made to collide by who does not know it. After
 * wyhash (Wang Yi): the halves of a 128-bit product, folded. Pure; any thread. */
#ifndef CLEW_CONTAINERS_HASH_H
#define CLEW_CONTAINERS_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct clew__hash_key {
    uint64_t a, b;
};

/* Odd, with as many ones as zeros in every byte (wyhash). */
#define CLEW__HASH_ODD UINT64_C(0xa0761d6478bd642f)

static inline uint64_t clew__hash_fold(uint64_t x, uint64_t y) {
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)x * y;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t clew__hash_number(struct clew__hash_key key, uint64_t number) {
    return clew__hash_fold(number ^ key.a, key.b ^ CLEW__HASH_ODD);
}

static inline uint64_t clew__hash_load(const uint8_t *at, size_t size) {
    uint64_t word = 0;
    memcpy(&word, at, size);
    return word;
}

/* The last word that is not full is made of the bytes before it where there are eight. */
static inline uint64_t clew__hash_bytes(struct clew__hash_key key, const void *data, size_t size) {
    const uint8_t *at = (const uint8_t *)data;
    uint64_t state = key.a ^ size, low = 0, high = 0;
    if (size < 8) {
        if (size >= 4) {
            low = clew__hash_load(at, 4);
            high = clew__hash_load(at + size - 4, 4);
        } else if (size > 0) {
            low = (uint64_t)at[0] | (uint64_t)at[size / 2] << 8 | (uint64_t)at[size - 1] << 16;
        }
    } else {
        for (size_t left = size; left > 16; left -= 16, at += 16)
            state = clew__hash_fold(clew__hash_load(at, 8) ^ key.b, clew__hash_load(at + 8, 8) ^ state);
        at = (const uint8_t *)data + size;
        low = clew__hash_load(size > 16 ? at - 16 : (const uint8_t *)data, 8);
        high = clew__hash_load(at - 8, 8);
    }
    return clew__hash_fold(CLEW__HASH_ODD ^ size, clew__hash_fold(low ^ key.b, high ^ state));
}

#endif
