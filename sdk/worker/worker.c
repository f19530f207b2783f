/* Owns the worker thread, and how flush and close wait. Threads that record take no mutex here but to start
 * the thread. */
#include "sdk/worker/worker.h"

#include "sdk/base/clock.h"
#include "sdk/base/lock.h"
#include "sdk/base/quiet.h"
#include "sdk/base/thread.h"
#include "sdk/worker/drive.h"
#include "sdk/worker/own_thread.h"
#include "sdk/worker/wake.h"

#include <clew/extend.h>

#include <errno.h>
#include <string.h>

/* How long past its deadline a close waits for the worker to cancel what is under way. */
#define CANCEL_GRACE_NANO (30 * CLEW__NANO_PER_MILLI)
/* A worker that is in one task for so long is replaced while somebody waits for another. */
#define STUCK_NANO CLEW__NANO_PER_SECOND
#define PREPARE_ROUNDS 1000u
/* Threads that record try this often to start a worker that could not be started. */
#define RETRY_NANO CLEW__NANO_PER_SECOND
/* Exporters count milliseconds: what ends this close to the deadline ended because of it. */
#define ROUNDING_NANO (5 * CLEW__NANO_PER_MILLI)

static pthread_cond_t changed;
static pthread_once_t setup_once = PTHREAD_ONCE_INIT;
static unsigned waiters;
static bool locked_for_fork;
static _Atomic(const struct clew__worker_hooks *) hooks_above; /* NULL until registered */

static atomic_bool running;            /* there is a thread, and it was not replaced */
static bool was_started;               /* under the mutex */
static _Atomic uint64_t retry_at_nano; /* after a start that failed */

static int start_thread(void);

/* No task is left. Caller holds the mutex. */
static void tell_idle(void) {
    const struct clew__worker_hooks *hooks = atomic_load(&hooks_above);
    if (hooks)
        hooks->idle();
}

/* ---- the thread ---- */

/* The descriptor that the thread waits on was closed by somebody: another thread takes its place. The old one
 * ends when it looks around. */
static void replace_deaf_thread(void) {
    pthread_mutex_lock(&clew__drive_mutex);
    if (atomic_load(&running) && clew__wake_make() == 0) {
        clew__drive_replace_at_once();
        atomic_store(&running, false);
        start_thread();
    }
    pthread_mutex_unlock(&clew__drive_mutex);
}

void clew__worker_wake(void) {
    int saved = errno;
    if (!clew__wake_send() && atomic_load(&running))
        replace_deaf_thread();
    errno = saved;
}

/* False when the thread has nothing more to do here: no task is left, or it was replaced. */
static bool goes_on(uintptr_t self) {
    bool goes = false;
    pthread_mutex_lock(&clew__drive_mutex);
    if (clew__drive_is(self)) {
        goes = clew__drive_forget_closed();
        if (!goes) {
            tell_idle();
            clew__drive_end(self);
            clew__own_thread_leaves();
            atomic_store(&running, false);
            pthread_cond_broadcast(&changed);
        }
    }
    pthread_mutex_unlock(&clew__drive_mutex);
    return goes;
}

/* Waits for whatever comes. Without a descriptor to be woken by it looks again soon. Who was replaced
 * meanwhile leaves the wake-up to the one it is meant for. */
static void watch(uintptr_t self, clew_poll *descriptors, size_t count, uint64_t wake) {
    uint64_t soon = clew__monotonic_nano() + CLEW__BLIND_NANO;
    int error;
    pthread_mutex_lock(&clew__drive_mutex);
    error = clew__wake_make();
    pthread_mutex_unlock(&clew__drive_mutex);
    clew__drive_poll(descriptors, count, error && soon < wake ? soon : wake);
    pthread_mutex_lock(&clew__drive_mutex);
    if (clew__drive_is(self))
        clew__wake_hear();
    pthread_mutex_unlock(&clew__drive_mutex);
}

static void *worker_thread(void *argument) {
    uintptr_t self = (uintptr_t)argument;
    clew_poll descriptors[CLEW__DESCRIPTORS_MAX];
    bool has_polled = false;
    clew__own_thread_begin(NULL);
    for (;;) {
        uint64_t wake = UINT64_MAX;
        size_t count = 0;
        if (!clew__drive_step(self, has_polled ? descriptors : NULL, &wake) ||
            !clew__drive_wait(self, descriptors, CLEW__DESCRIPTORS_MAX, &count, &wake) || !goes_on(self))
            return NULL;
        watch(self, descriptors, count, wake);
        has_polled = true;
    }
}

