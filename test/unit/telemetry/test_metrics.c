/* Reports as OTLP, read by the oracle. */
#include "decoded.h"

#include "sdk/base/buffer.h"
#include "sdk/telemetry/metrics.h"

#include <clew/version.h>

static const uint8_t resource[] = {0x0a, 0x00, 0x1a, 0x03, 'u', 'r', 'l'};

#define BATCH "otel.component.type=batching_span_processor,otel.component.name=batching_span_processor/0"
#define SIMPLE "otel.component.type=simple_span_processor,otel.component.name=simple_span_processor/0"
#define HTTP                                                                                                 \
    "otel.component.type=otlp_http_span_exporter,otel.component.name=otlp_http_span_exporter/0,"             \
    "server.address=collector,server.port=4318"
#define CONSOLE "otel.component.type=console_span_exporter,otel.component.name=console_span_exporter/0"

static struct clew__durations durations, no_durations;

static struct clew__report report_of_two(void) {
    struct clew__report report = {.start_unix_nano = 1000, .now_unix_nano = 2000, .pipeline_count = 2};
    report.resource = (clew_bytes){resource, sizeof resource};
    report.spans.started[CLEW_DROP][CLEW__PARENT_NONE] = 1;
    report.spans.started[CLEW_RECORD_ONLY][CLEW__PARENT_LOCAL] = 2;
    report.spans.started[CLEW_RECORD_AND_SAMPLE][CLEW__PARENT_REMOTE] = 3;
    report.spans.open = (struct clew__open_spans){.sampled = 4, .record_only = 0};
    report.pipelines[0] = (struct clew__pipeline_report){
        .processor = {"batching_span_processor", "batching_span_processor/0"},
        .exporter = {"otlp_http_span_exporter", "otlp_http_span_exporter/0"},
        .server_address = "collector",
        .server_port = 4318,
        .has_queue = true,
        .capacity = 2048,
        .in_flight = 5,
        .stats = {.pending = 12,
                  .exported = 100,
                  .rejected = 20,
                  .failed = 7,
                  .unknown = 3,
                  .spooled = 50,
                  .dropped_queue_full = 11,
                  .dropped_memory = 12,
                  .dropped_shutdown = 13,
                  .failed_by = {[CLEW_FAILURE_REFUSED] = 4, [CLEW_FAILURE_CANCELLED] = 3},
                  .spool = {.waiting = 6,
                            .delivered = 30,
                            .rejected = 9,
                            .refused = 2,
                            .dropped_quota = 1,
                            .dropped_corrupt = 2}},
        .durations = &durations,
    };
    report.pipelines[1] = (struct clew__pipeline_report){
        .processor = {"simple_span_processor", "simple_span_processor/0"},
        .exporter = {"console_span_exporter", "console_span_exporter/0"},
        .stats = {.exported = 1},
        .durations = &no_durations,
    };
    return report;
}

static decoded_request *written(const struct clew__report *report, size_t *points) {
    struct clew__writer writer = clew__buffer_plain();
    *points = clew__report_write(report, &writer);
    cr_assert_not(writer.failed);
    decoded_request *request = decode(writer.data, writer.size);
    clew__buffer_fini(&writer);
    return request;
}

static void expect(const decoded_request *request, const char *name, const char *attributes,
                   int64_t expected) {
    int64_t value = value_of(request, name, attributes);
    cr_assert_eq(value, expected, "%s{%s} is %ld instead of %ld", name, attributes, (long)value,
                 (long)expected);
}

Test(metrics, resource_and_scope_are_said) {
    struct clew__report report = report_of_two();
    size_t points;
    decoded_request *request = written(&report, &points);
    cr_assert_not_null(request->resource_metrics[0]->resource);
    cr_assert_str_eq(request->resource_metrics[0]->schema_url, "url");
    cr_assert_str_eq(request->resource_metrics[0]->scope_metrics[0]->scope->name, "clew");
    cr_assert_str_eq(request->resource_metrics[0]->scope_metrics[0]->scope->version, CLEW_VERSION);
    decoded_free(request);
    CLEW_NO_LEAKS();
}

