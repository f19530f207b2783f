/* The owner's side of crash files: pages, their file, its end. What others find in one is in test_recover.c.
 */
#include "sdk/base/memory.h"
#include "sdk/crash/crash.h"
#include "sdk/crash/crash_file.h"
#include "sdk/crash/crash_layout.h"
#include "sdk/crash/recover.h"
#include "sdk/pipeline/chunk.h"
#include "test/support.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char directory[64];
static struct clew__origin origin;

static void make_directory(void) {
    strcpy(directory, "/tmp/clew-test-XXXXXX");
    cr_assert(mkdtemp(directory));
    clew_set_log_level(CLEW_LOG_NONE);
}

static void remove_directory(void) {
    cr_expect_eq(rmdir(directory), 0, "the directory is not empty");
}

TestSuite(crash, .init = make_directory, .fini = remove_directory);

/* The first crash file of the directory; false when there is none. */
static bool find_file(char path[PATH_MAX]) {
    DIR *listing = opendir(directory);
    bool found = false;
    for (struct dirent *entry; !found && (entry = readdir(listing)) != NULL;)
        if (clew__crash_is_name(entry->d_name)) {
            snprintf(path, PATH_MAX, "%s/%s", directory, entry->d_name);
            found = true;
        }
    closedir(listing);
    return found;
}

static struct clew__crash *open_crash(void) {
    struct clew__crash *crash = clew__crash_new(directory, CLEW__CRASH_BYTES_LEAST, &origin);
    cr_assert(crash);
    return crash;
}

static void close_crash(struct clew__crash *crash) {
    char path[PATH_MAX];
    clew__crash_retire(crash);
    cr_expect_not(find_file(path), "the file is still there");
    clew__origin_fini(&origin);
}

#define PAGES (CLEW__CRASH_BYTES_LEAST / CLEW__CRASH_PAGE)

Test(crash, chunks_fill_whole_pages) {
    struct clew__crash *crash = open_crash();
    struct clew__chunk *small = clew__chunk_new(crash, CLEW__CHUNK_SMALL);
    struct clew__chunk *large = clew__chunk_new(crash, CLEW__CHUNK_LARGE);
    cr_expect(small->capacity == CLEW__CHUNK_SMALL && small->block_size == CLEW__CRASH_PAGE);
    cr_expect(large->capacity == CLEW__CHUNK_LARGE && large->block_size == 4 * CLEW__CRASH_PAGE);
    cr_expect_eq(clew__chunk_block_size(crash, CLEW__CHUNK_LARGE), large->block_size);
    clew__chunk_free(small);
    clew__chunk_free(large);
    close_crash(crash);
}

Test(crash, full_file_gives_no_chunk_until_one_is_freed) {
    struct clew__crash *crash = open_crash();
    struct clew__chunk *chunks[PAGES], *more;
    size_t count = 0;
    while ((more = clew__chunk_new(crash, CLEW__CHUNK_SMALL)) != NULL)
        chunks[count++] = more;
    cr_expect_eq(count, PAGES - 3, "header, table and the resource take a page each");
    cr_expect_null(clew__chunk_new(crash, CLEW__CHUNK_SMALL));
    clew__chunk_free(chunks[7]);
    chunks[7] = clew__chunk_new(crash, CLEW__CHUNK_SMALL);
    cr_expect(chunks[7]);
    for (size_t i = 0; i < count; i += 2)
        clew__chunk_free(chunks[i]);
    cr_expect_null(clew__chunk_new(crash, CLEW__CHUNK_LARGE), "there are no four pages in a row");
    for (size_t i = 1; i < count; i += 2)
        clew__chunk_free(chunks[i]);
    more = clew__chunk_new(crash, CLEW__CHUNK_LARGE);
    cr_expect(more);
    clew__chunk_free(more);
    close_crash(crash);
}

