/* Exporters that know only `export_batch` as state machines: local ones run on the worker, blocking ones on a
 * thread of their own, which may be abandoned when it never comes back. */
#ifndef CLEW_PIPELINE_OFFLOAD_H
#define CLEW_PIPELINE_OFFLOAD_H

#include <clew/pipeline.h>

/* Fills `out` with `start`, `wait`, `step` and `cancel`; `out` becomes the owner of the exporter when it
 * returns 0. A state machine is copied as it is. CLEW_EINVAL for one without a way to export, CLEW_ENOMEM. */
int clew__offload_wrap(const clew_exporter *exporter, clew_exporter *out);

#endif
