/* Errors: where they begin, how far they get, what is tried again, and sums over traces. */
#include "sdk/analysis/fingerprint.h"
#include "test/support.h"
#include "test/unit/analysis/analysed.h"
#include "test/unit/analysis/scarce.h"

#include <limits.h>

#define FAILED .status = CLEW_STATUS_ERROR

static clew_trace_errors *errors_of(const struct analysed *analysed) {
    clew_trace_errors *errors = clew_trace_errors_new(analysed->built.trace, analysed->path);
    cr_assert_not_null(errors);
    return errors;
}

static const clew_span_error *error_of(const struct analysed *analysed, const clew_trace_errors *errors,
                                       const char *id) {
    return &errors->spans[build_find(analysed->built.trace, id)];
}

Test(errors, follow_the_chain_from_the_deepest_failure_to_where_it_is_handled) {
    static const struct build_span spans[] = {
        {.id = "1", .start = 0, .end = 100, .service = "a"},
        {.id = "2", .parent = "1", .start = 10, .end = 60, .service = "a", FAILED},
        {.id = "3", .parent = "2", .start = 20, .end = 50, .service = "b", FAILED},
        {.id = "4", .parent = "2", .start = 50, .end = 55, .service = "a"},
    };
    struct analysed analysed = analyse(spans, COUNT(spans));
    clew_trace_errors *errors = errors_of(&analysed);
    uint32_t two = build_find(analysed.built.trace, "2"), three = build_find(analysed.built.trace, "3");
    cr_expect_eq(error_of(&analysed, errors, "1")->role, CLEW_ERROR_HANDLED);
    cr_expect_eq(error_of(&analysed, errors, "2")->role, CLEW_ERROR_PROPAGATED);
    cr_expect_eq(error_of(&analysed, errors, "3")->role, CLEW_ERROR_ORIGIN);
    cr_expect_eq(error_of(&analysed, errors, "4")->role, CLEW_ERROR_NONE);
    cr_expect_eq(error_of(&analysed, errors, "2")->origin, three);
    cr_expect_eq(error_of(&analysed, errors, "3")->reaches, two);
    cr_expect_not(error_of(&analysed, errors, "3")->reaches_root);
    cr_expect(error_of(&analysed, errors, "2")->is_top);
    cr_expect_eq(errors->failed, 2);
    cr_expect_eq(errors->roots_failed, 0);
    cr_expect_eq(errors->critical_lost, 50);
    clew_trace_errors_free(errors);
    analysed_free(&analysed);
    CLEW_NO_LEAKS();
}

Test(errors, have_the_first_of_several_origins_for_their_cause) {
    static const struct build_span spans[] = {
        {.id = "1", .start = 0, .end = 100, FAILED},
        {.id = "2", .parent = "1", .start = 10, .end = 60, FAILED},
        {.id = "3", .parent = "1", .start = 20, .end = 50, FAILED},
    };
    struct analysed analysed = analyse(spans, COUNT(spans));
    clew_trace_errors *errors = errors_of(&analysed);
    cr_expect_eq(error_of(&analysed, errors, "1")->origin, build_find(analysed.built.trace, "3"));
    cr_expect_eq(errors->origins, 2);
    cr_expect(error_of(&analysed, errors, "3")->reaches_root);
    cr_expect_eq(errors->critical_lost, 100);
    clew_trace_errors_free(errors);
    analysed_free(&analysed);
    CLEW_NO_LEAKS();
}

Test(errors, that_end_at_once_began_in_the_deepest) {
    static const struct build_span spans[] = {
        {.id = "1", .start = 0, .end = 100, FAILED},
        {.id = "2", .parent = "1", .start = 10, .end = 60, FAILED},
        {.id = "3", .parent = "1", .start = 20, .end = 80},
        {.id = "4", .parent = "1", .start = 20, .end = 60, FAILED},
        {.id = "5", .parent = "4", .start = 30, .end = 60, FAILED},
    };
    struct analysed analysed = analyse(spans, COUNT(spans));
    clew_trace_errors *errors = errors_of(&analysed);
    cr_expect_eq(error_of(&analysed, errors, "1")->origin, build_find(analysed.built.trace, "5"));
    clew_trace_errors_free(errors);
    analysed_free(&analysed);
}

