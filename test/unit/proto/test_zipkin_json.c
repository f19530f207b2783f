/* Spans of Zipkin as OTLP. */
#include "proto/zipkin_json.h"

#include "test/unit/proto/foreign.h"

#define READ clew__zipkin_json_read

#define SPAN(members) "{\"traceId\":\"a1\",\"id\":\"b2\"," members "}"
#define ATTRIBUTE(key, value) "{\"key\":\"" key "\",\"value\":{" value "}}"
#define TEXT(key, value) ATTRIBUTE(key, "\"stringValue\":\"" value "\"")

Test(zipkin_json, span_has_ids_name_kind_and_times) {
    HAS(SPAN("\"parentId\":\"c3\",\"name\":\"get\",\"kind\":\"CLIENT\",\"timestamp\":1655753768523213,"
             "\"duration\":7"),
        "\"traceId\":\"000000000000000000000000000000a1\"", "\"spanId\":\"00000000000000b2\"",
        "\"parentSpanId\":\"00000000000000c3\"", "\"name\":\"get\"", "\"kind\":3",
        "\"startTimeUnixNano\":\"1655753768523213000\"", "\"endTimeUnixNano\":\"1655753768523220000\"",
        "!status");
    CLEW_NO_LEAKS();
}

Test(zipkin_json, kinds_are_known_by_name) {
    HAS(SPAN("\"kind\":\"SERVER\""), "\"kind\":2");
    HAS(SPAN("\"kind\":\"PRODUCER\""), "\"kind\":4");
    HAS(SPAN("\"kind\":\"CONSUMER\""), "\"kind\":5");
    HAS(SPAN("\"kind\":null"), "!\"kind\":");
    CLEW_NO_LEAKS();
}

Test(zipkin_json, times_may_be_missing) {
    HAS(SPAN("\"name\":\"x\""), "!TimeUnixNano");
    HAS(SPAN("\"timestamp\":5"), "\"startTimeUnixNano\":\"5000\"", "!endTimeUnixNano");
    HAS(SPAN("\"duration\":5"), "\"endTimeUnixNano\":\"5000\"", "!startTimeUnixNano");
    HAS(SPAN("\"timestamp\":null,\"duration\":null"), "!TimeUnixNano");
    CLEW_NO_LEAKS();
}

Test(zipkin_json, span_that_takes_no_time_at_the_time_zero_has_ended) {
    HAS(SPAN("\"timestamp\":0,\"duration\":0"), "!startTimeUnixNano", "\"endTimeUnixNano\":\"1\"");
    CLEW_NO_LEAKS();
}

Test(zipkin_json, id_of_zeros_is_none) {
    foreign_fails(READ, "{\"traceId\":\"1\",\"id\":\"0000000000000000\"}", 0, "a span without an id");
    foreign_fails(READ, "{\"traceId\":\"0\",\"id\":\"1\"}", 0, "a span without an id");
    CLEW_NO_LEAKS();
}

Test(zipkin_json, shared_half_is_marked_and_keeps_the_id) {
    HAS(SPAN("\"shared\":true"), "\"spanId\":\"00000000000000b2\"",
        ATTRIBUTE("zipkin.shared", "\"boolValue\":true"));
    HAS(SPAN("\"shared\":false"), "!zipkin.shared");
    CLEW_NO_LEAKS();
}

Test(zipkin_json, local_endpoint_becomes_the_resource) {
    HAS(SPAN("\"localEndpoint\":{\"serviceName\":\"shop\",\"ipv4\":\"10.0.0.1\",\"port\":80}"),
        "{\"resource\":{\"attributes\":[" TEXT("service.name", "shop") "," ATTRIBUTE(
            "host.ip", "\"arrayValue\":{\"values\":[{\"stringValue\":\"10.0.0.1\"}]}") "]}");
    HAS(SPAN("\"localEndpoint\":{\"ipv6\":\"::1\"}"), "\"::1\"", "!service.name");
    HAS(SPAN("\"localEndpoint\":null"), "!service.name");
    CLEW_NO_LEAKS();
}

Test(zipkin_json, remote_endpoint_becomes_the_peer) {
    HAS(SPAN("\"remoteEndpoint\":{\"serviceName\":\"db\",\"ipv4\":\"10.0.0.2\",\"ipv6\":\"::2\",\"port\":"
             "5432}"),
        TEXT("peer.service", "db"), TEXT("network.peer.address", "10.0.0.2"),
        ATTRIBUTE("network.peer.port", "\"intValue\":\"5432\""), "!::2");
    HAS(SPAN("\"remoteEndpoint\":{\"ipv6\":\"::2\"}"), TEXT("network.peer.address", "::2"), "!peer.service");
    foreign_fails(READ, SPAN("\"remoteEndpoint\":{\"port\":65536}"), 51, "not a port");
    CLEW_NO_LEAKS();
}

