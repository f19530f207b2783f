/* Threads of Clew's own: detached, all signals blocked, spans suppressed, as clew_worker_configure() has it.
 */
#ifndef CLEW_WORKER_OWN_THREAD_H
#define CLEW_WORKER_OWN_THREAD_H

#include <clew/worker.h>

/* Starts one; the number of an error, or 0. */
int clew__own_thread_start(void *(*body)(void *argument), void *argument);

/* The first thing that its body does. `name`: NULL is the configured one. */
void clew__own_thread_begin(const char *name);

/* What the body does before it tells anybody that it is done. */
void clew__own_thread_leaves(void);
/* Waits until the thread that left last is gone, at most until the deadline: what libraries keep for a thread
 * is freed on its way out, which must not meet the end of the program. Preserves errno. */
void clew__own_thread_wait(uint64_t deadline);
/* In the child of a fork. */
void clew__own_thread_forked(void);

/* Takes over what the application decided. CLEW_EINVAL. */
int clew__own_thread_configure(const clew_worker_options *options);

#endif
