/* Service maps for people. Keeps nothing; one thread. */
#include "collector-bridge/report/map.h"

#include "collector-bridge/report/line.h"
#include "collector-bridge/report/number.h"
#include "collector-bridge/report/table.h"

#include <inttypes.h>
#include <stdio.h>

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
        {.title = "on path", .is_right = true},
    };
    struct clew__table table = clew__table_begin(columns, sizeof columns / sizeof columns[0]);
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
        put_path_share(&table, edge->path_share);
    }
    clew__table_end(&table, out, style);
    clew__rows_rest(out, style, map->edge_count, limit);
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
    uint64_t critical = 0;
    for (size_t i = 0; i < map->node_count; i++)
        critical += map->nodes[i].critical_nano;
    for (size_t i = 0; i < clew__rows_shown(map->node_count, limit); i++) {
        const clew_map_node *node = &map->nodes[i];
        clew__table_name(&table, clew__palette_mark(palette, node->service), node->service);
        clew__table_count(&table, NULL, node->calls);
        clew__table_rate(&table, node->calls, seconds_of(map));
        clew__table_errors(&table, node->errors, node->calls);
        clew__table_duration(&table, NULL, node->self_nano);
        clew__table_duration(&table, NULL, node->critical_nano);
        clew__table_share(&table, node->critical_nano >= critical / 2 && critical ? CLEW__BOLD : NULL,
                          node->critical_nano, critical);
    }
    clew__table_end(&table, out, style);
    clew__rows_rest(out, style, map->node_count, limit);
}

static void note(struct clew__writer *out, const struct clew__style *style, uint64_t count,
                 const char *what) {
    struct clew__sentence sentence;
    if (!count)
        return;
    sentence = clew__sentence_begin(style);
    clew__say(&sentence, "%" PRIu64 " %s", count, what);
    clew__sentence_end(&sentence, out, CLEW__DIM, 2);
}

void clew__report_map(struct clew__writer *out, const struct clew__style *style,
                      struct clew__palette *palette, const clew_map_report *map, uint32_t limit) {
    struct clew__sentence sentence = clew__sentence_begin(style);
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
    note(out, style, map->unpaired_in, "incoming spans belong to no call: nothing says who called.");
    note(out, style, map->unpaired_out,
         "outgoing spans belong to no call: they name no peer, and no other service's span answers them.");
    note(out, style, map->skewed,
         "calls whose two clocks contradict each other: their gaps are not counted.");
    note(out, style, map->overflowed, "calls beyond the limits are counted for `(other)`.");
    note(out, style, map->lost, "spans are missing because memory ran out.");
}
