/* Traces of Jaeger as OTLP. */
#include "proto/jaeger_json.h"

#include "test/unit/proto/foreign.h"

static size_t read_trace(struct clew__writer *writer, struct clew__writer *scratch, const char *text,
                         size_t size, struct clew__json_fault *fault) {
    return clew__jaeger_json_read(writer, scratch, text, size, fault, NULL);
}

#define READ read_trace

/* A trace of one span, which has those members too; a process with those tags. */
#define TRACE(span)                                                                                          \
    "{\"traceID\":\"a1\",\"spans\":[" span "],\"processes\":{\"p1\":{\"serviceName\":\"shop\"}}}"
#define SPAN(members) "{\"traceID\":\"a1\",\"spanID\":\"b2\",\"processID\":\"p1\"" members "}"
#define ONE(members) TRACE(SPAN("," members))
#define TAG(key, type, value) "{\"key\":\"" key "\",\"type\":\"" type "\",\"value\":" value "}"
#define TAGGED(tags) ONE("\"tags\":[" tags "]")
#define LOG(fields) "\"logs\":[{\"timestamp\":5,\"fields\":[" fields "]}]"
#define LOGGED(fields) ONE(LOG(fields))
#define REFERENCES(references) ONE("\"references\":[" references "]")
#define REFERENCE(type, trace, span)                                                                         \
    "{\"refType\":\"" type "\",\"traceID\":\"" trace "\",\"spanID\":\"" span "\"}"
#define ATTRIBUTE(key, value) "{\"key\":\"" key "\",\"value\":{" value "}}"
#define LINK(trace, span, type)                                                                              \
    "{\"traceId\":\"" trace "\",\"spanId\":\"" span                                                          \
    "\",\"attributes\":[{\"key\":\"opentracing.ref_type\",\"value\":{\"stringValue\":\"" type "\"}}]}"

#define TRACE_ID "000000000000000000000000000000a1"

Test(jaeger_json, span_has_ids_name_and_times) {
    HAS(ONE("\"operationName\":\"GET /\",\"startTime\":1655753768523213,\"duration\":2071"),
        "\"traceId\":\"" TRACE_ID "\"", "\"spanId\":\"00000000000000b2\"", "\"name\":\"GET /\"",
        "\"startTimeUnixNano\":\"1655753768523213000\"", "\"endTimeUnixNano\":\"1655753768525284000\"",
        "!parentSpanId", "!status", "!kind");
    CLEW_NO_LEAKS();
}

Test(jaeger_json, times_may_be_strings_and_have_decimals) {
    HAS(ONE("\"startTime\":\"1655753768523213\",\"duration\":\"7\""),
        "\"startTimeUnixNano\":\"1655753768523213000\"", "\"endTimeUnixNano\":\"1655753768523220000\"");
    HAS(ONE("\"startTime\":1655753768523213.4567,\"duration\":0.5"),
        "\"startTimeUnixNano\":\"1655753768523213456\"", "\"endTimeUnixNano\":\"1655753768523213956\"");
    HAS(ONE("\"startTime\":1.655753768523213e+15,\"duration\":1e3"),
        "\"startTimeUnixNano\":\"1655753768523213056\""); /* the next double */
    HAS(ONE("\"startTime\":\"12.5\""), "\"startTimeUnixNano\":\"12500\"", "\"endTimeUnixNano\":\"12500\"");
    CLEW_NO_LEAKS();
}

Test(jaeger_json, negative_duration_ends_before_the_start) {
    HAS(ONE("\"startTime\":100,\"duration\":-40"), "\"endTimeUnixNano\":\"60000\"");
    HAS(ONE("\"startTime\":10,\"duration\":-40"), "\"endTimeUnixNano\":\"1\"");
    CLEW_NO_LEAKS();
}

Test(jaeger_json, span_that_takes_no_time_at_the_time_zero_has_ended) {
    HAS(ONE("\"startTime\":0,\"duration\":0"), "!startTimeUnixNano", "\"endTimeUnixNano\":\"1\"");
    CLEW_NO_LEAKS();
}

Test(jaeger_json, times_out_of_range_are_refused) {
    foreign_fails(READ, ONE("\"startTime\":9300000000000000000"),
                  strlen("{\"traceID\":\"a1\",\"spans\":[") + strlen(SPAN(",\"startTime\":")) - 1,
                  "a time out of range");
    foreign_fails(READ, ONE("\"startTime\":-1"), strlen("{\"traceID\":\"a1\",\"spans\":["),
                  "a time out of range");
    foreign_fails(READ, "{\"spanID\":\"1\",\"traceID\":\"1\",\"duration\":\"x\"}", 39,
                  "not a number of microseconds");
    CLEW_NO_LEAKS();
}

