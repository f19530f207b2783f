/* The console exporter: its text, and what it spares the host. */
#include <clew/extend.h>

#include "sdk/base/clock.h"
#include "sdk/base/memory.h"
#include "test/support.h"
#include "test/unit/exporters/request.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define STALL_LIMIT_NANO                                                                                     \
    (2 * CLEW__NANO_PER_SECOND) /* far above what a stalled pipe costs, far below forever */

static const struct test_span plain = {.name = "plain", .id = 1, .start = 1000};

/* Everything that one batch writes to a pipe. */
static const char *console_text(const struct clew__writer *request, size_t count) {
    static char text[8192];
    clew_export_report report = {0};
    struct clew_batch batch = test_batch(request, count);
    clew_exporter exporter;
    ssize_t size;
    int ends[2];

    cr_assert_eq(pipe(ends), 0);
    exporter = clew_exporter_console(ends[1]);
    cr_assert_eq(exporter.export_batch(exporter.self, &batch, 0, &report), CLEW_EXPORT_DELIVERED);
    exporter.destroy(exporter.self);
    cr_assert_eq(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0, "the host's descriptor was changed");
    close(ends[1]);
    size = read(ends[0], text, sizeof text - 1);
    cr_assert_geq(size, 0);
    text[size] = '\0';
    close(ends[0]);
    return text;
}

Test(console, shows_everything_of_a_rich_span) {
    struct clew__writer request = clew__buffer_plain();
    test_write_rich_request(&request);
    cr_expect_str_eq(console_text(&request, 1),
                     "charge card [client] 12.3ms error: no reply in 5 s\n"
                     "  service shop\n"
                     "  trace   af000000000000000000000000000001\n"
                     "  span    b700000000000002, child of c100000000000003 (remote)\n"
                     "  started 2026-11-21T09:11:05.123456789Z\n"
                     "  scope   payments 1.2.0\n"
                     "  state   congo=t61\n"
                     "  attributes\n"
                     "    text = two\\nlines\n"
                     "    count = -42\n"
                     "    ratio = 0.25\n"
                     "    flag = false\n"
                     "    blob = 3q2+7w==\n"
                     "    map = {\"a\\\"b\":true,\"list\":[1,2.5]}\n"
                     "    nothing = \n"
                     "  event +4.50ms cache miss\n"
                     "    cache.key = user:1\n"
                     "  link 4b000000000000000000000000000002 4c00000000000003\n"
                     "    reason = retry\n"
                     "  dropped attributes: 1, events: 2, links: 3\n"
                     "\n");
    clew__buffer_fini(&request);
    CLEW_NO_LEAKS();
}

Test(console, shows_a_plain_span_in_few_lines) {
    struct clew__writer request = clew__buffer_plain();
    test_write_request(&request, &plain, 1);
    cr_expect_str_eq(console_text(&request, 1), "plain 1ns\n"
                                                "  service shop\n"
                                                "  trace   00000000000000000000000000000001\n"
                                                "  span    0000000000000001\n"
                                                "  started 1970-01-01T00:00:00.000001000Z\n"
                                                "  scope   payments 1.2.0\n"
                                                "\n");
    clew__buffer_fini(&request);
    CLEW_NO_LEAKS();
}

Test(console, names_cannot_steer_the_terminal) {
    static const struct test_span evil = {.name = "a\x1B[2J\xC2\x9B"
                                                  "31mb\x7F",
                                          .id = 1};
    struct clew__writer request = clew__buffer_plain();
    const char *text;
    test_write_request(&request, &evil, 1);
    text = console_text(&request, 1);
    cr_expect_eq(strncmp(text, "a\\x1b[2J\\u009b31mb\\x7f 1ns\n", 26), 0, "%s", text);
    clew__buffer_fini(&request);
    CLEW_NO_LEAKS();
}

Test(console, bytes_that_are_no_text_are_escaped) {
    static const struct test_span odd = {.name = "caf\xE9", .id = 1};
    struct clew__writer request = clew__buffer_plain();
    test_write_request(&request, &odd, 1);
    cr_expect_eq(strncmp(console_text(&request, 1), "caf\\xe9 1ns\n", 12), 0);
    clew__buffer_fini(&request);
    CLEW_NO_LEAKS();
}

/* ---- what the host must not feel ---- */

Test(console, closed_pipe_fails_the_batch_and_kills_nobody) {
    clew_export_report report;
    clew_exporter exporter;
    sigset_t before, after, pending;
    int ends[2];

    signal(SIGPIPE, SIG_DFL);
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    cr_assert_eq(pipe(ends), 0);
    close(ends[0]);
    exporter = clew_exporter_console(ends[1]);
    errno = 77;
    cr_expect_eq(test_export(&exporter, &plain, 1, &report), CLEW_EXPORT_FAILED);
    cr_expect_eq(errno, 77);
    cr_expect_not_null(strstr(report.reason, "Broken pipe"), "%s", report.reason);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    sigpending(&pending);
    cr_expect_eq(sigismember(&after, SIGPIPE), sigismember(&before, SIGPIPE));
    cr_expect_eq(sigismember(&pending, SIGPIPE), 0);
    exporter.destroy(exporter.self);
    close(ends[1]);
    CLEW_NO_LEAKS();
}

