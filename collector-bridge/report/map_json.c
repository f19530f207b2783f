/* Service maps as JSON. Keeps nothing; any thread. */
#include "collector-bridge/report/json.h"
#include "collector-bridge/report/map.h"

static void node_json(struct clew__report_json *json, const clew_map_node *node) {
    clew__json_open(json, NULL, '{');
    clew__json_add_text(json, "service", node->service);
    clew__json_add_uint64(json, "calls", node->calls);
    clew__json_add_uint64(json, "errors", node->errors);
    clew__json_add_uint64(json, "selfNano", node->self_nano);
    clew__json_add_uint64(json, "criticalNano", node->critical_nano);
    clew__json_close(json, '}');
}

static void edge_json(struct clew__report_json *json, const clew_map_edge *edge) {
    clew__json_open(json, NULL, '{');
    clew__json_add_text(json, "client", edge->client);
    clew__json_add_text(json, "server", edge->server);
    clew__json_add_word(json, "type", clew_edge_type_name(edge->type));
    clew__json_add_uint64(json, "calls", edge->calls);
    clew__json_add_uint64(json, "errors", edge->errors);
    clew__json_add_uint64(json, "clientErrors", edge->client_errors);
    clew__json_add_uint64(json, "serverErrors", edge->server_errors);
    clew__json_add_uint64(json, "criticalGapNano", edge->critical_gap_nano);
    clew__json_open(json, "latency", '{');
    clew__json_add_sketch(json, "client", edge->client_latency);
    clew__json_add_sketch(json, "server", edge->server_latency);
    clew__json_add_sketch(json, "gap", edge->gap);
    clew__json_add_sketch(json, "lag", edge->lag);
    clew__json_close(json, '}');
    clew__json_close(json, '}');
}

void clew__report_map_json(struct clew__writer *out, const clew_map_report *map) {
    struct clew__report_json json = {.out = out};
    clew__json_open(&json, NULL, '{');
    clew__json_open(&json, "nodes", '[');
    for (size_t i = 0; i < map->node_count; i++)
        node_json(&json, &map->nodes[i]);
    clew__json_close(&json, ']');
    clew__json_open(&json, "edges", '[');
    for (size_t i = 0; i < map->edge_count; i++)
        edge_json(&json, &map->edges[i]);
    clew__json_close(&json, ']');
    clew__json_open(&json, "unresolved", '{');
    clew__json_add_uint64(&json, "unpairedIn", map->unpaired_in);
    clew__json_add_uint64(&json, "unpairedOut", map->unpaired_out);
    clew__json_close(&json, '}');
    clew__json_close(&json, '}');
    clew__json_end(&json);
}
