/* What the JSON of other tracing systems has in common. Owns nothing; any thread. */
#include "proto/json_span.h"

#include <math.h>
#include <strings.h>

#include "proto/otlp.h"

/* The largest number of microseconds that is one of nanoseconds, too. */
#define MICROS_MAX ((uint64_t)INT64_MAX / 1000)

/* ---- ids ---- */

/* FNV-1a over the text, and the finaliser of SplitMix64, so that every bit counts. Published constants. */
static uint64_t hash_text(struct clew__json_string string, uint64_t seed) {
    struct clew__json_text in = {.text = string.text, .size = string.size + 1}; /* with the quote */
    uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ seed;
    const char *part;
    size_t size;
    while (clew__json_next_part(&in, &part, &size)) {
        for (size_t i = 0; i < size; i++)
            hash = (hash ^ (unsigned char)part[i]) * UINT64_C(0x100000001b3);
    }
    hash = (hash ^ hash >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    hash = (hash ^ hash >> 27) * UINT64_C(0x94d049bb133111eb);
    hash ^= hash >> 31;
    return hash ? hash : 1;
}

static void put_hash(uint8_t *out, uint64_t hash) {
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(hash >> (56 - 8 * i));
}

static bool from_hex(const struct clew__json_string *text, size_t size, uint8_t *out) {
    size_t at = 2 * size - text->size; /* digits that are missing on the left */
    memset(out, 0, size);
    for (size_t i = 0; i < text->size; i++, at++) {
        int digit = clew__json_hex_value(text->text[i]);
        if (digit < 0)
            return false;
        out[at / 2] = (uint8_t)(out[at / 2] << 4 | digit);
    }
    return true;
}

bool clew__json_take_id(struct clew__json_text *in, size_t size, struct clew__json_id *id) {
    memset(id, 0, sizeof *id);
    if (clew__json_take_null(in))
        return true;
    if (!clew__json_take_string(in, &id->text))
        return false;
    id->present = id->text.size > 0;
    if (id->text.size <= 2 * size && from_hex(&id->text, size, id->bytes))
        return true;
    id->hashed = true;
    put_hash(id->bytes, hash_text(id->text, 0));
    if (size == 16)
        put_hash(id->bytes + 8, hash_text(id->text, 1));
    return true;
}

bool clew__json_id_is_zero(const struct clew__json_id *id, size_t size) {
    static const uint8_t zero[sizeof id->bytes];
    return memcmp(id->bytes, zero, size) == 0;
}

void clew__json_write_id_texts(struct clew__writer *writer, const struct clew__json_id *trace_id,
                               const struct clew__json_id *span_id) {
    if (trace_id->hashed)
        clew__json_write_string_attribute(writer, CLEW__SPAN_ATTRIBUTES, CLEW__ATTRIBUTE_TRACE_ID,
                                          &trace_id->text);
    if (span_id->hashed)
        clew__json_write_string_attribute(writer, CLEW__SPAN_ATTRIBUTES, CLEW__ATTRIBUTE_SPAN_ID,
                                          &span_id->text);
}

/* ---- times ---- */

/* 12345.678 without a way through a double, which has no more than 53 bits. */
static bool micros_as_written(const char *text, size_t size, uint64_t *nano) {
    uint64_t micros = 0, parts = 0, unit = 100;
    size_t at = 0;
    for (; at < size && text[at] >= '0' && text[at] <= '9'; at++) {
        if (micros > MICROS_MAX)
            return false;
        micros = micros * 10 + (uint64_t)(text[at] - '0');
    }
    if (at < size && text[at] == '.') {
        for (at++; at < size && text[at] >= '0' && text[at] <= '9'; at++, unit /= 10)
            parts += unit * (uint64_t)(text[at] - '0');
    }
    if (at < size || micros >= MICROS_MAX)
        return false;
    *nano = micros * 1000 + parts;
    return true;
}

bool clew__json_take_micros(struct clew__json_text *in, int64_t *nano) {
    char text[CLEW__JSON_NUMBER_MAX];
    size_t size, start = in->at, sign;
    uint64_t magnitude;
    if (!clew__json_take_number(in, text, &size))
        return false;
    if (size == 0 || clew__json_number_size(text, size) != size)
        return clew__json_fail(in, start, "not a number of microseconds");
    sign = text[0] == '-';
    if (!micros_as_written(text + sign, size - sign, &magnitude)) {
        double value = fabs(clew__json_to_double(text, size)) * 1000;
        if (!(value < 0x1p63))
            return clew__json_fail(in, start, "a time out of range");
        magnitude = (uint64_t)value;
    }
    *nano = sign ? -(int64_t)magnitude : (int64_t)magnitude;
    return true;
}

uint64_t clew__json_end_time(int64_t start, int64_t duration) {
    if (duration <= -start)
        return 1;
    return (uint64_t)start + (uint64_t)duration; /* each less than 2^63 */
}

/* ---- values ---- */

static bool write_number(struct clew__writer *writer, const char *text, size_t size, bool as_integer) {
    struct clew__json_integer integer;
    uint64_t bits;
    double value;
    if (as_integer && clew__json_to_integer(text, size, &integer) &&
        integer.magnitude <= (uint64_t)INT64_MAX + integer.negative) {
        clew__write_varint(writer, CLEW__ANY_INT,
                           integer.negative ? 0 - integer.magnitude : integer.magnitude);
        return true;
    }
    value = clew__json_to_double(text, size);
    memcpy(&bits, &value, sizeof bits);
    clew__write_fixed64(writer, CLEW__ANY_DOUBLE, bits);
    return !isinf(value);
}

static bool is_integral(const char *text, size_t size) {
    return memchr(text, '.', size) == NULL && memchr(text, 'e', size) == NULL &&
           memchr(text, 'E', size) == NULL;
}

static bool write_number_value(struct clew__json_text *in, struct clew__writer *writer,
                               enum clew__json_type type) {
    char text[CLEW__JSON_NUMBER_MAX];
    size_t size, start = in->at;
    bool as_integer;
    if (!clew__json_take_number(in, text, &size))
        return false;
    as_integer = type == CLEW__JSON_INT64 || (type != CLEW__JSON_FLOAT64 && is_integral(text, size));
    return write_number(writer, text, size, as_integer) ||
           clew__json_fail(in, start, "a number out of range");
}

/* Strings that stand for something else by their type. False: this one does not. */
static bool write_typed_string(struct clew__writer *writer, const struct clew__json_string *string,
                               enum clew__json_type type) {
    bool is_true = clew__json_string_is(string, "true");
    bool is_number = string->size > 0 && string->size <= CLEW__JSON_NUMBER_MAX &&
                     clew__json_number_size(string->text, string->size) == string->size;
    if (type == CLEW__JSON_BOOL && (is_true || clew__json_string_is(string, "false"))) {
        clew__write_varint(writer, CLEW__ANY_BOOL, is_true);
        return true;
    }
    if (is_number && (type == CLEW__JSON_INT64 || type == CLEW__JSON_FLOAT64))
        return write_number(writer, string->text, string->size, type == CLEW__JSON_INT64);
    return false;
}

static bool write_string_value(struct clew__json_text *in, struct clew__writer *writer,
                               enum clew__json_type type) {
    struct clew__json_string string;
    size_t start = in->at, before = writer->size;
    if (type == CLEW__JSON_BINARY) {
        if (clew__json_write_base64(in, writer, CLEW__ANY_BYTES))
            return true;
        in->at = start; /* it is no base64 */
        in->reason = NULL;
        writer->size = before;
    }
    if (!clew__json_take_string(in, &string))
        return false;
    if (type > CLEW__JSON_STRING && type < CLEW__JSON_BINARY && write_typed_string(writer, &string, type))
        return true;
    writer->size = before;
    clew__json_write_string(writer, CLEW__ANY_STRING, &string);
    return true;
}

static bool write_value(struct clew__json_text *in, struct clew__writer *writer, enum clew__json_type type) {
    char c = clew__json_peek(in);
    size_t start = in->at, begun;
    if (c == '"')
        return write_string_value(in, writer, type);
    if (c == '-' || (c >= '0' && c <= '9'))
        return write_number_value(in, writer, type);
    if (clew__json_take_literal(in, "null"))
        return true;
    if (clew__json_take_literal(in, "true") || clew__json_take_literal(in, "false")) {
        clew__write_varint(writer, CLEW__ANY_BOOL, c == 't');
        return true;
    }
    if (!clew__json_skip_value(in))
        return false;
    begun = clew__write_begin(writer, CLEW__ANY_STRING);
    clew__json_write_text_part(writer, in->text + start, in->at - start);
    clew__write_end(writer, begun);
    return true;
}

bool clew__json_write_attribute(struct clew__json_text *in, struct clew__writer *writer, uint32_t field,
                                const struct clew__json_string *name, enum clew__json_type type) {
    size_t attribute = clew__write_begin(writer, field), value;
    clew__json_write_string(writer, CLEW__KEYVALUE_KEY, name);
    value = clew__write_begin(writer, CLEW__KEYVALUE_VALUE);
    if (!write_value(in, writer, type))
        return false;
    clew__write_end(writer, value);
    clew__write_end(writer, attribute);
    return true;
}

void clew__json_write_text_attribute(struct clew__writer *writer, uint32_t field, const char *name,
                                     const char *text, size_t size) {
    size_t attribute = clew__write_begin(writer, field), value;
    clew__write_bytes(writer, CLEW__KEYVALUE_KEY, name, strlen(name));
    value = clew__write_begin(writer, CLEW__KEYVALUE_VALUE);
    clew__write_bytes(writer, CLEW__ANY_STRING, text, size);
    clew__write_end(writer, value);
    clew__write_end(writer, attribute);
}

void clew__json_write_string_attribute(struct clew__writer *writer, uint32_t field, const char *name,
                                       const struct clew__json_string *string) {
    size_t attribute = clew__write_begin(writer, field), value;
    clew__write_bytes(writer, CLEW__KEYVALUE_KEY, name, strlen(name));
    value = clew__write_begin(writer, CLEW__KEYVALUE_VALUE);
    clew__json_write_string(writer, CLEW__ANY_STRING, string);
    clew__write_end(writer, value);
    clew__write_end(writer, attribute);
}

void clew__json_write_host_ip(struct clew__writer *writer, const struct clew__json_string *address) {
    static const char name[] = "host.ip";
    size_t attribute, value, list, element;
    if (address->size == 0)
        return;
    attribute = clew__write_begin(writer, CLEW__RESOURCE_ATTRIBUTES);
    clew__write_bytes(writer, CLEW__KEYVALUE_KEY, name, sizeof name - 1);
    value = clew__write_begin(writer, CLEW__KEYVALUE_VALUE);
    list = clew__write_begin(writer, CLEW__ANY_ARRAY);
    element = clew__write_begin(writer, CLEW__LIST_VALUES);
    clew__json_write_string(writer, CLEW__ANY_STRING, address);
    clew__write_end(writer, element);
    clew__write_end(writer, list);
    clew__write_end(writer, value);
    clew__write_end(writer, attribute);
}

void clew__json_write_head(struct clew__writer *writer, uint32_t field, size_t size) {
    uint8_t *at;
    if (!clew__writer_reserve(writer, CLEW__TAG_MAX + CLEW__VARINT_MAX))
        return;
    at = clew__put_tag(writer->data + writer->size, field, CLEW__WIRE_BYTES);
    writer->size = (size_t)(clew__put_varint(at, size) - writer->data);
}

/* ---- what some tags mean ---- */

uint32_t clew__json_span_kind(const struct clew__json_string *name) {
    static const char *const names[] = {"internal", "server", "client", "producer", "consumer"};
    for (uint32_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strlen(names[i]) == name->size && strncasecmp(names[i], name->text, name->size) == 0)
            return i + 1;
    }
    return 0;
}

