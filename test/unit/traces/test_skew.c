/* Clocks of hosts: the vectors of test/cases, what is learned over many traces, and what is done with it. */
#include "sdk/traces/skew.h"

#include "sdk/traces/offsets.h"
#include "test/support.h"
#include "test/unit/analysis/document.h"
#include "test/unit/analysis/fleet.h"
#include "test/unit/analysis/scarce.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MILLI UINT64_C(1000000)
#define SECOND (1000 * MILLI)
#define PLENTY ((size_t)64 << 20)
/* The vectors begin at 0, which would be a start that is not known. */
#define VECTOR_BASE 1000000

static bool is_text(clew_text text, const char *wanted) {
    return text.size == strlen(wanted) && memcmp(text.data, wanted, text.size) == 0;
}

static struct clew__offsets *new_offsets(void) {
    struct clew__offsets *offsets = clew__offsets_new(PLENTY);
    cr_assert(offsets);
    return offsets;
}

/* Everything that is said about pairs; to be freed with free(). */
static char *print_offsets(struct clew__offsets *offsets) {
    size_t count, size = 0;
    const clew_clock_offset *list = clew__offsets_list(offsets, &count);
    char *text = calloc(count + 1, 160);
    cr_assert(text && list);
    for (size_t i = 0; i < count; i++)
        size += (size_t)sprintf(text + size, "%.*s %.*s %lld..%lld %lld %llu %d\n",
                                (int)list[i].reference.size, list[i].reference.data, (int)list[i].host.size,
                                list[i].host.data, (long long)list[i].low_nano, (long long)list[i].high_nano,
                                (long long)list[i].offset_nano, (unsigned long long)list[i].edges,
                                list[i].is_contradicted);
    return text;
}

static const clew_clock_offset *find_offset(struct clew__offsets *offsets, const char *reference,
                                            const char *host) {
    size_t count;
    const clew_clock_offset *list = clew__offsets_list(offsets, &count);
    for (size_t i = 0; i < count; i++)
        if (is_text(list[i].reference, reference) && is_text(list[i].host, host))
            return &list[i];
    return NULL;
}

static struct built learned(struct clew__offsets *offsets, const struct build_span *spans, size_t count) {
    struct built built = build_trace(spans, count, NULL);
    cr_assert(clew__offsets_learn(offsets, built.trace, 0));
    return built;
}

static void learn(struct clew__offsets *offsets, const struct build_span *spans, size_t count) {
    struct built built = learned(offsets, spans, count);
    build_free(&built);
}

/* ---- the vectors ---- */

static struct built build_case(const struct document *one) {
    const struct document *spans = document_find(one, "spans");
    struct build_span table[4];
    cr_assert_leq(spans->count, 4);
    for (size_t i = 0; i < spans->count; i++) {
        const struct document *span = &spans->members[i];
        uint64_t start = VECTOR_BASE + document_number(span, "start");
        table[i] = (struct build_span){.id = document_text(span, "id"),
                                       .parent = document_text(span, "parent"),
                                       .start = start * MILLI,
                                       .end = (start + document_number(span, "duration")) * MILLI,
                                       .host = document_text(span, "host")};
    }
    return build_trace(table, spans->count, NULL);
}

static void expect_warning(const struct document *one, const struct built *built,
                           const struct clew__skew_refused *refused) {
    const char *warning = document_text(one, "warning"), *name = document_text(one, "name");
    const char *amount = strstr(warning, "exceeded by ");
    amount = amount ? amount + strlen("exceeded by ") : strstr(warning, "delta ");
    cr_expect_eq(refused->count, amount ? 1 : 0, "%s: refused", name);
    if (amount)
        cr_expect_eq(refused->delta, strtoll(strpbrk(amount, "-0123456789"), NULL, 10) * (long long)MILLI,
                     "%s: %lld", name, (long long)refused->delta);
    cr_expect_eq(clew_trace_repairs(built->trace, CLEW_REPAIR_MISSING_PARENT),
                 strcmp(warning, "missing parent") == 0, "%s: missing parent", name);
}

Test(skew, within_a_trace_every_case_is_as_jaeger_expects) {
    struct document document = document_read("clock_skew_cases.json");
    const struct document *cases = document_find(&document, "cases");
    cr_assert_eq(cases->count, 14);
    for (size_t i = 0; i < cases->count; i++) {
        const struct document *one = &cases->members[i];
        const struct document *expected = document_find(one, "expected_start_jaeger");
        struct built built = build_case(one);
        struct clew__skew_refused refused;
        cr_assert(clew__skew_within(built.trace, document_number(one, "max_adjust_ms") * MILLI, &refused));
        for (size_t k = 0; k < expected->count; k++) {
            clew_trace_span span;
            cr_assert(
                clew_trace_span_at(built.trace, build_find(built.trace, expected->members[k].key), &span));
            uint64_t wanted = (VECTOR_BASE + (uint64_t)expected->members[k].number) * MILLI;
            cr_expect_eq(span.start_unix_nano, wanted, "%s: span %s", document_text(one, "name"),
                         expected->members[k].key);
        }
        expect_warning(one, &built, &refused);
        build_free(&built);
    }
    document_free(&document);
    CLEW_NO_LEAKS();
}

