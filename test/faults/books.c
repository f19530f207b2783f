/* The books under load, against every kind of receiver: sixteen threads, queues that overflow, attributes of
 * a mebibyte, two pipelines of which one is served well. At every moment there are no more fates than spans
 * and no count falls; at rest they balance, and agree with what the receivers counted. And what all that
 * takes: memory stays within the limit, whatever is open, ended or under way, and with the C library's malloc
 * as it is. Each case has a process of its own.
 *
 * With CLEW_TEST_SCALE=large every kind meets every protocol, with twenty times the spans. */
#include "delivery.h"

#include <sched.h>

enum {
    THREADS = 16,
    SPANS = SANITIZED ? 1000 : 20000, /* of each thread */
    LARGE_EVERY = 500,                /* so many spans, one has the large attribute */
    LARGE = 1 << 20,
    OPEN = 64, /* spans that stay open, in the test of memory */
    QUEUE = 256,
    SHUTDOWN_MS = 500,
    PATIENCE_S = 120,
};
#define LIMIT (UINT64_C(16) << 20)
/* Beyond the limit: what is not charged, and what the C library's allocator keeps of what was freed. */
#define BESIDE_KB (1l << 10)
#define N(value) (unsigned long)(value)

static char large[LARGE];

struct outcome {
    bool ran;
    uint64_t samples, more_fates_than_spans, fell, ended_unstarted;
    uint64_t made;
    bool balanced_at_rest;
    unsigned took_ms, noise_ms;
    clew_stats_data books;
    struct receiver_counts hostile, healthy;
    long grown_kb;
};

/* ---- pipelines ---- */

static bool add_pipeline(clew_provider *provider, const struct receiver *receiver,
                         clew_otlp_protocol protocol, clew_compression compression) {
    clew_otlp_options options = clew_otlp_options_default();
    clew_batch_options batch = clew_batch_options_default();
    clew_exporter exporter;
    char endpoint[80];
    receiver_endpoint(receiver, protocol == CLEW_OTLP_GRPC, endpoint, sizeof endpoint);
    options.endpoint = endpoint;
    options.protocol = protocol;
    options.compression = compression;
    batch.max_queue_size = QUEUE;
    batch.max_export_batch_size = QUEUE / 4;
    batch.schedule_delay_ms = 5;
    return clew_otlp_exporter(&options, &exporter) == 0 &&
           clew_provider_add_batch(provider, &exporter, &batch) == 0;
}

static struct receiver *receiver_of(enum receiver_mode mode) {
    struct receiver_options options = {.mode = mode, .process = true, .track_ids = true};
    return receiver_start(&options);
}

/* ---- who makes spans, and who reads the books ---- */

struct maker {
    pthread_t thread;
    clew_tracer *tracer;
    unsigned spans, large_every;
};

static void *make(void *argument) {
    struct maker *maker = argument;
    for (unsigned i = 0; i < maker->spans; i++) {
        clew_span span = clew_span_start(maker->tracer, "GET /cart", NULL);
        clew_span_set_int(span, "i", (int64_t)i);
        if (i % maker->large_every == 0)
            clew_span_set_string_n(span, "body", large, LARGE);
        clew_span_end(span);
    }
    return NULL;
}

struct reader {
    pthread_t thread;
    clew_provider *provider;
    struct outcome *outcome;
    _Atomic bool stop;
};

static bool fell(const clew_pipeline_stats *a, const clew_pipeline_stats *b) {
    return b->offered < a->offered || b->exported < a->exported || b->rejected < a->rejected ||
           b->failed < a->failed || b->unknown < a->unknown || b->spooled < a->spooled ||
           b->dropped_queue_full < a->dropped_queue_full || b->dropped_memory < a->dropped_memory ||
           b->dropped_shutdown < a->dropped_shutdown;
}

