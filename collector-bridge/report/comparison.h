/* The comparison of two windows for people and programs. Pure, into a writer. */
#ifndef CLEW_REPORT_COMPARISON_H
#define CLEW_REPORT_COMPARISON_H

#include "collector-bridge/report/style.h"

#include <clew/analysis/baseline.h>

/* What got worse, new, gone or better, as a table; and why requests take longer or less, in parts that sum as
 * they are printed. False when memory ran out. */
bool clew__report_comparison(struct clew__writer *out, const struct clew__style *style,
                             struct clew__palette *palette, const clew_comparison *comparison,
                             uint32_t limit);
/* One line of JSON. */
void clew__report_comparison_json(struct clew__writer *out, const clew_comparison *comparison);

#endif
