/* What is inside a trace buffer; buffer.c takes spans in, completion.c decides when a trace is complete,
 * room.c makes room. One thread at a time; clew_trace_buffer_lock() is for the processor. */
#ifndef CLEW_TRACES_BUFFER_INSIDE_H
#define CLEW_TRACES_BUFFER_INSIDE_H

#include "sdk/traces/arrivals.h"
#include "sdk/traces/decided.h"
#include "sdk/traces/held.h"
#include "sdk/traces/skew.h"

#include <stdatomic.h>

struct clew_trace_buffer {
    clew_trace_buffer_options options; /* without zeros */
    struct clew__texts *texts;
    struct clew__held_set held;
    struct clew__decided decided;
    struct clew__arrivals arrivals;
    struct clew__offsets *offsets; /* of the clocks of hosts */
    clew_trace_buffer_stats stats; /* but what is counted elsewhere */
    uint64_t now;                  /* the latest time seen */
    size_t charged;                /* of the traces held */
    size_t pending;                /* records have grown by so much since they were charged */
    struct clew__held *filling;    /* a span is on its way into it; it stays */
    size_t filling_bytes;          /* that the span may take beside the growth of the records */
    size_t swept_bytes;            /* of texts after they were last swept */
    uint64_t left_since_sweep;     /* spans */
    _Atomic uint64_t owner;        /* processor.c: who holds the lock; 0: nobody */
    uint32_t depth;                /* how often more the owner took it */
    _Atomic uint64_t refused;      /* spans that ended while their own thread held it */
    bool is_lost;                  /* nothing is in it, and there was no memory to begin anew */
};

/* Of the memory, for what is learned of hosts' clocks; it is kept free for that. */
#define CLEW__OFFSETS_SHARE 16u

/* ---- buffer.c ---- */

/* Forgets all it holds without looking: a thread that is no more was in the middle of a change. */
void clew__buffer_give_up(struct clew_trace_buffer *buffer);

/* ---- completion.c ---- */

/* When to look again is settled anew, after spans came or somebody said that one will. */
void clew__buffer_reschedule(struct clew_trace_buffer *buffer, struct clew__held *held);
/* As many spans came as were expected. */
bool clew__buffer_all_ended(const struct clew__held *held);
/* Completes it, or says that late spans came. False when memory runs out: it is as it was, and will be looked
 * at again after a while. */
bool clew__buffer_complete(struct clew_trace_buffer *buffer, struct clew__held *held, clew_completion reason);
/* Its normalised trace, clocks corrected by what is known so far; NULL when memory runs out. */
const struct clew_trace *clew__buffer_trace_of(struct clew_trace_buffer *buffer, struct clew__held *held);

/* Tells the book of clocks what it does not know of the trace yet. Without memory it tells less. */
void clew__buffer_learn_clocks(struct clew_trace_buffer *buffer, struct clew__held *held);

/* ---- room.c ---- */

size_t clew__buffer_bytes(const struct clew_trace_buffer *buffer);
/* Lets traces go until `need` more bytes fit. False when they cannot. `filling` stays. */
bool clew__buffer_make_room(struct clew_trace_buffer *buffer, size_t need);
/* Counts what the trace takes by now. */
void clew__buffer_charge(struct clew_trace_buffer *buffer, struct clew__held *held);
/* What one more span adds to a trace's charge, beside its records. */
size_t clew__buffer_span_bytes(void);
/* Takes it out and releases it; its spans have been counted. */
void clew__buffer_remove(struct clew_trace_buffer *buffer, struct clew__held *held);

#endif
