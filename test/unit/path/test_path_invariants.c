/* What holds of every critical path, on random traces; and two other ways to find it. */
#include "test/support.h"
#include "test/unit/path/path_model.h"

#include <stdio.h>
#include <stdlib.h>

#define TRACES 10000
#define SPANS 14

static clew_critical_path *path_of(const struct built *built, const clew_path_options *options) {
    clew_critical_path *path = clew_critical_path_new(built->trace, options);
    cr_assert_not_null(path);
    return path;
}

/* The path of a table, printed. */
static char *print_table(const struct table *table, const clew_path_options *options, uint64_t shift,
                         uint64_t scale) {
    struct built built = table_build(table);
    clew_critical_path *path = path_of(&built, options);
    char *text = path_print(built.trace, path, false, shift, scale);
    clew_critical_path_free(path);
    build_free(&built);
    return text;
}

static void expect_same(char *one, char *two, const char *what, int round) {
    cr_assert_str_eq(one, two, "round %d, %s:\n%s---\n%s", round, what, one, two);
    free(one);
    free(two);
}

static clew_path_options random_options(struct random *random) {
    static const uint32_t parts[] = {0, 0, 10000, 100000};
    return (clew_path_options){.eps_nano = random_below(random, 3) ? 0 : random_below(random, 8),
                               .eps_ppm = parts[random_below(random, 4)],
                               .overflow = (clew_overflow)random_below(random, 2),
                               .scope = (clew_path_scope)(random_below(random, 3) == 0)};
}

/* Invariants 1, 2, 6, 8 and 9. */
Test(path_invariants, a_path_covers_its_root_and_is_what_a_model_finds_moment_by_moment, .timeout = 600) {
    struct random random = {1};
    for (int round = 0; round < TRACES; round++) {
        struct table table;
        table_random(&random, &table, 1 + random_below(&random, SPANS), (uint32_t)random_below(&random, 8));
        clew_path_options options = random_options(&random);
        struct built built = table_build(&table);
        clew_critical_path *path = path_of(&built, &options);
        const char *fault = path_fault(built.trace, path);
        if (!fault)
            fault = model_difference(&table, built.trace, &options, path);
        if (fault) {
            char *text = path_print(built.trace, path, true, 0, 1);
            cr_assert_fail("round %d: %s\n%s%s", round, fault, build_print(built.trace), text);
        }
        clew_critical_path_free(path);
        build_free(&built);
    }
    CLEW_NO_LEAKS();
}

/* Invariants 2 and 8 once more, where no wait leads out of the tree. */
static void expect_blocking_above(const clew_trace *trace, const clew_critical_path *path) {
    for (uint32_t k = 0; k < path->segment_count; k++) {
        const clew_path_segment *segment = &path->segments[k];
        clew_trace_span span;
        for (uint32_t at = segment->span; clew_trace_span_at(trace, at, &span); at = span.parent) {
            cr_assert(span.start_unix_nano <= segment->start_unix_nano &&
                          segment->end_unix_nano <= span.end_unix_nano,
                      "a segment outside an ancestor");
            cr_assert(span.parent == CLEW_NO_SPAN || path->spans[at].relation == CLEW_RELATION_BLOCKING);
        }
    }
}

Test(path_invariants, segments_lie_in_all_ancestors_that_wait, .timeout = 600) {
    struct random random = {2};
    for (int round = 0; round < TRACES; round++) {
        struct table table;
        table_random(&random, &table, 1 + random_below(&random, SPANS), TABLE_ASYNC | TABLE_ORPHANS);
        clew_path_options options = random_options(&random);
        options.scope = CLEW_SCOPE_ROOT;
        struct built built = table_build(&table);
        clew_critical_path *path = path_of(&built, &options);
        expect_blocking_above(built.trace, path);
        clew_critical_path_free(path);
        build_free(&built);
    }
    CLEW_NO_LEAKS();
}

/* Invariant 3, hostile input too. */
Test(path_invariants, the_order_of_arrival_does_not_matter, .timeout = 600) {
    struct random random = {3};
    for (int round = 0; round < TRACES; round++) {
        struct table table;
        struct build_random hostile = build_random(&random, 1 + random_below(&random, SPANS), true);
        table_random(&random, &table, 1 + random_below(&random, SPANS), (uint32_t)random_below(&random, 8));
        const struct build_span *spans = round % 2 ? table.spans : hostile.spans;
        size_t count = round % 2 ? table.count : hostile.count;
        clew_path_options options = random_options(&random);
        uint32_t *order = build_shuffle(&random, count);
        struct built one = build_trace(spans, count, NULL), two = build_trace(spans, count, order);
        clew_critical_path *path = path_of(&one, &options), *other = path_of(&two, &options);
        cr_assert_null(path_fault(one.trace, path), "round %d: %s", round, path_fault(one.trace, path));
        expect_same(path_print(one.trace, path, true, 0, 1), path_print(two.trace, other, true, 0, 1),
                    "another order", round);
        cr_assert_eq(memcmp(path->spans, other->spans, path->span_count * sizeof *path->spans), 0);
        cr_assert_eq(memcmp(&path->confidence, &other->confidence, sizeof path->confidence), 0);
        clew_critical_path_free(path);
        clew_critical_path_free(other);
        build_free(&one);
        build_free(&two);
        build_random_free(&hostile);
        free(order);
    }
    CLEW_NO_LEAKS();
}

