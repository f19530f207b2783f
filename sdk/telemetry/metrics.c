/* Reports as OTLP. No state. A metric is written when it has a data point; a data point of a counter with a
 * cause of errors when it is not zero. */
#include "sdk/telemetry/metrics.h"

#include "proto/otlp.h"
#include "sdk/base/clock.h"

#include <clew/version.h>

_Static_assert((int)CLEW__RESOURCE_SPANS_RESOURCE == (int)CLEW__RESOURCE_METRICS_RESOURCE &&
                   (int)CLEW__RESOURCE_SPANS_SCHEMA_URL == (int)CLEW__RESOURCE_METRICS_SCHEMA_URL,
               "the bytes of a resource serve both");

#define HTTP_STATUS_LEAST 100

struct output {
    struct clew__writer *writer;
    const struct clew__report *report;
    size_t points;
};

/* A metric that is being written: begun with its first data point. */
struct metric {
    struct output *output;
    const char *name, *unit, *description;
    uint32_t data_field;
    bool is_monotonic;
    bool begun;
    size_t at, data_at;
};

/* Of a data point; at most one of `text` and `number` is used. */
struct attribute {
    const char *key;
    const char *text; /* NULL: `number` */
    uint64_t number;
};
#define ATTRIBUTES_MAX 6

struct attributes {
    size_t count;
    struct attribute list[ATTRIBUTES_MAX];
};

static void add_text(struct attributes *attributes, const char *key, const char *text) {
    if (text)
        attributes->list[attributes->count++] = (struct attribute){.key = key, .text = text};
}

static void add_number(struct attributes *attributes, const char *key, uint64_t number) {
    attributes->list[attributes->count++] = (struct attribute){.key = key, .number = number};
}

static void write_text(struct clew__writer *writer, uint32_t field, const char *text) {
    clew__write_bytes(writer, field, text, strlen(text));
}

static void write_double(struct clew__writer *writer, uint32_t field, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    clew__write_fixed64(writer, field, bits);
}

static void write_attributes(struct clew__writer *writer, uint32_t field,
                             const struct attributes *attributes) {
    for (size_t i = 0; i < attributes->count; i++) {
        const struct attribute *attribute = &attributes->list[i];
        size_t member = clew__write_begin(writer, field), value;
        write_text(writer, CLEW__KEYVALUE_KEY, attribute->key);
        value = clew__write_begin(writer, CLEW__KEYVALUE_VALUE);
        if (attribute->text)
            write_text(writer, CLEW__ANY_STRING, attribute->text);
        else
            clew__write_varint(writer, CLEW__ANY_INT, attribute->number);
        clew__write_end(writer, value);
        clew__write_end(writer, member);
    }
}

/* ---- metrics ---- */

static struct metric metric_of(struct output *output, const char *name, const char *description) {
    struct metric metric = {output, name, "{span}", description, CLEW__METRIC_SUM, false, false, 0, 0};
    return metric;
}

static struct metric counter_of(struct output *output, const char *name, const char *description) {
    struct metric metric = metric_of(output, name, description);
    metric.is_monotonic = true;
    return metric;
}

static void begin_metric(struct metric *metric) {
    struct clew__writer *writer = metric->output->writer;
    if (metric->begun)
        return;
    metric->begun = true;
    metric->at = clew__write_begin(writer, CLEW__SCOPE_METRICS_METRICS);
    write_text(writer, CLEW__METRIC_NAME, metric->name);
    write_text(writer, CLEW__METRIC_DESCRIPTION, metric->description);
    write_text(writer, CLEW__METRIC_UNIT, metric->unit);
    metric->data_at = clew__write_begin(writer, metric->data_field);
}

_Static_assert((int)CLEW__SUM_TEMPORALITY == (int)CLEW__HISTOGRAM_TEMPORALITY &&
                   (int)CLEW__SUM_POINTS == (int)CLEW__HISTOGRAM_POINTS,
               "one writer for both");

