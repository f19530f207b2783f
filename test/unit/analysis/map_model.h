/* Random traces that link to each other, and a simple model of the service map's rules that looks at them
 * span by span: n², and none of the map's code. */
#ifndef CLEW_TEST_ANALYSIS_MAP_MODEL_H
#define CLEW_TEST_ANALYSIS_MAP_MODEL_H

#include "test/unit/analysis/maps.h"

/* Spans of several traces: ids are unique, times sane, parents may be missing. */
struct fleet {
    struct build_span *spans;
    size_t count;
    char *names;
};
/* At most `traces` traces of at most `spans` spans. */
struct fleet fleet_new(struct random *random, size_t traces, size_t spans);
void fleet_free(struct fleet *fleet);

/* The value of an attribute, or NULL. */
const char *fleet_attribute(const struct build_span *span, const char *key);
bool model_has_failed(const struct build_span *span);
uint64_t model_weight(const struct build_span *span);
/* Whether the span enters its service. */
bool model_is_entry(const struct fleet *fleet, const struct build_span *span);

#define MODEL_EDGES 512

/* Counts are weighted; of samples, how many and the sum of value times weight. */
struct model_samples {
    uint64_t count, sum;
};

struct model_edge {
    const char *client, *server;
    clew_edge_type type;
    uint64_t calls, errors, client_errors, server_errors, client_only_errors, indirect, skewed;
    struct model_samples gap, lag;
};

struct model {
    struct model_edge edges[MODEL_EDGES];
    size_t edge_count;
    clew_map_side in, out;
    uint64_t unpaired_in, unpaired_out;
    uint64_t paired_calls; /* of pairs by parent, and by links */
    /* By service: which edge of a span has its sample is the map's choice. */
    struct model_side {
        const char *service;
        uint64_t calls, errors; /* by which it is entered */
        struct model_samples client, server;
    } services[16];
    size_t service_count;
};

void model_of(struct model *model, const struct fleet *fleet);

#endif
