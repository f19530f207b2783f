#include "proto/wire.h"

#include "proto/json.h"
#include "test/support.h"
#include "test/unit/proto/growing.h"
#include "test/unit/proto/requests.h"

/* ---- the writer ---- */

Test(wire_writer, varint_size_is_what_is_put) {
    for (unsigned shift = 0; shift < 64; shift++) {
        for (uint64_t value = (1ull << shift) - 1; value <= (1ull << shift); value++) {
            uint8_t bytes[CLEW__VARINT_MAX];
            cr_assert_eq((size_t)(clew__put_varint(bytes, value) - bytes), clew__varint_size(value));
        }
    }
    cr_assert_eq(clew__varint_size(UINT64_MAX), 10);
}

Test(wire_writer, members_have_the_published_bytes) {
    static const uint8_t expected[] = {
        0x30, 0x02,                                                       /* varint 6 */
        0x18, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01, /* int64 -1 */
        0x39, 0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01,             /* fixed64 7 */
        0x85, 0x01, 0x04, 0x03, 0x02, 0x01,                               /* fixed32 16 */
        0x2A, 0x02, 'h',  'i',                                            /* bytes 5 */
        0x2A, 0x00,                                                       /* no bytes */
    };
    struct clew__writer writer = tight_writer();
    clew__write_varint(&writer, 6, 2);
    clew__write_varint(&writer, 3, (uint64_t)-1);
    clew__write_fixed64(&writer, 7, 0x0102030405060708u);
    clew__write_fixed32(&writer, 16, 0x01020304u);
    clew__write_bytes(&writer, 5, "hi", 2);
    clew__write_bytes(&writer, 5, NULL, 0);
    cr_assert_arr_eq(writer.data, expected, sizeof expected);
    cr_assert_eq(writer.size, sizeof expected);
    growing_free(&writer);
    CLEW_NO_LEAKS();
}

Test(wire_writer, nested_length_takes_as_few_bytes_as_it_needs) {
    static const size_t sizes[] = {0, 1, 127, 128, 16383, 16384, 2097151, 2097152};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct clew__writer writer = tight_writer(), flat = tight_writer();
        uint8_t *content = malloc(sizes[i] + 1);
        size_t begun;
        for (size_t at = 0; at < sizes[i]; at++)
            content[at] = (uint8_t)(at * 31);
        begun = clew__write_begin(&writer, 9);
        clew__write_raw(&writer, content, sizes[i]);
        clew__write_end(&writer, begun);
        clew__write_bytes(&flat, 9, content, sizes[i]);
        cr_assert_eq(writer.size, flat.size, "size %zu", sizes[i]);
        cr_assert_eq(memcmp(writer.data, flat.data, flat.size), 0, "size %zu", sizes[i]);
        free(content);
        growing_free(&writer);
        growing_free(&flat);
    }
    CLEW_NO_LEAKS();
}

Test(wire_writer, nested_messages_close_in_reverse_order) {
    struct clew__writer writer = tight_writer(), inner = tight_writer(), outer = tight_writer();
    char text[200];
    size_t first, second;
    memset(text, 'x', sizeof text);
    first = clew__write_begin(&writer, 1);
    clew__write_varint(&writer, 4, 7);
    second = clew__write_begin(&writer, 2);
    clew__write_bytes(&writer, 3, text, sizeof text);
    clew__write_end(&writer, second);
    clew__write_varint(&writer, 5, 8);
    clew__write_end(&writer, first);

    clew__write_bytes(&inner, 3, text, sizeof text);
    clew__write_varint(&outer, 4, 7);
    clew__write_bytes(&outer, 2, inner.data, inner.size);
    clew__write_varint(&outer, 5, 8);
    inner.size = 0;
    clew__write_bytes(&inner, 1, outer.data, outer.size);
    cr_assert_eq(writer.size, inner.size);
    cr_assert_eq(memcmp(writer.data, inner.data, inner.size), 0);
    growing_free(&writer);
    growing_free(&inner);
    growing_free(&outer);
    CLEW_NO_LEAKS();
}

