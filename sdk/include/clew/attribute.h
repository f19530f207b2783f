/* Attributes: a key and a value of any type that OpenTelemetry knows (specification: Common, AnyValue).
 *
 * A clew_value only borrows: the functions that take one copy what they need before they return. */
#ifndef CLEW_ATTRIBUTE_H
#define CLEW_ATTRIBUTE_H

#include <clew/common.h>

#include <string.h>

CLEW_BEGIN_DECLS

/** The type of a value; decides which member of `as` is set. */
typedef enum clew_type {
    CLEW_TYPE_EMPTY = 0, /**< no value; recorded and exported as such */
    CLEW_TYPE_STRING,
    CLEW_TYPE_BOOL,
    CLEW_TYPE_INT,
    CLEW_TYPE_DOUBLE,
    CLEW_TYPE_BYTES,
    CLEW_TYPE_ARRAY,
    CLEW_TYPE_MAP,
    CLEW_TYPE_UNSIGNED, /**< a number beyond int64, given; what is read back is its decimal text */
} clew_type;

typedef struct clew_value clew_value;
typedef struct clew_attribute clew_attribute;

/** A value. `size` counts the bytes of a string or of bytes, the members of an array or a map; otherwise it
 * is unused. A string that is not valid UTF-8 is exported as bytes (specification: Mapping to AnyValue).
 * Arrays and maps cost more than scalars, and nest to 64 levels by default; what is deeper becomes an empty
 * value. */
struct clew_value {
    clew_type type;
    size_t size;
    union {
        const char *string;
        bool boolean;
        int64_t integer;
        uint64_t whole;
        double real;
        const void *bytes;
        const clew_value *array;
        const clew_attribute *map;
    } as;
};

/** A key, zero-terminated and not empty, and its value. */
struct clew_attribute {
    const char *key;
    clew_value value;
};

/* Constructors. They only fill the structure: no allocation, any thread; what they point to stays borrowed.
 */

/** No value: recorded and exported as such. */
static inline clew_value clew_value_empty(void) {
    clew_value v;
    v.type = CLEW_TYPE_EMPTY;
    v.size = 0;
    v.as.integer = 0;
    return v;
}

/** `size` bytes of text; need not be terminated, and may hold zeros. NULL gives the empty value. */
static inline clew_value clew_value_string_n(const char *string, size_t size) {
    clew_value v = clew_value_empty();
    if (string) {
        v.type = CLEW_TYPE_STRING;
        v.size = size;
        v.as.string = string;
    }
    return v;
}

/** Text up to its terminator. NULL gives the empty value. */
static inline clew_value clew_value_string(const char *string) {
    return clew_value_string_n(string, string ? strlen(string) : 0);
}

/** True or false. */
static inline clew_value clew_value_bool(bool boolean) {
    clew_value v = clew_value_empty();
    v.type = CLEW_TYPE_BOOL;
    v.as.boolean = boolean;
    return v;
}

/** A signed number of 64 bits. */
static inline clew_value clew_value_int(int64_t integer) {
    clew_value v = clew_value_empty();
    v.type = CLEW_TYPE_INT;
    v.as.integer = integer;
    return v;
}

/** A floating-point number; NaN and the infinities are kept. */
static inline clew_value clew_value_double(double real) {
    clew_value v = clew_value_empty();
    v.type = CLEW_TYPE_DOUBLE;
    v.as.real = real;
    return v;
}

/** `size` bytes of any content. NULL gives the empty value, unless `size` is 0: no bytes are a value too. */
static inline clew_value clew_value_bytes(const void *bytes, size_t size) {
    clew_value v = clew_value_empty();
    if (bytes || size == 0) {
        v.type = CLEW_TYPE_BYTES;
        v.size = size;
        v.as.bytes = bytes;
    }
    return v;
}

/** `count` values of any types. NULL gives an array without members. */
static inline clew_value clew_value_array(const clew_value *members, size_t count) {
    clew_value v = clew_value_empty();
    v.type = CLEW_TYPE_ARRAY;
    v.size = members ? count : 0;
    v.as.array = members;
    return v;
}

/** `count` keys with values. Keys of a map are unique: of equal keys the last one counts. NULL gives a map
 * without members. */
static inline clew_value clew_value_map(const clew_attribute *members, size_t count) {
    clew_value v = clew_value_empty();
    v.type = CLEW_TYPE_MAP;
    v.size = members ? count : 0;
    v.as.map = members;
    return v;
}

/** An unsigned number, recorded as an integer; one beyond int64 as its decimal text (specification: Mapping
 * to AnyValue). */
static inline clew_value clew_value_unsigned(uint64_t number) {
    clew_value v = clew_value_int((int64_t)(number & INT64_MAX));
    if (number > INT64_MAX) {
        v.type = CLEW_TYPE_UNSIGNED;
        v.as.whole = number;
    }
    return v;
}

/** Key and value in one; both stay borrowed. */
static inline clew_attribute clew_attribute_of(const char *key, clew_value value) {
    clew_attribute a;
    a.key = key;
    a.value = value;
    return a;
}

CLEW_END_DECLS

#endif
