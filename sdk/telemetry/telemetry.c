/* Owns the reporters of providers; each lives as long as its provider, and its provider as long as the
 * process. Who drives the worker enters, one thread at a time; `abandon` comes from another one, so what it
 * looks at is under the lock. Every call into the exporter stands between call() and is_back(), as in a
 * stream. */
#include "sdk/telemetry/telemetry.h"

#include "sdk/base/buffer.h"
#include "sdk/base/clock.h"
#include "sdk/base/lock.h"
#include "sdk/base/memory.h"
#include "sdk/base/struct_size.h"
#include "sdk/pipeline/batch.h"
#include "sdk/telemetry/metrics.h"
#include "sdk/worker/worker.h"

#include <clew/extend.h>

#include <stdio.h>

/* The reason of messages. */
#define REASON "sdk_metrics"

struct reporter {
    struct clew__task task; /* first */
    const clew_provider *provider;
    clew_exporter exporter;
    uint64_t interval_nano, timeout_nano;
    uint64_t start_unix_nano; /* of the counts */

    /* Who drives. */
    uint64_t due_nano;
    uint64_t deadline_nano; /* of the export that is under way */
    struct clew__writer request;
    struct clew_batch batch;
    uint64_t undelivered; /* reports */
    bool is_writing;      /* `request` may be growing */
    bool is_under_way;
    bool has_sent;    /* something, ever */
    bool has_closing; /* the last report was begun, or not needed */

    struct clew__lock lock;
    bool is_calling;
    bool is_abandoned;
};

static void lower(uint64_t *wake, uint64_t time) {
    if (time < *wake)
        *wake = time;
}

/* ---- in and out of the exporter ---- */

static void call(struct reporter *reporter) {
    clew__lock_acquire(&reporter->lock);
    reporter->is_calling = true;
    clew__lock_release(&reporter->lock);
}

/* False: the reporter was closed meanwhile, and the thread must touch nothing more. */
static bool is_back(struct reporter *reporter) {
    bool is_ours;
    clew__lock_acquire(&reporter->lock);
    reporter->is_calling = false;
    is_ours = !reporter->is_abandoned;
    clew__lock_release(&reporter->lock);
    return is_ours;
}

static bool abandon(struct clew__task *task) {
    struct reporter *reporter = (struct reporter *)task;
    bool is_stuck;
    clew__lock_acquire(&reporter->lock);
    is_stuck = reporter->is_calling;
    reporter->is_abandoned |= is_stuck;
    clew__lock_release(&reporter->lock);
    return is_stuck;
}

static void destroy_exporter(struct reporter *reporter) {
    void (*destroy)(void *self) = reporter->exporter.destroy;
    /* In this order, so that the child of a fork in between leaves it alone. */
    reporter->exporter.destroy = NULL;
    reporter->exporter.forked = NULL;
    if (destroy)
        destroy(reporter->exporter.self);
}

static void bury(struct clew__task *task) {
    struct reporter *reporter = (struct reporter *)task;
    if (reporter->is_under_way)
        reporter->exporter.cancel(reporter->exporter.self);
    clew__buffer_fini(&reporter->request);
    destroy_exporter(reporter);
}

/* ---- collecting ---- */

static void name_component(struct clew__report *report, struct clew__component *component, const char *type,
                           size_t offset) {
    unsigned number = 0;
    for (size_t i = 0; i < report->pipeline_count; i++) {
        const char *other = (const char *)&report->pipelines[i] + offset;
        number += strcmp(((const struct clew__component *)(const void *)other)->type, type) == 0;
    }
    component->type = type;
    snprintf(component->name, sizeof component->name, "%.*s/%u", CLEW__COMPONENT_NAME_MAX - 16, type, number);
}

static void collect_stream(struct clew__stream *stream, struct clew__pipeline_report *out) {
    uint32_t in_flight;
    clew__stream_stats(stream, &out->stats, &in_flight);
    out->in_flight = in_flight;
    out->has_queue = true;
    out->capacity = stream->options.max_queue_size;
    out->server_address = stream->exporter.server_address;
    out->server_port = stream->exporter.server_port;
    out->durations = &stream->durations;
}

/* A processor of the program's own reports for itself, if at all. */
static void collect_pipeline(const struct clew__pipeline *pipeline, struct clew__report *report) {
    struct clew__pipeline_report *out = &report->pipelines[report->pipeline_count];
    if (pipeline->kind == CLEW__PIPELINE_CUSTOM)
        return;
    memset(out, 0, sizeof *out);
    if (pipeline->kind == CLEW__PIPELINE_STREAM) {
        collect_stream(pipeline->as.stream, out);
    } else {
        clew__simple_stats(pipeline->as.simple, &out->stats);
        out->durations = clew__simple_durations(pipeline->as.simple);
    }
    name_component(report, &out->processor,
                   pipeline->is_simple ? "simple_span_processor" : "batching_span_processor",
                   offsetof(struct clew__pipeline_report, processor));
    name_component(report, &out->exporter, out->stats.name, offsetof(struct clew__pipeline_report, exporter));
    report->pipeline_count++;
}