/* The number of an error, or 0, also when there is nothing to start one for. Caller holds the mutex. */
static int start_thread(void) {
    uintptr_t self;
    int error = clew__wake_make();
    if (error)
        return error;
    self = clew__drive_is_by_loop() || !clew__drive_tasks() ? 0 : clew__drive_begin();
    if (!self)
        return 0;
    atomic_store(&running, true);
    error = clew__own_thread_start(worker_thread, (void *)self);
    if (error) {
        atomic_store(&running, false);
        clew__drive_end(self);
    }
    was_started |= error == 0;
    return error;
}

void clew__worker_ensure(void) {
    int saved = errno, error = 0;
    if (atomic_load_explicit(&running, memory_order_acquire) || clew__drive_is_by_loop() ||
        (atomic_load(&retry_at_nano) && clew__monotonic_nano() < atomic_load(&retry_at_nano)))
        return;
    pthread_mutex_lock(&clew__drive_mutex);
    if (!atomic_load(&running))
        error = start_thread();
    atomic_store(&retry_at_nano, error ? clew__monotonic_nano() + RETRY_NANO : 0);
    pthread_mutex_unlock(&clew__drive_mutex);
    if (error)
        clew_log(CLEW_LOG_ERROR, "worker",
                 "cannot start the worker thread: %s; spans wait in the queue, and it is tried again",
                 strerror(error));
    errno = saved;
}

bool clew__worker_is_running(void) {
    return atomic_load(&running);
}

bool clew__worker_was_started(void) {
    return was_started;
}

/* ---- tasks ---- */

void clew__worker_add(struct clew__task *task) {
    clew__worker_setup();
    pthread_mutex_lock(&clew__drive_mutex);
    clew__drive_add(task);
    pthread_mutex_unlock(&clew__drive_mutex);
    clew__worker_wake();
}

void clew__worker_tell(void) {
    pthread_mutex_lock(&clew__drive_mutex);
    if (waiters)
        pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&clew__drive_mutex);
}

void clew__task_closed(struct clew__task *task) {
    pthread_mutex_lock(&clew__drive_mutex);
    atomic_store_explicit(&task->phase, CLEW__CLOSED, memory_order_release);
    if (waiters)
        pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&clew__drive_mutex);
}

/* ---- flush and close ---- */

/* One call of either, and what it asked for. */
struct wish {
    struct clew__task *const *tasks;
    struct clew__ticket tickets[CLEW__TASKS_MAX];
    size_t count;
    bool is_close;
    bool is_late;     /* a close that had to do without the thread that was stuck, */
    bool is_given_up; /* or that got no time from the machine */
};

static bool is_fulfilled(struct wish *wish) {
    for (size_t i = 0; i < wish->count; i++)
        if (wish->is_close ? atomic_load(&wish->tasks[i]->phase) != CLEW__CLOSED
                           : atomic_load(&wish->tickets[i].open) > 0)
            return false;
    return true;
}

/* Waits for a change until then at the latest. Caller holds the mutex. */
static void wait_for_change(uint64_t until_nano) {
    struct timespec until = {(time_t)(until_nano / CLEW__NANO_PER_SECOND),
                             (long)(until_nano % CLEW__NANO_PER_SECOND)};
    waiters++;
    pthread_cond_timedwait(&changed, &clew__drive_mutex, &until);
    waiters--;
}

static uint64_t earlier(uint64_t one, uint64_t other) {
    return one < other ? one : other;
}

/* Drives on this thread until the wish is fulfilled or the time is over. Caller holds the mutex, which is
 * free meanwhile. */
static void drive_for(struct wish *wish, uintptr_t self, uint64_t until) {
    clew_poll descriptors[CLEW__DESCRIPTORS_MAX];
    struct clew__quiet quiet;
    bool has_polled = false, is_driver = true;
    pthread_mutex_unlock(&clew__drive_mutex);
    clew__quiet_begin(&quiet);
    while (is_driver) {
        uint64_t wake = UINT64_MAX;
        size_t count = 0;
        is_driver = clew__drive_step(self, has_polled ? descriptors : NULL, &wake);
        if (is_fulfilled(wish) || clew__monotonic_nano() >= until)
            break;
        is_driver = is_driver && clew__drive_wait(self, descriptors, CLEW__DESCRIPTORS_MAX, &count, &wake);
        if (is_driver)
            watch(self, descriptors, count,
                  earlier(wake, earlier(until, clew__monotonic_nano() + STUCK_NANO)));
        has_polled = true;
    }
    clew__quiet_end(&quiet);
    pthread_mutex_lock(&clew__drive_mutex);
    if (!clew__drive_forget_closed())
        tell_idle();
    clew__drive_end(self);
    pthread_cond_broadcast(&changed);
    /* The application's loop may wait for less than there is now. */
    if (clew__drive_is_by_loop())
        clew__wake_send();
}

