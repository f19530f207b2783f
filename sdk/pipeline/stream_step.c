/* A stream as the worker sees it: a batch is begun, goes on, is concluded; the stream closes. One thread at a
 * time: whoever drives. Every call into the exporter stands between call() and is_back(): a thread that comes
 * back when the stream was closed without it touches nothing more, and returns. */
#include "sdk/pipeline/stream.h"

#include "sdk/base/clock.h"
#include "sdk/crash/crash.h"
#include "sdk/crash/leftovers.h"
#include "sdk/worker/worker.h"

#include <clew/extend.h>

#include <string.h>

#define BATCHES_IN_A_ROW 16
#define SAY_DROPPED_NANO CLEW__NANO_PER_SECOND
/* What an exporter that can store has beyond the deadline of a close, to put on disk what is left: within the
 * time for which the close waits for cancelling anyway. */
#define STORE_GRACE_NANO (15 * CLEW__NANO_PER_MILLI)

static uint64_t close_deadline_of(struct clew__stream *stream) {
    uint64_t deadline = atomic_load(&stream->task.close_deadline);
    bool stores = stream->exporter.spool_stats && deadline < UINT64_MAX - STORE_GRACE_NANO;
    return stores ? deadline + STORE_GRACE_NANO : deadline;
}

/* ---- in and out of the exporter ---- */

static void call(struct clew__stream *stream) {
    clew__lock_acquire(&clew__stream_lock);
    stream->is_calling = true;
    clew__lock_release(&clew__stream_lock);
}

static bool is_back(struct clew__stream *stream) {
    bool is_ours;
    clew__lock_acquire(&clew__stream_lock);
    stream->is_calling = false;
    is_ours = !stream->is_abandoned;
    clew__lock_release(&clew__stream_lock);
    return is_ours;
}

bool clew__stream_abandon(struct clew__task *task) {
    struct clew__stream *stream = (struct clew__stream *)task;
    bool is_stuck;
    clew__lock_acquire(&clew__stream_lock);
    is_stuck = stream->is_calling;
    if (is_stuck) {
        stream->is_abandoned = true;
        clew__stream_settle_in_hand(stream);
    }
    clew__lock_release(&clew__stream_lock);
    return is_stuck;
}

/* The worker frees what it holds, and closes the exporter, when it comes to it. */
void clew__stream_give_up(struct clew__task *task) {
    struct clew__stream *stream = (struct clew__stream *)task;
    clew__lock_acquire(&clew__stream_lock);
    clew__stream_settle_in_hand(stream);
    clew__lock_release(&clew__stream_lock);
    clew__stream_drop_queue(stream);
}

static void let_go_of_files(struct clew__stream *stream) {
    struct clew__leftovers *leftovers = stream->leftovers;
    stream->leftovers = NULL;
    clew__leftovers_free(leftovers);
    if (stream->crash)
        clew__crash_retire(stream->crash);
}

void clew__stream_bury(struct clew__task *task) {
    struct clew__stream *stream = (struct clew__stream *)task;
    struct clew__outgoing *in_flight = stream->in_flight;
    if (stream->is_under_way)
        stream->exporter.cancel(stream->exporter.self);
    stream->in_flight = NULL;
    clew__outgoing_unref(in_flight);
    while (stream->staged) {
        struct clew__chunk *chunk = stream->staged;
        stream->staged = chunk->next;
        clew__chunk_lose(chunk);
    }
    stream->staged_tail = NULL;
    clew__stream_settle_chunks(stream, !clew__crash_keeps_undelivered());
    let_go_of_files(stream);
    atomic_store(&stream->is_leaving, true);
    if (stream->exporter.destroy && atomic_load(&stream->visitors) == 0)
        stream->exporter.destroy(stream->exporter.self);
}

/* ---- batches ---- */

