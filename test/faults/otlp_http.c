/* The OTLP/HTTP exporter against receivers that misbehave: outcome, report, and that the deadline holds.
 * Drives the state machine with a poll loop, as the worker does. */
#include "test/faults/drive.h"
#include "test/faults/peer.h"
#include "test/fork_now.h"
#include "test/tap.h"

#include <arpa/inet.h>
#include <clew/otlp.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char said[8192];

static void on_message(void *user, clew_log_level level, const char *message) {
    (void)user;
    (void)level;
    strncat(said, message, sizeof said - strlen(said) - 2);
    strcat(said, "\n");
}

static int (*real_getaddrinfo)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

/* A name server that is silent for one name and does not know another. libcurl calls it on threads of its
 * own. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **out) {
    if (node && strcmp(node, "silent.invalid") == 0) {
        poll(NULL, 0, 3000);
        return EAI_AGAIN;
    }
    if (node && strcmp(node, "nowhere.invalid") == 0)
        return EAI_NONAME;
    return real_getaddrinfo(node, service, hints, out);
}

/* ---- driving ---- */

static clew_exporter exporter_with(const char *endpoint, const char *headers) {
    clew_otlp_options options = clew_otlp_options_default();
    clew_exporter exporter = {0};
    options.endpoint = endpoint;
    options.headers = headers;
    if (clew_otlp_exporter(&options, &exporter) != CLEW_OK)
        abort();
    return exporter;
}

static clew_exporter exporter_to(uint16_t port, const char *scheme) {
    char endpoint[64];
    snprintf(endpoint, sizeof endpoint, "%s://127.0.0.1:%u/v1/traces", scheme, port);
    return exporter_with(endpoint, "x-secret=hunter2hunter2");
}

static struct peer *start(const struct peer_step *steps, size_t count) {
    struct peer *peer = peer_start(steps, count);
    if (!peer)
        abort();
    said[0] = '\0';
    return peer;
}

/* One row: a peer, what must come of it, within `deadline_ms`; in the reason there is `text`. */
static void expect(const char *name, struct run run, clew_export_outcome outcome, unsigned deadline_ms,
                   const char *text) {
    bool in_time = run.elapsed_ms <= deadline_ms + GRACE_MS;
    bool explained = !text || strstr(run.report.reason, text);
    bool ok = tap_ok(run.outcome == outcome && in_time && explained, "%s is %s within %u ms", name,
                     outcome_name(outcome), deadline_ms);
    if (!ok)
        printf("# %s after %u ms: \"%s\", expected \"%s\"\n", outcome_name(run.outcome), run.elapsed_ms,
               run.report.reason, text ? text : "");
}

/* A machine that is busy with something else can be late by itself: only what is late three times is. */
static void check_over(const char *scheme, const char *name, const struct peer_step *step,
                       clew_export_outcome outcome, unsigned requests, const char *text) {
    for (int attempt = 1;; attempt++) {
        struct peer *peer = start(step, 1);
        clew_exporter exporter = exporter_to(peer_port(peer), scheme);
        struct run run = export_batch(&exporter, &small, 1000);
        unsigned seen = peer_requests(peer);
        exporter.destroy(exporter.self);
        peer_stop(peer);
        if (run.elapsed_ms > 1000 + GRACE_MS && attempt < 3)
            continue;
        expect(name, run, outcome, 1000, text);
        if (requests != UINT32_MAX)
            tap_ok(seen == requests, "%s: %u requests", name, requests);
        return;
    }
}

static void check(const char *name, const struct peer_step *step, clew_export_outcome outcome,
                  unsigned requests, const char *text) {
    check_over("http", name, step, outcome, requests, text);
}

/* ---- healthy ---- */

