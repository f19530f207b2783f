/* Bodies: expanding them, finding their spans, and what is counted of them. Buffers are kept from request to
 * request; nothing is allocated for a span. */
#include "proto/json.h"
#include "proto/otlp.h"
#include "test/peer/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <zlib.h>
#include <zstd.h>

/* The specification's limit on requests (OTLP, Request size). */
#define REQUEST_MAX ((size_t)64 << 20)
/* An open-addressed set of ids, of which the kernel gives only the pages that are touched. */
#define IDS_BITS 25
#define IDS_CAPACITY ((size_t)1 << IDS_BITS)
#define IDS_MAX (IDS_CAPACITY / 2)
#define CHUNK ((size_t)256 << 10)

struct ids {
    uint64_t *slots; /* 0: free */
    size_t count;
};

struct bodies {
    struct buffer expanded, wire;
    z_stream inflate;
    bool inflates;
    ZSTD_DCtx *zstd;
    struct ids received, acknowledged;
};

bool buffer_reserve(struct buffer *buffer, size_t more) {
    size_t capacity = buffer->capacity ? buffer->capacity : 4096;
    uint8_t *data;
    if (more <= buffer->capacity - buffer->size)
        return true;
    while (capacity - buffer->size < more)
        capacity *= 2;
    data = realloc(buffer->data, capacity);
    if (!data)
        return false;
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

bool buffer_append(struct buffer *buffer, const void *data, size_t size) {
    if (!buffer_reserve(buffer, size))
        return false;
    if (size)
        memcpy(buffer->data + buffer->size, data, size);
    buffer->size += size;
    return true;
}

bool buffer_text(struct buffer *buffer, const char *text) {
    return buffer_append(buffer, text, strlen(text));
}

void buffer_free(struct buffer *buffer) {
    free(buffer->data);
    *buffer = (struct buffer){NULL, 0, 0};
}

void request_free(struct request *request) {
    free(request->ids);
    *request = (struct request){.ids = NULL};
}

/* ---- sets of ids ---- */

static bool ids_init(struct ids *ids) {
    void *slots = mmap(NULL, IDS_CAPACITY * sizeof(uint64_t), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (slots == MAP_FAILED)
        return false;
    ids->slots = slots;
    return true;
}

static size_t ids_place(uint64_t id) {
    return (size_t)(id * UINT64_C(0x9e3779b97f4a7c15) >> (64 - IDS_BITS));
}

/* Whether the id is new. A set that is full would take new ids for old ones: no test goes on with that. */
static bool ids_add(struct ids *ids, uint64_t id) {
    size_t at = ids_place(id);
    while (ids->slots[at] != 0 && ids->slots[at] != id)
        at = (at + 1) & (IDS_CAPACITY - 1);
    if (ids->slots[at] == id)
        return false;
    if (ids->count == IDS_MAX) {
        fprintf(stderr, "receiver: more than %zu ids\n", (size_t)IDS_MAX);
        abort();
    }
    ids->slots[at] = id;
    ids->count++;
    return true;
}

bool receiver_has(const struct receiver *receiver, uint64_t id) {
    const struct ids *ids = &receiver->bodies->acknowledged;
    size_t at = ids_place(id);
    if (!ids->slots)
        return false;
    while (ids->slots[at] != 0 && ids->slots[at] != id)
        at = (at + 1) & (IDS_CAPACITY - 1);
    return ids->slots[at] == id;
}

struct bodies *bodies_new(void) {
    struct bodies *bodies = calloc(1, sizeof *bodies);
    if (!bodies)
        return NULL;
    bodies->inflates = inflateInit2(&bodies->inflate, 16 + MAX_WBITS) == Z_OK;
    bodies->zstd = ZSTD_createDCtx();
    return bodies;
}

void bodies_free(struct bodies *bodies) {
    struct ids *sets[] = {&bodies->received, &bodies->acknowledged};
    for (size_t i = 0; i < 2; i++) {
        if (sets[i]->slots)
            munmap(sets[i]->slots, IDS_CAPACITY * sizeof(uint64_t));
    }
    buffer_free(&bodies->expanded);
    buffer_free(&bodies->wire);
    if (bodies->inflates)
        inflateEnd(&bodies->inflate);
    ZSTD_freeDCtx(bodies->zstd);
    free(bodies);
}

/* ---- expanding ---- */

static enum body_verdict expand_gzip(struct bodies *bodies, const void *data, size_t size, size_t limit) {
    z_stream *stream = &bodies->inflate;
    struct buffer *out = &bodies->expanded;
    int result = Z_OK;
    if (!bodies->inflates || inflateReset(stream) != Z_OK)
        return BODY_MALFORMED;
    stream->next_in = (Bytef *)(uintptr_t)data;
    stream->avail_in = (uInt)size;
    while (result == Z_OK) {
        if (out->size > limit)
            return BODY_TOO_LARGE;
        if (!buffer_reserve(out, CHUNK))
            return BODY_TOO_LARGE;
        stream->next_out = out->data + out->size;
        stream->avail_out = (uInt)(out->capacity - out->size);
        result = inflate(stream, Z_NO_FLUSH);
        out->size = out->capacity - stream->avail_out;
    }
    return result == Z_STREAM_END && stream->avail_in == 0 ? BODY_FINE : BODY_MALFORMED;
}

static enum body_verdict expand_zstd(struct bodies *bodies, const void *data, size_t size, size_t limit) {
    struct buffer *out = &bodies->expanded;
    ZSTD_inBuffer in = {data, size, 0};
    size_t rest = 1;
    ZSTD_DCtx_reset(bodies->zstd, ZSTD_reset_session_only);
    while (rest != 0) {
        ZSTD_outBuffer to;
        size_t before = in.pos;
        if (out->size > limit || !buffer_reserve(out, CHUNK))
            return BODY_TOO_LARGE;
        to = (ZSTD_outBuffer){out->data, out->capacity, out->size};
        rest = ZSTD_decompressStream(bodies->zstd, &to, &in);
        if (ZSTD_isError(rest) || (rest != 0 && to.pos == out->size && in.pos == before))
            return BODY_MALFORMED;
        out->size = to.pos;
    }
    return in.pos == in.size ? BODY_FINE : BODY_MALFORMED;
}

/* ---- spans ---- */

static bool grow_wire(struct clew__writer *writer, size_t more) {
    struct buffer *buffer = writer->user;
    buffer->size = writer->size;
    if (!buffer_reserve(buffer, more))
        return false;
    writer->data = buffer->data;
    writer->capacity = buffer->capacity;
    return true;
}

/* JSON as the same spans in protobuf, in `bodies->wire`. */
static bool read_json(struct receiver *receiver, const char *text, size_t size) {
    struct buffer *wire = &receiver->bodies->wire;
    struct clew__writer writer = {wire->data, 0, wire->capacity, false, grow_wire, wire};
    struct clew__json_fault fault = {0, NULL};
    size_t taken = clew__json_read_traces(&writer, text, size, &fault);
    wire->size = writer.size;
    while (taken && taken < size && memchr(" \t\r\n", text[taken], 4))
        taken++;
    if (taken == size && size)
        return true;
    receiver_fault(receiver, "JSON at %zu of %zu: %s", taken ? taken : fault.offset, size,
                   fault.reason ? fault.reason : "there is more behind it");
    return false;
}

static bool keep_id(struct request *request, uint64_t id) {
    if (request->id_count == request->id_capacity) {
        size_t capacity = request->id_capacity ? 2 * request->id_capacity : 1024;
        uint64_t *ids = realloc(request->ids, capacity * sizeof *ids);
        if (!ids)
            return false;
        request->ids = ids;
        request->id_capacity = capacity;
    }
    request->ids[request->id_count++] = id;
    return true;
}

static uint64_t id_of(struct clew__wire span) {
    struct clew__field field;
    enum clew__wire_error error;
    uint64_t id = 0;
    while (clew__wire_next(&span, &field, &error)) {
        if (field.field == CLEW__SPAN_SPAN_ID && field.bytes.end - field.bytes.at == 8) {
            memcpy(&id, field.bytes.at, 8);
            return id;
        }
    }
    return 0;
}

/* Numbers of 0 fail: spans without an id. */
static bool find_spans(struct receiver *receiver, struct request *request, struct clew__wire traces) {
    struct clew__wire resource, scope, span;
    while (clew__next_member(&traces, CLEW__TRACES_RESOURCE_SPANS, &resource)) {
        while (clew__next_member(&resource, CLEW__RESOURCE_SPANS_SCOPE_SPANS, &scope)) {
            while (clew__next_member(&scope, CLEW__SCOPE_SPANS_SPANS, &span)) {
                request->spans++;
                if (receiver->options.only_count)
                    continue;
                uint64_t id = id_of(span);
                if (!id || (receiver->options.track_ids && !keep_id(request, id)))
                    return false;
            }
        }
    }
    return true;
}

static enum body_verdict read_spans(struct receiver *receiver, struct request *request, const void *data,
                                    size_t size) {
    struct clew__wire_limits limits = clew__wire_limits_default();
    struct clew__wire_fault fault;
    if (request->format == FORMAT_JSON) {
        if (!read_json(receiver, data, size))
            return BODY_MALFORMED;
        data = receiver->bodies->wire.data;
        size = receiver->bodies->wire.size;
    } else if (!receiver->options.only_count && clew__wire_check_traces(data, size, &limits, &fault)) {
        receiver_fault(receiver, "protobuf at %zu of %zu: %s", fault.offset, size,
                       clew__wire_error_text(fault.error));
        return BODY_MALFORMED;
    }
    if (!find_spans(receiver, request, clew__wire_of(data, size))) {
        receiver_fault(receiver, "a span without an id");
        return BODY_MALFORMED;
    }
    return BODY_FINE;
}

static void count_received(struct receiver *receiver, const struct request *request) {
    struct ids *ids = &receiver->bodies->received;
    atomic_fetch_add(&receiver->shared->received, request->spans);
    if (!receiver->options.track_ids || (!ids->slots && !ids_init(ids)))
        return;
    for (size_t i = 0; i < request->id_count; i++)
        atomic_fetch_add(&receiver->shared->received_ids, ids_add(ids, request->ids[i]));
}

enum body_verdict request_read(struct receiver *receiver, struct request *request, const void *data,
                               size_t size, enum body_encoding encoding) {
    size_t limit = receiver->options.limit_bytes ? receiver->options.limit_bytes : REQUEST_MAX;
    struct bodies *bodies = receiver->bodies;
    enum body_verdict verdict = BODY_FINE;
    request->spans = request->rejected = request->id_count = 0;
    request->taken = false;
    if (encoding != ENCODING_IDENTITY) {
        bodies->expanded.size = 0;
        verdict = encoding == ENCODING_GZIP ? expand_gzip(bodies, data, size, limit)
                                            : expand_zstd(bodies, data, size, limit);
        data = bodies->expanded.data;
        size = bodies->expanded.size;
        if (verdict == BODY_MALFORMED)
            receiver_fault(receiver, "the compressed body cannot be expanded");
    }
    if (verdict == BODY_FINE && size > limit)
        verdict = BODY_TOO_LARGE;
    if (verdict == BODY_FINE && !request->metrics)
        verdict = read_spans(receiver, request, data, size);
    if (verdict == BODY_FINE)
        count_received(receiver, request);
    return verdict;
}

void request_decide(struct receiver *receiver, struct request *request) {
    unsigned every = receiver->options.every ? receiver->options.every : 3;
    request->mode = (enum receiver_mode)atomic_load(&receiver->shared->mode);
    if (request->mode == RECEIVER_FLAKY && ++receiver->flaky_requests % every == 0)
        request->mode = RECEIVER_HEALTHY;
    if (request->mode == RECEIVER_REJECT)
        request->rejected = (request->spans + 1) / 2;
    request->taken = request->mode == RECEIVER_HEALTHY || request->mode == RECEIVER_REJECT ||
                     request->mode == RECEIVER_SLOW;
}

void request_answered(struct receiver *receiver, const struct request *request) {
    struct receiver_shared *shared = receiver->shared;
    struct ids *ids = &receiver->bodies->acknowledged;
    if (!request->taken) {
        atomic_fetch_add(&shared->refused, request->spans);
        return;
    }
    if (receiver->options.track_ids && (ids->slots || ids_init(ids))) {
        for (size_t i = request->rejected; i < request->id_count; i++) {
            bool added = ids_add(ids, request->ids[i]);
            atomic_fetch_add(added ? &shared->acknowledged_ids : &shared->duplicates, 1);
        }
    }
    atomic_fetch_add(&shared->rejected, request->rejected);
    atomic_fetch_add(&shared->acknowledged, request->spans - request->rejected);
}

/* ---- hostile bodies ---- */

bool append_bomb(struct buffer *out) {
    enum { PIECE = 1 << 20, PIECES = 256, ROOM = 4096 };
    static const uint8_t head[10] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3};
    uint8_t *zeros = calloc(1, PIECE), piece[ROOM];
    z_stream stream = {.zalloc = Z_NULL};
    bool done = zeros && buffer_append(out, head, sizeof head) &&
                deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK;
    size_t size = 0;
    if (done) {
        stream.next_in = zeros;
        stream.avail_in = PIECE;
        stream.next_out = piece;
        stream.avail_out = ROOM;
        deflate(&stream, Z_FULL_FLUSH); /* ends on a byte: can be repeated */
        size = ROOM - stream.avail_out;
        deflateEnd(&stream);
    }
    for (int i = 0; done && i < PIECES; i++)
        done = buffer_append(out, piece, size);
    free(zeros);
    return done;
}

size_t write_retry_status(uint8_t *out, int code, int64_t seconds, int32_t nanos) {
    static const char type[] = "type.googleapis.com/google.rpc.RetryInfo";
    struct clew__writer writer = {out, 0, STATUS_ROOM, false, NULL, NULL};
    clew__write_varint(&writer, 1, (uint64_t)code);
    clew__write_bytes(&writer, 2, "later", 5);
    size_t detail = clew__write_begin(&writer, 3);
    clew__write_bytes(&writer, 1, type, sizeof type - 1);
    size_t value = clew__write_begin(&writer, 2), delay = clew__write_begin(&writer, 1);
    clew__write_varint(&writer, 1, (uint64_t)seconds);
    if (nanos)
        clew__write_varint(&writer, 2, (uint64_t)(int64_t)nanos);
    clew__write_end(&writer, delay);
    clew__write_end(&writer, value);
    clew__write_end(&writer, detail);
    return writer.size;
}

size_t write_lying_status(uint8_t *out, int code) {
    /* Details of 2^31 bytes, of which the type's name takes 2^31 - 1. */
    static const uint8_t details[] = {0x1a, 0x80, 0x80, 0x80, 0x80, 0x08, 0x0a,
                                      0xff, 0xff, 0xff, 0xff, 0x07, 't',  'y'};
    struct clew__writer writer = {out, 0, STATUS_ROOM, false, NULL, NULL};
    clew__write_varint(&writer, 1, (uint64_t)code);
    clew__write_bytes(&writer, 2, "lies", 4);
    clew__write_raw(&writer, details, sizeof details);
    return writer.size;
}
