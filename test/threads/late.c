/* A worker that is kept from its work by the machine or by failing system calls: a shutdown is back in time
 * all the same, nothing is left without a fate, and what the worker does later changes no books. */
#include "gated.h"

#include "sdk/worker/wake.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PATIENCE_MS = 1000 }; /* generous: the promise is 50 ms more than the timeout */

/* ---- the machine ---- */

static atomic_bool holds_waits, holds_memory, fails_waits, fails_descriptors;
static atomic_uint held, failed;
/* The first worker and the second that come to wait are let go one by one; the first finds nothing. */
static atomic_bool holds_in_turn, lets_go[2];
static atomic_uint arrived;

static void hold(atomic_bool *while_set) {
    atomic_fetch_add(&held, 1);
    while (atomic_load(while_set))
        usleep(200);
    atomic_fetch_sub(&held, 1);
}

static bool is_worker(void) {
    char name[16] = "";
    prctl(PR_GET_NAME, name);
    return strcmp(name, "clew") == 0;
}

static bool has_nothing_to_hear(void) {
    struct pollfd bell = {.fd = clew__wake_descriptor(), .events = POLLIN};
    return poll(&bell, 1, 0) == 0;
}

/* In the place of the C library's. */
int ppoll(struct pollfd *events, nfds_t count, const struct timespec *timeout, const sigset_t *mask) {
    struct timespec left = timeout ? *timeout : (struct timespec){0, 0};
    if (atomic_load(&holds_waits) && is_worker())
        hold(&holds_waits);
    if (atomic_load(&holds_in_turn) && is_worker() && has_nothing_to_hear()) {
        unsigned turn = atomic_fetch_add(&arrived, 1);
        while (turn < 2 && !atomic_load(&lets_go[turn]))
            usleep(200);
        if (turn == 0)
            return 0;
    }
    if (atomic_load(&fails_waits)) {
        atomic_fetch_add(&failed, 1);
        errno = ENOMEM;
        return -1;
    }
    return (int)syscall(SYS_ppoll, events, count, timeout ? &left : NULL, mask, _NSIG / 8);
}

int pipe2(int ends[2], int flags) {
    if (atomic_load(&fails_descriptors)) {
        errno = EMFILE;
        return -1;
    }
    return (int)syscall(SYS_pipe2, ends, flags);
}

int eventfd(unsigned count, int flags) {
    if (atomic_load(&fails_descriptors)) {
        errno = EMFILE;
        return -1;
    }
    return (int)syscall(SYS_eventfd2, count, flags);
}

static void *allocate(void *user, size_t size) {
    (void)user;
    if (atomic_load(&holds_memory) && is_worker())
        hold(&holds_memory);
    return malloc(size);
}
static void *reallocate(void *user, void *block, size_t size) {
    (void)user;
    return realloc(block, size);
}
static void release(void *user, void *block) {
    (void)user;
    free(block);
}

/* ---- an exporter whose answer never comes, until it is cancelled: then it had come ---- */

static clew_export_outcome silent_start(void *self, const clew_batch *batch, uint64_t deadline,
                                        clew_export_report *report) {
    (void)batch;
    (void)deadline;
    (void)report;
    atomic_fetch_add(&((struct gated *)self)->entered, 1);
    return CLEW_EXPORT_PENDING;
}
static clew_export_outcome silent_step(void *self, const clew_poll *descriptors, size_t count, uint64_t now,
                                       clew_export_report *report) {
    (void)self;
    (void)descriptors;
    (void)count;
    (void)now;
    (void)report;
    return CLEW_EXPORT_PENDING;
}
static clew_export_outcome silent_cancel(void *self) {
    (void)self;
    return CLEW_EXPORT_DELIVERED;
}

static clew_provider *silent_provider(struct gated *gated) {
    clew_provider_options plain = {.resource = clew_resource_new(NULL, 0, NULL)};
    clew_provider *provider = clew_provider_new(&plain);
    clew_exporter exporter = {.name = "silent",
                              .self = gated,
                              .start = silent_start,
                              .step = silent_step,
                              .cancel = silent_cancel,
                              .destroy = gated_destroy};
    clew_provider_add_batch(provider, &exporter, NULL);
    return provider;
}

