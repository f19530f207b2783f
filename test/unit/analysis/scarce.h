/* Memory that runs out when a test wants it to. */
#ifndef CLEW_TEST_ANALYSIS_SCARCE_H
#define CLEW_TEST_ANALYSIS_SCARCE_H

#include <clew/diagnostics.h>
#include <criterion/criterion.h>
#include <stdlib.h>

static int allocations_left;

static void *scarce_allocate(void *user, size_t size) {
    (void)user;
    return allocations_left-- > 0 ? malloc(size) : NULL;
}

static void *scarce_reallocate(void *user, void *block, size_t size) {
    (void)user;
    return allocations_left-- > 0 ? realloc(block, size) : NULL;
}

static void scarce_release(void *user, void *block) {
    (void)user;
    free(block);
}

/* For a test's .init: before anything is allocated. */
static void make_memory_scarce(void) {
    clew_allocator scarce = {
        .allocate = scarce_allocate, .reallocate = scarce_reallocate, .release = scarce_release};
    cr_assert_eq(clew_set_allocator(&scarce), CLEW_OK);
}

#endif
