/* Pieces of spans in order, however many and however mixed. */
#include "test/support.h"

#include "sdk/path/pieces.h"

#include "test/unit/analysis/random.h"

#include <stdlib.h>
#include <string.h>

#define MOST 3000

static struct clew__piece pieces[MOST], spare[MOST];

/* Each piece is a span of its own that only its times tell apart. */
static uint64_t sum_of(uint32_t count) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += (pieces[i].start * 31 + pieces[i].end) * (pieces[i].span + UINT64_C(17));
    return sum;
}

static void expect_sorted(uint32_t count, clew__piece_order *order, const char *what) {
    uint64_t before = sum_of(count);
    uint64_t steps = clew__pieces_sort(NULL, pieces, spare, count, order);
    for (uint32_t i = 1; i < count; i++)
        cr_assert_not(order(NULL, &pieces[i], &pieces[i - 1]), "%s: %u of %u", what, i, count);
    cr_assert_eq(sum_of(count), before, "%s: others", what);
    cr_assert_leq(steps, count * UINT64_C(24) + 1, "%s: %llu steps for %u", what, (unsigned long long)steps,
                  count);
}

Test(pieces, any_number_in_any_order_is_sorted) {
    struct random random = {1};
    for (uint32_t count = 0; count < MOST; count += 1 + count / 3) {
        for (uint32_t i = 0; i < count; i++)
            pieces[i] = (struct clew__piece){random_next(&random) >> 8, random_next(&random) >> 8, i, 0};
        expect_sorted(count, clew__piece_ends_later, "at random, by end");
        expect_sorted(count, clew__piece_starts_earlier, "by end, by start");
    }
}

Test(pieces, what_is_in_order_takes_a_comparison_each) {
    for (uint32_t i = 0; i < MOST; i++)
        pieces[i] = (struct clew__piece){i, MOST + i, i, 0};
    cr_expect_leq(clew__pieces_sort(NULL, pieces, spare, MOST, clew__piece_starts_earlier), MOST);
}

Test(pieces, what_is_in_reverse_is_sorted) {
    for (uint32_t i = 0; i < MOST; i++)
        pieces[i] = (struct clew__piece){i, MOST + i, i, 0};
    expect_sorted(MOST, clew__piece_ends_later, "in reverse");
}
