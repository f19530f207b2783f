/* Start and end of Clew in a program. */
#include "test/support.h"
#include "test/unit/config/captured_log.h"

#include <clew/clew.h>
#include <stdlib.h>
#include <unistd.h>

static void quiet(void) {
    setenv("OTEL_TRACES_EXPORTER", "none", 1);
    setenv("OTEL_RESOURCE_ATTRIBUTES", "", 1);
}

static unsigned made;
static char endpoint_seen[64];

static clew_export_outcome deliver(void *self, const clew_batch *batch, uint32_t timeout_ms,
                                   clew_export_report *report) {
    (void)self;
    (void)batch;
    (void)timeout_ms;
    (void)report;
    return CLEW_EXPORT_DELIVERED;
}

static int factory(const clew_otlp_options *options, clew_exporter *out) {
    made++;
    memset(out, 0, sizeof *out);
    snprintf(endpoint_seen, sizeof endpoint_seen, "%s", options->endpoint ? options->endpoint : "");
    out->name = "fake";
    out->export_batch = deliver;
    return 0;
}

static int failing_factory(const clew_otlp_options *options, clew_exporter *out) {
    (void)options;
    (void)out;
    made++;
    return CLEW_EINVAL;
}

Test(init, installs_once_and_anew_after_shutdown) {
    clew_options options = {.otlp = factory};
    cr_assert_eq(clew_init_with("one", &options), 0);
    clew_provider *first = clew_provider_get_global();
    cr_assert_not_null(first);
    cr_assert_eq(clew_init_with("two", &options), CLEW_EALREADY);
    cr_assert_eq(clew_provider_get_global(), first);
    cr_assert_eq(made, 1);
    clew_span_end(clew_span_start(NULL, "work", NULL));
    clew_delivery delivery = clew_flush(2000);
    cr_assert_eq(delivery.status, 0);
    cr_assert_eq(delivery.delivered, 1);
    cr_assert_eq(clew_shutdown(2000).status, 0);
    cr_assert_null(clew_provider_get_global());
    cr_assert_eq(clew_flush(10).status, CLEW_ESHUTDOWN);
    cr_assert_eq(clew_shutdown(10).status, CLEW_ESHUTDOWN);
    cr_assert_eq(clew_init_with("three", &options), 0);
    cr_assert(clew_tracer_enabled(NULL, NULL));
    cr_assert_eq(clew_shutdown(2000).status, 0);
    CLEW_NO_LEAKS();
}

Test(init, refused_second_call_takes_its_options_over) {
    quiet();
    clew_options options = {.exporters = "none"};
    cr_assert_eq(clew_init_with("one", &options), 0);
    options.resource = clew_resource_new(NULL, 0, NULL);
    options.sampler = clew_sampler_trace_id_ratio(0.5);
    cr_assert_eq(clew_init_with("two", &options), CLEW_EALREADY);
    clew_shutdown(100);
    CLEW_NO_LEAKS();
}

Test(init, exporter_that_cannot_be_made_leaves_the_program_working) {
    clew_options options = {.otlp = failing_factory};
    cr_assert_eq(clew_init_with("one", &options), 0);
    cr_assert_eq(made, 1);
    clew_span span = clew_span_start(NULL, "work", NULL);
    clew_span_set_int(span, "a", 1);
    clew_span_end(span);
    cr_assert_eq(clew_shutdown(100).status, 0);
    CLEW_NO_LEAKS();
}

Test(init, disabled_installs_propagators_and_no_sdk) {
    setenv("OTEL_SDK_DISABLED", "true", 1);
    clew_options options = {.otlp = factory};
    cr_assert_eq(clew_init_with("one", &options), 0);
    cr_assert_null(clew_provider_get_global());
    cr_assert_eq(made, 0);
    cr_assert_neq(clew_propagator_fields(clew_propagator_get_global())[0], NULL);
    cr_assert_eq(clew_flush(10).status, 0);
    cr_assert_eq(clew_shutdown(10).status, 0);
    CLEW_NO_LEAKS();
}

Test(init, code_beats_the_environment) {
    clew_otlp_options otlp = clew_otlp_options_default();
    clew_limits limits = clew_limits_default();
    limits.attribute_count = 7;
    setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://environment:1/v1/traces", 1);
    setenv("OTEL_TRACES_SAMPLER", "always_off", 1);
    setenv("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "1", 1);
    otlp.endpoint = "http://code:2/v1/traces";
    clew_options options = {.otlp = factory,
                            .otlp_options = &otlp,
                            .sampler = clew_sampler_always_on(),
                            .limits = &limits,
                            .exporters = "otlp"};
    cr_assert_eq(clew_init_with("one", &options), 0);
    cr_assert_str_eq(endpoint_seen, "http://code:2/v1/traces");
    clew_span span = clew_span_start(NULL, "work", NULL);
    cr_assert(clew_span_is_recording(span));
    clew_span_set_int(span, "a", 1);
    clew_span_set_int(span, "b", 1);
    clew_span_end(span);
    cr_assert_eq(clew_stats().dropped_attributes, 0);
    clew_shutdown(2000);
    CLEW_NO_LEAKS();
}

Test(init, environment_is_read_where_code_says_nothing) {
    setenv("OTEL_TRACES_SAMPLER", "always_off", 1);
    clew_options options = {.otlp = factory};
    cr_assert_eq(clew_init_with("one", &options), 0);
    cr_assert_not(clew_span_is_recording(clew_span_start(NULL, "work", NULL)));
    cr_assert_eq(clew_stats().not_recorded, 1);
    clew_shutdown(2000);
    CLEW_NO_LEAKS();
}

Test(init, joins_the_traceparent_of_the_environment) {
    setenv("TRACEPARENT", "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01", 1);
    setenv("TRACESTATE", "vendor=value", 1);
    clew_options options = {.otlp = factory};
    cr_assert_eq(clew_init_with("one", &options), 0);
    char hex[33];
    clew_span span = clew_span_start(NULL, "work", NULL);
    clew_trace_id_to_hex(span.trace_id, hex);
    cr_assert_str_eq(hex, "0123456789abcdef0123456789abcdef");
    cr_assert(clew_span_is_recording(span));
    clew_text state = clew_tracestate_text(clew_span_get_context(span).tracestate);
    cr_assert_eq(state.size, 12);
    clew_span_end(span);
    clew_shutdown(2000);
    CLEW_NO_LEAKS();
}

Test(init, traceparent_can_be_ignored) {
    setenv("TRACEPARENT", "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01", 1);
    clew_options options = {.otlp = factory, .flags = CLEW_INIT_IGNORE_TRACEPARENT};
    cr_assert_eq(clew_init_with("one", &options), 0);
    char hex[33];
    clew_trace_id_to_hex(clew_span_start(NULL, "work", NULL).trace_id, hex);
    cr_assert_str_neq(hex, "0123456789abcdef0123456789abcdef");
    clew_shutdown(2000);
    CLEW_NO_LEAKS();
}

Test(init, malformed_traceparent_is_ignored) {
    setenv("TRACEPARENT", "00-garbage", 1);
    clew_options options = {.otlp = factory};
    cr_assert_eq(clew_init_with("one", &options), 0);
    clew_span span = clew_span_start(NULL, "work", NULL);
    cr_assert(clew_span_is_recording(span));
    clew_span_end(span);
    clew_shutdown(2000);
    CLEW_NO_LEAKS();
}
