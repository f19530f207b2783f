/* Owns the queues of all streams, under one lock that is held for a few instructions at a time. Application
 * threads offer; the worker steps. */
#include "sdk/pipeline/stream.h"

#include "sdk/base/clock.h"
#include "sdk/base/lock.h"
#include "sdk/base/memory.h"
#include "sdk/pipeline/offload.h"
#include "sdk/pipeline/worker.h"

#define MANY_THREADS 16u /* from here on chunks are small: idle threads hold none, busy ones little */
#define CREDITS_A_CHUNK 64u
/* A chunk that cannot take another span of common size is pushed. */
#define ROOM_WORTH_KEEPING 512u
/* A queue of fewer bytes than so many large chunks is cut into small ones. */
#define TIGHT_CHUNKS 8u
#define BATCHES_IN_A_ROW 16
#define SAY_DROPPED_NANO CLEW__NANO_PER_SECOND

static struct clew__lock lock = CLEW__LOCK_INIT;
static bool locked_for_fork;

/* Stands in an account while its thread appends to the chunk: who collects can tell it from no chunk. */
static struct clew__chunk being_filled;

struct clew__stream *clew__stream_new(const clew_exporter *exporter, const clew_batch_options *options,
                                      bool immediate, struct clew__origin *origin) {
    uint32_t number = clew__account_number();
    struct clew__stream *stream = number == UINT32_MAX ? NULL : clew_memory_allocate(sizeof *stream);
    /* Books and messages name the exporter when it is gone, too. */
    char *name = clew_memory_copy_text(exporter->name, strlen(exporter->name));
    if (stream)
        memset(stream, 0, sizeof *stream);
    if (!stream || !name || clew__offload_wrap(exporter, &stream->exporter) != CLEW_OK) {
        if (exporter->destroy)
            exporter->destroy(exporter->self);
        clew_memory_release(name);
        clew_memory_release(stream);
        return NULL;
    }
    stream->exporter.name = name;
    stream->number = number;
    stream->options = *options;
    stream->immediate = immediate || options->schedule_delay_ms == 0;
    stream->origin = origin;
    stream->credits = options->max_queue_size;
    stream->last_tick = clew__monotonic_nano();
    stream->close_deadline = UINT64_MAX;
    return stream;
}

/* ---- the threads' side ---- */

/* Caller holds the lock. Returns whether the worker should hear of it: once as the queue grows past a batch.
 */
static bool push_locked(struct clew__stream *stream, struct clew__chunk *chunk) {
    uint32_t before = atomic_load_explicit(&stream->queued, memory_order_relaxed);
    uint32_t batch = stream->immediate ? 1 : stream->options.max_export_batch_size;
    chunk->next = NULL;
    if (stream->tail)
        stream->tail->next = chunk;
    else
        stream->head = chunk;
    stream->tail = chunk;
    stream->credits += chunk->credits;
    chunk->credits = 0;
    stream->pushed += chunk->spans;
    atomic_store_explicit(&stream->queued, before + chunk->spans, memory_order_relaxed);
    return before < batch && before + chunk->spans >= batch;
}

static void push(struct clew__stream *stream, struct clew__chunk *chunk) {
    bool wake;
    clew__lock_acquire(&lock);
    wake = push_locked(stream, chunk);
    clew__lock_release(&lock);
    if (wake)
        clew__worker_wake();
}

/* Pushes the chunk of an account. One that is being filled is waited for until the deadline, for it may
 * hold spans whose end has returned long ago; 0 does not wait. Returns whether the worker should hear of it.
 */
static bool collect_from(struct clew__stream *stream, struct clew__account *account, uint64_t deadline) {
    for (unsigned round = 0;; round++) {
        struct clew__chunk *chunk = atomic_load_explicit(&account->chunk, memory_order_acquire);
        bool taken, wake;
        if (!chunk)
            return false;
        if (chunk == &being_filled) {
            if (deadline == 0 || (round > 0 && clew__monotonic_nano() >= deadline))
                return false;
            clew__wait_a_little(round);
            continue;
        }
        /* Under the lock: who reads the position afterwards finds the chunk in the account or in the queue.
         */
        clew__lock_acquire(&lock);
        taken = atomic_compare_exchange_strong_explicit(&account->chunk, &chunk, NULL, memory_order_acquire,
                                                        memory_order_relaxed);
        wake = taken && push_locked(stream, chunk);
        clew__lock_release(&lock);
        if (taken)
            return wake;
    }
}

static void collect_until(struct clew__stream *stream, uint64_t deadline) {
    bool wake = false;
    for (struct clew__thread *thread = clew__thread_first(); thread; thread = thread->next) {
        struct clew__account *account = clew__account_peek(thread, stream->number);
        if (account)
            wake |= collect_from(stream, account, deadline);
    }
    if (wake)
        clew__worker_wake();
}

