/* The vectors of service maps in test/cases: everything that they state. */
#include "test/support.h"
#include "test/unit/analysis/document.h"
#include "test/unit/analysis/maps.h"

#include <math.h>
#include <stdlib.h>

#define MICROSECOND UINT64_C(1000)
#define MILLISECOND 1e6

static const char *text_or_null(const struct document *object, const char *key) {
    const struct document *found = document_find(object, key);
    return found && found->kind == DOCUMENT_TEXT ? found->text : NULL;
}

static clew_span_kind kind_of(const char *name) {
    static const char *const kinds[] = {"INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"};
    for (size_t i = 0; name && i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(name, kinds[i]) == 0)
            return (clew_span_kind)(i + 1);
    cr_assert(!name, "%s is no kind", name);
    return (clew_span_kind)0;
}

static struct build_span span_of(const struct document *from) {
    const struct document *attributes = document_find(from, "attributes"),
                          *links = document_find(from, "links");
    struct build_span span = {.trace = text_or_null(from, "trace"),
                              .id = text_or_null(from, "id"),
                              .parent = text_or_null(from, "parent"),
                              .kind = kind_of(text_or_null(from, "kind")),
                              .service = text_or_null(from, "service"),
                              .start = document_number(from, "start_us") * MICROSECOND,
                              .end = document_number(from, "end_us") * MICROSECOND,
                              .tracestate = text_or_null(from, "tracestate"),
                              .status =
                                  document_number(from, "error") ? CLEW_STATUS_ERROR : CLEW_STATUS_UNSET};
    for (size_t i = 0; attributes && i < attributes->count; i++) {
        cr_assert_lt(i, BUILD_ATTRIBUTES);
        span.attributes[i][0] = attributes->members[i].key;
        span.attributes[i][1] = attributes->members[i].text;
    }
    for (size_t i = 0; links && i < links->count; i++) {
        cr_assert_lt(i, sizeof span.links / sizeof *span.links);
        span.links[i] = (struct build_link){.trace = links->members[i].members[0].text,
                                            .id = links->members[i].members[1].text};
    }
    return span;
}

static clew_service_map *map_of(const struct document *spans) {
    struct build_span *table = calloc(spans->count, sizeof *table);
    clew_service_map *map = clew_service_map_new(NULL);
    cr_assert(table && map);
    for (size_t i = 0; i < spans->count; i++)
        table[i] = span_of(&spans->members[i]);
    struct traces traces = traces_of(table, spans->count, NULL);
    for (size_t i = 0; i < traces.count; i++)
        cr_assert_eq(clew_service_map_add(map, traces.traces[i].trace, NULL), CLEW_OK);
    traces_free(&traces);
    free(table);
    return map;
}

static bool is_text(clew_text text, const char *wanted) {
    return text.size == strlen(wanted) && memcmp(text.data, wanted, text.size) == 0;
}

static const clew_map_edge *find_edge(const clew_map_report *report, const struct document *wanted) {
    for (size_t i = 0; i < report->edge_count; i++) {
        const clew_map_edge *edge = &report->edges[i];
        if (is_text(edge->client, document_text(wanted, "client")) &&
            is_text(edge->server, document_text(wanted, "server")) &&
            strcmp(clew_edge_type_name(edge->type), document_text(wanted, "type")) == 0)
            return edge;
    }
    return NULL;
}

static void expect_number(const char *name, const struct document *wanted, const char *key, uint64_t found) {
    if (document_find(wanted, key))
        cr_expect_eq(found, document_number(wanted, key), "%s: %s is %d", name, key, (int)found);
}

/* A list of samples, of which the vectors have one or none: milliseconds. */
static void expect_samples(const char *name, const struct document *wanted, const char *key,
                           const clew_sketch *sketch) {
    const struct document *samples = document_find(wanted, key);
    uint64_t min = 0, max = 0;
    if (!samples)
        return;
    cr_assert_leq(samples->count, 1);
    cr_expect_eq(sketch ? clew_sketch_observations(sketch) : 0, samples->count, "%s: %s", name, key);
    if (samples->count == 0 || !sketch)
        return;
    uint64_t nano = (uint64_t)llround(samples->members[0].number * MILLISECOND);
    cr_expect(clew_sketch_min(sketch, &min) && clew_sketch_max(sketch, &max) && min == nano && max == nano,
              "%s: %s", name, key);
}

/* The only flag that there is. */
static bool says_indirect(const struct document *wanted) {
    const struct document *flags = document_find(wanted, "flags");
    for (size_t i = 0; flags && i < flags->count; i++)
        cr_assert_str_eq(flags->members[i].text, "indirect");
    return flags && flags->count > 0;
}

