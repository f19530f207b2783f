/* Span contexts, contexts and the current context of a thread (specification: Context; Trace API,
 * SpanContext).
 *
 * A clew_context is immutable and counted: every function that returns `clew_context *` gives its caller one
 * reference, to be returned with clew_context_unref(). Contexts are shared between threads freely. They hold
 * their span context by value, so a context stays a valid parent after its span has ended. All of this works
 * without an SDK. */
#ifndef CLEW_CONTEXT_H
#define CLEW_CONTEXT_H

#include <clew/attribute.h>
#include <clew/common.h>

CLEW_BEGIN_DECLS

/* ---- span contexts ---- */

/** A W3C tracestate, immutable and counted. NULL is the empty one everywhere. */
typedef struct clew_tracestate clew_tracestate;

#define CLEW_FLAG_SAMPLED 0x01u /**< W3C: the caller may have recorded the trace */
#define CLEW_FLAG_RANDOM 0x02u  /**< W3C Level 2: the low 56 bits of the trace id are random */

/** What identifies a span to others. Valid when both ids have a byte that is not zero. */
typedef struct clew_span_context {
    uint8_t trace_id[16];
    uint8_t span_id[8];
    uint8_t trace_flags;               /**< CLEW_FLAG_SAMPLED | CLEW_FLAG_RANDOM */
    bool is_remote;                    /**< extracted by a propagator, not made in this process */
    const clew_tracestate *tracestate; /**< borrowed from the span or context it was read from */
} clew_span_context;

/** Whether both ids have a byte that is not zero; false for NULL. */
CLEW_API bool clew_span_context_is_valid(const clew_span_context *context);

/** Hexadecimal text, 32 and 16 lower-case digits and a terminator. Any thread, no allocation, safe in a
 * signal handler. */
CLEW_API void clew_trace_id_to_hex(const uint8_t trace_id[16], char hex[33]);
CLEW_API void clew_span_id_to_hex(const uint8_t span_id[8], char hex[17]);

/** The inverse: exactly 32 (16) hexadecimal digits, of either case. CLEW_EFORMAT leaves the id zero. */
CLEW_API int clew_trace_id_from_hex(uint8_t trace_id[16], const char *hex);
CLEW_API int clew_span_id_from_hex(uint8_t span_id[8], const char *hex);

/* ---- tracestate (W3C Trace Context Level 2, section 3.3) ---- */

/** Parses the value of a `tracestate` header. NULL when the text is empty or breaks a rule (then all of it is
 *  discarded, as the W3C test suite asks). */
CLEW_API clew_tracestate *clew_tracestate_parse(const char *text, size_t size);
/** One more reference; returns its argument. Any thread. */
CLEW_API clew_tracestate *clew_tracestate_ref(const clew_tracestate *state);
/** Gives a reference back; the last one frees it. Any thread. */
CLEW_API void clew_tracestate_unref(const clew_tracestate *state);

/** The value of a key; `data` is NULL when absent. Lives as long as the state. */
CLEW_API clew_text clew_tracestate_get(const clew_tracestate *state, const char *key);

/** A new state with the member in front; the 33rd member, on the right, falls out. An invalid key or value
 * gives back the old state with one more reference, and CLEW_EINVAL in `*error` unless NULL. */
CLEW_API clew_tracestate *clew_tracestate_set(const clew_tracestate *state, const char *key,
                                              const char *value, int *error);
/** A new state without the key, or one more reference to the old one when it has no such key. NULL when
 * nothing is left. */
CLEW_API clew_tracestate *clew_tracestate_remove(const clew_tracestate *state, const char *key);

/** The header text, members separated by commas, terminated; lives as long as the state; "" for NULL. */
CLEW_API clew_text clew_tracestate_text(const clew_tracestate *state);

/* ---- contexts ---- */

/** A span context, baggage and values of the application; immutable and counted. */
typedef struct clew_context clew_context;

/** One reference to the calling thread's current context; never NULL. When memory runs out this is the empty
 *  context. Any thread; allocates once at most. */
CLEW_API clew_context *clew_context_current(void);

/** The empty context: no span, no baggage, no values. Static: reference and unreference are optional. */
CLEW_API clew_context *clew_context_empty(void);

/** One more reference; returns its argument. NULL is allowed and means the empty context. */
CLEW_API clew_context *clew_context_ref(const clew_context *context);
/** Gives a reference back. NULL is allowed. Any thread. */
CLEW_API void clew_context_unref(const clew_context *context);

/** A new context: `base` (NULL: empty) with this span context in place of its span. Carries a remote parent,
 * or any span context that is only to be passed on: it is the wrapping of a SpanContext as a non-recording
 * span (specification: Trace API, Wrapping a SpanContext in a Span). An invalid span context removes the
 * span. NULL only when memory runs out. */
CLEW_API clew_context *clew_context_with_span_context(const clew_context *base,
                                                      const clew_span_context *span_context);

/** The span context inside; all zero when there is none (NULL: the empty context). `tracestate` lives as long
 * as the context. */
CLEW_API clew_span_context clew_context_span_context(const clew_context *context);

/** The span context of the calling thread's current context. `tracestate` is valid until the next detach on
 * this thread. No allocation; safe in a signal handler. */
CLEW_API clew_span_context clew_current_span_context(void);

/* ---- keys and values of the application ---- */

/** A key, unique however often the same name is used; lives for ever. */
typedef struct clew_context_key {
    uint64_t id;
} clew_context_key;

/** Any thread. `name` is for debugging and may be NULL. */
CLEW_API clew_context_key clew_context_key_new(const char *name);

/** A new context with `value` under `key`. `destroy` (may be NULL) runs once, with the value, when the last
 * context that holds it goes, on whichever thread that happens; it must not call Clew. NULL when memory runs
 * out, in which case `destroy` is not called. */
CLEW_API clew_context *clew_context_with_value(const clew_context *base, clew_context_key key, void *value,
                                               void (*destroy)(void *value));
/** The value, or NULL (also for a NULL context). Lives as long as the context. */
CLEW_API void *clew_context_value(const clew_context *context, clew_context_key key);

/* ---- the current context of a thread ---- */

/** What detach needs. It carries thread and depth: used on another thread or twice it is a counted no-op. */
typedef struct clew_token {
    uint64_t thread;
    uint64_t depth;
} clew_token;

/** Makes the context current on this thread until the detach. Holds a reference meanwhile. Coroutines and
 * fibres that move between threads use clew_context_swap() instead. Does not allocate in the first 16 levels.
 */
CLEW_API clew_token clew_context_attach(const clew_context *context);

/** Ends that attach and all that came after it on this thread (so a longjmp over scopes repairs itself).
 * Returns 0, or CLEW_EINVAL for a token of another thread or one that is already detached: then nothing
 * happens, and clew_stats() counts it. */
CLEW_API int clew_context_detach(clew_token token);

/** Replaces the whole attach stack of the thread by one context and returns what was current: for schedulers
 * of coroutines and fibres, and for callbacks of an event loop. Tokens from before become stale. NULL: the
 * empty one. Never NULL. */
CLEW_NODISCARD CLEW_API clew_context *clew_context_swap(const clew_context *context);

CLEW_END_DECLS

#endif