Test(wire_writer, fixed_memory_fails_for_good_and_is_never_left) {
    struct clew__writer full = tight_writer();
    write_full_request(&full);
    for (size_t room = 0; room <= full.size; room++) {
        uint8_t *memory = malloc(room ? room : 1);
        struct clew__writer writer = {.data = memory, .capacity = room};
        write_full_request(&writer);
        cr_assert_eq(writer.failed, room < full.size, "room %zu of %zu", room, full.size);
        cr_assert_leq(writer.size, room);
        if (writer.failed) {
            size_t size = writer.size;
            clew__write_raw(&writer, "", 1);
            clew__write_end(&writer, clew__write_begin(&writer, 1));
            cr_assert_eq(writer.size, size);
        }
        free(memory);
    }
    growing_free(&full);
    CLEW_NO_LEAKS();
}

Test(wire_writer, member_that_just_fits_fixed_memory_is_written) {
    uint8_t memory[2];
    struct clew__writer writer = {.data = memory, .capacity = sizeof memory};
    clew__write_varint(&writer, 1, 127);
    cr_assert_not(writer.failed);
    cr_assert_eq(writer.size, 2);
}

Test(wire_writer, size_that_overflows_fails) {
    uint8_t memory[64] = {0};
    struct clew__writer writer = {.data = memory, .capacity = sizeof memory};
    clew__write_bytes(&writer, 1, memory, SIZE_MAX);
    cr_assert(writer.failed);
    cr_assert_eq(writer.size, 0);
}

/* ---- the reader ---- */

Test(wire_reader, members_come_back_as_written) {
    struct clew__writer writer = tight_writer();
    struct clew__wire wire;
    struct clew__field field;
    enum clew__wire_error error;
    clew__write_varint(&writer, 1, UINT64_MAX);
    clew__write_fixed64(&writer, 2, 0x8877665544332211u);
    clew__write_fixed32(&writer, (1u << 29) - 1, 0x88776655u);
    clew__write_bytes(&writer, 4, "abc", 3);
    wire = clew__wire_of(writer.data, writer.size);
    cr_assert(clew__wire_next(&wire, &field, &error));
    cr_assert(field.field == 1 && field.type == CLEW__WIRE_VARINT && field.number == UINT64_MAX);
    cr_assert(clew__wire_next(&wire, &field, &error));
    cr_assert(field.field == 2 && field.type == CLEW__WIRE_I64 && field.number == 0x8877665544332211u);
    cr_assert(clew__wire_next(&wire, &field, &error));
    cr_assert(field.field == (1u << 29) - 1 && field.type == CLEW__WIRE_I32 && field.number == 0x88776655u);
    cr_assert(clew__wire_next(&wire, &field, &error));
    cr_assert(field.field == 4 && field.type == CLEW__WIRE_BYTES && field.bytes.end - field.bytes.at == 3);
    cr_assert_arr_eq(field.bytes.at, "abc", 3);
    cr_assert_not(clew__wire_next(&wire, &field, &error));
    cr_assert_eq(error, CLEW__WIRE_OK);
    growing_free(&writer);
    CLEW_NO_LEAKS();
}

Test(wire_reader, malformed_member_leaves_the_cursor_at_its_tag) {
    static const uint8_t bytes[] = {0x08, 0x01, 0x12, 0x05, 'x'};
    struct clew__wire wire = clew__wire_of(bytes, sizeof bytes);
    struct clew__field field;
    enum clew__wire_error error;
    cr_assert(clew__wire_next(&wire, &field, &error));
    cr_assert_not(clew__wire_next(&wire, &field, &error));
    cr_assert_eq(error, CLEW__WIRE_TRUNCATED);
    cr_assert_eq(wire.at, bytes + 2);
}

Test(wire_reader, nothing_has_no_members) {
    struct clew__wire wire = clew__wire_of(NULL, 0);
    struct clew__field field;
    enum clew__wire_error error = CLEW__WIRE_TRUNCATED;
    cr_assert_not(clew__wire_next(&wire, &field, &error));
    cr_assert_eq(error, CLEW__WIRE_OK);
}

Test(wire_reader, every_error_has_a_text_of_its_own) {
    for (int one = CLEW__WIRE_OK; one <= CLEW__WIRE_TOO_LARGE; one++) {
        for (int other = CLEW__WIRE_OK; other < one; other++)
            cr_assert_str_neq(clew__wire_error_text((enum clew__wire_error)one),
                              clew__wire_error_text((enum clew__wire_error)other));
    }
}

