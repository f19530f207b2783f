/* UTF-8: validation, counting, repair. Pure; any thread. */
#ifndef CLEW_PROTO_UTF8_H
#define CLEW_PROTO_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Whether all bytes are below 0x80. */
static inline bool clew__utf8_is_ascii(const char *text, size_t size) {
    const char *at = text, *end;
    uint64_t all = 0, word;
    uint32_t first, last;
    if (size == 0)
        return true;
    end = text + size;
    if (size >= sizeof word) {
        memcpy(&all, end - sizeof word, sizeof word);
        for (; (size_t)(end - at) > sizeof word; at += sizeof word) {
            memcpy(&word, at, sizeof word);
            all |= word;
        }
    } else if (size >= sizeof first) {
        memcpy(&first, at, sizeof first);
        memcpy(&last, end - sizeof last, sizeof last);
        all = first | last;
    } else {
        all = (uint8_t)(at[0] | at[size / 2] | at[size - 1]);
    }
    return (all & 0x8080808080808080u) == 0;
}

/* The size of the longest valid part at the front: all of it, or where the first invalid sequence starts. */
size_t clew__utf8_valid_size(const char *text, size_t size);

/* Valid by RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. Fast on ASCII. */
static inline bool clew__utf8_valid(const char *text, size_t size) {
    return clew__utf8_is_ascii(text, size) || clew__utf8_valid_size(text, size) == size;
}

/* The size of the invalid part that text starts with where valid text ends: what one U+FFFD stands for. */
size_t clew__utf8_invalid_size(const char *text, size_t size);

/* The length in bytes of the first `characters` code points of valid text (all of it when it is shorter). */
size_t clew__utf8_prefix(const char *text, size_t size, size_t characters);

/* Copies text, each maximal invalid part replaced by U+FFFD. Returns the size; with `out` NULL only counts.
 */
size_t clew__utf8_repair(const char *text, size_t size, char *out);

#endif
