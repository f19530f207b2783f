/* Two threads end the same spans, others set attributes meanwhile: one record a span, and every call that
 * came too late is counted, exactly. */
#include "threads.h"

enum { BLOCK = 1000, SETTERS = 2, SETS_EACH = 20 };

static clew_tracer *tracer;
static clew_span spans[BLOCK];
static unsigned blocks;
static pthread_barrier_t barrier;

/* From both ends of the block, so that the threads meet in the middle and each is late for half of it. */
static void *ends(void *argument) {
    bool forwards = argument != NULL;
    for (unsigned block = 0; block < blocks; block++) {
        if (forwards)
            for (int i = 0; i < BLOCK; i++)
                spans[i] = clew_span_start(tracer, "twice", NULL);
        pthread_barrier_wait(&barrier);
        for (int i = 0; i < BLOCK; i++)
            clew_span_end(spans[forwards ? i : BLOCK - 1 - i]);
        pthread_barrier_wait(&barrier);
    }
    return NULL;
}

static void every_span_is_ended_twice(void) {
    struct counter counter = {.spans = 0};
    clew_provider *provider = counting_provider(&counter);
    pthread_t threads[2];
    uint64_t count, stale = books_of(provider).stale_spans;
    tracer = tracer_of(provider);
    blocks = ROUNDS(300000) / BLOCK;
    count = (uint64_t)blocks * BLOCK;
    pthread_barrier_init(&barrier, NULL, 2);
    for (uintptr_t i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, ends, (void *)i);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    clew_provider_flush(provider, 20000);
    stale = books_of(provider).stale_spans - stale;
    tap_ok(counter.spans == count, "%lu spans ended twice: %lu records", (unsigned long)count,
           (unsigned long)counter.spans);
    tap_ok(stale == count, "and %lu ends that came too late", (unsigned long)stale);
    tap_ok(books_of(provider).ended == count && books_balance(provider), "the books balance");
    clew_provider_shutdown(provider, 5000);
    pthread_barrier_destroy(&barrier);
}

/* ---- two set in order, a third ends ---- */

static const char *const keys[SETTERS] = {"first", "second"};
static clew_span shared;
static _Atomic uint64_t recorded;

/* A setter's values are 0, 1, 2, … under keys of its own; what is in the record is a beginning of that,
 * whole. */
static bool has_beginnings(const clew_span_view *view) {
    int64_t next[SETTERS] = {0};
    clew_iterator iterator = clew_span_view_attributes(view);
    clew_attribute_view attribute;
    uint64_t count = 0;
    while (clew_next_attribute(&iterator, &attribute)) {
        size_t setter = attribute.key.data[0] == keys[1][0];
        char expected[16];
        snprintf(expected, sizeof expected, "%s%02d", keys[setter], (int)next[setter]);
        if (attribute.key.size != strlen(expected) ||
            memcmp(attribute.key.data, expected, attribute.key.size) != 0 ||
            attribute.value.integer != next[setter])
            return false;
        next[setter]++;
        count++;
    }
    atomic_fetch_add(&recorded, count);
    return clew_span_view_data(view).dropped_attributes == 0;
}

static void *sets(void *argument) {
    uintptr_t setter = (uintptr_t)argument;
    char names[SETS_EACH][16];
    for (int i = 0; i < SETS_EACH; i++)
        snprintf(names[i], sizeof names[i], "%s%02d", keys[setter], i);
    for (unsigned round = 0; round < blocks; round++) {
        pthread_barrier_wait(&barrier);
        for (int i = 0; i < SETS_EACH; i++)
            clew_span_set_int(shared, names[i], i);
        pthread_barrier_wait(&barrier);
    }
    return NULL;
}

static void one_ends_what_two_set(void) {
    struct counter counter = {.is_good = has_beginnings};
    clew_provider *provider = counting_provider(&counter);
    pthread_t threads[SETTERS];
    uint64_t stale = books_of(provider).stale_spans, sets_made;
    tracer = tracer_of(provider);
    blocks = ROUNDS(40000);
    sets_made = (uint64_t)blocks * SETTERS * SETS_EACH;
    pthread_barrier_init(&barrier, NULL, SETTERS + 1);
    for (uintptr_t i = 0; i < SETTERS; i++)
        pthread_create(&threads[i], NULL, sets, (void *)i);
    for (unsigned round = 0; round < blocks; round++) {
        shared = clew_span_start(tracer, "set and ended", NULL);
        pthread_barrier_wait(&barrier);
        for (unsigned spin = 0; spin < round % 64; spin++)
            atomic_signal_fence(memory_order_seq_cst);
        clew_span_end(shared);
        pthread_barrier_wait(&barrier);
    }
    for (int i = 0; i < SETTERS; i++)
        pthread_join(threads[i], NULL);
    clew_provider_flush(provider, 20000);
    stale = books_of(provider).stale_spans - stale;
    tap_ok(counter.spans == blocks, "%u spans ended while two set: %lu records", blocks,
           (unsigned long)counter.spans);
    tap_ok(counter.bad == 0, "each has what was set before its end, in order (%lu have not)",
           (unsigned long)counter.bad);
    tap_ok(recorded + stale == sets_made, "of %lu sets %lu are recorded, %lu came too late",
           (unsigned long)sets_made, (unsigned long)recorded, (unsigned long)stale);
    tap_ok(books_balance(provider), "the books balance");
    clew_provider_shutdown(provider, 5000);
    pthread_barrier_destroy(&barrier);
}

int main(void) {
    clew_set_log_level(CLEW_LOG_ERROR);
    every_span_is_ended_twice();
    one_ends_what_two_set();
    return tap_done();
}
