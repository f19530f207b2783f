/* Owns baselines as bytes: a protobuf message. Reading takes bytes from strangers: what it accepts is a
 * baseline whose sums add up, in time and memory in proportion to the bytes. One thread at a time each.
 *
 * Texts, rows and shapes are numbered as they come, from 1 on; what refers to one comes behind it. Times of a
 * shape are members of a message of their own: the field number is the distance from the row before, the
 * varint the nanoseconds. */
#include "sdk/analysis/baseline.h"

#include "proto/utf8.h"
#include "sdk/base/buffer.h"
#include "sdk/containers/grow.h"
#include "sdk/containers/sort.h"

#include <clew/extend.h>

#define MAGIC "clew baseline"
#define VERSION 1

enum field {
    FIELD_MAGIC = 1,
    FIELD_VERSION,
    FIELD_TRACES,
    FIELD_DROPPED,
    FIELD_LOST,
    FIELD_OVERFLOWED,
    FIELD_START,
    FIELD_END,
    FIELD_TEXT,
    FIELD_ROW,
    FIELD_SHAPE,
    FIELD_COUNT, /* of rows and shapes, and 1; the last: a file that was cut has none */
    FIELDS
};

enum row_field {
    ROW_KIND = 1,
    ROW_ROOT,
    ROW_A,
    ROW_B,
    ROW_C,
    ROW_CALLS,
    ROW_ERRORS,
    ROW_SQUARES,
    ROW_NANO,
    ROW_VALUES,
    ROW_FIELDS
};

enum shape_field { SHAPE_ROOT = 1, SHAPE_HASH, SHAPE_REQUESTS, SHAPE_NANO, SHAPE_SUMS, SHAPE_FIELDS };

bool clew_baseline_is_encoded(const void *data, size_t size) {
    /* Field 1, bytes; their length. */
    static const uint8_t begin[] = {FIELD_MAGIC << 3 | CLEW__WIRE_BYTES, sizeof MAGIC - 1};
    return size >= sizeof begin + sizeof MAGIC - 1 && memcmp(data, begin, sizeof begin) == 0 &&
           memcmp((const uint8_t *)data + sizeof begin, MAGIC, sizeof MAGIC - 1) == 0;
}

/* ---- writing ---- */

struct writing {
    const struct clew_baseline *baseline;
    struct clew__writer *writer;
    struct clew__row_order order;
    uint32_t *texts;             /* numbers of names; 0: not written */
    struct clew__sort_key *keys; /* of shapes, then of sums; as many to spare */
    struct clew__sort_key *spare;
    uint32_t text_count;
};

static void write_number(struct clew__writer *writer, uint32_t field, uint64_t value) {
    if (value != 0)
        clew__write_varint(writer, field, value);
}

static void write_text(struct writing *writing, uint32_t name) {
    clew_text text = clew__names_get(&writing->baseline->names, name);
    if (name == 0 || writing->texts[name] != 0)
        return;
    clew__write_bytes(writing->writer, FIELD_TEXT, text.data, text.size);
    writing->texts[name] = ++writing->text_count;
}

static bool has_client(uint32_t kind) {
    return kind != CLEW_COMPARISON_ROOT && kind != CLEW_COMPARISON_CONTEXT;
}

static void write_row(struct writing *writing, uint32_t index) {
    const struct clew__row *row = clew__row_at(writing->baseline, index);
    const struct clew__row_key *key = &row->key;
    uint32_t c = key->c;
    write_text(writing, key->a);
    write_text(writing, key->b);
    if (has_client(key->kind)) {
        write_text(writing, c);
        c = writing->texts[c];
    } else if (key->kind == CLEW_COMPARISON_CONTEXT) {
        c = c == CLEW__NO_ROW ? 0 : writing->order.ranks[c] + 1;
    }
    size_t begun = clew__write_begin(writing->writer, FIELD_ROW);
    write_number(writing->writer, ROW_KIND, key->kind);
    if (key->kind != CLEW_COMPARISON_ROOT)
        write_number(writing->writer, ROW_ROOT, writing->order.ranks[key->root] + 1);
    write_number(writing->writer, ROW_A, writing->texts[key->a]);
    write_number(writing->writer, ROW_B, writing->texts[key->b]);
    write_number(writing->writer, ROW_C, c);
    write_number(writing->writer, ROW_CALLS, row->calls);
    write_number(writing->writer, ROW_ERRORS, row->errors);
    write_number(writing->writer, ROW_SQUARES, row->squares);
    write_number(writing->writer, ROW_NANO, row->nano);
    size_t values = clew__write_begin(writing->writer, ROW_VALUES);
    clew__sketch_write(&row->values, writing->writer);
    clew__write_end(writing->writer, values);
    clew__write_end(writing->writer, begun);
}

