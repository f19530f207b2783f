/* Reading spans out of their bytes. Pure: owns nothing, allocates nothing; any thread. */
#include "sdk/trace/view.h"

#include "proto/otlp.h"

#include <string.h>

bool clew__take_member(clew_bytes *rest, uint32_t field, struct clew__wire *out) {
    struct clew__wire wire = clew__wire_of_bytes(*rest);
    bool found = clew__next_member(&wire, field, out);
    rest->data = wire.at;
    rest->size = found ? (size_t)(wire.end - wire.at) : 0;
    return found;
}

static clew_iterator iterate(clew_bytes message, uint32_t field) {
    clew_iterator iterator = {message, field};
    return iterator;
}

static clew_bytes span_of(const clew_span_view *view) {
    clew_bytes none = {NULL, 0};
    return view ? view->span : none;
}

static clew_bytes scope_of(const clew_span_view *view) {
    clew_bytes none = {NULL, 0};
    return view ? view->scope : none;
}

static clew_bytes resource_of(const clew_span_view *view) {
    clew_bytes none = {NULL, 0};
    return view ? view->resource : none;
}

/* ---- the members of a span ---- */

clew_span_data clew_span_view_data(const clew_span_view *view) {
    struct clew__span_fields fields;
    clew_span_data data = {0};

    clew__read_span(clew__wire_of_bytes(span_of(view)), &fields);
    memcpy(data.trace_id, fields.trace_id, sizeof data.trace_id);
    memcpy(data.span_id, fields.span_id, sizeof data.span_id);
    memcpy(data.parent_span_id, fields.parent_span_id, sizeof data.parent_span_id);
    data.tracestate = clew__text_of_wire(fields.trace_state);
    data.name = clew__text_of_wire(fields.name);
    /* Numbers that these enumerations do not know read as absent: 0. */
    data.kind = (clew_span_kind)(fields.kind <= CLEW_CONSUMER ? fields.kind : 0);
    data.flags = fields.flags;
    data.start_unix_nano = fields.start_unix_nano;
    data.end_unix_nano = fields.end_unix_nano;
    data.status = (clew_status)(fields.status_code <= CLEW_STATUS_ERROR ? fields.status_code : 0);
    data.status_description = clew__text_of_wire(fields.status_message);
    data.attribute_count = fields.attributes;
    data.event_count = fields.events;
    data.link_count = fields.links;
    data.dropped_attributes = fields.dropped_attributes;
    data.dropped_events = fields.dropped_events;
    data.dropped_links = fields.dropped_links;
    return data;
}

clew_iterator clew_span_view_attributes(const clew_span_view *view) {
    return iterate(span_of(view), CLEW__SPAN_ATTRIBUTES);
}

clew_iterator clew_span_view_events(const clew_span_view *view) {
    return iterate(span_of(view), CLEW__SPAN_EVENTS);
}

clew_iterator clew_span_view_links(const clew_span_view *view) {
    return iterate(span_of(view), CLEW__SPAN_LINKS);
}

clew_iterator clew_span_view_scope_attributes(const clew_span_view *view) {
    return iterate(scope_of(view), CLEW__SCOPE_ATTRIBUTES);
}

clew_iterator clew_span_view_resource_attributes(const clew_span_view *view) {
    return iterate(resource_of(view), CLEW__RESOURCE_ATTRIBUTES);
}

clew_iterator clew_event_view_attributes(const clew_event_view *event) {
    return iterate(event->message, CLEW__EVENT_ATTRIBUTES);
}

clew_iterator clew_link_view_attributes(const clew_link_view *link) {
    return iterate(link->message, CLEW__LINK_ATTRIBUTES);
}

clew_iterator clew_value_members(const clew_value_view *value) {
    clew_bytes none = {NULL, 0};
    bool has_members = value->type == CLEW_TYPE_ARRAY || value->type == CLEW_TYPE_MAP;
    return iterate(has_members ? value->data : none, CLEW__LIST_VALUES);
}

/* ---- values ---- */

static clew_value_view value_of_any(const struct clew__any *any) {
    clew_value_view value = {0};

    switch (any->kind) {
    case CLEW__ANY_STRING:
        value.type = CLEW_TYPE_STRING;
        break;
    case CLEW__ANY_BOOL:
        value.type = CLEW_TYPE_BOOL;
        value.boolean = any->number != 0;
        return value;
    case CLEW__ANY_INT:
        value.type = CLEW_TYPE_INT;
        memcpy(&value.integer, &any->number, sizeof value.integer);
        return value;
    case CLEW__ANY_DOUBLE:
        value.type = CLEW_TYPE_DOUBLE;
        memcpy(&value.real, &any->number, sizeof value.real);
        return value;
    case CLEW__ANY_ARRAY:
        value.type = CLEW_TYPE_ARRAY;
        break;
    case CLEW__ANY_KVLIST:
        value.type = CLEW_TYPE_MAP;
        break;
    case CLEW__ANY_BYTES:
        value.type = CLEW_TYPE_BYTES;
        break;
    default:
        return value;
    }
    value.data = clew__bytes_of_wire(any->bytes);
    return value;
}

