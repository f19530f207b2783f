/* Random tables of spans for tests of the critical path, and what is said of a path in words. */
#ifndef CLEW_TEST_ANALYSIS_PATH_TABLES_H
#define CLEW_TEST_ANALYSIS_PATH_TABLES_H

#include "test/unit/analysis/build.h"

#include <clew/analysis/path.h>

#define TABLE_ROOM 48

/* What a table may have besides spans that nest, touch, overlap, are empty, outlive and precede their
 * parents. */
enum {
    TABLE_WAITS = 1,          /* recorded waits: for children and others, rings too */
    TABLE_ASYNC = 2,          /* FOLLOWS_FROM */
    TABLE_ORPHANS = 4,        /* several roots; parents that are not there */
    TABLE_DISTINCT_TIMES = 8, /* no time occurs twice, none is empty */
};

struct table {
    struct build_span spans[TABLE_ROOM];
    char ids[TABLE_ROOM][20];
    size_t count;
};

/* Ids are the index and one, in hexadecimal. */
void table_random(struct random *random, struct table *table, size_t count, uint32_t with);
struct built table_build(const struct table *table);

/* Segments, one a line: root, span, start and end less `shift` and divided by `scale`, assumed; and with
 * kinds also kind and callee. To be freed with free(). */
char *path_print(const clew_trace *trace, const clew_critical_path *path, bool with_kinds, uint64_t shift,
                 uint64_t scale);

/* A fault of the path that no correct path has: not disjoint, not covering its root, outside a span, more
 * segments than 2n + 1 and two a wait, sums that do not agree. NULL: none. */
const char *path_fault(const clew_trace *trace, const clew_critical_path *path);

#endif
