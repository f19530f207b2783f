/* What Clew says about itself: messages, books, memory. */
#ifndef CLEW_DIAGNOSTICS_H
#define CLEW_DIAGNOSTICS_H

#include <clew/common.h>

CLEW_BEGIN_DECLS

/* ---- messages ---- */

/** How grave a message is; a level includes those above it. */
typedef enum clew_log_level {
    CLEW_LOG_NONE = 0,
    CLEW_LOG_ERROR = 1,
    CLEW_LOG_WARN = 2,
    CLEW_LOG_INFO = 3,
    CLEW_LOG_DEBUG = 4,
} clew_log_level;

/** Gets every message up to the level. `message` is terminated, without line end, and valid for the call,
 * which may come from any thread, several at once; it must not call Clew. */
typedef void (*clew_log_callback)(void *user, clew_log_level level, const char *message);

/** Messages of one reason come at most once in ten seconds, the next one saying how many were left out. NULL
 * restores the default: stderr, one write(2) a line. Any thread; before clew_init() to see its messages too.
 */
CLEW_API void clew_set_log_callback(clew_log_callback callback, void *user);

/** The equivalent of OTEL_LOG_LEVEL, which it beats; the default is CLEW_LOG_INFO. */
CLEW_API void clew_set_log_level(clew_log_level level);

/* ---- memory ---- */

/** Where all memory of Clew comes from, that of libcurl, OpenSSL, SQLite, libzstd and the C library's own
 * excepted. Sizes in bytes; results are aligned as malloc's; any thread. */
typedef struct clew_allocator {
    void *(*allocate)(void *user, size_t size);
    void *(*reallocate)(void *user, void *block, size_t size);
    void (*release)(void *user, void *block);
    void *user;
} clew_allocator;

/** Only before anything else of Clew is used: otherwise CLEW_EALREADY. NULL restores malloc, and mmap for
 * large blocks. */
CLEW_API int clew_set_allocator(const clew_allocator *allocator);

/** Bound on what open spans, queues and requests take together, in bytes; charged when it is obtained. The
 * equivalent of CLEW_MEMORY_LIMIT; 64 MiB by default; at least 1 MiB. */
CLEW_API int clew_set_memory_limit(uint64_t bytes);

/* ---- books ---- */

/** The pipelines that a provider can have. */
#define CLEW_PIPELINES_MAX 8

/** What an exporter keeps on disk, in spans since the start; all zero without a spool. stored + adopted =
 * waiting + the fates. */
typedef struct clew_spool_stats {
    uint64_t stored;          /**< written by this process */
    uint64_t adopted;         /**< found: left behind by a process that is gone */
    uint64_t waiting;         /**< on disk now */
    uint64_t delivered;       /**< fate */
    uint64_t rejected;        /**< fate: the receiver took the request and refused them */
    uint64_t refused;         /**< fate: answered with an error that must not be retried */
    uint64_t dropped_quota;   /**< fate: the oldest gave way to newer ones */
    uint64_t dropped_corrupt; /**< fate: unreadable on disk, as many as are known of; and what is left
                                 there for the next start because the program has closed its file */
    uint64_t resent;          /**< not a fate: sent again although an earlier try may have arrived */
    uint64_t not_stored;      /**< not a fate: spans that the disk did not take; in the pipeline's `failed` or
                                 `unknown`, unless they could be sent after all */
    uint64_t bytes, quota;    /**< on disk */
} clew_spool_stats;

/** The books of one pipeline: offered = pending + the sum of the fates, exactly when no call is running, and
 * never less than the fates at any other time. In spans, ever since the start (in a forked child: since the
 * fork). */
typedef struct clew_pipeline_stats {
    const char *name;            /**< of the exporter or processor */
    uint64_t offered;            /**< ended and recorded */
    uint64_t pending;            /**< in the queue or under way */
    uint64_t exported;           /**< fate: the receiver has it */
    uint64_t rejected;           /**< fate: the receiver refused it */
    uint64_t failed;             /**< fate: could not be delivered; the sum of failed_by */
    uint64_t unknown;            /**< fate: sent, no answer seen */
    uint64_t spooled;            /**< fate: written to disk; what becomes of it there is in `spool` */
    uint64_t not_sampled;        /**< fate: recorded but not sampled, so not for exporters */
    uint64_t dropped_queue_full; /**< fate */
    uint64_t dropped_memory;     /**< fate: over the byte budget */
    uint64_t dropped_shutdown;   /**< fate: ended or still waiting when the pipeline was shut down */
    uint64_t recovered;          /**< of `offered`: found in the crash mapping of a dead process */
    uint64_t failed_by[8];       /**< `failed` by reason; indexed by clew_export_failure */
    clew_spool_stats spool;
} clew_pipeline_stats;

/** The books of a provider and of the process. */
typedef struct clew_stats_data {
    /* The provider: started = open + ended. */
    uint64_t started; /**< recorded spans */
    uint64_t ended;
    uint64_t open;                /**< counted from the spans themselves */
    uint64_t not_recorded;        /**< started spans that the sampler dropped */
    uint64_t not_recorded_memory; /**< started spans for which there was no memory */
    uint64_t dropped_attributes, dropped_events, dropped_links; /**< by limits and budget */

    /* The process: calls that did nothing. */
    uint64_t null_spans;  /**< operations on the null span */
    uint64_t stale_spans; /**< operations on ended spans, and ends of waits that are not open */
    uint64_t bad_tokens;  /**< detach of a foreign or stale token */
    uint64_t reentrant;   /**< calls from a signal handler that interrupted Clew, or from a raw clone */

    uint64_t memory_used; /**< charged to the budget, bytes */
    uint64_t memory_limit;

    size_t pipeline_count;
    clew_pipeline_stats pipelines[CLEW_PIPELINES_MAX];
} clew_stats_data;

struct clew_provider;

/** The books of a provider (NULL: the global one, or the last that was it) and of the process. Any thread;
 * takes a lock; does not disturb recording. */
CLEW_API void clew_stats_of(const struct clew_provider *provider, clew_stats_data *out);

/** The books of the global provider; after a shutdown, of the one that was shut down. */
CLEW_API clew_stats_data clew_stats(void);

CLEW_END_DECLS

#endif
