/* Structures that programs fill in start with their size, so that a program and a library of different
 * releases get along. Pure; any thread. */
#ifndef CLEW_BASE_STRUCT_SIZE_H
#define CLEW_BASE_STRUCT_SIZE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Copies over the defaults in `out` as much as the given structure has: `struct_size` bytes, where 0 means
 * the members of the first release, `first_size` bytes. Members that this library does not know are left out.
 * `out` is then of `size`. */
static inline void clew__options_copy(void *out, size_t size, const void *given, size_t first_size) {
    uint32_t own_size = (uint32_t)size;
    uint32_t given_size;
    memcpy(&given_size, given, sizeof given_size);
    size_t copied = given_size ? given_size : first_size;
    memcpy(out, given, copied < size ? copied : size);
    memcpy(out, &own_size, sizeof own_size);
}

#endif
