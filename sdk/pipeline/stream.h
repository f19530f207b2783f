/* A stream: one batching pipeline from the threads that end spans to one exporter.
 *
 * Threads append to a chunk of their own and push it when it is full; the worker takes chunks, and partial
 * ones at each tick, copies a batch out, frees the chunks and exports. Credits bound the spans in the queue:
 * a chunk is granted some, and gives back what it did not use. A flush ends an epoch:
 * chunks carry the epoch in which they were pushed, and no batch holds spans of two, so that the fates of
 * what a flush waits for are told exactly. */
#ifndef CLEW_PIPELINE_STREAM_H
#define CLEW_PIPELINE_STREAM_H

#include <clew/diagnostics.h>
#include <clew/pipeline.h>

#include "sdk/base/lock.h"
#include "sdk/pipeline/account.h"
#include "sdk/pipeline/duration.h"
#include "sdk/pipeline/fate.h"
#include "sdk/pipeline/request.h"
#include "sdk/worker/task.h"

/* A domain name has at most 253 characters (RFC 1035). */
#define CLEW__SERVER_ADDRESS_MAX 256

struct clew__stream {
    struct clew__task task; /* first */
    uint32_t number;        /* of its accounts */
    clew_exporter exporter;
    clew_batch_options options;
    bool immediate; /* every span goes on its way at once: simple pipelines, no schedule delay */
    struct clew__origin *origin;
    char server_address[CLEW__SERVER_ADDRESS_MAX]; /* the exporter's */
    struct clew__crash *crash;         /* where its chunks are, for whom comes after a crash; may be NULL */
    struct clew__leftovers *leftovers; /* the worker's own: of processes before this one; may be NULL */

    /* Under the stream lock: the queue, the books, who waits. */
    struct clew__chunk *head, *tail;
    uint32_t credits;      /* not granted to any chunk */
    uint32_t epoch;        /* of chunks pushed now; a flush begins the next one */
    bool is_epoch_used;    /* there are such chunks */
    bool is_calling;       /* the worker is inside the exporter */
    bool is_abandoned;     /* it never came back, and the stream was closed without it */
    bool is_given_up;      /* what the worker has in hand was booked without it */
    uint32_t staged_spans; /* of `queued`: in the worker's own list, */
    uint32_t staged_epoch; /* all of one epoch */
    uint64_t bytes;        /* of chunks, wherever they are */
    struct clew__ticket *tickets;
    uint32_t in_flight_epoch;
    _Atomic uint32_t queued;
    _Atomic uint32_t in_flight_count;
    _Atomic uint64_t fates[CLEW__FATES];
    clew_spool_stats spool; /* the exporter's last ones, when it is gone */
    bool is_spool_kept;

    atomic_bool wants_room; /* a span was dropped for want of bytes */
    atomic_bool is_untold;  /* fates changed on a thread that records: the worker tells who waits */

    /* Calls of other threads into the exporter: it is destroyed when there is none, and none begins once it
     * is leaving. */
    _Atomic uint32_t visitors;
    atomic_bool is_leaving;

    /* The worker's own. */
    struct clew__chunk *staged, *staged_tail;
    struct clew__outgoing *in_flight;
    uint64_t in_flight_since, in_flight_deadline;
    bool in_flight_recovered;      /* it comes from `leftovers` */
    struct clew__chunk *unsettled; /* of a crash file: what is in flight was copied out of these */
    uint64_t last_tick;
    uint64_t said_at, said_dropped; /* what was last said about drops */
    bool is_under_way;              /* the exporter has begun and not concluded */
    struct clew__durations durations;

    _Atomic uint64_t uncounted; /* offered and dropped for want of an account */
    _Atomic uint64_t recovered; /* of the offered ones: found in the crash mapping of a dead process */
};

/* Guards the parts of all streams that say so; held for a few instructions. */
extern struct clew__lock clew__stream_lock;

/* Takes the exporter over. NULL: no memory, or no account number; then the exporter is destroyed. */
struct clew__stream *clew__stream_new(const clew_exporter *exporter, const clew_batch_options *options,
                                      bool immediate, struct clew__origin *origin);

/* Has the stream's chunks in a crash file, and sends what others left. Both may be NULL. Before the worker
 * knows the stream. */
void clew__stream_protect(struct clew__stream *stream, struct clew__crash *crash,
                          struct clew__leftovers *leftovers);

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

/* Has the exporter write out what it buffers itself. On the calling thread. */
int clew__stream_flush_exporter(struct clew__stream *stream, uint32_t timeout_ms);

/* `*in_flight`: of the pending ones, at the same moment. */
void clew__stream_stats(struct clew__stream *stream, clew_pipeline_stats *out, uint32_t *in_flight);

/* The queue as the worker takes from it: moves up to a batch of one epoch to the worker's own list; frees
 * what of that was read, gives its room back, and counts its spans as in flight (false: they were given up
 * and are not to be sent); gives those their fates, by their numbers. */
void clew__stream_stage(struct clew__stream *stream);
bool clew__stream_unstage(struct clew__stream *stream, uint32_t spans);
void clew__stream_conclude(struct clew__stream *stream, const uint64_t fates[CLEW__FATES]);
/* What was in flight has its fates, or was not delivered: what it was copied out of goes. */
void clew__stream_settle_chunks(struct clew__stream *stream, bool has_fates);
/* Counts spans of a dead process as offered and in flight; false: the stream was given up. */
bool clew__stream_take_recovered(struct clew__stream *stream, uint32_t spans);
/* Drops what is queued and not staged; returns how many spans that were. */
uint64_t clew__stream_drop_queue(struct clew__stream *stream);
/* Whether a flush has asked for something that is still queued. */
bool clew__stream_is_asked(struct clew__stream *stream);

/* Books `spans` of an epoch, for the totals and for those who wait for them. Caller holds the lock. */
void clew__stream_settle(struct clew__stream *stream, uint32_t epoch, enum clew__fate fate, uint64_t spans);
/* Books what the worker has in hand as it will not: in flight is unknown, staged was not sent. From then on
 * its own counts are nobody's. Caller holds the lock. */
void clew__stream_settle_in_hand(struct clew__stream *stream);

/* The worker's side. */
void clew__stream_step(struct clew__task *task, const clew_poll *polled, size_t count, uint64_t now,
                       uint64_t *wake);
size_t clew__stream_wait(struct clew__task *task, clew_poll *descriptors, size_t capacity, uint64_t *wake);
void clew__stream_bury(struct clew__task *task);

/* Who flushes. */
void clew__stream_ask(struct clew__task *task, struct clew__ticket *ticket, uint64_t deadline);
void clew__stream_take_back(struct clew__task *task, struct clew__ticket *ticket);
bool clew__stream_abandon(struct clew__task *task);
void clew__stream_give_up(struct clew__task *task);

/* The child's repair. */
void clew__stream_after_fork_in_child(struct clew__task *task);

/* Before the first stream: readies the worker, and what streams share for a fork. */
void clew__stream_setup(void);

#endif
