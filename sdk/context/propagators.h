/* Propagators inside the library: how one of a kind works, and the built-in ones. */
#ifndef CLEW_CONTEXT_PROPAGATORS_H
#define CLEW_CONTEXT_PROPAGATORS_H

#include <clew/propagation.h>

/* Contexts and carriers are never NULL here, and a carrier can do what the direction needs. */
struct clew__propagator_kind {
    int (*inject)(const clew_propagator *self, const clew_context *context, const clew_carrier *carrier);
    /* A new reference; NULL counts as `base`. */
    clew_context *(*extract)(const clew_propagator *self, const clew_context *base,
                             const clew_carrier *carrier);
    const char *const *(*fields)(const clew_propagator *self);
};

/* The first member of every propagator. */
struct clew_propagator {
    const struct clew__propagator_kind *kind;
    bool is_static; /* clew_propagator_free() leaves it alone */
};

extern clew_propagator clew__propagator_tracecontext;
extern clew_propagator clew__propagator_baggage;

/* Trace context and baggage; static. */
clew_propagator *clew__propagator_w3c(void);

/* The global propagator; trace context and baggage when none is set. */
clew_propagator *clew__propagator_global_or_w3c(void);

#endif