static const struct document *case_named(const struct document *document, const char *name) {
    const struct document *cases = document_find(document, "cases");
    for (size_t i = 0; i < cases->count; i++)
        if (strcmp(document_text(&cases->members[i], "name"), name) == 0)
            return &cases->members[i];
    cr_assert(false, "no case %s", name);
    return NULL;
}

static void expect_start(const struct built *built, const char *id, uint64_t wanted) {
    clew_trace_span span;
    cr_assert(clew_trace_span_at(built->trace, build_find(built->trace, id), &span));
    cr_expect_eq(span.start_unix_nano, VECTOR_BASE * MILLI + wanted, "span %s starts at %llu", id,
                 (unsigned long long)(span.start_unix_nano - VECTOR_BASE * MILLI));
}

Test(skew, siblings_on_one_host_move_together) {
    struct document document = document_read("clock_skew_cases.json");
    struct built built = build_case(case_named(&document, "two_siblings_on_one_skewed_host"));
    struct clew__offsets *offsets = new_offsets();
    cr_assert(clew__offsets_learn(offsets, built.trace, 0));
    cr_assert(clew__offsets_apply(offsets, built.trace));
    expect_start(&built, "1", 1000 * MILLI);
    expect_start(&built, "2", 1020 * MILLI);
    expect_start(&built, "3", 1060 * MILLI);
    cr_expect_eq(clew_trace_skew_corrected(built.trace), 2);
    clew__offsets_free(offsets);
    build_free(&built);
    document_free(&document);
    CLEW_NO_LEAKS();
}

Test(skew, a_call_back_to_the_first_host_tells_of_the_same_pair_and_stays_where_it_was) {
    struct document document = document_read("clock_skew_cases.json");
    struct built built = build_case(case_named(&document, "return_to_first_host"));
    struct clew__offsets *offsets = new_offsets();
    cr_assert(clew__offsets_learn(offsets, built.trace, 0));
    cr_assert(clew__offsets_apply(offsets, built.trace));
    char *text = print_offsets(offsets);
    cr_expect_str_eq(text, "a b -210000000..-205000000 -207500000 2 0\n");
    free(text);
    expect_start(&built, "3", 1005 * MILLI);
    expect_start(&built, "2", 1002 * MILLI + MILLI / 2);
    clew__offsets_free(offsets);
    build_free(&built);
    document_free(&document);
    CLEW_NO_LEAKS();
}

/* ---- what is learned ---- */

/* What the calls of a host's spans for another host say, from the tables that traces are built of. */
struct model {
    int64_t low, high;
    uint64_t calls;
};

static void model_add(struct model model[FLEET_HOSTS][FLEET_HOSTS], const struct fleet_trace *trace) {
    for (uint32_t i = 1; i < trace->count; i++) {
        const struct build_span *child = &trace->spans[i], *parent = &trace->spans[trace->parents[i]];
        struct model *at = &model[trace->hosts[trace->parents[i]]][trace->hosts[i]];
        if (!child->host || !parent->host || child->host == parent->host || child->end == 0 ||
            parent->end == 0 || child->kind == CLEW_CONSUMER || parent->kind == CLEW_PRODUCER ||
            child->end - child->start > parent->end - parent->start)
            continue;
        int64_t low = (int64_t)(parent->start - child->start), high = (int64_t)(parent->end - child->end);
        if (at->calls++ == 0) {
            at->low = low;
            at->high = high;
        }
        at->low = low > at->low ? low : at->low;
        at->high = high < at->high ? high : at->high;
    }
}

static void expect_model(struct clew__offsets *offsets, const struct fleet *fleet,
                         struct model model[FLEET_HOSTS][FLEET_HOSTS], uint32_t *contradicted) {
    size_t count, pairs = 0;
    clew__offsets_list(offsets, &count);
    for (uint32_t a = 0; a < FLEET_HOSTS; a++) {
        for (uint32_t b = a + 1; b < FLEET_HOSTS; b++) {
            struct model *to = &model[a][b], *back = &model[b][a], both = *to;
            if (to->calls + back->calls == 0)
                continue;
            if (to->calls == 0 || (back->calls > 0 && -back->high > both.low))
                both.low = -back->high;
            if (to->calls == 0 || (back->calls > 0 && -back->low < both.high))
                both.high = -back->low;
            bool is_back = back->calls > to->calls;
            const clew_clock_offset *found =
                find_offset(offsets, fleet->hosts[is_back ? b : a], fleet->hosts[is_back ? a : b]);
            cr_assert(found);
            pairs++;
            cr_expect_eq(found->edges, to->calls + back->calls);
            cr_expect_eq(found->is_contradicted, both.low > both.high);
            *contradicted += found->is_contradicted;
            if (found->is_contradicted)
                continue;
            cr_expect_eq(is_back ? -found->high_nano : found->low_nano, both.low);
            cr_expect_eq(is_back ? -found->low_nano : found->high_nano, both.high);
        }
    }
    cr_expect_eq(count, pairs);
}

