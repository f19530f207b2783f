/* The scripted receiver. Its thread owns the connections; the counters are atomic; the copy of the last
 * request has a lock. */
#include "test/faults/peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 64
#define HEAD_MAX 16384
#define KEPT_MAX 65536
#define NANO_PER_SECOND UINT64_C(1000000000)

enum activity { READING, STARING, DRIPPING, FLOODING, ANSWERING };

struct connection {
    int fd;
    enum activity activity;
    const struct peer_step *step; /* of the request that is being answered */
    char head[HEAD_MAX];
    size_t head_size;
    bool head_complete;
    size_t body_left;
    char *answer; /* what is still to be said */
    size_t answer_size, answer_sent,
        answer_free; /* the first `answer_free` bytes go at once, the rest drips */
    bool close_after;
    uint64_t next_nano; /* DRIPPING: when the next byte goes */
};

struct peer {
    const struct peer_step *steps;
    size_t step_count;
    int listener, stop_read, stop_write;
    uint16_t port;
    const char *path; /* NULL: a port */
    pthread_t thread;
    atomic_uint connections, requests;
    unsigned begun; /* the thread's: steps used up */
    _Atomic uint64_t bytes;
    struct connection *open[CONNECTIONS_MAX];
    size_t open_count;
    pthread_mutex_t lock; /* of the copy */
    char kept[KEPT_MAX];
    size_t kept_size;
};

static uint64_t now_nano(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NANO_PER_SECOND + (uint64_t)now.tv_nsec;
}

static const struct peer_step *next_step(const struct peer *peer) {
    return &peer->steps[peer->begun < peer->step_count ? peer->begun : peer->step_count - 1];
}

static void close_connection(struct peer *peer, struct connection *connection) {
    for (size_t i = 0; i < peer->open_count; i++) {
        if (peer->open[i] == connection)
            peer->open[i] = peer->open[--peer->open_count];
    }
    close(connection->fd);
    free(connection->answer);
    free(connection);
}

static void reset_connection(struct peer *peer, struct connection *connection) {
    struct linger at_once = {1, 0};
    setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close_connection(peer, connection);
}

static void expect_request(struct connection *connection) {
    connection->head_size = 0;
    connection->head_complete = false;
    connection->activity = READING;
}

