/* OTLP bytes become records: one pass over each span picks what the analysis asks for. Owns nothing; the
 * texts and the records belong to the caller, one thread at a time.
 *
 * The bytes have passed the checker, or come from this process; the reader stays within them all the same. */
#if defined(__GNUC__) && !defined(__clang__)
/* gcc packs the two pointers of each run of bytes into one vector register, to take them apart at once: that
 * cost a quarter of the time here. */
#pragma GCC optimize("no-tree-slp-vectorize")
#endif

#include "proto/otlp.h"
#include "sdk/analysis/model.h"
#include "sdk/base/memory.h"

/* Of a peer: address, colon, port. Longer ones are cut, as texts are. */
#define PEER_SIZE (CLEW__TEXT_MAX + 8)
#define FIRST_RECORDS 8u
#define FIRST_REFERENCES 4u
#define WEIGHT_MAX (UINT64_C(1) << 32) /* so that sums of weighted counts stay within 64 bits */
#define THRESHOLD_DIGITS 14            /* of `th` in tracestate (OpenTelemetry: Probability Sampling) */

/* ---- attributes ---- */

/* What is picked of a span's attributes: the places that its values go to. Of each group the first wins. */
enum slot {
    SLOT_NONE,
    SLOT_PEER_SERVICE,
    SLOT_SERVER_ADDRESS,
    SLOT_NETWORK_ADDRESS,
    SLOT_NET_PEER,
    SLOT_DESTINATION_NAME,
    SLOT_DESTINATION,
    SLOT_RPC_SERVICE,
    SLOT_DB_NAMESPACE,
    SLOT_DB_NAME,
    SLOT_DB_SYSTEM,
    SLOT_DB_SYSTEM_NAME,
    SLOT_SERVER_PORT,
    SLOT_NETWORK_PORT,
    SLOT_PROVIDER,
    SLOT_GENAI_SYSTEM,
    SLOT_ERROR_TYPE,
    SLOT_HTTP_RESPONSE_STATUS,
    SLOT_HTTP_STATUS,
    SLOT_ROUTE,
    SLOT_QUERY_SUMMARY,
    SLOT_QUERY,
    SLOT_STATEMENT,
    SLOT_TOOL,
    SLOT_MODEL,
    SLOT_SPAN_ID,
    SLOT_TRACE_ID,
    SLOT_COUNT
};
#define FIRST_PEER SLOT_PEER_SERVICE
#define LAST_PEER SLOT_RPC_SERVICE
#define LAST_DATABASE_PEER SLOT_DB_SYSTEM_NAME
#define FIRST_DETAIL SLOT_ROUTE
#define LAST_DETAIL SLOT_MODEL

/* Keys of one length differ in what `is` compares. */
static bool is(const uint8_t *key, const char *name, size_t size) {
    return memcmp(key, name, size) == 0;
}
#define IS(name) is(key, name, sizeof(name) - 1)

static enum slot slot_of_short(const uint8_t *key, size_t size) {
    switch (size) {
    case 7:
        return IS("db.name") ? SLOT_DB_NAME : SLOT_NONE;
    case 9:
        return IS("db.system") ? SLOT_DB_SYSTEM : SLOT_NONE;
    case 10:
        return IS("http.route") ? SLOT_ROUTE : IS("error.type") ? SLOT_ERROR_TYPE : SLOT_NONE;
    case 11:
        return IS("server.port") ? SLOT_SERVER_PORT : IS("rpc.service") ? SLOT_RPC_SERVICE : SLOT_NONE;
    case 12:
        if (IS("peer.service"))
            return SLOT_PEER_SERVICE;
        if (IS("db.namespace"))
            return SLOT_DB_NAMESPACE;
        if (IS("db.statement"))
            return SLOT_STATEMENT;
        return IS(CLEW__ATTRIBUTE_SPAN_ID) ? SLOT_SPAN_ID : SLOT_NONE;
    case 13:
        if (IS("db.query.text"))
            return SLOT_QUERY;
        if (IS("gen_ai.system"))
            return SLOT_GENAI_SYSTEM;
        if (IS("net.peer.name"))
            return SLOT_NET_PEER;
        return IS(CLEW__ATTRIBUTE_TRACE_ID) ? SLOT_TRACE_ID : SLOT_NONE;
    default:
        return SLOT_NONE;
    }
}

