/* Propagators: carry a context into the headers of a request and out of them again (specification:
 * Propagators API).
 *
 * A carrier is the application's: header list, message, environment. Clew sees it through a clew_carrier. */
#ifndef CLEW_PROPAGATION_H
#define CLEW_PROPAGATION_H

#include <clew/baggage.h>
#include <clew/context.h>

CLEW_BEGIN_DECLS

/** How a carrier is read and written. Members that a direction does not need may be NULL. The functions are
 * called on the thread that injects or extracts, during that call only. */
typedef struct clew_carrier {
    uint32_t struct_size; /**< sizeof, or 0 for the members of the first release */
    void *self;           /**< first argument of each function */

    /** Calls `each(arg, value, size)` for every value of the header, in order; HTTP carriers compare names
     * without case. Needed to extract. */
    void (*get_all)(void *self, const char *name, void (*each)(void *arg, const char *value, size_t size),
                    void *arg);
    /** Sets the header, replacing what was there. `value` is terminated. Needed to inject. Returns 0 or an
     * error. */
    int (*set)(void *self, const char *name, const char *value);
    /** Calls `each(arg, name)` for every header name. Needed by propagators that look for prefixes. */
    void (*keys)(void *self, void (*each)(void *arg, const char *name), void *arg);
} clew_carrier;

/** Writes and reads one format, or several; any thread. */
typedef struct clew_propagator clew_propagator;

/** A propagator of one's own. `inject` and `extract` may run on any threads at once. */
typedef struct clew_propagator_callbacks {
    uint32_t struct_size;
    void *self;
    int (*inject)(void *self, const clew_context *context, const clew_carrier *carrier);
    /** A new reference: `context` with what was found, or one more reference to `context`. */
    clew_context *(*extract)(void *self, const clew_context *context, const clew_carrier *carrier);
    const char *const *(*fields)(void *self); /**< NULL-terminated names that inject writes */
} clew_propagator_callbacks;

/* The built-in ones are static: nothing to free. */
CLEW_API clew_propagator *clew_propagator_tracecontext(void); /**< W3C Trace Context, Level 2 */
CLEW_API clew_propagator *clew_propagator_baggage(void);      /**< W3C Baggage */
CLEW_API clew_propagator *clew_propagator_none(void);         /**< does nothing */

/** Several in order; duplicates count once. At most 8, borrowed: they must live as long. NULL when memory
 * runs out or there are too many. */
CLEW_API clew_propagator *clew_propagator_composite(clew_propagator *const *members, size_t count);
/** From callbacks, which are copied; `self` must live as long as the propagator. NULL when memory runs out.
 */
CLEW_API clew_propagator *clew_propagator_custom(const clew_propagator_callbacks *callbacks);
/** For composite and custom ones that are not installed; the built-in ones ignore it. */
CLEW_API void clew_propagator_free(clew_propagator *propagator);

/** Writes what the context holds. NULL context: the current one. Writes nothing for an invalid span context
 * and for empty baggage. Returns 0, or the first error of the carrier. */
CLEW_API int clew_propagator_inject(clew_propagator *propagator, const clew_context *context,
                                    const clew_carrier *carrier);
/** A new context from `base` (NULL: the empty one) and the headers; never NULL. Headers that break a rule are
 *  ignored: then the next span starts a new trace. */
CLEW_API clew_context *clew_propagator_extract(clew_propagator *propagator, const clew_context *base,
                                               const clew_carrier *carrier);
/** The header names that inject writes, NULL-terminated, to clean a carrier that is used again. */
CLEW_API const char *const *clew_propagator_fields(clew_propagator *propagator);

/** The global propagator: does nothing until clew_init() (OTEL_PROPAGATORS, by default tracecontext and
 * baggage) or the setter. Replaced ones are not freed: something may still use them. */
CLEW_API clew_propagator *clew_propagator_get_global(void);
CLEW_API void clew_propagator_set_global(clew_propagator *propagator);

/** Inject and extract with the global propagator. */
CLEW_API int clew_inject(const clew_context *context, const clew_carrier *carrier);
CLEW_API clew_context *clew_extract(const clew_context *base, const clew_carrier *carrier);

/* ---- traceparent as text, for carriers that need no carrier ---- */

#define CLEW_TRACEPARENT_SIZE 56 /**< with its terminator */

/** The `traceparent` of a span context; "" when it is invalid. No allocation; safe in a signal handler. */
CLEW_API void clew_traceparent_format(const clew_span_context *context, char text[CLEW_TRACEPARENT_SIZE]);
/** Reads one by the rules of W3C Level 2; CLEW_EFORMAT leaves the context all zero. `is_remote` is set. */
CLEW_API int clew_traceparent_parse(const char *text, size_t size, clew_span_context *context);

/* ---- the environment as carrier (specification: Environment Variables as Context Propagation Carriers) ----
 */

/** A copy of this process's environment in which the context's TRACEPARENT, TRACESTATE and BAGGAGE replace
 * older ones (NULL context: the current one), for execve() or posix_spawn(). Older ones go even if the
 * context has none to put in their place; only when there is no current context at all they are passed on.
 * This process's own environment is not touched. Uses the global propagator, or W3C when none is set. The
 * result is one block; give it back with clew_environ_free(). NULL when memory runs out. Not for secrets:
 * other processes of the user can read it. */
CLEW_API char **clew_environ_new(const clew_context *context);
/** NULL is allowed. */
CLEW_API void clew_environ_free(char **environment);

/** A new context from a NULL-terminated array `NAME=value` (NULL: this process's environment). Names are
 *  normalised as the specification says: upper case, `_` for what is no letter or digit. Never NULL.
 * clew_init() does this by itself and makes the result the parent of every root span. */
CLEW_API clew_context *clew_environ_extract(char *const *environment);

CLEW_END_DECLS

#endif
