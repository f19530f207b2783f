/* Errors of CRISP's reference traces: what it counts as begun, propagated and stopped, by call path, and the
 * time on the path of what failed. Where we differ, the reason stands in the table. */
#include "test/support.h"
#include "test/unit/analysis/crisp.h"

static const char *const files[] = {
    "11",
    "12",
    "13",
    "14",
    "15",
    "16",
    "17",
    "18",
    "19",
    "20",
    "21",
    "22",
    "23",
    "24",
    "25",
    "err_pattern1/err1",
    "err_pattern1/err2",
    "err_pattern2/err1",
    "err_pattern2/err2",
    "err_pattern3/err1",
    "err_pattern3/err2",
    "err_pattern4/err1",
    "err_pattern4/err2",
};

struct disagreement {
    const char *file, *call_path, *reason;
};

static const char http_400[] = "a status of 400 to 499 is no failure where the span is no client's";
static const char log_alone[] = "an error that stands in a log alone may have been handled";
static const char grpc_name[] = "`grpc.status` as a name is no convention";

static const struct disagreement known[] = {
    {"15", "[S1] O1->[S4] O2", log_alone},
    {"15", "[S1] O1->[S5] O2", log_alone},
    {"15", "[S1] O1->[S6] O2", log_alone},
    {"16", "[S1] O1->[S5] O5", http_400},
    {"16", "[S1] O1->[S6] O6", grpc_name},
    {"16", "[S1] O1->[S6] O6->[S7] O7", grpc_name},
    {"18", "[S1] O1->[S6] O6", log_alone},
    {"19", "[S1] O1->[S2] O2", http_400},
    {"19", "[S1] O1->[S3] O3", http_400},
    {"20", "[S1] O1->[S2] O2", http_400},
    {"21", "[S1] O1->[S3] O3", http_400},
    {"22", "[S1] O1->[S2] O2", http_400},
    {"23", "[S1] O1->[S2] O2->[S3] O3", http_400},
    {"24", "[S1] O1", http_400},
    {"24", "[S1] O1->[S2] O2", http_400},
    {"24", "[S1] O1->[S2] O2->[S3] O3", http_400},
    {"25", "[S1] O1", http_400},
    {"25", "[S1] O1->[S2] O2", http_400},
    {"25", "[S1] O1->[S2] O2->[S3] O3", http_400},
};

/* Of one call path. */
struct row {
    char *call_path;
    uint64_t begun, propagated, stopped;
    uint64_t time;
};

struct rows {
    struct row rows[64];
    size_t count;
};

static struct row *row_of(struct rows *rows, const char *call_path) {
    for (size_t i = 0; i < rows->count; i++) {
        if (strcmp(rows->rows[i].call_path, call_path) == 0)
            return &rows->rows[i];
    }
    cr_assert_lt(rows->count, 64);
    rows->rows[rows->count] = (struct row){.call_path = strdup(call_path)};
    return &rows->rows[rows->count++];
}

static void rows_free(struct rows *rows) {
    for (size_t i = 0; i < rows->count; i++)
        free(rows->rows[i].call_path);
}

/* CRISP's keys: "errorCriticalPathSyntheticRoot->[[S1] O1->[S2] O2", with one bracket or two. */
static const char *plain_path(const char *key) {
    static const char root[] = "errorCriticalPathSyntheticRoot->";
    if (strncmp(key, root, sizeof root - 1) == 0)
        key += sizeof root - 1;
    return strncmp(key, "[[", 2) == 0 ? key + 1 : key;
}

static const struct document *either(const struct document *testing, const char *first, const char *second) {
    const struct document *found = document_find(testing, first);
    return found ? found : document_find(testing, second);
}

static void read_expected(const struct document *testing, struct rows *rows) {
    const struct document *counts = either(testing, "errCPErrCounts", "errCounts");
    const struct document *times = either(testing, "errCPCallpathTimeExclusive", "errCallpathTimeExclusive");
    for (size_t i = 0; counts && i < counts->count; i++) {
        struct row *row = row_of(rows, plain_path(counts->members[i].key));
        row->begun = (uint64_t)counts->members[i].members[0].number;
        row->propagated = (uint64_t)counts->members[i].members[1].number;
        row->stopped = (uint64_t)counts->members[i].members[2].number;
    }
    for (size_t i = 0; times && i < times->count; i++)
        row_of(rows, plain_path(times->members[i].key))->time = (uint64_t)times->members[i].number * 1000;
}

