/* Attribute values as text, for outputs other than OTLP (specification: Common, String representation). Pure:
 * the text goes into the caller's buffer as far as it fits and is counted beyond; nothing recurses or
 * allocates; any thread. */
#include "sdk/trace/view.h"

#include "proto/json.h"
#include "proto/otlp.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define DEPTH_MAX 64 /* the specification's limit for values that nest */

struct sink {
    char *buffer;
    size_t capacity;
    size_t size; /* of the whole text, also when it is larger than the buffer */
};

static void put(struct sink *sink, const char *text, size_t size) {
    if (sink->size < sink->capacity && size) {
        size_t room = sink->capacity - sink->size;
        memcpy(sink->buffer + sink->size, text, size < room ? size : room);
    }
    sink->size += size;
}

static void put_text(struct sink *sink, const char *text) {
    put(sink, text, strlen(text));
}

static void put_base64(struct sink *sink, clew_bytes bytes) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *from = (const uint8_t *)bytes.data;

    for (size_t i = 0; i < bytes.size; i += 3) {
        size_t left = bytes.size - i;
        uint32_t group = (uint32_t)from[i] << 16;
        char out[4];
        group |= left > 1 ? (uint32_t)from[i + 1] << 8 : 0;
        group |= left > 2 ? (uint32_t)from[i + 2] : 0;
        out[0] = digits[group >> 18];
        out[1] = digits[group >> 12 & 63];
        out[2] = left > 1 ? digits[group >> 6 & 63] : '=';
        out[3] = left > 2 ? digits[group & 63] : '=';
        put(sink, out, sizeof out);
    }
}

/* A finite number as JSON has it, by the one routine that knows to write them shortest and without the
 * locale. */
static void put_finite(struct sink *sink, double real) {
    uint8_t any[CLEW__TAG_MAX + 8];
    uint8_t text[64];
    struct clew__writer writer = {.data = text, .capacity = sizeof text};
    uint64_t bits;
    uint8_t *end;

    memcpy(&bits, &real, sizeof bits);
    end = clew__put_fixed64(clew__put_tag(any, CLEW__ANY_DOUBLE, CLEW__WIRE_I64), bits);
    clew__json_write_plain(&writer, any, (size_t)(end - any));
    put(sink, (const char *)text, writer.size);
}

static const char *name_of_not_finite(double real) {
    if (isnan(real))
        return "NaN";
    return real < 0 ? "-Infinity" : "Infinity";
}

static void put_number(struct sink *sink, const clew_value_view *value) {
    char text[24];

    if (value->type == CLEW_TYPE_DOUBLE) {
        put_finite(sink, value->real);
        return;
    }
    snprintf(text, sizeof text, "%" PRId64, value->integer);
    put_text(sink, text);
}

/* DEL and the second block of control characters (U+0080 to U+009F) steer terminals just as the first does.
 */
static bool is_second_block(const char *at, const char *end) {
    return (uint8_t)at[0] == 0xC2 && end - at > 1 && (uint8_t)at[1] >= 0x80 && (uint8_t)at[1] <= 0x9F;
}

static void put_quoted(struct sink *sink, const char *text, size_t size) {
    const char *end = text + size;
    const char *plain = text;

    put_text(sink, "\"");
    for (const char *at = text; at < end; at++) {
        bool second = is_second_block(at, end);
        uint8_t byte = (uint8_t)(second ? at[1] : at[0]);
        char escape[8];
        if (!second && byte >= 0x20 && byte != 0x7F && byte != '"' && byte != '\\')
            continue;
        if (byte == '"' || byte == '\\')
            snprintf(escape, sizeof escape, "\\%c", byte);
        else if (byte == '\n')
            snprintf(escape, sizeof escape, "\\n");
        else
            snprintf(escape, sizeof escape, "\\u%04x", byte);
        put(sink, plain, (size_t)(at - plain));
        put_text(sink, escape);
        at += second;
        plain = at + 1;
    }
    put(sink, plain, (size_t)(end - plain));
    put_text(sink, "\"");
}

