/* What Clew's worker and the thread of a spool share, as its two files see it: spool_shared.c hands batches
 * over and keeps the belief about the receiver, spool_thread.c sends what is on disk. */
#ifndef CLEW_EXPORT_SPOOL_SHARED_H
#define CLEW_EXPORT_SPOOL_SHARED_H

#include "collector-bridge/export/spool_thread.h"
#include "collector-bridge/store/spool.h"
#include "sdk/base/descriptor.h"

#include <pthread.h>

enum clew__spooling_phase { CLEW__JOB_FREE = 0, CLEW__JOB_WAITING, CLEW__JOB_TAKEN, CLEW__JOB_DONE };

/* A batch on its way to disk: a copy, charged to the budget. */
struct clew__spooling_job {
    enum clew__spooling_phase phase;
    bool abandoned; /* taken, and nobody asks for the result any more */
    bool stored;
    bool tried;
    uint64_t spans;
    void *bytes;
    size_t size;
};

struct clew__spooling {
    clew_exporter replay;
    pthread_mutex_t mutex; /* guards what follows, up to the thread's own */
    pthread_cond_t called; /* the thread: `call` is set */
    pthread_cond_t gone;   /* who leaves: there is no thread any more */
    bool has_thread, leaving, frees, call;
    struct clew__descriptor to_thread, to_worker; /* bells; the thread listens while it sends */
    struct clew__spooling_job job;
    clew_spool_stats books; /* as of the thread's last look */
    uint64_t not_stored;    /* of batches that did not come as far as the thread */
    bool down, probe;
    uint64_t again_nano;     /* when to try again after what was live has failed */
    uint64_t quiet_nano;     /* the receiver has asked for peace until then */
    uint64_t delivered_live; /* batches */

    /* Never changed. */
    uint64_t (*pause_nano)(unsigned failures);
    uint64_t (*peace_nano)(const clew_exporter *exporter);

    /* The thread's own. */
    struct clew__spool *spool;
    struct clew__spool_record record;
    clew_batch *batch; /* NULL: nothing is being sent */
    uint64_t next_nano;
    unsigned failures;      /* of the oldest batch, in a row */
    unsigned suspicions;    /* of these, such that the batch itself may be the reason */
    uint64_t live_at_first; /* `delivered_live` at the first of them */
};

void clew__spooling_lock(struct clew__spooling *shared);
void clew__spooling_unlock(struct clew__spooling *shared);
/* Caller holds the mutex: the thread has something to do. */
void clew__spooling_call(struct clew__spooling *shared);
void clew__spooling_free_job(struct clew__spooling_job *job);
/* Caller holds the mutex. One receiver has asked, whichever of the two exporters it was. */
void clew__spooling_heed_peace(struct clew__spooling *shared, const clew_exporter *exporter);

/* The thread's side. Both look at the disk, never with the mutex held. */
void clew__spooling_publish(struct clew__spooling *shared);
void clew__spooling_store_job(struct clew__spooling *shared);

#endif
