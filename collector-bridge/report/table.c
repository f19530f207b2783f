/* Tables. The texts of all cells lie one behind the other; a cell says where. One thread. */
#include "collector-bridge/report/table.h"

#include "collector-bridge/report/line.h"
#include "collector-bridge/report/number.h"
#include "collector-bridge/report/printable.h"
#include "collector-bridge/report/remarks.h"
#include "sdk/base/buffer.h"

#include <stdio.h>

#define GAP 2u                /* columns between columns */
#define COLUMNS_MAX 16        /* of a table */
#define FLEXIBLE_EASY 20u     /* how narrow one gets as long as others can be left out */
#define FLEXIBLE_MIN 10u      /* how narrow a column gets */
#define FLEXIBLE_MAX 60u      /* how wide, where the width is free */
#define ERRORS_MARKED 100u    /* one in so many calls is marked */
#define BAR_SIZE (3 * 64 + 1) /* bytes of the longest bar */

struct cell {
    size_t text, size; /* in texts */
    const char *mark;
    bool is_name;
};

struct clew__table clew__table_begin(const struct clew__column *columns, size_t count) {
    struct clew__table table = {.columns = columns,
                                .column_count = count < COLUMNS_MAX ? count : COLUMNS_MAX,
                                .texts = clew__buffer_plain(),
                                .cells = clew__buffer_plain()};
    return table;
}

static void add(struct clew__table *table, const char *mark, clew_text text, bool is_name) {
    struct cell cell = {.text = table->texts.size, .size = text.size, .mark = mark, .is_name = is_name};
    clew__write_raw(&table->texts, text.data, text.size);
    clew__write_raw(&table->cells, &cell, sizeof cell);
}

void clew__table_put(struct clew__table *table, const char *mark, const char *text) {
    add(table, mark, clew__text_of(text), false);
}

void clew__table_name(struct clew__table *table, const char *mark, clew_text name) {
    add(table, mark, name, true);
}

void clew__table_id(struct clew__table *table, clew_text id) {
    char text[CLEW_ID_TEXT_SIZE];
    size_t size = id.size < sizeof text ? id.size : sizeof text - 1;
    if (size)
        memcpy(text, id.data, size);
    text[size] = '\0';
    clew__short_id(text);
    add(table, CLEW__DIM, clew__text_of(text), true);
}

void clew__table_duration(struct clew__table *table, const char *mark, uint64_t nanoseconds) {
    char text[CLEW__NUMBER_SIZE];
    clew__duration_text(nanoseconds, text);
    clew__table_put(table, mark, text);
}

void clew__table_share(struct clew__table *table, const char *mark, uint64_t part, uint64_t whole) {
    char text[CLEW__NUMBER_SIZE];
    clew__share_text(part, whole, text);
    clew__table_put(table, mark, text);
}

void clew__table_count(struct clew__table *table, const char *mark, uint64_t count) {
    char text[CLEW__NUMBER_SIZE];
    clew__count_text(count, text);
    clew__table_put(table, mark, text);
}

void clew__table_rate(struct clew__table *table, uint64_t calls, double seconds) {
    char text[CLEW__NUMBER_SIZE];
    clew__rate_text(seconds > 0 ? (double)calls / seconds : 0, text);
    clew__table_put(table, NULL, text);
}

void clew__table_quantile(struct clew__table *table, const clew_sketch *sketch, double quantile) {
    uint64_t nano;
    if (clew_sketch_quantile(sketch, quantile, &nano))
        clew__table_duration(table, NULL, nano);
    else
        clew__table_put(table, NULL, "");
}

void clew__table_errors(struct clew__table *table, uint64_t errors, uint64_t calls) {
    char text[2 * CLEW__NUMBER_SIZE + 4] = "", count[CLEW__NUMBER_SIZE], share[CLEW__NUMBER_SIZE];
    if (errors) {
        clew__count_text(errors, count);
        clew__share_text(errors, calls, share);
        snprintf(text, sizeof text, *share ? "%s (%s)" : "%s", count, share);
    }
    clew__table_put(table, errors && errors >= calls / ERRORS_MARKED ? CLEW__RED : NULL, text);
}