static void collect_into_queue(struct clew__stream *stream) {
    collect_until(stream, 0);
}

void clew__stream_collect(struct clew__stream *stream, uint64_t deadline) {
    collect_until(stream, deadline);
}

uint64_t clew__stream_position(struct clew__stream *stream) {
    uint64_t position;
    clew__lock_acquire(&lock);
    position = stream->pushed;
    clew__lock_release(&lock);
    return position;
}

static uint32_t grant(struct clew__stream *stream, uint32_t wanted) {
    uint32_t granted;
    clew__lock_acquire(&lock);
    granted = stream->credits < wanted ? stream->credits : wanted;
    stream->credits -= granted;
    clew__lock_release(&lock);
    return granted;
}

/* Spans that this chunk may hold: a fair part of the queue, for what one thread holds unused another one
 * lacks. */
static uint32_t fair_credits(const struct clew__stream *stream) {
    uint32_t threads = clew__thread_count();
    uint32_t fair = stream->options.max_queue_size / (2 * (threads ? threads : 1));
    if (stream->immediate || fair < 1)
        return 1;
    if (fair > stream->options.max_export_batch_size)
        fair = stream->options.max_export_batch_size; /* or a full batch would sit in a chunk */
    return fair < CREDITS_A_CHUNK ? fair : CREDITS_A_CHUNK;
}

static bool take_bytes(struct clew__stream *stream, uint64_t size) {
    bool fits;
    clew__lock_acquire(&lock);
    fits = stream->options.max_queue_bytes == 0 || stream->bytes + size <= stream->options.max_queue_bytes;
    if (fits)
        stream->bytes += size;
    clew__lock_release(&lock);
    return fits;
}

static void return_grant(struct clew__stream *stream, uint32_t credits, uint64_t bytes) {
    clew__lock_acquire(&lock);
    stream->credits += credits;
    stream->bytes -= bytes;
    clew__lock_release(&lock);
}

static uint32_t obtain_credits(struct clew__stream *stream, uint32_t wanted) {
    uint32_t granted = grant(stream, wanted);
    if (granted == 0) {
        /* Other threads may hold credits that they do not use. */
        collect_into_queue(stream);
        granted = grant(stream, wanted);
        if (granted == 0)
            clew__worker_wake();
    }
    return granted;
}

void clew__stream_ask_for_room(struct clew__stream *stream) {
    collect_into_queue(stream);
    atomic_store(&stream->wants_room, true);
    clew__worker_wake();
}

/* A span that has a body of its own, or that is larger than a chunk. */
static bool push_alone(struct clew__stream *stream, struct clew__account *account,
                       const struct clew__scope *scope, const uint8_t *span, size_t size, void *body,
                       uint32_t body_size) {
    size_t block = body ? body_size : sizeof(struct clew__chunk) + clew__chunk_need(size);
    struct clew__chunk *chunk = NULL;
    if (obtain_credits(stream, 1) == 0) {
        clew__account_add(account, CLEW__DROPPED_QUEUE_FULL, 1);
        return false;
    }
    if (take_bytes(stream, block)) {
        if (body) {
            chunk = clew__chunk_from_body(body, body_size, scope, size);
        } else {
            chunk = clew__chunk_new((uint32_t)clew__chunk_need(size));
            if (chunk) {
                chunk->credits = 1;
                clew__chunk_append(chunk, scope, span, size);
            } else {
                return_grant(stream, 0, block);
            }
        }
    }
    if (!chunk) {
        return_grant(stream, 1, 0);
        clew__account_add(account, CLEW__DROPPED_MEMORY, 1);
        clew__stream_ask_for_room(stream);
        return false;
    }
    clew__worker_ensure();
    push(stream, chunk);
    return body != NULL;
}

/* A chunk with credits and room for the span, or NULL and the drop counted. */
static struct clew__chunk *obtain_chunk(struct clew__stream *stream, struct clew__account *account) {
    bool tight =
        stream->options.max_queue_bytes && stream->options.max_queue_bytes < TIGHT_CHUNKS * CLEW__CHUNK_LARGE;
    bool small = stream->immediate || tight || clew__thread_count() > MANY_THREADS;
    uint32_t capacity = small ? CLEW__CHUNK_SMALL : CLEW__CHUNK_LARGE;
    uint32_t credits = obtain_credits(stream, fair_credits(stream));
    struct clew__chunk *chunk;
    if (credits == 0) {
        clew__account_add(account, CLEW__DROPPED_QUEUE_FULL, 1);
        return NULL;
    }
    if (take_bytes(stream, sizeof *chunk + capacity)) {
        chunk = clew__chunk_new(capacity);
        if (chunk) {
            chunk->credits = credits;
            clew__worker_ensure();
            return chunk;
        }
        return_grant(stream, 0, sizeof *chunk + capacity);
    }
    return_grant(stream, credits, 0);
    clew__account_add(account, CLEW__DROPPED_MEMORY, 1);
    clew__stream_ask_for_room(stream);
    return NULL;
}

