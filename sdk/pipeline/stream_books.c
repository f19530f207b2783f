/* A stream's books, who waits for fates, and the child of a fork. Any thread, under the stream lock where it
 * says so. */
#include "sdk/pipeline/stream.h"

#include "sdk/base/clock.h"
#include "sdk/base/memory.h"
#include "sdk/crash/leftovers.h"
#include "sdk/worker/worker.h"

static bool locked_for_fork;

/* ---- fates ---- */

static void add_to_outcome(struct clew__outcome *outcome, enum clew__fate fate, uint64_t spans) {
    switch (fate) {
    case CLEW__FATE_EXPORTED:
        outcome->delivered += spans;
        break;
    case CLEW__FATE_REJECTED:
        outcome->rejected += spans;
        break;
    case CLEW__FATE_UNKNOWN:
        outcome->unknown += spans;
        break;
    case CLEW__FATE_SPOOLED:
        outcome->spooled += spans;
        break;
    default:
        outcome->failed += spans;
        break;
    }
}

/* Epochs are numbered around: a ticket is never two thousand million flushes old. */
static bool is_covered(const struct clew__ticket *ticket, uint32_t epoch) {
    return (int32_t)(epoch - ticket->epoch) <= 0;
}

void clew__stream_settle(struct clew__stream *stream, uint32_t epoch, enum clew__fate fate, uint64_t spans) {
    if (spans == 0)
        return;
    atomic_fetch_add_explicit(&stream->fates[fate], spans, memory_order_release);
    for (struct clew__ticket *ticket = stream->tickets; ticket; ticket = ticket->next)
        if (is_covered(ticket, epoch)) {
            add_to_outcome(&ticket->outcome, fate, spans);
            atomic_fetch_sub_explicit(&ticket->open, spans, memory_order_release);
        }
}

void clew__stream_settle_in_hand(struct clew__stream *stream) {
    uint32_t in_flight = atomic_exchange(&stream->in_flight_count, 0), staged = stream->staged_spans;
    stream->is_given_up = true;
    stream->staged_spans = 0;
    stream->credits += staged;
    atomic_fetch_sub(&stream->queued, staged);
    clew__stream_settle(stream, stream->in_flight_epoch, CLEW__FATE_UNKNOWN, in_flight);
    clew__stream_settle(stream, stream->staged_epoch, CLEW__FATE_DROPPED_SHUTDOWN, staged);
}

/* ---- who waits ---- */

void clew__stream_ask(struct clew__task *task, struct clew__ticket *ticket, uint64_t deadline) {
    struct clew__stream *stream = (struct clew__stream *)task;
    clew__stream_collect(stream, deadline);
    clew__lock_acquire(&clew__stream_lock);
    if (stream->is_epoch_used)
        stream->epoch++;
    stream->is_epoch_used = false;
    ticket->epoch = stream->epoch - 1;
    atomic_store(&ticket->open,
                 (uint64_t)atomic_load(&stream->queued) + atomic_load(&stream->in_flight_count));
    ticket->next = stream->tickets;
    stream->tickets = ticket;
    clew__lock_release(&clew__stream_lock);
}

/* At the deadline: what is in flight may have arrived, what is queued was not sent in time. */
void clew__stream_take_back(struct clew__task *task, struct clew__ticket *ticket) {
    struct clew__stream *stream = (struct clew__stream *)task;
    struct clew__ticket **link = &stream->tickets;
    uint64_t open, sent = 0;
    clew__lock_acquire(&clew__stream_lock);
    while (*link && *link != ticket)
        link = &(*link)->next;
    if (*link)
        *link = ticket->next;
    open = atomic_load(&ticket->open);
    if (open && is_covered(ticket, stream->in_flight_epoch))
        sent = atomic_load(&stream->in_flight_count);
    clew__lock_release(&clew__stream_lock);
    ticket->outcome.unknown += sent;
    ticket->outcome.failed += open - sent;
}

/* ---- books ---- */

/* An exporter that is gone has left its last ones. */
static void spool_stats(struct clew__stream *stream, clew_spool_stats *out) {
    if (!stream->exporter.spool_stats)
        return;
    atomic_fetch_add(&stream->visitors, 1);
    if (!atomic_load(&stream->is_leaving)) {
        stream->exporter.spool_stats(stream->exporter.self, out);
    } else {
        clew__lock_acquire(&clew__stream_lock);
        *out = stream->spool;
        clew__lock_release(&clew__stream_lock);
    }
    atomic_fetch_sub(&stream->visitors, 1);
}

