/* Owns the bell that wakes whoever drives, and the flag that saves ringing it twice. Any thread. */
#include "sdk/worker/wake.h"

#include "sdk/base/bell.h"
#include "sdk/base/lock.h"

#include <stdatomic.h>
#include <stdint.h>

static atomic_bool signalled;
static atomic_int descriptor = -1;
static _Atomic uint64_t device, inode; /* of the descriptor */

static struct clew__descriptor bell(void) {
    return (struct clew__descriptor){atomic_load(&descriptor), atomic_load(&device), atomic_load(&inode)};
}

int clew__wake_make(void) {
    struct clew__descriptor made = bell();
    if (clew__descriptor_is_ours(&made))
        return 0;
    atomic_store(&descriptor, -1);
    made = clew__bell_new();
    if (made.fd < 0)
        return EMFILE;
    atomic_store(&inode, made.inode);
    atomic_store(&device, made.device);
    atomic_store(&descriptor, made.fd);
    return 0;
}

int clew__wake_descriptor(void) {
    return atomic_load(&descriptor);
}

bool clew__wake_send(void) {
    struct clew__descriptor rung;
    bool is_lost = false;
    int cancel;
    if (atomic_exchange(&signalled, true))
        return true;
    cancel = clew__cancel_forbid();
    rung = bell();
    if (!clew__bell_ring(&rung)) {
        is_lost = rung.fd >= 0 && !clew__descriptor_is_ours(&rung);
        atomic_store(&signalled, false); /* nobody to hear it yet: who begins to drive looks first */
    }
    clew__cancel_allow(cancel);
    return !is_lost;
}

void clew__wake_hear(void) {
    struct clew__descriptor heard = bell();
    clew__bell_hear(&heard);
    /* An exchange, to see what those did who relied on an earlier wake. */
    atomic_exchange(&signalled, false);
}

void clew__wake_forked(void) {
    struct clew__descriptor parents = bell();
    atomic_store(&descriptor, -1);
    atomic_store(&signalled, false);
    clew__descriptor_close(&parents);
}
