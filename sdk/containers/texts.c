/* The table of texts: every text in a block of its own, found through open addressing. One thread at a time.
 */
#include "sdk/containers/texts.h"

#include "sdk/base/memory.h"
#include "sdk/base/random.h"

#define FIRST_CAPACITY 64u

struct entry {
    char *data;    /* NULL: the number is free */
    uint32_t size; /* of a free one: the next free number */
    uint32_t hash;
};

struct clew__texts {
    struct clew__hash_key key;
    struct entry *entries; /* `capacity` of them; number 0 is the empty text */
    uint32_t *slots;       /* twice as many: numbers, 0 is a free slot */
    uint32_t count, capacity, used, free, generation;
    size_t bytes;
};

struct clew__texts *clew__texts_new(void) {
    struct clew__texts *texts = (struct clew__texts *)clew_memory_allocate(sizeof *texts);
    uint64_t seed[4];
    if (!texts)
        return NULL;
    clew__random_seed(seed);
    *texts = (struct clew__texts){.key = {seed[0], seed[1]}, .count = 1, .bytes = sizeof *texts};
    return texts;
}

void clew__texts_free(struct clew__texts *texts) {
    if (!texts)
        return;
    for (uint32_t i = 1; i < texts->count; i++)
        clew_memory_release(texts->entries[i].data);
    clew_memory_release(texts->entries);
    clew_memory_release(texts->slots);
    clew_memory_release(texts);
}

static size_t table_bytes(size_t capacity) {
    return capacity * (sizeof(struct entry) + 2 * sizeof(uint32_t));
}

static uint32_t slot_mask(const struct clew__texts *texts) {
    return 2 * texts->capacity - 1;
}

static void place(struct clew__texts *texts, uint32_t number) {
    uint32_t mask = slot_mask(texts), at = texts->entries[number].hash & mask;
    while (texts->slots[at])
        at = (at + 1) & mask;
    texts->slots[at] = number;
}

static void place_all(struct clew__texts *texts) {
    memset(texts->slots, 0, 2 * (size_t)texts->capacity * sizeof *texts->slots);
    for (uint32_t i = 1; i < texts->count; i++) {
        if (texts->entries[i].data)
            place(texts, i);
    }
}

static bool grow(struct clew__texts *texts) {
    uint32_t capacity = texts->capacity ? 2 * texts->capacity : FIRST_CAPACITY;
    struct entry *entries;
    uint32_t *slots;
    if (capacity > UINT32_MAX / 4)
        return false;
    slots = (uint32_t *)clew_memory_allocate(2 * (size_t)capacity * sizeof *slots);
    if (!slots)
        return false;
    entries = (struct entry *)clew_memory_reallocate(texts->entries, capacity * sizeof *entries);
    if (!entries) {
        clew_memory_release(slots);
        return false;
    }
    if (texts->capacity == 0)
        entries[0] = (struct entry){NULL, 0, 0};
    clew_memory_release(texts->slots);
    texts->bytes += table_bytes(capacity) - table_bytes(texts->capacity);
    texts->entries = entries;
    texts->slots = slots;
    texts->capacity = capacity;
    place_all(texts);
    return true;
}

/* Of what is longer than a text may be, as much as fits without half a letter. */
static size_t cut(const char *data, size_t size) {
    if (size <= CLEW__TEXT_MAX)
        return size;
    size = CLEW__TEXT_MAX;
    while (size > CLEW__TEXT_MAX - 4 && ((uint8_t)data[size] & 0xC0) == 0x80)
        size--;
    return size;
}

static clew__text find(const struct clew__texts *texts, const void *data, size_t size, uint32_t hash) {
    uint32_t mask = slot_mask(texts), at = hash & mask;
    if (texts->capacity == 0)
        return CLEW__TEXT_FAILED;
    for (; texts->slots[at]; at = (at + 1) & mask) {
        const struct entry *entry = &texts->entries[texts->slots[at]];
        if (entry->hash == hash && entry->size == size && memcmp(entry->data, data, size) == 0)
            return texts->slots[at];
    }
    return CLEW__TEXT_FAILED;
}

clew__text clew__texts_find(const struct clew__texts *texts, const void *data, size_t size) {
    size = cut((const char *)data, size);
    if (size == 0)
        return 0;
    return find(texts, data, size, (uint32_t)clew__hash_bytes(texts->key, data, size));
}

clew__text clew__texts_add(struct clew__texts *texts, const void *data, size_t size) {
    uint32_t hash, number;
    char *copy;
    size = cut((const char *)data, size);
    if (size == 0)
        return 0;
    hash = (uint32_t)clew__hash_bytes(texts->key, data, size);
    number = find(texts, data, size, hash);
    if (number != CLEW__TEXT_FAILED)
        return number;
    if (!texts->free && texts->count >= texts->capacity && !grow(texts))
        return CLEW__TEXT_FAILED;
    copy = (char *)clew_memory_allocate(size);
    if (!copy)
        return CLEW__TEXT_FAILED;
    memcpy(copy, data, size);
    number = texts->free ? texts->free : texts->count++;
    if (texts->free)
        texts->free = texts->entries[number].size;
    texts->entries[number] = (struct entry){copy, (uint32_t)size, hash};
    place(texts, number);
    texts->used++;
    texts->bytes += size;
    return number;
}

clew_text clew__texts_get(const struct clew__texts *texts, clew__text text) {
    clew_text empty = {"", 0}, found;
    if (text == 0 || text >= texts->count || !texts->entries[text].data)
        return empty;
    found.data = texts->entries[text].data;
    found.size = texts->entries[text].size;
    return found;
}

int clew__texts_compare(const struct clew__texts *texts, clew__text a, clew__text b) {
    clew_text first, second;
    int order;
    if (a == b)
        return 0;
    first = clew__texts_get(texts, a);
    second = clew__texts_get(texts, b);
    order = memcmp(first.data, second.data, first.size < second.size ? first.size : second.size);
    if (order != 0)
        return order;
    return (first.size > second.size) - (first.size < second.size);
}

uint32_t clew__texts_count(const struct clew__texts *texts) {
    return texts->count;
}

size_t clew__texts_bytes(const struct clew__texts *texts) {
    return texts->bytes;
}

size_t clew__texts_growth(const struct clew__texts *texts, uint32_t count) {
    size_t capacity = texts->capacity, used = (size_t)texts->used + 1;
    while (used + count > capacity)
        capacity = capacity ? 2 * capacity : FIRST_CAPACITY;
    return table_bytes(capacity) - table_bytes(texts->capacity);
}

struct clew__hash_key clew__texts_key(const struct clew__texts *texts) {
    return texts->key;
}

uint32_t clew__texts_generation(const struct clew__texts *texts) {
    return texts->generation;
}

void clew__texts_sweep(struct clew__texts *texts, const bool *is_used) {
    for (uint32_t i = texts->count; i-- > 1;) {
        struct entry *entry = &texts->entries[i];
        if (!entry->data || is_used[i])
            continue;
        texts->bytes -= entry->size;
        texts->used--;
        clew_memory_release(entry->data);
        *entry = (struct entry){NULL, texts->free, 0};
        texts->free = i;
    }
    if (texts->capacity > 0)
        place_all(texts);
    texts->generation++;
}
