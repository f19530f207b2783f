/* Owns the queues of all streams, under one lock that is held for a few instructions at a time. Application
 * threads offer; the worker takes (stream_take.c). */
#include "sdk/pipeline/stream.h"

#include "sdk/base/clock.h"
#include "sdk/base/lock.h"
#include "sdk/base/memory.h"
#include "sdk/pipeline/offload.h"
#include "sdk/worker/worker.h"

#define MANY_THREADS 16u /* from here on chunks are small: idle threads hold none, busy ones little */
#define CREDITS_A_CHUNK 64u
/* A chunk that cannot take another span of common size is pushed. */
#define ROOM_WORTH_KEEPING 512u
/* A queue of fewer bytes than so many large chunks is cut into small ones. */
#define TIGHT_CHUNKS 8u
/* Chunks that one span may push out of a full queue: others may be quicker to take the room. */
#define DROPS_A_SPAN 8u

struct clew__lock clew__stream_lock = CLEW__LOCK_INIT;

/* Stands in an account while its thread appends to the chunk: who collects can tell it from no chunk. */
static struct clew__chunk being_filled;

static const struct clew__task_kind stream_kind = {
    .step = clew__stream_step,
    .wait = clew__stream_wait,
    .ask = clew__stream_ask,
    .take_back = clew__stream_take_back,
    .abandon = clew__stream_abandon,
    .give_up = clew__stream_give_up,
    .bury = clew__stream_bury,
    .forked = clew__stream_after_fork_in_child,
};

struct clew__stream *clew__stream_new(const clew_exporter *exporter, const clew_batch_options *options,
                                      bool immediate, struct clew__origin *origin) {
    uint32_t number = clew__account_number();
    struct clew__stream *stream = number == UINT32_MAX ? NULL : clew_memory_allocate(sizeof *stream);
    /* Books and messages name the exporter when it is gone, too. */
    char *name = clew_memory_copy_text(exporter->name, strlen(exporter->name));
    if (stream)
        memset(stream, 0, sizeof *stream);
    if (!stream || !name || clew__offload_wrap(exporter, &stream->exporter) != CLEW_OK) {
        if (exporter->destroy)
            exporter->destroy(exporter->self);
        clew_memory_release(name);
        clew_memory_release(stream);
        return NULL;
    }
    clew__task_init(&stream->task, &stream_kind);
    stream->exporter.name = name;
    if (exporter->server_address) {
        strncpy(stream->server_address, exporter->server_address, sizeof stream->server_address - 1);
        stream->exporter.server_address = stream->server_address;
        stream->exporter.server_port = exporter->server_port;
    }
    stream->number = number;
    stream->options = *options;
    stream->immediate = immediate || options->schedule_delay_ms == 0;
    stream->origin = origin;
    stream->credits = options->max_queue_size;
    stream->last_tick = clew__monotonic_nano();
    return stream;
}

void clew__stream_protect(struct clew__stream *stream, struct clew__crash *crash,
                          struct clew__leftovers *leftovers) {
    stream->crash = crash;
    stream->leftovers = leftovers;
}

/* ---- the threads' side ---- */

/* Caller holds the lock. Returns whether the worker should hear of it: once as the queue grows past a batch,
 * unless an export is under way, after which it looks anyway. */
static bool push_locked(struct clew__stream *stream, struct clew__chunk *chunk) {
    uint32_t before = atomic_load_explicit(&stream->queued, memory_order_relaxed);
    uint32_t batch = stream->immediate ? 1 : stream->options.max_export_batch_size;
    chunk->next = NULL;
    if (stream->tail)
        stream->tail->next = chunk;
    else
        stream->head = chunk;
    stream->tail = chunk;
    stream->credits += chunk->credits;
    chunk->credits = 0;
    chunk->epoch = stream->epoch;
    stream->is_epoch_used |= chunk->spans > 0;
    atomic_store_explicit(&stream->queued, before + chunk->spans, memory_order_relaxed);
    return before < batch && before + chunk->spans >= batch &&
           atomic_load_explicit(&stream->in_flight_count, memory_order_relaxed) == 0;
}

