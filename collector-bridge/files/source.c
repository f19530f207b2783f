/* Expanding a stream. Owns the state of one decompressor. One thread. */
#include "collector-bridge/files/source.h"

#include "collector-bridge/export/zlib_memory.h"

#include <errno.h>
#include <string.h>
#include <zstd.h>
#include <zstd_errors.h>

#define RAW_SIZE ((size_t)256 * 1024)
#define GZIP_WINDOW_BITS (15 + 16) /* any window that zlib knows; gzip's frame and no other */
#define ZSTD_WINDOW_LOG_MAX 27     /* 128 MiB: what zstd takes without being asked to */
#define ZSTD_SKIPPABLE 0x184D2A50u /* and 15 more: a frame without content (RFC 8878, 3.1.2) */

#define SIZE_BYTES 4u           /* before a record, the highest first */
#define RECORD_SIZE_HIGH_MAX 8u /* so 144 MiB; neither text nor a TracesData begins so */

enum form { PLAIN, GZIP, ZSTD };

struct clew__source {
    FILE *stream;
    enum form form;
    z_stream zlib;
    ZSTD_DStream *zstd;
    uint64_t taken;
    size_t begin, end; /* of what is read and not yet expanded */
    bool in_records;   /* each with its size before it, which is not among that */
    uint32_t record_size, record_left;
    unsigned size_bytes;   /* of the size before a record that are read */
    bool at_end;           /* of the file */
    bool inside;           /* a member of gzip, or a frame of zstd, has begun and not ended */
    const char *end_fault; /* that shows when all before it is expanded */
    const char *fault;
    unsigned char raw[RAW_SIZE];
};

/* Takes the sizes before records out of what is read from `at` on. */
static void take_sizes_out(struct clew__source *source, size_t at) {
    size_t to = at;
    while (at < source->end) {
        size_t part = source->end - at < source->record_left ? source->end - at : source->record_left;
        if (part == 0) {
            source->record_size = source->record_size << 8 | source->raw[at++];
            if (++source->size_bytes < SIZE_BYTES)
                continue;
            source->record_left = source->record_size;
            source->size_bytes = 0;
            continue;
        }
        memmove(source->raw + to, source->raw + at, part);
        to += part;
        at += part;
        source->record_left -= (uint32_t)part;
    }
    source->end = to;
}

static void end_of_file(struct clew__source *source) {
    source->at_end = true;
    if (ferror(source->stream))
        source->end_fault = strerror(errno);
    else if (source->record_left > 0 || source->size_bytes > 0)
        source->end_fault = "cut off within a record";
}

/* Reads more. There may be nothing more to expand then: of records, only their sizes. */
static void fill_once(struct clew__source *source) {
    size_t got, room;
    memmove(source->raw, source->raw + source->begin, source->end - source->begin);
    source->end -= source->begin;
    source->begin = 0;
    room = RAW_SIZE - source->end;
    got = fread(source->raw + source->end, 1, room, source->stream);
    source->end += got;
    source->taken += got;
    if (source->in_records)
        take_sizes_out(source, source->end - got);
    if (got < room)
        end_of_file(source);
}

static void fill(struct clew__source *source) {
    size_t before = source->end - source->begin;
    while (!source->at_end && source->end - source->begin == before)
        fill_once(source);
}

/* ---- what it is ---- */

static uint32_t magic_number(const struct clew__source *source) {
    const unsigned char *raw = source->raw + source->begin;
    if (source->end - source->begin < 4)
        return 0;
    return (uint32_t)raw[0] | (uint32_t)raw[1] << 8 | (uint32_t)raw[2] << 16 | (uint32_t)raw[3] << 24;
}

static bool is_gzip(const struct clew__source *source) {
    return source->end - source->begin >= 2 && source->raw[source->begin] == 0x1f &&
           source->raw[source->begin + 1] == 0x8b;
}

static bool is_zstd(const struct clew__source *source) {
    uint32_t magic = magic_number(source);
    return magic == ZSTD_MAGICNUMBER || (magic & ~15u) == ZSTD_SKIPPABLE;
}

/* A size, and something behind it that a record begins with: a member of a message, an object, a frame of
 * zstd. */
static bool is_in_records(const struct clew__source *source) {
    const unsigned char *raw = source->raw;
    static const unsigned char zstd[] = {0x28, 0xB5, 0x2F, 0xFD};
    if (source->end < 2 * SIZE_BYTES || raw[0] > RECORD_SIZE_HIGH_MAX ||
        (raw[0] | raw[1] | raw[2] | raw[3]) == 0)
        return false;
    return raw[SIZE_BYTES] == 0x0A || raw[SIZE_BYTES] == '{' ||
           memcmp(raw + SIZE_BYTES, zstd, sizeof zstd) == 0;
}