/* An `error` that says more than that there is one stays an attribute, too. */
static bool take_error(struct clew__json_text *in, struct clew__json_traits *traits) {
    size_t start = in->at;
    char c = clew__json_peek(in);
    struct clew__json_string string;
    if (clew__json_take_literal(in, "true"))
        return traits->error = true;
    if (c == '-' || (c >= '1' && c <= '9'))
        traits->error = true;
    if (c == 'f' || c == '0')
        traits->no_error = true;
    if (c != '"' || !clew__json_take_string(in, &string))
        return false;
    if (clew__json_string_is(&string, "true") || string.size == 0)
        return traits->error = true;
    in->at = start;
    if (clew__json_string_is(&string, "false")) {
        traits->no_error = true;
        return false;
    }
    traits->error = true;
    traits->error_text = string;
    return false;
}

/* UNSET is told from what is unknown by its number here. */
static bool to_status_code(const struct clew__json_string *name, uint32_t *code) {
    static const char *const names[] = {"UNSET", "OK", "ERROR"};
    for (uint32_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strlen(names[i]) == name->size && strncasecmp(names[i], name->text, name->size) == 0) {
            *code = i;
            return true;
        }
    }
    return false;
}

static bool take_text_trait(struct clew__json_text *in, const struct clew__json_string *name,
                            struct clew__json_traits *traits) {
    struct clew__json_string string;
    size_t start = in->at;
    uint32_t kind;
    if (clew__json_peek(in) != '"' || !clew__json_take_string(in, &string))
        return false;
    if (clew__json_string_is(name, "otel.status_description")) {
        traits->description = string;
        return true;
    }
    if (clew__json_string_is(name, "w3c.tracestate")) {
        traits->trace_state = string;
        return true;
    }
    if (clew__json_string_is(name, "otel.status_code") && to_status_code(&string, &traits->status_code))
        return true;
    kind = clew__json_string_is(name, "span.kind") ? clew__json_span_kind(&string) : 0;
    if (kind > 0) {
        traits->kind = kind;
        return true;
    }
    in->at = start;
    return false;
}

