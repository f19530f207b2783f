/* The transport for OTLP/gRPC: one unary call at a time on one connection, which is kept from call to call.
 * Owns the connection, its HTTP/2 session, and the answer. One thread at a time: Clew's worker, or whoever
 * drives or shuts it down; `forget` in the child of a fork.
 *
 * Nobody looks at an idle connection. What came on it meanwhile (an end, a goodbye, pings) is read before the
 * next call. A call that a kept connection did not carry, for it was dead already or was being closed, is
 * made once more on a new one. */
#include "collector-bridge/export/grpc_call.h"
#include "sdk/base/buffer.h"

#include <clew/extend.h>
#include <errno.h>
#include <unistd.h>

#define NANO_PER_MILLI UINT64_C(1000000)
/* Of a request's header, beside what the settings say. */
#define HEADER_OWN 12
/* So often is read in one step; then others of the same thread have their turn. */
#define ROUNDS 16
/* How soon to look again when the caller has no room for the descriptor. */
#define BLIND_NANO (10 * NANO_PER_MILLI)

static struct clew__grpc *grpc_of(const struct clew__transport *transport) {
    return (struct clew__grpc *)(uintptr_t)transport;
}

/* ---- what the session asks ---- */

static bool on_header(void *user, struct clew__slice name, struct clew__slice value) {
    struct clew__grpc *grpc = user;
    return clew__grpc_answer_header(&grpc->answer, name, value);
}

static void on_header_end(void *user) {
    struct clew__grpc *grpc = user;
    grpc->answer.header_ended = true;
}

static bool on_data(void *user, const void *data, size_t size) {
    struct clew__grpc *grpc = user;
    return clew__grpc_answer_data(&grpc->answer, data, size);
}

static size_t read_body(void *user, uint8_t *out, size_t size, bool *last) {
    struct clew__grpc *grpc = user;
    size_t read = 0;
    if (grpc->taken < CLEW__GRPC_PREFIX) {
        size_t left = CLEW__GRPC_PREFIX - grpc->taken;
        read = left < size ? left : size;
        memcpy(out, grpc->prefix + grpc->taken, read);
        grpc->taken += read;
    }
    if (grpc->taken >= CLEW__GRPC_PREFIX) {
        size_t from = grpc->taken - CLEW__GRPC_PREFIX;
        size_t left = grpc->sending.size - from;
        size_t more = left < size - read ? left : size - read;
        if (more)
            memcpy(out + read, grpc->sending.data + from, more);
        grpc->taken += more;
        read += more;
        *last = more == left;
    }
    return read;
}

/* ---- the request ---- */

static void add_header(struct clew__grpc *grpc, size_t *count, struct clew__slice name,
                       struct clew__slice value) {
    grpc->header[(*count)++] = (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name.data,
                                            .value = (uint8_t *)(uintptr_t)value.data,
                                            .namelen = name.size,
                                            .valuelen = value.size};
}

static void add_text(struct clew__grpc *grpc, size_t *count, const char *name, const char *value) {
    add_header(grpc, count, clew__slice_text(name), clew__slice_text(value));
}

static const char *path_of(clew_otlp_signal signal) {
    return signal == CLEW_SIGNAL_METRICS ? "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
                                         : "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
}

static void add_metadata(struct clew__grpc *grpc, size_t *count) {
    const struct clew__otlp_settings *settings = grpc->base.settings;
    for (size_t i = 0; i < settings->header_count; i++) {
        const char *line = settings->headers[i];
        struct clew__slice value = clew__otlp_settings_header_value(line);
        add_header(grpc, count, clew__slice_of(line, strcspn(line, ":;")),
                   value.size ? value : clew__slice_text(""));
    }
}

