/* What threads cost in memory: 64 of them that have recorded and are idle. */
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
    clew_provider_shutdown(provider, 5000);
    return tap_done();
}
