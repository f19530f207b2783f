/* Draws trees of spans as text. */
#ifndef CLEW_CLI_DRAW_H
#define CLEW_CLI_DRAW_H

#include "collector-bridge/cli/tree.h"

#include <stdio.h>

struct clew__draw_style {
    bool colours;     /* escape sequences for colours */
    unsigned columns; /* of the terminal: lines fit, and bars show when spans ran; 0: neither */
};

/* What the style depends on; texts are values of environment variables, NULL when unset. */
struct clew__draw_surroundings {
    bool is_terminal;
    unsigned columns; /* of the terminal; 0: not known */
    const char *no_color, *clicolor_force, *term;
};

/* Colours and bars are for terminals; NO_COLOR and TERM=dumb take the colours away, CLICOLOR_FORCE gives them
 * to files and pipes too. */
struct clew__draw_style clew__draw_style_of(const struct clew__draw_surroundings *surroundings);

/* The style for a descriptor of this process. */
struct clew__draw_style clew__draw_style_for(int descriptor);

#define CLEW__DURATION_SIZE 24

/* Three significant digits: `999ns`, `1.23µs`, `12.3ms`, `123s`, `16.7min`, `2.78h`. Returns the columns, at
 * most 8. */
size_t clew__draw_duration(uint64_t nanoseconds, char text[CLEW__DURATION_SIZE]);

/* Draws every trace of a tree that is built. Takes any tree: no recursion, bounded depth of indentation. */
void clew__draw(FILE *out, const struct clew__tree *tree, struct clew__draw_style style);

#endif
