/* Differences of traces and of sets: what is there, and that the causes sum exactly to the difference. */
#include "test/support.h"
#include "test/unit/analysis/crisp.h"
#include "test/unit/analysis/scarce.h"

#include <glob.h>
#include <limits.h>

static const clew_diff_node *node_of(const clew_diff *diff, const char *operation) {
    for (uint32_t i = 0; i < diff->node_count; i++) {
        if (text_is(diff->nodes[i].operation, operation) && diff->nodes[i].kind == CLEW_FRAME_SPAN)
            return &diff->nodes[i];
    }
    cr_assert_fail("there is no %s", operation);
    return NULL;
}

static void check_diff(const clew_diff *diff) {
    uint64_t delta = 0;
    for (uint32_t i = 0; i < diff->cause_count; i++) {
        delta += (uint64_t)diff->causes[i].delta;
        cr_assert_neq(diff->causes[i].delta, 0);
        cr_assert_lt(diff->causes[i].node, diff->node_count);
        if (i > 0)
            cr_assert_leq(llabs(diff->causes[i].delta), llabs(diff->causes[i - 1].delta));
    }
    cr_assert_eq((int64_t)delta, diff->delta);
    cr_assert_eq(diff->delta, (int64_t)(diff->after - diff->before));
    for (uint32_t i = 0; i < diff->node_count; i++) {
        const clew_diff_node *node = &diff->nodes[i];
        cr_assert(node->parent == CLEW_NO_SPAN || node->parent < i);
        cr_assert(node->before.count + node->after.count > 0);
        if (node->counterpart != CLEW_NO_SPAN)
            cr_assert_eq(diff->nodes[node->counterpart].counterpart, i);
    }
}

static clew_diff *diff_of(const struct build_span *before, size_t before_count,
                          const struct build_span *after, size_t after_count) {
    struct analysed first = analyse(before, before_count), second = analyse(after, after_count);
    clew_diff *diff = clew_diff_traces(first.built.trace, first.path, second.built.trace, second.path);
    cr_assert_not_null(diff);
    analysed_free(&first);
    analysed_free(&second);
    check_diff(diff);
    return diff;
}

#define ROOT(length)                                                                                         \
    { .id = "1", .start = 1000, .end = 1000 + (length), .service = "a", .operation = "root" }
#define CHILD(name, above, from, to)                                                                         \
    {                                                                                                        \
        .id = name, .parent = above, .start = 1000 + (from), .end = 1000 + (to), .service = "a",             \
        .operation = name                                                                                    \
    }

Test(diff, says_what_came_and_went_and_what_it_cost) {
    static const struct build_span before[] = {ROOT(100), CHILD("b", "1", 10, 30), CHILD("c", "1", 40, 60)};
    static const struct build_span after[] = {ROOT(170), CHILD("b", "1", 10, 80), CHILD("d", "1", 90, 120),
                                              CHILD("e", "d", 100, 110)};
    clew_diff *diff = diff_of(before, COUNT(before), after, COUNT(after));
    cr_expect_eq(diff->before, 100);
    cr_expect_eq(diff->after, 170);
    cr_expect_eq(node_of(diff, "root")->status, CLEW_DIFF_SAME);
    cr_expect_eq(node_of(diff, "b")->status, CLEW_DIFF_SAME);
    cr_expect_eq(node_of(diff, "b")->before.critical_self, 20);
    cr_expect_eq(node_of(diff, "b")->after.critical_self, 70);
    cr_expect_eq(node_of(diff, "c")->status, CLEW_DIFF_REMOVED);
    cr_expect_eq(node_of(diff, "c")->after.count, 0);
    cr_expect_eq(node_of(diff, "d")->status, CLEW_DIFF_ADDED);
    cr_expect_eq(node_of(diff, "e")->status, CLEW_DIFF_ADDED);
    cr_expect(text_is(diff->nodes[diff->causes[0].node].operation, "b"));
    cr_expect_eq(diff->causes[0].delta, 50);
    clew_diff_free(diff);
    CLEW_NO_LEAKS();
}

