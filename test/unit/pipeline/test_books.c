/* Every span has exactly one fate, at every moment and with many threads. */
#include "slow.h"

enum { THREADS = 8, EACH = 4000 };

static uint64_t fates_of(const clew_pipeline_stats *books) {
    return books->exported + books->rejected + books->failed + books->unknown + books->not_sampled +
           books->dropped_queue_full + books->dropped_memory + books->dropped_shutdown;
}

static atomic_bool finished;

static void *watch(void *argument) {
    clew_provider *provider = argument;
    static unsigned bad;
    uint64_t offered_before[2] = {0, 0};
    while (!atomic_load(&finished)) {
        clew_stats_data data;
        clew_stats_of(provider, &data);
        bad += data.ended > data.started;
        for (size_t i = 0; i < 2; i++) {
            bad += fates_of(&data.pipelines[i]) > data.pipelines[i].offered;
            bad += data.pipelines[i].offered < offered_before[i];
            offered_before[i] = data.pipelines[i].offered;
        }
    }
    return &bad;
}

Test(books, fates_never_exceed_what_was_offered_and_agree_at_rest, .timeout = 60) {
    struct slow slow = {.gate = GATE_OPEN, .rejects = 1}, other = {.gate = GATE_OPEN};
    clew_batch_options options = clew_batch_options_default();
    clew_exporter second = slow_exporter(&other);
    pthread_t threads[THREADS], watcher;
    void *bad;
    options.max_queue_size = 256;
    options.max_export_batch_size = 32;
    struct line line = line_new(&slow, &options);
    clew_provider_add_batch(line.provider, &second, &options);
    line.each = EACH;
    line.attribute_size = 300;
    pthread_create(&watcher, NULL, watch, line.provider);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, line_thread, &line);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    cr_assert(clew_provider_flush(line.provider, 10000).status != CLEW_ETIMEDOUT);
    atomic_store(&finished, true);
    pthread_join(watcher, &bad);
    cr_assert_eq(*(unsigned *)bad, 0, "%u", *(unsigned *)bad);
    clew_stats_data data;
    clew_stats_of(line.provider, &data);
    cr_assert_eq(data.started, THREADS * EACH);
    cr_assert_eq(data.ended, THREADS * EACH);
    cr_assert_eq(data.open, 0);
    for (size_t i = 0; i < 2; i++) {
        clew_pipeline_stats *books = &data.pipelines[i];
        cr_assert_eq(books->offered, THREADS * EACH);
        cr_assert_eq(books->pending, 0, "%lu", books->pending);
        cr_assert_eq(fates_of(books), books->offered);
    }
    cr_assert_eq(data.pipelines[0].exported + data.pipelines[0].rejected, slow.spans);
    cr_assert_eq(data.pipelines[1].exported, other.spans);
    line_end(&line);
    CLEW_NO_LEAKS();
}

Test(books, shutdown_while_threads_record_accounts_for_every_span, .timeout = 60) {
    struct slow slow = {.gate = GATE_OPEN};
    pthread_t threads[4];
    struct line line = line_new(&slow, NULL);
    line.each = EACH;
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, line_thread, &line);
    while (atomic_load(&slow.destroyed) == 0 && line_books(&line).offered < 1000)
        ;
    clew_provider_shutdown(line.provider, 10000);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    clew_stats_data data;
    clew_stats_of(line.provider, &data);
    cr_assert_eq(data.started, data.ended);
    cr_assert_eq(data.pipelines[0].offered, data.ended);
    cr_assert_eq(data.pipelines[0].pending, 0);
    cr_assert_eq(fates_of(&data.pipelines[0]), data.pipelines[0].offered);
    cr_assert_eq(data.pipelines[0].exported, slow.spans);
    CLEW_NO_LEAKS();
}

/* ---- what ended before a flush is in it ---- */

static _Atomic int64_t returned, allowed;
static atomic_bool stop;

static void *end_without_pause(void *argument) {
    static char large[800]; /* takes a while to copy */
    struct line *line = argument;
    for (int64_t number = 1; !atomic_load(&stop); number++) {
        while (number > atomic_load(&allowed) && !atomic_load(&stop))
            sched_yield();
        clew_span span = clew_span_start(line->tracer, "work", NULL);
        clew_span_set_int(span, "number", number);
        clew_span_set_string_n(span, "large", large, sizeof large);
        clew_span_end(span);
        atomic_store(&returned, number);
    }
    return NULL;
}

Test(books, flush_includes_every_end_that_returned_before_it, .timeout = 60) {
    struct slow slow = {.gate = GATE_OPEN};
    clew_batch_options options = clew_batch_options_default();
    pthread_t thread;
    unsigned missed = 0;
    options.schedule_delay_ms = 100000;
    options.max_queue_size = 100000;
    struct line line = line_new(&slow, &options);
    pthread_create(&thread, NULL, end_without_pause, &line);
    for (int i = 0; i < 3000; i++) {
        /* While the thread is at work, and before it has done what the queue can hold. */
        int64_t before = atomic_fetch_add(&allowed, 2000);
        while (atomic_load(&returned) < before + 10)
            ;
        before = atomic_load(&returned);
        clew_provider_flush(line.provider, 5000);
        pthread_mutex_lock(&slow.mutex);
        missed += slow.last_number < before;
        pthread_mutex_unlock(&slow.mutex);
    }
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
    cr_assert_eq(missed, 0, "%u of 3000 flushes missed a span", missed);
    line_end(&line);
    CLEW_NO_LEAKS();
}
