/* An example of what a number stands for: a span that somebody can look at. */
#ifndef CLEW_ANALYSIS_EXEMPLAR_H
#define CLEW_ANALYSIS_EXEMPLAR_H

#include <clew/common.h>

CLEW_BEGIN_DECLS

/** How many are kept of a thing. */
#define CLEW_EXEMPLAR_MAX 3

/** One span of one trace. Of one trace at most one is kept, its slowest; of traces those with the slowest:
 * the same ones in whatever order traces came and results were merged. */
typedef struct clew_exemplar {
    clew_text trace_id, span_id; /**< as they print */
    uint64_t start_unix_nano;
    uint64_t duration;
} clew_exemplar;

CLEW_END_DECLS

#endif
