/* The receiver's loop: one thread that owns the listener and all connections, in this process or in one of
 * its own, and the counters in shared memory. */
#include "test/peer/internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NANO_PER_SECOND UINT64_C(1000000000)
#define READ_SIZE ((size_t)256 << 10)
#define DRIP_WAIT_MS 100
#define LAST_LOOKS_MAX 100000 /* at what has arrived before the end */
/* The kernel doubles it and has a least size of its own. */
#define TINY_BUFFER 1

static uint64_t now_nano(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NANO_PER_SECOND + (uint64_t)now.tv_nsec;
}

static enum receiver_mode mode_of(const struct receiver *receiver) {
    return (enum receiver_mode)atomic_load(&receiver->shared->mode);
}

void receiver_fault(struct receiver *receiver, const char *format, ...) {
    struct receiver_shared *shared = receiver->shared;
    va_list arguments;
    if (atomic_load(&shared->faults) == 0) {
        va_start(arguments, format);
        vsnprintf(shared->fault, sizeof shared->fault, format, arguments);
        va_end(arguments);
    }
    atomic_fetch_add(&shared->faults, 1);
}

/* ---- connections ---- */

static void close_connection(struct connection *connection) {
    struct receiver *receiver = connection->receiver;
    struct linger at_once = {1, 0};
    for (size_t i = 0; i < receiver->open_count; i++) {
        if (receiver->open[i] == connection)
            receiver->open[i] = receiver->open[--receiver->open_count];
    }
    if (connection->reset)
        setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(connection->fd);
    http2_close(connection);
    buffer_free(&connection->in);
    buffer_free(&connection->out);
    buffer_free(&connection->flood);
    request_free(&connection->request);
    free(connection);
}

