/* OTLP/gRPC over cleartext HTTP/2, on a server session of nghttp2. Answers that nghttp2 would not write are
 * written as raw frames (frames.c); where these are no whole ones, the session says nothing more. */
#include "test/peer/frames.h"
#include "test/peer/internal.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW ((int32_t)16 << 20)
#define MESSAGE_MAX ((size_t)80 << 20)
#define LATE INT64_C(2147483648)

enum {
    GRPC_OK = 0,
    GRPC_INVALID_ARGUMENT = 3,
    GRPC_RESOURCE_EXHAUSTED = 8,
    GRPC_UNIMPLEMENTED = 12,
    GRPC_UNAVAILABLE = 14,
};

/* One call. */
struct stream {
    struct stream *next_made;
    struct stream *next; /* of those that are free, ready, or whose answer is on its way */
    int32_t id;
    struct request request;
    struct buffer body;
    enum body_encoding encoding;
    bool is_post, is_export, is_grpc, has_te, has_agent, has_timeout;
    unsigned headers; /* seen, pseudo ones included */
    bool timeout_late;
    uint8_t message[64]; /* the answer */
    size_t message_size, message_sent;
    bool endless;
};

struct http2 {
    nghttp2_session *session;
    struct stream *made;  /* all of them */
    struct stream *ready; /* received whole, to be answered */
    struct stream *ended, *free;
    bool raw; /* the session says nothing any more */
};

#define TEXT(name, value)                                                                                    \
    {                                                                                                        \
        (uint8_t *)(uintptr_t)(name), (uint8_t *)(uintptr_t)(value), strlen(name), strlen(value),            \
            NGHTTP2_NV_FLAG_NONE                                                                             \
    }

static struct stream *stream_new(struct http2 *http2, int32_t id) {
    struct stream *stream = http2->free;
    if (!stream) {
        stream = calloc(1, sizeof *stream);
        if (!stream)
            return NULL;
        stream->next_made = http2->made;
        http2->made = stream;
    } else {
        struct stream kept = *stream;
        http2->free = stream->next;
        *stream = (struct stream){.next_made = kept.next_made, .body = kept.body, .request = kept.request};
        stream->body.size = 0;
    }
    stream->id = id;
    return stream;
}

static void stream_push(struct stream **list, struct stream *stream) {
    stream->next = *list;
    *list = stream;
}

static void stream_remove(struct stream **list, const struct stream *stream) {
    while (*list && *list != stream)
        list = &(*list)->next;
    if (*list)
        *list = stream->next;
}

/* ---- what comes ---- */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
    struct connection *connection = user;
    struct stream *stream;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    stream = stream_new(connection->http2, frame->hd.stream_id);
    if (!stream)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    return nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, stream);
}

static bool is(const uint8_t *text, size_t size, const char *what) {
    return size == strlen(what) && memcmp(text, what, size) == 0;
}

static bool is_timeout(const uint8_t *text, size_t size) {
    size_t digits = 0;
    while (digits < size && text[digits] >= '0' && text[digits] <= '9')
        digits++;
    return digits >= 1 && digits <= 8 && digits + 1 == size && memchr("HMSmun", text[digits], 6);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t size, uint8_t flags, void *user) {
    static const char service[] = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
    static const char metrics[] = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
    struct stream *stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    (void)flags;
    (void)user;
    if (!stream)
        return 0;
    if (is(name, name_size, ":method")) {
        stream->is_post = is(value, size, "POST");
    } else if (is(name, name_size, ":path")) {
        stream->request.metrics = is(value, size, metrics);
        stream->is_export = stream->request.metrics || is(value, size, service);
    } else if (is(name, name_size, "content-type")) {
        stream->is_grpc = is(value, size, "application/grpc") || is(value, size, "application/grpc+proto");
    } else if (is(name, name_size, "te")) {
        stream->has_te = is(value, size, "trailers");
    } else if (is(name, name_size, "user-agent")) {
        stream->has_agent = size > 0;
    } else if (is(name, name_size, "grpc-timeout")) {
        stream->has_timeout = is_timeout(value, size);
        stream->timeout_late = stream->headers != 4; /* behind the pseudo headers */
    } else if (is(name, name_size, "grpc-encoding")) {
        stream->encoding = is(value, size, "gzip")       ? ENCODING_GZIP
                           : is(value, size, "zstd")     ? ENCODING_ZSTD
                           : is(value, size, "identity") ? ENCODING_IDENTITY
                                                         : ENCODING_UNKNOWN;
    }
    stream->headers++;
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t size,
                   void *user) {
    struct stream *stream = nghttp2_session_get_stream_user_data(session, id);
    (void)flags;
    (void)user;
    if (!stream)
        return 0;
    if (stream->body.size + size > MESSAGE_MAX || !buffer_append(&stream->body, data, size))
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    return 0;
}

