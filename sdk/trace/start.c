/* Starts spans: parent, ids, sampling, the slot. Application threads; no lock, no allocation once warm. */
#include "proto/otlp.h"
#include "sdk/base/callback.h"
#include "sdk/base/clock.h"
#include "sdk/base/random.h"
#include "sdk/base/struct_size.h"
#include "sdk/context/context.h"
#include "sdk/sampling/sampler.h"
#include "sdk/trace/record.h"

#include <errno.h>
#include <string.h>

/* How old a thread's reading of real time may be when a local root begins: a root costs one clock read, not
 * two. */
#define OFFSET_AGE_NANO (10 * CLEW__NANO_PER_MILLI)

/* What a start knows before a slot is taken. */
struct birth {
    struct clew__thread *thread;
    struct clew_provider *provider;
    const struct clew__context_data *parent; /* NULL for a root */
    struct clew__account *account;           /* the provider's first; the second lies behind it */
    const clew_span_options *options;
    const char *name;
    clew_span_kind kind;
    clew_span *span; /* where the caller wants it */
    uint8_t trace_flags;
    const clew_tracestate *tracestate;
    clew_sampling_result sampled;
    bool is_decided; /* `sampled` is the answer; otherwise the sampler is to be asked */
};

static const clew_span_options no_options;

/* The parent, NULL for a root: of the options, else the thread's current one, else the process's. */
static inline const struct clew__context_data *find_parent(struct clew__thread *thread,
                                                           const clew_span_options *options) {
    const struct clew__context_data *parent;
    if (options->flags & CLEW_SPAN_ROOT)
        return NULL;
    if (!options->parent && !atomic_load_explicit(&clew__context_was_used, memory_order_acquire))
        return NULL;
    parent = options->parent ? clew__context_data(options->parent) : clew__context_active(thread);
    if (clew__context_has_span_context(parent))
        return parent;
    parent = clew__context_process_base();
    return clew__context_has_span_context(parent) ? parent : NULL;
}

/* A span that records nothing and carries its parent's span context. */
static void pass_through(const struct clew__context_data *parent, clew_span *span) {
    memset(span, 0, sizeof *span);
    span->ref = CLEW_REF_SILENT;
    if (!parent)
        return;
    memcpy(span->trace_id, parent->trace_id, sizeof span->trace_id);
    memcpy(span->span_id, parent->span_id, sizeof span->span_id);
    span->ref |= parent->trace_flags & (CLEW__REF_SAMPLED | CLEW__REF_RANDOM);
    if (parent->is_remote)
        span->ref |= CLEW__REF_REMOTE;
}

/* The host's code; what it does to errno is not the caller's, and the thread is not cancelled in it. */
__attribute__((noinline)) static void ask_generator(const clew_id_generator *generator, uint8_t *trace_id,
                                                    uint8_t *span_id) {
    int saved = errno, cancel = clew__cancel_forbid();
    if (trace_id)
        generator->trace_id(generator->self, trace_id);
    if (span_id)
        generator->span_id(generator->self, span_id);
    clew__cancel_allow(cancel);
    errno = saved;
}

static void put_id(uint8_t *id, uint64_t number) {
    memcpy(id, &number, sizeof number);
}

/* Ids of the span, and its flags but for the sampled one: the random flag is the parent's, or says how the id
 * was made. */
static inline uint8_t make_ids(struct clew__thread *thread, const struct clew_provider *provider,
                               const struct clew__context_data *parent, clew_span *span) {
    const clew_id_generator *generator = &provider->id_generator;
    struct clew__random random = clew__random_load(thread->random);
    uint8_t flags = CLEW_FLAG_RANDOM;
    if (parent) {
        memcpy(span->trace_id, parent->trace_id, sizeof span->trace_id);
        flags = parent->trace_flags & CLEW_FLAG_RANDOM;
    } else if (__builtin_expect(generator->trace_id != NULL, 0)) {
        ask_generator(generator, span->trace_id, NULL);
        flags = generator->random ? CLEW_FLAG_RANDOM : 0;
    } else {
        put_id(span->trace_id, clew__random_next(&random));
        put_id(span->trace_id + 8, clew__random_next(&random));
    }
    if (__builtin_expect(generator->span_id != NULL, 0))
        ask_generator(generator, NULL, span->span_id);
    else
        put_id(span->span_id, clew__random_next(&random));
    clew__random_store(thread->random, &random);
    return flags;
}