void clew__table_bar(struct clew__table *table, const char *mark, uint64_t part, uint64_t whole,
                     size_t cells) {
    static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    char bar[BAR_SIZE] = "";
    double share = whole ? (double)part / (double)whole : 0;
    size_t length = (size_t)((share < 1 ? share : 1) * (double)(cells * 8) + 0.5);
    if (part && !length)
        length = 1;
    for (size_t i = 0; i < length / 8 && i < (BAR_SIZE - 1) / 3 - 1; i++)
        strcat(bar, "█");
    strcat(bar, eighths[length % 8]);
    clew__table_put(table, mark, bar);
}

/* ---- printing ---- */

static const struct cell *cell_at(const struct clew__table *table, size_t index) {
    return (const struct cell *)(const void *)table->cells.data + index;
}

static clew_text text_at(const struct clew__table *table, const struct cell *cell) {
    return (clew_text){(const char *)table->texts.data + cell->text, cell->size};
}

static size_t width_of(clew_text text) {
    char printable[CLEW__PRINTABLE_SIZE];
    return clew__printable(text.data, text.size, CLEW__PRINTABLE_COLUMNS, printable);
}

/* Columns that say nothing in any row are left out. */
static bool is_empty(const struct clew__table *table, size_t column, size_t rows) {
    for (size_t row = 0; row < rows; row++)
        if (cell_at(table, row * table->column_count + column)->size)
            return false;
    return rows > 0;
}

/* The widths of all columns by what they hold, 0 for those that are left out. */
static void measure(const struct clew__table *table, const struct clew__style *style, size_t rows,
                    size_t *widths) {
    for (size_t column = 0; column < table->column_count; column++) {
        const struct clew__column *about = &table->columns[column];
        if (is_empty(table, column, rows))
            continue;
        widths[column] = width_of(clew__text_of(about->title));
        for (size_t row = 0; row < rows; row++) {
            const struct cell *cell = cell_at(table, row * table->column_count + column);
            size_t width = width_of(text_at(table, cell));
            widths[column] = width > widths[column] ? width : widths[column];
        }
        if (about->is_flexible && !style->columns && widths[column] > FLEXIBLE_MAX)
            widths[column] = FLEXIBLE_MAX;
    }
}

/* How many columns of the terminal are missing. */
static size_t excess(const struct clew__table *table, const size_t *widths, size_t room) {
    size_t total = 0;
    for (size_t column = 0; column < table->column_count; column++)
        if (widths[column])
            total += widths[column] + (total ? GAP : 0);
    return total > room ? total - room : 0;
}

/* Makes the widest flexible column narrower until all fit. False when none is wider than `least`. */
static bool narrow(const struct clew__table *table, size_t *widths, size_t room, size_t least) {
    for (size_t missing = excess(table, widths, room); missing; missing--) {
        size_t widest = COLUMNS_MAX;
        for (size_t column = 0; column < table->column_count; column++)
            if (table->columns[column].is_flexible && widths[column] > least &&
                (widest == COLUMNS_MAX || widths[column] > widths[widest]))
                widest = column;
        if (widest == COLUMNS_MAX)
            return false;
        widths[widest]--;
    }
    return true;
}

/* Leaves out a column: a bar, else the last minor one. False when there is none. */
static bool leave_out(const struct clew__table *table, size_t *widths) {
    size_t chosen = COLUMNS_MAX;
    for (size_t column = 0; column < table->column_count; column++) {
        const struct clew__column *about = &table->columns[column];
        if (!widths[column] || !(about->is_minor || about->is_text_only))
            continue;
        chosen = column;
        if (about->is_text_only)
            break;
    }
    if (chosen < COLUMNS_MAX)
        widths[chosen] = 0;
    return chosen < COLUMNS_MAX;
}

static void fit(const struct clew__table *table, size_t *widths, size_t room) {
    size_t narrowed[COLUMNS_MAX];
    do {
        memcpy(narrowed, widths, sizeof narrowed);
        if (narrow(table, narrowed, room, FLEXIBLE_EASY))
            break;
    } while (leave_out(table, widths));
    narrow(table, narrowed, room, FLEXIBLE_MIN);
    memcpy(widths, narrowed, sizeof narrowed);
}

