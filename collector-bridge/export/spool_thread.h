/* What Clew's worker and the thread of a spool share: one batch on its way to disk, the belief about the
 * receiver, the books. Everything here returns at once, but for the thread itself. */
#ifndef CLEW_EXPORT_SPOOL_THREAD_H
#define CLEW_EXPORT_SPOOL_THREAD_H

#include "collector-bridge/export/spooling.h"

struct clew__spooling;

/* Takes the exporter for what is on disk over. NULL: no memory. */
struct clew__spooling *clew__spooling_share(const struct clew__spooling_parts *parts);
/* Ends the thread and frees all; one that is not back at the deadline is left to itself and frees all when it
 * is. The last call of the worker's side. */
void clew__spooling_leave(struct clew__spooling *shared, uint64_t deadline);
/* Starts the thread when there is none; without one nothing is stored. */
void clew__spooling_ensure_thread(struct clew__spooling *shared);
/* In the child of a fork. */
void clew__spooling_forked(struct clew__spooling *shared);

/* Copies the batch for the thread to store. False: there is no memory, no thread, or the disk still has not
 * taken an earlier one; it is counted as not stored. */
bool clew__spooling_hand_over(struct clew__spooling *shared, const clew_batch *batch, bool tried);

enum clew__spooling_result {
    CLEW__SPOOLING_WORKING,
    CLEW__SPOOLING_STORED,
    CLEW__SPOOLING_NOT_STORED,
    CLEW__SPOOLING_ABANDONED, /* being written at that very moment: whether it is stored cannot be said */
};
/* What became of it; with `now_or_never` it is not WORKING any more. */
enum clew__spooling_result clew__spooling_take_result(struct clew__spooling *shared, bool now_or_never);
/* What to wait for until there is a result. */
size_t clew__spooling_wait(struct clew__spooling *shared, clew_poll *descriptors, size_t capacity,
                           uint64_t *wake_nano);

/* Whether to try the receiver, or go to disk at once. */
bool clew__spooling_may_send(struct clew__spooling *shared);
void clew__spooling_receiver_answers(struct clew__spooling *shared);
void clew__spooling_receiver_fails(struct clew__spooling *shared, const clew_exporter *live);

/* Whether it makes no sense to send it again. */
bool clew__spooling_is_final(clew_export_failure failure);

void clew__spooling_stats(struct clew__spooling *shared, clew_spool_stats *out);

#endif
