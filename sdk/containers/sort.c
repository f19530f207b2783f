/* Sorting; see the header. Owns nothing. */
#include "sdk/containers/sort.h"

#include <stdbool.h>
#include <string.h>

/* Runs of so many are sorted by insertion. */
#define RUN 8u

struct order {
    int (*tie)(const void *user, uint32_t a, uint32_t b);
    const void *user;
};

static inline bool is_after(const struct order *order, const struct clew__sort_key *a,
                            const struct clew__sort_key *b) {
    if (a->first != b->first)
        return a->first > b->first;
    if (a->second != b->second)
        return a->second > b->second;
    return order->tie && order->tie(order->user, a->index, b->index) > 0;
}

static void sort_run(const struct order *order, struct clew__sort_key *keys, size_t count) {
    for (size_t i = 1; i < count; i++) {
        struct clew__sort_key key = keys[i];
        size_t at = i;
        for (; at > 0 && is_after(order, &keys[at - 1], &key); at--)
            keys[at] = keys[at - 1];
        keys[at] = key;
    }
}

/* Two runs that lie side by side, from one array into the other. */
static void merge(const struct order *order, const struct clew__sort_key *from, struct clew__sort_key *to,
                  size_t middle, size_t end) {
    size_t left = 0, right = middle, at = 0;
    if (middle >= end || !is_after(order, &from[middle - 1], &from[middle])) {
        memcpy(to, from, end * sizeof *to);
        return;
    }
    while (left < middle && right < end)
        to[at++] = is_after(order, &from[left], &from[right]) ? from[right++] : from[left++];
    memcpy(to + at, from + left, (middle - left) * sizeof *to);
    at += middle - left;
    memcpy(to + at, from + right, (end - right) * sizeof *to);
}

static bool is_sorted(const struct order *order, const struct clew__sort_key *keys, size_t count) {
    for (size_t i = 1; i < count; i++) {
        if (is_after(order, &keys[i - 1], &keys[i]))
            return false;
    }
    return true;
}

void clew__sort_keys(struct clew__sort_key *keys, struct clew__sort_key *spare, size_t count,
                     int (*tie)(const void *user, uint32_t a, uint32_t b), const void *user) {
    struct order order = {tie, user};
    struct clew__sort_key *from = keys, *to = spare;
    if (is_sorted(&order, keys, count))
        return;
    for (size_t at = 0; at < count; at += RUN)
        sort_run(&order, keys + at, count - at < RUN ? count - at : RUN);
    for (size_t width = RUN; width < count; width *= 2) {
        struct clew__sort_key *swap = from;
        for (size_t at = 0; at < count; at += 2 * width) {
            size_t left = count - at;
            merge(&order, from + at, to + at, left < width ? left : width,
                  left < 2 * width ? left : 2 * width);
        }
        from = to;
        to = swap;
    }
    if (from != keys)
        memcpy(keys, from, count * sizeof *keys);
}
