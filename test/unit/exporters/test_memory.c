/* The test kit: the memory exporter, its trees, and the assertions. */
#include <clew/testing.h>

#include "test/support.h"
#include "test/unit/exporters/request.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHAIN 10000

static clew_memory_exporter *memory;
static clew_exporter exporter;
static char message[1024];

static void make_memory(void) {
    memory = clew_memory_exporter_new(0);
    exporter = clew_memory_exporter_as_exporter(memory);
}

static void free_memory(void) {
    clew_memory_exporter_free(memory);
    CLEW_NO_LEAKS();
}

TestSuite(memory, .init = make_memory, .fini = free_memory);

static void export_spans(const struct test_span *spans, size_t count) {
    clew_export_report report;
    cr_assert_eq(test_export(&exporter, spans, count, &report), CLEW_EXPORT_DELIVERED);
}

#define EXPORT(...)                                                                                          \
    do {                                                                                                     \
        const struct test_span spans[] = {__VA_ARGS__};                                                      \
        export_spans(spans, sizeof spans / sizeof *spans);                                                   \
    } while (0)

static void expect_tree(const char *expected) {
    char *tree = clew_memory_exporter_tree(memory);
    cr_assert_not_null(tree);
    cr_expect_str_eq(tree, expected);
    clew_testing_text_free(tree);
}

static char first_letter(size_t index) {
    clew_span_view view = clew_memory_exporter_at(memory, index);
    clew_text name = clew_span_view_data(&view).name;
    return name.size ? name.data[0] : '-';
}

/* ---- keeping ---- */

Test(memory, keeps_spans_in_order_of_arrival) {
    EXPORT({.name = "a", .id = 1}, {.name = "b", .id = 2});
    EXPORT({.name = "c", .id = 3});
    cr_expect_eq(clew_memory_exporter_count(memory), 3);
    cr_expect_eq(first_letter(0), 'a');
    cr_expect_eq(first_letter(1), 'b');
    cr_expect_eq(first_letter(2), 'c');
}

Test(memory, keeps_a_copy_with_resource_and_scope) {
    clew_span_view view;
    EXPORT({.name = "a", .id = 1});
    view = clew_memory_exporter_at(memory, 0);
    cr_expect_eq(strncmp(clew_span_view_service(&view).data, "shop", 4), 0);
    cr_expect_eq(strncmp(clew_span_view_scope_name(&view).data, "payments", 8), 0);
}

Test(memory, is_empty_beyond_the_count) {
    clew_span_view view = clew_memory_exporter_at(memory, 0);
    cr_expect_eq(view.span.size, 0);
    cr_expect_eq(clew_span_view_data(&view).name.size, 0);
}

Test(memory, finds_the_first_span_of_a_name) {
    clew_span_view view;
    EXPORT({.name = "ab", .id = 1}, {.name = "a", .id = 2}, {.name = "a", .id = 3});
    cr_assert(clew_memory_exporter_find(memory, "a", &view));
    cr_expect_eq(clew_span_view_data(&view).span_id[7], 2);
    cr_expect(!clew_memory_exporter_find(memory, "abc", &view));
}

Test(memory, clear_empties_it) {
    EXPORT({.name = "a", .id = 1});
    clew_memory_exporter_clear(memory);
    cr_expect_eq(clew_memory_exporter_count(memory), 0);
    EXPORT({.name = "b", .id = 2});
    cr_expect_eq(first_letter(0), 'b');
    cr_expect_eq(clew_memory_exporter_count(memory), 1);
}

Test(memory, fails_batches_beyond_its_limit) {
    static const struct test_span two[] = {{.name = "a", .id = 1}, {.name = "b", .id = 2}};
    clew_memory_exporter *small = clew_memory_exporter_new(3);
    clew_exporter to_small = clew_memory_exporter_as_exporter(small);
    clew_export_report report;
    cr_expect_eq(test_export(&to_small, two, 2, &report), CLEW_EXPORT_DELIVERED);
    cr_expect_eq(test_export(&to_small, two, 2, &report), CLEW_EXPORT_FAILED);
    cr_expect_not_null(strstr(report.reason, "full"));
    cr_expect_eq(clew_memory_exporter_count(small), 2);
    cr_expect_eq(test_export(&to_small, two, 1, &report), CLEW_EXPORT_DELIVERED);
    cr_expect_eq(clew_memory_exporter_count(small), 3);
    clew_memory_exporter_free(small);
}

