/* Owns the threads of blocking exporters, one each, started at the first batch. A thread and its exporter are
 * freed by whoever of the two lets go last: one that is stuck in the host's code is left to itself. */
#include "sdk/pipeline/offload.h"

#include <clew/extend.h>

#include "sdk/base/clock.h"
#include "sdk/pipeline/request.h"
#include "sdk/worker/own_thread.h"
#include "sdk/worker/worker.h"

#include <pthread.h>
#include <stddef.h>
#include <string.h>

enum job { JOB_NONE = 0, JOB_WAITING, JOB_RUNNING, JOB_DONE };

struct offload {
    clew_exporter inner;
    pthread_mutex_t mutex; /* guards everything below */
    pthread_cond_t changed;
    bool has_thread;
    bool leaving;                    /* destroyed: the thread ends, */
    bool frees;                      /* and frees all, for it was stuck; otherwise it is waited for */
    struct clew__outgoing *running;  /* what the thread exports, wanted or not */
    enum job job;                    /* what the stream wants */
    struct clew__outgoing *outgoing; /* of a job that waits */
    uint64_t deadline;
    clew_export_outcome outcome;
    clew_export_report report;
};

static uint32_t time_left(uint64_t deadline) {
    uint64_t now = clew__monotonic_nano(), left;
    if (deadline == UINT64_MAX)
        return 0;
    left = deadline > now ? (deadline - now) / CLEW__NANO_PER_MILLI : 0;
    return left == 0 ? 1 : left < UINT32_MAX ? (uint32_t)left : UINT32_MAX;
}

static clew_export_outcome export_now(const clew_exporter *inner, const clew_batch *batch, uint64_t deadline,
                                      clew_export_report *report) {
    clew_export_outcome outcome = inner->export_batch(inner->self, batch, time_left(deadline), report);
    report->reason[sizeof report->reason - 1] = '\0';
    return outcome == CLEW_EXPORT_PENDING ? CLEW_EXPORT_UNKNOWN : outcome;
}

static void offload_free(struct offload *offload) {
    if (offload->inner.destroy)
        offload->inner.destroy(offload->inner.self);
    pthread_mutex_destroy(&offload->mutex);
    pthread_cond_destroy(&offload->changed);
    clew_memory_release(offload);
}

static void run_job(struct offload *offload) {
    struct clew__outgoing *outgoing = offload->outgoing;
    uint64_t deadline = offload->deadline;
    clew_export_report report = {.status = -1};
    clew_export_outcome outcome;
    offload->running = outgoing;
    offload->outgoing = NULL;
    offload->job = JOB_RUNNING;
    pthread_mutex_unlock(&offload->mutex);
    outcome = export_now(&offload->inner, &outgoing->batch, deadline, &report);
    pthread_mutex_lock(&offload->mutex);
    offload->running = NULL;
    clew__outgoing_unref(outgoing);
    if (offload->job != JOB_RUNNING)
        return; /* given up meanwhile; another one may wait by now */
    offload->outcome = outcome;
    offload->report = report;
    offload->job = JOB_DONE;
    clew__worker_wake();
}

static void *offload_thread(void *argument) {
    struct offload *offload = argument;
    bool frees;
    clew__own_thread_begin("clew-exporter");
    pthread_mutex_lock(&offload->mutex);
    while (!offload->leaving) {
        if (offload->job == JOB_WAITING)
            run_job(offload);
        else
            pthread_cond_wait(&offload->changed, &offload->mutex);
    }
    frees = offload->frees;
    offload->has_thread = false;
    pthread_cond_signal(&offload->changed);
    pthread_mutex_unlock(&offload->mutex);
    if (frees)
        offload_free(offload);
    return NULL;
}

/* Caller holds the mutex. */
static bool start_thread(struct offload *offload) {
    if (!offload->has_thread)
        offload->has_thread = clew__own_thread_start(offload_thread, offload) == 0;
    return offload->has_thread;
}

static clew_export_outcome offload_start(void *self, const clew_batch *batch, uint64_t deadline,
                                         clew_export_report *report) {
    struct offload *offload = self;
    clew_export_outcome outcome = CLEW_EXPORT_PENDING;
    pthread_mutex_lock(&offload->mutex);
    if (!start_thread(offload)) {
        strcpy(report->reason, "no thread for a blocking exporter");
        report->failure = CLEW_FAILURE_MEMORY;
        outcome = CLEW_EXPORT_FAILED;
    } else {
        offload->outgoing =
            (struct clew__outgoing *)((char *)(uintptr_t)batch - offsetof(struct clew__outgoing, batch));
        atomic_fetch_add(&offload->outgoing->references, 1);
        offload->deadline = deadline;
        offload->job = JOB_WAITING;
        pthread_cond_signal(&offload->changed);
    }
    pthread_mutex_unlock(&offload->mutex);
    return outcome;
}

static size_t offload_wait(void *self, clew_poll *descriptors, size_t capacity, uint64_t *wake) {
    (void)self;
    (void)descriptors;
    (void)capacity;
    *wake = UINT64_MAX; /* the thread wakes the worker itself */
    return 0;
}