Test(jaeger_json, hexadecimal_ids_keep_their_value_whatever_their_case_and_length) {
    HAS("{\"traceID\":\"AbC\",\"spanID\":\"F\"}", "\"traceId\":\"00000000000000000000000000000abc\"",
        "\"spanId\":\"000000000000000f\"", "!clew.");
    HAS("{\"traceID\":\"0af7651916cd43dd8448eb211c80319c\",\"spanID\":\"00f067aa0ba902b7\"}",
        "\"traceId\":\"0af7651916cd43dd8448eb211c80319c\"", "\"spanId\":\"00f067aa0ba902b7\"");
    CLEW_NO_LEAKS();
}

/* The ids that a text hashes to, as the reader prints them. */
static void ids_of(const char *text, char trace_id[33], char span_id[17], char parent[17]) {
    char *json = foreign_to_json(READ, text);
    const char *found;
    memset(parent, 0, 17);
    cr_assert(sscanf(strstr(json, "\"traceId\""), "\"traceId\":\"%32s", trace_id) == 1);
    cr_assert(sscanf(strstr(json, "\"spanId\""), "\"spanId\":\"%16s", span_id) == 1);
    found = strstr(json, "\"parentSpanId\"");
    if (found)
        sscanf(found, "\"parentSpanId\":\"%16s", parent);
    free(json);
}

Test(jaeger_json, other_ids_are_hashed_and_kept_as_text) {
    char trace_id[33], span_id[17], parent[17], other_trace_id[33], other_span_id[17], other_parent[17];
    HAS("{\"traceID\":\"trace-123\",\"spanID\":\"span-1\"}",
        ATTRIBUTE("clew.trace_id", "\"stringValue\":\"trace-123\""),
        ATTRIBUTE("clew.span_id", "\"stringValue\":\"span-1\""));
    HAS("{\"traceID\":\"1\",\"spanID\":\"11112222333344445\"}",
        ATTRIBUTE("clew.span_id", "\"stringValue\":\"11112222333344445\""), "!clew.trace_id");
    ids_of("{\"traceID\":\"trace-123\",\"spanID\":\"span-1\"}", trace_id, span_id, parent);
    ids_of("{\"traceID\":\"trace-123\",\"spanID\":\"span-2\",\"references\":["
           "{\"refType\":\"CHILD_OF\",\"traceID\":\"trace-123\",\"spanID\":\"span-1\"}]}",
           other_trace_id, other_span_id, other_parent);
    cr_assert_str_eq(other_trace_id, trace_id);
    cr_assert_str_eq(other_parent, span_id);
    cr_assert_str_neq(other_span_id, span_id);
    CLEW_NO_LEAKS();
}

Test(jaeger_json, escapes_in_ids_do_not_change_them) {
    char trace_id[33], span_id[17], parent[17], same_trace_id[33], same_span_id[17], same_parent[17];
    ids_of("{\"traceID\":\"1\",\"spanID\":\"a/b-1\"}", trace_id, span_id, parent);
    ids_of("{\"traceID\":\"1\",\"spanID\":\"a\\/b-\\u0031\"}", same_trace_id, same_span_id, same_parent);
    cr_assert_str_eq(same_span_id, span_id);
    CLEW_NO_LEAKS();
}

Test(jaeger_json, span_without_a_trace_id_has_that_of_its_trace) {
    HAS("{\"traceID\":\"a1\",\"spans\":[{\"spanID\":\"b2\"}]}", "\"traceId\":\"" TRACE_ID "\"");
    foreign_fails(READ, "{\"spans\":[{\"spanID\":\"b2\"}]}", 10, "a span without an id");
    foreign_fails(READ, "{\"traceID\":\"a1\",\"spans\":[{\"operationName\":\"x\"}]}", 25,
                  "a span without an id");
    CLEW_NO_LEAKS();
}

Test(jaeger_json, first_child_of_within_the_trace_is_the_parent) {
    HAS(REFERENCES(REFERENCE("FOLLOWS_FROM", "a1", "1") "," REFERENCE("CHILD_OF", "ff", "2") "," REFERENCE(
            "CHILD_OF", "00a1", "3") "," REFERENCE("CHILD_OF", "a1", "4")),
        "\"parentSpanId\":\"0000000000000003\"", LINK(TRACE_ID, "0000000000000001", "follows_from"),
        LINK("000000000000000000000000000000ff", "0000000000000002", "child_of"),
        LINK(TRACE_ID, "0000000000000004", "child_of"), "!\"spanId\":\"0000000000000003\"");
    CLEW_NO_LEAKS();
}

