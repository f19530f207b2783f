/* A trace buffer as a processor: threads end spans of their own and of common traces into it, while others
 * read it; a wait for another thread; spans that end inside its callbacks; a fork. */
#include "threads.h"

#include <clew/analysis/buffer.h>
#include <clew/analysis/path.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/fork_now.h"

enum { THREADS = 4 };

static _Atomic uint64_t complete, seen_spans;

static void on_complete(void *user, const clew_trace *trace, clew_completion reason, bool is_late) {
    (void)user;
    (void)reason;
    if (!is_late)
        atomic_fetch_add(&complete, 1);
    atomic_fetch_add(&seen_spans, clew_trace_span_count(trace));
}

static clew_provider *provider_of(clew_trace_buffer *buffer) {
    clew_provider_options plain = {.resource = clew_resource_new(NULL, 0, NULL)};
    clew_provider *provider = clew_provider_new(&plain);
    clew_processor processor = clew_trace_buffer_processor(buffer);
    clew_provider_add_processor(provider, &processor);
    return provider;
}

static clew_trace_buffer *buffer_of(void (*callback)(void *, const clew_trace *, clew_completion, bool),
                                    void *user) {
    clew_trace_buffer_options options = {
        .struct_size = sizeof options, .on_complete = callback, .user = user};
    return clew_trace_buffer_new(&options);
}

static bool books_are_exact(clew_trace_buffer *buffer, uint64_t expected) {
    clew_trace_buffer_stats stats = clew_trace_buffer_get_stats(buffer);
    return stats.spans_in == expected && stats.spans_in == stats.spans_held + stats.spans_left +
                                                               stats.dropped_trace_limit +
                                                               stats.dropped_late + stats.dropped_memory +
                                                               stats.dropped_malformed + stats.dropped_busy;
}

/* ---- many threads ---- */

static clew_tracer *tracer;
static clew_span shared;

static void *records(void *argument) {
    clew_span_options below = {.parent = clew_context_with_span(NULL, shared)};
    (void)argument;
    for (int i = 0; i < ROUNDS(4000); i++) {
        clew_scope scope = clew_scope_enter(tracer, "request", NULL);
        clew_span child = clew_span_start(tracer, "child", NULL);
        clew_span_end(child);
        clew_scope_leave(&scope);
        clew_span_end(clew_span_start(tracer, "in common", &below));
    }
    clew_context_unref((clew_context *)(uintptr_t)below.parent);
    return NULL;
}

static atomic_bool done;

static void *reads(void *argument) {
    clew_trace_buffer *buffer = argument;
    uint64_t spans = 0;
    while (!atomic_load(&done)) {
        const clew_trace *trace = NULL;
        clew_trace_buffer_lock(buffer);
        clew_trace_buffer_lock(buffer);
        clew_trace_buffer_unlock(buffer);
        for (int i = 0; i < 50 && (trace = clew_trace_buffer_next(buffer, trace)); i++)
            spans += clew_trace_span_count(trace);
        clew_trace_buffer_tick(buffer, clew_monotonic_nano());
        clew_trace_buffer_unlock(buffer);
        sched_yield();
    }
    return spans > 0 ? argument : NULL;
}

static void threads_end_spans_while_others_read(void) {
    pthread_t threads[THREADS], reader;
    clew_trace_buffer *buffer = buffer_of(on_complete, NULL);
    clew_provider *provider = provider_of(buffer);
    uint64_t requests = (uint64_t)THREADS * (uint64_t)ROUNDS(4000);
    tracer = tracer_of(provider);
    shared = clew_span_start(tracer, "shared", NULL);
    pthread_create(&reader, NULL, reads, buffer);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, records, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    clew_span_end(shared);
    atomic_store(&done, true);
    pthread_join(reader, NULL);
    tap_ok(books_are_exact(buffer, 3 * requests + 1), "every span is in the books");
    tap_ok(atomic_load(&complete) == requests + 1, "every trace became complete with its last span");
    tap_ok(clew_trace_span_count(clew_trace_buffer_find(buffer, shared.trace_id)) == requests + 1,
           "the common trace has all its spans");
    clew_provider_shutdown(provider, 1000);
    clew_trace_buffer_free(buffer);
}

/* ---- waits ---- */

static void *ends(void *argument) {
    clew_span_end(*(clew_span *)argument);
    return NULL;
}

