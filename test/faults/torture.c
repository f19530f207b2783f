/* Everything that can fail fails once: each allocation of Clew's own, each allocation of the libraries below
 * it, each system call on the way to the receiver; alone, and with all that come after it. The program must
 * survive, deadlines hold, the books add up, nothing leaks, and what is called delivered must have arrived.
 *
 * Each run is a child: start, spans, a flush, a fork whose child delivers as well, a shutdown. The first run
 * of a scenario fails nothing and counts; then run k fails the k-th. Where there are more than fit the time,
 * a sample is taken: CLEW_TEST_SCALE=large takes all of them.
 *
 *   torture [PROTOCOL KIND K all|one]     one run, to look into */
#include "test/faults/delivery.h"

#include <clew/clew.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SPANS = 12, SPANS_OF_CHILD = 2, FLUSH_MS = 400, SHUTDOWN_MS = 400, LATE_MS = SANITIZED ? 1500 : 150 };
enum { AT_ONCE = 6, RUN_SECONDS = 30, SETTLE_MS = 500, BASELINE_RUNS = 6 };

enum kind { OWN_MEMORY, LIBRARY_MEMORY, SYSTEM_CALL, KINDS };
static const char *const kind_names[] = {"allocation of Clew's", "allocation of a library", "system call"};

/* ---- what fails ---- */

static struct {
    enum kind kind;
    unsigned at; /* from 1; 0: nothing fails */
    bool all_after;
    bool armed;
    bool tells;    /* which calls fail */
    long baseline; /* blocks that stay in a run without faults; -1: not known yet */
} plan;

static atomic_uint counted[KINDS];

/* Whether this one, of that kind, fails. */
static bool fails(enum kind kind) {
    unsigned number;
    if (!plan.armed)
        return false;
    number = atomic_fetch_add(&counted[kind], 1) + 1;
    return plan.at && plan.kind == kind && (plan.all_after ? number >= plan.at : number == plan.at);
}

static atomic_long outstanding;

static void *own_allocate(void *user, size_t size) {
    void *block = fails(OWN_MEMORY) ? NULL : malloc(size);
    (void)user;
    atomic_fetch_add(&outstanding, block != NULL);
    return block;
}
static void *own_reallocate(void *user, void *block, size_t size) {
    (void)user;
    return fails(OWN_MEMORY) ? NULL : realloc(block, size);
}
static void own_release(void *user, void *block) {
    (void)user;
    atomic_fetch_sub(&outstanding, 1);
    free(block);
}

#if !SANITIZED
/* The libraries whose allocations fail: whoever calls from one of their segments. */
static const char *const libraries[] = {"libcurl", "libssl",  "libcrypto", "libnghttp2",
                                        "libz.",   "libzstd", "libisal"};
static struct { uintptr_t begin, end; } segments[64];
static size_t segment_count;

static int find_segments(struct dl_phdr_info *info, size_t size, void *unused) {
    bool wanted = false;
    (void)size;
    (void)unused;
    for (size_t i = 0; i < sizeof libraries / sizeof libraries[0]; i++)
        wanted |= strstr(info->dlpi_name, libraries[i]) != NULL;
    for (int i = 0; wanted && i < info->dlpi_phnum && segment_count < 64; i++) {
        if (info->dlpi_phdr[i].p_type != PT_LOAD || !(info->dlpi_phdr[i].p_flags & PF_X))
            continue;
        segments[segment_count].begin = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
        segments[segment_count].end = segments[segment_count].begin + info->dlpi_phdr[i].p_memsz;
        segment_count++;
    }
    return 0;
}

static bool is_library(const void *caller) {
    for (size_t i = 0; i < segment_count; i++)
        if ((uintptr_t)caller >= segments[i].begin && (uintptr_t)caller < segments[i].end)
            return true;
    return false;
}

#define FAILS_FOR_CALLER() (plan.armed && is_library(__builtin_return_address(0)) && fails(LIBRARY_MEMORY))

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);

