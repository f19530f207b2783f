/* Samplers: decisions, descriptions, ownership; and that the quick decision is the full one. */
#include "sdk/sampling/sampler.h"

#include "test/support.h"
#include "test/unit/config/captured_log.h"

#include <clew/extend.h>

#include <math.h>
#include <pthread.h>
#include <stdlib.h>

TestSuite(sampler, .init = capture_log);

static clew_sampling_parameters parameters_of(uint64_t low) {
    clew_sampling_parameters parameters = {
        .struct_size = sizeof parameters, .name = "work", .kind = CLEW_INTERNAL};
    for (int i = 0; i < 8; i++)
        parameters.trace_id[15 - i] = (uint8_t)(low >> (8 * i));
    parameters.trace_id[0] = 1;
    return parameters;
}

static void set_parent(clew_sampling_parameters *parameters, bool remote, bool sampled) {
    memcpy(parameters->parent.trace_id, parameters->trace_id, 16);
    parameters->parent.span_id[7] = 1;
    parameters->parent.is_remote = remote;
    parameters->parent.trace_flags = sampled ? CLEW_FLAG_SAMPLED | CLEW_FLAG_RANDOM : CLEW_FLAG_RANDOM;
}

static clew_decision decide(clew_sampler *sampler, const clew_sampling_parameters *parameters) {
    clew_sampling_result result;
    memset(&result, 0xa5, sizeof result);
    clew_sampler_should_sample(sampler, parameters, &result);
    return result.decision;
}

/* By the low half of a trace id, without a parent. */
static bool samples(clew_sampler *sampler, uint64_t low) {
    clew_sampling_parameters parameters = parameters_of(low);
    clew_decision quick;
    clew_decision full = decide(sampler, &parameters);
    cr_assert(clew__sampler_quick(sampler, false, false, false, parameters.trace_id, &quick));
    cr_assert_eq(quick, full);
    return full == CLEW_RECORD_AND_SAMPLE;
}

