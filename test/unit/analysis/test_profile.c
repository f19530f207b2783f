/* The profile: exact sums, windows, limits, and that the order of traces never matters. */
#include "sdk/analysis/profile.h"
#include "test/support.h"
#include "test/unit/analysis/analysed.h"
#include "test/unit/analysis/scarce.h"

#include <limits.h>

#define RANDOM_TRACES 10000

static uint64_t sum(uint64_t a, uint64_t b) {
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static void add_spans(clew_profile *profile, const struct build_span *spans, size_t count) {
    struct analysed analysed = analyse(spans, count);
    cr_assert_eq(clew_profile_add(profile, analysed.built.trace, analysed.path), 0);
    analysed_free(&analysed);
}

static char *print_view(const clew_profile_view *view) {
    char *data = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&data, &size);
    fprintf(file, "%llu roots %llu\n", (unsigned long long)view->roots, (unsigned long long)view->total);
    for (uint32_t i = 0; i < view->node_count; i++) {
        const clew_profile_node *node = &view->nodes[i];
        fprintf(file,
                "%*s%s " TEXT_FORMAT " " TEXT_FORMAT
                " %d: %llu %llu %llu %llu | %llu %llu %llu %llu %llu %llu %llu",
                (int)node->depth, "", clew_frame_kind_name(node->kind), TEXT_OF(node->service),
                TEXT_OF(node->operation), (int)node->span_kind, (unsigned long long)node->count,
                (unsigned long long)node->errors, (unsigned long long)node->roots,
                (unsigned long long)node->on_path, (unsigned long long)node->duration,
                (unsigned long long)node->self, (unsigned long long)node->critical_self,
                (unsigned long long)node->critical, (unsigned long long)node->edge_gap,
                (unsigned long long)node->max, (unsigned long long)node->offset);
        print_exemplars(file, node->exemplars, node->exemplar_count);
    }
    for (uint32_t i = 0; i < view->frame_count; i++) {
        const clew_profile_frame *frame = &view->frames[i];
        fprintf(file, "%s " TEXT_FORMAT " " TEXT_FORMAT " " TEXT_FORMAT ": %llu %llu %llu %llu",
                clew_frame_kind_name(frame->kind), TEXT_OF(frame->caller), TEXT_OF(frame->service),
                TEXT_OF(frame->operation), (unsigned long long)frame->count, (unsigned long long)frame->roots,
                (unsigned long long)frame->on_path, (unsigned long long)frame->critical_self);
        print_exemplars(file, frame->exemplars, frame->exemplar_count);
    }
    fclose(file);
    return data;
}

static clew_profile_view *look(const clew_profile *profile, uint32_t from, uint32_t to) {
    clew_profile_window window = {.struct_size = sizeof window, .from = from, .to = to};
    clew_profile_view *view = clew_profile_view_new(profile, &window);
    cr_assert_not_null(view);
    return view;
}

/* Everything that must be so in any view. */
static void check_view(const clew_profile_view *view) {
    uint64_t total = 0, roots = 0, by_frame = 0;
    for (uint32_t i = 0; i < view->node_count; i++) {
        const clew_profile_node *node = &view->nodes[i];
        uint64_t below = node->critical_self;
        total = sum(total, node->critical_self);
        if (node->parent == CLEW_NO_SPAN)
            roots = sum(roots, node->critical);
        cr_assert(node->parent == CLEW_NO_SPAN || node->parent < i);
        cr_assert(node->end > i && node->end <= view->node_count);
        for (uint32_t child = i + 1; child < node->end; child = view->nodes[child].end) {
            cr_assert_eq(view->nodes[child].parent, i);
            cr_assert_eq(view->nodes[child].depth, node->depth + 1);
            below = sum(below, view->nodes[child].critical);
        }
        cr_assert_eq(node->critical, below);
        cr_assert_leq(node->on_path, node->roots);
    }
    for (uint32_t i = 0; i < view->frame_count; i++) {
        by_frame = sum(by_frame, view->frames[i].critical_self);
        cr_assert(i == 0 || view->frames[i].critical_self <= view->frames[i - 1].critical_self);
    }
    cr_assert_eq(total, view->total);
    cr_assert_eq(roots, view->total);
    cr_assert_eq(by_frame, view->total);
}

