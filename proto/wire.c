/* The protobuf wire format. Owns nothing: the writer's memory is its caller's, the reader points into what it
 * was given. Any thread. */
#include "proto/wire.h"

#include "proto/otlp.h"
#include "proto/schema.h"
#include "proto/utf8.h"

/* A varint member with the largest field number: what fits this needs no exact count. */
#define MEMBER_MAX (5 + CLEW__VARINT_MAX)

/* ---- writing ---- */

bool clew__writer_reserve(struct clew__writer *writer, size_t more) {
    if (writer->failed)
        return false;
    if (writer->capacity - writer->size >= more)
        return true;
    if (writer->grow && writer->grow(writer, more) && writer->capacity - writer->size >= more)
        return true;
    writer->failed = true;
    return false;
}

static size_t tag_size(uint32_t field) {
    return clew__varint_size((uint64_t)field << 3);
}

/* Room for one member. Asks for the exact size only where the most that it may take does not fit. */
static bool reserve_member(struct clew__writer *writer, size_t exact) {
    if (writer->capacity - writer->size >= MEMBER_MAX && !writer->failed)
        return true;
    return clew__writer_reserve(writer, exact);
}

static void wrote_up_to(struct clew__writer *writer, const uint8_t *at) {
    writer->size = (size_t)(at - writer->data);
}

void clew__write_raw(struct clew__writer *writer, const void *bytes, size_t size) {
    if (size == 0 || !clew__writer_reserve(writer, size))
        return;
    memcpy(writer->data + writer->size, bytes, size);
    writer->size += size;
}

void clew__write_varint(struct clew__writer *writer, uint32_t field, uint64_t value) {
    uint8_t *at;
    if (!reserve_member(writer, tag_size(field) + clew__varint_size(value)))
        return;
    at = clew__put_tag(writer->data + writer->size, field, CLEW__WIRE_VARINT);
    wrote_up_to(writer, clew__put_varint(at, value));
}

void clew__write_fixed64(struct clew__writer *writer, uint32_t field, uint64_t value) {
    uint8_t *at;
    if (!reserve_member(writer, tag_size(field) + 8))
        return;
    at = clew__put_tag(writer->data + writer->size, field, CLEW__WIRE_I64);
    wrote_up_to(writer, clew__put_fixed64(at, value));
}

void clew__write_fixed32(struct clew__writer *writer, uint32_t field, uint32_t value) {
    uint8_t *at;
    if (!reserve_member(writer, tag_size(field) + 4))
        return;
    at = clew__put_tag(writer->data + writer->size, field, CLEW__WIRE_I32);
    wrote_up_to(writer, clew__put_fixed32(at, value));
}

void clew__write_bytes(struct clew__writer *writer, uint32_t field, const void *bytes, size_t size) {
    uint8_t *at;
    size_t head = tag_size(field) + clew__varint_size(size);
    if (size > SIZE_MAX - head) {
        writer->failed = true;
        return;
    }
    if (!clew__writer_reserve(writer, head + size))
        return;
    at = clew__put_tag(writer->data + writer->size, field, CLEW__WIRE_BYTES);
    at = clew__put_varint(at, size);
    if (size > 0)
        memcpy(at, bytes, size);
    wrote_up_to(writer, at + size);
}

size_t clew__write_begin(struct clew__writer *writer, uint32_t field) {
    uint8_t *at;
    if (!reserve_member(writer, tag_size(field) + 1))
        return writer->size;
    at = clew__put_tag(writer->data + writer->size, field, CLEW__WIRE_BYTES);
    *at = 0;
    wrote_up_to(writer, at + 1);
    return writer->size - 1;
}

void clew__write_end(struct clew__writer *writer, size_t begun) {
    size_t content, length_size;
    if (writer->failed)
        return;
    content = writer->size - begun - 1;
    if (content < 0x80) {
        writer->data[begun] = (uint8_t)content;
        return;
    }
    length_size = clew__varint_size(content);
    if (!clew__writer_reserve(writer, length_size - 1))
        return;
    memmove(writer->data + begun + length_size, writer->data + begun + 1, content);
    clew__put_varint(writer->data + begun, content);
    writer->size += length_size - 1;
}

/* ---- reading ---- */

const char *clew__wire_error_text(enum clew__wire_error error) {
    switch (error) {
    case CLEW__WIRE_OK:
        return "well-formed";
    case CLEW__WIRE_TRUNCATED:
        return "a member runs past the end";
    case CLEW__WIRE_VARINT_LONG:
        return "a varint has more than 64 bits";
    case CLEW__WIRE_BAD_FIELD:
        return "a field number is out of range";
    case CLEW__WIRE_BAD_TYPE:
        return "a wire type is unknown, or a group";
    case CLEW__WIRE_WRONG_TYPE:
        return "a field has another wire type than its own";
    case CLEW__WIRE_BAD_LENGTH:
        return "an id has the wrong length";
    case CLEW__WIRE_BAD_UTF8:
        return "a text is not UTF-8";
    case CLEW__WIRE_TOO_DEEP:
        return "values are nested too deep";
    case CLEW__WIRE_TOO_MANY:
        return "there are too many members";
    case CLEW__WIRE_TOO_LARGE:
        return "the message is too large";
    }
    return "unknown fault";
}

