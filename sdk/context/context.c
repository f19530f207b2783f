/* Owns contexts, the values that applications keep in them, the process's base context, and the attach stack
 * of each thread. Contexts and values are immutable and counted: any thread may share them. A stack is
 * written by its own thread only; a signal handler on that thread may read it at any moment, so an entry is
 * complete before the depth tells of it. Nothing here takes a lock. */
#include "sdk/context/context.h"

#include <clew/extend.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>

struct clew_context {
    atomic_size_t references; /* not counted for the empty one */
    struct clew__context_data data;
};

static clew_context empty;

/* ---- values ---- */

/* One value under one key; shared by every list that has it. */
struct cell {
    atomic_size_t references;
    uint64_t key;
    void *value;
    void (*destroy)(void *value);
};

struct clew__context_value {
    atomic_size_t references;
    size_t count;
    struct cell *cells[];
};

static _Atomic uint64_t last_key;

static void cell_unref(struct cell *cell) {
    int saved = errno;
    if (atomic_fetch_sub_explicit(&cell->references, 1, memory_order_acq_rel) != 1)
        return;
    if (cell->destroy)
        cell->destroy(cell->value);
    clew_memory_release(cell);
    errno = saved;
}

static const struct clew__context_value *values_ref(const struct clew__context_value *values) {
    if (values)
        atomic_fetch_add_explicit(&((struct clew__context_value *)values)->references, 1,
                                  memory_order_relaxed);
    return values;
}

