/* Processes that die with ended spans: the next start finds every span whose end had returned. */
#include "process.h"
#include "test/fork_now.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum { THREADS = 4, SPANS = 400, KILLS = 120, BIG = 50, TOLD_TO_DIE = 1000, PACE = 5000 };

/* What dies tells this way how far it came. */
static struct progress {
    atomic_uint ended[THREADS]; /* spans whose end has returned */
    atomic_uint ready;          /* done with all of them */
    atomic_int grandchild;      /* a process */
} * progress;

static char directory[64], sink[64], recovered[64];

/* ---- what dies ---- */

static clew_export_outcome never(void *self, const clew_batch *batch, uint64_t deadline,
                                 clew_export_report *report) {
    (void)self, (void)batch, (void)deadline, (void)report;
    return CLEW_EXPORT_PENDING;
}
static size_t wait_for_nothing(void *self, clew_poll *descriptors, size_t capacity, uint64_t *wake) {
    (void)self, (void)descriptors, (void)capacity, (void)wake;
    return 0;
}
static clew_export_outcome go_on(void *self, const clew_poll *descriptors, size_t count, uint64_t now,
                                 clew_export_report *report) {
    (void)self, (void)descriptors, (void)count, (void)now, (void)report;
    return CLEW_EXPORT_PENDING;
}
static clew_export_outcome give_up(void *self) {
    (void)self;
    return CLEW_EXPORT_UNKNOWN;
}

/* An exporter whose peer never answers. */
static int make_hung(const clew_otlp_options *options, clew_exporter *out) {
    (void)options;
    *out = (clew_exporter){
        .name = "hung", .start = never, .wait = wait_for_nothing, .step = go_on, .cancel = give_up};
    return 0;
}

static clew_export_outcome never_back(void *self, const clew_batch *batch, uint64_t deadline,
                                      clew_export_report *report) {
    (void)self, (void)batch, (void)deadline, (void)report;
    for (;;)
        pause();
    return CLEW_EXPORT_PENDING;
}

/* An exporter that does not come back. */
static int make_stuck(const clew_otlp_options *options, clew_exporter *out) {
    make_hung(options, out);
    out->start = never_back;
    return 0;
}

static int start_with(int (*make)(const clew_otlp_options *, clew_exporter *), uint64_t crash_bytes) {
    clew_batch_options batch = clew_batch_options_default();
    clew_options options = {.struct_size = sizeof options,
                            .crash_directory = directory,
                            .crash_bytes = crash_bytes,
                            .batch = &batch,
                            .exit_flush_ms = 50};
    batch.max_export_batch_size = 100; /* so that some are in flight, some in the queue */
    batch.schedule_delay_ms = 1;
    options.otlp = make;
    options.exporters = make ? "otlp" : "none";
    options.otlp_file = make ? NULL : sink;
    return clew_init_with("crash test", &options);
}

static int start(bool hung, uint64_t crash_bytes) {
    return start_with(hung ? make_hung : NULL, crash_bytes);
}

static void end_one(clew_tracer *tracer, unsigned thread, unsigned number) {
    static const char filler[20000];
    char name[32];
    clew_span span;
    snprintf(name, sizeof name, "s-%u-%u", thread, number);
    span = clew_span_start(tracer, name, NULL);
    clew_span_set_int(span, "number", (int64_t)number);
    if (number % BIG == BIG - 1)
        clew_span_set_value(span, "large",
                            clew_value_bytes(filler, number % (2 * BIG) == BIG - 1 ? 3000 : sizeof filler));
    clew_span_end(span);
}

static void *end_spans(void *argument) {
    unsigned thread = (unsigned)(uintptr_t)argument;
    char scope[16];
    clew_tracer *tracer;
    snprintf(scope, sizeof scope, "scope %u", thread);
    tracer = clew_tracer_get(scope, NULL, NULL, NULL, 0);
    for (unsigned i = 0; i < SPANS; i++) {
        end_one(tracer, thread, i);
        atomic_store(&progress->ended[thread], i + 1);
        for (volatile unsigned wait = 0; wait < PACE; wait = wait + 1) {
        }
    }
    atomic_fetch_add(&progress->ready, 1);
    return NULL;
}

