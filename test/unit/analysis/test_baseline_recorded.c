/* Comparisons of the recorded traces of a hotel under two loads, whose clocks are off in one, from the folder
 * that CLEW_TEST_TRACES names: silent about halves of one load, and what changed from one to the other. */
#include "collector-bridge/files/input.h"
#include "test/support.h"
#include "test/unit/analysis/analysed.h"
#include "test/unit/analysis/explained.h"

/* Verdicts that something changed. */
#define CHANGES ((1u << CLEW_VERDICT_SAME) - 1)

static bool keep(void *user, const void *traces, size_t size) {
    return clew_trace_buffer_add((clew_trace_buffer *)user, (clew_bytes){traces, size}, 1) == CLEW_OK;
}

static clew_trace_buffer *read_load(const char *load) {
    const char *folder = getenv("CLEW_TEST_TRACES");
    char path[1024];
    if (!folder || !*folder)
        cr_skip_test("CLEW_TEST_TRACES names no folder of recorded traces");
    snprintf(path, sizeof path, "%s/hotel/hotel_load%s", folder, load);
    clew_trace_buffer *buffer = clew_trace_buffer_new(NULL);
    const struct clew__input_sink sink = {keep, buffer};
    cr_assert(clew__input_read_path(path, &sink, stderr), "%s", path);
    clew_trace_buffer_flush(buffer);
    return buffer;
}

/* Into which of two baselines a trace goes: by its number in order of start, by how many there are, by a hash
 * of its id. */
typedef bool halving(uint32_t number, uint32_t count, uint64_t hash, uint64_t seed);

static bool all(uint32_t number, uint32_t count, uint64_t hash, uint64_t seed) {
    (void)number, (void)count, (void)hash, (void)seed;
    return false;
}

static bool odd(uint32_t number, uint32_t count, uint64_t hash, uint64_t seed) {
    (void)count, (void)hash, (void)seed;
    return number % 2 != 0;
}

static bool second(uint32_t number, uint32_t count, uint64_t hash, uint64_t seed) {
    (void)hash, (void)seed;
    return number >= count / 2;
}

static bool by_id(uint32_t number, uint32_t count, uint64_t hash, uint64_t seed) {
    struct random random = {hash ^ seed * UINT64_C(0x9e3779b97f4a7c15)};
    (void)number, (void)count;
    return random_next(&random) % 2 != 0;
}

static uint64_t hash_of(const clew_trace *trace) {
    char text[CLEW_ID_TEXT_SIZE];
    uint64_t hash = 0;
    size_t size = clew_trace_id_text(trace, text);
    for (size_t i = 0; i < size; i++)
        hash = hash * 31 + (uint8_t)text[i];
    return hash;
}

static void divide(clew_trace_buffer *buffer, halving *is_second, uint64_t seed, clew_baseline *halves[2]) {
    uint32_t number = 0, count = (uint32_t)clew_trace_buffer_get_stats(buffer).traces_held;
    halves[0] = clew_baseline_new(NULL);
    halves[1] = clew_baseline_new(NULL);
    for (const clew_trace *trace = clew_trace_buffer_next(buffer, NULL); trace;
         trace = clew_trace_buffer_next(buffer, trace), number++) {
        clew_critical_path *path = clew_critical_path_new(trace, NULL);
        clew_baseline *half = halves[is_second(number, count, hash_of(trace), seed)];
        cr_assert_eq(clew_baseline_add(half, trace, path), CLEW_OK);
        clew_critical_path_free(path);
    }
}

static bool is_silent(clew_trace_buffer *buffer, halving *is_second, uint64_t seed) {
    clew_baseline *halves[2];
    divide(buffer, is_second, seed, halves);
    clew_comparison *comparison = clew_comparison_new(halves[0], halves[1], NULL);
    cr_assert_not_null(comparison);
    bool silent = (comparison->verdicts & CHANGES) == 0;
    cr_assert_gt(comparison->tests, 20);
    cr_assert_eq(comparison->explanation_count, 1);
    check_explanations(comparison);
    clew_comparison_free(comparison);
    clew_baseline_free(halves[0]);
    clew_baseline_free(halves[1]);
    return silent;
}

static void expect_silence(const char *load) {
    clew_trace_buffer *buffer = read_load(load);
    uint32_t loud = 0;
    cr_expect(is_silent(buffer, odd, 0));
    cr_expect(is_silent(buffer, second, 0));
    for (uint64_t seed = 0; seed < 100; seed++)
        loud += !is_silent(buffer, by_id, seed);
    cr_expect_leq(loud, 1, "%u of 100 halvings are told apart", loud);
    clew_trace_buffer_free(buffer);
}

