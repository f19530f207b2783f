/* One span of Zipkin as OTLP. The span's own members are written as they come, into the scratch writer; what
 * stands around them, and what the span's members decide together, once all are known. Owns nothing; any
 * thread.
 *
 * Every function that returns a bool returns false when the text has a fault, which then stands in it. */
#include "proto/zipkin_json.h"

#include "proto/json_span.h"
#include "proto/otlp.h"

struct endpoint {
    struct clew__json_string service, ipv4, ipv6;
    uint64_t port;
};

struct span {
    struct clew__json_text in;
    struct clew__writer *out; /* the content of the Span */
    struct clew__json_id trace_id, span_id, parent_id;
    struct clew__json_traits traits;
    struct endpoint local, remote;
    int64_t start, duration;
    bool has_duration, shared;
};

static bool take_optional_string(struct clew__json_text *in, struct clew__json_string *string) {
    return clew__json_take_null(in) || clew__json_take_string(in, string);
}

static bool take_bool(struct clew__json_text *in, bool *value) {
    *value = clew__json_take_literal(in, "true");
    return *value || clew__json_take_literal(in, "false") || clew__json_take_null(in) ||
           clew__json_unexpected(in, "true or false is wanted");
}

static bool take_port(struct clew__json_text *in, uint64_t *port) {
    char text[CLEW__JSON_NUMBER_MAX];
    struct clew__json_integer integer;
    size_t size, start = in->at;
    if (clew__json_take_null(in))
        return true;
    if (!clew__json_take_number(in, text, &size))
        return false;
    if (!clew__json_to_integer(text, size, &integer) || integer.negative || integer.magnitude > UINT16_MAX)
        return clew__json_fail(in, start, "not a port");
    *port = integer.magnitude;
    return true;
}

static bool read_endpoint(struct clew__json_text *in, struct endpoint *endpoint) {
    struct clew__json_string name;
    bool first = true, good = true;
    if (clew__json_take_null(in))
        return true;
    if (!clew__json_accept(in, '{'))
        return clew__json_unexpected(in, "an object is wanted");
    while (good && clew__json_next_member(in, &first, &name)) {
        if (clew__json_string_is(&name, "serviceName"))
            good = take_optional_string(in, &endpoint->service);
        else if (clew__json_string_is(&name, "ipv4"))
            good = take_optional_string(in, &endpoint->ipv4);
        else if (clew__json_string_is(&name, "ipv6"))
            good = take_optional_string(in, &endpoint->ipv6);
        else if (clew__json_string_is(&name, "port"))
            good = take_port(in, &endpoint->port);
        else
            good = clew__json_skip_value(in);
    }
    return !in->reason;
}

static bool read_annotation(struct span *span) {
    struct clew__json_text *in = &span->in;
    struct clew__json_string name, value = {0};
    int64_t time = 0;
    bool first = true, good = true;
    size_t begun, start = in->at;
    if (!clew__json_accept(in, '{'))
        return clew__json_unexpected(in, "an object is wanted");
    while (good && clew__json_next_member(in, &first, &name)) {
        if (clew__json_string_is(&name, "timestamp"))
            good = clew__json_take_null(in) || clew__json_take_micros(in, &time);
        else if (clew__json_string_is(&name, "value"))
            good = take_optional_string(in, &value);
        else
            good = clew__json_skip_value(in);
    }
    if (in->reason)
        return false;
    if (time < 0)
        return clew__json_fail(in, start, "a time out of range");
    begun = clew__write_begin(span->out, CLEW__SPAN_EVENTS);
    clew__write_fixed64(span->out, CLEW__EVENT_TIME, (uint64_t)time);
    if (value.size > 0)
        clew__json_write_string(span->out, CLEW__EVENT_NAME, &value);
    clew__write_end(span->out, begun);
    return true;
}

static bool read_annotations(struct span *span) {
    bool first = true;
    if (clew__json_take_null(&span->in))
        return true;
    if (!clew__json_accept(&span->in, '['))
        return clew__json_unexpected(&span->in, "a list is wanted");
    while (clew__json_next_element(&span->in, &first) && read_annotation(span)) {
    }
    return !span->in.reason;
}

