/* The tree of tasks. Owns what its header says. */
#include "sdk/path/tasks.h"

#include "sdk/containers/grow.h"
#include "sdk/path/pieces.h"

static bool reserve_tasks(struct clew__tasks *tasks, uint64_t count) {
    return clew__array_reserve(&tasks->items, &tasks->capacity, count, sizeof *tasks->items) &&
           clew__array_reserve(&tasks->by_end, &tasks->by_end_capacity, count, sizeof *tasks->by_end);
}

static uint32_t add_task(struct clew__tasks *tasks, uint32_t span, uint32_t parent, uint64_t start,
                         uint64_t end) {
    tasks->items[tasks->count] =
        (struct clew__task){.start = start, .end = end, .before = start, .span = span, .parent = parent};
    return tasks->count++;
}

/* The children of a task become tasks: those that are not tasks above already. */
static bool add_children(struct clew__tasks *tasks, uint32_t parent) {
    struct clew__pieces *pieces = &tasks->pieces;
    const struct clew_trace *trace = tasks->relations.trace;
    uint32_t kept = 0;
    pieces->count = 0;
    if (!clew__relations_pieces(&tasks->relations, tasks->items[parent].span, tasks->items[parent].start,
                                tasks->items[parent].end, pieces))
        return false;
    for (uint32_t i = 0; i < pieces->count; i++)
        if (!tasks->is_open[pieces->items[i].span])
            pieces->items[kept++] = pieces->items[i];
    if (!reserve_tasks(tasks, (uint64_t)tasks->count + kept) ||
        !clew__array_reserve(&tasks->spare, &tasks->spare_capacity, kept, sizeof *tasks->spare))
        return false;
    uint32_t first = tasks->count;
    tasks->items[parent].first = first;
    tasks->items[parent].count = kept;
    tasks->steps += clew__pieces_sort(trace, pieces->items, tasks->spare, kept, clew__piece_starts_earlier);
    for (uint32_t i = 0; i < kept; i++) {
        struct clew__piece *piece = &pieces->items[i];
        piece->mark = add_task(tasks, piece->span, parent, piece->start, piece->end);
    }
    for (uint32_t low = 0, high = kept; low + 1 < high; low++) {
        struct clew__piece swapped = pieces->items[low];
        pieces->items[low] = pieces->items[--high];
        pieces->items[high] = swapped;
    }
    tasks->steps += clew__pieces_sort(trace, pieces->items, tasks->spare, kept, clew__piece_ends_later);
    for (uint32_t i = 0; i < kept; i++)
        tasks->by_end[first + i] = pieces->items[kept - 1 - i].mark;
    return true;
}

/* Before each child: which siblings had ended. */
static void find_before(struct clew__tasks *tasks, const struct clew__task *parent) {
    uint64_t before = parent->start;
    for (uint32_t i = parent->first, ended = parent->first; i < parent->first + parent->count; i++) {
        struct clew__task *task = &tasks->items[i];
        for (; tasks->items[tasks->by_end[ended]].end <= task->start; ended++)
            before = tasks->items[tasks->by_end[ended]].end;
        task->before = before;
    }
    tasks->steps += 2 * (uint64_t)parent->count;
}

static bool open_task(struct clew__tasks *tasks, uint32_t index) {
    uint32_t span = tasks->items[index].span;
    if (span != CLEW_NO_SPAN)
        tasks->is_open[span] = true;
    if (!clew__array_reserve(&tasks->open, &tasks->open_capacity, (uint64_t)tasks->open_count + 1,
                             sizeof *tasks->open))
        return false;
    tasks->open[tasks->open_count++] = index;
    if (!add_children(tasks, index))
        return false;
    find_before(tasks, &tasks->items[index]);
    return true;
}

/* The next child that is not made yet is the sibling behind the task that was closed. */
static bool make_below(struct clew__tasks *tasks, uint32_t root) {
    if (!open_task(tasks, root))
        return false;
    uint64_t limit = clew__relations_limit(&tasks->relations);
    uint32_t next = tasks->items[root].first;
    while (tasks->relations.steps <= limit) {
        const struct clew__task *above = &tasks->items[tasks->open[tasks->open_count - 1]];
        if (next < above->first + above->count) {
            if (!open_task(tasks, next))
                return false;
            next = tasks->items[next].first;
            continue;
        }
        next = tasks->open[--tasks->open_count] + 1;
        if (above->span != CLEW_NO_SPAN)
            tasks->is_open[above->span] = false;
        if (tasks->open_count == 0)
            break;
    }
    return true;
}

static bool add_roots(struct clew__tasks *tasks) {
    const struct clew_trace *trace = tasks->relations.trace;
    bool is_whole = tasks->relations.options.scope == CLEW_SCOPE_TRACE;
    tasks->root_count = trace->node_count == 0 ? 0 : is_whole ? 1 : trace->root_count;
    if (!reserve_tasks(tasks, tasks->root_count))
        return false;
    for (uint32_t i = 0; i < tasks->root_count; i++) {
        if (is_whole) {
            add_task(tasks, CLEW_NO_SPAN, CLEW__NO_TASK, tasks->relations.start, tasks->relations.end);
            continue;
        }
        const struct clew__node *root = &trace->nodes[trace->roots[i]];
        add_task(tasks, trace->roots[i], CLEW__NO_TASK, root->start, root->end);
    }
    return true;
}

static bool make(struct clew__tasks *tasks, const struct clew_trace *trace, const clew_path_options *options,
                 bool in_full) {
    tasks->count = tasks->open_count = 0;
    if (!clew__relations_find(&tasks->relations, trace, options, in_full) ||
        !clew__array_reserve(&tasks->is_open, &tasks->is_open_capacity, trace->node_count,
                             sizeof *tasks->is_open) ||
        !add_roots(tasks))
        return false;
    if (trace->node_count)
        memset(tasks->is_open, 0, trace->node_count * sizeof *tasks->is_open);
    for (uint32_t i = 0; i < tasks->root_count; i++)
        if (!make_below(tasks, i))
            return false;
    tasks->steps += tasks->relations.steps;
    return true;
}

bool clew__tasks_make(struct clew__tasks *tasks, const struct clew_trace *trace,
                      const clew_path_options *options) {
    tasks->steps = 0;
    if (!make(tasks, trace, options, true))
        return false;
    return tasks->relations.steps <= clew__relations_limit(&tasks->relations) ||
           make(tasks, trace, options, false);
}

void clew__tasks_fini(struct clew__tasks *tasks) {
    clew__relations_fini(&tasks->relations);
    clew_memory_release(tasks->items);
    clew_memory_release(tasks->by_end);
    clew_memory_release(tasks->pieces.items);
    clew_memory_release(tasks->spare);
    clew_memory_release(tasks->open);
    clew_memory_release(tasks->is_open);
    *tasks = (struct clew__tasks){0};
}
