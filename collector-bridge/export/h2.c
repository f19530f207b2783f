/* One HTTP/2 connection. Owns the session of nghttp2 and the bytes that wait to be sent; one thread at a
 * time.
 *
 * A peer cannot make the session grow: pushes and streams of its own are forbidden, nghttp2 bounds what it
 * keeps of a header, and frames that want an answer, or bring nothing, are counted for each request. */
#include "collector-bridge/export/h2.h"

#include "collector-bridge/export/left_behind.h"
#include "collector-bridge/export/transport.h"

#include <clew/extend.h>
#include <string.h>

/* Frames for each request that want an answer (PING, SETTINGS). A peer that measures the bandwidth by pings
 * sends one for some frames of data. */
#define ANSWERS_MAX 200u
/* Frames for each request, whatever they are: an answer of 4 MiB in frames of one kilobyte, and as much
 * again. */
#define FRAMES_MAX 8192u
/* Small frames travel together. */
#define OUT_SIZE 4096u
#define GOODBYE_MAX 64u
/* The default of the protocol; answers are small. */
#define WINDOW 65535u

struct clew__h2 {
    nghttp2_session *session;
    struct clew__h2_events events;

    /* The request. */
    int32_t id; /* 0: none */
    enum clew__h2_stream stream;
    uint32_t error;
    bool cancelled; /* what still comes for it is not looked at */
    bool body_done; /* its last frame was made; it ends at this place of `out`, */
    size_t body_end;
    bool sent;  /* and was taken by the system */
    bool final; /* the header that is read is not an interim one */
    unsigned answers, frames;

    enum clew__h2_fault fault;
    bool in_header; /* a header has begun, and not ended */
    bool heard;     /* the peer's first bytes were looked at */
    bool going;     /* the peer has said goodbye */
    char goodbye[GOODBYE_MAX];
    size_t goodbye_size;

    /* What waits to be sent: first `out`, then `frame`, which is nghttp2's and valid until it is asked again.
     */
    uint8_t out[OUT_SIZE];
    size_t out_from, out_to;
    const uint8_t *frame;
    size_t frame_size;

    uint8_t room[CLEW__H2_ROOM];
};

static void fail(struct clew__h2 *h2, enum clew__h2_fault fault) {
    if (h2->fault == CLEW__H2_FINE)
        h2->fault = fault;
}

/* ---- memory ---- */

static void *on_malloc(size_t size, void *user) {
    (void)user;
    return clew_memory_allocate(size);
}

static void on_free(void *block, void *user) {
    (void)user;
    clew_memory_release(block);
}

static void *on_calloc(size_t count, size_t size, void *user) {
    size_t total;
    (void)user;
    if (__builtin_mul_overflow(count, size, &total))
        return NULL;
    void *block = clew_memory_allocate(total);
    return block ? memset(block, 0, total) : NULL;
}

static void *on_realloc(void *block, size_t size, void *user) {
    (void)user;
    return clew_memory_reallocate(block, size);
}

/* ---- what comes in ---- */

static bool is_current(const struct clew__h2 *h2, int32_t id) {
    return id == h2->id && id != 0 && !h2->cancelled && h2->stream == CLEW__H2_AT_WORK;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
    struct clew__h2 *h2 = user;
    (void)session;
    (void)frame;
    h2->final = h2->in_header = true;
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags, void *user) {
    struct clew__h2 *h2 = user;
    (void)session;
    (void)flags;
    if (!is_current(h2, frame->hd.stream_id))
        return 0;
    struct clew__slice name_slice = clew__slice_of((const char *)name, name_size);
    if (clew__slice_equals(name_slice, ":status") && value_size && value[0] == '1')
        h2->final = false;
    return h2->events.on_header(h2->events.user, name_slice, clew__slice_of((const char *)value, value_size))
               ? 0
               : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t size,
                   void *user) {
    struct clew__h2 *h2 = user;
    (void)flags;
    if (!is_current(h2, id) || h2->events.on_data(h2->events.user, data, size))
        return 0;
    h2->cancelled = true;
    return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
}

