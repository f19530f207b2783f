/* Providers and tracers inside the library.
 *
 * What a provider goes by is fixed when it is made; its list of pipelines is an immutable snapshot, replaced
 * as a whole. Providers, tracers and snapshots live as long as the process: whoever looks at one needs no
 * count and no lock. */
#ifndef CLEW_TRACE_PROVIDER_H
#define CLEW_TRACE_PROVIDER_H

#include <clew/diagnostics.h>
#include <clew/provider.h>
#include <clew/sampling.h>

#include "sdk/base/value.h"
#include "sdk/pipeline/simple.h"
#include "sdk/pipeline/stream.h"
#include "sdk/trace/slot.h"

#define CLEW__SAMPLING_RESULTS (CLEW_RECORD_AND_SAMPLE + 1)

enum clew__pipeline_kind { CLEW__PIPELINE_STREAM, CLEW__PIPELINE_SIMPLE, CLEW__PIPELINE_CUSTOM };

/* A custom processor with its books. */
struct clew__custom {
    clew_processor processor;
    uint32_t number;
    atomic_bool closed;
    atomic_uint running; /* calls into the processor: it is destroyed when there is none */
};

/* Around every call into a custom processor; false once it is closed. */
bool clew__custom_enter(struct clew__custom *custom);
void clew__custom_leave(struct clew__custom *custom);

struct clew__pipeline {
    enum clew__pipeline_kind kind;
    bool is_simple; /* added as a simple one, also when it is a stream */
    union {
        struct clew__stream *stream;
        struct clew__simple *simple;
        struct clew__custom *custom;
    } as;
};

struct clew__pipelines {
    size_t count;
    bool has_on_start, has_on_ending;
    struct clew__pipelines *replaced; /* the snapshot before this one */
    struct clew__pipeline list[CLEW_PIPELINES_MAX];
};

/* As clew_provider_add_batch(), with the ended spans in a crash file of that directory and size; what dead
 * processes left there is sent. */
int clew__provider_add_protected(struct clew_provider *provider, const clew_exporter *exporter,
                                 const clew_batch_options *options, const char *directory, uint64_t bytes);

/* The budget is used up: what waits in the queues goes at once. */
void clew__pipelines_ask_for_room(const struct clew__pipelines *pipelines);

struct clew_provider {
    _Atomic(const struct clew__pipelines *) pipelines; /* never NULL; empty after shutdown */
    const clew_sampler *sampler;
    clew_limits limits;
    struct clew__value_limits value_limits;
    clew_id_generator id_generator;        /* functions NULL: random */
    uint32_t number;                       /* of its accounts; the next one is its, too */
    bool shut_down;                        /* under the registry's lock */
    _Atomic uint64_t ended_uncounted;      /* ended on a thread that has no memory for an account */
    _Atomic(struct clew__task *) reporter; /* written once, under the registry's lock; NULL: none */
    const struct clew__pipelines *all;     /* what was in use at the shutdown, for the books */
    struct clew__origin origin;
    struct clew_provider *next;
};

struct clew_tracer {
    _Atomic(struct clew_provider *) provider; /* of the global ones it changes; NULL: no SDK */
    struct clew__scope scope;
    bool is_global;
    const struct clew_provider *owner; /* NULL for global ones */
    struct clew_tracer *next;
    /* The identity: encoded scope and schema URL are equal exactly when the four arguments are. */
    uint8_t *bytes;
    size_t size;
};

extern struct clew_tracer clew__default_tracer;

/* What a provider has counted. */
struct clew__span_counts {
    uint64_t started[CLEW__SAMPLING_RESULTS]
                    [CLEW__PARENT_ORIGINS]; /* by clew_decision: what became of them */
    uint64_t not_recorded_memory;           /* of those dropped: for want of memory */
    uint64_t ended;
    struct clew__open_spans open;
};

/* Any thread. Reads what ended before what started, so that it is never more. */
void clew__provider_count(const struct clew_provider *provider, struct clew__span_counts *out);

/* The pipelines that the books of a provider are about, also after its shutdown. Takes the registry's lock.
 */
const struct clew__pipelines *clew__provider_pipelines(const struct clew_provider *provider);

/* A task that is closed after the provider's pipelines, once they are shut down. CLEW_ESHUTDOWN when they
 * are, CLEW_EALREADY when there is one. */
int clew__provider_set_reporter(struct clew_provider *provider, struct clew__task *reporter);

/* A thread has counted its first span of a kind: who reports must come to know. */
void clew__provider_first_span(struct clew_provider *provider);

/* The books of one pipeline. Any thread. */
void clew__pipeline_stats(const struct clew__pipeline *pipeline, clew_pipeline_stats *out);

/* Points all global tracers to a provider, or to none. */
void clew__tracer_set_global_provider(struct clew_provider *provider);

/* In the child of a fork: the lock that another thread of the parent may have held. */
void clew__tracer_forked(void);

/* The provider that is global, or was it last; NULL when there was none. */
const struct clew_provider *clew__tracer_last_global_provider(void);

void clew__tracer_setup(void);

/* Operations on null spans and on ended ones, ever since the start, in a forked child since the fork. */
void clew__span_misuse(uint64_t *null_spans, uint64_t *stale_spans);
/* In the child of a fork, which starts new books. */
void clew__span_misuse_reset(void);

/* Once a process, before the first provider: hooks of the rooms. */
void clew__library_setup(void);

#endif
