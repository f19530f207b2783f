/* Providers and tracers. */
#include "kit.h"
#include "test/unit/config/captured_log.h"

Test(provider, resource_and_scope_come_with_the_span) {
    clew_attribute service[] = {CLEW_KV("service.name", "shop"), CLEW_KV("n", 1)};
    clew_attribute scope = CLEW_KV("scope.attribute", "yes");
    clew_provider_options options = {.resource =
                                         clew_resource_new(service, 2, "https://example.org/resource")};
    struct kit kit = kit_with(&options);
    clew_attribute_view found;
    clew_tracer *tracer =
        clew_provider_tracer(kit.provider, "library", "1.2", "https://example.org/scope", &scope, 1);
    clew_span_end(clew_span_start(tracer, "work", NULL));
    clew_span_view view = kit_only(&kit);
    cr_assert(text_is(clew_span_view_service(&view), "shop"));
    cr_assert(text_is(clew_span_view_scope_name(&view), "library"));
    cr_assert(text_is(clew_span_view_scope_version(&view), "1.2"));
    cr_assert(text_is(view.scope_schema_url, "https://example.org/scope"));
    cr_assert(text_is(view.resource_schema_url, "https://example.org/resource"));
    cr_assert(find_in(clew_span_view_scope_attributes(&view), "scope.attribute", &found));
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(provider, default_resource_names_the_sdk) {
    struct kit kit = kit_with(NULL);
    clew_value_view value;
    clew_span_end(kit_start(&kit, "work"));
    clew_span_view view = kit_only(&kit);
    cr_assert(clew_span_view_resource_attribute(&view, "telemetry.sdk.name", &value));
    cr_assert(clew_span_view_resource_attribute(&view, "service.name", &value));
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(provider, equal_arguments_give_the_same_tracer) {
    struct kit kit = kit_new(), other = kit_new();
    clew_attribute ab[] = {CLEW_KV("a", 1), CLEW_KV("b", "x")}, ba[] = {CLEW_KV("b", "x"), CLEW_KV("a", 1)};
    clew_tracer *first = clew_provider_tracer(kit.provider, "n", "v", "u", ab, 2);
    cr_assert_eq(clew_provider_tracer(kit.provider, "n", "v", "u", ba, 2), first);
    cr_assert_neq(clew_provider_tracer(kit.provider, "m", "v", "u", ab, 2), first);
    cr_assert_neq(clew_provider_tracer(kit.provider, "n", "w", "u", ab, 2), first);
    cr_assert_neq(clew_provider_tracer(kit.provider, "n", "v", "t", ab, 2), first);
    cr_assert_neq(clew_provider_tracer(kit.provider, "n", "v", "u", ab, 1), first);
    cr_assert_neq(clew_provider_tracer(kit.provider, "n", "v", NULL, ab, 2), first);
    cr_assert_neq(clew_provider_tracer(other.provider, "n", "v", "u", ab, 2), first);
    cr_assert_eq(clew_tracer_get("n", "v", "u", ab, 2), clew_tracer_get("n", "v", "u", ba, 2));
    kit_end(&kit);
    kit_end(&other);
    CLEW_NO_LEAKS();
}

Test(provider, tracer_without_a_name_works_and_is_logged) {
    capture_log();
    struct kit kit = kit_new();
    captured.lines = 0;
    clew_tracer *tracer = clew_provider_tracer(kit.provider, NULL, NULL, NULL, NULL, 0);
    clew_provider_tracer(kit.provider, "", NULL, NULL, NULL, 0);
    cr_assert_eq(captured.lines, 1);
    clew_span_end(clew_span_start(tracer, "work", NULL));
    clew_span_view view = kit_only(&kit);
    cr_assert_eq(clew_span_view_scope_name(&view).size, 0);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(provider, tracer_from_before_follows_what_is_installed) {
    clew_tracer *tracer = clew_tracer_get("library", NULL, NULL, NULL, 0);
    cr_assert_not(clew_tracer_enabled(tracer, NULL));
    cr_assert_not(clew_tracer_enabled(NULL, NULL));
    struct kit kit = kit_new();
    clew_provider_set_global(kit.provider);
    cr_assert_eq(clew_provider_get_global(), kit.provider);
    cr_assert(clew_tracer_enabled(tracer, NULL));
    cr_assert(clew_tracer_enabled(NULL, NULL));
    clew_span_end(clew_span_start(tracer, "work", NULL));
    clew_span_end(clew_span_start(NULL, "default", NULL));
    clew_provider_set_global(NULL);
    cr_assert_not(clew_tracer_enabled(tracer, NULL));
    clew_span_end(clew_span_start(tracer, "nobody listens", NULL));
    cr_assert_eq(clew_memory_exporter_count(kit.memory), 2);
    clew_span_view view = kit_find(&kit, "work");
    cr_assert(text_is(clew_span_view_scope_name(&view), "library"));
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(provider, without_processors_nothing_is_enabled) {
    clew_provider *provider = clew_provider_new(NULL);
    clew_tracer *tracer = clew_provider_tracer(provider, "t", NULL, NULL, NULL, 0);
    cr_assert_not(clew_tracer_enabled(tracer, NULL));
    clew_span span = clew_span_start(tracer, "work", NULL);
    cr_assert_not(clew_span_is_recording(span));
    clew_span_end(span);
    clew_provider_shutdown(provider, 100);
    CLEW_NO_LEAKS();
}

Test(provider, pipelines_added_later_get_later_spans) {
    struct kit kit = kit_new();
    clew_memory_exporter *late = clew_memory_exporter_new(0);
    clew_exporter exporter = clew_memory_exporter_as_exporter(late);
    clew_span_end(kit_start(&kit, "before"));
    cr_assert_eq(clew_provider_add_simple(kit.provider, &exporter), 0);
    clew_span_end(kit_start(&kit, "after"));
    cr_assert_eq(clew_memory_exporter_count(kit.memory), 2);
    cr_assert_eq(clew_memory_exporter_count(late), 1);
    kit_end(&kit);
    clew_memory_exporter_free(late);
    CLEW_NO_LEAKS();
}

static unsigned destroyed;

static void count_destroy(void *self) {
    (void)self;
    destroyed++;
}

static clew_export_outcome deliver(void *self, const clew_batch *batch, uint32_t timeout_ms,
                                   clew_export_report *report) {
    (void)self;
    (void)batch;
    (void)timeout_ms;
    (void)report;
    return CLEW_EXPORT_DELIVERED;
}

Test(provider, takes_at_most_eight_pipelines) {
    struct kit kit = kit_new();
    clew_exporter exporter = {
        .flags = CLEW_EXPORTER_LOCAL, .export_batch = deliver, .destroy = count_destroy};
    clew_processor processor = {.destroy = count_destroy};
    for (int i = 0; i < 7; i++)
        cr_assert_eq(i % 2 ? clew_provider_add_batch(kit.provider, &exporter, NULL)
                           : clew_provider_add_simple(kit.provider, &exporter),
                     0);
    cr_assert_eq(clew_provider_add_simple(kit.provider, &exporter), CLEW_ELIMIT);
    cr_assert_eq(clew_provider_add_batch(kit.provider, &exporter, NULL), CLEW_ELIMIT);
    cr_assert_eq(clew_provider_add_processor(kit.provider, &processor), CLEW_ELIMIT);
    cr_assert_eq(destroyed, 3);
    kit_end(&kit);
    cr_assert_eq(destroyed, 10);
    cr_assert_eq(clew_provider_add_simple(kit.provider, &exporter), CLEW_ESHUTDOWN);
    cr_assert_eq(clew_provider_add_batch(kit.provider, &exporter, NULL), CLEW_ESHUTDOWN);
    cr_assert_eq(clew_provider_add_processor(kit.provider, &processor), CLEW_ESHUTDOWN);
    cr_assert_eq(destroyed, 13);
    CLEW_NO_LEAKS();
}

Test(provider, refuses_exporters_without_a_form) {
    struct kit kit = kit_new();
    clew_exporter exporter = {.destroy = count_destroy};
    cr_assert_eq(clew_provider_add_batch(kit.provider, &exporter, NULL), CLEW_EINVAL);
    cr_assert_eq(clew_provider_add_simple(kit.provider, &exporter), CLEW_EINVAL);
    cr_assert_eq(clew_provider_add_batch(NULL, &exporter, NULL), CLEW_EINVAL);
    cr_assert_eq(clew_provider_add_batch(kit.provider, NULL, NULL), CLEW_EINVAL);
    cr_assert_eq(clew_provider_add_processor(kit.provider, NULL), CLEW_EINVAL);
    cr_assert_eq(destroyed, 3);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(provider, second_shutdown_and_later_flush_say_so) {
    struct kit kit = kit_new();
    cr_assert_eq(clew_provider_shutdown(kit.provider, 1000).status, 0);
    cr_assert_eq(clew_provider_shutdown(kit.provider, 1000).status, CLEW_ESHUTDOWN);
    cr_assert_eq(clew_provider_flush(kit.provider, 1000).status, CLEW_ESHUTDOWN);
    cr_assert_eq(clew_provider_flush(NULL, 1000).status, CLEW_ESHUTDOWN);
    cr_assert_not(clew_tracer_enabled(kit.tracer, NULL));
    clew_span span = kit_start(&kit, "late");
    cr_assert_not(clew_span_is_recording(span));
    clew_span_end(span);
    clew_tracer *tracer = clew_provider_tracer(kit.provider, "late", NULL, NULL, NULL, 0);
    cr_assert_not_null(tracer);
    cr_assert_not(clew_tracer_enabled(tracer, NULL));
    clew_memory_exporter_free(kit.memory);
    CLEW_NO_LEAKS();
}

static int fail_flush(void *self, uint32_t timeout_ms) {
    (void)self;
    (void)timeout_ms;
    return CLEW_EIO;
}

Test(provider, error_of_a_processor_is_told) {
    struct kit kit = kit_new();
    clew_processor processor = {.flush = fail_flush, .shutdown = fail_flush};
    clew_provider_add_processor(kit.provider, &processor);
    cr_assert_eq(clew_provider_flush(kit.provider, 100).status, CLEW_EIO);
    cr_assert_eq(clew_provider_shutdown(kit.provider, 100).status, CLEW_EIO);
    clew_memory_exporter_free(kit.memory);
    CLEW_NO_LEAKS();
}

Test(provider, opposite_samplers_side_by_side) {
    struct kit on = kit_sampled(clew_sampler_always_on()), off = kit_sampled(clew_sampler_always_off());
    for (int i = 0; i < 50; i++) {
        clew_span_end(kit_start(&on, "on"));
        clew_span_end(kit_start(&off, "off"));
    }
    cr_assert_eq(clew_memory_exporter_count(on.memory), 50);
    cr_assert_eq(clew_memory_exporter_count(off.memory), 0);
    cr_assert_eq(books_of(&on).started, 50);
    cr_assert_eq(books_of(&off).not_recorded, 50);
    kit_end(&on);
    kit_end(&off);
    CLEW_NO_LEAKS();
}

Test(provider, a_process_makes_a_thousand_and_no_more) {
    for (int i = 0; i < 1000; i++) {
        clew_provider_options options = {.resource = clew_resource_new(NULL, 0, NULL)};
        clew_provider *provider = clew_provider_new(&options);
        cr_assert_not_null(provider, "%d", i);
        clew_provider_shutdown(provider, 0);
    }
    cr_assert_null(clew_provider_new(NULL));
    CLEW_NO_LEAKS();
}

Test(provider, failing_exporter_is_counted_and_its_reason_logged) {
    capture_log();
    clew_memory_exporter *small = clew_memory_exporter_new(1);
    clew_exporter exporter = clew_memory_exporter_as_exporter(small);
    clew_provider_options options = {.resource = clew_resource_new(NULL, 0, NULL)};
    clew_provider *provider = clew_provider_new(&options);
    clew_provider_add_simple(provider, &exporter);
    clew_tracer *tracer = clew_provider_tracer(provider, "t", NULL, NULL, NULL, 0);
    clew_span_end(clew_span_start(tracer, "fits", NULL));
    clew_span_end(clew_span_start(tracer, "does not", NULL));
    clew_stats_data books;
    clew_stats_of(provider, &books);
    cr_assert_eq(books.pipelines[0].exported, 1);
    cr_assert_eq(books.pipelines[0].failed, 1);
    cr_assert(captured.lines >= 1);
    clew_provider_shutdown(provider, 100);
    clew_memory_exporter_free(small);
    CLEW_NO_LEAKS();
}
