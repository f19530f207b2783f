/* Service maps for Graphviz. Keeps nothing; any thread. */
#include "collector-bridge/report/line.h"
#include "collector-bridge/report/map.h"
#include "collector-bridge/report/number.h"
#include "collector-bridge/report/printable.h"

#include <stdio.h>

#define WIDTH_MAX 6.0 /* of a line, in points */

/* In a quoted string of DOT a backslash begins an escape, also `\N` and `\G`. */
static void put_text(struct clew__writer *out, clew_text text) {
    char printable[CLEW__PRINTABLE_SIZE];
    clew__printable(text.data, text.size, CLEW__PRINTABLE_COLUMNS, printable);
    for (const char *at = printable; *at; at++) {
        if (*at == '"' || *at == '\\')
            clew__write_raw(out, "\\", 1);
        clew__write_raw(out, at, 1);
    }
}

static void put_numbers(struct clew__writer *out, uint64_t calls, uint64_t errors) {
    char text[CLEW__NUMBER_SIZE];
    clew__count_text(calls, text);
    clew__write_text(out, text);
    clew__write_text(out, calls == 1 ? " call" : " calls");
    if (!errors)
        return;
    clew__count_text(errors, text);
    clew__write_text(out, ", ");
    clew__write_text(out, text);
    clew__write_text(out, errors == 1 ? " error" : " errors");
}

static void node_dot(struct clew__writer *out, const clew_map_node *node) {
    clew__write_text(out, "    \"");
    put_text(out, node->service);
    clew__write_text(out, "\" [label=\"");
    put_text(out, node->service);
    if (node->calls) {
        clew__write_text(out, "\\n");
        put_numbers(out, node->calls, node->errors);
    }
    clew__write_text(out, "\"");
    if (node->is_virtual)
        clew__write_text(out, ", style=dashed");
    if (node->errors)
        clew__write_text(out, ", color=red");
    clew__write_text(out, "];\n");
}

static void edge_dot(struct clew__writer *out, const clew_map_edge *edge) {
    char text[64], latency[CLEW__NUMBER_SIZE];
    uint64_t nano;
    clew__write_text(out, "    \"");
    put_text(out, edge->client);
    clew__write_text(out, "\" -> \"");
    put_text(out, edge->server);
    clew__write_text(out, "\" [label=\"");
    put_numbers(out, edge->calls, edge->errors);
    if (clew_sketch_quantile(clew__edge_latency(edge), 0.95, &nano)) {
        clew__duration_text(nano, latency);
        clew__write_text(out, "\\np95 ");
        clew__write_text(out, latency);
    }
    /* Whole tenths, so that no locale's decimal point gets in. */
    unsigned tenths = (unsigned)(10 * (1 + edge->path_share * (WIDTH_MAX - 1)));
    snprintf(text, sizeof text, "\", penwidth=%u.%u%s];\n", tenths / 10, tenths % 10,
             edge->errors ? ", color=red" : "");
    clew__write_text(out, text);
}

void clew__report_map_dot(struct clew__writer *out, const clew_map_report *map) {
    clew__write_text(out, "digraph services {\n"
                          "    rankdir=LR;\n"
                          "    node [shape=box, style=rounded, fontname=\"sans-serif\"];\n"
                          "    edge [fontname=\"sans-serif\", fontsize=10];\n");
    for (size_t i = 0; i < map->node_count; i++)
        node_dot(out, &map->nodes[i]);
    for (size_t i = 0; i < map->edge_count; i++)
        edge_dot(out, &map->edges[i]);
    clew__write_text(out, "}\n");
}
