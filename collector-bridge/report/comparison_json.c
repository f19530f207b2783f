/* Comparisons as JSON. What cannot be told (NaN) is left out. Keeps nothing; any thread. */
#include "collector-bridge/report/comparison.h"
#include "collector-bridge/report/json.h"

#include <math.h>

static void known(struct clew__report_json *json, const char *name, double value) {
    if (!isnan(value))
        clew__json_add_double(json, name, value);
}

static void estimate_json(struct clew__report_json *json, const char *name, const clew_estimate *estimate) {
    if (isnan(estimate->value))
        return;
    clew__json_open(json, name, '{');
    clew__json_add_double(json, "value", estimate->value);
    known(json, "low", estimate->low);
    known(json, "high", estimate->high);
    clew__json_close(json, '}');
}

static void significance_json(struct clew__report_json *json, const char *name,
                              const clew_significance *significance) {
    if (isnan(significance->p))
        return;
    clew__json_open(json, name, '{');
    clew__json_add_double(json, "p", significance->p);
    known(json, "q", significance->q);
    clew__json_close(json, '}');
}

static void side_json(struct clew__report_json *json, const char *name, const clew_comparison_side *side) {
    clew__json_open(json, name, '{');
    clew__json_add_uint64(json, "requests", side->requests);
    clew__json_add_uint64(json, "values", side->values);
    clew__json_add_uint64(json, "calls", side->calls);
    clew__json_add_uint64(json, "errors", side->errors);
    clew__json_add_uint64(json, "p50Nano", side->p50);
    clew__json_add_uint64(json, "p95Nano", side->p95);
    clew__json_add_uint64(json, "p99Nano", side->p99);
    known(json, "meanNano", side->mean);
    clew__json_close(json, '}');
}

static void place_json(struct clew__report_json *json, clew_comparison_kind kind, clew_text client,
                       clew_text service, clew_text operation) {
    clew__json_add_word(json, "kind", clew_comparison_kind_name(kind));
    if (client.size)
        clew__json_add_text(json, "client", client);
    clew__json_add_text(json, "service", service);
    clew__json_add_text(json, "operation", operation);
}

static void row_json(struct clew__report_json *json, const clew_comparison_row *row) {
    clew__json_open(json, NULL, '{');
    clew__json_add_word(json, "verdict", clew_verdict_name(row->verdict));
    clew__json_open(json, "verdicts", '[');
    for (unsigned i = 0; i < CLEW_VERDICT_COUNT; i++)
        if (row->verdicts & (1u << i))
            clew__json_add_word(json, NULL, clew_verdict_name((clew_verdict)i));
    clew__json_close(json, ']');
    clew__json_add_uint32(json, "root", row->root);
    place_json(json, row->kind, row->client, row->service, row->operation);
    if (row->context != CLEW_NO_SPAN)
        clew__json_add_uint32(json, "context", row->context);
    side_json(json, "before", &row->before);
    side_json(json, "after", &row->after);
    significance_json(json, "slower", &row->slower);
    known(json, "cliffsDelta", row->delta);
    estimate_json(json, "shiftNano", &row->shift);
    estimate_json(json, "p50ShiftNano", &row->p50_shift);
    estimate_json(json, "p95ShiftNano", &row->p95_shift);
    estimate_json(json, "p99ShiftNano", &row->p99_shift);
    significance_json(json, "failing", &row->failing);
    estimate_json(json, "errorShift", &row->error_shift);
    significance_json(json, "calling", &row->calling);
    estimate_json(json, "callRatio", &row->call_ratio);
    clew__json_close(json, '}');
}

static void context_json(struct clew__report_json *json, const clew_comparison_context *context) {
    clew__json_open(json, NULL, '{');
    clew__json_add_text(json, "service", context->service);
    clew__json_add_text(json, "operation", context->operation);
    if (context->parent != CLEW_NO_SPAN)
        clew__json_add_uint32(json, "parent", context->parent);
    clew__json_close(json, '}');
}

static void explanation_json(struct clew__report_json *json, const clew_explanation *explanation) {
    clew__json_open(json, NULL, '{');
    clew__json_add_uint32(json, "root", explanation->root);
    clew__json_add_uint64(json, "requestsBefore", explanation->requests_before);
    clew__json_add_uint64(json, "requestsAfter", explanation->requests_after);
    clew__json_add_uint64(json, "sumBeforeNano", explanation->sum_before);
    clew__json_add_uint64(json, "sumAfterNano", explanation->sum_after);
    clew__json_add_int64(json, "deltaNano", explanation->nano);
    clew__json_open(json, "contributions", '[');
    for (uint32_t i = 0; i < explanation->contribution_count; i++) {
        const clew_contribution *part = &explanation->contributions[i];
        clew__json_open(json, NULL, '{');
        place_json(json, part->kind, part->client, part->service, part->operation);
        clew__json_add_int64(json, "deltaNano", part->nano);
        clew__json_close(json, '}');
    }
    clew__json_close(json, ']');
    clew__json_close(json, '}');
}

void clew__report_comparison_json(struct clew__writer *out, const clew_comparison *comparison) {
    struct clew__report_json json = {.out = out};
    clew__json_open(&json, NULL, '{');
    clew__json_add_uint64(&json, "requestsBefore", comparison->before.requests);
    clew__json_add_uint64(&json, "requestsAfter", comparison->after.requests);
    clew__json_open(&json, "rows", '[');
    for (uint32_t i = 0; i < comparison->row_count; i++)
        row_json(&json, &comparison->rows[i]);
    clew__json_close(&json, ']');
    clew__json_open(&json, "contexts", '[');
    for (uint32_t i = 0; i < comparison->context_count; i++)
        context_json(&json, &comparison->contexts[i]);
    clew__json_close(&json, ']');
    clew__json_open(&json, "explanations", '[');
    for (uint32_t i = 0; i < comparison->explanation_count; i++)
        explanation_json(&json, &comparison->explanations[i]);
    clew__json_close(&json, ']');
    clew__json_close(&json, '}');
    clew__json_end(&json);
}
