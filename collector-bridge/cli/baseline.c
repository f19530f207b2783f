/* `clew baseline`: keeps what traces looked like, and says what got worse since. */
#include "collector-bridge/cli/baseline_file.h"
#include "collector-bridge/cli/command.h"
#include "collector-bridge/cli/load.h"
#include "collector-bridge/cli/output.h"
#include "collector-bridge/report/comparison.h"
#include "collector-bridge/report/json.h"
#include "collector-bridge/report/line.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

static const struct clew__command command = {
    .name = "baseline",
    .arguments = "save BASELINE [FILE…] | compare BASELINE [FILE…]",
    .description = "save keeps what the traces of the files look like in a small file: durations, errors, "
                   "calls, shapes.\n"
                   "compare says what got slower, fails more, is new or gone since, as far as it can be told "
                   "from chance,\n"
                   "and explains it in parts that sum to the whole. The FILE to compare may be a baseline, "
                   "too. It exits\n"
                   "with status 5 when something got slower or fails more.\n",
    .examples = "  clew baseline save monday.clewbase before.jsonl\n"
                "  clew baseline compare monday.clewbase after.jsonl\n"
                "  clew baseline compare --json monday.clewbase after.jsonl > changes.json\n",
    .takes = CLEW__TAKES_PATH | CLEW__TAKES_LIMIT,
};

static bool take(void *baseline, const clew_trace *trace, const clew_critical_path *path, bool stays) {
    int error = clew_baseline_add(baseline, trace, path);
    (void)stays;
    /* What is beyond its limits is counted there. */
    return error == CLEW_OK || error == CLEW_ELIMIT;
}

/* The traces of files, or a baseline that was saved. NULL: it is said why, and `*status` is set. */
static clew_baseline *gather(const struct clew__options *options, const char *const *files, size_t count,
                             int *status) {
    struct clew__load load = {.options = options, .take = take};
    clew_baseline *baseline;
    if (count == 1 && clew__baseline_file_is(files[0])) {
        baseline = clew__baseline_file_read(files[0]);
        *status = baseline ? *status : CLEW__EXIT_INPUT;
        return baseline;
    }
    load.user = baseline = clew_baseline_new(NULL);
    if (baseline)
        clew__load_files(&load, files, count);
    else
        clew__load_failed(&load);
    clew__load_end(&load);
    *status = load.status > *status ? load.status : *status;
    return baseline;
}

/* ---- save ---- */

static void print_saved(struct clew__output *output, const struct clew__options *options, const char *path,
                        const clew_baseline *baseline) {
    clew_baseline_stats stats = clew_baseline_get_stats(baseline);
    if (options->format == CLEW__FORMAT_JSON) {
        struct clew__report_json json = {.out = &output->writer};
        clew__json_open(&json, NULL, '{');
        clew__json_add_uint64(&json, "traces", stats.traces);
        clew__json_add_uint64(&json, "requests", stats.requests);
        clew__json_add_uint64(&json, "dropped", stats.dropped);
        clew__json_close(&json, '}');
        clew__json_end(&json);
        return;
    }
    struct clew__sentence sentence = clew__sentence_begin(&output->style);
    clew__say(&sentence, "%" PRIu64 " request%s of %" PRIu64 " trace%s %s in ", stats.requests,
              stats.requests == 1 ? "" : "s", stats.traces, stats.traces == 1 ? "" : "s",
              stats.requests == 1 ? "is" : "are");
    clew__say_name(&sentence, clew__text_of(path));
    clew__say(&sentence, ".");
    clew__sentence_end(&sentence, &output->writer, NULL, 0);
}

static int save(struct clew__output *output, const struct clew__options *options) {
    int status = CLEW__EXIT_OK;
    const char *path = options->files[1];
    clew_baseline *baseline;
    if (!clew__baseline_file_may_be(path)) /* before long files are read */
        return CLEW__EXIT_INPUT;
    baseline = gather(options, options->files + 2, options->file_count - 2, &status);
    if (baseline && clew_baseline_get_stats(baseline).requests == 0) {
        fprintf(stderr, "clew: %s: not written, there are no requests\n", path);
        status = status == CLEW__EXIT_OK ? CLEW__EXIT_NOT_FOUND : status;
    } else if (baseline && clew__baseline_file_write(path, baseline)) {
        print_saved(output, options, path, baseline);
    } else {
        status = CLEW__EXIT_INPUT;
    }
    clew_baseline_free(baseline);
    return status;
}

/* ---- compare ---- */

static bool print_comparison(struct clew__output *output, const struct clew__options *options,
                             const clew_comparison *comparison) {
    if (options->format == CLEW__FORMAT_JSON) {
        clew__report_comparison_json(&output->writer, comparison);
        return true;
    }
    return clew__report_comparison(&output->writer, &output->style, &output->palette, comparison,
                                   options->limit);
}

static int compare_with(struct clew__output *output, const struct clew__options *options,
                        const clew_baseline *before, const clew_baseline *after, int status) {
    const uint32_t worse = 1u << CLEW_VERDICT_ERRORS | 1u << CLEW_VERDICT_REGRESSION;
    clew_comparison *comparison;
    if (clew_baseline_get_stats(after).requests == 0 || clew_baseline_get_stats(before).requests == 0) {
        fputs("clew: no requests to compare\n", stderr);
        return status == CLEW__EXIT_OK ? CLEW__EXIT_NOT_FOUND : status;
    }
    comparison = clew_comparison_new(before, after, NULL);
    if (!comparison || !print_comparison(output, options, comparison)) {
        fputs("clew: out of memory\n", stderr);
        status = CLEW__EXIT_INPUT;
    } else if (status == CLEW__EXIT_OK && (comparison->verdicts & worse)) {
        status = CLEW__EXIT_WORSE;
    }
    clew_comparison_free(comparison);
    return status;
}

static int compare(struct clew__output *output, const struct clew__options *options) {
    int status = CLEW__EXIT_OK;
    clew_baseline *before = clew__baseline_file_read(options->files[1]), *after = NULL;
    if (before)
        after = gather(options, options->files + 2, options->file_count - 2, &status);
    status = before && after ? compare_with(output, options, before, after, status) : CLEW__EXIT_INPUT;
    clew_baseline_free(before);
    clew_baseline_free(after);
    return status;
}

/* ---- the command ---- */

int clew__command_baseline(int argc, char **argv) {
    struct clew__options options;
    struct clew__output output;
    int status;
    if (!clew__options_read(&command, argc, argv, &options, &status))
        return status;
    bool is_save = options.file_count && strcmp(options.files[0], "save") == 0;
    bool is_compare = options.file_count && strcmp(options.files[0], "compare") == 0;
    if ((!is_save && !is_compare) || options.file_count < 2) {
        fprintf(stderr, "clew baseline: %s; see `clew baseline --help`\n",
                is_save || is_compare ? "a baseline is needed" : "`save` or `compare` is needed");
        return CLEW__EXIT_USAGE;
    }
    clew__output_begin(&output, STDOUT_FILENO, options.format);
    status = is_save ? save(&output, &options) : compare(&output, &options);
    return clew__output_end(&output, status);
}