Test(jaeger_json, without_a_child_of_the_first_follows_from_is_the_parent_and_a_link) {
    HAS(REFERENCES(REFERENCE("FOLLOWS_FROM", "ff", "1") "," REFERENCE(
            "FOLLOWS_FROM", "a1", "2") "," REFERENCE("FOLLOWS_FROM", "a1", "3")),
        "\"parentSpanId\":\"0000000000000002\"", LINK(TRACE_ID, "0000000000000002", "follows_from"),
        LINK(TRACE_ID, "0000000000000003", "follows_from"));
    CLEW_NO_LEAKS();
}

Test(jaeger_json, references_elsewhere_make_no_parent) {
    HAS(REFERENCES(REFERENCE("CHILD_OF", "ff", "1")), "!parentSpanId",
        LINK("000000000000000000000000000000ff", "0000000000000001", "child_of"));
    CLEW_NO_LEAKS();
}

Test(jaeger_json, references_may_come_before_the_trace_id_and_carry_whole_spans) {
    HAS("{\"spanID\":\"b2\",\"references\":[{\"refType\":\"CHILD_OF\",\"spanID\":\"1\",\"traceID\":\"a1\","
        "\"span\":{\"references\":[{\"spanID\":\"9\",\"span\":{}}]}}],\"traceID\":\"a1\"}",
        "\"parentSpanId\":\"0000000000000001\"", "!links");
    CLEW_NO_LEAKS();
}

Test(jaeger_json, legacy_parent_counts_where_no_reference_does) {
    HAS(ONE("\"parentSpanID\":\"c3\""), "\"parentSpanId\":\"00000000000000c3\"", "!links");
    HAS(ONE("\"parentSpanID\":\"c3\",\"references\":[]"), "\"parentSpanId\":\"00000000000000c3\"");
    HAS(ONE("\"parentSpanID\":\"c3\",\"references\":null"), "\"parentSpanId\":\"00000000000000c3\"");
    HAS(ONE("\"parentSpanID\":\"c3\",\"references\":[" REFERENCE("CHILD_OF", "a1", "1") "]"),
        "\"parentSpanId\":\"0000000000000001\"");
    HAS(ONE("\"parentSpanID\":\"0\""), "!parentSpanId");
    CLEW_NO_LEAKS();
}

Test(jaeger_json, tags_keep_their_type) {
    HAS(TAGGED(TAG("s", "string", "\"x\"") "," TAG("b", "bool", "true") "," TAG("i", "int64", "-7") "," TAG(
            "f", "float64", "0.25") "," TAG("y", "binary", "\"AAH/\"")),
        ATTRIBUTE("s", "\"stringValue\":\"x\""), ATTRIBUTE("b", "\"boolValue\":true"),
        ATTRIBUTE("i", "\"intValue\":\"-7\""), ATTRIBUTE("f", "\"doubleValue\":0.25"),
        ATTRIBUTE("y", "\"bytesValue\":\"AAH/\""));
    CLEW_NO_LEAKS();
}

Test(jaeger_json, tags_that_are_written_as_strings_have_the_type_that_they_name) {
    HAS(TAGGED(TAG("b", "bool", "\"false\"") "," TAG("i", "int64", "\"9007199254740993\"") "," TAG(
            "f", "float64", "\"1e3\"") "," TAG("s", "string", "\"12\"")),
        ATTRIBUTE("b", "\"boolValue\":false"), ATTRIBUTE("i", "\"intValue\":\"9007199254740993\""),
        ATTRIBUTE("f", "\"doubleValue\":1000"), ATTRIBUTE("s", "\"stringValue\":\"12\""));
    CLEW_NO_LEAKS();
}

Test(jaeger_json, values_decide_where_the_type_is_wrong_or_absent) {
    HAS(TAGGED(TAG("b", "bool", "\"maybe\"") "," TAG("i", "int64", "\"many\"") "," TAG(
            "f", "int64", "1.5") "," TAG("n", "string", "12") "," TAG("y", "binary", "\"no base64!\"")),
        ATTRIBUTE("b", "\"stringValue\":\"maybe\""), ATTRIBUTE("i", "\"stringValue\":\"many\""),
        ATTRIBUTE("f", "\"doubleValue\":1.5"), ATTRIBUTE("n", "\"intValue\":\"12\""),
        ATTRIBUTE("y", "\"stringValue\":\"no base64!\""));
    HAS(TAGGED("{\"value\":12,\"key\":\"i\"},{\"value\":1.5,\"key\":\"f\"},{\"value\":true,\"key\":\"b\"},"
               "{\"value\":null,\"key\":\"z\"},{\"value\":{\"a\":[1]},\"key\":\"o\"},{\"key\":\"none\"}"),
        ATTRIBUTE("i", "\"intValue\":\"12\""), ATTRIBUTE("f", "\"doubleValue\":1.5"),
        ATTRIBUTE("b", "\"boolValue\":true"), ATTRIBUTE("z", ""),
        ATTRIBUTE("o", "\"stringValue\":\"{\\\"a\\\":[1]}\""), "!none");
    CLEW_NO_LEAKS();
}

