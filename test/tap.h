/* The Test Anything Protocol for tests that are plain programs: threads under ThreadSanitizer, processes,
 * signals. */
#ifndef CLEW_TEST_TAP_H
#define CLEW_TEST_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

static int tap_number;
static int tap_failed;

/* One result; `ok` false makes tap_done() return 1. */
__attribute__((format(printf, 2, 3))) static inline bool tap_ok(bool ok, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    printf("%sok %d - ", ok ? "" : "not ", ++tap_number);
    vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
    fflush(stdout);
    if (!ok)
        tap_failed = 1;
    return ok;
}

static inline void tap_skip(const char *name, const char *why) {
    printf("ok %d - %s # SKIP %s\n", ++tap_number, name, why);
    fflush(stdout);
}

/* The plan, and the program's exit code. */
static inline int tap_done(void) {
    printf("1..%d\n", tap_number);
    return tap_failed;
}

#endif
