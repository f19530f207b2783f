/* Who waits for whom. Owns what its header says; one thread at a time. */
#include "sdk/path/relation.h"

#include "sdk/base/struct_size.h"
#include "sdk/containers/grow.h"
#include "sdk/containers/saturate.h"
#include "sdk/containers/sort.h"

#define PPM UINT64_C(1000000)

/* Ordinary recordings take a few steps a span; this is where windows within windows end, and what they may
 * hold of memory. */
#define STEPS_PER_SPAN UINT64_C(32)
#define STEPS_MIN UINT64_C(65536) /* of small traces */

static uint64_t later(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

static uint64_t earlier(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

static uint64_t eps_of(const clew_path_options *options, uint64_t duration) {
    uint64_t ppm = options->eps_ppm < PPM ? options->eps_ppm : PPM;
    return later(options->eps_nano, duration / PPM * ppm + duration % PPM * ppm / PPM);
}

uint64_t clew__relations_eps(const struct clew__relations *relations, uint32_t span) {
    if (span == CLEW_NO_SPAN)
        return eps_of(&relations->options, relations->end - relations->start);
    const struct clew__node *node = &relations->trace->nodes[span];
    return eps_of(&relations->options, node->end - node->start);
}

/* Whether a span may be waited for more than once. */
static bool may_repeat(const struct clew__relations *relations) {
    return relations->window_count > 0 ||
           (relations->is_full && relations->options.scope == CLEW_SCOPE_TRACE);
}

uint64_t clew__relations_limit(const struct clew__relations *relations) {
    if (!may_repeat(relations))
        return UINT64_MAX;
    return STEPS_MIN + STEPS_PER_SPAN * ((uint64_t)relations->trace->node_count + relations->window_count);
}

static struct clew__relation relation_of(const struct clew__relations *relations,
                                         const struct clew__node *node) {
    if (node->parent == CLEW_NO_SPAN)
        return (struct clew__relation){.relation = CLEW_RELATION_ROOT};
    const struct clew__node *parent = &relations->trace->nodes[node->parent];
    if (!parent->record || !node->record)
        return (struct clew__relation){.relation = CLEW_RELATION_BLOCKING};
    uint8_t above = parent->record->kind, kind = node->record->kind;
    if (node->record->flags & CLEW__RECORD_ASYNC || (above == CLEW_PRODUCER && kind == CLEW_CONSUMER))
        return (struct clew__relation){.relation = CLEW_RELATION_ASYNC};
    if (node->end <= parent->end || (above == CLEW_CLIENT && kind == CLEW_SERVER) ||
        node->end - parent->end <= eps_of(&relations->options, parent->end - parent->start))
        return (struct clew__relation){.relation = CLEW_RELATION_BLOCKING};
    if (relations->options.overflow == CLEW_OVERFLOW_EXCLUDE)
        return (struct clew__relation){.relation = CLEW_RELATION_ASYNC};
    return (struct clew__relation){.relation = CLEW_RELATION_BLOCKING, .is_assumed = true};
}

/* Room for twice so many keys: as many to spare. */
static bool reserve_keys(struct clew__relations *relations, uint32_t count) {
    return clew__array_reserve(&relations->keys, &relations->key_capacity, (uint64_t)count * 2,
                               sizeof *relations->keys);
}

/* Of a span, in keys. Roots come first. */
static uint64_t parent_rank(uint32_t parent) {
    return parent == CLEW_NO_SPAN ? 0 : (uint64_t)parent + 1;
}

/* The keys become spans by id, then by parent. */
static bool index_ids(struct clew__relations *relations, uint32_t *count) {
    const struct clew_trace *trace = relations->trace;
    *count = 0;
    if (!reserve_keys(relations, trace->node_count))
        return false;
    for (uint32_t i = 0; i < trace->node_count; i++)
        if (trace->nodes[i].record)
            relations->keys[(*count)++] =
                (struct clew__sort_key){trace->nodes[i].record->id, parent_rank(trace->nodes[i].parent), i};
    clew__sort_keys(relations->keys, relations->keys + *count, *count, NULL, NULL);
    return true;
}

/* The first key of the id, and of a parent of that rank or a higher one. */
static uint32_t find_key(const struct clew__relations *relations, uint32_t count, uint64_t id,
                         uint64_t rank) {
    uint32_t low = 0, high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct clew__sort_key *key = &relations->keys[middle];
        if (key->first < id || (key->first == id && key->second < rank))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* A child of the waiter rather than another, and never the waiter itself. */
static uint32_t find_target(const struct clew__relations *relations, uint32_t count, uint32_t waiter,
                            uint64_t id) {
    const struct clew__sort_key *keys = relations->keys;
    uint32_t at = find_key(relations, count, id, parent_rank(waiter));
    if (at < count && keys[at].first == id && keys[at].second == parent_rank(waiter))
        return keys[at].index;
    at = find_key(relations, count, id, 0);
    if (at < count && keys[at].index == waiter)
        at++;
    return at < count && keys[at].first == id ? keys[at].index : CLEW_NO_SPAN;
}

static uint64_t shifted(uint64_t time, int64_t skew) {
    if (skew >= 0)
        return clew__saturated_sum(time, (uint64_t)skew);
    uint64_t back = (uint64_t)0 - (uint64_t)skew;
    return time > back ? time - back : 0;
}

static struct clew__window window_of(const struct clew_trace *trace, uint32_t waiter, uint32_t target,
                                     const struct clew__span_wait *wait) {
    const struct clew__node *from = &trace->nodes[waiter], *to = &trace->nodes[target];
    uint64_t start = shifted(wait->start, from->skew);
    uint64_t end = wait->duration ? clew__saturated_sum(start, wait->duration) : from->end;
    return (struct clew__window){.start = later(start, later(from->start, to->start)),
                                 .end = earlier(end, earlier(from->end, to->end)),
                                 .waiter = waiter,
                                 .target = target};
}

static bool add_waits(struct clew__relations *relations, uint32_t id_count, uint32_t waiter) {
    const struct clew_trace *trace = relations->trace;
    const struct clew__record *record = trace->nodes[waiter].record;
    for (uint32_t i = 0; i < record->wait_count; i++) {
        const struct clew__span_wait *wait = &trace->source->waits[record->first_wait + i];
        uint32_t target = find_target(relations, id_count, waiter, wait->target_id);
        if (target == CLEW_NO_SPAN) {
            relations->unused_waits++;
            continue;
        }
        struct clew__relation *relation = &relations->of[target];
        if (trace->nodes[target].parent == waiter && !relation->is_recorded)
            *relation = (struct clew__relation){.relation = CLEW_RELATION_ASYNC, .is_recorded = true};
        struct clew__window window = window_of(trace, waiter, target, wait);
        if (window.start >= window.end) {
            relations->unused_waits++;
            continue;
        }
        if (!clew__array_reserve(&relations->windows, &relations->window_capacity,
                                 (uint64_t)relations->window_count + 1, sizeof *relations->windows))
            return false;
        relations->windows[relations->window_count++] = window;
        if (trace->nodes[target].parent == waiter)
            relation->relation = CLEW_RELATION_BLOCKING;
    }
    return true;
}

/* Of windows of one waiter that end at the same time. */
static int compare_windows(const void *user, uint32_t a, uint32_t b) {
    const struct clew__window *windows = user;
    if (windows[a].start != windows[b].start)
        return windows[a].start < windows[b].start ? -1 : 1;
    return windows[a].target < windows[b].target ? -1 : windows[a].target > windows[b].target;
}

/* By waiter, latest end first, then longest. */
static bool sort_windows(struct clew__relations *relations) {
    uint32_t count = relations->window_count;
    if (!reserve_keys(relations, count) ||
        !clew__array_reserve(&relations->windows, &relations->window_capacity, (uint64_t)count * 2,
                             sizeof *relations->windows))
        return false;
    struct clew__window *windows = relations->windows, *spare = windows + count;
    for (uint32_t i = 0; i < count; i++)
        relations->keys[i] = (struct clew__sort_key){windows[i].waiter, UINT64_MAX - windows[i].end, i};
    clew__sort_keys(relations->keys, relations->keys + count, count, compare_windows, windows);
    memcpy(spare, windows, count * sizeof *windows);
    for (uint32_t i = 0; i < count; i++)
        windows[i] = spare[relations->keys[i].index];
    return true;
}

static void reverse_windows(struct clew__window *windows, uint32_t count) {
    for (uint32_t low = 0, high = count; low + 1 < high; low++) {
        struct clew__window swapped = windows[low];
        windows[low] = windows[--high];
        windows[high] = swapped;
    }
}

/* Puts the window before the last of its waiter, if something is left of it. */
static uint32_t put_window(struct clew__window *windows, uint32_t first, uint32_t kept,
                           struct clew__window window) {
    struct clew__window *last = kept > first ? &windows[kept - 1] : NULL;
    if (last)
        window.end = earlier(window.end, last->start);
    if (window.start >= window.end)
        return kept;
    if (last && last->target == window.target && last->start == window.end) {
        last->start = window.start;
        return kept;
    }
    windows[kept] = window;
    return kept + 1;
}

/* Of each waiter the windows become disjoint, and stand in order of start. */
static void resolve_windows(struct clew__relations *relations) {
    struct clew__window *windows = relations->windows;
    uint32_t count = relations->window_count, kept = 0;
    for (uint32_t i = 0; i < count;) {
        uint32_t waiter = windows[i].waiter, first = kept;
        for (; i < count && windows[i].waiter == waiter; i++)
            kept = put_window(windows, first, kept, windows[i]);
        reverse_windows(&windows[first], kept - first);
        relations->of[waiter].is_waiter = true;
    }
    relations->window_count = kept;
}

static bool find_windows(struct clew__relations *relations) {
    const struct clew_trace *trace = relations->trace;
    uint32_t id_count;
    if (!index_ids(relations, &id_count))
        return false;
    for (uint32_t i = 0; i < trace->node_count; i++)
        if (trace->nodes[i].record && trace->nodes[i].record->wait_count &&
            !add_waits(relations, id_count, i))
            return false;
    relations->steps += id_count;
    if (!relations->window_count)
        return true;
    if (!sort_windows(relations))
        return false;
    relations->steps += relations->window_count;
    resolve_windows(relations);
    return true;
}

static bool find_reached(struct clew__relations *relations) {
    const struct clew_trace *trace = relations->trace;
    if (!clew__array_reserve(&relations->reached, &relations->reached_capacity, trace->node_count,
                             sizeof *relations->reached))
        return false;
    for (uint32_t i = 0; i < trace->node_count; i++) {
        const struct clew__node *node = &trace->nodes[i];
        uint64_t reached = 0;
        for (uint32_t at = node->first_child; at < node->first_child + node->child_count; at++) {
            reached = later(reached, trace->nodes[trace->children[at]].end);
            relations->reached[at] = reached;
        }
    }
    relations->steps += trace->node_count;
    return true;
}

static bool find_all_windows(struct clew__relations *relations, uint64_t wait_count) {
    if (wait_count && relations->is_full)
        return find_windows(relations);
    relations->unused_waits = (uint32_t)wait_count;
    return true;
}

bool clew__relations_find(struct clew__relations *relations, const struct clew_trace *trace,
                          const clew_path_options *options, bool in_full) {
    relations->trace = trace;
    relations->is_full = in_full;
    relations->options = (clew_path_options){0};
    if (options)
        clew__options_copy(&relations->options, sizeof relations->options, options, sizeof *options);
    relations->window_count = relations->unused_waits = 0;
    relations->start = relations->end = relations->steps = 0;
    if (!clew__array_reserve(&relations->of, &relations->capacity, trace->node_count, sizeof *relations->of))
        return false;
    uint64_t start = UINT64_MAX, end = 0, wait_count = 0;
    for (uint32_t i = 0; i < trace->node_count; i++) {
        const struct clew__node *node = &trace->nodes[i];
        relations->of[i] = relation_of(relations, node);
        start = earlier(start, node->start);
        end = later(end, node->end);
        wait_count += node->record ? node->record->wait_count : 0;
    }
    relations->steps += trace->node_count;
    relations->start = earlier(start, end);
    relations->end = end;
    return find_all_windows(relations, wait_count) && (!may_repeat(relations) || find_reached(relations));
}

void clew__relations_fini(struct clew__relations *relations) {
    clew_memory_release(relations->of);
    clew_memory_release(relations->windows);
    clew_memory_release(relations->keys);
    clew_memory_release(relations->reached);
    *relations = (struct clew__relations){0};
}

static bool append(struct clew__pieces *pieces, uint32_t span, uint64_t start, uint64_t end, uint32_t mark) {
    if (start >= end)
        return true;
    if (pieces->count == pieces->capacity &&
        !clew__array_reserve(&pieces->items, &pieces->capacity, (uint64_t)pieces->count + 1,
                             sizeof *pieces->items))
        return false;
    pieces->items[pieces->count++] = (struct clew__piece){start, end, span, mark};
    return true;
}

/* The first window of the waiter that starts at or after the time. */
static uint32_t first_window(const struct clew__relations *relations, uint32_t waiter, uint64_t time) {
    uint32_t low = 0, high = relations->window_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct clew__window *window = &relations->windows[middle];
        if (window->waiter < waiter || (window->waiter == waiter && window->start < time))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The window of the waiter before this one; NULL: none. */
static const struct clew__window *window_before(const struct clew__relations *relations, uint32_t waiter,
                                                uint32_t index) {
    if (index == 0 || relations->windows[index - 1].waiter != waiter)
        return NULL;
    return &relations->windows[index - 1];
}

/* A child without records of a parent that has some: waited for between the windows, if it ended there. */
static void cut_to_hole(struct clew__relations *relations, uint32_t waiter, struct clew__piece *piece) {
    uint32_t index = first_window(relations, waiter, piece->end);
    const struct clew__window *window = window_before(relations, waiter, index);
    if (window && piece->end <= window->end) {
        if (piece->end - window->start > clew__relations_eps(relations, waiter)) {
            piece->end = piece->start;
            return;
        }
        piece->end = window->start;
        window = window_before(relations, waiter, index - 1);
    }
    if (window)
        piece->start = later(piece->start, window->end);
}

static bool window_pieces(struct clew__relations *relations, uint32_t waiter, uint64_t start, uint64_t end,
                          struct clew__pieces *pieces) {
    uint32_t index = first_window(relations, waiter, start);
    const struct clew__window *window = window_before(relations, waiter, index);
    if (window && window->end > start)
        index--;
    for (; index < relations->window_count; index++) {
        window = &relations->windows[index];
        if (window->waiter != waiter || window->start >= end)
            return true;
        relations->steps++;
        if (!append(pieces, window->target, later(start, window->start), earlier(end, window->end),
                    CLEW__PIECE_RECORDED))
            return false;
    }
    return true;
}

/* For the whole trace waited is for all that nobody in it waits for, so that nothing is left out. */
static bool trace_pieces(struct clew__relations *relations, struct clew__pieces *pieces) {
    const struct clew_trace *trace = relations->trace;
    relations->steps += trace->node_count;
    for (uint32_t i = 0; i < trace->node_count; i++) {
        const struct clew__node *node = &trace->nodes[i];
        if (relations->of[i].relation != CLEW_RELATION_BLOCKING) {
            if (!append(pieces, i, node->start, node->end, 0))
                return false;
            continue;
        }
        if (!relations->is_full)
            continue;
        const struct clew__node *parent = &trace->nodes[node->parent];
        if (!append(pieces, i, node->start, earlier(node->end, parent->start), 0) ||
            !append(pieces, i, later(node->start, parent->end), node->end, 0))
            return false;
    }
    return true;
}

/* The first child that may have run at the time or after it. */
static uint32_t first_child(const struct clew__relations *relations, const struct clew__node *node,
                            uint64_t time) {
    uint32_t low = 0, high = node->child_count;
    if (!may_repeat(relations))
        return 0;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (relations->reached[node->first_child + middle] <= time)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool clew__relations_pieces(struct clew__relations *relations, uint32_t span, uint64_t start, uint64_t end,
                            struct clew__pieces *pieces) {
    const struct clew_trace *trace = relations->trace;
    if (span == CLEW_NO_SPAN)
        return trace_pieces(relations, pieces);
    const struct clew__node *node = &trace->nodes[span];
    const uint32_t *children = &trace->children[node->first_child];
    bool is_waiter = relations->of[span].is_waiter;
    for (uint32_t i = first_child(relations, node, start); i < node->child_count; i++) {
        const struct clew__node *child = &trace->nodes[children[i]];
        const struct clew__relation *relation = &relations->of[children[i]];
        relations->steps++;
        if (child->start >= end)
            break;
        if (relation->relation != CLEW_RELATION_BLOCKING || relation->is_recorded)
            continue;
        struct clew__piece piece = {later(child->start, start), earlier(child->end, end), children[i], 0};
        if (is_waiter && piece.start < piece.end)
            cut_to_hole(relations, span, &piece);
        if (!append(pieces, piece.span, piece.start, piece.end,
                    relation->is_assumed ? CLEW__PIECE_ASSUMED : 0))
            return false;
    }
    return !is_waiter || window_pieces(relations, span, start, end, pieces);
}
