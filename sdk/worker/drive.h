/* Driving the tasks: what the worker's thread, an application's loop and a flush without a thread share. One
 * driver at a time; each has a number, and one that does not come back is replaced by the next. */
#ifndef CLEW_WORKER_DRIVE_H
#define CLEW_WORKER_DRIVE_H

#include "sdk/worker/task.h"

#include "sdk/base/clock.h"

#include <pthread.h>

#define CLEW__DESCRIPTORS_MAX 64
/* How soon to look again for who cannot wait, or cannot be woken. */
#define CLEW__BLIND_NANO (10 * CLEW__NANO_PER_MILLI)

/* The worker's mutex: over the list of tasks, who drives, and what those who wait look at. */
extern pthread_mutex_t clew__drive_mutex;

/* The calls below want the mutex held. */

/* Becomes the driver; 0 when there is one. */
uintptr_t clew__drive_begin(void);
/* Gives it back, unless replaced. */
void clew__drive_end(uintptr_t self);
bool clew__drive_is(uintptr_t self);
bool clew__drive_is_idle(void);
bool clew__drive_is_inside(void); /* the calling thread is in a task's step */
/* Whether the application's loop is to drive, and no thread. Reading it needs no mutex. */
bool clew__drive_is_by_loop(void);
void clew__drive_set_by_loop(bool by_loop);
/* Takes the driver's place away when it has been in one task for so long and there are others; true when it
 * did. What it is in stays held until it comes back. */
bool clew__drive_replace(uint64_t stuck_nano);
/* Does so whatever it does. */
void clew__drive_replace_at_once(void);
/* Whether a task is left that is not closed. */
bool clew__drive_has_work(void);
/* The first task; follow `next`. */
struct clew__task *clew__drive_tasks(void);
void clew__drive_add(struct clew__task *task);
/* Takes a task that is held off the list: closed without the thread that is in it. */
bool clew__drive_abandon(struct clew__task *task);
/* Takes closed tasks off the list; false when none is left. */
bool clew__drive_forget_closed(void);
void clew__drive_forked(void);

/* Counts whenever anybody looks what to wait for, or steps: descriptors of an earlier count are stale. */
uint64_t clew__drive_rounds(void);

/* And these want it free: one round over all tasks. False when the driver was replaced meanwhile. */
bool clew__drive_step(uintptr_t self, const clew_poll *polled, uint64_t *wake);
bool clew__drive_wait(uintptr_t self, clew_poll *descriptors, size_t capacity, size_t *count, uint64_t *wake);
/* Waits for those and the wake-up; returns at the time given at the latest. */
void clew__drive_poll(clew_poll *descriptors, size_t count, uint64_t wake);

#endif
