/* A batch as one request body, as it is. Owns the view of it. One thread at a time. */
#include "collector-bridge/export/body.h"

#include <clew/extend.h>

struct clew__bodies {
    const struct clew__otlp_settings *settings;
    struct clew__body whole;
    bool taken;
};

struct clew__bodies *clew__bodies_new(const struct clew__otlp_settings *settings) {
    struct clew__bodies *bodies = clew_memory_allocate(sizeof *bodies);
    if (bodies)
        *bodies = (struct clew__bodies){.settings = settings, .taken = true};
    return bodies;
}

void clew__bodies_free(struct clew__bodies *bodies) {
    clew_memory_release(bodies);
}

void clew__bodies_begin(struct clew__bodies *bodies, clew_bytes request, size_t spans) {
    bodies->whole = (struct clew__body){.data = request.data, .size = request.size, .spans = spans};
    bodies->taken = false;
}

int clew__bodies_next(struct clew__bodies *bodies, struct clew__body *out) {
    if (bodies->taken)
        return CLEW_ESHUTDOWN;
    bodies->taken = true;
    *out = bodies->whole;
    return out->size <= bodies->settings->max_request_bytes ? CLEW_OK : CLEW_ELIMIT;
}

bool clew__bodies_halve(struct clew__bodies *bodies) {
    (void)bodies;
    return false;
}

void clew__bodies_end(struct clew__bodies *bodies) {
    bodies->taken = true;
}
