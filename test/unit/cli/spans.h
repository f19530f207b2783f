/* OTLP/JSON for the tests of the CLI, put together from literals, and the tree that is read from it. */
#ifndef CLEW_TEST_CLI_SPANS_H
#define CLEW_TEST_CLI_SPANS_H

#include "collector-bridge/cli/tree.h"
#include "collector-bridge/files/input.h"
#include "test/support.h"

#include <stdlib.h>
#include <string.h>

#define TRACE_A "0af7651916cd43dd8448eb211c80319c"
#define TRACE_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

/* One span: ids are 16 digits, "" for no parent; times in ns since T; `more` are further members. */
#define T "17000000000"
#define SPAN_IN(trace, id, parent, name, start, end, more)                                                   \
    "{\"traceId\":\"" trace "\",\"spanId\":\"" id "\",\"parentSpanId\":\"" parent "\",\"name\":\"" name      \
    "\",\"startTimeUnixNano\":\"" T start "\",\"endTimeUnixNano\":\"" T end "\"" more "}"
#define SPAN(id, parent, name, start, end, more) SPAN_IN(TRACE_A, id, parent, name, start, end, more)

#define SERVICE(name, spans)                                                                                 \
    "{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":{\"stringValue\":\"" name            \
    "\"}}]},\"scopeSpans\":[{\"spans\":[" spans "]}]}"
#define TRACES(services) "{\"resourceSpans\":[" services "]}\n"

static inline bool spans_take(void *user, const void *traces, size_t size) {
    return clew__tree_add(user, traces, size);
}

/* Reads a text, or any other bytes, into the tree. What it complains about goes into `complaints`, to be
 * freed. */
static inline bool spans_read(struct clew__tree *tree, const void *bytes, size_t size, char **complaints) {
    const struct clew__input_sink sink = {spans_take, tree};
    size_t unused;
    FILE *errors = open_memstream(complaints, &unused);
    FILE *stream = size ? fmemopen((void *)bytes, size, "rb") : fopen("/dev/null", "rb");
    cr_assert(errors && stream);
    bool sound = clew__input_read(stream, "spans", &sink, errors);
    fclose(stream);
    fclose(errors);
    return sound;
}

/* The tree of a well-formed text, built. */
static inline struct clew__tree spans_tree(const char *text) {
    struct clew__tree tree = {0};
    char *complaints;
    cr_assert(spans_read(&tree, text, strlen(text), &complaints), "%s", complaints);
    free(complaints);
    cr_assert(clew__tree_build(&tree));
    return tree;
}

#endif