static void *read_books(void *argument) {
    struct reader *reader = argument;
    struct outcome *outcome = reader->outcome;
    clew_stats_data before, now;
    clew_stats_of(reader->provider, &before);
    while (!atomic_load(&reader->stop)) {
        clew_stats_of(reader->provider, &now);
        outcome->samples++;
        outcome->ended_unstarted += now.ended > now.started;
        for (size_t i = 0; i < now.pipeline_count; i++) {
            outcome->more_fates_than_spans += fates_of(&now.pipelines[i]) > now.pipelines[i].offered;
            outcome->fell += fell(&before.pipelines[i], &now.pipelines[i]);
        }
        before = now;
        sched_yield();
    }
    return NULL;
}

/* What waits included, while the worker goes on. */
static bool balances_at_rest(const clew_provider *provider) {
    clew_stats_data data;
    for (int i = 0; i < 100; i++) {
        clew_stats_of(provider, &data);
        for (size_t k = 0; k < data.pipeline_count; k++) {
            const clew_pipeline_stats *p = &data.pipelines[k];
            if (p->offered != p->pending + fates_of(p))
                return false;
        }
    }
    return true;
}

/* ---- one case of the books, in its process ---- */

static void books_case(struct outcome *outcome, enum receiver_mode mode, clew_otlp_protocol protocol) {
    struct receiver *hostile = receiver_of(mode), *healthy = receiver_of(RECEIVER_HEALTHY);
    struct maker makers[THREADS];
    struct reader reader = {.outcome = outcome};
    struct canary canary;
    clew_provider *provider;
    clew_tracer *tracer;
    uint64_t before;
    clew_set_log_level(CLEW_LOG_NONE);
    clew_set_memory_limit(LIMIT);
    canary_start(&canary);
    provider = reader.provider = clew_provider_new(NULL);
    add_pipeline(provider, hostile, protocol, CLEW_COMPRESSION_NONE);
    add_pipeline(provider, healthy, CLEW_OTLP_HTTP_PROTOBUF, CLEW_COMPRESSION_GZIP);
    tracer = clew_provider_tracer(provider, "books", NULL, NULL, NULL, 0);
    pthread_create(&reader.thread, NULL, read_books, &reader);
    for (int i = 0; i < THREADS; i++) {
        makers[i] = (struct maker){
            .tracer = tracer, .spans = SPANS * (is_large() ? 20u : 1u), .large_every = LARGE_EVERY};
        outcome->made += makers[i].spans;
        pthread_create(&makers[i].thread, NULL, make, &makers[i]);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(makers[i].thread, NULL);
    outcome->balanced_at_rest = balances_at_rest(provider);
    before = clew_monotonic_nano();
    clew_provider_shutdown(provider, SHUTDOWN_MS);
    outcome->took_ms = milliseconds_since(before);
    atomic_store(&reader.stop, true);
    pthread_join(reader.thread, NULL);
    clew_stats_of(provider, &outcome->books);
    outcome->noise_ms = canary_stop(&canary);
    outcome->hostile = receiver_stop(hostile);
    outcome->healthy = receiver_stop(healthy);
    outcome->ran = true;
    _exit(0);
}

static void explain(const struct outcome *o) {
    for (size_t i = 0; i < 2; i++) {
        const clew_pipeline_stats *b = &o->books.pipelines[i];
        const struct receiver_counts *p = i ? &o->healthy : &o->hostile;
        printf(
            "# %s: %lu offered, %lu pending, %lu exported, %lu rejected, %lu failed, %lu unknown, %lu queue, "
            "%lu memory, %lu shutdown; peer: %lu requests, %lu received, %lu acknowledged, %lu duplicates, "
            "%lu faults %s\n",
            i ? "healthy" : "hostile", N(b->offered), N(b->pending), N(b->exported), N(b->rejected),
            N(b->failed), N(b->unknown), N(b->dropped_queue_full), N(b->dropped_memory),
            N(b->dropped_shutdown), N(p->requests), N(p->received_ids), N(p->acknowledged_ids),
            N(p->duplicates), N(p->faults), p->fault);
    }
    printf(
        "# %lu made, %lu started, %lu ended, %lu open, %lu without memory; %lu samples; shutdown took %u ms, "
        "machine late by %u\n",
        N(o->made), N(o->books.started), N(o->books.ended), N(o->books.open), N(o->books.not_recorded_memory),
        N(o->samples), o->took_ms, o->noise_ms);
}

/* Whether what Clew says of a pipeline agrees with what its receiver counted. */
static bool agrees(const clew_pipeline_stats *books, const struct receiver_counts *peer, bool began) {
    uint64_t deliverable = began ? peer->received_ids : peer->acknowledged_ids;
    return books->exported <= deliverable && peer->acknowledged_ids <= books->exported + books->unknown &&
           peer->duplicates == 0 && peer->faults == 0;
}

static void judge_books(const struct outcome *o, enum receiver_mode mode, clew_otlp_protocol protocol) {
    const char *name = receiver_mode_name(mode), *how = protocol_name(protocol);
    const clew_pipeline_stats *a = &o->books.pipelines[0], *b = &o->books.pipelines[1];
    /* A yes that never ends may count as one. */
    bool began = mode >= RECEIVER_ENDLESS_HEADERS && mode <= RECEIVER_HUGE_TRAILER;
    bool good = tap_ok(o->ran, "%s, %s: survived", name, how);
    good &= tap_ok(o->samples > 0 && o->more_fates_than_spans == 0 && o->ended_unstarted == 0,
                   "%s, %s: never more fates than spans (%lu)", name, how, N(o->more_fates_than_spans));
    good &= tap_ok(o->fell == 0, "%s, %s: no count ever fell (%lu)", name, how, N(o->fell));
    good &= tap_ok(o->balanced_at_rest, "%s, %s: at rest they balance", name, how);
    good &= tap_ok(o->books.started + o->books.not_recorded_memory == o->made && o->books.open == 0 &&
                       a->offered == o->books.ended && b->offered == o->books.ended,
                   "%s, %s: every span is offered to both", name, how);
    good &=
        tap_ok(a->pending == 0 && a->offered == fates_of(a) && b->pending == 0 && b->offered == fates_of(b),
               "%s, %s: after the shutdown each has its fate", name, how);
    good &= tap_ok(agrees(a, &o->hostile, began), "%s, %s: they agree with the receiver", name, how);
    good &= tap_ok(agrees(b, &o->healthy, false) && b->exported > 0,
                   "%s, %s: and with the healthy one beside it (%lu delivered)", name, how, N(b->exported));
    good &= tap_ok(o->took_ms <= SHUTDOWN_MS + GRACE_MS + o->noise_ms, "%s, %s: shutdown took %u ms", name,
                   how, o->took_ms);
    if (!good)
        explain(o);
}

/* ---- memory ---- */

/* Spans of a mebibyte against a receiver that hangs, some of them left open, in a process that has warmed up.
 */
static void memory_case(struct outcome *outcome, clew_otlp_protocol protocol, clew_compression compression) {
    struct receiver *receiver = receiver_of(RECEIVER_HEALTHY);
    struct maker makers[4];
    clew_provider *provider;
    clew_tracer *tracer;
    clew_span open[OPEN];
    long before;
    clew_set_log_level(CLEW_LOG_NONE);
    clew_set_memory_limit(LIMIT);
    provider = clew_provider_new(NULL);
    add_pipeline(provider, receiver, protocol, compression);
    tracer = clew_provider_tracer(provider, "memory", NULL, NULL, NULL, 0);
    make_spans(tracer, 100);
    clew_provider_flush(provider, 5000);
    receiver_set_mode(receiver, RECEIVER_HANG);
    outcome->ran = forget_peak();
    before = peak_kb();
    for (int i = 0; i < OPEN; i++) {
        open[i] = clew_span_start(tracer, "open", NULL);
        if (i % 8 == 0)
            clew_span_set_string_n(open[i], "body", large, LARGE);
    }
    for (size_t i = 0; i < 4; i++) {
        makers[i] = (struct maker){.tracer = tracer, .spans = 8000, .large_every = 5};
        pthread_create(&makers[i].thread, NULL, make, &makers[i]);
    }
    for (size_t i = 0; i < 4; i++)
        pthread_join(makers[i].thread, NULL);
    clew_provider_flush(provider, 200);
    for (int i = 0; i < OPEN; i++)
        clew_span_end(open[i]);
    receiver_set_mode(receiver, RECEIVER_HEALTHY);
    clew_provider_flush(provider, 5000);
    outcome->grown_kb = peak_kb() - before;
    clew_provider_shutdown(provider, SHUTDOWN_MS);
    clew_stats_of(provider, &outcome->books);
    outcome->hostile = receiver_stop(receiver);
    _exit(0);
}

static const char *compression_name(clew_compression compression) {
    return compression == CLEW_COMPRESSION_GZIP   ? "gzip"
           : compression == CLEW_COMPRESSION_ZSTD ? "zstd"
                                                  : "not compressed";
}

static void judge_memory(const struct outcome *o, clew_otlp_protocol protocol, clew_compression compression) {
    const clew_pipeline_stats *books = &o->books.pipelines[0];
    const char *how = protocol_name(protocol);
    const char *packed = compression_name(compression);
    if (SANITIZED || !o->ran) {
        tap_skip("memory within its limit", SANITIZED ? "sanitizers have memory of their own"
                                                      : "the kernel does not reset the peak of memory");
        return;
    }
    tap_ok(o->grown_kb <= (long)(LIMIT >> 10) + BESIDE_KB,
           "spans of 1 MiB, %s, %s: memory grew by %ld KiB, limit %lu KiB and %ld", how, packed, o->grown_kb,
           N(LIMIT >> 10), BESIDE_KB);
    tap_ok(books->offered == fates_of(books) && books->offered > 0 && agrees(books, &o->hostile, false),
           "spans of 1 MiB, %s, %s: the books balance", how, packed);
    printf("# %lu offered, %lu exported, %lu failed, %lu unknown, %lu queue, %lu memory; %lu attributes "
           "dropped, "
           "%lu started without memory; budget %lu of %lu\n",
           N(books->offered), N(books->exported), N(books->failed), N(books->unknown),
           N(books->dropped_queue_full), N(books->dropped_memory), N(o->books.dropped_attributes),
           N(o->books.not_recorded_memory), N(o->books.memory_used), N(o->books.memory_limit));
}

/* ---- all cases ---- */

static struct outcome *shared_outcome(void) {
    void *memory =
        mmap(NULL, sizeof(struct outcome), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        exit(1);
    return memory;
}

static void books_against(enum receiver_mode mode, clew_otlp_protocol protocol) {
    struct outcome *outcome = shared_outcome();
    pid_t child = fork();
    if (child == 0) {
        alarm(PATIENCE_S);
        books_case(outcome, mode, protocol);
    }
    waitpid(child, NULL, 0);
    judge_books(outcome, mode, protocol);
    munmap(outcome, sizeof *outcome);
}

static void memory_with(clew_otlp_protocol protocol, clew_compression compression) {
    struct outcome *outcome = shared_outcome();
    pid_t child = fork();
    if (child == 0) {
        alarm(PATIENCE_S);
        memory_case(outcome, protocol, compression);
    }
    waitpid(child, NULL, 0);
    judge_memory(outcome, protocol, compression);
    munmap(outcome, sizeof *outcome);
}

int main(void) {
    static const clew_otlp_protocol protocols[] = {CLEW_OTLP_HTTP_PROTOBUF, CLEW_OTLP_HTTP_JSON,
                                                   CLEW_OTLP_GRPC};
    const size_t count = sizeof protocols / sizeof *protocols;
    memset(large, 'x', sizeof large);
    for (size_t i = 0; i < count; i++) {
        memory_with(protocols[i], CLEW_COMPRESSION_NONE);
        memory_with(protocols[i], CLEW_COMPRESSION_GZIP);
        memory_with(protocols[i], CLEW_COMPRESSION_ZSTD);
    }
    for (int mode = 0; mode < RECEIVER_MODES; mode++) {
        for (size_t i = 0; i < count; i++) {
            if (is_large() || i == (size_t)mode % count)
                books_against((enum receiver_mode)mode, protocols[i]);
        }
    }
    return tap_done();
}
