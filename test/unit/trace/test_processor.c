/* Processors of one's own: when they are called, and what they may do. */
#include "kit.h"

#include <pthread.h>

static char order[256];

struct named {
    const char *name;
};

static void note(void *self, const char *what) {
    strncat(order, ((struct named *)self)->name, sizeof order - strlen(order) - 1);
    strncat(order, what, sizeof order - strlen(order) - 1);
}
static void note_start(void *self, clew_span span, const clew_span_context *parent) {
    (void)span;
    (void)parent;
    note(self, "start ");
}
static void note_ending(void *self, clew_span span) {
    (void)span;
    note(self, "ending ");
}
static void note_end(void *self, const clew_span_view *span) {
    (void)span;
    note(self, "end ");
}
static int note_flush(void *self, uint32_t timeout_ms) {
    (void)timeout_ms;
    note(self, "flush ");
    return 0;
}
static int note_shutdown(void *self, uint32_t timeout_ms) {
    (void)timeout_ms;
    note(self, "shutdown ");
    return 0;
}
static void note_destroy(void *self) {
    note(self, "destroy ");
}

static clew_processor noting(struct named *named) {
    clew_processor processor = {.self = named,
                                .on_start = note_start,
                                .on_ending = note_ending,
                                .on_end = note_end,
                                .flush = note_flush,
                                .shutdown = note_shutdown,
                                .destroy = note_destroy};
    return processor;
}

Test(processor, called_in_order_and_all_endings_before_any_end) {
    struct kit kit = kit_new();
    static struct named a = {"a."}, b = {"b."};
    clew_processor first = noting(&a), second = noting(&b);
    clew_provider_add_processor(kit.provider, &first);
    clew_provider_add_processor(kit.provider, &second);
    clew_span_end(kit_start(&kit, "work"));
    cr_assert_str_eq(order, "a.start b.start a.ending b.ending a.end b.end ");
    order[0] = '\0';
    cr_assert_eq(clew_provider_flush(kit.provider, 100).status, 0);
    cr_assert_str_eq(order, "a.flush b.flush ");
    order[0] = '\0';
    kit_end(&kit);
    cr_assert_str_eq(order, "a.shutdown a.destroy b.shutdown b.destroy ");
    CLEW_NO_LEAKS();
}

