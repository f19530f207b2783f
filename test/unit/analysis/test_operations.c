/* The table of operations: against a simple model on random traces, in any order, divided in any way; limits,
 * exemplars, and memory that runs out. */
#include "test/failing.h"
#include "test/support.h"
#include "test/unit/analysis/map_model.h"
#include "test/unit/proto/growing.h"

#include <clew/analysis/operations.h>

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define FLEETS 2500 /* of four traces each */
#define TRACES 4
#define SPANS 12
#define COUNT(array) (sizeof(array) / sizeof *(array))

static bool is_text(clew_text text, const char *wanted) {
    size_t size = wanted ? strlen(wanted) : 0;
    return text.size == size && (size == 0 || memcmp(text.data, wanted, size) == 0);
}

static void add(clew_operations *table, const struct clew_trace *trace) {
    clew_critical_path *path = clew_critical_path_new(trace, NULL);
    cr_assert_not_null(path);
    cr_assert_eq(clew_operations_add(table, trace, path), CLEW_OK);
    clew_critical_path_free(path);
}

static clew_operations *table_of(const struct traces *traces, const clew_operations_options *options) {
    clew_operations *table = clew_operations_new(options);
    cr_assert_not_null(table);
    for (size_t i = 0; i < traces->count; i++)
        add(table, traces->traces[i].trace);
    return table;
}

static const clew_operations_report *read_table(clew_operations *table) {
    const clew_operations_report *report = clew_operations_read(table);
    cr_assert_not_null(report);
    return report;
}

static const clew_operation *find(const clew_operation *rows, size_t count, const char *service,
                                  const char *operation, clew_span_kind kind) {
    for (size_t i = 0; i < count; i++)
        if (is_text(rows[i].service, service) && is_text(rows[i].operation, operation) &&
            rows[i].kind == kind)
            return &rows[i];
    return NULL;
}

/* ---- as text ---- */

static void print(struct clew__writer *out, const char *format, ...) CLEW_PRINTF(2, 3);
static void print(struct clew__writer *out, const char *format, ...) {
    char line[4096];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    clew__write_raw(out, line, strlen(line));
}

static void print_text(struct clew__writer *out, clew_text text) {
    print(out, "[%.*s]", (int)text.size, text.data);
}

static void print_exemplar(struct clew__writer *out, const clew_exemplar *exemplar) {
    print_text(out, exemplar->trace_id);
    print_text(out, exemplar->span_id);
    print(out, " %" PRIu64 " %" PRIu64 " ", exemplar->start_unix_nano, exemplar->duration);
}

static void print_row(struct clew__writer *out, const clew_operation *row) {
    size_t size;
    uint8_t *bytes = clew_sketch_encode(row->duration, &size);
    print_text(out, row->service);
    print_text(out, row->operation);
    print(out, " %d spans %" PRIu64 " calls %" PRIu64 " errors %" PRIu64 " entries %" PRIu64 " %" PRIu64,
          (int)row->kind, row->spans, row->calls, row->errors, row->entry_calls, row->entry_errors);
    print(out, " rate %.17g self %" PRIu64 " %.17g critical %" PRIu64 " %.17g traces %" PRIu64,
          row->rate_per_second, row->self_nano, row->self_share, row->critical_nano, row->critical_share,
          row->path_traces);
    for (size_t i = 0; i < CLEW_HTTP_CLASSES; i++)
        print(out, " %" PRIu64, row->http_classes[i]);
    for (size_t i = 0; i < row->error_type_count; i++) {
        print_text(out, row->error_types[i].type);
        print(out, " %" PRIu64, row->error_types[i].errors);
    }
    print_exemplar(out, &row->slow);
    print_exemplar(out, &row->error);
    print_exemplar(out, &row->typical);
    for (size_t i = 0; i < size; i++)
        print(out, "%02x", bytes[i]);
    clew_memory_release(bytes);
    print(out, "\n");
}