/* Makes the request on the open connection. False: no memory, or the session takes none. */
static bool request(struct clew__grpc *grpc, uint64_t now) {
    const struct clew__otlp_settings *settings = grpc->base.settings;
    char timeout[CLEW__GRPC_TIMEOUT_SIZE];
    size_t count = 0;
    add_text(grpc, &count, ":method", "POST");
    add_text(grpc, &count, ":scheme", settings->tls ? "https" : "http");
    add_text(grpc, &count, ":path", path_of(settings->signal));
    add_text(grpc, &count, ":authority", settings->authority ? settings->authority : "localhost");
    if (grpc->deadline_nano != UINT64_MAX) {
        clew__grpc_write_timeout(grpc->deadline_nano > now ? grpc->deadline_nano - now : 1, timeout);
        add_text(grpc, &count, "grpc-timeout", timeout);
    }
    add_text(grpc, &count, "te", "trailers");
    add_text(grpc, &count, "content-type", "application/grpc");
    if (settings->user_agent)
        add_text(grpc, &count, "user-agent", settings->user_agent);
    if (grpc->sending.compressed)
        add_text(grpc, &count, "grpc-encoding",
                 settings->compression == CLEW_COMPRESSION_ZSTD ? "zstd" : "gzip");
    add_text(grpc, &count, "grpc-accept-encoding", "identity,gzip,zstd");
    add_metadata(grpc, &count);
    grpc->taken = 0;
    grpc->heard = false;
    clew__grpc_write_prefix(grpc->prefix, grpc->sending.compressed, (uint32_t)grpc->sending.size);
    return clew__h2_request(grpc->h2, grpc->header, count);
}

/* ---- the connection ---- */

static void disconnect(struct clew__grpc *grpc) {
    clew__connection_close(&grpc->connection);
    clew__h2_free(grpc->h2);
    grpc->h2 = NULL;
    grpc->more = false;
}

static void forget(struct clew__grpc *grpc) {
    if (grpc->h2)
        clew__h2_forget(grpc->h2);
    grpc->h2 = NULL;
    clew__connection_forget(&grpc->connection);
    /* The fork may have come in the midst of its growing. */
    if (grpc->running)
        clew__buffer_forget(&grpc->answer.kept);
    grpc->running = grpc->more = false;
}

static void flush(struct clew__grpc *grpc) {
    for (;;) {
        struct clew__slice out = clew__h2_next_out(grpc->h2);
        size_t sent = out.size ? clew__connection_send(&grpc->connection, out.data, out.size) : 0;
        if (sent == 0)
            return;
        clew__h2_sent(grpc->h2, sent);
    }
}

/* Nothing more can be made of the stream's answer. */
static bool stream_over(const struct clew__grpc *grpc) {
    return clew__h2_stream(grpc->h2) != CLEW__H2_AT_WORK || grpc->answer.too_large ||
           clew__grpc_answer_is_foreign(&grpc->answer);
}

/* Reads what has come, and writes what can go. */
static void exchange(struct clew__grpc *grpc) {
    size_t size = 1;
    flush(grpc);
    for (int round = 0; round < ROUNDS && size && !clew__h2_fault(grpc->h2); round++) {
        size = clew__connection_receive(&grpc->connection, clew__h2_room(grpc->h2), CLEW__H2_ROOM);
        if (size == 0)
            break;
        grpc->heard = true;
        clew__h2_receive(grpc->h2, size);
        flush(grpc);
        if (grpc->running && stream_over(grpc))
            break;
    }
    grpc->more = size != 0;
}

/* Whether the kept connection can take another call. */
static bool still_good(struct clew__grpc *grpc) {
    if (grpc->connection.state != CLEW__CONNECTION_OPEN || !grpc->h2 ||
        !clew__descriptor_is_ours(&grpc->connection.socket))
        return false;
    exchange(grpc);
    return grpc->connection.state == CLEW__CONNECTION_OPEN && !grpc->more && clew__h2_is_open(grpc->h2);
}

