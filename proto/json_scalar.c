/* Scalars of JSON text. Owns nothing; any thread. */
#include "proto/json_scalar.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/utf8.h"

void clew__json_write_text_part(struct clew__writer *writer, const char *part, size_t size) {
    size_t repaired;
    if (clew__utf8_valid(part, size)) {
        clew__write_raw(writer, part, size);
        return;
    }
    repaired = clew__utf8_repair(part, size, NULL);
    if (!clew__writer_reserve(writer, repaired))
        return;
    clew__utf8_repair(part, size, (char *)writer->data + writer->size);
    writer->size += repaired;
}

void clew__json_write_string(struct clew__writer *writer, uint32_t field,
                             const struct clew__json_string *string) {
    struct clew__json_text in = {.text = string->text, .size = string->size + 1}; /* with the quote */
    const char *part;
    size_t size, begun;
    if (!string->escaped && clew__utf8_valid(string->text, string->size)) {
        clew__write_bytes(writer, field, string->text, string->size);
        return;
    }
    begun = clew__write_begin(writer, field);
    while (clew__json_next_part(&in, &part, &size))
        clew__json_write_text_part(writer, part, size);
    clew__write_end(writer, begun);
}

/* Base64 as it comes, in both alphabets, with padding or without. */
struct base64 {
    uint32_t bits;
    unsigned digits, padding;
};

static int base64_value(char c) {
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

static bool write_base64_part(struct clew__writer *writer, struct base64 *state, const char *part,
                              size_t size) {
    for (size_t i = 0; i < size; i++) {
        int value = base64_value(part[i]);
        uint8_t byte;
        if (part[i] == '=') {
            state->padding++;
            continue;
        }
        if (value < 0 || state->padding > 0)
            return false;
        state->bits = state->bits << 6 | (uint32_t)value;
        if (state->digits++ % 4 == 0)
            continue;
        /* The second, third and fourth digit of a group complete a byte each, with 4, 2 and no bits left
         * over. */
        byte = (uint8_t)(state->bits >> (2 * (3 - (state->digits - 1) % 4)));
        clew__write_raw(writer, &byte, 1);
    }
    return true;
}

bool clew__json_write_base64(struct clew__json_text *in, struct clew__writer *writer, uint32_t field) {
    struct base64 state = {0};
    const char *part;
    size_t size, begun, start = in->at;
    if (!clew__json_accept(in, '"'))
        return clew__json_unexpected(in, "a string is wanted");
    begun = clew__write_begin(writer, field);
    while (clew__json_next_part(in, &part, &size)) {
        if (!write_base64_part(writer, &state, part, size))
            return clew__json_fail(in, start, "bad base64");
    }
    if (in->reason)
        return false;
    if (state.digits % 4 == 1 || (state.padding > 0 && (state.digits + state.padding) % 4 != 0) ||
        state.padding > 2)
        return clew__json_fail(in, start, "bad base64");
    clew__write_end(writer, begun);
    return true;
}

bool clew__json_take_number(struct clew__json_text *in, char out[CLEW__JSON_NUMBER_MAX], size_t *size) {
    size_t start = in->at;
    if (clew__json_peek(in) == '"')
        return clew__json_take_word(in, out, CLEW__JSON_NUMBER_MAX, size) &&
               (*size <= CLEW__JSON_NUMBER_MAX || clew__json_fail(in, start, "a number has too many digits"));
    if (!clew__json_skip_number(in))
        return false;
    *size = in->at - start;
    if (*size > CLEW__JSON_NUMBER_MAX)
        return clew__json_fail(in, start, "a number has too many digits");
    memcpy(out, in->text + start, *size);
    return true;
}

/* strtod for a JSON number, whatever decimal point the host's locale has. */
static double to_double_slowly(const char *text, size_t size) {
    char point[16], local[CLEW__JSON_NUMBER_MAX + sizeof point];
    const char *dot = memchr(text, '.', size);
    size_t used = dot ? (size_t)(dot - text) : size;
    double value;
    int saved_errno = errno;
    memcpy(local, text, used);
    if (dot) {
        /* "0.5" between whose digits stands the point. */
        int length = snprintf(point, sizeof point, "%.1f", 0.5);
        size_t point_size = length > 2 && (size_t)length < sizeof point ? (size_t)length - 2 : 0;
        memcpy(local + used, point + 1, point_size);
        memcpy(local + used + point_size, dot + 1, size - used - 1);
        used = size - 1 + point_size;
    }
    local[used] = 0;
    value = strtod(local, NULL);
    errno = saved_errno;
    return value;
}

/* The powers of ten that are exact as doubles. */
static const double exact_powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                      1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* Digits that are exact as a double, over a power of ten that is: one division, rounded once as it has to be.
 * That is nearly all numbers that there are; strtod takes ten times as long. */
double clew__json_to_double(const char *text, size_t size) {
    size_t at = size > 0 && text[0] == '-', point = size;
    uint64_t digits = 0;
    double value;
    for (size_t i = at; i < size; i++) {
        if (text[i] == '.') {
            point = i + 1;
            continue;
        }
        if (text[i] < '0' || text[i] > '9' || digits >= (UINT64_C(1) << 53) / 10 - 1)
            return to_double_slowly(text, size);
        digits = digits * 10 + (uint64_t)(text[i] - '0');
    }
    if (size - point >= sizeof exact_powers / sizeof exact_powers[0])
        return to_double_slowly(text, size);
    value = (double)digits / exact_powers[size - point];
    return at ? -value : value;
}

bool clew__json_to_integer(const char *text, size_t size, struct clew__json_integer *out) {
    size_t at = size > 0 && text[0] == '-';
    double value;
    out->negative = at == 1;
    out->magnitude = 0;
    if (size == 0 || clew__json_number_size(text, size) != size)
        return false;
    for (; at < size && text[at] >= '0' && text[at] <= '9'; at++) {
        uint64_t digit = (uint64_t)(text[at] - '0');
        if (out->magnitude > (UINT64_MAX - digit) / 10)
            return false;
        out->magnitude = out->magnitude * 10 + digit;
    }
    if (at == size)
        return true;
    value = fabs(clew__json_to_double(text, size));
    if (!(value < 0x1p64))
        return false;
    out->magnitude = (uint64_t)value;
    return (double)out->magnitude == value;
}
