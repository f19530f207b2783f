/* Keeps a stretch of writing from raising SIGPIPE in the program: the signal goes to the writing thread,
 * which blocks it meanwhile and takes out the one that came. No state but the caller's; preserves errno. */
#ifndef CLEW_BASE_QUIET_H
#define CLEW_BASE_QUIET_H

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <time.h>

struct clew__quiet {
    sigset_t before;
    bool was_pending; /* then it is somebody else's, and stays */
};

static inline void clew__quiet_begin(struct clew__quiet *quiet) {
    int saved = errno;
    sigset_t set;
    sigemptyset(&set);
    sigpending(&set);
    quiet->was_pending = sigismember(&set, SIGPIPE) == 1;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &set, &quiet->before);
    errno = saved;
}

static inline void clew__quiet_end(const struct clew__quiet *quiet) {
    static const struct timespec at_once = {0, 0};
    int saved = errno;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    if (!quiet->was_pending)
        while (sigtimedwait(&set, NULL, &at_once) < 0 && errno == EINTR)
            ;
    pthread_sigmask(SIG_SETMASK, &quiet->before, NULL);
    errno = saved;
}

#endif
