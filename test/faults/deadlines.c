/* Deadlines and honest answers, against every kind of receiver: clew_shutdown(T) and clew_flush(T) are back
 * in time, exit() without either ends in time, and what Clew says was delivered agrees with what the receiver
 * counted. Each case has a process of its own with a receiver of its own; many run at once.
 *
 *   deadlines [REPETITIONS]     1; with CLEW_TEST_SCALE=large all deadlines and 200 repetitions */
#include "delivery.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>

enum { SPANS = 3000, QUEUE = 2048, EXIT_MS = 1000, PATIENCE_MS = 20000, REPETITIONS_LARGE = 200 };
/* Those that wait long may be many at once, if they do not begin all together. */
#define PARALLEL_LONG (SANITIZED ? 8 : 32)
#define PARALLEL_SHORT 3
#define STARVED_MS (SANITIZED ? 10u : 30u)
#define LONG_MS 1000
#define APART_MS (SANITIZED ? 100 : 40)

/* Beside the receiver's modes: names that are never resolved. */
enum { MODE_RESOLVER = RECEIVER_MODES, MODE_NAME_SERVER };

enum call { CALL_SHUTDOWN, CALL_FLUSH, CALL_EXIT };

struct outcome {
    bool ran, returned; /* it came to its end; the call did */
    bool skipped;
    unsigned took_ms, noise_ms;
    clew_delivery delivery;
    clew_pipeline_stats books; /* when the call returned */
    struct receiver_counts peer;
};

struct test {
    int mode;
    clew_otlp_protocol protocol;
    enum call call;
    unsigned timeout_ms;
    pid_t process;
    uint64_t started_nano;
    bool over;
    struct outcome *outcome; /* shared with the process */
};

/* ---- a resolver that never returns ---- */

/* In the place of the C library's, for one name. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **out) {
    static int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    if (node && strcmp(node, "never.test") == 0) {
        for (;;)
            pause();
    }
    if (!real)
        *(void **)(uintptr_t)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    return real(node, service, hints, out);
}

/* ---- a name server that never answers ---- */

static bool write_file(const char *path, const char *text) {
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool done = file >= 0 && write(file, text, strlen(text)) == (ssize_t)strlen(text);
    if (file >= 0)
        close(file);
    return done;
}

/* Namespaces of its own: as root at once, as anybody else where the kernel allows it. */
static bool in_namespaces(void) {
    char map[64];
    unsigned user = geteuid(), group = getegid();
    if (unshare(CLONE_NEWNS | CLONE_NEWNET) == 0)
        return true;
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET) != 0)
        return false;
    snprintf(map, sizeof map, "0 %u 1", user);
    if (!write_file("/proc/self/setgroups", "deny") || !write_file("/proc/self/uid_map", map))
        return false;
    snprintf(map, sizeof map, "0 %u 1", group);
    return write_file("/proc/self/gid_map", map);
}

static bool loopback_up(void) {
    struct ifreq request = {.ifr_name = "lo"};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool done;
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    done = fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &request) == 0;
    if (fd >= 0)
        close(fd);
    return done;
}

/* Puts a file of ours in the place of one of the machine's, for this process alone. */
static bool replace(const char *path, const char *text) {
    char ours[] = "/tmp/clew-test-XXXXXX";
    int file = mkstemp(ours);
    bool done;
    if (file < 0)
        return false;
    close(file);
    done = write_file(ours, text) && mount(ours, path, NULL, MS_BIND, NULL) == 0;
    unlink(ours);
    return done;
}

static bool name_server_is_silent(void) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(53), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd;
    if (!in_namespaces() || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 || !loopback_up() ||
        !replace("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:30 attempts:5\n") ||
        !replace("/etc/nsswitch.conf", "hosts: dns\n"))
        return false;
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0); /* stays open, and nobody reads it */
    return fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
}

/* ---- one case, in its process ---- */

static struct receiver *prepare(const struct test *test, char endpoint[80]) {
    struct receiver_options options = {
        .mode = (enum receiver_mode)test->mode, .process = true, .track_ids = true};
    bool grpc = test->protocol == CLEW_OTLP_GRPC;
    struct receiver *receiver;
    if (test->mode < RECEIVER_MODES) {
        receiver = receiver_start(&options);
        receiver_endpoint(receiver, grpc, endpoint, 80);
        return receiver;
    }
    if (test->mode == MODE_NAME_SERVER && !name_server_is_silent()) {
        test->outcome->skipped = test->outcome->ran = true;
        _exit(0);
    }
    snprintf(endpoint, 80, "http://%s:4318%s", test->mode == MODE_RESOLVER ? "never.test" : "silent.test",
             grpc ? "" : "/v1/traces");
    return NULL;
}

