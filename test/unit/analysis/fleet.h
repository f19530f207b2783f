/* Fleets of hosts with clocks that are off, and the traces that they record. For tests. */
#ifndef CLEW_TEST_ANALYSIS_FLEET_H
#define CLEW_TEST_ANALYSIS_FLEET_H

#include "test/unit/analysis/build.h"

#define FLEET_HOSTS 6
#define FLEET_SPANS 12

struct fleet {
    char hosts[FLEET_HOSTS][16];
    int64_t clocks[FLEET_HOSTS]; /* what a clock shows beyond the true time */
    uint64_t now;                /* true time of the next trace */
    uint32_t traces;
};

/* One trace; the spans point into it. */
struct fleet_trace {
    struct build_span spans[FLEET_SPANS];
    uint32_t hosts[FLEET_SPANS], parents[FLEET_SPANS]; /* the first has no parent */
    uint32_t count;
    char ids[FLEET_SPANS][16], trace[16];
};

/* Clocks are off by up to `most`. */
void fleet_init(struct fleet *fleet, struct random *random, uint64_t most);
/* Calls within calls, each within its parent by true time. Sound: each is waited for. Else also what tells
 * nothing of clocks, or something wrong: children that outlive or are longer than their parent, that have
 * not ended, messages, spans without a host. */
void fleet_record(struct fleet *fleet, struct random *random, bool is_sound, struct fleet_trace *out);
struct built fleet_build(const struct fleet_trace *trace);

#endif
