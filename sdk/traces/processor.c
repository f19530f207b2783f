/* Spans of the running program go into a trace buffer, behind a lock that knows its owner. Any thread.
 *
 * The lock is held over allocations and over the callbacks of the buffer, which are the program's: a span
 * that ends inside one, or in a signal handler that came meanwhile, meets its own thread as the owner, is
 * counted and left out. The child of a fork that finds a lock held by a thread of its parent gives up what
 * that thread was changing. */
#include "sdk/base/clock.h"
#include "sdk/base/lock.h"
#include "sdk/base/thread.h"
#include "sdk/traces/buffer.h"

#include <pthread.h>

/* In the word of the lock, above the thread's number: how often the process has been a child, so that a lock
 * from before a fork is known. */
#define FORKS_SHIFT 48
#define THREAD_MASK ((UINT64_C(1) << FORKS_SHIFT) - 1)

static _Atomic uint64_t forks;

static void after_fork_in_child(struct clew__thread *self) {
    (void)self;
    atomic_fetch_add_explicit(&forks, 1, memory_order_relaxed);
}

static void setup(void) {
    static const struct clew__thread_hooks hooks = {.on_fork_child = after_fork_in_child};
    clew__thread_register_hooks(&hooks);
}

/* The calling thread in this process. Without memory for its block it is a thread like any other such one. */
static uint64_t word_of_self(void) {
    const struct clew__thread *thread = clew__thread_self();
    uint64_t number = thread ? thread->id & THREAD_MASK : THREAD_MASK;
    return atomic_load_explicit(&forks, memory_order_relaxed) << FORKS_SHIFT | (number ? number : 1);
}

static bool is_same_thread(uint64_t a, uint64_t b) {
    return (a & THREAD_MASK) == (b & THREAD_MASK) && (a & THREAD_MASK) != THREAD_MASK;
}

static bool is_of_parent(uint64_t word, uint64_t self) {
    return word != 0 && word >> FORKS_SHIFT != self >> FORKS_SHIFT;
}

/* Takes the lock, or returns false when this thread has it. */
static bool acquire(struct clew_trace_buffer *buffer, uint64_t self) {
    for (unsigned round = 0;; round++) {
        uint64_t found = 0;
        if (atomic_compare_exchange_strong_explicit(&buffer->owner, &found, self, memory_order_acquire,
                                                    memory_order_relaxed))
            return true;
        if (is_same_thread(found, self))
            return false;
        if (is_of_parent(found, self) &&
            atomic_compare_exchange_strong_explicit(&buffer->owner, &found, self, memory_order_acquire,
                                                    memory_order_relaxed)) {
            clew__buffer_give_up(buffer);
            return true;
        }
        clew__wait_a_little(round);
    }
}

static void release(struct clew_trace_buffer *buffer) {
    atomic_store_explicit(&buffer->owner, 0, memory_order_release);
}

void clew_trace_buffer_lock(clew_trace_buffer *buffer) {
    if (!acquire(buffer, word_of_self()))
        buffer->depth++;
}

void clew_trace_buffer_unlock(clew_trace_buffer *buffer) {
    if (buffer->depth > 0)
        buffer->depth--;
    else
        release(buffer);
}

static void on_start(void *self, clew_span span, const clew_span_context *parent) {
    struct clew_trace_buffer *buffer = (struct clew_trace_buffer *)self;
    (void)parent;
    if (!acquire(buffer, word_of_self()))
        return;
    clew_trace_buffer_expect(buffer, span.trace_id, clew__monotonic_nano());
    release(buffer);
}

static void on_end(void *self, const clew_span_view *span) {
    struct clew_trace_buffer *buffer = (struct clew_trace_buffer *)self;
    if (!acquire(buffer, word_of_self())) {
        atomic_fetch_add_explicit(&buffer->refused, 1, memory_order_relaxed);
        return;
    }
    clew_trace_buffer_add_span(buffer, span, clew__monotonic_nano());
    release(buffer);
}

clew_processor clew_trace_buffer_processor(clew_trace_buffer *buffer) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    clew_processor processor = {
        .struct_size = sizeof processor, .self = buffer, .on_start = on_start, .on_end = on_end};
    pthread_once(&once, setup);
    return processor;
}