static void start_clew(const struct test *test, const char *endpoint) {
    clew_otlp_options otlp = clew_otlp_options_default();
    clew_options options = {.otlp = clew_otlp_exporter, .otlp_options = &otlp, .exporters = "otlp"};
    otlp.endpoint = endpoint;
    otlp.protocol = test->protocol;
    otlp.flags = CLEW_OTLP_INSECURE;
    clew_set_log_level(CLEW_LOG_NONE);
    clew_init_with("deadlines", &options);
}

static void call(const struct test *test) {
    struct outcome *outcome = test->outcome;
    uint64_t before = clew_monotonic_nano();
    outcome->delivery =
        test->call == CALL_FLUSH ? clew_flush(test->timeout_ms) : clew_shutdown(test->timeout_ms);
    outcome->took_ms = milliseconds_since(before);
    outcome->books = clew_stats().pipelines[0];
}

/* exit() without a shutdown, in one more process. */
static void leave(const struct test *test, const char *endpoint) {
    uint64_t before = 0;
    int ends[2];
    char sign;
    pid_t child;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return;
    child = fork();
    if (child == 0) {
        start_clew(test, endpoint);
        make_spans(NULL, SPANS);
        (void)!write(ends[1], "x", 1);
        exit(0);
    }
    if (read(ends[0], &sign, 1) == 1)
        before = clew_monotonic_nano();
    waitpid(child, NULL, 0);
    test->outcome->took_ms = milliseconds_since(before);
}

static void run_case(const struct test *test) {
    struct outcome *outcome = test->outcome;
    char endpoint[80];
    struct receiver *receiver = prepare(test, endpoint);
    struct canary canary;
    if (test->call == CALL_EXIT) {
        canary_start(&canary);
        leave(test, endpoint);
    } else {
        canary_start(&canary);
        start_clew(test, endpoint);
        make_spans(NULL, SPANS);
        call(test);
    }
    outcome->returned = true;
    outcome->noise_ms = canary_stop(&canary);
    if (receiver)
        outcome->peer = receiver_stop(receiver);
    outcome->ran = true;
    _exit(0);
}

/* ---- judging ---- */

static const char *mode_name(int mode) {
    return mode == MODE_RESOLVER      ? "a resolver that never returns"
           : mode == MODE_NAME_SERVER ? "a name server that never answers"
                                      : receiver_mode_name((enum receiver_mode)mode);
}

/* Whether a request that such a receiver has got whole, and that was not answered, must count as delivered or
 * unknown; the others answer that they did not take it, or worse. */
static bool takes_in(int mode) {
    return mode == RECEIVER_HEALTHY || mode == RECEIVER_HANG || mode == RECEIVER_NOREAD ||
           mode == RECEIVER_NO_WINDOW || mode == RECEIVER_SILENT || mode == RECEIVER_SLOW ||
           mode == RECEIVER_RESET || mode == RECEIVER_REJECT;
}

/* What a client may take for delivered: also requests whose answer began with a yes and never ended. */
static uint64_t deliverable(const struct test *test) {
    bool began = test->mode == RECEIVER_ENDLESS_HEADERS || test->mode == RECEIVER_ENDLESS_BODY ||
                 test->mode == RECEIVER_ENDLESS_TRAILERS;
    return began ? test->outcome->peer.received_ids : test->outcome->peer.acknowledged_ids;
}

#define AGREE(condition)                                                                                     \
    if (!(condition))                                                                                        \
    return #condition

/* The machine had no time for the process: what it did not get done in time says nothing. */
static bool is_starved(const struct outcome *outcome) {
    return outcome->noise_ms > STARVED_MS;
}

