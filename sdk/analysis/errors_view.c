/* Rows of errors: found, brought together, shown. One thread at a time. */
#include "sdk/analysis/errors.h"

#include "sdk/base/memory.h"
#include "sdk/containers/names.h"
#include "sdk/containers/saturate.h"

#include <stdlib.h>

static clew__text text_of(clew_errors *errors, clew_text text, bool is_full) {
    return is_full ? clew__texts_find(errors->texts, text.data, text.size)
                   : clew__texts_add(errors->texts, text.data, text.size);
}

uint32_t clew__errors_place_other(struct clew__table *table) {
    static const clew__text other[CLEW__ERROR_TEXTS] = {CLEW__TEXT_FAILED, CLEW__TEXT_FAILED,
                                                        CLEW__TEXT_FAILED, CLEW__TEXT_FAILED};
    return clew__table_add(table, other);
}

/* `count` texts are the key of the table. */
static uint32_t place(clew_errors *errors, struct clew__table *table, const clew_text *texts, size_t count) {
    clew__text key[CLEW__ERROR_TEXTS];
    bool is_full = table->count >= errors->limit, has_texts = true;
    uint32_t row = CLEW__TABLE_NONE;
    for (size_t i = 0; i < count; i++) {
        key[i] = text_of(errors, texts[i], is_full);
        has_texts = has_texts && key[i] != CLEW__TEXT_FAILED;
    }
    if (!is_full)
        return has_texts ? clew__table_add(table, key) : CLEW__TABLE_NONE;
    if (has_texts)
        row = clew__table_find(table, key);
    return row == CLEW__TABLE_NONE ? clew__errors_place_other(table) : row;
}

uint32_t clew__errors_place_type(clew_errors *errors, clew_text service, clew_text operation, clew_text type,
                                 clew_text message) {
    const clew_text texts[] = {service, operation, type, message};
    return place(errors, &errors->types, texts, sizeof texts / sizeof *texts);
}

uint32_t clew__errors_place_retry(clew_errors *errors, clew_text service, clew_text operation) {
    const clew_text texts[] = {service, operation};
    return place(errors, &errors->retries, texts, sizeof texts / sizeof *texts);
}

/* Merging. */

static const struct clew__error_row *type_at(const clew_errors *errors, uint32_t index) {
    return (const struct clew__error_row *)clew__table_at(&errors->types, index);
}

static const struct clew__retry_sum *retry_at(const clew_errors *errors, uint32_t index) {
    return (const struct clew__retry_sum *)clew__table_at(&errors->retries, index);
}

static uint32_t place_type_of(clew_errors *into, const clew_errors *from, uint32_t index) {
    const struct clew__error_row *type = type_at(from, index);
    if (type->service == CLEW__TEXT_FAILED)
        return clew__errors_place_other(&into->types);
    return clew__errors_place_type(
        into, clew__texts_get(from->texts, type->service), clew__texts_get(from->texts, type->operation),
        clew__texts_get(from->texts, type->type), clew__texts_get(from->texts, type->message));
}

static uint32_t place_retry_of(clew_errors *into, const clew_errors *from, uint32_t index) {
    const struct clew__retry_sum *retry = retry_at(from, index);
    if (retry->service == CLEW__TEXT_FAILED)
        return clew__errors_place_other(&into->retries);
    return clew__errors_place_retry(into, clew__texts_get(from->texts, retry->service),
                                    clew__texts_get(from->texts, retry->operation));
}

static bool place_all(clew_errors *into, const clew_errors *from, uint32_t *types, uint32_t *retries) {
    for (uint32_t i = 0; i < from->types.count; i++) {
        types[i] = place_type_of(into, from, i);
        if (types[i] == CLEW__TABLE_NONE)
            return false;
    }
    for (uint32_t i = 0; i < from->retries.count; i++) {
        retries[i] = place_retry_of(into, from, i);
        if (retries[i] == CLEW__TABLE_NONE)
            return false;
    }
    return true;
}

