/* OTLP/HTTP over HTTP/1.1: one request at a time on a connection, read whole, then answered as the mode says.
 */
#include "test/peer/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HEAD_MAX ((size_t)64 << 10)
#define BODY_MAX ((size_t)80 << 20)
#define LATE "2147483648"
#define LATEST "99999999999999999999999999"

/* What the head of a request says. */
struct head {
    bool is_post, has_length, has_host, has_agent, chunked, expects;
    const char *path;
    size_t length;
    enum body_format format;
    enum body_encoding encoding;
    bool metrics;
};

static bool names(const char *line, const char *name, const char **value) {
    size_t size = strlen(name);
    if (strncasecmp(line, name, size) != 0 || line[size] != ':')
        return false;
    *value = line + size + 1 + strspn(line + size + 1, " \t");
    return true;
}

static void read_line(struct head *head, const char *line) {
    const char *value;
    if (names(line, "Content-Length", &value)) {
        head->has_length = true;
        head->length = (size_t)strtoull(value, NULL, 10);
    } else if (names(line, "Content-Type", &value)) {
        head->format = strcasecmp(value, "application/x-protobuf") == 0 ? FORMAT_PROTOBUF
                       : strcasecmp(value, "application/json") == 0     ? FORMAT_JSON
                                                                        : FORMAT_UNKNOWN;
    } else if (names(line, "Content-Encoding", &value)) {
        head->encoding = strcasecmp(value, "gzip") == 0       ? ENCODING_GZIP
                         : strcasecmp(value, "zstd") == 0     ? ENCODING_ZSTD
                         : strcasecmp(value, "identity") == 0 ? ENCODING_IDENTITY
                                                              : ENCODING_UNKNOWN;
    } else if (names(line, "Host", &value)) {
        head->has_host = *value != '\0';
    } else if (names(line, "User-Agent", &value)) {
        head->has_agent = *value != '\0';
    } else if (names(line, "Transfer-Encoding", &value)) {
        head->chunked = true;
    } else if (names(line, "Expect", &value)) {
        head->expects = true;
    }
}

/* Takes the text apart, which it cuts into lines. */
static struct head read_head(char *text) {
    struct head head = {.encoding = ENCODING_IDENTITY};
    char *rest, *line = strtok_r(text, "\r\n", &rest);
    head.path = "";
    if (line && strncmp(line, "POST ", 5) == 0) {
        char *path = line + 5, *end = strchr(path, ' ');
        head.is_post = end && strcmp(end, " HTTP/1.1") == 0;
        if (end)
            *end = '\0';
        head.path = path;
        head.metrics = strcmp(path, "/v1/metrics") == 0;
    }
    while ((line = strtok_r(NULL, "\r\n", &rest)) != NULL)
        read_line(&head, line);
    return head;
}

/* ---- answers ---- */

static bool answer_with(struct connection *connection, int status, const char *headers, const void *body,
                        size_t size) {
    char head[512];
    int length =
        snprintf(head, sizeof head, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\n%sContent-Length: %zu\r\n\r\n",
                 status, status == 200 ? "OK" : "Not so",
                 connection->request.format == FORMAT_JSON ? "application/json" : "application/x-protobuf",
                 headers, size);
    connection->answering = true;
    return buffer_append(&connection->out, head, (size_t)length) &&
           buffer_append(&connection->out, body, size);
}

static bool accept_it(struct connection *connection) {
    const struct request *request = &connection->request;
    bool json = request->format == FORMAT_JSON;
    char text[96];
    if (request->rejected == 0)
        return answer_with(connection, 200, "", "{}", json ? 2 : 0);
    if (json) {
        snprintf(text, sizeof text,
                 "{\"partialSuccess\":{\"rejectedSpans\":\"%zu\",\"errorMessage\":\"half\"}}",
                 request->rejected);
        return answer_with(connection, 200, "", text, strlen(text));
    }
    uint8_t message[32], *at = message + 2;
    *at++ = 0x08;
    for (size_t rest = request->rejected; rest || at == message + 3; rest >>= 7)
        *at++ = (uint8_t)((rest & 0x7f) | (rest >= 0x80 ? 0x80 : 0));
    memcpy(at, "\x12\x04half", 6);
    at += 6;
    message[0] = 0x0a;
    message[1] = (uint8_t)(at - message - 2);
    return answer_with(connection, 200, "", message, (size_t)(at - message));
}