Test(skew, intervals_and_calls_are_those_of_a_simple_model) {
    struct random random = {1};
    uint32_t contradicted = 0, all = 0;
    for (uint32_t round = 0; round < 100; round++) {
        struct fleet fleet;
        struct model model[FLEET_HOSTS][FLEET_HOSTS] = {0};
        struct clew__offsets *offsets = new_offsets();
        fleet_init(&fleet, &random, 5 * MILLI);
        for (uint32_t i = 0; i < 1 + round / 3; i++) {
            struct fleet_trace trace;
            fleet_record(&fleet, &random, round % 2, &trace);
            model_add(model, &trace);
            learn(offsets, trace.spans, trace.count);
        }
        expect_model(offsets, &fleet, model, &contradicted);
        all++;
        clew__offsets_free(offsets);
    }
    cr_expect_gt(contradicted, 10);
    CLEW_NO_LEAKS();
}

struct recorded {
    struct fleet_trace *traces;
    struct built *built;
    size_t count;
};

static struct recorded record(struct random *random, size_t count, bool is_sound, struct fleet *fleet) {
    struct recorded out = {.count = count};
    out.traces = calloc(count, sizeof *out.traces);
    out.built = calloc(count, sizeof *out.built);
    cr_assert(out.traces && out.built);
    for (size_t i = 0; i < count; i++) {
        fleet_record(fleet, random, is_sound, &out.traces[i]);
        out.built[i] = fleet_build(&out.traces[i]);
    }
    return out;
}

static void forget(struct recorded *recorded) {
    for (size_t i = 0; i < recorded->count; i++)
        build_free(&recorded->built[i]);
    free(recorded->built);
    free(recorded->traces);
}

Test(skew, neither_the_order_of_traces_nor_who_learned_them_matters) {
    struct random random = {2};
    for (uint32_t round = 0; round < 40; round++) {
        struct fleet fleet;
        fleet_init(&fleet, &random, 5 * MILLI);
        struct recorded recorded = record(&random, 100, round % 2, &fleet);
        struct clew__offsets *forth = new_offsets(), *shuffled = new_offsets(), *parts[2];
        parts[0] = new_offsets();
        parts[1] = new_offsets();
        uint32_t *order = build_shuffle(&random, recorded.count);
        for (size_t i = 0; i < recorded.count; i++) {
            clew__offsets_learn(forth, recorded.built[i].trace, 0);
            clew__offsets_learn(shuffled, recorded.built[order[i]].trace, 0);
            clew__offsets_learn(parts[random_below(&random, 2)], recorded.built[order[i]].trace, 0);
        }
        cr_assert(clew__offsets_merge(parts[0], parts[1]));
        char *first = print_offsets(forth), *second = print_offsets(shuffled),
             *third = print_offsets(parts[0]);
        cr_expect_str_eq(first, second);
        cr_expect_str_eq(first, third);
        for (size_t i = 0; i < recorded.count; i += 10) {
            cr_assert(clew__offsets_apply(forth, recorded.built[i].trace));
            char *one = build_print(recorded.built[i].trace);
            cr_assert(clew__offsets_apply(parts[0], recorded.built[i].trace));
            char *other = build_print(recorded.built[i].trace);
            cr_expect_str_eq(one, other);
            free(one);
            free(other);
        }
        free(first);
        free(second);
        free(third);
        free(order);
        clew__offsets_free(forth);
        clew__offsets_free(shuffled);
        clew__offsets_free(parts[0]);
        clew__offsets_free(parts[1]);
        forget(&recorded);
    }
    CLEW_NO_LEAKS();
}

Test(skew, a_trace_that_grows_is_not_counted_twice) {
    struct random random = {3};
    struct fleet fleet;
    struct clew__offsets *whole = new_offsets(), *grown = new_offsets();
    fleet_init(&fleet, &random, 5 * MILLI);
    for (uint32_t i = 0; i < 200; i++) {
        struct fleet_trace trace;
        fleet_record(&fleet, &random, true, &trace);
        uint32_t *order = build_shuffle(&random, trace.count), known = 0;
        struct build_span spans[FLEET_SPANS];
        for (uint32_t k = 0; k < trace.count; k++)
            spans[k] = trace.spans[order[k]];
        for (uint32_t k = 1; k <= trace.count; k++) {
            if (k < trace.count && random_below(&random, 2))
                continue;
            struct built built = build_trace(spans, k, NULL);
            cr_assert(clew__offsets_learn(grown, built.trace, known));
            known = built.records.count;
            build_free(&built);
        }
        learn(whole, trace.spans, trace.count);
        free(order);
    }
    char *one = print_offsets(whole), *other = print_offsets(grown);
    cr_expect_str_eq(one, other);
    free(one);
    free(other);
    clew__offsets_free(whole);
    clew__offsets_free(grown);
    CLEW_NO_LEAKS();
}

