/* The trace buffer: options, spans coming in, looking things up. One thread at a time.
 *
 * A span's way: the decoder asks where it belongs (records_of, which makes room first), fills it in, and says
 * so (added) or that memory ran out (dropped). Exactly one counter beside spans_in moves for each. */
#include "sdk/traces/buffer.h"

#include "proto/wire.h"
#include "sdk/base/clock.h"
#include "sdk/base/memory.h"
#include "sdk/base/struct_size.h"

#include <errno.h>

#define MEMORY_LIMIT_DEFAULT (UINT64_C(64) << 20)
#define SPAN_LIMIT_DEFAULT 100000u
#define GRACE_MIN_MS_DEFAULT 100u
#define GRACE_MAX_MS_DEFAULT 2000u
#define MAX_IDLE_MS_DEFAULT 5000u
#define MAX_LIVE_MS_DEFAULT 300000u
#define DECISION_COUNT_DEFAULT 65536u
#define TEXTS_PER_SPAN 12u /* that one may add at most: nine of its own, the resource's two, the trace's */

/* ---- making ---- */

static uint32_t or_default(uint32_t value, uint32_t otherwise) {
    return value ? value : otherwise;
}

static clew_trace_buffer_options options_of(const clew_trace_buffer_options *given) {
    clew_trace_buffer_options options = {0};
    if (given)
        clew__options_copy(&options, sizeof options, given, sizeof options);
    options.memory_limit = options.memory_limit ? options.memory_limit : MEMORY_LIMIT_DEFAULT;
    options.span_limit = or_default(options.span_limit, SPAN_LIMIT_DEFAULT);
    options.grace_min_ms = or_default(options.grace_min_ms, GRACE_MIN_MS_DEFAULT);
    options.grace_max_ms = or_default(options.grace_max_ms, GRACE_MAX_MS_DEFAULT);
    options.max_idle_ms = or_default(options.max_idle_ms, MAX_IDLE_MS_DEFAULT);
    options.max_live_ms = or_default(options.max_live_ms, MAX_LIVE_MS_DEFAULT);
    options.decision_count = or_default(options.decision_count, DECISION_COUNT_DEFAULT);
    return options;
}

static void close_parts(struct clew_trace_buffer *buffer) {
    clew__held_set_fini(&buffer->held);
    clew__decided_fini(&buffer->decided);
    clew__texts_free(buffer->texts);
    clew__offsets_free(buffer->offsets);
    buffer->texts = NULL;
    buffer->offsets = NULL;
}

/* What holds spans. False, and nothing is open, when memory runs out. */
static bool open_parts(struct clew_trace_buffer *buffer) {
    buffer->texts = clew__texts_new();
    buffer->offsets = clew__offsets_new((size_t)(buffer->options.memory_limit / CLEW__OFFSETS_SHARE));
    if (buffer->texts && buffer->offsets && clew__held_set_init(&buffer->held) &&
        clew__decided_init(&buffer->decided, buffer->options.decision_count))
        return true;
    close_parts(buffer);
    return false;
}

clew_trace_buffer *clew_trace_buffer_new(const clew_trace_buffer_options *options) {
    struct clew_trace_buffer *buffer = (struct clew_trace_buffer *)clew_memory_allocate(sizeof *buffer);
    if (!buffer)
        return NULL;
    memset(buffer, 0, sizeof *buffer);
    buffer->options = options_of(options);
    if (open_parts(buffer))
        return buffer;
    clew_memory_release(buffer);
    return NULL;
}

void clew_trace_buffer_free(clew_trace_buffer *buffer) {
    if (!buffer)
        return;
    close_parts(buffer);
    clew_memory_release(buffer);
}

void clew__buffer_give_up(struct clew_trace_buffer *buffer) {
    struct clew_trace_buffer fresh = {.options = buffer->options};
    uint64_t owner = atomic_load(&buffer->owner);
    fresh.is_lost = !open_parts(&fresh);
    *buffer = fresh;
    atomic_store(&buffer->owner, owner);
}

const char *clew_completion_name(clew_completion completion) {
    static const char *const names[] = {
#define COMPLETION_NAME(name, text) text,
        CLEW_COMPLETIONS(COMPLETION_NAME)
#undef COMPLETION_NAME
    };
    return (unsigned)completion < CLEW_COMPLETION_COUNT ? names[completion] : "";
}

/* ---- spans coming in ---- */