Test(errors, of_children_that_nobody_waits_for_are_not_passed_on) {
    static const struct build_span spans[] = {
        {.id = "1", .start = 0, .end = 100, .service = "a", .kind = CLEW_PRODUCER},
        {.id = "2", .parent = "1", .start = 10, .end = 60, .service = "b", .kind = CLEW_CONSUMER, FAILED},
    };
    struct analysed analysed = analyse(spans, COUNT(spans));
    clew_trace_errors *errors = errors_of(&analysed);
    cr_expect_eq(error_of(&analysed, errors, "1")->role, CLEW_ERROR_NONE);
    cr_expect_eq(error_of(&analysed, errors, "2")->role, CLEW_ERROR_ORIGIN);
    clew_trace_errors_free(errors);
    analysed_free(&analysed);
    CLEW_NO_LEAKS();
}

Test(errors, of_a_caller_whose_server_is_well_are_of_the_edge) {
    static const struct build_span spans[] = {
        {.id = "1", .start = 0, .end = 100, .service = "a", .kind = CLEW_SERVER, FAILED},
        {.id = "2", .parent = "1", .start = 10, .end = 60, .service = "a", .kind = CLEW_CLIENT, FAILED},
        {.id = "3", .parent = "2", .start = 20, .end = 80, .service = "b", .kind = CLEW_SERVER},
        {.id = "4", .parent = "1", .start = 60, .end = 70, .service = "a", .kind = CLEW_CLIENT, FAILED},
    };
    struct analysed analysed = analyse(spans, COUNT(spans));
    clew_trace_errors *errors = errors_of(&analysed);
    cr_expect(error_of(&analysed, errors, "2")->is_edge);
    cr_expect_not(error_of(&analysed, errors, "4")->is_edge, "its server is not in the trace");
    cr_expect_not(error_of(&analysed, errors, "1")->is_edge);
    clew_trace_errors_free(errors);
    analysed_free(&analysed);
    CLEW_NO_LEAKS();
}

Test(errors, count_an_http_status_where_no_status_was_set) {
    clew_trace_span span = {.http_status = 500};
    cr_expect(clew_trace_span_has_failed(&span));
    span.status = CLEW_STATUS_OK;
    cr_expect_not(clew_trace_span_has_failed(&span));
    span = (clew_trace_span){.kind = CLEW_SERVER, .http_status = 499};
    cr_expect_not(clew_trace_span_has_failed(&span));
    span.kind = CLEW_CLIENT;
    cr_expect(clew_trace_span_has_failed(&span));
    span.kind = (clew_span_kind)0;
    cr_expect(clew_trace_span_has_failed(&span));
    span.http_status = 399;
    cr_expect_not(clew_trace_span_has_failed(&span));
}

#define ATTEMPT(number, from, to, ...)                                                                       \
    {                                                                                                        \
        .id = number, .parent = "1", .start = from, .end = to, .service = "b", .operation = "get",           \
        .status = __VA_ARGS__                                                                                \
    }

