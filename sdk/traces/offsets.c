/* Learning offsets between hosts: pairs, their windows, what is merged and what makes room. One thread at a
 * time. */
#include "sdk/traces/offsets.h"

#include "sdk/containers/grow.h"
#include "sdk/containers/saturate.h"
#include "sdk/containers/sort.h"

struct clew__offsets *clew__offsets_new(size_t memory_limit) {
    struct clew__offsets *offsets = (struct clew__offsets *)clew_memory_allocate(sizeof *offsets);
    if (!offsets)
        return NULL;
    *offsets = (struct clew__offsets){.hosts = clew__texts_new(), .memory_limit = memory_limit};
    if (!offsets->hosts) {
        clew_memory_release(offsets);
        return NULL;
    }
    return offsets;
}

static void pair_fini(struct clew__offsets *offsets, struct clew__host_pair *pair) {
    for (uint32_t i = 0; i < pair->window_count; i++)
        clew_memory_release(pair->windows[i]);
    offsets->window_count -= pair->window_count;
    offsets->contradicted -= clew__pair_contradicts(pair);
}

void clew__offsets_free(struct clew__offsets *offsets) {
    if (!offsets)
        return;
    for (uint32_t i = 0; i < offsets->pair_count; i++)
        pair_fini(offsets, &offsets->pairs[i]);
    clew__texts_free(offsets->hosts);
    clew__keys_fini(&offsets->keys);
    clew_memory_release(offsets->pairs);
    clew_memory_release(offsets->solution);
    clew_memory_release(offsets->resolved);
    clew_memory_release(offsets->list);
    clew_memory_release(offsets);
}

uint64_t clew__offsets_generation(const struct clew__offsets *offsets) {
    return offsets->generation;
}

uint64_t clew__offsets_overflowed(const struct clew__offsets *offsets) {
    return offsets->overflowed;
}

size_t clew__offsets_bytes(const struct clew__offsets *offsets) {
    return sizeof *offsets + clew__texts_bytes(offsets->hosts) +
           (size_t)offsets->window_count * sizeof(struct clew__offset_window) +
           offsets->pair_capacity * sizeof *offsets->pairs +
           offsets->keys.slot_count * (sizeof *offsets->keys.slots + sizeof *offsets->keys.keys / 2) +
           offsets->host_capacity * sizeof *offsets->solution +
           offsets->resolved_capacity * sizeof *offsets->resolved +
           offsets->list_capacity * sizeof *offsets->list;
}

/* Of an array for so many: it starts with some, and at most doubles. */
static size_t most_capacity(size_t count) {
    enum { FIRST = 64 };
    return 2 * count < FIRST ? FIRST : 2 * count;
}

/* Whether there may be so many pairs, and more windows and bytes of texts: with what solving and listing them
 * will hold. */
static bool has_room(const struct clew__offsets *offsets, size_t pairs, size_t more_windows,
                     size_t more_texts) {
    size_t hosts = (size_t)clew__texts_count(offsets->hosts) + 2;
    size_t windows = (size_t)offsets->window_count + more_windows;
    size_t bytes = sizeof *offsets + clew__texts_bytes(offsets->hosts) + more_texts +
                   windows * sizeof(struct clew__offset_window) +
                   most_capacity(pairs) * (sizeof *offsets->pairs + sizeof *offsets->resolved) +
                   most_capacity(2 * pairs) * (sizeof *offsets->list + 2 * sizeof(struct clew__key)) +
                   most_capacity(hosts) * sizeof *offsets->solution;
    return bytes <= offsets->memory_limit;
}

/* ---- windows ---- */

static int compare_calls(const struct clew__offset_call *a, const struct clew__offset_call *b) {
    if (a->hash != b->hash)
        return a->hash < b->hash ? -1 : 1;
    if (a->low != b->low)
        return a->low < b->low ? -1 : 1;
    return (a->high > b->high) - (a->high < b->high);
}

/* Whether it is one of the sample now, and was not. */
static bool add_sample(struct clew__offset_window *window, const struct clew__offset_call *call) {
    uint32_t at = window->sample_count;
    while (at > 0 && compare_calls(&window->sample[at - 1], call) > 0)
        at--;
    if (at == CLEW__OFFSETS_SAMPLE || (at > 0 && compare_calls(&window->sample[at - 1], call) == 0))
        return false;
    if (window->sample_count < CLEW__OFFSETS_SAMPLE)
        window->sample_count++;
    memmove(&window->sample[at + 1], &window->sample[at],
            (window->sample_count - 1 - at) * sizeof *window->sample);
    window->sample[at] = *call;
    return true;
}