static uint64_t hash_of(const struct clew_trace_buffer *buffer, const uint8_t trace_id[16]) {
    if (buffer->is_lost)
        return 0;
    return clew__hash_bytes(clew__texts_key(buffer->texts), trace_id, 16);
}

static void pass_time(struct clew_trace_buffer *buffer, uint64_t now_nano) {
    if (now_nano > buffer->now)
        buffer->now = now_nano;
}

/* The trace with that id, made when it is new; NULL: it has left, or there is no room. */
static struct clew__held *hold(struct clew_trace_buffer *buffer, const uint8_t trace_id[16], bool *has_left) {
    uint64_t hash = hash_of(buffer, trace_id);
    struct clew__held *held = clew__held_find(&buffer->held, hash, trace_id);
    *has_left = false;
    if (held || buffer->is_lost)
        return held;
    *has_left = clew__decided_has(&buffer->decided, hash);
    if (*has_left ||
        !clew__buffer_make_room(buffer, clew__held_set_growth(&buffer->held) + clew__trace_bytes_max(0)))
        return NULL;
    held = clew__held_new(&buffer->held, hash, trace_id);
    if (!held)
        return NULL;
    held->first_seen = held->last_seen = buffer->now;
    clew__buffer_charge(buffer, held);
    return held;
}

/* What a span may add that is no records: its texts, and its place in a normalised trace. */
static size_t most_bytes(const struct clew_trace_buffer *buffer, size_t size) {
    size_t texts = TEXTS_PER_SPAN * (size_t)CLEW__TEXT_MAX;
    return (size < texts ? size : texts) + clew__texts_growth(buffer->texts, TEXTS_PER_SPAN) +
           clew__buffer_span_bytes();
}

/* A trace that nobody expects anything of, and that has no spans, is not there. */
static void remove_empty(struct clew_trace_buffer *buffer, struct clew__held *held) {
    if (held->records.count == 0 && held->came >= held->expected)
        clew__buffer_remove(buffer, held);
}

static bool is_full(struct clew_trace_buffer *buffer, struct clew__held *held) {
    if (held->records.count < buffer->options.span_limit)
        return false;
    buffer->stats.dropped_trace_limit++;
    if (!held->is_complete)
        clew__buffer_complete(buffer, held, CLEW_COMPLETE_LIMIT);
    return true;
}

static struct clew__records *records_of(void *user, const uint8_t trace_id[16], size_t size) {
    struct clew_trace_buffer *buffer = (struct clew_trace_buffer *)user;
    bool has_left;
    struct clew__held *held = hold(buffer, trace_id, &has_left);
    buffer->stats.spans_in++;
    if (!held) {
        *(has_left ? &buffer->stats.dropped_late : &buffer->stats.dropped_memory) += 1;
        return NULL;
    }
    held->came++;
    if (is_full(buffer, held))
        return NULL;
    buffer->filling = held;
    buffer->filling_bytes = most_bytes(buffer, size);
    if (!clew__buffer_make_room(buffer, buffer->filling_bytes)) {
        buffer->filling = NULL;
        buffer->stats.dropped_memory++;
        remove_empty(buffer, held);
        return NULL;
    }
    clew__held_forget_trace(held);
    return &held->records;
}

static bool room(void *user, size_t bytes) {
    struct clew_trace_buffer *buffer = (struct clew_trace_buffer *)user;
    if (!clew__buffer_make_room(buffer, bytes + buffer->filling_bytes))
        return false;
    buffer->pending += bytes;
    return true;
}

/* What the last record says of its trace. */
static void learn(struct clew_trace_buffer *buffer, struct clew__held *held) {
    const struct clew__record *record = &held->records.records[held->records.count - 1];
    if (held->records.count > 1 && buffer->now > held->last_seen)
        clew__arrivals_add(&buffer->arrivals, buffer->now - held->last_seen);
    held->last_seen = buffer->now;
    if (record->start > 0 && (held->earliest == 0 || record->start < held->earliest)) {
        held->earliest = record->start;
        buffer->held.is_ordered = false;
    }
    if (record->parent_id == 0 && !(record->flags & CLEW__RECORD_OPEN))
        held->has_root = true;
    if (held->is_complete) {
        held->has_late = true;
        buffer->stats.late_spans++;
    }
}