static clew_export_outcome offload_step(void *self, const clew_poll *descriptors, size_t count, uint64_t now,
                                        clew_export_report *report) {
    struct offload *offload = self;
    clew_export_outcome outcome = CLEW_EXPORT_PENDING;
    (void)descriptors;
    (void)count;
    (void)now;
    pthread_mutex_lock(&offload->mutex);
    if (offload->job == JOB_DONE) {
        outcome = offload->outcome;
        *report = offload->report;
        offload->job = JOB_NONE;
    }
    pthread_mutex_unlock(&offload->mutex);
    return outcome;
}

static clew_export_outcome offload_cancel(void *self) {
    struct offload *offload = self;
    clew_export_outcome outcome = CLEW_EXPORT_UNKNOWN;
    pthread_mutex_lock(&offload->mutex);
    if (offload->job == JOB_WAITING) {
        struct clew__outgoing *outgoing = offload->outgoing;
        offload->outgoing = NULL; /* first, for the child of a fork in between */
        clew__outgoing_unref(outgoing);
        outcome = CLEW_EXPORT_FAILED;
    } else if (offload->job == JOB_DONE) {
        outcome = offload->outcome;
    }
    offload->job = JOB_NONE;
    pthread_mutex_unlock(&offload->mutex);
    return outcome;
}

static void offload_forked(void *self) {
    struct offload *offload = self;
    pthread_mutex_init(&offload->mutex, NULL);
    pthread_cond_init(&offload->changed, NULL);
    offload->has_thread = false;
    offload->job = JOB_NONE;
    clew__outgoing_unref(offload->outgoing);
    clew__outgoing_unref(offload->running);
    offload->outgoing = offload->running = NULL;
    if (offload->inner.forked)
        offload->inner.forked(offload->inner.self);
}

static void offload_destroy(void *self) {
    struct offload *offload = self;
    bool frees;
    pthread_mutex_lock(&offload->mutex);
    offload->leaving = true;
    offload->frees = offload->running != NULL;
    frees = !offload->frees;
    pthread_cond_signal(&offload->changed);
    /* An idle thread goes at once; after a shutdown the host finds its exporter destroyed. */
    while (frees && offload->has_thread)
        pthread_cond_wait(&offload->changed, &offload->mutex);
    pthread_mutex_unlock(&offload->mutex);
    if (frees)
        offload_free(offload);
}

/* A local exporter on the worker: concluded as soon as it is begun. */
static clew_export_outcome local_start(void *self, const clew_batch *batch, uint64_t deadline,
                                       clew_export_report *report) {
    return export_now(&((struct offload *)self)->inner, batch, deadline, report);
}

static clew_export_outcome local_step(void *self, const clew_poll *descriptors, size_t count, uint64_t now,
                                      clew_export_report *report) {
    (void)self;
    (void)descriptors;
    (void)count;
    (void)now;
    (void)report;
    return CLEW_EXPORT_UNKNOWN; /* never under way */
}

static clew_export_outcome local_cancel(void *self) {
    (void)self;
    return CLEW_EXPORT_UNKNOWN;
}

static void local_destroy(void *self) {
    offload_free(self);
}

static void local_forked(void *self) {
    struct offload *offload = self;
    if (offload->inner.forked)
        offload->inner.forked(offload->inner.self);
}

static int wrapped_flush(void *self, uint32_t timeout_ms) {
    const clew_exporter *inner = &((struct offload *)self)->inner;
    return inner->flush(inner->self, timeout_ms);
}

static void wrapped_spool_stats(void *self, clew_spool_stats *out) {
    const clew_exporter *inner = &((struct offload *)self)->inner;
    inner->spool_stats(inner->self, out);
}

int clew__offload_wrap(const clew_exporter *exporter, clew_exporter *out) {
    struct offload *offload;
    if (exporter->start) {
        *out = *exporter;
        return exporter->step && exporter->cancel ? CLEW_OK : CLEW_EINVAL;
    }
    if (!exporter->export_batch)
        return CLEW_EINVAL;
    offload = clew_memory_allocate(sizeof *offload);
    if (!offload)
        return CLEW_ENOMEM;
    memset(offload, 0, sizeof *offload);
    offload->inner = *exporter;
    pthread_mutex_init(&offload->mutex, NULL);
    pthread_cond_init(&offload->changed, NULL);
    memset(out, 0, sizeof *out);
    out->struct_size = sizeof *out;
    out->flags = exporter->flags;
    out->name = exporter->name;
    out->self = offload;
    out->flush = exporter->flush ? wrapped_flush : NULL;
    out->spool_stats = exporter->spool_stats ? wrapped_spool_stats : NULL;
    if (exporter->flags & CLEW_EXPORTER_LOCAL) {
        out->start = local_start;
        out->step = local_step;
        out->cancel = local_cancel;
        out->destroy = local_destroy;
        out->forked = local_forked;
    } else {
        out->start = offload_start;
        out->wait = offload_wait;
        out->step = offload_step;
        out->cancel = offload_cancel;
        out->destroy = offload_destroy;
        out->forked = offload_forked;
    }
    return CLEW_OK;
}
