/* What spans and threads cost in memory: a budget against large attributes, and 64 threads that are idle. */
#include "threads.h"

#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

enum { THREADS = 64, SPANS_EACH = 200 };
/* Of the whole process, stacks of the threads that record included. */
#define GROWTH_LIMIT (8u << 20)

static clew_tracer *tracer;
static pthread_barrier_t recorded, measured;

static size_t resident(void) {
    unsigned long size = 0, pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file && fscanf(file, "%lu %lu", &size, &pages) != 2)
        pages = 0;
    if (file)
        fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void *records(void *argument) {
    if (argument)
        for (int i = 0; i < SPANS_EACH; i++) {
            clew_scope scope = clew_scope_enter(tracer, "work", NULL);
            clew_span_set_string(scope.span, "key", "value");
            clew_scope_leave(&scope);
        }
    pthread_barrier_wait(&recorded);
    pthread_barrier_wait(&measured);
    return NULL;
}

static size_t run(void *argument, clew_provider *provider) {
    pthread_t threads[THREADS];
    size_t used;
    pthread_barrier_init(&recorded, NULL, THREADS + 1);
    pthread_barrier_init(&measured, NULL, THREADS + 1);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, records, argument);
    pthread_barrier_wait(&recorded);
    clew_provider_flush(provider, 20000);
    malloc_trim(0);
    used = resident();
    pthread_barrier_wait(&measured);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&recorded);
    pthread_barrier_destroy(&measured);
    return used;
}

/* ---- the budget ---- */

#define BUDGET (8u << 20)
/* What the C library's allocator and the request of one batch may take on top. */
#define SLACK (6u << 20)

static void *records_large(void *argument) {
    static const char large[1 << 20];
    for (int i = 0; i < 50; i++) {
        clew_span span = clew_span_start(tracer, "large", NULL);
        clew_span_set_string_n(span, "attribute", large, sizeof large);
        clew_span_end(span);
    }
    return argument;
}

static void budget_bounds_the_process(clew_provider *provider) {
    pthread_t threads[4];
    size_t before = resident(), most = 0;
    uint64_t charged = 0;
    clew_set_memory_limit(BUDGET);
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, records_large, NULL);
    for (int i = 0; i < 4; i++) {
        while (pthread_tryjoin_np(threads[i], NULL) != 0) {
            size_t now = resident();
            uint64_t used = books_of(provider).memory_used;
            most = now > most ? now : most;
            charged = used > charged ? used : charged;
            sched_yield();
        }
    }
    clew_provider_flush(provider, 20000); /* the books are exact when nobody is at work */
    clew_stats_data data = books_of(provider);
    tap_ok(charged <= BUDGET, "at most %lu KiB of %u were charged", (unsigned long)(charged >> 10),
           BUDGET >> 10);
    if (SANITIZED)
        tap_skip("memory of the process", "sanitizers take memory of their own");
    else
        tap_ok(most<before + BUDGET + SLACK, "the process grew by %zu KiB at most", most> before
                   ? (most - before) >> 10
                   : 0);
    tap_ok(data.started + data.not_recorded_memory >= 200 && data.open == 0 && books_balance(provider),
           "every span is accounted for (%lu attributes and %lu spans dropped)",
           (unsigned long)data.dropped_attributes, (unsigned long)data.pipelines[0].dropped_memory);
    clew_set_memory_limit(UINT64_C(64) << 20);
}

int main(void) {
    struct counter counter = {.spans = 0};
    clew_provider *provider;
    size_t idle, busy, growth;
    clew_set_log_level(CLEW_LOG_ERROR);
    provider = counting_provider(&counter);
    tracer = tracer_of(provider);
    clew_span_end(clew_span_start(tracer, "first", NULL));
    clew_provider_flush(provider, 20000);
    idle = run(NULL, provider);
    busy = run(&counter, provider);
    growth = busy > idle ? busy - idle : 0;
    tap_ok(counter.spans == THREADS * SPANS_EACH + 1, "all spans arrived");
    tap_ok(books_of(provider).memory_used < 2u << 20, "%lu KiB are charged to the budget",
           (unsigned long)(books_of(provider).memory_used >> 10));
    if (SANITIZED)
        tap_skip("memory of 64 threads", "sanitizers take memory of their own");
    else
        tap_ok(growth < GROWTH_LIMIT, "64 threads with empty queues take %zu KiB, less than %u", growth >> 10,
               GROWTH_LIMIT >> 10);
    budget_bounds_the_process(provider);
    clew_provider_shutdown(provider, 5000);
    return tap_done();
}
