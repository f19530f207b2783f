/* What Jaeger says of recorded traces: the path that its user interface finds, the times that its statistics
 * show, and traces that it converted. Where we differ, the file stands in a table with the reason. */
#include "test/support.h"
#include "test/unit/analysis/maps.h"
#include "test/unit/analysis/recorded.h"
#include "test/unit/path/path_model.h"

#include <ftw.h>
#include <math.h>

#define FILES_MAX 2000

/* ---- every path ---- */

/* Children that end together on the path: Jaeger decides by the order of its input, we by length, then id. */
static const char *const with_ties[] = {
    "deathstarbench/traces-1695947455229.json",
    "jaeger-ui/TraceGraph/testTrace.json",
    "jaeger-ui/TraceStatistics/spanAmongEachOtherGroupedAndSpans.json",
    "jaeger-ui/TraceStatistics/spanLongerAsParent.json",
    "jaeger-ui/TraceStatistics/spansAmongEachOtherGrouped.json",
    "jaeger-ui/TraceStatistics/testTrace.json",
    "jaeger/memory/otel_traces_01.json",
};

/* Roots that name a parent that is not there: Jaeger's user interface finds no path and says nothing. */
static const char *const with_orphans[] = {
    "jaeger-ui/otlp/otlp2jaeger-in-error.json",
    "jaeger-ui/otlp/otlp2jaeger-in.json",
    "jaeger-ui/otlp/otlp2jaeger-out.json",
    "jaeger/memory/otel_traces_01.json",
    "jaeger/otlp2jaeger/otlp2jaeger-in.json",
    "jaeger/otlp2jaeger/otlp2jaeger-out.json",
    "otel-proto/trace.json",
};

static char *files[FILES_MAX];
static size_t file_count;

static int add_file(const char *path, const struct stat *info, int kind, struct FTW *place) {
    size_t root = strlen(recorded_root()), size = strlen(path);
    (void)info, (void)place;
    if (kind != FTW_F || strcmp(path + size - 3, ".md") == 0 || strstr(path, "/cases/"))
        return 0;
    cr_assert_lt(file_count, FILES_MAX);
    while (path[root] == '/')
        root++;
    files[file_count++] = strdup(path + root);
    return 0;
}

static void find_files(void) {
    cr_assert_eq(nftw(recorded_root(), add_file, 16, FTW_PHYS), 0);
    cr_assert_gt(file_count, 400);
}

static void forget_files(void) {
    for (size_t i = 0; i < file_count; i++)
        free(files[i]);
}

