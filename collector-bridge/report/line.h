/* Lines and sentences of a report. Names from strangers pass clew__printable(), in Markdown they stand in
 * code spans. One thread. */
#ifndef CLEW_REPORT_LINE_H
#define CLEW_REPORT_LINE_H

#include "collector-bridge/report/style.h"

/* A line in the making, which is never wider than its room. Without `out` it is only measured. */
struct clew__line {
    struct clew__writer *out;
    bool colours;
    size_t left; /* columns that may still be filled */
    size_t used; /* columns */
};

struct clew__line clew__line_begin(struct clew__writer *out, const struct clew__style *style);
/* Appends text, made printable and cut to what is left. `mark` may be NULL. */
void clew__line_text(struct clew__line *line, const char *mark, clew_text text);
void clew__line_put(struct clew__line *line, const char *mark, const char *text);
void clew__line_spaces(struct clew__line *line, size_t count);
void clew__line_end(struct clew__line *line);

/* The longest name in a sentence, in columns. */
#define CLEW__SENTENCE_NAME 60

/* A sentence in the making; written by clew__sentence_end(), broken between words where the terminal ends. */
struct clew__sentence {
    struct clew__writer text;
    const struct clew__style *style;
};

struct clew__sentence clew__sentence_begin(const struct clew__style *style);
void clew__say(struct clew__sentence *sentence, const char *format, ...) CLEW_PRINTF(2, 3);
/* A text of several words, names in it: printable, in Markdown escaped. */
void clew__say_text(struct clew__sentence *sentence, clew_text text);
void clew__say_name(struct clew__sentence *sentence, clew_text name);
/* `service: operation`; an empty service is "unknown". */
void clew__say_operation(struct clew__sentence *sentence, clew_text service, clew_text operation);
void clew__say_duration(struct clew__sentence *sentence, uint64_t nanoseconds);
/* Whole per cents: `61 %`. */
void clew__say_share(struct clew__sentence *sentence, uint64_t part, uint64_t whole);
/* Writes it and frees it. Further lines begin with as many spaces. */
void clew__sentence_end(struct clew__sentence *sentence, struct clew__writer *out, const char *mark,
                        size_t indent);

/* A heading of a part, bold or with `##`, with an empty line before it unless it comes first. */
void clew__heading(struct clew__writer *out, const struct clew__style *style, bool is_first,
                   const char *text);

/* A name in Markdown: in a code span, which nothing in it can end; `|` is escaped for a table. */
void clew__markdown_name(struct clew__writer *out, clew_text name, bool in_table);

static inline void clew__write_text(struct clew__writer *out, const char *text) {
    clew__write_raw(out, text, strlen(text));
}

#define CLEW__TEXT_OF(literal) ((clew_text){(literal), sizeof(literal) - 1})
static inline clew_text clew__text_of(const char *text) {
    return (clew_text){text, strlen(text)};
}
/* What a service without a name is called. */
static inline clew_text clew__service_shown(clew_text service) {
    return service.size ? service : CLEW__TEXT_OF("unknown");
}

#endif
