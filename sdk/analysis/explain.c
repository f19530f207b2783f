/* Owns explanations: why the mean of a root's requests changed, in parts that sum exactly. One thread at a
 * time.
 *
 * Everything is in units of 1 / (requests before * requests after) nanoseconds. Shapes that enough requests
 * of both sides have are compared with themselves, all the others, as one, with one another; where `before`
 * has too few of those, with all of its requests. */
#include "sdk/analysis/compare.h"

#include "sdk/containers/sort.h"

#include <clew/extend.h>

__extension__ typedef __int128 wide;

/* A shape that either side has. */
struct pair {
    uint32_t before, after; /* requests */
};

/* A root's requests of the shapes that are not compared with themselves. */
struct rest {
    uint32_t before, after;
    uint32_t shapes_before, shapes_after, shapes_common;
};

struct explaining {
    struct clew__comparing *comparing;
    struct pair *pairs;                     /* by shape of `all` */
    uint32_t *shapes_before, *shapes_after; /* of a side's shape that of `all` */
    struct rest *rests;                     /* by row of `all`, for roots */
    uint64_t *rest_before, *sum_before;     /* by row: nanoseconds of the rest before, and of all before */
    wide *parts;                            /* by row; for roots: the mix */
};

static uint64_t requests_before(const struct explaining *explaining, uint32_t root) {
    return clew__calls_of(clew__row_before(explaining->comparing, root));
}

static uint64_t requests_after(const struct explaining *explaining, uint32_t root) {
    return clew__calls_of(clew__row_after(explaining->comparing, root));
}

static bool is_common(const struct explaining *explaining, uint32_t shape) {
    const struct clew__shape *of = clew__shape_at(explaining->comparing->all, shape);
    uint32_t least = explaining->comparing->options.least_count;
    bool is_overflow = of->hash_high == 0 && of->hash_low == 0;
    return !is_overflow && explaining->pairs[shape].before >= least &&
           explaining->pairs[shape].after >= least;
}

static bool place_shapes(struct explaining *explaining, const struct clew_baseline *side,
                         const uint32_t *rows, uint32_t *shapes) {
    for (uint32_t i = 0; i < side->shapes.count; i++) {
        const struct clew__shape *shape = clew__shape_at(side, i);
        if (!clew__baseline_place_shape(explaining->comparing->all, rows[shape->root],
                                        (uint64_t)shape->hash_high << 32 | shape->hash_low, &shapes[i]))
            return false;
    }
    return true;
}

static bool begin(struct explaining *explaining) {
    struct clew__comparing *comparing = explaining->comparing;
    struct clew__arena *arena = &comparing->arena;
    const struct clew_baseline *before = comparing->before, *after = comparing->after;
    size_t rows = comparing->all->rows.count;
    explaining->shapes_before =
        (uint32_t *)clew__arena_take(arena, before->shapes.count, sizeof *explaining->shapes_before);
    explaining->shapes_after =
        (uint32_t *)clew__arena_take(arena, after->shapes.count, sizeof *explaining->shapes_after);
    explaining->rests = (struct rest *)clew__arena_take(arena, rows, sizeof *explaining->rests);
    explaining->rest_before = (uint64_t *)clew__arena_take(arena, rows, sizeof *explaining->rest_before);
    explaining->sum_before = (uint64_t *)clew__arena_take(arena, rows, sizeof *explaining->sum_before);
    explaining->parts = (wide *)clew__arena_take(arena, rows, sizeof *explaining->parts);
    if (!explaining->shapes_before || !explaining->shapes_after || !explaining->rests ||
        !explaining->rest_before || !explaining->sum_before || !explaining->parts ||
        !place_shapes(explaining, before, comparing->to_before, explaining->shapes_before) ||
        !place_shapes(explaining, after, comparing->to_after, explaining->shapes_after))
        return false;
    explaining->pairs =
        (struct pair *)clew__arena_take(arena, comparing->all->shapes.count, sizeof *explaining->pairs);
    return explaining->pairs != NULL;
}