static char *print_table(const clew_operations_report *report) {
    struct clew__writer out = growing_writer();
    for (size_t i = 0; i < report->operation_count; i++)
        print_row(&out, &report->operations[i]);
    for (size_t i = 0; i < report->service_count; i++)
        print_row(&out, &report->services[i]);
    print_row(&out, &report->total);
    print(&out,
          "%" PRIu64 " %" PRIu64 " from %" PRIu64 " to %" PRIu64 " other %" PRIu64 " lost %" PRIu64 "\n",
          report->traces, report->path_traces, report->start_unix_nano, report->end_unix_nano,
          report->overflowed, report->lost);
    clew__write_raw(&out, "", 1);
    return (char *)out.data;
}

/* ---- against a simple model ---- */

struct model_row {
    uint64_t spans, calls, errors, entry_calls, entry_errors, sum, max, server_errors, timeouts;
};

static void model_count(struct model_row *row, const struct fleet *fleet, const struct build_span *span) {
    uint64_t weight = model_weight(span), nano = span->end - span->start;
    const char *status = fleet_attribute(span, "http.response.status_code");
    const char *error = fleet_attribute(span, "error.type");
    bool is_error = model_has_failed(span), is_entry = model_is_entry(fleet, span);
    row->spans++;
    row->calls += weight;
    row->errors += is_error ? weight : 0;
    row->entry_calls += is_entry ? weight : 0;
    row->entry_errors += is_entry && is_error ? weight : 0;
    row->sum += nano * weight;
    row->max = nano > row->max ? nano : row->max;
    row->server_errors += status && strcmp(status, "#503") == 0 ? weight : 0;
    row->timeouts += is_error && error && strcmp(error, "timeout") == 0 ? weight : 0;
}

static uint64_t error_count(const clew_operation *row, const char *type) {
    for (size_t i = 0; i < row->error_type_count; i++)
        if (is_text(row->error_types[i].type, type))
            return row->error_types[i].errors;
    return 0;
}

static void expect_row(const clew_operation *row, const struct model_row *wanted) {
    uint64_t max = 0;
    cr_assert_eq(row->calls, wanted->calls);
    cr_assert_eq(row->errors, wanted->errors);
    cr_assert_eq(row->entry_calls, wanted->entry_calls);
    cr_assert_eq(row->entry_errors, wanted->entry_errors);
    cr_assert_eq(clew_sketch_count(row->duration), wanted->calls);
    cr_assert_eq(clew_sketch_sum(row->duration), wanted->sum);
    cr_assert(wanted->calls == 0 || clew_sketch_max(row->duration, &max));
    cr_assert_eq(max, wanted->max);
    cr_assert(wanted->calls == 0 || row->slow.duration == wanted->max);
    cr_assert_eq(row->http_classes[5], wanted->server_errors);
    cr_assert_eq(error_count(row, "timeout"), wanted->timeouts);
    cr_assert_eq(row->error.trace_id.size > 0, wanted->errors > 0);
}

static bool same(const char *a, const char *b) {
    return a == b || (a && b && strcmp(a, b) == 0);
}

static void expect_operation(const clew_operations_report *report, const struct fleet *fleet,
                             const struct build_span *like) {
    struct model_row wanted = {0};
    const clew_operation *row =
        find(report->operations, report->operation_count, like->service, like->operation, like->kind);
    cr_assert_not_null(row);
    for (size_t i = 0; i < fleet->count; i++)
        if (same(fleet->spans[i].service, like->service) &&
            same(fleet->spans[i].operation, like->operation) && fleet->spans[i].kind == like->kind)
            model_count(&wanted, fleet, &fleet->spans[i]);
    cr_assert_eq(row->spans, wanted.spans);
    expect_row(row, &wanted);
}

/* By the spans that enter it only. */
static void expect_service(const clew_operations_report *report, const struct fleet *fleet,
                           const struct build_span *like) {
    struct model_row wanted = {0};
    const clew_operation *row =
        find(report->services, report->service_count, like->service, NULL, (clew_span_kind)0);
    uint64_t spans = 0;
    cr_assert_not_null(row);
    for (size_t i = 0; i < fleet->count; i++) {
        if (!same(fleet->spans[i].service, like->service))
            continue;
        spans++;
        if (model_is_entry(fleet, &fleet->spans[i]))
            model_count(&wanted, fleet, &fleet->spans[i]);
    }
    cr_assert_eq(row->spans, spans);
    expect_row(row, &wanted);
}

