/* The byte budget of a trace buffer: what counts, and who goes when it is used up. One thread at a time.
 *
 * Counted are records, texts, the books, and for each trace what its normalised form takes at most: so that
 * normalising never needs room. What normalising and sorting take for the time of a call is not. */
#include "sdk/base/memory.h"
#include "sdk/containers/sort.h"
#include "sdk/traces/buffer.h"

/* Undecided traces are chosen among all of them; so that is done for a part of the budget at once. */
#define BATCH_SHARE 16u
/* Texts are swept when they have grown by that part of the budget, or when all else fails. */
#define SWEEP_SHARE 8u

size_t clew__buffer_bytes(const struct clew_trace_buffer *buffer) {
    if (buffer->is_lost)
        return sizeof *buffer;
    return sizeof *buffer + clew__texts_bytes(buffer->texts) + clew__held_set_bytes(&buffer->held) +
           clew__decided_bytes(&buffer->decided) + clew__offsets_bytes(buffer->offsets) + buffer->charged +
           buffer->pending;
}

static size_t room_left(const struct clew_trace_buffer *buffer) {
    size_t used = clew__buffer_bytes(buffer), clocks = clew__offsets_bytes(buffer->offsets);
    size_t reserved = (size_t)(buffer->options.memory_limit / CLEW__OFFSETS_SHARE);
    used += reserved > clocks ? reserved - clocks : 0;
    return used < buffer->options.memory_limit ? (size_t)(buffer->options.memory_limit - used) : 0;
}

size_t clew__buffer_span_bytes(void) {
    return clew__trace_bytes_max(2) - clew__trace_bytes_max(0);
}

void clew__buffer_charge(struct clew_trace_buffer *buffer, struct clew__held *held) {
    size_t bytes =
        sizeof *held + clew__records_bytes(&held->records) + clew__trace_bytes_max(held->records.count);
    buffer->charged += bytes - held->charged;
    buffer->pending = 0;
    held->charged = bytes;
}

void clew__buffer_remove(struct clew_trace_buffer *buffer, struct clew__held *held) {
    buffer->charged -= held->charged;
    if (held->records.count > 0) {
        buffer->stats.spans_held -= held->records.count;
        buffer->stats.traces_held--;
        buffer->left_since_sweep += held->records.count;
    }
    clew__held_remove(&buffer->held, held);
}

/* ---- leaving ---- */

static bool say_goodbye(struct clew_trace_buffer *buffer, struct clew__held *held) {
    const struct clew_trace *trace;
    if (!held->is_complete || held->has_late) {
        if (!clew__buffer_complete(buffer, held, CLEW_COMPLETE_MEMORY))
            return false;
    }
    if (!buffer->options.on_leave)
        return true;
    trace = clew__buffer_trace_of(buffer, held);
    if (trace)
        buffer->options.on_leave(buffer->options.user, trace);
    return trace != NULL;
}

/* It makes room; who cannot be told of it, for memory ran out, counts as dropped. */
static void leave(struct clew_trace_buffer *buffer, struct clew__held *held) {
    uint64_t hash = held->hash, count = held->records.count;
    if (count == 0) {
        clew__buffer_remove(buffer, held);
        return;
    }
    *(say_goodbye(buffer, held) ? &buffer->stats.spans_left : &buffer->stats.dropped_memory) += count;
    clew__buffer_remove(buffer, held);
    clew__decided_add(&buffer->decided, hash, room_left(buffer));
}

/* ---- who goes ---- */

static bool leave_oldest(struct clew_trace_buffer *buffer) {
    struct clew__held *held = buffer->held.oldest;
    if (held && held == buffer->filling)
        held = held->newer;
    if (!held)
        return false;
    leave(buffer, held);
    return true;
}

