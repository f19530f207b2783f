/* Clew's metrics about itself on their way to a receiver: where they go, what they say, and that a receiver
 * that hangs holds nothing up. From clew_init() on, with the exporter for networks. */
#include "test/faults/peer.h"
#include "test/fork_now.h"
#include "test/peer/receiver.h"
#include "test/tap.h"

#include <clew/clew.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a deadline may be passed by, in ms; generous, for many tests run at once. */
#define GRACE_MS 400
#define PATIENCE_MS 20000

static char said[8192];
static char last[65536];

static void on_message(void *user, clew_log_level level, const char *message) {
    (void)user;
    (void)level;
    strncat(said, message, sizeof said - strlen(said) - 2);
    strcat(said, "\n");
}

static unsigned milliseconds_since(uint64_t before) {
    return (unsigned)((clew_monotonic_nano() - before) / 1000000u);
}

static void make_spans(int count) {
    for (int i = 0; i < count; i++)
        clew_span_end(clew_span_start(NULL, "work", NULL));
}

/* Starts Clew in code, with what the traces' endpoint says about that of metrics. */
static void start_at(uint16_t port, const char *path, clew_otlp_protocol protocol) {
    char endpoint[64];
    clew_otlp_options otlp = clew_otlp_options_default();
    clew_options options = {.struct_size = sizeof options,
                            .otlp = clew_otlp_exporter,
                            .otlp_options = &otlp,
                            .exporters = "otlp",
                            .flags = CLEW_INIT_METRICS};
    snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%u%s", port, path);
    otlp.endpoint = endpoint;
    otlp.protocol = protocol;
    clew_init_with("metrics", &options);
}

static void start(uint16_t port, clew_otlp_protocol protocol) {
    start_at(port, "/v1/traces", protocol);
}

static bool last_says(const char *text) {
    return strstr(last, text) != NULL;
}

static void last_report_at_shutdown(void) {
    struct peer_step step = {.behaviour = PEER_HEALTHY, .body = "{}", .body_size = 2};
    struct peer *peer = peer_start(&step, 1);
    char port[64];
    snprintf(port, sizeof port, "{\"key\":\"server.port\",\"value\":{\"intValue\":\"%u\"}}", peer_port(peer));
    start(peer_port(peer), CLEW_OTLP_HTTP_JSON);
    make_spans(7);
    clew_delivery delivery = clew_shutdown(PATIENCE_MS);
    peer_last_request(peer, last, sizeof last);
    tap_ok(delivery.status == CLEW_OK && peer_requests(peer) == 2,
           "a shutdown sends the spans, then a report");
    tap_ok(strncmp(last, "POST /v1/metrics ", 17) == 0, "the endpoint of traces tells the one of metrics");
    tap_ok(last_says("application/json") && last_says("\r\n\r\n{\"resourceMetrics\":["), "it is OTLP/JSON");
    tap_ok(last_says("\"key\":\"service.name\",\"value\":{\"stringValue\":\"metrics\"}"),
           "it carries the resource of the spans");
    tap_ok(last_says("\"otel.sdk.span.started\"") && last_says("\"asInt\":\"7\""), "it counts the spans");
    tap_ok(last_says("\"otel.sdk.exporter.operation.duration\"") &&
               last_says("\"http.response.status_code\""),
           "it has the duration of their export");
    tap_ok(last_says("{\"key\":\"server.address\",\"value\":{\"stringValue\":\"127.0.0.1\"}}") &&
               last_says(port),
           "it names the server");
    peer_stop(peer);
}

static void reports_at_intervals_by_variables(void) {
    struct peer_step step = {.behaviour = PEER_HEALTHY};
    struct peer *peer = peer_start(&step, 1);
    char endpoint[64];
    uint64_t before = clew_monotonic_nano();
    snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%u", peer_port(peer));
    setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint, 1);
    setenv("OTEL_METRIC_EXPORT_INTERVAL", "20", 1);
    setenv("OTEL_TRACES_SAMPLER", "always_off", 1);
    setenv("CLEW_SDK_METRICS", "true", 1);
    clew_init("metrics");
    make_spans(1);
    while (peer_requests(peer) < 3 && milliseconds_since(before) < PATIENCE_MS)
        usleep(1000);
    peer_last_request(peer, last, sizeof last);
    tap_ok(peer_requests(peer) >= 3 && strncmp(last, "POST /v1/metrics ", 17) == 0,
           "with variables alone reports come at every interval, though no span is sampled");
    tap_ok(last_says("application/x-protobuf"), "as protobuf");
    clew_shutdown(PATIENCE_MS);
    unsetenv("OTEL_EXPORTER_OTLP_ENDPOINT");
    unsetenv("OTEL_METRIC_EXPORT_INTERVAL");
    unsetenv("OTEL_TRACES_SAMPLER");
    unsetenv("CLEW_SDK_METRICS");
    peer_stop(peer);
}

static void hung_receiver_of_metrics(enum peer_behaviour behaviour, const char *name) {
    struct peer_step healthy = {.behaviour = PEER_HEALTHY}, hung = {.behaviour = behaviour};
    struct peer *traces = peer_start(&healthy, 1), *metrics = peer_start(&hung, 1);
    char endpoint[64];
    snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%u/custom", peer_port(metrics));
    setenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", endpoint, 1);
    snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%u", peer_port(traces));
    setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint, 1);
    setenv("CLEW_SDK_METRICS", "true", 1);
    clew_init("metrics");
    make_spans(10);
    uint64_t before = clew_monotonic_nano();
    clew_delivery delivery = clew_shutdown(300);
    unsigned took = milliseconds_since(before);
    tap_ok(took < 300 + GRACE_MS, "%s: clew_shutdown(300) is back after %u ms", name, took);
    tap_ok(delivery.status == CLEW_OK && delivery.delivered == 10, "%s: all spans are delivered", name);
    unsetenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT");
    unsetenv("OTEL_EXPORTER_OTLP_ENDPOINT");
    unsetenv("CLEW_SDK_METRICS");
    peer_stop(traces);
    peer_stop(metrics);
}

