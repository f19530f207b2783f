/* What the parts of the receiver share: loop (receiver.c), protocols (http1.c, http2.c with frames.c), bodies
 * (payload.c). All of it belongs to the receiver's one thread, but for the counters. */
#ifndef CLEW_TEST_PEER_INTERNAL_H
#define CLEW_TEST_PEER_INTERNAL_H

#include "test/peer/receiver.h"

#include <stdatomic.h>
#include <sys/types.h>

#define RECEIVER_CONNECTIONS_MAX 256
/* What is said again and again, when an answer has no end. */
#define FLOOD_SIZE ((size_t)16 << 10)

/* In shared memory. */
struct receiver_shared {
    _Atomic int mode;
    _Atomic uint64_t connections, requests, json_requests, grpc_requests, metric_requests, bytes;
    _Atomic uint64_t received, acknowledged, rejected, refused;
    _Atomic uint64_t received_ids, acknowledged_ids, duplicates;
    _Atomic uint64_t faults;
    char fault[160]; /* written before `faults` becomes 1 */
};

struct buffer {
    uint8_t *data;
    size_t size, capacity;
};
bool buffer_reserve(struct buffer *buffer, size_t more);
bool buffer_append(struct buffer *buffer, const void *data, size_t size);
bool buffer_text(struct buffer *buffer, const char *text);
void buffer_free(struct buffer *buffer);

enum body_format { FORMAT_UNKNOWN, FORMAT_PROTOBUF, FORMAT_JSON };
enum body_encoding { ENCODING_IDENTITY, ENCODING_GZIP, ENCODING_ZSTD, ENCODING_UNKNOWN };
enum body_verdict { BODY_FINE, BODY_MALFORMED, BODY_TOO_LARGE };

/* One request that was received whole, until its answer is on its way. */
struct request {
    enum receiver_mode mode; /* how it is met */
    enum body_format format;
    bool metrics;
    bool taken; /* the answer says so */
    size_t spans, rejected;
    uint64_t *ids; /* with track_ids */
    size_t id_count, id_capacity;
};
void request_free(struct request *request);

struct bodies;
struct bodies *bodies_new(void);
void bodies_free(struct bodies *bodies);

struct receiver {
    struct receiver_shared *shared;
    struct receiver_options options;
    int listener, stop_read, stop_write;
    uint16_t port;
    pid_t process; /* 0: a thread */
    unsigned long thread;
    struct connection *open[RECEIVER_CONNECTIONS_MAX];
    size_t open_count;
    struct bodies *bodies;
    unsigned flaky_requests;
};

/* Notes a breach of the protocol. */
__attribute__((format(printf, 2, 3))) void receiver_fault(struct receiver *receiver, const char *format, ...);

/* Expands and reads a body: fills spans and ids, and counts them as received. */
enum body_verdict request_read(struct receiver *receiver, struct request *request, const void *data,
                               size_t size, enum body_encoding encoding);
/* Chooses the mode by which the request is answered, and what is rejected of it. */
void request_decide(struct receiver *receiver, struct request *request);
/* Its answer is handed to the system. */
void request_answered(struct receiver *receiver, const struct request *request);

enum protocol { PROTOCOL_UNKNOWN, PROTOCOL_HTTP1, PROTOCOL_HTTP2 };

struct connection {
    struct receiver *receiver;
    int fd;
    enum protocol protocol;
    struct buffer in;  /* HTTP/1: the request so far; before that: the first bytes */
    struct buffer out; /* what is still to be said, from `sent` on */
    size_t sent;
    struct buffer flood; /* said again and again once `out` is empty */
    size_t flood_sent;
    bool drips; /* a byte a second */
    uint64_t next_nano;
    bool close_after; /* once `out` is empty */
    bool reset;       /* at once */
    bool mute;        /* nothing is read or said any more */
    size_t scanned;   /* HTTP/1: where the search for the end of the head goes on */
    size_t head_size; /* HTTP/1: 0 until it is there whole */
    size_t body_size;
    enum body_encoding encoding; /* HTTP/1 */
    struct request request;      /* HTTP/1: the one that is answered */
    bool answering, counted;     /* HTTP/1: an answer is in `out`; it is counted */
    struct http2 *http2;
};

/* Each takes what has come (http1: `in`), and says what it has to say into `out`. False: the connection ends.
 */
bool http1_feed(struct connection *connection);
bool http2_open(struct connection *connection);
bool http2_feed(struct connection *connection, const uint8_t *data, size_t size);
bool http2_pump(struct connection *connection);
bool http2_has_to_say(const struct connection *connection);
/* The last of `out` is about to be sent: what it answers counts as answered. */
void http1_count_answer(struct connection *connection);
void http2_count_answers(struct connection *connection);
/* HTTP/1: the answer has been sent; goes on with what has come meanwhile. */
bool http1_next(struct connection *connection);
void http2_close(struct connection *connection);

/* gzip of 256 MiB of zeros, without a right end. */
bool append_bomb(struct buffer *out);
/* A google.rpc.Status with a RetryInfo of the given seconds; one with lengths that are lies. */
size_t write_retry_status(uint8_t *out, int code, int64_t seconds, int32_t nanos);
size_t write_lying_status(uint8_t *out, int code);
#define STATUS_ROOM 160

#endif
