/* Owns tables of operations: which row a span belongs to, limits, merging. One thread at a time each. */
#include "sdk/analysis/operations.h"

#include "sdk/base/struct_size.h"

#include <clew/extend.h>

#include <string.h>

#define DEFAULT_SERVICES 1000u
#define DEFAULT_OPERATIONS 1000u
#define DEFAULT_SERIES 10000u
#define DEFAULT_ERROR_TYPES 16u
#define LIMIT_MAX (1u << 24)
#define ERROR_TYPE_NAMES 4096u /* of all operations */
#define RESERVED_NAMES 1u
#define FIRST_ROWS 16u

/* ---- life ---- */

static uint32_t limit_of(uint32_t wanted, uint32_t standard) {
    if (wanted == 0)
        return standard;
    return wanted < LIMIT_MAX ? wanted : LIMIT_MAX;
}

/* Every table has the name of what is beyond a limit from the first. */
static bool init_names(struct clew__names *names, clew__text *other) {
    static const char text[] = CLEW_OPERATION_OTHER;
    if (!clew__names_init(names))
        return false;
    *other = clew__names_add(names, (clew_text){text, sizeof text - 1}, RESERVED_NAMES);
    return *other < CLEW__NAME_LIMIT;
}

clew_operations *clew_operations_new(const clew_operations_options *options) {
    clew_operations_options used = {0};
    if (options)
        clew__options_copy(&used, sizeof used, options, sizeof used);
    struct clew_operations *operations = clew_memory_allocate(sizeof *operations);
    if (!operations)
        return NULL;
    *operations = (struct clew_operations){
        .service_limit = limit_of(used.service_limit, DEFAULT_SERVICES),
        .operation_limit = limit_of(used.operation_limit, DEFAULT_OPERATIONS),
        .series_limit = limit_of(used.series_limit, DEFAULT_SERIES),
        .error_type_limit = limit_of(used.error_type_limit, DEFAULT_ERROR_TYPES),
        .start = UINT64_MAX,
    };
    if (init_names(&operations->services, &operations->other_service) &&
        init_names(&operations->operations, &operations->other_operation) &&
        init_names(&operations->error_types, &operations->other_error_type))
        return operations;
    clew_operations_free(operations);
    return NULL;
}

static void table_fini(struct clew__series_table *table) {
    for (uint32_t i = 0; i < table->keys.count; i++)
        clew__series_fini(&table->rows[i]);
    clew_memory_release(table->rows);
    clew__keys_fini(&table->keys);
}

void clew_operations_free(clew_operations *operations) {
    if (!operations)
        return;
    clew__operations_changed(operations);
    table_fini(&operations->by_service);
    table_fini(&operations->by_operation);
    clew__names_fini(&operations->services);
    clew__names_fini(&operations->operations);
    clew__names_fini(&operations->error_types);
    clew__places_fini(&operations->places);
    clew_memory_release(operations);
}

/* ---- rows ---- */

/* A row that is not there yet; NULL when memory runs out. */
static struct clew__series *table_add(struct clew__series_table *table, struct clew__key key) {
    if (table->keys.count == table->capacity) {
        uint32_t capacity = table->capacity ? table->capacity * 2 : FIRST_ROWS;
        struct clew__series *grown = clew_memory_reallocate(table->rows, capacity * sizeof *grown);
        if (!grown)
            return NULL;
        table->rows = grown;
        table->capacity = capacity;
    }
    uint32_t number = clew__keys_add(&table->keys, key);
    if (number == CLEW__NO_KEY)
        return NULL;
    table->rows[number] = (struct clew__series){.service = key.a, .operation = key.b, .kind = key.c};
    return &table->rows[number];
}

static struct clew__series *table_find(const struct clew__series_table *table, struct clew__key key) {
    uint32_t number = clew__keys_find(&table->keys, key);
    return number == CLEW__NO_KEY ? NULL : &table->rows[number];
}

static struct clew__series *table_get(struct clew__series_table *table, struct clew__key key) {
    struct clew__series *row = table_find(table, key);
    return row ? row : table_add(table, key);
}

static bool is_full(const struct clew_operations *operations, const struct clew__series *service) {
    return service->operations >= operations->operation_limit ||
           operations->by_operation.keys.count >= operations->series_limit;
}

