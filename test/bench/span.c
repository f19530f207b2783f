/* What a span costs on the thread that records it, in nanoseconds, beside a floor that the same run measures.
 *
 * Bursts of 1 000 spans go into the batch processor, whose exporter discards them; the flush between bursts
 * is not timed, and nothing may be dropped; a batch is larger than the bursts, so that the worker does not
 * share their cores. The floor is straight-line code that does the same work: it reads the same clock as
 * often, makes the same ids, writes the same bytes and copies them once; no handle, no lock, no checks. For a
 * span that is not sampled it makes the ids and takes the decision; without an SDK it is an empty call into
 * the library. Clew and floor take turns block by block; each figure is the median of its blocks. */
#include <clew/clew.h>

#include "sdk/base/random.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BURST 1000
#define BLOCKS 1001
#define THREADS_MAX 2

enum row { START_END, ATTRIBUTES_5, ATTRIBUTES_10, SETTERS_5, SETTERS_10, NOT_SAMPLED, NO_SDK, ROWS };
static const char *const row_names[ROWS] = {"start_end",  "attributes_5", "attributes_10", "setters_5",
                                            "setters_10", "not_sampled",  "no_sdk"};

static uint64_t now_nano(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* What a program records is not known to its compiler: the values, in both halves. */
static const char *volatile method = "GET";
static const char *volatile path = "/api/v1/checkout";
static const char *volatile setting = "value-of-setting-000";
static volatile int64_t status_code = 200;
static volatile int64_t port = 8443;
static volatile bool hit = true;

/* ---- Clew ---- */

#define COUNT(list) (sizeof(list) / sizeof(list)[0])

static void clew_start_end(clew_tracer *tracer) {
    for (int i = 0; i < BURST; i++)
        clew_span_end(clew_span_start(tracer, "GET /api/checkout", NULL));
}

static void clew_attributes_5(clew_tracer *tracer) {
    for (int i = 0; i < BURST; i++) {
        clew_span span = clew_span_start(tracer, "GET /api/checkout", NULL);
        const clew_attribute attributes[] = {
            CLEW_KV("http.request.method", method),
            CLEW_KV("url.path", path),
            CLEW_KV("http.response.status_code", status_code),
            CLEW_KV("server.port", port),
            CLEW_KV("cache.hit", hit),
        };
        clew_span_set_attributes(span, attributes, COUNT(attributes));
        clew_span_end(span);
    }
}

static void clew_setters_5(clew_tracer *tracer) {
    for (int i = 0; i < BURST; i++) {
        clew_span span = clew_span_start(tracer, "GET /api/checkout", NULL);
        clew_span_set_string(span, "http.request.method", method);
        clew_span_set_string(span, "url.path", path);
        clew_span_set_int(span, "http.response.status_code", status_code);
        clew_span_set_int(span, "server.port", port);
        clew_span_set_bool(span, "cache.hit", hit);
        clew_span_end(span);
    }
}

#define TEN(X)                                                                                               \
    X("application.setting0", setting)                                                                       \
    X("application.setting1", setting)                                                                       \
    X("application.setting2", setting)                                                                       \
    X("application.setting3", setting)                                                                       \
    X("application.setting4", setting)                                                                       \
    X("application.setting5", setting)                                                                       \
    X("application.setting6", setting)                                                                       \
    X("application.setting7", setting)                                                                       \
    X("application.setting8", setting)                                                                       \
    X("application.setting9", setting)

static void clew_attributes_10(clew_tracer *tracer) {
    for (int i = 0; i < BURST; i++) {
        clew_span span = clew_span_start(tracer, "GET /api/checkout", NULL);
#define MEMBER(key, value) CLEW_KV(key, value),
        const clew_attribute attributes[] = {TEN(MEMBER)};
#undef MEMBER
        clew_span_set_attributes(span, attributes, COUNT(attributes));
        clew_span_end(span);
    }
}

static void clew_setters_10(clew_tracer *tracer) {
    for (int i = 0; i < BURST; i++) {
        clew_span span = clew_span_start(tracer, "GET /api/checkout", NULL);
#define SETTER(key, value) clew_span_set_string(span, key, value);
        TEN(SETTER)
#undef SETTER
        clew_span_end(span);
    }
}

/* ---- the floor ---- */

/* Where a thread's floor writes: a span's bytes, and the memory that they are copied to. */
struct floor {
    uint64_t random[4];
    uint8_t span[1024];
    uint8_t copies[64 << 10];
    size_t copied;
    uint64_t threshold;
    uint64_t kept;
};

static inline uint8_t *put_text(uint8_t *at, uint8_t tag, const char *text, size_t size) {
    *at++ = tag;
    *at++ = (uint8_t)size;
    memcpy(at, text, size);
    return at + size;
}

static inline uint8_t *put_fixed64(uint8_t *at, uint8_t tag, uint64_t value) {
    *at++ = tag;
    memcpy(at, &value, sizeof value);
    return at + sizeof value;
}

static inline uint8_t *put_string_attribute(uint8_t *at, const char *key, size_t key_size,
                                            const char *value) {
    size_t size = strlen(value);
    *at++ = 0x4a;
    *at++ = (uint8_t)(key_size + size + 6);
    at = put_text(at, 0x0a, key, key_size);
    *at++ = 0x12;
    *at++ = (uint8_t)(size + 2);
    return put_text(at, 0x0a, value, size);
}

static inline uint8_t *put_number_attribute(uint8_t *at, const char *key, size_t key_size, uint8_t tag,
                                            uint64_t value) {
    uint8_t number[10], *end = number;
    for (; value >= 0x80; value >>= 7)
        *end++ = (uint8_t)(value | 0x80);
    *end++ = (uint8_t)value;
    *at++ = 0x4a;
    *at++ = (uint8_t)(key_size + (size_t)(end - number) + 5);
    at = put_text(at, 0x0a, key, key_size);
    *at++ = 0x12;
    *at++ = (uint8_t)(end - number + 1);
    *at++ = tag;
    memcpy(at, number, (size_t)(end - number));
    return at + (end - number);
}
#define STRING(at, key, value) put_string_attribute(at, key, sizeof(key) - 1, value)
#define NUMBER(at, key, tag, value) put_number_attribute(at, key, sizeof(key) - 1, tag, value)

static inline uint8_t *floor_start(struct floor *floor) {
    static const char name[] = "GET /api/checkout";
    struct clew__random random = clew__random_load(floor->random);
    uint64_t trace[2] = {clew__random_next(&random), clew__random_next(&random)};
    uint64_t span = clew__random_next(&random);
    uint32_t flags = 0x103;
    uint8_t *at = floor->span;
    clew__random_store(floor->random, &random);
    at = put_text(at, 0x0a, (const char *)trace, sizeof trace);
    at = put_text(at, 0x12, (const char *)&span, sizeof span);
    at = put_fixed64(at, 0x39, now_nano());
    *at++ = 0x85;
    *at++ = 0x01;
    memcpy(at, &flags, sizeof flags);
    at += sizeof flags;
    *at++ = 0x30;
    *at++ = 1;
    return put_text(at, 0x2a, name, sizeof name - 1);
}

static inline void floor_end(struct floor *floor, uint8_t *at) {
    size_t size;
    at = put_fixed64(at, 0x41, now_nano());
    size = (size_t)(at - floor->span);
    if (floor->copied + size + 3 > sizeof floor->copies)
        floor->copied = 0;
    at = floor->copies + floor->copied;
    *at++ = 0x12;
    if (size >= 0x80)
        *at++ = (uint8_t)(size | 0x80);
    *at++ = (uint8_t)(size >= 0x80 ? size >> 7 : size);
    memcpy(at, floor->span, size);
    floor->copied = (size_t)(at + size - floor->copies);
    __asm__ volatile("" ::"r"(floor) : "memory");
}

static void floor_start_end(struct floor *floor) {
    for (int i = 0; i < BURST; i++)
        floor_end(floor, floor_start(floor));
}

static void floor_attributes_5(struct floor *floor) {
    for (int i = 0; i < BURST; i++) {
        uint8_t *at = floor_start(floor);
        at = STRING(at, "http.request.method", method);
        at = STRING(at, "url.path", path);
        at = NUMBER(at, "http.response.status_code", 0x18, (uint64_t)status_code);
        at = NUMBER(at, "server.port", 0x18, (uint64_t)port);
        at = NUMBER(at, "cache.hit", 0x10, hit);
        floor_end(floor, at);
    }
}

static void floor_attributes_10(struct floor *floor) {
    for (int i = 0; i < BURST; i++) {
        uint8_t *at = floor_start(floor);
#define MEMBER(key, value) at = STRING(at, key, value);
        TEN(MEMBER)
#undef MEMBER
        floor_end(floor, at);
    }
}

static void floor_not_sampled(struct floor *floor) {
    for (int i = 0; i < BURST; i++) {
        struct clew__random random = clew__random_load(floor->random);
        uint64_t high = clew__random_next(&random), low = clew__random_next(&random);
        uint64_t span = clew__random_next(&random);
        clew__random_store(floor->random, &random);
        floor->kept += __builtin_bswap64(low) >> 1 < floor->threshold;
        __asm__ volatile("" ::"r"(high), "r"(low), "r"(span) : "memory");
    }
}

static void floor_no_sdk(struct floor *floor) {
    (void)floor;
    for (int i = 0; i < BURST; i++) {
        const char *version = clew_version();
        __asm__ volatile("" ::"r"(version));
    }
}

static void (*const clew_rows[ROWS])(clew_tracer *) = {
    clew_start_end,  clew_attributes_5, clew_attributes_10, clew_setters_5,
    clew_setters_10, clew_setters_5,    clew_setters_5,
};
static void (*const floor_rows[ROWS])(struct floor *) = {
    floor_start_end,     floor_attributes_5, floor_attributes_10, floor_attributes_5,
    floor_attributes_10, floor_not_sampled,  floor_no_sdk,
};

/* ---- the run ---- */

static clew_export_outcome discard(void *self, const clew_batch *batch, uint32_t timeout_ms,
                                   clew_export_report *report) {
    (void)self;
    (void)batch;
    (void)timeout_ms;
    (void)report;
    return CLEW_EXPORT_DELIVERED;
}

static clew_provider *make_provider(clew_sampler *sampler) {
    clew_provider_options options = {.sampler = sampler};
    clew_exporter exporter = {.flags = CLEW_EXPORTER_LOCAL, .name = "discard", .export_batch = discard};
    clew_batch_options batch = clew_batch_options_default();
    clew_provider *provider = clew_provider_new(&options);
    batch.max_queue_size = batch.max_export_batch_size = 4 * BURST * THREADS_MAX;
    batch.schedule_delay_ms = 60000;
    if (!provider || clew_provider_add_batch(provider, &exporter, &batch) != CLEW_OK)
        exit(2);
    return provider;
}

struct bench {
    enum row row;
    clew_provider *provider;
    clew_tracer *tracer;
    pthread_barrier_t turn;
    double clew_nano[THREADS_MAX][BLOCKS], floor_nano[THREADS_MAX][BLOCKS];
};

struct runner {
    struct bench *bench;
    int number;
};

static void *run(void *argument) {
    struct runner *runner = argument;
    struct bench *bench = runner->bench;
    struct floor *floor = calloc(1, sizeof *floor);
    if (!floor)
        exit(2);
    floor->threshold = UINT64_C(1) << 60;
    for (int block = 0; block < BLOCKS; block++) {
        uint64_t begun;
        pthread_barrier_wait(&bench->turn);
        begun = now_nano();
        clew_rows[bench->row](bench->tracer);
        bench->clew_nano[runner->number][block] = (double)(now_nano() - begun) / BURST;
        pthread_barrier_wait(&bench->turn);
        if (bench->row < NOT_SAMPLED && runner->number == 0)
            clew_provider_flush(bench->provider, 1000);
        pthread_barrier_wait(&bench->turn);
        begun = now_nano();
        floor_rows[bench->row](floor);
        bench->floor_nano[runner->number][block] = (double)(now_nano() - begun) / BURST;
    }
    free(floor);
    return NULL;
}

static int by_value(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double median(double values[THREADS_MAX][BLOCKS], int threads) {
    static double all[THREADS_MAX * BLOCKS];
    size_t count = (size_t)threads * BLOCKS;
    for (int t = 0; t < threads; t++)
        memcpy(all + t * BLOCKS, values[t], sizeof values[t]);
    qsort(all, count, sizeof *all, by_value);
    return all[count / 2];
}

static void run_row(enum row row, int threads, clew_provider *provider, bool json) {
    static struct bench bench;
    struct runner runners[THREADS_MAX];
    pthread_t handles[THREADS_MAX];
    double nano, floor_nano;
    bench.row = row;
    bench.provider = provider;
    bench.tracer = provider ? clew_provider_tracer(provider, "bench", CLEW_VERSION, NULL, NULL, 0) : NULL;
    pthread_barrier_init(&bench.turn, NULL, (unsigned)threads);
    for (int t = 0; t < threads; t++) {
        runners[t] = (struct runner){&bench, t};
        if (pthread_create(&handles[t], NULL, run, &runners[t]) != 0)
            exit(2);
    }
    for (int t = 0; t < threads; t++)
        pthread_join(handles[t], NULL);
    pthread_barrier_destroy(&bench.turn);
    nano = median(bench.clew_nano, threads);
    floor_nano = median(bench.floor_nano, threads);
    if (json)
        printf("{\"row\":\"%s\",\"threads\":%d,\"ns\":%.1f,\"floor_ns\":%.1f,\"ratio\":%.2f}\n",
               row_names[row], threads, nano, floor_nano, nano / floor_nano);
    else
        printf("%-14s %d thread%s %8.1f ns   floor %6.1f ns   ratio %.2f\n", row_names[row], threads,
               threads == 1 ? " " : "s", nano, floor_nano, nano / floor_nano);
    fflush(stdout);
}

/* Every span must have been exported: a drop would make the figures too good. */
static int check_nothing_dropped(clew_provider *provider) {
    clew_stats_data stats;
    clew_provider_flush(provider, 5000);
    clew_stats_of(provider, &stats);
    if (stats.pipelines[0].exported == stats.started)
        return 0;
    fprintf(stderr, "bench: %llu of %llu spans were dropped: the figures do not count\n",
            (unsigned long long)(stats.started - stats.pipelines[0].exported),
            (unsigned long long)stats.started);
    return 1;
}

int main(int argc, char **argv) {
    bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
    clew_provider *sampled, *not_sampled;
    int result;
    if (argc > 2 || (argc == 2 && !json)) {
        fprintf(stderr, "usage: span [--json]\n");
        return 1;
    }
    for (int threads = 1; threads <= THREADS_MAX; threads++)
        run_row(NO_SDK, threads, NULL, json);
    sampled = make_provider(clew_sampler_always_on());
    not_sampled = make_provider(clew_sampler_trace_id_ratio(1e-18));
    for (int threads = 1; threads <= THREADS_MAX; threads++) {
        for (enum row row = START_END; row <= SETTERS_10; row++)
            run_row(row, threads, sampled, json);
        run_row(NOT_SAMPLED, threads, not_sampled, json);
    }
    result = check_nothing_dropped(sampled);
    clew_provider_shutdown(sampled, 1000);
    clew_provider_shutdown(not_sampled, 1000);
    return result;
}
