/* Errors as JSON. Keeps nothing; any thread. */
#include "collector-bridge/report/errors.h"
#include "collector-bridge/report/json.h"

static void type_json(struct clew__report_json *json, const clew_error_type *type) {
    clew__json_open(json, NULL, '{');
    clew__json_add_bool(json, "other", type->is_other);
    clew__json_add_text(json, "service", type->service);
    clew__json_add_text(json, "operation", type->operation);
    clew__json_add_text(json, "type", type->type);
    clew__json_add_text(json, "message", type->message);
    clew__json_add_uint64(json, "count", type->count);
    clew__json_add_uint64(json, "edges", type->edges);
    clew__json_add_uint64(json, "propagated", type->propagated);
    clew__json_add_uint64(json, "handled", type->handled);
    clew__json_add_uint64(json, "traces", type->traces);
    clew__json_add_uint64(json, "requestsFailed", type->roots_failed);
    clew__json_add_uint64(json, "criticalLostNano", type->critical_lost);
    clew__json_add_uint64(json, "firstUnixNano", type->first_unix_nano);
    clew__json_add_uint64(json, "lastUnixNano", type->last_unix_nano);
    clew__json_add_exemplars(json, type->exemplars, type->exemplar_count);
    clew__json_close(json, '}');
}

static void retry_json(struct clew__report_json *json, const clew_retry_sum *retry) {
    clew__json_open(json, NULL, '{');
    clew__json_add_bool(json, "other", retry->is_other);
    clew__json_add_text(json, "service", retry->service);
    clew__json_add_text(json, "operation", retry->operation);
    clew__json_add_uint64(json, "groups", retry->groups);
    clew__json_add_uint64(json, "succeeded", retry->succeeded);
    clew__json_add_uint64(json, "attempts", retry->attempts);
    clew__json_add_uint64(json, "wastedCriticalNano", retry->wasted_critical);
    clew__json_add_uint64(json, "waitedNano", retry->waited);
    clew__json_add_uint64(json, "traces", retry->traces);
    clew__json_add_exemplars(json, retry->exemplars, retry->exemplar_count);
    clew__json_close(json, '}');
}

void clew__report_errors_json(struct clew__writer *out, const clew_errors_view *view) {
    struct clew__report_json json = {.out = out};
    clew__json_open(&json, NULL, '{');
    clew__json_add_uint64(&json, "traces", view->traces);
    clew__json_add_uint64(&json, "tracesWithErrors", view->traces_with_errors);
    clew__json_add_uint64(&json, "requests", view->roots);
    clew__json_add_uint64(&json, "requestsFailed", view->roots_failed);
    clew__json_add_uint64(&json, "spans", view->spans);
    clew__json_add_uint64(&json, "failed", view->failed);
    clew__json_add_uint64(&json, "origins", view->origins);
    clew__json_add_uint64(&json, "propagated", view->propagated);
    clew__json_add_uint64(&json, "handled", view->handled);
    clew__json_add_uint64(&json, "criticalLostNano", view->critical_lost);
    clew__json_add_uint64(&json, "criticalTotalNano", view->critical_total);
    clew__json_open(&json, "types", '[');
    for (uint32_t i = 0; i < view->type_count && !out->failed; i++)
        type_json(&json, &view->types[i]);
    clew__json_close(&json, ']');
    clew__json_open(&json, "retries", '[');
    for (uint32_t i = 0; i < view->retry_count; i++)
        retry_json(&json, &view->retries[i]);
    clew__json_close(&json, ']');
    clew__json_close(&json, '}');
    clew__json_end(&json);
}
