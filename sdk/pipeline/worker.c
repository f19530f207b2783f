/* Owns the worker thread, its list of streams and its eventfd. The mutex guards the list, what is asked of
 * streams, and the moments at which fates change; threads that record never take it but to start the worker.
 */
#include "sdk/pipeline/worker.h"

#include "sdk/base/clock.h"
#include "sdk/base/lock.h"

#include <clew/extend.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#define DESCRIPTORS_MAX 64
/* How long past its deadline a close waits for the worker to cancel what is under way. */
#define CANCEL_GRACE_NANO (30 * CLEW__NANO_PER_MILLI)
#define PREPARE_ROUNDS 1000u
/* Exporters count milliseconds: what ends this close to the deadline ended because of it. */
#define ROUNDING_NANO (5 * CLEW__NANO_PER_MILLI)

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed;
static pthread_once_t setup_once = PTHREAD_ONCE_INIT;
static struct clew__stream *streams;
static unsigned waiters;
static bool locked_for_fork;

static atomic_bool running;
static atomic_bool signalled;
static atomic_int wake_descriptor = -1;

/* ---- the thread ---- */

void clew__worker_wake(void) {
    int saved = errno, descriptor, cancel;
    uint64_t one = 1;
    if (atomic_exchange(&signalled, true))
        return;
    cancel = clew__cancel_forbid();
    descriptor = atomic_load(&wake_descriptor);
    if (descriptor < 0 || write(descriptor, &one, sizeof one) < 0)
        atomic_store(&signalled, false); /* nobody to hear it yet: who starts the worker has it look first */
    clew__cancel_allow(cancel);
    errno = saved;
}

static void wait_for_events(struct pollfd *events, clew_poll *descriptors, size_t count, uint64_t wake) {
    uint64_t now = clew__monotonic_nano(), ignored;
    struct timespec timeout = {0, 0};
    if (wake > now) {
        timeout.tv_sec = (time_t)((wake - now) / CLEW__NANO_PER_SECOND);
        timeout.tv_nsec = (long)((wake - now) % CLEW__NANO_PER_SECOND);
    }
    events[0].fd = atomic_load(&wake_descriptor);
    events[0].events = POLLIN;
    for (size_t i = 0; i < count; i++) {
        events[i + 1].fd = descriptors[i].fd;
        events[i + 1].events = descriptors[i].events;
        events[i + 1].revents = 0;
    }
    if (ppoll(events, count + 1, wake == UINT64_MAX ? NULL : &timeout, NULL) <= 0)
        for (size_t i = 0; i <= count; i++)
            events[i].revents = 0;
    for (size_t i = 0; i < count; i++)
        descriptors[i].revents = events[i + 1].revents;
    if (events[0].revents && read(events[0].fd, &ignored, sizeof ignored) < 0)
        ignored = 0;
    /* From here on a wake means that something came after this look; an exchange, to see what those did who
     * relied on an earlier wake. */
    atomic_exchange(&signalled, false);
}

/* Takes closed streams off the list; false when none is left. */
static bool forget_closed(void) {
    bool any;
    pthread_mutex_lock(&mutex);
    for (struct clew__stream **link = &streams; *link;) {
        if (atomic_load(&(*link)->phase) == CLEW__STREAM_CLOSED)
            *link = (*link)->next;
        else
            link = &(*link)->next;
    }
    any = streams != NULL;
    if (!any) {
        clew__chunk_free_spares();
        atomic_store(&running, false);
        pthread_cond_broadcast(&changed);
    }
    pthread_mutex_unlock(&mutex);
    return any;
}

/* What is asked changes under the mutex; the worker looks at it through this. */
static struct clew__stream *first_stream(void) {
    struct clew__stream *first;
    pthread_mutex_lock(&mutex);
    first = streams;
    pthread_mutex_unlock(&mutex);
    return first;
}

static void *worker_thread(void *argument) {
    struct pollfd events[DESCRIPTORS_MAX + 1];
    clew_poll descriptors[DESCRIPTORS_MAX];
    bool polled = false;
    (void)argument;
    prctl(PR_SET_NAME, "clew");
    clew_suppress_thread();
    do {
        uint64_t wake = UINT64_MAX, now = clew__monotonic_nano();
        size_t count = 0;
        for (struct clew__stream *stream = first_stream(); stream; stream = stream->next)
            if (atomic_load(&stream->phase) != CLEW__STREAM_CLOSED)
                clew__stream_step(stream, polled ? descriptors : NULL, now, &wake);
        for (struct clew__stream *stream = first_stream(); stream; stream = stream->next) {
            stream->poll_first = count;
            if (atomic_load(&stream->phase) != CLEW__STREAM_CLOSED)
                count += clew__stream_wait(stream, descriptors + count, DESCRIPTORS_MAX - count, &wake);
        }
        if (!forget_closed())
            break;
        wait_for_events(events, descriptors, count, wake);
        polled = true;
    } while (true);
    return NULL;
}