/* Caller holds the mutex. */
static void wait_for(struct wish *wish, uint64_t until) {
    while (!is_fulfilled(wish) && clew__monotonic_nano() < until) {
        uintptr_t self = atomic_load(&running) ? 0 : clew__drive_begin();
        if (self) {
            drive_for(wish, self, until);
            continue;
        }
        wait_for_change(earlier(until, clew__monotonic_nano() + STUCK_NANO));
        if (!is_fulfilled(wish) && clew__drive_replace(STUCK_NANO)) {
            atomic_store(&running, false);
            start_thread();
        }
    }
}

/* A close whose time is over: what somebody is stuck in counts as closed, and what the stuck driver never
 * came to is given to another one. Returns whether there is something more to wait for. Caller holds the
 * mutex. */
static bool rescue(struct wish *wish) {
    bool is_open = false, is_replaced;
    wish->is_late = true;
    for (size_t i = 0; i < wish->count; i++) {
        struct clew__task *task = wish->tasks[i];
        if (atomic_load(&task->phase) != CLEW__CLOSED && !clew__drive_abandon(task))
            is_open = true;
    }
    is_replaced = clew__drive_replace(CANCEL_GRACE_NANO / 2) || clew__drive_is_idle();
    if (is_replaced) {
        atomic_store(&running, false);
        start_thread();
    }
    return is_open && is_replaced;
}

/* A close that waits no longer leaves nothing without a fate. */
static void give_up(struct wish *wish) {
    for (size_t i = 0; i < wish->count; i++) {
        struct clew__task *task = wish->tasks[i];
        if (atomic_load(&task->phase) == CLEW__CLOSED || !task->kind->give_up)
            continue;
        task->kind->give_up(task);
        wish->is_given_up = true;
    }
}

static void say_late(const struct wish *wish) {
    if (wish->is_given_up)
        clew_log(CLEW_LOG_WARN, "worker",
                 "the worker was given no time before the deadline: what was left counts as not delivered");
    else if (wish->is_late)
        clew_log(CLEW_LOG_WARN, "worker", "an exporter has not come back in time and is left behind");
}

void clew__worker_unstick(void) {
    static _Atomic uint64_t next_look;
    uint64_t now = clew__monotonic_nano();
    int saved = errno;
    if (now < atomic_load(&next_look) || pthread_mutex_trylock(&clew__drive_mutex) != 0)
        return;
    atomic_store(&next_look, now + STUCK_NANO / 2);
    if (clew__drive_replace(STUCK_NANO)) {
        atomic_store(&running, false);
        start_thread();
    }
    pthread_mutex_unlock(&clew__drive_mutex);
    errno = saved;
}

static void ask(struct wish *wish, uint64_t deadline) {
    memset(wish->tickets, 0, sizeof wish->tickets);
    for (size_t i = 0; i < wish->count; i++)
        wish->tasks[i]->kind->ask(wish->tasks[i], &wish->tickets[i], deadline);
    pthread_mutex_lock(&clew__drive_mutex);
    for (size_t i = 0; wish->is_close && i < wish->count; i++) {
        atomic_store(&wish->tasks[i]->close_deadline, deadline);
        atomic_store(&wish->tasks[i]->phase, CLEW__CLOSING);
    }
    pthread_mutex_unlock(&clew__drive_mutex);
}

static void add_outcome(struct clew__outcome *sum, const struct clew__outcome *one) {
    sum->delivered += one->delivered;
    sum->rejected += one->rejected;
    sum->failed += one->failed;
    sum->unknown += one->unknown;
    sum->spooled += one->spooled;
}