static bool fill(struct buffer *flood, const char *unit) {
    while (flood->size < FLOOD_SIZE) {
        if (!buffer_text(flood, unit))
            return false;
    }
    return true;
}

/* Says `first`, then `unit` for ever. */
static bool endless(struct connection *connection, const char *first, const char *unit) {
    connection->flood_sent = 0;
    return buffer_text(&connection->out, first) && fill(&connection->flood, unit);
}

static bool answer_status(struct connection *connection, int status, const char *headers, bool lies) {
    uint8_t body[STATUS_ROOM];
    size_t size = lies ? write_lying_status(body, 3) : write_retry_status(body, 14, 1, 0);
    bool json = connection->request.format == FORMAT_JSON;
    static const char text[] = "{\"code\":14,\"message\":\"later\"}";
    return json ? answer_with(connection, status, headers, text, sizeof text - 1)
                : answer_with(connection, status, headers, body, size);
}

static bool answer_bomb(struct connection *connection) {
    struct buffer bomb = {NULL, 0, 0};
    bool done = append_bomb(&bomb) &&
                answer_with(connection, 200, "Content-Encoding: gzip\r\n", bomb.data, bomb.size);
    buffer_free(&bomb);
    return done;
}

static bool answer(struct connection *connection) {
    static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\n";
    char text[256];
    snprintf(text, sizeof text, "%s\r\n", ok);
    switch (connection->request.mode) {
    case RECEIVER_SLOW:
        connection->drips = true;
        return accept_it(connection);
    case RECEIVER_RESET:
    case RECEIVER_RESET_FIRST:
        connection->reset = true;
        return false;
    case RECEIVER_GARBAGE:
        connection->close_after = connection->mute = true;
        return buffer_append(&connection->out, "\0\0\6\4\0\0\0\0\0 neither head nor tail \r\n", 34);
    case RECEIVER_BUSY:
        return answer_status(connection, 503, "Retry-After: " LATE "\r\n", false);
    case RECEIVER_EXHAUSTED:
        return answer_status(connection, 429, "Retry-After: " LATE "\r\n", false);
    case RECEIVER_FLAKY:
        return answer_status(connection, 503, "", false);
    case RECEIVER_ENDLESS_HEADERS:
        return endless(connection, ok, "X-More: there is always more of this\r\n");
    case RECEIVER_ENDLESS_BODY:
        return endless(connection, text, "more of this ");
    case RECEIVER_ENDLESS_TRAILERS:
        snprintf(text, sizeof text, "%sTransfer-Encoding: chunked\r\n\r\n0\r\n", ok);
        return endless(connection, text, "X-More: there is always more of this\r\n");
    case RECEIVER_ENDLESS_INTERIM:
        return endless(connection, "", "HTTP/1.1 100 Continue\r\n\r\n");
    case RECEIVER_BOMB:
        return answer_bomb(connection);
    case RECEIVER_HUGE_BODY:
        connection->mute = true;
        snprintf(text, sizeof text, "%sContent-Length: 1073741824\r\n\r\nthe rest to come", ok);
        return buffer_text(&connection->out, text);
    case RECEIVER_HUGE_TRAILER:
        snprintf(text, sizeof text, "%sTransfer-Encoding: chunked\r\n\r\n0\r\nX-Long: ", ok);
        return endless(connection, text, "more of this ");
    case RECEIVER_DETAILS:
        return answer_status(connection, 400, "", true);
    case RECEIVER_RETRY_LATER:
        return answer_status(connection, 503, "Retry-After: " LATEST "\r\n", false);
    case RECEIVER_RETRY_BEFORE:
        return answer_status(connection, 503, "Retry-After: -" LATE "\r\n", false);
    case RECEIVER_HEALTHY:
    case RECEIVER_REJECT:
        return accept_it(connection);
    default:
        connection->mute = true;
        return true;
    }
}

/* ---- requests ---- */

