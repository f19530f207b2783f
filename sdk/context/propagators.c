/* Owns the entry points of propagation, the propagators that are made of others or of callbacks, and the
 * global one. A propagator never changes once it is made; the global one is one atomic pointer. Any thread.
 */
#include "sdk/context/propagators.h"

#include <clew/extend.h>

#include "sdk/base/struct_size.h"

#include <errno.h>
#include <stdatomic.h>

#define MEMBERS_MAX 8u

static const char *const no_fields[] = {NULL};

/* ---- none ---- */

static int inject_none(const clew_propagator *self, const clew_context *context,
                       const clew_carrier *carrier) {
    (void)self, (void)context, (void)carrier;
    return CLEW_OK;
}

static clew_context *extract_none(const clew_propagator *self, const clew_context *base,
                                  const clew_carrier *carrier) {
    (void)self, (void)base, (void)carrier;
    return NULL;
}

static const char *const *fields_none(const clew_propagator *self) {
    (void)self;
    return no_fields;
}

static const struct clew__propagator_kind none_kind = {inject_none, extract_none, fields_none};
static clew_propagator none = {&none_kind, true};

clew_propagator *clew_propagator_none(void) {
    return &none;
}

/* ---- composite ---- */

struct composite {
    clew_propagator base;
    size_t count;
    clew_propagator *members[MEMBERS_MAX]; /* borrowed */
    const char *const *fields;
    const char *own_fields[]; /* NULL-terminated; a static one has none */
};

static int inject_composite(const clew_propagator *self, const clew_context *context,
                            const clew_carrier *carrier) {
    const struct composite *composite = (const struct composite *)self;
    int first_error = CLEW_OK;
    for (size_t i = 0; i < composite->count; i++) {
        clew_propagator *member = composite->members[i];
        int error = member->kind->inject(member, context, carrier);
        if (first_error == CLEW_OK)
            first_error = error;
    }
    return first_error;
}

static clew_context *extract_composite(const clew_propagator *self, const clew_context *base,
                                       const clew_carrier *carrier) {
    const struct composite *composite = (const struct composite *)self;
    clew_context *context = clew_context_ref(base);
    for (size_t i = 0; i < composite->count; i++) {
        clew_propagator *member = composite->members[i];
        clew_context *next = member->kind->extract(member, context, carrier);
        if (!next)
            continue;
        clew_context_unref(context);
        context = next;
    }
    return context;
}

static const char *const *fields_composite(const clew_propagator *self) {
    return ((const struct composite *)self)->fields;
}

static const struct clew__propagator_kind composite_kind = {inject_composite, extract_composite,
                                                            fields_composite};

/* Writes the fields of all members, each once, NULL at the end. `fields` has room for all. */
static void collect_fields(const struct composite *composite, const char **fields) {
    size_t count = 0;
    for (size_t i = 0; i < composite->count; i++) {
        for (const char *const *field = clew_propagator_fields(composite->members[i]); *field; field++) {
            size_t seen = 0;
            while (seen < count && strcmp(fields[seen], *field) != 0)
                seen++;
            if (seen == count)
                fields[count++] = *field;
        }
    }
    fields[count] = NULL;
}

clew_propagator *clew_propagator_composite(clew_propagator *const *members, size_t count) {
    struct composite chosen = {.base = {&composite_kind, false}};
    struct composite *made;
    size_t field_count = 0;
    for (size_t i = 0; i < count; i++) {
        size_t seen = 0;
        while (seen < chosen.count && chosen.members[seen] != members[i])
            seen++;
        if (seen < chosen.count || !members[i])
            continue;
        if (chosen.count == MEMBERS_MAX)
            return NULL;
        chosen.members[chosen.count++] = members[i];
        for (const char *const *field = clew_propagator_fields(members[i]); *field; field++)
            field_count++;
    }
    made = clew_memory_allocate(sizeof *made + (field_count + 1) * sizeof made->own_fields[0]);
    if (!made)
        return NULL;
    memcpy(made, &chosen, sizeof chosen);
    made->fields = made->own_fields;
    collect_fields(made, made->own_fields);
    return &made->base;
}

/* ---- custom ---- */

