/* Requests with malformed trace headers: the service starts a new trace, records, and passes nothing wrong
 * on. */
#include "test/tap.h"

#include <clew/clew.h>
#include <clew/testing.h>
#include <string.h>
#include <strings.h>

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN "b7ad6b7169203331"

struct request {
    const char *what, *traceparent, *tracestate;
    bool joins; /* the trace of the header */
};

static const struct request requests[] = {
    {"a good one", "00-" TRACE "-" SPAN "-01", "a=1", true},
    {"no headers", NULL, NULL, false},
    {"an empty traceparent", "", NULL, false},
    {"one cut short", "00-" TRACE "-" SPAN, NULL, false},
    {"one that goes on", "00-" TRACE "-" SPAN "-01-more", NULL, false},
    {"upper case", "00-0AF7651916CD43DD8448EB211C80319C-" SPAN "-01", NULL, false},
    {"digits that are none", "00-" TRACE "-b7ad6b716920333g-01", NULL, false},
    {"a trace id of zeros", "00-00000000000000000000000000000000-" SPAN "-01", NULL, false},
    {"a span id of zeros", "00-" TRACE "-0000000000000000-01", NULL, false},
    {"the version that is none", "ff-" TRACE "-" SPAN "-01", NULL, false},
    {"bytes that are no text", "\xff\xfe\x80", "\xff", false},
    {"a state without its parent", NULL, "a=1", false},
    {"a malformed state", "00-" TRACE "-" SPAN "-01", "no equals sign,=,\xff", true},
};

static void get_all(void *self, const char *name, void (*each)(void *arg, const char *value, size_t size),
                    void *arg) {
    const struct request *request = self;
    const char *value = strcasecmp(name, "traceparent") == 0  ? request->traceparent
                        : strcasecmp(name, "tracestate") == 0 ? request->tracestate
                                                              : NULL;
    if (value)
        each(arg, value, strlen(value));
}

static void serve(const struct request *request, clew_memory_exporter *memory) {
    static const uint8_t zeros[16] = {0};
    clew_carrier carrier = {.self = (void *)(uintptr_t)request, .get_all = get_all};
    clew_context *context = clew_extract(NULL, &carrier);
    clew_token token = clew_context_attach(context);
    clew_span_view view;
    clew_span_data data = {.kind = CLEW_INTERNAL};
    char trace[33] = "", parent[17] = "";
    bool joined, fresh;
    clew_context_unref(context);
    clew_span_end(clew_span_start(NULL, "serve", NULL));
    clew_context_detach(token);
    if (clew_memory_exporter_find(memory, "serve", &view))
        data = clew_span_view_data(&view);
    clew_trace_id_to_hex(data.trace_id, trace);
    clew_span_id_to_hex(data.parent_span_id, parent);
    joined = strcmp(trace, TRACE) == 0 && strcmp(parent, SPAN) == 0;
    fresh = memcmp(data.trace_id, zeros, 16) != 0 && strcmp(trace, TRACE) != 0 &&
            memcmp(data.parent_span_id, zeros, 8) == 0;
    tap_ok(clew_memory_exporter_count(memory) == 1 && (request->joins ? joined : fresh), "%s: %s",
           request->what, request->joins ? "joins the trace" : "starts a new trace");
    /* A tracestate belongs to its traceparent, and a malformed one goes no further. */
    tap_ok(data.tracestate.size == (request->joins && strcmp(request->tracestate, "a=1") == 0 ? 3u : 0u),
           "%s: with the right tracestate", request->what);
    clew_memory_exporter_clear(memory);
}

int main(void) {
    clew_memory_exporter *memory = clew_memory_exporter_new(0);
    clew_exporter exporter = clew_memory_exporter_as_exporter(memory);
    clew_options options = {.exporters = "none", .flags = CLEW_INIT_IGNORE_TRACEPARENT};
    clew_set_log_level(CLEW_LOG_ERROR);
    clew_init_with("headers", &options);
    clew_provider_add_simple(clew_provider_get_global(), &exporter);
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++)
        serve(&requests[i], memory);
    clew_shutdown(1000);
    clew_memory_exporter_free(memory);
    return tap_done();
}