Test(jaeger_json, members_of_a_tag_come_in_any_order) {
    HAS(TAGGED("{\"value\":\"7\",\"type\":\"int64\",\"key\":\"i\"}"), ATTRIBUTE("i", "\"intValue\":\"7\""));
    CLEW_NO_LEAKS();
}

Test(jaeger_json, span_kind_becomes_the_kind) {
    HAS(TAGGED(TAG("span.kind", "string", "\"server\"")), "\"kind\":2", "!span.kind");
    HAS(TAGGED(TAG("span.kind", "string", "\"CLIENT\"")), "\"kind\":3");
    HAS(TAGGED(TAG("span.kind", "string", "\"producer\"")), "\"kind\":4");
    HAS(TAGGED(TAG("span.kind", "string", "\"consumer\"")), "\"kind\":5");
    HAS(TAGGED(TAG("span.kind", "string", "\"internal\"")), "\"kind\":1");
    HAS(TAGGED(TAG("span.kind", "string", "\"odd\"")), "!\"kind\":", "span.kind");
    CLEW_NO_LEAKS();
}

Test(jaeger_json, error_becomes_the_status) {
    HAS(TAGGED(TAG("error", "bool", "true")), "\"status\":{\"code\":2}", "!\"key\":\"error\"");
    HAS(TAGGED(TAG("error", "string", "\"true\"")), "\"status\":{\"code\":2}", "!\"key\":\"error\"");
    HAS(TAGGED(TAG("error", "bool", "\"true\"")), "\"status\":{\"code\":2}");
    HAS(TAGGED(TAG("error", "string", "\"timeout\"")), "\"status\":{\"message\":\"timeout\",\"code\":2}",
        ATTRIBUTE("error", "\"stringValue\":\"timeout\""));
    HAS(TAGGED(TAG("error", "bool", "false")), "!status", ATTRIBUTE("error", "\"boolValue\":false"));
    HAS(TAGGED(TAG("error", "string", "\"false\"")), "!status");
    HAS(TAGGED(TAG("error", "int64", "1")), "\"code\":2");
    HAS(TAGGED(TAG("error", "int64", "0")), "!status");
    CLEW_NO_LEAKS();
}

Test(jaeger_json, status_of_opentelemetry_goes_before_error) {
    HAS(TAGGED(TAG("otel.status_code", "string", "\"ERROR\"") "," TAG("otel.status_description", "string",
                                                                      "\"boom\"")),
        "\"status\":{\"message\":\"boom\",\"code\":2}", "!otel.status");
    HAS(TAGGED(TAG("error", "bool", "true") "," TAG("otel.status_code", "string", "\"OK\"")),
        "\"status\":{\"code\":1}");
    HAS(TAGGED(TAG("otel.status_code", "string", "\"strange\"")), "!status\":", "otel.status_code");
    CLEW_NO_LEAKS();
}

Test(jaeger_json, trace_state_and_flags_are_members) {
    HAS(TAGGED(TAG("w3c.tracestate", "string", "\"ot=th:8\"")), "\"traceState\":\"ot=th:8\"", "!w3c");
    HAS(ONE("\"flags\":1"), "\"flags\":1");
    HAS(ONE("\"flags\":3"), "\"flags\":1");
    HAS(ONE("\"flags\":2"), "!flags");
    HAS(ONE("\"flags\":0"), "!flags");
    CLEW_NO_LEAKS();
}

Test(jaeger_json, warnings_are_kept) {
    HAS(ONE("\"warnings\":[\"a\",\"b\"]"),
        "{\"key\":\"@jaeger@warnings\",\"value\":{\"arrayValue\":{\"values\":[{\"stringValue\":\"a\"},"
        "{\"stringValue\":\"b\"}]}}}");
    HAS(ONE("\"warnings\":null"), "!warnings");
    HAS(ONE("\"warnings\":[]"), "!warnings");
    CLEW_NO_LEAKS();
}