static void collect(struct reporter *reporter, struct clew__report *report) {
    const struct clew__pipelines *pipelines = clew__provider_pipelines(reporter->provider);
    memset(report, 0, sizeof *report);
    report->start_unix_nano = reporter->start_unix_nano;
    report->resource = clew__origin_bytes((struct clew__origin *)(uintptr_t)&reporter->provider->origin);
    for (size_t i = 0; i < pipelines->count; i++)
        collect_pipeline(&pipelines->list[i], report);
    clew__provider_count(reporter->provider, &report->spans);
    report->now_unix_nano = clew__unix_nano();
}

static bool has_started_any(const struct clew__span_counts *counts) {
    uint64_t started = 0;
    for (size_t result = 0; result < CLEW__SAMPLING_RESULTS; result++)
        for (size_t origin = 0; origin < CLEW__PARENT_ORIGINS; origin++)
            started += counts->started[result][origin];
    return started > 0;
}

/* ---- exports ---- */

static void conclude(struct reporter *reporter, clew_export_outcome outcome, clew_export_report *report) {
    reporter->is_under_way = false;
    clew__buffer_reset(&reporter->request);
    if (outcome == CLEW_EXPORT_DELIVERED)
        return;
    report->reason[sizeof report->reason - 1] = '\0';
    reporter->undelivered++;
    clew_log(CLEW_LOG_WARN, REASON, "metrics about Clew not delivered: %s; %llu reports so far",
             report->reason[0] ? report->reason : "the exporter gave no reason",
             (unsigned long long)reporter->undelivered);
}

/* False when the reporter was abandoned meanwhile; here and below. */
static bool cancel(struct reporter *reporter) {
    clew_export_report report = {.status = -1, .reason = "the deadline passed"};
    call(reporter);
    reporter->is_under_way = false;
    reporter->exporter.cancel(reporter->exporter.self);
    if (!is_back(reporter))
        return false;
    conclude(reporter, CLEW_EXPORT_UNKNOWN, &report);
    return true;
}

static bool write_request(struct reporter *reporter, const struct clew__report *report) {
    bool fits;
    reporter->is_writing = true;
    reporter->batch.count = clew__report_write(report, &reporter->request);
    fits = !reporter->request.failed;
    reporter->is_writing = false;
    reporter->batch.request = (clew_bytes){reporter->request.data, reporter->request.size};
    return fits;
}

static bool begin(struct reporter *reporter, uint64_t now) {
    clew_export_report answer = {.status = -1};
    clew_export_outcome outcome;
    struct clew__report report;
    collect(reporter, &report);
    if (!reporter->has_sent && clew__task_is_closing(&reporter->task) && !has_started_any(&report.spans))
        return true; /* the child of a fork that has done nothing says nothing */
    if (!write_request(reporter, &report)) {
        strcpy(answer.reason, "out of memory");
        conclude(reporter, CLEW_EXPORT_FAILED, &answer);
        return true;
    }
    reporter->has_sent = true;
    reporter->deadline_nano = reporter->timeout_nano ? now + reporter->timeout_nano : UINT64_MAX;
    lower(&reporter->deadline_nano, atomic_load(&reporter->task.close_deadline));
    call(reporter);
    outcome =
        reporter->exporter.start(reporter->exporter.self, &reporter->batch, reporter->deadline_nano, &answer);
    reporter->is_under_way = outcome == CLEW_EXPORT_PENDING;
    if (!is_back(reporter))
        return false;
    if (outcome != CLEW_EXPORT_PENDING)
        conclude(reporter, outcome, &answer);
    return true;
}

static bool advance(struct reporter *reporter, const clew_poll *polled, size_t count, uint64_t now) {
    clew_export_report answer = {.status = -1};
    clew_export_outcome outcome;
    call(reporter);
    outcome = reporter->exporter.step(reporter->exporter.self, polled, count, now, &answer);
    reporter->is_under_way = outcome == CLEW_EXPORT_PENDING;
    if (!is_back(reporter))
        return false;
    if (outcome != CLEW_EXPORT_PENDING)
        conclude(reporter, outcome, &answer);
    else if (now >= reporter->deadline_nano || now >= atomic_load(&reporter->task.close_deadline))
        return cancel(reporter);
    return true;
}

/* ---- the task ---- */

