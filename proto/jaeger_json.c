/* One trace of Jaeger as OTLP, in one pass over its text. Spans and processes come in any order, so the spans
 * are converted into the scratch writer as they come; when the trace is read, each process that has spans
 * becomes a ResourceSpans. Owns nothing; any thread.
 *
 * Every function that returns a bool returns false when the text has a fault, which then stands in it. */
#include "proto/jaeger_json.h"

#include "proto/jaeger_tags.h"
#include "proto/otlp.h"
#include "proto/span_groups.h"

/* As Jaeger itself names them. */
#define WARNINGS_ATTRIBUTE "@jaeger@warnings"
/* As OpenTelemetry's translators name and fill it. */
#define REFERENCE_ATTRIBUTE "opentracing.ref_type"

#define FLAG_SAMPLED 1u /* the one that means the same in Jaeger and in the W3C's trace flags */

struct trace {
    struct clew__json_text in;
    struct clew__writer *scratch;
    const struct clew__json_listener *listener;
    size_t heard; /* behind the last fault that it was told of */
    struct clew__json_id trace_id;
    struct clew__span_groups groups; /* what their keys and what is known about them is: see add_span() */
};

struct span {
    struct clew__json_id trace_id, span_id, parent_id;
    struct clew__json_traits traits;
    struct clew__jaeger_errors errors;
    struct clew__json_string process_name; /* with its quotes */
    struct clew__json_string process;      /* a text */
    size_t references;                     /* where they stand; 0: nowhere */
    int64_t start, duration;
    bool sampled;
};

static bool no_room(struct trace *trace) {
    return clew__json_fail(&trace->in, trace->in.at, "there is no room for the message");
}

/* ---- tags ---- */

static bool read_tags(struct trace *trace, struct span *span) {
    struct clew__json_text *in = &trace->in;
    bool first = true;
    struct clew__jaeger_tag tag;
    if (clew__json_take_null(in))
        return true;
    if (!clew__jaeger_open_list(in))
        return false;
    while (clew__json_next_element(in, &first)) {
        if (!clew__jaeger_take_tag(in, &tag))
            return false;
        if (clew__jaeger_go_to_value(in, &tag))
            clew__jaeger_look_at_tag(in, &tag.key, &span->errors);
        if (clew__jaeger_go_to_value(in, &tag) && clew__json_take_trait(in, &tag.key, &span->traits))
            in->at = tag.end;
        else if (in->reason || !clew__jaeger_write_tag(in, trace->scratch, CLEW__SPAN_ATTRIBUTES, &tag))
            return false;
        in->at = tag.end;
    }
    return !in->reason;
}

/* ---- references ---- */

struct reference {
    struct clew__json_id trace_id, span_id;
    bool follows;
};

static bool take_reference(struct clew__json_text *in, struct reference *reference) {
    struct clew__json_string name, type;
    bool first = true, good = true;
    memset(reference, 0, sizeof *reference);
    if (!clew__json_accept(in, '{'))
        return clew__json_unexpected(in, "an object is wanted");
    while (good && clew__json_next_member(in, &first, &name)) {
        if (clew__json_string_is(&name, "traceID")) {
            good = clew__json_take_id(in, 16, &reference->trace_id);
        } else if (clew__json_string_is(&name, "spanID")) {
            good = clew__json_take_id(in, 8, &reference->span_id);
        } else if (clew__json_string_is(&name, "refType") && clew__json_peek(in) == '"') {
            good = clew__json_take_string(in, &type);
            reference->follows = good && clew__json_string_is(&type, "FOLLOWS_FROM");
        } else {
            good = clew__json_skip_value(in);
        }
    }
    return !in->reason;
}

static void write_link(struct clew__writer *out, const struct reference *reference,
                       const struct clew__json_id *trace_id) {
    const char *type = reference->follows ? "follows_from" : "child_of";
    size_t begun = clew__write_begin(out, CLEW__SPAN_LINKS);
    clew__write_bytes(out, CLEW__LINK_TRACE_ID, trace_id->bytes, 16);
    clew__write_bytes(out, CLEW__LINK_SPAN_ID, reference->span_id.bytes, 8);
    clew__json_write_text_attribute(out, CLEW__LINK_ATTRIBUTES, REFERENCE_ATTRIBUTE, type, strlen(type));
    clew__write_end(out, begun);
}

