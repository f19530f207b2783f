/* The worker thread: one, named, deaf to signals, gone after the last shutdown. */
#include "test/unit/pipeline/slow.h"

#include <clew/worker.h>
#include <dirent.h>
#include <sched.h>
#include <stdio.h>

/* The threads of this process with that name; of the last one, the mask of blocked signals. */
static unsigned threads_named(const char *name, unsigned long long *blocked) {
    DIR *tasks = opendir("/proc/self/task");
    struct dirent *entry;
    unsigned count = 0;
    while ((entry = readdir(tasks)) != NULL) {
        char path[300], line[256], found[64] = "";
        unsigned long long mask = 0;
        snprintf(path, sizeof path, "/proc/self/task/%s/status", entry->d_name);
        FILE *status = entry->d_name[0] == '.' ? NULL : fopen(path, "r");
        while (status && fgets(line, sizeof line, status)) {
            sscanf(line, "Name: %63[^\n]", found);
            sscanf(line, "SigBlk: %llx", &mask);
        }
        if (status)
            fclose(status);
        if (strcmp(found, name) == 0) {
            count++;
            if (blocked)
                *blocked = mask;
        }
    }
    closedir(tasks);
    return count;
}

/* The kernel drops a thread from the list a little after it has left. */
static bool none_named(const char *name) {
    uint64_t end = clew_monotonic_nano() + UINT64_C(3000000000);
    while (threads_named(name, NULL) > 0)
        if (clew_monotonic_nano() > end)
            return false;
    return true;
}

/* All signals but those that cannot be blocked, and the two that the C library keeps for itself. */
#define BLOCKABLE (~((1ull << (9 - 1)) | (1ull << (19 - 1)) | (1ull << (32 - 1)) | (1ull << (33 - 1))))

Test(worker, is_named_and_blocks_all_signals) {
    struct slow slow = {.gate = GATE_OPEN};
    unsigned long long blocked = 0;
    struct line line = line_new(&slow, NULL);
    cr_assert_eq(threads_named("clew", NULL), 0);
    line_spans(&line, 1);
    clew_provider_flush(line.provider, 2000);
    cr_assert_eq(threads_named("clew", &blocked), 1);
    cr_assert_eq(blocked & BLOCKABLE, BLOCKABLE, "%llx", blocked);
    cr_assert_eq(threads_named("clew-exporter", &blocked), 1);
    cr_assert_eq(blocked & BLOCKABLE, BLOCKABLE, "%llx", blocked);
    line_end(&line);
    cr_assert(none_named("clew"));
    cr_assert(none_named("clew-exporter"));
    CLEW_NO_LEAKS();
}

Test(worker, is_shared_by_providers_and_starts_anew) {
    struct slow one = {.gate = GATE_OPEN}, two = {.gate = GATE_OPEN};
    struct line first = line_new(&one, NULL), second = line_new(&two, NULL);
    line_spans(&first, 1);
    line_spans(&second, 2);
    cr_assert_eq(clew_provider_flush(second.provider, 2000).delivered, 2);
    cr_assert_eq(clew_provider_flush(first.provider, 2000).delivered, 1);
    cr_assert_eq(threads_named("clew", NULL), 1);
    line_end(&first);
    cr_assert_eq(threads_named("clew", NULL), 1);
    line_spans(&second, 3);
    line_end(&second);
    cr_assert_eq(two.spans, 5);
    cr_assert(none_named("clew"));
    struct slow three = {.gate = GATE_OPEN};
    struct line third = line_new(&three, NULL);
    line_spans(&third, 4);
    cr_assert_eq(clew_provider_flush(third.provider, 2000).delivered, 4);
    line_end(&third);
    CLEW_NO_LEAKS();
}

Test(worker, is_not_started_by_unsampled_spans) {
    struct slow slow = {.gate = GATE_OPEN};
    clew_provider_options options = {.sampler = clew_sampler_always_off()};
    clew_provider *provider = clew_provider_new(&options);
    clew_exporter exporter = slow_exporter(&slow);
    clew_provider_add_batch(provider, &exporter, NULL);
    clew_tracer *tracer = clew_provider_tracer(provider, "t", NULL, NULL, NULL, 0);
    clew_span_end(clew_span_start(tracer, "work", NULL));
    cr_assert_eq(threads_named("clew", NULL), 0);
    cr_assert_eq(clew_provider_shutdown(provider, 1000).status, 0);
    cr_assert_eq(slow.destroyed, 1);
    CLEW_NO_LEAKS();
}

