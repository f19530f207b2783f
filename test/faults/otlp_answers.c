/* What travels over OTLP/HTTP in its forms: JSON, compressed bodies both ways, Unix sockets; and what every
 * status of HTTP makes of a batch, with and without a wait that is asked for. */
#include "collector-bridge/export/compress.h"
#include "test/faults/drive.h"
#include "test/faults/peer.h"
#include "test/tap.h"

#include <clew/otlp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static char said[8192];

static void on_message(void *user, clew_log_level level, const char *message) {
    (void)user;
    (void)level;
    strncat(said, message, sizeof said - strlen(said) - 2);
    strcat(said, "\n");
}

/* ResourceSpans, ScopeSpans, 200 spans with a name each. */
static char traces[4096];
static clew_batch batch = {{traces, 0}, 0};

static size_t put(char *out, char tag, const char *data, size_t size) {
    size_t used = 0;
    out[used++] = tag;
    if (size >= 128)
        out[used++] = (char)(size | 0x80);
    out[used++] = (char)(size >= 128 ? size >> 7 : size);
    memcpy(out + used, data, size);
    return used + size;
}

static void make_batch(void) {
    static char spans[2000], scope[2100];
    size_t size = 0;
    for (int i = 0; i < 200; i++)
        size += put(spans + size, 0x12, "\x2a\x04work", 6);
    size = put(scope, 0x12, spans, size);
    batch.request.size = put(traces, 0x0a, scope, size);
    batch.count = 200;
}

static clew_exporter exporter_to(const struct peer *peer, clew_otlp_protocol protocol,
                                 clew_compression compression) {
    char endpoint[64];
    clew_otlp_options options = clew_otlp_options_default();
    clew_exporter exporter = {0};
    snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%u/v1/traces", peer_port(peer));
    options.endpoint = endpoint;
    options.protocol = protocol;
    options.compression = compression;
    options.timeout_ms = 0;
    if (clew_otlp_exporter(&options, &exporter) != CLEW_OK)
        abort();
    said[0] = '\0';
    return exporter;
}

/* ---- formats ---- */

static void json(void) {
    static const char partial[] =
        "{\"partialSuccess\":{\"rejectedSpans\":\"3\",\"errorMessage\":\"too long\"}}";
    static const char status[] = "{\"code\":3,\"message\":\"bad \\\"span\\\"\"}";
    static const char type[] = "Content-Type: application/json\r\n";
    static const char other[] = "Content-Type: application/x-protobuf\r\n";
    const struct peer_step steps[] = {
        {PEER_STATUS, 200, "Content-Type: text/plain\r\n", partial, sizeof partial - 1},
        {PEER_STATUS, 400, type, status, sizeof status - 1},
        {PEER_STATUS, 200, other, "\x0a\x02\x08\x05", 4},
        {PEER_STATUS, 400, other, "\x08\x03\x12\x05wrong", 9},
        {PEER_STATUS, 200, type, "", 0},
    };
    struct peer *peer = peer_start(steps, 5);
    clew_exporter exporter = exporter_to(peer, CLEW_OTLP_HTTP_JSON, CLEW_COMPRESSION_NONE);
    char request[8192];
    struct run run = export_batch(&exporter, &batch, 2000);
    peer_last_request(peer, request, sizeof request);
    tap_ok(strstr(request, "\r\nContent-Type: application/json\r\n") &&
               strstr(request, "\r\n\r\n{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{"),
           "a request in JSON says so and is some");
    tap_ok(run.outcome == CLEW_EXPORT_DELIVERED && run.report.rejected == 3 &&
               strcmp(run.report.reason, "too long") == 0,
           "its answer is read as JSON: %s", run.report.reason);
    run = export_batch(&exporter, &batch, 2000);
    tap_ok(run.outcome == CLEW_EXPORT_FAILED && strstr(run.report.reason, ": bad \"span\"") &&
               run.report.status == 400,
           "so is an error: %s", run.report.reason);
    run = export_batch(&exporter, &batch, 2000);
    tap_ok(run.outcome == CLEW_EXPORT_DELIVERED && run.report.rejected == 5,
           "an answer in protobuf is understood, too");
    run = export_batch(&exporter, &batch, 2000);
    tap_ok(run.outcome == CLEW_EXPORT_FAILED && strstr(run.report.reason, ": wrong"),
           "and an error in protobuf: %s", run.report.reason);
    run = export_batch(&exporter, &batch, 2000);
    tap_ok(run.outcome == CLEW_EXPORT_DELIVERED && !strstr(said, "cannot be read"),
           "an empty answer is a success");
    exporter.destroy(exporter.self);
    peer_stop(peer);

    const struct peer_step to_protobuf = {PEER_STATUS, 200, type, partial, sizeof partial - 1};
    peer = peer_start(&to_protobuf, 1);
    exporter = exporter_to(peer, CLEW_OTLP_HTTP_PROTOBUF, CLEW_COMPRESSION_NONE);
    run = export_batch(&exporter, &batch, 2000);
    tap_ok(run.outcome == CLEW_EXPORT_DELIVERED && run.report.rejected == 3,
           "an answer in JSON to a request in protobuf is understood");
    exporter.destroy(exporter.self);
    peer_stop(peer);
}