/* Partial successes are the exporter's to tell. */
static void say_undelivered(struct clew__stream *stream, clew_export_outcome outcome, uint64_t spans,
                            const clew_export_report *report) {
    if (outcome == CLEW_EXPORT_DELIVERED)
        return;
    clew_log(CLEW_LOG_WARN, stream->exporter.name, "%llu span%s %s: %s", (unsigned long long)spans,
             spans == 1 ? "" : "s",
             outcome == CLEW_EXPORT_UNKNOWN ? "sent, but no answer seen" : "not delivered",
             report->reason[0] ? report->reason : "the exporter gave no reason");
}

/* What the batch was made of is not needed any more, unless somebody may have better luck with it later. */
static void settle_sources(struct clew__stream *stream, uint64_t spans, clew_export_outcome outcome,
                           const clew_export_report *report) {
    bool is_refused = report->failure == CLEW_FAILURE_REFUSED || report->failure == CLEW_FAILURE_TOO_LARGE;
    bool is_final = outcome == CLEW_EXPORT_DELIVERED
                        ? report->unknown == 0 && (report->failed == 0 || is_refused)
                        : outcome == CLEW_EXPORT_FAILED && is_refused;
    if (stream->in_flight_recovered)
        clew__leftovers_concluded(stream->leftovers, spans, is_final);
    else
        clew__stream_settle_chunks(stream, is_final || !clew__crash_keeps_undelivered());
    stream->in_flight_recovered = false;
}

static void conclude(struct clew__stream *stream, clew_export_outcome outcome, clew_export_report *report) {
    struct clew__outgoing *done = stream->in_flight;
    uint64_t spans = done->batch.count, fates[CLEW__FATES];
    report->reason[sizeof report->reason - 1] = '\0';
    clew__fates_of_report(outcome, report, spans, fates);
    clew__durations_record(&stream->durations, outcome, report,
                           clew__monotonic_nano() - stream->in_flight_since);
    stream->is_under_way = false;
    clew__stream_conclude(stream, fates);
    say_undelivered(stream, outcome, spans, report);
    settle_sources(stream, spans, outcome, report);
    /* In this order, so that the child of a fork in between does not free it again. */
    stream->in_flight = NULL;
    clew__outgoing_unref(done);
}

/* False when the stream was abandoned meanwhile; here and below. */
static bool cancel(struct clew__stream *stream, const char *why) {
    clew_export_report report = {.status = -1, .failure = CLEW_FAILURE_CANCELLED};
    clew_export_outcome outcome;
    call(stream);
    stream->is_under_way = false;
    outcome = stream->exporter.cancel(stream->exporter.self);
    if (!is_back(stream))
        return false;
    strncpy(report.reason, why, sizeof report.reason - 1);
    conclude(stream, outcome == CLEW_EXPORT_PENDING ? CLEW_EXPORT_UNKNOWN : outcome, &report);
    return true;
}

/* No memory even for one span: the oldest chunk gives its own back. */
static void drop_first_chunk(struct clew__stream *stream) {
    uint64_t fates[CLEW__FATES] = {0};
    uint32_t spans = stream->staged->spans;
    stream->staged->begin = stream->staged->end;
    stream->staged->spans = 0;
    clew__stream_unstage(stream, spans);
    fates[CLEW__FATE_DROPPED_MEMORY] = spans;
    clew__stream_conclude(stream, fates);
}

enum begun { BEGUN, NOTHING_TO_BEGIN, ABANDONED };

/* Hands what is in flight to the exporter. */
static enum begun start(struct clew__stream *stream, uint64_t now) {
    clew_export_report report = {.status = -1};
    clew_export_outcome outcome;
    uint64_t close_deadline = close_deadline_of(stream);
    stream->in_flight_since = clew__monotonic_nano();
    stream->in_flight_deadline = stream->options.export_timeout_ms
                                     ? now + stream->options.export_timeout_ms * CLEW__NANO_PER_MILLI
                                     : UINT64_MAX;
    if (close_deadline < stream->in_flight_deadline)
        stream->in_flight_deadline = close_deadline;
    call(stream);
    outcome = stream->exporter.start(stream->exporter.self, &stream->in_flight->batch,
                                     stream->in_flight_deadline, &report);
    stream->is_under_way = outcome == CLEW_EXPORT_PENDING;
    if (!is_back(stream))
        return ABANDONED;
    if (outcome != CLEW_EXPORT_PENDING)
        conclude(stream, outcome, &report);
    return BEGUN;
}