/* ---- what is done with it ---- */

static void expect_nested(const struct fleet_trace *recorded, const struct clew_trace *trace) {
    for (uint32_t i = 1; i < recorded->count; i++) {
        clew_trace_span child, parent;
        clew_trace_span_at(trace, build_find(trace, recorded->ids[i]), &child);
        clew_trace_span_at(trace, child.parent, &parent);
        cr_assert_geq(child.start_unix_nano, parent.start_unix_nano);
        cr_assert_leq(child.end_unix_nano, parent.end_unix_nano);
    }
}

static void expect_one_shift_a_host(const struct fleet_trace *recorded, const struct clew_trace *trace) {
    int64_t shifts[FLEET_HOSTS];
    bool is_known[FLEET_HOSTS] = {false};
    uint32_t corrected = 0;
    for (uint32_t i = 0; i < recorded->count; i++) {
        uint32_t host = recorded->hosts[i];
        clew_trace_span span;
        clew_trace_span_at(trace, build_find(trace, recorded->ids[i]), &span);
        cr_assert_eq(span.start_unix_nano - (uint64_t)span.skew_nano, recorded->spans[i].start);
        cr_assert_eq(span.end_unix_nano - (uint64_t)span.skew_nano, recorded->spans[i].end);
        cr_assert(!is_known[host] || shifts[host] == span.skew_nano);
        shifts[host] = span.skew_nano;
        is_known[host] = true;
        corrected += span.skew_nano != 0;
    }
    cr_assert_eq(shifts[recorded->hosts[0]], 0);
    cr_assert_eq(clew_trace_skew_corrected(trace), corrected);
}

Test(skew, after_the_correction_every_call_lies_within_its_caller, .timeout = 120) {
    struct random random = {4};
    uint64_t corrected = 0;
    for (uint32_t round = 0; round < 100; round++) {
        struct fleet fleet;
        fleet_init(&fleet, &random, round % 4 ? 20 * MILLI : 5000 * SECOND);
        struct recorded recorded = record(&random, 100, true, &fleet);
        struct clew__offsets *offsets = new_offsets();
        for (size_t i = 0; i < recorded.count; i++)
            clew__offsets_learn(offsets, recorded.built[i].trace, 0);
        for (size_t i = 0; i < recorded.count; i++) {
            struct clew_trace *trace = recorded.built[i].trace;
            char *before = build_print(trace);
            cr_assert(clew__offsets_apply(offsets, trace));
            char *after = build_print(trace);
            expect_nested(&recorded.traces[i], trace);
            expect_one_shift_a_host(&recorded.traces[i], trace);
            corrected += clew_trace_skew_corrected(trace);
            cr_assert(clew__offsets_apply(offsets, trace));
            char *again = build_print(trace);
            cr_assert(clew__skew_undo(trace));
            char *undone = build_print(trace);
            cr_assert_str_eq(after, again);
            cr_assert_str_eq(before, undone);
            free(before);
            free(after);
            free(again);
            free(undone);
        }
        clew__offsets_free(offsets);
        forget(&recorded);
    }
    cr_expect_gt(corrected, 10000);
    CLEW_NO_LEAKS();
}

Test(skew, children_and_roots_are_in_order_of_corrected_times) {
    struct random random = {5};
    for (uint32_t round = 0; round < 200; round++) {
        struct fleet fleet;
        fleet_init(&fleet, &random, 50 * MILLI);
        struct recorded recorded = record(&random, 5, false, &fleet);
        struct clew__offsets *offsets = new_offsets();
        for (size_t i = 0; i < recorded.count; i++)
            clew__offsets_learn(offsets, recorded.built[i].trace, 0);
        for (size_t i = 0; i < recorded.count; i++) {
            const struct clew_trace *trace = recorded.built[i].trace;
            cr_assert(round % 2 ? clew__offsets_apply(offsets, recorded.built[i].trace)
                                : clew__skew_within(recorded.built[i].trace, UINT64_MAX, NULL));
            for (uint32_t k = 0; k < trace->node_count; k++) {
                const struct clew__node *node = &trace->nodes[k];
                if (node->next_sibling != CLEW_NO_SPAN)
                    cr_assert_leq(node->start, trace->nodes[node->next_sibling].start);
            }
        }
        clew__offsets_free(offsets);
        forget(&recorded);
    }
    CLEW_NO_LEAKS();
}