static uint64_t splitmix(uint64_t *state) {
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* ---- always ---- */

Test(sampler, always_on_records_and_samples) {
    cr_assert(samples(clew_sampler_always_on(), 0));
    cr_assert_str_eq(clew_sampler_description(clew_sampler_always_on()), "AlwaysOnSampler");
}

Test(sampler, always_off_drops) {
    cr_assert_not(samples(clew_sampler_always_off(), 0));
    cr_assert_str_eq(clew_sampler_description(clew_sampler_always_off()), "AlwaysOffSampler");
}

Test(sampler, static_samplers_outlive_every_unref) {
    for (int i = 0; i < 3; i++)
        clew_sampler_unref(clew_sampler_always_on());
    cr_assert_eq(clew_sampler_ref(clew_sampler_always_on()), clew_sampler_always_on());
    cr_assert(samples(clew_sampler_always_on(), 0));
}

Test(sampler, null_is_allowed_where_references_are_counted) {
    clew_sampler_unref(NULL);
    cr_assert_null(clew_sampler_ref(NULL));
    cr_assert_str_empty(clew_sampler_description(NULL));
}

Test(sampler, result_is_filled_in_whole) {
    clew_tracestate *state = (clew_tracestate *)(uintptr_t)0x1000;
    clew_sampling_parameters parameters = parameters_of(1);
    clew_sampling_result result;
    parameters.parent.tracestate = state;
    memset(&result, 0xa5, sizeof result);
    clew_sampler_should_sample(clew_sampler_always_on(), &parameters, &result);
    cr_assert_eq(result.decision, CLEW_RECORD_AND_SAMPLE);
    cr_assert_null(result.attributes);
    cr_assert_eq(result.attribute_count, 0);
    cr_assert_eq(result.tracestate, state);
}

/* ---- ratio ---- */

Test(sampler, ratio_of_a_half_has_its_boundary_at_the_highest_bit_of_the_low_half) {
    clew_sampler *half = clew_sampler_trace_id_ratio(0.5);
    cr_assert(samples(half, 0));
    cr_assert(samples(half, UINT64_C(0x7fffffffffffffff)));
    cr_assert_not(samples(half, UINT64_C(0x8000000000000000)));
    cr_assert_not(samples(half, UINT64_MAX));
    clew_sampler_unref(half);
    CLEW_NO_LEAKS();
}

Test(sampler, ratio_of_a_quarter_has_its_boundary_a_bit_lower) {
    clew_sampler *quarter = clew_sampler_trace_id_ratio(0.25);
    cr_assert(samples(quarter, UINT64_C(0x3fffffffffffffff)));
    cr_assert_not(samples(quarter, UINT64_C(0x4000000000000000)));
    clew_sampler_unref(quarter);
    CLEW_NO_LEAKS();
}

Test(sampler, smallest_ratio_keeps_the_two_lowest_ids) {
    clew_sampler *least = clew_sampler_trace_id_ratio(ldexp(1, -63));
    cr_assert(samples(least, 0));
    cr_assert(samples(least, 1));
    cr_assert_not(samples(least, 2));
    clew_sampler_unref(least);
    CLEW_NO_LEAKS();
}

Test(sampler, ratio_of_one_keeps_everything) {
    clew_sampler *all = clew_sampler_trace_id_ratio(1);
    cr_assert(samples(all, 0));
    cr_assert(samples(all, UINT64_MAX));
    clew_sampler_unref(all);
    CLEW_NO_LEAKS();
}

Test(sampler, ratio_of_zero_keeps_nothing) {
    clew_sampler *none = clew_sampler_trace_id_ratio(0);
    cr_assert_not(samples(none, 0));
    cr_assert_not(samples(none, UINT64_MAX));
    clew_sampler_unref(none);
    CLEW_NO_LEAKS();
}

Test(sampler, ratio_does_not_look_at_the_high_half_of_the_trace_id) {
    clew_sampler *half = clew_sampler_trace_id_ratio(0.5);
    clew_sampling_parameters parameters = parameters_of(UINT64_C(0x7fffffffffffffff));
    memset(parameters.trace_id, 0xff, 8);
    cr_assert_eq(decide(half, &parameters), CLEW_RECORD_AND_SAMPLE);
    clew_sampler_unref(half);
    CLEW_NO_LEAKS();
}

Test(sampler, ratio_does_not_look_at_the_parent) {
    clew_sampler *half = clew_sampler_trace_id_ratio(0.5);
    clew_sampling_parameters parameters = parameters_of(UINT64_MAX);
    set_parent(&parameters, true, true);
    cr_assert_eq(decide(half, &parameters), CLEW_DROP);
    clew_sampler_unref(half);
    CLEW_NO_LEAKS();
}

Test(sampler, higher_ratio_keeps_every_trace_that_a_lower_one_keeps) {
    static const double ratios[] = {0, 1e-9, 0.0001, 0.01, 0.1, 1.0 / 3, 0.5, 0.9, 0.999999, 1};
    enum { COUNT = sizeof ratios / sizeof ratios[0], IDS = 10000 };
    clew_sampler *samplers[COUNT];
    unsigned kept[COUNT] = {0};
    uint64_t state = 2026;
    for (int r = 0; r < COUNT; r++)
        samplers[r] = clew_sampler_trace_id_ratio(ratios[r]);
    for (int i = 0; i < IDS; i++) {
        uint64_t low = splitmix(&state);
        bool before = false;
        for (int r = 0; r < COUNT; r++) {
            bool now = samples(samplers[r], low);
            cr_assert(now || !before, "id %016llx at ratio %g", (unsigned long long)low, ratios[r]);
            kept[r] += now;
            before = now;
        }
    }
    for (int r = 0; r < COUNT; r++) {
        double deviation = 5 * sqrt(IDS * ratios[r] * (1 - ratios[r])) + 0.5;
        cr_assert(fabs(kept[r] - IDS * ratios[r]) <= deviation, "%u of %d at ratio %g", kept[r], IDS,
                  ratios[r]);
        clew_sampler_unref(samplers[r]);
    }
    CLEW_NO_LEAKS();
}

static void expect_description(double ratio, const char *expected) {
    clew_sampler *sampler = clew_sampler_trace_id_ratio(ratio);
    cr_assert_str_eq(clew_sampler_description(sampler), expected);
    clew_sampler_unref(sampler);
}

Test(sampler, ratio_is_described_with_six_decimals) {
    expect_description(0.0001, "TraceIdRatioBased{0.000100}");
    expect_description(0, "TraceIdRatioBased{0.000000}");
    expect_description(1, "TraceIdRatioBased{1.000000}");
    expect_description(0.1, "TraceIdRatioBased{0.100000}");
    expect_description(1.0 / 3, "TraceIdRatioBased{0.333333}");
    expect_description(2.0 / 3, "TraceIdRatioBased{0.666667}");
    cr_assert_eq(captured.lines, 0);
    CLEW_NO_LEAKS();
}

Test(sampler, ratio_above_one_is_clamped_and_logged) {
    clew_sampler *sampler = clew_sampler_trace_id_ratio(1.5);
    cr_assert(samples(sampler, UINT64_MAX));
    cr_assert_str_eq(clew_sampler_description(sampler), "TraceIdRatioBased{1.000000}");
    cr_assert(captured_one_warning("ratio", "1.5", "using 1"), "%s", captured.all);
    clew_sampler_unref(sampler);
    CLEW_NO_LEAKS();
}

Test(sampler, negative_ratio_is_clamped_and_logged) {
    clew_sampler *sampler = clew_sampler_trace_id_ratio(-INFINITY);
    cr_assert_not(samples(sampler, 0));
    cr_assert(captured_one_warning("ratio", "-inf", "using 0"), "%s", captured.all);
    clew_sampler_unref(sampler);
    CLEW_NO_LEAKS();
}

Test(sampler, ratio_that_is_no_number_keeps_everything_and_is_logged) {
    clew_sampler *sampler = clew_sampler_trace_id_ratio(NAN);
    cr_assert(samples(sampler, UINT64_MAX));
    cr_assert(captured_one_warning("ratio", "nan", "using 1"), "%s", captured.all);
    clew_sampler_unref(sampler);
    CLEW_NO_LEAKS();
}

/* ---- parent-based ---- */

/* A custom sampler that notes what it saw. */
struct witness {
    clew_decision answer;
    unsigned calls, destroyed;
    clew_sampling_parameters seen;
    clew_sampling_result found;
    bool bad_attributes;
};

static void witness_should_sample(void *self, const clew_sampling_parameters *parameters,
                                  clew_sampling_result *result) {
    struct witness *witness = self;
    witness->calls++;
    witness->seen = *parameters;
    witness->found = *result;
    result->decision = witness->answer;
    if (witness->bad_attributes)
        result->attribute_count = 3;
}

static void witness_destroy(void *self) {
    ((struct witness *)self)->destroyed++;
}

static clew_sampler *witness_sampler(struct witness *witness) {
    clew_sampler_callbacks callbacks = {.struct_size = sizeof callbacks,
                                        .self = witness,
                                        .should_sample = witness_should_sample,
                                        .description = "Witness",
                                        .destroy = witness_destroy};
    return clew_sampler_custom(&callbacks);
}

Test(sampler, parent_based_asks_exactly_the_delegate_of_the_parent) {
    struct witness witnesses[5] = {{.answer = CLEW_RECORD_ONLY},
                                   {.answer = CLEW_RECORD_ONLY},
                                   {.answer = CLEW_RECORD_ONLY},
                                   {.answer = CLEW_RECORD_ONLY},
                                   {.answer = CLEW_RECORD_ONLY}};
    clew_parent_based_options options = {.struct_size = sizeof options,
                                         .root = witness_sampler(&witnesses[4]),
                                         .remote_parent_sampled = witness_sampler(&witnesses[3]),
                                         .remote_parent_not_sampled = witness_sampler(&witnesses[2]),
                                         .local_parent_sampled = witness_sampler(&witnesses[1]),
                                         .local_parent_not_sampled = witness_sampler(&witnesses[0])};
    clew_sampler *sampler = clew_sampler_parent_based(&options);
    for (unsigned i = 0; i < 5; i++) {
        clew_sampling_parameters parameters = parameters_of(i);
        clew_decision quick;
        if (i < 4)
            set_parent(&parameters, i / 2, i % 2);
        cr_assert_eq(decide(sampler, &parameters), CLEW_RECORD_ONLY);
        for (unsigned w = 0; w < 5; w++)
            cr_assert_eq(witnesses[w].calls, w <= i, "case %u asked %u", i, w);
        cr_assert_not(
            clew__sampler_quick(sampler, i < 4, i / 2 == 1, i % 2 == 1, parameters.trace_id, &quick),
            "a custom delegate needs the full call");
    }
    clew_sampler_unref(sampler);
    for (unsigned w = 0; w < 5; w++)
        cr_assert_eq(witnesses[w].destroyed, 1);
    CLEW_NO_LEAKS();
}

Test(sampler, parent_with_an_invalid_span_context_is_none) {
    clew_parent_based_options options = {.root = clew_sampler_always_off()};
    clew_sampler *sampler = clew_sampler_parent_based(&options);
    clew_sampling_parameters parameters = parameters_of(1);
    set_parent(&parameters, true, true);
    memset(parameters.parent.span_id, 0, 8);
    cr_assert_eq(decide(sampler, &parameters), CLEW_DROP);
    clew_sampler_unref(sampler);
    CLEW_NO_LEAKS();
}

static void expect_defaults(clew_sampler *sampler, clew_decision of_root) {
    for (unsigned i = 0; i < 5; i++) {
        clew_sampling_parameters parameters = parameters_of(UINT64_MAX);
        clew_decision expected = i == 4 ? of_root : i % 2 ? CLEW_RECORD_AND_SAMPLE : CLEW_DROP, quick;
        if (i < 4)
            set_parent(&parameters, i / 2, i % 2);
        cr_assert_eq(decide(sampler, &parameters), expected);
        cr_assert(clew__sampler_quick(sampler, i < 4, i / 2 == 1, i % 2 == 1, parameters.trace_id, &quick));
        cr_assert_eq(quick, expected);
    }
}

Test(sampler, parent_based_follows_the_parent_by_default) {
    clew_sampler *sampler = clew_sampler_parent_based(NULL);
    expect_defaults(sampler, CLEW_RECORD_AND_SAMPLE);
    clew_sampler_unref(sampler);
    CLEW_NO_LEAKS();
}

Test(sampler, parent_based_on_a_ratio_follows_the_parent) {
    clew_parent_based_options options = {.root = clew_sampler_trace_id_ratio(0.5)};
    clew_sampler *sampler = clew_sampler_parent_based(&options);
    expect_defaults(sampler, CLEW_DROP);
    clew_sampler_unref(sampler);
    CLEW_NO_LEAKS();
}

Test(sampler, parent_based_is_described_with_its_delegates) {
    clew_parent_based_options options = {.root = clew_sampler_trace_id_ratio(0.01)};
    clew_sampler *sampler = clew_sampler_parent_based(&options);
    cr_assert_str_eq(clew_sampler_description(sampler),
                     "ParentBased{root:TraceIdRatioBased{0.010000},remoteParentSampled:AlwaysOnSampler,"
                     "remoteParentNotSampled:AlwaysOffSampler,localParentSampled:AlwaysOnSampler,"
                     "localParentNotSampled:AlwaysOffSampler}");
    clew_sampler_unref(sampler);
    CLEW_NO_LEAKS();
}

Test(sampler, options_of_an_older_release_leave_the_newer_members_alone) {
    clew_parent_based_options options = {.struct_size =
                                             offsetof(clew_parent_based_options, remote_parent_sampled),
                                         .root = clew_sampler_always_off(),
                                         .remote_parent_sampled = clew_sampler_always_off()};
    clew_sampler *sampler = clew_sampler_parent_based(&options);
    expect_defaults(sampler, CLEW_DROP);
    clew_sampler_unref(sampler);
    CLEW_NO_LEAKS();
}

static clew_sampler *nest(clew_sampler *root, int levels) {
    while (levels-- > 0) {
        clew_parent_based_options options = {.root = root};
        root = clew_sampler_parent_based(&options);
    }
    return root;
}

Test(sampler, quick_decision_follows_few_levels_and_leaves_more_to_the_full_call) {
    clew_sampler *few = nest(clew_sampler_always_on(), CLEW__SAMPLER_STEPS - 1);
    clew_sampler *many = nest(clew_sampler_always_on(), CLEW__SAMPLER_STEPS);
    clew_sampling_parameters parameters = parameters_of(0);
    clew_decision quick;
    cr_assert(clew__sampler_quick(few, false, false, false, parameters.trace_id, &quick));
    cr_assert_eq(quick, CLEW_RECORD_AND_SAMPLE);
    cr_assert_not(clew__sampler_quick(many, false, false, false, parameters.trace_id, &quick));
    cr_assert_eq(decide(many, &parameters), CLEW_RECORD_AND_SAMPLE);
    clew_sampler_unref(few);
    clew_sampler_unref(many);
    CLEW_NO_LEAKS();
}

/* On a stack that a recursion over all levels would break. */
static void *use_deep_nest(void *made) {
    clew_sampling_parameters parameters = parameters_of(0);
    bool sampled = decide(made, &parameters) == CLEW_RECORD_AND_SAMPLE;
    clew_sampler_unref(made);
    return sampled ? made : NULL;
}

Test(sampler, deep_nesting_is_asked_and_freed_on_a_small_stack) {
    clew_sampler *deep = nest(clew_sampler_always_on(), 5000);
    pthread_attr_t attributes;
    pthread_t thread;
    void *answer;
    cr_assert_lt(strlen(clew_sampler_description(deep)), 4096, "descriptions are bounded");
    cr_assert(strstr(clew_sampler_description(deep), "..."));
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 128 * 1024);
    cr_assert_eq(pthread_create(&thread, &attributes, use_deep_nest, deep), 0);
    pthread_join(thread, &answer);
    pthread_attr_destroy(&attributes);
    cr_assert_not_null(answer);
    CLEW_NO_LEAKS();
}

