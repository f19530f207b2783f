/* Blocks of memory for results. One thread at a time. */
#include "sdk/containers/arena.h"

#include "sdk/base/memory.h"

#include <stdalign.h>
#include <string.h>

#define BLOCK_SIZE 16384u
#define ALIGNMENT alignof(max_align_t)

struct clew__arena_block {
    struct clew__arena_block *next;
    alignas(ALIGNMENT) char data[];
};

void clew__arena_fini(struct clew__arena *arena) {
    while (arena->blocks) {
        struct clew__arena_block *block = arena->blocks;
        arena->blocks = block->next;
        clew_memory_release(block);
    }
    *arena = (struct clew__arena){NULL, 0, 0};
}

static void *take(struct clew__arena *arena, size_t size) {
    char *taken;
    if (!arena->blocks || size > arena->size - arena->used) {
        size_t room = size > BLOCK_SIZE ? size : BLOCK_SIZE;
        struct clew__arena_block *block =
            (struct clew__arena_block *)clew_memory_allocate(sizeof *block + room);
        if (!block)
            return NULL;
        block->next = arena->blocks;
        *arena = (struct clew__arena){block, 0, room};
    }
    taken = arena->blocks->data + arena->used;
    arena->used += size;
    return taken;
}

void *clew__arena_take(struct clew__arena *arena, size_t count, size_t size) {
    size_t bytes;
    void *taken;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX / 2)
        return NULL;
    bytes = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    taken = take(arena, bytes);
    if (taken)
        memset(taken, 0, bytes);
    return taken;
}

clew_text clew__arena_text(struct clew__arena *arena, clew_text text) {
    char *copy = (char *)clew__arena_take(arena, text.size, 1);
    if (copy && text.size > 0)
        memcpy(copy, text.data, text.size);
    return (clew_text){copy, copy ? text.size : 0};
}
