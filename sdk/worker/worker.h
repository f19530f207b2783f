/* The one worker of the process: it steps all tasks and waits for all their descriptors. By default a thread,
 * started at the first span that needs it, with all signals blocked, named "clew", which ends when the last
 * task is closed; or the application drives by <clew/worker.h>. One thread at a time drives. */
#ifndef CLEW_WORKER_WORKER_H
#define CLEW_WORKER_WORKER_H

#include "sdk/worker/task.h"

#include <stdatomic.h>

/* Takes a task into the list, until it is closed. */
void clew__worker_add(struct clew__task *task);

/* Starts the thread unless it runs or the application drives. Cheap when it does; preserves errno. When there
 * can be no thread the spans wait, and it is tried again a second later. */
void clew__worker_ensure(void);

/* Whether there is a thread; whether there ever was one. Caller holds the worker's mutex. */
bool clew__worker_is_running(void);
bool clew__worker_was_started(void);

/* Makes the worker look at its tasks: few system calls until it does. Any thread; preserves errno. */
void clew__worker_wake(void);

/* A queue is full and the worker does not come: has another one take over if it is stuck in somebody's
 * exporter. Any thread; cheap but for once in a while. */
void clew__worker_unstick(void);

/* Tells those who flush or close that fates have changed. Not on a thread that records, and with no lock
 * held.
 */
void clew__worker_tell(void);

/* What a flush or shutdown of some tasks found: what became of what they had at the call. */
struct clew__worker_result {
    bool in_time;
    struct clew__outcome outcome;
};

/* At most so many tasks in one flush or close. */
#define CLEW__TASKS_MAX (CLEW_PIPELINES_MAX + 1)

/* Exports what the tasks have at the call; returns when that has fates, or at the deadline. */
struct clew__worker_result clew__worker_flush(struct clew__task *const *tasks, size_t count,
                                              uint64_t deadline);
/* Closes them likewise; at the deadline what is left is cancelled and counted. */
struct clew__worker_result clew__worker_close(struct clew__task *const *tasks, size_t count,
                                              uint64_t deadline);

/* Whether a task is in the list. In the child of a fork only. */
bool clew__worker_knows(const struct clew__task *task);

void clew__worker_setup(void);

/* What all tasks of the room above share: its locks come after the worker's mutex and before those of the
 * tasks, also around a fork, and what it keeps goes when there is no task to keep it for. Nothing here may
 * allocate. */
struct clew__worker_hooks {
    void (*before_fork)(void); /* takes the locks, within bounds */
    void (*after_fork_in_parent)(void);
    void (*before_repair_in_child)(void); /* of the tasks: the locks are free, whoever held them */
    void (*after_repair_in_child)(void);
    void (*idle)(void); /* no task is left; the worker's mutex is held */
};
/* Once, before there is a task. */
void clew__worker_register_hooks(const struct clew__worker_hooks *hooks);

#endif
