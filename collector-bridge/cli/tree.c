/* Trees of spans. `spans` is sorted by trace and span id, so that finding a parent is a binary search; the
 * order of siblings comes from the links between them. One thread. */
#include "collector-bridge/cli/tree.h"

#include "proto/otlp.h"

#include <stdlib.h>
#include <string.h>

/* ---- texts, each kept once ---- */

static uint64_t hash_of(const void *text, size_t size) { /* FNV-1a */
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ ((const uint8_t *)text)[i]) * 0x100000001b3u;
    return hash;
}

static size_t slot_of(const struct clew__tree_texts *texts, const void *text, size_t size) {
    size_t mask = texts->capacity - 1, slot = (size_t)hash_of(text, size) & mask;
    while (texts->slots[slot] &&
           (strlen(texts->slots[slot]) != size || memcmp(texts->slots[slot], text, size) != 0))
        slot = (slot + 1) & mask;
    return slot;
}

static bool grow_texts(struct clew__tree_texts *texts) {
    struct clew__tree_texts grown = {.count = texts->count,
                                     .capacity = texts->capacity ? 2 * texts->capacity : 256};
    grown.slots = calloc(grown.capacity, sizeof *grown.slots);
    if (!grown.slots)
        return false;
    for (size_t i = 0; i < texts->capacity; i++)
        if (texts->slots[i])
            grown.slots[slot_of(&grown, texts->slots[i], strlen(texts->slots[i]))] = texts->slots[i];
    free(texts->slots);
    *texts = grown;
    return true;
}

/* A terminated text that ends at its first zero byte. NULL when memory ran out. */
static const char *keep(struct clew__tree *tree, struct clew__wire wire) {
    size_t size = (size_t)(wire.end - wire.at);
    const uint8_t *zero = size ? memchr(wire.at, 0, size) : NULL;
    if (zero)
        size = (size_t)(zero - wire.at);
    if (size == 0)
        return "";
    if (tree->texts.count * 2 >= tree->texts.capacity && !grow_texts(&tree->texts))
        return NULL;
    size_t slot = slot_of(&tree->texts, wire.at, size);
    if (tree->texts.slots[slot])
        return tree->texts.slots[slot];
    char *copy = malloc(size + 1);
    if (!copy)
        return NULL;
    memcpy(copy, wire.at, size);
    copy[size] = '\0';
    tree->texts.slots[slot] = copy;
    tree->texts.count++;
    return copy;
}

/* ---- adding ---- */

static bool grow_array(void **array, size_t *capacity, size_t needed, size_t member) {
    if (needed <= *capacity)
        return true;
    size_t grown = *capacity ? 2 * *capacity : 256;
    void *moved = grown < UINT32_MAX ? realloc(*array, grown * member) : NULL;
    if (!moved)
        return false;
    *array = moved;
    *capacity = grown;
    return true;
}

/* The text of a string attribute in a message; `at` is NULL when it is not there. */
static struct clew__wire string_attribute(struct clew__wire message, uint32_t field, const char *key) {
    struct clew__wire member, none = {NULL, NULL};
    size_t size = strlen(key);
    while (clew__next_member(&message, field, &member)) {
        struct clew__keyvalue attribute;
        clew__read_keyvalue(member, &attribute);
        if ((size_t)(attribute.key.end - attribute.key.at) == size &&
            memcmp(attribute.key.at, key, size) == 0 && attribute.value.kind == CLEW__ANY_STRING)
            return attribute.value.bytes;
    }
    return none;
}

/* A link whose ids are malformed has ids of zeros. */
static struct clew__tree_link read_link(struct clew__wire message) {
    struct clew__tree_link link = {{0}, {0}};
    struct clew__field field;
    enum clew__wire_error error;
    while (clew__wire_next(&message, &field, &error)) {
        if (field.type != CLEW__WIRE_BYTES)
            continue;
        size_t size = (size_t)(field.bytes.end - field.bytes.at);
        if (field.field == CLEW__LINK_TRACE_ID && size == sizeof link.trace_id)
            memcpy(link.trace_id, field.bytes.at, size);
        else if (field.field == CLEW__LINK_SPAN_ID && size == sizeof link.span_id)
            memcpy(link.span_id, field.bytes.at, size);
    }
    return link;
}

static bool add_links(struct clew__tree *tree, struct clew__wire message, struct clew__tree_span *span) {
    struct clew__wire member;
    span->first_link = (uint32_t)tree->link_count;
    while (clew__next_member(&message, CLEW__SPAN_LINKS, &member)) {
        if (!grow_array((void **)&tree->links, &tree->link_capacity, tree->link_count + 1,
                        sizeof *tree->links))
            return false;
        tree->links[tree->link_count++] = read_link(member);
        span->link_count++;
    }
    return true;
}

