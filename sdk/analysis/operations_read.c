/* Makes what a reader of a table of operations sees. One thread at a time. */
#include "sdk/analysis/operations.h"

#include <clew/extend.h>

#include <stdlib.h>
#include <string.h>

#define NANO_PER_SECOND 1e9

/* Room for both ids of a span as digits. */
#define IDS_SIZE (32u + 16u)
#define PICKS 3u /* exemplars of a row */

struct clew__operations_reading {
    clew_operations_report report;
    clew_operation *operations, *services;
    clew_error_count *errors; /* of all rows */
    char *ids;                /* of all rows: IDS_SIZE an exemplar */
    struct clew__series total;
};

/* What is being filled. */
struct filling {
    const struct clew_operations *source;
    struct clew__operations_reading *reading;
    size_t errors, ids; /* used so far */
};

void clew__operations_changed(struct clew_operations *operations) {
    struct clew__operations_reading *reading = operations->reading;
    if (!reading)
        return;
    clew_memory_release(reading->operations);
    clew_memory_release(reading->services);
    clew_memory_release(reading->errors);
    clew_memory_release(reading->ids);
    clew__series_fini(&reading->total);
    clew_memory_release(reading);
    operations->reading = NULL;
}

static uint64_t rounded(uint64_t weighted) {
    return weighted / CLEW__WEIGHT_ONE + (weighted % CLEW__WEIGHT_ONE >= CLEW__WEIGHT_ONE / 2);
}

static uint64_t rounded_time(clew__wide_number weighted) {
    clew__wide_number whole = weighted / CLEW__WEIGHT_ONE;
    whole += weighted % CLEW__WEIGHT_ONE >= CLEW__WEIGHT_ONE / 2;
    return whole > UINT64_MAX ? UINT64_MAX : (uint64_t)whole;
}

/* ---- parts of a row ---- */

static void put_hex(char *out, const uint8_t *bytes, size_t size) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
}

static void put_number(char *out, uint64_t number) {
    uint8_t bytes[8];
    for (size_t i = 8; i-- > 0; number >>= 8)
        bytes[i] = (uint8_t)number;
    put_hex(out, bytes, sizeof bytes);
}

static clew_exemplar tell_pick(struct filling *filling, const struct clew__pick *pick) {
    clew_exemplar out = {.trace_id = {"", 0}, .span_id = {"", 0}};
    if (!pick || !pick->is_there)
        return out;
    out.start_unix_nano = pick->start;
    out.duration = pick->nano;
    if (pick->texts) {
        out.trace_id = (clew_text){pick->texts, strlen(pick->texts)};
        out.span_id.data = pick->texts + out.trace_id.size + 1;
        out.span_id.size = strlen(out.span_id.data);
        return out;
    }
    char *ids = filling->reading->ids + filling->ids;
    filling->ids += IDS_SIZE;
    put_hex(ids, pick->trace_id, sizeof pick->trace_id);
    put_number(ids + 32, pick->span_id);
    out.trace_id = (clew_text){ids, 32};
    out.span_id = (clew_text){ids + 32, 16};
    return out;
}

/* The sample that is nearest to the median; NULL when there is none. */
static const struct clew__pick *typical_of(const struct clew__series *row) {
    const struct clew__pick *best = NULL;
    uint64_t median, best_distance = 0;
    if (!clew_sketch_quantile(&row->duration, 0.5, &median))
        return NULL;
    for (uint32_t i = 0; i < CLEW__SERIES_SAMPLES && row->samples[i].is_there; i++) {
        uint64_t nano = row->samples[i].nano;
        uint64_t distance = nano > median ? nano - median : median - nano;
        if (best && distance >= best_distance)
            continue;
        best = &row->samples[i];
        best_distance = distance;
    }
    return best;
}

static int compare_errors(const void *left, const void *right) {
    const clew_error_count *a = left, *b = right;
    if (a->errors != b->errors)
        return a->errors < b->errors ? 1 : -1;
    return clew__text_compare(a->type, b->type);
}

static const clew_error_count *tell_errors(struct filling *filling, const struct clew__series *row) {
    clew_error_count *errors = filling->reading->errors + filling->errors;
    for (uint32_t i = 0; i < row->error_type_count; i++)
        errors[i] =
            (clew_error_count){clew__names_get(&filling->source->error_types, row->error_types[i].type),
                               rounded(row->error_types[i].errors)};
    filling->errors += row->error_type_count;
    if (row->error_type_count > 1)
        qsort(errors, row->error_type_count, sizeof *errors, compare_errors);
    return errors;
}

static double share_of(clew__wide_number part, clew__wide_number whole) {
    return whole ? (double)part / (double)whole : 0;
}

static double rate_of(const struct clew_operations *operations, uint64_t calls) {
    if (operations->start >= operations->end)
        return 0;
    double seconds = (double)(operations->end - operations->start) / NANO_PER_SECOND;
    return (double)calls / (double)CLEW__WEIGHT_ONE / seconds;
}