Test(diff, of_a_trace_and_itself_has_no_causes) {
    struct random random = {77};
    for (int i = 0; i < 200; i++) {
        struct analysed analysed = analyse_random(&random, 30, i % 2 == 0);
        clew_diff *diff =
            clew_diff_traces(analysed.built.trace, analysed.path, analysed.built.trace, analysed.path);
        check_diff(diff);
        cr_assert_eq(diff->cause_count, 0);
        for (uint32_t j = 0; j < diff->node_count; j++)
            cr_assert_eq(diff->nodes[j].status, CLEW_DIFF_SAME);
        clew_diff_free(diff);
        analysed_free(&analysed);
    }
    CLEW_NO_LEAKS();
}

Test(diff, sees_that_siblings_changed_places) {
    static const struct build_span before[] = {ROOT(100), CHILD("b", "1", 10, 20), CHILD("c", "1", 30, 40),
                                               CHILD("d", "1", 50, 60)};
    static const struct build_span after[] = {ROOT(100), CHILD("b", "1", 80, 90), CHILD("c", "1", 30, 40),
                                              CHILD("d", "1", 50, 60)};
    clew_diff *diff = diff_of(before, COUNT(before), after, COUNT(after));
    cr_expect_eq(node_of(diff, "b")->status, CLEW_DIFF_MOVED);
    cr_expect_eq(node_of(diff, "b")->counterpart, CLEW_NO_SPAN);
    cr_expect_eq(node_of(diff, "c")->status, CLEW_DIFF_SAME);
    cr_expect_eq(node_of(diff, "d")->status, CLEW_DIFF_SAME);
    clew_diff_free(diff);
    CLEW_NO_LEAKS();
}

Test(diff, does_not_take_calls_at_once_for_changed_places) {
    static const struct build_span before[] = {ROOT(1000), CHILD("b", "1", 100, 500),
                                               CHILD("c", "1", 105, 400)};
    static const struct build_span after[] = {ROOT(1000), CHILD("b", "1", 105, 500),
                                              CHILD("c", "1", 100, 400)};
    clew_diff *diff = diff_of(before, COUNT(before), after, COUNT(after));
    cr_expect_eq(node_of(diff, "b")->status, CLEW_DIFF_SAME);
    cr_expect_eq(node_of(diff, "c")->status, CLEW_DIFF_SAME);
    clew_diff_free(diff);
    CLEW_NO_LEAKS();
}

Test(diff, sees_that_an_operation_has_another_parent) {
    static const struct build_span before[] = {ROOT(100), CHILD("b", "1", 10, 40), CHILD("c", "1", 50, 60)};
    static const struct build_span after[] = {ROOT(100), CHILD("b", "1", 10, 40), CHILD("c", "b", 20, 30)};
    clew_diff *diff = diff_of(before, COUNT(before), after, COUNT(after));
    uint32_t moved = 0;
    for (uint32_t i = 0; i < diff->node_count; i++) {
        if (!text_is(diff->nodes[i].operation, "c"))
            continue;
        cr_expect_eq(diff->nodes[i].status, CLEW_DIFF_MOVED);
        cr_expect_neq(diff->nodes[i].counterpart, CLEW_NO_SPAN);
        moved++;
    }
    cr_expect_eq(moved, 2);
    clew_diff_free(diff);
    CLEW_NO_LEAKS();
}