Test(zipkin_json, annotations_become_events) {
    HAS(SPAN("\"annotations\":[{\"timestamp\":5,\"value\":\"ws\"},{\"value\":\"wr\",\"timestamp\":6}]"),
        "{\"timeUnixNano\":\"5000\",\"name\":\"ws\"}", "{\"timeUnixNano\":\"6000\",\"name\":\"wr\"}");
    CLEW_NO_LEAKS();
}

Test(zipkin_json, tags_become_attributes) {
    HAS(SPAN("\"tags\":{\"http.method\":\"GET\",\"empty\":\"\",\"n\":7}"), TEXT("http.method", "GET"),
        TEXT("empty", ""), ATTRIBUTE("n", "\"intValue\":\"7\""));
    CLEW_NO_LEAKS();
}

Test(zipkin_json, error_becomes_the_status) {
    HAS(SPAN("\"tags\":{\"error\":\"timeout\"}"), "\"status\":{\"message\":\"timeout\",\"code\":2}");
    HAS(SPAN("\"tags\":{\"error\":\"true\"}"), "\"status\":{\"code\":2}", "!\"key\":\"error\"");
    HAS(SPAN("\"tags\":{\"error\":\"\"}"), "\"status\":{\"code\":2}");
    HAS(SPAN("\"tags\":{\"error\":\"false\"}"), "!status");
    HAS(SPAN("\"tags\":{\"otel.status_code\":\"ERROR\",\"error\":\"boom\"}"),
        "\"status\":{\"message\":\"boom\",\"code\":2}");
    CLEW_NO_LEAKS();
}

Test(zipkin_json, ids_that_are_not_hexadecimal_are_hashed_and_kept) {
    HAS("{\"traceId\":\"t\",\"id\":\"s\"}", TEXT("clew.trace_id", "t"), TEXT("clew.span_id", "s"));
    CLEW_NO_LEAKS();
}

Test(zipkin_json, spans_one_after_another_are_one_message) {
    struct clew__writer wire = growing_writer(), scratch = growing_writer();
    static const char text[] = SPAN("\"name\":\"x\"");
    struct clew__json_fault fault;
    size_t one;
    cr_assert_eq(clew__zipkin_json_read(&wire, &scratch, text, sizeof text - 1, &fault), sizeof text - 1);
    one = wire.size;
    cr_assert_eq(clew__zipkin_json_read(&wire, &scratch, text, sizeof text - 1, &fault), sizeof text - 1);
    cr_assert_eq(wire.size, 2 * one);
    cr_assert_eq(clew__wire_check_traces(wire.data, wire.size, NULL, NULL), CLEW__WIRE_OK);
    growing_free(&wire);
    growing_free(&scratch);
    CLEW_NO_LEAKS();
}

Test(zipkin_json, version_1_is_named) {
    foreign_fails(READ, SPAN("\"binaryAnnotations\":[]"), 46,
                  "a span of Zipkin's version 1, which is not read");
    CLEW_NO_LEAKS();
}

Test(zipkin_json, span_without_an_id_is_refused) {
    foreign_fails(READ, "{\"traceId\":\"a1\"}", 0, "a span without an id");
    foreign_fails(READ, " {\"traceId\":\"\",\"id\":\"1\"}", 1, "a span without an id");
    CLEW_NO_LEAKS();
}

static const char whole[] =
    "{\"traceId\":\"t\",\"id\":\"s\",\"parentId\":\"1\",\"name\":\"n\",\"kind\":\"SERVER\",\"shared\":true,"
    "\"timestamp\":1,\"duration\":2,\"localEndpoint\":{\"serviceName\":\"a\",\"ipv4\":\"1.2.3.4\",\"port\":1}"
    ","
    "\"remoteEndpoint\":{\"serviceName\":\"b\",\"port\":2},\"annotations\":[{\"timestamp\":1,\"value\":\"v\"}"
    "],"
    "\"tags\":{\"a\":\"b\",\"error\":\"c\"}}";

Test(zipkin_json, text_that_is_cut_anywhere_is_a_fault) {
    foreign_is_cut(READ, whole);
    CLEW_NO_LEAKS();
}

Test(zipkin_json, no_room_at_any_byte_is_survived) {
    foreign_survives_no_room(READ, whole);
    CLEW_NO_LEAKS();
}
