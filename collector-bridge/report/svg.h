/* What pictures share: text in XML, and how wide it is. Pure; any thread. */
#ifndef CLEW_REPORT_SVG_H
#define CLEW_REPORT_SVG_H

#include "collector-bridge/report/line.h"

/* Pixels that a character of the pictures' font takes, about. */
#define CLEW__SVG_CHARACTER 7u
#define CLEW__SVG_FONT "font-family=\"Verdana,DejaVu Sans,sans-serif\" font-size=\"11\""

/* Text as content or as a value in quotes; made printable, and cut to so many columns. Returns the columns.
 */
size_t clew__svg_text(struct clew__writer *out, clew_text text, size_t columns);
/* A whole number. */
void clew__svg_number(struct clew__writer *out, uint64_t number);
/* ` name="12"` */
void clew__svg_attribute(struct clew__writer *out, const char *name, uint64_t number);

#endif
