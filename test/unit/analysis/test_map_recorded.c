/* The service map and the table of operations of traces that other people's systems recorded, from the folder
 * that CLEW_TEST_TRACES names. */
#include "collector-bridge/files/input.h"
#include "test/support.h"
#include "test/unit/analysis/maps.h"

#include <clew/analysis.h>

#include <stdio.h>
#include <stdlib.h>

#define PATH_SIZE 1024

static bool keep(void *user, const void *traces, size_t size) {
    return clew_trace_buffer_add(user, (clew_bytes){traces, size}, 1) == CLEW_OK;
}

static clew_trace_buffer *read_folder(const char *folder) {
    const char *root = getenv("CLEW_TEST_TRACES");
    char path[PATH_SIZE];
    if (!root || !*root)
        cr_skip_test("CLEW_TEST_TRACES names no folder of recorded traces");
    snprintf(path, sizeof path, "%s/%s", root, folder);
    clew_trace_buffer *buffer = clew_trace_buffer_new(NULL);
    const struct clew__input_sink sink = {keep, buffer};
    cr_assert(clew__input_read_path(path, &sink, stderr), "%s", path);
    clew_trace_buffer_flush(buffer);
    return buffer;
}

struct results {
    clew_service_map *map;
    clew_operations *operations;
    uint64_t path_time;
};

static struct results analyse(clew_trace_buffer *buffer) {
    struct results results = {clew_service_map_new(NULL), clew_operations_new(NULL), 0};
    for (const clew_trace *trace = clew_trace_buffer_next(buffer, NULL); trace;
         trace = clew_trace_buffer_next(buffer, trace)) {
        clew_critical_path *path = clew_critical_path_new(trace, NULL);
        cr_assert_not_null(path);
        for (uint32_t i = 0; i < path->root_count; i++)
            results.path_time += path->roots[i].end_unix_nano - path->roots[i].start_unix_nano;
        cr_assert_eq(clew_service_map_add(results.map, trace, path), CLEW_OK);
        cr_assert_eq(clew_operations_add(results.operations, trace, path), CLEW_OK);
        clew_critical_path_free(path);
    }
    return results;
}

static void results_free(struct results *results) {
    clew_service_map_free(results->map);
    clew_operations_free(results->operations);
}

/* Every span and every nanosecond of the paths is somewhere. */
static void expect_sums(const struct results *results, const clew_trace_buffer *buffer) {
    const clew_map_report *map = clew_service_map_read(results->map);
    const clew_operations_report *operations = clew_operations_read(results->operations);
    uint64_t told = map->missing_nano + map->unattributed_gap_nano;
    for (size_t i = 0; i < map->node_count; i++)
        told += map->nodes[i].critical_nano;
    for (size_t i = 0; i < map->edge_count; i++)
        told += map->edges[i].critical_gap_nano;
    cr_assert_eq(told, results->path_time);
    cr_assert_eq(operations->total.critical_nano + map->missing_nano, results->path_time);
    cr_assert_eq(map->in.spans, map->in.paired + map->in.one_sided + map->in.unpaired);
    cr_assert_eq(map->out.spans, map->out.paired + map->out.one_sided + map->out.unpaired);
    cr_assert_eq(map->spans, operations->total.spans);
    cr_assert_leq(map->spans, clew_trace_buffer_get_stats(buffer).spans_in);
    cr_assert_eq(map->lost, 0);
}

static void expect_hotel(const char *folder) {
    clew_trace_buffer *buffer = read_folder(folder);
    struct results results = analyse(buffer);
    const clew_map_report *map = clew_service_map_read(results.map);
    expect_sums(&results, buffer);
    cr_assert_eq(map->edge_count, 6);
    cr_assert_gt(map->traces, 0);
    for (size_t i = 0; i < map->edge_count; i++)
        cr_assert_eq(map->edges[i].calls, map->traces, "%.*s", (int)map->edges[i].server.size,
                     map->edges[i].server.data);
    cr_assert_eq(map->in.paired, 5 * map->traces);
    cr_assert_eq(map->out.paired, 5 * map->traces);
    cr_assert_eq(map->unpaired_in + map->unpaired_out, 0);
    results_free(&results);
    clew_trace_buffer_free(buffer);
}

Test(map_recorded, the_hotel_has_six_edges_with_a_call_in_each_trace) {
    expect_hotel("hotel/hotel_load25");
    expect_hotel("hotel/hotel_load75");
    CLEW_NO_LEAKS();
}

/* Its spans have no kind. */
Test(map_recorded, the_social_network_has_eleven_edges) {
    clew_trace_buffer *buffer = read_folder("deathstarbench");
    struct results results = analyse(buffer);
    const clew_map_report *map = clew_service_map_read(results.map);
    expect_sums(&results, buffer);
    cr_assert_eq(map->traces, 20);
    cr_assert_eq(map->edge_count, 11, "%zu", map->edge_count);
    results_free(&results);
    clew_trace_buffer_free(buffer);
    CLEW_NO_LEAKS();
}

Test(map_recorded, of_all_traces_every_nanosecond_is_somewhere) {
    static const char *const folders[] = {"crisp", "jaeger", "jaeger-ui", "otel-proto"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        clew_trace_buffer *buffer = read_folder(folders[i]);
        struct results results = analyse(buffer);
        expect_sums(&results, buffer);
        results_free(&results);
        clew_trace_buffer_free(buffer);
    }
    CLEW_NO_LEAKS();
}
