/* No state. Nested values are walked with a stack of frames, never by recursion. */
#include "sdk/base/value.h"

#include "proto/otlp.h"
#include "proto/utf8.h"

#include <string.h>

#define DISTINCT_ON_STACK 128u

/* One array or map that is being written. */
struct frame {
    const clew_value *value;
    size_t next;      /* member to write */
    size_t list_at;   /* of the ArrayValue or KeyValueList */
    size_t any_at;    /* of the AnyValue around it, SIZE_MAX when that is not ours to close */
    size_t member_at; /* of the KeyValue around the AnyValue, SIZE_MAX for a member of an array */
};

static const struct clew__value_limits no_limits = {UINT32_MAX, CLEW__DEPTH_MAX};

void clew__write_text(struct clew__writer *writer, uint32_t field, const char *text, size_t size) {
    size_t repaired, begun;
    if (size == 0 || clew__utf8_valid(text, size)) {
        clew__write_bytes(writer, field, text, size);
        return;
    }
    repaired = clew__utf8_repair(text, size, NULL);
    begun = writer->size;
    if (!clew__writer_reserve(writer, CLEW__TAG_MAX + CLEW__VARINT_MAX + repaired))
        return;
    begun =
        (size_t)(clew__put_varint(clew__put_tag(writer->data + begun, field, CLEW__WIRE_BYTES), repaired) -
                 writer->data);
    clew__utf8_repair(text, size, (char *)writer->data + begun);
    writer->size = begun + repaired;
}

/* A number that no int64 holds, as text. */
static void write_whole(struct clew__writer *writer, uint64_t number) {
    char digits[20];
    size_t at = sizeof digits;
    for (; number; number /= 10)
        digits[--at] = (char)('0' + number % 10);
    clew__write_bytes(writer, CLEW__ANY_STRING, digits + at, sizeof digits - at);
}

static void write_scalar(struct clew__writer *writer, const clew_value *value,
                         const struct clew__value_limits *limits) {
    uint64_t bits;
    size_t size = value->size;
    switch (value->type) {
    case CLEW_TYPE_STRING:
        if (!clew__utf8_valid(value->as.string, size)) {
            clew__write_bytes(writer, CLEW__ANY_BYTES, value->as.string,
                              size < limits->length ? size : limits->length);
            break;
        }
        if (size > limits->length)
            size = clew__utf8_prefix(value->as.string, size, limits->length);
        clew__write_bytes(writer, CLEW__ANY_STRING, value->as.string, size);
        break;
    case CLEW_TYPE_BYTES:
        clew__write_bytes(writer, CLEW__ANY_BYTES, value->as.bytes,
                          size < limits->length ? size : limits->length);
        break;
    case CLEW_TYPE_BOOL:
        clew__write_varint(writer, CLEW__ANY_BOOL, value->as.boolean);
        break;
    case CLEW_TYPE_INT:
        clew__write_varint(writer, CLEW__ANY_INT, (uint64_t)value->as.integer);
        break;
    case CLEW_TYPE_DOUBLE:
        memcpy(&bits, &value->as.real, sizeof bits);
        clew__write_fixed64(writer, CLEW__ANY_DOUBLE, bits);
        break;
    case CLEW_TYPE_UNSIGNED:
        write_whole(writer, value->as.whole);
        break;
    case CLEW_TYPE_EMPTY:
    case CLEW_TYPE_ARRAY:
    case CLEW_TYPE_MAP:
        break;
    }
}

static bool is_nested(const clew_value *value) {
    return value->type == CLEW_TYPE_ARRAY || value->type == CLEW_TYPE_MAP;
}

/* The member of the map that has the key of `map[index]` and comes last; only that one's value counts. */
static const clew_attribute *last_of_key(const clew_attribute *map, size_t count, size_t index) {
    const char *key = map[index].key;
    for (size_t i = count; i-- > index + 1;)
        if (map[i].key && strcmp(map[i].key, key) == 0)
            return &map[i];
    return &map[index];
}

static bool key_came_before(const clew_attribute *map, size_t index) {
    for (size_t i = 0; i < index; i++)
        if (map[i].key && strcmp(map[i].key, map[index].key) == 0)
            return true;
    return false;
}

/* Opens the list of an array or map inside an AnyValue that is open already. */
static void open_list(struct clew__writer *writer, struct frame *frame, const clew_value *value,
                      size_t any_at, size_t member_at) {
    frame->value = value;
    frame->next = 0;
    frame->any_at = any_at;
    frame->member_at = member_at;
    frame->list_at =
        clew__write_begin(writer, value->type == CLEW_TYPE_ARRAY ? CLEW__ANY_ARRAY : CLEW__ANY_KVLIST);
}

