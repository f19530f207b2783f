/* What a path consists of, operation by operation. */
#ifndef CLEW_REPORT_SHARES_H
#define CLEW_REPORT_SHARES_H

#include "collector-bridge/report/line.h"

#include <clew/analysis/path.h>

/* All segments of one operation, or of one edge. Texts belong to the trace. */
struct clew__share {
    clew_text service, operation; /* empty of what is missing, and where nothing ran */
    clew_text callee;             /* the service, of an edge gap */
    clew_segment_kind kind;
    bool is_nothing; /* nothing ran */
    bool is_unseen;  /* of an edge gap: who was called left no span, so that its work is in it, too */
    uint64_t nano;
    uint64_t segments;
};

/* What one segment is of. */
struct clew__share clew__share_of(const clew_trace *trace, const clew_path_segment *segment);
/* Whether two are of the same operation or edge. */
bool clew__share_is_same(const struct clew__share *a, const struct clew__share *b);

/* The shares of some segments, the largest first, then by name; as many as `*count`. The caller frees them
 * with clew_memory_release(). NULL when there are none, or memory runs out (then `*count` is not 0). */
struct clew__share *clew__shares_new(const clew_trace *trace, const clew_path_segment *segments,
                                     size_t segment_count, size_t *count);

/* `in payments: charge`, `between shop and payments`, `in its own work` (of the operation `own`). */
void clew__say_share_place(struct clew__sentence *sentence, const struct clew__share *share,
                           const struct clew__share *own);

#endif
