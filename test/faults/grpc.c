/* The transport for OTLP/gRPC alone: against the receiver of test/peer, and against a peer that says whatever
 * frames a test wants. Drives it with a poll loop, as the worker does. */
#include "collector-bridge/export/compress.h"
#include "collector-bridge/export/transport.h"
#include "test/fork_now.h"
#include "test/peer/receiver.h"
#include "test/tap.h"

#include <arpa/inet.h>
#include <clew/clew.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define NANO_PER_MILLI UINT64_C(1000000)
/* How late an end may be, in milliseconds; the sanitizers slow everything down. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define GRACE_MS 200
#else
#define GRACE_MS 50
#endif
#define DEADLINE_MS 500

/* ---- names ---- */

static int (*real_getaddrinfo)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
static atomic_int name_server; /* of test.invalid: 0 answers 127.0.0.1, 1 is silent for long, 2 knows it not,
                                  3 knows another address, `first_answer`, before that one */
static struct sockaddr_in first_answer;
static atomic_uint questions;

/* In front of the list; both parts stay freeaddrinfo()'s. */
static int put_first(const struct addrinfo *hints, struct addrinfo **list) {
    struct addrinfo *first;
    int error = real_getaddrinfo("127.0.0.1", NULL, hints, &first);
    if (error)
        return error;
    memcpy(first->ai_addr, &first_answer, sizeof first_answer);
    first->ai_next = *list;
    *list = first;
    return 0;
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **out) {
    if (!node || strcmp(node, "test.invalid") != 0 || hints->ai_flags & AI_NUMERICHOST)
        return real_getaddrinfo(node, service, hints, out);
    atomic_fetch_add(&questions, 1);
    if (atomic_load(&name_server) == 2)
        return EAI_NONAME;
    while (atomic_load(&name_server) == 1)
        poll(NULL, 0, 10);
    int error = real_getaddrinfo("127.0.0.1", service, hints, out);
    if (error == 0 && atomic_load(&name_server) == 3)
        error = put_first(hints, out);
    return error;
}

/* ---- driving ---- */

static struct clew__otlp_settings settings_to(uint16_t port) {
    struct clew__otlp_settings settings = {
        .shown = "the-receiver",
        .timeout_ms = 10000,
        .protocol = CLEW_OTLP_GRPC,
        .compression = CLEW_COMPRESSION_NONE,
        .user_agent = "OTel-OTLP-Exporter-C/test",
        .host = "127.0.0.1",
        .port = port,
        .authority = "127.0.0.1",
    };
    return settings;
}

/* An ExportTraceServiceRequest with one span: what the receiver takes. */
static const uint8_t request_bytes[] = "\x0a\x2c\x12\x2a\x12\x28"
                                       "\x0a\x10"
                                       "0123456789abcdef"
                                       "\x12\x08"
                                       "01234567"
                                       "\x2a\x01n"
                                       "\x39\0\0\0\0\0\0\0" /* and the terminator */;
static const struct clew__body small = {request_bytes, sizeof request_bytes, 1, false};

struct run {
    struct clew__transport_result result;
    bool ended;
    unsigned elapsed_ms;
};

static size_t watch_capacity = 8;

static bool step_once(struct clew__transport *transport, uint64_t until,
                      struct clew__transport_result *result) {
    clew_poll watched[8];
    struct pollfd polled[8];
    uint64_t wake;
    size_t count = transport->kind->wait(transport, watched, watch_capacity, &wake);
    for (size_t i = 0; i < count; i++)
        polled[i] = (struct pollfd){watched[i].fd, watched[i].events, 0};
    uint64_t now = clew_monotonic_nano(), end = wake < until ? wake : until;
    poll(polled, count, end <= now ? 0 : (int)((end - now + NANO_PER_MILLI - 1) / NANO_PER_MILLI));
    for (size_t i = 0; i < count; i++)
        watched[i].revents = polled[i].revents;
    return transport->kind->step(transport, watched, count, clew_monotonic_nano(), result);
}

static struct run call(struct clew__transport *transport, const struct clew__body *body,
                       unsigned deadline_ms) {
    struct run run = {.ended = false};
    uint64_t started = clew_monotonic_nano();
    uint64_t give_up = started + UINT64_C(20000) * NANO_PER_MILLI;
    if (transport->kind->begin(transport, body, started, started + deadline_ms * NANO_PER_MILLI) != CLEW_OK)
        abort();
    while (!run.ended && clew_monotonic_nano() < give_up)
        run.ended = step_once(transport, give_up, &run.result);
    run.elapsed_ms = (unsigned)((clew_monotonic_nano() - started) / NANO_PER_MILLI);
    return run;
}

static const char *end_name(enum clew__transport_end end) {
    static const char *const names[] = {"answered", "broken", "late", "hopeless", "garbage", "too large"};
    return names[end];
}

struct expected {
    enum clew__transport_end end;
    bool sent, retryable;
    int32_t status;
    const char *text; /* in the reason, or in the message */
};

static bool contains(struct clew__slice text, const char *words) {
    return memmem(text.data ? text.data : "", text.size, words, strlen(words)) != NULL;
}

static bool expect(const char *name, const struct run *run, struct expected expected, unsigned deadline_ms) {
    const struct clew__transport_result *result = &run->result;
    bool explained =
        !expected.text || strstr(result->reason, expected.text) || contains(result->message, expected.text);
    bool ok = run->ended && result->end == expected.end && result->sent == expected.sent &&
              result->retryable == expected.retryable && result->status == expected.status && explained &&
              run->elapsed_ms <= deadline_ms + GRACE_MS;
    tap_ok(ok, "%s: %s within %u ms, %ssent, %sto be retried, status %d", name, end_name(expected.end),
           deadline_ms, expected.sent ? "" : "not ", expected.retryable ? "" : "not ", (int)expected.status);
    if (!ok)
        printf("# %s after %u ms, %ssent, %sto be retried, status %d: \"%s\" \"%.*s\"\n",
               end_name(result->end), run->elapsed_ms, result->sent ? "" : "not ",
               result->retryable ? "" : "not ", (int)result->status, result->reason,
               (int)result->message.size, result->message.data ? result->message.data : "");
    return ok;
}

/* ---- against the receiver ---- */

static void healthy(void) {
    struct receiver *receiver = receiver_start(&(struct receiver_options){.mode = RECEIVER_HEALTHY});
    struct clew__otlp_settings settings = settings_to(receiver_port(receiver));
    settings.headers[0] = (char *)(uintptr_t) "x-tenant: shop";
    settings.headers[1] = (char *)(uintptr_t) "x-empty;";
    settings.header_count = 2;
    struct clew__transport *transport = clew__grpc_new(&settings);
    for (int i = 0; i < 3; i++) {
        struct run run = call(transport, &small, 2000);
        expect("healthy", &run, (struct expected){CLEW__TRANSPORT_ANSWERED, true, false, 0, ""}, 2000);
        tap_ok(run.result.accepted && !run.result.answer_cut, "the answer is there");
        transport->kind->free_answer(transport);
    }
    watch_capacity = 0;
    struct run run = call(transport, &small, 2000);
    tap_ok(run.result.accepted, "a transport that is driven without descriptors delivers");
    watch_capacity = 8;
    struct receiver_counts counts = receiver_counts(receiver);
    tap_ok(counts.connections == 1 && counts.requests == 4 && counts.acknowledged == 4, "on one connection");
    tap_ok(counts.faults == 0, "without a breach of protocol: %s", counts.fault);
    transport->kind->destroy(transport);
    receiver_stop(receiver);
}

