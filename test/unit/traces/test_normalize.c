/* Stage 0: what each repair does, and that the order of arrival never matters. */
#include "test/support.h"
#include "test/unit/analysis/build.h"

#include <stdio.h>
#include <stdlib.h>

#define COUNT(spans) (sizeof(spans) / sizeof *(spans))
#define BUILD(spans) build_trace(spans, COUNT(spans), NULL)

static clew_trace_span span_of(const struct built *built, const char *id) {
    clew_trace_span span;
    uint32_t index = build_find(built->trace, id);
    cr_assert_neq(index, CLEW_NO_SPAN, "there is no span %s", id);
    cr_assert(clew_trace_span_at(built->trace, index, &span));
    return span;
}

static uint32_t parent_of(const struct built *built, const char *id) {
    return span_of(built, id).parent;
}

static bool is_below(const struct built *built, const char *id, const char *parent) {
    return parent_of(built, id) == build_find(built->trace, parent);
}

static void expect_repairs(const struct built *built, clew_repair repair, uint64_t times) {
    cr_expect_eq(clew_trace_repairs(built->trace, repair), times, "%s: %llu", clew_repair_name(repair),
                 (unsigned long long)clew_trace_repairs(built->trace, repair));
}

Test(normalize, puts_spans_in_order_of_start_then_longest_then_id) {
    const struct build_span spans[] = {
        {.id = "r", .start = 0, .end = 100},
        {.id = "b", .parent = "r", .start = 10, .end = 20},
        {.id = "A", .parent = "r", .start = 10, .end = 20},
        {.id = "c", .parent = "r", .start = 10, .end = 30},
        {.id = "1", .parent = "r", .start = 5, .end = 6},
        {.id = "zz", .parent = "r", .start = 10, .end = 20},
    };
    const char *const expected[] = {"r", "1", "c", "A", "b", "zz"};
    struct built built = BUILD(spans);
    clew_trace_span root;
    cr_assert_eq(clew_trace_span_count(built.trace), 6);
    for (uint32_t i = 0; i < 6; i++)
        cr_expect_eq(build_find(built.trace, expected[i]), i, "%s", expected[i]);
    cr_assert(clew_trace_span_at(built.trace, 0, &root));
    uint32_t child = root.first_child;
    for (uint32_t i = 1; i < 6; i++) {
        cr_expect_eq(child, i);
        clew_trace_span span;
        clew_trace_span_at(built.trace, child, &span);
        child = span.next_sibling;
    }
    cr_expect_eq(child, CLEW_NO_SPAN);
    build_free(&built);
    CLEW_NO_LEAKS();
}

Test(normalize, puts_roots_in_order_of_start_then_id) {
    const struct build_span spans[] = {
        {.id = "3", .start = 10, .end = 90},
        {.id = "1", .start = 10, .end = 20},
        {.id = "2", .start = 10, .end = 50},
        {.id = "9", .start = 5, .end = 6},
    };
    const char *const expected[] = {"9", "1", "2", "3"};
    struct built built = BUILD(spans);
    uint32_t root = clew_trace_first_root(built.trace);
    for (int i = 0; i < 4; i++) {
        cr_expect_eq(root, build_find(built.trace, expected[i]), "%s", expected[i]);
        root = built.trace->nodes[root].next_sibling;
    }
    cr_expect_eq(root, CLEW_NO_SPAN);
    build_free(&built);
    CLEW_NO_LEAKS();
}

Test(normalize, leaves_the_same_span_out_when_it_comes_again) {
    const struct build_span spans[] = {
        {.id = "r", .start = 1, .end = 100},
        {.id = "a", .parent = "r", .start = 10, .end = 20},
        {.id = "a", .parent = "r", .start = 10, .end = 20},
        {.id = "a", .parent = "r", .start = 10, .end = 20},
    };
    struct built built = BUILD(spans);
    cr_expect_eq(clew_trace_span_count(built.trace), 2);
    expect_repairs(&built, CLEW_REPAIR_DUPLICATE, 2);
    expect_repairs(&built, CLEW_REPAIR_SAME_ID, 0);
    cr_expect_eq(span_of(&built, "a").repairs, 1u << CLEW_REPAIR_DUPLICATE);
    build_free(&built);
    CLEW_NO_LEAKS();
}

