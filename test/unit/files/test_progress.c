/* The line that tells how far a file is read. */
#include "collector-bridge/files/progress.h"
#include "test/support.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define SECOND UINT64_C(1000000000)
#define MIB ((uint64_t)1 << 20)

static void assert_text(uint64_t done, uint64_t total, const char *expected) {
    char text[80];
    clew__progress_text(text, sizeof text, "f", done, total);
    cr_assert_str_eq(text, expected);
}

Test(progress, text_has_three_digits_that_count) {
    assert_text(345000000, 1020000000, "f: 345 MB of 1.02 GB, 33%");
    assert_text(0, 5, "f: 0 B of 5 B, 0%");
    assert_text(999, 999, "f: 999 B of 999 B, 100%");
    assert_text(999499, 999500, "f: 999 kB of 1.00 MB, 99%");
    assert_text(12345678, 0, "f: 12.3 MB");
    assert_text(UINT64_MAX, 0, "f: 18.4 EB");
    assert_text(10, 5, "f: 10 B of 5 B, 100%"); /* a file that grows */
    CLEW_NO_LEAKS();
}

Test(progress, nothing_is_shown_where_there_is_no_terminal) {
    struct clew__progress progress;
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    clew__progress_begin(&progress, out, "f", -1, 0);
    clew__progress_tell(&progress, 1000 * MIB, 10 * SECOND);
    clew__progress_clear(&progress);
    fclose(out);
    cr_assert_eq(size, 0);
    free(text);
    out = tmpfile();
    clew__progress_begin(&progress, out, "f", -1, 0);
    clew__progress_tell(&progress, 1000 * MIB, 10 * SECOND);
    cr_assert_eq(ftell(out), 0);
    fclose(out);
    CLEW_NO_LEAKS();
}

/* A terminal, and what was written to it. */
struct terminal {
    int master;
    FILE *out;
};

static struct terminal open_terminal(void) {
    struct terminal terminal = {.master = posix_openpt(O_RDWR | O_NOCTTY)};
    struct termios raw;
    cr_assert_geq(terminal.master, 0);
    cr_assert_eq(grantpt(terminal.master), 0);
    cr_assert_eq(unlockpt(terminal.master), 0);
    terminal.out = fdopen(open(ptsname(terminal.master), O_RDWR | O_NOCTTY), "r+");
    cr_assert_not_null(terminal.out);
    cr_assert_eq(tcgetattr(fileno(terminal.out), &raw), 0);
    cfmakeraw(&raw);
    cr_assert_eq(tcsetattr(fileno(terminal.out), TCSANOW, &raw), 0);
    cr_assert_eq(fcntl(terminal.master, F_SETFL, O_NONBLOCK), 0);
    return terminal;
}

static void assert_shows(struct terminal *terminal, const char *expected) {
    char got[256];
    ssize_t size;
    fflush(terminal->out);
    size = read(terminal->master, got, sizeof got - 1);
    got[size > 0 ? size : 0] = 0;
    cr_assert_str_eq(got, expected);
}

static void close_terminal(struct terminal *terminal) {
    fclose(terminal->out);
    close(terminal->master);
}

Test(progress, terminal_shows_one_line_that_goes_away) {
    struct terminal terminal = open_terminal();
    struct clew__progress progress;
    clew__progress_begin(&progress, terminal.out, "f", -1, 5 * SECOND);
    clew__progress_tell(&progress, MIB, 6 * SECOND);
    assert_shows(&terminal, "\r\033[Kf: 1.05 MB");
    clew__progress_tell(&progress, 2 * MIB, 6 * SECOND + 1);
    assert_shows(&terminal, "");
    clew__progress_tell(&progress, 3 * MIB, 7 * SECOND);
    assert_shows(&terminal, "\r\033[Kf: 3.15 MB");
    clew__progress_clear(&progress);
    assert_shows(&terminal, "\r\033[K");
    clew__progress_clear(&progress);
    assert_shows(&terminal, "");
    close_terminal(&terminal);
    CLEW_NO_LEAKS();
}

Test(progress, files_that_are_read_at_once_show_nothing) {
    struct terminal terminal = open_terminal();
    struct clew__progress progress;
    clew__progress_begin(&progress, terminal.out, "f", -1, 0);
    clew__progress_tell(&progress, 64 * MIB - 1, SECOND - 1);
    clew__progress_clear(&progress);
    assert_shows(&terminal, "");
    clew__progress_tell(&progress, 64 * MIB, SECOND - 1);
    assert_shows(&terminal, "\r\033[Kf: 67.1 MB");
    close_terminal(&terminal);
    CLEW_NO_LEAKS();
}

Test(progress, size_of_a_file_is_its_total) {
    struct terminal terminal = open_terminal();
    struct clew__progress progress;
    FILE *file = tmpfile();
    fputs("0123456789", file);
    fflush(file);
    clew__progress_begin(&progress, terminal.out, "f", fileno(file), 0);
    clew__progress_tell(&progress, 5, SECOND);
    assert_shows(&terminal, "\r\033[Kf: 5 B of 10 B, 50%");
    fclose(file);
    close_terminal(&terminal);
    CLEW_NO_LEAKS();
}

Test(progress, long_name_shows_its_end) {
    struct terminal terminal = open_terminal();
    struct clew__progress progress;
    char name[200] = "";
    for (int i = 0; i < 19; i++)
        strcat(name, "/a-folder");
    strcat(name, "/spans.json");
    clew__progress_begin(&progress, terminal.out, name, -1, 0);
    clew__progress_tell(&progress, 5, SECOND);
    assert_shows(&terminal, "\r\033[Ker/a-folder/a-folder/a-folder/spans.json: 5 B");
    close_terminal(&terminal);
    CLEW_NO_LEAKS();
}
