/* Drag and slack of every span, each family of siblings once. Owns nothing; any thread.
 *
 * Slack, from the last sibling to the first: a task may grow until it delays what began when it had ended, or
 * the end of its parent, which may grow itself.
 * Drag: a task without slack that shrinks makes its parent shrink, until another that was running when it
 * ended is what the parent waits for, or what it was behind: the sibling that ended last before it did. The
 * root gains the least that any level lets through. */
#include "sdk/path/tasks.h"

#include <clew/extend.h>
#include <string.h>

struct levers {
    struct clew__tasks *tasks;
    uint64_t *slack;  /* of tasks */
    uint64_t *limits; /* how much of a task's shrinking reaches the root */
    uint64_t *chains; /* the longest chain of siblings up to and with a task, without gaps */
    uint64_t *least;  /* of the siblings looked at: a tree of least slacks by place, after Fenwick */
};

static uint64_t least_of(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

/* Places count from 1. */
static void note_slack(struct levers *levers, uint32_t place, uint32_t count, uint64_t slack) {
    for (; place <= count; place += place & (0 - place)) {
        levers->least[place] = least_of(levers->least[place], slack);
        levers->tasks->steps++;
    }
}

/* Of the first so many places. */
static uint64_t least_slack(struct levers *levers, uint32_t places) {
    uint64_t least = UINT64_MAX;
    for (; places; places &= places - 1) {
        least = least_of(least, levers->least[places]);
        levers->tasks->steps++;
    }
    return least;
}

/* What the parent would take if only its children took time. */
static uint64_t longest_chain(struct levers *levers, const struct clew__task *parent) {
    const struct clew__tasks *tasks = levers->tasks;
    uint64_t ended = 0, longest = 0;
    uint32_t next = parent->first;
    for (uint32_t i = parent->first; i < parent->first + parent->count; i++) {
        const struct clew__task *task = &tasks->items[i];
        for (; tasks->items[tasks->by_end[next]].end <= task->start; next++)
            if (levers->chains[tasks->by_end[next]] > ended)
                ended = levers->chains[tasks->by_end[next]];
        levers->chains[i] = ended + (task->end - task->start);
        if (levers->chains[i] > longest)
            longest = levers->chains[i];
    }
    levers->tasks->steps += 2 * (uint64_t)parent->count;
    return longest;
}

/* Slacks and limits of the children, from the one that ended last. First those within the parent. */
static void share_out(struct levers *levers, uint32_t index) {
    struct clew__tasks *tasks = levers->tasks;
    const struct clew__task *parent = &tasks->items[index];
    const uint32_t *by_end = &tasks->by_end[parent->first];
    uint32_t later = parent->count; /* children from here on began when the task at hand had ended */
    uint64_t bound = tasks->items[by_end[parent->count - 1]].end; /* it may grow up to here */
    memset(levers->least, 0xff, (parent->count + (size_t)1) * sizeof *levers->least);
    for (uint32_t i = parent->count; i-- > 0;) {
        const struct clew__task *task = &tasks->items[by_end[i]];
        for (; later && tasks->items[parent->first + later - 1].start >= task->end; later--)
            bound = least_of(bound, levers->slack[parent->first + later - 1] +
                                        tasks->items[parent->first + later - 1].before);
        uint64_t slack = bound - task->end;
        uint64_t limit = least_of(levers->limits[index], least_slack(levers, later));
        if (i > 0)
            limit = least_of(limit, task->end - tasks->items[by_end[i - 1]].end);
        levers->slack[by_end[i]] = slack;
        levers->limits[by_end[i]] = limit; /* 0 with slack: another without was running at its end */
        note_slack(levers, by_end[i] - parent->first + 1, parent->count, slack);
    }
    for (uint32_t i = parent->first; i < parent->first + parent->count; i++)
        levers->slack[i] += levers->slack[index];
    tasks->steps += 3 * (uint64_t)parent->count;
}

static void tell(struct levers *levers, uint32_t index, uint64_t shrinks_by, clew_leverage *out) {
    uint32_t span = levers->tasks->items[index].span;
    if (span == CLEW_NO_SPAN)
        return;
    uint64_t drag = least_of(shrinks_by, levers->limits[index]);
    if (drag > out[span].drag)
        out[span].drag = drag;
    out[span].slack = least_of(out[span].slack, levers->slack[index]);
}

static void find(struct levers *levers, clew_leverage *out) {
    const struct clew__tasks *tasks = levers->tasks;
    for (uint32_t i = 0; i < tasks->count; i++) {
        const struct clew__task *task = &tasks->items[i];
        if (task->parent == CLEW__NO_TASK) {
            levers->slack[i] = 0;
            levers->limits[i] = UINT64_MAX;
        }
        uint64_t chain = task->count ? longest_chain(levers, task) : 0;
        if (task->count)
            share_out(levers, i);
        tell(levers, i, task->end - task->start - chain, out);
    }
}

bool clew__leverage_find(struct clew__tasks *tasks, clew_leverage *out) {
    size_t count = tasks->count;
    for (uint32_t i = 0; i < tasks->relations.trace->node_count; i++)
        out[i] = (clew_leverage){.drag = 0, .slack = UINT64_MAX};
    uint64_t *numbers = clew_memory_allocate((4 * count + 1) * sizeof *numbers);
    if (!numbers)
        return false;
    struct levers levers = {tasks, numbers, numbers + count, numbers + 2 * count, numbers + 3 * count};
    find(&levers, out);
    clew_memory_release(numbers);
    return true;
}

bool clew_leverage_of(const clew_trace *trace, const clew_path_options *options, clew_leverage *out) {
    if (!trace || !out)
        return false;
    struct clew__tasks tasks = {0};
    bool is_done = clew__tasks_make(&tasks, trace, options) && clew__leverage_find(&tasks, out);
    clew__tasks_fini(&tasks);
    return is_done;
}