/* ---- one's own ---- */

Test(sampler, custom_sampler_sees_the_parameters_and_a_result_of_drop) {
    struct witness witness = {.answer = CLEW_RECORD_AND_SAMPLE};
    clew_sampler *sampler = witness_sampler(&witness);
    clew_sampling_parameters parameters = parameters_of(7);
    clew_decision quick;
    parameters.parent.tracestate = (clew_tracestate *)(uintptr_t)0x1000;
    cr_assert_eq(decide(sampler, &parameters), CLEW_RECORD_AND_SAMPLE);
    cr_assert_str_eq(witness.seen.name, "work");
    cr_assert_arr_eq(witness.seen.trace_id, parameters.trace_id, 16);
    cr_assert_eq(witness.found.decision, CLEW_DROP);
    cr_assert_eq(witness.found.tracestate, parameters.parent.tracestate);
    cr_assert_eq(witness.found.attribute_count, 0);
    cr_assert_not(clew__sampler_quick(sampler, false, false, false, parameters.trace_id, &quick));
    cr_assert_str_eq(clew_sampler_description(sampler), "Witness");
    clew_sampler_unref(sampler);
    CLEW_NO_LEAKS();
}

Test(sampler, decision_that_does_not_exist_is_a_drop) {
    struct witness witness = {.answer = (clew_decision)7};
    clew_sampler *sampler = witness_sampler(&witness);
    clew_sampling_parameters parameters = parameters_of(7);
    cr_assert_eq(decide(sampler, &parameters), CLEW_DROP);
    clew_sampler_unref(sampler);
    CLEW_NO_LEAKS();
}