static enum slot slot_of_long(const uint8_t *key, size_t size) {
    switch (size) {
    case 14:
        return IS("server.address")   ? SLOT_SERVER_ADDRESS
               : IS("db.system.name") ? SLOT_DB_SYSTEM_NAME
                                      : SLOT_NONE;
    case 16:
        if (IS("http.status_code"))
            return SLOT_HTTP_STATUS;
        if (IS("db.query.summary"))
            return SLOT_QUERY_SUMMARY;
        return IS("gen_ai.tool.name") ? SLOT_TOOL : SLOT_NONE;
    case 17:
        return IS("network.peer.port") ? SLOT_NETWORK_PORT : SLOT_NONE;
    case 20:
        if (IS("network.peer.address"))
            return SLOT_NETWORK_ADDRESS;
        if (IS("gen_ai.provider.name"))
            return SLOT_PROVIDER;
        return IS("gen_ai.request.model") ? SLOT_MODEL : SLOT_NONE;
    case 21:
        return IS("messaging.destination") ? SLOT_DESTINATION : SLOT_NONE;
    case 25:
        return IS("http.response.status_code") ? SLOT_HTTP_RESPONSE_STATUS : SLOT_NONE;
    case 26:
        return IS("messaging.destination.name") ? SLOT_DESTINATION_NAME : SLOT_NONE;
    default:
        return SLOT_NONE;
    }
}

/* What an attribute says by its name alone. */
static uint16_t flags_of_key(const uint8_t *key, size_t size) {
    if (size > 3 && key[0] == 'd' && IS("db."))
        return CLEW__RECORD_DATABASE;
    if (size > 7 && key[0] == 'g' && IS("gen_ai."))
        return CLEW__RECORD_GENAI;
    if (size > 10 && key[0] == 'm' && IS("messaging."))
        return CLEW__RECORD_MESSAGING;
    return 0;
}

/* ---- what is picked ---- */

struct text {
    const uint8_t *at; /* NULL: absent */
    size_t size;
};

/* A value as far as it is asked for: text, or a number. */
struct pick {
    struct text text;
    uint64_t number;
    bool is_number;
};

struct decoder {
    struct clew__texts *texts;
    const struct clew__decode_sink *sink;
    struct clew__wire resource;
    clew__text service, host;
    uint32_t generation; /* of the texts when those two were added */
    bool has_resource;   /* they were */
    /* Of the span at hand. */
    struct pick picks[SLOT_COUNT];
    uint32_t picked; /* bits of the slots that are filled */
    struct text name, tracestate, status_message, exception_type, exception_message;
    uint8_t trace_id[16];
    uint32_t otlp_flags;
    struct clew__record record;
    /* Its links and waits. */
    struct clew__span_link *links;
    struct clew__span_wait *waits;
    uint32_t link_count, wait_count, link_capacity, wait_capacity;
    bool failed; /* memory ran out */
};

static struct text text_of(struct clew__wire wire) {
    struct text text = {wire.at, (size_t)(wire.end - wire.at)};
    return text;
}

static bool text_is(struct text text, const char *name, size_t size) {
    return text.size == size && memcmp(text.at, name, size) == 0;
}
#define TEXT_IS(text, name) text_is(text, name, sizeof(name) - 1)

/* The rare members. Works on copies, so that the compiler may keep the caller's in registers. */
static __attribute__((noinline)) bool next_slowly(struct clew__wire *wire, struct clew__field *out) {
    enum clew__wire_error error;
    return clew__wire_next(wire, out, &error);
}

static inline bool next(struct clew__wire *wire, struct clew__field *out) {
    struct clew__wire rest = *wire;
    struct clew__field field;
    if (rest.at == rest.end)
        return false;
    if (clew__wire_next_short(wire, out))
        return true;
    if (!next_slowly(&rest, &field))
        return false;
    *wire = rest;
    *out = field;
    return true;
}

/* A message that is nothing but one short member of bytes: what nearly every string value is. */
static inline bool is_just(const uint8_t *at, const uint8_t *end, uint32_t field) {
    return end - at >= 2 && at[0] == (field << 3 | CLEW__WIRE_BYTES) && at[1] < 0x80 && end - at - 2 == at[1];
}

static void read_value(struct clew__wire any, struct pick *out) {
    struct clew__field field;
    *out = (struct pick){{NULL, 0}, 0, false};
    if (is_just(any.at, any.end, CLEW__ANY_STRING)) {
        out->text.at = any.at + 2;
        out->text.size = any.at[1];
        return;
    }
    while (next(&any, &field)) {
        if (field.field == CLEW__ANY_STRING && field.type == CLEW__WIRE_BYTES)
            *out = (struct pick){text_of(field.bytes), 0, false};
        else if (field.field == CLEW__ANY_INT && field.type == CLEW__WIRE_VARINT)
            *out = (struct pick){{NULL, 0}, field.number, true};
    }
}

