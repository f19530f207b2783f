/* Owns all tracers, in one list under a lock; they live as long as the process. */
#include "sdk/trace/provider.h"

#include "proto/otlp.h"
#include "sdk/base/buffer.h"
#include "sdk/base/lock.h"
#include "sdk/base/memory.h"

#include <clew/extend.h>

#include <stdlib.h>
#include <string.h>

static struct clew__lock lock = CLEW__LOCK_INIT;
static struct clew_tracer *tracers;
static struct clew_provider *global_provider;
static struct clew_provider *last_global_provider; /* for the books after its shutdown */
static bool locked_for_fork;

struct clew_tracer clew__default_tracer = {.is_global = true};

static int by_key(const void *left, const void *right) {
    return strcmp(((const clew_attribute *)left)->key, ((const clew_attribute *)right)->key);
}

/* The attributes of a scope are a set: they are encoded by key, so that equal sets have equal bytes. */
static void write_scope_attributes(struct clew__writer *writer, const clew_attribute *attributes,
                                   size_t count) {
    clew_attribute *sorted;
    size_t kept = 0;
    if (!attributes || count == 0)
        return;
    sorted = clew_memory_allocate(count * sizeof *sorted);
    if (!sorted) {
        writer->failed = true;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        bool again = false;
        if (!attributes[i].key || !*attributes[i].key)
            continue;
        for (size_t k = i + 1; k < count && !again; k++)
            again = attributes[k].key && strcmp(attributes[k].key, attributes[i].key) == 0;
        if (!again) /* of equal keys the last counts */
            sorted[kept++] = attributes[i];
    }
    qsort(sorted, kept, sizeof *sorted, by_key);
    clew__write_attributes(writer, CLEW__SCOPE_ATTRIBUTES, sorted, kept, UINT32_MAX, NULL);
    clew_memory_release(sorted);
}

/* Encodes the scope; false when memory runs out. */
static bool encode(struct clew_tracer *tracer, const char *name, const char *version, const char *schema_url,
                   const clew_attribute *attributes, size_t count) {
    struct clew__writer writer = clew__buffer_plain();
    size_t begun;
    begun = clew__write_begin(&writer, CLEW__SCOPE_SPANS_SCOPE);
    if (name && *name)
        clew__write_text(&writer, CLEW__SCOPE_NAME, name, strlen(name));
    if (version && *version)
        clew__write_text(&writer, CLEW__SCOPE_VERSION, version, strlen(version));
    write_scope_attributes(&writer, attributes, count);
    clew__write_end(&writer, begun);
    tracer->scope.head_size = writer.size;
    if (schema_url && *schema_url)
        clew__write_text(&writer, CLEW__SCOPE_SPANS_SCHEMA_URL, schema_url, strlen(schema_url));
    tracer->scope.tail_size = writer.size - tracer->scope.head_size;
    if (writer.failed) {
        clew__buffer_fini(&writer);
        return false;
    }
    tracer->size = writer.size;
    tracer->bytes = clew__buffer_take(&writer);
    tracer->scope.head = tracer->bytes;
    tracer->scope.tail = tracer->bytes + tracer->scope.head_size;
    return true;
}

/* Caller holds the lock. */
static struct clew_tracer *find(const struct clew_tracer *like) {
    for (struct clew_tracer *tracer = tracers; tracer; tracer = tracer->next)
        if (tracer->owner == like->owner && tracer->size == like->size &&
            tracer->scope.head_size == like->scope.head_size &&
            memcmp(tracer->bytes, like->bytes, like->size) == 0)
            return tracer;
    return NULL;
}

