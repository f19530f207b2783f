/* Reading what stands in the wire. Owns nothing. */
#include "sdk/traces/raw.h"

bool clew__raw_next_slowly(struct clew__wire *wire, struct clew__field *out) {
    enum clew__wire_error error;
    return clew__wire_next(wire, out, &error);
}

struct clew__raw clew__raw_read_pair(struct clew__wire pair, struct clew__wire *value) {
    struct clew__raw key = {NULL, 0};
    struct clew__field field;
    *value = (struct clew__wire){NULL, NULL};
    while (clew__raw_next(&pair, &field)) {
        if (field.type != CLEW__WIRE_BYTES)
            continue;
        if (field.field == CLEW__KEYVALUE_KEY)
            key = clew__raw_of(field.bytes);
        else if (field.field == CLEW__KEYVALUE_VALUE)
            *value = field.bytes;
    }
    return key;
}

/* ---- numbers ---- */

uint64_t clew__raw_id(const uint8_t *at) {
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

bool clew__raw_hex(struct clew__raw text, size_t digits, bool pads, uint64_t *out) {
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

static uint64_t read_decimal(struct clew__raw text) {
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

uint64_t clew__raw_number(const struct clew__raw_value *value) {
    if (!value)
        return 0;
    return value->is_number ? value->number : read_decimal(value->text);
}
