/* Deep, wide and wicked traces: no recursion, n log n steps, bounded answers. */
#include "test/support.h"

#include "sdk/path/path.h"
#include "sdk/path/tasks.h"

#include "test/unit/analysis/random.h"

#include <math.h>
#include <stdlib.h>

/* A trace of nodes alone: all have the same record, so that a million fit. */
struct shape {
    struct clew_trace trace;
    struct clew__records source;
    struct clew__record record;
};

typedef void shape_fill(struct clew__node *nodes, uint32_t count);

static void set(struct clew__node *nodes, uint32_t index, uint32_t parent, uint64_t start, uint64_t end) {
    nodes[index].parent = parent;
    nodes[index].start = 1000 + start;
    nodes[index].end = 1000 + end;
}

static void nested(struct clew__node *nodes, uint32_t count) {
    for (uint32_t i = 1; i < count; i++)
        set(nodes, i, i - 1, i, 2 * (uint64_t)count - i);
}

static void nested_in_the_same_time(struct clew__node *nodes, uint32_t count) {
    for (uint32_t i = 1; i < count; i++)
        set(nodes, i, i - 1, 0, 2 * (uint64_t)count);
}

static void one_after_the_other(struct clew__node *nodes, uint32_t count) {
    for (uint32_t i = 1; i < count; i++)
        set(nodes, i, 0, 2 * (uint64_t)i - 1, 2 * (uint64_t)i);
}

static void touching(struct clew__node *nodes, uint32_t count) {
    for (uint32_t i = 1; i < count; i++)
        set(nodes, i, 0, 2 * (uint64_t)i - 2, 2 * (uint64_t)i);
}

/* Each overlaps all others. */
static void staircase(struct clew__node *nodes, uint32_t count) {
    for (uint32_t i = 1; i < count; i++)
        set(nodes, i, 0, i, (uint64_t)count + i);
}

/* In order of start the ends come in reverse. */
static void pyramid(struct clew__node *nodes, uint32_t count) {
    for (uint32_t i = 1; i < count; i++)
        set(nodes, i, 0, i, 2 * (uint64_t)count - i);
}

static void at_random(struct clew__node *nodes, uint32_t count) {
    struct random random = {7};
    for (uint32_t i = 1; i < count; i++)
        set(nodes, i, 0, i, i + 1 + random_below(&random, count));
}

static void all_outlive(struct clew__node *nodes, uint32_t count) {
    for (uint32_t i = 1; i < count; i++)
        set(nodes, i, 0, 3 * (uint64_t)i / 2, 3 * (uint64_t)count + (i * UINT64_C(2654435761)) % count);
}

/* A spine with a tooth at each joint. */
static void comb(struct clew__node *nodes, uint32_t count) {
    for (uint32_t i = 1; i < count; i++)
        if (i % 2)
            set(nodes, i, i < 2 ? 0 : i - 2, i, 2 * (uint64_t)count - i);
        else
            set(nodes, i, i - 1, i, i + 1);
}

static void deep_and_wide(struct clew__node *nodes, uint32_t count) {
    uint32_t side = (uint32_t)sqrt((double)count);
    for (uint32_t i = 1; i < count; i++)
        if (i % side == 1)
            set(nodes, i, i < side ? 0 : i - side, i, 2 * (uint64_t)count - i);
        else
            set(nodes, i, i - (i - 1) % side, i, i + (i * UINT64_C(2654435761)) % side + 1);
}

static const struct {
    const char *name;
    shape_fill *fill;
} shapes[] = {
    {"nested", nested},
    {"nested in the same time", nested_in_the_same_time},
    {"one after the other", one_after_the_other},
    {"touching", touching},
    {"a staircase", staircase},
    {"a pyramid", pyramid},
    {"at random", at_random},
    {"all outlive their parent", all_outlive},
    {"a comb", comb},
    {"deep and wide", deep_and_wide},
};
#define SHAPES (sizeof shapes / sizeof *shapes)

