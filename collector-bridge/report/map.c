/* Service maps for people. Keeps nothing; one thread. */
#include "collector-bridge/report/map.h"

#include "collector-bridge/report/line.h"
#include "collector-bridge/report/number.h"
#include "collector-bridge/report/table.h"

#include <clew/extend.h>
#include <inttypes.h>
#include <stdlib.h>

#define PATH_MARKED 0.5 /* edges on the critical path of so many traces are marked */

const clew_sketch *clew__edge_latency(const clew_map_edge *edge) {
    return edge->client_latency ? edge->client_latency : edge->server_latency;
}

/* 0, for no rates, of a single trace: it says nothing of how often there is one. */
static double seconds_of(const clew_map_report *map) {
    return map->traces < 2 ? 0 : (double)(map->end_unix_nano - map->start_unix_nano) / 1e9;
}

static void put_path_share(struct clew__table *table, double share) {
    char text[CLEW__NUMBER_SIZE];
    clew__share_text((uint64_t)(share * 1e6 + 0.5), 1000000, text);
    clew__table_put(table, share >= PATH_MARKED ? CLEW__BOLD : NULL, share > 0 ? text : "");
}

/* All time of critical paths: what shares are of. */
static uint64_t critical_of(const clew_map_report *map) {
    uint64_t total = map->missing_nano + map->unattributed_gap_nano;
    for (size_t i = 0; i < map->node_count; i++)
        total += map->nodes[i].critical_nano;
    for (size_t i = 0; i < map->edge_count; i++)
        total += map->edges[i].critical_gap_nano;
    return total;
}

/* The slowest call, of those that failed where some did; NULL: of one trace there is nothing to choose. */
static void put_example(struct clew__table *table, const clew_map_example *example) {
    static const char digits[] = "0123456789abcdef";
    char text[2 * sizeof example->trace_id];
    if (!example || !example->is_there) {
        clew__table_put(table, NULL, "");
        return;
    }
    for (size_t i = 0; i < sizeof example->trace_id; i++) {
        text[2 * i] = digits[example->trace_id[i] >> 4];
        text[2 * i + 1] = digits[example->trace_id[i] & 15];
    }
    clew__table_id(table, (clew_text){text, sizeof text});
}

static void edges_table(struct clew__writer *out, const struct clew__style *style,
                        struct clew__palette *palette, const clew_map_report *map, uint32_t limit) {
    static const struct clew__column columns[] = {
        {.title = "client", .is_flexible = true},
        {.title = "server", .is_flexible = true},
        {.title = "type"},
        {.title = "calls", .is_right = true},
        {.title = "rate", .is_right = true, .is_minor = true},
        {.title = "errors", .is_right = true},
        {.title = "p50", .is_right = true},
        {.title = "p95", .is_right = true},
        {.title = "p99", .is_right = true, .is_minor = true},
        {.title = "gap p95", .is_right = true, .is_minor = true},
        {.title = "gap share", .is_right = true, .is_minor = true},
        {.title = "on path", .is_right = true},
        {.title = "example", .is_minor = true},
    };
    struct clew__table table = clew__table_begin(columns, sizeof columns / sizeof columns[0]);
    uint64_t total = critical_of(map);
    for (size_t i = 0; i < clew__rows_shown(map->edge_count, limit); i++) {
        const clew_map_edge *edge = &map->edges[i];
        const clew_sketch *latency = clew__edge_latency(edge);
        clew__table_name(&table, clew__palette_mark(palette, edge->client), edge->client);
        clew__table_name(&table, clew__palette_mark(palette, edge->server), edge->server);
        clew__table_put(&table, CLEW__DIM, clew_edge_type_name(edge->type));
        clew__table_count(&table, NULL, edge->calls);
        clew__table_rate(&table, edge->calls, seconds_of(map));
        clew__table_errors(&table, edge->errors, edge->calls);
        clew__table_quantile(&table, latency, 0.5);
        clew__table_quantile(&table, latency, 0.95);
        clew__table_quantile(&table, latency, 0.99);
        clew__table_quantile(&table, edge->gap ? edge->gap : edge->lag, 0.95);
        if (edge->critical_gap_nano)
            clew__table_share(&table, NULL, edge->critical_gap_nano, total);
        else
            clew__table_put(&table, NULL, "");
        put_path_share(&table, edge->path_share);
        put_example(&table, map->traces > 1 ? (edge->errors ? &edge->slowest_failed : &edge->slowest) : NULL);
    }
    clew__table_end(&table, out, style);
    clew__rows_rest(out, style, map->edge_count, limit);
}

/* The most critical first, then by name. */
static int compare_nodes(const void *left, const void *right) {
    const clew_map_node *a = *(const clew_map_node *const *)left, *b = *(const clew_map_node *const *)right;
    if (a->critical_nano != b->critical_nano)
        return a->critical_nano > b->critical_nano ? -1 : 1;
    return (a > b) - (a < b);
}

