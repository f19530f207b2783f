/* The critical path once more, from its description alone and without a thought of speed: who is waited for
 * is asked anew for every moment. And Jaeger's, as its user interface finds it. */
#ifndef CLEW_TEST_ANALYSIS_PATH_MODEL_H
#define CLEW_TEST_ANALYSIS_PATH_MODEL_H

#include "test/unit/analysis/path_tables.h"

/* Differences of a path from the model's, in words; NULL: none. The trace is that of the table. */
const char *model_difference(const struct table *table, const clew_trace *trace,
                             const clew_path_options *options, const clew_critical_path *path);

/* Differences from Jaeger's. `*is_unclear`: an exact tie, which Jaeger decides by the order of its input. */
const char *jaeger_difference(const clew_trace *trace, const clew_critical_path *path, bool *is_unclear);

#endif
