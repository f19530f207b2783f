/* What single rules of the critical path do, each on a trace small enough to read. */
#include "test/failing.h"
#include "test/support.h"
#include "test/unit/path/path_tables.h"

#include "sdk/path/path.h"

#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define EXPECT_PATH(spans, options, ...)                                                                     \
    do {                                                                                                     \
        const struct segment expected[] = {__VA_ARGS__};                                                     \
        expect_path(spans, COUNT(spans), options, expected, COUNT(expected));                                \
    } while (0)

#define SELF(span, start, end)                                                                               \
    { span, start, end, CLEW_SEGMENT_SELF, NULL, false }
#define ASSUMED(span, start, end)                                                                            \
    { span, start, end, CLEW_SEGMENT_SELF, NULL, true }
#define GAP(span, start, end, callee)                                                                        \
    { span, start, end, CLEW_SEGMENT_EDGE_GAP, callee, false }

/* One segment, as the tests write it: the callee is a name. */
struct segment {
    const char *span; /* NULL: none */
    uint64_t start, end;
    clew_segment_kind kind;
    const char *callee;
    bool assumed;
};

static bool is_text(clew_text text, const char *expected) {
    size_t size = expected ? strlen(expected) : 0;
    return text.size == size && (size == 0 || memcmp(text.data, expected, size) == 0);
}

static void expect_path(const struct build_span *spans, size_t count, const clew_path_options *options,
                        const struct segment *expected, size_t expected_count) {
    struct built built = build_trace(spans, count, NULL);
    clew_critical_path *path = clew_critical_path_new(built.trace, options);
    cr_assert_not_null(path);
    char *text = path_print(built.trace, path, true, 0, 1);
    cr_expect_null(path_fault(built.trace, path), "%s\n%s", path_fault(built.trace, path), text);
    cr_expect_eq(path->segment_count, expected_count, "%s", text);
    for (size_t i = 0; i < expected_count && i < path->segment_count; i++) {
        const clew_path_segment *segment = &path->segments[i];
        uint32_t span = expected[i].span ? build_find(built.trace, expected[i].span) : CLEW_NO_SPAN;
        cr_expect(segment->span == span && segment->start_unix_nano == expected[i].start &&
                      segment->end_unix_nano == expected[i].end && segment->kind == expected[i].kind &&
                      segment->assumed == expected[i].assumed &&
                      is_text(clew_path_callee(built.trace, segment), expected[i].callee),
                  "segment %zu of:\n%s", i, text);
    }
    free(text);
    clew_critical_path_free(path);
    build_free(&built);
    CLEW_NO_LEAKS();
}

/* ---- edges ---- */

Test(path, time_between_client_and_server_belongs_to_the_edge) {
    const struct build_span spans[] = {
        {.id = "1", .start = 100, .end = 200, .service = "front", .kind = CLEW_SERVER},
        {.id = "2", .parent = "1", .start = 110, .end = 190, .service = "front", .kind = CLEW_CLIENT},
        {.id = "3", .parent = "2", .start = 120, .end = 180, .service = "cart", .kind = CLEW_SERVER},
    };
    EXPECT_PATH(spans, NULL, SELF("1", 100, 110), GAP("2", 110, 120, "cart"), SELF("3", 120, 180),
                GAP("2", 180, 190, "cart"), SELF("1", 190, 200));
}

Test(path, a_server_that_outlives_its_client_is_clipped_and_not_assumed) {
    const struct build_span spans[] = {
        {.id = "1", .start = 100, .end = 200, .service = "front", .kind = CLEW_CLIENT},
        {.id = "2", .parent = "1", .start = 110, .end = 600, .service = "cart", .kind = CLEW_SERVER},
    };
    const clew_path_options exclude = {.overflow = CLEW_OVERFLOW_EXCLUDE};
    EXPECT_PATH(spans, NULL, GAP("1", 100, 110, "cart"), SELF("2", 110, 200));
    EXPECT_PATH(spans, &exclude, GAP("1", 100, 110, "cart"), SELF("2", 110, 200));
}

