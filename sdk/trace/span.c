/* The operations on a span by its handle: enter Clew, lock the slot, record, unlock; and the end. Any thread.
 */
#include "proto/otlp.h"
#include "sdk/base/callback.h"
#include "sdk/base/clock.h"
#include "sdk/base/lock.h"
#include "sdk/context/context.h"
#include "sdk/trace/record.h"
#include "sdk/trace/wait.h"

#include <clew/extend.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ERROR_MESSAGE_SIZE 512

static _Atomic uint64_t null_spans;
static _Atomic uint64_t stale_spans;

void clew__span_misuse(uint64_t *nulls, uint64_t *stales) {
    *nulls = atomic_load(&null_spans);
    *stales = atomic_load(&stale_spans);
}

void clew__span_misuse_reset(void) {
    atomic_store(&null_spans, 0);
    atomic_store(&stale_spans, 0);
}

/* ---- the lock of a span ---- */

static uint64_t generation_of(uint64_t ref) {
    return ref >> CLEW__REF_GENERATION_SHIFT;
}

static inline struct clew__slot *slot_of(uint64_t ref) {
    struct clew__slot *slot;
    if (__builtin_expect(ref == 0, 0)) {
        atomic_fetch_add_explicit(&null_spans, 1, memory_order_relaxed);
        return NULL;
    }
    slot = clew__slot_at((uint32_t)(ref >> CLEW__REF_INDEX_SHIFT) & (CLEW__SLOTS_MAX - 1));
    if (!slot)
        atomic_fetch_add_explicit(&stale_spans, 1, memory_order_relaxed);
    return slot;
}

/* Moves an open slot of that generation to `state`. Waits while somebody else is busy with it; false when it
 * has ended, or is ending. */
static bool lock_slowly(struct clew__slot *slot, uint64_t generation, enum clew__slot_state state) {
    for (unsigned round = 0;; round++) {
        uint64_t word = clew__slot_word(generation, CLEW__SLOT_OPEN);
        if (atomic_compare_exchange_weak_explicit(&slot->word, &word, clew__slot_word(generation, state),
                                                  memory_order_acquire, memory_order_relaxed))
            return true;
        if (word >> 2 != generation || (word & 3) == CLEW__SLOT_ENDING || (word & 3) == CLEW__SLOT_FREE)
            return false;
        clew__wait_a_little(round);
    }
}

static inline bool lock(struct clew__slot *slot, uint64_t generation, enum clew__slot_state state) {
    uint64_t word = clew__slot_word(generation, CLEW__SLOT_OPEN);
    if (__builtin_expect(atomic_compare_exchange_strong_explicit(&slot->word, &word,
                                                                 clew__slot_word(generation, state),
                                                                 memory_order_acquire, memory_order_relaxed),
                         1))
        return true;
    return lock_slowly(slot, generation, state);
}

/* A locked slot and the thread that has it. */
struct hold {
    struct clew__thread *thread;
    struct clew__slot *slot;
    bool in_ending; /* inside a callback of its end, whose thread has it anyway */
};

/* Locks a span for recording. False, and counted, when there is nothing to record to. */
static inline __attribute__((always_inline)) bool acquire(uint64_t ref, struct hold *hold) {
    uint64_t generation = generation_of(ref);
    hold->thread = clew__thread_enter();
    if (__builtin_expect(hold->thread == NULL, 0))
        return false;
    hold->slot = slot_of(ref);
    hold->in_ending = false;
    if (__builtin_expect(hold->slot == NULL, 0)) {
        clew__thread_leave(hold->thread);
        return false;
    }
    if (__builtin_expect(lock(hold->slot, generation, CLEW__SLOT_BUSY), 1)) {
        if (__builtin_expect(hold->slot->is_recording, 1))
            return true;
        atomic_store_explicit(&hold->slot->word, clew__slot_word(generation, CLEW__SLOT_OPEN),
                              memory_order_release);
        clew__thread_leave(hold->thread);
        return false;
    }
    if (atomic_load_explicit(&hold->slot->word, memory_order_relaxed) ==
            clew__slot_word(generation, CLEW__SLOT_ENDING) &&
        atomic_load_explicit(&hold->slot->ender, memory_order_relaxed) == hold->thread) {
        hold->in_ending = true;
        return true;
    }
    atomic_fetch_add_explicit(&stale_spans, 1, memory_order_relaxed);
    clew__thread_leave(hold->thread);
    return false;
}