static void accept_connection(struct receiver *receiver) {
    struct connection *connection;
    int on = 1, fd = accept4(receiver->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    connection = calloc(1, sizeof *connection);
    if (!connection) {
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    connection->fd = fd;
    connection->receiver = receiver;
    receiver->open[receiver->open_count++] = connection;
    atomic_fetch_add(&receiver->shared->connections, 1);
    connection->reset = mode_of(receiver) == RECEIVER_RESET_FIRST;
    if (connection->reset)
        close_connection(connection);
}

static bool is_read(const struct connection *connection) {
    switch (mode_of(connection->receiver)) {
    case RECEIVER_HANG:
    case RECEIVER_NOREAD:
    case RECEIVER_TLS_STALL:
        return false;
    case RECEIVER_NO_WINDOW:
        return connection->protocol != PROTOCOL_HTTP1;
    default:
        return !connection->flood.size;
    }
}

static bool has_to_say(const struct connection *connection) {
    return connection->sent < connection->out.size || connection->flood.size ||
           (connection->protocol == PROTOCOL_HTTP2 && !connection->mute && http2_has_to_say(connection));
}

/* Tells the protocols apart by the first bytes of HTTP/2's preface. */
static bool detect(struct connection *connection) {
    static const char preface[] = "PRI * HTTP/2.0";
    size_t size = connection->in.size < sizeof preface - 1 ? connection->in.size : sizeof preface - 1;
    if (memcmp(connection->in.data, preface, size) != 0) {
        connection->protocol = PROTOCOL_HTTP1;
        return true;
    }
    if (size < sizeof preface - 1)
        return true;
    connection->protocol = PROTOCOL_HTTP2;
    return http2_open(connection);
}

static bool feed(struct connection *connection) {
    bool goes_on;
    if (connection->protocol == PROTOCOL_UNKNOWN && !detect(connection))
        return false;
    switch (connection->protocol) {
    case PROTOCOL_HTTP1:
        return http1_feed(connection);
    case PROTOCOL_HTTP2:
        goes_on = http2_feed(connection, connection->in.data, connection->in.size);
        connection->in.size = 0;
        return goes_on;
    default:
        return true;
    }
}

/* False: the connection ends. */
static bool read_some(struct connection *connection) {
    ssize_t count;
    if (!buffer_reserve(&connection->in,
                        connection->in.capacity - connection->in.size < 4096 ? READ_SIZE : 1))
        return false;
    count = recv(connection->fd, connection->in.data + connection->in.size,
                 connection->in.capacity - connection->in.size, 0);
    if (count < 0)
        return errno == EAGAIN || errno == EINTR;
    if (count == 0)
        return false;
    if (connection->mute) {
        connection->in.size = 0;
        return true;
    }
    connection->in.size += (size_t)count;
    return feed(connection);
}

static bool flood(struct connection *connection) {
    ssize_t count = send(connection->fd, connection->flood.data + connection->flood_sent,
                         connection->flood.size - connection->flood_sent, MSG_NOSIGNAL);
    if (count < 0)
        return errno == EAGAIN || errno == EINTR;
    connection->flood_sent = (connection->flood_sent + (size_t)count) % connection->flood.size;
    return true;
}

static void count_answers(struct connection *connection) {
    if (connection->protocol == PROTOCOL_HTTP2)
        http2_count_answers(connection);
    else
        http1_count_answer(connection);
}

static bool flushed(struct connection *connection) {
    connection->out.size = connection->sent = 0;
    if (connection->close_after || connection->mute || connection->flood.size)
        return !connection->close_after;
    return connection->protocol != PROTOCOL_HTTP1 || http1_next(connection);
}

static bool write_some(struct connection *connection) {
    size_t size;
    ssize_t count;
    if (connection->protocol == PROTOCOL_HTTP2 && !connection->mute && !http2_pump(connection))
        return false;
    size = connection->out.size - connection->sent;
    if (size == 0)
        return !connection->flood.size || flood(connection);
    if (connection->drips) {
        if (now_nano() < connection->next_nano)
            return true;
        connection->next_nano = now_nano() + NANO_PER_SECOND;
        size = 1;
    }
    /* Before the client can know of it: who asks afterwards finds it counted. */
    if (size == connection->out.size - connection->sent)
        count_answers(connection);
    count = send(connection->fd, connection->out.data + connection->sent, size, MSG_NOSIGNAL);
    if (count < 0)
        return errno == EAGAIN || errno == EINTR;
    connection->sent += (size_t)count;
    return connection->sent < connection->out.size || flushed(connection);
}

static void serve(struct connection *connection, short ready) {
    bool goes_on = true;
    if (ready & POLLERR)
        goes_on = false;
    if (goes_on && ready & (POLLIN | POLLHUP) && is_read(connection))
        goes_on = read_some(connection);
    if (goes_on)
        goes_on = write_some(connection);
    if (!goes_on)
        close_connection(connection);
}

static short wanted(const struct connection *connection) {
    short in = is_read(connection) ? POLLIN : 0;
    return has_to_say(connection) && !connection->drips ? (short)(in | POLLOUT) : in;
}

/* ---- the loop ---- */

/* False: it is time to end. */
static bool stop_or_look(struct receiver *receiver) {
    char signs[16];
    ssize_t count = read(receiver->stop_read, signs, sizeof signs);
    return count > 0 && !memchr(signs, 'q', (size_t)count);
}

enum look { LOOK_AGAIN, LOOK_NOTHING, LOOK_END };

/* One look at everything; LOOK_NOTHING: nothing was there within the time. */
static enum look look(struct receiver *receiver, int wait_ms) {
    struct pollfd polled[RECEIVER_CONNECTIONS_MAX + 2];
    struct connection *of[RECEIVER_CONNECTIONS_MAX];
    size_t count = receiver->open_count;
    int ready;
    polled[0] = (struct pollfd){wait_ms ? receiver->stop_read : -1, POLLIN, 0};
    polled[1] = (struct pollfd){count < RECEIVER_CONNECTIONS_MAX ? receiver->listener : -1, POLLIN, 0};
    for (size_t i = 0; i < count; i++) {
        of[i] = receiver->open[i];
        polled[i + 2] = (struct pollfd){of[i]->fd, wait_ms ? wanted(of[i]) : wanted(of[i]) & POLLIN, 0};
        if (of[i]->drips && wait_ms < 0)
            wait_ms = DRIP_WAIT_MS;
    }
    ready = poll(polled, count + 2, wait_ms);
    if (ready < 0)
        return LOOK_AGAIN;
    if (polled[0].revents && !stop_or_look(receiver))
        return LOOK_END;
    for (size_t i = 0; i < count; i++) {
        if (polled[i + 2].revents || of[i]->drips)
            serve(of[i], polled[i + 2].revents);
    }
    if (polled[1].revents)
        accept_connection(receiver);
    return ready > 0 ? LOOK_AGAIN : LOOK_NOTHING;
}

static void *run(void *argument) {
    struct receiver *receiver = argument;
    unsigned rest = LAST_LOOKS_MAX;
    while (look(receiver, -1) != LOOK_END)
        ;
    while (rest-- && look(receiver, 0) != LOOK_NOTHING)
        ;
    while (receiver->open_count)
        close_connection(receiver->open[0]);
    return NULL;
}

/* ---- start and stop ---- */

static int bind_socket(struct receiver *receiver) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    int tiny = TINY_BUFFER, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    enum receiver_mode mode = receiver->options.mode;
    if (fd < 0)
        return -1;
    if (mode == RECEIVER_NOREAD || mode == RECEIVER_NO_WINDOW)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &tiny, sizeof tiny);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0 ||
        (mode != RECEIVER_REFUSE && listen(fd, RECEIVER_CONNECTIONS_MAX) != 0)) {
        close(fd);
        return -1;
    }
    receiver->port = ntohs(address.sin_port);
    return fd;
}

