/* Generated traces: first a plan of a trace, then its bytes. Random numbers are of a generator with a fixed
 * seed. */
#include "test/bench/spans.h"

#include "proto/json.h"
#include "proto/otlp.h"

#include <clew/clew.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define SERVICES 12u
#define TRACE_LEAST 8u
#define TRACE_MOST 33u
#define TRACES_AT_ONCE 64u
#define CHILDREN 6u
#define TREE_WIDTH 4u
#define SEED UINT64_C(0x9E3779B97F4A7C15)
#define BEGIN UINT64_C(1795000000000000000) /* Unix nanoseconds */
#define ROOT_LEAST UINT64_C(4000000)
#define TRACE_EVERY UINT64_C(2000000)
#define BATCH 512u /* spans of one shape in a request */
#define ATTRIBUTES_MAX 8

enum role { ROLE_SERVER, ROLE_CLIENT, ROLE_DATABASE, ROLE_INTERNAL };

struct plan {
    uint64_t id, parent, start, end;
    uint64_t trace; /* number from 1 */
    uint32_t service, peer, variant;
    enum role role;
    bool failed;
};

static const char *const service_names[SERVICES] = {"frontend", "checkout", "cart",     "catalog",
                                                    "payment",  "shipping", "currency", "inventory",
                                                    "email",    "search",   "profile",  "recommendation"};
static const char *const methods[] = {"GET", "POST", "PUT", "DELETE"};
static const char *const tables[] = {"orders", "users", "items", "prices", "sessions"};

static _Noreturn void die(const char *what) {
    fprintf(stderr, "bench: %s\n", what);
    exit(2);
}

static uint64_t next_random(uint64_t *state) {
    uint64_t x = *state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    *state = x;
    return x * UINT64_C(0x2545F4914F6CDD1D);
}

static uint64_t below(uint64_t *state, uint64_t limit) {
    return (next_random(state) >> 11) % limit;
}

/* ---- plans ---- */

static struct plan *add_plan(struct plan *plans, uint32_t *count, uint64_t *random,
                             const struct plan *parent) {
    struct plan *plan = &plans[(*count)++];
    *plan = (struct plan){.id = next_random(random) | 1,
                          .parent = parent ? parent->id : 0,
                          .trace = parent ? parent->trace : 0,
                          .service = parent ? parent->service : 0,
                          .variant = (uint32_t)next_random(random) & 0xFFFF,
                          .failed = below(random, 33) == 0};
    return plan;
}

/* The part of a parent's time that one child has: one after the other, at times two at once. */
static void place_in(struct plan *plan, const struct plan *parent, uint32_t slot, uint32_t slots) {
    uint64_t width = (parent->end - parent->start) / slots;
    plan->start = parent->start + slot * width + width / 16 + plan->variant % (width / 16 + 1);
    plan->end = parent->start + (slot + 1) * width - width / 16;
}

static void add_child(struct plan *plans, uint32_t *count, uint64_t *random, uint32_t parent, uint32_t slot,
                      uint32_t slots) {
    uint64_t dice = below(random, 10);
    struct plan *client = add_plan(plans, count, random, &plans[parent]), *server;
    place_in(client, &plans[parent], slot, slots);
    client->role = dice < 5 ? ROLE_CLIENT : dice < 8 ? ROLE_DATABASE : ROLE_INTERNAL;
    if (client->role != ROLE_CLIENT || *count == TRACE_MOST)
        return;
    client->peer = (client->service + 1 + (uint32_t)below(random, SERVICES / 2)) % SERVICES;
    server = add_plan(plans, count, random, client);
    server->role = ROLE_SERVER;
    server->service = client->peer;
    place_in(server, client, 0, 1);
}

