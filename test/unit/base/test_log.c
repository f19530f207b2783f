/* Messages: levels, one line a reason in ten seconds, and where they go. */
#include "sdk/base/log.h"
#include "test/support.h"
#include "test/unit/config/captured_log.h"

#include <clew/extend.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

Test(log, one_line_a_reason) {
    capture_log();
    for (int i = 0; i < 100; i++) {
        clew_log(CLEW_LOG_WARN, "first", "number %d", i);
        clew_log(CLEW_LOG_INFO, "second", "number %d", i);
    }
    cr_assert_eq(captured.lines, 2);
    cr_assert_str_eq(captured.all, "number 0\nnumber 0\n");
}

/* The clock that Clew reads, in the place of the C library's. */
static time_t ahead_s;

int clock_gettime(clockid_t id, struct timespec *now) {
    int status = (int)syscall(SYS_clock_gettime, id, now);
    now->tv_sec += ahead_s;
    return status;
}

Test(log, reason_speaks_again_after_ten_seconds_and_says_how_often_it_kept_quiet) {
    capture_log();
    for (int i = 0; i < 100; i++)
        clew_log(CLEW_LOG_WARN, "reason", "number %d", i);
    ahead_s = 9;
    clew_log(CLEW_LOG_WARN, "reason", "too early");
    cr_assert_eq(captured.lines, 1);
    ahead_s = 11;
    clew_log(CLEW_LOG_WARN, "reason", "again");
    cr_assert_eq(captured.lines, 2);
    cr_assert_str_eq(captured.last, "again (and 100 more like this)");
    ahead_s = 0;
}

Test(log, levels_above_the_limit_are_silent) {
    capture_log();
    clew_set_log_level(CLEW_LOG_WARN);
    clew_log(CLEW_LOG_INFO, "info", "no");
    clew_log(CLEW_LOG_DEBUG, "debug", "no");
    clew_log(CLEW_LOG_NONE, "none", "no");
    clew_log((clew_log_level)9, "nine", "no");
    cr_assert_eq(captured.lines, 0);
    clew_log(CLEW_LOG_ERROR, "error", "yes");
    cr_assert_eq(captured.lines, 1);
    clew_set_log_level(CLEW_LOG_NONE);
    clew_log(CLEW_LOG_ERROR, "error2", "no");
    cr_assert_eq(captured.lines, 1);
}

Test(log, errno_is_left_alone) {
    capture_log();
    errno = 4711;
    clew_log(CLEW_LOG_ERROR, "error", "%s", "text");
    cr_assert_eq(errno, 4711);
}

Test(log, long_message_is_cut) {
    static char text[5000];
    memset(text, 'x', sizeof text - 1);
    capture_log();
    clew_log(CLEW_LOG_ERROR, "error", "%s", text);
    cr_assert_eq(captured.lines, 1);
    cr_assert_lt(strlen(captured.last), 600);
}

Test(log, default_is_one_write_to_stderr) {
    int ends[2], saved = dup(2);
    char text[256] = "";
    cr_assert_eq(pipe(ends), 0);
    dup2(ends[1], 2);
    clew_log(CLEW_LOG_WARN, "reason", "said %d", 1);
    dup2(saved, 2);
    ssize_t size = read(ends[0], text, sizeof text - 1);
    cr_assert_gt(size, 0);
    cr_assert_str_eq(text, "clew: warning: said 1\n");
}

Test(log, more_reasons_than_the_table_holds_are_harmless) {
    static char names[200][24];
    capture_log();
    for (int i = 0; i < 200; i++) {
        snprintf(names[i], sizeof names[i], "reason.%d", i);
        clew_log(CLEW_LOG_WARN, names[i], "x");
    }
    cr_assert_geq(captured.lines, 60);
}
