/* Owns the providers and their pipelines, in one list under a mutex. Providers are never freed; after
 * shutdown only their books are left. Recording threads read snapshots and take no lock here. */
#include "sdk/trace/provider.h"

#include "sdk/base/clock.h"
#include "sdk/base/lock.h"
#include "sdk/base/memory.h"
#include "sdk/base/struct_size.h"
#include "sdk/context/context.h"
#include "sdk/crash/crash.h"
#include "sdk/crash/leftovers.h"
#include "sdk/pipeline/batch_options.h"
#include "sdk/trace/limits.h"
#include "sdk/trace/slot.h"
#include "sdk/worker/worker.h"

#include <pthread.h>
#include <string.h>

#define PROVIDERS_MAX 1000u

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct clew_provider *providers;
static uint32_t provider_count;
static pthread_once_t setup_once = PTHREAD_ONCE_INIT;
static bool locked_for_fork;

static const struct clew__pipelines no_pipelines;

/* ---- fork ---- */

static void before_fork(void) {
    locked_for_fork = pthread_mutex_trylock(&mutex) == 0;
}

static void after_fork_in_parent(void) {
    if (locked_for_fork)
        pthread_mutex_unlock(&mutex);
}

/* The worker has repaired the streams that it knows; one that is closed has its books only. */
static void pipeline_forked(const struct clew__pipeline *pipeline) {
    if (pipeline->kind == CLEW__PIPELINE_SIMPLE)
        clew__simple_forked(pipeline->as.simple);
    else if (pipeline->kind == CLEW__PIPELINE_CUSTOM)
        atomic_store(&pipeline->as.custom->running, 0); /* the calls of threads that are gone */
    else if (!clew__worker_knows(&pipeline->as.stream->task))
        clew__stream_after_fork_in_child(&pipeline->as.stream->task);
}

static void after_fork_in_child(struct clew__thread *self) {
    (void)self;
    clew__span_misuse_reset();
    if (locked_for_fork)
        pthread_mutex_unlock(&mutex);
    else
        pthread_mutex_init(&mutex, NULL);
    clew__tracer_forked();
    for (struct clew_provider *provider = providers; provider; provider = provider->next) {
        const struct clew__pipelines *pipelines =
            provider->all ? provider->all : atomic_load(&provider->pipelines);
        for (size_t i = 0; i < pipelines->count; i++)
            pipeline_forked(&pipelines->list[i]);
        atomic_store(&provider->ended_uncounted, 0);
        clew__origin_forked(&provider->origin);
    }
}

static void setup(void) {
    static const struct clew__thread_hooks hooks = {NULL, before_fork, after_fork_in_parent,
                                                    after_fork_in_child};
    clew__context_setup();
    clew__slot_setup();
    clew__tracer_setup();
    clew__stream_setup();
    clew__thread_register_hooks(&hooks);
}

void clew__library_setup(void) {
    pthread_once(&setup_once, setup);
}

/* ---- making ---- */

static void read_options(struct clew_provider *provider, const clew_provider_options *given) {
    clew_provider_options options = {0};
    if (given)
        clew__options_copy(&options, sizeof options, given, sizeof options);
    provider->limits = clew_limits_default();
    if (options.limits)
        clew__options_copy(&provider->limits, sizeof provider->limits, options.limits,
                           sizeof provider->limits);
    if (options.id_generator)
        clew__options_copy(&provider->id_generator, sizeof provider->id_generator, options.id_generator,
                           sizeof provider->id_generator);
    clew__limits_correct(&provider->limits);
    provider->value_limits.length = provider->limits.attribute_value_length;
    provider->value_limits.depth = provider->limits.attribute_value_depth;
    provider->sampler = options.sampler ? options.sampler : clew_sampler_parent_based(NULL);
    provider->origin.resource = options.resource ? options.resource : clew_resource_default(NULL);
    if (!provider->sampler)
        provider->sampler = clew_sampler_always_on();
}

/* The references that come with options belong to a provider that there is no memory for. */
static void give_options_back(const clew_provider_options *given) {
    clew_provider_options options = {0};
    if (given)
        clew__options_copy(&options, sizeof options, given, sizeof options);
    clew_resource_unref(options.resource);
    clew_sampler_unref(options.sampler);
}