static void count_shapes(struct explaining *explaining) {
    const struct clew__comparing *comparing = explaining->comparing;
    for (uint32_t i = 0; i < comparing->before->shapes.count; i++)
        explaining->pairs[explaining->shapes_before[i]].before =
            clew__shape_at(comparing->before, i)->requests;
    for (uint32_t i = 0; i < comparing->after->shapes.count; i++)
        explaining->pairs[explaining->shapes_after[i]].after = clew__shape_at(comparing->after, i)->requests;
    for (uint32_t i = 0; i < comparing->all->shapes.count; i++) {
        const struct pair *pair = &explaining->pairs[i];
        struct rest *rest = &explaining->rests[clew__shape_at(comparing->all, i)->root];
        rest->shapes_before += pair->before > 0;
        rest->shapes_after += pair->after > 0;
        rest->shapes_common += is_common(explaining, i);
        if (!is_common(explaining, i)) {
            rest->before += pair->before;
            rest->after += pair->after;
        }
    }
}

/* nano * a * b / n, rounded down. Below 2^124. */
static wide scaled(uint64_t nano, uint64_t a, uint64_t b, uint64_t n) {
    return (wide)((clew__wide_number)nano * a * b / n);
}

static void take_before(struct explaining *explaining) {
    const struct clew_baseline *before = explaining->comparing->before;
    for (uint32_t i = 0; i < before->sums.count; i++) {
        const struct clew__shape_sum *sum = clew__shape_sum_at(before, i);
        uint32_t shape = explaining->shapes_before[sum->shape];
        uint32_t row = explaining->comparing->to_before[sum->row];
        uint32_t root = clew__shape_at(explaining->comparing->all, shape)->root;
        const struct pair *pair = &explaining->pairs[shape];
        explaining->sum_before[row] += sum->nano;
        if (is_common(explaining, shape))
            explaining->parts[row] -=
                scaled(sum->nano, pair->after, requests_before(explaining, root), pair->before);
        else
            explaining->rest_before[row] += sum->nano;
    }
}

static void take_after(struct explaining *explaining) {
    const struct clew_baseline *after = explaining->comparing->after;
    for (uint32_t i = 0; i < after->sums.count; i++) {
        const struct clew__shape_sum *sum = clew__shape_sum_at(after, i);
        uint32_t root = explaining->comparing->to_after[clew__shape_at(after, sum->shape)->root];
        explaining->parts[explaining->comparing->to_after[sum->row]] +=
            (wide)sum->nano * requests_before(explaining, root);
    }
}

static void take_rest(struct explaining *explaining, uint32_t row) {
    uint32_t root = clew__row_at(explaining->comparing->all, row)->key.root;
    const struct rest *rest = &explaining->rests[root];
    if (rest->before >= explaining->comparing->options.least_count)
        explaining->parts[row] -= scaled(explaining->rest_before[row], rest->after,
                                         requests_before(explaining, root), rest->before);
    else
        explaining->parts[row] -= (wide)explaining->sum_before[row] * rest->after;
}

/* What is left of a root's shift. */
static void take_mix(struct explaining *explaining) {
    const struct clew__comparing *comparing = explaining->comparing;
    for (uint32_t i = 0; i < comparing->all->rows.count; i++) {
        const struct clew__row_key *key = &clew__row_at(comparing->all, i)->key;
        if (clew__is_part((clew_comparison_kind)key->kind)) {
            take_rest(explaining, i);
            explaining->parts[key->root] -= explaining->parts[i];
        } else if (key->kind == CLEW_COMPARISON_ROOT && clew__row_before(comparing, i) &&
                   clew__row_after(comparing, i)) {
            explaining->parts[i] +=
                (wide)clew__row_after(comparing, i)->nano * requests_before(explaining, i);
            explaining->parts[i] -=
                (wide)clew__row_before(comparing, i)->nano * requests_after(explaining, i);
        }
    }
}

/* ---- results ---- */

static wide of_exact(clew_exact_nano exact) {
    return (wide)((clew__wide_number)(uint64_t)exact.high << 64 | exact.low);
}

static clew_exact_nano to_exact(wide value) {
    clew__wide_number bits = (clew__wide_number)value;
    return (clew_exact_nano){.high = (int64_t)(uint64_t)(bits >> 64), .low = (uint64_t)bits};
}

