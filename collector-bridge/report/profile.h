/* Profiles for people and programs; as pictures in flame.h. Pure, into a writer. */
#ifndef CLEW_REPORT_PROFILE_H
#define CLEW_REPORT_PROFILE_H

#include "collector-bridge/report/style.h"

#include <clew/analysis/profile.h>

/* What requests waited for: a sentence, and a table of operations and edges, wherever they are called from.
 * Returns how many rows there would be without a limit. */
size_t clew__report_frames(struct clew__writer *out, const struct clew__style *style,
                           struct clew__palette *palette, const clew_profile_view *view, uint32_t limit);
/* The same, and the tree of calling contexts, without what is less than a part of a hundred. */
void clew__report_profile(struct clew__writer *out, const struct clew__style *style,
                          struct clew__palette *palette, const clew_profile_view *view, uint32_t limit);
/* One line of JSON. */
void clew__report_profile_json(struct clew__writer *out, const clew_profile_view *view);

#endif