Test(jaeger_json, logs_become_events) {
    HAS(ONE("\"logs\":[{\"timestamp\":5,\"fields\":[" TAG("event", "string", "\"retry\"") "," TAG(
            "n", "int64", "2") "]},{\"fields\":[" TAG("event", "int64", "7") "],\"timestamp\":\"6\"}]"),
        "{\"timeUnixNano\":\"5000\",\"name\":\"retry\",\"attributes\":[" ATTRIBUTE("n",
                                                                                   "\"intValue\":\"2\"") "]}",
        "{\"timeUnixNano\":\"6000\",\"name\":\"log\",\"attributes\":[" ATTRIBUTE("event",
                                                                                 "\"intValue\":\"7\"") "]}");
    CLEW_NO_LEAKS();
}

Test(jaeger_json, log_that_tells_of_an_error_fails_the_span) {
    HAS(LOGGED(TAG("event", "string", "\"error\"")), "\"status\":{\"code\":2}", "\"name\":\"exception\"",
        "!\"key\":\"event\"");
    HAS(LOGGED(TAG("error.object", "string", "\"IOException: gone\"")), "\"status\":{\"code\":2}",
        ATTRIBUTE("exception.message", "\"stringValue\":\"IOException: gone\""));
    HAS(LOGGED(TAG("error", "string", "\"timeout\"")), "\"status\":{\"code\":2}",
        ATTRIBUTE("exception.message", "\"stringValue\":\"timeout\""));
    HAS("{\"traceID\":\"a1\",\"spanID\":\"b2\"," LOG(TAG("event", "string", "\"error\"")) ",\"tags\":[" TAG(
            "n", "int64", "1") "]}",
        "\"status\":{\"code\":2}");
    CLEW_NO_LEAKS();
}

Test(jaeger_json, log_of_something_else_fails_no_span) {
    HAS(LOGGED(TAG("event", "string", "\"errors\"")), "!status", "\"name\":\"errors\"");
    HAS(LOGGED(TAG("event", "string", "\"\"") "," TAG("message", "string", "\"error\"")), "!status",
        "\"name\":\"log\"", ATTRIBUTE("message", "\"stringValue\":\"error\""), "!\"key\":\"event\"");
    HAS(LOGGED(TAG("error.object", "string", "\"\"")), "!status");
    HAS(LOGGED(TAG("error.object", "string", "null")), "!status");
    HAS(LOGGED(TAG("error", "string", "\"false\"")), "!status");
    HAS(LOGGED(TAG("error", "bool", "true")), "!status");
    HAS(LOGGED(TAG("error.kind", "string", "\"IOException\"")), "!status", "!exception");
    CLEW_NO_LEAKS();
}

Test(jaeger_json, log_of_an_error_becomes_an_exception) {
    HAS(LOGGED(
            TAG("message", "string", "\"gone\"") "," TAG("error.kind", "string", "\"IOException\"") "," TAG(
                "error.object", "string",
                "\"an object\"") "," TAG("stack", "string",
                                         "\"at f\"") "," TAG("n", "int64", "7") "," TAG("event", "string",
                                                                                        "\"error\"")),
        "\"events\":[{\"timeUnixNano\":\"5000\",\"name\":\"exception\",\"attributes\":[" ATTRIBUTE(
            "exception.message",
            "\"stringValue\":\"gone\"") "," ATTRIBUTE("exception.type",
                                                      "\"stringValue\":\"IOException\"") "," ATTRIBUTE("error"
                                                                                                       ".obje"
                                                                                                       "ct",
                                                                                                       "\"str"
                                                                                                       "ingVa"
                                                                                                       "lue\""
                                                                                                       ":\"an"
                                                                                                       " obje"
                                                                                                       "ct\"") "," ATTRIBUTE("exception.stacktrace",
                                                                                                                             "\"stringValue\":\"at f\"") "," ATTRIBUTE("n",
                                                                                                                                                                       "\"intValue\":\"7\"") "]}]");
    CLEW_NO_LEAKS();
}

Test(jaeger_json, log_of_an_error_that_is_named_otherwise_stays_as_it_is) {
    HAS(LOGGED(TAG("event", "string", "\"retry\"") "," TAG("error", "string", "\"timeout\"")),
        "\"status\":{\"code\":2}", "\"name\":\"retry\"", ATTRIBUTE("error", "\"stringValue\":\"timeout\""),
        "!exception");
    CLEW_NO_LEAKS();
}

#define GRPC(name, value, kind)                                                                              \
    TAGGED(TAG(name, "string", value) "," TAG("span.kind", "string", "\"" kind "\""))