static void push(struct clew__stream *stream, struct clew__chunk *chunk) {
    bool wake;
    clew__lock_acquire(&clew__stream_lock);
    wake = push_locked(stream, chunk);
    clew__lock_release(&clew__stream_lock);
    if (wake)
        clew__worker_wake();
}

/* A chunk that is off the queue, and its spans dropped. Caller holds the lock. */
static void leave_queue(struct clew__stream *stream, const struct clew__chunk *chunk, enum clew__fate fate) {
    stream->credits += chunk->spans;
    stream->bytes -= chunk->block_size;
    atomic_fetch_sub_explicit(&stream->queued, chunk->spans, memory_order_relaxed);
    clew__stream_settle(stream, chunk->epoch, fate, chunk->spans);
}

/* Pushes the chunk of an account. One that is being filled is waited for until the deadline, for it may
 * hold spans whose end has returned long ago; 0 does not wait. Returns whether the worker should hear of it.
 */
static bool collect_from(struct clew__stream *stream, struct clew__account *account, uint64_t deadline) {
    for (unsigned round = 0;; round++) {
        struct clew__chunk *chunk = atomic_load_explicit(&account->chunk, memory_order_acquire);
        bool taken, wake;
        if (!chunk)
            return false;
        if (chunk == &being_filled) {
            if (deadline == 0 || (round > 0 && clew__monotonic_nano() >= deadline))
                return false;
            clew__wait_a_little(round);
            continue;
        }
        /* Under the lock: who reads the position afterwards finds the chunk in the account or in the queue.
         */
        clew__lock_acquire(&clew__stream_lock);
        taken = atomic_compare_exchange_strong_explicit(&account->chunk, &chunk, NULL, memory_order_acquire,
                                                        memory_order_relaxed);
        wake = taken && push_locked(stream, chunk);
        clew__lock_release(&clew__stream_lock);
        if (taken)
            return wake;
    }
}

static void collect_until(struct clew__stream *stream, uint64_t deadline) {
    bool wake = false;
    for (struct clew__thread *thread = clew__thread_first(); thread; thread = thread->next) {
        struct clew__account *account = clew__account_peek(thread, stream->number);
        if (account)
            wake |= collect_from(stream, account, deadline);
    }
    if (wake)
        clew__worker_wake();
}

static void collect_into_queue(struct clew__stream *stream) {
    collect_until(stream, 0);
}

void clew__stream_collect(struct clew__stream *stream, uint64_t deadline) {
    collect_until(stream, deadline);
}

static uint32_t grant(struct clew__stream *stream, uint32_t wanted) {
    uint32_t granted;
    clew__lock_acquire(&clew__stream_lock);
    granted = stream->credits < wanted ? stream->credits : wanted;
    stream->credits -= granted;
    clew__lock_release(&clew__stream_lock);
    return granted;
}

/* Spans that this chunk may hold: a fair part of the queue, for what one thread holds unused another one
 * lacks. */
static uint32_t fair_credits(const struct clew__stream *stream) {
    uint32_t threads = clew__thread_count();
    uint32_t fair = stream->options.max_queue_size / (2 * (threads ? threads : 1));
    if (stream->immediate || fair < 1)
        return 1;
    if (fair > stream->options.max_export_batch_size)
        fair = stream->options.max_export_batch_size; /* or a full batch would sit in a chunk */
    return fair < CREDITS_A_CHUNK ? fair : CREDITS_A_CHUNK;
}

static bool take_bytes(struct clew__stream *stream, uint64_t size) {
    bool fits;
    clew__lock_acquire(&clew__stream_lock);
    fits = stream->options.max_queue_bytes == 0 || stream->bytes + size <= stream->options.max_queue_bytes;
    if (fits)
        stream->bytes += size;
    clew__lock_release(&clew__stream_lock);
    return fits;
}

static void return_grant(struct clew__stream *stream, uint32_t credits, uint64_t bytes) {
    clew__lock_acquire(&clew__stream_lock);
    stream->credits += credits;
    stream->bytes -= bytes;
    clew__lock_release(&clew__stream_lock);
}