/* ---- compression ---- */

static void compressed_requests(void) {
    static const clew_compression kinds[] = {CLEW_COMPRESSION_GZIP, CLEW_COMPRESSION_ZSTD};
    static const char *const names[] = {"gzip", "zstd"};
    for (int i = 0; i < 2; i++) {
        const struct peer_step step = {.behaviour = PEER_HEALTHY};
        struct peer *peer = peer_start(&step, 1);
        clew_exporter exporter = exporter_to(peer, CLEW_OTLP_HTTP_PROTOBUF, kinds[i]);
        char request[4096], line[64];
        struct run run = export_batch(&exporter, &batch, 2000);
        snprintf(line, sizeof line, "\r\nContent-Encoding: %s\r\n", names[i]);
        peer_last_request(peer, request, sizeof request);
        tap_ok(run.outcome == CLEW_EXPORT_DELIVERED && strstr(request, line) &&
                   peer_bytes(peer) < batch.request.size / 4,
               "%s: %llu bytes travel of %zu", names[i], (unsigned long long)peer_bytes(peer),
               batch.request.size);
        exporter.destroy(exporter.self);
        peer_stop(peer);
    }
}

static void compressed_answers(void) {
    static const char type[] = "Content-Encoding: gzip\r\n";
    struct clew__compressor *gzip = clew__compressor_new(CLEW__ENCODING_GZIP);
    struct clew__compressor *bomb = clew__compressor_new(CLEW__ENCODING_GZIP);
    size_t zeros_size = (size_t)5 << 20;
    char *zeros = calloc(1, zeros_size);
    clew_bytes partial, zipped;
    clew__compress(gzip, "\x0a\x02\x08\x05", 4, &partial);
    clew__compress(bomb, zeros, zeros_size, &zipped);
    const struct peer_step steps[] = {
        {PEER_STATUS, 200, type, partial.data, partial.size},
        {PEER_STATUS, 200, type, zipped.data, zipped.size},
        {PEER_STATUS, 200, type, partial.data, partial.size - 9},
        {PEER_STATUS, 200, "Content-Encoding: br\r\n", "\x0a\x02\x08\x05", 4},
    };
    struct peer *peer = peer_start(steps, 4);
    clew_exporter exporter = exporter_to(peer, CLEW_OTLP_HTTP_PROTOBUF, CLEW_COMPRESSION_NONE);
    char request[4096];
    uint64_t before = clew_stats().memory_used;
    struct run run = export_batch(&exporter, &batch, 2000);
    peer_last_request(peer, request, sizeof request);
    tap_ok(strstr(request, "\r\nAccept-Encoding: gzip\r\n") && run.outcome == CLEW_EXPORT_DELIVERED &&
               run.report.rejected == 5,
           "an answer may be compressed");
    run = export_batch(&exporter, &batch, 2000);
    tap_ok(run.outcome == CLEW_EXPORT_FAILED && strstr(run.report.reason, "larger than the limit") &&
               zipped.size < 100000,
           "the limit holds for what it expands to: %zu bytes are %zu", zipped.size, zeros_size);
    run = export_batch(&exporter, &batch, 2000);
    tap_ok(run.outcome == CLEW_EXPORT_DELIVERED && strstr(said, "cannot be read"),
           "one that is cut is delivered, and logged");
    run = export_batch(&exporter, &batch, 2000);
    tap_ok(run.outcome == CLEW_EXPORT_DELIVERED && run.report.rejected == 0,
           "an encoding that nobody asked for is not read");
    tap_ok(clew_stats().memory_used == before, "the budget gets everything back");
    exporter.destroy(exporter.self);
    peer_stop(peer);
    clew__compressor_free(gzip);
    clew__compressor_free(bomb);
    free(zeros);
}