/* Nodes that are called; who only calls is told by the calls. NULL when memory runs out. */
static const clew_map_node **called_nodes(const clew_map_report *map, size_t *count) {
    const clew_map_node **nodes = clew_memory_allocate((map->node_count + 1) * sizeof *nodes);
    *count = 0;
    for (size_t i = 0; nodes && i < map->node_count; i++)
        if (!map->nodes[i].is_virtual || map->nodes[i].calls)
            nodes[(*count)++] = &map->nodes[i];
    if (nodes)
        qsort(nodes, *count, sizeof *nodes, compare_nodes);
    return nodes;
}

static void nodes_table(struct clew__writer *out, const struct clew__style *style,
                        struct clew__palette *palette, const clew_map_report *map, uint32_t limit) {
    static const struct clew__column columns[] = {
        {.title = "service", .is_flexible = true},
        {.title = "calls", .is_right = true},
        {.title = "rate", .is_right = true, .is_minor = true},
        {.title = "errors", .is_right = true},
        {.title = "self", .is_right = true},
        {.title = "critical", .is_right = true},
        {.title = "share", .is_right = true},
    };
    struct clew__table table = clew__table_begin(columns, sizeof columns / sizeof columns[0]);
    uint64_t total = critical_of(map);
    size_t count;
    const clew_map_node **nodes = called_nodes(map, &count);
    for (size_t i = 0; i < clew__rows_shown(count, limit); i++) {
        const clew_map_node *node = nodes[i];
        clew__table_name(&table, clew__palette_mark(palette, node->service), node->service);
        clew__table_count(&table, NULL, node->calls);
        clew__table_rate(&table, node->calls, seconds_of(map));
        clew__table_errors(&table, node->errors, node->calls);
        if (node->is_virtual) { /* nobody measured it */
            clew__table_put(&table, NULL, "");
            clew__table_put(&table, NULL, "");
            clew__table_put(&table, NULL, "");
            continue;
        }
        clew__table_duration(&table, NULL, node->self_nano);
        clew__table_duration(&table, NULL, node->critical_nano);
        clew__table_share(&table, i == 0 ? CLEW__BOLD : NULL, node->critical_nano, total);
    }
    clew__table_end(&table, out, style);
    clew__rows_rest(out, style, count, limit);
    if (!nodes)
        out->failed = true;
    clew_memory_release(nodes);
}

static void note(struct clew__writer *out, const struct clew__style *style, uint64_t count, const char *one,
                 const char *many) {
    struct clew__sentence sentence;
    if (!count)
        return;
    sentence = clew__sentence_begin(style);
    clew__say(&sentence, "%" PRIu64 " %s", count, count == 1 ? one : many);
    clew__sentence_end(&sentence, out, CLEW__DIM, 2);
}

void clew__report_map(struct clew__writer *out, const struct clew__style *style,
                      struct clew__palette *palette, const clew_map_report *map, uint32_t limit) {
    struct clew__sentence sentence;
    if (!map->spans) {
        clew__write_text(out, "No spans.\n");
        return;
    }
    sentence = clew__sentence_begin(style);
    if (!style->colours)
        palette = NULL;
    clew__say(&sentence, "%" PRIu64 " trace%s, %" PRIu64 " span%s, ", map->traces,
              map->traces == 1 ? "" : "s", map->spans, map->spans == 1 ? "" : "s");
    clew__say_duration(&sentence, map->end_unix_nano - map->start_unix_nano);
    clew__say(&sentence, " from first to last.");
    clew__sentence_end(&sentence, out, NULL, 0);
    clew__heading(out, style, false, "Calls");
    edges_table(out, style, palette, map, limit);
    clew__heading(out, style, false, "Services");
    nodes_table(out, style, palette, map, limit);
    if (map->unpaired_in || map->unpaired_out || map->skewed || map->overflowed || map->lost)
        clew__write_text(out, "\n");
    note(out, style, map->unpaired_in, "call came in from nobody known.", "calls came in from nobody known.");
    note(out, style, map->unpaired_out,
         "outgoing span found no other side: it wraps another call, or who was called sends no spans.",
         "outgoing spans found no other side: they wrap other calls, or who was called sends no spans.");
    note(out, style, map->skewed, "call whose two clocks contradict each other: its gap is not counted.",
         "calls whose two clocks contradict each other: their gaps are not counted.");
    note(out, style, map->overflowed, "call beyond the limits is counted for `(other)`.",
         "calls beyond the limits are counted for `(other)`.");
    note(out, style, map->lost, "span is missing because memory ran out.",
         "spans are missing because memory ran out.");
}
