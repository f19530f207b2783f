/* Owns the tables of keys. One thread at a time. */
#include "sdk/containers/keys.h"

#include "sdk/base/random.h"

#include <clew/extend.h>

#include <string.h>

#define FIRST_SLOTS 64u

/* Strangers do not choose the numbers, but which come together: the seed keeps these apart. */
static uint32_t first_slot(const struct clew__keys *keys, struct clew__key key) {
    uint64_t hash = clew__mix(keys->seed ^ ((uint64_t)key.a << 32 | key.b));
    return (uint32_t)clew__mix(hash + key.c) & (keys->slot_count - 1);
}

static bool equals(struct clew__key a, struct clew__key b) {
    return a.a == b.a && a.b == b.b && a.c == b.c;
}

uint32_t clew__keys_find(const struct clew__keys *keys, struct clew__key key) {
    if (keys->slot_count == 0)
        return CLEW__NO_KEY;
    for (uint32_t slot = first_slot(keys, key); keys->slots[slot]; slot = (slot + 1) & (keys->slot_count - 1))
        if (equals(keys->keys[keys->slots[slot] - 1], key))
            return keys->slots[slot] - 1;
    return CLEW__NO_KEY;
}

static void place(struct clew__keys *keys, uint32_t number) {
    uint32_t slot = first_slot(keys, keys->keys[number]);
    while (keys->slots[slot])
        slot = (slot + 1) & (keys->slot_count - 1);
    keys->slots[slot] = number + 1;
}

static bool grow(struct clew__keys *keys) {
    uint32_t slot_count = keys->slot_count ? keys->slot_count * 2 : FIRST_SLOTS;
    uint32_t *slots = clew_memory_allocate(slot_count * sizeof *slots);
    if (!slots)
        return false;
    struct clew__key *grown = clew_memory_reallocate(keys->keys, (size_t)slot_count / 2 * sizeof *keys->keys);
    if (!grown) {
        clew_memory_release(slots);
        return false;
    }
    memset(slots, 0, slot_count * sizeof *slots);
    clew_memory_release(keys->slots);
    if (keys->slot_count == 0) {
        uint64_t seed[4];
        clew__random_seed(seed);
        keys->seed = seed[0];
    }
    keys->keys = grown;
    keys->slots = slots;
    keys->slot_count = slot_count;
    for (uint32_t i = 0; i < keys->count; i++)
        place(keys, i);
    return true;
}

uint32_t clew__keys_add(struct clew__keys *keys, struct clew__key key) {
    if (keys->count >= keys->slot_count / 2 && !grow(keys))
        return CLEW__NO_KEY;
    keys->keys[keys->count] = key;
    place(keys, keys->count);
    return keys->count++;
}

void clew__keys_fini(struct clew__keys *keys) {
    clew_memory_release(keys->keys);
    clew_memory_release(keys->slots);
    *keys = (struct clew__keys){0};
}
