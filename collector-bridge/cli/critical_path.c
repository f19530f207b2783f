/* `clew critical-path`: what requests waited for. */
#include "collector-bridge/cli/command.h"
#include "collector-bridge/cli/load.h"
#include "collector-bridge/cli/output.h"
#include "collector-bridge/report/line.h"
#include "collector-bridge/report/path.h"

#include <stdlib.h>
#include <unistd.h>

#define DETAILED 3u /* traces whose paths are shown in full */
#define BRIEF 10u   /* traces that are told in a sentence */

static const struct clew__command command = {
    .name = "critical-path",
    .arguments = "[FILE…]",
    .description =
        "Says what requests waited for: at every moment one operation, or one call on its way, is the one "
        "that\n"
        "the request waits for. A sentence names the largest parts, then come all of them in order of time.\n"
        "Of many traces the slowest are shown, and what all of them together waited for.\n",
    .examples = "  clew critical-path spans.jsonl\n"
                "  clew critical-path --trace 4bf92f3 spans.jsonl\n"
                "  clew critical-path --json spans.jsonl > paths.jsonl\n",
    .takes = CLEW__TAKES_PATH | CLEW__TAKES_TRACE,
};

/* A trace that stays, by its longest root. */
struct entry {
    const clew_trace *trace;
    uint64_t longest;
    size_t order; /* in which it came */
};

struct job {
    const struct clew__options *options;
    struct clew__load load;
    struct clew__output output;
    struct entry *entries;
    size_t count, capacity;
};

static bool remember(struct job *job, const clew_trace *trace, uint64_t longest) {
    if (job->count == job->capacity) {
        size_t capacity = job->capacity ? 2 * job->capacity : 64;
        struct entry *entries = realloc(job->entries, capacity * sizeof *entries);
        if (!entries)
            return false;
        job->entries = entries;
        job->capacity = capacity;
    }
    job->entries[job->count] = (struct entry){trace, longest, job->count};
    job->count++;
    return true;
}

static void take(void *user, const clew_trace *trace, bool stays) {
    struct job *job = user;
    clew_critical_path *path = clew_critical_path_new(trace, &job->options->path);
    if (!path)
        clew__load_failed(&job->load);
    else if (job->options->format == CLEW__FORMAT_JSON)
        clew__report_path_json(&job->output.writer, trace, path);
    else if (stays && !remember(job, trace, clew__path_longest(path)))
        clew__load_failed(&job->load);
    clew_critical_path_free(path);
}

/* The slowest first, then the earliest. */
static int compare_entries(const void *left, const void *right) {
    const struct entry *a = left, *b = right;
    if (a->longest != b->longest)
        return a->longest > b->longest ? -1 : 1;
    return (a->order > b->order) - (a->order < b->order);
}

static bool print_entry(struct job *job, const struct entry *entry, bool is_brief) {
    struct clew__output *output = &job->output;
    clew_critical_path *path = clew_critical_path_new(entry->trace, &job->options->path);
    bool enough =
        path &&
        (is_brief ? clew__report_path_brief(&output->writer, &output->style, entry->trace, path)
                  : clew__report_path(&output->writer, &output->style, &output->palette, entry->trace, path));
    clew_critical_path_free(path);
    return enough;
}

static void print_entries(struct job *job) {
    size_t shown = job->count <= DETAILED ? job->count : BRIEF < job->count ? BRIEF : job->count;
    qsort(job->entries, job->count, sizeof *job->entries, compare_entries);
    for (size_t i = 0; i < shown; i++) {
        if (i && i <= DETAILED)
            clew__write_text(&job->output.writer, "\n");
        if (!print_entry(job, &job->entries[i], i >= DETAILED))
            clew__load_failed(&job->load);
    }
}

int clew__command_critical_path(int argc, char **argv) {
    struct clew__options options;
    struct job job = {.options = &options, .load = {.take = take, .user = &job}};
    int status;
    if (!clew__options_read(&command, argc, argv, &options, &status))
        return status;
    job.load.wanted = options.traces[0];
    clew__output_begin(&job.output, STDOUT_FILENO, options.format);
    clew__load_begin(&job.load, &options);
    print_entries(&job);
    free(job.entries);
    clew__load_end(&job.load);
    return clew__output_end(&job.output, job.load.status);
}