static void end_metric(struct metric *metric) {
    struct clew__writer *writer = metric->output->writer;
    if (!metric->begun)
        return;
    clew__write_varint(writer, CLEW__SUM_TEMPORALITY, CLEW__TEMPORALITY_CUMULATIVE);
    if (metric->is_monotonic)
        clew__write_varint(writer, CLEW__SUM_IS_MONOTONIC, 1);
    clew__write_end(writer, metric->data_at);
    clew__write_end(writer, metric->at);
}

static void put_point(struct metric *metric, uint64_t value, const struct attributes *attributes) {
    struct output *output = metric->output;
    struct clew__writer *writer = output->writer;
    size_t point;
    begin_metric(metric);
    point = clew__write_begin(writer, CLEW__SUM_POINTS);
    clew__write_fixed64(writer, CLEW__NUMBER_START, output->report->start_unix_nano);
    clew__write_fixed64(writer, CLEW__NUMBER_TIME, output->report->now_unix_nano);
    clew__write_fixed64(writer, CLEW__NUMBER_AS_INT, value);
    write_attributes(writer, CLEW__NUMBER_ATTRIBUTES, attributes);
    clew__write_end(writer, point);
    output->points++;
}

static void put_errors(struct metric *metric, uint64_t value, const struct attributes *of,
                       const char *error_type) {
    struct attributes attributes = *of;
    if (value == 0)
        return;
    add_text(&attributes, "error.type", error_type);
    put_point(metric, value, &attributes);
}

/* ---- spans ---- */

static const char *const result_names[CLEW__SAMPLING_RESULTS] = {
    [CLEW_DROP] = "DROP",
    [CLEW_RECORD_ONLY] = "RECORD_ONLY",
    [CLEW_RECORD_AND_SAMPLE] = "RECORD_AND_SAMPLE",
};

static void write_started(struct output *output) {
    static const char *const origins[CLEW__PARENT_ORIGINS] = {
        [CLEW__PARENT_NONE] = "none",
        [CLEW__PARENT_LOCAL] = "local",
        [CLEW__PARENT_REMOTE] = "remote",
    };
    struct metric metric = counter_of(output, "otel.sdk.span.started", "Spans that were started.");
    for (size_t result = 0; result < CLEW__SAMPLING_RESULTS; result++)
        for (size_t origin = 0; origin < CLEW__PARENT_ORIGINS; origin++) {
            uint64_t started = output->report->spans.started[result][origin];
            struct attributes attributes = {.count = 0};
            if (started == 0)
                continue;
            add_text(&attributes, "otel.span.parent.origin", origins[origin]);
            add_text(&attributes, "otel.span.sampling_result", result_names[result]);
            put_point(&metric, started, &attributes);
        }
    end_metric(&metric);
}

static void write_live(struct output *output) {
    const struct clew__open_spans *open = &output->report->spans.open;
    struct metric metric = metric_of(output, "otel.sdk.span.live", "Recorded spans that have not ended.");
    struct attributes sampled = {.count = 0}, record_only = {.count = 0};
    add_text(&record_only, "otel.span.sampling_result", result_names[CLEW_RECORD_ONLY]);
    put_point(&metric, open->record_only, &record_only);
    add_text(&sampled, "otel.span.sampling_result", result_names[CLEW_RECORD_AND_SAMPLE]);
    put_point(&metric, open->sampled, &sampled);
    end_metric(&metric);
}

/* ---- pipelines ---- */

static struct attributes attributes_of(const struct clew__component *component) {
    struct attributes attributes = {.count = 0};
    add_text(&attributes, "otel.component.type", component->type);
    add_text(&attributes, "otel.component.name", component->name);
    return attributes;
}

static struct attributes exporter_attributes(const struct clew__pipeline_report *pipeline) {
    struct attributes attributes = attributes_of(&pipeline->exporter);
    add_text(&attributes, "server.address", pipeline->server_address);
    if (pipeline->server_port)
        add_number(&attributes, "server.port", pipeline->server_port);
    return attributes;
}