static struct clew_tracer *get(struct clew_provider *owner, const char *name, const char *version,
                               const char *schema_url, const clew_attribute *attributes, size_t count) {
    struct clew_tracer *made, *found;
    clew__library_setup();
    if (!name || !*name)
        clew_log(CLEW_LOG_INFO, "tracer.name",
                 "a tracer without a name was asked for; its scope has no name");
    clew__library_setup(); /* for the lock below in the child of a fork */
    made = clew_memory_allocate(sizeof *made);
    if (!made)
        return &clew__default_tracer;
    memset(made, 0, sizeof *made);
    made->owner = owner;
    made->is_global = owner == NULL;
    if (!encode(made, name, version, schema_url, attributes, count)) {
        clew_memory_release(made);
        return &clew__default_tracer;
    }
    clew__lock_acquire(&lock);
    found = find(made);
    if (!found) {
        atomic_store(&made->provider, owner ? owner : global_provider);
        made->next = tracers;
        tracers = made;
    }
    clew__lock_release(&lock);
    if (!found)
        return made;
    clew_memory_release(made->bytes);
    clew_memory_release(made);
    return found;
}

/* Inside, so that a signal handler that interrupts this does not want the lock. */
static struct clew_tracer *enter_and_get(struct clew_provider *owner, const char *name, const char *version,
                                         const char *schema_url, const clew_attribute *attributes,
                                         size_t count) {
    struct clew__thread *thread = clew__thread_enter();
    struct clew_tracer *tracer;
    if (!thread)
        return &clew__default_tracer;
    tracer = get(owner, name, version, schema_url, attributes, count);
    clew__thread_leave(thread);
    return tracer;
}

clew_tracer *clew_tracer_get(const char *name, const char *version, const char *schema_url,
                             const clew_attribute *attributes, size_t attribute_count) {
    return enter_and_get(NULL, name, version, schema_url, attributes, attribute_count);
}

clew_tracer *clew_provider_tracer(clew_provider *provider, const char *name, const char *version,
                                  const char *schema_url, const clew_attribute *attributes,
                                  size_t attribute_count) {
    return enter_and_get(provider, name, version, schema_url, attributes, attribute_count);
}

clew_tracer *clew_tracer_default(void) {
    return &clew__default_tracer;
}

bool clew_tracer_enabled(const clew_tracer *tracer, const void *reserved) {
    const struct clew_provider *provider;
    struct clew__thread *thread = clew__thread_self();
    (void)reserved;
    if (!tracer)
        tracer = &clew__default_tracer;
    provider = atomic_load_explicit(&tracer->provider, memory_order_acquire);
    return provider && thread && !thread->suppressed &&
           atomic_load_explicit(&provider->pipelines, memory_order_acquire)->count > 0;
}

void clew__tracer_set_global_provider(struct clew_provider *provider) {
    clew__lock_acquire(&lock);
    global_provider = provider;
    if (provider)
        last_global_provider = provider;
    atomic_store_explicit(&clew__default_tracer.provider, provider, memory_order_release);
    for (struct clew_tracer *tracer = tracers; tracer; tracer = tracer->next)
        if (tracer->is_global)
            atomic_store_explicit(&tracer->provider, provider, memory_order_release);
    clew__lock_release(&lock);
}

void clew__tracer_forked(void) {
    clew__lock_release(&lock);
}

const struct clew_provider *clew__tracer_last_global_provider(void) {
    const struct clew_provider *last;
    clew__lock_acquire(&lock);
    last = last_global_provider;
    clew__lock_release(&lock);
    return last;
}

static void before_fork(void) {
    locked_for_fork = clew__lock_acquire_bounded(&lock);
}

static void after_fork_in_parent(void) {
    if (locked_for_fork)
        clew__lock_release(&lock);
}

static void after_fork_in_child(struct clew__thread *self) {
    (void)self;
    clew__lock_release(&lock);
}

void clew__tracer_setup(void) {
    static const struct clew__thread_hooks hooks = {NULL, before_fork, after_fork_in_parent,
                                                    after_fork_in_child};
    clew__thread_register_hooks(&hooks);
}

clew_provider *clew_provider_get_global(void) {
    return atomic_load_explicit(&clew__default_tracer.provider, memory_order_acquire);
}
