/* The thread of a spool: it alone touches the disk, and sends what is there. It is behind the fork gate at
 * all times but while it waits, and while it is in the exporter, so that a fork finds the files between two
 * operations.
 *
 * The receiver is believed to be up until a batch fails, and again when one is answered. While it is believed
 * to be down only this thread asks it, with the oldest batch; so an outage costs one request every few
 * seconds. A batch that alone fails while others arrive is given up after a while, for it would keep all the
 * others waiting. */
#include "collector-bridge/export/spool_thread.h"

#include "collector-bridge/export/fork_gate.h"
#include "collector-bridge/store/spool.h"
#include "collector-bridge/wire/retry.h"
#include "sdk/base/bell.h"

#include <clew/extend.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <time.h>

#define NANO_PER_MILLI UINT64_C(1000000)
#define NANO_PER_SECOND UINT64_C(1000000000)
#define DESCRIPTORS_MAX 16
/* How soon the worker looks again when it has no room for a descriptor. */
#define BLIND_NANO (5 * NANO_PER_MILLI)
/* A request from disk, when the exporter has no limit itself. */
#define REPLAY_NANO (60 * NANO_PER_SECOND)
/* After so many failures of the oldest batch the next one that comes is sent past it, to see; after so many,
 * while others arrive, it is given up. */
#define PROBE_FAILURES 3u
#define GIVE_UP_FAILURES 8u

enum phase { FREE = 0, WAITING, TAKEN, DONE };

