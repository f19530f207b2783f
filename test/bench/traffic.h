/* What the benchmarks of delivery share: a provider with the batch processor's defaults and an OTLP exporter,
 * spans as programs make them, a steady pace, and what it costs. */
#ifndef CLEW_TEST_BENCH_TRAFFIC_H
#define CLEW_TEST_BENCH_TRAFFIC_H

#include <clew/clew.h>

#define NANO_PER_SECOND UINT64_C(1000000000)

struct traffic {
    clew_provider *provider;
    clew_tracer *tracer;
};

/* Ends the program when it cannot be made. */
struct traffic traffic_open(const clew_otlp_options *options);
void traffic_close(struct traffic *traffic);

/* The books of its pipeline. */
clew_pipeline_stats traffic_books(const struct traffic *traffic);

/* A span with five attributes: start, one call that sets them, end. */
void traffic_span(clew_tracer *tracer);

struct traffic_run {
    uint64_t spans;
    uint64_t wall_nano;
    uint64_t cpu_nano; /* of the whole process */
};

/* So many spans a second from this thread, in ticks of a millisecond. A tick that was missed is not made up
 * for, as that would be a burst: the run has less spans then. A NULL tracer records nothing: what is left is
 * the cost of the pace. */
struct traffic_run traffic_pace(clew_tracer *tracer, uint64_t rate, double seconds);

uint64_t traffic_now_nano(void);
/* CPU time of the process, all threads. */
uint64_t traffic_cpu_nano(void);

/* "grpc", "http/protobuf", "http/json"; "none", "gzip", "zstd". End the program when it is none. */
clew_otlp_protocol traffic_protocol(const char *name);
clew_compression traffic_compression(const char *name);

#endif
