/* OTLP messages as JSON text. Walks the wire bytes with a stack of its own, so that depth costs no recursion.
 * Owns nothing; any thread. */
#include "proto/json.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/otlp.h"
#include "proto/schema.h"
#include "proto/utf8.h"

/* ---- scalars ---- */

static const char hex_digits[] = "0123456789abcdef";

static void put_char(struct clew__writer *writer, char c) {
    clew__write_raw(writer, &c, 1);
}

static void put_text(struct clew__writer *writer, const char *text) {
    clew__write_raw(writer, text, strlen(text));
}

/* The escape of the character that begins at `at`; 0 when it needs none. `taken` is its size. What is escaped
 * besides the rules of JSON: DEL and the C1 controls, which terminals obey, and the line ends of JavaScript.
 */
static size_t escape(const unsigned char *at, size_t size, size_t *taken, char out[6]) {
    static const char short_escapes[] = "btn\0fr";
    unsigned code = *at;
    *taken = 1;
    out[0] = '\\';
    if (code == '"' || code == '\\') {
        out[1] = (char)code;
        return 2;
    }
    if (code >= '\b' && code <= '\r' && code != '\v') {
        out[1] = short_escapes[code - '\b'];
        return 2;
    }
    if (code == 0xC2 && size >= 2 && at[1] < 0xA0) {
        *taken = 2;
        code = at[1];
    } else if (code == 0xE2 && size >= 3 && at[1] == 0x80 && (at[2] & 0xFE) == 0xA8) {
        *taken = 3;
        code = 0x2000u | (at[2] & 0x3Fu);
    } else if (code >= 0x20 && code != 0x7F) {
        return 0;
    }
    out[1] = 'u';
    for (int i = 0; i < 4; i++)
        out[2 + i] = hex_digits[(code >> (12 - 4 * i)) & 0xF];
    return 6;
}

static void put_escaped(struct clew__writer *writer, const char *text, size_t size) {
    size_t plain = 0, at = 0;
    while (at < size) {
        unsigned char c = (unsigned char)text[at];
        char escaped[6];
        size_t taken, length;
        if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7F && c != 0xC2 && c != 0xE2) {
            at++;
            continue;
        }
        length = escape((const unsigned char *)text + at, size - at, &taken, escaped);
        if (length > 0) {
            clew__write_raw(writer, text + plain, at - plain);
            clew__write_raw(writer, escaped, length);
            plain = at + taken;
        }
        at += taken;
    }
    clew__write_raw(writer, text + plain, size - plain);
}

static void put_string(struct clew__writer *writer, const struct clew__wire *bytes) {
    const char *text = (const char *)bytes->at;
    size_t size = (size_t)(bytes->end - bytes->at);
    put_char(writer, '"');
    while (size > 0) {
        size_t valid = clew__utf8_valid_size(text, size), invalid;
        put_escaped(writer, text, valid);
        if (valid == size)
            break;
        put_text(writer, "\xEF\xBF\xBD");
        invalid = clew__utf8_invalid_size(text + valid, size - valid);
        text += valid + invalid;
        size -= valid + invalid;
    }
    put_char(writer, '"');
}

static void put_hex(struct clew__writer *writer, const struct clew__wire *bytes) {
    put_char(writer, '"');
    for (const uint8_t *at = bytes->at; at < bytes->end; at++) {
        char pair[2] = {hex_digits[*at >> 4], hex_digits[*at & 0xF]};
        clew__write_raw(writer, pair, 2);
    }
    put_char(writer, '"');
}

static void put_base64(struct clew__writer *writer, const struct clew__wire *bytes) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *at = bytes->at;
    put_char(writer, '"');
    while (at < bytes->end) {
        size_t left = (size_t)(bytes->end - at);
        uint32_t group = (uint32_t)at[0] << 16;
        char out[4];
        if (left > 1)
            group |= (uint32_t)at[1] << 8;
        if (left > 2)
            group |= at[2];
        out[0] = digits[group >> 18];
        out[1] = digits[(group >> 12) & 63];
        out[2] = left > 1 ? digits[(group >> 6) & 63] : '=';
        out[3] = left > 2 ? digits[group & 63] : '=';
        clew__write_raw(writer, out, 4);
        at += left < 3 ? left : 3;
    }
    put_char(writer, '"');
}