static void healthy_receiver(void) {
    const struct peer_step steps[] = {{.behaviour = PEER_HEALTHY}};
    struct peer *peer = start(steps, 1);
    clew_exporter exporter = exporter_to(peer_port(peer), "http");
    char request[4096];
    for (int i = 0; i < 3; i++)
        expect("batch to a healthy receiver", export_batch(&exporter, &small, 1000), CLEW_EXPORT_DELIVERED,
               1000, "");
    peer_last_request(peer, request, sizeof request);
    tap_ok(peer_requests(peer) == 3 && peer_bytes(peer) == 3 * small.request.size, "every byte arrives once");
    tap_ok(peer_connections(peer) == 1, "the connection is kept");
    tap_ok(strncmp(request, "POST /v1/traces HTTP/1.1\r\n", 26) == 0, "request line");
    tap_ok(strstr(request, "\r\nContent-Type: application/x-protobuf\r\n"), "content type");
    tap_ok(strstr(request, "\r\nUser-Agent: OTel-OTLP-Exporter-C/"), "user agent");
    tap_ok(strstr(request, "\r\nx-secret: hunter2hunter2\r\n"), "header of the settings");
    tap_ok(!strstr(request, "Expect:"), "no Expect header");
    tap_ok(strstr(request, "\r\n\r\nnot read by anybody"), "body");
    tap_ok(said[0] == '\0', "nothing is logged");
    exporter.destroy(exporter.self);
    peer_stop(peer);
}

/* One span of `size` bytes in a request around it; to be freed. */
static clew_bytes huge_span(size_t size) {
    static const uint8_t tags[] = {0x0A, 0x12, 0x12}; /* ResourceSpans, ScopeSpans, Span */
    uint8_t *bytes = calloc(1, size + 5 * sizeof tags), *at = bytes;
    for (size_t i = 0; i < sizeof tags; i++) {
        size_t content = size + 5 * (sizeof tags - 1 - i);
        *at++ = tags[i];
        for (int shift = 0; shift < 28; shift += 7)
            *at++ = (uint8_t)((content >> shift & 0x7F) | (shift < 21 ? 0x80 : 0));
    }
    return (clew_bytes){bytes, size + 5 * sizeof tags};
}

static void large_batch(void) {
    const struct peer_step steps[] = {{.behaviour = PEER_HEALTHY}, {.behaviour = PEER_HANG}};
    size_t size = (size_t)8 << 20;
    char *bytes = calloc(1, size);
    const clew_batch batch = {{bytes, size}, 1000};
    const clew_batch huge = {huge_span((size_t)64 << 20), 1};
    struct peer *peer = start(steps, 2);
    clew_exporter exporter = exporter_to(peer_port(peer), "http");
    expect("batch of 8 MiB", export_batch(&exporter, &batch, 5000), CLEW_EXPORT_DELIVERED, 5000, "");
    tap_ok(peer_bytes(peer) == size, "every byte arrives");
    expect("batch over 64 MiB", export_batch(&exporter, &huge, 1000), CLEW_EXPORT_FAILED, 0,
           "larger than the limit of 67108864 bytes");
    exporter.destroy(exporter.self);
    exporter = exporter_to(peer_port(peer), "http");
    expect("half-sent batch", export_batch(&exporter, &batch, 1000), CLEW_EXPORT_FAILED, 1000,
           "bytes within");
    exporter.destroy(exporter.self);
    peer_stop(peer);
    free((void *)(uintptr_t)huge.request.data);
    free(bytes);
}

/* ---- connections ---- */

/* With half a second there is one attempt, as the shortest first wait is 800 ms: the reason is that of the
 * attempt. */
static void one_attempt(const char *name, enum peer_behaviour behaviour, const char *text) {
    const struct peer_step steps[] = {{.behaviour = behaviour}};
    struct peer *peer = start(steps, 1);
    clew_exporter exporter = exporter_to(peer_port(peer), "http");
    expect(name, export_batch(&exporter, &small, 500), CLEW_EXPORT_UNKNOWN, 500, text);
    tap_ok(peer_requests(peer) == 1, "%s: one request", name);
    exporter.destroy(exporter.self);
    peer_stop(peer);
}