void *malloc(size_t size) {
    if (FAILS_FOR_CALLER()) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_malloc(size);
}
void *calloc(size_t count, size_t size) {
    if (FAILS_FOR_CALLER()) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_calloc(count, size);
}
void *realloc(void *block, size_t size) {
    if (FAILS_FOR_CALLER()) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_realloc(block, size);
}
#endif

/* Another one of the plausible errors each time: nobody is interrupted for ever. */
static int error_of(const int *errors, size_t count) {
    return errors[(plan.at + atomic_load(&counted[SYSTEM_CALL])) % count];
}

static bool call_fails(const char *name) {
    bool fail = fails(SYSTEM_CALL);
    if (fail && plan.tells)
        fprintf(stderr, "# %s fails\n", name);
    return fail;
}

/* A call that fails with one of its errors; the program's own definition stands before the C library's. */
#define FALLIBLE(type, name, parameters, arguments, ...)                                                     \
    type name parameters {                                                                                   \
        static type(*_Atomic real) parameters;                                                               \
        static const int errors[] = {__VA_ARGS__};                                                           \
        if (!real)                                                                                           \
            *(void **)(uintptr_t)&real = dlsym(RTLD_NEXT, #name);                                            \
        if (call_fails(#name)) {                                                                             \
            errno = error_of(errors, sizeof errors / sizeof errors[0]);                                      \
            return -1;                                                                                       \
        }                                                                                                    \
        return real arguments;                                                                               \
    }
FALLIBLE(int, socket, (int domain, int type, int protocol), (domain, type, protocol), EMFILE, ENFILE, ENOBUFS,
         ENOMEM, EAFNOSUPPORT)
FALLIBLE(int, connect, (int fd, __CONST_SOCKADDR_ARG address, socklen_t size), (fd, address, size),
         ECONNREFUSED, ENETUNREACH, ETIMEDOUT, EADDRNOTAVAIL, EINTR)
FALLIBLE(ssize_t, send, (int fd, const void *data, size_t size, int flags), (fd, data, size, flags),
         ECONNRESET, EPIPE, ENOBUFS, EINTR, EAGAIN)
FALLIBLE(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags),
         ECONNRESET, EPIPE, ENOBUFS, EINTR, EAGAIN)
FALLIBLE(ssize_t, recv, (int fd, void *data, size_t size, int flags), (fd, data, size, flags), ECONNRESET,
         ETIMEDOUT, EINTR, EAGAIN)
FALLIBLE(ssize_t, read, (int fd, void *data, size_t size), (fd, data, size), EIO, EINTR, EAGAIN)
FALLIBLE(ssize_t, write, (int fd, const void *data, size_t size), (fd, data, size), EINTR)
FALLIBLE(int, poll, (struct pollfd * events, nfds_t count, int timeout), (events, count, timeout), EINTR,
         ENOMEM)
FALLIBLE(int, ppoll,
         (struct pollfd * events, nfds_t count, const struct timespec *timeout, const sigset_t *mask),
         (events, count, timeout, mask), EINTR, ENOMEM)
FALLIBLE(int, eventfd, (unsigned value, int flags), (value, flags), EMFILE, ENFILE, ENOMEM)
FALLIBLE(int, pipe2, (int ends[2], int flags), (ends, flags), EMFILE, ENFILE)
FALLIBLE(int, socketpair, (int domain, int type, int protocol, int ends[2]), (domain, type, protocol, ends),
         EMFILE, ENFILE, ENOMEM)
FALLIBLE(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *size),
         (fd, level, name, value, size), ENOPROTOOPT, ENOBUFS)
FALLIBLE(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t size),
         (fd, level, name, value, size), ENOPROTOOPT, ENOBUFS)
FALLIBLE(int, getsockname, (int fd, __SOCKADDR_ARG address, socklen_t *restrict size), (fd, address, size),
         ENOBUFS, ENOTCONN)
