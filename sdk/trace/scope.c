/* Spans in contexts: what makes a span the parent of others, and scopes. */
#include "sdk/base/lock.h"
#include "sdk/context/context.h"
#include "sdk/trace/record.h"

#include <string.h>

/* What a span adds to a context; a tracestate comes with one reference that the caller gives back. */
static void read_span(clew_span span, const struct clew__context_data *base, struct clew__context_data *out) {
    memcpy(out->trace_id, span.trace_id, sizeof out->trace_id);
    memcpy(out->span_id, span.span_id, sizeof out->span_id);
    out->trace_flags = (uint8_t)(span.ref & (CLEW__REF_SAMPLED | CLEW__REF_RANDOM));
    out->is_remote = (span.ref & CLEW_REF_SILENT) != 0 && (span.ref & CLEW__REF_REMOTE) != 0;
    out->span_ref = span.ref;
    out->tracestate = NULL;
    out->unix_offset = 0;
    if (span.ref & CLEW_REF_SILENT) {
        /* A silent span hands its parent's tracestate on; the parent is what it is attached over. */
        if (memcmp(out->trace_id, base->trace_id, sizeof out->trace_id) == 0)
            out->tracestate = clew_tracestate_ref(base->tracestate);
        return;
    }
    clew__span_read_shared(span.ref, &out->tracestate, &out->unix_offset);
}

clew_span_context clew_span_get_context(clew_span span) {
    clew_span_context context;
    const clew_tracestate *tracestate = NULL;
    int64_t offset;
    memcpy(context.trace_id, span.trace_id, sizeof context.trace_id);
    memcpy(context.span_id, span.span_id, sizeof context.span_id);
    context.trace_flags = (uint8_t)(span.ref & (CLEW__REF_SAMPLED | CLEW__REF_RANDOM));
    context.is_remote = (span.ref & CLEW_REF_SILENT) != 0 && (span.ref & CLEW__REF_REMOTE) != 0;
    context.tracestate = NULL;
    if (span.ref && !(span.ref & CLEW_REF_SILENT)) {
        clew__span_read_shared(span.ref, &tracestate, &offset);
        context.tracestate = tracestate;
        clew_tracestate_unref(tracestate); /* the span's own reference keeps it until the end */
    }
    return context;
}

clew_context *clew_context_with_span(const clew_context *base, clew_span span) {
    struct clew__context_data data = *clew__context_data(base);
    clew_context *context;
    read_span(span, clew__context_data(base), &data);
    context = clew__context_new(&data);
    clew_tracestate_unref(data.tracestate);
    return context;
}

static clew_span span_of(const struct clew__context_data *data) {
    clew_span span = {.ref = data->span_ref};
    if (!data->span_ref)
        return span;
    memcpy(span.trace_id, data->trace_id, sizeof span.trace_id);
    memcpy(span.span_id, data->span_id, sizeof span.span_id);
    return span;
}

clew_span clew_context_span(const clew_context *context) {
    return context ? span_of(clew__context_data(context)) : clew_current_span();
}

clew_span clew_current_span(void) {
    clew_span none = {.ref = 0};
    struct clew__thread *thread = clew__thread_self();
    return thread ? span_of(clew__context_active(thread)) : none;
}

static clew_token attach(struct clew__thread *thread, clew_span span) {
    const struct clew__context_data *active = clew__context_active(thread);
    struct clew__context_data data = *active;
    clew_token token;
    read_span(span, active, &data);
    token = clew__context_push(thread, &data);
    clew_tracestate_unref(data.tracestate);
    return token;
}

clew_token clew_span_attach(clew_span span) {
    clew_token none = {0, 0};
    struct clew__thread *thread = clew__thread_self();
    return thread ? attach(thread, span) : none;
}

/* The token of a scope that attached nothing. */
#define NOTHING_ATTACHED UINT64_MAX

/* A span without ids in a process without contexts: attaching it would change nothing. */
static bool is_nothing(const clew_span *span) {
    static const uint8_t none[sizeof span->trace_id];
    return span->ref == CLEW_REF_SILENT &&
           !atomic_load_explicit(&clew__context_was_used, memory_order_relaxed) &&
           memcmp(span->trace_id, none, sizeof none) == 0;
}

clew_scope clew_scope_enter(clew_tracer *tracer, const char *name, const clew_span_options *options) {
    clew_scope scope;
    scope.span = clew_span_start(tracer, name, options);
    if (is_nothing(&scope.span)) {
        scope.token.thread = 0;
        scope.token.depth = NOTHING_ATTACHED;
    } else {
        scope.token = clew_span_attach(scope.span);
    }
    return scope;
}

void clew_scope_leave(clew_scope *scope) {
    if (scope->token.thread != 0 || scope->token.depth != NOTHING_ATTACHED)
        clew_context_detach(scope->token);
    clew_span_end(scope->span);
}
