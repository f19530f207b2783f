/* What a receiver says in its answers, made fit for a line of a log: bounded, one line, without our own
 * secrets. Pure; any thread. */
#ifndef CLEW_WIRE_ANSWER_H
#define CLEW_WIRE_ANSWER_H

#include "sdk/base/slice.h"

/* `message` of a google.rpc.Status, the body of an OTLP/HTTP error; empty when the bytes are none. */
struct clew__slice clew__answer_status_message(const void *body, size_t size);

/* Writes text from a stranger, terminated and cut to `capacity` at a whole character. Control characters,
 * line ends and malformed UTF-8 become spaces. Wherever one of the secrets occurs (whole, or one of its
 * words, of four bytes and more each), there is "***" instead: receivers do repeat credentials in their
 * complaints. Returns the size. */
size_t clew__answer_show(struct clew__slice text, const struct clew__slice *secrets, size_t secret_count,
                         char *out, size_t capacity);

#endif
