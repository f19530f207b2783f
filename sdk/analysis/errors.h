/* What is behind clew_errors. */
#ifndef CLEW_ANALYSIS_ERRORS_MODEL_H
#define CLEW_ANALYSIS_ERRORS_MODEL_H

#include "sdk/analysis/exemplars.h"
#include "sdk/containers/table.h"

#include <clew/analysis/errors.h>

#define CLEW__ERROR_TEXTS 4

/* What is beyond the limit has keys of CLEW__TEXT_FAILED. */

struct clew__error_row {
    clew__text service, operation, type, message;
    uint64_t seen; /* the last trace that was counted */
    uint64_t count, edges, propagated, handled, traces, roots_failed, critical_lost;
    uint64_t first, last;
    struct clew__exemplars exemplars;
};

struct clew__retry_sum {
    clew__text service, operation;
    uint64_t seen;
    uint64_t groups, succeeded, attempts, wasted_critical, waited, traces;
    struct clew__exemplars exemplars;
};

struct clew__error_sums {
    uint64_t traces, traces_with_errors, roots, roots_failed, spans;
    uint64_t failed, origins, propagated, handled, critical_lost, critical_total, dropped;
};

struct clew_errors {
    struct clew__texts *texts;
    uint32_t text_count; /* of ids */
    uint32_t limit;
    struct clew__table types, retries;
    struct clew__error_sums sums;
};

/* The row; that of all others where there is no room. CLEW__TABLE_NONE when memory runs out. */
uint32_t clew__errors_place_type(clew_errors *errors, clew_text service, clew_text operation, clew_text type,
                                 clew_text message);
uint32_t clew__errors_place_retry(clew_errors *errors, clew_text service, clew_text operation);
uint32_t clew__errors_place_other(struct clew__table *table);

#endif
