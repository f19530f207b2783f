/* No state: each load is a new set of settings, owned by its caller. Any thread, as far as getenv(3) allows.
 */
#include "sdk/config/options.h"

#include "sdk/base/environment.h"
#include "sdk/context/propagators.h"
#include "sdk/crash/crash.h"
#include "sdk/pipeline/batch_options.h"
#include "sdk/trace/limits.h"

#include <clew/extend.h>

#include <stdlib.h>
#include <sys/auxv.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* The specification asks for integers up to 2^31-1; UINT32_MAX means something else in several options. */
#define INTEGER_MAX ((uint64_t)INT32_MAX)

#define MEMORY_LIMIT_LEAST (UINT64_C(1) << 20) /* of clew_set_memory_limit() */
#define EXIT_FLUSH_MS_STANDARD 1000u
/* The specification's (Metrics SDK, Periodic exporting reader). */
#define METRICS_INTERVAL_MS 60000u
#define METRICS_TIMEOUT_MS 30000u
#define CRASH_BYTES_STANDARD (UINT64_C(16) << 20)

#define BATCH_SIZE_VARIABLE "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"

clew_otlp_options clew_otlp_options_default(void) {
    clew_otlp_options otlp = {.struct_size = sizeof otlp, .timeout_ms = CLEW_TIMEOUT_DEFAULT};
    return otlp;
}

/* ---- limits ---- */

static uint32_t read_u32(const char *name, const char *general, uint64_t minimum, uint32_t standard) {
    const struct clew__env_number number = {minimum, INTEGER_MAX, standard,
                                            standard == CLEW_UNLIMITED ? "no limit" : NULL};
    return (uint32_t)clew__env_uint(name, general, &number);
}

static void load_limits(const clew_limits *given, clew_limits *out) {
    *out = clew_limits_default();
    if (!given) {
        out->attribute_count =
            read_u32("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT", 0, CLEW__COUNT_LIMIT);
        out->attribute_value_length = read_u32("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
                                               "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", 0, CLEW_UNLIMITED);
        out->event_count = read_u32("OTEL_SPAN_EVENT_COUNT_LIMIT", NULL, 0, CLEW__COUNT_LIMIT);
        out->link_count = read_u32("OTEL_SPAN_LINK_COUNT_LIMIT", NULL, 0, CLEW__COUNT_LIMIT);
        out->event_attribute_count = read_u32("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", NULL, 0, CLEW__COUNT_LIMIT);
        out->link_attribute_count = read_u32("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", NULL, 0, CLEW__COUNT_LIMIT);
        return;
    }
    clew__options_copy(out, sizeof *out, given, sizeof *given);
    clew__limits_correct(out);
}

/* ---- batches ---- */

static const struct clew__env_choice on_full[] = {
    {"newest", CLEW_DROP_NEWEST},
    {"oldest", CLEW_DROP_OLDEST},
};

static void load_batch(const clew_batch_options *given, clew_batch_options *out) {
    *out = clew_batch_options_default();
    if (given) {
        clew__options_copy(out, sizeof *out, given, sizeof *given);
        clew__batch_options_correct(out);
        return;
    }
    out->max_queue_size = read_u32("OTEL_BSP_MAX_QUEUE_SIZE", NULL, 1, CLEW__MAX_QUEUE_SIZE);
    out->max_export_batch_size = read_u32(BATCH_SIZE_VARIABLE, NULL, 1, CLEW__MAX_EXPORT_BATCH_SIZE);
    out->schedule_delay_ms = read_u32("OTEL_BSP_SCHEDULE_DELAY", NULL, 0, CLEW__SCHEDULE_DELAY_MS);
    out->export_timeout_ms = read_u32("OTEL_BSP_EXPORT_TIMEOUT", NULL, 0, CLEW__EXPORT_TIMEOUT_MS);
    out->on_full = (clew_on_full)clew__env_enum("CLEW_BSP_ON_FULL", on_full, sizeof on_full / sizeof *on_full,
                                                CLEW_DROP_NEWEST, "newest");
    /* Who only makes the queue smaller than the default batch has made no mistake. */
    clew__batch_options_clamp(out, clew__env_text(BATCH_SIZE_VARIABLE).size ? BATCH_SIZE_VARIABLE : NULL);
}

/* ---- sampler ---- */

enum sampler_name {
    SAMPLER_ALWAYS_ON,
    SAMPLER_ALWAYS_OFF,
    SAMPLER_RATIO,
    SAMPLER_PARENT_ALWAYS_ON,
    SAMPLER_PARENT_ALWAYS_OFF,
    SAMPLER_PARENT_RATIO,
};

