/* Large blocks straight from the kernel, which go back to it at once. Any thread; no state, so nothing to
 * lock and nothing for the child of a fork to repair.
 *
 * glibc's malloc learns from each large block that is freed to take such from its heaps, and keeps them
 * there: a process would hold several times what it uses. Whoever frees or grows a block tells its size, so
 * no table of blocks is needed. Where the kernel maps nothing (limits, too many mappings), malloc serves. */
#ifndef CLEW_BASE_MAPPED_H
#define CLEW_BASE_MAPPED_H

#include <stddef.h>

/* Aligned as malloc's; NULL: no memory. Not for a size of 0. Change errno. */
void *clew__mapped_new(size_t size);
/* With the old content; NULL: no memory, and the block is as it was. */
void *clew__mapped_grow(void *block, size_t size, size_t new_size);
void clew__mapped_free(void *block, size_t size);

#endif
