/* The batching pipeline: when a batch goes, what is dropped, what the books say. */
#include "slow.h"

Test(batch, goes_when_it_is_full) {
    struct slow slow = {.gate = GATE_OPEN};
    clew_batch_options options = clew_batch_options_default();
    options.max_queue_size = 100;
    options.max_export_batch_size = 10;
    struct line line = line_new(&slow, &options);
    line_spans(&line, 25);
    cr_assert(slow_wait_spans(&slow, 10));
    cr_assert(slow_calls(&slow) >= 1);
    cr_assert(slow.largest <= 10);
    line_end(&line);
    cr_assert_eq(slow.spans, 25);
    cr_assert(slow.largest <= 10);
    CLEW_NO_LEAKS();
}

Test(batch, goes_after_the_delay) {
    struct slow slow = {.gate = GATE_OPEN};
    clew_batch_options options = clew_batch_options_default();
    options.schedule_delay_ms = 50;
    struct line line = line_new(&slow, &options);
    line_spans(&line, 3);
    cr_assert(slow_wait_spans(&slow, 3));
    line_end(&line);
    CLEW_NO_LEAKS();
}

Test(batch, does_not_go_before_the_delay) {
    struct slow slow = {.gate = GATE_OPEN};
    clew_batch_options options = clew_batch_options_default();
    options.schedule_delay_ms = 100000;
    struct line line = line_new(&slow, &options);
    line_spans(&line, 3);
    cr_assert_not(slow_wait_spans_for(&slow, 1, 100));
    cr_assert_eq(line_books(&line).pending, 3);
    clew_delivery delivery = clew_provider_flush(line.provider, 2000);
    cr_assert_eq(delivery.status, 0);
    cr_assert_eq(delivery.delivered, 3);
    cr_assert_eq(slow.spans, 3);
    cr_assert_eq(slow.calls, 1);
    line_end(&line);
    CLEW_NO_LEAKS();
}

Test(batch, delay_of_zero_sends_at_once) {
    struct slow slow = {.gate = GATE_OPEN};
    clew_batch_options options = clew_batch_options_default();
    options.schedule_delay_ms = 0;
    struct line line = line_new(&slow, &options);
    line_spans(&line, 1);
    cr_assert(slow_wait_spans(&slow, 1));
    line_end(&line);
    CLEW_NO_LEAKS();
}

static void *one_span(void *argument) {
    line_spans(argument, 1);
    return NULL;
}

/* Full batches of a busy thread must not put off what another one left in its chunk. */
Test(batch, span_of_an_idle_thread_is_not_starved_by_a_busy_one, .timeout = 20) {
    struct slow slow = {.gate = GATE_OPEN, .watched = "lonely"};
    clew_batch_options options = clew_batch_options_default();
    options.schedule_delay_ms = 200;
    options.max_export_batch_size = 8;
    struct line line = line_new(&slow, &options);
    pthread_t thread;
    line.name = "lonely";
    pthread_create(&thread, NULL, one_span, &line);
    pthread_join(thread, NULL);
    line.name = "busy";
    /* Never so many that the queue is full, for then all chunks are collected. */
    uint64_t end = clew_monotonic_nano() + UINT64_C(3000000000);
    for (unsigned made = 8; clew_monotonic_nano() < end && !atomic_load(&slow.watched_seen); made += 8) {
        line_spans(&line, 8);
        cr_assert(slow_wait_spans(&slow, made));
    }
    cr_assert(atomic_load(&slow.watched_seen));
    line_end(&line);
    CLEW_NO_LEAKS();
}

Test(batch, full_queue_drops_the_newest_and_counts) {
    struct slow slow = {.gate = GATE_CLOSED};
    clew_batch_options options = clew_batch_options_default();
    options.max_queue_size = 100;
    options.max_export_batch_size = 10;
    struct line line = line_new(&slow, &options);
    line_spans(&line, 10);
    cr_assert_eq(clew_provider_flush(line.provider, 0).delivered, 0);
    cr_assert(slow_wait_entered(&slow, 1));
    line_spans(&line, 130);
    clew_pipeline_stats books = line_books(&line);
    cr_assert_eq(books.offered, 140);
    cr_assert_eq(books.dropped_queue_full, 30);
    cr_assert_eq(books.pending, 110);
    slow_open(&slow);
    line_end(&line);
    cr_assert_eq(slow.spans, 110);
    cr_assert_eq(slow.last_number, 109);
    CLEW_NO_LEAKS();
}