static bool add_span(struct clew__tree *tree, struct clew__wire message, const char *service) {
    struct clew__span_fields fields;
    clew__read_span(message, &fields);
    if (!grow_array((void **)&tree->spans, &tree->span_capacity, tree->span_count + 1, sizeof *tree->spans))
        return false;

    struct clew__tree_span *span = &tree->spans[tree->span_count];
    *span = (struct clew__tree_span){
        .start_unix_nano = fields.start_unix_nano,
        .end_unix_nano = fields.end_unix_nano,
        .service = service,
        .name = keep(tree, fields.name),
        .kind = fields.kind,
        .parent = CLEW__TREE_NONE,
        .first_child = CLEW__TREE_NONE,
        .next_sibling = CLEW__TREE_NONE,
        .order = (uint32_t)tree->span_count,
    };
    memcpy(span->trace_id, fields.trace_id, sizeof span->trace_id);
    memcpy(span->span_id, fields.span_id, sizeof span->span_id);
    memcpy(span->parent_span_id, fields.parent_span_id, sizeof span->parent_span_id);
    if (fields.status_code == 2) {
        bool described = fields.status_message.at != fields.status_message.end;
        span->error = keep(tree, described ? fields.status_message
                                           : string_attribute(message, CLEW__SPAN_ATTRIBUTES, "error.type"));
        if (!span->error)
            return false;
    }
    if (!span->name || !add_links(tree, message, span))
        return false;
    tree->span_count++;
    return true;
}

bool clew__tree_add(struct clew__tree *tree, const void *traces, size_t size) {
    struct clew__wire all = clew__wire_of(traces, size), resource_spans, scope_spans, resource, span;
    while (clew__next_member(&all, CLEW__TRACES_RESOURCE_SPANS, &resource_spans)) {
        struct clew__wire rest = resource_spans, name = {NULL, NULL};
        while (clew__next_member(&rest, CLEW__RESOURCE_SPANS_RESOURCE, &resource))
            name = string_attribute(resource, CLEW__RESOURCE_ATTRIBUTES, "service.name");
        const char *service = keep(tree, name);
        if (!service)
            return false;
        while (clew__next_member(&resource_spans, CLEW__RESOURCE_SPANS_SCOPE_SPANS, &scope_spans))
            while (clew__next_member(&scope_spans, CLEW__SCOPE_SPANS_SPANS, &span))
                if (!add_span(tree, span, service))
                    return false;
    }
    return true;
}

/* ---- building ---- */

static int compare_numbers(uint64_t a, uint64_t b) {
    return (a > b) - (a < b);
}

static int compare_ids(const void *left, const void *right) {
    const struct clew__tree_span *a = left, *b = right;
    int order = memcmp(a->trace_id, b->trace_id, sizeof a->trace_id);
    if (order == 0)
        order = memcmp(a->span_id, b->span_id, sizeof a->span_id);
    return order;
}

static int compare_arrival(const void *left, const void *right) {
    const struct clew__tree_span *a = left, *b = right;
    int order = compare_ids(a, b);
    return order ? order : compare_numbers(a->order, b->order);
}

/* Siblings: by start, the longer one first, then by id, so that the result does not depend on the order of
 * arrival. */
static int compare_siblings(const void *left, const void *right, void *spans) {
    const struct clew__tree_span *a = (struct clew__tree_span *)spans + *(const uint32_t *)left;
    const struct clew__tree_span *b = (struct clew__tree_span *)spans + *(const uint32_t *)right;
    int order = compare_numbers(a->start_unix_nano, b->start_unix_nano);
    if (order == 0)
        order = compare_numbers(b->end_unix_nano, a->end_unix_nano);
    return order ? order : memcmp(a->span_id, b->span_id, sizeof a->span_id);
}

static int compare_traces(const void *left, const void *right) {
    const struct clew__tree_trace *a = left, *b = right;
    int order = compare_numbers(a->start_unix_nano, b->start_unix_nano);
    return order ? order : compare_numbers(a->first_span, b->first_span);
}

static bool same_trace(const struct clew__tree_span *a, const struct clew__tree_span *b) {
    return memcmp(a->trace_id, b->trace_id, sizeof a->trace_id) == 0;
}

/* Cuts the sorted spans into traces and drops all but the first of equal ids. */
static bool cut_traces(struct clew__tree *tree) {
    size_t kept = 0, capacity = 0;
    for (size_t i = 0; i < tree->span_count; i++) {
        struct clew__tree_span *span = &tree->spans[i], *last = kept ? &tree->spans[kept - 1] : NULL;
        if (last && compare_ids(last, span) == 0) {
            tree->traces[tree->trace_count - 1].duplicate_count++;
            continue;
        }
        if (!last || !same_trace(last, span)) {
            if (!grow_array((void **)&tree->traces, &capacity, tree->trace_count + 1, sizeof *tree->traces))
                return false;
            tree->traces[tree->trace_count++] = (struct clew__tree_trace){
                .first_span = (uint32_t)kept, .first_root = CLEW__TREE_NONE, .start_unix_nano = UINT64_MAX};
        }
        tree->traces[tree->trace_count - 1].span_count++;
        tree->spans[kept++] = *span;
    }
    tree->span_count = kept;
    return true;
}

