/* What Clew keeps for each thread, and how threads come, go and fork.
 *
 * A block is made at a thread's first use, registered, and recycled when the thread exits: blocks are never
 * unmapped. Only its own thread writes a block; what others may read is atomic. Rooms above keep their part
 * behind a pointer that they alone understand, and hook into exit and fork. */
#ifndef CLEW_BASE_THREAD_H
#define CLEW_BASE_THREAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct clew__slot;
struct clew__context_stack;
struct clew__account;

#define CLEW__ACCOUNT_PAGE 16u   /* accounts a page */
#define CLEW__ACCOUNT_PAGES 512u /* pages a thread at most: 8192 accounts a process */

struct clew__thread {
    /* Marks that the thread is inside Clew: a call that finds it set comes from a signal handler. */
    volatile uint32_t inside;
    uint32_t suppressed; /* not 0: spans are not recorded (the thread does Clew's own work) */

    uint64_t random[4]; /* of this thread's ids; see random.h */

    int64_t unix_offset;          /* real time minus monotonic time, and */
    uint64_t unix_offset_read_at; /* when it was read */

    struct clew__slot *free_slots; /* trace/slot: linked */
    uint32_t free_slot_count;

    struct clew__context_stack *contexts; /* context/: NULL until the first attach */

    uint64_t id; /* unique in the process, never used again */
    _Atomic(struct clew__account *) account_pages[CLEW__ACCOUNT_PAGES]; /* pipeline/account */

    struct clew__thread *next; /* all blocks ever made; written once before it is published */
    atomic_bool in_use;
};

#ifdef CLEW_STATIC
/* The archive may end up in a plugin, where initial-exec storage is scarce: it asks pthread. */
struct clew__thread *clew__thread_current(void);
#else
extern _Thread_local struct clew__thread *clew__thread_of_this __attribute__((tls_model("initial-exec")));
static inline struct clew__thread *clew__thread_current(void) {
    return clew__thread_of_this;
}
#endif

/* 1, in a page that the kernel wipes in the child of a fork: 0 until the first use and in a child that is not
 * repaired. */
extern const volatile uint32_t *clew__process_alive;

struct clew__thread *clew__thread_self_slowly(void);
struct clew__thread *clew__thread_refuse(void);

/* The calling thread's block; made when needed. NULL: no memory, or the process is the child of a raw clone.
 * Preserves errno. No call but a check once warm. */
static inline struct clew__thread *clew__thread_self(void) {
    struct clew__thread *thread = clew__thread_current();
    if (__builtin_expect(thread != NULL && *clew__process_alive != 0, 1))
        return thread;
    return clew__thread_self_slowly();
}

/* Enters Clew on this thread: the block with `inside` set, or NULL (counted) when nothing may be done: the
 * call comes from a signal handler that interrupted Clew, there is no memory, or the process is the child of
 * a raw clone. Every enter that gives a block needs a leave. */
static inline struct clew__thread *clew__thread_enter(void) {
    struct clew__thread *thread = clew__thread_self();
    if (__builtin_expect(thread == NULL || thread->inside != 0, 0))
        return clew__thread_refuse();
    thread->inside = 1;
    atomic_signal_fence(memory_order_seq_cst);
    return thread;
}
static inline void clew__thread_leave(struct clew__thread *thread) {
    atomic_signal_fence(memory_order_seq_cst);
    thread->inside = 0;
}

/* Whether an enter was refused only because there was no memory for the thread's block: what frees memory
 * goes on without one. */
bool clew__thread_lacks_memory(void);

/* The first of all blocks, in use or not; follow `next`. */
struct clew__thread *clew__thread_first(void);
/* How many blocks are in use. */
uint32_t clew__thread_count(void);

/* Hooks of the rooms above; registered once each, before threads matter, never removed. `on_exit` runs on the
 * exiting thread. `on_fork_child` runs in the child, single-threaded, in order of registration; it must not
 * allocate. `on_fork_prepare` and `on_fork_parent` take and give back locks. Each may be NULL. */
struct clew__thread_hooks {
    void (*on_exit)(struct clew__thread *thread);
    void (*on_fork_prepare)(void);
    void (*on_fork_parent)(void);
    void (*on_fork_child)(struct clew__thread *self); /* self may be NULL: the thread never used Clew */
};
void clew__thread_register_hooks(const struct clew__thread_hooks *hooks);

/* Counted: calls refused by clew__thread_enter(). */
uint64_t clew__thread_reentrant_calls(void);

#endif
