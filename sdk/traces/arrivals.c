/* The histogram of times between spans. No state but the caller's. */
#include "sdk/traces/arrivals.h"

#include "sdk/measure/histogram.h"

#define TOTAL_MAX 65536u /* then all counts are halved */

/* The largest time that falls into the bucket. */
static uint64_t border_of(unsigned bucket) {
    unsigned doubling = bucket / 4 + 1;
    if (bucket < 4)
        return bucket;
    return ((4 + (uint64_t)(bucket & 3)) << (doubling - 2)) + ((UINT64_C(1) << (doubling - 2)) - 1);
}

static void halve(struct clew__arrivals *arrivals) {
    arrivals->total = 0;
    for (unsigned i = 0; i < CLEW__ARRIVAL_BUCKETS; i++)
        arrivals->total += arrivals->counts[i] /= 2;
}

void clew__arrivals_add(struct clew__arrivals *arrivals, uint64_t nano) {
    if (arrivals->total >= TOTAL_MAX)
        halve(arrivals);
    arrivals->counts[clew__histogram_bucket_of(nano)]++;
    arrivals->total++;
}

uint64_t clew__arrivals_p99(const struct clew__arrivals *arrivals) {
    uint32_t above = 0, allowed = arrivals->total / 100;
    if (arrivals->total == 0)
        return 0;
    for (unsigned i = CLEW__ARRIVAL_BUCKETS; i-- > 0;) {
        above += arrivals->counts[i];
        if (above > allowed)
            return border_of(i);
    }
    return 0;
}