/* Whether that made it smaller. */
static bool add_interval(int64_t *low, int64_t *high, int64_t other_low, int64_t other_high) {
    bool is_smaller = other_low > *low || other_high < *high;
    *low = other_low > *low ? other_low : *low;
    *high = other_high < *high ? other_high : *high;
    return is_smaller;
}

static void intersect_windows(struct clew__host_pair *pair) {
    pair->low = -INT64_MAX;
    pair->high = INT64_MAX;
    for (uint32_t i = 0; i < pair->window_count; i++)
        add_interval(&pair->low, &pair->high, pair->windows[i]->low, pair->windows[i]->high);
}

/* Memory for one more window: of the oldest, when no more may be. */
static struct clew__offset_window *new_window(struct clew__offsets *offsets, struct clew__host_pair *pair,
                                              bool is_full) {
    struct clew__offset_window *window = pair->windows[0];
    if (!is_full) {
        window = (struct clew__offset_window *)clew_memory_allocate(sizeof *window);
        offsets->window_count += window != NULL;
        return window;
    }
    pair->window_count--;
    memmove(pair->windows, pair->windows + 1, pair->window_count * sizeof(struct clew__offset_window *));
    intersect_windows(pair);
    return window;
}

enum found { FOUND, FOUND_TOO_OLD, FOUND_NO_MEMORY };

static enum found find_window(struct clew__offsets *offsets, struct clew__host_pair *pair, uint64_t epoch,
                              struct clew__offset_window **found) {
    uint32_t at = pair->window_count;
    while (at > 0 && pair->windows[at - 1]->epoch > epoch)
        at--;
    if (at > 0 && pair->windows[at - 1]->epoch == epoch) {
        *found = pair->windows[at - 1];
        return FOUND;
    }
    bool is_full =
        pair->window_count == CLEW__OFFSETS_WINDOWS || !has_room(offsets, offsets->pair_count, 1, 0);
    if (is_full && pair->window_count == 0)
        return FOUND_NO_MEMORY;
    if (is_full && at == 0)
        return FOUND_TOO_OLD;
    struct clew__offset_window *window = new_window(offsets, pair, is_full);
    if (!window)
        return FOUND_NO_MEMORY;
    *window = (struct clew__offset_window){.epoch = epoch, .low = -INT64_MAX, .high = INT64_MAX};
    at -= is_full;
    memmove(&pair->windows[at + 1], &pair->windows[at],
            (pair->window_count - at) * sizeof(struct clew__offset_window *));
    pair->windows[at] = window;
    pair->window_count++;
    *found = window;
    return FOUND;
}

/* Whether the window now says something else when it is one of the nearest, or another one would be. */
static bool extend_window(struct clew__offset_window *window, const struct clew__offset_window *added) {
    bool is_changed = window->calls < CLEW__OFFSETS_NEAR;
    is_changed |= add_interval(&window->low, &window->high, added->low, added->high);
    window->calls = clew__saturated_sum(window->calls, added->calls);
    for (uint32_t i = 0; i < added->sample_count; i++)
        is_changed |= add_sample(window, &added->sample[i]);
    return is_changed;
}

/* Adds what a window says to the pair's of the same time. */
static bool add_window(struct clew__offsets *offsets, uint32_t number,
                       const struct clew__offset_window *added) {
    struct clew__host_pair *pair = &offsets->pairs[number];
    int64_t low = pair->low, high = pair->high;
    bool contradicted = clew__pair_contradicts(pair);
    struct clew__offset_window *window;
    enum found found = find_window(offsets, pair, added->epoch, &window);
    if (found != FOUND)
        return found == FOUND_TOO_OLD;
    bool is_extended = extend_window(window, added);
    add_interval(&pair->low, &pair->high, added->low, added->high);
    offsets->contradicted += clew__pair_contradicts(pair);
    offsets->contradicted -= contradicted;
    if (pair->low != low || pair->high != high || (is_extended && clew__pair_contradicts(pair))) {
        pair->is_stale = true;
        offsets->generation++;
    }
    return true;
}

