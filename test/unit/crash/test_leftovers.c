/* What dead processes left: what is found, what counts, and a host that closes descriptors behind our back.
 */
#include "sdk/base/clock.h"
#include "sdk/crash/crash.h"
#include "sdk/crash/crash_layout.h"
#include "sdk/crash/leftovers.h"
#include "sdk/pipeline/chunk.h"
#include "test/support.h"

#include <clew/diagnostics.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIRST_DESCRIPTOR 3
#define DESCRIPTORS 64 /* more than a test has open */

static char directory[64];

static void make_directory(void) {
    strcpy(directory, "/tmp/clew-test-XXXXXX");
    cr_assert(mkdtemp(directory));
    clew_set_log_level(CLEW_LOG_NONE);
}

static unsigned files(void) {
    DIR *listing = opendir(directory);
    unsigned count = 0;
    for (struct dirent *entry; (entry = readdir(listing)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(listing);
    return count;
}

static void remove_directory(void) {
    DIR *listing = opendir(directory);
    for (struct dirent *entry; (entry = readdir(listing)) != NULL;)
        unlinkat(dirfd(listing), entry->d_name, 0);
    closedir(listing);
    cr_expect_eq(rmdir(directory), 0);
}

TestSuite(leftovers, .init = make_directory, .fini = remove_directory);

/* A file with two spans, in blocks of their own, of nobody who lives. */
static void leave_file(void) {
    static struct clew__origin origin;
    static struct clew__scope scope;
    static const uint8_t span[] = {10, 16, 1,  2,  3,  4, 5, 6, 7, 8, 9, 10, 11, 12,
                                   13, 14, 15, 16, 18, 8, 1, 2, 3, 4, 5, 6,  7,  8};
    struct clew__crash *crash = clew__crash_new(directory, CLEW__CRASH_BYTES_LEAST, &origin);
    cr_assert(crash);
    for (int i = 0; i < 2; i++) {
        struct clew__chunk *chunk = clew__chunk_new(crash, CLEW__CHUNK_SMALL);
        clew__chunk_append(chunk, &scope, span, sizeof span);
        chunk->is_kept = true;
        clew__chunk_free(chunk);
    }
    clew__crash_retire(crash);
    clew__origin_fini(&origin);
}

static void leave_bytes(const char *name, const void *bytes, size_t size) {
    char path[128];
    int descriptor;
    snprintf(path, sizeof path, "%s/clew-%s.crash", directory, name);
    descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    cr_assert_eq(write(descriptor, bytes, size), (ssize_t)size);
    close(descriptor);
}

static size_t send_all(struct clew__leftovers *leftovers) {
    uint64_t wake = UINT64_MAX;
    size_t total = 0, spans;
    clew_bytes request;
    while (clew__leftovers_next(leftovers, clew__monotonic_nano(), &request, &spans, &wake)) {
        total += spans;
        clew__leftovers_concluded(leftovers, spans, true);
    }
    cr_expect_eq(wake, UINT64_MAX);
    return total;
}

Test(leftovers, all_spans_come_and_the_file_goes) {
    struct clew__leftovers *leftovers;
    leave_file();
    leftovers = clew__leftovers_find(directory);
    cr_assert(leftovers);
    cr_expect_null(clew__leftovers_find(directory), "they are locked");
    cr_expect_eq(send_all(leftovers), 2);
    clew__leftovers_free(leftovers);
    cr_expect_eq(files(), 0);
    CLEW_NO_LEAKS();
}

Test(leftovers, what_is_not_delivered_waits_and_stays) {
    struct clew__leftovers *leftovers;
    uint64_t now = clew__monotonic_nano(), wake = UINT64_MAX;
    clew_bytes request;
    size_t spans;
    leave_file();
    leftovers = clew__leftovers_find(directory);
    cr_assert(clew__leftovers_next(leftovers, now, &request, &spans, &wake));
    clew__leftovers_concluded(leftovers, spans, false);
    cr_expect_not(clew__leftovers_next(leftovers, now, &request, &spans, &wake));
    cr_assert_lt(wake, UINT64_MAX);
    cr_expect(clew__leftovers_next(leftovers, wake, &request, &spans, &wake), "after the pause");
    clew__leftovers_free(leftovers);
    cr_expect_eq(files(), 1);
    CLEW_NO_LEAKS();
}

Test(leftovers, files_of_other_versions_are_left_alone_and_push_out_none) {
    struct clew__crash_header header = {
        CLEW__CRASH_MAGIC, CLEW__CRASH_VERSION + 1, CLEW__CRASH_BYTE_ORDER, CLEW__CRASH_PAGE, 64, 2, 1, 1};
    struct clew__leftovers *leftovers;
    char name[32];
    leave_file();
    for (int i = 0; i < CLEW__LEFTOVERS_MAX; i++) {
        snprintf(name, sizeof name, "foreign-%d", i);
        leave_bytes(name, &header, sizeof header);
    }
    leave_bytes("no-crash-file", "something else that is larger than a header, and none of ours",
                sizeof header);
    leftovers = clew__leftovers_find(directory);
    cr_assert(leftovers);
    cr_expect_eq(send_all(leftovers), 2);
    clew__leftovers_free(leftovers);
    cr_expect_eq(files(), CLEW__LEFTOVERS_MAX + 1);
    CLEW_NO_LEAKS();
}

Test(leftovers, files_in_which_nothing_was_written_are_removed) {
    static const char zeros[2 * CLEW__CRASH_PAGE];
    leave_bytes("empty", zeros, 0);
    leave_bytes("fresh", zeros, sizeof zeros);
    cr_expect_null(clew__leftovers_find(directory));
    cr_expect_eq(files(), 0);
    CLEW_NO_LEAKS();
}

/* As daemons do; then a file of the host's takes each number. */
static bool replace_descriptors(int host) {
    for (int i = FIRST_DESCRIPTOR; i < DESCRIPTORS; i++)
        if (dup2(host, i) != i)
            return false;
    return true;
}

static bool has_descriptors(void) {
    for (int i = FIRST_DESCRIPTOR; i < DESCRIPTORS; i++)
        if (fcntl(i, F_GETFD) < 0)
            return false;
    return true;
}

/* Sends half of a file, then the host takes all descriptors. Returns what went wrong. */
static int lose_descriptors(int host) {
    uint64_t wake = UINT64_MAX;
    struct clew__leftovers *leftovers = clew__leftovers_find(directory);
    clew_bytes request;
    size_t spans;
    if (!leftovers || !clew__leftovers_next(leftovers, clew__monotonic_nano(), &request, &spans, &wake))
        return 1;
    if (!replace_descriptors(host))
        return 2;
    clew__leftovers_concluded(leftovers, spans, true);
    if (clew__leftovers_next(leftovers, clew__monotonic_nano(), &request, &spans, &wake))
        return 3;
    clew__leftovers_free(leftovers);
    return has_descriptors() ? 0 : 4;
}

/* In a process of its own: the test's has descriptors that it needs. */
Test(leftovers, descriptors_that_the_host_took_are_neither_written_nor_closed) {
    static const char content[] = "precious";
    char path[] = "/tmp/clew-test-XXXXXX", found[3 * CLEW__CRASH_PAGE] = {0};
    struct clew__leftovers *leftovers;
    int host = mkstemp(path), status = -1;
    pid_t child;
    cr_assert_eq(write(host, content, sizeof content), (ssize_t)sizeof content);
    leave_file();
    leave_file();
    child = fork();
    if (child == 0)
        _exit(lose_descriptors(fcntl(host, F_DUPFD, DESCRIPTORS)));
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_expect_eq(status, 0, "%#x", (unsigned)status);
    cr_expect_eq(pread(host, found, sizeof found, 0), (ssize_t)sizeof content, "the host's file has grown");
    cr_expect_str_eq(found, content);
    cr_expect_eq(files(), 2, "what is left of them is for the next start");
    leftovers = clew__leftovers_find(directory);
    cr_assert(leftovers);
    cr_expect_eq(send_all(leftovers), 4);
    clew__leftovers_free(leftovers);
    close(host);
    unlink(path);
    CLEW_NO_LEAKS();
}

Test(leftovers, more_than_the_limit_lose_the_oldest) {
    struct clew__leftovers *leftovers;
    for (int i = 0; i < CLEW__LEFTOVERS_MAX + 3; i++)
        leave_file();
    leftovers = clew__leftovers_find(directory);
    cr_expect_eq(files(), CLEW__LEFTOVERS_MAX);
    cr_expect_eq(send_all(leftovers), 2 * CLEW__LEFTOVERS_MAX);
    clew__leftovers_free(leftovers);
    cr_expect_eq(files(), 0);
    CLEW_NO_LEAKS();
}
