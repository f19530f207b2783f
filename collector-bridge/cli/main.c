/* The program `clew`: finds the command. */
#include "collector-bridge/cli/command.h"

#include <clew/version.h>

#include <stdio.h>
#include <string.h>

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} commands[] = {
    {"trace", clew__command_trace, "draw traces as trees"},
    {"critical-path", clew__command_critical_path, "what requests waited for"},
    {"service-map", clew__command_service_map, "which service calls which"},
    {"stats", clew__command_stats, "rate, errors and durations of operations"},
    {"errors", clew__command_errors, "where errors begin and what they cost"},
    {"bottlenecks", clew__command_bottlenecks, "what costs time and could be changed"},
    {"profile", clew__command_profile, "what all requests together waited for"},
    {"diff", clew__command_diff, "what changed from some traces to others"},
    {"baseline", clew__command_baseline, "keep what traces looked like, and what got worse since"},
    {"recover", clew__command_recover, "send the spans that a crashed program left"},
};

#define COMMAND_COUNT (sizeof commands / sizeof commands[0])

static int usage(FILE *out) {
    fputs("usage: clew COMMAND [ARGUMENT…]\n\nCommands:\n", out);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        fprintf(out, "  %-14s %s\n", commands[i].name, commands[i].summary);
    fputs("\n`clew COMMAND --help` says more; `clew --version` tells the version.\n", out);
    return out == stdout ? CLEW__EXIT_OK : CLEW__EXIT_USAGE;
}

int main(int argc, char **argv) {
    if (argc < 2)
        return usage(stderr);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return usage(stdout);
    if (strcmp(argv[1], "--version") == 0) {
        puts("clew " CLEW_VERSION);
        return CLEW__EXIT_OK;
    }
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    fprintf(stderr, "clew: unknown command `%s`; see `clew --help`\n", argv[1]);
    return CLEW__EXIT_USAGE;
}