/* Totals are those of the spans, and the sums of all rows. */
static void expect_totals(const clew_operations_report *report, const struct fleet *fleet,
                          const struct traces *traces) {
    struct model_row wanted = {0};
    uint64_t self = 0, critical = 0;
    for (size_t i = 0; i < fleet->count; i++)
        model_count(&wanted, fleet, &fleet->spans[i]);
    expect_row(&report->total, &wanted);
    cr_assert_eq(report->total.spans, fleet->count);
    cr_assert_eq(report->traces, traces->count);
    for (size_t i = 0; i < report->operation_count; i++) {
        self += report->operations[i].self_nano;
        critical += report->operations[i].critical_nano;
        cr_assert(report->operations[i].errors <= report->operations[i].calls);
    }
    cr_assert_eq(report->total.self_nano, self);
    cr_assert_eq(report->total.critical_nano, critical);
    self = critical = 0;
    for (size_t i = 0; i < report->service_count; i++) {
        self += report->services[i].self_nano;
        critical += report->services[i].critical_nano;
    }
    cr_assert_eq(report->total.self_nano, self);
    cr_assert_eq(report->total.critical_nano, critical);
}

Test(operations, say_what_a_simple_model_says, .timeout = 600) {
    for (uint64_t seed = 0; seed < FLEETS; seed++) {
        struct random random = {seed};
        struct fleet fleet = fleet_new(&random, TRACES, SPANS);
        struct traces traces = traces_of(fleet.spans, fleet.count, NULL);
        clew_operations *table = table_of(&traces, NULL);
        const clew_operations_report *report = read_table(table);
        for (size_t i = 0; i < fleet.count; i++) {
            expect_operation(report, &fleet, &fleet.spans[i]);
            expect_service(report, &fleet, &fleet.spans[i]);
        }
        expect_totals(report, &fleet, &traces);
        clew_operations_free(table);
        traces_free(&traces);
        fleet_free(&fleet);
    }
    CLEW_NO_LEAKS();
}

/* ---- order, division, limits ---- */

static void expect_same(clew_operations *table, const char *wanted, uint64_t seed) {
    char *text = print_table(read_table(table));
    cr_assert_str_eq(text, wanted, "seed %llu", (unsigned long long)seed);
    free(text);
    clew_operations_free(table);
}

static clew_operations *divided(const struct traces *traces, struct random *random) {
    clew_operations *parts[3];
    for (size_t i = 0; i < 3; i++)
        parts[i] = clew_operations_new(NULL);
    for (size_t i = 0; i < traces->count; i++)
        add(parts[random_below(random, 3)], traces->traces[i].trace);
    cr_assert_eq(clew_operations_merge(parts[1], parts[2]), CLEW_OK);
    cr_assert_eq(clew_operations_merge(parts[0], parts[1]), CLEW_OK);
    clew_operations_free(parts[1]);
    clew_operations_free(parts[2]);
    return parts[0];
}

Test(operations, are_the_same_in_any_order_and_however_they_were_divided, .timeout = 600) {
    for (uint64_t seed = 0; seed < FLEETS; seed++) {
        struct random random = {seed + 1000000};
        struct fleet fleet = fleet_new(&random, TRACES, SPANS);
        uint32_t *order = build_shuffle(&random, fleet.count);
        struct traces traces = traces_of(fleet.spans, fleet.count, NULL);
        struct traces shuffled = traces_of(fleet.spans, fleet.count, order);
        clew_operations *table = table_of(&traces, NULL);
        char *wanted = print_table(read_table(table));
        expect_same(table_of(&shuffled, NULL), wanted, seed);
        expect_same(divided(&traces, &random), wanted, seed);
        free(wanted);
        free(order);
        clew_operations_free(table);
        traces_free(&traces);
        traces_free(&shuffled);
        fleet_free(&fleet);
    }
    CLEW_NO_LEAKS();
}

