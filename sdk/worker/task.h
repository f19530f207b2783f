/* Tasks: work that lives on the one worker, each with an exporter of its own. A batching pipeline is one
 * (stream.h); a periodic report could be another.
 *
 * The contract of a task:
 *  - `step` and `wait` run on whoever drives (the worker thread, or the application by its own loop), one
 *    thread at a time, with signals of writing blocked. They must not block; a task that does so all the same
 *    is left behind with the thread that is stuck in it, and the others go on elsewhere.
 *  - A flush asks with a ticket and waits until its `open` is 0 or the time is over. What is asked later
 * never prolongs it. A close asks likewise, then sets `close_deadline` and the phase CLOSING; from then on
 * `step` finishes what there is, at the deadline cancels it, destroys the exporter, and ends with
 *    clew__task_closed(). After that it is not called again.
 *  - The task's memory stays as long as the process, or until clew__task_closed() when nobody else looks. */
#ifndef CLEW_WORKER_TASK_H
#define CLEW_WORKER_TASK_H

#include <clew/pipeline.h>

#include <stdatomic.h>

enum clew__phase {
    CLEW__OPEN = 0,
    CLEW__CLOSING, /* takes nothing more; finishes what it has until its deadline */
    CLEW__CLOSED,  /* nothing left, the exporter is destroyed */
};

/* Spans by what became of them. */
struct clew__outcome {
    uint64_t delivered;
    uint64_t rejected; /* by the receiver */
    uint64_t failed;   /* dropped, or not delivered for another reason */
    uint64_t unknown;
    uint64_t spooled;
};

/* What one flush or close waits for of one task. Until `take_back` it belongs to the task; its `outcome` and
 * `next` are guarded by the task's own lock. */
struct clew__ticket {
    _Atomic uint64_t open; /* what has no fate yet */
    struct clew__outcome outcome;
    uint32_t epoch; /* the task's own use */
    struct clew__ticket *next;
};

struct clew__task;

struct clew__task_kind {
    /* Does what is due. `polled`: what `wait` gave, with `revents`, or NULL and 0. Lowers `*wake` to when it
     * wants to be stepped again at the latest. */
    void (*step)(struct clew__task *task, const clew_poll *polled, size_t count, uint64_t now,
                 uint64_t *wake);
    /* Fills in what to wait for, at most `capacity`; returns how many; lowers `*wake`. */
    size_t (*wait)(struct clew__task *task, clew_poll *descriptors, size_t capacity, uint64_t *wake);
    /* A flush begins, on any thread: sets `open` and keeps the ticket. May wait until the deadline for
     * threads that are just handing something in. */
    void (*ask)(struct clew__task *task, struct clew__ticket *ticket, uint64_t deadline);
    /* It ends: the task forgets the ticket, and adds to its outcome what is still open. */
    void (*take_back)(struct clew__task *task, struct clew__ticket *ticket);
    /* A thread is stuck in the task's exporter, and a close has waited long enough: gives everything that is
     * left a fate, so that the task counts as closed. False when no exporter is being called: then it is not
     * stuck. Caller holds the worker's mutex. */
    bool (*abandon)(struct clew__task *task);
    /* No thread was given time to finish, and a close waits no longer: gives everything that is left a fate.
     * The task still closes by `step`, but counts nothing more. Without the worker's mutex; may be NULL. */
    void (*give_up)(struct clew__task *task);
    /* The thread has come back to an abandoned task, and is the only one in it: frees what is left. */
    void (*bury)(struct clew__task *task);
    /* In the child of a fork, single-threaded; must not allocate. */
    void (*forked)(struct clew__task *task);
};

struct clew__task {
    const struct clew__task_kind *kind;
    _Atomic int phase;
    _Atomic uint64_t close_deadline; /* UINT64_MAX until a close */

    /* The worker's own, under its mutex. */
    size_t poll_first, poll_count; /* of the descriptors of the last wait */
    uintptr_t held_by;             /* the driver that is in `step` or `wait`; 0: none */
    bool is_abandoned;
    struct clew__task *next;
};

static inline void clew__task_init(struct clew__task *task, const struct clew__task_kind *kind) {
    task->kind = kind;
    atomic_init(&task->phase, CLEW__OPEN);
    atomic_init(&task->close_deadline, UINT64_MAX);
}

static inline bool clew__task_is_open(struct clew__task *task) {
    return atomic_load_explicit(&task->phase, memory_order_acquire) == CLEW__OPEN;
}
static inline bool clew__task_is_closing(struct clew__task *task) {
    return atomic_load_explicit(&task->phase, memory_order_acquire) == CLEW__CLOSING;
}

/* The last thing that a task does: it is closed. */
void clew__task_closed(struct clew__task *task);

#endif
