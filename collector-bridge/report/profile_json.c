/* Profiles as JSON. Keeps nothing; any thread. */
#include "collector-bridge/report/json.h"
#include "collector-bridge/report/profile.h"

static void node_json(struct clew__report_json *json, const clew_profile_node *node) {
    clew__json_open(json, NULL, '{');
    clew__json_add_word(json, "kind", clew_frame_kind_name(node->kind));
    clew__json_add_text(json, "service", node->service);
    clew__json_add_text(json, "operation", node->operation);
    if (node->parent != CLEW_NO_SPAN)
        clew__json_add_uint32(json, "parent", node->parent);
    clew__json_add_uint64(json, "count", node->count);
    clew__json_add_uint64(json, "errors", node->errors);
    clew__json_add_uint64(json, "requests", node->roots);
    clew__json_add_uint64(json, "onPath", node->on_path);
    clew__json_add_uint64(json, "durationNano", node->duration);
    clew__json_add_uint64(json, "selfNano", node->self);
    clew__json_add_uint64(json, "criticalSelfNano", node->critical_self);
    clew__json_add_uint64(json, "criticalNano", node->critical);
    clew__json_add_uint64(json, "maxNano", node->max);
    clew__json_add_exemplars(json, node->exemplars, node->exemplar_count);
    clew__json_close(json, '}');
}

void clew__report_profile_json(struct clew__writer *out, const clew_profile_view *view) {
    struct clew__report_json json = {.out = out};
    clew__json_open(&json, NULL, '{');
    clew__json_add_uint64(&json, "requests", view->roots);
    clew__json_add_uint64(&json, "totalNano", view->total);
    clew__json_open(&json, "nodes", '[');
    for (uint32_t i = 0; i < view->node_count && !out->failed; i++)
        node_json(&json, &view->nodes[i]);
    clew__json_close(&json, ']');
    clew__json_close(&json, '}');
    clew__json_end(&json);
}