static clew_sampler *ratio_sampler(void) {
    double ratio = 1.0;
    clew__env_ratio("OTEL_TRACES_SAMPLER_ARG", "1.0", &ratio);
    return clew_sampler_trace_id_ratio(ratio);
}

static clew_sampler *parent_based(clew_sampler *root) {
    clew_parent_based_options options = {.struct_size = sizeof options, .root = root};
    return root ? clew_sampler_parent_based(&options) : NULL;
}

/* The sampler of the environment; NULL when memory runs out. */
static clew_sampler *load_sampler(void) {
    static const struct clew__env_choice choices[] = {
        {"always_on", SAMPLER_ALWAYS_ON},
        {"always_off", SAMPLER_ALWAYS_OFF},
        {"traceidratio", SAMPLER_RATIO},
        {"parentbased_always_on", SAMPLER_PARENT_ALWAYS_ON},
        {"parentbased_always_off", SAMPLER_PARENT_ALWAYS_OFF},
        {"parentbased_traceidratio", SAMPLER_PARENT_RATIO},
        {"jaeger_remote", CLEW__ENV_UNSUPPORTED},
        {"parentbased_jaeger_remote", CLEW__ENV_UNSUPPORTED},
        {"xray", CLEW__ENV_UNSUPPORTED},
    };
    switch (clew__env_enum("OTEL_TRACES_SAMPLER", choices, COUNT_OF(choices), SAMPLER_PARENT_ALWAYS_ON,
                           "parentbased_always_on")) {
    case SAMPLER_ALWAYS_ON:
        return clew_sampler_always_on();
    case SAMPLER_ALWAYS_OFF:
        return clew_sampler_always_off();
    case SAMPLER_RATIO:
        return ratio_sampler();
    case SAMPLER_PARENT_RATIO:
        return parent_based(ratio_sampler());
    case SAMPLER_PARENT_ALWAYS_OFF:
        return parent_based(clew_sampler_always_off());
    default:
        return parent_based(clew_sampler_always_on());
    }
}

/* ---- exporters ---- */

/* The bits of a list; 0 for `none`, and the OTLP one when the list says nothing of use. */
static uint32_t read_exporters(const char *source, struct clew__slice text, bool *asks_for_otlp) {
    static const struct clew__env_choice choices[] = {
        {"none", 0},
        {"otlp", CLEW__EXPORTER_OTLP},
        {"console", CLEW__EXPORTER_CONSOLE},
        {"otlp/stdout", CLEW__EXPORTER_OTLP_STDOUT},
        {"zipkin", CLEW__ENV_UNSUPPORTED},
        {"logging", CLEW__ENV_UNSUPPORTED},
    };
    int values[COUNT_OF(choices)];
    size_t count = clew__env_list(source, text, choices, COUNT_OF(choices), values, "otlp");
    uint32_t bits = count ? 0 : CLEW__EXPORTER_OTLP;
    bool none = false;
    for (size_t i = 0; i < count; i++) {
        bits |= (uint32_t)values[i];
        none = none || values[i] == 0;
    }
    if (none && bits)
        clew_log(CLEW_LOG_WARN, source, "%s names \"none\" beside other exporters; \"none\" is ignored",
                 source);
    *asks_for_otlp = count && (bits & CLEW__EXPORTER_OTLP);
    return bits;
}

/* The path of a variable; nothing in a program that runs with more rights than its caller, whose files it
 * would write. */
static struct clew__slice path_of_environment(const char *name) {
    struct clew__slice path = clew__env_text(name);
    if (path.size == 0 || !getauxval(AT_SECURE))
        return path;
    clew_log(CLEW_LOG_WARN, name, "%s is ignored in a program with raised privileges", name);
    return clew__slice_of(NULL, 0);
}

static int load_exporters(const clew_options *options, struct clew__settings *out) {
    const char *source = options->exporters ? "clew_options.exporters" : "OTEL_TRACES_EXPORTER";
    struct clew__slice path = clew__slice_text(options->otlp_file);
    bool asks_for_otlp;

    out->exporters = read_exporters(
        source, options->exporters ? clew__slice_text(options->exporters) : clew__env_text(source),
        &asks_for_otlp);
    out->otlp = options->otlp;
    if (!out->otlp && (out->exporters & CLEW__EXPORTER_OTLP)) {
        out->exporters &= ~CLEW__EXPORTER_OTLP;
        clew_log(asks_for_otlp ? CLEW_LOG_WARN : CLEW_LOG_DEBUG, "otlp_without_network",
                 "the program is built without the network exporter; \"otlp\" is ignored");
    }
    out->otlp_options = clew_otlp_options_default();
    if (options->otlp_options)
        clew__options_copy(&out->otlp_options, sizeof out->otlp_options, options->otlp_options,
                           sizeof *options->otlp_options);

    if (!options->otlp_file)
        path = path_of_environment("CLEW_OTLP_FILE");
    if (path.size == 0)
        return CLEW_OK;
    out->otlp_file = clew_memory_copy_text(path.data, path.size);
    if (!out->otlp_file)
        return CLEW_ENOMEM;
    out->exporters |= CLEW__EXPORTER_OTLP_FILE;
    return CLEW_OK;
}

