/* A table: collects cells, then prints them aligned, or as Markdown. One thread. */
#ifndef CLEW_REPORT_TABLE_H
#define CLEW_REPORT_TABLE_H

#include "collector-bridge/report/style.h"

#include <clew/analysis/sketch.h>

struct clew__column {
    const char *title;
    bool is_right;     /* aligned: numbers */
    bool is_flexible;  /* gets narrower when the terminal is */
    bool is_minor;     /* left out when the terminal is so narrow that names could not be read */
    bool is_text_only; /* not in Markdown: bars; left out before those */
};

struct clew__table {
    const struct clew__column *columns;
    size_t column_count;
    struct clew__writer texts, cells;
};

/* Keeps `columns`. The cells of a row follow one another. */
struct clew__table clew__table_begin(const struct clew__column *columns, size_t count);
/* A cell of words of our own, and one of a name from strangers. Both are copied; `mark` is not. */
void clew__table_put(struct clew__table *table, const char *mark, const char *text);
void clew__table_name(struct clew__table *table, const char *mark, clew_text name);
/* The first digits of an id, as people name it. */
void clew__table_id(struct clew__table *table, clew_text id);
/* Of numbers; those that say nothing (0 of a whole of 0) are empty. */
void clew__table_duration(struct clew__table *table, const char *mark, uint64_t nanoseconds);
void clew__table_share(struct clew__table *table, const char *mark, uint64_t part, uint64_t whole);
void clew__table_count(struct clew__table *table, const char *mark, uint64_t count);
void clew__table_rate(struct clew__table *table, uint64_t calls, double seconds);
void clew__table_quantile(struct clew__table *table, const clew_sketch *sketch, double quantile);
/* `3 (1.20%)`, marked when it is one in a hundred; nothing for none. */
void clew__table_errors(struct clew__table *table, uint64_t errors, uint64_t calls);
/* A part of a whole in eighths of `cells` columns; the least that is something shows. */
void clew__table_bar(struct clew__table *table, const char *mark, uint64_t part, uint64_t whole,
                     size_t cells);
/* Writes it, with a line of titles, and frees it. */
void clew__table_end(struct clew__table *table, struct clew__writer *out, const struct clew__style *style);
/* Frees it unwritten. */
void clew__table_drop(struct clew__table *table);

/* How many rows are shown, with a limit (0: none), and a sentence about the others. */
size_t clew__rows_shown(size_t count, uint32_t limit);
void clew__rows_rest(struct clew__writer *out, const struct clew__style *style, size_t count, uint32_t limit);

#endif
