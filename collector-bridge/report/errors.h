/* Errors for people and programs. Pure, into a writer. */
#ifndef CLEW_REPORT_ERRORS_H
#define CLEW_REPORT_ERRORS_H

#include "collector-bridge/report/style.h"

#include <clew/analysis/errors.h>

/* Where errors begin, how far they get, what they cost; and retries. */
void clew__report_errors(struct clew__writer *out, const struct clew__style *style,
                         struct clew__palette *palette, const clew_errors_view *view, uint32_t limit);
/* One line of JSON. */
void clew__report_errors_json(struct clew__writer *out, const clew_errors_view *view);

/* The way of one error in its trace, from the span where it began: `bank: charge → shop: pay (handled)`. */
void clew__report_error_chain(struct clew__writer *out, const struct clew__style *style,
                              const clew_trace *trace, const clew_trace_errors *errors, uint32_t origin);

#endif
