/* OTLP/JSON for tests of reading, put together from literals, and the spans that are read from it. */
#ifndef CLEW_TEST_FILES_SPANS_H
#define CLEW_TEST_FILES_SPANS_H

#include "collector-bridge/files/input.h"
#include "proto/otlp.h"
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

#define SPANS_MAX 64 /* whose names are kept */

struct spans {
    size_t span_count;
    struct {
        char name[16];
    } spans[SPANS_MAX];
};

static inline void spans_add(struct spans *spans, struct clew__wire message) {
    struct clew__span_fields fields;
    clew__read_span(message, &fields);
    if (spans->span_count < SPANS_MAX)
        snprintf(spans->spans[spans->span_count].name, sizeof spans->spans[0].name, "%.*s",
                 (int)(fields.name.end - fields.name.at), (const char *)fields.name.at);
    spans->span_count++;
}

static inline bool spans_take(void *user, const void *traces, size_t size) {
    struct clew__wire all = clew__wire_of(traces, size), resource_spans, scope_spans, span;
    while (clew__next_member(&all, CLEW__TRACES_RESOURCE_SPANS, &resource_spans))
        while (clew__next_member(&resource_spans, CLEW__RESOURCE_SPANS_SCOPE_SPANS, &scope_spans))
            while (clew__next_member(&scope_spans, CLEW__SCOPE_SPANS_SPANS, &span))
                spans_add(user, span);
    return true;
}

/* Reads a text, or any other bytes. What it complains about goes into `complaints`, to be freed. */
static inline bool spans_read(struct spans *spans, const void *bytes, size_t size, char **complaints) {
    const struct clew__input_sink sink = {spans_take, spans};
    size_t unused;
    FILE *errors = open_memstream(complaints, &unused);
    FILE *stream = size ? fmemopen((void *)bytes, size, "rb") : fopen("/dev/null", "rb");
    cr_assert(errors && stream);
    bool sound = clew__input_read(stream, "spans", &sink, errors);
    fclose(stream);
    fclose(errors);
    return sound;
}

#endif
