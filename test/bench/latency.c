/* What a hung receiver costs the program: the time of start + end of a span with five attributes while spans
 * go to a healthy receiver and to one that accepts and never reads, in turns, in one process.
 *
 *   latency [--json] [--phases N] [--rate R]
 *
 * In each of N phases (40) of a quarter of a second one of two providers records R spans a second (50000), at
 * a steady pace. The times go into a histogram whose buckets are 1/64 of their value wide; two reads of the
 * clock are in them. The hung receiver's queue is full after some milliseconds, and stays so. */
#include "test/bench/traffic.h"
#include "test/peer/receiver.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PHASE_NANO (NANO_PER_SECOND / 4)
#define TICK_NANO UINT64_C(1000000)
#define SUB_BITS 6 /* 64 buckets for each power of two */
#define BUCKETS (64 << SUB_BITS)

struct histogram {
    uint64_t counts[BUCKETS];
    uint64_t total;
};

static size_t bucket_of(uint64_t nano) {
    unsigned shift;
    if (nano < 1u << SUB_BITS)
        return (size_t)nano;
    shift = 63u - (unsigned)__builtin_clzll(nano) - SUB_BITS;
    return ((size_t)(shift + 1) << SUB_BITS) + (size_t)(nano >> shift) - (1u << SUB_BITS);
}

/* The least value of a bucket. */
static uint64_t value_of(size_t bucket) {
    size_t shift = bucket >> SUB_BITS;
    if (shift == 0)
        return bucket;
    return (uint64_t)((bucket & ((1u << SUB_BITS) - 1)) + (1u << SUB_BITS)) << (shift - 1);
}

static uint64_t quantile(const struct histogram *histogram, double part) {
    uint64_t rank = (uint64_t)(part * (double)histogram->total), seen = 0;
    for (size_t i = 0; i < BUCKETS; i++) {
        seen += histogram->counts[i];
        if (seen > rank)
            return value_of(i);
    }
    return 0;
}

static void run_phase(clew_tracer *tracer, uint64_t rate, struct histogram *histogram) {
    uint64_t begun = traffic_now_nano(), next = begun, due = 0;
    while (next < begun + PHASE_NANO) {
        struct timespec until;
        next += TICK_NANO;
        until.tv_sec = (time_t)(next / NANO_PER_SECOND);
        until.tv_nsec = (long)(next % NANO_PER_SECOND);
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
        for (due += rate; due >= 1000; due -= 1000) {
            uint64_t before = traffic_now_nano();
            traffic_span(tracer);
            histogram->counts[bucket_of(traffic_now_nano() - before)]++;
            histogram->total++;
        }
    }
}

static struct traffic open_to(const struct receiver *receiver) {
    clew_otlp_options otlp = clew_otlp_options_default();
    char endpoint[64];
    otlp.protocol = CLEW_OTLP_HTTP_PROTOBUF;
    receiver_endpoint(receiver, false, endpoint, sizeof endpoint);
    otlp.endpoint = endpoint;
    return traffic_open(&otlp);
}

static void show(bool json, const char *name, const struct histogram *histogram, uint64_t dropped) {
    uint64_t p50 = quantile(histogram, 0.5), p99 = quantile(histogram, 0.99),
             p999 = quantile(histogram, 0.999);
    if (json)
        printf("{\"peer\":\"%s\",\"spans\":%" PRIu64 ",\"dropped\":%" PRIu64 ",\"p50_ns\":%" PRIu64
               ",\"p99_ns\":%" PRIu64 ",\"p999_ns\":%" PRIu64 "}\n",
               name, histogram->total, dropped, p50, p99, p999);
    else
        printf("%-8s %" PRIu64 " spans, %" PRIu64 " dropped: p50 %" PRIu64 " ns, p99 %" PRIu64
               " ns, p99.9 %" PRIu64 " ns\n",
               name, histogram->total, dropped, p50, p99, p999);
}

static int usage(void) {
    fprintf(stderr, "usage: latency [--json] [--phases N] [--rate R]\n");
    return 2;
}

int main(int argc, char **argv) {
    static struct histogram histograms[2];
    const enum receiver_mode modes[2] = {RECEIVER_HEALTHY, RECEIVER_HANG};
    struct receiver *receivers[2];
    struct traffic traffic[2];
    uint64_t phases = 40, rate = 50000;
    bool json = false;
    double ratio;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            json = true;
        else if (i + 1 < argc && strcmp(argv[i], "--phases") == 0)
            phases = strtoull(argv[++i], NULL, 10);
        else if (i + 1 < argc && strcmp(argv[i], "--rate") == 0)
            rate = strtoull(argv[++i], NULL, 10);
        else
            return usage();
    }
    for (int i = 0; i < 2; i++) {
        receivers[i] =
            receiver_start(&(struct receiver_options){.mode = modes[i], .process = true, .only_count = true});
        if (!receivers[i])
            return 2;
    }
    for (int i = 0; i < 2; i++) {
        static struct histogram warm_up;
        traffic[i] = open_to(receivers[i]);
        run_phase(traffic[i].tracer, rate, &warm_up);
    }
    for (uint64_t phase = 0; phase < phases; phase++)
        run_phase(traffic[phase % 2].tracer, rate, &histograms[phase % 2]);
    show(json, "healthy", &histograms[0], traffic_books(&traffic[0]).dropped_queue_full);
    show(json, "hung", &histograms[1], traffic_books(&traffic[1]).dropped_queue_full);
    ratio = (double)quantile(&histograms[1], 0.99) / (double)quantile(&histograms[0], 0.99);
    printf(json ? "{\"p99_hung_to_healthy\":%.2f}\n" : "p99 hung / healthy: %.2f\n", ratio);
    for (int i = 0; i < 2; i++) {
        traffic_close(&traffic[i]);
        receiver_stop(receivers[i]);
    }
    return 0;
}
