/* Layers of a graph, after Sugiyama, without dummy nodes: cycles are broken at the arrows that lead back in a
 * walk in depth, layers are the longest ways from a node that nobody points to, rows follow the mean row of
 * the neighbours. One thread. */
#include "collector-bridge/report/layers.h"

#include <clew/extend.h>
#include <stdlib.h>
#include <string.h>

#define SWEEPS 8

enum { UNSEEN = 0, OPEN, DONE };

struct graph {
    uint32_t node_count, arrow_count;
    struct clew__arrow *arrows; /* by `from`; those that lead back are turned around */
    uint32_t *first;            /* of each node's arrows; one more at the end */
    uint32_t *next;             /* of each node: the next of its arrows in the walk */
    uint32_t *stack;            /* of nodes */
    uint32_t *degree;           /* arrows that point at a node */
    uint8_t *state;
    double *sum; /* of the neighbours' rows */
    uint32_t *weight;
    uint32_t *order; /* nodes by layer, then row */
};

static void *zeroed(size_t count, size_t size) {
    void *memory = clew_memory_allocate((count + 1) * size);
    if (memory)
        memset(memory, 0, (count + 1) * size);
    return memory;
}

static bool graph_init(struct graph *graph, uint32_t node_count, const struct clew__arrow *arrows,
                       uint32_t arrow_count) {
    *graph = (struct graph){.node_count = node_count, .arrow_count = arrow_count};
    graph->arrows = zeroed(arrow_count, sizeof *graph->arrows);
    graph->first = zeroed(node_count + 1u, sizeof *graph->first);
    graph->next = zeroed(node_count, sizeof *graph->next);
    graph->stack = zeroed(node_count, sizeof *graph->stack);
    graph->degree = zeroed(node_count, sizeof *graph->degree);
    graph->state = zeroed(node_count, sizeof *graph->state);
    graph->sum = zeroed(node_count, sizeof *graph->sum);
    graph->weight = zeroed(node_count, sizeof *graph->weight);
    graph->order = zeroed(node_count, sizeof *graph->order);
    if (!graph->arrows || !graph->first || !graph->next || !graph->stack || !graph->degree || !graph->state ||
        !graph->sum || !graph->weight || !graph->order)
        return false;
    if (arrow_count)
        memcpy(graph->arrows, arrows, arrow_count * sizeof *arrows);
    return true;
}

static void graph_fini(struct graph *graph) {
    void *const all[] = {graph->arrows, graph->first, graph->next,   graph->stack, graph->degree,
                         graph->state,  graph->sum,   graph->weight, graph->order};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        clew_memory_release(all[i]);
}

static int compare_arrows(const void *left, const void *right) {
    const struct clew__arrow *a = left, *b = right;
    int order = (a->from > b->from) - (a->from < b->from);
    return order ? order : (a->to > b->to) - (a->to < b->to);
}

/* Sorts the arrows and finds each node's. */
static void index_arrows(struct graph *graph) {
    qsort(graph->arrows, graph->arrow_count, sizeof *graph->arrows, compare_arrows);
    memset(graph->first, 0, (graph->node_count + 1u) * sizeof *graph->first);
    for (uint32_t i = 0; i < graph->arrow_count; i++)
        graph->first[graph->arrows[i].from + 1]++;
    for (uint32_t i = 0; i < graph->node_count; i++)
        graph->first[i + 1] += graph->first[i];
}

/* Turns the arrows around that lead back to a node that the walk is below. */
static void walk_from(struct graph *graph, uint32_t node, bool *back) {
    uint32_t depth = 0;
    graph->stack[depth++] = node;
    graph->state[node] = OPEN;
    while (depth) {
        uint32_t at = graph->stack[depth - 1];
        if (graph->next[at] == graph->first[at + 1]) {
            graph->state[at] = DONE;
            depth--;
            continue;
        }
        uint32_t arrow = graph->next[at]++, to = graph->arrows[arrow].to;
        back[arrow] = graph->state[to] == OPEN;
        if (graph->state[to] != UNSEEN)
            continue;
        graph->state[to] = OPEN;
        graph->stack[depth++] = to;
    }
}

