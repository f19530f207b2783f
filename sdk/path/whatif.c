/* How long would it take: tasks with other own times. Owns nothing; any thread. */
#include "sdk/containers/saturate.h"
#include "sdk/path/tasks.h"

#include <clew/extend.h>
#include <string.h>

/* Doubles above it have no whole number of 64 bits. */
#define WHOLE_LIMIT 18446744073709551615.0

static uint64_t scaled(uint64_t time, double factor) {
    if (time == 0 || factor == 1 || !(factor >= 0))
        return time;
    double product = (double)time * factor + 0.5;
    return product < WHOLE_LIMIT ? (uint64_t)product : UINT64_MAX;
}

/* A task after what had ended when it started, and the parent's own time between. */
static uint64_t duration_after(const struct clew__tasks *tasks, const struct clew__task *parent,
                               double factor, const uint64_t *durations, uint64_t *finishes) {
    uint64_t ended = 0, longest = 0;
    uint32_t next = parent->first, end = parent->first + parent->count;
    if (parent->count == 0)
        return scaled(parent->end - parent->start, factor);
    for (uint32_t i = parent->first; i < end; i++) {
        const struct clew__task *task = &tasks->items[i];
        for (; tasks->items[tasks->by_end[next]].end <= task->start; next++)
            if (finishes[tasks->by_end[next]] > ended)
                ended = finishes[tasks->by_end[next]];
        uint64_t start = clew__saturated_sum(ended, scaled(task->start - task->before, factor));
        finishes[i] = clew__saturated_sum(start, durations[i]);
        if (finishes[i] > longest)
            longest = finishes[i];
    }
    uint64_t last_end = tasks->items[tasks->by_end[end - 1]].end;
    return clew__saturated_sum(longest, scaled(parent->end - last_end, factor));
}

bool clew__tasks_retime(const struct clew__tasks *tasks, const double *factors, uint64_t *durations) {
    if (tasks->count == 0)
        return true;
    uint64_t *finishes = clew_memory_allocate(tasks->count * sizeof *finishes);
    if (!finishes)
        return false;
    for (uint32_t i = tasks->count; i-- > 0;) {
        const struct clew__task *task = &tasks->items[i];
        double factor = task->span == CLEW_NO_SPAN ? 1 : factors[task->span];
        durations[i] = duration_after(tasks, task, factor, durations, finishes);
    }
    clew_memory_release(finishes);
    return true;
}

static bool is_text(clew_text a, clew_text b) {
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static double factor_of(const struct clew_trace *trace, const struct clew__record *record,
                        const clew_change *changes, size_t change_count) {
    double factor = 1;
    for (size_t i = 0; record && i < change_count; i++) {
        const clew_change *change = &changes[i];
        bool is_named = is_text(change->service, clew__texts_get(trace->texts, record->service)) &&
                        (change->operation.size == 0 ||
                         is_text(change->operation, clew__texts_get(trace->texts, record->operation)));
        if (is_named && change->factor >= 0)
            factor *= change->factor;
    }
    return factor;
}

static bool retime_roots(struct clew__tasks *tasks, const clew_change *changes, size_t change_count,
                         uint64_t *out) {
    const struct clew_trace *trace = tasks->relations.trace;
    double *factors = clew_memory_allocate((trace->node_count + (size_t)1) * sizeof *factors);
    uint64_t *durations = clew_memory_allocate((tasks->count + (size_t)1) * sizeof *durations);
    bool is_done = factors && durations;
    for (uint32_t i = 0; is_done && i < trace->node_count; i++)
        factors[i] = factor_of(trace, trace->nodes[i].record, changes, change_count);
    is_done = is_done && clew__tasks_retime(tasks, factors, durations);
    if (is_done && tasks->root_count)
        memcpy(out, durations, tasks->root_count * sizeof *out);
    clew_memory_release(factors);
    clew_memory_release(durations);
    return is_done;
}

bool clew_what_if(const clew_trace *trace, const clew_path_options *options, const clew_change *changes,
                  size_t change_count, uint64_t *out) {
    if (!trace || !out || (change_count && !changes))
        return false;
    struct clew__tasks tasks = {0};
    bool is_done =
        clew__tasks_make(&tasks, trace, options) && retime_roots(&tasks, changes, change_count, out);
    clew__tasks_fini(&tasks);
    return is_done;
}
