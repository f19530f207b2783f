/* Owns the allocator hooks and the budget. Any thread; no locks: the hooks are set before first use, the
 * budget is one atomic counter. */
#include "sdk/base/memory.h"

#include "sdk/base/mapped.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define BUDGET_DEFAULT (UINT64_C(64) << 20)
#define BUDGET_LEAST (UINT64_C(1) << 20)

/* From here on blocks of a known size are mapped. More than the requests and queues of usual spans have,
 * which would pay for fresh pages with every batch. */
#define LARGE ((size_t)256 << 10)

/* Sanitizers must see what happens to a block: they see malloc's. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

static clew_allocator allocator; /* all NULL: the C library's */
static atomic_bool allocator_used;

static _Atomic uint64_t budget_limit = BUDGET_DEFAULT;
static _Atomic uint64_t budget_used;
static atomic_bool limit_by_code;

int clew_set_allocator(const clew_allocator *chosen) {
    static const clew_allocator none;
    if (chosen && (!chosen->allocate || !chosen->reallocate || !chosen->release))
        return CLEW_EINVAL;
    if (atomic_load(&allocator_used))
        return CLEW_EALREADY;
    allocator = chosen ? *chosen : none;
    return CLEW_OK;
}

static void mark_used(void) {
    if (!atomic_load_explicit(&allocator_used, memory_order_relaxed))
        atomic_store(&allocator_used, true);
}

void *clew_memory_allocate(size_t size) {
    int saved = errno;
    void *block;
    mark_used();
    block = allocator.allocate ? allocator.allocate(allocator.user, size) : malloc(size);
    errno = saved;
    return block;
}

void *clew_memory_reallocate(void *block, size_t size) {
    int saved = errno;
    void *grown;
    if (!block)
        return clew_memory_allocate(size);
    grown = allocator.reallocate ? allocator.reallocate(allocator.user, block, size) : realloc(block, size);
    errno = saved;
    return grown;
}

void clew_memory_release(void *block) {
    int saved = errno;
    if (!block)
        return;
    if (allocator.release)
        allocator.release(allocator.user, block);
    else
        free(block);
    errno = saved;
}

char *clew_memory_copy_text(const char *text, size_t size) {
    char *copy = clew_memory_allocate(size + 1);
    if (!copy)
        return NULL;
    if (size)
        memcpy(copy, text, size);
    copy[size] = '\0';
    return copy;
}

int clew_set_memory_limit(uint64_t bytes) {
    if (bytes < BUDGET_LEAST)
        return CLEW_EINVAL;
    atomic_store(&limit_by_code, true);
    atomic_store(&budget_limit, bytes);
    return CLEW_OK;
}

void clew__budget_set_default_limit(uint64_t bytes) {
    if (!atomic_load(&limit_by_code))
        atomic_store(&budget_limit, bytes);
}

bool clew_budget_take(size_t size) {
    uint64_t limit = atomic_load_explicit(&budget_limit, memory_order_relaxed);
    uint64_t used = atomic_load_explicit(&budget_used, memory_order_relaxed);
    do {
        if (size > limit || used > limit - size)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&budget_used, &used, used + size, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

void clew_budget_give(size_t size) {
    atomic_fetch_sub_explicit(&budget_used, size, memory_order_relaxed);
}

uint64_t clew__budget_used(void) {
    return atomic_load_explicit(&budget_used, memory_order_relaxed);
}

uint64_t clew__budget_limit(void) {
    return atomic_load_explicit(&budget_limit, memory_order_relaxed);
}

/* ---- blocks of a known size ---- */

/* The same for a size throughout the process: the allocator is chosen before the first block. */
static bool is_mapped(size_t size) {
    return size >= LARGE && !SANITIZED && !allocator.allocate;
}

void *clew__block_new(size_t size) {
    int saved = errno;
    void *block;
    if (!is_mapped(size))
        return clew_memory_allocate(size);
    mark_used();
    block = clew__mapped_new(size);
    errno = saved;
    return block;
}

static void *grow_mapped(void *block, size_t size, size_t new_size) {
    int saved = errno;
    void *grown = clew__mapped_grow(block, size, new_size);
    errno = saved;
    return grown;
}

/* A block that becomes large moves from malloc to the kernel. */
void *clew__block_grow(void *block, size_t size, size_t new_size) {
    void *grown;
    if (!block)
        return clew__block_new(new_size);
    if (is_mapped(size))
        return grow_mapped(block, size, new_size);
    if (!is_mapped(new_size))
        return clew_memory_reallocate(block, new_size);
    grown = clew__block_new(new_size);
    if (!grown)
        return NULL;
    memcpy(grown, block, size);
    clew_memory_release(block);
    return grown;
}

void clew__block_free(void *block, size_t size) {
    int saved = errno;
    if (!block)
        return;
    if (is_mapped(size))
        clew__mapped_free(block, size);
    else
        clew_memory_release(block);
    errno = saved;
}

/* ---- charged blocks ---- */

void *clew_charged_allocate(size_t size) {
    void *block;
    if (!clew_budget_take(size))
        return NULL;
    block = clew__block_new(size);
    if (!block)
        clew_budget_give(size);
    return block;
}

void *clew_charged_grow(void *block, size_t size, size_t new_size) {
    void *grown;
    if (new_size < size || !clew_budget_take(new_size - size))
        return NULL;
    grown = clew__block_grow(block, size, new_size);
    if (!grown)
        clew_budget_give(new_size - size);
    return grown;
}

void clew_charged_release(void *block, size_t size) {
    if (!block)
        return;
    clew__block_free(block, size);
    clew_budget_give(size);
}
