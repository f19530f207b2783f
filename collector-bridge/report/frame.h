/* Frames of profiles: what they are called. Pure; any thread. */
#ifndef CLEW_REPORT_FRAME_H
#define CLEW_REPORT_FRAME_H

#include "collector-bridge/report/table.h"

#include <clew/analysis/profile.h>

/* Bytes of a label, with its terminator; services and operations are cut. */
#define CLEW__FRAME_LABEL 512

/* `shop: checkout`, `shop → bank` (`→ bank` without a caller), `(missing)`, `(trace)`, `(other)`; as it came
 * from strangers. */
void clew__frame_label(clew_frame_kind kind, clew_text service, clew_text operation, clew_text caller,
                       char label[CLEW__FRAME_LABEL]);
/* The same in two cells: service and operation. */
void clew__frame_cells(struct clew__table *table, struct clew__palette *palette, clew_frame_kind kind,
                       clew_text service, clew_text operation, clew_text caller);
/* `in shop: checkout`, `between shop and bank`. */
struct clew__sentence;
void clew__say_frame(struct clew__sentence *sentence, clew_frame_kind kind, clew_text service,
                     clew_text operation, clew_text caller);

#endif