static clew_span_context parent_context(const struct clew__context_data *parent) {
    clew_span_context context = {.is_remote = false};
    if (!parent)
        return context;
    memcpy(context.trace_id, parent->trace_id, sizeof context.trace_id);
    memcpy(context.span_id, parent->span_id, sizeof context.span_id);
    context.trace_flags = parent->trace_flags;
    context.is_remote = parent->is_remote;
    context.tracestate = parent->tracestate;
    return context;
}

/* The decision of a sampler that the quick way does not know. Its code may call Clew. */
static void ask_sampler(struct birth *birth) {
    clew_sampling_parameters parameters = {.struct_size = sizeof parameters};
    struct clew__callback before;
    parameters.parent = parent_context(birth->parent);
    memcpy(parameters.trace_id, birth->span->trace_id, sizeof parameters.trace_id);
    parameters.name = birth->name;
    parameters.kind = birth->kind;
    parameters.attributes = birth->options->attributes;
    parameters.attribute_count = birth->options->attribute_count;
    parameters.links = birth->options->links;
    parameters.link_count = birth->options->link_count;
    before = clew__callback_begin(birth->thread);
    clew_sampler_should_sample((clew_sampler *)(uintptr_t)birth->provider->sampler, &parameters,
                               &birth->sampled);
    clew__callback_end(birth->thread, before);
    birth->tracestate = birth->sampled.tracestate;
}

/* Real time minus monotonic time, for a trace that begins here. */
static int64_t read_offset(struct clew__thread *thread, uint64_t monotonic) {
    if (thread->unix_offset_read_at == 0 || monotonic - thread->unix_offset_read_at > OFFSET_AGE_NANO) {
        thread->unix_offset = (int64_t)(clew__unix_nano() - clew__monotonic_nano());
        thread->unix_offset_read_at = monotonic;
    }
    return thread->unix_offset;
}

static uint64_t read_clock(struct birth *birth, struct clew__slot *slot) {
    const struct clew__context_data *parent = birth->parent;
    slot->start_monotonic = clew__monotonic_nano();
    slot->unix_offset = parent && !parent->is_remote && parent->unix_offset
                            ? parent->unix_offset
                            : read_offset(birth->thread, slot->start_monotonic);
    if (birth->options->start_unix_nano)
        return birth->options->start_unix_nano;
    return slot->start_monotonic + (uint64_t)slot->unix_offset;
}

static void record_options(struct birth *birth, struct clew__slot *slot) {
    const clew_span_options *options = birth->options;
    clew__record_attributes(slot, options->attributes, options->attribute_count);
    clew__record_attributes(slot, birth->sampled.attributes, birth->sampled.attribute_count);
    for (size_t i = 0; options->links && i < options->link_count; i++)
        clew__record_link(slot, &options->links[i].context, options->links[i].attributes,
                          options->links[i].attribute_count);
}

/* The next generation of the slot, as its handle says it. */
static uint64_t open_generation(const struct clew__slot *slot) {
    return atomic_load_explicit(&slot->word, memory_order_relaxed) >> 2;
}

static inline enum clew__parent_origin origin_of(const struct clew__context_data *parent) {
    if (!parent)
        return CLEW__PARENT_NONE;
    return parent->is_remote ? CLEW__PARENT_REMOTE : CLEW__PARENT_LOCAL;
}

static inline void count(struct clew_provider *provider, struct clew__account *account,
                         enum clew__counter counter) {
    uint64_t before = atomic_load_explicit(&account->counters[counter], memory_order_relaxed);
    atomic_store_explicit(&account->counters[counter], before + 1, memory_order_release);
    if (__builtin_expect(before == 0, 0))
        clew__provider_first_span(provider);
}

static inline void count_dropped(struct clew_provider *provider, struct clew__account *account,
                                 const struct clew__context_data *parent) {
    count(provider, account, CLEW__STARTED_DROP + origin_of(parent));
}

