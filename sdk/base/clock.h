/* The clocks. The vDSO's; behind this header so that a calibrated counter can take its place. Any thread; no
 * errno. */
#ifndef CLEW_BASE_CLOCK_H
#define CLEW_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define CLEW__NANO_PER_SECOND UINT64_C(1000000000)
#define CLEW__NANO_PER_MILLI UINT64_C(1000000)

static inline uint64_t clew__clock_read(clockid_t id) {
    struct timespec now;
    clock_gettime(id, &now); /* cannot fail with these clocks */
    return (uint64_t)now.tv_sec * CLEW__NANO_PER_SECOND + (uint64_t)now.tv_nsec;
}

static inline uint64_t clew__monotonic_nano(void) {
    return clew__clock_read(CLOCK_MONOTONIC);
}

static inline uint64_t clew__unix_nano(void) {
    return clew__clock_read(CLOCK_REALTIME);
}

/* When a timeout that starts now is over. */
static inline uint64_t clew__deadline(uint32_t timeout_ms) {
    return clew__monotonic_nano() + timeout_ms * CLEW__NANO_PER_MILLI;
}

#endif
