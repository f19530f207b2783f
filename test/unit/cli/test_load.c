/* Loading of traces: all of them, once each, also when memory is short. */
#include "collector-bridge/cli/load.h"

#include "collector-bridge/cli/command.h"
#include "test/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TRACES 2000u
#define SPANS 20u /* of each */

static char path[] = "/tmp/clew-test-load-XXXXXX";

static void make_file(void) {
    int fd = mkstemp(path);
    FILE *file = fdopen(fd, "w");
    cr_assert_not_null(file);
    for (unsigned trace = 1; trace <= TRACES; trace++) {
        fputs("{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[", file);
        for (unsigned span = 1; span <= SPANS; span++)
            fprintf(file,
                    "%s{\"traceId\":\"%032x\",\"spanId\":\"%016x\",\"parentSpanId\":\"%s\",\"name\":\"n\","
                    "\"startTimeUnixNano\":\"%u\",\"endTimeUnixNano\":\"%u\"}",
                    span > 1 ? "," : "", trace, span, span > 1 ? "0000000000000001" : "", trace * 100 + span,
                    trace * 100 + 50);
        fputs("]}]}]}\n", file);
    }
    cr_assert_eq(fclose(file), 0);
}

static void remove_file(void) {
    unlink(path);
}

struct seen {
    unsigned times[TRACES + 1];
    unsigned spans;
    uint64_t last_start; /* of those that stay */
    bool in_order;
};

static bool take(void *user, const clew_trace *trace, const clew_critical_path *critical, bool stays) {
    struct seen *seen = user;
    char text[CLEW_ID_TEXT_SIZE];
    clew_trace_id_text(trace, text);
    seen->times[strtoul(text, NULL, 16)]++;
    seen->spans += clew_trace_span_count(trace);
    if (stays) {
        seen->in_order &= critical->roots[0].start_unix_nano > seen->last_start;
        seen->last_start = critical->roots[0].start_unix_nano;
    }
    return critical->root_count == 1;
}

static struct clew__load load_all(struct seen *seen, uint64_t memory_limit) {
    static const char *const files[] = {path};
    static const struct clew__options options = {.files = files, .file_count = 1};
    struct clew__load load = {.options = &options, .memory_limit = memory_limit, .take = take, .user = seen};
    seen->in_order = true;
    clew__load_all(&load);
    clew__load_end(&load);
    return load;
}

static void expect_each_once(const struct seen *seen) {
    for (unsigned i = 1; i <= TRACES; i++)
        cr_assert_eq(seen->times[i], 1, "trace %u: %u times", i, seen->times[i]);
    cr_assert_eq(seen->spans, TRACES * SPANS);
    cr_assert(seen->in_order);
}

Test(load, hands_every_trace_on_in_order, .init = make_file, .fini = remove_file) {
    struct seen seen = {.spans = 0};
    struct clew__load load = load_all(&seen, 0);
    cr_assert_eq(load.status, CLEW__EXIT_OK);
    cr_assert_eq(load.given, TRACES);
    cr_assert_eq(load.left, 0);
    expect_each_once(&seen);
    CLEW_NO_LEAKS();
}

Test(load, hands_traces_on_early_when_memory_is_short, .init = make_file, .fini = remove_file) {
    struct seen seen = {.spans = 0};
    struct clew__load load = load_all(&seen, 2u << 20);
    cr_assert_eq(load.status, CLEW__EXIT_OK);
    cr_assert_eq(load.given, TRACES);
    cr_assert_gt(load.left, TRACES / 4);
    cr_assert_lt(load.left, TRACES);
    expect_each_once(&seen);
    CLEW_NO_LEAKS();
}
