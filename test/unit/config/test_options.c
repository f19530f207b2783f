/* Settings: environment and options of the program, precedence, and what is said about wrong values. */
#include "sdk/config/options.h"
#include "sdk/pipeline/batch_options.h"

#include "sdk/base/struct_size.h"
#include "test/support.h"
#include "test/unit/config/captured_log.h"

#include <clew/extend.h>

#include <criterion/parameterized.h>
#include <stdlib.h>

static int no_factory(const clew_otlp_options *options, clew_exporter *out) {
    (void)options, (void)out;
    return CLEW_EINVAL;
}

static struct clew__settings settings;
static clew_options options;

static void setup(void) {
    static const char *const variables[] = {"OTEL_CONFIG_FILE",
                                            "OTEL_SDK_DISABLED",
                                            "OTEL_LOG_LEVEL",
                                            "OTEL_PROPAGATORS",
                                            "OTEL_TRACES_SAMPLER",
                                            "OTEL_TRACES_SAMPLER_ARG",
                                            "OTEL_TRACES_EXPORTER",
                                            "OTEL_BSP_SCHEDULE_DELAY",
                                            "OTEL_BSP_EXPORT_TIMEOUT",
                                            "OTEL_BSP_MAX_QUEUE_SIZE",
                                            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
                                            "CLEW_BSP_ON_FULL",
                                            "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
                                            "OTEL_ATTRIBUTE_COUNT_LIMIT",
                                            "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
                                            "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
                                            "OTEL_SPAN_EVENT_COUNT_LIMIT",
                                            "OTEL_SPAN_LINK_COUNT_LIMIT",
                                            "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT",
                                            "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
                                            "CLEW_EXIT_FLUSH_MS",
                                            "CLEW_IGNORE_TRACEPARENT",
                                            "CLEW_SDK_METRICS",
                                            "OTEL_METRIC_EXPORT_INTERVAL",
                                            "OTEL_METRIC_EXPORT_TIMEOUT",
                                            "CLEW_MEMORY_LIMIT",
                                            "CLEW_OTLP_FILE"};
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++)
        unsetenv(variables[i]);
    memset(&options, 0, sizeof options);
    options.struct_size = sizeof options;
    options.otlp = no_factory;
    capture_log();
}

TestSuite(options, .init = setup);

static void load(void) {
    cr_assert_eq(clew__settings_load(&options, &settings), CLEW_OK);
}

/* Loads with one variable set, and takes the settings' own memory back: their numbers stay readable. */
static void load_with(const char *name, const char *value) {
    struct clew__settings owned;
    setenv(name, value, 1);
    load();
    owned = settings;
    clew__settings_fini(&owned);
}

/* ---- defaults ---- */

Test(options, defaults_are_those_of_the_specification) {
    load();
    cr_assert_eq(settings.limits.attribute_count, 128);
    cr_assert_eq(settings.limits.attribute_value_length, CLEW_UNLIMITED);
    cr_assert_eq(settings.limits.attribute_value_depth, 64);
    cr_assert_eq(settings.limits.event_count, 128);
    cr_assert_eq(settings.limits.link_count, 128);
    cr_assert_eq(settings.limits.event_attribute_count, 128);
    cr_assert_eq(settings.limits.link_attribute_count, 128);
    cr_assert_eq(settings.batch.max_queue_size, 2048);
    cr_assert_eq(settings.batch.max_export_batch_size, 512);
    cr_assert_eq(settings.batch.schedule_delay_ms, 5000);
    cr_assert_eq(settings.batch.export_timeout_ms, 30000);
    cr_assert_eq(settings.batch.max_queue_bytes, 0);
    cr_assert_eq(settings.exporters, CLEW__EXPORTER_OTLP);
    cr_assert_null(settings.otlp_file);
    cr_assert_eq(settings.otlp_options.timeout_ms, CLEW_TIMEOUT_DEFAULT);
    cr_assert_eq(settings.exit_flush_ms, 1000);
    cr_assert_eq(settings.memory_limit, 0);
    cr_assert_not(settings.disabled);
    cr_assert_not(settings.ignore_traceparent);
    cr_assert_null(settings.resource);
    cr_assert(strstr(clew_sampler_description(settings.sampler), "ParentBased{root:AlwaysOnSampler,"));
    cr_assert_eq(captured.lines, 0, "%s", captured.all);
    clew__settings_fini(&settings);
    CLEW_NO_LEAKS();
}