static const struct build_span order_spans[] = {
    {.id = "1",
     .start = 0,
     .end = 100 * MS,
     .service = "shop",
     .operation = "GET /order",
     .kind = CLEW_SERVER},
    {.id = "2",
     .parent = "1",
     .start = 10 * MS,
     .end = 90 * MS,
     .service = "shop",
     .operation = "POST",
     .kind = CLEW_CLIENT},
    {.id = "3",
     .parent = "2",
     .start = 20 * MS,
     .end = 80 * MS,
     .service = "stock",
     .operation = "POST /take",
     .kind = CLEW_SERVER,
     .status = CLEW_STATUS_ERROR},
    {.id = "4",
     .parent = "3",
     .start = 30 * MS,
     .end = 40 * MS,
     .service = "stock",
     .operation = "SELECT",
     .kind = CLEW_CLIENT},
};

Test(profile, is_a_tree_of_calling_contexts_with_edge_gaps_of_their_own) {
    static const struct {
        clew_frame_kind kind;
        const char *service, *operation;
        uint32_t depth;
        uint64_t self, critical, gap;
    } expected[] = {
        {CLEW_FRAME_SPAN, "shop", "GET /order", 0, 20, 100, 0},
        {CLEW_FRAME_SPAN, "shop", "POST", 1, 0, 80, 20},
        {CLEW_FRAME_SPAN, "stock", "POST /take", 2, 50, 60, 0},
        {CLEW_FRAME_SPAN, "stock", "SELECT", 3, 10, 10, 0},
        {CLEW_FRAME_EDGE_GAP, "stock", "POST /take", 2, 20, 20, 0},
    };
    clew_profile *profile = clew_profile_new(NULL);
    clew_profile_view *view;
    add_spans(profile, order_spans, COUNT(order_spans));
    view = clew_profile_view_new(profile, NULL);
    check_view(view);
    cr_assert_eq(view->node_count, COUNT(expected));
    cr_expect_eq(view->total, 100 * MS);
    cr_expect_eq(view->mean, 100 * MS);
    cr_expect_eq(view->roots, 1);
    for (uint32_t i = 0; i < view->node_count; i++) {
        const clew_profile_node *node = &view->nodes[i];
        cr_expect_eq(node->kind, expected[i].kind, "%u", i);
        cr_expect(text_is(node->service, expected[i].service), "%u", i);
        cr_expect(text_is(node->operation, expected[i].operation), "%u", i);
        cr_expect_eq(node->depth, expected[i].depth, "%u", i);
        cr_expect_eq(node->critical_self, expected[i].self * MS, "%u", i);
        cr_expect_eq(node->critical, expected[i].critical * MS, "%u", i);
        cr_expect_eq(node->edge_gap, expected[i].gap * MS, "%u", i);
    }
    cr_expect_eq(view->nodes[2].errors, 1);
    cr_expect_eq(view->nodes[2].offset, 10 * MS);
    cr_expect(text_is(view->frames[0].operation, "POST /take"));
    cr_expect_eq(view->frames[0].on_path, 1);
    clew_profile_view_free(view);
    clew_profile_free(profile);
    CLEW_NO_LEAKS();
}

