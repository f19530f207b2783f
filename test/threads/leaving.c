/* Ways out of a thread and of a scope that no block end sees: pthread_exit(), pthread_cancel(), longjmp();
 * and spans whose slots serve many threads while their ended parents stay attached. */
#include "threads.h"

#include <clew/testing.h>
#include <setjmp.h>
#include <unistd.h>

#undef CLEW_TRACER
#define CLEW_TRACER tracer

/* AddressSanitizer takes the stack of a cancelled thread for one in use: such threads run without it. */
#if defined(__SANITIZE_ADDRESS__)
#define CAN_CANCEL 0
#else
#define CAN_CANCEL 1
#endif

enum { THREADS = 4, LEAVERS = 200 };

static clew_tracer *tracer;
static clew_memory_exporter *memory;
static clew_provider *provider;

static clew_provider *remembering_provider(void) {
    clew_provider_options plain = {.resource = clew_resource_new(NULL, 0, NULL)};
    clew_exporter exporter;
    memory = clew_memory_exporter_new(0);
    exporter = clew_memory_exporter_as_exporter(memory);
    provider = clew_provider_new(&plain);
    clew_provider_add_simple(provider, &exporter);
    return provider;
}

static void expect_tree(const char *expected, const char *name) {
    char difference[2048] = "";
    bool same = clew_expect_tree(memory, expected, difference, sizeof difference);
    tap_ok(same, "%s", name);
    if (!same)
        fprintf(stderr, "%s\n", difference);
    clew_memory_exporter_clear(memory);
}

/* ---- ended parents, their slots in use elsewhere ---- */

static bool has_the_parent_it_names(const clew_span_view *view) {
    clew_span_data data = clew_span_view_data(view);
    clew_value_view expected;
    return clew_span_view_attribute(view, "parent", &expected) && expected.data.size == 8 &&
           memcmp(expected.data.data, data.parent_span_id, 8) == 0;
}

static void start_and_end(const char *name, const clew_span_options *options, const uint8_t parent[8]) {
    clew_span span = clew_span_start(tracer, name, options);
    clew_span_set_value(span, "parent", clew_value_bytes(parent, 8));
    clew_span_end(span);
}

static void *has_ended_parents(void *argument) {
    static const uint8_t none[8] = {0};
    unsigned rounds = ROUNDS(20000);
    (void)argument;
    for (unsigned i = 0; i < rounds; i++) {
        clew_span outer = clew_span_start(tracer, "outer", NULL), inner;
        clew_token outer_token = clew_span_attach(outer), inner_token;
        clew_span_set_value(outer, "parent", clew_value_bytes(none, 8));
        clew_span_end(outer);
        inner = clew_span_start(tracer, "inner", NULL);
        inner_token = clew_span_attach(inner);
        clew_span_set_value(inner, "parent", clew_value_bytes(outer.span_id, 8));
        clew_span_end(inner);
        start_and_end("child", NULL, inner.span_id);
        clew_context_detach(inner_token);
        start_and_end("child", NULL, outer.span_id);
        start_and_end("root", &(clew_span_options){.flags = CLEW_SPAN_ROOT}, none);
        clew_context_detach(outer_token);
    }
    return NULL;
}

static void ended_parents_stay_parents(void) {
    struct counter counter = {.is_good = has_the_parent_it_names};
    pthread_t threads[THREADS];
    provider = counting_provider(&counter);
    tracer = tracer_of(provider);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, has_ended_parents, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    clew_provider_flush(provider, 20000);
    /* What the memory budget drops when the worker is late is in the books. */
    tap_ok(counter.spans + books_of(provider).pipelines[0].dropped_memory ==
                   (uint64_t)ROUNDS(20000) * THREADS * 5 &&
               counter.bad == 0,
           "%lu spans of %d threads under ended parents: %lu with a wrong one", (unsigned long)counter.spans,
           THREADS, (unsigned long)counter.bad);
    clew_provider_shutdown(provider, 5000);
}

/* ---- longjmp ---- */

static jmp_buf back;
static clew_span jumped_over;

__attribute__((noreturn, noinline)) static void jump(void) {
    CLEW_SPAN(span, "jumped over");
    jumped_over = span;
    longjmp(back, 1);
}

