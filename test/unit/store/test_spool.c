/* The store of a spool: what is said to be stored is there again, in order and whole; the quota holds;
 * damage, a disk that is full and a directory that is not usable cost what they cost and no more; the books
 * are exact. */
#include "collector-bridge/store/directory.h"
#include "collector-bridge/store/spool.h"
#include "sdk/base/memory.h"
#include "test/support.h"

#include <clew/extend.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define QUOTA (UINT64_C(64) << 20)
#define LATER (UINT64_C(3600) * 1000000000)

static char directory[64];

static void make_directory(void) {
    strcpy(directory, "/tmp/clew-spool-XXXXXX");
    cr_assert(mkdtemp(directory));
}

static void remove_directory(void) {
    DIR *stream = opendir(directory);
    const struct dirent *entry;
    while (stream && (entry = readdir(stream)) != NULL)
        unlinkat(dirfd(stream), entry->d_name, 0);
    if (stream)
        closedir(stream);
    rmdir(directory);
}

TestSuite(spool, .init = make_directory, .fini = remove_directory);

/* How many entries end so. */
static unsigned entries(const char *suffix) {
    DIR *stream = opendir(directory);
    const struct dirent *entry;
    unsigned count = 0;
    while ((entry = readdir(stream)) != NULL) {
        size_t size = strlen(entry->d_name), wanted = strlen(suffix);
        count += size > wanted && strcmp(entry->d_name + size - wanted, suffix) == 0;
    }
    closedir(stream);
    return count;
}

static void path_of(const char *suffix, char path[PATH_MAX]) {
    DIR *stream = opendir(directory);
    const struct dirent *entry;
    path[0] = '\0';
    while ((entry = readdir(stream)) != NULL) {
        size_t size = strlen(entry->d_name), wanted = strlen(suffix);
        if (size > wanted && strcmp(entry->d_name + size - wanted, suffix) == 0)
            snprintf(path, PATH_MAX, "%s/%s", directory, entry->d_name);
    }
    closedir(stream);
}

static struct clew__spool *open_spool(uint64_t quota) {
    struct clew__spool *spool = clew__spool_new(directory, quota);
    cr_assert(spool);
    clew__spool_tend(spool, clew_monotonic_nano());
    return spool;
}

static void close_spool_books(struct clew__spool *spool, clew_spool_stats *out) {
    clew__spool_close(spool);
    clew__spool_books(spool, out);
    clew__spool_free(spool);
}

static void close_spool(struct clew__spool *spool) {
    clew__spool_close(spool);
    clew__spool_free(spool);
}

/* The request of a batch says its number, and is filled up to its size. */
static uint8_t *request_of(unsigned number, size_t size) {
    uint8_t *request = malloc(size);
    cr_assert(request);
    for (size_t i = 0; i < size; i++)
        request[i] = (uint8_t)(i * 31 + number);
    memcpy(request, &number, sizeof number);
    return request;
}

static bool store_at(struct clew__spool *spool, unsigned number, size_t size, uint64_t spans, uint64_t now) {
    uint8_t *request = request_of(number, size);
    struct clew__spool_item item = {.request = {request, size}, .spans = spans};
    clew__spool_store(spool, &item, 1, now);
    free(request);
    return item.stored;
}

static bool store(struct clew__spool *spool, unsigned number, size_t size, uint64_t spans) {
    return store_at(spool, number, size, spans, clew_monotonic_nano());
}

static bool is_batch(const struct clew__spool_record *record, unsigned number) {
    uint8_t *request = request_of(number, record->size);
    bool same = memcmp(request, record->request, record->size) == 0;
    free(request);
    return same;
}

/* Takes the oldest; -1: none. */
static int take(struct clew__spool *spool, struct clew__spool_record *record) {
    unsigned number;
    if (!clew__spool_take(spool, record))
        return -1;
    memcpy(&number, record->request, sizeof number);
    cr_assert(is_batch(record, number));
    clew__spool_record_free(record);
    return (int)number;
}

