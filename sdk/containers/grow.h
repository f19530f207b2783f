/* Arrays that grow. Pure; any thread. */
#ifndef CLEW_CONTAINERS_GROW_H
#define CLEW_CONTAINERS_GROW_H

#include <clew/extend.h>

#include <stdint.h>
#include <string.h>

/* Room for so many members in the array whose pointer is at `array` and which has room for `*capacity`.
 * False, and nothing changed, when memory runs out or there would be more than 2^32. */
static inline bool clew__array_reserve(void *array, uint32_t *capacity, uint64_t needed, size_t member_size) {
    enum { FIRST_CAPACITY = 32 };
    if (needed <= *capacity)
        return true;
    uint64_t wanted = (uint64_t)*capacity * 2;
    if (wanted < needed)
        wanted = needed;
    if (wanted < FIRST_CAPACITY)
        wanted = FIRST_CAPACITY;
    if (wanted > UINT32_MAX)
        wanted = UINT32_MAX;
    if (wanted < needed || wanted > SIZE_MAX / member_size)
        return false;
    void *block;
    memcpy(&block, array, sizeof block);
    block = clew_memory_reallocate(block, (size_t)wanted * member_size);
    if (!block)
        return false;
    memcpy(array, &block, sizeof block);
    *capacity = (uint32_t)wanted;
    return true;
}

#endif