/* ---- crash files ---- */

static int load_crash(const clew_options *options, struct clew__settings *out) {
    static const struct clew__env_number bytes = {CLEW__CRASH_BYTES_LEAST, INT64_MAX, CRASH_BYTES_STANDARD,
                                                  NULL};
    struct clew__slice path = options->crash_directory ? clew__slice_text(options->crash_directory)
                                                       : path_of_environment("CLEW_CRASH_DIR");
    if (path.size == 0)
        return CLEW_OK;
    out->crash_bytes =
        options->crash_bytes ? options->crash_bytes : clew__env_uint("CLEW_CRASH_BYTES", NULL, &bytes);
    out->crash_directory = clew_memory_copy_text(path.data, path.size);
    return out->crash_directory ? CLEW_OK : CLEW_ENOMEM;
}

/* ---- propagator ---- */

enum propagator_name { PROPAGATOR_NONE, PROPAGATOR_TRACECONTEXT, PROPAGATOR_BAGGAGE };

/* The propagator of the environment; NULL when memory runs out. */
static clew_propagator *load_propagator(void) {
    static const char name[] = "OTEL_PROPAGATORS";
    static const struct clew__env_choice choices[] = {
        {"none", PROPAGATOR_NONE},          {"tracecontext", PROPAGATOR_TRACECONTEXT},
        {"baggage", PROPAGATOR_BAGGAGE},    {"b3", CLEW__ENV_UNSUPPORTED},
        {"b3multi", CLEW__ENV_UNSUPPORTED}, {"jaeger", CLEW__ENV_UNSUPPORTED},
        {"xray", CLEW__ENV_UNSUPPORTED},    {"ottrace", CLEW__ENV_UNSUPPORTED},
    };
    int values[COUNT_OF(choices)];
    clew_propagator *members[COUNT_OF(choices)];
    size_t member_count = 0;
    size_t count = clew__env_list(name, clew__env_text(name), choices, COUNT_OF(choices), values,
                                  "tracecontext,baggage");
    if (count == 0) {
        values[count++] = PROPAGATOR_TRACECONTEXT;
        values[count++] = PROPAGATOR_BAGGAGE;
    }
    for (size_t i = 0; i < count; i++)
        if (values[i] != PROPAGATOR_NONE)
            members[member_count++] = values[i] == PROPAGATOR_TRACECONTEXT ? clew_propagator_tracecontext()
                                                                           : clew_propagator_baggage();
    if (member_count && member_count < count)
        clew_log(CLEW_LOG_WARN, name, "%s names \"none\" beside other propagators; \"none\" is ignored",
                 name);
    if (member_count == 0)
        return clew_propagator_none();
    /* The usual two are static: a program that starts Clew again and again leaves nothing behind. */
    if (member_count == 2 && members[0] != members[1])
        return clew__propagator_w3c();
    return member_count == 1 ? members[0] : clew_propagator_composite(members, member_count);
}

/* ---- metrics ---- */

#define TRACES_PATH "/v1/traces"
#define METRICS_PATH "/v1/metrics"

/* Where metrics go when the program has said where traces go: an endpoint without a path serves both, in one
 * with the usual path that is replaced. */
static int metrics_endpoint(const char *traces, char **out) {
    const char *host = traces ? strstr(traces, "://") : NULL;
    size_t size = traces ? strlen(traces) : 0, path = sizeof TRACES_PATH - 1;
    *out = NULL;
    if (size == 0)
        return CLEW_OK;
    if (size > path && strcmp(traces + size - path, TRACES_PATH) == 0) {
        *out = clew_memory_allocate(size - path + sizeof METRICS_PATH);
        if (*out) {
            memcpy(*out, traces, size - path);
            memcpy(*out + size - path, METRICS_PATH, sizeof METRICS_PATH);
        }
        return *out ? CLEW_OK : CLEW_ENOMEM;
    }
    host = host ? host + 3 : traces;
    if (strncmp(traces, "unix:", 5) != 0 && host[strcspn(host, "/?#")] != '\0') {
        clew_log(CLEW_LOG_WARN, "metrics_endpoint",
                 "the endpoint of traces does not tell where metrics go; OTEL_EXPORTER_OTLP_METRICS_ENDPOINT "
                 "does");
        return CLEW_OK;
    }
    *out = clew_memory_copy_text(traces, size);
    return *out ? CLEW_OK : CLEW_ENOMEM;
}

