/* Plugins: a host that never heard of Clew loads, uses and closes objects that carry a copy of it, or share
 * one. */
#include "process.h"
#include "test/peer/receiver.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sys/stat.h>

enum { ROUNDS = SANITIZED ? 20 : 300, COPIES = 40, SPANS = 3 };

static char folder[PATH_MAX];
static char target[96]; /* a file, or an endpoint */

typedef int plugin_function(const char *target, int spans, int shut_down);

/* Opens, runs, closes; what the plugin answered, or -2. */
static int use(const char *path, int shut_down) {
    void *plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    plugin_function *run_plugin;
    int delivered = -2;
    if (!plugin) {
        fprintf(stderr, "%s\n", dlerror());
        return delivered;
    }
    *(void **)&run_plugin = dlsym(plugin, "plugin_run");
    if (run_plugin)
        delivered = run_plugin(target, SPANS, shut_down);
    dlclose(plugin);
    return delivered;
}

static void *use_on_a_thread(void *path) {
    return (void *)(intptr_t)use(path, 0);
}

/* The thread exits after the plugin was closed: what it left in the thread's storage is destroyed then. */
static int use_elsewhere(char *path) {
    pthread_t thread;
    void *delivered = NULL;
    if (pthread_create(&thread, NULL, use_on_a_thread, path) != 0)
        return -3;
    pthread_join(thread, &delivered);
    return (int)(intptr_t)delivered;
}

static long resident_pages(void) {
    long size = 0, resident = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    if (statm && fscanf(statm, "%ld %ld", &size, &resident) != 2)
        resident = 0;
    if (statm)
        fclose(statm);
    return resident;
}

/* All in a child, so that its exit is part of it. */
static int opens_and_closes(char *path) {
    int failures = 0;
    long before = 0;
    for (int round = 0; round < ROUNDS; round++) {
        failures |= use(path, round % 2) != SPANS;
        failures |= 2 * (use_elsewhere(path) != SPANS);
        if (round == ROUNDS / 10)
            before = resident_pages();
    }
    /* A megabyte. */
    failures |= 4 * (!SANITIZED && resident_pages() - before > 256);
    return failures;
}

static int run(int (*body)(char *path), char *path) {
    pid_t child = fork();
    if (child == 0) {
        alarm(100);
        exit(body(path));
    }
    return status_of(child);
}

static void opened_and_closed(const char *name, const char *what) {
    char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    strcpy(target, new_file());
    int status = run(opens_and_closes, path);
    unsigned arrived = spans_named(target, "in a plugin");
    tap_ok(status == 0 && arrived == 2 * SPANS * ROUNDS,
           "a plugin %s is opened and closed %d times, and its threads exit afterwards (%d, %u spans)", what,
           2 * ROUNDS, status, arrived);
    unlink(target);
}

/* libcurl, nghttp2 and OpenSSL behind a plugin's own Clew, with connections that stay open. */
static void sends_from_a_plugin(bool grpc) {
    struct receiver_options options = {.process = true};
    struct receiver *receiver = receiver_start(&options);
    char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/plugin_network.so", folder);
    receiver_endpoint(receiver, grpc, target, sizeof target);
    if (grpc) /* without the scheme */
        memmove(target, target + strlen("http://"), strlen(target) - strlen("http://") + 1);
    setenv("OTEL_EXPORTER_OTLP_INSECURE", "true", 1);
    int status = run(opens_and_closes, path);
    uint64_t arrived = receiver_counts(receiver).acknowledged;
    tap_ok(status == 0 && arrived == 2 * SPANS * ROUNDS,
           "a plugin that sends over %s is opened and closed %d times (%d, %lu spans)",
           grpc ? "gRPC" : "HTTP", 2 * ROUNDS, status, arrived);
    receiver_stop(receiver);
}

static bool copy(const char *from, const char *to) {
    char bytes[1 << 16];
    int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
    ssize_t got = -1;
    while (in >= 0 && out >= 0 && (got = read(in, bytes, sizeof bytes)) > 0)
        if (write(out, bytes, (size_t)got) != got)
            break;
    close(in);
    close(out);
    return got == 0;
}

/* Thread-local storage of the initial-exec kind runs out after some dozens of objects: there must be none. */
static int opens_many_copies(char *path) {
    int failures = 0;
    for (int i = 0; i < COPIES; i++) {
        char other[PATH_MAX + 96];
        snprintf(other, sizeof other, "%s.%d", path, i);
        unlink(other);
        failures += !copy(path, other) || use(other, i % 2) != SPANS;
        unlink(other);
    }
    return failures;
}

int main(void) {
    char path[PATH_MAX + 64];
    ssize_t size = readlink("/proc/self/exe", folder, sizeof folder - 1);
    if (size <= 0)
        return 1;
    folder[size] = '\0';
    *strrchr(folder, '/') = '\0';
    only_full_batches_go();
    opened_and_closed("plugin_shared.so", "on the shared library");
    opened_and_closed("plugin_static.so", "with a Clew of its own");
    sends_from_a_plugin(false);
    sends_from_a_plugin(true);
    snprintf(path, sizeof path, "%s/plugin_static.so", folder);
    strcpy(target, new_file());
    int status = run(opens_many_copies, path);
    unsigned arrived = spans_named(target, "in a plugin");
    tap_ok(status == 0 && arrived == SPANS * COPIES, "%d copies of Clew live side by side (%d, %u spans)",
           COPIES, status, arrived);
    unlink(target);
    return tap_done();
}