static void run_threads(void) {
    pthread_t thread;
    for (uintptr_t i = 0; i < THREADS; i++)
        if (pthread_create(&thread, NULL, end_spans, (void *)i) == 0)
            pthread_detach(thread);
}

static bool wait_until_ready(void) {
    uint64_t end = clew_monotonic_nano() + UINT64_C(20000000000);
    while (atomic_load(&progress->ready) < THREADS && clew_monotonic_nano() < end)
        usleep(500);
    return atomic_load(&progress->ready) == THREADS;
}

enum death { KILLED, SEGMENTATION, ABORT, LEAVES, EXECS };

__attribute__((no_sanitize("undefined"))) static void die(enum death death) {
    volatile int *nowhere = NULL;
    struct sigaction standard = {.sa_handler = SIG_DFL};
    wait_until_ready();
    sigaction(SIGSEGV, &standard, NULL); /* sanitizers have one of their own */
    sigaction(SIGABRT, &standard, NULL);
    if (death == SEGMENTATION)
        *nowhere = 1;
    if (death == ABORT)
        abort();
    if (death == LEAVES)
        _exit(3);
    if (death == EXECS)
        execl("/bin/true", "true", (char *)NULL);
    pause();
}

static unsigned ended_in_all(void) {
    unsigned count = 0;
    for (unsigned thread = 0; thread < THREADS; thread++)
        count += atomic_load(&progress->ended[thread]);
    return count;
}

/* Until so many spans have ended; without sleep, so that the moment is any. */
static void wait_until_ended(unsigned count) {
    uint64_t end = clew_monotonic_nano() + UINT64_C(20000000000);
    while (ended_in_all() < count && clew_monotonic_nano() < end) {
    }
}

/* Ends spans in threads and dies; of a kill, when so many have ended. */
static void run_and_die(bool hung, enum death death, unsigned ended) {
    pid_t child;
    memset(progress, 0, sizeof *progress);
    child = fork();
    if (child == 0) {
        if (!freopen("/dev/null", "w", stderr) || start(hung, UINT64_C(4) << 20) != 0)
            _exit(9);
        run_threads();
        die(death);
        _exit(8);
    }
    if (death == KILLED) {
        wait_until_ended(ended);
        kill(child, SIGKILL);
    }
    status_of(child);
}

/* ---- what comes after ---- */

static unsigned crash_files(void) {
    DIR *listing = opendir(directory);
    unsigned count = 0;
    for (struct dirent *entry; listing && (entry = readdir(listing)) != NULL;)
        count += strstr(entry->d_name, ".crash") != NULL;
    if (listing)
        closedir(listing);
    return count;
}

/* The next start of the program: sends what is left into a file. Returns how many spans its books say. */
static unsigned next_start(void) {
    unsigned *count = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0), result;
    pid_t child = fork();
    if (child == 0) {
        clew_options options = {.struct_size = sizeof options,
                                .crash_directory = directory,
                                .crash_bytes = UINT64_C(1) << 20,
                                .exporters = "none",
                                .otlp_file = recovered};
        clew_stats_data stats;
        clew_set_log_level(CLEW_LOG_WARN);
        if (clew_init_with("next start", &options) != 0 || clew_shutdown(20000).status != 0)
            _exit(9);
        stats = clew_stats();
        *count = (unsigned)stats.pipelines[0].recovered;
        _exit(stats.pipelines[0].offered == stats.pipelines[0].exported ? 0 : 8);
    }
    result = status_of(child) == 0 ? *count : UINT32_MAX;
    munmap(count, 4096);
    return result;
}

static uint8_t seen[THREADS][SPANS];

