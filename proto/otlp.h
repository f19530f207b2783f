/* Field numbers of the OTLP messages (opentelemetry-proto 1.11): traces, and of metrics what Clew sends about
 * itself. Reading those of traces as views over their bytes. */
#ifndef CLEW_PROTO_OTLP_H
#define CLEW_PROTO_OTLP_H

#include "proto/wire.h"

enum {
    CLEW__ANY_STRING = 1,
    CLEW__ANY_BOOL = 2,
    CLEW__ANY_INT = 3,
    CLEW__ANY_DOUBLE = 4,
    CLEW__ANY_ARRAY = 5,
    CLEW__ANY_KVLIST = 6,
    CLEW__ANY_BYTES = 7,

    CLEW__LIST_VALUES = 1, /* ArrayValue.values, KeyValueList.values */
    CLEW__KEYVALUE_KEY = 1,
    CLEW__KEYVALUE_VALUE = 2,

    CLEW__SCOPE_NAME = 1,
    CLEW__SCOPE_VERSION = 2,
    CLEW__SCOPE_ATTRIBUTES = 3,
    CLEW__SCOPE_DROPPED_ATTRIBUTES = 4,

    CLEW__RESOURCE_ATTRIBUTES = 1,
    CLEW__RESOURCE_DROPPED_ATTRIBUTES = 2,
    CLEW__RESOURCE_ENTITY_REFS = 3,

    CLEW__ENTITY_SCHEMA_URL = 1,
    CLEW__ENTITY_TYPE = 2,
    CLEW__ENTITY_ID_KEYS = 3,
    CLEW__ENTITY_DESCRIPTION_KEYS = 4,

    CLEW__TRACES_RESOURCE_SPANS = 1,
    CLEW__RESOURCE_SPANS_RESOURCE = 1,
    CLEW__RESOURCE_SPANS_SCOPE_SPANS = 2,
    CLEW__RESOURCE_SPANS_SCHEMA_URL = 3,
    CLEW__SCOPE_SPANS_SCOPE = 1,
    CLEW__SCOPE_SPANS_SPANS = 2,
    CLEW__SCOPE_SPANS_SCHEMA_URL = 3,

    CLEW__SPAN_TRACE_ID = 1,
    CLEW__SPAN_SPAN_ID = 2,
    CLEW__SPAN_TRACE_STATE = 3,
    CLEW__SPAN_PARENT_SPAN_ID = 4,
    CLEW__SPAN_NAME = 5,
    CLEW__SPAN_KIND = 6,
    CLEW__SPAN_START = 7,
    CLEW__SPAN_END = 8,
    CLEW__SPAN_ATTRIBUTES = 9,
    CLEW__SPAN_DROPPED_ATTRIBUTES = 10,
    CLEW__SPAN_EVENTS = 11,
    CLEW__SPAN_DROPPED_EVENTS = 12,
    CLEW__SPAN_LINKS = 13,
    CLEW__SPAN_DROPPED_LINKS = 14,
    CLEW__SPAN_STATUS = 15,
    CLEW__SPAN_FLAGS = 16,

    CLEW__EVENT_TIME = 1,
    CLEW__EVENT_NAME = 2,
    CLEW__EVENT_ATTRIBUTES = 3,
    CLEW__EVENT_DROPPED_ATTRIBUTES = 4,

    CLEW__LINK_TRACE_ID = 1,
    CLEW__LINK_SPAN_ID = 2,
    CLEW__LINK_TRACE_STATE = 3,
    CLEW__LINK_ATTRIBUTES = 4,
    CLEW__LINK_DROPPED_ATTRIBUTES = 5,
    CLEW__LINK_FLAGS = 6,

    CLEW__STATUS_MESSAGE = 2,
    CLEW__STATUS_CODE = 3,

    CLEW__METRICS_RESOURCE_METRICS = 1,
    CLEW__RESOURCE_METRICS_RESOURCE = 1,
    CLEW__RESOURCE_METRICS_SCOPE_METRICS = 2,
    CLEW__RESOURCE_METRICS_SCHEMA_URL = 3,
    CLEW__SCOPE_METRICS_SCOPE = 1,
    CLEW__SCOPE_METRICS_METRICS = 2,
    CLEW__SCOPE_METRICS_SCHEMA_URL = 3,

