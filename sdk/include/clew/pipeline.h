/* Processors and exporters: the way of a span after its end (specification: Trace SDK, Span processor and
 * exporter).
 *
 * Every processor that is added to a provider is a pipeline of its own, with its own books: each span offered
 * to it meets exactly one fate. */
#ifndef CLEW_PIPELINE_H
#define CLEW_PIPELINE_H

#include <clew/diagnostics.h>
#include <clew/view.h>

CLEW_BEGIN_DECLS

/* ---- batches ---- */

/** What an exporter is given: at least one span, immutable, valid until the exporter has answered. */
typedef struct clew_batch clew_batch;

/** The number of spans. */
CLEW_API size_t clew_batch_count(const clew_batch *batch);
/** The whole batch as the bytes of an ExportTraceServiceRequest, which are also those of a TracesData. */
CLEW_API clew_bytes clew_batch_request(const clew_batch *batch);

/** Where a walk over spans stands. Nothing to free; valid as long as the batch. */
typedef struct clew_batch_cursor {
    clew_bytes resources, scopes, spans;
    clew_span_view current;
} clew_batch_cursor;

/** Starts at the front of a batch, or of any OTLP request in memory; malformed parts are passed over. */
CLEW_API clew_batch_cursor clew_batch_begin(const clew_batch *batch);
CLEW_API clew_batch_cursor clew_request_begin(clew_bytes request);
/** The next span into `out`, or false at the end. */
CLEW_API bool clew_batch_next(clew_batch_cursor *cursor, clew_span_view *out);

/* ---- exporters ---- */

/** How it went for a whole batch. */
typedef enum clew_export_outcome {
    CLEW_EXPORT_DELIVERED = 0, /**< the receiver has answered that it has them, but for those that the report
                                  counts otherwise */
    CLEW_EXPORT_FAILED = 1,    /**< it has none of them */
    CLEW_EXPORT_UNKNOWN = 2,   /**< sent, and no answer seen */
    CLEW_EXPORT_PENDING = 3,   /**< under way; only from `start` and `step` */
} clew_export_outcome;

/** Why spans failed, for the books. */
typedef enum clew_export_failure {
    CLEW_FAILURE_OTHER = 0,
    CLEW_FAILURE_REFUSED,     /**< the receiver answered with an error that must not be retried */
    CLEW_FAILURE_UNREACHABLE, /**< no connection, or only retryable errors, until the time or tries were over
                               */
    CLEW_FAILURE_TOO_LARGE,   /**< a single span beyond the limit of requests, ours or the receiver's */
    CLEW_FAILURE_MEMORY,      /**< no memory to encode, compress or send */
    CLEW_FAILURE_CANCELLED,   /**< given up by a shutdown or at the batch's deadline before it was sent */
    CLEW_FAILURES             /**< how many there are */
} clew_export_failure;

/** What an exporter says beside the outcome. Zeroed before the call, but for `status`. With
 * CLEW_EXPORT_DELIVERED the counts say which spans of the batch were not: a batch may be sent in several
 * requests. With another outcome they are not looked at. */
typedef struct clew_export_report {
    uint64_t rejected;           /**< refused by the receiver out of a request that it took */
    char reason[160];            /**< why it failed; terminated; no secrets */
    uint64_t failed;             /**< for `failure` */
    uint64_t unknown;            /**< sent, and no answer seen */
    uint64_t spooled;            /**< written to disk, to be sent later */
    clew_export_failure failure; /**< why spans failed; also with CLEW_EXPORT_FAILED */
    int32_t status; /**< of the last answer: HTTP status, or status code of gRPC; -1: there was none */
} clew_export_report;

/** A descriptor that an exporter waits for; `events` and `revents` as those of poll(2). */
typedef struct clew_poll {
    int fd;
    short events;
    short revents;
} clew_poll;

/** The exporter never waits (memory, file, terminal): it may run on the thread that ends the span. */
#define CLEW_EXPORTER_LOCAL 0x1u

/** An exporter: a table of functions over `self`. One of two forms:
 *
 *  - `export_batch` alone: may block. It runs on a thread of its own (with CLEW_EXPORTER_LOCAL: on Clew's
 * worker or on the ending thread), one call at a time, and delays no other exporter.
 *  - `start`, `wait`, `step`, `cancel`: a state machine on Clew's one worker thread; it must never block.
 *
 *  Spans that its work would create are suppressed. Time is clew_monotonic_nano(). */