static void write_shape(struct writing *writing, const struct clew__shape *shape,
                        const struct clew__sort_key *sums, uint32_t count) {
    struct clew__writer *writer = writing->writer;
    size_t begun = clew__write_begin(writer, FIELD_SHAPE);
    uint32_t before = 0;
    write_number(writer, SHAPE_ROOT, writing->order.ranks[shape->root] + 1);
    clew__write_fixed64(writer, SHAPE_HASH, (uint64_t)shape->hash_high << 32 | shape->hash_low);
    write_number(writer, SHAPE_REQUESTS, shape->requests);
    write_number(writer, SHAPE_NANO, shape->nano);
    size_t inner = clew__write_begin(writer, SHAPE_SUMS);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = (uint32_t)sums[i].second + 1;
        clew__write_varint(writer, row - before, clew__shape_sum_at(writing->baseline, sums[i].index)->nano);
        before = row;
    }
    clew__write_end(writer, inner);
    clew__write_end(writer, begun);
}

/* Shapes by their root's place and their hash. Where memory ran out there are some of nothing: left out, as
 * are sums. Returns how many. */
static uint32_t sort_shapes(struct writing *writing, uint32_t *shape_ranks) {
    const struct clew_baseline *baseline = writing->baseline;
    uint32_t count = 0;
    for (uint32_t i = 0; i < baseline->shapes.count; i++) {
        const struct clew__shape *shape = clew__shape_at(baseline, i);
        if (shape->requests > 0)
            writing->keys[count++] =
                (struct clew__sort_key){.first = writing->order.ranks[shape->root],
                                        .second = (uint64_t)shape->hash_high << 32 | shape->hash_low,
                                        .index = i};
    }
    clew__sort_keys(writing->keys, writing->spare, count, NULL, NULL);
    for (uint32_t i = 0; i < count; i++)
        shape_ranks[writing->keys[i].index] = i;
    return count;
}

/* By the place of their shape, then of their row. */
static uint32_t sort_sums(struct writing *writing, const uint32_t *shape_ranks, struct clew__sort_key *keys) {
    const struct clew_baseline *baseline = writing->baseline;
    uint32_t count = 0;
    for (uint32_t i = 0; i < baseline->sums.count; i++) {
        const struct clew__shape_sum *sum = clew__shape_sum_at(baseline, i);
        if (sum->nano > 0)
            keys[count++] = (struct clew__sort_key){
                .first = shape_ranks[sum->shape], .second = writing->order.ranks[sum->row], .index = i};
    }
    clew__sort_keys(keys, writing->spare, count, NULL, NULL);
    return count;
}

static uint32_t write_shapes(struct writing *writing, uint32_t *shape_ranks) {
    uint32_t shapes = sort_shapes(writing, shape_ranks);
    struct clew__sort_key *keys = writing->keys + shapes;
    uint32_t sums = sort_sums(writing, shape_ranks, keys);
    for (uint32_t i = 0, begin = 0, end = 0; i < shapes; i++, begin = end) {
        while (end < sums && keys[end].first == i)
            end++;
        write_shape(writing, clew__shape_at(writing->baseline, writing->keys[i].index), keys + begin,
                    end - begin);
    }
    return shapes;
}

static void write_all(struct writing *writing, uint32_t *shape_ranks) {
    const struct clew_baseline *baseline = writing->baseline;
    struct clew__writer *writer = writing->writer;
    clew__write_bytes(writer, FIELD_MAGIC, MAGIC, sizeof MAGIC - 1);
    clew__write_varint(writer, FIELD_VERSION, VERSION);
    write_number(writer, FIELD_TRACES, baseline->traces);
    write_number(writer, FIELD_DROPPED, baseline->dropped);
    write_number(writer, FIELD_LOST, baseline->lost);
    write_number(writer, FIELD_OVERFLOWED, baseline->overflowed);
    write_number(writer, FIELD_START, baseline->start);
    write_number(writer, FIELD_END, baseline->end);
    for (uint32_t i = 0; i < baseline->rows.count; i++)
        write_row(writing, writing->order.rows[i]);
    clew__write_varint(writer, FIELD_COUNT,
                       (uint64_t)baseline->rows.count + write_shapes(writing, shape_ranks) + 1);
}

