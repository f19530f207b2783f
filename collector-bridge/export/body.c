/* Makes request bodies of batches. Owns the buffers and the compressor. One thread at a time.
 *
 * A batch that fits goes as it is: as protobuf without compression not a byte is copied. Only one that is too
 * large is cut, along its spans (wire/split.h). */
#include "collector-bridge/export/body.h"

#include "collector-bridge/export/compress.h"
#include "collector-bridge/wire/split.h"
#include "proto/json.h"
#include "sdk/base/buffer.h"

#include <clew/extend.h>

#include <stdatomic.h>

/* What each buffer keeps from batch to batch: a usual batch as JSON is half of it. */
#define BUFFER_KEPT (512u << 10)

enum state {
    WHOLE,  /* the batch as it is comes next */
    PIECES, /* the next piece of it comes next */
    DONE,
};

struct clew__bodies {
    const struct clew__otlp_settings *settings;
    struct clew__compressor *compressor; /* NULL until the first use */
    struct clew__writer cut, text;       /* a piece; JSON. Charged */
    clew_bytes request;
    size_t span_count;
    enum state state;
    size_t spans_max; /* in one piece */
    struct clew__split split;
    struct clew__split_piece piece;
    enum last { NOTHING, BATCH, PIECE } last; /* what was handed out and can be halved */
    atomic_bool making;                       /* for the child of a fork: the above may be half changed */
};

static size_t limit_of(const struct clew__bodies *bodies) {
    uint64_t limit = bodies->settings->max_request_bytes;
    return limit < SIZE_MAX ? (size_t)limit : SIZE_MAX;
}

static bool is_json(const struct clew__bodies *bodies) {
    return bodies->settings->protocol == CLEW_OTLP_HTTP_JSON;
}

static void empty(struct clew__writer *buffer) {
    buffer->size = 0;
    buffer->failed = false;
}

static void trim(struct clew__writer *buffer) {
    empty(buffer);
    if (buffer->capacity > BUFFER_KEPT)
        clew__buffer_fini(buffer);
}

/* ---- one body ---- */

static enum clew__encoding encoding_of(clew_compression compression) {
    if (compression == CLEW_COMPRESSION_GZIP)
        return CLEW__ENCODING_GZIP;
    return compression == CLEW_COMPRESSION_ZSTD ? CLEW__ENCODING_ZSTD : CLEW__ENCODING_IDENTITY;
}

/* Without memory for it the body goes uncompressed: every receiver takes that, too. */
static void compress(struct clew__bodies *bodies, struct clew__body *body) {
    enum clew__encoding encoding = encoding_of(bodies->settings->compression);
    clew_bytes packed;

    if (encoding == CLEW__ENCODING_IDENTITY)
        return;
    if (!bodies->compressor)
        bodies->compressor = clew__compressor_new(encoding);
    if (!bodies->compressor ||
        clew__compress(bodies->compressor, body->data, body->size, &packed) != CLEW_OK ||
        packed.size >= body->size)
        return;
    body->data = (const uint8_t *)packed.data;
    body->size = packed.size;
    body->compressed = true;
}

/* A request as it travels. CLEW_ELIMIT: larger than the limit, which holds before compression; after it
 * nothing is larger than before. */
static int make(struct clew__bodies *bodies, clew_bytes request, size_t spans, struct clew__body *out) {
    *out = (struct clew__body){(const uint8_t *)request.data, request.size, spans, false};
    if (is_json(bodies)) {
        empty(&bodies->text);
        /* It becomes at least as large; growing to that would leave holes in the allocator's memory. */
        clew__writer_reserve(&bodies->text, request.size);
        if (bodies->settings->signal == CLEW_SIGNAL_METRICS)
            clew__json_write_metrics(&bodies->text, request.data, request.size);
        else
            clew__json_write_traces(&bodies->text, request.data, request.size);
        if (bodies->text.failed)
            return CLEW_ENOMEM;
        out->data = bodies->text.data;
        out->size = bodies->text.size;
    }
    if (out->size > limit_of(bodies))
        return CLEW_ELIMIT;
    compress(bodies, out);
    return CLEW_OK;
}

/* ---- the batch as it is ---- */

static int begin_pieces(struct clew__bodies *bodies, size_t spans_max) {
    bodies->state = PIECES;
    bodies->spans_max = spans_max;
    return clew__split_begin(&bodies->split, bodies->request.data, bodies->request.size);
}

static bool can_be_cut(const struct clew__bodies *bodies) {
    return bodies->settings->signal == CLEW_SIGNAL_TRACES;
}

