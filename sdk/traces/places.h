/* Where spans of a trace stand to each other, as the service map and the table of operations need it: which
 * way a span looks, who calls it, whether its service is entered by it. One thread at a time. */
#ifndef CLEW_TRACES_PLACES_H
#define CLEW_TRACES_PLACES_H

#include "sdk/traces/model.h"

enum clew__side {
    CLEW__SIDE_NONE = 0, /* kind-less: INTERNAL, or not said; phantoms */
    CLEW__SIDE_OUT,      /* CLIENT, PRODUCER; not said: it has a service and names a peer (old tracers) */
    CLEW__SIDE_IN,       /* SERVER, CONSUMER */
};

/* Which way a span looks; NULL: a phantom. */
enum clew__side clew__side_of(const struct clew__record *record);

struct clew__place {
    uint32_t named;  /* the nearest ancestor that has a service, or CLEW_NO_SPAN */
    uint32_t kinded; /* the nearest from the span itself upwards that has a service or a side, or
                        CLEW_NO_SPAN */
    uint32_t anchor; /* from the span itself upwards, through kind-less spans of one service (or none): the
                        first with a side, else the topmost that has a service, or CLEW_NO_SPAN */
    uint8_t side;    /* enum clew__side */
    bool is_entry;   /* its service is entered by it: a root, a call from another service */
};

/* All zero is empty. Used for one trace after the other. */
struct clew__places {
    struct clew__place *at; /* by node */
    uint32_t *order;        /* nodes, parents first */
    uint32_t capacity;
};

/* False when memory runs out. Linear in time. */
bool clew__places_make(struct clew__places *places, const struct clew_trace *trace);
void clew__places_fini(struct clew__places *places);

static inline clew__text clew__service_of(const struct clew_trace *trace, uint32_t node) {
    const struct clew__record *record = trace->nodes[node].record;
    return record ? record->service : 0;
}

/* The one that calls an IN span, by its parents: anchor of its parent; CLEW_NO_SPAN. */
static inline uint32_t clew__places_caller(const struct clew__places *places, const struct clew_trace *trace,
                                           uint32_t node) {
    uint32_t parent = trace->nodes[node].parent;
    return parent == CLEW_NO_SPAN ? CLEW_NO_SPAN : places->at[parent].anchor;
}

#endif
