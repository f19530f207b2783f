/* Tracers and spans (specification: Trace API).
 *
 * A clew_span is a small value, copied freely, with nothing to free. It stays safe for ever: operations on
 * the null span (all zero), on an ended span and on a handle whose storage serves another span by now do
 * nothing and are counted in clew_stats(). Span operations return nothing, never block on input or output,
 * leave errno alone, and may be called on any span from any thread, also from two at once. Arguments are
 * copied before a call returns.
 *
 * Cost of a recorded operation once warm: no allocation, no system call, no lock but the span's own word. */
#ifndef CLEW_TRACE_H
#define CLEW_TRACE_H

#include <clew/attribute.h>
#include <clew/common.h>
#include <clew/context.h>

CLEW_BEGIN_DECLS

/* ---- tracers ---- */

/** Makes spans and names their instrumentation scope. Lives as long as the process; never freed. */
typedef struct clew_tracer clew_tracer;

/** The tracer of the global provider for a scope (specification: TracerProvider, Get a Tracer). Equal
 * arguments give the same tracer. It may be obtained before an SDK is installed and follows whatever is
 * installed later. `name` should be the instrumenting library's; NULL or "" works and is logged once.
 * `version` and `schema_url` may be NULL. Any thread; takes a lock: obtain it once and keep it. Never NULL:
 * when memory runs out it is the default tracer. */
CLEW_API clew_tracer *clew_tracer_get(const char *name, const char *version, const char *schema_url,
                                      const clew_attribute *attributes, size_t attribute_count);

/** The tracer that NULL stands for: of the global provider, with an empty scope name. */
CLEW_API clew_tracer *clew_tracer_default(void);

/** Whether a span started now could be recorded at all: false without an SDK, without processors and after
 *  shutdown (specification: Tracer, Enabled). Call it before every span whose preparation is expensive; the
 * answer may change. `reserved` must be NULL. */
CLEW_API bool clew_tracer_enabled(const clew_tracer *tracer, const void *reserved);

/* ---- spans ---- */

/** A handle: its ids stay readable for ever. All zero is the null span. */
typedef struct clew_span {
    uint8_t trace_id[16];
    uint8_t span_id[8];
    uint64_t ref; /**< opaque; 0 is the null span */
} clew_span;

/** 0 in an option means CLEW_INTERNAL. The numbers are those of OTLP. */
typedef enum clew_span_kind {
    CLEW_INTERNAL = 1,
    CLEW_SERVER = 2,
    CLEW_CLIENT = 3,
    CLEW_PRODUCER = 4,
    CLEW_CONSUMER = 5,
} clew_span_kind;

/** How the operation went. The numbers are those of OTLP. */
typedef enum clew_status {
    CLEW_STATUS_UNSET = 0,
    CLEW_STATUS_OK = 1,
    CLEW_STATUS_ERROR = 2,
} clew_status;

/** A link to another span, with attributes of its own; borrowed by the call that takes it. */
typedef struct clew_link {
    clew_span_context context;
    const clew_attribute *attributes;
    size_t attribute_count;
} clew_link;

/** Starts a new trace, whatever is current or in the environment. */
#define CLEW_SPAN_ROOT 0x1u

/** Everything optional about a new span; all zero is the default. Attributes and links given here are better
 * than ones set later, for samplers see only these. */
typedef struct clew_span_options {
    uint32_t struct_size;       /**< sizeof, or 0 for the members of the first release */
    uint32_t flags;             /**< CLEW_SPAN_ROOT or 0 */
    clew_span_kind kind;        /**< 0: CLEW_INTERNAL */
    const clew_context *parent; /**< NULL: the thread's current context */
    const clew_attribute *attributes;
    size_t attribute_count;
    const clew_link *links;
    size_t link_count;
    uint64_t start_unix_nano; /**< ns since 1970; 0: now */
} clew_span_options;

