/* Owns sketches: cells, adding, merging. One thread at a time each.
 *
 * A cell's index and count lie in two arrays of one block, ordered by index. Counts are whole, in four bytes,
 * until a weight is fractional or a count outgrows them; from then on they are weights, in eight. */
#include "sdk/measure/sketch.h"

#include "sdk/containers/saturate.h"
#include "sdk/measure/sketch_index.h"

#include <clew/extend.h>

#include <string.h>

#define FIRST_CELLS 4u
#define MOST_CELLS (CLEW__SKETCH_INDEX_LAST + 1u)

static size_t count_size(bool wide) {
    return wide ? sizeof(uint64_t) : sizeof(uint32_t);
}

static size_t block_size(size_t capacity, bool wide) {
    return capacity * (count_size(wide) + sizeof(uint16_t));
}

uint16_t *clew__sketch_indices(const struct clew__sketch *sketch) {
    if (!sketch->block)
        return NULL;
    return (uint16_t *)(void *)((char *)sketch->block + sketch->capacity * count_size(sketch->wide));
}

static uint64_t weight_at(const struct clew__sketch *sketch, size_t position) {
    if (sketch->wide)
        return ((const uint64_t *)sketch->block)[position];
    return ((const uint32_t *)sketch->block)[position] * CLEW_SKETCH_WEIGHT_ONE;
}

static void set_weight(struct clew__sketch *sketch, size_t position, uint64_t weight) {
    if (sketch->wide)
        ((uint64_t *)sketch->block)[position] = weight;
    else
        ((uint32_t *)sketch->block)[position] = (uint32_t)(weight / CLEW_SKETCH_WEIGHT_ONE);
}

/* Whether a whole count of four bytes can be this weight. */
static bool is_narrow(uint64_t weight) {
    return weight % CLEW_SKETCH_WEIGHT_ONE == 0 && weight / CLEW_SKETCH_WEIGHT_ONE <= UINT32_MAX;
}

static size_t grown_capacity(size_t capacity, size_t needed) {
    size_t grown = capacity + capacity / 2;
    if (grown < FIRST_CELLS)
        grown = FIRST_CELLS;
    if (grown < needed)
        grown = needed;
    return grown < MOST_CELLS ? grown : MOST_CELLS;
}

bool clew__sketch_reserve(struct clew__sketch *sketch, size_t cells, bool wide) {
    struct clew__sketch next = *sketch;
    wide = wide || sketch->wide;
    if (cells <= sketch->capacity && wide == sketch->wide)
        return true;
    next.capacity =
        (uint16_t)(cells <= sketch->capacity ? sketch->capacity : grown_capacity(sketch->capacity, cells));
    next.wide = wide;
    next.used = 0;
    next.block = clew_memory_allocate(block_size(next.capacity, wide));
    if (!next.block)
        return false;
    for (size_t i = 0; i < sketch->used; i++)
        clew__sketch_append(&next, clew__sketch_indices(sketch)[i], weight_at(sketch, i));
    clew_memory_release(sketch->block);
    *sketch = next;
    return true;
}

void clew__sketch_append(struct clew__sketch *sketch, uint16_t index, uint64_t weight) {
    clew__sketch_indices(sketch)[sketch->used] = index;
    set_weight(sketch, sketch->used, weight);
    sketch->used++;
}

clew_sketch *clew_sketch_new(void) {
    struct clew__sketch *sketch = clew_memory_allocate(sizeof *sketch);
    if (sketch)
        clew__sketch_init(sketch);
    return sketch;
}

void clew__sketch_fini(struct clew__sketch *sketch) {
    clew_memory_release(sketch->block);
    clew__sketch_init(sketch);
}

void clew_sketch_free(clew_sketch *sketch) {
    if (!sketch)
        return;
    clew__sketch_fini(sketch);
    clew_memory_release(sketch);
}

size_t clew__sketch_memory(const struct clew__sketch *sketch) {
    return block_size(sketch->capacity, sketch->wide);
}

/* ---- adding ---- */

/* The position of the first cell whose index is not less. Cells between the first and the last that are not
 * there bound how far it can be from where it would be if all were: where values are dense, little is left to
 * search. */
static size_t find(const struct clew__sketch *sketch, uint16_t index) {
    if (sketch->used == 0)
        return 0;
    const uint16_t *indices = clew__sketch_indices(sketch);
    size_t last = sketch->used - 1u, from_first, from_last;
    if (index <= indices[0])
        return 0;
    if (index > indices[last])
        return sketch->used;
    from_first = (size_t)(index - indices[0]);
    from_last = (size_t)(indices[last] - index);
    size_t low = from_last < last ? last - from_last : 0;
    size_t high = from_first < last ? from_first : last;
    /* Halves without a branch: which one it is nobody can foresee. */
    for (size_t left = high - low; left > 0;) {
        size_t half = (left + 1) / 2;
        low += (indices[low + half - 1] < index) * half;
        left -= half;
    }
    return low;
}

