/* Scalars of JSON text: numbers in all the forms that JSON writers give them, and strings and bytes as
 * members of a message. Pure; any thread.
 *
 * Every function that takes a text and returns a bool returns false when that has a fault, which then stands
 * in it. */
#ifndef CLEW_PROTO_JSON_SCALAR_H
#define CLEW_PROTO_JSON_SCALAR_H

#include "proto/json_token.h"
#include "proto/wire.h"

/* Longer than any number that means more digits than a double has. */
#define CLEW__JSON_NUMBER_MAX 512

struct clew__json_integer {
    bool negative;
    uint64_t magnitude;
};

/* The text of a number, or of a string that stands for one, into `out`. */
bool clew__json_take_number(struct clew__json_text *in, char out[CLEW__JSON_NUMBER_MAX], size_t *size);
/* What clew__json_number_size() has found good as a double, whatever decimal point the host's locale has;
 * infinite when it is out of range. */
double clew__json_to_double(const char *text, size_t size);
/* An integer as JSON may write it, also as 1.0 or 1e3. False when it is none, or its magnitude takes more
 * than 64 bits. */
bool clew__json_to_integer(const char *text, size_t size, struct clew__json_integer *out);

/* Appends text; invalid UTF-8 becomes U+FFFD. */
void clew__json_write_text_part(struct clew__writer *writer, const char *part, size_t size);
/* A string that was taken from a text as member `field`. */
void clew__json_write_string(struct clew__writer *writer, uint32_t field,
                             const struct clew__json_string *string);
/* The string that is next, which is base64 of either alphabet, with padding or without, as member `field`. */
bool clew__json_write_base64(struct clew__json_text *in, struct clew__writer *writer, uint32_t field);

#endif
