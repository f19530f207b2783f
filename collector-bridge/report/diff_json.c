/* Differences as JSON. Keeps nothing; any thread. */
#include "collector-bridge/report/diff.h"
#include "collector-bridge/report/json.h"

static void side_json(struct clew__report_json *json, const char *name, const clew_diff_side *side) {
    clew__json_open(json, name, '{');
    clew__json_add_uint64(json, "count", side->count);
    clew__json_add_uint64(json, "errors", side->errors);
    clew__json_add_uint64(json, "durationNano", side->duration);
    clew__json_add_uint64(json, "selfNano", side->self);
    clew__json_add_uint64(json, "criticalSelfNano", side->critical_self);
    clew__json_add_uint64(json, "criticalNano", side->critical);
    clew__json_add_uint64(json, "edgeGapNano", side->edge_gap);
    clew__json_add_exemplars(json, side->exemplars, side->exemplar_count);
    clew__json_close(json, '}');
}

static void node_json(struct clew__report_json *json, const clew_diff_node *node) {
    clew__json_open(json, NULL, '{');
    clew__json_add_word(json, "status", clew_diff_status_name(node->status));
    clew__json_add_word(json, "kind", clew_frame_kind_name(node->kind));
    clew__json_add_text(json, "service", node->service);
    clew__json_add_text(json, "operation", node->operation);
    if (node->parent != CLEW_NO_SPAN)
        clew__json_add_uint32(json, "parent", node->parent);
    if (node->counterpart != CLEW_NO_SPAN)
        clew__json_add_uint32(json, "counterpart", node->counterpart);
    if (node->status != CLEW_DIFF_ADDED)
        side_json(json, "before", &node->before);
    if (node->status != CLEW_DIFF_REMOVED)
        side_json(json, "after", &node->after);
    clew__json_close(json, '}');
}

void clew__report_diff_json(struct clew__writer *out, const clew_diff *diff) {
    struct clew__report_json json = {.out = out};
    clew__json_open(&json, NULL, '{');
    clew__json_add_uint64(&json, "requestsBefore", diff->roots_before);
    clew__json_add_uint64(&json, "requestsAfter", diff->roots_after);
    clew__json_add_uint64(&json, "beforeNano", diff->before);
    clew__json_add_uint64(&json, "afterNano", diff->after);
    clew__json_add_int64(&json, "deltaNano", diff->delta);
    clew__json_open(&json, "causes", '[');
    for (uint32_t i = 0; i < diff->cause_count; i++) {
        clew__json_open(&json, NULL, '{');
        clew__json_add_uint32(&json, "node", diff->causes[i].node);
        clew__json_add_bool(&json, "mix", diff->causes[i].is_mix);
        clew__json_add_int64(&json, "deltaNano", diff->causes[i].delta);
        clew__json_close(&json, '}');
    }
    clew__json_close(&json, ']');
    clew__json_open(&json, "nodes", '[');
    for (uint32_t i = 0; i < diff->node_count && !out->failed; i++)
        node_json(&json, &diff->nodes[i]);
    clew__json_close(&json, ']');
    clew__json_close(&json, '}');
    clew__json_end(&json);
}