/* Key and the bytes of the value. */
static inline struct text read_pair(struct clew__wire pair, struct clew__wire *value) {
    struct text key = {NULL, 0};
    struct clew__field field;
    *value = (struct clew__wire){NULL, NULL};
    while (next(&pair, &field)) {
        if (field.type != CLEW__WIRE_BYTES)
            continue;
        if (field.field == CLEW__KEYVALUE_KEY)
            key = text_of(field.bytes);
        else if (field.field == CLEW__KEYVALUE_VALUE)
            *value = field.bytes;
    }
    return key;
}

/* The same where key and value are short and in their usual order. */
static inline struct text read_usual_pair(struct clew__wire pair, struct clew__wire *value) {
    const uint8_t *at = pair.at, *second;
    if (pair.end - at >= 2 && at[0] == (CLEW__KEYVALUE_KEY << 3 | CLEW__WIRE_BYTES) && at[1] < 0x80 &&
        at[1] <= pair.end - at - 2) {
        second = at + 2 + at[1];
        if (is_just(second, pair.end, CLEW__KEYVALUE_VALUE)) {
            *value = (struct clew__wire){second + 2, pair.end};
            return (struct text){at + 2, at[1]};
        }
    }
    return read_pair(pair, value);
}

static void read_attribute(struct decoder *decoder, struct clew__wire pair) {
    struct clew__wire value;
    struct text key = read_usual_pair(pair, &value);
    enum slot slot = key.size < 14 ? slot_of_short(key.at, key.size) : slot_of_long(key.at, key.size);
    struct pick pick;
    decoder->record.flags |= flags_of_key(key.at, key.size);
    if (slot == SLOT_NONE)
        return;
    read_value(value, &pick);
    if (!pick.is_number && pick.text.size == 0)
        return;
    decoder->picks[slot] = pick;
    decoder->picked |= 1u << slot;
}

static const struct pick *picked(const struct decoder *decoder, enum slot slot) {
    return decoder->picked >> slot & 1 ? &decoder->picks[slot] : NULL;
}

static struct text picked_text(const struct decoder *decoder, enum slot slot) {
    const struct pick *pick = picked(decoder, slot);
    struct text none = {NULL, 0};
    return pick ? pick->text : none;
}

/* The first of a run of slots that holds text. */
static enum slot first_text(const struct decoder *decoder, enum slot from, enum slot to) {
    for (unsigned slot = from; slot <= to; slot++) {
        if (picked_text(decoder, (enum slot)slot).size > 0)
            return (enum slot)slot;
    }
    return SLOT_NONE;
}

/* ---- numbers ---- */

static uint64_t id_of(const uint8_t *at) {
    uint64_t id = 0;
    for (int i = 0; i < 8; i++)
        id = id << 8 | at[i];
    return id;
}

static bool hex_digit(uint8_t c, uint64_t *value) {
    if (c >= '0' && c <= '9')
        *value = (uint64_t)(c - '0');
    else if (c >= 'a' && c <= 'f')
        *value = (uint64_t)(c - 'a') + 10;
    else if (c >= 'A' && c <= 'F')
        *value = (uint64_t)(c - 'A') + 10;
    else
        return false;
    return true;
}

/* Hexadecimal text of at most `digits` digits, as if it had zeros behind it where it is shorter. */
static bool read_hex(struct text text, size_t digits, bool pads, uint64_t *out) {
    uint64_t value = 0, digit;
    if (text.size == 0 || text.size > digits)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        if (!hex_digit(text.at[i], &digit))
            return false;
        value = value << 4 | digit;
    }
    if (pads)
        value <<= 4 * (digits - text.size);
    *out = value;
    return true;
}

static uint64_t read_decimal(struct text text) {
    uint64_t value = 0;
    if (text.size == 0 || text.size > 9)
        return 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return 0;
        value = 10 * value + (uint64_t)(text.at[i] - '0');
    }
    return value;
}

static uint64_t number_of(const struct pick *pick) {
    if (!pick)
        return 0;
    return pick->is_number ? pick->number : read_decimal(pick->text);
}

static uint16_t http_status(const struct decoder *decoder) {
    uint64_t status = number_of(picked(decoder, SLOT_HTTP_RESPONSE_STATUS));
    if (status == 0)
        status = number_of(picked(decoder, SLOT_HTTP_STATUS));
    return status < 1000 ? (uint16_t)status : 0;
}

/* ---- tracestate ---- */

