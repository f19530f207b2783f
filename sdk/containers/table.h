/* Items found by a key of fixed size, in the order in which they were added. The key is the first thing in an
 * item and has no padding. One thread at a time. */
#ifndef CLEW_CONTAINERS_TABLE_H
#define CLEW_CONTAINERS_TABLE_H

#include <stddef.h>
#include <stdint.h>

#define CLEW__TABLE_NONE UINT32_MAX

struct clew__table {
    void *items;
    uint32_t count, capacity;
    size_t item_size, key_size;
    uint32_t *slots; /* twice the capacity: indices + 1, 0 is free */
    uint64_t seed;
};

/* Takes no memory yet. */
void clew__table_init(struct clew__table *table, size_t item_size, size_t key_size);
void clew__table_fini(struct clew__table *table);

/* The index of the item with that key; CLEW__TABLE_NONE when there is none. */
uint32_t clew__table_find(const struct clew__table *table, const void *key);
/* The same, and adds one that is zero behind its key when there was none. CLEW__TABLE_NONE when memory runs
 * out. Items may move. */
uint32_t clew__table_add(struct clew__table *table, const void *key);

static inline void *clew__table_at(const struct clew__table *table, uint32_t index) {
    return (char *)table->items + (size_t)index * table->item_size;
}

#endif