/* Nodes are in order of start, so children are as they come. */
static void link_children(struct clew_trace *trace) {
    uint32_t *at = calloc(trace->node_count, sizeof *at);
    cr_assert_not_null(at);
    for (uint32_t i = 0; i < trace->node_count; i++) {
        trace->nodes[i].next_sibling = CLEW_NO_SPAN;
        if (trace->nodes[i].parent != CLEW_NO_SPAN)
            trace->nodes[trace->nodes[i].parent].child_count++;
    }
    for (uint32_t i = 0, next = 0; i < trace->node_count; i++) {
        trace->nodes[i].first_child = next;
        next += trace->nodes[i].child_count;
    }
    for (uint32_t i = 0; i < trace->node_count; i++) {
        uint32_t parent = trace->nodes[i].parent;
        if (parent == CLEW_NO_SPAN)
            continue;
        uint32_t *place = &trace->children[trace->nodes[parent].first_child + at[parent]];
        *place = i;
        if (at[parent]++)
            trace->nodes[place[-1]].next_sibling = i;
    }
    free(at);
}

static struct shape *make_shape(shape_fill *fill, uint32_t count) {
    struct shape *shape = calloc(1, sizeof *shape);
    cr_assert_not_null(shape);
    shape->trace.source = &shape->source;
    shape->trace.nodes = calloc(count, sizeof *shape->trace.nodes);
    shape->trace.children = calloc(count, sizeof *shape->trace.children);
    shape->trace.roots = calloc(1, sizeof *shape->trace.roots);
    cr_assert(shape->trace.nodes && shape->trace.children && shape->trace.roots);
    shape->trace.node_count = count;
    shape->trace.root_count = 1;
    for (uint32_t i = 0; i < count; i++)
        shape->trace.nodes[i].record = &shape->record;
    set(shape->trace.nodes, 0, CLEW_NO_SPAN, 0, 2 * (uint64_t)count);
    fill(shape->trace.nodes, count);
    link_children(&shape->trace);
    return shape;
}

static void free_shape(struct shape *shape) {
    free(shape->trace.nodes);
    free(shape->trace.children);
    free(shape->trace.roots);
    free(shape);
}

static void expect_covered(const clew_critical_path *path, const struct clew_trace *trace) {
    uint64_t reached = trace->nodes[0].start;
    for (uint32_t i = 0; i < path->segment_count; i++) {
        cr_assert_eq(path->segments[i].start_unix_nano, reached);
        reached = path->segments[i].end_unix_nano;
    }
    cr_assert_eq(reached, trace->nodes[0].end);
    cr_assert_leq(path->segment_count, 2 * trace->node_count + 1);
}

static double bound_of(uint32_t count) {
    return 16.0 * count * (log2(count) + 1);
}

Test(path_growth, steps_of_a_path_grow_as_n_log_n_from_a_thousand_to_a_million, .timeout = 600) {
    struct clew__path_workspace workspace = {0};
    for (size_t i = 0; i < SHAPES; i++) {
        uint64_t before = 0;
        for (uint32_t count = 1000; count <= 1000000; count *= 10) {
            struct shape *shape = make_shape(shapes[i].fill, count);
            const clew_critical_path *path = clew__path_compute(&workspace, &shape->trace, NULL);
            cr_assert_not_null(path);
            expect_covered(path, &shape->trace);
            cr_expect_lt((double)path->steps, bound_of(count), "%s, %u: %llu steps", shapes[i].name, count,
                         (unsigned long long)path->steps);
            cr_expect(before == 0 || path->steps < 20 * before, "%s, %u: %llu steps after %llu",
                      shapes[i].name, count, (unsigned long long)path->steps, (unsigned long long)before);
            before = path->steps;
            free_shape(shape);
        }
    }
    clew__path_workspace_fini(&workspace);
    CLEW_NO_LEAKS();
}

Test(path_growth, steps_of_the_whole_trace_grow_as_n_log_n, .timeout = 600) {
    const clew_path_options options = {.scope = CLEW_SCOPE_TRACE, .eps_ppm = 10000};
    struct clew__path_workspace workspace = {0};
    for (size_t i = 0; i < SHAPES; i++) {
        struct shape *shape = make_shape(shapes[i].fill, 100000);
        const clew_critical_path *path = clew__path_compute(&workspace, &shape->trace, &options);
        cr_assert_not_null(path);
        cr_expect_lt((double)path->steps, bound_of(100000), "%s", shapes[i].name);
        free_shape(shape);
    }
    clew__path_workspace_fini(&workspace);
    CLEW_NO_LEAKS();
}

