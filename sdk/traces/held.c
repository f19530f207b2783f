/* The traces that a buffer holds: a hash table, a heap, a list. Owns them. */
#include "sdk/traces/held.h"

#include "sdk/base/memory.h"
#include "sdk/containers/sort.h"

#include <string.h>

#define FIRST_CAPACITY 64u
#define FETCH_LINE 64u
#define FETCH_MAX 8192u /* a part of the innermost cache */
#define POINTERS 4u     /* for each trace: two slots, heap, order */

/* ---- the table ---- */

static size_t bytes_of(size_t capacity) {
    return POINTERS * capacity * sizeof(struct clew__held *);
}

size_t clew__held_set_bytes(const struct clew__held_set *set) {
    return bytes_of(set->capacity);
}

size_t clew__held_set_growth(const struct clew__held_set *set) {
    return sizeof(struct clew__held) + (set->count == set->capacity ? bytes_of(set->capacity) : 0);
}

static uint32_t mask_of(const struct clew__held_set *set) {
    return 2 * set->capacity - 1;
}

static void place(struct clew__held_set *set, struct clew__held *held) {
    uint32_t mask = mask_of(set), at = (uint32_t)held->hash & mask;
    while (set->slots[at])
        at = (at + 1) & mask;
    set->slots[at] = held;
}

static bool resize(struct clew__held_set *set, uint32_t capacity) {
    struct clew__held **block = (struct clew__held **)clew_memory_allocate(bytes_of(capacity));
    struct clew__held **before = set->slots;
    uint32_t slots = 2 * set->capacity;
    if (!block)
        return false;
    memset(block, 0, bytes_of(capacity));
    if (set->heap_count > 0)
        memcpy(block + 2 * (size_t)capacity, set->heap, set->heap_count * sizeof *block);
    if (set->is_ordered && set->count > 0)
        memcpy(block + 3 * (size_t)capacity, set->order, set->count * sizeof *block);
    set->slots = block;
    set->heap = block + 2 * (size_t)capacity;
    set->order = block + 3 * (size_t)capacity;
    set->capacity = capacity;
    for (uint32_t i = 0; i < slots; i++) {
        if (before[i])
            place(set, before[i]);
    }
    clew_memory_release(before);
    return true;
}

bool clew__held_set_init(struct clew__held_set *set) {
    memset(set, 0, sizeof *set);
    return resize(set, FIRST_CAPACITY);
}

static void release(struct clew__held *held) {
    clew__held_forget_trace(held);
    clew__records_fini(&held->records);
    clew_memory_release(held);
}

void clew__held_set_fini(struct clew__held_set *set) {
    for (uint32_t i = 0; i < 2 * set->capacity; i++) {
        if (set->slots[i])
            release(set->slots[i]);
    }
    clew_memory_release(set->slots);
    memset(set, 0, sizeof *set);
}

struct clew__held *clew__held_find(const struct clew__held_set *set, uint64_t hash,
                                   const uint8_t trace_id[16]) {
    uint32_t mask = mask_of(set);
    if (set->count == 0)
        return NULL;
    for (uint32_t at = (uint32_t)hash & mask; set->slots[at]; at = (at + 1) & mask) {
        struct clew__held *held = set->slots[at];
        if (held->hash == hash && memcmp(held->records.trace_id, trace_id, 16) == 0)
            return held;
    }
    return NULL;
}

struct clew__held *clew__held_new(struct clew__held_set *set, uint64_t hash, const uint8_t trace_id[16]) {
    struct clew__held *held;
    if (set->count == set->capacity && (set->capacity > UINT32_MAX / 8 || !resize(set, 2 * set->capacity)))
        return NULL;
    held = (struct clew__held *)clew_memory_allocate(sizeof *held);
    if (!held)
        return NULL;
    memset(held, 0, sizeof *held);
    memcpy(held->records.trace_id, trace_id, 16);
    held->hash = hash;
    held->in_heap = CLEW__NOT_IN_HEAP;
    place(set, held);
    set->count++;
    set->is_ordered = false;
    return held;
}

/* The slots behind a free one that could not be reached any more move up. */
static void unplace(struct clew__held_set *set, const struct clew__held *held) {
    uint32_t mask = mask_of(set), hole = (uint32_t)held->hash & mask;
    while (set->slots[hole] != held)
        hole = (hole + 1) & mask;
    set->slots[hole] = NULL;
    for (uint32_t at = (hole + 1) & mask; set->slots[at]; at = (at + 1) & mask) {
        uint32_t home = (uint32_t)set->slots[at]->hash & mask;
        if (((at - home) & mask) < ((at - hole) & mask))
            continue;
        set->slots[hole] = set->slots[at];
        set->slots[at] = NULL;
        hole = at;
    }
}