static clew_operation tell_row(struct filling *filling, const struct clew__series *row) {
    const struct clew_operations *source = filling->source;
    const struct clew__series *total = &filling->reading->total;
    clew_operation out = {
        .service = clew__names_get(&source->services, row->service),
        .operation = clew__names_get(&source->operations, row->operation),
        .kind = (clew_span_kind)row->kind,
        .spans = row->spans,
        .calls = rounded(row->calls),
        .errors = rounded(row->errors),
        .entry_calls = rounded(row->entry_calls),
        .entry_errors = rounded(row->entry_errors),
        .rate_per_second = rate_of(source, row->calls),
        .duration = row->duration.observations ? &row->duration : NULL,
        .self_nano = rounded_time(row->self),
        .critical_nano = rounded_time(row->critical),
        .self_share = share_of(row->self, total->self),
        .critical_share = share_of(row->critical, total->critical),
        /* Rows that were joined in `(other)` count a trace more than once. */
        .path_traces = row->path_traces < source->path_traces ? row->path_traces : source->path_traces,
        .error_types = tell_errors(filling, row),
        .error_type_count = row->error_type_count,
        .slow = tell_pick(filling, &row->slow),
        .error = tell_pick(filling, &row->error),
        .typical = tell_pick(filling, typical_of(row)),
    };
    for (uint32_t i = 0; i < CLEW_HTTP_CLASSES; i++)
        out.http_classes[i] = rounded(row->http_classes[i]);
    return out;
}

/* ---- all rows ---- */

static int compare_rows(const void *left, const void *right) {
    const clew_operation *a = left, *b = right;
    int order = clew__text_compare(a->service, b->service);
    if (order == 0)
        order = clew__text_compare(a->operation, b->operation);
    return order ? order : (int)a->kind - (int)b->kind;
}

static clew_operation *tell_table(struct filling *filling, const struct clew__series_table *table) {
    uint32_t count = table->keys.count;
    clew_operation *rows = clew_memory_allocate((count ? count : 1) * sizeof *rows);
    if (!rows)
        return NULL;
    for (uint32_t i = 0; i < count; i++)
        rows[i] = tell_row(filling, &table->rows[i]);
    if (count > 1)
        qsort(rows, count, sizeof *rows, compare_rows);
    return rows;
}

/* All operations together. Error types keep their numbers. */
static bool sum_up(const struct clew_operations *source, struct clew__series *total) {
    uint32_t names = clew__texts_count(source->error_types.texts);
    clew__text *same = clew_memory_allocate((names + 1) * sizeof *same);
    bool summed = same != NULL;
    for (clew__text i = 0; same && i < names; i++)
        same[i] = i;
    for (uint32_t i = 0; summed && i < source->by_operation.keys.count; i++)
        summed = clew__series_merge(total, &source->by_operation.rows[i], same, UINT32_MAX,
                                    source->other_error_type);
    clew_memory_release(same);
    return summed;
}

static size_t count_errors(const struct clew__series_table *table) {
    size_t count = 0;
    for (uint32_t i = 0; i < table->keys.count; i++)
        count += table->rows[i].error_type_count;
    return count;
}

static bool reserve(const struct clew_operations *source, struct clew__operations_reading *reading) {
    size_t errors = count_errors(&source->by_service) + count_errors(&source->by_operation) +
                    reading->total.error_type_count;
    size_t rows = (size_t)source->by_service.keys.count + source->by_operation.keys.count + 1;
    reading->errors = clew_memory_allocate((errors + 1) * sizeof *reading->errors);
    reading->ids = clew_memory_allocate(rows * PICKS * IDS_SIZE);
    return reading->errors && reading->ids;
}

static bool tell(const struct clew_operations *source, struct clew__operations_reading *reading) {
    struct filling filling = {source, reading, 0, 0};
    if (!sum_up(source, &reading->total) || !reserve(source, reading))
        return false;
    reading->services = tell_table(&filling, &source->by_service);
    reading->operations = tell_table(&filling, &source->by_operation);
    if (!reading->services || !reading->operations)
        return false;
    reading->report = (clew_operations_report){
        .operations = reading->operations,
        .operation_count = source->by_operation.keys.count,
        .services = reading->services,
        .service_count = source->by_service.keys.count,
        .total = tell_row(&filling, &reading->total),
        .traces = source->traces,
        .path_traces = source->path_traces,
        .start_unix_nano = source->start <= source->end ? source->start : 0,
        .end_unix_nano = source->end,
        .overflowed = source->overflowed,
        .lost = source->lost,
    };
    return true;
}

const clew_operations_report *clew_operations_read(clew_operations *operations) {
    if (!operations)
        return NULL;
    if (operations->reading)
        return &operations->reading->report;
    struct clew__operations_reading *reading = clew_memory_allocate(sizeof *reading);
    if (!reading)
        return NULL;
    *reading = (struct clew__operations_reading){0};
    operations->reading = reading;
    if (tell(operations, reading))
        return &reading->report;
    clew__operations_changed(operations);
    return NULL;
}