typedef struct clew_exporter {
    uint32_t struct_size; /**< sizeof, or 0 for the members of the first release */
    uint32_t flags;
    const char *name; /**< for messages and books: "otlp_http_span_exporter"; lives as long as the exporter */
    void *self;

    /** Exports within `timeout_ms` (0: no limit) and says how it went. After that time the spans count as
     * unknown, and the next batch waits until this call returns. */
    clew_export_outcome (*export_batch)(void *self, const clew_batch *batch, uint32_t timeout_ms,
                                        clew_export_report *report);

    /** Begins with a batch, which stays valid until an outcome or cancel. `deadline_nano`: UINT64_MAX is
     * none. */
    clew_export_outcome (*start)(void *self, const clew_batch *batch, uint64_t deadline_nano,
                                 clew_export_report *report);
    /** What to wait for: fills up to `capacity` descriptors, returns their number, and sets `*wake_nano` to
     * the time when `step` must run at the latest (UINT64_MAX: never). */
    size_t (*wait)(void *self, clew_poll *descriptors, size_t capacity, uint64_t *wake_nano);
    /** Goes on with what is ready. The deadline is the exporter's to keep. */
    clew_export_outcome (*step)(void *self, const clew_poll *descriptors, size_t count, uint64_t now_nano,
                                clew_export_report *report);
    /** Gives the batch up at once. Returns UNKNOWN when some of it may have arrived, else FAILED. */
    clew_export_outcome (*cancel)(void *self);

    /** May be NULL: writes out what the exporter itself buffers, within the time. Runs on the thread that
     * flushes, after the spans that were waiting, possibly beside an export of later ones. Returns 0 or an
     * error. */
    int (*flush)(void *self, uint32_t timeout_ms);
    /** May be NULL: called in a forked child before anything else; forgets the parent's connections without a
     * word on them. Must not allocate. */
    void (*forked)(void *self);
    /** May be NULL: the last call; frees `self`. Never while an export runs. */
    void (*destroy)(void *self);
    /** May be NULL: what waits on disk and what became of it. Any thread. */
    void (*spool_stats)(void *self, clew_spool_stats *out);
    /** May be NULL: the batch under way has less time than `start` said, because its pipeline closes. On the
     * worker. */
    void (*hasten)(void *self, uint64_t deadline_nano);

    /** May be NULL and 0: where it sends to, for metrics. Copied when the exporter is taken over. */
    const char *server_address;
    uint16_t server_port;
} clew_exporter;

/** Nanoseconds of the monotonic clock that deadlines are given in. */
CLEW_API uint64_t clew_monotonic_nano(void);

/** Readable lines on a stream of stdio, for debugging: 1 stdout, 2 stderr. */
CLEW_API clew_exporter clew_exporter_console(int descriptor);

/** OTLP as JSON lines (specification: OTLP File Exporter): appends to the file, one write a line, so that
 * several processes can share it; "-" or NULL is stdout. The file is created when missing (mode 0600); one
 * that cannot be opened gives CLEW_EIO with the reason logged. On success `*out` is filled and owns the
 * descriptor. */
CLEW_API int clew_exporter_otlp_file(const char *path, clew_exporter *out);

/* ---- processors ---- */

/** Which spans give way when a queue is full. Either way they are counted as dropped_queue_full, or as
 * dropped_memory when it is bytes that are used up. */
typedef enum clew_on_full {
    CLEW_DROP_NEWEST = 0,
    CLEW_DROP_OLDEST = 1, /**< those that have waited longest and that no export has taken yet */
} clew_on_full;

/** Parameters of the batching processor, by the specification, and a bound in bytes. Start from
 * clew_batch_options_default(): zeros are values here. A size of 0 gives way to the default and a batch
 * larger than the queue is cut to it; both are logged. */
typedef struct clew_batch_options {
    uint32_t struct_size;
    uint32_t max_queue_size;        /**< spans; 2048; at least 1 */
    uint32_t schedule_delay_ms;     /**< 5000 */
    uint32_t export_timeout_ms;     /**< 30000; 0: no limit */
    uint32_t max_export_batch_size; /**< spans; 512; 1 to max_queue_size */
    uint64_t max_queue_bytes;       /**< 0: bounded by the process's memory budget alone */
    clew_on_full on_full;           /**< the specification's: CLEW_DROP_NEWEST */
} clew_batch_options;

/** The specification's defaults (Batching processor). */
CLEW_API clew_batch_options clew_batch_options_default(void);

/** A processor of one's own. Every function may be NULL. They run on the threads that start and end spans,
 * several at once, and must not block. */
typedef struct clew_processor {
    uint32_t struct_size;
    void *self;
    /** The span has started; operations on it work. `parent` is all zero for a root. */
    void (*on_start)(void *self, clew_span span, const clew_span_context *parent);
    /** The span is about to end: its end time is set, operations on it work inside this call only, and no
     * other thread can change it (specification: OnEnding). */
    void (*on_ending)(void *self, clew_span span);
    /** The span has ended. The view is valid for the call. */
    void (*on_end)(void *self, const clew_span_view *span);
    int (*flush)(void *self, uint32_t timeout_ms);
    int (*shutdown)(void *self, uint32_t timeout_ms);
    void (*destroy)(void *self);
} clew_processor;

CLEW_END_DECLS

#endif
