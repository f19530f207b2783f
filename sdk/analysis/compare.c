/* Owns comparisons of two baselines: brings their rows together. One thread at a time. */
#include "sdk/analysis/compare.h"

#include "sdk/base/struct_size.h"

#include <clew/extend.h>

#include <errno.h>

#define LEAST_COUNT 30u
#define FALSE_DISCOVERY 0.01
#define ANY_RATE 2.0 /* above every rate */
#define LEAST_DELTA 0.15
#define LEAST_SHIFT_SHARE 0.05
#define LEAST_SHIFT_NANO 1000000
#define LEAST_ERROR_SHARE 0.005
#define LEAST_CALL_SHARE 0.25
/* Both sides fit, whatever their limits; three times as many names, too. */
#define NO_LIMIT (UINT32_MAX / 4)

static double bound_of(double given, double standard) {
    if (given < 0)
        return 0;
    return given > 0 ? given : standard;
}

static void take_options(clew_comparison_options *out, const clew_comparison_options *given) {
    *out = (clew_comparison_options){.struct_size = sizeof *out};
    if (given)
        clew__options_copy(out, sizeof *out, given, sizeof *given);
    out->least_count = out->least_count ? out->least_count : LEAST_COUNT;
    out->false_discovery =
        out->false_discovery < 0 ? ANY_RATE : bound_of(out->false_discovery, FALSE_DISCOVERY);
    out->least_delta = bound_of(out->least_delta, LEAST_DELTA);
    out->least_shift_share = bound_of(out->least_shift_share, LEAST_SHIFT_SHARE);
    out->least_error_share = bound_of(out->least_error_share, LEAST_ERROR_SHARE);
    out->least_call_share = bound_of(out->least_call_share, LEAST_CALL_SHARE);
    if (out->least_shift_nano <= 0)
        out->least_shift_nano = out->least_shift_nano < 0 ? 0 : LEAST_SHIFT_NANO;
}

static uint32_t *numbers(struct clew__arena *arena, size_t count) {
    return (uint32_t *)clew__arena_take(arena, count, sizeof(uint32_t));
}

static void invert(uint32_t *in, const uint32_t *to, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        in[to[i]] = i;
}

static bool bring_together(struct clew__comparing *comparing) {
    struct clew__arena *arena = &comparing->arena;
    uint32_t before = comparing->before->rows.count, after = comparing->after->rows.count;
    comparing->all = clew_baseline_new(NULL);
    comparing->to_before = numbers(arena, before);
    comparing->to_after = numbers(arena, after);
    if (!comparing->all || !comparing->to_before || !comparing->to_after)
        return false;
    comparing->all->key_limit = comparing->all->shape_limit = NO_LIMIT;
    if (!clew__baseline_place_all(comparing->all, comparing->before, comparing->to_before) ||
        !clew__baseline_place_all(comparing->all, comparing->after, comparing->to_after))
        return false;
    uint32_t all = comparing->all->rows.count;
    comparing->in_before = numbers(arena, all);
    comparing->in_after = numbers(arena, all);
    comparing->reported = numbers(arena, all);
    if (!comparing->in_before || !comparing->in_after || !comparing->reported ||
        !clew__baseline_order(comparing->all, &comparing->order))
        return false;
    for (uint32_t i = 0; i < all; i++)
        comparing->in_before[i] = comparing->in_after[i] = comparing->reported[i] = CLEW__NO_ROW;
    invert(comparing->in_before, comparing->to_before, before);
    invert(comparing->in_after, comparing->to_after, after);
    return true;
}

static void release(struct clew__comparing *comparing) {
    clew_baseline_free(comparing->all);
    clew__arena_fini(&comparing->arena);
    clew_memory_release(comparing->order.rows);
    clew_memory_release(comparing);
}

clew_comparison *clew_comparison_new(const clew_baseline *before, const clew_baseline *after,
                                     const clew_comparison_options *options) {
    struct clew__comparing *comparing = (struct clew__comparing *)clew_memory_allocate(sizeof *comparing);
    int error = errno;
    if (!comparing)
        return NULL;
    memset(comparing, 0, sizeof *comparing);
    comparing->before = before;
    comparing->after = after;
    comparing->comparison.before = clew_baseline_get_stats(before);
    comparing->comparison.after = clew_baseline_get_stats(after);
    take_options(&comparing->options, options);
    bool is_done = bring_together(comparing) && clew__compare_rows(comparing) && clew__explain(comparing);
    errno = error; /* that of the mathematics' library */
    if (is_done)
        return &comparing->comparison;
    release(comparing);
    return NULL;
}

void clew_comparison_free(clew_comparison *comparison) {
    if (comparison)
        release((struct clew__comparing *)(void *)comparison);
}
