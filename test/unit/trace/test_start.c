/* How spans begin: parents, ids, flags, sampling, and what there is without an SDK. */
#include "kit.h"

Test(start, root_span_is_sampled_and_random) {
    struct kit kit = kit_new();
    clew_span span = kit_start(&kit, "work");
    cr_assert_eq(clew_span_get_context(span).trace_flags, CLEW_FLAG_SAMPLED | CLEW_FLAG_RANDOM);
    clew_span_end(span);
    clew_span_data data = data_of(kit_only(&kit));
    static const uint8_t none[8];
    cr_assert_arr_eq(data.parent_span_id, none, 8);
    cr_assert_eq(data.flags, 0x103);
    cr_assert_eq(data.kind, CLEW_INTERNAL);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(start, kinds_are_recorded_and_wrong_ones_become_internal) {
    struct kit kit = kit_new();
    for (int kind = -1; kind <= 6; kind++) {
        clew_span_options options = {.kind = (clew_span_kind)kind};
        clew_span_end(clew_span_start(kit.tracer, "work", &options));
        int expected = kind >= 1 && kind <= 5 ? kind : 1;
        cr_assert_eq((int)data_of(clew_memory_exporter_at(kit.memory, (size_t)kind + 1)).kind, expected);
    }
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(start, current_span_is_the_parent) {
    struct kit kit = kit_new();
    clew_scope scope = clew_scope_enter(kit.tracer, "parent", NULL);
    clew_span child = kit_start(&kit, "child");
    cr_assert_eq(clew_current_span().ref, scope.span.ref);
    clew_span_end(child);
    clew_scope_leave(&scope);
    cr_assert_arr_eq(data_of(kit_find(&kit, "child")).parent_span_id, scope.span.span_id, 8);
    cr_assert_arr_eq(child.trace_id, scope.span.trace_id, 16);
    cr_assert_eq(data_of(kit_find(&kit, "child")).flags, 0x103);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(start, starting_does_not_make_current) {
    struct kit kit = kit_new();
    clew_span span = kit_start(&kit, "work");
    cr_assert_eq(clew_current_span().ref, 0);
    clew_span_end(span);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(start, parent_in_the_options_beats_the_current_span) {
    struct kit kit = kit_new();
    clew_span other = kit_start(&kit, "other");
    clew_context *context = clew_context_with_span(NULL, other);
    clew_scope scope = clew_scope_enter(kit.tracer, "current", NULL);
    clew_span_options options = {.parent = context};
    clew_span_end(clew_span_start(kit.tracer, "child", &options));
    options.parent = clew_context_empty();
    clew_span_end(clew_span_start(kit.tracer, "orphan", &options));
    clew_scope_leave(&scope);
    clew_span_end(other);
    clew_context_unref(context);
    static const uint8_t none[8];
    cr_assert_arr_eq(data_of(kit_find(&kit, "child")).parent_span_id, other.span_id, 8);
    cr_assert_arr_eq(data_of(kit_find(&kit, "orphan")).parent_span_id, none, 8);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(start, root_option_starts_a_new_trace) {
    struct kit kit = kit_new();
    clew_scope scope = clew_scope_enter(kit.tracer, "outer", NULL);
    clew_span_options options = {.flags = CLEW_SPAN_ROOT};
    clew_span root = clew_span_start(kit.tracer, "root", &options);
    cr_assert_neq(memcmp(root.trace_id, scope.span.trace_id, 16), 0);
    clew_span_end(root);
    clew_scope_leave(&scope);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(start, ended_span_is_still_a_parent) {
    struct kit kit = kit_new();
    clew_span parent = kit_start(&kit, "parent");
    clew_token token = clew_span_attach(parent);
    clew_span_end(parent);
    clew_span_end(kit_start(&kit, "child"));
    cr_assert_eq(clew_context_detach(token), 0);
    cr_assert_arr_eq(data_of(kit_find(&kit, "child")).parent_span_id, parent.span_id, 8);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(start, remote_parent_is_marked_in_the_flags) {
    struct kit kit = kit_new();
    clew_span_context remote = remote_context(CLEW_FLAG_SAMPLED);
    clew_tracestate *state = clew_tracestate_parse("vendor=value", 12);
    remote.tracestate = state;
    clew_context *context = clew_context_with_span_context(NULL, &remote);
    clew_span_options options = {.parent = context, .kind = CLEW_SERVER};
    clew_span span = clew_span_start(kit.tracer, "server", &options);
    clew_span_context made = clew_span_get_context(span);
    cr_assert_not(made.is_remote);
    cr_assert_eq(made.trace_flags, CLEW_FLAG_SAMPLED);
    cr_assert(text_is(clew_tracestate_text(made.tracestate), "vendor=value"));
    clew_token token = clew_span_attach(span);
    clew_span_end(kit_start(&kit, "child"));
    clew_context_detach(token);
    clew_span_end(span);
    clew_span_data server = data_of(kit_find(&kit, "server")), child = data_of(kit_find(&kit, "child"));
    cr_assert_eq(server.flags, 0x301);
    cr_assert_arr_eq(server.trace_id, remote.trace_id, 16);
    cr_assert_arr_eq(server.parent_span_id, remote.span_id, 8);
    cr_assert(text_is(server.tracestate, "vendor=value"));
    cr_assert_eq(child.flags, 0x101);
    cr_assert(text_is(child.tracestate, "vendor=value"));
    clew_context_unref(context);
    clew_tracestate_unref(state);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(start, child_keeps_the_random_flag_of_its_parent) {
    struct kit kit = kit_new();
    clew_span_context remote = remote_context(CLEW_FLAG_SAMPLED | CLEW_FLAG_RANDOM);
    clew_context *context = clew_context_with_span_context(NULL, &remote);
    clew_span_options options = {.parent = context};
    clew_span span = clew_span_start(kit.tracer, "work", &options);
    cr_assert_eq(clew_span_get_context(span).trace_flags, 3);
    clew_span_end(span);
    cr_assert_eq(data_of(kit_only(&kit)).flags, 0x303);
    clew_context_unref(context);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(start, unsampled_span_has_an_id_of_its_own_and_records_nothing) {
    struct kit kit = kit_sampled(clew_sampler_always_off());
    clew_span span = kit_start(&kit, "work");
    clew_span_context context = clew_span_get_context(span);
    cr_assert(clew_span_context_is_valid(&context));
    cr_assert_eq(context.trace_flags, CLEW_FLAG_RANDOM);
    cr_assert_not(clew_span_is_recording(span));
    clew_span_set_int(span, "a", 1);
    clew_span_end(span);
    cr_assert_eq(clew_memory_exporter_count(kit.memory), 0);
    cr_assert_eq(books_of(&kit).not_recorded, 1);
    cr_assert_eq(books_of(&kit).started, 0);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(start, unsampled_span_hands_the_tracestate_on) {
    struct kit kit = kit_new();
    clew_span_context remote = remote_context(0);
    clew_tracestate *state = clew_tracestate_parse("vendor=value", 12);
    remote.tracestate = state;
    clew_context *context = clew_context_with_span_context(NULL, &remote);
    clew_span_options options = {.parent = context};
    clew_span span = clew_span_start(kit.tracer, "work", &options);
    cr_assert_not(clew_span_is_recording(span));
    cr_assert(text_is(clew_tracestate_text(clew_span_get_context(span).tracestate), "vendor=value"));
    clew_context *with = clew_context_with_span(NULL, span);
    clew_span_end(span);
    clew_span_context inside = clew_context_span_context(with);
    cr_assert(text_is(clew_tracestate_text(inside.tracestate), "vendor=value"));
    cr_assert_arr_eq(inside.span_id, span.span_id, 8);
    cr_assert_eq(books_of(&kit).open, 0);
    clew_context_unref(with);
    clew_context_unref(context);
    clew_tracestate_unref(state);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

/* ---- samplers and generators of one's own ---- */

static clew_attribute sampler_attribute;
static clew_tracestate *sampler_state;
static clew_sampling_parameters seen;
static clew_decision decision;

static void sample(void *self, const clew_sampling_parameters *parameters, clew_sampling_result *result) {
    (void)self;
    seen = *parameters;
    result->decision = decision;
    result->attributes = &sampler_attribute;
    result->attribute_count = 1;
    result->tracestate = sampler_state;
}

static clew_sampler *own_sampler(clew_decision chosen) {
    clew_sampler_callbacks callbacks = {.should_sample = sample, .description = "own"};
    decision = chosen;
    sampler_attribute = CLEW_KV("sampler", "was here");
    return clew_sampler_custom(&callbacks);
}

Test(start, sampler_sees_the_start_and_adds_to_the_span) {
    struct kit kit = kit_sampled(own_sampler(CLEW_RECORD_AND_SAMPLE));
    clew_attribute given[] = {CLEW_KV("given", 1), CLEW_KV("sampler", "no")};
    clew_link link = {.context = remote_context(0)};
    clew_span_options options = {
        .kind = CLEW_CLIENT, .attributes = given, .attribute_count = 2, .links = &link, .link_count = 1};
    sampler_state = clew_tracestate_parse("from=sampler", 12);
    clew_span span = clew_span_start(kit.tracer, "work", &options);
    cr_assert(text_is(clew_tracestate_text(clew_span_get_context(span).tracestate), "from=sampler"));
    clew_span_end(span);
    cr_assert_eq(seen.kind, CLEW_CLIENT);
    cr_assert_eq(seen.attribute_count, 2);
    cr_assert_eq(seen.link_count, 1);
    cr_assert_arr_eq(seen.trace_id, span.trace_id, 16);
    cr_assert_not(clew_span_context_is_valid(&seen.parent));
    expect_string(kit_only(&kit), "sampler", "was here");
    expect_int(kit_only(&kit), "given", 1);
    cr_assert(text_is(data_of(kit_only(&kit)).tracestate, "from=sampler"));
    clew_tracestate_unref(sampler_state);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(start, sampler_that_answers_no_tracestate_clears_it) {
    struct kit kit = kit_sampled(own_sampler(CLEW_RECORD_AND_SAMPLE));
    clew_span_context remote = remote_context(1);
    clew_tracestate *state = clew_tracestate_parse("vendor=value", 12);
    remote.tracestate = state;
    clew_context *context = clew_context_with_span_context(NULL, &remote);
    clew_span_options options = {.parent = context};
    clew_span_end(clew_span_start(kit.tracer, "work", &options));
    cr_assert(seen.parent.is_remote);
    cr_assert_eq(data_of(kit_only(&kit)).tracestate.size, 0);
    clew_context_unref(context);
    clew_tracestate_unref(state);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

static unsigned processed;

static void count_end(void *self, const clew_span_view *span) {
    (void)self;
    (void)span;
    processed++;
}

Test(start, record_only_span_reaches_processors_and_no_exporter) {
    struct kit kit = kit_sampled(own_sampler(CLEW_RECORD_ONLY));
    clew_memory_exporter *batched = clew_memory_exporter_new(0);
    clew_exporter exporter = clew_memory_exporter_as_exporter(batched);
    clew_processor processor = {.on_end = count_end};
    cr_assert_eq(clew_provider_add_processor(kit.provider, &processor), 0);
    cr_assert_eq(clew_provider_add_batch(kit.provider, &exporter, NULL), 0);
    clew_span span = kit_start(&kit, "work");
    cr_assert(clew_span_is_recording(span));
    cr_assert_eq(clew_span_get_context(span).trace_flags & CLEW_FLAG_SAMPLED, 0);
    clew_span_end(span);
    cr_assert_eq(clew_provider_flush(kit.provider, 1000).status, 0);
    cr_assert_eq(processed, 1);
    cr_assert_eq(clew_memory_exporter_count(kit.memory), 0);
    cr_assert_eq(clew_memory_exporter_count(batched), 0);
    clew_stats_data books = books_of(&kit);
    cr_assert_eq(books.pipelines[0].not_sampled, 1);
    cr_assert_eq(books.pipelines[2].not_sampled, 1);
    cr_assert_eq(books.pipelines[2].offered, 1);
    kit_end(&kit);
    clew_memory_exporter_free(batched);
    CLEW_NO_LEAKS();
}

static void own_trace_id(void *self, uint8_t id[16]) {
    memset(id, *(int *)self, 16);
}
static void own_span_id(void *self, uint8_t id[8]) {
    memset(id, ++*(int *)self, 8);
}

Test(start, id_generator_is_used_and_says_whether_it_is_random) {
    int number = 0x10;
    for (int random = 0; random < 2; random++) {
        clew_id_generator generator = {
            .self = &number, .trace_id = own_trace_id, .span_id = own_span_id, .random = random == 1};
        clew_provider_options options = {.resource = clew_resource_new(NULL, 0, NULL),
                                         .id_generator = &generator};
        struct kit kit = kit_with(&options);
        number = 0x10;
        clew_scope scope = clew_scope_enter(kit.tracer, "root", NULL);
        clew_span child = kit_start(&kit, "child");
        cr_assert_eq(scope.span.trace_id[15], 0x10);
        cr_assert_eq(scope.span.span_id[0], 0x11);
        cr_assert_eq(child.trace_id[0], 0x10);
        cr_assert_eq(child.span_id[7], 0x12);
        cr_assert_eq(clew_span_get_context(child).trace_flags, random ? 3 : 1);
        clew_span_end(child);
        clew_scope_leave(&scope);
        kit_end(&kit);
    }
    CLEW_NO_LEAKS();
}

Test(start, ids_are_all_different) {
    struct kit kit = kit_new();
    enum { COUNT = 2000 };
    static uint8_t ids[COUNT][8];
    for (int i = 0; i < COUNT; i++) {
        clew_span span = kit_start(&kit, "work");
        memcpy(ids[i], span.span_id, 8);
        clew_span_end(span);
    }
    for (int i = 0; i < COUNT; i++)
        for (int k = 0; k < i; k++)
            cr_assert_neq(memcmp(ids[i], ids[k], 8), 0);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

/* ---- no SDK ---- */

Test(start, without_an_sdk_a_root_has_no_ids) {
    clew_span span = clew_span_start(NULL, "work", NULL);
    clew_span_context context = clew_span_get_context(span);
    cr_assert_not(clew_span_context_is_valid(&context));
    cr_assert_eq(context.trace_flags, 0);
    cr_assert_not(clew_span_is_recording(span));
    clew_span_set_int(span, "a", 1);
    clew_span_end(span);
    cr_assert_eq(clew_stats().null_spans, 0);
    CLEW_NO_LEAKS();
}

Test(start, without_an_sdk_the_remote_parent_flows_through) {
    clew_span_context remote = remote_context(CLEW_FLAG_SAMPLED);
    clew_tracestate *state = clew_tracestate_parse("vendor=value", 12);
    remote.tracestate = state;
    clew_context *context = clew_context_with_span_context(NULL, &remote);
    clew_token token = clew_context_attach(context);
    clew_scope scope = clew_scope_enter(NULL, "work", NULL);
    clew_span_context passed = clew_span_get_context(scope.span), current = clew_current_span_context();
    cr_assert_arr_eq(passed.trace_id, remote.trace_id, 16);
    cr_assert_arr_eq(passed.span_id, remote.span_id, 8);
    cr_assert_eq(passed.trace_flags, CLEW_FLAG_SAMPLED);
    cr_assert(passed.is_remote);
    cr_assert_arr_eq(current.span_id, remote.span_id, 8);
    cr_assert(current.is_remote);
    cr_assert(text_is(clew_tracestate_text(current.tracestate), "vendor=value"));
    clew_scope_leave(&scope);
    cr_assert_eq(clew_context_detach(token), 0);
    clew_context_unref(context);
    clew_tracestate_unref(state);
    CLEW_NO_LEAKS();
}

Test(start, without_an_sdk_an_explicit_parent_flows_through_with_its_tracestate) {
    clew_span_context remote = remote_context(CLEW_FLAG_SAMPLED);
    clew_tracestate *state = clew_tracestate_parse("vendor=value", 12);
    remote.tracestate = state;
    clew_context *context = clew_context_with_span_context(NULL, &remote);
    clew_span_options options = {.parent = context};
    clew_span span = clew_span_start(NULL, "work", &options);
    clew_context *with = clew_context_with_span(context, span);
    clew_span_context passed = clew_context_span_context(with);
    cr_assert_arr_eq(passed.span_id, remote.span_id, 8);
    cr_assert(passed.is_remote);
    cr_assert(text_is(clew_tracestate_text(passed.tracestate), "vendor=value"));
    clew_span_end(span);
    clew_context_unref(with);
    clew_context_unref(context);
    clew_tracestate_unref(state);
    CLEW_NO_LEAKS();
}

Test(start, without_memory_the_span_is_not_recorded_and_counted) {
    struct kit kit = kit_new();
    static clew_span spans[3000];
    unsigned silent = 0;
    clew_set_memory_limit(1 << 20);
    for (int i = 0; i < 3000; i++) {
        spans[i] = kit_start(&kit, "work");
        clew_span_context context = clew_span_get_context(spans[i]);
        cr_assert(clew_span_context_is_valid(&context));
        if (!clew_span_is_recording(spans[i])) {
            silent++;
            cr_assert_eq(context.trace_flags & CLEW_FLAG_SAMPLED, 0);
        }
    }
    clew_stats_data books = books_of(&kit);
    cr_assert(silent > 0);
    cr_assert_eq(books.not_recorded_memory, silent);
    cr_assert_eq(books.started, 3000 - silent);
    cr_assert_eq(books.open, 3000 - silent);
    cr_assert(books.memory_used <= books.memory_limit);
    for (int i = 0; i < 3000; i++)
        clew_span_end(spans[i]);
    cr_assert_eq(books_of(&kit).open, 0);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(start, options_of_an_older_program_are_read_as_far_as_they_go) {
    struct kit kit = kit_new();
    clew_span_options options;
    memset(&options, 0xff, sizeof options);
    options.struct_size = offsetof(clew_span_options, parent);
    options.flags = 0;
    options.kind = CLEW_SERVER;
    clew_span_end(clew_span_start(kit.tracer, "work", &options));
    cr_assert_eq(data_of(kit_only(&kit)).kind, CLEW_SERVER);
    cr_assert_eq(data_of(kit_only(&kit)).attribute_count, 0);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}
