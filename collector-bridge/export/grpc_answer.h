/* The answer to a unary gRPC call, as it comes in: its header and trailer, its one message, and what they
 * mean. One thread at a time. */
#ifndef CLEW_EXPORT_GRPC_ANSWER_H
#define CLEW_EXPORT_GRPC_ANSWER_H

#include "collector-bridge/export/compress.h"
#include "collector-bridge/export/transport.h"
#include "collector-bridge/wire/grpc.h"
#include "proto/wire.h"

#define CLEW__GRPC_MESSAGE_MAX 1024u /* of grpc-message; what is shown is much shorter */
#define CLEW__GRPC_DETAILS_MAX 4096u /* of grpc-status-details-bin, decoded */

/* Zeroed: a new one. */
struct clew__grpc_answer {
    size_t header_size; /* of all headers and trailers, as HTTP/2 counts them */
    size_t data_size;   /* of the whole body */
    bool header_ended;  /* the final header is there */
    bool too_large;     /* beyond the limits */

    /* Of the headers and trailers. */
    int32_t http_status;
    bool is_grpc; /* by its content-type */
    bool known_encoding;
    enum clew__encoding encoding;
    bool has_code;
    int32_t code;
    char message[CLEW__GRPC_MESSAGE_MAX]; /* decoded */
    size_t message_size;
    bool has_retry_info;
    uint64_t retry_delay_nano;
    uint8_t details[CLEW__GRPC_DETAILS_MAX];

    /* Of the message. */
    struct clew__grpc_reader reader;
    bool malformed;           /* its framing */
    struct clew__writer kept; /* failed: not all of the message; the status still counts */
    struct clew__expanded expanded;
};

/* Each takes the next of the answer; false: it is beyond the limits. */
bool clew__grpc_answer_header(struct clew__grpc_answer *answer, struct clew__slice name,
                              struct clew__slice value);
bool clew__grpc_answer_data(struct clew__grpc_answer *answer, const void *data, size_t size);

/* It says all that it will ever say that matters: what follows is somebody else's error page. */
bool clew__grpc_answer_is_foreign(const struct clew__grpc_answer *answer);

/* What an answer that has ended means: end, and all that goes with it; `sent` is the caller's. */
void clew__grpc_answer_read(struct clew__grpc_answer *answer, const char *shown,
                            struct clew__transport_result *result);

/* Gives its memory back and zeroes it. */
void clew__grpc_answer_free(struct clew__grpc_answer *answer);

#endif