Test(metrics, instruments_are_the_specifications) {
    static const struct {
        const char *name, *unit;
        bool is_sum, is_monotonic;
    } instruments[] = {
        {"otel.sdk.span.started", "{span}", true, true},
        {"otel.sdk.span.live", "{span}", true, false},
        {"otel.sdk.processor.span.queue.size", "{span}", true, false},
        {"otel.sdk.processor.span.queue.capacity", "{span}", true, false},
        {"otel.sdk.processor.span.processed", "{span}", true, true},
        {"otel.sdk.exporter.span.inflight", "{span}", true, false},
        {"otel.sdk.exporter.span.exported", "{span}", true, true},
        {"otel.sdk.exporter.operation.duration", "s", false, false},
    };
    clew_export_report delivered = {.status = 200};
    clew__durations_record(&durations, CLEW_EXPORT_DELIVERED, &delivered, 1);
    struct clew__report report = report_of_two();
    size_t points, counted = 0;
    decoded_request *request = written(&report, &points);
    cr_assert_eq(request->resource_metrics[0]->scope_metrics[0]->n_metrics, 8);
    for (size_t i = 0; i < 8; i++) {
        const decoded_metric *metric = metric_named(request, instruments[i].name);
        cr_assert_not_null(metric, "%s", instruments[i].name);
        cr_assert_str_eq(metric->unit, instruments[i].unit);
        cr_assert(metric->description[0] != '\0');
        if (!instruments[i].is_sum) {
            cr_assert_eq(metric->histogram->aggregation_temporality, 2);
            counted += metric->histogram->n_data_points;
            continue;
        }
        cr_assert_eq(metric->sum->aggregation_temporality, 2);
        cr_assert_eq((bool)metric->sum->is_monotonic, instruments[i].is_monotonic, "%s", metric->name);
        counted += metric->sum->n_data_points;
        for (size_t k = 0; k < metric->sum->n_data_points; k++) {
            cr_assert_eq(metric->sum->data_points[k]->start_time_unix_nano, 1000);
            cr_assert_eq(metric->sum->data_points[k]->time_unix_nano, 2000);
        }
    }
    cr_assert_eq(points, counted);
    decoded_free(request);
    CLEW_NO_LEAKS();
}

Test(metrics, spans_by_parent_and_decision) {
    static const char name[] = "otel.sdk.span.started", live[] = "otel.sdk.span.live";
    struct clew__report report = report_of_two();
    size_t points;
    decoded_request *request = written(&report, &points);
    expect(request, name, "otel.span.parent.origin=none,otel.span.sampling_result=DROP", 1);
    expect(request, name, "otel.span.parent.origin=local,otel.span.sampling_result=RECORD_ONLY", 2);
    expect(request, name, "otel.span.parent.origin=remote,otel.span.sampling_result=RECORD_AND_SAMPLE", 3);
    cr_assert_eq(metric_named(request, name)->sum->n_data_points, 3);
    expect(request, live, "otel.span.sampling_result=RECORD_ONLY", 0);
    expect(request, live, "otel.span.sampling_result=RECORD_AND_SAMPLE", 4);
    decoded_free(request);
    CLEW_NO_LEAKS();
}

Test(metrics, processors_report_queue_and_what_they_handed_on) {
    static const char processed[] = "otel.sdk.processor.span.processed";
    struct clew__report report = report_of_two();
    size_t points;
    decoded_request *request = written(&report, &points);
    expect(request, "otel.sdk.processor.span.queue.size", BATCH, 7);
    expect(request, "otel.sdk.processor.span.queue.capacity", BATCH, 2048);
    expect(request, "otel.sdk.processor.span.queue.size", SIMPLE, -1);
    expect(request, processed, BATCH, 100 + 20 + 7 + 3 + 50 + 5);
    expect(request, processed, BATCH ",error.type=queue_full", 11);
    expect(request, processed, BATCH ",error.type=memory", 12);
    expect(request, processed, BATCH ",error.type=already_shutdown", 13);
    expect(request, processed, SIMPLE, 1);
    expect(request, processed, SIMPLE ",error.type=queue_full", -1);
    decoded_free(request);
    CLEW_NO_LEAKS();
}

