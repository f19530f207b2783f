/* What reports write, as text. */
#ifndef CLEW_TEST_REPORT_WRITTEN_H
#define CLEW_TEST_REPORT_WRITTEN_H

#include "sdk/base/buffer.h"
#include "test/support.h"
#include "test/unit/analysis/build.h"

#include <clew/analysis.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Compares what was written with a text, and frees it. */
static inline void expect_written(struct clew__writer *out, const char *expected) {
    clew__write_raw(out, "", 1);
    cr_assert_not(out->failed);
    cr_assert_str_eq((const char *)out->data, expected, "got:\n%s\nexpected:\n%s", (const char *)out->data,
                     expected);
    clew__buffer_fini(out);
}

/* Columns of the longest line: every byte that is no continuation of a character is one. */
static inline size_t longest_line(const char *text) {
    size_t most = 0, columns = 0;
    for (; *text; text++) {
        if (*text == '\n')
            columns = 0;
        else if (((unsigned char)*text & 0xC0) != 0x80 && ++columns > most)
            most = columns;
    }
    return most;
}

/* A trace and its path. */
struct subject {
    struct built built;
    clew_critical_path *path;
};

static inline struct subject subject_of(const struct build_span *spans, size_t count) {
    struct subject subject = {.built = build_trace(spans, count, NULL)};
    subject.path = clew_critical_path_new(subject.built.trace, NULL);
    cr_assert_not_null(subject.path);
    return subject;
}

static inline void subject_free(struct subject *subject) {
    clew_critical_path_free(subject->path);
    build_free(&subject->built);
}

#define MS UINT64_C(1000000)

#endif