/* The next member of a frame: opens its AnyValue and returns its value, or NULL at the end. */
static const clew_value *open_member(struct clew__writer *writer, struct frame *frame, size_t *any_at,
                                     size_t *member_at) {
    const clew_value *list = frame->value;
    while (frame->next < list->size) {
        size_t index = frame->next++;
        *member_at = SIZE_MAX;
        if (list->type == CLEW_TYPE_ARRAY) {
            *any_at = clew__write_begin(writer, CLEW__LIST_VALUES);
            return &list->as.array[index];
        }
        if (!list->as.map[index].key || key_came_before(list->as.map, index))
            continue;
        *member_at = clew__write_begin(writer, CLEW__LIST_VALUES);
        clew__write_text(writer, CLEW__KEYVALUE_KEY, list->as.map[index].key,
                         strlen(list->as.map[index].key));
        *any_at = clew__write_begin(writer, CLEW__KEYVALUE_VALUE);
        return &last_of_key(list->as.map, list->size, index)->value;
    }
    return NULL;
}

static void close_member(struct clew__writer *writer, size_t any_at, size_t member_at) {
    if (any_at != SIZE_MAX)
        clew__write_end(writer, any_at);
    if (member_at != SIZE_MAX)
        clew__write_end(writer, member_at);
}

/* The content of an AnyValue. */
static void write_any(struct clew__writer *writer, const clew_value *value,
                      const struct clew__value_limits *limits) {
    struct frame frames[CLEW__DEPTH_MAX];
    uint32_t depth = 0, depth_limit = limits->depth < CLEW__DEPTH_MAX ? limits->depth : CLEW__DEPTH_MAX;

    if (!is_nested(value)) {
        write_scalar(writer, value, limits);
        return;
    }
    open_list(writer, &frames[depth++], value, SIZE_MAX, SIZE_MAX);
    while (depth > 0 && !writer->failed) {
        size_t any_at, member_at;
        struct frame *frame = &frames[depth - 1];
        const clew_value *member = open_member(writer, frame, &any_at, &member_at);
        if (!member) {
            clew__write_end(writer, frame->list_at);
            close_member(writer, frame->any_at, frame->member_at);
            depth--;
        } else if (is_nested(member) && depth < depth_limit) {
            open_list(writer, &frames[depth++], member, any_at, member_at);
        } else {
            write_scalar(writer, member, limits); /* nothing for what is nested too deep: an empty value */
            close_member(writer, any_at, member_at);
        }
    }
}

bool clew__write_attribute(struct clew__writer *writer, uint32_t field, const char *key, size_t key_size,
                           const clew_value *value, const struct clew__value_limits *limits) {
    size_t before = writer->size, keyvalue, any;
    keyvalue = clew__write_begin(writer, field);
    clew__write_text(writer, CLEW__KEYVALUE_KEY, key, key_size);
    any = clew__write_begin(writer, CLEW__KEYVALUE_VALUE);
    write_any(writer, value, limits ? limits : &no_limits);
    clew__write_end(writer, any);
    clew__write_end(writer, keyvalue);
    if (!writer->failed)
        return true;
    writer->size = before;
    return false;
}

uint32_t clew__write_attributes(struct clew__writer *writer, uint32_t field, const clew_attribute *attributes,
                                size_t count, uint32_t count_limit, const struct clew__value_limits *limits) {
    uint32_t hashes[DISTINCT_ON_STACK];
    uint32_t kept = 0, dropped = 0;
    for (size_t i = 0; attributes && i < count; i++) {
        const char *key = attributes[i].key;
        size_t key_size = key ? strlen(key) : 0, last = i;
        uint32_t hash = clew__key_hash(key, key_size);
        bool seen = false;
        if (key_size == 0)
            continue;
        for (uint32_t k = 0; k < kept && k < DISTINCT_ON_STACK && !seen; k++)
            seen = hashes[k] == hash;
        if ((seen || kept > DISTINCT_ON_STACK || kept >= count_limit) && key_came_before(attributes, i))
            continue;
        if (kept >= count_limit) {
            dropped++;
            continue;
        }
        if (kept < DISTINCT_ON_STACK)
            hashes[kept] = hash;
        kept++;
        last = (size_t)(last_of_key(attributes, count, i) - attributes);
        if (!clew__write_attribute(writer, field, key, key_size, &attributes[last].value, limits))
            return dropped;
    }
    return dropped;
}