static void broken_connections(void) {
    clew_exporter exporter = exporter_to(peer_closed_port(), "http");
    expect("closed port", export_batch(&exporter, &small, 500), CLEW_EXPORT_FAILED, 0,
           "connection refused by http://127.0.0.1:");
    expect("closed port, with time to try again", export_batch(&exporter, &small, 1000), CLEW_EXPORT_FAILED,
           1000, NULL);
    exporter.destroy(exporter.self);

    check("receiver that never reads", &(struct peer_step){.behaviour = PEER_HANG}, CLEW_EXPORT_UNKNOWN, 0,
          "no answer within 1000 ms from http://127.0.0.1:");
    check("receiver that never answers", &(struct peer_step){.behaviour = PEER_SILENT}, CLEW_EXPORT_UNKNOWN,
          1, "no answer within 1000 ms");
    check("a byte a second", &(struct peer_step){.behaviour = PEER_SLOW}, CLEW_EXPORT_UNKNOWN, 1,
          "no answer");
    check("reset after the request", &(struct peer_step){.behaviour = PEER_RESET}, CLEW_EXPORT_UNKNOWN,
          UINT32_MAX, NULL);
    one_attempt("reset after the request, once", PEER_RESET, "connection to http");
    check("close before the answer", &(struct peer_step){.behaviour = PEER_CLOSE}, CLEW_EXPORT_UNKNOWN,
          UINT32_MAX, NULL);
    one_attempt("close before the answer, once", PEER_CLOSE, "without an answer");
    /* The request may or may not be out before the reset is seen: the rule allows both. */
    struct peer *peer = start(&(struct peer_step){.behaviour = PEER_RESET_FIRST}, 1);
    exporter = exporter_to(peer_port(peer), "http");
    struct run run = export_batch(&exporter, &small, 500);
    tap_ok((run.outcome == CLEW_EXPORT_FAILED || run.outcome == CLEW_EXPORT_UNKNOWN) && run.elapsed_ms < 500,
           "reset at once is %s: %s", outcome_name(run.outcome), run.report.reason);
    exporter.destroy(exporter.self);
    peer_stop(peer);
    check("garbage", &(struct peer_step){.behaviour = PEER_GARBAGE}, CLEW_EXPORT_UNKNOWN, 1, "not HTTP");
    check_over("https", "TLS handshake that stalls", &(struct peer_step){.behaviour = PEER_HANG},
               CLEW_EXPORT_FAILED, 0, "no connection to https://127.0.0.1:");
}

static void names(void) {
    clew_exporter exporter = exporter_with("http://silent.invalid:4318/x", NULL);
    expect("name server that is silent", export_batch(&exporter, &small, 500), CLEW_EXPORT_FAILED, 500,
           "the name in http://silent.invalid:4318/x was not resolved within 500 ms");
    uint64_t before = clew_monotonic_nano();
    exporter.destroy(exporter.self);
    tap_ok(clew_monotonic_nano() - before < GRACE_MS * NANO_PER_MILLI,
           "destroy does not wait for the name server");

    exporter = exporter_with("http://nowhere.invalid:4318/x", NULL);
    expect("name that does not exist", export_batch(&exporter, &small, 500), CLEW_EXPORT_FAILED, 500,
           "cannot be resolved");
    exporter.destroy(exporter.self);
}

/* ---- answers ---- */

