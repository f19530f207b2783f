/* Builds and prints span trees. Owns nothing beyond the call; any thread. Nothing recurses: spans come from
 * anywhere, and a chain of them may be as long as there are spans. */
#include "sdk/exporters/tree.h"

#include <clew/extend.h>

#include "sdk/exporters/print.h"

#include <string.h>

#define NONE UINT32_MAX
#define INDENT_LEVELS_MAX                                                                                    \
    256u /* deeper lines say how many levels more: a long chain would take its square in spaces */

struct node {
    uint8_t trace_id[16];
    uint8_t span_id[8];
    uint8_t parent_span_id[8];
    uint64_t start_unix_nano;
    uint32_t parent; /* all links are indices of nodes, or NONE */
    uint32_t first_child, last_child;
    uint32_t next;    /* sibling */
    uint32_t seen_by; /* which walk up the parents came by first; 0: none */
};

/* ---- sorting ---- */

typedef int (*order_function)(const struct node *nodes, uint32_t a, uint32_t b);

static int by_index(uint32_t a, uint32_t b) {
    return (a > b) - (a < b);
}

static int by_id(const struct node *nodes, uint32_t a, uint32_t b) {
    int order = memcmp(nodes[a].trace_id, nodes[b].trace_id, sizeof nodes->trace_id);
    if (order == 0)
        order = memcmp(nodes[a].span_id, nodes[b].span_id, sizeof nodes->span_id);
    return order ? order : by_index(a, b);
}

static int by_start(const struct node *nodes, uint32_t a, uint32_t b) {
    int order;
    if (nodes[a].start_unix_nano != nodes[b].start_unix_nano)
        return nodes[a].start_unix_nano < nodes[b].start_unix_nano ? -1 : 1;
    order = memcmp(nodes[a].span_id, nodes[b].span_id, sizeof nodes->span_id);
    return order ? order : by_index(a, b);
}

static void sift_down(uint32_t *heap, size_t root, size_t size, const struct node *nodes,
                      order_function order) {
    for (size_t child; (child = 2 * root + 1) < size; root = child) {
        uint32_t swapped = heap[root];
        if (child + 1 < size && order(nodes, heap[child], heap[child + 1]) < 0)
            child++;
        if (order(nodes, swapped, heap[child]) >= 0)
            return;
        heap[root] = heap[child];
        heap[child] = swapped;
    }
}

/* A heap sort: qsort may take memory from malloc. The orders above are total, so it need not be stable. */
static void sort(uint32_t *indices, size_t size, const struct node *nodes, order_function order) {
    for (size_t i = size / 2; i-- > 0;)
        sift_down(indices, i, size, nodes, order);
    while (size > 1) {
        uint32_t largest = indices[0];
        indices[0] = indices[--size];
        indices[size] = largest;
        sift_down(indices, 0, size, nodes, order);
    }
}

/* ---- building ---- */

static void read_nodes(struct node *nodes, uint32_t *indices, const clew_span_view *views, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        clew_span_data span = clew_span_view_data(&views[i]);
        struct node *node = &nodes[i];
        memcpy(node->trace_id, span.trace_id, sizeof node->trace_id);
        memcpy(node->span_id, span.span_id, sizeof node->span_id);
        memcpy(node->parent_span_id, span.parent_span_id, sizeof node->parent_span_id);
        node->start_unix_nano = span.start_unix_nano;
        node->parent = node->first_child = node->last_child = node->next = NONE;
        node->seen_by = 0;
        indices[i] = i;
    }
}

/* How the key of a node compares with the parent that `child` names. */
static int compare_parent(const struct node *node, const struct node *child) {
    int order = memcmp(node->trace_id, child->trace_id, sizeof node->trace_id);
    return order ? order : memcmp(node->span_id, child->parent_span_id, sizeof node->span_id);
}

