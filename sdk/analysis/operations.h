/* What the table of operations is made of. One thread at a time.
 *
 * Counts are in units of 1 / CLEW__WEIGHT_ONE, so that they are exact in any order. */
#ifndef CLEW_ANALYSIS_OPERATIONS_INTERNAL_H
#define CLEW_ANALYSIS_OPERATIONS_INTERNAL_H

#include "sdk/containers/keys.h"
#include "sdk/containers/names.h"
#include "sdk/containers/saturate.h"
#include "sdk/measure/sketch.h"
#include "sdk/traces/places.h"

#include <clew/analysis/operations.h>

/* Of so many random spans the one that is nearest to the median is the typical one. */
#define CLEW__SERIES_SAMPLES 5u

/* A span to look at. */
struct clew__pick {
    uint64_t rank; /* samples: a hash of its ids; the least stay */
    uint64_t start, nano;
    uint8_t trace_id[16];
    uint64_t span_id;
    char *texts; /* both ids as they print, one terminated text after the other, when they are no numbers */
    bool is_there;
};

struct clew__error_type {
    clew__text type;
    uint64_t errors; /* weighted */
};

/* An operation, or a service. */
struct clew__series {
    clew__text service, operation;
    uint32_t kind;
    uint32_t operations; /* of a service: how many are told apart */
    uint64_t spans;
    uint64_t calls, errors, entry_calls, entry_errors; /* weighted */
    uint64_t http_classes[CLEW_HTTP_CLASSES];
    clew__wide_number self, critical;
    uint64_t path_traces;
    uint64_t stamp; /* the trace that was last counted in path_traces */
    struct clew__sketch duration;
    struct clew__error_type *error_types;
    uint32_t error_type_count, error_type_capacity;
    struct clew__pick slow, error;
    struct clew__pick samples[CLEW__SERIES_SAMPLES]; /* by rank */
};

struct clew__series_table {
    struct clew__keys keys;
    struct clew__series *rows; /* by number of key */
    uint32_t capacity;
};

struct clew_operations {
    uint32_t service_limit, operation_limit, series_limit, error_type_limit;
    struct clew__names services, operations, error_types;
    clew__text other_service, other_operation, other_error_type; /* names that are always there */
    struct clew__series_table by_service, by_operation;
    struct clew__places places;
    uint64_t stamp;
    uint64_t traces, path_traces, overflowed, lost;
    uint64_t start, end; /* start > end: nothing was seen */
    /* The last reading. */
    struct clew__operations_reading *reading;
};

/* ---- series.c: one row ---- */

/* A span as a row counts it. */
struct clew__series_span {
    const struct clew_trace *trace;
    const struct clew__record *record;
    uint32_t node;
    uint64_t start, end;
    clew__text error_type; /* in the table's names */
    bool is_entry;
};

/* Both false when memory ran out in the midst. `error_type_limit` of a row, beyond which they are `other`. */
bool clew__series_count(struct clew__series *row, const struct clew__series_span *span,
                        uint32_t error_type_limit, clew__text other);
/* `error_types`: what those of `from` are called in `into`. */
bool clew__series_merge(struct clew__series *into, const struct clew__series *from,
                        const clew__text *error_types, uint32_t error_type_limit, clew__text other);
void clew__series_fini(struct clew__series *row);

/* ---- operations_read.c ---- */

/* Forgets the last reading. */
void clew__operations_changed(struct clew_operations *operations);

#endif