/** Starts a span. `tracer` NULL: clew_tracer_default(); `name` NULL: ""; `options` NULL: defaults. It does
 * not become current: see clew_span_attach() and clew_scope_enter(). Without an SDK the result carries the
 * parent's span context and records nothing. When the memory budget is used up, the span is not recorded, and
 * counted. */
CLEW_API clew_span clew_span_start(clew_tracer *tracer, const char *name, const clew_span_options *options);

/** Its ids and flags, the same for the whole life of the span and after it. `tracestate` is borrowed and set
 * only until the span ends. */
CLEW_API clew_span_context clew_span_get_context(clew_span span);

/* The binary interface of the span operations; programs call the functions below. They take the `ref` of a
 * span, texts with their sizes, and do what the function of the same name promises. */
CLEW_API bool clew_abi_span_is_recording(uint64_t ref);
CLEW_API void clew_abi_span_set_string(uint64_t ref, const char *key, size_t key_size, const char *value,
                                       size_t size);
CLEW_API void clew_abi_span_set_bool(uint64_t ref, const char *key, size_t key_size, bool value);
CLEW_API void clew_abi_span_set_int(uint64_t ref, const char *key, size_t key_size, int64_t value);
CLEW_API void clew_abi_span_set_double(uint64_t ref, const char *key, size_t key_size, double value);
CLEW_API void clew_abi_span_set_value(uint64_t ref, const char *key, size_t key_size,
                                      const clew_value *value);
CLEW_API void clew_abi_span_set_attributes(uint64_t ref, const clew_attribute *attributes, size_t count);
CLEW_API void clew_abi_span_add_event(uint64_t ref, const char *name, size_t name_size,
                                      uint64_t time_unix_nano, const clew_attribute *attributes,
                                      size_t attribute_count);
CLEW_API void clew_abi_span_add_link(uint64_t ref, const clew_span_context *context,
                                     const clew_attribute *attributes, size_t attribute_count);
CLEW_API void clew_abi_wait_begin(uint64_t ref, const uint8_t target_span_id[8]);
CLEW_API void clew_abi_wait_end(uint64_t ref, const uint8_t target_span_id[8]);
CLEW_API void clew_abi_span_set_status(uint64_t ref, clew_status status, const char *description,
                                       size_t size);
CLEW_API void clew_abi_span_update_name(uint64_t ref, const char *name, size_t size);
CLEW_API void clew_abi_span_record_exception(uint64_t ref, const char *type, const char *message,
                                             const char *stacktrace, const clew_attribute *attributes,
                                             size_t attribute_count);
CLEW_API void clew_abi_span_set_error(uint64_t ref, const char *type, const char *message);
CLEW_API void clew_abi_span_set_error_format(uint64_t ref, const char *type, const char *format, ...)
    CLEW_PRINTF(3, 4);
CLEW_API void clew_abi_span_end(uint64_t ref, uint64_t end_unix_nano);

/* A span that is known not to record (not sampled, no SDK) says so in its handle, so that its operations cost
 * a test of a bit and no call. */
#define CLEW_REF_SILENT 0x08u
static inline bool clew_abi_speaks(uint64_t ref) {
    return (ref & CLEW_REF_SILENT) == 0;
}
static inline size_t clew_abi_size(const char *text) {
    return text ? strlen(text) : 0;
}

/** True from start to end of a span that is recorded, sampled or not. */
static inline bool clew_span_is_recording(clew_span span) {
    return clew_abi_speaks(span.ref) && clew_abi_span_is_recording(span.ref);
}

/* Attributes (specification: Set Attributes). A key set again replaces value and bytes of the old one; a NULL
 * or empty key is ignored and counted. Past the count limit of the span a new key is dropped and counted,
 * values are cut to the length limit; past the memory budget or the span's 4 MiB the attribute is dropped and
 * counted. */

