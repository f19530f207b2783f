/* Owns baselines: their rows and shapes, limits, merging. One thread at a time. */
#include "sdk/analysis/baseline.h"

#include "sdk/base/struct_size.h"

#include <clew/extend.h>

#define KEY_LIMIT 20000u
#define KEY_LIMIT_MAX 10000000u
#define SHAPE_LIMIT 4096u
/* Names that a row brings at most. */
#define NAMES_A_ROW 3u
/* Times of rows in shapes for each row: of few rows many shapes could be made that have them all. */
#define SUMS_A_ROW 32u

const char *clew_comparison_kind_name(clew_comparison_kind kind) {
    static const char *const names[] = {
#define NAME(value, text) [value] = (text),
        CLEW_COMPARISON_KINDS(NAME)
#undef NAME
    };
    return (unsigned)kind < CLEW_COMPARISON_KIND_COUNT ? names[kind] : "";
}

const char *clew_verdict_name(clew_verdict verdict) {
    static const char *const names[] = {
#define NAME(value, text) [value] = (text),
        CLEW_VERDICTS(NAME)
#undef NAME
    };
    return (unsigned)verdict < CLEW_VERDICT_COUNT ? names[verdict] : "";
}

static uint32_t limit_of(uint32_t given, uint32_t standard) {
    uint32_t limit = given ? given : standard;
    return limit < KEY_LIMIT_MAX ? limit : KEY_LIMIT_MAX;
}

clew_baseline *clew_baseline_new(const clew_baseline_options *options) {
    clew_baseline_options given = {.struct_size = sizeof given};
    clew_baseline *baseline = (clew_baseline *)clew_memory_allocate(sizeof *baseline);
    if (!baseline)
        return NULL;
    if (options)
        clew__options_copy(&given, sizeof given, options, sizeof given);
    memset(baseline, 0, sizeof *baseline);
    if (!clew__names_init(&baseline->names)) {
        clew_memory_release(baseline);
        return NULL;
    }
    baseline->key_limit = limit_of(given.key_limit, KEY_LIMIT);
    baseline->shape_limit = limit_of(given.shape_limit, SHAPE_LIMIT);
    clew__table_init(&baseline->rows, sizeof(struct clew__row), sizeof(struct clew__row_key));
    clew__table_init(&baseline->shapes, sizeof(struct clew__shape), offsetof(struct clew__shape, requests));
    clew__table_init(&baseline->sums, sizeof(struct clew__shape_sum), offsetof(struct clew__shape_sum, nano));
    return baseline;
}

void clew_baseline_free(clew_baseline *baseline) {
    if (!baseline)
        return;
    for (uint32_t i = 0; i < baseline->rows.count; i++)
        clew__sketch_fini(&clew__row_at(baseline, i)->values);
    clew__names_fini(&baseline->names);
    clew__table_fini(&baseline->rows);
    clew__table_fini(&baseline->shapes);
    clew__table_fini(&baseline->sums);
    clew__relations_fini(&baseline->relations);
    clew_memory_release(baseline);
}

clew_baseline_stats clew_baseline_get_stats(const clew_baseline *baseline) {
    return (clew_baseline_stats){.traces = baseline->traces,
                                 .requests = baseline->requests,
                                 .dropped = baseline->dropped,
                                 .lost = baseline->lost,
                                 .overflowed = baseline->overflowed,
                                 .start_unix_nano = baseline->start,
                                 .end_unix_nano = baseline->end,
                                 .keys = baseline->rows.count,
                                 .shapes = baseline->shapes.count};
}

/* ---- rows ---- */

static bool is_context(uint32_t kind) {
    return kind == CLEW_COMPARISON_CONTEXT;
}

struct clew__row_texts clew__row_texts_of(const struct clew_baseline *baseline, uint32_t row) {
    const struct clew__row_key *key = &clew__row_at(baseline, row)->key;
    struct clew__row_texts texts = {.kind = (clew_comparison_kind)key->kind,
                                    .a = clew__names_get(&baseline->names, key->a),
                                    .b = clew__names_get(&baseline->names, key->b)};
    if (key->kind == CLEW_COMPARISON_ROOT || is_context(key->kind))
        texts.number = key->c;
    else
        texts.client = clew__names_get(&baseline->names, key->c);
    return texts;
}

