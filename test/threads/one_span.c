/* Many threads on one span at once. */
#include "threads.h"

enum { THREADS = 4 };

static clew_tracer *tracer;
static _Atomic uint64_t shared_refs;
static clew_span shared;
static pthread_barrier_t barrier;
static unsigned rounds;

/* ---- two threads end each span ---- */

static void *ends(void *argument) {
    bool first = argument != NULL;
    for (unsigned i = 0; i < rounds; i++) {
        if (first)
            shared = clew_span_start(tracer, "shared", NULL);
        pthread_barrier_wait(&barrier);
        clew_span span = shared;
        clew_span_set_int(span, "a", 1);
        clew_span_end(span);
        pthread_barrier_wait(&barrier);
    }
    return NULL;
}

static void two_threads_end_one_span(void) {
    struct counter counter = {.spans = 0};
    clew_provider *provider = counting_provider(&counter);
    pthread_t threads[2];
    tracer = tracer_of(provider);
    rounds = ROUNDS(100000);
    pthread_barrier_init(&barrier, NULL, 2);
    for (uintptr_t i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, ends, (void *)i);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    clew_provider_flush(provider, 20000);
    tap_ok(atomic_load(&counter.spans) == rounds, "two threads end %u spans: %lu records", rounds,
           (unsigned long)counter.spans);
    tap_ok(books_balance(provider), "the books balance");
    clew_provider_shutdown(provider, 5000);
    pthread_barrier_destroy(&barrier);
}

/* ---- the same without a barrier: handles pass through one variable, and all may be stale ---- */

static void *ends_what_it_finds(void *argument) {
    (void)argument;
    for (unsigned i = 0; i < rounds; i++) {
        clew_span span = clew_span_start(tracer, "racing", NULL);
        clew_span other = {.ref = atomic_exchange(&shared_refs, span.ref)};
        clew_span_set_int(other, "from.another", (int64_t)i);
        clew_span_end(other);
        if (i % 3 == 0)
            clew_span_end(span);
    }
    return NULL;
}

static void handles_pass_between_threads(void) {
    struct counter counter = {.spans = 0};
    clew_provider *provider = counting_provider(&counter);
    pthread_t threads[THREADS];
    tracer = tracer_of(provider);
    rounds = ROUNDS(300000) / THREADS;
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, ends_what_it_finds, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    clew_span_end((clew_span){.ref = atomic_load(&shared_refs)});
    clew_provider_flush(provider, 20000);
    tap_ok(counter.spans == (uint64_t)rounds * THREADS, "%u spans ended by whoever comes first: %lu records",
           rounds * THREADS, (unsigned long)counter.spans);
    tap_ok(books_of(provider).open == 0, "none is left open");
    tap_ok(books_balance(provider), "the books balance");
    clew_provider_shutdown(provider, 5000);
}

/* ---- setting against ending ---- */

static atomic_bool done;

/* Waits come in pairs of begin and end, of two threads for one target: an open one is one whose end found the
 * span ended. */
static bool waits_are_whole(const clew_span_view *view) {
    clew_iterator events = clew_span_view_events(view);
    clew_event_view event;
    clew_attribute_view id, duration;
    unsigned open = 0;
    while (clew_next_event(&events, &event)) {
        clew_iterator attributes = clew_event_view_attributes(&event);
        if (event.name.size != strlen("clew.wait"))
            continue;
        if (!clew_next_attribute(&attributes, &id) || !clew_next_attribute(&attributes, &duration) ||
            id.value.data.size != 16 || memcmp(id.value.data.data, "0100000000000000", 16) != 0)
            return false;
        open += duration.value.integer == 0;
    }
    return open <= 2;
}

static bool both_or_none(const clew_span_view *view) {
    clew_value_view a, b;
    clew_span_data data = clew_span_view_data(view);
    if (!waits_are_whole(view))
        return false;
    bool has_a = clew_span_view_attribute(view, "a", &a), has_b = clew_span_view_attribute(view, "b", &b);
    /* Set together under the span's lock, or not at all. */
    return data.end_unix_nano != 0 && has_a == has_b && (!has_a || a.integer == b.integer);
}

static void *sets(void *argument) {
    const clew_span target = {.span_id = {1}};
    (void)argument;
    for (int64_t i = 0; !atomic_load(&done); i++) {
        clew_span span = {.ref = atomic_load(&shared_refs)};
        clew_attribute pair[] = {CLEW_KV("a", i), CLEW_KV("b", i)};
        clew_span_set_attributes(span, pair, 2);
        clew_span_add_event(span, "event", pair, 2, 0);
        clew_wait_begin(span, target);
        clew_span_set_status(span, CLEW_STATUS_ERROR, "description");
        clew_span_update_name(span, "another name");
        clew_wait_end(span, target);
        (void)clew_span_is_recording(span);
        clew_context_unref(clew_context_with_span(NULL, span));
    }
    return NULL;
}

static void setting_races_with_ending(void) {
    struct counter counter = {.is_good = both_or_none};
    clew_provider *provider = counting_provider(&counter);
    pthread_t threads[2];
    unsigned count = ROUNDS(200000);
    tracer = tracer_of(provider);
    atomic_store(&shared_refs, 0);
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, sets, NULL);
    for (unsigned i = 0; i < count; i++) {
        clew_span span = clew_span_start(tracer, "set", NULL);
        atomic_store(&shared_refs, span.ref);
        clew_span_set_int(span, "own", 1);
        clew_span_end(span);
    }
    atomic_store(&done, true);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    clew_provider_flush(provider, 20000);
    tap_ok(counter.spans == count, "%u spans end while others set: %lu records", count,
           (unsigned long)counter.spans);
    tap_ok(counter.bad == 0, "each record is whole (%lu are not)", (unsigned long)counter.bad);
    tap_ok(books_balance(provider), "the books balance");
    clew_provider_shutdown(provider, 5000);
}

int main(void) {
    clew_set_log_level(CLEW_LOG_ERROR);
    two_threads_end_one_span();
    handles_pass_between_threads();
    setting_races_with_ending();
    return tap_done();
}
