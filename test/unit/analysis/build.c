/* Traces for tests. */
#include "test/unit/analysis/build.h"

#include "proto/otlp.h"
#include "test/unit/proto/growing.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

/* ---- ids ---- */

static uint64_t hash_text(const char *text) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (; *text; text++)
        hash = (hash ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
    return hash ? hash : 1;
}

static bool is_hex(const char *text, size_t digits) {
    size_t size = strlen(text);
    return size > 0 && size <= digits && strspn(text, "0123456789abcdefABCDEF") == size;
}

uint64_t build_span_id(const char *text, bool *is_number) {
    *is_number = is_hex(text, 16);
    return *is_number ? strtoull(text, NULL, 16) : hash_text(text);
}

static void put_id(uint64_t id, uint8_t out[8]) {
    for (int i = 7; i >= 0; i--, id >>= 8)
        out[i] = (uint8_t)id;
}

void build_trace_id(const char *text, uint8_t out[16]) {
    char low[17] = "", high[17] = "";
    size_t size = strlen(text);
    if (!is_hex(text, 32)) {
        put_id(hash_text(text), out);
        put_id(~hash_text(text), out + 8);
        return;
    }
    snprintf(low, sizeof low, "%s", size > 16 ? text + size - 16 : text);
    if (size > 16)
        memcpy(high, text, size - 16);
    put_id(strtoull(high, NULL, 16), out);
    put_id(strtoull(low, NULL, 16), out + 8);
}

/* ---- bytes ---- */

static void write_text(struct clew__writer *writer, uint32_t field, const char *text) {
    if (text)
        clew__write_bytes(writer, field, text, strlen(text));
}

static void write_attribute(struct clew__writer *writer, uint32_t field, const char *key, const char *value) {
    size_t pair, any;
    if (!value)
        return;
    pair = clew__write_begin(writer, field);
    write_text(writer, CLEW__KEYVALUE_KEY, key);
    any = clew__write_begin(writer, CLEW__KEYVALUE_VALUE);
    if (value[0] == '#')
        clew__write_varint(writer, CLEW__ANY_INT, (uint64_t)strtoll(value + 1, NULL, 10));
    else
        write_text(writer, CLEW__ANY_STRING, value);
    clew__write_end(writer, any);
    clew__write_end(writer, pair);
}

static void write_span_id(struct clew__writer *writer, uint32_t field, const char *text) {
    uint8_t id[8];
    bool is_number;
    if (!text || !*text)
        return;
    put_id(build_span_id(text, &is_number), id);
    clew__write_bytes(writer, field, id, sizeof id);
}

static void write_trace_id(struct clew__writer *writer, uint32_t field, const char *text) {
    uint8_t id[16];
    build_trace_id(text ? text : "1", id);
    clew__write_bytes(writer, field, id, sizeof id);
}

static void write_link(struct clew__writer *writer, const struct build_span *span,
                       const struct build_link *link) {
    size_t begun;
    if (!link->id)
        return;
    begun = clew__write_begin(writer, CLEW__SPAN_LINKS);
    write_trace_id(writer, CLEW__LINK_TRACE_ID, link->trace ? link->trace : span->trace);
    write_span_id(writer, CLEW__LINK_SPAN_ID, link->id);
    write_attribute(writer, CLEW__LINK_ATTRIBUTES, "opentracing.ref_type", link->reference);
    clew__write_end(writer, begun);
}

static void write_wait(struct clew__writer *writer, const struct build_wait *wait) {
    char target[17], duration[24];
    bool is_number;
    size_t begun;
    if (!wait->target)
        return;
    snprintf(target, sizeof target, "%016" PRIx64, build_span_id(wait->target, &is_number));
    snprintf(duration, sizeof duration, "#%" PRIu64, wait->duration);
    begun = clew__write_begin(writer, CLEW__SPAN_EVENTS);
    clew__write_fixed64(writer, CLEW__EVENT_TIME, wait->start);
    write_text(writer, CLEW__EVENT_NAME, CLEW__EVENT_WAIT);
    write_attribute(writer, CLEW__EVENT_ATTRIBUTES, CLEW__ATTRIBUTE_WAIT_SPAN_ID, target);
    write_attribute(writer, CLEW__EVENT_ATTRIBUTES, CLEW__ATTRIBUTE_WAIT_DURATION, duration);
    clew__write_end(writer, begun);
}

