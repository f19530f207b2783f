/* A run of text that somebody else owns, for parsers that read like prose. Pure; any thread. */
#ifndef CLEW_BASE_SLICE_H
#define CLEW_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct clew__slice {
    const char *data;
    size_t size;
};

static inline struct clew__slice clew__slice_of(const char *data, size_t size) {
    struct clew__slice slice = {data, data ? size : 0};
    return slice;
}

static inline struct clew__slice clew__slice_text(const char *text) {
    return clew__slice_of(text, text ? strlen(text) : 0);
}

static inline bool clew__slice_equals(struct clew__slice slice, const char *text) {
    return strlen(text) == slice.size && (slice.size == 0 || memcmp(slice.data, text, slice.size) == 0);
}

/* Takes the first `size` bytes off (all, when there are fewer) and returns them. */
static inline struct clew__slice clew__slice_take(struct clew__slice *slice, size_t size) {
    struct clew__slice taken = {slice->data, size < slice->size ? size : slice->size};
    slice->data += taken.size;
    slice->size -= taken.size;
    return taken;
}

/* Takes one byte off when it is this one. */
static inline bool clew__slice_consume(struct clew__slice *slice, char byte) {
    if (slice->size == 0 || slice->data[0] != byte)
        return false;
    clew__slice_take(slice, 1);
    return true;
}

/* Takes what stands before the first separator, and the separator; all when there is none. */
static inline struct clew__slice clew__slice_split(struct clew__slice *slice, char separator) {
    const char *found = slice->size ? (const char *)memchr(slice->data, separator, slice->size) : NULL;
    struct clew__slice part = clew__slice_take(slice, found ? (size_t)(found - slice->data) : slice->size);
    clew__slice_consume(slice, separator);
    return part;
}

/* Without spaces and tabs at both ends (HTTP's optional white space). */
static inline struct clew__slice clew__slice_trim(struct clew__slice slice) {
    while (slice.size && (slice.data[0] == ' ' || slice.data[0] == '\t'))
        slice.data++, slice.size--;
    while (slice.size && (slice.data[slice.size - 1] == ' ' || slice.data[slice.size - 1] == '\t'))
        slice.size--;
    return slice;
}

#endif
