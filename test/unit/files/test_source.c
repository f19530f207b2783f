/* Reading what is compressed, and what only says so. */
#include "collector-bridge/files/source.h"
#include "test/support.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#define ROOM 100000

/* The stream as it is read in parts; returns the size, and what went wrong. */
static size_t read_all(const void *bytes, size_t size, size_t part, char *out, const char **fault) {
    FILE *stream = size ? fmemopen((void *)bytes, size, "rb") : fopen("/dev/null", "rb");
    struct clew__source *source = clew__source_new(stream);
    size_t got, total = 0;
    cr_assert_not_null(source);
    while ((got = clew__source_read(source, out + total, part)) > 0)
        total += got;
    *fault = clew__source_fault(source);
    cr_assert(*fault || clew__source_taken(source) == size);
    clew__source_free(source);
    fclose(stream);
    return total;
}

static void assert_reads(const void *bytes, size_t size, const char *expected) {
    static const size_t parts[] = {1, 3, 1000};
    static char out[ROOM];
    const char *fault;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        size_t got = read_all(bytes, size, parts[i], out, &fault);
        cr_assert_null(fault, "%s", fault);
        cr_assert_eq(got, strlen(expected));
        cr_assert_eq(memcmp(out, expected, got), 0);
    }
}

static void assert_faults(const void *bytes, size_t size, const char *expected) {
    static char out[ROOM];
    const char *fault;
    read_all(bytes, size, 1000, out, &fault);
    cr_assert(fault && strcmp(fault, expected) == 0, "%s instead of %s", fault, expected);
}