/* Servers and own work get children, the oldest first, until there are enough. */
static uint32_t plan_trace(struct plan plans[TRACE_MOST], uint64_t number, uint64_t *random) {
    uint32_t wanted = TRACE_LEAST + (uint32_t)below(random, TRACE_MOST - TRACE_LEAST + 1), count = 0;
    struct plan *root = add_plan(plans, &count, random, NULL);
    root->trace = number;
    root->role = ROLE_SERVER;
    root->start = BEGIN + number * TRACE_EVERY;
    root->end = root->start + ROOT_LEAST + below(random, 40 * ROOT_LEAST);
    for (uint32_t parent = 0; count < wanted; parent++) {
        uint32_t slots = 2 + (uint32_t)below(random, CHILDREN - 1);
        parent = parent < count ? parent : 0;
        if (plans[parent].role == ROLE_CLIENT || plans[parent].role == ROLE_DATABASE)
            continue;
        for (uint32_t i = 0; i < slots && count < wanted; i++)
            add_child(plans, &count, random, parent, i, slots);
    }
    return count;
}

/* ---- what a span says ---- */

struct pair {
    const char *key;
    char text[64]; /* empty: a number */
    int64_t number;
};

struct words {
    char name[48];
    const char *kind; /* of Jaeger and Zipkin */
    uint64_t kind_number;
    struct pair pairs[ATTRIBUTES_MAX];
    int pair_count;
};

static void say(struct words *words, const char *key, const char *format, ...) CLEW_PRINTF(3, 4);
static void say(struct words *words, const char *key, const char *format, ...) {
    struct pair *pair = &words->pairs[words->pair_count++];
    va_list arguments;
    va_start(arguments, format);
    pair->key = key;
    vsnprintf(pair->text, sizeof pair->text, format, arguments);
    va_end(arguments);
}

static void count(struct words *words, const char *key, int64_t number) {
    words->pairs[words->pair_count++] = (struct pair){.key = key, .number = number};
}

static void describe_http(const struct plan *plan, struct words *words) {
    const char *method = methods[plan->variant % 4];
    bool is_server = plan->role == ROLE_SERVER;
    const char *service = service_names[is_server ? plan->service : plan->peer];
    snprintf(words->name, sizeof words->name, "%s /api/%s/{id}", method, service);
    say(words, "http.request.method", "%s", method);
    count(words, "http.response.status_code", plan->failed ? 503 : 200);
    say(words, "network.protocol.version", "1.1");
    if (is_server) {
        say(words, "http.route", "/api/%s/{id}", service);
        say(words, "url.path", "/api/%s/%u", service, plan->variant);
        say(words, "client.address", "10.0.%u.%u", plan->variant >> 8, plan->variant & 0xFF);
        say(words, "user_agent.original", "clew-bench/1.0");
        return;
    }
    say(words, "server.address", "%s.shop.internal", service);
    count(words, "server.port", 8080);
    say(words, "url.full", "http://%s.shop.internal:8080/api/%u", service, plan->variant);
}

static void describe_database(const struct plan *plan, struct words *words) {
    const char *table = tables[plan->variant % 5];
    snprintf(words->name, sizeof words->name, "SELECT %s", table);
    say(words, "db.system.name", "postgresql");
    say(words, "db.namespace", "shop");
    say(words, "db.operation.name", "SELECT");
    say(words, "db.query.text", "SELECT * FROM %s WHERE id = $1", table);
    say(words, "server.address", "db-%u.shop.internal", plan->service % 4);
    count(words, "server.port", 5432);
}

static void describe_own_work(const struct plan *plan, struct words *words) {
    snprintf(words->name, sizeof words->name, "render %s", tables[plan->variant % 5]);
    say(words, "code.function.name", "render_%s", tables[plan->variant % 5]);
    say(words, "code.file.path", "/srv/app/%s/render.c", service_names[plan->service]);
    count(words, "code.line.number", 100 + plan->variant % 50);
    count(words, "thread.id", plan->variant % 64);
    say(words, "thread.name", "worker-%u", plan->variant % 64);
    count(words, "items", plan->variant % 100);
}

