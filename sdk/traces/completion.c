/* When a trace is complete: by evidence first, by time at last. One thread at a time.
 *
 * A trace waits in the heap with a time at which somebody must look at it: never too late, maybe too early.
 * Spans that come make that time earlier at once, or later when it is looked at. */
#include "sdk/base/clock.h"
#include "sdk/traces/buffer.h"

#define GRACE_FACTOR 4u

static uint64_t grace_of(const struct clew_trace_buffer *buffer) {
    uint64_t least = buffer->options.grace_min_ms * CLEW__NANO_PER_MILLI,
             most = buffer->options.grace_max_ms * CLEW__NANO_PER_MILLI,
             p99 = clew__arrivals_p99(&buffer->arrivals);
    uint64_t grace = p99 > most / GRACE_FACTOR ? most : GRACE_FACTOR * p99;
    return grace < least ? least : grace;
}

static uint64_t later(uint64_t time, uint64_t by) {
    return time > UINT64_MAX - 1 - by ? UINT64_MAX - 1 : time + by;
}

static uint64_t idle_at(const struct clew_trace_buffer *buffer, const struct clew__held *held) {
    return later(held->last_seen, buffer->options.max_idle_ms * CLEW__NANO_PER_MILLI);
}

static uint64_t live_at(const struct clew_trace_buffer *buffer, const struct clew__held *held) {
    return later(held->first_seen, buffer->options.max_live_ms * CLEW__NANO_PER_MILLI);
}

static bool is_outstanding(const struct clew__held *held) {
    return held->came < held->expected;
}

bool clew__buffer_all_ended(const struct clew__held *held) {
    return held->expected > 0 && !is_outstanding(held) && held->records.count > 0;
}

/* When it would be complete if nothing more came. */
static uint64_t due_at(const struct clew_trace_buffer *buffer, const struct clew__held *held) {
    uint64_t live = live_at(buffer, held), due;
    bool may_be_quiet = held->is_complete || (held->has_root && held->checked != held->records.count);
    if (!held->is_complete && (is_outstanding(held) || held->records.count == 0))
        return live;
    due = idle_at(buffer, held);
    if (may_be_quiet) {
        uint64_t quiet = later(held->last_seen, grace_of(buffer));
        due = quiet < due ? quiet : due;
    }
    return held->is_complete || due < live ? due : live;
}

void clew__buffer_reschedule(struct clew_trace_buffer *buffer, struct clew__held *held) {
    uint64_t due;
    if (held->is_complete && !held->has_late)
        return;
    /* A time that is too early costs one look; to work it out for each span would cost more. */
    if (held->in_heap != CLEW__NOT_IN_HEAP && !held->has_root && !held->is_complete)
        return;
    due = due_at(buffer, held);
    if (held->in_heap == CLEW__NOT_IN_HEAP || due < held->wake)
        clew__held_schedule(&buffer->held, held, due);
}

/* As recorded, or corrected as it was before. */
static struct clew_trace *normalized(struct clew_trace_buffer *buffer, struct clew__held *held) {
    if (held->trace)
        return held->trace;
    held->trace = clew__normalize(buffer->texts, &held->records);
    held->corrected = 0;
    return held->trace;
}

static bool correct_clocks(struct clew_trace_buffer *buffer, struct clew__held *held) {
    uint64_t wanted = 1, max = buffer->options.skew_max_nano;
    if (buffer->options.skew == CLEW_SKEW_FLEET)
        wanted += clew__offsets_generation(buffer->offsets);
    if (held->corrected == wanted || buffer->options.skew == CLEW_SKEW_OFF)
        return true;
    bool is_done = buffer->options.skew == CLEW_SKEW_FLEET
                       ? clew__offsets_apply(buffer->offsets, held->trace)
                       : clew__skew_within(held->trace, max ? max : UINT64_MAX, NULL);
    if (is_done)
        held->corrected = wanted;
    return is_done;
}

const struct clew_trace *clew__buffer_trace_of(struct clew_trace_buffer *buffer, struct clew__held *held) {
    return normalized(buffer, held) && correct_clocks(buffer, held) ? held->trace : NULL;
}

