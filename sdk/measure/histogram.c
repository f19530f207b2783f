/* Buckets of durations. Pure; one thread at a time. */
#include "sdk/measure/histogram.h"

#define MILLION 1000000u
/* A doubling has four buckets, so six of them are a factor of 2.8, and what lies on both sides of them is
 * further apart. */
#define VALLEY_BUCKETS 6u
#define VALLEY_PART 100u /* one in so many values may lie between */
#define SIDE_PART 10u    /* one in so many values lies on either side */
#define SLOW_FACTOR 3u

static void add_count(uint32_t *count, uint64_t more) {
    *count = more > UINT32_MAX - *count ? UINT32_MAX : *count + (uint32_t)more;
}

void clew__histogram_add(struct clew__histogram *histogram, uint64_t value) {
    uint32_t bucket = clew__histogram_bucket_of(value);
    histogram->count = clew__saturated_sum(histogram->count, 1);
    histogram->sum = clew__saturated_sum(histogram->sum, value);
    add_count(&histogram->counts[bucket], 1);
    histogram->sums[bucket] = clew__saturated_sum(histogram->sums[bucket], value);
}

void clew__histogram_merge(struct clew__histogram *into, const struct clew__histogram *from) {
    into->count = clew__saturated_sum(into->count, from->count);
    into->sum = clew__saturated_sum(into->sum, from->sum);
    for (uint32_t i = 0; i < CLEW__HISTOGRAM_BUCKETS; i++) {
        add_count(&into->counts[i], from->counts[i]);
        into->sums[i] = clew__saturated_sum(into->sums[i], from->sums[i]);
    }
}

uint32_t clew__histogram_bucket(const struct clew__histogram *histogram, uint32_t ppm) {
    clew__wide_number wanted = (clew__wide_number)histogram->count * ppm;
    clew__wide_number reached = 0;
    uint32_t last = 0;
    for (uint32_t i = 0; i < CLEW__HISTOGRAM_BUCKETS; i++) {
        if (histogram->counts[i] == 0)
            continue;
        last = i;
        reached += (clew__wide_number)histogram->counts[i] * MILLION;
        if (reached >= wanted)
            break;
    }
    return last;
}

uint64_t clew__histogram_quantile(const struct clew__histogram *histogram, uint32_t ppm) {
    uint32_t bucket = clew__histogram_bucket(histogram, ppm);
    return histogram->counts[bucket] ? histogram->sums[bucket] / histogram->counts[bucket] : 0;
}

uint64_t clew__histogram_excess(const struct clew__histogram *histogram, uint64_t limit) {
    uint64_t excess = 0;
    for (uint32_t i = 0; i < CLEW__HISTOGRAM_BUCKETS; i++) {
        uint64_t allowed = clew__saturated_product(histogram->counts[i], limit);
        if (histogram->sums[i] > allowed)
            excess = clew__saturated_sum(excess, histogram->sums[i] - allowed);
    }
    return excess;
}

/* Both sides of what lies between two buckets, those excluded. */
static bool split_at(const struct clew__histogram *histogram, uint32_t below, uint32_t above,
                     struct clew__split *out) {
    uint64_t fast_sum = 0, slow_sum = 0;
    *out = (struct clew__split){0, 0, 0, 0};
    for (uint32_t i = 0; i <= below; i++) {
        out->fast_count += histogram->counts[i];
        fast_sum = clew__saturated_sum(fast_sum, histogram->sums[i]);
    }
    for (uint32_t i = above; i < CLEW__HISTOGRAM_BUCKETS; i++) {
        out->slow_count += histogram->counts[i];
        slow_sum = clew__saturated_sum(slow_sum, histogram->sums[i]);
    }
    if (out->fast_count < histogram->count / SIDE_PART || out->slow_count < histogram->count / SIDE_PART ||
        out->fast_count == 0 || out->slow_count == 0)
        return false;
    if (histogram->count - out->fast_count - out->slow_count > histogram->count / VALLEY_PART)
        return false;
    out->fast_mean = fast_sum / out->fast_count;
    out->slow_mean = slow_sum / out->slow_count;
    return out->slow_mean / SLOW_FACTOR >= out->fast_mean && out->slow_mean > 0;
}

/* Each side's nearest buckets must not be a mere slope: so the valley has to be wide. */
bool clew__histogram_split(const struct clew__histogram *histogram, struct clew__split *out) {
    for (uint32_t i = 0; i + VALLEY_BUCKETS + 1 < CLEW__HISTOGRAM_BUCKETS; i++) {
        if (histogram->counts[i] > 0 && split_at(histogram, i, i + VALLEY_BUCKETS + 1, out))
            return true;
    }
    return false;
}
