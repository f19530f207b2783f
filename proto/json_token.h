/* The tokens of JSON text (RFC 8259): white space, strings with their escapes, numbers; and passing over any
 * value without recursion. Pure; any thread.
 *
 * Every function that returns a bool returns false when the text has a fault, which then stands in the
 * structure. */
#ifndef CLEW_PROTO_JSON_TOKEN_H
#define CLEW_PROTO_JSON_TOKEN_H

#include <stdbool.h>
#include <stddef.h>

struct clew__json_text {
    const char *text;
    size_t size, at;
    const char *reason; /* of the fault, at `at`; static text, NULL without one */
    char escaped[4];    /* a character that stood as an escape */
};

/* Notes a fault; returns false. */
bool clew__json_fail(struct clew__json_text *text, size_t at, const char *reason);
/* The fault that something else than `wanted` comes next, or nothing; returns false. */
bool clew__json_unexpected(struct clew__json_text *text, const char *wanted);

/* The next byte that is no white space, which is passed over; 0 at the end. */
char clew__json_peek(struct clew__json_text *text);
/* Takes `c`, or true / false / null, if it is next. No fault if not; a literal does not pass over white
 * space. */
bool clew__json_accept(struct clew__json_text *text, char c);
bool clew__json_take_literal(struct clew__json_text *text, const char *literal);
bool clew__json_take_colon(struct clew__json_text *text);

/* The next part of the string whose opening quote was taken: bytes as they stand (UTF-8 is not checked), or
 * one escape decoded; half a surrogate pair becomes U+FFFD. False at its end, which it takes, or with a
 * fault. */
bool clew__json_next_part(struct clew__json_text *text, const char **part, size_t *size);
/* A string of at most `room` bytes into `out`; of what is longer `*size` is room + 1. */
bool clew__json_take_word(struct clew__json_text *text, char *out, size_t room, size_t *size);

/* The size of the number at the front, or 0. */
size_t clew__json_number_size(const char *text, size_t size);
bool clew__json_skip_number(struct clew__json_text *text);
/* Any value, at most 128 levels deep. */
bool clew__json_skip_value(struct clew__json_text *text);

/* The value of a hexadecimal digit, or -1. */
int clew__json_hex_value(char c);

#endif