/* What was built is not to be sent: it was booked as dropped meanwhile. */
static void let_go_of_request(struct clew__stream *stream) {
    struct clew__outgoing *built = stream->in_flight;
    stream->in_flight = NULL;
    clew__outgoing_unref(built);
    clew__stream_settle_chunks(stream, !clew__crash_keeps_undelivered());
}

static enum begun begin(struct clew__stream *stream, uint64_t now) {
    clew__stream_stage(stream);
    if (!stream->staged)
        return NOTHING_TO_BEGIN;
    stream->in_flight =
        clew__request_build(stream->origin, stream->staged, stream->options.max_export_batch_size);
    if (!stream->in_flight) {
        drop_first_chunk(stream);
        return BEGUN;
    }
    if (!clew__stream_unstage(stream, (uint32_t)stream->in_flight->batch.count)) {
        let_go_of_request(stream);
        return NOTHING_TO_BEGIN;
    }
    return start(stream, now);
}

/* Begins with what a process before this one has left. */
static enum begun begin_recovered(struct clew__stream *stream, uint64_t now, uint64_t *wake) {
    clew_bytes request;
    size_t spans;
    if (!stream->leftovers || !clew__leftovers_next(stream->leftovers, now, &request, &spans, wake))
        return NOTHING_TO_BEGIN;
    stream->in_flight = clew__request_copy(request, spans);
    if (!stream->in_flight) {
        clew__leftovers_concluded(stream->leftovers, 0, false);
        return NOTHING_TO_BEGIN;
    }
    if (!clew__stream_take_recovered(stream, (uint32_t)spans)) {
        let_go_of_request(stream);
        clew__leftovers_concluded(stream->leftovers, 0, false);
        return NOTHING_TO_BEGIN;
    }
    stream->in_flight_recovered = true;
    return start(stream, now);
}

/* A close leaves what is under way less time than it was given. */
static bool hasten(struct clew__stream *stream) {
    uint64_t deadline = close_deadline_of(stream);
    if (!stream->is_under_way || !stream->exporter.hasten || deadline >= stream->in_flight_deadline)
        return true;
    stream->in_flight_deadline = deadline;
    call(stream);
    stream->exporter.hasten(stream->exporter.self, deadline);
    return is_back(stream);
}

static bool advance(struct clew__stream *stream, const clew_poll *polled, size_t count, uint64_t now) {
    clew_export_report report = {.status = -1};
    clew_export_outcome outcome;
    call(stream);
    outcome = stream->exporter.step(stream->exporter.self, polled, count, now, &report);
    stream->is_under_way = outcome == CLEW_EXPORT_PENDING;
    if (!is_back(stream))
        return false;
    if (outcome != CLEW_EXPORT_PENDING)
        conclude(stream, outcome, &report);
    else if (now >= stream->in_flight_deadline || now >= close_deadline_of(stream))
        return cancel(stream, "the deadline passed");
    return true;
}

/* ---- the end ---- */

static void drop_staged(struct clew__stream *stream) {
    while (stream->staged) {
        uint64_t fates[CLEW__FATES] = {0};
        uint32_t spans = stream->staged_spans;
        for (struct clew__chunk *chunk = stream->staged; chunk; chunk = chunk->next) {
            chunk->begin = chunk->end;
            chunk->spans = 0;
        }
        clew__stream_unstage(stream, spans);
        fates[CLEW__FATE_DROPPED_SHUTDOWN] = spans;
        clew__stream_conclude(stream, fates);
    }
}

static void drop_what_is_left(struct clew__stream *stream) {
    uint64_t dropped = stream->staged_spans;
    drop_staged(stream);
    dropped += clew__stream_drop_queue(stream);
    if (dropped)
        clew_log(CLEW_LOG_WARN, "shutdown",
                 "%llu span%s not delivered: shut down before there was time to send",
                 (unsigned long long)dropped, dropped == 1 ? "" : "s");
}