static void add_type(clew_errors *into, uint32_t row, const clew_errors *from, uint32_t index) {
    struct clew__error_row *type = (struct clew__error_row *)clew__table_at(&into->types, row);
    const struct clew__error_row *more = type_at(from, index);
    if (more->count > 0 && (type->count == 0 || more->first < type->first))
        type->first = more->first;
    if (more->last > type->last)
        type->last = more->last;
    clew__saturated_add(&type->count, more->count);
    clew__saturated_add(&type->edges, more->edges);
    clew__saturated_add(&type->propagated, more->propagated);
    clew__saturated_add(&type->handled, more->handled);
    clew__saturated_add(&type->traces, more->traces);
    clew__saturated_add(&type->roots_failed, more->roots_failed);
    clew__saturated_add(&type->critical_lost, more->critical_lost);
    clew__exemplar_merge(&type->exemplars, into->texts, &into->text_count, &more->exemplars, from->texts);
}

static void add_retry(clew_errors *into, uint32_t row, const clew_errors *from, uint32_t index) {
    struct clew__retry_sum *sum = (struct clew__retry_sum *)clew__table_at(&into->retries, row);
    const struct clew__retry_sum *more = retry_at(from, index);
    clew__saturated_add(&sum->groups, more->groups);
    clew__saturated_add(&sum->succeeded, more->succeeded);
    clew__saturated_add(&sum->attempts, more->attempts);
    clew__saturated_add(&sum->wasted_critical, more->wasted_critical);
    clew__saturated_add(&sum->waited, more->waited);
    clew__saturated_add(&sum->traces, more->traces);
    clew__exemplar_merge(&sum->exemplars, into->texts, &into->text_count, &more->exemplars, from->texts);
}

static void add_sums(struct clew__error_sums *into, const struct clew__error_sums *from) {
    clew__saturated_add(&into->traces, from->traces);
    clew__saturated_add(&into->traces_with_errors, from->traces_with_errors);
    clew__saturated_add(&into->roots, from->roots);
    clew__saturated_add(&into->roots_failed, from->roots_failed);
    clew__saturated_add(&into->spans, from->spans);
    clew__saturated_add(&into->failed, from->failed);
    clew__saturated_add(&into->origins, from->origins);
    clew__saturated_add(&into->propagated, from->propagated);
    clew__saturated_add(&into->handled, from->handled);
    clew__saturated_add(&into->critical_lost, from->critical_lost);
    clew__saturated_add(&into->critical_total, from->critical_total);
    clew__saturated_add(&into->dropped, from->dropped);
}

int clew_errors_merge(clew_errors *into, const clew_errors *from) {
    struct clew__arena arena = {NULL, 0, 0};
    uint32_t *types = (uint32_t *)clew__arena_take(&arena, from->types.count, sizeof *types);
    uint32_t *retries = (uint32_t *)clew__arena_take(&arena, from->retries.count, sizeof *retries);
    int result = CLEW_ENOMEM;
    if (types && retries && place_all(into, from, types, retries)) {
        for (uint32_t i = 0; i < from->types.count; i++)
            add_type(into, types[i], from, i);
        for (uint32_t i = 0; i < from->retries.count; i++)
            add_retry(into, retries[i], from, i);
        add_sums(&into->sums, &from->sums);
        result = 0;
    }
    clew__arena_fini(&arena);
    return result;
}

/* Showing. */

struct view {
    clew_errors_view shown; /* first */
    struct clew__arena arena;
};

static int compare_numbers(uint64_t a, uint64_t b) {
    return (a < b) - (a > b); /* the most first */
}

static int compare_types(const void *first, const void *second) {
    const clew_error_type *a = (const clew_error_type *)first, *b = (const clew_error_type *)second;
    int by = compare_numbers(a->roots_failed, b->roots_failed);
    by = by ? by : compare_numbers(a->critical_lost, b->critical_lost);
    by = by ? by : compare_numbers(a->count, b->count);
    by = by ? by : clew__text_compare(a->service, b->service);
    by = by ? by : clew__text_compare(a->operation, b->operation);
    by = by ? by : clew__text_compare(a->type, b->type);
    by = by ? by : clew__text_compare(a->message, b->message);
    return by ? by : (int)a->is_other - (int)b->is_other;
}

static int compare_retries(const void *first, const void *second) {
    const clew_retry_sum *a = (const clew_retry_sum *)first, *b = (const clew_retry_sum *)second;
    int by = compare_numbers(a->wasted_critical, b->wasted_critical);
    by = by ? by : compare_numbers(a->attempts, b->attempts);
    by = by ? by : clew__text_compare(a->service, b->service);
    by = by ? by : clew__text_compare(a->operation, b->operation);
    return by ? by : (int)a->is_other - (int)b->is_other;
}

