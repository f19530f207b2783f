/* Reading traces: what a request waited for, which service calls which, what fails and what is slow.
 *
 *      clew_trace_buffer *buffer = clew_trace_buffer_new(NULL);
 *      clew_processor processor = clew_trace_buffer_processor(buffer);
 *      clew_provider_add_processor(clew_provider_get_global(), &processor);
 *
 * Everything here is experimental: structs that it fills may grow at their ends. No global state; whatever
 * sums up over traces merges exactly, over threads, processes and slices of time. */
#ifndef CLEW_ANALYSIS_H
#define CLEW_ANALYSIS_H

#include <clew/analysis/baseline.h>
#include <clew/analysis/bottlenecks.h>
#include <clew/analysis/buffer.h>
#include <clew/analysis/diff.h>
#include <clew/analysis/errors.h>
#include <clew/analysis/health.h>
#include <clew/analysis/map.h>
#include <clew/analysis/operations.h>
#include <clew/analysis/path.h>
#include <clew/analysis/profile.h>
#include <clew/analysis/sketch.h>
#include <clew/analysis/trace.h>

#endif