Test(path, the_callee_is_found_behind_spans_without_a_kind) {
    const struct build_span spans[] = {
        {.id = "1", .start = 100, .end = 200, .service = "front", .kind = CLEW_CLIENT},
        {.id = "2", .parent = "1", .start = 110, .end = 190, .service = "front", .kind = CLEW_INTERNAL},
        {.id = "3", .parent = "2", .start = 110, .end = 115, .service = "front"},
        {.id = "4", .parent = "2", .start = 120, .end = 180, .service = "cart", .kind = CLEW_SERVER},
    };
    EXPECT_PATH(spans, NULL, GAP("1", 100, 110, "cart"), SELF("3", 110, 115), SELF("2", 115, 120),
                SELF("4", 120, 180), SELF("2", 180, 190), GAP("1", 190, 200, "cart"));
}

/* As in the service map: spans 3 and 4 are a call of b for c, or within c. */
Test(path, behind_two_services_a_client_without_one_has_no_callee) {
    struct build_span spans[] = {
        {.id = "1", .start = 100, .end = 200, .kind = CLEW_CLIENT},
        {.id = "2", .parent = "1", .start = 110, .end = 190, .service = "b"},
        {.id = "3", .parent = "2", .start = 110, .end = 190, .service = "c"},
        {.id = "4", .parent = "3", .start = 110, .end = 190, .service = "c", .kind = CLEW_SERVER},
        {.id = "5", .parent = "1", .start = 110, .end = 190, .service = "c"},
    };
    EXPECT_PATH(spans, NULL, SELF("1", 100, 110), SELF("4", 110, 190), SELF("1", 190, 200));
    spans[2].service = "b";
    EXPECT_PATH(spans, NULL, GAP("1", 100, 110, "c"), SELF("4", 110, 190), GAP("1", 190, 200, "c"));
    spans[2].service = "c";
    spans[3].parent = "5"; /* what stands beside b does not come after it */
    EXPECT_PATH(spans, NULL, GAP("1", 100, 110, "c"), SELF("3", 110, 190), GAP("1", 190, 200, "c"));
}

Test(path, the_callee_of_a_client_is_not_that_of_a_client_below_it) {
    const struct build_span spans[] = {
        {.id = "1", .start = 100, .end = 200, .service = "front", .kind = CLEW_CLIENT},
        {.id = "2", .parent = "1", .start = 110, .end = 190, .service = "front", .kind = CLEW_CLIENT},
        {.id = "3", .parent = "2", .start = 120, .end = 180, .service = "cart", .kind = CLEW_SERVER},
    };
    EXPECT_PATH(spans, NULL, SELF("1", 100, 110), GAP("2", 110, 120, "cart"), SELF("3", 120, 180),
                GAP("2", 180, 190, "cart"), SELF("1", 190, 200));
}

Test(path, a_client_of_whom_only_the_peers_name_is_known_has_an_edge_to_it) {
    const struct build_span named[] = {
        {.id = "1",
         .start = 100,
         .end = 200,
         .service = "cart",
         .kind = CLEW_CLIENT,
         .attributes = {{"db.system.name", "postgresql"}, {"server.address", "db-1"}}},
    };
    const struct build_span model[] = {
        {.id = "1",
         .start = 100,
         .end = 200,
         .service = "agent",
         .kind = CLEW_CLIENT,
         .attributes = {{"gen_ai.provider.name", "openai"}, {"server.address", "api.example"}}},
    };
    const struct build_span unnamed[] = {
        {.id = "1", .start = 100, .end = 200, .service = "cart", .kind = CLEW_CLIENT},
    };
    EXPECT_PATH(named, NULL, GAP("1", 100, 200, "db-1"));
    EXPECT_PATH(model, NULL, GAP("1", 100, 200, "openai"));
    EXPECT_PATH(unnamed, NULL, SELF("1", 100, 200));
}

