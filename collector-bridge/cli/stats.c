/* `clew stats`: rate, errors and durations of operations and services. */
#include "collector-bridge/cli/command.h"
#include "collector-bridge/cli/load.h"
#include "collector-bridge/cli/output.h"
#include "collector-bridge/report/operations.h"

#include <unistd.h>

static const struct clew__command command = {
    .name = "stats",
    .arguments = "[FILE…]",
    .description =
        "Rate, errors and durations of each service and operation, its own time, and its time on critical\n"
        "paths, by which they are sorted; and which services and calls are not well.\n",
    .examples = "  clew stats spans.jsonl\n"
                "  clew stats --md --limit 10 spans.jsonl\n",
    .takes = CLEW__TAKES_PATH | CLEW__TAKES_LIMIT,
};

struct job {
    clew_operations *operations;
    clew_service_map *map;
    clew_health *health;
    uint64_t orphans;
};

static bool take(void *user, const clew_trace *trace, const clew_critical_path *path, bool stays) {
    struct job *job = user;
    (void)stays;
    job->orphans += clew_trace_repairs(trace, CLEW_REPAIR_MISSING_PARENT);
    return clew_operations_add(job->operations, trace, path) == CLEW_OK &&
           clew_service_map_add(job->map, trace, path) == CLEW_OK;
}

static const clew_health_report *judge(const struct job *job, const clew_operations_report *operations) {
    const clew_health_input input = {.struct_size = sizeof input,
                                     .map = clew_service_map_read(job->map),
                                     .operations = operations,
                                     .orphans = job->orphans};
    return input.map ? clew_health_judge(job->health, &input) : NULL;
}

static bool print(const struct job *job, const struct clew__options *options, struct clew__output *output) {
    const clew_operations_report *operations = clew_operations_read(job->operations);
    const clew_health_report *health = operations ? judge(job, operations) : NULL;
    if (!health)
        return false;
    if (options->format == CLEW__FORMAT_JSON) {
        clew__report_operations_json(&output->writer, operations, health);
        return true;
    }
    if (!clew__report_operations(&output->writer, &output->style, &output->palette, operations,
                                 options->limit))
        return false;
    clew__report_health(&output->writer, &output->style, health);
    return true;
}

int clew__command_stats(int argc, char **argv) {
    struct clew__options options;
    struct clew__output output;
    int status;
    if (!clew__options_read(&command, argc, argv, &options, &status))
        return status;
    /* What is told is of one interval: it need not last. */
    const clew_health_options at_once = {
        .struct_size = sizeof at_once, .intervals_worse = 1, .intervals_better = 1};
    struct job job = {.operations = clew_operations_new(NULL),
                      .map = clew_service_map_new(NULL),
                      .health = clew_health_new(&at_once)};
    struct clew__load load = {.options = &options, .take = take, .user = &job};
    clew__output_begin(&output, STDOUT_FILENO, options.format);
    bool enough = job.operations && job.map && job.health;
    if (enough)
        clew__load_all(&load);
    if (!enough || !print(&job, &options, &output))
        clew__load_failed(&load);
    clew_operations_free(job.operations);
    clew_service_map_free(job.map);
    clew_health_free(job.health);
    clew__load_end(&load);
    return clew__output_end(&output, load.status);
}