Test(profile, counts_requests_and_not_spans_for_the_share_of_paths) {
    static const struct build_span spans[] = {
        {.id = "1", .start = 0, .end = 100, .service = "a", .operation = "root"},
        {.id = "2", .parent = "1", .start = 0, .end = 30, .service = "a", .operation = "step"},
        {.id = "3", .parent = "1", .start = 40, .end = 60, .service = "a", .operation = "step"},
        {.id = "4", .parent = "1", .start = 45, .end = 50, .service = "a", .operation = "aside"},
    };
    clew_profile *profile = clew_profile_new(NULL);
    clew_profile_view *view;
    add_spans(profile, spans, COUNT(spans));
    add_spans(profile, order_spans, COUNT(order_spans));
    view = clew_profile_view_new(profile, NULL);
    for (uint32_t i = 0; i < view->frame_count; i++) {
        const clew_profile_frame *frame = &view->frames[i];
        if (text_is(frame->operation, "step")) {
            cr_expect_eq(frame->count, 2);
            cr_expect_eq(frame->roots, 1);
            cr_expect_eq(frame->on_path, 1);
        } else if (text_is(frame->operation, "aside")) {
            cr_expect_eq(frame->roots, 1);
            cr_expect_eq(frame->on_path, 0);
        }
    }
    cr_expect_eq(view->roots, 2);
    clew_profile_view_free(view);
    clew_profile_free(profile);
    CLEW_NO_LEAKS();
}

Test(profile, looks_at_one_operation_of_roots_alone) {
    clew_profile *profile = clew_profile_new(NULL);
    static const struct build_span other[] = {{.id = "1", .end = 7, .service = "other", .operation = "job"}};
    clew_profile_window window = {
        .struct_size = sizeof window, .has_root = true, .service = {"other", 5}, .operation = {"job", 3}};
    clew_profile_view *view;
    add_spans(profile, order_spans, COUNT(order_spans));
    add_spans(profile, other, COUNT(other));
    view = clew_profile_view_new(profile, &window);
    check_view(view);
    cr_expect_eq(view->total, 7);
    cr_expect_eq(view->node_count, 1);
    cr_expect_eq(view->frame_count, 1);
    clew_profile_view_free(view);
    window.operation = (clew_text){"no", 2};
    view = clew_profile_view_new(profile, &window);
    cr_expect_eq(view->node_count, 0);
    cr_expect_eq(view->roots, 0);
    clew_profile_view_free(view);
    clew_profile_free(profile);
    CLEW_NO_LEAKS();
}

Test(profile, takes_a_path_of_the_whole_trace) {
    static const struct build_span spans[] = {
        {.id = "1", .start = 100, .end = 200, .service = "a", .operation = "send", .kind = CLEW_PRODUCER},
        {.id = "2", .start = 300, .end = 450, .service = "b", .operation = "late"},
    };
    clew_path_options options = {.struct_size = sizeof options, .scope = CLEW_SCOPE_TRACE};
    struct built built = build_trace(spans, COUNT(spans), NULL);
    clew_critical_path *path = clew_critical_path_new(built.trace, &options);
    clew_profile *profile = clew_profile_new(NULL);
    clew_profile_view *view;
    cr_assert_eq(clew_profile_add(profile, built.trace, path), 0);
    view = clew_profile_view_new(profile, NULL);
    check_view(view);
    cr_expect_eq(view->total, 350);
    cr_expect_eq(view->roots, 1);
    cr_assert_eq(view->node_count, 3);
    cr_expect_eq(view->nodes[0].kind, CLEW_FRAME_TRACE);
    cr_expect_eq(view->nodes[0].critical_self, 100);
    clew_profile_view_free(view);
    clew_profile_free(profile);
    clew_critical_path_free(path);
    build_free(&built);
    CLEW_NO_LEAKS();
}

Test(profile, refuses_the_path_of_another_trace) {
    struct analysed one = analyse(order_spans, COUNT(order_spans)), other = analyse(order_spans, 2);
    clew_profile *profile = clew_profile_new(NULL);
    cr_expect_eq(clew_profile_add(profile, one.built.trace, other.path), CLEW_EINVAL);
    cr_expect_eq(clew_profile_get_stats(profile).traces, 0);
    clew_profile_free(profile);
    analysed_free(&one);
    analysed_free(&other);
    CLEW_NO_LEAKS();
}

