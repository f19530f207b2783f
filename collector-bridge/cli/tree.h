/* The spans of all files as trees: grouped by trace, children below their parents in order of start. */
#ifndef CLEW_CLI_TREE_H
#define CLEW_CLI_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLEW__TREE_NONE UINT32_MAX /* instead of the index of a span */

struct clew__tree_link {
    uint8_t trace_id[16], span_id[8];
};

/* Why a span stands at the top of its trace although it names a parent. */
enum clew__tree_mark {
    CLEW__TREE_WHOLE = 0,
    CLEW__TREE_ORPHAN, /* the parent is in none of the files */
    CLEW__TREE_CYCLE,  /* the parent is the span itself or descends from it: the link is cut here */
};

/* Texts are terminated, of any content, and live as long as the tree. */
struct clew__tree_span {
    uint8_t trace_id[16], span_id[8], parent_span_id[8];
    uint64_t start_unix_nano, end_unix_nano; /* end 0: the span was open */
    const char *service;                     /* "" when the resource does not name it */
    const char *name;
    const char *error; /* NULL: none; else the description, or the type, or "" */
    uint32_t kind;     /* as in OTLP */
    uint32_t first_link, link_count;
    uint32_t parent, first_child, next_sibling; /* indices, once built */
    uint32_t order;                             /* of arrival */
    enum clew__tree_mark mark;
};

struct clew__tree_trace {
    uint32_t first_span, span_count; /* a run of `spans` */
    uint32_t first_root;             /* the others follow as siblings */
    uint32_t service_count, error_count;
    uint32_t duplicate_count; /* further spans of an id that is there already, left out */
    uint64_t start_unix_nano, end_unix_nano;
};

struct clew__tree_texts {
    const char **slots; /* open addressing; a power of two of them */
    size_t count, capacity;
};

/* Owned by one thread. All zero is an empty tree. */
struct clew__tree {
    struct clew__tree_span *spans;
    size_t span_count, span_capacity;
    struct clew__tree_link *links;
    size_t link_count, link_capacity;
    struct clew__tree_trace *traces; /* in order of start, once built */
    size_t trace_count;
    struct clew__tree_texts texts; /* each kept once */
};

/* Adds the spans of a well-formed TracesData. False when memory ran out or there are 2^32 spans. */
bool clew__tree_add(struct clew__tree *tree, const void *traces, size_t size);

/* Sorts, drops duplicates, links children to parents. Call it once, after all is added. Takes any input: no
 * recursion, and time in proportion to n log n. False when memory ran out. */
bool clew__tree_build(struct clew__tree *tree);

/* The span of these ids in a tree that is built; NULL when it is not there. */
const struct clew__tree_span *clew__tree_find(const struct clew__tree *tree, const uint8_t trace_id[16],
                                              const uint8_t span_id[8]);

void clew__tree_fini(struct clew__tree *tree);

#endif