/* As in the service map. INTERNAL is a kind: whoever said so has not called. */
Test(path, a_span_of_which_no_kind_was_said_calls_the_peer_or_the_model_that_it_names) {
    struct build_span span[] = {
        {.id = "1", .start = 100, .end = 200, .service = "cart", .attributes = {{"peer.service", "stock"}}},
    };
    EXPECT_PATH(span, NULL, GAP("1", 100, 200, "stock"));
    span->attributes[0][0] = "gen_ai.provider.name";
    span->attributes[0][1] = "openai";
    EXPECT_PATH(span, NULL, GAP("1", 100, 200, "openai"));
    span->kind = CLEW_INTERNAL;
    EXPECT_PATH(span, NULL, SELF("1", 100, 200));
    span->kind = 0;
    span->service = NULL;
    EXPECT_PATH(span, NULL, SELF("1", 100, 200));
}

Test(path, a_callee_without_a_service_has_the_name_that_its_client_knows) {
    const struct build_span spans[] = {
        {.id = "1",
         .start = 100,
         .end = 200,
         .service = "front",
         .kind = CLEW_CLIENT,
         .attributes = {{"peer.service", "cart"}}},
        {.id = "2", .parent = "1", .start = 110, .end = 190, .kind = CLEW_SERVER},
    };
    EXPECT_PATH(spans, NULL, GAP("1", 100, 110, "cart"), SELF("2", 110, 190), GAP("1", 190, 200, "cart"));
}

Test(path, a_span_whose_only_child_is_in_another_service_has_an_edge_to_it) {
    const struct build_span spans[] = {
        {.id = "1", .start = 100, .end = 200, .service = "front"},
        {.id = "2", .parent = "1", .start = 110, .end = 190, .service = "cart"},
        {.id = "3", .parent = "2", .start = 120, .end = 130, .service = "cart"},
        {.id = "4", .parent = "2", .start = 140, .end = 150, .service = "users"},
    };
    EXPECT_PATH(spans, NULL, GAP("1", 100, 110, "cart"), SELF("2", 110, 120), SELF("3", 120, 130),
                SELF("2", 130, 140), SELF("4", 140, 150), SELF("2", 150, 190), GAP("1", 190, 200, "cart"));
}

Test(path, a_producer_is_on_the_path_and_its_consumer_is_not) {
    const struct build_span spans[] = {
        {.id = "1", .start = 100, .end = 200, .service = "front", .kind = CLEW_SERVER},
        {.id = "2", .parent = "1", .start = 110, .end = 115, .service = "front", .kind = CLEW_PRODUCER},
        {.id = "3", .parent = "2", .start = 112, .end = 500, .service = "mail", .kind = CLEW_CONSUMER},
    };
    EXPECT_PATH(spans, NULL, SELF("1", 100, 110), GAP("2", 110, 115, "mail"), SELF("1", 115, 200));
}

Test(path, time_of_a_parent_that_is_not_there_is_missing) {
    const struct build_span spans[] = {
        {.id = "1", .parent = "dead", .start = 100, .end = 120, .service = "a"},
        {.id = "2", .parent = "dead", .start = 150, .end = 200, .service = "b"},
    };
    struct built built = build_trace(spans, 2, NULL);
    clew_critical_path *path = clew_critical_path_new(built.trace, NULL);
    cr_assert_eq(path->segment_count, 3);
    cr_expect_eq(path->segments[1].kind, CLEW_SEGMENT_MISSING);
    cr_expect_eq(path->confidence.missing, 30);
    cr_expect_eq(path->confidence.total, 100);
    clew_critical_path_free(path);
    build_free(&built);
    CLEW_NO_LEAKS();
}

/* ---- children that outlive their parent ---- */

static const struct build_span outlived[] = {
    {.id = "1", .start = 100, .end = 200},
    {.id = "2", .parent = "1", .start = 110, .end = 600},
    {.id = "3", .parent = "2", .start = 120, .end = 150},
};

Test(path, what_is_below_a_child_that_outlives_its_parent_is_assumed) {
    EXPECT_PATH(outlived, NULL, SELF("1", 100, 110), ASSUMED("2", 110, 120), ASSUMED("3", 120, 150),
                ASSUMED("2", 150, 200));
}