/* What is to become of the references: the parent, and links. */
static bool read_references(struct trace *trace, const struct span *span, struct clew__json_id *parent) {
    struct clew__json_id followed = {.present = false};
    bool first = true;
    struct reference reference;
    if (!clew__jaeger_open_list(&trace->in))
        return false;
    while (clew__json_next_element(&trace->in, &first)) {
        const struct clew__json_id *trace_id = &reference.trace_id;
        bool within;
        if (!take_reference(&trace->in, &reference))
            return false;
        if (!reference.span_id.present || clew__json_id_is_zero(&reference.span_id, 8))
            continue;
        if (!trace_id->present)
            trace_id = &span->trace_id;
        within = memcmp(trace_id->bytes, span->trace_id.bytes, 16) == 0;
        if (within && !reference.follows && !parent->present) {
            *parent = reference.span_id;
            continue;
        }
        if (within && reference.follows && !followed.present)
            followed = reference.span_id;
        write_link(trace->scratch, &reference, trace_id);
    }
    if (!parent->present)
        *parent = followed.present ? followed : span->parent_id;
    return !trace->in.reason;
}

/* ---- spans ---- */

static bool read_warnings(struct trace *trace) {
    struct clew__json_text *in = &trace->in;
    struct clew__writer *out = trace->scratch;
    struct clew__json_string warning;
    size_t before = out->size, attribute, value, list, count = 0;
    bool first = true;
    if (clew__json_take_null(in))
        return true;
    if (!clew__jaeger_open_list(in))
        return false;
    attribute = clew__write_begin(out, CLEW__SPAN_ATTRIBUTES);
    clew__write_bytes(out, CLEW__KEYVALUE_KEY, WARNINGS_ATTRIBUTE, sizeof WARNINGS_ATTRIBUTE - 1);
    value = clew__write_begin(out, CLEW__KEYVALUE_VALUE);
    list = clew__write_begin(out, CLEW__ANY_ARRAY);
    for (; clew__json_next_element(in, &first); count++) {
        size_t element = clew__write_begin(out, CLEW__LIST_VALUES);
        if (!clew__json_take_string(in, &warning))
            return false;
        clew__json_write_string(out, CLEW__ANY_STRING, &warning);
        clew__write_end(out, element);
    }
    clew__write_end(out, list);
    clew__write_end(out, value);
    clew__write_end(out, attribute);
    if (count == 0 && !out->failed)
        out->size = before;
    return !in->reason;
}

static bool read_flags(struct clew__json_text *in, bool *sampled) {
    char text[CLEW__JSON_NUMBER_MAX];
    struct clew__json_integer integer;
    size_t size, start = in->at;
    if (clew__json_take_null(in))
        return true;
    if (!clew__json_take_number(in, text, &size))
        return false;
    if (!clew__json_to_integer(text, size, &integer))
        return clew__json_fail(in, start, "not an integer, or out of range");
    *sampled = integer.magnitude & FLAG_SAMPLED;
    return true;
}

static bool read_operation(struct trace *trace) {
    struct clew__json_string name;
    if (clew__json_take_null(&trace->in))
        return true;
    if (!clew__json_take_string(&trace->in, &name))
        return false;
    clew__json_write_string(trace->scratch, CLEW__SPAN_NAME, &name);
    return true;
}

/* The text of the next value as it stands. */
static bool take_raw(struct clew__json_text *in, struct clew__json_string *out) {
    size_t start = in->at;
    if (clew__json_take_null(in))
        return true;
    if (!clew__json_skip_value(in))
        return false;
    out->text = in->text + start;
    out->size = in->at - start;
    return true;
}

static bool read_member(struct trace *trace, struct span *span, const struct clew__json_string *name) {
    struct clew__json_text *in = &trace->in;
    if (clew__json_string_is(name, "traceID"))
        return clew__json_take_id(in, 16, &span->trace_id);
    if (clew__json_string_is(name, "spanID"))
        return clew__json_take_id(in, 8, &span->span_id);
    if (clew__json_string_is(name, "parentSpanID"))
        return clew__json_take_id(in, 8, &span->parent_id);
    if (clew__json_string_is(name, "operationName"))
        return read_operation(trace);
    if (clew__json_string_is(name, "startTime"))
        return clew__json_take_null(in) || clew__json_take_micros(in, &span->start);
    if (clew__json_string_is(name, "duration"))
        return clew__json_take_null(in) || clew__json_take_micros(in, &span->duration);
    if (clew__json_string_is(name, "tags"))
        return read_tags(trace, span);
    if (clew__json_string_is(name, "logs"))
        return clew__jaeger_read_logs(in, trace->scratch, &span->errors);
    if (clew__json_string_is(name, "processID") && clew__json_peek(in) == '"')
        return take_raw(in, &span->process_name);
    if (clew__json_string_is(name, "process") && clew__json_peek(in) == '{')
        return take_raw(in, &span->process);
    if (clew__json_string_is(name, "flags"))
        return read_flags(in, &span->sampled);
    if (clew__json_string_is(name, "warnings"))
        return read_warnings(trace);
    if (clew__json_string_is(name, "references"))
        span->references = clew__json_peek(in) == 'n' ? 0 : in->at;
    return clew__json_skip_value(in);
}

