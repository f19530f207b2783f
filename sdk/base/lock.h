/* A small lock for short critical sections: spins, then sleeps. No system call and no pthread call when it is
 * free, so it may be taken on application threads now and then; a forked child can simply reset it. Not
 * recursive; never held over a callback, an allocation of the host's, or input and output. */
#ifndef CLEW_BASE_LOCK_H
#define CLEW_BASE_LOCK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct clew__lock {
    atomic_uint taken;
};
#define CLEW__LOCK_INIT                                                                                      \
    { 0 }

void clew__lock_wait(struct clew__lock *lock); /* the slow way; preserves errno */

static inline void clew__lock_acquire(struct clew__lock *lock) {
    unsigned expected = 0;
    if (!atomic_compare_exchange_strong_explicit(&lock->taken, &expected, 1, memory_order_acquire,
                                                 memory_order_relaxed))
        clew__lock_wait(lock);
}

static inline void clew__lock_release(struct clew__lock *lock) {
    atomic_store_explicit(&lock->taken, 0, memory_order_release);
}

/* For the fork handlers: waits for at most 50 ms, then goes on without (the holder may be the forking thread
 * itself, interrupted by a signal). Returns whether the lock was taken. */
bool clew__lock_acquire_bounded(struct clew__lock *lock);

/* pthread_cancel() of the calling thread waits from the first to the second: a thread that went away in
 * between would leave a lock taken or a wake-up undone. `before` is what the first returned. */
static inline int clew__cancel_forbid(void) {
    int before = PTHREAD_CANCEL_ENABLE;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
    return before;
}
static inline void clew__cancel_allow(int before) {
    pthread_setcancelstate(before, &before);
}

/* One step of waiting for something short: a pause at first, then sleep. `round` counts from 0. Preserves
 * errno. */
void clew__wait_a_little(unsigned round);

#endif
