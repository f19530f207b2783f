/* What a flush says of the spans that waited, whatever else goes on; and queues that drop the oldest. */
#include "gated.h"

#include "sdk/trace/provider.h"

enum { THREADS = 4 };

static void concurrent_flushes_are_told_exactly(void) {
    struct gated gated = {
        .answers = {{CLEW_EXPORT_DELIVERED, {.rejected = 2}},
                    {CLEW_EXPORT_DELIVERED,
                     {.failed = 1, .failure = CLEW_FAILURE_TOO_LARGE, .unknown = 1, .spooled = 3}},
                    {CLEW_EXPORT_FAILED, {.failure = CLEW_FAILURE_REFUSED}}}};
    clew_provider *provider = gated_provider(&gated, 0, NULL);
    struct flusher first, second;
    clew_delivery third;
    clew_pipeline_stats books;
    int64_t number = 0;
    make_spans(provider, 5, &number);
    flusher_start(&first, provider);
    EVENTUALLY(atomic_load(&gated.entered) == 1);
    make_spans(provider, 7, &number);
    flusher_start(&second, provider);
    make_spans(provider, 11, &number);
    third = clew_provider_flush(provider, 30);
    tap_ok(third.status == CLEW_ETIMEDOUT && is_delivery(&third, 0, 18, 5, 0),
           "at a deadline what is in flight is unknown and what is queued was not sent in time");
    atomic_store(&gated.is_open, true);
    pthread_join(first.thread, NULL);
    pthread_join(second.thread, NULL);
    tap_ok(first.delivery.status == CLEW_EREJECTED && is_delivery(&first.delivery, 3, 2, 0, 0),
           "a flush of 5 spans, of which 2 are rejected");
    tap_ok(second.delivery.status == CLEW_EIO && is_delivery(&second.delivery, 5, 3, 1, 3),
           "one that waits for those and 7 more, which meet four fates");
    clew_provider_flush(provider, 20000);
    books = books_of(provider).pipelines[0];
    tap_ok(books.exported == 5 && books.rejected == 2 && books.unknown == 1 && books.spooled == 3 &&
               books.failed == 12 && books.failed_by[CLEW_FAILURE_TOO_LARGE] == 1 &&
               books.failed_by[CLEW_FAILURE_REFUSED] == 11,
           "the books have each span once, failures by reason");
    tap_ok(books_balance(provider), "and balance");
    clew_provider_shutdown(provider, 5000);
}

static void counts_beyond_the_batch_are_cut(void) {
    struct gated gated = {
        .is_open = true,
        .answers = {{CLEW_EXPORT_DELIVERED, {.rejected = 3, .failed = UINT64_MAX, .unknown = 9}}}};
    clew_provider *provider = gated_provider(&gated, CLEW_EXPORTER_LOCAL, NULL);
    int64_t number = 0;
    make_spans(provider, 5, &number);
    clew_delivery delivery = clew_provider_flush(provider, 20000);
    tap_ok(is_delivery(&delivery, 0, 5, 0, 0) && books_balance(provider),
           "an exporter that counts more spans than there were cannot spoil the books");
    clew_provider_shutdown(provider, 5000);
}

/* ---- drop oldest ---- */

static clew_batch_options oldest_gives_way(uint32_t queue, uint32_t batch) {
    clew_batch_options options = clew_batch_options_default();
    options.max_queue_size = queue;
    options.max_export_batch_size = batch;
    options.on_full = CLEW_DROP_OLDEST;
    return options;
}

static void the_oldest_give_way(void) {
    struct gated gated = {.is_open = false};
    clew_batch_options options = oldest_gives_way(10, 10);
    clew_provider *provider = gated_provider(&gated, 0, &options);
    struct flusher flusher, waiting;
    int64_t number = 0;
    make_spans(provider, 5, &number);
    flusher_start(&flusher, provider);
    EVENTUALLY(atomic_load(&gated.entered) == 1);
    make_spans(provider, 10, &number);
    flusher_start(&waiting, provider);
    make_spans(provider, 10, &number);
    tap_ok(books_of(provider).pipelines[0].dropped_queue_full == 10, "ten give way to ten newer ones");
    atomic_store(&gated.is_open, true);
    pthread_join(flusher.thread, NULL);
    pthread_join(waiting.thread, NULL);
    tap_ok(is_delivery(&flusher.delivery, 5, 0, 0, 0), "what is in flight is not touched");
    tap_ok(is_delivery(&waiting.delivery, 5, 10, 0, 0), "a flush that waits for dropped ones says so");
    clew_provider_flush(provider, 20000);
    tap_ok(gated.spans == 15 && gated.last == number - 1, "the newest arrive");
    tap_ok(books_balance(provider), "the books balance");
    clew_provider_shutdown(provider, 5000);
}