/* How many names of operations there may be: a name is only taken for a row that there is room for. */
static uint32_t operation_names(const struct clew_operations *operations,
                                const struct clew__series *service) {
    return is_full(operations, service) ? 0 : operations->series_limit + RESERVED_NAMES;
}

/* Where a service's spans of an operation are counted: NULL when memory runs out. */
static struct clew__series *operation_row(struct clew_operations *operations, struct clew__series *service,
                                          clew__text operation, uint32_t kind) {
    struct clew__key key = {service->service, operation, kind};
    struct clew__series *row =
        operation == CLEW__NAME_LIMIT ? NULL : table_find(&operations->by_operation, key);
    if (row)
        return row;
    if (operation == CLEW__NAME_LIMIT || is_full(operations, service)) {
        key.b = operations->other_operation;
        key.c = 0;
        return table_get(&operations->by_operation, key);
    }
    row = table_add(&operations->by_operation, key);
    if (row)
        service->operations++;
    return row;
}

static bool is_other(const struct clew_operations *operations, const struct clew__series *row) {
    return row->operation == operations->other_operation || row->service == operations->other_service;
}

/* ---- adding ---- */

struct adding {
    struct clew_operations *operations;
    const struct clew_trace *trace;
    const clew_critical_path *path; /* may be NULL */
};

static struct clew__series *service_row(struct clew_operations *operations, clew__text name) {
    if (name == CLEW__NAME_LIMIT)
        name = operations->other_service;
    if (name == CLEW__NAME_NONE)
        return NULL;
    return table_get(&operations->by_service, (struct clew__key){name, 0, 0});
}

static clew__text error_type_of(struct adding *adding, const struct clew__record *record) {
    if (!clew__record_has_failed(record))
        return 0;
    clew__text type = clew__names_of(&adding->operations->error_types, adding->trace->texts,
                                     record->error_type, ERROR_TYPE_NAMES);
    return type < CLEW__NAME_LIMIT ? type : adding->operations->other_error_type;
}

static void add_times(const struct adding *adding, struct clew__series *row, uint32_t node, uint64_t weight) {
    if (!adding->path)
        return;
    const clew_path_span *times = &adding->path->spans[node];
    row->self = clew__wide_sum(row->self, (clew__wide_number)times->self * weight);
    row->critical = clew__wide_sum(row->critical, (clew__wide_number)times->critical_self * weight);
    if (times->critical_self > 0 && row->stamp != adding->operations->stamp) {
        row->stamp = adding->operations->stamp;
        row->path_traces++;
    }
}

/* Of a service only the spans that enter it are calls. */
static bool count_for_service(const struct adding *adding, struct clew__series *service,
                              const struct clew__series_span *span) {
    const struct clew_operations *operations = adding->operations;
    add_times(adding, service, span->node, span->record->weight);
    if (span->is_entry)
        return clew__series_count(service, span, operations->error_type_limit, operations->other_error_type);
    service->spans++;
    return true;
}

static bool count_for_operation(const struct adding *adding, struct clew__series *row,
                                const struct clew__series_span *span) {
    struct clew_operations *operations = adding->operations;
    add_times(adding, row, span->node, span->record->weight);
    operations->overflowed += is_other(operations, row);
    return clew__series_count(row, span, operations->error_type_limit, operations->other_error_type);
}

static bool add_span(struct adding *adding, uint32_t index) {
    struct clew_operations *operations = adding->operations;
    const struct clew__node *node = &adding->trace->nodes[index];
    const struct clew__record *record = node->record;
    struct clew__series_span span = {.trace = adding->trace,
                                     .record = record,
                                     .node = index,
                                     .start = node->start,
                                     .end = node->end,
                                     .error_type = error_type_of(adding, record),
                                     .is_entry = operations->places.at[index].is_entry};
    operations->start = node->start < operations->start ? node->start : operations->start;
    operations->end = node->end > operations->end ? node->end : operations->end;
    struct clew__series *service =
        service_row(operations, clew__names_of(&operations->services, adding->trace->texts, record->service,
                                               operations->service_limit + RESERVED_NAMES));
    if (!service)
        return false;
    clew__text name = clew__names_of(&operations->operations, adding->trace->texts, record->operation,
                                     operation_names(operations, service));
    struct clew__series *row =
        name == CLEW__NAME_NONE ? NULL : operation_row(operations, service, name, record->kind);
    if (!row)
        return false;
    bool is_counted = count_for_service(adding, service, &span);
    return count_for_operation(adding, row, &span) && is_counted;
}

