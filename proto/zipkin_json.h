/* Zipkin's JSON, version 2. Pure; any thread. */
#ifndef CLEW_PROTO_ZIPKIN_JSON_H
#define CLEW_PROTO_ZIPKIN_JSON_H

#include "proto/json.h"

/* Reads one span at the front of `text` (white space before it is taken too) and appends it to `writer` as a
 * ResourceSpans of its own: what several calls append is a TracesData, too, and passes
 * clew__wire_check_traces. What `scratch` holds is overwritten. Returns how many bytes it took; or 0 and the
 * fault, with nothing appended.
 *
 * - Ids: as in clew__json_take_id. The two halves of a shared span have the same id; the server's is marked
 * by the attribute `zipkin.shared`.
 * - Times are microseconds. A span without a timestamp starts at 0; one that has no duration is open: its end
 *   is 0.
 * - `localEndpoint` becomes the resource's `service.name` and `host.ip`, `remoteEndpoint` the attributes
 *   `peer.service`, `network.peer.address` and `network.peer.port`.
 * - Annotations become events, tags attributes. The tag `error` makes the status, unless it says "false"; the
 *   tags of OpenTelemetry's exporters mean what they mean in Jaeger's JSON. */
size_t clew__zipkin_json_read(struct clew__writer *writer, struct clew__writer *scratch, const char *text,
                              size_t size, struct clew__json_fault *fault);

#endif
