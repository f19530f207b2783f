/* What ran beside the largest part of a critical path. Pure; any thread. */
#ifndef CLEW_REPORT_BESIDE_H
#define CLEW_REPORT_BESIDE_H

#include "collector-bridge/report/style.h"

#include <clew/analysis/path.h>

/* Says of the longest root, where the largest part of its path is one operation's own work of which most
 * would save nothing because other work ran at the same time, which work that is; else nothing. `options` are
 * those of the path. False when memory runs out. */
bool clew__report_beside(struct clew__writer *out, const struct clew__style *style, const clew_trace *trace,
                         const clew_critical_path *path, const clew_path_options *options);

#endif