clew_provider *clew_provider_new(const clew_provider_options *options) {
    struct clew_provider *provider = clew_memory_allocate(sizeof *provider);
    bool full;
    clew__library_setup();
    if (!provider) {
        give_options_back(options);
        return NULL;
    }
    memset(provider, 0, sizeof *provider);
    atomic_store(&provider->pipelines, &no_pipelines);
    read_options(provider, options);
    pthread_mutex_lock(&mutex);
    full = provider_count >= PROVIDERS_MAX;
    provider->number = full ? UINT32_MAX : clew__account_number_pair();
    full = provider->number == UINT32_MAX;
    if (!full) {
        provider_count++;
        provider->next = providers;
        providers = provider;
    }
    pthread_mutex_unlock(&mutex);
    if (full) {
        clew_sampler_unref((clew_sampler *)(uintptr_t)provider->sampler);
        clew__origin_fini(&provider->origin);
        clew_memory_release(provider);
        return NULL;
    }
    return provider;
}

/* Whether the provider takes one pipeline more. Caller holds the mutex. */
static int may_add_locked(const struct clew_provider *provider) {
    if (provider->shut_down)
        return CLEW_ESHUTDOWN;
    return atomic_load(&provider->pipelines)->count == CLEW_PIPELINES_MAX ? CLEW_ELIMIT : CLEW_OK;
}

/* Publishes a snapshot with one pipeline more, in memory that it takes over when it succeeds. Caller holds
 * the mutex. */
static int add_locked(struct clew_provider *provider, const struct clew__pipeline *added,
                      struct clew__pipelines *after) {
    const struct clew__pipelines *before = atomic_load(&provider->pipelines);
    int refusal = may_add_locked(provider);
    if (refusal != CLEW_OK)
        return refusal;
    *after = *before;
    after->replaced = (struct clew__pipelines *)(uintptr_t)before;
    after->list[after->count++] = *added;
    if (added->kind == CLEW__PIPELINE_CUSTOM) {
        after->has_on_start |= added->as.custom->processor.on_start != NULL;
        after->has_on_ending |= added->as.custom->processor.on_ending != NULL;
    }
    atomic_store_explicit(&provider->pipelines, after, memory_order_release);
    return CLEW_OK;
}

static int add(struct clew_provider *provider, const struct clew__pipeline *added,
               struct clew__pipelines *snapshot) {
    int result;
    if (!snapshot)
        return CLEW_ENOMEM;
    pthread_mutex_lock(&mutex);
    result = add_locked(provider, added, snapshot);
    pthread_mutex_unlock(&mutex);
    if (result != CLEW_OK)
        clew_memory_release(snapshot);
    return result;
}

/* Memory for a snapshot: obtained before what is to be in it, which may be hard to get rid of. */
static struct clew__pipelines *new_snapshot(void) {
    return clew_memory_allocate(sizeof(struct clew__pipelines));
}

/* A copy of what the program gave, as far as this library knows it. */
static bool copy_exporter(clew_exporter *out, const clew_exporter *given) {
    memset(out, 0, sizeof *out);
    if (!given)
        return false;
    clew__options_copy(out, sizeof *out, given, sizeof *out);
    if (!out->name)
        out->name = "exporter";
    return out->export_batch || (out->start && out->step && out->cancel);
}

static void destroy_exporter(const clew_exporter *exporter) {
    if (exporter->destroy)
        exporter->destroy(exporter->self);
}

/* Where the chunks of a stream are to be; NULL: in ordinary memory. */
struct protection {
    const char *directory;
    uint64_t bytes;
};

static void protect(struct clew__stream *stream, const struct protection *protection) {
    struct clew__leftovers *leftovers = clew__leftovers_find(protection->directory);
    struct clew__crash *crash = clew__crash_new(protection->directory, protection->bytes, stream->origin);
    clew__stream_protect(stream, crash, leftovers);
}

