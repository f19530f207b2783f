/* The reporter: when it collects, what its reports say of a provider, how it ends. */
#include "capture.h"
#include "decoded.h"

#include "sdk/telemetry/telemetry.h"
#include "test/failing.h"

#include <clew/clew.h>
#include <clew/sampling.h>
#include <clew/testing.h>
#include <clew/worker.h>
#include <poll.h>

#define HOUR_MS 3600000u
#define LONGEST_MS 100 /* of a turn of the loop */
#define PATIENCE_NANO UINT64_C(10000000000)
#define ALLOCATIONS_MAX 100 /* more than a start and a report make */
#define BATCH "otel.component.type=batching_span_processor,otel.component.name=batching_span_processor/"
#define CONSOLE "otel.component.type=memory_span_exporter,otel.component.name=memory_span_exporter/"

struct kit {
    clew_provider *provider;
    clew_tracer *tracer;
    clew_memory_exporter *memory;
};

/* A provider with one batching pipeline whose queue is small. */
static struct kit kit_new(clew_sampler *sampler) {
    clew_provider_options options = {.resource = clew_resource_new(NULL, 0, NULL), .sampler = sampler};
    struct kit kit = {clew_provider_new(&options), NULL, clew_memory_exporter_new(0)};
    clew_exporter exporter = clew_memory_exporter_as_exporter(kit.memory);
    clew_batch_options batch = clew_batch_options_default();
    batch.schedule_delay_ms = HOUR_MS;
    batch.max_queue_size = 10;
    batch.max_export_batch_size = 10;
    cr_assert_eq(clew_provider_add_batch(kit.provider, &exporter, &batch), 0);
    kit.tracer = clew_provider_tracer(kit.provider, "test", NULL, NULL, NULL, 0);
    return kit;
}

static void start(struct kit *kit, struct capture *capture, uint32_t interval_ms) {
    struct clew__telemetry_options options = {interval_ms, 30000};
    clew_exporter exporter = capture_exporter(capture);
    cr_assert_eq(clew__telemetry_start(kit->provider, &exporter, &options), CLEW_OK);
}

static void work(struct kit *kit, int count) {
    for (int i = 0; i < count; i++)
        clew_span_end(clew_span_start(kit->tracer, "work", NULL));
}

static clew_stats_data end(struct kit *kit) {
    clew_stats_data data;
    clew_provider_shutdown(kit->provider, 5000);
    clew_stats_of(kit->provider, &data);
    clew_memory_exporter_free(kit->memory);
    return data;
}

static void expect(const decoded_request *request, const char *name, const char *attributes,
                   uint64_t expected) {
    int64_t value = value_of(request, name, attributes);
    cr_assert_eq(value, (int64_t)expected, "%s{%s} is %ld instead of %lu", name, attributes, (long)value,
                 expected);
}

Test(telemetry, last_report_after_the_shutdown_of_the_pipelines_agrees_with_the_books) {
    static struct capture capture = CAPTURE_INIT;
    struct kit kit = kit_new(NULL);
    clew_span open = clew_span_start(kit.tracer, "open", NULL);
    start(&kit, &capture, HOUR_MS);
    work(&kit, 5);
    clew_provider_flush(kit.provider, 5000);
    work(&kit, 3);
    clew_stats_data books = end(&kit);
    cr_assert_eq(capture.starts, 1);
    cr_assert_eq(capture.destroyed, 1);
    decoded_request *request = decode(capture.data, capture.size);
    expect(request, "otel.sdk.span.started",
           "otel.span.parent.origin=none,otel.span.sampling_result=RECORD_AND_SAMPLE", books.started);
    expect(request, "otel.sdk.span.live", "otel.span.sampling_result=RECORD_AND_SAMPLE", 1);
    expect(request, "otel.sdk.processor.span.queue.capacity", BATCH "0", 10);
    expect(request, "otel.sdk.processor.span.queue.size", BATCH "0", 0);
    expect(request, "otel.sdk.processor.span.processed", BATCH "0", 8);
    expect(request, "otel.sdk.exporter.span.exported", CONSOLE "0", books.pipelines[0].exported);
    expect(request, "otel.sdk.exporter.span.inflight", CONSOLE "0", 0);
    const decoded_histogram *duration =
        histogram_with(request, "otel.sdk.exporter.operation.duration", CONSOLE "0");
    cr_assert_not_null(duration);
    cr_assert_eq(duration->count, 2);
    cr_assert_eq(books.pipelines[0].exported, 8);
    decoded_free(request);
    clew_span_end(open);
    CLEW_NO_LEAKS();
}

