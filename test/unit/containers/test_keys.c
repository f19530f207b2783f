/* Tables of keys: numbers in order, and no cluster that somebody chose. */
#include "test/support.h"

#include "sdk/containers/keys.h"

#define SLOTS 2048u /* of so many keys: half of it */

Test(keys, have_numbers_in_the_order_in_which_they_came) {
    struct clew__keys keys = {0};
    cr_assert_eq(clew__keys_find(&keys, (struct clew__key){0}), CLEW__NO_KEY);
    for (uint32_t i = 0; i < 1000; i++)
        cr_assert_eq(clew__keys_add(&keys, (struct clew__key){i % 10, i / 10, 7}), i);
    for (uint32_t i = 0; i < 1000; i++)
        cr_assert_eq(clew__keys_find(&keys, (struct clew__key){i % 10, i / 10, 7}), i);
    cr_assert_eq(clew__keys_find(&keys, (struct clew__key){1, 1, 8}), CLEW__NO_KEY);
    clew__keys_fini(&keys);
    CLEW_NO_LEAKS();
}

static uint32_t longest_run(const struct clew__keys *keys) {
    uint32_t longest = 0, run = 0;
    for (uint32_t i = 0; i < keys->slot_count; i++) {
        run = keys->slots[i] ? run + 1 : 0;
        longest = run > longest ? run : longest;
    }
    return longest;
}

/* Keys that would all lie in a sixteenth of the slots if the table had no seed of its own. */
Test(keys, that_somebody_chose_to_lie_side_by_side_do_not) {
    struct clew__keys keys = {0};
    for (uint32_t a = 0; keys.count < SLOTS / 2; a++) {
        struct clew__key key = {a % 1000, a / 1000, 0};
        uint64_t hash = clew__mix(clew__mix((uint64_t)key.a << 32 | key.b));
        if ((hash & (SLOTS - 1)) < SLOTS / 16)
            cr_assert_neq(clew__keys_add(&keys, key), CLEW__NO_KEY);
    }
    cr_expect_lt(longest_run(&keys), SLOTS / 16);
    clew__keys_fini(&keys);
    CLEW_NO_LEAKS();
}