Test(normalize, takes_a_span_that_had_not_ended_for_the_one_that_has) {
    const struct build_span spans[] = {
        {.id = "a", .start = 10, .end = 0, .operation = "o"},
        {.id = "a", .start = 10, .end = 50, .operation = "o", .status = CLEW_STATUS_ERROR},
    };
    struct built built = BUILD(spans);
    cr_assert_eq(clew_trace_span_count(built.trace), 1);
    cr_expect_eq(span_of(&built, "a").end_unix_nano, 50);
    expect_repairs(&built, CLEW_REPAIR_OPEN, 0);
    expect_repairs(&built, CLEW_REPAIR_DUPLICATE, 1);
    build_free(&built);
    CLEW_NO_LEAKS();
}

Test(normalize, tells_client_and_server_of_one_id_apart_and_moves_the_servers_children) {
    const struct build_span spans[] = {
        {.id = "1", .start = 1, .end = 100, .service = "front"},
        {.id = "2", .parent = "1", .start = 10, .end = 90, .service = "front", .kind = CLEW_CLIENT},
        {.id = "2", .parent = "1", .start = 20, .end = 80, .service = "back", .kind = CLEW_SERVER},
        {.id = "3", .parent = "2", .start = 30, .end = 40, .service = "back"},
        {.id = "4", .parent = "2", .start = 30, .end = 40, .service = "front"},
    };
    struct built built = BUILD(spans);
    cr_expect_eq(clew_trace_span_count(built.trace), 5);
    cr_expect_eq(span_of(&built, "2").kind, CLEW_CLIENT);
    cr_expect_eq(span_of(&built, "2#srv").kind, CLEW_SERVER);
    cr_expect(is_below(&built, "2", "1"));
    cr_expect(is_below(&built, "2#srv", "2"));
    cr_expect(is_below(&built, "3", "2#srv"));
    cr_expect(is_below(&built, "4", "2"));
    expect_repairs(&built, CLEW_REPAIR_SHARED_ID, 1);
    build_free(&built);
    CLEW_NO_LEAKS();
}

Test(normalize, tells_other_spans_of_one_id_apart_by_start_length_service_and_operation) {
    const struct build_span spans[] = {
        {.id = "7", .start = 20, .end = 30, .service = "a", .operation = "x"},
        {.id = "7", .start = 10, .end = 20, .service = "b", .operation = "x"},
        {.id = "7", .start = 10, .end = 30, .service = "z", .operation = "x"},
        {.id = "7", .start = 10, .end = 20, .service = "a", .operation = "y"},
        {.id = "7", .start = 10, .end = 20, .service = "a", .operation = "x"},
        {.id = "8", .parent = "7", .start = 11, .end = 12},
    };
    struct built built = BUILD(spans);
    cr_expect_eq(clew_trace_span_count(built.trace), 6);
    cr_expect_eq(span_of(&built, "7").service.data[0], 'z');
    cr_expect_eq(span_of(&built, "7#1").operation.data[0], 'x');
    cr_expect_eq(span_of(&built, "7#1").service.data[0], 'a');
    cr_expect_eq(span_of(&built, "7#2").operation.data[0], 'y');
    cr_expect_eq(span_of(&built, "7#3").service.data[0], 'b');
    cr_expect_eq(span_of(&built, "7#4").start_unix_nano, 20);
    cr_expect(is_below(&built, "8", "7"));
    expect_repairs(&built, CLEW_REPAIR_SAME_ID, 4);
    build_free(&built);
    CLEW_NO_LEAKS();
}

