/* Clew: OpenTelemetry tracing for C. This header includes the usual ones; <clew/testing.h>, <clew/curl.h> and
 * <clew/otlp.h> stand apart. */
#ifndef CLEW_CLEW_H
#define CLEW_CLEW_H

#include <clew/attribute.h>
#include <clew/baggage.h>
#include <clew/common.h>
#include <clew/context.h>
#include <clew/diagnostics.h>
#include <clew/init.h>
#include <clew/macros.h>
#include <clew/pipeline.h>
#include <clew/propagation.h>
#include <clew/provider.h>
#include <clew/resource.h>
#include <clew/sampling.h>
#include <clew/trace.h>
#include <clew/version.h>
#include <clew/view.h>

CLEW_BEGIN_DECLS

#ifndef CLEW_NO_NETWORK
CLEW_API int clew_otlp_exporter(const clew_otlp_options *options, clew_exporter *out);
#endif

/** Starts Clew with everything from the environment; `service_name` is used unless OTEL_SERVICE_NAME is set.
 * It is clew_init_with() and the OTLP exporter of libclew-otlp, which CLEW_NO_NETWORK (defined by
 * clew-core.pc) leaves out. */
static inline int clew_init(const char *service_name) {
    clew_options options;
    memset(&options, 0, sizeof options);
    options.struct_size = sizeof options;
#ifndef CLEW_NO_NETWORK
    options.otlp = clew_otlp_exporter;
#endif
    return clew_init_with(service_name, &options);
}

CLEW_END_DECLS

#ifdef CLEW_DISABLE
#include <clew/disable.h>
#endif

#endif
