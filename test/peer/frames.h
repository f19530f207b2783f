/* Answers over HTTP/2 that nghttp2 would not write: raw frames for a stream, into the `out` and `flood` of
 * its connection. Of the receiver's one thread. False: no memory. */
#ifndef CLEW_TEST_PEER_FRAMES_H
#define CLEW_TEST_PEER_FRAMES_H

#include "test/peer/internal.h"

/* Of gRPC's messages: the flag and the length. */
#define PREFIX_SIZE 5

/* A frame of headers without END_HEADERS, and CONTINUATION for ever. */
bool frames_endless_headers(struct connection *connection, int32_t stream, bool trailers);
/* Interim answers, pings and settings for ever. */
bool frames_endless_interim(struct connection *connection, int32_t stream);
/* Trailers with a field whose value is said to be of 1 GiB. */
bool frames_huge_trailer(struct connection *connection, int32_t stream);
/* A message that is said to be of 1 GiB. */
bool frames_huge_message(struct connection *connection, int32_t stream);
/* A message that is compressed (append_bomb): headers that say so, and frames within the client's window and
 * frame size. */
bool frames_bomb(struct connection *connection, int32_t stream);
#endif
