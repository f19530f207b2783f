/* Clew without a thread of its own: the application's loop drives, flush and shutdown drive by themselves,
 * and both at once get along. */
#include "threads.h"

#include <clew/worker.h>
#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned threads_of_clew(void) {
    DIR *tasks = opendir("/proc/self/task");
    unsigned count = 0;
    for (struct dirent *entry; (entry = readdir(tasks)) != NULL;) {
        char path[300], name[32] = "";
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
        FILE *file = entry->d_name[0] == '.' ? NULL : fopen(path, "r");
        if (file && fgets(name, sizeof name, file))
            count += strncmp(name, "clew", 4) == 0;
        if (file)
            fclose(file);
    }
    closedir(tasks);
    return count;
}

static void make(clew_provider *provider, unsigned count) {
    clew_tracer *tracer = tracer_of(provider);
    for (unsigned i = 0; i < count; i++)
        clew_span_end(clew_span_start(tracer, "work", NULL));
}

/* One turn of an application's loop. */
static void turn(int longest_ms) {
    clew_poll descriptors[8];
    struct pollfd events[8];
    int timeout_ms;
    size_t count = clew_loop_wait(descriptors, 8, &timeout_ms);
    for (size_t i = 0; i < count; i++)
        events[i] = (struct pollfd){.fd = descriptors[i].fd, .events = descriptors[i].events};
    poll(events, count, timeout_ms < 0 || timeout_ms > longest_ms ? longest_ms : timeout_ms);
    for (size_t i = 0; i < count; i++)
        descriptors[i].revents = events[i].revents;
    clew_loop_step(descriptors, count);
}

/* ---- a state machine that waits for a pipe, which somebody has to write to ---- */

struct machine {
    int pipe[2];
    atomic_uint started, steps;
    atomic_bool answers; /* by itself at the start */
    atomic_bool breaks;  /* writes into a pipe that nobody reads */
};

static clew_export_outcome machine_start(void *self, const clew_batch *batch, uint64_t deadline,
                                         clew_export_report *report) {
    struct machine *machine = self;
    (void)batch;
    (void)deadline;
    (void)report;
    if (machine->breaks) {
        int broken[2];
        if (pipe(broken) == 0) {
            close(broken[0]);
            (void)!write(broken[1], "x", 1);
            close(broken[1]);
        }
    }
    if (machine->answers)
        (void)!write(machine->pipe[1], "x", 1);
    atomic_fetch_add(&machine->started, 1);
    return CLEW_EXPORT_PENDING;
}
static size_t machine_wait(void *self, clew_poll *descriptors, size_t capacity, uint64_t *wake) {
    struct machine *machine = self;
    *wake = UINT64_MAX;
    if (capacity < 1)
        return 0;
    descriptors[0] = (clew_poll){.fd = machine->pipe[0], .events = POLLIN};
    return 1;
}
static clew_export_outcome machine_step(void *self, const clew_poll *descriptors, size_t count, uint64_t now,
                                        clew_export_report *report) {
    struct machine *machine = self;
    char byte;
    (void)now;
    (void)report;
    atomic_fetch_add(&machine->steps, 1);
    return count == 1 && descriptors[0].revents & POLLIN && read(machine->pipe[0], &byte, 1) == 1
               ? CLEW_EXPORT_DELIVERED
               : CLEW_EXPORT_PENDING;
}
static clew_export_outcome machine_cancel(void *self) {
    (void)self;
    return CLEW_EXPORT_UNKNOWN;
}

static clew_provider *machine_provider(struct machine *machine) {
    clew_provider_options plain = {.resource = clew_resource_new(NULL, 0, NULL)};
    clew_provider *provider = clew_provider_new(&plain);
    clew_batch_options options = clew_batch_options_default();
    clew_exporter exporter = {.name = "machine",
                              .self = machine,
                              .start = machine_start,
                              .wait = machine_wait,
                              .step = machine_step,
                              .cancel = machine_cancel};
    options.schedule_delay_ms = 10;
    if (pipe(machine->pipe) != 0)
        return NULL;
    clew_provider_add_batch(provider, &exporter, &options);
    return provider;
}