static int deliver(struct clew__spool *spool) {
    struct clew__spool_record record;
    int number = take(spool, &record);
    if (number >= 0)
        clew__spool_settle(spool, CLEW__SPOOL_DELIVERED, 0);
    return number;
}

static clew_spool_stats books(struct clew__spool *spool) {
    clew_spool_stats stats;
    clew__spool_books(spool, &stats);
    cr_assert_eq(stats.stored + stats.adopted, stats.waiting + stats.delivered + stats.rejected +
                                                   stats.refused + stats.dropped_quota +
                                                   stats.dropped_corrupt);
    return stats;
}

Test(spool, gives_back_what_was_stored_oldest_first) {
    struct clew__spool *spool = open_spool(QUOTA);
    for (unsigned i = 0; i < 50; i++)
        cr_assert(store(spool, i, 10 + i * 997, 3));
    cr_assert_eq(books(spool).waiting, 150);
    for (int i = 0; i < 50; i++)
        cr_assert_eq(deliver(spool), i);
    cr_assert_eq(deliver(spool), -1);
    cr_assert_eq(books(spool).delivered, 150);
    close_spool(spool);
    CLEW_NO_LEAKS();
}

Test(spool, several_batches_are_stored_in_one_go_or_none_is) {
    struct clew__spool *spool = open_spool(QUOTA);
    struct clew__spool_item items[8] = {{.spans = 0}};
    uint8_t *request = request_of(7, 5000);
    for (unsigned i = 0; i < 8; i++)
        items[i] = (struct clew__spool_item){.request = {request, 5000}, .spans = 2};
    clew__spool_store(spool, items, 8, clew_monotonic_nano());
    for (unsigned i = 0; i < 8; i++)
        cr_assert(items[i].stored);
    items[7].request.size = (size_t)100 << 20; /* beyond the limit: never read */
    clew__spool_store(spool, items, 8, clew_monotonic_nano());
    for (unsigned i = 0; i < 8; i++)
        cr_assert(!items[i].stored);
    cr_assert_eq(books(spool).stored, 16);
    cr_assert_eq(books(spool).not_stored, 16);
    for (unsigned i = 0; i < 8; i++)
        cr_assert_eq(deliver(spool), 7);
    free(request);
    close_spool(spool);
    CLEW_NO_LEAKS();
}

Test(spool, empty_spool_leaves_no_file_behind) {
    struct clew__spool *spool = open_spool(QUOTA);
    cr_assert(store(spool, 1, 100, 1));
    cr_assert_eq(entries(".db"), 1);
    cr_assert_eq(deliver(spool), 1);
    cr_assert_eq(entries(""), 2, "nothing but . and ..");
    cr_assert_eq(books(spool).bytes, 0);
    close_spool(spool);
    CLEW_NO_LEAKS();
}

Test(spool, files_are_for_their_owner_alone) {
    struct clew__spool *spool = open_spool(QUOTA);
    struct stat info;
    char path[PATH_MAX];
    umask(0);
    cr_assert(store(spool, 1, 100, 1));
    static const char *const suffixes[] = {".db", ".db-wal", ".lock"};
    for (size_t i = 0; i < 3; i++) {
        path_of(suffixes[i], path);
        cr_assert_eq(stat(path, &info), 0);
        cr_assert_eq(info.st_mode & 0777, 0600, "%s", path);
    }
    close_spool(spool);
}

Test(spool, what_is_kept_stays_the_oldest_and_is_resent_only_if_it_may_have_arrived) {
    struct clew__spool *spool = open_spool(QUOTA);
    struct clew__spool_record record;
    store(spool, 1, 100, 5);
    store(spool, 2, 100, 5);
    cr_assert_eq(take(spool, &record), 1);
    clew__spool_keep(spool, false);
    cr_assert_eq(take(spool, &record), 1);
    cr_assert(!record.tried);
    cr_assert_eq(books(spool).resent, 0);
    clew__spool_keep(spool, true);
    cr_assert_eq(take(spool, &record), 1);
    cr_assert(record.tried);
    cr_assert_eq(books(spool).resent, 5);
    clew__spool_settle(spool, CLEW__SPOOL_DELIVERED, 2);
    cr_assert_eq(deliver(spool), 2);
    cr_assert_eq(books(spool).rejected, 2);
    cr_assert_eq(books(spool).delivered, 8);
    close_spool(spool);
    CLEW_NO_LEAKS();
}

