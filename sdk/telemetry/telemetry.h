/* Clew's metrics about itself, sent: a task of the worker with an exporter of its own, for one provider. It
 * collects at each interval, and once more after the provider's pipelines are closed. It creates no spans,
 * and runs where none are recorded. */
#ifndef CLEW_TELEMETRY_TELEMETRY_H
#define CLEW_TELEMETRY_TELEMETRY_H

#include <clew/pipeline.h>
#include <clew/provider.h>

struct clew__telemetry_options {
    uint32_t interval_ms; /* at least 1 */
    uint32_t timeout_ms;  /* of one export; 0: no limit */
};

/* Takes the exporter over, which must be a state machine, also on errors. The worker starts at the provider's
 * first span, recorded or not. Returns 0;
 * CLEW_EINVAL, CLEW_ENOMEM, CLEW_ESHUTDOWN, or CLEW_EALREADY when the provider has one. */
int clew__telemetry_start(clew_provider *provider, const clew_exporter *exporter,
                          const struct clew__telemetry_options *options);

#endif