Test(console, a_broken_pipe_of_the_host_stays_pending) {
    clew_export_report report;
    clew_exporter exporter;
    sigset_t set, pending;
    int ends[2];

    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    raise(SIGPIPE);
    cr_assert_eq(pipe(ends), 0);
    close(ends[0]);
    exporter = clew_exporter_console(ends[1]);
    cr_expect_eq(test_export(&exporter, &plain, 1, &report), CLEW_EXPORT_FAILED);
    sigpending(&pending);
    cr_expect_eq(sigismember(&pending, SIGPIPE), 1);
    exporter.destroy(exporter.self);
    close(ends[1]);
    CLEW_NO_LEAKS();
}

static void fill(int descriptor) {
    static const char filling[4096];
    int flags = fcntl(descriptor, F_GETFL);
    fcntl(descriptor, F_SETFL, flags | O_NONBLOCK);
    while (write(descriptor, filling, sizeof filling) > 0)
        continue;
    while (write(descriptor, filling, 1) > 0)
        continue;
    fcntl(descriptor, F_SETFL, flags);
}

Test(console, a_pipe_that_nobody_reads_does_not_hold_the_host) {
    clew_export_report report;
    clew_exporter exporter;
    uint64_t begun;
    int ends[2];

    cr_assert_eq(pipe(ends), 0);
    fill(ends[1]);
    exporter = clew_exporter_console(ends[1]);
    begun = clew__monotonic_nano();
    for (int i = 0; i < 1000; i++) /* only the first waits at all */
        cr_assert_eq(test_export(&exporter, &plain, 1, &report), CLEW_EXPORT_FAILED);
    cr_expect_lt(clew__monotonic_nano() - begun, STALL_LIMIT_NANO);
    cr_expect_not_null(strstr(report.reason, "timed out"), "%s", report.reason);
    exporter.destroy(exporter.self);
    close(ends[0]);
    close(ends[1]);
    CLEW_NO_LEAKS();
}

Test(console, a_pipe_that_is_read_again_is_written_again) {
    static char sink[1 << 20];
    clew_export_report report;
    clew_exporter exporter;
    int ends[2];

    cr_assert_eq(pipe(ends), 0);
    fill(ends[1]);
    exporter = clew_exporter_console(ends[1]);
    cr_expect_eq(test_export(&exporter, &plain, 1, &report), CLEW_EXPORT_FAILED);
    cr_assert_gt(read(ends[0], sink, sizeof sink), 0);
    cr_expect_eq(test_export(&exporter, &plain, 1, &report), CLEW_EXPORT_DELIVERED);
    exporter.destroy(exporter.self);
    close(ends[0]);
    close(ends[1]);
    CLEW_NO_LEAKS();
}

Test(console, a_closed_descriptor_fails_the_batch) {
    clew_export_report report;
    clew_exporter exporter = clew_exporter_console(987);
    cr_expect_eq(test_export(&exporter, &plain, 1, &report), CLEW_EXPORT_FAILED);
    cr_expect_not_null(strstr(report.reason, "descriptor 987"), "%s", report.reason);
    exporter.destroy(exporter.self);
    CLEW_NO_LEAKS();
}

Test(console, fails_the_batch_when_the_budget_is_used_up) {
    uint64_t taken = clew__budget_limit() - clew__budget_used();
    clew_export_report report;
    clew_exporter exporter = clew_exporter_console(STDERR_FILENO);
    cr_assert(clew_budget_take(taken));
    cr_expect_eq(test_export(&exporter, &plain, 1, &report), CLEW_EXPORT_FAILED);
    cr_expect_not_null(strstr(report.reason, "memory"), "%s", report.reason);
    clew_budget_give(taken);
    exporter.destroy(exporter.self);
    cr_expect_eq(clew__budget_used(), 0);
    CLEW_NO_LEAKS();
}

Test(console, gives_back_all_that_it_charged) {
    clew_export_report report;
    clew_exporter exporter = clew_exporter_console(open("/dev/null", O_WRONLY));
    cr_expect_eq(test_export(&exporter, &plain, 1, &report), CLEW_EXPORT_DELIVERED);
    cr_expect_gt(clew__budget_used(), 0);
    exporter.destroy(exporter.self);
    cr_expect_eq(clew__budget_used(), 0);
    CLEW_NO_LEAKS();
}

Test(console, is_local) {
    clew_exporter exporter = clew_exporter_console(STDERR_FILENO);
    cr_expect_eq(exporter.flags, CLEW_EXPORTER_LOCAL);
    cr_expect_eq(exporter.struct_size, sizeof exporter);
    exporter.destroy(exporter.self);
    CLEW_NO_LEAKS();
}