static void note_names(const char *path) {
    char *text = content_of(path);
    unsigned thread, number;
    for (const char *at = text; (at = strstr(at, "\"name\":\"s-")) != NULL; at++)
        if (sscanf(at, "\"name\":\"s-%u-%u\"", &thread, &number) == 2 && thread < THREADS && number < SPANS)
            seen[thread][number]++;
    free(text);
}

/* Spans that ended and are nowhere. */
static unsigned missing(void) {
    unsigned count = 0;
    for (unsigned thread = 0; thread < THREADS; thread++)
        for (unsigned i = 0; i < atomic_load(&progress->ended[thread]); i++)
            count += seen[thread][i] == 0;
    return count;
}

static unsigned twice(void) {
    unsigned count = 0;
    for (unsigned thread = 0; thread < THREADS; thread++)
        for (unsigned i = 0; i < SPANS; i++)
            count += seen[thread][i] > 1;
    return count;
}

static void empty_files(void) {
    if (truncate(sink, 0) != 0 || truncate(recovered, 0) != 0)
        tap_ok(false, "files are emptied: %s", strerror(errno));
    memset(seen, 0, sizeof seen);
}

/* ---- deaths ---- */

static void killed_at_any_moment(bool hung) {
    unsigned lost = 0, more_than_once = 0, came = 0, unfinished = 0, found = 0, left = 0;
    int kills = SANITIZED ? KILLS / 6 : KILLS / 2;
    for (int i = 0; i < kills; i++) {
        empty_files();
        run_and_die(hung, KILLED, 1 + (unsigned)rand() % (THREADS * SPANS));
        for (unsigned t = 0; t < THREADS; t++) {
            unsigned ended = atomic_load(&progress->ended[t]);
            came += ended;
            unfinished += ended > 0 && ended < SPANS;
        }
        found += next_start();
        left += crash_files();
        note_names(sink);
        note_names(recovered);
        lost += missing();
        more_than_once += hung ? twice() : 0;
    }
    tap_ok(lost == 0, "%s: %d kills, %u spans ended, %u missing", hung ? "hung peer" : "file", kills, came,
           lost);
    tap_ok(left == 0, "no crash file is left (%u)", left);
    if (hung)
        tap_ok(found >= came && more_than_once == 0, "each span is recovered once (%u, %u twice)", found,
               more_than_once);
    tap_ok(unfinished > 0, "the kills came in the midst of it (%u threads)", unfinished);
}

static void dies_otherwise(enum death death, const char *name) {
    unsigned found;
    empty_files();
    run_and_die(true, death, THREADS * SPANS);
    tap_ok(crash_files() == 1, "%s: a crash file is left", name);
    found = next_start();
    note_names(recovered);
    tap_ok(found == THREADS * SPANS && missing() == 0 && twice() == 0, "%s: %u of %u spans recovered", name,
           found, THREADS * SPANS);
    tap_ok(crash_files() == 0, "%s: and the file is gone", name);
}

static void marked_and_whole(void) {
    char *text = content_of(recovered);
    tap_ok(count_in(text, "\"key\":\"clew.recovered\",\"value\":{\"boolValue\":true}") == THREADS * SPANS,
           "each is marked as recovered");
    tap_ok(strstr(text, "\"scope\":{\"name\":\"scope 3\"}") &&
               strstr(text, "\"scope\":{\"name\":\"scope 0\"}"),
           "with the scopes that they had");
    tap_ok(count_in(text, "{\"stringValue\":\"crash test\"}") > 0 && !strstr(text, "next start"),
           "and the resource");
    free(text);
}

/* ---- fork ---- */

static void end_as(unsigned thread, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        end_one(NULL, thread, i);
        atomic_store(&progress->ended[thread], i + 1);
    }
}

