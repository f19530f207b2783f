/* The vectors of test/cases: critical paths as other systems expect them, and self time. */
#include "test/support.h"
#include "test/unit/analysis/build.h"
#include "test/unit/analysis/document.h"
#include "test/unit/path/path_model.h"

#include <clew/analysis/path.h>
#include <stdlib.h>

#define MICROSECOND UINT64_C(1000)

/* A child that starts at 0 is one whose start is not known: the cases of self time mean the number. */
static uint64_t time_of(const struct document *interval, size_t index) {
    return 1000 + (uint64_t)interval->members[index].number;
}

static clew_span_kind kind_of(const char *name) {
    static const struct {
        const char *name;
        clew_span_kind kind;
    } kinds[] = {{"SERVER", CLEW_SERVER},
                 {"CLIENT", CLEW_CLIENT},
                 {"PRODUCER", CLEW_PRODUCER},
                 {"CONSUMER", CLEW_CONSUMER}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(name, kinds[i].name) == 0)
            return kinds[i].kind;
    return (clew_span_kind)0;
}

static struct built build_case(const struct document *spans) {
    struct build_span *table = calloc(spans->count, sizeof *table);
    cr_assert_not_null(table);
    for (size_t i = 0; i < spans->count; i++) {
        const struct document *span = &spans->members[i];
        table[i] = (struct build_span){.id = document_text(span, "id"),
                                       .parent = document_text(span, "parent"),
                                       .start = document_number(span, "start") * MICROSECOND,
                                       .end = document_number(span, "end") * MICROSECOND,
                                       .kind = kind_of(document_text(span, "kind"))};
    }
    struct built built = build_trace(table, spans->count, NULL);
    free(table);
    return built;
}

static bool is_span(const struct built *built, uint32_t span, const char *id) {
    return span == build_find(built->trace, id);
}

static bool is_expected(const struct built *built, const clew_critical_path *path,
                        const struct document *expected) {
    if (path->root_count != expected->count)
        return false;
    for (uint32_t i = 0; i < path->root_count; i++) {
        const clew_path_root *root = &path->roots[i];
        const struct document *segments = document_find(&expected->members[i], "segments");
        if (!is_span(built, root->span, document_text(&expected->members[i], "root")) ||
            root->segment_count != segments->count)
            return false;
        for (uint32_t k = 0; k < root->segment_count; k++) {
            const clew_path_segment *segment = &path->segments[root->first_segment + k];
            const struct document *one = segments->members[k].members;
            if (!is_span(built, segment->span, one[0].text) ||
                segment->start_unix_nano != (uint64_t)one[1].number * MICROSECOND ||
                segment->end_unix_nano != (uint64_t)one[2].number * MICROSECOND)
                return false;
        }
    }
    return true;
}

Test(path_cases, every_critical_path_is_as_expected) {
    struct document document = document_read("critical_path_cases.json");
    const struct document *cases = document_find(&document, "cases");
    cr_assert_eq(cases->count, 92);
    for (size_t i = 0; i < cases->count; i++) {
        const struct document *one = &cases->members[i];
        clew_path_options options = {0};
        if (document_find(one, "eps")->kind == DOCUMENT_TEXT) {
            cr_assert_str_eq(document_text(one, "eps"), "parent_duration/100");
            options.eps_ppm = 10000;
        }
        struct built built = build_case(document_find(one, "spans"));
        clew_critical_path *path = clew_critical_path_new(built.trace, &options);
        cr_assert_not_null(path);
        cr_expect(is_expected(&built, path, document_find(one, "expected")), "%s: another path",
                  document_text(one, "name"));
        clew_critical_path_free(path);
        build_free(&built);
    }
    document_free(&document);
    CLEW_NO_LEAKS();
}

/* ---- what their notes say ---- */

static const struct document *case_named(const struct document *document, const char *name) {
    const struct document *cases = document_find(document, "cases");
    for (size_t i = 0; i < cases->count; i++)
        if (strcmp(document_text(&cases->members[i], "name"), name) == 0)
            return &cases->members[i];
    cr_assert_fail("no case %s", name);
    return NULL;
}

/* The repair of each that needs one, once; of all others nothing is repaired. */
Test(path_cases, what_is_repaired_is_flagged_and_nothing_else) {
    static const struct {
        const char *name, *span;
        clew_repair repair;
    } repaired[] = {
        {"negative_duration_child", "a", CLEW_REPAIR_NEGATIVE},
        {"orphan_root", "b", CLEW_REPAIR_MISSING_PARENT},
        {"self_parent", "r", CLEW_REPAIR_SELF_PARENT},
        {"two_cycle", "a", CLEW_REPAIR_CYCLE},
        {"duplicate_exact", "a", CLEW_REPAIR_DUPLICATE},
    };
    struct document document = document_read("critical_path_cases.json");
    const struct document *cases = document_find(&document, "cases");
    for (size_t i = 0; i < cases->count; i++) {
        const char *name = document_text(&cases->members[i], "name");
        struct built built = build_case(document_find(&cases->members[i], "spans"));
        uint64_t wanted[CLEW_REPAIR_COUNT] = {0};
        for (size_t k = 0; k < sizeof repaired / sizeof *repaired; k++) {
            clew_trace_span span;
            if (strcmp(repaired[k].name, name) != 0)
                continue;
            wanted[repaired[k].repair] = 1;
            clew_trace_span_at(built.trace, build_find(built.trace, repaired[k].span), &span);
            cr_expect_eq(span.repairs, 1u << repaired[k].repair, "%s", name);
        }
        for (int k = 0; k < CLEW_REPAIR_COUNT; k++)
            cr_expect_eq(clew_trace_repairs(built.trace, (clew_repair)k), wanted[k], "%s: %s", name,
                         clew_repair_name((clew_repair)k));
        build_free(&built);
    }
    document_free(&document);
    CLEW_NO_LEAKS();
}