Test(jaeger_json, status_of_grpc_fails_clients_unless_it_is_ok) {
    HAS(TAGGED(TAG("grpc.status", "string", "\"NOT_FOUND\"")), "\"status\":{\"code\":2}",
        ATTRIBUTE("grpc.status", "\"stringValue\":\"NOT_FOUND\""));
    HAS(GRPC("grpc.status_code", "5", "client"), "\"status\":{\"code\":2}");
    HAS(GRPC("rpc.grpc.status_code", "\"1\"", "client"), "\"status\":{\"code\":2}");
    HAS(GRPC("grpc.status_code", "\"NotFound\"", "client"), "\"status\":{\"code\":2}");
    HAS(GRPC("grpc.status_code", "99", "client"), "\"status\":{\"code\":2}");
    HAS(GRPC("grpc.status", "\"OK\"", "client"), "!\"status\":");
    HAS(GRPC("grpc.status", "\"Ok\"", "client"), "!\"status\":");
    HAS(GRPC("rpc.grpc.status_code", "0", "client"), "!\"status\":");
    HAS(GRPC("grpc.status_code", "-1", "client"), "!\"status\":");
    HAS(GRPC("grpc.status_code", "\"a name that is longer than any of gRPC\"", "client"), "!\"status\":");
    HAS(GRPC("grpc.statuses", "5", "client"), "!\"status\":");
    CLEW_NO_LEAKS();
}

Test(jaeger_json, status_of_grpc_fails_servers_that_are_to_blame) {
    HAS(GRPC("grpc.status", "\"UNAVAILABLE\"", "server"), "\"status\":{\"code\":2}");
    HAS(GRPC("rpc.grpc.status_code", "2", "server"), "\"status\":{\"code\":2}");
    HAS(GRPC("grpc.status", "\"NOT_FOUND\"", "server"), "!\"status\":");
    HAS(GRPC("rpc.grpc.status_code", "99", "server"), "!\"status\":");
    HAS(GRPC("rpc.grpc.status_code", "258", "server"), "!\"status\":");
    CLEW_NO_LEAKS();
}

#define FAILING LOG(TAG("event", "string", "\"error\"")) ",\"tags\":[" TAG("grpc.status", "int64", "14") ","

Test(jaeger_json, what_denies_an_error_goes_before_logs_and_grpc) {
    HAS(ONE(FAILING TAG("error", "bool", "false") "]"), "!\"status\":");
    HAS(ONE(FAILING TAG("error", "string", "\"false\"") "]"), "!\"status\":");
    HAS(ONE(FAILING TAG("error", "int64", "0") "]"), "!\"status\":");
    HAS(ONE(FAILING TAG("otel.status_code", "string", "\"OK\"") "]"), "\"status\":{\"code\":1}");
    HAS(ONE(FAILING TAG("n", "int64", "0") "]"), "\"status\":{\"code\":2}");
    CLEW_NO_LEAKS();
}

Test(jaeger_json, process_becomes_the_resource) {
    HAS("{\"traceID\":\"a1\",\"spans\":[{\"spanID\":\"1\",\"processID\":\"p1\"}],\"processes\":{\"p1\":{"
        "\"serviceName\":\"shop\",\"tags\":[" TAG("hostname", "string", "\"h\"") "," TAG(
            "ip", "string", "\"10.0.0.1\"") "," TAG("n", "int64", "1") "]}}}",
        ATTRIBUTE("service.name", "\"stringValue\":\"shop\""),
        ATTRIBUTE("host.name", "\"stringValue\":\"h\""),
        ATTRIBUTE("host.ip", "\"arrayValue\":{\"values\":[{\"stringValue\":\"10.0.0.1\"}]}"),
        ATTRIBUTE("n", "\"intValue\":\"1\""), "!\"hostname\"", "!\"ip\"");
    CLEW_NO_LEAKS();
}

Test(jaeger_json, spans_are_grouped_by_process_whatever_comes_first) {
    static const char *const texts[] = {
        "{\"traceID\":\"a1\",\"spans\":[{\"spanID\":\"1\",\"processID\":\"p1\"},"
        "{\"spanID\":\"2\",\"processID\":\"p2\"},{\"spanID\":\"3\",\"processID\":\"p1\"}],"
        "\"processes\":{\"p2\":{\"serviceName\":\"two\"},\"p1\":{\"serviceName\":\"one\"},"
        "\"p3\":{\"serviceName\":\"unused\"}}}",
        "{\"processes\":{\"p1\":{\"serviceName\":\"one\"},\"p3\":{\"serviceName\":\"unused\"},"
        "\"p2\":{\"serviceName\":\"two\"}},\"traceID\":\"a1\",\"spans\":[{\"spanID\":\"1\","
        "\"processID\":\"p1\"},{\"processID\":\"p2\",\"spanID\":\"2\"},{\"spanID\":\"3\",\"processID\":"
        "\"p1\"}]}",
    };
    char *first = foreign_to_json(READ, texts[0]), *second = foreign_to_json(READ, texts[1]);
    const char *one, *two, *third;
    cr_assert_str_eq(first, second);
    one = strstr(first, "\"stringValue\":\"one\"");
    two = strstr(first, "\"stringValue\":\"two\"");
    third = strstr(first, "\"spanId\":\"0000000000000003\"");
    cr_assert(one && two && third && one < third && third < two);
    cr_assert_not(strstr(first, "unused"));
    free(first);
    free(second);
    CLEW_NO_LEAKS();
}

