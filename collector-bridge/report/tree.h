/* A trace as a tree of spans. Pure, into a writer. */
#ifndef CLEW_REPORT_TREE_H
#define CLEW_REPORT_TREE_H

#include "collector-bridge/report/style.h"

#include <clew/analysis/path.h>

/* A line a span: whether it is on the critical path (●), service, name, kind, when it began, how long it took
 * and how much of that itself, a bar where the terminal's width is known, errors, repairs and links. Takes
 * any trace: no recursion, bounded depth of indentation, lines that fit. In Markdown a block of code. */
void clew__report_tree(struct clew__writer *out, const struct clew__style *style,
                       struct clew__palette *palette, const clew_trace *trace,
                       const clew_critical_path *path);

/* One line of JSON. `options` are those of the path. False, and nothing is written, when memory runs out. */
bool clew__report_tree_json(struct clew__writer *out, const clew_trace *trace, const clew_critical_path *path,
                            const clew_path_options *options);

#endif