/* Random traces, once in order into one profile, once into four that are then merged backwards. */
Test(profile, of_random_traces_is_exact_and_the_same_in_any_order, .timeout = 600) {
    struct random random = {42};
    clew_profile_options options = {.struct_size = sizeof options, .node_limit = 1000000};
    clew_profile *all = clew_profile_new(&options), *parts[4], *merged = clew_profile_new(&options);
    clew_profile_view *view, *other, *low, *high;
    uint64_t total = 0, roots = 0;
    char *first, *second;
    for (int i = 0; i < 4; i++)
        parts[i] = clew_profile_new(&options);
    for (int i = 0; i < RANDOM_TRACES; i++) {
        struct analysed analysed = analyse_random(&random, 1 + random_below(&random, 12), i % 3 == 0);
        cr_assert_eq(clew_profile_add(all, analysed.built.trace, analysed.path), 0);
        cr_assert_eq(clew_profile_add(parts[random_below(&random, 4)], analysed.built.trace, analysed.path),
                     0);
        for (uint32_t j = 0; j < analysed.path->root_count; j++)
            total =
                sum(total, analysed.path->roots[j].end_unix_nano - analysed.path->roots[j].start_unix_nano);
        roots += analysed.path->root_count;
        analysed_free(&analysed);
    }
    for (int i = 3; i >= 0; i--) {
        cr_assert_eq(clew_profile_merge(merged, parts[i]), 0);
        clew_profile_free(parts[i]);
    }
    cr_expect_eq(clew_profile_get_stats(merged).traces, clew_profile_get_stats(all).traces);
    view = clew_profile_view_new(all, NULL);
    check_view(view);
    cr_expect_eq(view->total, total);
    cr_expect_eq(view->roots, roots);
    other = clew_profile_view_new(merged, NULL);
    first = print_view(view);
    second = print_view(other);
    cr_expect_str_eq(first, second);
    free(first);
    free(second);
    clew_profile_view_free(other);
    clew_profile_view_free(view);
    for (uint32_t at = 3000; at < 100000; at += 16001) {
        low = look(all, 0, at);
        high = look(all, at, 100000);
        check_view(low);
        check_view(high);
        clew_profile_view_free(low);
        clew_profile_view_free(high);
    }
    clew_profile_free(all);
    clew_profile_free(merged);
    CLEW_NO_LEAKS();
}

/* Windows: against the sums of the sorted durations themselves. */

static int compare_durations(const void *a, const void *b) {
    uint64_t first = *(const uint64_t *)a, second = *(const uint64_t *)b;
    return (first > second) - (first < second);
}

#define WINDOW_TRACES 2000

Test(profile, window_has_the_time_of_its_percentiles_to_one_bucket) {
    static const uint32_t windows[][2] = {{0, 50000},      {50000, 100000}, {95000, 100000}, {99000, 100000},
                                          {99900, 100000}, {10000, 12000},  {0, 100000}};
    struct random random = {7};
    static uint64_t durations[WINDOW_TRACES];
    clew_profile *profile = clew_profile_new(NULL);
    for (size_t i = 0; i < WINDOW_TRACES; i++) {
        struct build_span spans[] = {{.id = "1", .start = 1000, .service = "a", .operation = "root"},
                                     {.id = "2", .parent = "1", .service = "b", .operation = "leaf"}};
        durations[i] = (uint64_t)(exp(random_normal(&random)) * 1e7);
        spans[0].end = 1000 + durations[i];
        spans[1].start = 1000 + durations[i] / 4;
        spans[1].end = 1000 + durations[i] / 2;
        add_spans(profile, spans, COUNT(spans));
    }
    qsort(durations, WINDOW_TRACES, sizeof *durations, compare_durations);
    for (size_t i = 0; i < COUNT(windows); i++) {
        clew_profile_view *view = look(profile, windows[i][0], windows[i][1]);
        uint64_t low = WINDOW_TRACES * (uint64_t)windows[i][0] / 100000;
        uint64_t high = WINDOW_TRACES * (uint64_t)windows[i][1] / 100000, naive = 0;
        double ratio;
        for (uint64_t j = low; j < high; j++)
            naive += durations[j];
        check_view(view);
        ratio = (double)view->total / (double)naive;
        cr_expect(ratio > 0.707 && ratio < 1.415, "p%u to p%u: %g", windows[i][0], windows[i][1], ratio);
        cr_expect_geq(view->roots, high - low);
        cr_expect_leq(view->roots, high - low + 2);
        ratio = (double)view->mean * (double)(high - low) / (double)view->total;
        cr_expect(ratio > 0.99 && ratio < 1.01, "the mean of p%u to p%u: %g", windows[i][0], windows[i][1],
                  ratio);
        clew_profile_view_free(view);
    }
    clew_profile_free(profile);
    CLEW_NO_LEAKS();
}

