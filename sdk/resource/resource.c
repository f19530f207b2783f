/* Owns the resources. One block each: header, attributes, nested members and texts. Immutable but for the
 * count; any thread, no locks. */
#include "sdk/resource/resource.h"

#include "proto/otlp.h"
#include "sdk/base/value.h"

#include <clew/extend.h>

#include <stdalign.h>
#include <stdatomic.h>

#define LEVELS_MAX 64u            /* arrays and maps inside one another; deeper ones become empty */
#define VALUES_MAX (1u << 20)     /* in one resource: values that share members could stand for any number */
#define SIZE_LIMIT (SIZE_MAX / 4) /* sums of sizes below it do not wrap */

struct clew_resource {
    atomic_uint references;
    uint32_t fresh; /* CLEW__FRESH_* */
    size_t count;
    const clew_attribute *attributes; /* in this block, as all they point to */
    const char *schema_url;           /* "" when there is none */
};

/* ---- deep copies: the same walk first counts, then copies ---- */

struct arena {
    uint8_t *base; /* NULL while counting */
    size_t used;
    uint32_t values;
    bool failed;
};

/* Room for `count` things; NULL while counting. */
static void *arena_take(struct arena *arena, size_t count, size_t size, size_t alignment) {
    size_t at = (arena->used + alignment - 1) & ~(alignment - 1);
    if (arena->failed || count > SIZE_LIMIT / size || at > SIZE_LIMIT) {
        arena->failed = true;
        return NULL;
    }
    arena->used = at + count * size;
    return arena->base ? arena->base + at : NULL;
}

static const char *copy_text(struct arena *arena, const char *text, size_t size) {
    char *copy;
    if (size > SIZE_LIMIT) {
        arena->failed = true;
        return NULL;
    }
    copy = arena_take(arena, size + 1, 1, 1);
    if (!copy)
        return NULL;
    if (size)
        memcpy(copy, text, size);
    copy[size] = '\0';
    return copy;
}

/* An array or map whose members are being copied. */
struct level {
    const clew_value *from;
    clew_value *array; /* where they go: one of the two, NULL while counting */
    clew_attribute *map;
    size_t next;
};

static bool is_list(const clew_value *value) {
    return value->type == CLEW_TYPE_ARRAY || value->type == CLEW_TYPE_MAP;
}

/* What a value is when its members do not fit or make no sense: of the right type, or empty. */
static clew_value copy_flat(struct arena *arena, const clew_value *from) {
    clew_value to = clew_value_empty();
    if (++arena->values > VALUES_MAX)
        arena->failed = true;
    switch (from->type) {
    case CLEW_TYPE_STRING:
        if (!from->as.string)
            return to;
        to = *from;
        to.as.string = copy_text(arena, from->as.string, from->size);
        return to;
    case CLEW_TYPE_BYTES:
        to.type = CLEW_TYPE_BYTES;
        to.size = from->as.bytes ? from->size : 0;
        to.as.bytes = copy_text(arena, from->as.bytes, to.size);
        return to;
    case CLEW_TYPE_BOOL:
    case CLEW_TYPE_INT:
    case CLEW_TYPE_UNSIGNED:
    case CLEW_TYPE_DOUBLE:
        return *from;
    case CLEW_TYPE_EMPTY:
    case CLEW_TYPE_ARRAY:
    case CLEW_TYPE_MAP:
        break;
    }
    return to;
}

/* Begins with the members of a list, into the value that stands for it (NULL while counting). */
static void enter(struct arena *arena, struct level *level, const clew_value *from, clew_value *to) {
    bool is_array = from->type == CLEW_TYPE_ARRAY;
    const void *members = is_array ? (const void *)from->as.array : (const void *)from->as.map;
    size_t count = members ? from->size : 0;
    *level = (struct level){.from = from};
    if (is_array)
        level->array = arena_take(arena, count, sizeof(clew_value), alignof(clew_value));
    else
        level->map = arena_take(arena, count, sizeof(clew_attribute), alignof(clew_attribute));
    if (++arena->values > VALUES_MAX)
        arena->failed = true;
    if (!to)
        return;
    *to = is_array ? clew_value_array(level->array, count) : clew_value_map(level->map, count);
}

