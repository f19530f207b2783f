/* Profiles as flame graphs, and as folded stacks for the tools that draw them. Pure, into a writer. */
#ifndef CLEW_REPORT_FLAME_H
#define CLEW_REPORT_FLAME_H

#include "proto/wire.h"

#include <clew/analysis/diff.h>
#include <clew/analysis/profile.h>

/* A picture of its own: widths are time on the critical path; a title on every box, zoom by a click and
 * search where scripts run. Nothing outside of it is needed. What is too narrow to be seen is left out, and
 * counted. False when memory ran out. */
bool clew__report_flame_svg(struct clew__writer *out, const clew_profile_view *view, clew_text title);
/* Widths are those of the second side; red is what takes longer in it, blue what takes less. */
bool clew__report_flame_diff_svg(struct clew__writer *out, const clew_diff *diff, clew_text title);

/* One line for each context with time of its own on the path: `service operation;service operation 123`, in
 * nanoseconds. What is deeper than CLEW__FOLDED_DEPTH counts for its ancestor of that depth. */
#define CLEW__FOLDED_DEPTH 200u
void clew__report_folded(struct clew__writer *out, const clew_profile_view *view);

#endif
