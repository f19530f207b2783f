/* Critical paths as JSON. Keeps nothing; any thread. */
#include "collector-bridge/report/json.h"
#include "collector-bridge/report/path.h"
#include "collector-bridge/report/remarks.h"

static void span_id(struct clew__report_json *json, const char *name, const clew_trace *trace,
                    uint32_t span) {
    char text[CLEW_ID_TEXT_SIZE];
    size_t size = clew_trace_span_id_text(trace, span, text);
    clew__json_add_text(json, name, (clew_text){text, size});
}

static void segment_json(struct clew__report_json *json, const clew_trace *trace,
                         const clew_path_segment *segment) {
    static const char *const kinds[] = {"self", "edgeGap", "missing"};
    clew_trace_span span;
    clew_trace_span_at(trace, segment->span, &span);
    clew__json_open(json, NULL, '{');
    span_id(json, "spanId", trace, segment->span);
    clew__json_add_text(json, "service", span.service);
    clew__json_add_text(json, "operation", span.operation);
    clew__json_add_uint64(json, "startUnixNano", segment->start_unix_nano);
    clew__json_add_uint64(json, "endUnixNano", segment->end_unix_nano);
    clew__json_add_word(json, "kind", kinds[segment->kind]);
    if (segment->kind == CLEW_SEGMENT_EDGE_GAP)
        clew__json_add_text(json, "callee", clew_path_callee(trace, segment));
    clew__json_add_bool(json, "assumed", segment->assumed);
    clew__json_close(json, '}');
}

void clew__report_path_json(struct clew__writer *out, const clew_trace *trace,
                            const clew_critical_path *path) {
    struct clew__report_json json = {.out = out};
    char text[CLEW_ID_TEXT_SIZE];
    size_t size = clew_trace_id_text(trace, text);
    clew__json_open(&json, NULL, '{');
    clew__json_add_text(&json, "traceId", (clew_text){text, size});
    clew__json_open(&json, "paths", '[');
    for (uint32_t i = 0; i < path->root_count; i++) {
        const clew_path_root *root = &path->roots[i];
        clew__json_open(&json, NULL, '{');
        span_id(&json, "rootSpanId", trace, root->span);
        clew__json_add_uint64(&json, "durationNano", root->end_unix_nano - root->start_unix_nano);
        clew__json_open(&json, "segments", '[');
        for (uint32_t k = 0; k < root->segment_count; k++)
            segment_json(&json, trace, &path->segments[root->first_segment + k]);
        clew__json_close(&json, ']');
        clew__json_close(&json, '}');
    }
    clew__json_close(&json, ']');
    clew__json_add_uint64(&json, "asyncTailNano", path->async_tail);
    clew__json_repairs(&json, trace);
    clew__json_add_uint32(&json, "skewCorrectedSpans", clew_trace_skew_corrected(trace));
    clew__json_close(&json, '}');
    clew__json_end(&json);
}