Test(profile, windows_that_meet_make_the_whole) {
    struct random random = {9};
    clew_profile *profile = clew_profile_new(NULL);
    clew_profile_view *whole, *low, *high;
    for (int i = 0; i < 300; i++) {
        struct analysed analysed = analyse_random(&random, 8, false);
        clew_profile_add(profile, analysed.built.trace, analysed.path);
        analysed_free(&analysed);
    }
    whole = clew_profile_view_new(profile, NULL);
    for (uint32_t at = 1000; at < 100000; at += 4321) {
        low = look(profile, 0, at);
        high = look(profile, at, 100000);
        cr_expect_leq(low->total + high->total, whole->total);
        cr_expect_geq(low->total + high->total + 1, whole->total);
        clew_profile_view_free(low);
        clew_profile_view_free(high);
    }
    clew_profile_view_free(whole);
    clew_profile_free(profile);
    CLEW_NO_LEAKS();
}

Test(profile, buckets_are_two_to_a_doubling_and_include_their_upper_bound) {
    uint64_t previous = 0;
    cr_expect_eq(clew__latency_bucket(0), 0);
    cr_expect_eq(clew__latency_bucket(1), 1);
    cr_expect_eq(clew__latency_bucket(2), 3);
    cr_expect_eq(clew__latency_bucket(3), 5); /* above 2 times the root of 2 */
    cr_expect_eq(clew__latency_bucket(4), 5);
    cr_expect_eq(clew__latency_bucket(5), 6);
    cr_expect_eq(clew__latency_bucket(6), 7);
    cr_expect_eq(clew__latency_bucket(UINT64_MAX), 129);
    for (uint64_t i = 0; i < 100000; i++) {
        cr_assert_geq(clew__latency_bucket(i), previous);
        previous = clew__latency_bucket(i);
    }
}

Test(profile, beyond_the_limit_is_other_below_the_same_parent_and_exact) {
    struct random random = {11};
    clew_profile_options options = {.struct_size = sizeof options, .node_limit = 40};
    clew_profile *profile = clew_profile_new(&options), *twice = clew_profile_new(&options);
    clew_profile_view *view;
    uint64_t total = 0;
    bool has_other = false;
    for (int i = 0; i < 1000; i++) {
        struct analysed analysed = analyse_random(&random, 1 + random_below(&random, 20), false);
        cr_assert_eq(clew_profile_add(profile, analysed.built.trace, analysed.path), 0);
        for (uint32_t j = 0; j < analysed.path->root_count; j++)
            total += analysed.path->roots[j].end_unix_nano - analysed.path->roots[j].start_unix_nano;
        analysed_free(&analysed);
    }
    cr_expect_gt(clew_profile_get_stats(profile).overflow, 0);
    cr_expect_leq(clew_profile_get_stats(profile).nodes, 2 * 40 + 1);
    view = clew_profile_view_new(profile, NULL);
    check_view(view);
    cr_expect_eq(view->total, total);
    for (uint32_t i = 0; i < view->node_count; i++) {
        if (view->nodes[i].kind != CLEW_FRAME_OTHER)
            continue;
        has_other = true;
        cr_expect_eq(view->nodes[i].end, i + 1, "other is a leaf");
        cr_expect_eq(view->nodes[i].service.size, 0);
    }
    cr_expect(has_other);
    clew_profile_view_free(view);
    cr_assert_eq(clew_profile_merge(twice, profile), 0);
    cr_assert_eq(clew_profile_merge(twice, profile), 0);
    view = look(twice, 0, 100000);
    check_view(view);
    cr_expect_eq(view->total, 2 * total);
    clew_profile_view_free(view);
    view = look(twice, 33333, 98765);
    check_view(view);
    clew_profile_view_free(view);
    clew_profile_free(profile);
    clew_profile_free(twice);
    CLEW_NO_LEAKS();
}