/* What Clew says against what the receiver counted; NULL, or what does not hold. */
static const char *judge(const struct test *test) {
    const struct outcome *outcome = test->outcome;
    const clew_pipeline_stats *books = &outcome->books;
    const clew_delivery *said = &outcome->delivery;
    const struct receiver_counts *peer = &outcome->peer;
    AGREE(outcome->ran);
    AGREE(outcome->took_ms <= test->timeout_ms + GRACE_MS + outcome->noise_ms);
    AGREE(peer->faults == 0);
    AGREE(peer->duplicates == 0);
    AGREE(test->protocol == CLEW_OTLP_GRPC ? peer->grpc_requests == peer->requests
                                           : peer->grpc_requests == 0);
    AGREE(test->protocol == CLEW_OTLP_HTTP_JSON ? peer->json_requests == peer->requests
                                                : peer->json_requests == 0);
    if (test->call == CALL_EXIT) {
        AGREE(test->mode != RECEIVER_HEALTHY || peer->acknowledged_ids >= QUEUE || is_starved(outcome));
        return NULL;
    }
    AGREE(books->offered == SPANS);
    AGREE(books->offered == fates_of(books) + books->pending);
    AGREE(test->call == CALL_FLUSH || books->pending == 0);
    AGREE(books->exported <= deliverable(test));
    AGREE(test->call == CALL_FLUSH || peer->acknowledged_ids <= books->exported + books->unknown);
    AGREE(test->call == CALL_FLUSH || !takes_in(test->mode) ||
          peer->received_ids <= books->exported + books->rejected + books->unknown);
    AGREE(said->delivered <= deliverable(test));
    AGREE(said->status != 0 || test->timeout_ms == 0 || (said->failed == 0 && said->unknown == 0));
    AGREE(said->status != 0 || test->call == CALL_FLUSH ||
          books->exported + books->dropped_queue_full == books->offered);
    if (test->mode == RECEIVER_HEALTHY && test->timeout_ms >= 1000)
        AGREE(said->status == 0 || is_starved(outcome));
    return NULL;
}

static void explain(const struct test *test) {
    const struct outcome *outcome = test->outcome;
    const clew_pipeline_stats *b = &outcome->books;
    const clew_delivery *d = &outcome->delivery;
    const struct receiver_counts *p = &outcome->peer;
#define N(value) (unsigned long)(value)
    printf("# took %u ms, the machine was late by %u; returned: %d\n", outcome->took_ms, outcome->noise_ms,
           outcome->returned);
    printf("# it said: status %d, %lu delivered, %lu failed, %lu unknown\n", d->status, N(d->delivered),
           N(d->failed), N(d->unknown));
    printf(
        "# books: %lu offered, %lu pending, %lu exported, %lu rejected, %lu failed, %lu unknown, %lu queue, "
        "%lu memory, %lu shutdown\n",
        N(b->offered), N(b->pending), N(b->exported), N(b->rejected), N(b->failed), N(b->unknown),
        N(b->dropped_queue_full), N(b->dropped_memory), N(b->dropped_shutdown));
    printf(
        "# peer: %lu connections, %lu requests, %lu received, %lu acknowledged, %lu duplicates, %lu refused, "
        "%lu faults %s\n",
        N(p->connections), N(p->requests), N(p->received_ids), N(p->acknowledged_ids), N(p->duplicates),
        N(p->refused), N(p->faults), p->fault);
}

static void report(const struct test *test) {
    static const char *const calls[] = {"clew_shutdown", "clew_flush", "exit"};
    char name[160];
    const char *wrong = judge(test);
    snprintf(name, sizeof name, "%s(%u): %s, %s", calls[test->call],
             test->call == CALL_EXIT ? 0 : test->timeout_ms, mode_name(test->mode),
             protocol_name(test->protocol));
    if (test->outcome->skipped) {
        tap_skip(name, "neither root nor a kernel that gives everybody namespaces");
        return;
    }
    if (!tap_ok(!wrong, "%s%s%s", name, wrong ? ": not " : "", wrong ? wrong : ""))
        explain(test);
}

/* ---- many at once ---- */

static void start(struct test *test) {
    memset(test->outcome, 0, sizeof *test->outcome);
    test->over = false;
    test->started_nano = clew_monotonic_nano();
    test->process = fork();
    if (test->process == 0)
        run_case(test);
}

/* Waits for one of them to end, and kills those that do not. */
static void wait_for_one(struct test *tests, size_t count) {
    struct timespec moment = {0, 5 * (long)NANO_PER_MILLI};
    for (;;) {
        pid_t ended = waitpid(-1, NULL, WNOHANG);
        for (size_t i = 0; i < count; i++) {
            struct test *test = &tests[i];
            if (!test->process || test->over)
                continue;
            if (test->process == ended) {
                test->over = true;
                return;
            }
            if (milliseconds_since(test->started_nano) > test->timeout_ms + PATIENCE_MS)
                kill(test->process, SIGKILL);
        }
        nanosleep(&moment, NULL);
    }
}

