/* Compression of whole request bodies. Owns the state of the libraries and the buffer of the last result.
 *
 * gzip comes from ISA-L where the build has it: it chooses at run time what the processor can do, and its
 * first level packs like zlib's at a fraction of the time. The archives name ISA-L weakly, so that a program
 * that is static altogether links without it and gets zlib. zlib and ISA-L work in memory of ours; libzstd
 * takes its own from malloc(), as its hooks are only for those who link it statically. One thread at a time
 * each. */
#include "collector-bridge/export/compress.h"

#include "collector-bridge/export/zlib_memory.h"
#include "sdk/base/buffer.h"

#include <clew/extend.h>

#include <limits.h>
#include <zlib.h>
#include <zstd.h>
#ifdef CLEW_HAVE_ISAL
#include <isa-l/igzip_lib.h>
#ifdef CLEW_STATIC
#pragma weak isal_deflate
#pragma weak isal_deflate_init
#pragma weak isal_deflate_reset
#endif
#endif

/* Telemetry repeats itself: the lowest levels get within a tenth of the best ratio. */
#define GZIP_LEVEL 1
#define ZSTD_LEVEL 1
#define GZIP_WINDOW_BITS (15 + 16) /* the largest window; 16 asks zlib for gzip's frame */
#define GZIP_MEMORY_LEVEL 8        /* zlib's own default */
#define GZIP_SLACK 1024            /* frame, headers of blocks, and what ISA-L wants beyond them */

struct clew__compressor {
    enum clew__encoding encoding;
    struct clew__writer out;
    ZSTD_CCtx *zstd;
    bool has_deflate;
    z_stream deflate;
#ifdef CLEW_HAVE_ISAL
    struct igzip *igzip; /* NULL: zlib does it */
#endif
};

const char *clew__encoding_name(enum clew__encoding encoding) {
    switch (encoding) {
    case CLEW__ENCODING_GZIP:
        return "gzip";
    case CLEW__ENCODING_ZSTD:
        return "zstd";
    case CLEW__ENCODING_IDENTITY:
        break;
    }
    return "identity";
}

/* ---- gzip ---- */

#ifdef CLEW_HAVE_ISAL
struct igzip {
    struct isal_zstream stream;
    uint8_t level_buffer[ISAL_DEF_LVL1_DEFAULT];
};

static bool has_isal(void) {
#ifdef CLEW_STATIC
    return isal_deflate && isal_deflate_init && isal_deflate_reset;
#else
    return true;
#endif
}

static struct igzip *igzip_new(void) {
    struct igzip *igzip = (struct igzip *)clew_memory_allocate(sizeof *igzip);
    if (!igzip)
        return NULL;
    isal_deflate_init(&igzip->stream);
    igzip->stream.level = GZIP_LEVEL;
    igzip->stream.level_buf = igzip->level_buffer;
    igzip->stream.level_buf_size = sizeof igzip->level_buffer;
    return igzip;
}

static int compress_igzip(struct isal_zstream *stream, const void *data, uint32_t size,
                          struct clew__writer *out) {
    isal_deflate_reset(stream);
    stream->gzip_flag = IGZIP_GZIP;
    stream->end_of_stream = 1;
    stream->flush = NO_FLUSH;
    stream->next_in = (uint8_t *)(uintptr_t)data; /* only read */
    stream->avail_in = size;
    do {
        uint32_t room;
        if (!clew__writer_reserve(out, GZIP_SLACK))
            return CLEW_ENOMEM;
        room = out->capacity - out->size > UINT32_MAX ? UINT32_MAX : (uint32_t)(out->capacity - out->size);
        stream->next_out = out->data + out->size;
        stream->avail_out = room;
        if (isal_deflate(stream) != COMP_OK)
            return CLEW_ENOMEM;
        out->size += room - stream->avail_out;
    } while (stream->internal_state.state != ZSTATE_END);
    return CLEW_OK;
}
#endif

static int compress_zlib(z_stream *stream, const void *data, uInt size, struct clew__writer *out) {
    int status = deflateReset(stream);
    stream->next_in = (Bytef *)(uintptr_t)data; /* only read */
    stream->avail_in = size;
    while (status == Z_OK) {
        uInt room;
        if (!clew__writer_reserve(out, GZIP_SLACK))
            return CLEW_ENOMEM;
        room = out->capacity - out->size > UINT_MAX ? UINT_MAX : (uInt)(out->capacity - out->size);
        stream->next_out = out->data + out->size;
        stream->avail_out = room;
        status = deflate(stream, Z_FINISH);
        out->size += room - stream->avail_out;
    }
    return status == Z_STREAM_END ? CLEW_OK : CLEW_ENOMEM;
}

