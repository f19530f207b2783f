/* The OTLP file exporter. */
#include <clew/diagnostics.h>

#include "proto/json.h"
#include "sdk/base/memory.h"
#include "test/support.h"
#include "test/unit/exporters/request.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct test_span plain = {.name = "plain", .id = 1, .start = 1000};
static char folder[64];
static char path[128];

static void make_folder(void) {
    strcpy(folder, "/tmp/clew-otlp-file-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/spans.jsonl", folder);
}

static void remove_folder(void) {
    unlink(path);
    rmdir(folder);
    CLEW_NO_LEAKS();
}

TestSuite(otlp_file, .init = make_folder, .fini = remove_folder);

static clew_exporter open_exporter(const char *file) {
    clew_exporter exporter = {0};
    cr_assert_eq(clew_exporter_otlp_file(file, &exporter), CLEW_OK);
    return exporter;
}

static clew_export_outcome export_plain(const clew_exporter *exporter) {
    clew_export_report report;
    return test_export(exporter, &plain, 1, &report);
}

struct tally {
    unsigned good, bad;
};

/* Counts the lines of a file that are TracesData, and the others. */
static struct tally read_lines(void) {
    FILE *file = fopen(path, "r");
    struct tally tally = {0, 0};
    size_t capacity = 0;
    char *line = NULL;
    ssize_t size;

    cr_assert_not_null(file);
    while ((size = getline(&line, &capacity, file)) > 0) {
        struct clew__writer traces = clew__buffer_plain();
        struct clew__json_fault fault;
        bool ends = line[size - 1] == '\n';
        size_t length = (size_t)size - ends;
        bool good = ends && clew__json_read_traces(&traces, line, length, &fault) == length;
        tally.good += good;
        tally.bad += !good;
        clew__buffer_fini(&traces);
    }
    free(line);
    fclose(file);
    return tally;
}

Test(otlp_file, writes_one_line_a_batch) {
    static const struct test_span two[] = {{.name = "a", .id = 1}, {.name = "b", .id = 2, .parent = 1}};
    clew_exporter exporter = open_exporter(path);
    clew_export_report report;
    cr_expect_eq(test_export(&exporter, two, 2, &report), CLEW_EXPORT_DELIVERED);
    cr_expect_eq(export_plain(&exporter), CLEW_EXPORT_DELIVERED);
    exporter.destroy(exporter.self);
    cr_expect_eq(read_lines().good, 2);
    cr_expect_eq(read_lines().bad, 0);
}

Test(otlp_file, the_line_has_the_spans_of_the_batch) {
    clew_exporter exporter = open_exporter(path);
    struct clew__writer request = clew__buffer_plain(), traces = clew__buffer_plain();
    clew_export_report report = {0};
    struct clew__json_fault fault;
    clew_batch_cursor cursor;
    clew_span_view view;
    struct clew_batch batch;
    char line[8192];
    FILE *file;

    test_write_rich_request(&request);
    batch = test_batch(&request, 1);
    cr_expect_eq(exporter.export_batch(exporter.self, &batch, 0, &report), CLEW_EXPORT_DELIVERED);
    file = fopen(path, "r");
    cr_assert_not_null(fgets(line, sizeof line, file));
    fclose(file);
    cr_assert_gt(clew__json_read_traces(&traces, line, strlen(line), &fault), 0);
    cursor = clew_request_begin((clew_bytes){traces.data, traces.size});
    cr_assert(clew_batch_next(&cursor, &view));
    cr_expect_eq(clew_span_view_data(&view).attribute_count, 7);
    cr_expect_eq(strncmp(clew_span_view_data(&view).name.data, "charge card", 11), 0);
    exporter.destroy(exporter.self);
    clew__buffer_fini(&request);
    clew__buffer_fini(&traces);
}

Test(otlp_file, appends_to_what_is_there_and_creates_it_private) {
    clew_exporter exporter;
    struct stat status;
    umask(0);
    for (int i = 0; i < 2; i++) {
        exporter = open_exporter(path);
        cr_expect_eq(export_plain(&exporter), CLEW_EXPORT_DELIVERED);
        exporter.destroy(exporter.self);
    }
    cr_expect_eq(read_lines().good, 2);
    cr_assert_eq(stat(path, &status), 0);
    cr_expect_eq(status.st_mode & 0777, 0600);
}

/* ---- several processes ---- */

#define PROCESSES 2
#define BATCHES 500

static void write_many(const clew_exporter *exporter) {
    for (int i = 0; i < BATCHES; i++)
        if (export_plain(exporter) != CLEW_EXPORT_DELIVERED)
            _exit(1);
}