static int add_stream(struct clew_provider *provider, const clew_exporter *exporter,
                      const clew_batch_options *options, bool immediate,
                      const struct protection *protection) {
    struct clew__pipeline pipeline = {.kind = CLEW__PIPELINE_STREAM, .is_simple = immediate};
    struct clew__pipelines *snapshot = new_snapshot();
    struct clew__task *task;
    int result = CLEW_ENOMEM;
    /* Streams are never freed: none is made that is known to be refused. */
    pthread_mutex_lock(&mutex);
    if (snapshot)
        result = may_add_locked(provider);
    pthread_mutex_unlock(&mutex);
    if (result != CLEW_OK) {
        destroy_exporter(exporter);
        clew_memory_release(snapshot);
        return result;
    }
    pipeline.as.stream = clew__stream_new(exporter, options, immediate, &provider->origin);
    if (!pipeline.as.stream) {
        clew_memory_release(snapshot);
        return CLEW_ENOMEM;
    }
    if (protection)
        protect(pipeline.as.stream, protection);
    /* The worker must know a stream before a span can be offered to it. */
    task = &pipeline.as.stream->task;
    clew__worker_add(task);
    result = add(provider, &pipeline, snapshot);
    if (result == CLEW_OK && pipeline.as.stream->leftovers)
        clew__worker_ensure();
    if (result != CLEW_OK)
        clew__worker_close(&task, 1, clew__monotonic_nano());
    return result;
}

static int add_batch(clew_provider *provider, const clew_exporter *exporter,
                     const clew_batch_options *options, const struct protection *protection) {
    clew_batch_options chosen = clew_batch_options_default();
    clew_exporter own;
    if (!copy_exporter(&own, exporter) || !provider) {
        destroy_exporter(&own);
        return CLEW_EINVAL;
    }
    if (options)
        clew__options_copy(&chosen, sizeof chosen, options, sizeof chosen);
    clew__batch_options_correct(&chosen);
    return add_stream(provider, &own, &chosen, false, protection);
}

int clew_provider_add_batch(clew_provider *provider, const clew_exporter *exporter,
                            const clew_batch_options *options) {
    return add_batch(provider, exporter, options, NULL);
}

int clew__provider_add_protected(struct clew_provider *provider, const clew_exporter *exporter,
                                 const clew_batch_options *options, const char *directory, uint64_t bytes) {
    const struct protection protection = {directory, bytes};
    return add_batch(provider, exporter, options, &protection);
}

int clew_provider_add_simple(clew_provider *provider, const clew_exporter *exporter) {
    struct clew__pipeline pipeline = {.kind = CLEW__PIPELINE_SIMPLE, .is_simple = true};
    clew_exporter own;
    int result;
    if (!copy_exporter(&own, exporter) || !provider) {
        destroy_exporter(&own);
        return CLEW_EINVAL;
    }
    if (!(own.flags & CLEW_EXPORTER_LOCAL) || !own.export_batch) {
        clew_batch_options options = clew_batch_options_default();
        options.max_export_batch_size = 1;
        return add_stream(provider, &own, &options, true, NULL);
    }
    pipeline.as.simple = clew__simple_new(&own, &provider->origin);
    if (!pipeline.as.simple)
        return CLEW_ENOMEM;
    result = add(provider, &pipeline, new_snapshot());
    if (result != CLEW_OK) {
        clew__simple_close(pipeline.as.simple, UINT64_MAX);
        clew__simple_free(pipeline.as.simple);
    }
    return result;
}

bool clew__custom_enter(struct clew__custom *custom) {
    atomic_fetch_add(&custom->running, 1);
    if (!atomic_load(&custom->closed))
        return true;
    clew__custom_leave(custom);
    return false;
}

void clew__custom_leave(struct clew__custom *custom) {
    atomic_fetch_sub(&custom->running, 1);
}

/* Closes a processor, waits for the calls that run, and destroys it; one that never returns is left alone. */
static bool close_custom(struct clew__custom *custom, uint64_t deadline) {
    atomic_store(&custom->closed, true);
    for (unsigned round = 0; atomic_load(&custom->running) > 0; round++) {
        if (clew__monotonic_nano() >= deadline)
            return false;
        clew__wait_a_little(round);
    }
    if (custom->processor.destroy)
        custom->processor.destroy(custom->processor.self);
    return true;
}