bool clew_next_attribute(clew_iterator *iterator, clew_attribute_view *out) {
    struct clew__wire message;
    struct clew__keyvalue keyvalue;

    if (!clew__take_member(&iterator->rest, iterator->field, &message))
        return false;
    clew__read_keyvalue(message, &keyvalue);
    out->key = clew__text_of_wire(keyvalue.key);
    out->value = value_of_any(&keyvalue.value);
    return true;
}

bool clew_next_value(clew_iterator *iterator, clew_value_view *out) {
    struct clew__wire message;
    struct clew__any any;

    if (!clew__take_member(&iterator->rest, iterator->field, &message))
        return false;
    clew__read_any(message, &any);
    *out = value_of_any(&any);
    return true;
}

/* ---- events and links ---- */

bool clew_next_event(clew_iterator *iterator, clew_event_view *out) {
    enum clew__wire_error error;
    struct clew__wire message, rest;
    struct clew__field field;
    clew_event_view event = {0};

    if (!clew__take_member(&iterator->rest, iterator->field, &message))
        return false;
    event.message = clew__bytes_of_wire(message);
    event.name.data = "";
    for (rest = message; clew__wire_next(&rest, &field, &error);) {
        if (field.field == CLEW__EVENT_NAME && field.type == CLEW__WIRE_BYTES)
            event.name = clew__text_of_wire(field.bytes);
        else if (field.field == CLEW__EVENT_TIME && field.type == CLEW__WIRE_I64)
            event.time_unix_nano = field.number;
        else if (field.field == CLEW__EVENT_DROPPED_ATTRIBUTES && field.type == CLEW__WIRE_VARINT)
            event.dropped_attributes = (uint32_t)field.number;
    }
    *out = event;
    return true;
}

static void copy_id(uint8_t *out, size_t size, const struct clew__field *field) {
    if ((size_t)(field->bytes.end - field->bytes.at) == size)
        memcpy(out, field->bytes.at, size);
}

static void read_link_member(const struct clew__field *field, clew_link_view *link) {
    if (field->type == CLEW__WIRE_BYTES) {
        if (field->field == CLEW__LINK_TRACE_ID)
            copy_id(link->trace_id, sizeof link->trace_id, field);
        else if (field->field == CLEW__LINK_SPAN_ID)
            copy_id(link->span_id, sizeof link->span_id, field);
        else if (field->field == CLEW__LINK_TRACE_STATE)
            link->tracestate = clew__text_of_wire(field->bytes);
    } else if (field->field == CLEW__LINK_FLAGS && field->type == CLEW__WIRE_I32) {
        link->flags = (uint32_t)field->number;
    } else if (field->field == CLEW__LINK_DROPPED_ATTRIBUTES && field->type == CLEW__WIRE_VARINT) {
        link->dropped_attributes = (uint32_t)field->number;
    }
}

bool clew_next_link(clew_iterator *iterator, clew_link_view *out) {
    enum clew__wire_error error;
    struct clew__wire message, rest;
    struct clew__field field;
    clew_link_view link = {0};

    if (!clew__take_member(&iterator->rest, iterator->field, &message))
        return false;
    link.message = clew__bytes_of_wire(message);
    link.tracestate.data = "";
    for (rest = message; clew__wire_next(&rest, &field, &error);)
        read_link_member(&field, &link);
    *out = link;
    return true;
}

/* ---- lookups ---- */

static bool find(clew_iterator iterator, const char *key, clew_value_view *out) {
    size_t size = strlen(key);
    clew_attribute_view attribute;

    while (clew_next_attribute(&iterator, &attribute)) {
        if (attribute.key.size == size && memcmp(attribute.key.data, key, size) == 0) {
            *out = attribute.value;
            return true;
        }
    }
    return false;
}

bool clew_span_view_attribute(const clew_span_view *view, const char *key, clew_value_view *out) {
    return find(clew_span_view_attributes(view), key, out);
}

bool clew_span_view_resource_attribute(const clew_span_view *view, const char *key, clew_value_view *out) {
    return find(clew_span_view_resource_attributes(view), key, out);
}

/* The last text of that number in a message. */
static clew_text text_member(clew_bytes message, uint32_t field) {
    clew_text text = {"", 0};
    struct clew__wire member;

    while (clew__take_member(&message, field, &member))
        text = clew__text_of_wire(member);
    return text;
}

clew_text clew_span_view_service(const clew_span_view *view) {
    clew_text service = {"", 0};
    clew_value_view value;

    if (clew_span_view_resource_attribute(view, "service.name", &value) && value.type == CLEW_TYPE_STRING) {
        service.data = (const char *)value.data.data;
        service.size = value.data.size;
    }
    return service;
}

clew_text clew_span_view_scope_name(const clew_span_view *view) {
    return text_member(scope_of(view), CLEW__SCOPE_NAME);
}

clew_text clew_span_view_scope_version(const clew_span_view *view) {
    return text_member(scope_of(view), CLEW__SCOPE_VERSION);
}
