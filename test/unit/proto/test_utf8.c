#include "proto/utf8.h"

#include "test/support.h"
#include "test/unit/proto/growing.h"

struct utf8_case {
    const char *text;
    size_t size;
    size_t valid;         /* of the front */
    const char *repaired; /* NULL: the text itself */
};
#define BYTES(text) text, sizeof(text) - 1
#define BAD "\xEF\xBF\xBD"

static const struct utf8_case cases[] = {
    {BYTES(""), 0, NULL},
    {BYTES("plain ASCII that is longer than sixteen bytes"), 45, NULL},
    {BYTES("\x00\x7F"), 2, NULL},
    {BYTES("\xC2\x80\xDF\xBF"), 4, NULL},
    {BYTES("\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF"), 12, NULL},
    {BYTES("\xF0\x90\x80\x80\xF4\x8F\xBF\xBF"), 8, NULL},
    {BYTES("\x80"), 0, BAD},
    {BYTES("a\xBF"
           "b"),
     1, "a" BAD "b"},
    {BYTES("\xC0\x80"), 0, BAD BAD},                 /* overlong NUL */
    {BYTES("\xC1\xBF"), 0, BAD BAD},                 /* overlong DEL */
    {BYTES("\xE0\x9F\xBF"), 0, BAD BAD BAD},         /* overlong U+07FF */
    {BYTES("\xF0\x8F\xBF\xBF"), 0, BAD BAD BAD BAD}, /* overlong U+FFFF */
    {BYTES("\xED\xA0\x80"), 0, BAD BAD BAD},         /* U+D800 */
    {BYTES("\xED\xBF\xBF"), 0, BAD BAD BAD},         /* U+DFFF */
    {BYTES("\xF4\x90\x80\x80"), 0, BAD BAD BAD BAD}, /* U+110000 */
    {BYTES("\xF5\x80\x80\x80"), 0, BAD BAD BAD BAD},
    {BYTES("\xFE\xFF"), 0, BAD BAD},
    {BYTES("x\xC3"), 1, "x" BAD},
    {BYTES("x\xC3"
           "y"),
     1, "x" BAD "y"},
    {BYTES("\xE2\x82"), 0, BAD}, /* a start of something valid counts once */
    {BYTES("\xE2\x82"
           "x"),
     0, BAD "x"},
    {BYTES("\xE2\x82\xE2\x82\xAC"), 0, BAD "\xE2\x82\xAC"},
    {BYTES("\xF0\x9F\x98"), 0, BAD},
    {BYTES("\xF0\x9F"), 0, BAD},
    {BYTES("\xF0\x9F\x98"
           "abc\xFF"),
     0, BAD "abc" BAD},
    {BYTES("\xF0\x80\x80\x41"), 0, BAD BAD BAD "A"},
};

Test(utf8, valid_part_ends_at_the_first_invalid_sequence) {
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct utf8_case *one = &cases[i];
        char *copy = (char *)exact_copy(one->text, one->size);
        cr_assert_eq(clew__utf8_valid_size(copy, one->size), one->valid, "case %zu", i);
        cr_assert_eq(clew__utf8_valid(copy, one->size), one->valid == one->size, "case %zu", i);
        free(copy);
    }
    CLEW_NO_LEAKS();
}

/* The fast path takes sixteen bytes a step: what is invalid must be seen wherever it stands. */
Test(utf8, invalid_byte_is_seen_at_every_place) {
    for (size_t size = 1; size < 70; size++) {
        char *text = malloc(size);
        for (size_t at = 0; at < size; at++) {
            memset(text, 'a', size);
            text[at] = (char)0xFF;
            cr_assert_eq(clew__utf8_valid_size(text, size), at, "byte %zu of %zu", at, size);
            cr_assert(!clew__utf8_valid(text, size), "byte %zu of %zu", at, size);
        }
        memset(text, 0x7F, size);
        cr_assert(clew__utf8_valid(text, size));
        free(text);
    }
    CLEW_NO_LEAKS();
}

