/* Slots: where open spans live.
 *
 * A slot's header is type-stable: slabs are never unmapped, so a stale handle may always look. Its word holds
 * generation and state, and is the only lock of a span: whoever moves it from the exact open word of a handle
 * to busy has it. The body, the span's OTLP bytes, belongs to the slot and stays with it for the next span.
 */
#ifndef CLEW_TRACE_SLOT_H
#define CLEW_TRACE_SLOT_H

#include <clew/trace.h>

#include "sdk/base/thread.h"

#include <stdatomic.h>

struct clew_provider;
struct clew_tracer;

/* A handle's ref: flags, what it needs to find its slot, and the generation that it belongs to. */
#define CLEW__REF_SAMPLED 0x01u
#define CLEW__REF_RANDOM 0x02u
#define CLEW__REF_REMOTE 0x04u /* only together with CLEW_REF_SILENT: a remote span context, handed on */
#define CLEW__REF_INDEX_SHIFT 8
#define CLEW__REF_INDEX_BITS 20
#define CLEW__REF_GENERATION_SHIFT (CLEW__REF_INDEX_SHIFT + CLEW__REF_INDEX_BITS)
#define CLEW__SLOTS_MAX (1u << CLEW__REF_INDEX_BITS) /* spans open at once */
#define CLEW__GENERATION_MASK ((UINT64_C(1) << (64 - CLEW__REF_GENERATION_SHIFT)) - 1)

enum clew__slot_state { CLEW__SLOT_FREE = 0, CLEW__SLOT_OPEN, CLEW__SLOT_BUSY, CLEW__SLOT_ENDING };

static inline uint64_t clew__slot_word(uint64_t generation, enum clew__slot_state state) {
    return generation << 2 | (uint64_t)state;
}

/* An attribute that is recorded: where its bytes start in the body, and the hash of its key. The entries grow
 * from the body's end downwards. */
struct clew__key_entry {
    uint32_t hash;
    uint32_t offset;
};

/* Spans are at most this large, so that one request can always carry one. */
#define CLEW__SPAN_SIZE_MAX (4u << 20)
#define CLEW__BODY_SIZE 1024u

struct clew__slot {
    /* The first cache line: all that setting an attribute touches. */
    _Atomic uint64_t word;
    uint8_t *body; /* the span's bytes; NULL while nothing is recorded */
    uint32_t size; /* of the bytes */
    uint32_t capacity;
    uint32_t attributes; /* key entries */
    uint32_t attribute_limit;
    uint64_t keys_seen; /* a bit for each key's hash: no bit, no such key */
    struct clew_tracer *tracer;
    _Atomic(struct clew_provider *) provider;
    uint8_t status;
    bool is_recording;
    atomic_bool is_sampled; /* atomic for those who count open spans */
    bool said_dropped;      /* the one log line about what limits dropped */
    bool is_starved;        /* the memory budget refused it something */
    uint32_t index;

    /* The second: start, end, and what is rare. */
    uint64_t start_monotonic;
    int64_t unix_offset;             /* real time minus monotonic time, of the whole local trace */
    uint32_t name_at, name_size;     /* the member in the body */
    uint32_t status_at, status_size; /* likewise; size 0: none */
    uint32_t events, links;
    uint32_t dropped_attributes, dropped_events, dropped_links;
    uint32_t open_waits; /* where in the body the one starts that all others are found from; 0: none */
    const clew_tracestate *tracestate; /* a reference */
    struct clew__slot *next_free;
    _Atomic(struct clew__thread *) ender; /* while ending: who may still set */
};
_Static_assert(sizeof(struct clew__slot) <= 192, "a slot's header takes three cache lines");

/* A free slot with the word of its new, open generation not yet stored; NULL when memory or the budget is
 * used up. */
struct clew__slot *clew__slot_take(struct clew__thread *thread);
/* The body, empty, or false. */
bool clew__slot_body(struct clew__slot *slot);
/* Gives the slot back; its word must be one of a free generation already. */
void clew__slot_give(struct clew__thread *thread, struct clew__slot *slot);

/* Room for `more` bytes and one more key entry; grows the body, charged. False past the span's or the memory
 * limit. */
bool clew__slot_reserve_slowly(struct clew__slot *slot, size_t more);
static inline bool clew__slot_reserve(struct clew__slot *slot, size_t more) {
    size_t need = slot->size + more + (slot->attributes + 1) * sizeof(struct clew__key_entry);
    return __builtin_expect(need <= slot->capacity, 1) || clew__slot_reserve_slowly(slot, more);
}

static inline struct clew__key_entry *clew__slot_entry(struct clew__slot *slot, uint32_t number) {
    return (struct clew__key_entry *)(void *)(slot->body + slot->capacity) - 1 - number;
}

#define CLEW__SLAB_SLOTS 256u
extern _Atomic(struct clew__slot *) clew__slot_slabs[CLEW__SLOTS_MAX / CLEW__SLAB_SLOTS];

/* The slot of an index; NULL when there is none. */
static inline struct clew__slot *clew__slot_at(uint32_t index) {
    struct clew__slot *slab =
        atomic_load_explicit(&clew__slot_slabs[index / CLEW__SLAB_SLOTS], memory_order_acquire);
    return slab ? &slab[index % CLEW__SLAB_SLOTS] : NULL;
}

static inline uint64_t clew__slot_ref(const struct clew__slot *slot, uint64_t generation) {
    return generation << CLEW__REF_GENERATION_SHIFT | (uint64_t)slot->index << CLEW__REF_INDEX_SHIFT;
}

/* Open spans of a provider, counted slot by slot. */
struct clew__open_spans {
    uint64_t sampled, record_only;
};
struct clew__open_spans clew__slot_count_open(const struct clew_provider *provider);

void clew__slot_setup(void);

#endif
