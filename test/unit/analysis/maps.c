/* Several traces at once, and service maps as text. */
#include "test/unit/analysis/maps.h"

#include "test/unit/proto/growing.h"

#include <clew/extend.h>

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

static const char *trace_of(const struct build_span *span) {
    return span->trace ? span->trace : "1";
}

/* Whether an earlier span of the order has the same trace. */
static bool is_seen(const struct build_span *spans, const uint32_t *order, size_t at) {
    for (size_t i = 0; i < at; i++)
        if (strcmp(trace_of(&spans[order[i]]), trace_of(&spans[order[at]])) == 0)
            return true;
    return false;
}

static struct built build_one(const struct build_span *spans, size_t count, const uint32_t *order,
                              const char *trace) {
    uint32_t *own = malloc((count + 1) * sizeof *own);
    size_t own_count = 0;
    if (!own)
        abort();
    for (size_t i = 0; i < count; i++)
        if (strcmp(trace_of(&spans[order[i]]), trace) == 0)
            own[own_count++] = order[i];
    struct built built = build_trace(spans, own_count, own);
    free(own);
    return built;
}

struct traces traces_of(const struct build_span *spans, size_t count, const uint32_t *order) {
    struct traces traces = {malloc((count + 1) * sizeof *traces.traces), 0};
    uint32_t *plain = malloc((count + 1) * sizeof *plain);
    if (!traces.traces || !plain)
        abort();
    for (size_t i = 0; i < count; i++)
        plain[i] = order ? order[i] : (uint32_t)i;
    for (size_t i = 0; i < count; i++)
        if (!is_seen(spans, plain, i))
            traces.traces[traces.count++] = build_one(spans, count, plain, trace_of(&spans[plain[i]]));
    free(plain);
    return traces;
}

void traces_free(struct traces *traces) {
    for (size_t i = 0; i < traces->count; i++)
        build_free(&traces->traces[i]);
    free(traces->traces);
}

/* ---- as text ---- */

static void print(struct clew__writer *out, const char *format, ...) CLEW_PRINTF(2, 3);
static void print(struct clew__writer *out, const char *format, ...) {
    char line[8192];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    clew__write_raw(out, line, strlen(line));
}

static void print_sketch(struct clew__writer *out, const char *name, const clew_sketch *sketch) {
    size_t size;
    uint8_t *bytes;
    if (!sketch)
        return;
    bytes = clew_sketch_encode(sketch, &size);
    print(out, " %s %" PRIu64 " ", name, clew_sketch_observations(sketch));
    for (size_t i = 0; i < size; i++)
        print(out, "%02x", bytes[i]);
    clew_memory_release(bytes);
}

static void print_example(struct clew__writer *out, const char *name, const clew_map_example *example) {
    if (!example->is_there)
        return;
    print(out, " %s %" PRIu64 " ", name, example->duration);
    for (size_t i = 0; i < sizeof example->trace_id; i++)
        print(out, "%02x", example->trace_id[i]);
}

static void print_edge(struct clew__writer *out, const clew_map_edge *edge) {
    print(out, "%.*s > %.*s %s via [%.*s]:", (int)edge->client.size, edge->client.data,
          (int)edge->server.size, edge->server.data, clew_edge_type_name(edge->type), (int)edge->broker.size,
          edge->broker.data);
    print(out,
          " %" PRIu64 " errors %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " indirect %" PRIu64
          " skewed %" PRIu64 " gap %" PRIu64 " traces %" PRIu64 " %.17g",
          edge->calls, edge->errors, edge->client_errors, edge->server_errors, edge->client_only_errors,
          edge->indirect, edge->skewed, edge->critical_gap_nano, edge->path_traces, edge->path_share);
    print(out, " seen %" PRIu64, edge->seen_calls);
    print_sketch(out, "client", edge->client_latency);
    print_sketch(out, "server", edge->server_latency);
    print_sketch(out, "gap", edge->gap);
    print_sketch(out, "lag", edge->lag);
    print_example(out, "slowest", &edge->slowest);
    print_example(out, "failed", &edge->slowest_failed);
    print(out, "\n");
}

static void print_node(struct clew__writer *out, const clew_map_node *node) {
    print(out,
          "%.*s %d spans %" PRIu64 " calls %" PRIu64 " errors %" PRIu64 " self %" PRIu64 " critical %" PRIu64
          " traces %" PRIu64 " seen %" PRIu64 "\n",
          (int)node->service.size, node->service.data, node->is_virtual, node->spans, node->calls,
          node->errors, node->self_nano, node->critical_nano, node->path_traces, node->seen_calls);
}

static void print_side(struct clew__writer *out, const char *name, const clew_map_side *side) {
    print(out, "%s %" PRIu64 " = %" PRIu64 " + %" PRIu64 " + %" PRIu64 "\n", name, side->spans, side->paired,
          side->one_sided, side->unpaired);
}

char *map_print(const clew_map_report *report) {
    struct clew__writer out = growing_writer();
    for (size_t i = 0; i < report->node_count; i++)
        print_node(&out, &report->nodes[i]);
    for (size_t i = 0; i < report->edge_count; i++)
        print_edge(&out, &report->edges[i]);
    print_side(&out, "in", &report->in);
    print_side(&out, "out", &report->out);
    print(&out,
          "unpaired %" PRIu64 " %" PRIu64 " traces %" PRIu64 " %" PRIu64 " spans %" PRIu64
          " indirect %" PRIu64 " skewed %" PRIu64 " from %" PRIu64 " to %" PRIu64 "\n",
          report->unpaired_in, report->unpaired_out, report->traces, report->path_traces, report->spans,
          report->indirect, report->skewed, report->start_unix_nano, report->end_unix_nano);
    print(&out,
          "missing %" PRIu64 " unattributed %" PRIu64 " open %" PRIu64 " early %" PRIu64 " other %" PRIu64
          " lost %" PRIu64 "\n",
          report->missing_nano, report->unattributed_gap_nano, report->open, report->settled_early,
          report->overflowed, report->lost);
    clew__write_raw(&out, "", 1);
    if (out.failed)
        abort();
    return (char *)out.data;
}