void clew__buffer_learn_clocks(struct clew_trace_buffer *buffer, struct clew__held *held) {
    if (buffer->options.skew != CLEW_SKEW_FLEET || held->learned == held->records.count ||
        !normalized(buffer, held))
        return;
    clew__offsets_learn(buffer->offsets, held->trace, held->learned);
    held->learned = held->records.count;
}

/* There was no memory. */
static void retry_later(struct clew_trace_buffer *buffer, struct clew__held *held) {
    clew__held_schedule(&buffer->held, held,
                        later(buffer->now, buffer->options.grace_max_ms * CLEW__NANO_PER_MILLI));
}

bool clew__buffer_complete(struct clew_trace_buffer *buffer, struct clew__held *held,
                           clew_completion reason) {
    clew__buffer_learn_clocks(buffer, held);
    const struct clew_trace *trace = clew__buffer_trace_of(buffer, held);
    bool is_late = held->is_complete;
    if (!trace) {
        retry_later(buffer, held);
        return false;
    }
    clew__held_unschedule(&buffer->held, held);
    held->has_late = false;
    if (!is_late) {
        clew__held_complete(&buffer->held, held);
        buffer->stats.traces_complete[reason]++;
    }
    if (buffer->options.on_complete)
        buffer->options.on_complete(buffer->options.user, trace, reason, is_late);
    return true;
}

/* Whether the evidence allows it to be complete because nothing comes any more. */
static bool is_whole(struct clew_trace_buffer *buffer, struct clew__held *held) {
    const struct clew_trace *trace = normalized(buffer, held);
    if (!trace)
        return false;
    if (held->is_complete || (!trace->has_open && trace->repairs[CLEW_REPAIR_MISSING_PARENT] == 0))
        return true;
    held->checked = held->records.count;
    return false;
}

/* Why it may be complete by now; false: it may not. */
static bool find_reason(struct clew_trace_buffer *buffer, struct clew__held *held, clew_completion *reason) {
    bool may_be_quiet = (held->has_root || held->is_complete) && held->checked != held->records.count;
    bool waits = is_outstanding(held) && !held->is_complete;
    if (!waits && may_be_quiet && is_whole(buffer, held))
        *reason = CLEW_COMPLETE_QUIET;
    else if (!waits && idle_at(buffer, held) <= buffer->now)
        *reason = CLEW_COMPLETE_IDLE;
    else if (live_at(buffer, held) <= buffer->now)
        *reason = CLEW_COMPLETE_LIVE;
    else
        return false;
    return true;
}

/* Looks at a trace whose time has come, or had when it was put down. */
static void look_at(struct clew_trace_buffer *buffer, struct clew__held *held) {
    uint64_t due = due_at(buffer, held);
    clew_completion reason;
    if (due > buffer->now)
        clew__held_schedule(&buffer->held, held, due);
    else if (held->records.count == 0)
        clew__buffer_remove(buffer, held);
    else if (find_reason(buffer, held, &reason))
        clew__buffer_complete(buffer, held, reason);
    else if ((due = due_at(buffer, held)) > buffer->now)
        clew__held_schedule(&buffer->held, held, due);
    else
        retry_later(buffer, held);
}

uint64_t clew_trace_buffer_tick(clew_trace_buffer *buffer, uint64_t now_nano) {
    struct clew__held *held;
    if (now_nano > buffer->now)
        buffer->now = now_nano;
    while ((held = clew__held_first(&buffer->held)) && held->wake <= buffer->now)
        look_at(buffer, held);
    return held ? held->wake : UINT64_MAX;
}

void clew_trace_buffer_flush(clew_trace_buffer *buffer) {
    if (!clew__held_sort(&buffer->held))
        return;
    /* First all clocks, then what they do to each trace. */
    for (uint32_t i = 0; i < buffer->held.count; i++) {
        clew__held_fetch(i + 1 < buffer->held.count ? buffer->held.order[i + 1] : NULL);
        clew__buffer_learn_clocks(buffer, buffer->held.order[i]);
    }
    for (uint32_t i = 0; i < buffer->held.count; i++) {
        struct clew__held *held = buffer->held.order[i];
        if (held->records.count > 0 && (!held->is_complete || held->has_late))
            clew__buffer_complete(buffer, held, CLEW_COMPLETE_FLUSH);
    }
}
