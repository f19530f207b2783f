/* Views of the OTLP trace messages over their bytes. Owns nothing and copies only ids; any thread. */
#include "proto/otlp.h"

#include "proto/utf8.h"

/* clew__wire_next() where what is malformed just ends the message; short members without a call. */
static inline bool next(struct clew__wire *wire, struct clew__field *out) {
    enum clew__wire_error error;
    return clew__wire_next_short(wire, out) || clew__wire_next(wire, out, &error);
}

static void read_id(uint8_t *id, size_t id_size, const struct clew__wire *bytes) {
    if (bytes->at && (size_t)(bytes->end - bytes->at) == id_size)
        memcpy(id, bytes->at, id_size);
}

static void read_status(struct clew__wire status, struct clew__span_fields *out) {
    struct clew__field field;
    out->status_message = (struct clew__wire){NULL, NULL};
    out->status_code = 0;
    while (next(&status, &field)) {
        if (field.field == CLEW__STATUS_MESSAGE && field.type == CLEW__WIRE_BYTES)
            out->status_message = field.bytes;
        else if (field.field == CLEW__STATUS_CODE && field.type == CLEW__WIRE_VARINT)
            out->status_code = (uint32_t)field.number;
    }
}

static void read_span_bytes(const struct clew__field *field, struct clew__span_fields *out) {
    switch (field->field) {
    case CLEW__SPAN_TRACE_ID:
        read_id(out->trace_id, sizeof out->trace_id, &field->bytes);
        break;
    case CLEW__SPAN_SPAN_ID:
        read_id(out->span_id, sizeof out->span_id, &field->bytes);
        break;
    case CLEW__SPAN_TRACE_STATE:
        out->trace_state = field->bytes;
        break;
    case CLEW__SPAN_PARENT_SPAN_ID:
        memset(out->parent_span_id, 0, sizeof out->parent_span_id);
        read_id(out->parent_span_id, sizeof out->parent_span_id, &field->bytes);
        break;
    case CLEW__SPAN_NAME:
        out->name = field->bytes;
        break;
    case CLEW__SPAN_ATTRIBUTES:
        out->attributes++;
        break;
    case CLEW__SPAN_EVENTS:
        out->events++;
        break;
    case CLEW__SPAN_LINKS:
        out->links++;
        break;
    case CLEW__SPAN_STATUS:
        read_status(field->bytes, out);
        break;
    default:
        break;
    }
}

static void read_span_varint(const struct clew__field *field, struct clew__span_fields *out) {
    uint32_t number = (uint32_t)field->number;
    switch (field->field) {
    case CLEW__SPAN_KIND:
        out->kind = number;
        break;
    case CLEW__SPAN_DROPPED_ATTRIBUTES:
        out->dropped_attributes = number;
        break;
    case CLEW__SPAN_DROPPED_EVENTS:
        out->dropped_events = number;
        break;
    case CLEW__SPAN_DROPPED_LINKS:
        out->dropped_links = number;
        break;
    default:
        break;
    }
}

void clew__read_span(struct clew__wire span, struct clew__span_fields *out) {
    struct clew__field field;
    memset(out, 0, sizeof *out);
    while (next(&span, &field)) {
        if (field.type == CLEW__WIRE_BYTES)
            read_span_bytes(&field, out);
        else if (field.type == CLEW__WIRE_VARINT)
            read_span_varint(&field, out);
        else if (field.type == CLEW__WIRE_I64 && field.field == CLEW__SPAN_START)
            out->start_unix_nano = field.number;
        else if (field.type == CLEW__WIRE_I64 && field.field == CLEW__SPAN_END)
            out->end_unix_nano = field.number;
        else if (field.type == CLEW__WIRE_I32 && field.field == CLEW__SPAN_FLAGS)
            out->flags = (uint32_t)field.number;
    }
}

static enum clew__wire_type any_type(uint32_t kind) {
    if (kind == CLEW__ANY_BOOL || kind == CLEW__ANY_INT)
        return CLEW__WIRE_VARINT;
    return kind == CLEW__ANY_DOUBLE ? CLEW__WIRE_I64 : CLEW__WIRE_BYTES;
}

void clew__read_any(struct clew__wire any, struct clew__any *out) {
    struct clew__field field;
    memset(out, 0, sizeof *out);
    while (next(&any, &field)) {
        if (field.field > CLEW__ANY_BYTES || field.type != any_type(field.field))
            continue;
        out->kind = field.field;
        out->number = field.field == CLEW__ANY_BOOL ? field.number != 0 : field.number;
        out->bytes = field.bytes;
    }
}

void clew__read_keyvalue(struct clew__wire keyvalue, struct clew__keyvalue *out) {
    struct clew__field field;
    struct clew__wire value = {NULL, NULL};
    out->key = value;
    while (next(&keyvalue, &field)) {
        if (field.type != CLEW__WIRE_BYTES)
            continue;
        if (field.field == CLEW__KEYVALUE_KEY)
            out->key = field.bytes;
        else if (field.field == CLEW__KEYVALUE_VALUE)
            value = field.bytes;
    }
    clew__read_any(value, &out->value);
}

bool clew__next_member(struct clew__wire *wire, uint32_t number, struct clew__wire *out) {
    struct clew__field field;
    while (next(wire, &field)) {
        if (field.field == number && field.type == CLEW__WIRE_BYTES) {
            *out = field.bytes;
            return true;
        }
    }
    return false;
}

static enum clew__wire_error read_partial_success(struct clew__wire wire, int64_t *rejected,
                                                  struct clew__wire *message) {
    struct clew__field field;
    enum clew__wire_error error;
    *rejected = 0;
    *message = (struct clew__wire){NULL, NULL};
    while (clew__wire_next(&wire, &field, &error)) {
        if (field.field == CLEW__PARTIAL_REJECTED) {
            if (field.type != CLEW__WIRE_VARINT)
                return CLEW__WIRE_WRONG_TYPE;
            *rejected = (int64_t)field.number;
        } else if (field.field == CLEW__PARTIAL_MESSAGE) {
            if (field.type != CLEW__WIRE_BYTES)
                return CLEW__WIRE_WRONG_TYPE;
            if (!clew__utf8_valid((const char *)field.bytes.at, (size_t)(field.bytes.end - field.bytes.at)))
                return CLEW__WIRE_BAD_UTF8;
            *message = field.bytes;
        }
    }
    return error;
}

enum clew__wire_error clew__read_export_response(const void *data, size_t size, int64_t *rejected,
                                                 struct clew__wire *message) {
    struct clew__wire wire = clew__wire_of(data, size);
    struct clew__field field;
    enum clew__wire_error error;
    *rejected = 0;
    *message = (struct clew__wire){NULL, NULL};
    while (clew__wire_next(&wire, &field, &error)) {
        if (field.field != CLEW__RESPONSE_PARTIAL_SUCCESS)
            continue;
        if (field.type != CLEW__WIRE_BYTES)
            return CLEW__WIRE_WRONG_TYPE;
        error = read_partial_success(field.bytes, rejected, message);
        if (error)
            return error;
    }
    return error;
}
