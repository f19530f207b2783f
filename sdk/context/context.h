/* Contexts inside the library: what one holds, and the attach stack of a thread. */
#ifndef CLEW_CONTEXT_CONTEXT_H
#define CLEW_CONTEXT_CONTEXT_H

#include <clew/baggage.h>
#include <clew/context.h>

#include "sdk/base/thread.h"

struct clew__context_value; /* a list of keys and values, shared and counted */

/* A context by value. Who keeps one holds a reference to each of the three pointers (NULL: none). */
struct clew__context_data {
    uint8_t trace_id[16];
    uint8_t span_id[8];
    uint8_t trace_flags;
    bool is_remote;
    uint64_t span_ref;   /* clew_span.ref of the span, 0 when there is only its span context */
    int64_t unix_offset; /* real time minus monotonic time as the local root saw it; 0: not known */
    const clew_tracestate *tracestate;
    const clew_baggage *baggage;
    const struct clew__context_value *values;
};

static inline bool clew__context_has_span_context(const struct clew__context_data *data) {
    uint64_t trace[2], span;
    __builtin_memcpy(trace, data->trace_id, sizeof trace);
    __builtin_memcpy(&span, data->span_id, sizeof span);
    return (trace[0] | trace[1]) != 0 && span != 0;
}

/* What a context holds; NULL reads as the empty context. Valid as long as the context. */
const struct clew__context_data *clew__context_data(const clew_context *context);

/* A new context with the references of `data` taken anew; the static empty one when there is nothing in it.
 * NULL when memory runs out. */
clew_context *clew__context_new(const struct clew__context_data *data);

/* Whether a context was ever made current in this process: until then there is no parent to look for. */
extern atomic_bool clew__context_was_used;

/* The thread's current context: the top of its stack, or the process's base (also for NULL). Never NULL;
 * valid until the next attach or detach on the thread. No allocation; safe in a signal handler. */
const struct clew__context_data *clew__context_active(const struct clew__thread *thread);

/* Pushes a context; takes references of its own, but none to what the entry below has too: it outlives this
 * one. The first push makes room for 16 levels, then the stack doubles, to 65536; when it cannot, and when a
 * signal handler interrupted a push, the token is one that detach refuses. Preserves errno. */
clew_token clew__context_push(struct clew__thread *thread, const struct clew__context_data *data);

/* The process's base context: the parent of every root span (from TRACEPARENT and its kin); NULL takes it
 * away. Never freed once set, for threads may look at it. */
void clew__context_set_process_base(const clew_context *context);
/* Never NULL: the empty context when there is no base. */
const struct clew__context_data *clew__context_process_base(void);

/* Detaches that were refused (clew_stats_data.bad_tokens). */
uint64_t clew__context_bad_tokens(void);

/* Registers the room's hooks (thread exit, fork). The first attach of the process does it too; once is
 * enough, more does no harm. */
void clew__context_setup(void);

#endif
