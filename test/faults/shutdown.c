/* The end of a program whose collector accepts and never answers: the deadline holds, and what was not
 * delivered is said. The whole way from clew_init() on, with the exporter for networks. */
#include "test/faults/delivery.h"
#include "test/faults/peer.h"
#include "test/fork_now.h"

/* What a deadline may be passed by, in ms: also what the threads had to wait for a processor. */
static unsigned grace(void) {
    return GRACE_MS + (unsigned)(starved_nano() / NANO_PER_MILLI);
}

static char said[8192];

static void on_message(void *user, clew_log_level level, const char *message) {
    (void)user;
    (void)level;
    strncat(said, message, sizeof said - strlen(said) - 2);
    strcat(said, "\n");
}

static void start(uint16_t port) {
    char endpoint[64];
    clew_otlp_options otlp = clew_otlp_options_default();
    clew_options options = {.otlp = clew_otlp_exporter, .otlp_options = &otlp, .exporters = "otlp"};
    said[0] = '\0';
    snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%u/v1/traces", port);
    otlp.endpoint = endpoint;
    clew_init_with("shutdown", &options);
}

static void against(enum peer_behaviour behaviour, const char *name) {
    struct peer_step step = {.behaviour = behaviour};
    struct peer *peer = peer_start(&step, 1);
    start(peer_port(peer));
    make_spans(NULL, 700);
    clew_provider *provider = clew_provider_get_global();
    uint64_t before = clew_monotonic_nano();
    clew_delivery delivery = clew_shutdown(1000);
    unsigned took = milliseconds_since(before);
    clew_stats_data data;
    clew_stats_of(provider, &data);
    const clew_pipeline_stats *p = &data.pipelines[0];
    tap_ok(took < 1000 + grace(), "%s: clew_shutdown(1000) is back after %u ms", name, took);
    tap_ok(delivery.status == CLEW_ETIMEDOUT, "%s: it says that the deadline passed (%d)", name,
           delivery.status);
    tap_ok(delivery.delivered == 0 && delivery.failed + delivery.unknown == 700 && delivery.unknown > 0,
           "%s: %lu unknown and %lu failed of 700", name, (unsigned long)delivery.unknown,
           (unsigned long)delivery.failed);
    tap_ok(p->pending == 0 && p->offered == 700 &&
               p->offered == p->exported + p->failed + p->unknown + p->dropped_shutdown + p->rejected,
           "%s: every span has its fate", name);
    /* One reason speaks once in ten seconds: only the first case finds its lines. */
    if (behaviour == PEER_HANG) {
        tap_ok(strstr(said, "512 spans sent, but no answer seen") != NULL, "%s: a line tells what was sent",
               name);
        tap_ok(strstr(said, "188 spans") != NULL, "%s: and one what was never sent", name);
    }
    before = clew_monotonic_nano();
    tap_ok(clew_shutdown(1000).status == CLEW_ESHUTDOWN && milliseconds_since(before) < grace(),
           "%s: the second shutdown says so at once", name);
    peer_stop(peer);
}

static void flush_against_silence(void) {
    struct peer_step step = {.behaviour = PEER_SILENT};
    struct peer *peer = peer_start(&step, 1);
    start(peer_port(peer));
    make_spans(NULL, 10);
    uint64_t before = clew_monotonic_nano();
    clew_delivery delivery = clew_flush(100);
    tap_ok(milliseconds_since(before) < 100 + grace() && delivery.status == CLEW_ETIMEDOUT,
           "clew_flush(100) is back after %u ms", milliseconds_since(before));
    before = clew_monotonic_nano();
    make_spans(NULL, 100);
    tap_ok(milliseconds_since(before) < grace(), "spans cost no time meanwhile");
    before = clew_monotonic_nano();
    clew_flush(0);
    tap_ok(milliseconds_since(before) < grace(), "clew_flush(0) is back at once");
    before = clew_monotonic_nano();
    clew_shutdown(0);
    tap_ok(milliseconds_since(before) < 2 * grace(), "clew_shutdown(0) is back after %u ms",
           milliseconds_since(before));
    peer_stop(peer);
}

/* exit() without shutdown: by default a second. */
static CLEW_UNUSED void exit_against_silence(void) {
    struct peer_step step = {.behaviour = PEER_SILENT};
    struct peer *peer = peer_start(&step, 1);
    uint64_t before = clew_monotonic_nano();
    int status = 0;
    pid_t child = fork_now();
    if (child == 0) {
        setenv("CLEW_EXIT_FLUSH_MS", "200", 1);
        start(peer_port(peer));
        make_spans(NULL, 10);
        exit(3);
    }
    waitpid(child, &status, 0);
    tap_ok(WIFEXITED(status) && WEXITSTATUS(status) == 3 && milliseconds_since(before) < 200 + 4 * grace(),
           "exit() with CLEW_EXIT_FLUSH_MS=200 is through after %u ms", milliseconds_since(before));
    peer_stop(peer);
}

static void against_a_healthy_one(void) {
    struct peer_step step = {.behaviour = PEER_HEALTHY};
    struct peer *peer = peer_start(&step, 1);
    start(peer_port(peer));
    make_spans(NULL, 700);
    clew_delivery delivery = clew_shutdown(5000);
    /* A full batch may have gone before the shutdown, which tells of the rest only. */
    uint64_t exported = clew_stats().pipelines[0].exported;
    tap_ok(delivery.status == 0 && exported == 700, "a healthy collector gets all of them (%lu)",
           (unsigned long)exported);
    peer_stop(peer);
}

int main(void) {
    clew_set_log_callback(on_message, NULL);
#if defined(__SANITIZE_THREAD__)
    tap_skip("exit() against silence", "ThreadSanitizer starts no threads in the child of a fork");
#else
    exit_against_silence();
#endif
    against(PEER_HANG, "accepts, never reads");
    against(PEER_SILENT, "reads, never answers");
    against(PEER_SLOW, "a byte a second");
    flush_against_silence();
    against_a_healthy_one();
    return tap_done();
}