/* Signals are for the program that is tested. */
static bool start_thread(struct receiver *receiver) {
    sigset_t all, before;
    pthread_t thread;
    int error;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&thread, NULL, run, receiver);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    receiver->thread = thread;
    return error == 0;
}

/* Keeps nothing of the parent's open that is not needed: others wait for the end of its pipes. */
static void close_all_but(int a, int b) {
    unsigned low = (unsigned)(a < b ? a : b), high = (unsigned)(a < b ? b : a);
    if (low > 3)
        close_range(3, low - 1, 0);
    if (high > low + 1)
        close_range(low + 1, high - 1, 0);
    close_range(high + 1, ~0u, 0);
}

static bool start_process(struct receiver *receiver) {
    receiver->process = fork();
    if (receiver->process != 0)
        return receiver->process > 0;
    close_all_but(receiver->listener, receiver->stop_read);
    run(receiver);
    _exit(0);
}

static void free_receiver(struct receiver *receiver) {
    if (receiver->listener >= 0)
        close(receiver->listener);
    if (receiver->stop_read >= 0)
        close(receiver->stop_read);
    if (receiver->stop_write >= 0)
        close(receiver->stop_write);
    if (receiver->bodies)
        bodies_free(receiver->bodies);
    if (receiver->shared)
        munmap(receiver->shared, sizeof *receiver->shared);
    free(receiver);
}