Test(spool, what_was_refused_is_gone_and_counted) {
    struct clew__spool *spool = open_spool(QUOTA);
    struct clew__spool_record record;
    store(spool, 1, 100, 5);
    cr_assert_eq(take(spool, &record), 1);
    clew__spool_settle(spool, CLEW__SPOOL_REFUSED, 0);
    cr_assert_eq(books(spool).refused, 5);
    cr_assert_eq(deliver(spool), -1);
    close_spool(spool);
}

/* ---- other processes ---- */

static void in_a_process_that_is_killed(unsigned first, unsigned count, bool takes_one) {
    pid_t child = fork();
    int status;
    if (child == 0) {
        struct clew__spool *spool = clew__spool_new(directory, QUOTA);
        struct clew__spool_record record;
        for (unsigned i = 0; i < count; i++)
            if (!store(spool, first + i, 1000, 1))
                _exit(1);
        if (takes_one && (deliver(spool) != (int)first || take(spool, &record) != (int)first + 1))
            _exit(1);
        raise(SIGKILL);
    }
    waitpid(child, &status, 0);
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

Test(spool, what_a_killed_process_left_is_adopted_and_cleaned_up) {
    in_a_process_that_is_killed(0, 10, false);
    in_a_process_that_is_killed(10, 10, false);
    struct clew__spool *spool = open_spool(QUOTA);
    cr_assert_eq(books(spool).adopted, 20);
    for (int i = 0; i < 20; i++)
        cr_assert_eq(deliver(spool), i);
    cr_assert_eq(entries(""), 2);
    close_spool(spool);
    CLEW_NO_LEAKS();
}

Test(spool, no_file_of_its_own_or_adopted_is_used_by_shared_memory) {
    in_a_process_that_is_killed(0, 10, false);
    struct clew__spool *spool = open_spool(QUOTA);
    cr_assert(store(spool, 10, 100, 1));
    cr_assert_eq(books(spool).adopted, 10);
    cr_assert_eq(entries(".db-shm"), 0);
    close_spool(spool);
    CLEW_NO_LEAKS();
}

Test(spool, one_batch_a_kill_may_arrive_twice_and_is_known) {
    struct clew__spool_record record;
    in_a_process_that_is_killed(0, 5, true);
    struct clew__spool *spool = open_spool(QUOTA);
    int first = take(spool, &record);
    cr_assert_eq(first, 1, "the first was removed in the transaction that marked the second");
    cr_assert(record.tried);
    clew__spool_settle(spool, CLEW__SPOOL_DELIVERED, 0);
    cr_assert_eq(take(spool, &record), 2);
    cr_assert(!record.tried);
    cr_assert_eq(books(spool).resent, 1);
    close_spool(spool);
}

Test(spool, file_of_a_living_process_is_left_alone) {
    struct clew__spool *owner = open_spool(QUOTA), *other;
    cr_assert(store(owner, 1, 100, 1));
    other = open_spool(QUOTA);
    cr_assert_eq(books(other).adopted, 0);
    cr_assert(store(other, 2, 100, 1));
    cr_assert_eq(deliver(owner), 1);
    cr_assert_eq(deliver(other), 2);
    close_spool(owner);
    close_spool(other);
    CLEW_NO_LEAKS();
}

Test(spool, file_whose_owner_has_left_is_found_later) {
    struct clew__spool *owner = open_spool(QUOTA), *other = open_spool(QUOTA);
    cr_assert(store(owner, 1, 100, 1));
    close_spool(owner);
    clew__spool_tend(other, clew_monotonic_nano());
    cr_assert_eq(deliver(other), -1, "it does not look at each call");
    clew__spool_tend(other, clew_monotonic_nano() + LATER);
    cr_assert_eq(deliver(other), 1);
    close_spool(other);
    CLEW_NO_LEAKS();
}

Test(spool, adopts_more_files_than_it_holds_open) {
    for (unsigned i = 0; i < 40; i++) {
        struct clew__spool *owner = clew__spool_new(directory, QUOTA);
        cr_assert(store(owner, i, 100, 1));
        close_spool(owner);
    }
    struct clew__spool *spool = open_spool(QUOTA);
    unsigned delivered = 0;
    for (int i = 0; i < 100; i++) {
        clew__spool_tend(spool, clew_monotonic_nano());
        delivered += deliver(spool) >= 0;
    }
    cr_assert_eq(delivered, 40);
    cr_assert_eq(books(spool).adopted, 40);
    close_spool(spool);
    CLEW_NO_LEAKS();
}

Test(spool, child_of_a_fork_has_files_of_its_own) {
    struct clew__spool *spool = open_spool(QUOTA);
    int status;
    cr_assert(store(spool, 1, 100, 1));
    pid_t child = fork();
    if (child == 0) {
        clew__spool_forget(spool, true);
        bool ok = store(spool, 2, 100, 1) && deliver(spool) == 2 && deliver(spool) == -1 &&
                  books(spool).stored == 1;
        _exit(ok ? 0 : 1);
    }
    waitpid(child, &status, 0);
    cr_assert_eq(status, 0);
    cr_assert_eq(deliver(spool), 1);
    close_spool(spool);
}

Test(spool, child_of_a_fork_does_not_keep_the_files_of_its_dead_parent) {
    int ready[2], go_on[2], status;
    char byte;
    cr_assert(pipe(ready) == 0 && pipe(go_on) == 0);
    pid_t parent = fork();
    if (parent == 0) {
        struct clew__spool *spool = clew__spool_new(directory, QUOTA);
        if (!store(spool, 1, 100, 1))
            _exit(1);
        if (fork() == 0) {
            clew__spool_forget(spool, true);
            close(go_on[1]);
            if (write(ready[1], "r", 1) != 1 || read(go_on[0], &byte, 1) < 0)
                _exit(1);
            _exit(0);
        }
        pause();
    }
    close(go_on[0]);
    cr_assert_eq(read(ready[0], &byte, 1), 1);
    kill(parent, SIGKILL);
    waitpid(parent, &status, 0);
    struct clew__spool *spool = open_spool(QUOTA);
    cr_assert_eq(deliver(spool), 1);
    close_spool(spool);
    close(go_on[1]);
}

/* ---- the quota ---- */

/* In a child, which reports by its exit status: the test's own descriptors go, too. */
static int lose_all_descriptors(void) {
    struct clew__spool *spool = open_spool(QUOTA);
    clew_spool_stats stats;
    struct stat info;
    int taken[64], wrong = 0;
    for (unsigned i = 0; i < 3; i++)
        wrong |= !store(spool, i, 50000, 2);
    if (syscall(SYS_close_range, 3u, ~0u, 0u) != 0)
        return 0; /* a kernel without it */
    for (int i = 0; i < 64; i++)
        taken[i] = memfd_create("host", MFD_CLOEXEC);
    wrong |= 2 * !store(spool, 7, 50000, 1);
    wrong |= 4 * (deliver(spool) != 7);
    close_spool_books(spool, &stats);
    wrong |=
        8 * (stats.stored != 7 || stats.delivered != 1 || stats.dropped_corrupt != 6 || stats.waiting != 0);
    for (int i = 0; i < 64; i++)
        wrong |= 16 * (fstat(taken[i], &info) != 0 || info.st_size != 0);
    return wrong;
}

Test(spool, files_of_a_host_that_closed_all_descriptors_are_left_alone) {
    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(lose_all_descriptors());
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(WIFEXITED(status) ? WEXITSTATUS(status) : 99, 0);
    struct clew__spool *spool = open_spool(QUOTA);
    cr_assert_eq(books(spool).adopted, 6, "the next start finds what was left");
    close_spool(spool);
}

Test(spool, oldest_give_way_when_the_quota_is_used_up) {
    const uint64_t quota = 1 << 20;
    struct clew__spool *spool = open_spool(quota);
    for (unsigned i = 0; i < 100; i++) {
        cr_assert(store(spool, i, 50000, 10), "batch %u", i);
        cr_assert_leq(books(spool).bytes, quota);
    }
    clew_spool_stats stats = books(spool);
    cr_assert_eq(stats.stored, 1000);
    cr_assert_gt(stats.waiting, 100, "most of the quota is used");
    cr_assert_eq(stats.dropped_quota, 1000 - stats.waiting);
    for (unsigned i = 100 - (unsigned)stats.waiting / 10; i < 100; i++)
        cr_assert_eq(deliver(spool), (int)i);
    cr_assert_eq(deliver(spool), -1);
    cr_assert_eq(books(spool).bytes, 0);
    close_spool(spool);
    CLEW_NO_LEAKS();
}

/* The newer file is found first. */
Test(spool, oldest_of_all_files_give_way) {
    struct clew__spool *older = open_spool(QUOTA), *newer = open_spool(QUOTA), *spool;
    cr_assert(store(older, 1, 100000, 1));
    cr_assert(store(newer, 2, 100000, 1));
    close_spool(newer);
    spool = open_spool(754000);
    cr_assert_eq(books(spool).adopted, 1);
    close_spool(older);
    clew__spool_tend(spool, clew_monotonic_nano() + LATER);
    cr_assert_eq(books(spool).adopted, 2);
    cr_assert(store(spool, 3, 250000, 1));
    cr_assert_eq(books(spool).dropped_quota, 1);
    cr_assert_eq(deliver(spool), 2);
    cr_assert_eq(deliver(spool), 3);
    close_spool(spool);
    CLEW_NO_LEAKS();
}

Test(spool, batch_that_does_not_fit_into_memory_keeps_others_waiting_only_for_a_while) {
    struct clew__spool *large = open_spool(QUOTA), *spool;
    uint64_t taken;
    clew_set_log_level(CLEW_LOG_NONE);
    cr_assert(store(large, 1, 500000, 5));
    cr_assert(store(large, 2, 1000, 1));
    close_spool(large);
    spool = open_spool(QUOTA);
    cr_assert(store(spool, 3, 1000, 1));
    taken = clew__budget_limit() - clew__budget_used() - 100000;
    cr_assert(clew_budget_take(taken));
    cr_assert_eq(deliver(spool), 3, "another file is not kept waiting");
    for (int i = 0; i < 64; i++)
        cr_assert_eq(deliver(spool), -1);
    clew_budget_give(taken);
    cr_assert_eq(deliver(spool), 1, "nothing is lost for want of memory that comes back");
    cr_assert_eq(deliver(spool), 2);
    cr_assert(store(spool, 1, 500000, 5));
    cr_assert(store(spool, 2, 1000, 1));
    cr_assert(clew_budget_take(taken));
    for (int i = 0; i < 127; i++)
        cr_assert_eq(deliver(spool), -1);
    cr_assert_eq(deliver(spool), 2);
    cr_assert_eq(books(spool).dropped_corrupt, 5);
    clew_budget_give(taken);
    close_spool(spool);
    CLEW_NO_LEAKS();
}

Test(spool, batch_under_way_does_not_give_way) {
    struct clew__spool *spool = open_spool(1 << 20);
    struct clew__spool_record record;
    store(spool, 0, 50000, 10);
    cr_assert_eq(take(spool, &record), 0);
    for (unsigned i = 1; i < 40; i++)
        cr_assert(store(spool, i, 50000, 10));
    clew__spool_settle(spool, CLEW__SPOOL_DELIVERED, 0);
    cr_assert_eq(books(spool).delivered, 10);
    close_spool(spool);
}

Test(spool, batch_larger_than_the_quota_is_not_stored_and_costs_nobody) {
    struct clew__spool *spool = open_spool(1 << 20);
    cr_assert(store(spool, 1, 1000, 1));
    cr_assert(!store(spool, 2, 2 << 20, 7));
    cr_assert_eq(books(spool).not_stored, 7);
    cr_assert_eq(books(spool).dropped_quota, 0);
    cr_assert_eq(deliver(spool), 1);
    close_spool(spool);
}

Test(spool, quota_is_for_all_processes_together) {
    struct clew__spool *first = open_spool(1 << 20), *second;
    for (unsigned i = 0; i < 15; i++)
        cr_assert(store(first, i, 50000, 1));
    second = open_spool(1 << 20);
    for (unsigned i = 0; i < 15; i++) {
        store(second, i, 50000, 1);
        cr_assert_leq(books(second).bytes, 1 << 20);
    }
    cr_assert_gt(books(second).dropped_quota + books(second).not_stored, 0);
    cr_assert_eq(books(first).waiting, 15, "another's are not touched");
    close_spool(first);
    close_spool(second);
}

/* ---- damage ---- */

static void fill_and_close(unsigned count, size_t size) {
    struct clew__spool *spool = open_spool(QUOTA);
    for (unsigned i = 0; i < count; i++)
        cr_assert(store(spool, i, size, 1));
    close_spool(spool);
}

/* What a file is when all of it is in the database. */
static void fold_log(void) {
    char path[PATH_MAX];
    sqlite3 *db;
    path_of(".db", path);
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, "PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static size_t read_all(const char *path, uint8_t *bytes, size_t capacity) {
    int fd = open(path, O_RDONLY);
    ssize_t size = read(fd, bytes, capacity);
    close(fd);
    cr_assert_gt(size, 0);
    return (size_t)size;
}

static void write_all(const char *path, const uint8_t *bytes, size_t size) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    cr_assert_eq(write(fd, bytes, size), (ssize_t)size);
    close(fd);
}