static void statuses(void) {
    /* google.rpc.Status with a message that repeats the header's value, and a line end in it. */
    static const char status[] = "\x08\x03\x12\x1d"
                                 "bad hunter2hunter2\nspan 12345";
    const struct peer_step refused = {PEER_STATUS, 400, NULL, status, sizeof status - 1};
    struct peer *peer = start(&refused, 1);
    clew_exporter exporter = exporter_to(peer_port(peer), "http");
    struct run run = export_batch(&exporter, &small, 1000);
    expect("HTTP 400", run, CLEW_EXPORT_FAILED, 1000, "HTTP 400 from http://127.0.0.1:");
    tap_ok(strstr(run.report.reason, ": bad *** span 12345") && !strchr(run.report.reason, '\n'),
           "the receiver's message is shown, without our secret: %s", run.report.reason);
    tap_ok(peer_requests(peer) == 1, "400 is not sent again");
    exporter.destroy(exporter.self);
    peer_stop(peer);

    static const char page[] = "Client sent an HTTP request to an HTTPS server.\n";
    const struct peer_step plain = {PEER_STATUS, 400, "Content-Type: text/plain\r\n", page, sizeof page - 1};
    peer = start(&plain, 1);
    exporter = exporter_to(peer_port(peer), "http");
    expect("a port for TLS", export_batch(&exporter, &small, 1000), CLEW_EXPORT_FAILED, 1000,
           "https:// may be meant");
    exporter.destroy(exporter.self);
    peer_stop(peer);

    static const int final[] = {301, 401, 403, 404, 408, 413, 415, 500, 501, 505};
    for (size_t i = 0; i < sizeof final / sizeof final[0]; i++) {
        char name[16];
        snprintf(name, sizeof name, "HTTP %d", final[i]);
        check(name,
              &(struct peer_step){
                  .behaviour = PEER_STATUS, .status = final[i], .headers = "Retry-After: 0\r\n"},
              CLEW_EXPORT_FAILED, 1, name);
    }
    check("HTTP 202", &(struct peer_step){.behaviour = PEER_STATUS, .status = 202}, CLEW_EXPORT_DELIVERED, 1,
          "");
}

static void retries(void) {
    static const int again[] = {429, 502, 503, 504};
    for (size_t i = 0; i < sizeof again / sizeof again[0]; i++) {
        const struct peer_step steps[] = {
            {.behaviour = PEER_STATUS, .status = again[i], .headers = "Retry-After: 0\r\n"},
            {.behaviour = PEER_HEALTHY}};
        char name[32];
        struct peer *peer = start(steps, 2);
        clew_exporter exporter = exporter_to(peer_port(peer), "http");
        snprintf(name, sizeof name, "HTTP %d, then 200", again[i]);
        expect(name, export_batch(&exporter, &small, 1000), CLEW_EXPORT_DELIVERED, 1000, "");
        tap_ok(peer_requests(peer) == 2, "%s: two requests", name);
        exporter.destroy(exporter.self);
        peer_stop(peer);
    }
}

static void backoff(void) {
    const struct peer_step steps[] = {{.behaviour = PEER_STATUS, .status = 503}, {.behaviour = PEER_HEALTHY}};
    struct peer *peer = start(steps, 2);
    clew_exporter exporter = exporter_to(peer_port(peer), "http");
    struct run run = export_batch(&exporter, &small, 3000);
    expect("503, then 200, without Retry-After", run, CLEW_EXPORT_DELIVERED, 1300, "");
    tap_ok(run.elapsed_ms >= 800, "the first wait is about a second: %u ms", run.elapsed_ms);
    exporter.destroy(exporter.self);
    peer_stop(peer);

    const struct peer_step closing[] = {{.behaviour = PEER_CLOSE}, {.behaviour = PEER_HEALTHY}};
    peer = start(closing, 2);
    exporter = exporter_to(peer_port(peer), "http");
    run = export_batch(&exporter, &small, 3000);
    expect("closed connection, then 200", run, CLEW_EXPORT_DELIVERED, 1300, "");
    exporter.destroy(exporter.self);
    peer_stop(peer);

    const struct peer_step refusing[] = {{.behaviour = PEER_CLOSE},
                                         {.behaviour = PEER_STATUS, .status = 400}};
    peer = start(refusing, 2);
    exporter = exporter_to(peer_port(peer), "http");
    expect("unanswered, then refused", export_batch(&exporter, &small, 3000), CLEW_EXPORT_UNKNOWN, 1300,
           "HTTP 400");
    exporter.destroy(exporter.self);
    peer_stop(peer);
}

