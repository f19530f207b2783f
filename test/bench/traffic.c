/* Traffic for the benchmarks of delivery. No state. */
#include "test/bench/traffic.h"

#include <clew/otlp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define NANO_PER_TICK UINT64_C(1000000)
#define TICKS_PER_SECOND 1000

/* What a program records is not known to its compiler. */
static const char *volatile method = "GET";
static const char *volatile path = "/api/v1/checkout";
static volatile int64_t status_code = 200;
static volatile int64_t port = 8443;
static volatile bool hit = true;

static void die(const char *what) {
    fprintf(stderr, "bench: %s\n", what);
    exit(2);
}

struct traffic traffic_open(const clew_otlp_options *options) {
    clew_batch_options batch = clew_batch_options_default();
    struct traffic traffic = {.provider = clew_provider_new(NULL)};
    clew_exporter exporter;
    if (!traffic.provider || clew_otlp_exporter(options, &exporter) != CLEW_OK ||
        clew_provider_add_batch(traffic.provider, &exporter, &batch) != CLEW_OK)
        die("no exporter");
    traffic.tracer = clew_provider_tracer(traffic.provider, "bench", CLEW_VERSION, NULL, NULL, 0);
    if (!traffic.tracer)
        die("no tracer");
    return traffic;
}

void traffic_close(struct traffic *traffic) {
    clew_provider_shutdown(traffic->provider, 2000);
}

clew_pipeline_stats traffic_books(const struct traffic *traffic) {
    clew_stats_data stats;
    clew_stats_of(traffic->provider, &stats);
    return stats.pipelines[0];
}

void traffic_span(clew_tracer *tracer) {
    clew_span span = clew_span_start(tracer, "GET /api/checkout", NULL);
    const clew_attribute attributes[] = {
        CLEW_KV("http.request.method", method),
        CLEW_KV("url.path", path),
        CLEW_KV("http.response.status_code", status_code),
        CLEW_KV("server.port", port),
        CLEW_KV("cache.hit", hit),
    };
    clew_span_set_attributes(span, attributes, sizeof attributes / sizeof *attributes);
    clew_span_end(span);
}

uint64_t traffic_now_nano(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NANO_PER_SECOND + (uint64_t)now.tv_nsec;
}

static uint64_t nano_of(struct timeval time) {
    return (uint64_t)time.tv_sec * NANO_PER_SECOND + (uint64_t)time.tv_usec * 1000;
}

uint64_t traffic_cpu_nano(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return nano_of(usage.ru_utime) + nano_of(usage.ru_stime);
}

static void sleep_until(uint64_t nano) {
    struct timespec until = {(time_t)(nano / NANO_PER_SECOND), (long)(nano % NANO_PER_SECOND)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) {
    }
}

struct traffic_run traffic_pace(clew_tracer *tracer, uint64_t rate, double seconds) {
    uint64_t begun = traffic_now_nano(), cpu = traffic_cpu_nano(), next = begun, due = 0;
    uint64_t end = begun + (uint64_t)(seconds * (double)NANO_PER_SECOND), now = begun;
    struct traffic_run run = {0};
    while (now < end) {
        next += NANO_PER_TICK;
        if (next < now)
            next = now;
        sleep_until(next);
        for (due += rate; due >= TICKS_PER_SECOND; due -= TICKS_PER_SECOND, run.spans++)
            traffic_span(tracer);
        now = traffic_now_nano();
    }
    run.wall_nano = now - begun;
    run.cpu_nano = traffic_cpu_nano() - cpu;
    return run;
}

clew_otlp_protocol traffic_protocol(const char *name) {
    if (strcmp(name, "grpc") == 0)
        return CLEW_OTLP_GRPC;
    if (strcmp(name, "http/json") == 0)
        return CLEW_OTLP_HTTP_JSON;
    if (strcmp(name, "http/protobuf") != 0)
        die("the protocols are grpc, http/protobuf and http/json");
    return CLEW_OTLP_HTTP_PROTOBUF;
}

clew_compression traffic_compression(const char *name) {
    if (strcmp(name, "gzip") == 0)
        return CLEW_COMPRESSION_GZIP;
    if (strcmp(name, "zstd") == 0)
        return CLEW_COMPRESSION_ZSTD;
    if (strcmp(name, "none") != 0)
        die("the compressions are none, gzip and zstd");
    return CLEW_COMPRESSION_NONE;
}
