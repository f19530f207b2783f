/* The slow way of the small lock. */
#include "sdk/base/lock.h"

#include <errno.h>
#include <time.h>

#define SPINS 64u
#define SLEEP_NANO                                                                                           \
    50000 /* long against what is done under these locks, short against anything a program notices */
#define BOUNDED_SLEEPS 1000u /* 50 ms */

void clew__wait_a_little(unsigned round) {
    if (round < SPINS) {
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#endif
    } else {
        int saved = errno, cancel = clew__cancel_forbid();
        struct timespec nap = {0, SLEEP_NANO};
        nanosleep(&nap, NULL);
        clew__cancel_allow(cancel);
        errno = saved;
    }
}

void clew__lock_wait(struct clew__lock *lock) {
    for (unsigned round = 0;; round++) {
        unsigned expected = 0;
        if (atomic_load_explicit(&lock->taken, memory_order_relaxed) == 0 &&
            atomic_compare_exchange_weak_explicit(&lock->taken, &expected, 1, memory_order_acquire,
                                                  memory_order_relaxed))
            return;
        clew__wait_a_little(round);
    }
}

bool clew__lock_acquire_bounded(struct clew__lock *lock) {
    for (unsigned round = 0; round < SPINS + BOUNDED_SLEEPS; round++) {
        unsigned expected = 0;
        if (atomic_compare_exchange_strong_explicit(&lock->taken, &expected, 1, memory_order_acquire,
                                                    memory_order_relaxed))
            return true;
        clew__wait_a_little(round);
    }
    return false;
}