/* Rows of `(other)` are made whatever the limit; there is one for each root. */
static bool place_other(struct clew_baseline *baseline, uint32_t root, bool is_root, uint32_t *row) {
    struct clew__row_key key = {.root = root, .kind = CLEW_COMPARISON_OTHER};
    if (is_root)
        key = (struct clew__row_key){.kind = CLEW_COMPARISON_ROOT, .c = CLEW__ROOT_OTHER};
    *row = clew__table_add(&baseline->rows, &key);
    return *row != CLEW__NO_ROW;
}

/* False when one of them is not there, and not added. */
static bool find_names(struct clew_baseline *baseline, const struct clew__row_texts *texts, uint32_t limit,
                       struct clew__row_key *key) {
    key->a = clew__names_add(&baseline->names, texts->a, limit);
    key->b = clew__names_add(&baseline->names, texts->b, limit);
    key->c = texts->number;
    if (texts->kind != CLEW_COMPARISON_ROOT && !is_context(texts->kind))
        key->c = clew__names_add(&baseline->names, texts->client, limit);
    return key->a < CLEW__NAME_LIMIT && key->b < CLEW__NAME_LIMIT &&
           (key->c < CLEW__NAME_LIMIT || is_context(texts->kind));
}

static uint32_t depth_of(const struct clew_baseline *baseline, const struct clew__row_key *key) {
    return is_context(key->kind) && key->c != CLEW__NO_ROW ? clew__row_at(baseline, key->c)->depth + 1 : 0;
}

bool clew__baseline_place(struct clew_baseline *baseline, uint32_t root, const struct clew__row_texts *texts,
                          uint32_t *row) {
    bool is_root = texts->kind == CLEW_COMPARISON_ROOT;
    bool is_full = baseline->rows.count >= baseline->key_limit;
    struct clew__row_key key = {.root = is_root ? 0 : root, .kind = texts->kind};
    if (texts->kind == CLEW_COMPARISON_OTHER || (is_root && texts->number == CLEW__ROOT_OTHER))
        return place_other(baseline, root, is_root, row);
    if (is_context(texts->kind) && texts->number != CLEW__NO_ROW &&
        !is_context(clew__row_at(baseline, texts->number)->key.kind)) {
        *row = texts->number; /* what `(other)` calls */
        return true;
    }
    bool has_names = find_names(baseline, texts, is_full ? 0 : baseline->key_limit * NAMES_A_ROW, &key);
    if (!has_names && !is_full)
        return false;
    *row = has_names ? clew__table_find(&baseline->rows, &key) : CLEW__NO_ROW;
    if (*row != CLEW__NO_ROW)
        return true;
    if (is_full)
        return place_other(baseline, root, is_root, row);
    *row = clew__table_add(&baseline->rows, &key);
    if (*row == CLEW__NO_ROW)
        return false;
    clew__row_at(baseline, *row)->depth = depth_of(baseline, &key);
    return true;
}

bool clew__baseline_place_shape(struct clew_baseline *baseline, uint32_t root, uint64_t hash,
                                uint32_t *shape) {
    struct clew__shape key = {
        .root = root, .hash_high = (uint32_t)(hash >> 32), .hash_low = (uint32_t)(hash & UINT32_MAX)};
    bool has_room = baseline->sums.count / SUMS_A_ROW < baseline->key_limit;
    *shape = has_room ? clew__table_find(&baseline->shapes, &key) : CLEW__TABLE_NONE;
    if (*shape != CLEW__TABLE_NONE)
        return true;
    if (!has_room || baseline->shapes.count >= baseline->shape_limit)
        key.hash_high = key.hash_low = 0;
    *shape = clew__table_add(&baseline->shapes, &key);
    return *shape != CLEW__TABLE_NONE;
}

/* ---- merging ---- */

bool clew__baseline_place_all(struct clew_baseline *into, const struct clew_baseline *from, uint32_t *rows) {
    for (uint32_t i = 0; i < from->rows.count; i++) {
        const struct clew__row_key *key = &clew__row_at(from, i)->key;
        struct clew__row_texts texts = clew__row_texts_of(from, i);
        uint32_t root = key->kind == CLEW_COMPARISON_ROOT ? 0 : rows[key->root];
        if (is_context(key->kind) && key->c != CLEW__NO_ROW)
            texts.number = rows[key->c];
        if (!clew__baseline_place(into, root, &texts, &rows[i]))
            return false;
    }
    return true;
}

struct merging {
    struct clew_baseline *into;
    const struct clew_baseline *from;
    uint32_t *rows, *shapes, *sums; /* where those of `from` go */
};

