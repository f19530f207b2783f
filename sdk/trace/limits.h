/* Span limits: the specification's defaults, and what is done with values out of range. Pure but for the log.
 */
#ifndef CLEW_TRACE_LIMITS_H
#define CLEW_TRACE_LIMITS_H

#include <clew/provider.h>

#define CLEW__COUNT_LIMIT 128u /* of attributes, events and links alike */

/* Brings limits that were given in code into their ranges; what was wrong is logged. */
void clew__limits_correct(clew_limits *limits);

#endif
