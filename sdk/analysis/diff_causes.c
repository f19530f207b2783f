/* What a difference is made of. Whole numbers: every part is the growth of a rounded sum, so that the parts
 * sum to the difference of the rounded totals, whatever was rounded. Pure. */
#include "sdk/analysis/diff.h"

#include <stdlib.h>

struct causing {
    struct clew__diffing *diffing;
    clew_diff_cause *causes;
    uint32_t count;
    uint64_t sum_before, sum_after; /* of the nodes so far, on the path */
};

static uint64_t critical_self(const clew_profile_node *node) {
    return node ? node->critical_self : 0;
}

static const struct clew__aligned *item_at(const struct causing *causing, uint32_t position) {
    return clew__aligned_at(causing->diffing, causing->diffing->places[position].item);
}

static uint64_t self_before(const struct causing *causing, uint32_t position) {
    return critical_self(clew__side_node(causing->diffing->before, item_at(causing, position)->before));
}

static uint64_t self_after(const struct causing *causing, uint32_t position) {
    return critical_self(clew__side_node(causing->diffing->after, item_at(causing, position)->after));
}

static void say(struct causing *causing, uint32_t node, bool is_mix, uint64_t delta) {
    if (delta != 0)
        causing->causes[causing->count++] = (clew_diff_cause){node, is_mix, (int64_t)delta};
}

static uint64_t each_before(const struct causing *causing, uint64_t sum) {
    return clew__each(sum, causing->diffing->weight_before);
}

static uint64_t each_after(const struct causing *causing, uint64_t sum) {
    return clew__each(sum, causing->diffing->weight_after);
}

static uint64_t greatest_common_divisor(uint64_t a, uint64_t b) {
    while (b != 0) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* How often the root is asked for, as a fraction: the second set's requests by the first's. */
struct ratio {
    uint64_t after, before;
};

/* What the first set's sum would be for each request if its root had the second's share. */
static uint64_t each_reweighted(const struct causing *causing, uint64_t sum, const struct ratio *ratio) {
    clew__wide_number top, bottom = (clew__wide_number)ratio->before * causing->diffing->weight_after;
    if (!__builtin_mul_overflow((clew__wide_number)sum * CLEW__REQUEST, ratio->after, &top))
        return (uint64_t)(top / bottom);
    return (uint64_t)((long double)sum / (long double)bottom * CLEW__REQUEST * (long double)ratio->after);
}

/* Both sums as they are: every node answers for its own. */
static void compare_nodes(struct causing *causing, uint32_t root, uint32_t end) {
    for (uint32_t i = root; i < end; i++) {
        uint64_t before = clew__saturated_sum(causing->sum_before, self_before(causing, i));
        uint64_t after = clew__saturated_sum(causing->sum_after, self_after(causing, i));
        say(causing, i, false,
            each_after(causing, after) - each_after(causing, causing->sum_after) -
                (each_before(causing, before) - each_before(causing, causing->sum_before)));
        causing->sum_before = before;
        causing->sum_after = after;
    }
}

/* The root has another share of the requests: nodes are compared as if it had not, and the rest is the mix.
 * Both sides are rounded from the root on, so that equal sets have no causes; what that leaves is in the
 * rest, too. */
static void compare_shares(struct causing *causing, uint32_t root, uint32_t end, const struct ratio *ratio) {
    uint64_t own_before = 0, own_after = 0, first_before = causing->sum_before, mix;
    uint64_t first_after = causing->sum_after;
    for (uint32_t i = root; i < end; i++) {
        uint64_t before = clew__saturated_sum(own_before, self_before(causing, i));
        uint64_t after = clew__saturated_sum(own_after, self_after(causing, i));
        say(causing, i, false,
            each_after(causing, after) - each_after(causing, own_after) -
                (each_reweighted(causing, before, ratio) - each_reweighted(causing, own_before, ratio)));
        own_before = before;
        own_after = after;
    }
    causing->sum_before = clew__saturated_sum(first_before, own_before);
    causing->sum_after = clew__saturated_sum(first_after, own_after);
    mix = each_after(causing, causing->sum_after) - each_after(causing, first_after);
    mix -= each_before(causing, causing->sum_before) - each_before(causing, first_before);
    mix -= each_after(causing, own_after) - each_reweighted(causing, own_before, ratio);
    say(causing, root, true, mix);
}

/* Only one of the sets has such requests. */
static void compare_lone(struct causing *causing, uint32_t root, uint32_t end) {
    uint64_t before = causing->sum_before, after = causing->sum_after;
    for (uint32_t i = root; i < end; i++) {
        causing->sum_before = clew__saturated_sum(causing->sum_before, self_before(causing, i));
        causing->sum_after = clew__saturated_sum(causing->sum_after, self_after(causing, i));
    }
    say(causing, root, true,
        each_after(causing, causing->sum_after) - each_after(causing, after) -
            (each_before(causing, causing->sum_before) - each_before(causing, before)));
}

static void compare_root(struct causing *causing, uint32_t root, uint32_t end) {
    const struct clew__diffing *diffing = causing->diffing;
    const struct clew__aligned *item = item_at(causing, root);
    struct ratio ratio = {0, 0};
    uint64_t divisor;
    if (item->before)
        ratio.before = diffing->before->root_weights[item->before - 1];
    if (item->after)
        ratio.after = diffing->after->root_weights[item->after - 1];
    if (diffing->is_traces) {
        compare_nodes(causing, root, end);
    } else if (ratio.before == 0 || ratio.after == 0) {
        compare_lone(causing, root, end);
    } else {
        divisor = greatest_common_divisor(ratio.before, ratio.after);
        ratio.before /= divisor;
        ratio.after /= divisor;
        compare_shares(causing, root, end, &ratio);
    }
}

static uint64_t size_of(int64_t delta) {
    return delta < 0 ? -(uint64_t)delta : (uint64_t)delta;
}

static int compare_causes(const void *first, const void *second) {
    const clew_diff_cause *a = (const clew_diff_cause *)first, *b = (const clew_diff_cause *)second;
    uint64_t size_a = size_of(a->delta), size_b = size_of(b->delta);
    if (size_a != size_b)
        return size_a > size_b ? -1 : 1;
    if (a->node != b->node)
        return a->node < b->node ? -1 : 1;
    return (int)a->is_mix - (int)b->is_mix;
}

bool clew__diff_causes(struct clew__diffing *diffing, struct clew__arena *arena, clew_diff *diff) {
    struct causing causing = {.diffing = diffing};
    /* At most one a node, and one more a root. */
    causing.causes =
        (clew_diff_cause *)clew__arena_take(arena, 2 * (size_t)diff->node_count, sizeof *causing.causes);
    if (!causing.causes)
        return false;
    for (uint32_t root = 0; root < diff->node_count; root = diffing->places[root].end)
        compare_root(&causing, root, diffing->places[root].end);
    if (causing.count > 0)
        qsort(causing.causes, causing.count, sizeof *causing.causes, compare_causes);
    diff->causes = causing.causes;
    diff->cause_count = causing.count;
    return true;
}
