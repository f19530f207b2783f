/* Bottlenecks for people and programs. Pure, into a writer. */
#ifndef CLEW_REPORT_BOTTLENECKS_H
#define CLEW_REPORT_BOTTLENECKS_H

#include "collector-bridge/report/style.h"

#include <clew/analysis/bottlenecks.h>

/* The findings, each with what it would save; at most `limit` (0: all). */
void clew__report_bottlenecks(struct clew__writer *out, const struct clew__style *style,
                              const clew_bottlenecks_view *view, uint32_t limit);
/* One line of JSON. */
void clew__report_bottlenecks_json(struct clew__writer *out, const clew_bottlenecks_view *view);

#endif
