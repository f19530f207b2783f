/* Requests of metrics as the oracle reads them. */
#ifndef CLEW_TEST_UNIT_TELEMETRY_DECODED_H
#define CLEW_TEST_UNIT_TELEMETRY_DECODED_H

#include "opentelemetry/proto/collector/metrics/v1/metrics_service.pb-c.h"
#include "test/support.h"

#include <stdio.h>
#include <string.h>

typedef Opentelemetry__Proto__Collector__Metrics__V1__ExportMetricsServiceRequest decoded_request;
typedef Opentelemetry__Proto__Metrics__V1__Metric decoded_metric;
typedef Opentelemetry__Proto__Metrics__V1__NumberDataPoint decoded_number;
typedef Opentelemetry__Proto__Metrics__V1__HistogramDataPoint decoded_histogram;
typedef Opentelemetry__Proto__Common__V1__KeyValue decoded_attribute;

static inline decoded_request *decode(const void *data, size_t size) {
    decoded_request *request =
        opentelemetry__proto__collector__metrics__v1__export_metrics_service_request__unpack(
            NULL, size, (const uint8_t *)data);
    cr_assert_not_null(request);
    cr_assert_eq(request->n_resource_metrics, 1);
    cr_assert_eq(request->resource_metrics[0]->n_scope_metrics, 1);
    return request;
}

static inline void decoded_free(decoded_request *request) {
    opentelemetry__proto__collector__metrics__v1__export_metrics_service_request__free_unpacked(request,
                                                                                                NULL);
}

/* The metric of a name, or NULL; that there are two of a name is a failure. */
static inline const decoded_metric *metric_named(const decoded_request *request, const char *name) {
    const Opentelemetry__Proto__Metrics__V1__ScopeMetrics *scope =
        request->resource_metrics[0]->scope_metrics[0];
    const decoded_metric *found = NULL;
    for (size_t i = 0; i < scope->n_metrics; i++) {
        if (strcmp(scope->metrics[i]->name, name) != 0)
            continue;
        cr_assert_null(found, "%s twice", name);
        found = scope->metrics[i];
    }
    return found;
}

/* "key=value,key=value" in the order in which they are sent. */
static inline const char *attributes_text(decoded_attribute *const *list, size_t count) {
    static char text[1024];
    text[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        size_t used = strlen(text);
        const Opentelemetry__Proto__Common__V1__AnyValue *value = list[i]->value;
        if (value->value_case == OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_STRING_VALUE)
            snprintf(text + used, sizeof text - used, "%s%s=%s", i ? "," : "", list[i]->key,
                     value->string_value);
        else
            snprintf(text + used, sizeof text - used, "%s%s=%ld", i ? "," : "", list[i]->key,
                     (long)value->int_value);
    }
    return text;
}

static inline const decoded_number *number_with(const decoded_metric *metric, const char *attributes) {
    cr_assert_eq(metric->data_case, OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_SUM);
    for (size_t i = 0; i < metric->sum->n_data_points; i++) {
        const decoded_number *point = metric->sum->data_points[i];
        if (strcmp(attributes_text(point->attributes, point->n_attributes), attributes) == 0)
            return point;
    }
    return NULL;
}

/* The value of a data point; -1: there is none. */
static inline int64_t value_of(const decoded_request *request, const char *name, const char *attributes) {
    const decoded_metric *metric = metric_named(request, name);
    const decoded_number *point = metric ? number_with(metric, attributes) : NULL;
    if (!point)
        return -1;
    cr_assert_eq(point->value_case, OPENTELEMETRY__PROTO__METRICS__V1__NUMBER_DATA_POINT__VALUE_AS_INT);
    return point->as_int;
}

static inline const decoded_histogram *histogram_with(const decoded_request *request, const char *name,
                                                      const char *attributes) {
    const decoded_metric *metric = metric_named(request, name);
    if (!metric)
        return NULL;
    cr_assert_eq(metric->data_case, OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_HISTOGRAM);
    for (size_t i = 0; i < metric->histogram->n_data_points; i++) {
        const decoded_histogram *point = metric->histogram->data_points[i];
        if (strcmp(attributes_text(point->attributes, point->n_attributes), attributes) == 0)
            return point;
    }
    return NULL;
}

#endif
