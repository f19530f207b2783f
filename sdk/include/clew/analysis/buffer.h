/* The trace buffer: spans go in as they come, from anywhere and in any order; whole traces come out.
 *
 * Pure: time comes in as an argument, so that tests and files need no clock. One thread at a time; the
 * processor (clew_trace_buffer_processor) takes a lock of its own. No global state; any number of buffers. */
#ifndef CLEW_ANALYSIS_BUFFER_H
#define CLEW_ANALYSIS_BUFFER_H

#include <clew/analysis/trace.h>
#include <clew/pipeline.h>

CLEW_BEGIN_DECLS

typedef struct clew_trace_buffer clew_trace_buffer;

/** How clocks of hosts are brought together. */
typedef enum clew_skew {
    CLEW_SKEW_FLEET = 0, /**< one offset a host, learned over all traces of the buffer */
    CLEW_SKEW_OFF,       /**< times as recorded */
    CLEW_SKEW_TRACE,     /**< within each trace, span by span, as Jaeger's adjuster does */
} clew_skew;

/** Why a trace was taken for complete. */
#define CLEW_COMPLETIONS(X)                                                                                  \
    X(CLEW_COMPLETE_OPEN_ZERO, "allEnded") /* every span that was started has ended */                       \
    X(CLEW_COMPLETE_QUIET, "quiet")        /* the root ended, no parent is missing, quiet for a while */     \
    X(CLEW_COMPLETE_IDLE, "idle")          /* nothing came for `max_idle_ms` */                              \
    X(CLEW_COMPLETE_LIVE, "maxLive")       /* older than `max_live_ms` */                                    \
    X(CLEW_COMPLETE_LIMIT, "limit")        /* more spans than a trace may have */                            \
    X(CLEW_COMPLETE_MEMORY, "memory")      /* made room for others */                                        \
    X(CLEW_COMPLETE_FLUSH, "flush")        /* the caller said that no more will come */

typedef enum clew_completion {
#define CLEW_COMPLETION_VALUE(name, text) name,
    CLEW_COMPLETIONS(CLEW_COMPLETION_VALUE)
#undef CLEW_COMPLETION_VALUE
        CLEW_COMPLETION_COUNT
} clew_completion;

CLEW_API const char *clew_completion_name(clew_completion completion);

/** Options; of every member 0 is the default. */
typedef struct clew_trace_buffer_options {
    uint32_t struct_size;
    uint64_t memory_limit;   /**< bytes of all that is held, never exceeded; 64 MiB. What a call needs for
                                itself, to normalise a trace or to sort, comes on top while it runs */
    uint32_t span_limit;     /**< of one trace; 100 000; what comes beyond is counted, not kept */
    uint32_t grace_min_ms;   /**< bounds of the quiet time, which is four times the 99th percentile of the */
    uint32_t grace_max_ms;   /**< time between spans of a trace; 100 and 2000 */
    uint32_t max_idle_ms;    /**< 5000 */
    uint32_t max_live_ms;    /**< 300 000 */
    uint32_t decision_count; /**< how many ids of traces that left are remembered, for late spans; 65 536 */
    clew_skew skew;
    uint64_t skew_max_nano; /**< larger corrections are not made (CLEW_SKEW_TRACE); 0: no bound */
    /** Called when a trace becomes complete, once, and again when late spans came while it was still held
     * (`is_late`); the trace is valid for the call. May be NULL. */
    void (*on_complete)(void *user, const clew_trace *trace, clew_completion reason, bool is_late);
    /** Called when a complete trace leaves to make room; may be NULL. Neither callback may change the buffer.
     */
    void (*on_leave)(void *user, const clew_trace *trace);
    void *user;
} clew_trace_buffer_options;

/** What went in and what became of it. spans_in = held + left + every drop. */
typedef struct clew_trace_buffer_stats {
    uint64_t spans_in;
    uint64_t spans_held;
    uint64_t spans_left;          /**< with their complete trace */
    uint64_t dropped_trace_limit; /**< beyond `span_limit` */
    uint64_t dropped_late;        /**< came after their trace had left */
    uint64_t dropped_memory;      /**< no room, or an allocation failed */
    uint64_t dropped_malformed;   /**< no trace id or no span id */
    uint64_t dropped_busy;        /**< ended inside a callback of the buffer */
    uint64_t late_spans;          /**< came after their trace was complete, and were added */
    uint64_t traces_held;
    uint64_t traces_complete[CLEW_COMPLETION_COUNT]; /**< by reason */
    uint64_t bytes_used;
} clew_trace_buffer_stats;

