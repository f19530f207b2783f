/* Makes text printable. Pure; any thread. */
#include "collector-bridge/report/printable.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define REPLACEMENT 0xFFFDu
#define ELLIPSIS "\xe2\x80\xa6"

struct range {
    uint32_t first, last;
};

static bool is_in(uint32_t c, const struct range *ranges, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (c >= ranges[i].first && c <= ranges[i].last)
            return true;
    return false;
}

/* What a terminal acts upon instead of showing it: controls, line separators, overrides of direction, tags.
 */
static bool is_control(uint32_t c) {
    static const struct range ranges[] = {{0x00, 0x1F},     {0x7F, 0x9F},     {0x061C, 0x061C},
                                          {0x200B, 0x200F}, {0x2028, 0x202E}, {0x2060, 0x206F},
                                          {0xFEFF, 0xFEFF}, {0xFFF9, 0xFFFB}, {0xE0000, 0xE0FFF}};
    return is_in(c, ranges, sizeof ranges / sizeof ranges[0]);
}

/* Terminals draw combining marks over the character before, and the wide ranges of Unicode in two columns. */
static size_t columns_of(uint32_t c) {
    static const struct range zero[] = {{0x0300, 0x036F}, {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF},
                                        {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}};
    static const struct range wide[] = {
        {0x1100, 0x115F},   {0x2E80, 0x303E},   {0x3041, 0xA4CF},  {0xA960, 0xA97C}, {0xAC00, 0xD7A3},
        {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},   {0xFF00, 0xFF60},  {0xFFE0, 0xFFE6}, {0x1F300, 0x1F64F},
        {0x1F680, 0x1F6FF}, {0x1F900, 0x1F9FF}, {0x20000, 0x3FFFD}};
    if (c < 0x300)
        return 1;
    if (is_in(c, zero, sizeof zero / sizeof zero[0]))
        return 0;
    return is_in(c, wide, sizeof wide / sizeof wide[0]) ? 2 : 1;
}

/* The size that the first byte of a character announces (RFC 3629); 0 for a byte that cannot be one. */
static size_t announced_size(unsigned char first) {
    if (first < 0x80)
        return 1;
    if (first < 0xC0)
        return 0;
    if (first < 0xE0)
        return 2;
    if (first < 0xF0)
        return 3;
    return first < 0xF8 ? 4 : 0;
}

/* Decodes one character; returns its size. What is no UTF-8 is one byte and U+FFFD. */
static size_t decode(const unsigned char *at, size_t left, uint32_t *c) {
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t size = announced_size(at[0]);
    if (size == 1) {
        *c = at[0];
        return 1;
    }
    *c = REPLACEMENT;
    if (size == 0 || size > left)
        return 1;
    uint32_t value = at[0] & (0x7Fu >> size);
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xC0) != 0x80)
            return 1;
        value = value << 6 | (at[i] & 0x3Fu);
    }
    if (value < smallest[size] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
        return 1;
    *c = value;
    return size;
}

/* One character as it is shown: at most 10 bytes and a terminator. Returns its columns. */
static size_t show(uint32_t c, const unsigned char *bytes, size_t size, char piece[12]) {
    if (c == '\n' || c == '\t' || c == '\r')
        return (size_t)snprintf(piece, 12, "\\%c", c == '\n' ? 'n' : c == '\t' ? 't' : 'r');
    if (is_control(c))
        return (size_t)snprintf(piece, 12, c < 0x100 ? "\\x%02x" : "\\u{%x}", (unsigned)c);
    if (c == REPLACEMENT) {
        memcpy(piece, "\xef\xbf\xbd", 4);
        return 1;
    }
    memcpy(piece, bytes, size);
    piece[size] = '\0';
    return columns_of(c);
}

size_t clew__printable(const char *text, size_t size, size_t columns, char out[CLEW__PRINTABLE_SIZE]) {
    const unsigned char *at = (const unsigned char *)text;
    size_t width = 0, used = 0;
    size_t cut_width = 0, cut_used = 0; /* where an ellipsis would go */

    if (columns > CLEW__PRINTABLE_COLUMNS)
        columns = CLEW__PRINTABLE_COLUMNS;
    out[0] = '\0';
    while (size) {
        char piece[12];
        uint32_t c;
        size_t taken = decode(at, size, &c), wide = show(c, at, taken, piece), bytes = strlen(piece);
        if (width + wide > columns || used + bytes + sizeof ELLIPSIS > CLEW__PRINTABLE_SIZE) {
            if (columns == 0)
                return 0;
            memcpy(out + cut_used, ELLIPSIS, sizeof ELLIPSIS);
            return cut_width + 1;
        }
        memcpy(out + used, piece, bytes + 1);
        used += bytes;
        width += wide;
        if (width + 1 <= columns) {
            cut_used = used;
            cut_width = width;
        }
        at += taken;
        size -= taken;
    }
    return width;
}