static void added(void *user, struct clew__records *records) {
    struct clew_trace_buffer *buffer = (struct clew_trace_buffer *)user;
    struct clew__held *held = (struct clew__held *)records;
    buffer->filling = NULL;
    buffer->stats.spans_held++;
    buffer->stats.traces_held += records->count == 1;
    clew__buffer_charge(buffer, held);
    learn(buffer, held);
    /* Late spans wait for a quiet time: to look at a whole trace for each of them would cost n times n. */
    if (held->is_complete || !clew__buffer_all_ended(held) ||
        !clew__buffer_complete(buffer, held, CLEW_COMPLETE_OPEN_ZERO))
        clew__buffer_reschedule(buffer, held);
}

static void dropped(void *user, bool is_malformed) {
    struct clew_trace_buffer *buffer = (struct clew_trace_buffer *)user;
    struct clew__held *held = buffer->filling;
    if (is_malformed) {
        buffer->stats.spans_in++;
        buffer->stats.dropped_malformed++;
        return;
    }
    buffer->filling = NULL;
    buffer->stats.dropped_memory++;
    clew__buffer_charge(buffer, held);
    remove_empty(buffer, held);
}

static struct clew__decode_sink sink_of(struct clew_trace_buffer *buffer) {
    struct clew__decode_sink sink = {records_of, room, added, dropped, buffer};
    return sink;
}

static int outcome(const struct clew_trace_buffer *buffer, uint64_t dropped_before) {
    return buffer->stats.dropped_memory == dropped_before ? CLEW_OK : CLEW_ENOMEM;
}

int clew_trace_buffer_add(clew_trace_buffer *buffer, clew_bytes traces, uint64_t now_nano) {
    struct clew__decode_sink sink = sink_of(buffer);
    uint64_t dropped_before = buffer->stats.dropped_memory;
    struct clew__wire_fault fault;
    if (clew__wire_check_traces(traces.data, traces.size, NULL, &fault) != CLEW__WIRE_OK)
        return CLEW_EFORMAT;
    pass_time(buffer, now_nano);
    clew__decode_traces(buffer->texts, traces, &sink);
    return outcome(buffer, dropped_before);
}

int clew_trace_buffer_add_span(clew_trace_buffer *buffer, const clew_span_view *span, uint64_t now_nano) {
    struct clew__decode_sink sink = sink_of(buffer);
    uint64_t dropped_before = buffer->stats.dropped_memory;
    pass_time(buffer, now_nano);
    clew__decode_span(buffer->texts, span, &sink);
    return outcome(buffer, dropped_before);
}

void clew_trace_buffer_expect(clew_trace_buffer *buffer, const uint8_t trace_id[16], uint64_t now_nano) {
    struct clew__held *held;
    bool has_left;
    pass_time(buffer, now_nano);
    held = hold(buffer, trace_id, &has_left);
    if (!held)
        return;
    held->expected++;
    clew__buffer_reschedule(buffer, held);
}

/* ---- looking things up ---- */

const clew_trace *clew_trace_buffer_find(clew_trace_buffer *buffer, const uint8_t trace_id[16]) {
    struct clew__held *held = clew__held_find(&buffer->held, hash_of(buffer, trace_id), trace_id);
    return held && held->records.count > 0 ? clew__buffer_trace_of(buffer, held) : NULL;
}

const clew_trace *clew_trace_buffer_next(clew_trace_buffer *buffer, const clew_trace *after) {
    uint32_t at = 0;
    if (after) {
        struct clew__held *held = clew__held_find(&buffer->held, hash_of(buffer, after->id), after->id);
        if (!held || !buffer->held.is_ordered)
            return NULL;
        at = held->in_order + 1;
    } else if (!clew__held_sort(&buffer->held)) {
        return NULL;
    }
    for (; at < buffer->held.count; at++) {
        if (at + 1 < buffer->held.count)
            clew__held_fetch(buffer->held.order[at + 1]);
        if (buffer->held.order[at]->records.count > 0)
            return clew__buffer_trace_of(buffer, buffer->held.order[at]);
    }
    return NULL;
}

const clew_clock_offset *clew_trace_buffer_offsets(clew_trace_buffer *buffer, size_t *count) {
    *count = 0;
    if (buffer->is_lost)
        return NULL;
    return clew__offsets_list(buffer->offsets, count);
}

clew_trace_buffer_stats clew_trace_buffer_get_stats(const clew_trace_buffer *buffer) {
    clew_trace_buffer_stats stats = buffer->stats;
    stats.bytes_used = clew__buffer_bytes(buffer);
    stats.dropped_busy = atomic_load_explicit(&buffer->refused, memory_order_relaxed);
    stats.spans_in += stats.dropped_busy;
    return stats;
}
