/* One HTTP POST at a time on libcurl, without ever waiting: whoever drives it polls its descriptors. One
 * thread at a time. */
#ifndef CLEW_EXPORT_HTTP_H
#define CLEW_EXPORT_HTTP_H

#include "collector-bridge/export/settings.h"

#include <clew/pipeline.h>
#include <curl/curl.h>
#include <sys/types.h>

/* The specification's limit on answers (OTLP, Response size), and ours on their headers. */
#define CLEW__ANSWER_MAX (4u << 20)
#define CLEW__ANSWER_HEADERS_MAX (64u << 10)
/* One transfer has at most two connection attempts (IPv6 and IPv4) and the resolver; one idle connection is
 * kept. */
#define CLEW__HTTP_SOCKETS 8

enum clew__http_end {
    CLEW__HTTP_ANSWERED,  /* the status is known, and all headers */
    CLEW__HTTP_BROKEN,    /* no connection, or it was lost before an answer: worth another attempt */
    CLEW__HTTP_LATE,      /* the deadline passed before an answer */
    CLEW__HTTP_HOPELESS,  /* it would fail again: certificates, memory */
    CLEW__HTTP_GARBAGE,   /* what came back is not HTTP */
    CLEW__HTTP_TOO_LARGE, /* the answer is beyond the limits above */
};

/* How an attempt ended. */
struct clew__http_result {
    enum clew__http_end end;
    long status;      /* of ANSWERED and, when it got so far, of TOO_LARGE; else 0 */
    bool sent;        /* the system has taken the whole request, at least once: the peer may have it */
    bool body_cut;    /* ANSWERED, but the body is not all there */
    bool retry_after; /* `retry_after_nano` was asked for */
    uint64_t retry_after_nano;
    const void *body; /* valid until it is freed, or the next begin */
    size_t body_size;
    char reason[160]; /* of any end but ANSWERED */
};

/* A descriptor with what identifies its file: the host program may close it behind our back and get the same
 * number for a file of its own, which must then be left alone. */
struct clew__http_socket {
    int fd;
    short events;
    dev_t device;
    ino_t inode;
};

struct clew__http {
    const struct clew__otlp_settings *settings; /* outlives the transport */
    CURLM *multi;                               /* NULL until the first request, and after forget */
    CURL *easy;
    struct curl_slist *headers;
    pid_t owner; /* the process that made them */

    struct clew__http_socket watched[CLEW__HTTP_SOCKETS]; /* what libcurl wants polled */
    size_t watched_count;
    struct clew__http_socket open[CLEW__HTTP_SOCKETS]; /* all connections, idle ones too */
    size_t open_count;
    uint64_t wake_nano; /* libcurl's timer */

    /* The attempt; valid while `running`, the body until the next one begins. */
    bool running;
    size_t request_size;
    uint64_t started_nano, deadline_nano;
    unsigned requests; /* how often libcurl has begun to send it */
    uint8_t *body;     /* charged to the budget, `body_capacity` bytes */
    size_t body_size, body_capacity;
    size_t header_size;
    bool headers_complete, body_lost, too_large;
    bool retry_after;
    uint64_t retry_after_nano;
    char error[CURL_ERROR_SIZE];
};

/* Makes no connection, allocates nothing. */
void clew__http_init(struct clew__http *transport, const struct clew__otlp_settings *settings);

/* Begins to send; the body stays the caller's and valid until the end. Returns 0 or CLEW_ENOMEM. */
int clew__http_begin(struct clew__http *transport, clew_bytes body, uint64_t now, uint64_t deadline);

/* As `wait` of clew_exporter. */
size_t clew__http_wait(const struct clew__http *transport, clew_poll *descriptors, size_t capacity,
                       uint64_t *wake_nano);

/* Goes on with what is ready. True: the attempt has ended, and `result` is filled. */
bool clew__http_step(struct clew__http *transport, const clew_poll *descriptors, size_t count, uint64_t now,
                     struct clew__http_result *result);

/* Ends a running attempt at once, as LATE, or ANSWERED when the status is known; never blocks. */
void clew__http_stop(struct clew__http *transport, struct clew__http_result *result);

/* Leaves everything of libcurl's behind, closes the descriptors that are ours, writes on none: for the child
 * of a fork. Allocates nothing. The next begin starts anew. */
void clew__http_forget(struct clew__http *transport);

/* Gives back the memory of the answer. */
void clew__http_free_body(struct clew__http *transport);

void clew__http_fini(struct clew__http *transport);

#endif
