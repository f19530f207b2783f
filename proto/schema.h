/* What the OTLP messages look like, as a table: the checker of the wire format and both directions of JSON
 * walk it, so that a member is described once. The checker and the reader know traces only. Constant; any
 * thread. */
#ifndef CLEW_PROTO_SCHEMA_H
#define CLEW_PROTO_SCHEMA_H

#include "proto/wire.h"

enum clew__message {
    CLEW__TRACES,
    CLEW__RESOURCE_SPANS,
    CLEW__RESOURCE,
    CLEW__SCOPE_SPANS,
    CLEW__SCOPE,
    CLEW__SPAN,
    CLEW__EVENT,
    CLEW__LINK,
    CLEW__STATUS,
    CLEW__KEYVALUE,
    CLEW__ANY,
    CLEW__ARRAY,
    CLEW__KVLIST,
    CLEW__ENTITY_REF,
    CLEW__METRICS,
    CLEW__RESOURCE_METRICS,
    CLEW__SCOPE_METRICS,
    CLEW__METRIC,
    CLEW__SUM,
    CLEW__HISTOGRAM,
    CLEW__NUMBER_POINT,
    CLEW__HISTOGRAM_POINT,
    CLEW__MESSAGES,
};

enum clew__kind {
    CLEW__KIND_NONE, /* the message has no such field */
    CLEW__KIND_TEXT,
    CLEW__KIND_BYTES,
    CLEW__KIND_TRACE_ID, /* 16 bytes */
    CLEW__KIND_SPAN_ID,  /* 8 bytes */
    CLEW__KIND_TRACE_ID_OR_EMPTY,
    CLEW__KIND_SPAN_ID_OR_EMPTY,
    CLEW__KIND_BOOL,
    CLEW__KIND_INT64,
    CLEW__KIND_UINT32,
    CLEW__KIND_SPAN_KIND,   /* enum */
    CLEW__KIND_STATUS_CODE, /* enum */
    CLEW__KIND_TEMPORALITY, /* enum */
    CLEW__KIND_DOUBLE,
    CLEW__KIND_FIXED64,
    CLEW__KIND_SFIXED64,
    CLEW__KIND_FIXED64_LIST, /* repeated and packed: one member holds them all */
    CLEW__KIND_FIXED32,
    CLEW__KIND_MESSAGE,
};

struct clew__member {
    const char *name; /* in JSON */
    uint8_t name_size;
    uint8_t kind;    /* enum clew__kind */
    uint8_t message; /* enum clew__message, of KIND_MESSAGE */
    bool repeated;
    bool optional; /* a scalar that says something even when it is zero */
};

#define CLEW__SCHEMA_FIELD_MAX 16

/* Indexed by field number. */
extern const struct clew__member clew__schema[CLEW__MESSAGES][CLEW__SCHEMA_FIELD_MAX + 1];

/* Arrays and maps within one another that are read at most, whatever the limits say. */
#define CLEW__VALUE_DEPTH_MAX 64u

/* Messages that can lie within one another then: down to the value of a data point's attribute, and for every
 * level a map, its entry and the entry's value. */
#define CLEW__MESSAGE_DEPTH_MAX (8 + 3 * CLEW__VALUE_DEPTH_MAX)

/* The member with that field number, or NULL. */
static inline const struct clew__member *clew__schema_member(enum clew__message message, uint32_t field) {
    if (field > CLEW__SCHEMA_FIELD_MAX || clew__schema[message][field].kind == CLEW__KIND_NONE)
        return NULL;
    return &clew__schema[message][field];
}

/* Whether the message is one level of nested values. */
static inline bool clew__schema_nests(enum clew__message message) {
    return message == CLEW__ARRAY || message == CLEW__KVLIST;
}

/* The bytes of an id kind, 0 for all else. */
static inline size_t clew__schema_id_size(enum clew__kind kind) {
    if (kind == CLEW__KIND_TRACE_ID || kind == CLEW__KIND_TRACE_ID_OR_EMPTY)
        return 16;
    return kind == CLEW__KIND_SPAN_ID || kind == CLEW__KIND_SPAN_ID_OR_EMPTY ? 8 : 0;
}

static inline enum clew__wire_type clew__schema_wire_type(enum clew__kind kind) {
    switch (kind) {
    case CLEW__KIND_BOOL:
    case CLEW__KIND_INT64:
    case CLEW__KIND_UINT32:
    case CLEW__KIND_SPAN_KIND:
    case CLEW__KIND_STATUS_CODE:
    case CLEW__KIND_TEMPORALITY:
        return CLEW__WIRE_VARINT;
    case CLEW__KIND_DOUBLE:
    case CLEW__KIND_FIXED64:
    case CLEW__KIND_SFIXED64:
        return CLEW__WIRE_I64;
    case CLEW__KIND_FIXED32:
        return CLEW__WIRE_I32;
    default:
        return CLEW__WIRE_BYTES;
    }
}

#endif
