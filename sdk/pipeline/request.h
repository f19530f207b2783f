/* Requests: the records of some chunks as one ExportTraceServiceRequest, grouped by scope. */
#ifndef CLEW_PIPELINE_REQUEST_H
#define CLEW_PIPELINE_REQUEST_H

#include "sdk/pipeline/batch.h"
#include "sdk/pipeline/chunk.h"
#include "sdk/resource/origin.h"

#include <stdatomic.h>

/* A batch on its way. Counted: a thread that an exporter is stuck in may outlive everybody else's interest.
 */
struct clew__outgoing {
    struct clew_batch batch;
    size_t charged;
    atomic_uint references;
    uint8_t data[];
};

/* Copies the first `limit` records of a list of chunks and moves the chunks' `begin` past them; a chunk that
 * is read to its end stays in the list, empty. When the budget has no room for all, takes half, and half of
 * that; a single span is taken even over the budget, else a full queue could never empty. NULL when there is
 * no memory or no record. */
struct clew__outgoing *clew__request_build(struct clew__origin *origin, struct clew__chunk *chunks,
                                           size_t limit);

/* A request of one span that is in nobody's chunk. */
struct clew__outgoing *clew__request_of_span(struct clew__origin *origin, const struct clew__scope *scope,
                                             const void *span, size_t span_size);

/* A copy of a whole request. */
struct clew__outgoing *clew__request_copy(clew_bytes request, size_t count);

void clew__outgoing_unref(struct clew__outgoing *outgoing);

#endif