/* ---- checking a request ---- */

struct check_case {
    const char *what;
    const char *bytes;
    size_t size;
    enum clew__wire_error error;
    size_t offset;
};
#define BYTES(text) text, sizeof(text) - 1

static void check_exact(const struct check_case *one, const uint8_t *data, size_t size, size_t offset) {
    uint8_t *copy = exact_copy(data, size);
    struct clew__wire_fault fault = {CLEW__WIRE_TOO_LARGE, 12345};
    enum clew__wire_error error = clew__wire_check_traces(copy, size, NULL, &fault);
    cr_assert_eq(error, one->error, "%s: %s", one->what, clew__wire_error_text(error));
    cr_assert_eq(fault.error, one->error);
    cr_assert_eq(fault.offset, offset, "%s: at %zu, not %zu", one->what, fault.offset, offset);
    free(copy);
}

#define NINE(byte) byte byte byte byte byte byte byte byte byte
#define SIXTEEN "0123456789abcdef"

static const struct check_case request_cases[] = {
    {"empty", BYTES(""), CLEW__WIRE_OK, 0},
    {"empty group", BYTES("\x0A\x00"), CLEW__WIRE_OK, 0},
    {"length in more bytes than it needs", BYTES("\x0A\x80\x00"), CLEW__WIRE_OK, 0},
    {"unknown fields of every type",
     BYTES("\x10\x01\x19"
           "12345678"
           "\x22\x02\x13\xFF\x2D"
           "1234"),
     CLEW__WIRE_OK, 0},
    {"largest field", BYTES("\xF8\xFF\xFF\xFF\x0F\x00"), CLEW__WIRE_OK, 0},
    {"largest varint", BYTES("\x10" NINE("\xFF") "\x01"), CLEW__WIRE_OK, 0},
    {"tag alone", BYTES("\x0A"), CLEW__WIRE_TRUNCATED, 1},
    {"tag cut", BYTES("\x0A\x00\x8A"), CLEW__WIRE_TRUNCATED, 3},
    {"length too large", BYTES("\x0A\x05\x00"), CLEW__WIRE_TRUNCATED, 1},
    {"length of all bits", BYTES("\x0A" NINE("\xFF") "\x01"), CLEW__WIRE_TRUNCATED, 1},
    {"length cut", BYTES("\x0A\x85"), CLEW__WIRE_TRUNCATED, 2},
    {"varint cut", BYTES("\x10\x80\x80"), CLEW__WIRE_TRUNCATED, 3},
    {"I64 cut",
     BYTES("\x11"
           "1234567"),
     CLEW__WIRE_TRUNCATED, 8},
    {"I32 cut",
     BYTES("\x15"
           "123"),
     CLEW__WIRE_TRUNCATED, 4},
    {"varint of eleven bytes", BYTES("\x10" NINE("\x80") "\x80\x00"), CLEW__WIRE_VARINT_LONG, 10},
    {"varint of 65 bits", BYTES("\x10" NINE("\xFF") "\x02"), CLEW__WIRE_VARINT_LONG, 10},
    {"tag of 65 bits", BYTES(NINE("\xFF") "\x02"), CLEW__WIRE_VARINT_LONG, 9},
    {"field 0", BYTES("\x0A\x00\x02\x00"), CLEW__WIRE_BAD_FIELD, 2},
    {"field above the largest", BYTES("\x80\x80\x80\x80\x10\x00"), CLEW__WIRE_BAD_FIELD, 0},
    {"group", BYTES("\x13\x14"), CLEW__WIRE_BAD_TYPE, 0},
    {"end of a group", BYTES("\x0A\x00\x14"), CLEW__WIRE_BAD_TYPE, 2},
    {"wire type 6", BYTES("\x16"), CLEW__WIRE_BAD_TYPE, 0},
    {"wire type 7", BYTES("\x17"), CLEW__WIRE_BAD_TYPE, 0},
    {"group in a group of spans", BYTES("\x0A\x01\x23"), CLEW__WIRE_BAD_TYPE, 2},
    {"message as varint", BYTES("\x0A\x00\x08\x01"), CLEW__WIRE_WRONG_TYPE, 2},
    {"member that leaves its message", BYTES("\x0A\x01\x0A\x00"), CLEW__WIRE_TRUNCATED, 3},
    {"message that leaves its own",
     BYTES("\x0A\x02\x12\x05"
           "12345"),
     CLEW__WIRE_TRUNCATED, 3},
    {"entity key is no text", BYTES("\x0A\x07\x0A\x05\x1A\x03\x1A\x01\xFF"), CLEW__WIRE_BAD_UTF8, 8},
};