static bool begin(struct clew__source *source) {
    fill(source);
    source->in_records = is_in_records(source);
    if (source->in_records)
        take_sizes_out(source, 0);
    if (source->in_records && source->at_end)
        end_of_file(source);
    if (is_gzip(source)) {
        source->form = GZIP;
        source->zlib.zalloc = clew__zlib_allocate;
        source->zlib.zfree = clew__zlib_release;
        return inflateInit2(&source->zlib, GZIP_WINDOW_BITS) == Z_OK;
    }
    if (!is_zstd(source))
        return true;
    source->form = ZSTD;
    source->zstd = ZSTD_createDStream();
    return source->zstd &&
           !ZSTD_isError(ZSTD_DCtx_setParameter(source->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX));
}

struct clew__source *clew__source_new(FILE *stream) {
    struct clew__source *source = clew_memory_allocate(sizeof *source);
    if (!source)
        return NULL;
    memset(source, 0, offsetof(struct clew__source, raw));
    source->stream = stream;
    if (begin(source))
        return source;
    clew__source_free(source);
    return NULL;
}

void clew__source_free(struct clew__source *source) {
    if (!source)
        return;
    if (source->form == GZIP)
        inflateEnd(&source->zlib);
    ZSTD_freeDStream(source->zstd);
    clew_memory_release(source);
}

const char *clew__source_fault(const struct clew__source *source) {
    return source->fault;
}

uint64_t clew__source_taken(const struct clew__source *source) {
    return source->taken;
}

/* ---- the forms: each gives some bytes, 0 at the end ---- */

/* Makes sure that something is there to expand. False at the end of the file. */
static bool has_raw(struct clew__source *source) {
    if (source->begin == source->end)
        fill(source);
    if (source->begin == source->end && !source->fault)
        source->fault = source->end_fault;
    return source->begin < source->end && !source->fault;
}

static size_t read_plain(struct clew__source *source, unsigned char *out, size_t room) {
    size_t size;
    if (!has_raw(source))
        return 0;
    size = source->end - source->begin < room ? source->end - source->begin : room;
    memcpy(out, source->raw + source->begin, size);
    source->begin += size;
    return size;
}

/* Between two members of gzip: another one, or the end; tape drives and their like leave zeros behind it. */
static bool next_member(struct clew__source *source) {
    while (has_raw(source) && source->raw[source->begin] == 0)
        source->begin++;
    if (!has_raw(source))
        return false;
    if (source->end - source->begin < 2)
        fill(source);
    if (is_gzip(source) && inflateReset(&source->zlib) == Z_OK)
        return source->inside = true;
    source->fault = "something else follows what is compressed with gzip";
    return false;
}

static size_t read_gzip(struct clew__source *source, unsigned char *out, size_t room) {
    z_stream *zlib = &source->zlib;
    size_t size = 0;
    uInt asked = room < RAW_SIZE ? (uInt)room : (uInt)RAW_SIZE;
    while (size == 0 && (source->inside || next_member(source))) {
        int status;
        if (!has_raw(source)) {
            source->fault = source->fault ? source->fault : "compressed with gzip, and cut off";
            return 0;
        }
        zlib->next_in = source->raw + source->begin;
        zlib->avail_in = (uInt)(source->end - source->begin);
        zlib->next_out = out;
        zlib->avail_out = asked;
        status = inflate(zlib, Z_NO_FLUSH);
        source->begin = source->end - zlib->avail_in;
        size = asked - zlib->avail_out;
        source->inside = status != Z_STREAM_END;
        if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR) {
            source->fault = status == Z_MEM_ERROR ? "out of memory" : "compressed with gzip, and damaged";
            return size;
        }
    }
    return size;
}

static const char *zstd_fault(size_t status) {
    switch (ZSTD_getErrorCode(status)) {
    case ZSTD_error_memory_allocation:
        return "out of memory";
    case ZSTD_error_frameParameter_windowTooLarge:
        return "compressed with zstd over a window of more than 128 MiB";
    case ZSTD_error_prefix_unknown:
        return "something else follows what is compressed with zstd";
    default:
        return "compressed with zstd, and damaged";
    }
}

static size_t read_zstd(struct clew__source *source, unsigned char *out, size_t room) {
    ZSTD_outBuffer to = {out, room, 0};
    while (to.pos == 0) {
        ZSTD_inBuffer from = {source->raw, 0, 0};
        size_t status;
        if (!has_raw(source) && !source->inside)
            return 0;
        from.pos = source->begin;
        from.size = source->end;
        status = ZSTD_decompressStream(source->zstd, &to, &from);
        if (ZSTD_isError(status)) {
            source->fault = zstd_fault(status);
            return to.pos;
        }
        if (from.pos == source->begin && to.pos == 0) {
            source->fault = source->fault ? source->fault : "compressed with zstd, and cut off";
            return 0;
        }
        source->begin = from.pos;
        source->inside = status != 0;
    }
    return to.pos;
}

size_t clew__source_read(struct clew__source *source, void *out, size_t room) {
    size_t size = 0;
    while (size < room && !source->fault) {
        unsigned char *to = (unsigned char *)out + size;
        size_t got = source->form == PLAIN  ? read_plain(source, to, room - size)
                     : source->form == GZIP ? read_gzip(source, to, room - size)
                                            : read_zstd(source, to, room - size);
        if (got == 0)
            break;
        size += got;
    }
    return size;
}