/* The part of `text` before the separator, which is taken off it. */
static struct text split(struct text *text, char separator) {
    const uint8_t *found = (const uint8_t *)memchr(text->at, separator, text->size);
    struct text part = {text->at, found ? (size_t)(found - text->at) : text->size};
    size_t taken = part.size + (found != NULL);
    text->at += taken;
    text->size -= taken;
    return part;
}

static struct text trim(struct text text) {
    while (text.size > 0 && (*text.at == ' ' || *text.at == '\t')) {
        text.at++;
        text.size--;
    }
    while (text.size > 0 && (text.at[text.size - 1] == ' ' || text.at[text.size - 1] == '\t'))
        text.size--;
    return text;
}

/* What a span kept with that rejection threshold stands for: 1 / (1 - threshold / 2^56). */
static uint64_t weight_of_threshold(uint64_t threshold) {
    __extension__ typedef unsigned __int128 wide;
    uint64_t kept = (UINT64_C(1) << 56) - threshold;
    wide weight = (((wide)1 << 56) * CLEW__WEIGHT_ONE + kept / 2) / kept;
    return weight < WEIGHT_MAX * CLEW__WEIGHT_ONE ? (uint64_t)weight : WEIGHT_MAX * CLEW__WEIGHT_ONE;
}

static uint64_t weight_of(struct text tracestate) {
    uint64_t threshold;
    while (tracestate.size > 0) {
        struct text member = trim(split(&tracestate, ','));
        if (member.size < 3 || memcmp(member.at, "ot=", 3) != 0)
            continue;
        member.at += 3;
        member.size -= 3;
        while (member.size > 0) {
            struct text part = split(&member, ';');
            if (part.size < 3 || memcmp(part.at, "th:", 3) != 0)
                continue;
            part.at += 3;
            part.size -= 3;
            return read_hex(part, THRESHOLD_DIGITS, true, &threshold) ? weight_of_threshold(threshold)
                                                                      : CLEW__WEIGHT_ONE;
        }
        return CLEW__WEIGHT_ONE;
    }
    return CLEW__WEIGHT_ONE;
}

/* ---- links and events ---- */

/* Room for one more in an array of the decoder's own; 0 when memory runs out. */
static void *reserve(struct decoder *decoder, void *array, uint32_t count, uint32_t *capacity, size_t size) {
    uint32_t wanted = *capacity ? 2 * *capacity : FIRST_REFERENCES;
    void *grown;
    if (count < *capacity)
        return array;
    grown = wanted > UINT32_MAX / 4 ? NULL : clew_memory_reallocate(array, wanted * size);
    if (!grown) {
        decoder->failed = true;
        return array;
    }
    *capacity = wanted;
    return grown;
}

static void read_link_attribute(struct clew__span_link *link, struct clew__wire pair) {
    struct clew__wire value;
    struct text key = read_pair(pair, &value);
    struct pick pick;
    if (!TEXT_IS(key, "opentracing.ref_type"))
        return;
    read_value(value, &pick);
    link->is_follows_from = TEXT_IS(pick.text, "follows_from");
    link->is_child_of = TEXT_IS(pick.text, "child_of");
}

static void read_link(struct decoder *decoder, struct clew__wire message) {
    struct clew__span_link link = {{0}, 0, false, false};
    struct clew__field field;
    while (next(&message, &field)) {
        if (field.type != CLEW__WIRE_BYTES)
            continue;
        size_t size = (size_t)(field.bytes.end - field.bytes.at);
        if (field.field == CLEW__LINK_TRACE_ID && size == sizeof link.trace_id)
            memcpy(link.trace_id, field.bytes.at, sizeof link.trace_id);
        else if (field.field == CLEW__LINK_SPAN_ID && size == sizeof link.span_id)
            link.span_id = id_of(field.bytes.at);
        else if (field.field == CLEW__LINK_ATTRIBUTES)
            read_link_attribute(&link, field.bytes);
    }
    if (link.span_id == 0 || decoder->link_count == UINT16_MAX)
        return;
    decoder->links = (struct clew__span_link *)reserve(decoder, decoder->links, decoder->link_count,
                                                       &decoder->link_capacity, sizeof link);
    if (!decoder->failed)
        decoder->links[decoder->link_count++] = link;
}

/* What events may say, whichever they are. */
struct event {
    struct text name;
    uint64_t time;
    struct pick exception_type, exception_message, wait_target, wait_duration;
};

static void read_event_attribute(struct event *event, struct clew__wire pair) {
    struct clew__wire value;
    struct text key = read_pair(pair, &value);
    if (TEXT_IS(key, "exception.type"))
        read_value(value, &event->exception_type);
    else if (TEXT_IS(key, "exception.message"))
        read_value(value, &event->exception_message);
    else if (TEXT_IS(key, CLEW__ATTRIBUTE_WAIT_SPAN_ID))
        read_value(value, &event->wait_target);
    else if (TEXT_IS(key, CLEW__ATTRIBUTE_WAIT_DURATION))
        read_value(value, &event->wait_duration);
}

