/* The critical path once more, from its description alone and without a thought of speed: who is waited for
 * is asked anew for every moment. And Jaeger's, as its user interface finds it. */
#ifndef CLEW_TEST_ANALYSIS_PATH_MODEL_H
#define CLEW_TEST_ANALYSIS_PATH_MODEL_H

#include "test/unit/path/path_tables.h"

/* Differences of a path from the model's, in words; NULL: none. The trace is that of the table. */
const char *model_difference(const struct table *table, const clew_trace *trace,
                             const clew_path_options *options, const clew_critical_path *path);

/* What was met on Jaeger's path. */
enum {
    JAEGER_TIES = 1, /* children that end together: Jaeger takes what its input has first; here the longest,
                        then the smaller id */
    JAEGER_TOUCHES = 2, /* a child that ends when the next begins: Jaeger takes them for parallel */
};

/* Differences from Jaeger's, in words; NULL: none. At most 128 spans. */
const char *jaeger_difference(const clew_trace *trace, const clew_critical_path *path, unsigned *met);

#endif