static void hung_receiver_of_both(void) {
    struct peer_step hung = {.behaviour = PEER_SILENT};
    struct peer *peer = peer_start(&hung, 1);
    start(peer_port(peer), CLEW_OTLP_HTTP_PROTOBUF);
    make_spans(10);
    uint64_t before = clew_monotonic_nano();
    clew_shutdown(300);
    tap_ok(milliseconds_since(before) < 300 + GRACE_MS, "hung for spans too: back after %u ms",
           milliseconds_since(before));
    peer_stop(peer);
}

static void over_grpc(void) {
    struct receiver *receiver = receiver_start(&(struct receiver_options){.mode = RECEIVER_HEALTHY});
    struct receiver_counts counts;
    start_at(receiver_port(receiver), "", CLEW_OTLP_GRPC);
    make_spans(7);
    clew_delivery delivery = clew_shutdown(PATIENCE_MS);
    counts = receiver_stop(receiver);
    tap_ok(delivery.status == CLEW_OK && delivery.delivered == 7 && counts.acknowledged == 7,
           "over gRPC the spans come");
    tap_ok(counts.metric_requests == 1 && counts.grpc_requests == 2 && counts.faults == 0,
           "then the report, at the service for metrics: %s", counts.fault);
}

static void hung_over_grpc(enum receiver_mode mode) {
    struct receiver *receiver = receiver_start(&(struct receiver_options){.mode = mode});
    start_at(receiver_port(receiver), "", CLEW_OTLP_GRPC);
    make_spans(10);
    uint64_t before = clew_monotonic_nano();
    clew_shutdown(300);
    unsigned took = milliseconds_since(before);
    tap_ok(took < 300 + GRACE_MS, "over gRPC, %s: back after %u ms", receiver_mode_name(mode), took);
    receiver_stop(receiver);
}

static CLEW_UNUSED void children(void) {
    struct peer_step step = {.behaviour = PEER_HEALTHY, .body = "{}", .body_size = 2};
    struct peer *peer = peer_start(&step, 1);
    int status = 0;
    start(peer_port(peer), CLEW_OTLP_HTTP_JSON);
    make_spans(5);
    pid_t idle = fork_now();
    if (idle == 0) {
        clew_shutdown(PATIENCE_MS);
        _exit(0);
    }
    waitpid(idle, &status, 0);
    tap_ok(peer_requests(peer) == 0, "a child that has done nothing sends nothing");
    pid_t busy = fork_now();
    if (busy == 0) {
        make_spans(3);
        clew_shutdown(PATIENCE_MS);
        _exit(0);
    }
    waitpid(busy, &status, 0);
    peer_last_request(peer, last, sizeof last);
    tap_ok(peer_requests(peer) == 2 && strncmp(last, "POST /v1/metrics ", 17) == 0 &&
               last_says("\"asInt\":\"3\"") && !last_says("\"asInt\":\"5\""),
           "a child that records sends reports of its own");
    clew_shutdown(PATIENCE_MS);
    peer_last_request(peer, last, sizeof last);
    tap_ok(peer_requests(peer) == 4 && last_says("\"asInt\":\"5\"") && !last_says("\"asInt\":\"3\""),
           "the parent's are not touched");
    peer_stop(peer);
}

static void without_network(void) {
    clew_options options = {.struct_size = sizeof options, .exporters = "none", .flags = CLEW_INIT_METRICS};
    said[0] = '\0';
    tap_ok(clew_init_with("metrics", &options) == CLEW_OK && strstr(said, "need the OTLP exporter"),
           "without the exporter for networks a line says why there are none");
    clew_shutdown(100);
}

static void unclear_endpoint(void) {
    clew_otlp_options otlp = clew_otlp_options_default();
    clew_options options = {.struct_size = sizeof options,
                            .otlp = clew_otlp_exporter,
                            .otlp_options = &otlp,
                            .exporters = "none",
                            .flags = CLEW_INIT_METRICS};
    otlp.endpoint = "http://127.0.0.1:1/custom";
    said[0] = '\0';
    clew_init_with("metrics", &options);
    tap_ok(strstr(said, "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT") != NULL,
           "an endpoint of traces with a path of its own is not guessed from");
    clew_shutdown(100);
}

int main(void) {
    clew_set_log_callback(on_message, NULL);
#if defined(__SANITIZE_THREAD__)
    tap_skip("children", "ThreadSanitizer starts no threads in the child of a fork");
#else
    children();
#endif
    last_report_at_shutdown();
    reports_at_intervals_by_variables();
    hung_receiver_of_metrics(PEER_HANG, "accepts, never reads");
    hung_receiver_of_metrics(PEER_SILENT, "reads, never answers");
    hung_receiver_of_both();
    over_grpc();
    hung_over_grpc(RECEIVER_HANG);
    hung_over_grpc(RECEIVER_SILENT);
    without_network();
    unclear_endpoint();
    return tap_done();
}
