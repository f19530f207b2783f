/* What the parts of a comparison share. One thread at a time. */
#ifndef CLEW_ANALYSIS_COMPARE_H
#define CLEW_ANALYSIS_COMPARE_H

#include "sdk/analysis/baseline.h"
#include "sdk/containers/arena.h"

struct clew__comparing {
    clew_comparison comparison; /* what the caller gets; first */
    struct clew__arena arena;   /* what it points to */
    struct clew_baseline *all;  /* rows and shapes of either side, without numbers; keeps the names */
    const struct clew_baseline *before, *after;
    uint32_t *in_before, *in_after; /* of a row of `all` that of the side, or CLEW__NO_ROW */
    uint32_t *to_before, *to_after; /* of a row of the side that of `all` */
    struct clew__row_order order;   /* of the rows of `all` */
    uint32_t *reported;             /* of a row of `all` the index in the comparison, or CLEW__NO_ROW */
    clew_comparison_options options;
};

/* NULL where the side has no such row. */
static inline const struct clew__row *clew__row_before(const struct clew__comparing *comparing,
                                                       uint32_t row) {
    uint32_t at = comparing->in_before[row];
    return at == CLEW__NO_ROW ? NULL : clew__row_at(comparing->before, at);
}
static inline const struct clew__row *clew__row_after(const struct clew__comparing *comparing, uint32_t row) {
    uint32_t at = comparing->in_after[row];
    return at == CLEW__NO_ROW ? NULL : clew__row_at(comparing->after, at);
}
/* Requests of a root in either window. */
static inline uint64_t clew__calls_of(const struct clew__row *row) {
    return row ? row->calls : 0;
}

/* Tests every row, judges, and puts what is to be reported into the comparison. False when memory runs out.
 */
bool clew__compare_rows(struct clew__comparing *comparing);
/* Explains the shift of every root; after the rows. False when memory runs out. */
bool clew__explain(struct clew__comparing *comparing);

#endif
