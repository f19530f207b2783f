/* Answers that are to make the client allocate, crash or wait: endless, huge by announcement, compressed
 * bombs, lengths that are lies, waits beyond any measure. Clew's memory stays where it was, the batch ends
 * soon and is not sent again, and the receiver is served as before once it has come to its senses. */
#include "delivery.h"

enum { SPANS = 100, BATCHES = 5, TIMEOUT_MS = 2000, SOON_MS = 1500, RECOVERS_MS = 10000, PATIENCE_S = 60 };
/* The limit on answers is 4 MiB. */
#define GROWTH_MAX_KB (5l << 10)

struct outcome {
    bool ran, measured;
    long grown_kb;
    unsigned slowest_ms, noise_ms;
    uint64_t requests;
    clew_pipeline_stats books;
    struct receiver_counts peer;
    bool recovered;
};

/* ---- one case, in its process ---- */

static clew_provider *provider_for(const struct receiver *receiver, clew_otlp_protocol protocol) {
    clew_provider *provider = clew_provider_new(NULL);
    clew_otlp_options options = clew_otlp_options_default();
    clew_exporter exporter;
    char endpoint[80];
    receiver_endpoint(receiver, protocol == CLEW_OTLP_GRPC, endpoint, sizeof endpoint);
    options.endpoint = endpoint;
    options.protocol = protocol;
    options.timeout_ms = TIMEOUT_MS;
    if (clew_otlp_exporter(&options, &exporter) == 0)
        clew_provider_add_batch(provider, &exporter, NULL);
    return provider;
}

static clew_delivery send_batch(clew_provider *provider, clew_tracer *tracer) {
    make_spans(tracer, SPANS);
    return clew_provider_flush(provider, TIMEOUT_MS * 2);
}

static clew_pipeline_stats books_of(const clew_provider *provider) {
    clew_stats_data data;
    clew_stats_of(provider, &data);
    return data.pipelines[0];
}

static void send_batches(struct outcome *outcome, clew_provider *provider, clew_tracer *tracer) {
    for (int i = 0; i < BATCHES; i++) {
        uint64_t before = clew_monotonic_nano();
        unsigned took;
        send_batch(provider, tracer);
        took = milliseconds_since(before);
        if (took > outcome->slowest_ms)
            outcome->slowest_ms = took;
    }
}

/* Until a batch arrives: the connection and a wait that was asked for may stand in the way of the first. */
static bool recovers(clew_provider *provider, clew_tracer *tracer) {
    uint64_t before = clew_monotonic_nano();
    while (milliseconds_since(before) < RECOVERS_MS) {
        clew_delivery delivery = send_batch(provider, tracer);
        if (delivery.status == 0 && delivery.delivered == SPANS)
            return true;
    }
    return false;
}

static void run_case(struct outcome *outcome, enum receiver_mode mode, clew_otlp_protocol protocol) {
    struct receiver_options options = {.mode = RECEIVER_HEALTHY, .process = true, .track_ids = true};
    struct receiver *receiver = receiver_start(&options);
    struct canary canary;
    clew_provider *provider;
    clew_tracer *tracer;
    uint64_t before;
    long peak;
    clew_set_log_level(CLEW_LOG_NONE);
    canary_start(&canary);
    provider = provider_for(receiver, protocol);
    tracer = clew_provider_tracer(provider, "hostile", NULL, NULL, NULL, 0);
    for (int i = 0; i < BATCHES; i++)
        send_batch(provider, tracer);
    outcome->measured = forget_peak();
    peak = peak_kb();
    before = receiver_counts(receiver).requests;
    receiver_set_mode(receiver, mode);
    send_batches(outcome, provider, tracer);
    outcome->requests = receiver_counts(receiver).requests - before;
    outcome->grown_kb = peak_kb() - peak;
    outcome->books = books_of(provider);
    receiver_set_mode(receiver, RECEIVER_HEALTHY);
    outcome->recovered = mode == RECEIVER_RETRY_LATER || recovers(provider, tracer);
    clew_provider_shutdown(provider, 1000);
    outcome->noise_ms = canary_stop(&canary);
    outcome->peer = receiver_stop(receiver);
    outcome->ran = true;
    _exit(0);
}

