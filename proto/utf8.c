/* UTF-8 by RFC 3629. Owns nothing; any thread. */
#include "proto/utf8.h"

#include <string.h>

#define HIGH_BITS 0x8080808080808080u
#define LOW_BITS 0x0101010101010101u

static const char replacement[] = "\xEF\xBF\xBD"; /* U+FFFD */

static uint64_t load64(const unsigned char *at) {
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

static const unsigned char *skip_ascii(const unsigned char *at, const unsigned char *end) {
    while (end - at >= 16 && !((load64(at) | load64(at + 8)) & HIGH_BITS))
        at += 16;
    if (end - at >= 8 && !(load64(at) & HIGH_BITS))
        at += 8;
    while (at < end && *at < 0x80)
        at++;
    return at;
}

static bool continues(unsigned char byte) {
    return (byte & 0xC0) == 0x80;
}

/* The sequence at `at`, which is not ASCII: its size when it is valid. Otherwise 0, and `invalid` is the size
 * of the part that no valid sequence starts with: one replacement character stands for it (the practice that
 * Unicode chapter 3.9 names). */
static size_t sequence(const unsigned char *at, const unsigned char *end, size_t *invalid) {
    unsigned char first = *at, low = 0x80, high = 0xBF;
    size_t size;
    *invalid = 1;
    if (first < 0xC2 || first > 0xF4)
        return 0;
    if (first < 0xE0) {
        size = 2;
    } else if (first < 0xF0) {
        size = 3;
        if (first == 0xE0) /* overlong below U+0800 */
            low = 0xA0;
        else if (first == 0xED) /* surrogates */
            high = 0x9F;
    } else {
        size = 4;
        if (first == 0xF0) /* overlong below U+10000 */
            low = 0x90;
        else if (first == 0xF4) /* above U+10FFFF */
            high = 0x8F;
    }
    if (end - at < 2 || at[1] < low || at[1] > high)
        return 0;
    for (size_t i = 2; i < size; i++) {
        *invalid = i;
        if ((size_t)(end - at) <= i || !continues(at[i]))
            return 0;
    }
    return size;
}

size_t clew__utf8_valid_size(const char *text, size_t size) {
    const unsigned char *start = (const unsigned char *)text, *at = start, *end;
    if (size == 0)
        return 0;
    end = at + size;
    while ((at = skip_ascii(at, end)) < end) {
        /* Text that is not ASCII tends to stay so: no look-ahead between its characters. */
        do {
            size_t invalid, valid = sequence(at, end, &invalid);
            if (valid == 0)
                return (size_t)(at - start);
            at += valid;
        } while (at < end && *at >= 0x80);
    }
    return size;
}

size_t clew__utf8_invalid_size(const char *text, size_t size) {
    const unsigned char *at = (const unsigned char *)text;
    size_t invalid = 0;
    if (size == 0 || *at < 0x80 || sequence(at, at + size, &invalid) > 0)
        return 0;
    return invalid;
}

size_t clew__utf8_prefix(const char *text, size_t size, size_t characters) {
    const unsigned char *start = (const unsigned char *)text, *at = start, *end;
    if (size <= characters) /* a character has at least one byte */
        return size;
    end = at + size;
    /* Bytes that are 10xxxxxx continue a character; all others start one. */
    while (end - at >= 8 && characters > 8) {
        uint64_t word = load64(at), continued = (word >> 7) & ~(word >> 6) & LOW_BITS;
        characters -= 8 - (size_t)__builtin_popcountll(continued);
        at += 8;
    }
    for (; at < end; at++) {
        if (continues(*at))
            continue;
        if (characters == 0)
            break;
        characters--;
    }
    return (size_t)(at - start);
}

size_t clew__utf8_repair(const char *text, size_t size, char *out) {
    size_t used = 0;
    while (size > 0) {
        size_t valid = clew__utf8_valid_size(text, size), invalid;
        if (out && valid > 0)
            memcpy(out + used, text, valid);
        used += valid;
        if (valid == size)
            break;
        invalid = clew__utf8_invalid_size(text + valid, size - valid);
        if (out)
            memcpy(out + used, replacement, 3);
        used += 3;
        text += valid + invalid;
        size -= valid + invalid;
    }
    return used;
}