static void note_goodbye(struct clew__h2 *h2, const nghttp2_goaway *goaway) {
    size_t size = goaway->opaque_data_len < GOODBYE_MAX ? goaway->opaque_data_len : GOODBYE_MAX;
    if (size)
        memcpy(h2->goodbye, goaway->opaque_data, size);
    h2->goodbye_size = size;
    h2->going = true;
    if (h2->stream == CLEW__H2_AT_WORK)
        h2->error = goaway->error_code;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
    struct clew__h2 *h2 = user;
    (void)session;
    h2->frames++;
    h2->in_header = false;
    bool wants_answer = (frame->hd.type == NGHTTP2_PING || frame->hd.type == NGHTTP2_SETTINGS) &&
                        !(frame->hd.flags & NGHTTP2_FLAG_ACK);
    h2->answers += wants_answer;
    if (frame->hd.type == NGHTTP2_GOAWAY)
        note_goodbye(h2, &frame->goaway);
    if (!is_current(h2, frame->hd.stream_id))
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && h2->final)
        h2->events.on_header_end(h2->events.user);
    if ((frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
        frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
        h2->stream = CLEW__H2_ANSWERED;
    if (frame->hd.type == NGHTTP2_RST_STREAM) {
        h2->error = frame->rst_stream.error_code;
        h2->stream = h2->error == NGHTTP2_REFUSED_STREAM ? CLEW__H2_UNTOUCHED : CLEW__H2_RESET;
    }
    return 0;
}

/* Without a frame that ended it before: above the last stream of a GOAWAY, or against the rules. */
static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t error, void *user) {
    struct clew__h2 *h2 = user;
    (void)session;
    if (!is_current(h2, id))
        return 0;
    h2->stream = error == NGHTTP2_REFUSED_STREAM ? CLEW__H2_UNTOUCHED : CLEW__H2_BAD;
    return 0;
}

/* ---- what goes out ---- */

/* Only when nghttp2 is asked for the next frame does it say that the one before was made. */
static void look_whether_sent(struct clew__h2 *h2) {
    if (h2->body_done && !h2->frame && (h2->out_to == 0 || h2->out_from >= h2->body_end))
        h2->sent = true;
}

static ssize_t on_read_body(nghttp2_session *session, int32_t id, uint8_t *out, size_t size, uint32_t *flags,
                            nghttp2_data_source *source, void *user) {
    struct clew__h2 *h2 = user;
    bool last = false;
    (void)session;
    (void)source;
    /* The body may be gone by now. */
    if (id != h2->id || h2->cancelled)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    size_t read = h2->events.read_body(h2->events.user, out, size, &last);
    if (last)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)read;
}

static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
    struct clew__h2 *h2 = user;
    (void)session;
    if (frame->hd.type == NGHTTP2_DATA && frame->hd.stream_id == h2->id &&
        frame->hd.flags & NGHTTP2_FLAG_END_STREAM) {
        h2->body_done = true;
        h2->body_end = h2->out_to;
    }
    /* nghttp2 says goodbye by itself only to a peer that broke the protocol. */
    if (frame->hd.type == NGHTTP2_GOAWAY)
        fail(h2, CLEW__H2_PROTOCOL);
    return 0;
}

static int on_frame_not_sent(nghttp2_session *session, const nghttp2_frame *frame, int error, void *user) {
    struct clew__h2 *h2 = user;
    (void)session;
    if (frame->hd.type != NGHTTP2_HEADERS || !is_current(h2, frame->hd.stream_id))
        return 0;
    if (error == NGHTTP2_ERR_START_STREAM_NOT_ALLOWED || error == NGHTTP2_ERR_SESSION_CLOSING)
        h2->stream = CLEW__H2_UNTOUCHED;
    else if (error == NGHTTP2_ERR_FRAME_SIZE_ERROR)
        h2->stream = CLEW__H2_NOT_SENT;
    else /* of what is left only memory can be missing */
        fail(h2, CLEW__H2_MEMORY);
    return 0;
}

/* Fills `out` with small frames, up to one that has no room there. */
static void make_frames(struct clew__h2 *h2) {
    while (!h2->frame) {
        const uint8_t *frame;
        ssize_t size = nghttp2_session_mem_send(h2->session, &frame);
        if (size < 0)
            fail(h2, size == NGHTTP2_ERR_NOMEM ? CLEW__H2_MEMORY : CLEW__H2_PROTOCOL);
        if (size <= 0)
            return;
        if ((size_t)size > OUT_SIZE - h2->out_to) {
            h2->frame = frame;
            h2->frame_size = (size_t)size;
            return;
        }
        memcpy(h2->out + h2->out_to, frame, (size_t)size);
        h2->out_to += (size_t)size;
    }
}

struct clew__slice clew__h2_next_out(struct clew__h2 *h2) {
    make_frames(h2);
    look_whether_sent(h2);
    if (h2->out_from < h2->out_to)
        return clew__slice_of((const char *)h2->out + h2->out_from, h2->out_to - h2->out_from);
    return clew__slice_of((const char *)h2->frame, h2->frame_size);
}

void clew__h2_sent(struct clew__h2 *h2, size_t size) {
    if (h2->out_from < h2->out_to) {
        h2->out_from += size;
        look_whether_sent(h2);
        if (h2->out_from == h2->out_to)
            h2->out_from = h2->out_to = 0;
        return;
    }
    h2->frame += size;
    h2->frame_size -= size;
    if (h2->frame_size == 0)
        h2->frame = NULL;
}

/* ---- the session ---- */