static struct table changed_times(const struct table *table, uint64_t scale, uint64_t shift) {
    struct table out = *table;
    for (size_t i = 0; i < out.count; i++) {
        out.spans[i].start = out.spans[i].start * scale + shift;
        out.spans[i].end = out.spans[i].end * scale + shift;
        for (int k = 0; k < 4; k++) {
            out.spans[i].waits[k].start = out.spans[i].waits[k].start * scale + shift;
            out.spans[i].waits[k].duration *= scale;
        }
    }
    return out;
}

/* Invariant 4. */
Test(path_invariants, a_shifted_trace_has_a_shifted_path_and_a_scaled_one_a_scaled_path, .timeout = 600) {
    struct random random = {4};
    for (int round = 0; round < TRACES; round++) {
        struct table table;
        table_random(&random, &table, 1 + random_below(&random, SPANS), (uint32_t)random_below(&random, 8));
        clew_path_options options = random_options(&random);
        struct table shifted = changed_times(&table, 1, 1000003);
        expect_same(print_table(&table, &options, 0, 1), print_table(&shifted, &options, 1000003, 1),
                    "shifted", round);
        options.eps_nano = options.eps_ppm = 0;
        struct table scaled = changed_times(&table, 7, 0);
        expect_same(print_table(&table, &options, 0, 1), print_table(&scaled, &options, 0, 7), "scaled",
                    round);
    }
    CLEW_NO_LEAKS();
}

/* A span without children that no path passes through, below a parent that is there; the count: none. */
static size_t idle_leaf(const struct table *table, const struct built *built,
                        const clew_critical_path *path) {
    for (size_t i = 0; i < table->count; i++) {
        uint32_t index = build_find(built->trace, table->spans[i].id);
        clew_trace_span span, parent;
        clew_trace_span_at(built->trace, index, &span);
        if (span.first_child == CLEW_NO_SPAN && path->spans[index].critical == 0 &&
            clew_trace_span_at(built->trace, span.parent, &parent) && !parent.is_phantom)
            return i;
    }
    return table->count;
}

/* Invariant 5. */
Test(path_invariants, what_nobody_waits_for_changes_nothing, .timeout = 600) {
    struct random random = {5};
    int removed = 0;
    for (int round = 0; round < TRACES; round++) {
        struct table table;
        table_random(&random, &table, 2 + random_below(&random, SPANS), (uint32_t)random_below(&random, 8));
        clew_path_options options = random_options(&random);
        options.scope = CLEW_SCOPE_ROOT;
        struct built built = table_build(&table);
        clew_critical_path *path = path_of(&built, &options);
        size_t leaf = idle_leaf(&table, &built, path);
        char *before = path_print(built.trace, path, false, 0, 1);
        if (leaf < table.count) {
            struct table less = table;
            less.spans[leaf] = less.spans[--less.count];
            expect_same(print_table(&less, &options, 0, 1), strdup(before), "without a leaf", round);
            removed++;
        }
        const char *async = table.ids[table.count];
        for (size_t i = 0; i < 3; i++) {
            size_t above = i == 0 ? random_below(&random, table.count) : table.count - 1;
            struct build_span *span = &table.spans[table.count];
            snprintf(table.ids[table.count], sizeof *table.ids, "%zx", table.count + 1);
            *span = (struct build_span){.id = table.ids[table.count],
                                        .parent = table.spans[above].id,
                                        .start = 1000 + random_below(&random, 200),
                                        .service = "c"};
            span->end = span->start + random_below(&random, 100);
            if (span->id == async)
                span->links[0] = (struct build_link){.id = span->parent, .reference = "follows_from"};
            table.count++;
        }
        expect_same(print_table(&table, &options, 0, 1), before, "with more that is asynchronous", round);
        clew_critical_path_free(path);
        build_free(&built);
    }
    cr_assert_gt(removed, TRACES / 4);
    CLEW_NO_LEAKS();
}

