/* Makes spans that have everything OpenTelemetry knows, the same ones at each run: ids, times and all. They
 * go three ways at once: to the collector of OTEL_EXPORTER_OTLP_ENDPOINT, as JSON lines into
 * DIRECTORY/sent.jsonl, and, byte by byte as they are sent, into DIRECTORY/request-N.bin. What rich.json says
 * is what must arrive. */
#include <clew/clew.h>
#include <clew/extend.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define START_NANO UINT64_C(1700000000123456789)

/* ---- ids: counted, with bytes that any mix-up of order would show ---- */

static uint8_t next_span_id = 1;

static void make_trace_id(void *self, uint8_t trace_id[16]) {
    static uint8_t next = 1;
    (void)self;
    memset(trace_id, 0xc1, 16);
    trace_id[0] = 0x0e;
    trace_id[15] = next++;
}

static void make_span_id(void *self, uint8_t span_id[8]) {
    (void)self;
    memset(span_id, 0x5a, 8);
    span_id[0] = 0xf0;
    span_id[7] = next_span_id++;
}

/* ---- an exporter that keeps the bytes ---- */

struct capture {
    const char *directory;
    unsigned count;
};

static clew_export_outcome capture_export(void *self, const clew_batch *batch, uint32_t timeout_ms,
                                          clew_export_report *report) {
    struct capture *capture = self;
    clew_bytes request = clew_batch_request(batch);
    char path[4096];
    FILE *file;
    size_t written;
    (void)timeout_ms;
    (void)report;
    snprintf(path, sizeof path, "%s/request-%u.bin", capture->directory, capture->count++);
    file = fopen(path, "wb");
    if (!file)
        return CLEW_EXPORT_FAILED;
    written = fwrite(request.data, 1, request.size, file);
    return fclose(file) == 0 && written == request.size ? CLEW_EXPORT_DELIVERED : CLEW_EXPORT_FAILED;
}

/* ---- the spans ---- */

static void set_every_type(clew_span span) {
    static const unsigned char every_byte[] = {0x00, 0x01, 0x7f, 0x80, 0xfe, 0xff};
    const clew_value inner[] = {clew_value_int(1), clew_value_string("two"), clew_value_empty()};
    const clew_attribute leaf[] = {CLEW_KV("deep", -1),
                                   CLEW_KV("list", clew_value_array(inner, COUNT(inner)))};
    const clew_value mixed[] = {
        clew_value_string("text"),
        clew_value_bool(true),
        clew_value_int(-7),
        clew_value_double(0.5),
        clew_value_bytes(every_byte, sizeof every_byte),
        clew_value_empty(),
        clew_value_array(inner, COUNT(inner)),
        clew_value_array(NULL, 0),
        clew_value_map(leaf, COUNT(leaf)),
        clew_value_map(NULL, 0),
    };
    const clew_attribute map[] = {
        CLEW_KV("name", "value"),
        CLEW_KV("nothing", clew_value_empty()),
        CLEW_KV("below", clew_value_map(leaf, COUNT(leaf))),
    };
    const clew_value numbers[] = {clew_value_int(1), clew_value_int(2), clew_value_int(3)};

    clew_span_set_string(span, "string", "plain");
    clew_span_set_string(span, "string.empty", "");
    clew_span_set_string(span, "string.unicode", "Grüße, κόσμε, 世界 🧶");
    clew_span_set_string(span, "string.control", "tab\tquote\"backslash\\line\nend\x01");
    clew_span_set_string(span, "string.not.utf8", "caf\xe9");
    clew_span_set_bool(span, "bool.true", true);
    clew_span_set_bool(span, "bool.false", false);
    clew_span_set_int(span, "int.zero", 0);
    clew_span_set_int(span, "int.negative", -1);
    clew_span_set_int(span, "int.min", INT64_MIN);
    clew_span_set_int(span, "int.max", INT64_MAX);
    clew_span_set_unsigned(span, "unsigned.max", UINT64_MAX);
    clew_span_set_double(span, "double", 3.25);
    clew_span_set_double(span, "double.tenth", 0.1);
    clew_span_set_double(span, "double.zero", 0.0);
    clew_span_set_double(span, "double.negative.zero", -0.0);
    clew_span_set_double(span, "double.tiny", 5e-324);
    clew_span_set_double(span, "double.huge", -1.7976931348623157e308);
    clew_span_set_value(span, "bytes", clew_value_bytes(every_byte, sizeof every_byte));
    clew_span_set_value(span, "bytes.empty", clew_value_bytes(NULL, 0));
    clew_span_set_value(span, "empty", clew_value_empty());
    clew_span_set_value(span, "array", clew_value_array(numbers, COUNT(numbers)));
    clew_span_set_value(span, "array.empty", clew_value_array(NULL, 0));
    clew_span_set_value(span, "array.mixed", clew_value_array(mixed, COUNT(mixed)));
    clew_span_set_value(span, "map", clew_value_map(map, COUNT(map)));
    clew_span_set_value(span, "map.empty", clew_value_map(NULL, 0));
    clew_span_set_string(span, "set.twice", "first");
    clew_span_set_int(span, "set.twice", 2);
}

