/* Owns the list of tasks and who drives them, under one mutex. Rounds run on the driver alone; the mutex is
 * free while it is in a task. */
#include "sdk/worker/drive.h"

#include "sdk/base/clock.h"
#include "sdk/worker/wake.h"
#include "sdk/worker/worker.h"

#include <clew/extend.h>
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <time.h>

/* A driver looks around this often at least: one that was replaced while it waited is gone by then. */
#define LOOK_NANO (60 * CLEW__NANO_PER_SECOND)

pthread_mutex_t clew__drive_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct clew__task *tasks;
static uintptr_t driver, last_driver;
static pthread_t driver_thread;    /* while `inside` is not NULL */
static struct clew__task *inside;  /* what the driver is in, */
static uint64_t inside_since_nano; /* and since when */
static uint64_t rounds;            /* of stepping and of waiting */
static atomic_bool is_by_loop;

uintptr_t clew__drive_begin(void) {
    if (driver)
        return 0;
    if (++last_driver == 0)
        ++last_driver;
    return driver = last_driver;
}

void clew__drive_end(uintptr_t self) {
    if (driver == self)
        driver = 0;
}

bool clew__drive_is(uintptr_t self) {
    return driver == self;
}

bool clew__drive_is_idle(void) {
    return driver == 0;
}

bool clew__drive_is_inside(void) {
    return inside && pthread_equal(driver_thread, pthread_self());
}

bool clew__drive_is_by_loop(void) {
    return is_by_loop;
}

void clew__drive_set_by_loop(bool by_loop) {
    is_by_loop = by_loop;
}

void clew__drive_replace_at_once(void) {
    inside = NULL;
    driver = 0;
}

bool clew__drive_replace(uint64_t stuck_nano) {
    bool has_others = false;
    for (struct clew__task *task = tasks; task; task = task->next)
        has_others |= !task->held_by;
    if (!inside || !has_others || clew__monotonic_nano() - inside_since_nano < stuck_nano)
        return false;
    clew__drive_replace_at_once();
    return true;
}

struct clew__task *clew__drive_tasks(void) {
    return tasks;
}

bool clew__drive_has_work(void) {
    struct clew__task *task = tasks;
    while (task && atomic_load(&task->phase) == CLEW__CLOSED)
        task = task->next;
    return task != NULL;
}

void clew__drive_add(struct clew__task *task) {
    task->next = tasks;
    tasks = task;
}

static void take_off(struct clew__task *task) {
    struct clew__task **link = &tasks;
    while (*link && *link != task)
        link = &(*link)->next;
    if (*link)
        *link = task->next;
}

bool clew__drive_abandon(struct clew__task *task) {
    if (!task->held_by || !task->kind->abandon(task))
        return false;
    if (task->held_by == driver)
        clew__drive_replace_at_once();
    task->is_abandoned = true;
    atomic_store_explicit(&task->phase, CLEW__CLOSED, memory_order_release);
    take_off(task);
    return true;
}

bool clew__drive_forget_closed(void) {
    for (struct clew__task **link = &tasks; *link;) {
        if (atomic_load(&(*link)->phase) == CLEW__CLOSED && !(*link)->held_by)
            *link = (*link)->next;
        else
            link = &(*link)->next;
    }
    return tasks != NULL;
}

void clew__drive_forked(void) {
    driver = 0;
    inside = NULL;
    is_by_loop = false;
    for (struct clew__task *task = tasks; task; task = task->next) {
        task->held_by = 0;
        task->poll_count = 0;
        task->kind->forked(task);
    }
}

/* ---- rounds ---- */

uint64_t clew__drive_rounds(void) {
    return rounds;
}

/* Into the first task from here on that nobody is in. Caller holds the mutex and drives. */
static struct clew__task *enter(struct clew__task *task) {
    while (task && (task->held_by || atomic_load(&task->phase) == CLEW__CLOSED))
        task = task->next;
    inside = task;
    if (task) {
        task->held_by = driver;
        driver_thread = pthread_self();
        inside_since_nano = clew__monotonic_nano();
    }
    return task;
}