static struct words describe(const struct plan *plan) {
    static const char *const kinds[] = {"server", "client", "client", "internal"};
    static const uint64_t numbers[] = {CLEW_SERVER, CLEW_CLIENT, CLEW_CLIENT, CLEW_INTERNAL};
    struct words words = {.kind = kinds[plan->role], .kind_number = numbers[plan->role]};
    if (plan->role == ROLE_DATABASE)
        describe_database(plan, &words);
    else if (plan->role == ROLE_INTERNAL)
        describe_own_work(plan, &words);
    else
        describe_http(plan, &words);
    if (plan->failed)
        say(&words, "error.type", "timeout");
    return words;
}

/* ---- OTLP ---- */

static void put_text(struct clew__writer *writer, uint32_t field, const char *text) {
    clew__write_bytes(writer, field, text, strlen(text));
}

static void put_pair(struct clew__writer *writer, uint32_t field, const struct pair *pair) {
    size_t keyvalue = clew__write_begin(writer, field), value;
    put_text(writer, CLEW__KEYVALUE_KEY, pair->key);
    value = clew__write_begin(writer, CLEW__KEYVALUE_VALUE);
    if (pair->text[0])
        put_text(writer, CLEW__ANY_STRING, pair->text);
    else
        clew__write_varint(writer, CLEW__ANY_INT, (uint64_t)pair->number);
    clew__write_end(writer, value);
    clew__write_end(writer, keyvalue);
}

static void put_id(struct clew__writer *writer, uint32_t field, uint64_t id) {
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(id >> (56 - 8 * i));
    clew__write_bytes(writer, field, bytes, sizeof bytes);
}

/* Trace ids look random, too. */
static void trace_id_of(uint64_t trace, uint64_t halves[2]) {
    halves[0] = trace * SEED;
    halves[1] = (trace + 1) * UINT64_C(0xD6E8FEB86659FD93);
}

static void put_trace_id(struct clew__writer *writer, uint32_t field, uint64_t trace) {
    uint64_t halves[2];
    trace_id_of(trace, halves);
    clew__write_bytes(writer, field, halves, sizeof halves);
}

static void put_span(struct clew__writer *writer, const struct plan *plan) {
    struct words words = describe(plan);
    size_t span = clew__write_begin(writer, CLEW__SCOPE_SPANS_SPANS);
    put_trace_id(writer, CLEW__SPAN_TRACE_ID, plan->trace);
    put_id(writer, CLEW__SPAN_SPAN_ID, plan->id);
    if (plan->parent)
        put_id(writer, CLEW__SPAN_PARENT_SPAN_ID, plan->parent);
    put_text(writer, CLEW__SPAN_NAME, words.name);
    clew__write_varint(writer, CLEW__SPAN_KIND, words.kind_number);
    clew__write_fixed64(writer, CLEW__SPAN_START, plan->start);
    clew__write_fixed64(writer, CLEW__SPAN_END, plan->end);
    for (int i = 0; i < words.pair_count; i++)
        put_pair(writer, CLEW__SPAN_ATTRIBUTES, &words.pairs[i]);
    if (plan->failed) {
        size_t status = clew__write_begin(writer, CLEW__SPAN_STATUS);
        put_text(writer, CLEW__STATUS_MESSAGE, "upstream did not answer in time");
        clew__write_varint(writer, CLEW__STATUS_CODE, CLEW_STATUS_ERROR);
        clew__write_end(writer, status);
    }
    clew__write_fixed32(writer, CLEW__SPAN_FLAGS, 0x101);
    clew__write_end(writer, span);
}

static void put_resource(struct clew__writer *writer, uint32_t service) {
    size_t resource = clew__write_begin(writer, CLEW__RESOURCE_SPANS_RESOURCE);
    struct words words = {.pair_count = 0};
    say(&words, "service.name", "%s", service_names[service]);
    say(&words, "service.version", "1.%u.0", service);
    say(&words, "service.instance.id", "6f3c1b2e-0000-4000-8000-00000000000%x", service);
    say(&words, "host.name", "node-%u", service);
    say(&words, "process.pid", "%u", 1000 + service);
    say(&words, "telemetry.sdk.language", "c");
    say(&words, "telemetry.sdk.name", "clew");
    for (int i = 0; i < words.pair_count; i++)
        put_pair(writer, CLEW__RESOURCE_ATTRIBUTES, &words.pairs[i]);
    clew__write_end(writer, resource);
}

