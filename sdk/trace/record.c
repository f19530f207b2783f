/* No state but the slot's, which the caller has locked. Whatever a limit drops is counted in the slot, and
 * said once a span. */
#include "sdk/trace/record.h"

#include "proto/otlp.h"
#include "proto/utf8.h"
#include "sdk/trace/wait.h"

#include <clew/extend.h>

#include <string.h>

/* What has a fixed place at the front of a body: two ids, and the hole for the end time behind the start
 * time. */
#define TRACE_ID_AT 2u
#define SPAN_ID_AT 20u
#define END_AT 38u
/* What the seal appends: three counts of dropped things. */
#define SEAL_SIZE 18u

static void say_dropped(struct clew__slot *slot, const char *what) {
    if (slot->said_dropped)
        return;
    slot->said_dropped = true;
    clew_log(CLEW_LOG_WARN, "span.limit", "a span lost %s to a limit; its dropped counts tell how many",
             what);
}

static void drop_attribute(struct clew__slot *slot) {
    slot->dropped_attributes++;
    say_dropped(slot, "attributes");
}

/* Room for `more` bytes besides what the seal needs. */
static bool reserve(struct clew__slot *slot, size_t more) {
    return clew__slot_reserve(slot, more + SEAL_SIZE);
}

/* ---- a writer over the body, for what is not a flat attribute ---- */

static bool body_grows(struct clew__writer *writer, size_t more) {
    struct clew__slot *slot = writer->user;
    uint32_t before = slot->size;
    bool grown;
    slot->size = (uint32_t)writer->size; /* what is half written moves along */
    grown = reserve(slot, more);
    slot->size = before;
    if (!grown)
        return false;
    writer->data = slot->body;
    writer->capacity = slot->capacity - SEAL_SIZE - (slot->attributes + 1) * sizeof(struct clew__key_entry);
    return true;
}

static struct clew__writer writer_of(struct clew__slot *slot) {
    size_t kept = SEAL_SIZE + (slot->attributes + 1) * sizeof(struct clew__key_entry);
    struct clew__writer writer = {.data = slot->body, .size = slot->size, .grow = body_grows, .user = slot};
    writer.capacity = slot->capacity > kept + slot->size ? slot->capacity - kept : slot->size;
    return writer;
}

/* Keeps what was written, unless the writer ran out of room. */
static bool commit(struct clew__slot *slot, const struct clew__writer *writer) {
    if (writer->failed)
        return false;
    slot->size = (uint32_t)writer->size;
    return true;
}

/* ---- short text: copied and looked at in one pass ---- */

/* Both parts of an attribute up to this size have lengths of one byte, all the way up. */
#define SHORT_MAX 56u
/* What such an attribute takes at most, with its key entry and the seal. */
#define SHORT_ROOM (2 * SHORT_MAX + 16 + SEAL_SIZE + sizeof(struct clew__key_entry))
#define HIGH_BITS UINT64_C(0x8080808080808080)