static clew_export_outcome refuse(void *self, const clew_batch *batch, uint32_t timeout_ms,
                                  clew_export_report *report) {
    unsigned *calls = self;
    (void)batch;
    (void)timeout_ms;
    if ((*calls)++ == 0) {
        report->failure = CLEW_FAILURE_REFUSED;
        report->status = 400;
        return CLEW_EXPORT_FAILED;
    }
    report->rejected = 2;
    report->status = 200;
    return CLEW_EXPORT_DELIVERED;
}

Test(telemetry, drops_failures_and_rejections_are_told_apart) {
    static struct capture capture = CAPTURE_INIT;
    unsigned calls = 0;
    struct kit kit = kit_new(NULL);
    clew_exporter exporter = {.struct_size = sizeof exporter,
                              .flags = CLEW_EXPORTER_LOCAL,
                              .name = "memory_span_exporter",
                              .self = &calls,
                              .export_batch = refuse,
                              .server_address = "here",
                              .server_port = 1};
    clew_batch_options batch = clew_batch_options_default();
    batch.schedule_delay_ms = HOUR_MS;
    batch.max_queue_size = batch.max_export_batch_size = 100;
    clew_provider_add_batch(kit.provider, &exporter, &batch);
    start(&kit, &capture, HOUR_MS);
    work(&kit, 4);
    clew_provider_flush(kit.provider, 5000);
    work(&kit, 3);
    clew_stats_data books = end(&kit);
    decoded_request *request = decode(capture.data, capture.size);
#define SECOND CONSOLE "1,server.address=here,server.port=1"
    expect(request, "otel.sdk.exporter.span.exported", SECOND, 1);
    expect(request, "otel.sdk.exporter.span.exported", SECOND ",error.type=refused", 4);
    expect(request, "otel.sdk.exporter.span.exported", SECOND ",error.type=rejected", 2);
    expect(request, "otel.sdk.processor.span.processed", BATCH "1", 7);
    cr_assert_eq(books.pipelines[1].failed, 4);
    cr_assert_not_null(histogram_with(request, "otel.sdk.exporter.operation.duration",
                                      SECOND ",http.response.status_code=400,error.type=refused"));
    cr_assert_not_null(histogram_with(request, "otel.sdk.exporter.operation.duration",
                                      SECOND ",http.response.status_code=200,error.type=rejected"));
    decoded_free(request);
    CLEW_NO_LEAKS();
}

