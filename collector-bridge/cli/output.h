/* Standard output: a writer that writes as it fills, and how things look there. One thread. */
#ifndef CLEW_CLI_OUTPUT_H
#define CLEW_CLI_OUTPUT_H

#include "collector-bridge/cli/options.h"
#include "collector-bridge/report/style.h"

struct clew__output {
    struct clew__writer writer; /* for the reports; it refers to its place, so the whole does not move */
    struct clew__style style;
    struct clew__palette palette;
    int fd;
    int error; /* errno of what failed; 0: none */
};

/* From here on, who reads no longer is no reason to die (SIGPIPE). */
void clew__output_begin(struct clew__output *output, int fd, enum clew__format format);
/* Writes what is left and frees. The exit status: `status`, or that of a failure, which is told; that nobody
 * reads any more is none. */
int clew__output_end(struct clew__output *output, int status);

#endif
