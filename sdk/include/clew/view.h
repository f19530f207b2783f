/* Reading finished spans: what processors, exporters and tests see (specification: Trace SDK, Readable span).
 *
 * A span is its OTLP bytes; a view decodes them as it is asked, without allocation. Views and everything read
 * through them are borrowed: valid for the call that handed them out, or as long as the buffer that they were
 * made over. Texts are not terminated. Malformed bytes read as absent; nothing here fails. */
#ifndef CLEW_VIEW_H
#define CLEW_VIEW_H

#include <clew/trace.h>

CLEW_BEGIN_DECLS

/** A span with the scope and resource that it belongs to, as OTLP messages. */
typedef struct clew_span_view {
    clew_bytes span;     /**< opentelemetry.proto.trace.v1.Span */
    clew_bytes scope;    /**< opentelemetry.proto.common.v1.InstrumentationScope */
    clew_bytes resource; /**< opentelemetry.proto.resource.v1.Resource */
    clew_text scope_schema_url;
    clew_text resource_schema_url;
} clew_span_view;

/** The members of a span that are no lists, decoded. */
typedef struct clew_span_data {
    uint8_t trace_id[16];
    uint8_t span_id[8];
    uint8_t parent_span_id[8]; /**< all zero for a root */
    clew_text tracestate;
    clew_text name;
    clew_span_kind kind;
    uint32_t flags; /**< OTLP: W3C flags | 0x100 (remote is known) | 0x200 (the parent is remote) */
    uint64_t start_unix_nano;
    uint64_t end_unix_nano; /**< 0 while the span is open */
    clew_status status;
    clew_text status_description;
    uint32_t attribute_count;
    uint32_t event_count;
    uint32_t link_count;
    uint32_t dropped_attributes;
    uint32_t dropped_events;
    uint32_t dropped_links;
} clew_span_data;

/** One pass over the span. */
CLEW_API clew_span_data clew_span_view_data(const clew_span_view *view);

/** A value as read. A string or bytes is in `data`; of an array or a map `data` is the message, to be walked
 * with clew_value_members(). */
typedef struct clew_value_view {
    clew_type type;
    bool boolean;
    int64_t integer;
    double real;
    clew_bytes data;
} clew_value_view;

/** An attribute as read. */
typedef struct clew_attribute_view {
    clew_text key;
    clew_value_view value;
} clew_attribute_view;

/** An event as read; `message` is its OTLP bytes. */
typedef struct clew_event_view {
    clew_text name;
    uint64_t time_unix_nano;
    uint32_t dropped_attributes;
    clew_bytes message;
} clew_event_view;

/** A link as read; `message` is its OTLP bytes. */
typedef struct clew_link_view {
    uint8_t trace_id[16];
    uint8_t span_id[8];
    clew_text tracestate;
    uint32_t flags;
    uint32_t dropped_attributes;
    clew_bytes message;
} clew_link_view;

/** Walks one repeated member of a message. */
typedef struct clew_iterator {
    clew_bytes rest;
    uint32_t field;
} clew_iterator;

/* The attributes, events and links, in order of recording; to be walked with the functions below. */

/** For clew_next_attribute(). */
CLEW_API clew_iterator clew_span_view_attributes(const clew_span_view *view);
/** For clew_next_event(). */
CLEW_API clew_iterator clew_span_view_events(const clew_span_view *view);
/** For clew_next_link(). */
CLEW_API clew_iterator clew_span_view_links(const clew_span_view *view);
/** For clew_next_attribute(): those of the instrumentation scope, of the resource, of an event, of a link. */
CLEW_API clew_iterator clew_span_view_scope_attributes(const clew_span_view *view);
CLEW_API clew_iterator clew_span_view_resource_attributes(const clew_span_view *view);
CLEW_API clew_iterator clew_event_view_attributes(const clew_event_view *event);
CLEW_API clew_iterator clew_link_view_attributes(const clew_link_view *link);
/** The members of an array (clew_next_value) or of a map (clew_next_attribute). */
CLEW_API clew_iterator clew_value_members(const clew_value_view *value);

/* Each takes the next member into `out` and returns true, or returns false at the end. */
CLEW_API bool clew_next_attribute(clew_iterator *iterator, clew_attribute_view *out);
CLEW_API bool clew_next_value(clew_iterator *iterator, clew_value_view *out);
CLEW_API bool clew_next_event(clew_iterator *iterator, clew_event_view *out);
CLEW_API bool clew_next_link(clew_iterator *iterator, clew_link_view *out);

/** Finds one attribute of the span, or of its resource. False when absent. */
CLEW_API bool clew_span_view_attribute(const clew_span_view *view, const char *key, clew_value_view *out);
CLEW_API bool clew_span_view_resource_attribute(const clew_span_view *view, const char *key,
                                                clew_value_view *out);
/** `service.name` of the resource; empty when absent. */
CLEW_API clew_text clew_span_view_service(const clew_span_view *view);
/** Name and version of the instrumentation scope. */
CLEW_API clew_text clew_span_view_scope_name(const clew_span_view *view);
CLEW_API clew_text clew_span_view_scope_version(const clew_span_view *view);

/** Writes the value as text, as the specification does for outputs other than OTLP (strings as they are,
 * arrays and maps as JSON, bytes as base64), terminated and cut to `capacity`. Returns the size of the whole
 * text. */
CLEW_API size_t clew_value_view_text(const clew_value_view *value, char *buffer, size_t capacity);

CLEW_END_DECLS

#endif