/* With an export under way it would look in vain. */
static void wake_if_idle(struct clew__stream *stream) {
    if (atomic_load(&stream->in_flight_count) == 0) {
        clew__worker_wake();
        clew__worker_unstick();
    }
}

/* Spans at the head of the queue have waited longest, and no export has taken them yet. */
static bool drop_oldest(struct clew__stream *stream, enum clew__fate fate) {
    struct clew__chunk *chunk;
    bool is_awaited = false;
    if (stream->options.on_full != CLEW_DROP_OLDEST)
        return false;
    clew__lock_acquire(&clew__stream_lock);
    chunk = stream->head;
    if (chunk) {
        stream->head = chunk->next;
        if (!stream->head)
            stream->tail = NULL;
        leave_queue(stream, chunk, fate);
        is_awaited = stream->tickets != NULL;
    }
    clew__lock_release(&clew__stream_lock);
    clew__chunk_free(chunk);
    if (is_awaited) {
        atomic_store(&stream->is_untold, true);
        clew__worker_wake();
    }
    return chunk != NULL;
}

static uint32_t obtain_credits(struct clew__stream *stream, uint32_t wanted) {
    uint32_t granted = grant(stream, wanted);
    if (granted > 0)
        return granted;
    /* Other threads may hold credits that they do not use. */
    collect_into_queue(stream);
    granted = grant(stream, wanted);
    for (unsigned i = 0;
         granted == 0 && i < DROPS_A_SPAN && drop_oldest(stream, CLEW__FATE_DROPPED_QUEUE_FULL); i++)
        granted = grant(stream, wanted);
    if (granted == 0)
        wake_if_idle(stream);
    return granted;
}

static bool obtain_bytes(struct clew__stream *stream, uint64_t size) {
    bool taken = take_bytes(stream, size);
    for (unsigned i = 0; !taken && i < DROPS_A_SPAN && drop_oldest(stream, CLEW__FATE_DROPPED_MEMORY); i++)
        taken = take_bytes(stream, size);
    return taken;
}

/* When memory or the budget is used up, spans of this queue may give way. */
static struct clew__chunk *obtain_memory(struct clew__stream *stream, uint32_t capacity) {
    struct clew__chunk *chunk = clew__chunk_new(stream->crash, capacity);
    for (unsigned i = 0; !chunk && i < DROPS_A_SPAN && drop_oldest(stream, CLEW__FATE_DROPPED_MEMORY); i++)
        chunk = clew__chunk_new(stream->crash, capacity);
    return chunk;
}

void clew__stream_ask_for_room(struct clew__stream *stream) {
    collect_into_queue(stream);
    atomic_store(&stream->wants_room, true);
    wake_if_idle(stream);
}

/* A span that has a body of its own, or that is larger than a chunk. */
static bool push_alone(struct clew__stream *stream, struct clew__account *account,
                       const struct clew__scope *scope, const uint8_t *span, size_t size, void *body,
                       uint32_t body_size) {
    uint32_t capacity = (uint32_t)clew__chunk_need(size);
    struct clew__chunk *chunk = NULL;
    uint64_t block;
    if (stream->crash)
        body = NULL; /* what is to outlive the process is copied */
    block = body ? body_size : clew__chunk_block_size(stream->crash, capacity);
    if (obtain_credits(stream, 1) == 0) {
        clew__account_add(account, CLEW__DROPPED_QUEUE_FULL, 1);
        return false;
    }
    if (obtain_bytes(stream, block)) {
        if (body) {
            chunk = clew__chunk_from_body(body, body_size, scope, size);
        } else {
            chunk = obtain_memory(stream, capacity);
            if (chunk) {
                chunk->credits = 1;
                clew__chunk_append(chunk, scope, span, size);
            } else {
                return_grant(stream, 0, block);
            }
        }
    }
    if (!chunk) {
        return_grant(stream, 1, 0);
        clew__account_add(account, CLEW__DROPPED_MEMORY, 1);
        clew__stream_ask_for_room(stream);
        return false;
    }
    clew__worker_ensure();
    push(stream, chunk);
    return body != NULL;
}

