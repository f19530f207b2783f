/* Owns the propagators of the W3C: trace context (`traceparent`, `tracestate`) and baggage. They keep nothing
 * between calls; any thread. */
#include "sdk/context/baggage.h"
#include "sdk/context/propagators.h"
#include "sdk/context/tracestate.h"

#include <clew/extend.h>

/* ---- trace context ---- */

static int inject_tracecontext(const clew_propagator *self, const clew_context *context,
                               const clew_carrier *carrier) {
    clew_span_context span_context = clew_context_span_context(context);
    char traceparent[CLEW_TRACEPARENT_SIZE];
    int error;
    (void)self;
    if (!clew_span_context_is_valid(&span_context))
        return CLEW_OK;
    clew_traceparent_format(&span_context, traceparent);
    error = carrier->set(carrier->self, "traceparent", traceparent);
    if (error || !span_context.tracestate)
        return error;
    return carrier->set(carrier->self, "tracestate", clew_tracestate_text(span_context.tracestate).data);
}

struct traceparent_reader {
    clew_span_context span_context;
    unsigned values;
};

static void read_traceparent(void *arg, const char *value, size_t size) {
    struct traceparent_reader *reader = arg;
    if (reader->values++ == 0)
        clew_traceparent_parse(value, size, &reader->span_context);
}

static void read_tracestate(void *arg, const char *value, size_t size) {
    clew__tracestate_read(arg, value, size);
}

static clew_context *extract_tracecontext(const clew_propagator *self, const clew_context *base,
                                          const clew_carrier *carrier) {
    struct traceparent_reader parent = {.values = 0};
    struct clew__tracestate_reader state = {0};
    clew_tracestate *tracestate;
    clew_context *context;
    (void)self;
    carrier->get_all(carrier->self, "traceparent", read_traceparent, &parent);
    /* With two parents nobody knows which one is right (section 3.2.1): neither is. */
    if (parent.values != 1 || !clew_span_context_is_valid(&parent.span_context))
        return NULL;
    carrier->get_all(carrier->self, "tracestate", read_tracestate, &state);
    tracestate = clew__tracestate_finish(&state);
    parent.span_context.tracestate = tracestate;
    context = clew_context_with_span_context(base, &parent.span_context);
    clew_tracestate_unref(tracestate);
    return context;
}

static const char *const *tracecontext_fields(const clew_propagator *self) {
    static const char *const fields[] = {"traceparent", "tracestate", NULL};
    (void)self;
    return fields;
}

static const struct clew__propagator_kind tracecontext_kind = {inject_tracecontext, extract_tracecontext,
                                                               tracecontext_fields};
clew_propagator clew__propagator_tracecontext = {&tracecontext_kind, true};

clew_propagator *clew_propagator_tracecontext(void) {
    return &clew__propagator_tracecontext;
}

/* ---- baggage ---- */

static int inject_baggage(const clew_propagator *self, const clew_context *context,
                          const clew_carrier *carrier) {
    const clew_baggage *baggage = clew_context_baggage(context);
    char *text;
    int error = clew__baggage_format(baggage, &text);
    (void)self;
    if (!text)
        return error;
    error = carrier->set(carrier->self, "baggage", text);
    clew_memory_release(text);
    return error;
}

static void read_baggage(void *arg, const char *value, size_t size) {
    clew__baggage_read(arg, value, size);
}

static clew_context *extract_baggage(const clew_propagator *self, const clew_context *base,
                                     const clew_carrier *carrier) {
    struct clew__baggage_reader reader = {.count = 0};
    clew_baggage *baggage;
    clew_context *context;
    (void)self;
    carrier->get_all(carrier->self, "baggage", read_baggage, &reader);
    baggage = clew__baggage_finish(&reader);
    if (!baggage)
        return NULL;
    context = clew_context_with_baggage(base, baggage);
    clew_baggage_unref(baggage);
    return context;
}

static const char *const *baggage_fields(const clew_propagator *self) {
    static const char *const fields[] = {"baggage", NULL};
    (void)self;
    return fields;
}

static const struct clew__propagator_kind baggage_kind = {inject_baggage, extract_baggage, baggage_fields};
clew_propagator clew__propagator_baggage = {&baggage_kind, true};

clew_propagator *clew_propagator_baggage(void) {
    return &clew__propagator_baggage;
}