static void print_cell(struct clew__line *line, const struct clew__column *column, size_t width,
                       const char *mark, clew_text text, bool is_last) {
    size_t room = line->left, used = line->used;
    struct clew__line measured = {.left = width};
    clew__line_text(&measured, NULL, text);
    if (column->is_right)
        clew__line_spaces(line, width - measured.used);
    if (line->left > measured.used)
        line->left = measured.used;
    clew__line_text(line, mark, text);
    line->left = room - (line->used - used);
    if (!column->is_right && !is_last)
        clew__line_spaces(line, width - measured.used);
    if (!is_last)
        clew__line_spaces(line, GAP);
}

static void print_row(const struct clew__table *table, const struct cell *cells, const size_t *widths,
                      struct clew__writer *out, const struct clew__style *style) {
    struct clew__line line = clew__line_begin(out, style);
    size_t last = table->column_count;
    /* No spaces at the end of a line. */
    while (last > 1 &&
           (!widths[last - 1] || (cells ? !cells[last - 1].size : !*table->columns[last - 1].title)))
        last--;
    for (size_t i = 0; i < last; i++) {
        if (!widths[i])
            continue;
        clew_text text = cells ? text_at(table, &cells[i]) : clew__text_of(table->columns[i].title);
        print_cell(&line, &table->columns[i], widths[i], cells ? cells[i].mark : CLEW__DIM, text,
                   i + 1 == last);
    }
    clew__line_end(&line);
}

static void print_text(const struct clew__table *table, struct clew__writer *out,
                       const struct clew__style *style, size_t rows) {
    size_t widths[COLUMNS_MAX] = {0};
    measure(table, style, rows, widths);
    if (style->columns)
        fit(table, widths, style->columns);
    print_row(table, NULL, widths, out, style);
    for (size_t row = 0; row < rows; row++)
        print_row(table, cell_at(table, row * table->column_count), widths, out, style);
}

static void print_markdown(const struct clew__table *table, struct clew__writer *out, size_t rows) {
    for (size_t row = 0; row < rows + 2; row++) {
        clew__write_text(out, "|");
        for (size_t i = 0; i < table->column_count; i++) {
            const struct clew__column *column = &table->columns[i];
            const struct cell *cell = row >= 2 ? cell_at(table, (row - 2) * table->column_count + i) : NULL;
            if (column->is_text_only || is_empty(table, i, rows))
                continue;
            clew__write_text(out, " ");
            if (!cell)
                clew__write_text(out, row == 0 ? column->title : column->is_right ? "--:" : "---");
            else if (cell->is_name)
                clew__markdown_name(out, text_at(table, cell), true);
            else
                clew__write_raw(out, table->texts.data + cell->text, cell->size);
            clew__write_text(out, " |");
        }
        clew__write_text(out, "\n");
    }
}

void clew__table_end(struct clew__table *table, struct clew__writer *out, const struct clew__style *style) {
    size_t rows = table->cells.size / sizeof(struct cell) / table->column_count;
    if (table->cells.failed || table->texts.failed)
        out->failed = true;
    else if (style->is_markdown)
        print_markdown(table, out, rows);
    else
        print_text(table, out, style, rows);
    clew__table_drop(table);
}

void clew__table_drop(struct clew__table *table) {
    clew__buffer_fini(&table->texts);
    clew__buffer_fini(&table->cells);
}

size_t clew__rows_shown(size_t count, uint32_t limit) {
    return limit && count > limit ? limit : count;
}

void clew__rows_rest(struct clew__writer *out, const struct clew__style *style, size_t count,
                     uint32_t limit) {
    size_t shown = clew__rows_shown(count, limit);
    struct clew__sentence sentence;
    if (shown == count)
        return;
    sentence = clew__sentence_begin(style);
    clew__say(&sentence, "%sand %zu more (--limit 0 shows all).", style->is_markdown ? "\n" : "",
              count - shown);
    clew__sentence_end(&sentence, out, CLEW__DIM, 0);
}
