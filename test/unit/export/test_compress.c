/* Compression against the libraries' own decoders, and decompression of what strangers may send. */
#include "collector-bridge/export/compress.h"

#include "sdk/base/memory.h"
#include "test/support.h"
#include "test/unit/export/random.h"

#include <clew/diagnostics.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#define LARGE (3u << 20)
#define LIMIT (4u << 20)

/* ---- round trips ---- */

static void decode_gzip(clew_bytes packed, uint8_t *out, size_t size) {
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)packed.data,
                       .avail_in = (uInt)packed.size,
                       .next_out = out,
                       .avail_out = (uInt)size + 1};
    cr_assert_eq(inflateInit2(&stream, 15 + 16), Z_OK);
    cr_assert_eq(inflate(&stream, Z_FINISH), Z_STREAM_END);
    cr_assert_eq(stream.total_out, size);
    cr_assert_eq(stream.avail_in, 0);
    inflateEnd(&stream);
}

static void decode_zstd(clew_bytes packed, uint8_t *out, size_t size) {
    cr_assert_eq(ZSTD_decompress(out, size + 1, packed.data, packed.size), size);
}

static void round_trip(struct clew__compressor *compressor, enum clew__encoding encoding, const uint8_t *data,
                       size_t size) {
    uint8_t *decoded = malloc(size + 1);
    struct clew__expanded expanded;
    clew_bytes packed;
    cr_assert_eq(clew__compress(compressor, data, size, &packed), CLEW_OK);
    if (encoding == CLEW__ENCODING_GZIP)
        decode_gzip(packed, decoded, size);
    else
        decode_zstd(packed, decoded, size);
    cr_assert_arr_eq(decoded, data, size);
    cr_assert_eq(clew__expand(encoding, packed.data, packed.size, LIMIT, &expanded), CLEW_OK);
    cr_assert_eq(expanded.size, size);
    cr_assert(size == 0 || memcmp(expanded.data, data, size) == 0);
    clew__expanded_free(&expanded);
    free(decoded);
}

static void round_trips(enum clew__encoding encoding) {
    static const size_t sizes[] = {0, 1, 100, 4096, 143600, LARGE};
    struct clew__compressor *compressor = clew__compressor_new(encoding);
    uint8_t *data = malloc(LARGE);
    cr_assert_not_null(compressor);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        fill_random(data, LARGE);
        round_trip(compressor, encoding, data, sizes[i]);
        for (size_t k = 0; k < LARGE; k++)
            data[k] = (uint8_t) "telemetry repeats itself "[k % 25];
        round_trip(compressor, encoding, data, sizes[i]);
    }
    clew__compressor_free(compressor);
    free(data);
    cr_assert_eq(clew__budget_used(), 0);
}

Test(compress, gzip_is_what_zlib_reads) {
    round_trips(CLEW__ENCODING_GZIP);
    CLEW_NO_LEAKS();
}

Test(compress, zstd_is_what_libzstd_reads) {
    round_trips(CLEW__ENCODING_ZSTD);
    CLEW_NO_LEAKS();
}

Test(compress, telemetry_becomes_much_smaller) {
    static uint8_t data[100000];
    for (enum clew__encoding encoding = CLEW__ENCODING_GZIP; encoding <= CLEW__ENCODING_ZSTD; encoding++) {
        struct clew__compressor *compressor = clew__compressor_new(encoding);
        clew_bytes packed;
        for (size_t i = 0; i < sizeof data; i++)
            data[i] = (uint8_t)(i % 100 < 8 ? rand() : (int)"http.request.method"[i % 19]);
        cr_assert_eq(clew__compress(compressor, data, sizeof data, &packed), CLEW_OK);
        cr_assert_lt(packed.size, sizeof data / 3);
        clew__compressor_free(compressor);
    }
    CLEW_NO_LEAKS();
}

Test(compress, identity_is_the_bytes_themselves) {
    struct clew__compressor *compressor = clew__compressor_new(CLEW__ENCODING_IDENTITY);
    struct clew__expanded expanded;
    clew_bytes packed;
    cr_assert_eq(clew__compress(compressor, "abc", 3, &packed), CLEW_OK);
    cr_assert_eq(packed.size, 3);
    cr_assert_eq(clew__expand(CLEW__ENCODING_IDENTITY, "abc", 3, 3, &expanded), CLEW_OK);
    cr_assert(expanded.size == 3 && memcmp(expanded.data, "abc", 3) == 0);
    clew__expanded_free(&expanded);
    cr_assert_eq(clew__expand(CLEW__ENCODING_IDENTITY, "abc", 3, 2, &expanded), CLEW_ELIMIT);
    clew__compressor_free(compressor);
    CLEW_NO_LEAKS();
}