int clew__stream_flush_exporter(struct clew__stream *stream, uint32_t timeout_ms) {
    int result = CLEW_OK;
    if (!stream->exporter.flush)
        return CLEW_OK;
    atomic_fetch_add(&stream->visitors, 1);
    if (clew__task_is_open(&stream->task) && !atomic_load(&stream->is_leaving))
        result = stream->exporter.flush(stream->exporter.self, timeout_ms);
    atomic_fetch_sub(&stream->visitors, 1);
    if (!clew__task_is_open(&stream->task))
        clew__worker_wake(); /* the close may wait for this */
    return result;
}

/* The last spool's figures stay when the exporter goes. */
static bool keep_spool_stats(struct clew__stream *stream) {
    clew_spool_stats last = {0};
    if (!stream->exporter.spool_stats)
        return true;
    call(stream);
    stream->exporter.spool_stats(stream->exporter.self, &last);
    if (!is_back(stream))
        return false;
    clew__lock_acquire(&clew__stream_lock);
    stream->spool = last;
    clew__lock_release(&clew__stream_lock);
    return true;
}

/* An exporter that somebody's flush never came back from is kept. */
static bool destroy_exporter(struct clew__stream *stream, bool has_visitors) {
    void (*destroy)(void *self) = stream->exporter.destroy;
    /* In this order, so that the child of a fork in between leaves it alone. */
    stream->exporter.destroy = NULL;
    stream->exporter.forked = NULL;
    let_go_of_files(stream);
    if (!destroy || has_visitors)
        return true;
    call(stream);
    destroy(stream->exporter.self);
    return is_back(stream);
}

static void close_stream(struct clew__stream *stream, uint64_t now, uint64_t *wake) {
    uint64_t deadline = close_deadline_of(stream);
    bool has_visitors;
    if (stream->in_flight && !cancel(stream, "shut down before it was delivered"))
        return;
    drop_what_is_left(stream);
    if (!atomic_load(&stream->is_leaving) && !keep_spool_stats(stream))
        return;
    atomic_store(&stream->is_leaving, true);
    has_visitors = atomic_load(&stream->visitors) > 0;
    if (has_visitors && now < deadline) {
        *wake = deadline < *wake ? deadline : *wake; /* the visitor wakes the worker as it leaves */
        return;
    }
    if (destroy_exporter(stream, has_visitors))
        clew__task_closed(&stream->task);
}

/* ---- steps ---- */

static bool is_due(struct clew__stream *stream, uint64_t now) {
    uint32_t batch = stream->immediate ? 1 : stream->options.max_export_batch_size, queued;
    if (clew__task_is_closing(&stream->task) || clew__stream_is_asked(stream))
        return true;
    queued = atomic_load_explicit(&stream->queued, memory_order_relaxed);
    return queued >= batch || (queued > 0 && atomic_load(&stream->wants_room)) ||
           now - stream->last_tick >= stream->options.schedule_delay_ms * CLEW__NANO_PER_MILLI;
}

/* Threads drop without a word; the worker says it for them. */
static void say_dropped(struct clew__stream *stream, uint64_t now) {
    uint64_t full, memory;
    if (now - stream->said_at < SAY_DROPPED_NANO)
        return;
    stream->said_at = now;
    full = clew__account_sum(stream->number, CLEW__DROPPED_QUEUE_FULL) +
           atomic_load(&stream->fates[CLEW__FATE_DROPPED_QUEUE_FULL]);
    memory = clew__account_sum(stream->number, CLEW__DROPPED_MEMORY) +
             atomic_load(&stream->fates[CLEW__FATE_DROPPED_MEMORY]);
    if (full + memory == stream->said_dropped)
        return;
    stream->said_dropped = full + memory;
    if (full)
        clew_log(CLEW_LOG_WARN, "queue.full", "%llu span%s dropped so far: the queue of %s is full",
                 (unsigned long long)full, full == 1 ? "" : "s", stream->exporter.name);
    if (memory)
        clew_log(CLEW_LOG_WARN, "queue.memory",
                 "%llu span%s dropped so far: no memory left for the queue of %s", (unsigned long long)memory,
                 memory == 1 ? "" : "s", stream->exporter.name);
}