/* CLEW_ELIMIT: it must be cut. */
static int next_whole(struct clew__bodies *bodies, struct clew__body *out) {
    *out = (struct clew__body){NULL, 0, bodies->span_count, false};
    if (bodies->request.size > limit_of(bodies))
        return CLEW_ELIMIT;
    return make(bodies, bodies->request, bodies->span_count, out);
}

/* ---- pieces ---- */

static int next_piece(struct clew__bodies *bodies, struct clew__body *out) {
    for (;;) {
        int status = clew__split_next(&bodies->split, limit_of(bodies), bodies->spans_max, &bodies->piece);
        clew_bytes request;

        *out = (struct clew__body){NULL, 0, status == CLEW_ESHUTDOWN ? 0 : bodies->piece.spans, false};
        if (status != CLEW_OK)
            return status;
        empty(&bodies->cut);
        clew__split_write(&bodies->piece, &bodies->cut);
        if (bodies->cut.failed)
            return CLEW_ENOMEM;
        request = (clew_bytes){bodies->cut.data, bodies->cut.size};
        status = make(bodies, request, bodies->piece.spans, out);
        if (status != CLEW_ELIMIT || bodies->piece.spans == 1)
            return status;
        /* As JSON it is larger than as protobuf. */
        bodies->spans_max = bodies->piece.spans / 2;
        bodies->split = bodies->piece.from;
    }
}

static int next(struct clew__bodies *bodies, struct clew__body *out) {
    int status;
    bodies->last = NOTHING;
    if (bodies->state == WHOLE) {
        status = next_whole(bodies, out);
        if (status != CLEW_ELIMIT || !can_be_cut(bodies)) {
            bodies->state = DONE;
            bodies->last = status == CLEW_OK ? BATCH : NOTHING;
            return status;
        }
        status = begin_pieces(bodies, SIZE_MAX);
        if (status != CLEW_OK) {
            bodies->state = DONE;
            return status;
        }
    }
    if (bodies->state == DONE)
        return CLEW_ESHUTDOWN;
    status = next_piece(bodies, out);
    if (status == CLEW_ESHUTDOWN || status == CLEW_EFORMAT)
        bodies->state = DONE;
    bodies->last = status == CLEW_OK ? PIECE : NOTHING;
    return status;
}

static bool halve(struct clew__bodies *bodies) {
    enum last last = bodies->last;
    bodies->last = NOTHING;
    if (last == BATCH && can_be_cut(bodies) && bodies->span_count > 1)
        return begin_pieces(bodies, bodies->span_count / 2) == CLEW_OK;
    if (last != PIECE || bodies->piece.spans < 2)
        return false;
    bodies->spans_max = bodies->piece.spans / 2;
    bodies->split = bodies->piece.from;
    return true;
}

/* ---- the maker ---- */

struct clew__bodies *clew__bodies_new(const struct clew__otlp_settings *settings) {
    struct clew__bodies *bodies = (struct clew__bodies *)clew_memory_allocate(sizeof *bodies);
    if (!bodies)
        return NULL;
    memset(bodies, 0, sizeof *bodies);
    bodies->settings = settings;
    bodies->cut = clew__buffer_charged();
    bodies->text = clew__buffer_charged();
    bodies->state = DONE;
    atomic_init(&bodies->making, false);
    return bodies;
}

void clew__bodies_free(struct clew__bodies *bodies) {
    if (!bodies)
        return;
    clew__compressor_free(bodies->compressor);
    clew__buffer_fini(&bodies->cut);
    clew__buffer_fini(&bodies->text);
    clew_memory_release(bodies);
}

void clew__bodies_begin(struct clew__bodies *bodies, clew_bytes request, size_t spans) {
    bodies->request = request;
    bodies->span_count = spans;
    bodies->last = NOTHING;
    bodies->state = request.size > 0 ? WHOLE : DONE;
}

int clew__bodies_next(struct clew__bodies *bodies, struct clew__body *out) {
    int status;
    atomic_store(&bodies->making, true);
    status = next(bodies, out);
    atomic_store(&bodies->making, false);
    return status;
}

bool clew__bodies_halve(struct clew__bodies *bodies) {
    return halve(bodies);
}

void clew__bodies_end(struct clew__bodies *bodies) {
    atomic_store(&bodies->making, true);
    bodies->state = DONE;
    bodies->request = (clew_bytes){NULL, 0};
    trim(&bodies->cut);
    trim(&bodies->text);
    if (bodies->compressor)
        clew__compressor_trim(bodies->compressor, BUFFER_KEPT);
    atomic_store(&bodies->making, false);
}

void clew__bodies_forget(struct clew__bodies *bodies) {
    if (atomic_exchange(&bodies->making, false)) {
        clew__buffer_forget(&bodies->cut);
        clew__buffer_forget(&bodies->text);
        bodies->compressor = NULL;
    }
    bodies->state = DONE;
}
