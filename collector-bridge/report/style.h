/* How a report looks: colours, width, Markdown. */
#ifndef CLEW_REPORT_STYLE_H
#define CLEW_REPORT_STYLE_H

#include "proto/wire.h"

#include <clew/common.h>

struct clew__style {
    bool colours;     /* escape sequences for colours */
    unsigned columns; /* of the terminal: lines fit, and there are bars; 0: neither */
    bool is_markdown; /* neither colours nor columns */
};

/* What the style depends on; texts are values of environment variables, NULL when unset. */
struct clew__surroundings {
    bool is_terminal;
    unsigned columns; /* of the terminal; 0: not known */
    const char *no_color, *clicolor_force, *term;
};

/* Colours and bars are for terminals; NO_COLOR and TERM=dumb take the colours away, CLICOLOR_FORCE gives them
 * to files and pipes too. */
struct clew__style clew__style_of(const struct clew__surroundings *surroundings);

/* Marks: escape sequences that a terminal undoes with CLEW__RESET. */
#define CLEW__BOLD "\x1b[1m"
#define CLEW__DIM "\x1b[2m"
#define CLEW__RED "\x1b[31m"
#define CLEW__RESET "\x1b[0m"

#define CLEW__PALETTE_SIZE 8

/* Which service has which colour: each its own, in order of appearance, as long as there are colours. All
 * zero is an empty one. */
struct clew__palette {
    uint64_t services[CLEW__PALETTE_SIZE]; /* hashes */
    size_t count;
};

/* The mark of a service, none of them red. NULL: no palette. */
const char *clew__palette_mark(struct clew__palette *palette, clew_text service);

#endif