Test(path_growth, steps_of_leverage_grow_as_n_log_n, .timeout = 600) {
    for (size_t i = 0; i < SHAPES; i++) {
        uint64_t before = 0;
        for (uint32_t count = 1000; count <= 100000; count *= 10) {
            struct shape *shape = make_shape(shapes[i].fill, count);
            struct clew__tasks tasks = {0};
            clew_leverage *out = calloc(count, sizeof *out);
            cr_assert_not_null(out);
            cr_assert(clew__tasks_make(&tasks, &shape->trace, NULL));
            cr_assert(clew__leverage_find(&tasks, out));
            cr_expect_lt((double)tasks.steps, 2 * bound_of(count), "%s, %u: %llu steps", shapes[i].name,
                         count, (unsigned long long)tasks.steps);
            cr_expect(before == 0 || tasks.steps < 20 * before, "%s, %u", shapes[i].name, count);
            cr_expect_eq(out[0].slack, 0);
            before = tasks.steps;
            clew__tasks_fini(&tasks);
            free_shape(shape);
            free(out);
        }
    }
    CLEW_NO_LEAKS();
}

Test(path_growth, a_chain_of_a_hundred_thousand_is_on_the_path_with_all_its_levels) {
    const uint32_t count = 100000;
    struct shape *shape = make_shape(nested, count);
    clew_critical_path *path = clew_critical_path_new(&shape->trace, NULL);
    cr_assert_not_null(path);
    cr_expect_eq(path->segment_count, 2 * count - 1);
    cr_expect_eq(path->segments[count - 1].span, count - 1);
    cr_expect_eq(path->spans[count / 2].critical, count);
    clew_critical_path_free(path);
    uint64_t out = 0;
    cr_expect(clew_what_if(&shape->trace, NULL, NULL, 0, &out));
    cr_expect_eq(out, 2 * (uint64_t)count);
    free_shape(shape);
    CLEW_NO_LEAKS();
}

/* A root that waits for a chain in so many windows: without a bound each would go down all of it. */
Test(path_growth, windows_that_multiply_beyond_measure_are_passed_over) {
    enum { DEPTH = 4000, WAITS = 4000 };
    struct shape *shape = make_shape(nested_in_the_same_time, DEPTH);
    struct clew__record *records = calloc(DEPTH, sizeof *records);
    struct clew__span_wait *waits = calloc(WAITS, sizeof *waits);
    struct clew__path_workspace workspace = {0};
    struct clew__tasks tasks = {0};
    cr_assert(records && waits);
    for (uint32_t i = 0; i < DEPTH; i++) {
        records[i].id = i + 1;
        shape->trace.nodes[i].record = &records[i];
    }
    for (uint32_t i = 0; i < WAITS; i++)
        waits[i] = (struct clew__span_wait){.start = 1000 + 2 * (uint64_t)i, .duration = 1, .target_id = 2};
    records[0].wait_count = WAITS;
    shape->source.waits = waits;
    shape->source.wait_count = WAITS;
    const clew_critical_path *path = clew__path_compute(&workspace, &shape->trace, NULL);
    cr_assert_not_null(path);
    expect_covered(path, &shape->trace);
    cr_expect_eq(path->confidence.unused_waits, WAITS);
    cr_expect_eq(path->confidence.recorded, 0);
    cr_expect_eq(path->segment_count, 1);
    cr_expect_leq(path->steps, 600 * (uint64_t)(DEPTH + WAITS));
    cr_assert(clew__tasks_make(&tasks, &shape->trace, NULL));
    cr_expect_eq(tasks.count, DEPTH);
    clew__tasks_fini(&tasks);
    clew__path_workspace_fini(&workspace);
    free(records);
    free(waits);
    free_shape(shape);
    CLEW_NO_LEAKS();
}

static void each_outlives_the_one_above(struct clew__node *nodes, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        set(nodes, i, i ? i - 1 : CLEW_NO_SPAN, count - i, (uint64_t)count + i + 1);
}

