/* What the tests of threads share: an exporter that only counts, a provider for it, threads in a row. */
#ifndef CLEW_TEST_THREADS_H
#define CLEW_TEST_THREADS_H

#include "test/tap.h"

#include <clew/clew.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif
/* Rounds of a race: fewer where each takes longer. */
#define ROUNDS(many) (SANITIZED ? (many) / 20 : (many))

struct counter {
    _Atomic uint64_t spans;
    /* What each span must be like; counts those that are not. May be NULL. */
    bool (*is_good)(const clew_span_view *span);
    _Atomic uint64_t bad;
};

static inline clew_export_outcome counter_export(void *self, const clew_batch *batch, uint32_t timeout_ms,
                                                 clew_export_report *report) {
    struct counter *counter = self;
    clew_batch_cursor cursor = clew_batch_begin(batch);
    clew_span_view span;
    (void)timeout_ms;
    (void)report;
    while (clew_batch_next(&cursor, &span)) {
        atomic_fetch_add(&counter->spans, 1);
        if (counter->is_good && !counter->is_good(&span))
            atomic_fetch_add(&counter->bad, 1);
    }
    return CLEW_EXPORT_DELIVERED;
}

static inline clew_exporter counter_exporter(struct counter *counter) {
    clew_exporter exporter = {
        .flags = CLEW_EXPORTER_LOCAL, .name = "counter", .self = counter, .export_batch = counter_export};
    return exporter;
}

/* A provider with a batching pipeline that never has to drop. */
static inline clew_provider *counting_provider(struct counter *counter) {
    clew_provider_options plain = {.resource = clew_resource_new(NULL, 0, NULL)};
    clew_provider *provider = clew_provider_new(&plain);
    clew_exporter exporter = counter_exporter(counter);
    clew_batch_options options = clew_batch_options_default();
    options.max_queue_size = 1000000;
    clew_provider_add_batch(provider, &exporter, &options);
    return provider;
}

static inline clew_tracer *tracer_of(clew_provider *provider) {
    return clew_provider_tracer(provider, "threads", NULL, NULL, NULL, 0);
}

static inline clew_stats_data books_of(clew_provider *provider) {
    clew_stats_data data;
    clew_stats_of(provider, &data);
    return data;
}

/* started = open + ended, and every pipeline's offered = pending + fates. */
static inline bool books_balance(clew_provider *provider) {
    clew_stats_data data = books_of(provider);
    bool good = data.started == data.open + data.ended;
    for (size_t i = 0; i < data.pipeline_count; i++) {
        const clew_pipeline_stats *p = &data.pipelines[i];
        good &= p->offered == p->pending + p->exported + p->rejected + p->failed + p->unknown + p->spooled +
                                  p->not_sampled + p->dropped_queue_full + p->dropped_memory +
                                  p->dropped_shutdown;
    }
    return good;
}

#endif
