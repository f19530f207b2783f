/* Owns the change detector: Page-Hinkley (Page, 1954; Hinkley, 1971), a step for each value. One thread at a
 * time each. */
#include "sdk/analysis/statistics.h"

#include <math.h>

/* So many values first teach mean and deviation. */
#define LEARNED 30u
/* Deviations are taken for no smaller than five per cent: a change that a person would not call one. */
#define LEAST_DEVIATION 0.05

void clew__change_detector_init(struct clew__change_detector *detector, double tolerance, double threshold) {
    *detector = (struct clew__change_detector){.tolerance = tolerance, .threshold = threshold};
}

static void learn(struct clew__change_detector *detector, double value) {
    double from_mean = value - detector->mean;
    detector->count++;
    detector->mean += from_mean / (double)detector->count;
    detector->squares += from_mean * (value - detector->mean);
}

enum clew__change clew__change_detector_add(struct clew__change_detector *detector, uint64_t nano) {
    double value = log((double)(nano ? nano : 1));
    enum clew__change change = CLEW__CHANGE_NONE;
    learn(detector, value);
    if (detector->count <= LEARNED)
        return CLEW__CHANGE_NONE;

    double deviation = fmax(LEAST_DEVIATION, sqrt(detector->squares / (double)(detector->count - 1)));
    double distance = (value - detector->mean) / deviation;
    detector->up += distance - detector->tolerance;
    detector->down += distance + detector->tolerance;
    detector->up_least = fmin(detector->up_least, detector->up);
    detector->down_most = fmax(detector->down_most, detector->down);
    if (detector->up - detector->up_least > detector->threshold)
        change = CLEW__CHANGE_UP;
    else if (detector->down_most - detector->down > detector->threshold)
        change = CLEW__CHANGE_DOWN;
    if (change != CLEW__CHANGE_NONE)
        clew__change_detector_init(detector, detector->tolerance, detector->threshold);
    return change;
}