/* A new cell in its place, or false. */
static bool insert(struct clew__sketch *sketch, size_t position, uint16_t index, uint64_t weight) {
    if (!clew__sketch_reserve(sketch, sketch->used + 1u, !is_narrow(weight)))
        return false;
    size_t size = count_size(sketch->wide), behind = sketch->used - position;
    char *count = (char *)sketch->block + position * size;
    uint16_t *at = clew__sketch_indices(sketch) + position;
    memmove(count + size, count, behind * size);
    memmove(at + 1, at, behind * sizeof *at);
    *at = index;
    set_weight(sketch, position, weight);
    sketch->used++;
    return true;
}

static bool add_to_cell(struct clew__sketch *sketch, uint16_t index, uint64_t weight) {
    size_t position = find(sketch, index);
    if (position == sketch->used || clew__sketch_indices(sketch)[position] != index)
        return insert(sketch, position, index, weight);
    uint64_t sum = clew__saturated_sum(weight_at(sketch, position), weight);
    if (!sketch->wide && !is_narrow(sum) && !clew__sketch_reserve(sketch, sketch->used, true))
        return false;
    set_weight(sketch, position, sum);
    return true;
}

static void add_to_sum(struct clew__sketch *sketch, clew__wide_number more) {
    clew__wide_number sum = (clew__wide_number)sketch->sum_high << 64 | sketch->sum_low;
    sum = clew__wide_sum(sum, more);
    sketch->sum_high = (uint64_t)(sum >> 64);
    sketch->sum_low = (uint64_t)sum;
}

static void widen_range(struct clew__sketch *sketch, uint64_t min, uint64_t max) {
    if (sketch->observations == 0 || min < sketch->min)
        sketch->min = min;
    if (sketch->observations == 0 || max > sketch->max)
        sketch->max = max;
}

static int add(struct clew__sketch *sketch, uint64_t value, uint64_t observations, uint64_t weight) {
    if (!sketch)
        return CLEW_EINVAL;
    if (weight == 0)
        return CLEW_OK;
    if (!add_to_cell(sketch, clew__sketch_index(value), weight))
        return CLEW_ENOMEM;
    widen_range(sketch, value, value);
    sketch->observations = clew__saturated_sum(sketch->observations, observations);
    sketch->weight = clew__saturated_sum(sketch->weight, weight);
    add_to_sum(sketch, (clew__wide_number)value * weight);
    return CLEW_OK;
}

int clew_sketch_add(clew_sketch *sketch, uint64_t nano, uint64_t count) {
    return add(sketch, nano, count, clew__saturated_product(count, CLEW_SKETCH_WEIGHT_ONE));
}

int clew_sketch_add_weighted(clew_sketch *sketch, uint64_t nano, uint64_t weight) {
    return add(sketch, nano, 1, weight);
}

/* ---- merging ---- */

/* How many cells both have together, and whether they must be wide. */
static size_t measure_union(const struct clew__sketch *a, const struct clew__sketch *b, bool *wide) {
    const uint16_t *in_a = clew__sketch_indices(a), *in_b = clew__sketch_indices(b);
    size_t cells = 0, i = 0, j = 0;
    *wide = a->wide || b->wide;
    while (i < a->used && j < b->used) {
        bool first = in_a[i] <= in_b[j], second = in_b[j] <= in_a[i];
        if (first && second && !is_narrow(clew__saturated_sum(weight_at(a, i), weight_at(b, j))))
            *wide = true;
        i += first;
        j += second;
        cells++;
    }
    return cells + (a->used - i) + (b->used - j);
}

/* From the last cell down, so that what is still to be read is not written over. Room is there. */
static void merge_cells(struct clew__sketch *into, const struct clew__sketch *from, size_t cells) {
    uint16_t *indices = clew__sketch_indices(into);
    const uint16_t *others = clew__sketch_indices(from);
    size_t i = into->used, j = from->used;
    for (size_t to = cells; j > 0; to--) {
        bool first = i > 0 && indices[i - 1] >= others[j - 1];
        bool second = i == 0 || others[j - 1] >= indices[i - 1];
        uint16_t index = first ? indices[i - 1] : others[j - 1];
        uint64_t weight = first ? weight_at(into, i - 1) : 0;
        if (second)
            weight = clew__saturated_sum(weight, weight_at(from, j - 1));
        indices[to - 1] = index;
        set_weight(into, to - 1, weight);
        i -= first;
        j -= second;
    }
    into->used = (uint16_t)cells;
}

int clew_sketch_merge(clew_sketch *into, const clew_sketch *from) {
    bool wide;
    if (!into)
        return CLEW_EINVAL;
    if (!from || from->observations == 0)
        return CLEW_OK;
    size_t cells = measure_union(into, from, &wide);
    if (!clew__sketch_reserve(into, cells, wide))
        return CLEW_ENOMEM;
    merge_cells(into, from, cells);
    widen_range(into, from->min, from->max);
    into->observations = clew__saturated_sum(into->observations, from->observations);
    into->weight = clew__saturated_sum(into->weight, from->weight);
    add_to_sum(into, (clew__wide_number)from->sum_high << 64 | from->sum_low);
    return CLEW_OK;
}

/* ---- cells, for readers ---- */

struct clew__sketch_cell clew__sketch_cell_at(const struct clew__sketch *sketch, size_t position) {
    uint16_t index = clew__sketch_indices(sketch)[position];
    struct clew__sketch_cell cell = {clew__sketch_index_low(index), clew__sketch_index_high(index),
                                     weight_at(sketch, position)};
    return cell;
}
