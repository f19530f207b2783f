/* The books under load: threads record into pipelines of which one has to drop, while others read the books,
 * flush and shut down. */
#include "threads.h"

#include <clew/testing.h>
#include <time.h>

enum { THREADS = 8 };

static clew_tracer *tracer;
static atomic_bool done;

static void *records(void *argument) {
    unsigned rounds = ROUNDS(40000);
    (void)argument;
    for (unsigned i = 0; i < rounds; i++) {
        clew_scope scope = clew_scope_enter(tracer, "work", NULL);
        clew_span_set_int(scope.span, "round", i);
        clew_span_end(clew_span_start(tracer, "child", NULL));
        clew_scope_leave(&scope);
    }
    return NULL;
}

static uint64_t fates_of(const clew_pipeline_stats *p) {
    return p->exported + p->rejected + p->failed + p->unknown + p->spooled + p->not_sampled +
           p->dropped_queue_full + p->dropped_memory + p->dropped_shutdown;
}

/* What a reader saw that must not be. */
struct reader {
    clew_provider *provider;
    uint64_t samples, more_fates_than_spans, backwards, ended_unstarted;
};

static bool went_back(const clew_stats_data *before, const clew_stats_data *now) {
    bool back = now->started < before->started || now->ended < before->ended;
    for (size_t i = 0; i < before->pipeline_count; i++)
        back |= now->pipelines[i].offered < before->pipelines[i].offered ||
                fates_of(&now->pipelines[i]) < fates_of(&before->pipelines[i]);
    return back;
}

static void *reads(void *argument) {
    struct reader *reader = argument;
    clew_stats_data before = books_of(reader->provider);
    while (!atomic_load(&done)) {
        clew_stats_data now = books_of(reader->provider);
        for (size_t i = 0; i < now.pipeline_count; i++)
            reader->more_fates_than_spans += fates_of(&now.pipelines[i]) > now.pipelines[i].offered;
        reader->ended_unstarted += now.ended > now.started;
        reader->backwards += went_back(&before, &now);
        reader->samples++;
        before = now;
    }
    return NULL;
}

/* Slow enough that a small queue overflows. */
static clew_export_outcome dawdle(void *self, const clew_batch *batch, uint32_t timeout_ms,
                                  clew_export_report *report) {
    struct timespec moment = {0, 200000};
    nanosleep(&moment, NULL);
    return counter_export(self, batch, timeout_ms, report);
}

static clew_provider *provider_with_two(struct counter *slow, clew_memory_exporter *memory) {
    clew_provider_options plain = {.resource = clew_resource_new(NULL, 0, NULL)};
    clew_provider *provider = clew_provider_new(&plain);
    clew_batch_options options = clew_batch_options_default();
    clew_exporter exporter = counter_exporter(slow);
    exporter.export_batch = dawdle;
    exporter.flags = 0;
    options.max_queue_size = 100;
    options.max_export_batch_size = 50;
    clew_provider_add_batch(provider, &exporter, &options);
    exporter = clew_memory_exporter_as_exporter(memory);
    clew_provider_add_simple(provider, &exporter);
    return provider;
}

static void books_are_read_under_load(void) {
    struct counter slow = {.spans = 0};
    clew_memory_exporter *memory = clew_memory_exporter_new(100000);
    clew_provider *provider = provider_with_two(&slow, memory);
    struct reader reader = {.provider = provider};
    pthread_t threads[THREADS], reading;
    uint64_t made = (uint64_t)ROUNDS(40000) * 2 * THREADS;
    clew_stats_data data;
    tracer = tracer_of(provider);
    atomic_store(&done, false);
    pthread_create(&reading, NULL, reads, &reader);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, records, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    atomic_store(&done, true);
    pthread_join(reading, NULL);
    tap_ok(reader.samples > 0 && reader.more_fates_than_spans == 0,
           "%lu looks at the books under load: never more fates than spans (%lu)",
           (unsigned long)reader.samples, (unsigned long)reader.more_fates_than_spans);
    tap_ok(reader.backwards == 0, "no count ever went back (%lu)", (unsigned long)reader.backwards);
    tap_ok(reader.ended_unstarted == 0, "nor were more ended than started (%lu)",
           (unsigned long)reader.ended_unstarted);
    tap_ok(books_balance(provider), "at rest they balance, what still waits included");
    clew_provider_flush(provider, 20000);
    data = books_of(provider);
    tap_ok(data.started == made && data.open == 0, "%lu spans were started and none is open",
           (unsigned long)data.started);
    tap_ok(data.pipelines[0].pending == 0 && data.pipelines[0].exported == slow.spans &&
               data.pipelines[0].dropped_queue_full > 0 && data.pipelines[0].offered == made,
           "a queue of 100: %lu exported, %lu dropped", (unsigned long)slow.spans,
           (unsigned long)data.pipelines[0].dropped_queue_full);
    tap_ok(data.pipelines[1].exported == clew_memory_exporter_count(memory) &&
               data.pipelines[1].exported + data.pipelines[1].failed == made,
           "a memory of 100000: %lu kept, %lu refused", (unsigned long)data.pipelines[1].exported,
           (unsigned long)data.pipelines[1].failed);
    tap_ok(books_balance(provider), "the books balance");
    clew_provider_shutdown(provider, 5000);
    clew_memory_exporter_free(memory);
}

