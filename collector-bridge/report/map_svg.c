/* Service maps as pictures, for where there is no Graphviz. Keeps nothing; one thread. */
#include "collector-bridge/report/layers.h"
#include "collector-bridge/report/map.h"
#include "collector-bridge/report/number.h"
#include "collector-bridge/report/svg.h"

#include <clew/extend.h>
#include <stdio.h>
#include <stdlib.h>

/* Pixels. */
#define MARGIN 24u
#define BOX_WIDTH 190u
#define BOX_HEIGHT 46u
#define COLUMN_GAP 150u
#define ROW_GAP 34u
#define NAME_COLUMNS 25u /* of a box */
#define BEND 60          /* how far an arrow leaves its box straight on */

struct point {
    uint32_t x, y; /* the upper left corner of a box */
};

static struct point corner_of(const struct clew__layers *layers, uint32_t node) {
    struct clew__place place = layers->places[node];
    return (struct point){MARGIN + place.layer * (BOX_WIDTH + COLUMN_GAP),
                          MARGIN + place.row * (BOX_HEIGHT + ROW_GAP)};
}

static int compare_service(const void *key, const void *member) {
    const clew_text *text = key;
    const clew_map_node *node = member;
    size_t size = text->size < node->service.size ? text->size : node->service.size;
    int order = size ? memcmp(text->data, node->service.data, size) : 0;
    return order ? order : (text->size > node->service.size) - (text->size < node->service.size);
}

/* Nodes are in order of their services; every client and server is one. */
static uint32_t node_of(const clew_map_report *map, clew_text service) {
    const clew_map_node *node =
        bsearch(&service, map->nodes, map->node_count, sizeof *map->nodes, compare_service);
    return node ? (uint32_t)(node - map->nodes) : 0;
}

static void put_numbers(struct clew__writer *out, uint64_t calls, uint64_t errors) {
    char text[CLEW__NUMBER_SIZE];
    clew__count_text(calls, text);
    clew__write_text(out, text);
    clew__write_text(out, calls == 1 ? " call" : " calls");
    if (!errors)
        return;
    clew__share_text(errors, calls, text);
    clew__write_text(out, ", ");
    clew__write_text(out, text);
    clew__write_text(out, " errors");
}

static void draw_node(struct clew__writer *out, const clew_map_node *node, struct point at) {
    clew__write_text(out, "<g><rect");
    clew__svg_attribute(out, "x", at.x);
    clew__svg_attribute(out, "y", at.y);
    clew__svg_attribute(out, "width", BOX_WIDTH);
    clew__svg_attribute(out, "height", BOX_HEIGHT);
    clew__write_text(out, " rx=\"8\" fill=\"#fff\" stroke=\"");
    clew__write_text(out, node->errors ? "#c00" : "#444");
    clew__write_text(out, node->is_virtual ? "\" stroke-dasharray=\"5 3\"/>" : "\"/>");
    clew__write_text(out, "<text font-weight=\"bold\"");
    clew__svg_attribute(out, "x", at.x + 10);
    clew__svg_attribute(out, "y", at.y + 19);
    clew__write_text(out, ">");
    clew__svg_text(out, node->service, NAME_COLUMNS);
    if (node->calls) {
        clew__write_text(out, "</text><text");
        clew__svg_attribute(out, "x", at.x + 10);
        clew__svg_attribute(out, "y", at.y + 36);
        clew__write_text(out, ">");
        put_numbers(out, node->calls, node->errors);
    }
    clew__write_text(out, "</text><title>");
    clew__svg_text(out, node->service, 240);
    clew__write_text(out, "</title></g>\n");
}

/* From the right side of the client to the left side of the server; back, or within a layer, in a bow below.
 */
