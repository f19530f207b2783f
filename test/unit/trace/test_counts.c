/* What a provider counts of its spans: where their parents are, and what the sampler said. */
#include "kit.h"

#include "sdk/trace/provider.h"

/* Decides by the first letter of the name: d(rop), r(ecord only), s(ample). */
static void by_name(void *self, const clew_sampling_parameters *parameters, clew_sampling_result *result) {
    (void)self;
    result->decision = parameters->name[0] == 's'   ? CLEW_RECORD_AND_SAMPLE
                       : parameters->name[0] == 'r' ? CLEW_RECORD_ONLY
                                                    : CLEW_DROP;
}

static clew_sampler *sampler_by_name(void) {
    clew_sampler_callbacks callbacks = {.struct_size = sizeof callbacks, .should_sample = by_name};
    return clew_sampler_custom(&callbacks);
}

static struct clew__span_counts counts_of(const struct kit *kit) {
    struct clew__span_counts counts;
    clew__provider_count(kit->provider, &counts);
    return counts;
}

static clew_context *parent_of(enum clew__parent_origin origin, const clew_span *local) {
    clew_span_context remote = remote_context(CLEW_FLAG_SAMPLED);
    if (origin == CLEW__PARENT_LOCAL)
        return clew_context_with_span(NULL, *local);
    return origin == CLEW__PARENT_REMOTE ? clew_context_with_span_context(NULL, &remote) : NULL;
}

Test(counts, every_started_span_counts_by_parent_and_decision) {
    static const char *const names[CLEW__SAMPLING_RESULTS] = {"drop", "record", "sample"};
    struct kit kit = kit_sampled(sampler_by_name());
    clew_span local = kit_start(&kit, "sample");
    for (int decision = 0; decision < (int)CLEW__SAMPLING_RESULTS; decision++)
        for (int origin = 0; origin < CLEW__PARENT_ORIGINS; origin++) {
            clew_context *parent = parent_of((enum clew__parent_origin)origin, &local);
            clew_span_options options = {.parent = parent};
            for (int i = 0; i < 1 + decision + 10 * origin; i++)
                clew_span_end(clew_span_start(kit.tracer, names[decision], &options));
            clew_context_unref(parent);
        }
    struct clew__span_counts counts = counts_of(&kit);
    uint64_t recorded = 1; /* the local parent, a sampled root */
    for (int decision = 0; decision < (int)CLEW__SAMPLING_RESULTS; decision++)
        for (int origin = 0; origin < CLEW__PARENT_ORIGINS; origin++) {
            uint64_t expected = (uint64_t)(1 + decision + 10 * origin);
            recorded += decision == CLEW_DROP ? 0 : expected;
            expected += decision == CLEW_RECORD_AND_SAMPLE && origin == CLEW__PARENT_NONE;
            cr_assert_eq(counts.started[decision][origin], expected, "%d %d: %lu", decision, origin,
                         counts.started[decision][origin]);
        }
    cr_assert_eq(books_of(&kit).started, recorded);
    cr_assert_eq(books_of(&kit).not_recorded, 1 + 11 + 21);
    cr_assert_eq(counts.ended, recorded - 1);
    clew_span_end(local);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(counts, dropped_by_a_built_in_sampler_counts_by_parent) {
    struct kit kit = kit_sampled(clew_sampler_always_off());
    clew_span silent = kit_start(&kit, "root");
    for (int origin = 0; origin < CLEW__PARENT_ORIGINS; origin++) {
        clew_context *parent = parent_of((enum clew__parent_origin)origin, &silent);
        clew_span_options options = {.parent = parent};
        clew_span_end(clew_span_start(kit.tracer, "work", &options));
        clew_context_unref(parent);
    }
    struct clew__span_counts counts = counts_of(&kit);
    cr_assert_eq(counts.started[CLEW_DROP][CLEW__PARENT_NONE], 2);
    cr_assert_eq(counts.started[CLEW_DROP][CLEW__PARENT_LOCAL], 1);
    cr_assert_eq(counts.started[CLEW_DROP][CLEW__PARENT_REMOTE], 1);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(counts, open_spans_are_told_apart_by_decision) {
    struct kit kit = kit_sampled(sampler_by_name());
    clew_span spans[] = {kit_start(&kit, "sample"), kit_start(&kit, "sample"), kit_start(&kit, "record"),
                         kit_start(&kit, "drop")};
    cr_assert_eq(counts_of(&kit).open.sampled, 2);
    cr_assert_eq(counts_of(&kit).open.record_only, 1);
    clew_span_end(spans[0]);
    clew_span_end(spans[2]);
    clew_span_end(spans[3]);
    cr_assert_eq(counts_of(&kit).open.sampled, 1);
    cr_assert_eq(counts_of(&kit).open.record_only, 0);
    clew_span_end(spans[1]);
    cr_assert_eq(counts_of(&kit).open.sampled, 0);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(counts, spans_without_memory_count_as_dropped) {
    struct kit kit = kit_new();
    static clew_span spans[3000];
    clew_set_memory_limit(1 << 20);
    for (int i = 0; i < 3000; i++)
        spans[i] = kit_start(&kit, "work");
    struct clew__span_counts counts = counts_of(&kit);
    cr_assert_gt(counts.not_recorded_memory, 0);
    cr_assert_eq(counts.started[CLEW_DROP][CLEW__PARENT_NONE], counts.not_recorded_memory);
    cr_assert_eq(counts.started[CLEW_RECORD_AND_SAMPLE][CLEW__PARENT_NONE] + counts.not_recorded_memory,
                 3000);
    cr_assert_eq(books_of(&kit).not_recorded, 0);
    for (int i = 0; i < 3000; i++)
        clew_span_end(spans[i]);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(counts, accounts_of_many_providers_never_overlap) {
    /* Single numbers in between: pairs must not straddle a page. */
    enum { PROVIDERS = 40 };
    static struct kit kits[PROVIDERS];
    for (int i = 0; i < PROVIDERS; i++) {
        kits[i] = kit_sampled(sampler_by_name());
        for (int k = 0; k <= i; k++)
            clew_span_end(kit_start(&kits[i], "record"));
    }
    for (int i = 0; i < PROVIDERS; i++) {
        struct clew__span_counts counts = counts_of(&kits[i]);
        cr_assert_eq(counts.started[CLEW_RECORD_ONLY][CLEW__PARENT_NONE], (uint64_t)i + 1);
        cr_assert_eq(counts.ended, (uint64_t)i + 1);
        cr_assert_eq(books_of(&kits[i]).pipelines[0].not_sampled, (uint64_t)i + 1);
        kit_end(&kits[i]);
    }
    CLEW_NO_LEAKS();
}