static uint64_t sum_calls(const clew_operation *rows, size_t count) {
    uint64_t calls = 0;
    for (size_t i = 0; i < count; i++)
        calls += rows[i].calls;
    return calls;
}

Test(operations, keep_their_totals_beyond_their_limits, .timeout = 600) {
    const clew_operations_options options = {.struct_size = sizeof options,
                                             .service_limit = 2,
                                             .operation_limit = 2,
                                             .series_limit = 3,
                                             .error_type_limit = 1};
    for (uint64_t seed = 0; seed < FLEETS; seed++) {
        struct random random = {seed};
        struct fleet fleet = fleet_new(&random, TRACES, SPANS);
        struct traces traces = traces_of(fleet.spans, fleet.count, NULL);
        clew_operations *whole = table_of(&traces, NULL), *limited = table_of(&traces, &options);
        const clew_operation *wanted = &read_table(whole)->total;
        const clew_operations_report *report = read_table(limited);
        cr_assert_leq(report->service_count, 4); /* with `(other)` and that without a name */
        cr_assert_leq(report->operation_count, 3 + 4);
        cr_assert_eq(report->total.calls, wanted->calls);
        cr_assert_eq(report->total.errors, wanted->errors);
        cr_assert_eq(report->total.entry_calls, wanted->entry_calls);
        cr_assert_eq(report->total.self_nano, wanted->self_nano);
        cr_assert_eq(report->total.critical_nano, wanted->critical_nano);
        cr_assert_eq(clew_sketch_sum(report->total.duration), clew_sketch_sum(wanted->duration));
        cr_assert_eq(sum_calls(report->operations, report->operation_count), wanted->calls);
        cr_assert_eq(sum_calls(report->services, report->service_count), wanted->entry_calls);
        clew_operations_free(whole);
        clew_operations_free(limited);
        traces_free(&traces);
        fleet_free(&fleet);
    }
    CLEW_NO_LEAKS();
}

/* ---- rows of their own ---- */

Test(operations, show_a_slow_a_failed_and_a_typical_span) {
    struct build_span spans[21];
    char ids[21][16];
    for (uint64_t i = 0; i < 21; i++) {
        snprintf(ids[i], sizeof ids[i], "s-%d", (int)i);
        spans[i] = (struct build_span){.trace = "run", .id = ids[i], .start = 10 * i + 1};
        spans[i].end = spans[i].start + (i == 13 ? 5000 : 100 + i);
        spans[i].service = "shop";
        spans[i].operation = "get";
        spans[i].status = i == 4 || i == 6 ? CLEW_STATUS_ERROR : CLEW_STATUS_UNSET;
    }
    struct traces traces = traces_of(spans, COUNT(spans), NULL);
    clew_operations *table = table_of(&traces, NULL);
    const clew_operation *row = &read_table(table)->operations[0];
    cr_assert(is_text(row->slow.trace_id, "run"));
    cr_assert(is_text(row->slow.span_id, "s-13"));
    cr_assert_eq(row->slow.start_unix_nano, 131);
    cr_assert_eq(row->slow.duration, 5000);
    cr_assert(is_text(row->error.span_id, "s-6"));
    cr_assert(row->typical.duration >= 100 && row->typical.duration <= 120);
    cr_assert_eq(row->entry_calls, 21);
    clew_operations_free(table);
    traces_free(&traces);
    CLEW_NO_LEAKS();
}

Test(operations, tell_rates_over_the_time_seen) {
    const uint64_t second = UINT64_C(1000000000);
    const struct build_span spans[] = {
        {.id = "1", .start = second, .end = 2 * second, .service = "shop"},
        {.id = "2", .start = 4 * second, .end = 5 * second, .service = "shop", .tracestate = "ot=th:8"},
    };
    struct traces traces = traces_of(spans, COUNT(spans), NULL);
    clew_operations *table = table_of(&traces, NULL);
    cr_assert_float_eq(read_table(table)->operations[0].rate_per_second, 0.75, 1e-12);
    cr_assert_eq(read_table(table)->operations[0].calls, 3);
    cr_assert_eq(read_table(table)->operations[0].spans, 2);
    clew_operations_free(table);
    traces_free(&traces);
    CLEW_NO_LEAKS();
}