void clew__worker_ensure(void) {
    int saved = errno, descriptor, error = 0;
    sigset_t all, before;
    pthread_attr_t attributes;
    pthread_t thread;
    if (atomic_load_explicit(&running, memory_order_acquire))
        return;
    pthread_mutex_lock(&mutex);
    if (!atomic_load(&running) && streams) {
        descriptor = atomic_load(&wake_descriptor);
        if (descriptor < 0) {
            descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
            atomic_store(&wake_descriptor, descriptor);
        }
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        pthread_attr_init(&attributes);
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        atomic_store(&running, true);
        error = descriptor < 0 ? errno : pthread_create(&thread, &attributes, worker_thread, NULL);
        if (error)
            atomic_store(&running, false);
        pthread_attr_destroy(&attributes);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    pthread_mutex_unlock(&mutex);
    if (error)
        clew_log(CLEW_LOG_ERROR, "worker", "cannot start the worker thread: %s; spans wait in the queue",
                 strerror(error));
    errno = saved;
}

/* ---- books, flush and close ---- */

void clew__worker_lock_books(void) {
    pthread_mutex_lock(&mutex);
}

void clew__worker_unlock_books(void) {
    if (waiters)
        pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
}

void clew__worker_add(struct clew__stream *stream) {
    clew__worker_setup();
    pthread_mutex_lock(&mutex);
    stream->next = streams;
    streams = stream;
    pthread_mutex_unlock(&mutex);
    clew__worker_wake();
}

/* Waits for a change; false at the deadline. Caller holds the mutex. */
static bool wait_for_change(uint64_t deadline) {
    struct timespec until = {(time_t)(deadline / CLEW__NANO_PER_SECOND),
                             (long)(deadline % CLEW__NANO_PER_SECOND)};
    bool in_time;
    waiters++;
    in_time = pthread_cond_timedwait(&changed, &mutex, &until) != ETIMEDOUT;
    waiters--;
    return in_time;
}

/* What a stream had at the call, to tell afterwards what became of it. */
struct mark {
    uint64_t settled, target;
    uint64_t delivered, failed, unknown;
    uint64_t rejected; /* of the failed ones */
};

static void read_fates(struct clew__stream *stream, struct mark *mark) {
    mark->settled = atomic_load(&stream->settled);
    mark->delivered = atomic_load(&stream->exported);
    mark->rejected = atomic_load(&stream->rejected);
    mark->failed = mark->rejected + atomic_load(&stream->failed) + atomic_load(&stream->dropped_memory) +
                   atomic_load(&stream->dropped_shutdown);
    mark->unknown = atomic_load(&stream->unknown);
}

/* Caller holds the mutex. */
static void add_result(struct clew__stream *stream, const struct mark *before,
                       struct clew__worker_result *result) {
    struct mark after;
    uint64_t waiting = before->target - before->settled, delivered, failed, unknown, open;
    read_fates(stream, &after);
    failed = after.failed - before->failed;
    unknown = after.unknown - before->unknown;
    failed = failed < waiting ? failed : waiting;
    unknown = unknown < waiting - failed ? unknown : waiting - failed;
    delivered = after.delivered - before->delivered;
    open = waiting - failed - unknown;
    delivered = delivered < open ? delivered : open;
    open -= delivered;
    if (open) {
        uint32_t in_flight = atomic_load(&stream->in_flight_count);
        uint64_t sent = in_flight < open ? in_flight : open;
        unknown += sent;
        failed += open - sent;
        result->in_time = false;
    }
    result->delivered += delivered;
    result->failed += failed;
    result->rejected += after.rejected - before->rejected;
    result->unknown += unknown;
}

static bool is_settled(struct clew__stream *const *asked, const struct mark *marks, size_t count,
                       bool closing) {
    for (size_t i = 0; i < count; i++)
        if (closing ? atomic_load(&asked[i]->phase) != CLEW__STREAM_CLOSED
                    : atomic_load(&asked[i]->settled) < marks[i].target)
            return false;
    return true;
}

/* Takes streams off the list, so that a worker that starts now does not see them. Caller holds the mutex. */
static void forget(struct clew__stream *const *asked, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct clew__stream **link = &streams;
        while (*link && *link != asked[i])
            link = &(*link)->next;
        if (*link)
            *link = asked[i]->next;
    }
}

