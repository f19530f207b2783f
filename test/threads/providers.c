/* Two providers with opposite settings in one process, used by the same threads at once: neither sees what is
 * the other's. */
#include "threads.h"

enum { THREADS = 4, RATIO_PARTS = 4 };

static clew_tracer *generous, *strict;
static clew_provider *generous_provider, *strict_provider;

static bool text_is(clew_text text, const char *expected) {
    return text.size == strlen(expected) && memcmp(text.data, expected, text.size) == 0;
}

static bool resource_is(const clew_span_view *view, const char *mine, const char *others) {
    clew_value_view value;
    return clew_span_view_resource_attribute(view, mine, &value) &&
           !clew_span_view_resource_attribute(view, others, &value);
}

static bool is_generous(const clew_span_view *view) {
    clew_span_data data = clew_span_view_data(view);
    clew_value_view value;
    return resource_is(view, "generous", "strict") &&
           text_is(clew_span_view_scope_name(view), "generous scope") && text_is(data.name, "generous") &&
           data.attribute_count == 8 && data.dropped_attributes == 0 && data.event_count == 2 &&
           data.dropped_events == 0 && clew_span_view_attribute(view, "a", &value) && value.data.size == 10;
}

static bool is_strict(const clew_span_view *view) {
    clew_span_data data = clew_span_view_data(view);
    clew_value_view value;
    return resource_is(view, "strict", "generous") &&
           text_is(clew_span_view_scope_name(view), "strict scope") && text_is(data.name, "strict") &&
           data.attribute_count == 2 && data.dropped_attributes == 6 && data.event_count == 0 &&
           data.dropped_events == 2 && clew_span_view_attribute(view, "a", &value) && value.data.size == 3;
}

static void fill(clew_span span) {
    static const char *const keys[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    for (int i = 0; i < 8; i++)
        clew_span_set_string(span, keys[i], "0123456789");
    clew_span_add_event(span, "one", NULL, 0, 0);
    clew_span_add_event(span, "two", NULL, 0, 0);
    clew_span_end(span);
}

static void *uses_both(void *argument) {
    unsigned rounds = ROUNDS(40000);
    clew_span_options root = {.flags = CLEW_SPAN_ROOT};
    (void)argument;
    for (unsigned i = 0; i < rounds; i++) {
        clew_span a = clew_span_start(i % 2 ? generous : strict, i % 2 ? "generous" : "strict", &root);
        clew_span b = clew_span_start(i % 2 ? strict : generous, i % 2 ? "strict" : "generous", &root);
        fill(a);
        fill(b);
    }
    return NULL;
}

static clew_provider *make(struct counter *counter, const char *name, const clew_limits *limits,
                           clew_sampler *sampler) {
    clew_attribute attribute = CLEW_KV(name, true);
    clew_provider_options options = {
        .resource = clew_resource_new(&attribute, 1, NULL), .limits = limits, .sampler = sampler};
    clew_provider *provider = clew_provider_new(&options);
    clew_exporter exporter = counter_exporter(counter);
    clew_batch_options batch = clew_batch_options_default();
    batch.max_queue_size = 1000000;
    clew_provider_add_batch(provider, &exporter, &batch);
    return provider;
}

static void neither_sees_the_others(void) {
    static struct counter of_generous = {.is_good = is_generous}, of_strict = {.is_good = is_strict};
    clew_limits narrow = clew_limits_default();
    clew_stats_data a, b;
    pthread_t threads[THREADS];
    uint64_t made = (uint64_t)ROUNDS(40000) * THREADS;
    narrow.attribute_count = 2;
    narrow.attribute_value_length = 3;
    narrow.event_count = 0;
    generous_provider = make(&of_generous, "generous", NULL, clew_sampler_always_on());
    strict_provider = make(&of_strict, "strict", &narrow, clew_sampler_trace_id_ratio(1.0 / RATIO_PARTS));
    generous = clew_provider_tracer(generous_provider, "generous scope", NULL, NULL, NULL, 0);
    strict = clew_provider_tracer(strict_provider, "strict scope", NULL, NULL, NULL, 0);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, uses_both, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    clew_provider_flush(generous_provider, 20000);
    clew_provider_flush(strict_provider, 20000);
    a = books_of(generous_provider);
    b = books_of(strict_provider);
    tap_ok(of_generous.spans == made && of_generous.bad == 0,
           "the generous provider has all its spans, whole (%lu, %lu bad)", (unsigned long)of_generous.spans,
           (unsigned long)of_generous.bad);
    tap_ok(of_strict.bad == 0, "the strict one cuts its own (%lu bad)", (unsigned long)of_strict.bad);
    tap_ok(of_strict.spans > made / RATIO_PARTS / 2 && of_strict.spans < made / RATIO_PARTS * 2,
           "and samples a quarter of them (%lu of %lu)", (unsigned long)of_strict.spans, (unsigned long)made);
    tap_ok(a.started == made && a.not_recorded == 0 && a.dropped_attributes == 0 && a.dropped_events == 0,
           "the books of the generous one know nothing of drops");
    tap_ok(b.started + b.not_recorded == made && b.started == of_strict.spans &&
               b.dropped_attributes == 6 * b.started && b.dropped_events == 2 * b.started,
           "those of the strict one know all of them");
    tap_ok(books_balance(generous_provider) && books_balance(strict_provider), "both balance");
}

/* One is shut down: the other goes on. */
static void one_outlives_the_other(void) {
    uint64_t before = books_of(generous_provider).pipelines[0].exported;
    clew_provider_shutdown(strict_provider, 5000);
    tap_ok(!clew_tracer_enabled(strict, NULL) && clew_tracer_enabled(generous, NULL),
           "after its shutdown only the strict one is off");
    fill(clew_span_start(strict, "strict", NULL));
    fill(clew_span_start(generous, "generous", NULL));
    tap_ok(clew_provider_flush(generous_provider, 5000).delivered == 1 &&
               books_of(generous_provider).pipelines[0].exported == before + 1,
           "the other delivers");
    clew_provider_shutdown(generous_provider, 5000);
}

int main(void) {
    clew_set_log_level(CLEW_LOG_ERROR);
    neither_sees_the_others();
    one_outlives_the_other();
    return tap_done();
}