/* Opens what is there, drains it, stores and gets back one more. */
static clew_spool_stats survive(unsigned count) {
    struct clew__spool *spool = open_spool(QUOTA);
    int last = -1, number;
    while ((number = deliver(spool)) >= 0) {
        cr_assert_gt(number, last);
        last = number;
    }
    clew_spool_stats stats = books(spool);
    cr_assert_eq(stats.waiting, 0);
    cr_assert_eq(stats.adopted, stats.delivered + stats.dropped_corrupt);
    cr_assert_leq(stats.adopted, count);
    cr_assert(store(spool, 1000, 100, 1));
    cr_assert_eq(deliver(spool), 1000);
    close_spool(spool);
    return stats;
}

Test(spool, survives_damage_of_any_page, .timeout = 240) {
    static uint8_t good[1 << 20], bad[1 << 20];
    char path[PATH_MAX];
    uint64_t delivered = 0, pages;
    fill_and_close(12, 9000);
    fold_log();
    path_of(".db", path);
    size_t size = read_all(path, good, sizeof good);
    pages = size / 4096;
    for (size_t page = 0; page < pages; page++) {
        for (int kind = 0; kind < 3; kind++) {
            memcpy(bad, good, size);
            for (size_t i = 0; i < 4096; i++)
                if (kind == 0)
                    bad[page * 4096 + i] = 0;
                else if (kind == 1)
                    bad[page * 4096 + i] = (uint8_t)(i * 167 + 13);
                else if (i == 2049 || i == 3)
                    bad[page * 4096 + i] ^= 0x55;
            write_all(path, bad, size);
            delivered += survive(12).delivered;
        }
    }
    cr_assert_gt(delivered, pages * 3 * 12 * 2 / 3, "most of it is saved: %llu of %llu",
                 (unsigned long long)delivered, (unsigned long long)pages * 36);
    CLEW_NO_LEAKS();
}

