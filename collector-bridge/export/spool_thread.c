/* The thread of a spool: it alone touches the disk, and sends what is there. It is behind the fork gate at
 * all times but while it waits, and while it is in the exporter, so that a fork finds the files between two
 * operations.
 *
 * The receiver is believed to be up until a batch fails, and again when one is answered. While it is believed
 * to be down only this thread asks it, with the oldest batch; so an outage costs one request every few
 * seconds. A batch that alone fails while others arrive is given up after a while, for it would keep all the
 * others waiting. */
#include "collector-bridge/export/spool_shared.h"

#include "collector-bridge/export/fork_gate.h"
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

#define NANO_PER_SECOND UINT64_C(1000000000)
#define DESCRIPTORS_MAX 16
/* A request from disk, when the exporter has no limit itself. */
#define REPLAY_NANO (60 * NANO_PER_SECOND)
/* After so many failures of the oldest batch the next one that comes is sent past it, to see; after so many,
 * while others arrive, it is given up. */
#define PROBE_FAILURES 3u
#define GIVE_UP_FAILURES 8u

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
    clew__spooling_lock(shared);
    shared->down = false;
    shared->again_nano = 0;
    clew__spooling_unlock(shared);
}

static void replay_failed(struct clew__spooling *shared, bool may_have_arrived, bool is_suspicious,
                          const char *reason) {
    uint64_t live;
    shared->suspicions += is_suspicious;
    clew__spooling_lock(shared);
    live = shared->delivered_live;
    if (shared->failures++ == 0)
        shared->live_at_first = live;
    shared->down = true;
    shared->probe = shared->failures % PROBE_FAILURES == 0;
    clew__spooling_heed_peace(shared, &shared->replay);
    clew__spooling_unlock(shared);
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
        clew_log(CLEW_LOG_WARN, "spool_refused", "%llu span%s from the spool not delivered: %s",
                 (unsigned long long)shared->record.spans, shared->record.spans == 1 ? "" : "s",
                 report->reason);
        replay_succeeded(shared, CLEW__SPOOL_REFUSED, 0);
    } else {
        uint64_t waiting = clew__spool_waiting(shared->spool);
        clew_log(CLEW_LOG_INFO, "spool_waits", "%llu span%s on disk: %s", (unsigned long long)waiting,
                 waiting == 1 ? " waits" : "s wait", report->reason);
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
    clew__spooling_lock(shared);
    wanted = later(shared->again_nano, shared->quiet_nano);
    clew__spooling_unlock(shared);
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
    clew__spooling_lock(shared);
    leaving = shared->leaving;
    clew__spooling_unlock(shared);
    return leaving;
}

static struct timespec timespec_of(uint64_t nano) {
    return (struct timespec){(time_t)(nano / NANO_PER_SECOND), (long)(nano % NANO_PER_SECOND)};
}

/* A new bell in the place of one that the host has closed, which would say for ever that it is invalid. */
static int listen_to_bell(struct clew__spooling *shared) {
    int fd;
    clew__spooling_lock(shared);
    if (!clew__descriptor_is_ours(&shared->to_thread))
        shared->to_thread = clew__bell_new();
    if (shared->call)
        clew__bell_ring(&shared->to_thread);
    fd = shared->to_thread.fd;
    clew__spooling_unlock(shared);
    return fd;
}

static void forget_call(struct clew__spooling *shared) {
    clew__spooling_lock(shared);
    shared->call = false;
    clew__bell_hear(&shared->to_thread);
    clew__spooling_unlock(shared);
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
    clew__spooling_lock(shared);
    while (!shared->call && pthread_cond_timedwait(&shared->called, &shared->mutex, &end) == 0)
        ;
    clew__spooling_unlock(shared);
    clew__fork_gate_enter();
    forget_call(shared);
}

static uint64_t work(struct clew__spooling *shared) {
    uint64_t until;
    clew__spooling_store_job(shared);
    until = clew__spool_tend(shared->spool, clew_monotonic_nano());
    if (!shared->batch && clew__spool_waiting(shared->spool) > 0)
        begin_replay(shared);
    clew__spooling_publish(shared);
    if (!shared->batch && shared->books.waiting > 0 && replay_time(shared) < until)
        until = replay_time(shared);
    return until;
}

static void free_all(struct clew__spooling *shared) {
    if (shared->replay.destroy)
        shared->replay.destroy(shared->replay.self);
    clew__spool_free(shared->spool);
    clew__spooling_free_job(&shared->job);
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
    clew__spooling_lock(shared);
    frees = shared->frees;
    shared->has_thread = false;
    pthread_cond_signal(&shared->gone);
    clew__spooling_unlock(shared);
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
    clew__spooling_lock(shared);
    if (!clew__descriptor_is_ours(&shared->to_worker))
        shared->to_worker = clew__bell_new();
    if (!shared->has_thread && !start_thread(shared))
        clew_log(CLEW_LOG_ERROR, "spool_thread", "no thread for the spool: nothing is stored");
    clew__spooling_unlock(shared);
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
    clew__spooling_lock(shared);
    shared->leaving = true;
    clew__spooling_call(shared);
    while (shared->has_thread && pthread_cond_timedwait(&shared->gone, &shared->mutex, &until) == 0)
        ;
    gone = !shared->has_thread;
    shared->frees = !gone;
    clew__spooling_unlock(shared);
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
        clew__spooling_free_job(&shared->job);
    }
    shared->batch = NULL;
    shared->record = (struct clew__spool_record){.id = 0};
    shared->job = (struct clew__spooling_job){.phase = CLEW__JOB_FREE};
    clew__descriptor_close(&shared->to_thread);
    clew__descriptor_close(&shared->to_worker);
    shared->has_thread = shared->leaving = shared->frees = shared->down = shared->probe = false;
    shared->not_stored = shared->next_nano = shared->again_nano = shared->delivered_live = 0;
    shared->failures = shared->suspicions = 0;
    shared->books = (clew_spool_stats){.quota = shared->books.quota};
    init_locks(shared);
}