Test(normalize, ends_a_span_of_negative_length_where_it_starts) {
    const struct build_span spans[] = {{.id = "a", .start = 30, .end = 20}};
    struct built built = BUILD(spans);
    cr_expect_eq(span_of(&built, "a").start_unix_nano, 30);
    cr_expect_eq(span_of(&built, "a").end_unix_nano, 30);
    expect_repairs(&built, CLEW_REPAIR_NEGATIVE, 1);
    build_free(&built);
    CLEW_NO_LEAKS();
}

Test(normalize, gives_a_span_without_a_start_that_of_its_parent_and_keeps_its_length) {
    const struct build_span spans[] = {
        {.id = "d", .parent = "c", .start = 0, .end = 5},
        {.id = "c", .parent = "b", .start = 0, .end = 7},
        {.id = "b", .parent = "a", .start = 100, .end = 200},
        {.id = "a", .start = 0, .end = 300},
    };
    struct built built = BUILD(spans);
    cr_expect_eq(span_of(&built, "a").start_unix_nano, 0, "a root may start at 0");
    cr_expect_eq(span_of(&built, "c").start_unix_nano, 100);
    cr_expect_eq(span_of(&built, "c").end_unix_nano, 107);
    cr_expect_eq(span_of(&built, "d").start_unix_nano, 100);
    cr_expect_eq(span_of(&built, "d").end_unix_nano, 105);
    expect_repairs(&built, CLEW_REPAIR_NO_START, 2);
    build_free(&built);
    CLEW_NO_LEAKS();
}

Test(normalize, makes_a_span_that_is_its_own_parent_a_root) {
    const struct build_span spans[] = {
        {.id = "r", .parent = "r", .start = 1, .end = 50},
        {.id = "a", .parent = "r", .start = 10, .end = 20},
    };
    struct built built = BUILD(spans);
    cr_expect_eq(parent_of(&built, "r"), CLEW_NO_SPAN);
    cr_expect(is_below(&built, "a", "r"));
    expect_repairs(&built, CLEW_REPAIR_SELF_PARENT, 1);
    build_free(&built);
    CLEW_NO_LEAKS();
}

Test(normalize, cuts_a_ring_at_its_earliest_span) {
    const struct build_span spans[] = {
        {.id = "a", .parent = "c", .start = 20, .end = 100},
        {.id = "b", .parent = "a", .start = 10, .end = 20},
        {.id = "c", .parent = "b", .start = 10, .end = 20},
        {.id = "d", .parent = "c", .start = 1, .end = 2},
        {.id = "e", .parent = "f", .start = 0, .end = 100},
        {.id = "f", .parent = "e", .start = 10, .end = 20},
    };
    struct built built = BUILD(spans);
    cr_expect_eq(parent_of(&built, "b"), CLEW_NO_SPAN, "of equal starts the smaller id");
    cr_expect(is_below(&built, "c", "b"));
    cr_expect(is_below(&built, "a", "c"));
    cr_expect(is_below(&built, "d", "c"));
    cr_expect_eq(parent_of(&built, "e"), CLEW_NO_SPAN);
    cr_expect_eq(span_of(&built, "e").end_unix_nano, 100);
    expect_repairs(&built, CLEW_REPAIR_CYCLE, 2);
    build_free(&built);
    CLEW_NO_LEAKS();
}

