/* What offsets between hosts are learned from, and what follows. Behind skew.h; one thread at a time. */
#ifndef CLEW_TRACES_OFFSETS_H
#define CLEW_TRACES_OFFSETS_H

#include "sdk/containers/keys.h"
#include "sdk/containers/names.h"
#include "sdk/traces/skew.h"

/* Of a pair that contradicts itself the windows nearest to a time count, until they hold so many calls. */
#define CLEW__OFFSETS_NEAR 64u

/* Sums of offsets along many hosts. */
__extension__ typedef __int128 clew__wide_offset;

/* A call as it came. */
struct clew__offset_call {
    uint64_t hash; /* of the ids of trace and spans: the same for the same call */
    int64_t low, high;
};

struct clew__offset_window {
    uint64_t epoch;    /* start of the calls, in units of CLEW__OFFSETS_WINDOW */
    int64_t low, high; /* the intersection; empty when low > high */
    uint64_t calls;
    uint32_t sample_count;
    struct clew__offset_call sample[CLEW__OFFSETS_SAMPLE]; /* ordered; those with the smallest hashes */
};

/* Intervals are of what is to be added to times of b to have those of a. */
struct clew__host_pair {
    clew__text a, b;   /* of the offsets' hosts; a's name sorts first */
    uint64_t calls[2]; /* from a to b, from b to a; of all times */
    int64_t low, high; /* of all windows */
    bool is_stale;     /* may resolve to something else than it did */
    uint32_t window_count;
    struct clew__offset_window *windows[CLEW__OFFSETS_WINDOWS]; /* by epoch */
};

struct clew__pair_offset {
    int64_t low, high, offset;
    bool is_contradicted;
};

/* Where each host's clock is, beside that of another one it is connected to. */
struct clew__host_offset {
    clew__wide_offset offset; /* to be added */
    uint32_t component;       /* offsets compare only within one; CLEW__NO_KEY: the host has no pair */
};

struct clew__offsets {
    struct clew__texts *hosts;
    struct clew__keys keys; /* of pairs: a, b */
    struct clew__host_pair *pairs;
    uint32_t pair_count, pair_capacity;
    uint32_t contradicted; /* pairs of which no one interval is left */
    uint64_t window_count; /* of all pairs */
    size_t memory_limit;
    uint64_t overflowed, generation;

    /* Found by clew__offsets_solve(). */
    struct clew__host_offset *solution; /* by host */
    struct clew__pair_offset *resolved; /* by pair */
    uint32_t host_count, component_count;
    uint32_t host_capacity, resolved_capacity;
    uint64_t solved_generation, solved_epoch;
    bool is_solved; /* false: for other hosts or pairs, or not at all */
    bool is_flat;   /* no host is off */

    clew_clock_offset *list;
    uint32_t list_capacity;
};

static inline bool clew__pair_contradicts(const struct clew__host_pair *pair) {
    return pair->low > pair->high;
}

/* The point of the interval that is applied: 0 or the midpoint. */
int64_t clew__offset_within(int64_t low, int64_t high);
/* What a pair says about a time. */
struct clew__pair_offset clew__pair_resolve(const struct clew__host_pair *pair, uint64_t epoch);
/* Finds `solution` and `resolved` for a time, unless they are known. False when memory runs out. In
 * offsets_solve.c. */
bool clew__offsets_solve(struct clew__offsets *offsets, uint64_t epoch);

#endif
