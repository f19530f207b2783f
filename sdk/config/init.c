/* Owns the start and the end of Clew in a program: the global provider and what leads to it. One mutex, on
 * the cold path only. */
#include "sdk/base/lock.h"
#include "sdk/base/log.h"
#include "sdk/base/memory.h"
#include "sdk/base/thread.h"
#include "sdk/config/options.h"
#include "sdk/context/context.h"
#include "sdk/crash/crash.h"
#include "sdk/telemetry/telemetry.h"
#include "sdk/trace/provider.h"

#include <clew/init.h>

#include <pthread.h>
#include <stdlib.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static bool initialised;
static _Atomic uint32_t exit_flush_ms;
static bool exit_registered;

/* Another thread of the parent may have held it; exit of the child asks for it. */
static void after_fork_in_child(struct clew__thread *self) {
    (void)self;
    pthread_mutex_init(&mutex, NULL);
}

static void register_hooks(void) {
    static const struct clew__thread_hooks hooks = {.on_fork_child = after_fork_in_child};
    clew__thread_register_hooks(&hooks);
}

static void deliver_at_exit(void) {
    uint32_t timeout = atomic_load(&exit_flush_ms);
    clew__crash_keep_undelivered();
    if (timeout)
        clew_shutdown(timeout);
}

static void register_exit(uint32_t timeout_ms) {
    atomic_store(&exit_flush_ms, timeout_ms);
    if (!exit_registered)
        exit_registered = atexit(deliver_at_exit) == 0;
}

/* TRACEPARENT and its kin become the parent of every root span. */
static void join_environment(void) {
    clew_context *context = clew_environ_extract(NULL);
    if (clew__context_has_span_context(clew__context_data(context)) || clew_context_baggage(context))
        clew__context_set_process_base(context);
    clew_context_unref(context);
}

/* The first batch pipeline has its spans in the crash file, if there is one: they are sent once. */
static int add_batch(clew_provider *provider, const clew_exporter *exporter,
                     struct clew__settings *settings) {
    char *directory = settings->crash_directory;
    int result;
    if (!directory)
        return clew_provider_add_batch(provider, exporter, &settings->batch);
    settings->crash_directory = NULL;
    result =
        clew__provider_add_protected(provider, exporter, &settings->batch, directory, settings->crash_bytes);
    clew_memory_release(directory);
    return result;
}

static void add_otlp(clew_provider *provider, struct clew__settings *settings) {
    clew_exporter exporter;
    if (settings->otlp(&settings->otlp_options, &exporter) == CLEW_OK &&
        add_batch(provider, &exporter, settings) != CLEW_OK)
        clew_log(CLEW_LOG_ERROR, "init.otlp", "no memory for the OTLP exporter");
}

static void add_file(clew_provider *provider, struct clew__settings *settings, const char *path) {
    clew_exporter exporter;
    if (clew_exporter_otlp_file(path, &exporter) == CLEW_OK &&
        add_batch(provider, &exporter, settings) != CLEW_OK)
        clew_log(CLEW_LOG_ERROR, "init.file", "no memory for the file exporter");
}

static void add_exporters(clew_provider *provider, struct clew__settings *settings) {
    if (settings->exporters & CLEW__EXPORTER_OTLP)
        add_otlp(provider, settings);
    if (settings->exporters & CLEW__EXPORTER_CONSOLE) {
        clew_exporter console = clew_exporter_console(1);
        clew_provider_add_simple(provider, &console);
    }
    if (settings->exporters & CLEW__EXPORTER_OTLP_STDOUT)
        add_file(provider, settings, "-");
    if (settings->exporters & CLEW__EXPORTER_OTLP_FILE)
        add_file(provider, settings, settings->otlp_file);
}