static void split(void) {
    const struct peer_step steps[] = {{.behaviour = PEER_STATUS, .status = 413}, {.behaviour = PEER_HEALTHY}};
    struct peer *peer = peer_start(steps, 2);
    clew_exporter exporter = exporter_to(peer, CLEW_OTLP_HTTP_PROTOBUF, CLEW_COMPRESSION_NONE);
    struct run run = export_batch(&exporter, &batch, 2000);
    tap_ok(run.outcome == CLEW_EXPORT_DELIVERED && run.report.failed == 0 && peer_requests(peer) == 3,
           "a batch that is answered with 413 goes in two halves");
    exporter.destroy(exporter.self);
    peer_stop(peer);
}

/* ---- Unix sockets ---- */

static void unix_socket(void) {
    char path[] = "/tmp/clew-otlp-XXXXXX", file[64], endpoint[80], request[4096];
    const struct peer_step step = {.behaviour = PEER_HEALTHY};
    clew_otlp_options options = clew_otlp_options_default();
    clew_exporter exporter;
    if (!mkdtemp(path))
        abort();
    snprintf(file, sizeof file, "%s/otlp.sock", path);
    snprintf(endpoint, sizeof endpoint, "unix://%s", file);
    options.endpoint = endpoint;
    struct peer *peer = peer_start_at(file, &step, 1);
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    if (!peer || clew_otlp_exporter(&options, &exporter) != CLEW_OK)
        abort();
    struct run run = export_batch(&exporter, &batch, 2000);
    peer_last_request(peer, request, sizeof request);
    tap_ok(run.outcome == CLEW_EXPORT_DELIVERED && strstr(request, "POST /v1/traces HTTP/1.1\r\n"),
           "a Unix socket is an endpoint: %s", run.report.reason);
    peer_stop(peer);
    run = export_batch(&exporter, &batch, 500);
    tap_ok(run.outcome == CLEW_EXPORT_FAILED && strstr(run.report.reason, endpoint),
           "and named when nobody is there: %s", run.report.reason);
    unsetenv("http_proxy");
    exporter.destroy(exporter.self);
    rmdir(path);
}

/* ---- every status, with and without a wait that is asked for ---- */

#define SECOND UINT64_C(1000000000)

struct hint {
    const char *name, *value;
    uint64_t least, most; /* of the wait */
};

static char in_a_minute[40];
static const struct hint hints[] = {
    {"without a hint", NULL, 8 * SECOND / 10, 12 * SECOND / 10},
    {"seconds", "7", 7 * SECOND, 84 * SECOND / 10},
    {"an HTTP date", in_a_minute, 55 * SECOND, 73 * SECOND},
    {"garbage", "soon", 8 * SECOND / 10, 12 * SECOND / 10},
    {"a negative number", "-5", 8 * SECOND / 10, 12 * SECOND / 10},
    {"2147483648", "2147483648", 300 * SECOND, 300 * SECOND},
};
#define HINTS (sizeof hints / sizeof hints[0])