Test(crash, chunk_that_can_never_fit_is_refused) {
    struct clew__crash *crash = open_crash();
    cr_expect_null(clew__chunk_new(crash, CLEW__CRASH_BYTES_LEAST));
    cr_expect_null(clew__chunk_new(crash, UINT32_MAX));
    close_crash(crash);
}

Test(crash, file_is_charged_to_the_budget_once) {
    uint64_t before = clew__budget_used();
    struct clew__crash *crash = open_crash();
    struct clew__chunk *chunk = clew__chunk_new(crash, CLEW__CHUNK_LARGE);
    cr_expect_eq(clew__budget_used() - before, CLEW__CRASH_BYTES_LEAST);
    clew__chunk_free(chunk);
    close_crash(crash);
    cr_expect_eq(clew__budget_used(), before);
    cr_expect_null(clew__crash_new(directory, UINT64_C(1) << 40, &origin), "larger than the limit");
    cr_expect_eq(clew__budget_used(), before);
}

Test(crash, file_goes_with_the_last_chunk) {
    char path[PATH_MAX];
    struct clew__crash *crash = open_crash();
    struct clew__chunk *chunk = clew__chunk_new(crash, CLEW__CHUNK_SMALL);
    clew__crash_retire(crash);
    cr_expect_null(clew__chunk_new(crash, CLEW__CHUNK_SMALL), "retired");
    cr_expect(find_file(path));
    clew__chunk_free(chunk);
    cr_expect_not(find_file(path));
    clew__origin_fini(&origin);
}

Test(crash, file_is_nobody_elses_business) {
    struct stat status;
    char path[PATH_MAX];
    struct clew__descriptor found;
    uint32_t pid;
    struct clew__crash *crash = open_crash();
    cr_assert(find_file(path));
    cr_assert_eq(stat(path, &status), 0);
    cr_expect_eq(status.st_mode & 07777, 0600);
    cr_expect_eq((uint64_t)status.st_size, CLEW__CRASH_BYTES_LEAST);
    cr_expect(status.st_blocks * 512 >= status.st_size, "its room is there before it is needed");
    cr_expect_eq(clew__crash_open(AT_FDCWD, path, &found, &pid), CLEW__CRASH_ALIVE);
    cr_expect_eq(pid, (uint32_t)getpid());
    close_crash(crash);
}

Test(crash, what_is_kept_is_found) {
    static struct clew__scope scope;
    static const uint8_t span[] = {10, 16, 1,  2,  3,  4, 5, 6, 7, 8, 9, 10, 11, 12,
                                   13, 14, 15, 16, 18, 8, 1, 2, 3, 4, 5, 6,  7,  8};
    struct clew__recovery *recovery = NULL;
    struct clew__crash *crash = open_crash();
    struct clew__chunk *chunk = clew__chunk_new(crash, CLEW__CHUNK_SMALL);
    char path[PATH_MAX];
    clew_bytes request;
    struct clew__descriptor found;
    uint32_t pid;
    size_t spans;
    bool failed;
    chunk->credits = 2;
    clew__chunk_append(chunk, &scope, span, sizeof span);
    clew__chunk_append(chunk, &scope, span, sizeof span);
    chunk->is_kept = true;
    clew__chunk_free(chunk);
    clew__crash_retire(crash);
    cr_assert(find_file(path));
    cr_assert_eq(clew__crash_open(AT_FDCWD, path, &found, &pid), CLEW__CRASH_DEAD);
    cr_assert_eq(clew__recovery_open(found.fd, &recovery), CLEW__RECOVERY_OK);
    cr_expect(clew__recovery_next(recovery, 4096, 10, &request, &spans, &failed));
    cr_expect_eq(spans, 2);
    clew__recovery_free(recovery);
    clew__crash_remove(AT_FDCWD, path, &found);
    clew__descriptor_close(&found);
    clew__origin_fini(&origin);
}