/* By RFC 3629: encodes every number of four bytes' room and compares with the rule for it. */
Test(utf8, exactly_the_scalar_values_are_valid) {
    for (uint32_t code = 0; code < 0x120000; code++) {
        char bytes[4];
        size_t size;
        if (code < 0x80) {
            bytes[0] = (char)code;
            size = 1;
        } else if (code < 0x800) {
            bytes[0] = (char)(0xC0 | code >> 6);
            size = 2;
        } else if (code < 0x10000) {
            bytes[0] = (char)(0xE0 | code >> 12);
            size = 3;
        } else {
            bytes[0] = (char)(0xF0 | code >> 18);
            size = 4;
        }
        for (size_t i = 1; i < size; i++)
            bytes[i] = (char)(0x80 | (code >> (6 * (size - 1 - i)) & 0x3F));
        if (clew__utf8_valid(bytes, size) != (code < 0x110000 && (code < 0xD800 || code > 0xDFFF)))
            cr_assert_fail("U+%04X", code);
    }
}

Test(utf8, repair_replaces_each_invalid_part) {
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct utf8_case *one = &cases[i];
        char *copy = (char *)exact_copy(one->text, one->size), *out;
        size_t wanted = one->repaired ? strlen(one->repaired) : one->size;
        cr_assert_eq(clew__utf8_repair(copy, one->size, NULL), wanted, "case %zu", i);
        out = malloc(wanted ? wanted : 1);
        cr_assert_eq(clew__utf8_repair(copy, one->size, out), wanted);
        cr_assert_eq(memcmp(out, one->repaired ? one->repaired : one->text, wanted), 0, "case %zu", i);
        cr_assert(clew__utf8_valid(out, wanted));
        free(out);
        free(copy);
    }
    CLEW_NO_LEAKS();
}

Test(utf8, invalid_size_is_what_one_replacement_stands_for) {
    cr_assert_eq(clew__utf8_invalid_size("\xE2\x82x", 3), 2);
    cr_assert_eq(clew__utf8_invalid_size("\xF0\x9F\x98", 3), 3);
    cr_assert_eq(clew__utf8_invalid_size("\xFF\xFF", 2), 1);
    cr_assert_eq(clew__utf8_invalid_size("\xC3\xA9", 2), 0);
    cr_assert_eq(clew__utf8_invalid_size("a", 1), 0);
    cr_assert_eq(clew__utf8_invalid_size("", 0), 0);
}

Test(utf8, prefix_counts_characters_and_splits_none) {
    /* Characters of one to four bytes in turn, longer than the steps in which they are counted. */
    static const char unit[] = "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80";
    static const size_t sizes[] = {1, 2, 3, 4};
    char text[10 * 12];
    size_t expected = 0;
    for (size_t i = 0; i < 12; i++)
        memcpy(text + 10 * i, unit, 10);
    for (size_t characters = 0; characters <= 48; characters++) {
        cr_assert_eq(clew__utf8_prefix(text, sizeof text, characters), expected, "%zu characters",
                     characters);
        expected += sizes[characters % 4];
    }
    cr_assert_eq(clew__utf8_prefix(text, sizeof text, 1000), sizeof text);
    cr_assert_eq(clew__utf8_prefix(text, sizeof text, SIZE_MAX), sizeof text);
    cr_assert_eq(clew__utf8_prefix("", 0, 5), 0);
}

Test(utf8, prefix_reads_nothing_behind_the_text) {
    for (size_t size = 1; size < 40; size++) {
        char *text = malloc(size);
        memset(text, 'x', size);
        for (size_t characters = 0; characters <= size + 1; characters++)
            cr_assert_eq(clew__utf8_prefix(text, size, characters), characters < size ? characters : size);
        free(text);
    }
    CLEW_NO_LEAKS();
}