Test(errors, group_attempts_one_after_another_until_one_succeeds) {
    static const struct build_span spans[] = {
        {.id = "1", .start = 0, .end = 100, .service = "a"},
        ATTEMPT("2", 0, 10, CLEW_STATUS_ERROR),
        ATTEMPT("3", 15, 25, CLEW_STATUS_ERROR),
        ATTEMPT("4", 40, 50, CLEW_STATUS_UNSET),
        ATTEMPT("5", 55, 60, CLEW_STATUS_OK),
        ATTEMPT("6", 70, 80, CLEW_STATUS_ERROR),
        ATTEMPT("7", 75, 90, CLEW_STATUS_ERROR), /* overlaps: no attempt at the same thing */
    };
    struct analysed analysed = analyse(spans, COUNT(spans));
    clew_trace_errors *errors = errors_of(&analysed);
    cr_assert_eq(errors->retry_count, 1);
    cr_expect_eq(errors->retries[0].attempts, 3);
    cr_expect(errors->retries[0].has_succeeded);
    cr_expect_eq(errors->retries[0].wasted_critical, 20);
    cr_expect_eq(errors->retries[0].waited, 20);
    cr_expect_eq(error_of(&analysed, errors, "3")->retry, 0);
    cr_expect_eq(error_of(&analysed, errors, "4")->retry, 0);
    cr_expect_eq(error_of(&analysed, errors, "5")->retry, UINT32_MAX);
    clew_trace_errors_free(errors);
    analysed_free(&analysed);
    CLEW_NO_LEAKS();
}

Test(errors, tell_attempts_at_different_things_apart) {
    static const struct build_span spans[] = {
        {.id = "1", .start = 0, .end = 100, .service = "a"},
        ATTEMPT("2", 0, 10, CLEW_STATUS_ERROR, .attributes = {{"http.route", "/a"}}),
        ATTEMPT("3", 15, 25, CLEW_STATUS_UNSET, .attributes = {{"http.route", "/b"}}),
    };
    struct analysed analysed = analyse(spans, COUNT(spans));
    clew_trace_errors *errors = errors_of(&analysed);
    cr_expect_eq(errors->retry_count, 0);
    clew_trace_errors_free(errors);
    analysed_free(&analysed);
    CLEW_NO_LEAKS();
}

/* So many different calls that two of them have the same half of a hash. */
Test(errors, tell_attempts_at_very_many_things_apart) {
    enum { CALLS = 200000 };
    struct build_span *spans = calloc(2 * CALLS + 1, sizeof *spans);
    char(*names)[2][12] = calloc(2 * CALLS + 1, sizeof *names);
    spans[0] = (struct build_span){.id = "f", .start = 1, .end = 2 + 4 * CALLS, .service = "a"};
    for (uint32_t i = 1; i <= 2 * CALLS; i++) {
        snprintf(names[i][0], sizeof names[i][0], "%x", 16 * i);
        snprintf(names[i][1], sizeof names[i][1], "op %u", i % CALLS);
        spans[i] = (struct build_span){.id = names[i][0],
                                       .parent = "f",
                                       .start = 2 * i,
                                       .end = 2 * i + 1,
                                       .service = "b",
                                       .operation = names[i][1],
                                       .status = i <= CALLS ? CLEW_STATUS_ERROR : CLEW_STATUS_OK};
    }
    struct analysed analysed = analyse(spans, 2 * CALLS + 1);
    clew_trace_errors *errors = errors_of(&analysed);
    cr_expect_eq(errors->retry_count, CALLS, "%u", errors->retry_count);
    clew_trace_errors_free(errors);
    analysed_free(&analysed);
    free(spans);
    free(names);
}

Test(errors, of_a_root_are_those_of_a_path_of_the_whole_trace) {
    static const struct build_span spans[] = {
        {.id = "1", .start = 0, .end = 100, .service = "a", .operation = "send"},
        {.id = "2", .start = 150, .end = 200, .service = "b", .operation = "receive", FAILED},
    };
    const clew_path_options options = {.struct_size = sizeof options, .scope = CLEW_SCOPE_TRACE};
    struct analysed analysed = analyse(spans, COUNT(spans));
    clew_errors *errors = clew_errors_new(NULL);
    clew_errors_view *view;
    clew_critical_path_free(analysed.path);
    analysed.path = clew_critical_path_new(analysed.built.trace, &options);
    cr_assert_eq(clew_errors_add(errors, analysed.built.trace, analysed.path), 0);
    view = clew_errors_view_new(errors);
    cr_expect_eq(view->roots, 1);
    cr_expect_eq(view->roots_failed, 1);
    cr_assert_eq(view->type_count, 1);
    cr_expect_eq(view->types[0].roots_failed, 1);
    clew_errors_view_free(view);
    clew_errors_free(errors);
    analysed_free(&analysed);
    CLEW_NO_LEAKS();
}