Test(wire_check, request_breaks_the_rule_at_the_offset) {
    for (size_t i = 0; i < sizeof request_cases / sizeof request_cases[0]; i++) {
        const struct check_case *one = &request_cases[i];
        check_exact(one, (const uint8_t *)one->bytes, one->size, one->offset);
    }
    CLEW_NO_LEAKS();
}

/* Bytes of a span; the offset is within it. */
static const struct check_case span_cases[] = {
    {"no ids", BYTES(""), CLEW__WIRE_OK, 0},
    {"good ids",
     BYTES("\x0A\x10" SIXTEEN "\x12\x08"
           "12345678"
           "\x22\x08"
           "12345678"),
     CLEW__WIRE_OK, 0},
    {"empty parent", BYTES("\x22\x00"), CLEW__WIRE_OK, 0},
    {"empty ids of a link", BYTES("\x6A\x04\x0A\x00\x12\x00"), CLEW__WIRE_OK, 0},
    {"bytes that are no text", BYTES("\x4A\x07\x12\x05\x3A\x03\xFF\x00\xC0"), CLEW__WIRE_OK, 0},
    {"empty value", BYTES("\x4A\x05\x0A\x01k\x12\x00"), CLEW__WIRE_OK, 0},
    {"empty trace id", BYTES("\x0A\x00"), CLEW__WIRE_BAD_LENGTH, 2},
    {"trace id of 15",
     BYTES("\x0A\x0F"
           "0123456789abcde"),
     CLEW__WIRE_BAD_LENGTH, 2},
    {"trace id of 17", BYTES("\x0A\x11" SIXTEEN "g"), CLEW__WIRE_BAD_LENGTH, 2},
    {"span id of 7",
     BYTES("\x12\x07"
           "1234567"),
     CLEW__WIRE_BAD_LENGTH, 2},
    {"span id of 16", BYTES("\x12\x10" SIXTEEN), CLEW__WIRE_BAD_LENGTH, 2},
    {"parent of 9",
     BYTES("\x22\x09"
           "123456789"),
     CLEW__WIRE_BAD_LENGTH, 2},
    {"trace id of a link", BYTES("\x6A\x03\x0A\x01x"), CLEW__WIRE_BAD_LENGTH, 4},
    {"span id of a link", BYTES("\x6A\x03\x12\x01x"), CLEW__WIRE_BAD_LENGTH, 4},
    {"name",
     BYTES("\x2A\x03"
           "ab\xFF"),
     CLEW__WIRE_BAD_UTF8, 4},
    {"name cut within a character",
     BYTES("\x2A\x03"
           "a\xE2\x82"),
     CLEW__WIRE_BAD_UTF8, 3},
    {"trace state", BYTES("\x1A\x01\x80"), CLEW__WIRE_BAD_UTF8, 2},
    {"attribute key", BYTES("\x4A\x03\x0A\x01\xFF"), CLEW__WIRE_BAD_UTF8, 4},
    {"key of a whole attribute", BYTES("\x4A\x09\x0A\x01\xFF\x12\x04\x0A\x02hi"), CLEW__WIRE_BAD_UTF8, 4},
    {"value of a whole attribute", BYTES("\x4A\x09\x0A\x01k\x12\x04\x0A\x02h\xFF"), CLEW__WIRE_BAD_UTF8, 10},
    {"value beyond its attribute", BYTES("\x4A\x08\x0A\x01k\x12\x03\x0A\x02h"), CLEW__WIRE_TRUNCATED, 8},
    {"number of a whole attribute", BYTES("\x4A\x07\x0A\x01k\x12\x02\x18\x80"), CLEW__WIRE_TRUNCATED, 9},
    {"second byte of a number", BYTES("\x4A\x08\x0A\x01k\x12\x03\x18\x80\x80"), CLEW__WIRE_TRUNCATED, 10},
    {"second member behind a number", BYTES("\x4A\x08\x0A\x01k\x12\x03\x18\x01\x18"), CLEW__WIRE_TRUNCATED,
     10},
    {"attribute value", BYTES("\x4A\x05\x12\x03\x0A\x01\xFF"), CLEW__WIRE_BAD_UTF8, 6},
    {"value in an array", BYTES("\x4A\x09\x12\x07\x2A\x05\x0A\x03\x0A\x01\xFF"), CLEW__WIRE_BAD_UTF8, 10},
    {"key in a map", BYTES("\x4A\x09\x12\x07\x32\x05\x0A\x03\x0A\x01\xFF"), CLEW__WIRE_BAD_UTF8, 10},
    {"event name", BYTES("\x5A\x03\x12\x01\xFF"), CLEW__WIRE_BAD_UTF8, 4},
    {"status message", BYTES("\x7A\x03\x12\x01\xFF"), CLEW__WIRE_BAD_UTF8, 4},
    {"kind as bytes", BYTES("\x32\x00"), CLEW__WIRE_WRONG_TYPE, 0},
    {"start as varint", BYTES("\x38\x00"), CLEW__WIRE_WRONG_TYPE, 0},
    {"flags as varint", BYTES("\x80\x01\x00"), CLEW__WIRE_WRONG_TYPE, 0},
    {"double as I32",
     BYTES("\x4A\x07\x12\x05\x25"
           "1234"),
     CLEW__WIRE_WRONG_TYPE, 4},
    {"attributes as I64",
     BYTES("\x49"
           "12345678"),
     CLEW__WIRE_WRONG_TYPE, 0},
};