static void forks_have_own_files(void) {
    pid_t parent;
    unsigned found;
    empty_files();
    memset(progress, 0, sizeof *progress);
    parent = fork();
    if (parent == 0) {
        if (!freopen("/dev/null", "w", stderr) || start(true, UINT64_C(4) << 20) != 0)
            _exit(9);
        end_as(0, SPANS / 2);
        for (unsigned i = 1; i < THREADS; i++)
            if (fork_now() == 0) {
                end_as(i, SPANS / 2);
                atomic_fetch_add(&progress->ready, 1);
                while (atomic_load(&progress->ready) != TOLD_TO_DIE)
                    usleep(500);
                kill(getpid(), SIGKILL);
            }
        for (unsigned i = SPANS / 2; i < SPANS; i++) { /* goes on in its own file */
            end_one(NULL, 0, i);
            atomic_store(&progress->ended[0], i + 1);
        }
        atomic_fetch_add(&progress->ready, 1);
        pause();
    }
    tap_ok(wait_until_ready(), "parent and children have ended their spans");
    tap_ok(crash_files() == THREADS, "each process has a file (%u)", crash_files());
    kill(parent, SIGKILL);
    status_of(parent);
    found = next_start();
    tap_ok(found == SPANS, "the parent's are recovered while its children live (%u of %u)", found, SPANS);
    atomic_store(&progress->ready, TOLD_TO_DIE);
    for (int i = 0; i < 5000 && found < SPANS + (THREADS - 1) * SPANS / 2; i++) {
        usleep(1000);
        found += i % 100 == 99 ? next_start() : 0;
    }
    note_names(recovered);
    tap_ok(missing() == 0 && twice() == 0 && found == SPANS + (THREADS - 1) * SPANS / 2,
           "and the children's after their death: %u missing, %u twice, %u found", missing(), twice(), found);
    tap_ok(crash_files() == 0, "no file is left");
}

/* Files that some living process holds. */
static unsigned held_files(void) {
    DIR *listing = opendir(directory);
    unsigned count = 0;
    for (struct dirent *entry; listing && (entry = readdir(listing)) != NULL;) {
        int file = strstr(entry->d_name, ".crash") ? openat(dirfd(listing), entry->d_name, O_RDWR) : -1;
        count += file >= 0 && flock(file, LOCK_EX | LOCK_NB) != 0;
        if (file >= 0)
            close(file);
    }
    if (listing)
        closedir(listing);
    return count;
}

/* A grandchild may not have got so far yet. */
static bool only_the_parents_is_held(void) {
    uint64_t end = clew_monotonic_nano() + UINT64_C(1000000000);
    unsigned held;
    do
        held = held_files();
    while (held != 1 && clew_monotonic_nano() < end);
    return held == 1;
}

static void *end_a_span(void *argument) {
    (void)argument;
    atomic_fetch_add(&progress->ready, 1);
    end_one(NULL, 0, 0);
    atomic_fetch_add(&progress->ready, 1);
    return NULL;
}

/* A child's first span opens its file on one thread while another one forks. The grandchild lives on. */
static void fork_while_opening(unsigned spin) {
    pthread_t thread;
    pid_t grandchild;
    pthread_create(&thread, NULL, end_a_span, NULL);
    while (atomic_load(&progress->ready) == 0) {
    }
    for (volatile unsigned wait = 0; wait < spin; wait = wait + 1) {
    }
    grandchild = fork();
    if (grandchild == 0) {
        for (;;)
            pause();
    }
    atomic_store(&progress->grandchild, grandchild);
    pthread_join(thread, NULL);
    _exit(0);
}

static void grandchildren_hold_no_files(void) {
    enum { ROUNDS = 100, SPIN = 200, LATE = 1 }; /* a fork waits within bounds: on a busy machine in vain */
    pid_t parent = fork();
    int status;
    if (parent == 0) {
        unsigned held = 0;
        if (!freopen("/dev/null", "w", stderr) || start(true, UINT64_C(1) << 20) != 0)
            _exit(9);
        for (unsigned i = 0; i < ROUNDS; i++) {
            pid_t child;
            memset(progress, 0, sizeof *progress);
            child = fork();
            if (child == 0)
                fork_while_opening(i * SPIN);
            status_of(child);
            held += !only_the_parents_is_held();
            if (atomic_load(&progress->grandchild) > 0)
                kill(atomic_load(&progress->grandchild), SIGKILL);
        }
        clew_shutdown(100);
        _exit((int)held);
    }
    status = status_of(parent);
    tap_ok(status <= LATE, "a file is free when its process is gone, though a grandchild lives (%d are not)",
           status);
    next_start();
    empty_files();
}

