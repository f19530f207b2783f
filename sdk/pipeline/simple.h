/* The simple processor for local exporters: each sampled span is exported inside its end, one at a time. */
#ifndef CLEW_PIPELINE_SIMPLE_H
#define CLEW_PIPELINE_SIMPLE_H

#include <clew/diagnostics.h>
#include <clew/pipeline.h>

#include "sdk/pipeline/account.h"
#include "sdk/pipeline/duration.h"
#include "sdk/pipeline/request.h"

struct clew__simple;

/* Takes the exporter over, also when it returns NULL (no memory, no account number). */
struct clew__simple *clew__simple_new(const clew_exporter *exporter, struct clew__origin *origin);

/* Exports a span that has ended. Runs the exporter on this thread, with spans suppressed. */
void clew__simple_offer(struct clew__simple *simple, struct clew__thread *thread,
                        const struct clew__scope *scope, const uint8_t *span, size_t size, bool sampled);

/* Has the exporter write out what it buffers itself, once no export runs; CLEW_ETIMEDOUT at the deadline. */
int clew__simple_flush(struct clew__simple *simple, uint64_t deadline);

/* No export begins any more. Destroys the exporter, for which it waits for an export that is running; false
 * when that takes beyond the deadline: then the export does it as it ends. */
bool clew__simple_close(struct clew__simple *simple, uint64_t deadline);
/* Only one that was never published. */
void clew__simple_free(struct clew__simple *simple);
void clew__simple_stats(struct clew__simple *simple, clew_pipeline_stats *out);
const struct clew__durations *clew__simple_durations(const struct clew__simple *simple);
void clew__simple_forked(struct clew__simple *simple);

#endif
