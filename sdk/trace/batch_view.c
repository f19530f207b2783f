/* Walking the spans of a batch, or of any OTLP request. Pure: owns nothing, allocates nothing; any thread. */
#include "sdk/pipeline/batch.h"

#include <clew/extend.h>

#include "proto/otlp.h"
#include "sdk/trace/view.h"

size_t clew_batch_count(const clew_batch *batch) {
    return batch->count;
}

clew_bytes clew_batch_request(const clew_batch *batch) {
    return batch->request;
}

clew_batch_cursor clew_request_begin(clew_bytes request) {
    clew_batch_cursor cursor = {0};
    cursor.resources = request;
    return cursor;
}

clew_batch_cursor clew_batch_begin(const clew_batch *batch) {
    return clew_request_begin(batch->request);
}

/* What spans share stands anywhere in the message around them, also behind them: it is collected first. Field
 * numbers of the shared message and of the schema URL are the same in ResourceSpans and ScopeSpans. */
_Static_assert((int)CLEW__RESOURCE_SPANS_RESOURCE == (int)CLEW__SCOPE_SPANS_SCOPE &&
                   (int)CLEW__RESOURCE_SPANS_SCHEMA_URL == (int)CLEW__SCOPE_SPANS_SCHEMA_URL,
               "one reader for both");

static void read_shared(struct clew__wire message, clew_bytes *shared, clew_text *schema_url) {
    struct clew__wire none = {NULL, NULL};
    enum clew__wire_error error;
    struct clew__field field;

    *shared = clew__bytes_of_wire(none);
    *schema_url = clew__text_of_wire(none);
    while (clew__wire_next(&message, &field, &error)) {
        if (field.type != CLEW__WIRE_BYTES)
            continue;
        if (field.field == CLEW__SCOPE_SPANS_SCOPE)
            *shared = clew__bytes_of_wire(field.bytes);
        else if (field.field == CLEW__SCOPE_SPANS_SCHEMA_URL)
            *schema_url = clew__text_of_wire(field.bytes);
    }
}

bool clew_batch_next(clew_batch_cursor *cursor, clew_span_view *out) {
    clew_span_view *current = &cursor->current;
    struct clew__wire message;

    for (;;) {
        if (clew__take_member(&cursor->spans, CLEW__SCOPE_SPANS_SPANS, &message)) {
            current->span = clew__bytes_of_wire(message);
            *out = *current;
            return true;
        }
        if (clew__take_member(&cursor->scopes, CLEW__RESOURCE_SPANS_SCOPE_SPANS, &message)) {
            read_shared(message, &current->scope, &current->scope_schema_url);
            cursor->spans = clew__bytes_of_wire(message);
            continue;
        }
        if (!clew__take_member(&cursor->resources, CLEW__TRACES_RESOURCE_SPANS, &message))
            return false;
        read_shared(message, &current->resource, &current->resource_schema_url);
        cursor->scopes = clew__bytes_of_wire(message);
    }
}

/* ---- batches of others' bytes ---- */

clew_batch *clew_batch_new(clew_bytes request, size_t span_count) {
    clew_batch *batch = clew_memory_allocate(sizeof *batch);
    if (batch)
        *batch = (clew_batch){request, span_count};
    return batch;
}

void clew_batch_free(clew_batch *batch) {
    clew_memory_release(batch);
}
