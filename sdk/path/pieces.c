/* A merge sort that takes runs as it finds them: children mostly come in order. Owns nothing. */
#include "sdk/path/pieces.h"

#include <string.h>

/* Runs of so many are made by insertion. */
#define RUN_SIZE 16u

bool clew__piece_ends_later(const struct clew_trace *trace, const struct clew__piece *a,
                            const struct clew__piece *b) {
    if (a->end != b->end)
        return a->end > b->end;
    if (a->start != b->start)
        return a->start < b->start;
    return a->span != b->span && clew__node_compare_ids(trace, a->span, b->span) < 0;
}

bool clew__piece_starts_earlier(const struct clew_trace *trace, const struct clew__piece *a,
                                const struct clew__piece *b) {
    if (a->start != b->start)
        return a->start < b->start;
    if (a->end != b->end)
        return a->end > b->end;
    return a->span != b->span && clew__node_compare_ids(trace, a->span, b->span) < 0;
}

static uint64_t insert_all(const struct clew_trace *trace, struct clew__piece *pieces, uint32_t count,
                           clew__piece_order *order) {
    uint64_t steps = 0;
    for (uint32_t i = 1; i < count; i++) {
        struct clew__piece piece = pieces[i];
        uint32_t at = i;
        for (; at && order(trace, &piece, &pieces[at - 1]); at--) {
            pieces[at] = pieces[at - 1];
            steps++;
        }
        pieces[at] = piece;
        steps++;
    }
    return steps;
}

/* Two runs that touch become one. */
static uint64_t merge(const struct clew_trace *trace, struct clew__piece *pieces, struct clew__piece *spare,
                      uint32_t left_count, uint32_t count, clew__piece_order *order) {
    uint32_t left = 0, right = left_count, to = 0;
    if (!order(trace, &pieces[right], &pieces[left_count - 1]))
        return 1;
    uint64_t steps = 1;
    memcpy(spare, pieces, left_count * sizeof *pieces);
    while (left < left_count && right < count) {
        steps++;
        if (order(trace, &pieces[right], &spare[left]))
            pieces[to++] = pieces[right++];
        else
            pieces[to++] = spare[left++];
    }
    memcpy(&pieces[to], &spare[left], (left_count - left) * sizeof *pieces);
    return steps;
}

static bool is_sorted(const struct clew_trace *trace, const struct clew__piece *pieces, uint32_t count,
                      clew__piece_order *order) {
    for (uint32_t i = 1; i < count; i++)
        if (order(trace, &pieces[i], &pieces[i - 1]))
            return false;
    return true;
}

uint64_t clew__pieces_sort(const struct clew_trace *trace, struct clew__piece *pieces,
                           struct clew__piece *spare, uint32_t count, clew__piece_order *order) {
    if (count <= RUN_SIZE)
        return insert_all(trace, pieces, count, order);
    uint64_t steps = count;
    if (is_sorted(trace, pieces, count, order))
        return steps;
    for (uint32_t at = 0; at < count; at += RUN_SIZE) {
        uint32_t run = count - at < RUN_SIZE ? count - at : RUN_SIZE;
        steps += insert_all(trace, &pieces[at], run, order);
        if (run < RUN_SIZE)
            break;
    }
    for (uint64_t width = RUN_SIZE; width < count; width *= 2)
        for (uint64_t at = 0; at + width < count; at += 2 * width) {
            uint64_t both = count - at < 2 * width ? count - at : 2 * width;
            steps += merge(trace, &pieces[at], spare, (uint32_t)width, (uint32_t)both, order);
        }
    return steps;
}