/* False, and a line that says so, when something else came of it than the specification's table has. */
static bool status_is_right(clew_exporter *exporter, int status, const struct hint *hint,
                            const clew_batch *of) {
    bool accepted = status < 300;
    bool retryable = status == 429 || status == 502 || status == 503 || status == 504;
    clew_export_report report = {0};
    uint64_t give_up = clew_monotonic_nano() + 5 * SECOND, wake = 0;
    clew_export_outcome outcome = exporter->start(exporter->self, of, UINT64_MAX, &report);
    size_t watched = 1;
    while (outcome == CLEW_EXPORT_PENDING && clew_monotonic_nano() < give_up) {
        clew_poll descriptors[DRIVE_WATCHED];
        watched = exporter->wait(exporter->self, descriptors, DRIVE_WATCHED, &wake);
        /* Between attempts it watches nothing, and wants to wait. */
        if (watched == 0 && wake > clew_monotonic_nano() + SECOND / 2)
            break;
        outcome = step_once(exporter, give_up, &report);
    }
    uint64_t wait = wake - clew_monotonic_nano();
    bool right = accepted ? outcome == CLEW_EXPORT_DELIVERED : outcome == CLEW_EXPORT_FAILED;
    if (retryable) /* some of the wait has passed since it was chosen */
        right = outcome == CLEW_EXPORT_PENDING && watched == 0 && wait <= hint->most &&
                wait >= hint->least - SECOND / 2;
    if (outcome == CLEW_EXPORT_PENDING)
        exporter->cancel(exporter->self);
    if (!right)
        printf("# HTTP %d with %s: %s, a wait of %llu ms, \"%s\"\n", status, hint->name,
               outcome_name(outcome), (unsigned long long)(wait / NANO_PER_MILLI), report.reason);
    return right;
}

static void every_status(void) {
    static struct peer_step steps[400];
    struct tm when;
    time_t then = time(NULL) + 60;
    char head[80];
    strftime(in_a_minute, sizeof in_a_minute, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&then, &when));
    for (size_t i = 0; i < HINTS; i++) {
        snprintf(head, sizeof head, "Retry-After: %s\r\n", hints[i].value ? hints[i].value : "");
        for (int status = 200; status < 600; status++)
            steps[status - 200] = (struct peer_step){
                .behaviour = PEER_STATUS, .status = status, .headers = hints[i].value ? head : NULL};
        /* 413 has the batch sent again in halves: it has one span, so that there are none. */
        clew_batch single = {batch.request, 1};
        struct peer *peer = peer_start(steps, 400);
        unsigned right = 0;
        for (int status = 200; status < 600; status++) {
            /* A new exporter: one that was told to wait would keep the peace. */
            clew_exporter exporter = exporter_to(peer, CLEW_OTLP_HTTP_PROTOBUF, CLEW_COMPRESSION_NONE);
            right += status_is_right(&exporter, status, &hints[i], &single);
            exporter.destroy(exporter.self);
        }
        tap_ok(right == 400 && peer_requests(peer) == 400,
               "statuses 200 to 599 with %s: %u right, %u requests", hints[i].name, right,
               peer_requests(peer));
        peer_stop(peer);
    }
}

static void interim_statuses(void) {
    static const int statuses[] = {100, 102, 103, 199};
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        const struct peer_step step = {.behaviour = PEER_STATUS, .status = statuses[i]};
        struct peer *peer = peer_start(&step, 1);
        clew_exporter exporter = exporter_to(peer, CLEW_OTLP_HTTP_PROTOBUF, CLEW_COMPRESSION_NONE);
        struct run run = export_batch(&exporter, &batch, 200);
        tap_ok(run.outcome == CLEW_EXPORT_UNKNOWN && run.report.status == -1, "HTTP %d is no answer: %s",
               statuses[i], run.report.reason);
        exporter.destroy(exporter.self);
        peer_stop(peer);
    }
}

int main(void) {
    clew_set_log_callback(on_message, NULL);
    make_batch();
    json();
    compressed_requests();
    compressed_answers();
    split();
    unix_socket();
    every_status();
    interim_statuses();
    return tap_done();
}
