/* Books that threads keep for themselves: one account a thread and stream, two a thread and provider. Only
 * the owner writes, without read-modify-write; readers sum over all threads. Accounts of exited threads stay
 * in their blocks, which stay registered, so their counts are folded in by being kept. */
#ifndef CLEW_PIPELINE_ACCOUNT_H
#define CLEW_PIPELINE_ACCOUNT_H

#include "sdk/base/thread.h"

#include <stdatomic.h>

/* Where a span's parent is, as the metrics tell it apart: added to a counter of started spans. */
enum clew__parent_origin {
    CLEW__PARENT_NONE = 0,
    CLEW__PARENT_LOCAL,
    CLEW__PARENT_REMOTE,
    CLEW__PARENT_ORIGINS,
};

enum clew__counter {
    /* of a provider: what every span counts */
    CLEW__STARTED_DROP =
        0, /* the sampler dropped it, or there was no memory; first of CLEW__PARENT_ORIGINS */
    CLEW__STARTED_SAMPLE = CLEW__STARTED_DROP + CLEW__PARENT_ORIGINS, /* likewise: recorded and sampled */
    CLEW__ENDED = CLEW__STARTED_SAMPLE + CLEW__PARENT_ORIGINS,
    /* of a provider, in its second account: what is rare */
    CLEW__STARTED_RECORD_ONLY = 0, /* first of CLEW__PARENT_ORIGINS: recorded, not sampled */
    CLEW__NOT_RECORDED_MEMORY = CLEW__STARTED_RECORD_ONLY + CLEW__PARENT_ORIGINS, /* also in STARTED_DROP */
    CLEW__DROPPED_ATTRIBUTES,
    CLEW__DROPPED_EVENTS,
    CLEW__DROPPED_LINKS,
    /* of a stream */
    CLEW__OFFERED = 0,
    CLEW__NOT_SAMPLED,
    CLEW__DROPPED_QUEUE_FULL,
    CLEW__DROPPED_MEMORY,
    CLEW__DROPPED_SHUTDOWN,
    /* of a custom processor, which is done where the span ends */
    CLEW__EXPORTED,

    CLEW__COUNTERS = 7,
};

struct clew__chunk;

/* One cache line: the chunk that the thread fills for a stream, and its counters. */
struct clew__account {
    _Atomic(struct clew__chunk *) chunk;
    _Atomic uint64_t counters[CLEW__COUNTERS];
};
_Static_assert(sizeof(struct clew__account) == 64, "an account is one cache line");

/* A number for a new provider or stream, never used again; UINT32_MAX when the process has used them up. */
uint32_t clew__account_number(void);
/* Likewise two in a row whose accounts lie side by side: what clew__account_of() gives for the first is
 * followed by that of the second. Returns the first. */
uint32_t clew__account_number_pair(void);

/* The thread's account, made when needed; NULL when memory runs out. */
struct clew__account *clew__account_slowly(struct clew__thread *thread, uint32_t number);
static inline struct clew__account *clew__account_of(struct clew__thread *thread, uint32_t number) {
    struct clew__account *page =
        atomic_load_explicit(&thread->account_pages[number / CLEW__ACCOUNT_PAGE], memory_order_relaxed);
    if (__builtin_expect(page != NULL, 1))
        return &page[number % CLEW__ACCOUNT_PAGE];
    return clew__account_slowly(thread, number);
}

/* The account of another thread; NULL when it has none. */
struct clew__account *clew__account_peek(struct clew__thread *thread, uint32_t number);

/* Adds to a counter of one's own; released, so that who sees its effect elsewhere sees the count. */
static inline void clew__account_add(struct clew__account *account, enum clew__counter counter,
                                     uint64_t amount) {
    uint64_t value = atomic_load_explicit(&account->counters[counter], memory_order_relaxed);
    atomic_store_explicit(&account->counters[counter], value + amount, memory_order_release);
}

/* The sum over all threads, past ones too. */
uint64_t clew__account_sum(uint32_t number, enum clew__counter counter);

/* In the child of a fork: all counters to zero, all chunks forgotten (the caller has collected them). */
void clew__account_reset_all(void);

#endif
