/* Bottlenecks: rows of operations and of patterns, made and brought together. One thread at a time. */
#include "sdk/analysis/bottlenecks.h"

#include "sdk/base/memory.h"
#include "sdk/base/struct_size.h"

#define OPERATION_LIMIT 4096u
#define OPERATION_LIMIT_MAX 1000000u
#define CASES_AN_OPERATION 4u
#define MIN_SHARE_PPM 20000u
#define MIN_SAVING UINT64_C(1000000)

const char *clew_bottleneck_kind_name(clew_bottleneck_kind kind) {
    static const char *const names[] = {
#define KIND_NAME(name, text) text,
        CLEW_BOTTLENECKS(KIND_NAME)
#undef KIND_NAME
    };
    return (unsigned)kind < CLEW_BOTTLENECK_KIND_COUNT ? names[kind] : "";
}

clew_bottlenecks *clew_bottlenecks_new(const clew_bottlenecks_options *options) {
    clew_bottlenecks_options given = {.struct_size = sizeof given};
    clew_bottlenecks *bottlenecks = (clew_bottlenecks *)clew_memory_allocate(sizeof *bottlenecks);
    if (options)
        clew__options_copy(&given, sizeof given, options, sizeof given);
    if (!bottlenecks)
        return NULL;
    memset(bottlenecks, 0, sizeof *bottlenecks);
    bottlenecks->texts = clew__texts_new();
    if (!bottlenecks->texts) {
        clew_memory_release(bottlenecks);
        return NULL;
    }
    bottlenecks->limit = given.operation_limit ? given.operation_limit : OPERATION_LIMIT;
    if (bottlenecks->limit > OPERATION_LIMIT_MAX)
        bottlenecks->limit = OPERATION_LIMIT_MAX;
    bottlenecks->min_share_ppm = given.min_share_ppm ? given.min_share_ppm : MIN_SHARE_PPM;
    bottlenecks->min_saving = given.min_saving_nano ? given.min_saving_nano : MIN_SAVING;
    clew__table_init(&bottlenecks->operations, sizeof(struct clew__operation_sum),
                     offsetof(struct clew__operation_sum, padding));
    clew__table_init(&bottlenecks->cases, sizeof(struct clew__case), offsetof(struct clew__case, padding));
    return bottlenecks;
}

void clew_bottlenecks_free(clew_bottlenecks *bottlenecks) {
    if (!bottlenecks)
        return;
    clew__texts_free(bottlenecks->texts);
    clew__table_fini(&bottlenecks->operations);
    clew__table_fini(&bottlenecks->cases);
    clew_memory_release(bottlenecks);
}

/* A text of the table; where that is full, only if it is there. */
static clew__text text_of(clew_bottlenecks *bottlenecks, clew_text text, bool is_full) {
    return is_full ? clew__texts_find(bottlenecks->texts, text.data, text.size)
                   : clew__texts_add(bottlenecks->texts, text.data, text.size);
}

static uint32_t row_of(struct clew__table *table, const void *key, bool has_texts, bool *is_full) {
    uint32_t row = CLEW__TABLE_NONE;
    if (has_texts)
        row = *is_full ? clew__table_find(table, key) : clew__table_add(table, key);
    *is_full = *is_full && row == CLEW__TABLE_NONE;
    return row;
}

uint32_t clew__bottlenecks_operation(clew_bottlenecks *bottlenecks, clew_text service, clew_text operation,
                                     uint32_t kind, bool *is_full) {
    struct clew__operation_sum key = {.kind = kind};
    *is_full = bottlenecks->operations.count >= bottlenecks->limit;
    key.service = text_of(bottlenecks, service, *is_full);
    key.operation = text_of(bottlenecks, operation, *is_full);
    return row_of(&bottlenecks->operations, &key,
                  key.service != CLEW__TEXT_FAILED && key.operation != CLEW__TEXT_FAILED, is_full);
}

uint32_t clew__bottlenecks_case(clew_bottlenecks *bottlenecks, clew_bottleneck_kind kind,
                                const clew_text texts[4], bool *is_full) {
    struct clew__case key = {.kind = (uint32_t)kind};
    *is_full = bottlenecks->cases.count >= bottlenecks->limit * CASES_AN_OPERATION;
    key.caller_service = text_of(bottlenecks, texts[0], *is_full);
    key.caller_operation = text_of(bottlenecks, texts[1], *is_full);
    key.service = text_of(bottlenecks, texts[2], *is_full);
    key.operation = text_of(bottlenecks, texts[3], *is_full);
    return row_of(&bottlenecks->cases, &key,
                  key.caller_service != CLEW__TEXT_FAILED && key.caller_operation != CLEW__TEXT_FAILED &&
                      key.service != CLEW__TEXT_FAILED && key.operation != CLEW__TEXT_FAILED,
                  is_full);
}