Test(wire_check, span_breaks_the_rule_at_the_offset) {
    for (size_t i = 0; i < sizeof span_cases / sizeof span_cases[0]; i++) {
        const struct check_case *one = &span_cases[i];
        struct clew__writer request = growing_writer();
        write_request_of_span(&request, one->bytes, one->size);
        check_exact(one, request.data, request.size, one->error ? request.size - one->size + one->offset : 0);
        growing_free(&request);
    }
    CLEW_NO_LEAKS();
}

Test(wire_check, full_request_passes) {
    struct clew__writer request = tight_writer();
    write_full_request(&request);
    cr_assert_eq(clew__wire_check_traces(request.data, request.size, NULL, NULL), CLEW__WIRE_OK);
    growing_free(&request);
    CLEW_NO_LEAKS();
}

Test(wire_check, request_cut_at_any_byte_is_refused_without_reading_on) {
    struct clew__writer request = tight_writer();
    write_full_request(&request);
    for (size_t size = 1; size < request.size; size++) {
        uint8_t *copy = exact_copy(request.data, size);
        struct clew__writer text = growing_writer();
        struct clew__wire_fault fault;
        cr_assert_neq(clew__wire_check_traces(copy, size, NULL, &fault), CLEW__WIRE_OK, "cut at %zu", size);
        cr_assert_leq(fault.offset, size);
        clew__json_write_traces(&text, copy, size);
        growing_free(&text);
        free(copy);
    }
    growing_free(&request);
    CLEW_NO_LEAKS();
}

static enum clew__wire_error check_levels(size_t levels, const struct clew__wire_limits *limits,
                                          size_t *from_end) {
    struct clew__writer request = growing_writer();
    struct clew__wire_fault fault;
    const uint8_t *any;
    size_t size;
    uint8_t *memory = nested_arrays(levels, &any, &size);
    write_request_of_value(&request, any, size);
    clew__wire_check_traces(request.data, request.size, limits, &fault);
    *from_end = request.size - fault.offset;
    growing_free(&request);
    free(memory);
    return fault.error;
}

Test(wire_check, depth_limit_counts_arrays) {
    struct clew__wire_limits limits = clew__wire_limits_default();
    size_t from_end;
    cr_assert_eq(check_levels(64, NULL, &from_end), CLEW__WIRE_OK);
    cr_assert_eq(check_levels(65, NULL, &from_end), CLEW__WIRE_TOO_DEEP);
    cr_assert_eq(from_end, 2, "the innermost array, two bytes, is the one too many");
    limits.depth = 3;
    cr_assert_eq(check_levels(3, &limits, &from_end), CLEW__WIRE_OK);
    cr_assert_eq(check_levels(4, &limits, &from_end), CLEW__WIRE_TOO_DEEP);
    limits.depth = UINT32_MAX;
    cr_assert_eq(check_levels(64, &limits, &from_end), CLEW__WIRE_OK);
    cr_assert_eq(check_levels(65, &limits, &from_end), CLEW__WIRE_TOO_DEEP);
    CLEW_NO_LEAKS();
}