static struct clew__worker_result take_back(struct wish *wish, uint64_t deadline) {
    struct clew__worker_result result = {.in_time = !wish->is_late && !wish->is_given_up};
    for (size_t i = 0; i < wish->count; i++) {
        struct clew__ticket *ticket = &wish->tickets[i];
        wish->tasks[i]->kind->take_back(wish->tasks[i], ticket);
        if (atomic_load(&ticket->open) > 0)
            result.in_time = false;
        add_outcome(&result.outcome, &ticket->outcome);
    }
    if (wish->is_close && result.outcome.failed + result.outcome.unknown > 0 &&
        clew__monotonic_nano() + ROUNDING_NANO >= deadline)
        result.in_time = false;
    return result;
}

static bool has_open(struct wish *wish) {
    bool has = false;
    for (size_t i = 0; i < wish->count; i++)
        has |= atomic_load(&wish->tickets[i].open) > 0;
    return has;
}

static struct clew__worker_result finish(struct clew__task *const *asked, size_t count, uint64_t deadline,
                                         bool is_close) {
    struct wish wish = {.tasks = asked, .count = count, .is_close = is_close};
    uint64_t patience = is_close ? deadline + CANCEL_GRACE_NANO : deadline;
    int cancel = clew__cancel_forbid();
    struct clew__worker_result result;
    bool is_own; /* called by an exporter on the driver: it would wait for itself */
    pthread_mutex_lock(&clew__drive_mutex);
    is_own = clew__drive_is_inside();
    pthread_mutex_unlock(&clew__drive_mutex);
    ask(&wish, deadline);
    if (has_open(&wish) && !is_own) /* it could not be started at the end of a span */
        clew__worker_ensure();
    clew__worker_wake();
    pthread_mutex_lock(&clew__drive_mutex);
    if (!is_own)
        wait_for(&wish, patience);
    for (size_t i = 0; is_close && !is_own && !is_fulfilled(&wish) && i <= count && rescue(&wish); i++)
        wait_for(&wish, clew__monotonic_nano() + CANCEL_GRACE_NANO);
    while (is_close && !is_own && !clew__drive_has_work() && atomic_load(&running) &&
           clew__monotonic_nano() < patience)
        wait_for_change(patience);
    pthread_mutex_unlock(&clew__drive_mutex);
    if (is_close && !is_own) {
        clew__own_thread_wait(patience);
        give_up(&wish);
    }
    result = take_back(&wish, deadline);
    say_late(&wish);
    clew__cancel_allow(cancel);
    return result;
}

struct clew__worker_result clew__worker_flush(struct clew__task *const *asked, size_t count,
                                              uint64_t deadline) {
    return finish(asked, count, deadline, false);
}

struct clew__worker_result clew__worker_close(struct clew__task *const *asked, size_t count,
                                              uint64_t deadline) {
    return finish(asked, count, deadline, true);
}

/* ---- fork ---- */

static void before_fork(void) {
    const struct clew__worker_hooks *hooks = atomic_load(&hooks_above);
    locked_for_fork = false;
    for (unsigned round = 0; !locked_for_fork && round < PREPARE_ROUNDS; round++) {
        locked_for_fork = pthread_mutex_trylock(&clew__drive_mutex) == 0;
        if (!locked_for_fork)
            clew__wait_a_little(round);
    }
    if (hooks)
        hooks->before_fork();
}

static void after_fork_in_parent(void) {
    const struct clew__worker_hooks *hooks = atomic_load(&hooks_above);
    if (hooks)
        hooks->after_fork_in_parent();
    if (locked_for_fork)
        pthread_mutex_unlock(&clew__drive_mutex);
}

static void init_condition(void) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

static void after_fork_in_child(struct clew__thread *self) {
    const struct clew__worker_hooks *hooks = atomic_load(&hooks_above);
    (void)self;
    if (locked_for_fork)
        pthread_mutex_unlock(&clew__drive_mutex);
    else
        pthread_mutex_init(&clew__drive_mutex, NULL);
    init_condition();
    waiters = 0;
    atomic_store(&running, false);
    atomic_store(&retry_at_nano, 0);
    clew__own_thread_forked();
    clew__wake_forked();
    if (hooks)
        hooks->before_repair_in_child();
    clew__drive_forked();
    if (hooks)
        hooks->after_repair_in_child();
}

bool clew__worker_knows(const struct clew__task *task) {
    const struct clew__task *known = clew__drive_tasks();
    while (known && known != task)
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

void clew__worker_register_hooks(const struct clew__worker_hooks *hooks) {
    atomic_store(&hooks_above, hooks);
}
