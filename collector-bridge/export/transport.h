/* One request at a time to one receiver, without ever waiting: whoever drives it polls its descriptors. The
 * kinds differ in how they speak (http.c on libcurl, grpc.c on nghttp2) and agree in this. One thread at a
 * time. */
#ifndef CLEW_EXPORT_TRANSPORT_H
#define CLEW_EXPORT_TRANSPORT_H

#include "collector-bridge/export/body.h"
#include "collector-bridge/export/settings.h"

#include <clew/pipeline.h>

/* The specification's limit on answers (OTLP, Response size), before and after decompression, and ours on
 * their headers and trailers. */
#define CLEW__ANSWER_MAX (4u << 20)
#define CLEW__ANSWER_HEADERS_MAX (64u << 10)

enum clew__transport_end {
    CLEW__TRANSPORT_ANSWERED,  /* the receiver has said how it went */
    CLEW__TRANSPORT_BROKEN,    /* no connection, or it was lost before an answer */
    CLEW__TRANSPORT_LATE,      /* the deadline passed before an answer */
    CLEW__TRANSPORT_HOPELESS,  /* it would fail again: certificates, an address that cannot be, memory */
    CLEW__TRANSPORT_GARBAGE,   /* what came back is not the protocol */
    CLEW__TRANSPORT_TOO_LARGE, /* the answer is beyond the limits above */
};

/* How an attempt ended. Texts and bodies are valid until clew__transport_free_answer(), or the next begin. */
struct clew__transport_result {
    enum clew__transport_end end;
    bool sent; /* the receiver may have the whole request: the system took it all, and nothing has said that
                  it was not looked at */
    bool retryable; /* another attempt makes sense, by the specification's table where there was an answer */
    bool memory;    /* HOPELESS for want of memory */

    /* Of ANSWERED, and of TOO_LARGE when it got so far. */
    bool accepted;              /* 2xx, or status 0 */
    bool request_too_large;     /* 413, or what gRPC servers say for it */
    int32_t status;             /* HTTP status, or status code of gRPC; -1: none was seen */
    struct clew__slice message; /* of a refusal, in the receiver's words; not yet fit for a log */
    bool answer_cut;            /* accepted, but the answer is not all there */
    void *answer;               /* of accepted: the ExportTraceServiceResponse; its bytes may be used up */
    size_t answer_size;
    bool answer_json; /* it is JSON; else protobuf */

    bool told; /* `told_nano` was asked for: Retry-After, RetryInfo */
    uint64_t told_nano;
    char reason[160]; /* of any end but ANSWERED; terminated, no secrets */
};

struct clew__transport;

struct clew__transport_kind {
    /* Begins to send; the body stays the caller's and valid until the end. Returns 0 or CLEW_ENOMEM. */
    int (*begin)(struct clew__transport *transport, const struct clew__body *body, uint64_t now,
                 uint64_t deadline);
    /* As `wait` and `step` of clew_exporter. `step` true: the attempt has ended, and `result` is filled. */
    size_t (*wait)(const struct clew__transport *transport, clew_poll *descriptors, size_t capacity,
                   uint64_t *wake_nano);
    bool (*step)(struct clew__transport *transport, const clew_poll *descriptors, size_t count, uint64_t now,
                 struct clew__transport_result *result);
    /* Ends a running attempt at once, as LATE, or ANSWERED when the answer is known; never blocks. */
    void (*stop)(struct clew__transport *transport, struct clew__transport_result *result);
    void (*free_answer)(struct clew__transport *transport);
    /* For the child of a fork: leaves the libraries' state behind, closes the descriptors that are ours,
     * writes on none, allocates nothing. The next begin starts anew. */
    void (*forget)(struct clew__transport *transport);
    void (*destroy)(struct clew__transport *transport);
};

/* What every kind begins with. */
struct clew__transport {
    const struct clew__transport_kind *kind;
    const struct clew__otlp_settings *settings; /* outlive the transport */
};

/* Each makes no connection yet. NULL: no memory, or the library behind it cannot be used (which is logged).
 */
struct clew__transport *clew__http_new(const struct clew__otlp_settings *settings);
struct clew__transport *clew__grpc_new(const struct clew__otlp_settings *settings);

#endif