Test(batch, queue_never_holds_more_than_its_size_with_many_threads) {
    struct slow slow = {.gate = GATE_CLOSED};
    clew_batch_options options = clew_batch_options_default();
    pthread_t threads[8];
    options.max_queue_size = 64;
    options.max_export_batch_size = 16;
    struct line line = line_new(&slow, &options);
    line_spans(&line, 16);
    clew_provider_flush(line.provider, 0);
    cr_assert(slow_wait_entered(&slow, 1));
    line.each = 100;
    for (int i = 0; i < 8; i++)
        pthread_create(&threads[i], NULL, line_thread, &line);
    for (int i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    clew_pipeline_stats books = line_books(&line);
    cr_assert_eq(books.offered, 816);
    cr_assert(books.pending <= 80, "%lu", books.pending);
    cr_assert(books.pending >= 64, "%lu", books.pending);
    cr_assert_eq(books.dropped_queue_full, 816 - books.pending);
    slow_open(&slow);
    line_end(&line);
    CLEW_NO_LEAKS();
}

Test(batch, queue_of_one_works) {
    struct slow slow = {.gate = GATE_OPEN};
    clew_batch_options options = clew_batch_options_default();
    options.max_queue_size = 1;
    options.max_export_batch_size = 512;
    struct line line = line_new(&slow, &options);
    line_spans(&line, 1);
    cr_assert_eq(clew_provider_flush(line.provider, 2000).delivered, 1);
    line_end(&line);
    CLEW_NO_LEAKS();
}

Test(batch, byte_limit_of_the_queue_is_kept) {
    struct slow slow = {.gate = GATE_CLOSED};
    clew_batch_options options = clew_batch_options_default();
    options.max_queue_bytes = 256 << 10;
    struct line line = line_new(&slow, &options);
    line.attribute_size = 10000;
    line_spans(&line, 100);
    clew_pipeline_stats books = line_books(&line);
    cr_assert_eq(books.offered, 100);
    /* A span takes 16 KiB: 15 of them fit the queue, once more when the worker has taken some out. */
    cr_assert(books.pending >= 10 && books.pending <= 40, "%lu", books.pending);
    cr_assert_eq(books.pending + books.dropped_memory, 100);
    slow_open(&slow);
    line_end(&line);
    CLEW_NO_LEAKS();
}

Test(batch, memory_budget_bounds_everything) {
    struct slow slow = {.gate = GATE_CLOSED};
    struct line line = line_new(&slow, NULL);
    clew_set_memory_limit(16 << 20);
    line.attribute_size = 1 << 20;
    clew_stats_data all;
    for (int i = 0; i < 100; i++) {
        line_spans(&line, 1);
        clew_stats_of(line.provider, &all);
        cr_assert(all.memory_used <= 16 << 20);
    }
    cr_assert_eq(all.started + all.not_recorded_memory, 100);
    cr_assert(all.dropped_attributes + all.pipelines[0].dropped_memory > 50);
    cr_assert_eq(all.pipelines[0].offered, all.pipelines[0].pending + all.pipelines[0].dropped_memory);
    slow_open(&slow);
    line_end(&line);
    clew_stats_of(line.provider, &all);
    cr_assert_eq(all.pipelines[0].pending, 0);
    /* Slots and their small bodies are kept; what was in the queue is not. */
    cr_assert(all.memory_used < 1 << 20, "%lu", all.memory_used);
    CLEW_NO_LEAKS();
}

Test(batch, grown_spans_arrive_whole) {
    struct slow slow = {.gate = GATE_OPEN, .keep = true};
    struct slow other = {.gate = GATE_OPEN, .keep = true};
    clew_exporter second = slow_exporter(&other);
    struct line line = line_new(&slow, NULL);
    static const size_t sizes[] = {1, 900, 1000, 1100, 2000, 4000, 5000, 17000, 70000, 1000000, 3000000};
    for (size_t pipelines = 1; pipelines <= 2; pipelines++) {
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            line.attribute_size = sizes[i];
            line_spans(&line, 1);
            cr_assert_eq(clew_provider_flush(line.provider, 5000).status, 0);
            cr_assert_eq(slow.value_size, sizes[i], "%zu: %zu", sizes[i], slow.value_size);
            if (pipelines == 2)
                cr_assert_eq(other.value_size, sizes[i]);
        }
        if (pipelines == 1)
            cr_assert_eq(clew_provider_add_batch(line.provider, &second, NULL), 0);
    }
    line_end(&line);
    CLEW_NO_LEAKS();
}