FALLIBLE(int, getpeername, (int fd, __SOCKADDR_ARG address, socklen_t *restrict size), (fd, address, size),
         ENOBUFS, ENOTCONN)
FALLIBLE(ssize_t, getrandom, (void *data, size_t size, unsigned flags), (data, size, flags), ENOSYS, EINTR,
         EAGAIN)

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *),
                   void *argument) {
    static int (*_Atomic real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    if (!real)
        *(void **)(uintptr_t)&real = dlsym(RTLD_NEXT, "pthread_create");
    return call_fails("pthread_create") ? EAGAIN : real(thread, attributes, body, argument);
}

/* ---- libraries that do not survive ---- */

/* OpenSSL 3.0 and libcurl 7.88 die of some allocations that fail within them (a lock that is not there, a
 * division by zero on the way to a connection): nothing that their caller could prevent. Such runs are told
 * apart by where they end, and counted. */
enum { DIED_IN_A_LIBRARY = 77, FRAMES = 24 };
static const char died_in_a_library[] = "died inside a library";

#if !SANITIZED
static void on_death(int number) {
    void *frames[FRAMES];
    int count = backtrace(frames, FRAMES);
    Dl_info info;
    for (int i = 0; i < count; i++) {
        if (is_library(frames[i]))
            _exit(DIED_IN_A_LIBRARY);
        if (dladdr(frames[i], &info) && strstr(info.dli_fname, "libclew"))
            break;
    }
    signal(number, SIG_DFL);
    raise(number);
}

/* Clew's threads block all signals, and so a death is not heard of there: those three stay. */
int pthread_sigmask(int how, const sigset_t *set, sigset_t *before) {
    static int (*_Atomic real)(int, const sigset_t *, sigset_t *);
    sigset_t others;
    if (!real)
        *(void **)(uintptr_t)&real = dlsym(RTLD_NEXT, "pthread_sigmask");
    if (set && how != SIG_UNBLOCK) {
        others = *set;
        sigdelset(&others, SIGSEGV);
        sigdelset(&others, SIGFPE);
        sigdelset(&others, SIGABRT);
        set = &others;
    }
    return real(how, set, before);
}

static void watch_deaths(void) {
    void *frame;
    backtrace(&frame, 1); /* it loads what it needs at the first call */
    signal(SIGSEGV, on_death);
    signal(SIGFPE, on_death);
    signal(SIGABRT, on_death);
}
#else
static void watch_deaths(void) {
}
#endif

/* ---- the scenario ---- */

struct scenario {
    const char *name;
    clew_otlp_protocol protocol;
    clew_compression compression;
    bool tls;
};

static char certificate[] = "/tmp/clew-torture-XXXXXX"; /* of the receiver, and its key */

/* What a run tells, in shared memory. */
struct told {
    unsigned counted[KINDS];
    long outstanding;
    uint64_t exported, unknown, child_exported, child_unknown;
    clew_pipeline_stats books;
    char fault[200];
};

static struct told *told;

__attribute__((format(printf, 1, 2))) static void blame(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    if (!told->fault[0])
        vsnprintf(told->fault, sizeof told->fault, format, arguments);
    va_end(arguments);
}

static void check_books(const clew_stats_data *data, const char *when) {
    if (data->started != data->ended + data->open)
        blame("%s: %lu started, %lu ended, %lu open", when, data->started, data->ended, data->open);
    for (size_t i = 0; i < data->pipeline_count; i++) {
        const clew_pipeline_stats *books = &data->pipelines[i];
        uint64_t fates = books->exported + books->rejected + books->failed + books->unknown + books->spooled +
                         books->not_sampled + books->dropped_queue_full + books->dropped_memory +
                         books->dropped_shutdown;
        if (books->offered != fates + books->pending)
            blame("%s: %lu offered, %lu pending, %lu with a fate", when, books->offered, books->pending,
                  fates);
        if (books->pending)
            blame("%s: %lu still pending", when, books->pending);
    }
}

/* A call that was to take so long and took longer: by more than the machine itself was late. */
static void check_time(const char *what, unsigned took, unsigned allowed) {
    unsigned late = (unsigned)(starved_nano() / NANO_PER_MILLI);
    if (took > allowed + LATE_MS + late)
        blame("%s took %u ms (the machine is %u ms late)", what, took, late);
}

static void shut_down(const char *who, uint64_t *exported, uint64_t *unknown) {
    uint64_t before = clew_monotonic_nano();
    clew_shutdown(SHUTDOWN_MS);
    unsigned took = milliseconds_since(before);
    clew_stats_data data = clew_stats();
    check_time("the shutdown", took, SHUTDOWN_MS);
    check_books(&data, who);
    told->books = data.pipelines[0];
    *exported = data.pipeline_count ? data.pipelines[0].exported : 0;
    *unknown = data.pipeline_count ? data.pipelines[0].unknown : 0;
}

static void record(int count) {
    static char large[5000];
    memset(large, 'x', sizeof large - 1);
    for (int i = 0; i < count; i++) {
        clew_scope scope = clew_scope_enter(NULL, "operation", NULL);
        clew_span_set_string(scope.span, "key", i % 4 ? "value" : large);
        clew_span_set_int(scope.span, "i", i);
        clew_span_add_event(scope.span, "event", NULL, 0, 0);
        clew_span_update_name(scope.span, "renamed");
        clew_span_set_status(scope.span, CLEW_STATUS_ERROR, "broken");
        clew_scope_leave(&scope);
    }
}

static void play(const struct scenario *scenario, const char *endpoint) {
    clew_allocator allocator = {own_allocate, own_reallocate, own_release, NULL};
    clew_otlp_options otlp = clew_otlp_options_default();
    clew_options options = {.otlp = clew_otlp_exporter, .otlp_options = &otlp, .exporters = "otlp"};
    clew_set_allocator(&allocator);
    clew_set_log_level(CLEW_LOG_NONE);
    otlp.protocol = scenario->protocol;
    otlp.compression = scenario->compression;
    otlp.endpoint = endpoint;
    otlp.certificate = scenario->tls ? certificate : NULL;
    plan.armed = true;
    clew_init_with("torture", &options);
    record(SPANS);
    uint64_t before = clew_monotonic_nano();
    clew_flush(FLUSH_MS);
    check_time("the flush", milliseconds_since(before), FLUSH_MS);
    pid_t child = fork();
    if (child == 0) {
        record(SPANS_OF_CHILD);
        shut_down("child", &told->child_exported, &told->child_unknown);
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == DIED_IN_A_LIBRARY)
        _exit(DIED_IN_A_LIBRARY);
    if (status != 0)
        blame("the forked child ended with status %#x", (unsigned)status);
    shut_down("parent", &told->exported, &told->unknown);
    plan.armed = false;
    for (int kind = 0; kind < KINDS; kind++)
        told->counted[kind] = atomic_load(&counted[kind]);
    /* A worker that was late at the deadline still gives back what it has. */
    told->outstanding = atomic_load(&outstanding);
    for (before = clew_monotonic_nano();
         told->outstanding > plan.baseline && milliseconds_since(before) < SETTLE_MS;)
        told->outstanding = atomic_load(&outstanding);
}

/* ---- TLS in front of a receiver: a process of its own, a thread for each connection ---- */

static SSL_CTX *tls_context;

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_size,
                           const unsigned char *in, unsigned in_size, void *unused) {
    static const unsigned char known[] = "\x02h2\x08http/1.1";
    (void)ssl;
    (void)unused;
    return SSL_select_next_proto((unsigned char **)(uintptr_t)out, out_size, known, sizeof known - 1, in,
                                 in_size) == OPENSSL_NPN_NEGOTIATED
               ? SSL_TLSEXT_ERR_OK
               : SSL_TLSEXT_ERR_NOACK;
}

