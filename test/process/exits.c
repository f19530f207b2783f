/* The end of a program: what exit() without a shutdown delivers, and _exit(). */
#include "process.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/socket.h>

/* A child that records a span in some way and leaves; returns how many of its spans arrived. */
static unsigned arrives(void (*run)(const char *path), int *status) {
    char path[64];
    unsigned count;
    strcpy(path, new_file());
    pid_t child = fork();
    if (child == 0) {
        run(path);
        exit(7);
    }
    *status = status_of(child);
    count = spans_named(path, "work");
    unlink(path);
    return count;
}

static void start(const char *path) {
    clew_options options = {.exporters = "none", .otlp_file = path};
    clew_init_with("exits", &options);
    clew_span_end(clew_span_start(NULL, "work", NULL));
}

static void without_shutdown(const char *path) {
    start(path);
}
static void with_time_in_the_environment(const char *path) {
    setenv("CLEW_EXIT_FLUSH_MS", "500", 1);
    start(path);
}
static void with_no_time(const char *path) {
    setenv("CLEW_EXIT_FLUSH_MS", "0", 1);
    start(path);
}
static void with_no_time_in_code(const char *path) {
    clew_options options = {.exporters = "none", .otlp_file = path, .exit_flush_ms = CLEW_NO_EXIT_FLUSH};
    clew_init_with("exits", &options);
    clew_span_end(clew_span_start(NULL, "work", NULL));
}
static void at_once(const char *path) {
    start(path);
    _exit(7);
}
static void flush_then_at_once(const char *path) {
    start(path);
    clew_flush(5000);
    _exit(7);
}
static void by_returning_from_main(const char *path) {
    execl("/proc/self/exe", "exits", path, (char *)NULL);
}
static void *exits(void *argument) {
    (void)argument;
    exit(7);
}
static void from_another_thread(const char *path) {
    pthread_t thread;
    start(path);
    pthread_create(&thread, NULL, exits, NULL);
    for (;;)
        pause();
}
static void after_shutdown(const char *path) {
    start(path);
    clew_shutdown(5000);
}

static void *records_for_ever(void *argument) {
    (void)argument;
    for (;;)
        clew_span_end(clew_span_start(NULL, "busy", NULL));
    return NULL;
}
static void while_threads_record(const char *path) {
    pthread_t thread;
    start(path);
    for (int i = 0; i < 3; i++)
        pthread_create(&thread, NULL, records_for_ever, NULL);
    clew_flush(5000);
}
static void late(void) {
    clew_span_end(clew_span_start(NULL, "too late", NULL));
    clew_flush(10);
    clew_shutdown(10);
}
static void with_spans_in_exit_handlers(const char *path) {
    atexit(late);
    start(path);
    atexit(late);
}

static clew_export_outcome never(void *self, const clew_batch *batch, uint32_t timeout_ms,
                                 clew_export_report *report) {
    (void)self;
    (void)batch;
    (void)timeout_ms;
    (void)report;
    for (;;)
        pause();
    return CLEW_EXPORT_UNKNOWN;
}
static int never_factory(const clew_otlp_options *options, clew_exporter *out) {
    (void)options;
    memset(out, 0, sizeof *out);
    out->name = "never";
    out->export_batch = never;
    return 0;
}
static void with_an_exporter_that_never_returns(const char *path) {
    clew_options options = {.otlp = never_factory, .exporters = "otlp", .exit_flush_ms = 300};
    (void)path;
    clew_init_with("exits", &options);
    clew_span_end(clew_span_start(NULL, "work", NULL));
}

/* ---- a collector that accepts and never answers ---- */

/* A listening socket that nobody reads from: the kernel accepts. */
static int silent_server(unsigned *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int server = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(server, (struct sockaddr *)&address, sizeof address) != 0 || listen(server, 16) != 0 ||
        getsockname(server, (struct sockaddr *)&address, &size) != 0)
        return -1;
    *port = ntohs(address.sin_port);
    return server;
}

static void against_a_silent_collector(void) {
    enum { DEFAULT_MS = 1000, SLACK_MS = SANITIZED ? 2000 : 100 };
    uint64_t *exit_called =
        mmap(NULL, sizeof *exit_called, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    unsigned port = 0;
    int server = silent_server(&port);
    pid_t child = fork();
    if (child == 0) {
        char endpoint[64];
        snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%u", port);
        setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint, 1);
        clew_init("exits");
        clew_span_end(clew_span_start(NULL, "work", NULL));
        *exit_called = clew_monotonic_nano();
        exit(7);
    }
    int status = status_of(child);
    unsigned took = milliseconds_since(*exit_called);
    tap_ok(server >= 0 && status == 7 && took >= DEFAULT_MS - 100 && took <= DEFAULT_MS + SLACK_MS,
           "a collector that accepts and never answers holds the exit up for a second (%u ms)", took);
    close(server);
    munmap(exit_called, sizeof *exit_called);
}

int main(int count, char **arguments) {
    if (count == 2) {
        start(arguments[1]);
        return 7;
    }
    static const struct {
        const char *name;
        void (*run)(const char *path);
        unsigned expected;
    } cases[] = {
        {"exit without shutdown delivers", without_shutdown, 1},
        {"CLEW_EXIT_FLUSH_MS=500 delivers", with_time_in_the_environment, 1},
        {"CLEW_EXIT_FLUSH_MS=0 delivers nothing more", with_no_time, 0},
        {"CLEW_NO_EXIT_FLUSH delivers nothing more", with_no_time_in_code, 0},
        {"_exit delivers nothing more", at_once, 0},
        {"a flush before _exit delivers", flush_then_at_once, 1},
        {"returning from main delivers", by_returning_from_main, 1},
        {"exit on another thread delivers", from_another_thread, 1},
        {"exit after a shutdown delivers nothing twice", after_shutdown, 1},
        {"exit while threads record delivers", while_threads_record, 1},
        {"spans in exit handlers are harmless", with_spans_in_exit_handlers, 1},
    };
    clew_set_log_level(CLEW_LOG_ERROR);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int status;
        uint64_t before = clew_monotonic_nano();
        unsigned arrived = arrives(cases[i].run, &status);
        tap_ok(arrived == cases[i].expected && status == 7, "%s (%u arrived, status %d, %u ms)",
               cases[i].name, arrived, status, milliseconds_since(before));
    }
    int status;
    uint64_t before = clew_monotonic_nano();
    arrives(with_an_exporter_that_never_returns, &status);
    tap_ok(status == 7 && milliseconds_since(before) < (SANITIZED ? 2000 : 450),
           "an exporter that never returns holds the exit up for 300 ms at most (%u ms)",
           milliseconds_since(before));
    against_a_silent_collector();
    return tap_done();
}