static void run_all(struct test *tests, size_t count) {
    size_t running = 0;
    for (size_t i = 0; i < count; i++) {
        bool is_long = tests[i].timeout_ms >= LONG_MS;
        struct timespec apart = {0, APART_MS * (long)NANO_PER_MILLI};
        for (; running >= (size_t)(is_long ? PARALLEL_LONG : PARALLEL_SHORT); running--)
            wait_for_one(tests, i);
        if (is_long)
            nanosleep(&apart, NULL);
        start(&tests[i]);
        running++;
    }
    while (running--)
        wait_for_one(tests, count);
    for (size_t i = 0; i < count; i++)
        report(&tests[i]);
}

/* ---- the matrix ---- */

static const int modes[] = {
    RECEIVER_HEALTHY,
    RECEIVER_REFUSE,
    RECEIVER_HANG,
    RECEIVER_NOREAD,
    RECEIVER_NO_WINDOW,
    RECEIVER_SILENT,
    RECEIVER_SLOW,
    RECEIVER_RESET_FIRST,
    RECEIVER_RESET,
    RECEIVER_GARBAGE,
    RECEIVER_BUSY,
    RECEIVER_EXHAUSTED,
    RECEIVER_FLAKY,
    RECEIVER_REJECT,
    RECEIVER_TLS_STALL,
    RECEIVER_ENDLESS_HEADERS,
    RECEIVER_ENDLESS_BODY,
    RECEIVER_ENDLESS_TRAILERS,
    RECEIVER_ENDLESS_INTERIM,
    MODE_RESOLVER,
    MODE_NAME_SERVER,
};
static const clew_otlp_protocol protocols[] = {CLEW_OTLP_HTTP_PROTOBUF, CLEW_OTLP_HTTP_JSON, CLEW_OTLP_GRPC};
/* The longest first: they run beside the others. */
static const unsigned timeouts[] = {5000, EXIT_MS, 100, 0};
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Those for which the longest deadline is waited out even in a quick run. */
static bool is_patient(int mode) {
    return mode == RECEIVER_HANG || mode == RECEIVER_SILENT || mode == RECEIVER_SLOW ||
           mode == RECEIVER_BUSY || mode == RECEIVER_TLS_STALL || mode == MODE_RESOLVER;
}

static bool is_wanted(int mode, enum call call, unsigned timeout_ms) {
    if (is_large())
        return true;
    if (timeout_ms == 5000)
        return call == CALL_SHUTDOWN && is_patient(mode);
    return !SANITIZED || (call == CALL_SHUTDOWN && timeout_ms == 100);
}

static size_t add(struct test *tests, size_t count, clew_otlp_protocol protocol, enum call call,
                  unsigned timeout_ms) {
    for (size_t i = 0; i < COUNT(modes); i++) {
        if (is_wanted(modes[i], call, timeout_ms))
            tests[count++] =
                (struct test){.mode = modes[i], .protocol = protocol, .call = call, .timeout_ms = timeout_ms};
    }
    return count;
}

int main(int argument_count, char **arguments) {
    static struct test tests[COUNT(modes) * COUNT(protocols) * (2 * COUNT(timeouts) + 1)];
    int repetitions = argument_count > 1 ? atoi(arguments[1]) : is_large() ? REPETITIONS_LARGE : 1;
    size_t count = 0;
    struct outcome *outcomes;
    for (size_t i = 0; i < COUNT(timeouts); i++) {
        for (size_t k = 0; k < COUNT(protocols); k++) {
            count = add(tests, count, protocols[k], CALL_SHUTDOWN, timeouts[i]);
            count = add(tests, count, protocols[k], CALL_FLUSH, timeouts[i]);
            if (timeouts[i] == EXIT_MS)
                count = add(tests, count, protocols[k], CALL_EXIT, EXIT_MS);
        }
    }
    outcomes =
        mmap(NULL, count * sizeof *outcomes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (outcomes == MAP_FAILED)
        return 1;
    for (size_t i = 0; i < count; i++)
        tests[i].outcome = &outcomes[i];
    while (repetitions--)
        run_all(tests, count);
    return tap_done();
}
