/* `clew errors`: where errors begin and how far they get. */
#include "collector-bridge/report/errors.h"
#include "collector-bridge/cli/command.h"
#include "collector-bridge/cli/load.h"
#include "collector-bridge/cli/output.h"
#include "collector-bridge/report/line.h"

#include <unistd.h>

#define CHAINS 10u /* errors whose ways are shown */

static const struct clew__command command = {
    .name = "errors",
    .arguments = "[FILE…]",
    .description =
        "Says where errors begin, how far they get, and what they cost: which requests failed with them, "
        "which\n"
        "were handled on the way, how much time was spent on what failed, and what was tried again.\n",
    .examples = "  clew errors spans.jsonl\n"
                "  clew errors --trace 4bf92f3 spans.jsonl\n",
    .takes = CLEW__TAKES_PATH | CLEW__TAKES_TRACE | CLEW__TAKES_LIMIT,
};

struct job {
    struct clew__load load;
    struct clew__output output;
    clew_errors *errors;
};

static bool take(void *user, const clew_trace *trace, const clew_critical_path *path, bool stays) {
    struct job *job = user;
    (void)stays;
    return clew_errors_add(job->errors, trace, path) == CLEW_OK;
}

/* ---- the ways of examples ---- */

static bool is_text(clew_text text, const char *other, size_t size) {
    return text.size == size && memcmp(text.data, other, size) == 0;
}

static const clew_trace *find_trace(const struct job *job, clew_text id) {
    char text[CLEW_ID_TEXT_SIZE];
    const clew_trace *trace = NULL;
    while ((trace = clew_trace_buffer_next(job->load.buffer, trace))) {
        size_t size = clew_trace_id_text(trace, text);
        if (is_text(id, text, size))
            return trace;
    }
    return NULL;
}

static uint32_t find_span(const clew_trace *trace, clew_text id) {
    char text[CLEW_ID_TEXT_SIZE];
    uint32_t count = clew_trace_span_count(trace);
    for (uint32_t i = 0; i < count; i++) {
        size_t size = clew_trace_span_id_text(trace, i, text);
        if (is_text(id, text, size))
            return i;
    }
    return CLEW_NO_SPAN;
}

/* Nothing is shown of a trace that had to leave. */
static bool print_chain(struct job *job, const clew_exemplar *exemplar) {
    const clew_trace *trace = find_trace(job, exemplar->trace_id);
    uint32_t span = trace ? find_span(trace, exemplar->span_id) : CLEW_NO_SPAN;
    clew_critical_path *path;
    clew_trace_errors *errors;
    if (span == CLEW_NO_SPAN)
        return true;
    path = clew__load_path(&job->load, trace);
    errors = path ? clew_trace_errors_new(trace, path) : NULL;
    if (errors && errors->spans[span].role != CLEW_ERROR_NONE &&
        errors->spans[span].role != CLEW_ERROR_HANDLED)
        clew__report_error_chain(&job->output.writer, &job->output.style, trace, errors, span);
    clew_critical_path_free(path);
    clew_trace_errors_free(errors);
    return errors != NULL;
}

static bool print_chains(struct job *job, const clew_errors_view *view) {
    bool enough = true;
    if (!view->type_count)
        return true;
    clew__heading(&job->output.writer, &job->output.style, false, "One of each, from where it began");
    for (uint32_t i = 0; i < view->type_count && i < CHAINS && enough; i++)
        if (view->types[i].exemplar_count)
            enough = print_chain(job, &view->types[i].exemplars[0]);
    return enough;
}

static bool print(struct job *job) {
    clew_errors_view *view = clew_errors_view_new(job->errors);
    bool enough = view != NULL;
    if (!view)
        return false;
    if (job->load.options->format == CLEW__FORMAT_JSON) {
        clew__report_errors_json(&job->output.writer, view);
    } else {
        clew__report_errors(&job->output.writer, &job->output.style, &job->output.palette, view,
                            job->load.options->limit);
        enough = print_chains(job, view);
    }
    clew_errors_view_free(view);
    return enough;
}

int clew__command_errors(int argc, char **argv) {
    struct clew__options options;
    struct job job = {.load = {.options = &options, .take = take, .user = &job}};
    int status;
    if (!clew__options_read(&command, argc, argv, &options, &status))
        return status;
    job.load.wanted = options.traces[0];
    clew__output_begin(&job.output, STDOUT_FILENO, options.format);
    job.errors = clew_errors_new(NULL);
    if (job.errors)
        clew__load_all(&job.load);
    if (!job.errors || !print(&job))
        clew__load_failed(&job.load);
    clew_errors_free(job.errors);
    clew__load_end(&job.load);
    return clew__output_end(&job.output, job.load.status);
}