/* A batch on its way to disk: a copy, charged to the budget. */
struct job {
    enum phase phase;
    bool abandoned; /* TAKEN, and nobody asks for the result any more */
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
    struct job job;
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

static void lock(struct clew__spooling *shared) {
    pthread_mutex_lock(&shared->mutex);
}

static void unlock(struct clew__spooling *shared) {
    pthread_mutex_unlock(&shared->mutex);
}

/* Caller holds the mutex. */
static void call_thread(struct clew__spooling *shared) {
    shared->call = true;
    clew__bell_ring(&shared->to_thread);
    pthread_cond_signal(&shared->called);
}

/* ---- the batch on its way to disk ---- */

static void free_job(struct job *job) {
    if (job->bytes) {
        clew_memory_release(job->bytes);
        clew_budget_give(job->size);
    }
    *job = (struct job){.phase = FREE};
}

static bool copy(struct job *job, const clew_batch *batch, bool tried) {
    clew_bytes request = clew_batch_request(batch);
    if (!clew_budget_take(request.size))
        return false;
    job->bytes = clew_memory_allocate(request.size ? request.size : 1);
    if (!job->bytes) {
        clew_budget_give(request.size);
        return false;
    }
    memcpy(job->bytes, request.data, request.size);
    job->size = request.size;
    job->spans = clew_batch_count(batch);
    job->tried = tried;
    job->phase = WAITING;
    return true;
}

bool clew__spooling_hand_over(struct clew__spooling *shared, const clew_batch *batch, bool tried) {
    bool done;
    lock(shared);
    done = shared->has_thread && shared->job.phase == FREE && copy(&shared->job, batch, tried);
    if (done)
        call_thread(shared);
    else
        shared->not_stored += clew_batch_count(batch);
    unlock(shared);
    return done;
}

enum clew__spooling_result clew__spooling_take_result(struct clew__spooling *shared, bool now_or_never) {
    enum clew__spooling_result result = CLEW__SPOOLING_WORKING;
    struct job *job = &shared->job;
    clew__bell_hear(&shared->to_worker);
    lock(shared);
    if (job->phase == DONE) {
        result = job->stored ? CLEW__SPOOLING_STORED : CLEW__SPOOLING_NOT_STORED;
        free_job(job);
    } else if (now_or_never && job->phase == WAITING) {
        shared->not_stored += job->spans;
        result = CLEW__SPOOLING_NOT_STORED;
        free_job(job);
    } else if (now_or_never) {
        job->abandoned = true;
        result = CLEW__SPOOLING_ABANDONED;
    }
    unlock(shared);
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

/* The thread's side. Never looks at the disk with the mutex held. */
static void publish(struct clew__spooling *shared) {
    clew_spool_stats books;
    clew__spool_books(shared->spool, &books);
    lock(shared);
    shared->books = books;
    if (books.waiting == 0)
        shared->down = false; /* nothing on disk that could find out when it is back */
    unlock(shared);
}

static void store_job(struct clew__spooling *shared) {
    struct job *job = &shared->job;
    struct clew__spool_item item;
    lock(shared);
    if (job->phase != WAITING) {
        unlock(shared);
        return;
    }
    job->phase = TAKEN;
    item = (struct clew__spool_item){
        .request = {job->bytes, job->size}, .spans = job->spans, .tried = job->tried};
    unlock(shared);
    clew__spool_store(shared->spool, &item, 1, clew_monotonic_nano());
    publish(shared);
    lock(shared);
    job->phase = DONE;
    job->stored = item.stored;
    if (job->abandoned)
        free_job(job);
    else
        clew__bell_ring(&shared->to_worker);
    unlock(shared);
}

/* ---- the belief about the receiver ---- */

bool clew__spooling_may_send(struct clew__spooling *shared) {
    uint64_t now = clew_monotonic_nano();
    bool may;
    lock(shared);
    may = !shared->has_thread || ((!shared->down || shared->probe) && shared->quiet_nano <= now);
    shared->probe = false;
    unlock(shared);
    return may;
}

void clew__spooling_receiver_answers(struct clew__spooling *shared) {
    lock(shared);
    shared->delivered_live++;
    if (shared->down)
        call_thread(shared);
    shared->down = false;
    shared->again_nano = 0;
    unlock(shared);
}

/* Caller holds the mutex. One receiver has asked, whichever of the two exporters it was. */
static void heed_peace(struct clew__spooling *shared, const clew_exporter *exporter) {
    uint64_t peace = shared->peace_nano ? shared->peace_nano(exporter) : 0;
    if (peace > shared->quiet_nano)
        shared->quiet_nano = peace;
}

void clew__spooling_receiver_fails(struct clew__spooling *shared, const clew_exporter *live) {
    lock(shared);
    shared->down = true;
    shared->again_nano = clew_monotonic_nano() + shared->pause_nano(1);
    heed_peace(shared, live);
    unlock(shared);
}

bool clew__spooling_is_final(clew_export_failure failure) {
    return failure == CLEW_FAILURE_REFUSED || failure == CLEW_FAILURE_TOO_LARGE;
}

/* ---- sending what is on disk ---- */

static uint64_t random_bits(void) {
    uint64_t bits;
    return getrandom(&bits, sizeof bits, GRND_NONBLOCK) == (ssize_t)sizeof bits ? bits
                                                                                : clew_monotonic_nano();
}

static uint64_t pause_nano(unsigned failures) {
    return clew__retry_backoff_nano(failures - 1, random_bits());
}

static void forget_batch(struct clew__spooling *shared) {
    clew_batch_free(shared->batch);
    shared->batch = NULL;
    clew__spool_record_free(&shared->record);
}

static void replay_succeeded(struct clew__spooling *shared, enum clew__spool_fate fate, uint64_t rejected) {
    forget_batch(shared);
    clew__spool_settle(shared->spool, fate, rejected);
    shared->failures = shared->suspicions = 0;
    shared->next_nano = 0;
    lock(shared);
    shared->down = false;
    shared->again_nano = 0;
    unlock(shared);
}

static void replay_failed(struct clew__spooling *shared, bool may_have_arrived, bool is_suspicious,
                          const char *reason) {
    uint64_t live;
    shared->suspicions += is_suspicious;
    lock(shared);
    live = shared->delivered_live;
    if (shared->failures++ == 0)
        shared->live_at_first = live;
    shared->down = true;
    shared->probe = shared->failures % PROBE_FAILURES == 0;
    heed_peace(shared, &shared->replay);
    unlock(shared);
    forget_batch(shared);
    if (shared->suspicions >= GIVE_UP_FAILURES && live > shared->live_at_first) {
        clew_log(CLEW_LOG_ERROR, "spool_poison",
                 "a batch from the spool is given up: others arrive, and this one failed %u times: %s",
                 shared->failures, reason);
        clew__spool_settle(shared->spool, CLEW__SPOOL_REFUSED, 0);
        shared->failures = shared->suspicions = 0;
        return;
    }
    clew__spool_keep(shared->spool, may_have_arrived);
    shared->next_nano = clew_monotonic_nano() + shared->pause_nano(shared->failures);
}

/* The batch itself may be the reason: its bytes, or how many there are. */
static bool is_suspicious(clew_export_failure failure) {
    return failure == CLEW_FAILURE_OTHER || failure == CLEW_FAILURE_MEMORY;
}

static void replay_ended(struct clew__spooling *shared, clew_export_outcome outcome,
                         const clew_export_report *report) {
    bool in_part = outcome == CLEW_EXPORT_DELIVERED && (report->unknown > 0 || report->failed > 0);
    bool is_final = clew__spooling_is_final(report->failure);
    if (outcome == CLEW_EXPORT_DELIVERED && !in_part) {
        replay_succeeded(shared, CLEW__SPOOL_DELIVERED, report->rejected);
    } else if (in_part && report->unknown == 0 && is_final) {
        replay_succeeded(shared, CLEW__SPOOL_DELIVERED, report->rejected + report->failed);
    } else if (outcome == CLEW_EXPORT_FAILED && is_final) {
        clew_log(CLEW_LOG_WARN, "spool_refused", "%llu spans from the spool not delivered: %s",
                 (unsigned long long)shared->record.spans, report->reason);
        replay_succeeded(shared, CLEW__SPOOL_REFUSED, 0);
    } else {
        clew_log(CLEW_LOG_INFO, "spool_waits", "%llu spans wait on disk: %s",
                 (unsigned long long)clew__spool_waiting(shared->spool), report->reason);
        replay_failed(shared, outcome != CLEW_EXPORT_FAILED,
                      outcome != CLEW_EXPORT_FAILED || is_suspicious(report->failure), report->reason);
    }
}

static uint64_t later(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

/* When the time has come for the oldest batch. */
static uint64_t replay_time(struct clew__spooling *shared) {
    uint64_t wanted;
    lock(shared);
    wanted = later(shared->again_nano, shared->quiet_nano);
    unlock(shared);
    return later(shared->next_nano, wanted);
}

/* Takes the oldest batch and starts with it. Leaves the gate while it is in the exporter; so does the next.
 */
static void begin_replay(struct clew__spooling *shared) {
    clew_export_report report = {.status = -1};
    clew_export_outcome outcome;
    clew_exporter *replay = &shared->replay;
    if (clew_monotonic_nano() < replay_time(shared))
        return;
    if (!clew__spool_take(shared->spool, &shared->record)) {
        shared->next_nano = clew_monotonic_nano() + CLEW__RETRY_CAP_NANO;
        return;
    }
    shared->batch = clew_batch_new((clew_bytes){shared->record.request, shared->record.size},
                                   (size_t)shared->record.spans);
    if (!shared->batch) {
        replay_failed(shared, false, false, "out of memory");
        return;
    }
    clew__fork_gate_leave();
    outcome = replay->start(replay->self, shared->batch, clew_monotonic_nano() + REPLAY_NANO, &report);
    clew__fork_gate_enter();
    if (outcome != CLEW_EXPORT_PENDING)
        replay_ended(shared, outcome, &report);
}

static void go_on(struct clew__spooling *shared, const clew_poll *descriptors, size_t count) {
    clew_export_report report = {.status = -1};
    clew_export_outcome outcome;
    clew_exporter *replay = &shared->replay;
    clew__fork_gate_leave();
    outcome = replay->step(replay->self, descriptors, count, clew_monotonic_nano(), &report);
    clew__fork_gate_enter();
    if (outcome != CLEW_EXPORT_PENDING)
        replay_ended(shared, outcome, &report);
}

static void stop_replay(struct clew__spooling *shared) {
    clew_export_outcome outcome;
    if (!shared->batch)
        return;
    outcome = shared->replay.cancel(shared->replay.self);
    forget_batch(shared);
    clew__spool_keep(shared->spool, outcome != CLEW_EXPORT_FAILED);
}

/* ---- the thread ---- */

static bool is_leaving(struct clew__spooling *shared) {
    bool leaving;
    lock(shared);
    leaving = shared->leaving;
    unlock(shared);
    return leaving;
}

static struct timespec timespec_of(uint64_t nano) {
    return (struct timespec){(time_t)(nano / NANO_PER_SECOND), (long)(nano % NANO_PER_SECOND)};
}

/* A new bell in the place of one that the host has closed, which would say for ever that it is invalid. */
static int listen_to_bell(struct clew__spooling *shared) {
    int fd;
    lock(shared);
    if (!clew__descriptor_is_ours(&shared->to_thread))
        shared->to_thread = clew__bell_new();
    if (shared->call)
        clew__bell_ring(&shared->to_thread);
    fd = shared->to_thread.fd;
    unlock(shared);
    return fd;
}

static void forget_call(struct clew__spooling *shared) {
    lock(shared);
    shared->call = false;
    clew__bell_hear(&shared->to_thread);
    unlock(shared);
}

/* With a batch in the exporter: fills in what is ready of its descriptors, and returns how many. */
static size_t wait_for_events(struct clew__spooling *shared, clew_poll *descriptors, uint64_t until) {
    struct pollfd polled[DESCRIPTORS_MAX + 1] = {{.fd = listen_to_bell(shared), .events = POLLIN}};
    uint64_t wake_nano = UINT64_MAX, now = clew_monotonic_nano();
    size_t count = shared->replay.wait(shared->replay.self, descriptors, DESCRIPTORS_MAX, &wake_nano);
    for (size_t i = 0; i < count; i++)
        polled[i + 1] = (struct pollfd){descriptors[i].fd, descriptors[i].events, 0};
    wake_nano = wake_nano < until ? wake_nano : until;
    const struct timespec timeout = timespec_of(wake_nano > now ? wake_nano - now : 0);
    clew__fork_gate_leave();
    if (ppoll(polled, count + 1, &timeout, NULL) <= 0)
        for (size_t i = 0; i <= count; i++)
            polled[i].revents = 0;
    clew__fork_gate_enter();
    forget_call(shared);
    for (size_t i = 0; i < count; i++)
        descriptors[i].revents = polled[i + 1].revents;
    return count;
}

/* Without one. A call gets through here whatever the host does to descriptors. */
static void wait_for_call(struct clew__spooling *shared, uint64_t until) {
    const struct timespec end = timespec_of(until);
    clew__fork_gate_leave();
    lock(shared);
    while (!shared->call && pthread_cond_timedwait(&shared->called, &shared->mutex, &end) == 0)
        ;
    unlock(shared);
    clew__fork_gate_enter();
    forget_call(shared);
}

static uint64_t work(struct clew__spooling *shared) {
    uint64_t until;
    store_job(shared);
    until = clew__spool_tend(shared->spool, clew_monotonic_nano());
    if (!shared->batch && clew__spool_waiting(shared->spool) > 0)
        begin_replay(shared);
    publish(shared);
    if (!shared->batch && shared->books.waiting > 0 && replay_time(shared) < until)
        until = replay_time(shared);
    return until;
}

static void free_all(struct clew__spooling *shared) {
    if (shared->replay.destroy)
        shared->replay.destroy(shared->replay.self);
    clew__spool_free(shared->spool);
    free_job(&shared->job);
    clew__descriptor_close(&shared->to_thread);
    clew__descriptor_close(&shared->to_worker);
    pthread_mutex_destroy(&shared->mutex);
    pthread_cond_destroy(&shared->called);
    pthread_cond_destroy(&shared->gone);
    clew_memory_release(shared);
}

static void *thread(void *argument) {
    struct clew__spooling *shared = argument;
    clew_poll descriptors[DESCRIPTORS_MAX];
    bool frees;
    prctl(PR_SET_NAME, "clew-spool");
    clew_suppress_thread();
    clew__fork_gate_enter();
    while (!is_leaving(shared)) {
        uint64_t until = work(shared);
        if (shared->batch)
            go_on(shared, descriptors, wait_for_events(shared, descriptors, until));
        else
            wait_for_call(shared, until);
    }
    stop_replay(shared);
    clew__spool_close(shared->spool);
    clew__fork_gate_leave();
    lock(shared);
    frees = shared->frees;
    shared->has_thread = false;
    pthread_cond_signal(&shared->gone);
    unlock(shared);
    if (frees)
        free_all(shared);
    return NULL;
}

/* Caller holds the mutex. */
static bool start_thread(struct clew__spooling *shared) {
    sigset_t all, before;
    pthread_attr_t attributes;
    pthread_t started;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    shared->has_thread = pthread_create(&started, &attributes, thread, shared) == 0;
    pthread_attr_destroy(&attributes);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return shared->has_thread;
}

void clew__spooling_ensure_thread(struct clew__spooling *shared) {
    lock(shared);
    if (!clew__descriptor_is_ours(&shared->to_worker))
        shared->to_worker = clew__bell_new();
    if (!shared->has_thread && !start_thread(shared))
        clew_log(CLEW_LOG_ERROR, "spool_thread", "no thread for the spool: nothing is stored");
    unlock(shared);
}

/* ---- life ---- */

static void init_locks(struct clew__spooling *shared) {
    pthread_condattr_t attributes;
    pthread_mutex_init(&shared->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&shared->called, &attributes);
    pthread_cond_init(&shared->gone, &attributes);
    pthread_condattr_destroy(&attributes);
}

struct clew__spooling *clew__spooling_share(const struct clew__spooling_parts *parts) {
    struct clew__spooling *shared = clew_memory_allocate(sizeof *shared);
    if (!shared)
        return NULL;
    memset(shared, 0, sizeof *shared);
    shared->spool = clew__spool_new(parts->directory, parts->quota);
    if (!shared->spool) {
        clew_memory_release(shared);
        return NULL;
    }
    clew__fork_gate_setup();
    init_locks(shared);
    shared->to_thread = shared->to_worker = clew__descriptor_of(-1);
    shared->replay = parts->replay;
    shared->pause_nano = parts->pause_nano ? parts->pause_nano : pause_nano;
    shared->peace_nano = parts->peace_nano;
    shared->books.quota = parts->quota;
    return shared;
}

void clew__spooling_leave(struct clew__spooling *shared, uint64_t deadline) {
    const struct timespec until = timespec_of(deadline);
    bool gone;
    lock(shared);
    shared->leaving = true;
    call_thread(shared);
    while (shared->has_thread && pthread_cond_timedwait(&shared->gone, &shared->mutex, &until) == 0)
        ;
    gone = !shared->has_thread;
    shared->frees = !gone;
    unlock(shared);
    if (gone)
        free_all(shared);
}

/* The thread and its files are the parent's. What it had in hand is freed if it was not just at work. */
void clew__spooling_forked(struct clew__spooling *shared) {
    bool quiet = clew__fork_gate_in_child();
    if (shared->replay.forked)
        shared->replay.forked(shared->replay.self);
    clew__spool_forget(shared->spool, quiet);
    if (quiet) {
        forget_batch(shared);
        free_job(&shared->job);
    }
    shared->batch = NULL;
    shared->record = (struct clew__spool_record){.id = 0};
    shared->job = (struct job){.phase = FREE};
    clew__descriptor_close(&shared->to_thread);
    clew__descriptor_close(&shared->to_worker);
    shared->has_thread = shared->leaving = shared->frees = shared->down = shared->probe = false;
    shared->not_stored = shared->next_nano = shared->again_nano = shared->delivered_live = 0;
    shared->failures = shared->suspicions = 0;
    shared->books = (clew_spool_stats){.quota = shared->books.quota};
    init_locks(shared);
}

void clew__spooling_stats(struct clew__spooling *shared, clew_spool_stats *out) {
    lock(shared);
    *out = shared->books;
    out->not_stored += shared->not_stored;
    unlock(shared);
}