static void add_wait(struct decoder *decoder, const struct event *event) {
    struct clew__span_wait wait = {event->time, number_of(&event->wait_duration), 0};
    if (!read_hex(event->wait_target.text, 16, false, &wait.target_id) || decoder->wait_count == UINT16_MAX)
        return;
    decoder->waits = (struct clew__span_wait *)reserve(decoder, decoder->waits, decoder->wait_count,
                                                       &decoder->wait_capacity, sizeof wait);
    if (!decoder->failed)
        decoder->waits[decoder->wait_count++] = wait;
}

static void read_event(struct decoder *decoder, struct clew__wire message) {
    struct event event = {.time = 0};
    struct clew__field field;
    while (next(&message, &field)) {
        if (field.field == CLEW__EVENT_NAME && field.type == CLEW__WIRE_BYTES)
            event.name = text_of(field.bytes);
        else if (field.field == CLEW__EVENT_TIME && field.type == CLEW__WIRE_I64)
            event.time = field.number;
        else if (field.field == CLEW__EVENT_ATTRIBUTES && field.type == CLEW__WIRE_BYTES)
            read_event_attribute(&event, field.bytes);
    }
    if (TEXT_IS(event.name, CLEW__EVENT_WAIT)) {
        add_wait(decoder, &event);
        return;
    }
    if (!TEXT_IS(event.name, "exception"))
        return;
    decoder->record.flags |= CLEW__RECORD_EXCEPTION;
    if (event.exception_type.text.size > 0)
        decoder->exception_type = event.exception_type.text;
    if (event.exception_message.text.size > 0)
        decoder->exception_message = event.exception_message.text;
}

/* ---- resources ---- */

/* The host of a resource, by the keys of OpenTelemetry, else by those of Jaeger's clients. */
enum host { HOST_ID, HOST_IP, HOST_NAME, HOST_JAEGER_NAME, HOST_JAEGER_IP, HOST_COUNT };

static enum host host_of(struct text key) {
    if (TEXT_IS(key, "host.id"))
        return HOST_ID;
    if (TEXT_IS(key, "host.ip"))
        return HOST_IP;
    if (TEXT_IS(key, "host.name"))
        return HOST_NAME;
    if (TEXT_IS(key, "hostname"))
        return HOST_JAEGER_NAME;
    return TEXT_IS(key, "ip") ? HOST_JAEGER_IP : HOST_COUNT;
}

/* The text of a value; of a list the first one. */
static struct text first_value(struct clew__wire any) {
    struct clew__wire array, element;
    struct pick pick;
    read_value(any, &pick);
    if (pick.text.size > 0 || !clew__next_member(&any, CLEW__ANY_ARRAY, &array) ||
        !clew__next_member(&array, CLEW__LIST_VALUES, &element))
        return pick.text;
    read_value(element, &pick);
    return pick.text;
}

static void read_resource(struct decoder *decoder) {
    struct text service = {NULL, 0}, hosts[HOST_COUNT] = {{NULL, 0}};
    struct clew__wire rest = decoder->resource, pair, value;
    unsigned found = 0;
    decoder->generation = clew__texts_generation(decoder->texts);
    decoder->has_resource = true;
    while (clew__next_member(&rest, CLEW__RESOURCE_ATTRIBUTES, &pair)) {
        struct text key = read_pair(pair, &value);
        enum host host = host_of(key);
        if (host < HOST_COUNT)
            hosts[host] = first_value(value);
        else if (TEXT_IS(key, "service.name"))
            service = first_value(value);
    }
    while (found < HOST_COUNT - 1 && hosts[found].size == 0)
        found++;
    decoder->service = clew__texts_add(decoder->texts, service.at, service.size);
    decoder->host = clew__texts_add(decoder->texts, hosts[found].at, hosts[found].size);
}

/* Sweeping gives numbers to other texts. */
static void renew_resource(struct decoder *decoder) {
    if (!decoder->has_resource || decoder->generation != clew__texts_generation(decoder->texts) ||
        decoder->service == CLEW__TEXT_FAILED || decoder->host == CLEW__TEXT_FAILED)
        read_resource(decoder);
}

/* ---- spans ---- */