/* A value without members, inside JSON. */
static void put_json_scalar(struct sink *sink, const clew_value_view *value) {
    switch (value->type) {
    case CLEW_TYPE_STRING:
        put_quoted(sink, (const char *)value->data.data, value->data.size);
        break;
    case CLEW_TYPE_BYTES:
        put_text(sink, "\"");
        put_base64(sink, value->data);
        put_text(sink, "\"");
        break;
    case CLEW_TYPE_BOOL:
        put_text(sink, value->boolean ? "true" : "false");
        break;
    case CLEW_TYPE_DOUBLE:
        if (!isfinite(value->real)) {
            put_text(sink, "\"");
            put_text(sink, name_of_not_finite(value->real));
            put_text(sink, "\"");
            break;
        }
        put_number(sink, value);
        break;
    case CLEW_TYPE_INT:
        put_number(sink, value);
        break;
    default:
        put_text(sink, "null");
        break;
    }
}

struct level {
    clew_iterator members;
    bool is_map;
    bool has_some;
};

static void open_level(struct sink *sink, struct level *level, const clew_value_view *value) {
    level->members = clew_value_members(value);
    level->is_map = value->type == CLEW_TYPE_MAP;
    level->has_some = false;
    put_text(sink, level->is_map ? "{" : "[");
}

static bool next_member(struct sink *sink, struct level *level, clew_value_view *out) {
    clew_attribute_view member;

    if (level->is_map ? !clew_next_attribute(&level->members, &member)
                      : !clew_next_value(&level->members, out)) {
        put_text(sink, level->is_map ? "}" : "]");
        return false;
    }
    if (level->has_some)
        put_text(sink, ",");
    level->has_some = true;
    if (level->is_map) {
        put_quoted(sink, member.key.data, member.key.size);
        put_text(sink, ":");
        *out = member.value;
    }
    return true;
}

static void put_json(struct sink *sink, const clew_value_view *value) {
    struct level levels[DEPTH_MAX];
    size_t depth = 1;
    clew_value_view member;

    open_level(sink, &levels[0], value);
    while (depth) {
        if (!next_member(sink, &levels[depth - 1], &member))
            depth--;
        else if (member.type != CLEW_TYPE_ARRAY && member.type != CLEW_TYPE_MAP)
            put_json_scalar(sink, &member);
        else if (depth == DEPTH_MAX)
            put_text(sink, "null");
        else
            open_level(sink, &levels[depth++], &member);
    }
}

size_t clew__text_cut(const char *text, size_t size, size_t limit) {
    size_t end = limit;

    if (size <= limit)
        return size;
    while (end && ((uint8_t)text[end] & 0xC0) == 0x80)
        end--;
    return end;
}

size_t clew_value_view_text(const clew_value_view *value, char *buffer, size_t capacity) {
    struct sink sink = {buffer, capacity, 0};

    switch (value->type) {
    case CLEW_TYPE_EMPTY:
        break;
    case CLEW_TYPE_STRING:
        put(&sink, (const char *)value->data.data, value->data.size);
        break;
    case CLEW_TYPE_BYTES:
        put_base64(&sink, value->data);
        break;
    case CLEW_TYPE_ARRAY:
    case CLEW_TYPE_MAP:
        put_json(&sink, value);
        break;
    case CLEW_TYPE_DOUBLE:
        if (!isfinite(value->real)) {
            put_text(&sink, name_of_not_finite(value->real));
            break;
        }
        put_number(&sink, value);
        break;
    default:
        put_json_scalar(&sink, value);
        break;
    }
    /* A text that was cut fills the buffer, so that the byte at the cut can be looked at. */
    if (capacity)
        buffer[clew__text_cut(buffer, sink.size, capacity - 1)] = '\0';
    return sink.size;
}
