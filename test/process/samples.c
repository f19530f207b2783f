/* The samples as their readers run them: what they print, and what of them arrives. */
#include "process.h"

#include "test/peer/receiver.h"

#include <fcntl.h>
#include <limits.h>

#define TICKS 10 /* of the samples with a loop */

/* Of this build; static storage. Empty: it was built without. */
static const char *sample(const char *name) {
    static char path[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", path, sizeof path - 64);
    char *end;
    path[size > 0 ? size : 0] = '\0';
    end = strstr(path, "/test/process/");
    if (!end)
        return "";
    snprintf(end, 64, "/samples/%s", name);
    return access(path, X_OK) == 0 ? path : "";
}

/* Runs it with its output in the file; returns its exit status. */
static int run(const char *path, const char *output) {
    pid_t child = fork();
    if (child == 0) {
        int to = open(output, O_WRONLY | O_TRUNC | O_CLOEXEC);
        dup2(to, STDOUT_FILENO);
        execl(path, path, (char *)NULL);
        _exit(127);
    }
    return status_of(child);
}

/* Seven steps: the request's own, and in between the queries, of 5, 10 and 15 ms at least. */
static bool is_path(const char *text) {
    unsigned lines = 0;
    for (; *text; lines++) {
        double ms;
        char name[32];
        int size = 0;
        bool is_query = lines % 2;
        if (sscanf(text, " %lf ms %31[^\n]\n%n", &ms, name, &size) < 2 ||
            strcmp(name, is_query ? "SELECT price" : "GET /cart") != 0 ||
            (is_query && ms < 5 * (lines + 1) / 2))
            return false;
        text += size;
    }
    return lines == 7;
}

static void test_sample(const char *name, unsigned spans, bool (*is_right)(const char *text)) {
    struct receiver *receiver = receiver_start(&(struct receiver_options){.process = true});
    const char *path = sample(name), *output = new_file();
    struct receiver_counts counts;
    char endpoint[64], *text;
    int status;
    if (!*path) {
        tap_skip(name, "the samples are not built");
        receiver_stop(receiver);
        return;
    }
    receiver_endpoint(receiver, true, endpoint, sizeof endpoint); /* a base, without a path */
    setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint, 1);
    status = run(path, output);
    text = content_of(output);
    counts = receiver_stop(receiver);
    unlink(output);
    tap_ok(status == 0 && counts.acknowledged == spans && counts.faults == 0 && is_right(text),
           "%s exits with 0, delivers its %u spans, and prints what it should (%d; %lu; %s)", name, spans,
           status, (unsigned long)counts.acknowledged, counts.fault);
    if (!is_right(text))
        printf("# it printed: %s\n", text);
    free(text);
}

static bool is_empty(const char *text) {
    return !*text;
}

static bool is_passed(const char *text) {
    return strcmp(text, "passed\n") == 0;
}

/* Its exporter prints a line for each span. */
static bool is_two_spans(const char *text) {
    return count_in(text, "\n") == 2 && strstr(text, " shop: SELECT cart took ") &&
           strstr(text, " shop: GET /cart took ");
}

int main(void) {
    test_sample("first_span", 1, is_empty);
    test_sample("cross_thread", 2, is_empty);
    test_sample("critical_path", 4, is_path);
    test_sample("custom_exporter", 0, is_two_spans);
    test_sample("unit_testing", 0, is_passed);
    test_sample("poll_loop", TICKS, is_empty);
    test_sample("libevent_loop", TICKS, is_empty);
    return tap_done();
}