Test(options, null_options_are_all_defaults_without_a_network) {
    cr_assert_eq(clew__settings_load(NULL, &settings), CLEW_OK);
    cr_assert_eq(settings.exporters, 0);
    cr_assert_neq(captured.level, CLEW_LOG_WARN, "who never asked for otlp is not warned");
    clew__settings_fini(&settings);
    CLEW_NO_LEAKS();
}

Test(options, default_functions_say_their_size) {
    cr_assert_eq(clew_limits_default().struct_size, sizeof(clew_limits));
    cr_assert_eq(clew_batch_options_default().struct_size, sizeof(clew_batch_options));
    cr_assert_eq(clew_otlp_options_default().struct_size, sizeof(clew_otlp_options));
}

/* ---- limits ---- */

Test(options, each_limit_has_its_variable) {
    setenv("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "1", 1);
    setenv("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "2", 1);
    setenv("OTEL_SPAN_EVENT_COUNT_LIMIT", "3", 1);
    setenv("OTEL_SPAN_LINK_COUNT_LIMIT", "4", 1);
    setenv("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "5", 1);
    load_with("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "6");
    cr_assert_eq(settings.limits.attribute_count, 1);
    cr_assert_eq(settings.limits.attribute_value_length, 2);
    cr_assert_eq(settings.limits.event_count, 3);
    cr_assert_eq(settings.limits.link_count, 4);
    cr_assert_eq(settings.limits.event_attribute_count, 5);
    cr_assert_eq(settings.limits.link_attribute_count, 6);
    CLEW_NO_LEAKS();
}

Test(options, limit_of_spans_wins_over_the_general_one) {
    setenv("OTEL_ATTRIBUTE_COUNT_LIMIT", "10", 1);
    load_with("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "20");
    cr_assert_eq(settings.limits.attribute_count, 20);
}

Test(options, wrong_limit_of_spans_falls_back_to_the_general_one) {
    setenv("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "10", 1);
    load_with("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "-1");
    cr_assert_eq(settings.limits.attribute_value_length, 10);
    cr_assert(captured_one_warning("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT=\"-1\"", NULL,
                                   "using OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT=10"),
              "%s", captured.all);
}

Test(options, wrong_length_limit_is_no_limit) {
    load_with("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "99999999999999999999");
    cr_assert_eq(settings.limits.attribute_value_length, CLEW_UNLIMITED);
    cr_assert(captured_one_warning("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", NULL, "using no limit"), "%s",
              captured.all);
}

Test(options, limit_of_zero_is_a_limit) {
    load_with("OTEL_SPAN_EVENT_COUNT_LIMIT", "0");
    cr_assert_eq(settings.limits.event_count, 0);
    cr_assert_eq(captured.lines, 0);
}

Test(options, largest_integer_of_the_specification_is_taken) {
    load_with("OTEL_SPAN_EVENT_COUNT_LIMIT", "2147483647");
    cr_assert_eq(settings.limits.event_count, INT32_MAX);
}

Test(options, limits_in_code_win_over_variables) {
    clew_limits limits = clew_limits_default();
    limits.event_count = 7;
    options.limits = &limits;
    load_with("OTEL_SPAN_EVENT_COUNT_LIMIT", "3");
    cr_assert_eq(settings.limits.event_count, 7);
    cr_assert_eq(settings.limits.link_count, 128);
}

Test(options, depth_limit_out_of_range_is_corrected_and_logged) {
    clew_limits limits = clew_limits_default();
    limits.attribute_value_depth = 65;
    options.limits = &limits;
    load_with("OTEL_SDK_DISABLED", "");
    cr_assert_eq(settings.limits.attribute_value_depth, 64);
    cr_assert(captured_one_warning("attribute_value_depth", "65", "using 64"), "%s", captured.all);
}

/* ---- batches ---- */

Test(options, each_batch_option_has_its_variable) {
    setenv("OTEL_BSP_MAX_QUEUE_SIZE", "100", 1);
    setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "50", 1);
    setenv("OTEL_BSP_SCHEDULE_DELAY", "0", 1);
    load_with("OTEL_BSP_EXPORT_TIMEOUT", "0");
    cr_assert_eq(settings.batch.max_queue_size, 100);
    cr_assert_eq(settings.batch.max_export_batch_size, 50);
    cr_assert_eq(settings.batch.schedule_delay_ms, 0);
    cr_assert_eq(settings.batch.export_timeout_ms, 0);
    cr_assert_eq(captured.lines, 0);
}

Test(options, a_full_queue_drops_newest_or_oldest) {
    load_with("CLEW_BSP_ON_FULL", "");
    cr_assert_eq(settings.batch.on_full, CLEW_DROP_NEWEST);
    load_with("CLEW_BSP_ON_FULL", "Oldest");
    cr_assert_eq(settings.batch.on_full, CLEW_DROP_OLDEST);
    load_with("CLEW_BSP_ON_FULL", "middle");
    cr_assert_eq(settings.batch.on_full, CLEW_DROP_NEWEST);
    cr_assert(captured_one_warning("CLEW_BSP_ON_FULL", "middle", "newest"), "%s", captured.all);
}

Test(options, queue_of_zero_is_out_of_range) {
    load_with("OTEL_BSP_MAX_QUEUE_SIZE", "0");
    cr_assert_eq(settings.batch.max_queue_size, 2048);
    cr_assert(captured_one_warning("OTEL_BSP_MAX_QUEUE_SIZE=\"0\"", NULL, "using 2048"), "%s", captured.all);
}

Test(options, batch_larger_than_the_queue_is_clamped_and_logged) {
    setenv("OTEL_BSP_MAX_QUEUE_SIZE", "100", 1);
    load_with("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "101");
    cr_assert_eq(settings.batch.max_export_batch_size, 100);
    cr_assert(captured_one_warning("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "101", "using 100"), "%s", captured.all);
}

Test(options, default_batch_follows_a_small_queue_silently) {
    load_with("OTEL_BSP_MAX_QUEUE_SIZE", "100");
    cr_assert_eq(settings.batch.max_export_batch_size, 100);
    cr_assert_eq(captured.lines, 0);
}

Test(options, batch_options_in_code_win_over_variables) {
    clew_batch_options batch = clew_batch_options_default();
    batch.max_queue_size = 4000;
    options.batch = &batch;
    load_with("OTEL_BSP_MAX_QUEUE_SIZE", "10");
    cr_assert_eq(settings.batch.max_queue_size, 4000);
    cr_assert_eq(captured.lines, 0);
}

Test(options, sizes_of_zero_in_code_are_corrected_and_logged) {
    clew_batch_options batch = {.schedule_delay_ms = 1};
    clew__batch_options_correct(&batch);
    cr_assert_eq(batch.max_queue_size, 2048);
    cr_assert_eq(batch.max_export_batch_size, 512);
    cr_assert_eq(batch.schedule_delay_ms, 1);
    cr_assert_eq(captured.lines, 2);
}

Test(options, batch_options_of_an_older_release_are_completed) {
    clew_batch_options batch;
    memset(&batch, 0xff, sizeof batch);
    batch.struct_size = offsetof(clew_batch_options, schedule_delay_ms);
    batch.max_queue_size = 3000;
    options.batch = &batch;
    load_with("OTEL_SDK_DISABLED", "");
    cr_assert_eq(settings.batch.max_queue_size, 3000);
    cr_assert_eq(settings.batch.schedule_delay_ms, 5000);
    cr_assert_eq(settings.batch.max_queue_bytes, 0);
}

/* ---- sampler ---- */

struct sampler_case {
    char name[32], argument[16], expected[48];
    char said[32]; /* in the one warning; "" for none */
};

ParameterizedTestParameters(options, sampler) {
    static struct sampler_case cases[] = {
        {"always_on", "", "AlwaysOnSampler", ""},
        {" ALWAYS_OFF ", "", "AlwaysOffSampler", ""},
        {"always_on", "abc", "AlwaysOnSampler", ""},
        {"traceidratio", "0.25", "TraceIdRatioBased{0.250000}", ""},
        {"traceidratio", "", "TraceIdRatioBased{1.000000}", ""},
        {"traceidratio", "2", "TraceIdRatioBased{1.000000}", "OTEL_TRACES_SAMPLER_ARG=\"2\""},
        {"traceidratio", "-0.5", "TraceIdRatioBased{1.000000}", "OTEL_TRACES_SAMPLER_ARG=\"-0.5\""},
        {"traceidratio", "half", "TraceIdRatioBased{1.000000}", "OTEL_TRACES_SAMPLER_ARG=\"half\""},
        {"parentbased_always_on", "", "ParentBased{root:AlwaysOnSampler,", ""},
        {"parentbased_always_off", "", "ParentBased{root:AlwaysOffSampler,", ""},
        {"parentbased_traceidratio", "0.5", "ParentBased{root:TraceIdRatioBased{0.500000},", ""},
        {"", "0.5", "ParentBased{root:AlwaysOnSampler,", ""},
        {"", "abc", "ParentBased{root:AlwaysOnSampler,", ""},
        {"jaeger_remote", "", "ParentBased{root:AlwaysOnSampler,", "not supported"},
        {"parentbased_jaeger_remote", "", "ParentBased{root:AlwaysOnSampler,", "not supported"},
        {"xray", "", "ParentBased{root:AlwaysOnSampler,", "not supported"},
        {"sometimes", "", "ParentBased{root:AlwaysOnSampler,", "\"sometimes\" is unknown"},
    };
    return cr_make_param_array(struct sampler_case, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct sampler_case *given, options, sampler) {
    setenv("OTEL_TRACES_SAMPLER", given->name, 1);
    setenv("OTEL_TRACES_SAMPLER_ARG", given->argument, 1);
    load();
    cr_assert_eq(
        strncmp(clew_sampler_description(settings.sampler), given->expected, strlen(given->expected)), 0,
        "%s", clew_sampler_description(settings.sampler));
    if (given->said[0])
        cr_assert(captured_one_warning("OTEL_TRACES_SAMPLER", given->said, "using "), "%s", captured.all);
    else
        cr_assert_eq(captured.lines, 0, "%s", captured.all);
    clew__settings_fini(&settings);
    CLEW_NO_LEAKS();
}

Test(options, sampler_in_code_wins_over_the_variable) {
    options.sampler = clew_sampler_trace_id_ratio(0.5);
    setenv("OTEL_TRACES_SAMPLER", "nonsense", 1);
    load();
    cr_assert_eq(settings.sampler, options.sampler);
    cr_assert_eq(captured.lines, 0);
    clew__settings_fini(&settings);
    CLEW_NO_LEAKS();
}

/* ---- exporters ---- */

struct exporters_case {
    char list[48];
    uint32_t expected;
    char said[40];
};

ParameterizedTestParameters(options, exporters) {
    static struct exporters_case cases[] = {
        {"otlp", CLEW__EXPORTER_OTLP, ""},
        {"console", CLEW__EXPORTER_CONSOLE, ""},
        {"none", 0, ""},
        {"", CLEW__EXPORTER_OTLP, ""},
        {" , ", CLEW__EXPORTER_OTLP, ""},
        {"otlp/stdout", CLEW__EXPORTER_OTLP_STDOUT, ""},
        {" Console , OTLP ", CLEW__EXPORTER_OTLP | CLEW__EXPORTER_CONSOLE, ""},
        {"otlp,otlp", CLEW__EXPORTER_OTLP, ""},
        {"none,console", CLEW__EXPORTER_CONSOLE, "\"none\" is ignored"},
        {"zipkin", CLEW__EXPORTER_OTLP, "\"zipkin\" is not supported; using otlp"},
        {"zipkin,console", CLEW__EXPORTER_CONSOLE, "\"zipkin\" is not supported; ignored"},
        {"jaeger", CLEW__EXPORTER_OTLP, "\"jaeger\" is unknown; using otlp"},
        {"jaeger,none", 0, "\"jaeger\" is unknown; ignored"},
    };
    return cr_make_param_array(struct exporters_case, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct exporters_case *given, options, exporters) {
    load_with("OTEL_TRACES_EXPORTER", given->list);
    cr_assert_eq(settings.exporters, given->expected, "\"%s\"", given->list);
    if (given->said[0])
        cr_assert(captured_one_warning("OTEL_TRACES_EXPORTER", given->said, NULL), "%s", captured.all);
    else
        cr_assert_eq(captured.lines, 0, "%s", captured.all);
}

Test(options, exporters_in_code_win_and_are_named_in_messages) {
    options.exporters = "console,smoke-signals";
    load_with("OTEL_TRACES_EXPORTER", "otlp");
    cr_assert_eq(settings.exporters, CLEW__EXPORTER_CONSOLE);
    cr_assert(captured_one_warning("clew_options.exporters", "smoke-signals", NULL), "%s", captured.all);
}

Test(options, otlp_that_was_asked_for_without_a_network_is_warned_of) {
    options.otlp = NULL;
    load_with("OTEL_TRACES_EXPORTER", "otlp,console");
    cr_assert_eq(settings.exporters, CLEW__EXPORTER_CONSOLE);
    cr_assert(captured_one_warning("otlp", "ignored", NULL), "%s", captured.all);
}

Test(options, file_is_written_beside_the_exporters) {
    setenv("CLEW_OTLP_FILE", " /tmp/a file.jsonl ", 1);
    load();
    cr_assert_eq(settings.exporters, CLEW__EXPORTER_OTLP | CLEW__EXPORTER_OTLP_FILE);
    cr_assert_str_eq(settings.otlp_file, "/tmp/a file.jsonl");
    clew__settings_fini(&settings);
    CLEW_NO_LEAKS();
}

Test(options, file_is_written_even_with_no_exporter) {
    setenv("CLEW_OTLP_FILE", "x", 1);
    load_with("OTEL_TRACES_EXPORTER", "none");
    cr_assert_eq(settings.exporters, CLEW__EXPORTER_OTLP_FILE);
}

Test(options, file_in_code_wins_over_the_variable) {
    setenv("CLEW_OTLP_FILE", "variable", 1);
    options.otlp_file = "code";
    load();
    cr_assert_str_eq(settings.otlp_file, "code");
    clew__settings_fini(&settings);
    CLEW_NO_LEAKS();
}

Test(options, otlp_options_of_the_program_are_passed_on) {
    clew_otlp_options otlp = clew_otlp_options_default();
    otlp.endpoint = "http://collector:4318/v1/traces";
    options.otlp_options = &otlp;
    load_with("OTEL_SDK_DISABLED", "");
    cr_assert_str_eq(settings.otlp_options.endpoint, otlp.endpoint);
    cr_assert_eq(settings.otlp, no_factory);
}

/* ---- propagators ---- */

struct propagators_case {
    char list[48];
    char fields[48]; /* joined */
    char said[48];
};

ParameterizedTestParameters(options, propagators) {
    static struct propagators_case cases[] = {
        {"", "traceparent tracestate baggage ", ""},
        {"tracecontext,baggage", "traceparent tracestate baggage ", ""},
        {"baggage", "baggage ", ""},
        {" TraceContext ", "traceparent tracestate ", ""},
        {"tracecontext,tracecontext", "traceparent tracestate ", ""},
        {"none", "", ""},
        {"b3", "traceparent tracestate baggage ", "\"b3\" is not supported; using tracecontext,"},
        {"b3multi,baggage", "baggage ", "\"b3multi\" is not supported; ignored"},
        {"jaeger,baggage", "baggage ", "\"jaeger\" is not supported"},
        {"xray,baggage", "baggage ", "\"xray\" is not supported"},
        {"ottrace,baggage", "baggage ", "\"ottrace\" is not supported"},
        {"pigeon,baggage", "baggage ", "\"pigeon\" is unknown"},
        {"none,baggage", "baggage ", "\"none\" is ignored"},
    };
    return cr_make_param_array(struct propagators_case, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct propagators_case *given, options, propagators) {
    char fields[128] = "";
    setenv("OTEL_PROPAGATORS", given->list, 1);
    load();
    for (const char *const *field = clew_propagator_fields(settings.propagator); *field; field++) {
        strcat(fields, *field);
        strcat(fields, " ");
    }
    cr_assert_str_eq(fields, given->fields, "\"%s\"", given->list);
    if (given->said[0])
        cr_assert(captured_one_warning("OTEL_PROPAGATORS", given->said, NULL), "%s", captured.all);
    else
        cr_assert_eq(captured.lines, 0, "%s", captured.all);
    clew__settings_fini(&settings);
    CLEW_NO_LEAKS();
}

Test(options, propagator_in_code_wins_over_the_variable) {
    options.propagator = clew_propagator_baggage();
    setenv("OTEL_PROPAGATORS", "nonsense", 1);
    load();
    cr_assert_eq(settings.propagator, clew_propagator_baggage());
    cr_assert_eq(captured.lines, 0);
    clew__settings_fini(&settings);
    CLEW_NO_LEAKS();
}

/* ---- the rest ---- */

Test(options, disabling_is_possible_by_variable) {
    load_with("OTEL_SDK_DISABLED", "TRUE");
    cr_assert(settings.disabled);
}

Test(options, disabling_is_possible_in_code) {
    options.flags = CLEW_INIT_DISABLED;
    load_with("OTEL_SDK_DISABLED", "false");
    cr_assert(settings.disabled);
    cr_assert_not(settings.ignore_traceparent);
}

Test(options, traceparent_is_ignored_by_variable) {
    load_with("CLEW_IGNORE_TRACEPARENT", "true");
    cr_assert(settings.ignore_traceparent);
    cr_assert_not(settings.disabled);
}

Test(options, traceparent_is_ignored_by_code) {
    options.flags = CLEW_INIT_IGNORE_TRACEPARENT;
    load_with("CLEW_IGNORE_TRACEPARENT", "");
    cr_assert(settings.ignore_traceparent);
}

Test(options, exit_flush_comes_from_the_variable) {
    load_with("CLEW_EXIT_FLUSH_MS", "250");
    cr_assert_eq(settings.exit_flush_ms, 250);
}

Test(options, exit_flush_of_zero_is_none) {
    load_with("CLEW_EXIT_FLUSH_MS", "0");
    cr_assert_eq(settings.exit_flush_ms, 0);
}

Test(options, exit_flush_in_code_wins_over_the_variable) {
    options.exit_flush_ms = 70;
    load_with("CLEW_EXIT_FLUSH_MS", "250");
    cr_assert_eq(settings.exit_flush_ms, 70);
}

Test(options, exit_flush_can_be_forbidden_in_code) {
    options.exit_flush_ms = CLEW_NO_EXIT_FLUSH;
    load_with("CLEW_EXIT_FLUSH_MS", "250");
    cr_assert_eq(settings.exit_flush_ms, 0);
}

Test(options, metrics_are_off_unless_asked_for) {
    load_with("OTEL_METRIC_EXPORT_INTERVAL", "10");
    cr_assert_not(settings.metrics);
}

Test(options, metrics_are_on_by_variable_with_the_specifications_interval) {
    load_with("CLEW_SDK_METRICS", "true");
    cr_assert(settings.metrics);
    cr_assert_eq(settings.metrics_interval_ms, 60000);
    cr_assert_eq(settings.metrics_timeout_ms, 30000);
    cr_assert_null(settings.metrics_endpoint);
}

Test(options, metrics_are_on_by_code_with_the_interval_of_the_variables) {
    options.flags = CLEW_INIT_METRICS;
    setenv("OTEL_METRIC_EXPORT_TIMEOUT", "70", 1);
    load_with("OTEL_METRIC_EXPORT_INTERVAL", "80");
    cr_assert(settings.metrics);
    cr_assert_eq(settings.metrics_interval_ms, 80);
    cr_assert_eq(settings.metrics_timeout_ms, 70);
}

Test(options, metrics_interval_of_zero_is_wrong) {
    options.flags = CLEW_INIT_METRICS;
    load_with("OTEL_METRIC_EXPORT_INTERVAL", "0");
    cr_assert_eq(settings.metrics_interval_ms, 60000);
    cr_assert(captured_one_warning("OTEL_METRIC_EXPORT_INTERVAL", "0", "60000"), "%s", captured.all);
}

Test(options, metrics_need_the_exporter_for_networks) {
    options.otlp = NULL;
    options.exporters = "none";
    load_with("CLEW_SDK_METRICS", "true");
    cr_assert_not(settings.metrics);
    cr_assert(captured_one_warning("metrics", "OTLP", NULL), "%s", captured.all);
}

Test(options, endpoint_of_traces_tells_the_one_of_metrics) {
    static const struct {
        const char *traces, *metrics; /* NULL: it cannot be told */
    } cases[] = {
        {NULL, NULL},
        {"http://host:4318/v1/traces", "http://host:4318/v1/metrics"},
        {"https://host/tenant/v1/traces", "https://host/tenant/v1/metrics"},
        {"http://host:4317", "http://host:4317"},
        {"host:4317", "host:4317"},
        {"unix:///run/collector.sock", "unix:///run/collector.sock"},
        {"http://host/custom", NULL},
        {"http://host/v1/traces?key=1", NULL},
        {"http://host/", NULL},
    };
    options.flags = CLEW_INIT_METRICS;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        clew_otlp_options otlp = clew_otlp_options_default();
        otlp.endpoint = cases[i].traces;
        options.otlp_options = &otlp;
        load();
        if (cases[i].metrics)
            cr_assert_str_eq(settings.metrics_endpoint, cases[i].metrics);
        else
            cr_assert_null(settings.metrics_endpoint);
        clew__settings_fini(&settings);
    }
    cr_assert_eq(captured.lines, 1, "%s", captured.all);
    CLEW_NO_LEAKS();
}

Test(options, memory_limit_comes_from_the_variable) {
    load_with("CLEW_MEMORY_LIMIT", "1073741824");
    cr_assert_eq(settings.memory_limit, 1073741824);
}

Test(options, memory_limit_below_a_mebibyte_is_wrong) {
    load_with("CLEW_MEMORY_LIMIT", "1048575");
    cr_assert_eq(settings.memory_limit, 0);
    cr_assert(captured_one_warning("CLEW_MEMORY_LIMIT", "1048575", "using the default"), "%s", captured.all);
}

Test(options, configuration_file_is_said_not_to_be_supported) {
    load_with("OTEL_CONFIG_FILE", "/etc/otel.yaml");
    cr_assert(captured_one_warning("OTEL_CONFIG_FILE", "not supported", NULL), "%s", captured.all);
}

Test(options, options_of_an_older_release_are_not_read_beyond_their_end) {
    options.struct_size = offsetof(clew_options, exporters);
    options.exporters = (const char *)(uintptr_t)1;
    options.otlp_file = (const char *)(uintptr_t)1;
    options.flags = CLEW_INIT_DISABLED;
    load_with("OTEL_SDK_DISABLED", "");
    cr_assert_not(settings.disabled);
    cr_assert_eq(settings.exporters, CLEW__EXPORTER_OTLP);
}

Test(options, options_without_a_size_are_of_the_first_release) {
    options.struct_size = 0;
    options.flags = CLEW_INIT_DISABLED;
    load_with("OTEL_SDK_DISABLED", "");
    cr_assert(settings.disabled);
}

Test(options, copy_leaves_out_what_the_library_does_not_know) {
    struct {
        uint32_t size, known, unknown;
    } newer = {12, 1, 2};
    struct {
        uint32_t size, known, guard;
    } ours = {8, 9, 77};
    clew__options_copy(&ours, 8, &newer, 8);
    cr_assert_eq(ours.size, 8);
    cr_assert_eq(ours.known, 1);
    cr_assert_eq(ours.guard, 77);
}

struct level_case {
    char value[16];
    int expected; /* -1: not set */
    bool said;
};

ParameterizedTestParameters(options, log_level) {
    static struct level_case cases[] = {
        {"none", CLEW_LOG_NONE, false},
        {"error", CLEW_LOG_ERROR, false},
        {"WARN", CLEW_LOG_WARN, false},
        {" info ", CLEW_LOG_INFO, false},
        {"debug", CLEW_LOG_DEBUG, false},
        {"trace", CLEW_LOG_DEBUG, false},
        {"fatal", CLEW_LOG_ERROR, false},
        {"", -1, false},
        {"loud", -1, true},
        {"3", -1, true},
    };
    return cr_make_param_array(struct level_case, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct level_case *given, options, log_level) {
    clew_log_level level = (clew_log_level)-1;
    setenv("OTEL_LOG_LEVEL", given->value, 1);
    cr_assert_eq(clew__settings_log_level(&level), given->expected >= 0);
    cr_assert_eq((int)level, given->expected);
    cr_assert_eq(captured.lines, given->said);
    cr_assert(!given->said || captured_one_warning("OTEL_LOG_LEVEL", given->value, "using info"));
}

/* ---- ownership when memory runs out ---- */

static unsigned allowed;

static void *allocate_some(void *user, size_t size) {
    (void)user;
    return allowed > 0 ? allowed--, malloc(size) : NULL;
}

static void *reallocate_none(void *user, void *block, size_t size) {
    (void)user, (void)block, (void)size;
    return NULL;
}

static void release(void *user, void *block) {
    (void)user;
    free(block);
}

Test(options, each_failed_allocation_is_an_error_and_leaves_nothing) {
    static const clew_allocator allocator = {allocate_some, reallocate_none, release, NULL};
    int status = CLEW_ENOMEM;
    unsigned failures = 0;
    cr_assert_eq(clew_set_allocator(&allocator), 0);
    setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio", 1);
    setenv("CLEW_OTLP_FILE", "x", 1);
    for (unsigned granted = 0; status != CLEW_OK; granted++) {
        clew_attribute attribute = clew_attribute_of("a", clew_value_int(1));
        allowed = 10;
        options.resource = clew_resource_new(&attribute, 1, NULL);
        allowed = granted;
        status = clew__settings_load(&options, &settings);
        if (status == CLEW_OK)
            break;
        cr_assert_eq(status, CLEW_ENOMEM);
        cr_assert_null(settings.sampler);
        cr_assert_null(settings.resource);
        failures++;
    }
    cr_assert_geq(failures, 3);
    clew__settings_fini(&settings);
    CLEW_NO_LEAKS();
}