uint8_t *clew_baseline_encode(const clew_baseline *baseline, size_t *size) {
    size_t texts = clew__texts_count(baseline->names.texts), shapes = baseline->shapes.count;
    size_t keys = shapes + baseline->sums.count + 1;
    struct clew__writer writer = clew__buffer_plain();
    struct writing writing = {.baseline = baseline, .writer = &writer};
    *size = 0;
    writing.keys = (struct clew__sort_key *)clew_memory_allocate(2 * keys * sizeof *writing.keys +
                                                                 (texts + shapes) * sizeof *writing.texts);
    if (writing.keys && clew__baseline_order(baseline, &writing.order)) {
        writing.spare = writing.keys + keys;
        writing.texts = (uint32_t *)(void *)(writing.spare + keys);
        memset(writing.texts, 0, texts * sizeof *writing.texts);
        write_all(&writing, writing.texts + texts);
        *size = writer.failed ? 0 : writer.size;
    }
    clew_memory_release(writing.keys);
    clew_memory_release(writing.order.rows);
    if (*size != 0)
        return clew__buffer_take(&writer);
    clew__buffer_fini(&writer);
    return NULL;
}

/* ---- reading ---- */

struct reading {
    struct clew_baseline *baseline;
    clew__text *texts; /* by number */
    uint32_t text_count, text_capacity;
    uint64_t *left; /* of a root's row: requests, then nanoseconds, that no shape has had yet; by row */
};

static int read_text(struct reading *reading, struct clew__wire bytes) {
    size_t size = (size_t)(bytes.end - bytes.at);
    if (size == 0 || size > CLEW__TEXT_MAX || !clew__utf8_valid((const char *)bytes.at, size))
        return CLEW_EFORMAT;
    if (!clew__array_reserve(&reading->texts, &reading->text_capacity, (uint64_t)reading->text_count + 1,
                             sizeof *reading->texts))
        return CLEW_ENOMEM;
    clew__text name =
        clew__names_add(&reading->baseline->names, (clew_text){(const char *)bytes.at, size}, UINT32_MAX);
    if (name >= CLEW__NAME_LIMIT)
        return CLEW_ENOMEM;
    reading->texts[reading->text_count++] = name;
    return CLEW_OK;
}

/* Numbers of a row or shape by field, and its one message. False when it is malformed. */
static bool read_members(struct clew__wire wire, uint64_t *numbers, uint32_t fields, uint32_t message_field,
                         struct clew__wire *message) {
    enum clew__wire_error error;
    struct clew__field field;
    *message = (struct clew__wire){NULL, NULL};
    while (clew__wire_next(&wire, &field, &error)) {
        if (field.field >= fields)
            continue;
        if ((field.type == CLEW__WIRE_BYTES) != (field.field == message_field))
            return false;
        if (field.field == message_field)
            *message = field.bytes;
        else
            numbers[field.field] = field.number;
    }
    return error == CLEW__WIRE_OK;
}

static bool find_text(const struct reading *reading, uint64_t number, uint32_t *name) {
    if (number > reading->text_count)
        return false;
    *name = number ? reading->texts[number - 1] : 0;
    return true;
}

/* Refers to rows before it alone, and to such as it may. */
static bool find_key(const struct reading *reading, const uint64_t *numbers, struct clew__row_key *key) {
    const struct clew_baseline *baseline = reading->baseline;
    uint64_t root = numbers[ROW_ROOT], c = numbers[ROW_C];
    if (numbers[ROW_KIND] >= CLEW_COMPARISON_MIX || !find_text(reading, numbers[ROW_A], &key->a) ||
        !find_text(reading, numbers[ROW_B], &key->b))
        return false;
    key->kind = (uint32_t)numbers[ROW_KIND];
    if (key->kind == CLEW_COMPARISON_ROOT) {
        key->c = (uint32_t)c;
        return root == 0 && c < CLEW__ROOT_TYPES;
    }
    if (root == 0 || root > baseline->rows.count)
        return false;
    key->root = (uint32_t)root - 1;
    if (clew__row_at(baseline, key->root)->key.kind != CLEW_COMPARISON_ROOT)
        return false;
    if (key->kind != CLEW_COMPARISON_CONTEXT)
        return find_text(reading, c, &key->c);
    if (c > baseline->rows.count)
        return false;
    key->c = c ? (uint32_t)c - 1 : CLEW__NO_ROW;
    if (c == 0)
        return true;
    const struct clew__row_key *above = &clew__row_at(baseline, key->c)->key;
    return above->kind == CLEW_COMPARISON_CONTEXT && above->root == key->root;
}

