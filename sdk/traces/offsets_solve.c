/* From intervals between pairs of hosts to one offset a host. One thread at a time.
 *
 * The tightest pairs make a tree (pairs that contradict themselves come last); from the host whose name sorts
 * first it is walked in breadth, and each host is placed beside the one before it. Where pairs form rings
 * this may leave some pair unsatisfied: then offsets are moved until all are, if there are such offsets. */
#include "sdk/containers/grow.h"
#include "sdk/containers/sort.h"
#include "sdk/traces/offsets.h"

/* No more samples than calls, so few more than that. */
#define NEAR_SAMPLES (CLEW__OFFSETS_NEAR + CLEW__OFFSETS_SAMPLE)
/* Rounds in which offsets are moved: one more than the longest chain of hosts that has to follow. */
#define REPAIR_ROUNDS 64u

/* ---- a pair ---- */

static int64_t middle(int64_t low, int64_t high) {
    return (int64_t)(((clew__wide_offset)low + high) / 2);
}

int64_t clew__offset_within(int64_t low, int64_t high) {
    return low <= 0 && high >= 0 ? 0 : middle(low, high);
}

/* Nearer to no offset at all. */
static uint64_t distance_from_zero(int64_t low, int64_t high) {
    if (low > 0)
        return (uint64_t)low;
    return high < 0 ? (uint64_t)-high : 0;
}

/* The interval that the most calls support; of several the one nearest to zero. */
static void find_support(const struct clew__offset_call *calls, uint32_t count, int64_t *low, int64_t *high) {
    uint32_t most = 0;
    for (uint32_t i = 0; i < count; i++) {
        int64_t end = INT64_MAX;
        uint32_t support = 0;
        for (uint32_t k = 0; k < count; k++) {
            if (calls[k].low > calls[i].low || calls[k].high < calls[i].low)
                continue;
            support++;
            end = calls[k].high < end ? calls[k].high : end;
        }
        if (support < most ||
            (support == most && distance_from_zero(calls[i].low, end) >= distance_from_zero(*low, *high)))
            continue;
        most = support;
        *low = calls[i].low;
        *high = end;
    }
}

/* The windows nearest to the time: of the pair's, those from `*first` on. Returns how many. */
static uint32_t near_windows(const struct clew__host_pair *pair, uint64_t epoch, uint32_t *first) {
    uint32_t left = 0, right;
    uint64_t calls = 0;
    while (left < pair->window_count && pair->windows[left]->epoch <= epoch)
        left++;
    right = left;
    while (calls < CLEW__OFFSETS_NEAR && right - left < pair->window_count) {
        bool is_left = right == pair->window_count || (left > 0 && epoch - pair->windows[left - 1]->epoch <=
                                                                       pair->windows[right]->epoch - epoch);
        uint64_t more = pair->windows[is_left ? left - 1 : right]->calls;
        calls = more > CLEW__OFFSETS_NEAR ? CLEW__OFFSETS_NEAR : calls + more;
        if (is_left)
            left--;
        else
            right++;
    }
    *first = left;
    return right - left;
}

struct clew__pair_offset clew__pair_resolve(const struct clew__host_pair *pair, uint64_t epoch) {
    struct clew__pair_offset out = {.low = pair->low, .high = pair->high};
    struct clew__offset_call calls[NEAR_SAMPLES];
    uint32_t first, count, call_count = 0;
    if (clew__pair_contradicts(pair)) {
        out = (struct clew__pair_offset){.low = -INT64_MAX, .high = INT64_MAX, .is_contradicted = true};
        count = near_windows(pair, epoch, &first);
        for (uint32_t i = first; i < first + count; i++) {
            const struct clew__offset_window *window = pair->windows[i];
            out.low = window->low > out.low ? window->low : out.low;
            out.high = window->high < out.high ? window->high : out.high;
            for (uint32_t k = 0; k < window->sample_count && call_count < NEAR_SAMPLES; k++)
                calls[call_count++] = window->sample[k];
        }
        if (out.low > out.high)
            find_support(calls, call_count, &out.low, &out.high);
    }
    out.offset = clew__offset_within(out.low, out.high);
    return out;
}

/* ---- all hosts ---- */

struct solver {
    struct clew__offsets *offsets;
    struct clew__sort_key *keys, *spare; /* of pairs, or of hosts */
    uint32_t *adjacent;                  /* runs of pairs of each host: tightest first */
    uint32_t *first;                     /* of each host, in `adjacent`; one more than hosts */
    uint32_t *set;                       /* whose tree the host is in */
    uint32_t *queue;
    clew__wide_offset *upper, *lower;
    bool *is_tree; /* by pair */
    void *memory;
};

