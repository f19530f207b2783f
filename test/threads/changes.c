/* Providers that change while threads record: pipelines added, the global one replaced, shut down. */
#include "threads.h"

enum { THREADS = 3 };

static clew_tracer *tracer;
static atomic_bool done;
static _Atomic uint64_t recorded;

static void *records(void *argument) {
    (void)argument;
    while (!atomic_load(&done)) {
        clew_scope scope = clew_scope_enter(tracer, "work", NULL);
        clew_span child = clew_span_start(NULL, "child", NULL);
        clew_span_set_string(scope.span, "key", "value");
        clew_span_set_string(child, "key", "value");
        if (clew_span_is_recording(scope.span))
            atomic_fetch_add(&recorded, 1);
        clew_span_end(child);
        clew_scope_leave(&scope);
    }
    return NULL;
}

static pthread_t threads[THREADS];

static void go(clew_tracer *with) {
    tracer = with;
    atomic_store(&recorded, 0);
    atomic_store(&done, false);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, records, NULL);
}

static void wait_recorded(uint64_t more) {
    uint64_t until = atomic_load(&recorded) + more;
    while (atomic_load(&recorded) < until)
        sched_yield();
}

static void halt(void) {
    atomic_store(&done, true);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static _Atomic uint64_t started, ended;

static void on_start(void *self, clew_span span, const clew_span_context *parent) {
    (void)self;
    (void)parent;
    clew_span_set_int(span, "started", 1);
    atomic_fetch_add(&started, 1);
}
static void on_end(void *self, const clew_span_view *span) {
    (void)self;
    (void)span;
    atomic_fetch_add(&ended, 1);
}

static void pipelines_are_added_while_threads_record(void) {
    struct counter counters[6] = {{.spans = 0}};
    clew_provider *provider = counting_provider(&counters[0]);
    clew_batch_options options = clew_batch_options_default();
    clew_processor processor = {.on_start = on_start, .on_end = on_end};
    bool monotone = true;
    options.max_queue_size = 1000000;
    go(tracer_of(provider));
    wait_recorded(100);
    for (int i = 1; i < 6; i++) {
        clew_exporter exporter = counter_exporter(&counters[i]);
        if (i % 2)
            clew_provider_add_batch(provider, &exporter, &options);
        else
            clew_provider_add_simple(provider, &exporter);
        wait_recorded(200);
    }
    clew_provider_add_processor(provider, &processor);
    wait_recorded(200);
    halt();
    clew_provider_flush(provider, 20000);
    for (int i = 1; i < 6; i++)
        monotone &= counters[i].spans > 0 && counters[i].spans <= counters[i - 1].spans;
    tap_ok(monotone, "each later pipeline got spans, and not more than those before");
    tap_ok(atomic_load(&ended) >= atomic_load(&started) && atomic_load(&started) > 0,
           "a processor saw every end after the starts that it saw");
    tap_ok(books_balance(provider), "the books balance");
    clew_provider_shutdown(provider, 5000);
}

static void global_provider_is_replaced_while_threads_record(void) {
    struct counter one = {.spans = 0}, two = {.spans = 0};
    clew_provider *first = counting_provider(&one), *second = counting_provider(&two);
    clew_provider_set_global(first);
    go(clew_tracer_get("global", NULL, NULL, NULL, 0));
    for (int i = 0; i < ROUNDS(1000); i++) {
        clew_provider_set_global(i % 2 ? first : second);
        if (i % 10 == 0)
            clew_provider_set_global(NULL);
        clew_tracer_get(i % 2 ? "odd" : "even", NULL, NULL, NULL, 0);
        sched_yield();
    }
    clew_provider_set_global(first);
    wait_recorded(10);
    halt();
    clew_provider_set_global(NULL);
    clew_provider_flush(first, 20000);
    clew_provider_flush(second, 20000);
    clew_stats_data a = books_of(first), b = books_of(second);
    tap_ok(a.open == 0 && b.open == 0, "no span is left open");
    tap_ok(a.started == one.spans + a.pipelines[0].dropped_memory &&
               b.started == two.spans + b.pipelines[0].dropped_memory,
           "every span went to the provider that started it (%lu and %lu)", (unsigned long)a.started,
           (unsigned long)b.started);
    clew_provider_shutdown(first, 5000);
    clew_provider_shutdown(second, 5000);
}

static void shutdown_while_threads_record(void) {
    for (int i = 0; i < 5; i++) {
        struct counter counter = {.spans = 0}, simple = {.spans = 0};
        clew_provider *provider = counting_provider(&counter);
        clew_exporter exporter = counter_exporter(&simple);
        clew_processor processor = {.on_start = on_start, .on_end = on_end};
        clew_provider_add_simple(provider, &exporter);
        clew_provider_add_processor(provider, &processor);
        go(tracer_of(provider));
        wait_recorded(200);
        clew_delivery delivery = clew_provider_shutdown(provider, 20000);
        halt();
        clew_stats_data data = books_of(provider);
        tap_ok(delivery.status == 0 && data.open == 0 && books_balance(provider) &&
                   data.pipelines[0].exported == counter.spans &&
                   data.pipelines[1].exported == simple.spans && data.pipelines[0].pending == 0,
               "shutdown %d under way of others: every span has its fate", i);
    }
}

int main(void) {
    clew_set_log_level(CLEW_LOG_ERROR);
    pipelines_are_added_while_threads_record();
    global_provider_is_replaced_while_threads_record();
    shutdown_while_threads_record();
    return tap_done();
}
