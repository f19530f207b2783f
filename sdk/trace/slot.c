/* Owns the slabs of slots and the free list that threads share. A thread takes and gives from a list of its
 * own, and trades with the shared one in batches, under the lock. */
#include "sdk/trace/slot.h"

#include "sdk/base/lock.h"
#include "sdk/base/memory.h"
#include "sdk/pipeline/chunk.h"

#include <string.h>

#define SLAB_SLOTS CLEW__SLAB_SLOTS
#define SLABS_MAX (CLEW__SLOTS_MAX / SLAB_SLOTS)
#define OWN_MAX 64u /* free slots that a thread keeps */
#define TRADE 32u
#define SLAB_TRIES 8u
/* Beyond this a body grows in steps: doubling would charge the budget for megabytes that nobody needs. */
#define BODY_DOUBLES_UP_TO (64u << 10)

static struct clew__lock lock = CLEW__LOCK_INIT;
static bool locked_for_fork;
_Atomic(struct clew__slot *) clew__slot_slabs[SLABS_MAX];
static atomic_uint slab_count;
static struct clew__slot *shared_free;

static void publish_locked(struct clew__slot *slab, unsigned number) {
    for (uint32_t i = SLAB_SLOTS; i-- > 0;) {
        slab[i].index = number * SLAB_SLOTS + i;
        slab[i].next_free = shared_free;
        atomic_init(&slab[i].word, clew__slot_word(1, CLEW__SLOT_FREE));
        shared_free = &slab[i];
    }
    atomic_store_explicit(&clew__slot_slabs[number], slab, memory_order_release);
    atomic_store_explicit(&slab_count, number + 1, memory_order_release);
}

/* Memory is obtained without the lock: it may be the host's allocator. Another thread may be quicker. */
static bool add_slab(void) {
    size_t size = SLAB_SLOTS * sizeof(struct clew__slot);
    struct clew__slot *slab;
    unsigned number;
    if (atomic_load_explicit(&slab_count, memory_order_relaxed) == SLABS_MAX)
        return false;
    slab = clew_charged_allocate(size);
    if (!slab)
        return false;
    memset(slab, 0, size);
    clew__lock_acquire(&lock);
    number = atomic_load_explicit(&slab_count, memory_order_relaxed);
    if (!shared_free && number < SLABS_MAX) {
        publish_locked(slab, number);
        slab = NULL;
    }
    clew__lock_release(&lock);
    if (slab)
        clew_charged_release(slab, size);
    return true;
}

static struct clew__slot *take_shared(struct clew__thread *thread) {
    struct clew__slot *slot;
    clew__lock_acquire(&lock);
    for (uint32_t i = 0; i < TRADE && shared_free; i++) {
        slot = shared_free;
        shared_free = slot->next_free;
        slot->next_free = thread->free_slots;
        thread->free_slots = slot;
        thread->free_slot_count++;
    }
    clew__lock_release(&lock);
    return thread->free_slots;
}

struct clew__slot *clew__slot_take(struct clew__thread *thread) {
    struct clew__slot *slot = thread->free_slots;
    if (__builtin_expect(slot == NULL, 0)) {
        slot = take_shared(thread);
        for (unsigned i = 0; !slot && i < SLAB_TRIES && add_slab(); i++)
            slot = take_shared(thread); /* others may have taken it all meanwhile */
        if (!slot)
            return NULL;
    }
    thread->free_slots = slot->next_free;
    thread->free_slot_count--;
    return slot;
}

static void give_shared(struct clew__thread *thread, uint32_t count) {
    clew__lock_acquire(&lock);
    while (count-- > 0 && thread->free_slots) {
        struct clew__slot *slot = thread->free_slots;
        thread->free_slots = slot->next_free;
        thread->free_slot_count--;
        slot->next_free = shared_free;
        shared_free = slot;
    }
    clew__lock_release(&lock);
}

/* Here and below a body is let go of before it is freed or moves: the child of a fork in between would free
 * it again, or with the wrong size. */
static void free_body(struct clew__slot *slot) {
    uint8_t *body = slot->body;
    uint32_t capacity = slot->capacity;
    slot->body = NULL;
    slot->capacity = 0;
    if (body)
        clew_charged_release(body - CLEW__BODY_HEADROOM, CLEW__BODY_HEADROOM + capacity);
}

void clew__slot_give(struct clew__thread *thread, struct clew__slot *slot) {
    if (__builtin_expect(slot->capacity > CLEW__BODY_SIZE, 0))
        free_body(slot);
    slot->next_free = thread->free_slots;
    thread->free_slots = slot;
    if (__builtin_expect(++thread->free_slot_count > OWN_MAX, 0))
        give_shared(thread, TRADE);
}