/* Invariant 7. */
Test(path_invariants, a_root_with_its_segments_as_children_has_these_segments, .timeout = 600) {
    struct random random = {7};
    for (int round = 0; round < TRACES; round++) {
        struct table table, flat;
        table_random(&random, &table, 1 + random_below(&random, SPANS), TABLE_ASYNC | TABLE_WAITS);
        struct built built = table_build(&table);
        clew_critical_path *path = path_of(&built, NULL);
        cr_assert_lt(path->segment_count, TABLE_ROOM);
        flat = (struct table){.count = 1 + path->segment_count};
        for (uint32_t i = 0; i < flat.count; i++) {
            const clew_path_segment *segment = &path->segments[i ? i - 1 : 0];
            snprintf(flat.ids[i], sizeof flat.ids[i], "%x", i + 1);
            flat.spans[i] =
                (struct build_span){.id = flat.ids[i],
                                    .parent = i ? flat.ids[0] : NULL,
                                    .start = i ? segment->start_unix_nano : path->roots[0].start_unix_nano,
                                    .end = i ? segment->end_unix_nano : path->roots[0].end_unix_nano};
        }
        struct built flattened = table_build(&flat);
        clew_critical_path *again = path_of(&flattened, NULL);
        cr_assert_eq(again->segment_count, path->segment_count, "round %d", round);
        for (uint32_t i = 0; i < path->segment_count; i++)
            cr_assert(again->segments[i].start_unix_nano == path->segments[i].start_unix_nano &&
                      again->segments[i].end_unix_nano == path->segments[i].end_unix_nano);
        clew_critical_path_free(path);
        clew_critical_path_free(again);
        build_free(&built);
        build_free(&flattened);
    }
    CLEW_NO_LEAKS();
}

/* Invariant 10. */
Test(path_invariants, where_jaeger_is_clear_the_path_is_jaegers, .timeout = 600) {
    struct random random = {10};
    int clear = 0;
    for (int round = 0; round < TRACES; round++) {
        struct table table;
        unsigned met;
        table_random(&random, &table, 1 + random_below(&random, SPANS), TABLE_DISTINCT_TIMES);
        struct built built = table_build(&table);
        clew_critical_path *path = path_of(&built, NULL);
        const char *difference = jaeger_difference(built.trace, path, &met);
        cr_assert(!difference || met & JAEGER_TOUCHES, "round %d: %s", round, difference);
        clear += met == 0;
        clew_critical_path_free(path);
        build_free(&built);
    }
    cr_assert_gt(clear, TRACES / 2, "only %d of %d were clear", clear, TRACES);
    CLEW_NO_LEAKS();
}

static int compare_ids(const struct clew_trace *trace, uint32_t a, uint32_t b) {
    return clew__node_compare_ids(trace, a, b);
}

/* The trace as a table: repaired times and parents, ids as numbers in the same order. */
static void normalize_table(const struct built *built, struct table *table) {
    const struct clew_trace *trace = built->trace;
    *table = (struct table){.count = clew_trace_span_count(trace)};
    cr_assert_leq(table->count, TABLE_ROOM);
    for (uint32_t i = 0; i < table->count; i++) {
        unsigned rank = 1;
        for (uint32_t k = 0; k < table->count; k++)
            rank += k != i && compare_ids(trace, k, i) < 0;
        snprintf(table->ids[i], sizeof table->ids[i], "%x", rank);
    }
    for (uint32_t i = 0; i < table->count; i++) {
        const struct clew__node *node = &trace->nodes[i];
        clew_trace_span span;
        clew_trace_span_at(trace, i, &span);
        table->spans[i] =
            (struct build_span){.id = table->ids[i],
                                .parent = span.parent == CLEW_NO_SPAN ? NULL : table->ids[span.parent],
                                .start = span.start_unix_nano,
                                .end = span.end_unix_nano,
                                .kind = span.kind};
        bool is_orphan = span.parent != CLEW_NO_SPAN && !trace->nodes[span.parent].record;
        if (node->record && node->record->flags & CLEW__RECORD_ASYNC && table->spans[i].parent && !is_orphan)
            table->spans[i].links[0] =
                (struct build_link){.id = table->spans[i].parent, .reference = "follows_from"};
    }
}

/* The path, with spans as the numbers that normalize_table() gives them. */
static char *print_ranks(const struct table *table, const clew_critical_path *path) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    cr_assert_not_null(out);
    for (uint32_t i = 0; i < path->root_count; i++) {
        fprintf(out, "root %016lx\n", strtoul(table->ids[path->roots[i].span], NULL, 16));
        for (uint32_t k = 0; k < path->roots[i].segment_count; k++) {
            const clew_path_segment *segment = &path->segments[path->roots[i].first_segment + k];
            fprintf(out, "%016lx %llu %llu%s\n", strtoul(table->ids[segment->span], NULL, 16),
                    (unsigned long long)segment->start_unix_nano, (unsigned long long)segment->end_unix_nano,
                    segment->assumed ? " assumed" : "");
        }
    }
    fclose(out);
    return text;
}

/* Invariant 11. */
Test(path_invariants, what_is_normalised_has_the_same_path_again, .timeout = 600) {
    struct random random = {11};
    for (int round = 0; round < TRACES; round++) {
        struct build_random hostile = build_random(&random, 1 + random_below(&random, SPANS), true);
        struct built built = build_trace(hostile.spans, hostile.count, NULL);
        clew_critical_path *path = path_of(&built, NULL);
        struct table table;
        normalize_table(&built, &table);
        expect_same(print_ranks(&table, path), print_table(&table, NULL, 0, 1), "normalised", round);
        clew_critical_path_free(path);
        build_free(&built);
        build_random_free(&hostile);
    }
    CLEW_NO_LEAKS();
}
