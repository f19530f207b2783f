/* A critical path for people and for programs. Pure, into a writer. */
#ifndef CLEW_REPORT_PATH_H
#define CLEW_REPORT_PATH_H

#include "collector-bridge/report/style.h"

#include <clew/analysis/path.h>

/* Rows of segments of one root, at most; short ones in between are put together. */
#define CLEW__PATH_ROWS 40u

/* For each root what it waited for, in a sentence and in order of time; then what there is to know about the
 * trace. False when memory ran out. */
bool clew__report_path(struct clew__writer *out, const struct clew__style *style,
                       struct clew__palette *palette, const clew_trace *trace,
                       const clew_critical_path *path);

/* The sentence alone, of the longest root. */
bool clew__report_path_brief(struct clew__writer *out, const struct clew__style *style,
                             const clew_trace *trace, const clew_critical_path *path);

/* One line of JSON. */
void clew__report_path_json(struct clew__writer *out, const clew_trace *trace,
                            const clew_critical_path *path);

/* The longest of its roots; 0 without any. */
uint64_t clew__path_longest(const clew_critical_path *path);

#endif