static bool gzip_init(struct clew__compressor *compressor) {
#ifdef CLEW_HAVE_ISAL
    if (has_isal()) {
        compressor->igzip = igzip_new();
        return compressor->igzip != NULL;
    }
#endif
    compressor->deflate.zalloc = clew__zlib_allocate;
    compressor->deflate.zfree = clew__zlib_release;
    compressor->has_deflate = deflateInit2(&compressor->deflate, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW_BITS,
                                           GZIP_MEMORY_LEVEL, Z_DEFAULT_STRATEGY) == Z_OK;
    return compressor->has_deflate;
}

/* Both count in 32 bits: what is larger is refused. */
static int compress_gzip(struct clew__compressor *compressor, const void *data, size_t size) {
    struct clew__writer *out = &compressor->out;
    if (size > UINT32_MAX - GZIP_SLACK)
        return CLEW_ELIMIT;
    if (!clew__writer_reserve(out, size / 4 + GZIP_SLACK))
        return CLEW_ENOMEM;
#ifdef CLEW_HAVE_ISAL
    if (compressor->igzip)
        return compress_igzip(&compressor->igzip->stream, data, (uint32_t)size, out);
#endif
    return compress_zlib(&compressor->deflate, data, (uInt)size, out);
}

/* ---- zstd ---- */

static bool zstd_init(struct clew__compressor *compressor) {
    compressor->zstd = ZSTD_createCCtx();
    return compressor->zstd &&
           !ZSTD_isError(ZSTD_CCtx_setParameter(compressor->zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL));
}

static int compress_zstd(struct clew__compressor *compressor, const void *data, size_t size) {
    struct clew__writer *out = &compressor->out;
    size_t bound = ZSTD_compressBound(size), written;
    if (ZSTD_isError(bound))
        return CLEW_ELIMIT;
    if (!clew__writer_reserve(out, bound))
        return CLEW_ENOMEM;
    written = ZSTD_compress2(compressor->zstd, out->data, out->capacity, data, size);
    if (ZSTD_isError(written))
        return CLEW_ENOMEM; /* the buffer is large enough: nothing else can be wrong */
    out->size = written;
    return CLEW_OK;
}

/* ---- either ---- */

struct clew__compressor *clew__compressor_new(enum clew__encoding encoding) {
    struct clew__compressor *compressor = (struct clew__compressor *)clew_memory_allocate(sizeof *compressor);
    bool ready = true;
    if (!compressor)
        return NULL;
    memset(compressor, 0, sizeof *compressor);
    compressor->encoding = encoding;
    compressor->out = clew__buffer_charged();
    if (encoding == CLEW__ENCODING_GZIP)
        ready = gzip_init(compressor);
    else if (encoding == CLEW__ENCODING_ZSTD)
        ready = zstd_init(compressor);
    if (ready)
        return compressor;
    clew__compressor_free(compressor);
    return NULL;
}

void clew__compressor_free(struct clew__compressor *compressor) {
    if (!compressor)
        return;
    if (compressor->has_deflate)
        deflateEnd(&compressor->deflate);
#ifdef CLEW_HAVE_ISAL
    clew_memory_release(compressor->igzip);
#endif
    ZSTD_freeCCtx(compressor->zstd);
    clew__buffer_fini(&compressor->out);
    clew_memory_release(compressor);
}

int clew__compress(struct clew__compressor *compressor, const void *data, size_t size, clew_bytes *out) {
    int status = CLEW_OK;
    compressor->out.size = 0;
    compressor->out.failed = false;
    out->data = data;
    out->size = size;
    if (compressor->encoding == CLEW__ENCODING_IDENTITY)
        return CLEW_OK;
    status = compressor->encoding == CLEW__ENCODING_GZIP ? compress_gzip(compressor, data, size)
                                                         : compress_zstd(compressor, data, size);
    if (status != CLEW_OK)
        return status;
    out->data = compressor->out.data;
    out->size = compressor->out.size;
    return CLEW_OK;
}

void clew__compressor_trim(struct clew__compressor *compressor, size_t keep) {
    if (compressor->out.capacity > keep)
        clew__buffer_fini(&compressor->out);
}