Test(path, or_it_is_excluded) {
    const clew_path_options exclude = {.overflow = CLEW_OVERFLOW_EXCLUDE};
    EXPECT_PATH(outlived, &exclude, SELF("1", 100, 200));
}

Test(path, or_it_is_within_what_is_tolerated) {
    const struct build_span spans[] = {
        {.id = "1", .start = 1000, .end = 2000},
        {.id = "2", .parent = "1", .start = 1500, .end = 2010},
    };
    const clew_path_options parts = {.eps_ppm = 10000, .overflow = CLEW_OVERFLOW_EXCLUDE};
    const clew_path_options nanoseconds = {.eps_nano = 10, .overflow = CLEW_OVERFLOW_EXCLUDE};
    const clew_path_options less = {.eps_nano = 9, .overflow = CLEW_OVERFLOW_EXCLUDE};
    EXPECT_PATH(spans, &parts, SELF("1", 1000, 1500), SELF("2", 1500, 2000));
    EXPECT_PATH(spans, &nanoseconds, SELF("1", 1000, 1500), SELF("2", 1500, 2000));
    EXPECT_PATH(spans, &less, SELF("1", 1000, 2000));
}

Test(path, a_tolerated_overlap_also_cuts_what_is_below) {
    const struct build_span spans[] = {
        {.id = "1", .start = 1000, .end = 1600},
        {.id = "2", .parent = "1", .start = 1010, .end = 1210},
        {.id = "3", .parent = "2", .start = 1100, .end = 1210},
        {.id = "4", .parent = "1", .start = 1205, .end = 1600},
    };
    const clew_path_options one_per_cent = {.eps_ppm = 10000};
    EXPECT_PATH(spans, &one_per_cent, SELF("1", 1000, 1010), SELF("2", 1010, 1100), SELF("3", 1100, 1205),
                SELF("4", 1205, 1600));
}

/* ---- recorded waits ---- */

Test(path, a_recorded_wait_is_all_the_time_that_is_waited) {
    const struct build_span spans[] = {
        {.id = "1", .start = 100, .end = 200, .waits = {{"2", 130, 40}}},
        {.id = "2", .parent = "1", .start = 110, .end = 160},
        {.id = "3", .parent = "2", .start = 110, .end = 140},
    };
    EXPECT_PATH(spans, NULL, SELF("1", 100, 130), SELF("3", 130, 140), SELF("2", 140, 160),
                SELF("1", 160, 200));
}

Test(path, a_recorded_wait_without_a_duration_lasts_until_the_end) {
    const struct build_span spans[] = {
        {.id = "1", .start = 100, .end = 200, .waits = {{"2", 130, 0}}},
        {.id = "2", .parent = "1", .start = 110, .end = 400},
    };
    EXPECT_PATH(spans, NULL, SELF("1", 100, 130), SELF("2", 130, 200));
}

Test(path, a_record_beats_what_seems_likely_and_what_seems_likely_fills_the_rest) {
    const struct build_span spans[] = {
        {.id = "1", .start = 100, .end = 200, .waits = {{"2", 110, 40}}},
        {.id = "2", .parent = "1", .start = 110, .end = 150},
        {.id = "3", .parent = "1", .start = 120, .end = 160}, /* by its end alone it would hide the 2 */
        {.id = "4", .parent = "1", .start = 170, .end = 190},
        {.id = "5", .parent = "1", .start = 100, .end = 130}, /* ended while another was waited for */
    };
    EXPECT_PATH(spans, NULL, SELF("1", 100, 110), SELF("2", 110, 150), SELF("3", 150, 160),
                SELF("1", 160, 170), SELF("4", 170, 190), SELF("1", 190, 200));
}

