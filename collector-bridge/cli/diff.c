/* `clew diff`: what changed from some traces to others. */
#include "collector-bridge/report/diff.h"
#include "collector-bridge/cli/command.h"
#include "collector-bridge/cli/load.h"
#include "collector-bridge/cli/output.h"
#include "collector-bridge/report/flame.h"
#include "collector-bridge/report/line.h"

#include <stdio.h>
#include <unistd.h>

static const struct clew__command command = {
    .name = "diff",
    .arguments = "BEFORE AFTER | --trace ID --trace ID [FILE…]",
    .description = "What changed from the traces of one file or folder to those of another, or from one "
                   "trace to another:\n"
                   "how much longer a request takes, which operations and calls explain it, to the "
                   "nanosecond, and what is\n"
                   "new or gone.\n",
    .examples = "  clew diff before.jsonl after.jsonl\n"
                "  clew diff --trace 4bf92f3 --trace 9c1d2e4 spans.jsonl\n"
                "  clew diff --svg before.jsonl after.jsonl > diff.svg\n",
    .takes = CLEW__TAKES_PATH | CLEW__TAKES_TWO_TRACES | CLEW__TAKES_SVG | CLEW__TAKES_LIMIT,
};

/* One side: the profile of all its traces, and its only one when there is but one and it stays. */
struct side {
    struct clew__load load;
    clew_profile *profile;
    const clew_trace *only;
};

static bool take(void *user, const clew_trace *trace, const clew_critical_path *path, bool stays) {
    struct side *side = user;
    side->only = side->load.given == 1 && stays ? trace : NULL;
    return clew_profile_add(side->profile, trace, path) == CLEW_OK;
}

static void side_load(struct side *side, const struct clew__options *options, size_t number) {
    bool by_id = options->trace_count == 2;
    side->load = (struct clew__load){.options = options, .take = take, .user = side};
    side->profile = clew_profile_new(NULL);
    if (!side->profile) {
        clew__load_failed(&side->load);
        return;
    }
    side->load.wanted = by_id ? options->traces[number] : NULL;
    if (by_id)
        clew__load_all(&side->load);
    else
        clew__load_files(&side->load, &options->files[number], 1);
}

static void side_end(struct side *side) {
    clew_profile_free(side->profile);
    clew__load_end(&side->load);
}

/* ---- the difference ---- */

static clew_diff *diff_traces(const struct side *before, const struct side *after) {
    clew_critical_path *path_before = clew__load_path(&before->load, before->only);
    clew_critical_path *path_after = clew__load_path(&after->load, after->only);
    clew_diff *diff = path_before && path_after
                          ? clew_diff_traces(before->only, path_before, after->only, path_after)
                          : NULL;
    clew_critical_path_free(path_before);
    clew_critical_path_free(path_after);
    return diff;
}

static clew_diff *diff_sets(const struct side *before, const struct side *after) {
    clew_profile_view *view_before = clew_profile_view_new(before->profile, NULL);
    clew_profile_view *view_after = clew_profile_view_new(after->profile, NULL);
    clew_diff *diff = view_before && view_after ? clew_diff_new(view_before, view_after) : NULL;
    clew_profile_view_free(view_before);
    clew_profile_view_free(view_after);
    return diff;
}

static bool print(struct clew__output *output, const struct clew__options *options, const clew_diff *diff) {
    if (options->format == CLEW__FORMAT_SVG)
        return clew__report_flame_diff_svg(&output->writer, diff,
                                           CLEW__TEXT_OF("What requests wait for now, and did before"));
    if (options->format == CLEW__FORMAT_JSON)
        clew__report_diff_json(&output->writer, diff);
    else
        clew__report_diff(&output->writer, &output->style, &output->palette, diff, options->limit);
    return true;
}

static int compare(struct clew__output *output, const struct clew__options *options, struct side *before,
                   struct side *after) {
    clew_diff *diff;
    int status = before->load.status > after->load.status ? before->load.status : after->load.status;
    if (before->load.given == 0 || after->load.given == 0)
        return status == CLEW__EXIT_OK ? CLEW__EXIT_NOT_FOUND : status;
    diff = before->only && after->only ? diff_traces(before, after) : diff_sets(before, after);
    if (!diff || !print(output, options, diff)) {
        clew__load_failed(&after->load);
        status = CLEW__EXIT_INPUT;
    }
    clew_diff_free(diff);
    return status;
}

static int usage(const char *what) {
    fprintf(stderr, "clew diff: %s; see `clew diff --help`\n", what);
    return CLEW__EXIT_USAGE;
}

int clew__command_diff(int argc, char **argv) {
    struct clew__options options;
    struct clew__output output;
    struct side before = {.profile = NULL}, after = {.profile = NULL};
    int status;
    if (!clew__options_read(&command, argc, argv, &options, &status))
        return status;
    if (options.trace_count == 1)
        return usage("--trace is needed twice");
    if (options.trace_count == 0 && options.file_count != 2)
        return usage("two files or folders are needed");
    if (options.trace_count == 2 && options.file_count == 0)
        return usage("a file is needed, as it is read twice");
    clew__output_begin(&output, STDOUT_FILENO, options.format);
    side_load(&before, &options, 0);
    side_load(&after, &options, 1);
    status = compare(&output, &options, &before, &after);
    side_end(&before);
    side_end(&after);
    return clew__output_end(&output, status);
}