/* ---- */

static uint64_t ms_since(uint64_t before) {
    return (clew_monotonic_nano() - before) / 1000000;
}

struct expected {
    const char *what;
    uint64_t in_flight, waiting;
};

/* Shuts down while `holds` is set and the worker is held by it, lets that go, and looks at the books. */
static void shut_down_without_it(clew_provider *provider, struct gated *gated, atomic_bool *holds,
                                 const struct expected *expected) {
    const char *what = expected->what;
    clew_pipeline_stats before, after;
    clew_delivery delivery;
    uint64_t begun;
    if (!EVENTUALLY(atomic_load(&held) > 0))
        tap_ok(false, "%s: the worker is held", what);
    begun = clew_monotonic_nano();
    delivery = clew_provider_shutdown(provider, 50);
    tap_ok(ms_since(begun) < 50 + PATIENCE_MS, "%s: a shutdown does not wait for it", what);
    before = books_of(provider).pipelines[0];
    tap_ok(before.pending == 0 && books_balance(provider), "%s: nothing is left pending (%lu)", what,
           (unsigned long)before.pending);
    tap_ok(delivery.status == CLEW_ETIMEDOUT &&
               is_delivery(&delivery, 0, expected->waiting, expected->in_flight, 0) &&
               before.unknown == expected->in_flight && before.dropped_shutdown == expected->waiting,
           "%s: what was sent is unknown, what waited was not sent", what);
    atomic_store(holds, false);
    tap_ok(EVENTUALLY(atomic_load(&gated->destroyed) == 1), "%s: it destroys the exporter later", what);
    after = books_of(provider).pipelines[0];
    tap_ok(memcmp(&before, &after, sizeof before) == 0, "%s: and changes no books", what);
}

static void held_while_it_waits(void) {
    struct gated gated = {.is_open = true};
    clew_provider *provider = gated_provider(&gated, CLEW_EXPORTER_LOCAL, NULL);
    int64_t number = 0;
    atomic_store(&holds_waits, true);
    make_spans(provider, 5, &number);
    shut_down_without_it(provider, &gated, &holds_waits, &(struct expected){"held while it waits", 0, 5});
    tap_ok(gated.spans == 0, "held while it waits: what was counted as not sent is not sent");
}

static void held_with_a_batch_under_way(void) {
    struct gated gated = {.is_open = true};
    clew_provider *provider = silent_provider(&gated);
    int64_t number = 0;
    make_spans(provider, 3, &number);
    clew_provider_flush(provider, 0);
    EVENTUALLY(atomic_load(&gated.entered) > 0);
    atomic_store(&holds_waits, true);
    clew_provider_flush(provider, 0);
    make_spans(provider, 4, &number);
    shut_down_without_it(provider, &gated, &holds_waits,
                         &(struct expected){"held with a batch under way", 3, 4});
}

/* It has taken the spans off the queue, and is not in the exporter yet. */
static void held_with_spans_in_hand(void) {
    struct gated gated = {.is_open = true};
    struct counter counter = {.spans = 0};
    clew_provider *provider = gated_provider(&gated, CLEW_EXPORTER_LOCAL, NULL);
    clew_provider *other = counting_provider(&counter);
    clew_delivery delivery;
    int64_t number = 0;
    make_spans(provider, 6, &number);
    atomic_store(&holds_memory, true);
    clew_provider_flush(provider, 0);
    EVENTUALLY(atomic_load(&held) > 0);
    make_spans(provider, 2, &number);
    shut_down_without_it(provider, &gated, &holds_memory,
                         &(struct expected){"held with spans in hand", 0, 8});
    tap_ok(gated.spans == 0, "held with spans in hand: what was counted as not sent is not sent");
    make_spans(other, 7, &number);
    delivery = clew_provider_shutdown(other, 20000);
    tap_ok(delivery.status == 0 && delivery.delivered == 7 && counter.spans == 7, "others go on");
}