static void read_status(struct decoder *decoder, struct clew__wire status) {
    struct clew__field field;
    while (next(&status, &field)) {
        if (field.field == CLEW__STATUS_MESSAGE && field.type == CLEW__WIRE_BYTES)
            decoder->status_message = text_of(field.bytes);
        else if (field.field == CLEW__STATUS_CODE && field.type == CLEW__WIRE_VARINT)
            decoder->record.status = field.number <= CLEW_STATUS_ERROR ? (uint8_t)field.number : 0;
    }
}

static void read_bytes(struct decoder *decoder, uint32_t field, struct clew__wire bytes) {
    size_t size = (size_t)(bytes.end - bytes.at);
    switch (field) {
    case CLEW__SPAN_TRACE_ID:
        if (size == sizeof decoder->trace_id)
            memcpy(decoder->trace_id, bytes.at, sizeof decoder->trace_id);
        break;
    case CLEW__SPAN_SPAN_ID:
        decoder->record.id = size == 8 ? id_of(bytes.at) : 0;
        break;
    case CLEW__SPAN_PARENT_SPAN_ID:
        decoder->record.parent_id = size == 8 ? id_of(bytes.at) : 0;
        break;
    case CLEW__SPAN_TRACE_STATE:
        decoder->tracestate = text_of(bytes);
        break;
    case CLEW__SPAN_NAME:
        decoder->name = text_of(bytes);
        break;
    case CLEW__SPAN_ATTRIBUTES:
        read_attribute(decoder, bytes);
        break;
    case CLEW__SPAN_EVENTS:
        read_event(decoder, bytes);
        break;
    case CLEW__SPAN_LINKS:
        read_link(decoder, bytes);
        break;
    case CLEW__SPAN_STATUS:
        read_status(decoder, bytes);
        break;
    default:
        break;
    }
}

static void read_span(struct decoder *decoder, struct clew__wire span) {
    struct clew__field field;
    while (next(&span, &field)) {
        if (field.type == CLEW__WIRE_BYTES)
            read_bytes(decoder, field.field, field.bytes);
        else if (field.type == CLEW__WIRE_I64 && field.field == CLEW__SPAN_START)
            decoder->record.start = field.number;
        else if (field.type == CLEW__WIRE_I64 && field.field == CLEW__SPAN_END)
            decoder->record.end = field.number;
        else if (field.type == CLEW__WIRE_VARINT && field.field == CLEW__SPAN_KIND)
            decoder->record.kind = field.number <= CLEW_CONSUMER ? (uint8_t)field.number : 0;
        else if (field.type == CLEW__WIRE_I32 && field.field == CLEW__SPAN_FLAGS)
            decoder->otlp_flags = (uint32_t)field.number;
    }
}

/* ---- from what was picked to the record ---- */

static clew__text add_text(struct decoder *decoder, struct text text) {
    clew__text added = text.size > 0 ? clew__texts_add(decoder->texts, text.at, text.size) : 0;
    if (added == CLEW__TEXT_FAILED)
        decoder->failed = true;
    return added;
}

/* An address, with its port where there is one. */
static clew__text add_address(struct decoder *decoder, struct text address, const struct pick *port) {
    char joined[PEER_SIZE];
    char digits[5];
    struct text text = {(const uint8_t *)joined, 0};
    uint64_t number = number_of(port);
    size_t count = 0;
    if (number == 0 || number > UINT16_MAX || address.size > CLEW__TEXT_MAX)
        return add_text(decoder, address);
    for (; number > 0; number /= 10)
        digits[count++] = (char)('0' + number % 10);
    memcpy(joined, address.at, address.size);
    text.size = address.size;
    joined[text.size++] = ':';
    while (count > 0)
        joined[text.size++] = digits[--count];
    return add_text(decoder, text);
}

static clew__text peer_of(struct decoder *decoder) {
    bool is_database = decoder->record.flags & CLEW__RECORD_DATABASE;
    enum slot slot;
    if (!decoder->picked)
        return 0;
    /* A server's attributes of address and of RPC name the server itself. */
    if (decoder->record.kind == CLEW_SERVER)
        return add_text(decoder, picked_text(decoder, SLOT_PEER_SERVICE));
    slot = first_text(decoder, FIRST_PEER, is_database ? LAST_DATABASE_PEER : LAST_PEER);
    if (slot == SLOT_NONE)
        return 0;
    if (slot == SLOT_SERVER_ADDRESS)
        return add_address(decoder, picked_text(decoder, slot), picked(decoder, SLOT_SERVER_PORT));
    if (slot == SLOT_NETWORK_ADDRESS)
        return add_address(decoder, picked_text(decoder, slot), picked(decoder, SLOT_NETWORK_PORT));
    return add_text(decoder, picked_text(decoder, slot));
}

