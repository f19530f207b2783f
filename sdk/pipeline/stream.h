/* A stream: one batching pipeline from the threads that end spans to one exporter.
 *
 * Threads append to a chunk of their own and push it when it is full; the worker takes chunks, and partial
 * ones at each tick, copies a batch out, frees the chunks and exports. Credits bound the spans in the queue:
 * a chunk is granted some, and gives back what it did not use. Positions count spans in the order in which
 * they are pushed and settled. */
#ifndef CLEW_PIPELINE_STREAM_H
#define CLEW_PIPELINE_STREAM_H

#include <clew/diagnostics.h>
#include <clew/pipeline.h>

#include "sdk/pipeline/account.h"
#include "sdk/pipeline/request.h"

enum clew__stream_phase {
    CLEW__STREAM_OPEN = 0,
    CLEW__STREAM_CLOSING, /* takes no more spans; exports what it has until its deadline */
    CLEW__STREAM_CLOSED,  /* nothing left, the exporter is destroyed */
};

struct clew__stream {
    uint32_t number; /* of its accounts */
    clew_exporter exporter;
    clew_batch_options options;
    bool immediate; /* every span goes on its way at once: simple pipelines, no schedule delay */
    struct clew__origin *origin;

    _Atomic int phase;
    _Atomic uint32_t flushing; /* calls into the exporter's flush: it is destroyed when there is none */

    /* The queue: under the pipeline lock. */
    struct clew__chunk *head, *tail;
    uint32_t credits; /* not granted to any chunk */
    uint64_t bytes;   /* of chunks, wherever they are */
    uint64_t pushed;  /* position of the last span in the queue */
    _Atomic uint32_t queued;
    atomic_bool wants_room; /* a span was dropped for want of bytes */

    /* The worker's own. */
    struct clew__chunk *staged, *staged_tail;
    struct clew__outgoing *in_flight;
    uint64_t in_flight_deadline;
    uint64_t wake_at;
    uint64_t last_tick;
    uint64_t said_at, said_dropped; /* what was last said about drops */
    size_t poll_first, poll_count;
    bool in_flight_cancelled;

    /* Asked of the worker; written under its mutex. */
    _Atomic uint64_t flush_target;
    _Atomic uint64_t close_deadline;

    /* The books; written by the worker. `settled` is the position of the last span with a fate. */
    _Atomic uint64_t settled;
    _Atomic uint32_t in_flight_count;
    _Atomic uint64_t exported, rejected, failed, unknown, dropped_memory, dropped_shutdown;
    _Atomic uint64_t uncounted; /* offered and dropped for want of an account */

    struct clew__stream *next; /* the worker's list */
};

/* Takes the exporter over. NULL: no memory, or no account number; then the exporter is destroyed. */
struct clew__stream *clew__stream_new(const clew_exporter *exporter, const clew_batch_options *options,
                                      bool immediate, struct clew__origin *origin);

/* A span that has ended: `span` is copied. `body`, when not NULL, is the block around it (see chunk.h), of
 * which the stream becomes the owner when it returns true. Application threads; no system call but to wake
 * the worker. */
bool clew__stream_offer(struct clew__stream *stream, struct clew__thread *thread,
                        const struct clew__scope *scope, const uint8_t *span, size_t size, bool sampled,
                        void *body, uint32_t body_size);

/* There is no room in bytes: what is queued goes at once, though it is less than a batch. Any thread. */
void clew__stream_ask_for_room(struct clew__stream *stream);

/* Pushes the chunks of all threads; waits until the deadline for a thread that is just appending. Any thread.
 */
void clew__stream_collect(struct clew__stream *stream, uint64_t deadline);
/* The position of the last span pushed. */
uint64_t clew__stream_position(struct clew__stream *stream);

/* Has the exporter write out what it buffers itself. On the calling thread. */
int clew__stream_flush_exporter(struct clew__stream *stream, uint32_t timeout_ms);

void clew__stream_stats(struct clew__stream *stream, clew_pipeline_stats *out);

/* The queue as the worker takes from it: moves up to a batch to the worker's own list; gives back what of
 * that was read, and its room in the queue; drops all of it, with its fate counted, and returns how many
 * spans that were. */
void clew__stream_stage(struct clew__stream *stream);
void clew__stream_unstage(struct clew__stream *stream, uint32_t spans);
uint64_t clew__stream_drop_queue(struct clew__stream *stream);

/* The worker's part. `wake` is lowered to when the stream wants to be stepped again. */
void clew__stream_step(struct clew__stream *stream, const clew_poll *polled, uint64_t now, uint64_t *wake);
size_t clew__stream_wait(struct clew__stream *stream, clew_poll *descriptors, size_t capacity,
                         uint64_t *wake);

/* Locks around a fork, and the child's repair. */
void clew__stream_before_fork(void);
void clew__stream_after_fork_in_parent(void);
void clew__stream_after_fork_in_child(struct clew__stream *stream);
void clew__stream_reset_lock(void);

#endif