/* CRISP looks at spans on the path alone, and at those whose errors reach them. */
static bool is_looked_at(const struct crisp *crisp, const clew_trace_errors *errors, uint32_t at) {
    const clew_path_span *spans = crisp->analysed.path->spans;
    while (at != CLEW_NO_SPAN) {
        clew_trace_span span;
        if (spans[at].critical > 0)
            return true;
        if (errors->spans[at].origin == CLEW_NO_SPAN)
            return false;
        clew_trace_span_at(crisp->analysed.built.trace, at, &span);
        at = span.parent;
    }
    return false;
}

static void read_found(const struct crisp *crisp, struct rows *rows) {
    clew_trace_errors *errors = clew_trace_errors_new(crisp->analysed.built.trace, crisp->analysed.path);
    for (uint32_t i = 0; i < errors->span_count; i++) {
        char *call_path;
        struct row *row;
        if (errors->spans[i].role == CLEW_ERROR_NONE || !is_looked_at(crisp, errors, i))
            continue;
        call_path = crisp_call_path(crisp, i);
        row = row_of(rows, call_path);
        row->begun += errors->spans[i].role == CLEW_ERROR_ORIGIN;
        row->propagated += errors->spans[i].role == CLEW_ERROR_PROPAGATED;
        row->stopped += errors->spans[i].role == CLEW_ERROR_HANDLED;
        if (errors->spans[i].origin != CLEW_NO_SPAN)
            row->time += crisp->analysed.path->spans[i].critical_self;
        free(call_path);
    }
    clew_trace_errors_free(errors);
}

static bool same(const struct row *a, const struct row *b) {
    return a->begun == b->begun && a->propagated == b->propagated && a->stopped == b->stopped &&
           a->time == b->time;
}

static bool is_known(const char *file, const char *call_path, bool *seen) {
    for (size_t i = 0; i < COUNT(known); i++) {
        if (strcmp(known[i].file, file) == 0 && strcmp(known[i].call_path, call_path) == 0) {
            seen[i] = true;
            return true;
        }
    }
    return false;
}

static void compare(const char *file, struct rows *expected, struct rows *found, bool *seen) {
    for (size_t i = 0; i < found->count; i++)
        row_of(expected, found->rows[i].call_path);
    for (size_t i = 0; i < expected->count; i++) {
        const struct row *theirs = &expected->rows[i], *ours = row_of(found, theirs->call_path);
        if (same(theirs, ours) || is_known(file, theirs->call_path, seen))
            continue;
        cr_expect_fail("%s, %s: CRISP %d %d %d, %d ns; here %d %d %d, %d ns", file, theirs->call_path,
                       (int)theirs->begun, (int)theirs->propagated, (int)theirs->stopped, (int)theirs->time,
                       (int)ours->begun, (int)ours->propagated, (int)ours->stopped, (int)ours->time);
    }
}

Test(crisp_errors, agree_but_for_the_cases_named) {
    bool seen[COUNT(known)] = {false};
    for (size_t i = 0; i < COUNT(files); i++) {
        struct crisp crisp;
        struct rows expected = {.count = 0}, found = {.count = 0};
        if (!crisp_read(files[i], &crisp))
            cr_skip_test("CLEW_TEST_TRACES is not set");
        read_expected(document_find(&crisp.document, "testing"), &expected);
        read_found(&crisp, &found);
        compare(files[i], &expected, &found, seen);
        rows_free(&expected);
        rows_free(&found);
        crisp_free(&crisp);
    }
    for (size_t i = 0; i < COUNT(known); i++)
        cr_expect(seen[i], "%s, %s agrees: not because %s", known[i].file, known[i].call_path,
                  known[i].reason);
    CLEW_NO_LEAKS();
}
