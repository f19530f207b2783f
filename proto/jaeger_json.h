/* Jaeger's JSON, as its query service and its UI write it. Pure; any thread. */
#ifndef CLEW_PROTO_JAEGER_JSON_H
#define CLEW_PROTO_JAEGER_JSON_H

#include "proto/json.h"

/* Reads one trace {traceID, spans, processes}, or one span that stands alone with its `process` in it, at the
 * front of `text` (white space before it is taken too), and appends it to `writer` as a TracesData that
 * clew__wire_check_traces passes: a ResourceSpans for each process that has spans. What `scratch` holds is
 * overwritten; it grows to about the size of the result. Returns how many bytes it took; or 0 and the fault,
 * with nothing appended.
 *
 * - Ids: as in clew__json_take_id. A span without a trace id has that of its trace, if that comes first.
 * - Times are microseconds: integers, also with decimals, and both as strings. A negative duration ends the
 *   span before its start; see clew__json_end_time().
 * - The parent is the first CHILD_OF reference into the same trace, else the first FOLLOWS_FROM into it, else
 *   `parentSpanID`. Every other reference, and each FOLLOWS_FROM, is a link with `opentracing.ref_type`.
 * - A process becomes the resource: `service.name`, and its tags, `hostname` as `host.name` and `ip` as
 * `host.ip`. A span names it by `processID`, or has it in it as `process`.
 * - Tags become attributes by their type, or by the value's own where that says otherwise. `span.kind`,
 *   `error`, `otel.status_code`, `otel.status_description` and `w3c.tracestate` become what they mean.
 * Warnings are the attribute `@jaeger@warnings`, as in Jaeger.
 * - Logs become events, named by their field `event`, or "log".
 *
 * With a listener, which may be NULL, only want of room is a fault that is returned; see json.h. */
size_t clew__jaeger_json_read(struct clew__writer *writer, struct clew__writer *scratch, const char *text,
                              size_t size, struct clew__json_fault *fault,
                              const struct clew__json_listener *listener);

#endif
