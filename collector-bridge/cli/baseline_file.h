/* Baselines in files. One thread. */
#ifndef CLEW_CLI_BASELINE_FILE_H
#define CLEW_CLI_BASELINE_FILE_H

#include <clew/analysis/baseline.h>

/* The largest file that is read. */
#define CLEW__BASELINE_FILE_MAX ((size_t)1 << 30)

/* Whether there is a regular file that begins as a baseline does. */
bool clew__baseline_file_is(const char *path);
/* Reads one. NULL, and what is wrong is said, when it cannot be read or is none. */
clew_baseline *clew__baseline_file_read(const char *path);
/* Whether one may be written there: nothing is there, an empty file, or a baseline. Else what is there is
 * said. */
bool clew__baseline_file_may_be(const char *path);
/* Writes it in place of what was there, whole or not at all, if it may be there. False, and what is wrong is
 * said. */
bool clew__baseline_file_write(const char *path, const clew_baseline *baseline);

#endif
