/* Places the nodes of a graph in layers, from left to right, so that most arrows point to the right and few
 * cross. Pure; no recursion; n log n for each of a fixed number of sweeps. */
#ifndef CLEW_REPORT_LAYERS_H
#define CLEW_REPORT_LAYERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct clew__arrow {
    uint32_t from, to; /* nodes */
};

struct clew__place {
    uint32_t layer; /* 0: the leftmost */
    uint32_t row;   /* within its layer, from 0 */
};

struct clew__layers {
    struct clew__place *places; /* of each node */
    uint32_t layer_count;
    uint32_t row_count; /* of the fullest layer */
};

/* Arrows from a node to itself, and several of the same, are allowed. False when memory runs out. */
bool clew__layers_init(struct clew__layers *layers, uint32_t node_count, const struct clew__arrow *arrows,
                       uint32_t arrow_count);
void clew__layers_fini(struct clew__layers *layers);

#endif