Test(batch, spans_of_several_scopes_share_a_request) {
    struct slow slow = {.gate = GATE_OPEN};
    struct line line = line_new(&slow, NULL);
    clew_tracer *others[3];
    static const char *const names[] = {"a", "b", "c"};
    for (int i = 0; i < 3; i++)
        others[i] = clew_provider_tracer(line.provider, names[i], NULL, NULL, NULL, 0);
    for (int i = 0; i < 30; i++)
        clew_span_end(clew_span_start(others[i % 3], "work", NULL));
    cr_assert_eq(clew_provider_flush(line.provider, 2000).delivered, 30);
    cr_assert_eq(slow.calls, 1);
    cr_assert_eq(slow.spans, 30);
    cr_assert_eq(slow.scope_changes, 2);
    line_end(&line);
    CLEW_NO_LEAKS();
}

Test(batch, rejected_failed_and_unknown_are_told_apart) {
    struct slow slow = {.gate = GATE_OPEN, .rejects = 2};
    struct line line = line_new(&slow, NULL);
    line_spans(&line, 10);
    clew_delivery delivery = clew_provider_flush(line.provider, 2000);
    cr_assert_eq(delivery.status, CLEW_EREJECTED);
    cr_assert_eq(delivery.delivered, 8);
    cr_assert_eq(delivery.failed, 2);
    slow.rejects = 0;
    slow.outcome = CLEW_EXPORT_FAILED;
    line_spans(&line, 5);
    delivery = clew_provider_flush(line.provider, 2000);
    cr_assert_eq(delivery.failed, 5);
    cr_assert_eq(delivery.status, CLEW_EIO);
    slow.outcome = CLEW_EXPORT_UNKNOWN;
    line_spans(&line, 3);
    delivery = clew_provider_flush(line.provider, 2000);
    cr_assert_eq(delivery.unknown, 3);
    clew_pipeline_stats books = line_books(&line);
    cr_assert_eq(books.exported, 8);
    cr_assert_eq(books.rejected, 2);
    cr_assert_eq(books.failed, 5);
    cr_assert_eq(books.unknown, 3);
    cr_assert_eq(books.offered, 18);
    cr_assert_eq(books.pending, 0);
    line_end(&line);
    CLEW_NO_LEAKS();
}

Test(batch, export_timeout_is_handed_on_and_zero_is_none) {
    struct slow slow = {.gate = GATE_OPEN};
    clew_batch_options options = clew_batch_options_default();
    options.export_timeout_ms = 0;
    struct line line = line_new(&slow, &options);
    line_spans(&line, 1);
    clew_provider_flush(line.provider, 2000);
    cr_assert_eq(slow.timeout_ms, 0);
    line_end(&line);
    options.export_timeout_ms = 700;
    line = line_new(&slow, &options);
    line_spans(&line, 1);
    clew_provider_flush(line.provider, 2000);
    cr_assert(slow.timeout_ms > 0 && slow.timeout_ms <= 700, "%u", slow.timeout_ms);
    line_end(&line);
    CLEW_NO_LEAKS();
}

/* ---- deadlines ---- */

Test(batch, flush_of_zero_starts_and_returns) {
    struct slow slow = {.gate = GATE_OPEN};
    struct line line = line_new(&slow, NULL);
    line_spans(&line, 3);
    uint64_t before = clew_monotonic_nano();
    clew_delivery delivery = clew_provider_flush(line.provider, 0);
    cr_assert(milliseconds_since(before) < 50);
    cr_assert_eq(delivery.delivered + delivery.failed + delivery.unknown, 3);
    cr_assert(slow_wait_spans(&slow, 3));
    line_end(&line);
    CLEW_NO_LEAKS();
}

Test(batch, flush_keeps_its_deadline_and_tells_queued_from_sent) {
    struct slow slow = {.gate = GATE_CLOSED};
    clew_batch_options options = clew_batch_options_default();
    options.max_export_batch_size = 4;
    struct line line = line_new(&slow, &options);
    line_spans(&line, 10);
    cr_assert(slow_wait_entered(&slow, 1));
    uint64_t before = clew_monotonic_nano();
    clew_delivery delivery = clew_provider_flush(line.provider, 100);
    cr_assert(milliseconds_since(before) >= 99);
    cr_assert(milliseconds_since(before) < 150 * SLOWNESS);
    cr_assert_eq(delivery.status, CLEW_ETIMEDOUT);
    cr_assert_eq(delivery.delivered, 0);
    cr_assert_eq(delivery.unknown, 4);
    cr_assert_eq(delivery.failed, 6);
    slow_open(&slow);
    cr_assert(slow_wait_spans(&slow, 10));
    line_end(&line);
    CLEW_NO_LEAKS();
}

