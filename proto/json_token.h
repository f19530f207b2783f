/* The tokens of JSON text (RFC 8259): white space, strings with their escapes, numbers; and passing over any
 * value without recursion. Pure; any thread.
 *
 * Every function that returns a bool returns false when the text has a fault, which then stands in the
 * structure. */
#ifndef CLEW_PROTO_JSON_TOKEN_H
#define CLEW_PROTO_JSON_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Brackets within one another that are followed. Jaeger's UI puts each span's whole chain of parents into it,
 * three levels a parent. */
#define CLEW__JSON_DEPTH_MAX 4096u

struct clew__json_text {
    const char *text;
    size_t size, at;
    const char *reason; /* of the fault, at `at`; static text, NULL without one */
    char escaped[4];    /* a character that stood as an escape */
};

/* A string as it stands between its quotes. */
struct clew__json_string {
    const char *text;
    size_t size;
    bool escaped; /* has escapes, which are not decoded yet */
};

/* The brackets that are open. All zero: none. */
struct clew__json_nesting {
    uint32_t open;
    uint64_t objects[CLEW__JSON_DEPTH_MAX / 64]; /* a bit each: an object, else a list */
};

static inline bool clew__json_nesting_push(struct clew__json_nesting *nesting, bool object) {
    uint64_t bit = UINT64_C(1) << nesting->open % 64, *word;
    if (nesting->open == CLEW__JSON_DEPTH_MAX)
        return false;
    word = &nesting->objects[nesting->open++ / 64];
    *word = object ? *word | bit : *word & ~bit;
    return true;
}

/* Whether the innermost is an object; there must be one. */
static inline bool clew__json_nesting_in_object(const struct clew__json_nesting *nesting) {
    return nesting->objects[(nesting->open - 1) / 64] >> (nesting->open - 1) % 64 & 1;
}

#define CLEW__JSON_BYTES(value) (UINT64_C(0x0101010101010101) * (value))

/* The size of what stands in a string before the next quote, backslash or control character. Eight bytes at a
 * time: in each of the three terms the lowest bit that is set belongs to the first such byte. */
static inline size_t clew__json_plain_size(const char *text, size_t size) {
    size_t at = 0;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    while (size - at >= 8) {
        uint64_t word, quote, slash, found;
        memcpy(&word, text + at, 8);
        quote = word ^ CLEW__JSON_BYTES('"');
        slash = word ^ CLEW__JSON_BYTES('\\');
        found = (((quote - CLEW__JSON_BYTES(1)) & ~quote) | ((slash - CLEW__JSON_BYTES(1)) & ~slash) |
                 ((word - CLEW__JSON_BYTES(0x20)) & ~word)) &
                CLEW__JSON_BYTES(0x80);
        if (found)
            return at + (size_t)__builtin_ctzll(found) / 8;
        at += 8;
    }
#endif
    while (at < size && (unsigned char)text[at] >= 0x20 && text[at] != '"' && text[at] != '\\')
        at++;
    return at;
}

/* The size of the spaces at the front: of an indentation. */
static inline size_t clew__json_spaces(const char *text, size_t size) {
    size_t at = 0;
    uint64_t word;
    while (size - at >= 8 && (memcpy(&word, text + at, 8), word == CLEW__JSON_BYTES(' ')))
        at += 8;
    while (at < size && text[at] == ' ')
        at++;
    return at;
}

/* Notes a fault; returns false. */
bool clew__json_fail(struct clew__json_text *text, size_t at, const char *reason);
/* The fault that something else than `wanted` comes next, or nothing; returns false. */
bool clew__json_unexpected(struct clew__json_text *text, const char *wanted);

/* The next byte that is no white space, which is passed over; 0 at the end. */
char clew__json_peek_beyond_space(struct clew__json_text *text);
static inline char clew__json_peek(struct clew__json_text *text) {
    if (text->at < text->size && (unsigned char)text->text[text->at] > ' ')
        return text->text[text->at];
    return clew__json_peek_beyond_space(text);
}
/* Takes `c`, or true / false / null, if it is next. No fault if not; a literal does not pass over white
 * space. */
bool clew__json_accept(struct clew__json_text *text, char c);
bool clew__json_take_literal(struct clew__json_text *text, const char *literal);
bool clew__json_take_colon(struct clew__json_text *text);
/* Takes null if it is next; no fault if not. */
bool clew__json_take_null(struct clew__json_text *text);

/* Walk an object or a list whose opening bracket was taken, `*first` true at the beginning: takes the comma,
 * and a name with its colon; what must come next is the value. False at the closing bracket, which they take,
 * or with a fault. */
bool clew__json_next_member(struct clew__json_text *text, bool *first, struct clew__json_string *name);
bool clew__json_next_element(struct clew__json_text *text, bool *first);

/* The next part of the string whose opening quote was taken: bytes as they stand (UTF-8 is not checked), or
 * one escape decoded; half a surrogate pair becomes U+FFFD. False at its end, which it takes, or with a
 * fault. */
bool clew__json_next_part(struct clew__json_text *text, const char **part, size_t *size);
bool clew__json_take_string(struct clew__json_text *text, struct clew__json_string *string);
/* Whether its text is exactly that one, which has nothing that needs an escape. */
static inline bool clew__json_string_is(const struct clew__json_string *string, const char *text) {
    size_t size = strlen(text);
    return string->size == size && memcmp(string->text, text, size) == 0;
}
/* A string of at most `room` bytes into `out`; of what is longer `*size` is room + 1. */
bool clew__json_take_word(struct clew__json_text *text, char *out, size_t room, size_t *size);

/* The size of the number at the front, or 0. */
size_t clew__json_number_size(const char *text, size_t size);
bool clew__json_skip_number(struct clew__json_text *text);
/* Any value, at most CLEW__JSON_DEPTH_MAX levels deep. */
bool clew__json_skip_value(struct clew__json_text *text);

/* The value of a hexadecimal digit, or -1. */
int clew__json_hex_value(char c);

#endif
