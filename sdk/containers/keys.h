/* Numbers for keys of up to three numbers: 0, 1, 2… in the order in which they first came. For tables whose
 * rows lie in an array. One thread at a time. */
#ifndef CLEW_CONTAINERS_KEYS_H
#define CLEW_CONTAINERS_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#define CLEW__NO_KEY UINT32_MAX

struct clew__key {
    uint32_t a, b, c;
};

/* All zero is an empty table. */
struct clew__keys {
    struct clew__key *keys; /* by number */
    uint32_t *slots;        /* number + 1; 0: free. A power of two of them, at most half in use */
    uint32_t count, slot_count;
    uint64_t seed; /* from the first key on */
};

/* CLEW__NO_KEY when it is not there. */
uint32_t clew__keys_find(const struct clew__keys *keys, struct clew__key key);
/* A key that is not there yet. CLEW__NO_KEY when memory runs out. */
uint32_t clew__keys_add(struct clew__keys *keys, struct clew__key key);
void clew__keys_fini(struct clew__keys *keys);

/* Spreads a number over all bits: the finaliser of splitmix64 (Steele, Lea, Flood 2014). */
static inline uint64_t clew__mix(uint64_t value) {
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

#endif