/* Out of a task and into the next; NULL at the end. One who was replaced goes into none: he leaves what he
 * was in to others, or buries it when it was closed without him. */
static struct clew__task *go_on(uintptr_t self, struct clew__task *task, bool *is_driver) {
    struct clew__task *next = NULL;
    bool is_abandoned;
    pthread_mutex_lock(&clew__drive_mutex);
    task->held_by = 0;
    is_abandoned = task->is_abandoned;
    *is_driver = driver == self;
    if (*is_driver)
        next = enter(task->next);
    pthread_mutex_unlock(&clew__drive_mutex);
    if (is_abandoned)
        task->kind->bury(task);
    else if (!*is_driver)
        clew__worker_wake();
    return next;
}

bool clew__drive_step(uintptr_t self, const clew_poll *polled, uint64_t *wake) {
    uint64_t now = clew__monotonic_nano();
    struct clew__task *task;
    bool is_driver;
    pthread_mutex_lock(&clew__drive_mutex);
    is_driver = driver == self;
    rounds += is_driver;
    task = is_driver ? enter(tasks) : NULL;
    pthread_mutex_unlock(&clew__drive_mutex);
    while (task) {
        bool has_polled = polled && task->poll_count > 0;
        task->kind->step(task, has_polled ? polled + task->poll_first : NULL,
                         has_polled ? task->poll_count : 0, now, wake);
        task = go_on(self, task, &is_driver);
    }
    return is_driver;
}

bool clew__drive_wait(uintptr_t self, clew_poll *descriptors, size_t capacity, size_t *count,
                      uint64_t *wake) {
    struct clew__task *task;
    bool is_driver;
    *count = 0;
    pthread_mutex_lock(&clew__drive_mutex);
    is_driver = driver == self;
    rounds += is_driver;
    for (task = tasks; is_driver && task; task = task->next)
        task->poll_count = 0; /* also of those that somebody else is still in */
    task = is_driver ? enter(tasks) : NULL;
    pthread_mutex_unlock(&clew__drive_mutex);
    while (task) {
        size_t added = task->kind->wait(task, descriptors + *count, capacity - *count, wake);
        pthread_mutex_lock(&clew__drive_mutex);
        if (driver == self) {
            task->poll_first = *count;
            task->poll_count = added;
        }
        pthread_mutex_unlock(&clew__drive_mutex);
        *count += added;
        task = go_on(self, task, &is_driver);
    }
    return is_driver;
}

/* In the place of a wait that fails, for want of memory or because the program forbade it. */
static void nap(uint64_t longest_nano) {
    struct timespec time = {0, (long)(longest_nano < CLEW__BLIND_NANO ? longest_nano : CLEW__BLIND_NANO)};
    nanosleep(&time, NULL);
}

void clew__drive_poll(clew_poll *descriptors, size_t count, uint64_t wake) {
    struct pollfd events[CLEW__DESCRIPTORS_MAX + 1];
    uint64_t now = clew__monotonic_nano(), longest = now + LOOK_NANO;
    struct timespec timeout = {0, 0};
    int ready;
    wake = wake < longest ? wake : longest;
    if (wake > now) {
        timeout.tv_sec = (time_t)((wake - now) / CLEW__NANO_PER_SECOND);
        timeout.tv_nsec = (long)((wake - now) % CLEW__NANO_PER_SECOND);
    }
    events[0].fd = clew__wake_descriptor(); /* -1 is passed over */
    events[0].events = POLLIN;
    for (size_t i = 0; i < count; i++) {
        events[i + 1].fd = descriptors[i].fd;
        events[i + 1].events = descriptors[i].events;
        events[i + 1].revents = 0;
    }
    ready = ppoll(events, count + 1, &timeout, NULL);
    if (ready < 0 && errno != EINTR && wake > now)
        nap(wake - now);
    for (size_t i = 0; ready <= 0 && i <= count; i++)
        events[i].revents = 0;
    for (size_t i = 0; i < count; i++)
        descriptors[i].revents = events[i + 1].revents;
}
