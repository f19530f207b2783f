/* Clew's metrics about itself (specification: Semantic conventions for OpenTelemetry SDK metrics; in
 * development there, hence opt-in here): what is reported, and its bytes. Pure; any thread. */
#ifndef CLEW_TELEMETRY_METRICS_H
#define CLEW_TELEMETRY_METRICS_H

#include "proto/wire.h"
#include "sdk/pipeline/duration.h"
#include "sdk/trace/provider.h"

/* Types are names of exporters, which programs choose: in a component's name longer ones are cut. */
#define CLEW__COMPONENT_NAME_MAX 128

/* A processor or an exporter. */
struct clew__component {
    const char *type;
    char name[CLEW__COMPONENT_NAME_MAX]; /* `<type>/<number>`, counted from 0 for each type */
};

/* One pipeline of a processor and an exporter of ours. */
struct clew__pipeline_report {
    struct clew__component processor, exporter;
    const char *server_address; /* NULL: none is known */
    uint16_t server_port;       /* 0: none is known */
    bool has_queue;
    uint64_t capacity;  /* of the queue, in spans */
    uint64_t in_flight; /* of `stats.pending`; the rest is queued */
    clew_pipeline_stats stats;
    const struct clew__durations *durations;
};

struct clew__report {
    uint64_t start_unix_nano, now_unix_nano;
    clew_bytes resource; /* members `resource` and `schema_url` of a ResourceMetrics */
    struct clew__span_counts spans;
    size_t pipeline_count;
    struct clew__pipeline_report pipelines[CLEW_PIPELINES_MAX];
};

/* Appends an ExportMetricsServiceRequest; `writer->failed` tells that room ran out. Returns the number of
 * data points. */
size_t clew__report_write(const struct clew__report *report, struct clew__writer *writer);

#endif