/* Two of its attributes are one too many, and so are an event and a link. */
static void overflow(clew_tracer *tracer, const clew_context *parent, const clew_span_context *linked) {
    const clew_attribute three[] = {CLEW_KV("one", 1), CLEW_KV("two", 2), CLEW_KV("three", 3)};
    clew_span span =
        clew_span_start(tracer, "over the limits",
                        &(clew_span_options){.parent = parent, .start_unix_nano = START_NANO + 500});
    char key[32];
    int i;
    for (i = 0; i < 34; ++i) {
        snprintf(key, sizeof key, "number.%02d", i);
        clew_span_set_int(span, key, i);
    }
    for (i = 0; i < 4; ++i)
        clew_span_add_event(span, "event of three", three, COUNT(three), START_NANO + 600 + (uint64_t)i);
    for (i = 0; i < 4; ++i)
        clew_span_add_link(span, linked, three, COUNT(three));
    clew_span_end_at(span, START_NANO + 700);
}

static void every_kind(clew_tracer *tracer, const clew_context *parent) {
    static const struct {
        clew_span_kind kind;
        const char *name;
    } kinds[] = {{CLEW_INTERNAL, "internal"},
                 {CLEW_SERVER, "server"},
                 {CLEW_CLIENT, "client"},
                 {CLEW_PRODUCER, "producer"},
                 {CLEW_CONSUMER, "consumer"}};
    size_t i;
    for (i = 0; i < COUNT(kinds); ++i) {
        clew_span span = clew_span_start(
            tracer, kinds[i].name,
            &(clew_span_options){
                .parent = parent, .kind = kinds[i].kind, .start_unix_nano = START_NANO + 1000 * (i + 1)});
        if (i == 0)
            clew_span_set_status(span, CLEW_STATUS_OK, "no description with ok");
        if (i == 1)
            clew_span_set_status(span, CLEW_STATUS_ERROR, "it broke: ü");
        if (i == 2)
            clew_span_set_status(span, CLEW_STATUS_ERROR, NULL);
        clew_span_end_at(span, START_NANO + 1000 * (i + 1) + 999);
    }
}

static void linked_and_eventful(clew_tracer *tracer, const clew_context *parent,
                                const clew_span_context *remote) {
    const clew_attribute attributes[] = {CLEW_KV("link.number", -5), CLEW_KV("link.text", "ß")};
    const clew_attribute of_event[] = {CLEW_KV("event.real", 1.5), CLEW_KV("event.flag", (bool)true)};
    clew_span_context local = *remote;
    clew_link first;
    clew_span span;
    local.is_remote = false;
    local.tracestate = NULL;
    local.trace_flags = 0;
    first.context = *remote;
    first.attributes = attributes;
    first.attribute_count = COUNT(attributes);
    span = clew_span_start(tracer, "",
                           &(clew_span_options){.parent = parent,
                                                .kind = CLEW_CONSUMER,
                                                .links = &first,
                                                .link_count = 1,
                                                .start_unix_nano = START_NANO + 10000});
    clew_span_add_link(span, &local, NULL, 0);
    clew_span_add_event(span, "plain event", NULL, 0, START_NANO + 10001);
    clew_span_add_event(span, "", of_event, COUNT(of_event), START_NANO + 10002);
    clew_span_add_event(span, "événement", of_event, 1, 1);
    clew_span_end_at(span, START_NANO + 10000);
}

