/* Descriptors that a library opens without asking for close-on-exec. */
#ifndef CLEW_EXPORT_CLOSE_ON_EXEC_H
#define CLEW_EXPORT_CLOSE_ON_EXEC_H

#include <stdbool.h>
#include <stdint.h>

/* Beyond it descriptors are not looked at. */
#define CLEW__DESCRIPTORS_MAX 4096

/* The descriptors that are open at a moment. */
struct clew__descriptors {
    uint64_t open[CLEW__DESCRIPTORS_MAX / 64];
};

/* False: they cannot be listed, or there are some beyond the limit. */
bool clew__descriptors_list(struct clew__descriptors *out);

/* When exactly two descriptors have come since then that will do for the two ends of one fresh pair of
 * sockets, makes them close on exec and hands them out. False: all are left alone, for they could be the host
 * program's, whose threads go on meanwhile. */
bool clew__close_pair_on_exec(const struct clew__descriptors *before, int pair[2]);

#endif