/* The next member of a list: where it comes from and where it goes. Copies the key of a map's member. */
static const clew_value *next_member(struct arena *arena, struct level *level, clew_value **to) {
    const clew_value *list = level->from;
    size_t index = level->next;
    const void *members =
        list->type == CLEW_TYPE_ARRAY ? (const void *)list->as.array : (const void *)list->as.map;
    if (!members || index >= list->size || arena->failed)
        return NULL;
    level->next++;
    if (list->type == CLEW_TYPE_ARRAY) {
        *to = level->array ? &level->array[index] : NULL;
        return &list->as.array[index];
    }
    const char *key = list->as.map[index].key;
    const char *key_copy = key ? copy_text(arena, key, strlen(key)) : NULL;
    if (level->map)
        level->map[index].key = key_copy;
    *to = level->map ? &level->map[index].value : NULL;
    return &list->as.map[index].value;
}

static void copy_value(struct arena *arena, const clew_value *from, clew_value *to) {
    struct level levels[LEVELS_MAX];
    uint32_t depth = 0;
    for (;;) {
        if (is_list(from) && depth < LEVELS_MAX) {
            enter(arena, &levels[depth++], from, to);
        } else {
            clew_value flat = copy_flat(arena, from);
            if (to)
                *to = flat;
        }
        /* On to the next member of the innermost list that has one. */
        from = NULL;
        while (depth > 0 && !from) {
            from = next_member(arena, &levels[depth - 1], &to);
            depth -= from ? 0 : 1;
        }
        if (!from)
            return;
    }
}

/* ---- resources ---- */

/* Lays a resource out in the arena; NULL while counting. */
static clew_resource *lay_out(struct arena *arena, const clew_attribute *attributes, size_t count,
                              const char *schema_url) {
    clew_resource *resource = arena_take(arena, 1, sizeof *resource, alignof(clew_resource));
    clew_attribute *copies = arena_take(arena, count, sizeof *copies, alignof(clew_attribute));
    const char *url = copy_text(arena, schema_url, schema_url ? strlen(schema_url) : 0);
    for (size_t i = 0; i < count && !arena->failed; i++) {
        const char *key = copy_text(arena, attributes[i].key, strlen(attributes[i].key));
        if (copies)
            copies[i].key = key;
        copy_value(arena, &attributes[i].value, copies ? &copies[i].value : NULL);
    }
    if (!resource)
        return NULL;
    resource->count = count;
    resource->attributes = copies;
    resource->schema_url = url;
    return resource;
}

static size_t find_key(const clew_attribute *attributes, size_t count, const char *key) {
    size_t i = 0;
    while (i < count && strcmp(attributes[i].key, key) != 0)
        i++;
    return i;
}

/* Adds attributes to a list with room, each key once, the last value at the place of the first. */
static size_t unite(clew_attribute *list, size_t count, const clew_attribute *added, size_t added_count) {
    for (size_t i = 0; added && i < added_count; i++) {
        if (!added[i].key || !added[i].key[0])
            continue;
        size_t at = find_key(list, count, added[i].key);
        list[at] = added[i];
        count += at == count ? 1 : 0;
    }
    return count;
}

/* A resource of two lists of attributes; NULL when memory runs out. */
static clew_resource *build(const clew_attribute *first, size_t first_count, const clew_attribute *second,
                            size_t second_count, const char *schema_url) {
    struct arena arena = {0};
    clew_resource *resource = NULL;
    clew_attribute *list;
    size_t count;

    first_count = first ? first_count : 0;
    second_count = second ? second_count : 0;
    if (first_count > VALUES_MAX || second_count > VALUES_MAX)
        return NULL;
    list = clew_memory_allocate((first_count + second_count + 1) * sizeof *list);
    if (!list)
        return NULL;
    count = unite(list, unite(list, 0, first, first_count), second, second_count);

    lay_out(&arena, list, count, schema_url);
    if (!arena.failed)
        arena.base = clew_memory_allocate(arena.used);
    if (arena.base) {
        arena.used = arena.values = 0;
        resource = lay_out(&arena, list, count, schema_url);
        atomic_init(&resource->references, 1);
        resource->fresh = 0;
    }
    clew_memory_release(list);
    return resource;
}

