/* The traces of all files, one after the other. One thread. */
#ifndef CLEW_CLI_LOAD_H
#define CLEW_CLI_LOAD_H

#include "collector-bridge/cli/options.h"

/* One trace, with its path under the options of the command, which is valid for the call. False when memory
 * ran out. */
typedef bool clew__load_take(void *user, const clew_trace *trace, const clew_critical_path *path, bool stays);

struct clew__load {
    const struct clew__options *options;
    uint64_t memory_limit; /* of the spans that are held; 0: half of the memory of the machine */
    const char *wanted;    /* the --trace that is looked for; NULL: all */
    clew__load_take *take;
    void *user;
    clew_trace_buffer *buffer;
    uint64_t given, left; /* traces that were handed on; of them those that did not stay */
    int status;           /* of the command, so far */
};

/* Reads files and hands every trace on: those that have to leave to make room at once, then the others, in
 * order of start, then id. Those `stay`: they are valid until clew__load_end(). With `wanted` only the trace
 * whose id begins like that; when there is none, or there are several, it is said and the status is
 * CLEW__EXIT_NOT_FOUND. What could not be read is said. */
void clew__load_files(struct clew__load *load, const char *const *files, size_t count);
/* The same of all files of the options. */
void clew__load_all(struct clew__load *load);
void clew__load_end(struct clew__load *load);

/* The path of a trace that stays; NULL when memory ran out. */
clew_critical_path *clew__load_path(const struct clew__load *load, const clew_trace *trace);

/* Out of memory: says so, and notes the status. */
void clew__load_failed(struct clew__load *load);

#endif
