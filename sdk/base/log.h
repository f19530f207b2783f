/* Clew's own messages, inside the library: clew_log() of <clew/extend.h>, and what configuration sets. */
#ifndef CLEW_BASE_LOG_H
#define CLEW_BASE_LOG_H

#include <clew/extend.h>

/* The level of OTEL_LOG_LEVEL: counts unless clew_set_log_level() was called. */
void clew__log_set_default_level(clew_log_level level);

/* In the child of a fork, where another thread of the parent may have held the lock: forgets when each reason
 * was last said. */
void clew__log_forked(void);

#endif