static void asked_for_peace(void) {
    const struct peer_step steps[] = {
        {.behaviour = PEER_STATUS, .status = 503, .headers = "Retry-After: 2147483648\r\n"}};
    struct peer *peer = start(steps, 1);
    clew_exporter exporter = exporter_to(peer_port(peer), "http");
    expect("503 for ever", export_batch(&exporter, &small, 500), CLEW_EXPORT_FAILED, 500, "HTTP 503");
    expect("next batch", export_batch(&exporter, &small, 300), CLEW_EXPORT_FAILED, 300,
           "left alone for another");
    tap_ok(peer_requests(peer) == 1, "a receiver that asks for peace gets it");
    exporter.destroy(exporter.self);
    peer_stop(peer);
}

static void partial_success(void) {
    static const char three[] = "\x0a\x0c\x08\x03\x12\x08too\nlong";
    static const char many[] = "\x0a\x02\x08\x64";
    static const char warning[] = "\x0a\x06\x12\x04mind";
    const struct peer_step steps[] = {{PEER_HEALTHY, 0, NULL, three, sizeof three - 1},
                                      {PEER_HEALTHY, 0, NULL, many, sizeof many - 1},
                                      {PEER_HEALTHY, 0, NULL, warning, sizeof warning - 1},
                                      {PEER_HEALTHY, 0, NULL, "<html>", 6}};
    struct peer *peer = start(steps, 4);
    clew_exporter exporter = exporter_to(peer_port(peer), "http");
    struct run run = export_batch(&exporter, &small, 1000);
    expect("partial success", run, CLEW_EXPORT_DELIVERED, 1000, "too long");
    tap_ok(run.report.rejected == 3, "rejected spans are counted");
    tap_ok(strstr(said, "rejected 3 of 7 spans: too long"), "and logged: %s", said);
    run = export_batch(&exporter, &small, 1000);
    tap_ok(run.outcome == CLEW_EXPORT_DELIVERED && run.report.rejected == 7,
           "no more are rejected than were sent");
    said[0] = '\0';
    run = export_batch(&exporter, &small, 1000);
    tap_ok(run.outcome == CLEW_EXPORT_DELIVERED && run.report.rejected == 0 && strstr(said, "warning: mind"),
           "a warning is logged");
    said[0] = '\0';
    run = export_batch(&exporter, &small, 1000);
    tap_ok(run.outcome == CLEW_EXPORT_DELIVERED && run.report.rejected == 0 && strstr(said, "cannot be read"),
           "a malformed body of a 200 is delivered, and logged");
    tap_ok(peer_requests(peer) == 4, "nothing is sent again");
    exporter.destroy(exporter.self);
    peer_stop(peer);
}

static void answers_without_end(void) {
    uint64_t before = clew_stats().memory_used;
    check("endless body", &(struct peer_step){.behaviour = PEER_ENDLESS}, CLEW_EXPORT_FAILED, 1,
          "larger than the limit");
    check("endless headers", &(struct peer_step){.behaviour = PEER_ENDLESS_HEADS}, CLEW_EXPORT_FAILED, 1,
          "larger than the limit");
    check("status, then a drip", &(struct peer_step){PEER_SLOW_BODY, 0, NULL, "0123456789", 10},
          CLEW_EXPORT_DELIVERED, 1, "");
    check("body that is cut", &(struct peer_step){PEER_CUT, 0, NULL, "abc", 3}, CLEW_EXPORT_DELIVERED, 1, "");
    tap_ok(clew_stats().memory_used == before, "the budget gets everything back");
}

