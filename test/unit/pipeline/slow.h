/* An exporter that waits at a gate, and a provider with one batching pipeline to it. */
#ifndef CLEW_TEST_PIPELINE_SLOW_H
#define CLEW_TEST_PIPELINE_SLOW_H

#include "test/support.h"

#include <clew/clew.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifdef CLEW_TEST_LEAK_CHECK
#define SLOWNESS 4u /* of the sanitizers */
#else
#define SLOWNESS 1u
#endif

enum gate { GATE_OPEN, GATE_CLOSED };

struct slow {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    enum gate gate;
    clew_export_outcome outcome;
    uint64_t rejects;
    bool keep; /* looks at the attribute `value` */
    const char *watched;
    atomic_bool watched_seen;
    /* what it saw */
    bool is_wrong;
    unsigned entered, calls, spans, largest, running, scope_changes;
    atomic_uint destroyed;
    uint32_t timeout_ms;
    size_t value_size;
    int64_t last_number;
};

static inline void slow_until(struct timespec *until, unsigned timeout_ms) {
    uint64_t nano = clew_monotonic_nano() + timeout_ms * UINT64_C(1000000);
    until->tv_sec = (time_t)(nano / 1000000000u);
    until->tv_nsec = (long)(nano % 1000000000u);
}

static inline void slow_look(struct slow *slow, const clew_span_view *view) {
    clew_value_view value;
    if (clew_span_view_attribute(view, "number", &value))
        slow->last_number = value.integer;
    if (slow->watched) {
        clew_text name = clew_span_view_data(view).name;
        if (name.size == strlen(slow->watched) && memcmp(name.data, slow->watched, name.size) == 0)
            atomic_store(&slow->watched_seen, true);
    }
    if (!slow->keep || !clew_span_view_attribute(view, "value", &value))
        return;
    slow->value_size = value.data.size;
    for (size_t i = 0; i < value.data.size; i++)
        if (((const char *)value.data.data)[i] != (char)('a' + i % 26))
            slow->value_size = SIZE_MAX;
}

static inline clew_export_outcome slow_export(void *self, const clew_batch *batch, uint32_t timeout_ms,
                                              clew_export_report *report) {
    struct slow *slow = self;
    clew_batch_cursor cursor = clew_batch_begin(batch);
    clew_span_view view;
    const void *scope = NULL;
    unsigned spans = 0;
    pthread_mutex_lock(&slow->mutex);
    slow->entered++;
    slow->timeout_ms = timeout_ms;
    slow->is_wrong |= ++slow->running != 1; /* never twice at once */
    pthread_cond_broadcast(&slow->changed);
    while (slow->gate == GATE_CLOSED)
        pthread_cond_wait(&slow->changed, &slow->mutex);
    while (clew_batch_next(&cursor, &view)) {
        spans++;
        slow->scope_changes += scope != NULL && scope != view.scope.data;
        scope = view.scope.data;
        slow_look(slow, &view);
    }
    slow->is_wrong |= spans != clew_batch_count(batch);
    slow->running--;
    slow->calls++;
    slow->spans += spans;
    if (spans > slow->largest)
        slow->largest = spans;
    report->rejected = slow->rejects;
    pthread_cond_broadcast(&slow->changed);
    pthread_mutex_unlock(&slow->mutex);
    return slow->outcome;
}

static inline void slow_destroy(void *self) {
    atomic_fetch_add(&((struct slow *)self)->destroyed, 1);
}

static inline clew_exporter slow_exporter(struct slow *slow) {
    clew_exporter exporter = {
        .name = "slow", .self = slow, .export_batch = slow_export, .destroy = slow_destroy};
    pthread_condattr_t attributes;
    pthread_mutex_init(&slow->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&slow->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    return exporter;
}

static inline void slow_open(struct slow *slow) {
    pthread_mutex_lock(&slow->mutex);
    slow->gate = GATE_OPEN;
    pthread_cond_broadcast(&slow->changed);
    pthread_mutex_unlock(&slow->mutex);
}

/* Waits until a number is reached; false when it takes too long. */
static inline bool slow_wait(struct slow *slow, const unsigned *number, unsigned wanted,
                             unsigned timeout_ms) {
    struct timespec until;
    bool reached;
    slow_until(&until, timeout_ms);
    pthread_mutex_lock(&slow->mutex);
    while (*number < wanted && pthread_cond_timedwait(&slow->changed, &slow->mutex, &until) == 0)
        ;
    reached = *number >= wanted;
    pthread_mutex_unlock(&slow->mutex);
    return reached;
}
static inline bool slow_wait_spans_for(struct slow *slow, unsigned wanted, unsigned timeout_ms) {
    return slow_wait(slow, &slow->spans, wanted, timeout_ms);
}
static inline bool slow_wait_spans(struct slow *slow, unsigned wanted) {
    return slow_wait(slow, &slow->spans, wanted, 5000);
}
static inline bool slow_wait_entered(struct slow *slow, unsigned wanted) {
    return slow_wait(slow, &slow->entered, wanted, 5000);
}
static inline unsigned slow_calls(struct slow *slow) {
    unsigned calls;
    pthread_mutex_lock(&slow->mutex);
    calls = slow->calls;
    pthread_mutex_unlock(&slow->mutex);
    return calls;
}

static inline unsigned milliseconds_since(uint64_t before) {
    return (unsigned)((clew_monotonic_nano() - before) / 1000000u);
}

struct line {
    clew_provider *provider;
    clew_tracer *tracer;
    struct slow *slow;
    const char *name;
    size_t attribute_size;
    unsigned each;
    int64_t number;
};

static inline struct line line_new(struct slow *slow, const clew_batch_options *options) {
    clew_provider_options plain = {.resource = clew_resource_new(NULL, 0, NULL)};
    clew_exporter exporter = slow_exporter(slow);
    struct line line = {.provider = clew_provider_new(&plain), .name = "work"};
    cr_assert_eq(clew_provider_add_batch(line.provider, &exporter, options), 0);
    line.slow = slow;
    line.tracer = clew_provider_tracer(line.provider, "line", NULL, NULL, NULL, 0);
    return line;
}

static inline void line_spans(struct line *line, unsigned count) {
    char *value = malloc(line->attribute_size + 1);
    for (size_t i = 0; i < line->attribute_size; i++)
        value[i] = (char)('a' + i % 26);
    for (unsigned i = 0; i < count; i++) {
        clew_span span = clew_span_start(line->tracer, line->name, NULL);
        clew_span_set_int(span, "number", line->each ? 0 : line->number++);
        if (line->attribute_size)
            clew_span_set_string_n(span, "value", value, line->attribute_size);
        clew_span_end(span);
    }
    free(value);
}

static inline void *line_thread(void *argument) {
    struct line *line = argument;
    line_spans(line, line->each);
    return NULL;
}

static inline clew_pipeline_stats line_books(const struct line *line) {
    clew_stats_data data;
    clew_stats_of(line->provider, &data);
    return data.pipelines[0];
}

static inline void line_end(struct line *line) {
    clew_delivery delivery = clew_provider_shutdown(line->provider, 10000);
    clew_pipeline_stats books = line_books(line);
    cr_assert(delivery.status == 0 || delivery.status == CLEW_EIO, "%d", delivery.status);
    cr_assert_not(line->slow && line->slow->is_wrong);
    cr_assert_eq(books.pending, 0);
    cr_assert_eq(books.offered, books.exported + books.rejected + books.failed + books.unknown +
                                    books.spooled + books.not_sampled + books.dropped_queue_full +
                                    books.dropped_memory + books.dropped_shutdown);
}

#endif
