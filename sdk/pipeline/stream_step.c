/* A stream as the worker sees it: a batch is begun, goes on, is concluded; the stream closes. One thread at a
 * time: the worker, or who closes a stream of which no worker takes care. */
#include "sdk/pipeline/stream.h"

#include "sdk/base/clock.h"
#include "sdk/base/lock.h"
#include "sdk/pipeline/worker.h"

#include <clew/extend.h>

#include <string.h>

#define BATCHES_IN_A_ROW 16
#define SAY_DROPPED_NANO CLEW__NANO_PER_SECOND

static void count(_Atomic uint64_t *counter, uint64_t amount) {
    if (amount)
        atomic_fetch_add_explicit(counter, amount, memory_order_release);
}

/* Spans that leave the queue without having been exported. */
static void settle_dropped(struct clew__stream *stream, _Atomic uint64_t *fate, uint32_t spans) {
    clew__worker_lock_books();
    count(fate, spans);
    atomic_fetch_add_explicit(&stream->settled, spans, memory_order_release);
    clew__worker_unlock_books();
}

static void conclude(struct clew__stream *stream, clew_export_outcome outcome,
                     const clew_export_report *report) {
    struct clew__outgoing *done;
    uint64_t spans = stream->in_flight->batch.count;
    uint64_t rejected = report->rejected < spans ? report->rejected : spans;
    clew__worker_lock_books();
    switch (outcome) {
    case CLEW_EXPORT_DELIVERED:
        count(&stream->rejected, rejected);
        count(&stream->exported, spans - rejected);
        break;
    case CLEW_EXPORT_UNKNOWN:
        count(&stream->unknown, spans);
        break;
    case CLEW_EXPORT_FAILED:
    case CLEW_EXPORT_PENDING:
        count(&stream->failed, spans);
        break;
    }
    atomic_store_explicit(&stream->in_flight_count, 0, memory_order_relaxed);
    atomic_fetch_add_explicit(&stream->settled, spans, memory_order_release);
    clew__worker_unlock_books();
    if (outcome != CLEW_EXPORT_DELIVERED)
        clew_log(CLEW_LOG_WARN, stream->exporter.name, "%llu span%s %s: %s", (unsigned long long)spans,
                 spans == 1 ? "" : "s",
                 outcome == CLEW_EXPORT_UNKNOWN ? "sent, but no answer seen" : "not delivered",
                 report->reason[0] ? report->reason : "the exporter gave no reason");
    /* In this order, so that the child of a fork in between does not free it again. */
    done = stream->in_flight;
    stream->in_flight = NULL;
    clew__outgoing_unref(done);
}

static void cancel(struct clew__stream *stream, const char *why) {
    clew_export_report report = {.status = -1};
    clew_export_outcome outcome = stream->exporter.cancel(stream->exporter.self);
    strncpy(report.reason, why, sizeof report.reason - 1);
    conclude(stream, outcome == CLEW_EXPORT_PENDING ? CLEW_EXPORT_UNKNOWN : outcome, &report);
}

/* Begins with the next batch; false when there is none. */
static bool begin(struct clew__stream *stream, uint64_t now) {
    clew_export_report report = {.status = -1};
    clew_export_outcome outcome;
    uint32_t spans;
    clew__stream_stage(stream);
    if (!stream->staged)
        return false;
    stream->in_flight =
        clew__request_build(stream->origin, stream->staged, stream->options.max_export_batch_size);
    if (!stream->in_flight) {
        /* No memory even for one span: the oldest chunk gives its own back. */
        spans = stream->staged->spans;
        stream->staged->begin = stream->staged->end;
        clew__stream_unstage(stream, spans);
        settle_dropped(stream, &stream->dropped_memory, spans);
        return true;
    }
    spans = (uint32_t)stream->in_flight->batch.count;
    atomic_store_explicit(&stream->in_flight_count, spans, memory_order_relaxed);
    clew__stream_unstage(stream, spans);
    stream->in_flight_deadline = stream->options.export_timeout_ms
                                     ? now + stream->options.export_timeout_ms * CLEW__NANO_PER_MILLI
                                     : UINT64_MAX;
    if (stream->close_deadline < stream->in_flight_deadline)
        stream->in_flight_deadline = stream->close_deadline;
    outcome = stream->exporter.start(stream->exporter.self, &stream->in_flight->batch,
                                     stream->in_flight_deadline, &report);
    if (outcome != CLEW_EXPORT_PENDING)
        conclude(stream, outcome, &report);
    return true;
}

static void advance(struct clew__stream *stream, const clew_poll *polled, uint64_t now) {
    clew_export_report report = {.status = -1};
    clew_export_outcome outcome =
        stream->exporter.step(stream->exporter.self, polled ? polled + stream->poll_first : NULL,
                              polled ? stream->poll_count : 0, now, &report);
    if (outcome != CLEW_EXPORT_PENDING)
        conclude(stream, outcome, &report);
    else if (now >= stream->in_flight_deadline || now >= stream->close_deadline)
        cancel(stream, "the deadline passed");
}

/* Whatever is still queued when the stream must close. */
uint64_t clew__stream_drop_queue(struct clew__stream *stream) {
    uint64_t dropped = 0;
    clew__stream_collect(stream, 0);
    for (;;) {
        uint32_t spans = 0;
        clew__stream_stage(stream);
        if (!stream->staged)
            return dropped;
        for (struct clew__chunk *chunk = stream->staged; chunk; chunk = chunk->next) {
            spans += chunk->spans;
            chunk->begin = chunk->end;
        }
        clew__stream_unstage(stream, spans);
        settle_dropped(stream, &stream->dropped_shutdown, spans);
        dropped += spans;
    }
}