/* ---- judging ---- */

/* Whether the answer says that another attempt makes sense: then the batch lasts until its time is over. */
static bool asks_to_retry(enum receiver_mode mode) {
    return mode == RECEIVER_RETRY_LATER || mode == RECEIVER_RETRY_BEFORE;
}

static void explain(const struct outcome *o) {
    const clew_pipeline_stats *b = &o->books;
#define N(value) (unsigned long)(value)
    printf(
        "# %lu requests, slowest %u ms (machine late by %u), %ld KiB more; books: %lu offered, %lu pending, "
        "%lu exported, %lu rejected, %lu failed, %lu unknown; peer: %lu acknowledged, %lu faults %s\n",
        N(o->requests), o->slowest_ms, o->noise_ms, o->grown_kb, N(b->offered), N(b->pending), N(b->exported),
        N(b->rejected), N(b->failed), N(b->unknown), N(o->peer.acknowledged_ids), N(o->peer.faults),
        o->peer.fault);
}

static void judge(const struct outcome *o, enum receiver_mode mode, clew_otlp_protocol protocol) {
    const char *name = receiver_mode_name(mode), *how = protocol_name(protocol);
    const clew_pipeline_stats *b = &o->books;
    unsigned time_ms = asks_to_retry(mode) ? TIMEOUT_MS + GRACE_MS : SOON_MS;
    bool good = tap_ok(o->ran, "%s, %s: survived", name, how);
    good &= tap_ok(SANITIZED || !o->measured || o->grown_kb <= GROWTH_MAX_KB, "%s, %s: grew by %ld KiB", name,
                   how, o->grown_kb);
    good &= tap_ok(o->slowest_ms <= time_ms + o->noise_ms, "%s, %s: a batch was over after %u ms at most",
                   name, how, o->slowest_ms);
    if (mode != RECEIVER_RETRY_BEFORE)
        good &= tap_ok(o->requests <= BATCHES, "%s, %s: %lu requests for %d batches", name, how,
                       N(o->requests), BATCHES);
    good &= tap_ok(b->offered == fates_of(b) + b->pending && b->pending == 0,
                   "%s, %s: every span has its fate", name, how);
    good &= tap_ok(o->peer.faults == 0, "%s, %s: Clew keeps to the protocol", name, how);
    good &= tap_ok(o->recovered, "%s, %s: and delivers again afterwards", name, how);
    if (!good)
        explain(o);
}

static void against(enum receiver_mode mode, clew_otlp_protocol protocol) {
    struct outcome *outcome =
        mmap(NULL, sizeof *outcome, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t child;
    if (outcome == MAP_FAILED)
        return;
    child = fork();
    if (child == 0) {
        alarm(PATIENCE_S);
        run_case(outcome, mode, protocol);
    }
    waitpid(child, NULL, 0);
    judge(outcome, mode, protocol);
    munmap(outcome, sizeof *outcome);
}

int main(void) {
    static const enum receiver_mode modes[] = {
        RECEIVER_ENDLESS_HEADERS, RECEIVER_ENDLESS_BODY, RECEIVER_ENDLESS_TRAILERS,
        RECEIVER_ENDLESS_INTERIM, RECEIVER_BOMB,         RECEIVER_HUGE_BODY,
        RECEIVER_HUGE_TRAILER,    RECEIVER_DETAILS,      RECEIVER_RETRY_LATER,
        RECEIVER_RETRY_BEFORE,    RECEIVER_GARBAGE,
    };
    static const clew_otlp_protocol protocols[] = {CLEW_OTLP_HTTP_PROTOBUF, CLEW_OTLP_HTTP_JSON,
                                                   CLEW_OTLP_GRPC};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        for (size_t k = 0; k < sizeof protocols / sizeof *protocols; k++)
            against(modes[i], protocols[k]);
    }
    return tap_done();
}