int clew_provider_add_processor(clew_provider *provider, const clew_processor *processor) {
    struct clew__pipeline pipeline = {.kind = CLEW__PIPELINE_CUSTOM};
    struct clew__custom *custom;
    int result = CLEW_ENOMEM;
    if (!processor)
        return CLEW_EINVAL;
    custom = provider ? clew_memory_allocate(sizeof *custom) : NULL;
    if (!custom) {
        if (processor->destroy)
            processor->destroy(processor->self);
        return provider ? CLEW_ENOMEM : CLEW_EINVAL;
    }
    memset(custom, 0, sizeof *custom);
    clew__options_copy(&custom->processor, sizeof custom->processor, processor, sizeof custom->processor);
    custom->number = clew__account_number();
    pipeline.as.custom = custom;
    if (custom->number != UINT32_MAX)
        result = add(provider, &pipeline, new_snapshot());
    if (result != CLEW_OK) {
        close_custom(custom, UINT64_MAX);
        clew_memory_release(custom);
    }
    return result;
}

void clew_provider_set_global(clew_provider *provider) {
    clew__tracer_set_global_provider(provider);
}

/* ---- flush and shutdown ---- */

static uint32_t ms_until(uint64_t deadline) {
    uint64_t now = clew__monotonic_nano();
    return deadline > now ? (uint32_t)((deadline - now) / CLEW__NANO_PER_MILLI) : 0;
}

static size_t tasks_of(const struct clew__pipelines *pipelines, struct clew__task **tasks) {
    size_t count = 0;
    for (size_t i = 0; i < pipelines->count; i++)
        if (pipelines->list[i].kind == CLEW__PIPELINE_STREAM)
            tasks[count++] = &pipelines->list[i].as.stream->task;
    return count;
}

static clew_delivery delivery_of(const struct clew__worker_result *result) {
    const struct clew__outcome *outcome = &result->outcome;
    clew_delivery delivery = {CLEW_OK, outcome->delivered, outcome->rejected + outcome->failed,
                              outcome->unknown, outcome->spooled};
    if (!result->in_time)
        delivery.status = CLEW_ETIMEDOUT;
    else if (outcome->unknown || outcome->failed)
        delivery.status = CLEW_EIO;
    else if (outcome->rejected)
        delivery.status = CLEW_EREJECTED;
    return delivery;
}

static void note(clew_delivery *delivery, int status) {
    if (status != CLEW_OK && delivery->status == CLEW_OK)
        delivery->status = status;
}

/* Without a lock held: the program's code runs. */
static int flush_behind(const struct clew__pipeline *pipeline, uint64_t deadline) {
    struct clew__custom *custom = pipeline->as.custom;
    int result = CLEW_OK;
    switch (pipeline->kind) {
    case CLEW__PIPELINE_STREAM:
        return clew__stream_flush_exporter(pipeline->as.stream, ms_until(deadline));
    case CLEW__PIPELINE_SIMPLE:
        return clew__simple_flush(pipeline->as.simple, deadline);
    case CLEW__PIPELINE_CUSTOM:
        if (!custom->processor.flush || !clew__custom_enter(custom))
            break;
        result = custom->processor.flush(custom->processor.self, ms_until(deadline));
        clew__custom_leave(custom);
        break;
    }
    return result;
}

clew_delivery clew_provider_flush(clew_provider *provider, uint32_t timeout_ms) {
    uint64_t deadline = clew__deadline(timeout_ms);
    struct clew__task *tasks[CLEW_PIPELINES_MAX];
    const struct clew__pipelines *pipelines;
    struct clew__worker_result result;
    clew_delivery delivery = {CLEW_ESHUTDOWN, 0, 0, 0, 0};
    struct clew__thread *thread = provider ? clew__thread_enter() : NULL;
    int cancel;
    if (!thread)
        return delivery;
    cancel = clew__cancel_forbid();
    pthread_mutex_lock(&mutex);
    pipelines = provider->shut_down ? NULL : atomic_load(&provider->pipelines);
    pthread_mutex_unlock(&mutex);
    if (pipelines) {
        result = clew__worker_flush(tasks, tasks_of(pipelines, tasks), deadline);
        delivery = delivery_of(&result);
    }
    clew__thread_leave(thread);
    for (size_t i = 0; pipelines && i < pipelines->count; i++)
        note(&delivery, flush_behind(&pipelines->list[i], deadline));
    clew__cancel_allow(cancel);
    return delivery;
}

