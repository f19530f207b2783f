/* Baggage: name/value pairs that travel with the context to every service (specification: Baggage API).
 *
 * Immutable and counted like contexts; works without an SDK. Names are any non-empty text, values any UTF-8;
 * names that are not HTTP tokens stay in the process, for a header cannot carry them. */
#ifndef CLEW_BAGGAGE_H
#define CLEW_BAGGAGE_H

#include <clew/context.h>

CLEW_BEGIN_DECLS

/** NULL is the empty baggage everywhere. */
typedef struct clew_baggage clew_baggage;

/** One more reference; returns its argument. Any thread. */
CLEW_API clew_baggage *clew_baggage_ref(const clew_baggage *baggage);
/** Gives a reference back; the last one frees it. Any thread. */
CLEW_API void clew_baggage_unref(const clew_baggage *baggage);

/** A new baggage with the entry set; a name occurs once. `metadata` is the opaque text after the first `;` of
 * the W3C header, or NULL. NULL is returned for an invalid name, value or metadata, and when memory runs out.
 */
CLEW_API clew_baggage *clew_baggage_set(const clew_baggage *baggage, const char *name, const char *value,
                                        const char *metadata);
/** A new baggage without the name; NULL when nothing is left. */
CLEW_API clew_baggage *clew_baggage_remove(const clew_baggage *baggage, const char *name);

/** One entry, borrowed from its baggage. */
typedef struct clew_baggage_entry {
    const char *name;     /**< terminated */
    const char *value;    /**< terminated, decoded */
    const char *metadata; /**< terminated; NULL when there is none */
} clew_baggage_entry;

/** The value, terminated, or NULL. Lives as long as the baggage. */
CLEW_API const char *clew_baggage_get(const clew_baggage *baggage, const char *name);
/** The number of entries; 0 for NULL. */
CLEW_API size_t clew_baggage_count(const clew_baggage *baggage);
/** The entry at an index below the count; all NULL beyond it. */
CLEW_API clew_baggage_entry clew_baggage_at(const clew_baggage *baggage, size_t index);

/** The baggage in a context (NULL: the thread's current context). Borrowed: lives as long as the context, for
 * the current one until its detach. */
CLEW_API const clew_baggage *clew_context_baggage(const clew_context *context);
/** A new context with that baggage; NULL clears it. */
CLEW_API clew_context *clew_context_with_baggage(const clew_context *base, const clew_baggage *baggage);

CLEW_END_DECLS

#endif
