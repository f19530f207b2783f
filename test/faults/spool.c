/* The OTLP exporter with a spool, as a program sees it: a receiver that is away, hangs, or comes back;
 * restarts, forks, a disk that takes nothing. */
#include "test/fork_now.h"
#include "test/peer/receiver.h"
#include "test/tap.h"

#include <clew/clew.h>
#include <clew/otlp.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NANO_PER_MILLI UINT64_C(1000000)
#define PATIENCE_MS 20000
/* The default batch, in spans: a full one goes before anybody flushes. */
#define BATCH 512u

static char directory[64];

static void make_directory(void) {
    strcpy(directory, "/tmp/clew-spool-XXXXXX");
    if (!mkdtemp(directory))
        abort();
}

static unsigned files(void) {
    DIR *stream = opendir(directory);
    unsigned count = 0;
    for (const struct dirent *entry; (entry = readdir(stream)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(stream);
    return count;
}

static void remove_directory(void) {
    DIR *stream = opendir(directory);
    for (const struct dirent *entry; stream && (entry = readdir(stream)) != NULL;)
        unlinkat(dirfd(stream), entry->d_name, 0);
    if (stream)
        closedir(stream);
    rmdir(directory);
}

static struct receiver *start_receiver(enum receiver_mode mode) {
    const struct receiver_options options = {.mode = mode, .track_ids = true};
    struct receiver *receiver = receiver_start(&options);
    if (!receiver)
        abort();
    return receiver;
}

static void init(const struct receiver *receiver, const char *spool) {
    char endpoint[64];
    clew_otlp_options otlp = clew_otlp_options_default();
    clew_batch_options batch = clew_batch_options_default();
    clew_options options = {0};
    receiver_endpoint(receiver, false, endpoint, sizeof endpoint);
    otlp.endpoint = endpoint;
    otlp.spool = spool;
    otlp.timeout_ms = 500;
    batch.schedule_delay_ms = 60000;
    batch.max_queue_size = 8192;
    options.otlp = clew_otlp_exporter;
    options.otlp_options = &otlp;
    options.batch = &batch;
    if (clew_init_with("spooler", &options) != CLEW_OK)
        abort();
}

static void make_spans(unsigned count) {
    for (unsigned i = 0; i < count; i++)
        clew_span_end(clew_span_start(NULL, "spooled", NULL));
}

static clew_pipeline_stats stats(void) {
    return clew_stats().pipelines[0];
}

static bool books_are_exact(const clew_pipeline_stats *books) {
    const clew_spool_stats *spool = &books->spool;
    return books->offered == books->pending + books->exported + books->rejected + books->failed +
                                 books->unknown + books->spooled + books->not_sampled +
                                 books->dropped_queue_full + books->dropped_memory +
                                 books->dropped_shutdown &&
           spool->stored + spool->adopted == spool->waiting + spool->delivered + spool->rejected +
                                                 spool->refused + spool->dropped_quota +
                                                 spool->dropped_corrupt;
}

/* Waits until the receiver has acknowledged so many different spans. */
static bool arrive(const struct receiver *receiver, uint64_t spans) {
    for (int i = 0; i < PATIENCE_MS / 10; i++) {
        if (receiver_counts(receiver).acknowledged_ids >= spans)
            return receiver_counts(receiver).acknowledged_ids == spans;
        poll(NULL, 0, 10);
    }
    return false;
}

static bool drain(void) {
    for (int i = 0; i < PATIENCE_MS / 10; i++) {
        if (stats().spool.waiting == 0)
            return true;
        poll(NULL, 0, 10);
    }
    return false;
}

static void outage(void) {
    struct receiver *receiver = start_receiver(RECEIVER_RESET_FIRST);
    clew_pipeline_stats books;
    init(receiver, directory);
    make_spans(1000);
    clew_delivery flushed = clew_flush(PATIENCE_MS);
    books = stats();
    /* A full batch may be there before the flush, which tells of the rest only. */
    tap_ok(flushed.status == CLEW_OK && books.spooled == 1000 && flushed.spooled <= 1000 &&
               flushed.spooled >= 1000 % BATCH,
           "outage: a flush puts everything on disk");
    tap_ok(books.spooled == 1000 && books.spool.waiting == 1000 && books.spool.bytes > 0 &&
               books_are_exact(&books),
           "outage: the books say so");
    receiver_set_mode(receiver, RECEIVER_HEALTHY);
    tap_ok(arrive(receiver, 1000), "outage: all arrives when it is over, without a restart");
    tap_ok(drain(), "outage: the spool is empty then");
    make_spans(10);
    flushed = clew_flush(PATIENCE_MS);
    tap_ok(flushed.delivered == 10 && flushed.spooled == 0, "outage: afterwards spans go directly");
    books = stats();
    tap_ok(books.spool.delivered == 1000 && books.exported == 10 && books_are_exact(&books),
           "outage: the books are exact");
    tap_ok(receiver_counts(receiver).duplicates == 0 && receiver_counts(receiver).faults == 0,
           "outage: nothing arrives twice");
    clew_shutdown(PATIENCE_MS);
    tap_ok(files() == 0, "outage: no file is left");
    receiver_stop(receiver);
}

static void restart(void) {
    struct receiver *receiver = start_receiver(RECEIVER_RESET_FIRST);
    clew_pipeline_stats books;
    init(receiver, directory);
    make_spans(3000);
    clew_delivery result = clew_shutdown(2000);
    books = stats();
    tap_ok(result.status == CLEW_OK && result.spooled >= 3000 % BATCH && books.spooled == 3000 &&
               books_are_exact(&books),
           "restart: a shutdown without a receiver stores everything");
    receiver_set_mode(receiver, RECEIVER_HEALTHY);
    init(receiver, directory);
    make_spans(1); /* whoever makes no span needs no thread */
    clew_flush(PATIENCE_MS);
    tap_ok(arrive(receiver, 3001), "restart: the next start sends it");
    tap_ok(drain(), "restart: and cleans up");
    books = stats();
    tap_ok(books.spool.adopted == 3000 && books.spool.delivered == 3000 && books_are_exact(&books),
           "restart: the books say that it was found");
    clew_shutdown(PATIENCE_MS);
    tap_ok(files() == 0, "restart: no file is left");
    tap_ok(receiver_counts(receiver).duplicates <= books.spool.resent,
           "restart: nothing arrives twice but what was under way at the shutdown, and that is counted");
    receiver_stop(receiver);
}

/* Sent, and no answer: stored, and sent again. */
static void silence(void) {
    struct receiver *receiver = start_receiver(RECEIVER_SILENT);
    clew_pipeline_stats books;
    init(receiver, directory);
    make_spans(100);
    clew_delivery flushed = clew_flush(PATIENCE_MS);
    tap_ok(flushed.spooled == 100 && flushed.unknown == 0,
           "silent receiver: what may have arrived is stored");
    receiver_set_mode(receiver, RECEIVER_HEALTHY);
    tap_ok(arrive(receiver, 100) && drain(), "silent receiver: it is sent again");
    books = stats();
    tap_ok(books.spool.resent >= 100 && books_are_exact(&books), "silent receiver: and counted as resent");
    clew_shutdown(PATIENCE_MS);
    receiver_stop(receiver);
}

static void hanging_at_the_end(void) {
    struct receiver *receiver = start_receiver(RECEIVER_HANG);
    clew_pipeline_stats books;
    uint64_t before, elapsed_ms;
    init(receiver, directory);
    make_spans(2000);
    before = clew_monotonic_nano();
    clew_delivery result = clew_shutdown(400);
    elapsed_ms = (clew_monotonic_nano() - before) / NANO_PER_MILLI;
    books = stats();
    tap_ok(result.spooled >= 2000 % BATCH && result.failed == 0 && result.unknown == 0 &&
               books.spooled == 2000 && books_are_exact(&books),
           "hanging receiver: a shutdown stores everything before its deadline");
    tap_ok(elapsed_ms < 1000, "hanging receiver: and keeps it");
    if (elapsed_ms >= 1000 || books.spooled != 2000)
        printf("# %llu ms, %llu spooled, %llu failed, %llu unknown, %llu dropped\n",
               (unsigned long long)elapsed_ms, (unsigned long long)books.spooled,
               (unsigned long long)books.failed, (unsigned long long)books.unknown,
               (unsigned long long)books.dropped_shutdown);
    init(receiver, directory);
    make_spans(500);
    before = clew_monotonic_nano();
    result = clew_shutdown(0);
    elapsed_ms = (clew_monotonic_nano() - before) / NANO_PER_MILLI;
    books = stats();
    printf("# a shutdown without time stored %llu of 500 in %llu ms\n", (unsigned long long)books.spooled,
           (unsigned long long)elapsed_ms);
    tap_ok(books_are_exact(&books) && books.pending == 0 && elapsed_ms < 1000,
           "hanging receiver: a shutdown without time ends at once, with exact books");
    receiver_stop(receiver);
    remove_directory();
    make_directory();
}

static void forked_child(void) {
    struct receiver *receiver = start_receiver(RECEIVER_RESET_FIRST);
    clew_pipeline_stats books;
    int status;
    init(receiver, directory);
    make_spans(50);
    clew_flush(PATIENCE_MS);
    pid_t child = fork_now();
    if (child == 0) {
        make_spans(7);
        clew_delivery flushed = clew_flush(PATIENCE_MS);
        books = stats();
        bool ok = flushed.spooled == 7 && books.spool.stored == 7 && books_are_exact(&books);
        clew_shutdown(1000);
        _exit(ok ? 0 : 1);
    }
    waitpid(child, &status, 0);
    tap_ok(status == 0, "fork: the child stores in a file of its own");
    books = stats();
    tap_ok(books.spool.stored == 50 && books.spool.waiting >= 50 && books_are_exact(&books),
           "fork: the parent's books know nothing of it");
    clew_shutdown(PATIENCE_MS);
    receiver_set_mode(receiver, RECEIVER_HEALTHY);
    init(receiver, directory);
    make_spans(1);
    tap_ok(clew_flush(PATIENCE_MS).delivered == 1, "fork: the receiver is back");
    tap_ok(arrive(receiver, 58) && drain(), "fork: what both have stored arrives");
    tap_ok(receiver_counts(receiver).duplicates <= stats().spool.resent, "fork: once, or counted as resent");
    clew_shutdown(PATIENCE_MS);
    tap_ok(files() == 0, "fork: no file is left");
    receiver_stop(receiver);
}

/* Many children while the thread is at work: none may inherit a lock of SQLite's. */
static void forks_in_between(void) {
    struct receiver *receiver = start_receiver(RECEIVER_RESET_FIRST);
    unsigned good = 0;
    init(receiver, directory);
    for (int i = 0; i < 30; i++) {
        int status;
        make_spans(600);
        pid_t child = fork_now();
        if (child == 0) {
            alarm(20);
            make_spans(1);
            _exit(clew_flush(10000).spooled == 1 ? 0 : 1);
        }
        waitpid(child, &status, 0);
        good += status == 0;
    }
    tap_ok(good == 30, "fork: children of a program that is just storing store, too");
    clew_shutdown(PATIENCE_MS);
    receiver_stop(receiver);
    remove_directory();
    make_directory();
}

static void unusable_directory(void) {
    struct receiver *receiver = start_receiver(RECEIVER_RESET_FIRST);
    char path[128];
    clew_pipeline_stats books;
    snprintf(path, sizeof path, "%s/file", directory);
    close(open(path, O_WRONLY | O_CREAT, 0600));
    init(receiver, path);
    make_spans(20);
    clew_delivery flushed = clew_flush(PATIENCE_MS);
    books = stats();
    tap_ok(flushed.failed + flushed.unknown == 20 && books.failed + books.unknown == 20 &&
               books.spool.not_stored >= 20 && books_are_exact(&books),
           "unusable directory: the loss is counted");
    receiver_set_mode(receiver, RECEIVER_HEALTHY);
    make_spans(20);
    flushed = clew_flush(PATIENCE_MS);
    tap_ok(flushed.delivered == 20, "unusable directory: the program goes on as without a spool");
    clew_shutdown(PATIENCE_MS);
    receiver_stop(receiver);
    unlink(path);
}

static void variables(void) {
    struct receiver *receiver = start_receiver(RECEIVER_RESET_FIRST);
    setenv("CLEW_SPOOL", directory, 1);
    setenv("CLEW_SPOOL_LIMIT", "2000000", 1);
    init(receiver, NULL);
    make_spans(5);
    tap_ok(clew_flush(PATIENCE_MS).spooled == 5 && stats().spool.quota == 2000000,
           "CLEW_SPOOL and CLEW_SPOOL_LIMIT are heeded");
    clew_shutdown(PATIENCE_MS);
    setenv("CLEW_SPOOL_LIMIT", "a lot", 1);
    init(receiver, NULL);
    tap_ok(stats().spool.quota == 268435456, "a wrong CLEW_SPOOL_LIMIT gives way to the default");
    clew_shutdown(PATIENCE_MS);
    unsetenv("CLEW_SPOOL");
    unsetenv("CLEW_SPOOL_LIMIT");
    receiver_stop(receiver);
}

int main(void) {
    clew_set_log_level(CLEW_LOG_NONE);
    make_directory();
    outage();
    restart();
    silence();
    hanging_at_the_end();
    forked_child();
    forks_in_between();
    unusable_directory();
    variables();
    remove_directory();
    return tap_done();
}
