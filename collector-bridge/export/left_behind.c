/* Owns the list of what was left behind; any thread. */
#include "collector-bridge/export/left_behind.h"

#include <stdatomic.h>
#include <stddef.h>

/* A fork's child leaves at most five pieces of each transport. */
#define LEFT_BEHIND_MAX 128

void clew__leave_behind(void *memory) {
    static void *_Atomic left_behind[LEFT_BEHIND_MAX];
    static atomic_size_t next;
    if (!memory)
        return;
    size_t at = atomic_fetch_add(&next, 1);
    if (at < LEFT_BEHIND_MAX)
        atomic_store(&left_behind[at], memory);
}