/* The head of a request; spans follow. */
struct request {
    size_t group, scope;
};

static struct request begin_request(struct clew__writer *writer, uint32_t service) {
    struct request request = {.group = clew__write_begin(writer, CLEW__TRACES_RESOURCE_SPANS)};
    size_t scope;
    put_resource(writer, service);
    request.scope = clew__write_begin(writer, CLEW__RESOURCE_SPANS_SCOPE_SPANS);
    scope = clew__write_begin(writer, CLEW__SCOPE_SPANS_SCOPE);
    put_text(writer, CLEW__SCOPE_NAME, "bench");
    clew__write_end(writer, scope);
    return request;
}

static void end_request(struct clew__writer *writer, struct request request) {
    clew__write_end(writer, request.scope);
    clew__write_end(writer, request.group);
}

/* ---- the others ---- */

static void print(struct clew__writer *writer, const char *format, ...) CLEW_PRINTF(2, 3);
static void print(struct clew__writer *writer, const char *format, ...) {
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    clew__write_raw(writer, text, strlen(text));
}

static void print_trace_id(struct clew__writer *writer, uint64_t trace) {
    uint64_t halves[2];
    trace_id_of(trace, halves);
    print(writer, "\"%016" PRIx64 "%016" PRIx64 "\"", halves[0], halves[1]);
}

static void print_jaeger_tags(struct clew__writer *writer, const struct words *words) {
    print(writer, "{\"key\":\"span.kind\",\"type\":\"string\",\"value\":\"%s\"}", words->kind);
    for (int i = 0; i < words->pair_count; i++) {
        const struct pair *pair = &words->pairs[i];
        if (pair->text[0])
            print(writer, ",{\"key\":\"%s\",\"type\":\"string\",\"value\":\"%s\"}", pair->key, pair->text);
        else
            print(writer, ",{\"key\":\"%s\",\"type\":\"int64\",\"value\":%" PRId64 "}", pair->key,
                  pair->number);
    }
}

static void print_jaeger_span(struct clew__writer *writer, const struct plan *plan) {
    struct words words = describe(plan);
    print(writer, "{\"traceID\":");
    print_trace_id(writer, plan->trace);
    print(writer, ",\"spanID\":\"%016" PRIx64 "\",\"operationName\":\"%s\",\"references\":[", plan->id,
          words.name);
    if (plan->parent) {
        print(writer, "{\"refType\":\"CHILD_OF\",\"traceID\":");
        print_trace_id(writer, plan->trace);
        print(writer, ",\"spanID\":\"%016" PRIx64 "\"}", plan->parent);
    }
    print(writer, "],\"startTime\":%" PRIu64 ",\"duration\":%" PRIu64 ",\"tags\":[", plan->start / 1000,
          (plan->end - plan->start) / 1000);
    print_jaeger_tags(writer, &words);
    print(writer, "],\"logs\":[],\"processID\":\"p%u\",\"warnings\":null}", plan->service);
}

static void print_jaeger_trace(struct clew__writer *writer, const struct plan *plans, uint32_t plan_count) {
    print(writer, "{\"traceID\":");
    print_trace_id(writer, plans[0].trace);
    print(writer, ",\"spans\":[");
    for (uint32_t i = 0; i < plan_count; i++) {
        print(writer, "%s", i ? "," : "");
        print_jaeger_span(writer, &plans[i]);
    }
    print(writer, "],\"processes\":{");
    for (uint32_t i = 0; i < SERVICES; i++)
        print(
            writer,
            "%s\"p%u\":{\"serviceName\":\"%s\",\"tags\":[{\"key\":\"hostname\",\"type\":\"string\",\"value\":"
            "\"node-%u\"}]}",
            i ? "," : "", i, service_names[i], i);
    print(writer, "}}");
}