/* ---- life ---- */

static void closed_by_the_peer_between_batches(void) {
    const struct peer_step steps[] = {{.behaviour = PEER_LEAVE}, {.behaviour = PEER_HEALTHY}};
    struct peer *peer = start(steps, 2);
    clew_exporter exporter = exporter_to(peer_port(peer), "http");
    expect("first batch", export_batch(&exporter, &small, 1000), CLEW_EXPORT_DELIVERED, 1000, "");
    expect("batch after the receiver closed", export_batch(&exporter, &small, 1000), CLEW_EXPORT_DELIVERED,
           500, "");
    tap_ok(peer_connections(peer) == 2 && peer_requests(peer) == 2, "a new connection is made");
    exporter.destroy(exporter.self);
    peer_stop(peer);
}

static void few_descriptors(void) {
    const struct peer_step steps[] = {{.behaviour = PEER_HEALTHY}};
    struct peer *peer = start(steps, 1);
    clew_exporter exporter = exporter_to(peer_port(peer), "http");
    watch_capacity = 0;
    expect("batch driven without descriptors", export_batch(&exporter, &small, 1000), CLEW_EXPORT_DELIVERED,
           1000, "");
    watch_capacity = DRIVE_WATCHED;
    exporter.destroy(exporter.self);
    peer_stop(peer);
}

static void cancel_when(const char *name, const struct peer_step *step, clew_export_outcome expected) {
    struct peer *peer = start(step, 1);
    clew_exporter exporter = exporter_to(peer_port(peer), "http");
    clew_export_report report = {0};
    uint64_t started = clew_monotonic_nano();
    clew_export_outcome outcome = exporter.start(exporter.self, &small, UINT64_MAX, &report);
    while (outcome == CLEW_EXPORT_PENDING && clew_monotonic_nano() < started + 200 * NANO_PER_MILLI)
        outcome = step_once(&exporter, started + 200 * NANO_PER_MILLI, &report);
    uint64_t before = clew_monotonic_nano();
    outcome = outcome == CLEW_EXPORT_PENDING ? exporter.cancel(exporter.self) : outcome;
    uint64_t took = clew_monotonic_nano() - before;
    tap_ok(outcome == expected && took < GRACE_MS * NANO_PER_MILLI, "%s gives %s at once", name,
           outcome_name(expected));
    peer_stop(peer);
    exporter.destroy(exporter.self);
}

static void cancelled(void) {
    cancel_when("cancel while the receiver is silent", &(struct peer_step){.behaviour = PEER_SILENT},
                CLEW_EXPORT_UNKNOWN);
    cancel_when("cancel between attempts", &(struct peer_step){.behaviour = PEER_STATUS, .status = 503},
                CLEW_EXPORT_FAILED);
    cancel_when("cancel after an unanswered attempt", &(struct peer_step){.behaviour = PEER_CLOSE},
                CLEW_EXPORT_UNKNOWN);
    cancel_when("cancel inside an answer of 200",
                &(struct peer_step){PEER_SLOW_BODY, 0, NULL, "0123456789", 10}, CLEW_EXPORT_UNKNOWN);

    clew_exporter exporter = exporter_with("http://silent.invalid/", NULL);
    clew_export_report report = {0};
    clew_export_outcome outcome = exporter.start(exporter.self, &small, UINT64_MAX, &report);
    uint64_t before = clew_monotonic_nano();
    outcome = outcome == CLEW_EXPORT_PENDING ? exporter.cancel(exporter.self) : CLEW_EXPORT_DELIVERED;
    exporter.destroy(exporter.self);
    tap_ok(outcome == CLEW_EXPORT_FAILED && clew_monotonic_nano() - before < GRACE_MS * NANO_PER_MILLI,
           "cancel and destroy while a name is resolved do not wait");
}