static void draw_curve(struct clew__writer *out, const clew_map_edge *edge, struct point from,
                       struct point to, int64_t *label_x, int64_t *label_y) {
    char path[160];
    int64_t x1 = from.x + BOX_WIDTH, y1 = from.y + BOX_HEIGHT / 2, x2 = to.x, y2 = to.y + BOX_HEIGHT / 2;
    int64_t bend = BEND, down = 0;
    unsigned tenths = (unsigned)(10 * (1 + 4 * edge->path_share));
    if (x2 <= x1) {
        bend = BEND + BOX_WIDTH / 2;
        down = BOX_HEIGHT + ROW_GAP;
    }
    *label_x = (x1 + x2) / 2;
    *label_y = (y1 + y2) / 2 + down * 3 / 4 - 5;
    snprintf(path, sizeof path, "<path d=\"M%lld %lld C%lld %lld %lld %lld %lld %lld\"", (long long)x1,
             (long long)y1, (long long)(x1 + bend), (long long)(y1 + down), (long long)(x2 - bend),
             (long long)(y2 + down), (long long)x2, (long long)y2);
    clew__write_text(out, path);
    snprintf(path, sizeof path,
             " fill=\"none\" stroke=\"%s\" stroke-width=\"%u.%u\" marker-end=\"url(#arrow)\"/>",
             edge->errors ? "#c00" : "#888", tenths / 10, tenths % 10);
    clew__write_text(out, path);
}

static void draw_edge(struct clew__writer *out, const clew_map_edge *edge, struct point from,
                      struct point to) {
    char text[96], latency[CLEW__NUMBER_SIZE];
    int64_t x, y;
    uint64_t nano;
    clew__write_text(out, "<g>");
    draw_curve(out, edge, from, to, &x, &y);
    snprintf(text, sizeof text, "<text x=\"%lld\" y=\"%lld\" text-anchor=\"middle\" fill=\"#333\">",
             (long long)x, (long long)y);
    clew__write_text(out, text);
    put_numbers(out, edge->calls, edge->errors);
    if (clew_sketch_quantile(clew__edge_latency(edge), 0.95, &nano)) {
        clew__duration_text(nano, latency);
        clew__write_text(out, ", p95 ");
        clew__write_text(out, latency);
    }
    clew__write_text(out, "</text><title>");
    clew__svg_text(out, edge->client, 240);
    clew__write_text(out, " → ");
    clew__svg_text(out, edge->server, 240);
    clew__write_text(out, " (");
    clew__write_text(out, clew_edge_type_name(edge->type));
    clew__write_text(out, ")</title></g>\n");
}

static void draw(struct clew__writer *out, const clew_map_report *map, const struct clew__layers *layers,
                 const struct clew__arrow *arrows) {
    uint32_t columns = layers->layer_count ? layers->layer_count : 1;
    uint32_t rows = layers->row_count ? layers->row_count : 1;
    clew__write_text(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" " CLEW__SVG_FONT);
    clew__svg_attribute(out, "width", 2 * MARGIN + columns * (BOX_WIDTH + COLUMN_GAP) - COLUMN_GAP);
    clew__svg_attribute(out, "height", 2 * MARGIN + rows * (BOX_HEIGHT + ROW_GAP));
    clew__write_text(out,
                     ">\n<defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" "
                     "markerWidth=\"9\" markerHeight=\"9\" markerUnits=\"userSpaceOnUse\" orient=\"auto\">"
                     "<path d=\"M0 0L8 4L0 8z\" fill=\"#666\"/></marker></defs>\n"
                     "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n");
    for (size_t i = 0; i < map->edge_count; i++)
        draw_edge(out, &map->edges[i], corner_of(layers, arrows[i].from), corner_of(layers, arrows[i].to));
    for (size_t i = 0; i < map->node_count; i++)
        draw_node(out, &map->nodes[i], corner_of(layers, (uint32_t)i));
    clew__write_text(out, "</svg>\n");
}

bool clew__report_map_svg(struct clew__writer *out, const clew_map_report *map) {
    struct clew__layers layers;
    struct clew__arrow *arrows = clew_memory_allocate((map->edge_count + 1) * sizeof *arrows);
    bool enough;
    if (!arrows)
        return false;
    for (size_t i = 0; i < map->edge_count; i++) {
        arrows[i].from = node_of(map, map->edges[i].client);
        arrows[i].to = node_of(map, map->edges[i].server);
    }
    enough = clew__layers_init(&layers, (uint32_t)map->node_count, arrows, (uint32_t)map->edge_count);
    if (enough) {
        draw(out, map, &layers, arrows);
        clew__layers_fini(&layers);
    }
    clew_memory_release(arrows);
    return enough;
}
