/* The OTLP exporter (specification: OpenTelemetry Protocol Exporter): OTLP/HTTP with protobuf bodies, on
 * libcurl. */
#ifndef CLEW_OTLP_H
#define CLEW_OTLP_H

#include <clew/init.h>

CLEW_BEGIN_DECLS

/** Fills `*out` with an OTLP exporter by these options, environment and defaults (clew_otlp_options). It
 * retries 429, 502, 503, 504 and lost connections with growing, jittered waits inside the timeout, honours
 * Retry-After, and counts what the receiver rejects. Returns 0, CLEW_EINVAL with the reason logged, or
 * CLEW_ENOMEM. */
CLEW_API int clew_otlp_exporter(const clew_otlp_options *options, clew_exporter *out);

CLEW_END_DECLS

#endif
