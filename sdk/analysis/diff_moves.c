/* What moved between two profiles: siblings that changed places, and nodes that have another parent. Pure. */
#include "sdk/analysis/diff.h"

#include <stdlib.h>

/* Of more siblings than this nothing is said about their order. */
#define SIBLINGS_MAX 1000u
/* Siblings that start within one part in so many of their parent's duration have no order. */
#define NEAR_PART 100u

struct pair {
    uint32_t parent;
    uint32_t item;
    uint64_t before, after; /* mean time from the parent's start */
};

static int compare_pairs(const void *first, const void *second) {
    const struct pair *a = (const struct pair *)first, *b = (const struct pair *)second;
    if (a->parent != b->parent)
        return a->parent < b->parent ? -1 : 1;
    if (a->before != b->before)
        return a->before < b->before ? -1 : 1;
    if (a->after != b->after)
        return a->after < b->after ? -1 : 1;
    return (a->item > b->item) - (a->item < b->item);
}

static uint64_t mean_duration(const clew_profile_node *node) {
    return node->count ? node->duration / node->count : 0;
}

static uint64_t nearness(const struct clew__diffing *diffing, uint32_t parent) {
    const struct clew__aligned *item = clew__aligned_at(diffing, parent);
    uint64_t before = mean_duration(clew__side_node(diffing->before, item->before));
    uint64_t after = mean_duration(clew__side_node(diffing->after, item->after));
    return (before > after ? before : after) / NEAR_PART;
}

/* Which of the pairs, in order of `before`, make the longest run that is in order of `after` too. */
static void keep_longest(const struct pair *pairs, uint32_t count, uint32_t *lasts, uint32_t *previous,
                         bool *is_kept) {
    uint32_t length = 0, at;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t low = 0, high = length;
        while (low < high) {
            uint32_t middle = low + (high - low) / 2;
            if (pairs[lasts[middle]].after <= pairs[i].after)
                low = middle + 1;
            else
                high = middle;
        }
        previous[i] = low > 0 ? lasts[low - 1] : UINT32_MAX;
        lasts[low] = i;
        if (low == length)
            length++;
        is_kept[i] = false;
    }
    for (at = length > 0 ? lasts[length - 1] : UINT32_MAX; at != UINT32_MAX; at = previous[at])
        is_kept[at] = true;
}

static bool is_after(uint64_t a, uint64_t b, uint64_t near) {
    return a > b && a - b > near;
}

static bool changed_places(const struct pair *a, const struct pair *b, uint64_t near) {
    return (is_after(a->before, b->before, near) && is_after(b->after, a->after, near)) ||
           (is_after(b->before, a->before, near) && is_after(a->after, b->after, near));
}

static void order_siblings(struct clew__diffing *diffing, const struct pair *pairs, uint32_t count) {
    uint32_t lasts[SIBLINGS_MAX], previous[SIBLINGS_MAX];
    bool is_kept[SIBLINGS_MAX];
    uint64_t near;
    if (count < 2 || count > SIBLINGS_MAX || pairs[0].parent == CLEW__TABLE_NONE)
        return;
    near = nearness(diffing, pairs[0].parent);
    keep_longest(pairs, count, lasts, previous, is_kept);
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t j = 0; j < count && !is_kept[i]; j++) {
            if (is_kept[j] && changed_places(&pairs[i], &pairs[j], near))
                clew__aligned_at(diffing, pairs[i].item)->is_moved = true;
        }
    }
}

static bool find_reordered(struct clew__diffing *diffing) {
    struct pair *pairs =
        (struct pair *)clew__arena_take(&diffing->scratch, diffing->items.count, sizeof *pairs);
    uint32_t count = 0;
    if (!pairs)
        return false;
    for (uint32_t i = 0; i < diffing->items.count; i++) {
        const struct clew__aligned *item = clew__aligned_at(diffing, i);
        const clew_profile_node *before = clew__side_node(diffing->before, item->before);
        const clew_profile_node *after = clew__side_node(diffing->after, item->after);
        if (before && after && before->kind == CLEW_FRAME_SPAN)
            pairs[count++] = (struct pair){item->parent, i, before->offset, after->offset};
    }
    if (count > 0)
        qsort(pairs, count, sizeof *pairs, compare_pairs);
    for (uint32_t i = 0, end; i < count; i = end) {
        for (end = i + 1; end < count && pairs[end].parent == pairs[i].parent;)
            end++;
        order_siblings(diffing, &pairs[i], end - i);
    }
    return true;
}

/* The top of what is on one side alone. */
struct top {
    uint32_t frame;
    bool is_after;
    uint32_t position, item;
};

static int compare_tops(const void *first, const void *second) {
    const struct top *a = (const struct top *)first, *b = (const struct top *)second;
    if (a->frame != b->frame)
        return a->frame < b->frame ? -1 : 1;
    if (a->is_after != b->is_after)
        return a->is_after ? 1 : -1;
    return (a->position > b->position) - (a->position < b->position);
}

static bool is_top(const struct clew__diffing *diffing, const struct clew__aligned *item) {
    const struct clew__aligned *parent;
    const struct clew__frame *frame =
        (const struct clew__frame *)clew__table_at(&diffing->frames, item->frame);
    if ((item->before && item->after) || item->parent == CLEW__TABLE_NONE || frame->kind != CLEW_FRAME_SPAN)
        return false;
    parent = clew__aligned_at(diffing, item->parent);
    return parent->before && parent->after;
}

static void pair_tops(struct clew__diffing *diffing, const struct top *tops, uint32_t count) {
    uint32_t removed = 0;
    while (removed < count && !tops[removed].is_after)
        removed++;
    for (uint32_t i = 0; i < removed && removed + i < count; i++) {
        clew__aligned_at(diffing, tops[i].item)->counterpart = tops[removed + i].item + 1;
        clew__aligned_at(diffing, tops[removed + i].item)->counterpart = tops[i].item + 1;
    }
}

static bool find_reparented(struct clew__diffing *diffing) {
    struct top *tops = (struct top *)clew__arena_take(&diffing->scratch, diffing->items.count, sizeof *tops);
    uint32_t count = 0;
    if (!tops)
        return false;
    for (uint32_t i = 0; i < diffing->items.count; i++) {
        uint32_t item_index = diffing->places[i].item;
        const struct clew__aligned *item = clew__aligned_at(diffing, item_index);
        if (is_top(diffing, item))
            tops[count++] = (struct top){item->frame, item->after != 0, i, item_index};
    }
    if (count > 0)
        qsort(tops, count, sizeof *tops, compare_tops);
    for (uint32_t i = 0, end; i < count; i = end) {
        for (end = i + 1; end < count && tops[end].frame == tops[i].frame;)
            end++;
        pair_tops(diffing, &tops[i], end - i);
    }
    return true;
}

bool clew__diff_moves(struct clew__diffing *diffing) {
    return find_reordered(diffing) && find_reparented(diffing);
}
