/* Owns what the application's loop knows when it drives in the place of the worker thread; <clew/worker.h>.
 * It is guarded by the worker's mutex; any thread, one steps at a time. While somebody else drives, a flush
 * on another thread, the loop has nothing to do. */
#include "sdk/base/clock.h"
#include "sdk/base/lock.h"
#include "sdk/base/quiet.h"
#include "sdk/base/thread.h"
#include "sdk/worker/drive.h"
#include "sdk/worker/own_thread.h"
#include "sdk/worker/wake.h"
#include "sdk/worker/worker.h"

#include <clew/worker.h>

#include <errno.h>
#include <limits.h>
#include <poll.h>

static uint64_t due;        /* when the last step wanted the next one */
static uint64_t round_seen; /* of waiting, that the application has the descriptors of */
static size_t count_seen;

int clew_worker_configure(const clew_worker_options *options) {
    int result;
    if (!options)
        return CLEW_EINVAL;
    pthread_mutex_lock(&clew__drive_mutex);
    result = clew__worker_was_started() ? CLEW_EALREADY : clew__own_thread_configure(options);
    pthread_mutex_unlock(&clew__drive_mutex);
    return result;
}

int clew_loop_attach(void) {
    struct clew__thread *thread = clew__thread_enter();
    int saved = errno, result = CLEW_EALREADY;
    if (!thread)
        return CLEW_ENOMEM;
    clew__worker_setup();
    pthread_mutex_lock(&clew__drive_mutex);
    if (!clew__drive_is_by_loop() && !clew__worker_is_running()) {
        result = clew__wake_make() == 0 ? CLEW_OK : CLEW_EIO;
        clew__drive_set_by_loop(result == CLEW_OK);
        due = 0;
    }
    pthread_mutex_unlock(&clew__drive_mutex);
    clew__thread_leave(thread);
    errno = saved;
    return result;
}

void clew_loop_detach(void) {
    struct clew__thread *thread = clew__thread_enter();
    if (!thread)
        return;
    pthread_mutex_lock(&clew__drive_mutex);
    clew__drive_set_by_loop(false);
    pthread_mutex_unlock(&clew__drive_mutex);
    clew__worker_ensure();
    clew__thread_leave(thread);
}

static int milliseconds_until(uint64_t time) {
    uint64_t now = clew__monotonic_nano(), left;
    if (time == UINT64_MAX)
        return -1;
    left = time > now ? (time - now + CLEW__NANO_PER_MILLI - 1) / CLEW__NANO_PER_MILLI : 0;
    return left < INT_MAX ? (int)left : INT_MAX;
}

/* Becomes the driver, unless there is one or the application does not drive. */
static uintptr_t begin(void) {
    uintptr_t self;
    pthread_mutex_lock(&clew__drive_mutex);
    self = clew__drive_is_by_loop() ? clew__drive_begin() : 0;
    pthread_mutex_unlock(&clew__drive_mutex);
    return self;
}

static void end(uintptr_t self, uint64_t wake) {
    pthread_mutex_lock(&clew__drive_mutex);
    if (clew__drive_is(self)) {
        due = wake;
        clew__drive_forget_closed();
    }
    clew__drive_end(self);
    pthread_mutex_unlock(&clew__drive_mutex);
    clew__worker_tell(); /* a flush may want to drive */
}

/* What to wait for behind the descriptor of the wake-ups. */
static size_t wait_for_tasks(clew_poll *descriptors, size_t capacity, uint64_t *wake) {
    uintptr_t self = begin();
    uint64_t step_wanted;
    size_t count = 0;
    if (!self) {
        *wake = clew__monotonic_nano() + CLEW__BLIND_NANO;
        return 0;
    }
    step_wanted = due;
    clew__drive_wait(self, descriptors, capacity, &count, wake);
    *wake = step_wanted < *wake ? step_wanted : *wake;
    pthread_mutex_lock(&clew__drive_mutex);
    round_seen = clew__drive_rounds();
    count_seen = count;
    pthread_mutex_unlock(&clew__drive_mutex);
    end(self, step_wanted);
    return count;
}

size_t clew_loop_wait(clew_poll *descriptors, size_t capacity, int *timeout_ms) {
    struct clew__thread *thread = clew__thread_enter();
    int saved = errno, cancel;
    uint64_t wake = UINT64_MAX;
    size_t count = 0;
    *timeout_ms = clew__drive_is_by_loop() ? (int)(CLEW__BLIND_NANO / CLEW__NANO_PER_MILLI) : -1;
    if (!thread)
        return 0;
    if (!clew__drive_is_by_loop()) {
        clew__thread_leave(thread);
        return 0;
    }
    cancel = clew__cancel_forbid();
    pthread_mutex_lock(&clew__drive_mutex);
    clew__wake_make(); /* the application may have closed it */
    pthread_mutex_unlock(&clew__drive_mutex);
    if (capacity > 0) {
        descriptors[0].fd = clew__wake_descriptor();
        descriptors[0].events = POLLIN;
        descriptors[0].revents = 0;
        count = 1 + wait_for_tasks(descriptors + 1, capacity - 1, &wake);
    }
    if (capacity == 0 || clew__wake_descriptor() < 0) {
        uint64_t blind = clew__monotonic_nano() + CLEW__BLIND_NANO;
        wake = blind < wake ? blind : wake;
    }
    *timeout_ms = milliseconds_until(wake);
    clew__cancel_allow(cancel);
    clew__thread_leave(thread);
    errno = saved;
    return count;
}

static void step(uintptr_t self, const clew_poll *polled) {
    uint64_t wake = UINT64_MAX, ignored = UINT64_MAX;
    clew_poll own[CLEW__DESCRIPTORS_MAX];
    struct clew__quiet quiet;
    size_t count;
    clew__quiet_begin(&quiet);
    if (!polled && clew__drive_wait(self, own, CLEW__DESCRIPTORS_MAX, &count, &ignored)) {
        clew__drive_poll(own, count, 0);
        polled = own;
    }
    clew__wake_hear();
    clew__drive_step(self, polled, &wake);
    clew__quiet_end(&quiet);
    end(self, wake);
}

void clew_loop_step(const clew_poll *descriptors, size_t count) {
    struct clew__thread *thread = clew__thread_enter();
    int saved = errno, cancel;
    uintptr_t self;
    bool is_known;
    if (!thread)
        return;
    cancel = clew__cancel_forbid();
    self = begin();
    if (self) {
        /* Another thread may have driven since the wait: then its descriptors are others. */
        pthread_mutex_lock(&clew__drive_mutex);
        is_known = descriptors && count == count_seen + 1 && round_seen == clew__drive_rounds();
        pthread_mutex_unlock(&clew__drive_mutex);
        step(self, is_known ? descriptors + 1 : NULL);
    }
    clew__cancel_allow(cancel);
    clew__thread_leave(thread);
    errno = saved;
}
