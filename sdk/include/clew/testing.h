/* The test kit: finished spans in memory, and assertions on span trees, for the tests of programs that use
 * Clew. Works with any test framework: it says what is wrong as text. */
#ifndef CLEW_TESTING_H
#define CLEW_TESTING_H

#include <clew/pipeline.h>

CLEW_BEGIN_DECLS

/** Keeps finished spans until they are cleared. Any thread; each call takes a lock. */
typedef struct clew_memory_exporter clew_memory_exporter;

/** NULL when memory runs out. Keeps at most `span_limit` spans (0: 10000), and fails batches beyond that. */
CLEW_API clew_memory_exporter *clew_memory_exporter_new(size_t span_limit);
/** The exporter to add to a provider: `clew_provider_add_simple(p, &e)`. Local: finished spans are there at
 * once. May be added several times; the memory exporter outlives the providers. */
CLEW_API clew_exporter clew_memory_exporter_as_exporter(clew_memory_exporter *exporter);
/** Only after the providers that it was added to are shut down. */
CLEW_API void clew_memory_exporter_free(clew_memory_exporter *exporter);

/** How many spans it holds. */
CLEW_API size_t clew_memory_exporter_count(clew_memory_exporter *exporter);
/** The span at an index in order of arrival; all empty beyond the count. Valid until the next clear. */
CLEW_API clew_span_view clew_memory_exporter_at(clew_memory_exporter *exporter, size_t index);
/** The first span of that name. False when there is none. */
CLEW_API bool clew_memory_exporter_find(clew_memory_exporter *exporter, const char *name,
                                        clew_span_view *out);
/** Forgets all spans; views of them become invalid. */
CLEW_API void clew_memory_exporter_clear(clew_memory_exporter *exporter);

/** The spans as an indented tree: a line a span, its name, then what differs from the plain case, children
 * below their parent by two spaces, siblings by start:
 *
 *      GET /cart [server]
 *        load cart
 *        charge card [client] error: timeout
 *
 *  A span whose parent is not there is a root. Returns terminated text to be released with
 *  clew_testing_text_free(); NULL when memory runs out. */
CLEW_API char *clew_memory_exporter_tree(clew_memory_exporter *exporter);
/** NULL is allowed. */
CLEW_API void clew_testing_text_free(char *text);

/** Compares the tree with what is expected, written as above. Indentation counts from the first line's, and a
 * last line end is free. Returns true, or false and, in `message`, both trees with the first line that
 * differs. */
CLEW_API bool clew_expect_tree(clew_memory_exporter *exporter, const char *expected, char *message,
                               size_t capacity);

/** Compares one attribute; a value of a type that is no scalar compares by its text. A value of
 * CLEW_TYPE_EMPTY expects that the attribute is absent. Returns true, or false and the difference in
 * `message`. */
CLEW_API bool clew_expect_attribute(const clew_span_view *span, const char *key, clew_value expected,
                                    char *message, size_t capacity);

CLEW_END_DECLS

#endif
