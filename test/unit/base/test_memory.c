/* The allocator hooks and the budget. */
#include "sdk/base/memory.h"
#include "test/support.h"

#include <clew/extend.h>
#include <errno.h>
#include <stdlib.h>

static unsigned allocated, released;

static void *count_allocate(void *user, size_t size) {
    ++*(unsigned *)user;
    errno = EPERM;
    return malloc(size);
}
static void *count_reallocate(void *user, void *block, size_t size) {
    (void)user;
    errno = EPERM;
    return realloc(block, size);
}
static void count_release(void *user, void *block) {
    (void)user;
    released++;
    errno = EPERM;
    free(block);
}

Test(memory, comes_from_the_allocator_and_errno_is_left_alone) {
    clew_allocator allocator = {count_allocate, count_reallocate, count_release, &allocated};
    cr_assert_eq(clew_set_allocator(&allocator), 0);
    errno = 4711;
    void *block = clew_memory_allocate(10);
    block = clew_memory_reallocate(block, 20);
    clew_memory_release(block);
    clew_memory_release(NULL);
    cr_assert_eq(errno, 4711);
    cr_assert_eq(allocated, 1);
    cr_assert_eq(released, 1);
    CLEW_NO_LEAKS();
}

Test(memory, allocator_is_refused_after_first_use) {
    clew_allocator allocator = {count_allocate, count_reallocate, count_release, &allocated};
    clew_memory_release(clew_memory_allocate(1));
    cr_assert_eq(clew_set_allocator(&allocator), CLEW_EALREADY);
    cr_assert_eq(allocated, 0);
}

Test(memory, allocator_that_lacks_a_function_is_refused) {
    clew_allocator allocator = {count_allocate, NULL, count_release, &allocated};
    cr_assert_eq(clew_set_allocator(&allocator), CLEW_EINVAL);
}

Test(memory, budget_is_kept_to_the_byte) {
    cr_assert_eq(clew_set_memory_limit(1 << 20), 0);
    uint64_t used = clew__budget_used();
    cr_assert(clew_budget_take((1 << 20) - used));
    cr_assert_not(clew_budget_take(1));
    cr_assert_not(clew_budget_take(SIZE_MAX));
    cr_assert_null(clew_charged_allocate(1));
    clew_budget_give(1);
    cr_assert(clew_budget_take(1));
    cr_assert_eq(clew__budget_used(), 1 << 20);
    clew_budget_give((1 << 20) - used);
    cr_assert_eq(clew__budget_used(), used);
}

Test(memory, budget_below_a_mebibyte_is_refused) {
    uint64_t before = clew__budget_limit();
    cr_assert_eq(clew_set_memory_limit((1 << 20) - 1), CLEW_EINVAL);
    cr_assert_eq(clew__budget_limit(), before);
}

Test(memory, lowered_budget_refuses_until_enough_is_given_back) {
    cr_assert(clew_budget_take(4 << 20));
    cr_assert_eq(clew_set_memory_limit(1 << 20), 0);
    cr_assert_not(clew_budget_take(1));
    clew_budget_give(4 << 20);
    cr_assert(clew_budget_take(1000));
    clew_budget_give(1000);
}

Test(memory, copied_text_is_terminated) {
    char *copy = clew_memory_copy_text("abcdef", 3);
    cr_assert_str_eq(copy, "abc");
    clew_memory_release(copy);
    copy = clew_memory_copy_text(NULL, 0);
    cr_assert_str_eq(copy, "");
    clew_memory_release(copy);
    CLEW_NO_LEAKS();
}