static void expect_edge(const char *name, const clew_map_report *report, const struct document *wanted) {
    const clew_map_edge *edge = find_edge(report, wanted);
    cr_assert_not_null(edge, "%s: no edge %s > %s", name, document_text(wanted, "client"),
                       document_text(wanted, "server"));
    expect_number(name, wanted, "calls", edge->calls);
    expect_number(name, wanted, "errors", edge->errors);
    expect_number(name, wanted, "client_errors", edge->client_errors);
    expect_number(name, wanted, "server_errors", edge->server_errors);
    expect_samples(name, wanted, "client_ms", edge->client_latency);
    expect_samples(name, wanted, "server_ms", edge->server_latency);
    expect_samples(name, wanted, "lag_ms", edge->lag);
    cr_expect_eq(edge->indirect > 0, says_indirect(wanted), "%s: indirect", name);
}

Test(map_cases, every_map_is_as_expected) {
    struct document document = document_read("service_map_otel_cases.json");
    const struct document *cases = document_find(&document, "cases");
    cr_assert_eq(cases->count, 23);
    for (size_t i = 0; i < cases->count; i++) {
        const struct document *one = &cases->members[i], *edges = document_find(one, "ours");
        const struct document *unresolved = document_find(one, "unresolved");
        const char *name = document_text(one, "name");
        clew_service_map *map = map_of(document_find(one, "spans"));
        const clew_map_report *report = clew_service_map_read(map);
        cr_assert_not_null(report);
        for (size_t k = 0; k < edges->count; k++)
            expect_edge(name, report, &edges->members[k]);
        cr_expect_eq(report->edge_count, edges->count, "%s: %zu edges", name, report->edge_count);
        cr_expect_eq(report->unpaired_in, unresolved ? document_number(unresolved, "unpaired_in") : 0, "%s",
                     name);
        cr_expect_eq(report->unpaired_out, unresolved ? document_number(unresolved, "unpaired_out") : 0, "%s",
                     name);
        clew_service_map_free(map);
    }
    document_free(&document);
    CLEW_NO_LEAKS();
}

/* ---- what their notes say ---- */

static clew_service_map *map_named(const char *name) {
    struct document document = document_read("service_map_otel_cases.json");
    const struct document *cases = document_find(&document, "cases");
    clew_service_map *map = NULL;
    for (size_t i = 0; i < cases->count; i++)
        if (strcmp(document_text(&cases->members[i], "name"), name) == 0)
            map = map_of(document_find(&cases->members[i], "spans"));
    document_free(&document);
    cr_assert_not_null(map, "no case %s", name);
    return map;
}

struct samples {
    uint64_t client, server, gap, skewed;
};

static struct samples samples_of(const char *name) {
    clew_service_map *map = map_named(name);
    const clew_map_report *report = clew_service_map_read(map);
    struct samples samples = {0};
    for (size_t i = 0; i < report->edge_count; i++) {
        samples.client += clew_sketch_observations(report->edges[i].client_latency);
        samples.server += clew_sketch_observations(report->edges[i].server_latency);
        samples.gap += clew_sketch_observations(report->edges[i].gap);
        samples.skewed += report->edges[i].skewed;
    }
    clew_service_map_free(map);
    return samples;
}

Test(map_cases, server_that_took_longer_than_its_client_is_skewed_and_has_no_gap) {
    struct samples samples = samples_of("pair_same_service");
    cr_expect_eq(samples.skewed, 1);
    cr_expect_eq(samples.gap, 0);
    CLEW_NO_LEAKS();
}

Test(map_cases, every_client_and_every_server_has_one_sample_in_all) {
    struct samples samples = samples_of("fan_out_three_consumers");
    cr_expect_eq(samples.client, 1);
    cr_expect_eq(samples.server, 3);
    samples = samples_of("batch_consumer_two_links");
    cr_expect_eq(samples.client, 2);
    cr_expect_eq(samples.server, 1);
    CLEW_NO_LEAKS();
}

Test(map_cases, weight_of_a_call_is_that_of_its_threshold) {
    static const struct {
        const char *tracestate;
        uint64_t calls;
    } weights[] = {{"ot=th:8", 2}, {"ot=th:c", 4}, {"ot=th:0", 1}, {NULL, 1}};
    for (size_t i = 0; i < sizeof weights / sizeof *weights; i++) {
        const struct build_span spans[] = {
            {.id = "c",
             .kind = CLEW_CLIENT,
             .service = "a",
             .start = 1,
             .end = 9,
             .tracestate = weights[i].tracestate},
            {.id = "d", .parent = "c", .kind = CLEW_SERVER, .service = "b", .start = 2, .end = 8},
        };
        struct traces traces = traces_of(spans, 2, NULL);
        clew_service_map *map = clew_service_map_new(NULL);
        cr_assert_eq(clew_service_map_add(map, traces.traces[0].trace, NULL), CLEW_OK);
        cr_expect_eq(clew_service_map_read(map)->edges[0].calls, weights[i].calls, "%s",
                     weights[i].tracestate);
        clew_service_map_free(map);
        traces_free(&traces);
    }
    CLEW_NO_LEAKS();
}