static bool start(struct solver *solver, struct clew__offsets *offsets) {
    size_t hosts = offsets->host_count, pairs = offsets->pair_count, most = hosts > pairs ? hosts : pairs;
    size_t size = 2 * hosts * sizeof *solver->upper + 2 * most * sizeof *solver->keys +
                  (2 * pairs + 3 * hosts + 1) * sizeof *solver->queue + pairs * sizeof *solver->is_tree;
    uint8_t *memory = (uint8_t *)clew_memory_allocate(size);
    if (!memory)
        return false;
    memset(memory, 0, size);
    *solver = (struct solver){.offsets = offsets, .memory = memory};
    solver->upper = (clew__wide_offset *)(void *)memory;
    solver->lower = solver->upper + hosts;
    solver->keys = (struct clew__sort_key *)(void *)(solver->lower + hosts);
    solver->spare = solver->keys + most;
    solver->adjacent = (uint32_t *)(void *)(solver->spare + most);
    solver->first = solver->adjacent + 2 * pairs;
    solver->set = solver->first + hosts + 1;
    solver->queue = solver->set + hosts;
    solver->is_tree = (bool *)(void *)(solver->queue + hosts);
    return true;
}

static int compare_pairs(const void *user, uint32_t a, uint32_t b) {
    const struct clew__offsets *offsets = (const struct clew__offsets *)user;
    const struct clew__host_pair *first = &offsets->pairs[a], *second = &offsets->pairs[b];
    int order = clew__texts_compare(offsets->hosts, first->a, second->a);
    return order ? order : clew__texts_compare(offsets->hosts, first->b, second->b);
}

static int compare_hosts(const void *user, uint32_t a, uint32_t b) {
    return clew__texts_compare((const struct clew__texts *)user, a, b);
}

static uint32_t set_of(struct solver *solver, uint32_t host) {
    while (solver->set[host] != host) {
        solver->set[host] = solver->set[solver->set[host]];
        host = solver->set[host];
    }
    return host;
}

/* The keys become pairs, the tightest first; those of the tree are marked. */
static void find_tree(struct solver *solver) {
    struct clew__offsets *offsets = solver->offsets;
    for (uint32_t i = 0; i < offsets->pair_count; i++) {
        const struct clew__pair_offset *pair = &offsets->resolved[i];
        uint64_t width = (uint64_t)pair->high - (uint64_t)pair->low;
        solver->keys[i] = (struct clew__sort_key){pair->is_contradicted, width, i};
    }
    clew__sort_keys(solver->keys, solver->spare, offsets->pair_count, compare_pairs, offsets);
    for (uint32_t i = 0; i < offsets->host_count; i++)
        solver->set[i] = i;
    for (uint32_t i = 0; i < offsets->pair_count; i++) {
        const struct clew__host_pair *pair = &offsets->pairs[solver->keys[i].index];
        uint32_t a = set_of(solver, pair->a), b = set_of(solver, pair->b);
        solver->is_tree[solver->keys[i].index] = a != b;
        solver->set[a] = b;
    }
}

static void find_adjacent(struct solver *solver) {
    const struct clew__offsets *offsets = solver->offsets;
    for (uint32_t i = 0; i < offsets->pair_count; i++) {
        solver->first[offsets->pairs[i].a]++;
        solver->first[offsets->pairs[i].b]++;
    }
    for (uint32_t i = 1; i <= offsets->host_count; i++)
        solver->first[i] += solver->first[i - 1];
    for (uint32_t i = offsets->pair_count; i-- > 0;) {
        uint32_t number = solver->keys[i].index;
        solver->adjacent[--solver->first[offsets->pairs[number].a]] = number;
        solver->adjacent[--solver->first[offsets->pairs[number].b]] = number;
    }
}

static uint32_t other_host(const struct clew__host_pair *pair, uint32_t host) {
    return host == pair->a ? pair->b : pair->a;
}

/* Beside the host before it in the tree. */
static void place_host(struct clew__offsets *offsets, uint32_t host, uint32_t tree_pair) {
    const struct clew__host_pair *pair = &offsets->pairs[tree_pair];
    struct clew__host_offset before = offsets->solution[other_host(pair, host)];
    int64_t offset = offsets->resolved[tree_pair].offset;
    before.offset += host == pair->b ? offset : -offset;
    offsets->solution[host] = before;
}

static void place_component(struct solver *solver, uint32_t root) {
    struct clew__offsets *offsets = solver->offsets;
    uint32_t taken = 0, count = 1;
    offsets->solution[root] = (struct clew__host_offset){0, offsets->component_count++};
    solver->queue[0] = root;
    while (taken < count) {
        uint32_t host = solver->queue[taken++];
        for (uint32_t i = solver->first[host]; i < solver->first[host + 1]; i++) {
            uint32_t number = solver->adjacent[i];
            uint32_t other = other_host(&offsets->pairs[number], host);
            if (!solver->is_tree[number] || offsets->solution[other].component != CLEW__NO_KEY)
                continue;
            place_host(offsets, other, number);
            solver->queue[count++] = other;
        }
    }
}

