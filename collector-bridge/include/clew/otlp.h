/* The OTLP exporter (specification: OpenTelemetry Protocol Exporter): over HTTP as protobuf or JSON, over
 * gRPC. */
#ifndef CLEW_OTLP_H
#define CLEW_OTLP_H

#include <clew/init.h>

CLEW_BEGIN_DECLS

/** Fills `*out` with an OTLP exporter by these options, environment and defaults (clew_otlp_options). It
 * retries what the specification lists (429, 502, 503, 504; the codes of gRPC) and lost connections with
 * growing, jittered waits inside the timeout, honours Retry-After and RetryInfo, sends a batch that is too
 * large in pieces, and counts what the receiver rejects. Returns 0; CLEW_EINVAL when the options are none;
 * CLEW_ENOMEM, also when the library behind the protocol cannot be used; with the reason logged. */
CLEW_API int clew_otlp_exporter(const clew_otlp_options *options, clew_exporter *out);

CLEW_END_DECLS

#endif
