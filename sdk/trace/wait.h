/* Waits: what a span says about standing still until another one is done, each an event of fixed size whose
 * duration is filled in at its end. The operations take a slot that the caller has locked. */
#ifndef CLEW_TRACE_WAIT_H
#define CLEW_TRACE_WAIT_H

#include "sdk/trace/slot.h"

/* Appends the event, with duration 0. Past a limit it is dropped and counted. */
void clew__wait_begin(struct clew__slot *slot, const uint8_t target[8], uint64_t unix_nano);
/* Gives the open wait for that span that began last its duration, at least a nanosecond: 0 would say that it
 * is open. False when there is none. */
bool clew__wait_end(struct clew__slot *slot, const uint8_t target[8], uint64_t unix_nano);

/* `size` bytes behind `at` were taken out of the body, in which at least one wait is open. */
void clew__waits_moved(struct clew__slot *slot, uint32_t at, uint32_t size);
/* The bytes become final: what is open keeps duration 0. */
void clew__waits_seal(struct clew__slot *slot);

#endif
