/* The traces that a buffer holds: found by id, by the time when somebody must look at them, and in order of
 * start. Decides nothing. One thread at a time. */
#ifndef CLEW_TRACES_HELD_H
#define CLEW_TRACES_HELD_H

#include "sdk/traces/model.h"

#define CLEW__NOT_IN_HEAP UINT32_MAX

/* One trace. */
struct clew__held {
    struct clew__records records; /* first: a pointer to it is one to the trace */
    uint64_t hash;
    uint64_t first_seen, last_seen;   /* on the buffer's clock */
    uint64_t earliest;                /* start of a span; 0: none has one */
    uint64_t wake;                    /* when to look at it at the latest; it may turn out to be too early */
    uint64_t expected, came;          /* spans */
    size_t charged;                   /* bytes that the buffer counts for it */
    struct clew_trace *trace;         /* normalised; NULL: not yet, or spans came since */
    struct clew__held *older, *newer; /* among the complete ones, by when they became so */
    uint32_t in_heap;
    uint32_t in_order;
    uint32_t learned;   /* so many records has the fleet's clocks' book seen */
    uint64_t corrected; /* the trace's clocks: by the offsets of this generation, plus one; 0: not yet */
    uint32_t checked;   /* with so many spans there was a parent missing or an open span */
    bool has_root;      /* one without a parent has ended */
    bool is_complete;
    bool has_late; /* spans came since it was complete */
};

struct clew__held_set {
    struct clew__held **slots;          /* twice the capacity, by hash of the id */
    struct clew__held **heap;           /* by `wake` */
    struct clew__held **order;          /* by `earliest`, then id; while is_ordered */
    struct clew__held *oldest, *newest; /* complete ones */
    uint32_t capacity, count, heap_count;
    bool is_ordered;
};

bool clew__held_set_init(struct clew__held_set *set);
/* Releases the traces too. */
void clew__held_set_fini(struct clew__held_set *set);
size_t clew__held_set_bytes(const struct clew__held_set *set);
/* What it takes to have room for one more. */
size_t clew__held_set_growth(const struct clew__held_set *set);

struct clew__held *clew__held_find(const struct clew__held_set *set, uint64_t hash,
                                   const uint8_t trace_id[16]);
/* A new one, in no heap; NULL when memory runs out. */
struct clew__held *clew__held_new(struct clew__held_set *set, uint64_t hash, const uint8_t trace_id[16]);
/* Takes it out of everything and releases it. */
void clew__held_remove(struct clew__held_set *set, struct clew__held *held);
void clew__held_forget_trace(struct clew__held *held);

/* Somebody must look at it at `wake`. */
void clew__held_schedule(struct clew__held_set *set, struct clew__held *held, uint64_t wake);
void clew__held_unschedule(struct clew__held_set *set, struct clew__held *held);
/* The one with the earliest time; NULL: nobody waits. */
struct clew__held *clew__held_first(const struct clew__held_set *set);

/* Appends it to the complete ones. */
void clew__held_complete(struct clew__held_set *set, struct clew__held *held);

/* Fills `order`. False when memory runs out. */
bool clew__held_sort(struct clew__held_set *set);
/* Fetches what will be read of a trace into the cache, as far as that is little; NULL is allowed. */
void clew__held_fetch(const struct clew__held *held);

#endif