/* ---- pairs ---- */

static uint64_t newest_epoch(const struct clew__host_pair *pair) {
    return pair->window_count > 0 ? pair->windows[pair->window_count - 1]->epoch : 0;
}

/* Forgets hosts that no pair names. Without memory they stay for now. */
static void sweep_hosts(struct clew__offsets *offsets) {
    uint32_t count = clew__texts_count(offsets->hosts);
    bool *is_used = (bool *)clew_memory_allocate(count);
    if (!is_used)
        return;
    memset(is_used, 0, count);
    for (uint32_t i = 0; i < offsets->pair_count; i++)
        is_used[offsets->pairs[i].a] = is_used[offsets->pairs[i].b] = true;
    clew__texts_sweep(offsets->hosts, is_used);
    clew_memory_release(is_used);
}

/* Forgets the pairs that were seen longest ago, if that is before the epoch. False: nothing was forgotten. */
static bool make_room(struct clew__offsets *offsets, uint64_t epoch) {
    uint64_t oldest = UINT64_MAX;
    uint32_t kept = 0;
    struct clew__keys keys = {0};
    for (uint32_t i = 0; i < offsets->pair_count; i++)
        oldest = newest_epoch(&offsets->pairs[i]) < oldest ? newest_epoch(&offsets->pairs[i]) : oldest;
    if (oldest >= epoch)
        return false;
    for (uint32_t i = 0; i < offsets->pair_count; i++) {
        const struct clew__host_pair *pair = &offsets->pairs[i];
        if (newest_epoch(pair) > oldest &&
            clew__keys_add(&keys, (struct clew__key){pair->a, pair->b, 0}) == CLEW__NO_KEY) {
            clew__keys_fini(&keys);
            return false;
        }
    }
    for (uint32_t i = 0; i < offsets->pair_count; i++) {
        if (newest_epoch(&offsets->pairs[i]) > oldest)
            offsets->pairs[kept++] = offsets->pairs[i];
        else
            pair_fini(offsets, &offsets->pairs[i]);
    }
    offsets->pair_count = kept;
    clew__keys_fini(&offsets->keys);
    offsets->keys = keys;
    offsets->is_solved = false;
    offsets->generation++;
    sweep_hosts(offsets);
    return true;
}

static uint32_t add_pair(struct clew__offsets *offsets, clew_text a, clew_text b) {
    if (!clew__array_reserve(&offsets->pairs, &offsets->pair_capacity, (uint64_t)offsets->pair_count + 1,
                             sizeof *offsets->pairs))
        return CLEW__NO_KEY;
    struct clew__host_pair pair = {.low = -INT64_MAX, .high = INT64_MAX};
    pair.a = clew__texts_add(offsets->hosts, a.data, a.size);
    pair.b = clew__texts_add(offsets->hosts, b.data, b.size);
    if (pair.a == CLEW__TEXT_FAILED || pair.b == CLEW__TEXT_FAILED ||
        clew__keys_add(&offsets->keys, (struct clew__key){pair.a, pair.b, 0}) == CLEW__NO_KEY)
        return CLEW__NO_KEY;
    offsets->pairs[offsets->pair_count] = pair;
    offsets->is_solved = false;
    offsets->generation++;
    return offsets->pair_count++;
}

/* Whether there may be one more pair, with a window. */
static bool has_room_for_pair(const struct clew__offsets *offsets, clew_text a, clew_text b) {
    size_t texts = clew__texts_growth(offsets->hosts, 2) + a.size + b.size;
    return offsets->pair_count < CLEW__OFFSETS_PAIRS &&
           has_room(offsets, (size_t)offsets->pair_count + 1, 1, texts);
}

/* The pair's number; CLEW__NO_KEY: no room or no memory. */
static uint32_t find_pair(struct clew__offsets *offsets, clew_text a, clew_text b, uint64_t epoch) {
    clew__text first = clew__texts_find(offsets->hosts, a.data, a.size);
    clew__text second = clew__texts_find(offsets->hosts, b.data, b.size);
    if (first != CLEW__TEXT_FAILED && second != CLEW__TEXT_FAILED) {
        uint32_t number = clew__keys_find(&offsets->keys, (struct clew__key){first, second, 0});
        if (number != CLEW__NO_KEY)
            return number;
    }
    while (!has_room_for_pair(offsets, a, b))
        if (!make_room(offsets, epoch))
            return CLEW__NO_KEY;
    return add_pair(offsets, a, b);
}

