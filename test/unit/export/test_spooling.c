/* The exporter with a spool around inner ones that do what they are told: what is stored, what is not, and
 * who is asked when. */
#include "collector-bridge/export/spooling.h"
#include "sdk/base/memory.h"
#include "sdk/pipeline/batch.h"
#include "test/support.h"

#include <clew/extend.h>
#include <dirent.h>
#include <poll.h>
#include <semaphore.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NANO_PER_MILLI UINT64_C(1000000)
#define PATIENCE_NANO (10000 * NANO_PER_MILLI)

/* An exporter that answers at once, or never. */
struct fake {
    clew_export_outcome outcome, on_cancel;
    clew_export_report report;
    _Atomic unsigned started, cancelled; /* the spool's thread has its own */
};

static clew_export_outcome fake_start(void *self, const clew_batch *batch, uint64_t deadline,
                                      clew_export_report *report) {
    struct fake *fake = self;
    (void)batch;
    (void)deadline;
    fake->started++;
    *report = fake->report;
    return fake->outcome;
}

static size_t fake_wait(void *self, clew_poll *descriptors, size_t capacity, uint64_t *wake) {
    (void)self;
    (void)descriptors;
    (void)capacity;
    *wake = UINT64_MAX;
    return 0;
}

static clew_export_outcome fake_step(void *self, const clew_poll *descriptors, size_t count, uint64_t now,
                                     clew_export_report *report) {
    (void)self;
    (void)descriptors;
    (void)count;
    (void)now;
    (void)report;
    return CLEW_EXPORT_PENDING;
}

static clew_export_outcome fake_cancel(void *self) {
    struct fake *fake = self;
    fake->cancelled++;
    return fake->on_cancel;
}

static clew_exporter fake_exporter(struct fake *fake) {
    return (clew_exporter){.struct_size = sizeof(clew_exporter),
                           .name = "fake",
                           .self = fake,
                           .start = fake_start,
                           .wait = fake_wait,
                           .step = fake_step,
                           .cancel = fake_cancel};
}

/* On disk nothing moves: the receiver that the spool asks never answers. */
static struct fake live, replay = {.outcome = CLEW_EXPORT_PENDING, .on_cancel = CLEW_EXPORT_FAILED};
static char directory[64];
static clew_exporter exporter;
static const clew_batch batch = {{"some bytes", 10}, 7};

static uint64_t pause_between = NANO_PER_MILLI, peace_until;

static uint64_t the_pause(unsigned failures) {
    (void)failures;
    return pause_between;
}

static uint64_t the_peace(const clew_exporter *asked) {
    return asked->self == &live ? peace_until : 0;
}

static void set_up(void) {
    struct clew__spooling_parts parts = {
        .directory = directory, .quota = 1 << 20, .pause_nano = the_pause, .peace_nano = the_peace};
    clew_set_log_level(CLEW_LOG_NONE);
    strcpy(directory, "/tmp/clew-spool-XXXXXX");
    cr_assert(mkdtemp(directory));
    parts.live = fake_exporter(&live);
    parts.replay = fake_exporter(&replay);
    cr_assert_eq(clew__spooling_new(&parts, &exporter), CLEW_OK);
}

static void tear_down(void) {
    DIR *stream = opendir(directory);
    const struct dirent *entry;
    while (stream && (entry = readdir(stream)) != NULL)
        unlinkat(dirfd(stream), entry->d_name, 0);
    if (stream)
        closedir(stream);
    rmdir(directory);
}

TestSuite(spooling, .init = set_up, .fini = tear_down, .timeout = 60);