static uint64_t concluded(const clew_pipeline_stats *stats) {
    return stats->exported + stats->rejected + stats->failed + stats->unknown + stats->spooled;
}

/* A span is processed when it is handed to the exporter, whatever becomes of it there. */
static void put_processed(struct metric *metric, const struct clew__pipeline_report *pipeline) {
    const clew_pipeline_stats *stats = &pipeline->stats;
    struct attributes attributes = attributes_of(&pipeline->processor);
    put_point(metric, concluded(stats) + pipeline->in_flight, &attributes);
    put_errors(metric, stats->dropped_queue_full, &attributes, "queue_full");
    put_errors(metric, stats->dropped_memory, &attributes, "memory");
    put_errors(metric, stats->dropped_shutdown, &attributes, "already_shutdown");
}

static void put_queue_size(struct metric *metric, const struct clew__pipeline_report *pipeline) {
    struct attributes attributes = attributes_of(&pipeline->processor);
    if (pipeline->has_queue)
        put_point(metric, pipeline->stats.pending - pipeline->in_flight, &attributes);
}

static void put_queue_capacity(struct metric *metric, const struct clew__pipeline_report *pipeline) {
    struct attributes attributes = attributes_of(&pipeline->processor);
    if (pipeline->has_queue)
        put_point(metric, pipeline->capacity, &attributes);
}

/* What waits on disk is still to be exported. */
static void put_in_flight(struct metric *metric, const struct clew__pipeline_report *pipeline) {
    struct attributes attributes = exporter_attributes(pipeline);
    put_point(metric, pipeline->in_flight + pipeline->stats.spool.waiting, &attributes);
}

/* Spans that went to disk count when they leave it. */
static void put_exported(struct metric *metric, const struct clew__pipeline_report *pipeline) {
    const clew_pipeline_stats *stats = &pipeline->stats;
    const clew_spool_stats *spool = &stats->spool;
    struct attributes attributes = exporter_attributes(pipeline);
    put_point(metric, stats->exported + spool->delivered, &attributes);
    put_errors(metric, stats->rejected + spool->rejected, &attributes,
               clew__export_error_text(CLEW__EXPORT_REJECTED));
    put_errors(metric, stats->unknown, &attributes, clew__export_error_text(CLEW__EXPORT_NO_ANSWER));
    for (unsigned failure = 0; failure < CLEW_FAILURES; failure++) {
        uint64_t failed = stats->failed_by[failure];
        if (failure == CLEW_FAILURE_REFUSED)
            failed += spool->refused;
        put_errors(metric, failed, &attributes, clew__export_error_text(CLEW__EXPORT_FAILURES + failure));
    }
    put_errors(metric, spool->dropped_quota, &attributes, "spool_full");
    put_errors(metric, spool->dropped_corrupt, &attributes, "spool_corrupt");
}

/* ---- durations ---- */

/* HTTP status and status code of gRPC do not overlap. */
static void add_status(struct attributes *attributes, int32_t status) {
    static const char *const codes[] = {
        "OK",        "CANCELLED",       "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
        "NOT_FOUND", "ALREADY_EXISTS",  "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
        "ABORTED",   "OUT_OF_RANGE",    "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
        "DATA_LOSS", "UNAUTHENTICATED",
    };
    if (status >= HTTP_STATUS_LEAST)
        add_number(attributes, "http.response.status_code", (uint64_t)status);
    else if (status >= 0 && (size_t)status < sizeof codes / sizeof codes[0])
        add_text(attributes, "rpc.response.status_code", codes[status]);
}

static double seconds(const _Atomic uint64_t *nano) {
    return (double)atomic_load_explicit(nano, memory_order_relaxed) / (double)CLEW__NANO_PER_SECOND;
}

