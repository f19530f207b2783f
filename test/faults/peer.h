/* A receiver that misbehaves on purpose: a small HTTP/1.1 server on 127.0.0.1, in a thread of its own, that
 * does what its script says and counts what it saw. For tests. */
#ifndef CLEW_TEST_PEER_H
#define CLEW_TEST_PEER_H

#include <stddef.h>
#include <stdint.h>

enum peer_behaviour {
    PEER_HEALTHY,       /* answers 200 with `body` */
    PEER_STATUS,        /* answers `status` with `headers` and `body` */
    PEER_HANG,          /* accepts, never reads, never answers */
    PEER_SILENT,        /* reads the whole request, never answers */
    PEER_SLOW,          /* answers 200, a byte a second */
    PEER_SLOW_BODY,     /* answers the status line and headers at once, then the body a byte a second */
    PEER_RESET_FIRST,   /* resets the connection as soon as it is there */
    PEER_RESET,         /* reads the request, then resets the connection */
    PEER_CLOSE,         /* reads the request, then closes the connection */
    PEER_GARBAGE,       /* answers what is not HTTP */
    PEER_ENDLESS,       /* answers 200 with a body that has no end */
    PEER_ENDLESS_HEADS, /* answers 200 with headers that have no end */
    PEER_CUT,           /* announces a body of 1000 bytes, sends `body`, closes */
    PEER_LEAVE,         /* answers 200, then closes the connection without having said that it would */
};

/* What to do with one request (with one connection, for those that do not read). */
struct peer_step {
    enum peer_behaviour behaviour;
    int status;          /* PEER_STATUS */
    const char *headers; /* each line with its \r\n; may be NULL */
    const void *body;
    size_t body_size;
};

struct peer;

/* Starts it; request number i meets step i, and the last step all those after. The steps outlive the peer.
 * NULL: no socket, thread or memory. */
struct peer *peer_start(const struct peer_step *steps, size_t count);
uint16_t peer_port(const struct peer *peer);
/* The same at a Unix socket, which is made, and removed by peer_stop(). */
struct peer *peer_start_at(const char *path, const struct peer_step *steps, size_t count);

/* What it has seen until now; any thread. */
unsigned peer_connections(const struct peer *peer);
unsigned peer_requests(const struct peer *peer); /* read to the last byte */
uint64_t peer_bytes(const struct peer *peer);    /* of request bodies */
/* Head and body of the last whole request, terminated, cut to the capacity. */
void peer_last_request(struct peer *peer, char *out, size_t capacity);

/* Ends the thread, closes everything, frees. */
void peer_stop(struct peer *peer);

/* A port of 127.0.0.1 where nobody listens. */
uint16_t peer_closed_port(void);

#endif