static void find_parent(const struct clew__tree *tree, struct clew__tree_span *span) {
    static const uint8_t none[8];
    if (memcmp(span->parent_span_id, none, sizeof none) == 0)
        return;
    const struct clew__tree_span *parent = clew__tree_find(tree, span->trace_id, span->parent_span_id);
    if (parent)
        span->parent = (uint32_t)(parent - tree->spans);
    else
        span->mark = CLEW__TREE_ORPHAN;
}

/* Follows the parents of every span, each span once: who is met twice on one walk closes a cycle. It is cut
 * above the span of the cycle that started first. */
static void cut_cycles(struct clew__tree *tree, uint32_t *walks) {
    struct clew__tree_span *spans = tree->spans;
    memset(walks, 0, tree->span_count * sizeof *walks);
    for (uint32_t i = 0; i < tree->span_count; i++) {
        uint32_t at = i;
        while (at != CLEW__TREE_NONE && !walks[at]) {
            walks[at] = i + 1;
            at = spans[at].parent;
        }
        if (at == CLEW__TREE_NONE || walks[at] != i + 1)
            continue;
        uint32_t first = at;
        for (uint32_t next = spans[at].parent; next != at; next = spans[next].parent)
            if (compare_siblings(&next, &first, spans) < 0)
                first = next;
        spans[first].parent = CLEW__TREE_NONE;
        spans[first].mark = CLEW__TREE_CYCLE;
    }
}

/* `order` holds the trace's spans sorted as siblings: put in front from last to first, they end up in order.
 */
static void link_children(struct clew__tree *tree, struct clew__tree_trace *trace, const uint32_t *order) {
    for (uint32_t i = trace->span_count; i-- > 0;) {
        struct clew__tree_span *span = &tree->spans[order[i]];
        uint32_t *head =
            span->parent == CLEW__TREE_NONE ? &trace->first_root : &tree->spans[span->parent].first_child;
        span->next_sibling = *head;
        *head = order[i];
    }
}

static int compare_pointers(const void *left, const void *right) {
    const char *a = *(const char *const *)left, *b = *(const char *const *)right;
    return ((uintptr_t)a > (uintptr_t)b) - ((uintptr_t)a < (uintptr_t)b);
}

static void sum_up(const struct clew__tree *tree, struct clew__tree_trace *trace, const char **services) {
    for (uint32_t i = 0; i < trace->span_count; i++) {
        const struct clew__tree_span *span = &tree->spans[trace->first_span + i];
        services[i] = span->service;
        trace->error_count += span->error != NULL;
        if (span->start_unix_nano < trace->start_unix_nano)
            trace->start_unix_nano = span->start_unix_nano;
        if (span->end_unix_nano > trace->end_unix_nano)
            trace->end_unix_nano = span->end_unix_nano;
    }
    qsort(services, trace->span_count, sizeof *services, compare_pointers); /* equal texts are one pointer */
    for (uint32_t i = 0; i < trace->span_count; i++)
        trace->service_count += i == 0 || services[i] != services[i - 1];
}

static void build_traces(struct clew__tree *tree, uint32_t *order, const char **services) {
    for (size_t i = 0; i < tree->span_count; i++)
        find_parent(tree, &tree->spans[i]);
    cut_cycles(tree, order);
    for (size_t i = 0; i < tree->trace_count; i++) {
        struct clew__tree_trace *trace = &tree->traces[i];
        for (uint32_t k = 0; k < trace->span_count; k++)
            order[k] = trace->first_span + k;
        qsort_r(order, trace->span_count, sizeof *order, compare_siblings, tree->spans);
        link_children(tree, trace, order);
        sum_up(tree, trace, services);
    }
    qsort(tree->traces, tree->trace_count, sizeof *tree->traces, compare_traces);
}

bool clew__tree_build(struct clew__tree *tree) {
    if (tree->span_count == 0)
        return true;
    qsort(tree->spans, tree->span_count, sizeof *tree->spans, compare_arrival);
    if (!cut_traces(tree))
        return false;
    uint32_t *order = malloc(tree->span_count * sizeof *order);
    const char **services = malloc(tree->span_count * sizeof *services);
    bool enough = order && services;
    if (enough)
        build_traces(tree, order, services);
    free(order);
    free(services);
    return enough;
}

const struct clew__tree_span *clew__tree_find(const struct clew__tree *tree, const uint8_t trace_id[16],
                                              const uint8_t span_id[8]) {
    struct clew__tree_span wanted;
    memcpy(wanted.trace_id, trace_id, sizeof wanted.trace_id);
    memcpy(wanted.span_id, span_id, sizeof wanted.span_id);
    return tree->span_count
               ? bsearch(&wanted, tree->spans, tree->span_count, sizeof *tree->spans, compare_ids)
               : NULL;
}

void clew__tree_fini(struct clew__tree *tree) {
    for (size_t i = 0; i < tree->texts.capacity; i++)
        free((char *)tree->texts.slots[i]);
    free(tree->texts.slots);
    free(tree->spans);
    free(tree->links);
    free(tree->traces);
    *tree = (struct clew__tree){0};
}