static bool is_among(const char *const *names, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static void expect_jaegers_path(const char *file, const clew_trace *trace, unsigned *met, bool *has_orphans) {
    clew_critical_path *path = clew_critical_path_new(trace, NULL);
    unsigned here = 0;
    cr_assert_not_null(path);
    const char *fault = path_fault(trace, path), *difference = jaeger_difference(trace, path, &here);
    cr_expect_null(fault, "%s: %s", file, fault);
    cr_expect_null(difference, "%s: %s", file, difference);
    *met |= here;
    *has_orphans |= clew_trace_repairs(trace, CLEW_REPAIR_MISSING_PARENT) > 0;
    clew_critical_path_free(path);
}

Test(jaeger, every_recorded_path_is_jaegers, .init = find_files, .fini = forget_files) {
    size_t traces = 0;
    for (size_t i = 0; i < file_count; i++) {
        clew_trace_buffer *buffer = recorded_read(files[i]);
        bool has_orphans = false;
        unsigned met = 0;
        for (const clew_trace *trace = clew_trace_buffer_next(buffer, NULL); trace;
             trace = clew_trace_buffer_next(buffer, trace), traces++)
            expect_jaegers_path(files[i], trace, &met, &has_orphans);
        cr_expect_eq(met & JAEGER_TIES, is_among(with_ties, COUNT(with_ties), files[i]), "%s: ties",
                     files[i]);
        cr_expect_eq(met & JAEGER_TOUCHES, 0, "%s: children that touch", files[i]);
        cr_expect_eq(has_orphans, is_among(with_orphans, COUNT(with_orphans), files[i]), "%s: orphans",
                     files[i]);
        clew_trace_buffer_free(buffer);
    }
    cr_expect_geq(traces, 486);
    CLEW_NO_LEAKS();
}

/* ---- the statistics ---- */

/* As the tests of the user interface expect them of these files (TraceStatistics/tableValues): hundredths of
 * a millisecond, rounded. Without an operation: of the whole service. */
static const struct statistics {
    const char *file, *service, *operation;
    double count, total, least, most, self, self_least, self_most, percent; /* 0: it does not say */
} statistics[] = {
    {"testTraceNormal", "api-gateway", NULL, 2, 740, 250, 490, 316, 76, 240, 64.52},
    {"testTraceNormal", "customers-service", NULL, 3, 181, 2, 174, 174, 2, 167, 35.48},
    {"testTraceNormal", "api-gateway", "GET /api/customer/owners/8/pets/10", 1, 490, 490, 490, 240, 240, 240,
     49.02},
    {"testTraceNormal", "api-gateway", "GET /owners/8/pets/10", 1, 250, 250, 250, 76, 76, 76, 15.5},
    {"testTraceNormal", "customers-service", "GET /owners/8/pets/10", 1, 174, 174, 174, 167, 167, 167, 33.99},
    {"testTraceNormal", "customers-service", "HikariProxyPreparedStatement.executeQuery", 2, 7, 2, 5, 7, 2, 5,
     1.49},
    {"spansAmongEachOther", "customers-service", "GET /owners", .self = 167},
    {"spansAmongEachOtherGrouped", "customers-service", "GET /owners", .self = 163},
    {"spanAmongEachOtherGroupedAndSpans", "customers-service", "GET /owners", .self = 156},
    {"spanLongerAsParent", "api-gateway", "GET /owners/8/pets/10", .self = 122},
    {"traceWithOverlappingChildrenLongerThanParent", "service-one", NULL, .self = 3},
    {"traceWithTwoNonOverlappingChildren", "service-one", NULL, .self = 3},
    {"traceWithOverlappingChildren", "service-one", NULL, .self = 0},
    {"traceWithSingleChildLongerThanParentAndStartsAfterParent", "service-one", NULL, .self = 4},
    {"traceWithThreeShortChildren", "service-one", NULL, .self = 1},
    {"traceWithTwoChildrenStartedAtTraceStart", "service-one", NULL, .self = 0},
};

static double hundredths(uint64_t nano) {
    return floor((double)nano / 10000 + 0.5);
}

static void put(struct statistics *found, uint64_t duration, uint64_t self) {
    found->least = found->count > 0 ? fmin(found->least, (double)duration) : (double)duration;
    found->self_least = found->count > 0 ? fmin(found->self_least, (double)self) : (double)self;
    found->most = fmax(found->most, (double)duration);
    found->self_most = fmax(found->self_most, (double)self);
    found->total += (double)duration;
    found->self += (double)self;
    found->count++;
}

static struct statistics find_statistics(const clew_trace *trace, const struct statistics *wanted) {
    clew_critical_path *path = clew_critical_path_new(trace, NULL);
    struct statistics found = {.count = 0};
    uint64_t start, end;
    for (uint32_t i = 0; i < path->span_count; i++) {
        clew_trace_span span;
        clew_trace_span_at(trace, i, &span);
        if (text_is(span.service, wanted->service) &&
            (!wanted->operation || text_is(span.operation, wanted->operation)))
            put(&found, path->spans[i].duration, path->spans[i].self);
    }
    clew_trace_bounds(trace, &start, &end);
    found.percent = floor(found.self * 10000 / (double)(end - start) + 0.5) / 100;
    clew_critical_path_free(path);
    return found;
}

static void expect_statistics(const struct statistics *wanted) {
    char name[RECORDED_PATH_SIZE];
    snprintf(name, sizeof name, "jaeger-ui/TraceStatistics/%s.json", wanted->file);
    clew_trace_buffer *buffer = recorded_read(name);
    struct statistics found = find_statistics(recorded_only(buffer), wanted);
    cr_assert_gt(found.count, 0, "%s: no %s", wanted->file, wanted->service);
#define SAME(member)                                                                                         \
    cr_expect(hundredths((uint64_t)found.member) == wanted->member, "%s, %s: " #member " %g, not %g",        \
              wanted->file, wanted->service, hundredths((uint64_t)found.member), wanted->member)
    SAME(self);
    if (wanted->count > 0) {
        cr_expect(found.count == wanted->count, "%s: count", wanted->file);
        cr_expect(fabs(found.percent - wanted->percent) < 1e-6, "%s, %s: %g %%, not %g", wanted->file,
                  wanted->service, found.percent, wanted->percent);
        SAME(total);
        SAME(least);
        SAME(most);
        SAME(self_least);
        SAME(self_most);
    }
#undef SAME
    clew_trace_buffer_free(buffer);
}

Test(jaeger, statistics_are_those_of_its_user_interface) {
    for (size_t i = 0; i < COUNT(statistics); i++)
        expect_statistics(&statistics[i]);
    CLEW_NO_LEAKS();
}

/* ---- conversions ---- */

/* One trace in several forms. */
static const char *const in_and_out[] = {
    "jaeger-ui/otlp/otlp2jaeger-in.json",
    "jaeger-ui/otlp/otlp2jaeger-out.json",
    "jaeger/otlp2jaeger/otlp2jaeger-in.json",
    "jaeger/otlp2jaeger/otlp2jaeger-out.json",
};
static const char *const lines_and_combined[] = {
    "jaeger-ui/otlp/otlp2jaeger-multi-in.json.txt",
    "jaeger-ui/otlp/otlp2jaeger-multi-in-combined.json",
};
static const char *const same_twice[] = {
    "jaeger-ui/TraceStatistics/testTrace.json",
    "jaeger-ui/TraceGraph/testTrace.json",
};

/* The trace, its path and its map, byte by byte. */
static char *print_all(clew_trace_buffer *buffer) {
    const clew_trace *trace = recorded_only(buffer);
    clew_critical_path *path = clew_critical_path_new(trace, NULL);
    clew_service_map *map = clew_service_map_new(NULL);
    char *all = NULL, *spans = build_print(trace), *segments = path_print(trace, path, true, 0, 1), *edges;
    cr_assert_eq(clew_service_map_add(map, trace, path), CLEW_OK);
    edges = map_print(clew_service_map_read(map));
    cr_assert_gt(asprintf(&all, "%s\n%s\n%s", spans, segments, edges), 0);
    free(spans);
    free(segments);
    free(edges);
    clew_service_map_free(map);
    clew_critical_path_free(path);
    clew_trace_buffer_free(buffer);
    return all;
}

static void expect_one_trace(const char *const *names, size_t count) {
    char *first = print_all(recorded_read(names[0]));
    for (size_t i = 1; i < count; i++) {
        char *other = print_all(recorded_read(names[i]));
        cr_expect_str_eq(first, other, "%s:\n%s\n%s:\n%s", names[0], first, names[i], other);
        free(other);
    }
    free(first);
}

Test(jaeger, forms_of_one_trace_are_read_as_one_trace) {
    expect_one_trace(in_and_out, COUNT(in_and_out));
    expect_one_trace(lines_and_combined, COUNT(lines_and_combined));
    expect_one_trace(same_twice, COUNT(same_twice));
    CLEW_NO_LEAKS();
}

/* Jaeger's microseconds: the last three digits of all times become 0. The starts of this file have none. */
static char *in_microseconds(const char *name, size_t *size) {
    char path[RECORDED_PATH_SIZE];
    snprintf(path, sizeof path, "%s/%s", recorded_root(), name);
    FILE *file = fopen(path, "r");
    char *text = NULL;
    size_t room = 0;
    cr_assert_not_null(file);
    cr_assert_gt(getdelim(&text, &room, '\0', file), 0);
    fclose(file);
    for (char *at = text; (at = strstr(at, "UnixNano\"")) != NULL;) {
        at = strchr(at + sizeof "UnixNano\"", '"') + 1;
        size_t digits = strspn(at, "0123456789");
        cr_assert_eq(digits, 19);
        memcpy(at + digits - 3, "000", 3);
    }
    *size = strlen(text);
    return text;
}

Test(jaeger, converted_trace_is_the_same_to_the_microsecond) {
    size_t size;
    char *text = in_microseconds(lines_and_combined[1], &size);
    clew_trace_buffer *buffer = clew_trace_buffer_new(NULL);
    const struct clew__input_sink sink = {recorded_keep, buffer};
    FILE *stream = fmemopen(text, size, "r");
    cr_assert(clew__input_read(stream, "truncated", &sink, stderr));
    fclose(stream);
    free(text);
    clew_trace_buffer_flush(buffer);
    char *ours = print_all(buffer),
         *theirs = print_all(recorded_read("jaeger-ui/otlp/oltp2jaeger-multi-out.json"));
    cr_expect_str_eq(ours, theirs, "%s\n%s", ours, theirs);
    free(ours);
    free(theirs);
    CLEW_NO_LEAKS();
}

/* ---- files in which nobody says what is expected ---- */

/* Beyond that they are read and have Jaeger's path. What we find stands here, so that a change is seen. */
static const struct silent {
    const char *file;
    uint32_t traces, spans, roots, segments;
} silent[] = {
    {"jaeger-ui/TraceFlamegraph/testTrace.json", 1, 4, 1, 7},
    {"jaeger-ui/TraceGraph/testTrace.json", 1, 11, 1, 16},
    {"jaeger-ui/TraceStatistics/testTrace.json", 1, 11, 1, 16},
    {"jaeger-ui/TraceStatistics/traceWithMultipleSpansWithTheSameValueInDifferentTags.json", 1, 4, 4, 4},
    {"jaeger-ui/TraceStatistics/traceWithThreeShortOverlappingChildren.json", 1, 4, 1, 3},
    {"jaeger-ui/genai/genaiTestTrace.json", 1, 57, 1, 4},
    {"jaeger-ui/otlp/otlp2jaeger-in-error.json", 1, 1, 1, 1},
    {"jaeger/integration/example_trace.json", 1, 5, 5, 5},
    {"jaeger/integration/link_attributes_trace.json", 1, 1, 1, 1},
    {"jaeger/integration/log_tags_trace.json", 1, 1, 1, 1},
    {"jaeger/integration/multi_spot_tags_trace.json", 1, 1, 1, 1},
    {"jaeger/integration/scope_attributes_trace.json", 1, 1, 1, 1},
    {"jaeger/memory/otel_traces_01.json", 2, 5, 3, 3},
    {"otel-proto/trace.json", 1, 1, 1, 1},
};

Test(jaeger, what_has_no_expectations_stays_as_it_is) {
    for (size_t i = 0; i < COUNT(silent); i++) {
        clew_trace_buffer *buffer = recorded_read(silent[i].file);
        struct silent found = {silent[i].file, 0, 0, 0, 0};
        for (const clew_trace *trace = clew_trace_buffer_next(buffer, NULL); trace;
             trace = clew_trace_buffer_next(buffer, trace)) {
            clew_critical_path *path = clew_critical_path_new(trace, NULL);
            found.traces++;
            found.spans += path->span_count;
            found.roots += path->root_count;
            found.segments += path->segment_count;
            clew_critical_path_free(path);
        }
        cr_expect(found.traces == silent[i].traces && found.spans == silent[i].spans &&
                      found.roots == silent[i].roots && found.segments == silent[i].segments,
                  "{\"%s\", %u, %u, %u, %u},", found.file, found.traces, found.spans, found.roots,
                  found.segments);
        clew_trace_buffer_free(buffer);
    }
    CLEW_NO_LEAKS();
}

static bool is_told(const char *file) {
    for (size_t i = 0; i < COUNT(silent); i++)
        if (strcmp(silent[i].file, file) == 0)
            return true;
    for (size_t i = 0; i < COUNT(statistics); i++)
        if (strstr(file, "/TraceStatistics/") && strstr(file, statistics[i].file))
            return true;
    return is_among(in_and_out, COUNT(in_and_out), file) ||
           is_among(lines_and_combined, COUNT(lines_and_combined), file) ||
           strcmp(file, "jaeger-ui/otlp/oltp2jaeger-multi-out.json") == 0;
}

Test(jaeger, every_file_has_expectations_or_is_named_as_having_none, .init = find_files,
     .fini = forget_files) {
    for (size_t i = 0; i < file_count; i++)
        if (strncmp(files[i], "jaeger", 6) == 0 || strncmp(files[i], "otel-proto", 10) == 0)
            cr_expect(is_told(files[i]), "%s", files[i]);
}
