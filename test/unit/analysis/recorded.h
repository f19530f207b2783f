/* Traces that other people's systems recorded, from the folder that CLEW_TEST_TRACES names. Without it the
 * test is skipped. */
#ifndef CLEW_TEST_ANALYSIS_RECORDED_H
#define CLEW_TEST_ANALYSIS_RECORDED_H

#include "collector-bridge/files/input.h"
#include "test/unit/analysis/analysed.h"

#define RECORDED_PATH_SIZE 1024

static inline bool recorded_keep(void *user, const void *traces, size_t size) {
    return clew_trace_buffer_add(user, (clew_bytes){traces, size}, 1) == CLEW_OK;
}

static inline const char *recorded_root(void) {
    const char *root = getenv("CLEW_TEST_TRACES");
    if (!root || !*root)
        cr_skip_test("CLEW_TEST_TRACES names no folder of recorded traces");
    return root;
}

/* A file or folder below the root, with all its traces complete; times as recorded. */
static inline clew_trace_buffer *recorded_read(const char *name) {
    const clew_trace_buffer_options options = {.struct_size = sizeof options, .skew = CLEW_SKEW_OFF};
    clew_trace_buffer *buffer = clew_trace_buffer_new(&options);
    const struct clew__input_sink sink = {recorded_keep, buffer};
    char path[RECORDED_PATH_SIZE];
    cr_assert_not_null(buffer);
    snprintf(path, sizeof path, "%s/%s", recorded_root(), name);
    cr_assert(clew__input_read_path(path, &sink, stderr), "%s", path);
    clew_trace_buffer_flush(buffer);
    return buffer;
}

/* The only trace of a buffer. */
static inline const clew_trace *recorded_only(clew_trace_buffer *buffer) {
    const clew_trace *trace = clew_trace_buffer_next(buffer, NULL);
    cr_assert(trace && !clew_trace_buffer_next(buffer, trace));
    return trace;
}

#endif
