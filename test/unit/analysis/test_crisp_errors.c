/* Errors of CRISP's reference traces: what it counts as begun, propagated and stopped, by call path, and the
 * time on the path of what failed. Where we differ, the reason stands in the table. */
#include "sdk/path/tasks.h"
#include "test/support.h"
#include "test/unit/analysis/crisp.h"

#define FILE_SPANS 16

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

static const char overlap[] = "CRISP counts an overlap that it tolerates for both spans";

/* What we find where it is not what CRISP expects: spans where errors begin, are passed on and stop, and the
 * time of what failed on the path, in microseconds. */
static const struct disagreement {
    const char *file, *call_path, *reason;
    uint64_t begun, propagated, stopped, time;
} known[] = {
    {"19", "[S1] O1->[S2] O2", overlap, 1, 0, 0, 195},
    {"19", "[S1] O1->[S3] O3", overlap, 1, 0, 0, 95},
    {"20", "[S1] O1->[S2] O2", overlap, 1, 0, 0, 195},
    {"21", "[S1] O1->[S3] O3", overlap, 1, 0, 0, 95},
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

/* CRISP looks at what failed on the path, and at what failed below such a span without a break. */
static bool is_failure_looked_at(const struct crisp *crisp, const clew_trace_errors *errors, uint32_t at) {
    for (clew_trace_span span; at != CLEW_NO_SPAN && errors->spans[at].origin != CLEW_NO_SPAN;
         at = span.parent) {
        if (crisp->analysed.path->spans[at].critical > 0)
            return true;
        clew_trace_span_at(crisp->analysed.built.trace, at, &span);
    }
    return false;
}

/* And at spans that stop one of those. */
static bool is_looked_at(const struct crisp *crisp, const clew_trace_errors *errors, uint32_t at) {
    for (uint32_t i = 0; i < errors->span_count; i++) {
        clew_trace_span span;
        clew_trace_span_at(crisp->analysed.built.trace, i, &span);
        if ((i == at || span.parent == at) && is_failure_looked_at(crisp, errors, i))
            return true;
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

static const struct disagreement *find_known(const char *file, const char *call_path) {
    for (size_t i = 0; i < COUNT(known); i++)
        if (strcmp(known[i].file, file) == 0 && strcmp(known[i].call_path, call_path) == 0)
            return &known[i];
    return NULL;
}

static void compare(const char *file, struct rows *expected, struct rows *found, bool *seen) {
    for (size_t i = 0; i < found->count; i++)
        row_of(expected, found->rows[i].call_path);
    for (size_t i = 0; i < expected->count; i++) {
        const struct row *theirs = &expected->rows[i], *ours = row_of(found, theirs->call_path);
        const struct disagreement *row = find_known(file, theirs->call_path);
        struct row wanted = *theirs;
        if (row && !same(theirs, ours)) {
            seen[row - known] = true;
            wanted = (struct row){NULL, row->begun, row->propagated, row->stopped, row->time * 1000};
        }
        cr_expect(same(&wanted, ours), "%s, %s: CRISP %d %d %d, %d ns; here %d %d %d, %d ns", file,
                  theirs->call_path, (int)theirs->begun, (int)theirs->propagated, (int)theirs->stopped,
                  (int)theirs->time, (int)ours->begun, (int)ours->propagated, (int)ours->stopped,
                  (int)ours->time);
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

/* ---- what would be saved without errors ---- */

/* Whether the span or one above it has failed. */
static bool is_within_failure(const struct crisp *crisp, const clew_trace_errors *errors, uint32_t at) {
    for (clew_trace_span span; at != CLEW_NO_SPAN; at = span.parent) {
        clew_error_role role = errors->spans[at].role;
        clew_trace_span_at(crisp->analysed.built.trace, at, &span);
        if (role == CLEW_ERROR_ORIGIN || role == CLEW_ERROR_PROPAGATED)
            return true;
    }
    return false;
}

/* How much sooner the root would end if what failed took no time. */
static uint64_t saved_on_path(const struct crisp *crisp, const clew_trace_errors *errors) {
    struct clew__tasks tasks = {0};
    double factors[FILE_SPANS];
    cr_assert_leq(errors->span_count, FILE_SPANS);
    cr_assert(clew__tasks_make(&tasks, crisp->analysed.built.trace, NULL));
    uint64_t durations[8 * FILE_SPANS];
    cr_assert_leq(tasks.count, COUNT(durations));
    for (uint32_t i = 0; i < errors->span_count; i++)
        factors[i] = is_within_failure(crisp, errors, i) ? 0 : 1;
    cr_assert(clew__tasks_retime(&tasks, factors, durations));
    clew__tasks_fini(&tasks);
    return crisp->analysed.path->spans[0].duration - durations[0];
}

static uint64_t work_of_failed(const struct crisp *crisp, const clew_trace_errors *errors) {
    uint64_t work = 0;
    for (uint32_t i = 0; i < errors->span_count; i++)
        if (errors->spans[i].role == CLEW_ERROR_ORIGIN || errors->spans[i].role == CLEW_ERROR_PROPAGATED)
            work += crisp->analysed.path->spans[i].duration;
    return work;
}

static const char strict[] = "what overlaps, by however little, did not wait: it keeps its start";

/* Microseconds. */
static const struct saving {
    const char *file, *reason;
    uint64_t work, path;
} known_savings[] = {
    {"19", strict, 600, 395},
    {"20", strict, 500, 295},
    {"21", strict, 400, 300},
};

static void compare_savings(const char *file, const char *what, uint64_t theirs, uint64_t ours,
                            const struct saving *row, uint64_t known_ours) {
    uint64_t wanted = (row ? known_ours : theirs) * 1000;
    cr_expect_eq(ours, wanted, "%s, %s saved: CRISP %d, here %d (%s)", file, what, (int)theirs,
                 (int)(ours / 1000), row ? row->reason : "not known");
}

Test(crisp_errors, would_save_as_much_but_for_the_cases_named) {
    size_t checked = 0;
    for (size_t i = 0; i < COUNT(files); i++) {
        const struct saving *row = NULL;
        struct crisp crisp;
        if (!crisp_read(files[i], &crisp))
            cr_skip_test("CLEW_TEST_TRACES is not set");
        for (size_t k = 0; k < COUNT(known_savings); k++)
            row = strcmp(known_savings[k].file, files[i]) == 0 ? &known_savings[k] : row;
        const struct document *testing = document_find(&crisp.document, "testing");
        clew_trace_errors *errors = clew_trace_errors_new(crisp.analysed.built.trace, crisp.analysed.path);
        uint64_t work = work_of_failed(&crisp, errors), path = saved_on_path(&crisp, errors);
        uint64_t their_work = document_number(testing, "timeSavedOnWork");
        uint64_t their_path = document_number(testing, "timeSavedOnCP");
        compare_savings(files[i], "work", their_work, work, row, row ? row->work : 0);
        compare_savings(files[i], "time", their_path, path, row, row ? row->path : 0);
        cr_expect(!row || their_work != row->work || their_path != row->path, "%s agrees: not because %s",
                  files[i], row ? row->reason : "");
        checked += document_find(testing, "timeSavedOnWork") && document_find(testing, "timeSavedOnCP");
        clew_trace_errors_free(errors);
        crisp_free(&crisp);
    }
    cr_expect_eq(checked, COUNT(files));
    CLEW_NO_LEAKS();
}

/* ---- the time of operations with errors ---- */

struct error_times {
    uint64_t self[FILE_SPANS], all[FILE_SPANS];
};

/* CRISP's: a span that failed with all below it; of others what failed below. */
static struct error_times error_times_of(const struct crisp *crisp, const clew_trace_errors *errors) {
    const clew_path_span *spans = crisp->analysed.path->spans;
    struct error_times times = {{0}, {0}};
    cr_assert_leq(errors->span_count, FILE_SPANS);
    for (uint32_t i = errors->span_count; i-- > 0;) {
        clew_trace_span span;
        bool has_failed = errors->spans[i].origin != CLEW_NO_SPAN;
        clew_trace_span_at(crisp->analysed.built.trace, i, &span);
        times.self[i] = has_failed ? spans[i].critical_self : 0;
        times.all[i] = has_failed ? spans[i].critical : times.all[i];
        if (span.parent != CLEW_NO_SPAN) {
            cr_assert_lt(span.parent, i); /* so that sums of children are there before their parent's */
            times.all[span.parent] += times.all[i];
        }
    }
    return times;
}

static uint64_t of_operation(const struct crisp *crisp, const uint64_t *times, const char *name) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < crisp->analysed.path->span_count; i++) {
        clew_trace_span span;
        char own[64];
        clew_trace_span_at(crisp->analysed.built.trace, i, &span);
        snprintf(own, sizeof own, "[" TEXT_FORMAT "] " TEXT_FORMAT, TEXT_OF(span.service),
                 TEXT_OF(span.operation));
        sum += strcmp(own, name) == 0 ? times[i] : 0;
    }
    return sum;
}

static void compare_times(const char *file, const struct crisp *crisp, const struct document *theirs,
                          const uint64_t *times) {
    for (size_t i = 0; i < theirs->count; i++) {
        const char *operation = theirs->members[i].key;
        uint64_t wanted = (uint64_t)theirs->members[i].number * 1000;
        cr_expect_eq(of_operation(crisp, times, operation), wanted, "%s, %s", file, operation);
    }
}

Test(crisp_errors, have_the_time_of_operations) {
    size_t checked = 0;
    for (size_t i = 0; i < COUNT(files); i++) {
        struct crisp crisp;
        if (!crisp_read(files[i], &crisp))
            cr_skip_test("CLEW_TEST_TRACES is not set");
        const struct document *testing = document_find(&crisp.document, "testing");
        const struct document *self = document_find(testing, "errOpTimeExclusive");
        const struct document *all = document_find(testing, "errOpTimeInclusive");
        clew_trace_errors *errors = clew_trace_errors_new(crisp.analysed.built.trace, crisp.analysed.path);
        struct error_times times = error_times_of(&crisp, errors);
        if (self && all) {
            compare_times(files[i], &crisp, self, times.self);
            compare_times(files[i], &crisp, all, times.all);
            checked++;
        }
        clew_trace_errors_free(errors);
        crisp_free(&crisp);
    }
    cr_expect_eq(checked, 9);
    CLEW_NO_LEAKS();
}
