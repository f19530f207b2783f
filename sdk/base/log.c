/* Owns the callback, the level and the table that keeps each reason to one line in ten seconds. Any thread;
 * one lock, never held while the callback runs or the line is written. */
#include "sdk/base/log.h"

#include "sdk/base/clock.h"
#include "sdk/base/lock.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define QUIET_NANO (10 * CLEW__NANO_PER_SECOND)
#define REASONS_MAX 64 /* more reasons than Clew has; beyond them the last entry is shared */
#define LINE_MAX_SIZE 512

struct reason {
    const char *name;
    uint64_t said_at;
    uint64_t left_out;
};

static struct clew__lock lock = CLEW__LOCK_INIT;
static struct reason reasons[REASONS_MAX];
static clew_log_callback callback;
static void *callback_user;
static _Atomic int level_by_code = -1;
static _Atomic int level_default = CLEW_LOG_INFO;

void clew_set_log_callback(clew_log_callback chosen, void *user) {
    clew__lock_acquire(&lock);
    callback = chosen;
    callback_user = user;
    clew__lock_release(&lock);
}

void clew_set_log_level(clew_log_level level) {
    atomic_store(&level_by_code, (int)level);
}

void clew__log_set_default_level(clew_log_level level) {
    atomic_store(&level_default, (int)level);
}

void clew__log_forked(void) {
    memset(reasons, 0, sizeof reasons);
    clew__lock_release(&lock);
}

static bool is_wanted(clew_log_level level) {
    int by_code = atomic_load(&level_by_code);
    return (int)level <= (by_code >= 0 ? by_code : atomic_load(&level_default));
}

/* Whether the reason may speak now; then `*left_out` is what it kept to itself. Caller holds the lock. */
static bool may_speak(const char *name, uint64_t *left_out) {
    uint64_t now = clew__monotonic_nano();
    size_t i = 0;
    while (i < REASONS_MAX - 1 && reasons[i].name && strcmp(reasons[i].name, name) != 0)
        i++;
    if (reasons[i].name && now - reasons[i].said_at < QUIET_NANO) {
        reasons[i].left_out++;
        return false;
    }
    *left_out = reasons[i].left_out;
    reasons[i].name = name;
    reasons[i].said_at = now;
    reasons[i].left_out = 0;
    return true;
}

static void write_line(clew_log_level level, const char *message) {
    static const char *const names[] = {"", "error", "warning", "info", "debug"};
    char line[LINE_MAX_SIZE + 32];
    int size = snprintf(line, sizeof line, "clew: %s: %s\n", names[level], message);
    if (size >= (int)sizeof line) {
        size = (int)sizeof line;
        line[size - 1] = '\n';
    }
    /* What stderr does with it is not ours to mend. */
    if (size > 0 && write(STDERR_FILENO, line, (size_t)size) < 0)
        return;
}

void clew_log(clew_log_level level, const char *reason, const char *format, ...) {
    int saved = errno;
    char message[LINE_MAX_SIZE];
    clew_log_callback chosen;
    uint64_t left_out = 0;
    void *user;
    va_list arguments;
    size_t size;
    bool speak;

    if (level <= CLEW_LOG_NONE || level > CLEW_LOG_DEBUG || !is_wanted(level))
        return;
    /* A signal handler may have interrupted this very place: then this message is lost. */
    if (!clew__lock_acquire_bounded(&lock))
        return;
    speak = may_speak(reason, &left_out);
    chosen = callback;
    user = callback_user;
    clew__lock_release(&lock);
    if (speak) {
        int cancel = clew__cancel_forbid();
        va_start(arguments, format);
        vsnprintf(message, sizeof message, format, arguments);
        va_end(arguments);
        size = strlen(message);
        if (left_out && size < sizeof message - 1)
            snprintf(message + size, sizeof message - size, " (and %llu more like this)",
                     (unsigned long long)left_out);
        if (chosen)
            chosen(user, level, message);
        else
            write_line(level, message);
        clew__cancel_allow(cancel);
    }
    errno = saved;
}
