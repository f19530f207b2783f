/* Loading. The trace buffer holds what half of the memory holds; time does not pass in files. One thread. */
#include "collector-bridge/cli/load.h"

#include "collector-bridge/cli/command.h"
#include "collector-bridge/files/input.h"
#include "collector-bridge/report/remarks.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define SPANS_MAX 100000000u /* of one trace: more than memory holds */

void clew__load_failed(struct clew__load *load) {
    if (load->status != CLEW__EXIT_INPUT)
        fputs("clew: out of memory\n", stderr);
    load->status = CLEW__EXIT_INPUT;
}

static bool is_wanted(const struct clew__load *load, const clew_trace *trace) {
    char text[CLEW_ID_TEXT_SIZE];
    if (!load->wanted)
        return true;
    clew_trace_id_text(trace, text);
    return clew__id_begins_with(text, load->wanted);
}

clew_critical_path *clew__load_path(const struct clew__load *load, const clew_trace *trace) {
    return clew_critical_path_new(trace, &load->options->path);
}

static void hand_on(struct clew__load *load, const clew_trace *trace, bool stays) {
    clew_critical_path *path = clew__load_path(load, trace);
    load->given++;
    load->left += !stays;
    if (!path || !load->take(load->user, trace, path, stays))
        clew__load_failed(load);
    clew_critical_path_free(path);
}

static void leave(void *user, const clew_trace *trace) {
    struct clew__load *load = user;
    if (is_wanted(load, trace))
        hand_on(load, trace, false);
}

static bool add(void *user, const void *traces, size_t size) {
    struct clew__load *load = user;
    /* What did not fit is counted by the buffer, and told at the end. */
    clew_trace_buffer_add(load->buffer, (clew_bytes){traces, size}, 0);
    return true;
}

/* ---- what became of the spans ---- */

static void tell(struct clew__load *load, uint64_t spans, const char *why) {
    if (!spans)
        return;
    fprintf(stderr, "clew: %" PRIu64 " span%s left out: %s\n", spans, spans == 1 ? "" : "s", why);
    load->status = CLEW__EXIT_INPUT;
}

static void tell_losses(struct clew__load *load) {
    clew_trace_buffer_stats stats = clew_trace_buffer_get_stats(load->buffer);
    tell(load, stats.dropped_malformed, "without a trace id or span id");
    tell(load, stats.dropped_memory, "not enough memory");
    tell(load, stats.dropped_late, "their traces had to make room for others");
    tell(load, stats.dropped_trace_limit, "their traces are too large");
    if (stats.spans_in == 0 && load->status == CLEW__EXIT_OK)
        fputs("clew: no spans\n", stderr);
}

/* ---- one trace ---- */

/* Of the traces that are held: the one that is wanted, and how many ids begin like that. One whose whole id
 * is given is meant. */
static const clew_trace *find_wanted(const struct clew__load *load, uint64_t *count) {
    const clew_trace *trace = NULL, *found = NULL;
    char text[CLEW_ID_TEXT_SIZE];
    *count = 0;
    while ((trace = clew_trace_buffer_next(load->buffer, trace))) {
        if (!is_wanted(load, trace))
            continue;
        found = trace;
        ++*count;
        clew_trace_id_text(trace, text);
        if (strcmp(text, load->wanted) == 0) {
            *count = 1;
            break;
        }
    }
    return found;
}

static void hand_on_wanted(struct clew__load *load) {
    uint64_t count, left = load->given;
    const clew_trace *trace = find_wanted(load, &count);
    if (count == 1 && left == 0)
        hand_on(load, trace, true);
    if (count + left == 1)
        return;
    if (count + left == 0)
        fprintf(stderr, "clew: no trace has an id that begins with \"%.100s\"\n", load->wanted);
    else
        fprintf(stderr, "clew: %" PRIu64 " traces have ids that begin with \"%.100s\"; give more digits\n",
                count + left, load->wanted);
    load->status = CLEW__EXIT_NOT_FOUND;
}

/* ---- Ctrl-C ---- */

/* Takes the line of progress from the terminal; then the signal does what it usually does. */
static void interrupted(int number) {
    static const char clear[] = "\r\033[K";
    ssize_t written = write(STDERR_FILENO, clear, sizeof clear - 1);
    (void)written;
    raise(number);
}

/* While files are read. What is ignored stays so. */
static void clean_up_when_interrupted(struct sigaction *before) {
    struct sigaction action = {.sa_handler = interrupted, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, NULL, before);
    if (before->sa_handler == SIG_DFL && isatty(STDERR_FILENO))
        sigaction(SIGINT, &action, NULL);
}

/* ---- all ---- */

void clew__load_files(struct clew__load *load, const char *const *files, size_t count) {
    const clew_trace_buffer_options wanted = {.struct_size = sizeof wanted,
                                              .memory_limit = load->memory_limit ? load->memory_limit
                                                                                 : clew__input_memory() / 2,
                                              .span_limit = SPANS_MAX,
                                              .skew = load->options->skew,
                                              .on_leave = leave,
                                              .user = load};
    const struct clew__input_sink sink = {add, load};
    const clew_trace *trace = NULL;
    struct sigaction interrupt;
    load->buffer = clew_trace_buffer_new(&wanted);
    if (!load->buffer) {
        clew__load_failed(load);
        return;
    }
    clean_up_when_interrupted(&interrupt);
    if (!clew__input_read_paths(files, count, &sink, stderr))
        load->status = CLEW__EXIT_INPUT;
    sigaction(SIGINT, &interrupt, NULL);
    clew_trace_buffer_flush(load->buffer);
    tell_losses(load);
    if (load->wanted) {
        hand_on_wanted(load);
        return;
    }
    while ((trace = clew_trace_buffer_next(load->buffer, trace)))
        hand_on(load, trace, true);
}

void clew__load_all(struct clew__load *load) {
    if (load->options->file_count == 0 && isatty(STDIN_FILENO))
        fputs("clew: reading traces from the terminal; Ctrl-D ends them\n", stderr);
    clew__load_files(load, load->options->files, load->options->file_count);
}

void clew__load_end(struct clew__load *load) {
    clew_trace_buffer_free(load->buffer);
    load->buffer = NULL;
}
