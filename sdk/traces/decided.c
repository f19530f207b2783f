/* The ring of traces that have left. Owns its two arrays. */
#include "sdk/traces/decided.h"

#include "sdk/base/memory.h"

#include <string.h>

#define FIRST_CAPACITY 64u

static size_t bytes_of(size_t capacity) {
    return 3 * capacity * sizeof(uint64_t);
}

/* 0 marks a free slot. */
static uint64_t key_of(uint64_t hash) {
    return hash ? hash : 1;
}

static uint32_t find(const struct clew__decided *decided, uint64_t key) {
    uint32_t mask = 2 * decided->capacity - 1, at = (uint32_t)key & mask;
    while (decided->slots[at] && decided->slots[at] != key)
        at = (at + 1) & mask;
    return at;
}

/* The slots behind a free one that could not be reached any more move up. */
static void forget(struct clew__decided *decided, uint64_t key) {
    uint32_t mask = 2 * decided->capacity - 1, hole = find(decided, key);
    decided->slots[hole] = 0;
    for (uint32_t at = (hole + 1) & mask; decided->slots[at]; at = (at + 1) & mask) {
        uint32_t home = (uint32_t)decided->slots[at] & mask;
        if (((at - home) & mask) < ((at - hole) & mask))
            continue;
        decided->slots[hole] = decided->slots[at];
        decided->slots[at] = 0;
        hole = at;
    }
}

static bool resize(struct clew__decided *decided, uint32_t capacity) {
    uint64_t *ring = (uint64_t *)clew_memory_allocate(bytes_of(capacity)), *before = decided->ring;
    uint32_t mask = decided->capacity - 1;
    if (!ring)
        return false;
    for (uint32_t i = 0; i < decided->count; i++)
        ring[i] = before[(decided->next + decided->capacity - decided->count + i) & mask];
    decided->ring = ring;
    decided->slots = ring + capacity;
    decided->capacity = capacity;
    decided->next = decided->count;
    memset(decided->slots, 0, 2 * (size_t)capacity * sizeof *decided->slots);
    for (uint32_t i = 0; i < decided->count; i++)
        decided->slots[find(decided, ring[i])] = ring[i];
    clew_memory_release(before);
    return true;
}

bool clew__decided_init(struct clew__decided *decided, uint32_t limit) {
    *decided = (struct clew__decided){.limit = limit};
    return resize(decided, FIRST_CAPACITY);
}

void clew__decided_fini(struct clew__decided *decided) {
    clew_memory_release(decided->ring);
    *decided = (struct clew__decided){NULL, NULL, 0, 0, 0, 0};
}

bool clew__decided_has(const struct clew__decided *decided, uint64_t hash) {
    return decided->slots[find(decided, key_of(hash))] != 0;
}

void clew__decided_add(struct clew__decided *decided, uint64_t hash, size_t growth) {
    uint64_t key = key_of(hash);
    uint32_t capacity = decided->capacity;
    if (decided->count == capacity && capacity < decided->limit && capacity <= UINT32_MAX / 4 &&
        growth >= bytes_of(capacity))
        resize(decided, 2 * capacity);
    if (decided->count == decided->capacity || decided->count >= decided->limit) {
        uint32_t mask = decided->capacity - 1;
        forget(decided, decided->ring[(decided->next + decided->capacity - decided->count) & mask]);
        decided->count--;
    }
    decided->ring[decided->next] = key;
    decided->next = (decided->next + 1) & (decided->capacity - 1);
    decided->count++;
    decided->slots[find(decided, key)] = key;
}

size_t clew__decided_bytes(const struct clew__decided *decided) {
    return bytes_of(decided->capacity);
}