static bool read_tags(struct span *span) {
    struct clew__json_text *in = &span->in;
    struct clew__json_string name;
    bool first = true;
    if (clew__json_take_null(in))
        return true;
    if (!clew__json_accept(in, '{'))
        return clew__json_unexpected(in, "an object is wanted");
    while (clew__json_next_member(in, &first, &name)) {
        if (!clew__json_take_trait(in, &name, &span->traits) &&
            (in->reason ||
             !clew__json_write_attribute(in, span->out, CLEW__SPAN_ATTRIBUTES, &name, CLEW__JSON_UNKNOWN)))
            return false;
    }
    return !in->reason;
}

static bool read_kind(struct span *span) {
    struct clew__json_string name = {0};
    if (!take_optional_string(&span->in, &name))
        return false;
    span->traits.kind = clew__json_span_kind(&name);
    return true;
}

static bool read_name(struct span *span) {
    struct clew__json_string name = {0};
    if (!take_optional_string(&span->in, &name))
        return false;
    if (name.size > 0)
        clew__json_write_string(span->out, CLEW__SPAN_NAME, &name);
    return true;
}

static bool read_duration(struct span *span) {
    if (clew__json_take_null(&span->in))
        return true;
    span->has_duration = true;
    return clew__json_take_micros(&span->in, &span->duration);
}

static bool read_member(struct span *span, const struct clew__json_string *name) {
    struct clew__json_text *in = &span->in;
    if (clew__json_string_is(name, "traceId"))
        return clew__json_take_id(in, 16, &span->trace_id);
    if (clew__json_string_is(name, "id"))
        return clew__json_take_id(in, 8, &span->span_id);
    if (clew__json_string_is(name, "parentId"))
        return clew__json_take_id(in, 8, &span->parent_id);
    if (clew__json_string_is(name, "name"))
        return read_name(span);
    if (clew__json_string_is(name, "kind"))
        return read_kind(span);
    if (clew__json_string_is(name, "timestamp"))
        return clew__json_take_null(in) || clew__json_take_micros(in, &span->start);
    if (clew__json_string_is(name, "duration"))
        return read_duration(span);
    if (clew__json_string_is(name, "localEndpoint"))
        return read_endpoint(in, &span->local);
    if (clew__json_string_is(name, "remoteEndpoint"))
        return read_endpoint(in, &span->remote);
    if (clew__json_string_is(name, "annotations"))
        return read_annotations(span);
    if (clew__json_string_is(name, "tags"))
        return read_tags(span);
    if (clew__json_string_is(name, "shared"))
        return take_bool(in, &span->shared);
    if (clew__json_string_is(name, "binaryAnnotations"))
        return clew__json_fail(in, in->at, "a span of Zipkin's version 1, which is not read");
    return clew__json_skip_value(in);
}

static bool read_span(struct span *span) {
    struct clew__json_string name;
    bool first = true;
    size_t start;
    clew__json_peek(&span->in);
    start = span->in.at;
    if (!clew__json_accept(&span->in, '{'))
        return clew__json_unexpected(&span->in, "an object is wanted");
    while (clew__json_next_member(&span->in, &first, &name) && read_member(span, &name)) {
    }
    if (span->in.reason)
        return false;
    if (clew__json_id_is_zero(&span->trace_id, 16) || clew__json_id_is_zero(&span->span_id, 8))
        return clew__json_fail(&span->in, start, "a span without an id");
    if (span->start < 0)
        return clew__json_fail(&span->in, start, "a time out of range");
    return true;
}

static const struct clew__json_string *address_of(const struct endpoint *endpoint) {
    return endpoint->ipv4.size > 0 ? &endpoint->ipv4 : &endpoint->ipv6;
}

