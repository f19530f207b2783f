/* How a gRPC call ended, and words for it. Owns nothing; the thread of the transport. */
#include "collector-bridge/export/grpc_call.h"
#include "collector-bridge/wire/answer.h"
#include "collector-bridge/wire/retry.h"

#include <clew/macros.h>

#include <stdarg.h>
#include <stdio.h>

#define NANO_PER_MILLI UINT64_C(1000000)

CLEW_PRINTF(3, 4)
static void say(struct clew__transport_result *result, enum clew__transport_end end, const char *format,
                ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(result->reason, sizeof result->reason, format, arguments);
    va_end(arguments);
    result->end = end;
}

void clew__grpc_late(const struct clew__grpc *grpc, uint64_t now, struct clew__transport_result *result) {
    const char *shown = grpc->base.settings->shown;
    uint64_t end = now < grpc->deadline_nano ? now : grpc->deadline_nano;
    unsigned long long waited = (end - grpc->started_nano + NANO_PER_MILLI / 2) / NANO_PER_MILLI;
    size_t sent = grpc->taken > CLEW__GRPC_PREFIX ? grpc->taken - CLEW__GRPC_PREFIX : 0;
    if (grpc->connection.state == CLEW__CONNECTION_RESOLVING)
        say(result, CLEW__TRANSPORT_LATE, "the name in %s was not resolved within %llu ms", shown, waited);
    else if (!grpc->h2)
        say(result, CLEW__TRANSPORT_LATE, "no connection to %s within %llu ms", shown, waited);
    else if (!result->sent)
        say(result, CLEW__TRANSPORT_LATE, "%s took %zu of %zu bytes within %llu ms", shown, sent,
            grpc->sending.size, waited);
    else
        say(result, CLEW__TRANSPORT_LATE, "no answer within %llu ms from %s", waited, shown);
}

void clew__grpc_out_of_memory(const struct clew__grpc *grpc, struct clew__transport_result *result) {
    say(result, CLEW__TRANSPORT_HOPELESS, "out of memory while sending to %s", grpc->base.settings->shown);
    result->memory = true;
}

/* What has never said a word to plain bytes may want TLS. */
static const char *hint_at_tls(const struct clew__grpc *grpc) {
    const struct clew__otlp_settings *settings = grpc->base.settings;
    bool plain = grpc->h2 && !settings->tls && !settings->socket;
    return plain && !grpc->heard && !grpc->kept ? "; https:// may be meant" : "";
}

/* The connection is closed: by us for its session's fault, by the peer, or it never came to be. */
static void explain_connection(const struct clew__grpc *grpc, struct clew__transport_result *result) {
    const struct clew__connection *connection = &grpc->connection;
    const char *shown = grpc->base.settings->shown;
    char goodbye[64] = "";
    if (grpc->h2)
        clew__answer_show(clew__h2_goodbye(grpc->h2), NULL, 0, goodbye, sizeof goodbye);
    if (connection->fault == CLEW__CONNECTION_MEMORY)
        clew__grpc_out_of_memory(grpc, result);
    else if (connection->fault == CLEW__CONNECTION_HOPELESS) {
        /* Who is refused by TLS, even after the request, is not listened to. */
        result->sent = grpc->sent_before;
        say(result, CLEW__TRANSPORT_HOPELESS, "%s", connection->reason);
    } else if (connection->reason[0])
        say(result, CLEW__TRANSPORT_BROKEN, "%s%s", connection->reason, hint_at_tls(grpc));
    else
        say(result, CLEW__TRANSPORT_BROKEN, "%s closed the connection without an answer%s%s%s", shown,
            goodbye[0] ? ": " : "", goodbye, hint_at_tls(grpc));
    result->retryable = result->end == CLEW__TRANSPORT_BROKEN;
}

static void explain_session(const struct clew__grpc *grpc, struct clew__transport_result *result) {
    const char *shown = grpc->base.settings->shown;
    switch (clew__h2_fault(grpc->h2)) {
    case CLEW__H2_MEMORY:
        clew__grpc_out_of_memory(grpc, result);
        break;
    case CLEW__H2_HTTP1:
        /* To such a peer our first bytes were no request. */
        result->sent = grpc->sent_before;
        say(result, CLEW__TRANSPORT_GARBAGE,
            "%.48s answers HTTP/1.1: is this an OTLP/HTTP port? set "
            "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
            shown);
        break;
    case CLEW__H2_TLS:
        result->sent = grpc->sent_before;
        say(result, CLEW__TRANSPORT_GARBAGE, "%s answers with TLS: https:// may be meant", shown);
        break;
    case CLEW__H2_FLOOD:
        say(result, CLEW__TRANSPORT_GARBAGE, "%s sends more frames than an answer needs", shown);
        break;
    default:
        say(result, CLEW__TRANSPORT_GARBAGE, "what %s answers is not HTTP/2", shown);
        break;
    }
}

static void explain_stream(struct clew__grpc *grpc, struct clew__transport_result *result) {
    const char *shown = grpc->base.settings->shown;
    uint32_t error = clew__h2_error(grpc->h2);
    switch (clew__h2_stream(grpc->h2)) {
    case CLEW__H2_UNTOUCHED:
        result->sent = grpc->sent_before;
        result->retryable = true;
        say(result, CLEW__TRANSPORT_BROKEN, "%s took no more requests on the connection", shown);
        break;
    case CLEW__H2_RESET:
        result->status = clew__grpc_code_of_reset(error);
        result->retryable = clew__retry_code(result->status, false);
        say(result, CLEW__TRANSPORT_BROKEN, "%s reset the request: %s", shown, nghttp2_http2_strerror(error));
        break;
    case CLEW__H2_NOT_SENT:
        say(result, CLEW__TRANSPORT_HOPELESS, "the headers for %s are too large to be sent", shown);
        break;
    default:
        say(result, CLEW__TRANSPORT_GARBAGE, "%s breaks the rules of HTTP/2", shown);
        break;
    }
}

static bool sent(const struct clew__grpc *grpc) {
    return grpc->sent_before || (grpc->h2 && clew__h2_request_sent(grpc->h2));
}

bool clew__grpc_conclude(struct clew__grpc *grpc, uint64_t now, struct clew__transport_result *result) {
    memset(result, 0, sizeof *result);
    result->status = -1;
    result->sent = sent(grpc);
    if (grpc->h2 && clew__h2_fault(grpc->h2) == CLEW__H2_HEADER)
        grpc->answer.too_large = true;
    if (grpc->h2 && (clew__h2_stream(grpc->h2) == CLEW__H2_ANSWERED || grpc->answer.too_large ||
                     clew__grpc_answer_is_foreign(&grpc->answer)))
        clew__grpc_answer_read(&grpc->answer, grpc->base.settings->shown, result);
    else if (grpc->h2 && clew__h2_stream(grpc->h2) > CLEW__H2_AT_WORK)
        explain_stream(grpc, result);
    else if (grpc->h2 && clew__h2_fault(grpc->h2))
        explain_session(grpc, result);
    else if (grpc->connection.state == CLEW__CONNECTION_CLOSED)
        explain_connection(grpc, result);
    else if (now >= grpc->deadline_nano)
        clew__grpc_late(grpc, now, result);
    else
        return false;
    return true;
}
