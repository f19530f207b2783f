/* Owns sketches as bytes: a protobuf message. Reading takes bytes from strangers: what it accepts is a sketch
 * that adding could have made, up to where in a bucket the values lay. One thread at a time each.
 *
 * Cells are members of a message of their own: the field number is the distance from the cell before (from -1
 * for the first), the varint its count. */
#include "sdk/base/buffer.h"
#include "sdk/containers/saturate.h"
#include "sdk/measure/sketch.h"
#include "sdk/measure/sketch_index.h"

#include <clew/extend.h>

enum field {
    FIELD_SCALE = 1,
    FIELD_FRACTIONAL = 2, /* 1: counts are weights in 1/65536 */
    FIELD_OBSERVATIONS = 3,
    FIELD_SUM_LOW = 4, /* of values times weights */
    FIELD_SUM_HIGH = 5,
    FIELD_MIN = 6,
    FIELD_MAX = 7,
    FIELD_CELLS = 8,
};

/* ---- writing ---- */

static bool is_fractional(const struct clew__sketch *sketch) {
    for (size_t i = 0; i < sketch->used; i++)
        if (clew__sketch_cell_at(sketch, i).weight % CLEW_SKETCH_WEIGHT_ONE != 0)
            return true;
    return false;
}

static void write_cells(const struct clew__sketch *sketch, bool fractional, struct clew__writer *writer) {
    size_t begun = clew__write_begin(writer, FIELD_CELLS);
    int before = -1;
    for (size_t i = 0; i < sketch->used; i++) {
        int index = clew__sketch_indices(sketch)[i];
        uint64_t weight = clew__sketch_cell_at(sketch, i).weight;
        clew__write_varint(writer, (uint32_t)(index - before),
                           fractional ? weight : weight / CLEW_SKETCH_WEIGHT_ONE);
        before = index;
    }
    clew__write_end(writer, begun);
}

void clew__sketch_write(const struct clew__sketch *sketch, struct clew__writer *writer) {
    bool fractional = is_fractional(sketch);
    clew__write_varint(writer, FIELD_SCALE, CLEW__SKETCH_SCALE);
    if (fractional)
        clew__write_varint(writer, FIELD_FRACTIONAL, 1);
    if (sketch->observations == 0)
        return;
    clew__write_varint(writer, FIELD_OBSERVATIONS, sketch->observations);
    clew__write_varint(writer, FIELD_SUM_LOW, sketch->sum_low);
    if (sketch->sum_high)
        clew__write_varint(writer, FIELD_SUM_HIGH, sketch->sum_high);
    clew__write_varint(writer, FIELD_MIN, sketch->min);
    clew__write_varint(writer, FIELD_MAX, sketch->max);
    write_cells(sketch, fractional, writer);
}

uint8_t *clew_sketch_encode(const clew_sketch *sketch, size_t *size) {
    static const struct clew__sketch empty;
    struct clew__writer writer = clew__buffer_plain();
    clew__sketch_write(sketch ? sketch : &empty, &writer);
    *size = writer.size;
    if (!writer.failed)
        return clew__buffer_take(&writer);
    clew__buffer_fini(&writer);
    *size = 0;
    return NULL;
}

/* ---- reading ---- */

struct message {
    uint64_t numbers[FIELD_CELLS]; /* by field */
    struct clew__wire cells;
};

static bool read_message(struct clew__wire wire, struct message *out) {
    enum clew__wire_error error;
    struct clew__field field;
    *out = (struct message){0};
    while (clew__wire_next(&wire, &field, &error)) {
        if (field.field > FIELD_CELLS)
            continue;
        if (field.type != (field.field == FIELD_CELLS ? CLEW__WIRE_BYTES : CLEW__WIRE_VARINT))
            return false;
        if (field.field == FIELD_CELLS)
            out->cells = field.bytes;
        else
            out->numbers[field.field] = field.number;
    }
    return error == CLEW__WIRE_OK && out->numbers[FIELD_SCALE] == CLEW__SKETCH_SCALE &&
           out->numbers[FIELD_FRACTIONAL] <= 1;
}

