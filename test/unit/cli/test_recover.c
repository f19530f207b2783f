/* The command `recover`. */
#include "collector-bridge/cli/command.h"
#include "sdk/crash/crash.h"
#include "sdk/crash/crash_file.h"
#include "sdk/pipeline/chunk.h"
#include "test/support.h"

#include <clew/diagnostics.h>

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SPANS = 600 };

static char directory[64], path[PATH_MAX], output[PATH_MAX];
static struct clew__origin origin;

static void append_spans(struct clew__crash *crash) {
    static struct clew__scope scope;
    uint8_t span[] = {10, 16, 1,  2,  3,  4, 5, 6, 7, 8, 9, 10, 11, 12,
                      13, 14, 15, 16, 18, 8, 1, 2, 3, 4, 5, 6,  7,  8};
    for (int i = 0; i < SPANS; i += 100) {
        struct clew__chunk *chunk = clew__chunk_new(crash, CLEW__CHUNK_LARGE);
        chunk->credits = 100;
        for (int k = 0; k < 100; k++)
            clew__chunk_append(chunk, &scope, span, sizeof span);
    }
}

static void find_file(void) {
    DIR *listing = opendir(directory);
    for (struct dirent *entry; (entry = readdir(listing)) != NULL;)
        if (clew__crash_is_name(entry->d_name))
            snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
    closedir(listing);
}

/* A process that dies with spans. */
static void make_file(void) {
    pid_t child;
    strcpy(directory, "/tmp/clew-test-XXXXXX");
    cr_assert(mkdtemp(directory));
    snprintf(output, sizeof output, "%s/out.jsonl", directory);
    child = fork();
    if (child == 0) {
        struct clew__crash *crash = clew__crash_new(directory, CLEW__CRASH_BYTES_LEAST, &origin);
        if (crash)
            append_spans(crash);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    find_file();
    clew_set_log_level(CLEW_LOG_NONE);
    if (!freopen("/dev/null", "w", stderr))
        cr_assert(false);
}

static void remove_files(void) {
    unlink(path);
    unlink(output);
    cr_expect_eq(rmdir(directory), 0);
}

TestSuite(recover, .init = make_file, .fini = remove_files);

static int run(const char *first, const char *second, const char *third, const char *fourth) {
    char *arguments[] = {"recover", (char *)(uintptr_t)first, (char *)(uintptr_t)second,
                         (char *)(uintptr_t)third, (char *)(uintptr_t)fourth};
    int count = 1;
    while (count < 5 && arguments[count])
        count++;
    return clew__command_recover(count, arguments);
}

static int count_in_output(const char *what) {
    static char text[1 << 20];
    FILE *file = fopen(output, "r");
    int count = 0;
    size_t size = file ? fread(text, 1, sizeof text - 1, file) : 0;
    text[size] = '\0';
    if (file)
        fclose(file);
    for (const char *at = text; (at = strstr(at, what)) != NULL; at++)
        count++;
    return count;
}

Test(recover, writes_lines_and_removes_the_file) {
    cr_expect_eq(run("-o", output, path, NULL), CLEW__EXIT_OK);
    cr_expect_eq(count_in_output("\"spanId\""), SPANS);
    cr_expect_eq(count_in_output("\"clew.recovered\""), SPANS);
    cr_expect_neq(access(path, F_OK), 0, "the file is still there");
}

Test(recover, keeps_the_file_when_asked_to) {
    cr_expect_eq(run("--keep", "-o", output, path), CLEW__EXIT_OK);
    cr_expect_eq(run("--keep", "-o", output, path), CLEW__EXIT_OK);
    cr_expect_eq(count_in_output("\"spanId\""), 2 * SPANS, "each time all of it");
    cr_expect_eq(access(path, F_OK), 0);
}

Test(recover, what_cannot_be_delivered_stays) {
    setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "100", 1);
    cr_expect_eq(run("--endpoint", "http://127.0.0.1:1/v1/traces", path, NULL), CLEW__EXIT_DELIVERY);
    cr_expect_eq(run("-o", output, path, NULL), CLEW__EXIT_OK);
    cr_expect_eq(count_in_output("\"spanId\""), SPANS);
}