Test(jaeger_json, process_may_stand_in_its_span) {
    HAS("{\"traceID\":\"a1\",\"spanID\":\"1\",\"process\":{\"serviceName\":\"alone\",\"tags\":[]}}",
        ATTRIBUTE("service.name", "\"stringValue\":\"alone\""));
    HAS("{\"traceID\":\"a1\",\"spans\":[{\"spanID\":\"1\",\"processID\":\"p1\","
        "\"process\":{\"serviceName\":\"within\"}}]}",
        "\"within\"");
    CLEW_NO_LEAKS();
}

Test(jaeger_json, span_without_a_process_has_an_empty_resource) {
    HAS("{\"traceID\":\"a1\",\"spans\":[{\"spanID\":\"1\"},{\"spanID\":\"2\",\"processID\":\"unknown\"}]}",
        "!service.name", "\"spanId\":\"0000000000000001\"", "\"spanId\":\"0000000000000002\"");
    CLEW_NO_LEAKS();
}

Test(jaeger_json, many_processes_are_told_apart) {
    struct clew__writer text = growing_writer();
    char part[128], *json;
    size_t count = 0;
    clew__write_raw(&text, "{\"traceID\":\"1\",\"spans\":[", 24);
    for (int i = 0; i < 1000; i++)
        clew__write_raw(&text, part,
                        (size_t)snprintf(part, sizeof part, "%s{\"spanID\":\"%x\",\"processID\":\"p%d\"}",
                                         i ? "," : "", i + 1, i % 500));
    clew__write_raw(&text, "],\"processes\":{", 15);
    for (int i = 0; i < 500; i++)
        clew__write_raw(
            &text, part,
            (size_t)snprintf(part, sizeof part, "%s\"p%d\":{\"serviceName\":\"s%d\"}", i ? "," : "", i, i));
    clew__write_raw(&text, "}}", 3);
    json = foreign_to_json(READ, (char *)text.data);
    for (const char *at = json; (at = strstr(at, "\"service.name\"")); at++)
        count++;
    cr_assert_eq(count, 500);
    cr_assert(strstr(json, "\"s499\""));
    free(json);
    growing_free(&text);
    CLEW_NO_LEAKS();
}

Test(jaeger_json, what_the_ui_adds_is_passed_over) {
    HAS("{\"services\":[{\"name\":\"x\"}],\"startTime\":1,\"traceName\":\"y\",\"spans\":[{\"traceID\":\"a1\","
        "\"spanID\":\"1\",\"depth\":3,\"hasChildren\":true,\"childSpanIds\":[\"2\"],\"operationName\":\"op\"}"
        "]}",
        "\"name\":\"op\"", "!depth");
    CLEW_NO_LEAKS();
}

Test(jaeger_json, null_stands_for_what_is_absent) {
    HAS("{\"traceID\":\"a1\",\"processes\":null,\"spans\":[{\"spanID\":\"1\",\"operationName\":null,"
        "\"references\":null,\"startTime\":null,\"duration\":null,\"tags\":null,\"logs\":null,"
        "\"processID\":null,\"process\":null,\"flags\":null,\"warnings\":null,\"traceID\":null}]}",
        "\"spanId\":\"0000000000000001\"");
    HAS("{\"traceID\":\"a1\",\"spans\":null}", "!spans");
    CLEW_NO_LEAKS();
}

Test(jaeger_json, invalid_utf8_is_replaced) {
    HAS(ONE("\"operationName\":\"a\xff\",\"tags\":[" TAG("k\xfe", "string", "\"\\u00e9\xc3\"") "]"),
        "\"name\":\"a\xef\xbf\xbd\"", "\"key\":\"k\xef\xbf\xbd\"", "\"\xc3\xa9\xef\xbf\xbd\"");
    CLEW_NO_LEAKS();
}