static void expect_fingerprint(const char *message, const char *expected) {
    char out[CLEW__FINGERPRINT_SIZE + 1];
    size_t size = clew__fingerprint((clew_text){message, strlen(message)}, out);
    out[size] = '\0';
    cr_expect_str_eq(out, expected, "%s: %s", message, out);
}

Test(errors, have_fingerprints_without_numbers_and_ids) {
    expect_fingerprint("user 4711 not found", "user # not found");
    expect_fingerprint("timeout after 12.5ms", "timeout after #.#ms");
    expect_fingerprint("no order 3f2a9c77-10bb-4e21-9d3a-0123456789ab!", "no order #!");
    expect_fingerprint("at 0x7ffe12ab in worker-3", "at # in worker-#");
    expect_fingerprint("key a1b2c3d4e5f60718 expired", "key # expired");
    expect_fingerprint("token x9Kq2mP7z is bad", "token # is bad");
    expect_fingerprint("dial tcp 10.1.2.3:5432: refused", "dial tcp #.#.#.#:#: refused");
    expect_fingerprint("deadbeef and effaced faded", "deadbeef and effaced faded");
    expect_fingerprint("http2: stream closed", "http#: stream closed");
    expect_fingerprint("  two\t spaces \nsecond line", "two spaces");
    expect_fingerprint("", "");
}

Test(errors, have_fingerprints_that_end_between_letters) {
    char message[600], out[CLEW__FINGERPRINT_SIZE];
    for (size_t shift = 0; shift < 4; shift++) {
        size_t size = shift;
        memset(message, 'x', shift);
        for (; size + 3 <= sizeof message; size += 3)
            memcpy(message + size, "\xe2\x82\xac", 3);
        size = clew__fingerprint((clew_text){message, size}, out);
        cr_expect_leq(size, CLEW__FINGERPRINT_SIZE);
        cr_expect_gt(size, CLEW__FINGERPRINT_SIZE - 4);
        cr_expect_eq((size - shift) % 3, 0);
    }
}

static void add_spans(clew_errors *errors, const struct build_span *spans, size_t count) {
    struct analysed analysed = analyse(spans, count);
    cr_assert_eq(clew_errors_add(errors, analysed.built.trace, analysed.path), 0);
    analysed_free(&analysed);
}

Test(errors, are_one_type_where_only_numbers_differ) {
    clew_errors *errors = clew_errors_new(NULL);
    clew_errors_view *view;
    static const char *const messages[] = {"no user 17", "no user 4", "no user 2"};
    for (uint64_t i = 0; i < 3; i++) {
        char id[2] = {(char)('a' + i), '\0'};
        struct build_span spans[] = {
            {.id = "1",
             .start = 100 * i,
             .end = 100 * i + 50,
             .service = "a",
             .operation = "root",
             .trace = id},
            {.id = "2",
             .parent = "1",
             .start = 100 * i + 10,
             .end = 100 * i + 20,
             .service = "b",
             .operation = "find",
             .trace = id,
             FAILED,
             .status_message = messages[i],
             .attributes = {{"error.type", "NotFound"}}},
        };
        spans[0].status = i == 0 ? CLEW_STATUS_ERROR : CLEW_STATUS_UNSET;
        add_spans(errors, spans, COUNT(spans));
    }
    view = clew_errors_view_new(errors);
    cr_assert_eq(view->type_count, 1);
    cr_expect(text_is(view->types[0].service, "b"));
    cr_expect(text_is(view->types[0].operation, "find"));
    cr_expect(text_is(view->types[0].type, "NotFound"));
    cr_expect(text_is(view->types[0].message, "no user #"));
    cr_expect_eq(view->types[0].count, 3);
    cr_expect_eq(view->types[0].traces, 3);
    cr_expect_eq(view->types[0].handled, 2);
    cr_expect_eq(view->types[0].propagated, 1);
    cr_expect_eq(view->types[0].roots_failed, 1);
    cr_expect_eq(view->types[0].critical_lost, 50 + 10 + 10);
    cr_expect_eq(view->types[0].first_unix_nano, 10);
    cr_expect_eq(view->types[0].last_unix_nano, 210);
    cr_expect_eq(view->types[0].exemplar_count, 3);
    cr_expect_eq(view->critical_total, 150);
    clew_errors_view_free(view);
    clew_errors_free(errors);
    CLEW_NO_LEAKS();
}

