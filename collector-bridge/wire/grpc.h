/* gRPC's own layer over HTTP/2, as the protocol's description (PROTOCOL-HTTP2) has it: message framing,
 * status codes, time-outs, and the texts and binaries in its headers. Pure: bytes in, bytes out; allocates
 * nothing; any thread. */
#ifndef CLEW_WIRE_GRPC_H
#define CLEW_WIRE_GRPC_H

#include "sdk/base/slice.h"

#include <stdint.h>

/* ---- status codes ---- */

enum clew__grpc_code {
    CLEW__GRPC_OK = 0,
    CLEW__GRPC_CANCELLED = 1,
    CLEW__GRPC_UNKNOWN = 2,
    CLEW__GRPC_INVALID_ARGUMENT = 3,
    CLEW__GRPC_DEADLINE_EXCEEDED = 4,
    CLEW__GRPC_NOT_FOUND = 5,
    CLEW__GRPC_ALREADY_EXISTS = 6,
    CLEW__GRPC_PERMISSION_DENIED = 7,
    CLEW__GRPC_RESOURCE_EXHAUSTED = 8,
    CLEW__GRPC_FAILED_PRECONDITION = 9,
    CLEW__GRPC_ABORTED = 10,
    CLEW__GRPC_OUT_OF_RANGE = 11,
    CLEW__GRPC_UNIMPLEMENTED = 12,
    CLEW__GRPC_INTERNAL = 13,
    CLEW__GRPC_UNAVAILABLE = 14,
    CLEW__GRPC_DATA_LOSS = 15,
    CLEW__GRPC_UNAUTHENTICATED = 16,
};

/* "UNAVAILABLE"; "an unknown code" for numbers that are none. */
const char *clew__grpc_code_name(int32_t code);

/* What a call's status is when none was sent: from the HTTP status, or from the code of an RST_STREAM. */
int32_t clew__grpc_code_of_http(int32_t http_status);
int32_t clew__grpc_code_of_reset(uint32_t http2_error);

/* The value of grpc-status; UNKNOWN when it is no decimal number of 31 bits. */
int32_t clew__grpc_read_status(struct clew__slice value);

/* Whether an answer says that the request is larger than the receiver takes. There is no code for that, so
 * the words of the common servers decide. */
bool clew__grpc_says_too_large(int32_t code, struct clew__slice message);

/* ---- messages: one byte of flags, four of length, the message ---- */

#define CLEW__GRPC_PREFIX 5

void clew__grpc_write_prefix(uint8_t out[CLEW__GRPC_PREFIX], bool compressed, uint32_t size);

enum clew__grpc_fault {
    CLEW__GRPC_FRAMED = 0,
    CLEW__GRPC_BAD_FLAG,  /* a flag other than 0 and 1 */
    CLEW__GRPC_TOO_LARGE, /* a length beyond the limit */
    CLEW__GRPC_TOO_MANY,  /* a second message, where a unary call has one */
};

/* Reads the one message of a unary call out of pieces that begin and end anywhere. Zeroed but for `limit`
 * before the first piece. */
struct clew__grpc_reader {
    size_t limit; /* of the message, in bytes as they travel */
    uint8_t prefix[CLEW__GRPC_PREFIX];
    size_t prefix_size;
    bool compressed;   /* valid once the prefix is there, */
    uint32_t size;     /* as is this: what the prefix claims */
    uint32_t received; /* of it */
};

/* Takes a piece; what of it belongs to the message goes to `*message`, which points into the piece. */
enum clew__grpc_fault clew__grpc_read(struct clew__grpc_reader *reader, const void *data, size_t size,
                                      struct clew__slice *message);
/* The message is there, from the first byte to the last. */
bool clew__grpc_complete(const struct clew__grpc_reader *reader);

/* ---- grpc-timeout: at most eight digits and a unit ---- */

#define CLEW__GRPC_TIMEOUT_SIZE 10 /* terminator included */

/* In the finest unit that has room, rounded up: the receiver's clock does not run out before ours. */
void clew__grpc_write_timeout(uint64_t nano, char out[CLEW__GRPC_TIMEOUT_SIZE]);
/* False: malformed, and `*nano` untouched. */
bool clew__grpc_read_timeout(struct clew__slice value, uint64_t *nano);

/* ---- grpc-message: percent-encoded UTF-8; clew__percent_decode() of endpoint.h reads it ---- */

/* Writes as much as fits, never half an escape; returns the size. Not terminated. */
size_t clew__grpc_write_message(struct clew__slice text, char *out, size_t capacity);

/* ---- binary headers, and the one detail of a status that matters here ---- */

/* Base64, padded or not, up to the first comma (headers of one name can be joined by commas). `out` may be
 * where the text is. False: malformed, or more than `capacity` bytes. */
bool clew__grpc_read_base64(struct clew__slice text, uint8_t *out, size_t capacity, size_t *size);

/* Looks for a RetryInfo in a google.rpc.Status, the content of grpc-status-details-bin. False: there is none,
 * or the bytes are malformed before it. `*delay_nano`: the wait that it asks for, at most
 * CLEW__RETRY_AFTER_MAX_NANO; 0: none (also for a negative one). */
bool clew__grpc_read_retry_info(const void *status, size_t size, uint64_t *delay_nano);

#endif
