/* `clew critical-path`: what requests waited for. */
#include "collector-bridge/cli/command.h"
#include "collector-bridge/cli/load.h"
#include "collector-bridge/cli/output.h"
#include "collector-bridge/report/beside.h"
#include "collector-bridge/report/line.h"
#include "collector-bridge/report/path.h"
#include "collector-bridge/report/profile.h"

#include <stdlib.h>
#include <unistd.h>

#define DETAILED 3u /* so many traces are shown in full; of more the slowest one is, and the sum of all */
#define BRIEF 10u   /* traces that are told */
#define FRAMES 12u  /* rows of that sum */

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
    struct clew__load load;
    struct clew__output output;
    clew_profile *profile;
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

static bool take(void *user, const clew_trace *trace, const clew_critical_path *path, bool stays) {
    struct job *job = user;
    if (job->load.options->format == CLEW__FORMAT_JSON) {
        clew__report_path_json(&job->output.writer, trace, path);
        return true;
    }
    return clew_profile_add(job->profile, trace, path) == CLEW_OK &&
           (!stays || remember(job, trace, clew__path_longest(path)));
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
    clew_critical_path *path = clew__load_path(&job->load, entry->trace);
    bool enough =
        path && (is_brief ? clew__report_path_brief(&output->writer, &output->style, entry->trace, path)
                          : clew__report_path(&output->writer, &output->style, &output->palette, entry->trace,
                                              path) &&
                                clew__report_beside(&output->writer, &output->style, entry->trace, path,
                                                    &job->load.options->path));
    clew_critical_path_free(path);
    return enough;
}

/* What all of them waited for. */
static bool print_sum(struct job *job) {
    struct clew__output *output = &job->output;
    clew_profile_view *view = clew_profile_view_new(job->profile, NULL);
    if (!view)
        return false;
    size_t count = clew__report_frames(&output->writer, &output->style, &output->palette, view, FRAMES);
    if (count > FRAMES) {
        struct clew__sentence sentence = clew__sentence_begin(&output->style);
        clew__say(&sentence, "%sand %zu more (`clew profile` shows them).",
                  output->style.is_markdown ? "\n" : "", count - FRAMES);
        clew__sentence_end(&sentence, &output->writer, CLEW__DIM, 0);
    }
    clew_profile_view_free(view);
    return true;
}

static void print_traces(struct job *job) {
    struct clew__output *output = &job->output;
    bool has_sum = job->load.given > DETAILED, enough = true;
    size_t detailed = has_sum ? 1 : job->count, shown = job->count < BRIEF ? job->count : BRIEF;
    if (job->count)
        qsort(job->entries, job->count, sizeof *job->entries, compare_entries);
    if (has_sum) {
        enough = print_sum(job);
        clew__heading(&output->writer, &output->style, false, "The slowest");
    }
    for (size_t i = 0; i < shown && enough; i++) {
        if (i && (i <= detailed || output->style.is_markdown))
            clew__write_text(&output->writer, "\n");
        enough = print_entry(job, &job->entries[i], i >= detailed);
    }
    if (shown > detailed) {
        struct clew__sentence sentence = clew__sentence_begin(&output->style);
        clew__write_text(&output->writer, output->style.is_markdown ? "\n" : "");
        clew__say(&sentence, "`clew critical-path --trace ID` shows one of them in full.");
        clew__sentence_end(&sentence, &output->writer, CLEW__DIM, 0);
    }
    if (!enough)
        clew__load_failed(&job->load);
}

int clew__command_critical_path(int argc, char **argv) {
    struct clew__options options;
    struct job job = {.load = {.options = &options, .take = take, .user = &job}};
    int status;
    if (!clew__options_read(&command, argc, argv, &options, &status))
        return status;
    job.load.wanted = options.traces[0];
    clew__output_begin(&job.output, STDOUT_FILENO, options.format);
    job.profile = clew_profile_new(NULL);
    if (job.profile)
        clew__load_all(&job.load);
    else
        clew__load_failed(&job.load);
    if (options.format != CLEW__FORMAT_JSON)
        print_traces(&job);
    free(job.entries);
    clew_profile_free(job.profile);
    clew__load_end(&job.load);
    return clew__output_end(&job.output, job.load.status);
}