static void write_integer_attribute(struct clew__writer *writer, const char *name, uint32_t type,
                                    uint64_t number) {
    size_t attribute = clew__write_begin(writer, CLEW__SPAN_ATTRIBUTES), value;
    clew__write_bytes(writer, CLEW__KEYVALUE_KEY, name, strlen(name));
    value = clew__write_begin(writer, CLEW__KEYVALUE_VALUE);
    clew__write_varint(writer, type, number);
    clew__write_end(writer, value);
    clew__write_end(writer, attribute);
}

/* Zipkin leaves out the duration of what has not ended. */
static uint64_t end_of(const struct span *span) {
    return span->has_duration ? clew__json_end_time(span->start, span->duration) : 0;
}

static void write_rest_of_span(const struct span *span) {
    struct clew__writer *out = span->out;
    const struct clew__json_string *address = address_of(&span->remote);
    clew__write_bytes(out, CLEW__SPAN_TRACE_ID, span->trace_id.bytes, 16);
    clew__write_bytes(out, CLEW__SPAN_SPAN_ID, span->span_id.bytes, 8);
    if (!clew__json_id_is_zero(&span->parent_id, 8))
        clew__write_bytes(out, CLEW__SPAN_PARENT_SPAN_ID, span->parent_id.bytes, 8);
    clew__write_fixed64(out, CLEW__SPAN_START, (uint64_t)span->start);
    clew__write_fixed64(out, CLEW__SPAN_END, end_of(span));
    clew__json_write_traits(out, &span->traits);
    clew__json_write_id_texts(out, &span->trace_id, &span->span_id);
    if (span->shared)
        write_integer_attribute(out, "zipkin.shared", CLEW__ANY_BOOL, 1);
    if (span->remote.service.size > 0)
        clew__json_write_string_attribute(out, CLEW__SPAN_ATTRIBUTES, "peer.service", &span->remote.service);
    if (address->size > 0)
        clew__json_write_string_attribute(out, CLEW__SPAN_ATTRIBUTES, "network.peer.address", address);
    if (span->remote.port > 0)
        write_integer_attribute(out, "network.peer.port", CLEW__ANY_INT, span->remote.port);
}

static void write_resource(struct clew__writer *out, const struct endpoint *local) {
    if (local->service.size > 0)
        clew__json_write_string_attribute(out, CLEW__RESOURCE_ATTRIBUTES, "service.name", &local->service);
    clew__json_write_host_ip(out, address_of(local));
}

/* The scratch writer holds the Span and behind it, from `resource` on, the Resource. */
static void write_message(struct clew__writer *writer, const struct clew__writer *scratch, size_t resource) {
    size_t resource_size = scratch->size - resource, scope_spans = clew__json_member_size(resource);
    clew__json_write_head(writer, CLEW__TRACES_RESOURCE_SPANS,
                          clew__json_member_size(resource_size) + clew__json_member_size(scope_spans));
    clew__write_bytes(writer, CLEW__RESOURCE_SPANS_RESOURCE, scratch->data + resource, resource_size);
    clew__json_write_head(writer, CLEW__RESOURCE_SPANS_SCOPE_SPANS, scope_spans);
    clew__write_bytes(writer, CLEW__SCOPE_SPANS_SPANS, scratch->data, resource);
}

size_t clew__zipkin_json_read(struct clew__writer *writer, struct clew__writer *scratch, const char *text,
                              size_t size, struct clew__json_fault *fault) {
    struct span span;
    size_t before = writer->size, resource;
    bool good;
    memset(&span, 0, sizeof span);
    span.in.text = text;
    span.in.size = size;
    span.out = scratch;
    scratch->size = 0;
    good = read_span(&span);
    if (good) {
        write_rest_of_span(&span);
        resource = scratch->size;
        write_resource(scratch, &span.local);
        if (!scratch->failed)
            write_message(writer, scratch, resource);
    }
    if (good && (scratch->failed || writer->failed))
        good = clew__json_fail(&span.in, span.in.at, "there is no room for the message");
    if (good)
        return span.in.at;
    writer->size = before;
    if (fault)
        *fault = (struct clew__json_fault){span.in.at, span.in.reason};
    return 0;
}
