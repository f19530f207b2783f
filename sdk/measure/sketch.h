/* The inside of a sketch, for those who embed one, and for statistics. One thread at a time each. */
#ifndef CLEW_MEASURE_SKETCH_INTERNAL_H
#define CLEW_MEASURE_SKETCH_INTERNAL_H

#include "proto/wire.h"

#include <clew/analysis/sketch.h>

/* All zero is a valid empty sketch. */
struct clew__sketch {
    void *block; /* `capacity` counts of four bytes, or eight in a wide sketch; behind them the cells' indices
                  */
    uint64_t observations;
    uint64_t weight;            /* in 1/65536, as all weights */
    uint64_t sum_high, sum_low; /* of value times weight: 128 bits */
    uint64_t min, max;          /* valid with observations */
    uint16_t used, capacity;    /* cells, ordered by index */
    bool wide;                  /* counts are weights; otherwise they are whole */
};
_Static_assert(sizeof(struct clew__sketch) <= 64, "aggregates embed several");

static inline void clew__sketch_init(struct clew__sketch *sketch) {
    *sketch = (struct clew__sketch){0};
}
/* Gives its memory back; it is empty then, and usable. */
void clew__sketch_fini(struct clew__sketch *sketch);
/* What it holds beside itself. */
size_t clew__sketch_memory(const struct clew__sketch *sketch);

/* One bucket that is in use: the whole numbers from `low` to `high` are its values. */
struct clew__sketch_cell {
    uint64_t low, high;
    uint64_t weight;
};
struct clew__sketch_cell clew__sketch_cell_at(const struct clew__sketch *sketch, size_t position);
/* The value that stands for all of a cell. */
uint64_t clew__sketch_cell_middle(const struct clew__sketch *sketch, const struct clew__sketch_cell *cell);

/* As clew_sketch_encode() and _decode(), for sketches within something larger. Reading needs an empty sketch,
 * and leaves it empty if it fails. */
void clew__sketch_write(const struct clew__sketch *sketch, struct clew__writer *writer);
int clew__sketch_read(struct clew__sketch *sketch, struct clew__wire wire);

/* ---- for the parts of the sketch ---- */

uint16_t *clew__sketch_indices(const struct clew__sketch *sketch);
/* Cells in the order of their indices, into room that was reserved for as many. */
bool clew__sketch_reserve(struct clew__sketch *sketch, size_t cells, bool wide);
void clew__sketch_append(struct clew__sketch *sketch, uint16_t index, uint64_t weight);

#endif
