/* The protobuf wire format: an append-only writer and a bounded reader.
 *
 * The reader takes bytes from strangers: it never recurses, never allocates, copies nothing, and stops at the
 * first rule that is broken. Everything here is pure; any thread. */
#ifndef CLEW_PROTO_WIRE_H
#define CLEW_PROTO_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum clew__wire_type { CLEW__WIRE_VARINT = 0, CLEW__WIRE_I64 = 1, CLEW__WIRE_BYTES = 2, CLEW__WIRE_I32 = 5 };

/* Room that one varint, one 64-bit and one 32-bit member take at most, tag (two bytes) included. */
#define CLEW__VARINT_MAX 10
#define CLEW__TAG_MAX 2

/* ---- writing into memory that is known to be large enough: each returns the byte behind what it wrote ----
 */

static inline size_t clew__varint_size(uint64_t value) {
    return (size_t)((63 - __builtin_clzll(value | 1)) / 7 + 1);
}

static inline uint8_t *clew__put_varint(uint8_t *at, uint64_t value) {
    while (value >= 0x80) {
        *at++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *at++ = (uint8_t)value;
    return at;
}

static inline uint8_t *clew__put_tag(uint8_t *at, uint32_t field, enum clew__wire_type type) {
    return clew__put_varint(at, ((uint64_t)field << 3) | (uint64_t)type);
}

static inline uint8_t *clew__put_fixed64(uint8_t *at, uint64_t value) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    memcpy(at, &value, 8);
#else
    for (int i = 0; i < 8; i++)
        at[i] = (uint8_t)(value >> (8 * i));
#endif
    return at + 8;
}

static inline uint8_t *clew__put_fixed32(uint8_t *at, uint32_t value) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    memcpy(at, &value, 4);
#else
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (8 * i));
#endif
    return at + 4;
}

static inline uint64_t clew__get_fixed64(const uint8_t *at) {
    uint64_t value = 0;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    memcpy(&value, at, 8);
#else
    for (int i = 0; i < 8; i++)
        value |= (uint64_t)at[i] << (8 * i);
#endif
    return value;
}

/* ---- the writer: appends to a buffer that grows, or fails for good ---- */

struct clew__writer {
    uint8_t *data;
    size_t size;
    size_t capacity;
    bool failed; /* set when `grow` said no; nothing is written from then on */
    /* Makes room for at least `more` bytes behind `size`: sets data and capacity, or returns false. NULL:
     * fixed. */
    bool (*grow)(struct clew__writer *writer, size_t more);
    void *user;
};

/* Room for `more` bytes, or false and `failed`. */
bool clew__writer_reserve(struct clew__writer *writer, size_t more);
void clew__write_raw(struct clew__writer *writer, const void *bytes, size_t size);
void clew__write_varint(struct clew__writer *writer, uint32_t field, uint64_t value);
void clew__write_fixed64(struct clew__writer *writer, uint32_t field, uint64_t value);
void clew__write_fixed32(struct clew__writer *writer, uint32_t field, uint32_t value);
void clew__write_bytes(struct clew__writer *writer, uint32_t field, const void *bytes, size_t size);

/* A nested message: begin writes the tag and returns where its length goes; end fixes the length, in as few
 * bytes as it needs (content moves when that is more than one). Nested calls close in reverse order. */
size_t clew__write_begin(struct clew__writer *writer, uint32_t field);
void clew__write_end(struct clew__writer *writer, size_t begun);

/* ---- the reader ---- */

enum clew__wire_error {
    CLEW__WIRE_OK = 0,
    CLEW__WIRE_TRUNCATED,   /* a member runs past the end */
    CLEW__WIRE_VARINT_LONG, /* more than ten bytes, or bits beyond 64 */
    CLEW__WIRE_BAD_FIELD,   /* field number 0 or over 2^29-1 */
    CLEW__WIRE_BAD_TYPE,    /* a wire type that is unknown, or a group */
    CLEW__WIRE_WRONG_TYPE,  /* a known field with another wire type than its own */
    CLEW__WIRE_BAD_LENGTH,  /* an id that is not 8 or 16 bytes, where it must be */
    CLEW__WIRE_BAD_UTF8,
    CLEW__WIRE_TOO_DEEP,
    CLEW__WIRE_TOO_MANY, /* more members than the limit */
    CLEW__WIRE_TOO_LARGE,
};
const char *clew__wire_error_text(enum clew__wire_error error);