static void place_all(struct solver *solver) {
    struct clew__offsets *offsets = solver->offsets;
    offsets->component_count = 0;
    for (uint32_t i = 0; i < offsets->host_count; i++) {
        offsets->solution[i] = (struct clew__host_offset){0, CLEW__NO_KEY};
        solver->keys[i] = (struct clew__sort_key){0, 0, i};
    }
    clew__sort_keys(solver->keys, solver->spare, offsets->host_count, compare_hosts, offsets->hosts);
    for (uint32_t i = 0; i < offsets->host_count; i++) {
        uint32_t host = solver->keys[i].index;
        if (offsets->solution[host].component == CLEW__NO_KEY &&
            solver->first[host] < solver->first[host + 1])
            place_component(solver, host);
    }
}

/* ---- rings ---- */

/* Lowers `upper` and raises `lower` to what the pairs allow; false: nothing had to change. */
static bool push_round(struct solver *solver) {
    const struct clew__offsets *offsets = solver->offsets;
    clew__wide_offset *upper = solver->upper, *lower = solver->lower;
    bool is_changed = false;
    for (uint32_t i = 0; i < offsets->pair_count; i++) {
        const struct clew__pair_offset *pair = &offsets->resolved[i];
        uint32_t a = offsets->pairs[i].a, b = offsets->pairs[i].b;
        if (pair->is_contradicted)
            continue;
        is_changed |= upper[b] > upper[a] + pair->high || upper[a] > upper[b] - pair->low ||
                      lower[b] < lower[a] + pair->low || lower[a] < lower[b] - pair->high;
        upper[b] = upper[b] > upper[a] + pair->high ? upper[a] + pair->high : upper[b];
        upper[a] = upper[a] > upper[b] - pair->low ? upper[b] - pair->low : upper[a];
        lower[b] = lower[b] < lower[a] + pair->low ? lower[a] + pair->low : lower[b];
        lower[a] = lower[a] < lower[b] - pair->high ? lower[b] - pair->high : lower[a];
    }
    return is_changed;
}

/* Rounded down; of whole numbers this keeps differences within whole bounds. */
static clew__wide_offset half(clew__wide_offset sum) {
    return sum >= 0 ? sum / 2 : -((1 - sum) / 2);
}

/* The middle between the nearest offsets below and above that satisfy all pairs does so too. */
static void satisfy_rings(struct solver *solver) {
    struct clew__offsets *offsets = solver->offsets;
    uint32_t round = 0;
    for (uint32_t i = 0; i < offsets->host_count; i++)
        solver->upper[i] = solver->lower[i] = offsets->solution[i].offset;
    while (push_round(solver))
        if (++round > REPAIR_ROUNDS)
            return;
    for (uint32_t i = 0; round > 0 && i < offsets->host_count; i++)
        offsets->solution[i].offset = half(solver->upper[i] + solver->lower[i]);
}

static bool is_flat(const struct clew__offsets *offsets) {
    for (uint32_t i = 0; i < offsets->pair_count; i++) {
        const struct clew__host_pair *pair = &offsets->pairs[i];
        if (offsets->solution[pair->a].offset != offsets->solution[pair->b].offset)
            return false;
    }
    return true;
}

static bool is_same(const struct clew__pair_offset *a, const struct clew__pair_offset *b) {
    return a->low == b->low && a->high == b->high && a->offset == b->offset &&
           a->is_contradicted == b->is_contradicted;
}

/* Resolves the pairs that may say something else than before. Whether one does. */
static bool resolve_stale(struct clew__offsets *offsets, uint64_t epoch) {
    bool is_changed = false;
    for (uint32_t i = 0; i < offsets->pair_count; i++) {
        struct clew__host_pair *pair = &offsets->pairs[i];
        bool is_other_time = epoch != offsets->solved_epoch && clew__pair_contradicts(pair);
        if (offsets->is_solved && !pair->is_stale && !is_other_time)
            continue;
        struct clew__pair_offset resolved = clew__pair_resolve(pair, epoch);
        is_changed |= !offsets->is_solved || !is_same(&resolved, &offsets->resolved[i]);
        offsets->resolved[i] = resolved;
        pair->is_stale = false;
    }
    offsets->solved_epoch = epoch;
    offsets->solved_generation = offsets->generation;
    return is_changed;
}

bool clew__offsets_solve(struct clew__offsets *offsets, uint64_t epoch) {
    struct solver solver;
    epoch = offsets->contradicted ? epoch : 0;
    if (offsets->is_solved && offsets->solved_generation == offsets->generation &&
        offsets->solved_epoch == epoch)
        return true;
    if (!clew__array_reserve(&offsets->resolved, &offsets->resolved_capacity, offsets->pair_count,
                             sizeof *offsets->resolved))
        return false;
    if (!resolve_stale(offsets, epoch) && offsets->is_solved)
        return true;
    offsets->is_solved = false;
    offsets->host_count = clew__texts_count(offsets->hosts);
    if (!clew__array_reserve(&offsets->solution, &offsets->host_capacity, offsets->host_count,
                             sizeof *offsets->solution) ||
        !start(&solver, offsets))
        return false;
    find_tree(&solver);
    find_adjacent(&solver);
    place_all(&solver);
    satisfy_rings(&solver);
    clew_memory_release(solver.memory);
    offsets->is_flat = is_flat(offsets);
    offsets->is_solved = true;
    return true;
}
