/* The inside of a baseline: rows of what is told apart, shapes of requests, and the sums of both. One thread
 * at a time. */
#ifndef CLEW_ANALYSIS_BASELINE_INTERNAL_H
#define CLEW_ANALYSIS_BASELINE_INTERNAL_H

#include "sdk/containers/names.h"
#include "sdk/containers/saturate.h"
#include "sdk/containers/table.h"
#include "sdk/measure/sketch.h"
#include "sdk/path/relation.h"

#include <clew/analysis/baseline.h>

#define CLEW__NO_ROW CLEW__TABLE_NONE

/* Bounds of all requests together: products of a sum of time and two counts stay below 2^126. */
#define CLEW__BASELINE_REQUESTS_MAX (UINT64_C(1) << 31)
#define CLEW__BASELINE_NANO_MAX (UINT64_C(1) << 62)

/* What the root of a request is; `c` of a root's key. */
enum clew__root_type {
    CLEW__ROOT_SPAN = 0,
    CLEW__ROOT_MISSING, /* a phantom */
    CLEW__ROOT_TRACE,   /* the whole trace */
    CLEW__ROOT_OTHER,   /* beyond the limit */
    CLEW__ROOT_TYPES
};

/* Which row: a root has `root` 0; service and operation are `a` and `b`; of an edge the caller's service is
 * `c`, of a context `c` is the row above it or CLEW__NO_ROW. */
struct clew__row_key {
    uint32_t root; /* row */
    uint32_t kind; /* clew_comparison_kind */
    uint32_t a, b, c;
};

struct clew__row {
    struct clew__row_key key;
    uint32_t depth;                  /* of a context */
    uint64_t calls, errors, squares; /* of each request's calls the square, summed; of a root its requests */
    uint64_t nano;                   /* sum of all values; exact for roots */
    struct clew__sketch values;      /* of durations; of a request's time those above 0 */
};

struct clew__shape {
    uint32_t root;
    uint32_t hash_high, hash_low; /* of the set of contexts; the key ends here */
    uint32_t requests;
    uint64_t nano;
};

/* Time of one row in the requests of one shape. */
struct clew__shape_sum {
    uint32_t shape, row; /* the key */
    uint64_t nano;
};

struct clew_baseline {
    struct clew__names names;
    struct clew__table rows; /* roots before what is below them, contexts before those that they call */
    struct clew__table shapes, sums;
    uint32_t key_limit, shape_limit;
    struct clew__relations relations; /* scratch */
    uint64_t traces, requests, nano, dropped, lost, overflowed;
    uint64_t start, end;
};

static inline struct clew__row *clew__row_at(const struct clew_baseline *baseline, uint32_t row) {
    return (struct clew__row *)clew__table_at(&baseline->rows, row);
}
static inline struct clew__shape *clew__shape_at(const struct clew_baseline *baseline, uint32_t shape) {
    return (struct clew__shape *)clew__table_at(&baseline->shapes, shape);
}
static inline struct clew__shape_sum *clew__shape_sum_at(const struct clew_baseline *baseline, uint32_t sum) {
    return (struct clew__shape_sum *)clew__table_at(&baseline->sums, sum);
}

/* Names of a row, wherever they are kept. */
struct clew__row_texts {
    clew_comparison_kind kind;
    clew_text a, b, client;
    uint32_t number; /* of a root its type; of a context the row above it */
};
struct clew__row_texts clew__row_texts_of(const struct clew_baseline *baseline, uint32_t row);

/* The row of that name, made if there is none; beyond the limit the root's CLEW_COMPARISON_OTHER. False when
 * memory runs out. For a root, `root` is 0. */
bool clew__baseline_place(struct clew_baseline *baseline, uint32_t root, const struct clew__row_texts *texts,
                          uint32_t *row);
/* Likewise for the shape of a root; the hash that stands for all beyond the limit is 0. */
bool clew__baseline_place_shape(struct clew_baseline *baseline, uint32_t root, uint64_t hash,
                                uint32_t *shape);
/* Places every row of `from`: rows[i] is where its row i goes. */
bool clew__baseline_place_all(struct clew_baseline *into, const struct clew_baseline *from, uint32_t *rows);

/* Whether values of the kind are of a whole request: a request without any has 0. */
static inline bool clew__is_of_request(clew_comparison_kind kind) {
    return kind != CLEW_COMPARISON_ROOT && kind != CLEW_COMPARISON_EDGE_CLIENT &&
           kind != CLEW_COMPARISON_EDGE_SERVER;
}

/* Whether the times of the kinds together are those of the requests. */
static inline bool clew__is_part(clew_comparison_kind kind) {
    return clew__is_of_request(kind) && kind != CLEW_COMPARISON_CONTEXT;
}

/* The order in which rows are written and reported, which does not depend on that in which they came: rows
 * and where each stands; by kind, contexts by depth, then as their root, what is above them, and names stand.
 */
struct clew__row_order {
    uint32_t *rows;  /* by place */
    uint32_t *ranks; /* by row */
};
/* In memory of one block at `rows`, which the caller releases. False when memory runs out. */
bool clew__baseline_order(const struct clew_baseline *baseline, struct clew__row_order *out);

#endif
