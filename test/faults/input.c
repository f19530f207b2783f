/* Wrong input: each shows a clear message and a working program: spans are recorded, the shutdown is in time.
 */
#include "test/faults/peer.h"
#include "test/tap.h"

#include <clew/clew.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char said[16384];

static void on_message(void *user, clew_log_level level, const char *message) {
    (void)user;
    (void)level;
    strncat(said, message, sizeof said - strlen(said) - 2);
    strcat(said, "\n");
}

/* What a case is, in a process of its own: variables (name, value, …), and what must be in the messages. */
struct input {
    const char *name;
    const char *variables[6];
    const char *expected[3];
    const char *exporters; /* NULL: otlp to a port where nobody listens */
    bool is_delivered;     /* a collector answers */
};

static uint16_t healthy_port;

/* 0, or what is wrong. */
static int run(const struct input *input) {
    clew_options options = {.otlp = clew_otlp_exporter, .exporters = input->exporters};
    char endpoint[64];
    clew_set_log_level(CLEW_LOG_INFO);
    clew_set_log_callback(on_message, NULL);
    snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%u",
             input->is_delivered ? healthy_port : peer_closed_port());
    setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint, 1);
    for (int i = 0; i < 6 && input->variables[i]; i += 2)
        setenv(input->variables[i], input->variables[i + 1], 1);
    if (clew_init_with("input", &options) != 0)
        return 1;
    for (int i = 0; i < 20; i++) {
        clew_span span = clew_span_start(NULL, "work", NULL);
        if (!clew_span_is_recording(span))
            return 2;
        clew_span_set_int(span, "i", i);
        clew_span_end(span);
    }
    clew_provider *provider = clew_provider_get_global();
    uint64_t before = clew_monotonic_nano();
    clew_delivery delivery = clew_shutdown(500);
    if (clew_monotonic_nano() - before > UINT64_C(600000000))
        return 3;
    clew_stats_data data;
    clew_stats_of(provider, &data);
    if (data.ended != 20 || data.open != 0)
        return 4;
    for (size_t i = 0; i < data.pipeline_count; i++) {
        const clew_pipeline_stats *p = &data.pipelines[i];
        if (p->offered != 20 || p->pending != 0)
            return 5;
    }
    if (input->is_delivered && delivery.delivered != 20)
        return 6;
    for (int i = 0; i < 3 && input->expected[i]; i++)
        if (!strstr(said, input->expected[i])) {
            fprintf(stderr, "no \"%s\" in:\n%s", input->expected[i], said);
            return 7;
        }
    return 0;
}

static void check(const struct input *input) {
    static const char *const wrong[] = {"",
                                        "the init failed",
                                        "spans are not recorded",
                                        "the shutdown was late",
                                        "spans were lost",
                                        "the books do not balance",
                                        "the collector did not get them",
                                        "the message is not there"};
    int status = 0;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        alarm(20);
        _exit(run(input));
    }
    waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) < 8)
        tap_ok(WEXITSTATUS(status) == 0, "%s%s%s", input->name, WEXITSTATUS(status) ? ": " : "",
               wrong[WEXITSTATUS(status)]);
    else
        tap_ok(false, "%s: status %x", input->name, (unsigned)status);
}