static bool make_certificate(void) {
    char command[400];
    int file = mkstemp(certificate);
    snprintf(
        command, sizeof command,
        "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=receiver -days 2 -addext "
        "subjectAltName=IP:127.0.0.1 -keyout %s.key -out %s >/dev/null 2>&1 && cat %s.key >>%s; result=$?; "
        "rm -f %s.key; exit $result",
        certificate, certificate, certificate, certificate, certificate);
    close(file);
    return file >= 0 && system(command) == 0;
}

/* In the proxy alone: what is tortured makes its first use of OpenSSL itself. */
static void prepare_tls(void) {
    tls_context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_alpn_select_cb(tls_context, choose_protocol, NULL);
    SSL_CTX_use_certificate_file(tls_context, certificate, SSL_FILETYPE_PEM);
    SSL_CTX_use_PrivateKey_file(tls_context, certificate, SSL_FILETYPE_PEM);
}

static int socket_of(uint16_t port, bool listens) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (listens ? bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 64) != 0
                : connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

struct proxied {
    int client;
    uint16_t port; /* of the receiver */
};

/* Moves what there is from one side to the other; false at an end. */
static bool relay(SSL *ssl, int plain, bool from_client) {
    char data[16384];
    int size = from_client ? SSL_read(ssl, data, sizeof data) : (int)recv(plain, data, sizeof data, 0);
    if (size <= 0)
        return false;
    return from_client ? send(plain, data, (size_t)size, MSG_NOSIGNAL) == size
                       : SSL_write(ssl, data, size) == size;
}

