/* Exporters of one's own that take long or never return, beside the exporter for networks: they delay nobody,
 * and every deadline holds. And a collector that never answers, for each deadline that a program may give. */
#include "test/faults/peer.h"
#include "test/tap.h"

#include <clew/clew.h>
#include <clew/otlp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define GRACE_MS 300
#else
#define GRACE_MS 50 /* what a deadline may be passed by */
#endif
enum { SPANS = 600, BATCH = 512 };

static char said[16384];
static pthread_mutex_t said_mutex = PTHREAD_MUTEX_INITIALIZER;

static void on_message(void *user, clew_log_level level, const char *message) {
    (void)user;
    (void)level;
    pthread_mutex_lock(&said_mutex);
    strncat(said, message, sizeof said - strlen(said) - 2);
    strcat(said, "\n");
    pthread_mutex_unlock(&said_mutex);
}

static bool has_said(const char *what) {
    bool found;
    pthread_mutex_lock(&said_mutex);
    found = strstr(said, what) != NULL;
    pthread_mutex_unlock(&said_mutex);
    return found;
}

static unsigned milliseconds_since(uint64_t before) {
    return (unsigned)((clew_monotonic_nano() - before) / 1000000u);
}

static bool add_otlp(clew_provider *provider, const struct peer *peer) {
    clew_otlp_options options = clew_otlp_options_default();
    clew_exporter exporter;
    char endpoint[64];
    snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%u/v1/traces", peer_port(peer));
    options.endpoint = endpoint;
    return clew_otlp_exporter(&options, &exporter) == 0 &&
           clew_provider_add_batch(provider, &exporter, NULL) == 0;
}

static void make_spans(clew_provider *provider, int count) {
    clew_tracer *tracer = clew_provider_tracer(provider, "blocked", NULL, NULL, NULL, 0);
    for (int i = 0; i < count; i++) {
        clew_span span = clew_span_start(tracer, "work", NULL);
        clew_span_set_int(span, "i", i);
        clew_span_end(span);
    }
}

static const clew_pipeline_stats *pipeline(clew_provider *provider, size_t index) {
    static clew_stats_data data;
    clew_stats_of(provider, &data);
    return &data.pipelines[index];
}

static bool balances(const clew_pipeline_stats *p) {
    return p->offered == SPANS && p->pending == 0 &&
           p->offered == p->exported + p->rejected + p->failed + p->unknown + p->dropped_shutdown;
}

/* ---- exporters that block ---- */

/* Holds whoever exports until the gate opens, or for some milliseconds. */
struct gate {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool open;
    unsigned patience_ms; /* 0: for ever */
    _Atomic unsigned entered, left, destroyed;
};

static clew_export_outcome wait_at_gate(void *self, const clew_batch *batch, uint32_t timeout_ms,
                                        clew_export_report *report) {
    struct gate *gate = self;
    struct timespec until;
    int error = 0;
    (void)batch;
    (void)timeout_ms;
    (void)report;
    atomic_fetch_add(&gate->entered, 1);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += gate->patience_ms ? gate->patience_ms / 1000 : 3600;
    pthread_mutex_lock(&gate->mutex);
    while (!gate->open && !error)
        error = pthread_cond_timedwait(&gate->changed, &gate->mutex, &until);
    pthread_mutex_unlock(&gate->mutex);
    atomic_fetch_add(&gate->left, 1);
    return CLEW_EXPORT_DELIVERED;
}

static void gate_destroyed(void *self) {
    struct gate *gate = self;
    atomic_fetch_add(&gate->destroyed, 1);
}

static void open_gate(struct gate *gate) {
    pthread_mutex_lock(&gate->mutex);
    gate->open = true;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->mutex);
}

static bool becomes(_Atomic unsigned *value, unsigned expected, unsigned within_ms) {
    uint64_t before = clew_monotonic_nano();
    while (atomic_load(value) < expected && milliseconds_since(before) < within_ms)
        sched_yield();
    return atomic_load(value) == expected;
}

