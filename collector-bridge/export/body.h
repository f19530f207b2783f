/* What is sent of a batch: its spans as one or several request bodies, each within the limit of the receiver,
 * as protobuf or JSON, compressed or not. Buffers are kept from batch to batch within reason, and charged to
 * the memory budget. One thread at a time. */
#ifndef CLEW_EXPORT_BODY_H
#define CLEW_EXPORT_BODY_H

#include "collector-bridge/export/settings.h"

#include <clew/pipeline.h>

/* One body; valid until the next call on the maker. */
struct clew__body {
    const uint8_t *data; /* as it travels */
    size_t size;
    size_t spans;
    bool compressed; /* with the encoding of the settings; not when that gained nothing or had no memory */
};

struct clew__bodies;

/* NULL: no memory. The settings outlive it. */
struct clew__bodies *clew__bodies_new(const struct clew__otlp_settings *settings);
void clew__bodies_free(struct clew__bodies *bodies);

/* Begins with a batch, whose bytes stay valid until the end. */
void clew__bodies_begin(struct clew__bodies *bodies, clew_bytes request, size_t spans);

/* The next piece. CLEW_OK; CLEW_ELIMIT: `out->spans` spans are passed over, each of them larger than the
 * limit by itself; CLEW_ENOMEM: `out->spans` spans could not be encoded; CLEW_EFORMAT: from here on the
 * request is none. CLEW_ESHUTDOWN: there is none left. Metrics are not cut: they go whole or not at all. */
int clew__bodies_next(struct clew__bodies *bodies, struct clew__body *out);

/* The receiver found the last piece too large: goes back to its beginning, and from here to the end of the
 * batch no piece has more than half of its spans. False when it was a single span. */
bool clew__bodies_halve(struct clew__bodies *bodies);

/* Nothing of the batch is needed any more; gives back what is large. Any number of times. */
void clew__bodies_end(struct clew__bodies *bodies);

/* For the child of a fork: as the end, but leaves behind what may be half changed. Frees nothing. */
void clew__bodies_forget(struct clew__bodies *bodies);

#endif