#define CALL(base, shift, caller, callee)                                                                    \
    {.id = "1", .start = (base), .end = (base) + 100 * MILLI, .host = (caller)}, {                           \
        .id = "2", .parent = "1", .start = (base) + 10 * MILLI + (shift),                                    \
        .end = (base) + 90 * MILLI + (shift), .host = (callee)                                               \
    }

static int64_t skew_of(const struct built *built, const char *id) {
    clew_trace_span span;
    cr_assert(clew_trace_span_at(built->trace, build_find(built->trace, id), &span));
    return span.skew_nano;
}

Test(skew, hosts_that_are_only_connected_over_others_follow_them) {
    /* b is 50 ms ahead of a; c and b agree. */
    const struct build_span spans[] = {
        {.id = "1", .start = SECOND, .end = SECOND + 100 * MILLI, .host = "a"},
        {.id = "2", .parent = "1", .start = SECOND + 60 * MILLI, .end = SECOND + 140 * MILLI, .host = "b"},
        {.id = "3", .parent = "2", .start = SECOND + 70 * MILLI, .end = SECOND + 130 * MILLI, .host = "c"},
        {.id = "4", .parent = "3", .start = SECOND + 75 * MILLI, .end = SECOND + 125 * MILLI},
    };
    struct clew__offsets *offsets = new_offsets();
    struct built built = learned(offsets, spans, 4);
    cr_assert(clew__offsets_apply(offsets, built.trace));
    cr_expect_eq(skew_of(&built, "2"), -50 * (int64_t)MILLI);
    cr_expect_eq(skew_of(&built, "3"), -50 * (int64_t)MILLI);
    cr_expect_eq(skew_of(&built, "4"), 0, "nobody knows its clock");
    build_free(&built);
    clew__offsets_free(offsets);
    CLEW_NO_LEAKS();
}

#define BOUNDS(number, caller, callee, least, most)                                                          \
    {.id = "1", .trace = (number), .start = SECOND, .end = SECOND + 100 * MILLI, .host = (caller)}, {        \
        .id = "2", .trace = (number), .parent = "1", .start = SECOND - (least)*MILLI,                        \
        .end = SECOND + (100 - (most)) * MILLI, .host = (callee)                                             \
    }

Test(skew, where_pairs_form_a_ring_all_of_them_are_satisfied) {
    /* b and c are 10 to 20 ms behind a, and c 4 to 30 ms behind b. */
    const struct build_span spans[] = {BOUNDS("1", "a", "b", 10, 20), BOUNDS("2", "a", "c", 10, 20),
                                       BOUNDS("3", "b", "c", 4, 30)};
    struct clew__offsets *offsets = new_offsets();
    for (size_t i = 0; i < 6; i += 2)
        learn(offsets, spans + i, 2);
    char *text = print_offsets(offsets);
    cr_expect_str_eq(text, "a b 10000000..20000000 13000000 1 0\n"
                           "a c 10000000..20000000 17000000 1 0\n"
                           "b c 4000000..30000000 4000000 1 0\n");
    free(text);
    clew__offsets_free(offsets);
    CLEW_NO_LEAKS();
}

Test(skew, where_a_ring_cannot_be_satisfied_the_tightest_pairs_are) {
    const struct build_span spans[] = {BOUNDS("1", "a", "b", 10, 20), BOUNDS("2", "a", "c", 10, 20),
                                       BOUNDS("3", "b", "c", 14, 40)};
    struct clew__offsets *offsets = new_offsets();
    for (size_t i = 0; i < 6; i += 2)
        learn(offsets, spans + i, 2);
    char *text = print_offsets(offsets);
    cr_expect_str_eq(text, "a b 10000000..20000000 15000000 1 0\n"
                           "a c 10000000..20000000 15000000 1 0\n"
                           "b c 14000000..40000000 0 1 0\n");
    free(text);
    clew__offsets_free(offsets);
    CLEW_NO_LEAKS();
}

Test(skew, what_one_trace_cannot_show_is_known_from_others) {
    const struct build_span clear[] = {CALL(SECOND, 0 - 50 * MILLI, "a", "b")};
    const struct build_span unclear[] = {
        {.id = "1", .start = SECOND, .end = SECOND + 900 * MILLI, .host = "a", .trace = "2"},
        {.id = "2",
         .parent = "1",
         .start = SECOND + 300 * MILLI,
         .end = SECOND + 400 * MILLI,
         .host = "b",
         .trace = "2"},
    };
    struct clew__offsets *offsets = new_offsets();
    struct built built = learned(offsets, unclear, 2);
    cr_assert(clew__offsets_apply(offsets, built.trace));
    cr_expect_eq(skew_of(&built, "2"), 0);
    uint64_t generation = clew__offsets_generation(offsets);
    learn(offsets, clear, 2);
    cr_expect_neq(clew__offsets_generation(offsets), generation);
    cr_assert(clew__offsets_apply(offsets, built.trace));
    cr_expect_eq(skew_of(&built, "2"), 50 * (int64_t)MILLI);
    build_free(&built);
    clew__offsets_free(offsets);
    CLEW_NO_LEAKS();
}