static inline void release(uint64_t ref, struct hold *hold) {
    if (__builtin_expect(!hold->in_ending, 1))
        atomic_store_explicit(&hold->slot->word, clew__slot_word(generation_of(ref), CLEW__SLOT_OPEN),
                              memory_order_release);
    clew__thread_leave(hold->thread);
}

/* ---- setters ---- */

bool clew_abi_span_is_recording(uint64_t ref) {
    struct clew__slot *slot =
        ref ? clew__slot_at((uint32_t)(ref >> CLEW__REF_INDEX_SHIFT) & (CLEW__SLOTS_MAX - 1)) : NULL;
    uint64_t generation = generation_of(ref), word;
    struct hold hold;
    if (!slot)
        return false;
    word = atomic_load_explicit(&slot->word, memory_order_acquire);
    if (word >> 2 != generation || (word & 3) == CLEW__SLOT_FREE)
        return false;
    if (!acquire(ref, &hold))
        return false;
    release(ref, &hold);
    return true;
}

void clew_abi_span_set_string(uint64_t ref, const char *key, size_t key_size, const char *value,
                              size_t size) {
    struct hold hold;
    if (!acquire(ref, &hold))
        return;
    clew__record_string(hold.slot, key, key_size, value, size);
    release(ref, &hold);
}

void clew_abi_span_set_bool(uint64_t ref, const char *key, size_t key_size, bool value) {
    struct hold hold;
    if (!acquire(ref, &hold))
        return;
    clew__record_varint(hold.slot, key, key_size, CLEW__ANY_BOOL, value);
    release(ref, &hold);
}

void clew_abi_span_set_int(uint64_t ref, const char *key, size_t key_size, int64_t value) {
    struct hold hold;
    if (!acquire(ref, &hold))
        return;
    clew__record_varint(hold.slot, key, key_size, CLEW__ANY_INT, (uint64_t)value);
    release(ref, &hold);
}

void clew_abi_span_set_double(uint64_t ref, const char *key, size_t key_size, double value) {
    struct hold hold;
    if (!acquire(ref, &hold))
        return;
    clew__record_double(hold.slot, key, key_size, value);
    release(ref, &hold);
}

void clew_abi_span_set_value(uint64_t ref, const char *key, size_t key_size, const clew_value *value) {
    struct hold hold;
    if (!acquire(ref, &hold))
        return;
    clew__record_value(hold.slot, key, key_size, value);
    release(ref, &hold);
}

void clew_abi_span_set_attributes(uint64_t ref, const clew_attribute *attributes, size_t count) {
    struct hold hold;
    if (!acquire(ref, &hold))
        return;
    clew__record_attributes(hold.slot, attributes, count);
    release(ref, &hold);
}

/* Now, on the clock of the span's trace. */
static uint64_t now_of(const struct clew__slot *slot) {
    return clew__monotonic_nano() + (uint64_t)slot->unix_offset;
}

void clew_abi_span_add_event(uint64_t ref, const char *name, size_t name_size, uint64_t time_unix_nano,
                             const clew_attribute *attributes, size_t attribute_count) {
    struct hold hold;
    if (!acquire(ref, &hold))
        return;
    clew__record_event(hold.slot, name, name_size, time_unix_nano ? time_unix_nano : now_of(hold.slot),
                       attributes, attribute_count);
    release(ref, &hold);
}

/* Whether an id is that of a span; counted like the null span otherwise. */
static bool is_target(const uint8_t span_id[8]) {
    static const uint8_t none[8];
    if (memcmp(span_id, none, sizeof none) != 0)
        return true;
    atomic_fetch_add_explicit(&null_spans, 1, memory_order_relaxed);
    return false;
}

void clew_abi_wait_begin(uint64_t ref, const uint8_t target_span_id[8]) {
    struct hold hold;
    if (!acquire(ref, &hold))
        return;
    if (is_target(target_span_id))
        clew__wait_begin(hold.slot, target_span_id, now_of(hold.slot));
    release(ref, &hold);
}

