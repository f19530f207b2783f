/* Owns the order of a baseline's rows. Pure but for what it allocates; any thread. */
#include "sdk/analysis/baseline.h"

#include "sdk/containers/sort.h"

#include <clew/extend.h>

struct ordering {
    const struct clew_baseline *baseline;
    struct clew__sort_key *keys, *spare;
    uint32_t *text_ranks;
    struct clew__row_order *order;
};

static int compare_texts(const void *user, uint32_t a, uint32_t b) {
    return clew__names_compare((const struct clew__names *)user, a, b);
}

static void rank_texts(struct ordering *ordering, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        ordering->keys[i] = (struct clew__sort_key){.index = i};
    clew__sort_keys(ordering->keys, ordering->spare, count, compare_texts, &ordering->baseline->names);
    for (uint32_t i = 0; i < count; i++)
        ordering->text_ranks[ordering->keys[i].index] = i;
}

/* Rows of one level only depend on the order of levels before. */
static uint64_t level_of(const struct clew__row *row) {
    return (uint64_t)row->key.kind << 32 | row->depth;
}

static struct clew__sort_key key_within_level(const struct ordering *ordering, uint32_t index) {
    const struct clew__row *row = clew__row_at(ordering->baseline, index);
    uint64_t a = ordering->text_ranks[row->key.a], b = ordering->text_ranks[row->key.b], c = 0;
    struct clew__sort_key key = {.index = index};
    if (row->key.kind == CLEW_COMPARISON_ROOT) {
        key.first = (uint64_t)row->key.c << 32 | a;
        key.second = b << 32;
        return key;
    }
    if (row->key.kind == CLEW_COMPARISON_CONTEXT)
        c = row->key.c == CLEW__NO_ROW ? 0 : ordering->order->ranks[row->key.c];
    /* The root's rank is implied by that of the row above. */
    key.first = (row->depth > 0 ? c : ordering->order->ranks[row->key.root]) << 32 | a;
    key.second = b << 32;
    if (row->key.kind != CLEW_COMPARISON_CONTEXT)
        key.second |= ordering->text_ranks[row->key.c];
    return key;
}

static void order_level(struct ordering *ordering, uint32_t begin, uint32_t end) {
    struct clew__sort_key *keys = ordering->keys + begin;
    for (uint32_t i = begin; i < end; i++)
        ordering->keys[i] = key_within_level(ordering, ordering->keys[i].index);
    clew__sort_keys(keys, ordering->spare, end - begin, NULL, NULL);
    for (uint32_t i = begin; i < end; i++) {
        ordering->order->rows[i] = ordering->keys[i].index;
        ordering->order->ranks[ordering->keys[i].index] = i;
    }
}

static void order_rows(struct ordering *ordering, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        ordering->keys[i] =
            (struct clew__sort_key){.first = level_of(clew__row_at(ordering->baseline, i)), .index = i};
    clew__sort_keys(ordering->keys, ordering->spare, count, NULL, NULL);
    for (uint32_t begin = 0, end; begin < count; begin = end) {
        uint64_t level = ordering->keys[begin].first;
        for (end = begin; end < count && ordering->keys[end].first == level;)
            end++;
        order_level(ordering, begin, end);
    }
}

bool clew__baseline_order(const struct clew_baseline *baseline, struct clew__row_order *out) {
    uint32_t rows = baseline->rows.count, texts = clew__texts_count(baseline->names.texts);
    size_t most = (size_t)(rows > texts ? rows : texts) + 1;
    struct ordering ordering = {.baseline = baseline, .order = out};
    ordering.keys = (struct clew__sort_key *)clew_memory_allocate(2 * most * sizeof *ordering.keys +
                                                                  texts * sizeof *ordering.text_ranks);
    out->rows = (uint32_t *)clew_memory_allocate(2 * ((size_t)rows + 1) * sizeof *out->rows);
    if (!ordering.keys || !out->rows) {
        clew_memory_release(ordering.keys);
        clew_memory_release(out->rows);
        out->rows = NULL;
        return false;
    }
    ordering.spare = ordering.keys + most;
    ordering.text_ranks = (uint32_t *)(void *)(ordering.spare + most);
    out->ranks = out->rows + rows + 1;
    rank_texts(&ordering, texts);
    order_rows(&ordering, rows);
    clew_memory_release(ordering.keys);
    return true;
}