Test(skew, when_calls_contradict_each_other_most_of_them_are_believed) {
    struct clew__offsets *offsets = new_offsets();
    for (uint32_t i = 0; i < 90; i++) {
        /* One in ten is not waited for, and nothing says so. */
        char trace[8];
        uint64_t base = SECOND + i * MILLI, shift = i % 10 == 0 ? 80 * MILLI : 0 - 50 * MILLI + i * 10000;
        struct build_span spans[] = {CALL(base, shift, "a", "b")};
        snprintf(trace, sizeof trace, "%x", i + 1);
        spans[0].trace = spans[1].trace = trace;
        learn(offsets, spans, 2);
    }
    const clew_clock_offset *found = find_offset(offsets, "a", "b");
    cr_assert(found);
    cr_expect(found->is_contradicted);
    cr_expect_eq(found->edges, 90);
    cr_expect_geq(found->offset_nano, 49 * (int64_t)MILLI);
    cr_expect_leq(found->offset_nano, 50 * (int64_t)MILLI);
    clew__offsets_free(offsets);
    CLEW_NO_LEAKS();
}

/* Otherwise each trace of a fleet in which some calls are not waited for would solve all pairs anew. */
Test(skew, calls_that_contradict_each_other_change_little_once_many_have_come) {
    enum { CALLS = 4000 };
    struct clew__offsets *offsets = new_offsets();
    uint64_t before = 0;
    for (uint32_t i = 0; i < CALLS; i++) {
        char trace[8];
        uint64_t shift = i % 2 ? 80 * MILLI : 0 - 50 * MILLI;
        struct build_span spans[] = {CALL(SECOND + i * MILLI, shift, "a", "b")};
        snprintf(trace, sizeof trace, "%x", i + 1);
        spans[0].trace = spans[1].trace = trace;
        learn(offsets, spans, 2);
        if (i == CALLS / 2)
            before = clew__offsets_generation(offsets);
    }
    const clew_clock_offset *found = find_offset(offsets, "a", "b");
    cr_assert(found);
    cr_expect(found->is_contradicted);
    cr_expect_eq(found->edges, CALLS);
    cr_expect_lt(clew__offsets_generation(offsets) - before, CALLS / 20);
    clew__offsets_free(offsets);
    CLEW_NO_LEAKS();
}

/* Most of what was found before is kept: it must be what would be found anew. */
Test(skew, whoever_is_asked_after_every_call_says_the_same_as_who_is_asked_at_the_end) {
    enum { CALLS = 400, EPOCHS = 2 };
    struct random random = {3};
    struct clew__offsets *asked = new_offsets();
    struct built built[CALLS];
    for (uint32_t i = 0; i < CALLS; i++) {
        char trace[8];
        uint64_t base = (1 + random_below(&random, EPOCHS)) * CLEW__OFFSETS_WINDOW;
        uint64_t shift = random_below(&random, 120 * MILLI) - 60 * MILLI;
        struct build_span spans[] = {CALL(base, shift, "a", "b")};
        snprintf(trace, sizeof trace, "%x", i + 1);
        spans[0].trace = spans[1].trace = trace;
        built[i] = learned(asked, spans, 2);
        /* Mostly about the same time: for another one all is found anew. */
        struct clew_trace *other = built[i % 8 == 0 ? random_below(&random, i + 1) : 0].trace;
        cr_assert(clew__offsets_apply(asked, other));
        char *one = build_print(other);
        struct clew__offsets *fresh = new_offsets();
        for (uint32_t k = 0; k <= i; k++)
            clew__offsets_learn(fresh, built[k].trace, 0);
        cr_assert(clew__offsets_apply(fresh, other));
        char *anew = build_print(other);
        cr_assert_str_eq(one, anew, "after %u", i);
        free(one);
        free(anew);
        clew__offsets_free(fresh);
    }
    for (uint32_t i = 0; i < CALLS; i++)
        build_free(&built[i]);
    clew__offsets_free(asked);
    CLEW_NO_LEAKS();
}

Test(skew, a_clock_that_drifts_is_followed) {
    enum { CALLS = 1000 };
    struct clew__offsets *offsets = new_offsets();
    struct built *built = calloc(CALLS, sizeof *built);
    for (uint32_t i = 0; i < CALLS; i++) {
        /* A hundred minutes, in which b's clock goes from right to 120 ms ahead. */
        char trace[8];
        struct build_span spans[] = {CALL((1000 + i * 6) * SECOND, i * 120000, "a", "b")};
        snprintf(trace, sizeof trace, "%x", i + 1);
        spans[0].trace = spans[1].trace = trace;
        built[i] = learned(offsets, spans, 2);
    }
    cr_expect(find_offset(offsets, "a", "b")->is_contradicted);
    for (uint32_t i = 0; i < CALLS; i++) {
        cr_assert(clew__offsets_apply(offsets, built[i].trace));
        int64_t error = skew_of(&built[i], "2") + i * INT64_C(120000);
        cr_expect(llabs(error) <= 15 * (int64_t)MILLI, "call %u: off by %lld", i, (long long)error);
        build_free(&built[i]);
    }
    free(built);
    clew__offsets_free(offsets);
    CLEW_NO_LEAKS();
}

