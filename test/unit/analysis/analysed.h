/* Traces with their paths, for the tests of what sums up over them; and results as text, to be compared. */
#ifndef CLEW_TEST_ANALYSIS_ANALYSED_H
#define CLEW_TEST_ANALYSIS_ANALYSED_H

#include "test/unit/analysis/build.h"

#include <clew/analysis.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#define COUNT(spans) (sizeof(spans) / sizeof *(spans))
#define MS UINT64_C(1000000)

struct analysed {
    struct built built;
    clew_critical_path *path;
};

static inline struct analysed analyse(const struct build_span *spans, size_t count) {
    struct analysed analysed = {.built = build_trace(spans, count, NULL)};
    analysed.path = clew_critical_path_new(analysed.built.trace, NULL);
    cr_assert_not_null(analysed.path);
    return analysed;
}

static inline void analysed_free(struct analysed *analysed) {
    clew_critical_path_free(analysed->path);
    build_free(&analysed->built);
}

/* A random trace of an id of its own. */
static inline struct analysed analyse_random(struct random *random, size_t count, bool is_hostile) {
    struct build_random made = build_random(random, count, is_hostile);
    struct analysed analysed;
    char id[17];
    snprintf(id, sizeof id, "%llx", (unsigned long long)random_next(random) | 1);
    for (size_t i = 0; i < made.count; i++)
        made.spans[i].trace = id;
    analysed = analyse(made.spans, made.count);
    build_random_free(&made);
    return analysed;
}

static inline bool text_is(clew_text text, const char *expected) {
    return text.size == strlen(expected) && memcmp(text.data, expected, text.size) == 0;
}

#define TEXT_FORMAT "%.*s"
#define TEXT_OF(text) (int)(text).size, (text).data

static inline void print_exemplars(FILE *file, const clew_exemplar *exemplars, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        fprintf(file, " [" TEXT_FORMAT " " TEXT_FORMAT " %llu %llu]", TEXT_OF(exemplars[i].trace_id),
                TEXT_OF(exemplars[i].span_id), (unsigned long long)exemplars[i].start_unix_nano,
                (unsigned long long)exemplars[i].duration);
    fprintf(file, "\n");
}

#endif
