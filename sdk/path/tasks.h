/* All that a root may wait for, as a tree of tasks: what questions of "what if" are asked of. A span that is
 * waited for in several windows is several tasks. One thread at a time. */
#ifndef CLEW_PATH_TASKS_H
#define CLEW_PATH_TASKS_H

#include "sdk/path/relation.h"

/* Instead of the parent of a root. */
#define CLEW__NO_TASK UINT32_MAX

struct clew__task {
    uint64_t start, end;
    uint64_t before; /* the latest end of a sibling that had ended when it started, else the parent's start */
    uint32_t span;   /* CLEW_NO_SPAN: the whole trace */
    uint32_t parent;
    uint32_t first, count; /* children, in order of start */
};

/* All zero is a valid start. */
struct clew__tasks {
    struct clew__relations relations;
    struct clew__task *items; /* roots first, in the order of the path's; parents before their children */
    uint32_t *by_end;         /* in the place of each task's children: these in order of end */
    uint32_t count, capacity, by_end_capacity, root_count;
    uint64_t steps;
    /* Scratch of the making. */
    struct clew__pieces pieces;
    struct clew__piece *spare;
    uint32_t *open; /* tasks whose children are being made, the outermost first */
    bool *is_open;  /* spans of these */
    uint32_t spare_capacity, open_count, open_capacity, is_open_capacity;
};

/* False when memory runs out. */
bool clew__tasks_make(struct clew__tasks *tasks, const struct clew_trace *trace,
                      const clew_path_options *options);
void clew__tasks_fini(struct clew__tasks *tasks);

/* clew_leverage_of() on tasks that were made; counts into `steps`. */
bool clew__leverage_find(struct clew__tasks *tasks, clew_leverage *out);
/* How long each task takes when the own time of span i is times factors[i], into `durations`. False when
 * memory runs out. */
bool clew__tasks_retime(const struct clew__tasks *tasks, const double *factors, uint64_t *durations);

#endif
