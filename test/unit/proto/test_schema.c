/* The table of messages against what protobuf-c makes of the .proto files. */
#include "proto/schema.h"

#include <ctype.h>

#include "opentelemetry/proto/metrics/v1/metrics.pb-c.h"
#include "opentelemetry/proto/trace/v1/trace.pb-c.h"
#include "test/support.h"

static const struct {
    enum clew__message message;
    const ProtobufCMessageDescriptor *descriptor;
} messages[] = {
    {CLEW__TRACES, &opentelemetry__proto__trace__v1__traces_data__descriptor},
    {CLEW__RESOURCE_SPANS, &opentelemetry__proto__trace__v1__resource_spans__descriptor},
    {CLEW__RESOURCE, &opentelemetry__proto__resource__v1__resource__descriptor},
    {CLEW__SCOPE_SPANS, &opentelemetry__proto__trace__v1__scope_spans__descriptor},
    {CLEW__SCOPE, &opentelemetry__proto__common__v1__instrumentation_scope__descriptor},
    {CLEW__SPAN, &opentelemetry__proto__trace__v1__span__descriptor},
    {CLEW__EVENT, &opentelemetry__proto__trace__v1__span__event__descriptor},
    {CLEW__LINK, &opentelemetry__proto__trace__v1__span__link__descriptor},
    {CLEW__STATUS, &opentelemetry__proto__trace__v1__status__descriptor},
    {CLEW__KEYVALUE, &opentelemetry__proto__common__v1__key_value__descriptor},
    {CLEW__ANY, &opentelemetry__proto__common__v1__any_value__descriptor},
    {CLEW__ARRAY, &opentelemetry__proto__common__v1__array_value__descriptor},
    {CLEW__KVLIST, &opentelemetry__proto__common__v1__key_value_list__descriptor},
    {CLEW__ENTITY_REF, &opentelemetry__proto__common__v1__entity_ref__descriptor},
    {CLEW__METRICS, &opentelemetry__proto__metrics__v1__metrics_data__descriptor},
    {CLEW__RESOURCE_METRICS, &opentelemetry__proto__metrics__v1__resource_metrics__descriptor},
    {CLEW__SCOPE_METRICS, &opentelemetry__proto__metrics__v1__scope_metrics__descriptor},
    {CLEW__METRIC, &opentelemetry__proto__metrics__v1__metric__descriptor},
    {CLEW__SUM, &opentelemetry__proto__metrics__v1__sum__descriptor},
    {CLEW__HISTOGRAM, &opentelemetry__proto__metrics__v1__histogram__descriptor},
    {CLEW__NUMBER_POINT, &opentelemetry__proto__metrics__v1__number_data_point__descriptor},
    {CLEW__HISTOGRAM_POINT, &opentelemetry__proto__metrics__v1__histogram_data_point__descriptor},
};
#define MESSAGES (sizeof messages / sizeof messages[0])

static const void *descriptor_of(enum clew__message message) {
    for (size_t i = 0; i < MESSAGES; i++) {
        if (messages[i].message == message)
            return messages[i].descriptor;
    }
    return NULL;
}

static void to_lower_camel_case(const char *name, char *out) {
    for (; *name; name++)
        *out++ = *name == '_' ? (char)toupper(*++name) : *name;
    *out = 0;
}

static ProtobufCType type_of(enum clew__kind kind) {
    switch (kind) {
    case CLEW__KIND_TEXT:
        return PROTOBUF_C_TYPE_STRING;
    case CLEW__KIND_BOOL:
        return PROTOBUF_C_TYPE_BOOL;
    case CLEW__KIND_INT64:
        return PROTOBUF_C_TYPE_INT64;
    case CLEW__KIND_UINT32:
        return PROTOBUF_C_TYPE_UINT32;
    case CLEW__KIND_SPAN_KIND:
    case CLEW__KIND_STATUS_CODE:
    case CLEW__KIND_TEMPORALITY:
        return PROTOBUF_C_TYPE_ENUM;
    case CLEW__KIND_DOUBLE:
        return PROTOBUF_C_TYPE_DOUBLE;
    case CLEW__KIND_FIXED64:
    case CLEW__KIND_FIXED64_LIST:
        return PROTOBUF_C_TYPE_FIXED64;
    case CLEW__KIND_SFIXED64:
        return PROTOBUF_C_TYPE_SFIXED64;
    case CLEW__KIND_FIXED32:
        return PROTOBUF_C_TYPE_FIXED32;
    case CLEW__KIND_MESSAGE:
        return PROTOBUF_C_TYPE_MESSAGE;
    default:
        return PROTOBUF_C_TYPE_BYTES;
    }
}

Test(schema, every_published_field_is_in_the_table_but_those_of_profiles) {
    cr_assert_eq(MESSAGES, CLEW__MESSAGES);
    for (size_t i = 0; i < MESSAGES; i++) {
        const ProtobufCMessageDescriptor *descriptor = messages[i].descriptor;
        for (unsigned f = 0; f < descriptor->n_fields; f++) {
            const ProtobufCFieldDescriptor *field = &descriptor->fields[f];
            const struct clew__member *member = clew__schema_member(messages[i].message, field->id);
            char name[64];
            if (strstr(field->name, "strindex")) {
                cr_assert_null(member);
                continue;
            }
            cr_assert_not_null(member, "%s.%s", descriptor->name, field->name);
            to_lower_camel_case(field->name, name);
            cr_assert_str_eq(member->name, name);
            cr_assert_eq(type_of((enum clew__kind)member->kind), field->type, "%s.%s", descriptor->name,
                         name);
            cr_assert_eq(member->repeated || member->kind == CLEW__KIND_FIXED64_LIST,
                         field->label == PROTOBUF_C_LABEL_REPEATED);
            if (member->kind == CLEW__KIND_MESSAGE)
                cr_assert_eq(descriptor_of((enum clew__message)member->message), field->descriptor);
        }
    }
}

Test(schema, table_has_no_field_that_is_not_published) {
    for (size_t i = 0; i < MESSAGES; i++) {
        for (uint32_t field = 0; field <= CLEW__SCHEMA_FIELD_MAX; field++) {
            if (clew__schema_member(messages[i].message, field))
                cr_assert_not_null(protobuf_c_message_descriptor_get_field(messages[i].descriptor, field));
        }
        cr_assert_null(clew__schema_member(messages[i].message, CLEW__SCHEMA_FIELD_MAX + 1));
    }
}

Test(schema, ids_that_spans_must_have_are_never_empty) {
    cr_assert_eq(clew__schema[CLEW__SPAN][1].kind, CLEW__KIND_TRACE_ID);
    cr_assert_eq(clew__schema[CLEW__SPAN][2].kind, CLEW__KIND_SPAN_ID);
    cr_assert_eq(clew__schema[CLEW__SPAN][4].kind, CLEW__KIND_SPAN_ID_OR_EMPTY);
}
