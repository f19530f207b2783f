/* The public name of the monotonic clock. No state. */
#include "sdk/base/clock.h"

#include <clew/pipeline.h>

uint64_t clew_monotonic_nano(void) {
    return clew__monotonic_nano();
}