static clew_export_outcome go_on(clew_export_outcome outcome, clew_export_report *report) {
    uint64_t give_up = clew_monotonic_nano() + PATIENCE_NANO;
    while (outcome == CLEW_EXPORT_PENDING && clew_monotonic_nano() < give_up) {
        clew_poll watched[4];
        uint64_t wake, now = clew_monotonic_nano();
        size_t count = exporter.wait(exporter.self, watched, 4, &wake);
        struct pollfd polled = {.fd = count ? watched[0].fd : -1, .events = POLLIN};
        uint64_t left = wake > now ? wake - now : 0;
        poll(&polled, 1, left > PATIENCE_NANO ? 100 : (int)(left / NANO_PER_MILLI + 1));
        outcome = exporter.step(exporter.self, watched, count, clew_monotonic_nano(), report);
    }
    return outcome;
}

static clew_export_outcome export_within(unsigned milliseconds, clew_export_report *report) {
    uint64_t deadline = clew_monotonic_nano() + milliseconds * NANO_PER_MILLI;
    *report = (clew_export_report){.status = -1};
    return go_on(exporter.start(exporter.self, &batch, deadline, report), report);
}

static clew_spool_stats books(void) {
    clew_spool_stats stats;
    exporter.spool_stats(exporter.self, &stats);
    return stats;
}

Test(spooling, what_is_delivered_touches_no_disk) {
    clew_export_report report;
    live.outcome = CLEW_EXPORT_DELIVERED;
    live.report.rejected = 2;
    cr_assert_eq(export_within(5000, &report), CLEW_EXPORT_DELIVERED);
    cr_assert_eq(report.rejected, 2);
    cr_assert_eq(report.spooled, 0);
    cr_assert_eq(books().stored, 0);
    exporter.destroy(exporter.self);
}

Test(spooling, what_is_refused_for_good_is_not_stored) {
    clew_export_report report;
    live.outcome = CLEW_EXPORT_FAILED;
    live.report.failure = CLEW_FAILURE_REFUSED;
    strcpy(live.report.reason, "no");
    cr_assert_eq(export_within(5000, &report), CLEW_EXPORT_FAILED);
    cr_assert_eq(report.failure, CLEW_FAILURE_REFUSED);
    cr_assert_str_eq(report.reason, "no");
    cr_assert_eq(books().stored, 0);
    exporter.destroy(exporter.self);
}

Test(spooling, what_failed_for_now_is_stored_and_later_batches_go_to_disk_directly) {
    clew_export_report report;
    live.outcome = CLEW_EXPORT_FAILED;
    live.report.failure = CLEW_FAILURE_UNREACHABLE;
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(export_within(5000, &report), CLEW_EXPORT_DELIVERED);
        cr_assert_eq(report.spooled, 7);
    }
    cr_assert_eq(live.started, 1);
    cr_assert_eq(books().stored, 21);
    cr_assert_eq(books().waiting, 21);
    exporter.destroy(exporter.self);
}

Test(spooling, batch_of_which_a_part_is_unknown_is_stored_whole) {
    clew_export_report report;
    live.outcome = CLEW_EXPORT_DELIVERED;
    live.report.unknown = 3;
    cr_assert_eq(export_within(5000, &report), CLEW_EXPORT_DELIVERED);
    cr_assert_eq(report.spooled, 7);
    cr_assert_eq(report.unknown, 0);
    exporter.destroy(exporter.self);
}

Test(spooling, batch_without_time_goes_to_disk_at_once) {
    clew_export_report report;
    live.outcome = CLEW_EXPORT_DELIVERED;
    export_within(90, &report);
    cr_assert_eq(live.started, 0);
    exporter.destroy(exporter.self);
}

Test(spooling, receiver_that_hangs_leaves_time_to_store) {
    clew_export_report report;
    live.outcome = CLEW_EXPORT_PENDING;
    live.on_cancel = CLEW_EXPORT_UNKNOWN;
    cr_assert_eq(export_within(1500, &report), CLEW_EXPORT_DELIVERED);
    cr_assert_eq(report.spooled, 7);
    cr_assert_eq(live.cancelled, 1);
    exporter.destroy(exporter.self);
}