static struct text either(struct text first, struct text second) {
    return first.size > 0 ? first : second;
}

static uint16_t flags_of(const struct decoder *decoder) {
    const struct clew__record *record = &decoder->record;
    unsigned flags = record->flags;
    if (record->end == 0)
        flags |= CLEW__RECORD_OPEN;
    if (decoder->otlp_flags & CLEW__FLAGS_HAS_IS_REMOTE)
        flags |= CLEW__RECORD_REMOTE_KNOWN;
    if ((decoder->otlp_flags & CLEW__FLAGS_HAS_IS_REMOTE) && (decoder->otlp_flags & CLEW__FLAGS_IS_REMOTE))
        flags |= CLEW__RECORD_REMOTE;
    for (uint32_t i = 0; i < decoder->link_count; i++) {
        const struct clew__span_link *link = &decoder->links[i];
        if (link->is_follows_from && link->span_id == record->parent_id &&
            memcmp(link->trace_id, decoder->trace_id, sizeof link->trace_id) == 0)
            flags |= CLEW__RECORD_ASYNC;
    }
    return (uint16_t)flags;
}

static void complete_record(struct decoder *decoder) {
    struct clew__record *record = &decoder->record;
    record->flags = flags_of(decoder);
    record->weight = decoder->tracestate.size > 0 ? weight_of(decoder->tracestate) : CLEW__WEIGHT_ONE;
    record->service = decoder->service;
    record->host = decoder->host;
    if (record->service == CLEW__TEXT_FAILED || record->host == CLEW__TEXT_FAILED)
        decoder->failed = true;
    record->operation = add_text(decoder, decoder->name);
    record->error_type =
        add_text(decoder, either(picked_text(decoder, SLOT_ERROR_TYPE), decoder->exception_type));
    record->error_message = add_text(decoder, either(decoder->status_message, decoder->exception_message));
    if (!decoder->picked)
        return;
    record->peer = peer_of(decoder);
    record->provider = add_text(
        decoder, either(picked_text(decoder, SLOT_PROVIDER), picked_text(decoder, SLOT_GENAI_SYSTEM)));
    record->detail = add_text(decoder, picked_text(decoder, first_text(decoder, FIRST_DETAIL, LAST_DETAIL)));
    record->id_text = add_text(decoder, picked_text(decoder, SLOT_SPAN_ID));
    record->http_status = http_status(decoder);
}

/* ---- into the records ---- */

static bool grow_array(const struct clew__decode_sink *sink, void **array, uint32_t *capacity,
                       uint32_t wanted, uint32_t first, size_t size) {
    uint32_t grown = *capacity ? *capacity : first;
    void *block;
    if (wanted <= *capacity)
        return true;
    if (wanted > UINT32_MAX / 4)
        return false;
    while (grown < wanted)
        grown *= 2;
    if (sink->room && !sink->room(sink->user, (grown - *capacity) * size))
        return false;
    block = clew_memory_reallocate(*array, grown * size);
    if (!block)
        return false;
    *array = block;
    *capacity = grown;
    return true;
}

static bool reserve_record(const struct decoder *decoder, struct clew__records *records) {
    const struct clew__decode_sink *sink = decoder->sink;
    void *block = records->records, *links = records->links, *waits = records->waits;
    bool fits = records->count < CLEW_NO_SPAN - 1 &&
                grow_array(sink, &block, &records->capacity, records->count + 1, FIRST_RECORDS,
                           sizeof *records->records) &&
                grow_array(sink, &links, &records->link_capacity, records->link_count + decoder->link_count,
                           FIRST_REFERENCES, sizeof *records->links) &&
                grow_array(sink, &waits, &records->wait_capacity, records->wait_count + decoder->wait_count,
                           FIRST_REFERENCES, sizeof *records->waits);
    records->records = (struct clew__record *)block;
    records->links = (struct clew__span_link *)links;
    records->waits = (struct clew__span_wait *)waits;
    return fits;
}

static void append(struct decoder *decoder, struct clew__records *records) {
    struct clew__record *record = &decoder->record;
    record->first_link = records->link_count;
    record->first_wait = records->wait_count;
    record->link_count = (uint16_t)decoder->link_count;
    record->wait_count = (uint16_t)decoder->wait_count;
    if (decoder->link_count > 0)
        memcpy(records->links + records->link_count, decoder->links,
               decoder->link_count * sizeof *records->links);
    if (decoder->wait_count > 0)
        memcpy(records->waits + records->wait_count, decoder->waits,
               decoder->wait_count * sizeof *records->waits);
    records->link_count += decoder->link_count;
    records->wait_count += decoder->wait_count;
    records->records[records->count++] = *record;
}

