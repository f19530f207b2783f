/* An allocator whose n-th allocation fails, for tests that fail each in turn. */
#ifndef CLEW_TEST_FAILING_H
#define CLEW_TEST_FAILING_H

#include <clew/extend.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

static atomic_int failing_after = -1; /* so many more succeed; negative: none fails */
static atomic_bool has_failed;

static inline bool failing_may_allocate(void) {
    int left = atomic_load(&failing_after);
    if (left < 0)
        return true;
    if (left > 0) {
        atomic_store(&failing_after, left - 1);
        return true;
    }
    atomic_store(&failing_after, -1);
    atomic_store(&has_failed, true);
    return false;
}

static inline void *failing_allocate(void *user, size_t size) {
    (void)user;
    return failing_may_allocate() ? malloc(size) : NULL;
}

static inline void *failing_reallocate(void *user, void *block, size_t size) {
    (void)user;
    return failing_may_allocate() ? realloc(block, size) : NULL;
}

static inline void failing_release(void *user, void *block) {
    (void)user;
    free(block);
}

/* Before anything is allocated. */
static inline int failing_install(void) {
    static const clew_allocator failing = {failing_allocate, failing_reallocate, failing_release, NULL};
    return clew_set_allocator(&failing);
}

/* From now on the allocation after so many fails, once. */
static inline void failing_begin(int successes) {
    atomic_store(&has_failed, false);
    atomic_store(&failing_after, successes);
}

/* None fails any more. Returns whether one has. */
static inline bool failing_end(void) {
    atomic_store(&failing_after, -1);
    return atomic_load(&has_failed);
}

#endif
