/* A process that is started with a traceparent joins its trace, on all threads. */
#include "process.h"

#include <pthread.h>
#include <spawn.h>

#define TRACE "0123456789abcdef0123456789abcdef"
#define PARENT "00-" TRACE "-00f067aa0ba902b7-01"

static bool is_joined(void) {
    char hex[33];
    clew_span span = clew_span_start(NULL, "work", NULL);
    clew_span_end(span);
    clew_trace_id_to_hex(span.trace_id, hex);
    return strcmp(hex, TRACE) == 0;
}

static void *joined(void *argument) {
    (void)argument;
    return (void *)(uintptr_t)(is_joined() ? 1 : 2);
}

static void *root(void *argument) {
    clew_span_options options = {.flags = CLEW_SPAN_ROOT};
    char hex[33];
    (void)argument;
    clew_span span = clew_span_start(NULL, "root", &options);
    clew_span_end(span);
    clew_trace_id_to_hex(span.trace_id, hex);
    return (void *)(uintptr_t)(strcmp(hex, TRACE) == 0 ? 1 : 2);
}

static bool on_a_thread(void *(*run)(void *)) {
    pthread_t thread;
    void *result;
    pthread_create(&thread, NULL, run, NULL);
    pthread_join(thread, &result);
    return (uintptr_t)result == 1;
}

/* In a process of its own: the base of a process is there for good. */
static bool ignored(const char *variable, uint32_t flags) {
    pid_t child = fork();
    if (child == 0) {
        clew_options options = {.exporters = "none", .otlp_file = "/dev/null", .flags = flags};
        if (variable)
            setenv(variable, "true", 1);
        clew_init_with("environment", &options);
        clew_span span = clew_span_start(NULL, "work", NULL);
        _exit(clew_span_is_recording(span) && !is_joined() ? 0 : 1);
    }
    return status_of(child) == 0;
}

/* What the started program does: one span, and the baggage must have come too. */
static int be_started(const char *path) {
    clew_options options = {.exporters = "none", .otlp_file = path};
    clew_init_with("started", &options);
    const char *user = clew_baggage_get(clew_context_baggage(NULL), "user");
    clew_span_end(clew_span_start(NULL, "in the started program", NULL));
    clew_delivery delivery = clew_shutdown(5000);
    return delivery.delivered == 1 && user && strcmp(user, "ada") == 0 ? 0 : 1;
}

static int run_with(char **environment, const char *path) {
    char *arguments[] = {(char *)"environment", (char *)path, NULL};
    pid_t child;
    if (!environment || posix_spawn(&child, "/proc/self/exe", NULL, NULL, arguments, environment) != 0)
        return -1;
    return status_of(child);
}

static void started_programs_join(const char *path) {
    char hex[17], what[64];
    clew_scope scope = clew_scope_enter(NULL, "starts a program", NULL);
    char **environment = clew_environ_new(NULL);
    tap_ok(run_with(environment, path) == 0, "a program that is started with clew_environ_new() delivers");
    clew_environ_free(environment);
    clew_scope_leave(&scope);
    char *text = content_of(path);
    hex_of(scope.span.span_id, hex);
    snprintf(what, sizeof what, "\"parentSpanId\":\"%s\"", hex);
    tap_ok(count_in(text, what) == 1, "its span has the current one as parent");
    tap_ok(count_in(text, "\"traceId\":\"" TRACE "\"") == 1, "and is in the same trace");
    tap_ok(count_in(text, "\"traceState\":\"vendor=value\"") == 1, "with its tracestate");
    tap_ok(strcmp(getenv("TRACEPARENT"), PARENT) == 0, "the own environment is not touched");
    free(text);
}

int main(int count, char **arguments) {
    char path[64];
    clew_options options = {.exporters = "none"};
    if (count == 2)
        return be_started(arguments[1]);
    clew_set_log_level(CLEW_LOG_ERROR);
    strcpy(path, new_file());
    options.otlp_file = path;
    setenv("TRACEPARENT", PARENT, 1);
    setenv("TRACESTATE", "vendor=value", 1);
    setenv("BAGGAGE", "user=ada", 1);

    tap_ok(ignored("CLEW_IGNORE_TRACEPARENT", 0), "CLEW_IGNORE_TRACEPARENT switches it off");
    tap_ok(ignored(NULL, CLEW_INIT_IGNORE_TRACEPARENT), "and so does the flag");
    setenv("TRACEPARENT", "00-" TRACE "-0000000000000000-01", 1);
    tap_ok(ignored(NULL, 0), "one that is not valid is ignored");
    setenv("TRACEPARENT", PARENT, 1);
    clew_init_with("environment", &options);
    tap_ok(is_joined(), "the first thread joins");
    tap_ok(on_a_thread(joined), "other threads join");
    tap_ok(!on_a_thread(root), "a root span does not");
    const char *user = clew_baggage_get(clew_context_baggage(NULL), "user");
    tap_ok(user && strcmp(user, "ada") == 0, "baggage is joined too");
    char other[80];
    snprintf(other, sizeof other, "%s.started", path);
    started_programs_join(other);
    unlink(other);
    clew_shutdown(5000);
    char *text = content_of(path);
    tap_ok(count_in(text, "\"parentSpanId\":\"00f067aa0ba902b7\"") == 3,
           "the parent is the one of the environment");
    tap_ok(count_in(text, "\"traceState\":\"vendor=value\"") == 3, "and its tracestate is kept");
    free(text);
    unlink(path);

    return tap_done();
}