Test(baseline_recorded, is_silent_about_halves_of_one_load, .timeout = 300) {
    expect_silence("25");
    expect_silence("75");
    CLEW_NO_LEAKS();
}

static const clew_comparison_row *find_row(const clew_comparison *comparison, clew_comparison_kind kind,
                                           const char *client, const char *service) {
    for (uint32_t i = 0; i < comparison->row_count; i++) {
        const clew_comparison_row *row = &comparison->rows[i];
        if (row->kind == kind && text_is(row->client, client) && text_is(row->service, service))
            return row;
    }
    cr_assert_fail("there is no row of %s > %s", client, service);
    return NULL;
}

static const clew_contribution *find_gap(const clew_explanation *explanation, const char *client,
                                         const char *service) {
    for (uint32_t i = 0; i < explanation->contribution_count; i++) {
        const clew_contribution *part = &explanation->contributions[i];
        if (part->kind == CLEW_COMPARISON_EDGE_GAP && text_is(part->client, client) &&
            text_is(part->service, service))
            return part;
    }
    cr_assert_fail("the way from %s to %s explains nothing", client, service);
    return NULL;
}

/* What changed, counted independently: the median went from 23.0 ms to 33.9 ms. Of the edges, the search and
 * what it asks of the rates got slower in a way that matters; what got slower by less than a millisecond
 * each, the ways between services, is in the explanation. */
Test(baseline_recorded, says_what_a_higher_load_changed, .timeout = 300) {
    clew_trace_buffer *low = read_load("25"), *high = read_load("75");
    clew_baseline *before[2], *after[2];
    divide(low, all, 0, before);
    divide(high, all, 0, after);
    clew_comparison *comparison = clew_comparison_new(before[0], after[0], NULL);
    const clew_comparison_row *root = &comparison->rows[0];
    cr_assert_eq(root->kind, CLEW_COMPARISON_ROOT);
    cr_expect_eq(root->verdict, CLEW_VERDICT_REGRESSION);
    cr_expect(text_is(root->service, "frontend"));
    cr_expect_float_eq((double)root->before.p50, 22.9e6, 0.5e6);
    cr_expect_float_eq((double)root->after.p50, 33.9e6, 0.7e6);
    cr_expect_gt(root->z, 5);
    cr_expect_gt(root->shift.low, 1e6);
    cr_expect_eq(comparison->verdicts & CHANGES, 1u << CLEW_VERDICT_REGRESSION);
    cr_expect_eq(find_row(comparison, CLEW_COMPARISON_EDGE_CLIENT, "search", "rate")->verdict,
                 CLEW_VERDICT_REGRESSION);
    cr_expect_eq(find_row(comparison, CLEW_COMPARISON_EDGE_CLIENT, "frontend", "search")->verdict,
                 CLEW_VERDICT_REGRESSION);

    cr_assert_eq(comparison->explanation_count, 1);
    const clew_explanation *explanation = &comparison->explanations[0];
    check_explanation(comparison, explanation);
    cr_expect_eq(explanation->shapes_common, 1);
    cr_expect_gt(explanation->nano, (int64_t)(10 * MS));
    cr_expect_eq(explanation->contributions[0].kind, CLEW_COMPARISON_NODE);
    cr_expect(text_is(explanation->contributions[0].service, "reservation"));
    cr_expect_gt(find_gap(explanation, "search", "rate")->nano, (int64_t)(MS / 2));
    cr_expect_gt(find_gap(explanation, "search", "geo")->nano, (int64_t)(MS / 2));
    clew_comparison_free(comparison);

    /* With a bound of half a millisecond those that the search waits for are told, too. */
    clew_comparison_options finer = {.struct_size = sizeof finer, .least_shift_nano = MS / 2};
    comparison = clew_comparison_new(before[0], after[0], &finer);
    cr_expect_gt(find_row(comparison, CLEW_COMPARISON_EDGE_GAP, "search", "geo")->z, 7);
    cr_expect_gt(find_row(comparison, CLEW_COMPARISON_EDGE_GAP, "search", "rate")->z, 6.5);
    clew_comparison_free(comparison);
    for (int i = 0; i < 2; i++) {
        clew_baseline_free(before[i]);
        clew_baseline_free(after[i]);
    }
    clew_trace_buffer_free(low);
    clew_trace_buffer_free(high);
    CLEW_NO_LEAKS();
}