/* Values count once each, and there are not more than there can be. */
static bool has_sound_values(const struct clew_baseline *baseline, const struct clew__row *row) {
    const struct clew__sketch *values = &row->values;
    uint64_t most = clew__is_of_request((clew_comparison_kind)row->key.kind)
                        ? clew__row_at(baseline, row->key.root)->calls
                        : row->calls;
    return row->errors <= row->calls && values->observations <= most &&
           values->weight == clew__saturated_product(values->observations, CLEW_SKETCH_WEIGHT_ONE);
}

static int take_row(struct reading *reading, const uint64_t *numbers, struct clew__wire values) {
    struct clew_baseline *baseline = reading->baseline;
    struct clew__row_key key = {0};
    uint32_t count = baseline->rows.count, index;
    if (!find_key(reading, numbers, &key))
        return CLEW_EFORMAT;
    index = clew__table_add(&baseline->rows, &key);
    if (index == CLEW__NO_ROW)
        return CLEW_ENOMEM;
    if (index < count)
        return CLEW_EFORMAT;
    struct clew__row *row = clew__row_at(baseline, index);
    if (key.kind == CLEW_COMPARISON_CONTEXT && key.c != CLEW__NO_ROW)
        row->depth = clew__row_at(baseline, key.c)->depth + 1;
    row->calls = numbers[ROW_CALLS];
    row->errors = numbers[ROW_ERRORS];
    row->squares = numbers[ROW_SQUARES];
    row->nano = numbers[ROW_NANO];
    int result = clew__sketch_read(&row->values, values);
    if (result != CLEW_OK)
        return result;
    if (!has_sound_values(baseline, row))
        return CLEW_EFORMAT;
    if (key.kind != CLEW_COMPARISON_ROOT)
        return CLEW_OK;
    if (row->calls > CLEW__BASELINE_REQUESTS_MAX - baseline->requests ||
        row->nano > CLEW__BASELINE_NANO_MAX - baseline->nano)
        return CLEW_EFORMAT;
    baseline->requests += row->calls;
    baseline->nano += row->nano;
    return CLEW_OK;
}

static int read_row(struct reading *reading, struct clew__wire wire) {
    uint64_t numbers[ROW_FIELDS] = {0};
    struct clew__wire values;
    if (reading->baseline->shapes.count > 0 || !read_members(wire, numbers, ROW_FIELDS, ROW_VALUES, &values))
        return CLEW_EFORMAT;
    return take_row(reading, numbers, values);
}

/* The times of a shape's rows, which make its time. */
static int read_sums(struct reading *reading, uint32_t shape, struct clew__wire wire) {
    struct clew_baseline *baseline = reading->baseline;
    uint64_t left = clew__shape_at(baseline, shape)->nano, number = 0;
    enum clew__wire_error error;
    struct clew__field field;
    while (clew__wire_next(&wire, &field, &error)) {
        number += field.field;
        if (field.type != CLEW__WIRE_VARINT || number > baseline->rows.count || field.number == 0 ||
            field.number > left)
            return CLEW_EFORMAT;
        const struct clew__shape_sum key = {.shape = shape, .row = (uint32_t)number - 1};
        const struct clew__row_key *row = &clew__row_at(baseline, key.row)->key;
        if (!clew__is_part((clew_comparison_kind)row->kind) ||
            row->root != clew__shape_at(baseline, shape)->root)
            return CLEW_EFORMAT;
        uint32_t sum = clew__table_add(&baseline->sums, &key);
        if (sum == CLEW__TABLE_NONE)
            return CLEW_ENOMEM;
        clew__shape_sum_at(baseline, sum)->nano = field.number;
        left -= field.number;
    }
    return error == CLEW__WIRE_OK && left == 0 ? CLEW_OK : CLEW_EFORMAT;
}

static bool make_left(struct reading *reading) {
    uint32_t rows = reading->baseline->rows.count;
    if (reading->left)
        return true;
    reading->left = (uint64_t *)clew_memory_allocate(2 * ((size_t)rows + 1) * sizeof *reading->left);
    for (uint32_t i = 0; reading->left && i < rows; i++) {
        const struct clew__row *row = clew__row_at(reading->baseline, i);
        bool is_root = row->key.kind == CLEW_COMPARISON_ROOT;
        reading->left[2 * i] = is_root ? row->calls : 0;
        reading->left[2 * i + 1] = is_root ? row->nano : 0;
    }
    return reading->left != NULL;
}