Test(skew, only_the_latest_windows_count) {
    struct clew__offsets *offsets = new_offsets();
    for (uint32_t i = 0; i <= CLEW__OFFSETS_WINDOWS; i++) {
        /* The first one says otherwise. */
        char trace[8];
        struct build_span spans[] = {CALL((1000 + i * 300) * SECOND, i == 0 ? 80 * MILLI : 0, "a", "b")};
        snprintf(trace, sizeof trace, "%x", i + 1);
        spans[0].trace = spans[1].trace = trace;
        learn(offsets, spans, 2);
        cr_expect_eq(find_offset(offsets, "a", "b")->is_contradicted, i > 0 && i < CLEW__OFFSETS_WINDOWS);
    }
    cr_expect_eq(find_offset(offsets, "a", "b")->offset_nano, 0);
    cr_expect_eq(find_offset(offsets, "a", "b")->edges, CLEW__OFFSETS_WINDOWS + 1);
    clew__offsets_free(offsets);
    CLEW_NO_LEAKS();
}

Test(skew, times_stay_where_a_correction_would_leave_the_numbers) {
    const struct build_span shown[] = {CALL(SECOND, 900 * MILLI, "a", "b")};
    const struct build_span early[] = {
        {.id = "1", .start = 10, .end = 1000, .host = "a", .trace = "2"},
        {.id = "2", .parent = "1", .start = 20, .end = 900, .host = "b", .trace = "2"},
    };
    const struct build_span late[] = {
        {.id = "1", .start = UINT64_MAX - 1000, .end = UINT64_MAX - 10, .host = "b", .trace = "3"},
        {.id = "2",
         .parent = "1",
         .start = UINT64_MAX - 900,
         .end = UINT64_MAX - 20,
         .host = "a",
         .trace = "3"},
    };
    const struct build_span apart[] = {
        {.id = "1", .start = 1, .end = 100, .host = "c", .trace = "4"},
        {.id = "2",
         .parent = "1",
         .start = UINT64_MAX - 50,
         .end = UINT64_MAX - 10,
         .host = "d",
         .trace = "4"},
    };
    const struct build_span *tables[] = {early, late, apart};
    struct clew__offsets *offsets = new_offsets();
    learn(offsets, shown, 2);
    for (size_t i = 0; i < 3; i++) {
        struct built built = build_trace(tables[i], 2, NULL);
        cr_assert(clew__offsets_learn(offsets, built.trace, 0));
        build_free(&built);
        built = build_trace(tables[i], 2, NULL);
        cr_assert(clew__offsets_apply(offsets, built.trace));
        cr_expect_eq(skew_of(&built, "2"), 0, "table %zu", i);
        cr_assert(clew__skew_within(built.trace, UINT64_MAX, NULL));
        build_free(&built);
    }
    cr_expect_null(find_offset(offsets, "c", "d"), "no clocks differ by centuries");
    clew__offsets_free(offsets);
    CLEW_NO_LEAKS();
}

Test(skew, what_has_its_parents_start_moves_with_it_and_phantoms_with_their_children) {
    const struct build_span spans[] = {
        CALL(SECOND, 50 * MILLI, "a", "b"),
        {.id = "3", .parent = "2", .start = 0, .end = 10 * MILLI, .host = "a"},
        {.id = "5", .parent = "4", .start = SECOND + 20 * MILLI, .end = SECOND + 30 * MILLI, .host = "a"},
        {.id = "6", .parent = "4", .start = SECOND + 70 * MILLI, .end = SECOND + 80 * MILLI, .host = "b"},
    };
    struct clew__offsets *offsets = new_offsets();
    struct built built = learned(offsets, spans, 5);
    cr_assert(clew__offsets_apply(offsets, built.trace));
    cr_expect_eq(skew_of(&built, "2"), -50 * (int64_t)MILLI);
    cr_expect_eq(skew_of(&built, "3"), -50 * (int64_t)MILLI);
    clew_trace_span phantom;
    clew_trace_span_at(built.trace, build_find(built.trace, "4"), &phantom);
    cr_expect(phantom.is_phantom);
    cr_expect_eq(phantom.start_unix_nano, SECOND + 20 * MILLI);
    cr_expect_eq(phantom.end_unix_nano, SECOND + 30 * MILLI);
    build_free(&built);
    clew__offsets_free(offsets);
    CLEW_NO_LEAKS();
}

/* ---- limits ---- */

