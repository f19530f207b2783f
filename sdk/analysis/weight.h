/* For how many spans a sampled one stands. Pure; any thread. */
#ifndef CLEW_ANALYSIS_WEIGHT_H
#define CLEW_ANALYSIS_WEIGHT_H

#include "sdk/analysis/raw.h"

/* By the threshold in the tracestate (`ot=th:…`), in units of 1 / CLEW__WEIGHT_ONE; that where there is none.
 */
uint64_t clew__weight_of(struct clew__raw tracestate);

#endif