static void accept_connection(struct peer *peer) {
    int on = 1;
    int fd = accept4(peer->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    struct connection *connection = calloc(1, sizeof *connection);
    if (!connection || peer->open_count == CONNECTIONS_MAX) {
        free(connection);
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    connection->fd = fd;
    peer->open[peer->open_count++] = connection;
    atomic_fetch_add(&peer->connections, 1);
    expect_request(connection);
    enum peer_behaviour behaviour = next_step(peer)->behaviour;
    if (behaviour == PEER_HANG || behaviour == PEER_RESET_FIRST)
        peer->begun++;
    if (behaviour == PEER_HANG)
        connection->activity = STARING;
    if (behaviour == PEER_RESET_FIRST)
        reset_connection(peer, connection);
}

static const char *phrase(int status) {
    return status < 300 ? "OK" : status < 400 ? "Elsewhere" : status < 500 ? "Your Fault" : "My Fault";
}

/* Composes the answer of the step; false: none. */
static bool compose(struct connection *connection) {
    const struct peer_step *step = connection->step;
    static const char garbage[] = "\x00\x00\x06\x04\x00\x00\x00\x00\x00 neither head nor tail \r\n";
    size_t capacity = step->body_size + (step->headers ? strlen(step->headers) : 0) + 256;
    int status = step->behaviour == PEER_STATUS ? step->status : 200;
    char *text = malloc(capacity);
    if (!text)
        return false;
    connection->answer = text;
    if (step->behaviour == PEER_GARBAGE) {
        memcpy(text, garbage, sizeof garbage - 1);
        connection->answer_size = connection->answer_free = sizeof garbage - 1;
        connection->close_after = true;
        return true;
    }
    const char *headers = step->headers ? step->headers : "";
    int size =
        snprintf(text, capacity, "HTTP/1.1 %d %s\r\n%s%s", status, phrase(status),
                 strstr(headers, "Content-Type:") ? "" : "Content-Type: application/x-protobuf\r\n", headers);
    size_t used = (size_t)size;
    if (step->behaviour == PEER_ENDLESS)
        used += (size_t)snprintf(text + used, capacity - used, "Transfer-Encoding: identity\r\n\r\n");
    else if (step->behaviour != PEER_ENDLESS_HEADS)
        used += (size_t)snprintf(text + used, capacity - used, "Content-Length: %zu\r\n\r\n",
                                 step->behaviour == PEER_CUT ? (size_t)1000 : step->body_size);
    connection->answer_free = step->behaviour == PEER_SLOW ? 0 : used;
    if (step->body_size)
        memcpy(text + used, step->body, step->body_size);
    connection->answer_size = used + step->body_size;
    if (step->behaviour != PEER_SLOW && step->behaviour != PEER_SLOW_BODY)
        connection->answer_free = connection->answer_size;
    connection->close_after = step->behaviour == PEER_CUT || step->behaviour == PEER_LEAVE;
    return true;
}

/* The request is there as a whole. */
static void request_done(struct peer *peer, struct connection *connection) {
    atomic_fetch_add(&peer->requests, 1);
    connection->step = next_step(peer);
    peer->begun++;
    switch (connection->step->behaviour) {
    case PEER_SILENT:
        connection->activity = STARING;
        return;
    case PEER_CLOSE:
        close_connection(peer, connection);
        return;
    case PEER_RESET:
        reset_connection(peer, connection);
        return;
    default:
        break;
    }
    connection->answer_sent = 0;
    if (!compose(connection)) {
        close_connection(peer, connection);
        return;
    }
    connection->activity = ANSWERING;
}

static void keep(struct peer *peer, const char *data, size_t size, bool first) {
    pthread_mutex_lock(&peer->lock);
    if (first)
        peer->kept_size = 0;
    if (size > KEPT_MAX - peer->kept_size)
        size = KEPT_MAX - peer->kept_size;
    memcpy(peer->kept + peer->kept_size, data, size);
    peer->kept_size += size;
    pthread_mutex_unlock(&peer->lock);
}

static size_t content_length(const char *head) {
    for (const char *line = head; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncasecmp(line, "Content-Length:", 15) == 0)
            return (size_t)strtoull(line + 15, NULL, 10);
    }
    return 0;
}

static void take_body(struct peer *peer, struct connection *connection, const char *data, size_t size) {
    if (size > connection->body_left)
        size = connection->body_left;
    keep(peer, data, size, false);
    atomic_fetch_add(&peer->bytes, size);
    connection->body_left -= size;
    if (connection->body_left == 0)
        request_done(peer, connection);
}

static void read_request(struct peer *peer, struct connection *connection) {
    char buffer[16384];
    ssize_t count = recv(connection->fd, buffer, sizeof buffer - 1, 0);
    if (count <= 0) {
        if (count == 0 || (errno != EAGAIN && errno != EINTR))
            close_connection(peer, connection);
        return;
    }
    if (connection->head_complete) {
        take_body(peer, connection, buffer, (size_t)count);
        return;
    }
    size_t taken = (size_t)count;
    if (taken > HEAD_MAX - 1 - connection->head_size)
        taken = HEAD_MAX - 1 - connection->head_size;
    memcpy(connection->head + connection->head_size, buffer, taken);
    connection->head_size += taken;
    connection->head[connection->head_size] = '\0';
    char *end = strstr(connection->head, "\r\n\r\n");
    if (!end)
        return;
    size_t head = (size_t)(end + 4 - connection->head);
    size_t before = connection->head_size - taken; /* bytes of the head that came earlier */
    connection->head_complete = true;
    connection->body_left = content_length(connection->head);
    keep(peer, connection->head, head, true);
    take_body(peer, connection, buffer + (head - before), (size_t)count - (head - before));
}

static void answered(struct peer *peer, struct connection *connection) {
    free(connection->answer);
    connection->answer = NULL;
    if (connection->step->behaviour == PEER_ENDLESS || connection->step->behaviour == PEER_ENDLESS_HEADS)
        connection->activity = FLOODING;
    else if (connection->close_after)
        close_connection(peer, connection);
    else
        expect_request(connection);
}

static void write_answer(struct peer *peer, struct connection *connection) {
    size_t end = connection->answer_free;
    if (connection->answer_sent >= end) {
        connection->activity = DRIPPING;
        end = connection->answer_sent + 1;
    }
    ssize_t count = connection->answer_sent == connection->answer_size
                        ? 0
                        : send(connection->fd, connection->answer + connection->answer_sent,
                               end - connection->answer_sent, MSG_NOSIGNAL);
    if (count < 0) {
        if (errno != EAGAIN && errno != EINTR)
            close_connection(peer, connection);
        return;
    }
    connection->answer_sent += (size_t)count;
    if (connection->answer_sent == connection->answer_size)
        answered(peer, connection);
    else if (connection->answer_sent >= connection->answer_free) {
        connection->activity = DRIPPING;
        connection->next_nano = now_nano() + NANO_PER_SECOND;
    }
}

static void flood(struct peer *peer, struct connection *connection) {
    static char body[16384], headers[16384];
    if (!body[0]) {
        memset(body, 'x', sizeof body);
        for (size_t i = 0; i < sizeof headers; i += 16)
            memcpy(headers + i, "X-More: flood!\r\n", 16);
    }
    const char *data = connection->step->behaviour == PEER_ENDLESS ? body : headers;
    if (send(connection->fd, data, sizeof body, MSG_NOSIGNAL) < 0 && errno != EAGAIN && errno != EINTR)
        close_connection(peer, connection);
}

static void serve(struct peer *peer, struct connection *connection, short ready) {
    switch (connection->activity) {
    case READING:
        if (ready)
            read_request(peer, connection);
        break;
    case STARING: /* only an error tells that the other side is gone */
        if (ready & POLLERR)
            close_connection(peer, connection);
        break;
    case DRIPPING:
        if (ready & POLLERR)
            close_connection(peer, connection);
        else if (now_nano() >= connection->next_nano)
            write_answer(peer, connection);
        break;
    case ANSWERING:
        if (ready)
            write_answer(peer, connection);
        break;
    case FLOODING:
        if (ready)
            flood(peer, connection);
        break;
    }
}

static short wanted(const struct connection *connection) {
    return connection->activity == READING                                         ? POLLIN
           : connection->activity == ANSWERING || connection->activity == FLOODING ? POLLOUT
                                                                                   : 0;
}

static void *run(void *user) {
    struct peer *peer = user;
    for (;;) {
        struct pollfd polled[CONNECTIONS_MAX + 2];
        struct connection *of[CONNECTIONS_MAX];
        size_t count = peer->open_count;
        bool drips = false;
        polled[0] = (struct pollfd){peer->stop_read, POLLIN, 0};
        polled[1] = (struct pollfd){peer->listener, POLLIN, 0};
        for (size_t i = 0; i < count; i++) {
            of[i] = peer->open[i];
            polled[i + 2] = (struct pollfd){of[i]->fd, wanted(of[i]), 0};
            drips = drips || of[i]->activity == DRIPPING;
        }
        if (poll(polled, count + 2, drips ? 50 : -1) < 0)
            continue;
        if (polled[0].revents)
            return NULL;
        for (size_t i = 0; i < count; i++)
            serve(peer, of[i], polled[i + 2].revents);
        if (polled[1].revents)
            accept_connection(peer);
    }
}

static int bound_socket(uint16_t *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&address, size) == 0 &&
        getsockname(fd, (struct sockaddr *)&address, &size) == 0) {
        *port = ntohs(address.sin_port);
        return fd;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

uint16_t peer_closed_port(void) {
    uint16_t port = 1;
    int fd = bound_socket(&port);
    if (fd >= 0)
        close(fd);
    return port;
}

static bool start_thread(struct peer *peer) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(&peer->thread, NULL, run, peer) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

static int socket_at(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

static struct peer *start(const char *path, const struct peer_step *steps, size_t count) {
    int pipe_fds[2];
    struct peer *peer = calloc(1, sizeof *peer);
    if (!peer)
        return NULL;
    peer->steps = steps;
    peer->step_count = count;
    peer->path = path;
    pthread_mutex_init(&peer->lock, NULL);
    peer->listener = path ? socket_at(path) : bound_socket(&peer->port);
    if (peer->listener >= 0 && pipe2(pipe_fds, O_CLOEXEC) == 0) {
        peer->stop_read = pipe_fds[0];
        peer->stop_write = pipe_fds[1];
        if (listen(peer->listener, 64) == 0 && start_thread(peer))
            return peer;
        close(peer->stop_read);
        close(peer->stop_write);
    }
    if (peer->listener >= 0)
        close(peer->listener);
    free(peer);
    return NULL;
}

struct peer *peer_start(const struct peer_step *steps, size_t count) {
    return start(NULL, steps, count);
}

struct peer *peer_start_at(const char *path, const struct peer_step *steps, size_t count) {
    return start(path, steps, count);
}

uint16_t peer_port(const struct peer *peer) {
    return peer->port;
}

unsigned peer_connections(const struct peer *peer) {
    return atomic_load(&peer->connections);
}

unsigned peer_requests(const struct peer *peer) {
    return atomic_load(&peer->requests);
}

uint64_t peer_bytes(const struct peer *peer) {
    return atomic_load(&peer->bytes);
}

void peer_last_request(struct peer *peer, char *out, size_t capacity) {
    pthread_mutex_lock(&peer->lock);
    size_t size = peer->kept_size < capacity - 1 ? peer->kept_size : capacity - 1;
    memcpy(out, peer->kept, size);
    out[size] = '\0';
    pthread_mutex_unlock(&peer->lock);
}

void peer_stop(struct peer *peer) {
    if (!peer)
        return;
    if (write(peer->stop_write, "", 1) == 1)
        pthread_join(peer->thread, NULL);
    while (peer->open_count)
        close_connection(peer, peer->open[0]);
    close(peer->listener);
    close(peer->stop_read);
    close(peer->stop_write);
    pthread_mutex_destroy(&peer->lock);
    if (peer->path)
        unlink(peer->path);
    free(peer);
}