/* ---- what is answered ---- */

static ssize_t read_answer(nghttp2_session *session, int32_t id, uint8_t *out, size_t capacity,
                           uint32_t *flags, nghttp2_data_source *source, void *user) {
    struct stream *stream = source->ptr;
    size_t size = stream->message_size - stream->message_sent;
    nghttp2_nv status = TEXT("grpc-status", "0");
    (void)user;
    if (size > capacity)
        size = capacity;
    memcpy(out, stream->message + stream->message_sent, size);
    stream->message_sent += size;
    if (stream->endless) {
        memset(out + size, 'x', capacity - size);
        return (ssize_t)capacity;
    }
    if (stream->message_sent < stream->message_size)
        return (ssize_t)size;
    *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
    return nghttp2_submit_trailer(session, id, &status, 1) == 0 ? (ssize_t)size
                                                                : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static bool submit_message(struct http2 *http2, struct stream *stream) {
    nghttp2_nv headers[] = {TEXT(":status", "200"), TEXT("content-type", "application/grpc")};
    nghttp2_data_provider provider = {{.ptr = stream}, read_answer};
    return nghttp2_submit_response(http2->session, stream->id, headers, 2, &provider) == 0;
}

static bool accept_it(struct http2 *http2, struct stream *stream) {
    uint8_t *at = stream->message + PREFIX_SIZE;
    memset(stream->message, 0, PREFIX_SIZE);
    if (stream->request.rejected) {
        *at++ = 0x0a;
        uint8_t *size = at++;
        *at++ = 0x08;
        size_t rest = stream->request.rejected;
        for (; rest >= 0x80; rest >>= 7)
            *at++ = (uint8_t)(rest | 0x80);
        *at++ = (uint8_t)rest;
        memcpy(at, "\x12\x04half", 6);
        at += 6;
        *size = (uint8_t)(at - size - 1);
    }
    stream->message_size = (size_t)(at - stream->message);
    stream->message[PREFIX_SIZE - 1] = (uint8_t)(stream->message_size - PREFIX_SIZE);
    return submit_message(http2, stream);
}

static size_t to_base64(const uint8_t *data, size_t size, char *out) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t used = 0;
    for (size_t i = 0; i < size; i += 3) {
        uint32_t three = (uint32_t)data[i] << 16;
        three |= i + 1 < size ? (uint32_t)data[i + 1] << 8 : 0;
        three |= i + 2 < size ? (uint32_t)data[i + 2] : 0;
        for (size_t k = 0; k < 4 && i + k <= size; k++)
            out[used++] = digits[three >> (18 - 6 * k) & 63];
    }
    out[used] = '\0'; /* padding may be left out */
    return used;
}

/* An answer of trailers alone; `details` may be none. */
static bool submit_status(struct http2 *http2, struct stream *stream, int code, const uint8_t *details,
                          size_t size) {
    char number[8], text[STATUS_ROOM * 2];
    snprintf(number, sizeof number, "%d", code);
    to_base64(details, size, text);
    nghttp2_nv headers[] = {TEXT(":status", "200"), TEXT("content-type", "application/grpc"),
                            TEXT("grpc-status", number), TEXT("grpc-message", "as the test has it"),
                            TEXT("grpc-status-details-bin", text)};
    return nghttp2_submit_response(http2->session, stream->id, headers, size ? 5 : 4, NULL) == 0;
}

static bool submit_retry(struct http2 *http2, struct stream *stream, int code, int64_t seconds,
                         int32_t nanos) {
    uint8_t details[STATUS_ROOM];
    return submit_status(http2, stream, code, details, write_retry_status(details, code, seconds, nanos));
}

static bool submit_lies(struct http2 *http2, struct stream *stream) {
    uint8_t details[STATUS_ROOM];
    return submit_status(http2, stream, GRPC_INVALID_ARGUMENT, details,
                         write_lying_status(details, GRPC_INVALID_ARGUMENT));
}

/* What is waiting in the session goes out first. */
static bool go_raw(struct connection *connection) {
    bool done = http2_pump(connection);
    connection->http2->raw = true;
    return done;
}