static void print_zipkin_span(struct clew__writer *writer, const struct plan *plan) {
    struct words words = describe(plan);
    print(writer, "{\"traceId\":");
    print_trace_id(writer, plan->trace);
    print(writer, ",\"id\":\"%016" PRIx64 "\",", plan->id);
    if (plan->parent)
        print(writer, "\"parentId\":\"%016" PRIx64 "\",", plan->parent);
    if (plan->role != ROLE_INTERNAL)
        print(writer, "\"kind\":\"%s\",", plan->role == ROLE_SERVER ? "SERVER" : "CLIENT");
    print(writer,
          "\"name\":\"%s\",\"timestamp\":%" PRIu64 ",\"duration\":%" PRIu64
          ",\"localEndpoint\":{\"serviceName\":\"%s\",\"ipv4\":\"10.0.0.%u\"},\"tags\":{",
          words.name, plan->start / 1000, (plan->end - plan->start) / 1000, service_names[plan->service],
          plan->service);
    for (int i = 0; i < words.pair_count; i++) {
        const struct pair *pair = &words.pairs[i];
        if (pair->text[0])
            print(writer, "%s\"%s\":\"%s\"", i ? "," : "", pair->key, pair->text);
        else
            print(writer, "%s\"%s\":\"%" PRId64 "\"", i ? "," : "", pair->key, pair->number);
    }
    print(writer, "}}");
}

/* ---- requests ---- */

static bool grow(struct clew__writer *writer, size_t more) {
    size_t capacity = writer->capacity ? writer->capacity : 1 << 16;
    while (capacity - writer->size < more)
        capacity *= 2;
    writer->data = realloc(writer->data, capacity);
    if (!writer->data)
        die("no memory");
    writer->capacity = capacity;
    return true;
}

struct clew__writer spans_writer(void) {
    return (struct clew__writer){.grow = grow};
}

void spans_end_piece(struct spans *spans, size_t from) {
    if (spans->piece_count == spans->piece_capacity) {
        spans->piece_capacity = spans->piece_capacity ? 2 * spans->piece_capacity : 64;
        spans->pieces = realloc(spans->pieces, spans->piece_capacity * sizeof *spans->pieces);
        if (!spans->pieces)
            die("no memory");
    }
    spans->pieces[spans->piece_count++] = (struct spans_piece){from, spans->bytes.size - from};
}

/* What one service did. */
static void put_service(struct spans *spans, const struct plan *plans, uint32_t plan_count,
                        uint32_t service) {
    struct request request = begin_request(&spans->bytes, service);
    for (uint32_t i = 0; i < plan_count; i++) {
        if (plans[i].service == service)
            put_span(&spans->bytes, &plans[i]);
    }
    end_request(&spans->bytes, request);
}

static void put_services(struct spans *spans, const struct plan *plans, uint32_t plan_count, bool as_json) {
    for (uint32_t service = 0; service < SERVICES; service++) {
        size_t from = spans->bytes.size;
        put_service(spans, plans, plan_count, service);
        if (as_json) {
            struct clew__writer json = spans_writer();
            clew__json_write_traces(&json, spans->bytes.data + from, spans->bytes.size - from);
            spans->bytes.size = from;
            clew__write_raw(&spans->bytes, json.data, json.size);
            free(json.data);
        }
        spans_end_piece(spans, from);
    }
}

static void put_zipkin(struct spans *spans, const struct plan *plans, uint32_t plan_count) {
    for (uint32_t i = 0; i < plan_count; i++) {
        size_t from = spans->bytes.size;
        print_zipkin_span(&spans->bytes, &plans[i]);
        spans_end_piece(spans, from);
    }
}