/* Adds `count` requests of an operation, each so long, with a child of half of it. */
static void add_requests(clew_profile *profile, const char *operation, uint64_t length, int count) {
    for (int i = 0; i < count; i++) {
        struct build_span spans[] = {{.id = "1", .start = 10, .end = 10 + length, .service = "a"},
                                     {.id = "2",
                                      .parent = "1",
                                      .start = 10,
                                      .end = 10 + length / 2,
                                      .service = "b",
                                      .operation = "leaf"}};
        spans[0].operation = operation;
        struct analysed analysed = analyse(spans, COUNT(spans));
        cr_assert_eq(clew_profile_add(profile, analysed.built.trace, analysed.path), 0);
        analysed_free(&analysed);
    }
}

static clew_diff *diff_profiles(const clew_profile *before, const clew_profile *after,
                                const clew_profile_window *window) {
    clew_profile_view *first = clew_profile_view_new(before, NULL);
    clew_profile_view *second = clew_profile_view_new(after, window);
    clew_diff *diff = clew_diff_new(first, second);
    cr_assert_not_null(diff);
    clew_profile_view_free(first);
    clew_profile_view_free(second);
    check_diff(diff);
    return diff;
}

Test(diff, of_sets_tells_a_change_of_the_mix_from_a_change_of_the_operations) {
    clew_profile *before = clew_profile_new(NULL), *after = clew_profile_new(NULL);
    clew_diff *diff;
    add_requests(before, "slow", 1000, 1);
    add_requests(before, "fast", 100, 3);
    add_requests(after, "slow", 1000, 6);
    add_requests(after, "fast", 100, 6);
    diff = diff_profiles(before, after, NULL);
    cr_expect_eq(diff->before, 325);
    cr_expect_eq(diff->after, 550);
    cr_assert_eq(diff->cause_count, 2);
    for (uint32_t i = 0; i < 2; i++)
        cr_expect(diff->causes[i].is_mix);
    cr_expect_eq(diff->causes[0].delta, 250);
    cr_expect_eq(diff->causes[1].delta, -25);
    clew_diff_free(diff);
    clew_profile_free(before);
    clew_profile_free(after);
    CLEW_NO_LEAKS();
}

Test(diff, of_sets_of_different_sizes_is_measured_by_the_request) {
    clew_profile *before = clew_profile_new(NULL), *after = clew_profile_new(NULL);
    clew_diff *diff;
    add_requests(before, "root", 1000, 7);
    add_requests(after, "root", 1400, 3);
    diff = diff_profiles(before, after, NULL);
    cr_expect_eq(diff->delta, 400);
    cr_assert_eq(diff->cause_count, 2);
    cr_expect_eq(diff->causes[0].delta, 200);
    cr_expect_eq(diff->causes[1].delta, 200);
    cr_expect_eq(node_of(diff, "leaf")->after.critical_self, 700);
    cr_expect_eq(node_of(diff, "leaf")->after.count, 3);
    clew_diff_free(diff);
    clew_profile_free(before);
    clew_profile_free(after);
    CLEW_NO_LEAKS();
}

Test(diff, of_an_empty_set_is_all_that_the_other_has) {
    clew_profile *before = clew_profile_new(NULL), *after = clew_profile_new(NULL);
    clew_diff *diff;
    add_requests(after, "root", 1000, 2);
    diff = diff_profiles(before, after, NULL);
    cr_expect_eq(diff->delta, 1000);
    cr_expect_eq(node_of(diff, "leaf")->status, CLEW_DIFF_ADDED);
    clew_diff_free(diff);
    diff = diff_profiles(before, before, NULL);
    cr_expect_eq(diff->node_count, 0);
    clew_diff_free(diff);
    clew_profile_free(before);
    clew_profile_free(after);
    CLEW_NO_LEAKS();
}

