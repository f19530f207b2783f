/* The receiver that delivery is tested and measured with: OTLP over HTTP/1.1 (protobuf, JSON) and over gRPC
 * on one port of 127.0.0.1, told apart by what the client says first; bodies plain, gzip or zstd. Healthy it
 * is strict about the protocol; the other modes misbehave, each in its own way. It runs in a thread or in a
 * process of its own, and counts in shared memory. */
#ifndef CLEW_TEST_PEER_RECEIVER_H
#define CLEW_TEST_PEER_RECEIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum receiver_mode {
    RECEIVER_HEALTHY,
    RECEIVER_REFUSE,      /* nobody listens on the port; only from the start */
    RECEIVER_HANG,        /* accepts, never reads */
    RECEIVER_NOREAD,      /* the same with a tiny buffer: requests do not fit in; tiny only from the start */
    RECEIVER_NO_WINDOW,   /* gRPC: reads, but has no window for bodies; HTTP: as NOREAD */
    RECEIVER_SILENT,      /* reads everything, never answers */
    RECEIVER_SLOW,        /* answers a byte a second */
    RECEIVER_RESET_FIRST, /* resets each connection as soon as it is there */
    RECEIVER_RESET,       /* reads a request, then resets the connection */
    RECEIVER_GARBAGE,     /* reads a request, answers what is no protocol */
    RECEIVER_BUSY,        /* 503 or UNAVAILABLE, to be tried again in 2147483648 s */
    RECEIVER_EXHAUSTED,   /* 429 or RESOURCE_EXHAUSTED, likewise */
    RECEIVER_FLAKY,       /* takes every n-th request; 503 or UNAVAILABLE otherwise, nothing about when */
    RECEIVER_REJECT,      /* takes half of the spans of each request (partial success) */
    RECEIVER_TLS_STALL,   /* never answers the ClientHello; the endpoint is https:// */

    /* Answers that have no end. */
    RECEIVER_ENDLESS_HEADERS,
    RECEIVER_ENDLESS_BODY,
    RECEIVER_ENDLESS_TRAILERS,
    RECEIVER_ENDLESS_INTERIM, /* HTTP: 100 Continue; gRPC: status 103, PING and SETTINGS */

    /* Answers that are to make the client allocate, crash, or wait. */
    RECEIVER_BOMB,         /* gzip that expands to 256 MiB */
    RECEIVER_HUGE_BODY,    /* a body or message of 1 GiB is announced, and does not come */
    RECEIVER_HUGE_TRAILER, /* a trailer of 1 GiB is announced, and does not come; HTTP: one line without end
                            */
    RECEIVER_DETAILS,      /* a google.rpc.Status with lengths of 2^31 */
    RECEIVER_RETRY_LATER,  /* retryable, with the largest RetryInfo or Retry-After that can be written */
    RECEIVER_RETRY_BEFORE, /* retryable, with a negative one */
    RECEIVER_MODES
};

struct receiver_options {
    enum receiver_mode mode;
    bool process;       /* in a process of its own instead of a thread */
    bool track_ids;     /* keeps every span id (up to 4 million), for the distinct counts */
    bool only_count;    /* finds spans without checking them: for benchmarks */
    unsigned every;     /* RECEIVER_FLAKY: 0 is 3 */
    size_t limit_bytes; /* of a request after decompression, beyond which it is told that it is too large; 0:
                           64 MiB */
};

/* In spans unless said. Whole requests only. */
struct receiver_counts {
    uint64_t connections;     /* accepted */
    uint64_t requests;        /* read to the last byte */
    uint64_t json_requests;   /* of these */
    uint64_t grpc_requests;   /* of these */
    uint64_t metric_requests; /* of these: of metrics, which are taken unread */
    uint64_t bytes;           /* of request bodies as they travelled */
    uint64_t received;
    uint64_t acknowledged; /* of `received`: the answer says that they were taken */
    uint64_t rejected;     /* of `received`: the answer says that they were rejected (partial success) */
    uint64_t refused;      /* of `received`: the answer is an error, or none that a client could believe */
    uint64_t received_ids; /* distinct; with track_ids */
    uint64_t acknowledged_ids;
    uint64_t duplicates; /* acknowledged when they had been acknowledged before; with track_ids */
    uint64_t faults;     /* breaches of protocol by the client */
    char fault[160];     /* the first of them */
};

struct receiver;

/* NULL: no socket, thread, process or memory. A process ends with whoever started it. */
struct receiver *receiver_start(const struct receiver_options *options);
uint16_t receiver_port(const struct receiver *receiver);
/* The endpoint for clew_otlp_options, with the path unless gRPC is meant. */
void receiver_endpoint(const struct receiver *receiver, bool grpc, char *out, size_t capacity);
/* From now on, also on connections that are there. Any thread. */
void receiver_set_mode(struct receiver *receiver, enum receiver_mode mode);
/* Whether the span with these bytes of an id has been acknowledged. Of a receiver in a thread, with
 * track_ids, while nothing is sent to it. */
bool receiver_has(const struct receiver *receiver, uint64_t id);
/* Any thread. An answer is counted right before the last of it is handed to the system: what a client knows,
 * is counted. */
struct receiver_counts receiver_counts(const struct receiver *receiver);
/* Takes in what has arrived, ends, closes everything, frees. Returns the last counts. */
struct receiver_counts receiver_stop(struct receiver *receiver);

/* As in "accepts, never reads". */
const char *receiver_mode_name(enum receiver_mode mode);

#endif