static int make_session(struct clew__h2 *h2) {
    nghttp2_mem memory = {NULL, on_malloc, on_free, on_calloc, on_realloc};
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, CLEW__ANSWER_HEADERS_MAX},
    };
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    int error = nghttp2_session_callbacks_new(&callbacks);
    if (error == 0)
        error = nghttp2_option_new(&option);
    if (error == 0) {
        nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
        nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
        nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
        nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, on_frame_not_sent);
        nghttp2_option_set_max_outbound_ack(option, ANSWERS_MAX);
        nghttp2_option_set_max_reserved_remote_streams(option, 0);
        /* A space at the end of grpc-message is no reason to lose it. */
        nghttp2_option_set_no_rfc9113_leading_and_trailing_ws_validation(option, 1);
        error = nghttp2_session_client_new3(&h2->session, callbacks, h2, option, &memory);
    }
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    if (error == 0)
        error = nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, settings,
                                        sizeof settings / sizeof settings[0]);
    return error;
}

struct clew__h2 *clew__h2_new(const struct clew__h2_events *events) {
    if (!clew_budget_take(sizeof(struct clew__h2)))
        return NULL;
    struct clew__h2 *h2 = clew_memory_allocate(sizeof *h2);
    if (!h2) {
        clew_budget_give(sizeof *h2);
        return NULL;
    }
    memset(h2, 0, sizeof *h2);
    h2->events = *events;
    if (make_session(h2) == 0)
        return h2;
    clew__h2_free(h2);
    return NULL;
}

void clew__h2_free(struct clew__h2 *h2) {
    if (!h2)
        return;
    nghttp2_session_del(h2->session);
    clew_memory_release(h2);
    clew_budget_give(sizeof *h2);
}

void clew__h2_forget(struct clew__h2 *h2) {
    clew__leave_behind(h2);
}

bool clew__h2_request(struct clew__h2 *h2, const nghttp2_nv *header, size_t count) {
    const nghttp2_data_provider body = {.read_callback = on_read_body};
    h2->id = 0;
    h2->stream = CLEW__H2_NONE;
    h2->error = 0;
    h2->cancelled = h2->body_done = h2->sent = false;
    h2->answers = h2->frames = 0;
    int32_t id = nghttp2_submit_request(h2->session, NULL, header, count, &body, NULL);
    if (id < 0)
        return false;
    h2->id = id;
    h2->stream = CLEW__H2_AT_WORK;
    return true;
}

void clew__h2_cancel(struct clew__h2 *h2) {
    bool over = h2->stream == CLEW__H2_ANSWERED ? h2->body_done : h2->stream != CLEW__H2_AT_WORK;
    if (h2->cancelled || over)
        return;
    h2->cancelled = true;
    if (nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, h2->id, NGHTTP2_CANCEL) != 0)
        fail(h2, CLEW__H2_MEMORY);
}

uint8_t *clew__h2_room(struct clew__h2 *h2) {
    return h2->room;
}

/* What came first, as far as it has come. */
static bool starts_with(const struct clew__h2 *h2, size_t size, const char *text) {
    size_t most = strlen(text);
    return memcmp(h2->room, text, size < most ? size : most) == 0;
}

bool clew__h2_receive(struct clew__h2 *h2, size_t size) {
    static const char http1[] = "HTTP/1.", alert[] = "\x15\x03"; /* RFC 8446, 5.1 and B.1 */
    if (!h2->heard && starts_with(h2, size, http1))
        fail(h2, CLEW__H2_HTTP1);
    else if (!h2->heard && starts_with(h2, size, alert))
        fail(h2, CLEW__H2_TLS);
    h2->heard = true;
    if (h2->fault)
        return false;
    ssize_t taken = nghttp2_session_mem_recv(h2->session, h2->room, size);
    if (taken == NGHTTP2_ERR_NOMEM)
        fail(h2, CLEW__H2_MEMORY);
    else if (taken == NGHTTP2_ERR_FLOODED || h2->answers > ANSWERS_MAX || h2->frames > FRAMES_MAX)
        fail(h2, CLEW__H2_FLOOD);
    else if (taken < 0) /* in a header: too many CONTINUATION frames */
        fail(h2, h2->in_header ? CLEW__H2_HEADER : CLEW__H2_PROTOCOL);
    return !h2->fault;
}

enum clew__h2_fault clew__h2_fault(const struct clew__h2 *h2) {
    return h2->fault;
}

enum clew__h2_stream clew__h2_stream(const struct clew__h2 *h2) {
    return h2->stream;
}

uint32_t clew__h2_error(const struct clew__h2 *h2) {
    return h2->error;
}

bool clew__h2_is_open(const struct clew__h2 *h2) {
    return !h2->fault && !h2->going && nghttp2_session_check_request_allowed(h2->session);
}

bool clew__h2_request_sent(const struct clew__h2 *h2) {
    return h2->sent;
}

struct clew__slice clew__h2_goodbye(const struct clew__h2 *h2) {
    return clew__slice_of(h2->goodbye, h2->goodbye_size);
}
