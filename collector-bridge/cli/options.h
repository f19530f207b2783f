/* The options of the commands that read traces: one table, from which each command names those that it takes;
 * what --help says comes from the same table. */
#ifndef CLEW_CLI_OPTIONS_H
#define CLEW_CLI_OPTIONS_H

#include <clew/analysis.h>

enum clew__format {
    CLEW__FORMAT_TEXT = 0,
    CLEW__FORMAT_MARKDOWN,
    CLEW__FORMAT_JSON,
    CLEW__FORMAT_DOT,
    CLEW__FORMAT_SVG,
    CLEW__FORMAT_FOLDED,
};

/* What a command may take: bits. All take --help, --json, --md and --skew. */
enum clew__takes {
    CLEW__TAKES_PATH = 1,        /* --eps, --overflow, --scope */
    CLEW__TAKES_TRACE = 2,       /* --trace, once */
    CLEW__TAKES_TWO_TRACES = 4,  /* --trace, twice */
    CLEW__TAKES_DOT = 8,         /* --dot */
    CLEW__TAKES_SVG = 16,        /* --svg */
    CLEW__TAKES_FOLDED = 32,     /* --folded */
    CLEW__TAKES_PERCENTILE = 64, /* --percentile */
    CLEW__TAKES_ROOT = 128,      /* --root */
    CLEW__TAKES_LIMIT = 256,     /* --limit */
};

/* A command as --help describes it. */
struct clew__command {
    const char *name;
    const char *arguments;   /* behind the options: `[FILE…]` */
    const char *description; /* lines */
    const char *examples;    /* lines that begin with two spaces */
    unsigned takes;
};

#define CLEW__LIMIT_DEFAULT 30u

struct clew__options {
    enum clew__format format;
    clew_path_options path;
    clew_skew skew;
    const char *traces[2]; /* as given: prefixes of ids */
    size_t trace_count;
    uint32_t percentile_from, percentile_to; /* thousandths of a per cent; `to` 0: not given */
    clew_text root_service, root_operation;
    uint32_t limit;           /* rows of a table; 0: all */
    const char *const *files; /* borrowed from argv */
    size_t file_count;
};

/* Reads the arguments. True when the command is to go on; otherwise `*status` is what to exit with: --help
 * was printed, or something is wrong, and one line on standard error says what. */
bool clew__options_read(const struct clew__command *command, int argc, char **argv,
                        struct clew__options *options, int *status);

#endif