Test(spool, survives_truncation_anywhere, .timeout = 240) {
    static uint8_t good[1 << 20];
    char path[PATH_MAX];
    fill_and_close(6, 9000);
    fold_log();
    path_of(".db", path);
    size_t size = read_all(path, good, sizeof good);
    for (size_t cut = 0; cut < size; cut += 1499) {
        write_all(path, good, cut);
        survive(6);
    }
    CLEW_NO_LEAKS();
}

Test(spool, survives_a_cut_or_damaged_log, .timeout = 240) {
    static uint8_t database[1 << 20], log[1 << 20];
    char path[PATH_MAX], log_path[PATH_MAX];
    fill_and_close(6, 9000);
    path_of(".db", path);
    path_of(".db-wal", log_path);
    size_t size = read_all(path, database, sizeof database), log_size = read_all(log_path, log, sizeof log);
    for (size_t cut = 0; cut < log_size; cut += 2999) {
        write_all(path, database, size);
        write_all(log_path, log, cut);
        survive(6);
        write_all(path, database, size);
        log[cut] ^= 0xff;
        write_all(log_path, log, log_size);
        log[cut] ^= 0xff;
        survive(6);
    }
    CLEW_NO_LEAKS();
}

Test(spool, file_that_is_no_database_is_set_aside_and_few_are_kept) {
    static const uint8_t garbage[] = "this is no database, and it is long enough to be looked at";
    char path[PATH_MAX];
    for (unsigned i = 0; i < 6; i++) {
        snprintf(path, sizeof path, "%s/spool-%016x.db", directory, i);
        write_all(path, garbage, sizeof garbage);
    }
    struct clew__spool *spool = open_spool(QUOTA);
    cr_assert_eq(entries(".db"), 0);
    cr_assert_eq(entries(".corrupt"), 2);
    cr_assert(store(spool, 1, 100, 1));
    cr_assert_eq(deliver(spool), 1);
    close_spool(spool);
    CLEW_NO_LEAKS();
}