/** NULL options: the defaults. NULL when memory runs out. */
CLEW_API clew_trace_buffer *clew_trace_buffer_new(const clew_trace_buffer_options *options);
/** NULL is allowed. Calls `on_leave` for nothing. */
CLEW_API void clew_trace_buffer_free(clew_trace_buffer *buffer);

/** Adds all spans of an OTLP request (a TracesData message, checked here). `now_nano` never goes back: what
 * is earlier counts as the latest seen. 0, CLEW_EFORMAT when the bytes are malformed (nothing was added), or
 * CLEW_ENOMEM (some were dropped, and counted). */
CLEW_API int clew_trace_buffer_add(clew_trace_buffer *buffer, clew_bytes traces, uint64_t now_nano);
/** Adds one span. */
CLEW_API int clew_trace_buffer_add_span(clew_trace_buffer *buffer, const clew_span_view *span,
                                        uint64_t now_nano);
/** A span was started, or will be by somebody who was given the context: the trace is not complete before as
 * many spans came. Optional evidence. */
CLEW_API void clew_trace_buffer_expect(clew_trace_buffer *buffer, const uint8_t trace_id[16],
                                       uint64_t now_nano);
/** Completes what time completes. Returns when to call again (UINT64_MAX: no need). */
CLEW_API uint64_t clew_trace_buffer_tick(clew_trace_buffer *buffer, uint64_t now_nano);
/** No more will come: completes every trace, in order of start, then id. They stay to be looked up. */
CLEW_API void clew_trace_buffer_flush(clew_trace_buffer *buffer);

/** The trace of that id, complete or provisional (with what has come so far); NULL when it is not there.
 * Valid until the buffer is next changed. */
CLEW_API const clew_trace *clew_trace_buffer_find(clew_trace_buffer *buffer, const uint8_t trace_id[16]);
/** The traces that are held, in order of start, then id: pass NULL for the first, then the last one returned.
 * NULL at the end, or when memory runs out. Normalises and corrects clocks as needed. */
CLEW_API const clew_trace *clew_trace_buffer_next(clew_trace_buffer *buffer, const clew_trace *after);
CLEW_API clew_trace_buffer_stats clew_trace_buffer_get_stats(const clew_trace_buffer *buffer);

/** A learned clock offset between two hosts: add `offset_nano` to times of `host` to have those of
 * `reference`. */
typedef struct clew_clock_offset {
    clew_text reference, host;
    int64_t low_nano, high_nano; /**< every call seen between the two fits when the offset is in here */
    int64_t offset_nano;  /**< what is applied; 0 where 0 is in the interval, and no other pair objects */
    uint64_t edges;       /**< calls seen */
    bool is_contradicted; /**< no one offset fits all calls: drift; low confidence */
} clew_clock_offset;

/** The offsets learned so far between pairs of hosts that call each other, ordered by reference, then host;
 * `*count` of them. Valid until the buffer is next changed. */
CLEW_API const clew_clock_offset *clew_trace_buffer_offsets(clew_trace_buffer *buffer, size_t *count);

/** A processor for clew_provider_add_processor() that puts every span of this process that ends into the
 * buffer, and every start as expected: so a trace is complete with its last open span. The callbacks of the
 * buffer then run on the thread that ends that span; spans that end inside one are counted (dropped_busy).
 * Takes a lock of the buffer; meanwhile use it only between clew_trace_buffer_lock() and _unlock(), of which
 * a thread may hold several. Time that passes is still told by clew_trace_buffer_tick(). The buffer must
 * outlive the provider's shutdown. The child of a fork has a copy; if another thread was changing the buffer
 * at that moment, an empty one. */
CLEW_API clew_processor clew_trace_buffer_processor(clew_trace_buffer *buffer);
CLEW_API void clew_trace_buffer_lock(clew_trace_buffer *buffer);
CLEW_API void clew_trace_buffer_unlock(clew_trace_buffer *buffer);

CLEW_END_DECLS

#endif