/* What a span's members decide together. */
static bool write_rest_of_span(struct trace *trace, struct span *span) {
    struct clew__writer *out = trace->scratch;
    struct clew__json_id parent = {.present = false};
    size_t behind = trace->in.at;
    if (span->references == 0) {
        parent = span->parent_id;
    } else {
        trace->in.at = span->references;
        if (!read_references(trace, span, &parent))
            return false;
        trace->in.at = behind;
    }
    clew__write_bytes(out, CLEW__SPAN_TRACE_ID, span->trace_id.bytes, 16);
    clew__write_bytes(out, CLEW__SPAN_SPAN_ID, span->span_id.bytes, 8);
    if (!clew__json_id_is_zero(&parent, 8))
        clew__write_bytes(out, CLEW__SPAN_PARENT_SPAN_ID, parent.bytes, 8);
    clew__write_fixed64(out, CLEW__SPAN_START, (uint64_t)span->start);
    clew__write_fixed64(out, CLEW__SPAN_END, clew__json_end_time(span->start, span->duration));
    span->traits.error |= clew__jaeger_has_failed(&span->errors, &span->traits);
    clew__json_write_traits(out, &span->traits);
    clew__json_write_id_texts(out, &span->trace_id, &span->span_id);
    if (span->sampled)
        clew__write_fixed32(out, CLEW__SPAN_FLAGS, FLAG_SAMPLED);
    return true;
}

/* Spans of one process are a group. Its key is the name of the process with its quotes, or, of a process that
 * stands in its span, the whole text of it; what is known about it is that text. */
static bool add_span(struct trace *trace, const struct span *span, size_t head) {
    bool named = span->process_name.size > 2; /* more than the quotes */
    const struct clew__json_string *key = named ? &span->process_name : &span->process;
    struct clew__span_group group;
    size_t at;
    if (trace->scratch->failed)
        return no_room(trace);
    clew__span_groups_end(&trace->groups, head);
    at = clew__span_groups_find(&trace->groups, key->text, key->size);
    if (at == 0)
        return no_room(trace);
    clew__span_groups_add(&trace->groups, head, at);
    clew__span_groups_get(&trace->groups, at, &group);
    if (!group.about && span->process.size > 0)
        clew__span_groups_set_about(&trace->groups, at, span->process.text);
    return true;
}

static bool read_span(struct trace *trace) {
    struct span span;
    struct clew__json_string name;
    size_t head = clew__span_groups_begin(&trace->groups), start = trace->in.at;
    bool first = true;
    memset(&span, 0, sizeof span);
    span.process.text = ""; /* the key of those that name no process */
    if (head == 0)
        return no_room(trace);
    if (!clew__json_accept(&trace->in, '{'))
        return clew__json_unexpected(&trace->in, "an object is wanted");
    while (clew__json_next_member(&trace->in, &first, &name) && read_member(trace, &span, &name)) {
    }
    if (trace->in.reason)
        return false;
    if (!span.trace_id.present)
        span.trace_id = trace->trace_id;
    if (clew__json_id_is_zero(&span.trace_id, 16) || clew__json_id_is_zero(&span.span_id, 8))
        return clew__json_fail(&trace->in, start, "a span without an id");
    if (span.start < 0)
        return clew__json_fail(&trace->in, start, "a time out of range");
    return write_rest_of_span(trace, &span) && add_span(trace, &span, head);
}

/* Somebody is told of the fault, so that it is none any more. False: nobody is, or there is no room. */
static bool tell(struct trace *trace) {
    const struct clew__json_fault fault = {trace->in.at, trace->in.reason};
    if (!trace->listener || trace->scratch->failed)
        return false;
    if (fault.offset + 1 != trace->heard)
        trace->listener->hear(trace->listener->user, &fault);
    trace->heard = fault.offset + 1;
    trace->in.reason = NULL;
    return true;
}

/* False with a fault that cannot be got over. */
static bool read_or_leave_out(struct trace *trace) {
    size_t start = trace->in.at, before = trace->scratch->size;
    if (read_span(trace))
        return true;
    if (!tell(trace))
        return false;
    trace->scratch->size = before;
    trace->in.at = start;
    return clew__json_skip_value(&trace->in);
}

