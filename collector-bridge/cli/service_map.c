/* `clew service-map`: which service calls which. */
#include "collector-bridge/cli/command.h"
#include "collector-bridge/cli/graphviz.h"
#include "collector-bridge/cli/load.h"
#include "collector-bridge/cli/output.h"
#include "collector-bridge/report/map.h"
#include "sdk/base/buffer.h"

#include <unistd.h>

static const struct clew__command command = {
    .name = "service-map",
    .arguments = "[FILE…]",
    .description = "Says which service calls which: how often, how fast, with which errors, how long "
                   "requests were on the\n"
                   "way (gap), and in how many traces the call was on the critical path.\n",
    .examples = "  clew service-map spans.jsonl\n"
                "  clew service-map --svg spans.jsonl > map.svg\n"
                "  clew service-map --dot spans.jsonl > map.dot\n",
    .takes = CLEW__TAKES_PATH | CLEW__TAKES_DOT | CLEW__TAKES_SVG | CLEW__TAKES_LIMIT,
};

struct job {
    const struct clew__options *options;
    struct clew__load load;
    clew_service_map *map;
};

static void take(void *user, const clew_trace *trace, bool stays) {
    struct job *job = user;
    clew_critical_path *path = clew_critical_path_new(trace, &job->options->path);
    (void)stays;
    if (!path || clew_service_map_add(job->map, trace, path) != CLEW_OK)
        clew__load_failed(&job->load);
    clew_critical_path_free(path);
}

static bool print_svg(struct clew__output *output, const clew_map_report *report) {
    struct clew__writer graph = clew__buffer_plain();
    bool drawn;
    clew__report_map_dot(&graph, report);
    drawn = !graph.failed && clew__graphviz(graph.data, graph.size, &output->writer);
    clew__buffer_fini(&graph);
    return drawn || clew__report_map_svg(&output->writer, report);
}

static bool print(struct clew__output *output, const struct clew__options *options,
                  const clew_map_report *report) {
    switch (options->format) {
    case CLEW__FORMAT_JSON:
        clew__report_map_json(&output->writer, report);
        return true;
    case CLEW__FORMAT_DOT:
        clew__report_map_dot(&output->writer, report);
        return true;
    case CLEW__FORMAT_SVG:
        return print_svg(output, report);
    case CLEW__FORMAT_TEXT:
    case CLEW__FORMAT_MARKDOWN:
    case CLEW__FORMAT_FOLDED:
        break;
    }
    clew__report_map(&output->writer, &output->style, &output->palette, report, options->limit);
    return true;
}

int clew__command_service_map(int argc, char **argv) {
    struct clew__options options;
    struct job job = {.options = &options, .load = {.take = take, .user = &job}};
    struct clew__output output;
    const clew_map_report *report;
    int status;
    if (!clew__options_read(&command, argc, argv, &options, &status))
        return status;
    clew__output_begin(&output, STDOUT_FILENO, options.format);
    job.map = clew_service_map_new(NULL);
    if (job.map)
        clew__load_begin(&job.load, &options);
    report = job.map ? clew_service_map_read(job.map) : NULL;
    if (!report || !print(&output, &options, report))
        clew__load_failed(&job.load);
    clew_service_map_free(job.map);
    clew__load_end(&job.load);
    return clew__output_end(&output, job.load.status);
}