static void large_bodies(void) {
    struct receiver *receiver = receiver_start(&(struct receiver_options){.mode = RECEIVER_HEALTHY});
    struct clew__otlp_settings settings = settings_to(receiver_port(receiver));
    struct clew__transport *transport = clew__grpc_new(&settings);
    size_t count = 60000;
    struct clew__body body = {NULL, count * small.size, count, false};
    uint8_t *data = malloc(body.size);
    for (size_t i = 0; data && i < count; i++)
        memcpy(data + i * small.size, small.data, small.size);
    body.data = data;
    struct run run = call(transport, &body, 5000);
    expect("a body of 2.7 MB", &run, (struct expected){CLEW__TRANSPORT_ANSWERED, true, false, 0, ""}, 5000);
    tap_ok(receiver_counts(receiver).acknowledged == count, "all of it arrives");

    settings.compression = CLEW_COMPRESSION_GZIP;
    struct clew__compressor *compressor = clew__compressor_new(CLEW__ENCODING_GZIP);
    clew_bytes compressed;
    if (clew__compress(compressor, data, body.size, &compressed) != CLEW_OK)
        abort();
    struct clew__body gzip = {compressed.data, compressed.size, count, true};
    run = call(transport, &gzip, 5000);
    expect("the same with gzip", &run, (struct expected){CLEW__TRANSPORT_ANSWERED, true, false, 0, ""}, 5000);
    tap_ok(receiver_counts(receiver).acknowledged == 2 * count && receiver_counts(receiver).faults == 0,
           "all of it arrives: %s", receiver_counts(receiver).fault);
    clew__compressor_free(compressor);

    settings.signal = CLEW_SIGNAL_METRICS;
    run = call(transport, &small, 2000);
    tap_ok(run.result.accepted && receiver_counts(receiver).metric_requests == 1,
           "metrics go to their own service");
    transport->kind->destroy(transport);
    receiver_stop(receiver);

    receiver = receiver_start(&(struct receiver_options){.mode = RECEIVER_NO_WINDOW});
    settings = settings_to(receiver_port(receiver));
    transport = clew__grpc_new(&settings);
    run = call(transport, &body, DEADLINE_MS);
    expect("a body that there is no window for", &run,
           (struct expected){CLEW__TRANSPORT_LATE, false, false, -1, "bytes within"}, DEADLINE_MS);
    transport->kind->destroy(transport);
    receiver_stop(receiver);
    free(data);
}

static void hostile(void) {
    static const struct {
        enum receiver_mode mode;
        struct expected expected;
    } table[] = {
        {RECEIVER_REFUSE, {CLEW__TRANSPORT_BROKEN, false, true, -1, "connection refused"}},
        {RECEIVER_HANG, {CLEW__TRANSPORT_LATE, true, false, -1, "no answer"}},
        {RECEIVER_NO_WINDOW, {CLEW__TRANSPORT_LATE, true, false, -1, "no answer"}},
        {RECEIVER_SILENT, {CLEW__TRANSPORT_LATE, true, false, -1, "no answer"}},
        {RECEIVER_SLOW, {CLEW__TRANSPORT_LATE, true, false, -1, "no answer"}},
        {RECEIVER_RESET, {CLEW__TRANSPORT_BROKEN, true, true, -1, "lost"}},
        {RECEIVER_GARBAGE, {CLEW__TRANSPORT_GARBAGE, true, false, -1, ""}},
        {RECEIVER_BUSY, {CLEW__TRANSPORT_ANSWERED, true, true, 14, ""}},
        {RECEIVER_EXHAUSTED, {CLEW__TRANSPORT_ANSWERED, true, true, 8, ""}},
        {RECEIVER_ENDLESS_HEADERS, {CLEW__TRANSPORT_TOO_LARGE, true, false, -1, "larger than the limit"}},
        {RECEIVER_ENDLESS_BODY, {CLEW__TRANSPORT_TOO_LARGE, true, false, -1, "larger than the limit"}},
        {RECEIVER_ENDLESS_TRAILERS, {CLEW__TRANSPORT_TOO_LARGE, true, false, 0, "larger than the limit"}},
        {RECEIVER_ENDLESS_INTERIM, {CLEW__TRANSPORT_GARBAGE, true, false, -1, "more frames"}},
        {RECEIVER_BOMB, {CLEW__TRANSPORT_TOO_LARGE, true, false, 0, "larger than the limit"}},
        {RECEIVER_HUGE_BODY, {CLEW__TRANSPORT_TOO_LARGE, true, false, -1, "larger than the limit"}},
        {RECEIVER_RETRY_LATER, {CLEW__TRANSPORT_ANSWERED, true, true, 14, ""}},
        {RECEIVER_RETRY_BEFORE, {CLEW__TRANSPORT_ANSWERED, true, true, 14, ""}},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const char *name = receiver_mode_name(table[i].mode);
        uint64_t before = clew_stats().memory_used;
        for (int attempt = 1; attempt <= 3; attempt++) {
            struct receiver *receiver = receiver_start(&(struct receiver_options){.mode = table[i].mode});
            struct clew__otlp_settings settings = settings_to(receiver_port(receiver));
            struct clew__transport *transport = clew__grpc_new(&settings);
            struct run run = call(transport, &small, DEADLINE_MS);
            /* A busy machine can be late by itself: only what is late three times is. */
            bool late = run.elapsed_ms > DEADLINE_MS + GRACE_MS && attempt < 3;
            if (!late)
                expect(name, &run, table[i].expected, DEADLINE_MS);
            if (table[i].mode == RECEIVER_RETRY_LATER)
                tap_ok(run.result.told && run.result.told_nano == UINT64_C(300000000000),
                       "a wait has a bound");
            if (table[i].mode == RECEIVER_RETRY_BEFORE)
                tap_ok(!run.result.told, "a negative wait is none");
            transport->kind->destroy(transport);
            receiver_stop(receiver);
            if (!late)
                break;
        }
        tap_ok(clew_stats().memory_used == before, "%s: the budget gets everything back", name);
    }
}

/* ---- a peer that says what it is told to ---- */

struct peer {
    int listener;
    uint16_t port;
    pthread_t thread;
    atomic_uint connections;
    atomic_bool stopping;
    void (*serve)(int fd, unsigned connection); /* connections count from 0 */
};

static void *peer_thread(void *argument) {
    struct peer *peer = argument;
    sigset_t all;
    sigfillset(&all); /* OpenSSL raises SIGPIPE */
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    for (;;) {
        int fd = accept(peer->listener, NULL, NULL);
        if (fd < 0 || atomic_load(&peer->stopping)) {
            close(fd);
            return NULL;
        }
        struct timeval patience = {3, 0};
        const int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        peer->serve(fd, atomic_fetch_add(&peer->connections, 1));
        close(fd);
    }
}