static const char *const numbered[] = {"op 0", "op 1", "op 2", "op 3", "op 4", "op 5", "op 6", "op 7",
                                       "op 8", "op 9", "op a", "op b", "op c", "op d", "op e", "op f"};

/* A request of so long with a call and one below it, whose operation is never the same. */
static void add_pair(clew_profile *profile, uint64_t duration, const char *operation) {
    const struct build_span spans[] = {
        {.id = "1", .start = 1000, .end = 1000 + duration, .service = "a", .operation = "root"},
        {.id = "2",
         .parent = "1",
         .start = 1000,
         .end = 1000 + duration / 2,
         .service = "b",
         .operation = operation},
        {.id = "3",
         .parent = "2",
         .start = 1000,
         .end = 1000 + duration / 4,
         .service = "b",
         .operation = operation},
    };
    add_spans(profile, spans, COUNT(spans));
}

/* More buckets of latency than there is room for, in few contexts. */
Test(profile, keeps_no_names_of_what_is_other) {
    clew_profile_options options = {.struct_size = sizeof options, .node_limit = 6};
    clew_profile *profile = clew_profile_new(&options);
    uint32_t texts;
    for (unsigned i = 0; i < 40; i++)
        add_pair(profile, UINT64_C(1) << i, "call");
    cr_assert_lt(clew_profile_get_stats(profile).nodes, 6, "sums are the limit");
    texts = clew__texts_count(profile->texts);
    for (unsigned i = 0; i < COUNT(numbered); i++)
        add_pair(profile, UINT64_C(1) << 45, numbered[i]);
    cr_expect_eq(clew__texts_count(profile->texts), texts);
    clew_profile_free(profile);
    CLEW_NO_LEAKS();
}

Test(profile, counts_what_becomes_other_in_merging) {
    clew_profile_options options = {.struct_size = sizeof options, .node_limit = 6};
    clew_profile *added = clew_profile_new(&options), *merged = clew_profile_new(&options);
    clew_profile *parts[] = {clew_profile_new(NULL), clew_profile_new(NULL)};
    for (unsigned i = 0; i < COUNT(numbered); i++) {
        add_pair(added, 100, numbered[i]);
        add_pair(parts[i % 2], 100, numbered[i]);
    }
    cr_assert_eq(clew_profile_merge(merged, parts[0]), 0);
    cr_assert_eq(clew_profile_merge(merged, parts[1]), 0);
    clew_profile_view *view = clew_profile_view_new(merged, NULL);
    for (uint32_t i = 0; i < view->node_count; i++)
        cr_expect_leq(view->nodes[i].roots, view->nodes[0].roots, "a request is counted once");
    for (uint32_t i = 0; i < view->frame_count; i++)
        cr_expect_leq(view->frames[i].roots, view->nodes[0].roots, "a request is counted once");
    clew_profile_view_free(view);
    cr_expect_gt(clew_profile_get_stats(added).overflow, 0);
    cr_expect_eq(clew_profile_get_stats(merged).overflow, clew_profile_get_stats(added).overflow);
    clew_profile_free(added);
    clew_profile_free(merged);
    clew_profile_free(parts[0]);
    clew_profile_free(parts[1]);
    CLEW_NO_LEAKS();
}