static size_t gzip(const char *text, unsigned char *out, size_t room) {
    z_stream zlib = {.next_in = (Bytef *)(uintptr_t)text,
                     .avail_in = (uInt)strlen(text),
                     .next_out = out,
                     .avail_out = (uInt)room};
    cr_assert_eq(deflateInit2(&zlib, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    cr_assert_eq(deflate(&zlib, Z_FINISH), Z_STREAM_END);
    deflateEnd(&zlib);
    return zlib.total_out;
}

static size_t zstd(const char *text, unsigned char *out, size_t room) {
    size_t size = ZSTD_compress(out, room, text, strlen(text), 3);
    cr_assert_not(ZSTD_isError(size));
    return size;
}

Test(source, plain_bytes_are_read_as_they_are) {
    assert_reads("hello", 5, "hello");
    assert_reads("", 0, "");
    assert_reads("\x1f", 1, "\x1f");
    CLEW_NO_LEAKS();
}

Test(source, gzip_is_expanded) {
    unsigned char bytes[1000];
    assert_reads(bytes, gzip("hello hello hello", bytes, sizeof bytes), "hello hello hello");
    CLEW_NO_LEAKS();
}

Test(source, members_of_gzip_are_one_stream) {
    unsigned char bytes[1000];
    size_t size = gzip("one ", bytes, 500);
    size += gzip("", bytes + size, 200);
    size += gzip("two", bytes + size, 200);
    assert_reads(bytes, size, "one two");
    memset(bytes + size, 0, 100);
    assert_reads(bytes, size + 100, "one two");
    memcpy(bytes + size, "rubbish", 7);
    assert_faults(bytes, size + 7, "something else follows what is compressed with gzip");
    CLEW_NO_LEAKS();
}

/* The file is read in parts of 256 KiB: members of 27 bytes leave the first byte of one at the end of a part.
 */
Test(source, member_of_gzip_may_begin_in_one_part_of_the_file_and_go_on_in_the_next) {
    enum { MEMBER = 27, COUNT = 256 * 1024 / MEMBER + 2 };
    static const char text[] = "abcdefg";
    unsigned char *bytes = malloc(COUNT * MEMBER + 100);
    char *expected = calloc(COUNT, sizeof text - 1), *out = malloc(COUNT * sizeof text);
    const char *fault;
    cr_assert_eq(256 * 1024 % MEMBER, 1);
    for (size_t i = 0; i < COUNT; i++) {
        cr_assert_eq(gzip(text, bytes + i * MEMBER, 100), MEMBER);
        memcpy(expected + i * (sizeof text - 1), text, sizeof text - 1);
    }
    cr_assert_eq(read_all(bytes, COUNT * MEMBER, 1000, out, &fault), COUNT * (sizeof text - 1), "%s", fault);
    cr_assert_eq(memcmp(out, expected, COUNT * (sizeof text - 1)), 0);
    free(bytes);
    free(expected);
    free(out);
    CLEW_NO_LEAKS();
}

Test(source, zstd_is_expanded_with_all_its_frames) {
    static const unsigned char skippable[] = {0x50, 0x2A, 0x4D, 0x18, 2, 0, 0, 0, 'x', 'y'};
    unsigned char bytes[1000];
    size_t size = sizeof skippable;
    memcpy(bytes, skippable, size);
    size += zstd("one ", bytes + size, 300);
    size += zstd("two", bytes + size, 300);
    assert_reads(bytes, size, "one two");
    memcpy(bytes + size, "rubbish", 7);
    assert_faults(bytes, size + 7, "something else follows what is compressed with zstd");
    CLEW_NO_LEAKS();
}

/* As the Collector's file exporter does. */
static size_t record(const void *content, size_t size, unsigned char *out) {
    const unsigned char sizes[] = {(unsigned char)(size >> 24), (unsigned char)(size >> 16),
                                   (unsigned char)(size >> 8), (unsigned char)size};
    memcpy(out, sizes, 4);
    memcpy(out + 4, content, size);
    return 4 + size;
}

Test(source, records_come_without_their_sizes) {
    unsigned char bytes[100];
    size_t size = record("{\"a\":1}", 7, bytes);
    assert_reads(bytes, size, "{\"a\":1}");
    size += record("", 0, bytes + size);
    size += record("{}", 2, bytes + size);
    assert_reads(bytes, size, "{\"a\":1}{}");
    size = record("\n\x02hi", 4, bytes);
    size += record("\n\x01x", 3, bytes + size);
    assert_reads(bytes, size, "\n\x02hi\n\x01x");
    CLEW_NO_LEAKS();
}

Test(source, records_that_are_compressed_each_are_expanded) {
    unsigned char bytes[1000], packed[500];
    size_t size = record(packed, zstd("one ", packed, sizeof packed), bytes);
    size += record(packed, zstd("two", packed, sizeof packed), bytes + size);
    assert_reads(bytes, size, "one two");
    CLEW_NO_LEAKS();
}

Test(source, many_records_are_read_over_the_parts_of_the_file) {
    enum { COUNT = 100000, RECORD = 11 };
    unsigned char *bytes = malloc(COUNT * (4 + RECORD));
    char *out = malloc(COUNT * RECORD + 1000);
    const char *fault;
    size_t size = 0;
    for (size_t i = 0; i < COUNT; i++)
        size += record("{\"abcd\":1}", RECORD - 1, bytes + size);
    cr_assert_eq(read_all(bytes, size, 1000, out, &fault), COUNT * (RECORD - 1), "%s", fault);
    for (size_t i = 0; i < COUNT; i++)
        cr_assert_eq(memcmp(out + i * (RECORD - 1), "{\"abcd\":1}", RECORD - 1), 0);
    free(bytes);
    free(out);
    CLEW_NO_LEAKS();
}

Test(source, record_that_is_cut_off_is_a_fault) {
    unsigned char bytes[100];
    size_t first = record("{\"a\":1}", 7, bytes), size = first + record("{\"b\":2}", 7, bytes + first);
    for (size_t cut = 8; cut < size; cut++)
        if (cut != first)
            assert_faults(bytes, cut, "cut off within a record");
    CLEW_NO_LEAKS();
}

Test(source, what_comes_before_a_cut_is_read) {
    unsigned char bytes[100];
    char out[100];
    const char *fault;
    size_t size = record("{\"a\":1}", 7, bytes);
    size += record("{\"b\":2}", 7, bytes + size);
    cr_assert_eq(read_all(bytes, size - 2, 50, out, &fault), 12);
    cr_assert_eq(memcmp(out, "{\"a\":1}{\"b\":", 12), 0);
    cr_assert_str_eq(fault, "cut off within a record");
    size = gzip("hello", bytes, sizeof bytes);
    cr_assert_eq(read_all(bytes, size - 8, 50, out, &fault), 5);
    cr_assert_eq(memcmp(out, "hello", 5), 0);
    CLEW_NO_LEAKS();
}

Test(source, what_is_cut_off_is_a_fault) {
    unsigned char bytes[1000];
    size_t size = gzip("hello", bytes, sizeof bytes);
    for (size_t cut = 2; cut < size; cut++)
        assert_faults(bytes, cut, "compressed with gzip, and cut off");
    size = zstd("hello", bytes, sizeof bytes);
    for (size_t cut = 4; cut < size; cut++)
        assert_faults(bytes, cut, "compressed with zstd, and cut off");
    CLEW_NO_LEAKS();
}

Test(source, what_is_damaged_is_a_fault) {
    unsigned char bytes[1000];
    size_t size = gzip("hello", bytes, sizeof bytes);
    bytes[size - 6] ^= 1; /* the checksum */
    assert_faults(bytes, size, "compressed with gzip, and damaged");
    size = gzip("hello", bytes, sizeof bytes);
    bytes[2] = 7; /* the method */
    assert_faults(bytes, size, "compressed with gzip, and damaged");
    size = zstd("hello", bytes, sizeof bytes);
    bytes[4] ^= 0x08; /* a bit that is reserved */
    assert_faults(bytes, size, "compressed with zstd, and damaged");
    CLEW_NO_LEAKS();
}

Test(source, window_that_takes_too_much_memory_is_refused) {
    /* A frame whose header asks for 2 GiB. */
    static const unsigned char bytes[] = {0x28, 0xB5, 0x2F, 0xFD, 0x00, 0xA8, 0x01, 0x00, 0x00};
    assert_faults(bytes, sizeof bytes, "compressed with zstd over a window of more than 128 MiB");
    CLEW_NO_LEAKS();
}

Test(source, failure_of_the_file_is_told) {
    FILE *stream = fopen("/", "rb");
    struct clew__source *source = clew__source_new(stream);
    char byte;
    cr_assert_eq(clew__source_read(source, &byte, 1), 0);
    cr_assert_str_eq(clew__source_fault(source), "Is a directory");
    clew__source_free(source);
    fclose(stream);
    CLEW_NO_LEAKS();
}
