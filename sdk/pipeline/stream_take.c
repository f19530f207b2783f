/* What the worker takes from a stream's queue: its own list of chunks, and what of that is in flight. Whoever
 * drives, one thread at a time; counts under the stream lock, for others may give the stream up meanwhile. */
#include "sdk/pipeline/stream.h"

#include "sdk/worker/worker.h"

void clew__stream_stage(struct clew__stream *stream) {
    clew__lock_acquire(&clew__stream_lock);
    while (stream->head && !stream->is_given_up &&
           stream->staged_spans < stream->options.max_export_batch_size) {
        struct clew__chunk *chunk = stream->head;
        if (stream->staged && stream->staged_epoch != chunk->epoch)
            break;
        stream->staged_epoch = chunk->epoch;
        stream->head = chunk->next;
        if (!stream->head)
            stream->tail = NULL;
        chunk->next = NULL;
        if (stream->staged_tail)
            stream->staged_tail->next = chunk;
        else
            stream->staged = chunk;
        stream->staged_tail = chunk;
        stream->staged_spans += chunk->spans;
    }
    clew__lock_release(&clew__stream_lock);
}

bool clew__stream_unstage(struct clew__stream *stream, uint32_t spans) {
    uint64_t bytes = 0;
    bool is_ours;
    while (stream->staged && stream->staged->begin >= stream->staged->end) {
        struct clew__chunk *chunk = stream->staged;
        stream->staged = chunk->next;
        if (!stream->staged)
            stream->staged_tail = NULL;
        bytes += chunk->block_size;
        if (!stream->in_flight) {
            clew__chunk_lose(chunk);
        } else if (chunk->crash) {
            chunk->next = stream->unsettled;
            stream->unsettled = chunk;
        } else {
            clew__chunk_free(chunk);
        }
    }
    clew__lock_acquire(&clew__stream_lock);
    stream->bytes -= bytes;
    is_ours = !stream->is_given_up;
    if (is_ours) {
        stream->credits += spans;
        stream->staged_spans -= spans;
        stream->in_flight_epoch = stream->staged_epoch;
        atomic_fetch_sub_explicit(&stream->queued, spans, memory_order_relaxed);
        atomic_store_explicit(&stream->in_flight_count, spans, memory_order_relaxed);
    }
    clew__lock_release(&clew__stream_lock);
    return is_ours;
}

void clew__stream_conclude(struct clew__stream *stream, const uint64_t fates[CLEW__FATES]) {
    clew__lock_acquire(&clew__stream_lock);
    for (int fate = 0; fate < CLEW__FATES && !stream->is_given_up; fate++)
        clew__stream_settle(stream, stream->in_flight_epoch, (enum clew__fate)fate, fates[fate]);
    atomic_store_explicit(&stream->in_flight_count, 0, memory_order_relaxed);
    clew__lock_release(&clew__stream_lock);
    clew__worker_tell();
}

void clew__stream_settle_chunks(struct clew__stream *stream, bool has_fates) {
    struct clew__chunk *done = stream->unsettled, *next;
    stream->unsettled = NULL;
    for (; done; done = next) {
        next = done->next;
        if (has_fates)
            clew__chunk_free(done);
        else
            clew__chunk_lose(done);
    }
    if (!stream->staged || !stream->staged->crash)
        return;
    if (has_fates)
        clew__chunk_settle(stream->staged);
    else
        clew__chunk_lose_read(stream->staged);
}

/* A flush that comes now waits for them, one that is under way does not. */
bool clew__stream_take_recovered(struct clew__stream *stream, uint32_t spans) {
    bool is_ours;
    clew__lock_acquire(&clew__stream_lock);
    is_ours = !stream->is_given_up;
    if (is_ours) {
        stream->in_flight_epoch = stream->epoch;
        stream->is_epoch_used = true;
        atomic_fetch_add_explicit(&stream->recovered, spans, memory_order_relaxed);
        atomic_store_explicit(&stream->in_flight_count, spans, memory_order_relaxed);
    }
    clew__lock_release(&clew__stream_lock);
    return is_ours;
}

bool clew__stream_is_asked(struct clew__stream *stream) {
    const struct clew__chunk *first;
    bool asked;
    clew__lock_acquire(&clew__stream_lock);
    first = stream->staged ? stream->staged : stream->head;
    asked = first && first->epoch != stream->epoch;
    clew__lock_release(&clew__stream_lock);
    return asked;
}
