/* Samplers: decide at its start whether a span is recorded and exported (specification: Trace SDK, Sampling).
 */
#ifndef CLEW_SAMPLING_H
#define CLEW_SAMPLING_H

#include <clew/trace.h>

CLEW_BEGIN_DECLS

/** What becomes of a span. */
typedef enum clew_decision {
    CLEW_DROP = 0,
    CLEW_RECORD_ONLY = 1, /**< processors see it, exporters do not */
    CLEW_RECORD_AND_SAMPLE = 2,
} clew_decision;

/** What a sampler sees. Everything is borrowed for the call. */
typedef struct clew_sampling_parameters {
    uint32_t struct_size;
    clew_span_context parent; /**< all zero for a root */
    uint8_t trace_id[16];     /**< the parent's when it has one */
    const char *name;
    clew_span_kind kind;
    const clew_attribute *attributes;
    size_t attribute_count;
    const clew_link *links;
    size_t link_count;
} clew_sampling_parameters;

/** What a sampler answers. Filled with a DROP and the parent's tracestate before the call. */
typedef struct clew_sampling_result {
    clew_decision decision;
    const clew_attribute *attributes; /**< added to the span; must stay valid until the start returns */
    size_t attribute_count;
    const clew_tracestate *tracestate; /**< the span's; Clew takes a reference of its own */
} clew_sampling_result;

/** A sampler; immutable and counted, any thread. */
typedef struct clew_sampler clew_sampler;

/** A sampler of one's own. `should_sample` runs on every thread that starts spans, at once, and must be
 * quick. */
typedef struct clew_sampler_callbacks {
    uint32_t struct_size;
    void *self;
    void (*should_sample)(void *self, const clew_sampling_parameters *parameters,
                          clew_sampling_result *result);
    const char *description;
    void (*destroy)(void *self); /**< may be NULL; runs when the sampler goes */
} clew_sampler_callbacks;

/* These two are static: references to them are optional. */

/** Samples every span: "AlwaysOnSampler". */
CLEW_API clew_sampler *clew_sampler_always_on(void);
/** Drops every span: "AlwaysOffSampler". */
CLEW_API clew_sampler *clew_sampler_always_off(void);

/** Keeps the ratio of traces, decided by the low 8 bytes of the trace id, as Go, Java and Rust do; it does
 * not look at the parent. A ratio outside [0, 1], or not a number, is clamped (not a number: 1) and logged.
 * NULL when memory runs out. */
CLEW_API clew_sampler *clew_sampler_trace_id_ratio(double ratio);

/** The delegates of parent-based sampling. NULL members take the specification's defaults: always on for
 * sampled parents, always off for others. */
typedef struct clew_parent_based_options {
    uint32_t struct_size;
    clew_sampler *root; /**< NULL: always on */
    clew_sampler *remote_parent_sampled;
    clew_sampler *remote_parent_not_sampled;
    clew_sampler *local_parent_sampled;
    clew_sampler *local_parent_not_sampled;
} clew_parent_based_options;

/** Follows the parent, and asks `root` where there is none. Takes over the caller's references to the
 * delegates. */
CLEW_API clew_sampler *clew_sampler_parent_based(const clew_parent_based_options *options);
/** From callbacks, which are copied, the description too. NULL when memory runs out or `should_sample` is
 * missing. */
CLEW_API clew_sampler *clew_sampler_custom(const clew_sampler_callbacks *callbacks);

/** Samplers are counted; whoever takes one over (a provider, a parent-based sampler) unreferences it. */
CLEW_API clew_sampler *clew_sampler_ref(clew_sampler *sampler);
CLEW_API void clew_sampler_unref(clew_sampler *sampler);

/** As the specification words it, for example "ParentBased{root:AlwaysOnSampler,…}"; lives as long as the
 * sampler. */
CLEW_API const char *clew_sampler_description(const clew_sampler *sampler);

/** Asks a sampler; for samplers that are made of others. `result` is filled in whole. */
CLEW_API void clew_sampler_should_sample(clew_sampler *sampler, const clew_sampling_parameters *parameters,
                                         clew_sampling_result *result);

CLEW_END_DECLS

#endif