/* What stands at a cursor, and where it breaks a rule. */
struct cursor {
    const uint8_t *at;
    const uint8_t *end;
    enum clew__wire_error error;
};

static bool breaks(struct cursor *cursor, enum clew__wire_error error, const uint8_t *where) {
    cursor->error = error;
    cursor->at = where;
    return false;
}

static bool take_varint(struct cursor *cursor, uint64_t *value) {
    const uint8_t *at = cursor->at;
    uint64_t result = 0;
    if (at < cursor->end && *at < 0x80) {
        *value = *at;
        cursor->at++;
        return true;
    }
    for (unsigned shift = 0;; shift += 7, at++) {
        if (at == cursor->end)
            return breaks(cursor, CLEW__WIRE_TRUNCATED, at);
        if (shift == 63 && *at > 1) /* the tenth byte has room for one bit, and is the last */
            return breaks(cursor, CLEW__WIRE_VARINT_LONG, at);
        result |= (uint64_t)(*at & 0x7F) << shift;
        if (*at < 0x80) {
            *value = result;
            cursor->at = at + 1;
            return true;
        }
    }
}

static bool take_fixed(struct cursor *cursor, unsigned size, uint64_t *value) {
    uint64_t result = 0;
    if ((size_t)(cursor->end - cursor->at) < size)
        return breaks(cursor, CLEW__WIRE_TRUNCATED, cursor->end);
    for (unsigned i = 0; i < size; i++)
        result |= (uint64_t)cursor->at[i] << (8 * i);
    *value = result;
    cursor->at += size;
    return true;
}

static bool take_bytes(struct cursor *cursor, struct clew__wire *bytes) {
    const uint8_t *length_at = cursor->at;
    uint64_t length;
    if (!take_varint(cursor, &length))
        return false;
    if (length > (uint64_t)(cursor->end - cursor->at))
        return breaks(cursor, CLEW__WIRE_TRUNCATED, length_at);
    bytes->at = cursor->at;
    bytes->end = cursor->at + length;
    cursor->at = bytes->end;
    return true;
}

/* One member; the cursor is not at its end. When it breaks a rule the cursor stands at the byte that does. */
static bool take_member(struct cursor *cursor, struct clew__field *out) {
    const uint8_t *tag_at = cursor->at;
    uint64_t tag;
    if (!take_varint(cursor, &tag))
        return false;
    if (tag > UINT32_MAX || tag >> 3 == 0)
        return breaks(cursor, CLEW__WIRE_BAD_FIELD, tag_at);
    out->field = (uint32_t)(tag >> 3);
    out->type = (enum clew__wire_type)(tag & 7);
    out->number = 0;
    out->bytes = (struct clew__wire){NULL, NULL};
    switch (out->type) {
    case CLEW__WIRE_VARINT:
        return take_varint(cursor, &out->number);
    case CLEW__WIRE_I64:
        return take_fixed(cursor, 8, &out->number);
    case CLEW__WIRE_BYTES:
        return take_bytes(cursor, &out->bytes);
    case CLEW__WIRE_I32:
        return take_fixed(cursor, 4, &out->number);
    }
    return breaks(cursor, CLEW__WIRE_BAD_TYPE, tag_at);
}

static inline bool take_short(struct cursor *cursor, struct clew__field *out) {
    struct clew__wire wire = {cursor->at, cursor->end};
    bool taken = clew__wire_next_short(&wire, out);
    cursor->at = wire.at;
    return taken;
}

bool clew__wire_next(struct clew__wire *wire, struct clew__field *out, enum clew__wire_error *error) {
    struct cursor cursor = {wire->at, wire->end, CLEW__WIRE_OK};
    *error = CLEW__WIRE_OK;
    if (clew__wire_next_short(wire, out))
        return true;
    bool taken = cursor.at != cursor.end && take_member(&cursor, out);
    *error = cursor.error;
    if (taken)
        wire->at = cursor.at;
    return taken;
}

/* ---- checking a request ---- */

struct clew__wire_limits clew__wire_limits_default(void) {
    struct clew__wire_limits limits = {(size_t)64 << 20, CLEW__VALUE_DEPTH_MAX, (uint64_t)16 << 20};
    return limits;
}

/* A message that is open: what lies within it ends where it goes on. */
struct frame {
    const uint8_t *end;
    enum clew__message message;
};