/* Nobody will export what is queued. */
static bool is_over(struct clew__stream *stream) {
    bool is_given_up;
    clew__lock_acquire(&clew__stream_lock);
    is_given_up = stream->is_given_up;
    clew__lock_release(&clew__stream_lock);
    return is_given_up || atomic_load_explicit(&stream->task.phase, memory_order_acquire) == CLEW__CLOSED;
}

void clew__stream_stats(struct clew__stream *stream, clew_pipeline_stats *out, uint32_t *in_flight) {
    uint64_t uncounted, recovered, fates[CLEW__FATES];
    /* What threads hold counts as pending; what was appended behind the back of a close is dropped here. */
    clew__stream_collect(stream, 0);
    if (is_over(stream))
        clew__stream_drop_queue(stream);
    out->name = stream->exporter.name;
    spool_stats(stream, &out->spool);
    clew__lock_acquire(&clew__stream_lock);
    *in_flight = atomic_load(&stream->in_flight_count);
    out->pending = (uint64_t)atomic_load(&stream->queued) + *in_flight;
    for (int i = 0; i < CLEW__FATES; i++)
        fates[i] = atomic_load_explicit(&stream->fates[i], memory_order_acquire);
    clew__lock_release(&clew__stream_lock);
    clew__fates_to_stats(fates, out);
    uncounted = atomic_load_explicit(&stream->uncounted, memory_order_acquire);
    recovered = atomic_load_explicit(&stream->recovered, memory_order_acquire);
    out->recovered = recovered;
    out->not_sampled = clew__account_sum(stream->number, CLEW__NOT_SAMPLED);
    out->dropped_queue_full += clew__account_sum(stream->number, CLEW__DROPPED_QUEUE_FULL);
    out->dropped_memory += clew__account_sum(stream->number, CLEW__DROPPED_MEMORY) + uncounted;
    out->dropped_shutdown += clew__account_sum(stream->number, CLEW__DROPPED_SHUTDOWN);
    out->offered = clew__account_sum(stream->number, CLEW__OFFERED) + uncounted + recovered;
}

/* ---- fork ---- */

static void before_fork(void) {
    locked_for_fork = clew__lock_acquire_bounded(&clew__stream_lock);
    clew__chunk_before_fork();
}

static void after_fork_in_parent(void) {
    clew__chunk_after_fork_in_parent();
    if (locked_for_fork)
        clew__lock_release(&clew__stream_lock);
}

static void reset_lock(void) {
    clew__chunk_after_fork_in_child();
    clew__lock_release(&clew__stream_lock);
}

/* The parent will send what is queued here. */
void clew__stream_after_fork_in_child(struct clew__task *task) {
    struct clew__stream *stream = (struct clew__stream *)task;
    clew__stream_collect(stream, 0);
    clew__stream_settle_chunks(stream, true);
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
    if (stream->leftovers)
        clew__leftovers_forget(stream->leftovers);
    stream->leftovers = NULL;
    stream->in_flight_recovered = false;
    clew__outgoing_unref(stream->in_flight);
    stream->in_flight = NULL;
    stream->credits = stream->options.max_queue_size;
    stream->bytes = 0;
    stream->staged_spans = 0;
    /* Of threads that are gone, or of this one, which a signal handler forked in: nothing is waited for. */
    for (struct clew__ticket *ticket = stream->tickets; ticket; ticket = ticket->next)
        atomic_store(&ticket->open, 0);
    stream->tickets = NULL;
    stream->is_calling = stream->is_under_way = stream->is_given_up = false;
    atomic_store(&stream->wants_room, false);
    atomic_store(&stream->visitors, 0);
    stream->last_tick = clew__monotonic_nano();
    stream->said_dropped = 0;
    memset(&stream->spool, 0, sizeof stream->spool);
    atomic_store(&stream->queued, 0);
    atomic_store(&stream->in_flight_count, 0);
    for (int i = 0; i < CLEW__FATES; i++)
        atomic_store(&stream->fates[i], 0);
    clew__durations_reset(&stream->durations);
    atomic_store(&stream->uncounted, 0);
    atomic_store(&stream->recovered, 0);
}

void clew__stream_setup(void) {
    static const struct clew__worker_hooks hooks = {
        .before_fork = before_fork,
        .after_fork_in_parent = after_fork_in_parent,
        .before_repair_in_child = reset_lock,
        .after_repair_in_child = clew__account_reset_all,
        .idle = clew__chunk_free_spares,
    };
    clew__worker_register_hooks(&hooks);
    clew__worker_setup();
}