/* Each level's time before and after the one above is waited for with all levels below: n of n. */
Test(path_growth, a_chain_that_outlives_itself_at_every_level_is_no_square_for_the_whole_trace) {
    const uint32_t count = 20000;
    const clew_path_options options = {.scope = CLEW_SCOPE_TRACE};
    struct shape *shape = make_shape(each_outlives_the_one_above, count);
    struct clew__path_workspace workspace = {0};
    struct clew__tasks tasks = {0};
    const clew_critical_path *path = clew__path_compute(&workspace, &shape->trace, &options);
    cr_assert_not_null(path);
    cr_expect_lt((double)path->steps, bound_of(count), "%llu steps", (unsigned long long)path->steps);
    cr_expect_eq(path->confidence.total, 2 * (uint64_t)count - 1);
    cr_assert(clew__tasks_make(&tasks, &shape->trace, &options));
    cr_expect_lt((double)tasks.steps, bound_of(count), "%llu steps", (unsigned long long)tasks.steps);
    clew__tasks_fini(&tasks);
    clew__path_workspace_fini(&workspace);
    free_shape(shape);
    CLEW_NO_LEAKS();
}

/* Each span has a record of its own, and an id. */
static struct shape *make_waiting_shape(shape_fill *fill, uint32_t count, uint32_t wait_count,
                                        struct clew__record **records, struct clew__span_wait **waits) {
    struct shape *shape = make_shape(fill, count);
    *records = calloc(count, sizeof **records);
    *waits = calloc(wait_count, sizeof **waits);
    cr_assert(*records && *waits);
    for (uint32_t i = 0; i < count; i++) {
        (*records)[i].id = i + 1;
        shape->trace.nodes[i].record = &(*records)[i];
    }
    shape->source.waits = *waits;
    shape->source.wait_count = wait_count;
    return shape;
}

Test(path_growth, a_worker_that_is_waited_for_a_thousand_times_has_a_thousand_children) {
    enum { COUNT = 2002, WAITS = 1000 };
    struct clew__record *records;
    struct clew__span_wait *waits;
    struct shape *shape = make_waiting_shape(one_after_the_other, COUNT, WAITS, &records, &waits);
    struct clew__path_workspace workspace = {0};
    for (uint32_t i = 2; i < COUNT; i++)
        shape->trace.nodes[i].parent = 1;
    set(shape->trace.nodes, 1, 0, 0, 2 * (uint64_t)COUNT);
    memset(shape->trace.children, 0, COUNT * sizeof *shape->trace.children);
    for (uint32_t i = 0; i < COUNT; i++)
        shape->trace.nodes[i].child_count = 0;
    link_children(&shape->trace);
    for (uint32_t i = 0; i < WAITS; i++)
        waits[i] = (struct clew__span_wait){.start = 1000 + 4 * (uint64_t)i, .duration = 3, .target_id = 2};
    records[0].wait_count = WAITS;
    const clew_critical_path *path = clew__path_compute(&workspace, &shape->trace, NULL);
    cr_assert_not_null(path);
    expect_covered(path, &shape->trace);
    cr_expect_eq(path->confidence.unused_waits, 0);
    cr_expect_eq(path->confidence.recorded, 3 * (uint64_t)WAITS);
    cr_expect_lt(path->steps, 30 * (uint64_t)(COUNT + WAITS), "%llu steps", (unsigned long long)path->steps);
    clew__path_workspace_fini(&workspace);
    free(records);
    free(waits);
    free_shape(shape);
    CLEW_NO_LEAKS();
}

/* Looking for a child among them one by one would take as many looks for each: hours. */
Test(path_growth, spans_that_all_have_one_id_and_wait_for_it_are_not_looked_through_one_by_one,
     .timeout = 60) {
    const uint32_t count = 300000;
    struct clew__record *records;
    struct clew__span_wait *waits;
    struct shape *shape = make_waiting_shape(one_after_the_other, count, count, &records, &waits);
    for (uint32_t i = 0; i < count; i++) {
        records[i].id = 7;
        records[i].first_wait = i;
        records[i].wait_count = 1;
        waits[i] = (struct clew__span_wait){.target_id = 7};
    }
    clew_critical_path *path = clew_critical_path_new(&shape->trace, NULL);
    cr_assert_not_null(path);
    expect_covered(path, &shape->trace);
    cr_expect_eq(path->confidence.unused_waits, 0);
    cr_expect(path->spans[1].recorded);
    cr_expect_not(path->spans[2].recorded);
    clew_critical_path_free(path);
    free(records);
    free(waits);
    free_shape(shape);
    CLEW_NO_LEAKS();
}
