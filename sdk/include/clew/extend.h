/* For exporters and samplers that live outside Clew's library: its memory, its budget, its messages.
 * libclew-otlp uses these. */
#ifndef CLEW_EXTEND_H
#define CLEW_EXTEND_H

#include <clew/pipeline.h>

CLEW_BEGIN_DECLS

/** Memory from Clew's allocator (clew_set_allocator). As malloc, realloc and free; not charged to the budget.
 */
CLEW_API void *clew_memory_allocate(size_t size);
CLEW_API void *clew_memory_reallocate(void *block, size_t size);
CLEW_API void clew_memory_release(void *block);
/** A terminated copy of `size` bytes of text; NULL when memory runs out. */
CLEW_API char *clew_memory_copy_text(const char *text, size_t size);

/** Charges `size` bytes to the memory budget; false, and nothing charged, when it is used up. */
CLEW_API bool clew_budget_take(size_t size);
/** Gives back what was taken, in one piece or several. Any thread. */
CLEW_API void clew_budget_give(size_t size);

/** Memory charged to the budget, whose holder knows its size; aligned as malloc's. NULL, and nothing changed
 * or charged: no memory, or the budget is used up. Without an allocator of the program's own, blocks of 256
 * KiB and more are mapped, and go back to the system at once: only the functions here take them. Any thread;
 * preserve errno. */
CLEW_API void *clew_charged_allocate(size_t size);
/** A block with room for more, `new_size` >= `size`; NULL with size 0 is a new one. */
CLEW_API void *clew_charged_grow(void *block, size_t size, size_t new_size);
/** `size`: of the block. NULL: nothing happens. */
CLEW_API void clew_charged_release(void *block, size_t size);

/** Says something, at most one line of one `reason` (static text, no spaces) in ten seconds. Any thread;
 * preserves errno. Never pass secrets. */
CLEW_API void clew_log(clew_log_level level, const char *reason, const char *format, ...) CLEW_PRINTF(3, 4);

/** A batch of bytes that stay the caller's and valid as long as the batch: an ExportTraceServiceRequest (or
 * what else an exporter sends) with so many spans in it. For exporters that hand on to others. NULL: no
 * memory. */
CLEW_API clew_batch *clew_batch_new(clew_bytes request, size_t span_count);
CLEW_API void clew_batch_free(clew_batch *batch);

/** Marks the calling thread as one of Clew's own work: spans that start on it are not recorded. */
CLEW_API void clew_suppress_thread(void);

CLEW_END_DECLS

#endif