static inline uint64_t load64(const char *at) {
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

typedef uint64_t word_pair __attribute__((vector_size(16)));

/* Copies up to SHORT_MAX bytes, in words that may overlap; returns the bits that are set anywhere in them. */
static inline uint64_t copy_short(uint8_t *to, const char *from, size_t size) {
    uint64_t first, last;
    if (size >= 16) {
        word_pair seen, pair;
        memcpy(&seen, from + size - 16, sizeof seen);
        memcpy(to + size - 16, &seen, sizeof seen);
        for (size_t i = 0; i + 16 < size; i += 16) {
            memcpy(&pair, from + i, sizeof pair);
            memcpy(to + i, &pair, sizeof pair);
            seen |= pair;
        }
        return seen[0] | seen[1];
    }
    if (size >= 8) {
        first = load64(from);
        last = load64(from + size - 8);
        memcpy(to, &first, sizeof first);
        memcpy(to + size - 8, &last, sizeof last);
        return first | last;
    }
    first = 0;
    for (size_t i = 0; i < size; i++) {
        first |= (uint8_t)from[i];
        to[i] = (uint8_t)from[i];
    }
    return first;
}

/* ---- bytes that go ---- */

/* Takes a member out of the body; everything behind it moves up. */
static void remove_bytes(struct clew__slot *slot, uint32_t at, uint32_t size) {
    memmove(slot->body + at, slot->body + at + size, slot->size - at - size);
    slot->size -= size;
    for (uint32_t i = 0; i < slot->attributes; i++) {
        struct clew__key_entry *entry = clew__slot_entry(slot, i);
        if (entry->offset > at)
            entry->offset -= size;
    }
    if (slot->name_at > at)
        slot->name_at -= size;
    if (slot->status_at > at)
        slot->status_at -= size;
    if (slot->open_waits)
        clew__waits_moved(slot, at, size);
}

static uint32_t member_size_at(const struct clew__slot *slot, uint32_t at) {
    struct clew__wire wire = clew__wire_of(slot->body + at, slot->size - at);
    struct clew__field field;
    enum clew__wire_error error;
    if (!clew__wire_next(&wire, &field, &error))
        return 0;
    return (uint32_t)(wire.at - (slot->body + at));
}

static bool has_key(const struct clew__slot *slot, uint32_t at, const char *key, size_t key_size) {
    struct clew__wire wire = clew__wire_of(slot->body + at, slot->size - at);
    struct clew__field field;
    struct clew__keyvalue keyvalue;
    enum clew__wire_error error;
    if (!clew__wire_next(&wire, &field, &error))
        return false;
    clew__read_keyvalue(field.bytes, &keyvalue);
    return (size_t)(keyvalue.key.end - keyvalue.key.at) == key_size &&
           memcmp(keyvalue.key.at, key, key_size) == 0;
}

static uint64_t key_bit(uint32_t hash) {
    return UINT64_C(1) << (hash >> 26);
}

/* The old value of a key set again goes, bytes and all: it may have been a secret. */
static void remove_key(struct clew__slot *slot, uint32_t hash, const char *key, size_t key_size) {
    for (uint32_t i = 0; i < slot->attributes; i++) {
        struct clew__key_entry *entry = clew__slot_entry(slot, i);
        uint32_t at = entry->offset;
        if (entry->hash != hash || !has_key(slot, at, key, key_size))
            continue;
        *entry = *clew__slot_entry(slot, slot->attributes - 1);
        slot->attributes--;
        remove_bytes(slot, at, member_size_at(slot, at));
        return;
    }
}

/* ---- attributes ---- */

/* Makes the way free for a key: false, and counted, when it may not be set. */
static bool admit_key(struct clew__slot *slot, const char *key, size_t key_size, uint32_t *hash) {
    if (key_size == 0) {
        slot->dropped_attributes++;
        clew_log(CLEW_LOG_WARN, "span.key", "an attribute without a key was ignored");
        return false;
    }
    *hash = clew__key_hash(key, key_size);
    if (slot->keys_seen & key_bit(*hash))
        remove_key(slot, *hash, key, key_size);
    if (slot->attributes < slot->attribute_limit)
        return true;
    drop_attribute(slot);
    return false;
}

static void enter_key(struct clew__slot *slot, uint32_t hash, uint32_t at) {
    struct clew__key_entry *entry = clew__slot_entry(slot, slot->attributes++);
    entry->hash = hash;
    entry->offset = at;
    slot->keys_seen |= key_bit(hash);
}

static void record_slowly(struct clew__slot *slot, uint32_t hash, const char *key, size_t key_size,
                          const clew_value *value) {
    const struct clew_provider *provider = atomic_load_explicit(&slot->provider, memory_order_relaxed);
    struct clew__writer writer = writer_of(slot);
    uint32_t at = slot->size;
    if (clew__write_attribute(&writer, CLEW__SPAN_ATTRIBUTES, key, key_size, value,
                              &provider->value_limits) &&
        commit(slot, &writer))
        enter_key(slot, hash, at);
    else
        drop_attribute(slot);
}

/* A key that had to be repaired is looked up as it is written. */
static void record_repaired(struct clew__slot *slot, const char *key, size_t key_size,
                            const clew_value *value) {
    char repaired[256];
    size_t size = clew__utf8_repair(key, key_size, NULL);
    uint32_t hash;
    if (size > sizeof repaired) {
        drop_attribute(slot);
        return;
    }
    clew__utf8_repair(key, key_size, repaired);
    if (admit_key(slot, repaired, size, &hash))
        record_slowly(slot, hash, repaired, size, value);
}

void clew__record_value(struct clew__slot *slot, const char *key, size_t key_size, const clew_value *value) {
    uint32_t hash;
    if (!clew__utf8_valid(key, key_size))
        record_repaired(slot, key, key_size, value);
    else if (admit_key(slot, key, key_size, &hash))
        record_slowly(slot, hash, key, key_size, value);
}

/* The head of an attribute whose AnyValue has `any_size` bytes: returns where the AnyValue goes. Room is
 * reserved. */
static inline uint8_t *put_attribute(struct clew__slot *slot, const char *key, size_t key_size,
                                     size_t any_size) {
    uint8_t *at = slot->body + slot->size;
    size_t content = 1 + clew__varint_size(key_size) + key_size + 1 + clew__varint_size(any_size) + any_size;
    at = clew__put_tag(at, CLEW__SPAN_ATTRIBUTES, CLEW__WIRE_BYTES);
    at = clew__put_varint(at, content);
    at = clew__put_tag(at, CLEW__KEYVALUE_KEY, CLEW__WIRE_BYTES);
    at = clew__put_varint(at, key_size);
    memcpy(at, key, key_size);
    at = clew__put_tag(at + key_size, CLEW__KEYVALUE_VALUE, CLEW__WIRE_BYTES);
    return clew__put_varint(at, any_size);
}

/* What the heads of an attribute take at most, key and value apart. */
#define ATTRIBUTE_HEADS (4 * (1 + CLEW__VARINT_MAX))

static void finish_attribute(struct clew__slot *slot, uint32_t hash, const uint8_t *end) {
    uint32_t at = slot->size;
    slot->size = (uint32_t)(end - slot->body);
    enter_key(slot, hash, at);
}

/* Whether a short attribute may be written without a second look: there is room, and the key is a new one. */
static inline bool is_plain(struct clew__slot *slot, const char *key, size_t key_size, uint32_t *hash) {
    if (key_size - 1 >= SHORT_MAX || slot->attributes >= slot->attribute_limit ||
        slot->size + SHORT_ROOM + slot->attributes * sizeof(struct clew__key_entry) > slot->capacity)
        return false;
    *hash = clew__key_hash(key, key_size);
    if (slot->keys_seen & key_bit(*hash))
        for (uint32_t i = 0; i < slot->attributes; i++)
            if (clew__slot_entry(slot, i)->hash == *hash)
                return false;
    return true;
}

/* The usual attribute, a short key and a short value, both ASCII. False leaves nothing behind, and the long
 * way. */
static inline bool record_short(struct clew__slot *slot, const char *key, size_t key_size, const char *value,
                                size_t size) {
    uint8_t *at = slot->body + slot->size;
    uint64_t seen;
    uint32_t hash;
    if (size > SHORT_MAX || !is_plain(slot, key, key_size, &hash))
        return false;
    at[0] = CLEW__SPAN_ATTRIBUTES << 3 | CLEW__WIRE_BYTES;
    at[1] = (uint8_t)(key_size + size + 6);
    at[2] = CLEW__KEYVALUE_KEY << 3 | CLEW__WIRE_BYTES;
    at[3] = (uint8_t)key_size;
    seen = copy_short(at + 4, key, key_size);
    at += 4 + key_size;
    at[0] = CLEW__KEYVALUE_VALUE << 3 | CLEW__WIRE_BYTES;
    at[1] = (uint8_t)(size + 2);
    at[2] = CLEW__ANY_STRING << 3 | CLEW__WIRE_BYTES;
    at[3] = (uint8_t)size;
    seen |= copy_short(at + 4, value, size);
    if (seen & HIGH_BITS)
        return false;
    finish_attribute(slot, hash, at + 4 + size);
    return true;
}

static inline bool record_short_varint(struct clew__slot *slot, const char *key, size_t key_size,
                                       uint32_t any_field, uint64_t number) {
    uint8_t *at = slot->body + slot->size, *end;
    uint32_t hash;
    if (!is_plain(slot, key, key_size, &hash) || (copy_short(at + 4, key, key_size) & HIGH_BITS))
        return false;
    end = at + 4 + key_size;
    end[2] = (uint8_t)(any_field << 3 | CLEW__WIRE_VARINT);
    end = clew__put_varint(end + 3, number);
    at[0] = CLEW__SPAN_ATTRIBUTES << 3 | CLEW__WIRE_BYTES;
    at[1] = (uint8_t)(end - at - 2);
    at[2] = CLEW__KEYVALUE_KEY << 3 | CLEW__WIRE_BYTES;
    at[3] = (uint8_t)key_size;
    at += 4 + key_size;
    at[0] = CLEW__KEYVALUE_VALUE << 3 | CLEW__WIRE_BYTES;
    at[1] = (uint8_t)(end - at - 2);
    finish_attribute(slot, hash, end);
    return true;
}

void clew__record_string(struct clew__slot *slot, const char *key, size_t key_size, const char *value,
                         size_t size) {
    const struct clew_provider *provider = atomic_load_explicit(&slot->provider, memory_order_relaxed);
    uint8_t *at;
    uint32_t hash;
    if (__builtin_expect(value && size <= provider->limits.attribute_value_length, 1) &&
        record_short(slot, key, key_size, value, size))
        return;
    if (!value || size > provider->limits.attribute_value_length || !clew__utf8_valid(value, size) ||
        !clew__utf8_valid(key, key_size)) {
        clew_value slow = clew_value_string_n(value, size);
        clew__record_value(slot, key, key_size, &slow);
        return;
    }
    if (!admit_key(slot, key, key_size, &hash))
        return;
    if (!reserve(slot, ATTRIBUTE_HEADS + key_size + size)) {
        drop_attribute(slot);
        return;
    }
    at = put_attribute(slot, key, key_size, 1 + clew__varint_size(size) + size);
    at = clew__put_tag(at, CLEW__ANY_STRING, CLEW__WIRE_BYTES);
    at = clew__put_varint(at, size);
    memcpy(at, value, size);
    finish_attribute(slot, hash, at + size);
}

void clew__record_varint(struct clew__slot *slot, const char *key, size_t key_size, uint32_t any_field,
                         uint64_t number) {
    uint8_t *at;
    uint32_t hash;
    if (__builtin_expect(record_short_varint(slot, key, key_size, any_field, number), 1))
        return;
    if (!clew__utf8_valid(key, key_size)) {
        clew_value slow =
            any_field == CLEW__ANY_BOOL ? clew_value_bool(number != 0) : clew_value_int((int64_t)number);
        clew__record_value(slot, key, key_size, &slow);
        return;
    }
    if (!admit_key(slot, key, key_size, &hash))
        return;
    if (!reserve(slot, ATTRIBUTE_HEADS + key_size)) {
        drop_attribute(slot);
        return;
    }
    at = put_attribute(slot, key, key_size, 1 + clew__varint_size(number));
    at = clew__put_tag(at, any_field, CLEW__WIRE_VARINT);
    finish_attribute(slot, hash, clew__put_varint(at, number));
}

void clew__record_double(struct clew__slot *slot, const char *key, size_t key_size, double value) {
    clew_value slow = clew_value_double(value);
    clew__record_value(slot, key, key_size, &slow);
}

void clew__record_attributes(struct clew__slot *slot, const clew_attribute *attributes, size_t count) {
    for (size_t i = 0; attributes && i < count; i++) {
        const clew_attribute *attribute = &attributes[i];
        const clew_value *value = &attribute->value;
        const char *key = attribute->key;
        size_t key_size = key ? strlen(key) : 0;
        if (value->type == CLEW_TYPE_STRING)
            clew__record_string(slot, key, key_size, value->as.string, value->size);
        else if (value->type == CLEW_TYPE_INT)
            clew__record_varint(slot, key, key_size, CLEW__ANY_INT, (uint64_t)value->as.integer);
        else if (value->type == CLEW_TYPE_BOOL)
            clew__record_varint(slot, key, key_size, CLEW__ANY_BOOL, value->as.boolean);
        else
            clew__record_value(slot, key, key_size, value);
    }
}

/* ---- events, links, status, name ---- */

static void write_dropped(struct clew__slot *slot, struct clew__writer *writer, uint32_t field,
                          uint32_t dropped) {
    if (!dropped)
        return;
    clew__write_varint(writer, field, dropped);
    say_dropped(slot, "attributes of an event or link");
}

void clew__record_drop_event(struct clew__slot *slot) {
    slot->dropped_events++;
    say_dropped(slot, "events");
}

uint32_t clew__record_blank_event(struct clew__slot *slot, uint32_t size) {
    const struct clew_provider *provider = atomic_load_explicit(&slot->provider, memory_order_relaxed);
    uint32_t at = slot->size;
    if (slot->events >= provider->limits.event_count || !reserve(slot, size)) {
        clew__record_drop_event(slot);
        return 0;
    }
    slot->events++;
    slot->size += size;
    return at;
}

void clew__record_event(struct clew__slot *slot, const char *name, size_t name_size, uint64_t time_unix_nano,
                        const clew_attribute *attributes, size_t count) {
    const struct clew_provider *provider = atomic_load_explicit(&slot->provider, memory_order_relaxed);
    struct clew__writer writer = writer_of(slot);
    size_t begun;
    if (slot->events >= provider->limits.event_count) {
        clew__record_drop_event(slot);
        return;
    }
    begun = clew__write_begin(&writer, CLEW__SPAN_EVENTS);
    clew__write_fixed64(&writer, CLEW__EVENT_TIME, time_unix_nano);
    if (name_size)
        clew__write_text(&writer, CLEW__EVENT_NAME, name, name_size);
    write_dropped(slot, &writer, CLEW__EVENT_DROPPED_ATTRIBUTES,
                  clew__write_attributes(&writer, CLEW__EVENT_ATTRIBUTES, attributes, count,
                                         provider->limits.event_attribute_count, &provider->value_limits));
    clew__write_end(&writer, begun);
    if (commit(slot, &writer))
        slot->events++;
    else
        clew__record_drop_event(slot);
}

void clew__record_link(struct clew__slot *slot, const clew_span_context *context,
                       const clew_attribute *attributes, size_t count) {
    const struct clew_provider *provider = atomic_load_explicit(&slot->provider, memory_order_relaxed);
    struct clew__writer writer = writer_of(slot);
    clew_text tracestate = clew_tracestate_text(context->tracestate);
    size_t begun;
    if (!clew_span_context_is_valid(context) && count == 0 && tracestate.size == 0)
        return;
    if (slot->links >= provider->limits.link_count) {
        slot->dropped_links++;
        say_dropped(slot, "links");
        return;
    }
    begun = clew__write_begin(&writer, CLEW__SPAN_LINKS);
    clew__write_bytes(&writer, CLEW__LINK_TRACE_ID, context->trace_id, sizeof context->trace_id);
    clew__write_bytes(&writer, CLEW__LINK_SPAN_ID, context->span_id, sizeof context->span_id);
    if (tracestate.size)
        clew__write_bytes(&writer, CLEW__LINK_TRACE_STATE, tracestate.data, tracestate.size);
    write_dropped(slot, &writer, CLEW__LINK_DROPPED_ATTRIBUTES,
                  clew__write_attributes(&writer, CLEW__LINK_ATTRIBUTES, attributes, count,
                                         provider->limits.link_attribute_count, &provider->value_limits));
    clew__write_fixed32(&writer, CLEW__LINK_FLAGS,
                        context->trace_flags | CLEW__FLAGS_HAS_IS_REMOTE |
                            (context->is_remote ? CLEW__FLAGS_IS_REMOTE : 0));
    clew__write_end(&writer, begun);
    if (commit(slot, &writer)) {
        slot->links++;
    } else {
        slot->dropped_links++;
        say_dropped(slot, "links");
    }
}

/* Ok beats Error beats Unset; the last Error counts; Ok is final. */
void clew__record_status(struct clew__slot *slot, clew_status status, const char *description, size_t size) {
    struct clew__writer writer;
    size_t begun;
    if (slot->status == CLEW_STATUS_OK || (status != CLEW_STATUS_OK && status != CLEW_STATUS_ERROR))
        return;
    if (slot->status_size) {
        remove_bytes(slot, slot->status_at, slot->status_size);
        slot->status_size = 0;
    }
    slot->status = (uint8_t)status;
    for (bool with_text = status == CLEW_STATUS_ERROR && size > 0;; with_text = false) {
        writer = writer_of(slot);
        begun = clew__write_begin(&writer, CLEW__SPAN_STATUS);
        if (with_text)
            clew__write_text(&writer, CLEW__STATUS_MESSAGE, description, size);
        clew__write_varint(&writer, CLEW__STATUS_CODE, status);
        clew__write_end(&writer, begun);
        if (!writer.failed || !with_text)
            break;
    }
    slot->status_at = slot->size;
    if (commit(slot, &writer))
        slot->status_size = slot->size - slot->status_at;
}

/* The old name stays when there is no room for the new one. */
void clew__record_name(struct clew__slot *slot, const char *name, size_t size) {
    struct clew__writer writer = writer_of(slot);
    uint32_t old_at = slot->name_at, old_size = slot->name_size;
    uint32_t at = slot->size;
    if (size)
        clew__write_text(&writer, CLEW__SPAN_NAME, name, size);
    if (!commit(slot, &writer))
        return;
    slot->name_at = at;
    slot->name_size = slot->size - at;
    if (old_size)
        remove_bytes(slot, old_at, old_size);
}

/* ---- start and end ---- */

/* Ids are written and read in words of eight bytes: a load of sixteen right behind two stores of eight has to
 * wait. */
static inline uint8_t *put_id(uint8_t *at, const uint8_t *id) {
    uint64_t word;
    memcpy(&word, id, sizeof word);
    memcpy(at, &word, sizeof word);
    __asm__("" : "+r"(at));
    return at + sizeof word;
}

bool clew__record_begin(struct clew__slot *slot, const clew_span *span, uint8_t trace_flags,
                        const uint8_t parent_span_id[8], bool parent_is_remote, clew_span_kind kind,
                        uint64_t start_unix_nano, const char *name) {
    size_t name_size = name ? strlen(name) : 0;
    uint8_t *at = slot->body;

    *at++ = CLEW__SPAN_TRACE_ID << 3 | CLEW__WIRE_BYTES;
    *at++ = sizeof span->trace_id;
    at = put_id(put_id(at, span->trace_id), span->trace_id + 8);
    *at++ = CLEW__SPAN_SPAN_ID << 3 | CLEW__WIRE_BYTES;
    *at++ = sizeof span->span_id;
    at = put_id(at, span->span_id);
    *at++ = CLEW__SPAN_START << 3 | CLEW__WIRE_I64;
    at = clew__put_fixed64(at, start_unix_nano);
    *at++ = CLEW__SPAN_END << 3 | CLEW__WIRE_I64;
    at = clew__put_fixed64(at, 0);
    at = clew__put_tag(at, CLEW__SPAN_FLAGS, CLEW__WIRE_I32);
    at = clew__put_fixed32(at, trace_flags | CLEW__FLAGS_HAS_IS_REMOTE |
                                   (parent_is_remote ? CLEW__FLAGS_IS_REMOTE : 0));
    *at++ = CLEW__SPAN_KIND << 3 | CLEW__WIRE_VARINT;
    *at++ = (uint8_t)kind;
    if (parent_span_id) {
        *at++ = CLEW__SPAN_PARENT_SPAN_ID << 3 | CLEW__WIRE_BYTES;
        *at++ = 8;
        memcpy(at, parent_span_id, 8);
        at += 8;
    }
    slot->size = (uint32_t)(at - slot->body);
    slot->name_size = slot->status_size = 0;
    slot->name_at = slot->status_at = 0;

    if (slot->tracestate) {
        clew_text tracestate = clew_tracestate_text(slot->tracestate);
        struct clew__writer writer = writer_of(slot);
        clew__write_bytes(&writer, CLEW__SPAN_TRACE_STATE, tracestate.data, tracestate.size);
        if (!commit(slot, &writer))
            return false;
    }
    if (name_size - 1 < SHORT_MAX && slot->size + SHORT_ROOM <= slot->capacity) {
        at = slot->body + slot->size;
        if (!(copy_short(at + 2, name, name_size) & HIGH_BITS)) {
            at[0] = CLEW__SPAN_NAME << 3 | CLEW__WIRE_BYTES;
            at[1] = (uint8_t)name_size;
            slot->name_at = slot->size;
            slot->name_size = (uint32_t)name_size + 2;
            slot->size += (uint32_t)name_size + 2;
            return true;
        }
    }
    if (name_size && clew__utf8_valid(name, name_size) && reserve(slot, name_size + 1 + CLEW__VARINT_MAX)) {
        slot->name_at = slot->size;
        at = clew__put_tag(slot->body + slot->size, CLEW__SPAN_NAME, CLEW__WIRE_BYTES);
        at = clew__put_varint(at, name_size);
        memcpy(at, name, name_size);
        slot->size = (uint32_t)(at + name_size - slot->body);
        slot->name_size = slot->size - slot->name_at;
        return true;
    }
    clew__record_name(slot, name, name_size);
    return true;
}

void clew__record_read_ids(const struct clew__slot *slot, clew_span *out) {
    memcpy(out->trace_id, slot->body + TRACE_ID_AT, sizeof out->trace_id);
    memcpy(out->span_id, slot->body + SPAN_ID_AT, sizeof out->span_id);
}

void clew__record_end_time(struct clew__slot *slot, uint64_t end_unix_nano) {
    clew__put_fixed64(slot->body + END_AT, end_unix_nano);
}

void clew__record_seal(struct clew__slot *slot) {
    uint8_t *at = slot->body + slot->size;
    if (__builtin_expect(
            (slot->dropped_attributes | slot->dropped_events | slot->dropped_links | slot->open_waits) == 0,
            1))
        return;
    if (slot->open_waits)
        clew__waits_seal(slot);
    if (slot->dropped_attributes) {
        at = clew__put_tag(at, CLEW__SPAN_DROPPED_ATTRIBUTES, CLEW__WIRE_VARINT);
        at = clew__put_varint(at, slot->dropped_attributes);
    }
    if (slot->dropped_events) {
        at = clew__put_tag(at, CLEW__SPAN_DROPPED_EVENTS, CLEW__WIRE_VARINT);
        at = clew__put_varint(at, slot->dropped_events);
    }
    if (slot->dropped_links) {
        at = clew__put_tag(at, CLEW__SPAN_DROPPED_LINKS, CLEW__WIRE_VARINT);
        at = clew__put_varint(at, slot->dropped_links);
    }
    slot->size = (uint32_t)(at - slot->body);
}
