/* The table of items by key: open addressing over an array. One thread at a time. */
#include "sdk/containers/table.h"

#include "sdk/base/memory.h"
#include "sdk/base/random.h"

#define FIRST_CAPACITY 32u

void clew__table_init(struct clew__table *table, size_t item_size, size_t key_size) {
    uint64_t seed[4];
    clew__random_seed(seed);
    memset(table, 0, sizeof *table);
    table->item_size = item_size;
    table->key_size = key_size;
    table->seed = seed[0];
}

void clew__table_fini(struct clew__table *table) {
    clew_memory_release(table->items);
    clew_memory_release(table->slots);
    memset(table, 0, sizeof *table);
}

/* Keys are numbers that this library gave out, not bytes that strangers choose; the seed is for safety. */
static uint32_t hash_of(const struct clew__table *table, const void *key) {
    const uint8_t *at = (const uint8_t *)key;
    uint64_t hash = table->seed;
    for (size_t i = 0; i < table->key_size; i += sizeof(uint32_t)) {
        uint32_t word;
        memcpy(&word, at + i, sizeof word);
        hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15); /* 2^64 / golden ratio (Knuth) */
        hash ^= hash >> 32;
    }
    return (uint32_t)hash;
}

static void place(struct clew__table *table, uint32_t index) {
    uint32_t mask = 2 * table->capacity - 1, at = hash_of(table, clew__table_at(table, index)) & mask;
    while (table->slots[at])
        at = (at + 1) & mask;
    table->slots[at] = index + 1;
}

static bool grow(struct clew__table *table) {
    uint32_t capacity = table->capacity ? 2 * table->capacity : FIRST_CAPACITY;
    uint32_t *slots;
    void *items;
    if (capacity > UINT32_MAX / 4)
        return false;
    slots = (uint32_t *)clew_memory_allocate(2 * (size_t)capacity * sizeof *slots);
    if (!slots)
        return false;
    items = clew_memory_reallocate(table->items, capacity * table->item_size);
    if (!items) {
        clew_memory_release(slots);
        return false;
    }
    clew_memory_release(table->slots);
    memset(slots, 0, 2 * (size_t)capacity * sizeof *slots);
    table->items = items;
    table->slots = slots;
    table->capacity = capacity;
    for (uint32_t i = 0; i < table->count; i++)
        place(table, i);
    return true;
}

uint32_t clew__table_find(const struct clew__table *table, const void *key) {
    uint32_t mask = 2 * table->capacity - 1, at;
    if (table->capacity == 0)
        return CLEW__TABLE_NONE;
    for (at = hash_of(table, key) & mask; table->slots[at]; at = (at + 1) & mask) {
        uint32_t index = table->slots[at] - 1;
        if (memcmp(clew__table_at(table, index), key, table->key_size) == 0)
            return index;
    }
    return CLEW__TABLE_NONE;
}

uint32_t clew__table_add(struct clew__table *table, const void *key) {
    uint32_t index = clew__table_find(table, key);
    if (index != CLEW__TABLE_NONE)
        return index;
    if (table->count == table->capacity && !grow(table))
        return CLEW__TABLE_NONE;
    index = table->count++;
    memset(clew__table_at(table, index), 0, table->item_size);
    memcpy(clew__table_at(table, index), key, table->key_size);
    place(table, index);
    return index;
}
