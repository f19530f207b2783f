/* Trees from spans of any shape. */
#include "proto/otlp.h"
#include "test/unit/cli/spans.h"

#define A "000000000000000a"
#define B "000000000000000b"
#define C "000000000000000c"
#define D "000000000000000d"
#define ALONE(span) TRACES(SERVICE("s", span))
#define ROOT SPAN(A, "", "a", "1000", "2000", "")
#define CHILD SPAN(B, A, "b", "1200", "1300", "")

static const struct clew__tree_span *at(const struct clew__tree *tree, uint32_t index) {
    static const struct clew__tree_span none = {.name = "(none)"};
    return index == CLEW__TREE_NONE ? &none : &tree->spans[index];
}

/* The names of a trace in order, each child list in brackets: "root(first second)". */
static void write_names(const struct clew__tree *tree, uint32_t first, char *out) {
    for (uint32_t index = first; index != CLEW__TREE_NONE; index = at(tree, index)->next_sibling) {
        strcat(out, index == first ? "" : " ");
        strcat(out, at(tree, index)->name);
        if (at(tree, index)->first_child == CLEW__TREE_NONE)
            continue;
        strcat(out, "(");
        write_names(tree, at(tree, index)->first_child, out);
        strcat(out, ")");
    }
}

static void expect_shape(const char *text, const char *expected) {
    struct clew__tree tree = spans_tree(text);
    char shape[512] = "";
    for (size_t i = 0; i < tree.trace_count; i++) {
        strcat(shape, i ? " | " : "");
        write_names(&tree, tree.traces[i].first_root, shape);
    }
    cr_assert_str_eq(shape, expected);
    clew__tree_fini(&tree);
    CLEW_NO_LEAKS();
}

#define LATE_CHILD SPAN(C, A, "c", "1500", "1600", "")
#define GRANDCHILD SPAN(D, B, "d", "1250", "1260", "")

Test(tree, children_stand_below_their_parent_in_order_of_start) {
    expect_shape(TRACES(SERVICE("s", LATE_CHILD "," CHILD "," ROOT "," GRANDCHILD)), "a(b(d) c)");
}

Test(tree, parent_may_come_from_another_file) {
    struct clew__tree tree = {0};
    char *complaints;
    const char child[] = TRACES(SERVICE("s", CHILD));
    const char parent[] = TRACES(SERVICE("t", ROOT));
    cr_assert(spans_read(&tree, child, strlen(child), &complaints));
    free(complaints);
    cr_assert(spans_read(&tree, parent, strlen(parent), &complaints));
    free(complaints);
    cr_assert(clew__tree_build(&tree));
    cr_assert_eq(tree.trace_count, 1);
    cr_assert_eq(tree.traces[0].service_count, 2);
    cr_assert_str_eq(at(&tree, at(&tree, tree.traces[0].first_root)->first_child)->name, "b");
    clew__tree_fini(&tree);
    CLEW_NO_LEAKS();
}

#define EARLY_IN_B SPAN_IN(TRACE_B, A, "", "early", "0500", "0600", "")

Test(tree, traces_stand_in_order_of_start) {
    expect_shape(TRACES(SERVICE("s", ROOT "," EARLY_IN_B)), "early | a");
}

#define SAME_IN_B SPAN_IN(TRACE_B, A, "", "other", "1500", "1600", "")

Test(tree, equal_span_ids_of_two_traces_are_two_spans) {
    expect_shape(TRACES(SERVICE("s", ROOT "," SAME_IN_B)), "a | other");
}

Test(tree, span_without_its_parent_is_marked_as_orphan) {
    struct clew__tree tree = spans_tree(ALONE(CHILD));
    cr_assert_eq(at(&tree, tree.traces[0].first_root)->mark, CLEW__TREE_ORPHAN);
    clew__tree_fini(&tree);
    CLEW_NO_LEAKS();
}

#define CHILD_IN_B SPAN_IN(TRACE_B, B, A, "b", "1500", "1600", "")

Test(tree, parent_in_another_trace_is_no_parent) {
    expect_shape(TRACES(SERVICE("s", ROOT "," CHILD_IN_B)), "a | b");
}

#define RING_A SPAN(A, C, "a", "1300", "2000", "")
#define RING_B SPAN(B, A, "b", "1100", "2000", "")
#define RING_C SPAN(C, B, "c", "1200", "2000", "")
#define BESIDE_RING SPAN(D, C, "d", "1000", "2000", "")

Test(tree, cycle_is_cut_above_its_first_span) {
    struct clew__tree tree = spans_tree(TRACES(SERVICE("s", RING_A "," RING_B "," RING_C "," BESIDE_RING)));
    const struct clew__tree_span *root = at(&tree, tree.traces[0].first_root);
    cr_assert_str_eq(root->name, "b");
    cr_assert_eq(root->mark, CLEW__TREE_CYCLE);
    cr_assert_eq(root->next_sibling, CLEW__TREE_NONE);
    cr_assert_str_eq(at(&tree, root->first_child)->name, "c");
    clew__tree_fini(&tree);
    CLEW_NO_LEAKS();
}