static bool check_content(struct cursor *cursor, const struct clew__member *member,
                          const struct clew__wire *bytes) {
    size_t size = (size_t)(bytes->end - bytes->at),
           id_size = clew__schema_id_size((enum clew__kind)member->kind);
    if (member->kind == CLEW__KIND_TEXT) {
        if (clew__utf8_is_ascii((const char *)bytes->at, size))
            return true;
        size_t valid = clew__utf8_valid_size((const char *)bytes->at, size);
        return valid == size || breaks(cursor, CLEW__WIRE_BAD_UTF8, bytes->at + valid);
    }
    if (id_size == 0 || size == id_size)
        return true;
    if (size == 0 &&
        (member->kind == CLEW__KIND_TRACE_ID_OR_EMPTY || member->kind == CLEW__KIND_SPAN_ID_OR_EMPTY))
        return true;
    return breaks(cursor, CLEW__WIRE_BAD_LENGTH, bytes->at);
}

/* Members of a key and a value: the key, the value, and what it is. */
#define PLAIN_PAIR_MEMBERS 3
#define TAG_OF(field, type) ((field) << 3 | (type))

/* What a value says, where that is a short string or a small number. */
static bool is_plain_value(const uint8_t *any, ptrdiff_t size) {
    if (any[0] == TAG_OF(CLEW__ANY_STRING, CLEW__WIRE_BYTES))
        return any[1] == size - 2 && clew__utf8_valid((const char *)any + 2, any[1]);
    return any[0] == TAG_OF(CLEW__ANY_INT, CLEW__WIRE_VARINT) &&
           (size == 2 ? any[1] < 0x80 : size == 3 && any[1] >= 0x80 && any[2] < 0x80);
}

/* A short key and such a value behind it, as nearly all attributes are: sound as a whole. All others, and
 * what is wrong in one, are left to the walk. */
static bool is_plain_pair(const struct clew__wire *pair) {
    const uint8_t *key = pair->at, *value;
    ptrdiff_t size = pair->end - key, rest;
    if (size < 6 || key[0] != TAG_OF(CLEW__KEYVALUE_KEY, CLEW__WIRE_BYTES) || key[1] > size - 6)
        return false;
    value = key + 2 + key[1];
    rest = pair->end - value - 2;
    if (value[0] != TAG_OF(CLEW__KEYVALUE_VALUE, CLEW__WIRE_BYTES) || rest >= 0x80 || value[1] != rest)
        return false;
    return key[1] < 0x80 && clew__utf8_valid((const char *)key + 2, key[1]) &&
           is_plain_value(value + 2, rest);
}

static bool walk(struct cursor *cursor, const struct clew__wire_limits *limits) {
    struct frame frames[CLEW__MESSAGE_DEPTH_MAX];
    uint32_t open = 1, depth = 0;
    uint32_t depth_max = limits->depth < CLEW__VALUE_DEPTH_MAX ? limits->depth : CLEW__VALUE_DEPTH_MAX;
    uint64_t members = 0;
    frames[0] = (struct frame){cursor->end, CLEW__TRACES};
    while (open > 0) {
        struct frame *frame = &frames[open - 1];
        const uint8_t *tag_at = cursor->at;
        const struct clew__member *member;
        struct clew__field field;
        if (tag_at == frame->end) {
            depth -= clew__schema_nests(frame->message);
            open--;
            continue;
        }
        cursor->end = frame->end;
        if (!take_short(cursor, &field) && !take_member(cursor, &field))
            return false;
        if (members++ >= limits->members)
            return breaks(cursor, CLEW__WIRE_TOO_MANY, tag_at);
        member = clew__schema_member(frame->message, field.field);
        if (!member)
            continue;
        if (field.type != clew__schema_wire_type((enum clew__kind)member->kind))
            return breaks(cursor, CLEW__WIRE_WRONG_TYPE, tag_at);
        if (member->kind != CLEW__KIND_MESSAGE) {
            if (field.type == CLEW__WIRE_BYTES && !check_content(cursor, member, &field.bytes))
                return false;
            continue;
        }
        if (member->message == CLEW__KEYVALUE && limits->members - members >= PLAIN_PAIR_MEMBERS &&
            is_plain_pair(&field.bytes)) {
            members += PLAIN_PAIR_MEMBERS;
            continue;
        }
        if (clew__schema_nests((enum clew__message)member->message) && depth++ >= depth_max)
            return breaks(cursor, CLEW__WIRE_TOO_DEEP, tag_at);
        frames[open++] = (struct frame){field.bytes.end, (enum clew__message)member->message};
        cursor->at = field.bytes.at;
    }
    return true;
}

enum clew__wire_error clew__wire_check_traces(const void *data, size_t size,
                                              const struct clew__wire_limits *limits,
                                              struct clew__wire_fault *fault) {
    struct clew__wire wire = clew__wire_of(data, size);
    struct cursor cursor = {wire.at, wire.end, CLEW__WIRE_OK};
    struct clew__wire_limits defaults = clew__wire_limits_default();
    size_t offset = 0;
    if (!limits)
        limits = &defaults;
    if (size > limits->bytes) {
        cursor.error = CLEW__WIRE_TOO_LARGE;
        offset = limits->bytes;
    } else if (!walk(&cursor, limits)) {
        offset = (size_t)(cursor.at - wire.at);
    }
    if (fault)
        *fault = (struct clew__wire_fault){cursor.error, offset};
    return cursor.error;
}
