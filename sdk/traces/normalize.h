/* What the parts of normalising share: normalize.c repairs what came, normalize_order.c has the total orders
 * by which it chooses, normalize_trace.c makes the trace of what is repaired. One thread a call. */
#ifndef CLEW_TRACES_NORMALIZE_H
#define CLEW_TRACES_NORMALIZE_H

#include "sdk/containers/sort.h"
#include "sdk/traces/model.h"

/* A record on its way to a node. */
struct clew__draft {
    uint64_t start, end;
    uint32_t parent;    /* record, or CLEW_NO_SPAN */
    uint32_t next_same; /* record of the same id, or CLEW_NO_SPAN */
    uint32_t server;    /* of a client: the server that shared its id, or CLEW_NO_SPAN */
    uint32_t suffix;
    uint32_t node;       /* at first: who walked here last, as number of the record plus one */
    uint16_t repairs;    /* bits */
    bool is_out : 1;     /* a duplicate */
    bool is_many : 1;    /* first of several with its id */
    bool is_settled : 1; /* where it starts is */
};

/* Who keeps an id. The upper half of the id's hash beside the record saves looking at most wrong ones. */
struct clew__id_slot {
    uint32_t record; /* plus one; 0: free */
    uint32_t tag;
};

struct clew__normalizing {
    const struct clew__texts *texts;
    const struct clew__records *source;
    const struct clew__record *records;
    struct clew__draft *drafts;
    struct clew__id_slot *slots; /* by id */
    uint32_t slot_mask;
    uint32_t *stack;
    struct clew__sort_key *keys, *spare;
    struct clew__sort_key *orphans; /* first: the id that they name */
    uint32_t count, live, orphan_count, phantom_count;
    struct clew__hash_key hash_key;
    uint64_t repairs[CLEW_REPAIR_COUNT];
    uint64_t last; /* the latest time in the trace */
    bool has_many, has_no_start, has_open;
};

#define CLEW__ORDER(a, b) (((a) > (b)) - ((a) < (b)))

static inline bool clew__record_is_open(const struct clew__record *record) {
    return record->flags & CLEW__RECORD_OPEN;
}

/* ---- normalize_order.c; `user` is the work, and what is compared are indices of records ---- */

/* By id, then by what tells those of one id apart. */
int clew__compare_drafts(const void *user, uint32_t a, uint32_t b);
/* Behind start and duration; 0 only for records that are the same in everything. */
int clew__compare_records(const void *user, uint32_t a, uint32_t b);
/* What a span that has not ended yet shares with itself when it has. Behind the start. */
int clew__compare_origin(const struct clew__normalizing *work, const struct clew__record *a,
                         const struct clew__record *b);
/* Duplicates side by side; of those that differ in having ended, the ended one first. */
int clew__compare_states(const void *user, uint32_t a, uint32_t b);

/* ---- normalize_trace.c ---- */

/* The trace of what is repaired; NULL when memory runs out. */
struct clew_trace *clew__normalized_trace(struct clew__normalizing *work);

#endif
