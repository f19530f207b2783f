/* The answers of OTLP/HTTP in JSON: bounded, without recursion, without memory. Texts are unescaped in place,
 * so the bytes of the answer are used up. Pure; any thread. */
#ifndef CLEW_WIRE_ANSWER_JSON_H
#define CLEW_WIRE_ANSWER_JSON_H

#include "sdk/base/slice.h"

#include <stdint.h>

/* An ExportTraceServiceResponse, or that of metrics: rejected spans or points and message of its partial
 * success, zero and empty without one. NULL, or what is malformed: static text. */
const char *clew__answer_json_response(void *data, size_t size, int64_t *rejected,
                                       struct clew__slice *message);

/* `message` of a google.rpc.Status, the body of an error; empty when the bytes are none. */
struct clew__slice clew__answer_json_status_message(void *data, size_t size);

#endif