static unsigned thread_count(void) {
    DIR *tasks = opendir("/proc/self/task");
    unsigned count = 0;
    while (readdir(tasks))
        count++;
    closedir(tasks);
    return count;
}

static void a_wake_up_is_the_new_workers(void) {
    struct gated gated = {.is_open = true};
    clew_batch_options options = clew_batch_options_default();
    clew_provider *provider;
    unsigned threads;
    int64_t number = 0;
    options.schedule_delay_ms = 60000;
    provider = gated_provider(&gated, CLEW_EXPORTER_LOCAL, &options);
    make_spans(provider, 1, &number);
    clew_provider_flush(provider, 20000);
    atomic_store(&holds_in_turn, true);
    clew_provider_flush(provider, 0); /* has it wait anew */
    EVENTUALLY(atomic_load(&arrived) == 1);
    close(clew__wake_descriptor()); /* as a host does that closes whatever is open */
    clew_provider_flush(provider, 0);
    tap_ok(EVENTUALLY(atomic_load(&arrived) == 2), "a worker that waits on a closed descriptor is replaced");
    make_spans(provider, 600, &number);
    threads = thread_count();
    atomic_store(&lets_go[0], true);
    EVENTUALLY(thread_count() < threads);
    atomic_store(&lets_go[1], true);
    tap_ok(EVENTUALLY(gated.spans >= 512), "who is replaced leaves the wake-up to the one in its place");
    atomic_store(&holds_in_turn, false);
    clew_provider_shutdown(provider, 20000);
}

static void waiting_fails(void) {
    struct counter counter = {.spans = 0};
    clew_provider *provider = counting_provider(&counter);
    uint64_t end;
    unsigned calls;
    int64_t number = 0;
    atomic_store(&fails_waits, true);
    make_spans(provider, 1, &number);
    clew_provider_flush(provider, 0); /* wakes a worker that waits */
    EVENTUALLY(atomic_load(&failed) > 0);
    atomic_store(&failed, 0);
    end = clew_monotonic_nano() + UINT64_C(200000000);
    while (clew_monotonic_nano() < end)
        usleep(1000);
    calls = atomic_load(&failed);
    tap_ok(calls > 0 && calls < 100, "a worker whose waiting fails looks around now and then (%u times)",
           calls);
    make_spans(provider, 5, &number);
    tap_ok(clew_provider_flush(provider, 20000).status == 0 && counter.spans == 6, "and exports");
    make_spans(provider, 4, &number);
    clew_delivery delivery = clew_provider_shutdown(provider, 20000);
    tap_ok(delivery.status == 0 && counter.spans == 10 && books_of(provider).pipelines[0].pending == 0,
           "to the end");
    atomic_store(&fails_waits, false);
}

static void no_descriptor_is_left(void) {
    struct counter counter = {.spans = 0};
    clew_provider *provider = counting_provider(&counter);
    clew_delivery delivery;
    int64_t number = 0;
    atomic_store(&fails_descriptors, true);
    make_spans(provider, 5, &number);
    delivery = clew_provider_flush(provider, 20000);
    tap_ok(delivery.status == 0 && delivery.delivered == 5, "without a descriptor a flush delivers");
    make_spans(provider, 4, &number);
    delivery = clew_provider_shutdown(provider, 20000);
    tap_ok(delivery.status == 0 && counter.spans == 9 && books_of(provider).pipelines[0].pending == 0,
           "and so does a shutdown");
    atomic_store(&fails_descriptors, false);
}

int main(void) {
    static const clew_allocator allocator = {allocate, reallocate, release, NULL};
    alarm(120);
    clew_set_allocator(&allocator);
    clew_set_log_level(CLEW_LOG_NONE);
    held_while_it_waits();
    held_with_a_batch_under_way();
    held_with_spans_in_hand();
    a_wake_up_is_the_new_workers();
    waiting_fails();
    no_descriptor_is_left(); /* the last: afterwards no worker is started for a second */
    return tap_done();
}