static void listen_on(struct peer *peer, int family, const void *name, socklen_t size) {
    peer->listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (peer->listener < 0 || bind(peer->listener, name, size) != 0 || listen(peer->listener, 8) != 0)
        abort();
}

static struct peer *peer_start_as(void (*serve)(int fd, unsigned connection)) {
    struct peer *peer = calloc(1, sizeof *peer);
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof name;
    peer->serve = serve;
    listen_on(peer, AF_INET, &name, sizeof name);
    getsockname(peer->listener, (struct sockaddr *)&name, &size);
    peer->port = ntohs(name.sin_port);
    pthread_create(&peer->thread, NULL, peer_thread, peer);
    return peer;
}

static void peer_stop_it(struct peer *peer) {
    atomic_store(&peer->stopping, true);
    shutdown(peer->listener, SHUT_RDWR);
    pthread_join(peer->thread, NULL);
    close(peer->listener);
    free(peer);
}

enum { DATA = 0, HEADERS = 1, RST_STREAM = 3, SETTINGS = 4, PING = 6, GOAWAY = 7, WINDOW_UPDATE = 8 };
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4 };

static bool write_all(int fd, const void *data, size_t size) {
    const uint8_t *at = data;
    while (size) {
        ssize_t sent = send(fd, at, size, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        at += sent;
        size -= (size_t)sent;
    }
    return true;
}

static bool frame(int fd, int type, int flags, uint32_t stream, const void *payload, size_t size) {
    uint8_t head[9] = {(uint8_t)(size >> 16),   (uint8_t)(size >> 8),   (uint8_t)size,
                       (uint8_t)type,           (uint8_t)flags,         (uint8_t)(stream >> 24),
                       (uint8_t)(stream >> 16), (uint8_t)(stream >> 8), (uint8_t)stream};
    return write_all(fd, head, sizeof head) && (size == 0 || write_all(fd, payload, size));
}

static bool read_all(int fd, void *out, size_t size) {
    return recv(fd, out, size, MSG_WAITALL) == (ssize_t)size;
}

static uint8_t *put_text(uint8_t *at, const char *text) {
    *at++ = (uint8_t)strlen(text);
    memcpy(at, text, strlen(text));
    return at + strlen(text);
}

/* Names and values of up to 126 bytes, in pairs, up to a NULL; as literals that are not indexed. */
static bool header(int fd, uint32_t stream, int flags, const char *const *pairs) {
    uint8_t block[2048], *at = block;
    for (; *pairs; pairs += 2) {
        *at++ = 0;
        at = put_text(put_text(at, pairs[0]), pairs[1]);
    }
    return frame(fd, HEADERS, flags | END_HEADERS, stream, block, (size_t)(at - block));
}

static uint32_t number(const uint8_t *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void greet(int fd) {
    uint8_t preface[24];
    read_all(fd, preface, sizeof preface);
    frame(fd, SETTINGS, 0, 0, NULL, 0);
}

/* Reads frames up to the end of a request; its stream, or 0 at the end of the connection. */
static uint32_t read_request(int fd) {
    uint8_t head[9], payload[16384];
    while (read_all(fd, head, sizeof head)) {
        size_t size = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
        if (size > sizeof payload || (size && !read_all(fd, payload, size)))
            return 0;
        if (head[3] == SETTINGS && !(head[4] & ACK))
            frame(fd, SETTINGS, ACK, 0, NULL, 0);
        if (head[3] == DATA && head[4] & END_STREAM)
            return number(head + 5);
    }
    return 0;
}

#define STARTS_WELL ":status", "200", "content-type", "application/grpc"

static void answer_well(int fd, uint32_t stream) {
    header(fd, stream, 0, (const char *[]){STARTS_WELL, NULL});
    frame(fd, DATA, 0, stream, "\0\0\0\0\0", 5);
    header(fd, stream, END_STREAM, (const char *[]){"grpc-status", "0", NULL});
}

/* Until the client is gone. */
static void linger(int fd) {
    char room[4096];
    while (recv(fd, room, sizeof room, 0) > 0)
        continue;
}

static void serve_well(int fd, unsigned connection) {
    (void)connection;
    greet(fd);
    for (uint32_t stream; (stream = read_request(fd)) != 0;)
        answer_well(fd, stream);
}

/* What a test answers to the first request; afterwards the client is waited for. */
#define ANSWER(name, ...)                                                                                    \
    static void name(int fd, unsigned connection) {                                                          \
        (void)connection;                                                                                    \
        greet(fd);                                                                                           \
        uint32_t stream = read_request(fd);                                                                  \
        (void)stream;                                                                                        \
        __VA_ARGS__;                                                                                         \
        linger(fd);                                                                                          \
    }
#define TRAILERS_ONLY(...) header(fd, stream, END_STREAM, (const char *[]){STARTS_WELL, __VA_ARGS__, NULL})
#define RESET(code) frame(fd, RST_STREAM, 0, stream, (const uint8_t[]){0, 0, 0, code}, 4)
#define LEAVE(last)                                                                                          \
    frame(fd, GOAWAY, 0, 0, (const uint8_t[]){0, 0, 0, last, 0, 0, 0, 0, 'm', 'o', 'v', 'e', 'd'}, 13)

ANSWER(says_unavailable, TRAILERS_ONLY("grpc-status", "14", "grpc-message", "come%20back %E2%82%AC%zz"))
ANSWER(says_invalid, TRAILERS_ONLY("grpc-status", "3"))
ANSWER(says_exhausted, TRAILERS_ONLY("grpc-status", "8", "grpc-message", "quota"))
/* google.rpc.Status with a RetryInfo of 2 s, without padding */
ANSWER(says_when, TRAILERS_ONLY("grpc-status", "8", "grpc-status-details-bin",
                                "CAgaMAoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxIECgIIAg"))
ANSWER(says_too_large, TRAILERS_ONLY("grpc-status", "8", "grpc-message",
                                     "grpc: received message larger than max (5000000 vs. 4194304)"))
ANSWER(says_odd_code, TRAILERS_ONLY("grpc-status", "99"))
ANSWER(says_no_number, TRAILERS_ONLY("grpc-status", "fine"))
ANSWER(says_503, header(fd, stream, 0, (const char *[]){":status", "503", "content-type", "text/html", NULL}))
ANSWER(says_401, header(fd, stream, END_STREAM, (const char *[]){":status", "401", NULL}))
ANSWER(says_html,
       header(fd, stream, 0, (const char *[]){":status", "200", "content-type", "text/html", NULL}))
ANSWER(says_no_status, header(fd, stream, 0, (const char *[]){STARTS_WELL, NULL});
       frame(fd, DATA, END_STREAM, stream, "\0\0\0\0\0", 5))
ANSWER(says_twice, header(fd, stream, 0, (const char *[]){STARTS_WELL, NULL});
       frame(fd, DATA, 0, stream, "\0\0\0\0\0\0\0\0\0\0", 10);
       header(fd, stream, END_STREAM, (const char *[]){"grpc-status", "0", NULL}))
ANSWER(says_nothing_well, TRAILERS_ONLY("grpc-status", "0"))
ANSWER(says_hints, header(fd, stream, 0, (const char *[]){":status", "103", NULL}); answer_well(fd, stream))
ANSWER(refuses_stream, RESET(7))
ANSWER(cancels, RESET(8))
ANSWER(resets, RESET(2))
ANSWER(calms, RESET(11))
ANSWER(leaves_before, LEAVE(0))
ANSWER(leaves_and_closes, LEAVE(1); shutdown(fd, SHUT_WR))
ANSWER(floods, for (int i = 0; i < 10000 && frame(fd, PING, 0, 0, "01234567", 8); i++) continue)

static void speaks_http1(int fd, unsigned connection) {
    static const char text[] = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
    uint8_t preface[24];
    (void)connection;
    read_all(fd, preface, sizeof preface);
    write_all(fd, text, sizeof text - 1);
    linger(fd);
}

/* What plain bytes are to a server with TLS. */
static void speaks_tls(int fd, unsigned connection) {
    uint8_t preface[24];
    (void)connection;
    read_all(fd, preface, sizeof preface);
    write_all(fd, "\x15\x03\x01\x00\x02\x02\x46", 7);
    linger(fd);
}

static void hangs_up(int fd, unsigned connection) {
    uint8_t preface[24];
    (void)connection;
    read_all(fd, preface, sizeof preface);
}

static void speaks_nonsense(int fd, unsigned connection) {
    uint8_t preface[24];
    (void)connection;
    read_all(fd, preface, sizeof preface);
    write_all(fd, "220 mail.example ESMTP ready\r\n", 30);
    linger(fd);
}

/* SETTINGS_INITIAL_WINDOW_SIZE 1, and another byte for each that came. */
static void takes_bytes(int fd, unsigned connection) {
    uint8_t head[9], payload[16384];
    (void)connection;
    read_all(fd, payload, 24);
    frame(fd, SETTINGS, 0, 0, "\0\4\0\0\0\1", 6);
    while (read_all(fd, head, sizeof head)) {
        size_t size = (size_t)head[2] | (size_t)head[1] << 8;
        uint32_t stream = number(head + 5);
        if (size && !read_all(fd, payload, size))
            return;
        if (head[3] == SETTINGS && !(head[4] & ACK))
            frame(fd, SETTINGS, ACK, 0, NULL, 0);
        if (head[3] == DATA && head[4] & END_STREAM)
            answer_well(fd, stream);
        else if (head[3] == DATA)
            frame(fd, WINDOW_UPDATE, 0, stream, "\0\0\0\1", 4);
    }
}

static void scripted(void) {
    static const struct {
        const char *name;
        void (*serve)(int fd, unsigned connection);
        struct expected expected;
    } table[] = {
        {"trailers only",
         says_unavailable,
         {CLEW__TRANSPORT_ANSWERED, true, true, 14, "come back \xe2\x82\xac%zz"}},
        {"INVALID_ARGUMENT", says_invalid, {CLEW__TRANSPORT_ANSWERED, true, false, 3, ""}},
        {"RESOURCE_EXHAUSTED without RetryInfo",
         says_exhausted,
         {CLEW__TRANSPORT_ANSWERED, true, false, 8, "quota"}},
        {"RESOURCE_EXHAUSTED with RetryInfo", says_when, {CLEW__TRANSPORT_ANSWERED, true, true, 8, ""}},
        {"too large a request", says_too_large, {CLEW__TRANSPORT_ANSWERED, true, false, 8, "larger"}},
        {"a code that is none", says_odd_code, {CLEW__TRANSPORT_ANSWERED, true, false, 99, ""}},
        {"a status that is no number", says_no_number, {CLEW__TRANSPORT_ANSWERED, true, false, 2, ""}},
        {"HTTP 503", says_503, {CLEW__TRANSPORT_ANSWERED, true, true, 14, "HTTP status 503"}},
        {"HTTP 401", says_401, {CLEW__TRANSPORT_ANSWERED, true, false, 16, "HTTP status 401"}},
        {"a web page", says_html, {CLEW__TRANSPORT_GARBAGE, true, false, 2, "something else than gRPC"}},
        {"no grpc-status",
         says_no_status,
         {CLEW__TRANSPORT_GARBAGE, true, false, 2, "without a grpc-status"}},
        {"REFUSED_STREAM", refuses_stream, {CLEW__TRANSPORT_BROKEN, false, true, -1, "no more requests"}},
        {"CANCEL", cancels, {CLEW__TRANSPORT_BROKEN, true, true, 1, "CANCEL"}},
        {"INTERNAL_ERROR", resets, {CLEW__TRANSPORT_BROKEN, true, false, 13, "INTERNAL_ERROR"}},
        {"ENHANCE_YOUR_CALM", calms, {CLEW__TRANSPORT_BROKEN, true, false, 8, "ENHANCE_YOUR_CALM"}},
        {"GOAWAY before the request",
         leaves_before,
         {CLEW__TRANSPORT_BROKEN, false, true, -1, "no more requests"}},
        {"GOAWAY behind it, and no answer",
         leaves_and_closes,
         {CLEW__TRANSPORT_BROKEN, true, true, -1, "moved"}},
        {"pings without end", floods, {CLEW__TRANSPORT_GARBAGE, true, false, -1, "more frames"}},
        {"HTTP/1.1", speaks_http1, {CLEW__TRANSPORT_GARBAGE, false, false, -1, "http/protobuf"}},
        {"an alert of TLS", speaks_tls, {CLEW__TRANSPORT_GARBAGE, false, false, -1, "https:// may be meant"}},
        {"no word at all", hangs_up, {CLEW__TRANSPORT_BROKEN, true, true, -1, "https:// may be meant"}},
        {"a mail server", speaks_nonsense, {CLEW__TRANSPORT_GARBAGE, true, false, -1, "not HTTP/2"}},
        {"an interim answer first", says_hints, {CLEW__TRANSPORT_ANSWERED, true, false, 0, ""}},
        {"two messages", says_twice, {CLEW__TRANSPORT_ANSWERED, true, false, 0, ""}},
        {"OK without a message", says_nothing_well, {CLEW__TRANSPORT_ANSWERED, true, false, 0, ""}},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct peer *peer = peer_start_as(table[i].serve);
        struct clew__otlp_settings settings = settings_to(peer->port);
        struct clew__transport *transport = clew__grpc_new(&settings);
        struct run run = call(transport, &small, 2000);
        expect(table[i].name, &run, table[i].expected, 1000);
        if (table[i].serve == says_when)
            tap_ok(run.result.told && run.result.told_nano == UINT64_C(2000000000),
                   "the wait of RetryInfo is told");
        if (table[i].serve == says_too_large)
            tap_ok(run.result.request_too_large, "that is understood");
        if (table[i].serve == says_twice || table[i].serve == says_nothing_well)
            tap_ok(run.result.accepted && run.result.answer_cut,
                   "accepted, though the answer cannot be read");
        transport->kind->destroy(transport);
        peer_stop_it(peer);
    }
}

/* ---- compressed answers ---- */

static enum clew__encoding answer_encoding;
static const char *answer_claims; /* as grpc-encoding */

/* A partial success: three rejected. */
static void answers_compressed(int fd, unsigned connection) {
    static const char plain[] = "\x0a\x02\x08\x03";
    struct clew__compressor *compressor = clew__compressor_new(answer_encoding);
    clew_bytes bytes;
    (void)connection;
    if (!compressor || clew__compress(compressor, plain, sizeof plain - 1, &bytes) != CLEW_OK)
        abort();
    uint8_t message[256] = {1, 0, 0, 0, (uint8_t)bytes.size};
    memcpy(message + 5, bytes.data, bytes.size);
    greet(fd);
    uint32_t stream = read_request(fd);
    header(fd, stream, 0, (const char *[]){STARTS_WELL, "grpc-encoding", answer_claims, NULL});
    frame(fd, DATA, 0, stream, message, 5 + bytes.size);
    header(fd, stream, END_STREAM, (const char *[]){"grpc-status", "0", NULL});
    clew__compressor_free(compressor);
    linger(fd);
}

static void compressed_answers(void) {
    static const struct {
        enum clew__encoding encoding;
        const char *claims;
        bool read;
    } table[] = {{CLEW__ENCODING_GZIP, "gzip", true},
                 {CLEW__ENCODING_ZSTD, "zstd", true},
                 {CLEW__ENCODING_GZIP, "zstd", false},
                 {CLEW__ENCODING_GZIP, "identity", false},
                 {CLEW__ENCODING_GZIP, "snappy", false}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        answer_encoding = table[i].encoding;
        answer_claims = table[i].claims;
        struct peer *peer = peer_start_as(answers_compressed);
        struct clew__otlp_settings settings = settings_to(peer->port);
        struct clew__transport *transport = clew__grpc_new(&settings);
        struct run run = call(transport, &small, 2000);
        bool read = run.result.answer_size == 4 && memcmp(run.result.answer, "\x0a\x02\x08\x03", 4) == 0;
        tap_ok(run.result.accepted && read == table[i].read && run.result.answer_cut == !read,
               "an answer that says it is %s is %s", table[i].claims,
               table[i].read ? "read" : "accepted, and not read");
        transport->kind->destroy(transport);
        peer_stop_it(peer);
    }
}

/* ---- kept connections ---- */

static void serve_one_and_leave(int fd, unsigned connection) {
    greet(fd);
    uint32_t stream = read_request(fd);
    if (connection == 0)
        LEAVE(1);
    answer_well(fd, stream);
    linger(fd);
}

static void serve_one_and_close(int fd, unsigned connection) {
    (void)connection;
    greet(fd);
    answer_well(fd, read_request(fd));
}

/* The second request on the first connection is read, and then there is nothing any more. */
static void serve_one_and_die(int fd, unsigned connection) {
    greet(fd);
    answer_well(fd, read_request(fd));
    if (connection == 0) {
        read_request(fd);
        return;
    }
    serve_well(fd, connection);
}

/* As a server that shuts down in good order while the next request is on its way. */
static void serve_one_and_pass_over(int fd, unsigned connection) {
    greet(fd);
    answer_well(fd, read_request(fd));
    read_request(fd);
    if (connection == 0)
        LEAVE(1);
    linger(fd);
}

static void two_calls(const char *name, void (*serve)(int fd, unsigned connection), struct expected second,
                      unsigned connections) {
    struct peer *peer = peer_start_as(serve);
    struct clew__otlp_settings settings = settings_to(peer->port);
    struct clew__transport *transport = clew__grpc_new(&settings);
    struct run run = call(transport, &small, 2000);
    tap_ok(run.result.end == CLEW__TRANSPORT_ANSWERED && run.result.accepted,
           "%s: the first call is answered", name);
    poll(NULL, 0, 50); /* what the peer does at the end of the first call arrives */
    run = call(transport, &small, 1000);
    expect(name, &run, second, 1000);
    tap_ok(atomic_load(&peer->connections) == connections, "%s: %u connections", name, connections);
    transport->kind->destroy(transport);
    peer_stop_it(peer);
}

static void kept_connections(void) {
    const struct expected well = {CLEW__TRANSPORT_ANSWERED, true, false, 0, ""};
    two_calls("a kept connection", serve_well, well, 1);
    two_calls("a window of one byte", takes_bytes, well, 1);
    two_calls("GOAWAY with the answer", serve_one_and_leave, well, 2);
    two_calls("closed while idle", serve_one_and_close, well, 2);
    two_calls("lost with the second request on it", serve_one_and_die, well, 2);
    two_calls("GOAWAY against the second request", serve_one_and_pass_over,
              (struct expected){CLEW__TRANSPORT_ANSWERED, true, false, 0, ""}, 2);
}

/* ---- time ---- */

static void stopped(void) {
    struct receiver *receiver = receiver_start(&(struct receiver_options){.mode = RECEIVER_SILENT});
    struct clew__otlp_settings settings = settings_to(receiver_port(receiver));
    struct clew__transport *transport = clew__grpc_new(&settings);
    struct clew__transport_result result;
    uint64_t started = clew_monotonic_nano(), end = started + 2000 * NANO_PER_MILLI;
    transport->kind->begin(transport, &small, started, started + 10000 * NANO_PER_MILLI);
    while (receiver_counts(receiver).requests == 0 && clew_monotonic_nano() < end)
        step_once(transport, clew_monotonic_nano() + 10 * NANO_PER_MILLI, &result);
    uint64_t before = clew_monotonic_nano();
    transport->kind->stop(transport, &result);
    tap_ok(result.end == CLEW__TRANSPORT_LATE && result.sent &&
               clew_monotonic_nano() - before < GRACE_MS * NANO_PER_MILLI,
           "a call that is stopped ends at once, and may have arrived");
    receiver_set_mode(receiver, RECEIVER_HEALTHY);
    struct run run = call(transport, &small, 2000);
    tap_ok(run.result.accepted && receiver_counts(receiver).connections == 1,
           "the next one goes on the same connection");
    transport->kind->destroy(transport);
    receiver_stop(receiver);
}

static void accepts_nothing(int fd, unsigned connection) {
    (void)connection;
    linger(fd);
}

static void silent_connection_is_not_kept(void) {
    struct peer *peer = peer_start_as(accepts_nothing);
    struct clew__otlp_settings settings = settings_to(peer->port);
    struct clew__transport *transport = clew__grpc_new(&settings);
    struct run run = call(transport, &small, 200);
    expect("a peer that says nothing", &run,
           (struct expected){CLEW__TRANSPORT_LATE, true, false, -1, "no answer"}, 200);
    run = call(transport, &small, 200);
    tap_ok(atomic_load(&peer->connections) == 2, "a connection on which nothing was heard is not used again");
    transport->kind->destroy(transport);
    peer_stop_it(peer);
}

/* ---- names ---- */

static void names(void) {
    struct receiver *receiver = receiver_start(&(struct receiver_options){.mode = RECEIVER_HEALTHY});
    struct clew__otlp_settings settings = settings_to(receiver_port(receiver));
    struct clew__transport *transport;
    settings.host = (char *)(uintptr_t) "localhost";
    transport = clew__grpc_new(&settings);
    struct run run = call(transport, &small, 2000);
    tap_ok(run.result.accepted && atomic_load(&questions) == 0, "localhost is reached without a question");
    transport->kind->destroy(transport);

    settings.host = (char *)(uintptr_t) "test.invalid";
    transport = clew__grpc_new(&settings);
    run = call(transport, &small, 2000);
    tap_ok(run.result.accepted && atomic_load(&questions) == 1, "a name is looked up");
    atomic_store(&name_server, 2);
    receiver_set_mode(receiver, RECEIVER_RESET);
    call(transport, &small, 2000); /* loses the connection */
    receiver_set_mode(receiver, RECEIVER_HEALTHY);
    run = call(transport, &small, 2000);
    tap_ok(run.result.accepted, "a name that is not known any more is reached where it was: %s",
           run.result.reason);
    receiver_set_mode(receiver, RECEIVER_RESET);
    call(transport, &small, 2000);
    receiver_set_mode(receiver, RECEIVER_HEALTHY);
    atomic_store(&name_server, 1);
    run = call(transport, &small, 2000);
    tap_ok(run.result.accepted && run.elapsed_ms < 1500,
           "so it is while the name server is silent: %s, %u ms", run.result.reason, run.elapsed_ms);
    transport->kind->destroy(transport);

    atomic_store(&name_server, 2);
    transport = clew__grpc_new(&settings);
    run = call(transport, &small, DEADLINE_MS);
    expect("a name that nobody knows", &run,
           (struct expected){CLEW__TRANSPORT_BROKEN, false, true, -1, "cannot be resolved"}, DEADLINE_MS);
    transport->kind->destroy(transport);

    atomic_store(&name_server, 1);
    transport = clew__grpc_new(&settings);
    unsigned before = atomic_load(&questions);
    run = call(transport, &small, DEADLINE_MS);
    expect("a silent name server", &run,
           (struct expected){CLEW__TRANSPORT_LATE, false, false, -1, "not resolved"}, DEADLINE_MS);
    call(transport, &small, 50);
    tap_ok(atomic_load(&questions) == before + 1, "one question is open at a time");
    atomic_store(&name_server, 0);
    run = call(transport, &small, 2000);
    tap_ok(run.result.accepted && atomic_load(&questions) == before + 1, "its answer serves a later call");
    transport->kind->destroy(transport);

    atomic_store(&name_server, 1);
    transport = clew__grpc_new(&settings);
    uint64_t started = clew_monotonic_nano();
    transport->kind->begin(transport, &small, started, UINT64_MAX);
    transport->kind->destroy(transport);
    tap_ok(clew_monotonic_nano() - started < GRACE_MS * NANO_PER_MILLI,
           "nobody waits for a lookup at the end");
    atomic_store(&name_server, 0);
    receiver_stop(receiver);
}

/* ---- addresses ---- */

/* A socket that connections are not answered on: its backlog is full, and the system drops the next SYN.
 * Returns whether that is so. */
static bool make_deaf(int sockets[3], struct sockaddr_in *name) {
    socklen_t size = sizeof *name;
    struct pollfd last;
    *name = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    sockets[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(sockets[0], (struct sockaddr *)name, sizeof *name) != 0 || listen(sockets[0], 0) != 0 ||
        getsockname(sockets[0], (struct sockaddr *)name, &size) != 0)
        abort();
    for (int i = 1; i < 3; i++) {
        sockets[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        connect(sockets[i], (struct sockaddr *)name, sizeof *name);
    }
    last = (struct pollfd){sockets[2], POLLOUT, 0};
    return poll(&last, 1, 100) == 0;
}

static void an_address_gives_way_to_the_next(void) {
    struct receiver *receiver = receiver_start(&(struct receiver_options){.mode = RECEIVER_HEALTHY});
    struct clew__otlp_settings settings = settings_to(receiver_port(receiver));
    struct clew__transport *transport;
    struct run run;
    int sockets[3];
    bool deaf = make_deaf(sockets, &first_answer);
    settings.host = (char *)(uintptr_t) "test.invalid";
    atomic_store(&name_server, 3);
    transport = clew__grpc_new(&settings);
    run = call(transport, &small, 1000);
    if (deaf)
        tap_ok(run.result.accepted && run.elapsed_ms >= 450 && run.elapsed_ms < 1000,
               "an address that does not answer has its share of the time, then the next has its turn: %s, "
               "%u ms",
               run.result.reason, run.elapsed_ms);
    else
        tap_skip("an address that does not answer", "this system answers beyond the backlog");
    receiver_set_mode(receiver, RECEIVER_RESET);
    call(transport, &small, 1000); /* loses the connection */
    receiver_set_mode(receiver, RECEIVER_HEALTHY);
    atomic_store(&name_server, 2);
    run = call(transport, &small, 1000);
    tap_ok(run.result.accepted && run.elapsed_ms < 450,
           "the one that answered is the first the next time: %s, %u ms", run.result.reason, run.elapsed_ms);
    transport->kind->destroy(transport);
    for (int i = 0; i < 3; i++)
        close(sockets[i]);

    atomic_store(&name_server, 3); /* nobody listens there any more */
    transport = clew__grpc_new(&settings);
    run = call(transport, &small, 1000);
    tap_ok(run.result.accepted && run.elapsed_ms < 450, "one that refuses gives way at once: %s, %u ms",
           run.result.reason, run.elapsed_ms);
    transport->kind->destroy(transport);
    atomic_store(&name_server, 0);
    receiver_stop(receiver);
}

/* ---- proxies in front of the receiver: a Unix socket, TLS ---- */

static struct receiver *behind;
static SSL_CTX *tls_context;

static int connect_behind(void) {
    struct sockaddr_in name = {.sin_family = AF_INET,
                               .sin_addr = {htonl(INADDR_LOOPBACK)},
                               .sin_port = htons(receiver_port(behind))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&name, sizeof name) != 0)
        abort();
    return fd;
}

/* Hands bytes on both ways until one end is gone. */
static void hand_on(int client, SSL *ssl) {
    int server = connect_behind();
    char room[16384];
    for (;;) {
        struct pollfd polled[] = {{client, POLLIN, 0}, {server, POLLIN, 0}};
        if (!(ssl && SSL_pending(ssl)) && poll(polled, 2, 3000) <= 0)
            break;
        if (polled[0].revents || (ssl && SSL_pending(ssl))) {
            int got = ssl ? SSL_read(ssl, room, sizeof room) : (int)recv(client, room, sizeof room, 0);
            if (got <= 0 || !write_all(server, room, (size_t)got))
                break;
        }
        if (polled[1].revents) {
            ssize_t got = recv(server, room, sizeof room, 0);
            if (got <= 0 ||
                !(ssl ? SSL_write(ssl, room, (int)got) > 0 : write_all(client, room, (size_t)got)))
                break;
        }
    }
    close(server);
}

static void serve_plain(int fd, unsigned connection) {
    (void)connection;
    hand_on(fd, NULL);
}

static void serve_tls(int fd, unsigned connection) {
    SSL *ssl = SSL_new(tls_context);
    (void)connection;
    SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) == 1)
        hand_on(fd, ssl);
    SSL_free(ssl);
}