bool clew__stream_offer(struct clew__stream *stream, struct clew__thread *thread,
                        const struct clew__scope *scope, const uint8_t *span, size_t size, bool sampled,
                        void *body, uint32_t body_size) {
    struct clew__account *account = clew__account_of(thread, stream->number);
    size_t need = clew__chunk_need(size);
    struct clew__chunk *chunk;
    if (!account) {
        atomic_fetch_add(&stream->uncounted, 1);
        return false;
    }
    clew__account_add(account, CLEW__OFFERED, 1);
    if (!sampled) {
        clew__account_add(account, CLEW__NOT_SAMPLED, 1);
        return false;
    }
    if (atomic_load_explicit(&stream->phase, memory_order_acquire) != CLEW__STREAM_OPEN) {
        clew__account_add(account, CLEW__DROPPED_SHUTDOWN, 1);
        return false;
    }
    if (body || need > CLEW__CHUNK_SMALL)
        return push_alone(stream, account, scope, span, size, body, body_size);

    chunk = atomic_exchange_explicit(&account->chunk, &being_filled, memory_order_acquire);
    if (chunk && (chunk->credits == 0 || chunk->capacity - chunk->end < need)) {
        push(stream, chunk);
        chunk = NULL;
    }
    if (!chunk)
        chunk = obtain_chunk(stream, account);
    if (chunk) {
        clew__chunk_append(chunk, scope, span, size);
        if (chunk->credits == 0 || chunk->capacity - chunk->end < ROOM_WORTH_KEEPING) {
            push(stream, chunk);
            chunk = NULL;
        }
    }
    atomic_store_explicit(&account->chunk, chunk, memory_order_release);
    return false;
}

/* ---- the worker's side ---- */

static void count(_Atomic uint64_t *counter, uint64_t amount) {
    if (amount)
        atomic_fetch_add_explicit(counter, amount, memory_order_release);
}

/* Moves up to a batch from the queue to the worker's own list. */
static void stage(struct clew__stream *stream) {
    uint32_t spans = 0;
    for (struct clew__chunk *chunk = stream->staged; chunk; chunk = chunk->next)
        spans += chunk->spans;
    clew__lock_acquire(&lock);
    while (stream->head && spans < stream->options.max_export_batch_size) {
        struct clew__chunk *chunk = stream->head;
        stream->head = chunk->next;
        if (!stream->head)
            stream->tail = NULL;
        chunk->next = NULL;
        if (stream->staged_tail)
            stream->staged_tail->next = chunk;
        else
            stream->staged = chunk;
        stream->staged_tail = chunk;
        spans += chunk->spans;
    }
    clew__lock_release(&lock);
}

/* Frees what was read, and gives its room in the queue back. */
static void unstage(struct clew__stream *stream, uint32_t spans) {
    uint64_t bytes = 0;
    while (stream->staged && stream->staged->begin >= stream->staged->end) {
        struct clew__chunk *chunk = stream->staged;
        stream->staged = chunk->next;
        if (!stream->staged)
            stream->staged_tail = NULL;
        bytes += chunk->block_size;
        clew__chunk_free(chunk);
    }
    clew__lock_acquire(&lock);
    stream->bytes -= bytes;
    stream->credits += spans;
    atomic_fetch_sub_explicit(&stream->queued, spans, memory_order_relaxed);
    clew__lock_release(&lock);
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
    clew_export_report report = {0, ""};
    clew_export_outcome outcome = stream->exporter.cancel(stream->exporter.self);
    strncpy(report.reason, why, sizeof report.reason - 1);
    conclude(stream, outcome == CLEW_EXPORT_PENDING ? CLEW_EXPORT_UNKNOWN : outcome, &report);
}

/* Begins with the next batch; false when there is none. */
static bool begin(struct clew__stream *stream, uint64_t now) {
    clew_export_report report = {0, ""};
    clew_export_outcome outcome;
    uint32_t spans;
    stage(stream);
    if (!stream->staged)
        return false;
    stream->in_flight =
        clew__request_build(stream->origin, stream->staged, stream->options.max_export_batch_size);
    if (!stream->in_flight) {
        /* No memory even for one span: the oldest chunk gives its own back. */
        spans = stream->staged->spans;
        stream->staged->begin = stream->staged->end;
        unstage(stream, spans);
        settle_dropped(stream, &stream->dropped_memory, spans);
        return true;
    }
    spans = (uint32_t)stream->in_flight->batch.count;
    atomic_store_explicit(&stream->in_flight_count, spans, memory_order_relaxed);
    unstage(stream, spans);
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
    clew_export_report report = {0, ""};
    clew_export_outcome outcome =
        stream->exporter.step(stream->exporter.self, polled ? polled + stream->poll_first : NULL,
                              polled ? stream->poll_count : 0, now, &report);
    if (outcome != CLEW_EXPORT_PENDING)
        conclude(stream, outcome, &report);
    else if (now >= stream->in_flight_deadline || now >= stream->close_deadline)
        cancel(stream, "the deadline passed");
}

