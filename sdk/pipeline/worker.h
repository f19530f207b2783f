/* The one worker thread of the process: it steps all streams and waits for all their descriptors. Started at
 * the first span that needs it, with all signals blocked, named "clew"; ends when the last stream is closed.
 */
#ifndef CLEW_PIPELINE_WORKER_H
#define CLEW_PIPELINE_WORKER_H

#include "sdk/pipeline/stream.h"

/* Takes a stream into the list, for good. */
void clew__worker_add(struct clew__stream *stream);

/* Starts the thread unless it runs. Cheap when it does; preserves errno. */
void clew__worker_ensure(void);

/* Makes the worker look at its streams: at most one system call until it does. Any thread; preserves errno.
 */
void clew__worker_wake(void);

/* Around every change of fates and positions, so that a flush sees them agree; unlocking tells those who
 * wait. Never on a thread that records. */
void clew__worker_lock_books(void);
void clew__worker_unlock_books(void);

/* What a flush or shutdown of some streams found. */
struct clew__worker_result {
    bool in_time;
    uint64_t delivered, failed, unknown;
    uint64_t rejected; /* of the failed ones: by the receiver */
};

/* Exports what the streams have at the call; returns when that has fates, or at the deadline. */
struct clew__worker_result clew__worker_flush(struct clew__stream *const *streams, size_t count,
                                              uint64_t deadline);
/* Closes them likewise; at the deadline what is left is cancelled and counted. */
struct clew__worker_result clew__worker_close(struct clew__stream *const *streams, size_t count,
                                              uint64_t deadline);

/* Whether a stream is in the list. In the child of a fork only. */
bool clew__worker_knows(const struct clew__stream *stream);

void clew__worker_setup(void);

#endif