static void add_metrics(clew_provider *provider, const struct clew__settings *settings) {
    const struct clew__telemetry_options telemetry = {settings->metrics_interval_ms,
                                                      settings->metrics_timeout_ms};
    clew_otlp_options options = settings->otlp_options;
    clew_exporter exporter;
    int status;
    options.signal = CLEW_SIGNAL_METRICS;
    options.endpoint = settings->metrics_endpoint;
    status = settings->otlp(&options, &exporter);
    if (status == CLEW_OK)
        status = clew__telemetry_start(provider, &exporter, &telemetry);
    if (status != CLEW_OK)
        clew_log(CLEW_LOG_ERROR, "init.metrics", "no metrics about Clew: %s", clew_strerror(status));
}

static clew_resource *make_resource(const char *service_name, clew_resource *given) {
    clew_resource *detected = clew_resource_default(service_name), *merged;
    if (!given || !detected)
        return detected;
    merged = clew_resource_merge(detected, given);
    clew_resource_unref(detected);
    return merged;
}

/* Caller holds the mutex. */
static int install(const char *service_name, struct clew__settings *settings) {
    clew_provider_options options = {.struct_size = sizeof options, .limits = &settings->limits};
    clew_provider *provider;
    clew_propagator_set_global(settings->propagator);
    settings->propagator = NULL;
    if (!settings->ignore_traceparent)
        join_environment();
    if (settings->disabled)
        return CLEW_OK;
    options.resource = make_resource(service_name, settings->resource);
    if (!options.resource)
        return CLEW_ENOMEM;
    options.sampler = settings->sampler;
    settings->sampler = NULL;
    provider = clew_provider_new(&options);
    if (!provider)
        return CLEW_ENOMEM;
    add_exporters(provider, settings);
    if (settings->metrics)
        add_metrics(provider, settings);
    clew_provider_set_global(provider);
    register_exit(settings->exit_flush_ms);
    return CLEW_OK;
}

/* Gives back what came with options that are not used. */
static void refuse(const clew_options *options) {
    if (!options)
        return;
    clew_resource_unref(options->resource);
    clew_sampler_unref(options->sampler);
}

int clew_init_with(const char *service_name, const clew_options *options) {
    struct clew__settings settings;
    clew_log_level level;
    int result = CLEW_EALREADY;
    static pthread_once_t hooks_once = PTHREAD_ONCE_INIT;
    int cancel = clew__cancel_forbid();
    pthread_once(&hooks_once, register_hooks);
    pthread_mutex_lock(&mutex);
    if (initialised) {
        refuse(options);
        pthread_mutex_unlock(&mutex);
        clew__cancel_allow(cancel);
        return result;
    }
    if (clew__settings_log_level(&level))
        clew__log_set_default_level(level);
    result = clew__settings_load(options, &settings);
    if (result == CLEW_OK) {
        if (settings.memory_limit)
            clew__budget_set_default_limit(settings.memory_limit);
        result = install(service_name, &settings);
        clew__settings_fini(&settings);
    }
    initialised = result == CLEW_OK;
    pthread_mutex_unlock(&mutex);
    clew__cancel_allow(cancel);
    return result;
}

static clew_delivery nothing(int status) {
    clew_delivery delivery = {status, 0, 0, 0, 0};
    return delivery;
}

/* The global provider; without one `*status` is what a flush answers. */
static clew_provider *global(int *status) {
    *status = initialised ? CLEW_OK : CLEW_ESHUTDOWN; /* disabled: there is nothing to deliver */
    return clew_provider_get_global();
}

clew_delivery clew_flush(uint32_t timeout_ms) {
    clew_provider *provider;
    int status;
    pthread_mutex_lock(&mutex);
    provider = global(&status);
    pthread_mutex_unlock(&mutex);
    return provider ? clew_provider_flush(provider, timeout_ms) : nothing(status);
}

clew_delivery clew_shutdown(uint32_t timeout_ms) {
    clew_provider *provider;
    int status;
    pthread_mutex_lock(&mutex);
    provider = global(&status);
    initialised = false;
    clew_provider_set_global(NULL);
    pthread_mutex_unlock(&mutex);
    return provider ? clew_provider_shutdown(provider, timeout_ms) : nothing(status);
}