    CLEW__METRIC_NAME = 1,
    CLEW__METRIC_DESCRIPTION = 2,
    CLEW__METRIC_UNIT = 3,
    CLEW__METRIC_SUM = 7,
    CLEW__METRIC_HISTOGRAM = 9,

    CLEW__SUM_POINTS = 1,
    CLEW__SUM_TEMPORALITY = 2,
    CLEW__SUM_IS_MONOTONIC = 3,
    CLEW__HISTOGRAM_POINTS = 1,
    CLEW__HISTOGRAM_TEMPORALITY = 2,
    CLEW__TEMPORALITY_CUMULATIVE = 2, /* AggregationTemporality */

    CLEW__NUMBER_START = 2,
    CLEW__NUMBER_TIME = 3,
    CLEW__NUMBER_AS_DOUBLE = 4,
    CLEW__NUMBER_AS_INT = 6,
    CLEW__NUMBER_ATTRIBUTES = 7,

    CLEW__BUCKETS_START = 2,
    CLEW__BUCKETS_TIME = 3,
    CLEW__BUCKETS_COUNT = 4,
    CLEW__BUCKETS_SUM = 5,
    CLEW__BUCKETS_COUNTS = 6,
    CLEW__BUCKETS_ATTRIBUTES = 9,
    CLEW__BUCKETS_MIN = 11,
    CLEW__BUCKETS_MAX = 12,

    CLEW__RESPONSE_PARTIAL_SUCCESS = 1,
    CLEW__PARTIAL_REJECTED = 1,
    CLEW__PARTIAL_MESSAGE = 2,
};

/* The event that says that its span waited: the span it waited for (16 hexadecimal digits), and for how long
 * (int; absent or 0: until its own end). The time of the event is the begin. */
#define CLEW__EVENT_WAIT "clew.wait"
#define CLEW__ATTRIBUTE_WAIT_SPAN_ID "clew.wait.span_id"
#define CLEW__ATTRIBUTE_WAIT_DURATION "clew.wait.duration_nano"

/* Flag bits of Span.flags and Link.flags above the W3C ones. */
#define CLEW__FLAGS_HAS_IS_REMOTE 0x100u
#define CLEW__FLAGS_IS_REMOTE 0x200u

/* String attributes of a span whose ids were no hexadecimal numbers in the file that it came from: their
 * texts. */
#define CLEW__ATTRIBUTE_SPAN_ID "clew.span_id"
#define CLEW__ATTRIBUTE_TRACE_ID "clew.trace_id"

/* A value as read. For a string or bytes `bytes` is the content; for an array or a map the nested message. */
struct clew__any {
    uint32_t kind;   /* CLEW__ANY_…, 0 for an empty value */
    uint64_t number; /* bool, int64 as two's complement, the bits of a double */
    struct clew__wire bytes;
};

struct clew__keyvalue {
    struct clew__wire key;
    struct clew__any value;
};

/* The members of a Span that are no lists. Absent texts have `at` NULL; absent ids are zero. */
struct clew__span_fields {
    uint8_t trace_id[16], span_id[8], parent_span_id[8];
    struct clew__wire trace_state, name, status_message;
    uint64_t start_unix_nano, end_unix_nano;
    uint32_t kind, flags, status_code;
    uint32_t dropped_attributes, dropped_events, dropped_links;
    uint32_t attributes, events, links; /* counts */
};

/* Each decodes one message; what is malformed ends the message there. Of a member that occurs twice the last
 * counts. */
void clew__read_span(struct clew__wire span, struct clew__span_fields *out);
void clew__read_any(struct clew__wire any, struct clew__any *out);
void clew__read_keyvalue(struct clew__wire keyvalue, struct clew__keyvalue *out);

/* The next BYTES member of that number: walks a repeated message. False at the end. */
bool clew__next_member(struct clew__wire *wire, uint32_t field, struct clew__wire *out);

/* An ExportTraceServiceResponse: rejected spans and message of its partial success, zero and empty without
 * one. CLEW__WIRE_OK or what is malformed. */
enum clew__wire_error clew__read_export_response(const void *data, size_t size, int64_t *rejected,
                                                 struct clew__wire *message);

#endif