int clew__stream_flush_exporter(struct clew__stream *stream, uint32_t timeout_ms) {
    int result = CLEW_OK;
    if (!stream->exporter.flush)
        return CLEW_OK;
    atomic_fetch_add(&stream->flushing, 1);
    if (atomic_load(&stream->phase) == CLEW__STREAM_OPEN)
        result = stream->exporter.flush(stream->exporter.self, timeout_ms);
    atomic_fetch_sub(&stream->flushing, 1);
    return result;
}

/* No new ones come while the stream closes. One that does not return keeps its exporter. */
static bool wait_for_flushes(struct clew__stream *stream) {
    for (unsigned round = 0; atomic_load(&stream->flushing) > 0; round++) {
        if (clew__monotonic_nano() >= stream->close_deadline)
            return false;
        clew__wait_a_little(round);
    }
    return true;
}

static void close_stream(struct clew__stream *stream) {
    void (*destroy)(void *self);
    uint64_t dropped;
    if (stream->in_flight)
        cancel(stream, "shut down before it was delivered");
    dropped = clew__stream_drop_queue(stream);
    if (dropped)
        clew_log(CLEW_LOG_WARN, "shutdown",
                 "%llu span%s not delivered: shut down before there was time to send",
                 (unsigned long long)dropped, dropped == 1 ? "" : "s");
    /* In this order, so that the child of a fork in between leaves it alone. */
    destroy = stream->exporter.destroy;
    stream->exporter.destroy = NULL;
    stream->exporter.forked = NULL;
    if (destroy && wait_for_flushes(stream))
        destroy(stream->exporter.self);
    clew__worker_lock_books();
    atomic_store_explicit(&stream->phase, CLEW__STREAM_CLOSED, memory_order_release);
    clew__worker_unlock_books();
}

static bool is_due(struct clew__stream *stream, uint64_t now) {
    uint32_t batch = stream->immediate ? 1 : stream->options.max_export_batch_size, queued;
    if (atomic_load_explicit(&stream->phase, memory_order_relaxed) == CLEW__STREAM_CLOSING ||
        atomic_load_explicit(&stream->settled, memory_order_relaxed) < stream->flush_target)
        return true;
    queued = atomic_load_explicit(&stream->queued, memory_order_relaxed);
    return queued >= batch || (queued > 0 && atomic_load(&stream->wants_room)) ||
           now - stream->last_tick >= stream->options.schedule_delay_ms * CLEW__NANO_PER_MILLI;
}

/* Threads drop without a word; the worker says it for them. */
static void say_dropped(struct clew__stream *stream, uint64_t now) {
    uint64_t dropped;
    if (now - stream->said_at < SAY_DROPPED_NANO)
        return;
    stream->said_at = now;
    dropped = clew__account_sum(stream->number, CLEW__DROPPED_QUEUE_FULL) +
              clew__account_sum(stream->number, CLEW__DROPPED_MEMORY);
    if (dropped > stream->said_dropped)
        clew_log(CLEW_LOG_WARN, "queue.full", "%llu spans dropped: the queue of %s is full",
                 (unsigned long long)(dropped - stream->said_dropped), stream->exporter.name);
    stream->said_dropped = dropped;
}

/* One thing at a time: a batch is begun, goes on, or the stream closes. */
void clew__stream_step(struct clew__stream *stream, const clew_poll *polled, uint64_t now, uint64_t *wake) {
    bool closing;
    say_dropped(stream, now);
    if (stream->in_flight)
        advance(stream, polled, now);
    closing = atomic_load_explicit(&stream->phase, memory_order_acquire) == CLEW__STREAM_CLOSING;
    if (closing && now >= stream->close_deadline) {
        close_stream(stream);
        return;
    }
    /* A local exporter concludes at once: each batch, until the queue is short of one or others have waited
     * enough. */
    for (int batches = 0; !stream->in_flight && is_due(stream, now); batches++) {
        bool more;
        if (batches == BATCHES_IN_A_ROW) {
            *wake = now;
            break;
        }
        /* A shutdown may have been asked for, and its deadline passed, while a local exporter was at work. */
        closing = atomic_load_explicit(&stream->phase, memory_order_acquire) == CLEW__STREAM_CLOSING;
        if (closing && clew__monotonic_nano() >= stream->close_deadline)
            break;
        /* Full batches do not put the tick off: what an idle thread holds waits for it. */
        if (now - stream->last_tick >= stream->options.schedule_delay_ms * CLEW__NANO_PER_MILLI || closing) {
            clew__stream_collect(stream, 0);
            stream->last_tick = now;
        }
        atomic_store(&stream->wants_room, false);
        more = begin(stream, now);
        if (closing && !more) {
            close_stream(stream);
            return;
        }
        if (!more)
            break;
    }
    if (!stream->immediate) {
        uint64_t tick = stream->last_tick + stream->options.schedule_delay_ms * CLEW__NANO_PER_MILLI;
        if (!stream->in_flight && tick < *wake)
            *wake = tick;
    }
    if (stream->close_deadline < *wake)
        *wake = stream->close_deadline;
}

size_t clew__stream_wait(struct clew__stream *stream, clew_poll *descriptors, size_t capacity,
                         uint64_t *wake) {
    uint64_t exporter_wake = UINT64_MAX;
    stream->poll_count = 0;
    if (!stream->in_flight)
        return 0;
    if (stream->exporter.wait)
        stream->poll_count =
            stream->exporter.wait(stream->exporter.self, descriptors, capacity, &exporter_wake);
    if (exporter_wake < *wake)
        *wake = exporter_wake;
    if (stream->in_flight_deadline < *wake)
        *wake = stream->in_flight_deadline;
    return stream->poll_count;
}