Test(telemetry, full_queue_and_closed_pipeline_are_errors_of_the_processor) {
    static struct capture capture = CAPTURE_INIT;
    clew_provider_options options = {.resource = clew_resource_new(NULL, 0, NULL)};
    static struct capture stuck = CAPTURE_INIT;
    struct kit kit = {clew_provider_new(&options), NULL, clew_memory_exporter_new(0)};
    clew_exporter exporter = capture_exporter(&stuck);
    clew_batch_options batch = clew_batch_options_default();
    stuck.outcome = CLEW_EXPORT_PENDING;
    batch.max_queue_size = batch.max_export_batch_size = 10;
    cr_assert_eq(clew_provider_add_batch(kit.provider, &exporter, &batch), 0);
    kit.tracer = clew_provider_tracer(kit.provider, "test", NULL, NULL, NULL, 0);
    clew_span late = clew_span_start(kit.tracer, "late", NULL);
    start(&kit, &capture, 1);
    work(&kit, 10);
    cr_assert(capture_reaches(&stuck, &stuck.starts, 1));
    work(&kit, 15);
    unsigned now = capture.starts;
    cr_assert(capture_reaches(&capture, &capture.starts, now + 2));
    pthread_mutex_lock(&capture.mutex);
    decoded_request *request = decode(capture.data, capture.size);
    pthread_mutex_unlock(&capture.mutex);
    expect(request, "otel.sdk.processor.span.processed", BATCH "0", 10);
    expect(request, "otel.sdk.processor.span.processed", BATCH "0,error.type=queue_full", 5);
    expect(request, "otel.sdk.processor.span.queue.size", BATCH "0", 10);
    expect(request, "otel.sdk.exporter.span.inflight",
           "otel.component.type=capture,otel.component.name=capture/0", 10);
    decoded_free(request);
    clew_provider_shutdown(kit.provider, 50);
    clew_span_end(late);
    clew_memory_exporter_free(kit.memory);
    CLEW_NO_LEAKS();
}

Test(telemetry, reports_come_at_every_interval_and_count_from_one_start) {
    static struct capture capture = CAPTURE_INIT;
    struct kit kit = kit_new(NULL);
    start(&kit, &capture, 1);
    work(&kit, 1);
    cr_assert(capture_reaches(&capture, &capture.starts, 2));
    pthread_mutex_lock(&capture.mutex);
    decoded_request *first = decode(capture.data, capture.size);
    pthread_mutex_unlock(&capture.mutex);
    work(&kit, 6);
    end(&kit);
    decoded_request *last = decode(capture.data, capture.size);
    const decoded_number *before = metric_named(first, "otel.sdk.span.live")->sum->data_points[0];
    const decoded_number *after = metric_named(last, "otel.sdk.span.live")->sum->data_points[0];
    cr_assert_eq(before->start_time_unix_nano, after->start_time_unix_nano);
    cr_assert_lt(before->time_unix_nano, after->time_unix_nano);
    cr_assert_geq(before->time_unix_nano, before->start_time_unix_nano);
    expect(last, "otel.sdk.span.started",
           "otel.span.parent.origin=none,otel.span.sampling_result=RECORD_AND_SAMPLE", 7);
    decoded_free(first);
    decoded_free(last);
    CLEW_NO_LEAKS();
}

Test(telemetry, an_export_under_way_is_never_doubled_and_is_cancelled_at_the_deadline) {
    static struct capture capture = CAPTURE_INIT;
    struct kit kit = kit_new(NULL);
    capture.outcome = CLEW_EXPORT_PENDING;
    start(&kit, &capture, 1);
    work(&kit, 1);
    cr_assert(capture_reaches(&capture, &capture.steps, 20));
    cr_assert_eq(capture.starts, 1);
    uint64_t before = clew_monotonic_nano();
    cr_assert_eq(clew_provider_shutdown(kit.provider, 100).status, CLEW_OK);
    cr_assert_lt(clew_monotonic_nano() - before, UINT64_C(2000000000));
    cr_assert_eq(capture.starts, 1);
    /* A thread that had no processor time meanwhile does it when it comes back. */
    cr_assert(capture_reaches(&capture, &capture.destroyed, 1));
    cr_assert_eq(capture.cancels, 1);
    clew_memory_exporter_free(kit.memory);
    CLEW_NO_LEAKS();
}

static char said[512];

static void on_message(void *user, clew_log_level level, const char *message) {
    (void)user;
    (void)level;
    snprintf(said, sizeof said, "%s", message);
}