/* The work of another thread runs from the first moment; the request waits for it at the end alone. */
static clew_span waits_for_a_thread(uint64_t *waited_from) {
    clew_span request = clew_span_start(tracer, "request", NULL);
    clew_span_options below = {.parent = clew_context_with_span(NULL, request)};
    clew_span work = clew_span_start(tracer, "work", &below);
    uint64_t begin = clew_monotonic_nano();
    pthread_t worker;
    while (clew_monotonic_nano() == begin)
        sched_yield();
    *waited_from = clew_monotonic_nano();
    clew_wait_begin(request, work);
    pthread_create(&worker, NULL, ends, &work);
    pthread_join(worker, NULL);
    clew_wait_end(request, work);
    clew_span_end(request);
    clew_context_unref((clew_context *)(uintptr_t)below.parent);
    return request;
}

static void a_recorded_wait_decides(void) {
    clew_trace_buffer *buffer = buffer_of(NULL, NULL);
    clew_provider *provider = provider_of(buffer);
    uint64_t waited_from;
    tracer = tracer_of(provider);
    clew_span request = waits_for_a_thread(&waited_from);
    uint64_t waited = clew_monotonic_nano() - waited_from;
    const clew_trace *trace = clew_trace_buffer_find(buffer, request.trace_id);
    clew_critical_path *path = clew_critical_path_new(trace, NULL);
    const clew_path_span *work = &path->spans[1];
    tap_ok(path->span_count == 2 && work->recorded,
           "a wait that a program records reaches its critical path");
    tap_ok(work->critical > 0 && work->critical < work->duration && work->critical <= waited,
           "what ran before the wait was not waited for");
    tap_ok(path->confidence.recorded == work->critical && path->confidence.unused_waits == 0,
           "how much of the path is recorded is told");
    clew_critical_path_free(path);
    clew_provider_shutdown(provider, 1000);
    clew_trace_buffer_free(buffer);
}

/* ---- spans inside callbacks ---- */

static void makes_spans(void *user, const clew_trace *trace, clew_completion reason, bool is_late) {
    (void)user;
    (void)trace;
    (void)reason;
    (void)is_late;
    clew_span_end(clew_span_start(tracer, "inside", NULL));
}

static void a_callback_may_end_spans(void) {
    clew_trace_buffer *buffer = buffer_of(makes_spans, NULL);
    clew_provider *provider = provider_of(buffer);
    tracer = tracer_of(provider);
    for (int i = 0; i < 10; i++)
        clew_span_end(clew_span_start(tracer, "outside", NULL));
    tap_ok(books_are_exact(buffer, 20), "spans that end in a callback are counted");
    tap_ok(clew_trace_buffer_get_stats(buffer).dropped_busy == 10, "and left out");
    clew_provider_shutdown(provider, 1000);
    clew_trace_buffer_free(buffer);
}

/* ---- fork ---- */

static atomic_bool holds;
static int may_go[2]; /* a pipe: whoever reads it sleeps */

static void *holds_the_lock(void *argument) {
    clew_trace_buffer *buffer = argument;
    char byte;
    clew_trace_buffer_lock(buffer);
    atomic_store(&holds, true);
    bool is_told = read(may_go[0], &byte, 1) == 1;
    clew_trace_buffer_unlock(buffer);
    return is_told ? NULL : argument;
}

static int child_of(clew_trace_buffer *buffer, uint64_t expected) {
    clew_span_end(clew_span_start(tracer, "in the child", NULL));
    return books_are_exact(buffer, expected) ? 0 : 1;
}

static bool is_well(pid_t child) {
    int status = -1;
    waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void the_child_of_a_fork_goes_on(void) {
    pthread_t holder;
    clew_trace_buffer *buffer = buffer_of(NULL, NULL);
    clew_provider *provider = provider_of(buffer);
    tracer = tracer_of(provider);
    clew_span_end(clew_span_start(tracer, "before", NULL));
    pid_t child = fork_now();
    if (child == 0)
        _exit(child_of(buffer, 2));
    tap_ok(is_well(child) && pipe(may_go) == 0, "a child has a copy");
    pthread_create(&holder, NULL, holds_the_lock, buffer);
    while (!atomic_load(&holds))
        sched_yield();
    child = fork_now();
    if (child == 0)
        _exit(child_of(buffer, 1));
    tap_ok(is_well(child), "a child that another thread left the lock to begins anew");
    tap_ok(write(may_go[1], "", 1) == 1, "the other thread goes on");
    pthread_join(holder, NULL);
    close(may_go[0]);
    close(may_go[1]);
    tap_ok(books_are_exact(buffer, 1), "the parent has lost nothing");
    clew_provider_shutdown(provider, 1000);
    clew_trace_buffer_free(buffer);
}

int main(void) {
    threads_end_spans_while_others_read();
    a_recorded_wait_decides();
    a_callback_may_end_spans();
    the_child_of_a_fork_goes_on();
    return tap_done();
}