/* ---- learning ---- */

static bool has_clock(const struct clew__node *node) {
    const uint32_t repaired = 1u << CLEW_REPAIR_NEGATIVE | 1u << CLEW_REPAIR_NO_START;
    return node->record && node->record->host && !(node->record->flags & CLEW__RECORD_OPEN) &&
           !(node->repairs & repaired);
}

static bool is_waited_for(const struct clew__record *parent, const struct clew__record *child) {
    return !(child->flags & CLEW__RECORD_ASYNC) && parent->kind != CLEW_PRODUCER &&
           child->kind != CLEW_CONSUMER;
}

static uint64_t hash_of(const struct clew_trace *trace, const struct clew__node *parent,
                        const struct clew__node *child) {
    uint64_t hash = 0, half;
    for (size_t i = 0; i < sizeof trace->id; i += sizeof half) {
        memcpy(&half, trace->id + i, sizeof half);
        hash = clew__mix(hash ^ half);
    }
    hash = clew__mix(hash ^ parent->record->id) + parent->suffix;
    return clew__mix(clew__mix(hash ^ child->record->id) + child->suffix);
}

/* Whether the offset between two times is one that clocks can have. */
static bool difference(uint64_t a, uint64_t b, int64_t *out) {
    uint64_t distance = a > b ? a - b : b - a;
    if (distance > (uint64_t)CLEW__OFFSETS_MAX)
        return false;
    *out = a > b ? (int64_t)distance : -(int64_t)distance;
    return true;
}

/* A call between hosts, as a window of its own; false: it is none, or tells nothing. */
static bool call_of(const struct clew_trace *trace, const struct clew__node *parent,
                    const struct clew__node *child, struct clew__offset_window *out) {
    uint64_t start = parent->start - (uint64_t)parent->skew, end = parent->end - (uint64_t)parent->skew;
    uint64_t from = child->start - (uint64_t)child->skew, to = child->end - (uint64_t)child->skew;
    if (!has_clock(parent) || !has_clock(child) || !is_waited_for(parent->record, child->record) ||
        to - from > end - start || !difference(start, from, &out->low) || !difference(end, to, &out->high))
        return false;
    out->epoch = start / CLEW__OFFSETS_WINDOW;
    out->calls = 1;
    out->sample_count = 1;
    out->sample[0] = (struct clew__offset_call){hash_of(trace, parent, child), out->low, out->high};
    return true;
}

/* Seen from the other host. */
static void reverse(struct clew__offset_window *window) {
    int64_t low = window->low;
    window->low = -window->high;
    window->high = -low;
    window->sample[0].low = window->low;
    window->sample[0].high = window->high;
}

static bool learn_call(struct clew__offsets *offsets, clew_text parent, clew_text child,
                       struct clew__offset_window *call) {
    bool is_reversed = clew__text_compare(parent, child) > 0;
    if (is_reversed)
        reverse(call);
    uint32_t number = is_reversed ? find_pair(offsets, child, parent, call->epoch)
                                  : find_pair(offsets, parent, child, call->epoch);
    if (number == CLEW__NO_KEY || !add_window(offsets, number, call)) {
        offsets->overflowed++;
        return false;
    }
    offsets->pairs[number].calls[is_reversed]++;
    return true;
}

bool clew__offsets_learn(struct clew__offsets *offsets, const struct clew_trace *trace, uint32_t known) {
    const struct clew__record *first_new = trace->source->records + known;
    bool is_complete = true;
    for (uint32_t i = 0; i < trace->node_count; i++) {
        const struct clew__node *child = &trace->nodes[i];
        const struct clew__node *parent = child->parent == CLEW_NO_SPAN ? NULL : &trace->nodes[child->parent];
        struct clew__offset_window call;
        if (!parent || !parent->record || parent->record->host == child->record->host ||
            (parent->record < first_new && child->record < first_new) ||
            !call_of(trace, parent, child, &call))
            continue;
        if (!learn_call(offsets, clew__texts_get(trace->texts, parent->record->host),
                        clew__texts_get(trace->texts, child->record->host), &call))
            is_complete = false;
    }
    return is_complete;
}