static bool refuse(struct connection *connection, int status) {
    connection->request.spans = connection->request.rejected = 0;
    connection->request.taken = false;
    return answer_with(connection, status, "", "", 0);
}

/* What is wrong with a head: its status, or 0. */
static int judge(struct receiver *receiver, const struct head *head) {
    if (!head->is_post || (!head->metrics && strcmp(head->path, "/v1/traces") != 0)) {
        receiver_fault(receiver, "neither POST nor HTTP/1.1, or the path %.60s", head->path);
        return 404;
    }
    if (!head->has_host || !head->has_agent) {
        receiver_fault(receiver, "no Host or no User-Agent");
        return 400;
    }
    if (!head->has_length || head->chunked) {
        receiver_fault(receiver, "no Content-Length");
        return 411;
    }
    if (head->format == FORMAT_UNKNOWN || head->encoding == ENCODING_UNKNOWN) {
        receiver_fault(receiver, "an unknown Content-Type or Content-Encoding");
        return 415;
    }
    return head->length > BODY_MAX ? 413 : 0;
}

/* The end of the head, or 0. */
static size_t find_head(struct connection *connection) {
    const uint8_t *data = connection->in.data;
    size_t from = connection->scanned < 3 ? 0 : connection->scanned - 3;
    const uint8_t *end = memmem(data + from, connection->in.size - from, "\r\n\r\n", 4);
    connection->scanned = connection->in.size;
    return end ? (size_t)(end + 4 - data) : 0;
}

static bool head_done(struct connection *connection) {
    char text[HEAD_MAX + 1];
    struct head head;
    int status;
    memcpy(text, connection->in.data, connection->head_size);
    text[connection->head_size] = '\0';
    head = read_head(text);
    connection->request.format = head.format;
    connection->request.metrics = head.metrics;
    connection->encoding = head.encoding;
    connection->body_size = head.length;
    status = judge(connection->receiver, &head);
    if (status) {
        connection->close_after = true;
        return refuse(connection, status);
    }
    if (head.expects && !buffer_text(&connection->out, "HTTP/1.1 100 Continue\r\n\r\n"))
        return false;
    return buffer_reserve(&connection->in, connection->head_size + head.length + 1 - connection->in.size);
}

static bool request_done(struct connection *connection) {
    struct receiver *receiver = connection->receiver;
    struct request *request = &connection->request;
    const uint8_t *body = connection->in.data + connection->head_size;
    enum body_verdict verdict;
    atomic_fetch_add(&receiver->shared->requests, 1);
    atomic_fetch_add(&receiver->shared->bytes, connection->body_size);
    atomic_fetch_add(&receiver->shared->json_requests, request->format == FORMAT_JSON);
    atomic_fetch_add(&receiver->shared->metric_requests, request->metrics);
    verdict = request_read(receiver, request, body, connection->body_size, connection->encoding);
    if (verdict != BODY_FINE)
        return refuse(connection, verdict == BODY_MALFORMED ? 400 : 413);
    request_decide(receiver, request);
    return answer(connection);
}

bool http1_feed(struct connection *connection) {
    if (connection->answering || connection->in.size == 0)
        return true; /* what comes now waits */
    if (!connection->head_size) {
        connection->head_size = find_head(connection);
        if (connection->head_size > HEAD_MAX || (!connection->head_size && connection->in.size > HEAD_MAX))
            return false;
        if (!connection->head_size)
            return true;
        if (!head_done(connection))
            return false;
    }
    if (connection->answering || connection->in.size < connection->head_size + connection->body_size)
        return true;
    return request_done(connection);
}

void http1_count_answer(struct connection *connection) {
    if (connection->answering && !connection->counted)
        request_answered(connection->receiver, &connection->request);
    connection->counted = connection->answering;
}

bool http1_next(struct connection *connection) {
    size_t used = connection->head_size + connection->body_size;
    if (connection->answering) {
        memmove(connection->in.data, connection->in.data + used, connection->in.size - used);
        connection->in.size -= used;
        connection->head_size = connection->body_size = connection->scanned = 0;
        connection->answering = connection->counted = false;
    }
    return http1_feed(connection);
}