/* Whatever is still queued when the stream must close. */
static uint64_t drop_queue(struct clew__stream *stream) {
    uint64_t dropped = 0;
    collect_into_queue(stream);
    for (;;) {
        uint32_t spans = 0;
        stage(stream);
        if (!stream->staged)
            return dropped;
        for (struct clew__chunk *chunk = stream->staged; chunk; chunk = chunk->next) {
            spans += chunk->spans;
            chunk->begin = chunk->end;
        }
        unstage(stream, spans);
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
    dropped = drop_queue(stream);
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
            collect_into_queue(stream);
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

/* ---- books ---- */

void clew__stream_stats(struct clew__stream *stream, clew_pipeline_stats *out) {
    uint64_t uncounted;
    /* What threads hold counts as pending; what was appended behind the back of a close is dropped here. */
    collect_into_queue(stream);
    if (atomic_load_explicit(&stream->phase, memory_order_acquire) == CLEW__STREAM_CLOSED)
        drop_queue(stream);
    out->name = stream->exporter.name;
    uncounted = atomic_load_explicit(&stream->uncounted, memory_order_acquire);
    out->exported = atomic_load_explicit(&stream->exported, memory_order_acquire);
    out->rejected = atomic_load_explicit(&stream->rejected, memory_order_acquire);
    out->failed = atomic_load_explicit(&stream->failed, memory_order_acquire);
    out->unknown = atomic_load_explicit(&stream->unknown, memory_order_acquire);
    out->not_sampled = clew__account_sum(stream->number, CLEW__NOT_SAMPLED);
    out->dropped_queue_full = clew__account_sum(stream->number, CLEW__DROPPED_QUEUE_FULL);
    out->dropped_memory = atomic_load_explicit(&stream->dropped_memory, memory_order_acquire) +
                          clew__account_sum(stream->number, CLEW__DROPPED_MEMORY) + uncounted;
    out->dropped_shutdown = atomic_load_explicit(&stream->dropped_shutdown, memory_order_acquire) +
                            clew__account_sum(stream->number, CLEW__DROPPED_SHUTDOWN);
    out->pending = (uint64_t)atomic_load_explicit(&stream->queued, memory_order_acquire) +
                   atomic_load_explicit(&stream->in_flight_count, memory_order_acquire);
    out->offered = clew__account_sum(stream->number, CLEW__OFFERED) + uncounted;
}

/* ---- fork ---- */

void clew__stream_before_fork(void) {
    locked_for_fork = clew__lock_acquire_bounded(&lock);
    clew__chunk_before_fork();
}

void clew__stream_after_fork_in_parent(void) {
    clew__chunk_after_fork_in_parent();
    if (locked_for_fork)
        clew__lock_release(&lock);
}

void clew__stream_reset_lock(void) {
    clew__chunk_after_fork_in_child();
    clew__lock_release(&lock);
}

/* The parent will send what is queued here. */
void clew__stream_after_fork_in_child(struct clew__stream *stream) {
    collect_into_queue(stream);
    if (stream->tail)
        stream->tail->next = stream->staged;
    else
        stream->head = stream->staged;
    for (struct clew__chunk *chunk = stream->head, *next; chunk; chunk = next) {
        next = chunk->next;
        clew__chunk_free(chunk);
    }
    stream->head = stream->tail = stream->staged = stream->staged_tail = NULL;
    if (stream->exporter.forked)
        stream->exporter.forked(stream->exporter.self);
    clew__outgoing_unref(stream->in_flight);
    stream->in_flight = NULL;
    stream->credits = stream->options.max_queue_size;
    stream->bytes = 0;
    stream->pushed = 0;
    atomic_store(&stream->flush_target, 0);
    atomic_store(&stream->wants_room, false);
    atomic_store(&stream->flushing, 0);
    stream->poll_count = 0;
    stream->last_tick = clew__monotonic_nano();
    stream->said_dropped = 0;
    atomic_store(&stream->queued, 0);
    atomic_store(&stream->in_flight_count, 0);
    atomic_store(&stream->settled, 0);
    atomic_store(&stream->exported, 0);
    atomic_store(&stream->rejected, 0);
    atomic_store(&stream->failed, 0);
    atomic_store(&stream->unknown, 0);
    atomic_store(&stream->dropped_memory, 0);
    atomic_store(&stream->dropped_shutdown, 0);
    atomic_store(&stream->uncounted, 0);
}
