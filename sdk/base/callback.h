/* Around the host's code that runs inside an operation of Clew (samplers, processors, id generators): it may
 * use Clew itself, errno stays the caller's, and pthread_cancel() waits, or a span would stay taken for ever.
 */
#ifndef CLEW_BASE_CALLBACK_H
#define CLEW_BASE_CALLBACK_H

#include "sdk/base/lock.h"
#include "sdk/base/thread.h"

#include <errno.h>

struct clew__callback {
    int error, cancel;
};

static inline struct clew__callback clew__callback_begin(struct clew__thread *thread) {
    struct clew__callback before = {.error = errno};
    before.cancel = clew__cancel_forbid();
    thread->inside = 0;
    return before;
}

static inline void clew__callback_end(struct clew__thread *thread, struct clew__callback before) {
    thread->inside = 1;
    clew__cancel_allow(before.cancel);
    errno = before.error;
}

#endif
