/* OTLP/JSON: the OTLP messages in the JSON dialect of the specification (OTLP/HTTP, JSON Protobuf Encoding).
 * Iterative, bounded. */
#ifndef CLEW_PROTO_JSON_H
#define CLEW_PROTO_JSON_H

#include "proto/wire.h"

/* Writes the bytes of a TracesData as one JSON object without line ends. Malformed parts are left out,
 * invalid UTF-8 becomes U+FFFD, values nested deeper than 64 levels become empty ones. Of a member that
 * occurs twice the last counts. `writer->failed` tells that room ran out. */
void clew__json_write_traces(struct clew__writer *writer, const void *traces, size_t size);

/* Likewise a MetricsData, as far as the table of messages knows it. */
void clew__json_write_metrics(struct clew__writer *writer, const void *metrics, size_t size);

/* One AnyValue as JSON inside text: what the specification asks of outputs other than OTLP (strings quoted,
 * bytes as base64, NaN quoted, an empty value as null). */
void clew__json_write_plain(struct clew__writer *writer, const void *any, size_t size);

/* A string, quoted and escaped, and a number, as they stand in the messages above. */
void clew__json_put_string(struct clew__writer *writer, const void *text, size_t size);
void clew__json_put_double(struct clew__writer *writer, double value);

struct clew__json_fault {
    size_t offset;
    const char *reason; /* static text */
};

/* Who is told of each fault of what comes from a file. The rest is read then: a span with a fault is left
 * out, and one elsewhere is like the end of the text. */
struct clew__json_listener {
    void (*hear)(void *user, const struct clew__json_fault *fault);
    void *user;
};

/* Reads one JSON object of TracesData at the front of `text` (white space before it is taken too) and appends
 * it to `writer` as wire bytes that clew__wire_check_traces passes. Unknown members are passed over, null
 * stands for an absent member, 64-bit integers may be numbers and 32-bit ones strings, enums may be names,
 * hex ids may be of either case, invalid UTF-8 becomes U+FFFD. Limits: 64 levels of nested values, 4096
 * levels in what is passed over. Returns how many bytes it took; or 0 and the fault, with nothing appended:
 * malformed text, a wrong type, a number out of range, an id of a wrong length, `writer->failed`. */
size_t clew__json_read_traces(struct clew__writer *writer, const char *text, size_t size,
                              struct clew__json_fault *fault);
/* The same for one element of the list `resourceSpans` of a file, which becomes a TracesData of its own. What
 * tools write as ids is taken: hexadecimal ones that are too short keep their value, of other texts the id is
 * a hash, and the span has the text as attribute; see clew__json_take_id(). A span without ids is a fault.
 * With a listener, which may be NULL, only `writer->failed` is the fault that is returned. */
size_t clew__json_read_resource_spans(struct clew__writer *writer, const char *text, size_t size,
                                      struct clew__json_fault *fault,
                                      const struct clew__json_listener *listener);

#endif