/* Merging: rows first, which may fail; then numbers. */

static clew_text text_at(const clew_bottlenecks *bottlenecks, clew__text text) {
    return clew__texts_get(bottlenecks->texts, text);
}

static bool place_all(clew_bottlenecks *into, const clew_bottlenecks *from, uint32_t *operations,
                      uint32_t *cases) {
    bool is_full;
    for (uint32_t i = 0; i < from->operations.count; i++) {
        const struct clew__operation_sum *sum = clew__operation_at(from, i);
        operations[i] = clew__bottlenecks_operation(into, text_at(from, sum->service),
                                                    text_at(from, sum->operation), sum->kind, &is_full);
        if (operations[i] == CLEW__TABLE_NONE && !is_full)
            return false;
    }
    for (uint32_t i = 0; i < from->cases.count; i++) {
        const struct clew__case *row = clew__case_at(from, i);
        const clew_text texts[4] = {text_at(from, row->caller_service), text_at(from, row->caller_operation),
                                    text_at(from, row->service), text_at(from, row->operation)};
        cases[i] = clew__bottlenecks_case(into, (clew_bottleneck_kind)row->kind, texts, &is_full);
        if (cases[i] == CLEW__TABLE_NONE && !is_full)
            return false;
    }
    return true;
}

static void add_operation(clew_bottlenecks *into, struct clew__operation_sum *sum,
                          const clew_bottlenecks *from, const struct clew__operation_sum *more) {
    clew__saturated_add(&sum->traces, more->traces);
    clew__saturated_add(&sum->on_path, more->on_path);
    clew__saturated_add(&sum->count, more->count);
    if (more->longest > sum->longest)
        sum->longest = more->longest;
    if (more->has_first)
        clew__first_call_take(sum, &more->first);
    clew__histogram_merge(&sum->own, &more->own);
    clew__histogram_merge(&sum->lead, &more->lead);
    clew__saturated_add(&sum->lead_duration, more->lead_duration);
    clew__saturated_add(&sum->off_count, more->off_count);
    clew__saturated_add(&sum->off_duration, more->off_duration);
    clew__exemplar_merge(&sum->exemplars, into->texts, &into->text_count, &more->exemplars, from->texts);
}

static void add_case(clew_bottlenecks *into, struct clew__case *row, const clew_bottlenecks *from,
                     const struct clew__case *more) {
    clew__saturated_add(&row->traces, more->traces);
    clew__saturated_add(&row->groups, more->groups);
    clew__saturated_add(&row->calls, more->calls);
    clew__saturated_add(&row->time, more->time);
    clew__saturated_add(&row->saving, more->saving);
    clew__saturated_add(&row->against, more->against);
    clew__exemplar_merge(&row->exemplars, into->texts, &into->text_count, &more->exemplars, from->texts);
}

int clew_bottlenecks_merge(clew_bottlenecks *into, const clew_bottlenecks *from) {
    struct clew__arena arena = {NULL, 0, 0};
    uint32_t *operations = (uint32_t *)clew__arena_take(&arena, from->operations.count, sizeof *operations);
    uint32_t *cases = (uint32_t *)clew__arena_take(&arena, from->cases.count, sizeof *cases);
    int result = CLEW_ENOMEM;
    if (operations && cases && place_all(into, from, operations, cases)) {
        for (uint32_t i = 0; i < from->operations.count; i++) {
            if (operations[i] == CLEW__TABLE_NONE)
                clew__saturated_add(&into->overflow, clew__operation_at(from, i)->count);
            else
                add_operation(into, clew__operation_at(into, operations[i]), from,
                              clew__operation_at(from, i));
        }
        for (uint32_t i = 0; i < from->cases.count; i++) {
            if (cases[i] != CLEW__TABLE_NONE)
                add_case(into, clew__case_at(into, cases[i]), from, clew__case_at(from, i));
        }
        clew__saturated_add(&into->traces, from->traces);
        clew__saturated_add(&into->total, from->total);
        clew__saturated_add(&into->dropped, from->dropped);
        clew__saturated_add(&into->overflow, from->overflow);
        result = 0;
    }
    clew__arena_fini(&arena);
    return result;
}