/** Text up to its terminator; NULL records an empty value. */
static inline void clew_span_set_string(clew_span span, const char *key, const char *value) {
    if (!clew_abi_speaks(span.ref))
        return;
    clew_abi_span_set_string(span.ref, key, clew_abi_size(key), value, clew_abi_size(value));
}
/** `size` bytes of text, which need not be terminated and may hold zeros. */
static inline void clew_span_set_string_n(clew_span span, const char *key, const char *value, size_t size) {
    if (clew_abi_speaks(span.ref))
        clew_abi_span_set_string(span.ref, key, clew_abi_size(key), value, size);
}
/** True or false. */
static inline void clew_span_set_bool(clew_span span, const char *key, bool value) {
    if (clew_abi_speaks(span.ref))
        clew_abi_span_set_bool(span.ref, key, clew_abi_size(key), value);
}
/** A signed number of 64 bits. */
static inline void clew_span_set_int(clew_span span, const char *key, int64_t value) {
    if (clew_abi_speaks(span.ref))
        clew_abi_span_set_int(span.ref, key, clew_abi_size(key), value);
}
/** A floating-point number; NaN and the infinities are kept. */
static inline void clew_span_set_double(clew_span span, const char *key, double value) {
    if (clew_abi_speaks(span.ref))
        clew_abi_span_set_double(span.ref, key, clew_abi_size(key), value);
}
/** Bytes, arrays, maps, empty values, nested as deep as the depth limit (64). */
static inline void clew_span_set_value(clew_span span, const char *key, clew_value value) {
    if (clew_abi_speaks(span.ref))
        clew_abi_span_set_value(span.ref, key, clew_abi_size(key), &value);
}
/** Several at once, in order: the same as one by one, at less than half the cost. */
static inline void clew_span_set_attributes(clew_span span, const clew_attribute *attributes, size_t count) {
    if (clew_abi_speaks(span.ref))
        clew_abi_span_set_attributes(span.ref, attributes, count);
}
/** An unsigned number; one beyond int64 is recorded as decimal text (specification: Mapping to AnyValue). */
static inline void clew_span_set_unsigned(clew_span span, const char *key, uint64_t value) {
    if (clew_abi_speaks(span.ref))
        clew_span_set_value(span, key, clew_value_unsigned(value));
}

/** Adds an event at `time_unix_nano`, or now when that is 0 (specification: Add Events). Events stay in
 * order; past the event limit the new one is dropped and counted. */
static inline void clew_span_add_event(clew_span span, const char *name, const clew_attribute *attributes,
                                       size_t attribute_count, uint64_t time_unix_nano) {
    if (clew_abi_speaks(span.ref))
        clew_abi_span_add_event(span.ref, name, clew_abi_size(name), time_unix_nano, attributes,
                                attribute_count);
}

/** Links another span (specification: Add Link). A link whose ids are invalid is recorded only when it has
 *  attributes or a tracestate. */
static inline void clew_span_add_link(clew_span span, const clew_span_context *context,
                                      const clew_attribute *attributes, size_t attribute_count) {
    if (clew_abi_speaks(span.ref))
        clew_abi_span_add_link(span.ref, context, attributes, attribute_count);
}

/** Ok beats Error beats Unset, and Ok is final; the description counts for Error only (specification: Set
 * Status). */
static inline void clew_span_set_status(clew_span span, clew_status status, const char *description) {
    if (clew_abi_speaks(span.ref))
        clew_abi_span_set_status(span.ref, status, description, clew_abi_size(description));
}

/** Replaces the name; NULL is "" (specification: UpdateName). The sampler has decided by the old one. */
static inline void clew_span_update_name(clew_span span, const char *name) {
    if (clew_abi_speaks(span.ref))
        clew_abi_span_update_name(span.ref, name, clew_abi_size(name));
}

/** The event `exception` with `exception.type`, `.message` and `.stacktrace` (each may be NULL, not all of
 * type and message) and further attributes, which win over these (specification: Record Exception). Sets no
 * status. */