clew_resource *clew__resource_make(const clew_attribute *attributes, size_t count, const char *schema_url,
                                   uint32_t fresh) {
    clew_resource *resource = build(attributes, count, NULL, 0, schema_url);
    if (resource)
        resource->fresh = fresh;
    return resource;
}

clew_resource *clew_resource_new(const clew_attribute *attributes, size_t count, const char *schema_url) {
    return clew__resource_make(attributes, count, schema_url, 0);
}

uint32_t clew__resource_fresh(const clew_resource *resource) {
    return resource ? resource->fresh : 0;
}

static bool has_key(const clew_resource *resource, const char *key) {
    return find_key(resource->attributes, resource->count, key) < resource->count;
}

/* What of the older resource's own findings the updating one leaves standing. */
static uint32_t fresh_of_merge(const clew_resource *old, const clew_resource *updating) {
    static const struct {
        uint32_t bit;
        const char *key;
    } findings[] = {
        {CLEW__FRESH_PID, "process.pid"},
        {CLEW__FRESH_CREATION, "process.creation.time"},
        {CLEW__FRESH_INSTANCE_ID, "service.instance.id"},
    };
    uint32_t fresh = updating->fresh;
    for (size_t i = 0; i < sizeof findings / sizeof findings[0]; i++)
        if ((old->fresh & findings[i].bit) && !has_key(updating, findings[i].key))
            fresh |= findings[i].bit;
    return fresh;
}

clew_resource *clew_resource_merge(const clew_resource *old, const clew_resource *updating) {
    static const clew_resource nothing = {.schema_url = ""};
    const char *schema_url;
    clew_resource *merged;
    old = old ? old : &nothing;
    updating = updating ? updating : &nothing;
    schema_url = old->schema_url[0] ? old->schema_url : updating->schema_url;
    if (updating->schema_url[0] && strcmp(schema_url, updating->schema_url) != 0) {
        clew_log(CLEW_LOG_WARN, "resource_schema_url",
                 "resources with the schema URLs \"%.80s\" and \"%.80s\" are merged; the result has none",
                 old->schema_url, updating->schema_url);
        schema_url = "";
    }
    merged = build(old->attributes, old->count, updating->attributes, updating->count, schema_url);
    if (merged)
        merged->fresh = fresh_of_merge(old, updating);
    return merged;
}

/* The count is the one thing of a resource that changes. */
static atomic_uint *references_of(const clew_resource *resource) {
    return &((clew_resource *)(uintptr_t)resource)->references;
}

clew_resource *clew_resource_ref(const clew_resource *resource) {
    if (resource)
        atomic_fetch_add_explicit(references_of(resource), 1, memory_order_relaxed);
    return (clew_resource *)(uintptr_t)resource;
}

void clew_resource_unref(const clew_resource *resource) {
    if (resource && atomic_fetch_sub_explicit(references_of(resource), 1, memory_order_acq_rel) == 1)
        clew_memory_release((void *)(uintptr_t)resource);
}

size_t clew_resource_count(const clew_resource *resource) {
    return resource ? resource->count : 0;
}

clew_attribute clew_resource_at(const clew_resource *resource, size_t index) {
    if (index >= clew_resource_count(resource))
        return clew_attribute_of(NULL, clew_value_empty());
    return resource->attributes[index];
}

clew_value clew_resource_get(const clew_resource *resource, const char *key) {
    size_t count = clew_resource_count(resource);
    size_t at = count && key ? find_key(resource->attributes, count, key) : count;
    return at < count ? resource->attributes[at].value : clew_value_empty();
}

const char *clew_resource_schema_url(const clew_resource *resource) {
    return resource ? resource->schema_url : "";
}

bool clew__resource_encode(const clew_resource *resource, struct clew__writer *writer) {
    size_t before = writer->size;
    for (size_t i = 0; i < clew_resource_count(resource) && !writer->failed; i++) {
        const clew_attribute *attribute = &resource->attributes[i];
        clew__write_attribute(writer, CLEW__RESOURCE_ATTRIBUTES, attribute->key, strlen(attribute->key),
                              &attribute->value, NULL);
    }
    if (writer->failed)
        writer->size = before;
    return !writer->failed;
}