int clew__provider_set_reporter(struct clew_provider *provider, struct clew__task *reporter) {
    int result = CLEW_OK;
    pthread_mutex_lock(&mutex);
    if (provider->shut_down)
        result = CLEW_ESHUTDOWN;
    else if (atomic_load(&provider->reporter))
        result = CLEW_EALREADY;
    else
        atomic_store(&provider->reporter, reporter);
    pthread_mutex_unlock(&mutex);
    return result;
}

void clew__provider_first_span(struct clew_provider *provider) {
    if (atomic_load_explicit(&provider->reporter, memory_order_acquire))
        clew__worker_ensure();
}

/* Not before the pipelines are closed: it tells what became of the last spans. */
static void close_reporter(struct clew_provider *provider, uint64_t deadline) {
    struct clew__task *reporter = atomic_load(&provider->reporter);
    struct clew__thread *thread = reporter ? clew__thread_enter() : NULL;
    if (!thread)
        return;
    clew__worker_close(&reporter, 1, deadline);
    clew__thread_leave(thread);
}

/* Takes the pipelines away from recording threads; NULL when it has happened before. */
static const struct clew__pipelines *take_pipelines(struct clew_provider *provider) {
    const struct clew__pipelines *pipelines = NULL;
    pthread_mutex_lock(&mutex);
    if (!provider->shut_down) {
        provider->shut_down = true;
        pipelines = atomic_load(&provider->pipelines);
        provider->all = pipelines;
        atomic_store_explicit(&provider->pipelines, &no_pipelines, memory_order_release);
    }
    pthread_mutex_unlock(&mutex);
    return pipelines;
}

clew_delivery clew_provider_shutdown(clew_provider *provider, uint32_t timeout_ms) {
    uint64_t deadline = clew__deadline(timeout_ms);
    struct clew__task *tasks[CLEW_PIPELINES_MAX];
    const struct clew__pipelines *pipelines;
    struct clew__worker_result result;
    clew_delivery delivery = {CLEW_ESHUTDOWN, 0, 0, 0, 0};
    struct clew__thread *thread = provider ? clew__thread_enter() : NULL;
    int cancel;
    if (!thread && !clew__thread_lacks_memory())
        return delivery;
    cancel = clew__cancel_forbid();
    pipelines = take_pipelines(provider);
    if (pipelines) {
        result = clew__worker_close(tasks, tasks_of(pipelines, tasks), deadline);
        delivery = delivery_of(&result);
    }
    if (thread)
        clew__thread_leave(thread);
    for (size_t i = 0; pipelines && i < pipelines->count; i++) {
        const struct clew__pipeline *pipeline = &pipelines->list[i];
        if (pipeline->kind == CLEW__PIPELINE_CUSTOM) {
            const clew_processor *processor = &pipeline->as.custom->processor;
            if (processor->shutdown)
                note(&delivery, processor->shutdown(processor->self, ms_until(deadline)));
            if (!close_custom(pipeline->as.custom, deadline))
                note(&delivery, CLEW_ETIMEDOUT);
        } else if (pipeline->kind == CLEW__PIPELINE_SIMPLE &&
                   !clew__simple_close(pipeline->as.simple, deadline)) {
            note(&delivery, CLEW_ETIMEDOUT);
        }
    }
    if (pipelines)
        close_reporter(provider, deadline);
    clew__cancel_allow(cancel);
    return delivery;
}

const struct clew__pipelines *clew__provider_pipelines(const clew_provider *provider) {
    const struct clew__pipelines *pipelines;
    pthread_mutex_lock(&mutex);
    pipelines = provider->shut_down ? provider->all : atomic_load(&provider->pipelines);
    pthread_mutex_unlock(&mutex);
    return pipelines;
}