static void values_unref(const struct clew__context_value *values) {
    struct clew__context_value *own = (struct clew__context_value *)values;
    if (!own || atomic_fetch_sub_explicit(&own->references, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < own->count; i++)
        cell_unref(own->cells[i]);
    clew_memory_release(own);
}

/* The list of `old` with the cell added, in place of one with the same key; takes the cell over. NULL: no
 * memory. */
static struct clew__context_value *values_with(const struct clew__context_value *old, struct cell *added) {
    size_t count = old ? old->count : 0;
    struct clew__context_value *values =
        clew_memory_allocate(sizeof *values + (count + 1) * sizeof values->cells[0]);
    if (!values)
        return NULL;
    atomic_init(&values->references, 1);
    values->count = 0;
    for (size_t i = 0; i < count; i++) {
        if (old->cells[i]->key == added->key)
            continue;
        atomic_fetch_add_explicit(&old->cells[i]->references, 1, memory_order_relaxed);
        values->cells[values->count++] = old->cells[i];
    }
    values->cells[values->count++] = added;
    return values;
}

clew_context_key clew_context_key_new(const char *name) {
    clew_context_key key;
    (void)name; /* the identity is all that counts */
    key.id = atomic_fetch_add_explicit(&last_key, 1, memory_order_relaxed) + 1;
    return key;
}

clew_context *clew_context_with_value(const clew_context *base, clew_context_key key, void *value,
                                      void (*destroy)(void *value)) {
    struct clew__context_data data = *clew__context_data(base);
    struct clew__context_value *values;
    clew_context *context;
    struct cell *cell = clew_memory_allocate(sizeof *cell);
    if (!cell)
        return NULL;
    atomic_init(&cell->references, 1);
    cell->key = key.id;
    cell->value = value;
    cell->destroy = destroy;

    values = values_with(data.values, cell);
    if (!values) {
        clew_memory_release(cell);
        return NULL;
    }
    data.values = values;
    context = clew__context_new(&data);
    if (!context)
        cell->destroy = NULL; /* the value stays the caller's */
    values_unref(values);
    return context;
}

void *clew_context_value(const clew_context *context, clew_context_key key) {
    const struct clew__context_value *values = clew__context_data(context)->values;
    for (size_t i = 0; values && i < values->count; i++)
        if (values->cells[i]->key == key.id)
            return values->cells[i]->value;
    return NULL;
}

/* ---- contexts ---- */

static bool is_empty(const struct clew__context_data *data) {
    return !clew__context_has_span_context(data) && data->span_ref == 0 && !data->tracestate &&
           !data->baggage && !data->values;
}

const struct clew__context_data *clew__context_data(const clew_context *context) {
    return context ? &context->data : &empty.data;
}

clew_context *clew__context_new(const struct clew__context_data *data) {
    clew_context *context;
    if (is_empty(data))
        return &empty;
    context = clew_memory_allocate(sizeof *context);
    if (!context)
        return NULL;
    atomic_init(&context->references, 1);
    context->data = *data;
    clew_tracestate_ref(data->tracestate);
    clew_baggage_ref(data->baggage);
    values_ref(data->values);
    return context;
}

clew_context *clew_context_empty(void) {
    return &empty;
}

clew_context *clew_context_ref(const clew_context *context) {
    clew_context *own = (clew_context *)context;
    if (own && own != &empty)
        atomic_fetch_add_explicit(&own->references, 1, memory_order_relaxed);
    return own;
}

void clew_context_unref(const clew_context *context) {
    clew_context *own = (clew_context *)context;
    if (!own || own == &empty || atomic_fetch_sub_explicit(&own->references, 1, memory_order_acq_rel) != 1)
        return;
    clew_tracestate_unref(own->data.tracestate);
    clew_baggage_unref(own->data.baggage);
    values_unref(own->data.values);
    clew_memory_release(own);
}

clew_context *clew_context_with_span_context(const clew_context *base,
                                             const clew_span_context *span_context) {
    struct clew__context_data data = {0};
    data.baggage = clew__context_data(base)->baggage;
    data.values = clew__context_data(base)->values;
    if (clew_span_context_is_valid(span_context)) {
        memcpy(data.trace_id, span_context->trace_id, sizeof data.trace_id);
        memcpy(data.span_id, span_context->span_id, sizeof data.span_id);
        data.trace_flags = span_context->trace_flags;
        data.is_remote = span_context->is_remote;
        data.tracestate = span_context->tracestate;
    }
    return clew__context_new(&data);
}

static clew_span_context span_context_of(const struct clew__context_data *data) {
    clew_span_context span_context;
    memset(&span_context, 0, sizeof span_context);
    if (!clew__context_has_span_context(data))
        return span_context;
    memcpy(span_context.trace_id, data->trace_id, sizeof span_context.trace_id);
    memcpy(span_context.span_id, data->span_id, sizeof span_context.span_id);
    span_context.trace_flags = data->trace_flags;
    span_context.is_remote = data->is_remote;
    span_context.tracestate = data->tracestate;
    return span_context;
}

clew_span_context clew_context_span_context(const clew_context *context) {
    return span_context_of(clew__context_data(context));
}

const clew_baggage *clew_context_baggage(const clew_context *context) {
    return context ? context->data.baggage : clew__context_active(clew__thread_self())->baggage;
}

clew_context *clew_context_with_baggage(const clew_context *base, const clew_baggage *baggage) {
    struct clew__context_data data = *clew__context_data(base);
    data.baggage = baggage;
    return clew__context_new(&data);
}

/* ---- the process's base ---- */

/* Keeps every base reachable, so that a leak checker sees what it is: kept on purpose. */
struct base {
    const clew_context *context;
    struct base *older;
};

static _Atomic(const clew_context *) process_base;
atomic_bool clew__context_was_used;
static _Atomic(struct base *) bases;

static const clew_context *current_base(void) {
    const clew_context *base = atomic_load_explicit(&process_base, memory_order_acquire);
    return base ? base : &empty;
}

void clew__context_set_process_base(const clew_context *context) {
    struct base *base;
    if (context == NULL || context == &empty) {
        atomic_store_explicit(&process_base, NULL, memory_order_release);
        return;
    }
    atomic_store_explicit(&clew__context_was_used, true, memory_order_release);
    base = clew_memory_allocate(sizeof *base);
    if (base) {
        base->context = context;
        base->older = atomic_load(&bases);
        while (!atomic_compare_exchange_weak(&bases, &base->older, base))
            ;
    }
    atomic_store_explicit(&process_base, clew_context_ref(context), memory_order_release);
}

const struct clew__context_data *clew__context_process_base(void) {
    return &current_base()->data;
}

/* ---- the attach stack ---- */

#define LEVELS_INLINED 16u
#define INDEX_BITS 16 /* of a token's depth; above them is the serial number */
#define LEVELS_MAX (1u << INDEX_BITS)

/* What an entry holds a reference of its own to. The rest it borrows: from `context`, from the entry below,
 * which outlives it, or from the process's base, which is never freed. */
enum { OWNS_TRACESTATE = 1, OWNS_BAGGAGE = 2, OWNS_VALUES = 4 };

struct entry {
    struct clew__context_data data;
    const clew_context *context; /* counted: the context that was attached; NULL: pushed as data */
    uint64_t stamp;              /* serial number << INDEX_BITS | OWNS_... */
};

/* One block: growing makes a new one, and the old one stays until the thread exits, so that whoever was
 * interrupted with it in hand can tell. */
struct clew__context_stack {
    struct clew__context_stack *smaller; /* the one before this */
    atomic_uint depth;
    unsigned capacity;
    uint64_t last_serial;   /* never goes back: an entry at the same depth gets another one */
    volatile bool changing; /* a push or a pop is under way: a signal handler in between may only look */
    struct entry entries[];
};

static const clew_token no_token; /* no thread has the id 0 */
static _Atomic uint64_t bad_tokens;

static int refuse_token(void) {
    atomic_fetch_add_explicit(&bad_tokens, 1, memory_order_relaxed);
    return CLEW_EINVAL;
}

uint64_t clew__context_bad_tokens(void) {
    return atomic_load_explicit(&bad_tokens, memory_order_relaxed);
}

static inline unsigned depth_of(const struct clew__context_stack *stack) {
    return stack ? atomic_load_explicit(&stack->depth, memory_order_relaxed) : 0;
}

static inline bool is_changing(const struct clew__context_stack *stack) {
    return stack && stack->changing;
}

/* The entry that is current; NULL: the process's base is. */
static inline const struct entry *top_of(const struct clew__thread *thread) {
    const struct clew__context_stack *stack = thread ? thread->contexts : NULL;
    unsigned depth = depth_of(stack);
    return depth ? &stack->entries[depth - 1] : NULL;
}

const struct clew__context_data *clew__context_active(const struct clew__thread *thread) {
    const struct entry *top = top_of(thread);
    return top ? &top->data : clew__context_process_base();
}

/* From here to end_change() signal handlers leave the stack alone. NULL: this is one, or there is no stack.
 */
static struct clew__context_stack *begin_change(struct clew__thread *thread) {
    struct clew__context_stack *stack;
    do {
        stack = thread->contexts;
        if (!stack || stack->changing)
            return NULL;
        stack->changing = true;
        atomic_signal_fence(memory_order_seq_cst);
        /* A signal handler that came before may have made it grow. */
    } while (__builtin_expect(thread->contexts != stack, 0));
    return stack;
}

static void end_change(struct clew__context_stack *stack) {
    atomic_signal_fence(memory_order_seq_cst);
    stack->changing = false;
}

/* A stack with twice the room, or the first one; in the state of being changed. NULL: no memory, or the
 * limit. */
static struct clew__context_stack *grow(struct clew__thread *thread, struct clew__context_stack *old) {
    unsigned capacity = old ? old->capacity * 2 : LEVELS_INLINED;
    unsigned depth = depth_of(old);
    struct clew__context_stack *stack = NULL;
    clew__context_setup();
    atomic_store_explicit(&clew__context_was_used, true, memory_order_release);
    if (capacity <= LEVELS_MAX)
        stack = clew_memory_allocate(sizeof *stack + capacity * sizeof stack->entries[0]);
    if (!stack)
        return NULL;
    stack->smaller = old;
    atomic_init(&stack->depth, depth);
    stack->capacity = capacity;
    stack->last_serial = old ? old->last_serial : 0;
    stack->changing = true;
    if (old)
        memcpy(stack->entries, old->entries, depth * sizeof old->entries[0]);
    /* Complete before it is seen, by a signal handler and by the child of a fork. */
    __atomic_store_n(&thread->contexts, stack, __ATOMIC_RELEASE);
    return stack;
}

static void write_entry(struct clew__context_stack *stack, unsigned depth,
                        const struct clew__context_data *data, const clew_context *context) {
    struct entry *entry = &stack->entries[depth];
    uint64_t owns = 0;
    entry->data = *data;
    entry->context = context;
    if (context) {
        clew_context_ref(context);
    } else {
        const struct clew__context_data *below =
            depth ? &stack->entries[depth - 1].data : clew__context_process_base();
        if (data->tracestate && data->tracestate != below->tracestate) {
            clew_tracestate_ref(data->tracestate);
            owns |= OWNS_TRACESTATE;
        }
        if (data->baggage && data->baggage != below->baggage) {
            clew_baggage_ref(data->baggage);
            owns |= OWNS_BAGGAGE;
        }
        if (data->values && data->values != below->values) {
            values_ref(data->values);
            owns |= OWNS_VALUES;
        }
    }
    entry->stamp = ++stack->last_serial << INDEX_BITS | owns;
}

static clew_token push(struct clew__thread *thread, const struct clew__context_data *data,
                       const clew_context *context) {
    struct clew__context_stack *stack = begin_change(thread);
    clew_token token;
    unsigned depth;
    if (__builtin_expect(!stack && thread->contexts, 0))
        return no_token;
    if (__builtin_expect(!stack || depth_of(stack) == stack->capacity, 0)) {
        struct clew__context_stack *larger = grow(thread, stack);
        if (!larger) {
            if (stack)
                end_change(stack);
            return no_token;
        }
        stack = larger;
    }
    depth = depth_of(stack);
    write_entry(stack, depth, data, context);
    token.thread = thread->id;
    token.depth = stack->last_serial << INDEX_BITS | depth;
    atomic_signal_fence(memory_order_seq_cst);
    atomic_store_explicit(&stack->depth, depth + 1, memory_order_relaxed);
    end_change(stack);
    return token;
}

clew_token clew__context_push(struct clew__thread *thread, const struct clew__context_data *data) {
    return push(thread, data, NULL);
}

/* Off the stack first, given back then: nobody sees an entry whose references are gone, and what runs when a
 * value goes may attach and detach. */
static bool pop(struct clew__thread *thread) {
    struct clew__context_stack *stack = begin_change(thread);
    unsigned depth;
    struct entry top;
    if (!stack)
        return false;
    depth = depth_of(stack) - 1;
    top = stack->entries[depth];
    atomic_signal_fence(memory_order_seq_cst);
    atomic_store_explicit(&stack->depth, depth, memory_order_relaxed);
    end_change(stack);

    if (top.context)
        clew_context_unref(top.context);
    if (top.stamp & OWNS_TRACESTATE)
        clew_tracestate_unref(top.data.tracestate);
    if (top.stamp & OWNS_BAGGAGE)
        clew_baggage_unref(top.data.baggage);
    if (top.stamp & OWNS_VALUES)
        values_unref(top.data.values);
    return true;
}

static void pop_down_to(struct clew__thread *thread, unsigned depth) {
    while (depth_of(thread->contexts) > depth && pop(thread))
        ;
}

clew_token clew_context_attach(const clew_context *context) {
    struct clew__thread *thread = clew__thread_self();
    if (!thread)
        return no_token;
    return push(thread, clew__context_data(context), context ? context : &empty);
}

int clew_context_detach(clew_token token) {
    struct clew__thread *thread = clew__thread_self();
    unsigned index = (unsigned)(token.depth & (LEVELS_MAX - 1));
    const struct clew__context_stack *stack;
    if (!thread || token.thread != thread->id)
        return refuse_token();
    stack = thread->contexts;
    if (is_changing(stack) || index >= depth_of(stack) ||
        stack->entries[index].stamp >> INDEX_BITS != token.depth >> INDEX_BITS)
        return refuse_token();
    pop_down_to(thread, index);
    return CLEW_OK;
}

clew_context *clew_context_current(void) {
    const struct entry *top = top_of(clew__thread_self());
    clew_context *context;
    if (!top)
        return clew_context_ref(current_base());
    if (top->context)
        return clew_context_ref(top->context);
    context = clew__context_new(&top->data);
    return context ? context : &empty;
}

clew_context *clew_context_swap(const clew_context *context) {
    struct clew__thread *thread = clew__thread_self();
    clew_context *old;
    if (!thread || is_changing(thread->contexts))
        return &empty;
    old = clew_context_current();
    clew_context_ref(context); /* it may be one that only the stack holds */
    pop_down_to(thread, 0);
    push(thread, clew__context_data(context), context ? context : &empty);
    clew_context_unref(context);
    return old;
}

/* Not clew__thread_self(): a signal handler may be the first to ask on its thread. */
clew_span_context clew_current_span_context(void) {
    return span_context_of(clew__context_active(clew__thread_current()));
}

/* ---- threads that go, and forks ---- */

static void free_stack(struct clew__thread *thread) {
    pop_down_to(thread, 0);
    while (thread->contexts) {
        struct clew__context_stack *stack = thread->contexts;
        thread->contexts = stack->smaller;
        clew_memory_release(stack);
    }
}

/* The stacks of threads that are not here any more become empty for whoever gets their blocks. What they held
 * is not given back: its owners may have been in the middle of it. */
static void forget_other_threads(struct clew__thread *self) {
    for (struct clew__thread *thread = clew__thread_first(); thread; thread = thread->next) {
        if (thread == self || !thread->contexts)
            continue;
        atomic_store_explicit(&thread->contexts->depth, 0, memory_order_relaxed);
        thread->contexts->changing = false;
    }
    atomic_store_explicit(&bad_tokens, 0, memory_order_relaxed);
}

static void register_hooks(void) {
    static const struct clew__thread_hooks hooks = {.on_exit = free_stack,
                                                    .on_fork_child = forget_other_threads};
    clew__thread_register_hooks(&hooks);
}

void clew__context_setup(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, register_hooks);
}