static inline void count_recorded(const struct birth *birth) {
    enum clew__parent_origin origin = origin_of(birth->parent);
    if (__builtin_expect(birth->sampled.decision == CLEW_RECORD_AND_SAMPLE, 1))
        count(birth->provider, birth->account, CLEW__STARTED_SAMPLE + origin);
    else
        count(birth->provider, birth->account + 1, CLEW__STARTED_RECORD_ONLY + origin);
}

static void call_on_start(struct birth *birth, const struct clew__pipelines *pipelines) {
    clew_span_context parent = parent_context(birth->parent);
    struct clew__callback before = clew__callback_begin(birth->thread);
    for (size_t i = 0; i < pipelines->count; i++) {
        const struct clew__pipeline *pipeline = &pipelines->list[i];
        struct clew__custom *custom = pipeline->as.custom;
        if (pipeline->kind != CLEW__PIPELINE_CUSTOM || !custom->processor.on_start ||
            !clew__custom_enter(custom))
            continue;
        custom->processor.on_start(custom->processor.self, *birth->span, &parent);
        clew__custom_leave(custom);
    }
    clew__callback_end(birth->thread, before);
}

/* Fills a slot for a span that records, or that only has a tracestate to hand on. False: no memory. */
static bool be_born(struct birth *birth, struct clew_tracer *tracer) {
    struct clew__slot *slot = clew__slot_take(birth->thread);
    uint64_t generation;
    bool recording = birth->sampled.decision != CLEW_DROP;
    if (!slot)
        return false;
    if (recording && !clew__slot_body(slot)) {
        clew__slot_give(birth->thread, slot);
        return false;
    }
    slot->is_recording = recording;
    atomic_store_explicit(&slot->is_sampled, birth->sampled.decision == CLEW_RECORD_AND_SAMPLE,
                          memory_order_relaxed);
    slot->tracer = tracer;
    /* One that only hands a tracestate on is no open span in the provider's books. */
    atomic_store_explicit(&slot->provider, recording ? birth->provider : NULL, memory_order_relaxed);
    slot->tracestate = birth->tracestate ? clew_tracestate_ref(birth->tracestate) : NULL;
    slot->status = CLEW_STATUS_UNSET;
    slot->said_dropped = slot->is_starved = false;
    slot->attribute_limit = birth->provider->limits.attribute_count;
    slot->events = slot->links = 0;
    slot->dropped_attributes = slot->dropped_events = slot->dropped_links = slot->open_waits = 0;
    if (recording) {
        uint64_t start = read_clock(birth, slot);
        if (!clew__record_begin(slot, birth->span, birth->trace_flags,
                                birth->parent ? birth->parent->span_id : NULL,
                                birth->parent && birth->parent->is_remote, birth->kind, start, birth->name)) {
            clew_tracestate_unref(slot->tracestate);
            clew__slot_give(birth->thread, slot);
            return false;
        }
        record_options(birth, slot);
        count_recorded(birth); /* before anybody can end it */
    }
    generation = open_generation(slot);
    birth->span->ref = clew__slot_ref(slot, generation) | birth->trace_flags;
    atomic_store_explicit(&slot->word, clew__slot_word(generation, CLEW__SLOT_OPEN), memory_order_release);
    return true;
}

/* A span that is recorded, or whose sampler must be asked, or that has a tracestate to hand on. */
static __attribute__((noinline)) void start_slot(struct birth *birth, struct clew_tracer *tracer,
                                                 const struct clew__pipelines *pipelines) {
    const clew_span_options *options = birth->options;
    bool recording;
    birth->kind =
        options->kind >= CLEW_INTERNAL && options->kind <= CLEW_CONSUMER ? options->kind : CLEW_INTERNAL;
    if (!birth->is_decided)
        ask_sampler(birth);
    recording = birth->sampled.decision != CLEW_DROP;
    if (birth->sampled.decision == CLEW_RECORD_AND_SAMPLE)
        birth->trace_flags |= CLEW_FLAG_SAMPLED;
    birth->span->ref = CLEW_REF_SILENT | birth->trace_flags;
    if (!recording) {
        count_dropped(birth->provider, birth->account, birth->parent);
        if (!birth->tracestate)
            return;
    }
    if (!be_born(birth, tracer)) {
        if (recording) {
            count_dropped(birth->provider, birth->account, birth->parent);
            clew__account_add(birth->account + 1, CLEW__NOT_RECORDED_MEMORY, 1);
            clew__pipelines_ask_for_room(pipelines);
        }
        birth->span->ref = CLEW_REF_SILENT | (birth->trace_flags & CLEW_FLAG_RANDOM);
        return;
    }
    if (pipelines->has_on_start && recording)
        call_on_start(birth, pipelines);
}