static void forked(void) {
    const struct peer_step steps[] = {{.behaviour = PEER_HEALTHY}};
    struct peer *peer = start(steps, 1);
    clew_exporter exporter = exporter_to(peer_port(peer), "http");
    struct run run = export_batch(&exporter, &small, 1000);
    pid_t child = fork_now();
    if (child == 0) {
        exporter.forked(exporter.self);
        run = export_batch(&exporter, &small, 1000);
        _exit(run.outcome == CLEW_EXPORT_DELIVERED ? 0 : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    tap_ok(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a forked child delivers");
    tap_ok(peer_connections(peer) == 2, "on a connection of its own");
    run = export_batch(&exporter, &small, 1000);
    expect("parent's next batch", run, CLEW_EXPORT_DELIVERED, 1000, "");
    tap_ok(peer_connections(peer) == 2 && peer_requests(peer) == 3, "on the connection that it had");

    child = fork_now(); /* as after a raw clone: nobody tells the exporter */
    if (child == 0) {
        run = export_batch(&exporter, &small, 1000);
        exporter.destroy(exporter.self);
        _exit(run.outcome == CLEW_EXPORT_DELIVERED ? 0 : 1);
    }
    waitpid(child, &status, 0);
    tap_ok(WIFEXITED(status) && WEXITSTATUS(status) == 0 && peer_connections(peer) == 3,
           "an untold child notices by itself");
    expect("parent's last batch", export_batch(&exporter, &small, 1000), CLEW_EXPORT_DELIVERED, 1000, "");
    tap_ok(peer_connections(peer) == 3, "the parent's connection lives on");
    exporter.destroy(exporter.self);
    peer_stop(peer);
}

/* OpenSSL would ask for the passphrase: on the terminal, which this child has not got, or else on standard
 * input, which never says anything. */
static void export_with_a_locked_key(uint16_t port, const char *key, int silent) {
    char endpoint[64];
    clew_otlp_options options = clew_otlp_options_default();
    clew_exporter exporter = {0};
    setsid();
    dup2(silent, STDIN_FILENO);
    alarm(10);
    snprintf(endpoint, sizeof endpoint, "https://127.0.0.1:%u/v1/traces", port);
    options.endpoint = endpoint;
    options.client_certificate = options.client_key = key;
    if (clew_otlp_exporter(&options, &exporter) != CLEW_OK)
        _exit(2);
    _exit(export_batch(&exporter, &small, 1000).outcome == CLEW_EXPORT_FAILED ? 0 : 1);
}

static void key_with_a_passphrase(void) {
    const struct peer_step steps[] = {{.behaviour = PEER_HEALTHY}};
    char path[] = "/tmp/clew-locked-XXXXXX", command[512];
    int file = mkstemp(path), silent[2], status = -1;
    snprintf(
        command, sizeof command,
        "openssl req -x509 -newkey rsa:2048 -passout pass:secret -subj /CN=locked -keyout %s.key -out %s.pem "
        ">/dev/null 2>&1 && cat %s.pem %s.key >%s; result=$?; rm -f %s.pem %s.key; exit $result",
        path, path, path, path, path, path, path);
    if (file < 0 || pipe(silent) != 0 || system(command) != 0) {
        tap_skip("a key with a passphrase", "openssl makes none");
        return;
    }
    struct peer *peer = start(steps, 1);
    pid_t child = fork_now();
    if (child == 0)
        export_with_a_locked_key(peer_port(peer), path, silent[0]);
    waitpid(child, &status, 0);
    tap_ok(WIFEXITED(status) && WEXITSTATUS(status) == 0, "nobody is asked for the passphrase of a key");
    close(silent[0]);
    close(silent[1]);
    close(file);
    unlink(path);
    peer_stop(peer);
}

/* A daemon closes all descriptors it can find; the numbers then belong to files of its own. */
static void descriptor_taken_over(void) {
    const struct peer_step steps[] = {{.behaviour = PEER_HEALTHY}};
    struct peer *peer = start(steps, 1);
    int pipe_fds[2];
    char byte;
    if (pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) != 0)
        abort();
    bool before[256];
    for (int fd = 0; fd < 256; fd++)
        before[fd] = fcntl(fd, F_GETFD) >= 0;
    clew_exporter exporter = exporter_to(peer_port(peer), "http");
    export_batch(&exporter, &small, 1000);
    bool closed_on_exec = true;
    for (int fd = 0; fd < 256; fd++) {
        int flags = fcntl(fd, F_GETFD);
        if (!before[fd] && flags >= 0 && !(flags & FD_CLOEXEC))
            closed_on_exec = false;
    }
    tap_ok(closed_on_exec, "programs that are started inherit no descriptor of the exporter or of libcurl");
    /* The exporter's connection becomes the pipe. */
    int taken = -1;
    for (int fd = 0; fd < 256; fd++) {
        struct sockaddr_in address = {0};
        socklen_t size = sizeof address;
        if (!before[fd] && getpeername(fd, (struct sockaddr *)&address, &size) == 0 &&
            address.sin_family == AF_INET && ntohs(address.sin_port) == peer_port(peer)) {
            tap_ok(fcntl(fd, F_GETFD) == FD_CLOEXEC, "the connection is closed on exec");
            taken = dup2(pipe_fds[1], fd);
        }
    }
    expect("batch after the descriptor was taken over", export_batch(&exporter, &small, 1000),
           CLEW_EXPORT_DELIVERED, 1000, "");
    tap_ok(taken >= 0 && read(pipe_fds[0], &byte, 1) < 0, "nothing is written to the other file");
    exporter.destroy(exporter.self);
    tap_ok(fcntl(taken, F_GETFD) >= 0, "nor is it closed");
    peer_stop(peer);
    close(taken);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

static void construction(void) {
    clew_otlp_options bad = {.struct_size = 4};
    clew_exporter exporter;
    tap_ok(clew_otlp_exporter(NULL, NULL) == CLEW_EINVAL, "no place for the exporter is refused");
    tap_ok(clew_otlp_exporter(&bad, &exporter) == CLEW_EINVAL, "options that are none are refused");
    tap_ok(clew_otlp_exporter(NULL, &exporter) == CLEW_OK && exporter.export_batch == NULL && exporter.start,
           "without options there is an exporter");
    uint64_t wake = 0;
    tap_ok(exporter.wait(exporter.self, NULL, 0, &wake) == 0 && wake == UINT64_MAX,
           "an idle exporter wants nothing");
    tap_ok(exporter.cancel(exporter.self) == CLEW_EXPORT_FAILED, "cancel without a batch does nothing");
    exporter.destroy(exporter.self);
}

static bool same_signals(const sigset_t *one, const sigset_t *other) {
    for (int number = 1; number < NSIG; number++) {
        if (sigismember(one, number) != sigismember(other, number))
            return false;
    }
    return signal(SIGPIPE, SIG_DFL) == SIG_DFL;
}

int main(void) {
    sigset_t before, after;
    *(void **)(void *)&real_getaddrinfo = dlsym(RTLD_NEXT, "getaddrinfo");
    signal(SIGPIPE, SIG_DFL); /* as most programs have it: a stray signal would end the test */
    sigprocmask(SIG_SETMASK, NULL, &before);
    clew_set_log_callback(on_message, NULL);
    construction();
    healthy_receiver();
    large_batch();
    broken_connections();
    names();
    statuses();
    retries();
    backoff();
    asked_for_peace();
    partial_success();
    answers_without_end();
    closed_by_the_peer_between_batches();
    few_descriptors();
    cancelled();
    forked();
    key_with_a_passphrase();
    descriptor_taken_over();
    sigprocmask(SIG_SETMASK, NULL, &after);
    tap_ok(same_signals(&before, &after), "signals are as they were");
    return tap_done();
}
