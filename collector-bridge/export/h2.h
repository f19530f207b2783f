/* The client's side of one HTTP/2 connection (RFC 9113) with one request at a time, on nghttp2. Bytes go in
 * and come out; sockets are somebody else's. One thread at a time. */
#ifndef CLEW_EXPORT_H2_H
#define CLEW_EXPORT_H2_H

#include "sdk/base/slice.h"

#include <nghttp2/nghttp2.h>
#include <stdint.h>

/* What is asked of the request's owner while bytes go in. */
struct clew__h2_events {
    void *user;
    /* A member of the header or trailer, names in lower case; false: enough, the stream is reset. */
    bool (*on_header)(void *user, struct clew__slice name, struct clew__slice value);
    /* The final header is there. */
    void (*on_header_end)(void *user);
    /* Of the body; false: enough. */
    bool (*on_data)(void *user, const void *data, size_t size);
    /* The next bytes of the request's body into `out`; returns how many, and sets `*last` with the last ones.
     */
    size_t (*read_body)(void *user, uint8_t *out, size_t size, bool *last);
};

/* How the stream stands. Above AT_WORK: it has ended. */
enum clew__h2_stream {
    CLEW__H2_NONE,
    CLEW__H2_AT_WORK,
    CLEW__H2_ANSWERED,  /* to the end of its trailers */
    CLEW__H2_UNTOUCHED, /* refused: the peer has not looked at it, says the protocol */
    CLEW__H2_RESET,     /* by the peer, for `error` */
    CLEW__H2_BAD,       /* the peer broke the protocol */
    CLEW__H2_NOT_SENT,  /* its header is too large to be sent */
};

struct clew__h2;

/* NULL: no memory. Charged to the budget. */
struct clew__h2 *clew__h2_new(const struct clew__h2_events *events);
void clew__h2_free(struct clew__h2 *h2);

/* Begins with a request on a new stream; the last one has ended, or was cancelled. `header` is copied. False:
 * no memory, or the connection takes no more (see clew__h2_is_open). */
bool clew__h2_request(struct clew__h2 *h2, const nghttp2_nv *header, size_t count);
/* No more is wanted of the request: resets its stream (CANCEL) when it is not over; events no longer come. */
void clew__h2_cancel(struct clew__h2 *h2);

enum clew__h2_stream clew__h2_stream(const struct clew__h2 *h2);
uint32_t clew__h2_error(const struct clew__h2 *h2); /* of RESET, or the GOAWAY's; an HTTP/2 error code */
/* New requests can be made. */
bool clew__h2_is_open(const struct clew__h2 *h2);
/* All of the request's body, and everything before it, was taken by clew__h2_sent(). */
bool clew__h2_request_sent(const struct clew__h2 *h2);
/* The peer has said goodbye: its words, empty when there was none. */
struct clew__slice clew__h2_goodbye(const struct clew__h2 *h2);

/* Where to read into: CLEW__H2_ROOM bytes. */
#define CLEW__H2_ROOM ((size_t)16 << 10)
uint8_t *clew__h2_room(struct clew__h2 *h2);
/* Takes what came from the peer, in that room. False: see clew__h2_fault(). */
bool clew__h2_receive(struct clew__h2 *h2, size_t size);

enum clew__h2_fault {
    CLEW__H2_FINE,
    CLEW__H2_MEMORY,
    CLEW__H2_HTTP1,    /* the peer speaks HTTP/1 */
    CLEW__H2_TLS,      /* it answers with an alert of TLS */
    CLEW__H2_PROTOCOL, /* it speaks something else, or breaks the rules */
    CLEW__H2_HEADER,   /* a header of it has no end */
    CLEW__H2_FLOOD,    /* it makes more work than it is worth */
};
/* Why the connection has to be closed. */
enum clew__h2_fault clew__h2_fault(const struct clew__h2 *h2);
/* The next bytes for the peer, empty when there are none; how many of them are gone is told by
 * clew__h2_sent(). */
struct clew__slice clew__h2_next_out(struct clew__h2 *h2);
void clew__h2_sent(struct clew__h2 *h2, size_t size);

/* Leaves its memory behind, for the child of a fork. */
void clew__h2_forget(struct clew__h2 *h2);

#endif
