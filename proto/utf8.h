/* UTF-8: validation, counting, repair. Pure; any thread. */
#ifndef CLEW_PROTO_UTF8_H
#define CLEW_PROTO_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Valid by RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. Fast on ASCII. */
bool clew__utf8_valid(const char *text, size_t size);

/* The size of the longest valid part at the front: all of it, or where the first invalid sequence starts. */
size_t clew__utf8_valid_size(const char *text, size_t size);

/* The size of the invalid part that text starts with where valid text ends: what one U+FFFD stands for. */
size_t clew__utf8_invalid_size(const char *text, size_t size);

/* The length in bytes of the first `characters` code points of valid text (all of it when it is shorter). */
size_t clew__utf8_prefix(const char *text, size_t size, size_t characters);

/* Copies text, each maximal invalid part replaced by U+FFFD. Returns the size; with `out` NULL only counts.
 */
size_t clew__utf8_repair(const char *text, size_t size, char *out);

#endif