/* An open connection gets its session and the request. False: the attempt has ended, without memory. */
static bool start_call(struct clew__grpc *grpc, uint64_t now) {
    const struct clew__h2_events events = {grpc, on_header, on_header_end, on_data, read_body};
    if (!grpc->h2)
        grpc->h2 = clew__h2_new(&events);
    return grpc->h2 && request(grpc, now);
}

/* ---- the end ---- */

/* Whether a peer that made the attempt end like this can be trusted with another call on the same connection.
 * One that was not heard of meanwhile may be gone without a word. */
static bool is_trusted(const struct clew__grpc *grpc, enum clew__transport_end end) {
    switch (end) {
    case CLEW__TRANSPORT_ANSWERED:
        return true;
    case CLEW__TRANSPORT_BROKEN:
    case CLEW__TRANSPORT_LATE:
        return grpc->heard;
    default:
        return false;
    }
}

/* The attempt is over; the connection stays when it can carry another call. */
static void end_attempt(struct clew__grpc *grpc, const struct clew__transport_result *result) {
    bool open = grpc->connection.state == CLEW__CONNECTION_OPEN && grpc->h2;
    grpc->running = false;
    if (open) {
        clew__h2_cancel(grpc->h2);
        flush(grpc);
    }
    if (!open || !is_trusted(grpc, result->end) || grpc->connection.state != CLEW__CONNECTION_OPEN ||
        grpc->connection.deaf || grpc->connection.sending_waits || !clew__h2_is_open(grpc->h2))
        disconnect(grpc);
}

/* Without an answer, and without a word since the call began, on a connection from before: it was dead
 * already, or is being closed. */
static bool was_stale(const struct clew__grpc *grpc) {
    if (!grpc->kept || grpc->answer.header_size)
        return false;
    if (grpc->connection.state == CLEW__CONNECTION_CLOSED)
        return !grpc->heard || clew__h2_stream(grpc->h2) == CLEW__H2_UNTOUCHED;
    return clew__h2_stream(grpc->h2) == CLEW__H2_UNTOUCHED && !clew__h2_is_open(grpc->h2);
}

static void connect_anew(struct clew__grpc *grpc, uint64_t now) {
    grpc->sent_before = clew__h2_request_sent(grpc->h2) && clew__h2_stream(grpc->h2) != CLEW__H2_UNTOUCHED;
    grpc->kept = false;
    disconnect(grpc);
    clew__connection_open(&grpc->connection, now, grpc->deadline_nano);
}

/* ---- the table ---- */

static int on_begin(struct clew__transport *transport, const struct clew__body *body, uint64_t now,
                    uint64_t deadline) {
    struct clew__grpc *grpc = grpc_of(transport);
    if (grpc->owner != getpid())
        forget(grpc);
    grpc->owner = getpid();
    clew__grpc_answer_free(&grpc->answer);
    grpc->sending = *body;
    grpc->started_nano = now;
    grpc->deadline_nano = deadline;
    grpc->sent_before = false;
    grpc->taken = 0;
    grpc->kept = still_good(grpc);
    clew__grpc_answer_free(&grpc->answer);
    if (grpc->kept && !start_call(grpc, now))
        grpc->kept = false;
    if (!grpc->kept) {
        disconnect(grpc);
        clew__connection_open(&grpc->connection, now, deadline);
    }
    grpc->running = true;
    grpc->more = true; /* there is work to do before there is something to wait for */
    return CLEW_OK;
}

static size_t on_wait(const struct clew__transport *transport, clew_poll *descriptors, size_t capacity,
                      uint64_t *wake_nano) {
    const struct clew__grpc *grpc = grpc_of(transport);
    clew_poll wanted = clew__connection_wait(&grpc->connection, wake_nano);
    if (!grpc->running) {
        *wake_nano = UINT64_MAX;
        return 0;
    }
    if (grpc->more || grpc->connection.state == CLEW__CONNECTION_CLOSED)
        *wake_nano = 0;
    if (*wake_nano > grpc->deadline_nano)
        *wake_nano = grpc->deadline_nano;
    if (wanted.fd < 0)
        return 0;
    if (capacity == 0) {
        uint64_t soon = clew_monotonic_nano() + BLIND_NANO;
        *wake_nano = soon < *wake_nano ? soon : *wake_nano;
        return 0;
    }
    descriptors[0] = wanted;
    return 1;
}

