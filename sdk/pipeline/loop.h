/* Driving by the application's own loop; see <clew/worker.h>. */
#ifndef CLEW_PIPELINE_LOOP_H
#define CLEW_PIPELINE_LOOP_H

#include <stdbool.h>

/* Whether the application drives. Changes under the worker's mutex. */
bool clew__loop_is_attached(void);
void clew__loop_forked(void);

#endif