static void put_duration(struct metric *metric, const struct clew__pipeline_report *pipeline,
                         const struct clew__duration *row) {
    struct output *output = metric->output;
    struct clew__writer *writer = output->writer;
    struct attributes attributes = exporter_attributes(pipeline);
    uint64_t count = atomic_load_explicit(&row->count, memory_order_relaxed);
    uint8_t one_bucket[sizeof count];
    size_t point;
    if (count == 0)
        return;
    add_status(&attributes, row->status);
    add_text(&attributes, "error.type", clew__export_error_text(row->error));
    clew__put_fixed64(one_bucket, count);
    begin_metric(metric);
    point = clew__write_begin(writer, CLEW__HISTOGRAM_POINTS);
    clew__write_fixed64(writer, CLEW__BUCKETS_START, output->report->start_unix_nano);
    clew__write_fixed64(writer, CLEW__BUCKETS_TIME, output->report->now_unix_nano);
    clew__write_fixed64(writer, CLEW__BUCKETS_COUNT, count);
    write_double(writer, CLEW__BUCKETS_SUM, seconds(&row->sum_nano));
    clew__write_bytes(writer, CLEW__BUCKETS_COUNTS, one_bucket, sizeof one_bucket);
    write_double(writer, CLEW__BUCKETS_MIN, seconds(&row->min_nano));
    write_double(writer, CLEW__BUCKETS_MAX, seconds(&row->max_nano));
    write_attributes(writer, CLEW__BUCKETS_ATTRIBUTES, &attributes);
    clew__write_end(writer, point);
    output->points++;
}

static void put_durations(struct metric *metric, const struct clew__pipeline_report *pipeline) {
    unsigned used = atomic_load_explicit(&pipeline->durations->used, memory_order_acquire);
    for (unsigned i = 0; i < used; i++)
        put_duration(metric, pipeline, &pipeline->durations->rows[i]);
}

/* ---- all of it ---- */

static void write_pipelines(struct metric metric,
                            void (*put)(struct metric *, const struct clew__pipeline_report *)) {
    const struct clew__report *report = metric.output->report;
    for (size_t i = 0; i < report->pipeline_count; i++)
        put(&metric, &report->pipelines[i]);
    end_metric(&metric);
}

static void write_metrics(struct output *output) {
    struct metric duration = metric_of(output, "otel.sdk.exporter.operation.duration",
                                       "How long exports of batches took, attempts and waits included.");
    duration.unit = "s";
    duration.data_field = CLEW__METRIC_HISTOGRAM;
    write_started(output);
    write_live(output);
    write_pipelines(metric_of(output, "otel.sdk.processor.span.queue.size", "Spans that wait in the queue."),
                    put_queue_size);
    write_pipelines(
        metric_of(output, "otel.sdk.processor.span.queue.capacity", "Spans that the queue can hold."),
        put_queue_capacity);
    write_pipelines(counter_of(output, "otel.sdk.processor.span.processed",
                               "Spans that were handed to the exporter, or dropped."),
                    put_processed);
    write_pipelines(metric_of(output, "otel.sdk.exporter.span.inflight",
                              "Spans that were handed to the exporter and are not concluded."),
                    put_in_flight);
    write_pipelines(
        counter_of(output, "otel.sdk.exporter.span.exported", "Spans whose export has succeeded or failed."),
        put_exported);
    write_pipelines(duration, put_durations);
}

size_t clew__report_write(const struct clew__report *report, struct clew__writer *writer) {
    struct output output = {writer, report, 0};
    size_t resource = clew__write_begin(writer, CLEW__METRICS_RESOURCE_METRICS), scoped, scope;
    clew__write_raw(writer, report->resource.data, report->resource.size);
    scoped = clew__write_begin(writer, CLEW__RESOURCE_METRICS_SCOPE_METRICS);
    scope = clew__write_begin(writer, CLEW__SCOPE_METRICS_SCOPE);
    write_text(writer, CLEW__SCOPE_NAME, "clew");
    write_text(writer, CLEW__SCOPE_VERSION, CLEW_VERSION);
    clew__write_end(writer, scope);
    write_metrics(&output);
    clew__write_end(writer, scoped);
    clew__write_end(writer, resource);
    return output.points;
}
