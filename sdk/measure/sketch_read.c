/* Owns what can be asked of a sketch. Reads it only; any thread while nobody adds. */
#include "sdk/containers/saturate.h"
#include "sdk/measure/sketch.h"
#include "sdk/measure/sketch_index.h"

#include <string.h>

#define HALF (CLEW_SKETCH_WEIGHT_ONE / 2)

static bool is_empty(const clew_sketch *sketch) {
    return !sketch || sketch->observations == 0;
}

static uint64_t whole(uint64_t weight) {
    return weight / CLEW_SKETCH_WEIGHT_ONE + (weight % CLEW_SKETCH_WEIGHT_ONE >= HALF);
}

static clew__wide_number sum_of(const clew_sketch *sketch) {
    return (clew__wide_number)sketch->sum_high << 64 | sketch->sum_low;
}

uint64_t clew_sketch_observations(const clew_sketch *sketch) {
    return sketch ? sketch->observations : 0;
}

uint64_t clew_sketch_weight(const clew_sketch *sketch) {
    return sketch ? sketch->weight : 0;
}

uint64_t clew_sketch_count(const clew_sketch *sketch) {
    return whole(clew_sketch_weight(sketch));
}

uint64_t clew_sketch_sum(const clew_sketch *sketch) {
    if (is_empty(sketch))
        return 0;
    clew__wide_number sum = clew__wide_sum(sum_of(sketch), HALF) / CLEW_SKETCH_WEIGHT_ONE;
    return sum > UINT64_MAX ? UINT64_MAX : (uint64_t)sum;
}

bool clew_sketch_min(const clew_sketch *sketch, uint64_t *out) {
    if (is_empty(sketch))
        return false;
    *out = sketch->min;
    return true;
}

bool clew_sketch_max(const clew_sketch *sketch, uint64_t *out) {
    if (is_empty(sketch))
        return false;
    *out = sketch->max;
    return true;
}

bool clew_sketch_mean(const clew_sketch *sketch, double *out) {
    if (is_empty(sketch))
        return false;
    *out = (double)sum_of(sketch) / (double)sketch->weight;
    return true;
}

/* The value whose relative distance to both ends is the same; for wide cells within a hair of the middle. */
static uint64_t middle(uint64_t low, uint64_t high) {
    clew__wide_number both = (clew__wide_number)low + high;
    clew__wide_number product = (clew__wide_number)low * high;
    return both ? (uint64_t)(product / both * 2 + (product % both * 2 + both / 2) / both) : 0;
}

uint64_t clew__sketch_cell_middle(const struct clew__sketch *sketch, const struct clew__sketch_cell *cell) {
    uint64_t value = middle(cell->low, cell->high);
    if (value < sketch->min)
        return sketch->min;
    return value > sketch->max ? sketch->max : value;
}

/* The share of all weight, at least one unit. Rounded down: by the error of the product it may not reach the
 * next value. */
static uint64_t rank_of(uint64_t weight, double share) {
    double exact = share * (double)weight;
    uint64_t rank = exact < (double)weight ? (uint64_t)exact : weight;
    return rank ? rank : 1;
}

bool clew_sketch_quantile(const clew_sketch *sketch, double quantile, uint64_t *out) {
    if (is_empty(sketch) || quantile != quantile)
        return false;
    if (quantile <= 0)
        return clew_sketch_min(sketch, out);
    if (quantile >= 1)
        return clew_sketch_max(sketch, out);

    uint64_t rank = rank_of(sketch->weight, quantile), seen = 0;
    struct clew__sketch_cell cell = {0};
    for (size_t i = 0; i < sketch->used && seen < rank; i++) {
        cell = clew__sketch_cell_at(sketch, i);
        seen = clew__saturated_sum(seen, cell.weight);
    }
    *out = clew__sketch_cell_middle(sketch, &cell);
    return true;
}

/* Of a cell the share that is not above a value in it: all its whole numbers count alike. */
static double share_within(const clew_sketch *sketch, const struct clew__sketch_cell *cell, uint64_t value) {
    uint64_t low = cell->low > sketch->min ? cell->low : sketch->min;
    uint64_t high = cell->high < sketch->max ? cell->high : sketch->max;
    return ((double)(value - low) + 1) / ((double)(high - low) + 1);
}

bool clew_sketch_share(const clew_sketch *sketch, uint64_t nano, double *out) {
    double below = 0;
    if (is_empty(sketch))
        return false;
    *out = nano >= sketch->max ? 1 : 0;
    if (nano >= sketch->max || nano < sketch->min)
        return true;
    for (size_t i = 0; i < sketch->used; i++) {
        struct clew__sketch_cell cell = clew__sketch_cell_at(sketch, i);
        if (cell.low > nano)
            break;
        below += (double)cell.weight * (cell.high <= nano ? 1 : share_within(sketch, &cell, nano));
    }
    below /= (double)sketch->weight;
    *out = below < 1 ? below : 1;
    return true;
}

/* ---- OpenTelemetry's histogram ---- */

static int32_t bucket_of(uint16_t index, unsigned halvings) {
    int32_t bucket = (int32_t)index - CLEW__SKETCH_INDEX_BIAS;
    /* Rounds down, below zero too. */
    return bucket >= 0 ? bucket >> halvings : -1;
}

/* The cells that are not zero begin at `first`. */
static unsigned halvings_needed(const clew_sketch *sketch, size_t first, uint32_t max_buckets) {
    const uint16_t *indices = clew__sketch_indices(sketch);
    unsigned halvings = 0;
    while ((uint32_t)(bucket_of(indices[sketch->used - 1], halvings) - bucket_of(indices[first], halvings)) >=
           max_buckets)
        halvings++;
    return halvings;
}

/* Adds each cell's weight such that all counts together are that of all weights, rounded. */
static uint64_t count_up_to(uint64_t *weight_before, uint64_t weight) {
    uint64_t before = whole(*weight_before);
    *weight_before = clew__saturated_sum(*weight_before, weight);
    return whole(*weight_before) - before;
}

void clew_sketch_export(const clew_sketch *sketch, uint32_t max_buckets, clew_sketch_histogram *out) {
    uint64_t weight = 0;
    size_t first = 0;
    memset(out, 0, sizeof *out);
    out->scale = CLEW__SKETCH_SCALE;
    if (is_empty(sketch))
        return;
    if (max_buckets < 2)
        max_buckets = 2;
    if (max_buckets > CLEW_SKETCH_HISTOGRAM_BUCKETS)
        max_buckets = CLEW_SKETCH_HISTOGRAM_BUCKETS;

    out->count = clew_sketch_count(sketch);
    if (clew__sketch_indices(sketch)[0] == 0)
        out->zero_count = count_up_to(&weight, clew__sketch_cell_at(sketch, first++).weight);
    if (first == sketch->used)
        return;
    unsigned halvings = halvings_needed(sketch, first, max_buckets);
    out->scale -= (int32_t)halvings;
    out->offset = bucket_of(clew__sketch_indices(sketch)[first], halvings);
    for (size_t i = first; i < sketch->used; i++) {
        uint32_t at = (uint32_t)(bucket_of(clew__sketch_indices(sketch)[i], halvings) - out->offset);
        out->bucket_counts[at] += count_up_to(&weight, clew__sketch_cell_at(sketch, i).weight);
        out->bucket_count = at + 1;
    }
}