Test(path, a_wait_may_be_for_a_span_that_is_no_child) {
    const struct build_span spans[] = {
        {.id = "1", .start = 100, .end = 200},
        {.id = "2", .parent = "1", .start = 105, .end = 150},
        {.id = "3", .parent = "1", .start = 110, .end = 190, .waits = {{"2", 120, 60}}},
    };
    struct built built = build_trace(spans, 3, NULL);
    clew_critical_path *path = clew_critical_path_new(built.trace, NULL);
    cr_expect_eq(path->spans[build_find(built.trace, "2")].critical, 30);
    cr_expect_eq(path->spans[build_find(built.trace, "3")].critical, 80);
    cr_expect_eq(path->spans[build_find(built.trace, "3")].critical_self, 50);
    cr_expect_eq(path->confidence.recorded, 30);
    clew_critical_path_free(path);
    build_free(&built);
    EXPECT_PATH(spans, NULL, SELF("1", 100, 110), SELF("3", 110, 120), SELF("2", 120, 150),
                SELF("3", 150, 190), SELF("1", 190, 200));
}

Test(path, a_ring_of_waits_ends_where_it_closes) {
    const struct build_span spans[] = {
        {.id = "1", .start = 100, .end = 200},
        {.id = "2", .parent = "1", .start = 110, .end = 190, .waits = {{"3", 110, 80}}},
        {.id = "3", .parent = "1", .start = 110, .end = 180, .waits = {{"2", 120, 30}}},
    };
    EXPECT_PATH(spans, NULL, SELF("1", 100, 110), SELF("3", 110, 180), SELF("2", 180, 190),
                SELF("1", 190, 200));
}

Test(path, a_child_that_its_parent_never_waited_for_is_not_on_the_path) {
    const struct build_span spans[] = {
        {.id = "1", .start = 100, .end = 200, .waits = {{"2", 170, 10}}},
        {.id = "2", .parent = "1", .start = 110, .end = 160},
    };
    struct built built = build_trace(spans, 2, NULL);
    clew_critical_path *path = clew_critical_path_new(built.trace, NULL);
    const clew_path_span *child = &path->spans[build_find(built.trace, "2")];
    cr_expect(child->recorded && child->relation == CLEW_RELATION_ASYNC);
    cr_expect_eq(path->confidence.unused_waits, 1);
    clew_critical_path_free(path);
    build_free(&built);
    EXPECT_PATH(spans, NULL, SELF("1", 100, 200));
}

Test(path, a_record_beats_even_a_reference_that_says_asynchronous) {
    const struct build_span spans[] = {
        {.id = "1", .start = 100, .end = 200, .waits = {{"2", 120, 0}}},
        {.id = "2", .parent = "1", .start = 110, .end = 190, .links = {{NULL, "1", "follows_from"}}},
    };
    EXPECT_PATH(spans, NULL, SELF("1", 100, 120), SELF("2", 120, 190), SELF("1", 190, 200));
}

Test(path, of_spans_with_the_same_id_a_child_is_what_is_waited_for) {
    const struct build_span spans[] = {
        {.id = "1", .start = 100, .end = 200, .waits = {{"2", 120, 60}}},
        {.id = "3", .parent = "1", .start = 102, .end = 108},
        {.id = "2", .parent = "3", .start = 105, .end = 190, .operation = "not waited for"},
        {.id = "2", .parent = "1", .start = 110, .end = 170, .operation = "waited for"},
    };
    struct built built = build_trace(spans, 4, NULL);
    clew_critical_path *path = clew_critical_path_new(built.trace, NULL);
    uint32_t waited = build_find(built.trace, "2#1");
    cr_assert_neq(waited, CLEW_NO_SPAN);
    cr_expect(path->spans[waited].recorded);
    cr_expect_eq(path->spans[waited].critical, 50);
    clew_critical_path_free(path);
    build_free(&built);
    CLEW_NO_LEAKS();
}