static bool break_cycles(struct graph *graph) {
    bool *back = zeroed(graph->arrow_count, sizeof *back);
    if (!back)
        return false;
    for (uint32_t i = 0; i < graph->arrow_count; i++)
        graph->degree[graph->arrows[i].to] += graph->arrows[i].from != graph->arrows[i].to;
    memcpy(graph->next, graph->first, graph->node_count * sizeof *graph->next);
    /* From those that nobody points to first, so that arrows from them are never turned. */
    for (int round = 0; round < 2; round++)
        for (uint32_t i = 0; i < graph->node_count; i++)
            if (graph->state[i] == UNSEEN && (round == 1 || graph->degree[i] == 0))
                walk_from(graph, i, back);
    for (uint32_t i = 0; i < graph->arrow_count; i++)
        if (back[i]) {
            uint32_t from = graph->arrows[i].from;
            graph->arrows[i].from = graph->arrows[i].to;
            graph->arrows[i].to = from;
        }
    clew_memory_release(back);
    index_arrows(graph);
    return true;
}

/* The longest way: nodes are done when all that point at them are. */
static void assign_layers(struct graph *graph, struct clew__layers *layers) {
    uint32_t done = 0, found = 0;
    memset(graph->degree, 0, graph->node_count * sizeof *graph->degree);
    for (uint32_t i = 0; i < graph->arrow_count; i++)
        graph->degree[graph->arrows[i].to] += graph->arrows[i].from != graph->arrows[i].to;
    for (uint32_t i = 0; i < graph->node_count; i++)
        if (graph->degree[i] == 0)
            graph->stack[found++] = i;
    while (done < found) {
        uint32_t node = graph->stack[done++], below = layers->places[node].layer + 1;
        if (below > layers->layer_count)
            layers->layer_count = below;
        for (uint32_t i = graph->first[node]; i < graph->first[node + 1]; i++) {
            uint32_t to = graph->arrows[i].to;
            if (to == node)
                continue;
            if (layers->places[to].layer < below)
                layers->places[to].layer = below;
            if (--graph->degree[to] == 0)
                graph->stack[found++] = to;
        }
    }
}

struct sorting {
    const struct graph *graph;
    const struct clew__place *places;
};

static double mean_of(const struct sorting *sorting, uint32_t node) {
    return sorting->graph->weight[node] ? sorting->graph->sum[node] / sorting->graph->weight[node]
                                        : sorting->places[node].row;
}

static int compare_nodes(const void *left, const void *right, void *user) {
    const struct sorting *sorting = user;
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    uint32_t layer_a = sorting->places[a].layer, layer_b = sorting->places[b].layer;
    double mean_a = mean_of(sorting, a), mean_b = mean_of(sorting, b);
    if (layer_a != layer_b)
        return layer_a < layer_b ? -1 : 1;
    if (mean_a < mean_b || mean_a > mean_b)
        return mean_a < mean_b ? -1 : 1;
    return (a > b) - (a < b);
}

/* One sweep: every node goes where its neighbours on one side are in the mean. */
static void sweep(struct graph *graph, struct clew__layers *layers, bool to_the_right) {
    const struct sorting sorting = {graph, layers->places};
    uint32_t row = 0;
    memset(graph->sum, 0, graph->node_count * sizeof *graph->sum);
    memset(graph->weight, 0, graph->node_count * sizeof *graph->weight);
    for (uint32_t i = 0; i < graph->arrow_count; i++) {
        uint32_t from = graph->arrows[i].from, to = graph->arrows[i].to;
        uint32_t node = to_the_right ? to : from, other = to_the_right ? from : to;
        graph->sum[node] += layers->places[other].row;
        graph->weight[node]++;
    }
    for (uint32_t i = 0; i < graph->node_count; i++)
        graph->order[i] = i;
    qsort_r(graph->order, graph->node_count, sizeof *graph->order, compare_nodes, (void *)&sorting);
    for (uint32_t i = 0; i < graph->node_count; i++) {
        struct clew__place *place = &layers->places[graph->order[i]];
        row = i && layers->places[graph->order[i - 1]].layer == place->layer ? row + 1 : 0;
        place->row = row;
        if (row + 1 > layers->row_count)
            layers->row_count = row + 1;
    }
}

bool clew__layers_init(struct clew__layers *layers, uint32_t node_count, const struct clew__arrow *arrows,
                       uint32_t arrow_count) {
    struct graph graph;
    bool enough = graph_init(&graph, node_count, arrows, arrow_count);
    *layers = (struct clew__layers){.places = zeroed(node_count, sizeof *layers->places)};
    enough = enough && layers->places;
    if (enough) {
        index_arrows(&graph);
        enough = break_cycles(&graph);
    }
    if (enough) {
        assign_layers(&graph, layers);
        for (int i = 0; i < SWEEPS; i++)
            sweep(&graph, layers, i % 2 == 0);
    }
    graph_fini(&graph);
    if (!enough)
        clew__layers_fini(layers);
    return enough;
}

void clew__layers_fini(struct clew__layers *layers) {
    clew_memory_release(layers->places);
    layers->places = NULL;
}