Test(processor, not_called_for_spans_that_do_not_record) {
    struct kit kit = kit_sampled(clew_sampler_always_off());
    static struct named a = {"a."};
    clew_processor processor = noting(&a);
    clew_provider_add_processor(kit.provider, &processor);
    clew_span_end(kit_start(&kit, "work"));
    cr_assert_str_eq(order, "");
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

static clew_span_context parent_seen;
static clew_span kept;

static void start_sets(void *self, clew_span span, const clew_span_context *parent) {
    (void)self;
    parent_seen = *parent;
    kept = span;
    cr_assert(clew_span_is_recording(span));
    clew_span_set_string(span, "from.start", "processor");
}

Test(processor, start_may_set_and_sees_the_parent) {
    struct kit kit = kit_new();
    clew_processor processor = {.on_start = start_sets};
    clew_span_context remote = remote_context(1);
    clew_context *context = clew_context_with_span_context(NULL, &remote);
    clew_span_options options = {.parent = context};
    clew_provider_add_processor(kit.provider, &processor);
    clew_span span = clew_span_start(kit.tracer, "work", &options);
    cr_assert_eq(memcmp(&span, &kept, sizeof span), 0);
    clew_span_end(span);
    cr_assert(parent_seen.is_remote);
    cr_assert_arr_eq(parent_seen.span_id, remote.span_id, 8);
    expect_string(kit_only(&kit), "from.start", "processor");
    clew_context_unref(context);
    clew_span_end(clew_span_start(kit.tracer, "root", NULL));
    cr_assert_not(clew_span_context_is_valid(&parent_seen));
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

static void *set_from_elsewhere(void *argument) {
    clew_span_set_string(*(clew_span *)argument, "from.elsewhere", "no");
    clew_span_end(*(clew_span *)argument);
    return NULL;
}

static void ending_sets(void *self, clew_span span) {
    pthread_t thread;
    (void)self;
    clew_span_set_string(span, "from.ending", "processor");
    clew_span_update_name(span, "renamed");
    clew_span_set_status(span, CLEW_STATUS_ERROR, "found out late");
    clew_span_add_event(span, "ending", NULL, 0, 0);
    clew_span_end(span);
    pthread_create(&thread, NULL, set_from_elsewhere, &span);
    pthread_join(thread, NULL);
}

Test(processor, only_the_ending_thread_may_set_while_a_span_ends) {
    struct kit kit = kit_new();
    clew_processor processor = {.on_ending = ending_sets};
    clew_provider_add_processor(kit.provider, &processor);
    clew_span span = kit_start(&kit, "work");
    clew_span_end_at(span, UINT64_C(1) << 62);
    clew_span_view view = kit_only(&kit);
    expect_string(view, "from.ending", "processor");
    expect_absent(view, "from.elsewhere");
    cr_assert(text_is(data_of(view).name, "renamed"));
    cr_assert(text_is(data_of(view).status_description, "found out late"));
    cr_assert_eq(data_of(view).event_count, 1);
    cr_assert_eq(data_of(view).end_unix_nano, UINT64_C(1) << 62);
    cr_assert_eq(books_of(&kit).ended, 1);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

static clew_span_data data_seen;
static char name_seen[32], scope_seen[32], service_seen[32];
static bool ids_match;

static void end_reads(void *self, const clew_span_view *view) {
    clew_span *span = self;
    data_seen = clew_span_view_data(view);
    ids_match = memcmp(data_seen.span_id, kept.span_id, 8) == 0;
    (void)span;
    snprintf(name_seen, sizeof name_seen, "%.*s", (int)data_seen.name.size, data_seen.name.data);
    clew_text scope = clew_span_view_scope_name(view), service = clew_span_view_service(view);
    snprintf(scope_seen, sizeof scope_seen, "%.*s", (int)scope.size, scope.data);
    snprintf(service_seen, sizeof service_seen, "%.*s", (int)service.size, service.data);
    clew_span_set_int(kept, "too.late", 1);
}

Test(processor, end_reads_everything_and_changes_nothing) {
    clew_attribute service = CLEW_KV("service.name", "shop");
    clew_provider_options options = {.resource =
                                         clew_resource_new(&service, 1, "https://example.org/schema")};
    struct kit kit = kit_with(&options);
    clew_processor processor = {.on_start = start_sets, .on_end = end_reads};
    clew_provider_add_processor(kit.provider, &processor);
    clew_span_end(kit_start(&kit, "work"));
    cr_assert(ids_match);
    cr_assert_str_eq(name_seen, "work");
    cr_assert_str_eq(scope_seen, "test");
    cr_assert_str_eq(service_seen, "shop");
    cr_assert(data_seen.end_unix_nano >= data_seen.start_unix_nano);
    expect_absent(kit_only(&kit), "too.late");
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

static struct kit *inner_kit;

static void end_makes_a_span(void *self, const clew_span_view *view) {
    (void)self;
    (void)view;
    clew_span_end(kit_start(inner_kit, "made in a callback"));
}

Test(processor, spans_may_be_made_inside_callbacks) {
    struct kit kit = kit_new(), other = kit_new();
    clew_processor processor = {.on_end = end_makes_a_span};
    inner_kit = &other;
    clew_provider_add_processor(kit.provider, &processor);
    clew_span_end(kit_start(&kit, "work"));
    cr_assert_eq(clew_memory_exporter_count(other.memory), 1);
    kit_end(&kit);
    kit_end(&other);
    CLEW_NO_LEAKS();
}

Test(processor, added_while_a_span_is_open_sees_its_end) {
    struct kit kit = kit_new();
    static struct named a = {"a."};
    clew_span span = kit_start(&kit, "work");
    clew_processor processor = noting(&a);
    clew_provider_add_processor(kit.provider, &processor);
    clew_span_end(span);
    cr_assert_str_eq(order, "a.ending a.end ");
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(processor, not_called_after_shutdown_and_the_span_is_counted) {
    struct kit kit = kit_new();
    static struct named a = {"a."};
    clew_processor processor = noting(&a);
    clew_provider_add_processor(kit.provider, &processor);
    clew_span span = kit_start(&kit, "work");
    cr_assert_eq(clew_provider_shutdown(kit.provider, 1000).status, 0);
    order[0] = '\0';
    clew_span_end(span);
    cr_assert_str_eq(order, "");
    clew_stats_data books = books_of(&kit);
    cr_assert_eq(books.started, 1);
    cr_assert_eq(books.ended, 1);
    for (size_t i = 0; i < 2; i++) {
        cr_assert_eq(books.pipelines[i].offered, 1);
        cr_assert_eq(books.pipelines[i].dropped_shutdown, 1);
    }
    clew_memory_exporter_free(kit.memory);
    CLEW_NO_LEAKS();
}

/* ---- exporters ---- */

static struct kit *exporting_kit;
static unsigned exports;
static bool recorded_inside, enabled_inside;

static clew_export_outcome export_with_spans(void *self, const clew_batch *batch, uint32_t timeout_ms,
                                             clew_export_report *report) {
    (void)self;
    (void)batch;
    (void)timeout_ms;
    (void)report;
    exports++;
    clew_span span = kit_start(exporting_kit, "sending");
    recorded_inside |= clew_span_is_recording(span);
    enabled_inside |= clew_tracer_enabled(exporting_kit->tracer, NULL);
    clew_span_end(span);
    return CLEW_EXPORT_DELIVERED;
}

Test(processor, spans_of_an_exporter_are_suppressed) {
    struct kit kit = kit_new();
    clew_exporter local = {.flags = CLEW_EXPORTER_LOCAL, .export_batch = export_with_spans};
    clew_exporter blocking = {.export_batch = export_with_spans};
    exporting_kit = &kit;
    clew_provider_add_simple(kit.provider, &local);
    clew_provider_add_batch(kit.provider, &local, NULL);
    clew_provider_add_batch(kit.provider, &blocking, NULL);
    clew_span_end(kit_start(&kit, "work"));
    cr_assert_eq(clew_provider_flush(kit.provider, 2000).status, 0);
    cr_assert_eq(exports, 3);
    cr_assert_not(recorded_inside);
    cr_assert_not(enabled_inside);
    cr_assert_eq(clew_memory_exporter_count(kit.memory), 1);
    clew_span_end(kit_start(&kit, "afterwards"));
    cr_assert_eq(clew_memory_exporter_count(kit.memory), 2);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

static clew_span left_open;

static clew_export_outcome export_ends_a_span(void *self, const clew_batch *batch, uint32_t timeout_ms,
                                              clew_export_report *report) {
    (void)self;
    (void)batch;
    (void)timeout_ms;
    (void)report;
    clew_span_end(left_open);
    return CLEW_EXPORT_DELIVERED;
}

/* As a signal handler does that interrupts an export. */
Test(processor, span_that_ends_inside_a_local_export_does_not_deadlock, .timeout = 10) {
    struct kit kit = kit_new();
    clew_exporter local = {.flags = CLEW_EXPORTER_LOCAL, .export_batch = export_ends_a_span};
    clew_provider_add_simple(kit.provider, &local);
    left_open = kit_start(&kit, "left open");
    clew_span_end(kit_start(&kit, "work"));
    clew_stats_data books = books_of(&kit);
    cr_assert_eq(books.ended, 2);
    cr_assert_eq(books.pipelines[1].offered, 2);
    cr_assert_eq(books.pipelines[1].exported, 1);
    cr_assert_eq(books.pipelines[1].failed, 1);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}