bool clew__json_take_trait(struct clew__json_text *in, const struct clew__json_string *name,
                           struct clew__json_traits *traits) {
    if (clew__json_string_is(name, "error"))
        return take_error(in, traits);
    if (clew__json_string_is(name, "span.kind") || clew__json_string_is(name, "otel.status_code") ||
        clew__json_string_is(name, "otel.status_description") || clew__json_string_is(name, "w3c.tracestate"))
        return take_text_trait(in, name, traits);
    return false;
}

void clew__json_write_traits(struct clew__writer *writer, const struct clew__json_traits *traits) {
    uint32_t code = traits->status_code == 0 && traits->error ? 2 : traits->status_code; /* ERROR */
    const struct clew__json_string *message =
        traits->description.size > 0 ? &traits->description : &traits->error_text;
    size_t begun;
    if (traits->trace_state.size > 0)
        clew__json_write_string(writer, CLEW__SPAN_TRACE_STATE, &traits->trace_state);
    if (traits->kind > 0)
        clew__write_varint(writer, CLEW__SPAN_KIND, traits->kind);
    if (code == 0)
        return;
    begun = clew__write_begin(writer, CLEW__SPAN_STATUS);
    if (code == 2 && message->size > 0)
        clew__json_write_string(writer, CLEW__STATUS_MESSAGE, message);
    clew__write_varint(writer, CLEW__STATUS_CODE, code);
    clew__write_end(writer, begun);
}