Test(worker, signal_mask_of_the_program_is_left_alone) {
    struct slow slow = {.gate = GATE_OPEN};
    sigset_t before, after;
    sigemptyset(&before);
    sigaddset(&before, SIGUSR1);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    struct line line = line_new(&slow, NULL);
    line_spans(&line, 1);
    line_end(&line);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    cr_assert_eq(sigismember(&after, SIGUSR1), 1);
    cr_assert_eq(sigismember(&after, SIGUSR2), 0);
    CLEW_NO_LEAKS();
}

/* ---- what the application decides ---- */

struct hook {
    atomic_uint calls;
    char name[16];
    cpu_set_t cpus;
    size_t stack;
};

static void on_start(void *user) {
    struct hook *hook = user;
    pthread_attr_t attributes;
    pthread_getname_np(pthread_self(), hook->name, sizeof hook->name);
    sched_getaffinity(0, sizeof hook->cpus, &hook->cpus);
    pthread_getattr_np(pthread_self(), &attributes);
    pthread_attr_getstacksize(&attributes, &hook->stack);
    pthread_attr_destroy(&attributes);
    atomic_fetch_add(&hook->calls, 1);
}

Test(worker, is_as_the_application_configures_it) {
    struct slow slow = {.gate = GATE_OPEN};
    struct hook hook = {.calls = 0};
    cpu_set_t own;
    uint32_t cpu = 0;
    sched_getaffinity(0, sizeof own, &own);
    while (!CPU_ISSET(cpu, &own))
        cpu++;
    clew_worker_options options = {.name = "spans",
                                   .cpus = &cpu,
                                   .cpu_count = 1,
                                   .stack_bytes = (3 << 20) + 1,
                                   .on_start = on_start,
                                   .user = &hook};
    cr_assert_eq(clew_worker_configure(&options), 0);
    struct line line = line_new(&slow, NULL);
    line_spans(&line, 1);
    cr_assert_eq(clew_provider_flush(line.provider, 2000).delivered, 1);
    cr_assert_eq(threads_named("spans", NULL), 1);
    cr_assert_eq(threads_named("clew-exporter", NULL), 1);
    cr_assert_eq(hook.calls, 2, "the worker's and the exporter's thread");
    cr_assert_eq(CPU_COUNT(&hook.cpus), 1);
    cr_assert(CPU_ISSET(cpu, &hook.cpus));
    cr_assert_geq(hook.stack, 3 << 20);
    cr_assert_eq(clew_worker_configure(&options), CLEW_EALREADY);
    line_end(&line);
    CLEW_NO_LEAKS();
}

Test(worker, refuses_what_cannot_be_configured) {
    uint32_t cpu = UINT32_MAX;
    cr_assert_eq(clew_worker_configure(NULL), CLEW_EINVAL);
    cr_assert_eq(clew_worker_configure(&(clew_worker_options){.name = "a name of 16 by."}), CLEW_EINVAL);
    cr_assert_eq(clew_worker_configure(&(clew_worker_options){.cpus = &cpu, .cpu_count = 1}), CLEW_EINVAL);
    cr_assert_eq(clew_worker_configure(&(clew_worker_options){.cpu_count = 1}), CLEW_EINVAL);
}

Test(worker, needs_no_more_than_a_small_stack) {
    struct slow slow = {.gate = GATE_OPEN};
    clew_worker_options options = {.stack_bytes = 1};
    cr_assert_eq(clew_worker_configure(&options), 0);
    struct line line = line_new(&slow, NULL);
    line_spans(&line, 1000);
    cr_assert_eq(clew_provider_flush(line.provider, 5000).delivered, 1000);
    line_end(&line);
    CLEW_NO_LEAKS();
}

/* ---- an exporter that is a state machine ---- */

struct machine {
    int pipe[2];
    clew_export_outcome at_cancel;
    unsigned started, stepped;
    atomic_uint cancelled;
    bool never;
};