static void *export_hundred(void *unused) {
    (void)unused;
    for (int i = 0; i < 100; i++) {
        EXPORT({.name = "a", .id = 1});
        clew_memory_exporter_at(memory, 50);
    }
    return NULL;
}

Test(memory, threads_may_export_at_once) {
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, export_hundred, NULL), 0);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    cr_expect_eq(clew_memory_exporter_count(memory), 400);
}

/* ---- trees ---- */

Test(memory, an_empty_tree_is_empty_text) {
    expect_tree("");
}

Test(memory, children_stand_below_their_parent_by_start) {
    EXPORT({.name = "late", .id = 4, .parent = 1, .start = 30},
           {.name = "early", .id = 3, .parent = 1, .start = 20},
           {.name = "leaf", .id = 5, .parent = 3, .start = 21}, {.name = "root", .id = 1, .start = 10});
    expect_tree("root\n"
                "  early\n"
                "    leaf\n"
                "  late\n");
}

Test(memory, siblings_of_one_start_are_ordered_by_id) {
    EXPORT({.name = "root", .id = 1, .start = 1}, {.name = "c", .id = 9, .parent = 1, .start = 2},
           {.name = "a", .id = 7, .parent = 1, .start = 2}, {.name = "b", .id = 8, .parent = 1, .start = 2});
    expect_tree("root\n  a\n  b\n  c\n");
}

Test(memory, what_differs_from_the_plain_case_is_shown) {
    EXPORT({.name = "GET /cart", .id = 1, .start = 1, .kind = CLEW_SERVER},
           {.name = "load cart", .id = 2, .parent = 1, .start = 2, .status = CLEW_STATUS_OK},
           {.name = "charge card",
            .id = 3,
            .parent = 1,
            .start = 3,
            .kind = CLEW_CLIENT,
            .status = CLEW_STATUS_ERROR,
            .error_type = "timeout",
            .description = "no reply"},
           {.name = "send", .id = 4, .parent = 1, .start = 4, .kind = CLEW_PRODUCER, .links = 2},
           {.name = "receive",
            .id = 5,
            .parent = 4,
            .start = 5,
            .kind = CLEW_CONSUMER,
            .links = 1,
            .status = CLEW_STATUS_ERROR,
            .description = "bad\nmessage"},
           {.name = "last", .id = 6, .parent = 1, .start = 6, .status = CLEW_STATUS_ERROR});
    expect_tree("GET /cart [server]\n"
                "  load cart\n"
                "  charge card [client] error: timeout\n"
                "  send [producer] links: 2\n"
                "    receive [consumer] error: bad\\nmessage links: 1\n"
                "  last error\n");
}

Test(memory, an_error_type_without_error_status_is_not_shown) {
    EXPORT({.name = "a", .id = 1, .error_type = "timeout"});
    expect_tree("a\n");
}

Test(memory, orphans_and_several_roots_are_roots) {
    EXPORT({.name = "second", .id = 2, .start = 20}, {.name = "orphan", .id = 3, .parent = 99, .start = 15},
           {.name = "child", .id = 4, .parent = 3, .start = 16}, {.name = "first", .id = 1, .start = 10});
    expect_tree("first\norphan\n  child\nsecond\n");
}

Test(memory, a_parent_of_another_trace_is_no_parent) {
    EXPORT({.name = "a", .id = 1, .start = 1, .trace = 1},
           {.name = "b", .id = 2, .parent = 1, .start = 2, .trace = 2});
    expect_tree("a\nb\n");
}