static bool merge_pair(struct clew__offsets *into, const struct clew__offsets *from,
                       const struct clew__host_pair *pair) {
    bool is_complete = true;
    uint32_t number = find_pair(into, clew__texts_get(from->hosts, pair->a),
                                clew__texts_get(from->hosts, pair->b), newest_epoch(pair));
    if (number == CLEW__NO_KEY)
        return false;
    for (uint32_t i = 0; i < 2; i++)
        into->pairs[number].calls[i] = clew__saturated_sum(into->pairs[number].calls[i], pair->calls[i]);
    for (uint32_t i = 0; i < pair->window_count; i++)
        is_complete &= add_window(into, number, pair->windows[i]);
    return is_complete;
}

bool clew__offsets_merge(struct clew__offsets *into, const struct clew__offsets *from) {
    bool is_complete = true;
    into->overflowed = clew__saturated_sum(into->overflowed, from->overflowed);
    for (uint32_t i = 0; i < from->pair_count; i++) {
        const struct clew__host_pair *pair = &from->pairs[i];
        if (merge_pair(into, from, pair))
            continue;
        is_complete = false;
        into->overflowed =
            clew__saturated_sum(into->overflowed, clew__saturated_sum(pair->calls[0], pair->calls[1]));
    }
    return is_complete;
}

/* ---- reading ---- */

static int compare_offsets(const void *user, uint32_t a, uint32_t b) {
    const clew_clock_offset *list = (const clew_clock_offset *)user;
    int order = clew__text_compare(list[a].reference, list[b].reference);
    return order ? order : clew__text_compare(list[a].host, list[b].host);
}

static int64_t narrow(clew__wide_offset offset) {
    if (offset > INT64_MAX)
        return INT64_MAX;
    return offset < -INT64_MAX ? -INT64_MAX : (int64_t)offset;
}

static clew_clock_offset list_pair(const struct clew__offsets *offsets, uint32_t number) {
    const struct clew__host_pair *pair = &offsets->pairs[number];
    const struct clew__pair_offset *resolved = &offsets->resolved[number];
    int64_t applied = narrow(offsets->solution[pair->b].offset - offsets->solution[pair->a].offset);
    clew_clock_offset out = {.reference = clew__texts_get(offsets->hosts, pair->a),
                             .host = clew__texts_get(offsets->hosts, pair->b),
                             .low_nano = resolved->low,
                             .high_nano = resolved->high,
                             .offset_nano = applied,
                             .edges = clew__saturated_sum(pair->calls[0], pair->calls[1]),
                             .is_contradicted = resolved->is_contradicted};
    if (pair->calls[1] <= pair->calls[0])
        return out;
    clew_text reference = out.reference;
    out.reference = out.host;
    out.host = reference;
    out.low_nano = -resolved->high;
    out.high_nano = -resolved->low;
    out.offset_nano = -applied;
    return out;
}

const clew_clock_offset *clew__offsets_list(struct clew__offsets *offsets, size_t *count) {
    uint32_t pairs = offsets->pair_count;
    uint64_t newest = 0;
    for (uint32_t i = 0; i < pairs; i++)
        newest = newest_epoch(&offsets->pairs[i]) > newest ? newest_epoch(&offsets->pairs[i]) : newest;
    *count = 0;
    if (!clew__array_reserve(&offsets->list, &offsets->list_capacity, 2 * (uint64_t)pairs,
                             sizeof *offsets->list) ||
        !clew__offsets_solve(offsets, newest))
        return NULL;
    struct clew__sort_key *keys =
        (struct clew__sort_key *)clew_memory_allocate((2 * (size_t)pairs + 1) * sizeof *keys);
    if (!keys)
        return NULL;
    clew_clock_offset *spare = offsets->list + pairs;
    for (uint32_t i = 0; i < pairs; i++) {
        spare[i] = list_pair(offsets, i);
        keys[i] = (struct clew__sort_key){0, 0, i};
    }
    clew__sort_keys(keys, keys + pairs, pairs, compare_offsets, spare);
    for (uint32_t i = 0; i < pairs; i++)
        offsets->list[i] = spare[keys[i].index];
    clew_memory_release(keys);
    *count = pairs;
    return offsets->list;
}