Test(spooling, close_of_the_pipeline_shortens_what_is_under_way) {
    clew_export_report report = {.status = -1};
    uint64_t before = clew_monotonic_nano();
    live.outcome = CLEW_EXPORT_PENDING;
    live.on_cancel = CLEW_EXPORT_UNKNOWN;
    cr_assert_eq(exporter.start(exporter.self, &batch, UINT64_MAX, &report), CLEW_EXPORT_PENDING);
    exporter.hasten(exporter.self, before + 1500 * NANO_PER_MILLI);
    cr_assert_eq(go_on(CLEW_EXPORT_PENDING, &report), CLEW_EXPORT_DELIVERED);
    cr_assert_eq(report.spooled, 7);
    exporter.destroy(exporter.self);
}

Test(spooling, disk_that_takes_nothing_leaves_things_as_they_are_without_a_spool) {
    clew_export_report report;
    rmdir(directory);
    cr_assert_eq(symlink("/tmp", directory), 0);
    live.outcome = CLEW_EXPORT_FAILED;
    live.report.failure = CLEW_FAILURE_UNREACHABLE;
    cr_assert_eq(export_within(5000, &report), CLEW_EXPORT_FAILED);
    cr_assert_eq(report.failure, CLEW_FAILURE_UNREACHABLE);
    cr_assert_eq(books().not_stored, 7);
    live.outcome = CLEW_EXPORT_DELIVERED;
    cr_assert_eq(export_within(5000, &report), CLEW_EXPORT_DELIVERED);
    cr_assert_eq(report.spooled, 0);
    cr_assert_eq(live.started, 2);
    exporter.destroy(exporter.self);
    unlink(directory);
}

/* ---- a disk that hangs ---- */

static sqlite3_io_methods hanging_methods;
static int (*sync_file)(sqlite3_file *file, int flags);
static int (*open_file)(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags, int *out);
static sem_t synced;

static int sync_when_told(sqlite3_file *file, int flags) {
    while (sem_wait(&synced) != 0)
        ;
    sem_post(&synced);
    return sync_file(file, flags);
}

static int open_hanging(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags, int *out) {
    int code = open_file(vfs, name, file, flags, out);
    if (code == SQLITE_OK) {
        hanging_methods = *file->pMethods;
        sync_file = hanging_methods.xSync;
        hanging_methods.xSync = sync_when_told;
        file->pMethods = &hanging_methods;
    }
    return code;
}

static void hang_disk(void) {
    static sqlite3_vfs vfs;
    cr_assert_eq(sem_init(&synced, 0, 0), 0);
    vfs = *sqlite3_vfs_find(NULL);
    open_file = vfs.xOpen;
    vfs.zName = "hanging";
    vfs.xOpen = open_hanging;
    cr_assert_eq(sqlite3_vfs_register(&vfs, 1), SQLITE_OK);
}

Test(spooling, disk_that_hangs_keeps_neither_a_batch_nor_the_end) {
    uint64_t begin = clew_monotonic_nano();
    clew_export_report report;
    hang_disk();
    live.outcome = CLEW_EXPORT_FAILED;
    live.report.failure = CLEW_FAILURE_UNREACHABLE;
    cr_assert_eq(export_within(300, &report), CLEW_EXPORT_UNKNOWN, "it may be on disk");
    cr_assert_eq(export_within(300, &report), CLEW_EXPORT_FAILED, "there is one batch at a time in memory");
    cr_assert_eq(books().not_stored, 7);
    exporter.destroy(exporter.self);
    cr_assert_lt(clew_monotonic_nano() - begin, PATIENCE_NANO / 2);
    sem_post(&synced);
    begin = clew_monotonic_nano();
    while (clew__budget_used() > 0 && clew_monotonic_nano() - begin < PATIENCE_NANO)
        poll(NULL, 0, 1);
    cr_assert_eq(clew__budget_used(), 0, "its thread frees all when the disk is back");
}