Test(path, waits_for_spans_that_are_not_there_or_for_itself_are_counted) {
    const struct build_span spans[] = {
        {.id = "1", .start = 100, .end = 200, .waits = {{"dead", 120, 0}, {"1", 110, 5}}},
        {.id = "2", .parent = "1", .start = 110, .end = 190},
    };
    struct built built = build_trace(spans, 2, NULL);
    clew_critical_path *path = clew_critical_path_new(built.trace, NULL);
    cr_expect_eq(path->confidence.unused_waits, 2);
    cr_expect_eq(path->segment_count, 3);
    clew_critical_path_free(path);
    build_free(&built);
    CLEW_NO_LEAKS();
}

/* ---- the whole trace ---- */

Test(path, the_path_of_the_whole_trace_takes_in_what_nobody_waited_for) {
    const struct build_span spans[] = {
        {.id = "1", .start = 100, .end = 200, .service = "front", .kind = CLEW_PRODUCER},
        {.id = "2", .parent = "1", .start = 250, .end = 300, .service = "mail", .kind = CLEW_CONSUMER},
        {.id = "3", .parent = "2", .start = 290, .end = 340, .service = "mail"},
    };
    const clew_path_options whole = {.scope = CLEW_SCOPE_TRACE};
    struct built built = build_trace(spans, 3, NULL);
    clew_critical_path *path = clew_critical_path_new(built.trace, &whole);
    cr_assert_eq(path->root_count, 1);
    cr_expect_eq(path->roots[0].span, CLEW_NO_SPAN);
    cr_expect_eq(path->async_tail, 140);
    clew_critical_path_free(path);
    build_free(&built);
    EXPECT_PATH(spans, NULL, GAP("1", 100, 200, "mail"));
    EXPECT_PATH(spans, &whole, GAP("1", 100, 200, "mail"), SELF(NULL, 200, 250), SELF("2", 250, 290),
                ASSUMED("3", 290, 300), SELF("3", 300, 340));
}

/* ---- what is said beside the path ---- */

Test(path, overlaps_that_nearly_were_none_are_counted) {
    const struct build_span spans[] = {
        {.id = "1", .start = 1000, .end = 2000},
        {.id = "2", .parent = "1", .start = 1000, .end = 1510}, /* ten over: one per cent */
        {.id = "3", .parent = "1", .start = 1500, .end = 2000},
        {.id = "4", .parent = "1", .start = 1000, .end = 1511},
    };
    const clew_path_options one_per_cent = {.eps_ppm = 10000};
    struct built built = build_trace(spans, 4, NULL);
    clew_critical_path *path = clew_critical_path_new(built.trace, NULL);
    cr_expect_eq(path->confidence.near_overlaps, 1);
    clew_critical_path_free(path);
    path = clew_critical_path_new(built.trace, &one_per_cent);
    cr_expect_eq(path->confidence.near_overlaps, 0);
    clew_critical_path_free(path);
    build_free(&built);
    CLEW_NO_LEAKS();
}

Test(path, time_of_spans_that_have_not_ended_is_provisional) {
    const struct build_span spans[] = {
        {.id = "1", .start = 100, .end = 0},
        {.id = "2", .parent = "1", .start = 110, .end = 180},
    };
    struct built built = build_trace(spans, 2, NULL);
    clew_critical_path *path = clew_critical_path_new(built.trace, NULL);
    cr_expect_eq(path->confidence.total, 80);
    cr_expect_eq(path->confidence.provisional, 10);
    clew_critical_path_free(path);
    build_free(&built);
    CLEW_NO_LEAKS();
}

Test(path, time_of_spans_whose_clock_was_corrected_is_counted) {
    const struct build_span spans[] = {
        {.id = "1", .start = 100, .end = 200},
        {.id = "2", .parent = "1", .start = 110, .end = 180},
    };
    struct built built = build_trace(spans, 2, NULL);
    built.trace->nodes[build_find(built.trace, "2")].skew = -5;
    clew_critical_path *path = clew_critical_path_new(built.trace, NULL);
    cr_expect_eq(path->confidence.skew, 70);
    clew_critical_path_free(path);
    build_free(&built);
    CLEW_NO_LEAKS();
}