static char *print_errors(const clew_errors_view *view) {
    char *data = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&data, &size);
    const uint64_t sums[] = {view->traces,        view->traces_with_errors,
                             view->roots,         view->roots_failed,
                             view->spans,         view->failed,
                             view->origins,       view->propagated,
                             view->handled,       view->critical_lost,
                             view->critical_total};
    for (size_t i = 0; i < COUNT(sums); i++)
        fprintf(file, "%llu ", (unsigned long long)sums[i]);
    for (uint32_t i = 0; i < view->type_count; i++) {
        const clew_error_type *type = &view->types[i];
        const uint64_t numbers[] = {type->is_other,      type->count,         type->edges,
                                    type->propagated,    type->handled,       type->traces,
                                    type->roots_failed,  type->critical_lost, type->first_unix_nano,
                                    type->last_unix_nano};
        fprintf(file, "\n" TEXT_FORMAT "|" TEXT_FORMAT "|" TEXT_FORMAT "|" TEXT_FORMAT,
                TEXT_OF(type->service), TEXT_OF(type->operation), TEXT_OF(type->type),
                TEXT_OF(type->message));
        for (size_t j = 0; j < COUNT(numbers); j++)
            fprintf(file, " %llu", (unsigned long long)numbers[j]);
        print_exemplars(file, type->exemplars, type->exemplar_count);
    }
    for (uint32_t i = 0; i < view->retry_count; i++) {
        const clew_retry_sum *sum = &view->retries[i];
        fprintf(file, TEXT_FORMAT "|" TEXT_FORMAT " %llu %llu %llu %llu %llu %llu", TEXT_OF(sum->service),
                TEXT_OF(sum->operation), (unsigned long long)sum->groups, (unsigned long long)sum->succeeded,
                (unsigned long long)sum->attempts, (unsigned long long)sum->wasted_critical,
                (unsigned long long)sum->waited, (unsigned long long)sum->traces);
        print_exemplars(file, sum->exemplars, sum->exemplar_count);
    }
    fclose(file);
    return data;
}

/* What must be so of any trace. */
static void check_trace(const struct analysed *analysed) {
    clew_trace_errors *errors = errors_of(analysed);
    uint32_t attempts = 0, marked = 0;
    for (uint32_t i = 0; i < errors->span_count; i++) {
        const clew_span_error *error = &errors->spans[i];
        bool is_failed = error->role == CLEW_ERROR_ORIGIN || error->role == CLEW_ERROR_PROPAGATED;
        cr_assert_eq(is_failed, error->origin != CLEW_NO_SPAN);
        cr_assert_eq(is_failed, error->reaches != CLEW_NO_SPAN);
        if (is_failed) {
            cr_assert_eq(errors->spans[error->origin].role, CLEW_ERROR_ORIGIN);
            cr_assert_eq(errors->spans[error->origin].reaches, error->reaches);
            cr_assert_eq(errors->spans[error->reaches].reaches, error->reaches);
        }
        marked += error->retry != UINT32_MAX;
    }
    cr_assert_eq(errors->failed, errors->origins + errors->propagated);
    for (uint32_t i = 0; i < errors->retry_count; i++) {
        attempts += errors->retries[i].attempts;
        cr_assert_geq(errors->retries[i].attempts, 2);
        cr_assert(i == 0 || errors->retries[i].first_span > errors->retries[i - 1].first_span);
    }
    cr_assert_eq(attempts, marked);
    clew_trace_errors_free(errors);
}