bool clew__slot_body(struct clew__slot *slot) {
    uint8_t *block;
    slot->size = 0;
    slot->attributes = 0;
    slot->keys_seen = 0;
    if (__builtin_expect(slot->body != NULL, 1))
        return true;
    block = clew_charged_allocate(CLEW__BODY_HEADROOM + CLEW__BODY_SIZE);
    if (!block)
        return false;
    slot->body = block + CLEW__BODY_HEADROOM;
    slot->capacity = CLEW__BODY_SIZE;
    return true;
}

static bool grow_body(struct clew__slot *slot, size_t capacity) {
    uint8_t *old = slot->body, *block;
    slot->body = NULL;
    atomic_signal_fence(memory_order_seq_cst);
    block = clew_charged_grow(old - CLEW__BODY_HEADROOM, CLEW__BODY_HEADROOM + slot->capacity,
                              CLEW__BODY_HEADROOM + capacity);
    if (!block) {
        slot->body = old;
        return false;
    }
    slot->capacity = (uint32_t)capacity;
    atomic_signal_fence(memory_order_seq_cst);
    slot->body = block + CLEW__BODY_HEADROOM;
    return true;
}

bool clew__slot_reserve_slowly(struct clew__slot *slot, size_t more) {
    size_t entries = slot->attributes * sizeof(struct clew__key_entry), need, capacity = slot->capacity;
    size_t entries_at = slot->capacity - entries;
    if (more > CLEW__SPAN_SIZE_MAX)
        return false;
    need = slot->size + more + entries + sizeof(struct clew__key_entry);
    if (need > CLEW__SPAN_SIZE_MAX)
        return false;
    while (capacity < need)
        capacity += capacity < BODY_DOUBLES_UP_TO ? capacity : BODY_DOUBLES_UP_TO;
    if (!grow_body(slot, capacity)) {
        slot->is_starved = true;
        return false;
    }
    memmove(slot->body + capacity - entries, slot->body + entries_at, entries);
    return true;
}

struct clew__open_spans clew__slot_count_open(const struct clew_provider *provider) {
    struct clew__open_spans open = {0, 0};
    unsigned count = atomic_load_explicit(&slab_count, memory_order_acquire);
    for (unsigned i = 0; i < count; i++) {
        struct clew__slot *slab = atomic_load_explicit(&clew__slot_slabs[i], memory_order_acquire);
        for (uint32_t k = 0; k < SLAB_SLOTS; k++) {
            uint64_t word = atomic_load_explicit(&slab[k].word, memory_order_acquire);
            if ((word & 3) == CLEW__SLOT_FREE ||
                atomic_load_explicit(&slab[k].provider, memory_order_relaxed) != provider)
                continue;
            if (atomic_load_explicit(&slab[k].is_sampled, memory_order_relaxed))
                open.sampled++;
            else
                open.record_only++;
        }
    }
    return open;
}

static void thread_exits(struct clew__thread *thread) {
    give_shared(thread, UINT32_MAX);
}

static void before_fork(void) {
    locked_for_fork = clew__lock_acquire_bounded(&lock);
}

static void after_fork_in_parent(void) {
    if (locked_for_fork)
        clew__lock_release(&lock);
}

/* Every handle of the parent becomes stale, every slot free. */
static void after_fork_in_child(struct clew__thread *self) {
    unsigned count = atomic_load(&slab_count);
    (void)self;
    clew__lock_release(&lock);
    shared_free = NULL;
    for (struct clew__thread *thread = clew__thread_first(); thread; thread = thread->next) {
        thread->free_slots = NULL;
        thread->free_slot_count = 0;
    }
    for (unsigned i = 0; i < count; i++) {
        struct clew__slot *slab = atomic_load(&clew__slot_slabs[i]);
        for (uint32_t k = SLAB_SLOTS; k-- > 0;) {
            struct clew__slot *slot = &slab[k];
            uint64_t generation = (atomic_load(&slot->word) >> 2) + 1;
            if ((atomic_load(&slot->word) & 3) != CLEW__SLOT_FREE)
                clew_tracestate_unref(slot->tracestate);
            slot->tracestate = NULL;
            atomic_store(&slot->provider, NULL);
            if (slot->capacity > CLEW__BODY_SIZE)
                free_body(slot);
            generation &= CLEW__GENERATION_MASK;
            atomic_store(&slot->word, clew__slot_word(generation ? generation : 1, CLEW__SLOT_FREE));
            slot->next_free = shared_free;
            shared_free = slot;
        }
    }
}

void clew__slot_setup(void) {
    static const struct clew__thread_hooks hooks = {thread_exits, before_fork, after_fork_in_parent,
                                                    after_fork_in_child};
    clew__thread_register_hooks(&hooks);
}
