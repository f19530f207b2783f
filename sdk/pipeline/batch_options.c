/* No state. */
#include "sdk/pipeline/batch_options.h"

#include <clew/extend.h>

clew_batch_options clew_batch_options_default(void) {
    clew_batch_options batch = {
        .struct_size = sizeof batch,
        .max_queue_size = CLEW__MAX_QUEUE_SIZE,
        .schedule_delay_ms = CLEW__SCHEDULE_DELAY_MS,
        .export_timeout_ms = CLEW__EXPORT_TIMEOUT_MS,
        .max_export_batch_size = CLEW__MAX_EXPORT_BATCH_SIZE,
    };
    return batch;
}

void clew__batch_options_clamp(clew_batch_options *batch, const char *name) {
    if (batch->max_export_batch_size <= batch->max_queue_size)
        return;
    if (name)
        clew_log(CLEW_LOG_WARN, name, "%s %u is more than the queue holds; using %u", name,
                 batch->max_export_batch_size, batch->max_queue_size);
    batch->max_export_batch_size = batch->max_queue_size;
}

void clew__batch_options_correct(clew_batch_options *batch) {
    if (batch->max_queue_size == 0) {
        batch->max_queue_size = CLEW__MAX_QUEUE_SIZE;
        clew_log(CLEW_LOG_WARN, "clew_batch_options.max_queue_size",
                 "clew_batch_options.max_queue_size is 0; using %u", batch->max_queue_size);
    }
    if (batch->max_export_batch_size == 0) {
        batch->max_export_batch_size = CLEW__MAX_EXPORT_BATCH_SIZE;
        clew__batch_options_clamp(batch, NULL);
        clew_log(CLEW_LOG_WARN, "clew_batch_options.max_export_batch_size",
                 "clew_batch_options.max_export_batch_size is 0; using %u", batch->max_export_batch_size);
    }
    clew__batch_options_clamp(batch, "clew_batch_options.max_export_batch_size");
    if (batch->on_full != CLEW_DROP_NEWEST && batch->on_full != CLEW_DROP_OLDEST) {
        batch->on_full = CLEW_DROP_NEWEST;
        clew_log(CLEW_LOG_WARN, "clew_batch_options.on_full",
                 "clew_batch_options.on_full is unknown; using CLEW_DROP_NEWEST");
    }
}
