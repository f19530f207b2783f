/* What host programs do to their process: children without handlers, programs that become daemons,
 * descriptors closed behind everybody's back, limits, filters, small stacks, threads that are cancelled. Each
 * case runs in a child of its own with an alarm: whoever hangs has failed. */
#include "process.h"
#include "test/fork_now.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* How long a case may take at all. */
#define CASE_SECONDS 60u
/* The default batch, in spans: a full one goes before anybody flushes. */
#define BATCH 512u

extern char **environ;

static const char *spans_file;

static void start(void) {
    clew_options options = {.exporters = "none", .otlp_file = spans_file};
    clew_init_with("hosts", &options);
}

static void make(const char *name, int count) {
    for (int i = 0; i < count; i++)
        clew_span_end(clew_span_start(NULL, name, NULL));
}

/* ---- children for which no handler runs ---- */

/* As a raw clone: 0 in the child. */
static pid_t raw_clone(void) {
    wait_to_fork();
    return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static int from_a_raw_clone(void) {
    clew_span open;
    int failures = 0;
    start();
    make("parent", 3);
    open = clew_span_start(NULL, "open", NULL);
    pid_t child = raw_clone();
    if (child == 0) {
        uint64_t refused = clew_stats().reentrant;
        clew_span span = clew_span_start(NULL, "clone", NULL);
        clew_span_set_int(open, "from", 1);
        clew_span_end(open);
        clew_span_end(span);
        failures += clew_span_is_recording(span);
        failures += 2 * (clew_flush(100).delivered != 0);
        failures += 4 * (clew_stats().reentrant <= refused);
        _exit(failures);
    }
    int status = status_of(child);
    clew_span_end(open);
    failures += status != 0;
    failures += 2 * (clew_shutdown(5000).delivered != 4);
    return failures + 4 * (spans_named(spans_file, "clone") != 0);
}

static int execs_from_a_raw_clone(void) {
    start();
    make("parent", 1);
    pid_t child = raw_clone();
    if (child == 0) {
        execl("/bin/true", "true", (char *)NULL);
        _exit(9);
    }
    return status_of(child) + 2 * (clew_shutdown(5000).delivered != 1);
}

/* ---- children that only exec ---- */

static bool spawns(void) {
    char *arguments[] = {"true", NULL};
    pid_t child;
    return posix_spawn(&child, "/bin/true", NULL, NULL, arguments, environ) == 0 && status_of(child) == 0;
}

static bool vforks(void) {
    pid_t child = vfork();
    if (child == 0) {
        execl("/bin/true", "true", (char *)NULL);
        _exit(9);
    }
    return status_of(child) == 0;
}

static bool pipes(void) {
    FILE *output = popen("echo word", "r");
    char line[16] = "";
    bool read_it = output && fgets(line, sizeof line, output) && strcmp(line, "word\n") == 0;
    return (output && pclose(output) == 0) && read_it;
}

static int with_children_that_exec(void) {
    int failures = 0;
    start();
    for (int i = 0; i < 50; i++) {
        clew_scope scope = clew_scope_enter(NULL, "around", NULL);
        failures += !spawns() + !vforks();
        clew_scope_leave(&scope);
    }
    failures += !pipes() + (system("true") != 0);
    return failures + (clew_shutdown(5000).delivered != 50);
}

/* How many descriptors an executed program has. */
static int inherited(void) {
    int status = system("exit $(ls /proc/self/fd | wc -l)");
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int with_descriptors_of_its_own(void) {
    int before = inherited();
    start();
    make("work", 1);
    clew_flush(5000);
    int during = inherited();
    clew_shutdown(5000);
    return before > 0 ? during - before : 99;
}

/* ---- daemons ---- */

static int becomes_a_daemon(void) {
    int ends[2];
    uint64_t delivered = 0;
    if (pipe(ends) != 0)
        return 99;
    start();
    make("before", 2);
    pid_t child = fork_now();
    if (child == 0) {
        setsid();
        if (fork() != 0)
            _exit(0);
        for (int i = 0; i < 1024; i++)
            if (i != ends[1])
                close(i);
        if (open("/dev/null", O_RDWR) != 0 || dup(0) != 1 || dup(0) != 2)
            _exit(1);
        make("daemon", 5);
        delivered = clew_shutdown(5000).delivered;
        _exit(write(ends[1], &delivered, sizeof delivered) == sizeof delivered ? 0 : 1);
    }
    status_of(child);
    close(ends[1]);
    if (read(ends[0], &delivered, sizeof delivered) != sizeof delivered)
        return 1;
    clew_shutdown(5000);
    /* The file that the daemon closed is not reopened: what cannot be written is not called delivered. */
    return 2 * (spans_named(spans_file, "daemon") != delivered) +
           4 * (spans_named(spans_file, "before") != 2);
}

/* ---- a host that closes what is not its own ---- */

static uint64_t cpu_nano(void) {
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}

/* Spans of the file exporter that met their fate. */
static uint64_t settled(const clew_pipeline_stats *books) {
    return books->exported + books->failed + books->unknown;
}

/* Makes and flushes; whether the books have a fate for each span, and the answer tells of those that still
 * waited at the call: at most the ones without a fate before it, and all that are less than a full batch. */
static bool flushes_honestly(uint64_t count) {
    clew_pipeline_stats before = clew_stats().pipelines[0], asked, after;
    clew_delivery delivery;
    uint64_t told;
    make("after", (int)count);
    asked = clew_stats().pipelines[0];
    delivery = clew_flush(5000);
    after = clew_stats().pipelines[0];
    told = delivery.delivered + delivery.failed + delivery.unknown;
    return after.offered - before.offered == count && settled(&after) - settled(&before) == count &&
           after.pending == 0 && told <= count - (settled(&asked) - settled(&before)) &&
           told >= count % BATCH && delivery.delivered <= after.exported - before.exported &&
           (delivery.status == 0) == (delivery.delivered == told);
}

static int closes_all_descriptors(void) {
    int failures = 0, ours[32];
    start();
    make("before", 10);
    clew_flush(5000);
    if (syscall(SYS_close_range, 3u, ~0u, 0u) != 0)
        return 0; /* a kernel without it */
    for (int i = 0; i < 32; i++) {
        ours[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        failures |= ours[i] < 0;
    }
    uint64_t used = cpu_nano(), now = clew_monotonic_nano();
    /* Delivered or not is the file exporter's matter: it lost its file. It is said, and in time. */
    failures += 2 * !(flushes_honestly(2000) && flushes_honestly(BATCH - 1));
    failures += 4 * (milliseconds_since(now) > 10000);
    /* Nobody spins. */
    while (milliseconds_since(now) < 400)
        usleep(10000);
    failures += 8 * (!SANITIZED && cpu_nano() - used > UINT64_C(250000000));
    for (int i = 0; i < 32; i++) {
        uint64_t value;
        failures |= 16 * (read(ours[i], &value, sizeof value) >= 0 || errno != EAGAIN);
    }
    clew_shutdown(2000);
    for (int i = 0; i < 32; i++)
        failures |= 32 * (fcntl(ours[i], F_GETFD) < 0);
    return failures;
}

/* ---- limits ---- */

static rlim_t lowest_free(void) {
    int descriptor = open("/dev/null", O_RDONLY);
    close(descriptor);
    return (rlim_t)descriptor;
}

static int without_descriptors(void) {
    struct rlimit limit, none;
    int failures = 0;
    getrlimit(RLIMIT_NOFILE, &limit);
    none = limit;
    start();
    none.rlim_cur = lowest_free();
    setrlimit(RLIMIT_NOFILE, &none);
    uint64_t before = clew_monotonic_nano();
    make("starved", 1000);
    clew_flush(100);
    failures += milliseconds_since(before) > 1000;
    failures += 2 * (clew_stats().pipelines[0].offered != 1000);
    setrlimit(RLIMIT_NOFILE, &limit);
    /* Room again: all of it goes out. */
    clew_delivery delivery = clew_shutdown(10000);
    failures += 4 * (delivery.status != 0);
    return failures + 8 * (spans_named(spans_file, "starved") != 1000);
}

static int without_threads(void) {
    struct rlimit none = {0, 0};
    start();
    if (getuid() == 0) { /* root has no such limit */
        if (setuid(65534) != 0)
            return 0;
    }
    setrlimit(RLIMIT_NPROC, &none);
    uint64_t before = clew_monotonic_nano();
    make("alone", 100);
    clew_delivery delivery = clew_flush(100);
    int failures = (milliseconds_since(before) > 1000) +
                   2 * (delivery.delivered + delivery.failed + delivery.unknown != 100);
    before = clew_monotonic_nano();
    clew_shutdown(200);
    clew_stats_data data = clew_stats();
    failures += 4 * (milliseconds_since(before) > 1000);
    return failures + 8 * (data.pipelines[0].pending != 0);
}

static void *on_a_small_stack(void *argument) {
    clew_scope scope = clew_scope_enter(NULL, "small", NULL);
    clew_span_set_string(scope.span, "key", "value");
    clew_span_add_event(scope.span, "event", NULL, 0, 0);
    clew_span_record_exception(scope.span, "type", "message", NULL, NULL, 0);
    clew_scope_leave(&scope);
    *(uint64_t *)argument = clew_flush(5000).delivered;
    return NULL;
}

static int with_small_stacks(void) {
    pthread_attr_t attributes;
    pthread_t thread;
    uint64_t delivered = 0;
    start();
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes,
                              SANITIZED ? (size_t)256 << 10 : (size_t)PTHREAD_STACK_MIN + (16 << 10));
    if (pthread_create(&thread, &attributes, on_a_small_stack, &delivered) != 0)
        return 99;
    pthread_join(thread, NULL);
    clew_shutdown(5000);
    return delivered != 1;
}

/* `ulimit -s 64`, which also sizes the stacks of threads: the program runs anew to have it. */
static int under_a_stack_limit(void) {
    struct rlimit limit = {64 << 10, 64 << 10};
    pid_t child = fork();
    if (child == 0) {
        setrlimit(RLIMIT_STACK, &limit);
        execl("/proc/self/exe", "hosts", "small-stack", spans_file, (char *)NULL);
        _exit(98);
    }
    return status_of(child) + 100 * (spans_named(spans_file, "limited") != 700);
}

static int runs_limited(const char *path) {
    spans_file = path;
    start();
    make("limited", 700);
    return clew_shutdown(5000).status == 0 && all_exported(NULL, 700) ? 0 : 1;
}

/* ---- filters ---- */

static bool forbid(long call) {
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {sizeof program / sizeof program[0], program};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

static int without_getrandom(void) {
    uint8_t ids[64][8];
    int failures = 0;
    if (!forbid(SYS_getrandom))
        return 0;
    start();
    for (int i = 0; i < 64; i++) {
        clew_span span = clew_span_start(NULL, "filtered", NULL);
        memcpy(ids[i], span.span_id, 8);
        clew_span_end(span);
        for (int k = 0; k < i; k++)
            failures |= memcmp(ids[i], ids[k], 8) == 0;
    }
    /* A child has other ids, too. */
    uint8_t *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t child = fork_now();
    if (child == 0) {
        memcpy(shared, clew_span_start(NULL, "child", NULL).span_id, 8);
        _exit(0);
    }
    failures |= 2 * (status_of(child) != 0);
    failures |= 4 * (memcmp(shared, clew_span_start(NULL, "parent", NULL).span_id, 8) == 0);
    clew_shutdown(5000);
    return failures | 8 * (spans_named(spans_file, "filtered") != 64);
}

static int without_eventfd(void) {
    if (!forbid(SYS_eventfd2))
        return 0;
    start();
    make("deaf", 100);
    uint64_t before = clew_monotonic_nano();
    clew_delivery delivery = clew_shutdown(500);
    clew_stats_data data = clew_stats();
    return (milliseconds_since(before) > 1000) + 2 * (data.pipelines[0].pending != 0) +
           4 * (delivery.delivered + delivery.failed + delivery.unknown != 100);
}

static int without_proc(void) {
    if (getuid() != 0 || mkdir("/tmp/clew-test-root", 0700) != 0)
        return 0;
    start(); /* opens the file */
    int failures = chroot("/tmp/clew-test-root") != 0 || chdir("/") != 0;
    make("jailed", 10);
    return failures + 2 * (clew_shutdown(5000).delivered != 10);
}

/* ---- threads ---- */

static atomic_bool stop;

static void *is_cancelled(void *argument) {
    (void)argument;
    for (int i = 0; !atomic_load(&stop); i++) {
        clew_scope scope = clew_scope_enter(NULL, "cancelled", NULL);
        clew_span_set_int(scope.span, "i", i);
        if (i % 7 == 0)
            pthread_testcancel();
        clew_scope_leave(&scope);
        if (i % 50 == 0)
            clew_flush(1);
    }
    return NULL;
}

static int cancels_threads(void) {
    start();
    for (int round = 0; round < 200; round++) {
        pthread_t threads[4];
        int started = 0;
        for (; started < 4 && pthread_create(&threads[started], NULL, is_cancelled, NULL) == 0;)
            started++;
        sched_yield();
        for (int i = 0; i < started; i++)
            pthread_cancel(threads[i]);
        for (int i = 0; i < started; i++)
            pthread_join(threads[i], NULL);
    }
    make("afterwards", 1);
    int failures = clew_flush(5000).status != 0;
    clew_stats_data data = clew_stats();
    failures += 2 * (data.started != data.open + data.ended);
    const clew_pipeline_stats *books = &data.pipelines[0];
    failures += 4 * (books->offered !=
                     books->exported + books->pending + books->dropped_queue_full + books->dropped_memory);
    clew_shutdown(5000);
    return failures;
}

static clew_span left_open[200];

static void *leaves_open(void *argument) {
    size_t i = (size_t)(uintptr_t)argument;
    left_open[i] = clew_span_start(NULL, "left open", NULL);
    clew_span_attach(left_open[i]);
    return NULL;
}

static int threads_leave_spans_open(void) {
    start();
    for (size_t i = 0; i < 200; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, leaves_open, (void *)(uintptr_t)i) != 0)
            return 99;
        pthread_join(thread, NULL);
    }
    int failures = clew_stats().open != 200;
    for (size_t i = 0; i < 200; i++)
        clew_span_end(left_open[i]);
    failures += 2 * (clew_stats().open != 0);
    return failures + 4 * (clew_shutdown(5000).delivered != 200);
}

/* ---- ends ---- */

static void *outlives_main(void *argument) {
    pthread_join(*(pthread_t *)argument, NULL);
    make("after main", 1);
    exit(7);
}

static int ends_main_alone(void) {
    static pthread_t main_thread;
    pthread_t thread;
    main_thread = pthread_self();
    start();
    make("main", 1);
    pthread_create(&thread, NULL, outlives_main, &main_thread);
    pthread_exit(NULL);
}

static void ends_quickly(void) {
    make("in quick_exit", 1);
}

static int quick_exits(void) {
    start();
    at_quick_exit(ends_quickly);
    make("work", 1);
    clew_flush(5000);
    quick_exit(7);
}

static int aborts(void) {
    struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    start();
    make("work", 1);
    clew_flush(5000);
    abort();
}

static void exits_again(void) {
    make("late", 1);
    exit(7);
}

static int exits_in_an_exit_handler(void) {
    start();
    atexit(exits_again);
    make("work", 1);
    exit(5);
}

/* ---- */

static int run(int (*body)(void)) {
    pid_t child = fork();
    if (child == 0) {
        alarm(CASE_SECONDS);
        exit(body());
    }
    return status_of(child);
}

int main(int count, char **arguments) {
    if (count == 3 && strcmp(arguments[1], "small-stack") == 0)
        return runs_limited(arguments[2]);
    static const struct {
        const char *name;
        int (*body)(void);
        int expected;
        bool sanitized; /* also with a sanitizer, whose runtime has needs of its own */
    } cases[] = {
        {"the child of a raw clone records nothing, and what it calls is counted", from_a_raw_clone, 0, true},
        {"the child of a raw clone may exec", execs_from_a_raw_clone, 0, true},
        {"posix_spawn, vfork, popen and system change nothing", with_children_that_exec, 0, true},
        {"an executed program inherits no descriptor", with_descriptors_of_its_own, 0, true},
        {"a program becomes a daemon and closes everything", becomes_a_daemon, 0, true},
        {"a host that closes all descriptors gets an honest answer, and its own are left alone",
         closes_all_descriptors, 0, true},
        {"without descriptors spans wait, and go out when there are some", without_descriptors, 0, false},
        {"without threads nobody hangs, and the loss is counted", without_threads, 0, false},
        {"spans work on the smallest stacks", with_small_stacks, 0, true},
        {"the program runs with a stack limit of 64 KiB", under_a_stack_limit, 0, false},
        {"ids are made without getrandom", without_getrandom, 0, true},
        {"without eventfd nobody hangs, and the loss is counted", without_eventfd, 0, true},
        {"no /proc is needed", without_proc, 0, false},
        {"800 threads are cancelled inside Clew and around it", cancels_threads, 0, false},
        {"spans of threads that are gone can be ended", threads_leave_spans_open, 0, true},
        {"main may end before the program", ends_main_alone, 7, true},
        {"quick_exit is harmless", quick_exits, 7, true},
        {"abort is harmless", aborts, 1000 + SIGABRT, true},
        {"exit inside an exit handler is harmless", exits_in_an_exit_handler, 7, true},
    };
    char path[64];
    clew_set_log_level(CLEW_LOG_NONE);
    only_full_batches_go();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (SANITIZED && !cases[i].sanitized) {
            tap_skip(cases[i].name, "the sanitizer's runtime does not survive it");
            continue;
        }
        strcpy(path, new_file());
        spans_file = path;
        int status = run(cases[i].body);
        tap_ok(status == cases[i].expected, "%s (%d)", cases[i].name, status);
        unlink(path);
    }
    rmdir("/tmp/clew-test-root");
    return tap_done();
}