static wide floor_divide(wide value, wide by) {
    wide quotient = value / by;
    return value % by < 0 ? quotient - 1 : quotient;
}

/* The largest first. */
static struct clew__sort_key remainder_key(wide value, wide unit, uint32_t index) {
    wide remainder = value - floor_divide(value, unit) * unit;
    clew__wide_number bits = (clew__wide_number)remainder;
    return (struct clew__sort_key){
        .first = UINT64_MAX - (uint64_t)(bits >> 64), .second = UINT64_MAX - (uint64_t)bits, .index = index};
}

int clew_explanation_round(const clew_explanation *explanation, uint64_t unit_nano, int64_t *total,
                           int64_t *out) {
    uint32_t count = explanation->contribution_count;
    if (unit_nano == 0)
        return CLEW_EINVAL;
    wide unit = (wide)explanation->denominator * unit_nano;
    struct clew__sort_key *keys =
        (struct clew__sort_key *)clew_memory_allocate(2 * ((size_t)count + 1) * sizeof *keys);
    if (!keys)
        return CLEW_ENOMEM;
    int64_t rounded = (int64_t)floor_divide(of_exact(explanation->exact) + unit / 2, unit), left = rounded;
    for (uint32_t i = 0; i < count; i++) {
        wide value = of_exact(explanation->contributions[i].exact);
        out[i] = (int64_t)floor_divide(value, unit);
        left -= out[i];
        keys[i] = remainder_key(value, unit, i);
    }
    clew__sort_keys(keys, keys + count + 1, count, NULL, NULL);
    for (uint32_t i = 0; i < count && left > 0; i++, left--)
        out[keys[i].index]++;
    *total = rounded;
    clew_memory_release(keys);
    return CLEW_OK;
}

static clew__wide_number size_of(wide value) {
    return value < 0 ? -(clew__wide_number)value : (clew__wide_number)value;
}

/* Parts of a root, by size; the mix last among those alike. */
static uint32_t sort_parts(const struct explaining *explaining, uint32_t root, const uint32_t *rows,
                           uint32_t count, struct clew__sort_key *keys, struct clew__sort_key *spare) {
    uint32_t used = 0;
    for (uint32_t i = 0; i <= count; i++) {
        uint32_t row = i < count ? rows[i] : root;
        clew__wide_number size = size_of(explaining->parts[row]);
        if (size != 0)
            keys[used++] = (struct clew__sort_key){UINT64_MAX - (uint64_t)(size >> 64),
                                                   UINT64_MAX - (uint64_t)size, row};
    }
    clew__sort_keys(keys, spare, used, NULL, NULL);
    return used;
}

static clew_contribution contribution_of(const struct explaining *explaining, uint32_t row) {
    struct clew__row_texts texts = clew__row_texts_of(explaining->comparing->all, row);
    clew_contribution out = {.kind = texts.kind, .exact = to_exact(explaining->parts[row])};
    if (texts.kind == CLEW_COMPARISON_ROOT) {
        out.kind = CLEW_COMPARISON_MIX;
        return out;
    }
    out.service = texts.a;
    out.operation = texts.b;
    out.client = texts.client;
    return out;
}

static void fill(const struct explaining *explaining, uint32_t root, clew_explanation *out) {
    const struct clew__comparing *comparing = explaining->comparing;
    const struct rest *rest = &explaining->rests[root];
    *out = (clew_explanation){.root = comparing->reported[root],
                              .requests_before = requests_before(explaining, root),
                              .requests_after = requests_after(explaining, root),
                              .sum_before = clew__row_before(comparing, root)->nano,
                              .sum_after = clew__row_after(comparing, root)->nano,
                              .shapes_before = rest->shapes_before,
                              .shapes_after = rest->shapes_after,
                              .shapes_common = rest->shapes_common};
    out->denominator = out->requests_before * out->requests_after;
    out->exact =
        to_exact((wide)out->sum_after * out->requests_before - (wide)out->sum_before * out->requests_after);
}