Test(spool, database_with_another_schema_is_not_read) {
    char path[PATH_MAX];
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/spool-%016x.db", directory, 1u);
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db,
                              "CREATE TABLE b(id,time,kind,spans,tried,checksum,request);"
                              "CREATE VIEW batch AS SELECT * FROM b;"
                              "PRAGMA application_id=1131177335;PRAGMA user_version=1",
                              NULL, NULL, NULL),
                 SQLITE_OK);
    sqlite3_close(db);
    struct clew__spool *spool = open_spool(QUOTA);
    cr_assert_eq(books(spool).adopted, 0);
    cr_assert_eq(entries(".corrupt"), 1);
    close_spool(spool);
}

Test(spool, damaged_numbers_do_not_swamp_the_books) {
    char path[PATH_MAX];
    sqlite3 *db;
    fill_and_close(3, 100);
    path_of(".db", path);
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db,
                              "UPDATE batch SET spans=-5 WHERE id=1; UPDATE batch SET spans=9e18 WHERE id=2",
                              NULL, NULL, NULL),
                 SQLITE_OK);
    sqlite3_close(db);
    struct clew__spool *spool = open_spool(QUOTA);
    cr_assert_eq(deliver(spool), 2);
    cr_assert_eq(deliver(spool), -1);
    cr_assert_eq(books(spool).delivered, 1);
    cr_assert_eq(books(spool).dropped_corrupt, 10000000);
    close_spool(spool);
}

