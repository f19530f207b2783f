/* Connections. Owns the socket, its TLS, and the addresses of the receiver; one thread at a time.
 *
 * Addresses are tried one after the other, in the order of the resolver (which sorts IPv6 and IPv4 by what
 * the machine can reach). One that does not answer has a share of the time when there are others. */
#include "collector-bridge/export/connection.h"

#include "collector-bridge/export/connect_error.h"

#include <clew/macros.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NANO_PER_SECOND UINT64_C(1000000000)
/* An address that is silent gives way to the next after this: one lost SYN is sent again after a second. */
#define ADDRESS_NANO (2 * NANO_PER_SECOND)
/* A name server that is silent is waited for so long when there are addresses of before. */
#define LOOKUP_NANO NANO_PER_SECOND

CLEW_PRINTF(3, 4)
static void fail(struct clew__connection *connection, enum clew__connection_fault fault, const char *format,
                 ...) {
    va_list arguments;
    clew__connection_close(connection);
    va_start(arguments, format);
    vsnprintf(connection->reason, sizeof connection->reason, format, arguments);
    va_end(arguments);
    connection->fault = fault;
}

/* ---- TLS ---- */

static void tls_failed(struct clew__connection *connection, enum clew__tls_end end) {
    const char *shown = connection->settings->shown;
    char reason[sizeof connection->tls.reason];
    memcpy(reason, connection->tls.reason, sizeof reason);
    if (end == CLEW__TLS_MEMORY)
        fail(connection, CLEW__CONNECTION_MEMORY, "out of memory while connecting to %s", shown);
    else if (end == CLEW__TLS_HOPELESS)
        fail(connection, CLEW__CONNECTION_HOPELESS, "%s", reason);
    else
        fail(connection, CLEW__CONNECTION_LOST, "%s", reason);
}

static void shake_hands(struct clew__connection *connection) {
    enum clew__tls_end end = clew__tls_shake_hands(&connection->tls);
    if (end == CLEW__TLS_WAIT)
        return;
    if (end == CLEW__TLS_DONE) {
        connection->state = CLEW__CONNECTION_OPEN;
        return;
    }
    tls_failed(connection, end);
    if (!connection->reason[0])
        snprintf(connection->reason, sizeof connection->reason,
                 "%s closed the connection during the TLS handshake", connection->settings->shown);
}

/* ---- one address after the other ---- */

static void connected(struct clew__connection *connection) {
    struct clew__addresses *last = &connection->resolver.last;
    const struct clew__address *good = &connection->addresses.at[connection->next - 1];
    /* The next time begins with the one that was good; where none was looked up the order does not matter. */
    for (size_t i = 1; i < last->count; i++) {
        struct clew__address first = last->at[0];
        if (memcmp(&last->at[i], good, sizeof *good) != 0)
            continue;
        last->at[0] = last->at[i];
        last->at[i] = first;
        break;
    }
    if (!connection->settings->tls) {
        connection->state = CLEW__CONNECTION_OPEN;
        return;
    }
    enum clew__tls_end end = clew__tls_begin(&connection->tls, connection->socket.fd);
    if (end != CLEW__TLS_DONE) {
        tls_failed(connection, end);
        return;
    }
    connection->state = CLEW__CONNECTION_SHAKING_HANDS;
}

/* 0: connected; EINPROGRESS; or what is wrong with the address. */
static int try_address(struct clew__connection *connection, const struct clew__address *address) {
    const int on = 1;
    int family = address->name.ss_family;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return errno;
    connection->socket = clew__descriptor_of(fd);
    /* Frames go out when they are complete; waiting for more would only delay them. */
    if (family != AF_UNIX)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, (const struct sockaddr *)&address->name, address->size) == 0)
        return 0;
    /* A Unix socket whose backlog is full says EAGAIN, and connects no further. */
    return errno == EINTR ? EINPROGRESS : errno;
}

/* Begins with the next address that can be; `error` is what was wrong with the one before. */
static void try_next(struct clew__connection *connection, uint64_t now, int error) {
    while (connection->next < connection->addresses.count) {
        clew__descriptor_close(&connection->socket);
        error = try_address(connection, &connection->addresses.at[connection->next++]);
        if (error == 0) {
            connected(connection);
            return;
        }
        if (error != EINPROGRESS)
            continue;
        size_t left = connection->addresses.count - connection->next;
        uint64_t until_deadline = connection->deadline_nano > now ? connection->deadline_nano - now : 0;
        uint64_t share = until_deadline / (left + 1);
        connection->state = CLEW__CONNECTION_CONNECTING;
        connection->move_on_nano = left ? now + (share < ADDRESS_NANO ? share : ADDRESS_NANO) : UINT64_MAX;
        return;
    }
    fail(connection, CLEW__CONNECTION_LOST, "%s %s", clew__connect_error_text(error),
         connection->settings->shown);
}

