/* What is picked of OTLP spans. */
#include "test/support.h"
#include "test/unit/analysis/build.h"
#include "test/unit/proto/growing.h"

#include "proto/otlp.h"

#include <stdlib.h>

/* The record of one span, with the trace that holds its texts. */
static struct built decode(const struct build_span *span) {
    return build_trace(span, 1, NULL);
}

static const struct clew__record *record_of(const struct built *built) {
    cr_assert_eq(built->trace->node_count, 1);
    return built->trace->nodes[0].record;
}

static void expect_text(const struct built *built, clew__text number, const char *expected) {
    clew_text text = clew__texts_get(built->texts, number);
    cr_expect(text.size == strlen(expected) && memcmp(text.data, expected, text.size) == 0,
              "\"%.*s\", not \"%s\"", (int)text.size, text.data, expected);
}

static void expect_peer(struct build_span span, const char *expected) {
    span.id = "1";
    span.start = 1;
    span.end = 2;
    span.kind = span.kind ? span.kind : CLEW_CLIENT;
    struct built built = decode(&span);
    expect_text(&built, record_of(&built)->peer, expected);
    build_free(&built);
}

Test(decode, reads_ids_times_kind_status_and_texts) {
    const struct build_span span = {.id = "1234567890abcdef",
                                    .parent = "fedcba0987654321",
                                    .start = 17,
                                    .end = UINT64_MAX,
                                    .service = "shop",
                                    .operation = "GET /",
                                    .host = "h",
                                    .kind = CLEW_SERVER,
                                    .status = CLEW_STATUS_ERROR,
                                    .status_message = "boom",
                                    .flags = 0x301};
    struct built built = decode(&span);
    const struct clew__record *record = record_of(&built);
    cr_expect_eq(record->id, UINT64_C(0x1234567890abcdef));
    cr_expect_eq(record->parent_id, UINT64_C(0xfedcba0987654321));
    cr_expect_eq(record->start, 17);
    cr_expect_eq(record->end, UINT64_MAX);
    cr_expect_eq(record->kind, CLEW_SERVER);
    cr_expect_eq(record->status, CLEW_STATUS_ERROR);
    cr_expect_eq(record->flags, CLEW__RECORD_REMOTE_KNOWN | CLEW__RECORD_REMOTE);
    cr_expect_eq(record->weight, CLEW__WEIGHT_ONE);
    expect_text(&built, record->service, "shop");
    expect_text(&built, record->operation, "GET /");
    expect_text(&built, record->host, "h");
    expect_text(&built, record->error_message, "boom");
    build_free(&built);
    CLEW_NO_LEAKS();
}

Test(decode, names_a_trace_the_same_in_any_order_of_spans_that_disagree) {
    const struct build_span spans[] = {
        {.id = "1", .start = 1, .end = 2, .attributes = {{CLEW__ATTRIBUTE_TRACE_ID, "run-b"}}},
        {.id = "2", .start = 1, .end = 2, .attributes = {{CLEW__ATTRIBUTE_TRACE_ID, "run-a"}}},
        {.id = "3", .start = 1, .end = 2},
    };
    const uint32_t orders[][3] = {{0, 1, 2}, {1, 0, 2}, {2, 0, 1}};
    for (size_t i = 0; i < 3; i++) {
        struct built built = build_trace(spans, 3, orders[i]);
        expect_text(&built, built.trace->id_text, "run-a");
        build_free(&built);
    }
    CLEW_NO_LEAKS();
}