static bool answer(struct connection *connection, struct stream *stream) {
    struct http2 *http2 = connection->http2;
    switch (stream->request.mode) {
    case RECEIVER_SLOW:
        connection->drips = true;
        return accept_it(http2, stream);
    case RECEIVER_RESET:
    case RECEIVER_RESET_FIRST:
        connection->reset = true;
        return false;
    case RECEIVER_GARBAGE:
        connection->close_after = connection->mute = true;
        return go_raw(connection) &&
               buffer_text(&connection->out, "HTTP/1.1 200 neither head nor tail\r\n\r\n");
    case RECEIVER_BUSY:
        return submit_retry(http2, stream, GRPC_UNAVAILABLE, LATE, 0);
    case RECEIVER_EXHAUSTED:
        return submit_retry(http2, stream, GRPC_RESOURCE_EXHAUSTED, LATE, 0);
    case RECEIVER_FLAKY:
        return submit_status(http2, stream, GRPC_UNAVAILABLE, NULL, 0);
    case RECEIVER_ENDLESS_HEADERS:
        return go_raw(connection) && frames_endless_headers(connection, stream->id, false);
    case RECEIVER_ENDLESS_TRAILERS:
        return go_raw(connection) && frames_endless_headers(connection, stream->id, true);
    case RECEIVER_ENDLESS_INTERIM:
        return go_raw(connection) && frames_endless_interim(connection, stream->id);
    case RECEIVER_ENDLESS_BODY:
        stream->endless = true;
        memcpy(stream->message, "\0\x7f\xff\xff\xff", PREFIX_SIZE);
        stream->message_size = PREFIX_SIZE;
        return submit_message(http2, stream);
    case RECEIVER_BOMB: /* whole frames, between those of the session */
        return http2_pump(connection) && frames_bomb(connection, stream->id);
    case RECEIVER_HUGE_BODY:
        return http2_pump(connection) && frames_huge_message(connection, stream->id);
    case RECEIVER_HUGE_TRAILER:
        return go_raw(connection) && frames_huge_trailer(connection, stream->id);
    case RECEIVER_DETAILS:
        return submit_lies(http2, stream);
    case RECEIVER_RETRY_LATER:
        return submit_retry(http2, stream, GRPC_UNAVAILABLE, INT64_MAX, INT32_MAX);
    case RECEIVER_RETRY_BEFORE:
        return submit_retry(http2, stream, GRPC_UNAVAILABLE, INT64_MIN, INT32_MIN);
    case RECEIVER_HEALTHY:
    case RECEIVER_REJECT:
        return accept_it(http2, stream);
    default:
        return true; /* no answer; the session lives on */
    }
}

/* ---- calls ---- */

static bool refuse(struct http2 *http2, struct stream *stream, int code) {
    stream->request.spans = stream->request.rejected = 0;
    return submit_status(http2, stream, code, NULL, 0);
}

/* The status that a call is refused with for its headers, or GRPC_OK. */
static int judge(struct receiver *receiver, const struct stream *stream) {
    if (!stream->is_post || !stream->is_export || !stream->is_grpc) {
        receiver_fault(receiver, "no POST, no Export of a service, or no content type of gRPC");
        return GRPC_UNIMPLEMENTED;
    }
    if (stream->encoding == ENCODING_UNKNOWN) {
        receiver_fault(receiver, "an unknown grpc-encoding");
        return GRPC_UNIMPLEMENTED;
    }
    if (!stream->has_te || !stream->has_agent || !stream->has_timeout || stream->timeout_late) {
        receiver_fault(receiver, "te: trailers, user-agent or grpc-timeout is missing, wrong, or too late");
        return GRPC_INVALID_ARGUMENT;
    }
    return GRPC_OK;
}

/* One message, framed. */
static bool is_framed(const struct buffer *body) {
    if (body->size < PREFIX_SIZE || body->data[0] > 1)
        return false;
    size_t size = (size_t)body->data[1] << 24 | (size_t)body->data[2] << 16 | (size_t)body->data[3] << 8 |
                  (size_t)body->data[4];
    return size == body->size - PREFIX_SIZE;
}