/* One more report while there is time, then the end. */
static void step_to_the_end(struct reporter *reporter, uint64_t now, uint64_t *wake) {
    uint64_t deadline = atomic_load(&reporter->task.close_deadline);
    if (!reporter->is_under_way && !reporter->has_closing && now < deadline) {
        reporter->has_closing = true;
        if (!begin(reporter, now))
            return;
    }
    if (reporter->is_under_way) {
        lower(wake, deadline);
        return;
    }
    call(reporter);
    destroy_exporter(reporter);
    if (!is_back(reporter))
        return;
    clew__buffer_fini(&reporter->request);
    clew__task_closed(&reporter->task);
}

/* An interval in which the export before is still under way is left out. */
static void on_step(struct clew__task *task, const clew_poll *polled, size_t count, uint64_t now,
                    uint64_t *wake) {
    struct reporter *reporter = (struct reporter *)task;
    if (reporter->is_under_way && !advance(reporter, polled, count, now))
        return;
    if (clew__task_is_closing(task)) {
        step_to_the_end(reporter, now, wake);
        return;
    }
    if (now >= reporter->due_nano) {
        uint64_t missed = (now - reporter->due_nano) / reporter->interval_nano;
        reporter->due_nano += (missed + 1) * reporter->interval_nano;
        if (!reporter->is_under_way && !begin(reporter, now))
            return;
    }
    lower(wake, reporter->due_nano);
}

static size_t on_wait(struct clew__task *task, clew_poll *descriptors, size_t capacity, uint64_t *wake) {
    struct reporter *reporter = (struct reporter *)task;
    uint64_t exporter_wake = UINT64_MAX;
    size_t count = 0;
    if (!reporter->is_under_way)
        return 0;
    if (reporter->exporter.wait) {
        call(reporter);
        count = reporter->exporter.wait(reporter->exporter.self, descriptors, capacity, &exporter_wake);
        if (!is_back(reporter))
            return 0;
    }
    lower(wake, exporter_wake);
    lower(wake, reporter->deadline_nano);
    return count;
}

/* Who flushes waits for spans. */
static void ask(struct clew__task *task, struct clew__ticket *ticket, uint64_t deadline) {
    (void)task;
    (void)deadline;
    atomic_store(&ticket->open, 0);
}

static void take_back(struct clew__task *task, struct clew__ticket *ticket) {
    (void)task;
    (void)ticket;
}

/* The child's counts begin at zero. */
static void on_fork(struct clew__task *task) {
    struct reporter *reporter = (struct reporter *)task;
    clew__lock_release(&reporter->lock);
    if (reporter->exporter.forked)
        reporter->exporter.forked(reporter->exporter.self);
    if (reporter->is_writing)
        clew__buffer_forget(&reporter->request);
    else
        clew__buffer_fini(&reporter->request);
    reporter->is_writing = reporter->is_under_way = reporter->is_calling = false;
    reporter->has_sent = reporter->has_closing = false;
    reporter->undelivered = 0;
    reporter->start_unix_nano = clew__unix_nano();
    reporter->due_nano = clew__monotonic_nano() + reporter->interval_nano;
}

static const struct clew__task_kind kind = {
    .step = on_step,
    .wait = on_wait,
    .ask = ask,
    .take_back = take_back,
    .abandon = abandon,
    .bury = bury,
    .forked = on_fork,
};

static struct reporter *reporter_new(const clew_provider *provider, const clew_exporter *exporter,
                                     const struct clew__telemetry_options *options) {
    static const struct clew__lock open = CLEW__LOCK_INIT;
    struct reporter *reporter = clew_memory_allocate(sizeof *reporter);
    if (!reporter)
        return NULL;
    memset(reporter, 0, sizeof *reporter);
    clew__task_init(&reporter->task, &kind);
    reporter->lock = open;
    reporter->provider = provider;
    reporter->exporter = *exporter;
    reporter->request = clew__buffer_charged();
    reporter->interval_nano = options->interval_ms * CLEW__NANO_PER_MILLI;
    reporter->timeout_nano = options->timeout_ms * CLEW__NANO_PER_MILLI;
    reporter->start_unix_nano = clew__unix_nano();
    reporter->due_nano = clew__monotonic_nano() + reporter->interval_nano;
    return reporter;
}

int clew__telemetry_start(clew_provider *provider, const clew_exporter *exporter,
                          const struct clew__telemetry_options *options) {
    struct reporter *reporter = NULL;
    clew_exporter own = {0};
    int result = CLEW_EINVAL;
    clew__options_copy(&own, sizeof own, exporter, sizeof own);
    if (own.start && own.step && own.cancel) {
        reporter = reporter_new(provider, &own, options);
        result = reporter ? clew__provider_set_reporter(provider, &reporter->task) : CLEW_ENOMEM;
    }
    if (result != CLEW_OK) {
        if (own.destroy)
            own.destroy(own.self);
        clew_memory_release(reporter);
        return result;
    }
    clew__worker_add(&reporter->task);
    return CLEW_OK;
}
