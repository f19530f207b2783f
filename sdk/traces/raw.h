/* What stands in the wire, before anybody knows what it means: texts, values, pairs of attributes, numbers in
 * texts. Pure; any thread.
 *
 * The bytes have passed the checker, or come from this process; the readers stay within them all the same. */
#ifndef CLEW_TRACES_RAW_H
#define CLEW_TRACES_RAW_H

#if defined(__GNUC__) && !defined(__clang__)
/* gcc packs the two pointers of each run of bytes into one vector register, to take them apart at once: that
 * cost a quarter of the time of decoding. */
#pragma GCC optimize("no-tree-slp-vectorize")
#endif

#include "proto/otlp.h"
#include "proto/wire.h"

struct clew__raw {
    const uint8_t *at; /* NULL: absent */
    size_t size;
};

/* A value as far as it is asked for: text, or a number. */
struct clew__raw_value {
    struct clew__raw text;
    uint64_t number;
    bool is_number;
};

/* For members that clew__wire_next_short() leaves. Works on copies, so that the compiler may keep the
 * caller's in registers. */
bool clew__raw_next_slowly(struct clew__wire *wire, struct clew__field *out);
/* Key and the bytes of the value. */
struct clew__raw clew__raw_read_pair(struct clew__wire pair, struct clew__wire *value);
/* Hexadecimal text of at most `digits` digits, as if it had zeros behind it where it is shorter and `pads`.
 */
bool clew__raw_hex(struct clew__raw text, size_t digits, bool pads, uint64_t *out);
/* A number, or a text of at most nine digits; 0 when it is none, or `value` is NULL. */
uint64_t clew__raw_number(const struct clew__raw_value *value);
/* An id of eight bytes. */
uint64_t clew__raw_id(const uint8_t *at);

static inline struct clew__raw clew__raw_of(struct clew__wire wire) {
    struct clew__raw raw = {wire.at, (size_t)(wire.end - wire.at)};
    return raw;
}

static inline bool clew__raw_is(struct clew__raw raw, const char *name, size_t size) {
    return raw.size == size && memcmp(raw.at, name, size) == 0;
}
#define CLEW__RAW_IS(raw, name) clew__raw_is(raw, name, sizeof(name) - 1)

/* The next member of a message; false at its end. */
static inline bool clew__raw_next(struct clew__wire *wire, struct clew__field *out) {
    struct clew__wire rest = *wire;
    struct clew__field field;
    if (rest.at == rest.end)
        return false;
    if (clew__wire_next_short(wire, out))
        return true;
    if (!clew__raw_next_slowly(&rest, &field))
        return false;
    *wire = rest;
    *out = field;
    return true;
}

/* A message that is nothing but one short member of bytes: what nearly every string value is. */
static inline bool clew__raw_is_just(const uint8_t *at, const uint8_t *end, uint32_t field) {
    return end - at >= 2 && at[0] == (field << 3 | CLEW__WIRE_BYTES) && at[1] < 0x80 && end - at - 2 == at[1];
}

static inline void clew__raw_read_value(struct clew__wire any, struct clew__raw_value *out) {
    struct clew__field field;
    *out = (struct clew__raw_value){{NULL, 0}, 0, false};
    if (clew__raw_is_just(any.at, any.end, CLEW__ANY_STRING)) {
        out->text.at = any.at + 2;
        out->text.size = any.at[1];
        return;
    }
    while (clew__raw_next(&any, &field)) {
        if (field.field == CLEW__ANY_STRING && field.type == CLEW__WIRE_BYTES)
            *out = (struct clew__raw_value){clew__raw_of(field.bytes), 0, false};
        else if (field.field == CLEW__ANY_INT && field.type == CLEW__WIRE_VARINT)
            *out = (struct clew__raw_value){{NULL, 0}, field.number, true};
    }
}

#endif