Test(spooling, cancel_says_what_may_have_arrived) {
    clew_export_report report = {.status = -1};
    live.outcome = CLEW_EXPORT_PENDING;
    live.on_cancel = CLEW_EXPORT_UNKNOWN;
    exporter.start(exporter.self, &batch, UINT64_MAX, &report);
    cr_assert_eq(exporter.cancel(exporter.self), CLEW_EXPORT_UNKNOWN);
    live.on_cancel = CLEW_EXPORT_FAILED;
    exporter.start(exporter.self, &batch, UINT64_MAX, &report);
    cr_assert_eq(exporter.cancel(exporter.self), CLEW_EXPORT_FAILED);
    exporter.destroy(exporter.self);
}

/* Sees to it that the spool holds one batch and the receiver is believed to be down. */
static void store_one(void) {
    clew_export_report report;
    live.outcome = CLEW_EXPORT_FAILED;
    live.report.failure = CLEW_FAILURE_UNREACHABLE;
    cr_assert_eq(export_within(5000, &report), CLEW_EXPORT_DELIVERED);
    cr_assert_eq(report.spooled, 7);
    live.outcome = CLEW_EXPORT_DELIVERED;
}

/* A second batch is stored only after the thread could have sent the first. */
Test(spooling, what_has_just_failed_is_not_sent_again_at_once) {
    pause_between = 3600 * 1000 * NANO_PER_MILLI;
    store_one();
    store_one();
    cr_assert_eq(live.started, 1);
    cr_assert_eq(replay.started, 0);
    exporter.destroy(exporter.self);
}

Test(spooling, peace_that_was_asked_for_once_is_kept_by_both) {
    peace_until = clew_monotonic_nano() + 3600 * 1000 * NANO_PER_MILLI;
    store_one();
    store_one();
    cr_assert_eq(live.started, 1);
    cr_assert_eq(replay.started, 0);
    exporter.destroy(exporter.self);
}

Test(spooling, batch_that_alone_fails_is_given_up_while_others_arrive) {
    clew_export_report report;
    uint64_t give_up = clew_monotonic_nano() + PATIENCE_NANO;
    replay.outcome = CLEW_EXPORT_UNKNOWN;
    store_one();
    while (books().refused == 0 && clew_monotonic_nano() < give_up)
        export_within(5000, &report);
    cr_assert_geq(books().refused, 7);
    cr_assert_geq(replay.started, 8);
    cr_assert_gt(live.started, 1, "the receiver was asked past it");
    exporter.destroy(exporter.self);
}

Test(spooling, nothing_is_given_up_while_nothing_arrives) {
    uint64_t give_up = clew_monotonic_nano() + PATIENCE_NANO;
    replay.outcome = CLEW_EXPORT_UNKNOWN;
    store_one();
    while (replay.started < 30 && clew_monotonic_nano() < give_up)
        poll(NULL, 0, 1);
    cr_assert_geq(replay.started, 30);
    cr_assert_eq(books().refused, 0);
    cr_assert_eq(books().waiting, 7);
    cr_assert_gt(books().resent, 7 * 20);
    exporter.destroy(exporter.self);
}

Test(spooling, what_is_refused_from_disk_is_gone_and_the_receiver_is_asked_again) {
    clew_export_report report;
    uint64_t give_up = clew_monotonic_nano() + PATIENCE_NANO;
    replay.outcome = CLEW_EXPORT_FAILED;
    replay.report.failure = CLEW_FAILURE_REFUSED;
    store_one();
    while (books().refused == 0 && clew_monotonic_nano() < give_up)
        poll(NULL, 0, 1);
    cr_assert_eq(books().refused, 7);
    cr_assert_eq(export_within(5000, &report), CLEW_EXPORT_DELIVERED);
    cr_assert_eq(report.spooled, 0);
    exporter.destroy(exporter.self);
}