static char folder[] = "/tmp/clew-grpc-XXXXXX";

static char *in_folder(const char *name) {
    static char paths[16][64];
    static unsigned next;
    char *path = paths[next++ % 16];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void unix_socket(void) {
    struct peer peer = {.serve = serve_plain};
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    char *path = in_folder("socket");
    snprintf(name.sun_path, sizeof name.sun_path, "%s", path);
    listen_on(&peer, AF_UNIX, &name, sizeof name);
    pthread_create(&peer.thread, NULL, peer_thread, &peer);
    behind = receiver_start(&(struct receiver_options){.mode = RECEIVER_HEALTHY});
    struct clew__otlp_settings settings = settings_to(0);
    settings.host = NULL;
    settings.socket = path;
    struct clew__transport *transport = clew__grpc_new(&settings);
    struct run run = call(transport, &small, 2000);
    tap_ok(run.result.accepted && receiver_counts(behind).faults == 0, "a Unix socket is reached: %s",
           run.result.reason);
    transport->kind->destroy(transport);
    shutdown(peer.listener, SHUT_RDWR);
    pthread_join(peer.thread, NULL);
    close(peer.listener);
    settings.socket = in_folder("nothing");
    transport = clew__grpc_new(&settings);
    run = call(transport, &small, 2000);
    expect("a socket that is not there", &run,
           (struct expected){CLEW__TRANSPORT_BROKEN, false, true, -1, "no socket"}, 500);
    transport->kind->destroy(transport);
    receiver_stop(behind);
}

static int select_h2(SSL *ssl, const unsigned char **out, unsigned char *size, const unsigned char *in,
                     unsigned in_size, void *user) {
    (void)ssl;
    (void)in;
    (void)in_size;
    (void)user;
    *out = (const unsigned char *)"h2";
    *size = 2;
    return SSL_TLSEXT_ERR_OK;
}

/* A certificate authority, one that nobody knows, and certificates of the first. */
static bool make_certificates(void) {
    char command[2048];
    snprintf(command, sizeof command,
             "cd %s && exec >log 2>&1 && set -e\n"
             "key='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'\n"
             "for ca in ca other; do openssl req -x509 $key -keyout $ca.key -out $ca.pem -days 2 -subj "
             "/CN=$ca; done\n"
             "issue() { openssl req $key -keyout $1.key -out $1.csr -subj /CN=$1\n"
             "  printf '%%s' \"subjectAltName=$2\" >$1.ext\n"
             "  openssl x509 -req -in $1.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out $1.pem -days $3 "
             "-extfile $1.ext; }\n"
             "issue server IP:127.0.0.1,DNS:localhost 2\n"
             "issue stranger DNS:elsewhere.example 2\n"
             "issue expired IP:127.0.0.1 -1 || issue expired IP:127.0.0.1 0\n"
             "issue client DNS:client 2\n",
             folder);
    return system(command) == 0;
}

struct tls_case {
    const char *name, *certificate; /* of the server */
    const char *authority;          /* of the client; NULL: the system's */
    const char *host;
    bool client_certificate, wanted; /* of the client: has one, must have one */
    bool no_alpn;
    int version; /* 0: any */
    struct expected expected;
};

static void one_tls(const struct tls_case *row) {
    char key[32], pem[32];
    snprintf(key, sizeof key, "%s.key", row->certificate);
    snprintf(pem, sizeof pem, "%s.pem", row->certificate);
    tls_context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate_chain_file(tls_context, in_folder(pem));
    SSL_CTX_use_PrivateKey_file(tls_context, in_folder(key), SSL_FILETYPE_PEM);
    if (row->version == TLS1_1_VERSION)
        SSL_CTX_set_cipher_list(tls_context, "DEFAULT@SECLEVEL=0");
    if (row->version)
        SSL_CTX_set_min_proto_version(tls_context, TLS1_VERSION);
    if (row->version)
        SSL_CTX_set_max_proto_version(tls_context, row->version);
    if (!row->no_alpn)
        SSL_CTX_set_alpn_select_cb(tls_context, select_h2, NULL);
    if (row->wanted) {
        SSL_CTX_load_verify_locations(tls_context, in_folder("ca.pem"), NULL);
        SSL_CTX_set_verify(tls_context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    }
    struct peer *peer = peer_start_as(serve_tls);
    struct clew__otlp_settings settings = settings_to(peer->port);
    settings.tls = true;
    settings.host = (char *)(uintptr_t)row->host;
    settings.certificate = row->authority ? in_folder(row->authority) : NULL;
    settings.client_certificate = row->client_certificate ? in_folder("client.pem") : NULL;
    settings.client_key = row->client_certificate ? in_folder("client.key") : NULL;
    struct clew__transport *transport = clew__grpc_new(&settings);
    struct run run = call(transport, &small, 2000);
    expect(row->name, &run, row->expected, 1500);
    if (run.result.accepted) {
        run = call(transport, &small, 2000);
        tap_ok(run.result.accepted && atomic_load(&peer->connections) == 1,
               "%s: a second call on the same connection", row->name);
    }
    transport->kind->destroy(transport);
    peer_stop_it(peer);
    SSL_CTX_free(tls_context);
}

static void tls(void) {
    const struct expected well = {CLEW__TRANSPORT_ANSWERED, true, false, 0, ""};
#define NEVER(text)                                                                                          \
    { CLEW__TRANSPORT_HOPELESS, false, false, -1, text }
    const struct tls_case table[] = {
        {"TLS", "server", "ca.pem", "127.0.0.1", false, false, false, 0, well},
        {"TLS 1.2", "server", "ca.pem", "127.0.0.1", false, false, false, TLS1_2_VERSION, well},
        {"TLS by name", "server", "ca.pem", "localhost", false, false, false, 0, well},
        {"TLS with a client certificate", "server", "ca.pem", "127.0.0.1", true, true, false, 0, well},
        {"TLS 1.1", "server", "ca.pem", "127.0.0.1", false, false, false, TLS1_1_VERSION,
         NEVER("no TLS with")},
        {"another authority", "server", "other.pem", "127.0.0.1", false, false, false, 0,
         NEVER("not trusted here")},
        {"the system's authorities", "server", NULL, "127.0.0.1", false, false, false, 0,
         NEVER("not trusted here")},
        {"another host", "stranger", "ca.pem", "127.0.0.1", false, false, false, 0, NEVER("another host")},
        {"another name", "stranger", "ca.pem", "localhost", false, false, false, 0, NEVER("another host")},
        {"an expired certificate", "expired", "ca.pem", "127.0.0.1", false, false, false, 0,
         NEVER("has expired")},
        {"no HTTP/2 by ALPN", "server", "ca.pem", "127.0.0.1", false, false, true, 0, NEVER("ALPN")},
        {"a file that is not there", "server", "missing.pem", "127.0.0.1", false, false, false, 0,
         NEVER("missing.pem cannot be used")},
        {"a file that is no certificate", "server", "log", "127.0.0.1", false, false, false, 0,
         NEVER("log cannot be used")},
        {"no client certificate, TLS 1.2", "server", "ca.pem", "127.0.0.1", false, true, false,
         TLS1_2_VERSION, NEVER("want a client certificate")},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        one_tls(&table[i]);
    /* With TLS 1.3 the server says so when the request is on its way. */
    const struct tls_case late = {"no client certificate, TLS 1.3",
                                  "server",
                                  "ca.pem",
                                  "127.0.0.1",
                                  false,
                                  true,
                                  false,
                                  0,
                                  {CLEW__TRANSPORT_HOPELESS, false, false, -1, "without a certificate"}};
    one_tls(&late);
}

static void tls_against_the_deaf(void) {
    struct receiver *receiver = receiver_start(&(struct receiver_options){.mode = RECEIVER_TLS_STALL});
    struct clew__otlp_settings settings = settings_to(receiver_port(receiver));
    settings.tls = true;
    struct clew__transport *transport = clew__grpc_new(&settings);
    struct run run = call(transport, &small, DEADLINE_MS);
    expect("a handshake that stalls", &run,
           (struct expected){CLEW__TRANSPORT_LATE, false, false, -1, "no connection"}, DEADLINE_MS);
    transport->kind->destroy(transport);
    receiver_stop(receiver);

    struct peer *peer = peer_start_as(speaks_http1);
    settings.port = peer->port;
    transport = clew__grpc_new(&settings);
    run = call(transport, &small, 2000);
    expect("https:// to a plain port", &run,
           (struct expected){CLEW__TRANSPORT_HOPELESS, false, false, -1, "not TLS"}, 1000);
    transport->kind->destroy(transport);
    peer_stop_it(peer);
}

/* ---- the host program ---- */

static unsigned open_descriptors(void) {
    unsigned count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void forked(void) {
    struct receiver *receiver = receiver_start(&(struct receiver_options){.mode = RECEIVER_HEALTHY});
    struct clew__otlp_settings settings = settings_to(receiver_port(receiver));
    struct clew__transport *transport = clew__grpc_new(&settings);
    call(transport, &small, 2000);
    int status = -1;
    pid_t child = fork_now();
    if (child == 0) {
        unsigned before = open_descriptors();
        transport->kind->forget(transport);
        bool closed = open_descriptors() == before - 1;
        struct run run = call(transport, &small, 2000);
        transport->kind->destroy(transport);
        _exit(closed && run.result.accepted ? 0 : 1);
    }
    waitpid(child, &status, 0);
    tap_ok(WIFEXITED(status) && WEXITSTATUS(status) == 0,
           "a forked child closes what it inherited, and delivers");
    tap_ok(receiver_counts(receiver).connections == 2, "on a connection of its own");
    struct run run = call(transport, &small, 2000);
    tap_ok(run.result.accepted && receiver_counts(receiver).connections == 2, "the parent's is as it was");
    child = fork_now(); /* as after a raw clone: nobody tells the transport */
    if (child == 0) {
        run = call(transport, &small, 2000);
        transport->kind->destroy(transport);
        _exit(run.result.accepted ? 0 : 1);
    }
    waitpid(child, &status, 0);
    run = call(transport, &small, 2000);
    tap_ok(WIFEXITED(status) && WEXITSTATUS(status) == 0 && run.result.accepted &&
               receiver_counts(receiver).connections == 3,
           "so does a child that was not told");
    tap_ok(receiver_counts(receiver).faults == 0, "nobody else's connection is written on: %s",
           receiver_counts(receiver).fault);
    transport->kind->destroy(transport);
    receiver_stop(receiver);
}

static void descriptors_of_the_host(void) {
    struct receiver *receiver = receiver_start(&(struct receiver_options){.mode = RECEIVER_HEALTHY});
    struct clew__otlp_settings settings = settings_to(receiver_port(receiver));
    struct clew__transport *transport = clew__grpc_new(&settings);
    int next = dup(0);
    close(next); /* what the transport's socket will be */
    call(transport, &small, 2000);
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0 || dup2(pair[0], next) < 0)
        abort();
    struct run run = call(transport, &small, 2000);
    char byte;
    tap_ok(run.result.accepted && receiver_counts(receiver).connections == 2,
           "a connection that the program has closed is replaced");
    tap_ok(recv(pair[1], &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN && fcntl(next, F_GETFD) >= 0,
           "what has its number now is left alone");
    transport->kind->destroy(transport);
    close(next);
    close(pair[0]);
    close(pair[1]);
    receiver_stop(receiver);
}

/* ---- memory ---- */

static atomic_long allocations_left = LONG_MAX;

static void *failing_allocate(void *user, size_t size) {
    (void)user;
    return atomic_fetch_sub(&allocations_left, 1) > 0 ? malloc(size) : NULL;
}

static void *failing_reallocate(void *user, void *block, size_t size) {
    (void)user;
    return atomic_fetch_sub(&allocations_left, 1) > 0 ? realloc(block, size) : NULL;
}

static void plain_release(void *user, void *block) {
    (void)user;
    free(block);
}

static void out_of_memory(void) {
    struct receiver *receiver = receiver_start(&(struct receiver_options){.mode = RECEIVER_HEALTHY});
    struct clew__otlp_settings settings = settings_to(receiver_port(receiver));
    uint64_t before = clew_stats().memory_used;
    bool survived = true, accepted = false;
    long failing = 0;
    for (; failing < 500 && !accepted && survived; failing++) {
        atomic_store(&allocations_left, failing);
        struct clew__transport *transport = clew__grpc_new(&settings);
        if (transport) {
            struct run run = call(transport, &small, 2000);
            accepted = run.result.accepted && !run.result.answer_cut;
            survived = accepted || run.result.memory || run.result.accepted || run.result.retryable ||
                       run.result.end == CLEW__TRANSPORT_GARBAGE;
            if (!survived)
                printf("# allocation %ld: %s \"%s\"\n", failing, end_name(run.result.end), run.result.reason);
            transport->kind->destroy(transport);
        }
        atomic_store(&allocations_left, LONG_MAX);
    }
    tap_ok(survived && accepted && failing > 5, "each allocation can fail: %ld of them", failing);
    tap_ok(clew_stats().memory_used == before, "and the budget gets everything back");
    receiver_stop(receiver);
}

int main(void) {
    static const clew_allocator allocator = {
        .allocate = failing_allocate, .reallocate = failing_reallocate, .release = plain_release};
    /* Old compilers' POSIX has no other way to make a function out of it. */
    *(void **)&real_getaddrinfo = dlsym(RTLD_NEXT, "getaddrinfo");
    signal(SIGPIPE, SIG_DFL);
    if (!mkdtemp(folder) || clew_set_allocator(&allocator) != CLEW_OK)
        abort();
    healthy();
    large_bodies();
    hostile();
    scripted();
    compressed_answers();
    kept_connections();
    stopped();
    silent_connection_is_not_kept();
    names();
    an_address_gives_way_to_the_next();
    unix_socket();
    behind = receiver_start(&(struct receiver_options){.mode = RECEIVER_HEALTHY});
    if (make_certificates())
        tls();
    else
        tap_skip("TLS", "openssl(1) makes no certificates");
    tap_ok(receiver_counts(behind).faults == 0, "over TLS nothing is changed: %s",
           receiver_counts(behind).fault);
    receiver_stop(behind);
    tls_against_the_deaf();
    forked();
    descriptors_of_the_host();
    out_of_memory();
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    if (system(command) != 0)
        perror(folder);
    return tap_done();
}