Test(profile, charges_a_wait_for_another_request_to_the_one_that_waits) {
    static const struct build_span spans[] = {
        {.id = "1",
         .start = 1000,
         .end = 1100,
         .service = "a",
         .operation = "reader",
         .waits = {{.target = "3", .start = 1020, .duration = 50}}},
        {.id = "2", .start = 900, .end = 9000, .service = "b", .operation = "writer"},
        {.id = "3", .parent = "2", .start = 950, .end = 1080, .service = "b", .operation = "write"},
    };
    clew_profile *profile = clew_profile_new(NULL);
    clew_profile_view *view;
    add_spans(profile, spans, COUNT(spans));
    view = clew_profile_view_new(profile, NULL);
    check_view(view);
    cr_assert_eq(view->node_count, 4);
    cr_expect(text_is(view->nodes[0].operation, "writer"));
    cr_expect_eq(view->nodes[0].critical, 8100);
    cr_expect(text_is(view->nodes[2].operation, "reader"));
    cr_expect_eq(view->nodes[2].critical, 100);
    cr_expect_eq(view->nodes[2].critical_self, 50);
    cr_expect(text_is(view->nodes[3].operation, "write"));
    cr_expect_eq(view->nodes[3].parent, 2);
    cr_expect_eq(view->nodes[3].critical_self, 50);
    cr_expect_eq(view->nodes[3].count, 0);
    cr_expect_eq(view->nodes[3].on_path, 1);
    clew_profile_view_free(view);
    view = look(profile, 0, 50000); /* the faster one alone */
    cr_expect_eq(view->total, 100);
    clew_profile_view_free(view);
    clew_profile_free(profile);
    CLEW_NO_LEAKS();
}

Test(profile, keeps_the_slowest_span_of_each_of_the_slowest_traces) {
    clew_profile *profile = clew_profile_new(NULL);
    clew_profile_view *view;
    static const char *const traces[] = {"a", "no-number", "c", "d"};
    for (uint64_t i = 0; i < 4; i++) {
        struct build_span spans[] = {
            {.id = "1", .start = 0, .end = 1000, .service = "a", .operation = "root", .trace = traces[i]},
            {.id = "2",
             .parent = "1",
             .start = 1,
             .end = 10 + i,
             .service = "a",
             .operation = "x",
             .trace = traces[i]},
            {.id = "leaf",
             .parent = "1",
             .start = 20,
             .end = 40 + i,
             .service = "a",
             .operation = "x",
             .trace = traces[i]},
        };
        add_spans(profile, spans, COUNT(spans));
    }
    view = clew_profile_view_new(profile, NULL);
    cr_assert_eq(view->node_count, 2);
    cr_assert_eq(view->nodes[1].exemplar_count, 3);
    cr_expect(text_is(view->nodes[1].exemplars[0].trace_id, "0000000000000000000000000000000d"));
    cr_expect(text_is(view->nodes[1].exemplars[0].span_id, "leaf"));
    cr_expect_eq(view->nodes[1].exemplars[0].duration, 23);
    cr_expect(text_is(view->nodes[1].exemplars[1].trace_id, "0000000000000000000000000000000c"));
    cr_expect(text_is(view->nodes[1].exemplars[2].trace_id, "no-number"));
    clew_profile_view_free(view);
    clew_profile_free(profile);
    CLEW_NO_LEAKS();
}