static inline void clew_span_record_exception(clew_span span, const char *type, const char *message,
                                              const char *stacktrace, const clew_attribute *attributes,
                                              size_t attribute_count) {
    if (clew_abi_speaks(span.ref))
        clew_abi_span_record_exception(span.ref, type, message, stacktrace, attributes, attribute_count);
}

/* Waits: what a span says about standing still, so that nobody who reads the trace has to guess it. Each is
 * one event, `clew.wait`, at the time of the begin, with the attributes `clew.wait.span_id` (16 hexadecimal
 * digits) and `clew.wait.duration_nano` (ns). Of the span that is waited for only the ids are read: it may
 * have ended already, be unsampled, or be that of another process (a clew_span that is zero but for the ids
 * of its span context). It should be of the same trace. A null `target` does nothing and is counted. */

/** From now on `span` waits for `target`. Several waits may be open at once, also for one target; who waits
 * until all of several are done begins all these waits first. Past the event limit a wait is dropped and
 * counted; likewise where limits leave an event fewer than two attributes, or texts fewer than 16 characters.
 */
static inline void clew_wait_begin(clew_span span, clew_span target) {
    if (clew_abi_speaks(span.ref))
        clew_abi_wait_begin(span.ref, target.span_id);
}
/** `span` goes on: ends its open wait for `target`, of several the one that began last. Without one it does
 * nothing and is counted. A wait that is never ended has the duration 0, which says: until the end of `span`.
 */
static inline void clew_wait_end(clew_span span, clew_span target) {
    if (clew_abi_speaks(span.ref))
        clew_abi_wait_end(span.ref, target.span_id);
}

/* Standard values of `error.type` that tell a timeout and a cancellation from other failures. */
#define CLEW_ERROR_TIMEOUT "timeout"
#define CLEW_ERROR_CANCELLED "cancelled"
#define CLEW_ERROR_OTHER "_OTHER"

/** The operation failed: status Error with the message as description, and the attribute `error.type`, a name
 * of few different values (semantic conventions: Recording errors). `type` NULL: "_OTHER"; `message` may be
 * NULL. */
static inline void clew_span_set_error(clew_span span, const char *type, const char *message) {
    if (clew_abi_speaks(span.ref))
        clew_abi_span_set_error(span.ref, type, message);
}

/** Ends the span now; its bytes go to the processors. Its children and contexts are not affected. The second
 * end of a span does nothing and is counted. No input or output, at most one wake-up of the worker a batch.
 */
static inline void clew_span_end(clew_span span) {
    if (clew_abi_speaks(span.ref))
        clew_abi_span_end(span.ref, 0);
}
/** Ends the span at a given time, in ns since 1970; 0 is now. */
static inline void clew_span_end_at(clew_span span, uint64_t end_unix_nano) {
    if (clew_abi_speaks(span.ref))
        clew_abi_span_end(span.ref, end_unix_nano);
}

/* ---- spans and contexts ---- */

/** A new context: `base` (NULL: empty) with this span as its span. NULL only when memory runs out. */
CLEW_API clew_context *clew_context_with_span(const clew_context *base, clew_span span);
/** The span of a context (NULL: the current one). The null span when there is none, or when the context
 * carries a remote span context only. */
CLEW_API clew_span clew_context_span(const clew_context *context);
/** The active span of the calling thread. */
CLEW_API clew_span clew_current_span(void);
/** Makes the span current on this thread: the parent of spans started until the detach. */
CLEW_API clew_token clew_span_attach(clew_span span);

/** A span that is current for as long as a block runs. */
typedef struct clew_scope {
    clew_span span;
    clew_token token;
} clew_scope;

/** Start and attach in one call. */
CLEW_API clew_scope clew_scope_enter(clew_tracer *tracer, const char *name, const clew_span_options *options);
/** Detach and end. Leaving twice is a counted no-op. */
CLEW_API void clew_scope_leave(clew_scope *scope);

CLEW_END_DECLS

#endif