static bool read_spans(struct trace *trace) {
    bool first = true;
    if (clew__json_take_null(&trace->in))
        return true;
    if (!clew__jaeger_open_list(&trace->in))
        return false;
    while (clew__json_next_element(&trace->in, &first) && read_or_leave_out(trace)) {
    }
    return !trace->in.reason;
}

/* ---- processes ---- */

static bool read_processes(struct trace *trace) {
    struct clew__json_text *in = &trace->in;
    struct clew__json_string name, process;
    bool first = true;
    if (clew__json_take_null(in))
        return true;
    if (!clew__json_accept(in, '{'))
        return clew__json_unexpected(in, "an object is wanted");
    while (clew__json_next_member(in, &first, &name)) {
        size_t group;
        process.size = 0;
        if (!take_raw(in, &process))
            return false;
        group = clew__span_groups_find(&trace->groups, name.text - 1, name.size + 2); /* with its quotes */
        if (group == 0)
            return no_room(trace);
        if (process.size > 0)
            clew__span_groups_set_about(&trace->groups, group, process.text);
    }
    return !in->reason;
}

/* ---- the result ---- */

/* The content of its Resource into the scratch writer. */
static bool write_process(struct trace *trace, const char *process) {
    trace->in.at = (size_t)(process - trace->in.text);
    return clew__jaeger_read_process(&trace->in, trace->scratch);
}

static bool write_group(struct trace *trace, struct clew__writer *writer,
                        const struct clew__span_group *group) {
    size_t resource = trace->scratch->size, resource_size;
    if (group->about && !write_process(trace, group->about)) {
        if (!tell(trace))
            return false;
        trace->scratch->size = resource;
    }
    if (trace->scratch->failed)
        return no_room(trace);
    resource_size = trace->scratch->size - resource;
    clew__json_write_head(writer, CLEW__TRACES_RESOURCE_SPANS,
                          clew__json_member_size(resource_size) + clew__json_member_size(group->bytes));
    clew__write_bytes(writer, CLEW__RESOURCE_SPANS_RESOURCE, trace->scratch->data + resource, resource_size);
    clew__json_write_head(writer, CLEW__RESOURCE_SPANS_SCOPE_SPANS, group->bytes);
    clew__span_groups_write(&trace->groups, group, writer);
    trace->scratch->size = resource;
    return !writer->failed || no_room(trace);
}

static bool write_groups(struct trace *trace, struct clew__writer *writer) {
    struct clew__span_group group;
    size_t behind = trace->in.at;
    for (size_t at = trace->groups.first; at != 0; at = group.next) {
        clew__span_groups_get(&trace->groups, at, &group);
        if (group.first != 0 && !write_group(trace, writer, &group))
            return false;
    }
    trace->in.at = behind;
    return true;
}

/* A trace; or, which its members show, a span that stands alone. */
static bool read_trace(struct trace *trace) {
    struct clew__json_text *in = &trace->in;
    struct clew__json_string name;
    bool first = true, good = true;
    size_t start;
    clew__json_peek(in);
    start = in->at;
    if (!clew__json_accept(in, '{'))
        return clew__json_unexpected(in, "an object is wanted");
    while (good && clew__json_next_member(in, &first, &name)) {
        if (clew__json_string_is(&name, "spanID")) {
            in->at = start;
            return read_span(trace);
        }
        if (clew__json_string_is(&name, "traceID"))
            good = clew__json_take_id(in, 16, &trace->trace_id);
        else if (clew__json_string_is(&name, "spans"))
            good = read_spans(trace);
        else if (clew__json_string_is(&name, "processes"))
            good = read_processes(trace);
        else
            good = clew__json_skip_value(in);
    }
    return !in->reason;
}

/* What was read before the fault stays. */
static bool end_early(struct trace *trace) {
    if (!tell(trace))
        return false;
    trace->in.at = trace->in.size;
    return true;
}

size_t clew__jaeger_json_read(struct clew__writer *writer, struct clew__writer *scratch, const char *text,
                              size_t size, struct clew__json_fault *fault,
                              const struct clew__json_listener *listener) {
    struct trace trace;
    size_t before = writer->size;
    memset(&trace, 0, sizeof trace);
    trace.in.text = text;
    trace.in.size = size;
    trace.scratch = scratch;
    trace.listener = listener;
    if (!clew__span_groups_init(&trace.groups, scratch))
        no_room(&trace);
    else if ((read_trace(&trace) || end_early(&trace)) && write_groups(&trace, writer))
        return trace.in.at;
    writer->size = before;
    if (fault)
        *fault = (struct clew__json_fault){trace.in.at, trace.in.reason};
    return 0;
}