/* ---- flush and shutdown from several threads at once, while others record ---- */

static clew_provider *ended;
static pthread_barrier_t barrier;

static void *shuts_down(void *argument) {
    clew_delivery *delivery = argument;
    pthread_barrier_wait(&barrier);
    *delivery = clew_provider_shutdown(ended, 10000);
    return NULL;
}

static void *flushes(void *argument) {
    bool *good = argument;
    clew_delivery delivery;
    pthread_barrier_wait(&barrier);
    do {
        delivery = clew_provider_flush(ended, 10000);
        *good &= delivery.status == 0 || delivery.status == CLEW_EIO || delivery.status == CLEW_ESHUTDOWN;
    } while (delivery.status != CLEW_ESHUTDOWN);
    return NULL;
}

static void *keeps_recording(void *argument) {
    (void)argument;
    while (!atomic_load(&done)) {
        clew_span span = clew_span_start(tracer, "work", NULL);
        clew_span_set_string(span, "key", "value");
        clew_span_end(span);
    }
    return NULL;
}

static void two_shut_down_while_two_flush(void) {
    unsigned rounds = SANITIZED ? 20 : 100, one_each = 0, flushed = 0, balanced = 0;
    for (unsigned round = 0; round < rounds; round++) {
        struct counter slow = {.spans = 0};
        clew_memory_exporter *memory = clew_memory_exporter_new(0);
        clew_delivery deliveries[2];
        pthread_t threads[6];
        bool good[2] = {true, true};
        ended = provider_with_two(&slow, memory);
        tracer = tracer_of(ended);
        atomic_store(&done, false);
        pthread_barrier_init(&barrier, NULL, 4);
        for (int i = 0; i < 2; i++) {
            pthread_create(&threads[i], NULL, shuts_down, &deliveries[i]);
            pthread_create(&threads[2 + i], NULL, flushes, &good[i]);
            pthread_create(&threads[4 + i], NULL, keeps_recording, NULL);
        }
        for (int i = 0; i < 4; i++)
            pthread_join(threads[i], NULL);
        atomic_store(&done, true);
        for (int i = 4; i < 6; i++)
            pthread_join(threads[i], NULL);
        one_each += (deliveries[0].status == CLEW_ESHUTDOWN) != (deliveries[1].status == CLEW_ESHUTDOWN);
        flushed += good[0] && good[1];
        balanced += books_balance(ended) && books_of(ended).pipelines[0].pending == 0 &&
                    books_of(ended).pipelines[0].exported == slow.spans;
        pthread_barrier_destroy(&barrier);
        clew_memory_exporter_free(memory);
    }
    tap_ok(one_each == rounds, "of two shutdowns at once one does it, the other says so: %u of %u times",
           one_each, rounds);
    tap_ok(flushed == rounds, "flushes beside them come back with what is true: %u of %u times", flushed,
           rounds);
    tap_ok(balanced == rounds, "and every span has its fate: %u of %u times", balanced, rounds);
}

int main(void) {
    clew_set_log_level(CLEW_LOG_NONE); /* drops and refusals are what is asked for here */
    books_are_read_under_load();
    two_shut_down_while_two_flush();
    return tap_done();
}