Test(diff, of_random_traces_and_sets_sums_exactly, .timeout = 600) {
    struct random random = {15};
    struct analysed previous = analyse_random(&random, 5, false);
    clew_profile *sets[2] = {clew_profile_new(NULL), clew_profile_new(NULL)};
    for (int i = 0; i < 10000; i++) {
        struct analysed analysed = analyse_random(&random, 1 + random_below(&random, 14), false);
        clew_diff *diff =
            clew_diff_traces(previous.built.trace, previous.path, analysed.built.trace, analysed.path);
        uint64_t before = 0, after = 0;
        check_diff(diff);
        for (uint32_t j = 0; j < previous.path->root_count; j++)
            before += previous.path->roots[j].end_unix_nano - previous.path->roots[j].start_unix_nano;
        for (uint32_t j = 0; j < analysed.path->root_count; j++)
            after += analysed.path->roots[j].end_unix_nano - analysed.path->roots[j].start_unix_nano;
        cr_assert_eq(diff->before, before);
        cr_assert_eq(diff->after, after);
        clew_diff_free(diff);
        cr_assert_eq(clew_profile_add(sets[i % 3 == 0], analysed.built.trace, analysed.path), 0);
        if (i % 500 == 0) {
            clew_profile_window window = {.struct_size = sizeof window, .from = (uint32_t)i * 9};
            clew_diff_free(diff_profiles(sets[0], sets[1], NULL));
            clew_diff_free(diff_profiles(sets[1], sets[1], &window));
            diff = diff_profiles(sets[1], sets[1], NULL);
            cr_assert_eq(diff->cause_count, 0);
            clew_diff_free(diff);
        }
        analysed_free(&previous);
        previous = analysed;
    }
    analysed_free(&previous);
    clew_profile_free(sets[0]);
    clew_profile_free(sets[1]);
    CLEW_NO_LEAKS();
}

/* Recorded traces of one application at two loads: what takes longer is found, and nothing is left over. */
static bool add_folder(clew_profile *profile, const char *name) {
    const char *folder = getenv("CLEW_TEST_TRACES");
    char pattern[4096];
    glob_t files;
    if (!folder || !*folder)
        return false;
    snprintf(pattern, sizeof pattern, "%s/hotel/%s/*.json", folder, name);
    cr_assert_eq(glob(pattern, 0, NULL, &files), 0);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        struct analysed analysed = analyse_jaeger(files.gl_pathv[i]);
        cr_assert_eq(clew_profile_add(profile, analysed.built.trace, analysed.path), 0);
        analysed_free(&analysed);
    }
    globfree(&files);
    return true;
}

Test(diff, of_the_hotel_at_two_loads_is_what_its_operations_changed, .timeout = 120) {
    clew_profile *before = clew_profile_new(NULL), *after = clew_profile_new(NULL);
    clew_diff *diff;
    if (!add_folder(before, "hotel_load25") || !add_folder(after, "hotel_load75"))
        cr_skip_test("CLEW_TEST_TRACES is not set");
    diff = diff_profiles(before, after, NULL);
    cr_expect_eq(diff->roots_before, 300);
    cr_expect_eq(diff->roots_after, 100);
    cr_expect_gt(diff->delta, 10 * (int64_t)MS);
    cr_expect(text_is(diff->nodes[diff->causes[0].node].service, "reservation"));
    for (uint32_t i = 0; i < diff->node_count; i++)
        cr_expect_neq(diff->nodes[i].status, CLEW_DIFF_ADDED);
    clew_diff_free(diff);
    clew_profile_free(before);
    clew_profile_free(after);
    CLEW_NO_LEAKS();
}

Test(diff, survives_that_memory_runs_out, .init = make_memory_scarce) {
    struct random random = {4};
    struct analysed first, second;
    clew_diff *diff = NULL;
    allocations_left = INT_MAX;
    first = analyse_random(&random, 20, false);
    second = analyse_random(&random, 20, false);
    for (int allowed = 0; !diff; allowed++) {
        allocations_left = allowed;
        diff = clew_diff_traces(first.built.trace, first.path, second.built.trace, second.path);
        allocations_left = INT_MAX;
    }
    check_diff(diff);
    clew_diff_free(diff);
    analysed_free(&first);
    analysed_free(&second);
    CLEW_NO_LEAKS();
}
