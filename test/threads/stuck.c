/* Exporters that never come back hold nobody: a close leaves the stuck thread behind, and the others go on
 * with a new worker. */
#include "gated.h"

#include "sdk/trace/provider.h"

enum { PATIENCE_MS = 1000 }; /* generous: the promise is 50 ms more than the timeout */

static uint64_t ms_since(uint64_t before) {
    return (clew_monotonic_nano() - before) / 1000000;
}

/* A state machine that is stuck in `step`. */
static clew_export_outcome machine_start(void *self, const clew_batch *batch, uint64_t deadline,
                                         clew_export_report *report) {
    (void)self;
    (void)batch;
    (void)deadline;
    (void)report;
    return CLEW_EXPORT_PENDING;
}
static size_t machine_wait(void *self, clew_poll *descriptors, size_t capacity, uint64_t *wake) {
    (void)self;
    (void)descriptors;
    (void)capacity;
    *wake = 0;
    return 0;
}
static clew_export_outcome machine_step(void *self, const clew_poll *descriptors, size_t count, uint64_t now,
                                        clew_export_report *report) {
    struct gated *gated = self;
    (void)descriptors;
    (void)count;
    (void)now;
    (void)report;
    atomic_fetch_add(&gated->entered, 1);
    while (!atomic_load(&gated->is_open))
        usleep(200);
    return CLEW_EXPORT_DELIVERED;
}
static clew_export_outcome machine_cancel(void *self) {
    (void)self;
    return CLEW_EXPORT_UNKNOWN;
}

static clew_provider *machine_provider(struct gated *gated) {
    clew_provider_options plain = {.resource = clew_resource_new(NULL, 0, NULL)};
    clew_provider *provider = clew_provider_new(&plain);
    clew_exporter exporter = {.name = "machine",
                              .self = gated,
                              .start = machine_start,
                              .wait = machine_wait,
                              .step = machine_step,
                              .cancel = machine_cancel,
                              .destroy = gated_destroy};
    clew_provider_add_batch(provider, &exporter, NULL);
    return provider;
}

static bool same_books(const clew_pipeline_stats *one, const clew_pipeline_stats *other) {
    return memcmp(one, other, sizeof *one) == 0;
}

static void is_left_behind(clew_provider *stuck, struct gated *gated, const char *what) {
    struct counter counter = {.spans = 0};
    clew_provider *other = counting_provider(&counter);
    clew_pipeline_stats before, after;
    int64_t number = 0;
    uint64_t begun;
    clew_delivery delivery;
    make_spans(stuck, 3, &number);
    clew_provider_flush(stuck, 0);
    EVENTUALLY(atomic_load(&gated->entered) > 0);
    make_spans(stuck, 4, &number);
    make_spans(other, 5, &number);
    begun = clew_monotonic_nano();
    delivery = clew_provider_shutdown(stuck, 50);
    tap_ok(ms_since(begun) < 50 + PATIENCE_MS, "%s: a shutdown does not wait for it", what);
    tap_ok(delivery.status == CLEW_ETIMEDOUT && is_delivery(&delivery, 0, 4, 3, 0),
           "%s: what is inside is unknown, what waits was not sent", what);
    before = books_of(stuck).pipelines[0];
    tap_ok(before.unknown == 3 && before.dropped_shutdown == 4 && books_balance(stuck),
           "%s: the books say so", what);
    delivery = clew_provider_flush(other, 20000);
    tap_ok(delivery.status == 0 && delivery.delivered == 5, "%s: others go on with a new worker", what);
    atomic_store(&gated->is_open, true);
    tap_ok(EVENTUALLY(atomic_load(&gated->destroyed) == 1), "%s: whoever comes back destroys the exporter",
           what);
    after = books_of(stuck).pipelines[0];
    tap_ok(same_books(&before, &after), "%s: and changes no books", what);
    make_spans(other, 6, &number);
    delivery = clew_provider_shutdown(other, 5000);
    tap_ok(delivery.status == 0 && delivery.delivered == 6 && counter.spans == 11, "%s: the new worker stays",
           what);
}

static void others_are_closed_beside_it(void) {
    struct gated gated = {.is_open = false};
    struct counter counter = {.spans = 0};
    clew_provider *stuck = gated_provider(&gated, CLEW_EXPORTER_LOCAL, NULL);
    clew_provider *other = counting_provider(&counter);
    clew_delivery delivery;
    int64_t number = 0;
    uint64_t begun;
    make_spans(stuck, 3, &number);
    clew_provider_flush(stuck, 0);
    EVENTUALLY(atomic_load(&gated.entered) > 0);
    make_spans(other, 5, &number);
    begun = clew_monotonic_nano();
    delivery = clew_provider_shutdown(other, 100);
    tap_ok(ms_since(begun) < 100 + PATIENCE_MS && delivery.delivered + delivery.failed == 5 &&
               books_balance(other) && books_of(other).pipelines[0].pending == 0,
           "while another exporter is stuck a shutdown comes to its end, all spans counted");
    atomic_store(&gated.is_open, true);
    delivery = clew_provider_flush(stuck, 20000);
    tap_ok(delivery.status == 0 && books_of(stuck).pipelines[0].exported == 3 && books_balance(stuck),
           "one that comes back has delivered what it was in");
    make_spans(stuck, 2, &number);
    delivery = clew_provider_shutdown(stuck, 20000);
    tap_ok(delivery.status == 0 && delivery.delivered == 2 && gated.destroyed == 1, "and goes on as before");
}

/* ---- an exporter that does not come back from its figures ---- */