Test(normalize, makes_an_orphan_a_root_and_several_of_one_parent_children_of_a_phantom) {
    const struct build_span spans[] = {
        {.id = "a", .parent = "99", .start = 10, .end = 20},
        {.id = "b", .parent = "77", .start = 30, .end = 60},
        {.id = "c", .parent = "77", .start = 25, .end = 40},
        {.id = "d", .parent = "88", .start = 20, .end = 60},
        {.id = "e", .parent = "88", .start = 20, .end = 50},
    };
    struct built built = BUILD(spans);
    clew_trace_span phantom = span_of(&built, "77");
    cr_expect_eq(clew_trace_span_count(built.trace), 7);
    cr_expect_eq(parent_of(&built, "a"), CLEW_NO_SPAN);
    cr_expect(is_below(&built, "b", "77"));
    cr_expect(is_below(&built, "c", "77"));
    cr_expect(phantom.is_phantom);
    cr_expect_eq(phantom.start_unix_nano, 25);
    cr_expect_eq(phantom.end_unix_nano, 60);
    cr_expect_eq(phantom.service.size, 0);
    cr_expect_eq(build_find(built.trace, "88"), 5, "phantoms come last, in order of start");
    cr_expect_eq(build_find(built.trace, "77"), 6);
    cr_expect_eq(clew_trace_first_root(built.trace), build_find(built.trace, "a"));
    cr_expect_eq(span_of(&built, "a").next_sibling, 5);
    cr_expect_eq(span_of(&built, "88").next_sibling, 6);
    expect_repairs(&built, CLEW_REPAIR_MISSING_PARENT, 5);
    build_free(&built);
    CLEW_NO_LEAKS();
}

Test(normalize, ends_an_open_span_provisionally_where_the_trace_ends) {
    const struct build_span spans[] = {
        {.id = "a", .start = 10, .end = 0},
        {.id = "b", .parent = "a", .start = 20, .end = 70},
    };
    struct built built = BUILD(spans);
    cr_expect(span_of(&built, "a").is_open);
    cr_expect_eq(span_of(&built, "a").end_unix_nano, 70);
    cr_expect(!span_of(&built, "b").is_open);
    expect_repairs(&built, CLEW_REPAIR_OPEN, 1);
    build_free(&built);
    CLEW_NO_LEAKS();
}

Test(normalize, takes_text_that_is_no_number_for_an_id_and_prints_it) {
    const struct build_span spans[] = {
        {.id = "span-1", .start = 1, .end = 9, .trace = "my trace"},
        {.id = "C", .parent = "span-1", .start = 2, .end = 3, .trace = "my trace"},
    };
    struct built built = BUILD(spans);
    char text[CLEW_ID_TEXT_SIZE];
    clew_trace_id_text(built.trace, text);
    cr_expect_str_eq(text, "my trace");
    clew_trace_span_id_text(built.trace, 0, text);
    cr_expect_str_eq(text, "span-1");
    clew_trace_span_id_text(built.trace, 1, text);
    cr_expect_str_eq(text, "000000000000000c");
    cr_expect(is_below(&built, "C", "span-1"));
    build_free(&built);
    CLEW_NO_LEAKS();
}

Test(normalize, of_nothing_is_an_empty_trace) {
    struct built built = build_trace(NULL, 0, NULL);
    uint64_t start = 1, end = 1;
    clew_trace_span span;
    cr_expect_eq(clew_trace_span_count(built.trace), 0);
    cr_expect_eq(clew_trace_first_root(built.trace), CLEW_NO_SPAN);
    cr_expect(!clew_trace_span_at(built.trace, 0, &span));
    clew_trace_bounds(built.trace, &start, &end);
    cr_expect(start == 0 && end == 0);
    build_free(&built);
    CLEW_NO_LEAKS();
}

/* ---- what holds for every trace ---- */

static void expect_sane(const struct clew_trace *trace) {
    uint32_t seen = 0, roots = 0;
    for (uint32_t i = 0; i < trace->node_count; i++) {
        const struct clew__node *node = &trace->nodes[i];
        uint32_t steps = 0;
        cr_assert(node->start <= node->end);
        for (uint32_t c = 0; c < node->child_count; c++, seen++) {
            uint32_t child = trace->children[node->first_child + c];
            cr_assert_eq(trace->nodes[child].parent, i);
            cr_assert(c + 1 == node->child_count ||
                      trace->nodes[child].next_sibling == trace->children[node->first_child + c + 1]);
        }
        for (uint32_t at = i; at != CLEW_NO_SPAN; at = trace->nodes[at].parent)
            cr_assert(steps++ <= trace->node_count, "there is a ring");
        if (i > 0 && node->record && trace->nodes[i - 1].record)
            cr_assert(trace->nodes[i - 1].start <= node->start);
    }
    for (uint32_t at = clew_trace_first_root((const clew_trace *)trace); at != CLEW_NO_SPAN;
         at = trace->nodes[at].next_sibling)
        roots++;
    cr_assert_eq(roots, trace->root_count);
    cr_assert_eq(seen + roots, trace->node_count);
}

