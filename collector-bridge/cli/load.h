/* The traces of all files, one after the other. One thread. */
#ifndef CLEW_CLI_LOAD_H
#define CLEW_CLI_LOAD_H

#include "collector-bridge/cli/options.h"

struct clew__load {
    clew_trace_buffer *buffer;
    const char *wanted; /* the --trace that is looked for; NULL: all */
    void (*take)(void *user, const clew_trace *trace, bool stays);
    void *user;
    uint64_t given, left; /* traces that were handed on; of them those that did not stay */
    int status;           /* of the command, so far */
};

/* Reads the files that the options name and hands every trace on: those that have to leave to make room at
 * once, then the others, in order of start, then id. Those `stay`: they are valid until clew__load_end().
 * With `wanted` only the trace whose id begins like that; when there is none, or there are several, it is
 * said and the status is CLEW__EXIT_NOT_FOUND. What could not be read is said. */
void clew__load_begin(struct clew__load *load, const struct clew__options *options);
void clew__load_end(struct clew__load *load);

/* The same for other files than those of the options. */
void clew__load_files(struct clew__load *load, const struct clew__options *options, const char *const *files,
                      size_t count);

/* Out of memory: says so, and notes the status. */
void clew__load_failed(struct clew__load *load);

#endif
