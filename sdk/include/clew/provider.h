/* Tracer providers: sampler, limits, resource and processors under one roof (specification: Trace SDK, Tracer
 * Provider). Most programs have one, made by clew_init(); this header is for tests, embedders, and programs
 * that want no globals. Two providers share a process undisturbed. */
#ifndef CLEW_PROVIDER_H
#define CLEW_PROVIDER_H

#include <clew/pipeline.h>
#include <clew/resource.h>
#include <clew/sampling.h>

CLEW_BEGIN_DECLS

/** No limit, for any of the span limits but the depth. */
#define CLEW_UNLIMITED UINT32_MAX

/** Span limits (specification: Span Limits). Zero is a limit of zero: start from clew_limits_default(). */
typedef struct clew_limits {
    uint32_t struct_size;
    uint32_t attribute_count;        /**< 128 */
    uint32_t attribute_value_length; /**< characters of a string, bytes of bytes; CLEW_UNLIMITED */
    uint32_t attribute_value_depth;  /**< 64; 1 to 64 */
    uint32_t event_count;            /**< 128 */
    uint32_t link_count;             /**< 128 */
    uint32_t event_attribute_count;  /**< 128 */
    uint32_t link_attribute_count;   /**< 128 */
} clew_limits;
/** The specification's defaults. */
CLEW_API clew_limits clew_limits_default(void);

/** Makes ids. Both functions run on every thread that starts spans; neither may give an id of zeros. */
typedef struct clew_id_generator {
    uint32_t struct_size;
    void *self;
    void (*trace_id)(void *self, uint8_t trace_id[16]);
    void (*span_id)(void *self, uint8_t span_id[8]);
    bool random; /**< the low 56 bits of its trace ids are random: sets the W3C random flag */
} clew_id_generator;

/** What a provider is made of; all zero is the default. */
typedef struct clew_provider_options {
    uint32_t struct_size;                  /**< sizeof, or 0 for the members of the first release */
    clew_resource *resource;               /**< reference taken over; NULL: clew_resource_default(NULL) */
    clew_sampler *sampler;                 /**< reference taken over; NULL: parent-based, root always on */
    const clew_limits *limits;             /**< copied; NULL: clew_limits_default() */
    const clew_id_generator *id_generator; /**< copied; NULL: random */
} clew_provider_options;

/** Sampler, limits, ids, resource and pipelines; all but the pipelines are fixed. */
typedef struct clew_provider clew_provider;

/** A provider without processors. Providers live as long as the process, like tracers; after shutdown one
 * keeps about a kilobyte. A process can make 1000 of them. NULL beyond that and when memory runs out. Any
 * thread. */
CLEW_API clew_provider *clew_provider_new(const clew_provider_options *options);

/* Each adds a pipeline, also while spans are being made; order is the order of calls; at most 8. The provider
 * takes the exporter or processor over, also when it returns an error (then it is destroyed). Returns 0,
 * CLEW_EINVAL, CLEW_ENOMEM, CLEW_ELIMIT or CLEW_ESHUTDOWN. */

/** Batching (specification: Batching processor). NULL options: the defaults. */
CLEW_API int clew_provider_add_batch(clew_provider *provider, const clew_exporter *exporter,
                                     const clew_batch_options *options);
/** Each sampled span by itself: a local exporter runs inside the end of the span, any other on its own time
 * through a queue of batches of one, so that an end never waits for a network. */
CLEW_API int clew_provider_add_simple(clew_provider *provider, const clew_exporter *exporter);
/** A processor of one's own, copied. */
CLEW_API int clew_provider_add_processor(clew_provider *provider, const clew_processor *processor);

/** A tracer of this provider; otherwise as clew_tracer_get(). After shutdown a tracer that records nothing.
 */
CLEW_API clew_tracer *clew_provider_tracer(clew_provider *provider, const char *name, const char *version,
                                           const char *schema_url, const clew_attribute *attributes,
                                           size_t attribute_count);

/** Makes it the one behind clew_tracer_get() and all its tracers; NULL takes the global one away. */
CLEW_API void clew_provider_set_global(clew_provider *provider);
/** NULL when none is installed. */
CLEW_API clew_provider *clew_provider_get_global(void);

/** How a flush or a shutdown went, summed over the pipelines: what became of the spans that were waiting when
 * it was called, each counted once, whatever else ends or is flushed meanwhile. */
typedef struct clew_delivery {
    int status; /**< 0; CLEW_ETIMEDOUT; CLEW_EREJECTED when the receiver refused spans and nothing else went
                   wrong; CLEW_EIO when something failed; CLEW_ESHUTDOWN */
    uint64_t delivered; /**< spans; pipelines that export where a span ends have none waiting */
    uint64_t failed;    /**< refused, dropped or not sent in time; at the deadline of a flush also what is
                             still queued, which goes on its way afterwards */
    uint64_t unknown;   /**< sent, and no answer seen in time; after a flush also what is still being tried */
    uint64_t spooled;   /**< on disk, to be sent later: not lost, so no error */
} clew_delivery;

/** Exports what has ended before the call; spans that end later do not prolong it. Returns within the timeout
 * (plus what the scheduler takes, at most 50 ms), whatever the collector does. What is left goes on
 * afterwards. `timeout_ms` 0: starts it and returns. Any thread but Clew's own. */
CLEW_API clew_delivery clew_provider_flush(clew_provider *provider, uint32_t timeout_ms);

/** Flushes, then ends the provider's pipelines and frees what they hold; at the deadline what is under way is
 * cancelled and counted, and an exporter that does not come back is left behind, to be destroyed if it ever
 * does; so is one whose thread was given no processor in time. Nothing is pending afterwards. Spans that end
 * later are counted as dropped. The second call answers CLEW_ESHUTDOWN. */
CLEW_API clew_delivery clew_provider_shutdown(clew_provider *provider, uint32_t timeout_ms);

CLEW_END_DECLS

#endif