Test(spool, files_removed_by_somebody_are_counted_and_begun_anew) {
    struct clew__spool *spool = open_spool(QUOTA);
    char path[PATH_MAX];
    cr_assert(store(spool, 1, 100, 4));
    path_of(".db", path);
    unlink(path);
    cr_assert(store(spool, 2, 100, 1));
    cr_assert_eq(books(spool).dropped_corrupt, 4);
    cr_assert_eq(deliver(spool), 2);
    close_spool(spool);
}

/* ---- directories and disks ---- */

Test(spool, directory_is_made_for_its_owner_alone) {
    struct stat info;
    rmdir(directory);
    umask(0);
    struct clew__spool *spool = open_spool(QUOTA);
    cr_assert_eq(stat(directory, &info), 0);
    cr_assert_eq(info.st_mode & 0777, 0700);
    close_spool(spool);
}

static void expect_unusable(const char *path) {
    struct clew__spool *spool = clew__spool_new(path, QUOTA);
    clew__spool_tend(spool, clew_monotonic_nano());
    cr_assert(!store(spool, 1, 100, 3));
    cr_assert_eq(deliver(spool), -1);
    cr_assert_eq(books(spool).not_stored, 3);
    close_spool(spool);
}

Test(spool, symbolic_link_is_refused_as_directory) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/link", directory);
    cr_assert_eq(symlink("/tmp", path), 0);
    expect_unusable(path);
    cr_assert_eq(entries(""), 3);
}

