/* A descriptor to wait on that others ring: readable from the first ring until it is heard. Any thread. */
#ifndef CLEW_BASE_BELL_H
#define CLEW_BASE_BELL_H

#include "sdk/base/descriptor.h"

/* -1: no descriptor is left. */
struct clew__descriptor clew__bell_new(void);

/* Both leave one alone that the host has closed; never block; preserve errno. Ringing returns whether it
 * rings. */
bool clew__bell_ring(const struct clew__descriptor *bell);
void clew__bell_hear(const struct clew__descriptor *bell);

#endif