/* Indices rise, belong to buckets that have whole numbers, and every count is something. */
static bool check_cells(struct clew__wire cells, size_t *count) {
    enum clew__wire_error error;
    struct clew__field cell;
    int64_t index = -1;
    *count = 0;
    while (clew__wire_next(&cells, &cell, &error)) {
        index += cell.field;
        if (cell.type != CLEW__WIRE_VARINT || cell.number == 0 || index > CLEW__SKETCH_INDEX_LAST)
            return false;
        if (clew__sketch_index_low((uint16_t)index) > clew__sketch_index_high((uint16_t)index))
            return false;
        ++*count;
    }
    return error == CLEW__WIRE_OK;
}

static uint64_t weight_of(uint64_t count, bool fractional) {
    return fractional ? count : clew__saturated_product(count, CLEW_SKETCH_WEIGHT_ONE);
}

/* Of cells that were checked. */
static bool must_be_wide(struct clew__wire cells, bool fractional) {
    enum clew__wire_error error;
    struct clew__field cell;
    bool wide = fractional;
    while (!wide && clew__wire_next(&cells, &cell, &error))
        wide = cell.number > UINT32_MAX;
    return wide;
}

static void take_cells(struct clew__sketch *sketch, struct clew__wire cells, bool fractional) {
    enum clew__wire_error error;
    struct clew__field cell;
    int64_t index = -1;
    while (clew__wire_next(&cells, &cell, &error)) {
        uint64_t weight = weight_of(cell.number, fractional);
        index += cell.field;
        clew__sketch_append(sketch, (uint16_t)index, weight);
        sketch->weight = clew__saturated_sum(sketch->weight, weight);
    }
}

/* Least and largest value lie in the outermost cells, and the sum between the least and the most that the
 * cells allow. */
static bool is_consistent(const struct clew__sketch *sketch) {
    struct clew__sketch_cell first, last;
    clew__wide_number sum = (clew__wide_number)sketch->sum_high << 64 | sketch->sum_low;
    clew__wide_number least = 0, most = 0;
    if (sketch->observations < sketch->used || sketch->observations > sketch->weight)
        return false;
    first = clew__sketch_cell_at(sketch, 0);
    last = clew__sketch_cell_at(sketch, sketch->used - 1u);
    if (sketch->min < first.low || sketch->min > first.high || sketch->max < last.low ||
        sketch->max > last.high || sketch->min > sketch->max)
        return false;
    for (size_t i = 0; i < sketch->used; i++) {
        struct clew__sketch_cell cell = clew__sketch_cell_at(sketch, i);
        uint64_t low = cell.low > sketch->min ? cell.low : sketch->min;
        uint64_t high = cell.high < sketch->max ? cell.high : sketch->max;
        least = clew__wide_sum(least, (clew__wide_number)low * cell.weight);
        most = clew__wide_sum(most, (clew__wide_number)high * cell.weight);
    }
    return least <= sum && sum <= most;
}

static bool is_empty_message(const struct message *message) {
    for (int i = FIELD_FRACTIONAL; i < FIELD_CELLS; i++)
        if (message->numbers[i] != 0)
            return false;
    return true;
}

int clew__sketch_read(struct clew__sketch *sketch, struct clew__wire wire) {
    struct message message;
    size_t cells;
    if (!read_message(wire, &message) || !check_cells(message.cells, &cells))
        return CLEW_EFORMAT;
    if (cells == 0)
        return is_empty_message(&message) ? CLEW_OK : CLEW_EFORMAT;

    bool fractional = message.numbers[FIELD_FRACTIONAL] == 1;
    if (!clew__sketch_reserve(sketch, cells, must_be_wide(message.cells, fractional)))
        return CLEW_ENOMEM;
    take_cells(sketch, message.cells, fractional);
    sketch->observations = message.numbers[FIELD_OBSERVATIONS];
    sketch->sum_low = message.numbers[FIELD_SUM_LOW];
    sketch->sum_high = message.numbers[FIELD_SUM_HIGH];
    sketch->min = message.numbers[FIELD_MIN];
    sketch->max = message.numbers[FIELD_MAX];
    if (is_consistent(sketch))
        return CLEW_OK;
    clew__sketch_fini(sketch);
    return CLEW_EFORMAT;
}

int clew_sketch_decode(const void *data, size_t size, clew_sketch **out) {
    if (!out || (!data && size))
        return CLEW_EINVAL;
    clew_sketch *sketch = clew_sketch_new();
    if (!sketch)
        return CLEW_ENOMEM;
    int result = clew__sketch_read(sketch, clew__wire_of(data, size));
    if (result == CLEW_OK)
        *out = sketch;
    else
        clew_sketch_free(sketch);
    return result;
}
