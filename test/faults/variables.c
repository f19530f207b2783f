/* Every variable with an absurd value, each in a process of its own: a message names the variable, its value
 * and what is used instead, and the program works: its spans come to a file, its shutdown is in time. */
#include "test/tap.h"

#include <clew/clew.h>
#include <clew/otlp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SPANS = 20, SHUTDOWN_MS = 500 };

extern char **environ;

/* A variable, what it is set to, and what its one line must name beside the two. */
struct fault {
    const char *variable, *value, *instead;
    const char *also; /* a second variable that is set, NAME=value; may be NULL */
};

static const struct fault faults[] = {
    {"OTEL_BSP_MAX_QUEUE_SIZE", "-1", "2048", NULL},
    {"OTEL_BSP_MAX_QUEUE_SIZE", "0", "2048", NULL},
    {"OTEL_BSP_MAX_QUEUE_SIZE", "2k", "2048", NULL},
    {"OTEL_BSP_MAX_QUEUE_SIZE", "18446744073709551617", "2048", NULL},
    {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "0", "512", NULL},
    {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1e3", "512", NULL},
    {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1000", "10", "OTEL_BSP_MAX_QUEUE_SIZE=10"},
    {"OTEL_BSP_SCHEDULE_DELAY", "-5000", "5000", NULL},
    {"OTEL_BSP_SCHEDULE_DELAY", "5s", "5000", NULL},
    {"OTEL_BSP_EXPORT_TIMEOUT", "99999999999", "30000", NULL},
    {"OTEL_BSP_EXPORT_TIMEOUT", "0x10", "30000", NULL},
    {"OTEL_ATTRIBUTE_COUNT_LIMIT", "many", "128", NULL},
    {"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "-3", "no limit", NULL},
    {"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "12 8", "128", NULL},
    {"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "none", "OTEL_ATTRIBUTE_COUNT_LIMIT=7",
     "OTEL_ATTRIBUTE_COUNT_LIMIT=7"},
    {"OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "1.5", "no limit", NULL},
    {"OTEL_SPAN_EVENT_COUNT_LIMIT", "1,000", "128", NULL},
    {"OTEL_SPAN_LINK_COUNT_LIMIT", "+", "128", NULL},
    {"OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "4294967296", "128", NULL},
    {"OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "-", "128", NULL},
    {"OTEL_TRACES_SAMPLER", "sometimes", "parentbased_always_on", NULL},
    {"OTEL_TRACES_SAMPLER", "jaeger_remote", "parentbased_always_on", NULL},
    {"OTEL_TRACES_SAMPLER_ARG", "1.5", "1.0", "OTEL_TRACES_SAMPLER=traceidratio"},
    {"OTEL_TRACES_SAMPLER_ARG", "nan", "1.0", "OTEL_TRACES_SAMPLER=parentbased_traceidratio"},
    {"OTEL_TRACES_SAMPLER_ARG", "-0.1", "1.0", "OTEL_TRACES_SAMPLER=traceidratio"},
    {"OTEL_TRACES_EXPORTER", "pigeon", "otlp", NULL},
    {"OTEL_PROPAGATORS", "pigeon", "tracecontext,baggage", NULL},
    {"OTEL_SDK_DISABLED", "perhaps", "false", NULL},
    {"OTEL_LOG_LEVEL", "shout", "info", NULL},
    {"CLEW_MEMORY_LIMIT", "7 bananas", "default", NULL},
    {"CLEW_MEMORY_LIMIT", "1", "default", NULL},
    {"CLEW_MEMORY_LIMIT", "-1", "default", NULL},
    {"CLEW_EXIT_FLUSH_MS", "soon", "1000", NULL},
    {"CLEW_IGNORE_TRACEPARENT", "2", "false", NULL},
    {"OTEL_EXPORTER_OTLP_TIMEOUT", "-1", "10000", NULL},
    {"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "10s", "10000", NULL},
    {"OTEL_EXPORTER_OTLP_PROTOCOL", "carrier/pigeon", "http/protobuf", NULL},
    {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/xml", "http/protobuf", NULL},
};

/* ---- the child ---- */

static char said[16384];

static void on_message(void *user, clew_log_level level, const char *message) {
    (void)user;
    (void)level;
    strncat(said, message, sizeof said - strlen(said) - 2);
    strcat(said, "\n");
}

/* One line with all of them. */
static bool said_together(const char *variable, const char *value, const char *instead) {
    char *at = said, *line;
    while ((line = strsep(&at, "\n")) != NULL)
        if (strstr(line, variable) && strstr(line, value) && strstr(line, instead))
            return true;
    return false;
}

static unsigned lines_of(const char *path) {
    unsigned spans = 0;
    FILE *file = fopen(path, "r");
    static char text[1 << 16];
    size_t size = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file)
        fclose(file);
    text[size] = '\0';
    for (char *at = text; (at = strstr(at, "\"name\":\"work\"")) != NULL; at++)
        spans++;
    return spans;
}

enum { GOOD, NO_INIT, NOT_RECORDING, LATE, NOT_IN_FILE, NO_MESSAGE, BAD_BOOKS };
static const char *const wrongs[] = {"",
                                     "the init failed",
                                     "spans are not recorded",
                                     "the shutdown was late",
                                     "spans are missing in the file",
                                     "the message is not there",
                                     "the books do not balance"};

static int be_child(const struct fault *fault) {
    clew_options options = {.otlp = clew_otlp_exporter};
    clew_stats_data data;
    uint64_t before;
    alarm(30);
    clew_set_log_callback(on_message, NULL);
    clew_set_log_level(CLEW_LOG_INFO);
    if (clew_init_with("variables", &options) != 0)
        return NO_INIT;
    for (int i = 0; i < SPANS; i++) {
        clew_span span = clew_span_start(NULL, "work", NULL);
        if (!clew_span_is_recording(span))
            return NOT_RECORDING;
        clew_span_set_int(span, "i", i);
        clew_span_end(span);
        if (i % 5 == 0)
            clew_flush(10); /* queues of ten do not fill */
    }
    before = clew_monotonic_nano();
    clew_shutdown(SHUTDOWN_MS);
    if ((clew_monotonic_nano() - before) / 1000000u > SHUTDOWN_MS + 300)
        return LATE;
    data = clew_stats();
    if (data.started != SPANS || data.open != 0 || data.pipeline_count == 0)
        return BAD_BOOKS;
    if (lines_of(getenv("CLEW_OTLP_FILE")) != SPANS)
        return NOT_IN_FILE;
    if (fault && !said_together(fault->variable, fault->value, fault->instead)) {
        fprintf(stderr, "# no line with %s, %s and %s in:\n%s", fault->variable, fault->value, fault->instead,
                said);
        return NO_MESSAGE;
    }
    return GOOD;
}

/* ---- the parent ---- */

/* Runs this program again, with nothing in its environment but what the case says. */
static void check(size_t number, const char *variable, const char *value, const char *also) {
    char path[] = "/tmp/clew-variables-XXXXXX", file[64], setting[256], text[16];
    /* Nobody listens there: deliveries fail at once. */
    char endpoint[] = "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1",
         exporter[] = "OTEL_TRACES_EXPORTER=none";
    char second[128], *environment[6];
    char *arguments[] = {"variables", text, NULL};
    int status = 0, descriptor = mkstemp(path), count = 0;
    pid_t child;
    close(descriptor);
    snprintf(text, sizeof text, "%zu", number);
    snprintf(file, sizeof file, "CLEW_OTLP_FILE=%s", path);
    snprintf(setting, sizeof setting, "%s=%s", variable, value);
    snprintf(second, sizeof second, "%s", also ? also : "UNUSED=1");
    environment[count++] = file;
    environment[count++] = setting;
    environment[count++] = second;
    environment[count++] = endpoint;
    if (!strstr(variable, "_OTLP_") && !strstr(variable, "_EXPORTER"))
        environment[count++] = exporter;
    environment[count] = NULL;
    child = fork();
    if (child == 0) {
        execve("/proc/self/exe", arguments, environment);
        _exit(127);
    }
    waitpid(child, &status, 0);
    unlink(path);
    if (WIFEXITED(status) && WEXITSTATUS(status) < (int)(sizeof wrongs / sizeof wrongs[0]))
        tap_ok(WEXITSTATUS(status) == GOOD, "%s=%s%s%s", variable, value, status ? ": " : "",
               wrongs[WEXITSTATUS(status)]);
    else
        tap_ok(false, "%s=%s: status %x", variable, value, (unsigned)status);
}

int main(int count, char **arguments) {
    size_t cases = sizeof faults / sizeof faults[0];
    if (count == 2) {
        size_t number = (size_t)strtoul(arguments[1], NULL, 10);
        return be_child(number < cases ? &faults[number] : NULL);
    }
    for (size_t i = 0; i < cases; i++)
        check(i, faults[i].variable, faults[i].value, faults[i].also);
    return tap_done();
}
