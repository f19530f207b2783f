/* Owns the memory of growing writers. No state of its own; one thread at a time each buffer. */
#include "sdk/base/buffer.h"

#include <clew/extend.h>

#define FIRST_SIZE 4096u
#define KEPT_SIZE 65536u /* a usual batch; a larger one gives its memory back */

static char charged_mark; /* its address in `user` says that the buffer is charged */

static bool is_charged(const struct clew__writer *buffer) {
    return buffer->user == &charged_mark;
}

static bool grow(struct clew__writer *buffer, size_t more) {
    size_t capacity = buffer->capacity ? buffer->capacity : FIRST_SIZE;
    size_t added;
    void *data;

    if (more > SIZE_MAX / 2 - buffer->size)
        return false;
    while (capacity < buffer->size + more)
        capacity *= 2;
    added = capacity - buffer->capacity;
    if (is_charged(buffer) && !clew_budget_take(added))
        return false;
    data = clew_memory_reallocate(buffer->data, capacity);
    if (!data) {
        if (is_charged(buffer))
            clew_budget_give(added);
        return false;
    }
    buffer->data = (uint8_t *)data;
    buffer->capacity = capacity;
    return true;
}

struct clew__writer clew__buffer_plain(void) {
    struct clew__writer buffer = {.grow = grow};
    return buffer;
}

struct clew__writer clew__buffer_charged(void) {
    struct clew__writer buffer = {.grow = grow, .user = &charged_mark};
    return buffer;
}

void clew__buffer_reset(struct clew__writer *buffer) {
    buffer->size = 0;
    buffer->failed = false;
    if (buffer->capacity > KEPT_SIZE)
        clew__buffer_fini(buffer);
}

void clew__buffer_fini(struct clew__writer *buffer) {
    const struct clew__writer own = *buffer;
    /* Let go of first: the child of a fork in between would free it again. */
    clew__buffer_forget(buffer);
    clew_memory_release(own.data);
    if (is_charged(&own))
        clew_budget_give(own.capacity);
}

uint8_t *clew__buffer_take(struct clew__writer *buffer) {
    uint8_t *data = buffer->data, *trimmed = buffer->size ? clew_memory_reallocate(data, buffer->size) : NULL;
    clew__buffer_forget(buffer);
    return trimmed ? trimmed : data;
}

void clew__buffer_forget(struct clew__writer *buffer) {
    buffer->data = NULL;
    buffer->size = 0;
    buffer->capacity = 0;
    buffer->failed = false;
}