/* The kinds of the segments of one case, a letter each: (s)elf, (g)ap, assumed ones as capitals. */
static void expect_kinds(const char *name, clew_overflow overflow, const char *wanted) {
    struct document document = document_read("critical_path_cases.json");
    const clew_path_options options = {.overflow = overflow};
    struct built built = build_case(document_find(case_named(&document, name), "spans"));
    clew_critical_path *path = clew_critical_path_new(built.trace, &options);
    char found[16] = "";
    cr_assert_lt(path->segment_count, sizeof found);
    for (uint32_t i = 0; i < path->segment_count; i++) {
        const clew_path_segment *segment = &path->segments[i];
        static const char letters[] = "sgm";
        found[i] = letters[segment->kind];
        found[i] = segment->assumed ? (char)(found[i] - 'a' + 'A') : found[i];
        cr_expect_eq(segment->callee != CLEW_NO_SPAN, segment->kind == CLEW_SEGMENT_EDGE_GAP, "%s", name);
    }
    cr_expect_str_eq(found, wanted, "%s: %s", name, found);
    clew_critical_path_free(path);
    build_free(&built);
    document_free(&document);
}

Test(path_cases, the_way_to_a_server_belongs_to_the_call) {
    expect_kinds("rpc_client_server_nested", CLEW_OVERFLOW_CLIP, "sgsgs");
    expect_kinds("rpc_timeout_server_outlives_client", CLEW_OVERFLOW_CLIP, "gs");
    expect_kinds("rpc_timeout_server_outlives_client", CLEW_OVERFLOW_EXCLUDE, "gs");
    CLEW_NO_LEAKS();
}

Test(path_cases, child_that_outlives_its_parent_is_assumed_or_excluded) {
    expect_kinds("async_internal_child_outlives_parent_clip", CLEW_OVERFLOW_CLIP, "sS");
    expect_kinds("async_internal_child_outlives_parent_clip", CLEW_OVERFLOW_EXCLUDE, "s");
    CLEW_NO_LEAKS();
}

/* ---- Jaeger ---- */

#define JAEGER_MOST 128 /* spans that its model takes */

/* Where Jaeger says otherwise: its bound is strict, so that of children that touch it takes the last alone;
 * and a child without length, which the last is once its time is repaired, parts its parent's section in two.
 */
static const char *const others_in_jaeger[] = {
    "elastic_one_active_child_at_a_time",
    "touching_two",
    "touching_three_same_instant",
    "touching_chain_100",
    "negative_duration_child",
};

Test(path_cases, jaeger_says_the_same_but_of_children_that_touch) {
    struct document document = document_read("critical_path_cases.json");
    const struct document *cases = document_find(&document, "cases");
    for (size_t i = 0; i < cases->count; i++) {
        const struct document *one = &cases->members[i], *spans = document_find(one, "spans");
        const char *name = document_text(one, "name");
        bool is_other = false;
        unsigned met;
        if (spans->count > JAEGER_MOST || document_find(one, "eps")->kind == DOCUMENT_TEXT)
            continue;
        for (size_t k = 0; k < sizeof others_in_jaeger / sizeof *others_in_jaeger; k++)
            is_other |= strcmp(others_in_jaeger[k], name) == 0;
        struct built built = build_case(spans);
        clew_critical_path *path = clew_critical_path_new(built.trace, NULL);
        const char *difference = jaeger_difference(built.trace, path, &met);
        cr_expect_eq(difference != NULL, is_other, "%s: %s", name, difference ? difference : "the same");
        cr_expect(!difference || met & JAEGER_TOUCHES, "%s", name);
        clew_critical_path_free(path);
        build_free(&built);
    }
    document_free(&document);
    CLEW_NO_LEAKS();
}

/* ---- self time ---- */

Test(path_cases, the_self_time_of_every_case_is_as_expected) {
    struct document cases = document_read("self_time_cases.json");
    cr_assert_eq(cases.count, 15);
    for (size_t i = 0; i < cases.count; i++) {
        static const char *const ids[] = {"1", "2", "3", "4", "5"};
        const struct document *parent = document_find(&cases.members[i], "parent");
        const struct document *children = document_find(&cases.members[i], "children");
        struct build_span spans[5] = {{.id = "a", .start = time_of(parent, 0), .end = time_of(parent, 1)}};
        cr_assert_lt(children->count, 5);
        for (size_t k = 0; k < children->count; k++)
            spans[1 + k] = (struct build_span){.id = ids[k],
                                               .parent = "a",
                                               .start = time_of(&children->members[k], 0),
                                               .end = time_of(&children->members[k], 1)};
        struct built built = build_trace(spans, 1 + children->count, NULL);
        clew_critical_path *path = clew_critical_path_new(built.trace, NULL);
        cr_expect_eq(path->spans[build_find(built.trace, "a")].self,
                     document_number(&cases.members[i], "self_time"), "%s",
                     document_text(&cases.members[i], "name"));
        clew_critical_path_free(path);
        build_free(&built);
    }
    document_free(&cases);
    CLEW_NO_LEAKS();
}
