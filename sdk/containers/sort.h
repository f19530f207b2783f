/* Sorting by two numbers, and by more where those are equal: merging, so n log n whatever the input, without
 * recursion; what is in order already takes n. Pure; any thread. */
#ifndef CLEW_CONTAINERS_SORT_H
#define CLEW_CONTAINERS_SORT_H

#include <stddef.h>
#include <stdint.h>

struct clew__sort_key {
    uint64_t first, second;
    uint32_t index; /* of what is sorted */
};

/* Sorts `count` keys, with as many to spare. `tie` orders indices whose numbers are equal; NULL: they stay in
 * their order. */
void clew__sort_keys(struct clew__sort_key *keys, struct clew__sort_key *spare, size_t count,
                     int (*tie)(const void *user, uint32_t a, uint32_t b), const void *user);

#endif