struct clew__wire {
    const uint8_t *at;
    const uint8_t *end;
};

static inline struct clew__wire clew__wire_of(const void *data, size_t size) {
    struct clew__wire wire = {(const uint8_t *)data,
                              data ? (const uint8_t *)data + size : (const uint8_t *)data};
    return wire;
}

/* One member. `number` holds a varint, I64 or I32; `bytes` the content of a BYTES member. */
struct clew__field {
    uint32_t field;
    enum clew__wire_type type;
    uint64_t number;
    struct clew__wire bytes;
};

/* The next member into `out`. Returns true; or false at the end (`*error` is OK) or at the first malformed
 * byte (`*error` says which rule; `wire->at` stays at that member's tag). */
bool clew__wire_next(struct clew__wire *wire, struct clew__field *out, enum clew__wire_error *error);

static inline uint64_t clew__get_fixed(const uint8_t *at, unsigned size) {
    uint64_t value = 0;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    memcpy(&value, at, size);
#else
    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)at[i] << (8 * i);
#endif
    return value;
}

/* The next member where it is one of those that nearly all are: its tag is one byte, and its length or varint
 * one or two. False, and nothing changed but `out`, for all others and at the end. */
static inline bool clew__wire_next_short(struct clew__wire *wire, struct clew__field *out) {
    const uint8_t *at = wire->at;
    unsigned value, read = 2;
    if (wire->end - at < 3 || at[0] < 8 || at[0] >= 0x80)
        return false;
    out->field = (uint32_t)at[0] >> 3;
    out->type = (enum clew__wire_type)(at[0] & 7);
    out->number = 0;
    out->bytes.at = out->bytes.end = NULL;
    if (out->type == CLEW__WIRE_I64 || out->type == CLEW__WIRE_I32) {
        unsigned size = out->type == CLEW__WIRE_I64 ? 8 : 4;
        if (wire->end - at < 1 + (ptrdiff_t)size)
            return false;
        out->number = size == 8 ? clew__get_fixed(at + 1, 8) : clew__get_fixed(at + 1, 4);
        wire->at = at + 1 + size;
        return true;
    }
    value = at[1];
    if (value >= 0x80) {
        if (at[2] >= 0x80)
            return false;
        value = (value & 0x7F) | (unsigned)at[2] << 7;
        read = 3;
    }
    at += read;
    if (out->type == CLEW__WIRE_BYTES && value <= (size_t)(wire->end - at)) {
        out->bytes.at = at;
        out->bytes.end = wire->at = at + value;
        return true;
    }
    if (out->type == CLEW__WIRE_VARINT) {
        out->number = value;
        wire->at = at;
        return true;
    }
    return false;
}

/* ---- a whole request from a stranger ---- */

struct clew__wire_limits {
    size_t bytes;     /* of the request */
    uint32_t depth;   /* of nested values (arrays, maps); more than 64 counts as 64 */
    uint64_t members; /* fields in all */
};
struct clew__wire_limits clew__wire_limits_default(void); /* 64 MiB, 64 levels, 16 million */

struct clew__wire_fault {
    enum clew__wire_error error;
    /* Of the byte that breaks the rule: for what is truncated the end of the message that it is in (a length
     * that reaches too far: its own first byte), for a wrong id or text its content, for a bad field, a bad
     * type, depth and count the tag. */
    size_t offset;
};

/* Walks a TracesData / ExportTraceServiceRequest down to the last value, without recursion: every length,
 * wire type of a known field, id length, UTF-8 text and limit is checked; unknown fields are passed over.
 * What passes can be read by the views without further checks. Returns CLEW__WIRE_OK or the first fault. */
enum clew__wire_error clew__wire_check_traces(const void *data, size_t size,
                                              const struct clew__wire_limits *limits,
                                              struct clew__wire_fault *fault);

#endif
