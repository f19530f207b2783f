/* Differences for people and programs. Pure, into a writer. */
#ifndef CLEW_REPORT_DIFF_H
#define CLEW_REPORT_DIFF_H

#include "collector-bridge/report/style.h"

#include <clew/analysis/diff.h>

/* How much slower, what explains it, and what is new or gone. */
void clew__report_diff(struct clew__writer *out, const struct clew__style *style,
                       struct clew__palette *palette, const clew_diff *diff, uint32_t limit);
/* One line of JSON. */
void clew__report_diff_json(struct clew__writer *out, const clew_diff *diff);

#endif