static void expect_order_independent(uint64_t seed, bool is_hostile) {
    struct random random = {seed};
    struct build_random made = build_random(&random, 1 + (size_t)random_below(&random, 40), is_hostile);
    struct built straight = build_trace(made.spans, made.count, NULL);
    char *expected = build_print(straight.trace);
    expect_sane(straight.trace);
    for (int round = 0; round < 2; round++) {
        uint32_t *order = build_shuffle(&random, made.count);
        struct built shuffled = build_trace(made.spans, made.count, order);
        char *printed = build_print(shuffled.trace);
        cr_assert_str_eq(printed, expected, "seed %llu", (unsigned long long)seed);
        free(printed);
        free(order);
        build_free(&shuffled);
    }
    free(expected);
    build_free(&straight);
    build_random_free(&made);
}

Test(normalize, gives_the_same_for_any_order_of_10000_random_traces) {
    for (uint64_t seed = 0; seed < 10000; seed++)
        expect_order_independent(seed, seed % 4 != 0);
    CLEW_NO_LEAKS();
}

/* ---- size ---- */

/* `count` spans of which each is below the one before, or all below the first, without ids as text. */
static struct clew__records large(uint32_t count, bool is_deep, bool is_ring) {
    struct clew__records records = {.count = count, .capacity = count};
    records.records = calloc(count, sizeof *records.records);
    cr_assert(records.records);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t parent = is_deep ? i : 1;
        records.records[i] = (struct clew__record){.start = is_ring ? 0 : 1000 + i,
                                                   .end = 10 * (uint64_t)count - i,
                                                   .id = i + 1,
                                                   .parent_id = i > 0     ? parent
                                                                : is_ring ? count
                                                                          : 0,
                                                   .weight = CLEW__WEIGHT_ONE};
    }
    return records;
}

static void expect_large(uint32_t count, bool is_deep, bool is_ring) {
    struct clew__texts *texts = clew__texts_new();
    struct clew__records records = large(count, is_deep, is_ring);
    struct clew_trace *trace = clew__normalize(texts, &records);
    cr_assert(trace);
    cr_expect_eq(trace->node_count, count);
    cr_expect_eq(trace->root_count, 1);
    cr_expect_eq(trace->nodes[0].child_count, is_deep ? 1 : count - 1);
    clew__trace_free(trace);
    free(records.records);
    clew__texts_free(texts);
}

Test(normalize, stands_100000_spans_one_below_the_other) {
    expect_large(100000, true, false);
    CLEW_NO_LEAKS();
}

Test(normalize, stands_a_ring_of_100000_spans_without_a_start) {
    expect_large(100000, true, true);
    CLEW_NO_LEAKS();
}

Test(normalize, stands_1000000_spans_below_one) {
    expect_large(1000000, false, false);
    CLEW_NO_LEAKS();
}

Test(normalize, stands_100000_spans_of_one_id) {
    struct clew__texts *texts = clew__texts_new();
    struct clew__records records = large(100000, false, false);
    for (uint32_t i = 0; i < records.count; i++) {
        records.records[i].id = 5;
        records.records[i].parent_id = 5;
    }
    struct clew_trace *trace = clew__normalize(texts, &records);
    cr_expect_eq(trace->node_count, 100000);
    cr_expect_eq(trace->repairs[CLEW_REPAIR_SAME_ID], 99999);
    clew__trace_free(trace);
    free(records.records);
    clew__texts_free(texts);
    CLEW_NO_LEAKS();
}