Test(path, waits_move_with_the_clock_of_the_span_that_waited) {
    const struct build_span spans[] = {
        {.id = "1", .start = 100, .end = 200, .waits = {{"2", 130, 20}}},
        {.id = "2", .parent = "1", .start = 110, .end = 190},
    };
    struct built built = build_trace(spans, 2, NULL);
    built.trace->nodes[build_find(built.trace, "1")].skew = -5;
    clew_critical_path *path = clew_critical_path_new(built.trace, NULL);
    cr_assert_eq(path->segment_count, 3);
    cr_expect_eq(path->segments[1].start_unix_nano, 125);
    cr_expect_eq(path->segments[1].end_unix_nano, 145);
    clew_critical_path_free(path);
    build_free(&built);
    CLEW_NO_LEAKS();
}

Test(path, of_nothing_there_is_no_path) {
    struct built built = build_trace(outlived, 1, NULL);
    const clew_path_segment none = {.kind = CLEW_SEGMENT_EDGE_GAP, .span = 77, .callee = CLEW_NO_SPAN};
    cr_expect_null(clew_critical_path_new(NULL, NULL));
    cr_expect_eq(clew_path_callee(built.trace, &none).size, 0);
    cr_expect_eq(clew_path_callee(built.trace, NULL).size, 0);
    cr_expect_eq(clew_path_callee(NULL, &none).size, 0);
    clew_critical_path_free(NULL);
    build_free(&built);
    CLEW_NO_LEAKS();
}

Test(path, a_workspace_gives_what_a_new_path_gives_trace_after_trace) {
    struct random random = {9};
    struct clew__path_workspace workspace = {0};
    for (int round = 0; round < 500; round++) {
        struct table table;
        table_random(&random, &table, 1 + random_below(&random, 20), (uint32_t)random_below(&random, 8));
        struct built built = table_build(&table);
        clew_critical_path *path = clew_critical_path_new(built.trace, NULL);
        const clew_critical_path *again = clew__path_compute(&workspace, built.trace, NULL);
        cr_assert_eq(again->segment_count, path->segment_count);
        cr_assert_eq(memcmp(again->spans, path->spans, path->span_count * sizeof *path->spans), 0);
        cr_assert_eq(again->steps, path->steps);
        clew_critical_path_free(path);
        build_free(&built);
    }
    clew__path_workspace_fini(&workspace);
    CLEW_NO_LEAKS();
}

/* ---- no memory ---- */

/* Many waits and overlapping children: every array is used. */
static void busy_table(struct table *table) {
    struct random random = {21};
    table_random(&random, table, TABLE_ROOM, TABLE_WAITS | TABLE_ASYNC | TABLE_ORPHANS);
}

Test(path, every_allocation_that_fails_is_survived) {
    struct table table;
    clew_leverage leverage[TABLE_ROOM + 4];
    uint64_t out[TABLE_ROOM + 4];
    cr_assert_eq(failing_install(), 0);
    busy_table(&table);
    struct built built = table_build(&table);
    const clew_change change = {{"a", 1}, {"", 0}, 0.5};
    int failures[3] = {0};
    for (bool failed = true; failed; failures[0] += failed) {
        failing_begin(failures[0]);
        clew_critical_path *path = clew_critical_path_new(built.trace, NULL);
        failed = failing_end();
        cr_assert_eq(path == NULL, failed);
        clew_critical_path_free(path);
    }
    for (bool failed = true; failed; failures[1] += failed) {
        failing_begin(failures[1]);
        bool is_done = clew_leverage_of(built.trace, NULL, leverage);
        failed = failing_end();
        cr_assert_neq(is_done, failed);
    }
    for (bool failed = true; failed; failures[2] += failed) {
        failing_begin(failures[2]);
        bool is_done = clew_what_if(built.trace, NULL, &change, 1, out);
        failed = failing_end();
        cr_assert_neq(is_done, failed);
    }
    cr_expect(failures[0] > 8 && failures[1] > 8 && failures[2] > 8, "%d %d %d", failures[0], failures[1],
              failures[2]);
    build_free(&built);
    CLEW_NO_LEAKS();
}