static bool is_zero(const uint8_t id[16]) {
    static const uint8_t zero[16] = {0};
    return memcmp(id, zero, sizeof zero) == 0;
}

static void drop(const struct decoder *decoder, bool is_malformed) {
    if (decoder->sink->dropped)
        decoder->sink->dropped(decoder->sink->user, is_malformed);
}

/* Spans that disagree on the text of their trace's id take the first as bytes, whatever order they come in.
 */
static void name_trace(struct decoder *decoder, struct clew__records *records) {
    clew__text text = add_text(decoder, picked_text(decoder, SLOT_TRACE_ID));
    if (decoder->failed || text == 0)
        return;
    if (records->trace_id_text == 0 || clew__texts_compare(decoder->texts, text, records->trace_id_text) < 0)
        records->trace_id_text = text;
}

static void store_span(struct decoder *decoder, size_t size) {
    const struct clew__decode_sink *sink = decoder->sink;
    struct clew__records *records;
    if (is_zero(decoder->trace_id) || decoder->record.id == 0) {
        drop(decoder, true);
        return;
    }
    records = sink->records_of(sink->user, decoder->trace_id, size);
    if (!records)
        return;
    /* Texts come last: what makes room sweeps those that no record holds. */
    if (!decoder->failed)
        decoder->failed = !reserve_record(decoder, records);
    if (!decoder->failed) {
        renew_resource(decoder);
        complete_record(decoder);
    }
    if (!decoder->failed)
        name_trace(decoder, records);
    if (decoder->failed) {
        drop(decoder, false);
        return;
    }
    append(decoder, records);
    if (sink->added)
        sink->added(sink->user, records);
}

static void decode_span(struct decoder *decoder, struct clew__wire span) {
    static const struct text none = {NULL, 0};
    decoder->picked = 0;
    decoder->name = decoder->tracestate = decoder->status_message = none;
    decoder->exception_type = decoder->exception_message = none;
    memset(decoder->trace_id, 0, sizeof decoder->trace_id);
    memset(&decoder->record, 0, sizeof decoder->record);
    decoder->otlp_flags = 0;
    decoder->link_count = decoder->wait_count = 0;
    decoder->failed = false;
    read_span(decoder, span);
    store_span(decoder,
               (size_t)(span.end - span.at) + (size_t)(decoder->resource.end - decoder->resource.at));
}

static void decode_group(struct decoder *decoder, struct clew__wire group) {
    struct clew__wire rest = group, scope, span;
    decoder->resource = (struct clew__wire){NULL, NULL};
    decoder->has_resource = false;
    while (clew__next_member(&rest, CLEW__RESOURCE_SPANS_RESOURCE, &decoder->resource)) {
    }
    while (clew__next_member(&group, CLEW__RESOURCE_SPANS_SCOPE_SPANS, &scope)) {
        while (clew__next_member(&scope, CLEW__SCOPE_SPANS_SPANS, &span))
            decode_span(decoder, span);
    }
}

static void decoder_fini(struct decoder *decoder) {
    clew_memory_release(decoder->links);
    clew_memory_release(decoder->waits);
}

void clew__decode_traces(struct clew__texts *texts, clew_bytes traces, const struct clew__decode_sink *sink) {
    struct decoder decoder = {.texts = texts, .sink = sink};
    struct clew__wire rest = clew__wire_of(traces.data, traces.size), group;
    while (clew__next_member(&rest, CLEW__TRACES_RESOURCE_SPANS, &group))
        decode_group(&decoder, group);
    decoder_fini(&decoder);
}

void clew__decode_span(struct clew__texts *texts, const clew_span_view *span,
                       const struct clew__decode_sink *sink) {
    struct decoder decoder = {.texts = texts, .sink = sink};
    decoder.resource = clew__wire_of(span->resource.data, span->resource.size);
    decode_span(&decoder, clew__wire_of(span->span.data, span->span.size));
    decoder_fini(&decoder);
}

void clew__records_fini(struct clew__records *records) {
    clew_memory_release(records->records);
    clew_memory_release(records->links);
    clew_memory_release(records->waits);
    records->records = NULL;
    records->links = NULL;
    records->waits = NULL;
    records->count = records->link_count = records->wait_count = 0;
    records->capacity = records->link_capacity = records->wait_capacity = 0;
}

size_t clew__records_bytes(const struct clew__records *records) {
    return records->capacity * sizeof *records->records + records->link_capacity * sizeof *records->links +
           records->wait_capacity * sizeof *records->waits;
}