static void gated_figures(void *self, clew_spool_stats *out) {
    struct gated *gated = self;
    (void)out;
    atomic_fetch_add(&gated->entered, 1);
    while (!atomic_load(&gated->is_open))
        usleep(200);
}

static void *looks_at_books(void *provider) {
    books_of(provider);
    return NULL;
}

static void books_hold_nobody(void) {
    struct gated gated = {.is_open = false};
    struct counter counter = {.spans = 0};
    clew_provider *stuck = clew_provider_new(NULL), *other = counting_provider(&counter);
    clew_exporter exporter = {.flags = CLEW_EXPORTER_LOCAL,
                              .name = "gated",
                              .self = &gated,
                              .export_batch = gated_export,
                              .spool_stats = gated_figures};
    pthread_t looking;
    int64_t number = 0;
    uint64_t begun;
    clew_provider_add_batch(stuck, &exporter, NULL);
    make_spans(other, 3, &number);
    pthread_create(&looking, NULL, looks_at_books, stuck);
    EVENTUALLY(atomic_load(&gated.entered) > 0);
    begun = clew_monotonic_nano();
    clew_delivery delivery = clew_provider_shutdown(other, 5000);
    tap_ok(delivery.status == 0 && delivery.delivered == 3 && ms_since(begun) < 5000,
           "while an exporter is stuck in its figures others are shut down");
    atomic_store(&gated.is_open, true);
    pthread_join(looking, NULL);
    clew_provider_shutdown(stuck, 5000);
}

static void a_flush_beside_it_gets_a_worker(void) {
    struct gated gated = {.is_open = false};
    struct counter counter = {.spans = 0};
    clew_provider *stuck = gated_provider(&gated, CLEW_EXPORTER_LOCAL, NULL);
    clew_provider *other = counting_provider(&counter);
    clew_delivery delivery;
    int64_t number = 0;
    make_spans(stuck, 3, &number);
    clew_provider_flush(stuck, 0);
    EVENTUALLY(atomic_load(&gated.entered) > 0);
    make_spans(other, 5, &number);
    delivery = clew_provider_flush(other, 20000);
    tap_ok(delivery.status == 0 && delivery.delivered == 5, "a flush does not wait for a stuck exporter");
    atomic_store(&gated.is_open, true);
    clew_provider_shutdown(stuck, 20000);
    clew_provider_shutdown(other, 20000);
    tap_ok(books_balance(stuck) && books_of(stuck).pipelines[0].exported == 3, "which delivers later");
}

static void a_full_queue_beside_it_gets_a_worker(void) {
    struct gated gated = {.is_open = false};
    struct counter counter = {.spans = 0};
    clew_provider *stuck = gated_provider(&gated, CLEW_EXPORTER_LOCAL, NULL);
    clew_provider_options plain = {.resource = clew_resource_new(NULL, 0, NULL)};
    clew_provider *other = clew_provider_new(&plain);
    clew_exporter exporter = counter_exporter(&counter);
    clew_batch_options options = clew_batch_options_default();
    int64_t number = 0;
    options.max_queue_size = 10;
    clew_provider_add_batch(other, &exporter, &options);
    make_spans(stuck, 3, &number);
    clew_provider_flush(stuck, 0);
    EVENTUALLY(atomic_load(&gated.entered) > 0);
    tap_ok(EVENTUALLY((make_spans(other, 1, &number), atomic_load(&counter.spans) > 0)),
           "nor does a full queue, though nobody flushes");
    atomic_store(&gated.is_open, true);
    clew_provider_shutdown(stuck, 20000);
    clew_provider_shutdown(other, 20000);
    tap_ok(books_balance(stuck) && books_balance(other), "the books balance");
}

/* ---- a simple pipeline ---- */

static void *makes_one(void *argument) {
    int64_t number = 0;
    make_spans(argument, 1, &number);
    return NULL;
}

static void a_simple_exporter_is_left_behind(void) {
    struct gated gated = {.is_open = false};
    clew_provider_options plain = {.resource = clew_resource_new(NULL, 0, NULL)};
    clew_provider *provider = clew_provider_new(&plain);
    clew_exporter exporter = {.flags = CLEW_EXPORTER_LOCAL,
                              .name = "gated",
                              .self = &gated,
                              .export_batch = gated_export,
                              .destroy = gated_destroy};
    pthread_t thread;
    clew_provider_add_simple(provider, &exporter);
    pthread_create(&thread, NULL, makes_one, provider);
    EVENTUALLY(atomic_load(&gated.entered) == 1);
    tap_ok(clew_provider_shutdown(provider, 50).status == CLEW_ETIMEDOUT && gated.destroyed == 0,
           "a shutdown does not wait for a simple exporter, nor destroy it under way");
    atomic_store(&gated.is_open, true);
    pthread_join(thread, NULL);
    tap_ok(gated.destroyed == 1 && books_balance(provider) && books_of(provider).pipelines[0].exported == 1,
           "the thread that comes back does");
}

int main(void) {
    struct gated local = {.is_open = false}, machine = {.is_open = false};
    alarm(120);
    clew_set_log_level(CLEW_LOG_NONE);
    is_left_behind(gated_provider(&local, CLEW_EXPORTER_LOCAL, NULL), &local, "a local exporter");
    is_left_behind(machine_provider(&machine), &machine, "a state machine");
    others_are_closed_beside_it();
    a_flush_beside_it_gets_a_worker();
    books_hold_nobody();
    a_full_queue_beside_it_gets_a_worker();
    a_simple_exporter_is_left_behind();
    return tap_done();
}
