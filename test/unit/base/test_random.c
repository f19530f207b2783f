/* Random ids. */
#include "sdk/base/random.h"
#include "test/support.h"

#include <errno.h>

Test(random, state_of_zeros_seeds_itself) {
    uint64_t one[4] = {0}, two[4] = {0};
    errno = 4711;
    struct clew__random a = clew__random_load(one), b = clew__random_load(two);
    cr_assert_eq(errno, 4711);
    cr_assert_neq(clew__random_next(&a), clew__random_next(&b));
}

Test(random, follows_the_published_generator) {
    uint64_t state[4] = {1, 2, 3, 4};
    static const uint64_t expected[] = {41943041, 58720359, UINT64_C(3588806011781223),
                                        UINT64_C(3591011842654386)};
    for (int i = 0; i < 4; i++) {
        struct clew__random random = clew__random_load(state);
        cr_assert_eq(clew__random_next(&random), expected[i]);
        clew__random_store(state, &random);
    }
}

Test(random, every_bit_is_used) {
    uint64_t state[4] = {0}, ones = 0, zeros = 0;
    struct clew__random random = clew__random_load(state);
    for (int i = 0; i < 1000; i++) {
        uint64_t number = clew__random_next(&random);
        ones |= number;
        zeros |= ~number;
    }
    cr_assert_eq(ones, UINT64_MAX);
    cr_assert_eq(zeros, UINT64_MAX);
}
