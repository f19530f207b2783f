/* `clew service-map`: which service calls which. */
#include "collector-bridge/cli/command.h"
#include "collector-bridge/cli/graphviz.h"
#include "collector-bridge/cli/load.h"
#include "collector-bridge/cli/output.h"
#include "collector-bridge/report/map.h"
#include "collector-bridge/report/operations.h"
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
    clew_service_map *map;
    uint64_t orphans;
};

static bool take(void *user, const clew_trace *trace, const clew_critical_path *path, bool stays) {
    struct job *job = user;
    (void)stays;
    job->orphans += clew_trace_repairs(trace, CLEW_REPAIR_MISSING_PARENT);
    return clew_service_map_add(job->map, trace, path) == CLEW_OK;
}

static bool print_health(struct clew__output *output, const clew_map_report *report, uint64_t orphans) {
    /* What is told is of one interval: it need not last. */
    const clew_health_options at_once = {
        .struct_size = sizeof at_once, .intervals_worse = 1, .intervals_better = 1};
    const clew_health_input input = {.struct_size = sizeof input, .map = report, .orphans = orphans};
    clew_health *health = clew_health_new(&at_once);
    const clew_health_report *judged = health ? clew_health_judge(health, &input) : NULL;
    if (judged)
        clew__report_health(&output->writer, &output->style, judged);
    clew_health_free(health);
    return judged != NULL;
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
                  const clew_map_report *report, uint64_t orphans) {
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
    return print_health(output, report, orphans);
}

int clew__command_service_map(int argc, char **argv) {
    struct clew__options options;
    struct clew__output output;
    const clew_map_report *report;
    int status;
    if (!clew__options_read(&command, argc, argv, &options, &status))
        return status;
    clew__output_begin(&output, STDOUT_FILENO, options.format);
    struct job job = {.map = clew_service_map_new(NULL)};
    struct clew__load load = {.options = &options, .take = take, .user = &job};
    if (job.map)
        clew__load_all(&load);
    report = job.map ? clew_service_map_read(job.map) : NULL;
    if (!report || !print(&output, &options, report, job.orphans))
        clew__load_failed(&load);
    clew_service_map_free(job.map);
    clew__load_end(&load);
    return clew__output_end(&output, load.status);
}
