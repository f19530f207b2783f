/* Spans gathered by what they belong to. Owns nothing; any thread. */
#include "proto/span_groups.h"

#include "proto/otlp.h"

#define TABLE_FIRST 64u /* slots; a power of two */
/* Odd, with as many ones as zeros in every byte (wyhash, Wang Yi). */
#define HASH_ODD UINT64_C(0xa0761d6478bd642f)

/* In front of each span. */
struct head {
    size_t next, size;
};

/* What lies in the writer has no alignment. */
static void load(const struct clew__span_groups *groups, size_t at, void *out, size_t size) {
    memcpy(out, groups->writer->data + at, size);
}

static void store(struct clew__span_groups *groups, size_t at, const void *data, size_t size) {
    memcpy(groups->writer->data + at, data, size);
}

/* ---- the table ---- */

/* The offset of the slot with that group, or of the empty one where it belongs. */
static size_t find_slot(const struct clew__span_groups *groups, const char *key, size_t key_size,
                        uint64_t hash) {
    for (uint64_t i = hash;; i++) {
        size_t at = groups->table + (size_t)(i & (groups->table_size - 1)) * sizeof(size_t), found;
        struct clew__span_group group;
        load(groups, at, &found, sizeof found);
        if (found == 0)
            return at;
        load(groups, found, &group, sizeof group);
        if (group.hash == hash && group.key_size == key_size &&
            (key_size == 0 || memcmp(group.key, key, key_size) == 0))
            return at;
    }
}

/* An empty table of that size behind all else, which takes what is in the old one. */
static bool make_table(struct clew__span_groups *groups, size_t size) {
    size_t at = groups->writer->size, bytes = size * sizeof(size_t);
    struct clew__span_group group;
    if (!clew__writer_reserve(groups->writer, bytes))
        return false;
    memset(groups->writer->data + at, 0, bytes);
    groups->writer->size += bytes;
    groups->table = at;
    groups->table_size = size;
    for (at = groups->first; at != 0; at = group.next) {
        load(groups, at, &group, sizeof group);
        store(groups, find_slot(groups, group.key, group.key_size, group.hash), &at, sizeof at);
    }
    return true;
}

/* Both halves of the product, folded: what differs in `a` spreads as `b` says, which nobody outside knows. */
static uint64_t fold(uint64_t a, uint64_t b) {
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

bool clew__span_groups_init(struct clew__span_groups *groups, struct clew__writer *writer) {
    bool good;
    memset(groups, 0, sizeof *groups);
    groups->writer = writer;
    writer->size = 0;
    /* It comes first, so that no group and no span has the offset 0. */
    good = make_table(groups, TABLE_FIRST);
    groups->hash_key =
        fold((uint64_t)(uintptr_t)writer->data ^ HASH_ODD, (uint64_t)(uintptr_t)groups) ^ HASH_ODD;
    return good;
}

/* Eight bytes a step. */
static uint64_t hash_of(const struct clew__span_groups *groups, const char *key, size_t size) {
    uint64_t hash = size, word;
    size_t at = 0;
    for (; size - at >= 8; at += 8) {
        memcpy(&word, key + at, 8);
        hash = fold(hash ^ word ^ HASH_ODD, groups->hash_key);
    }
    word = 0;
    if (size > at)
        memcpy(&word, key + at, size - at);
    return fold(hash ^ word ^ HASH_ODD, groups->hash_key);
}

/* ---- groups ---- */

size_t clew__span_groups_find(struct clew__span_groups *groups, const char *key, size_t key_size) {
    struct clew__span_group group = {
        .key = key, .key_size = key_size, .hash = hash_of(groups, key, key_size)};
    size_t slot = find_slot(groups, key, key_size, group.hash), at;
    load(groups, slot, &at, sizeof at);
    if (at != 0)
        return at;
    if (2 * groups->count >= groups->table_size) {
        if (!make_table(groups, 2 * groups->table_size))
            return 0;
        slot = find_slot(groups, key, key_size, group.hash);
    }
    at = groups->writer->size;
    clew__write_raw(groups->writer, &group, sizeof group);
    if (groups->writer->failed)
        return 0;
    store(groups, slot, &at, sizeof at);
    if (groups->last != 0)
        store(groups, groups->last + offsetof(struct clew__span_group, next), &at, sizeof at);
    else
        groups->first = at;
    groups->last = at;
    groups->count++;
    return at;
}

void clew__span_groups_get(const struct clew__span_groups *groups, size_t group,
                           struct clew__span_group *out) {
    load(groups, group, out, sizeof *out);
}

void clew__span_groups_set_about(struct clew__span_groups *groups, size_t group, const char *about) {
    store(groups, group + offsetof(struct clew__span_group, about), &about, sizeof about);
}

/* ---- spans ---- */

size_t clew__span_groups_begin(struct clew__span_groups *groups) {
    static const struct head empty;
    size_t at = groups->writer->size;
    clew__write_raw(groups->writer, &empty, sizeof empty);
    return groups->writer->failed ? 0 : at;
}

void clew__span_groups_end(struct clew__span_groups *groups, size_t head) {
    struct head data = {.size = groups->writer->size - head - sizeof(struct head)};
    store(groups, head, &data, sizeof data);
}

void clew__span_groups_add(struct clew__span_groups *groups, size_t head, size_t group) {
    struct clew__span_group data;
    struct head span;
    load(groups, group, &data, sizeof data);
    load(groups, head, &span, sizeof span);
    if (data.last != 0)
        store(groups, data.last + offsetof(struct head, next), &head, sizeof head);
    else
        data.first = head;
    data.last = head;
    data.bytes += 1 + clew__varint_size(span.size) + span.size; /* tag, length, content */
    store(groups, group, &data, sizeof data);
}

void clew__span_groups_write(const struct clew__span_groups *groups, const struct clew__span_group *group,
                             struct clew__writer *out) {
    struct head head;
    for (size_t at = group->first; at != 0; at = head.next) {
        load(groups, at, &head, sizeof head);
        clew__write_bytes(out, CLEW__SCOPE_SPANS_SPANS, groups->writer->data + at + sizeof head, head.size);
    }
}