struct spans spans_of_services(enum spans_form form, size_t least) {
    static struct plan plans[TRACES_AT_ONCE * TRACE_MOST];
    struct spans spans = {.bytes = spans_writer()};
    uint64_t random = SEED;
    while (spans.span_count < least) {
        uint32_t plan_count = 0;
        for (uint32_t i = 0; i < TRACES_AT_ONCE; i++) {
            uint32_t added = plan_trace(plans + plan_count, ++spans.trace_count, &random);
            size_t from = spans.bytes.size;
            if (form == SPANS_JAEGER) {
                print_jaeger_trace(&spans.bytes, plans + plan_count, added);
                spans_end_piece(&spans, from);
            }
            plan_count += added;
        }
        spans.span_count += plan_count;
        if (form == SPANS_ZIPKIN)
            put_zipkin(&spans, plans, plan_count);
        else if (form != SPANS_JAEGER)
            put_services(&spans, plans, plan_count, form == SPANS_OTLP_JSON);
    }
    return spans;
}

/* ---- shapes ---- */

static size_t parent_in(enum spans_shape shape, size_t index) {
    switch (shape) {
    case SPANS_DEEP:
        return index - 1;
    case SPANS_WIDE:
        return 0;
    case SPANS_COMB:
        return index % 2 ? index - 1 : index - 2;
    default:
        return (index - 1) / TREE_WIDTH;
    }
}

/* Every child within its parent: the deeper, the later it starts; siblings one after the other. */
static void place_in_shape(enum spans_shape shape, struct plan *plans, size_t index, size_t total) {
    struct plan *plan = &plans[index];
    const struct plan *parent = &plans[parent_in(shape, index)];
    uint64_t width = parent->end - parent->start;
    uint64_t slot = shape == SPANS_TREE ? (index - 1) % TREE_WIDTH : index;
    if (shape == SPANS_TREE) {
        plan->start = parent->start + slot * width / TREE_WIDTH;
        plan->end = plan->start + (width > 3 * TREE_WIDTH ? width / TREE_WIDTH - 2 : 1);
    } else if (shape == SPANS_WIDE) {
        plan->start = parent->start + slot * (width / total);
        plan->end = plan->start + width / total / 2;
    } else if (shape == SPANS_COMB && index % 2) {
        plan->start = parent->start + 1;
        plan->end = parent->start + 3;
    } else {
        plan->start = parent->start + 4;
        plan->end = parent->end - 4;
    }
}

struct spans spans_of_shape(enum spans_shape shape, size_t total) {
    struct spans spans = {.bytes = spans_writer(), .span_count = total, .trace_count = 1};
    struct plan *plans = calloc(total, sizeof *plans);
    uint64_t random = SEED;
    if (!plans)
        die("no memory");
    plans[0] = (struct plan){.id = next_random(&random), .trace = 1, .role = ROLE_SERVER, .start = BEGIN};
    plans[0].end = BEGIN + total * 64;
    for (size_t i = 1; i < total; i++) {
        plans[i] = (struct plan){.id = next_random(&random) | 1,
                                 .parent = plans[parent_in(shape, i)].id,
                                 .trace = 1,
                                 .role = ROLE_INTERNAL,
                                 .variant = (uint32_t)i & 0xFFFF};
        place_in_shape(shape, plans, i, total);
    }
    for (size_t i = 0; i < total;) {
        size_t from = spans.bytes.size, end = i + BATCH < total ? i + BATCH : total;
        struct request request = begin_request(&spans.bytes, 0);
        for (; i < end; i++)
            put_span(&spans.bytes, &plans[i]);
        end_request(&spans.bytes, request);
        spans_end_piece(&spans, from);
    }
    free(plans);
    return spans;
}

void spans_free(struct spans *spans) {
    free(spans->bytes.data);
    free(spans->pieces);
    *spans = (struct spans){.span_count = 0};
}

const char *spans_shape_name(enum spans_shape shape) {
    static const char *const names[SPANS_SHAPES] = {"deep", "wide", "comb", "tree"};
    return names[shape];
}