Test(tree, span_that_is_its_own_parent_is_a_root) {
    struct clew__tree tree = spans_tree(ALONE(SPAN(A, A, "a", "1000", "2000", "")));
    const struct clew__tree_span *root = at(&tree, tree.traces[0].first_root);
    cr_assert_eq(root->mark, CLEW__TREE_CYCLE);
    cr_assert_eq(root->first_child, CLEW__TREE_NONE);
    clew__tree_fini(&tree);
    CLEW_NO_LEAKS();
}

#define AGAIN SPAN(A, "", "again", "1000", "2000", "")

Test(tree, second_span_of_an_id_is_left_out_and_counted) {
    struct clew__tree tree = spans_tree(TRACES(SERVICE("s", ROOT "," AGAIN)));
    cr_assert_eq(tree.traces[0].span_count, 1);
    cr_assert_eq(tree.traces[0].duplicate_count, 1);
    cr_assert_str_eq(at(&tree, tree.traces[0].first_root)->name, "a");
    clew__tree_fini(&tree);
    CLEW_NO_LEAKS();
}

#define TIMEOUT ",\"attributes\":[{\"key\":\"error.type\",\"value\":{\"stringValue\":\"timeout\"}}]"
#define BROKEN ",\"status\":{\"code\":2,\"message\":\"it broke\"}"
#define FAILED ",\"status\":{\"code\":2}"

Test(tree, error_is_the_description_before_the_type) {
    struct clew__tree tree = spans_tree(ALONE(SPAN(A, "", "a", "1000", "2000", TIMEOUT BROKEN)));
    cr_assert_str_eq(at(&tree, 0)->error, "it broke");
    clew__tree_fini(&tree);
    CLEW_NO_LEAKS();
}

Test(tree, error_without_description_is_its_type) {
    struct clew__tree tree = spans_tree(ALONE(SPAN(A, "", "a", "1000", "2000", TIMEOUT FAILED)));
    cr_assert_str_eq(at(&tree, 0)->error, "timeout");
    cr_assert_eq(tree.traces[0].error_count, 1);
    clew__tree_fini(&tree);
    CLEW_NO_LEAKS();
}

Test(tree, error_type_of_a_span_that_is_well_is_no_error) {
    struct clew__tree tree = spans_tree(ALONE(SPAN(A, "", "a", "1000", "2000", TIMEOUT)));
    cr_assert_null(at(&tree, 0)->error);
    clew__tree_fini(&tree);
    CLEW_NO_LEAKS();
}

/* A chain that would exhaust the stack of anything that recurses, and whose ring must be cut in linear time.
 */
#define CHAIN 200000u

static struct clew__tree chain(bool ring) {
    struct clew__tree tree = {0};
    for (uint32_t i = 0; i < CHAIN; i++) {
        uint8_t buffer[256], id[8] = {1}, parent[8] = {1};
        struct clew__writer writer = {.data = buffer, .capacity = sizeof buffer};
        uint32_t above = i ? i - 1 : CHAIN - 1;
        memcpy(id + 4, &i, 4);
        memcpy(parent + 4, &above, 4);
        size_t resource = clew__write_begin(&writer, CLEW__TRACES_RESOURCE_SPANS);
        size_t scope = clew__write_begin(&writer, CLEW__RESOURCE_SPANS_SCOPE_SPANS);
        size_t span = clew__write_begin(&writer, CLEW__SCOPE_SPANS_SPANS);
        clew__write_bytes(&writer, CLEW__SPAN_TRACE_ID, "0123456789abcdef", 16);
        clew__write_bytes(&writer, CLEW__SPAN_SPAN_ID, id, 8);
        if (i || ring)
            clew__write_bytes(&writer, CLEW__SPAN_PARENT_SPAN_ID, parent, 8);
        clew__write_fixed64(&writer, CLEW__SPAN_START, 1000 + i);
        clew__write_end(&writer, span);
        clew__write_end(&writer, scope);
        clew__write_end(&writer, resource);
        cr_assert_not(writer.failed);
        cr_assert(clew__tree_add(&tree, buffer, writer.size));
    }
    cr_assert(clew__tree_build(&tree));
    return tree;
}

static uint32_t depth_of(const struct clew__tree *tree) {
    uint32_t depth = 0;
    for (uint32_t i = tree->traces[0].first_root; i != CLEW__TREE_NONE; i = at(tree, i)->first_child)
        depth++;
    return depth;
}

Test(tree, long_chain_is_built) {
    struct clew__tree tree = chain(false);
    cr_assert_eq(depth_of(&tree), CHAIN);
    clew__tree_fini(&tree);
    CLEW_NO_LEAKS();
}

Test(tree, long_ring_is_cut_once) {
    struct clew__tree tree = chain(true);
    cr_assert_eq(depth_of(&tree), CHAIN);
    cr_assert_eq(at(&tree, tree.traces[0].first_root)->start_unix_nano, 1000);
    clew__tree_fini(&tree);
    CLEW_NO_LEAKS();
}