static void unlink_complete(struct clew__held_set *set, struct clew__held *held) {
    if (!held->is_complete)
        return;
    *(held->older ? &held->older->newer : &set->oldest) = held->newer;
    *(held->newer ? &held->newer->older : &set->newest) = held->older;
}

void clew__held_remove(struct clew__held_set *set, struct clew__held *held) {
    clew__held_unschedule(set, held);
    unlink_complete(set, held);
    unplace(set, held);
    set->count--;
    set->is_ordered = false;
    release(held);
}

void clew__held_forget_trace(struct clew__held *held) {
    clew__trace_free(held->trace);
    held->trace = NULL;
}

void clew__held_complete(struct clew__held_set *set, struct clew__held *held) {
    held->is_complete = true;
    held->older = set->newest;
    *(set->newest ? &set->newest->newer : &set->oldest) = held;
    set->newest = held;
}

/* ---- the heap ---- */

static void put(struct clew__held_set *set, uint32_t at, struct clew__held *held) {
    set->heap[at] = held;
    held->in_heap = at;
}

static void rise(struct clew__held_set *set, struct clew__held *held) {
    uint32_t at = held->in_heap;
    for (; at > 0 && set->heap[(at - 1) / 2]->wake > held->wake; at = (at - 1) / 2)
        put(set, at, set->heap[(at - 1) / 2]);
    put(set, at, held);
}

static void sink(struct clew__held_set *set, struct clew__held *held) {
    uint32_t at = held->in_heap;
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child + 1 < set->heap_count && set->heap[child + 1]->wake < set->heap[child]->wake)
            child++;
        if (child >= set->heap_count || set->heap[child]->wake >= held->wake)
            break;
        put(set, at, set->heap[child]);
        at = child;
    }
    put(set, at, held);
}

void clew__held_schedule(struct clew__held_set *set, struct clew__held *held, uint64_t wake) {
    if (held->in_heap == CLEW__NOT_IN_HEAP)
        put(set, set->heap_count++, held);
    held->wake = wake;
    rise(set, held);
    sink(set, held);
}

void clew__held_unschedule(struct clew__held_set *set, struct clew__held *held) {
    struct clew__held *last;
    if (held->in_heap == CLEW__NOT_IN_HEAP)
        return;
    last = set->heap[--set->heap_count];
    if (last != held) {
        put(set, held->in_heap, last);
        rise(set, last);
        sink(set, last);
    }
    held->in_heap = CLEW__NOT_IN_HEAP;
}

struct clew__held *clew__held_first(const struct clew__held_set *set) {
    return set->heap_count > 0 ? set->heap[0] : NULL;
}

/* ---- the order ---- */

/* Traces in order lie anywhere in memory: to wait for one cache line after the other takes as long as the
 * work on them. */
static void fetch(const void *block, size_t size) {
    uintptr_t at = (uintptr_t)block, end = at + (size < FETCH_MAX ? size : FETCH_MAX);
    for (; at < end; at += FETCH_LINE)
        __builtin_prefetch((const void *)at);
}

void clew__held_fetch(const struct clew__held *held) {
    if (!held || held->records.count == 0)
        return;
    fetch(held->records.records, held->records.count * sizeof *held->records.records);
    if (held->trace)
        fetch(held->trace, clew__trace_bytes_max(held->records.count));
}

static int compare_ids(const void *user, uint32_t a, uint32_t b) {
    const struct clew__held_set *set = (const struct clew__held_set *)user;
    return memcmp(set->slots[a]->records.trace_id, set->slots[b]->records.trace_id, 16);
}

bool clew__held_sort(struct clew__held_set *set) {
    struct clew__sort_key *keys;
    uint32_t count = 0;
    if (set->is_ordered)
        return true;
    keys = (struct clew__sort_key *)clew_memory_allocate((2 * (size_t)set->count + 1) * sizeof *keys);
    if (!keys)
        return false;
    for (uint32_t i = 0; i < 2 * set->capacity; i++) {
        if (set->slots[i])
            keys[count++] = (struct clew__sort_key){set->slots[i]->earliest, 0, i};
    }
    clew__sort_keys(keys, keys + count, count, compare_ids, set);
    for (uint32_t i = 0; i < count; i++) {
        set->order[i] = set->slots[keys[i].index];
        set->order[i]->in_order = i;
    }
    clew_memory_release(keys);
    set->is_ordered = true;
    return true;
}
