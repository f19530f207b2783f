/* Catches what Clew says, for tests that expect one line or none. */
#ifndef CLEW_TEST_CAPTURED_LOG_H
#define CLEW_TEST_CAPTURED_LOG_H

#include <clew/diagnostics.h>

#include <stdio.h>
#include <string.h>

struct captured_log {
    unsigned lines;
    clew_log_level level; /* of the last line */
    char last[1024];
    char all[8192]; /* every line, each with an end */
};

static struct captured_log captured;

static void captured_log_callback(void *user, clew_log_level level, const char *message) {
    struct captured_log *log = user;
    size_t size = strlen(log->all);
    log->lines++;
    log->level = level;
    snprintf(log->last, sizeof log->last, "%s", message);
    snprintf(log->all + size, sizeof log->all - size, "%s\n", message);
}

static inline void capture_log(void) {
    memset(&captured, 0, sizeof captured);
    clew_set_log_level(CLEW_LOG_DEBUG);
    clew_set_log_callback(captured_log_callback, &captured);
}

/* One warning was said, and it names all three (NULL: does not matter). */
static inline bool captured_one_warning(const char *variable, const char *value, const char *instead) {
    return captured.lines == 1 && captured.level == CLEW_LOG_WARN && strstr(captured.last, variable) &&
           (!value || strstr(captured.last, value)) && (!instead || strstr(captured.last, instead));
}

#endif