Test(batch, shutdown_returns_in_time_from_an_exporter_that_never_does, .timeout = 30) {
    static struct slow slow = {.gate = GATE_CLOSED};
    clew_batch_options options = clew_batch_options_default();
    options.max_export_batch_size = 4;
    options.schedule_delay_ms = 0;
    struct line line = line_new(&slow, &options);
    line_spans(&line, 10);
    cr_assert(slow_wait_entered(&slow, 1));
    uint64_t in_flight = 0;
    uint64_t before = clew_monotonic_nano();
    clew_delivery delivery = clew_provider_shutdown(line.provider, 1000);
    cr_assert(milliseconds_since(before) < 1050, "%u ms", milliseconds_since(before));
    cr_assert_eq(delivery.status, CLEW_ETIMEDOUT);
    clew_pipeline_stats books = line_books(&line);
    in_flight = books.unknown;
    cr_assert(in_flight >= 1 && in_flight <= 4, "%lu", in_flight);
    cr_assert_eq(delivery.unknown, in_flight);
    cr_assert_eq(delivery.failed, 10 - in_flight);
    cr_assert_eq(books.dropped_shutdown, 10 - in_flight);
    cr_assert_eq(books.pending, 0);
    slow_open(&slow);
}

Test(batch, shutdown_of_zero_drops_what_waits) {
    struct slow slow = {.gate = GATE_OPEN};
    struct line line = line_new(&slow, NULL);
    line_spans(&line, 3);
    uint64_t before = clew_monotonic_nano();
    clew_delivery delivery = clew_provider_shutdown(line.provider, 0);
    cr_assert(milliseconds_since(before) < 50 * SLOWNESS);
    cr_assert_eq(delivery.delivered + delivery.failed + delivery.unknown, 3);
    clew_pipeline_stats books = line_books(&line);
    cr_assert_eq(books.pending, 0);
    cr_assert_eq(books.exported + books.dropped_shutdown + books.unknown, 3);
    CLEW_NO_LEAKS();
}

Test(batch, span_that_ends_after_the_shutdown_is_dropped_and_counted) {
    struct slow slow = {.gate = GATE_OPEN};
    struct line line = line_new(&slow, NULL);
    clew_span span = clew_span_start(line.tracer, "late", NULL);
    cr_assert_eq(clew_provider_shutdown(line.provider, 2000).status, 0);
    cr_assert(clew_span_is_recording(span));
    clew_span_end(span);
    clew_pipeline_stats books = line_books(&line);
    cr_assert_eq(books.offered, 1);
    cr_assert_eq(books.dropped_shutdown, 1);
    cr_assert_eq(slow.destroyed, 1);
    CLEW_NO_LEAKS();
}

Test(batch, exporter_that_blocks_delays_no_other, .timeout = 30) {
    static struct slow stuck = {.gate = GATE_CLOSED};
    struct slow quick = {.gate = GATE_OPEN};
    clew_exporter second = slow_exporter(&quick);
    clew_batch_options options = clew_batch_options_default();
    options.schedule_delay_ms = 0;
    struct line line = line_new(&stuck, &options);
    clew_provider_add_batch(line.provider, &second, &options);
    line_spans(&line, 1);
    cr_assert(slow_wait_entered(&stuck, 1));
    uint64_t before = clew_monotonic_nano();
    line_spans(&line, 50);
    cr_assert(slow_wait_spans(&quick, 51));
    cr_assert(milliseconds_since(before) < 200 * SLOWNESS, "%u ms", milliseconds_since(before));
    cr_assert_eq(stuck.spans, 0);
    slow_open(&stuck);
    line_end(&line);
    CLEW_NO_LEAKS();
}

Test(batch, late_answer_counts) {
    struct slow slow = {.gate = GATE_CLOSED};
    struct line line = line_new(&slow, NULL);
    line_spans(&line, 2);
    clew_provider_flush(line.provider, 0);
    cr_assert(slow_wait_entered(&slow, 1));
    slow_open(&slow);
    cr_assert_eq(clew_provider_flush(line.provider, 2000).status, 0);
    cr_assert_eq(line_books(&line).exported, 2);
    line_end(&line);
    CLEW_NO_LEAKS();
}

Test(batch, exporter_is_destroyed_when_shutdown_returns) {
    for (int i = 0; i < 20; i++) {
        struct slow slow = {.gate = GATE_OPEN};
        struct line line = line_new(&slow, NULL);
        line_spans(&line, 1);
        cr_assert_eq(clew_provider_shutdown(line.provider, 2000).delivered, 1);
        cr_assert_eq(slow.destroyed, 1);
    }
    CLEW_NO_LEAKS();
}
