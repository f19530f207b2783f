/* `clew trace`: draws the traces of files. */
#include "collector-bridge/cli/command.h"
#include "collector-bridge/cli/draw.h"
#include "collector-bridge/cli/tree.h"
#include "collector-bridge/files/input.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
    "usage: clew trace [FILE…]\n"
    "\n"
    "Draws traces as trees: a line a span, with service, name, kind, duration, error and links.\n"
    "A FILE may be a folder, whose files are read, or `-` for standard input, as without any FILE.\n"
    "Its content may be OTLP as protobuf, as JSON or as JSON lines, Jaeger's JSON, or Zipkin's JSON of\n"
    "version 2, and each of these compressed with gzip or zstd; what it is, is recognised.\n"
    "Traces that are spread over several files are put together.\n"
    "\n"
    "On a terminal there are colours (unless NO_COLOR is set) and a bar for the time in which each span "
    "ran.\n"
    "CLICOLOR_FORCE=1 gives colours to files and pipes too.\n"
    "\n"
    "Exit status: 0, 1 for a wrong usage, 2 when a file could not be read or is malformed or empty; the "
    "rest\n"
    "is drawn.\n"
    "\n"
    "Example:\n"
    "  CLEW_OTLP_FILE=spans.jsonl OTEL_TRACES_EXPORTER=none ./my-program\n"
    "  clew trace spans.jsonl\n";

static bool take(void *user, const void *traces, size_t size) {
    if (clew__tree_add(user, traces, size))
        return true;
    fputs("clew: out of memory\n", stderr);
    return false;
}

static int draw_files(char **paths, int count) {
    struct clew__tree tree = {0};
    const struct clew__input_sink sink = {take, &tree};
    bool sound = clew__input_read_paths((const char *const *)paths, (size_t)count, &sink, stderr);
    int status = sound ? CLEW__EXIT_OK : CLEW__EXIT_INPUT;
    if (!clew__tree_build(&tree)) {
        fputs("clew: out of memory\n", stderr);
        status = CLEW__EXIT_INPUT;
    } else if (tree.trace_count == 0) {
        fputs("clew: no spans\n", stderr);
    } else {
        clew__draw(stdout, &tree, clew__draw_style_for(STDOUT_FILENO));
    }
    clew__tree_fini(&tree);
    if (fflush(stdout) != 0) {
        fprintf(stderr, "clew: standard output: %s\n", strerror(errno));
        status = CLEW__EXIT_INPUT;
    }
    return status;
}

int clew__command_trace(int argc, char **argv) {
    int first = 1;
    for (; first < argc && argv[first][0] == '-' && argv[first][1]; first++) {
        if (strcmp(argv[first], "--help") == 0 || strcmp(argv[first], "-h") == 0) {
            fputs(help, stdout);
            return CLEW__EXIT_OK;
        }
        if (strcmp(argv[first], "--") == 0) {
            first++;
            break;
        }
        fprintf(stderr, "clew trace: unknown option `%s`; see `clew trace --help`\n", argv[first]);
        return CLEW__EXIT_USAGE;
    }
    return draw_files(argv + first, argc - first);
}
