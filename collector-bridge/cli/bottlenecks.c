/* `clew bottlenecks`: what costs time and could be changed. */
#include "collector-bridge/report/bottlenecks.h"
#include "collector-bridge/cli/command.h"
#include "collector-bridge/cli/load.h"
#include "collector-bridge/cli/output.h"

#include <unistd.h>

static const struct clew__command command = {
    .name = "bottlenecks",
    .arguments = "[FILE…]",
    .description =
        "Names patterns that cost requests time and that somebody can change, with what that would save:\n"
        "a call again and again, calls in series that could be at once, slow ways, retries, long tails…\n",
    .examples = "  clew bottlenecks spans.jsonl\n",
    .takes = CLEW__TAKES_PATH | CLEW__TAKES_LIMIT,
};

static bool take(void *bottlenecks, const clew_trace *trace, const clew_critical_path *path, bool stays) {
    (void)stays;
    return clew_bottlenecks_add(bottlenecks, trace, path) == CLEW_OK;
}

static bool print(struct clew__output *output, const struct clew__options *options,
                  const clew_bottlenecks *bottlenecks) {
    clew_bottlenecks_view *view = clew_bottlenecks_view_new(bottlenecks);
    if (!view)
        return false;
    if (options->format == CLEW__FORMAT_JSON)
        clew__report_bottlenecks_json(&output->writer, view);
    else
        clew__report_bottlenecks(&output->writer, &output->style, view, options->limit);
    clew_bottlenecks_view_free(view);
    return true;
}

int clew__command_bottlenecks(int argc, char **argv) {
    struct clew__options options;
    struct clew__output output;
    int status;
    if (!clew__options_read(&command, argc, argv, &options, &status))
        return status;
    clew_bottlenecks *bottlenecks = clew_bottlenecks_new(NULL);
    struct clew__load load = {.options = &options, .take = take, .user = bottlenecks};
    clew__output_begin(&output, STDOUT_FILENO, options.format);
    if (bottlenecks)
        clew__load_all(&load);
    if (!bottlenecks || !print(&output, &options, bottlenecks))
        clew__load_failed(&load);
    clew_bottlenecks_free(bottlenecks);
    clew__load_end(&load);
    return clew__output_end(&output, load.status);
}