Test(memory, a_cycle_is_broken_at_its_earliest_span) {
    EXPORT({.name = "c", .id = 3, .parent = 2, .start = 30}, {.name = "a", .id = 1, .parent = 3, .start = 10},
           {.name = "b", .id = 2, .parent = 1, .start = 20},
           {.name = "hanging", .id = 4, .parent = 3, .start = 5});
    expect_tree("a\n  b\n    c\n      hanging\n");
}

Test(memory, a_span_that_is_its_own_parent_is_a_root) {
    EXPORT({.name = "self", .id = 1, .parent = 1, .start = 1},
           {.name = "child", .id = 2, .parent = 1, .start = 2});
    expect_tree("self\n  child\n");
}

Test(memory, children_of_equal_ids_belong_to_the_first) {
    EXPORT({.name = "first", .id = 1, .start = 1}, {.name = "again", .id = 1, .start = 2},
           {.name = "child", .id = 2, .parent = 1, .start = 3});
    expect_tree("first\n  child\nagain\n");
}

static size_t count_lines(const char *text) {
    size_t lines = 0;
    for (; *text; text++)
        lines += *text == '\n';
    return lines;
}

Test(memory, a_deep_chain_is_printed_without_recursion_and_in_bounded_space) {
    struct test_span *chain = calloc(CHAIN, sizeof *chain);
    char *tree;
    for (uint32_t i = 0; i < CHAIN;
         i++) /* children first: the worst for whoever looks parents up one by one */
        chain[CHAIN - 1 - i] = (struct test_span){.name = "n", .id = i + 1, .parent = i, .start = i};
    export_spans(chain, CHAIN);
    tree = clew_memory_exporter_tree(memory);
    cr_assert_not_null(tree);
    cr_expect_eq(count_lines(tree), CHAIN);
    cr_expect_eq(strncmp(tree, "n\n  n\n    n\n", 12), 0);
    cr_expect_str_eq(tree + strlen(tree) - 9, " +9743 n\n");
    cr_expect_lt(strlen(tree), 8u << 20);
    clew_testing_text_free(tree);
    free(chain);
}

Test(memory, a_cycle_of_all_spans_terminates) {
    struct test_span *ring = calloc(CHAIN, sizeof *ring);
    char *tree;
    for (uint32_t i = 0; i < CHAIN; i++)
        ring[i] =
            (struct test_span){.name = "n", .id = i + 1, .parent = (i + CHAIN - 1) % CHAIN + 1, .start = 7};
    export_spans(ring, CHAIN);
    tree = clew_memory_exporter_tree(memory);
    cr_assert_not_null(tree);
    cr_expect_eq(count_lines(tree), CHAIN);
    clew_testing_text_free(tree);
    free(ring);
}

/* ---- expecting trees ---- */

static void export_small_tree(void) {
    EXPORT({.name = "root", .id = 1, .start = 1}, {.name = "leaf", .id = 2, .parent = 1, .start = 2});
}

Test(memory, equal_trees_agree) {
    export_small_tree();
    strcpy(message, "left from before");
    cr_expect(clew_expect_tree(memory, "root\n  leaf\n", message, sizeof message));
    cr_expect_str_eq(message, "");
    cr_expect(clew_expect_tree(memory, "root\n  leaf", NULL, 0));
    cr_expect(clew_expect_tree(memory, "    root\n      leaf\n", NULL, 0));
}

Test(memory, a_tree_that_differs_is_explained) {
    export_small_tree();
    cr_expect(!clew_expect_tree(memory, "  root\n    leaves\n", message, sizeof message));
    cr_expect_str_eq(message, "the span trees differ in line 2:\n"
                              "  expected:   leaves\n"
                              "  recorded:   leaf\n"
                              "the tree expected:\n"
                              "    root\n"
                              "      leaves\n"
                              "the tree recorded:\n"
                              "    root\n"
                              "      leaf\n");
}