static bool prepare(struct receiver *receiver) {
    int ends[2];
    void *shared =
        mmap(NULL, sizeof *receiver->shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return false;
    receiver->shared = shared;
    atomic_store(&receiver->shared->mode, (int)receiver->options.mode);
    receiver->bodies = bodies_new();
    receiver->listener = bind_socket(receiver);
    if (receiver->listener < 0 || !receiver->bodies || pipe2(ends, O_CLOEXEC) != 0)
        return false;
    receiver->stop_read = ends[0];
    receiver->stop_write = ends[1];
    return true;
}

struct receiver *receiver_start(const struct receiver_options *options) {
    struct receiver *receiver = calloc(1, sizeof *receiver);
    if (!receiver)
        return NULL;
    receiver->options = *options;
    receiver->listener = receiver->stop_read = receiver->stop_write = -1;
    if (!prepare(receiver) || !(options->process ? start_process(receiver) : start_thread(receiver))) {
        free_receiver(receiver);
        return NULL;
    }
    return receiver;
}

struct receiver_counts receiver_stop(struct receiver *receiver) {
    struct receiver_counts counts;
    if (write(receiver->stop_write, "q", 1) != 1)
        abort();
    if (receiver->process)
        waitpid(receiver->process, NULL, 0);
    else
        pthread_join(receiver->thread, NULL);
    counts = receiver_counts(receiver);
    free_receiver(receiver);
    return counts;
}

void receiver_set_mode(struct receiver *receiver, enum receiver_mode mode) {
    atomic_store(&receiver->shared->mode, (int)mode);
    if (write(receiver->stop_write, "m", 1) != 1)
        abort();
}

uint16_t receiver_port(const struct receiver *receiver) {
    return receiver->port;
}

void receiver_endpoint(const struct receiver *receiver, bool grpc, char *out, size_t capacity) {
    const char *scheme = receiver->options.mode == RECEIVER_TLS_STALL ? "https" : "http";
    snprintf(out, capacity, "%s://127.0.0.1:%u%s", scheme, receiver->port, grpc ? "" : "/v1/traces");
}

struct receiver_counts receiver_counts(const struct receiver *receiver) {
    const struct receiver_shared *shared = receiver->shared;
    struct receiver_counts counts = {
        .connections = atomic_load(&shared->connections),
        .requests = atomic_load(&shared->requests),
        .json_requests = atomic_load(&shared->json_requests),
        .grpc_requests = atomic_load(&shared->grpc_requests),
        .metric_requests = atomic_load(&shared->metric_requests),
        .bytes = atomic_load(&shared->bytes),
        .acknowledged = atomic_load(&shared->acknowledged),
        .rejected = atomic_load(&shared->rejected),
        .refused = atomic_load(&shared->refused),
        .acknowledged_ids = atomic_load(&shared->acknowledged_ids),
        .duplicates = atomic_load(&shared->duplicates),
        .received_ids = atomic_load(&shared->received_ids),
        .received = atomic_load(&shared->received),
        .faults = atomic_load(&shared->faults),
    };
    if (counts.faults)
        memcpy(counts.fault, shared->fault, sizeof counts.fault);
    return counts;
}

const char *receiver_mode_name(enum receiver_mode mode) {
    static const char *const names[RECEIVER_MODES] = {
        [RECEIVER_HEALTHY] = "healthy",
        [RECEIVER_REFUSE] = "nobody listens",
        [RECEIVER_HANG] = "accepts, never reads",
        [RECEIVER_NOREAD] = "never reads, tiny buffer",
        [RECEIVER_NO_WINDOW] = "opens no window",
        [RECEIVER_SILENT] = "reads, never answers",
        [RECEIVER_SLOW] = "a byte a second",
        [RECEIVER_RESET_FIRST] = "resets at once",
        [RECEIVER_RESET] = "resets after the request",
        [RECEIVER_GARBAGE] = "answers garbage",
        [RECEIVER_BUSY] = "busy for 68 years",
        [RECEIVER_EXHAUSTED] = "exhausted for 68 years",
        [RECEIVER_FLAKY] = "takes every n-th",
        [RECEIVER_REJECT] = "rejects half",
        [RECEIVER_TLS_STALL] = "no TLS handshake",
        [RECEIVER_ENDLESS_HEADERS] = "endless headers",
        [RECEIVER_ENDLESS_BODY] = "endless body",
        [RECEIVER_ENDLESS_TRAILERS] = "endless trailers",
        [RECEIVER_ENDLESS_INTERIM] = "endless interim answers",
        [RECEIVER_BOMB] = "gzip of 256 MiB",
        [RECEIVER_HUGE_BODY] = "1 GiB announced",
        [RECEIVER_HUGE_TRAILER] = "trailer of 1 GiB",
        [RECEIVER_DETAILS] = "details with lengths of 2^31",
        [RECEIVER_RETRY_LATER] = "retry in the farthest future",
        [RECEIVER_RETRY_BEFORE] = "retry in the past",
    };
    return mode < RECEIVER_MODES ? names[mode] : "?";
}