static inline void start(struct clew__thread *thread, struct clew_tracer *tracer, const char *name,
                         const clew_span_options *options, clew_span *span) {
    const struct clew__context_data *parent = find_parent(thread, options);
    struct clew_provider *provider = atomic_load_explicit(&tracer->provider, memory_order_acquire);
    const struct clew__pipelines *pipelines;
    struct clew__account *account;
    struct birth birth;
    if (!provider || thread->suppressed) {
        pass_through(parent, span);
        return;
    }
    pipelines = atomic_load_explicit(&provider->pipelines, memory_order_acquire);
    account = clew__account_of(thread, provider->number);
    if (pipelines->count == 0 || !account) {
        pass_through(parent, span);
        return;
    }

    birth.trace_flags = make_ids(thread, provider, parent, span);
    birth.tracestate = parent ? parent->tracestate : NULL;
    birth.is_decided = clew__sampler_quick(provider->sampler, parent != NULL, parent && parent->is_remote,
                                           parent && (parent->trace_flags & CLEW_FLAG_SAMPLED),
                                           span->trace_id, &birth.sampled.decision);
    if (birth.is_decided && birth.sampled.decision == CLEW_DROP && !birth.tracestate) {
        count_dropped(provider, account, parent);
        span->ref = CLEW_REF_SILENT | birth.trace_flags;
        return;
    }
    birth.thread = thread;
    birth.account = account;
    birth.span = span;
    birth.provider = provider;
    birth.parent = parent;
    birth.options = options;
    birth.name = name;
    birth.sampled.attributes = NULL;
    birth.sampled.attribute_count = 0;
    start_slot(&birth, tracer, pipelines);
}

/* The handle goes back in words of eight bytes, as it was written: loads of sixteen would wait for the
 * stores. */
static inline clew_span by_words(const clew_span *span) {
    uint64_t words[4];
    clew_span result;
    memcpy(words, span, sizeof words);
    for (int i = 0; i < 4; i++)
        __asm__("" : "+r"(words[i]));
    memcpy(&result, words, sizeof words);
    return result;
}
_Static_assert(sizeof(clew_span) == 4 * sizeof(uint64_t), "a handle is four words");

static __attribute__((noinline)) clew_span start_in_process(clew_tracer *tracer, const char *name,
                                                            const clew_span_options *options) {
    struct clew__thread *thread = clew__thread_enter();
    clew_span_options own;
    clew_span span;
    if (!thread) {
        pass_through(NULL, &span);
        return span;
    }
    if (!options) {
        options = &no_options;
    } else if (__builtin_expect(options->struct_size != 0 && options->struct_size < sizeof own, 0)) {
        memset(&own, 0, sizeof own);
        clew__options_copy(&own, sizeof own, options, sizeof own);
        options = &own;
    }
    start(thread, tracer, name, options, &span);
    clew__thread_leave(thread);
    return by_words(&span);
}

clew_span clew_span_start(clew_tracer *tracer, const char *name, const clew_span_options *options) {
    if (!tracer)
        tracer = &clew__default_tracer;
    /* No SDK, and nothing to hand on: the call ends here. */
    if (atomic_load_explicit(&tracer->provider, memory_order_relaxed) == NULL &&
        (!options || !options->parent) &&
        !atomic_load_explicit(&clew__context_was_used, memory_order_relaxed)) {
        static const clew_span silent = {.ref = CLEW_REF_SILENT};
        return silent;
    }
    return start_in_process(tracer, name, options);
}
