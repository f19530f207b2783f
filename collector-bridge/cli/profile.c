/* `clew profile`: what all requests together waited for. */
#include "collector-bridge/report/profile.h"
#include "collector-bridge/cli/command.h"
#include "collector-bridge/cli/load.h"
#include "collector-bridge/cli/output.h"
#include "collector-bridge/report/flame.h"
#include "collector-bridge/report/line.h"

#include <stdio.h>
#include <unistd.h>

static const struct clew__command command = {
    .name = "profile",
    .arguments = "[FILE…]",
    .description =
        "What all requests together waited for: their critical paths, summed by operation and by calling\n"
        "context. --percentile looks at the slow ones alone, or at the quick ones.\n",
    .examples = "  clew profile spans.jsonl\n"
                "  clew profile --percentile 95-100 spans.jsonl\n"
                "  clew profile --svg spans.jsonl > flames.svg\n"
                "  clew profile --folded spans.jsonl > stacks.txt\n",
    .takes = CLEW__TAKES_PATH | CLEW__TAKES_SVG | CLEW__TAKES_FOLDED | CLEW__TAKES_PERCENTILE |
             CLEW__TAKES_ROOT | CLEW__TAKES_LIMIT,
};

static bool take(void *profile, const clew_trace *trace, const clew_critical_path *path, bool stays) {
    (void)stays;
    return clew_profile_add(profile, trace, path) == CLEW_OK;
}

static bool print_view(struct clew__output *output, const struct clew__options *options,
                       const clew_profile_view *view) {
    switch (options->format) {
    case CLEW__FORMAT_JSON:
        clew__report_profile_json(&output->writer, view);
        return true;
    case CLEW__FORMAT_FOLDED:
        clew__report_folded(&output->writer, view);
        return true;
    case CLEW__FORMAT_SVG:
        return clew__report_flame_svg(&output->writer, view, CLEW__TEXT_OF("What requests waited for"));
    case CLEW__FORMAT_TEXT:
    case CLEW__FORMAT_MARKDOWN:
    case CLEW__FORMAT_DOT:
        break;
    }
    clew__report_profile(&output->writer, &output->style, &output->palette, view, options->limit);
    return true;
}

static bool print(struct clew__output *output, const struct clew__options *options,
                  const clew_profile *profile, int *status) {
    const clew_profile_window window = {.struct_size = sizeof window,
                                        .has_root = options->root_service.size > 0,
                                        .service = options->root_service,
                                        .operation = options->root_operation,
                                        .from = options->percentile_from,
                                        .to = options->percentile_to};
    clew_profile_view *view = clew_profile_view_new(profile, &window);
    bool enough = view && print_view(output, options, view);
    if (view && view->roots == 0 && window.has_root && *status == CLEW__EXIT_OK) {
        fputs("clew: no request begins with that --root\n", stderr);
        *status = CLEW__EXIT_NOT_FOUND;
    }
    clew_profile_view_free(view);
    return enough;
}

int clew__command_profile(int argc, char **argv) {
    struct clew__options options;
    struct clew__output output;
    int status;
    if (!clew__options_read(&command, argc, argv, &options, &status))
        return status;
    clew_profile *profile = clew_profile_new(NULL);
    struct clew__load load = {.options = &options, .take = take, .user = profile};
    clew__output_begin(&output, STDOUT_FILENO, options.format);
    if (profile)
        clew__load_all(&load);
    if (!profile || !print(&output, &options, profile, &load.status))
        clew__load_failed(&load);
    clew_profile_free(profile);
    clew__load_end(&load);
    return clew__output_end(&output, load.status);
}
