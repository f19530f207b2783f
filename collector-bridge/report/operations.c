/* Statistics for people. Keeps nothing; one thread. */
#include "collector-bridge/report/operations.h"

#include "collector-bridge/report/line.h"
#include "collector-bridge/report/table.h"

#include <clew/extend.h>
#include <inttypes.h>
#include <stdlib.h>

#define BAR_CELLS 10u

/* The most critical time first, then the most time of its own, then as they were: by name. */
static int compare_rows(const void *left, const void *right) {
    const clew_operation *a = *(const clew_operation *const *)left;
    const clew_operation *b = *(const clew_operation *const *)right;
    if (a->critical_nano != b->critical_nano)
        return a->critical_nano > b->critical_nano ? -1 : 1;
    if (a->self_nano != b->self_nano)
        return a->self_nano > b->self_nano ? -1 : 1;
    return (a > b) - (a < b);
}

/* To be released. */
static const clew_operation **sorted(const clew_operation *rows, size_t count) {
    const clew_operation **sorted = clew_memory_allocate((count + 1) * sizeof *sorted);
    if (!sorted)
        return NULL;
    for (size_t i = 0; i < count; i++)
        sorted[i] = &rows[i];
    qsort(sorted, count, sizeof *sorted, compare_rows);
    return sorted;
}

/* A single trace says nothing of how often there is one. */
static double seconds_of(const clew_operations_report *report) {
    return report->traces < 2 ? 0 : (double)(report->end_unix_nano - report->start_unix_nano) / 1e9;
}

static void put_numbers(struct clew__table *table, const struct clew__style *style,
                        const clew_operations_report *report, const clew_operation *row) {
    clew__table_count(table, NULL, row->calls);
    clew__table_rate(table, row->calls, seconds_of(report));
    clew__table_errors(table, row->errors, row->calls);
    clew__table_quantile(table, row->duration, 0.5);
    clew__table_quantile(table, row->duration, 0.95);
    clew__table_quantile(table, row->duration, 0.99);
    clew__table_duration(table, NULL, row->self_nano);
    clew__table_duration(table, NULL, row->critical_nano);
    clew__table_share(table,
                      row->critical_nano >= report->total.critical_nano / 2 && row->critical_nano ? CLEW__BOLD
                                                                                                  : NULL,
                      row->critical_nano, report->total.critical_nano);
    clew__table_bar(table, NULL, style->columns ? row->critical_nano : 0, report->total.critical_nano,
                    BAR_CELLS);
}

#define NUMBER_COLUMNS                                                                                       \
    {.title = "calls", .is_right = true}, {.title = "rate", .is_right = true, .is_minor = true},             \
        {.title = "errors", .is_right = true}, {.title = "p50", .is_right = true},                           \
        {.title = "p95", .is_right = true}, {.title = "p99", .is_right = true, .is_minor = true},            \
        {.title = "self", .is_right = true, .is_minor = true}, {.title = "critical", .is_right = true},      \
        {.title = "share", .is_right = true}, {                                                              \
        .title = "", .is_text_only = true                                                                    \
    }

static bool services_table(struct clew__writer *out, const struct clew__style *style,
                           struct clew__palette *palette, const clew_operations_report *report,
                           uint32_t limit) {
    static const struct clew__column columns[] = {{.title = "service", .is_flexible = true}, NUMBER_COLUMNS};
    struct clew__table table = clew__table_begin(columns, sizeof columns / sizeof columns[0]);
    const clew_operation **rows = sorted(report->services, report->service_count);
    size_t shown = rows ? clew__rows_shown(report->service_count, limit) : 0;
    for (size_t i = 0; i < shown; i++) {
        clew__table_name(&table, clew__palette_mark(palette, rows[i]->service),
                         clew__service_shown(rows[i]->service));
        put_numbers(&table, style, report, rows[i]);
    }
    clew__table_end(&table, out, style);
    clew__rows_rest(out, style, report->service_count, limit);
    clew_memory_release(rows);
    return rows != NULL;
}

static bool operations_table(struct clew__writer *out, const struct clew__style *style,
                             struct clew__palette *palette, const clew_operations_report *report,
                             uint32_t limit) {
    static const struct clew__column columns[] = {{.title = "service", .is_flexible = true},
                                                  {.title = "operation", .is_flexible = true},
                                                  NUMBER_COLUMNS,
                                                  {.title = "slowest", .is_minor = true}};
    struct clew__table table = clew__table_begin(columns, sizeof columns / sizeof columns[0]);
    const clew_operation **rows = sorted(report->operations, report->operation_count);
    size_t shown = rows ? clew__rows_shown(report->operation_count, limit) : 0;
    for (size_t i = 0; i < shown; i++) {
        clew__table_name(&table, clew__palette_mark(palette, rows[i]->service),
                         clew__service_shown(rows[i]->service));
        clew__table_name(&table, NULL, rows[i]->operation);
        put_numbers(&table, style, report, rows[i]);
        clew__table_id(&table, rows[i]->slow.trace_id);
    }
    clew__table_end(&table, out, style);
    clew__rows_rest(out, style, report->operation_count, limit);
    clew_memory_release(rows);
    return rows != NULL;
}

bool clew__report_operations(struct clew__writer *out, const struct clew__style *style,
                             struct clew__palette *palette, const clew_operations_report *operations,
                             uint32_t limit) {
    struct clew__sentence sentence;
    if (!operations->total.spans) {
        clew__write_text(out, "No spans.\n");
        return true;
    }
    sentence = clew__sentence_begin(style);
    if (!style->colours)
        palette = NULL;
    clew__say(&sentence, "%" PRIu64 " trace%s, %" PRIu64 " span%s, ", operations->traces,
              operations->traces == 1 ? "" : "s", operations->total.spans,
              operations->total.spans == 1 ? "" : "s");
    clew__say_duration(&sentence, operations->end_unix_nano - operations->start_unix_nano);
    clew__say(&sentence, " from first to last.");
    clew__sentence_end(&sentence, out, NULL, 0);
    clew__heading(out, style, false, "Services");
    if (!services_table(out, style, palette, operations, limit))
        return false;
    clew__heading(out, style, false, "Operations");
    return operations_table(out, style, palette, operations, limit);
}