/* A chunk with credits and room for the span, or NULL and the drop counted. */
static struct clew__chunk *obtain_chunk(struct clew__stream *stream, struct clew__account *account) {
    bool tight =
        stream->options.max_queue_bytes && stream->options.max_queue_bytes < TIGHT_CHUNKS * CLEW__CHUNK_LARGE;
    bool small = stream->immediate || tight || clew__thread_count() > MANY_THREADS;
    uint32_t capacity = small ? CLEW__CHUNK_SMALL : CLEW__CHUNK_LARGE;
    uint32_t credits = obtain_credits(stream, fair_credits(stream));
    struct clew__chunk *chunk;
    uint64_t block;
    if (credits == 0) {
        clew__account_add(account, CLEW__DROPPED_QUEUE_FULL, 1);
        return NULL;
    }
    block = clew__chunk_block_size(stream->crash, capacity);
    if (obtain_bytes(stream, block)) {
        chunk = obtain_memory(stream, capacity);
        if (chunk) {
            chunk->credits = credits;
            clew__worker_ensure();
            return chunk;
        }
        return_grant(stream, 0, block);
    }
    return_grant(stream, credits, 0);
    clew__account_add(account, CLEW__DROPPED_MEMORY, 1);
    clew__stream_ask_for_room(stream);
    return NULL;
}

bool clew__stream_offer(struct clew__stream *stream, struct clew__thread *thread,
                        const struct clew__scope *scope, const uint8_t *span, size_t size, bool sampled,
                        void *body, uint32_t body_size) {
    struct clew__account *account = clew__account_of(thread, stream->number);
    size_t need = clew__chunk_need(size);
    struct clew__chunk *chunk;
    if (!account) {
        atomic_fetch_add(&stream->uncounted, 1);
        return false;
    }
    clew__account_add(account, CLEW__OFFERED, 1);
    if (!sampled) {
        clew__account_add(account, CLEW__NOT_SAMPLED, 1);
        return false;
    }
    if (!clew__task_is_open(&stream->task)) {
        clew__account_add(account, CLEW__DROPPED_SHUTDOWN, 1);
        return false;
    }
    if (body || need > CLEW__CHUNK_SMALL)
        return push_alone(stream, account, scope, span, size, body, body_size);

    chunk = atomic_exchange_explicit(&account->chunk, &being_filled, memory_order_acquire);
    if (chunk && (chunk->credits == 0 || chunk->capacity - chunk->end < need)) {
        push(stream, chunk);
        chunk = NULL;
    }
    if (!chunk)
        chunk = obtain_chunk(stream, account);
    if (chunk) {
        clew__chunk_append(chunk, scope, span, size);
        if (chunk->credits == 0 || chunk->capacity - chunk->end < ROOM_WORTH_KEEPING) {
            push(stream, chunk);
            chunk = NULL;
        }
    }
    atomic_store_explicit(&account->chunk, chunk, memory_order_release);
    return false;
}

/* ---- at the end ---- */

/* Takes the whole queue, spans settled as dropped. Caller holds the lock. */
static struct clew__chunk *take_queue_locked(struct clew__stream *stream, uint64_t *spans) {
    struct clew__chunk *taken = stream->head;
    for (struct clew__chunk *chunk = taken; chunk; chunk = chunk->next) {
        *spans += chunk->spans;
        leave_queue(stream, chunk, CLEW__FATE_DROPPED_SHUTDOWN);
    }
    stream->head = stream->tail = NULL;
    return taken;
}

uint64_t clew__stream_drop_queue(struct clew__stream *stream) {
    struct clew__chunk *taken, *next;
    uint64_t spans = 0;
    collect_into_queue(stream);
    clew__lock_acquire(&clew__stream_lock);
    taken = take_queue_locked(stream, &spans);
    clew__lock_release(&clew__stream_lock);
    for (; taken; taken = next) {
        next = taken->next;
        clew__chunk_lose(taken);
    }
    if (spans)
        clew__worker_tell();
    return spans;
}