/* Where events were dropped the begin may have been one of them: then its end is no mistake. */
void clew_abi_wait_end(uint64_t ref, const uint8_t target_span_id[8]) {
    struct hold hold;
    if (!acquire(ref, &hold))
        return;
    if (is_target(target_span_id) && !clew__wait_end(hold.slot, target_span_id, now_of(hold.slot)) &&
        hold.slot->dropped_events == 0)
        atomic_fetch_add_explicit(&stale_spans, 1, memory_order_relaxed);
    release(ref, &hold);
}

void clew_abi_span_add_link(uint64_t ref, const clew_span_context *context, const clew_attribute *attributes,
                            size_t attribute_count) {
    struct hold hold;
    if (!context || !acquire(ref, &hold))
        return;
    clew__record_link(hold.slot, context, attributes, attributes ? attribute_count : 0);
    release(ref, &hold);
}

void clew_abi_span_set_status(uint64_t ref, clew_status status, const char *description, size_t size) {
    struct hold hold;
    if (!acquire(ref, &hold))
        return;
    clew__record_status(hold.slot, status, description, size);
    release(ref, &hold);
}

void clew_abi_span_update_name(uint64_t ref, const char *name, size_t size) {
    struct hold hold;
    if (!acquire(ref, &hold))
        return;
    clew__record_name(hold.slot, name, size);
    release(ref, &hold);
}

void clew_abi_span_set_error(uint64_t ref, const char *type, const char *message) {
    struct hold hold;
    const char *given = type && *type ? type : CLEW_ERROR_OTHER;
    if (!acquire(ref, &hold))
        return;
    clew__record_string(hold.slot, "error.type", strlen("error.type"), given, strlen(given));
    clew__record_status(hold.slot, CLEW_STATUS_ERROR, message, message ? strlen(message) : 0);
    release(ref, &hold);
}

void clew_abi_span_set_error_format(uint64_t ref, const char *type, const char *format, ...) {
    char message[ERROR_MESSAGE_SIZE];
    va_list arguments;
    int saved = errno;
    va_start(arguments, format);
    if (vsnprintf(message, sizeof message, format, arguments) < 0)
        message[0] = '\0';
    va_end(arguments);
    errno = saved;
    clew_abi_span_set_error(ref, type, message);
}

/* The generated attributes come first and those given after them: of equal keys the last counts. */
void clew_abi_span_record_exception(uint64_t ref, const char *type, const char *message,
                                    const char *stacktrace, const clew_attribute *attributes,
                                    size_t attribute_count) {
    enum { GENERATED = 3, ON_STACK = 32 };
    clew_attribute own[ON_STACK], *all = own;
    size_t count = 0;
    if (!attributes)
        attribute_count = 0;
    if (attribute_count > ON_STACK - GENERATED) {
        all = clew_memory_allocate((attribute_count + GENERATED) * sizeof *all);
        if (!all) {
            all = own;
            attribute_count = ON_STACK - GENERATED;
        }
    }
    if (type)
        all[count++] = clew_attribute_of("exception.type", clew_value_string(type));
    if (message)
        all[count++] = clew_attribute_of("exception.message", clew_value_string(message));
    if (stacktrace)
        all[count++] = clew_attribute_of("exception.stacktrace", clew_value_string(stacktrace));
    if (attribute_count)
        memcpy(all + count, attributes, attribute_count * sizeof *all);
    clew_abi_span_add_event(ref, "exception", strlen("exception"), 0, all, count + attribute_count);
    if (all != own)
        clew_memory_release(all);
}

void clew__span_read_shared(uint64_t ref, const clew_tracestate **tracestate, int64_t *unix_offset) {
    struct clew__thread *thread = clew__thread_enter();
    uint64_t generation = generation_of(ref);
    struct clew__slot *slot;
    if (!thread)
        return;
    slot = ref ? clew__slot_at((uint32_t)(ref >> CLEW__REF_INDEX_SHIFT) & (CLEW__SLOTS_MAX - 1)) : NULL;
    if (slot && lock(slot, generation, CLEW__SLOT_BUSY)) {
        *tracestate = clew_tracestate_ref(slot->tracestate);
        *unix_offset = slot->is_recording ? slot->unix_offset : 0;
        atomic_store_explicit(&slot->word, clew__slot_word(generation, CLEW__SLOT_OPEN),
                              memory_order_release);
    }
    clew__thread_leave(thread);
}