static void a_flush_returns_when_all_it_waits_for_is_dropped(void) {
    struct gated gated = {.is_open = false};
    clew_batch_options options = oldest_gives_way(10, 10);
    clew_provider *provider = gated_provider(&gated, 0, &options);
    struct flusher waiting;
    int64_t number = 0;
    make_spans(provider, 5, &number);
    clew_provider_flush(provider, 0);
    EVENTUALLY(atomic_load(&gated.entered) == 1);
    make_spans(provider, 5, &number);
    flusher_start(&waiting, provider);
    make_spans(provider, 10, &number);
    atomic_store(&gated.is_open, true);
    pthread_join(waiting.thread, NULL);
    tap_ok(is_delivery(&waiting.delivery, 5, 5, 0, 0), "spans may be dropped under a flush");
    clew_provider_shutdown(provider, 5000);
}

static void bytes_make_the_oldest_give_way_too(void) {
    struct gated gated = {.is_open = false};
    clew_batch_options options = oldest_gives_way(2048, 512);
    clew_provider *provider;
    int64_t number = 0;
    options.max_queue_bytes = 64 << 10;
    provider = gated_provider(&gated, 0, &options);
    make_spans(provider, 2000, &number);
    clew_pipeline_stats books = books_of(provider).pipelines[0];
    tap_ok(books.dropped_memory > 0 && books.dropped_queue_full == 0, "%lu of 2000 spans exceed 64 KiB",
           (unsigned long)books.dropped_memory);
    atomic_store(&gated.is_open, true);
    clew_provider_flush(provider, 20000);
    tap_ok(gated.last == number - 1 && books_balance(provider), "the newest arrive, and the books balance");
    clew_provider_shutdown(provider, 5000);
}

/* The budget of the process, which nothing but this queue uses up. */
static void the_budget_makes_the_oldest_give_way_too(void) {
    struct gated gated = {.is_open = false};
    clew_batch_options options = oldest_gives_way(1000000, 512);
    clew_provider *provider;
    clew_stats_data data;
    int64_t number = 0;
    options.max_queue_bytes = 0;
    provider = gated_provider(&gated, 0, &options);
    clew_set_memory_limit(UINT64_C(1) << 20);
    make_spans(provider, 30000, &number);
    data = books_of(provider);
    tap_ok(data.pipelines[0].dropped_memory > 0 && data.pipelines[0].pending > 0 &&
               data.memory_used <= 1 << 20,
           "%lu of 30000 spans exceed the memory limit, %lu wait",
           (unsigned long)data.pipelines[0].dropped_memory, (unsigned long)data.pipelines[0].pending);
    atomic_store(&gated.is_open, true);
    clew_provider_flush(provider, 20000);
    tap_ok(gated.last == number - 1 && books_balance(provider),
           "the newest arrive when the limit is reached, and the books balance");
    clew_set_memory_limit(UINT64_C(64) << 20);
    clew_provider_shutdown(provider, 5000);
}

static clew_provider *shared;
static atomic_bool done;

static void *records(void *argument) {
    int64_t number = 0;
    (void)argument;
    for (unsigned i = 0; i < ROUNDS(400); i++)
        make_spans(shared, 100, &number);
    return NULL;
}

static void *flushes(void *argument) {
    uint64_t *wrong = argument;
    while (!atomic_load(&done)) {
        clew_delivery delivery = clew_provider_flush(shared, 20000);
        *wrong += delivery.status == CLEW_ETIMEDOUT || delivery.unknown > 0;
    }
    return NULL;
}

static void books_hold_while_threads_push_each_other_out(void) {
    struct gated gated = {.is_open = true};
    clew_batch_options options = oldest_gives_way(100, 20);
    pthread_t threads[THREADS], flushing[2];
    uint64_t wrong[2] = {0, 0}, made = (uint64_t)ROUNDS(400) * 100 * THREADS;
    shared = gated_provider(&gated, 0, &options);
    atomic_store(&done, false);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, records, NULL);
    for (int i = 0; i < 2; i++)
        pthread_create(&flushing[i], NULL, flushes, &wrong[i]);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    atomic_store(&done, true);
    for (int i = 0; i < 2; i++)
        pthread_join(flushing[i], NULL);
    clew_provider_flush(shared, 20000);
    clew_pipeline_stats books = books_of(shared).pipelines[0];
    tap_ok(books.exported == gated.spans && books.exported + books.dropped_queue_full == made &&
               books.pending == 0,
           "%lu exported and %lu pushed out by %d threads: all there are", (unsigned long)books.exported,
           (unsigned long)books.dropped_queue_full, THREADS);
    tap_ok(wrong[0] + wrong[1] == 0, "flushes beside them return");
    tap_ok(books_balance(shared), "the books balance");
    clew_provider_shutdown(shared, 5000);
}

int main(void) {
    alarm(120);
    clew_set_log_level(CLEW_LOG_NONE);
    concurrent_flushes_are_told_exactly();
    counts_beyond_the_batch_are_cut();
    the_oldest_give_way();
    a_flush_returns_when_all_it_waits_for_is_dropped();
    bytes_make_the_oldest_give_way_too();
    the_budget_makes_the_oldest_give_way_too();
    books_hold_while_threads_push_each_other_out();
    return tap_done();
}
