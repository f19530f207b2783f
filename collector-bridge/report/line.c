/* Lines and sentences. Keep nothing. One thread each. */
#include "collector-bridge/report/line.h"

#include "collector-bridge/report/number.h"
#include "collector-bridge/report/printable.h"
#include "sdk/base/buffer.h"

#include <stdarg.h>
#include <stdio.h>

/* ---- lines ---- */

struct clew__line clew__line_begin(struct clew__writer *out, const struct clew__style *style) {
    struct clew__line line = {
        .out = out, .colours = style->colours, .left = style->columns ? style->columns : SIZE_MAX / 2};
    return line;
}

void clew__line_text(struct clew__line *line, const char *mark, clew_text text) {
    char printable[CLEW__PRINTABLE_SIZE];
    size_t columns = clew__printable(text.data, text.size, line->left, printable);
    line->left -= columns;
    line->used += columns;
    if (!line->out || columns == 0)
        return;
    if (line->colours && mark)
        clew__write_text(line->out, mark);
    clew__write_text(line->out, printable);
    if (line->colours && mark)
        clew__write_text(line->out, CLEW__RESET);
}

void clew__line_put(struct clew__line *line, const char *mark, const char *text) {
    clew__line_text(line, mark, clew__text_of(text));
}

void clew__line_spaces(struct clew__line *line, size_t count) {
    if (count > line->left)
        count = line->left;
    line->left -= count;
    line->used += count;
    for (size_t i = 0; line->out && i < count; i++)
        clew__write_raw(line->out, " ", 1);
}

void clew__line_end(struct clew__line *line) {
    if (line->out)
        clew__write_raw(line->out, "\n", 1);
}

/* ---- sentences ---- */

struct clew__sentence clew__sentence_begin(const struct clew__style *style) {
    struct clew__sentence sentence = {.text = clew__buffer_plain(), .style = style};
    return sentence;
}

void clew__say(struct clew__sentence *sentence, const char *format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    clew__write_text(&sentence->text, text);
}

void clew__say_name(struct clew__sentence *sentence, clew_text name) {
    char printable[CLEW__PRINTABLE_SIZE];
    if (sentence->style->is_markdown) {
        clew__markdown_name(&sentence->text, name, false);
        return;
    }
    clew__printable(name.data, name.size, CLEW__SENTENCE_NAME, printable);
    clew__write_text(&sentence->text, printable);
}

/* Cut into words, as the printable text of the whole would be cut at its longest. */
void clew__say_text(struct clew__sentence *sentence, clew_text text) {
    char printable[CLEW__PRINTABLE_SIZE];
    const char *at = text.data, *end = at + text.size;
    while (at < end) {
        const char *space = memchr(at, ' ', (size_t)(end - at)), *stop = space ? space : end;
        clew__printable(at, (size_t)(stop - at), CLEW__PRINTABLE_COLUMNS, printable);
        for (const char *c = printable; *c; c++) {
            if (sentence->style->is_markdown && strchr("\\`*_{}[]<>#|~&@!", *c))
                clew__write_raw(&sentence->text, "\\", 1);
            clew__write_raw(&sentence->text, c, 1);
        }
        clew__write_text(&sentence->text, space ? " " : "");
        at = stop + 1;
    }
}

void clew__say_operation(struct clew__sentence *sentence, clew_text service, clew_text operation) {
    clew__say_name(sentence, clew__service_shown(service));
    if (!operation.size)
        return;
    clew__say(sentence, ": ");
    clew__say_name(sentence, operation);
}

void clew__say_duration(struct clew__sentence *sentence, uint64_t nanoseconds) {
    char text[CLEW__NUMBER_SIZE];
    clew__duration_text(nanoseconds, text);
    clew__write_text(&sentence->text, text);
}

void clew__say_share(struct clew__sentence *sentence, uint64_t part, uint64_t whole) {
    double percent = whole ? 100.0 * (double)part / (double)whole : 0;
    if (percent < 1)
        clew__say(sentence, part ? "less than 1%%" : "0%%");
    else
        clew__say(sentence, "%u%%", (unsigned)(percent + 0.5));
}

/* The sentence between words; what is no space is a word. */
static void write_broken(const struct clew__writer *text, struct clew__writer *out, size_t columns,
                         const char *mark, size_t indent) {
    const char *at = (const char *)text->data, *end = at + text->size;
    size_t used = 0;
    while (at < end) {
        const char *space = memchr(at, ' ', (size_t)(end - at));
        size_t size = (size_t)((space ? space : end) - at);
        char printable[CLEW__PRINTABLE_SIZE];
        size_t width = clew__printable(at, size, columns > indent ? columns - indent : 1, printable);
        if (used && used + 1 + width > columns) {
            clew__write_text(out, mark ? CLEW__RESET "\n" : "\n");
            for (size_t i = 0; i < indent; i++)
                clew__write_raw(out, " ", 1);
            if (mark)
                clew__write_text(out, mark);
            used = indent;
        } else if (at != (const char *)text->data) {
            clew__write_raw(out, " ", 1);
            used++;
        }
        clew__write_text(out, printable);
        used += width;
        at += size + 1;
    }
}

void clew__sentence_end(struct clew__sentence *sentence, struct clew__writer *out, const char *mark,
                        size_t indent) {
    const struct clew__style *style = sentence->style;
    if (!style->colours)
        mark = NULL;
    if (mark)
        clew__write_text(out, mark);
    if (style->columns)
        write_broken(&sentence->text, out, style->columns, mark, indent);
    else
        clew__write_raw(out, sentence->text.data, sentence->text.size);
    clew__write_text(out, mark ? CLEW__RESET "\n" : "\n");
    if (sentence->text.failed)
        out->failed = true;
    clew__buffer_fini(&sentence->text);
}

void clew__heading(struct clew__writer *out, const struct clew__style *style, bool is_first,
                   const char *text) {
    if (!is_first)
        clew__write_text(out, "\n");
    clew__write_text(out, style->is_markdown ? "## " : style->colours ? CLEW__BOLD : "");
    clew__write_text(out, text);
    clew__write_text(out, style->is_markdown ? "\n\n" : style->colours ? CLEW__RESET "\n" : "\n");
}

/* ---- Markdown ---- */

/* GitHub's rules: a code span ends at a run of as many backticks as it began with, and begins and ends with a
 * space when its content has a backtick there. `|` would end the cell even in a code span. */
void clew__markdown_name(struct clew__writer *out, clew_text name, bool in_table) {
    char printable[CLEW__PRINTABLE_SIZE];
    size_t longest = 0, run = 0;
    bool edge;
    clew__printable(name.data, name.size, CLEW__PRINTABLE_COLUMNS, printable);
    if (!*printable)
        return;
    for (const char *at = printable; *at; at++) {
        run = *at == '`' ? run + 1 : 0;
        longest = run > longest ? run : longest;
    }
    edge = printable[0] == '`' || printable[strlen(printable) - 1] == '`' || printable[0] == ' ';
    for (size_t i = 0; i <= longest; i++)
        clew__write_raw(out, "`", 1);
    clew__write_text(out, edge ? " " : "");
    for (const char *at = printable; *at; at++) {
        if (*at == '|' && in_table)
            clew__write_raw(out, "\\", 1);
        clew__write_raw(out, at, 1);
    }
    clew__write_text(out, edge ? " " : "");
    for (size_t i = 0; i <= longest; i++)
        clew__write_raw(out, "`", 1);
}
