/* The one thread that exports: what the application decides about it, and how an application with an event
 * loop of its own does without it. Not part of <clew/clew.h>: most programs want neither. */
#ifndef CLEW_WORKER_H
#define CLEW_WORKER_H

#include <clew/pipeline.h>

CLEW_BEGIN_DECLS

/** About the worker thread; it is started at the first span that needs it, with all signals blocked. */
typedef struct clew_worker_options {
    uint32_t struct_size; /**< sizeof, or 0 for the members of the first release */
    const char *name;     /**< as others see it (at most 15 bytes); "clew" */
    const uint32_t *cpus; /**< the processors that it may run on; NULL: those of the thread that starts it */
    size_t cpu_count;
    size_t stack_bytes;           /**< 0: 256 KiB; raised to what the system and sanitizers ask for */
    void (*on_start)(void *user); /**< runs on the thread before anything else: priority, namespaces…; may
                                     be NULL */
    void *user;
} clew_worker_options;

/** Before the first span, else CLEW_EALREADY. Copied. CLEW_EINVAL for what cannot be. A child of a fork keeps
 * them. Threads of exporters that block get the processors, the stack and the hook, too. */
CLEW_API int clew_worker_configure(const clew_worker_options *options);

/* ---- without a thread ----
 *
 * Between clew_loop_attach() and clew_loop_detach() Clew starts no thread: the application waits for what
 * clew_loop_wait() names, together with its own descriptors, and calls clew_loop_step(). One thread at a
 * time. Flush and shutdown step by themselves, on whichever thread calls them. Exporters that block (those
 * with `export_batch` alone that are not local) keep threads of their own. */

/** From now on the application drives; before the first span, or CLEW_EALREADY when the thread runs already.
 * A child of a fork has to attach anew, else it gets a thread. */
CLEW_API int clew_loop_attach(void);
/** Gives the work back to a thread of Clew's. */
CLEW_API void clew_loop_detach(void);

/** What to wait for: fills up to `capacity` descriptors, the first of which wakes the loop when spans are
 * waiting, and returns how many there are; those beyond the capacity are looked at at every step. Sets
 * `*timeout_ms` to when a step is due at the latest; -1: never. Descriptors hold until the next step. */
CLEW_API size_t clew_loop_wait(clew_poll *descriptors, size_t capacity, int *timeout_ms);

/** Does what is due. Never blocks. `descriptors` are those of the last wait with their `revents`, or NULL:
 * Clew looks by itself. Raises no SIGPIPE. */
CLEW_API void clew_loop_step(const clew_poll *descriptors, size_t count);

CLEW_END_DECLS

#endif
