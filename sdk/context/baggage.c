/* Owns baggage: one immutable, counted block with its entries and their texts. Any thread; no locks. */
#include "sdk/context/baggage.h"

#include <clew/extend.h>

#include "proto/utf8.h"

#include <stdatomic.h>

struct clew_baggage {
    atomic_size_t references;
    size_t count;
    clew_baggage_entry entries[]; /* the texts follow them */
};

static size_t size_of(const char *text) {
    return text ? strlen(text) + 1 : 0;
}

static const char *copy_to(char **place, const char *text) {
    char *copy = *place;
    size_t size = size_of(text);
    if (!text)
        return NULL;
    memcpy(copy, text, size);
    *place += size;
    return copy;
}

clew_baggage *clew__baggage_new(const clew_baggage_entry *entries, size_t count, const char *without,
                                const clew_baggage_entry *added) {
    size_t kept = 0, text_size = 0;
    clew_baggage *made;
    char *place;
    for (size_t i = 0; i <= count; i++) {
        const clew_baggage_entry *entry = i < count ? &entries[i] : added;
        if (!entry || (i < count && without && strcmp(entry->name, without) == 0))
            continue;
        text_size += size_of(entry->name) + size_of(entry->value) + size_of(entry->metadata);
        kept++;
    }
    if (kept == 0)
        return NULL;
    made = clew_memory_allocate(sizeof *made + kept * sizeof made->entries[0] + text_size);
    if (!made)
        return NULL;
    atomic_init(&made->references, 1);
    made->count = 0;
    place = (char *)&made->entries[kept];
    for (size_t i = 0; i <= count; i++) {
        const clew_baggage_entry *entry = i < count ? &entries[i] : added;
        clew_baggage_entry *copy = &made->entries[made->count];
        if (!entry || (i < count && without && strcmp(entry->name, without) == 0))
            continue;
        copy->name = copy_to(&place, entry->name);
        copy->value = copy_to(&place, entry->value);
        copy->metadata = copy_to(&place, entry->metadata);
        made->count++;
    }
    return made;
}

clew_baggage *clew_baggage_ref(const clew_baggage *baggage) {
    clew_baggage *own = (clew_baggage *)baggage;
    if (own)
        atomic_fetch_add_explicit(&own->references, 1, memory_order_relaxed);
    return own;
}

void clew_baggage_unref(const clew_baggage *baggage) {
    clew_baggage *own = (clew_baggage *)baggage;
    if (own && atomic_fetch_sub_explicit(&own->references, 1, memory_order_acq_rel) == 1)
        clew_memory_release(own);
}

size_t clew_baggage_count(const clew_baggage *baggage) {
    return baggage ? baggage->count : 0;
}

clew_baggage_entry clew_baggage_at(const clew_baggage *baggage, size_t index) {
    static const clew_baggage_entry none;
    return index < clew_baggage_count(baggage) ? baggage->entries[index] : none;
}

static const clew_baggage_entry *find(const clew_baggage *baggage, const char *name) {
    for (size_t i = 0; name && i < clew_baggage_count(baggage); i++)
        if (strcmp(baggage->entries[i].name, name) == 0)
            return &baggage->entries[i];
    return NULL;
}

const char *clew_baggage_get(const clew_baggage *baggage, const char *name) {
    const clew_baggage_entry *entry = find(baggage, name);
    return entry ? entry->value : NULL;
}

clew_baggage *clew_baggage_set(const clew_baggage *baggage, const char *name, const char *value,
                               const char *metadata) {
    clew_baggage_entry entry = {name, value, NULL};
    struct clew__slice trimmed = clew__slice_trim(clew__slice_text(metadata));
    clew_baggage *made;
    char *own_metadata = NULL;
    if (!name || !*name || !clew__utf8_valid(name, strlen(name)) || !value ||
        !clew__utf8_valid(value, strlen(value)) || !clew__baggage_metadata_is_valid(trimmed))
        return NULL;
    if (trimmed.size) {
        own_metadata = clew_memory_copy_text(trimmed.data, trimmed.size);
        if (!own_metadata)
            return NULL;
        entry.metadata = own_metadata;
    }
    made = clew__baggage_new(baggage ? baggage->entries : NULL, clew_baggage_count(baggage), name, &entry);
    clew_memory_release(own_metadata);
    return made;
}

clew_baggage *clew_baggage_remove(const clew_baggage *baggage, const char *name) {
    if (!find(baggage, name))
        return clew_baggage_ref(baggage);
    return clew__baggage_new(baggage->entries, baggage->count, name, NULL);
}
