/* A writer over memory of the heap, for tests: grows to exactly what is asked for, so that sanitizers see
 * each byte beyond. */
#ifndef CLEW_TEST_UNIT_PROTO_GROWING_H
#define CLEW_TEST_UNIT_PROTO_GROWING_H

#include <stdlib.h>

#include "proto/wire.h"

static inline bool growing_grow(struct clew__writer *writer, size_t more) {
    size_t capacity = writer->size + more, *exact = writer->user;
    uint8_t *data;
    if (!exact && capacity < 2 * writer->capacity)
        capacity = 2 * writer->capacity;
    data = realloc(writer->data, capacity);
    if (!data)
        return false;
    writer->data = data;
    writer->capacity = capacity;
    return true;
}

static inline struct clew__writer growing_writer(void) {
    return (struct clew__writer){.grow = growing_grow};
}

/* One that never has a byte more than it was asked for. */
static inline struct clew__writer tight_writer(void) {
    static size_t exact;
    return (struct clew__writer){.grow = growing_grow, .user = &exact};
}

static inline void growing_free(struct clew__writer *writer) {
    free(writer->data);
    *writer = (struct clew__writer){0};
}

/* A copy that has no byte behind it; to be freed. */
static inline uint8_t *exact_copy(const void *data, size_t size) {
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy)
        abort();
    if (size > 0)
        memcpy(copy, data, size);
    return copy;
}

#endif