/* ---- the end ---- */

static void call_on_ending(struct clew__thread *thread, const struct clew__pipelines *pipelines,
                           clew_span span) {
    struct clew__callback before = clew__callback_begin(thread);
    for (size_t i = 0; i < pipelines->count; i++) {
        const struct clew__pipeline *pipeline = &pipelines->list[i];
        struct clew__custom *custom = pipeline->as.custom;
        if (pipeline->kind != CLEW__PIPELINE_CUSTOM || !custom->processor.on_ending ||
            !clew__custom_enter(custom))
            continue;
        custom->processor.on_ending(custom->processor.self, span);
        clew__custom_leave(custom);
    }
    clew__callback_end(thread, before);
}

/* The next BYTES member of encoded members, or nothing. */
static clew_bytes take(struct clew__wire *members) {
    clew_bytes content = {"", 0};
    struct clew__field field;
    enum clew__wire_error error;
    if (clew__wire_next(members, &field, &error)) {
        content.data = field.bytes.at;
        content.size = (size_t)(field.bytes.end - field.bytes.at);
    }
    return content;
}

static clew_text as_text(clew_bytes bytes) {
    clew_text text = {bytes.data, bytes.size};
    return text;
}

static clew_span_view view_of(const struct clew__slot *slot) {
    struct clew_provider *provider = atomic_load_explicit(&slot->provider, memory_order_relaxed);
    const struct clew__scope *scope = &slot->tracer->scope;
    clew_bytes origin = clew__origin_bytes(&provider->origin);
    struct clew__wire head = clew__wire_of(scope->head, scope->head_size);
    struct clew__wire tail = clew__wire_of(scope->tail, scope->tail_size);
    struct clew__wire resource = clew__wire_of(origin.data, origin.size);
    clew_span_view view = {.span = {slot->body, slot->size}};
    view.scope = take(&head);
    view.scope_schema_url = as_text(take(&tail));
    view.resource = take(&resource);
    view.resource_schema_url = as_text(take(&resource));
    return view;
}

static void offer_custom(struct clew__custom *custom, struct clew__thread *thread,
                         const struct clew__slot *slot) {
    struct clew__account *account = clew__account_of(thread, custom->number);
    if (!account)
        return;
    clew__account_add(account, CLEW__OFFERED, 1);
    if (!clew__custom_enter(custom)) {
        clew__account_add(account, CLEW__DROPPED_SHUTDOWN, 1);
        return;
    }
    if (custom->processor.on_end) {
        clew_span_view view = view_of(slot);
        struct clew__callback before = clew__callback_begin(thread);
        custom->processor.on_end(custom->processor.self, &view);
        clew__callback_end(thread, before);
    }
    clew__custom_leave(custom);
    clew__account_add(account, CLEW__EXPORTED, 1);
}

/* The sealed bytes go to every pipeline; the last stream may take a grown body over. */
static void offer(struct clew__thread *thread, struct clew__slot *slot,
                  const struct clew__pipelines *pipelines) {
    const struct clew__scope *scope = &slot->tracer->scope;
    bool sampled = atomic_load_explicit(&slot->is_sampled, memory_order_relaxed);
    size_t last_stream = SIZE_MAX;
    for (size_t i = 0; i < pipelines->count; i++)
        if (pipelines->list[i].kind == CLEW__PIPELINE_STREAM)
            last_stream = i;
    for (size_t i = 0; i < pipelines->count; i++) {
        const struct clew__pipeline *pipeline = &pipelines->list[i];
        if (pipeline->kind == CLEW__PIPELINE_SIMPLE)
            clew__simple_offer(pipeline->as.simple, thread, scope, slot->body, slot->size, sampled);
        else if (pipeline->kind == CLEW__PIPELINE_CUSTOM)
            offer_custom(pipeline->as.custom, thread, slot);
        else if (i != last_stream)
            clew__stream_offer(pipeline->as.stream, thread, scope, slot->body, slot->size, sampled, NULL, 0);
    }
    if (last_stream == SIZE_MAX)
        return;
    if (slot->capacity > CLEW__BODY_SIZE && sampled) {
        uint8_t *body = slot->body;
        uint32_t capacity = slot->capacity;
        /* Let go of first: once the stream has it, the worker may free it, and the child of a fork would
         * again. */
        slot->body = NULL;
        slot->capacity = 0;
        if (!clew__stream_offer(pipelines->list[last_stream].as.stream, thread, scope, body, slot->size, true,
                                body - CLEW__BODY_HEADROOM, CLEW__BODY_HEADROOM + capacity)) {
            slot->body = body;
            slot->capacity = capacity;
        }
    } else {
        clew__stream_offer(pipelines->list[last_stream].as.stream, thread, scope, slot->body, slot->size,
                           sampled, NULL, 0);
    }
}

