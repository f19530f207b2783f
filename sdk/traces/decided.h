/* Which traces have left: a ring of the hashes of their ids, the oldest forgotten first. One thread at a
 * time. */
#ifndef CLEW_TRACES_DECIDED_H
#define CLEW_TRACES_DECIDED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct clew__decided {
    uint64_t *ring;  /* `capacity` of them, in order of coming from `next` on */
    uint64_t *slots; /* twice as many, found by open addressing; 0 is free */
    uint32_t capacity, count, next, limit;
};

/* For at most `limit` ids. False when memory runs out. */
bool clew__decided_init(struct clew__decided *decided, uint32_t limit);
void clew__decided_fini(struct clew__decided *decided);

bool clew__decided_has(const struct clew__decided *decided, uint64_t hash);
/* Adds one that it does not have. It grows only when `growth` bytes more are allowed and there is memory;
 * else the oldest one is forgotten. */
void clew__decided_add(struct clew__decided *decided, uint64_t hash, size_t growth);
/* Memory that it holds. */
size_t clew__decided_bytes(const struct clew__decided *decided);

#endif
