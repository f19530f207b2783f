/* Decompression of whole answers, which come from strangers: the output is at most the limit, and so is what
 * is allocated for it. Keeps no state; any thread. */
#include "collector-bridge/export/compress.h"

#include "collector-bridge/export/zlib_memory.h"

#include <clew/extend.h>

#include <limits.h>
#include <stdatomic.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#define FIRST_SIZE 4096u
#define GZIP_WINDOW_BITS (15 + 16) /* any window that zlib knows; gzip's frame and no other */

/* Room for more, twice as much each time, up to the limit. While the block moves nothing is charged, by which
 * the child of a fork knows not to free it. */
static int grow(struct clew__expanded *out, size_t least, size_t limit) {
    size_t had = out->charged, capacity = had > limit / 2 ? limit : 2 * had;
    void *data;

    if (capacity < least)
        capacity = least;
    if (capacity > limit)
        capacity = limit;
    if (capacity <= had)
        return CLEW_ELIMIT;
    out->charged = 0;
    atomic_signal_fence(memory_order_seq_cst);
    data = clew_charged_grow(out->data, had, capacity);
    if (data)
        out->data = (uint8_t *)data;
    atomic_signal_fence(memory_order_seq_cst);
    out->charged = data ? capacity : had;
    return data ? CLEW_OK : CLEW_ENOMEM;
}

static int expand_identity(const void *data, size_t size, size_t limit, struct clew__expanded *out) {
    int status;
    if (size > limit)
        return CLEW_ELIMIT;
    if (size == 0)
        return CLEW_OK;
    status = grow(out, size, limit);
    if (status != CLEW_OK)
        return status;
    memcpy(out->data, data, size);
    out->size = size;
    return CLEW_OK;
}

/* ---- gzip ---- */

/* One step of inflate() into the room that is left, or, where the limit is reached, into a byte of its own: a
 * stream that ends exactly there is fine. */
static int inflate_step(z_stream *stream, size_t limit, struct clew__expanded *out) {
    Bytef beyond;
    uInt room;
    int status;

    if (out->size == out->charged && out->charged < limit) {
        status = grow(out, FIRST_SIZE, limit);
        if (status != CLEW_OK)
            return status == CLEW_ENOMEM ? Z_MEM_ERROR : Z_BUF_ERROR;
    }
    room = out->charged - out->size > UINT_MAX ? UINT_MAX : (uInt)(out->charged - out->size);
    stream->next_out = room ? out->data + out->size : &beyond;
    stream->avail_out = room ? room : 1;
    status = inflate(stream, Z_NO_FLUSH);
    if (room == 0)
        return stream->avail_out == 0 ? Z_BUF_ERROR : status;
    out->size += room - stream->avail_out;
    return status;
}

/* Members one after another are one text (RFC 1952, 2.2); anything else behind a member is malformed. */
static int expand_members(z_stream *stream, size_t limit, struct clew__expanded *out) {
    for (;;) {
        uInt before = stream->avail_in;
        size_t size = out->size;
        int status = inflate_step(stream, limit, out);
        if (status == Z_STREAM_END && stream->avail_in == 0)
            return CLEW_OK;
        if (status == Z_STREAM_END && inflateReset(stream) == Z_OK)
            continue;
        if (status == Z_MEM_ERROR)
            return CLEW_ENOMEM;
        if (status == Z_BUF_ERROR && size == limit && stream->avail_out == 0)
            return CLEW_ELIMIT;
        if (status != Z_OK || (stream->avail_in == before && out->size == size))
            return CLEW_EFORMAT; /* malformed, or it goes on behind the last byte */
    }
}

static int expand_gzip(const void *data, size_t size, size_t limit, struct clew__expanded *out) {
    z_stream stream;
    int status;

    if (size > UINT_MAX)
        return CLEW_ELIMIT;
    memset(&stream, 0, sizeof stream);
    stream.zalloc = clew__zlib_allocate;
    stream.zfree = clew__zlib_release;
    stream.next_in = (Bytef *)(uintptr_t)data; /* only read */
    stream.avail_in = (uInt)size;
    if (inflateInit2(&stream, GZIP_WINDOW_BITS) != Z_OK)
        return CLEW_ENOMEM;
    status = expand_members(&stream, limit, out);
    inflateEnd(&stream);
    return status;
}

/* ---- zstd ---- */

/* All at once into the whole room: the output itself is the window, so that a frame cannot ask for memory
 * beyond it. What does not fit is tried again with twice the room, at most the limit: all attempts together
 * write no more than twice that. */
static int expand_zstd(const void *data, size_t size, size_t limit, struct clew__expanded *out) {
    unsigned long long claimed = ZSTD_getFrameContentSize(data, size);
    ZSTD_DCtx *context;
    int status;

    if (claimed == ZSTD_CONTENTSIZE_ERROR)
        return CLEW_EFORMAT;
    if (claimed != ZSTD_CONTENTSIZE_UNKNOWN && claimed > limit)
        return CLEW_ELIMIT;
    context = ZSTD_createDCtx();
    if (!context)
        return CLEW_ENOMEM;
    status = grow(out, claimed == ZSTD_CONTENTSIZE_UNKNOWN || claimed == 0 ? FIRST_SIZE : (size_t)claimed,
                  limit ? limit : 1);
    while (status == CLEW_OK) {
        size_t written = ZSTD_decompressDCtx(context, out->data, out->charged, data, size);
        if (!ZSTD_isError(written)) {
            out->size = written;
            break;
        }
        if (ZSTD_getErrorCode(written) == ZSTD_error_memory_allocation)
            status = CLEW_ENOMEM;
        else if (ZSTD_getErrorCode(written) != ZSTD_error_dstSize_tooSmall)
            status = CLEW_EFORMAT;
        else
            status = grow(out, 0, limit);
    }
    ZSTD_freeDCtx(context);
    return status == CLEW_OK && out->size > limit ? CLEW_ELIMIT : status;
}

/* ---- either ---- */

int clew__expand(enum clew__encoding encoding, const void *data, size_t size, size_t limit,
                 struct clew__expanded *out) {
    int status = CLEW_EFORMAT;

    memset(out, 0, sizeof *out);
    if (encoding == CLEW__ENCODING_IDENTITY)
        status = expand_identity(data, size, limit, out);
    else if (size > 0 && encoding == CLEW__ENCODING_GZIP)
        status = expand_gzip(data, size, limit, out);
    else if (size > 0 && encoding == CLEW__ENCODING_ZSTD)
        status = expand_zstd(data, size, limit, out);
    if (status != CLEW_OK)
        clew__expanded_free(out);
    return status;
}

void clew__expanded_free(struct clew__expanded *expanded) {
    const struct clew__expanded own = *expanded;
    expanded->charged = 0;
    atomic_signal_fence(memory_order_seq_cst);
    if (own.charged)
        clew_charged_release(own.data, own.charged);
    memset(expanded, 0, sizeof *expanded);
}