static void spans_after_a_longjmp(void) {
    remembering_provider();
    tracer = tracer_of(provider);
    {
        CLEW_SPAN(outer, "outer");
        {
            CLEW_SPAN(middle, "middle");
            if (setjmp(back) == 0)
                jump();
            clew_span_end(jumped_over);
        }
        {
            CLEW_SPAN(sibling, "sibling");
            CLEW_SPAN(child, "child");
        }
        clew_span_end(clew_span_start(tracer, "leaf", NULL));
    }
    clew_span_end(clew_span_start(tracer, "another root", NULL));
    expect_tree("outer\n"
                "  middle\n"
                "    jumped over\n"
                "  sibling\n"
                "    child\n"
                "  leaf\n"
                "another root\n",
                "after a longjmp over a scope each span has the right parent");
    clew_provider_shutdown(provider, 5000);
    clew_memory_exporter_free(memory);
}

/* ---- threads that go away inside a scope ---- */

static clew_span left;

static void *exits_inside(void *argument) {
    CLEW_SPAN(span, "left by exit");
    (void)argument;
    left = span;
    pthread_exit(NULL);
}

static pthread_barrier_t barrier;

static void *is_cancelled_inside(void *argument) {
    CLEW_SPAN(span, "left by cancel");
    (void)argument;
    left = span;
    pthread_barrier_wait(&barrier);
    while (CAN_CANCEL) {
        pthread_testcancel();
        sched_yield();
    }
    pthread_exit(NULL);
}

static void *has_a_root(void *argument) {
    clew_span_end(clew_span_start(tracer, argument, NULL));
    return NULL;
}

static void run_thread(void *(*body)(void *), void *argument) {
    pthread_t thread;
    pthread_create(&thread, NULL, body, argument);
    pthread_join(thread, NULL);
}

static void threads_that_leave_inside_a_scope(void) {
    pthread_t thread;
    char after_exit[] = "after exit", after_cancel[] = "after cancel";
    remembering_provider();
    tracer = tracer_of(provider);
    run_thread(exits_inside, NULL);
    run_thread(has_a_root, after_exit);
    clew_span_end(left);
    pthread_barrier_init(&barrier, NULL, 2);
    pthread_create(&thread, NULL, is_cancelled_inside, NULL);
    pthread_barrier_wait(&barrier);
    if (CAN_CANCEL)
        pthread_cancel(thread);
    pthread_join(thread, NULL);
    run_thread(has_a_root, after_cancel);
    clew_span_end(left);
    pthread_barrier_destroy(&barrier);
    expect_tree("left by exit\n"
                "after exit\n"
                "left by cancel\n"
                "after cancel\n",
                "threads that leave inside a scope leave nothing to those after them");
    tap_ok(books_of(provider).open == 0 && books_balance(provider), "the books balance");
    clew_provider_shutdown(provider, 5000);
    clew_memory_exporter_free(memory);
}

/* ---- threads cancelled inside Clew ---- */

static void *works_until_cancelled(void *argument) {
    (void)argument;
    for (;;) {
        clew_span span = clew_span_start(tracer, "cancelled", NULL);
        clew_span_set_int(span, "key", 1);
        clew_span_end(span);
        clew_provider_flush(provider, 5000);
        pthread_testcancel();
    }
    return NULL;
}

/* Writing a file is where pthread_cancel() acts. */
static clew_export_outcome cancellable_export(void *self, const clew_batch *batch, uint32_t timeout_ms,
                                              clew_export_report *report) {
    (void)self;
    (void)batch;
    (void)timeout_ms;
    (void)report;
    pthread_testcancel();
    return CLEW_EXPORT_DELIVERED;
}

/* The host's own code inside an operation: a sampler, a processor and an id generator that can be cancelled.
 */
static void cancellable_on_start(void *self, clew_span span, const clew_span_context *parent) {
    (void)self;
    (void)span;
    (void)parent;
    pthread_testcancel();
}
static void cancellable_on_ending(void *self, clew_span span) {
    (void)self;
    (void)span;
    pthread_testcancel();
}
static void cancellable_on_end(void *self, const clew_span_view *span) {
    (void)self;
    (void)span;
    pthread_testcancel();
}
static void cancellable_trace_id(void *self, uint8_t id[16]) {
    (void)self;
    memset(id, 7, 16);
    pthread_testcancel();
}

static void *makes_spans_until_cancelled(void *argument) {
    (void)argument;
    for (;;) {
        clew_span_end(clew_span_start(tracer, "cancelled", NULL));
        pthread_testcancel();
    }
    return NULL;
}

