/* The table of the OTLP messages. The members that only profiles use (the *_strindex ones) are not in
 * it: in traces they count as unknown. */
#include "proto/schema.h"

#include "proto/otlp.h"

#define SCALAR(json_name, kind_name)                                                                         \
    { .name = json_name, .name_size = sizeof(json_name) - 1, .kind = CLEW__KIND_##kind_name }
#define OPTIONAL(json_name, kind_name)                                                                       \
    {                                                                                                        \
        .name = json_name, .name_size = sizeof(json_name) - 1, .kind = CLEW__KIND_##kind_name,               \
        .optional = true                                                                                     \
    }
#define NESTED(json_name, message_name)                                                                      \
    {                                                                                                        \
        .name = json_name, .name_size = sizeof(json_name) - 1, .kind = CLEW__KIND_MESSAGE,                   \
        .message = CLEW__##message_name                                                                      \
    }
#define LIST(json_name, message_name)                                                                        \
    {                                                                                                        \
        .name = json_name, .name_size = sizeof(json_name) - 1, .kind = CLEW__KIND_MESSAGE,                   \
        .message = CLEW__##message_name, .repeated = true                                                    \
    }
#define TEXTS(json_name)                                                                                     \
    { .name = json_name, .name_size = sizeof(json_name) - 1, .kind = CLEW__KIND_TEXT, .repeated = true }

const struct clew__member clew__schema[CLEW__MESSAGES][CLEW__SCHEMA_FIELD_MAX + 1] =
    {
        [CLEW__TRACES] =
            {
                [CLEW__TRACES_RESOURCE_SPANS] = LIST("resourceSpans", RESOURCE_SPANS),
            },
        [CLEW__RESOURCE_SPANS] =
            {
                [CLEW__RESOURCE_SPANS_RESOURCE] = NESTED("resource", RESOURCE),
                [CLEW__RESOURCE_SPANS_SCOPE_SPANS] = LIST("scopeSpans", SCOPE_SPANS),
                [CLEW__RESOURCE_SPANS_SCHEMA_URL] = SCALAR("schemaUrl", TEXT),
            },
        [CLEW__RESOURCE] =
            {
                [CLEW__RESOURCE_ATTRIBUTES] = LIST("attributes", KEYVALUE),
                [CLEW__RESOURCE_DROPPED_ATTRIBUTES] = SCALAR("droppedAttributesCount", UINT32),
                [CLEW__RESOURCE_ENTITY_REFS] = LIST("entityRefs", ENTITY_REF),
            },
        [CLEW__ENTITY_REF] =
            {
                [CLEW__ENTITY_SCHEMA_URL] = SCALAR("schemaUrl", TEXT),
                [CLEW__ENTITY_TYPE] = SCALAR("type", TEXT),
                [CLEW__ENTITY_ID_KEYS] = TEXTS("idKeys"),
                [CLEW__ENTITY_DESCRIPTION_KEYS] = TEXTS("descriptionKeys"),
            },
        [CLEW__SCOPE_SPANS] =
            {
                [CLEW__SCOPE_SPANS_SCOPE] = NESTED("scope", SCOPE),
                [CLEW__SCOPE_SPANS_SPANS] = LIST("spans", SPAN),
                [CLEW__SCOPE_SPANS_SCHEMA_URL] = SCALAR("schemaUrl", TEXT),
            },
        [CLEW__SCOPE] =
            {
                [CLEW__SCOPE_NAME] = SCALAR("name", TEXT),
                [CLEW__SCOPE_VERSION] = SCALAR("version", TEXT),
                [CLEW__SCOPE_ATTRIBUTES] = LIST("attributes", KEYVALUE),
                [CLEW__SCOPE_DROPPED_ATTRIBUTES] = SCALAR("droppedAttributesCount", UINT32),
            },
        [CLEW__SPAN] =
            {
                [CLEW__SPAN_TRACE_ID] = SCALAR("traceId", TRACE_ID),
                [CLEW__SPAN_SPAN_ID] = SCALAR("spanId", SPAN_ID),
                [CLEW__SPAN_TRACE_STATE] = SCALAR("traceState", TEXT),
                [CLEW__SPAN_PARENT_SPAN_ID] = SCALAR("parentSpanId", SPAN_ID_OR_EMPTY),
                [CLEW__SPAN_NAME] = SCALAR("name", TEXT),
                [CLEW__SPAN_KIND] = SCALAR("kind", SPAN_KIND),
                [CLEW__SPAN_START] = SCALAR("startTimeUnixNano", FIXED64),
                [CLEW__SPAN_END] = SCALAR("endTimeUnixNano", FIXED64),
                [CLEW__SPAN_ATTRIBUTES] = LIST("attributes", KEYVALUE),
                [CLEW__SPAN_DROPPED_ATTRIBUTES] = SCALAR("droppedAttributesCount", UINT32),
                [CLEW__SPAN_EVENTS] = LIST("events", EVENT),
                [CLEW__SPAN_DROPPED_EVENTS] = SCALAR("droppedEventsCount", UINT32),
                [CLEW__SPAN_LINKS] = LIST("links", LINK),
                [CLEW__SPAN_DROPPED_LINKS] = SCALAR("droppedLinksCount", UINT32),
                [CLEW__SPAN_STATUS] = NESTED("status", STATUS),
                [CLEW__SPAN_FLAGS] = SCALAR("flags", FIXED32),
            },
        [CLEW__EVENT] =
            {
                [CLEW__EVENT_TIME] = SCALAR("timeUnixNano", FIXED64),
                [CLEW__EVENT_NAME] = SCALAR("name", TEXT),
                [CLEW__EVENT_ATTRIBUTES] = LIST("attributes", KEYVALUE),
                [CLEW__EVENT_DROPPED_ATTRIBUTES] = SCALAR("droppedAttributesCount", UINT32),
            },
        [CLEW__LINK] =
            {
                [CLEW__LINK_TRACE_ID] = SCALAR("traceId", TRACE_ID_OR_EMPTY),
                [CLEW__LINK_SPAN_ID] = SCALAR("spanId", SPAN_ID_OR_EMPTY),
                [CLEW__LINK_TRACE_STATE] = SCALAR("traceState", TEXT),
                [CLEW__LINK_ATTRIBUTES] = LIST("attributes", KEYVALUE),
                [CLEW__LINK_DROPPED_ATTRIBUTES] = SCALAR("droppedAttributesCount", UINT32),
                [CLEW__LINK_FLAGS] = SCALAR("flags", FIXED32),
            },
        [CLEW__STATUS] =
            {
                [CLEW__STATUS_MESSAGE] = SCALAR("message", TEXT),
                [CLEW__STATUS_CODE] = SCALAR("code", STATUS_CODE),
            },
        [CLEW__KEYVALUE] =
            {
                [CLEW__KEYVALUE_KEY] = SCALAR("key", TEXT),
                [CLEW__KEYVALUE_VALUE] = NESTED("value", ANY),
            },
        [CLEW__ANY] =
            {
                [CLEW__ANY_STRING] = SCALAR("stringValue", TEXT),
                [CLEW__ANY_BOOL] = SCALAR("boolValue", BOOL),
                [CLEW__ANY_INT] = SCALAR("intValue", INT64),
                [CLEW__ANY_DOUBLE] = SCALAR("doubleValue", DOUBLE),
                [CLEW__ANY_ARRAY] = NESTED("arrayValue", ARRAY),
                [CLEW__ANY_KVLIST] = NESTED("kvlistValue", KVLIST),
                [CLEW__ANY_BYTES] = SCALAR("bytesValue", BYTES),
            },
        [CLEW__ARRAY] =
            {
                [CLEW__LIST_VALUES] = LIST("values", ANY),
            },
        [CLEW__KVLIST] =
            {
                [CLEW__LIST_VALUES] = LIST("values", KEYVALUE),
            },
        [CLEW__METRICS] =
            {
                [CLEW__METRICS_RESOURCE_METRICS] = LIST("resourceMetrics", RESOURCE_METRICS),
            },
        [CLEW__RESOURCE_METRICS] =
            {
                [CLEW__RESOURCE_METRICS_RESOURCE] = NESTED("resource", RESOURCE),
                [CLEW__RESOURCE_METRICS_SCOPE_METRICS] = LIST("scopeMetrics", SCOPE_METRICS),
                [CLEW__RESOURCE_METRICS_SCHEMA_URL] = SCALAR("schemaUrl", TEXT),
            },
        [CLEW__SCOPE_METRICS] =
            {
                [CLEW__SCOPE_METRICS_SCOPE] = NESTED("scope", SCOPE),
                [CLEW__SCOPE_METRICS_METRICS] = LIST("metrics", METRIC),
                [CLEW__SCOPE_METRICS_SCHEMA_URL] = SCALAR("schemaUrl", TEXT),
            },
        [CLEW__METRIC] =
            {
                [CLEW__METRIC_NAME] = SCALAR("name", TEXT),
                [CLEW__METRIC_DESCRIPTION] = SCALAR("description", TEXT),
                [CLEW__METRIC_UNIT] = SCALAR("unit", TEXT),
                [CLEW__METRIC_SUM] = NESTED("sum", SUM),
                [CLEW__METRIC_HISTOGRAM] = NESTED("histogram", HISTOGRAM),
            },
        [CLEW__SUM] =
            {
                [CLEW__SUM_POINTS] = LIST("dataPoints", NUMBER_POINT),
                [CLEW__SUM_TEMPORALITY] = SCALAR("aggregationTemporality", TEMPORALITY),
                [CLEW__SUM_IS_MONOTONIC] = SCALAR("isMonotonic", BOOL),
            },
        [CLEW__HISTOGRAM] =
            {
                [CLEW__HISTOGRAM_POINTS] = LIST("dataPoints", HISTOGRAM_POINT),
                [CLEW__HISTOGRAM_TEMPORALITY] = SCALAR("aggregationTemporality", TEMPORALITY),
            },
        [CLEW__NUMBER_POINT] =
            {
                [CLEW__NUMBER_ATTRIBUTES] = LIST("attributes", KEYVALUE),
                [CLEW__NUMBER_START] = SCALAR("startTimeUnixNano", FIXED64),
                [CLEW__NUMBER_TIME] = SCALAR("timeUnixNano", FIXED64),
                [CLEW__NUMBER_AS_DOUBLE] = OPTIONAL("asDouble", DOUBLE),
                [CLEW__NUMBER_AS_INT] = OPTIONAL("asInt", SFIXED64),
            },
        [CLEW__HISTOGRAM_POINT] =
            {
                [CLEW__BUCKETS_ATTRIBUTES] = LIST("attributes", KEYVALUE),
                [CLEW__BUCKETS_START] = SCALAR("startTimeUnixNano", FIXED64),
                [CLEW__BUCKETS_TIME] = SCALAR("timeUnixNano", FIXED64),
                [CLEW__BUCKETS_COUNT] = SCALAR("count", FIXED64),
                [CLEW__BUCKETS_SUM] = OPTIONAL("sum", DOUBLE),
                [CLEW__BUCKETS_COUNTS] = SCALAR("bucketCounts", FIXED64_LIST),
                [CLEW__BUCKETS_MIN] = OPTIONAL("min", DOUBLE),
                [CLEW__BUCKETS_MAX] = OPTIONAL("max", DOUBLE),
            },
};