Test(decode, names_a_peer_by_the_first_attribute_that_is_there) {
    expect_peer((struct build_span){.attributes = {{"rpc.service", "r"},
                                                   {"net.peer.name", "n"},
                                                   {"server.address", "a"},
                                                   {"server.port", "#80"},
                                                   {"peer.service", "p"}}},
                "p");
    expect_peer((struct build_span){.attributes = {{"server.port", "#80"}, {"server.address", "a"}}}, "a:80");
    expect_peer((struct build_span){.attributes = {{"server.address", "a"}, {"server.port", "5432"}}},
                "a:5432");
    expect_peer((struct build_span){.attributes = {{"server.address", "a"}}}, "a");
    expect_peer((struct build_span){.attributes = {{"server.address", "a"}, {"server.port", "#70000"}}}, "a");
    expect_peer((struct build_span){.attributes = {{"net.peer.name", "n"},
                                                   {"network.peer.port", "3306"},
                                                   {"network.peer.address", "10.0.0.7"}}},
                "10.0.0.7:3306");
    expect_peer((struct build_span){.attributes = {{"messaging.destination", "d"}, {"net.peer.name", "n"}}},
                "n");
    expect_peer(
        (struct build_span){.attributes = {{"rpc.service", "r"}, {"messaging.destination.name", "d"}}}, "d");
    expect_peer((struct build_span){.attributes = {{"rpc.service", "r"}}}, "r");
    CLEW_NO_LEAKS();
}

Test(decode, names_a_database_by_its_own_attributes_when_it_has_no_address) {
    expect_peer((struct build_span){.attributes = {{"db.system.name", "postgresql"}}}, "postgresql");
    expect_peer(
        (struct build_span){.attributes = {{"db.system.name", "y"}, {"db.system", "x"}, {"db.name", "n"}}},
        "n");
    expect_peer((struct build_span){.attributes = {{"db.name", "n"}, {"db.namespace", "s"}}}, "s");
    expect_peer((struct build_span){.attributes = {{"db.namespace", "s"}, {"server.address", "pg"}}}, "pg");
    CLEW_NO_LEAKS();
}

Test(decode, says_what_kind_of_thing_a_span_speaks_to) {
    const struct build_span span = {.id = "1",
                                    .start = 1,
                                    .end = 2,
                                    .attributes = {{"db.operation.name", "x"},
                                                   {"gen_ai.request.model", "gpt"},
                                                   {"gen_ai.system", "old"},
                                                   {"gen_ai.provider.name", "openai"},
                                                   {"messaging.system", "kafka"},
                                                   {"http.response.status_code", "#503"}}};
    struct built built = decode(&span);
    const struct clew__record *record = record_of(&built);
    cr_expect_eq(record->flags, CLEW__RECORD_DATABASE | CLEW__RECORD_GENAI | CLEW__RECORD_MESSAGING);
    cr_expect_eq(record->http_status, 503);
    expect_text(&built, record->provider, "openai");
    expect_text(&built, record->detail, "gpt");
    build_free(&built);
    CLEW_NO_LEAKS();
}

Test(decode, takes_the_error_from_the_span_before_its_exception) {
    struct build_span span = {
        .id = "1", .start = 1, .end = 2, .exception = {"IOError", "disk"}, .status = CLEW_STATUS_ERROR};
    struct built built = decode(&span);
    expect_text(&built, record_of(&built)->error_type, "IOError");
    expect_text(&built, record_of(&built)->error_message, "disk");
    cr_expect(record_of(&built)->flags & CLEW__RECORD_EXCEPTION);
    build_free(&built);
    span.status_message = "no luck";
    span.attributes[0][0] = "error.type";
    span.attributes[0][1] = "timeout";
    built = decode(&span);
    expect_text(&built, record_of(&built)->error_type, "timeout");
    expect_text(&built, record_of(&built)->error_message, "no luck");
    build_free(&built);
    CLEW_NO_LEAKS();
}

static void expect_weight(const char *tracestate, uint64_t expected) {
    const struct build_span span = {.id = "1", .start = 1, .end = 2, .tracestate = tracestate};
    struct built built = decode(&span);
    cr_expect_eq(record_of(&built)->weight, expected, "%s: %llu", tracestate,
                 (unsigned long long)record_of(&built)->weight);
    build_free(&built);
}