Test(spool, directory_that_others_may_write_to_is_refused) {
    cr_assert_eq(chmod(directory, 0777), 0);
    expect_unusable(directory);
    cr_assert_eq(entries(""), 2);
}

Test(spool, directory_of_somebody_else_is_refused) {
    if (geteuid() != 0)
        cr_skip_test("only root can give a directory away");
    cr_assert_eq(chown(directory, 12345, 12345), 0);
    expect_unusable(directory);
}

Test(spool, link_in_place_of_a_database_is_not_followed) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/spool-%016x.db", directory, 1u);
    cr_assert_eq(symlink("/etc/passwd", path), 0);
    snprintf(path, sizeof path, "%s/spool-%016x.db", directory, 2u);
    cr_assert_eq(mkfifo(path, 0600), 0);
    struct clew__spool *spool = open_spool(QUOTA);
    cr_assert_eq(books(spool).adopted, 0);
    cr_assert_eq(entries(".corrupt"), 0);
    close_spool(spool);
}

Test(spool, disk_that_takes_nothing_is_asked_again_later) {
    struct rlimit limit, none;
    uint64_t now = clew_monotonic_nano();
    sigset_t ignored;
    struct clew__spool *spool = open_spool(QUOTA);
    sigemptyset(&ignored);
    sigaddset(&ignored, SIGXFSZ); /* as on the spool's thread */
    sigprocmask(SIG_BLOCK, &ignored, NULL);
    cr_assert(store_at(spool, 1, 100, 1, now));
    getrlimit(RLIMIT_FSIZE, &limit);
    none = limit;
    none.rlim_cur = 0;
    setrlimit(RLIMIT_FSIZE, &none);
    cr_assert(!store_at(spool, 2, 100, 2, now));
    setrlimit(RLIMIT_FSIZE, &limit);
    cr_assert(!store_at(spool, 3, 100, 2, now), "it is left in peace at first");
    cr_assert(store_at(spool, 4, 100, 1, now + LATER));
    cr_assert_eq(books(spool).not_stored, 4);
    cr_assert_eq(deliver(spool), 1);
    cr_assert_eq(deliver(spool), 4);
    close_spool(spool);
    CLEW_NO_LEAKS();
}

Test(spool, full_disk_is_survived_and_drained) {
    unsigned stored = 0;
    if (mount("none", directory, "tmpfs", 0, "size=1m,mode=0700") != 0)
        cr_skip_test("no small file system can be mounted: %s", strerror(errno));
    struct clew__spool *spool = open_spool(QUOTA);
    uint64_t now = clew_monotonic_nano();
    for (unsigned i = 0; i < 60; i++, now += LATER)
        stored += store_at(spool, i, 40000, 1, now);
    cr_assert_gt(stored, 5);
    cr_assert_lt(stored, 40);
    cr_assert_eq(books(spool).not_stored, 60 - stored);
    for (unsigned i = 0; i < stored; i++)
        cr_assert_geq(deliver(spool), 0);
    cr_assert_eq(deliver(spool), -1);
    cr_assert(store_at(spool, 99, 40000, 1, now + LATER));
    cr_assert_eq(deliver(spool), 99);
    close_spool(spool);
    umount(directory);
    CLEW_NO_LEAKS();
}
