/* What delivery costs the process that sends, and how many spans a second it holds without a drop.
 *
 *   export [--json] [--seconds S] [--at RATE] [--protocol P] [--compression C]
 *   export --count N [--rate R] --protocol P [--compression C] [--endpoint URL] [--json]
 *
 * The first form sends to a receiver in a process of its own on 127.0.0.1, which expands every body and
 * counts the spans in it. The sender is one thread at a steady pace, the batch processor has its defaults
 * (queue 2048, batch 512). A rate is held when no span is dropped in one of three probes of S seconds (2),
 * and the receiver has seen them all; what is searched is the highest, by doubling, then bisecting. CPU is
 * that of the whole process until the last span is delivered, without what the pace alone costs (measured
 * with a tracer that records nothing), at the rate that was held and at RATE (100000).
 *
 * The second form sends N spans to any receiver, for instance a Collector, or without URL to one of its own:
 * at R spans a second, or else as quick as it takes them: half a queue, a flush, and so on. */
#include "test/bench/traffic.h"
#include "test/peer/receiver.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define RATE_FIRST 25000u
#define RATE_MAX 4000000u
#define BISECTIONS 3
#define TRIES 3
#define ROUNDS 5
#define PACE_LEAST 0.95 /* of the rate: less is the pace's fault, not the exporter's */
#define FLUSH_MS 10000
#define BURST 1024u /* half of the default queue */

struct options {
    bool json;
    double seconds;
    uint64_t at, count, rate;
    const char *endpoint, *protocol, *compression;
};

struct cost {
    bool held;
    uint64_t spans;
    double rate;     /* spans a second, as it came out */
    double cpu_nano; /* a span */
};

/* ---- one probe ---- */

static double pace_cpu_nano(uint64_t rate, double seconds) {
    struct traffic_run idle = traffic_pace(NULL, rate, seconds);
    return (double)idle.cpu_nano / (double)idle.spans;
}

static struct cost probe(struct traffic *traffic, const struct receiver *receiver, uint64_t rate,
                         double seconds) {
    struct receiver_counts before = receiver_counts(receiver), after;
    uint64_t exported = traffic_books(traffic).exported, cpu = traffic_cpu_nano();
    struct traffic_run run = traffic_pace(traffic->tracer, rate, seconds);
    struct cost cost = {.spans = run.spans};
    clew_provider_flush(traffic->provider, FLUSH_MS);
    cost.cpu_nano = (double)(traffic_cpu_nano() - cpu) / (double)run.spans;
    cost.rate = (double)run.spans * (double)NANO_PER_SECOND / (double)run.wall_nano;
    after = receiver_counts(receiver);
    cost.held = traffic_books(traffic).exported - exported == run.spans &&
                after.acknowledged - before.acknowledged == run.spans &&
                cost.rate >= PACE_LEAST * (double)rate;
    return cost;
}

static struct cost best_of_tries(struct traffic *traffic, const struct receiver *receiver, uint64_t rate,
                                 double seconds) {
    struct cost cost = {0};
    for (int i = 0; i < TRIES && !cost.held; i++)
        cost = probe(traffic, receiver, rate, seconds);
    return cost;
}

/* ---- one row ---- */

/* The highest rate that is held. */
static struct cost search(struct traffic *traffic, const struct receiver *receiver, double seconds,
                          uint64_t *rate_out) {
    uint64_t low = 0, high = 0;
    struct cost best = {0};
    for (uint64_t rate = RATE_FIRST; !high && rate <= RATE_MAX; rate *= 2) {
        struct cost cost = best_of_tries(traffic, receiver, rate, seconds);
        if (cost.held) {
            best = cost;
            low = rate;
        } else {
            high = rate;
        }
    }
    for (int i = 0; i < BISECTIONS && low && high; i++) {
        uint64_t rate = (low + high) / 2;
        struct cost cost = best_of_tries(traffic, receiver, rate, seconds);
        if (cost.held) {
            best = cost;
            low = rate;
        } else {
            high = rate;
        }
    }
    *rate_out = low;
    if (low)
        best.cpu_nano -= pace_cpu_nano(low, seconds);
    return best;
}

struct row {
    const char *protocol;
    struct traffic traffic;
    double fixed_nano[ROUNDS]; /* CPU a span, the pace included */
    bool fixed_held;           /* in all rounds */
    double fixed_median;       /* without the pace */
};

static struct row open_row(const struct receiver *receiver, const char *protocol, const char *compression) {
    struct row row = {.protocol = protocol, .fixed_held = true};
    clew_otlp_options otlp = clew_otlp_options_default();
    char endpoint[64];
    otlp.protocol = traffic_protocol(protocol);
    otlp.compression = traffic_compression(compression);
    receiver_endpoint(receiver, otlp.protocol == CLEW_OTLP_GRPC, endpoint, sizeof endpoint);
    otlp.endpoint = endpoint;
    row.traffic = traffic_open(&otlp);
    probe(&row.traffic, receiver, RATE_FIRST, 0.2); /* connects */
    return row;
}