/* The first span with the id that `child` names as its parent, or NONE. `sorted` is by id. */
static uint32_t find_parent(const struct node *nodes, const uint32_t *sorted, uint32_t count,
                            const struct node *child) {
    static const uint8_t no_parent[sizeof child->parent_span_id];
    uint32_t low = 0, high = count;

    if (memcmp(child->parent_span_id, no_parent, sizeof no_parent) == 0)
        return NONE;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (compare_parent(&nodes[sorted[middle]], child) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && compare_parent(&nodes[sorted[low]], child) == 0 ? sorted[low] : NONE;
}

static void break_cycle(struct node *nodes, uint32_t member) {
    uint32_t earliest = member;
    for (uint32_t i = nodes[member].parent; i != member; i = nodes[i].parent)
        if (by_start(nodes, i, earliest) < 0)
            earliest = i;
    nodes[earliest].parent = NONE;
}

/* Walks up from every node; a walk that meets itself has found a cycle. Each node is passed once. */
static void break_cycles(struct node *nodes, uint32_t count) {
    for (uint32_t start = 0; start < count; start++) {
        uint32_t at = start;
        while (at != NONE && nodes[at].seen_by == 0) {
            nodes[at].seen_by = start + 1;
            at = nodes[at].parent;
        }
        if (at != NONE && nodes[at].seen_by == start + 1)
            break_cycle(nodes, at);
    }
}

/* Hangs the nodes below their parents, in the order of `sorted`. Returns the first root. */
static uint32_t hang(struct node *nodes, const uint32_t *sorted, uint32_t count) {
    uint32_t first_root = NONE, last_root = NONE;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = sorted[i], parent = nodes[at].parent;
        uint32_t *first = parent == NONE ? &first_root : &nodes[parent].first_child;
        uint32_t *last = parent == NONE ? &last_root : &nodes[parent].last_child;
        if (*last == NONE)
            *first = at;
        else
            nodes[*last].next = at;
        *last = at;
    }
    return first_root;
}

/* ---- printing ---- */

static void print_line(struct clew__writer *writer, const clew_span_view *view, uint32_t depth) {
    clew_span_data span = clew_span_view_data(view);
    uint32_t levels = depth < INDENT_LEVELS_MAX ? depth : INDENT_LEVELS_MAX;

    clew__print_spaces(writer, 2 * levels);
    if (depth > levels)
        clew__print_format(writer, "+%u ", depth - levels);
    clew__print_text(writer, span.name);
    clew__print_kind(writer, span.kind);
    clew__print_error(writer, view, &span);
    if (span.link_count)
        clew__print_format(writer, " links: %u", span.link_count);
    clew__print(writer, "\n");
}

static void print_tree(struct clew__writer *writer, const struct node *nodes, uint32_t root,
                       const clew_span_view *views) {
    uint32_t at = root, depth = 0;
    while (at != NONE) {
        print_line(writer, &views[at], depth);
        if (nodes[at].first_child != NONE) {
            at = nodes[at].first_child;
            depth++;
            continue;
        }
        while (nodes[at].next == NONE && nodes[at].parent != NONE) {
            at = nodes[at].parent;
            depth--;
        }
        at = nodes[at].next;
    }
}

bool clew__tree_print(struct clew__writer *writer, const clew_span_view *views, size_t count) {
    struct node *nodes;
    uint32_t *indices;
    uint32_t size = (uint32_t)count;

    if (count == 0)
        return true;
    if (count >= NONE)
        return false;
    nodes = (struct node *)clew_memory_allocate(count * sizeof *nodes);
    indices = (uint32_t *)clew_memory_allocate(count * sizeof *indices);
    if (nodes && indices) {
        read_nodes(nodes, indices, views, size);
        sort(indices, count, nodes, by_id);
        for (uint32_t i = 0; i < size; i++)
            nodes[i].parent = find_parent(nodes, indices, size, &nodes[i]);
        break_cycles(nodes, size);
        sort(indices, count, nodes, by_start);
        print_tree(writer, nodes, hang(nodes, indices, size), views);
    } else {
        writer->failed = true;
    }
    clew_memory_release(indices);
    clew_memory_release(nodes);
    return !writer->failed;
}
