/* Forks under load, over the network: while many threads record and the worker sends, children are forked at
 * any moment; each delivers its own spans once, and nothing of its parent's. The receiver, a process of its
 * own, knows every span id that it has acknowledged.
 *
 *   fork_storm [FORKS]     1000 for each protocol */
#include "process.h"
#include "test/peer/receiver.h"

#include <pthread.h>
#include <time.h>

enum { THREADS = 16, SPANS_A_CHILD = 10, CHILDREN_AT_ONCE = 4, FORKERS = 2 };
enum { LARGE_EVERY = 20, LARGE_SIZE = 3000, HUGE_EVERY = 500, HUGE_SIZE = 300 << 10 };

/* A child that takes longer hangs. */
#define CHILD_SECONDS 30u
#define DELIVERY_MS 20000u

static clew_provider *provider;
static clew_tracer *tracer;
static atomic_bool done;
static atomic_uint left, failed;
static char text[HUGE_SIZE];

/* Busy, but not faster than the receiver can remember ids. */
static void work_for_a_while(void) {
    struct timespec start, now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start);
    do
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    while (now.tv_sec == start.tv_sec && now.tv_nsec - start.tv_nsec < 200000);
}

/* Some are of kinds of memory that usual spans have not: larger bodies, and blocks that are mapped. */
static size_t size_of_attribute(int i) {
    return i % HUGE_EVERY == 0 ? HUGE_SIZE : i % LARGE_EVERY == 0 ? LARGE_SIZE : 5;
}

static void *records(void *argument) {
    (void)argument;
    for (int i = 0; !atomic_load(&done); i++) {
        clew_scope scope = clew_scope_enter(tracer, "parent", NULL);
        clew_span_set_string_n(scope.span, "key", text, size_of_attribute(i));
        clew_scope_leave(&scope);
        if (i % 5 == 0)
            work_for_a_while();
    }
    return NULL;
}

static int child_main(void) {
    alarm(CHILD_SECONDS);
    for (int i = 0; i < SPANS_A_CHILD; i++) {
        clew_scope scope = clew_scope_enter(tracer, "child", NULL);
        clew_span_set_int(scope.span, "i", i);
        if (i == 0)
            clew_span_set_string_n(scope.span, "key", text, sizeof text);
        clew_scope_leave(&scope);
    }
    return clew_provider_shutdown(provider, DELIVERY_MS).status == 0 && all_exported(provider, SPANS_A_CHILD)
               ? 0
               : 1;
}

static void reap(pid_t child) {
    int status = status_of(child);
    if (status != 0 && atomic_fetch_add(&failed, 1) < 5)
        fprintf(stderr, "# a child ended with %d\n", status);
}

static void *forks(void *argument) {
    pid_t children[CHILDREN_AT_ONCE];
    unsigned made = 0;
    (void)argument;
    while (atomic_fetch_sub(&left, 1) - 1 < UINT32_MAX / 2) {
        pid_t *place = &children[made % CHILDREN_AT_ONCE];
        if (made >= CHILDREN_AT_ONCE)
            reap(*place);
        *place = fork();
        if (*place == 0)
            _exit(child_main());
        made++;
    }
    for (unsigned i = 0; i < made && i < CHILDREN_AT_ONCE; i++)
        reap(children[i]);
    return NULL;
}

static bool starts(struct receiver *receiver, clew_otlp_protocol protocol) {
    clew_otlp_options options = clew_otlp_options_default();
    clew_exporter exporter;
    clew_batch_options batch = clew_batch_options_default();
    char endpoint[96];
    receiver_endpoint(receiver, protocol == CLEW_OTLP_GRPC, endpoint, sizeof endpoint);
    options.protocol = protocol;
    options.endpoint = endpoint;
    options.timeout_ms = DELIVERY_MS;
    batch.schedule_delay_ms = 20;
    provider = clew_provider_new(NULL);
    tracer = clew_provider_tracer(provider, "storm", NULL, NULL, NULL, 0);
    return clew_otlp_exporter(&options, &exporter) == 0 &&
           clew_provider_add_batch(provider, &exporter, &batch) == 0;
}

static void storm(clew_otlp_protocol protocol, const char *name, unsigned count) {
    struct receiver_options options = {.process = true, .track_ids = true};
    struct receiver *receiver = receiver_start(&options);
    pthread_t threads[THREADS], forkers[FORKERS];
    clew_stats_data data;
    if (!tap_ok(receiver && starts(receiver, protocol), "%s: a receiver and an exporter", name))
        return;
    atomic_store(&done, false);
    atomic_store(&left, count);
    atomic_store(&failed, 0);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, records, NULL);
    uint64_t before = clew_monotonic_nano();
    for (int i = 0; i < FORKERS; i++)
        pthread_create(&forkers[i], NULL, forks, NULL);
    for (int i = 0; i < FORKERS; i++)
        pthread_join(forkers[i], NULL);
    unsigned took = milliseconds_since(before);
    atomic_store(&done, true);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    clew_delivery delivery = clew_provider_shutdown(provider, DELIVERY_MS);
    clew_stats_of(provider, &data);
    uint64_t expected = data.pipelines[0].exported + (uint64_t)count * SPANS_A_CHILD;
    struct receiver_counts counts = receiver_counts(receiver);
    tap_ok(atomic_load(&failed) == 0, "%s: %u forks by two of %d threads, %u children failed (%u ms)", name,
           count, THREADS + FORKERS, atomic_load(&failed), took);
    tap_ok(delivery.status == 0, "%s: the parent delivers (%d)", name, delivery.status);
    tap_ok(counts.acknowledged == expected, "%s: %lu spans of the parent and %u of the children arrive (%lu)",
           name, data.pipelines[0].exported, count * SPANS_A_CHILD, counts.acknowledged);
    tap_ok(counts.duplicates == 0 && counts.acknowledged_ids == counts.acknowledged,
           "%s: no span arrives twice (%lu)", name, counts.duplicates);
    tap_ok(counts.faults == 0, "%s: the protocol is kept (%s)", name,
           counts.faults ? counts.fault : "no fault");
    receiver_stop(receiver);
}

int main(int count, char **arguments) {
    unsigned forks_of_each = 1000;
    if (count == 2)
        forks_of_each = (unsigned)strtoul(arguments[1], NULL, 10);
    clew_set_log_level(CLEW_LOG_ERROR);
    memset(text, 'x', sizeof text);
    if (SANITIZED) {
        tap_skip("forks while 16 threads record", "the allocator of a sanitizer does not survive it");
        return tap_done();
    }
    storm(CLEW_OTLP_HTTP_PROTOBUF, "OTLP/HTTP", forks_of_each);
    storm(CLEW_OTLP_GRPC, "OTLP/gRPC", forks_of_each);
    return tap_done();
}