Test(compress, names_are_those_of_content_encoding) {
    cr_assert_str_eq(clew__encoding_name(CLEW__ENCODING_GZIP), "gzip");
    cr_assert_str_eq(clew__encoding_name(CLEW__ENCODING_ZSTD), "zstd");
    cr_assert_str_eq(clew__encoding_name(CLEW__ENCODING_IDENTITY), "identity");
}

Test(compress, output_is_charged_and_trimmed) {
    for (enum clew__encoding encoding = CLEW__ENCODING_GZIP; encoding <= CLEW__ENCODING_ZSTD; encoding++) {
        struct clew__compressor *compressor = clew__compressor_new(encoding);
        uint8_t *data = malloc(LARGE);
        clew_bytes packed;
        fill_random(data, LARGE);
        cr_assert_eq(clew__compress(compressor, data, LARGE, &packed), CLEW_OK);
        cr_assert_geq(clew__budget_used(), packed.size);
        clew__compressor_trim(compressor, LARGE * 4);
        cr_assert_geq(clew__budget_used(), packed.size);
        clew__compressor_trim(compressor, 65536);
        cr_assert_eq(clew__budget_used(), 0);
        clew__compressor_free(compressor);
        free(data);
    }
    CLEW_NO_LEAKS();
}

Test(compress, used_up_budget_is_no_memory_and_passes) {
    for (enum clew__encoding encoding = CLEW__ENCODING_GZIP; encoding <= CLEW__ENCODING_ZSTD; encoding++) {
        struct clew__compressor *compressor = clew__compressor_new(encoding);
        uint8_t *data = malloc(LARGE);
        clew_bytes packed;
        size_t rest;
        clew_set_memory_limit(1u << 20);
        rest = (size_t)(clew__budget_limit() - clew__budget_used()) - 10000;
        fill_random(data, LARGE);
        cr_assert(clew_budget_take(rest));
        cr_assert_eq(clew__compress(compressor, data, LARGE, &packed), CLEW_ENOMEM);
        clew_budget_give(rest);
        cr_assert_eq(clew__compress(compressor, data, 1000, &packed), CLEW_OK);
        clew__compressor_free(compressor);
        cr_assert_eq(clew__budget_used(), 0);
        free(data);
    }
    CLEW_NO_LEAKS();
}

/* ---- what strangers send ---- */

/* `size` zeros, packed as one frame; to be freed. */
static uint8_t *pack_zeros(enum clew__encoding encoding, size_t size, size_t *packed_size) {
    uint8_t *zeros = calloc(1, size), *packed = malloc(size / 2 + 4096);
    if (encoding == CLEW__ENCODING_ZSTD) {
        *packed_size = ZSTD_compress(packed, size / 2 + 4096, zeros, size, 19);
    } else {
        z_stream stream = {0};
        deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY);
        stream.next_in = zeros;
        stream.avail_in = (uInt)size;
        stream.next_out = packed;
        stream.avail_out = (uInt)(size / 2 + 4096);
        cr_assert_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
        *packed_size = stream.total_out;
        deflateEnd(&stream);
    }
    free(zeros);
    return packed;
}

/* Likewise, without a word about its size in zstd's header. */
static uint8_t *pack_zeros_unsaid(size_t size, size_t *packed_size) {
    uint8_t *zeros = calloc(1, size), *packed = malloc(size / 2 + 4096);
    ZSTD_CCtx *context = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);
    *packed_size = ZSTD_compress2(context, packed, size / 2 + 4096, zeros, size);
    ZSTD_freeCCtx(context);
    free(zeros);
    return packed;
}

static void bomb_is_cut(enum clew__encoding encoding, uint8_t *packed, size_t size) {
    struct clew__expanded expanded;
    cr_assert_eq(clew__expand(encoding, packed, size, LIMIT, &expanded), CLEW_ELIMIT);
    cr_assert_null(expanded.data);
    cr_assert_eq(clew__budget_used(), 0);
    free(packed);
}

Test(expand, bombs_are_cut_at_the_limit) {
    size_t size;
    uint8_t *packed = pack_zeros(CLEW__ENCODING_GZIP, 100u << 20, &size);
    /* A budget little above the limit shows that no more was ever asked for. */
    clew_set_memory_limit(LIMIT + 4096);
    bomb_is_cut(CLEW__ENCODING_GZIP, packed, size);
    packed = pack_zeros(CLEW__ENCODING_ZSTD, 100u << 20, &size);
    bomb_is_cut(CLEW__ENCODING_ZSTD, packed, size);
    packed = pack_zeros_unsaid(100u << 20, &size);
    bomb_is_cut(CLEW__ENCODING_ZSTD, packed, size);
    CLEW_NO_LEAKS();
}