/* Every allocation fails in turn: what failed counted nothing, and what is then added is exact. */
Test(profile, survives_that_memory_runs_out, .init = make_memory_scarce) {
    struct random random = {3};
    struct analysed analysed;
    bool done = false;
    allocations_left = INT_MAX;
    analysed = analyse_random(&random, 40, true);
    for (int allowed = 0; !done; allowed++) {
        clew_profile *profile, *merged;
        clew_profile_view *view = NULL;
        int added = CLEW_ENOMEM, joined = CLEW_ENOMEM;
        allocations_left = allowed;
        profile = clew_profile_new(NULL);
        merged = profile ? clew_profile_new(NULL) : NULL;
        if (merged) {
            added = clew_profile_add(profile, analysed.built.trace, analysed.path);
            cr_expect_eq(clew_profile_get_stats(profile).traces, added == 0);
            cr_expect_eq(clew_profile_get_stats(profile).dropped, added != 0);
            joined = clew_profile_merge(merged, profile);
            cr_expect(joined == 0 || clew_profile_get_stats(merged).traces == 0);
            view = clew_profile_view_new(merged, NULL);
        }
        done = allocations_left >= 0 && view;
        if (view)
            check_view(view);
        clew_profile_view_free(view);
        allocations_left = INT_MAX;
        if (merged && added != 0) {
            cr_expect_eq(clew_profile_add(profile, analysed.built.trace, analysed.path), 0);
            view = clew_profile_view_new(profile, NULL);
            check_view(view);
            cr_expect_eq(view->roots, analysed.path->root_count);
            clew_profile_view_free(view);
        }
        clew_profile_free(profile);
        clew_profile_free(merged);
    }
    analysed_free(&analysed);
    CLEW_NO_LEAKS();
}

/* As deep as it is long, or as wide. */
static void look_at_large(uint32_t count, bool is_deep) {
    struct build_span *spans = calloc(count, sizeof *spans);
    char(*ids)[12] = calloc(count, sizeof *ids);
    struct analysed analysed;
    clew_profile *profile = clew_profile_new(NULL);
    clew_errors *errors = clew_errors_new(NULL);
    clew_bottlenecks *bottlenecks = clew_bottlenecks_new(NULL);
    clew_profile_view *view;
    clew_diff *diff;
    cr_assert(spans && ids);
    for (uint32_t i = 0; i < count; i++) {
        snprintf(ids[i], sizeof ids[i], "%x", i + 1);
        spans[i] = (struct build_span){.id = ids[i],
                                       .service = i % 2 ? "a" : "b",
                                       .operation = "x",
                                       .kind = CLEW_CLIENT,
                                       .status = i % 7 ? CLEW_STATUS_UNSET : CLEW_STATUS_ERROR};
        if (i > 0)
            spans[i].parent = ids[is_deep ? i - 1 : 0];
        spans[i].start = is_deep || i == 0 ? 1000 + i : 1000 + 10 * (uint64_t)i;
        spans[i].end = is_deep ? 10 * MS - i : spans[i].start + (i ? 9 : 10 * (uint64_t)count + 10);
    }
    analysed = analyse(spans, count);
    cr_expect_eq(clew_profile_add(profile, analysed.built.trace, analysed.path), 0);
    cr_expect_eq(clew_errors_add(errors, analysed.built.trace, analysed.path), 0);
    cr_expect_eq(clew_bottlenecks_add(bottlenecks, analysed.built.trace, analysed.path), 0);
    view = clew_profile_view_new(profile, NULL);
    cr_expect_eq(view->total, spans[0].end - spans[0].start);
    cr_expect_eq(view->nodes[0].critical, view->total);
    diff = clew_diff_traces(analysed.built.trace, analysed.path, analysed.built.trace, analysed.path);
    cr_assert_not_null(diff);
    cr_expect_eq(diff->delta, 0);
    clew_diff_free(diff);
    clew_profile_view_free(view);
    clew_profile_free(profile);
    clew_errors_free(errors);
    clew_bottlenecks_free(bottlenecks);
    analysed_free(&analysed);
    free(spans);
    free(ids);
}

Test(profile, errors_bottlenecks_and_differences_take_deep_and_wide_traces, .timeout = 600) {
    look_at_large(100000, true);
    look_at_large(200000, false);
    CLEW_NO_LEAKS();
}
