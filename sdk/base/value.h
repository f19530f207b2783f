/* Attribute values onto the wire: the one encoder that spans, scopes and resources share. Pure; any thread.
 */
#ifndef CLEW_BASE_VALUE_H
#define CLEW_BASE_VALUE_H

#include <clew/attribute.h>

#include "proto/wire.h"

#define CLEW__DEPTH_MAX 64u /* the specification's default, and ours at most */

struct clew__value_limits {
    uint32_t length; /* characters of a string, bytes of bytes; UINT32_MAX: none */
    uint32_t depth;  /* 1 to CLEW__DEPTH_MAX */
};

/* Appends `field` with a KeyValue. Strings that are not UTF-8 become bytes, keys that are not are repaired,
 * arrays and maps below the depth limit become empty values, and of equal keys of a map the last one counts.
 * NULL limits: length unlimited, depth 64. False, and nothing appended, when the writer has no room. */
bool clew__write_attribute(struct clew__writer *writer, uint32_t field, const char *key, size_t key_size,
                           const clew_value *value, const struct clew__value_limits *limits);

/* Appends `field` with text, repaired where it is not UTF-8. */
void clew__write_text(struct clew__writer *writer, uint32_t field, const char *text, size_t size);

/* Appends a list of attributes, each as `field`, keys unique (the last value of a key counts, at the place of
 * the first), at most `count_limit` of them. Attributes without a key are left out. Returns how many were
 * dropped for the limit. */
uint32_t clew__write_attributes(struct clew__writer *writer, uint32_t field, const clew_attribute *attributes,
                                size_t count, uint32_t count_limit, const struct clew__value_limits *limits);

/* The hash by which keys are looked up before they are compared. */
static inline uint32_t clew__key_hash(const char *key, size_t size) {
    uint64_t a = 0, b = 0;
    if (size >= 8) {
        memcpy(&a, key, 8);
        memcpy(&b, key + size - 8, 8);
    } else if (size >= 4) {
        uint32_t low, high;
        memcpy(&low, key, 4);
        memcpy(&high, key + size - 4, 4);
        a = low;
        b = high;
    } else if (size) {
        a = (uint8_t)key[0];
        b = ((uint64_t)(uint8_t)key[size / 2] << 8) | (uint8_t)key[size - 1];
    }
    a = (a ^ UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xd6e8feb86659fd93);
    a = (a ^ (a >> 32) ^ b ^ size) * UINT64_C(0xd6e8feb86659fd93);
    return (uint32_t)(a >> 32);
}

#endif