void clew__pipelines_ask_for_room(const struct clew__pipelines *pipelines) {
    for (size_t i = 0; i < pipelines->count; i++)
        if (pipelines->list[i].kind == CLEW__PIPELINE_STREAM)
            clew__stream_ask_for_room(pipelines->list[i].as.stream);
}

/* In the provider's second account. */
static void add_dropped(struct clew__account *account, const struct clew__slot *slot) {
    if (slot->dropped_attributes)
        clew__account_add(account, CLEW__DROPPED_ATTRIBUTES, slot->dropped_attributes);
    if (slot->dropped_events)
        clew__account_add(account, CLEW__DROPPED_EVENTS, slot->dropped_events);
    if (slot->dropped_links)
        clew__account_add(account, CLEW__DROPPED_LINKS, slot->dropped_links);
}

static void end_recording(struct clew__thread *thread, struct clew__slot *slot, uint64_t ref,
                          uint64_t end_unix_nano) {
    struct clew_provider *provider = atomic_load_explicit(&slot->provider, memory_order_relaxed);
    const struct clew__pipelines *pipelines =
        atomic_load_explicit(&provider->pipelines, memory_order_acquire);
    struct clew__account *account = clew__account_of(thread, provider->number);
    if (pipelines->count == 0 && provider->all)
        pipelines = provider->all; /* shut down since the start: each counts the span as dropped */
    clew__record_end_time(slot, end_unix_nano ? end_unix_nano : now_of(slot));
    if (pipelines->has_on_ending) {
        clew_span span = {.ref = ref};
        clew__record_read_ids(slot, &span);
        atomic_store_explicit(&slot->ender, thread, memory_order_relaxed);
        call_on_ending(thread, pipelines, span);
        atomic_store_explicit(&slot->ender, NULL, memory_order_relaxed); /* from here on nobody may set */
    }
    clew__record_seal(slot);
    offer(thread, slot, pipelines);
    if (__builtin_expect(slot->is_starved, 0))
        clew__pipelines_ask_for_room(pipelines);
    if (account) {
        if (slot->dropped_attributes | slot->dropped_events | slot->dropped_links)
            add_dropped(account + 1, slot);
        clew__account_add(account, CLEW__ENDED, 1);
    } else {
        atomic_fetch_add(&provider->ended_uncounted, 1);
    }
}

void clew_abi_span_end(uint64_t ref, uint64_t end_unix_nano) {
    struct clew__thread *thread = clew__thread_enter();
    uint64_t generation = generation_of(ref);
    struct clew__slot *slot;
    if (__builtin_expect(thread == NULL, 0))
        return;
    slot = slot_of(ref);
    if (slot && lock(slot, generation, CLEW__SLOT_ENDING)) {
        if (slot->is_recording)
            end_recording(thread, slot, ref, end_unix_nano);
        if (__builtin_expect(slot->tracestate != NULL, 0)) {
            const clew_tracestate *tracestate = slot->tracestate;
            slot->tracestate = NULL; /* first, for the child of a fork in between */
            clew_tracestate_unref(tracestate);
        }
        generation = (generation + 1) & CLEW__GENERATION_MASK;
        atomic_store_explicit(&slot->word, clew__slot_word(generation ? generation : 1, CLEW__SLOT_FREE),
                              memory_order_release);
        clew__slot_give(thread, slot);
    } else if (slot) {
        atomic_fetch_add_explicit(&stale_spans, 1, memory_order_relaxed);
    }
    clew__thread_leave(thread);
}
