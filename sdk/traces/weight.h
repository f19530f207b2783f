/* For how many spans a sampled one stands. Pure; any thread. */
#ifndef CLEW_TRACES_WEIGHT_H
#define CLEW_TRACES_WEIGHT_H

#include "sdk/traces/raw.h"

/* By the threshold in the tracestate (`ot=th:…`), in units of 1 / CLEW__WEIGHT_ONE; that where there is none.
 */
uint64_t clew__weight_of(struct clew__raw tracestate);

#endif
