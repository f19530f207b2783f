/* Tracestates inside the library: several header values as one. */
#ifndef CLEW_CONTEXT_TRACESTATE_H
#define CLEW_CONTEXT_TRACESTATE_H

#include <clew/context.h>

/* Of all header values together; a tracestate that clew_tracestate_set() makes is never longer either. */
#define CLEW__TRACESTATE_SIZE_MAX 8192u

/* Puts the values of several `tracestate` headers together, in order (RFC 9110, section 5.3). Starts as all
 * zero; a value is needed during the call only. */
struct clew__tracestate_reader {
    clew_tracestate *state; /* NULL while there is no member */
    size_t read_size;       /* of all values, with a comma between them */
    unsigned members;       /* all that were read, also those that were there before */
    bool broken;            /* a rule is broken: the whole is discarded */
};
void clew__tracestate_read(struct clew__tracestate_reader *reader, const char *value, size_t size);

/* The state, or NULL when it is empty or a rule is broken. Ends the reader. */
clew_tracestate *clew__tracestate_finish(struct clew__tracestate_reader *reader);

#endif