Test(operations, a_million_names_stay_within_the_limits, .timeout = 300) {
    enum { ALL = 1000000, PART = 1000 };
    clew_operations *table = clew_operations_new(NULL);
    static struct build_span spans[PART];
    static char names[PART][2][24];
    for (int done = 0; done < ALL; done += PART) {
        for (int i = 0; i < PART; i++) {
            snprintf(names[i][0], sizeof names[i][0], "%x", i + 1);
            snprintf(names[i][1], sizeof names[i][1], "GET /user/%d", done + i);
            spans[i] = (struct build_span){.id = names[i][0], .start = 1, .end = 3, .service = "shop"};
            spans[i].operation = names[i][1];
            spans[i].status = CLEW_STATUS_ERROR;
            spans[i].exception[0] = names[i][1];
        }
        struct traces traces = traces_of(spans, PART, NULL);
        add(table, traces.traces[0].trace);
        traces_free(&traces);
    }
    const clew_operations_report *report = read_table(table);
    cr_assert_eq(report->operation_count, 1001);
    const clew_operation *other =
        find(report->operations, report->operation_count, "shop", CLEW_OPERATION_OTHER, (clew_span_kind)0);
    cr_assert_not_null(other);
    cr_assert_eq(other->calls, ALL - 1000);
    cr_assert_leq(other->error_type_count, 17);
    cr_assert_eq(report->overflowed, ALL - 1000);
    cr_assert_eq(report->total.errors, ALL);
    clew_operations_free(table);
    CLEW_NO_LEAKS();
}

Test(operations, refuse_what_makes_no_sense) {
    clew_operations *table = clew_operations_new(NULL);
    cr_assert_eq(clew_operations_add(table, NULL, NULL), CLEW_EINVAL);
    cr_assert_eq(clew_operations_merge(table, table), CLEW_EINVAL);
    cr_assert_null(clew_operations_read(NULL));
    cr_assert_eq(read_table(table)->operation_count, 0);
    cr_assert_null(read_table(table)->total.duration);
    clew_operations_free(table);
    clew_operations_free(NULL);
    CLEW_NO_LEAKS();
}

/* ---- memory that runs out ---- */

static void build_without_memory(const struct traces *traces) {
    clew_operations *table = clew_operations_new(NULL), *other = clew_operations_new(NULL);
    bool is_whole = table && other;
    for (size_t i = 0; table && other && i < traces->count; i++)
        if (clew_operations_add(i % 2 ? table : other, traces->traces[i].trace, NULL) != CLEW_OK)
            is_whole = false;
    if (table && other && clew_operations_merge(table, other) != CLEW_OK)
        is_whole = false;
    cr_assert(clew_operations_read(table) || has_failed);
    failing_end();
    const clew_operations_report *report = clew_operations_read(table);
    if (table && other) {
        cr_assert_not_null(report);
        cr_assert(is_whole == (report->lost == 0), "lost %llu", (unsigned long long)report->lost);
    }
    clew_operations_free(table);
    clew_operations_free(other);
}

Test(operations, survive_every_allocation_that_fails, .timeout = 300) {
    cr_assert_eq(failing_install(), 0);
    struct random random = {7};
    struct fleet fleet = fleet_new(&random, 8, 30);
    for (size_t i = 0; i < fleet.count; i += 3)
        fleet.spans[i].trace = "a run";
    struct traces traces = traces_of(fleet.spans, fleet.count, NULL);
    int allocation = 0;
    do {
        failing_begin(allocation++);
        build_without_memory(&traces);
    } while (has_failed);
    cr_assert_gt(allocation, 50);
    traces_free(&traces);
    fleet_free(&fleet);
    CLEW_NO_LEAKS();
}
