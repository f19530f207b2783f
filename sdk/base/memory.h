/* The one place that memory comes from, and the one budget that bounds what recording holds. Any thread.
 *
 * Sizes are charged to the budget where memory is obtained for spans, queues and requests; small things of
 * the cold path (providers, tracers, contexts, configuration) are not charged. The public names are in
 * <clew/extend.h>: clew_memory_allocate(), clew_charged_allocate() and their kin, clew_budget_take() and
 * clew_budget_give(). */
#ifndef CLEW_BASE_MEMORY_H
#define CLEW_BASE_MEMORY_H

#include <clew/extend.h>

/* As clew_charged_allocate() and its kin, for what may exceed the budget: not charged. */
void *clew__block_new(size_t size);
void *clew__block_grow(void *block, size_t size, size_t new_size);
void clew__block_free(void *block, size_t size);

/* The limit of CLEW_MEMORY_LIMIT: counts unless clew_set_memory_limit() was called. */
void clew__budget_set_default_limit(uint64_t bytes);

uint64_t clew__budget_used(void);
uint64_t clew__budget_limit(void);

#endif
