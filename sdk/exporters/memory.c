/* The memory exporter: keeps finished spans for tests. One mutex protects everything; any thread. Each batch
 * is copied, and the views point into the copies, which stay where they are until the next clear. */
#include <clew/extend.h>
#include <clew/testing.h>

#include "sdk/base/buffer.h"
#include "sdk/exporters/tree.h"
#include "sdk/pipeline/batch.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define SPAN_LIMIT_DEFAULT 10000u
#define FIRST_CAPACITY 64u

struct copy {
    struct copy *next;
    uint8_t bytes[];
};

struct clew_memory_exporter {
    pthread_mutex_t mutex;
    size_t limit;
    clew_span_view *views; /* in order of arrival */
    size_t count;
    size_t capacity;
    struct copy *copies;
};

/* ---- storing ---- */

static bool reserve_views(struct clew_memory_exporter *memory, size_t more) {
    size_t capacity = memory->capacity ? memory->capacity : FIRST_CAPACITY;
    clew_span_view *views;

    while (capacity < memory->count + more)
        capacity *= 2;
    if (capacity == memory->capacity)
        return true;
    views = (clew_span_view *)clew_memory_reallocate(memory->views, capacity * sizeof *views);
    if (!views)
        return false;
    memory->views = views;
    memory->capacity = capacity;
    return true;
}

static struct copy *copy_of(clew_bytes request) {
    struct copy *copy = (struct copy *)clew_memory_allocate(sizeof *copy + request.size);
    if (copy && request.size)
        memcpy(copy->bytes, request.data, request.size);
    return copy;
}

/* NULL, or why the batch cannot be kept. Caller holds the mutex; `copy` is the memory's from then on, unless
 * it failed. */
static const char *keep(struct clew_memory_exporter *memory, struct copy *copy, size_t size, size_t spans) {
    clew_bytes request = {copy->bytes, size};
    clew_batch_cursor cursor = clew_request_begin(request);

    if (spans > memory->limit - memory->count)
        return "the memory exporter is full";
    if (!reserve_views(memory, spans))
        return "out of memory";
    for (size_t i = 0; i < spans; i++)
        clew_batch_next(&cursor, &memory->views[memory->count++]);
    copy->next = memory->copies;
    memory->copies = copy;
    return NULL;
}

static size_t spans_of(const clew_batch *batch) {
    clew_batch_cursor cursor = clew_batch_begin(batch);
    clew_span_view view;
    size_t count = 0;
    while (clew_batch_next(&cursor, &view))
        count++;
    return count;
}

static clew_export_outcome memory_export(void *self, const clew_batch *batch, uint32_t timeout_ms,
                                         clew_export_report *report) {
    struct clew_memory_exporter *memory = (struct clew_memory_exporter *)self;
    clew_bytes request = clew_batch_request(batch);
    struct copy *copy = copy_of(request);
    const char *problem = "out of memory";

    (void)timeout_ms; /* it never waits */
    if (copy) {
        pthread_mutex_lock(&memory->mutex);
        problem = keep(memory, copy, request.size, spans_of(batch));
        pthread_mutex_unlock(&memory->mutex);
    }
    if (!problem)
        return CLEW_EXPORT_DELIVERED;
    clew_memory_release(copy);
    snprintf(report->reason, sizeof report->reason, "%s", problem);
    return CLEW_EXPORT_FAILED;
}

/* A fork that came while another thread held the mutex: what that thread was changing is given up. */
static void memory_forked(void *self) {
    struct clew_memory_exporter *memory = (struct clew_memory_exporter *)self;
    if (pthread_mutex_trylock(&memory->mutex) == 0) {
        pthread_mutex_unlock(&memory->mutex);
        return;
    }
    pthread_mutex_init(&memory->mutex, NULL);
    memory->views = NULL;
    memory->copies = NULL;
    memory->count = 0;
    memory->capacity = 0;
}

/* ---- making and reading ---- */

clew_memory_exporter *clew_memory_exporter_new(size_t span_limit) {
    static const struct clew_memory_exporter empty;
    struct clew_memory_exporter *memory = (struct clew_memory_exporter *)clew_memory_allocate(sizeof *memory);

    if (!memory)
        return NULL;
    *memory = empty;
    pthread_mutex_init(&memory->mutex, NULL);
    memory->limit = span_limit ? span_limit : SPAN_LIMIT_DEFAULT;
    return memory;
}

clew_exporter clew_memory_exporter_as_exporter(clew_memory_exporter *exporter) {
    clew_exporter table = {
        .struct_size = sizeof table,
        .flags = CLEW_EXPORTER_LOCAL,
        .name = "memory_span_exporter",
        .self = exporter,
        .export_batch = memory_export,
        .forked = memory_forked,
    };
    return table;
}

void clew_memory_exporter_free(clew_memory_exporter *exporter) {
    if (!exporter)
        return;
    clew_memory_exporter_clear(exporter);
    clew_memory_release(exporter->views);
    pthread_mutex_destroy(&exporter->mutex);
    clew_memory_release(exporter);
}

size_t clew_memory_exporter_count(clew_memory_exporter *exporter) {
    size_t count;
    pthread_mutex_lock(&exporter->mutex);
    count = exporter->count;
    pthread_mutex_unlock(&exporter->mutex);
    return count;
}

clew_span_view clew_memory_exporter_at(clew_memory_exporter *exporter, size_t index) {
    clew_span_view view = {0};
    pthread_mutex_lock(&exporter->mutex);
    if (index < exporter->count)
        view = exporter->views[index];
    pthread_mutex_unlock(&exporter->mutex);
    return view;
}

bool clew_memory_exporter_find(clew_memory_exporter *exporter, const char *name, clew_span_view *out) {
    size_t size = strlen(name);
    bool found = false;

    pthread_mutex_lock(&exporter->mutex);
    for (size_t i = 0; i < exporter->count && !found; i++) {
        clew_text of_span = clew_span_view_data(&exporter->views[i]).name;
        found = of_span.size == size && memcmp(of_span.data, name, size) == 0;
        if (found)
            *out = exporter->views[i];
    }
    pthread_mutex_unlock(&exporter->mutex);
    return found;
}

void clew_memory_exporter_clear(clew_memory_exporter *exporter) {
    struct copy *copy, *next;

    pthread_mutex_lock(&exporter->mutex);
    copy = exporter->copies;
    exporter->copies = NULL;
    exporter->count = 0;
    pthread_mutex_unlock(&exporter->mutex);
    for (; copy; copy = next) {
        next = copy->next;
        clew_memory_release(copy);
    }
}

char *clew_memory_exporter_tree(clew_memory_exporter *exporter) {
    struct clew__writer text = clew__buffer_plain();

    pthread_mutex_lock(&exporter->mutex);
    clew__tree_print(&text, exporter->views, exporter->count);
    pthread_mutex_unlock(&exporter->mutex);
    clew__write_raw(&text, "", 1);
    if (!text.failed)
        return (char *)text.data;
    clew__buffer_fini(&text);
    return NULL;
}

void clew_testing_text_free(char *text) {
    clew_memory_release(text);
}