Test(metrics, exporters_report_every_fate_once) {
    static const char exported[] = "otel.sdk.exporter.span.exported";
    struct clew__report report = report_of_two();
    size_t points;
    decoded_request *request = written(&report, &points);
    expect(request, "otel.sdk.exporter.span.inflight", HTTP, 5 + 6);
    expect(request, exported, HTTP, 100 + 30);
    expect(request, exported, HTTP ",error.type=rejected", 20 + 9);
    expect(request, exported, HTTP ",error.type=no_answer", 3);
    expect(request, exported, HTTP ",error.type=refused", 4 + 2);
    expect(request, exported, HTTP ",error.type=cancelled", 3);
    expect(request, exported, HTTP ",error.type=spool_full", 1);
    expect(request, exported, HTTP ",error.type=spool_corrupt", 2);
    expect(request, exported, HTTP ",error.type=unreachable", -1);
    expect(request, exported, CONSOLE, 1);
    decoded_free(request);
    CLEW_NO_LEAKS();
}

static const decoded_histogram *duration_with(const decoded_request *request, const char *attributes) {
    const decoded_histogram *point =
        histogram_with(request, "otel.sdk.exporter.operation.duration", attributes);
    cr_assert_not_null(point, "%s", attributes);
    return point;
}

Test(metrics, durations_are_histograms_of_one_bucket) {
    clew_export_report ok = {.status = 200}, refused = {.status = 400, .failure = CLEW_FAILURE_REFUSED},
                       grpc = {.status = 14, .failure = CLEW_FAILURE_UNREACHABLE}, none = {.status = -1};
    clew__durations_record(&durations, CLEW_EXPORT_DELIVERED, &ok, 500000000);
    clew__durations_record(&durations, CLEW_EXPORT_DELIVERED, &ok, 1500000000);
    clew__durations_record(&durations, CLEW_EXPORT_FAILED, &refused, 1000000);
    clew__durations_record(&durations, CLEW_EXPORT_FAILED, &grpc, 1);
    clew__durations_record(&durations, CLEW_EXPORT_UNKNOWN, &none, 1);
    struct clew__report report = report_of_two();
    size_t points;
    decoded_request *request = written(&report, &points);
    const decoded_histogram *point = duration_with(request, HTTP ",http.response.status_code=200");
    cr_assert_eq(point->count, 2);
    cr_assert_eq(point->n_bucket_counts, 1);
    cr_assert_eq(point->bucket_counts[0], 2);
    cr_assert_float_eq(point->sum, 2.0, 1e-9);
    cr_assert_float_eq(point->min, 0.5, 1e-9);
    cr_assert_float_eq(point->max, 1.5, 1e-9);
    cr_assert_eq(point->start_time_unix_nano, 1000);
    cr_assert_eq(point->time_unix_nano, 2000);
    cr_assert_eq(duration_with(request, HTTP ",http.response.status_code=400,error.type=refused")->count, 1);
    duration_with(request, HTTP ",rpc.response.status_code=UNAVAILABLE,error.type=unreachable");
    duration_with(request, HTTP ",error.type=no_answer");
    cr_assert_eq(metric_named(request, "otel.sdk.exporter.operation.duration")->histogram->n_data_points, 4);
    decoded_free(request);
    CLEW_NO_LEAKS();
}

Test(metrics, without_room_the_writer_says_so) {
    struct clew__report report = report_of_two();
    uint8_t room[600];
    for (size_t size = 0; size < sizeof room; size += 13) {
        struct clew__writer writer = {.data = room, .capacity = size};
        clew__report_write(&report, &writer);
        cr_assert(writer.failed);
    }
    CLEW_NO_LEAKS();
}
