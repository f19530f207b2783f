/* The retry policy of OTLP exporters (specification: OTLP, Failures, and OTLP/HTTP Throttling): what may be
 * sent again, and after which wait. Pure: time and randomness come in as arguments; any thread. */
#ifndef CLEW_WIRE_RETRY_H
#define CLEW_WIRE_RETRY_H

#include "sdk/base/slice.h"

#include <stdint.h>

/* The specification gives no numbers; these are the ones that other SDKs use. All waits and attempts have to
 * fit into the time of the batch, ten seconds by default. */
#define CLEW__RETRY_FIRST_NANO UINT64_C(1000000000)
#define CLEW__RETRY_CAP_NANO UINT64_C(5000000000)
/* A receiver cannot silence the exporter for longer than this, nor make it spin. */
#define CLEW__RETRY_AFTER_MAX_NANO UINT64_C(300000000000)
#define CLEW__RETRY_AFTER_MIN_NANO UINT64_C(100000000)

/* 429, 502, 503 and 504; nothing else. */
bool clew__retry_status(long status);
/* The same for status codes of gRPC (OTLP, OTLP/gRPC Response): CANCELLED, DEADLINE_EXCEEDED, ABORTED,
 * OUT_OF_RANGE, UNAVAILABLE, DATA_LOSS; RESOURCE_EXHAUSTED when the answer has a RetryInfo; nothing else. */
bool clew__retry_code(int32_t code, bool has_retry_info);

/* The wait before attempt number `retry` + 1, counted from 0: 1 s, growing by half each time, at most 5 s,
 * times a factor of 0.8 to 1.2 that `random` (all 64 bits of it) chooses. */
uint64_t clew__retry_backoff_nano(unsigned retry, uint64_t random);

/* Reads the value of a Retry-After header, seconds or an HTTP date of one of the three forms, into a wait of
 * at most CLEW__RETRY_AFTER_MAX_NANO; a date that is past is 0. False: malformed (negative, too), and
 * `*wait_nano` untouched. */
bool clew__retry_after(struct clew__slice value, int64_t unix_seconds, uint64_t *wait_nano);

/* The wait to keep when the receiver asked for one: never less than it asked for within the bounds above, up
 * to a fifth more, so that clients who were told the same do not come back at the same time. */
uint64_t clew__retry_told_nano(uint64_t asked_nano, uint64_t random);

/* The waits between the attempts of one request; zeroed before the first. */
struct clew__retry {
    unsigned retries;
    uint64_t floor_nano; /* what the receiver asked for, growing; 0: nothing */
};

/* The next wait: as the receiver has asked for with this answer, else one that grows, from what it asked for
 * with an earlier one if that is longer. */
uint64_t clew__retry_next_nano(struct clew__retry *retry, bool told, uint64_t asked_nano, uint64_t random);

#endif