static void make_spans(clew_provider *provider) {
    const clew_attribute of_scope[] = {CLEW_KV("scope.text", "s"), CLEW_KV("scope.number", 9)};
    clew_tracer *rich = clew_provider_tracer(provider, "rich scope", "1.2.3-β",
                                             "https://example.test/scope/1", of_scope, COUNT(of_scope));
    clew_tracer *plain = clew_provider_tracer(provider, "plain scope", NULL, NULL, NULL, 0);
    static const char state[] = "vendor=opaque:1,other@tenant=x y";
    clew_tracestate *tracestate = clew_tracestate_parse(state, sizeof state - 1);
    clew_span_context remote = {.trace_flags = CLEW_FLAG_SAMPLED | CLEW_FLAG_RANDOM, .is_remote = true};
    clew_context *caller, *inside;
    clew_span root, other;

    remote.tracestate = tracestate;
    clew_trace_id_from_hex(remote.trace_id, "0af7651916cd43dd8448eb211c80319c");
    clew_span_id_from_hex(remote.span_id, "b7ad6b7169203331");
    caller = clew_context_with_span_context(NULL, &remote);
    root = clew_span_start(
        rich, "renamed later",
        &(clew_span_options){.parent = caller, .kind = CLEW_SERVER, .start_unix_nano = START_NANO});
    inside = clew_context_with_span(caller, root);
    clew_span_update_name(root, "rich root");
    set_every_type(root);
    every_kind(rich, inside);
    overflow(plain, inside, &remote);
    linked_and_eventful(plain, inside, &remote);
    clew_span_end_at(root, START_NANO + UINT64_C(5000000000));

    /* A trace of their own for the numbers that JSON lacks: Jaeger's API shows no trace that has one. */
    other = clew_span_start(plain, "root of a trace of its own",
                            &(clew_span_options){.flags = CLEW_SPAN_ROOT, .start_unix_nano = START_NANO});
    clew_span_set_double(other, "double.nan", (double)NAN);
    clew_span_set_double(other, "double.infinite", (double)INFINITY);
    clew_span_set_double(other, "double.negative.infinite", -(double)INFINITY);
    clew_span_end_at(other, START_NANO + 1);
    clew_context_unref(inside);
    clew_context_unref(caller);
    clew_tracestate_unref(tracestate);
}

static clew_provider *make_provider(void) {
    const clew_value list[] = {clew_value_string("a"), clew_value_string("b")};
    const clew_attribute attributes[] = {
        CLEW_KV("service.name", "rich"),      CLEW_KV("service.instance.id", "one"),
        CLEW_KV("resource.number", -12),      CLEW_KV("resource.real", 2.5),
        CLEW_KV("resource.flag", (bool)true), CLEW_KV("resource.list", clew_value_array(list, COUNT(list))),
    };
    const clew_id_generator ids = {.trace_id = make_trace_id, .span_id = make_span_id};
    clew_limits limits = clew_limits_default();
    clew_provider_options options = {0};
    limits.attribute_count = 32;
    limits.event_count = 3;
    limits.link_count = 3;
    limits.event_attribute_count = 2;
    limits.link_attribute_count = 2;
    options.struct_size = sizeof options;
    options.resource = clew_resource_new(attributes, COUNT(attributes), "https://example.test/resource/1");
    options.sampler = clew_sampler_always_on();
    options.limits = &limits;
    options.id_generator = &ids;
    return clew_provider_new(&options);
}

int main(int argc, char **argv) {
    struct capture capture = {0};
    clew_exporter keeper = {.struct_size = sizeof keeper,
                            .flags = CLEW_EXPORTER_LOCAL,
                            .name = "capture",
                            .self = &capture,
                            .export_batch = capture_export};
    clew_exporter network, file;
    clew_provider *provider;
    clew_delivery delivery;
    char path[4096];

    if (argc != 2) {
        fprintf(stderr, "usage: send_rich DIRECTORY\n");
        return 2;
    }
    capture.directory = argv[1];
    snprintf(path, sizeof path, "%s/sent.jsonl", argv[1]);
    provider = make_provider();
    if (!provider || clew_otlp_exporter(NULL, &network) != 0 ||
        clew_provider_add_batch(provider, &network, NULL) != 0 || clew_exporter_otlp_file(path, &file) != 0 ||
        clew_provider_add_batch(provider, &file, NULL) != 0 ||
        clew_provider_add_batch(provider, &keeper, NULL) != 0) {
        fprintf(stderr, "send_rich: no provider\n");
        return 1;
    }
    make_spans(provider);
    delivery = clew_provider_shutdown(provider, 20000);
    fprintf(stderr, "send_rich: %s: %llu delivered, %llu failed, %llu unknown\n",
            clew_strerror(delivery.status), (unsigned long long)delivery.delivered,
            (unsigned long long)delivery.failed, (unsigned long long)delivery.unknown);
    return delivery.status == 0 && delivery.failed == 0 && delivery.unknown == 0 ? 0 : 1;
}