static const char whole[] =
    "{\"traceID\":\"t-1\",\"spans\":[{\"traceID\":\"t-1\",\"spanID\":\"s\",\"flags\":1,\"operationName\":"
    "\"o\","
    "\"references\":[{\"refType\":\"FOLLOWS_FROM\",\"traceID\":\"1\",\"spanID\":\"2\"}],\"startTime\":1,"
    "\"duration\":2,\"tags\":[{\"key\":\"error\",\"type\":\"string\",\"value\":\"x\"}],\"logs\":[{"
    "\"timestamp\":1,"
    "\"fields\":[{\"key\":\"event\",\"value\":\"e\"}]}],\"processID\":\"p\",\"warnings\":[\"w\"]}],"
    "\"processes\":{\"p\":{\"serviceName\":\"s\",\"tags\":[{\"key\":\"ip\",\"value\":\"::1\"}]}}}";

Test(jaeger_json, text_that_is_cut_anywhere_is_a_fault) {
    foreign_is_cut(READ, whole);
    CLEW_NO_LEAKS();
}

Test(jaeger_json, no_room_at_any_byte_is_survived) {
    foreign_survives_no_room(READ, whole);
    CLEW_NO_LEAKS();
}

Test(jaeger_json, wrong_types_are_refused_where_they_stand) {
    foreign_fails(READ, "7", 0, "an object is wanted");
    foreign_fails(READ, "{\"spans\":{}}", 9, "a list is wanted");
    foreign_fails(READ, "{\"spans\":[7]}", 10, "an object is wanted");
    foreign_fails(READ, "{\"processes\":[]}", 13, "an object is wanted");
    foreign_fails(READ, "{\"traceID\":7}", 11, "a string is wanted");
    foreign_fails(READ, "{\"spanID\":\"1\",\"tags\":[7]}", 22, "an object is wanted");
    foreign_fails(READ, "{\"spanID\":\"1\",\"logs\":7}", 21, "a list is wanted");
    foreign_fails(READ, "{\"spanID\":\"1\" 7}", 14, "a comma or a closing bracket is wanted");
    CLEW_NO_LEAKS();
}

Test(jaeger_json, wrong_process_of_a_span_is_refused) {
    foreign_fails(
        READ,
        "{\"traceID\":\"1\",\"spans\":[{\"spanID\":\"1\",\"processID\":\"p\"}],\"processes\":{\"p\":7}}", 73,
        "an object is wanted");
    CLEW_NO_LEAKS();
}

/* ---- faults that are told, and what is read all the same ---- */

#define IDS "\"traceId\":\"000000000000000000000000000000a1\",\"spanId\":\"00000000000000"
#define SHOP "{\"attributes\":[{\"key\":\"service.name\",\"value\":{\"stringValue\":\"shop\"}}]}"
#define READS(resource, spans)                                                                               \
    "{\"resourceSpans\":[{\"resource\":" resource ",\"scopeSpans\":[{\"spans\":[" spans "]}]}]}"
#define AT_ONE(id) "{" IDS id "\",\"endTimeUnixNano\":\"1\"}"

Test(jaeger_json, span_with_a_fault_is_left_out_and_the_others_are_read) {
    foreign_gets_over(clew__jaeger_json_read,
                      TRACE("{\"traceID\":\"a1\",\"spanID\":\"b1\",\"startTime\":\"x\",\"logs\":[]},"
                            "{\"traceID\":\"a1\",\"processID\":\"p1\"}," SPAN("")),
                      READS(SHOP, AT_ONE("b2")),
                      "67: not a number of microseconds; 82: a span without an id; ");
    CLEW_NO_LEAKS();
}

Test(jaeger_json, spans_before_the_end_of_what_is_cut_off_are_read) {
    foreign_gets_over(clew__jaeger_json_read,
                      "{\"spans\":[" SPAN("") ",{\"traceID\":\"a1\",\"spanID\":\"b3\",\"tags\":[{\"key\":",
                      READS("{}", AT_ONE("b2")), "103: the text ends early; ");
    foreign_gets_over(clew__jaeger_json_read, "{\"spans\":[" SPAN(""), READS("{}", AT_ONE("b2")),
                      "57: the text ends early; ");
    CLEW_NO_LEAKS();
}

Test(jaeger_json, process_with_a_fault_has_no_attributes) {
    foreign_gets_over(clew__jaeger_json_read,
                      "{\"processes\":{\"p1\":{\"serviceName\":\"a\",\"tags\":7}},\"spans\":[" SPAN("") "]}",
                      READS("{}", AT_ONE("b2")), "45: a list is wanted; ");
    CLEW_NO_LEAKS();
}