static bool show_type(const clew_errors *errors, struct clew__arena *arena,
                      const struct clew__error_row *from, clew_error_type *out) {
    *out = (clew_error_type){
        .is_other = from->service == CLEW__TEXT_FAILED,
        .service = clew__arena_text(arena, clew__texts_get(errors->texts, from->service)),
        .operation = clew__arena_text(arena, clew__texts_get(errors->texts, from->operation)),
        .type = clew__arena_text(arena, clew__texts_get(errors->texts, from->type)),
        .message = clew__arena_text(arena, clew__texts_get(errors->texts, from->message)),
        .count = from->count,
        .edges = from->edges,
        .propagated = from->propagated,
        .handled = from->handled,
        .traces = from->traces,
        .roots_failed = from->roots_failed,
        .critical_lost = from->critical_lost,
        .first_unix_nano = from->first,
        .last_unix_nano = from->last};
    return out->service.data && out->operation.data && out->type.data && out->message.data &&
           clew__exemplar_show(&from->exemplars, errors->texts, arena, out->exemplars, &out->exemplar_count);
}

static bool show_retry(const clew_errors *errors, struct clew__arena *arena,
                       const struct clew__retry_sum *from, clew_retry_sum *out) {
    *out = (clew_retry_sum){.is_other = from->service == CLEW__TEXT_FAILED,
                            .service = clew__arena_text(arena, clew__texts_get(errors->texts, from->service)),
                            .operation =
                                clew__arena_text(arena, clew__texts_get(errors->texts, from->operation)),
                            .groups = from->groups,
                            .succeeded = from->succeeded,
                            .attempts = from->attempts,
                            .wasted_critical = from->wasted_critical,
                            .waited = from->waited,
                            .traces = from->traces};
    return out->service.data && out->operation.data &&
           clew__exemplar_show(&from->exemplars, errors->texts, arena, out->exemplars, &out->exemplar_count);
}

/* A row that was made for a trace that could not be added has counted nothing. */
static bool show_rows(const clew_errors *errors, struct view *view) {
    clew_error_type *types =
        (clew_error_type *)clew__arena_take(&view->arena, errors->types.count, sizeof *types);
    clew_retry_sum *retries =
        (clew_retry_sum *)clew__arena_take(&view->arena, errors->retries.count, sizeof *retries);
    if (!types || !retries)
        return false;
    for (uint32_t i = 0; i < errors->types.count; i++) {
        if (type_at(errors, i)->count > 0 &&
            !show_type(errors, &view->arena, type_at(errors, i), &types[view->shown.type_count++]))
            return false;
    }
    for (uint32_t i = 0; i < errors->retries.count; i++) {
        if (retry_at(errors, i)->groups > 0 &&
            !show_retry(errors, &view->arena, retry_at(errors, i), &retries[view->shown.retry_count++]))
            return false;
    }
    if (view->shown.type_count > 0)
        qsort(types, view->shown.type_count, sizeof *types, compare_types);
    if (view->shown.retry_count > 0)
        qsort(retries, view->shown.retry_count, sizeof *retries, compare_retries);
    view->shown.types = types;
    view->shown.retries = retries;
    return true;
}

clew_errors_view *clew_errors_view_new(const clew_errors *errors) {
    const struct clew__error_sums *sums = &errors->sums;
    struct view *view = (struct view *)clew_memory_allocate(sizeof *view);
    if (!view)
        return NULL;
    *view = (struct view){.shown = {.traces = sums->traces,
                                    .traces_with_errors = sums->traces_with_errors,
                                    .roots = sums->roots,
                                    .roots_failed = sums->roots_failed,
                                    .spans = sums->spans,
                                    .failed = sums->failed,
                                    .origins = sums->origins,
                                    .propagated = sums->propagated,
                                    .handled = sums->handled,
                                    .critical_lost = sums->critical_lost,
                                    .critical_total = sums->critical_total,
                                    .dropped = sums->dropped}};
    if (show_rows(errors, view))
        return &view->shown;
    clew_errors_view_free(&view->shown);
    return NULL;
}

void clew_errors_view_free(clew_errors_view *view) {
    struct view *own = (struct view *)view;
    if (!view)
        return;
    clew__arena_fini(&own->arena);
    clew_memory_release(own);
}