static void the_loop_exports(void) {
    struct machine machine = {.answers = true};
    clew_provider *provider = machine_provider(&machine);
    uint64_t end;
    tap_ok(clew_loop_attach() == 0, "the application attaches its loop");
    tap_ok(clew_loop_attach() == CLEW_EALREADY, "which it can do once");
    make(provider, 5);
    end = clew_monotonic_nano() + UINT64_C(10000000000);
    while (books_of(provider).pipelines[0].exported < 5 && clew_monotonic_nano() < end)
        turn(1000);
    tap_ok(books_of(provider).pipelines[0].exported == 5, "spans are exported by turns of the loop");
    make(provider, 3);
    end = clew_monotonic_nano() + UINT64_C(10000000000);
    while (books_of(provider).pipelines[0].exported < 8 && clew_monotonic_nano() < end)
        clew_loop_step(NULL, 0);
    tap_ok(books_of(provider).pipelines[0].exported == 8, "or by steps alone");
    make(provider, 2);
    clew_delivery delivery = clew_provider_flush(provider, 10000);
    tap_ok(delivery.status == 0 && delivery.delivered == 2, "a flush drives by itself");
    make(provider, 4);
    delivery = clew_provider_shutdown(provider, 10000);
    tap_ok(delivery.status == 0 && delivery.delivered == 4 && books_balance(provider),
           "and so does a shutdown");
    tap_ok(threads_of_clew() == 0, "there was no thread");
}

static void no_sigpipe_comes_out(void) {
    struct machine machine = {.answers = true, .breaks = true};
    clew_provider *provider = machine_provider(&machine);
    sigset_t pending;
    make(provider, 1);
    clew_loop_step(NULL, 0);
    clew_provider_flush(provider, 10000);
    sigpending(&pending);
    tap_ok(!sigismember(&pending, SIGPIPE) && machine.started == 1,
           "a pipe that breaks in a step raises nothing in the program");
    clew_provider_shutdown(provider, 10000);
}

static void a_deadline_is_kept(void) {
    struct machine machine = {.answers = false};
    clew_provider *provider = machine_provider(&machine);
    uint64_t begun = clew_monotonic_nano();
    clew_delivery delivery;
    make(provider, 3);
    delivery = clew_provider_flush(provider, 50);
    tap_ok(delivery.status == CLEW_ETIMEDOUT && delivery.unknown == 3,
           "a flush without an answer comes back");
    delivery = clew_provider_shutdown(provider, 50);
    tap_ok(delivery.unknown == 3 && (clew_monotonic_nano() - begun) / 1000000 < 1100,
           "a shutdown cancels what is under way");
}

/* ---- the loop on one thread, flushes on others ---- */

static atomic_bool done;

static void *loops(void *argument) {
    (void)argument;
    while (!atomic_load(&done))
        turn(20);
    return NULL;
}

static void *flushes(void *argument) {
    clew_provider *provider = argument;
    uintptr_t late = 0;
    for (unsigned i = 0; i < (SANITIZED ? 30u : 300u); i++) {
        make(provider, 3);
        late += clew_provider_flush(provider, 20000).status != 0;
    }
    return (void *)late;
}

static void flushes_beside_the_loop(void) {
    struct machine machine = {.answers = true};
    clew_provider *provider = machine_provider(&machine);
    pthread_t looping, flushing[3];
    uintptr_t late = 0;
    atomic_store(&done, false);
    pthread_create(&looping, NULL, loops, NULL);
    for (int i = 0; i < 3; i++)
        pthread_create(&flushing[i], NULL, flushes, provider);
    for (int i = 0; i < 3; i++) {
        void *result;
        pthread_join(flushing[i], &result);
        late += (uintptr_t)result;
    }
    tap_ok(late == 0, "flushes on three threads beside the loop are all in time");
    clew_provider_shutdown(provider, 20000);
    atomic_store(&done, true);
    pthread_join(looping, NULL);
    tap_ok(books_balance(provider) && books_of(provider).pipelines[0].pending == 0, "the books balance");
    tap_ok(threads_of_clew() == 0, "there was no thread");
}

static void a_child_has_a_thread(void) {
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        struct counter counter = {.spans = 0};
        clew_provider *provider = counting_provider(&counter);
        make(provider, 4);
        clew_provider_flush(provider, 10000);
        _exit(counter.spans == 4 && threads_of_clew() == 1 ? 0 : 1);
    }
    waitpid(child, &status, 0);
    tap_ok(status == 0, "a forked child has a thread again");
}

static void detaching_gives_the_work_back(void) {
    struct counter counter = {.spans = 0};
    clew_provider *provider = counting_provider(&counter);
    make(provider, 4);
    clew_loop_detach();
    make(provider, 4);
    tap_ok(clew_provider_flush(provider, 10000).delivered == 8 && threads_of_clew() == 1,
           "after a detach there is a thread");
    tap_ok(clew_loop_attach() == CLEW_EALREADY, "beside which no loop can be attached");
    clew_provider_shutdown(provider, 10000);
}

int main(void) {
    alarm(120);
    clew_set_log_level(CLEW_LOG_NONE);
    the_loop_exports();
    no_sigpipe_comes_out();
    a_deadline_is_kept();
    flushes_beside_the_loop();
    a_child_has_a_thread();
    detaching_gives_the_work_back();
    return tap_done();
}
