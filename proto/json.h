/* OTLP/JSON: the OTLP messages in the JSON dialect of the specification (OTLP/HTTP, JSON Protobuf Encoding). Iterative,
 * bounded. */
#ifndef CLEW_PROTO_JSON_H
#define CLEW_PROTO_JSON_H

#include "proto/wire.h"

/* Writes the bytes of a TracesData as one JSON object without line ends. Malformed parts are left out.
 * `writer->failed` tells that room ran out. */
void clew__json_write_traces(struct clew__writer *writer, const void *traces, size_t size);

/* One AnyValue as JSON inside text: what the specification asks of outputs other than OTLP (strings quoted, bytes as
 * base64, NaN quoted, an empty value as null). */
void clew__json_write_plain(struct clew__writer *writer, const void *any, size_t size);

struct clew__json_fault {
    size_t offset;
    const char *reason; /* static text */
};

/* Reads one JSON object of TracesData at the front of `text` and appends it to `writer` as wire bytes. Unknown members are passed
 * over, numbers may be strings and the reverse, hex ids may be of either case. Limits: 128 levels. Returns how many
 * bytes it took, or 0 and the fault: malformed text, a wrong type, an id of a wrong length, `writer->failed`. */
size_t clew__json_read_traces(struct clew__writer *writer, const char *text, size_t size,
                              struct clew__json_fault *fault);

#endif