int clew_operations_add(clew_operations *operations, const clew_trace *trace,
                        const clew_critical_path *path) {
    if (!operations || !trace || (path && path->span_count != trace->node_count))
        return CLEW_EINVAL;
    struct adding adding = {operations, trace, path};
    uint64_t lost = operations->lost;
    clew__operations_changed(operations);
    if (!clew__places_make(&operations->places, trace)) {
        operations->lost += trace->node_count - trace->phantom_count;
        return CLEW_ENOMEM;
    }
    operations->stamp++;
    operations->traces++;
    operations->path_traces += path != NULL;
    for (uint32_t i = 0; i < trace->node_count; i++)
        if (trace->nodes[i].record && !add_span(&adding, i))
            operations->lost++;
    return operations->lost == lost ? CLEW_OK : CLEW_ENOMEM;
}

/* ---- merging ---- */

struct merging {
    struct clew_operations *into;
    const struct clew_operations *from;
    clew__text *error_types; /* what those of `from` are called in `into` */
};

static bool translate_error_types(struct merging *merging) {
    uint32_t count = clew__texts_count(merging->from->error_types.texts);
    merging->error_types = clew_memory_allocate((count + 1) * sizeof *merging->error_types);
    if (!merging->error_types)
        return false;
    merging->error_types[0] = 0;
    for (clew__text type = 1; type < count; type++) {
        clew__text name =
            clew__names_add(&merging->into->error_types, clew__names_get(&merging->from->error_types, type),
                            ERROR_TYPE_NAMES);
        merging->error_types[type] = name < CLEW__NAME_LIMIT ? name : merging->into->other_error_type;
    }
    return true;
}

static bool merge_row(const struct merging *merging, struct clew__series *into,
                      const struct clew__series *from) {
    return into && clew__series_merge(into, from, merging->error_types, merging->into->error_type_limit,
                                      merging->into->other_error_type);
}

static struct clew__series *service_of(const struct merging *merging, const struct clew__series *from) {
    struct clew_operations *into = merging->into;
    return service_row(into, clew__names_add(&into->services,
                                             clew__names_get(&merging->from->services, from->service),
                                             into->service_limit + RESERVED_NAMES));
}

static struct clew__series *operation_of(const struct merging *merging, const struct clew__series *from) {
    struct clew_operations *into = merging->into;
    struct clew__series *service = service_of(merging, from);
    if (!service)
        return NULL;
    clew__text name =
        clew__names_add(&into->operations, clew__names_get(&merging->from->operations, from->operation),
                        operation_names(into, service));
    return name == CLEW__NAME_NONE ? NULL : operation_row(into, service, name, from->kind);
}

static void merge_rows(const struct merging *merging) {
    struct clew_operations *into = merging->into;
    const struct clew_operations *from = merging->from;
    for (uint32_t i = 0; i < from->by_service.keys.count; i++) {
        const struct clew__series *row = &from->by_service.rows[i];
        into->lost += !merge_row(merging, service_of(merging, row), row);
    }
    for (uint32_t i = 0; i < from->by_operation.keys.count; i++) {
        const struct clew__series *row = &from->by_operation.rows[i];
        struct clew__series *to = operation_of(merging, row);
        if (to && is_other(into, to) && !is_other(from, row))
            into->overflowed += row->spans;
        into->lost += !merge_row(merging, to, row);
    }
}

int clew_operations_merge(clew_operations *into, const clew_operations *from) {
    struct merging merging = {into, from, NULL};
    if (!into || !from || into == from)
        return CLEW_EINVAL;
    uint64_t lost = into->lost + from->lost;
    clew__operations_changed(into);
    into->lost = lost;
    if (!translate_error_types(&merging)) {
        into->lost++;
        return CLEW_ENOMEM;
    }
    merge_rows(&merging);
    clew_memory_release(merging.error_types);
    into->traces += from->traces;
    into->path_traces += from->path_traces;
    into->overflowed += from->overflowed;
    into->start = from->start < into->start ? from->start : into->start;
    into->end = from->end > into->end ? from->end : into->end;
    return into->lost == lost ? CLEW_OK : CLEW_ENOMEM;
}
