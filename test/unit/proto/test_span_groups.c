/* Groups of spans: that their keys cannot be made to collide. What they hold is tested with Jaeger's traces.
 */
#include "proto/span_groups.h"

#include "test/support.h"
#include "test/unit/proto/growing.h"

static uint64_t hash_of(struct clew__span_groups *groups, const uint64_t key[2]) {
    struct clew__span_group group;
    clew__span_groups_get(groups, clew__span_groups_find(groups, (const char *)key, 2 * sizeof *key), &group);
    return group.hash;
}

/* Of each product the highest bit follows that of a factor, whatever odd number the other one is: keys that
 * differ in nothing else would collide, 2^k of them in 16 * k bytes. */
Test(span_groups, keys_that_differ_in_high_bits_do_not_collide) {
    const uint64_t high = UINT64_C(1) << 63;
    const uint64_t keys[][2] = {
        {1, 2}, {1 ^ high, 2 ^ high ^ high >> 32}, {1 ^ high, 2 ^ high}, {1 ^ high, 2}};
    struct clew__writer writer = growing_writer();
    struct clew__span_groups groups;
    cr_assert(clew__span_groups_init(&groups, &writer));
    for (size_t i = 1; i < 4; i++)
        cr_assert_neq(hash_of(&groups, keys[0]), hash_of(&groups, keys[i]), "%zu", i);
    growing_free(&writer);
    CLEW_NO_LEAKS();
}

Test(span_groups, hashes_differ_from_reader_to_reader) {
    const uint64_t key[2] = {1, 2};
    struct clew__writer writers[2] = {growing_writer(), growing_writer()};
    struct clew__span_groups groups[2];
    for (int i = 0; i < 2; i++)
        cr_assert(clew__span_groups_init(&groups[i], &writers[i]));
    cr_assert_neq(hash_of(&groups[0], key), hash_of(&groups[1], key));
    for (int i = 0; i < 2; i++)
        growing_free(&writers[i]);
    CLEW_NO_LEAKS();
}
