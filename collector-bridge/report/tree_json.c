/* Traces as JSON. Keeps nothing; any thread. */
#include "collector-bridge/report/json.h"
#include "collector-bridge/report/remarks.h"
#include "collector-bridge/report/tree.h"

#include <clew/analysis/errors.h>
#include <clew/extend.h>
#include <stdio.h>

static void id_json(struct clew__report_json *json, const char *name, const clew_trace *trace,
                    uint32_t span) {
    char text[CLEW_ID_TEXT_SIZE];
    size_t size = clew_trace_span_id_text(trace, span, text);
    clew__json_add_text(json, name, (clew_text){text, size});
}

static void repairs_json(struct clew__report_json *json, uint32_t repairs) {
    if (!repairs)
        return;
    clew__json_open(json, "repairs", '[');
    for (unsigned i = 0; i < CLEW_REPAIR_COUNT; i++)
        if (repairs & (1u << i))
            clew__json_add_word(json, NULL, clew_repair_name((clew_repair)i));
    clew__json_close(json, ']');
}

static void hex_json(struct clew__report_json *json, const char *name, const uint8_t *id, size_t size) {
    char text[33];
    for (size_t i = 0; i < size; i++)
        snprintf(text + 2 * i, 3, "%02x", id[i]);
    clew__json_add_text(json, name, (clew_text){text, 2 * size});
}

static void links_json(struct clew__report_json *json, const clew_trace *trace, uint32_t index,
                       uint32_t count) {
    clew_trace_link link;
    if (!count)
        return;
    clew__json_open(json, "links", '[');
    for (uint32_t i = 0; clew_trace_link_at(trace, index, i, &link); i++) {
        clew__json_open(json, NULL, '{');
        hex_json(json, "traceId", link.trace_id, sizeof link.trace_id);
        hex_json(json, "spanId", link.span_id, sizeof link.span_id);
        clew__json_close(json, '}');
    }
    clew__json_close(json, ']');
}

static void span_json(struct clew__report_json *json, const clew_trace *trace, uint32_t index,
                      const clew_path_span *on_path, const clew_leverage *leverage) {
    static const char *const relations[] = {"root", "blocking", "async"};
    clew_trace_span span;
    clew_trace_span_at(trace, index, &span);
    clew__json_open(json, NULL, '{');
    id_json(json, "spanId", trace, index);
    if (span.parent != CLEW_NO_SPAN)
        id_json(json, "parentSpanId", trace, span.parent);
    clew__json_add_text(json, "service", span.service);
    clew__json_add_text(json, "operation", span.operation);
    clew__json_add_uint32(json, "kind", (uint32_t)span.kind);
    clew__json_add_uint64(json, "startUnixNano", span.start_unix_nano);
    clew__json_add_uint64(json, "endUnixNano", span.end_unix_nano);
    clew__json_add_uint64(json, "selfNano", on_path->self);
    clew__json_add_uint64(json, "criticalNano", on_path->critical);
    clew__json_add_uint64(json, "criticalSelfNano", on_path->critical_self);
    clew__json_add_uint64(json, "dragNano", leverage->drag);
    if (leverage->slack != UINT64_MAX)
        clew__json_add_uint64(json, "slackNano", leverage->slack);
    clew__json_add_word(json, "relation", relations[on_path->relation]);
    clew__json_add_bool(json, "failed", clew_trace_span_has_failed(&span));
    if (span.error_type.size)
        clew__json_add_text(json, "errorType", span.error_type);
    if (span.error_message.size)
        clew__json_add_text(json, "errorMessage", span.error_message);
    if (span.skew_nano)
        clew__json_add_int64(json, "skewNano", span.skew_nano);
    if (span.is_phantom)
        clew__json_add_bool(json, "missing", true);
    repairs_json(json, span.repairs);
    links_json(json, trace, index, span.link_count);
    clew__json_close(json, '}');
}

static void confidence_json(struct clew__report_json *json, const clew_path_confidence *confidence) {
    clew__json_open(json, "confidence", '{');
    clew__json_add_uint64(json, "totalNano", confidence->total);
    clew__json_add_uint64(json, "assumedNano", confidence->assumed);
    clew__json_add_uint64(json, "recordedNano", confidence->recorded);
    clew__json_add_uint64(json, "missingNano", confidence->missing);
    clew__json_add_uint64(json, "skewNano", confidence->skew);
    clew__json_add_uint64(json, "provisionalNano", confidence->provisional);
    clew__json_add_uint32(json, "nearOverlaps", confidence->near_overlaps);
    clew__json_add_uint32(json, "unusedWaits", confidence->unused_waits);
    clew__json_close(json, '}');
}

static void trace_json(struct clew__writer *out, const clew_trace *trace, const clew_critical_path *path,
                       const clew_leverage *leverage) {
    struct clew__report_json json = {.out = out};
    char text[CLEW_ID_TEXT_SIZE];
    uint64_t start, end;
    size_t size = clew_trace_id_text(trace, text);
    clew_trace_bounds(trace, &start, &end);
    clew__json_open(&json, NULL, '{');
    clew__json_add_text(&json, "traceId", (clew_text){text, size});
    clew__json_add_uint64(&json, "startUnixNano", start);
    clew__json_add_uint64(&json, "endUnixNano", end);
    clew__json_open(&json, "spans", '[');
    for (uint32_t i = 0; i < path->span_count && !out->failed; i++)
        span_json(&json, trace, i, &path->spans[i], &leverage[i]);
    clew__json_close(&json, ']');
    clew__json_repairs(&json, trace);
    clew__json_add_uint32(&json, "skewCorrectedSpans", clew_trace_skew_corrected(trace));
    confidence_json(&json, &path->confidence);
    clew__json_close(&json, '}');
    clew__json_end(&json);
}

bool clew__report_tree_json(struct clew__writer *out, const clew_trace *trace, const clew_critical_path *path,
                            const clew_path_options *options) {
    clew_leverage *leverage = clew_memory_allocate((path->span_count + 1u) * sizeof *leverage);
    bool enough = leverage && clew_leverage_of(trace, options, leverage);
    if (enough)
        trace_json(out, trace, path, leverage);
    clew_memory_release(leverage);
    return enough;
}
