/* Fleets: what a clock shows is the true time and what it is off. */
#include "test/unit/analysis/fleet.h"

#include <stdio.h>

#define SECOND UINT64_C(1000000000)

void fleet_init(struct fleet *fleet, struct random *random, uint64_t most) {
    fleet->now = 1000000 * SECOND;
    fleet->traces = 0;
    for (uint32_t i = 0; i < FLEET_HOSTS; i++) {
        snprintf(fleet->hosts[i], sizeof fleet->hosts[i], "host-%c", (char)('a' + i));
        fleet->clocks[i] = (int64_t)random_below(random, 2 * most + 1) - (int64_t)most;
    }
}

struct interval {
    uint64_t start, end;
};

static struct interval inside(struct random *random, struct interval outer) {
    uint64_t length = outer.end - outer.start;
    uint64_t start = outer.start + random_below(random, length / 3 + 1);
    uint64_t end = outer.end - random_below(random, length / 3 + 1);
    return (struct interval){start, end};
}

static void spoil(struct random *random, struct build_span *span) {
    switch (random_below(random, 8)) {
    case 0:
        span->start += SECOND / 20;
        span->end += SECOND / 20;
        break;
    case 1:
        span->start = span->start > SECOND / 10 ? span->start - SECOND / 10 : span->start;
        break;
    case 2:
        span->end = 0;
        break;
    case 3:
        span->kind = CLEW_CONSUMER;
        break;
    case 4:
        span->kind = CLEW_PRODUCER;
        break;
    case 5:
        span->host = NULL;
        break;
    default:
        break;
    }
}

void fleet_record(struct fleet *fleet, struct random *random, bool is_sound, struct fleet_trace *out) {
    struct interval times[FLEET_SPANS];
    out->count = 2 + (uint32_t)random_below(random, FLEET_SPANS - 1);
    snprintf(out->trace, sizeof out->trace, "%x", ++fleet->traces);
    for (uint32_t i = 0; i < out->count; i++) {
        uint32_t parent = i ? (uint32_t)random_below(random, i) : 0;
        uint32_t host = (uint32_t)random_below(random, FLEET_HOSTS);
        times[i] = i ? inside(random, times[parent])
                     : (struct interval){fleet->now, fleet->now + 1000 + random_below(random, 50000000)};
        snprintf(out->ids[i], sizeof out->ids[i], "%x", i + 1);
        out->hosts[i] = host;
        out->parents[i] = parent;
        out->spans[i] = (struct build_span){.id = out->ids[i],
                                            .parent = i ? out->ids[parent] : NULL,
                                            .start = times[i].start + (uint64_t)fleet->clocks[host],
                                            .end = times[i].end + (uint64_t)fleet->clocks[host],
                                            .host = fleet->hosts[host],
                                            .trace = out->trace};
        if (!is_sound)
            spoil(random, &out->spans[i]);
    }
    fleet->now += random_below(random, 60 * SECOND);
}

struct built fleet_build(const struct fleet_trace *trace) {
    return build_trace(trace->spans, trace->count, NULL);
}