static void write_exception(struct clew__writer *writer, const struct build_span *span) {
    size_t begun;
    if (!span->exception[0] && !span->exception[1])
        return;
    begun = clew__write_begin(writer, CLEW__SPAN_EVENTS);
    write_text(writer, CLEW__EVENT_NAME, "exception");
    write_attribute(writer, CLEW__EVENT_ATTRIBUTES, "exception.type", span->exception[0]);
    write_attribute(writer, CLEW__EVENT_ATTRIBUTES, "exception.message", span->exception[1]);
    clew__write_end(writer, begun);
}

static void write_status(struct clew__writer *writer, const struct build_span *span) {
    size_t begun;
    if (span->status == CLEW_STATUS_UNSET && !span->status_message)
        return;
    begun = clew__write_begin(writer, CLEW__SPAN_STATUS);
    write_text(writer, CLEW__STATUS_MESSAGE, span->status_message);
    clew__write_varint(writer, CLEW__STATUS_CODE, (uint64_t)span->status);
    clew__write_end(writer, begun);
}

static void write_id_texts(struct clew__writer *writer, const struct build_span *span) {
    if (!is_hex(span->id, 16))
        write_attribute(writer, CLEW__SPAN_ATTRIBUTES, CLEW__ATTRIBUTE_SPAN_ID, span->id);
    if (span->trace && !is_hex(span->trace, 32))
        write_attribute(writer, CLEW__SPAN_ATTRIBUTES, CLEW__ATTRIBUTE_TRACE_ID, span->trace);
}

static void write_span(struct clew__writer *writer, const struct build_span *span) {
    size_t begun = clew__write_begin(writer, CLEW__SCOPE_SPANS_SPANS);
    write_trace_id(writer, CLEW__SPAN_TRACE_ID, span->trace);
    write_span_id(writer, CLEW__SPAN_SPAN_ID, span->id);
    write_text(writer, CLEW__SPAN_TRACE_STATE, span->tracestate);
    write_span_id(writer, CLEW__SPAN_PARENT_SPAN_ID, span->parent);
    write_text(writer, CLEW__SPAN_NAME, span->operation);
    if (span->kind)
        clew__write_varint(writer, CLEW__SPAN_KIND, (uint64_t)span->kind);
    clew__write_fixed64(writer, CLEW__SPAN_START, span->start);
    clew__write_fixed64(writer, CLEW__SPAN_END, span->end);
    for (int i = 0; i < BUILD_ATTRIBUTES && span->attributes[i][0]; i++)
        write_attribute(writer, CLEW__SPAN_ATTRIBUTES, span->attributes[i][0], span->attributes[i][1]);
    write_id_texts(writer, span);
    write_exception(writer, span);
    for (int i = 0; i < 4; i++)
        write_wait(writer, &span->waits[i]);
    for (int i = 0; i < 4; i++)
        write_link(writer, span, &span->links[i]);
    write_status(writer, span);
    if (span->flags)
        clew__write_fixed32(writer, CLEW__SPAN_FLAGS, span->flags);
    clew__write_end(writer, begun);
}

static bool same_text(const char *a, const char *b) {
    return a == b || (a && b && strcmp(a, b) == 0);
}

static const struct build_span *span_of(const struct build_span *spans, const uint32_t *order, size_t index) {
    return &spans[order ? order[index] : index];
}

clew_bytes build_bytes(const struct build_span *spans, size_t count, const uint32_t *order) {
    struct clew__writer writer = growing_writer();
    for (size_t from = 0, to; from < count; from = to) {
        const struct build_span *first = span_of(spans, order, from), *span = first;
        size_t group = clew__write_begin(&writer, CLEW__TRACES_RESOURCE_SPANS), resource, scope;
        resource = clew__write_begin(&writer, CLEW__RESOURCE_SPANS_RESOURCE);
        write_attribute(&writer, CLEW__RESOURCE_ATTRIBUTES, "service.name", first->service);
        write_attribute(&writer, CLEW__RESOURCE_ATTRIBUTES, "host.name", first->host);
        clew__write_end(&writer, resource);
        scope = clew__write_begin(&writer, CLEW__RESOURCE_SPANS_SCOPE_SPANS);
        for (to = from; to < count; to++) {
            span = span_of(spans, order, to);
            if (!same_text(span->service, first->service) || !same_text(span->host, first->host))
                break;
            write_span(&writer, span);
        }
        clew__write_end(&writer, scope);
        clew__write_end(&writer, group);
    }
    if (writer.failed)
        abort();
    return (clew_bytes){writer.data, writer.size};
}

/* ---- traces ---- */

struct one_trace {
    struct clew__records *records;
    const uint8_t *wanted; /* NULL: the first that comes */
};

