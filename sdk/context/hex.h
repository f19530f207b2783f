/* Bytes as hexadecimal digits. Pure; any thread, and safe in a signal handler. */
#ifndef CLEW_CONTEXT_HEX_H
#define CLEW_CONTEXT_HEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum clew__hex_case { CLEW__HEX_ANY_CASE, CLEW__HEX_LOWER_CASE };

/* The digit's value, or -1. */
static inline int clew__hex_digit(char digit, enum clew__hex_case allowed) {
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F' && allowed == CLEW__HEX_ANY_CASE)
        return digit - 'A' + 10;
    return -1;
}

/* Writes two lower-case digits a byte, no terminator. */
static inline void clew__hex_write(const uint8_t *bytes, size_t size, char *text) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 0x0f];
    }
}

/* Reads `size` bytes of two digits each; false at the first character that is none, with `bytes` partly
 * written. */
static inline bool clew__hex_read(const char *text, uint8_t *bytes, size_t size,
                                  enum clew__hex_case allowed) {
    for (size_t i = 0; i < size; i++) {
        int high = clew__hex_digit(text[2 * i], allowed);
        int low = high < 0 ? -1 : clew__hex_digit(text[2 * i + 1], allowed);
        if (low < 0)
            return false;
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

#endif
