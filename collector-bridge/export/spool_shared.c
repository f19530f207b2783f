/* A batch on its way to disk, the belief about the receiver, the books. The mutex guards all of it; the
 * worker enters, and the thread of the spool. Everything returns at once but for what waits for the disk,
 * which the thread alone calls. */
#include "collector-bridge/export/spool_shared.h"

#include "sdk/base/bell.h"

#include <clew/extend.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>

#define NANO_PER_MILLI UINT64_C(1000000)
/* How soon the worker looks again when it has no room for a descriptor. */
#define BLIND_NANO (5 * NANO_PER_MILLI)

void clew__spooling_lock(struct clew__spooling *shared) {
    pthread_mutex_lock(&shared->mutex);
}

void clew__spooling_unlock(struct clew__spooling *shared) {
    pthread_mutex_unlock(&shared->mutex);
}

void clew__spooling_call(struct clew__spooling *shared) {
    shared->call = true;
    clew__bell_ring(&shared->to_thread);
    pthread_cond_signal(&shared->called);
}

/* ---- the batch on its way to disk ---- */

/* The child of a fork frees what it finds in `bytes`: that is set last, and let go of first. */
void clew__spooling_free_job(struct clew__spooling_job *job) {
    void *bytes = job->bytes;
    job->bytes = NULL;
    atomic_signal_fence(memory_order_seq_cst);
    clew_charged_release(bytes, job->size);
    *job = (struct clew__spooling_job){.phase = CLEW__JOB_FREE};
}

static bool copy(struct clew__spooling_job *job, const clew_batch *batch, bool tried) {
    clew_bytes request = clew_batch_request(batch);
    void *bytes = clew_charged_allocate(request.size);
    if (!bytes)
        return false;
    memcpy(bytes, request.data, request.size);
    job->size = request.size;
    atomic_signal_fence(memory_order_seq_cst);
    job->bytes = bytes;
    job->spans = clew_batch_count(batch);
    job->tried = tried;
    job->phase = CLEW__JOB_WAITING;
    return true;
}

bool clew__spooling_hand_over(struct clew__spooling *shared, const clew_batch *batch, bool tried) {
    bool done;
    clew__spooling_lock(shared);
    done = shared->has_thread && shared->job.phase == CLEW__JOB_FREE && copy(&shared->job, batch, tried);
    if (done)
        clew__spooling_call(shared);
    else
        shared->not_stored += clew_batch_count(batch);
    clew__spooling_unlock(shared);
    return done;
}

enum clew__spooling_result clew__spooling_take_result(struct clew__spooling *shared, bool now_or_never) {
    enum clew__spooling_result result = CLEW__SPOOLING_WORKING;
    struct clew__spooling_job *job = &shared->job;
    clew__bell_hear(&shared->to_worker);
    clew__spooling_lock(shared);
    if (job->phase == CLEW__JOB_DONE) {
        result = job->stored ? CLEW__SPOOLING_STORED : CLEW__SPOOLING_NOT_STORED;
        clew__spooling_free_job(job);
    } else if (now_or_never && job->phase == CLEW__JOB_WAITING) {
        shared->not_stored += job->spans;
        result = CLEW__SPOOLING_NOT_STORED;
        clew__spooling_free_job(job);
    } else if (now_or_never) {
        job->abandoned = true;
        result = CLEW__SPOOLING_ABANDONED;
    }
    clew__spooling_unlock(shared);
    return result;
}

size_t clew__spooling_wait(struct clew__spooling *shared, clew_poll *descriptors, size_t capacity,
                           uint64_t *wake_nano) {
    /* Without a bell, or with one that the host has closed, one looks. */
    if (capacity == 0 || !clew__descriptor_is_ours(&shared->to_worker)) {
        *wake_nano = clew_monotonic_nano() + BLIND_NANO;
        return 0;
    }
    descriptors[0] = (clew_poll){.fd = shared->to_worker.fd, .events = POLLIN};
    return 1;
}

void clew__spooling_publish(struct clew__spooling *shared) {
    clew_spool_stats books;
    clew__spool_books(shared->spool, &books);
    clew__spooling_lock(shared);
    shared->books = books;
    if (books.waiting == 0)
        shared->down = false; /* nothing on disk that could find out when it is back */
    clew__spooling_unlock(shared);
}

void clew__spooling_store_job(struct clew__spooling *shared) {
    struct clew__spooling_job *job = &shared->job;
    struct clew__spool_item item;
    clew__spooling_lock(shared);
    if (job->phase != CLEW__JOB_WAITING) {
        clew__spooling_unlock(shared);
        return;
    }
    job->phase = CLEW__JOB_TAKEN;
    item = (struct clew__spool_item){
        .request = {job->bytes, job->size}, .spans = job->spans, .tried = job->tried};
    clew__spooling_unlock(shared);
    clew__spool_store(shared->spool, &item, 1, clew_monotonic_nano());
    clew__spooling_publish(shared);
    clew__spooling_lock(shared);
    job->phase = CLEW__JOB_DONE;
    job->stored = item.stored;
    if (job->abandoned)
        clew__spooling_free_job(job);
    else
        clew__bell_ring(&shared->to_worker);
    clew__spooling_unlock(shared);
}

/* ---- the belief about the receiver ---- */

bool clew__spooling_may_send(struct clew__spooling *shared) {
    uint64_t now = clew_monotonic_nano();
    bool may;
    clew__spooling_lock(shared);
    may = !shared->has_thread || ((!shared->down || shared->probe) && shared->quiet_nano <= now);
    shared->probe = false;
    clew__spooling_unlock(shared);
    return may;
}

void clew__spooling_receiver_answers(struct clew__spooling *shared) {
    clew__spooling_lock(shared);
    shared->delivered_live++;
    if (shared->down)
        clew__spooling_call(shared);
    shared->down = false;
    shared->again_nano = 0;
    clew__spooling_unlock(shared);
}

void clew__spooling_heed_peace(struct clew__spooling *shared, const clew_exporter *exporter) {
    uint64_t peace = shared->peace_nano ? shared->peace_nano(exporter) : 0;
    if (peace > shared->quiet_nano)
        shared->quiet_nano = peace;
}

void clew__spooling_receiver_fails(struct clew__spooling *shared, const clew_exporter *live) {
    clew__spooling_lock(shared);
    shared->down = true;
    shared->again_nano = clew_monotonic_nano() + shared->pause_nano(1);
    clew__spooling_heed_peace(shared, live);
    clew__spooling_unlock(shared);
}

bool clew__spooling_is_final(clew_export_failure failure) {
    return failure == CLEW_FAILURE_REFUSED || failure == CLEW_FAILURE_TOO_LARGE;
}

/* ---- books ---- */

void clew__spooling_stats(struct clew__spooling *shared, clew_spool_stats *out) {
    clew__spooling_lock(shared);
    *out = shared->books;
    out->not_stored += shared->not_stored;
    clew__spooling_unlock(shared);
}