Test(telemetry, failures_are_said_and_the_next_report_comes) {
    static struct capture capture = CAPTURE_INIT;
    struct kit kit = kit_new(NULL);
    clew_set_log_callback(on_message, NULL);
    capture.outcome = CLEW_EXPORT_FAILED;
    capture.reason = "the lid is on";
    start(&kit, &capture, 1);
    work(&kit, 1);
    cr_assert(capture_reaches(&capture, &capture.starts, 3));
    end(&kit);
    cr_assert_not_null(strstr(said, "metrics about Clew not delivered: the lid is on; 1 report"), "%s", said);
    CLEW_NO_LEAKS();
}

Test(telemetry, a_provider_that_started_no_span_says_nothing_at_the_end) {
    static struct capture capture = CAPTURE_INIT;
    struct kit kit = kit_new(NULL);
    start(&kit, &capture, HOUR_MS);
    end(&kit);
    cr_assert_eq(capture.starts, 0);
    cr_assert_eq(capture.destroyed, 1);
    CLEW_NO_LEAKS();
}

Test(telemetry, spans_that_are_only_dropped_are_reported) {
    static struct capture capture = CAPTURE_INIT;
    struct kit kit = kit_new(clew_sampler_always_off());
    start(&kit, &capture, HOUR_MS);
    work(&kit, 3);
    end(&kit);
    decoded_request *request = decode(capture.data, capture.size);
    expect(request, "otel.sdk.span.started", "otel.span.parent.origin=none,otel.span.sampling_result=DROP",
           3);
    decoded_free(request);
    CLEW_NO_LEAKS();
}

/* Nothing but the first span starts the worker: a sampler that drops all, a simple pipeline. */
Test(telemetry, first_span_of_any_kind_starts_the_reports) {
    static struct capture captures[2] = {CAPTURE_INIT, CAPTURE_INIT};
    clew_provider_options options = {.resource = clew_resource_new(NULL, 0, NULL)};
    struct kit dropping = kit_new(clew_sampler_always_off());
    struct kit simple = {clew_provider_new(&options), NULL, clew_memory_exporter_new(0)};
    clew_exporter exporter = clew_memory_exporter_as_exporter(simple.memory);
    cr_assert_eq(clew_provider_add_simple(simple.provider, &exporter), 0);
    simple.tracer = clew_provider_tracer(simple.provider, "test", NULL, NULL, NULL, 0);
    start(&dropping, &captures[0], 1);
    work(&dropping, 1);
    cr_assert(capture_reaches(&captures[0], &captures[0].starts, 1));
    end(&dropping);
    start(&simple, &captures[1], 1);
    work(&simple, 1);
    cr_assert(capture_reaches(&captures[1], &captures[1].starts, 1));
    end(&simple);
    decoded_request *request = decode(captures[1].data, captures[1].size);
    expect(request, "otel.sdk.processor.span.processed",
           "otel.component.type=simple_span_processor,otel.component.name=simple_span_processor/0", 1);
    cr_assert_null(metric_named(request, "otel.sdk.processor.span.queue.size"));
    cr_assert_not_null(histogram_with(request, "otel.sdk.exporter.operation.duration", CONSOLE "0"));
    decoded_free(request);
    CLEW_NO_LEAKS();
}

static struct kit *looping;

static void start_a_span(struct capture *capture) {
    (void)capture;
    clew_span span = clew_span_start(looping->tracer, "of the exporter", NULL);
    cr_assert_not(clew_span_is_recording(span));
    clew_span_end(span);
}

Test(telemetry, spans_of_its_own_exporter_are_not_recorded) {
    static struct capture capture = CAPTURE_INIT;
    struct kit kit = kit_new(NULL);
    looping = &kit;
    capture.on_start = start_a_span;
    start(&kit, &capture, 1);
    work(&kit, 1);
    cr_assert(capture_reaches(&capture, &capture.starts, 3));
    clew_stats_data books = end(&kit);
    cr_assert_eq(books.started, 1);
    cr_assert_eq(books.not_recorded, 0);
    CLEW_NO_LEAKS();
}