Test(expand, exactly_the_limit_passes_and_one_byte_more_does_not) {
    for (enum clew__encoding encoding = CLEW__ENCODING_GZIP; encoding <= CLEW__ENCODING_ZSTD; encoding++)
        for (size_t size = 10000; size <= 40000; size += 10000) {
            struct clew__expanded expanded;
            size_t packed_size;
            uint8_t *packed = pack_zeros(encoding, size, &packed_size);
            cr_assert_eq(clew__expand(encoding, packed, packed_size, size, &expanded), CLEW_OK);
            cr_assert_eq(expanded.size, size);
            cr_assert_leq(expanded.charged, size);
            clew__expanded_free(&expanded);
            cr_assert_eq(clew__expand(encoding, packed, packed_size, size - 1, &expanded), CLEW_ELIMIT);
            free(packed);
        }
    CLEW_NO_LEAKS();
}

Test(expand, what_is_cut_is_malformed) {
    static uint8_t text[5000];
    fill_random(text, sizeof text);
    for (enum clew__encoding encoding = CLEW__ENCODING_GZIP; encoding <= CLEW__ENCODING_ZSTD; encoding++) {
        struct clew__compressor *compressor = clew__compressor_new(encoding);
        struct clew__expanded expanded;
        clew_bytes packed;
        cr_assert_eq(clew__compress(compressor, text, sizeof text, &packed), CLEW_OK);
        for (size_t size = 0; size < packed.size; size++)
            cr_assert_eq(clew__expand(encoding, packed.data, size, LIMIT, &expanded), CLEW_EFORMAT,
                         "%zu of %zu bytes", size, packed.size);
        clew__compressor_free(compressor);
    }
    cr_assert_eq(clew__budget_used(), 0);
    CLEW_NO_LEAKS();
}

Test(expand, garbage_is_malformed) {
    static uint8_t text[1000];
    struct clew__expanded expanded;
    fill_random(text, sizeof text);
    cr_assert_eq(clew__expand(CLEW__ENCODING_GZIP, text, sizeof text, LIMIT, &expanded), CLEW_EFORMAT);
    cr_assert_eq(clew__expand(CLEW__ENCODING_ZSTD, text, sizeof text, LIMIT, &expanded), CLEW_EFORMAT);
    CLEW_NO_LEAKS();
}

Test(expand, several_frames_are_one_text_and_garbage_behind_them_is_none) {
    for (enum clew__encoding encoding = CLEW__ENCODING_GZIP; encoding <= CLEW__ENCODING_ZSTD; encoding++) {
        struct clew__expanded expanded;
        size_t size;
        uint8_t *packed = pack_zeros(encoding, 30000, &size), *twice = malloc(2 * size + 1);
        memcpy(twice, packed, size);
        memcpy(twice + size, packed, size);
        twice[2 * size] = 'x';
        cr_assert_eq(clew__expand(encoding, twice, 2 * size, LIMIT, &expanded), CLEW_OK);
        cr_assert_eq(expanded.size, 60000);
        clew__expanded_free(&expanded);
        cr_assert_eq(clew__expand(encoding, twice, 2 * size, 59999, &expanded), CLEW_ELIMIT);
        cr_assert_eq(clew__expand(encoding, twice, 2 * size + 1, LIMIT, &expanded), CLEW_EFORMAT);
        free(packed);
        free(twice);
    }
    CLEW_NO_LEAKS();
}

Test(expand, window_that_a_frame_asks_for_costs_nothing) {
    /* A frame header with a window of 2 GiB, no content size, and one empty last block. */
    static const uint8_t frame[] = {0x28, 0xB5, 0x2F, 0xFD, 0x00, 0xA8, 0x01, 0x00, 0x00};
    struct clew__expanded expanded;
    int status;
    clew_set_memory_limit(1u << 20);
    status = clew__expand(CLEW__ENCODING_ZSTD, frame, sizeof frame, LIMIT, &expanded);
    cr_assert(status == CLEW_OK || status == CLEW_EFORMAT);
    cr_assert_eq(expanded.size, 0);
    cr_assert_leq(expanded.charged, 4096);
    clew__expanded_free(&expanded);
    CLEW_NO_LEAKS();
}

Test(expand, used_up_budget_is_no_memory) {
    for (enum clew__encoding encoding = CLEW__ENCODING_GZIP; encoding <= CLEW__ENCODING_ZSTD; encoding++) {
        struct clew__expanded expanded;
        size_t size;
        uint8_t *packed = pack_zeros(encoding, 3u << 20, &size);
        clew_set_memory_limit(1u << 20);
        cr_assert_eq(clew__expand(encoding, packed, size, LIMIT, &expanded), CLEW_ENOMEM);
        cr_assert_eq(clew__budget_used(), 0);
        free(packed);
    }
    CLEW_NO_LEAKS();
}
