/* An exporter whose exports wait at a gate, each with a scripted answer, and what tests of queues look at. */
#ifndef CLEW_TEST_THREADS_GATED_H
#define CLEW_TEST_THREADS_GATED_H

#include "threads.h"

#include "sdk/trace/provider.h"

#include <unistd.h>

#define ANSWERS 8

struct answer {
    clew_export_outcome outcome;
    clew_export_report report;
};

struct gated {
    atomic_bool is_open;
    atomic_uint entered, destroyed, batches;
    struct answer answers[ANSWERS]; /* of the first batches; zero is delivered */
    _Atomic uint64_t spans;
    _Atomic int64_t last; /* attribute `number` of the last span that came */
};

static inline clew_export_outcome gated_export(void *self, const clew_batch *batch, uint32_t timeout_ms,
                                               clew_export_report *report) {
    struct gated *gated = self;
    unsigned number = atomic_fetch_add(&gated->batches, 1);
    clew_batch_cursor cursor = clew_batch_begin(batch);
    clew_span_view view;
    clew_value_view value;
    (void)timeout_ms;
    atomic_fetch_add(&gated->entered, 1);
    while (!atomic_load(&gated->is_open))
        usleep(200);
    while (clew_batch_next(&cursor, &view)) {
        atomic_fetch_add(&gated->spans, 1);
        if (clew_span_view_attribute(&view, "number", &value))
            atomic_store(&gated->last, value.integer);
    }
    if (number >= ANSWERS)
        return CLEW_EXPORT_DELIVERED;
    *report = gated->answers[number].report;
    return gated->answers[number].outcome;
}

static inline void gated_destroy(void *self) {
    atomic_fetch_add(&((struct gated *)self)->destroyed, 1);
}

static inline clew_provider *gated_provider(struct gated *gated, uint32_t flags,
                                            const clew_batch_options *options) {
    clew_provider_options plain = {.resource = clew_resource_new(NULL, 0, NULL)};
    clew_provider *provider = clew_provider_new(&plain);
    clew_exporter exporter = {.flags = flags,
                              .name = "gated",
                              .self = gated,
                              .export_batch = gated_export,
                              .destroy = gated_destroy};
    clew_provider_add_batch(provider, &exporter, options);
    return provider;
}

/* Numbers go on from call to call of one counter. */
static inline void make_spans(clew_provider *provider, unsigned count, int64_t *number) {
    clew_tracer *tracer = tracer_of(provider);
    for (unsigned i = 0; i < count; i++) {
        clew_span span = clew_span_start(tracer, "work", NULL);
        clew_span_set_int(span, "number", (*number)++);
        clew_span_end(span);
    }
}

/* Waits for a condition of another thread; false after ten seconds. */
#define EVENTUALLY(condition)                                                                                \
    __extension__({                                                                                          \
        uint64_t end_ = clew_monotonic_nano() + UINT64_C(10000000000);                                       \
        while (!(condition) && clew_monotonic_nano() < end_)                                                 \
            usleep(200);                                                                                     \
        (condition);                                                                                         \
    })

static inline unsigned flushes_that_wait(clew_provider *provider) {
    struct clew__stream *stream = provider->pipelines->list[0].as.stream;
    unsigned count = 0;
    clew__lock_acquire(&clew__stream_lock);
    for (struct clew__ticket *ticket = stream->tickets; ticket; ticket = ticket->next)
        count++;
    clew__lock_release(&clew__stream_lock);
    return count;
}

struct flusher {
    pthread_t thread;
    clew_provider *provider;
    uint32_t timeout_ms;
    clew_delivery delivery;
};

static inline void *flusher_body(void *argument) {
    struct flusher *flusher = argument;
    flusher->delivery = clew_provider_flush(flusher->provider, flusher->timeout_ms);
    return NULL;
}

/* Flushes on a thread of its own; returns when that waits. */
static inline void flusher_start(struct flusher *flusher, clew_provider *provider) {
    unsigned before = flushes_that_wait(provider);
    flusher->provider = provider;
    flusher->timeout_ms = 20000;
    pthread_create(&flusher->thread, NULL, flusher_body, flusher);
    if (!EVENTUALLY(flushes_that_wait(provider) == before + 1))
        tap_ok(false, "a flush waits");
}

static inline bool is_delivery(const clew_delivery *delivery, uint64_t delivered, uint64_t failed,
                               uint64_t unknown, uint64_t spooled) {
    bool same = delivery->delivered == delivered && delivery->failed == failed &&
                delivery->unknown == unknown && delivery->spooled == spooled;
    if (!same)
        fprintf(stderr, "# status %d: %lu delivered, %lu failed, %lu unknown, %lu spooled\n",
                delivery->status, (unsigned long)delivery->delivered, (unsigned long)delivery->failed,
                (unsigned long)delivery->unknown, (unsigned long)delivery->spooled);
    return same;
}

#endif