static int read_shape(struct reading *reading, struct clew__wire wire) {
    struct clew_baseline *baseline = reading->baseline;
    uint64_t numbers[SHAPE_FIELDS] = {0};
    uint32_t count = baseline->shapes.count, index;
    struct clew__wire sums;
    if (!read_members(wire, numbers, SHAPE_FIELDS, SHAPE_SUMS, &sums) || numbers[SHAPE_ROOT] == 0 ||
        numbers[SHAPE_ROOT] > baseline->rows.count || numbers[SHAPE_REQUESTS] == 0)
        return CLEW_EFORMAT;
    const struct clew__shape key = {.root = (uint32_t)numbers[SHAPE_ROOT] - 1,
                                    .hash_high = (uint32_t)(numbers[SHAPE_HASH] >> 32),
                                    .hash_low = (uint32_t)(numbers[SHAPE_HASH] & UINT32_MAX)};
    if (!make_left(reading))
        return CLEW_ENOMEM;
    /* What is no root has nothing left. */
    uint64_t *left = &reading->left[2 * (size_t)key.root];
    if (numbers[SHAPE_REQUESTS] > left[0] || numbers[SHAPE_NANO] > left[1])
        return CLEW_EFORMAT;
    left[0] -= numbers[SHAPE_REQUESTS];
    left[1] -= numbers[SHAPE_NANO];
    index = clew__table_add(&baseline->shapes, &key);
    if (index == CLEW__TABLE_NONE)
        return CLEW_ENOMEM;
    if (index < count)
        return CLEW_EFORMAT;
    clew__shape_at(baseline, index)->requests = (uint32_t)numbers[SHAPE_REQUESTS];
    clew__shape_at(baseline, index)->nano = numbers[SHAPE_NANO];
    return read_sums(reading, index, sums);
}

static int read_field(struct reading *reading, const struct clew__field *field, uint64_t *numbers) {
    bool is_message = field->field == FIELD_MAGIC || field->field == FIELD_TEXT ||
                      field->field == FIELD_ROW || field->field == FIELD_SHAPE;
    if (field->field >= FIELDS)
        return CLEW_OK;
    if ((field->type == CLEW__WIRE_BYTES) != is_message)
        return CLEW_EFORMAT;
    switch (field->field) {
    case FIELD_MAGIC:
        return CLEW_OK;
    case FIELD_TEXT:
        return read_text(reading, field->bytes);
    case FIELD_ROW:
        return read_row(reading, field->bytes);
    case FIELD_SHAPE:
        return read_shape(reading, field->bytes);
    default:
        numbers[field->field] = field->number;
        return CLEW_OK;
    }
}

/* Every request is of some shape. */
static bool is_complete(struct reading *reading, const uint64_t *numbers) {
    const struct clew_baseline *baseline = reading->baseline;
    if (numbers[FIELD_VERSION] != VERSION ||
        numbers[FIELD_COUNT] != (uint64_t)baseline->rows.count + baseline->shapes.count + 1 ||
        numbers[FIELD_START] > numbers[FIELD_END])
        return false;
    for (uint32_t i = 0; reading->left && i < 2 * baseline->rows.count; i++) {
        if (reading->left[i] != 0)
            return false;
    }
    return reading->left != NULL || baseline->requests == 0;
}

static int read_all(struct reading *reading, struct clew__wire wire) {
    uint64_t numbers[FIELDS] = {0};
    enum clew__wire_error error;
    struct clew__field field;
    while (clew__wire_next(&wire, &field, &error)) {
        int result = read_field(reading, &field, numbers);
        if (result != CLEW_OK)
            return result;
    }
    if (error != CLEW__WIRE_OK || !is_complete(reading, numbers))
        return CLEW_EFORMAT;
    reading->baseline->traces = numbers[FIELD_TRACES];
    reading->baseline->dropped = numbers[FIELD_DROPPED];
    reading->baseline->lost = numbers[FIELD_LOST];
    reading->baseline->overflowed = numbers[FIELD_OVERFLOWED];
    reading->baseline->start = numbers[FIELD_START];
    reading->baseline->end = numbers[FIELD_END];
    return CLEW_OK;
}

int clew_baseline_decode(const void *data, size_t size, clew_baseline **out) {
    struct reading reading = {0};
    if (!out || (!data && size))
        return CLEW_EINVAL;
    if (!data || !clew_baseline_is_encoded(data, size))
        return CLEW_EFORMAT;
    reading.baseline = clew_baseline_new(NULL);
    if (!reading.baseline)
        return CLEW_ENOMEM;
    int result = read_all(&reading, clew__wire_of(data, size));
    if (result == CLEW_OK)
        *out = reading.baseline;
    else
        clew_baseline_free(reading.baseline);
    clew_memory_release(reading.texts);
    clew_memory_release(reading.left);
    return result;
}
