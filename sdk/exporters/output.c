/* Owns how local exporters write. Entered by whichever thread exports; state is in the caller's structure,
 * and signal masks are put back before the return.
 *
 * A pipe or terminal that nobody reads must not hold the host. Its own descriptor stays as the host set it,
 * so a non-blocking twin is opened for the time of one write; where that cannot be had, pieces that are known
 * to fit are written one by one. */
#include "sdk/exporters/output.h"

#include "sdk/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATIENCE_MS 100u   /* for a receiver that does not read: short for people, long for a busy machine */
#define FIRST_DESCRIPTOR 3 /* below are those that hosts print to by number, also when they closed them */
#define TWIN_PATH_MAX 32

const char *clew__output_error_text(int error, char *buffer, size_t capacity) {
    return strerror_r(error, buffer, capacity);
}

/* ---- signals ---- */

/* Writing to a closed pipe raises SIGPIPE, and beyond RLIMIT_FSIZE SIGXFSZ: both kill by default. They are
 * sent to the writing thread, so this thread blocks them, and takes out the one that it caused. */
struct quiet {
    sigset_t before;
    sigset_t pending;
};

static void quiet_begin(struct quiet *quiet) {
    sigset_t own;

    sigemptyset(&own);
    sigaddset(&own, SIGPIPE);
    sigaddset(&own, SIGXFSZ);
    sigemptyset(&quiet->pending);
    sigpending(&quiet->pending);
    pthread_sigmask(SIG_BLOCK, &own, &quiet->before);
}

static void quiet_end(struct quiet *quiet, int error) {
    int caused = error == EPIPE ? SIGPIPE : error == EFBIG ? SIGXFSZ : 0;

    if (caused && !sigismember(&quiet->pending, caused)) {
        struct timespec at_once = {0, 0};
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, caused);
        while (sigtimedwait(&set, NULL, &at_once) < 0 && errno == EINTR)
            ;
    }
    pthread_sigmask(SIG_SETMASK, &quiet->before, NULL);
}

/* ---- writing ---- */

/* 0 when the descriptor takes something (or an error, which the write will tell). */
static int wait_until_writable(int descriptor, uint64_t deadline) {
    for (;;) {
        struct pollfd wanted = {.fd = descriptor, .events = POLLOUT};
        uint64_t now = clew__monotonic_nano();
        uint64_t left =
            deadline > now ? (deadline - now + CLEW__NANO_PER_MILLI - 1) / CLEW__NANO_PER_MILLI : 0;
        int ready = poll(&wanted, 1, (int)left);
        if (ready > 0)
            return 0;
        if (ready < 0 && errno != EINTR)
            return errno;
        if (left == 0)
            return ETIMEDOUT;
    }
}

struct way {
    int descriptor;
    size_t piece;   /* at most this much in one write */
    bool ask_first; /* the descriptor may block: write only what poll says it takes */
};

/* The number of the error, or 0; `*written` is how far it came. */
static int write_all(const struct way *way, const char *data, size_t size, uint64_t deadline,
                     size_t *written) {
    int error;

    while (*written < size) {
        size_t left = size - *written;
        ssize_t taken;
        if (way->ask_first && (error = wait_until_writable(way->descriptor, deadline)) != 0)
            return error;
        taken = write(way->descriptor, data + *written, left < way->piece ? left : way->piece);
        if (taken > 0) {
            *written += (size_t)taken;
        } else if (taken == 0) {
            return EIO;
        } else if (errno == EAGAIN) {
            if ((error = wait_until_writable(way->descriptor, deadline)) != 0)
                return error;
        } else if (errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

static int open_again(int descriptor, int flags) {
    char path[TWIN_PATH_MAX];
    snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
    return open(path, flags | O_CLOEXEC | O_NOCTTY);
}

/* How to write to it; `*twin` is a descriptor to close afterwards, or -1. */
static struct way choose_way(const struct clew__output *output, int *twin) {
    struct way way = {output->file.fd, SIZE_MAX, false};
    struct stat status;

    *twin = -1;
    if (output->owned || fstat(output->file.fd, &status) < 0 || S_ISREG(status.st_mode))
        return way;
    if (S_ISFIFO(status.st_mode) || isatty(output->file.fd))
        *twin = open_again(output->file.fd, O_WRONLY | O_NONBLOCK);
    if (*twin >= 0) {
        way.descriptor = *twin;
        return way;
    }
    way.piece = PIPE_BUF;
    way.ask_first = true;
    return way;
}

bool clew__output_is_there(const struct clew__output *output) {
    return !output->owned || clew__descriptor_is_ours(&output->file);
}

int clew__output_write(struct clew__output *output, const void *data, size_t size, uint32_t timeout_ms) {
    int saved = errno;
    uint32_t patience = timeout_ms && timeout_ms < PATIENCE_MS ? timeout_ms : PATIENCE_MS;
    uint64_t deadline = output->stalled ? 0 : clew__deadline(patience);
    size_t written = 0;
    struct quiet quiet;
    struct way way;
    int error, twin;

    if (!clew__output_is_there(output)) {
        errno = saved;
        return EBADF;
    }
    way = choose_way(output, &twin);
    quiet_begin(&quiet);
    error = write_all(&way, (const char *)data, size, deadline, &written);
    quiet_end(&quiet, error);
    if (twin >= 0)
        close(twin);
    if (written)
        output->mid_line = ((const char *)data)[written - 1] != '\n';
    output->stalled = error == ETIMEDOUT;
    errno = saved;
    return error;
}

/* ---- opening and closing ---- */

struct clew__output clew__output_borrowed(int descriptor) {
    struct clew__output output = {.file = clew__descriptor_of(descriptor)};
    return output;
}

/* Puts `fresh` in the place of the descriptor, keeping its number. */
static void replace(int descriptor, int fresh) {
    if (fresh < 0)
        return;
    dup3(fresh, descriptor, O_CLOEXEC);
    close(fresh);
}

void clew__output_unshare(struct clew__output *output) {
    int saved = errno;
    int fresh;

    if (output->owned && clew__output_is_there(output)) {
        /* Readable too, where that is allowed: so that an unfinished last line can be seen. */
        fresh = open_again(output->file.fd, O_RDWR | O_APPEND | O_NONBLOCK);
        if (fresh < 0)
            fresh = open_again(output->file.fd, O_WRONLY | O_APPEND | O_NONBLOCK);
        replace(output->file.fd, fresh);
    }
    errno = saved;
}

int clew__output_open(struct clew__output *output, const char *path) {
    int saved = errno;
    /* Not blocking: a named pipe without a reader would hold us in open() otherwise. */
    int descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);
    int error = errno;
    struct stat status;

    if (descriptor >= 0 && descriptor < FIRST_DESCRIPTOR) {
        int higher = fcntl(descriptor, F_DUPFD_CLOEXEC, FIRST_DESCRIPTOR);
        error = errno;
        close(descriptor);
        descriptor = higher;
    }
    if (descriptor >= 0) {
        *output = clew__output_borrowed(descriptor);
        output->owned = true;
        if (fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode))
            clew__output_unshare(output);
        error = 0;
    }
    errno = saved;
    return error;
}

void clew__output_fini(struct clew__output *output) {
    if (output->owned)
        clew__descriptor_close(&output->file);
    output->file.fd = -1;
    output->owned = false;
}
