/* Environment variables as typed values (specification: Environment Variable Specification). An empty value
 * counts as unset, white space around a value does not count, and a wrong value is logged with its variable,
 * its text and what is used instead. Cold path; any thread, as far as getenv(3) allows. */
#ifndef CLEW_BASE_ENVIRONMENT_H
#define CLEW_BASE_ENVIRONMENT_H

#include "sdk/base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* Room for a value in a message: 64 bytes, an ellipsis and the terminator. */
#define CLEW__ENV_SHOWN_SIZE 68

/* A value as messages may show it: cut, and without control characters. Returns `shown`. */
const char *clew__env_show(struct clew__slice value, char shown[CLEW__ENV_SHOWN_SIZE]);

/* Without ASCII white space at both ends. */
struct clew__slice clew__env_trim(struct clew__slice text);

/* The trimmed value; empty when it is unset. Borrowed from the environment. */
struct clew__slice clew__env_text(const char *name);

/* True only for "true", in any case; all booleans of the specification are false by default. */
bool clew__env_bool(const char *name);

/* A whole number of decimal digits. */
struct clew__env_number {
    uint64_t minimum;
    uint64_t maximum;
    uint64_t standard;         /* what is used without a valid value; need not lie in the range */
    const char *standard_text; /* how messages call it; NULL: the number */
};

/* The variable, else the `general` one (may be NULL), else the standard. */
uint64_t clew__env_uint(const char *name, const char *general, const struct clew__env_number *number);

/* A decimal fraction in [0, 1], whatever the locale; false when it is unset or wrong, which is logged with
 * `standard` as what is used instead. */
bool clew__env_ratio(const char *name, const char *standard, double *out);

struct clew__env_choice {
    const char *name;
    int value; /* negative: the specification knows it, Clew does not support it */
};
#define CLEW__ENV_UNSUPPORTED (-1)

/* One of the names, in any case; `standard` when the variable is unset or wrong, called `standard_text`. */
int clew__env_enum(const char *name, const struct clew__env_choice *choices, size_t count, int standard,
                   const char *standard_text);

/* A list of names separated by commas: the values in order, each once, into `out`, which has room for
 * `count`. What is wrong is left out and logged in one line about `source`. Returns how many there are; 0
 * means that `standard_text` is to be used, and is what the message says. */
size_t clew__env_list(const char *source, struct clew__slice text, const struct clew__env_choice *choices,
                      size_t count, int *out, const char *standard_text);

#endif
