/* `clew trace`: draws the traces of files. */
#include "collector-bridge/cli/command.h"
#include "collector-bridge/cli/load.h"
#include "collector-bridge/cli/output.h"
#include "collector-bridge/report/line.h"
#include "collector-bridge/report/tree.h"

#include <unistd.h>

static const struct clew__command command = {
    .name = "trace",
    .arguments = "[FILE…]",
    .description = "Draws traces as trees: a line a span, with service, name, kind, when it began, how long "
                   "it took and\n"
                   "how much of that itself, its error. A dot (●) marks what the request waited for: the "
                   "critical path.\n"
                   "Traces that are spread over several files are put together.\n",
    .examples = "  clew trace spans.jsonl\n"
                "  clew trace --trace 4bf92f3 spans.jsonl\n",
    .takes = CLEW__TAKES_PATH | CLEW__TAKES_TRACE,
};

struct job {
    struct clew__load load;
    struct clew__output output;
    bool follows; /* a trace was drawn */
};

static bool take(void *user, const clew_trace *trace, const clew_critical_path *path, bool stays) {
    struct job *job = user;
    (void)stays;
    if (job->load.options->format == CLEW__FORMAT_JSON)
        return clew__report_tree_json(&job->output.writer, trace, path, &job->load.options->path);
    if (job->follows)
        clew__write_text(&job->output.writer, "\n");
    clew__report_tree(&job->output.writer, &job->output.style, &job->output.palette, trace, path);
    job->follows = true;
    return true;
}

int clew__command_trace(int argc, char **argv) {
    struct clew__options options;
    struct job job = {.load = {.options = &options, .take = take, .user = &job}};
    int status;
    if (!clew__options_read(&command, argc, argv, &options, &status))
        return status;
    job.load.wanted = options.traces[0];
    clew__output_begin(&job.output, STDOUT_FILENO, options.format);
    clew__load_all(&job.load);
    clew__load_end(&job.load);
    return clew__output_end(&job.output, job.load.status);
}