struct custom {
    clew_propagator base;
    clew_propagator_callbacks callbacks;
};

static int inject_custom(const clew_propagator *self, const clew_context *context,
                         const clew_carrier *carrier) {
    const clew_propagator_callbacks *callbacks = &((const struct custom *)self)->callbacks;
    return callbacks->inject ? callbacks->inject(callbacks->self, context, carrier) : CLEW_OK;
}

static clew_context *extract_custom(const clew_propagator *self, const clew_context *base,
                                    const clew_carrier *carrier) {
    const clew_propagator_callbacks *callbacks = &((const struct custom *)self)->callbacks;
    return callbacks->extract ? callbacks->extract(callbacks->self, base, carrier) : NULL;
}

static const char *const *fields_custom(const clew_propagator *self) {
    const clew_propagator_callbacks *callbacks = &((const struct custom *)self)->callbacks;
    const char *const *fields = callbacks->fields ? callbacks->fields(callbacks->self) : NULL;
    return fields ? fields : no_fields;
}

static const struct clew__propagator_kind custom_kind = {inject_custom, extract_custom, fields_custom};

clew_propagator *clew_propagator_custom(const clew_propagator_callbacks *callbacks) {
    struct custom *made = callbacks ? clew_memory_allocate(sizeof *made) : NULL;
    if (!made)
        return NULL;
    made->base.kind = &custom_kind;
    made->base.is_static = false;
    memset(&made->callbacks, 0, sizeof made->callbacks);
    clew__options_copy(&made->callbacks, sizeof made->callbacks, callbacks, sizeof made->callbacks);
    return &made->base;
}

/* ---- for all of them ---- */

void clew_propagator_free(clew_propagator *propagator) {
    if (propagator && !propagator->is_static)
        clew_memory_release(propagator);
}

int clew_propagator_inject(clew_propagator *propagator, const clew_context *context,
                           const clew_carrier *carrier) {
    int saved = errno;
    clew_context *held;
    int error;
    if (!propagator || !carrier || !carrier->set)
        return CLEW_EINVAL;
    /* A reference, for the carrier's functions may attach and detach. */
    held = context ? clew_context_ref(context) : clew_context_current();
    error = propagator->kind->inject(propagator, held, carrier);
    clew_context_unref(held);
    errno = saved;
    return error;
}

clew_context *clew_propagator_extract(clew_propagator *propagator, const clew_context *base,
                                      const clew_carrier *carrier) {
    int saved = errno;
    const clew_context *start = base ? base : clew_context_empty();
    clew_context *context = NULL;
    if (propagator && carrier && carrier->get_all)
        context = propagator->kind->extract(propagator, start, carrier);
    errno = saved;
    return context ? context : clew_context_ref(start);
}

const char *const *clew_propagator_fields(clew_propagator *propagator) {
    return propagator ? propagator->kind->fields(propagator) : no_fields;
}

/* ---- the global one ---- */

static _Atomic(clew_propagator *) global = &none;

clew_propagator *clew_propagator_get_global(void) {
    return atomic_load_explicit(&global, memory_order_acquire);
}

void clew_propagator_set_global(clew_propagator *propagator) {
    atomic_store_explicit(&global, propagator ? propagator : &none, memory_order_release);
}

int clew_inject(const clew_context *context, const clew_carrier *carrier) {
    return clew_propagator_inject(clew_propagator_get_global(), context, carrier);
}

clew_context *clew_extract(const clew_context *base, const clew_carrier *carrier) {
    return clew_propagator_extract(clew_propagator_get_global(), base, carrier);
}

clew_propagator *clew__propagator_w3c(void) {
    static const char *const fields[] = {"traceparent", "tracestate", "baggage", NULL};
    static struct composite w3c = {
        .base = {&composite_kind, true},
        .count = 2,
        .members = {&clew__propagator_tracecontext, &clew__propagator_baggage},
        .fields = fields,
    };
    return &w3c.base;
}

clew_propagator *clew__propagator_global_or_w3c(void) {
    clew_propagator *chosen = clew_propagator_get_global();
    return chosen == &none ? clew__propagator_w3c() : chosen;
}