static void beside_a_healthy_collector(unsigned patience_ms, bool simple, const char *name) {
    struct gate gate = {
        .mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .patience_ms = patience_ms};
    clew_exporter exporter = {
        .name = "gate", .self = &gate, .export_batch = wait_at_gate, .destroy = gate_destroyed};
    struct peer_step step = {.behaviour = PEER_HEALTHY};
    struct peer *peer = peer_start(&step, 1);
    clew_provider *provider = clew_provider_new(NULL);
    clew_delivery delivery;
    uint64_t before;
    unsigned took;

    if (simple)
        clew_provider_add_simple(provider, &exporter);
    else
        clew_provider_add_batch(provider, &exporter, NULL);
    add_otlp(provider, peer);
    before = clew_monotonic_nano();
    make_spans(provider, SPANS);
    tap_ok(milliseconds_since(before) < 200 + GRACE_MS, "%s: who ends spans does not wait for it", name);

    before = clew_monotonic_nano();
    delivery = clew_provider_flush(provider, 500);
    took = milliseconds_since(before);
    tap_ok(took < 500 + GRACE_MS && delivery.status == CLEW_ETIMEDOUT, "%s: flush(500) is back after %u ms",
           name, took);
    tap_ok(becomes(&gate.entered, 1, 100) && atomic_load(&gate.left) == 0 &&
               pipeline(provider, 1)->exported == SPANS && peer_requests(peer) >= 1,
           "%s: meanwhile the collector got all spans (%lu)", name,
           (unsigned long)pipeline(provider, 1)->exported);
    /* A full batch may have been delivered before the flush. */
    tap_ok(delivery.delivered > 0 && delivery.delivered <= SPANS &&
               delivery.failed + delivery.unknown == SPANS && delivery.unknown > 0,
           "%s: flush tells what is where: %lu delivered, %lu unknown, %lu not", name,
           (unsigned long)delivery.delivered, (unsigned long)delivery.unknown,
           (unsigned long)delivery.failed);

    before = clew_monotonic_nano();
    delivery = clew_provider_shutdown(provider, 500);
    took = milliseconds_since(before);
    tap_ok(took < 500 + GRACE_MS && delivery.status == CLEW_ETIMEDOUT,
           "%s: shutdown(500) is back after %u ms", name, took);
    tap_ok(delivery.delivered == 0 && delivery.failed + delivery.unknown == SPANS && delivery.unknown > 0,
           "%s: %lu unknown and %lu not delivered of %d", name, (unsigned long)delivery.unknown,
           (unsigned long)delivery.failed, SPANS);
    tap_ok(balances(pipeline(provider, 0)) && balances(pipeline(provider, 1)), "%s: every span has its fate",
           name);
    tap_ok(atomic_load(&gate.destroyed) == 0, "%s: it is not destroyed while it runs", name);
    open_gate(&gate);
    tap_ok(becomes(&gate.left, 1, 5000) && becomes(&gate.destroyed, 1, 5000),
           "%s: but when it comes back, and once", name);
    tap_ok(balances(pipeline(provider, 0)), "%s: which changes no books", name);
    peer_stop(peer);
}

/* ---- a collector that never answers ---- */

static void deadlines_against_silence(unsigned timeout_ms) {
    struct peer_step step = {.behaviour = PEER_HANG};
    struct peer *peer = peer_start(&step, 1);
    clew_provider *provider = clew_provider_new(NULL);
    clew_delivery delivery;
    uint64_t before;
    unsigned took;
    add_otlp(provider, peer);
    make_spans(provider, SPANS);

    before = clew_monotonic_nano();
    delivery = clew_provider_flush(provider, 200);
    took = milliseconds_since(before);
    tap_ok(took >= 200 && took < 200 + GRACE_MS, "flush(200) is back after %u ms", took);
    tap_ok(delivery.status == CLEW_ETIMEDOUT && delivery.delivered == 0 && delivery.unknown == BATCH &&
               delivery.failed == SPANS - BATCH,
           "it says: %lu unknown, %lu not sent", (unsigned long)delivery.unknown,
           (unsigned long)delivery.failed);
    tap_ok(pipeline(provider, 0)->pending == SPANS, "they are under way still");

    before = clew_monotonic_nano();
    delivery = clew_provider_shutdown(provider, timeout_ms);
    took = milliseconds_since(before);
    tap_ok(took < timeout_ms + GRACE_MS, "shutdown(%u) is back after %u ms", timeout_ms, took);
    tap_ok(delivery.status == CLEW_ETIMEDOUT && delivery.delivered == 0 &&
               delivery.unknown + delivery.failed == SPANS && delivery.unknown > 0,
           "shutdown(%u) says: %lu unknown, %lu not sent", timeout_ms, (unsigned long)delivery.unknown,
           (unsigned long)delivery.failed);
    tap_ok(balances(pipeline(provider, 0)), "shutdown(%u): every span has its fate", timeout_ms);
    peer_stop(peer);
}

int main(void) {
    clew_set_log_callback(on_message, NULL);
    beside_a_healthy_collector(3000, false, "an exporter of 3 s");
    tap_ok(has_said("not delivered") || has_said("no answer seen"), "a line tells what was not delivered");
    beside_a_healthy_collector(0, false, "an exporter that never returns");
    beside_a_healthy_collector(0, true, "a simple one that never returns");
    deadlines_against_silence(0);
    deadlines_against_silence(100);
    deadlines_against_silence(1000);
    return tap_done();
}