static struct clew__records *records_of(void *user, const uint8_t trace_id[16], size_t size) {
    struct one_trace *one = (struct one_trace *)user;
    (void)size;
    if (!one->wanted) {
        memcpy(one->records->trace_id, trace_id, 16);
        one->wanted = one->records->trace_id;
    }
    return memcmp(one->wanted, trace_id, 16) == 0 ? one->records : NULL;
}

struct built build_from_bytes(clew_bytes traces, const uint8_t *trace_id) {
    struct built built = {.texts = clew__texts_new()};
    struct one_trace one = {&built.records, trace_id};
    struct clew__decode_sink sink = {.records_of = records_of, .user = &one};
    if (trace_id)
        memcpy(built.records.trace_id, trace_id, 16);
    clew__decode_traces(built.texts, traces, &sink);
    /* What it borrows stays where it is: on the heap, as the table does. */
    struct clew__records *records = malloc(sizeof *records);
    if (!records)
        abort();
    *records = built.records;
    built.trace = clew__normalize(built.texts, records);
    if (!built.trace)
        abort();
    return built;
}

struct built build_trace(const struct build_span *spans, size_t count, const uint32_t *order) {
    clew_bytes bytes = build_bytes(spans, count, order);
    struct built built = build_from_bytes(bytes, NULL);
    free((void *)(uintptr_t)bytes.data);
    return built;
}

void build_free(struct built *built) {
    free((void *)(uintptr_t)built->trace->source);
    clew__trace_free(built->trace);
    clew__records_fini(&built->records);
    clew__texts_free(built->texts);
}

uint32_t build_find(const struct clew_trace *trace, const char *id) {
    char text[CLEW_ID_TEXT_SIZE], wanted[CLEW_ID_TEXT_SIZE];
    const char *suffix = strchr(id, '#');
    size_t size = suffix ? (size_t)(suffix - id) : strlen(id);
    char number[CLEW_ID_TEXT_SIZE];
    snprintf(number, sizeof number, "%.*s", (int)size, id);
    if (is_hex(number, 16))
        snprintf(wanted, sizeof wanted, "%016" PRIx64 "%s", (uint64_t)strtoull(number, NULL, 16),
                 suffix ? suffix : "");
    else
        snprintf(wanted, sizeof wanted, "%s", id);
    for (uint32_t i = 0; i < clew_trace_span_count(trace); i++) {
        clew_trace_span_id_text(trace, i, text);
        if (strcmp(text, wanted) == 0)
            return i;
    }
    return CLEW_NO_SPAN;
}

/* ---- as text ---- */

static void print(struct clew__writer *out, const char *format, ...) CLEW_PRINTF(2, 3);
static void print(struct clew__writer *out, const char *format, ...) {
    char line[4096];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    clew__write_raw(out, line, strlen(line));
}

static void print_span(struct clew__writer *out, const struct clew_trace *trace, uint32_t index) {
    char id[CLEW_ID_TEXT_SIZE];
    clew_trace_span span;
    clew_trace_span_at(trace, index, &span);
    clew_trace_span_id_text(trace, index, id);
    print(out, "%" PRIu32 " %s %" PRIu64 " %" PRIu64 " skew %" PRId64 " ^%" PRIu32 " v%" PRIu32 " >%" PRIu32,
          index, id, span.start_unix_nano, span.end_unix_nano, span.skew_nano, span.parent, span.first_child,
          span.next_sibling);
    print(out,
          " kind %d status %d repairs %" PRIx32 " %d%d%d http %" PRIu32 " weight %g %" PRIu32 " %" PRIu32,
          (int)span.kind, (int)span.status, span.repairs, span.is_phantom, span.is_open,
          span.has_remote_parent, span.http_status, span.weight, span.link_count, span.wait_count);
    print(out, " [%.*s] [%.*s] [%.*s] [%.*s] [%.*s] [%.*s]\n", (int)span.service.size, span.service.data,
          (int)span.operation.size, span.operation.data, (int)span.host.size, span.host.data,
          (int)span.error_type.size, span.error_type.data, (int)span.error_message.size,
          span.error_message.data, (int)span.detail.size, span.detail.data);
}

char *build_print(const struct clew_trace *trace) {
    struct clew__writer out = growing_writer();
    char id[CLEW_ID_TEXT_SIZE];
    clew_trace_id_text(trace, id);
    print(&out, "%s root %" PRIu32, id, clew_trace_first_root(trace));
    for (int i = 0; i < CLEW_REPAIR_COUNT; i++)
        print(&out, " %" PRIu64, clew_trace_repairs(trace, (clew_repair)i));
    print(&out, "\n");
    for (uint32_t i = 0; i < clew_trace_span_count(trace); i++)
        print_span(&out, trace, i);
    clew__write_raw(&out, "", 1);
    if (out.failed)
        abort();
    return (char *)out.data;
}