Test(errors, of_random_traces_are_the_same_in_any_order, .timeout = 600) {
    struct random random = {5};
    clew_errors *all = clew_errors_new(NULL), *parts[3], *merged = clew_errors_new(NULL);
    clew_errors_view *view, *other;
    char *first, *second;
    for (int i = 0; i < 3; i++)
        parts[i] = clew_errors_new(NULL);
    for (int i = 0; i < 10000; i++) {
        struct analysed analysed = analyse_random(&random, 1 + random_below(&random, 14), i % 3 == 0);
        check_trace(&analysed);
        cr_assert_eq(clew_errors_add(all, analysed.built.trace, analysed.path), 0);
        cr_assert_eq(clew_errors_add(parts[random_below(&random, 3)], analysed.built.trace, analysed.path),
                     0);
        analysed_free(&analysed);
    }
    for (int i = 2; i >= 0; i--) {
        cr_assert_eq(clew_errors_merge(merged, parts[i]), 0);
        clew_errors_free(parts[i]);
    }
    view = clew_errors_view_new(all);
    other = clew_errors_view_new(merged);
    first = print_errors(view);
    second = print_errors(other);
    cr_expect_str_eq(first, second);
    cr_expect_gt(view->retry_count, 0);
    cr_expect_gt(view->type_count, 3);
    free(first);
    free(second);
    clew_errors_view_free(view);
    clew_errors_view_free(other);
    clew_errors_free(all);
    clew_errors_free(merged);
    CLEW_NO_LEAKS();
}

Test(errors, beyond_the_limit_of_types_count_as_one) {
    clew_errors_options options = {.struct_size = sizeof options, .type_limit = 2};
    clew_errors *errors = clew_errors_new(&options), *merged = clew_errors_new(&options);
    clew_errors_view *view;
    static const char *const operations[] = {"a", "b", "c", "d", "a"};
    for (size_t i = 0; i < COUNT(operations); i++) {
        struct build_span spans[] = {{.id = "1", .end = 10, .operation = operations[i], FAILED}};
        add_spans(errors, spans, COUNT(spans));
    }
    cr_assert_eq(clew_errors_merge(merged, errors), 0);
    view = clew_errors_view_new(merged);
    cr_assert_eq(view->type_count, 3);
    for (uint32_t i = 0; i < 3; i++)
        cr_expect_eq(view->types[i].count, text_is(view->types[i].operation, "b") ? 1 : 2);
    clew_errors_view_free(view);
    clew_errors_free(errors);
    clew_errors_free(merged);
    CLEW_NO_LEAKS();
}

Test(errors, survive_that_memory_runs_out, .init = make_memory_scarce) {
    struct random random = {3};
    struct analysed analysed;
    bool done = false;
    allocations_left = INT_MAX;
    analysed = analyse_random(&random, 40, false);
    for (int allowed = 0; !done; allowed++) {
        clew_errors *errors, *merged;
        clew_errors_view *view = NULL;
        allocations_left = allowed;
        errors = clew_errors_new(NULL);
        merged = errors ? clew_errors_new(NULL) : NULL;
        if (merged) {
            int added = clew_errors_add(errors, analysed.built.trace, analysed.path);
            int joined = clew_errors_merge(merged, errors);
            view = clew_errors_view_new(merged);
            if (view && joined == 0) {
                cr_expect_eq(view->traces, added == 0);
                cr_expect_eq(view->dropped, added != 0);
            }
            cr_expect(!view || joined == 0 || view->traces == 0);
        }
        done = allocations_left >= 0 && view;
        clew_errors_view_free(view);
        allocations_left = INT_MAX;
        clew_errors_free(errors);
        clew_errors_free(merged);
    }
    analysed_free(&analysed);
    CLEW_NO_LEAKS();
}