Test(telemetry, exporters_that_block_second_reporters_and_closed_providers_are_refused) {
    static struct capture capture = CAPTURE_INIT, other = CAPTURE_INIT;
    struct clew__telemetry_options options = {HOUR_MS, 0};
    struct kit kit = kit_new(NULL);
    clew_exporter exporter = capture_exporter(&other);
    exporter.start = NULL;
    cr_assert_eq(clew__telemetry_start(kit.provider, &exporter, &options), CLEW_EINVAL);
    cr_assert_eq(other.destroyed, 1);
    start(&kit, &capture, HOUR_MS);
    exporter = capture_exporter(&other);
    cr_assert_eq(clew__telemetry_start(kit.provider, &exporter, &options), CLEW_EALREADY);
    cr_assert_eq(other.destroyed, 2);
    end(&kit);
    exporter = capture_exporter(&other);
    cr_assert_eq(clew__telemetry_start(kit.provider, &exporter, &options), CLEW_ESHUTDOWN);
    cr_assert_eq(other.destroyed, 3);
    CLEW_NO_LEAKS();
}

/* ---- the application's loop ---- */

static void turn(void) {
    clew_poll descriptors[8];
    struct pollfd events[8];
    int timeout_ms = 0;
    size_t count = clew_loop_wait(descriptors, 8, &timeout_ms);
    for (size_t i = 0; i < count; i++)
        events[i] = (struct pollfd){.fd = descriptors[i].fd, .events = descriptors[i].events};
    poll(events, count, timeout_ms < 0 || timeout_ms > LONGEST_MS ? LONGEST_MS : timeout_ms);
    for (size_t i = 0; i < count; i++)
        descriptors[i].revents = events[i].revents;
    clew_loop_step(descriptors, count);
}

Test(telemetry, loop_of_the_application_sends_the_reports) {
    static struct capture capture = CAPTURE_INIT;
    struct kit kit;
    cr_assert_eq(clew_loop_attach(), 0);
    kit = kit_new(NULL);
    start(&kit, &capture, 1);
    work(&kit, 2);
    for (uint64_t until = clew_monotonic_nano() + PATIENCE_NANO;
         capture.starts < 3 && clew_monotonic_nano() < until;)
        turn();
    cr_assert_geq(capture.starts, 3, "the loop drives no reports");
    end(&kit);
    decoded_request *request = decode(capture.data, capture.size);
    expect(request, "otel.sdk.processor.span.processed", BATCH "0", 2);
    cr_assert_eq(capture.destroyed, 1);
    clew_loop_detach();
    decoded_free(request);
    CLEW_NO_LEAKS();
}

/* ---- no memory ---- */

/* Whatever fails, the exporter is destroyed once; there is a report unless something failed. */
static void start_and_report(int allocation) {
    static struct capture capture = CAPTURE_INIT;
    struct clew__telemetry_options options = {HOUR_MS, 30000};
    clew_exporter exporter = capture_exporter(&capture);
    struct kit kit = kit_new(NULL);
    capture.starts = capture.destroyed = 0;
    failing_begin(allocation);
    cr_assert_eq(clew__telemetry_start(kit.provider, &exporter, &options),
                 has_failed ? CLEW_ENOMEM : CLEW_OK);
    work(&kit, 3);
    end(&kit);
    failing_end();
    cr_assert_eq(capture.destroyed, 1, "allocation %d", allocation);
    cr_assert(capture.starts == 1 || (capture.starts == 0 && has_failed), "allocation %d", allocation);
}

Test(telemetry, each_allocation_may_fail) {
    int allocation = 0;
    cr_assert_eq(failing_install(), CLEW_OK);
    do
        start_and_report(allocation);
    while (has_failed && allocation++ < ALLOCATIONS_MAX);
    cr_assert_gt(allocation, 1);
    cr_assert_lt(allocation, ALLOCATIONS_MAX);
    CLEW_NO_LEAKS();
}