static clew_export_outcome machine_start(void *self, const clew_batch *batch, uint64_t deadline,
                                         clew_export_report *report) {
    struct machine *machine = self;
    (void)batch;
    (void)deadline;
    (void)report;
    machine->started++;
    if (!machine->never && write(machine->pipe[1], "x", 1) != 1)
        return CLEW_EXPORT_FAILED;
    return CLEW_EXPORT_PENDING;
}
static size_t machine_wait(void *self, clew_poll *descriptors, size_t capacity, uint64_t *wake) {
    struct machine *machine = self;
    if (capacity < 1)
        return 0;
    descriptors[0].fd = machine->pipe[0];
    descriptors[0].events = POLLIN;
    *wake = UINT64_MAX;
    return 1;
}
static clew_export_outcome machine_step(void *self, const clew_poll *descriptors, size_t count, uint64_t now,
                                        clew_export_report *report) {
    struct machine *machine = self;
    char byte;
    (void)now;
    (void)report;
    machine->stepped++;
    if (count == 1 && descriptors[0].revents & POLLIN && read(machine->pipe[0], &byte, 1) == 1)
        return CLEW_EXPORT_DELIVERED;
    return CLEW_EXPORT_PENDING;
}
static clew_export_outcome machine_cancel(void *self) {
    struct machine *machine = self;
    atomic_fetch_add(&machine->cancelled, 1);
    return machine->at_cancel;
}

static struct line machine_line(struct machine *machine) {
    clew_provider_options plain = {.resource = clew_resource_new(NULL, 0, NULL)};
    clew_exporter exporter = {.name = "machine",
                              .self = machine,
                              .start = machine_start,
                              .wait = machine_wait,
                              .step = machine_step,
                              .cancel = machine_cancel};
    struct line line = {.provider = clew_provider_new(&plain), .name = "work"};
    cr_assert_eq(pipe(machine->pipe), 0);
    clew_batch_options options = clew_batch_options_default();
    options.export_timeout_ms = 100;
    cr_assert_eq(clew_provider_add_batch(line.provider, &exporter, &options), 0);
    line.tracer = clew_provider_tracer(line.provider, "line", NULL, NULL, NULL, 0);
    return line;
}

Test(worker, steps_a_state_machine_when_its_descriptor_is_ready) {
    struct machine one = {.at_cancel = CLEW_EXPORT_FAILED}, two = one;
    struct line first = machine_line(&one), second = machine_line(&two);
    line_spans(&first, 2);
    line_spans(&second, 3);
    cr_assert_eq(clew_provider_flush(first.provider, 2000).delivered, 2);
    cr_assert_eq(clew_provider_flush(second.provider, 2000).delivered, 3);
    cr_assert(one.stepped < 20);
    line_end(&first);
    line_end(&second);
    cr_assert_eq(one.cancelled, 0);
    CLEW_NO_LEAKS();
}

Test(worker, cancels_a_state_machine_at_the_export_timeout) {
    struct machine machine = {.at_cancel = CLEW_EXPORT_FAILED, .never = true};
    struct line line = machine_line(&machine);
    line_spans(&line, 2);
    uint64_t before = clew_monotonic_nano();
    clew_delivery delivery = clew_provider_flush(line.provider, 5000);
    cr_assert(milliseconds_since(before) < 500 * SLOWNESS);
    cr_assert_eq(delivery.failed, 2);
    cr_assert_eq(machine.cancelled, 1);
    line_end(&line);
    CLEW_NO_LEAKS();
}

Test(worker, simple_pipeline_to_a_network_never_waits_in_the_end_of_a_span) {
    struct slow slow = {.gate = GATE_CLOSED};
    clew_provider_options plain = {.resource = clew_resource_new(NULL, 0, NULL)};
    clew_exporter exporter = slow_exporter(&slow);
    struct line line = {.provider = clew_provider_new(&plain), .name = "work"};
    cr_assert_eq(clew_provider_add_simple(line.provider, &exporter), 0);
    line.tracer = clew_provider_tracer(line.provider, "line", NULL, NULL, NULL, 0);
    line_spans(&line, 5);
    cr_assert(slow_wait_entered(&slow, 1));
    slow_open(&slow);
    cr_assert(slow_wait_spans(&slow, 5));
    cr_assert_eq(slow.largest, 1);
    line_end(&line);
    CLEW_NO_LEAKS();
}
