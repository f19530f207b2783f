/* Statistics and health as JSON. Keeps nothing; any thread. */
#include "collector-bridge/report/json.h"
#include "collector-bridge/report/operations.h"

static void error_types_json(struct clew__report_json *json, const clew_operation *row) {
    if (!row->error_type_count)
        return;
    clew__json_open(json, "errorTypes", '[');
    for (size_t i = 0; i < row->error_type_count; i++) {
        clew__json_open(json, NULL, '{');
        clew__json_add_text(json, "type", row->error_types[i].type);
        clew__json_add_uint64(json, "errors", row->error_types[i].errors);
        clew__json_close(json, '}');
    }
    clew__json_close(json, ']');
}

static void row_json(struct clew__report_json *json, const clew_operation *row, bool is_operation) {
    clew__json_open(json, NULL, '{');
    clew__json_add_text(json, "service", row->service);
    if (is_operation) {
        clew__json_add_text(json, "operation", row->operation);
        clew__json_add_uint32(json, "kind", (uint32_t)row->kind);
    }
    clew__json_add_uint64(json, "calls", row->calls);
    clew__json_add_uint64(json, "errors", row->errors);
    clew__json_add_double(json, "ratePerSecond", row->rate_per_second);
    clew__json_add_sketch(json, "duration", row->duration);
    clew__json_add_uint64(json, "selfNano", row->self_nano);
    clew__json_add_uint64(json, "criticalNano", row->critical_nano);
    clew__json_add_uint64(json, "pathTraces", row->path_traces);
    error_types_json(json, row);
    clew__json_add_exemplar(json, "slow", &row->slow);
    clew__json_add_exemplar(json, "error", &row->error);
    clew__json_add_exemplar(json, "typical", &row->typical);
    clew__json_close(json, '}');
}

static void finding_json(struct clew__report_json *json, const clew_health_finding *finding) {
    clew__json_open(json, NULL, '{');
    clew__json_add_word(json, "reason", clew_health_reason_name(finding->reason));
    clew__json_add_word(json, "state", clew_health_state_name(finding->state));
    clew__json_add_double(json, "value", finding->value);
    clew__json_add_double(json, "limit", finding->limit);
    clew__json_close(json, '}');
}

static void item_json(struct clew__report_json *json, const clew_health_item *item) {
    clew__json_open(json, NULL, '{');
    clew__json_add_text(json, "service", item->service);
    if (item->is_edge) {
        clew__json_add_text(json, "client", item->client);
        clew__json_add_word(json, "type", clew_edge_type_name(item->type));
    }
    clew__json_add_word(json, "state", clew_health_state_name(item->state));
    clew__json_add_bool(json, "rootCause", item->is_root_cause);
    clew__json_open(json, "findings", '[');
    for (size_t i = 0; i < item->finding_count; i++)
        finding_json(json, &item->findings[i]);
    clew__json_close(json, ']');
    clew__json_close(json, '}');
}

void clew__report_operations_json(struct clew__writer *out, const clew_operations_report *operations,
                                  const clew_health_report *health) {
    struct clew__report_json json = {.out = out};
    clew__json_open(&json, NULL, '{');
    clew__json_add_uint64(&json, "traces", operations->traces);
    clew__json_add_uint64(&json, "startUnixNano", operations->start_unix_nano);
    clew__json_add_uint64(&json, "endUnixNano", operations->end_unix_nano);
    clew__json_open(&json, "services", '[');
    for (size_t i = 0; i < operations->service_count; i++)
        row_json(&json, &operations->services[i], false);
    clew__json_close(&json, ']');
    clew__json_open(&json, "operations", '[');
    for (size_t i = 0; i < operations->operation_count && !out->failed; i++)
        row_json(&json, &operations->operations[i], true);
    clew__json_close(&json, ']');
    clew__json_open(&json, "health", '{');
    clew__json_add_word(&json, "state", clew_health_state_name(health->state));
    clew__json_open(&json, "items", '[');
    for (size_t i = 0; i < health->item_count; i++)
        item_json(&json, &health->items[i]);
    clew__json_close(&json, ']');
    clew__json_close(&json, '}');
    clew__json_close(&json, '}');
    clew__json_end(&json);
}