/* Beyond the limit the kernel would kill the process. */
Test(crash, limit_of_file_sizes_is_seen_before) {
    struct rlimit limit = {CLEW__CRASH_BYTES_LEAST - 1, CLEW__CRASH_BYTES_LEAST - 1};
    pid_t child = fork();
    int status = -1;
    if (child == 0) {
        setrlimit(RLIMIT_FSIZE, &limit);
        _exit(clew__crash_new(directory, CLEW__CRASH_BYTES_LEAST, &origin) == NULL ? 0 : 1);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_expect_eq(status, 0);
}

Test(crash, names_say_whose_spans_they_are) {
    static const clew_attribute name = {"service.name",
                                        {CLEW_TYPE_STRING, 14, {.string = "../check out\x01"}}};
    char path[PATH_MAX];
    struct clew__crash *crash;
    origin.resource = clew_resource_new(&name, 1, NULL);
    crash = open_crash();
    cr_assert(find_file(path));
    cr_expect(strstr(path, "/clew-_._check_out_"), "%s", path);
    close_crash(crash);
}

/* In a process of its own: the test's has descriptors that it needs. */
Test(crash, file_is_removed_though_the_program_closed_its_descriptor) {
    struct clew__crash *crash;
    char path[PATH_MAX];
    pid_t child = fork();
    int status = -1;
    if (child == 0) {
        crash = clew__crash_new(directory, CLEW__CRASH_BYTES_LEAST, &origin);
        if (!crash || !find_file(path))
            _exit(1);
        for (int i = 3; i < 64; i++)
            close(i);
        clew__crash_retire(crash);
        _exit(find_file(path) ? 2 : 0);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_expect_eq(status, 0);
}

Test(crash, relative_directory_is_where_the_program_started) {
    char before[PATH_MAX], path[PATH_MAX], elsewhere[] = "/tmp/clew-test-XXXXXX";
    struct clew__crash *crash;
    cr_assert(getcwd(before, sizeof before) && mkdtemp(elsewhere));
    cr_assert_eq(chdir("/tmp"), 0);
    crash = clew__crash_new(directory + strlen("/tmp/"), CLEW__CRASH_BYTES_LEAST, &origin);
    cr_assert(crash && find_file(path));
    cr_assert_eq(chdir(elsewhere), 0);
    close_crash(crash);
    cr_expect_eq(rmdir(elsewhere), 0, "something was made there");
    cr_expect_eq(chdir(before), 0);
}

Test(crash, directory_that_is_gone_is_not_made_again) {
    struct clew__crash *crash = open_crash();
    char path[PATH_MAX];
    cr_assert(find_file(path));
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(rmdir(directory), 0);
    clew__crash_retire(crash);
    clew__origin_fini(&origin);
    cr_expect_eq(mkdir(directory, 0700), 0, "it is there again");
}

/* At an exit, of a chunk whose spans go in three parts. */
Test(crash, chunk_of_which_a_part_was_not_delivered_is_kept_whole) {
    static struct clew__scope scope;
    static const uint8_t span[] = {10, 2, 1, 2};
    struct clew__crash *crash = open_crash();
    struct clew__chunk *chunk = clew__chunk_new(crash, CLEW__CHUNK_SMALL);
    struct clew__records *records = chunk->records;
    struct clew__record record;
    char path[PATH_MAX];
    clew__crash_keep_undelivered();
    for (int i = 0; i < 4; i++)
        clew__chunk_append(chunk, &scope, span, sizeof span);
    clew__chunk_record(chunk, chunk->begin, &record, &chunk->begin);
    clew__chunk_settle(chunk);
    cr_expect_eq(records->begin, chunk->begin, "the first one was delivered");
    clew__chunk_record(chunk, chunk->begin, &record, &chunk->begin);
    clew__chunk_lose_read(chunk);
    clew__chunk_record(chunk, chunk->begin, &record, &chunk->begin);
    clew__chunk_settle(chunk);
    cr_expect_lt(records->begin, chunk->begin, "the second one was not");
    clew__chunk_free(chunk);
    clew__crash_retire(crash);
    cr_expect(find_file(path), "the third one's delivery has removed the file");
    unlink(path);
    clew__origin_fini(&origin);
}