/* Whether the connection is there, refused, or still on its way. */
static void look_at_socket(struct clew__connection *connection, uint64_t now) {
    struct pollfd polled = {connection->socket.fd, POLLOUT, 0};
    int error = 0;
    socklen_t size = sizeof error;
    if (poll(&polled, 1, 0) == 0) {
        if (now >= connection->move_on_nano)
            try_next(connection, now, ETIMEDOUT);
        return;
    }
    if (getsockopt(connection->socket.fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        error = errno;
    if (error)
        try_next(connection, now, error);
    else
        connected(connection);
}

/* ---- addresses ---- */

static void use(struct clew__connection *connection, const struct clew__addresses *addresses, uint64_t now) {
    connection->addresses = *addresses;
    connection->next = 0;
    try_next(connection, now, 0);
}

static void look_at_resolver(struct clew__connection *connection, uint64_t now) {
    const struct clew__addresses *last = &connection->resolver.last;
    struct clew__addresses found;
    const char *error = NULL;
    enum clew__resolve looked = clew__resolver_look(&connection->resolver, &found, &error);
    if (looked == CLEW__RESOLVE_FOUND)
        use(connection, &found, now);
    else if (last->count && (looked == CLEW__RESOLVE_FAILED || now >= connection->move_on_nano))
        use(connection, last, now);
    else if (looked == CLEW__RESOLVE_FAILED)
        fail(connection, CLEW__CONNECTION_LOST, "the name in %s cannot be resolved: %s",
             connection->settings->shown, error);
}

static void look_up(struct clew__connection *connection, uint64_t now) {
    const struct clew__otlp_settings *settings = connection->settings;
    const struct clew__addresses *last = &connection->resolver.last;
    uint64_t left = connection->deadline_nano > now ? connection->deadline_nano - now : 0;
    if (!clew__resolver_begin(&connection->resolver, settings->host, settings->port)) {
        if (last->count)
            use(connection, last, now);
        else
            fail(connection, CLEW__CONNECTION_LOST,
                 "no memory, descriptor or thread to resolve the name in %s", settings->shown);
        return;
    }
    connection->state = CLEW__CONNECTION_RESOLVING;
    connection->move_on_nano = UINT64_MAX;
    if (last->count)
        connection->move_on_nano = now + (left / 2 < LOOKUP_NANO ? left / 2 : LOOKUP_NANO);
    look_at_resolver(connection, now); /* it may be the answer to an earlier question */
}

/* ---- the connection ---- */

void clew__connection_init(struct clew__connection *connection, const struct clew__otlp_settings *settings) {
    memset(connection, 0, sizeof *connection);
    connection->settings = connection->tls.settings = settings;
    connection->socket.fd = -1;
}

void clew__connection_open(struct clew__connection *connection, uint64_t now, uint64_t deadline) {
    const struct clew__otlp_settings *settings = connection->settings;
    struct clew__addresses found;
    connection->fault = CLEW__CONNECTION_FINE;
    connection->reason[0] = '\0';
    connection->deadline_nano = deadline;
    if (settings->socket) {
        clew__resolve_socket(settings->socket, &found);
        if (found.count == 0)
            fail(connection, CLEW__CONNECTION_HOPELESS, "the path in %s is too long for a socket",
                 settings->shown);
        else
            use(connection, &found, now);
    } else if (clew__resolve_at_once(settings->host, settings->port, &found)) {
        use(connection, &found, now);
    } else {
        look_up(connection, now);
    }
}

void clew__connection_step(struct clew__connection *connection, uint64_t now) {
    if (connection->state == CLEW__CONNECTION_RESOLVING)
        look_at_resolver(connection, now);
    if (connection->state == CLEW__CONNECTION_CONNECTING)
        look_at_socket(connection, now);
    if (connection->state == CLEW__CONNECTION_SHAKING_HANDS)
        shake_hands(connection);
}

clew_poll clew__connection_wait(const struct clew__connection *connection, uint64_t *wake_nano) {
    clew_poll wanted = {connection->socket.fd, POLLIN, 0};
    *wake_nano = UINT64_MAX;
    switch (connection->state) {
    case CLEW__CONNECTION_CLOSED:
        wanted.fd = -1;
        break;
    case CLEW__CONNECTION_RESOLVING:
        wanted.fd = clew__resolver_descriptor(&connection->resolver);
        *wake_nano = connection->move_on_nano;
        break;
    case CLEW__CONNECTION_CONNECTING:
        wanted.events = POLLOUT;
        *wake_nano = connection->move_on_nano;
        break;
    case CLEW__CONNECTION_SHAKING_HANDS:
        wanted.events = clew__tls_wants_write(&connection->tls) ? POLLOUT : POLLIN;
        break;
    case CLEW__CONNECTION_OPEN:
        if (connection->sending_waits || clew__tls_wants_write(&connection->tls))
            wanted.events |= POLLOUT;
        break;
    }
    return wanted;
}

static void describe_loss(struct clew__connection *connection, int error) {
    snprintf(connection->reason, sizeof connection->reason, "connection to %s lost: %s",
             connection->settings->shown, strerror(error));
}

/* What was noticed while sending says more than the end that is read afterwards. */
static void lost(struct clew__connection *connection) {
    char reason[sizeof connection->reason];
    memcpy(reason, connection->reason, sizeof reason);
    fail(connection, CLEW__CONNECTION_LOST, "%s", reason);
}

/* Nothing can be sent any more, but why may still be there to be read: an alert, a reset, even an answer. */
static void sending_failed(struct clew__connection *connection, enum clew__tls_end end) {
    if (end == CLEW__TLS_LOST)
        memcpy(connection->reason, connection->tls.reason, sizeof connection->reason);
    else if (end != CLEW__TLS_DONE)
        tls_failed(connection, end);
    connection->deaf = true;
}

size_t clew__connection_send(struct clew__connection *connection, const void *data, size_t size) {
    size_t done = 0;
    if (connection->state != CLEW__CONNECTION_OPEN || connection->deaf)
        return 0;
    if (connection->tls.session) {
        enum clew__tls_end end = clew__tls_send(&connection->tls, data, size, &done);
        if (end != CLEW__TLS_DONE && end != CLEW__TLS_WAIT)
            sending_failed(connection, end);
    } else {
        ssize_t sent = send(connection->socket.fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno != EAGAIN && errno != EINTR) {
            describe_loss(connection, errno);
            sending_failed(connection, CLEW__TLS_DONE);
        }
        done = sent > 0 ? (size_t)sent : 0;
    }
    connection->sending_waits = done < size;
    return done;
}

size_t clew__connection_receive(struct clew__connection *connection, void *data, size_t size) {
    size_t done = 0;
    enum clew__tls_end end = CLEW__TLS_DONE;
    if (connection->state != CLEW__CONNECTION_OPEN)
        return 0;
    if (connection->tls.session) {
        end = clew__tls_receive(&connection->tls, data, size, &done);
        if (end == CLEW__TLS_LOST && !connection->reason[0])
            memcpy(connection->reason, connection->tls.reason, sizeof connection->reason);
    } else {
        ssize_t received = recv(connection->socket.fd, data, size, MSG_DONTWAIT);
        if (received < 0)
            end = errno == EAGAIN || errno == EINTR ? CLEW__TLS_WAIT : CLEW__TLS_LOST;
        if (end == CLEW__TLS_LOST)
            describe_loss(connection, errno);
        end = received == 0 ? CLEW__TLS_LOST : end;
        done = received > 0 ? (size_t)received : 0;
    }
    if (end == CLEW__TLS_LOST || (end == CLEW__TLS_WAIT && connection->deaf))
        lost(connection);
    else if (end != CLEW__TLS_DONE && end != CLEW__TLS_WAIT)
        tls_failed(connection, end);
    return done;
}

void clew__connection_close(struct clew__connection *connection) {
    if (clew__descriptor_is_ours(&connection->socket))
        clew__tls_end_session(&connection->tls);
    else if (connection->tls.session)
        clew__tls_forget(&connection->tls); /* its end would be written into a stranger's file */
    clew__descriptor_close(&connection->socket);
    connection->state = CLEW__CONNECTION_CLOSED;
    connection->fault = CLEW__CONNECTION_FINE;
    connection->reason[0] = '\0';
    connection->sending_waits = connection->deaf = false;
}

void clew__connection_forget(struct clew__connection *connection) {
    clew__tls_forget(&connection->tls);
    clew__resolver_forget(&connection->resolver);
    clew__connection_close(connection);
}

void clew__connection_fini(struct clew__connection *connection) {
    clew__connection_close(connection);
    clew__tls_fini(&connection->tls);
    clew__resolver_fini(&connection->resolver);
}