static void put_unsigned(struct clew__writer *writer, uint64_t value) {
    char text[20];
    size_t at = sizeof text;
    do {
        text[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    clew__write_raw(writer, text + at, sizeof text - at);
}

static void put_signed(struct clew__writer *writer, int64_t value) {
    if (value < 0)
        put_char(writer, '-');
    put_unsigned(writer, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

static void put_fixed64_list(struct clew__writer *writer, const struct clew__wire *bytes) {
    put_char(writer, '[');
    for (const uint8_t *at = bytes->at; bytes->end - at >= 8; at += 8) {
        uint64_t value = 0;
        for (int i = 0; i < 8; i++)
            value |= (uint64_t)at[i] << (8 * i);
        put_text(writer, at == bytes->at ? "\"" : ",\"");
        put_unsigned(writer, value);
        put_char(writer, '"');
    }
    put_char(writer, ']');
}

/* The shortest digits that read back as the same number. */
static void put_finite(struct clew__writer *writer, double value) {
    char text[64];
    int saved_errno = errno;
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(text, sizeof text, "%.*g", precision, value);
        if (precision == 17 || strtod(text, NULL) == value)
            break;
    }
    errno = saved_errno;
    for (const char *at = text; *at;) {
        size_t number = strspn(at, "0123456789+-e");
        clew__write_raw(writer, at, number);
        at += number;
        /* All else is the decimal point of the host's locale. */
        if (*at) {
            put_char(writer, '.');
            at += strcspn(at, "0123456789+-e");
        }
    }
}

static void put_double(struct clew__writer *writer, uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    if (isnan(value))
        put_text(writer, "\"NaN\"");
    else if (isinf(value))
        put_text(writer, value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
    else
        put_finite(writer, value);
}

static void put_scalar(struct clew__writer *writer, enum clew__kind kind, const struct clew__field *field) {
    switch (kind) {
    case CLEW__KIND_TEXT:
        put_string(writer, &field->bytes);
        break;
    case CLEW__KIND_BYTES:
        put_base64(writer, &field->bytes);
        break;
    case CLEW__KIND_TRACE_ID:
    case CLEW__KIND_SPAN_ID:
    case CLEW__KIND_TRACE_ID_OR_EMPTY:
    case CLEW__KIND_SPAN_ID_OR_EMPTY:
        put_hex(writer, &field->bytes);
        break;
    case CLEW__KIND_BOOL:
        put_text(writer, field->number != 0 ? "true" : "false");
        break;
    case CLEW__KIND_INT64:
    case CLEW__KIND_SFIXED64:
        put_char(writer, '"');
        put_signed(writer, (int64_t)field->number);
        put_char(writer, '"');
        break;
    case CLEW__KIND_FIXED64:
        put_char(writer, '"');
        put_unsigned(writer, field->number);
        put_char(writer, '"');
        break;
    case CLEW__KIND_FIXED64_LIST:
        put_fixed64_list(writer, &field->bytes);
        break;
    case CLEW__KIND_UINT32:
    case CLEW__KIND_FIXED32:
        put_unsigned(writer, (uint32_t)field->number);
        break;
    case CLEW__KIND_SPAN_KIND:
    case CLEW__KIND_STATUS_CODE:
    case CLEW__KIND_TEMPORALITY:
        put_signed(writer, (int32_t)field->number);
        break;
    case CLEW__KIND_DOUBLE:
        put_double(writer, field->number);
        break;
    case CLEW__KIND_NONE:
    case CLEW__KIND_MESSAGE:
        break;
    }
}

void clew__json_put_string(struct clew__writer *writer, const void *text, size_t size) {
    const struct clew__wire bytes = clew__wire_of(text, size);
    put_string(writer, &bytes);
}

void clew__json_put_double(struct clew__writer *writer, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_double(writer, bits);
}

/* ---- messages ---- */

/* A message whose '{' is written. Its scalars are written too; `nested` has the bits of the fields that are
 * still to come. */
struct frame {
    struct clew__wire all;
    struct clew__wire left; /* behind the last element of `list` */
    enum clew__message message;
    uint32_t nested;
    uint32_t list;     /* the field whose elements are being written, or 0 */
    bool list_started; /* one was written */
    bool started;      /* a member was written */
};

struct json {
    struct clew__writer *writer;
    uint32_t open, depth;
    struct frame frames[CLEW__MESSAGE_DEPTH_MAX];
};

/* The next member that the message has, in its own wire type. */
static const struct clew__member *next_known(enum clew__message message, struct clew__wire *wire,
                                             struct clew__field *field) {
    enum clew__wire_error error;
    while (clew__wire_next(wire, field, &error)) {
        const struct clew__member *member = clew__schema_member(message, field->field);
        if (member && field->type == clew__schema_wire_type((enum clew__kind)member->kind))
            return member;
    }
    return NULL;
}

/* Whether proto3 leaves the member out: zero, empty, or an id that is none. */
static bool is_absent(const struct clew__member *member, const struct clew__field *field) {
    size_t size = (size_t)(field->bytes.end - field->bytes.at);
    size_t id_size = clew__schema_id_size((enum clew__kind)member->kind);
    if (member->optional)
        return false;
    if (id_size > 0)
        return size != id_size;
    if (field->type == CLEW__WIRE_BYTES)
        return size == 0;
    if (member->kind == CLEW__KIND_FIXED64)
        return field->number == 0;
    return (uint32_t)field->number == 0;
}

static void put_key(struct json *json, struct frame *frame, const struct clew__member *member) {
    put_text(json->writer, frame->started ? ",\"" : "\"");
    put_text(json->writer, member->name);
    put_text(json->writer, "\":");
    frame->started = true;
}

/* Begins a message: writes its scalars and notes what is nested in it. */
static void open_message(struct json *json, enum clew__message message, struct clew__wire wire) {
    struct clew__field last[CLEW__SCHEMA_FIELD_MAX + 1], field;
    struct frame *frame = &json->frames[json->open++];
    struct clew__wire rest = wire;
    const struct clew__member *member;
    uint32_t scalars = 0;
    memset(frame, 0, sizeof *frame);
    frame->all = wire;
    frame->message = message;
    json->depth += clew__schema_nests(message);
    while ((member = next_known(message, &rest, &field))) {
        uint32_t bit = 1u << field.field;
        if (message == CLEW__ANY) /* a oneof: the last member alone counts, also when it is zero */
            scalars = frame->nested = 0;
        if (member->kind == CLEW__KIND_MESSAGE || member->repeated) {
            frame->nested |= bit;
            continue;
        }
        last[field.field] = field;
        if (message != CLEW__ANY && is_absent(member, &field))
            scalars &= ~bit;
        else
            scalars |= bit;
    }
    if (message == CLEW__ANY && json->depth >= CLEW__VALUE_DEPTH_MAX)
        frame->nested = 0;
    put_char(json->writer, '{');
    for (uint32_t number = 1; number <= CLEW__SCHEMA_FIELD_MAX; number++) {
        if (!(scalars & (1u << number)))
            continue;
        member = &clew__schema[message][number];
        put_key(json, frame, member);
        put_scalar(json->writer, (enum clew__kind)member->kind, &last[number]);
    }
}

static void put_element(struct json *json, const struct clew__member *member,
                        const struct clew__field *field) {
    if (member->kind == CLEW__KIND_MESSAGE)
        open_message(json, (enum clew__message)member->message, field->bytes);
    else
        put_scalar(json->writer, (enum clew__kind)member->kind, field);
}

/* The next element of the list that is open, or its end. */
static void continue_list(struct json *json, struct frame *frame) {
    struct clew__field field;
    const struct clew__member *member;
    while ((member = next_known(frame->message, &frame->left, &field))) {
        if (field.field != frame->list)
            continue;
        if (frame->list_started)
            put_char(json->writer, ',');
        frame->list_started = true;
        put_element(json, member, &field);
        return;
    }
    put_char(json->writer, ']');
    frame->list = 0;
}

static void open_member(struct json *json, struct frame *frame, uint32_t number) {
    const struct clew__member *member = &clew__schema[frame->message][number];
    struct clew__wire rest = frame->all;
    struct clew__field field, last = {0};
    frame->nested &= ~(1u << number);
    put_key(json, frame, member);
    if (member->repeated) {
        put_char(json->writer, '[');
        frame->list = number;
        frame->list_started = false;
        frame->left = frame->all;
        return;
    }
    while (next_known(frame->message, &rest, &field)) {
        if (field.field == number)
            last = field;
    }
    open_message(json, (enum clew__message)member->message, last.bytes);
}

static void write_message(struct clew__writer *writer, enum clew__message message, struct clew__wire wire) {
    struct json json;
    json.writer = writer;
    json.open = json.depth = 0;
    open_message(&json, message, wire);
    while (json.open > 0 && !writer->failed) {
        struct frame *frame = &json.frames[json.open - 1];
        if (frame->list) {
            continue_list(&json, frame);
        } else if (frame->nested) {
            open_member(&json, frame, (uint32_t)__builtin_ctz(frame->nested));
        } else {
            put_char(writer, '}');
            json.depth -= clew__schema_nests(frame->message);
            json.open--;
        }
    }
}

void clew__json_write_traces(struct clew__writer *writer, const void *traces, size_t size) {
    write_message(writer, CLEW__TRACES, clew__wire_of(traces, size));
}

void clew__json_write_metrics(struct clew__writer *writer, const void *metrics, size_t size) {
    write_message(writer, CLEW__METRICS, clew__wire_of(metrics, size));
}

/* ---- values in other outputs ---- */

struct plain_frame {
    struct clew__wire left;
    bool map, started;
};

/* Writes a value, or begins it and returns true when it is an array or a map. */
static bool put_plain(struct clew__writer *writer, const struct clew__any *any) {
    switch (any->kind) {
    case CLEW__ANY_STRING:
        put_string(writer, &any->bytes);
        return false;
    case CLEW__ANY_BOOL:
        put_text(writer, any->number != 0 ? "true" : "false");
        return false;
    case CLEW__ANY_INT:
        put_signed(writer, (int64_t)any->number);
        return false;
    case CLEW__ANY_DOUBLE:
        put_double(writer, any->number);
        return false;
    case CLEW__ANY_BYTES:
        put_base64(writer, &any->bytes);
        return false;
    case CLEW__ANY_ARRAY:
    case CLEW__ANY_KVLIST:
        put_char(writer, any->kind == CLEW__ANY_ARRAY ? '[' : '{');
        return true;
    default:
        put_text(writer, "null");
        return false;
    }
}

void clew__json_write_plain(struct clew__writer *writer, const void *data, size_t size) {
    struct plain_frame frames[CLEW__VALUE_DEPTH_MAX];
    size_t open = 0;
    struct clew__any any;
    struct clew__wire element;
    clew__read_any(clew__wire_of(data, size), &any);
    for (;;) {
        struct plain_frame *frame;
        if (open == CLEW__VALUE_DEPTH_MAX && (any.kind == CLEW__ANY_ARRAY || any.kind == CLEW__ANY_KVLIST))
            any.kind = 0;
        if (put_plain(writer, &any))
            frames[open++] = (struct plain_frame){any.bytes, any.kind == CLEW__ANY_KVLIST, false};
        while (open > 0 && !clew__next_member(&frames[open - 1].left, CLEW__LIST_VALUES, &element)) {
            put_char(writer, frames[open - 1].map ? '}' : ']');
            open--;
        }
        if (open == 0 || writer->failed)
            return;
        frame = &frames[open - 1];
        if (frame->started)
            put_char(writer, ',');
        frame->started = true;
        if (frame->map) {
            struct clew__keyvalue keyvalue;
            clew__read_keyvalue(element, &keyvalue);
            put_string(writer, &keyvalue.key);
            put_char(writer, ':');
            any = keyvalue.value;
        } else {
            clew__read_any(element, &any);
        }
    }
}