static struct built call_between(uint32_t a, uint32_t b, uint64_t base) {
    char caller[64], callee[64];
    snprintf(caller, sizeof caller, "host-with-a-rather-long-name-%u", a);
    snprintf(callee, sizeof callee, "host-with-a-rather-long-name-%u", b);
    struct build_span spans[] = {CALL(base, 50 * MILLI, caller, callee)};
    return build_trace(spans, 2, NULL);
}

static bool learn_between(struct clew__offsets *offsets, uint32_t a, uint32_t b, uint64_t base) {
    struct built built = call_between(a, b, base);
    bool is_learned = clew__offsets_learn(offsets, built.trace, 0);
    build_free(&built);
    return is_learned;
}

Test(skew, strangers_cannot_make_it_hold_more_than_it_may) {
    const size_t limits[] = {100, 20000, 100000, 1000000, PLENTY};
    for (size_t k = 0; k < 5; k++) {
        struct clew__offsets *offsets = clew__offsets_new(limits[k]);
        uint64_t refused = 0;
        cr_assert(offsets);
        for (uint32_t i = 0; i < 3000; i++) {
            size_t count;
            refused += !learn_between(offsets, 2 * i, 2 * i + 1, 1000 * SECOND + i / 600 * 300 * SECOND);
            refused += !learn_between(offsets, 2 * i, 2 * i + 1, 1000 * SECOND + i % 50 * 300 * SECOND);
            if (i % 100 == 0)
                clew__offsets_list(offsets, &count);
            cr_assert_leq(clew__offsets_bytes(offsets), limits[k] > 2000 ? limits[k] : 2000);
        }
        cr_expect_eq(clew__offsets_overflowed(offsets), refused);
        cr_expect_gt(refused, 0);
        clew__offsets_free(offsets);
    }
    CLEW_NO_LEAKS();
}

Test(skew, pairs_that_were_seen_longest_ago_make_room) {
    struct clew__offsets *offsets = new_offsets();
    size_t count;
    for (uint32_t i = 0; i < 2 * CLEW__OFFSETS_PAIRS; i++)
        cr_assert(learn_between(offsets, 2 * i, 2 * i + 1, (1000 + i * 300) * SECOND));
    const clew_clock_offset *list = clew__offsets_list(offsets, &count);
    cr_expect_eq(count, CLEW__OFFSETS_PAIRS);
    for (size_t i = 0; i < count; i++) {
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)list[i].host.size, list[i].host.data);
        cr_expect_geq(strtol(strrchr(name, '-') + 1, NULL, 10), 2 * CLEW__OFFSETS_PAIRS);
    }
    cr_expect_not(learn_between(offsets, 0, 1, 1000 * SECOND), "older than all");
    cr_expect_eq(clew__offsets_overflowed(offsets), 1);
    struct built built =
        call_between(2 * (2 * CLEW__OFFSETS_PAIRS - 1), 2 * (2 * CLEW__OFFSETS_PAIRS - 1) + 1,
                     (1000 + 2 * CLEW__OFFSETS_PAIRS * 300) * SECOND);
    cr_assert(clew__offsets_apply(offsets, built.trace));
    cr_expect_eq(skew_of(&built, "2"), -50 * (int64_t)MILLI);
    build_free(&built);
    clew__offsets_free(offsets);
    CLEW_NO_LEAKS();
}

Test(skew, without_memory_a_trace_stays_as_it_was, .init = make_memory_scarce) {
    struct random random = {6};
    struct fleet fleet;
    allocations_left = INT32_MAX;
    fleet_init(&fleet, &random, 20 * MILLI);
    struct recorded recorded = record(&random, 20, true, &fleet);
    uint32_t failures = 0;
    bool is_done = false;
    for (int allowed = 0; !is_done; allowed++) {
        allocations_left = allowed;
        struct clew__offsets *offsets = clew__offsets_new(PLENTY);
        is_done = offsets != NULL;
        for (size_t i = 0; offsets && i < recorded.count; i++)
            is_done &= clew__offsets_learn(offsets, recorded.built[i].trace, 0);
        for (size_t i = 0; offsets && i < recorded.count; i++) {
            int left = allocations_left;
            allocations_left = INT32_MAX;
            char *before = build_print(recorded.built[i].trace);
            allocations_left = left;
            bool is_applied = clew__offsets_apply(offsets, recorded.built[i].trace);
            allocations_left = INT32_MAX;
            char *after = build_print(recorded.built[i].trace);
            if (!is_applied)
                cr_assert_str_eq(before, after);
            cr_assert(clew__skew_undo(recorded.built[i].trace));
            allocations_left = left;
            is_done &= is_applied;
            free(before);
            free(after);
        }
        failures += !is_done;
        if (offsets && !is_done) {
            size_t count;
            clew__offsets_list(offsets, &count);
        }
        clew__offsets_free(offsets);
    }
    cr_expect_gt(failures, 20);
    allocations_left = INT32_MAX;
    forget(&recorded);
    CLEW_NO_LEAKS();
}
