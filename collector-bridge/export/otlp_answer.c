/* Answers of receivers: partial success, warnings, refusals. Owns nothing; the thread of the exporter. */
#include "collector-bridge/export/otlp_answer.h"

#include "collector-bridge/wire/answer.h"
#include "collector-bridge/wire/answer_json.h"
#include "collector-bridge/wire/grpc.h"
#include "proto/otlp.h"

#include <clew/extend.h>
#include <stdio.h>

#define SHOWN_MAX 120

static size_t show(const struct clew__otlp_settings *settings, struct clew__slice message, char *out,
                   size_t capacity) {
    return clew__answer_show(message, settings->secrets, settings->header_count, out, capacity);
}

/* What the answer says beside "accepted". Returns what is wrong with it, or NULL. */
static const char *read_answer(const struct clew__transport_result *result, int64_t *rejected,
                               struct clew__slice *message) {
    struct clew__wire text = clew__wire_of(NULL, 0);
    if (result->answer_cut)
        return "it breaks off";
    if (result->answer_json)
        return clew__answer_json_response(result->answer, result->answer_size, rejected, message);
    enum clew__wire_error error =
        clew__read_export_response(result->answer, result->answer_size, rejected, &text);
    if (error)
        return clew__wire_error_text(error);
    *message = clew__slice_of((const char *)text.at, (size_t)(text.end - text.at));
    return NULL;
}

void clew__otlp_accepted(const struct clew__otlp_settings *settings,
                         const struct clew__transport_result *result, uint64_t spans,
                         struct clew__fates *fates) {
    struct clew__slice message = {NULL, 0};
    int64_t refused = 0;
    char shown[SHOWN_MAX] = "";
    spans = clew__fates_accept(fates, spans);
    const char *broken = read_answer(result, &refused, &message);
    if (broken) {
        clew_log(CLEW_LOG_WARN, "otlp_answer",
                 "%s took a batch, but the rest of its answer cannot be read: %s", settings->shown, broken);
    } else if (refused > 0) {
        uint64_t rejected = (uint64_t)refused < spans ? (uint64_t)refused : spans;
        show(settings, message, shown, sizeof shown);
        clew__fates_reject(fates, rejected);
        clew_log(CLEW_LOG_WARN, "otlp_partial_success", "%s rejected %llu of %llu %s: %s", settings->shown,
                 (unsigned long long)rejected, (unsigned long long)spans,
                 settings->signal == CLEW_SIGNAL_METRICS ? "data points" : "spans",
                 shown[0] ? shown : "it does not say why");
    } else if (show(settings, message, shown, sizeof shown)) {
        clew_log(CLEW_LOG_WARN, "otlp_warning", "%s took a batch with a warning: %s", settings->shown, shown);
    }
    if (shown[0])
        clew__fates_say(fates, shown);
}

void clew__otlp_describe_refusal(const struct clew__otlp_settings *settings,
                                 const struct clew__transport_result *result, char *out, size_t size) {
    char shown[SHOWN_MAX];
    const char *colon = show(settings, result->message, shown, sizeof shown) ? ": " : "";
    if (settings->protocol == CLEW_OTLP_GRPC)
        snprintf(out, size, "gRPC status %ld (%s) from %s%s%s", (long)result->status,
                 clew__grpc_code_name(result->status), settings->shown, colon, shown);
    else
        snprintf(out, size, "HTTP %ld from %s%s%s", (long)result->status, settings->shown, colon, shown);
}