Test(recover, file_of_a_living_process_is_refused) {
    struct clew__crash *crash;
    unlink(path);
    crash = clew__crash_new(directory, CLEW__CRASH_BYTES_LEAST, &origin);
    find_file();
    cr_expect_eq(run("-o", output, path, NULL), CLEW__EXIT_INPUT);
    cr_expect_eq(access(path, F_OK), 0);
    clew__crash_retire(crash);
}

Test(recover, other_files_are_refused_and_left_alone) {
    FILE *file = fopen(output, "w");
    fputs("not a crash file, but long enough to have a header of one in front of it", file);
    fclose(file);
    cr_expect_eq(run("-o", "/dev/null", output, NULL), CLEW__EXIT_INPUT);
    cr_expect_eq(access(output, F_OK), 0);
    cr_expect_eq(run("-o", "/dev/null", "/no/such/file", NULL), CLEW__EXIT_INPUT);
    cr_expect_eq(run("-o", "/dev/null", directory, NULL), CLEW__EXIT_INPUT);
}

/* What the command says of a file that it does not open. */
static bool says(const char *file, const char *what) {
    char said[512] = "", name[] = "/tmp/clew-test-XXXXXX";
    int messages = mkstemp(name);
    cr_assert(messages >= 0 && freopen(name, "w", stderr));
    cr_expect_eq(run("-o", output, file, NULL), CLEW__EXIT_INPUT);
    fflush(stderr);
    cr_expect(pread(messages, said, sizeof said - 1, 0) > 0);
    close(messages);
    unlink(name);
    return strstr(said, what) != NULL;
}

Test(recover, what_is_no_file_is_named) {
    char link[] = "/tmp/clew-test-XXXXXX";
    cr_assert(mkdtemp(link) && rmdir(link) == 0 && symlink(path, link) == 0);
    cr_expect(says(link, "a symbolic link; name the file itself"));
    cr_expect(says("/dev/null", "not a file"));
    cr_expect(says("/no/such/file", "No such file or directory"));
    unlink(link);
}

Test(recover, one_bad_file_does_not_keep_the_others) {
    cr_expect_eq(run("-o", output, "/no/such/file", path), CLEW__EXIT_INPUT);
    cr_expect_eq(count_in_output("\"spanId\""), SPANS);
}

Test(recover, wrong_endpoint_sends_nothing_anywhere) {
    cr_expect_eq(run("--endpoint", "collector:4318", path, NULL), CLEW__EXIT_USAGE);
    cr_expect_eq(run("--endpoint", "", path, NULL), CLEW__EXIT_USAGE);
    setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", 1);
    cr_expect_eq(run("--endpoint", "collector:99999", path, NULL), CLEW__EXIT_USAGE);
    setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "100", 1);
    cr_expect_eq(run("--endpoint", "127.0.0.1:1", path, NULL), CLEW__EXIT_DELIVERY, "gRPC needs no scheme");
}

Test(recover, wrong_usage_is_told) {
    cr_expect_eq(run(NULL, NULL, NULL, NULL), CLEW__EXIT_USAGE);
    cr_expect_eq(run("--no-such-option", path, NULL, NULL), CLEW__EXIT_USAGE);
    cr_expect_eq(run("-o", NULL, NULL, NULL), CLEW__EXIT_USAGE);
    cr_expect_eq(run("--endpoint=x", "-o", output, path), CLEW__EXIT_USAGE);
    cr_expect_eq(run("--help", NULL, NULL, NULL), CLEW__EXIT_OK);
    cr_expect_eq(access(path, F_OK), 0);
}
