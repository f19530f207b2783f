/* Owns the memory of growing writers. No state of its own; one thread at a time each buffer.
 *
 * The child of a fork at any moment finds a buffer with its memory and the right size of it, or with capacity
 * 0: then it has none, wherever `data` points. */
#include "sdk/base/buffer.h"

#include <clew/extend.h>

#include <stdatomic.h>

#define FIRST_SIZE 4096u
#define KEPT_SIZE 65536u /* a usual batch; a larger one gives its memory back */

static char charged_mark; /* its address in `user` says that the buffer is charged */

static bool is_charged(const struct clew__writer *buffer) {
    return buffer->user == &charged_mark;
}

static void *resize(const struct clew__writer *old, size_t capacity) {
    void *data = old->capacity ? old->data : NULL;
    return is_charged(old) ? clew_charged_grow(data, old->capacity, capacity)
                           : clew_memory_reallocate(data, capacity);
}

static bool grow(struct clew__writer *buffer, size_t more) {
    const struct clew__writer old = *buffer;
    size_t capacity = old.capacity ? old.capacity : FIRST_SIZE;
    void *data;

    if (more > SIZE_MAX / 2 - old.size)
        return false;
    while (capacity < old.size + more)
        capacity *= 2;
    buffer->capacity = 0;
    atomic_signal_fence(memory_order_seq_cst);
    data = resize(&old, capacity);
    if (data)
        buffer->data = (uint8_t *)data;
    atomic_signal_fence(memory_order_seq_cst);
    buffer->capacity = data ? capacity : old.capacity;
    return data != NULL;
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
    if (own.capacity == 0)
        return;
    if (is_charged(&own))
        clew_charged_release(own.data, own.capacity);
    else
        clew_memory_release(own.data);
}

uint8_t *clew__buffer_take(struct clew__writer *buffer) {
    uint8_t *data = buffer->data, *trimmed = buffer->size ? clew_memory_reallocate(data, buffer->size) : NULL;
    clew__buffer_forget(buffer);
    return trimmed ? trimmed : data;
}

void clew__buffer_forget(struct clew__writer *buffer) {
    buffer->size = 0;
    atomic_signal_fence(memory_order_seq_cst);
    buffer->capacity = 0;
    atomic_signal_fence(memory_order_seq_cst);
    buffer->data = NULL;
    buffer->failed = false;
}
