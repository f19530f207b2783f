/* Operations on spans: events, links, status, name, exceptions, times, misuse. */
#include "kit.h"

#include <errno.h>

Test(span, events_keep_order_time_and_attributes) {
    struct kit kit = kit_new();
    clew_attribute list[] = {CLEW_KV("n", 1), CLEW_KV("s", "two")};
    clew_attribute_view found;
    uint64_t before = clew_monotonic_nano();
    clew_span span = kit_start(&kit, "work");
    clew_span_add_event(span, "first", list, 2, 42);
    clew_span_add_event(span, "second", NULL, 5, 0);
    clew_span_add_event(span, NULL, NULL, 0, 7);
    clew_span_end(span);
    clew_span_view view = kit_only(&kit);
    clew_event_view first = event_at(view, 0), second = event_at(view, 1), third = event_at(view, 2);
    cr_assert(text_is(first.name, "first"));
    cr_assert_eq(first.time_unix_nano, 42);
    cr_assert(find_in(clew_event_view_attributes(&first), "s", &found));
    cr_assert_eq(found.value.data.size, 3);
    cr_assert(text_is(second.name, "second"));
    cr_assert(second.time_unix_nano >= data_of(view).start_unix_nano);
    cr_assert(second.time_unix_nano <= data_of(view).end_unix_nano);
    cr_assert_eq(third.name.size, 0);
    cr_assert_eq(data_of(view).event_count, 3);
    (void)before;
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(span, large_event_is_recorded_whole) {
    struct kit kit = kit_new();
    static char large[70000];
    clew_attribute_view found;
    memset(large, 'e', sizeof large);
    clew_attribute attribute = clew_attribute_of("large", clew_value_string_n(large, sizeof large));
    clew_span span = kit_start(&kit, "work");
    clew_span_set_int(span, "before", 1);
    clew_span_add_event(span, "event", &attribute, 1, 0);
    clew_span_set_int(span, "after", 2);
    clew_span_end(span);
    clew_event_view event = event_at(kit_only(&kit), 0);
    cr_assert(find_in(clew_event_view_attributes(&event), "large", &found));
    cr_assert_eq(found.value.data.size, sizeof large);
    expect_int(kit_only(&kit), "before", 1);
    expect_int(kit_only(&kit), "after", 2);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(span, links_of_the_start_and_later_ones_keep_order) {
    struct kit kit = kit_new();
    clew_attribute why = CLEW_KV("why", "batch");
    clew_tracestate *state = clew_tracestate_parse("k=v", 3);
    clew_link early = {
        .context = remote_context(CLEW_FLAG_SAMPLED), .attributes = &why, .attribute_count = 1};
    clew_span_context late = remote_context(CLEW_FLAG_RANDOM);
    clew_span_options options = {.links = &early, .link_count = 1};
    clew_attribute_view found;
    late.is_remote = false;
    late.tracestate = state;
    late.span_id[0] = 9;
    clew_span span = clew_span_start(kit.tracer, "work", &options);
    clew_span_add_link(span, &late, NULL, 3);
    clew_span_add_link(span, NULL, NULL, 0);
    clew_span_end(span);
    clew_link_view first = link_at(kit_only(&kit), 0), second = link_at(kit_only(&kit), 1);
    cr_assert_eq(data_of(kit_only(&kit)).link_count, 2);
    cr_assert_arr_eq(first.trace_id, early.context.trace_id, 16);
    cr_assert_eq(first.flags, 0x301);
    cr_assert(find_in(clew_link_view_attributes(&first), "why", &found));
    cr_assert_eq(second.span_id[0], 9);
    cr_assert_eq(second.flags, 0x102);
    cr_assert(text_is(second.tracestate, "k=v"));
    clew_tracestate_unref(state);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(span, link_without_ids_counts_only_with_something_in_it) {
    struct kit kit = kit_new();
    clew_attribute why = CLEW_KV("why", "x");
    clew_tracestate *state = clew_tracestate_parse("k=v", 3);
    clew_span_context invalid = {.is_remote = false}, with_state = {.tracestate = state};
    clew_span span = kit_start(&kit, "work");
    clew_span_add_link(span, &invalid, NULL, 0);
    clew_span_add_link(span, &invalid, &why, 1);
    clew_span_add_link(span, &with_state, NULL, 0);
    clew_span_end(span);
    cr_assert_eq(data_of(kit_only(&kit)).link_count, 2);
    cr_assert_eq(data_of(kit_only(&kit)).dropped_links, 0);
    clew_tracestate_unref(state);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

/* From each state each call, as the specification's table has it. */
Test(span, status_follows_the_order_of_the_specification) {
    static const struct {
        clew_status first, then, expected;
        const char *description;
    } cases[] = {
        {CLEW_STATUS_UNSET, CLEW_STATUS_UNSET, CLEW_STATUS_UNSET, ""},
        {CLEW_STATUS_UNSET, CLEW_STATUS_ERROR, CLEW_STATUS_ERROR, "then"},
        {CLEW_STATUS_UNSET, CLEW_STATUS_OK, CLEW_STATUS_OK, ""},
        {CLEW_STATUS_ERROR, CLEW_STATUS_UNSET, CLEW_STATUS_ERROR, "first"},
        {CLEW_STATUS_ERROR, CLEW_STATUS_ERROR, CLEW_STATUS_ERROR, "then"},
        {CLEW_STATUS_ERROR, CLEW_STATUS_OK, CLEW_STATUS_OK, ""},
        {CLEW_STATUS_OK, CLEW_STATUS_UNSET, CLEW_STATUS_OK, ""},
        {CLEW_STATUS_OK, CLEW_STATUS_ERROR, CLEW_STATUS_OK, ""},
        {CLEW_STATUS_OK, CLEW_STATUS_OK, CLEW_STATUS_OK, ""},
    };
    struct kit kit = kit_new();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        clew_span span = kit_start(&kit, "work");
        clew_span_set_status(span, cases[i].first, "first");
        clew_span_set_status(span, cases[i].then, "then");
        clew_span_end(span);
        clew_span_data data = data_of(clew_memory_exporter_at(kit.memory, i));
        cr_assert_eq(data.status, cases[i].expected, "case %zu", i);
        cr_assert(text_is(data.status_description, cases[i].description), "case %zu", i);
    }
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(span, status_that_is_none_is_ignored) {
    struct kit kit = kit_new();
    clew_span span = kit_start(&kit, "work");
    clew_span_set_status(span, (clew_status)9, "x");
    clew_span_end(span);
    cr_assert_eq(data_of(kit_only(&kit)).status, CLEW_STATUS_UNSET);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(span, last_error_without_description_has_none) {
    struct kit kit = kit_new();
    clew_span span = kit_start(&kit, "work");
    clew_span_set_status(span, CLEW_STATUS_ERROR, "first");
    clew_span_set_status(span, CLEW_STATUS_ERROR, NULL);
    clew_span_end(span);
    cr_assert_eq(data_of(kit_only(&kit)).status, CLEW_STATUS_ERROR);
    cr_assert_eq(data_of(kit_only(&kit)).status_description.size, 0);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(span, update_name_supersedes) {
    struct kit kit = kit_new();
    clew_span a = kit_start(&kit, "old name"), b = kit_start(&kit, "old"), c = kit_start(&kit, NULL);
    clew_span_update_name(a, "new");
    clew_span_update_name(b, NULL);
    clew_span_update_name(c, "");
    clew_span_update_name(c, "named late");
    clew_span_end(a);
    clew_span_end(b);
    clew_span_end(c);
    cr_assert(text_is(data_of(clew_memory_exporter_at(kit.memory, 0)).name, "new"));
    cr_assert_not(contains(clew_memory_exporter_at(kit.memory, 0).span, "old name"));
    cr_assert_eq(data_of(clew_memory_exporter_at(kit.memory, 1)).name.size, 0);
    cr_assert(text_is(data_of(clew_memory_exporter_at(kit.memory, 2)).name, "named late"));
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(span, names_of_every_kind_are_recorded) {
    struct kit kit = kit_new();
    static char name[40000];
    memset(name, 'n', sizeof name - 1);
    clew_span_end(kit_start(&kit, name));
    clew_span_end(kit_start(&kit, "broken \xff name"));
    cr_assert_eq(data_of(clew_memory_exporter_at(kit.memory, 0)).name.size, sizeof name - 1);
    cr_assert(text_is(data_of(clew_memory_exporter_at(kit.memory, 1)).name, "broken \xef\xbf\xbd name"));
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(span, exception_is_an_event) {
    struct kit kit = kit_new();
    clew_attribute_view found;
    clew_span span = kit_start(&kit, "work");
    clew_span_record_exception(span, "IOError", "disk full", "at main", NULL, 0);
    clew_span_end(span);
    clew_event_view event = event_at(kit_only(&kit), 0);
    cr_assert(text_is(event.name, "exception"));
    cr_assert(find_in(clew_event_view_attributes(&event), "exception.type", &found));
    cr_assert(find_in(clew_event_view_attributes(&event), "exception.message", &found));
    cr_assert(find_in(clew_event_view_attributes(&event), "exception.stacktrace", &found));
    cr_assert_eq(data_of(kit_only(&kit)).status, CLEW_STATUS_UNSET);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(span, given_attributes_win_over_those_of_the_exception) {
    struct kit kit = kit_new();
    clew_attribute many[60];
    clew_attribute_view found;
    static char names[60][16];
    for (int i = 0; i < 60; i++) {
        snprintf(names[i], sizeof names[i], "k%d", i);
        many[i] = CLEW_KV(names[i], i);
    }
    many[59] = CLEW_KV("exception.type", "Mine");
    clew_span span = kit_start(&kit, "work");
    clew_span_record_exception(span, "Theirs", "message", NULL, many, 60);
    clew_span_end(span);
    clew_event_view event = event_at(kit_only(&kit), 0);
    cr_assert(find_in(clew_event_view_attributes(&event), "exception.type", &found));
    cr_assert_eq(found.value.data.size, 4);
    cr_assert_arr_eq(found.value.data.data, "Mine", 4);
    cr_assert(find_in(clew_event_view_attributes(&event), "k58", &found));
    cr_assert_not(find_in(clew_event_view_attributes(&event), "exception.stacktrace", &found));
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(span, error_sets_status_and_type) {
    struct kit kit = kit_new();
    clew_span span = kit_start(&kit, "a"), other = kit_start(&kit, "b");
    clew_error(span, CLEW_ERROR_TIMEOUT, "no reply in %d ms", 250);
    clew_span_set_error(other, NULL, NULL);
    clew_span_end(span);
    clew_span_end(other);
    expect_string(kit_find(&kit, "a"), "error.type", "timeout");
    cr_assert(text_is(data_of(kit_find(&kit, "a")).status_description, "no reply in 250 ms"));
    expect_string(kit_find(&kit, "b"), "error.type", "_OTHER");
    cr_assert_eq(data_of(kit_find(&kit, "b")).status, CLEW_STATUS_ERROR);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(span, explicit_times_are_taken) {
    struct kit kit = kit_new();
    clew_span_options options = {.start_unix_nano = 1000};
    clew_span span = clew_span_start(kit.tracer, "work", &options);
    clew_span_end_at(span, 500);
    cr_assert_eq(data_of(kit_only(&kit)).start_unix_nano, 1000);
    cr_assert_eq(data_of(kit_only(&kit)).end_unix_nano, 500);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(span, times_are_of_the_wall_clock_and_children_fit_their_parents) {
    struct kit kit = kit_new();
    struct timespec now;
    clew_span parent = kit_start(&kit, "parent");
    clew_token token = clew_span_attach(parent);
    clew_span child = kit_start(&kit, "child");
    clew_span_end(child);
    clew_context_detach(token);
    clew_span_end(parent);
    clock_gettime(CLOCK_REALTIME, &now);
    clew_span_data outer = data_of(kit_find(&kit, "parent")), inner = data_of(kit_find(&kit, "child"));
    uint64_t wall = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    cr_assert(outer.start_unix_nano <= inner.start_unix_nano);
    cr_assert(inner.start_unix_nano <= inner.end_unix_nano);
    cr_assert(inner.end_unix_nano <= outer.end_unix_nano);
    cr_assert(wall - outer.start_unix_nano < 5000000000u);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(span, ended_span_ignores_everything) {
    struct kit kit = kit_new();
    clew_span_context other = remote_context(0);
    clew_span span = kit_start(&kit, "work");
    clew_span_end(span);
    size_t size = kit_only(&kit).span.size;
    uint64_t stale = books_of(&kit).stale_spans;
    clew_span_set_string(span, "a", "b");
    clew_span_set_int(span, "a", 1);
    clew_span_set_bool(span, "a", true);
    clew_span_set_double(span, "a", 1);
    clew_span_set_value(span, "a", clew_value_empty());
    clew_span_set_attributes(span, NULL, 0);
    clew_span_add_event(span, "e", NULL, 0, 0);
    clew_span_add_link(span, &other, NULL, 0);
    clew_span_set_status(span, CLEW_STATUS_OK, NULL);
    clew_span_update_name(span, "other");
    clew_span_record_exception(span, "a", "b", NULL, NULL, 0);
    clew_span_set_error(span, "a", "b");
    clew_span_end(span);
    cr_assert_eq(kit_only(&kit).span.size, size);
    cr_assert_eq(books_of(&kit).stale_spans - stale, 13);
    cr_assert_not(clew_span_is_recording(span));
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(span, null_span_does_nothing_and_is_counted) {
    struct kit kit = kit_new();
    clew_span none = {.ref = 0};
    clew_span_set_int(none, "a", 1);
    clew_span_add_event(none, "e", NULL, 0, 0);
    clew_span_end(none);
    cr_assert_not(clew_span_is_recording(none));
    cr_assert_eq(books_of(&kit).null_spans, 3);
    cr_assert_eq(clew_memory_exporter_count(kit.memory), 0);
    cr_assert_not(clew_span_context_is_valid(&(clew_span_context){.is_remote = false}));
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(span, handle_whose_slot_serves_another_span_changes_nothing) {
    struct kit kit = kit_new();
    clew_span old = kit_start(&kit, "old");
    clew_span_end(old);
    clew_span fresh = kit_start(&kit, "fresh");
    clew_span_set_int(old, "a", 1);
    clew_span_update_name(old, "wrong");
    clew_span_end(old);
    cr_assert(clew_span_is_recording(fresh));
    clew_span_end(fresh);
    cr_assert_eq(clew_memory_exporter_count(kit.memory), 2);
    expect_absent(kit_find(&kit, "fresh"), "a");
    cr_assert_eq(books_of(&kit).stale_spans, 3);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(span, invented_handle_is_harmless) {
    struct kit kit = kit_new();
    clew_span wild = {.ref = UINT64_C(0xfffffffffffffff7)};
    clew_span_set_int(wild, "a", 1);
    clew_span_end(wild);
    wild.ref = UINT64_C(0x7000000000000100);
    clew_span_end(wild);
    cr_assert_not(clew_span_is_recording(wild));
    cr_assert_eq(books_of(&kit).stale_spans, 3);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(span, context_is_the_same_after_the_end) {
    struct kit kit = kit_new();
    clew_span span = kit_start(&kit, "work");
    clew_span_context before = clew_span_get_context(span);
    clew_span_end(span);
    clew_span_context after = clew_span_get_context(span);
    clew_span_data data = data_of(kit_only(&kit));
    cr_assert(clew_span_context_is_valid(&after));
    cr_assert_arr_eq(before.trace_id, after.trace_id, 16);
    cr_assert_arr_eq(before.span_id, after.span_id, 8);
    cr_assert_eq(before.trace_flags, after.trace_flags);
    cr_assert_not(after.is_remote);
    cr_assert_arr_eq(data.trace_id, after.trace_id, 16);
    cr_assert_arr_eq(data.span_id, after.span_id, 8);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(span, errno_is_left_alone_by_every_operation) {
    struct kit kit = kit_new();
    clew_limits limits = clew_limits_default();
    limits.event_count = 0;
    struct kit tight = kit_limited(&limits);
    clew_span_context other = remote_context(0);
    clew_attribute attribute = CLEW_KV("a", 1);
    clew_span none = {.ref = 0};
    static char large[5000];
    memset(large, 'x', sizeof large - 1);
#define KEEPS_ERRNO(call)                                                                                    \
    do {                                                                                                     \
        errno = 4711;                                                                                        \
        call;                                                                                                \
        cr_assert_eq(errno, 4711, "%s", #call);                                                              \
    } while (0)
    clew_span span, dropping;
    KEEPS_ERRNO(span = clew_span_start(kit.tracer, "work", NULL));
    KEEPS_ERRNO(dropping = clew_span_start(tight.tracer, "work", NULL));
    KEEPS_ERRNO(clew_span_set_string(span, "a", "b"));
    KEEPS_ERRNO(clew_span_set_string(span, "large", large));
    KEEPS_ERRNO(clew_span_set_int(span, "a", 1));
    KEEPS_ERRNO(clew_span_set_bool(span, "a", true));
    KEEPS_ERRNO(clew_span_set_double(span, "a", 1));
    KEEPS_ERRNO(clew_span_set_value(span, "a", clew_value_bytes("x", 1)));
    KEEPS_ERRNO(clew_span_set_attributes(span, &attribute, 1));
    KEEPS_ERRNO(clew_span_add_event(span, "e", &attribute, 1, 0));
    KEEPS_ERRNO(clew_span_add_event(dropping, "e", &attribute, 1, 0));
    KEEPS_ERRNO(clew_span_add_link(span, &other, NULL, 0));
    KEEPS_ERRNO(clew_wait_begin(span, dropping));
    KEEPS_ERRNO(clew_wait_begin(dropping, span));
    KEEPS_ERRNO(clew_wait_end(span, dropping));
    KEEPS_ERRNO(clew_wait_end(span, dropping));
    KEEPS_ERRNO(clew_wait_end(span, none));
    KEEPS_ERRNO(clew_span_set_status(span, CLEW_STATUS_ERROR, "d"));
    KEEPS_ERRNO(clew_span_update_name(span, "n"));
    KEEPS_ERRNO(clew_span_record_exception(span, "a", "b", "c", NULL, 0));
    KEEPS_ERRNO(clew_error(span, "a", "%s", "b"));
    KEEPS_ERRNO(clew_token token = clew_span_attach(span); clew_context_detach(token));
    KEEPS_ERRNO(clew_scope scope = clew_scope_enter(kit.tracer, "scope", NULL); clew_scope_leave(&scope));
    KEEPS_ERRNO(clew_context_unref(clew_context_with_span(NULL, span)));
    KEEPS_ERRNO((void)clew_span_get_context(span));
    KEEPS_ERRNO((void)clew_span_is_recording(span));
    KEEPS_ERRNO(clew_span_end(span));
    KEEPS_ERRNO(clew_span_end(span));
    KEEPS_ERRNO(clew_span_end(none));
    KEEPS_ERRNO(clew_span_end(dropping));
    kit_end(&kit);
    kit_end(&tight);
    CLEW_NO_LEAKS();
}

Test(span, errno_is_left_alone_by_the_span_that_starts_the_worker) {
    clew_provider *provider = clew_provider_new(NULL);
    clew_memory_exporter *memory = clew_memory_exporter_new(0);
    clew_exporter exporter = clew_memory_exporter_as_exporter(memory);
    clew_provider_add_batch(provider, &exporter, NULL);
    clew_tracer *tracer = clew_provider_tracer(provider, "t", NULL, NULL, NULL, 0);
    errno = 4711;
    clew_span_end(clew_span_start(tracer, "work", NULL));
    cr_assert_eq(errno, 4711);
    clew_provider_shutdown(provider, 1000);
    clew_memory_exporter_free(memory);
    CLEW_NO_LEAKS();
}

Test(span, books_balance_at_rest) {
    struct kit kit = kit_new();
    clew_span open[300];
    for (int i = 0; i < 300; i++)
        open[i] = kit_start(&kit, "work");
    for (int i = 0; i < 200; i++)
        clew_span_end(open[i]);
    clew_stats_data books = books_of(&kit);
    cr_assert_eq(books.started, 300);
    cr_assert_eq(books.ended, 200);
    cr_assert_eq(books.open, 100);
    cr_assert_eq(books.pipelines[0].offered, 200);
    cr_assert_eq(books.pipelines[0].exported, 200);
    cr_assert_eq(books.pipelines[0].pending, 0);
    for (int i = 200; i < 300; i++)
        clew_span_end(open[i]);
    cr_assert_eq(books_of(&kit).open, 0);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(span, ten_thousand_open_spans_are_told_apart) {
    struct kit kit = kit_new();
    static clew_span open[10000];
    for (int i = 0; i < 10000; i++) {
        open[i] = kit_start(&kit, "work");
        clew_span_set_int(open[i], "i", i);
    }
    for (int i = 10000; i-- > 0;)
        clew_span_end(open[i]);
    for (size_t i = 0; i < 10000; i += 97) {
        clew_span_view view = clew_memory_exporter_at(kit.memory, i);
        expect_int(view, "i", 9999 - (int64_t)i);
        cr_assert_arr_eq(data_of(view).span_id, open[9999 - i].span_id, 8);
    }
    kit_end(&kit);
    CLEW_NO_LEAKS();
}
