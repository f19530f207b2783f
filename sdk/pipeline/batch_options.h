/* The parameters of batching: the specification's defaults, and what is done with values out of range. Pure
 * but for the log; any thread. */
#ifndef CLEW_PIPELINE_BATCH_OPTIONS_H
#define CLEW_PIPELINE_BATCH_OPTIONS_H

#include <clew/pipeline.h>

#define CLEW__MAX_QUEUE_SIZE 2048u
#define CLEW__MAX_EXPORT_BATCH_SIZE 512u
#define CLEW__SCHEDULE_DELAY_MS 5000u
#define CLEW__EXPORT_TIMEOUT_MS 30000u

/* A batch is at most as large as the queue. `name` of the option or variable goes into the log; NULL keeps
 * silent. */
void clew__batch_options_clamp(clew_batch_options *batch, const char *name);

/* Brings options that were given in code into their ranges; what was wrong is logged and replaced by the
 * default. */
void clew__batch_options_correct(clew_batch_options *batch);

#endif