static int by_value(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double median(double values[ROUNDS]) {
    qsort(values, ROUNDS, sizeof *values, by_value);
    return values[ROUNDS / 2];
}

static void take_turns(struct row *rows, size_t count, const struct receiver *receiver,
                       const struct options *options) {
    double pace[ROUNDS], pace_median;
    for (int round = 0; round < ROUNDS; round++) {
        pace[round] = pace_cpu_nano(options->at, options->seconds);
        for (size_t i = 0; i < count; i++) {
            struct cost cost = probe(&rows[i].traffic, receiver, options->at, options->seconds);
            rows[i].fixed_nano[round] = cost.cpu_nano;
            rows[i].fixed_held &= cost.held;
        }
    }
    pace_median = median(pace);
    for (size_t i = 0; i < count; i++)
        rows[i].fixed_median = median(rows[i].fixed_nano) - pace_median;
}

static bool finish_row(struct row *row, const struct receiver *receiver, const struct options *options,
                       const char *compression) {
    uint64_t rate;
    struct cost best = search(&row->traffic, receiver, options->seconds, &rate);
    traffic_close(&row->traffic);
    if (options->json)
        printf("{\"protocol\":\"%s\",\"compression\":\"%s\",\"held_per_second\":%" PRIu64
               ",\"cpu_ns_per_span\":%.0f,\"at_per_second\":%" PRIu64
               ",\"at_held\":%s,\"at_cpu_ns_per_span\":%.0f}\n",
               row->protocol, compression, rate, best.cpu_nano, options->at,
               row->fixed_held ? "true" : "false", row->fixed_median);
    else
        printf("%-14s %-5s  holds %8" PRIu64 " spans/s at %5.0f ns CPU a span;  at %" PRIu64
               "/s %5.0f ns%s\n",
               row->protocol, compression, rate, best.cpu_nano, options->at, row->fixed_median,
               row->fixed_held ? "" : " (spans were dropped)");
    fflush(stdout);
    return best.held;
}

/* ---- all rows ---- */

static bool wants(const char *wanted, const char *name) {
    return !wanted || strcmp(wanted, name) == 0;
}

static void show_ratio(const struct options *options, const char *compression, const struct row *grpc,
                       const struct row *http) {
    double ratio = grpc->fixed_median / http->fixed_median;
    if (options->json)
        printf("{\"compression\":\"%s\",\"grpc_to_http\":%.2f}\n", compression, ratio);
    else
        printf("grpc / http    %-5s  %.2f\n", compression, ratio);
}

static bool run_compression(const struct receiver *receiver, const struct options *options,
                            const char *compression) {
    static const char *const protocols[] = {"http/protobuf", "grpc", "http/json"};
    size_t count = strcmp(compression, "none") == 0 ? 3 : 2, opened = 0;
    const struct row *http = NULL, *grpc = NULL;
    struct row rows[3];
    bool held = true;
    for (size_t i = 0; i < count; i++) {
        if (!wants(options->protocol, protocols[i]))
            continue;
        rows[opened] = open_row(receiver, protocols[i], compression);
        http = i == 0 ? &rows[opened] : http;
        grpc = i == 1 ? &rows[opened] : grpc;
        opened++;
    }
    take_turns(rows, opened, receiver, options);
    for (size_t i = 0; i < opened; i++)
        held &= finish_row(&rows[i], receiver, options, compression);
    if (http && grpc)
        show_ratio(options, compression, grpc, http);
    return held;
}

static void show_receiver(const struct options *options, uint64_t spans) {
    struct rusage usage;
    double nano;
    getrusage(RUSAGE_CHILDREN, &usage);
    nano = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e9 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e3;
    if (!options->json && spans)
        printf("the receiver itself: %.0f ns CPU a span\n", nano / (double)spans);
}

static int run_rows(const struct options *options) {
    static const char *const compressions[] = {"none", "gzip", "zstd"};
    struct receiver *receiver =
        receiver_start(&(struct receiver_options){.process = true, .only_count = true});
    struct receiver_counts counts;
    bool held = true;
    if (!receiver)
        return 2;
    for (size_t i = 0; i < 3; i++) {
        if (wants(options->compression, compressions[i]))
            held &= run_compression(receiver, options, compressions[i]);
    }
    counts = receiver_counts(receiver);
    receiver_stop(receiver);
    show_receiver(options, counts.received);
    if (counts.faults)
        fprintf(stderr, "bench: the receiver found %" PRIu64 " faults: %s\n", counts.faults, counts.fault);
    return held && !counts.faults ? 0 : 1;
}

/* ---- to any receiver ---- */

static uint64_t send_bursts(struct traffic *traffic, uint64_t count) {
    uint64_t sent = 0;
    while (sent < count) {
        for (uint64_t i = 0; i < BURST && sent < count; i++, sent++)
            traffic_span(traffic->tracer);
        clew_provider_flush(traffic->provider, FLUSH_MS);
    }
    return sent;
}

static uint64_t send_paced(struct traffic *traffic, uint64_t count, uint64_t rate) {
    uint64_t sent = 0;
    while (sent < count)
        sent += traffic_pace(traffic->tracer, rate, (double)(count - sent) / (double)rate).spans;
    clew_provider_flush(traffic->provider, FLUSH_MS);
    return sent;
}

static int send_to(const struct options *options, const char *endpoint) {
    clew_otlp_options otlp = clew_otlp_options_default();
    clew_pipeline_stats books;
    struct traffic traffic;
    uint64_t cpu, begun, sent, dropped;
    double seconds, cpu_nano;
    otlp.endpoint = endpoint;
    otlp.protocol = traffic_protocol(options->protocol);
    otlp.compression = traffic_compression(options->compression ? options->compression : "none");
    traffic = traffic_open(&otlp);
    cpu = traffic_cpu_nano();
    begun = traffic_now_nano();
    sent = options->rate ? send_paced(&traffic, options->count, options->rate)
                         : send_bursts(&traffic, options->count);
    seconds = (double)(traffic_now_nano() - begun) / (double)NANO_PER_SECOND;
    cpu_nano = (double)(traffic_cpu_nano() - cpu) / (double)sent;
    if (options->rate)
        cpu_nano -= pace_cpu_nano(options->rate, 1);
    books = traffic_books(&traffic);
    traffic_close(&traffic);
    dropped = books.dropped_queue_full + books.dropped_memory;
    if (options->json)
        printf("{\"sent\":%" PRIu64 ",\"delivered\":%" PRIu64 ",\"dropped\":%" PRIu64 ",\"rejected\":%" PRIu64
               ",\"failed\":%" PRIu64 ",\"unknown\":%" PRIu64
               ",\"per_second\":%.0f,\"cpu_ns_per_span\":%.0f}\n",
               sent, books.exported, dropped, books.rejected, books.failed, books.unknown,
               (double)sent / seconds, cpu_nano);
    else
        printf("sent %" PRIu64 ", delivered %" PRIu64 ", dropped %" PRIu64 ", rejected %" PRIu64
               ", failed %" PRIu64 ", unknown %" PRIu64 "; %.0f spans/s, %.0f ns CPU a span\n",
               sent, books.exported, dropped, books.rejected, books.failed, books.unknown,
               (double)sent / seconds, cpu_nano);
    return books.exported == sent ? 0 : 1;
}

static int send_count(const struct options *options) {
    struct receiver *receiver;
    char endpoint[64];
    int result;
    if (options->endpoint)
        return send_to(options, options->endpoint);
    receiver = receiver_start(&(struct receiver_options){.process = true, .only_count = true});
    if (!receiver)
        return 2;
    receiver_endpoint(receiver, traffic_protocol(options->protocol) == CLEW_OTLP_GRPC, endpoint,
                      sizeof endpoint);
    result = send_to(options, endpoint);
    receiver_stop(receiver);
    return result;
}

/* ---- the command line ---- */

static int usage(void) {
    fprintf(stderr,
            "usage: export [--json] [--seconds S] [--at RATE] [--protocol P] [--compression C]\n"
            "       export --count N [--rate R] --protocol P [--compression C] [--endpoint URL] [--json]\n");
    return 2;
}

static bool take_option(struct options *options, const char *name, const char *value) {
    if (strcmp(name, "--seconds") == 0)
        options->seconds = strtod(value, NULL);
    else if (strcmp(name, "--at") == 0)
        options->at = strtoull(value, NULL, 10);
    else if (strcmp(name, "--count") == 0)
        options->count = strtoull(value, NULL, 10);
    else if (strcmp(name, "--rate") == 0)
        options->rate = strtoull(value, NULL, 10);
    else if (strcmp(name, "--endpoint") == 0)
        options->endpoint = value;
    else if (strcmp(name, "--protocol") == 0)
        options->protocol = value;
    else if (strcmp(name, "--compression") == 0)
        options->compression = value;
    else
        return false;
    return true;
}

int main(int argc, char **argv) {
    struct options options = {.seconds = 2, .at = 100000};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            options.json = true;
        else if (i + 1 == argc || !take_option(&options, argv[i], argv[i + 1]))
            return usage();
        else
            i++;
    }
    if (options.seconds <= 0 || options.at == 0)
        return usage();
    if (!options.endpoint && !options.count)
        return run_rows(&options);
    return options.protocol && options.count ? send_count(&options) : usage();
}
