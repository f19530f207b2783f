/* The service map: each rule by an example, limits, and memory that runs out. */
#include "test/failing.h"
#include "test/support.h"
#include "test/unit/analysis/map_cases.h"
#include "test/unit/analysis/maps.h"

#include <stdio.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static clew_service_map *map_of(const struct build_span *spans, size_t count) {
    struct traces traces = traces_of(spans, count, NULL);
    clew_service_map *map = clew_service_map_new(NULL);
    cr_assert_not_null(map);
    for (size_t i = 0; i < traces.count; i++)
        cr_assert_eq(clew_service_map_add(map, traces.traces[i].trace, NULL), CLEW_OK);
    traces_free(&traces);
    return map;
}
#define MAP(spans) map_of(spans, COUNT(spans))

static bool is_text(clew_text text, const char *wanted) {
    return text.size == strlen(wanted) && memcmp(text.data, wanted, text.size) == 0;
}

static const clew_map_edge *find_edge(const clew_map_report *report, const char *client, const char *server,
                                      clew_edge_type type) {
    for (size_t i = 0; i < report->edge_count; i++) {
        const clew_map_edge *edge = &report->edges[i];
        if (is_text(edge->client, client) && is_text(edge->server, server) && edge->type == type)
            return edge;
    }
    return NULL;
}

/* Whether a sketch has just this one sample; 0: it is absent. */
static bool is_sample(const clew_sketch *sketch, uint64_t nano) {
    uint64_t min = 0, max = 0;
    if (nano == 0)
        return sketch == NULL;
    return sketch && clew_sketch_observations(sketch) == 1 && clew_sketch_min(sketch, &min) &&
           clew_sketch_max(sketch, &max) && min == nano && max == nano;
}

/* ---- the vectors ---- */

static void expect_edge(const struct map_case *at, const clew_map_report *report,
                        const struct map_case_edge *wanted) {
    const clew_map_edge *edge = find_edge(report, wanted->client, wanted->server, wanted->type);
    cr_assert_not_null(edge, "%s: no edge %s > %s", at->name, wanted->client, wanted->server);
    cr_expect_eq(edge->calls, wanted->calls, "%s: calls", at->name);
    cr_expect_eq(edge->errors, wanted->errors, "%s: errors", at->name);
    if (wanted->says_sides) {
        cr_expect_eq(edge->client_errors, wanted->client_errors, "%s: client errors", at->name);
        cr_expect_eq(edge->server_errors, wanted->server_errors, "%s: server errors", at->name);
    }
    cr_expect_eq(edge->indirect, wanted->is_indirect, "%s: indirect", at->name);
    if (wanted->says & SAYS_CLIENT)
        cr_expect(is_sample(edge->client_latency, wanted->client_us * 1000), "%s: client", at->name);
    if (wanted->says & SAYS_SERVER)
        cr_expect(is_sample(edge->server_latency, wanted->server_us * 1000), "%s: server", at->name);
    if (wanted->says & SAYS_LAG)
        cr_expect(is_sample(edge->lag, wanted->lag_us * 1000), "%s: lag", at->name);
}

static void expect_case(const struct map_case *at) {
    struct build_span spans[COUNT(at->spans)];
    size_t span_count = 0, edge_count = 0;
    for (; span_count < COUNT(at->spans) && at->spans[span_count].id; span_count++) {
        spans[span_count] = at->spans[span_count];
        spans[span_count].start *= 1000;
        spans[span_count].end *= 1000;
    }
    clew_service_map *map = map_of(spans, span_count);
    const clew_map_report *report = clew_service_map_read(map);
    cr_assert_not_null(report);
    for (; edge_count < COUNT(at->edges) && at->edges[edge_count].client; edge_count++)
        expect_edge(at, report, &at->edges[edge_count]);
    cr_expect_eq(report->edge_count, edge_count, "%s: %zu edges", at->name, report->edge_count);
    cr_expect_eq(report->unpaired_in, at->unpaired_in, "%s: unpaired in", at->name);
    cr_expect_eq(report->unpaired_out, at->unpaired_out, "%s: unpaired out", at->name);
    clew_service_map_free(map);
}

Test(map, draws_what_the_vectors_expect) {
    cr_assert_eq(COUNT(map_cases), 23);
    for (size_t i = 0; i < COUNT(map_cases); i++)
        expect_case(&map_cases[i]);
    CLEW_NO_LEAKS();
}