Test(decode, weighs_a_span_by_the_sampling_threshold_in_its_tracestate) {
    expect_weight("ot=th:8", 2 * CLEW__WEIGHT_ONE);
    expect_weight("ot=th:c", 4 * CLEW__WEIGHT_ONE);
    expect_weight("ot=th:0", CLEW__WEIGHT_ONE);
    expect_weight("a=th:8, ot=rv:12;th:C;x:y ,b=c", 4 * CLEW__WEIGHT_ONE);
    expect_weight("ot=rv:12", CLEW__WEIGHT_ONE);
    expect_weight("ot=th:nonsense", CLEW__WEIGHT_ONE);
    expect_weight("ot=th:", CLEW__WEIGHT_ONE);
    expect_weight("ot=th:123456789abcdef", CLEW__WEIGHT_ONE);
    expect_weight("x", CLEW__WEIGHT_ONE);
    expect_weight("ot=th:ffffffffffffff", (UINT64_C(1) << 32) * CLEW__WEIGHT_ONE);
    expect_weight("ot=th:5555555555555", 98304); /* a third left out: one and a half */
    CLEW_NO_LEAKS();
}

Test(decode, keeps_links_and_takes_a_followed_parent_for_one_that_does_not_wait) {
    const struct build_span span = {.id = "1",
                                    .parent = "2",
                                    .start = 1,
                                    .end = 2,
                                    .links = {{NULL, "3", "child_of"}, {"77", "2", "follows_from"}}};
    struct build_span async = span;
    struct built built = decode(&span);
    const struct clew__record *record = record_of(&built);
    const struct clew__span_link *links = built.trace->source->links + record->first_link;
    cr_assert_eq(record->link_count, 2);
    cr_expect(links[0].span_id == 3 && links[0].is_child_of && !links[0].is_follows_from);
    cr_expect(links[1].span_id == 2 && links[1].is_follows_from && links[1].trace_id[15] == 0x77);
    cr_expect(!(record->flags & CLEW__RECORD_ASYNC), "that span is of another trace");
    build_free(&built);
    async.links[1].trace = NULL;
    built = decode(&async);
    cr_expect(record_of(&built)->flags & CLEW__RECORD_ASYNC);
    build_free(&built);
    CLEW_NO_LEAKS();
}

Test(decode, keeps_recorded_waits) {
    const struct build_span span = {
        .id = "1", .start = 1, .end = 2, .waits = {{"abc", 10, 7}, {"fedcba0987654321", 20, 0}}};
    struct built built = decode(&span);
    const struct clew__span_wait *waits = built.trace->source->waits;
    cr_assert_eq(record_of(&built)->wait_count, 2);
    cr_expect(waits[0].start == 10 && waits[0].duration == 7 && waits[0].target_id == 0xabc);
    cr_expect(waits[1].start == 20 && waits[1].duration == 0);
    cr_expect_eq(waits[1].target_id, UINT64_C(0xfedcba0987654321));
    build_free(&built);
    CLEW_NO_LEAKS();
}

/* ---- hosts ---- */

static void write_string(struct clew__writer *writer, uint32_t field, const char *text) {
    clew__write_bytes(writer, field, text, strlen(text));
}

/* key = value, or a list of it and another one. */
static void write_resource_attribute(struct clew__writer *writer, const char *key, const char *value,
                                     bool is_list) {
    size_t pair = clew__write_begin(writer, CLEW__RESOURCE_ATTRIBUTES), any, array, element;
    write_string(writer, CLEW__KEYVALUE_KEY, key);
    any = clew__write_begin(writer, CLEW__KEYVALUE_VALUE);
    if (!is_list) {
        write_string(writer, CLEW__ANY_STRING, value);
    } else {
        array = clew__write_begin(writer, CLEW__ANY_ARRAY);
        for (int i = 0; i < 2; i++) {
            element = clew__write_begin(writer, CLEW__LIST_VALUES);
            write_string(writer, CLEW__ANY_STRING, i ? "other" : value);
            clew__write_end(writer, element);
        }
        clew__write_end(writer, array);
    }
    clew__write_end(writer, any);
    clew__write_end(writer, pair);
}