static void *proxy_connection(void *argument) {
    struct proxied proxied = *(struct proxied *)argument;
    int plain = socket_of(proxied.port, false);
    SSL *ssl = SSL_new(tls_context);
    free(argument);
    SSL_set_fd(ssl, proxied.client);
    for (bool goes_on = plain >= 0 && SSL_accept(ssl) == 1; goes_on;) {
        struct pollfd both[] = {{proxied.client, POLLIN, 0}, {plain, POLLIN, 0}};
        if (SSL_pending(ssl) == 0 && poll(both, 2, -1) < 0)
            break;
        if (SSL_pending(ssl) > 0 || both[0].revents)
            goes_on = relay(ssl, plain, true);
        if (goes_on && both[1].revents)
            goes_on = relay(ssl, plain, false);
    }
    SSL_free(ssl);
    close(proxied.client);
    close(plain);
    return NULL;
}

/* The port of the proxy; it ends with this program. */
static uint16_t start_proxy(uint16_t port) {
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    int listener = socket_of(0, true);
    getsockname(listener, (struct sockaddr *)&address, &size);
    if (fork() == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        signal(SIGPIPE, SIG_IGN);
        prepare_tls();
        for (;;) {
            struct proxied *proxied = malloc(sizeof *proxied);
            pthread_t thread;
            *proxied = (struct proxied){accept(listener, NULL, NULL), port};
            if (pthread_create(&thread, NULL, proxy_connection, proxied) == 0)
                pthread_detach(thread);
        }
    }
    close(listener);
    return ntohs(address.sin_port);
}

/* ---- runs ---- */

struct run {
    pid_t process;
    struct receiver *receiver; /* each place has its own, to compare counts */
    uint16_t tls_port;         /* of the proxy in front of it */
    uint64_t acknowledged;     /* before the run */
    enum kind kind;
    unsigned at;
    bool all_after;
};

static struct told *all_told; /* one for each place */
static struct run places[AT_ONCE];