/* Bytes times age: what a trace costs others, and how little is still to be expected of it. */
static uint64_t impact_of(const struct clew_trace_buffer *buffer, const struct clew__held *held) {
    __extension__ typedef unsigned __int128 wide;
    wide impact = (wide)held->charged * (buffer->now - held->first_seen + 1);
    return impact < UINT64_MAX ? (uint64_t)impact : UINT64_MAX;
}

static int compare_ids(const void *user, uint32_t a, uint32_t b) {
    struct clew__held *const *slots = (struct clew__held *const *)user;
    return memcmp(slots[a]->records.trace_id, slots[b]->records.trace_id, 16);
}

/* The undecided traces by impact, the largest first. */
static uint32_t sort_undecided(const struct clew_trace_buffer *buffer, struct clew__sort_key *keys) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < 2 * buffer->held.capacity; i++) {
        const struct clew__held *held = buffer->held.slots[i];
        if (held && held != buffer->filling)
            keys[count++] = (struct clew__sort_key){UINT64_MAX - impact_of(buffer, held), 0, i};
    }
    clew__sort_keys(keys, keys + count, count, compare_ids, buffer->held.slots);
    return count;
}

/* Nothing is complete but perhaps what is being filled. Removing moves slots: so pointers are taken first. */
static bool leave_undecided(struct clew_trace_buffer *buffer, size_t need) {
    size_t share = (size_t)(buffer->options.memory_limit / BATCH_SHARE);
    size_t count = buffer->held.count, target = need > share ? need : share;
    struct clew__held **chosen;
    struct clew__sort_key *keys = (struct clew__sort_key *)clew_memory_allocate(
        (2 * count + 1) * (sizeof *keys + sizeof(struct clew__held *)));
    if (!keys)
        return false;
    chosen = (struct clew__held **)(void *)(keys + 2 * count + 1);
    count = sort_undecided(buffer, keys);
    for (size_t i = 0; i < count; i++)
        chosen[i] = buffer->held.slots[keys[i].index];
    for (size_t i = 0; i < count && room_left(buffer) < target; i++)
        leave(buffer, chosen[i]);
    clew_memory_release(keys);
    return count > 0;
}

/* ---- texts ---- */

static void mark_texts(const struct clew__records *records, bool *is_used) {
    is_used[records->trace_id_text] = true;
    for (uint32_t i = 0; i < records->count; i++) {
        const struct clew__record *record = &records->records[i];
        is_used[record->id_text] = is_used[record->service] = is_used[record->operation] = true;
        is_used[record->host] = is_used[record->peer] = is_used[record->provider] = true;
        is_used[record->error_type] = is_used[record->error_message] = is_used[record->detail] = true;
    }
}

static bool sweep(struct clew_trace_buffer *buffer) {
    size_t count = clew__texts_count(buffer->texts);
    bool *is_used = (bool *)clew_memory_allocate(count * sizeof *is_used);
    if (!is_used)
        return false;
    memset(is_used, 0, count * sizeof *is_used);
    for (uint32_t i = 0; i < 2 * buffer->held.capacity; i++) {
        if (buffer->held.slots[i])
            mark_texts(&buffer->held.slots[i]->records, is_used);
    }
    clew__texts_sweep(buffer->texts, is_used);
    clew_memory_release(is_used);
    buffer->swept_bytes = clew__texts_bytes(buffer->texts);
    buffer->left_since_sweep = 0;
    return true;
}

static bool is_worth_sweeping(const struct clew_trace_buffer *buffer) {
    size_t bytes = clew__texts_bytes(buffer->texts);
    return buffer->left_since_sweep > 0 &&
           bytes - buffer->swept_bytes >= buffer->options.memory_limit / SWEEP_SHARE;
}

bool clew__buffer_make_room(struct clew_trace_buffer *buffer, size_t need) {
    while (room_left(buffer) < need) {
        if (is_worth_sweeping(buffer) && sweep(buffer))
            continue;
        if (leave_oldest(buffer) || leave_undecided(buffer, need))
            continue;
        if (buffer->left_since_sweep == 0 || !sweep(buffer))
            return false;
    }
    return true;
}