static void join_processes(void) {
    int status;
    for (int i = 0; i < PROCESSES; i++) {
        cr_assert_gt(wait(&status), 0);
        cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
}

Test(otlp_file, processes_that_open_one_file_share_it) {
    for (int i = 0; i < PROCESSES; i++) {
        if (fork() == 0) {
            clew_exporter exporter = open_exporter(path);
            write_many(&exporter);
            _exit(0);
        }
    }
    join_processes();
    cr_expect_eq(read_lines().good, PROCESSES * BATCHES);
    cr_expect_eq(read_lines().bad, 0);
}

Test(otlp_file, forked_processes_share_the_file_of_their_parent) {
    clew_exporter exporter = open_exporter(path);
    for (int i = 0; i < PROCESSES; i++) {
        if (fork() == 0) {
            exporter.forked(exporter.self);
            write_many(&exporter);
            _exit(0);
        }
    }
    join_processes();
    exporter.destroy(exporter.self);
    cr_expect_eq(read_lines().good, PROCESSES * BATCHES);
    cr_expect_eq(read_lines().bad, 0);
}

Test(otlp_file, a_stuck_lock_does_not_hold_the_host) {
    clew_exporter exporter = open_exporter(path);
    int other = open(path, O_RDONLY);
    cr_assert_eq(flock(other, LOCK_EX), 0);
    cr_expect_eq(export_plain(&exporter), CLEW_EXPORT_DELIVERED);
    cr_expect_eq(export_plain(&exporter), CLEW_EXPORT_DELIVERED);
    close(other);
    exporter.destroy(exporter.self);
    cr_expect_eq(read_lines().good, 2);
}

Test(otlp_file, the_lock_is_given_back) {
    clew_exporter exporter = open_exporter(path);
    int other = open(path, O_RDONLY);
    cr_expect_eq(export_plain(&exporter), CLEW_EXPORT_DELIVERED);
    cr_expect_eq(flock(other, LOCK_EX | LOCK_NB), 0);
    close(other);
    exporter.destroy(exporter.self);
}

/* ---- what goes wrong ---- */

static char message[512];

static void keep_message(void *user, clew_log_level level, const char *text) {
    (void)user;
    (void)level;
    snprintf(message, sizeof message, "%s", text);
}

Test(otlp_file, a_missing_directory_is_named) {
    clew_exporter exporter;
    clew_set_log_callback(keep_message, NULL);
    cr_expect_eq(clew_exporter_otlp_file("/no/such/place/spans.jsonl", &exporter), CLEW_EIO);
    cr_expect_not_null(strstr(message, "/no/such/place/spans.jsonl"), "%s", message);
    cr_expect_not_null(strstr(message, "No such file or directory"), "%s", message);
}

Test(otlp_file, a_directory_cannot_be_opened) {
    clew_exporter exporter;
    clew_set_log_callback(keep_message, NULL);
    cr_expect_eq(clew_exporter_otlp_file(folder, &exporter), CLEW_EIO);
    cr_expect_not_null(strstr(message, "Is a directory"), "%s", message);
}

Test(otlp_file, a_named_pipe_without_reader_does_not_hold_the_host) {
    clew_exporter exporter;
    clew_set_log_callback(keep_message, NULL);
    cr_assert_eq(mkfifo(path, 0600), 0);
    cr_expect_eq(clew_exporter_otlp_file(path, &exporter), CLEW_EIO);
}

Test(otlp_file, a_full_disk_fails_the_batch_and_says_so) {
    clew_exporter exporter = open_exporter("/dev/full");
    clew_export_report report;
    cr_expect_eq(test_export(&exporter, &plain, 1, &report), CLEW_EXPORT_FAILED);
    cr_expect_not_null(strstr(report.reason, "No space left on device"), "%s", report.reason);
    cr_expect_not_null(strstr(report.reason, "/dev/full"), "%s", report.reason);
    exporter.destroy(exporter.self);
}

/* The limit lets half a line in; the kernel's signal for it would kill. */
Test(otlp_file, a_line_cut_short_spoils_only_itself) {
    clew_exporter exporter = open_exporter(path);
    struct rlimit limit;
    struct stat status;
    struct tally tally;

    signal(SIGXFSZ, SIG_DFL);
    cr_expect_eq(export_plain(&exporter), CLEW_EXPORT_DELIVERED);
    cr_assert_eq(stat(path, &status), 0);
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = (rlim_t)status.st_size + 10;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    cr_expect_eq(export_plain(&exporter), CLEW_EXPORT_FAILED);
    limit.rlim_cur = limit.rlim_max;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    cr_expect_eq(export_plain(&exporter), CLEW_EXPORT_DELIVERED);
    exporter.destroy(exporter.self);
    tally = read_lines();
    cr_expect_eq(tally.good, 2);
    cr_expect_eq(tally.bad, 1);
}

Test(otlp_file, an_unfinished_line_of_another_process_is_ended) {
    clew_exporter exporter;
    int other = open(path, O_WRONLY | O_CREAT, 0600);
    cr_assert_eq(write(other, "{\"resourceSp", 12), 12);
    close(other);
    exporter = open_exporter(path);
    cr_expect_eq(export_plain(&exporter), CLEW_EXPORT_DELIVERED);
    exporter.destroy(exporter.self);
    cr_expect_eq(read_lines().good, 1);
    cr_expect_eq(read_lines().bad, 1);
}

Test(otlp_file, fails_the_batch_when_the_budget_is_used_up) {
    clew_exporter exporter = open_exporter(path);
    uint64_t taken = clew__budget_limit() - clew__budget_used();
    clew_export_report report;
    cr_assert(clew_budget_take(taken));
    cr_expect_eq(test_export(&exporter, &plain, 1, &report), CLEW_EXPORT_FAILED);
    cr_expect_not_null(strstr(report.reason, "memory"), "%s", report.reason);
    clew_budget_give(taken);
    cr_expect_eq(test_export(&exporter, &plain, 1, &report), CLEW_EXPORT_DELIVERED);
    exporter.destroy(exporter.self);
    cr_expect_eq(clew__budget_used(), 0);
    cr_expect_eq(read_lines().good, 1);
}

/* Programs that close all descriptors get the numbers for files of their own. */
Test(otlp_file, a_file_that_took_the_number_is_neither_written_to_nor_locked_nor_closed) {
    clew_exporter exporter = open_exporter(path);
    int probe = open("/dev/null", O_RDONLY), ours = probe - 1, other;
    clew_export_report report;
    char stranger[160];
    struct stat status;

    close(probe);
    snprintf(stranger, sizeof stranger, "%s/stranger", folder);
    close(ours);
    cr_assert_eq(other = open(stranger, O_RDWR | O_CREAT, 0600), ours);
    cr_assert_eq(write(other, "mine", 4), 4);
    cr_expect_eq(test_export(&exporter, &plain, 1, &report), CLEW_EXPORT_FAILED);
    cr_expect_not_null(strstr(report.reason, "Bad file descriptor"), "%s", report.reason);
    cr_expect_not_null(strstr(report.reason, path), "%s", report.reason);
    exporter.forked(exporter.self);
    cr_assert_eq(fstat(other, &status), 0);
    cr_expect_eq(status.st_size, 4);
    cr_expect_eq(fcntl(other, F_GETFL) & O_APPEND, 0, "the child opened it anew");
    exporter.destroy(exporter.self);
    cr_expect_neq(fcntl(other, F_GETFD), -1, "it was closed");
    close(other);
    unlink(stranger);
    cr_expect_eq(read_lines().good, 0);
}

Test(otlp_file, never_takes_the_place_of_a_closed_standard_stream) {
    clew_exporter exporter;
    close(STDIN_FILENO);
    exporter = open_exporter(path);
    cr_expect_eq(fcntl(STDIN_FILENO, F_GETFD), -1);
    cr_expect_eq(export_plain(&exporter), CLEW_EXPORT_DELIVERED);
    exporter.destroy(exporter.self);
    cr_expect_eq(read_lines().good, 1);
}

Test(otlp_file, a_dash_is_standard_output) {
    int file = open(path, O_WRONLY | O_CREAT, 0600);
    int before = dup(STDOUT_FILENO);
    clew_exporter exporter;
    dup2(file, STDOUT_FILENO);
    for (int i = 0; i < 2; i++) {
        exporter = open_exporter(i ? "-" : NULL);
        cr_expect_eq(export_plain(&exporter), CLEW_EXPORT_DELIVERED);
        exporter.destroy(exporter.self);
    }
    cr_expect_neq(fcntl(STDOUT_FILENO, F_GETFD), -1, "the host's stream was closed");
    dup2(before, STDOUT_FILENO);
    close(before);
    close(file);
    cr_expect_eq(read_lines().good, 2);
    cr_expect_eq(read_lines().bad, 0);
}

Test(otlp_file, wants_somewhere_to_put_the_exporter) {
    cr_expect_eq(clew_exporter_otlp_file(path, NULL), CLEW_EINVAL);
}