static void begin(size_t place, const struct scenario *scenario, enum kind kind, unsigned at, bool all_after,
                  long baseline) {
    struct run *run = &places[place];
    char endpoint[96];
    memset(&all_told[place], 0, sizeof all_told[place]);
    run->acknowledged = receiver_counts(run->receiver).acknowledged_ids;
    run->kind = kind;
    run->at = at;
    run->all_after = all_after;
    receiver_endpoint(run->receiver, scenario->protocol == CLEW_OTLP_GRPC, endpoint, sizeof endpoint);
    if (scenario->tls)
        snprintf(endpoint, sizeof endpoint, "https://127.0.0.1:%u%s", run->tls_port,
                 scenario->protocol == CLEW_OTLP_GRPC ? "" : "/v1/traces");
    run->process = fork();
    if (run->process == 0) {
        alarm(RUN_SECONDS);
        watch_deaths();
        told = &all_told[place];
        plan.kind = kind;
        plan.at = at;
        plan.all_after = all_after;
        plan.baseline = baseline;
        play(scenario, endpoint);
        _exit(0);
    }
}

/* When no call succeeds any more, a worker that sleeps cannot be told to give back what it has. */
static bool keeps_its_own(const struct run *run) {
    return run->kind == SYSTEM_CALL && run->all_after;
}

/* Waits for a run; what was wrong with it, or an empty text. */
static const char *finish(size_t place, long baseline) {
    static char fault[400];
    struct run *run = &places[place];
    struct told *result = &all_told[place];
    int status = 0;
    waitpid(run->process, &status, 0);
    run->process = 0;
    fault[0] = '\0';
    uint64_t exported = result->exported + result->child_exported;
    uint64_t arrived = receiver_counts(run->receiver).acknowledged_ids - run->acknowledged;
    if (WIFSIGNALED(status))
        snprintf(fault, sizeof fault, "killed by signal %d", WTERMSIG(status));
    else if (WEXITSTATUS(status) == DIED_IN_A_LIBRARY)
        snprintf(fault, sizeof fault, "%s", died_in_a_library);
    else if (status != 0)
        snprintf(fault, sizeof fault, "exit status %d", WEXITSTATUS(status));
    else if (result->fault[0])
        snprintf(fault, sizeof fault, "%s", result->fault);
    else if (baseline >= 0 && result->outstanding > baseline && !keeps_its_own(run))
        snprintf(fault, sizeof fault, "%ld blocks leak", result->outstanding - baseline);
    else if (arrived < exported || arrived > exported + result->unknown + result->child_unknown)
        snprintf(
            fault, sizeof fault,
            "%lu delivered, %lu unknown, %lu arrived; the parent's books: %lu failed (%lu unreachable, %lu "
            "cancelled), %lu dropped by the shutdown",
            exported, result->unknown + result->child_unknown, arrived, result->books.failed,
            result->books.failed_by[CLEW_FAILURE_UNREACHABLE],
            result->books.failed_by[CLEW_FAILURE_CANCELLED], result->books.dropped_shutdown);
    return fault;
}

/* Of `total` failures about `wanted` are tried: the first ones all, then further and further apart. */
static unsigned next_after(unsigned at, unsigned total, unsigned wanted) {
    return wanted >= total ? at + 1 : at + 1 + (unsigned)((uint64_t)at * 6 / wanted);
}

static void fail_each(const struct scenario *scenario, enum kind kind, unsigned total, unsigned wanted,
                      long baseline) {
    unsigned runs = 0, faults = 0, of_libraries = 0;
    for (int all_after = 0; all_after < 2; all_after++) {
        unsigned next = 1;
        for (bool busy = true; busy;) {
            busy = false;
            for (size_t place = 0; place < AT_ONCE; place++) {
                struct run *run = &places[place];
                if (run->process) {
                    const char *fault = finish(place, baseline);
                    if (kind == LIBRARY_MEMORY && strcmp(fault, died_in_a_library) == 0)
                        of_libraries++;
                    else if (fault[0] && faults++ < 10)
                        fprintf(stderr, "# %s: %s %u%s: %s\n", scenario->name, kind_names[kind], run->at,
                                run->all_after ? " and all after" : "", fault);
                }
                if (next > total)
                    continue;
                begin(place, scenario, kind, next, all_after, baseline);
                next = next_after(next, total, wanted);
                busy = true;
                runs++;
            }
        }
        for (size_t place = 0; place < AT_ONCE; place++)
            if (places[place].process)
                finish(place, baseline);
    }
    tap_ok(faults == 0 && runs > 0,
           "%s: each %s fails: %u runs for %u of them, %u faults, %u inside libraries", scenario->name,
           kind_names[kind], runs, total, faults, of_libraries);
}