Test(wire_check, depth_limit_counts_maps_as_deep_as_arrays) {
    struct clew__writer any = growing_writer(), outer = growing_writer(), request = growing_writer();
    for (int level = 0; level < 65; level++) {
        size_t map = clew__write_begin(&outer, CLEW__ANY_KVLIST);
        if (level > 0) {
            size_t entry = clew__write_begin(&outer, CLEW__LIST_VALUES);
            clew__write_bytes(&outer, CLEW__KEYVALUE_VALUE, any.data, any.size);
            clew__write_end(&outer, entry);
        }
        clew__write_end(&outer, map);
        any.size = request.size = 0;
        clew__write_raw(&any, outer.data, outer.size);
        outer.size = 0;
        write_request_of_value(&request, any.data, any.size);
        cr_assert_eq(clew__wire_check_traces(request.data, request.size, NULL, NULL),
                     level < 64 ? CLEW__WIRE_OK : CLEW__WIRE_TOO_DEEP, "level %d", level);
    }
    growing_free(&any);
    growing_free(&outer);
    growing_free(&request);
    CLEW_NO_LEAKS();
}

Test(wire_check, values_side_by_side_are_not_deep) {
    struct clew__writer request = growing_writer();
    write_request_of_siblings(&request);
    cr_assert_eq(clew__wire_check_traces(request.data, request.size, NULL, NULL), CLEW__WIRE_OK);
    growing_free(&request);
    CLEW_NO_LEAKS();
}

Test(wire_check, hundred_thousand_arrays_are_refused) {
    size_t from_end;
    cr_assert_eq(check_levels(100000, NULL, &from_end), CLEW__WIRE_TOO_DEEP);
    CLEW_NO_LEAKS();
}

Test(wire_check, member_limit_counts_unknown_fields_too) {
    static const uint8_t bytes[] = {0x0A, 0x02, 0x20, 0x01, 0x28, 0x01};
    struct clew__wire_limits limits = clew__wire_limits_default();
    struct clew__wire_fault fault;
    limits.members = 3;
    cr_assert_eq(clew__wire_check_traces(bytes, sizeof bytes, &limits, &fault), CLEW__WIRE_OK);
    limits.members = 2;
    cr_assert_eq(clew__wire_check_traces(bytes, sizeof bytes, &limits, &fault), CLEW__WIRE_TOO_MANY);
    cr_assert_eq(fault.offset, 4);
}

Test(wire_check, member_limit_counts_each_member_of_an_attribute) {
    /* A resource, its attribute, key, value, string. */
    static const uint8_t bytes[] = "\x0A\x0D\x0A\x0B\x0A\x09\x0A\x01k\x12\x04\x0A\x02hi";
    static const size_t faults[] = {0, 2, 4, 6, 9, 11};
    struct clew__wire_limits limits = clew__wire_limits_default();
    struct clew__wire_fault fault;
    for (limits.members = 0; limits.members < 6; limits.members++) {
        cr_assert_eq(clew__wire_check_traces(bytes, sizeof bytes - 1, &limits, &fault), CLEW__WIRE_TOO_MANY);
        cr_assert_eq(fault.offset, faults[limits.members]);
    }
    cr_assert_eq(clew__wire_check_traces(bytes, sizeof bytes - 1, &limits, &fault), CLEW__WIRE_OK);
}

Test(wire_check, size_limit_is_checked_before_all_else) {
    static const uint8_t bytes[] = {0x0A, 0x00, 0x00};
    struct clew__wire_limits limits = clew__wire_limits_default();
    struct clew__wire_fault fault;
    limits.bytes = 2;
    cr_assert_eq(clew__wire_check_traces(bytes, sizeof bytes, &limits, &fault), CLEW__WIRE_TOO_LARGE);
    cr_assert_eq(fault.offset, 2);
    cr_assert_eq(clew__wire_check_traces(bytes, 2, &limits, &fault), CLEW__WIRE_OK);
}
