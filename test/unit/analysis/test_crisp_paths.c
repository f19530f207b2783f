/* Critical paths of CRISP's reference traces: the time of each operation on the path, as the files' own
 * blocks expect it and as our vectors say of the same traces. Where we differ, the reason and our own time
 * stand in the table. */
#include "test/support.h"
#include "test/unit/analysis/crisp.h"

#define FILES 33
#define OPERATIONS 16
#define MICROSECOND UINT64_C(1000)

static const char *const files[FILES] = {
    "1",
    "2",
    "3",
    "4",
    "5",
    "6",
    "7",
    "8",
    "9",
    "10",
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

/* Microseconds, with an overlap of one per cent of the parent. CRISP's add up to more than the root has, or
 * take from the root what the children overlap: it counts the overlap that it tolerates for both, and lets
 * the root's own time fall to 0. Here the overlap is cut. */
static const struct disagreement {
    const char *file, *operation;
    uint64_t theirs, ours;
} known[] = {
    {"10", "[S1] O1", 400, 402}, {"10", "[S2] O2", 200, 199}, {"10", "[S3] O3", 100, 99},
    {"19", "[S1] O1", 0, 10},    {"19", "[S2] O2", 200, 195}, {"19", "[S3] O3", 100, 95},
    {"20", "[S1] O1", 0, 10},    {"20", "[S2] O2", 200, 195}, {"20", "[S3] O3", 100, 95},
    {"21", "[S1] O1", 0, 10},    {"21", "[S2] O2", 200, 195}, {"21", "[S3] O3", 100, 95},
};

/* By operation; what has no time on the path has no entry. */
struct times {
    struct time_of {
        char name[64];
        uint64_t micros;
    } of[OPERATIONS];
    size_t count;
};

static void add(struct times *times, const char *name, uint64_t micros) {
    size_t at = 0;
    while (at < times->count && strcmp(times->of[at].name, name) != 0)
        at++;
    if (micros == 0)
        return;
    cr_assert_lt(at, OPERATIONS);
    if (at == times->count)
        snprintf(times->of[times->count++].name, sizeof times->of[at].name, "%s", name);
    times->of[at].micros += micros;
}

static uint64_t micros_of(const struct times *times, const char *name) {
    for (size_t i = 0; i < times->count; i++)
        if (strcmp(times->of[i].name, name) == 0)
            return times->of[i].micros;
    return 0;
}

static struct times times_in(const struct document *operations) {
    struct times times = {.count = 0};
    for (size_t i = 0; i < operations->count; i++)
        add(&times, operations->members[i].key, (uint64_t)operations->members[i].number);
    return times;
}

static bool same(const struct times *a, const struct times *b) {
    for (size_t i = 0; i < a->count; i++)
        if (micros_of(b, a->of[i].name) != a->of[i].micros)
            return false;
    return a->count == b->count;
}

static const struct document *testing_of(const struct crisp *crisp) {
    const struct document *testing = document_find(&crisp->document, "testing");
    cr_assert_not_null(testing);
    return testing;
}

/* The block is an object, or in older files a list of the one object. */
static struct times expected_in(const struct crisp *crisp) {
    const struct document *testing = testing_of(crisp);
    const struct document *times =
        testing->kind == DOCUMENT_LIST ? &testing->members[0] : document_find(testing, "opTimeExclusive");
    cr_assert_not_null(times);
    cr_assert_gt(times->count, 0);
    return times_in(times);
}

static struct times found_in(const struct crisp *crisp, uint32_t eps_ppm) {
    const clew_path_options options = {.eps_ppm = eps_ppm};
    const clew_trace *trace = crisp->analysed.built.trace;
    clew_critical_path *path = clew_critical_path_new(trace, &options);
    struct times times = {.count = 0};
    uint64_t sum = 0;
    cr_assert_not_null(path);
    cr_assert_eq(path->root_count, 1);
    for (uint32_t i = 0; i < path->span_count; i++) {
        clew_trace_span span;
        char name[64];
        clew_trace_span_at(trace, i, &span);
        snprintf(name, sizeof name, "[" TEXT_FORMAT "] " TEXT_FORMAT, TEXT_OF(span.service),
                 TEXT_OF(span.operation));
        cr_assert_eq(path->spans[i].critical_self % MICROSECOND, 0);
        add(&times, name, path->spans[i].critical_self / MICROSECOND);
        sum += path->spans[i].critical_self;
    }
    cr_assert_eq(sum, path->roots[0].end_unix_nano - path->roots[0].start_unix_nano);
    clew_critical_path_free(path);
    return times;
}

static void read_file(const char *name, struct crisp *crisp) {
    if (!crisp_read(name, crisp))
        cr_skip_test("CLEW_TEST_TRACES is not set");
}

static const struct disagreement *find_known(const char *file, const char *operation) {
    for (size_t i = 0; i < COUNT(known); i++)
        if (strcmp(known[i].file, file) == 0 && strcmp(known[i].operation, operation) == 0)
            return &known[i];
    return NULL;
}

static void compare(const char *file, const char *operation, uint64_t theirs, uint64_t ours, bool *seen) {
    const struct disagreement *row = find_known(file, operation);
    if (row) {
        seen[row - known] = true;
        cr_expect(theirs == row->theirs && ours == row->ours,
                  "%s, %s: CRISP %d, here %d: not as it was known", file, operation, (int)theirs, (int)ours);
    } else {
        cr_expect_eq(theirs, ours, "%s, %s: CRISP %d, here %d", file, operation, (int)theirs, (int)ours);
    }
}

Test(crisp_paths, agree_but_for_overlaps_that_crisp_counts_twice) {
    bool seen[COUNT(known)] = {false};
    for (size_t i = 0; i < FILES; i++) {
        struct crisp crisp;
        read_file(files[i], &crisp);
        struct times theirs = expected_in(&crisp), ours = found_in(&crisp, CRISP_EPS_PPM);
        for (size_t k = 0; k < theirs.count; k++)
            compare(files[i], theirs.of[k].name, theirs.of[k].micros, micros_of(&ours, theirs.of[k].name),
                    seen);
        for (size_t k = 0; k < ours.count; k++)
            compare(files[i], ours.of[k].name, micros_of(&theirs, ours.of[k].name), ours.of[k].micros, seen);
        crisp_free(&crisp);
    }
    for (size_t i = 0; i < COUNT(known); i++)
        cr_expect(seen[i], "%s, %s is in no file", known[i].file, known[i].operation);
    CLEW_NO_LEAKS();
}

/* "crisp_19_eps100": the file; false for vectors of others. */
static bool file_of(const char *vector, char file[8]) {
    return sscanf(vector, "crisp_%7[0-9]_eps", file) == 1;
}

/* The vectors know the operations by the files alone. */
static void expect_vector(const struct document *vector, const char *file) {
    const char *name = document_text(vector, "name");
    struct crisp crisp;
    read_file(file, &crisp);
    struct times ours = times_in(document_find(vector, "op_exclusive"));
    struct times theirs = times_in(document_find(vector, "crisp_op_exclusive"));
    struct times found = found_in(&crisp, strstr(name, "eps0") ? 0 : CRISP_EPS_PPM),
                 block = expected_in(&crisp);
    cr_expect(same(&ours, &found), "%s: other times", name);
    cr_expect(same(&theirs, &block), "%s: CRISP expects other times", name);
    cr_expect_eq(same(&found, &block), document_number(vector, "matches_crisp"), "%s: matches CRISP", name);
    crisp_free(&crisp);
}

Test(crisp_paths, times_of_operations_are_those_of_the_vectors) {
    struct document document = document_read("critical_path_cases.json");
    const struct document *cases = document_find(&document, "cases");
    size_t checked = 0;
    for (size_t i = 0; i < cases->count; i++) {
        char file[8];
        if (!file_of(document_text(&cases->members[i], "name"), file))
            continue;
        expect_vector(&cases->members[i], file);
        checked++;
    }
    cr_expect_eq(checked, 50);
    document_free(&document);
    CLEW_NO_LEAKS();
}

/* CRISP's total work is that of all spans. */
Test(crisp_paths, durations_add_up_to_the_total_work) {
    size_t checked = 0;
    for (size_t i = 0; i < FILES; i++) {
        struct crisp crisp;
        read_file(files[i], &crisp);
        const struct document *total = document_find(testing_of(&crisp), "totalWork");
        uint64_t sum = 0;
        for (uint32_t k = 0; k < crisp.analysed.path->span_count; k++)
            sum += crisp.analysed.path->spans[k].duration;
        if (total) {
            cr_expect_eq(sum, (uint64_t)total->number * MICROSECOND, "%s", files[i]);
            checked++;
        }
        crisp_free(&crisp);
    }
    cr_expect_eq(checked, 23);
    CLEW_NO_LEAKS();
}