/* The resource comes behind the spans, as the wire format allows. */
static void expect_host(const char *const keys[], const char *expected) {
    struct clew__writer writer = growing_writer();
    size_t group = clew__write_begin(&writer, CLEW__TRACES_RESOURCE_SPANS), scope, span, resource;
    scope = clew__write_begin(&writer, CLEW__RESOURCE_SPANS_SCOPE_SPANS);
    span = clew__write_begin(&writer, CLEW__SCOPE_SPANS_SPANS);
    clew__write_bytes(&writer, CLEW__SPAN_TRACE_ID, "0123456789abcdef", 16);
    clew__write_bytes(&writer, CLEW__SPAN_SPAN_ID, "01234567", 8);
    clew__write_end(&writer, span);
    clew__write_end(&writer, scope);
    resource = clew__write_begin(&writer, CLEW__RESOURCE_SPANS_RESOURCE);
    for (; *keys; keys++)
        write_resource_attribute(&writer, *keys, *keys, strcmp(*keys, "host.ip") == 0);
    clew__write_end(&writer, resource);
    clew__write_end(&writer, group);
    struct built built = build_from_bytes((clew_bytes){writer.data, writer.size}, NULL);
    expect_text(&built, record_of(&built)->host, expected);
    build_free(&built);
    growing_free(&writer);
}

Test(decode, knows_a_host_by_id_then_address_then_name_then_as_jaegers_clients_write_it) {
    expect_host((const char *const[]){"ip", "hostname", "host.name", "host.ip", "host.id", NULL}, "host.id");
    expect_host((const char *const[]){"ip", "hostname", "host.name", "host.ip", NULL}, "host.ip");
    expect_host((const char *const[]){"ip", "hostname", "host.name", NULL}, "host.name");
    expect_host((const char *const[]){"ip", "hostname", NULL}, "hostname");
    expect_host((const char *const[]){"ip", NULL}, "ip");
    expect_host((const char *const[]){"service.version", NULL}, "");
    CLEW_NO_LEAKS();
}

/* A trace that leaves, with its texts, when the next one comes. */
struct leaving {
    struct clew__texts *texts;
    struct clew__records records;
};

static struct clew__records *sweeps(void *user, const uint8_t trace_id[16], size_t size) {
    struct leaving *leaving = (struct leaving *)user;
    bool is_used[64] = {false};
    (void)trace_id;
    (void)size;
    leaving->records.count = 0;
    clew__texts_sweep(leaving->texts, is_used);
    return &leaving->records;
}

Test(decode, knows_the_service_of_a_span_when_its_texts_were_swept_since_the_span_before) {
    const struct build_span spans[] = {
        {.id = "1", .start = 1, .end = 2, .service = "shop", .host = "there", .operation = "first"},
        {.id = "2", .start = 1, .end = 2, .service = "shop", .host = "there", .operation = "second"},
    };
    struct leaving leaving = {.texts = clew__texts_new()};
    struct clew__decode_sink sink = {.records_of = sweeps, .user = &leaving};
    clew_bytes bytes = build_bytes(spans, 2, NULL);
    /* Numbers that are free are given out in another order. */
    for (char name[2] = "a"; name[0] < 'k'; name[0]++)
        clew__texts_add(leaving.texts, name, 1);
    clew__decode_traces(leaving.texts, bytes, &sink);
    struct built built = {.texts = leaving.texts};
    expect_text(&built, leaving.records.records[0].service, "shop");
    expect_text(&built, leaving.records.records[0].host, "there");
    expect_text(&built, leaving.records.records[0].operation, "second");
    clew__records_fini(&leaving.records);
    clew__texts_free(leaving.texts);
    free((void *)(uintptr_t)bytes.data);
    CLEW_NO_LEAKS();
}

Test(decode, stays_within_bytes_that_are_cut_anywhere) {
    const struct build_span span = {.id = "span-1",
                                    .parent = "2",
                                    .start = 1,
                                    .end = 2,
                                    .service = "shop",
                                    .operation = "o",
                                    .tracestate = "ot=th:8",
                                    .attributes = {{"server.address", "a"}, {"server.port", "#80"}},
                                    .exception = {"E", "m"},
                                    .links = {{NULL, "3", "child_of"}},
                                    .waits = {{"abc", 10, 7}},
                                    .status_message = "m"};
    clew_bytes bytes = build_bytes(&span, 1, NULL);
    for (size_t size = 0; size < bytes.size; size++) {
        uint8_t *copy = exact_copy(bytes.data, size);
        struct built built = build_from_bytes((clew_bytes){copy, size}, NULL);
        build_free(&built);
        free(copy);
    }
    free((void *)(uintptr_t)bytes.data);
    CLEW_NO_LEAKS();
}