static bool call_done(struct connection *connection, struct stream *stream) {
    struct receiver *receiver = connection->receiver;
    struct request *request = &stream->request;
    int code = judge(receiver, stream);
    enum body_verdict verdict;
    atomic_fetch_add(&receiver->shared->requests, 1);
    atomic_fetch_add(&receiver->shared->bytes, stream->body.size);
    atomic_fetch_add(&receiver->shared->grpc_requests, 1);
    atomic_fetch_add(&receiver->shared->metric_requests, request->metrics);
    request->format = FORMAT_PROTOBUF;
    if (code == GRPC_OK && !is_framed(&stream->body)) {
        receiver_fault(receiver, "the message is not framed as gRPC has it");
        code = GRPC_INVALID_ARGUMENT;
    }
    if (code != GRPC_OK)
        return refuse(connection->http2, stream, code);
    if (stream->body.data[0] == 1 && stream->encoding == ENCODING_IDENTITY)
        receiver_fault(receiver, "a compressed message without grpc-encoding");
    verdict =
        request_read(receiver, request, stream->body.data + PREFIX_SIZE, stream->body.size - PREFIX_SIZE,
                     stream->body.data[0] == 1 ? stream->encoding : ENCODING_IDENTITY);
    if (verdict != BODY_FINE)
        return refuse(connection->http2, stream,
                      verdict == BODY_MALFORMED ? GRPC_INVALID_ARGUMENT : GRPC_RESOURCE_EXHAUSTED);
    request_decide(receiver, request);
    return answer(connection, stream);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
    struct connection *connection = user;
    struct stream *stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    bool ends = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    if ((frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS) && ends && stream)
        stream_push(&connection->http2->ready, stream);
    return 0;
}

/* The last frame of an answer is in `out`. */
static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
    struct connection *connection = user;
    struct stream *stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (frame->hd.type != NGHTTP2_HEADERS || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM) || !stream)
        return 0;
    nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, NULL);
    stream_push(&connection->http2->ended, stream);
    return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t error, void *user) {
    struct connection *connection = user;
    struct stream *stream = nghttp2_session_get_stream_user_data(session, id);
    (void)error;
    if (stream) { /* given up before its answer was written */
        stream_remove(&connection->http2->ready, stream);
        stream_push(&connection->http2->free, stream);
    }
    return 0;
}

static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int error, void *user) {
    struct connection *connection = user;
    (void)session;
    receiver_fault(connection->receiver, "HTTP/2: %s in a frame of type %u", nghttp2_strerror(error),
                   frame->hd.type);
    return 0;
}

/* ---- the session ---- */

bool http2_open(struct connection *connection) {
    bool closed = atomic_load(&connection->receiver->shared->mode) == RECEIVER_NO_WINDOW;
    nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 100},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, closed ? 0 : (uint32_t)WINDOW}};
    nghttp2_session_callbacks *callbacks;
    struct http2 *http2 = connection->http2 = calloc(1, sizeof *http2);
    if (!http2 || nghttp2_session_callbacks_new(&callbacks) != 0)
        return false;
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
    int error = nghttp2_session_server_new(&http2->session, callbacks, connection);
    nghttp2_session_callbacks_del(callbacks);
    if (error || nghttp2_submit_settings(http2->session, NGHTTP2_FLAG_NONE, settings, 2) != 0)
        return false;
    return nghttp2_session_set_local_window_size(http2->session, NGHTTP2_FLAG_NONE, 0, WINDOW) == 0;
}

bool http2_feed(struct connection *connection, const uint8_t *data, size_t size) {
    struct http2 *http2 = connection->http2;
    if (http2->raw)
        return true;
    if (nghttp2_session_mem_recv(http2->session, data, size) != (ssize_t)size)
        return false;
    while (http2->ready && !http2->raw) {
        struct stream *stream = http2->ready;
        http2->ready = stream->next;
        if (!call_done(connection, stream))
            return false;
    }
    return nghttp2_session_want_read(http2->session) || nghttp2_session_want_write(http2->session);
}

bool http2_pump(struct connection *connection) {
    struct http2 *http2 = connection->http2;
    const uint8_t *data;
    ssize_t size = 0;
    /* An answer without end is made as it is taken. */
    while (!http2->raw && connection->out.size - connection->sent < FLOOD_SIZE &&
           (size = nghttp2_session_mem_send(http2->session, &data)) > 0) {
        if (!buffer_append(&connection->out, data, (size_t)size))
            return false;
    }
    return size >= 0;
}

bool http2_has_to_say(const struct connection *connection) {
    return !connection->http2->raw && nghttp2_session_want_write(connection->http2->session);
}

void http2_count_answers(struct connection *connection) {
    struct http2 *http2 = connection->http2;
    while (http2->ended) {
        struct stream *stream = http2->ended;
        request_answered(connection->receiver, &stream->request);
        http2->ended = stream->next;
        stream_push(&http2->free, stream);
    }
}

void http2_close(struct connection *connection) {
    struct http2 *http2 = connection->http2;
    if (!http2)
        return;
    nghttp2_session_del(http2->session);
    while (http2->made) {
        struct stream *stream = http2->made;
        http2->made = stream->next_made;
        buffer_free(&stream->body);
        request_free(&stream->request);
        free(stream);
    }
    free(http2);
}
