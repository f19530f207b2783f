/* Graphviz, where it is installed: a program of its own. One thread. */
#ifndef CLEW_CLI_GRAPHVIZ_H
#define CLEW_CLI_GRAPHVIZ_H

#include "proto/wire.h"

/* Runs `dot -Tsvg` on a graph, without a shell, and appends the picture. False, with nothing appended, when
 * there is no such program, it fails, or it takes longer than some seconds (which is told on standard error).
 */
bool clew__graphviz(const void *graph, size_t size, struct clew__writer *out);

#endif