static void torture(const struct scenario *scenario, bool large) {
    static const unsigned wanted[] = {400, 150, 400};
    const char *fault = "";
    struct told first = {.outstanding = LONG_MAX};
    for (int run = 0; run < BASELINE_RUNS && !fault[0]; run++) {
        begin(0, scenario, KINDS, 0, false, 0);
        fault = finish(0, -1);
        if (all_told[0].outstanding < first.outstanding)
            first = all_told[0];
    }
    if (!tap_ok(!fault[0] && first.exported == SPANS && first.child_exported == SPANS_OF_CHILD,
                "%s: without faults all is delivered (%lu, %lu) %s", scenario->name, first.exported,
                first.child_exported, fault))
        return;
    for (int kind = 0; kind < KINDS; kind++) {
        if (kind == LIBRARY_MEMORY && SANITIZED) {
            tap_skip("allocations of libraries", "a sanitizer has an allocator of its own");
            continue;
        }
        fail_each(scenario, (enum kind)kind, first.counted[kind], large ? UINT32_MAX : wanted[kind],
                  first.outstanding);
    }
}

static const struct scenario scenarios[] = {
    {"http/protobuf", CLEW_OTLP_HTTP_PROTOBUF, CLEW_COMPRESSION_NONE, false},
    {"http/json, gzip", CLEW_OTLP_HTTP_JSON, CLEW_COMPRESSION_GZIP, false},
    {"http/protobuf, zstd", CLEW_OTLP_HTTP_PROTOBUF, CLEW_COMPRESSION_ZSTD, false},
    {"grpc, gzip", CLEW_OTLP_GRPC, CLEW_COMPRESSION_GZIP, false},
    {"http/protobuf, TLS", CLEW_OTLP_HTTP_PROTOBUF, CLEW_COMPRESSION_NONE, true},
    {"grpc, TLS", CLEW_OTLP_GRPC, CLEW_COMPRESSION_NONE, true},
};

int main(int count, char **arguments) {
    struct receiver_options options = {.process = true, .track_ids = true};
    size_t size = AT_ONCE * sizeof *all_told;
    all_told = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 0; i < AT_ONCE; i++)
        places[i].receiver = receiver_start(&options);
    bool has_tls = make_certificate();
    for (size_t i = 0; has_tls && i < AT_ONCE; i++)
        places[i].tls_port = start_proxy(receiver_port(places[i].receiver));
#if !SANITIZED
    dl_iterate_phdr(find_segments, NULL);
#endif
    if (count == 5) {
        const struct scenario *scenario = &scenarios[atoi(arguments[1])];
        plan.tells = true;
        begin(0, scenario, (enum kind)atoi(arguments[2]), (unsigned)atoi(arguments[3]),
              strcmp(arguments[4], "all") == 0, -1);
        const char *fault = finish(0, -1);
        printf("%s; %ld blocks outstanding\n", fault[0] ? fault : "no fault", all_told[0].outstanding);
        unlink(certificate);
        return 0;
    }
    for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++) {
        if (scenarios[i].tls && !has_tls)
            tap_skip(scenarios[i].name, "openssl makes no certificate");
        else
            torture(&scenarios[i], is_large());
    }
    unlink(certificate);
    for (size_t i = 0; i < AT_ONCE; i++)
        receiver_stop(places[i].receiver);
    return tap_done();
}