static void lower(uint64_t *wake, uint64_t time) {
    if (time < *wake)
        *wake = time;
}

/* A local exporter concludes at once: each batch, until the queue is short of one or others have waited
 * enough. False when the stream was closed or abandoned on the way. */
static bool export_what_is_due(struct clew__stream *stream, uint64_t now, uint64_t *wake) {
    for (int batches = 0; !stream->in_flight && is_due(stream, now); batches++) {
        bool is_closing = clew__task_is_closing(&stream->task);
        enum begun begun;
        if (batches == BATCHES_IN_A_ROW) {
            *wake = now;
            break;
        }
        /* A shutdown may have been asked for, and its deadline passed, while a local exporter was at work. */
        if (is_closing && clew__monotonic_nano() >= close_deadline_of(stream))
            break;
        /* Full batches do not put the tick off: what an idle thread holds waits for it. */
        if (now - stream->last_tick >= stream->options.schedule_delay_ms * CLEW__NANO_PER_MILLI ||
            is_closing) {
            clew__stream_collect(stream, 0);
            stream->last_tick = now;
        }
        atomic_store(&stream->wants_room, false);
        begun = begin(stream, now);
        if (begun == NOTHING_TO_BEGIN && is_closing)
            begun = begin_recovered(stream, now, wake);
        if (begun == ABANDONED)
            return false;
        if (begun == NOTHING_TO_BEGIN && is_closing) {
            close_stream(stream, now, wake);
            return false;
        }
        if (begun == NOTHING_TO_BEGIN)
            break;
    }
    return true;
}

/* One request at a time, when no other is due, so that live spans never wait for more than that. False when
 * the stream was abandoned meanwhile. */
static bool export_recovered(struct clew__stream *stream, uint64_t now, uint64_t *wake) {
    enum begun begun;
    if (stream->in_flight || !clew__task_is_open(&stream->task))
        return true;
    begun = begin_recovered(stream, now, wake);
    if (begun == BEGUN && !stream->in_flight)
        *wake = now;
    return begun != ABANDONED;
}

/* One thing at a time: a batch is begun, goes on, or the stream closes. */
void clew__stream_step(struct clew__task *task, const clew_poll *polled, size_t count, uint64_t now,
                       uint64_t *wake) {
    struct clew__stream *stream = (struct clew__stream *)task;
    uint64_t close_deadline;
    say_dropped(stream, now);
    if (atomic_exchange(&stream->is_untold, false))
        clew__worker_tell();
    if (stream->in_flight && (!hasten(stream) || !advance(stream, polled, count, now)))
        return;
    close_deadline = close_deadline_of(stream);
    if (clew__task_is_closing(task) && now >= close_deadline) {
        close_stream(stream, now, wake);
        return;
    }
    if (!export_what_is_due(stream, now, wake) || !export_recovered(stream, now, wake))
        return;
    if (!stream->immediate && !stream->in_flight)
        lower(wake, stream->last_tick + stream->options.schedule_delay_ms * CLEW__NANO_PER_MILLI);
    lower(wake, close_deadline_of(stream));
}

size_t clew__stream_wait(struct clew__task *task, clew_poll *descriptors, size_t capacity, uint64_t *wake) {
    struct clew__stream *stream = (struct clew__stream *)task;
    uint64_t exporter_wake = UINT64_MAX;
    size_t count = 0;
    if (!stream->in_flight)
        return 0;
    if (stream->exporter.wait) {
        call(stream);
        count = stream->exporter.wait(stream->exporter.self, descriptors, capacity, &exporter_wake);
        if (!is_back(stream))
            return 0;
    }
    lower(wake, exporter_wake);
    lower(wake, stream->in_flight_deadline);
    return count;
}