static void cancelled_in_callbacks(void) {
    clew_id_generator generator = {.trace_id = cancellable_trace_id};
    clew_provider_options options = {.resource = clew_resource_new(NULL, 0, NULL),
                                     .id_generator = &generator};
    clew_processor processor = {
        .on_start = cancellable_on_start, .on_ending = cancellable_on_ending, .on_end = cancellable_on_end};
    clew_stats_data books;
    provider = clew_provider_new(&options);
    clew_provider_add_processor(provider, &processor);
    tracer = tracer_of(provider);
    for (int i = 0; i < LEAVERS; i++) {
        pthread_t thread;
        uint64_t seen = books_of(provider).ended;
        pthread_create(&thread, NULL, makes_spans_until_cancelled, NULL);
        while (books_of(provider).ended == seen)
            sched_yield();
        pthread_cancel(thread);
        pthread_join(thread, NULL);
    }
    books = books_of(provider);
    tap_ok(books.open == 0 && books.started == books.ended && books_balance(provider),
           "threads cancelled inside the host's callbacks leave no span taken (%lu)",
           (unsigned long)books.open);
    tap_ok(clew_provider_shutdown(provider, 5000).status == 0, "nor a processor in use");
}

static void cancelled_inside_clew(void) {
    struct counter counter = {.spans = 0};
    clew_exporter exporter = {
        .flags = CLEW_EXPORTER_LOCAL, .name = "cancellable", .export_batch = cancellable_export};
    clew_delivery delivery;
    provider = counting_provider(&counter);
    clew_provider_add_simple(provider, &exporter);
    tracer = tracer_of(provider);
    for (int i = 0; i < LEAVERS; i++) {
        pthread_t thread;
        uint64_t seen = atomic_load(&counter.spans);
        pthread_create(&thread, NULL, works_until_cancelled, NULL);
        while (i % 2 && atomic_load(&counter.spans) == seen)
            sched_yield();
        pthread_cancel(thread);
        pthread_join(thread, NULL);
    }
    delivery = clew_provider_flush(provider, 5000);
    tap_ok(delivery.status == 0, "threads cancelled inside Clew leave no lock behind");
    tap_ok(books_of(provider).open == 0 && books_balance(provider), "nor an open span");
    tap_ok(clew_provider_shutdown(provider, 5000).status == 0, "and the shutdown comes through");
}

/* ---- threads that exit while another ends their spans ---- */

static _Atomic uint64_t handed[LEAVERS];

static void *hands_over(void *argument) {
    size_t from = (uintptr_t)argument * (LEAVERS / THREADS);
    for (size_t i = from; i < from + LEAVERS / THREADS; i++) {
        clew_span span = clew_span_start(tracer, "handed over", NULL);
        clew_span_attach(span);
        atomic_store(&handed[i], span.ref);
    }
    return NULL;
}

static void spans_end_while_their_threads_exit(void) {
    struct counter counter = {.spans = 0};
    provider = counting_provider(&counter);
    tracer = tracer_of(provider);
    for (int round = 0; round < 10; round++) {
        pthread_t threads[THREADS];
        for (int i = 0; i < LEAVERS; i++)
            atomic_store(&handed[i], 0);
        for (uintptr_t i = 0; i < THREADS; i++)
            pthread_create(&threads[i], NULL, hands_over, (void *)i);
        for (int i = 0; i < LEAVERS; i++) {
            clew_span span = {.ref = 0};
            while (!span.ref) {
                span.ref = atomic_load(&handed[i]);
                sched_yield();
            }
            clew_span_set_string(span, "ended", "elsewhere");
            clew_span_end(span);
        }
        for (int i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
    }
    clew_provider_flush(provider, 20000);
    tap_ok(counter.spans == 10 * LEAVERS, "spans of threads that exit meanwhile end once each (%lu)",
           (unsigned long)counter.spans);
    tap_ok(books_of(provider).open == 0 && books_balance(provider), "the books balance");
    clew_provider_shutdown(provider, 5000);
}

int main(void) {
    alarm(120); /* a lock that stays taken must not hold up the other tests */
    clew_set_log_level(CLEW_LOG_ERROR);
    ended_parents_stay_parents();
    spans_after_a_longjmp();
    threads_that_leave_inside_a_scope();
    spans_end_while_their_threads_exit();
    if (CAN_CANCEL) {
        cancelled_in_callbacks();
        cancelled_inside_clew();
    } else {
        tap_skip("threads cancelled inside Clew", "AddressSanitizer cannot follow a cancelled thread");
    }
    return tap_done();
}