static const struct input inputs[] = {
    {.name = "malformed headers",
     .variables = {"OTEL_EXPORTER_OTLP_HEADERS", "no equals sign,,=x,good=1"},
     .expected = {"OTEL_EXPORTER_OTLP_HEADERS"},
     .is_delivered = true},
    {.name = "header with a line end",
     .variables = {"OTEL_EXPORTER_OTLP_HEADERS", "a=b%0d%0aX-Evil: 1"},
     .expected = {"OTEL_EXPORTER_OTLP_HEADERS"},
     .is_delivered = true},
    {.name = "unknown protocol",
     .variables = {"OTEL_EXPORTER_OTLP_PROTOCOL", "carrier/pigeon"},
     .expected = {"OTEL_EXPORTER_OTLP_PROTOCOL", "carrier/pigeon"},
     .is_delivered = true},
    {.name = "port of the other protocol",
     .variables = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:4317/v1/traces"},
     .expected = {"4317", "OTEL_EXPORTER_OTLP_PROTOCOL"}},
    {.name = "compression that is none",
     .variables = {"OTEL_EXPORTER_OTLP_COMPRESSION", "lha"},
     .expected = {"OTEL_EXPORTER_OTLP_COMPRESSION", "lha"},
     .is_delivered = true},
    {.name = "nobody at the endpoint", .expected = {"127.0.0.1"}},
    {.name = "endpoint that is no URL",
     .variables = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "://nonsense"},
     .expected = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "://nonsense"}},
    {.name = "endpoint of another scheme",
     .variables = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "file:///etc/passwd"},
     .expected = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"}},
    {.name = "host that does not exist",
     .variables = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://nowhere.invalid/v1/traces"},
     .expected = {"nowhere.invalid"}},
    {.name = "unwritable file",
     .variables = {"CLEW_OTLP_FILE", "/nonexistent/folder/spans.json"},
     .expected = {"/nonexistent/folder/spans.json", "No such file"},
     .is_delivered = true},
    {.name = "file that is a folder",
     .variables = {"CLEW_OTLP_FILE", "/tmp"},
     .expected = {"/tmp", "directory"},
     .is_delivered = true},
    {.name = "full disk",
     .variables = {"CLEW_OTLP_FILE", "/dev/full"},
     .expected = {"No space left"},
     .exporters = "none"},
    {.name = "certificate that is not there",
     .variables = {"OTEL_EXPORTER_OTLP_CERTIFICATE", "/nonexistent.pem", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
                   "https://127.0.0.1:1/v1/traces"},
     .expected = {"/nonexistent.pem"}},
    {.name = "unknown exporter",
     .variables = {"OTEL_TRACES_EXPORTER", "pigeon"},
     .expected = {"OTEL_TRACES_EXPORTER", "pigeon"}},
    {.name = "unknown sampler",
     .variables = {"OTEL_TRACES_SAMPLER", "sometimes"},
     .expected = {"OTEL_TRACES_SAMPLER", "sometimes"},
     .is_delivered = true},
    {.name = "unknown propagator",
     .variables = {"OTEL_PROPAGATORS", "tracecontext,pigeon"},
     .expected = {"OTEL_PROPAGATORS", "pigeon"},
     .is_delivered = true},
    {.name = "absurd numbers",
     .variables = {"OTEL_BSP_MAX_QUEUE_SIZE", "-1", "OTEL_BSP_SCHEDULE_DELAY", "99999999999999999999",
                   "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "many"},
     .expected = {"OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BSP_SCHEDULE_DELAY", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT"},
     .is_delivered = true},
    {.name = "queue of nothing",
     .variables = {"OTEL_BSP_MAX_QUEUE_SIZE", "0", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "0"},
     .expected = {"OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"},
     .is_delivered = true},
    {.name = "batch larger than the queue",
     .variables = {"OTEL_BSP_MAX_QUEUE_SIZE", "100", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1000"},
     .expected = {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE"},
     .is_delivered = true},
    {.name = "absurd memory limit",
     .variables = {"CLEW_MEMORY_LIMIT", "7 bananas"},
     .expected = {"CLEW_MEMORY_LIMIT", "7 bananas"},
     .is_delivered = true},
    {.name = "resource that is not UTF-8",
     .variables = {"OTEL_RESOURCE_ATTRIBUTES", "a=%ff%fe,no equals", "OTEL_SERVICE_NAME", "caf\xe9"},
     .expected = {"OTEL_RESOURCE_ATTRIBUTES"},
     .is_delivered = true},
    {.name = "log level that is none",
     .variables = {"OTEL_LOG_LEVEL", "shout"},
     .expected = {"OTEL_LOG_LEVEL", "shout"},
     .is_delivered = true},
    {.name = "traceparent that is none", .variables = {"TRACEPARENT", "00-xyz"}, .is_delivered = true},
};

/* Bad arguments of every kind at once: nothing crashes, and the collector understands what it gets. */
static void arguments_that_are_wrong(void) {
    clew_otlp_options otlp = clew_otlp_options_default();
    clew_options options = {.otlp = clew_otlp_exporter, .otlp_options = &otlp, .exporters = "otlp"};
    char endpoint[64];
    snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%u/v1/traces", healthy_port);
    otlp.endpoint = endpoint;
    clew_init_with("caf\xe9", &options);
    clew_tracer *tracer = clew_tracer_get("\xff", "\xfe", "\xfd", NULL, 3);
    clew_attribute nameless = {NULL, clew_value_empty()}, broken = {"k\xff", clew_value_string("v\xff")};
    clew_span_options wrong = {.struct_size = 3, .flags = 0xffffffff, .kind = (clew_span_kind)77};
    clew_span span = clew_span_start(tracer, "n\xff", NULL);
    clew_span_set_string(span, NULL, NULL);
    clew_span_set_string(span, "k\xff", "v\xff");
    clew_span_set_attributes(span, &nameless, 1);
    clew_span_set_attributes(span, &broken, 1);
    clew_span_add_event(span, "e\xff", &broken, 1, 0);
    clew_span_add_event(span, NULL, &nameless, 1, 0);
    clew_span_add_link(span, NULL, &broken, 1);
    clew_span_set_status(span, (clew_status)77, "d\xff");
    clew_span_set_status(span, CLEW_STATUS_ERROR, "d\xff");
    clew_span_update_name(span, "\xff\xff");
    clew_span_record_exception(span, NULL, NULL, NULL, NULL, 7);
    clew_span_end(span);
    clew_span_end(clew_span_start(NULL, NULL, &wrong));
    clew_delivery delivery = clew_shutdown(2000);
    tap_ok(delivery.delivered == 2, "wrong arguments of every kind: both spans are delivered (%lu)",
           (unsigned long)delivery.delivered);
}

/* The collector is a process of its own, so that the one that forks has no threads. Ends when `*hold` is
 * closed. */
static pid_t start_collector(int *hold) {
    static const struct peer_step step = {.behaviour = PEER_HEALTHY};
    int port[2], end[2];
    if (pipe(port) != 0 || pipe(end) != 0)
        return -1;
    pid_t collector = fork();
    if (collector == 0) {
        char byte;
        struct peer *peer = peer_start(&step, 1);
        uint16_t number = peer ? peer_port(peer) : 0;
        close(end[1]);
        if (write(port[1], &number, sizeof number) != sizeof number || read(end[0], &byte, 1) != 0)
            _exit(1);
        peer_stop(peer);
        _exit(0);
    }
    close(port[1]);
    close(end[0]);
    if (read(port[0], &healthy_port, sizeof healthy_port) != sizeof healthy_port)
        healthy_port = 0;
    close(port[0]);
    *hold = end[1];
    return collector;
}

int main(void) {
    int hold = -1, status = 0;
    pid_t collector = start_collector(&hold);
    clew_set_log_level(CLEW_LOG_ERROR);
    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++)
        check(&inputs[i]);
    arguments_that_are_wrong();
    close(hold);
    waitpid(collector, &status, 0);
    return tap_done();
}