/* Closes streams of which no worker takes care: nothing was ever exported in this process. */
static void close_without_worker(struct clew__stream *const *asked, size_t count) {
    for (size_t i = 0; i < count; i++) {
        uint64_t wake = UINT64_MAX;
        if (atomic_load(&asked[i]->phase) != CLEW__STREAM_CLOSED)
            clew__stream_step(asked[i], NULL, UINT64_MAX, &wake);
    }
}

static struct clew__worker_result finish(struct clew__stream *const *asked, size_t count, uint64_t deadline,
                                         bool closing) {
    struct clew__worker_result result = {.in_time = true};
    int cancel = clew__cancel_forbid();
    struct mark marks[CLEW_PIPELINES_MAX];
    uint64_t patience = closing ? deadline + CANCEL_GRACE_NANO : deadline;
    bool without_worker, waiting = false;

    for (size_t i = 0; i < count; i++)
        clew__stream_collect(asked[i], deadline);
    pthread_mutex_lock(&mutex);
    for (size_t i = 0; i < count; i++) {
        read_fates(asked[i], &marks[i]);
        marks[i].target = clew__stream_position(asked[i]);
        waiting |= marks[i].target > marks[i].settled;
        if (marks[i].target > asked[i]->flush_target)
            asked[i]->flush_target = marks[i].target;
        if (closing) {
            asked[i]->close_deadline = deadline;
            atomic_store(&asked[i]->phase, CLEW__STREAM_CLOSING);
        }
    }
    without_worker = !atomic_load(&running);
    if (without_worker && closing)
        forget(asked, count);
    pthread_mutex_unlock(&mutex);

    if (without_worker && closing) {
        close_without_worker(asked, count);
    } else {
        if (without_worker && waiting) /* it could not be started at the end of a span */
            clew__worker_ensure();
        clew__worker_wake();
    }
    pthread_mutex_lock(&mutex);
    while (!is_settled(asked, marks, count, closing) && clew__monotonic_nano() < patience)
        wait_for_change(patience);
    for (size_t i = 0; i < count; i++)
        add_result(asked[i], &marks[i], &result);
    if (closing && result.failed + result.unknown > 0 && clew__monotonic_nano() + ROUNDING_NANO >= deadline)
        result.in_time = false;
    while (closing && !streams && atomic_load(&running) && clew__monotonic_nano() < patience)
        wait_for_change(patience);
    pthread_mutex_unlock(&mutex);
    clew__cancel_allow(cancel);
    return result;
}

struct clew__worker_result clew__worker_flush(struct clew__stream *const *asked, size_t count,
                                              uint64_t deadline) {
    return finish(asked, count, deadline, false);
}

struct clew__worker_result clew__worker_close(struct clew__stream *const *asked, size_t count,
                                              uint64_t deadline) {
    return finish(asked, count, deadline, true);
}

/* ---- fork ---- */

static void before_fork(void) {
    locked_for_fork = false;
    for (unsigned round = 0; !locked_for_fork && round < PREPARE_ROUNDS; round++) {
        locked_for_fork = pthread_mutex_trylock(&mutex) == 0;
        if (!locked_for_fork)
            clew__wait_a_little(round);
    }
    clew__stream_before_fork();
}

static void after_fork_in_parent(void) {
    clew__stream_after_fork_in_parent();
    if (locked_for_fork)
        pthread_mutex_unlock(&mutex);
}

static void init_condition(void) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

/* The wake descriptor is one with the parent's: a write would wake the parent. */
static void after_fork_in_child(struct clew__thread *self) {
    int descriptor = atomic_exchange(&wake_descriptor, -1);
    (void)self;
    if (locked_for_fork)
        pthread_mutex_unlock(&mutex);
    else
        pthread_mutex_init(&mutex, NULL);
    init_condition();
    waiters = 0;
    atomic_store(&running, false);
    atomic_store(&signalled, false);
    if (descriptor >= 0)
        close(descriptor);
    clew__stream_reset_lock();
    for (struct clew__stream *stream = streams; stream; stream = stream->next)
        clew__stream_after_fork_in_child(stream);
    clew__account_reset_all();
}

bool clew__worker_knows(const struct clew__stream *stream) {
    const struct clew__stream *known = streams;
    while (known && known != stream)
        known = known->next;
    return known != NULL;
}

static void setup(void) {
    static const struct clew__thread_hooks hooks = {NULL, before_fork, after_fork_in_parent,
                                                    after_fork_in_child};
    init_condition();
    clew__thread_register_hooks(&hooks);
}

void clew__worker_setup(void) {
    pthread_once(&setup_once, setup);
}
