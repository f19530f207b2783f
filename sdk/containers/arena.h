/* Memory that is given back all at once: for results. One thread at a time. */
#ifndef CLEW_CONTAINERS_ARENA_H
#define CLEW_CONTAINERS_ARENA_H

#include <clew/common.h>

struct clew__arena_block;

struct clew__arena {
    struct clew__arena_block *blocks;
    size_t used, size; /* of the first block */
};

void clew__arena_fini(struct clew__arena *arena);
/* Zeroed, and aligned for anything; NULL when memory runs out. 0 bytes are not NULL. */
void *clew__arena_take(struct clew__arena *arena, size_t count, size_t size);
/* A copy, without terminator. Its data is NULL when memory runs out. */
clew_text clew__arena_text(struct clew__arena *arena, clew_text text);

#endif
