/* kill -9 of a program that sends with a spool, again and again, while its receiver comes and goes: every
 * span that a flush has called delivered or spooled must arrive in the end, and few may arrive twice.
 *
 *   spool_kill [CYCLES]     200, with a sanitizer 40; with CLEW_TEST_SCALE=large 600: the receiver keeps 16
 *                           million ids
 *
 * The sender is this program, started anew. It writes the ids of a batch to a ledger when the flush has
 * returned: a plain file, which outlives the kill. */
#include "delivery.h"

#include <clew/clew.h>
#include <clew/otlp.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CYCLES (SANITIZED ? 40 : 200)
#define CYCLES_LARGE 600
#define BATCH_MAX 50u
#define KILL_MIN_MS 5
#define KILL_SPAN_MS 295
#define FLUSH_MS 5000
#define DRAIN_MS 60000

static void init(const char *endpoint, const char *directory) {
    clew_otlp_options otlp = clew_otlp_options_default();
    clew_batch_options batch = clew_batch_options_default();
    clew_options options = {.otlp = clew_otlp_exporter, .otlp_options = &otlp, .batch = &batch};
    otlp.endpoint = endpoint;
    otlp.spool = directory;
    batch.schedule_delay_ms = 60000;
    clew_set_log_level(CLEW_LOG_NONE);
    if (clew_init_with("killed", &options) != CLEW_OK)
        abort();
}

/* ---- the sender ---- */

static void send_batch(int ledger, unsigned spans) {
    uint64_t ids[BATCH_MAX];
    for (unsigned i = 0; i < spans; i++) {
        clew_span span = clew_span_start(NULL, "killed", NULL);
        clew_span_context context = clew_span_get_context(span);
        memcpy(&ids[i], context.span_id, sizeof ids[i]);
        clew_span_end(span);
    }
    clew_delivery flushed = clew_flush(FLUSH_MS);
    if (flushed.status != CLEW_OK || flushed.delivered + flushed.spooled != spans)
        return;
    if (write(ledger, ids, spans * sizeof *ids) < 0)
        abort();
}

_Noreturn static void send_until_killed(const char *endpoint, const char *directory, const char *path) {
    int ledger = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    init(endpoint, directory);
    for (unsigned i = 0;; i++)
        send_batch(ledger, 1 + i * 7 % BATCH_MAX);
}

/* The last one: sends what the others have left. */
static int drain(const char *endpoint, const char *directory) {
    clew_spool_stats spool = {0};
    init(endpoint, directory);
    for (int waited = 0; waited < DRAIN_MS; waited += 10) {
        clew_span_end(clew_span_start(NULL, "drain", NULL)); /* a sign of life: the spool looks for files */
        clew_flush(FLUSH_MS);
        spool = clew_stats().pipelines[0].spool;
        if (spool.adopted + spool.stored > 0 && spool.waiting == 0 && waited > 1000)
            break;
        poll(NULL, 0, 10);
    }
    printf("# drained: adopted %llu, delivered %llu, resent %llu, corrupt %llu, waiting %llu\n",
           (unsigned long long)spool.adopted, (unsigned long long)spool.delivered,
           (unsigned long long)spool.resent, (unsigned long long)spool.dropped_corrupt,
           (unsigned long long)spool.waiting);
    fflush(stdout);
    clew_shutdown(FLUSH_MS);
    return spool.dropped_corrupt || spool.dropped_quota || spool.refused ? 1 : 0;
}

/* ---- the test ---- */

static pid_t start(char *const arguments[]) {
    pid_t child = fork();
    if (child == 0) {
        execv("/proc/self/exe", arguments);
        _exit(127);
    }
    return child;
}

static unsigned pick(unsigned below) {
    return (unsigned)random() % below;
}

static void cycle(struct receiver *receiver, char *const arguments[]) {
    static const enum receiver_mode modes[] = {RECEIVER_HEALTHY, RECEIVER_RESET_FIRST, RECEIVER_RESET,
                                               RECEIVER_HEALTHY};
    unsigned left = KILL_MIN_MS + pick(KILL_SPAN_MS);
    pid_t sender = start(arguments);
    while (left > 0) {
        unsigned pause = 1 + pick(left);
        receiver_set_mode(receiver, modes[pick(sizeof modes / sizeof *modes)]);
        poll(NULL, 0, (int)pause);
        left -= pause;
    }
    kill(sender, SIGKILL);
    waitpid(sender, NULL, 0);
}

static uint64_t missing(const struct receiver *receiver, const char *path, uint64_t *accepted) {
    FILE *file = fopen(path, "r");
    uint64_t id, lost = 0;
    *accepted = 0;
    while (file && fread(&id, sizeof id, 1, file) == 1) {
        ++*accepted;
        lost += !receiver_has(receiver, id);
    }
    if (file)
        fclose(file);
    return lost;
}

static unsigned databases(const char *directory) {
    DIR *stream = opendir(directory);
    unsigned count = 0;
    for (const struct dirent *entry; stream && (entry = readdir(stream)) != NULL;)
        count += entry->d_name[0] != '.';
    if (stream)
        closedir(stream);
    return count;
}

static void run(unsigned cycles) {
    const struct receiver_options options = {.mode = RECEIVER_HEALTHY, .track_ids = true};
    struct receiver *receiver = receiver_start(&options);
    char directory[] = "/tmp/clew-kill-XXXXXX", ledger[] = "/tmp/clew-ledger-XXXXXX", endpoint[64];
    char program[] = "spool_kill", send[] = "send", drain_word[] = "drain";
    char *sender[] = {program, send, endpoint, directory, ledger, NULL};
    char *drainer[] = {program, drain_word, endpoint, directory, NULL};
    struct receiver_counts counts;
    uint64_t accepted, lost;
    int status = 1, fd = mkstemp(ledger);
    if (!receiver || fd < 0 || !mkdtemp(directory))
        abort();
    close(fd);
    receiver_endpoint(receiver, false, endpoint, sizeof endpoint);
    for (unsigned i = 0; i < cycles; i++)
        cycle(receiver, sender);
    receiver_set_mode(receiver, RECEIVER_HEALTHY);
    waitpid(start(drainer), &status, 0);
    lost = missing(receiver, ledger, &accepted);
    counts = receiver_counts(receiver);
    printf("# %u kills, %llu spans accepted, %llu lost, %llu arrived twice, %llu requests\n", cycles,
           (unsigned long long)accepted, (unsigned long long)lost, (unsigned long long)counts.duplicates,
           (unsigned long long)counts.requests);
    tap_ok(accepted > cycles, "spans are accepted");
    tap_ok(lost == 0, "every accepted span arrives");
    tap_ok(counts.duplicates <= (uint64_t)cycles * BATCH_MAX,
           "no more than one request a kill arrives twice");
    tap_ok(status == 0, "nothing of what was stored is damaged or dropped");
    tap_ok(databases(directory) == 0, "no file is left behind");
    rmdir(directory);
    unlink(ledger);
    receiver_stop(receiver);
}

int main(int argc, char **argv) {
    struct timespec now;
    unsigned cycles = is_large() ? CYCLES_LARGE : CYCLES;
    if (argc == 5 && strcmp(argv[1], "send") == 0)
        send_until_killed(argv[2], argv[3], argv[4]);
    if (argc == 4 && strcmp(argv[1], "drain") == 0)
        return drain(argv[2], argv[3]);
    if (argc == 2)
        cycles = (unsigned)strtoul(argv[1], NULL, 10);
    clock_gettime(CLOCK_MONOTONIC, &now);
    srandom((unsigned)now.tv_nsec);
    run(cycles);
    return tap_done();
}