static int load_metrics(const clew_options *options, struct clew__settings *out) {
    out->metrics = (options->flags & CLEW_INIT_METRICS) || clew__env_bool("CLEW_SDK_METRICS");
    if (out->metrics && !options->otlp) {
        out->metrics = false;
        clew_log(CLEW_LOG_WARN, "CLEW_SDK_METRICS",
                 "metrics about Clew need the OTLP exporter, and the program is built without it");
    }
    if (!out->metrics)
        return CLEW_OK;
    out->metrics_interval_ms = read_u32("OTEL_METRIC_EXPORT_INTERVAL", NULL, 1, METRICS_INTERVAL_MS);
    out->metrics_timeout_ms = read_u32("OTEL_METRIC_EXPORT_TIMEOUT", NULL, 0, METRICS_TIMEOUT_MS);
    return metrics_endpoint(out->otlp_options.endpoint, &out->metrics_endpoint);
}

/* ---- all of it ---- */

bool clew__settings_log_level(clew_log_level *out) {
    static const struct clew__env_choice choices[] = {
        {"none", CLEW_LOG_NONE},   {"fatal", CLEW_LOG_ERROR}, {"error", CLEW_LOG_ERROR},
        {"warn", CLEW_LOG_WARN},   {"info", CLEW_LOG_INFO},   {"debug", CLEW_LOG_DEBUG},
        {"trace", CLEW_LOG_DEBUG},
    };
    const int unset = -1;
    int level = clew__env_enum("OTEL_LOG_LEVEL", choices, COUNT_OF(choices), unset, "info");
    if (level == unset)
        return false;
    *out = (clew_log_level)level;
    return true;
}

static uint32_t load_exit_flush(uint32_t given) {
    if (given == CLEW_NO_EXIT_FLUSH)
        return 0;
    return given ? given : read_u32("CLEW_EXIT_FLUSH_MS", NULL, 0, EXIT_FLUSH_MS_STANDARD);
}

int clew__settings_load(const clew_options *options, struct clew__settings *out) {
    static const struct clew__env_number memory = {MEMORY_LIMIT_LEAST, INT64_MAX, 0, "the default"};
    clew_options given = {0};
    int status;

    memset(out, 0, sizeof *out);
    if (options)
        clew__options_copy(&given, sizeof given, options, sizeof *options);
    if (clew__env_text("OTEL_CONFIG_FILE").size)
        clew_log(CLEW_LOG_WARN, "OTEL_CONFIG_FILE",
                 "OTEL_CONFIG_FILE is not supported; using the other variables");

    out->disabled = clew__env_bool("OTEL_SDK_DISABLED") || (given.flags & CLEW_INIT_DISABLED);
    out->ignore_traceparent =
        (given.flags & CLEW_INIT_IGNORE_TRACEPARENT) || clew__env_bool("CLEW_IGNORE_TRACEPARENT");
    out->memory_limit = clew__env_uint("CLEW_MEMORY_LIMIT", NULL, &memory);
    out->exit_flush_ms = load_exit_flush(given.exit_flush_ms);
    out->resource = given.resource;
    load_limits(given.limits, &out->limits);
    load_batch(given.batch, &out->batch);
    out->sampler = given.sampler ? given.sampler : load_sampler();
    out->propagator = given.propagator ? given.propagator : load_propagator();
    status = load_exporters(&given, out);
    if (status == CLEW_OK)
        status = load_metrics(&given, out);
    if (status == CLEW_OK)
        status = load_crash(&given, out);
    if (status == CLEW_OK && (!out->sampler || !out->propagator))
        status = CLEW_ENOMEM;
    if (status != CLEW_OK)
        clew__settings_fini(out);
    return status;
}

void clew__settings_fini(struct clew__settings *settings) {
    clew_sampler_unref(settings->sampler);
    clew_resource_unref(settings->resource);
    if (settings->propagator)
        clew_propagator_free(settings->propagator);
    clew_memory_release(settings->otlp_file);
    clew_memory_release(settings->metrics_endpoint);
    clew_memory_release(settings->crash_directory);
    memset(settings, 0, sizeof *settings);
}
