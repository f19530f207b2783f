/* A program that closes descriptors which are not its own, and a system that has none left, or no thread:
 * spans wait, nothing of the program's is touched, and Clew goes on as soon as it can. */
#include "process.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

#define PIPES 40

/* ---- threads that cannot be had ---- */

static atomic_bool refuses_threads;
static atomic_uint thread_attempts;

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *),
                   void *argument) {
    static int (*_Atomic real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    if (!real)
        *(void **)(uintptr_t)&real = dlsym(RTLD_NEXT, "pthread_create");
    atomic_fetch_add(&thread_attempts, 1);
    return atomic_load(&refuses_threads) ? EAGAIN : real(thread, attributes, body, argument);
}

/* ---- an exporter without descriptors ---- */

static _Atomic uint64_t exported;

static clew_export_outcome count_batch(void *self, const clew_batch *batch, uint32_t timeout_ms,
                                       clew_export_report *report) {
    (void)self;
    (void)timeout_ms;
    (void)report;
    atomic_fetch_add(&exported, clew_batch_count(batch));
    return CLEW_EXPORT_DELIVERED;
}

static clew_provider *provider;
static clew_tracer *tracer;

static void set_up(void) {
    clew_provider_options plain = {.resource = clew_resource_new(NULL, 0, NULL)};
    clew_batch_options options = clew_batch_options_default();
    clew_exporter exporter = {.flags = CLEW_EXPORTER_LOCAL, .name = "counter", .export_batch = count_batch};
    options.max_export_batch_size = 10;
    atomic_store(&exported, 0);
    provider = clew_provider_new(&plain);
    clew_provider_add_batch(provider, &exporter, &options);
    tracer = clew_provider_tracer(provider, "descriptors", NULL, NULL, NULL, 0);
}

static void make(unsigned count) {
    for (unsigned i = 0; i < count; i++)
        clew_span_end(clew_span_start(tracer, "work", NULL));
}

/* Whether so many are exported by the worker alone, without a flush, within ten seconds. */
static bool arrive(uint64_t count) {
    uint64_t end = clew_monotonic_nano() + UINT64_C(10000000000);
    while (atomic_load(&exported) < count && clew_monotonic_nano() < end)
        usleep(1000);
    return atomic_load(&exported) >= count;
}

static void close_all(void) {
    for (int fd = 3; fd < 200; fd++)
        syscall(SYS_close, fd); /* past ThreadSanitizer, to which it would be a race, as rude as it is */
}

static void closed_descriptors(void) {
    set_up();
    make(20);
    tap_ok(arrive(20), "the worker exports");
    close_all();
    make(20);
    tap_ok(arrive(40), "and does so after the program has closed all descriptors");
    make(20);
    tap_ok(arrive(60), "again");
    clew_provider_shutdown(provider, 5000);
}

static bool nothing_to_read(int pipes[][2]) {
    for (int i = 0; i < PIPES; i++) {
        struct pollfd end = {.fd = pipes[i][0], .events = POLLIN};
        if (poll(&end, 1, 0) != 0)
            return false;
    }
    return true;
}

static void descriptors_used_again(void) {
    int pipes[PIPES][2];
    bool all_there = true;
    set_up();
    make(20);
    arrive(20);
    close_all();
    for (int i = 0; i < PIPES; i++)
        all_there &= pipe2(pipes[i], O_NONBLOCK) == 0 && write(pipes[i][1], "host", 4) == 4;
    make(20);
    tap_ok(arrive(40), "the worker is reached when its descriptor is the program's by now");
    for (int i = 0; i < PIPES; i++) {
        char text[8];
        all_there &= read(pipes[i][0], text, sizeof text) == 4;
    }
    tap_ok(all_there && nothing_to_read(pipes),
           "nothing was read from the program's descriptors, nor written");
    make(20);
    clew_provider_shutdown(provider, 5000);
    tap_ok(exported == 60 && nothing_to_read(pipes), "up to the end");
    all_there = true;
    for (int i = 0; i < PIPES; i++)
        all_there &= close(pipes[i][0]) == 0 && close(pipes[i][1]) == 0;
    tap_ok(all_there, "and all of them are still open");
}

static void no_spinning(void) {
    struct timespec before, after;
    set_up();
    make(20);
    arrive(20);
    close_all();
    make(5);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    usleep(300000); /* time is what is measured */
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    int64_t used = (after.tv_sec - before.tv_sec) * INT64_C(1000000000) + (after.tv_nsec - before.tv_nsec);
    tap_ok(used < 150000000, "a closed descriptor makes no thread spin (%ld ms)", (long)(used / 1000000));
    clew_provider_shutdown(provider, 5000);
}

static void no_descriptor_left(void) {
    struct rlimit before, none;
    getrlimit(RLIMIT_NOFILE, &before);
    none = before;
    none.rlim_cur = 3;
    close_all();
    set_up();
    setrlimit(RLIMIT_NOFILE, &none);
    make(100);
    tap_ok(exported == 0, "without a descriptor spans wait");
    tap_ok(clew_provider_flush(provider, 5000).delivered == 100, "a flush exports them on its own thread");
    make(5);
    setrlimit(RLIMIT_NOFILE, &before);
    uint64_t end = clew_monotonic_nano() + UINT64_C(10000000000);
    while (atomic_load(&exported) < 200 && clew_monotonic_nano() < end) {
        make(1);
        usleep(5000);
    }
    tap_ok(exported >= 200, "when there are some again the worker comes by itself");
    clew_provider_shutdown(provider, 5000);
}

static void no_thread(void) {
    unsigned attempts;
    set_up();
    atomic_store(&refuses_threads, true);
    atomic_store(&thread_attempts, 0);
    make(20000);
    attempts = atomic_load(&thread_attempts);
    tap_ok(exported == 0 && attempts >= 1 && attempts <= 20, "20000 spans try %u times to have a thread",
           attempts);
    clew_delivery delivery = clew_provider_flush(provider, 5000);
    tap_ok(delivery.status == 0 && delivery.delivered == 2048, "a flush exports what waits without one");
    atomic_store(&refuses_threads, false);
    uint64_t before = exported, end = clew_monotonic_nano() + UINT64_C(10000000000);
    while (atomic_load(&exported) == before && clew_monotonic_nano() < end) {
        make(1);
        usleep(5000);
    }
    tap_ok(exported > before, "when threads can be had again there is one");
    tap_ok(clew_provider_shutdown(provider, 5000).status == 0, "and a shutdown delivers the rest");
}

int main(void) {
    alarm(120);
    clew_set_log_level(CLEW_LOG_NONE);
    closed_descriptors();
    descriptors_used_again();
    no_spinning();
    no_descriptor_left();
    no_thread();
    return tap_done();
}