/* One look at the connection. False: there is no memory to go on. */
static bool advance(struct clew__grpc *grpc, uint64_t now) {
    bool has_socket = grpc->connection.socket.fd >= 0;
    if (has_socket && !clew__descriptor_is_ours(&grpc->connection.socket))
        clew__connection_close(&grpc->connection);
    clew__connection_step(&grpc->connection, now);
    grpc->more = false;
    if (grpc->connection.state != CLEW__CONNECTION_OPEN)
        return true;
    if (!grpc->h2 && !start_call(grpc, now))
        return false;
    exchange(grpc);
    return true;
}

static bool on_step(struct clew__transport *transport, const clew_poll *descriptors, size_t count,
                    uint64_t now, struct clew__transport_result *result) {
    struct clew__grpc *grpc = grpc_of(transport);
    int saved = errno;
    /* Asking the socket costs no more than finding it in the list. */
    (void)descriptors;
    (void)count;
    if (!grpc->running)
        return false;
    bool memory = advance(grpc, now);
    if (memory && grpc->h2 && was_stale(grpc)) {
        connect_anew(grpc, now);
        memory = advance(grpc, now);
    }
    bool ended = clew__grpc_conclude(grpc, now, result);
    if (!memory) {
        clew__grpc_out_of_memory(grpc, result);
        ended = true;
    }
    if (ended)
        end_attempt(grpc, result);
    errno = saved;
    return ended;
}

static void on_stop(struct clew__transport *transport, struct clew__transport_result *result) {
    struct clew__grpc *grpc = grpc_of(transport);
    int saved = errno;
    uint64_t now = clew_monotonic_nano();
    memset(result, 0, sizeof *result);
    result->end = CLEW__TRANSPORT_LATE;
    result->status = -1;
    if (!grpc->running)
        return;
    if (grpc->owner != getpid())
        forget(grpc);
    if (!clew__grpc_conclude(grpc, now, result))
        clew__grpc_late(grpc, now, result);
    if (result->end == CLEW__TRANSPORT_BROKEN)
        result->end = CLEW__TRANSPORT_LATE;
    end_attempt(grpc, result);
    errno = saved;
}

static void on_free_answer(struct clew__transport *transport) {
    clew__grpc_answer_free(&grpc_of(transport)->answer);
}

static void on_forget(struct clew__transport *transport) {
    forget(grpc_of(transport));
}

static void on_destroy(struct clew__transport *transport) {
    struct clew__grpc *grpc = grpc_of(transport);
    int saved = errno;
    if (grpc->owner != getpid())
        forget(grpc);
    disconnect(grpc);
    clew__connection_fini(&grpc->connection);
    clew__grpc_answer_free(&grpc->answer);
    clew_memory_release(grpc->header);
    clew_memory_release(grpc);
    errno = saved;
}

struct clew__transport *clew__grpc_new(const struct clew__otlp_settings *settings) {
    static const struct clew__transport_kind kind = {
        on_begin, on_wait, on_step, on_stop, on_free_answer, on_forget, on_destroy,
    };
    struct clew__grpc *grpc = clew_memory_allocate(sizeof *grpc);
    nghttp2_nv *header = clew_memory_allocate((HEADER_OWN + settings->header_count) * sizeof *header);
    if (!grpc || !header) {
        clew_memory_release(grpc);
        clew_memory_release(header);
        return NULL;
    }
    memset(grpc, 0, sizeof *grpc);
    grpc->base = (struct clew__transport){&kind, settings};
    grpc->header = header;
    grpc->owner = getpid();
    clew__connection_init(&grpc->connection, settings);
    return &grpc->base;
}