Test(memory, missing_and_additional_lines_differ) {
    export_small_tree();
    cr_expect(!clew_expect_tree(memory, "root\n", message, sizeof message));
    cr_expect_not_null(strstr(message, "line 2:\n  expected: (no line)\n  recorded:   leaf\n"), "%s",
                       message);
    cr_expect(!clew_expect_tree(memory, "root\n  leaf\n  more\n", message, sizeof message));
    cr_expect_not_null(strstr(message, "line 3:\n  expected:   more\n  recorded: (no line)\n"), "%s",
                       message);
    cr_expect(!clew_expect_tree(memory, "root\nleaf\n", message, sizeof message));
    cr_expect(!clew_expect_tree(memory, "", message, sizeof message));
}

Test(memory, nothing_is_expected_of_nothing) {
    cr_expect(clew_expect_tree(memory, "", NULL, 0));
    cr_expect(clew_expect_tree(memory, NULL, NULL, 0));
    cr_expect(!clew_expect_tree(memory, "root", NULL, 0));
}

Test(memory, a_long_explanation_is_cut) {
    char small[24];
    export_small_tree();
    cr_expect(!clew_expect_tree(memory, "other\n", small, sizeof small));
    cr_expect_str_eq(small, "the span trees differ i");
}

/* ---- expecting attributes ---- */

static clew_span_view span_with(struct clew__writer *writer, clew_value value) {
    clew_span_view view = {0};
    *writer = clew__buffer_plain();
    test_write_attribute(writer, CLEW__SPAN_ATTRIBUTES, "key", value);
    view.span = (clew_bytes){writer->data, writer->size};
    return view;
}

static bool agree(clew_value recorded, clew_value expected) {
    struct clew__writer writer;
    clew_span_view span = span_with(&writer, recorded);
    bool equal = clew_expect_attribute(&span, "key", expected, message, sizeof message);
    clew__buffer_fini(&writer);
    return equal;
}

Test(memory, equal_attributes_agree) {
    clew_value list[2] = {clew_value_int(1), clew_value_string("a")};
    cr_expect(agree(clew_value_string("a"), clew_value_string("a")));
    cr_expect(agree(clew_value_string(""), clew_value_string("")));
    cr_expect(agree(clew_value_int(-1), clew_value_int(-1)));
    cr_expect(agree(clew_value_bool(true), clew_value_bool(true)));
    cr_expect(agree(clew_value_double(0.1), clew_value_double(0.1)));
    cr_expect(agree(clew_value_double((double)NAN), clew_value_double((double)NAN)));
    cr_expect(agree(clew_value_bytes("\0a", 2), clew_value_bytes("\0a", 2)));
    cr_expect(agree(clew_value_array(list, 2), clew_value_array(list, 2)));
    cr_expect_str_eq(message, "");
}

Test(memory, attributes_that_differ_are_explained) {
    clew_value list[2] = {clew_value_int(1), clew_value_string("a")};
    cr_expect(!agree(clew_value_string("200"), clew_value_int(200)));
    cr_expect_str_eq(message, "attribute key: expected int 200, recorded string \"200\"");
    cr_expect(!agree(clew_value_string("ab"), clew_value_string("a")));
    cr_expect(!agree(clew_value_bool(true), clew_value_bool(false)));
    cr_expect(!agree(clew_value_double((double)NAN), clew_value_double(1)));
    cr_expect(!agree(clew_value_double(1), clew_value_double((double)NAN)));
    cr_expect(!agree(clew_value_bytes("a", 1), clew_value_string("a")));
    cr_expect(!agree(clew_value_array(list, 2), clew_value_array(list, 1)));
    cr_expect_str_eq(message, "attribute key: expected array [1], recorded array [1,\"a\"]");
}

Test(memory, the_empty_value_expects_absence) {
    struct clew__writer writer;
    clew_span_view span = span_with(&writer, clew_value_int(1));
    cr_expect(clew_expect_attribute(&span, "other", clew_value_empty(), message, sizeof message));
    cr_expect(!clew_expect_attribute(&span, "key", clew_value_empty(), message, sizeof message));
    cr_expect_str_eq(message, "attribute key: expected none, recorded int 1");
    cr_expect(!clew_expect_attribute(&span, "other", clew_value_int(1), message, sizeof message));
    cr_expect_str_eq(message, "attribute other: expected int 1, recorded none");
    clew__buffer_fini(&writer);
}