/* ---- ends that are no crash ---- */

static int end_well(void (*leave)(void), bool hung) {
    pid_t child;
    memset(progress, 0, sizeof *progress);
    empty_files();
    child = fork();
    if (child == 0) {
        if (!freopen("/dev/null", "w", stderr) || start(hung, UINT64_C(4) << 20) != 0)
            _exit(9);
        end_as(0, SPANS);
        leave();
        _exit(crash_files() == 0 ? 0 : 1);
    }
    return status_of(child);
}

static void shut_down(void) {
    clew_shutdown(5000);
}
static void just_exit(void) {
    exit(0);
}

static void ends_well(void) {
    unsigned found;
    tap_ok(end_well(shut_down, false) == 0, "a shutdown removes the file");
    tap_ok(end_well(just_exit, false) == 0 && crash_files() == 0,
           "so does an exit that could deliver everything");
    note_names(sink);
    tap_ok(missing() == 0, "which it did");
    tap_ok(end_well(just_exit, true) == 0 && crash_files() == 1,
           "an exit that could not deliver leaves the file");
    found = next_start();
    note_names(recovered);
    tap_ok(missing() == 0 && found == SPANS, "and the next start sends them (%u)", found);
}

static void exporter_is_stuck(void) {
    unsigned found;
    pid_t child;
    empty_files();
    memset(progress, 0, sizeof *progress);
    child = fork();
    if (child == 0) {
        if (!freopen("/dev/null", "w", stderr) || start_with(make_stuck, UINT64_C(4) << 20) != 0)
            _exit(9);
        end_as(0, SPANS);
        exit(0);
    }
    tap_ok(status_of(child) == 0 && crash_files() == 1,
           "an exit with an exporter that is stuck leaves the file");
    found = next_start();
    note_names(recovered);
    tap_ok(missing() == 0 && twice() == 0 && found == SPANS, "with all spans (%u of %u)", found, SPANS);
}

/* ---- a receiver that is still away ---- */

/* Starts, finds what is left, and cannot deliver it. Returns how many spans were under way. */
static unsigned start_in_vain(void) {
    unsigned *count = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0), result;
    pid_t child = fork();
    if (child == 0) {
        uint64_t end = clew_monotonic_nano() + UINT64_C(20000000000);
        if (!freopen("/dev/null", "w", stderr) || start(true, UINT64_C(1) << 20) != 0)
            _exit(9);
        while (*count == 0 && clew_monotonic_nano() < end)
            *count = (unsigned)clew_stats().pipelines[0].recovered;
        clew_shutdown(50);
        _exit(0);
    }
    result = status_of(child) == 0 ? *count : 0;
    munmap(count, 4096);
    return result;
}

static void still_away(void) {
    unsigned found;
    empty_files();
    run_and_die(true, LEAVES, THREADS * SPANS);
    found = start_in_vain();
    tap_ok(found > 0 && found < THREADS * SPANS, "one request of what is left goes on its way (%u spans)",
           found);
    tap_ok(start_in_vain() == found && crash_files() == 1, "without an answer the file stays");
    found = next_start();
    note_names(recovered);
    tap_ok(found == THREADS * SPANS && missing() == 0 && twice() == 0, "and is delivered later (%u of %u)",
           found, THREADS * SPANS);
}