/* `rows` are those of the root, in order. */
static bool explain_root(struct explaining *explaining, uint32_t root, const uint32_t *rows, uint32_t count,
                         clew_explanation *out) {
    size_t most = (size_t)count + 1;
    struct clew__sort_key *keys = (struct clew__sort_key *)clew_memory_allocate(2 * most * sizeof *keys);
    int64_t *nano = (int64_t *)clew_memory_allocate(most * sizeof *nano);
    clew_contribution *parts =
        (clew_contribution *)clew__arena_take(&explaining->comparing->arena, most, sizeof *parts);
    bool is_done = keys && nano && parts;
    if (is_done) {
        fill(explaining, root, out);
        out->contribution_count = sort_parts(explaining, root, rows, count, keys, keys + most);
        out->contributions = parts;
        for (uint32_t i = 0; i < out->contribution_count; i++)
            parts[i] = contribution_of(explaining, keys[i].index);
        is_done = clew_explanation_round(out, 1, &out->nano, nano) == CLEW_OK;
        for (uint32_t i = 0; is_done && i < out->contribution_count; i++)
            parts[i].nano = nano[i];
    }
    clew_memory_release(keys);
    clew_memory_release(nano);
    return is_done;
}

/* Rows that are parts, by their root as it is reported, then as they stand. */
static uint32_t sort_rows(const struct explaining *explaining, struct clew__sort_key *keys,
                          struct clew__sort_key *spare) {
    const struct clew__comparing *comparing = explaining->comparing;
    uint32_t count = 0;
    for (uint32_t i = 0; i < comparing->all->rows.count; i++) {
        const struct clew__row_key *key = &clew__row_at(comparing->all, i)->key;
        if (clew__is_part((clew_comparison_kind)key->kind))
            keys[count++] =
                (struct clew__sort_key){comparing->reported[key->root], comparing->order.ranks[i], i};
    }
    clew__sort_keys(keys, spare, count, NULL, NULL);
    return count;
}

static bool is_explained(const struct explaining *explaining, uint32_t root) {
    return requests_before(explaining, root) > 0 && requests_after(explaining, root) > 0;
}

static bool explain_roots(struct explaining *explaining, struct clew__sort_key *keys, uint32_t *rows,
                          uint32_t *roots) {
    struct clew__comparing *comparing = explaining->comparing;
    uint32_t all = comparing->all->rows.count, count = sort_rows(explaining, keys, keys + all);
    clew_explanation *out =
        (clew_explanation *)clew__arena_take(&comparing->arena, comparing->comparison.row_count, sizeof *out);
    if (!out)
        return false;
    comparing->comparison.explanations = out;
    for (uint32_t i = 0; i < comparing->comparison.row_count; i++)
        roots[i] = CLEW__NO_ROW;
    for (uint32_t i = 0; i < all; i++) {
        if (comparing->reported[i] != CLEW__NO_ROW)
            roots[comparing->reported[i]] = i;
    }
    for (uint32_t i = 0; i < count; i++)
        rows[i] = keys[i].index;
    for (uint32_t i = 0, first = 0, end = 0; i < comparing->comparison.row_count; i++, first = end) {
        while (end < count && keys[end].first == i)
            end++;
        uint32_t root = roots[i];
        if (comparing->comparison.rows[i].kind != CLEW_COMPARISON_ROOT || !is_explained(explaining, root))
            continue;
        if (!explain_root(explaining, root, rows + first, end - first,
                          &out[comparing->comparison.explanation_count]))
            return false;
        comparing->comparison.explanation_count++;
    }
    return true;
}

bool clew__explain(struct clew__comparing *comparing) {
    struct explaining explaining = {.comparing = comparing};
    size_t rows = (size_t)comparing->all->rows.count + 1;
    if (!begin(&explaining))
        return false;
    count_shapes(&explaining);
    take_before(&explaining);
    take_after(&explaining);
    take_mix(&explaining);
    struct clew__sort_key *keys = (struct clew__sort_key *)clew_memory_allocate(2 * rows * sizeof *keys);
    uint32_t *numbers = (uint32_t *)clew_memory_allocate(2 * rows * sizeof *numbers);
    bool is_done = keys && numbers && explain_roots(&explaining, keys, numbers, numbers + rows);
    clew_memory_release(keys);
    clew_memory_release(numbers);
    return is_done;
}