/* ---- random ---- */

uint32_t *build_shuffle(struct random *random, size_t count) {
    uint32_t *order = malloc((count ? count : 1) * sizeof *order);
    if (!order)
        abort();
    for (size_t i = 0; i < count; i++) {
        size_t at = (size_t)random_below(random, i + 1);
        order[i] = order[at];
        order[at] = (uint32_t)i;
    }
    return order;
}

#define NAME_SIZE 24

static const char *const services[] = {"front", "cart", "search", "users", "queue"};
static const char *const hosts[] = {"h1", "h2", "h3", "h1", "h2"};
static const char *const operations[] = {"GET /", "find", "load", "store"};

static uint64_t part_of(struct random *random, uint64_t length) {
    return random_below(random, length + 1);
}

static bool one_in(struct random *random, uint64_t odds) {
    return random_below(random, odds) == 0;
}

static void sane_span(struct random *random, struct build_random *built, size_t index) {
    struct build_span *span = &built->spans[index];
    size_t service = (size_t)random_below(random, 5);
    uint64_t length = 1000, start = 1000000;
    snprintf(built->names + index * NAME_SIZE, NAME_SIZE, one_in(random, 20) ? "span-%zu" : "%zx", index + 1);
    *span = (struct build_span){.id = built->names + index * NAME_SIZE};
    if (index > 0 && !one_in(random, 30)) {
        size_t parent = one_in(random, 2) ? index - 1 : (size_t)random_below(random, index);
        span->parent = built->spans[parent].id;
        start = built->spans[parent].start;
        length = built->spans[parent].end - start;
        if (!one_in(random, 3))
            service = (size_t)(built->spans[parent].flags & 7);
    }
    /* Few different times, so that many are equal. */
    span->start = start + part_of(random, length) / 50 * 50;
    span->end = span->start + part_of(random, length) / 50 * 50;
    span->kind = (clew_span_kind)random_below(random, 6);
    span->status = one_in(random, 6) ? CLEW_STATUS_ERROR : CLEW_STATUS_UNSET;
    span->service = services[service];
    span->host = hosts[service];
    span->operation = operations[random_below(random, 4)];
    span->flags = (uint32_t)service | (one_in(random, 4) ? 0x300 : 0);
    span->tracestate = one_in(random, 10) ? "x=y,ot=rv:1;th:8" : NULL;
}

static void spoil(struct random *random, struct build_random *built, size_t index) {
    struct build_span *span = &built->spans[index],
                      *other = &built->spans[random_below(random, built->count)];
    uint64_t swap = span->start;
    switch (random_below(random, 14)) {
    case 0:
        span->parent = other->id;
        break;
    case 1:
        span->parent = span->id;
        break;
    case 2:
        span->id = other->id;
        break;
    case 3:
        *span = *other;
        break;
    case 4:
        span->start = span->end;
        span->end = swap;
        break;
    case 5:
        span->start = 0;
        break;
    case 6:
        span->end = 0;
        break;
    case 7:
        span->parent = one_in(random, 2) ? "dead" : "gone";
        break;
    case 8:
        *span = *other;
        span->end = 0;
        break;
    case 9:
        span->id = other->id;
        span->kind = CLEW_SERVER;
        other->kind = CLEW_CLIENT;
        break;
    case 10:
        span->service = NULL;
        break;
    case 11:
        span->end = UINT64_MAX - random_below(random, 3);
        break;
    case 12:
        span->links[0].id = other->id;
        span->links[0].reference = "follows_from";
        break;
    default:
        span->start = 0;
        span->end = 0;
        break;
    }
}

struct build_random build_random(struct random *random, size_t count, bool is_hostile) {
    struct build_random built = {.count = count ? count : 1};
    built.spans = calloc(built.count, sizeof *built.spans);
    built.names = calloc(built.count, NAME_SIZE);
    if (!built.spans || !built.names)
        abort();
    for (size_t i = 0; i < built.count; i++)
        sane_span(random, &built, i);
    for (size_t i = 0; is_hostile && i < built.count; i++) {
        if (one_in(random, 3))
            spoil(random, &built, i);
    }
    return built;
}

void build_random_free(struct build_random *built) {
    free(built->spans);
    free(built->names);
}
