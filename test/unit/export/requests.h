/* Requests of several resources and scopes, and telling them apart. */
#ifndef CLEW_TEST_UNIT_EXPORT_REQUESTS_H
#define CLEW_TEST_UNIT_EXPORT_REQUESTS_H

#include "test/unit/proto/requests.h"

#include "opentelemetry/proto/collector/trace/v1/trace_service.pb-c.h"
#include "test/support.h"

#include <stdio.h>

typedef Opentelemetry__Proto__Trace__V1__TracesData OracleTraces;
typedef Opentelemetry__Proto__Trace__V1__ResourceSpans OracleResourceSpans;
typedef Opentelemetry__Proto__Trace__V1__ScopeSpans OracleScopeSpans;

#define UNKNOWN_FIELD 15 /* none of the three messages has it */

static inline void write_scope_spans(struct clew__writer *writer, int resource, int scope, int spans,
                                     size_t text_size) {
    size_t scope_spans = clew__write_begin(writer, CLEW__RESOURCE_SPANS_SCOPE_SPANS), begun;
    char name[64];
    begun = clew__write_begin(writer, CLEW__SCOPE_SPANS_SCOPE);
    snprintf(name, sizeof name, "scope %d", scope);
    write_text(writer, CLEW__SCOPE_NAME, name);
    clew__write_end(writer, begun);
    for (int i = 0; i < spans; i++) {
        static const char padding[100000];
        begun = clew__write_begin(writer, CLEW__SCOPE_SPANS_SPANS);
        clew__write_bytes(writer, CLEW__SPAN_TRACE_ID, REQUEST_TRACE_ID, 16);
        clew__write_bytes(writer, CLEW__SPAN_SPAN_ID, REQUEST_SPAN_ID, 8);
        snprintf(name, sizeof name, "span %d.%d.%d", resource, scope, i);
        write_text(writer, CLEW__SPAN_NAME, name);
        clew__write_bytes(writer, 100, padding, text_size); /* a field that nobody knows */
        clew__write_end(writer, begun);
    }
    snprintf(name, sizeof name, "https://scope.test/%d", scope);
    write_text(writer, CLEW__SCOPE_SPANS_SCHEMA_URL, name);
    write_text(writer, UNKNOWN_FIELD, "kept");
    clew__write_end(writer, scope_spans);
}

/* `resources` with as many `scopes` with as many `spans`, each with `text_size` bytes beside its name. */
static inline void write_many(struct clew__writer *writer, int resources, int scopes, int spans,
                              size_t text_size) {
    for (int r = 0; r < resources; r++) {
        size_t group = clew__write_begin(writer, CLEW__TRACES_RESOURCE_SPANS), begun;
        char text[64];
        begun = clew__write_begin(writer, CLEW__RESOURCE_SPANS_RESOURCE);
        snprintf(text, sizeof text, "resource %d", r);
        write_attribute(writer, CLEW__RESOURCE_ATTRIBUTES, "service.name", text);
        clew__write_end(writer, begun);
        for (int s = 0; s < scopes; s++)
            write_scope_spans(writer, r, s, spans, text_size);
        snprintf(text, sizeof text, "https://resource.test/%d", r);
        write_text(writer, CLEW__RESOURCE_SPANS_SCHEMA_URL, text);
        clew__write_end(writer, group);
    }
}

static inline OracleTraces *oracle_of(const void *data, size_t size) {
    OracleTraces *traces = opentelemetry__proto__trace__v1__traces_data__unpack(NULL, size, data);
    cr_assert_not_null(traces, "protobuf-c cannot read the request");
    return traces;
}

/* Adds a line for every span: where it lies, its name, all schemas, what is unknown beside it. Empty
 * resources and scopes fail. */
static inline size_t describe(const void *data, size_t size, struct clew__writer *lines) {
    OracleTraces *traces = oracle_of(data, size);
    size_t count = 0;
    for (size_t r = 0; r < traces->n_resource_spans; r++) {
        OracleResourceSpans *resource = traces->resource_spans[r];
        cr_assert_gt(resource->n_scope_spans, 0);
        for (size_t s = 0; s < resource->n_scope_spans; s++) {
            OracleScopeSpans *scope = resource->scope_spans[s];
            cr_assert_gt(scope->n_spans, 0);
            for (size_t i = 0; i < scope->n_spans; i++, count++) {
                char line[512];
                int length =
                    snprintf(line, sizeof line, "%s %s %s %s %s %u %u\n",
                             resource->resource->attributes[0]->value->string_value, resource->schema_url,
                             scope->scope->name, scope->schema_url, scope->spans[i]->name,
                             scope->base.n_unknown_fields, scope->spans[i]->base.n_unknown_fields);
                clew__write_raw(lines, line, (size_t)length);
            }
        }
    }
    opentelemetry__proto__trace__v1__traces_data__free_unpacked(traces, NULL);
    return count;
}

#endif