static void many_files(void) {
    enum { FILES = 20, KEPT = 16 };
    char path[160];
    for (int i = 0; i < FILES; i++) {
        empty_files();
        run_and_die(true, LEAVES, THREADS * SPANS);
    }
    tap_ok(crash_files() == KEPT + 1, "of %d dead processes the last ones' files are kept (%u)", FILES,
           crash_files());
    tap_ok(start_in_vain() > 0 && crash_files() == KEPT, "at most %u", crash_files());
    tap_ok(next_start() == KEPT * THREADS * SPANS, "and recovered");
    snprintf(path, sizeof path, "%s/clew-x-0123456789abcdef.crash", directory);
    int descriptor = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    close(descriptor);
    tap_ok(next_start() == 0 && crash_files() == 0, "one in which nothing was written is removed");
}

/* ---- a full file ---- */

static void full(void) {
    uint64_t *pending = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t child = fork();
    unsigned found;
    if (child == 0) {
        static const char filler[2000];
        clew_stats_data stats;
        if (!freopen("/dev/null", "w", stderr) || start(true, UINT64_C(256) << 10) != 0)
            _exit(9);
        for (int i = 0; i < 1000; i++) {
            clew_span span = clew_span_start(NULL, "large", NULL);
            clew_span_set_value(span, "filler", clew_value_bytes(filler, sizeof filler));
            clew_span_end(span);
        }
        stats = clew_stats();
        *pending = stats.pipelines[0].pending;
        if (stats.pipelines[0].dropped_memory == 0 || *pending < 50)
            _exit(7);
        if (stats.pipelines[0].offered != 1000 || *pending + stats.pipelines[0].dropped_memory != 1000)
            _exit(6);
        kill(getpid(), SIGKILL);
    }
    int status = status_of(child);
    tap_ok(status == 1000 + SIGKILL, "what does not fit is dropped and counted (%d)", status);
    found = next_start();
    tap_ok(found == *pending, "the rest is recovered (%u of %u)", found, (unsigned)*pending);
    munmap(pending, 4096);
}

/* ---- places ---- */

static bool starts_without(const char *where) {
    pid_t child = fork();
    if (child == 0) {
        clew_options options = {.struct_size = sizeof options,
                                .crash_directory = where,
                                .exporters = "none",
                                .otlp_file = recovered};
        if (!freopen("/dev/null", "w", stderr) || clew_init_with("x", &options) != 0)
            _exit(9);
        clew_span_end(clew_span_start(NULL, "x", NULL));
        _exit(clew_shutdown(5000).delivered == 1 ? 0 : 8);
    }
    return status_of(child) == 0;
}

static void places(void) {
    char link[80];
    snprintf(link, sizeof link, "%s-link", directory);
    tap_ok(starts_without("/proc/no/such/place"), "a place that is none is refused, and spans are delivered");
    tap_ok(starts_without("/tmp"), "so is one that others may write into");
    tap_ok(symlink(directory, link) == 0 && starts_without(link), "and a symbolic link");
    tap_ok(crash_files() == 0, "nothing was written there");
    unlink(link);
}

int main(void) {
    progress = mmap(NULL, sizeof *progress, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    strcpy(directory, "/tmp/clew-crash-XXXXXX");
    if (!mkdtemp(directory))
        return 1;
    strcpy(sink, new_file());
    strcpy(recovered, new_file());
    srand(1);
    if (0)
        killed_at_any_moment(false);
    if (0)
        killed_at_any_moment(true);
    dies_otherwise(KILLED, "SIGKILL");
    marked_and_whole();
    dies_otherwise(SEGMENTATION, "SIGSEGV");
    dies_otherwise(ABORT, "abort");
    dies_otherwise(LEAVES, "_exit");
    dies_otherwise(EXECS, "exec");
    forks_have_own_files();
    grandchildren_hold_no_files();
    ends_well();
    exporter_is_stuck();
    still_away();
    many_files();
    full();
    places();
    tap_ok(rmdir(directory) == 0, "the directory is empty");
    unlink(sink);
    unlink(recovered);
    return tap_done();
}