Test(sampler, attributes_that_are_not_there_are_not_counted) {
    struct witness witness = {.answer = CLEW_RECORD_ONLY, .bad_attributes = true};
    clew_sampler *sampler = witness_sampler(&witness);
    clew_sampling_parameters parameters = parameters_of(7);
    clew_sampling_result result;
    clew_sampler_should_sample(sampler, &parameters, &result);
    cr_assert_eq(result.attribute_count, 0);
    clew_sampler_unref(sampler);
    CLEW_NO_LEAKS();
}

Test(sampler, custom_sampler_is_destroyed_once_with_its_last_reference) {
    struct witness witness = {.answer = CLEW_DROP};
    clew_sampler *sampler = witness_sampler(&witness);
    clew_sampler_ref(sampler);
    clew_sampler_unref(sampler);
    cr_assert_eq(witness.destroyed, 0);
    clew_sampler_unref(sampler);
    cr_assert_eq(witness.destroyed, 1);
    CLEW_NO_LEAKS();
}

Test(sampler, custom_sampler_needs_its_function) {
    clew_sampler_callbacks callbacks = {.struct_size = sizeof callbacks};
    cr_assert_null(clew_sampler_custom(&callbacks));
    cr_assert_null(clew_sampler_custom(NULL));
}

/* ---- without memory ---- */