static bool place_sums(struct merging *merging) {
    const struct clew_baseline *from = merging->from;
    for (uint32_t i = 0; i < from->shapes.count; i++) {
        const struct clew__shape *shape = clew__shape_at(from, i);
        if (!clew__baseline_place_shape(merging->into, merging->rows[shape->root],
                                        (uint64_t)shape->hash_high << 32 | shape->hash_low,
                                        &merging->shapes[i]))
            return false;
    }
    for (uint32_t i = 0; i < from->sums.count; i++) {
        const struct clew__shape_sum *sum = clew__shape_sum_at(from, i);
        const struct clew__shape_sum key = {.shape = merging->shapes[sum->shape],
                                            .row = merging->rows[sum->row]};
        merging->sums[i] = clew__table_add(&merging->into->sums, &key);
        if (merging->sums[i] == CLEW__TABLE_NONE)
            return false;
    }
    return true;
}

/* Of `(other)` only sums are kept: of what belongs to no one operation statistics tell nothing. */
static void merge_row(struct merging *merging, uint32_t index) {
    const struct clew__row *from = clew__row_at(merging->from, index);
    struct clew__row *into = clew__row_at(merging->into, merging->rows[index]);
    if (into->key.kind != from->key.kind) {
        merging->into->overflowed = clew__saturated_sum(merging->into->overflowed, 1);
        return;
    }
    into->calls = clew__saturated_sum(into->calls, from->calls);
    into->errors = clew__saturated_sum(into->errors, from->errors);
    into->squares = clew__saturated_sum(into->squares, from->squares);
    into->nano = clew__saturated_sum(into->nano, from->nano);
    if (clew_sketch_merge(&into->values, &from->values) != CLEW_OK)
        merging->into->lost = clew__saturated_sum(merging->into->lost, from->values.observations);
}

static void merge_window(struct clew_baseline *into, const struct clew_baseline *from) {
    if (from->requests > 0 && (into->requests == 0 || from->start < into->start))
        into->start = from->start;
    if (from->requests > 0 && (into->requests == 0 || from->end > into->end))
        into->end = from->end;
}

static void merge_numbers(struct merging *merging) {
    struct clew_baseline *into = merging->into;
    const struct clew_baseline *from = merging->from;
    for (uint32_t i = 0; i < from->rows.count; i++)
        merge_row(merging, i);
    for (uint32_t i = 0; i < from->shapes.count; i++) {
        struct clew__shape *shape = clew__shape_at(into, merging->shapes[i]);
        shape->requests += clew__shape_at(from, i)->requests;
        shape->nano += clew__shape_at(from, i)->nano;
    }
    for (uint32_t i = 0; i < from->sums.count; i++)
        clew__shape_sum_at(into, merging->sums[i])->nano += clew__shape_sum_at(from, i)->nano;
    merge_window(into, from);
    into->requests += from->requests;
    into->nano += from->nano;
    into->traces = clew__saturated_sum(into->traces, from->traces);
    into->dropped = clew__saturated_sum(into->dropped, from->dropped);
    into->lost = clew__saturated_sum(into->lost, from->lost);
    into->overflowed = clew__saturated_sum(into->overflowed, from->overflowed);
}

int clew_baseline_merge(clew_baseline *into, const clew_baseline *from) {
    size_t numbers = (size_t)from->rows.count + from->shapes.count + from->sums.count + 1;
    struct merging merging = {.into = into, .from = from};
    uint64_t lost = clew__saturated_sum(into->lost, from->lost);
    if (into == from)
        return CLEW_EINVAL;
    if (into->requests + from->requests > CLEW__BASELINE_REQUESTS_MAX ||
        into->nano + from->nano > CLEW__BASELINE_NANO_MAX)
        return CLEW_ELIMIT;
    merging.rows = (uint32_t *)clew_memory_allocate(numbers * sizeof *merging.rows);
    if (!merging.rows)
        return CLEW_ENOMEM;
    merging.shapes = merging.rows + from->rows.count;
    merging.sums = merging.shapes + from->shapes.count;
    int result = CLEW_ENOMEM;
    if (clew__baseline_place_all(into, from, merging.rows) && place_sums(&merging)) {
        merge_numbers(&merging);
        result = into->lost == lost ? CLEW_OK : CLEW_ENOMEM;
    }
    clew_memory_release(merging.rows);
    return result;
}