static void *refuse(void *user, size_t size) {
    (void)user, (void)size;
    return NULL;
}

static void *refuse_again(void *user, void *block, size_t size) {
    (void)user, (void)block, (void)size;
    return NULL;
}

static void release(void *user, void *block) {
    (void)user;
    free(block);
}

static unsigned allowed;

static void *allocate_some(void *user, size_t size) {
    (void)user;
    return allowed-- > 0 ? malloc(size) : NULL;
}

Test(sampler, no_memory_gives_no_sampler) {
    clew_allocator allocator = {refuse, refuse_again, release, NULL};
    struct witness witness = {.answer = CLEW_DROP};
    cr_assert_eq(clew_set_allocator(&allocator), 0);
    cr_assert_null(clew_sampler_trace_id_ratio(0.5));
    cr_assert_null(clew_sampler_parent_based(NULL));
    cr_assert_null(witness_sampler(&witness));
    CLEW_NO_LEAKS();
}

Test(sampler, delegates_are_given_back_when_memory_runs_out) {
    clew_allocator allocator = {allocate_some, refuse_again, release, NULL};
    struct witness witness = {.answer = CLEW_DROP};
    clew_parent_based_options options = {.struct_size = sizeof options};
    allowed = 1;
    cr_assert_eq(clew_set_allocator(&allocator), 0);
    options.local_parent_sampled = witness_sampler(&witness);
    cr_assert_null(clew_sampler_parent_based(&options));
    cr_assert_eq(witness.destroyed, 1);
    CLEW_NO_LEAKS();
}
